"""Difference rates between schools (校际差异率) under every definition in use, beside the value that was reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from qbresearch.errors import InputError
from qbresearch.exhibits.figures import plot_difference_rates
from qbresearch.exhibits.sentences.monitoring import reading_words
from qbresearch.language import clauses, say
from qbresearch.processed.sums import SchoolSums
from qbresearch.results.monitoring.units import (
    UNIT,
    Outcome,
    read_outcomes,
    unit_labels,
)
from qbresearch.results.reasons import said
from qbresearch.statistics.estimates import LEVEL
from qbresearch.statistics.records import plain_records
from qbresearch.statistics.spread import METHOD, spreads_by_group
from qbresearch.statistics.variance import NullModels, null_models

STATUS = "本地诊断值，不代替监测报告值"
SCALE = "0-1"
NO_FULL_MARK = "不知道满分，不能换算得分率"
SEVERAL_FULL_MARKS = "满分不一致，不能换算得分率"
EXACT = "由 F 分布反推的精确区间（Wald 法，设学校均值为正态）"


@dataclass(frozen=True, slots=True)
class Definition:
    """One way of computing a difference rate: what it is called, its formula in words, and what its interval covers."""

    label: str
    formula: str
    target: str
    interval: str


DEFINITIONS = ("D1", "D2", "D2c", "D3", "D3c")


def definitions() -> dict[str, Definition]:
    """The definitions in use, in the words of the report's language."""
    noisy, true = say("同类学校总体中观察到的学校均值（含学生抽样误差）"), say("同类学校总体中真实的学校均值")
    exact, jackknife = said(EXACT), said(METHOD)
    found = (
        Definition(
            say("校际方差占比"), say("校间方差 ÷（校间方差 + 校内方差），单因素随机效应模型，REML，不加权"), true, exact
        ),
        Definition(say("学校均值的差异系数"), say("√Σpⱼ(x̄ⱼ − x̄)² ÷ x̄，pⱼ 为学校的学生比重"), noisy, jackknife),
        Definition(
            say("学校均值的差异系数，扣除学生抽样误差"), say("同 D2，根号内减去学校均值的抽样方差"), true, jackknife
        ),
        Definition(say("学校得分率的标准差"), say("√Σpⱼ(x̄ⱼ − x̄)² ÷ 满分，pⱼ 为学校的学生比重"), noisy, jackknife),
        Definition(
            say("学校得分率的标准差，扣除学生抽样误差"), say("同 D3，根号内减去学校均值的抽样方差"), true, jackknife
        ),
    )
    return dict(zip(DEFINITIONS, found, strict=True))


