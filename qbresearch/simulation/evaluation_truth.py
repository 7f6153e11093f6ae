"""What is true of the simulated evaluation data, worked out by hand in plain Python.

Nothing here uses the package's own results: the truth must be able to disagree with them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import pandas as pd

from qbresearch.simulation.achievement import simulate_achievement
from qbresearch.simulation.design import STAGES
from qbresearch.simulation.evaluation_design import EvaluationDesign
from qbresearch.simulation.evaluation_tables import QUESTIONNAIRE, simulate_evaluation
from qbresearch.simulation.monitoring_design import load_monitoring
from qbresearch.simulation.truth import STAGES_TAUGHT

MET, NOT_MET, UNDECIDED = "met", "not_met", "undecided"
OUTCOME_COLUMNS = ["county_code", "school_year", "item", "verdict", "why"]
# What adding and dividing binary fractions may leave over.
BINARY_NOISE = 1e-9
THROUGH = ("nine_year", "twelve_year")
POINT, SPECIAL = "teaching_point", "special_education"
GOOD = ("excellent", "good")
UNIFIED = ("G2a", "G2b", "G2c", "G2d")
SUBJECTS = ("chinese", "mathematics", "science", "physical_education", "arts", "moral_education")
GRADES = ("4", "8")
Record = dict[str, Any]
Outcome = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """Everything about one county and school year as plain records; blank cells are ``None``.

    ``schools`` are the counted ones with their campuses' students added; ``finance`` is by fiscal year; ``reports`` are
    those of every year.
    """

    design: EvaluationDesign
    year: int
    schools: tuple[Record, ...]
    facts: Record
    rows: Mapping[str, tuple[Record, ...]]
    finance: Mapping[int, Record]
    reports: tuple[Record, ...]

    def of_school(self, table: str, code: str) -> list[Record]:
        """A school's rows of a table."""
        return [r for r in self.rows[table] if r["school_code"] == code]

    def limit(self, name: str) -> float:
        """A limit of the design."""
        return self.design.limit(name)


def planted_outcomes(parameters: EvaluationDesign) -> pd.DataFrame:
    """The verdict on every item that the generated tables decide, worked out from the tables themselves.

    Parameters
    ----------
    parameters : EvaluationDesign
        The tables are generated with its own seed, and so are the reports of its monitoring, which hold the other
        subjects of Q9.

    Returns
    -------
    DataFrame
        One row a county, school year and item (P1 to F2 except L1 to L7), columns ``OUTCOME_COLUMNS``;
        ``verdict`` is met, not_met or undecided, ``why`` says in Chinese what decided. Documents that differ are read
        as nationally: music and art rooms rounded up, G7 6000 yuan, G14 50 %, Q1 formula A, Q4 budget, Q9 six
        subjects, R satisfied answers of questionnaires; a survey that is too small or has too few parents decides nothing.
    """
    data = simulate_evaluation(parameters, seed=parameters.seed)
    monitoring = load_monitoring(parameters.monitoring)
    schools, other_reports = _records(data.schools), simulate_achievement(monitoring, seed=monitoring.seed).reports
    tables = {name: _records(frame) for name, frame in data.tables.items()}
    reports = [*tables["county-report"], *_records(other_reports)]
    rows = []
    for facts in tables["county-facts"]:
        county, year = facts["county_code"], facts["school_year"]
        here = {
            name: tuple(r for r in found if r["county_code"] == county and r.get("school_year") == year)
            for name, found in tables.items()
        }
        finance = {r["fiscal_year"]: r for r in tables["finance"] if r["county_code"] == county}
        own = [s for s in schools if s["county_code"] == county and s["school_year"] == year]
        place = Place(parameters, year, _wholes(own), facts, here, finance, tuple(r for r in reports if r["county_code"] == county))
        rows += [(county, year, item, *judge(place)) for item, judge in ITEMS.items()]
    return pd.DataFrame(rows, columns=OUTCOME_COLUMNS)


def _records(frame: pd.DataFrame) -> list[Record]:
    return [{k: None if pd.isna(v) else v for k, v in r.items()} for r in frame.to_dict("records")]


