"""The evaluation of the simulated prefecture finds what is true of it: every county, school year and item.

The truth is worked out by ``planted_outcomes`` in plain Python; the evaluation reads the files that ship.
"""

from __future__ import annotations

from datetime import date
from itertools import product
from pathlib import Path

import pandas as pd
import pytest

from qbresearch.processed.beside import BESIDE
from qbresearch.raw.reading import read_file
from qbresearch.raw.sources import open_source
from qbresearch.results.evaluation.county import CountyEvaluation, evaluate_county
from qbresearch.results.evaluation.inputs import CountyInputs
from qbresearch.results.resources.attainment import assess
from qbresearch.results.resources.indicators import compute_indicators
from qbresearch.results.resources.parts import stage_parts
from qbresearch.rules.columns import load_table
from qbresearch.rules.evaluations import load_evaluation
from qbresearch.rules.standards import load_standard
from qbresearch.simulation.evaluation import load_evaluation_design, planted_outcomes

RAW = Path(__file__).parents[2] / "data" / "raw"
NATIONAL, SCHOOL = "national-2017", load_table("school")
OTHER_SUBJECTS = "demo-prefecture-reports"
COUNTIES, YEARS = tuple(f"99010{n}" for n in range(1, 7)), (2022, 2023, 2024)
PLACES = tuple(product(COUNTIES, YEARS))
EARLIER_TOO = ("finance", "county-report", "project")
NO_TRUTH = {f"L{n}" for n in range(1, 8)}  # what is true of the resources is known to the simulation of the schools
# Q9 county by county: m met, n not met, u undecided.
REPORTED = {2022: "unuunu", 2023: "ununnn", 2024: "mnnnnn"}
WHOLE = {2022: "nnnnnn", 2023: "unnnnn", 2024: "mnnnnn"}  # the county as a whole
# Conditions that are not found met, not met and undecided, with what is lacking; every item above them is.
ONE_SIDED = {
    "L1:junior": "nu", "L2:junior": "u", "L3:junior": "nu", "L4:primary": "n", "L4:junior": "u", "L5:primary": "n",
    "L6:primary": "n", "L6:junior": "u", "L7:junior": "nu", "G3_art_area": "u", "G4_size_through": "nu",
    "G5_class_junior": "u", "G8_pay": "u", "G11_backbone": "u", "G13_primary": "u", "Q3_charter": "u", "Q6_moral": "u",
    "R_sample": "u", "R_parents": "u",
}
LETTERS = {"met": "m", "not_met": "n", "undecided": "u"}


def _read(source_id: str) -> tuple[str, pd.DataFrame]:
    source = open_source(RAW, source_id)
    contract = load_table(source.table)
    read = [read_file(source.folder / f.name, contract, name=f.name).table for f in source.files]
    return source.table, pd.concat(read, ignore_index=True).drop(columns=["_file", "_place"])


@pytest.fixture(scope="module")
def design():
    return load_evaluation_design("demo-evaluation")


@pytest.fixture(scope="module")
def schools() -> pd.DataFrame:
    return _read("demo-prefecture")[1]


@pytest.fixture(scope="module")
def tables(design) -> dict[str, pd.DataFrame]:
    """All rows that ship, by table id, as the reader gives them."""
    frames: dict[str, list[pd.DataFrame]] = {}
    for source_id in (*(output.id for output in design.outputs), OTHER_SUBJECTS):
        table, frame = _read(source_id)
        frames.setdefault(table, []).append(frame)
    return {table: pd.concat(found, ignore_index=True) for table, found in frames.items()}


@pytest.fixture(scope="module")
def results(schools, tables) -> dict[tuple[str, int], CountyEvaluation]:
    """The evaluation of every county in every school year."""
    return {place: _evaluated(*place, schools, tables) for place in PLACES}