@dataclass(frozen=True, slots=True)
class DifferenceRateResult:
    """Difference rates of every unit by definition; none of them is the reported one.

    table : one row per unit, measure and definition: the unit's keys, ``measure``, ``definition`` (D1, D2, D2c, D3,
        D3c), ``label``, ``formula``, ``estimate``, ``low``, ``high``, ``target`` (what the interval is an interval
        for), ``interval`` (how it was made), ``scale`` (``0-1``), ``limit`` (NaN without one), ``reading``
        (``below``, ``above``, ``undecided``; empty without limit or estimate), ``status`` (that it is a local
        diagnostic), ``reported`` and ``reported_reading`` (the official value, as given), ``schools``, ``students``
        and ``remark`` (why a number is absent).
    """

    table: pd.DataFrame
    by: tuple[str, ...]
    limit: float | None

    def tidy(self) -> pd.DataFrame:
        """A copy of ``table``."""
        return self.table.copy()

    def summary(self) -> str:
        """The variance share of one unit, or how the units stand to the limit, in one sentence."""
        rows = self.table[self.table["definition"] == "D1"]
        known = rows.dropna(subset=["estimate"])
        if known.empty:
            return say("校际方差占比不能计算：{reason}", reason=rows["remark"].mode().iloc[0])
        return clauses([self._one(known.iloc[0]) if len(known) == 1 else self._several(known), said(STATUS)])

    def _one(self, row: pd.Series) -> str:
        values = {"estimate": f"{row['estimate']:.3f}", "remark": row["remark"]}
        text = say("校际方差占比 {estimate}（{remark}）", **values)
        if not np.isnan(row["low"]):
            values |= {"low": f"{row['low']:.3f}", "high": f"{row['high']:.3f}"}
            text = say("校际方差占比 {estimate}（95% 区间 {low}–{high}）", **values)
        if not row["reading"]:
            return text
        reading = reading_words()[row["reading"]]
        return say("{text}，{reading} {limit}", text=text, reading=reading, limit=f"{self.limit:g}")

    def _several(self, known: pd.DataFrame) -> str:
        values = {"n": len(known), "least": f"{known['estimate'].min():.3f}", "most": f"{known['estimate'].max():.3f}"}
        if self.limit is None:
            return say("{n} 个校际方差占比从 {least} 到 {most}", **values)
        counts = {reading: int(known["reading"].eq(reading).sum()) for reading in reading_words()}
        return say(
            "{n} 个校际方差占比从 {least} 到 {most}，{below} 个低于 {limit}，{above} 个不低于 {limit}，{undecided} 个不能判断是否低于 {limit}",
            limit=f"{self.limit:g}", **values, **counts,
        )

    def plot(self, *, definition: str = "D1", ax: Axes | None = None) -> Axes:
        """Estimates and intervals of one definition against the limit, one row a unit."""
        rows = self.table[self.table["definition"] == definition]
        keys = [*self.by, *(["measure"] if rows["measure"].nunique() > 1 else [])]
        return plot_difference_rates(rows.assign(label=unit_labels(rows, keys)), ax=ax)

    def to_dict(self) -> dict[str, Any]:
        """Plain data; what is absent is ``None``."""
        return {"by": list(self.by), "limit": self.limit, "status": said(STATUS), "table": plain_records(self.table)}


def measure_difference_rates(
    sums: SchoolSums | pd.DataFrame, *, limit: float | None = None, reported: pd.DataFrame | None = None,
    by: Sequence[str] = UNIT, level: float = LEVEL,
) -> DifferenceRateResult:
    r"""Difference rates of every unit under all definitions, with intervals and a reading against a limit.

    .. math:: D_1 = \frac{\tau^2}{\tau^2 + \sigma^2}, \quad
              D_2 = \frac{1}{\bar x}\sqrt{\sum_j p_j(\bar x_j - \bar x)^2}, \quad
              D_3 = \frac{1}{F}\sqrt{\sum_j p_j(\bar x_j - \bar x)^2}

    D1 is fitted without student weights; D2 and D3 weigh schools by the sum of their students' weights; F is the full
    mark. D2c and D3c take the sampling variance of the school means off, so that many small schools do not look
    unequal for their size alone. Scores whose zero is arbitrary (scale scores around 500) have no meaningful D2. Of
    plausible values the mean of the estimates stands between the lowest and the highest bound.

    Parameters
    ----------
    sums : SchoolSums or DataFrame
        Sums per school.
    limit : float, optional
        Limit on the 0-1 scale. ``below``: the whole interval lies below it; ``above``: the whole interval lies at or
        above it; ``undecided`` otherwise, or without an interval.
    reported : DataFrame, optional
        Values of the monitoring report on the 0-1 scale in a column ``reported``, beside some of the ``by`` columns.
        They stand beside the local ones and are never replaced.
    by : sequence of str
        Columns that make a unit.
    level : float
        Coverage of the intervals.

    Returns
    -------
    DifferenceRateResult
        One school, one student a school, constant scores, unknown spread within schools, unknown full mark: no estimate
        and a remark in its place. Equal school means: D2 and D3 are 0.

    Raises
    ------
    InputError
        A limit or a reported value is not between 0 and 1 (a percentage), two reported values for one unit, a reported
        value of a unit that is not there; or as
        :func:`~qbresearch.results.monitoring.units.read_outcomes`.

    Source
    ------
    No official definition was found (status: unverified); D1 to D3 are those in use.
    """
    if limit is not None:
        _check_scale(np.array([limit]), "界限", "limit")
    outcomes = read_outcomes(sums, by)
    table = pd.concat([_rates(o, level) for o in outcomes], ignore_index=True)
    value = np.nan if limit is None else float(limit)
    table = table.assign(scale=SCALE, limit=value, status=said(STATUS), reading=_reading(table, value))
    table["reported"] = _reported(table, reported, tuple(by))
    official = np.where(table["reported"] < value, "below", "above")
    known = table["reported"].notna() & np.isfinite(value)
    table["reported_reading"] = np.where(known, official, "").astype(object)
    columns = ["measure", "definition", "label", "formula", "estimate", "low", "high", "target", "interval", "scale",
               "limit", "reading", "status", "reported", "reported_reading", "schools", "students", "remark"]
    return DifferenceRateResult(table[[*outcomes[0].keys.columns, *columns]], tuple(by), limit)


