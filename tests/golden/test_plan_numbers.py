"""Every number and date of five published documents stands in the cited plans with its quotation, or is listed why not."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from qbresearch.rules.citations import Citation
from qbresearch.rules.evaluations import load_evaluation
from qbresearch.rules.overlays import RELATIONS, overlay
from qbresearch.rules.plan_texts import plain
from qbresearch.rules.plan_words import describe
from qbresearch.rules.plans import Month, Plan, PlanUse, load_plan
from qbresearch.rules.standards import load_standard

PLANS = {
    "000": "x-county-2026", "001": "guzhen-2025", "002": "qinxian-2021", "003": "longzihu-2024", "004": "xinganmeng-2025",
}  # fmt: skip
NO_RULES: dict[tuple[str, str], str] = {}
"""Rows that no entry of a plan holds, and why they are no rule."""
WORDED = {
    ("000", "rotation_backbone_share"): {"blank:backbone_share"},
    ("000", "phase1"): {"blank:phase1_start", "blank:phase1_end"},
    ("000", "phase2"): {"blank:phase2_start", "blank:phase2_end"},
    ("000", "phase3"): {"blank:phase3_start", "blank:phase3_end"},
    ("000", "phase4"): {"blank:phase4_start", "blank:phase4_end"},
    ("001", "two_only_increase"): {"1"},  # not less than the year before
    ("002", "music_art_rooms"): {"12"},
    ("002", "monitoring"): {"3", "0.15"},
    ("003", "doc_no"): {"龙政〔2024〕19号"},
    ("004", "doc_no"): {"兴署发〔2025〕53"},
    ("004", "start_stage"): {"2025-08"},
}
"""What to look for where the table describes a value in words of its own."""
AS_JUDGED = {
    ("002", "special_ed_per_pupil"): "same",  # the table leaves the comparison open: its national value is 6000
    ("002", "quality_high_school_quota"): "stricter",  # 80 % beside the 50 % of a public tool: higher, so stricter
}
ROWS = list(csv.DictReader((Path(__file__).parent / "data" / "plan_numbers.csv").open(encoding="utf-8", newline="")))
every_row = pytest.mark.parametrize("row", ROWS, ids=[f"{r['document']}-{r['key']}" for r in ROWS])


def use_of(row: dict[str, str]) -> PlanUse:
    return load_plan(PLANS[row["document"]])


def wanted(row: dict[str, str]) -> set[str]:
    """The values of a row: what stands between slashes or dots, ranges as both ends."""
    known = WORDED.get((row["document"], row["key"]))
    if known is not None:
        return known
    if row["unit"] in ("id", "date") and not re.fullmatch(r"\d{4}-\d{2}", row["value"]):
        return {row["value"]}
    parts = re.split(r"/|\.\.|-(?=\d{4}$)", row["value"])
    return {f"{float(part):g}" if re.fullmatch(r"\d+(?:\.\d+)?", part) else part for part in parts}


def spellings(value: object, unit: str = "") -> set[str]:
    """The ways in which an entry's value may stand in the table."""
    if isinstance(value, Month):
        return {f"{value.year}", f"{value.year}-{value.month:02d}"} if value.month else {f"{value.year}"}
    if isinstance(value, float):
        return {f"{value * 100:.10g}" if unit == "%" else f"{value:g}"}
    text = str(value)
    return {text, plain(text), *re.findall(r"\d+(?:\.\d+)?", text)}


def entries(plan: Plan) -> Iterator[tuple[set[str], Citation]]:
    """Every entry of a plan that says something: its values, and the citation that quotes them."""
    for fact in plan.facts.values():
        yield spellings(fact.value), fact.citation
    for target in plan.targets:
        unit = target.citation.unit
        yield spellings(target.value, unit) if target.value is not None else set(), target.citation
    for commitment in plan.commitments:
        months = (m for m in (commitment.start, commitment.due) if m)
        yield spellings(commitment.value).union(*map(spellings, months)), commitment.citation
    for blank in plan.blanks:
        yield {f"blank:{blank.id}"}, blank.citation
    for phase in plan.phases:
        yield set().union(*(spellings(m) for m in (phase.start, phase.end) if m)), phase.citation
    for named in (*plan.schools, *plan.counties):
        yield {str(named.year)}, named.citation
    for stage in plan.stages:
        yield spellings(stage.end) if stage.end else set(), stage.citation
        for condition in stage.conditions:
            yield spellings(condition.due) if condition.due else set(), condition.citation
    for task in plan.tasks:
        yield spellings(task.due) if task.due else set(), task.citation
    for mention in plan.mentions:
        yield spellings(mention.said), mention.citation


