"""Laws that verdicts obey: exact thresholds, missing values, the school rule, fragility, shortfalls."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbresearch.results.resources.attainment import (
    MET,
    NO_RULE,
    NOT_MET,
    UNDECIDED,
    assess,
    at_least,
    at_most,
    judge_schools,
    round_half_up,
)
from qbresearch.results.resources.indicators import IndicatorTable
from qbresearch.results.resources.needs import sum_shortfalls
from qbresearch.rules.standards import CV, load_standard
from qbresearch.statistics.dispersion import coefficient_of_variation

NATIONAL = load_standard("national-2017", on=date(2023, 9, 1))
STAGES = ("primary", "junior")
SCALE = np.array([i.scale for i in NATIONAL.indicators])
SHARED = np.array([i.shared for i in NATIONAL.indicators])
WHOLE = np.array([i.whole_units for i in NATIONAL.indicators])
K = len(SCALE)
FLOOR = 0.85


def thresholds_of(stage: str) -> np.ndarray:
    return np.array([NATIONAL.threshold(i.code, stage).value for i in NATIONAL.indicators])


def table_of(numerators, students, shares=None, *, stage: str = "primary", counties=None) -> IndicatorTable:
    """A table with these numerators; one row a school of one year and stage."""
    numerators, students = np.asarray(numerators, dtype=float), np.asarray(students, dtype=float)
    n = len(students)
    shares = np.ones(n) if shares is None else np.asarray(shares, dtype=float)
    keys = pd.DataFrame(
        {
            "county_code": ["990001"] * n if counties is None else counties,
            "school_year": [2023] * n,
            "school_code": [f"{i:010d}" for i in range(n)],
            "stage": pd.Categorical([stage] * n, categories=STAGES),
        }
    )
    values = SCALE * numerators / students[:, None]
    return IndicatorTable(keys, students, numerators, values, shares, NATIONAL)


def around_thresholds(stage: str, ratios, students) -> IndicatorTable:
    """Schools whose values are these multiples of the thresholds."""
    ratios, students = np.asarray(ratios, dtype=float), np.asarray(students, dtype=float)
    return table_of(ratios * thresholds_of(stage) * students[:, None] / SCALE, students, stage=stage)


stages = st.sampled_from(STAGES)
students_of_a_school = st.integers(20, 3000)
ratio = st.sampled_from([0.0, 0.5, 0.849, 0.85, 0.86, 0.99, 1.0, 1.01, 1.5])
ratio_or_missing = st.one_of(ratio, st.just(np.nan))


# --- exact thresholds -----------------------------------------------------------------------------------------------


def test_a_threshold_computed_as_a_quotient_is_reached() -> None:
    assert 9 / 1000 * 100 < 0.9  # 0.8999999999999999
    assert at_least(9 / 1000 * 100, 0.9)
    assert at_least(21 / 500 * 100, 4.2) and at_most(21 / 500 * 100, 4.2)
    assert not at_least(4.2 * (1 - 1e-9), 4.2)


@given(st.integers(1, 100_000), st.integers(1, 1000))
def test_a_count_that_is_exactly_the_threshold_reaches_it_and_one_billionth_less_does_not(tenths, hundreds) -> None:
    students = 1000 * hundreds
    count = tenths * hundreds
    threshold = tenths / 10
    for value in (count / students * 100, 100 * count / students, 100 * (count / students)):
        assert at_least(value, threshold) and at_most(value, threshold)
        assert not at_least(value * (1 - 1e-9), threshold)
        assert not at_most(value * (1 + 1e-9), threshold)


@given(st.floats(0, 1e6), st.floats(1e-3, 1e6))
def test_only_equal_numbers_are_both_at_least_and_at_most(value, threshold) -> None:
    assert at_least(value, threshold) or at_most(value, threshold)
    if at_least(value, threshold) and at_most(value, threshold):
        assert value == pytest.approx(threshold, rel=1e-11)
    assert not at_least(np.nan, threshold) and not at_most(np.nan, threshold)


@given(st.integers(0, 10**7), st.integers(0, 4))
def test_halves_are_rounded_away_from_zero(thousandths, decimals) -> None:
    value = thousandths / 10_000
    whole, rest = divmod(thousandths * 10**decimals, 10_000)
    expected = (whole + (rest >= 5_000)) / 10**decimals
    assert round_half_up(value, decimals) == expected
    assert round_half_up(-value, decimals) == -expected


@given(stages, st.integers(1, 60))
def test_every_threshold_of_the_standard_is_met_by_the_exact_count(stage, hundreds) -> None:
    students = 1000.0 * hundreds
    exact = np.round(thresholds_of(stage) * students / SCALE)  # whole numbers for every threshold
    judged = judge_schools(table_of([exact, exact * (1 - 1e-9)], [students, students], stage=stage))
    assert (judged.indicator[0] == MET).all() and (judged.shortfall[0] == 0).all()
    assert (judged.indicator[1] == NOT_MET).all() and (judged.shortfall[1] > 0).all()


# --- missing values -------------------------------------------------------------------------------------------------


@given(stages, st.lists(st.tuples(st.lists(ratio_or_missing, min_size=K, max_size=K), students_of_a_school),
                        min_size=1, max_size=4), st.data())
@settings(max_examples=50)
def test_filling_in_missing_values_only_decides_what_was_undecided(stage, schools, data) -> None:
    gaps = around_thresholds(stage, [r for r, _ in schools], [p for _, p in schools])
    full = [[data.draw(ratio) if np.isnan(v) else v for v in r] for r, _ in schools]
    filled = around_thresholds(stage, full, [p for _, p in schools])
    before, after = assess(gaps), assess(filled)
    for one, other in (
        (before.schools.indicator, after.schools.indicator),
        (before.schools.school, after.schools.school),
        (before.units.indicator, after.units.indicator),
    ):
        decided = one != UNDECIDED
        np.testing.assert_array_equal(one[decided], other[decided])
    for verdict in ("schools_verdict", "cv_verdict", "verdict"):
        was, now = before.county_table()[verdict].iloc[0], after.county_table()[verdict].iloc[0]
        assert was in ("undecided", now)
    assert not (after.schools.indicator == UNDECIDED).any() and not (after.schools.school == UNDECIDED).any()


@given(st.integers(0, 6), st.lists(students_of_a_school, min_size=2, max_size=5))
@settings(max_examples=30)
def test_filling_in_missing_students_only_decides_what_was_undecided(column, students) -> None:
    ratios = np.tile([1.0, 1.1, 0.9, 1.2, 1.3, 1.0, 1.0], (len(students), 1))
    ratios[:, column] = np.linspace(0.1, 2, len(students))
    full = around_thresholds("primary", ratios, students)
    unknown = table_of(full.numerators, [np.nan, *students[1:]])
    before, after = assess(unknown), assess(full)
    assert before.schools.school[0] == UNDECIDED
    np.testing.assert_array_equal(before.schools.school[1:], after.schools.school[1:])
    assert (before.units.indicator == UNDECIDED).all()
    was, now = before.county_table()["verdict"].iloc[0], after.county_table()["verdict"].iloc[0]
    assert was in ("undecided", now)


# --- the school rule ------------------------------------------------------------------------------------------------


def passes(ratios) -> bool:
    """The rule itself: at least six reach the standard, and the others reach 85 % of it."""
    return sum(r >= 1 for r in ratios) >= 6 and all(r >= FLOOR for r in ratios)


@given(stages, st.lists(ratio, min_size=K, max_size=K), students_of_a_school)
def test_a_school_with_all_its_data_is_judged_by_the_rule(stage, ratios, students) -> None:
    judged = judge_schools(around_thresholds(stage, [ratios], [students]))
    assert judged.school[0] == (MET if passes(ratios) else NOT_MET)
    assert judged.met_count[0] == sum(r >= 1 for r in ratios)
    assert judged.below_floor[0].tolist() == [r < FLOOR for r in ratios]


@given(stages, st.lists(st.one_of(st.sampled_from([0.8, 0.9, 1.0, 1.2]), st.just(np.nan)), min_size=K, max_size=K))
def test_a_school_is_undecided_exactly_where_some_completion_passes_and_some_fails(stage, ratios) -> None:
    gaps = [i for i, r in enumerate(ratios) if np.isnan(r)]
    outcomes = set()
    for filling in product([0.8, 0.9, 1.0], repeat=len(gaps)):
        complete = list(ratios)
        for i, value in zip(gaps, filling, strict=True):
            complete[i] = value
        outcomes.add(passes(complete))
    expected = UNDECIDED if len(outcomes) == 2 else MET if outcomes == {True} else NOT_MET
    assert judge_schools(around_thresholds(stage, [ratios], [500])).school[0] == expected


def test_every_pattern_of_met_missing_and_low_indicators_is_judged_as_its_completions_say() -> None:
    """All 4^7 patterns at once: met, short but above the floor, below the floor, missing."""
    patterns = np.array(list(product([1.0, 0.9, 0.8, np.nan], repeat=K)))
    judged = judge_schools(around_thresholds("junior", patterns, np.full(len(patterns), 400)))
    unknown = np.isnan(patterns).sum(axis=1)
    met, low = (patterns >= 1).sum(axis=1), (patterns < FLOOR).any(axis=1)
    can_pass = (met + unknown >= 6) & ~low
    can_fail = ~((met >= 6) & ~low) | (unknown > 0)
    expected = np.where(can_pass & can_fail, UNDECIDED, np.where(can_pass, MET, NOT_MET))
    np.testing.assert_array_equal(judged.school, expected)


# --- resources ------------------------------------------------------------------------------------------------------


RANK = {NOT_MET: 0, UNDECIDED: 1, MET: 2}


@given(stages, st.lists(ratio_or_missing, min_size=K, max_size=K), students_of_a_school,
       st.lists(st.floats(0, 2), min_size=K, max_size=K))
def test_more_resources_never_worsen_a_verdict(stage, ratios, students, more) -> None:
    before = judge_schools(around_thresholds(stage, [ratios], [students]))
    after = judge_schools(around_thresholds(stage, [np.add(ratios, more)], [students]))
    assert RANK[after.school[0]] >= RANK[before.school[0]]
    assert all(RANK[b] >= RANK[a] for a, b in zip(before.indicator[0], after.indicator[0], strict=True))
    known = ~np.isnan(ratios)
    assert (after.shortfall[0][known] <= before.shortfall[0][known]).all()


@given(stages, st.lists(st.tuples(st.lists(ratio_or_missing, min_size=K, max_size=K), students_of_a_school),
                        min_size=1, max_size=4))
@settings(max_examples=50)
def test_adding_exactly_the_shortfall_makes_every_known_indicator_met(stage, schools) -> None:
    table = around_thresholds(stage, [r for r, _ in schools], [p for _, p in schools])
    before = judge_schools(table)
    known = ~np.isnan(table.values)
    assert (before.shortfall[known] >= 0).all() and np.isnan(before.shortfall[~known]).all()
    assert ((before.shortfall > 0) == (before.indicator == NOT_MET))[known].all()
    after = judge_schools(table_of(table.numerators + before.shortfall, table.students, stage=stage))
    assert (after.indicator[known] == MET).all()
    lacking = before.indicator == NOT_MET
    almost = judge_schools(table_of(table.numerators + 0.999 * before.shortfall, table.students, stage=stage))
    assert (almost.indicator[lacking] == NOT_MET).all()
    needs = sum_shortfalls(assess(table)).set_index("indicator")
    assert needs["shortfall"].to_numpy() == pytest.approx(np.nansum(before.shortfall, axis=0), rel=1e-12)
    assert needs["schools"].tolist() == lacking.sum(axis=0).tolist()
    assert needs["undecided"].tolist() == (~known).sum(axis=0).tolist()


# --- fragility ------------------------------------------------------------------------------------------------------

# Few people and things in small schools, so that one more or less often decides.
small_schools = st.lists(
    st.tuples(
        st.lists(st.integers(0, 12), min_size=K, max_size=K),
        st.integers(20, 400),
        st.sampled_from([1.0, 1.0, 0.25, 0.5, 0.8]),
    ),
    min_size=1, max_size=5,
)


def small_table(schools, stage: str) -> IndicatorTable:
    students = np.array([float(p) for _, p, _ in schools])
    shares = np.array([s for _, _, s in schools])
    counts = np.array([c for c, _, _ in schools], dtype=float)
    numerators = np.where(SHARED, counts * shares[:, None], counts)
    return table_of(numerators, students, shares, stage=stage)


def two_decimals(value: float) -> float:
    return np.floor(value * 100 * (1 + 1e-12) + 0.5) / 100


@given(small_schools, stages)
def test_a_school_indicator_is_fragile_exactly_where_rounding_or_one_more_or_less_turns_it(schools, stage) -> None:
    table = small_table(schools, stage)
    judged, thresholds = judge_schools(table), thresholds_of(stage)
    for i, (_, p, share) in enumerate(schools):
        for k in range(K):
            a = table.numerators[i, k]
            verdict = at_least(SCALE[k] * a / p, thresholds[k])
            assert (judged.indicator[i, k] == MET) == verdict
            others = [two_decimals(SCALE[k] * a / p)]
            if WHOLE[k]:
                one = share if SHARED[k] else 1.0
                others += [SCALE[k] * b / p for b in (a + one, a - one) if b >= -1e-9]
            assert judged.fragile[i, k] == any(at_least(v, thresholds[k]) != verdict for v in others), (i, k)


@given(small_schools, stages)
def test_a_county_indicator_is_fragile_exactly_where_rounding_or_one_more_or_less_in_one_school_turns_it(
    schools, stage
) -> None:
    table = small_table(schools, stage)
    cap = NATIONAL.cap(CV, stage).value
    result = assess(table)
    for k in range(K):
        a, p = table.numerators[:, k], table.students
        if a.sum() == 0:
            assert result.units.indicator[0, k] == UNDECIDED and not result.units.fragile[0, k]
            continue
        cv = coefficient_of_variation(a / p, p)
        verdict = at_most(cv, cap)
        assert (result.units.indicator[0, k] == MET) == verdict
        others = [two_decimals(cv)]
        for i in range(len(a) if WHOLE[k] else 0):
            one = table.shares[i] if SHARED[k] else 1.0
            for step in (one, -one):
                changed = a.copy()
                changed[i] = max(changed[i] + step, 0.0) if changed[i] + step > -1e-9 else np.nan
                if changed[i] >= 0 and changed.sum() > 1e-9:
                    others.append(coefficient_of_variation(changed / p, p))
        assert result.units.fragile[0, k] == any(at_most(v, cap) != verdict for v in others), (k, cv, others)


def test_the_fragility_examples_hold_both_answers() -> None:
    """Guards the two tests above: among such schools both fragile and firm verdicts occur, up and down."""
    rng = np.random.default_rng(5)
    seen = set()
    for _ in range(60):
        n = rng.integers(2, 5)
        schools = [(rng.integers(0, 13, K), int(rng.integers(20, 400)), 1.0) for _ in range(n)]
        result = assess(small_table(schools, "primary"))
        seen |= set(zip(result.units.indicator.ravel().tolist(), result.units.fragile.ravel().tolist(), strict=True))
        seen |= {(v + 10, f) for v, f in zip(result.schools.indicator.ravel().tolist(),
                                             result.schools.fragile.ravel().tolist(), strict=True)}
    assert {(v, f) for v in (MET, NOT_MET, MET + 10, NOT_MET + 10) for f in (True, False)} <= seen


@given(small_schools, stages)
def test_a_school_is_fragile_exactly_where_one_step_in_one_indicator_turns_its_verdict(schools, stage) -> None:
    # Numbers near the thresholds, so that schools pass and fail by little.
    table = small_table(schools, stage)
    needed = np.ceil(thresholds_of(stage) * table.students[:, None] / SCALE)
    near = needed + np.array([c for c, _, _ in schools]) % 4 - 2
    table = table_of(np.maximum(near, 0.0), table.students, stage=stage)
    judged, thresholds = judge_schools(table), thresholds_of(stage)
    for i, p in enumerate(table.students):
        values = SCALE * table.numerators[i] / p
        verdict = passes(values / thresholds + 1e-11)
        assert (judged.school[i] == MET) == verdict
        turns = []
        for k in range(K):
            steps = [two_decimals(values[k])]
            if WHOLE[k]:
                count = table.numerators[i, k]
                steps += [SCALE[k] * b / p for b in (count + 1, count - 1) if b >= 0]
            for value in steps:
                changed = values.copy()
                changed[k] = value
                turns.append(passes(changed / thresholds + 1e-11) != verdict)
        assert judged.school_fragile[i] == any(turns)


@given(small_schools, small_schools)
@settings(max_examples=50)
def test_fragility_of_one_county_does_not_depend_on_another(first, second) -> None:
    alone = assess(small_table(first, "primary"))
    both = small_table([*first, *second], "primary")
    counties = ["990001"] * len(first) + ["990002"] * len(second)
    together = assess(replace(both, keys=both.keys.assign(county_code=counties)))
    np.testing.assert_array_equal(alone.units.fragile[0], together.units.fragile[0])
    np.testing.assert_array_equal(alone.units.indicator[0], together.units.indicator[0])
    np.testing.assert_array_equal(alone.schools.fragile, together.schools.fragile[: len(first)])


# --- no rule --------------------------------------------------------------------------------------------------------


@given(small_schools)
@settings(max_examples=20)
def test_without_limits_nothing_is_judged(schools) -> None:
    bare = replace(NATIONAL, thresholds={}, caps={}, rules={})
    result = assess(replace(small_table(schools, "primary"), standard=bare))
    assert (result.schools.indicator == NO_RULE).all() and (result.schools.school == NO_RULE).all()
    assert (result.units.indicator == NO_RULE).all() and (result.units.composite == NO_RULE).all()
    assert not result.schools.fragile.any() and not result.units.fragile.any()
    verdicts = result.county_table()[["schools_verdict", "cv_verdict", "composite_verdict", "verdict"]]
    assert verdicts.eq("").to_numpy().all()