def _rates(outcome: Outcome, level: float) -> pd.DataFrame:
    """All definitions of one outcome; of several plausible values the mean, between the outermost bounds."""
    each = [_of_one_measure(outcome, rows, level) for rows in outcome.schools]
    frames = []
    for name, definition in definitions().items():
        parts = [e[name] for e in each]
        remarks = np.array([p["remark"] for p in parts], dtype=object)
        first = np.array([next((r for r in column if r), "") for column in remarks.T], dtype=object)
        interval = definition.interval
        frames.append(outcome.keys.assign(
            measure=outcome.name, definition=name, label=definition.label, formula=definition.formula,
            estimate=np.mean([p["estimate"] for p in parts], axis=0), low=np.min([p["low"] for p in parts], axis=0),
            high=np.max([p["high"] for p in parts], axis=0), target=definition.target,
            interval=say("{interval}，各合理值区间的并", interval=interval) if len(parts) > 1 else interval, remark=outcome.remarks(first),
            schools=np.bincount(outcome.groups, outcome.schools[0]["students"] > 0, outcome.n_groups).astype(np.int64),
            students=np.bincount(outcome.groups, outcome.schools[0]["students"], outcome.n_groups).astype(np.int64),
            unit=np.arange(outcome.n_groups),
        ))
    frame = pd.concat(frames, ignore_index=True).sort_values("unit", kind="stable", ignore_index=True)
    return frame.drop(columns="unit")


def _of_one_measure(outcome: Outcome, rows: pd.DataFrame, level: float) -> dict[str, pd.DataFrame]:
    """Columns ``estimate, low, high, remark`` of every definition, one row a unit."""
    groups, g, usable = outcome.groups, outcome.n_groups, outcome.usable()
    n = np.where(usable, rows["students"], 0).astype(float)
    w = np.where(usable, rows["weight"], 0.0)
    plain = np.where(rows["plain_mean"].isna(), rows["mean"], rows["plain_mean"])
    models = null_models(n, plain, rows["plain_m2"].to_numpy(dtype=float), groups, g, level=level)
    found = {"D1": models.tidy()[["low", "high", "remark"]].assign(estimate=models.icc)}
    sampling = _sampling_variance(rows, models, n, w, groups)
    mean = rows["mean"].to_numpy(dtype=float)
    full, why = _full_marks(rows, groups, g)
    for clean, mark in ((None, ""), (sampling, "c")):
        cv = spreads_by_group(mean, w, groups, g, relative=True, sampling=clean, level=level)
        sd = spreads_by_group(mean, w, groups, g, sampling=clean, level=level)
        # The variance within schools is unknown for the reason that the model gives.
        if clean is not None:
            for frame in (cv, sd):
                unknown = frame["estimate"].isna() & (models.remark != "") & frame["schools"].gt(1)
                frame.loc[unknown, "remark"] = models.remark[unknown]
        numbers = ["estimate", "low", "high"]
        sd[numbers] = sd[numbers].div(full, axis=0)
        sd["remark"] = np.where(sd["schools"].gt(1) & (why != ""), why, sd["remark"])
        found["D2" + mark], found["D3" + mark] = cv, sd
    return found


