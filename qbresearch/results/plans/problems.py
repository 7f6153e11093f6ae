"""From what is not met to what the plan does about it: problems, measures, departments, dates, and recommendations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from qbresearch.exhibits.evaluation_tables import (
    limit_phrase,
    printed_code,
    value_words,
)
from qbresearch.language import clauses, label_of, listed, say
from qbresearch.results.evaluation.tree import NOT_MET, UNDECIDED, Node
from qbresearch.results.plans.findings import month_words
from qbresearch.rules.plans import Month, PlanUse, Recommendation, Task
from qbresearch.statistics.records import plain_records

RESOURCES, SCHOOLS, VETO, RECOGNITION_VETO = "resources", "schools", "veto", "V-R"
RANKS = "="
"""In the unit of a scale whose numbers stand for words (``1=是，0=否``): they have no distance."""
STAGED = ":"
"""Between the code of an item and its stage."""
FROM_TASK, FROM_COUNTY, FROM_PLAN, NO_DATE = "task", "county", "plan", ""
PROBLEMS = [
    "rank", "part", "item", "code", "label", "decides", "value", "comparison", "limit", "margin", "relative_margin", "unit",
    "percent", "reason", "clause", "national_value", "national_limit", "national_verdict", "task", "measure", "departments",
    "deadline", "deadline_from", "quote", "deadline_quote",
]  # fmt: skip
NUMBERS = ("value", "limit", "margin", "relative_margin", "national_value", "national_limit")
RECOMMENDATIONS = ["recommendation", "section", "text", "because", "codes", "quote"]


@dataclass(frozen=True, slots=True)
class ProblemList:
    """What is not met, and the measures of the plan that answer it.

    table : one row a problem (columns ``PROBLEMS``), worst first: vetoes, then by ``relative_margin`` (margin over limit,
        the most negative first), then findings without a number. ``limit`` is what the tree asks for; ``national_value``,
        ``national_limit`` and ``national_verdict`` are those of the national tree, where there is one. ``measure``,
        ``task`` and ``departments`` join those of all tasks that answer the problem and are empty where none does;
        ``deadline`` is that of the tasks, else the year of the county's inspection in a prefecture's plan
        (``deadline_quote``), else the plan's overall target (``deadline_from``).
    answers : one row a problem and task of the plan: ``rank``, ``code``, ``task``.
    undecided : how many conditions that count cannot be judged; they are no problems yet.
    """

    plan_id: str
    label: str
    table: pd.DataFrame = field(repr=False)
    answers: pd.DataFrame = field(repr=False)
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


def list_problems(tree: Node, use: PlanUse, *, national: Node | None = None, county_code: str = "") -> ProblemList:
    """List what is not met, worst first, with the measures, departments and dates of the plan.

    A task answers a problem if it names its condition, else its item, else its part. A school rule that is not met is
    answered by the tasks that name one of the seven indicators, since these are what schools lack.

    Parameters
    ----------
    tree : Node
        Tree of verdicts of one county.
    use : PlanUse
        Its tasks say which codes they answer and who is responsible.
    national : Node, optional
        The tree under the national rules, where ``tree`` is that under the plan's.
    county_code : str
        The county; of a prefecture's plan it has a year of its own.

    Returns
    -------
    ProblemList
        Conditions that are not met and make their item not met. Margins are compared as shares of the limit.
    """
    branches = [b for b in _branches(tree) if b.leaf.verdict == NOT_MET and b.item.verdict == NOT_MET]
    branches.sort(key=_gravity)
    known = {node.code: node for _, _, node in national.walk()} if national is not None else {}
    rows, answers = [], []
    for rank, branch in enumerate(branches, 1):
        tasks = _answers(branch, use.plan.tasks)
        rows.append({"rank": rank, **_problem(branch), **_nationally(known.get(branch.leaf.code)), **_measures(tasks, use, county_code)})
        answers += [(rank, branch.leaf.code, task.id) for task in tasks]
    table = pd.DataFrame(rows, columns=PROBLEMS).astype(dict.fromkeys(NUMBERS, float))
    undecided = sum(b.leaf.verdict == UNDECIDED and all(n.decides for n in b.path) for b in _branches(tree))
    return ProblemList(use.id, label_of(use), table, pd.DataFrame(answers, columns=["rank", "code", "task"]), undecided)


def recommend(tree: Node, use: PlanUse) -> RecommendationList:
    """Choose the recommendations of a plan that gaps call for, and name the numbers behind each.

    A recommendation is chosen if one of its codes is not met and makes its item not met; what cannot be judged chooses
    nothing and is listed in ``open``.
    """
    branches, rows, answered, waiting = list(_branches(tree)), [], set(), set()
    for recommendation in use.plan.recommendations:
        behind = [b for b in _under(branches, recommendation) if b.leaf.verdict == NOT_MET and b.item.verdict == NOT_MET]
        answered |= {node.code for b in behind for node in b.path}
        waiting |= {b.item.code for b in _under(branches, recommendation) if b.leaf.verdict == UNDECIDED}
        if behind:
            rows.append({
                "recommendation": recommendation.id, "section": recommendation.section, "text": label_of(recommendation, "text"),
                "because": clauses(because(b) for b in sorted(behind, key=_gravity)),
                "codes": listed(filter(None, dict.fromkeys(printed_code(b.item.code) for b in behind))), "quote": recommendation.citation.said("quote"),
            })
    gaps = [b.item.code for b in branches if b.leaf.verdict == NOT_MET and b.item.verdict == NOT_MET]
    return RecommendationList(
        use.id, label_of(use), pd.DataFrame(rows, columns=RECOMMENDATIONS), tuple(sorted(waiting)),
        tuple(code for code in dict.fromkeys(gaps) if code not in answered),
    )  # fmt: skip


def because(branch: Branch) -> str:
    """What stands behind a recommendation, with its number and limit, or in words where it has none."""
    leaf, item = branch.leaf, branch.item
    label = " ".join(filter(None, (printed_code(item.code), _label(branch))))
    if leaf.value is None or leaf.limit is None:
        return say("{label}：{reason}", label=label, reason=leaf.reason or say("未达标"))
    value = value_words(leaf.value, leaf.unit, leaf.percent, limit=leaf.limit)
    return say("{label}为 {value}，要求{limit}", label=label, value=value, limit=limit_phrase(leaf.limit, leaf.comparison, leaf.unit, leaf.percent))


def _label(branch: Branch) -> str:
    """A condition by its own words; one that only names a stage by those of its item too."""
    leaf, item = branch.leaf, branch.item
    if leaf is item or leaf.label == item.label:
        return item.label
    return say("{item}（{stage}）", item=item.label, stage=leaf.label) if STAGED in leaf.code else leaf.label


def _branches(node: Node, above: tuple[Node, ...] = ()) -> Iterator[Branch]:
    # Recognition below its limit stands among the vetoes a second time; it is one problem, and its own item tells it.
    if not node.children and node.code != RECOGNITION_VETO:
        yield Branch(node, above)
    for child in node.children:
        yield from _branches(child, (*above, node))


def _gravity(branch: Branch) -> tuple[int, float]:
    if branch.part.code == VETO:
        return 0, 0.0
    relative = _relative_margin(branch.leaf)
    return (2, 0.0) if relative is None else (1, relative)


def _relative_margin(leaf: Node) -> float | None:
    if leaf.margin is None or not leaf.limit or RANKS in leaf.unit:
        return None
    return leaf.margin / abs(leaf.limit)


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
        "label": _label(branch), "decides": all(n.decides for n in branch.path),
        "value": leaf.value, "comparison": leaf.comparison, "limit": leaf.limit, "margin": leaf.margin,
        "relative_margin": _relative_margin(leaf), "unit": leaf.unit, "percent": leaf.percent, "reason": leaf.reason,
        "clause": leaf.clause or item.clause,
    }  # fmt: skip


def _nationally(node: Node | None) -> dict[str, Any]:
    if node is None:
        return {"national_value": None, "national_limit": None, "national_verdict": ""}
    return {"national_value": node.value, "national_limit": node.limit, "national_verdict": node.verdict}


def _measures(tasks: Sequence[Task], use: PlanUse, county_code: str) -> dict[str, Any]:
    dates = [task_deadline(task, use, county_code) for task in tasks] or [task_deadline(None, use, county_code)]
    return {
        "task": listed(task.id for task in tasks), "measure": clauses(label_of(task) for task in tasks),
        "departments": listed(dict.fromkeys(name for task in tasks for name in task.departments)),
        "deadline": listed(dict.fromkeys(filter(None, (date.words for date in dates)))),
        "deadline_from": listed(dict.fromkeys(date.source for date in dates)),
        "quote": clauses(dict.fromkeys(task.citation.said("quote") for task in tasks)),
        "deadline_quote": clauses(dict.fromkeys(filter(None, (date.quote for date in dates)))),
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a task is due, whose date that is (``task``, ``county``, ``plan`` or empty), and the words it rests on."""

    month: Month | None
    source: str
    quote: str = ""

    @property
    def words(self) -> str:
        """In words; of the plan's overall target it says so."""
        if self.month is None:
            return ""
        when = month_words(self.month)
        return say("{when}（规划总目标时间）", when=when) if self.source == FROM_PLAN else when


def task_deadline(task: Task | None, use: PlanUse, county_code: str = "") -> Deadline:
    """When a task is due: on its own date, else in the county's own year, else by the plan's overall target."""
    if task is not None and task.due is not None:
        return Deadline(task.due, FROM_TASK, task.citation.said("quote"))
    return county_deadline(use, county_code)


def county_deadline(use: PlanUse, county_code: str) -> Deadline:
    """When a county shall meet the standard: in its own year in a prefecture's plan, else by the plan's overall target."""
    own = next((county for county in use.plan.counties if county_code and county.code == county_code), None)
    if own is not None:
        return Deadline(Month(own.year), FROM_COUNTY, own.citation.said("quote"))
    return Deadline(use.plan.target, FROM_PLAN) if use.plan.target else Deadline(None, NO_DATE)
