"""Effects of single schools, shrunken towards the mean of their county, and which of them can be told from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import stats

from qbresearch.errors import InputError
from qbresearch.exhibits.figures import plot_caterpillar
from qbresearch.language import clauses, say
from qbresearch.processed.sums import SchoolSums
from qbresearch.results.monitoring.units import (
    UNIT,
    Outcome,
    read_outcomes,
    school_labels,
    unit_labels,
)
from qbresearch.results.reasons import said
from qbresearch.statistics.estimates import LEVEL
from qbresearch.statistics.plausible_values import pool
from qbresearch.statistics.records import plain_records
from qbresearch.statistics.variance import null_models

NO_STUDENTS = "没有一名学生有成绩"
NO_VARIANCE = "校际方差估计为零，各校效应都为零"


@dataclass(frozen=True, slots=True)
class SchoolEffects:
    """Effect of every school in every unit.

    table : one row a school and measure: the unit's keys, ``school_code`` (and ``school_name``), ``label``,
        ``measure``, ``students``, ``mean`` (plain), ``reliability`` (0 to 1), ``effect`` (shrunken difference from the
        unit's mean, unit of the score), ``se`` (its prediction error, uncertainty of the unit's mean included),
        ``se_given_mean`` (the same as if that mean were known; what lme4 prints), ``low``, ``high`` (from ``se``),
        ``differs`` (``above``, ``below``, empty) and ``remark``.
    """

    table: pd.DataFrame
    by: tuple[str, ...]

    def tidy(self) -> pd.DataFrame:
        """A copy of ``table``."""
        return self.table.copy()

    def summary(self) -> str:
        """How many schools differ from the average, in one sentence."""
        known = self.table[self.table["effect"].notna()]
        above, below = int((known["differs"] == "above").sum()), int((known["differs"] == "below").sum())
        text = say(
            "{n} 个学校效应中 {differ} 个与平均水平有区别（高 {above} 个，低 {below} 个），其余 {rest} 个不能与平均水平区分",
            n=len(known), differ=above + below, above=above, below=below, rest=len(known) - above - below,
        )
        absent = len(self.table) - len(known)
        return clauses([text, *([say("另有 {n} 个不能估计", n=absent)] if absent else [])])

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Effects with their intervals in one unit.

        Raises
        ------
        InputError
            There is more than one unit or measure.
        """
        units = self.table[[*self.by, "measure"]].drop_duplicates()
        if len(units) > 1:
            raise InputError(
                "一张图只画一个单元的学校", where="学校效应图",
                found=f"{len(units)} 个：" + "、".join(unit_labels(units, [*self.by, "measure"])[:5]),
                expected="一个县、一个年级、一个学科、一种分数", fix="先选定一个单元再估计；全部结果在 tidy() 中",
            )
        return plot_caterpillar(self.table, ax=ax)

    def to_dict(self) -> dict[str, Any]:
        """Plain data; what is absent is ``None``."""
        return {"by": list(self.by), "table": plain_records(self.table)}


