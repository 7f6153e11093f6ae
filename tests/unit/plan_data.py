"""A made-up plan without a single fault, pieces to change in it, and small trees of verdicts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qbresearch.results.evaluation.tree import MET, Node, parent
from qbresearch.rules.citations import Citation
from qbresearch.rules.plans import (
    Commitment,
    Condition,
    Fact,
    Mention,
    Month,
    Phase,
    Plan,
    PlannedCounty,
    PlannedSchool,
    PlanUse,
    Recommendation,
    Section,
    Stage,
    Target,
    Task,
)
from qbresearch.rules.standards import Source

PLAN_SOURCE = Source("plan", "甲县方案（虚构）", "Plan of county A (made up)", "全文", "虚构")


def cite(quote: str = "原句", clause: str = "一") -> Citation:
    return Citation(clause=clause, quote=quote, source="plan", status="copy")


def target(path: str, value: float | None, **changes: Any) -> Target:
    return replace(
        Target(path, path, value, "", "goal", "same", "same", (), (), None, f"目标 {path}", f"Target {path}", cite(f"达到 {value}")),
        **changes,
    )


def commitment(name: str, **changes: Any) -> Commitment:
    return replace(Commitment(name, f"承诺 {name}", f"Promise {name}", "", "", "", "", "", None, None, cite(name)), **changes)


def task(name: str, *codes: str, **changes: Any) -> Task:
    return replace(Task(name, f"举措 {name}", f"Measure {name}", codes, ("教育局", "财政局"), None, cite(name)), **changes)


def phase(name: str, start: Month | None, end: Month | None) -> Phase:
    return Phase(name, f"阶段 {name}", f"Phase {name}", start, end, cite(name))


def stage(name: str, *conditions: Condition, offset: int | None = None, end: Month | None = None) -> Stage:
    return Stage(name, f"阶段 {name}", f"Stage {name}", offset, end, offset is None and end is None, conditions, cite(name))


def condition(name: str, *codes: str, evidence: tuple[str, ...] = (), scope: str = "", due: Month | None = None) -> Condition:
    return Condition(name, f"条件 {name}", f"Condition {name}", codes, evidence, scope, due, cite(name))


def school(name: str, year: int, stage_id: str = "primary", code: str = "") -> PlannedSchool:
    return PlannedSchool(name, stage_id, year, code, cite(f"{year}年 {name}"))


def county(name: str, year: int, code: str = "") -> PlannedCounty:
    return PlannedCounty(name, year, code, cite(f"{year}年{name}"))


def mention(kind: str, thing: str, said: str) -> Mention:
    return Mention(kind, thing, said, cite(said))


def section(name: str, **changes: Any) -> Section:
    return replace(Section(name, f"第{name}节", 1, "codes", "", (), (), cite(name)), **changes)


def recommendation(name: str, *codes: str) -> Recommendation:
    return Recommendation(name, "3", codes, f"建议 {name}", f"Recommendation {name}", cite(name))


def facts(**values: str) -> dict[str, Fact]:
    return {name: Fact(name, value, cite(value)) for name, value in values.items()}


def plan(**changes: Any) -> Plan:
    """A plan that agrees with itself and with the national standard: issued 2022, target 2027."""
    whole = Plan(
        id="plan-a", label_zh="甲县方案", label_en="Plan of county A", document="甲政〔2022〕1号", place="甲县", level="county",
        simulated=True, evaluation="national-2017", complete=False, issued=Month(2022, 1), target=Month(2027, 12),
        period=(Month(2022), Month(2027)), sha256="0" * 64, sources={"plan": PLAN_SOURCE},
        facts=facts(issued="2022年1月", due="2027年底", period="2022—2027年", schools_total="2", schools_primary="1", schools_junior="1"),
        targets=(
            target("cap:coefficient_of_variation:primary", 0.5), target("rule:school_min_met", 6.0),
            target("rule:school_floor_ratio", 0.85), target("requirement:G11_rotation", 0.1),
        ),
        commitments=(commitment("grounds", due=Month(2026, 8)),), blanks=(),
        phases=(phase("1", Month(2022, 1), Month(2024, 12)), phase("2", Month(2025, 1), Month(2027, 12))),
        schools=(school("甲小学", 2024), school("乙中学", 2025, "junior")), counties=(), stages=(),
        tasks=(task("teachers", "L1", "G11", due=Month(2026, 6)),), sections=(), recommendations=(), mentions=(), remarks=(),
    )  # fmt: skip
    return replace(whole, **changes)


def prefecture_plan(*conditions: Condition, **changes: Any) -> Plan:
    """A prefecture's plan with two counties, of which the first is inspected in 2026, and three stages."""
    stages = (
        stage("start", condition("survey", evidence=("E-survey",)), end=Month(2024, 8)),
        stage("build", *conditions, offset=1),
        stage("keep", condition("all", "county")),
    )
    return plan(
        level="prefecture", counties=(county("甲县", 2026, "990101"), county("乙县", 2028, "990102")), stages=stages, schools=(),
        facts=facts(issued="2022年1月", due="2027年底", period="2022—2027年"), **changes,
    )  # fmt: skip


def use(own: Plan | None = None, **changes: Any) -> PlanUse:
    own = own or plan()
    whole = PlanUse(
        id=own.id, plan=own, source_id="", county_code="990101", simulated=True, fills={}, school_codes={}, county_codes={},
        note="虚构", signed=None, label_zh=own.label_zh, label_en=own.label_en,
    )  # fmt: skip
    return replace(whole, **changes)


def leaf(code: str, verdict: str, value: float | None = None, limit: float | None = None, **facts_: Any) -> Node:
    margin = None if value is None or limit is None else facts_.pop("margin", value - limit)
    return Node(code, f"条件 {code}", verdict, value, "at_least", limit, margin, **facts_)


def tree(*items: Node, part: str = "government") -> Node:
    """A county with one part that holds these items."""
    return parent("county", "甲县", [parent(part, part, items)])


def item(code: str, *leaves: Node) -> Node:
    return parent(code, f"条目 {code}", leaves)


def met_tree(*codes: str) -> Node:
    return tree(*(leaf(code, MET) for code in codes))
