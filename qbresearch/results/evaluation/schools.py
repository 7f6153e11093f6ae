"""Items judged school by school by what schools report of themselves, and all such items of an evaluation together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from qbresearch.language import clauses, label_of, say
from qbresearch.results.evaluation.classes import (
    class_differences,
    judge_classes,
    judge_sizes,
    stage_words,
)
from qbresearch.results.evaluation.inputs import CountyInputs
from qbresearch.results.evaluation.ratios import measure
from qbresearch.results.evaluation.rooms import judge_rooms
from qbresearch.results.evaluation.roster import (
    EVERY_SCHOOL,
    TEACHING_POINT,
    WITH_TEACHING_POINTS,
    Roster,
    School,
    Site,
    school_roster,
)
from qbresearch.results.evaluation.school_evidence import (
    SchoolEvidence,
    evidence,
    line,
    number,
    table_label,
    text,
)
from qbresearch.results.evaluation.tree import MET, UNDECIDED, compare
from qbresearch.rules.columns import load_table
from qbresearch.rules.evaluations import Evaluation, Requirement

__all__ = [
    "SchoolEvidence", "class_differences", "judge_charters", "judge_classes", "judge_grades", "judge_rooms",
    "judge_school_item", "judge_school_items", "judge_sizes", "judge_small_schools", "judge_training",
]  # fmt: skip

FACTS = "school-facts"
YES, NO = "yes", "no"
COLUMNS = {
    "Q3_charter": "charter",
    "Q3_informatised": "informatised",
    "Q6_moral": "moral_grade",
    "Q6_culture": "culture_grade",
}
"""Columns of ``school-facts`` that hold an answer or a grade."""


def judge_small_schools(inputs: CountyInputs, evaluation: Evaluation) -> SchoolEvidence:
    """Whether small village schools and teaching points are funded as if they had the least number of students (G6).

    The value is the number of students that the school's funding is worth, ``public_funding_yuan`` over the county's
    funding standard per student of the stage; for a village school or teaching point (``small_rural = yes``) with fewer
    students than ``G6_small_school`` it must reach that number. A school with exactly that number is not small. A
    school with a primary stage has the primary standard, for the clause is about primary schools.

    Who is judged: primary and junior schools, complete secondary schools, those of nine or twelve years and teaching
    points, each site by its own students, without those of its campuses: a teaching point stays one when it is merged into
    a larger school. Of the campuses those are judged that are teaching points or have a row of their own in
    ``school-facts``.

    Parameters
    ----------
    inputs : CountyInputs
        Tables ``school-facts`` and ``county-facts``.
    evaluation : Evaluation

    Returns
    -------
    SchoolEvidence
        One row for every site that is small, or may be, and has students, or may have. With students, funding, standard (blank or zero) or
        ``small_rural`` missing it is ``undecided``, unless the funding would do in any case. No small school at all:
        the item is ``met`` and says so. Without ``school-facts`` it is ``undecided``.

    Source
    ------
    Number of students and its clause: the requirement of G6, with its citation.
    """
    roster, requirement = school_roster(inputs), evaluation.requirement("G6_small_school")
    schools, table = roster.of(WITH_TEACHING_POINTS), inputs.records(FACTS)
    rows = []
    for school, site, facts in _facts(schools, roster, inputs, wanted=TEACHING_POINT):
        rows += _small_line(school, site, facts, requirement, inputs)
    return evidence(
        "G6", rows, evaluation, schools=len(schools), absent=[FACTS] if table is None else [],
        unmatched=roster.unmatched(table),
    )  # fmt: skip


def _small_line(
    school: School,
    site: Site,
    facts: dict[str, Any] | None,
    requirement: Requirement,
    inputs: CountyInputs,
) -> list[dict[str, Any]]:
    """The line of a school that is small, or may be; none for a larger one and for one that is no village school."""
    village = text(facts.get("small_rural")) if facts else ""
    students, known = sum(site.students.values()), sum(n for n in site.students.values() if not math.isnan(n))
    large = compare(known, "at_least", requirement.limit)[0] == MET
    if large or village == NO or students == 0:
        return []
    stage = "primary" if "primary" in inputs.contract.stages_of(site.kind) else "junior"
    column = f"funding_standard_{stage}_yuan"
    county = inputs.records("county-facts") or ({},)
    standard = number(county[0].get(column))
    funding = number(facts["public_funding_yuan"]) if facts else math.nan
    worth = funding / standard if standard > 0 else math.nan
    verdict, margin = compare(worth, requirement.comparison, requirement.limit)
    certain = village == YES and not math.isnan(students + worth)
    gaps = [
        *([] if facts else [_not_in(FACTS)]),
        *([say("缺学生数")] if math.isnan(students) else []),
        *([say("没有填是否村小学或教学点")] if facts and not village else []),
        *([say("没有填公用经费")] if facts and math.isnan(funding) else []),
        *([say("没有{stage}生均公用经费基准定额", stage=stage_words(stage))] if not standard > 0 else []),
    ]
    how = say(
        "在校 {n} 人，拨付 {funding} 元，基准定额 {standard} 元",
        n=f"{students:g}",
        funding=f"{funding:.0f}",
        standard=f"{standard:g}",
    )
    return [
        line(
            school.code, school.name, requirement, verdict if verdict == MET or certain else UNDECIDED,
            detail=site.name if site.is_campus else "", value=worth, limit=requirement.limit, margin=margin,
            reason=clauses(gaps) if gaps else how,
        )
    ]  # fmt: skip


def judge_charters(inputs: CountyInputs, evaluation: Evaluation) -> SchoolEvidence:
    """Whether every school has a charter and has digital management and teaching (Q3): yes counts 1, no counts 0.

    Who is judged: every counted school of compulsory education with students, teaching points and special education
    schools included, vocational schools not.

    Parameters
    ----------
    inputs : CountyInputs
        Table ``school-facts``, columns ``charter`` and ``informatised``.
    evaluation : Evaluation

    Returns
    -------
    SchoolEvidence
        Two rows a school. A blank answer, or a school that the table does not have, is ``undecided``.

    Source
    ------
    Limits and clauses: the requirements of Q3, with their citations.
    """
    return _judge_facts("Q3", inputs, evaluation, _judge_choice)


def judge_grades(inputs: CountyInputs, evaluation: Evaluation) -> SchoolEvidence:
    """Whether moral education and school culture are good or better in every school (Q6).

    The grades of the table count from 1 for the lowest. Who is judged, and what is missing: as in
    :func:`judge_charters`; columns ``moral_grade`` and ``culture_grade``.

    Source
    ------
    Limits and clauses: the requirements of Q6, with their citations.
    """
    return _judge_facts("Q6", inputs, evaluation, _judge_choice)


def judge_training(inputs: CountyInputs, evaluation: Evaluation) -> SchoolEvidence:
    """Whether every school sets aside enough of its budget for the training of teachers (Q4).

    The value is a share between 0 and 1: the columns of the requirement ``Q4_training`` as the option ``Q4_base`` has
    them (training money budgeted, or spent, over the year's running budget).

    Who is judged: as in :func:`judge_charters`.

    Parameters
    ----------
    inputs : CountyInputs
        Table ``school-facts``.
    evaluation : Evaluation

    Returns
    -------
    SchoolEvidence
        One row a school. A school without a budget (blank or zero), with training money missing, or absent from the
        table is ``undecided``; no training money out of a budget is a share of 0 and not met.

    Source
    ------
    Limit, formula and clauses: the requirement and the option, with their citations.
    """
    return _judge_facts("Q4", inputs, evaluation, _judge_share)


def judge_school_items(inputs: CountyInputs, evaluation: Evaluation) -> dict[str, SchoolEvidence]:
    """Every item that is judged school by school, by its code; see the functions of the single items."""
    return {item.code: judge_school_item(item.code, inputs, evaluation) for item in evaluation.items if item.kind == "schools"}


def judge_school_item(code: str, inputs: CountyInputs, evaluation: Evaluation) -> SchoolEvidence:
    """One item that is judged school by school."""
    judges = {
        "G3": judge_rooms, "G4": judge_sizes, "G5": judge_classes, "G6": judge_small_schools,
        "Q3": judge_charters, "Q4": judge_training, "Q6": judge_grades,
    }  # fmt: skip
    return judges[code](inputs, evaluation)


Judge = Callable[[dict[str, Any] | None, Requirement], dict[str, Any]]
"""From the row of a school (``None`` where there is none) and a requirement to the fields of its line."""


def _judge_facts(item: str, inputs: CountyInputs, evaluation: Evaluation, judge: Judge) -> SchoolEvidence:
    """Judge every requirement of an item by every school's row of ``school-facts``."""
    roster, table = school_roster(inputs), inputs.records(FACTS)
    schools, rows = roster.of(EVERY_SCHOOL), []
    for school, site, facts in _facts(schools, roster, inputs):
        for requirement in evaluation.requirements_of(item):
            detail = site.name if site.is_campus else ""
            rows.append(line(school.code, school.name, requirement, detail=detail, **judge(facts, requirement)))
    return evidence(
        item, rows, evaluation, schools=len(schools), absent=[FACTS] if table is None else [],
        unmatched=roster.unmatched(table),
    )  # fmt: skip


def _facts(
    schools: tuple[School, ...], roster: Roster, inputs: CountyInputs, *, wanted: str = ""
) -> Iterator[tuple[School, Site, dict[str, Any] | None]]:
    """Schools with their rows of ``school-facts`` (``None`` where there is none), campuses with rows of their own.

    Campuses of the type ``wanted`` come in any case.
    """
    campuses = sorted(code for code, site in roster.sites.items() if site.is_campus and site.kind == wanted)
    rows = roster.rows_of(inputs.records(FACTS))
    for school in schools:
        here = {str(row["school_code"]): row for row in rows.get(school.code, [])}
        yield school, roster.sites[school.code], here.pop(school.code, None)
        own = {*here, *(code for code in campuses if roster.sites[code].home == school.code)}
        yield from ((school, roster.sites[code], here.get(code)) for code in sorted(own))


def _judge_share(facts: dict[str, Any] | None, requirement: Requirement) -> dict[str, Any]:
    """Judge by the quotient that the requirement names."""
    if facts is None:
        return {"verdict": UNDECIDED, "reason": _not_in(FACTS), "limit": requirement.limit}
    node = measure(requirement, facts)
    value, margin = (math.nan if n is None else float(n) for n in (node.value, node.margin))
    return {
        "verdict": node.verdict,
        "reason": node.reason,
        "value": value,
        "limit": requirement.limit,
        "margin": margin,
    }


def _judge_choice(facts: dict[str, Any] | None, requirement: Requirement) -> dict[str, Any]:
    """Judge by a choice column: yes and no as 1 and 0, grades by their rank from the lowest, 1, upwards."""
    column = load_table(FACTS).column(COLUMNS[requirement.id])
    answer = text(facts.get(column.name)) if facts else ""
    if not answer:
        gap = say("没有填{column}", column=label_of(column)) if facts else _not_in(FACTS)
        return {"verdict": UNDECIDED, "reason": gap, "limit": requirement.limit}
    best_first = [choice.id for choice in column.choices]
    value = float(answer == YES) if NO in best_first else float(len(best_first) - best_first.index(answer))
    verdict, margin = compare(value, requirement.comparison, requirement.limit)
    told = say("{label}：{reason}", label=label_of(column), reason=load_table(FACTS).choice_labels(column.name)[answer])
    return {"verdict": verdict, "reason": told, "value": value, "limit": requirement.limit, "margin": margin}


def _not_in(table_id: str) -> str:
    return say("“{table}”里没有这所学校", table=table_label(table_id))
