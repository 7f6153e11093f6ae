"""Means, dispersion and its decomposition agree with R on 21 made vectors and two real tables."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qbresearch.errors import InputError
from qbresearch.raw.problems import ERROR
from qbresearch.raw.reading import read_file
from qbresearch.results.resources.dispersion import compare_groups, measure_dispersion
from qbresearch.results.resources.indicators import IndicatorTable, compute_indicators
from qbresearch.results.resources.parts import stage_parts
from qbresearch.rules.columns import load_table
from qbresearch.rules.standards import load_standard
from qbresearch.statistics.dispersion import (
    between_within,
    coefficient_of_variation,
    grouped_moments,
    weighted_mean,
    weighted_standard_deviation,
)

DATA = Path(__file__).parent / "data"
RAW = Path(__file__).parents[2] / "data" / "raw"
VECTORS = {v["id"]: v for v in json.loads((DATA / "inequality_vectors.json").read_text(encoding="utf-8"))["vectors"]}
REAL = {
    (r["data"], r["variable"]): r
    for r in json.loads((DATA / "inequality_real.json").read_text(encoding="utf-8"))["results"]
}
PLACES = pd.read_csv(DATA / "synth_vectors.csv")
CALIFORNIA = "aer_caschools.csv"
MICHIGAN = "wooldridge_meap00_01.csv"


def close(expected: float, size: float = 0.0, tolerance: float = 1e-12):
    """Relative tolerance; where the truth is zero, a few units in the last place of ``size``."""
    return pytest.approx(expected, rel=tolerance, abs=1e-15 * size)


def vector(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = PLACES[PLACES["id"] == name]
    return rows["x"].to_numpy(dtype=float), rows["w"].to_numpy(dtype=float), rows["g"].to_numpy()


def complete_vector(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, w, g = vector(name)
    known = ~np.isnan(x)
    return x[known], w[known], g[known]


def tolerance_of(name: str) -> float:
    return 1e-6 if name == "edge_near_constant" else 1e-12


def test_every_vector_has_an_answer() -> None:
    assert set(PLACES["id"]) == set(VECTORS)
    assert len(VECTORS) == 21
    assert all("by_group" in v for v in VECTORS.values())


@pytest.mark.parametrize("name", VECTORS)
def test_weighted_statistics_agree_with_r(name: str) -> None:
    x, w, _ = complete_vector(name)
    known, tolerance = VECTORS[name], tolerance_of(name)
    mean, sd, cv = weighted_mean(x, w), weighted_standard_deviation(x, w), coefficient_of_variation(x, w)
    assert w.sum() == pytest.approx(known["N"])
    assert mean == close(known["mean_w"])
    assert sd == close(known["sd_w"], size=mean, tolerance=tolerance)
    assert sd**2 == close(known["var_w"], size=1e-15 * mean**2, tolerance=tolerance)
    assert cv == close(known["cv_w"], size=1.0, tolerance=tolerance)
    if name != "edge_near_constant":
        assert cv**2 / 2 == close(known["ge2"], size=1e-15)


@pytest.mark.parametrize("name", sorted(set(VECTORS) - {"edge_zero_weight_row"}))
def test_statistics_with_equal_schools_agree_with_r(name: str) -> None:
    x, _, _ = complete_vector(name)
    known, tolerance = VECTORS[name], tolerance_of(name)
    assert weighted_mean(x) == close(known["mean_unw"])
    assert weighted_standard_deviation(x) == close(known["sd_unw_pop"], size=known["mean_unw"], tolerance=tolerance)
    assert coefficient_of_variation(x) == close(known["cv_unw_pop"], size=1.0, tolerance=tolerance)


def test_a_school_without_students_has_no_weight() -> None:
    x, w, _ = vector("edge_zero_weight_row")
    assert (w == 0).sum() == 1 and len(x) == 3
    assert coefficient_of_variation(x, w) == close(VECTORS["edge_zero_weight_row"]["cv_w"])


@pytest.mark.parametrize("name", VECTORS)
def test_parts_between_and_within_groups_agree_with_r(name: str) -> None:
    x, w, g = complete_vector(name)
    known, tolerance = VECTORS[name]["by_group"], tolerance_of(name)
    between, within = between_within(x, w, g)
    assert len(set(g[w > 0])) == known["groups"]
    mean = VECTORS[name]["mean_w"]
    assert between == close(known["cv2_between"], size=1e-15, tolerance=tolerance)
    assert within == close(known["cv2_within"], size=1e-15, tolerance=tolerance)
    assert between * mean**2 == close(known["var_between"], size=1e-15 * mean**2, tolerance=tolerance)
    assert within * mean**2 == close(known["var_within"], size=1e-15 * mean**2, tolerance=tolerance)


@pytest.mark.parametrize("statistic", [weighted_mean, weighted_standard_deviation, coefficient_of_variation])
def test_a_missing_value_is_refused_until_it_is_dropped_in_the_open(statistic) -> None:
    x, w, _ = vector("edge_missing_x")
    assert np.isnan(x).sum() == 1
    with pytest.raises(InputError, match="4 所学校中 1 所没有数值"):
        statistic(x, w)
    with pytest.raises(InputError, match="4 所学校中 1 所没有数值"):
        statistic(x)
    assert statistic(*complete_vector("edge_missing_x")[:2]) > 0


def test_a_missing_value_is_refused_in_the_decomposition_too() -> None:
    with pytest.raises(InputError, match="4 所学校中 1 所没有数值"):
        between_within(*vector("edge_missing_x"))


def test_grouped_moments_of_all_vectors_at_once_agree_with_r() -> None:
    names = list(VECTORS)
    groups = PLACES["id"].map({name: i for i, name in enumerate(names)}).to_numpy()
    moments = grouped_moments(PLACES[["x"]].to_numpy(), PLACES["w"].to_numpy(dtype=float), groups, len(names))
    for i, name in enumerate(names):
        if name == "edge_missing_x":
            assert np.isnan([moments.mean[i, 0], moments.sd[i, 0], moments.cv[i, 0]]).all()
            assert moments.missing[i, 0] == 1
            continue
        known = VECTORS[name]
        assert moments.missing[i, 0] == 0
        assert moments.students[i] == pytest.approx(known["N"])
        assert moments.mean[i, 0] == close(known["mean_w"])
        assert moments.sd[i, 0] == close(known["sd_w"], size=known["mean_w"], tolerance=tolerance_of(name))
        assert moments.cv[i, 0] == close(known["cv_w"], size=1.0, tolerance=tolerance_of(name))


# --- the two real tables ------------------------------------------------------------------------------------------


def california_arrays(variable: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    frame = pd.read_csv(RAW / "california-1999" / CALIFORNIA)
    students = frame["students"].to_numpy(dtype=float)
    values = {
        "expenditure": frame["expenditure"],
        "teachers_per_100": 100 * frame["teachers"] / students,
        "computers_per_100": 100 * frame["computer"] / students,
    }[variable]
    return values.to_numpy(dtype=float), students, frame["county"].to_numpy()


def michigan_arrays() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    frame = pd.read_csv(RAW / "michigan-2001" / MICHIGAN)
    return frame["exppp"].to_numpy(dtype=float), frame["enroll"].to_numpy(dtype=float), frame["dcode"].to_numpy()


CASES = {
    (CALIFORNIA, "expenditure"): ("C3", "by_county"),
    (CALIFORNIA, "teachers_per_100"): ("C1", "by_county"),
    (CALIFORNIA, "computers_per_100"): ("C2", "by_county"),
    (MICHIGAN, "exppp"): ("M1", "by_district"),
}


def arrays_of(case: tuple[str, str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return michigan_arrays() if case[0] == MICHIGAN else california_arrays(case[1])


def table_of(case: tuple[str, str]) -> IndicatorTable:
    """The whole way: raw file, column contract, stage parts, indicators."""
    california = case[0] == CALIFORNIA
    contract = load_table("california" if california else "michigan")
    read = read_file(RAW / ("california-1999" if california else "michigan-2001") / case[0], contract)
    assert not (read.problems["level"] == ERROR).any()
    standard = load_standard(
        "california-1999" if california else "michigan-2001", on=date(1998 if california else 2000, 9, 1)
    )
    return compute_indicators(stage_parts(read.table, standard, contract), standard)


def test_the_cases_are_all_the_answers_there_are() -> None:
    assert set(CASES) == set(REAL)


@pytest.mark.parametrize("case", CASES, ids="/".join)
def test_real_arrays_agree_with_r(case: tuple[str, str]) -> None:
    x, w, g = arrays_of(case)
    known, by = REAL[case], CASES[case][1]
    assert len(x) == known["n"] and w.sum() == known["N"]
    assert weighted_mean(x, w) == close(known["mean_w"])
    assert weighted_standard_deviation(x, w) == close(known["sd_w"])
    assert weighted_standard_deviation(x, w) ** 2 == close(known["var_w"])
    assert coefficient_of_variation(x, w) == close(known["cv_w"])
    assert weighted_mean(x) == close(known["mean_unw"])
    assert weighted_standard_deviation(x) == close(known["sd_unw_pop"])
    assert coefficient_of_variation(x) == close(known["cv_unw_pop"])
    between, within = between_within(x, w, g)
    assert len(set(g)) == known[by]["groups"]
    assert between == close(known[by]["cv2_between"])
    assert within == close(known[by]["cv2_within"])
    assert between * known["mean_w"] ** 2 == close(known[by]["var_between"])
    assert within * known["mean_w"] ** 2 == close(known[by]["var_within"])


@pytest.mark.parametrize("case", CASES, ids="/".join)
def test_real_files_through_the_whole_path_agree_with_r(case: tuple[str, str]) -> None:
    table, known, (code, by) = table_of(case), REAL[case], CASES[case]
    whole = measure_dispersion(table, by=("school_year", "stage")).table.set_index("indicator").loc[code]
    assert whole["schools"] == known["n"] and whole["students"] == known["N"] and whole["missing"] == 0
    assert whole["mean"] == close(known["mean_w"])
    assert whole["sd"] == close(known["sd_w"])
    assert whole["cv"] == close(known["cv_w"])
    groups = compare_groups(table, by="county_code" if by == "by_county" else "location")
    rows = groups[groups["indicator"] == code]
    assert len(rows) == rows["group"].nunique() == known[by]["groups"]
    assert rows["between"].iloc[0] == close(known[by]["cv2_between"])
    assert rows["within"].iloc[0] == close(known[by]["cv2_within"])


@pytest.mark.parametrize("case", CASES, ids="/".join)
def test_the_groups_themselves_add_up_to_the_answer_of_r(case: tuple[str, str]) -> None:
    table, known, (code, by) = table_of(case), REAL[case], CASES[case]
    groups = compare_groups(table, by="county_code" if by == "by_county" else "location")
    rows = groups[groups["indicator"] == code]
    share = rows["students"] / rows["students"].sum()
    mean = (share * rows["mean"]).sum()
    assert mean == close(known["mean_w"])
    assert (share * (rows["mean"] - mean) ** 2).sum() == close(known[by]["var_between"])
    assert (share * rows["sd"] ** 2).sum() == close(known[by]["var_within"])
    assert rows["schools"].sum() == known["n"]


def test_counties_of_california_have_the_moments_of_their_own_districts() -> None:
    result = measure_dispersion(table_of((CALIFORNIA, "expenditure"))).table
    x, w, g = california_arrays("expenditure")
    rows = result[result["indicator"] == "C3"].set_index("county_code")
    assert set(rows.index) == set(g)
    for county, row in rows.iterrows():
        here = g == county
        assert row["mean"] == close(weighted_mean(x[here], w[here]))
        assert row["cv"] == close(coefficient_of_variation(x[here], w[here]), size=1.0)
        assert (row["remark"] == "仅一所学校") == (here.sum() == 1)
