"""Every target of a plan beside the national verdict, never instead of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from qbresearch.language import clauses, label_of, say
from qbresearch.results.evaluation.tree import (
    MET,
    NOT_MET,
    UNDECIDED,
    Node,
    combine,
    compare,
)
from qbresearch.results.plans.findings import month_words
from qbresearch.results.plans.problems import Deadline
from qbresearch.results.resources.attainment import AttainmentResult
from qbresearch.rules.overlays import ADDS, BLANK, Change, Overlay
from qbresearch.rules.plans import Month
from qbresearch.rules.standards import COMPOSITE_CV, CV
from qbresearch.statistics.records import plain_records

COLUMNS = [
    "target", "path", "label", "kind", "value", "limit", "verdict", "plan_value", "plan_limit", "plan_verdict",
    "relation", "judges", "comparison", "unit", "percent", "reason", "clause", "quote", "status", "base_clause", "base_quote",
    "base_status", "actual", "filled", "due", "timing",
]  # fmt: skip
BY_SCHOOL = ("threshold:", "rule:")
"""Paths of what schools meet one by one: how many of them do says more than a number of the county."""
MISSED, NOT_YET, NO_DATE = "missed", "not_yet", "no_date"
SCHOOLS, COMPOSITE = "schools", "composite"


@dataclass(frozen=True, slots=True)
class TargetResult:
    """Targets of a plan judged beside the standard.

    table : one row a target in the plan's order (columns ``COLUMNS``). ``value`` is the county's number counted as the
        standard does, ``plan_value`` the same counted as the plan does; of coefficients of variation the largest one;
        NaN where the verdict rests on no single number. ``limit`` (national) and ``plan_limit`` are what must be reached, ``verdict`` and ``plan_verdict`` whether it is;
        ``relation`` is that of :mod:`qbresearch.rules.overlays`; ``reason`` says what decided, or why nothing can.
        ``actual`` is how things stand in words where no single number says it. ``filled`` : the limit was filled into a
        blank. ``due`` (in words) is the target's own date, else that of the plan for the county; ``timing`` says of a
        target that is not met whether it is ``missed``, ``not_yet`` due or has ``no_date``; else empty.

    A threshold of one indicator has no national verdict: nationally a school may miss one of its indicators, so that the
    rule decides by school and never by indicator.
    """

    label: str
    table: pd.DataFrame = field(repr=False)

    def tidy(self) -> pd.DataFrame:
        """A copy of ``table``."""
        return self.table.copy()

    def beside(self) -> pd.DataFrame:
        """What :func:`qbresearch.exhibits.evaluation_tables.beside_table` prints: blank targets are ``open``, and
        ``plan_reason`` says why a target without a number has no verdict."""
        return self.table.assign(
            relation=self.table["relation"].replace({BLANK: "open"}),
            plan_reason=self.table["reason"].where(self.table["plan_limit"].isna(), ""),
        )  # fmt: skip

    def summary(self) -> str:
        """Targets met, not met and undecided, and those met nationally and not under the plan, in one sentence."""
        verdicts = self.table["plan_verdict"]
        counts = {v: int(verdicts.eq(v).sum()) for v in (MET, NOT_MET, UNDECIDED)}
        only = int((self.table["verdict"].eq(MET) & verdicts.eq(NOT_MET)).sum())
        return say(
            "{plan}：目标 {n} 项，达到 {met} 项，未达到 {not_met} 项，无法判定 {undecided} 项；其中国家标准已达标而规划未达到的 {only} 项",
            plan=self.label, n=len(self.table), only=only, **counts,
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"plan": self.label, "targets": plain_records(self.table)}


def judge_targets(
    laid: Overlay, national: Node, plan: Node, *, national_schools: AttainmentResult | None = None,
    plan_schools: AttainmentResult | None = None, label: str = "", deadline: Deadline | None = None, as_of: Month | None = None,
    fills: Collection[str] = (),
) -> TargetResult:
    """Judge every target of a plan, beside the verdict of the standard on the same thing.

    Parameters
    ----------
    laid : Overlay
        The plan laid over the evaluation and its standard.
    national, plan : Node
        Trees of one county: judged by the standard, and by the overlay.
    national_schools, plan_schools : AttainmentResult, optional
        The schools of the county judged by both; without them targets for a single indicator of every school are
        undecided, since the trees hold the school rule only.
    label : str
        How the plan is called in the summary.
    deadline : Deadline, optional
        When the county shall meet the standard, see :func:`qbresearch.results.plans.problems.county_deadline`; for targets
        without a date of their own.
    as_of : Month, optional
        Month from which is looked; without it no target is overdue.
    fills : collection of str
        Ids of the blanks that a use of the plan fills in.

    Returns
    -------
    TargetResult
        A target that only the plan knows and a blank one are undecided, with the reason. Of several targets on one path
        the plan's tree judges the strictest; the others are judged by their own limit on the same number, and are
        undecided where there is no single number.
    """
    judge = _Judge(national, plan, national_schools, plan_schools)
    rows = [judge.row(change) | {"due": _due_words(change, deadline)} | {"filled": change.target.field in fills} for change in laid.changes]
    for row, change in zip(rows, laid.changes, strict=True):
        row["timing"] = _timing(row["plan_verdict"], change.target.due or (deadline and deadline.month), as_of)
    frame = pd.DataFrame(rows, columns=COLUMNS)
    numbers = ("value", "limit", "plan_value", "plan_limit")
    return TargetResult(label, frame.astype(dict.fromkeys(numbers, float)))


def _actual(change: Change, own: _Found) -> str:
    """How things stand in words: of what schools meet one by one, and where a verdict rests on no single number."""
    judged = own.value is None and own.verdict in (MET, NOT_MET)
    return own.reason if judged or change.path.startswith(BY_SCHOOL) else ""


def _due_words(change: Change, deadline: Deadline | None) -> str:
    if change.target.due is not None:
        return month_words(change.target.due)
    return deadline.words if deadline else ""


def _timing(verdict: str, due: Month | None, as_of: Month | None) -> str:
    if verdict != NOT_MET:
        return ""
    if due is None:
        return NO_DATE
    return MISSED if as_of is not None and due.last <= as_of.last else NOT_YET


@dataclass(frozen=True, slots=True)
class _Found:
    """What the data say on one path: verdict, number (where there is one) and words."""

    verdict: str
    value: float | None = None
    reason: str = ""


class _Judge:
    """Looks up what a path means in both trees."""

    def __init__(
        self, national: Node, plan: Node, national_schools: AttainmentResult | None, plan_schools: AttainmentResult | None
    ) -> None:
        self.national = {node.code: node for _, _, node in national.walk()}
        self.plan = {node.code: node for _, _, node in plan.walk()}
        self.schools = {id(self.national): national_schools, id(self.plan): plan_schools}

    def row(self, change: Change) -> dict[str, Any]:
        national = self.look(change.path, self.national) if change.base_citation else _Found("")
        own = self.own(change, national)
        if change.path.startswith("threshold:"):
            national = _Found("")
        cited, base = change.target.citation, change.base_citation
        return {
            "target": change.target.id, "path": change.path, "label": label_of(change), "kind": change.target.kind,
            "value": national.value, "limit": change.base_value, "verdict": national.verdict,
            "plan_value": own.value, "plan_limit": change.plan_value, "plan_verdict": own.verdict, "relation": change.relation,
            "judges": change.judges, "comparison": change.comparison, "unit": label_of(change, "unit"), "percent": change.percent,
            "reason": own.reason, "clause": cited.said("clause"), "quote": cited.said("quote"), "status": cited.status,
            "base_clause": base.said("clause") if base else "", "base_quote": base.said("quote") if base else "",
            "base_status": base.status if base else "", "actual": _actual(change, own),
        }  # fmt: skip

    def own(self, change: Change, national: _Found) -> _Found:
        """What the plan's own limit says."""
        if change.relation == BLANK:
            return _Found(UNDECIDED, national.value, say("规划留作空白，还没有数"))
        if change.relation == ADDS or change.plan_value is None:
            return _Found(UNDECIDED, None, say("标准没有这一项，也没有可以计算的定义或数据"))
        found = self.look(change.path, self.plan)
        if change.judges:
            return found
        if found.value is not None:
            verdict, _ = compare(found.value, change.comparison, change.plan_value)
            return _Found(verdict, found.value, found.reason)
        return _Found(UNDECIDED, None, clauses(filter(None, (say("规划在同一事项上另有更严的目标"), found.reason))))

    def look(self, path: str, nodes: dict[str, Node]) -> _Found:
        """Verdict, number and reason on a path in one of the trees."""
        kind, *names = path.split(":")
        if kind == "cap":
            return self.spread(names[0], names[1], nodes)
        if kind == "threshold":
            return self.indicator(names[0], names[1], nodes)
        node = nodes.get(SCHOOLS if kind == "rule" else names[0])
        if node is None:
            return _Found(UNDECIDED, None, say("这一项没有评估结果"))
        below = clauses(
            say("{label}：{reason}", label=child.label, reason=child.reason) for child in node.children if child.reason
        ) if kind == "rule" else ""
        return _Found(node.verdict or UNDECIDED, node.value, below or node.reason)

    def spread(self, statistic: str, stage: str, nodes: dict[str, Node]) -> _Found:
        """Coefficients of variation of every indicator of a stage, or the composite one: the largest and its indicator."""
        prefixes = {code: code.partition(":")[0] for code in nodes if code.endswith(f":{stage}") and code != f"{SCHOOLS}:{stage}"}
        own = [nodes[code] for code, prefix in prefixes.items() if (prefix == COMPOSITE) == (statistic == COMPOSITE_CV)]
        known = [node for node in own if node.value is not None]
        verdict = combine(node.verdict for node in own) or UNDECIDED
        if not known:
            return _Found(verdict, None, say("没有可以计算的差异系数"))
        top = max(known, key=lambda node: node.value)
        over = sum(node.verdict == NOT_MET for node in own)
        if statistic != CV:
            return _Found(verdict, top.value)
        label = nodes[prefixes[top.code]].label
        return _Found(verdict, top.value, say("{n} 项中 {over} 项超过上限，最大的是{label}", n=len(own), over=over, label=label))

    def indicator(self, code: str, stage: str, nodes: dict[str, Node]) -> _Found:
        """One indicator in every school of a stage."""
        schools = self.schools[id(nodes)]
        if schools is None:
            return _Found(UNDECIDED, None, say("每校单项标准要看学校判定"))
        rows = schools.tidy()
        rows = rows[rows["indicator"].eq(code) & rows["stage"].eq(stage)]
        if rows.empty:
            return _Found(UNDECIDED, None, say("没有这一学段的学校"))
        counts = rows["verdict"].value_counts()
        reason = say("{n} 所学校中 {met} 所达到这一项", n=len(rows), met=int(counts.get(MET, 0)))
        return _Found(combine(rows["verdict"]) or UNDECIDED, None, reason)

