"""First step of the link study: results beside resources, with an account of every observation that falls out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from qbresearch.errors import InputError
from qbresearch.exhibits.figures import plot_missing
from qbresearch.language import clauses, label_of, listed, say
from qbresearch.results.monitoring.matching import MATCHED, MatchResult, match_schools
from qbresearch.results.resources.indicators import IndicatorTable
from qbresearch.rules.designs import DesignVariable, LinkDesign, Outcome

TANGIBLE = "tangible"
GROUP_ROLES = (TANGIBLE, "intangible", "composition")
UNIT_ROLES = ("student", "prior")


def role_words() -> dict[str, str]:
    """Parts that variables play, in the words of the report's language."""
    return {
        "student": say("学生背景"), "prior": say("前测"), TANGIBLE: say("有形资源"), "intangible": say("无形资源"),
        "composition": say("学生构成"),
    }


@dataclass(frozen=True, slots=True)
class Variable:
    """One explanatory variable as it stands in :attr:`LinkData.frame`."""

    id: str
    role: str
    label: str
    short: str


@dataclass(frozen=True, slots=True)
class LinkData:
    """Results and resources of one stage and subject, one row an observation.

    frame : one row a student (or, in an aggregate design, a district or school) with ``outcome`` (points), a column a
        variable on its own scale (choices as 0/1; missing values stay missing), ``group`` (text), ``county_code``,
        ``county_name``, ``location``, ``size`` (students of the school at the stage) and ``weight`` (1 without weights).
    variables : in the design's order, resources first among the group's.
    flow : one row a step, ``step, observations, groups, lost, reason``: from rows read to rows used.
    matching : how monitored schools were found in the register; ``None`` in an aggregate design.
    """

    frame: pd.DataFrame
    variables: tuple[Variable, ...]
    outcome: Outcome
    design: LinkDesign
    flow: pd.DataFrame
    matching: MatchResult | None = field(repr=False, default=None)

    def ids(self, *roles: str) -> list[str]:
        """Columns of the variables that play one of these parts."""
        return [v.id for v in self.variables if v.role in roles]

    def labels(self) -> dict[str, str]:
        """Column to label."""
        return {v.id: v.label for v in self.variables}

    def shorts(self) -> dict[str, str]:
        """Column to a label that fits into a figure."""
        return {v.id: v.short for v in self.variables}

    @property
    def group_level(self) -> list[str]:
        """Columns that are constant within a group: resources, intangible and composition of a student design."""
        return [] if self.design.aggregate else self.ids(*GROUP_ROLES)

    def groups(self) -> pd.DataFrame:
        """One row a group: mean outcome, number of observations, size, place, and the variables' means."""
        columns = self.ids(*GROUP_ROLES)
        keys = {"county_code": "first", "county_name": "first", "location": "first", "size": "first"}
        if self.design.aggregate:
            keys["size"] = "sum"
        table = self.frame.groupby("group", sort=True).agg(
            outcome=("outcome", "mean"), observations=("outcome", "size"), **{k: (k, how) for k, how in keys.items()},
            **{c: (c, "mean") for c in columns},
        )  # fmt: skip
        return table.reset_index()

    def tidy(self) -> pd.DataFrame:
        """A copy of ``frame``."""
        return self.frame.copy()

    def summary(self) -> str:
        """How much data there are, in one sentence."""
        first, last = self.flow.iloc[0], self.flow.iloc[-1]
        return say(
            "读入{unit} {read} {counter}，用于分析 {used} {counter}、{n} {groups}", unit=label_of(self.design, "unit"),
            read=f"{first['observations']:,}", counter=label_of(self.design, "unit_counter"), used=f"{last['observations']:,}", n=f"{last['groups']:,}", groups=label_of(self.design, "groups"),
        )

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Share of missing values by variable."""
        columns = [v.id for v in self.variables]
        missing = self.frame[columns].isna().sum()
        table = pd.DataFrame({"label": [self.labels()[c] for c in columns], "missing": missing.to_numpy()})
        return plot_missing(table.assign(rows=len(self.frame)), ax=ax)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: the account of observations and the variables, no single observation."""
        return {
            "design": self.design.id, "outcome": self.outcome.id, "flow": self.flow.to_dict("records"),
            "variables": [{"id": v.id, "role": v.role, "label": v.label} for v in self.variables],
        }


