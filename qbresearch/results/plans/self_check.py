"""A county checked against the national standard and, side by side, against the further standards its plan names."""

from __future__ import annotations

from collections.abc import Iterator
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
from qbresearch.rules.evaluations import Evaluation
from qbresearch.rules.plan_words import limit_words
from qbresearch.rules.plans import Beside, BesideValue, PlanUse
from qbresearch.rules.standards import CV, Standard
from qbresearch.statistics.records import plain_records

ITEM_DEPTH = 2
SCHOOLS, RECOGNITION_VETO = "schools", "V-R"
BY_SCHOOL = ("threshold", "rule")
"""Kinds of paths that hold school by school, which a tree of verdicts does not."""


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """Every item by the national standard and by the further standards of a plan.

    table : one row an item of the tree: ``part``, ``code``, ``label``, ``verdict`` (national), and for every further
        standard ``<id>:limit`` (in words), ``<id>:verdict`` and ``<id>:reason``. standards : those, in the plan's order.
    """

    plan_id: str
    label: str
    base: str
    standards: tuple[Beside, ...]
    table: pd.DataFrame = field(repr=False)

    def tidy(self) -> pd.DataFrame:
        """A copy of ``table``."""
        return self.table.copy()

    def summary(self) -> str:
        """Items met, not met and undecided by each standard, in one sentence."""
        columns = {self.base: "verdict"} | {label_of(b): f"{b.id}:verdict" for b in self.standards}
        told = clauses(
            say("按{standard}达标 {met} 项、未达标 {not_met} 项、无法判定 {undecided} 项", standard=standard,
                **{v: int(self.table[column].eq(v).sum()) for v in (MET, NOT_MET, UNDECIDED)})
            for standard, column in columns.items()
        )  # fmt: skip
        return say("{plan}：{told}。", plan=self.label, told=told)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        read = [{"id": b.id, "document": b.document, "read": b.read, "values": len(b.values)} for b in self.standards]
        return {"plan": self.plan_id, "standards": read, "items": plain_records(self.table)}


def self_check(use: PlanUse, evaluation: Evaluation, standard: Standard, tree: Node) -> SelfCheck:
    """Set the national verdict on every item beside that of the further standards a plan names.

    Parameters
    ----------
    use : PlanUse
        Its plan names the standards; the plan or the use gives their numbers.
    evaluation, standard : Evaluation, Standard
        The national rules by which ``tree`` was judged.
    tree : Node
        Tree of verdicts of one county.

    Returns
    -------
    SelfCheck
        A further standard judges by its own numbers only, never by national ones: an item is ``met`` where every
        condition that decides it has a number and is met, ``not_met`` where one is not, else ``undecided``. A standard
        nobody could read leaves every item undecided, and so does one that says nothing of an item. A condition judged
        school by school has no single value; there the national verdict decides only where it must be the same: not
        met, and the further limit no weaker; met, and the further limit no stricter. Thresholds and rules for each
        school (``threshold:``, ``rule:``) are shown and stay undecided.
    """
    besides = use.plan.beside
    judges = [_Judge(beside, evaluation, standard) for beside in besides]
    rows = []
    for depth, part, item in tree.walk():
        if depth != ITEM_DEPTH:
            continue
        row = {"part": part, "code": item.code, "label": item.label, "verdict": item.verdict}
        for beside, judge in zip(besides, judges, strict=True):
            limit, verdict, reason = judge.item(item)
            row |= {f"{beside.id}:limit": limit, f"{beside.id}:verdict": verdict, f"{beside.id}:reason": reason}
        rows.append(row)
    columns = ["part", "code", "label", "verdict", *(f"{b.id}:{c}" for b in besides for c in ("limit", "verdict", "reason"))]
    return SelfCheck(use.id, label_of(use), label_of(evaluation), besides, pd.DataFrame(rows, columns=columns))


class _Judge:
    """Judges items of a tree by the numbers of one further standard."""

    def __init__(self, beside: Beside, evaluation: Evaluation, standard: Standard) -> None:
        self.beside, self.evaluation, self.standard = beside, evaluation, standard
        self.given = {value.path: value for value in beside.values}
        self.indicators = {indicator.code for indicator in standard.indicators}

    def item(self, item: Node) -> tuple[str, str, str]:
        """Limits in words, verdict and reason of one item."""
        limits = clauses(" ".join(limit_words(v.path, v.value, self.evaluation, self.standard)) for v in self._values(item))
        if not self.beside.read:
            return "", UNDECIDED, say("{standard}未能读到", standard=label_of(self.beside))
        conditions = [child for child in item.children if child.decides] or [item]
        judged = [self._condition(item, condition) for condition in conditions]
        verdict = combine(verdict for verdict, _ in judged) or UNDECIDED
        reasons = dict.fromkeys(reason for found, reason in judged if found == verdict and reason)
        return limits, verdict, clauses(reasons)

    def _values(self, item: Node) -> list[BesideValue]:
        """Numbers of the standard that belong to an item."""
        if item.code == SCHOOLS:
            return [v for v in self.beside.values if v.path.split(":")[0] in BY_SCHOOL]
        paths = [self._path(node) for node in (item, *item.children)]
        return [self.given[path] for path in dict.fromkeys(paths) if path in self.given]

    def _path(self, node: Node) -> str:
        """The path of what a node is judged by; empty for evidence and for what holds school by school."""
        code, _, stage = node.code.partition(":")
        if code in self.indicators and stage:
            return f"cap:{CV}:{stage}"
        name = "R_recognition" if code == RECOGNITION_VETO else node.code
        return f"requirement:{name}" if name in self.evaluation.requirements else ""

    def _condition(self, item: Node, node: Node) -> tuple[str, str]:
        """Verdict on one condition by the numbers of the standard, and why."""
        words = {"standard": label_of(self.beside), "label": node.label}
        value = self.given.get(self._path(node))
        if value is None:
            if item.code == SCHOOLS and self._values(item):
                return UNDECIDED, say("{standard}的门槛要逐校重新判定", **words)
            return UNDECIDED, say("没有给出{standard}对“{label}”的数", **words)
        if node.verdict == UNDECIDED:
            return UNDECIDED, node.reason
        if node.value is not None:
            return compare(node.value, node.comparison, value.value)[0], ""
        if all(self._follows(node.verdict, *pair) for pair in self._grounds(item, node, value)):
            return node.verdict, node.reason
        return UNDECIDED, say("“{label}”逐校判定，限值与国家标准不同，要按{standard}重新判定", **words)

    def _grounds(self, item: Node, node: Node, value: BesideValue) -> Iterator[tuple[str, float | None, float | None]]:
        """Comparison, further limit and national limit of a condition and of those hidden in it (the area of a room)."""
        hidden = [child for child in item.children if not child.decides and self._path(child).startswith("requirement:")]
        for child in (node, *hidden):
            # Where rooms are counted the node shows no limit of its own, but its requirement has one.
            known = self.evaluation.requirements.get(self._path(child).partition(":")[2], child)
            given = value if child is node else self.given.get(self._path(child))
            yield known.comparison, given.value if given else None, known.limit

    @staticmethod
    def _follows(verdict: str, comparison: str, limit: float | None, base: float | None) -> bool:
        """Whether the verdict by the national limit must be that by the further one."""
        if limit is None or base is None:
            return False
        no_weaker = limit == base or compare(limit, comparison, base)[0] == MET
        no_stricter = limit == base or compare(base, comparison, limit)[0] == MET
        return (verdict == NOT_MET and no_weaker) or (verdict == MET and no_stricter)