def _wholes(sites: list[Record]) -> tuple[Record, ...]:
    """Counted schools; students of campuses are added to their school's."""
    wholes = {s["school_code"]: dict(s) for s in sites if s["counted"] == "yes"}
    for site in sites:
        if site["counted"] == "no":
            for stage in STAGES:
                whole, students = wholes[site["parent_code"]], site[f"students_{stage}"]
                if students and whole[f"students_{stage}"] is not None:
                    whole[f"students_{stage}"] += students
    return tuple(wholes.values())


def _worst(outcomes: Iterable[Outcome], otherwise: str) -> Outcome:
    """Not met before undecided before met; the reasons of the deciding ones, at most three."""
    found = list(outcomes)
    for verdict in (NOT_MET, UNDECIDED):
        if reasons := [why for v, why in found if v == verdict]:
            return verdict, "；".join(reasons[:3]) + ("等" if len(reasons) > 3 else "")
    return MET, otherwise


def _at_least(value: float, limit: float) -> bool:
    return value >= limit - BINARY_NOISE * max(1.0, abs(limit))


def _quotient(place: Place, limit: str, over: str, *parts: str) -> Outcome:
    """Parts over a whole, at least a limit; a blank cell leaves it open."""
    least = place.limit(limit)
    names = (*parts, over)
    if blank := [n for n in names if place.facts[n] is None]:
        return UNDECIDED, f"缺 {blank[0]}"
    value = sum(place.facts[n] for n in parts) / place.facts[over]
    return MET if _at_least(value, least) else NOT_MET, f"{value:.6g}，标准 {least:g}"


def _basic_years(place: Place) -> Outcome:
    years, least = place.facts["basic_balance_years"], place.limit("P1_years")
    if years is None:
        return UNDECIDED, "缺认定年限"
    return MET if years >= least else NOT_MET, f"{years} 年，标准 {least:g} 年"


def _documents(*items: str) -> Callable[[Place], Outcome]:
    """One record or more for every code, all of them met."""

    def judge(place: Place) -> Outcome:
        found = []
        for item in items:
            records = [r for r in place.rows["evidence"] if r["item"] == item]
            found += [(r["finding"] or UNDECIDED, f"{item}：{r['remark'] or '达到'}") for r in records]
            if not records:
                found.append((UNDECIDED, f"没有 {item} 的材料"))
        return _worst(found, "材料齐全，都认定达到")

    return judge


def _both(first: Callable[[Place], Outcome], second: Callable[[Place], Outcome]) -> Callable[[Place], Outcome]:
    return lambda place: _worst((first(place), second(place)), "数据与材料都达到")


def _with(limit: str, over: str, *parts: str) -> Callable[[Place], Outcome]:
    return lambda place: _quotient(place, limit, over, *parts)


def _rooms(place: Place) -> Outcome:
    """Rooms large enough against classes, school by school; teaching points and special education are not asked."""
    found = []
    for school in place.schools:
        if school["school_type"] in (POINT, SPECIAL):
            continue
        classes = len(place.of_school("class", school["school_code"]))
        rooms = place.of_school("room", school["school_code"])
        for use in ("music", "art"):
            areas = [r["area_m2"] for r in rooms if r["use"] == use]
            enough = sum(a is not None and a >= place.limit(f"G3_{use}_area") for a in areas)
            needed = math.ceil(classes / place.limit("G3_classes"))
            verdict = NOT_MET
            if not classes or enough < needed <= enough + areas.count(None):
                verdict = UNDECIDED
            elif enough >= needed:
                verdict = MET
            found.append((verdict, f"{school['school_name']} {classes} 个班，合格的 {use} 教室 {enough} 间"))
    return _worst(found, "各校专用教室够数、够大")


def _sizes(place: Place) -> Outcome:
    found = []
    for school in place.schools:
        if school["school_type"] in (POINT, SPECIAL):
            continue
        counts = [school[f"students_{stage}"] for stage in STAGES_TAUGHT[school["school_type"]]]
        students = sum(n or 0 for n in counts)
        most = place.limit("G4_size_through" if school["school_type"] in THROUGH else "G4_size_separate")
        verdict = NOT_MET if students > most else UNDECIDED if None in counts else MET
        found.append((verdict, f"{school['school_name']} {'未填' if None in counts else students} 人"))
    return _worst(found, "各校规模都不超过标准")


