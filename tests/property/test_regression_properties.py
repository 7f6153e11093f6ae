"""Laws that regressions, their standard errors, the wild bootstrap and quantiles obey whatever the data are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbresearch.statistics.clusters import wild_cluster_bootstrap
from qbresearch.statistics.quantile import fit_quantile
from qbresearch.statistics.regression import COVARIANCES, fit_linear

few = settings(max_examples=25)
seeds = st.integers(0, 10_000)
factors = st.floats(1e-4, 1e4)
kinds = st.sampled_from(COVARIANCES)


def table(seed: int, schools: int = 7, n: int = 60) -> pd.DataFrame:
    random = np.random.Generator(np.random.PCG64(seed))
    school = np.concatenate([np.arange(schools).repeat(2), random.integers(0, schools, n - 2 * schools)])
    x, z, e = random.normal(size=(3, n))
    return pd.DataFrame({
        "x": x, "z": z + random.normal(size=schools)[school], "school": school, "row": np.arange(n),
        "w": random.integers(1, 5, n), "y": x + random.normal(size=schools)[school] + e,
    })


def fit(frame: pd.DataFrame, kind: str = "classical", **options):
    cluster = "school" if kind[:2] == "CR" else None
    return fit_linear(frame, **{"outcome": "y", "terms": ["x", "z"], "covariance": kind, "cluster": cluster} | options)


def same(ours, expected, size: float = 1.0) -> None:
    np.testing.assert_allclose(ours, expected, rtol=1e-8, atol=1e-12 * size)


@few
@given(seeds, kinds, factors, factors, st.floats(-100, 100))
def test_units_and_origins_move_estimates_and_errors_together(seed, kind, up, across, shift) -> None:
    frame = table(seed)
    plain = fit(frame, kind, weights="w").estimates
    moved = fit(frame.assign(y=up * frame["y"], x=across * (frame["x"] + shift)), kind, weights="w").estimates
    same(moved[["estimate", "se"]].to_numpy()[1] * across / up, plain[["estimate", "se"]].to_numpy()[1])
    same(moved[["df", "p"]].to_numpy()[1:], plain[["df", "p"]].to_numpy()[1:], 1e4)


@few
@given(seeds, kinds, st.booleans())
def test_the_order_of_rows_and_the_scale_of_weights_do_not_matter(seed, kind, effects) -> None:
    frame = table(seed)
    options = {"weights": "w", "fixed_effects": ["school"] if effects else []}
    plain = fit(frame, kind, **options)
    other = fit(frame.sample(frac=1, random_state=seed).assign(w=lambda d: 7.5 * d["w"]), kind, **options)
    same(other.coefficients, plain.coefficients)
    same(other.covariance, plain.covariance)
    same(other.df, plain.df)


@few
@given(seeds, st.booleans())
def test_with_one_row_a_cluster_cr1_is_hc1_and_cr2_is_hc2(seed, effects) -> None:
    frame = table(seed)
    options = {"fixed_effects": ["school"] if effects else []}
    for clustered, robust in (("CR1", "HC1"), ("CR2", "HC2")):
        same(fit(frame, clustered, cluster="row", **options).covariance, fit(frame, robust, **options).covariance)


@few
@given(seeds, kinds, st.booleans())
def test_absorbed_effects_are_columns_of_zeros_and_ones(seed, kind, weighted) -> None:
    frame = table(seed).assign(year=lambda d: d["row"] % 3)
    text = frame.assign(school_text="s" + frame["school"].astype(str), year_text="y" + frame["year"].astype(str))
    weights = "w" if weighted else None
    inside = fit(frame, kind, fixed_effects=["year"], weights=weights)
    beside = fit(text, kind, terms=["x", "z", "year_text"], weights=weights)
    same(inside.coefficients, beside.coefficients[1:3])
    same(inside.covariance, beside.covariance[1:3, 1:3])
    same(inside.df, beside.df[1:3])
    assert (inside.df_residual, inside.r_squared) == (beside.df_residual, pytest.approx(beside.r_squared))
    if kind in ("classical", "HC1", "HC3"):
        both = fit(frame, kind, fixed_effects=["school", "year"], weights=weights)
        wide = fit(text, kind, terms=["x", "z", "school_text", "year_text"], weights=weights)
        same(both.covariance, wide.covariance[1:3, 1:3])
        assert both.absorbed == 9


@few
@given(seeds)
def test_whole_weights_estimate_what_repeated_rows_estimate(seed) -> None:
    frame = table(seed)
    same(fit(frame, weights="w").coefficients, fit(frame.loc[frame.index.repeat(frame["w"])]).coefficients)


@few
@given(seeds, factors)
def test_the_wild_bootstrap_does_not_know_units(seed, factor) -> None:
    frame = table(seed)
    options = {"outcome": "y", "terms": ["x", "z"], "term": "z", "cluster": "school", "seed": 1}
    plain = wild_cluster_bootstrap(frame, **options)
    scaled = wild_cluster_bootstrap(frame.assign(y=factor * frame["y"]), **options)
    assert scaled.p == plain.p
    same([scaled.low / factor, scaled.high / factor], [plain.low, plain.high])
    assert plain.se == pytest.approx(fit(frame, "CR1").estimates["se"][2])
    assert plain.p * 2**6 == pytest.approx(round(plain.p * 2**6)) and plain.p >= 2 / 2**7


@few
@given(seeds, st.floats(0.05, 0.95))
def test_no_more_than_its_share_of_weight_lies_below_a_quantile(seed, quantile) -> None:
    frame = table(seed)
    result = fit_quantile(frame, outcome="y", terms=["x", "z"], quantile=quantile, weights="w")
    w, r = frame["w"].to_numpy(), result.residuals
    assert w[r < -1e-9].sum() <= quantile * w.sum() + 1e-9
    assert w[r > 1e-9].sum() <= (1 - quantile) * w.sum() + 1e-9


@few
@given(seeds, st.floats(0.1, 0.9), factors, st.floats(-50, 50))
def test_quantiles_move_with_the_outcome_and_turn_over_with_its_sign(seed, quantile, factor, slope) -> None:
    frame = table(seed)
    options = {"outcome": "y", "terms": ["x", "z"]}
    plain = fit_quantile(frame, quantile=quantile, **options)
    moved = fit_quantile(frame.assign(y=factor * (frame["y"] + slope * frame["x"])), quantile=quantile, **options)
    turned = fit_quantile(frame.assign(y=-frame["y"]), quantile=1 - quantile, **options)
    assert turned.loss == pytest.approx(plain.loss)
    if plain.unique:
        same(moved.coefficients / factor - [0, slope, 0], plain.coefficients, 1e4)
        same(-turned.coefficients, plain.coefficients)
