"""Q9: level and between-school difference rate as quality monitoring reports them, by subject and grade."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from qbresearch.errors import InputError
from qbresearch.exhibits.figures.evaluation import plot_school_evidence
from qbresearch.language import clauses, label_of, listed, say
from qbresearch.results.evaluation.inputs import CountyInputs, Record
from qbresearch.results.evaluation.tree import (
    MET,
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

ITEM, TABLE = "Q9", "county-report"
VALUES = {"Q9_level": "level", "Q9_rate": "difference_rate"}
SCHEME = "scheme"
UNREPORTED = "unreported"
COLUMNS = [
    "subject", "grade", "label", "school_year", "cycle", "requirement", "value", "limit", "comparison", "margin",
    "unit", "verdict", "reason",
]  # fmt: skip


@dataclass(frozen=True)
class ReportedResult:
    """What quality monitoring reports for a county, beside the requirements of Q9; nothing is computed from scores.

    lines : one a subject, grade and requirement, with the fields ``COLUMNS``: ``label`` names subject and grade,
        ``school_year`` and ``cycle`` (year of monitoring) say when it was reported (missing where it was not),
        ``value`` is the level (1 to 4) or the difference rate (0 to 1), NaN where unknown.
    first_year, last_year : school years whose reports count. absent : whether nobody supplied the table.
    """

    lines: tuple[Record, ...] = field(repr=False)
    evaluation: Evaluation = field(repr=False)
    first_year: int
    last_year: int
    absent: bool

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The lines as a table, columns ``COLUMNS``."""
        return pd.DataFrame(self.lines, columns=COLUMNS).astype(
            {"school_year": "Int64", "cycle": "Int64", "value": float, "limit": float, "margin": float}
        )

    @property
    def verdict(self) -> str:
        """Every subject and grade meets both requirements."""
        return combine(line["verdict"] for line in self.lines)

    def tidy(self) -> pd.DataFrame:
        """A copy of ``rows``."""
        return self.rows.copy()

    def subjects_table(self) -> pd.DataFrame:
        """One row a subject and grade: ``subject, grade, label, school_year, cycle, level, difference_rate, verdict,
        reason``."""
        found = []
        for (subject, grade), rows in self.rows.groupby(["subject", "grade"], sort=False):
            values, first = rows.set_index("requirement")["value"], rows.iloc[0]
            reasons = clauses(dict.fromkeys(filter(None, rows["reason"])))
            when = first["label"], first["school_year"], first["cycle"]
            levels = values["Q9_level"], values["Q9_rate"]
            found.append((subject, grade, *when, *levels, combine(rows["verdict"]), reasons))
        columns = ["subject", "grade", "label", "school_year", "cycle", "level", "difference_rate", "verdict", "reason"]
        return pd.DataFrame(found, columns=columns)

    def node(self) -> Node:
        """The item with a leaf for level and one for rate: how many subjects fail, which, the worst margin."""
        leaves = tuple(self._leaf(r) for r in self.evaluation.requirements_of(ITEM))
        node = item_node(self.evaluation.item(ITEM), leaves, self.evaluation)
        return replace(node, reason=self._reason(self.lines))

    def summary(self) -> str:
        """How many subjects and grades meet both requirements, in one sentence."""
        return say(
            "{label}：{reason}", label=label_of(self.evaluation.item(ITEM), "short"), reason=self._reason(self.lines)
        )

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Which subject and grade meets which requirement."""
        labels = {r.id: label_of(r) for r in self.evaluation.requirements_of(ITEM)}
        grid = self.rows.assign(school=self.rows["label"], label=self.rows["requirement"].map(labels))
        return plot_school_evidence(grid[["school", "label", "verdict"]], ax=ax)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "item": ITEM, "verdict": self.verdict, "school_years": [self.first_year, self.last_year],
            "subjects": plain_records(self.subjects_table()), "rows": plain_records(self.rows),
        }  # fmt: skip

    def _leaf(self, requirement: Requirement) -> Node:
        lines = [line for line in self.lines if line["requirement"] == requirement.id]
        margins = [line["margin"] for line in lines if not math.isnan(line["margin"])]
        return Node(
            code=requirement.id, label=label_of(requirement), verdict=combine(line["verdict"] for line in lines),
            comparison=requirement.comparison, limit=requirement.limit,
            margin=float(min(margins)) if margins else None,
            unit=label_of(requirement, "unit"), percent=requirement.percent, reason=self._reason(lines),
            option=option_words(self.evaluation, requirement.option),
            formula=say("取监测报告给出的{value}，不作计算", value=label_of(requirement)),
            elements=tuple(
                Element(
                    line["label"], None if math.isnan(line["value"]) else line["value"], line["unit"],
                    _when(line["school_year"]),
                )
                for line in lines
            ),
            **cited(requirement.citation, self.evaluation.sources),
        )  # fmt: skip

    def _reason(self, lines: Sequence[Record]) -> str:
        """How many subjects and grades of how many are not met and undecided, and which."""
        if self.absent:
            return say("没有“{table}”", table=label_of(load_table(TABLE)))
        told: dict[tuple[str, str], list[str]] = {}
        for line in lines:
            told.setdefault((line["subject"], line["label"]), []).append(_told(line))
        verdicts = {tested: _first_told(found) for tested, found in told.items()}
        parts = []
        for verdict, words in (
            (NOT_MET, say("未达到")),
            (UNREPORTED, say("在 {first}—{last} 学年没有报告", first=str(self.first_year), last=str(self.last_year))),
            *((f"{UNDECIDED}:{r.id}", say("的报告未给出{value}", value=label_of(r))) for r in self.evaluation.requirements_of(ITEM)),
        ):
            if count := list(verdicts.values()).count(verdict):
                names = listed(_named(verdicts, verdict))
                parts.append(say("{n} 个学科与年级中 {k} 个{words}：{names}", n=len(verdicts), k=count, words=words, names=names))
        return clauses(parts) if parts else say("{n} 个学科与年级全部达到", n=len(verdicts))


def judge_reported(inputs: CountyInputs, evaluation: Evaluation) -> ReportedResult:
    """Judge Q9 by the officially reported levels and difference rates.

    Neither value is ever computed: no definition of the two was found in any document, and local diagnostics do not
    stand in for them.

    Parameters
    ----------
    inputs : CountyInputs
        Table ``county-report`` with the rows of the county up to the school year. Monitoring takes its subjects in
        turns, so a subject counts with its last report of the school years that a cycle lasts, the one evaluated
        included: any three consecutive years hold each subject of a three-year cycle once. Older reports are not used.
    evaluation : Evaluation
        Option ``Q9_subjects`` says which subjects are meant: those it names, or all of the monitoring scheme in force
        in the year of monitoring.

    Returns
    -------
    ReportedResult
        Every subject in every grade of the table's contract: ``Q9_level`` must be reached, and the rate must be
        strictly below ``Q9_rate``. A subject without report, or with a blank in its last one, is ``undecided``; a level
        that fails is not met whatever the rate would be.

    Raises
    ------
    InputError
        A rate is above 1, which is a percentage, or below 0; no monitoring scheme was in force.

    Source
    ------
    Limits, subjects and cycle: requirements, option and schemes of the evaluation, with their citations.
    """
    contract, reports = load_table(TABLE), _reports(inputs)
    cycle = max((int(row["cycle"]) for row in reports if pd.notna(row["cycle"])), default=inputs.school_year + 1)
    scheme = evaluation.scheme_on(date(cycle, 1, 1))
    first = inputs.school_year + 1 - len(scheme.cycle)
    last_reports = {(row["subject"], row["grade"]): row for row in reports if row["school_year"] >= first}
    wanted = evaluation.option("Q9_subjects").choice.value
    subjects = scheme.subjects if wanted == SCHEME else str(wanted).split(",")
    labels = {name: contract.choice_labels(name) for name in ("subject", "grade")}
    lines = []
    for subject in subjects:
        for grade in labels["grade"]:
            report = last_reports.get((subject, grade))
            label = say("{subject}（{grade}）", subject=labels["subject"][subject], grade=labels["grade"][grade])
            when = (report["school_year"], report["cycle"]) if report else (pd.NA, pd.NA)
            for requirement in evaluation.requirements_of(ITEM):
                fields = (subject, grade, label, *when, *_judged(report, requirement))
                lines.append(dict(zip(COLUMNS, fields, strict=True)))
    return ReportedResult(tuple(lines), evaluation, first, inputs.school_year, inputs.table(TABLE) is None)


def _reports(inputs: CountyInputs) -> list[Record]:
    """Reports of the county up to the school year, oldest first."""
    rows = inputs.records(TABLE) or ()
    for row in rows:
        if pd.isna(row["difference_rate"]) or 0 <= row["difference_rate"] <= 1:
            continue
        raise InputError(
            "校际差异率不在 0 至 1 之间",
            where=f"质量监测县级报告表，{row['school_year']} 学年，{row['subject']}，年级 {row['grade']}",
            found=f"{row['difference_rate']:g}",
            expected="0 至 1 之间的小数，如 0.128",
            fix="报告印的是百分数时请除以 100（12.8% 写作 0.128）",
        )
    here = [r for r in rows if str(r["county_code"]) == inputs.county_code and r["school_year"] <= inputs.school_year]
    return sorted(here, key=lambda row: (row["school_year"], math.inf if pd.isna(row["cycle"]) else row["cycle"]))


def _judged(report: Mapping[str, Any] | None, requirement: Requirement) -> tuple[Any, ...]:
    """Columns of a row from ``requirement`` on."""
    cell = report[VALUES[requirement.id]] if report else None
    own = (requirement.id, requirement.limit, requirement.comparison, label_of(requirement, "unit"))
    if cell is None or pd.isna(cell):
        reason = say("报告未给出{value}", value=label_of(requirement)) if report else say("没有报告")
        return own[0], math.nan, own[1], own[2], math.nan, own[3], UNDECIDED, reason
    value = float(cell)
    verdict, margin = compare(value, requirement.comparison, requirement.limit)
    reason = "" if verdict == MET else say("{label}未达到要求", label=label_of(requirement))
    return own[0], value, own[1], own[2], margin, own[3], verdict, reason


def _told(line: Record) -> str:
    """The verdict of a line; what is undecided because the report is silent on it is not what has no report at all."""
    if line["verdict"] != UNDECIDED:
        return str(line["verdict"])
    return UNREPORTED if pd.isna(line["school_year"]) else f"{UNDECIDED}:{line['requirement']}"


def _first_told(found: Sequence[str]) -> str:
    """What a subject and grade is counted under: not met, else what keeps it undecided, else met."""
    open_ = [verdict for verdict in found if verdict not in (MET, NOT_MET)]
    return NOT_MET if NOT_MET in found else open_[0] if open_ else MET


def _named(verdicts: Mapping[tuple[str, str], str], verdict: str) -> list[str]:
    """Subjects with this verdict: without their grades where every grade has it."""
    subjects, names = load_table(TABLE).choice_labels("subject"), []
    for subject in dict.fromkeys(subject for subject, _ in verdicts):
        own = {label: found for (tested, label), found in verdicts.items() if tested == subject}
        labels = [label for label, found in own.items() if found == verdict]
        names += [subjects[subject]] if len(labels) == len(own) else labels
    return names


def _when(school_year: object) -> str:
    """The school year of a report in words; empty without one."""
    return "" if pd.isna(school_year) else say("{year} 学年", year=str(school_year))
