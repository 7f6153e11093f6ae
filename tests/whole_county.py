"""A made-up county in which everything the evaluation asks for is met, until a test takes something away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import cache

import pandas as pd

from qbresearch.results.evaluation.county import CountyEvaluation, evaluate_county
from qbresearch.processed.beside import BESIDE
from qbresearch.results.evaluation.inputs import CountyInputs
from qbresearch.results.resources.attainment import AttainmentResult, assess
from qbresearch.results.resources.indicators import compute_indicators
from qbresearch.results.resources.parts import stage_parts
from qbresearch.rules.columns import TableContract, load_table
from qbresearch.rules.evaluations import Evaluation, load_evaluation
from qbresearch.rules.standards import load_standard

COUNTY, NAME, YEAR = "990901", "例县", 2023
ON = date(YEAR, 9, 1)
NATIONAL = load_evaluation("national-2017", on=ON)
STANDARD = load_standard("national-2017", on=ON)
SCHOOL = load_table("school")
DTYPES = {"count": "float64", "number": "float64", "year": "Int64"}
SCHOOLS = {"9909010001": "primary", "9909010002": "primary", "9909010003": "junior"}
STUDENTS = {"9909010001": 400, "9909010002": 80, "9909010003": 400}  # the second is a small village school
FACTS = {
    "resident_population": 200_000, "basic_balance_years": 5, "funding_standard_primary_yuan": 800,
    "funding_standard_junior_yuan": 1000, "special_ed_students": 50, "special_ed_funding_yuan": 400_000,
    "teacher_average_pay_yuan": 110_000, "civil_servant_average_pay_yuan": 100_000, "teachers_total": 900,
    "teachers_trained_360h": 900, "teachers_certified": 900, "teachers_eligible_rotation": 400, "teachers_rotated": 60,
    "backbone_teachers_rotated": 18, "enrolled_students_primary": 500, "zoned_students_primary": 500,
    "enrolled_students_junior": 300, "zoned_students_junior": 290, "quality_high_school_places": 600,
    "quality_high_school_places_allocated": 400, "quality_high_school_places_rural": 250, "migrant_children": 80,
    "migrant_children_public": 70, "migrant_children_purchased": 5, "junior_graduates": 980, "junior_entrants": 1000,
    "junior_transfers_in": 30, "junior_transfers_out": 40, "junior_deaths": 0, "disabled_children": 40,
    "disabled_children_regular": 20, "disabled_children_special": 15, "disabled_children_home": 4,
}  # fmt: skip
SURVEY = {"parents": (200, 190), "teachers": (100, 96), "students": (80, 78)}  # 380 answers, where 300 are asked for


def table_of(contract: TableContract, rows: list[dict[str, object]]) -> pd.DataFrame:
    """Rows in the contract's columns and dtypes, as the reader gives them; keys of county and year filled in."""
    here = {"county_code": COUNTY, "county_name": NAME, "school_year": YEAR}
    names = [c.name for c in contract.columns]
    filled = [{name: value for name, value in (here | row).items() if name in names} for row in rows]
    return pd.DataFrame(filled, columns=names).astype({c.name: DTYPES.get(c.kind, "string") for c in contract.columns})


def _school(code: str, kind: str) -> dict[str, object]:
    """More of everything than the thresholds of either stage ask for, as much for every student."""
    part = STUDENTS[code] / 400
    row: dict[str, object] = {
        "school_code": code, "school_name": f"{code[-1]}校", "school_type": kind, "location": "town", "sponsor": "county",
        "counted": "yes",
    }  # fmt: skip
    numbers = {
        f"students_{kind}": 400, "teaching_area_m2": 6000, "indoor_sports_area_m2": 500, "sports_ground_area_m2": 9000,
        "equipment_value_yuan": 2_500_000, "multimedia_classrooms": 25, f"teachers_{kind}": 50,
        f"pe_teachers_{kind}": 5, f"arts_teachers_{kind}": 5, f"backbone_teachers_{kind}": 10,
    }  # fmt: skip
    levels = {"doctor": 0, "master": 5, "bachelor": 45, "associate": 0, "high_school": 0, "below_high_school": 0}
    numbers |= {f"teachers_{kind}_{level}": n for level, n in levels.items()}
    return row | {name: n * part for name, n in numbers.items()}