def _class_sizes(place: Place) -> Outcome:
    found = []
    for school in place.schools:
        classes = place.of_school("class", school["school_code"])
        if not classes:
            found.append((UNDECIDED, f"{school['school_name']} 没有报班级"))
        for row in classes:
            size, most = row["students"], place.limit(f"G5_class_{row['stage']}")
            verdict = UNDECIDED if size is None else MET if size <= most else NOT_MET
            found.append((verdict, f"{school['school_name']}{row['class_name']} {'未填' if size is None else size}"))
    return _worst(found, "所有班级都不超标")


def _small_schools(place: Place) -> Outcome:
    found = []
    fewest, standard = place.limit("G6_small_school"), place.facts["funding_standard_primary_yuan"]
    for school in place.schools:
        (row,) = place.of_school("school-facts", school["school_code"])
        students = sum(school[f"students_{stage}"] or 0 for stage in STAGES)
        if row["small_rural"] == "yes" and students < fewest:
            funding = row["public_funding_yuan"]
            verdict = UNDECIDED if funding is None else MET if _at_least(funding, fewest * standard) else NOT_MET
            found.append((verdict, f"{school['school_name']} {students} 人，公用经费 {'未填' if funding is None else funding}"))
    return _worst(found, "小规模学校都按 100 人核定")


def _answers(*columns: str, good: tuple[str, ...]) -> Callable[[Place], Outcome]:
    """Every school has a good answer in every column."""

    def judge(place: Place) -> Outcome:
        found = []
        for row in place.rows["school-facts"]:
            for name in columns:
                verdict = UNDECIDED if row[name] is None else MET if row[name] in good else NOT_MET
                found.append((verdict, f"{row['school_name']} {name} {row[name] or '未填'}"))
        return _worst(found, "各校都做到")

    return judge


def _training_money(place: Place) -> Outcome:
    found, least = [], place.limit("Q4_training")
    for row in place.rows["school-facts"]:
        planned, budget = row["training_budget_yuan"], row["public_funding_budget_yuan"]
        if planned is None or budget is None:
            found.append((UNDECIDED, f"{row['school_name']} 未填培训经费预算"))
        else:
            verdict = MET if _at_least(planned / budget, least) else NOT_MET
            found.append((verdict, f"{row['school_name']} {planned / budget:.4%}"))
    return _worst(found, "各校培训经费都不低于 5%")


def _retention(place: Place) -> Outcome:
    """Formula A: graduates over entrants plus transfers in, less transfers out and deaths."""
    names = ("junior_graduates", "junior_entrants", "junior_transfers_in", "junior_transfers_out", "junior_deaths")
    if blank := [n for n in names if place.facts[n] is None]:
        return UNDECIDED, f"缺 {blank[0]}"
    graduates, entrants, joined, left, died = (place.facts[n] for n in names)
    value = graduates / (entrants + joined - left - died)
    return MET if _at_least(value, place.limit("Q1_retention")) else NOT_MET, f"{value:.4%}"


def _recognition(place: Place) -> Outcome:
    """Satisfied over valid questionnaires; what is blank may be nobody or everybody."""
    rows = [r for r in place.rows["survey"] if r["mode"] == QUESTIONNAIRE]
    valid = sum(r["valid"] for r in rows)
    parents = sum(r["valid"] for r in rows if r["group"] == "parents")
    least, most = (
        sum(r["satisfied"] if r["satisfied"] is not None else r["valid"] * part for r in rows) / valid for part in (0, 1)
    )
    if not _at_least(valid, place.limit("R_sample") * place.facts["resident_population"]):
        return UNDECIDED, f"有效问卷 {valid} 份，样本不够"
    if not _at_least(parents / valid, place.limit("R_parents")):
        return UNDECIDED, f"家长占 {parents / valid:.2%}，不到一半"
    limit = place.limit("R_recognition")
    if _at_least(least, limit):
        return MET, f"{least:.4%}"
    return (UNDECIDED, f"{least:.4%} 至 {most:.4%}") if _at_least(most, limit) else (NOT_MET, f"{most:.4%}")


