"""What is found when a plan is checked: findings with both citations they rest on, and words that checks share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from qbresearch.exhibits.plan_tables import severity_words
from qbresearch.language import listed, say
from qbresearch.rules.citations import Citation
from qbresearch.rules.evaluations import Evaluation, Item
from qbresearch.rules.plans import Month, Plan, PlanUse
from qbresearch.rules.standards import FIRST_MONTH_OF_SCHOOL_YEAR, Indicator, Standard
from qbresearch.statistics.records import plain_records

CONTRADICTION, STRICTER, WEAKER, GAP, REMARK = "contradiction", "stricter", "weaker", "gap", "remark"
KINDS = {
    "two_values": CONTRADICTION,
    "ends_after_target": CONTRADICTION,
    "begins_before_issue": CONTRADICTION,
    "phases_overlap": CONTRADICTION,
    "phases_gap": CONTRADICTION,
    "period_longer": CONTRADICTION,
    "counts_differ": CONTRADICTION,
    "weaker": WEAKER,
    "weaker_condition": WEAKER,
    "stricter": STRICTER,
    "tight_deadline": GAP,
    "base_differs": GAP,
    "base_unsaid": GAP,
    "scope_differs": GAP,
    "scope_unsaid": GAP,
    "undefined_indicator": GAP,
    "other_standard": GAP,
    "blank_left": GAP,
    "rule_left_out": GAP,
    "not_named": GAP,
    "group_missing": GAP,
    "no_resource_numbers": GAP,
    "unread": GAP,
    "two_names": REMARK,
    "phases_share_year": REMARK,
    "other_part": REMARK,
    "other_term": REMARK,
    "unit_wording": REMARK,
    "remark": REMARK,
}
"""Kinds of findings and how grave each is, in the order in which they are listed."""
COLUMNS = [
    "kind", "severity", "about", "sentence", "clause", "quote", "source", "status",
    "against_clause", "against_quote", "against_source", "against_status",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: its kind (``KINDS``), what it is about, and in words what stands against what.

    about : codes, paths or ids. citation, against : the two entries it rests on; where it rests on one, or on something
    that is not there, the other is ``None``.
    """

    kind: str
    about: tuple[str, ...]
    sentence: str
    citation: Citation | None = None
    against: Citation | None = None

    @property
    def severity(self) -> str:
        """``contradiction``, ``weaker``, ``stricter``, ``gap`` or ``remark``."""
        return KINDS[self.kind]


@dataclass(frozen=True, slots=True)
class PlanCheck:
    """What stands in a plan against itself and against the evaluation it builds on.

    findings : contradictions first, then weaker, stricter, gaps and remarks.
    """

    plan_id: str
    label: str
    findings: tuple[Finding, ...] = field(repr=False)

    def of(self, kind: str) -> tuple[Finding, ...]:
        """Findings of one kind."""
        return tuple(finding for finding in self.findings if finding.kind == kind)

    def tidy(self) -> pd.DataFrame:
        """One row a finding: columns ``COLUMNS``; ``source`` is the id of a document in the plan or the standard."""
        rows = [
            (f.kind, f.severity, listed(f.about), f.sentence, *_cited(f.citation), *_cited(f.against))
            for f in self.findings
        ]
        return pd.DataFrame(rows, columns=COLUMNS)

    def counts(self) -> dict[str, int]:
        """Number of findings by severity, every severity in its order."""
        return {s: sum(f.severity == s for f in self.findings) for s in dict.fromkeys(KINDS.values())}

    def summary(self) -> str:
        """Number of findings by severity, in one sentence."""
        if not self.findings:
            return say("{plan}：没有发现矛盾，也没有与标准不一致之处", plan=self.label)
        words = severity_words()
        tally = listed(say("{what} {n} 条", what=words[s], n=n) for s, n in self.counts().items() if n)
        return say("{plan}：核对出 {n} 条，其中{tally}", plan=self.label, n=len(self.findings), tally=tally)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"plan": self.plan_id, "counts": self.counts(), "findings": plain_records(self.tidy())}


def _cited(citation: Citation | None) -> tuple[str, str, str, str]:
    if citation is None:
        return "", "", "", ""
    return citation.said("clause"), citation.said("quote"), citation.source, citation.status


@dataclass(frozen=True, slots=True)
class Case:
    """A plan in use beside what it is checked against."""

    use: PlanUse
    evaluation: Evaluation
    standard: Standard
    others: Sequence[Standard]

    @property
    def plan(self) -> Plan:
        """The plan itself."""
        return self.use.plan

    def part_items(self, part: str) -> tuple[Item, ...]:
        """Items of a part of the evaluation."""
        return tuple(item for item in self.evaluation.items if item.part == part)

    def inspections(self) -> dict[str, int]:
        """Year of inspection by county of the plan, or of the plan's own target (under an empty name)."""
        counties = {county.name: county.year for county in self.plan.counties}
        return counties or ({"": self.plan.target.year} if self.plan.target else {})


def statistics_month(year: int) -> Month:
    """Month of the school statistics on which an inspection in a year may rest: September of the year before.

    This project's own reading: no text that could be read fixes it. Whatever rests on it is said to be inferred.
    """
    return Month(year - 1, FIRST_MONTH_OF_SCHOOL_YEAR)


def month_words(month: Month) -> str:
    """A month, or a year, in words."""
    return say("{year} 年 {month} 月", year=month.year, month=month.month) if month.month else say("{year} 年", year=month.year)


def kind_words() -> dict[str, str]:
    """Kinds of findings in words."""
    return {
        "two_values": say("同一指标两个值"), "ends_after_target": say("晚于目标年份完成"),
        "tight_deadline": say("期限偏紧（推断）"), "phases_share_year": say("阶段同在一年"),
        "begins_before_issue": say("早于印发日期开始"), "phases_overlap": say("阶段重叠"),
        "phases_gap": say("阶段之间有空档"), "period_longer": say("标题年限长于安排"),
        "counts_differ": say("数目不符"), "two_names": say("前后说法不一"), "weaker": say("低于标准"),
        "weaker_condition": say("阶段条件弱于要求"), "stricter": say("高于标准"), "base_differs": say("计数范围不同"),
        "base_unsaid": say("未说明以谁为基数"), "scope_differs": say("适用对象不同"), "scope_unsaid": say("未说明适用对象"),
        "undefined_indicator": say("没有定义的指标"), "other_standard": say("其他标准的指标"), "blank_left": say("空白未填"),
        "rule_left_out": say("没有写到的规则"), "not_named": say("没有点到的指标"), "group_missing": say("缺少的调查对象"),
        "no_resource_numbers": say("没有资源配置数值"), "unread": say("未能读到的文件"), "other_part": say("归类不同"),
        "other_term": say("用语不同"), "unit_wording": say("单位用语"), "remark": say("文字备注"),
    }  # fmt: skip


def indicator_elsewhere(name: str, others: Sequence[Standard]) -> tuple[Standard, Indicator] | None:
    """The indicator of another standard that a name such as ``basic-2012:B5`` (code or id) stands for."""
    standard_id, _, wanted = name.partition(":")
    for standard in others:
        if standard.id == standard_id:
            return next(((standard, i) for i in standard.indicators if wanted in (i.code, i.id)), None)
    return None