def _sampling_variance(
    rows: pd.DataFrame, models: NullModels, n: np.ndarray, w: np.ndarray, groups: np.ndarray
) -> np.ndarray:
    """Sampling variance of each school's weighted mean: the unit's variance within schools, over effective students."""
    g = len(models.icc)
    within = np.bincount(groups, np.where(n > 1, rows["plain_m2"], 0.0), g)
    freedom = np.bincount(groups, np.maximum(n - 1, 0), g)
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma2 = np.where(freedom > 0, within / freedom, np.nan)
        squares = np.where(rows["weight2"].isna() & (rows["weight"] == rows["students"]), w, rows["weight2"])
        return np.where(w > 0, sigma2[groups] * squares / w**2, 0.0)


def _full_marks(rows: pd.DataFrame, groups: np.ndarray, g: int) -> tuple[np.ndarray, np.ndarray]:
    """Full mark of every unit, NaN with the reason where there is not exactly one."""
    marks = rows["full_mark"].to_numpy(dtype=float)
    counts = rows["students"].to_numpy() > 0
    absent = np.bincount(groups, counts & ~(marks > 0), g) > 0
    stated = counts & (marks > 0)
    low, high = np.full(g, np.inf), np.full(g, -np.inf)
    np.minimum.at(low, groups[stated], marks[stated])
    np.maximum.at(high, groups[stated], marks[stated])
    several = ~absent & (low < high)
    why = np.select([absent, several], [NO_FULL_MARK, SEVERAL_FULL_MARKS], default="").astype(object)
    return np.where((why == "") & np.isfinite(low), low, np.nan), why


def _reading(table: pd.DataFrame, limit: float) -> np.ndarray:
    """Where the interval lies to the limit."""
    none = table["estimate"].isna() | np.isnan(limit)
    return np.select(
        [none, table["high"] < limit, table["low"] >= limit], ["", "below", "above"], default="undecided"
    ).astype(object)


def _reported(table: pd.DataFrame, reported: pd.DataFrame | None, by: tuple[str, ...]) -> np.ndarray:
    """Reported value of every row."""
    if reported is None:
        return np.full(len(table), np.nan)
    keys = [c for c in by if c in reported]
    if "reported" not in reported or not keys:
        raise InputError(
            "监测报告值的表缺少列", where="reported", found="有 " + "、".join(map(str, reported.columns)),
            expected="reported 一列和 " + "、".join(by) + " 中的若干列", fix="补上这些列；本地诊断值不需要它",
        )
    values = reported["reported"].to_numpy(dtype=float)
    _check_scale(values[~np.isnan(values)], "监测报告值", "reported")
    if (twice := reported.duplicated(keys)).any():
        raise InputError(
            "同一单元有两个监测报告值", where="reported",
            found="、".join(str(v) for v in reported.loc[twice, keys].iloc[0]), expected="每个单元一个", fix="删去重复行，或补上区分它们的列（" + "、".join(c for c in by if c not in keys) + "）",
        )
    both = table[keys].drop_duplicates().merge(reported[keys], on=keys, how="right", indicator=True)
    if (unknown := both["_merge"] == "right_only").any():
        raise InputError(
            "监测报告值在成绩中没有对应的单元", where="reported",
            found=f"{int(unknown.sum())} 行，如 " + "、".join(str(v) for v in both.loc[unknown, keys].iloc[0]),
            expected="每行对应一个有成绩的单元", fix="核对代码、学年、年级与学科的写法，或去掉这些行",
        )
    official = reported[keys].assign(reported=values)
    return table[keys].merge(official, on=keys, how="left")["reported"].to_numpy()


def _check_scale(values: np.ndarray, what: str, where: str) -> None:
    if (bad := ~((values >= 0) & (values <= 1))).any():
        first = values[bad][0]
        raise InputError(
            f"{what}不在 0 到 1 之间", where=where, found=f"{int(bad.sum())} 个，如 {first:g}", expected="0 到 1 的小数",
            fix=f"像是百分数：{first:g}% 请写成 {first / 100:g}" if 1 < first <= 100 else "核对数值",
        )