def _reported(place: Place) -> Outcome:
    """The last report of a cycle on every subject and grade: the level reached, the rate below its limit."""
    found, first = [], place.year + 1 - place.limit("Q9_cycle")
    for subject, grade in product(SUBJECTS, GRADES):
        own = [
            r for r in place.reports
            if (r["subject"], r["grade"]) == (subject, grade) and first <= r["school_year"] <= place.year
        ]
        last = max(own, key=lambda r: r["school_year"], default={"level": None, "difference_rate": None})
        level, rate = last["level"], last["difference_rate"]
        failed = (level is not None and int(level) < place.limit("Q9_level")) or (
            rate is not None and _at_least(rate, place.limit("Q9_rate"))
        )
        verdict = NOT_MET if failed else UNDECIDED if level is None or rate is None else MET
        found.append((verdict, f"{subject} {grade} 年级：等级 {level or '缺'}，差异率 {'缺' if rate is None else rate}"))
    return _worst(found, "六科两个年级都达到")


def _spending(*, per_student: bool) -> Callable[[Place], Outcome]:
    """Not less than in the fiscal year before; the fiscal year is the school year's first calendar year."""

    def amount(record: Record) -> float | None:
        spending = record["public_education_spending_yuan"]
        return spending / record["students"] if per_student and spending is not None else spending

    def judge(place: Place) -> Outcome:
        before, now = (amount(place.finance[year]) for year in (place.year - 1, place.year))
        if before is None or now is None:
            return UNDECIDED, "缺教育支出"
        return MET if _at_least(now / before, 1) else NOT_MET, f"{before:.8g} → {now:.8g}"

    return judge


ITEMS: dict[str, Callable[[Place], Outcome]] = {
    "P1": _basic_years,
    "P2": _documents("P2"),
    "G1": _documents("G1"),
    "G2": _documents(*UNIFIED),
    "G3": _rooms,
    "G4": _sizes,
    "G5": _class_sizes,
    "G6": _small_schools,
    "G7": _with("G7_funding", "special_ed_students", "special_ed_funding_yuan"),
    "G8": _both(_with("G8_pay", "civil_servant_average_pay_yuan", "teacher_average_pay_yuan"), _documents("G8")),
    "G9": _with("G9_training", "teachers_total", "teachers_trained_360h"),
    "G10": _documents("G10"),
    "G11": _both(
        _with("G11_rotation", "teachers_eligible_rotation", "teachers_rotated"),
        _with("G11_backbone", "teachers_rotated", "backbone_teachers_rotated"),
    ),
    "G12": _with("G12_certified", "teachers_total", "teachers_certified"),
    "G13": _both(
        _with("G13_primary", "enrolled_students_primary", "zoned_students_primary"),
        _with("G13_junior", "enrolled_students_junior", "zoned_students_junior"),
    ),
    "G14": _both(
        _with("G14_places", "quality_high_school_places", "quality_high_school_places_allocated"), _documents("G14")
    ),
    "G15": _both(
        _with("G15_migrant", "migrant_children", "migrant_children_public", "migrant_children_purchased"),
        _documents("G15"),
    ),
    "Q1": _retention,
    "Q2": _with(
        "Q2_disabled", "disabled_children", "disabled_children_regular", "disabled_children_special",
        "disabled_children_home",
    ),
    "Q3": _answers("charter", "informatised", good=("yes",)),
    "Q4": _training_money,
    "Q5": _documents("Q5"),
    "Q6": _answers("moral_grade", "culture_grade", good=GOOD),
    "Q7": _documents("Q7"),
    "Q8": _documents("Q8"),
    "Q9": _reported,
    "R": _recognition,
    **{f"V{n}": _documents(f"V{n}") for n in range(1, 7)},
    "F1": _spending(per_student=False),
    "F2": _spending(per_student=True),
}
"""How each item is judged, in the order of the evaluation."""