def _evaluated(county: str, year: int, schools: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> CountyEvaluation:
    on = date(year, 9, 1)
    own = _of(schools, county, year)
    here = {
        name: frame[frame["county_code"].eq(county)] if name in EARLIER_TOO else _of(frame, county, year)
        for name, frame in tables.items()
    }
    inputs = CountyInputs(
        county, str(own["county_name"].iloc[0]), year, own, SCHOOL, here, {name: load_table(name) for name in here}
    )
    standard = load_standard(NATIONAL, on=on)
    attained = assess(compute_indicators(stage_parts(own, standard, SCHOOL), standard))
    return evaluate_county(inputs, load_evaluation(NATIONAL, on=on), attained)


def _of(frame: pd.DataFrame, county: str, year: int) -> pd.DataFrame:
    return frame[frame["county_code"].eq(county) & frame["school_year"].eq(year)].reset_index(drop=True)


@pytest.fixture(scope="module")
def truth(design) -> pd.Series:
    return planted_outcomes(design).set_index(["county_code", "school_year", "item"])["verdict"]


@pytest.mark.parametrize(("county", "year"), PLACES)
def test_every_item_is_found_as_it_is(results, truth, county, year):
    tree, known = results[county, year].tree, truth.loc[county, year]
    assert {item: tree.find(item).verdict for item in known.index} == known.to_dict()


def test_the_truth_is_about_every_place_and_every_item_but_the_resources(results, truth, tables):
    assert set(tables) == set(BESIDE)
    items = {item.code for item in results[PLACES[0]].evaluation.items}
    assert set(truth.index) == {(*place, item) for place in PLACES for item in items - NO_TRUTH}
    assert NO_TRUTH < items and truth.index.is_unique


def test_every_condition_is_met_not_met_and_undecided_somewhere_but_these(results):
    found: dict[str, set[str]] = {}
    for result in results.values():
        for _, _, node in result.tree.walk():
            if node.verdict:
                found.setdefault(node.code, set()).add(LETTERS[node.verdict])
    lacking = {code: "".join(x for x in "mnu" if x not in kinds) for code, kinds in found.items()}
    assert {code: letters for code, letters in lacking.items() if letters} == ONE_SIDED
    assert not {item.code for item in results[PLACES[0]].evaluation.items} & set(ONE_SIDED)


def test_the_county_as_a_whole_is_of_every_kind(results):
    for year, letters in WHOLE.items():
        assert "".join(LETTERS[results[county, year].tree.verdict] for county in COUNTIES) == letters, year
    leading = results["990101", 2023].tree
    undecided = {n.code for n in leading.leaves() if n.verdict == "undecided"}
    assert undecided == {"schools:primary", "schools:junior", "L2:primary", "L5:junior", "Q9_level", "Q9_rate"}


def test_quality_monitoring_is_decided_by_the_reports_of_three_years_together(results):
    for year, letters in REPORTED.items():
        assert "".join(LETTERS[results[county, year].reported.verdict] for county in COUNTIES) == letters, year
    best = results["990101", 2024].reported.subjects_table()
    assert len(best) == 12 and best.groupby("subject")["school_year"].first().to_dict() == {
        "mathematics": 2024, "chinese": 2024, "science": 2024, "moral_education": 2024, "arts": 2023,
        "physical_education": 2022,
    }  # fmt: skip
    assert best["level"].min() == 3 and best["difference_rate"].max() == 0.149


def test_a_rate_at_the_limit_alone_decides(results):
    rows = results["990102", 2023].reported.subjects_table().set_index(["subject", "grade"])
    assert list(rows.index[rows["verdict"] == "not_met"]) == [("physical_education", "4")]
    assert rows.loc[("physical_education", "4"), ["level", "difference_rate"]].tolist() == [4, 0.15]


def test_what_is_not_reported_is_undecided_unless_the_rest_fails(results):
    def verdicts(county: str, year: int) -> dict[tuple[str, str], str]:
        return results[county, year].reported.subjects_table().set_index(["subject", "grade"])["verdict"].to_dict()

    assert {verdicts("990103", 2024)["arts", grade] for grade in ("4", "8")} == {"undecided"}
    assert verdicts("990104", 2024)["physical_education", "8"] == "undecided"  # the rate is blank
    assert verdicts("990105", 2024)["moral_education", "4"] == "not_met"  # blank as well, but the level fails
    assert verdicts("990106", 2024)["moral_education", "8"] == "undecided"  # the level is blank
