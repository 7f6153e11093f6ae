"""The stages of a prefecture's plan on a calendar of each county, and whether their conditions are met on time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from qbresearch.errors import InputError
from qbresearch.exhibits.figures.plans import plot_calendar
from qbresearch.language import label_of, listed, say
from qbresearch.results.evaluation.tree import MET, NOT_MET, UNDECIDED, Node, combine
from qbresearch.results.plans.check_dates import STARTING_GRADES, due_month, stage_month
from qbresearch.results.plans.findings import month_words
from qbresearch.rules.evaluations import Evaluation
from qbresearch.rules.plans import Condition, Month, Phase, PlanUse, Stage
from qbresearch.statistics.records import plain_records

PAST, NOW, AHEAD, ALWAYS = "past", "now", "ahead", "always"
NOT_DUE, OVERDUE, SOON, UNKNOWN, EXEMPT = "not_due", "overdue", "soon", "unknown", "exempt"
EVERY_ITEM = "项项达标"
"""Where a condition says so, every item of the tree that decides must be met, not only the codes it names."""
MOST_NAMED = 3
_ITEM = re.compile(r"[A-Z]+\d+[a-z]?")
FIRST_GRADES = {"primary": "1", "junior": "7"}
"""Starting grades of the stages (起始年级), as the class table numbers grades."""
CLASS_REQUIREMENTS = {"primary": "G5_class_primary", "junior": "G5_class_junior"}
SCHOOL_EVIDENCE = ("county_code", "school_year", "item", "finding")


@dataclass(frozen=True, slots=True)
class StageCalendar:
    """Stages placed on the calendar of every county of a plan.

    table : one row a county and stage in the plan's order: ``county_code`` (empty without one), ``county`` (the name in
        the data where that is known), ``planned_county`` (the plan's), ``target_year``, ``stage``, ``label``, ``year`` (NaN for a stage that holds always), ``when`` (in words),
        ``state`` (``past``, ``now``, ``ahead``, ``always``), ``before_issue`` (the stage lies before the plan was
        issued) and ``quote``.
    """

    use: PlanUse = field(repr=False)
    as_of: int
    table: pd.DataFrame = field(repr=False)

    def tidy(self) -> pd.DataFrame:
        """A copy of ``table``."""
        return self.table.copy()

    def now(self, county: str) -> str:
        """The stage a county is in: that of the year, else the last one past, else the first ahead; empty without any."""
        rows = self.table[(self.table["county"] == county) & (self.table["state"] != ALWAYS)]
        for state, last in ((NOW, True), (PAST, True), (AHEAD, False)):
            if (found := rows[rows["state"] == state]).size:
                return str(found["label"].iloc[-1 if last else 0])
        return ""

    def summary(self) -> str:
        """Which county is in which stage, in one sentence."""
        return say("{plan}：{year} 年{places}", plan=label_of(self.use), year=self.as_of, places=listed(
            say("{county}处于{stage}", county=county, stage=self.now(county)) for county in self.table["county"].unique()
        ))

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """The stages of every county along the years."""
        return plot_calendar(self.table, as_of=self.as_of, ax=ax)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"plan": self.use.id, "as_of": self.as_of, "table": plain_records(self.table)}


@dataclass(frozen=True, slots=True)
class StageResult:
    """Conditions of stages judged for every county.

    table : one row a county, stage and condition: the columns of the calendar (its ``state`` as ``stage_state``),
        ``condition``, ``condition_label``, ``due`` (year; NaN for what holds always), ``due_when`` (in words), ``verdict``
        (``met``, ``not_met``, ``undecided``), ``state`` (the verdict where it is due or met, else ``not_due``), ``warning``
        (``overdue``, ``soon``, ``unknown`` where it is due and cannot be judged, ``exempt`` where its date lies before the
        plan was issued and it is not met, else empty), ``reason`` and ``condition_quote``.
    """

    calendar: StageCalendar = field(repr=False)
    table: pd.DataFrame = field(repr=False)

    def tidy(self) -> pd.DataFrame:
        """A copy of ``table``."""
        return self.table.copy()

    def warnings(self) -> pd.DataFrame:
        """Conditions due and not met, and those due next year and not met; overdue ones first."""
        rows = self.table[self.table["warning"].isin([OVERDUE, SOON])]
        return rows.sort_values(["warning", "due"], kind="stable").reset_index(drop=True)

    def sentences(self) -> tuple[str, ...]:
        """One sentence a warning."""
        return tuple(_warning_sentence(row) for row in self.warnings().to_dict("records"))

    def summary(self) -> str:
        """Number of warnings and of what cannot be judged, in one sentence."""
        count = self.table["warning"].value_counts()
        return say(
            "{plan}：{year} 年，到期未达的条件 {overdue} 条，明年到期而未达的 {soon} 条，到期而无法判定的 {unknown} 条，期限早于规划印发而不作预警的 {exempt} 条",
            plan=label_of(self.calendar.use), year=self.calendar.as_of,
            **{name: int(count.get(name, 0)) for name in (OVERDUE, SOON, UNKNOWN, EXEMPT)},
        )  # fmt: skip

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """The stages of every county along the years, with the warnings of their conditions."""
        return plot_calendar(self.calendar.table, warnings=self.table, as_of=self.calendar.as_of, ax=ax)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "plan": self.calendar.use.id, "as_of": self.calendar.as_of, "table": plain_records(self.table),
            "warnings": list(self.sentences()),
        }  # fmt: skip


def place_stages(use: PlanUse, *, as_of: int, names: Mapping[str, str] | None = None) -> StageCalendar:
    """Place the stages of a plan on the calendar of each of its counties.

    A stage counted from the inspection falls in the year of inspection minus its offset; one with an end of its own in
    that month; one that holds always in no year.

    Parameters
    ----------
    use : PlanUse
        A plan with counties and stages.
    as_of : int
        Calendar year from which is looked.
    names : mapping, optional
        Names of counties in the data by code; a result stands under these and not under the plan's.

    Raises
    ------
    InputError
        The plan has no counties or no stages.
    """
    plan = use.plan
    if not plan.counties or not plan.stages:
        raise InputError(
            "这份规划没有分县的阶段", where=f"规划 {use.id}", found=f"{len(plan.counties)} 个县，{len(plan.stages)} 个阶段",
            expected="[[county]] 与 [[stage]]", fix="换一份市级规划；县级规划的阶段用 phase_on",
        )
    rows = []
    for county in plan.counties:
        for stage in plan.stages:
            placed = stage_month(stage, county.year)
            rows.append({
                "county_code": county.code, "county": (names or {}).get(county.code, county.name), "planned_county": county.name,
                "target_year": county.year, "stage": stage.id,
                "label": label_of(stage),
                "year": float("nan") if placed is None else float(placed.year),
                "when": say("长期") if placed is None else _when(stage, placed), "state": _state(stage, placed, as_of),
                "before_issue": bool(placed and plan.issued and placed.last < plan.issued.first),
                "quote": stage.citation.said("quote"),
            })
    return StageCalendar(use, as_of, pd.DataFrame(rows))


def _when(stage: Stage, placed: Month) -> str:
    return say("{month}前", month=month_words(placed)) if stage.end is not None else month_words(placed)


def _state(stage: Stage, placed: Month | None, as_of: int) -> str:
    if placed is None:
        return ALWAYS
    if placed.year == as_of:
        return NOW
    return PAST if placed.year < as_of else AHEAD


def judge_stages(
    calendar: StageCalendar, trees: Mapping[str, Node], evidence: pd.DataFrame | None = None, *,
    starting_grades: Mapping[str, str] | None = None,
) -> StageResult:
    """Judge every condition of every stage for every county, and warn of what is not met on time.

    Parameters
    ----------
    calendar : StageCalendar
        From :func:`place_stages`.
    trees : mapping
        Tree of verdicts by county code; a county without a tree is undecided throughout.
    evidence : DataFrame, optional
        Evidence records (``county_code, school_year, item, finding``). Of several records of one item those of the
        latest school year count, and every one of them must be met.
    starting_grades : mapping, optional
        Verdict on starting grades alone by county code, see :func:`judge_starting_grades`; it alone decides a condition on
        starting grades. Without it such a condition is met where all classes are, and else undecided.

    Returns
    -------
    StageResult
        A condition is due in the year of its own date or of its stage; what holds always has no year and gives no
        warning. One that was due before the plan was issued gives none either. All codes and records of a condition must
        be met; one that the data do not decide leaves the condition undecided unless another is not met.

    Raises
    ------
    InputError
        A column of the evidence is missing, or a tree has no such code.
    """
    if evidence is not None and (missing := [c for c in SCHOOL_EVIDENCE if c not in evidence]):
        raise InputError(
            "缺少列", where="佐证材料表", found="没有 " + "、".join(missing), expected="、".join(SCHOOL_EVIDENCE), fix="补上这些列"
        )
    plan, rows, first = calendar.use.plan, [], calendar.use.plan.issued
    stages = {stage.id: stage for stage in plan.stages}
    # Stages and conditions both have a state.
    placed = calendar.table.rename(columns={"state": "stage_state"})
    for place in placed.to_dict("records"):
        stage, code = stages[place["stage"]], place["county_code"]
        tree = trees.get(code) if code else None
        for condition in stage.conditions:
            starting = (starting_grades or {}).get(code, "")
            verdict, reason = _judge(condition, code, tree, evidence, starting)
            always = stage.always and condition.due is None
            due = due_month(condition, stage, place["target_year"])
            row = _judged(condition, due, verdict, reason, calendar.as_of)
            if always:
                row |= {"due": float("nan"), "due_when": say("长期"), "warning": ""}
            elif first is not None and due.last < first.first and row["warning"]:
                row["warning"] = EXEMPT
            rows.append({**place, **row})
    columns = [*placed.columns, "condition", "condition_label", "due", "due_when", "verdict", "state", "warning", "reason",
               "condition_quote"]  # fmt: skip
    return StageResult(calendar, pd.DataFrame(rows, columns=columns).astype({"due": float}))


def _judged(condition: Condition, due: Month, verdict: str, reason: str, as_of: int) -> dict[str, Any]:
    is_due = due.year <= as_of
    warning = ""
    if verdict == NOT_MET:
        warning = OVERDUE if is_due else SOON if due.year == as_of + 1 else ""
    elif verdict == UNDECIDED and is_due:
        warning = UNKNOWN
    return {
        "condition": condition.id, "condition_label": label_of(condition), "due": due.year, "due_when": month_words(due),
        "verdict": verdict, "state": verdict if is_due or verdict == MET else NOT_DUE, "warning": warning, "reason": reason,
        "condition_quote": condition.citation.said("quote"),
    }  # fmt: skip


def _judge(
    condition: Condition, code: str, tree: Node | None, evidence: pd.DataFrame | None, starting: str
) -> tuple[str, str]:
    """Verdict on one condition of one county, and what decided it or what is missing."""
    if condition.scope == STARTING_GRADES:
        verdicts = {say("起始年级（一年级、七年级）班额"): starting or _all_classes(condition, tree)}
    elif EVERY_ITEM in condition.citation.quote:
        verdicts = _verdicts((tree.code,), tree) if tree is not None else {say("各项指标"): UNDECIDED}
    else:
        verdicts = _verdicts(condition.codes, tree)
    for item in condition.evidence:
        title, found = _finding(item, code, evidence)
        verdicts[title] = combine([verdicts.get(title, ""), found])
    verdict = combine(verdicts.values()) or UNDECIDED
    if verdict == MET:
        return verdict, ""
    if not verdicts:
        return verdict, say("这一条没有可以判定的指标或材料")
    found = [name for name, own in verdicts.items() if own == verdict]
    names = listed(found) if len(found) <= MOST_NAMED else say("{named}等 {n} 项", named=listed(found[:MOST_NAMED]), n=len(found))
    return verdict, say("未达标：{names}", names=names) if verdict == NOT_MET else say("无法判定：{names}", names=names)


def _all_classes(condition: Condition, tree: Node | None) -> str:
    """Where all classes keep to the limit those of the starting grades do; else nobody knows."""
    verdicts = [tree.find(name).verdict for name in condition.codes] if tree is not None else []
    return MET if verdicts and set(verdicts) == {MET} else UNDECIDED


def _verdicts(codes: tuple[str, ...], tree: Node | None) -> dict[str, str]:
    """Verdicts by the words of their nodes; of the whole county the items that decide, one by one."""
    verdicts: dict[str, str] = {}
    for name in codes:
        node = tree.find(name) if tree is not None else None
        if node is not None and node is tree and node.children:
            parts = [part for part in node.children if part.decides]
            items = [item for part in parts for item in (part.children or (part,)) if item.decides]
            verdicts |= {label_of_node(item.code, item): item.verdict for item in items}
        else:
            verdicts[label_of_node(name, node)] = (node.verdict or UNDECIDED) if node else UNDECIDED
    return verdicts


def label_of_node(code: str, node: Node | None) -> str:
    """Label of a node, the code of an item in front as documents print it; other codes are no words and never shown."""
    printed = code if _ITEM.fullmatch(code) else ""
    label = node.label if node is not None and node.label != code else ""
    return " ".join(filter(None, (printed, label))) or say("评估条目")


def _finding(item: str, code: str, evidence: pd.DataFrame | None) -> tuple[str, str]:
    """How the latest records of an item are called, and what they say: every one must be met."""
    if evidence is None or not code:
        return say("佐证材料"), UNDECIDED
    rows = evidence[(evidence["county_code"] == code) & (evidence["item"] == item)]
    rows = rows[rows["school_year"] == rows["school_year"].max()]
    titles = rows["title"].dropna().unique() if "title" in rows else ()
    return listed(titles) or say("佐证材料"), combine(rows["finding"].fillna(UNDECIDED)) or UNDECIDED


def judge_starting_grades(classes: pd.DataFrame | None, evaluation: Evaluation) -> str:
    """Whether every class of the starting grades keeps to the class size of its stage.

    Parameters
    ----------
    classes : DataFrame or None
        Rows of the class table of one county and year: ``stage, grade, students``.
    evaluation : Evaluation
        Holds the limits (requirements ``G5_class_primary``, ``G5_class_junior``).

    Returns
    -------
    str
        ``not_met`` if one class is over its limit; ``undecided`` without classes of a starting grade or while a number
        of students is missing; else ``met``.
    """
    if classes is None:
        return UNDECIDED
    verdicts = []
    for stage, grade in FIRST_GRADES.items():
        rows = classes[(classes["stage"] == stage) & (classes["grade"].astype(str) == grade)]
        limit = evaluation.requirements[CLASS_REQUIREMENTS[stage]].limit
        students = rows["students"].astype(float)
        verdicts += [NOT_MET] if students.gt(limit).any() else [UNDECIDED] if students.isna().any() or rows.empty else [MET]
    return combine(verdicts)


def phase_on(use: PlanUse, month: Month) -> tuple[Phase, ...]:
    """Phases of a plan that run in a month (several where they overlap); those with blank dates run never."""
    return tuple(
        phase for phase in use.plan.phases
        if phase.start is not None and phase.end is not None and phase.start.first <= month.last and month.first <= phase.end.last
    )


def _warning_sentence(row: Mapping[str, Any]) -> str:
    values = {name: row[name] for name in ("county", "condition_label", "label", "due_when", "reason")}
    if row["warning"] == OVERDUE:
        return say("{county}：{label}的条件“{condition_label}”{due_when}已到期，{reason}", **values)
    return say("{county}：{label}的条件“{condition_label}”{due_when}到期，目前{reason}", **values)
