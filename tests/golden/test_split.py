"""A combined school's books divided as in the published example, and the weights of every combined type."""

from __future__ import annotations

import json
from datetime import date
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest

from qbresearch.results.resources.attainment import round_half_up
from qbresearch.results.resources.indicators import compute_indicators
from qbresearch.results.resources.parts import stage_parts
from qbresearch.rules.columns import load_table
from qbresearch.rules.standards import Standard, load_standard

DATA = Path(__file__).parent / "data"
ON = date(2023, 9, 1)
SCHOOL = load_table("school")
PRIMARY_JUNIOR_SENIOR = {"A": "primary", "B": "junior", "C": "senior"}


def answers(name: str) -> dict:
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


def one_school(school_type: str, **numbers: float) -> pd.DataFrame:
    """One school in the contract's columns and dtypes; everything not named is 100."""
    row = {"county_code": "990001", "county_name": "例县", "school_year": 2023, "school_code": "9900010001",
           "school_name": "例校", "school_type": school_type, "location": "town", "sponsor": "county",
           "counted": "yes", "parent_code": None}
    frame = pd.DataFrame([row | {c.name: 100.0 for c in SCHOOL.columns if c.is_number} | numbers])
    return frame.astype({c.name: "float64" if c.is_number else "Int64" if c.kind == "year" else "string"
                         for c in SCHOOL.columns})


def by_stage(schools: pd.DataFrame, standard: Standard) -> pd.DataFrame:
    """Indicator table, one row a stage and indicator."""
    table = compute_indicators(stage_parts(schools, standard, SCHOOL), standard)
    shares = dict(zip(table.keys["stage"].astype(str), table.shares, strict=True))
    return table.tidy().assign(share=lambda t: t["stage"].astype(str).map(shares)).set_index(["stage", "indicator"])


# --- the published example ----------------------------------------------------------------------------------------


def test_the_books_of_the_nine_year_school_are_divided_as_published() -> None:
    known = answers("split_nine_year_school_books")
    given, printed, exact = known["inputs"], known["published"], known["recomputed_full_precision"]
    standard = load_standard("basic-2012", on=ON)
    assert dict(standard.splits["nine_year"].weights) == given["weights"]
    rows = by_stage(
        one_school("nine_year", students_primary=given["primary_students"], students_junior=given["junior_students"],
                   students_senior=0, books=given["total_books"]),
        standard,
    )
    primary, junior = rows.loc[("primary", "B5")], rows.loc[("junior", "B5")]
    off = known["tolerance_published_vs_exact_books"]
    assert primary["share"] == pytest.approx(exact["primary_share"], rel=1e-13)
    assert junior["share"] == pytest.approx(exact["junior_share"], rel=1e-13)
    assert given["primary_students"] / primary["share"] == pytest.approx(printed["weighted_students"], rel=1e-13)
    assert primary["numerator"] == pytest.approx(exact["primary_books"], rel=1e-13)
    assert junior["numerator"] == pytest.approx(exact["junior_books"], rel=1e-13)
    assert primary["numerator"] == pytest.approx(printed["primary_books"], abs=off)
    assert junior["numerator"] == pytest.approx(printed["junior_books"], abs=off)
    assert primary["numerator"] + junior["numerator"] == pytest.approx(given["total_books"], rel=1e-13)
    assert primary["value"] == pytest.approx(exact["primary_books_per_student"], rel=1e-13)
    assert junior["value"] == pytest.approx(exact["junior_books_per_student"], rel=1e-13)
    assert round_half_up(primary["value"], 1) == printed["primary_books_per_student"]


# --- weights by hand ----------------------------------------------------------------------------------------------

HAND = {
    # A, B, C students; the printed formulas worked out as fractions.
    "nine_year": ({"A": 300, "B": 200, "C": 0}, {"primary": Fraction(300, 520), "junior": Fraction(220, 520)}),
    "complete_secondary": ({"A": 0, "B": 600, "C": 500}, {"junior": Fraction(600, 1200)}),
    "twelve_year": (
        {"A": 330, "B": 300, "C": 250}, {"primary": Fraction(330, 990), "junior": Fraction(330, 990)}
    ),
}


