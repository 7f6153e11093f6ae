"""A prefecture at a glance: one row a county, with its stage, its verdicts and its warnings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from qbresearch.exhibits.figures.plans import plot_prefecture_board
from qbresearch.language import label_of, say
from qbresearch.results.evaluation.tree import MET, NOT_MET, UNDECIDED, Node
from qbresearch.results.plans.stages import EXEMPT, OVERDUE, SOON, UNKNOWN, StageResult
from qbresearch.rules.plans import PlanUse
from qbresearch.statistics.records import plain_records

INDICATOR_PARTS = ("resources", "government", "quality")
NOT_INDICATORS = ("schools", "composite")
"""Nodes of the resource part that are no indicator of their own."""


@dataclass(frozen=True, slots=True)
class PrefectureResult:
    """One row a county of a prefecture's plan.

    table : ``county_code`` (empty where no data stand for the county), ``county`` (as the stages name it),
        ``planned_county`` (the plan's name), ``target_year``, ``stage`` (now),
        ``indicators`` (of the evaluation), ``met``, ``not_met``, ``undecided``, ``verdict`` (national), ``plan_verdict``
        (under the plan's own limits), ``schools_verdict`` (national school rule), ``plan_schools_verdict`` (the plan's),
        ``overdue``, ``soon``, ``unknown`` and ``exempt`` (conditions of its stages, see :class:`StageResult`).
    items : one row a county and indicator, of counties with data: ``county``, ``part``, ``label`` (code of
        the indicator) and ``verdict`` (national).
    """

    plan_id: str
    label: str
    as_of: int
    table: pd.DataFrame = field(repr=False)
    items: pd.DataFrame = field(repr=False)

    def tidy(self) -> pd.DataFrame:
        """A copy of ``table``."""
        return self.table.copy()

    def summary(self) -> str:
        """Counties that meet the standard and the plan, and warnings, in one sentence."""
        met, plan = (int(self.table[name].eq(MET).sum()) for name in ("verdict", "plan_verdict"))
        return say(
            "{plan}：{n} 个县，按国家标准达标 {met} 个，按规划要求达标 {own} 个，无法判定 {undecided} 个；到期未达的条件 {overdue} 条",
            plan=self.label, n=len(self.table), met=met, own=plan, undecided=int(self.table["verdict"].eq(UNDECIDED).sum()),
            overdue=int(self.table["overdue"].sum()),
        )  # fmt: skip

    def plot(self, *, part: str = "resources", ax: Axes | None = None) -> Axes:
        """Which county meets which indicator of one part of the evaluation."""
        return plot_prefecture_board(self.items[self.items["part"] == part], ax=ax)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "plan": self.plan_id, "as_of": self.as_of, "table": plain_records(self.table), "items": plain_records(self.items),
        }  # fmt: skip


def summarize_prefecture(
    use: PlanUse, stages: StageResult, trees: Mapping[str, Node], plan_trees: Mapping[str, Node]
) -> PrefectureResult:
    """Summarise the counties of a prefecture's plan.

    Parameters
    ----------
    use : PlanUse
        A plan with counties.
    stages : StageResult
        Its stages judged as of a year.
    trees, plan_trees : mapping
        Trees by county code: judged by the national standard, and by the plan's limits in its place.

    Returns
    -------
    PrefectureResult
        A county without code or tree is undecided in everything; its numbers of indicators are NaN.
    """
    warnings = stages.table.groupby(["county", "warning"]).size()
    names = dict(zip(stages.calendar.table["planned_county"], stages.calendar.table["county"], strict=True))
    rows, items = [], []
    for county in use.plan.counties:
        tree, plan_tree = (found.get(county.code) if county.code else None for found in (trees, plan_trees))
        name = names[county.name]
        rows.append({
            "county_code": county.code, "county": name, "planned_county": county.name, "target_year": county.year,
            "stage": stages.calendar.now(name),
            **_counts(tree), "verdict": _verdict(tree), "plan_verdict": _verdict(plan_tree),
            "schools_verdict": _verdict(tree, "schools"), "plan_schools_verdict": _verdict(plan_tree, "schools"),
            **{kind: int(warnings.get((name, kind), 0)) for kind in (OVERDUE, SOON, UNKNOWN, EXEMPT)},
        })
        if tree is not None:
            items += [(name, part, node.code, node.verdict) for part, node in _indicators(tree)]
    board = pd.DataFrame(items, columns=["county", "part", "label", "verdict"])
    return PrefectureResult(use.id, label_of(use), stages.calendar.as_of, pd.DataFrame(rows), board)


def _indicators(tree: Node) -> Iterator[tuple[str, Node]]:
    """The indicators of a tree with their parts: items of three of its parts, without the school rule."""
    for part in tree.children:
        if part.code in INDICATOR_PARTS:
            yield from ((part.code, node) for node in part.children if node.code not in NOT_INDICATORS)


def _counts(tree: Node | None) -> dict[str, float]:
    nodes = [node for _, node in _indicators(tree)] if tree else []
    counts = {verdict: float(sum(n.verdict == verdict for n in nodes)) for verdict in (MET, NOT_MET, UNDECIDED)}
    return {"indicators": float(len(nodes)), **counts} if tree else dict.fromkeys(("indicators", *counts), float("nan"))


def _verdict(tree: Node | None, code: str = "") -> str:
    if tree is None:
        return UNDECIDED
    node = tree if not code else next((n for _, _, n in tree.walk() if n.code == code), None)
    return node.verdict if node and node.verdict else UNDECIDED
