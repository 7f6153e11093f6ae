"""Laws that the coefficient of variation obeys whatever the schools are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qbresearch.statistics.dispersion import (
    between_within,
    coefficient_of_variation,
    composite_coefficient_of_variation,
    grouped_moments,
    weighted_mean,
    weighted_standard_deviation,
)

NOISE = 1e-12
positive = st.floats(0.01, 1e4)
pupils = st.integers(1, 3000)
school = st.tuples(positive, pupils)
counties = st.lists(school, min_size=1, max_size=12)
larger_counties = st.lists(school, min_size=2, max_size=12)


def arrays(county: list[tuple[float, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([x for x, _ in county]), np.array([float(p) for _, p in county])


def same(expected: float):
    """Equal up to rounding; a coefficient of variation near zero is noise of the size of the mean's last digits."""
    return pytest.approx(expected, rel=1e-9, abs=1e-14)


# --- units, order, replication, merging -----------------------------------------------------------------------------


@given(counties, st.floats(1e-6, 1e6))
def test_the_unit_of_measurement_does_not_matter(county, factor) -> None:
    x, p = arrays(county)
    assert coefficient_of_variation(factor * x, p) == same(coefficient_of_variation(x, p))
    assert weighted_mean(factor * x, p) == pytest.approx(factor * weighted_mean(x, p), rel=1e-12)


@given(counties, st.integers(1, 1000))
def test_only_the_proportions_of_students_matter(county, factor) -> None:
    x, p = arrays(county)
    assert coefficient_of_variation(x, factor * p) == same(coefficient_of_variation(x, p))


@given(st.data(), counties)
def test_the_order_of_schools_does_not_matter(data, county) -> None:
    mixed = data.draw(st.permutations(county))
    assert coefficient_of_variation(*arrays(mixed)) == same(coefficient_of_variation(*arrays(county)))
    assert weighted_mean(*arrays(mixed)) == pytest.approx(weighted_mean(*arrays(county)), rel=1e-12)


@given(counties, st.integers(2, 5))
def test_every_school_several_times_over_gives_the_same(county, times) -> None:
    x, p = arrays(county)
    many = np.tile(x, times), np.tile(p, times)
    assert coefficient_of_variation(*many) == same(coefficient_of_variation(x, p))
    assert weighted_standard_deviation(*many) == pytest.approx(
        weighted_standard_deviation(x, p), rel=1e-9, abs=1e-14 * x.max()
    )


@given(counties, st.data())
def test_a_school_cut_into_two_equal_halves_gives_the_same(county, data) -> None:
    x, p = arrays(county)
    cut = data.draw(st.integers(0, len(x) - 1))
    totals = x * p
    halved = np.append(totals, totals[cut] / 2), np.append(p, p[cut] / 2)
    halved[0][cut] /= 2
    halved[1][cut] /= 2
    assert coefficient_of_variation(halved[0] / halved[1], halved[1]) == same(coefficient_of_variation(x, p))


@given(counties)
def test_a_school_without_students_changes_nothing(county) -> None:
    x, p = arrays(county)
    assert coefficient_of_variation(np.append(x, 1e5), np.append(p, 0)) == same(coefficient_of_variation(x, p))


@given(counties)
def test_the_mean_is_the_county_total_over_its_students(county) -> None:
    x, p = arrays(county)
    assert weighted_mean(x, p) == pytest.approx((x * p).sum() / p.sum(), rel=1e-12)
    assert x.min() * (1 - NOISE) <= weighted_mean(x, p) <= x.max() * (1 + NOISE)


# --- what raises and lowers it --------------------------------------------------------------------------------------


@given(counties, pupils)
def test_a_further_school_at_the_mean_keeps_the_mean_and_never_raises_the_dispersion(county, students) -> None:
    x, p = arrays(county)
    more = np.append(x, weighted_mean(x, p)), np.append(p, students)
    assert weighted_mean(*more) == pytest.approx(weighted_mean(x, p), rel=1e-12)
    before, after = coefficient_of_variation(x, p), coefficient_of_variation(*more)
    assert after <= before + NOISE
    # The deviation shrinks by the share of students that were there before.
    assert after == same(before * np.sqrt(p.sum() / (p.sum() + students)))