def found(row: dict[str, str]) -> set[str]:
    """Values of a row that an entry holds under the row's quotation."""
    quote, held = plain(row["quote"]), set()
    for values, citation in entries(use_of(row).plan):
        own = plain(citation.quote)
        if quote in own or own in quote:
            held |= values & wanted(row)
    return held


def test_the_table_holds_all_numbers_of_the_five_documents() -> None:
    assert len(ROWS) == 93
    assert {row["document"] for row in ROWS} == set(PLANS)
    assert set(NO_RULES) | set(WORDED) <= {(row["document"], row["key"]) for row in ROWS}


@every_row
def test_every_row_is_cited_with_its_quotation_or_listed(row: dict[str, str]) -> None:
    missing = wanted(row) - found(row)
    if (row["document"], row["key"]) in NO_RULES:
        assert missing == wanted(row), "listed as no rule although the plan holds it"
    else:
        assert not missing, f"{sorted(missing)} under “{row['quote']}” in {PLANS[row['document']]}"


@cache
def described(plan_id: str) -> pd.DataFrame:
    use, on = load_plan(plan_id), date(2024, 9, 1)
    return describe(use, load_evaluation(use.plan.evaluation, on=on), load_standard(use.plan.evaluation, on=on))


def told(value: str) -> set[str]:
    """Numbers, months and words of a value as it is printed."""
    months = {f"{year}-{int(month):02d}" for year, month in re.findall(r"(\d{4}) 年 (\d{1,2}) 月", value)}
    numbers = {f"{float(n):g}" for n in re.findall(r"\d+(?:\.\d+)?", value)}
    first = value.split(" ")[0]  # the number without its unit
    return {value, plain(value), first, plain(first)} | months | numbers


@every_row
def test_every_row_is_explained_in_words(row: dict[str, str]) -> None:
    """Value and quotation of every row stand in what ``qbresearch show plans`` prints of its plan."""
    plan_id, quote = PLANS[row["document"]], plain(row["quote"])
    plan, frame = load_plan(plan_id).plan, described(plan_id)
    labels = {blank.label_zh: f"blank:{blank.id}" for blank in plan.blanks}
    held = set()
    for line in frame.itertuples():
        own = plain(line.quote)
        if quote in own or own in quote:
            held |= told(line.value) | told(line.entry) | ({labels[line.entry]} if line.entry in labels and "未填" in line.value else set())
    missing = wanted(row) - held
    assert not missing, f"{sorted(missing)} under “{row['quote']}” in {plan_id}"


def relations(row: dict[str, str]) -> set[str]:
    """How the package finds the targets of a row to stand to the standard; empty where the row is no target."""
    use = use_of(row)
    on = date(2024, 9, 1)
    changes = overlay(load_evaluation(use.plan.evaluation, on=on), load_standard(use.plan.evaluation, on=on), use).changes
    quote, values = plain(row["quote"]), wanted(row)
    held = [
        (c.relation, {f"blank:{c.target.field}"} if c.plan_value is None else spellings(c.plan_value, c.plan_citation.unit))
        for c in changes if quote in plain(c.plan_citation.quote)
    ]  # fmt: skip
    return {relation for relation, own in held if own & values}


def test_targets_stand_to_the_standard_as_the_table_says() -> None:
    """The table was written from the documents by hand; the relation in the package is computed."""
    judged = {}
    for row in ROWS:
        key = (row["document"], row["key"])
        said = AS_JUDGED.get(key, {"open": "blank"}.get(row["relation"], row["relation"]))
        # What is none of the 31 indicators (“adds”) may be a supplement of the evaluation, or nothing it knows.
        if said in RELATIONS and said != "adds" and (computed := relations(row)):
            judged[key] = (computed, {said})
    assert {key: pair for key, pair in judged.items() if pair[0] != pair[1]} == {}
    assert len(judged) > 35


def test_schools_of_every_year_are_as_many_as_the_document_prints() -> None:
    """The timetable prints the number of schools at the end of each row, and the goal the totals."""
    plan = load_plan("qinxian-2021").plan
    by_row: dict[tuple[int, str], list[str]] = {}
    for school in plan.schools:
        by_row.setdefault((school.year, school.citation.quote), []).append(school.name)
    assert [len(names) for names in by_row.values()] == [5, 5, 4, 4, 4, 4]
    assert all(int(quote.split()[-1]) == len(names) for (_, quote), names in by_row.items())
    assert [year for year, _ in by_row] == list(range(2024, 2030))
    counted = {stage: sum(s.stage == stage for s in plan.schools) for stage in ("junior", "primary")}
    assert counted == {stage: int(plan.facts[f"schools_{stage}"].value) for stage in counted}
    assert len({s.name for s in plan.schools}) == int(plan.facts["schools_total"].value) == 26
