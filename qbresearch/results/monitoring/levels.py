"""Where only the number of students at each level is known: school means and spreads recovered by ordered probit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from qbresearch.errors import InputError
from qbresearch.language import listed, say
from qbresearch.processed.sums import COUNTS, SchoolSums
from qbresearch.results.monitoring.units import UNIT, school_labels, unit_labels
from qbresearch.results.reasons import refusal
from qbresearch.statistics.ordered_probit import OrderedProbit, fit_ordered_probit
from qbresearch.statistics.records import plain_records

SCHOOL_COLUMNS = ["group", "students", "mean", "mean_se", "low", "high", "sd", "sd_se", "spread", "remark"]


@dataclass(frozen=True, slots=True)
class RecoveredLevels:
    """What counts per level say about schools.

    units : one row a unit: its keys, ``schools``, ``pooled`` (schools whose spread is borrowed), ``icc_corrected`` (share
        of variance between schools, sampling variance of the means taken off), ``icc_se`` and ``remark`` (why
        nothing could be recovered).
    schools : one row a school: the unit's keys, ``label`` and the columns of
        :class:`qbresearch.statistics.ordered_probit.OrderedProbit`; means in standard deviations of the unit's students.
    """

    units: pd.DataFrame
    schools: pd.DataFrame
    by: tuple[str, ...]

    def tidy(self) -> pd.DataFrame:
        """A copy of ``schools``."""
        return self.schools.copy()

    def summary(self) -> str:
        """The share of variance between schools in one sentence."""
        known = self.units.dropna(subset=["icc_corrected"])
        if known.empty and len(self.units):
            return say("没有一个单元能由水平人数恢复均值：{reason}", reason=self.units["remark"].iloc[0])
        if known.empty:
            return say("没有一个单元能由水平人数恢复均值")
        shares = listed(
            f"{label} {share:.3f}" for label, share in zip(unit_labels(known, self.by), known["icc_corrected"], strict=True)
        )
        return say("由水平人数恢复（异方差有序 probit），校际方差占比：{shares}", shares=shares)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"units": plain_records(self.units), "schools": plain_records(self.schools)}


def recover_from_levels(sums: SchoolSums, *, by: Sequence[str] = UNIT) -> RecoveredLevels:
    """School means and spreads from the counts of students at each level, unit by unit.

    Parameters
    ----------
    sums : SchoolSums
        With ``count_1`` to ``count_4`` (unweighted students).
    by : sequence of str
        Columns that make a unit.

    Returns
    -------
    RecoveredLevels
        See :func:`qbresearch.statistics.ordered_probit.fit_ordered_probit` for method, constraint and pooling. Where no
        school is large enough for a spread of its own, all share one (homoskedastic), and the remark says so. A unit
        without counts, with one school or with fewer than three levels in use has no numbers and a remark.
    """
    table = sums.table[sums.table["measure"].eq(sums.table["measure"].iloc[0])]
    keys = [*by, *(["county_name"] if "county_name" in table and "county_code" in by else [])]
    units, schools = [], []
    for values, rows in table.groupby(keys, sort=True, dropna=False):
        head = dict(zip(keys, values, strict=True))
        fit, remark = _fit(rows)
        if fit is None:
            blank = {"icc_corrected": float("nan"), "icc_se": float("nan"), "pooled": 0}
            units.append(head | blank | {"schools": len(rows), "remark": remark})
            continue
        pooled = int(fit.table["spread"].eq("pooled").sum())
        found = {"icc_corrected": fit.icc_corrected, "icc_se": fit.icc_se, "pooled": pooled}
        units.append(head | found | {"schools": len(rows), "remark": remark})
        schools.append(fit.table.assign(**head))
    columns = [*keys, "schools", "pooled", "icc_corrected", "icc_se", "remark"]
    empty = pd.DataFrame(columns=[*keys, *SCHOOL_COLUMNS])
    return RecoveredLevels(
        pd.DataFrame(units)[columns], pd.concat(schools, ignore_index=True) if schools else empty, tuple(by)
    )


def _fit(rows: pd.DataFrame) -> tuple[OrderedProbit | None, str]:
    counts, names = rows[list(COUNTS)].to_numpy(dtype=float), list(school_labels(rows))
    try:
        return fit_ordered_probit(counts, group_names=names), ""
    except InputError as error:
        remark = refusal(error)
    try:
        return fit_ordered_probit(counts, group_names=names, heteroskedastic=False), say("各校学生太少，各校取同一个标准差")
    except InputError:
        return None, remark
