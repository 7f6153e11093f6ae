"""G3: music and art rooms, counted school by school against the number of classes."""

from __future__ import annotations

import math
from typing import Any

from qbresearch.language import clauses, say
from qbresearch.results.evaluation.classes import (
    class_range,
    unlisted_students,
    unlisted_words,
)
from qbresearch.results.evaluation.inputs import CountyInputs
from qbresearch.results.evaluation.roster import (
    COMPULSORY,
    SCHOOLS,
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
from qbresearch.results.evaluation.tree import MET, NOT_MET, UNDECIDED, compare
from qbresearch.rules.evaluations import Evaluation, Requirement

USES = ("music", "art")
ROUND_UP = "up"


def judge_rooms(inputs: CountyInputs, evaluation: Evaluation) -> SchoolEvidence:
    """Whether every school has a music room and an art room, large enough, for every so many classes (G3).

    A school needs ``classes / G3_music_per_classes`` music rooms and ``classes / G3_art_per_classes`` art rooms,
    rounded as the option ``G3_rounding`` says, and one room at the least. Classes are those of compulsory education at
    the school and its campuses. A room counts where its area (m²) reaches ``G3_music_area`` or ``G3_art_area``.

    Who is judged: primary and junior schools, complete secondary schools and those of nine or twelve years, private
    ones included. Teaching points, special education and vocational schools are left out, and so is a school without
    students of compulsory education.

    Parameters
    ----------
    inputs : CountyInputs
        Tables ``class`` and ``room``; ``school-facts`` only says whether a school has reported.
    evaluation : Evaluation

    Returns
    -------
    SchoolEvidence
        Two rows a school that decide (value: rooms large enough, limit: rooms needed) and one row a room with its area,
        which decides nothing by itself: a room that is too small is no offence, it does not count.

        The table of rooms has no row for a school without rooms. A school absent from it has none (value 0) where it
        stands in the class table or in ``school-facts``, for then it has reported; otherwise its rooms are unknown.
        A room without area or use, and classes that are missing (no class at a stage that has students, or may have, or
        classes that hold fewer students than the school table says: there are at least those listed), leave bounds; the verdict is ``undecided`` only where it differs within them. A stage with students has at least
        one class.

    Source
    ------
    Numbers and their clauses: the requirements of G3, with their citations.
    """
    roster = school_roster(inputs)
    classes, rooms = (roster.rows_of(inputs.records(table)) for table in ("class", "room"))
    schools = roster.of(SCHOOLS, seen=classes)
    reported = (
        {*classes, *rooms, *roster.rows_of(inputs.records("school-facts"))} if inputs.table("room") is not None else ()
    )
    rows: list[dict[str, Any]] = []
    for school in schools:
        here = sorted(rooms.get(school.code, []), key=lambda row: str(row["room"]))
        listed = classes.get(school.code, [])
        for use in USES:
            rows.append(_rooms_line(school, use, here, listed, school.code in reported, evaluation))
            rows += _area_lines(school, use, here, evaluation)
    return evidence(
        "G3", rows, evaluation, schools=len(schools),
        absent=[table for table in ("class", "room") if inputs.table(table) is None],
        unmatched=roster.unmatched(inputs.records("class"), inputs.records("room")),
        informative=[f"G3_{use}_area" for use in USES],
    )  # fmt: skip


def rooms_needed(classes: float, per_classes: float, rounding: str) -> float:
    """Rooms that so many classes need: ``up`` counts a group begun as a whole one, ``down`` only whole groups.

    A school with any class at all needs one room either way.
    """
    if math.isinf(classes):
        return math.inf
    whole = math.ceil(classes / per_classes) if rounding == ROUND_UP else math.floor(classes / per_classes)
    return float(max(whole, min(classes, 1)))


def use_words(use: str) -> str:
    """What a room is for, in words."""
    return {"music": say("音乐教室"), "art": say("美术教室")}[use]


def _rooms_line(
    school: School,
    use: str,
    rooms: list[dict[str, Any]],
    listed: list[dict[str, Any]],
    reported: bool,
    evaluation: Evaluation,
) -> dict[str, Any]:
    requirement = evaluation.requirement(f"G3_{use}_per_classes")
    rounding = evaluation.option("G3_rounding").chosen
    classes = class_range(school, listed)
    least, most = (rooms_needed(n, requirement.limit, rounding) for n in classes)
    area = evaluation.requirement(f"G3_{use}_area")
    sure = sum(row["use"] == use and _reaches(row, area) for row in _known(rooms))
    maybe = sum(1 for row in rooms if _may_count(row, use, area))
    verdict = MET if sure >= most else NOT_MET if reported and sure + maybe < least else UNDECIDED
    if least == most:
        parts = [say("{n} 个班需要 {k} 间", n=int(classes[0]), k=int(least))]
    else:
        short = [unlisted_words(school, stage, listed) for stage in COMPULSORY if unlisted_students(school, stage, listed)]
        parts = [say("“{table}”里班级不全", table=table_label("class")), *short]
    if not reported:
        parts.append(say("“{table}”里没有这所学校", table=table_label("room")))
    elif maybe:
        parts.append(say("{n} 间缺面积或用途", n=maybe))
    return line(
        school.code, school.name, requirement, verdict, detail=use_words(use), comparison="at_least", unit=say("间"),
        value=float(sure) if reported else math.nan, limit=least if least == most else math.nan,
        margin=sure - least if reported and least == most else math.nan,
        reason=clauses([*parts, say("合格 {n} 间", n=sure)] if reported else parts),
    )  # fmt: skip


def _known(rooms: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rooms if text(row["use"]) and not math.isnan(number(row["area_m2"]))]


def _reaches(row: dict[str, Any], area: Requirement) -> bool:
    return compare(number(row["area_m2"]), area.comparison, area.limit)[0] == MET


def _may_count(row: dict[str, Any], use: str, area: Requirement) -> bool:
    """Whether a room of which something is missing would count if that turned out well."""
    known_use, known_area = text(row["use"]), not math.isnan(number(row["area_m2"]))
    if known_use not in ("", use) or (known_use and known_area):
        return False
    return not known_area or _reaches(row, area)


def _area_lines(school: School, use: str, rooms: list[dict[str, Any]], evaluation: Evaluation) -> list[dict[str, Any]]:
    requirement = evaluation.requirement(f"G3_{use}_area")
    return [
        judged_line(
            school.code, school.name, requirement, number(row["area_m2"]), say("没有填面积"), detail=str(row["room"])
        )
        for row in rooms if text(row["use"]) == use
    ]  # fmt: skip
