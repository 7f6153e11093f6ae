"""Simulated classes, music and art rooms and further facts of every counted school of a county and year."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from qbresearch.simulation.design import STAGES
from qbresearch.simulation.evaluation_design import EvaluationDesign

GRADES = {"primary": range(1, 7), "junior": range(7, 10)}
GRADE_SIGNS = "一二三四五六七八九"
USES = {"music": "音乐室", "art": "美术室"}
CAMPUS_SIGN = "（"  # 青禾县模拟第一小学（东校区）
POINT, SPECIAL = "teaching_point", "special_education"
# Each kind of random number has a stream of its own, so that rooms do not change when a year is added.
CLASS_STREAM, ROOM_STREAM, FACT_STREAM, ORDER_STREAM = 1, 2, 3, 4
Row = dict[str, Any]


def make_school_tables(
    design: EvaluationDesign, seed: int, county: str, year: int, sites: list[Row], facts: Mapping[str, Any]
) -> dict[str, list[Row]]:
    """Rows of the tables ``class``, ``room`` and ``school-facts`` of one county and school year.

    Parameters
    ----------
    design : EvaluationDesign
        Settings and lags.
    seed : int
        With the codes of county and school, the only source of randomness.
    county, year : str, int
        Which county and school year.
    sites : list of dict
        Rows of the school table, campuses in rows of their own. A campus makes its own classes; they are written under
        the code of the school it belongs to, and so is everything else.
    facts : mapping
        The county's facts of the year (funding standards and the funds of special education).
    """
    schools = [s for s in sites if s["counted"] == "yes"]
    campuses = [s for s in sites if s["counted"] == "no"]
    classes = {s["school_code"]: _classes(design, seed, year, s) for s in schools}
    at_home = {code: len(rows) for code, rows in classes.items()}
    for campus in campuses:
        classes[campus["parent_code"]] += _classes(design, seed, year, campus)
    late = _late_schools(design, seed, county, year, schools, classes)
    for school in late["class"]:
        code = school["school_code"]
        _oversize(design, classes[code][: at_home[code]])  # students of a campus stay there
    tables: dict[str, list[Row]] = {"class": [], "room": [], "school-facts": []}
    for school in schools:
        code = school["school_code"]
        identity = {"county_code": county, "school_year": year, "school_code": code, "school_name": school["school_name"]}
        inside = {name for name, found in late.items() if school in found}
        mergers = [c for c in campuses if c["parent_code"] == code]
        students = {s: sum(x[f"students_{s}"] or 0 for x in (school, *mergers)) for s in STAGES}
        tables["class"] += [identity | row for row in classes[code]]
        rooms = _rooms(design, seed, school, len(classes[code]), "room" in inside)
        tables["room"] += [identity | row for row in rooms]
        tables["school-facts"].append(identity | _facts(design, seed, year, school, students, facts, inside))
    return tables


def _stream(seed: int, code: str, *more: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, int(code), *more]))


def _classes(design: EvaluationDesign, seed: int, year: int, site: Row) -> list[Row]:
    """Classes of one site; those of a campus carry its name, so that they differ from its school's."""
    generator = _stream(seed, site["school_code"], CLASS_STREAM, year)
    prefix = site["school_name"].rpartition(CAMPUS_SIGN)[2].rstrip("）") if site["counted"] == "no" else ""
    rows = []
    for stage in STAGES:
        students = site[f"students_{stage}"] or 0
        grades = list(GRADES[stage])
        if site["school_type"] == POINT:
            grades = grades[: int(design.setting("teaching_point_grades"))]
        kind = "special" if site["school_type"] == SPECIAL else stage
        target = design.setting(f"class_target_{kind}")
        in_grades = generator.multinomial(students, [1 / len(grades)] * len(grades))
        for grade, count in zip(grades, in_grades, strict=True):
            number = math.ceil(count / target)
            for n in range(number):
                size = int(count) // number + (n < int(count) % number)
                rows.append({"stage": stage, "grade": str(grade),
                             "class_name": f"{prefix}{GRADE_SIGNS[grade - 1]}（{n + 1}）班", "students": size})
    return rows