def match_results(
    indicators: IndicatorTable, register: pd.DataFrame, design: LinkDesign, *, subject: str, students: pd.DataFrame | None = None
) -> LinkData:
    """Set results beside the resources of the schools they come from.

    Parameters
    ----------
    indicators : IndicatorTable
        One year and stage, one county or several.
    register : DataFrame
        The register's rows of that year.
    design : LinkDesign
    subject : str
        An outcome of the design.
    students : DataFrame, optional
        Student rows of that year (contract ``student``); needed unless the design is aggregate.

    Returns
    -------
    LinkData
        Observations without an outcome, of schools that are not found, that the standard leaves out, or that lack a
        resource are left out, each in a row of ``flow``; missing values of other variables stay.

    Raises
    ------
    InputError
        No such subject, a stage the design has no grade for, or nothing is left.
    """
    outcome = design.outcome(subject)
    if indicators.standard.table != design.table:
        raise InputError(
            "关联设计与标准不配套", where=f"关联设计 {design.id}", found=f"标准 {indicators.standard.id} 用于表 {indicators.standard.table}",
            expected=f"用于表 {design.table} 的标准或指标集", fix="换一个 design_id 或 standard_id",
        )
    if design.aggregate:
        return _match_aggregate(indicators, register, design, outcome)
    if students is None:
        raise InputError(
            "没有学生成绩", where=f"关联设计 {design.id}", found="没有给出学生成绩表", expected=f"数据来源 {design.results} 的学生行",
            fix=f"运行 qbresearch build {design.results}",
        )
    return _match_students(indicators, register, design, outcome, students)


class _Flow:
    """Counts what is left after each step."""

    def __init__(self, design: LinkDesign, place: str) -> None:
        self.design, self.place, self.rows = design, place, []

    def note(self, step: str, frame: pd.DataFrame, reason: str = "") -> pd.DataFrame:
        """Record the rows left; refuse to go on with none."""
        lost = self.rows[-1][1] - len(frame) if self.rows else 0
        self.rows.append((step, len(frame), frame["group"].nunique() if "group" in frame else 0, lost, reason))
        if frame.empty:
            raise InputError(
                "没有可用于关联分析的数据", where=self.place, found=f"“{step}”之后一行不剩（上一步 {lost} 行）",
                expected=f"至少一{self.design.units_zh}", fix="核对学段、学科、学年与学校代码；资源均衡部分仍可报告",
            )
        return frame

    def note_complete(self, frame: pd.DataFrame, variables: Sequence[Variable]) -> None:
        """Count observations without a gap in the variables that have any value; nothing is left out by this step."""
        empty = [v.label for v in variables if frame[v.id].isna().all()]
        complete = frame.dropna(subset=[v.id for v in variables if frame[v.id].notna().any()])
        reason = say("背景变量有缺失；只在使用这些变量的模型中剔除或插补")
        if empty:
            reason = clauses([reason, say("{variables}没有一个值，不参与分析", variables=listed(empty))])
        step, groups = say("全部变量齐全（完整个案）"), complete["group"].nunique()
        self.rows.append((step, len(complete), groups, len(frame) - len(complete), reason))

    def table(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows, columns=["step", "observations", "groups", "lost", "reason"])


