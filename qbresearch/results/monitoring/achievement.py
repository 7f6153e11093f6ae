"""Achievement of counties: means with intervals that know of schools, spread, and shares of students at each level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from qbresearch.errors import check_choice
from qbresearch.exhibits.figures import plot_levels
from qbresearch.language import say
from qbresearch.processed.sums import COUNTS, SHARE_WEIGHTS, SchoolSums
from qbresearch.results.monitoring.units import (
    UNIT,
    Outcome,
    read_outcomes,
    unit_labels,
)
from qbresearch.results.reasons import said, spoken
from qbresearch.statistics.estimates import LEVEL
from qbresearch.statistics.plausible_values import pool
from qbresearch.statistics.records import plain_records
from qbresearch.statistics.survey import design_effect, ratios_by_group, shares_by_group

LEVEL_LABELS = ("Ⅰ", "Ⅱ", "Ⅲ", "Ⅳ")
UPPER = 2  # position of the first level that counts as Ⅲ or above
NO_LEVELS = "没有等级数据"
NO_SPREAD = "缺少校内离差平方和，学生标准差不能计算"


@dataclass(frozen=True, slots=True)
class AchievementResult:
    """Means and level shares of every unit.

    table : one row per unit and measure (plausible values are one measure, ``pv``): the unit's keys, ``measure``,
        ``values`` (plausible values pooled; 1 for a score), ``schools``, ``students`` (with a value), ``missing``,
        ``mean``, ``se``, ``df``, ``low``, ``high``, ``sd`` (of students), ``design_effect``, ``fmi`` (fraction of
        information missing through plausible values) and ``remark`` (why a number is absent).
    levels : one row per unit and level, and one for Ⅲ and above: keys, ``level`` (1 to 4, 0 for Ⅲ and above),
        ``label``, ``count`` (unweighted persons), ``share`` (0 to 1, weighted), ``se``, ``df``, ``low``, ``high``,
        ``method`` (name of the interval) and ``remark``. Levels belong to students, not to measures.
    """

    table: pd.DataFrame
    levels: pd.DataFrame
    by: tuple[str, ...]

    def tidy(self) -> pd.DataFrame:
        """A copy of ``table``."""
        return self.table.copy()

    def summary(self) -> str:
        """The mean of one unit, or the range of the means of several, in one sentence."""
        known = self.table.dropna(subset=["mean"])
        if known.empty:
            return say("没有一个均值可以计算")
        if len(known) == 1:
            row = known.iloc[0]
            low, high = f"{row['low']:.1f}", f"{row['high']:.1f}"
            return say(
                "{schools} 所学校 {students} 名学生的均值为 {mean}（{reach}）", schools=row["schools"],
                students=f"{row['students']:,}", mean=f"{row['mean']:.1f}",
                reach=row["remark"] if np.isnan(row["low"]) else say("95% 区间 {low}–{high}", low=low, high=high),
            )
        labels = unit_labels(known, [*self.by, *(["measure"] if known["measure"].nunique() > 1 else [])])
        top, bottom = int(known["mean"].to_numpy().argmax()), int(known["mean"].to_numpy().argmin())
        values = {
            "n": len(known), "least": f"{known['mean'].min():.1f}", "bottom": labels[bottom],
            "most": f"{known['mean'].max():.1f}", "top": labels[top],
        }
        if absent := len(self.table) - len(known):
            return say(
                "{n} 个均值从 {least}（{bottom}）到 {most}（{top}），另有 {absent} 个不能计算", absent=absent, **values
            )
        return say("{n} 个均值从 {least}（{bottom}）到 {most}（{top}）", **values)

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Shares of students at each level, one bar a unit."""
        shown = self.levels[self.levels["level"] > 0]
        return plot_levels(shown.assign(level=shown["label"], label=unit_labels(shown, self.by)), ax=ax)

    def to_dict(self) -> dict[str, Any]:
        """Plain data; what is absent is ``None``."""
        return {"by": list(self.by), "table": plain_records(self.table), "levels": plain_records(self.levels)}