def _late_schools(
    design: EvaluationDesign, seed: int, county: str, year: int, schools: list[Row], classes: Mapping[str, list[Row]]
) -> dict[str, list[Row]]:
    """Which schools have not done what yet: the same ones first every year, so that the rest is an improvement."""
    own = [s for s in schools if s["sponsor"] == "county" and s["school_type"] not in (POINT, SPECIAL)]
    fewest, small = design.setting("oversize_min_students"), design.limit("G6_small_school")
    large = [s for s in own if sum(c["students"] for c in classes[s["school_code"]]) >= fewest]
    little = [s for s in schools if _is_village(s) and (s["students_primary"] or 0) < small]
    several = [s for s in own if _rooms_needed(design, len(classes[s["school_code"]])) > 1]
    first = [s for s in several if len(classes[s["school_code"]]) < 2 * design.limit("G3_classes")]
    pools = {
        "room": [*first, *(s for s in own if s not in first)], "class": large, "funding": little, "informatised": own,
        "training": own, "grade": own,
    }
    late = {}
    for at, (name, pool) in enumerate(pools.items()):
        # The order rests on codes alone; a school that leaves the pool does not move the others.
        places = {s["school_code"]: _stream(seed, s["school_code"], ORDER_STREAM, at).random() for s in pool}
        ordered = sorted(pool, key=lambda s: places[s["school_code"]])
        if name == "room":
            ordered = sorted(ordered, key=lambda s: s not in first)
        late[name] = ordered[: design.lag(county, name, year)]
    return late


def _oversize(design: EvaluationDesign, classes: list[Row]) -> None:
    stage = classes[0]["stage"]
    resize_class(classes, stage, int(design.setting(f"oversized_{stage}")))


def resize_class(classes: Iterable[Row], stage: str, size: int) -> None:
    """Give the first class of a stage a size, and take the difference from the others evenly, last ones first."""
    chosen, *others = [c for c in classes if c["stage"] == stage]
    owed, chosen["students"] = size - chosen["students"], size
    for n, other in enumerate(reversed(others)):
        part = int(math.copysign(math.ceil(abs(owed) / (len(others) - n)), owed)) if owed else 0
        other["students"] -= part
        owed -= part


def _rooms_needed(design: EvaluationDesign, classes: int) -> int:
    return math.ceil(classes / design.limit("G3_classes"))


def _rooms(design: EvaluationDesign, seed: int, school: Row, classes: int, late: bool) -> list[Row]:
    """Music and art rooms of a school; teaching points have none. Late schools lack a room, or have one too small."""
    if school["school_type"] == POINT:
        return []
    needed, rows = _rooms_needed(design, classes), []
    for use, name in USES.items():
        generator = _stream(seed, school["school_code"], ROOM_STREAM, list(USES).index(use))
        least, most = design.limit(f"G3_{use}_area"), design.setting(f"{use}_area_max")
        areas = [round(float(generator.uniform(least, most)), 1) for _ in range(needed)]
        if late and use == "music":
            areas = areas[:-1] if needed > 1 else [design.setting("small_room_area")]
        rows += [{"room": f"{name}{n}", "use": use, "area_m2": area} for n, area in enumerate(areas, 1)]
    return rows


def _is_village(school: Row) -> bool:
    return school["school_type"] == POINT or (school["school_type"] == "primary" and school["location"] == "rural")


def _facts(
    design: EvaluationDesign, seed: int, year: int, school: Row, students: Mapping[str, int], facts: Mapping[str, Any],
    late: set[str],
) -> Row:
    """Money, charter and grades of a school; a school is late in what ``late`` names."""
    lasting, generator = (_stream(seed, school["school_code"], FACT_STREAM, at) for at in (0, year))
    funding = _funding(design, school, students, facts, "funding" in late)
    multiple = design.setting("budget_multiple")
    factor = float(generator.uniform(1, design.setting("budget_over_funding")))
    budget = math.ceil(funding * factor / multiple) * multiple
    limit = design.limit("Q4_training")
    # One school in four plans exactly the share that is asked for.
    rate = limit if lasting.random() < 0.25 else float(lasting.uniform(limit, design.setting("training_rate_max")))
    training = round((design.setting("training_rate_low") if "training" in late else rate) * budget)
    spent = round(training * float(generator.uniform(design.setting("spent_share_min"), 1)))
    grades = ["excellent" if lasting.random() < design.setting("excellent_chance") else "good" for _ in range(2)]
    return {
        "small_rural": "yes" if _is_village(school) else "no",
        "public_funding_yuan": funding, "public_funding_budget_yuan": budget, "training_budget_yuan": training,
        "training_spent_yuan": max(spent, min(training, math.ceil(limit * budget))),
        "charter": "yes", "informatised": "no" if "informatised" in late else "yes",
        "moral_grade": "pass" if "grade" in late else grades[0], "culture_grade": grades[1],
    }


def _funding(
    design: EvaluationDesign, school: Row, students: Mapping[str, int], facts: Mapping[str, Any], late: bool
) -> int:
    """Running funds: students times the standard, a small village school's as if it had as many as the rule says."""
    if school["school_type"] == SPECIAL:
        return int(facts["special_ed_funding_yuan"])
    counted = dict(students)
    if _is_village(school) and not late:
        counted["primary"] = max(counted["primary"], int(design.limit("G6_small_school")))
    return round(sum(counted[s] * facts[f"funding_standard_{s}_yuan"] for s in STAGES))
