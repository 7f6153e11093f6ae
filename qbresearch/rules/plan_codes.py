"""What a plan may point at: the parts, items, requirements and columns of its evaluation, the limits of its standard."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from qbresearch.errors import CitationError
from qbresearch.rules.columns import list_tables, load_table
from qbresearch.rules.evaluations import latest_evaluation, list_evaluations
from qbresearch.rules.plan_texts import PERCENT_SIGNS
from qbresearch.rules.standards import (
    RULES,
    STATISTICS,
    Standard,
    latest_standard,
    list_standards,
)
from qbresearch.traces import remembered

PATHS = ("requirement", "cap", "rule", "threshold", "indicator")
"""Kinds of paths: ``requirement:<id>``, ``cap:<statistic>:<stage>``, ``rule:<name>``, ``threshold:<indicator>:<stage>``
and ``indicator:<name>`` for what only the plan calls an indicator."""
ROOT, SCHOOLS, EVIDENCE = "county", "schools", "evidence"


@dataclass(frozen=True, slots=True)
class KnownCodes:
    """Codes of one evaluation and its standard; ``tables`` are the tables of its requirements, ``shares`` those in percent."""

    standard: Standard
    parts: tuple[str, ...]
    codes: frozenset[str]
    evidence: frozenset[str]
    groups: frozenset[str]
    tables: dict[str, str]
    shares: frozenset[str] = frozenset()

    @property
    def stages(self) -> tuple[str, ...]:
        """Stages of the standard."""
        return tuple(stage.id for stage in self.standard.stages)

    def columns(self, table: str) -> tuple[str, ...]:
        """Columns of a requirement's table; none where the target is no requirement."""
        return tuple(c.name for c in load_table(table).columns) if table in list_tables() else ()

    def is_share(self, path: str, unit: str) -> bool:
        """Whether a value for a path is a share between 0 and 1 that documents print in percent."""
        kind, _, name = path.partition(":")
        return unit in PERCENT_SIGNS or (kind == "requirement" and name in self.shares)

    def check_path(self, path: Any, where: str) -> str:
        """Refuse a path that points nowhere; the table of the requirement it names, or an empty text."""
        kind, *names = str(path).split(":")
        codes = tuple(i.code for i in self.standard.indicators)
        allowed: dict[str, tuple[Collection[str], ...]] = {
            "requirement": (tuple(self.tables),), "cap": (STATISTICS, self.stages), "rule": (RULES,),
            "threshold": (codes, self.stages),
        }  # fmt: skip
        sound = (
            len(names) == 1 and re.fullmatch(r"[a-z][a-z0-9_]*", names[0]) if kind == "indicator"
            else kind in allowed and len(names) == len(allowed[kind])
            and all(name in choices for name, choices in zip(names, allowed[kind], strict=True))
        )  # fmt: skip
        if not sound:
            raise CitationError(
                "目标的 path 没有指向", where=where, found=repr(path),
                expected="requirement:<条件>、cap:<统计量>:<学段>、rule:<规则>、threshold:<指标>:<学段> 或 indicator:<英文名>；"
                + "条件：" + "、".join(self.tables) + "；规则：" + "、".join(RULES),
                fix="改正拼写；标准没有的指标用 indicator:",
            )
        return self.tables.get(names[0], "") if kind == "requirement" else ""

    def check_indicator(self, name: str, where: str) -> None:
        """Refuse ``<standard>:<indicator>`` where one of the two does not exist."""
        standard_id, _, indicator = name.partition(":")
        if standard_id in list_standards() and indicator in {i.id for i in latest_standard(standard_id).indicators}:
            return
        raise CitationError(
            "没有这个标准的这个指标", where=where, found=repr(name), expected="<标准>:<指标 id>，如 basic-2012:books_per_student",
            fix="qbresearch show standards <标准> 列出全部指标",
        )

    def check_named(self, name: str, where: str) -> None:
        """Refuse what is no code, no group of respondents and no indicator of another standard."""
        if name in self.codes | self.groups:
            return
        if ":" in name and not name.startswith("group:"):
            self.check_indicator(name, where)
            return
        raise CitationError(
            "没有这个指标或受访群体", where=where, found=repr(name),
            expected="评估的代码（L1、G3 等）、<标准>:<指标 id>，或受访群体：" + "、".join(sorted(self.groups)), fix="改正拼写",
        )


def known_codes(evaluation_id: str, *, where: str) -> KnownCodes:
    """The codes of an evaluation; :class:`CitationError` naming ``where`` if there is no such evaluation."""
    if evaluation_id not in list_evaluations():
        raise CitationError(
            "没有这个评估", where=where, found=repr(evaluation_id), expected="下列之一：" + "、".join(list_evaluations()),
            fix="改正 evaluation",
        )
    return _codes(evaluation_id)


@remembered
def _codes(evaluation_id: str) -> KnownCodes:
    evaluation, standard = latest_evaluation(evaluation_id), latest_standard(evaluation_id)
    parts, items = tuple(part.id for part in evaluation.parts), evaluation.items
    tables = {name: requirement.table for name, requirement in evaluation.requirements.items()}
    staged = (SCHOOLS, *(indicator.code for indicator in standard.indicators))
    by_stage = (f"{code}:{stage.id}" for code in staged for stage in standard.stages)
    evidence = frozenset(code for item in items for code in item.evidence)
    halves = (f"{item.code}:{EVIDENCE}" for item in items if item.kind == "mixed")
    return KnownCodes(
        standard=standard,
        parts=parts,
        codes=frozenset((ROOT, SCHOOLS, *parts, *(i.code for i in items), *by_stage, *halves, *tables, *evidence)),
        evidence=evidence,
        groups=frozenset(f"group:{group.id}" for group in evaluation.groups),
        tables=tables,
        shares=frozenset(name for name, requirement in evaluation.requirements.items() if requirement.percent),
    )