@given(larger_counties, st.floats(0, 1))
def test_raising_the_lowest_school_up_to_the_mean_never_raises_the_dispersion(county, part) -> None:
    """With m the mean and E the mean square, d(1 + CV²)/dx = 2w(xm - E)/m³ <= 0 as long as x <= m, since E >= m²."""
    x, p = arrays(county)
    before = coefficient_of_variation(x, p)
    lowest = x.argmin()
    raised = x.copy()
    raised[lowest] += part * max(weighted_mean(x, p) - x[lowest], 0.0)
    assert coefficient_of_variation(raised, p) <= before + NOISE


@given(larger_counties, st.data(), st.floats(0, 1))
def test_raising_any_school_below_the_mean_up_to_it_never_raises_the_dispersion(county, data, part) -> None:
    x, p = arrays(county)
    mean = weighted_mean(x, p)
    chosen = data.draw(st.sampled_from(np.flatnonzero(x <= max(x.mean(), x.min())).tolist()))
    assume(x[chosen] <= mean)
    raised = x.copy()
    raised[chosen] += part * (mean - x[chosen])
    assert coefficient_of_variation(raised, p) <= coefficient_of_variation(x, p) + NOISE


@given(larger_counties, st.floats(0.01, 1))
def test_a_transfer_from_a_richer_to_a_poorer_school_never_raises_the_dispersion(county, part) -> None:
    """An amount of the resource moves from the richest school to the poorest without the two changing places."""
    x, p = arrays(county)
    rich, poor = x.argmax(), x.argmin()
    assume(x[rich] > x[poor] * (1 + 1e-6))
    # Moving t lowers the richer by t / p and raises the poorer by t / p; they are equal at the full amount.
    amount = part * (x[rich] - x[poor]) / (1 / p[rich] + 1 / p[poor])
    moved = x.copy()
    moved[rich] -= amount / p[rich]
    moved[poor] += amount / p[poor]
    assert weighted_mean(moved, p) == pytest.approx(weighted_mean(x, p), rel=1e-9)
    before, after = coefficient_of_variation(x, p), coefficient_of_variation(moved, p)
    assert after < before + NOISE
    if part > 0.1 and before > 1e-3 and len(x) == 2:
        assert after < before


@given(larger_counties, st.floats(1.01, 10))
def test_raising_the_richest_school_never_lowers_the_dispersion_when_it_already_lies_far_above(county, factor) -> None:
    """The same derivative is positive where x > E / m."""
    x, p = arrays(county)
    top = x.argmax()
    assume(x[top] >= np.dot(p, x * x) / np.dot(p, x))
    raised = x.copy()
    raised[top] *= factor
    assert coefficient_of_variation(raised, p) >= coefficient_of_variation(x, p) - NOISE


# --- bounds ---------------------------------------------------------------------------------------------------------


@given(positive, st.lists(pupils, min_size=1, max_size=12))
def test_equal_schools_do_not_differ(value, students) -> None:
    assert coefficient_of_variation([value] * len(students), students) == pytest.approx(0, abs=1e-14)
    assert weighted_mean([value] * len(students), students) == pytest.approx(value, rel=1e-13)


@given(positive, pupils)
def test_one_school_does_not_differ_from_itself(value, students) -> None:
    assert coefficient_of_variation([value], [students]) == pytest.approx(0, abs=1e-15)


@given(st.lists(st.tuples(st.floats(0, 1e4), pupils), min_size=1, max_size=12))
def test_the_coefficient_lies_between_zero_and_that_of_one_school_having_everything(county) -> None:
    x, p = arrays(county)
    assume(np.dot(p, x) > 1e-6)
    cv = coefficient_of_variation(x, p)
    assert 0 <= cv <= np.sqrt(p.sum() / p.min() - 1) * (1 + 1e-9) + NOISE


