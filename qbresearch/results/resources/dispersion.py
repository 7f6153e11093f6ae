"""Dispersion between schools as tables: indicators by county, year and stage, and groups of schools in one county."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from qbresearch.errors import InputError, check_choice
from qbresearch.exhibits.figures import plot_cv_caps
from qbresearch.language import label_of, say
from qbresearch.results.resources.indicators import UNIT, IndicatorTable
from qbresearch.rules.standards import Standard
from qbresearch.statistics.dispersion import Moments, between_within, grouped_moments


def unit_groups(keys: pd.DataFrame, by: Sequence[str] = UNIT) -> tuple[np.ndarray, pd.DataFrame]:
    """Number the groups of a key table.

    Returns
    -------
    groups : int array, shape (n,)
        Group of each row, in sorted order of the keys.
    units : DataFrame
        One row a group with the ``by`` columns (and ``county_name`` where the keys have it).
    """
    codes = np.zeros(len(keys), dtype=np.int64)
    size = 1
    for name in by:
        if isinstance(keys[name].dtype, pd.CategoricalDtype):
            part, count = keys[name].cat.codes.to_numpy(dtype=np.int64), len(keys[name].cat.categories)
        else:
            part, levels = pd.factorize(keys[name], sort=True)
            count = len(levels)
        if (part < 0).any():
            raise InputError(
                "有学校没有分组", where=name, found=f"{int((part < 0).sum())} 所学校的 {name} 是空白", expected="每所学校属于一组",
                fix="补上分组（如城乡类型）",
            )
        codes = codes * count + part
        size *= count
    present = np.bincount(codes, minlength=size) > 0
    groups = (np.cumsum(present) - 1)[codes]
    first = np.empty(int(present.sum()), dtype=np.int64)
    first[groups[::-1]] = np.arange(len(codes))[::-1]
    names = [*by, *(["county_name"] if "county_name" in keys and "county_code" in by else [])]
    return groups, keys[names].iloc[first].reset_index(drop=True)



@dataclass(frozen=True, slots=True)
class DispersionResult:
    """Means and coefficients of variation of every indicator in every county, year and stage.

    table : one row per unit and indicator: the unit's keys, ``indicator``, ``label``, ``short``, ``unit``,
        ``schools``, ``students``, ``mean``, ``sd``, ``cv``, ``missing`` (schools without a value) and ``remark``
        (in words: why a value is absent or trivial).
    composite : one row per unit: keys and ``cv``, the plain mean over all indicators (NaN if one is absent).
    """

    table: pd.DataFrame
    composite: pd.DataFrame
    standard: Standard = field(repr=False)

    def tidy(self) -> pd.DataFrame:
        """A copy of ``table``."""
        return self.table.copy()

    def summary(self) -> str:
        """The largest coefficient of variation in one sentence."""
        known = self.table.dropna(subset=["cv"])
        if known.empty:
            return say("没有一项差异系数可以计算")
        top = known.loc[known["cv"].idxmax()]
        cv = f"{top['cv']:.{self.standard.decimals('cv_decimals')}f}"
        return say("差异系数最大的是{indicator}：{cv}（{n} 所学校）", indicator=top["label"], cv=cv, n=top["schools"])

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Coefficients of variation of one unit, without caps."""
        blank = self.table.assign(cap=np.nan, verdict="", fragile=False)
        return plot_cv_caps(blank.assign(label=blank["short"]), ax=ax)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"standard": self.standard.id, "table": self.table.to_dict("records"),
                "composite": self.composite.to_dict("records")}


def measure_dispersion(table: IndicatorTable, *, by: Sequence[str] = UNIT) -> DispersionResult:
    """Mean, standard deviation and coefficient of variation per unit and indicator.

    Parameters
    ----------
    table : IndicatorTable
    by : sequence of str
        Key columns that make a unit; by default county, school year and stage.

    Returns
    -------
    DispersionResult
        Nothing is dropped: a unit in which a school lacks a value has ``cv`` NaN and says how many are missing. A unit
        with a single school has ``cv`` 0 and is remarked as such.
    """
    groups, units = unit_groups(table.keys, by)
    moments = grouped_moments(table.values, table.students, groups, len(units))
    return DispersionResult(
        moments_table(table, units, moments), units.assign(cv=moments.cv.mean(axis=1)), table.standard
    )


def moments_table(table: IndicatorTable, units: pd.DataFrame, moments: Moments) -> pd.DataFrame:
    """Moments of g units and k indicators as a table of g x k rows; columns as in :class:`DispersionResult`."""
    indicators, g, k = table.standard.indicators, len(units), len(table.codes)
    schools = np.repeat(moments.schools, k)
    missing, cv, mean = moments.missing.ravel(), moments.cv.ravel(), moments.mean.ravel()
    words = [say("各校均为零，差异系数没有意义"), say("仅一所学校")]
    remark = np.select([np.isnan(cv), schools == 1], words, default="").astype(object)
    few = np.flatnonzero(missing > 0)
    remark[few] = [say("{n} 所学校缺数据", n=n) for n in missing[few]]
    texts = {name: [label_of(i, name) for i in indicators] for name in ("label", "short", "unit")}
    texts["indicator"] = [i.code for i in indicators]
    return units.loc[units.index.repeat(k)].reset_index(drop=True).assign(
        **{name: np.tile(np.array(values, dtype=object), g) for name, values in texts.items()},
        schools=schools,
        students=np.repeat(moments.students, k),
        mean=mean,
        sd=moments.sd.ravel(),
        cv=cv,
        missing=missing,
        remark=remark,
    )


def compare_groups(table: IndicatorTable, *, by: str = "location") -> pd.DataFrame:
    """Groups of schools inside one unit, beside what of the unit's dispersion lies between them.

    Parameters
    ----------
    table : IndicatorTable
        One county, year and stage.
    by : str
        Key column that names the group (``location``: urban, town, rural; or a district code).

    Returns
    -------
    DataFrame
        One row per indicator and group: ``indicator, label, short, unit, group, schools, students, mean, sd, cv`` of
        the group, and ``between``, ``within`` of the unit (parts of CV²; NaN while a value is missing).
    """
    check_choice(by, list(table.keys.columns), name="分组列", where="group_by")
    frame = measure_dispersion(table, by=(by,)).table.rename(columns={by: "group"})
    parts = {}
    for column, code in enumerate(table.codes):
        x = table.values[:, column]
        complete = np.isfinite(x).all() and np.isfinite(table.students).all() and x.sum() > 0
        parts[code] = between_within(x, table.students, table.keys[by]) if complete else (np.nan, np.nan)
    return frame.assign(
        between=frame["indicator"].map(lambda c: parts[c][0]), within=frame["indicator"].map(lambda c: parts[c][1])
    )
