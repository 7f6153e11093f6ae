"""The tree of verdicts: every condition with its value, limit, margin, clause and status, and what follows above it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from qbresearch.errors import check_choice
from qbresearch.exhibits.evaluation_tables import limit_words, value_words
from qbresearch.language import clauses, label_of, say
from qbresearch.results.resources.attainment import at_least, at_most
from qbresearch.rules.citations import Citation
from qbresearch.rules.columns import TableContract
from qbresearch.rules.evaluations import Evaluation, Item, Requirement
from qbresearch.rules.standards import Source

MET, NOT_MET, UNDECIDED, NO_RULE = "met", "not_met", "undecided", ""
COLUMNS = [
    "code", "depth", "parent", "label", "verdict", "decides", "value", "comparison", "limit", "margin", "unit", "percent",
    "reason", "clause", "quote", "status", "source",
]  # fmt: skip
CARRIED = (
    "value", "comparison", "limit", "margin", "unit", "percent", "reason", "formula", "option", "clause", "quote", "status",
    "source",
)  # fmt: skip
"""What an item takes over from the one child that decides it."""
WEAKEST_FIRST = ("unverified", "practice", "copy", "law")
"""Statuses of citations: what rests on several is as weak as the weakest."""


@dataclass(frozen=True, slots=True)
class Element:
    """A raw number that went into a value: what it is, how much, in which unit, and where it stands (file, row)."""

    label: str
    value: float | None
    unit: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """One verdict with everything that explains it.

    value, limit, margin : in ``unit`` (shares between 0 and 1 where ``percent``); ``None`` where the verdict does not
    rest on one number. ``margin`` is how far the value is on the right side of the limit, negative on the wrong side.
    reason : in words, what decided (a count of schools, which data are missing, whose finding). decides : whether the
    verdict counts for the node above. elements and formula : what the value was computed from. option : the reading
    used where documents disagree, in words.
    """

    code: str
    label: str
    verdict: str
    value: float | None = None
    comparison: str = ""
    limit: float | None = None
    margin: float | None = None
    unit: str = ""
    percent: bool = False
    reason: str = ""
    clause: str = ""
    quote: str = ""
    status: str = ""
    source: str = ""
    formula: str = ""
    option: str = ""
    elements: tuple[Element, ...] = ()
    decides: bool = True
    children: tuple[Node, ...] = ()

    def walk(self, depth: int = 0, parent: str = "") -> Iterator[tuple[int, str, Node]]:
        """Every node from the top down: depth, code of the node above, node."""
        yield depth, parent, self
        for child in self.children:
            yield from child.walk(depth + 1, self.code)

    def find(self, code: str) -> Node:
        """The node with this code; :class:`InputError` listing the choices if there is none."""
        codes = [node.code for _, _, node in self.walk()]
        check_choice(code, codes, name="条目", where=self.label)
        return next(node for _, _, node in self.walk() if node.code == code)

    def leaves(self) -> Iterator[Node]:
        """Nodes without children."""
        return (node for _, _, node in self.walk() if not node.children)

    def tidy(self) -> pd.DataFrame:
        """One row per node from the top down: columns ``COLUMNS``."""
        rows = [
            (n.code, depth, parent, n.label, n.verdict, n.decides, n.value, n.comparison, n.limit, n.margin, n.unit,
             n.percent, n.reason, n.clause, n.quote, n.status, n.source)
            for depth, parent, n in self.walk()
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=COLUMNS).astype({"value": float, "limit": float, "margin": float})

    def to_dict(self) -> dict[str, Any]:
        """Plain data, with ``elements`` and ``children`` as lists."""
        own = {
            name: getattr(self, name)
            for name in ("code", "label", "verdict", "value", "comparison", "limit", "margin", "unit", "percent", "reason",
                         "clause", "quote", "status", "source", "formula", "option", "decides")
        }  # fmt: skip
        elements = [{"label": e.label, "value": e.value, "unit": e.unit, "place": e.place} for e in self.elements]
        return own | {"elements": elements, "children": [child.to_dict() for child in self.children]}


def combine(verdicts: Iterable[str]) -> str:
    """What a whole is when all its parts must be met: not met beats undecided, and parts without a rule say nothing.

    ``""`` if no part has a rule.
    """
    found = set(verdicts) - {NO_RULE}
    return next((verdict for verdict in (NOT_MET, UNDECIDED, MET) if verdict in found), NO_RULE)


def parent(code: str, label: str, children: Sequence[Node], **facts: Any) -> Node:
    """A node whose verdict follows from those of its deciding children."""
    verdict = combine(child.verdict for child in children if child.decides)
    return Node(code, label, verdict, children=tuple(children), **facts)


def compare(value: float, comparison: str, limit: float) -> tuple[str, float]:
    """Verdict and margin of a value beside its limit; the margin is negative on the wrong side.

    ``at_least`` and ``not_less`` include the limit, ``at_most`` does, ``below`` does not. Equal within binary noise
    counts as equal. Both numbers are known: what is missing is undecided before it comes here.
    """
    if comparison in ("at_least", "not_less"):
        return (MET if at_least(value, limit) else NOT_MET), value - limit
    reached = at_most(value, limit) if comparison == "at_most" else not at_least(value, limit)
    return (MET if reached else NOT_MET), limit - value


def cited(citation: Citation, sources: Mapping[str, Source]) -> dict[str, str]:
    """The parts of a citation that a node shows: clause, quotation, id of the status, title of the source."""
    source = sources.get(citation.source)
    return {
        "clause": citation.said("clause"), "quote": citation.said("quote"), "status": citation.status,
        "source": label_of(source, "title") if source else citation.source,
    }  # fmt: skip


def option_words(evaluation: Evaluation | None, option_id: str) -> str:
    """Which reading is in force where documents disagree, and where it comes from; empty without an option."""
    if evaluation is None or option_id not in evaluation.options:
        return ""
    option = evaluation.options[option_id]
    citation = option.choice.citation
    return say(
        "{option}：取{choice}（{source}）", option=label_of(option), choice=label_of(option.choice),
        source=cited(citation, evaluation.sources)["source"],
    )


def judged(requirement: Requirement, value: float | None, evaluation: Evaluation | None = None, **facts: Any) -> Node:
    """The node of a requirement: value beside limit, with its citation and option.

    Parameters
    ----------
    requirement : Requirement
    value : float or None
        In the unit of the limit; ``None`` makes the verdict undecided.
    evaluation : Evaluation, optional
        Gives titles of sources and names of options; without it sources are named by their ids.
    **facts
        Other fields of the node (``reason``, ``elements``, ``formula``); they win over what follows from the value.
    """
    verdict, margin = (UNDECIDED, None) if value is None else compare(value, requirement.comparison, requirement.limit)
    own = {
        "code": requirement.id, "label": label_of(requirement), "verdict": verdict, "value": value, "margin": margin,
        "comparison": requirement.comparison, "limit": requirement.limit, "unit": label_of(requirement, "unit"),
        "percent": requirement.percent, "option": option_words(evaluation, requirement.option),
    }  # fmt: skip
    return Node(**own | cited(requirement.citation, evaluation.sources if evaluation else {}) | facts)


def telling(children: Sequence[Node]) -> str:
    """Which deciding children make a whole not met or undecided, with reason or number; empty where it is met."""
    deciding = [child for child in children if child.decides]
    verdict = combine(child.verdict for child in deciding)
    if verdict not in (NOT_MET, UNDECIDED):
        return ""
    found = [child for child in deciding if child.verdict == verdict]
    return clauses(say("{label}：{reason}", label=c.label, reason=why) if (why := c.reason or _number(c)) else c.label for c in found)


def _number(node: Node) -> str:
    """The value of a node beside its limit; empty where it has none."""
    if node.value is None or node.limit is None:
        return ""
    value = value_words(node.value, node.unit, node.percent, limit=node.limit)
    return say("{value}（要求 {limit}）", value=value, limit=limit_words(node.limit, node.comparison, node.unit, node.percent))


def weakest(statuses: Iterable[str]) -> str:
    """The weakest of some statuses of citations; empty where there is none."""
    found = set(statuses)
    return next((status for status in WEAKEST_FIRST if status in found), "")


def item_node(item: Item, children: Sequence[Node], evaluation: Evaluation) -> Node:
    """The node of an item above those of its requirements and evidence.

    Where one child alone decides, the item shows its number, reason, option and citation as its own; else its reason
    names the children that make it what it is. Its status is the weakest of those of its deciding children, whose limits decide;
    its own where they have none.
    """
    facts: dict[str, Any] = cited(item.citation, evaluation.sources) | {"reason": telling(children)}
    deciding = [child for child in children if child.decides]
    facts["status"] = weakest(child.status for child in deciding) or facts["status"]
    if len(deciding) == 1:
        facts |= {name: getattr(deciding[0], name) for name in CARRIED}
    return parent(item.code, label_of(item), children, **facts)


def place_of(row: Mapping[str, Any], contract: TableContract | None = None, column: str = "") -> str:
    """Where a row stands in the files as received, in words; empty where the table does not say.

    A row joined from the sheets of a workbook says where it stands in one of them. A column of another sheet has that
    sheet's name in the contract and no row.
    """
    if not row.get("source_file") or pd.isna(row["source_file"]):
        return ""
    sheets = contract.sheets if contract and not str(row["source_file"]).lower().endswith(".csv") else {}
    own = sheets.get(contract.column(column).sheet, "") if sheets and column else ""
    if len(sheets) > 1 and own and own != row.get("source_sheet"):
        return say("{file}（{sheet}）", file=row["source_file"], sheet=own)
    return say("{file}（{sheet}）第 {row} 行", file=row["source_file"], sheet=row.get("source_sheet"), row=row.get("source_row"))
