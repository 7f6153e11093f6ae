"""Published worked examples, county tables and thresholds come out as printed."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qbresearch.results.resources.attainment import at_least, at_most, round_half_up
from qbresearch.rules.standards import COMPOSITE_CV, CV, load_standard
from qbresearch.statistics.dispersion import (
    coefficient_of_variation,
    composite_coefficient_of_variation,
    weighted_mean,
    weighted_standard_deviation,
)

DATA = Path(__file__).parent / "data"
PUBLISHED_CV = Path(__file__).parents[2] / "data" / "raw" / "published-cv"
ON = date(2023, 9, 1)


def answers(name: str) -> dict:
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


# --- the worked example of the coefficient of variation -----------------------------------------------------------


@pytest.fixture
def example() -> dict:
    return answers("cv_books_5_schools")


def books_and_students(example: dict) -> tuple[np.ndarray, np.ndarray]:
    rows = pd.DataFrame(example["inputs"])
    return rows["books"].to_numpy(dtype=float), rows["students"].to_numpy(dtype=float)


def test_the_worked_example_gives_the_printed_coefficient_of_variation(example: dict) -> None:
    books, students = books_and_students(example)
    cv = coefficient_of_variation(books / students, students)
    assert round_half_up(cv, 2) == example["published"]["cv"] == 0.52
    assert cv == pytest.approx(example["recomputed_full_precision"]["cv"], rel=1e-13)


def test_every_printed_intermediate_figure_of_the_worked_example_comes_out(example: dict) -> None:
    books, students = books_and_students(example)
    printed, exact = example["published"], example["recomputed_full_precision"]
    x = books / students
    mean = weighted_mean(x, students)
    deviation = weighted_standard_deviation(x, students)
    terms = students / students.sum() * (x - mean) ** 2
    assert students.sum() == printed["total_students"]
    assert books.sum() == printed["total_books"]
    assert round_half_up(x, 2).tolist() == printed["school_values"]
    assert round_half_up(mean, 2) == printed["county_mean"]
    assert mean == pytest.approx(exact["county_mean"], rel=1e-13)
    assert mean == pytest.approx(books.sum() / students.sum(), rel=1e-13)
    assert terms.tolist() == pytest.approx(exact["terms"], rel=1e-12)
    assert round_half_up(terms[0], 3) == printed["terms"][0]
    assert round_half_up(terms[1:], 2).tolist() == printed["terms"][1:]
    assert deviation**2 == pytest.approx(terms.sum(), rel=1e-13)
    assert deviation**2 == pytest.approx(exact["variance"], rel=1e-13)
    assert round_half_up(deviation**2, 2) == printed["sum_of_terms"]
    assert round_half_up(deviation, 2) == printed["sqrt"]
    assert deviation == pytest.approx(exact["sd"], rel=1e-13)


def test_two_wrong_formulas_can_be_told_from_the_official_one(example: dict) -> None:
    books, students = books_and_students(example)
    x, wrong = books / students, example["wrong_variants_for_regression_tests"]
    official = coefficient_of_variation(x, students)
    assert coefficient_of_variation(x) == pytest.approx(wrong["unweighted_population_cv"], rel=1e-12)
    assert np.std(x, ddof=1) / np.mean(x) == pytest.approx(wrong["unweighted_sample_cv"], rel=1e-12)
    for other in ("unweighted_population_cv", "unweighted_sample_cv"):
        assert abs(official - wrong[other]) > 0.02
        assert round_half_up(wrong[other], 2) != round_half_up(official, 2)


# --- a real district, 2023 ----------------------------------------------------------------------------------------


@pytest.fixture
def jiujiang() -> dict:
    return answers("jiujiang_2023_primary")


def test_printed_deviation_over_printed_mean_gives_every_printed_coefficient(jiujiang: dict) -> None:
    rows = pd.DataFrame(jiujiang["inputs"])
    assert (rows["sd"] / rows["mean"]).tolist() == pytest.approx(jiujiang["expected"]["cv"], abs=1e-6)


def test_two_schools_that_have_the_printed_mean_and_deviation_give_the_printed_coefficient(jiujiang: dict) -> None:
    for row, cv in zip(jiujiang["inputs"], jiujiang["expected"]["cv"], strict=True):
        pair = [row["mean"] - row["sd"], row["mean"] + row["sd"]]
        assert weighted_mean(pair, [300, 300]) == pytest.approx(row["mean"], rel=1e-12)
        assert coefficient_of_variation(pair, [300, 300]) == pytest.approx(cv, abs=1e-6)


def test_the_printed_composite_is_the_mean_of_the_seven(jiujiang: dict) -> None:
    composite = composite_coefficient_of_variation(jiujiang["expected"]["cv"])
    assert round_half_up(composite, 6) == jiujiang["expected"]["composite_mean_of_7"] == 0.367503


def test_exactly_one_indicator_turns_with_rounding(jiujiang: dict) -> None:
    standard = load_standard("national-2017", on=ON)
    cap, decimals = standard.cap(CV, "primary").value, standard.decimals("fragile_decimals")
    cvs = np.array(jiujiang["expected"]["cv"])
    unrounded, rounded = at_most(cvs, cap), at_most(round_half_up(cvs, decimals), cap)
    assert cap == jiujiang["derived_checks"]["cap_primary"] and decimals == 2
    assert unrounded.tolist() == jiujiang["derived_checks"]["pass_unrounded"]
    assert rounded.tolist() == jiujiang["derived_checks"]["pass_if_rounded_to_2_decimals"]
    assert np.flatnonzero(unrounded != rounded).tolist() == [[i["code"] for i in jiujiang["inputs"]].index("L2")]
    assert not at_most(round_half_up(cvs[1], 3), cap)


def test_the_indicators_of_the_district_are_those_of_the_standard_in_its_order(jiujiang: dict) -> None:
    indicators = load_standard("national-2017", on=ON).indicators
    assert [i["code"] for i in jiujiang["inputs"]] == [i.code for i in indicators]
    assert [i["indicator"] for i in jiujiang["inputs"]] == [i.id for i in indicators]


def test_the_repository_holds_the_same_figures_of_the_district(jiujiang: dict) -> None:
    rows = pd.read_csv(PUBLISHED_CV / "jiujiang_2023_cv.csv")
    rows = rows[(rows["stage"] == "primary") & (rows["indicator"] != "composite")].set_index("indicator")
    for known, cv in zip(jiujiang["inputs"], jiujiang["expected"]["cv"], strict=True):
        row = rows.loc[known["indicator"]]
        assert (row["mean"], row["sd"], row["cv"]) == (known["mean"], known["sd"], cv)


# --- composites of basic balance ----------------------------------------------------------------------------------


def test_all_published_composites_are_the_mean_of_their_eight_coefficients() -> None:
    cases = answers("basic_composite_cv")["cases"]
    off = [abs(composite_coefficient_of_variation(c["cvs"]) - c["expected_composite"]) for c in cases]
    assert len(off) == 23
    assert max(off) < 0.001
    assert sum(d <= 0.0005 for d in off) == 22


def test_the_published_files_of_the_repository_give_the_same_composites() -> None:
    rows = pd.concat([pd.read_csv(p) for p in sorted(PUBLISHED_CV.glob("*_basic_cv_partial.csv"))], ignore_index=True)
    order = [i.id for i in load_standard("basic-2012", on=ON).indicators]
    known = {(c["county"], c["stage"]): c for c in answers("basic_composite_cv")["cases"]}
    found, off = set(), []
    for place, part in rows.groupby(["county", "stage"]):
        cvs = part.set_index("indicator")["cv"]
        if "composite" not in cvs or not set(order) <= set(cvs.dropna().index):
            continue
        found.add(place)
        assert cvs[order].tolist() == known[place]["cvs"]
        assert cvs["composite"] == known[place]["expected_composite"]
        off.append(abs(composite_coefficient_of_variation(cvs[order]) - cvs["composite"]))
    assert found == set(known)
    assert max(off) < 0.001
    assert sum(d <= 0.0005 for d in off) == 22


def test_published_composites_are_judged_by_the_caps_of_basic_balance() -> None:
    standard = load_standard("basic-2012", on=ON)
    caps = {stage: standard.cap(COMPOSITE_CV, stage).value for stage in ("primary", "junior")}
    assert caps == {"primary": 0.65, "junior": 0.55}
    assert all(at_most(c["expected_composite"], caps[c["stage"]]) for c in answers("basic_composite_cv")["cases"])


# --- buildings: the parts of the teaching total -------------------------------------------------------------------


def test_national_floor_areas_add_up_to_the_teaching_total_which_holds_the_indoor_sports_area() -> None:
    known = answers("national_primary_building_components")
    for case in known["cases"]:
        assert sum(case["parts"].values()) == pytest.approx(case["sum_of_parts"], abs=1e-6)
        assert sum(case["parts"].values()) == pytest.approx(case["total"], abs=known["tolerance"])
    older, newer = known["cases"]
    assert "体育馆" in older["parts"]
    assert "室内体育用房" in newer["public_teaching_parts"]
    assert sum(newer["public_teaching_parts"].values()) == pytest.approx(newer["parts"]["公共教学用房"], abs=1e-6)
    indicator = load_standard("national-2017", on=ON).indicator("L4")
    assert indicator.add["primary"] == ("teaching_area_m2",)
    assert indicator.subtract["primary"] == ("indoor_sports_area_m2",)
    assert "indoor_sports_area_m2" in load_standard("national-2017", on=ON).indicator("L5").add["primary"]


# --- thresholds, floors, caps -------------------------------------------------------------------------------------


def test_thresholds_floors_and_caps_of_the_standard_are_the_published_ones() -> None:
    standard, known = load_standard("national-2017", on=ON), answers("thresholds_and_85pct_floor")
    ratio = standard.rules["school_floor_ratio"].value
    assert ratio == 0.85 and standard.rules["school_min_met"].value == 6
    assert [i["indicator"] for i in known["indicators"]] == [i.id for i in standard.indicators]
    for entry in known["indicators"]:
        for stage, printed in entry["standard"].items():
            threshold = standard.threshold(entry["code"], stage).value
            floor = entry["floor_85pct"][stage]
            assert threshold == printed
            assert ratio * threshold == pytest.approx(floor, rel=1e-12)
            assert at_least(floor, ratio * threshold)
            assert not at_least(floor * (1 - 1e-9), ratio * threshold)
    assert {stage: standard.cap(CV, stage).value for stage in known["cv_cap"]} == known["cv_cap"]
    assert len(standard.thresholds) == 14 and len(standard.caps) == 2