def _rows() -> dict[str, list[dict[str, object]]]:
    """Rows of every table beside the schools."""
    names = {code: f"{code[-1]}校" for code in SCHOOLS}
    codes = [code for item in NATIONAL.items for code in item.evidence]
    subjects = str(NATIONAL.option("Q9_subjects").choice.value).split(",")
    return {
        "county-facts": [FACTS],
        "school-facts": [
            {"school_code": code, "school_name": name, "small_rural": "yes" if STUDENTS[code] < 100 else "no", "public_funding_yuan": 400_000,
             "public_funding_budget_yuan": 400_000, "training_budget_yuan": 24_000, "training_spent_yuan": 24_000,
             "charter": "yes", "informatised": "yes", "moral_grade": "good", "culture_grade": "excellent"}
            for code, name in names.items()
        ],
        "class": [
            {"school_code": code, "school_name": names[code], "stage": kind, "grade": "1" if kind == "primary" else "7",
             "class_name": f"{n}班", "students": 40}
            for code, kind in SCHOOLS.items() for n in range(1, STUDENTS[code] // 40 + 1)
        ],
        "room": [
            {"school_code": code, "school_name": name, "room": use, "use": use, "area_m2": 100}
            for code, name in names.items() for use in ("music", "art")
        ],
        "finance": [
            {"fiscal_year": year, "public_education_spending_yuan": 9e8 + 1e7 * year, "students": 1200, "price_index": 102}
            for year in (YEAR - 1, YEAR)
        ],
        "survey": [
            {"group": group, "mode": "questionnaire", "valid": valid, "satisfied": satisfied, "mean_score": 0.9}
            for group, (valid, satisfied) in SURVEY.items()
        ],
        "evidence": [
            {"item": code, "title": f"{code}材料", "number": "例政发〔2023〕1号", "date": "2023-05-01", "confirmed_by": "县教育局",
             "finding": "met"}
            for code in codes
        ],
        "county-report": [
            {"cycle": YEAR, "grade": grade, "subject": subject, "level": "3", "difference_rate": 0.1}
            for subject in subjects for grade in ("4", "8")
        ],
        "project": [],
    }  # fmt: skip


def county_inputs() -> CountyInputs:
    """Inputs of the county; the tables beside the schools freshly made."""
    rows = _rows()
    assert set(rows) == set(BESIDE)
    contracts = {table: load_table(table) for table in BESIDE}
    tables = {table: table_of(contracts[table], rows[table]) for table in BESIDE}
    return CountyInputs(COUNTY, NAME, YEAR, _usual()[0], SCHOOL, tables, contracts)


def attainment(schools: pd.DataFrame) -> AttainmentResult:
    """The resource part of a county with these schools."""
    return assess(compute_indicators(stage_parts(schools, STANDARD, SCHOOL), STANDARD))


@cache
def _usual() -> tuple[pd.DataFrame, AttainmentResult]:
    schools = table_of(SCHOOL, [_school(code, kind) for code, kind in SCHOOLS.items()])
    return schools, attainment(schools)


def evaluate(inputs: CountyInputs, evaluation: Evaluation = NATIONAL) -> CountyEvaluation:
    """The whole evaluation of a county."""
    schools, found = _usual()
    return evaluate_county(inputs, evaluation, found if inputs.schools is schools else attainment(inputs.schools))


def changed(inputs: CountyInputs, table: str, change: Callable[[pd.DataFrame], pd.DataFrame | None]) -> CountyInputs:
    """The county with one table changed by a function, or taken away where it returns ``None``."""
    tables = dict(inputs.tables)
    found = change(tables.pop(table).copy())
    return replace(inputs, tables=tables if found is None else tables | {table: found})


def put(inputs: CountyInputs, table: str, column: str, value: object, row: int = 0) -> CountyInputs:
    """The county with one cell changed."""
    def change(rows: pd.DataFrame) -> pd.DataFrame:
        rows.loc[rows.index[row], column] = value
        return rows

    return changed(inputs, table, change)
