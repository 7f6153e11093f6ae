"""From what is not met to what the plan does about it: problems, measures, departments, dates, and recommendations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from qbresearch.language import clauses, label_of, listed, say
from qbresearch.results.evaluation.tree import NOT_MET, UNDECIDED, Node
from qbresearch.results.plans.findings import month_words
from qbresearch.rules.plans import Month, PlanUse, Recommendation, Task
from qbresearch.statistics.records import plain_records

RESOURCES, SCHOOLS, VETO = "resources", "schools", "veto"
FROM_TASK, FROM_PLAN, NO_DATE = "task", "plan", ""
PROBLEMS = [
    "rank", "part", "item", "code", "label", "decides", "value", "comparison", "limit", "margin", "relative_margin", "unit",
    "percent", "reason", "clause", "task", "measure", "departments", "deadline", "deadline_from", "quote",
]  # fmt: skip
RECOMMENDATIONS = ["recommendation", "section", "text", "because", "codes", "quote"]


@dataclass(frozen=True, slots=True)
class ProblemList:
    """What is not met, and the measures of the plan that answer it.

    table : one row a problem and measure (columns ``PROBLEMS``), worst problem first: vetoes, then by
        ``relative_margin`` (margin over limit, the most negative first), then findings without a number. ``measure``,
        ``task`` and ``departments`` are empty where no task of the plan answers the problem; ``deadline`` is that of
        the task, else the plan's target date (``deadline_from``).
    undecided : how many conditions that count cannot be judged; they are no problems yet.
    """

    plan_id: str
    label: str
    table: pd.DataFrame = field(repr=False)
    undecided: int

    def tidy(self) -> pd.DataFrame:
        """A copy of ``table``."""
        return self.table.copy()

    def unanswered(self) -> pd.DataFrame:
        """Problems that no task of the plan answers."""
        return self.table[self.table["task"] == ""].reset_index(drop=True)

    def summary(self) -> str:
        """Number of problems, of those without a measure, and of what cannot be judged, in one sentence."""
        return say(
            "{plan}：未达标 {n} 项，其中规划没有对应举措的 {unanswered} 项；另有 {undecided} 项无法判定", plan=self.label,
            n=self.table["rank"].nunique(), unanswered=len(self.unanswered()), undecided=self.undecided,
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"plan": self.plan_id, "undecided": self.undecided, "problems": plain_records(self.table)}


@dataclass(frozen=True, slots=True)
class RecommendationList:
    """Recommendations of a plan that gaps call for, each with the numbers behind it.

    table : one row a recommendation chosen, in the plan's order (columns ``RECOMMENDATIONS``). open : codes that a
    recommendation waits for and that cannot be judged. unanswered : items not met for which there is no recommendation.
    """

    plan_id: str
    label: str
    table: pd.DataFrame = field(repr=False)
    open: tuple[str, ...]
    unanswered: tuple[str, ...]

    def tidy(self) -> pd.DataFrame:
        """A copy of ``table``."""
        return self.table.copy()

    def summary(self) -> str:
        """Number of recommendations chosen, in one sentence."""
        if self.table.empty:
            return say("{plan}：没有未达标的条目要求给出建议", plan=self.label)
        return say("{plan}：按未达标的条目选出建议 {n} 条", plan=self.label, n=len(self.table))

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "plan": self.plan_id, "recommendations": plain_records(self.table), "open": list(self.open),
            "unanswered": list(self.unanswered),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Branch:
    """A leaf of the tree with the nodes above it."""

    leaf: Node
    above: tuple[Node, ...]

    @property
    def part(self) -> Node:
        """The part of the evaluation it belongs to."""
        return self.path[min(1, len(self.path) - 1)]

    @property
    def item(self) -> Node:
        """The item it belongs to."""
        return self.path[min(2, len(self.path) - 1)]

    @property
    def path(self) -> tuple[Node, ...]:
        """All nodes from the root to the leaf."""
        return (*self.above, self.leaf)


def list_problems(tree: Node, use: PlanUse) -> ProblemList:
    """List what is not met, worst first, with the measures, departments and dates of the plan.

    A task answers a problem if it names its condition, else its item, else its part. A school rule that is not met is
    answered by the tasks that name one of the seven indicators, since these are what schools lack.

    Parameters
    ----------
    tree : Node
        Tree of verdicts of one county.
    use : PlanUse
        Its tasks say which codes they answer and who is responsible.

    Returns
    -------
    ProblemList
        Conditions that are not met and make their item not met. Margins are compared as shares of the limit.
    """
    branches = [b for b in _branches(tree) if b.leaf.verdict == NOT_MET and b.item.verdict == NOT_MET]
    branches.sort(key=_gravity)
    rows = []
    for rank, branch in enumerate(branches, 1):
        for task in _answers(branch, use.plan.tasks) or (None,):
            rows.append({"rank": rank, **_problem(branch), **_measure(task, use)})
    undecided = sum(b.leaf.verdict == UNDECIDED and all(n.decides for n in b.path) for b in _branches(tree))
    return ProblemList(use.id, label_of(use), pd.DataFrame(rows, columns=PROBLEMS), undecided)


def recommend(tree: Node, use: PlanUse) -> RecommendationList:
    """Choose the recommendations of a plan that gaps call for, and name the numbers behind each.

    A recommendation is chosen if one of its codes is not met; what cannot be judged chooses nothing and is listed in
    ``open``.
    """
    branches, rows, answered, waiting = list(_branches(tree)), [], set(), set()
    for recommendation in use.plan.recommendations:
        behind = [b for b in _under(branches, recommendation) if b.leaf.verdict == NOT_MET]
        answered |= {node.code for b in behind for node in b.path}
        waiting |= {b.item.code for b in _under(branches, recommendation) if b.leaf.verdict == UNDECIDED}
        if behind:
            rows.append({
                "recommendation": recommendation.id, "section": recommendation.section, "text": label_of(recommendation, "text"),
                "because": clauses(because(b) for b in sorted(behind, key=_gravity)),
                "codes": listed(dict.fromkeys(b.item.code for b in behind)), "quote": recommendation.citation.said("quote"),
            })
    gaps = [b.item.code for b in branches if b.leaf.verdict == NOT_MET and b.item.verdict == NOT_MET]
    return RecommendationList(
        use.id, label_of(use), pd.DataFrame(rows, columns=RECOMMENDATIONS), tuple(sorted(waiting)),
        tuple(code for code in dict.fromkeys(gaps) if code not in answered),
    )  # fmt: skip


def because(branch: Branch) -> str:
    """What stands behind a recommendation, with its number and limit, or in words where it has none."""
    leaf, item = branch.leaf, branch.item
    label = leaf.label if leaf is item else f"{item.label}·{leaf.label}"
    values = {"code": item.code, "label": label}
    if leaf.value is None or leaf.limit is None:
        return say("{code} {label}：{reason}", reason=leaf.reason or say("未达标"), **values)
    return say("{code} {label}为 {value}，标准 {limit}", value=_number(leaf.value, leaf), limit=_number(leaf.limit, leaf), **values)


def _number(value: float, node: Node) -> str:
    if node.percent:
        return f"{value * 100:.6g}%"
    return f"{value:.6g} {node.unit}" if node.unit and node.unit != "1" else f"{value:.6g}"


def _branches(node: Node, above: tuple[Node, ...] = ()) -> Iterator[Branch]:
    if not node.children:
        yield Branch(node, above)
    for child in node.children:
        yield from _branches(child, (*above, node))


def _gravity(branch: Branch) -> tuple[int, float]:
    if branch.part.code == VETO:
        return 0, 0.0
    relative = _relative_margin(branch.leaf)
    return (2, 0.0) if relative is None else (1, relative)


def _relative_margin(leaf: Node) -> float | None:
    return None if leaf.margin is None or not leaf.limit else leaf.margin / abs(leaf.limit)


def _answers(branch: Branch, tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Tasks that name the condition, else those that name what stands above it, the nearest first."""
    for node in reversed(branch.path[1:]):
        names = {node.code}
        if node.code == SCHOOLS:
            names |= {child.code for child in branch.part.children}
        if found := tuple(task for task in tasks if names & set(task.codes)):
            return found
    return ()