def measure_achievement(
    sums: SchoolSums | pd.DataFrame, *, by: Sequence[str] = UNIT, strata: str | None = None,
    population_schools: str | None = None, level: float = LEVEL,
) -> AchievementResult:
    r"""Mean, spread and level shares of every unit, with schools as the primary sampling units.

    .. math:: \bar y = \frac{\sum_j W_j\bar y_j}{\sum_j W_j}, \quad
              \widehat{Var}(\bar y) = \frac{J}{J-1}\sum_j\left(\frac{W_j(\bar y_j - \bar y)}{\sum_j W_j}\right)^2, \quad
              sd^2 = \frac{n}{n-1}\frac{\sum_j [M_{2,j} + W_j(\bar y_j - \bar y)^2]}{\sum_j W_j}

    Intervals use t with schools - strata degrees of freedom; those of shares are Korn–Graubard. Several plausible
    values are pooled by Rubin's rules with the variance above as the sampling variance.

    Parameters
    ----------
    sums : SchoolSums or DataFrame
        Sums per school; student weights are in them.
    by : sequence of str
        Columns that make a unit; subjects, grades and years are never mixed.
    strata, population_schools : str, optional
        Columns of the sums: stratum of the school, and number of schools in the population of its stratum (finite
        population correction). Without the latter the schools stand for many more.
    level : float
        Coverage of the intervals.

    Returns
    -------
    AchievementResult
        One school: its mean, and a remark instead of a standard error. A school without a mean: no mean of its unit and
        a remark with the count. Sums of squares unknown (published means): no ``sd`` and ``design_effect``, the rest
        stands. No levels: a remark in ``levels``.

    Raises
    ------
    InputError
        As :func:`~qbresearch.results.monitoring.units.read_outcomes`.

    Source
    ------
    Särndal, Swensson & Wretman (1992), ch. 4-5; Rubin (1987); Korn & Graubard (1998); golden values from R.
    """
    outcomes = read_outcomes(sums, by)
    columns = {"strata": strata, "population": population_schools}
    for role, name in columns.items():
        if name is not None:
            check_choice(name, list(outcomes[0].schools[0].columns), name="列", where=role)
    table = pd.concat([_means(o, columns, level) for o in outcomes], ignore_index=True)
    return AchievementResult(table, _levels(outcomes[0], columns, level), tuple(by))


def _design(rows: pd.DataFrame, columns: dict[str, str | None]) -> dict[str, Any]:
    strata, population = columns["strata"], columns["population"]
    return {
        "strata": None if strata is None else rows[strata].to_numpy(dtype=object),
        "population_clusters": None if population is None else rows[population].to_numpy(dtype=float),
    }