def _match_students(
    indicators: IndicatorTable, register: pd.DataFrame, design: LinkDesign, outcome: Outcome, students: pd.DataFrame
) -> LinkData:
    stage = str(indicators.keys["stage"].iloc[0])
    if stage not in design.grades:
        raise InputError(
            "这个学段没有监测年级", where=f"关联设计 {design.id}", found=stage, expected="、".join(design.grades), fix="改 stage 参数"
        )
    flow = _Flow(design, f"关联设计 {design.id}，{outcome.label_zh}")
    rows = students[students["grade"].eq(design.grades[stage]) & students["subject"].eq(outcome.id)]
    if outcome.column not in rows:
        raise InputError(
            "没有这一列成绩", where=f"关联设计 {design.id}，{outcome.label_zh}", found=f"学生成绩表没有 {outcome.column} 列",
            expected="每名学生一个分数（似真值、水平人数只用于监测部分）", fix="在关联设计中换一列；监测部分仍可报告",
        )
    flow.note(say("读入{subject}成绩", subject=label_of(outcome)), rows.assign(group=[str(k) for k in _key(rows)]))
    matching = match_schools(rows, register)
    found = matching.table[matching.table["how"].isin(MATCHED)]
    codes = dict(zip(_key(found), found["register_code"], strict=True))
    group = pd.Series([codes.get(key) for key in _key(rows)], index=rows.index, dtype="object")
    rows = flow.note(
        say("对应到学校表"), rows.assign(group=group)[group.notna()],
        say("学校标识码与校名在学校表中都找不到，或有多所同名学校"),
    )
    keys = indicators.keys.assign(size=indicators.students, group=indicators.keys["school_code"])
    resources = keys[["group", "county_code", "county_name", "location", "size"]].assign(
        **dict(zip(indicators.codes, indicators.values.T, strict=True))
    )
    kept = rows.drop(columns=["county_name"]).merge(resources, on=["county_code", "group"], how="inner")
    kept = flow.note(say("属于评估范围"), kept, say("学校不在所用标准的评估范围内，或不在所选学段"))
    kept = flow.note(say("有成绩"), kept[kept[outcome.column].notna()], say("缺考或没有分数"))
    kept = flow.note(
        say("资源指标齐全"), kept[kept[list(indicators.codes)].notna().all(axis=1)], say("学校缺一项以上资源数据")
    )
    frame = _with_variables(kept, design, grouped=True)
    weight = kept["weight"] if "weight" in kept else pd.Series(1.0, index=kept.index)
    frame = frame.assign(outcome=kept[outcome.column].astype(float), weight=weight.astype(float))
    variables = _variables(indicators, design)
    flow.note_complete(frame, variables)
    return LinkData(frame.reset_index(drop=True), variables, outcome, design, flow.table(), matching)


def _match_aggregate(
    indicators: IndicatorTable, register: pd.DataFrame, design: LinkDesign, outcome: Outcome
) -> LinkData:
    flow = _Flow(design, f"关联设计 {design.id}，{outcome.label_zh}")
    resources = indicators.keys.assign(size=indicators.students, **dict(zip(indicators.codes, indicators.values.T, strict=True)))
    own = {v.column for v in design.variables} | {outcome.column}
    rows = resources.merge(
        register[["county_code", "school_code", *sorted(own - set(resources.columns))]], on=["county_code", "school_code"]
    )
    # In a single county (district) every observation stands for itself.
    alone = rows[design.group_column].nunique() == 1
    rows = rows.assign(group=rows["school_code" if alone else design.group_column].astype(str))
    flow.note(say("读入{unit}", unit=label_of(design, "unit")), rows)
    rows = flow.note(say("有成绩"), rows[rows[outcome.column].notna()], say("没有分数"))
    rows = flow.note(say("资源指标齐全"), rows[rows[list(indicators.codes)].notna().all(axis=1)], say("缺一项以上资源数据"))
    frame = _with_variables(rows, design, grouped=False)
    if "county_name" not in frame:
        frame["county_name"] = frame["county_code"]
    frame = frame.assign(outcome=rows[outcome.column].astype(float), weight=1.0)
    variables = _variables(indicators, design)
    flow.note_complete(frame, variables)
    return LinkData(frame.reset_index(drop=True), variables, outcome, design, flow.table())


def _key(rows: pd.DataFrame) -> list[tuple[str, ...]]:
    """What tells one monitored school from another: county, code and name as they stand in the results."""
    columns = [rows[name].astype("object").where(rows[name].notna(), "") for name in ("county_code", "school_code", "school_name")]
    return list(zip(*columns, strict=True))


def _with_variables(rows: pd.DataFrame, design: LinkDesign, *, grouped: bool) -> pd.DataFrame:
    """The rows with a column for each variable of the design; those of the group are means over its observations."""
    frame = rows.copy()
    for variable in design.variables:
        values = _values(rows, variable)
        of_group = grouped and variable.role in GROUP_ROLES
        frame[variable.id] = values.groupby(rows["group"]).transform("mean") if of_group else values
    return frame


def _values(rows: pd.DataFrame, variable: DesignVariable) -> pd.Series:
    if variable.column not in rows:
        return pd.Series(np.nan, index=rows.index)
    column = rows[variable.column]
    if not variable.value:
        return column.astype(float)
    return column.eq(variable.value).astype(float).where(column.notna())


def _variables(indicators: IndicatorTable, design: LinkDesign) -> tuple[Variable, ...]:
    resources = [Variable(i.code, TANGIBLE, label_of(i), label_of(i, "short")) for i in indicators.standard.indicators]
    others = [Variable(v.id, v.role, label_of(v), label_of(v)) for v in design.variables]
    order = ("student", "prior", TANGIBLE, "intangible", "composition")
    return tuple(sorted([*others, *resources], key=lambda v: order.index(v.role)))