@pytest.mark.parametrize("standard_id", ["national-2017", "basic-2012"])
@pytest.mark.parametrize("school_type", HAND)
def test_shares_of_a_combined_school_are_the_fractions_worked_out_by_hand(standard_id: str, school_type: str) -> None:
    standard = load_standard(standard_id, on=ON)
    students, expected = HAND[school_type]
    numbers = {f"students_{PRIMARY_JUNIOR_SENIOR[letter]}": float(n) for letter, n in students.items()}
    parts = stage_parts(one_school(school_type, **numbers), standard, SCHOOL).frame.set_index("stage")
    assert set(parts.index) == set(expected)
    for stage, share in expected.items():
        assert parts.loc[stage, "share"] == pytest.approx(float(share), rel=1e-14)
        assert parts.loc[stage, "students"] == numbers[f"students_{stage}"]


def test_the_weights_of_the_standards_are_those_of_the_published_formulas() -> None:
    weights = {
        "nine_year": {"primary": Fraction(1), "junior": Fraction("1.1")},
        "complete_secondary": {"junior": Fraction(1), "senior": Fraction("1.2")},
        "twelve_year": {"primary": Fraction(1), "junior": Fraction("1.1"), "senior": Fraction("1.32")},
    }
    formulas = answers("split_weights")["weights"]
    for standard_id in ("national-2017", "basic-2012"):
        splits = load_standard(standard_id, on=ON).splits
        assert set(splits) == set(weights) == set(formulas)
        for school_type, split in splits.items():
            assert {s: Fraction(str(w)) for s, w in split.weights.items()} == weights[school_type]
            for stage, weight in weights[school_type].items():
                letter = next(k for k, s in PRIMARY_JUNIOR_SENIOR.items() if s == stage)
                share = formulas[school_type][stage].split("/")[0]
                assert share == (letter if weight == 1 else f"{float(weight):g}{letter}")


def test_nothing_of_a_twelve_year_school_is_lost_or_counted_twice() -> None:
    a, b, c = Fraction(330), Fraction(300) * Fraction("1.1"), Fraction(250) * Fraction("1.32")
    assert a / (a + b + c) + b / (a + b + c) + c / (a + b + c) == 1
    assert (a / (a + b + c), b / (a + b + c)) == (HAND["twelve_year"][1]["primary"], HAND["twelve_year"][1]["junior"])


# --- what is divided and what is counted ---------------------------------------------------------------------------


def test_assets_are_divided_and_people_are_counted_where_they_teach() -> None:
    known, standard = answers("split_weights"), load_standard("national-2017", on=ON)
    shared = {"L4", "L5", "L6", "L7"}
    assert {i.code for i in standard.indicators if i.shared} == shared
    assert len(known["split_items_quality_2017"]) == 4 and len(known["counted_directly_quality_2017"]) == 3
    rows = by_stage(
        one_school(
            "nine_year", students_primary=300, students_junior=200, students_senior=0,
            teachers_primary_doctor=0, teachers_primary_master=1, teachers_primary_bachelor=10,
            teachers_primary_associate=5, teachers_junior_doctor=0, teachers_junior_master=2,
            teachers_junior_bachelor=9, backbone_teachers_primary=3, backbone_teachers_junior=4,
            pe_teachers_primary=2, arts_teachers_primary=1, pe_teachers_junior=3, arts_teachers_junior=3,
            teaching_area_m2=5200, indoor_sports_area_m2=520, sports_ground_area_m2=4680,
            equipment_value_yuan=1_040_000, multimedia_classrooms=26,
        ),
        standard,
    )
    primary = {"L1": 16, "L2": 3, "L3": 3, "L4": 2700, "L5": 3000, "L6": 600_000, "L7": 15}
    junior = {"L1": 11, "L2": 4, "L3": 6, "L4": 1980, "L5": 2200, "L6": 440_000, "L7": 11}
    assert rows.loc["primary", "numerator"].to_dict() == pytest.approx(primary, rel=1e-13)
    assert rows.loc["junior", "numerator"].to_dict() == pytest.approx(junior, rel=1e-13)
    assert rows.loc[("junior", "L1"), "value"] == pytest.approx(5.5, rel=1e-13)
    assert rows.loc[("primary", "L7"), "value"] == pytest.approx(5.0, rel=1e-13)


def test_basic_balance_divides_the_five_assets_and_counts_the_three_kinds_of_teachers() -> None:
    standard = load_standard("basic-2012", on=ON)
    assert {i.code for i in standard.indicators if i.shared} == {"B1", "B2", "B3", "B4", "B5"}
    assert len(answers("split_weights")["split_items_basic_2012"]) == 5
    assert {i.code for i in standard.indicators if not i.shared} == {"B6", "B7", "B8"}