@given(larger_counties)
def test_the_dispersion_is_the_deviation_over_the_mean_and_zero_only_where_schools_are_equal(county) -> None:
    x, p = arrays(county)
    cv = coefficient_of_variation(x, p)
    assert cv == same(weighted_standard_deviation(x, p) / weighted_mean(x, p))
    if np.ptp(x) > 1e-3 * x.max():
        assert cv > 1e-6


@given(st.lists(st.floats(0, 5), min_size=1, max_size=8))
def test_the_composite_lies_between_the_smallest_and_the_largest(cvs) -> None:
    composite = composite_coefficient_of_variation(cvs)
    assert min(cvs) - NOISE <= composite <= max(cvs) + NOISE
    assert composite * len(cvs) == pytest.approx(sum(cvs), rel=1e-12, abs=1e-300)


# --- groups ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(positive, pupils, st.sampled_from("城镇乡")), min_size=1, max_size=15))
def test_between_and_within_groups_add_up_to_the_whole(county) -> None:
    x, p = arrays([(a, b) for a, b, _ in county])
    between, within = between_within(x, p, [g for _, _, g in county])
    assert between >= 0 and within >= 0
    assert between + within == pytest.approx(coefficient_of_variation(x, p) ** 2, rel=1e-9, abs=1e-26)


@given(counties)
def test_one_group_has_nothing_between_and_single_schools_have_nothing_within(county) -> None:
    x, p = arrays(county)
    assert between_within(x, p, ["全县"] * len(x))[0] == pytest.approx(0, abs=1e-26)
    assert between_within(x, p, list(range(len(x))))[1] == pytest.approx(0, abs=1e-26)


many_rows = st.lists(
    st.tuples(st.integers(0, 4), pupils, st.lists(st.one_of(positive, st.just(np.nan)), min_size=3, max_size=3)),
    min_size=1, max_size=30,
)


@given(many_rows)
def test_many_groups_at_once_are_each_group_alone(rows) -> None:
    groups = np.array([g for g, _, _ in rows])
    students = np.array([float(p) for _, p, _ in rows])
    values = np.array([v for _, _, v in rows])
    _, groups = np.unique(groups, return_inverse=True)
    moments = grouped_moments(values, students, groups, groups.max() + 1)
    for g in range(groups.max() + 1):
        here = groups == g
        assert moments.schools[g] == here.sum()
        assert moments.students[g] == students[here].sum()
        for k in range(values.shape[1]):
            x = values[here, k]
            assert moments.missing[g, k] == np.isnan(x).sum()
            if np.isnan(x).any():
                assert np.isnan([moments.mean[g, k], moments.sd[g, k], moments.cv[g, k]]).all()
                continue
            assert moments.mean[g, k] == pytest.approx(weighted_mean(x, students[here]), rel=1e-12)
            assert moments.sd[g, k] == pytest.approx(
                weighted_standard_deviation(x, students[here]), rel=1e-9, abs=1e-14 * x.max()
            )
            assert moments.cv[g, k] == same(coefficient_of_variation(x, students[here]))


@given(many_rows, st.integers(0, 2))
def test_a_missing_value_in_one_group_leaves_the_others_alone(rows, column) -> None:
    groups = np.array([g for g, _, _ in rows])
    students = np.array([float(p) for _, p, _ in rows])
    values = np.nan_to_num(np.array([v for _, _, v in rows]), nan=1.0)
    with_gap = values.copy()
    with_gap[0, column] = np.nan
    full, gap = grouped_moments(values, students, groups, 5), grouped_moments(with_gap, students, groups, 5)
    other = np.ones(full.cv.shape, dtype=bool)
    other[groups[0], column] = False
    np.testing.assert_array_equal(full.cv[other], gap.cv[other])
    np.testing.assert_array_equal(full.missing[other], gap.missing[other])
    assert np.isnan(gap.cv[groups[0], column]) and gap.missing[groups[0], column] == 1
