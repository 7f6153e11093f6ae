"""G4 and G5: how large schools and classes are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from qbresearch.language import say
from qbresearch.results.evaluation.inputs import CountyInputs
from qbresearch.results.evaluation.roster import (
    COMPULSORY,
    SCHOOLS,
    THROUGH,
    WITH_TEACHING_POINTS,
    Roster,
    School,
    school_roster,
)
from qbresearch.results.evaluation.school_evidence import (
    SchoolEvidence,
    evidence,
    judged_line,
    line,
    number,
    table_label,
    text,
)
from qbresearch.results.evaluation.tree import NOT_MET, UNDECIDED, compare
from qbresearch.rules.evaluations import Evaluation

DIFFERENCES = ["school_code", "school_name", "stage", "classes", "students_classes", "students_school", "difference"]


def judge_sizes(inputs: CountyInputs, evaluation: Evaluation) -> SchoolEvidence:
    """Whether every school is small enough (G4).

    The value is the number of students of compulsory education (primary and junior) at the school and its campuses:
    ``G4_size_through`` limits schools of nine or twelve years, ``G4_size_separate`` the others; a complete secondary
    school counts its junior students only.

    Who is judged: primary and junior schools, complete secondary schools and those of nine or twelve years, private
    ones included; not teaching points, special education and vocational schools, and no school without students of
    compulsory education.

    Parameters
    ----------
    inputs : CountyInputs
        The school table alone.
    evaluation : Evaluation

    Returns
    -------
    SchoolEvidence
        One row a school. Where a number of students is missing the school is ``undecided``, unless the students known
        are already too many: then it is ``not_met`` with the known students as value.

    Source
    ------
    Limits and their clauses: the requirements of G4, with their citations.
    """
    schools = school_roster(inputs).of(SCHOOLS)
    rows = []
    for school in schools:
        requirement = evaluation.requirement("G4_size_through" if school.kind in THROUGH else "G4_size_separate")
        total, known = sum(school.students.values()), sum(school.known.values())
        passed = compare(known, requirement.comparison, requirement.limit)[0] == NOT_MET
        if math.isnan(total) and passed:
            seen = judged_line(school.code, school.name, requirement, known, "")
            rows.append(seen | {"reason": say("缺一部分学生数，已知的已超过上限")})
        else:
            rows.append(judged_line(school.code, school.name, requirement, total, say("缺学生数")))
    return evidence("G4", rows, evaluation, schools=len(schools))


def judge_classes(inputs: CountyInputs, evaluation: Evaluation) -> SchoolEvidence:
    """Whether every class is small enough (G5): ``G5_class_primary`` and ``G5_class_junior`` limit its students.

    Who is judged: every class of primary and junior schools, complete secondary schools, those of nine or twelve years
    and teaching points, private ones and campuses included; not special education and vocational schools.

    Parameters
    ----------
    inputs : CountyInputs
        Table ``class``.
    evaluation : Evaluation

    Returns
    -------
    SchoolEvidence
        One row a class; ``undecided`` where its number of students is missing. A stage of a school that has students,
        or may have, and no class in the table has one undecided row of its own, and so has a stage whose classes hold
        fewer students than the school table says (campuses included): a class that is not listed may be too large.
        Classes of a school that has no students in the school table are judged like all others.

    Source
    ------
    Limits and their clauses: the requirements of G5, with their citations.
    """
    roster, table = school_roster(inputs), inputs.records("class")
    classes = roster.rows_of(table)
    schools = roster.of(WITH_TEACHING_POINTS, seen=classes)
    rows = []
    for school in schools:
        here = classes.get(school.code, [])
        for stage in COMPULSORY:
            listed = sorted((row for row in here if row["stage"] == stage), key=_in_order)
            requirement = evaluation.requirement(f"G5_class_{stage}")
            for row in listed:
                rows.append(
                    judged_line(school.code, school.name, requirement, number(row["students"]), say("没有填班级学生数"),
                                detail=_class_words(row, school, roster))
                )  # fmt: skip
            if not listed and _may_have(school, stage):
                rows.append(
                    line(school.code, school.name, requirement, UNDECIDED, limit=requirement.limit,
                         reason=say("“{table}”里没有这所学校的{stage}班级", table=table_label("class"), stage=stage_words(stage)))
                )  # fmt: skip
            elif unlisted_students(school, stage, here) > 0:
                rows.append(
                    line(school.code, school.name, requirement, UNDECIDED, limit=requirement.limit,
                         reason=unlisted_words(school, stage, here))
                )  # fmt: skip
    return evidence(
        "G5", rows, evaluation, schools=len(schools), absent=["class"] if table is None else [],
        unmatched=roster.unmatched(table),
    )  # fmt: skip


def class_range(school: School, classes: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """Least and most classes of compulsory education that a school can have, given the rows of the class table.

    A stage that has rows is complete unless they hold fewer students than the school table says; then there is no upper
    bound. One that has students and no row has at least one class and no upper bound.
    """
    least = most = 0.0
    for stage in COMPULSORY:
        listed = sum(1 for row in classes if row["stage"] == stage)
        if listed:
            least, most = least + listed, math.inf if unlisted_students(school, stage, classes) > 0 else most + listed
        elif _may_have(school, stage):
            least, most = least + (school.known[stage] > 0), math.inf
    return least, most


def unlisted_students(school: School, stage: str, classes: Sequence[dict[str, Any]]) -> float:
    """Students of the school table, campuses included, that the listed classes of a stage leave out.

    0 where they leave out none, also where nothing is listed or a class without its number may hold them all.
    """
    sizes = [number(row["students"]) for row in classes if row["stage"] == stage]
    missing = school.known[stage] - sum(sizes)
    return missing if sizes and missing > 0 else 0.0


def unlisted_words(school: School, stage: str, classes: Sequence[dict[str, Any]]) -> str:
    """By how many students the listed classes of a stage fall short of the school table, in words."""
    missing = unlisted_students(school, stage, classes)
    return say("“{table}”里{stage}班级共 {n} 人，比学校表的 {k} 人少 {d} 人", table=table_label("class"), stage=stage_words(stage),
               n=int(school.known[stage] - missing), k=int(school.known[stage]), d=int(missing))


def class_differences(inputs: CountyInputs) -> pd.DataFrame:
    """Where the classes of a school do not add up to the students of the school table; for information.

    Parameters
    ----------
    inputs : CountyInputs

    Returns
    -------
    DataFrame
        One row a school and stage whose numbers differ: ``school_code``, ``school_name``, ``stage``, ``classes`` (how
        many), ``students_classes``, ``students_school`` (campuses included), ``difference`` (classes minus school). A
        stage with a class or a school number missing, or without classes, cannot be compared and has no row.
    """
    roster = school_roster(inputs)
    classes, rows = roster.rows_of(inputs.records("class")), []
    for school in roster.of(WITH_TEACHING_POINTS, seen=classes):
        for stage in COMPULSORY:
            sizes = [number(row["students"]) for row in classes.get(school.code, []) if row["stage"] == stage]
            difference = sum(sizes) - school.students[stage]
            if sizes and difference and not math.isnan(difference):
                rows.append(
                    (school.code, school.name, stage, len(sizes), sum(sizes), school.students[stage], difference)
                )
    return pd.DataFrame(rows, columns=DIFFERENCES)


def stage_words(stage: str) -> str:
    """A stage of compulsory education in words."""
    return {"primary": say("小学"), "junior": say("初中")}[stage]


def _may_have(school: School, stage: str) -> bool:
    """Whether a school has students at a stage, or may have."""
    return school.known[stage] > 0 or math.isnan(school.students[stage])


def _in_order(row: dict[str, Any]) -> tuple[str, str, str]:
    return text(row.get("grade")), str(row["class_name"]), str(row["school_code"])


def _class_words(row: dict[str, Any], school: School, roster: Roster) -> str:
    """Name of a class, with that of its campus where it is not at the school itself."""
    if str(row["school_code"]) == school.code:
        return str(row["class_name"])
    return say("{word}（{detail}）", word=row["class_name"], detail=roster.sites[str(row["school_code"])].name)
