"""Laws that means, variance parts, pooled values and ordered probit obey whatever the schools are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qbresearch.statistics.dispersion import weighted_standard_deviation
from qbresearch.statistics.ordered_probit import fit_ordered_probit
from qbresearch.statistics.plausible_values import pool
from qbresearch.statistics.spread import spreads_by_group
from qbresearch.statistics.survey import clustered_ratio, clustered_share
from qbresearch.statistics.variance import null_model, null_models

few = settings(max_examples=30)
score = st.floats(1, 600).map(lambda v: round(v, 3))
school = st.tuples(st.integers(2, 200), score, st.floats(1, 1e4))
counties = st.lists(school, min_size=3, max_size=12)


def arrays(county) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n, mean, spread = (np.array(column, dtype=float) for column in zip(*county, strict=True))
    return n, mean, spread * (n - 1)


def same(expected, tolerance: float = 1e-7):
    return pytest.approx(expected, rel=tolerance, abs=1e-9)


# --- survey ---------------------------------------------------------------------------------------------------------


@few
@given(counties, st.floats(0.01, 100), st.floats(-500, 500))
def test_a_mean_and_its_error_move_with_the_scale_of_the_scores(county, factor, shift) -> None:
    n, mean, _ = arrays(county)
    plain, moved = clustered_ratio(n * mean, n), clustered_ratio(n * (factor * mean + shift), n)
    assert moved.estimate == pytest.approx(factor * plain.estimate + shift, rel=1e-9, abs=1e-6)
    assert moved.se == pytest.approx(factor * plain.se, rel=1e-6, abs=1e-7)


@few
@given(counties, st.floats(0.01, 100))
def test_only_proportions_of_weights_matter(county, factor) -> None:
    n, mean, _ = arrays(county)
    plain, scaled = clustered_ratio(n * mean, n), clustered_ratio(factor * n * mean, factor * n)
    assert (scaled.estimate, scaled.se, scaled.df) == same((plain.estimate, plain.se, plain.df))


@few
@given(counties, st.integers(1, 5))
def test_more_schools_in_the_population_never_make_the_mean_more_certain(county, more) -> None:
    n, mean, _ = arrays(county)
    smaller = clustered_ratio(n * mean, n, population_clusters=len(n) + more)
    larger = clustered_ratio(n * mean, n, population_clusters=len(n) + more + 1)
    assert smaller.se <= larger.se <= clustered_ratio(n * mean, n).se * (1 + 1e-12)


@few
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=2, max_size=12))
def test_the_interval_of_a_share_holds_it_and_mirrors_that_of_the_rest(county) -> None:
    yes, no = (np.array(column, dtype=float) for column in zip(*county, strict=True))
    assume(((yes + no) > 0).sum() >= 2)
    share, rest = (clustered_share(x, yes + no, persons=(yes + no).sum()) for x in (yes, no))
    assert 0 <= share.low <= share.estimate + 1e-9 and share.estimate <= share.high + 1e-9 <= 1 + 2e-9
    assert (1 - rest.high, 1 - rest.low) == pytest.approx((share.low, share.high), abs=1e-7)


# --- variance -------------------------------------------------------------------------------------------------------


@few
@given(counties, st.floats(0.1, 10), st.floats(-500, 500))
def test_the_share_between_schools_does_not_depend_on_the_scale(county, factor, shift) -> None:
    n, mean, within = arrays(county)
    plain, moved = null_model(n, mean, within), null_model(n, factor * mean + shift, factor**2 * within)
    # Near 0 the likelihood is flat in the ratio: digits of the share, not of the ratio.
    for name in ("icc", "low", "high", "p"):
        assert getattr(moved, name) == pytest.approx(getattr(plain, name), abs=1e-6), name


@few
@given(counties, st.randoms(use_true_random=False))
def test_the_order_of_schools_does_not_matter(county, random) -> None:
    mixed = list(county)
    random.shuffle(mixed)
    plain, turned = null_model(*arrays(county)), null_model(*arrays(mixed))
    for name in ("icc", "low", "high", "mean", "p"):
        assert getattr(turned, name) == pytest.approx(getattr(plain, name), rel=1e-7, abs=1e-7), name


@few
@given(counties)
def test_shares_and_their_bounds_lie_between_zero_and_one_and_p_agrees_with_the_bound(county) -> None:
    found = null_model(*arrays(county))
    assert 0 <= found.low <= found.high < 1 and 0 <= found.icc < 1
    assert (found.p < 0.025) == (found.low > 0)
    lower = null_model(*arrays(county), level=0.5)
    assert found.low <= lower.low + 1e-12 and lower.high <= found.high + 1e-12


@few
@given(st.lists(counties, min_size=1, max_size=5))
def test_many_counties_at_once_are_each_alone(many) -> None:
    parts = [arrays(c) for c in many]
    groups = np.repeat(np.arange(len(parts)), [len(p[0]) for p in parts])
    together = null_models(*(np.concatenate([p[k] for p in parts]) for k in range(3)), groups, len(parts))
    for i, part in enumerate(parts):
        alone = null_model(*part)
        for name in ("tau2", "sigma2", "icc", "low", "high", "p"):
            assert getattr(together, name)[i] == pytest.approx(getattr(alone, name), rel=1e-6, abs=1e-8), name


# --- spread ---------------------------------------------------------------------------------------------------------


@few
@given(counties, st.floats(0.1, 10))
def test_the_spread_is_the_weighted_deviation_and_the_relative_one_has_no_unit(county, factor) -> None:
    n, mean, _ = arrays(county)
    zeros = np.zeros(len(n), dtype=int)
    plain = spreads_by_group(mean, n, zeros, 1).iloc[0]
    assert plain["estimate"] == pytest.approx(weighted_standard_deviation(mean, n), rel=1e-9, abs=1e-9)
    relative = [spreads_by_group(f * mean, n, zeros, 1, relative=True).iloc[0] for f in (1, factor)]
    for name in ("estimate", "low", "high"):
        assert relative[1][name] == pytest.approx(relative[0][name], rel=1e-6, nan_ok=True)
    if not plain["remark"]:
        assert 0 <= plain["low"] <= plain["estimate"] <= plain["high"]


@few
@given(counties, st.floats(0, 1e4))
def test_taking_off_noise_never_raises_a_bound_beyond_the_factor_for_few_schools(county, noise) -> None:
    n, mean, _ = arrays(county)
    zeros = np.zeros(len(n), dtype=int)
    plain = spreads_by_group(mean, n, zeros, 1).iloc[0]
    assume(not plain["remark"])
    clean = spreads_by_group(mean, n, zeros, 1, sampling=noise / n).iloc[0]
    p = n / n.sum()
    factor = (1 + 1e-9) / np.sqrt(1 - (p**2).sum())
    assert clean["low"] <= plain["low"] * factor + 1e-9 and clean["estimate"] <= clean["high"]
    assert clean["estimate"] <= plain["estimate"] * factor


# --- plausible values -----------------------------------------------------------------------------------------------


@few
@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(0.01, 100)), min_size=2, max_size=10), st.floats(1, 500))
def test_pooling_never_makes_an_estimate_more_certain_than_its_parts(values, df) -> None:
    q, u = (np.array(column) for column in zip(*values, strict=True))
    found = pool(q, u, df)
    assert q.min() - 1e-9 <= found.estimate <= q.max() + 1e-9
    assert found.se**2 >= u.mean() * (1 - 1e-12)
    assert 0 <= found.df <= df and 0 <= found.fmi <= 1 + 1e-12


# --- ordered probit -------------------------------------------------------------------------------------------------

levels = st.lists(st.integers(1, 30), min_size=4, max_size=4)


@few
@given(st.lists(levels, min_size=2, max_size=6))
def test_turning_the_levels_round_turns_the_means_round(rows) -> None:
    counts = np.array(rows)
    up, down = fit_ordered_probit(counts, own_spread_from=0), fit_ordered_probit(counts[:, ::-1], own_spread_from=0)
    np.testing.assert_allclose(up.table["mean"], -down.table["mean"], atol=1e-5)
    np.testing.assert_allclose(up.table["sd"], down.table["sd"], atol=1e-5)
    assert up.icc == pytest.approx(down.icc, abs=1e-5) and 0 <= up.icc_corrected <= up.icc < 1


@few
@given(st.lists(levels, min_size=2, max_size=6), st.integers(2, 50))
def test_every_student_several_times_gives_the_same_means_and_smaller_errors(rows, times) -> None:
    counts = np.array(rows)
    one, many = (fit_ordered_probit(k * counts, own_spread_from=0) for k in (1, times))
    np.testing.assert_allclose(one.table["mean"], many.table["mean"], atol=1e-5)
    np.testing.assert_allclose(one.table["mean_se"], np.sqrt(times) * many.table["mean_se"], rtol=1e-3)