def _under(branches: Sequence[Branch], recommendation: Recommendation) -> list[Branch]:
    codes = set(recommendation.codes)
    return [b for b in branches if codes & {node.code for node in b.path}]


def _problem(branch: Branch) -> dict[str, Any]:
    leaf, item = branch.leaf, branch.item
    return {
        "part": branch.part.code, "item": item.code, "code": leaf.code,
        "label": item.label if leaf is item else f"{item.label}·{leaf.label}", "decides": all(n.decides for n in branch.path),
        "value": leaf.value, "comparison": leaf.comparison, "limit": leaf.limit, "margin": leaf.margin,
        "relative_margin": _relative_margin(leaf), "unit": leaf.unit, "percent": leaf.percent, "reason": leaf.reason,
        "clause": leaf.clause or item.clause,
    }  # fmt: skip


def _measure(task: Task | None, use: PlanUse) -> dict[str, Any]:
    deadline, source = task_deadline(task, use)
    return {
        "task": task.id if task else "", "measure": label_of(task) if task else "",
        "departments": listed(task.departments) if task else "", "deadline": month_words(deadline) if deadline else "",
        "deadline_from": source, "quote": task.citation.said("quote") if task else "",
    }  # fmt: skip


def task_deadline(task: Task | None, use: PlanUse) -> tuple[Month | None, str]:
    """When a task is due and where that stands: its own date, else that of the plan's target."""
    if task is not None and task.due is not None:
        return task.due, FROM_TASK
    return (use.plan.target, FROM_PLAN) if use.plan.target else (None, NO_DATE)
