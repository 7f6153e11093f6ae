"""A timetable of schools against what the schools have reached: on time, late, and when the trend would get there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from qbresearch.errors import InputError
from qbresearch.exhibits.figures.plans import plot_progress, plot_timetable
from qbresearch.language import label_of, say
from qbresearch.results.evaluation.tree import MET, NOT_MET, UNDECIDED
from qbresearch.results.resources.attainment import AttainmentResult, at_least
from qbresearch.rules.plans import PlannedSchool, PlanUse
from qbresearch.rules.settings import setting
from qbresearch.statistics.records import plain_records

ON_TIME, EARLY, LATE, OVERDUE, NOT_DUE, OPEN = "on_time", "early", "late", "overdue", "not_due", "undecided"
STATES = (EARLY, ON_TIME, LATE, OVERDUE, NOT_DUE, OPEN)
"""Met before its year, in its year, after it; due and not met; not due and not met; cannot be said."""
NO_FORECAST, NOT_IN_SIGHT, FORECAST = "no_forecast", "not_in_sight", "forecast"
FEWEST_YEARS = 3
"""A line through two points fits always and says nothing about itself."""
NEEDED = ("school_code", "school_year", "stage", "verdict", "ratio_min")


@dataclass(frozen=True, slots=True)
class ProgressResult:
    """A timetable of schools against what has been reached, as of a school year.

    schools : one row a planned school: ``school`` (the name in the data where that is known), ``planned_school`` (the
        plan's), ``school_code``, ``stage``, ``planned`` (year),
        ``state`` (``STATES``), ``verdict`` (as of the year), ``reached`` (first year from which the data show the
        standard met without interruption; NaN if it is not met), ``slipped`` (years behind the plan, so far; NaN where it
        is not due or cannot be said), ``ratio`` (latest), ``years`` (with a ratio), ``trend`` (change of the ratio a year),
        ``forecast`` (year), ``expected_late`` (years that the forecast lies behind the plan; NaN without one), ``forecast_state`` (``forecast``, ``not_in_sight``, ``no_forecast`` or empty for schools
        that meet the standard), ``reason`` (in words) and ``quote`` of the timetable.
    years : one row a year: ``planned_new``, ``planned`` (cumulative), ``reached`` (of all planned schools those that
        meet the standard in that year; NaN where no school can be judged), ``early`` (those of them whose year is still
        ahead), ``undecided`` (schools), ``behind_least``
        and ``behind_most`` (planned by then, not reached: undecided schools counted as reached, or as not reached).
    """

    plan_id: str
    label: str
    as_of: int
    simulated: bool
    schools: pd.DataFrame = field(repr=False)
    years: pd.DataFrame = field(repr=False)

    def tidy(self) -> pd.DataFrame:
        """A copy of ``schools``."""
        return self.schools.copy()

    def counts(self) -> dict[str, int]:
        """Number of schools by state, every state in its order."""
        return {state: int(self.schools["state"].eq(state).sum()) for state in STATES}

    def summary(self) -> str:
        """Planned by the year, reached, undecided, in one sentence."""
        row = self.years[self.years["year"] == self.as_of]
        planned = int(self.schools["planned"].le(self.as_of).sum())
        values = {"plan": self.label, "year": self.as_of, "planned": planned, "total": len(self.schools)}
        undecided = self.counts()[OPEN]
        if row.empty or pd.isna(row["reached"].iloc[0]):
            return say("{plan}：到 {year} 年应有 {planned} 所（共 {total} 所）达标；没有这些学校的数据，是否达标无法判定", **values)
        values["reached"] = int(row["reached"].iloc[0])
        if undecided:
            return say("{plan}：到 {year} 年应有 {planned} 所（共 {total} 所）达标，已达标 {reached} 所，无法判定 {n} 所", n=undecided, **values)
        return say("{plan}：到 {year} 年应有 {planned} 所（共 {total} 所）达标，已达标 {reached} 所", **values)

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Schools planned and schools that meet the standard, year by year."""
        return plot_progress(self.years, ax=ax)

    def plot_schools(self, *, ax: Axes | None = None) -> Axes:
        """The planned year of every school beside the year reached or forecast."""
        return plot_timetable(self.schools, as_of=self.as_of, ax=ax)

    def to_dict(self) -> dict[str, Any]:
        """Plain data; what is absent is ``None``."""
        return {
            "plan": self.plan_id, "as_of": self.as_of, "simulated": self.simulated, "counts": self.counts(),
            "schools": plain_records(self.schools), "years": plain_records(self.years), "caveat": forecast_caveat(),
        }  # fmt: skip


def forecast_caveat() -> str:
    """What a year from the trend is and is not."""
    return say(
        "推算年份：每校每年取决定达标与否的那个比值（各项指标与标准之比从大到小的第 m 个，m 为每校至少须达标的项数；或最小的一个除以每校下限；取两者中较小的，到 1 即达标），连成最小二乘直线后延长所得。只表示“照过去几年的变化推算”；点数很少，没有给出区间，也不含已批准而未完成的项目。"
    )


def forecast_words() -> dict[str, str]:
    """What a forecast may be other than a year, in words."""
    return {NOT_IN_SIGHT: say("看不到达标"), NO_FORECAST: say("年数不足，不作推算")}


def school_verdicts(attainment: AttainmentResult) -> pd.DataFrame:
    r"""Verdict of every school by year, with one number that reaches 1 exactly when the school's rule is met.

    With ratios to the standard sorted from the largest, m the indicators that must be met and f the floor:

    .. math:: r = \min\left(r_{(m)}, \; \min_k r_k / f\right)

    Returns
    -------
    DataFrame
        One row per school, stage and year: ``county_code, school_code, school_name, school_year, stage, verdict``,
        ``met`` (indicators), ``ratio_min`` (r; NaN while an indicator is missing, or without thresholds or rule).
    """
    rules, keys = attainment.standard.rules, ["county_code", "school_code", "school_name", "school_year", "stage"]
    table = attainment.school_table()[[*keys, "verdict", "met"]]
    ratios = attainment.tidy()["ratio"].to_numpy().reshape(len(table), -1)
    if not rules:
        return table.assign(ratio_min=np.nan)
    least = int(rules["school_min_met"].value)
    ranked = -np.sort(-ratios, axis=1)
    smallest = np.minimum(ranked[:, least - 1], ratios.min(axis=1) / rules["school_floor_ratio"].value)
    return table.assign(ratio_min=np.where(np.isnan(ratios).any(axis=1), np.nan, smallest))


def measure_progress(
    use: PlanUse, school_verdicts: pd.DataFrame, *, as_of: int, names: Mapping[str, str] | None = None
) -> ProgressResult:
    """Set every school of a plan's timetable against its verdicts of several years.

    Parameters
    ----------
    use : PlanUse
        A plan with a timetable. Schools without a code in the data stay undecided, whatever their names.
    school_verdicts : DataFrame
        One row per school, stage and school year: ``school_code, school_year, stage, verdict`` (``met``, ``not_met``,
        ``undecided``) and ``ratio_min`` (reaches 1 when the school's rule is met); see :func:`school_verdicts`.
    as_of : int
        School year up to which is looked; later rows are not used. A school planned for 2024 is met in time if the
        data of school year 2024 meet the standard.
    names : mapping, optional
        Names of schools in the data by code; a result stands under these and not under the plan's.

    Returns
    -------
    ProgressResult
        A year that is missing or undecided is neither met nor not met: where the two would give different states the
        school is ``undecided``. The forecast is the year in which a least-squares line through ``ratio_min`` reaches
        1, next year at the earliest; none with fewer than ``FEWEST_YEARS`` years, ``not_in_sight`` if the line does
        not rise, or not within the years of the setting ``forecast_horizon``.

    Raises
    ------
    InputError
        The plan has no timetable, a column is missing, or a school, stage and year stands twice.

    Source
    ------
    Timetable: the plan. States, slippage and forecast: this project's own reading.
    """
    _check(use, school_verdicts)
    data = school_verdicts[school_verdicts["school_year"] <= as_of]
    by_school = {key: rows.sort_values("school_year") for key, rows in data.groupby(["school_code", "stage"], observed=True)}
    empty = data.iloc[:0]
    rows = [_school(s, by_school.get((s.code, s.stage), empty) if s.code else empty, as_of) for s in use.plan.schools]
    schools = pd.DataFrame(rows).astype(
        {name: float for name in ("reached", "slipped", "ratio", "trend", "forecast", "expected_late")}
    )
    schools["school"] = [(names or {}).get(row.school_code, row.planned_school) for row in schools.itertuples()]
    return ProgressResult(use.id, label_of(use), as_of, use.simulated, schools, _years(use, by_school, as_of))


def _check(use: PlanUse, verdicts: pd.DataFrame) -> None:
    where = f"规划 {use.id}"
    if not use.plan.schools:
        raise InputError(
            "这份规划没有学校进度表", where=where, found="没有一所列名的学校", expected="[[timetable]] 逐年列出学校", fix="换一份有进度表的规划"
        )
    if missing := [name for name in NEEDED if name not in verdicts]:
        raise InputError(
            "缺少列", where=f"{where} 的学校判定表", found="没有 " + "、".join(missing), expected="、".join(NEEDED), fix="补上这些列"
        )
    if (twice := verdicts.duplicated(["school_code", "school_year", "stage"])).any():
        row = verdicts[twice].iloc[0]
        raise InputError(
            "同一学校同一学年有两行", where=f"{where} 的学校判定表", found=f"{row['school_code']} {row['school_year']} {row['stage']}",
            expected="每校每学段每学年一行", fix="只留一行，或先选定一种口径",
        )


def _school(school: PlannedSchool, rows: pd.DataFrame, as_of: int) -> dict[str, Any]:
    verdicts = dict(zip(rows["school_year"].astype(int), rows["verdict"], strict=True))
    now = verdicts.get(as_of, UNDECIDED) or UNDECIDED
    state, reached, slipped, reason = _state(school, verdicts, now, as_of)
    known = rows.dropna(subset=["ratio_min"])
    trend, year, forecast = (np.nan, np.nan, "") if now == MET else _forecast(known, as_of)
    return {
        "school": school.name, "planned_school": school.name, "school_code": school.code, "stage": school.stage, "planned": school.year, "state": state,
        "verdict": now, "reached": reached, "slipped": slipped,
        "ratio": known["ratio_min"].iloc[-1] if len(known) else np.nan, "years": len(known), "trend": trend,
        "forecast": year, "expected_late": max(0.0, year - school.year) if forecast == FORECAST else np.nan, "forecast_state": forecast, "reason": reason, "quote": school.citation.quote,
    }  # fmt: skip


def _state(
    school: PlannedSchool, verdicts: dict[int, str], now: str, as_of: int
) -> tuple[str, float, float, str]:
    """State, year reached, years behind, and why it cannot be said where it cannot."""
    if not school.code:
        return OPEN, np.nan, np.nan, say("没有对应的学校代码")
    if now == UNDECIDED:
        return OPEN, np.nan, np.nan, say("{year} 学年缺数据，不能判定", year=as_of)
    if now == NOT_MET:
        was = any(verdict == MET for verdict in verdicts.values())
        reason = say("曾经达标，后又未达标") if was else ""
        behind = as_of - school.year
        return (OVERDUE, np.nan, float(behind), reason) if behind >= 0 else (NOT_DUE, np.nan, np.nan, reason)
    latest, earliest, since_first = _run(verdicts, as_of)
    states = {_reached_state(year, school.year) for year in (latest, earliest)}
    if since_first and earliest > school.year:
        # Already met in the first year of the data, which is after the planned one: nobody knows since when.
        return OPEN, float(latest), np.nan, say("自有数据的 {year} 学年起达标，此前没有数据", year=earliest)
    if len(states) > 1:
        return OPEN, float(latest), np.nan, say("{first} 至 {last} 学年有缺数据的年份，何时达标不能判定", first=earliest, last=latest)
    late = {max(0, year - school.year) for year in (latest, earliest)}
    if len(late) > 1:
        reason = say("{first} 至 {last} 学年有缺数据的年份，何时达标不能判定", first=earliest, last=latest)
        return states.pop(), float(latest), np.nan, reason
    return states.pop(), float(latest), float(late.pop()), ""


def _run(verdicts: dict[int, str], as_of: int) -> tuple[int, int, bool]:
    """First year of the unbroken run of met years, the same if every open year were met, whether data begin with it."""
    first_data = min(verdicts)
    latest = as_of
    while verdicts.get(latest - 1) == MET:
        latest -= 1
    earliest = latest
    while earliest > first_data and verdicts.get(earliest - 1, UNDECIDED) != NOT_MET:
        earliest -= 1
    return latest, earliest, earliest == first_data


def _reached_state(reached: int, planned: int) -> str:
    if reached < planned:
        return EARLY
    return ON_TIME if reached == planned else LATE


def _forecast(known: pd.DataFrame, as_of: int) -> tuple[float, float, str]:
    """Slope a year, year in which the line reaches 1, and which of the three it is."""
    if len(known) < FEWEST_YEARS:
        return np.nan, np.nan, NO_FORECAST
    years, ratios = known["school_year"].to_numpy(float), known["ratio_min"].to_numpy(float)
    centred = years - years.mean()
    slope = float(centred @ ratios / (centred @ centred))
    if at_least(0.0, slope) or math.isclose(slope, 0.0, abs_tol=1e-12):
        return slope, np.nan, NOT_IN_SIGHT
    crossing = years.mean() + (1.0 - ratios.mean()) / slope
    # A line that meets a year within binary noise meets it in that year.
    year = float(max(as_of + 1, math.ceil(crossing - 1e-9)))
    return (slope, year, FORECAST) if year <= as_of + setting("forecast_horizon") else (slope, np.nan, NOT_IN_SIGHT)


def _years(use: PlanUse, by_school: dict[tuple[str, str], pd.DataFrame], as_of: int) -> pd.DataFrame:
    schools = use.plan.schools
    planned = np.array([s.year for s in schools])
    found = {key: dict(zip(rows["school_year"].astype(int), rows["verdict"], strict=True)) for key, rows in by_school.items()}
    own = [found.get((s.code, s.stage), {}) if s.code else {} for s in schools]
    first = min([int(planned.min()), *(year for verdicts in own for year in verdicts)])
    rows = []
    for year in range(first, max(int(planned.max()), as_of) + 1):
        verdicts = np.array([verdicts.get(year, UNDECIDED) for verdicts in own], dtype=object)
        due, reached, missed = planned <= year, verdicts == MET, verdicts == NOT_MET
        blind = year > as_of or not (reached | missed).any()
        rows.append({
            "year": year, "planned_new": int((planned == year).sum()), "planned": int(due.sum()),
            "reached": np.nan if blind else float(reached.sum()),
            "early": np.nan if blind else float((reached & ~due).sum()),
            "undecided": np.nan if year > as_of else float((~reached & ~missed).sum()),
            "behind_least": np.nan if blind else float((due & missed).sum()),
            "behind_most": np.nan if blind else float((due & ~reached).sum()),
        })
    return pd.DataFrame(rows)
