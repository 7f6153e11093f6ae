"""A timetable against what schools have reached: states, slippage, forecasts, and what stays undecided."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pandas as pd
import plan_data as made
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbresearch.errors import InputError
from qbresearch.language import speaking
from qbresearch.results.plans.progress import (
    STATES,
    forecast_words,
    measure_progress,
    school_verdicts,
)
from qbresearch.results.resources.attainment import assess
from qbresearch.results.resources.indicators import IndicatorTable
from qbresearch.rules.plans import load_plan
from qbresearch.rules.settings import setting
from qbresearch.rules.standards import load_standard

VERDICTS = {"m": "met", "n": "not_met", "u": "undecided"}


def rows(code: str, years: str, *, first: int = 2022, ratios: tuple[float, ...] = (), stage: str = "primary") -> list[dict]:
    """One row a letter: m met, n not met, u undecided; a dot is a year without a row."""
    known = dict(enumerate(ratios))
    return [
        {"school_code": code, "stage": stage, "school_year": first + n, "verdict": VERDICTS[letter], "ratio_min": known.get(n, np.nan)}
        for n, letter in enumerate(years) if letter != "."
    ]


def frame(*groups: list[dict]) -> pd.DataFrame:
    columns = ["school_code", "stage", "school_year", "verdict", "ratio_min"]
    return pd.DataFrame([row for group in groups for row in group], columns=columns)


def one(years: str, *, planned: int, as_of: int = 2024, code: str = "01", **changes) -> pd.Series:
    use = made.use(made.plan(schools=(made.school("甲小学", planned, code=code),)))
    return measure_progress(use, frame(rows("01", years, **changes)), as_of=as_of).tidy().iloc[0]


# --- the timetable of 沁县: cumulative numbers as the annex of the document has them ------------------------------------

CUMULATIVE = {2024: 5, 2025: 10, 2026: 14, 2027: 18, 2028: 22, 2029: 26}


def test_the_timetable_adds_up_as_the_document_does():
    years = measure_progress(load_plan("qinxian-2021"), frame(), as_of=2024).years.set_index("year")
    assert {year: int(years.loc[year, "planned"]) for year in CUMULATIVE} == CUMULATIVE
    assert list(years.loc[list(CUMULATIVE), "planned_new"]) == [5, 5, 4, 4, 4, 4]


@pytest.mark.parametrize("as_of", [2023, 2024, 2029])
def test_schools_with_real_names_and_no_data_stay_undecided(as_of):
    result = measure_progress(load_plan("qinxian-2021"), frame(rows("01", "mmm")), as_of=as_of)
    assert result.counts() == dict.fromkeys(STATES, 0) | {"undecided": 26}
    assert result.years["reached"].isna().all() and result.tidy()["reached"].isna().all()
    assert result.tidy()["slipped"].isna().all() and set(result.tidy()["forecast_state"]) == {"no_forecast"}
    assert "无法判定" in result.summary() and str({2023: 0, 2024: 5, 2029: 26}[as_of]) in result.summary()


# --- states ---------------------------------------------------------------------------------------------------------

CASES = {
    # years of data, planned year: state, reached, slipped
    "met in the planned year": ("nnm", 2024, ("on_time", 2024, 0)),
    "met one year before": ("nmm", 2024, ("early", 2023, 0)),
    "met one year late": ("nnm", 2023, ("late", 2024, 1)),
    "met two years late": ("nnm", 2022, ("late", 2024, 2)),
    "due this year and not met": ("nnn", 2024, ("overdue", None, 0)),
    "due two years ago and not met": ("nnn", 2022, ("overdue", None, 2)),
    "due next year and not met": ("nnn", 2025, ("not_due", None, None)),
    "due next year and met": ("nnm", 2025, ("early", 2024, 0)),
    "met, lost, met again": ("mnm", 2022, ("late", 2024, 2)),
    "met and lost": ("mmn", 2023, ("overdue", None, 1)),
    "no data this year": ("mm.", 2023, ("undecided", None, None)),
    "undecided this year": ("mmu", 2023, ("undecided", None, None)),
    "undecided this year, due next": ("nnu", 2025, ("undecided", None, None)),
    "a missing year before, due at the end": ("n.m", 2024, ("undecided", 2024, None)),
    "an undecided year before that changes nothing": ("num", 2022, ("late", 2024, None)),
    "met in the first year of data, planned then": ("mmm", 2022, ("on_time", 2022, 0)),
    "met in the first year of data, planned before": ("mmm", 2020, ("undecided", 2022, None)),
    "only years ahead": ("...m", 2024, ("undecided", None, None)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_school_is_in_the_state_its_years_say(name):
    years, planned, (state, reached, slipped) = CASES[name]
    row = one(years, planned=planned)
    assert row["state"] == state
    assert (None if np.isnan(row["reached"]) else row["reached"]) == reached
    assert (None if np.isnan(row["slipped"]) else row["slipped"]) == slipped
    assert (row["reason"] != "") == (state == "undecided" or name == "met and lost" or (slipped is None and state != "not_due"))


def test_a_school_without_a_code_is_undecided_whatever_its_name():
    assert one("mmm", planned=2024, code="")["state"] == "undecided"
    assert one("mmm", planned=2024, code="99")["state"] == "undecided"
    use = made.use(made.plan(schools=(made.school("甲小学", 2024),)))
    result = measure_progress(use, frame(rows("", "mmm", ratios=(1.0, 1.0, 1.0))), as_of=2024)
    assert result.tidy()["years"].item() == 0 and result.years["reached"].isna().all()


def test_the_stage_of_the_plan_decides_which_verdict_counts():
    use = made.use(made.plan(schools=(made.school("甲校", 2024, "junior", code="01"),)))
    data = frame(rows("01", "mmm"), rows("01", "nnn", stage="junior"))
    assert measure_progress(use, data, as_of=2024).tidy()["state"].item() == "overdue"


def test_later_years_are_not_used():
    assert one("nnnm", planned=2025, as_of=2024)["state"] == "not_due"
    assert one("nnnm", planned=2025, as_of=2025)["state"] == "on_time"
    assert one("nnnn", planned=2025, as_of=2024, ratios=(0.7, 0.8, 0.9, 0.1))["forecast"] == 2025


# --- years ----------------------------------------------------------------------------------------------------------


def test_numbers_by_year_keep_undecided_apart():
    schools = (made.school("甲", 2022, code="01"), made.school("乙", 2023, code="02"), made.school("丙", 2025, code=""))
    data = frame(rows("01", "nmm"), rows("02", "nun"))
    years = measure_progress(made.use(made.plan(schools=schools)), data, as_of=2024).years.set_index("year")
    assert years["planned"].to_dict() == {2022: 1, 2023: 2, 2024: 2, 2025: 3}
    assert years["reached"].fillna(-1).to_dict() == {2022: 0, 2023: 1, 2024: 1, 2025: -1}
    assert years["early"].fillna(-1).to_dict() == {2022: 0, 2023: 0, 2024: 0, 2025: -1}
    assert years["undecided"].fillna(-1).to_dict() == {2022: 1, 2023: 2, 2024: 1, 2025: -1}
    assert years["behind_least"].fillna(-1).to_dict() == {2022: 1, 2023: 0, 2024: 1, 2025: -1}
    assert years["behind_most"].fillna(-1).to_dict() == {2022: 1, 2023: 1, 2024: 1, 2025: -1}


# --- forecasts ------------------------------------------------------------------------------------------------------

FORECASTS = {
    # ratios of 2022, 2023, 2024: state, year. The line through 0.7, 0.8, 0.9 reaches 1 in 2025 exactly.
    "rising to the next year": ((0.7, 0.8, 0.9), ("forecast", 2025)),
    "rising by less": ((0.7, 0.75, 0.8), ("forecast", 2028)),
    "least squares, not the last two": ((0.5, 0.9, 0.8), ("forecast", 2025)),  # slope .15, mean .7333 in 2023: 2024.78
    "line already above one": ((0.8, 1.3, 0.97), ("forecast", 2025)),
    "the last year of the horizon": ((0.78, 0.8, 0.82), ("forecast", 2033)),  # slope .02, .8 in 2023: 2033
    "within the horizon": ((0.779, 0.798, 0.817), ("forecast", 2034)),  # slope .019, .798 in 2023: 2033.6
    "beyond the horizon": ((0.70, 0.72, 0.74), ("not_in_sight", None)),  # slope .02, .72 in 2023: 2037
    "level": ((0.8, 0.8, 0.8), ("not_in_sight", None)),
    "falling": ((0.9, 0.8, 0.7), ("not_in_sight", None)),
    "two years": ((0.7, 0.8), ("no_forecast", None)),
    "none": ((), ("no_forecast", None)),
}


@pytest.mark.parametrize("name", FORECASTS)
def test_a_forecast_follows_the_trend(name):
    ratios, (state, year) = FORECASTS[name]
    row = one("nnn", planned=2024, ratios=ratios)
    assert row["forecast_state"] == state
    assert (None if np.isnan(row["forecast"]) else row["forecast"]) == year
    assert row["years"] == len(ratios)


@pytest.mark.parametrize(("planned", "late"), [(2024, 4), (2028, 0), (2030, 0)])
def test_the_trend_is_set_against_the_year_of_the_plan(planned, late):
    assert one("nnn", planned=planned, ratios=(0.7, 0.75, 0.8))["expected_late"] == late
    assert np.isnan(one("nnn", planned=planned, ratios=(0.8, 0.8, 0.8))["expected_late"])


def test_a_school_stands_under_its_name_in_the_data():
    use = made.use(made.plan(schools=(made.school("某县甲小学", 2024, code="01"), made.school("某县乙小学", 2024))))
    table = measure_progress(use, frame(rows("01", "nnm")), as_of=2024, names={"01": "模拟小学"}).tidy()
    assert table[["school", "planned_school"]].to_numpy().tolist() == [["模拟小学", "某县甲小学"], ["某县乙小学", "某县乙小学"]]


def test_a_school_that_meets_the_standard_needs_no_forecast():
    row = one("nnm", planned=2024, ratios=(0.8, 0.9, 1.0))
    assert (row["forecast_state"], np.isnan(row["forecast"]), row["ratio"]) == ("", True, 1.0)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(0.1, 0.99), min_size=3, max_size=3), st.integers(1, 5))
def test_the_line_is_that_of_numpy_and_moves_with_the_years(ratios, years):
    row = one("nnn", planned=2024, ratios=tuple(ratios))
    slope, intercept = np.polyfit([-1.0, 0.0, 1.0], ratios, 1)
    assert row["trend"] == pytest.approx(slope, abs=1e-12)
    if slope > 1e-6:
        year = max(2025, np.ceil(2023 + (1 - intercept) / slope - 1e-9))
        assert row["forecast"] == year if year <= 2024 + setting("forecast_horizon") else np.isnan(row["forecast"])
        later = one("nnn", planned=2024, first=2022 + years, as_of=2024 + years, ratios=tuple(ratios))
        assert later["forecast"] == pytest.approx(row["forecast"] + years, nan_ok=True)


@settings(max_examples=20, deadline=None)
@given(st.text("mnu.", min_size=1, max_size=5), st.integers(2021, 2028))
def test_filling_in_what_is_missing_never_contradicts_a_state(years, planned):
    """Whatever the open years turn out to be, a state that was said is the one that comes out."""
    said = one(years, planned=planned, as_of=2022 + len(years) - 1)["state"]
    for full in ("m", "n"):
        filled = years.replace("u", full).replace(".", full)
        found = one(filled, planned=planned, as_of=2022 + len(years) - 1)["state"]
        assert said in ("undecided", found) or years[0] in "u." or found == "undecided"


# --- verdicts of schools from the resource part -------------------------------------------------------------------------

STANDARD = load_standard("national-2017", on=date(2023, 9, 1))


def indicator_table(ratios: np.ndarray) -> IndicatorTable:
    """Primary schools whose values are these multiples of the thresholds."""
    codes = tuple(i.code for i in STANDARD.indicators)
    limits = np.array([STANDARD.threshold(code, "primary").value for code in codes])
    n, scale = len(ratios), np.array([i.scale for i in STANDARD.indicators])
    keys = pd.DataFrame({
        "county_code": "1", "county_name": "甲县", "school_year": 2023, "school_code": [f"{k:02d}" for k in range(n)],
        "school_name": [f"学校{k}" for k in range(n)], "stage": "primary",
    })  # fmt: skip
    values, students = ratios * limits, np.full(n, 1000.0)
    return IndicatorTable(keys, students, values * students[:, None] / scale, values, np.ones(n), STANDARD)


def test_the_ratio_reaches_one_exactly_when_the_rule_is_met():
    ratios = np.ones((5, 7))
    ratios[1, 0] = 0.85  # six met, the seventh on the floor
    ratios[2, 0] = 0.84  # below the floor
    ratios[3, :2] = 0.95  # five met
    ratios[4, 0] = np.nan
    table = school_verdicts(assess(indicator_table(ratios)))
    assert list(table["verdict"]) == ["met", "met", "not_met", "not_met", "undecided"]
    assert list(table["ratio_min"].round(6))[:4] == [1.0, 1.0, round(0.84 / 0.85, 6), 0.95]
    assert np.isnan(table["ratio_min"].iloc[4])


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(0.5, 1.5), min_size=7, max_size=7))
def test_ratio_and_verdict_agree(ratios):
    row = school_verdicts(assess(indicator_table(np.array([ratios])))).iloc[0]
    assert (row["verdict"] == "met") == (row["ratio_min"] >= 1 - 1e-12)


# --- refusals, words, plain data ------------------------------------------------------------------------------------------


def test_a_plan_without_a_timetable_is_refused():
    with pytest.raises(InputError, match="没有学校进度表"):
        measure_progress(made.use(made.plan(schools=())), frame(), as_of=2024)


def test_a_missing_column_and_a_school_twice_are_refused():
    with pytest.raises(InputError, match="没有 ratio_min"):
        measure_progress(made.use(), frame().drop(columns="ratio_min"), as_of=2024)
    with pytest.raises(InputError, match="同一学校同一学年有两行"):
        measure_progress(made.use(), frame(rows("01", "m"), rows("01", "n")), as_of=2024)


def test_summaries_and_plain_data():
    schools = (made.school("甲", 2022, code="01"), made.school("乙", 2023, code="02"))
    data = frame(rows("01", "nmm", ratios=(0.8, 1.0, 1.1)), rows("02", "nnn", ratios=(0.7, 0.8, 0.9)))
    result = measure_progress(made.use(made.plan(schools=schools)), data, as_of=2024)
    assert result.summary() == "甲县方案：到 2024 年应有 2 所（共 2 所）达标，已达标 1 所"
    plain = json.loads(json.dumps(result.to_dict()))
    assert plain["schools"][0]["forecast"] is None and plain["schools"][1]["forecast"] == 2025
    with speaking("en"):
        assert result.summary().startswith("Plan of county A") or "2 of 2 schools planned" in result.summary()
        assert set(forecast_words()) == {"not_in_sight", "no_forecast"}


def test_progress_draws_itself():
    schools = (made.school("甲", 2022, code="01"), made.school("乙", 2023, code="02"))
    data = frame(rows("01", "nmm"), rows("02", "nnn", ratios=(0.7, 0.8, 0.9)))
    result = measure_progress(made.use(made.plan(schools=schools)), data, as_of=2024)
    assert result.plot().get_ylabel() == "学校（所）"
    assert [label.get_text() for label in result.plot_schools().get_yticklabels()] == ["甲", "乙"]