def estimate_school_effects(
    sums: SchoolSums | pd.DataFrame, *, by: Sequence[str] = UNIT, level: float = LEVEL
) -> SchoolEffects:
    r"""Best linear unbiased predictions of school effects from the null model of every unit.

    .. math:: \lambda_j = \frac{n_j\tau^2}{n_j\tau^2 + \sigma^2}, \quad \hat u_j = \lambda_j(\bar y_j - \hat\mu), \quad
              se_j^2 = \tau^2(1 - \lambda_j) + \lambda_j^2\,\widehat{Var}(\hat\mu)

    Students are not weighted; variances are REML and taken as known. A school differs where its interval (normal
    distribution) leaves out 0, each school for itself: with 95 % some 5 % of schools that are average still differ.
    Plausible values are pooled by Rubin's rules with :math:`se_j^2` as the variance within.

    Parameters
    ----------
    sums : SchoolSums or DataFrame
        Sums per school.
    by : sequence of str
        Columns that make a unit.
    level : float
        Coverage of the intervals.

    Returns
    -------
    SchoolEffects
        A unit with one school, constant scores or unknown spread has rows with a remark and no effect. No variance
        between schools: all effects 0 with a remark.

    Raises
    ------
    InputError
        No unit allows an effect (the reason is stated); or as
        :func:`~qbresearch.results.monitoring.units.read_outcomes`.

    Source
    ------
    Henderson (1975); Raudenbush & Bryk (2002), ch. 3; golden values from lme4's ``ranef(condVar = TRUE)``.
    """
    table = pd.concat([_effects(o, tuple(by), level) for o in read_outcomes(sums, by)], ignore_index=True)
    if table["effect"].isna().all():
        raise InputError(
            "学校效应估计不出来", where="学校效应", found=table["remark"].iloc[0], expected="至少一个单元有两所以上学校、校内离差平方和已知、成绩有差异",
            fix="用学生成绩表，或补上各校标准差；各校均值与学校均值的差异（D2、D3）仍可报告",
        )
    return SchoolEffects(table, tuple(by))


def _effects(outcome: Outcome, by: tuple[str, ...], level: float) -> pd.DataFrame:
    groups, g, usable = outcome.groups, outcome.n_groups, outcome.usable()
    first = outcome.schools[0]
    fits = [_fit(rows, usable, groups, g) for rows in outcome.schools]
    effect, total, given, reliability = (np.mean([f[k] for f in fits], axis=0) for k in range(4))
    known = np.isfinite(effect)
    if len(fits) > 1 and known.any():
        for variance, part in ((total, 1), (given, 2)):
            variance[known] = pool([f[0][known] for f in fits], [f[part][known] for f in fits]).se ** 2
    remarks = np.array([f[4] for f in fits], dtype=object)
    first_remark = np.array([next((r for r in column if r), "") for column in remarks.T], dtype=object)
    remark = outcome.remarks(first_remark)[groups]
    students = first["students"].to_numpy()
    remark = np.where((remark == "") & (students == 0), said(NO_STUDENTS), remark)
    half = stats.norm.ppf((1 + level) / 2) * np.sqrt(total)
    differs = np.select([effect - half > 0, effect + half < 0], ["above", "below"], default="").astype(object)
    plain = np.mean([_plain_mean(rows) for rows in outcome.schools], axis=0)
    columns = [*outcome.keys.columns, "school_code", *(["school_name"] if "school_name" in first else [])]
    return first[columns].assign(
        label=school_labels(first), measure=outcome.name, students=students, mean=plain, reliability=reliability,
        effect=effect, se=np.sqrt(total), se_given_mean=np.sqrt(given), low=effect - half, high=effect + half,
        differs=differs, remark=remark,
    )


def _plain_mean(rows: pd.DataFrame) -> np.ndarray:
    return np.where(rows["plain_mean"].isna(), rows["mean"], rows["plain_mean"]).astype(float)


def _fit(rows: pd.DataFrame, usable: np.ndarray, groups: np.ndarray, g: int) -> tuple[np.ndarray, ...]:
    """Effect, variance with and without that of the mean, and reliability of each school; remark of each unit."""
    n, mean = np.where(usable, rows["students"], 0).astype(float), _plain_mean(rows)
    models = null_models(n, mean, rows["plain_m2"].to_numpy(dtype=float), groups, g)
    tau2, sigma2 = models.tau2[groups], models.sigma2[groups]
    with np.errstate(divide="ignore", invalid="ignore"):
        reliability = np.where(n > 0, n * tau2 / (n * tau2 + sigma2), np.nan)
    effect, given = reliability * (mean - models.mean[groups]), tau2 * (1 - reliability)
    total = given + reliability**2 * models.mean_se[groups] ** 2
    remark = np.where((models.remark == "") & (models.tau2 == 0), NO_VARIANCE, models.remark)
    return effect, total, given, reliability, remark
