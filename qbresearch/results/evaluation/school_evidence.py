"""What decides an item judged school by school: a row for every school and condition, and the county's verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from qbresearch.exhibits.figures.evaluation import plot_school_evidence
from qbresearch.language import clauses, label_of, listed, say
from qbresearch.results.evaluation.ratios import quotient_words
from qbresearch.results.evaluation.tree import (
    MET,
    NO_RULE,
    NOT_MET,
    UNDECIDED,
    Element,
    Node,
    cited,
    combine,
    compare,
    item_node,
    option_words,
)
from qbresearch.rules.columns import load_table
from qbresearch.rules.evaluations import Evaluation, Requirement
from qbresearch.statistics.records import plain_records

COLUMNS = [
    "school_code", "school_name", "requirement", "detail", "value", "limit", "comparison", "margin", "unit", "percent",
    "verdict", "decides", "reason",
]  # fmt: skip
NAMED = 3
"""How many schools a reason names."""
Line = dict[str, Any]
"""A school, a requirement and its verdict; see :func:`line`."""


@dataclass(frozen=True)
class SchoolEvidence:
    """Verdicts of one item on every school.

    item : its code. lines : one a school and condition (a class, a room, a subject's rooms), with the fields of
        :func:`line`: ``detail`` says what was judged within the school, ``value``, ``limit`` and ``margin`` are in
        ``unit`` (NaN where unknown), ``margin`` is negative on the wrong side.
    schools : number of schools the item is about. absent : labels of tables that nobody supplied. unmatched : school
        codes in the tables that the school table does not have; nothing is judged by their rows. informative : ids of
        requirements that are shown and decide nothing.
    """

    item: str
    lines: tuple[Line, ...] = field(repr=False)
    evaluation: Evaluation = field(repr=False)
    schools: int
    absent: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()
    informative: tuple[str, ...] = ()

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The lines as a table, columns ``COLUMNS``; ``decides`` says whether a row counts for the verdict."""
        frame = pd.DataFrame(self.lines, columns=[c for c in COLUMNS if c != "decides"])
        frame = frame.assign(decides=~frame["requirement"].isin(self.informative))[COLUMNS]
        return frame.astype({"value": float, "limit": float, "margin": float, "percent": bool, "decides": bool})

    @property
    def verdict(self) -> str:
        """The county's verdict: every school meets every requirement that decides."""
        return combine(node.verdict for node in self._leaves() if node.decides)

    def tidy(self) -> pd.DataFrame:
        """A copy of ``rows`` with the label of the requirement."""
        labels = {r.id: label_of(r) for r in self.evaluation.requirements_of(self.item)}
        return self.rows.assign(item=self.item, label=self.rows["requirement"].map(labels))

    def schools_table(self) -> pd.DataFrame:
        """One row a school: ``school_code, school_name, checks`` (rows that decide), ``met``, ``not_met``,
        ``undecided``, ``verdict``, ``reason`` (of rows that are not met, else of those undecided, at most three)."""
        found = []
        for (code, name), rows in self._deciding().groupby(["school_code", "school_name"], sort=False):
            verdict = combine(rows["verdict"])
            counts = {v: int(rows["verdict"].eq(v).sum()) for v in (MET, NOT_MET, UNDECIDED)}
            telling = (
                [] if verdict == MET else [_told(row) for row in rows[rows["verdict"] == verdict].to_dict("records")]
            )
            found.append((code, name, len(rows), *counts.values(), verdict, clauses(telling[:NAMED])))
        columns = ["school_code", "school_name", "checks", MET, NOT_MET, UNDECIDED, "verdict", "reason"]
        return pd.DataFrame(found, columns=columns)

    def node(self) -> Node:
        """The item with a leaf for every requirement: how many schools fail, which, and the worst margin."""
        node = item_node(self.evaluation.item(self.item), self._leaves(), self.evaluation)
        deciding = [one for one in self.lines if one["requirement"] not in self.informative]
        return replace(node, reason=self._reason(node.verdict, deciding))

    def summary(self) -> str:
        """The verdict and how many schools fail, in one sentence."""
        node = self.node()
        return say("{label}：{reason}", label=label_of(self.evaluation.item(self.item), "short"), reason=node.reason)

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Which school meets which requirement that decides."""
        rows = self._deciding().merge(self.tidy()[["requirement", "label"]].drop_duplicates(), on="requirement")
        grid = rows.groupby(["school_code", "school_name", "label"], sort=False)["verdict"].agg(combine).reset_index()
        same = grid.groupby("school_name")["school_code"].transform("nunique") > 1
        ends = [say("{school}（{code}）", school=r.school_name, code=r.school_code[-4:]) for r in grid.itertuples()]
        return plot_school_evidence(
            grid.assign(school=grid["school_name"].mask(same, pd.Series(ends, dtype=object))), ax=ax
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "item": self.item, "verdict": self.verdict, "absent": list(self.absent), "unmatched": list(self.unmatched),
            "schools": plain_records(self.schools_table()), "rows": plain_records(self.rows),
        }  # fmt: skip

    def _deciding(self) -> pd.DataFrame:
        return self.rows[self.rows["decides"].astype(bool)]

    def _leaves(self) -> tuple[Node, ...]:
        return tuple(self._leaf(r) for r in self.evaluation.requirements_of(self.item))

    def _leaf(self, requirement: Requirement) -> Node:
        lines = [one for one in self.lines if one["requirement"] == requirement.id]
        verdict = self._verdict(lines)
        margins = [one["margin"] for one in lines if not math.isnan(one["margin"])]
        own = {one["limit"] for one in lines} <= {requirement.limit}
        return Node(
            code=requirement.id, label=label_of(requirement), verdict=verdict,
            comparison=requirement.comparison if own else "", limit=requirement.limit if own else None,
            margin=float(min(margins)) if margins else None,
            unit=label_of(requirement, "unit") if own else str(lines[0]["unit"]), percent=requirement.percent,
            reason=self._reason(verdict, lines), formula=formula_words(requirement),
            option=option_words(self.evaluation, requirement.option),
            elements=_counts(lines), decides=requirement.id not in self.informative,
            **cited(requirement.citation, self.evaluation.sources),
        )  # fmt: skip

    def _verdict(self, lines: Sequence[Line]) -> str:
        """What applies to no school is met, unless a table or the schools are missing that could tell."""
        verdict = combine(one["verdict"] for one in lines)
        if verdict != NO_RULE:
            return verdict
        return UNDECIDED if self.absent or not self.schools else MET

    def _reason(self, verdict: str, lines: Sequence[Line]) -> str:
        if not self.schools:
            return say("学校表里没有这项要求所指的学校")
        parts = [say("没有“{table}”", table=table) for table in self.absent] if verdict == UNDECIDED else []
        if not lines:
            parts += [] if self.absent else [say("没有需要按这一条核对的学校")]
        else:
            parts.append(_schools_words(lines))
        if self.unmatched:
            parts.append(
                say("另有 {n} 个学校代码不在学校表中：{codes}", n=len(self.unmatched), codes=_some(self.unmatched))
            )
        return clauses(parts)


def evidence(
    item: str,
    lines: Sequence[Line],
    evaluation: Evaluation,
    *,
    schools: int,
    absent: Sequence[str] = (),
    unmatched: Sequence[str] = (),
    informative: Sequence[str] = (),
) -> SchoolEvidence:
    """Lines made by :func:`line` and :func:`judged_line` as the evidence of an item; ``absent`` are ids of tables."""
    labels = tuple(table_label(table) for table in absent)
    return SchoolEvidence(item, tuple(lines), evaluation, schools, labels, tuple(unmatched), tuple(informative))


def formula_words(requirement: Requirement) -> str:
    """What the value of a requirement judged school by school is, and what it is compared with."""
    if requirement.add:
        return quotient_words(requirement, load_table(requirement.table))
    if requirement.id.endswith("_per_classes"):
        return say("所需间数＝班级数÷{n}（至少 1 间），与面积合格的间数比较", n=f"{requirement.limit:g}")
    return {
        "G3_music_area": say("每间教室的面积"), "G3_art_area": say("每间教室的面积"),
        "G4_size_separate": say("小学、初中学生数之和（含校区）"), "G4_size_through": say("小学、初中学生数之和（含校区）"),
        "G5_class_primary": say("每个班级的学生数"), "G5_class_junior": say("每个班级的学生数"),
        "G6_small_school": say("拨付的公用经费÷本县该学段生均公用经费基准定额"),
    }.get(requirement.id, say("学校填报的选项：{words}", words=label_of(requirement, "unit")))  # fmt: skip


def table_label(table_id: str) -> str:
    """Name of a table in the language in force."""
    return label_of(load_table(table_id))


def line(
    code: str,
    name: str,
    requirement: Requirement,
    verdict: str,
    *,
    detail: str = "",
    value: float = math.nan,
    limit: float = math.nan,
    margin: float = math.nan,
    comparison: str | None = None,
    unit: str | None = None,
    reason: str = "",
) -> Line:
    """One line: a school, a requirement and its verdict; unit and comparison are the requirement's unless given."""
    return {
        "school_code": code, "school_name": name, "requirement": requirement.id, "detail": detail, "value": value,
        "limit": limit, "comparison": requirement.comparison if comparison is None else comparison, "margin": margin,
        "unit": label_of(requirement, "unit") if unit is None else unit, "percent": requirement.percent,
        "verdict": verdict, "reason": reason,
    }  # fmt: skip


def judged_line(
    code: str, name: str, requirement: Requirement, value: float, missing: str, **facts: Any
) -> Line:
    """A line whose value stands beside the requirement's limit; a NaN is undecided for the reason ``missing``."""
    if math.isnan(value):
        return line(code, name, requirement, UNDECIDED, limit=requirement.limit, reason=missing, **facts)
    verdict, margin = compare(value, requirement.comparison, requirement.limit)
    return line(code, name, requirement, verdict, value=value, limit=requirement.limit, margin=margin, **facts)


def number(value: object) -> float:
    """A cell as a number, NaN where it is blank."""
    return math.nan if value is None or pd.isna(value) else float(value)


def text(value: object) -> str:
    """A cell as text, empty where it is blank."""
    return "" if value is None or pd.isna(value) else str(value)


def _told(row: Line) -> str:
    """What a row says, in words: what was judged and the reason, or the value where there is none."""
    value = f"{row['value']:.4g}" if not row["percent"] else f"{100 * row['value']:.4g}"
    words = row["reason"] or f"{value} {row['unit']}"
    return say("{what} {told}", what=row["detail"], told=words) if row["detail"] else words


def _schools_words(lines: Sequence[Line]) -> str:
    """How many schools of how many are not met and undecided, with up to three names each."""
    by_school: dict[tuple[str, str], list[str]] = {}
    for one in lines:
        by_school.setdefault((one["school_code"], one["school_name"]), []).append(one["verdict"])
    found = {school: combine(verdicts) for school, verdicts in by_school.items()}
    names = {v: [name for (_, name), own in found.items() if own == v] for v in (NOT_MET, UNDECIDED)}
    parts = []
    if names[NOT_MET]:
        parts.append(
            say(
                "{n} 所学校中 {k} 所未达到：{names}",
                n=len(by_school),
                k=len(names[NOT_MET]),
                names=_some(names[NOT_MET]),
            )
        )
    if names[UNDECIDED]:
        parts.append(
            say(
                "{n} 所学校中 {k} 所缺数据，无法判定：{names}",
                n=len(by_school),
                k=len(names[UNDECIDED]),
                names=_some(names[UNDECIDED]),
            )
        )
    return clauses(parts) if parts else say("{n} 所学校全部达到", n=len(by_school))


def _some(names: Sequence[str]) -> str:
    """Up to three names."""
    return listed(names) if len(names) <= NAMED else say("{names}等", names=listed(names[:NAMED]))


def _counts(lines: Sequence[Line]) -> tuple[Element, ...]:
    """How many lines were judged, and how they were."""
    verdicts = [one["verdict"] for one in lines]
    counts = {v: float(verdicts.count(v)) for v in (MET, NOT_MET, UNDECIDED)}
    return (
        Element(say("核对的条数"), float(len(verdicts)), ""), Element(say("其中达到"), counts[MET], ""),
        Element(say("其中未达到"), counts[NOT_MET], ""), Element(say("其中无法判定"), counts[UNDECIDED], ""),
    )  # fmt: skip