def _means(outcome: Outcome, columns: dict[str, str | None], level: float) -> pd.DataFrame:
    g, groups, usable = outcome.n_groups, outcome.groups, outcome.usable()
    fits, sds, effects = [], [], []
    for rows in outcome.schools:
        w = np.where(usable, rows["weight"], 0.0)
        y = np.where(w > 0, rows["mean"], 0.0)
        fit = ratios_by_group(w * y, w, groups, g, **_design(rows, columns), level=level)
        mean = fit["estimate"].to_numpy()
        n = np.bincount(groups, rows["students"], g)
        inside = np.where(w > 0, rows["m2"] + w * (y - np.nan_to_num(mean)[groups]) ** 2, 0.0)
        squares, total = np.bincount(groups, inside, g), np.bincount(groups, w, g)
        with np.errstate(divide="ignore", invalid="ignore"):
            sds.append(np.where(n > 1, squares / total * n / (n - 1), np.nan))
        effects.append(design_effect(fit["se"] ** 2, total, squares, n))
        fits.append(fit)
    first, rows = fits[0], outcome.schools[0]
    estimate, se, df = (first[c].to_numpy() for c in ("estimate", "se", "df"))
    low, high, fmi = first["low"].to_numpy(), first["high"].to_numpy(), np.zeros(g)
    if len(fits) > 1:
        estimate = np.mean([f["estimate"] for f in fits], axis=0)
        known = np.isfinite(se)
        pooled = pool([f["estimate"][known] for f in fits], [f["se"][known] ** 2 for f in fits], df[known])
        se, df, fmi, low, high = np.full((5, g), np.nan)
        se[known], df[known], fmi[known] = pooled.se, pooled.df, pooled.fmi
        low[known], high[known] = pooled.interval(level)
    sd = np.sqrt(np.mean(sds, axis=0))
    students = np.bincount(groups, rows["students"], g).astype(np.int64)
    remark = outcome.remarks(first["remark"])
    remark = np.where((remark == "") & np.isnan(sd) & (students > 1), said(NO_SPREAD), remark)
    return outcome.keys.assign(
        measure=outcome.name, values=len(fits), schools=np.bincount(groups, rows["students"] > 0, g).astype(np.int64),
        students=students, missing=np.bincount(groups, rows["missing"], g).astype(np.int64), mean=estimate, se=se,
        df=df, low=low, high=high, sd=sd, design_effect=np.mean(effects, axis=0), fmi=fmi, remark=remark,
    )


def _levels(outcome: Outcome, columns: dict[str, str | None], level: float) -> pd.DataFrame:
    """Shares of the levels; with plausible values too, since a level belongs to a student."""
    rows, g, groups = outcome.schools[0], outcome.n_groups, outcome.groups
    blank = np.full((len(rows), len(COUNTS)), np.nan)
    counts = rows[list(COUNTS)].to_numpy(dtype=float) if set(COUNTS) <= set(rows) else blank
    weights = rows[list(SHARE_WEIGHTS)].to_numpy(dtype=float) if set(SHARE_WEIGHTS) <= set(rows) else blank
    unknown = np.isnan(counts).any(axis=1) | np.isnan(weights).any(axis=1)
    unknown |= (counts.sum(axis=1) == 0) & (rows["students"].to_numpy() > 0)  # scores, and not one level
    # Levels of the rest would be a share of other students than the mean's.
    lacking = np.bincount(groups, unknown & (rows["students"].to_numpy() > 0), g)
    use = (lacking == 0)[groups] & ~unknown
    counts, weights = np.where(use[:, None], counts, 0.0), np.where(use[:, None], weights, 0.0)
    schools = np.bincount(groups, rows["students"] > 0, g)
    persons, total = np.bincount(groups, counts.sum(axis=1), g), weights.sum(axis=1)
    parts = []
    names = [*((k + 1, label, [k]) for k, label in enumerate(LEVEL_LABELS)),
             (0, say("Ⅲ级及以上"), list(range(UPPER, len(LEVEL_LABELS))))]
    for number, label, chosen in names:
        fit = shares_by_group(
            weights[:, chosen].sum(axis=1), total, groups, g, **_design(rows, columns), persons=persons, level=level
        )
        some = np.array([say("{n} 所学校没有等级数据", n=n) for n in lacking.astype(np.int64)], dtype=object)
        partly = (lacking > 0) & (lacking < schools)
        remark = np.select([partly, persons == 0], [some, said(NO_LEVELS)], default=spoken(fit["remark"]))
        parts.append(outcome.keys.assign(
            level=number, label=label, count=np.bincount(groups, counts[:, chosen].sum(axis=1), g).astype(np.int64),
            share=fit["estimate"], se=fit["se"], df=fit["df"], low=fit["low"], high=fit["high"], method=fit["method"],
            remark=remark, unit=np.arange(g),
        ))
    frame = pd.concat(parts, ignore_index=True).sort_values("unit", kind="stable", ignore_index=True)
    return frame.drop(columns="unit")
