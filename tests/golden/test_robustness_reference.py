"""Missing data, sensitivity, power and permutation against R and against printed examples."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qbresearch.statistics.cluster_permutation import ClusterMoments
from qbresearch.statistics.imputation import pool_fits
from qbresearch.statistics.power import minimum_detectable_effect, schools_needed
from qbresearch.statistics.regression import fit_linear
from qbresearch.statistics.sensitivity import (
    assess_selection,
    e_value_ratio,
    robustness_value,
    selection_bounds,
)

DATA = Path(__file__).parent / "data" / "r"
R = json.loads((DATA / "robustness.json").read_text(encoding="utf-8"))


def close(expected, *, rel: float = 1e-8):
    return pytest.approx(expected, rel=rel, abs=1e-12)


# --- pooling --------------------------------------------------------------------------------------------------------


def test_pooling_agrees_with_mice_on_the_same_completed_tables() -> None:
    tables = pd.read_csv(DATA / "nhanes_completed.csv")
    fits = [
        fit_linear(table, outcome="chl", terms=["age", "bmi", "hyp"], covariance="classical")
        for _, table in tables.groupby("imputation")
    ]
    pooled, known = pool_fits(fits), R["pooling"]
    assert list(pooled["term"]) == known["term"] and len(fits) == 5
    assert list(fits[0].estimates["df"]) == known["df_complete"]
    for column in ("estimate", "within", "between", "df", "riv", "share", "fmi"):
        assert list(pooled[column]) == close(known[column]), column
    assert list(pooled["se"] ** 2) == close(known["total"])


# --- sensitivity ----------------------------------------------------------------------------------------------------


@pytest.fixture
def cars() -> pd.DataFrame:
    return pd.DataFrame({name: R["oster"][name] for name in ("mpg", "wt", "hp")})


@pytest.mark.parametrize(("null", "delta"), [(0.0, "delta_zero"), (-1.0, "delta_minus_one")])
def test_delta_agrees_with_the_definition_of_proportional_selection(cars, null, delta) -> None:
    known = R["oster"]
    found = assess_selection(
        cars, outcome="mpg", term="wt", controls=["hp"], r_max_ratio=known["r_max"] / known["r2_full"], null=null
    )
    assert (found.short, found.full) == (close(known["short"]), close(known["full"]))
    assert (found.r2_short, found.r2_full) == (close(known["r2_short"]), close(known["r2_full"]))
    assert found.delta == close(known[delta])


@pytest.mark.parametrize(("at", "adjusted"), [(1.0, "adjusted_one"), (0.5, "adjusted_half")])
def test_the_adjusted_coefficient_is_the_root_that_r_finds(cars, at, adjusted) -> None:
    known = R["oster"]
    found = assess_selection(
        cars, outcome="mpg", term="wt", controls=["hp"], r_max_ratio=known["r_max"] / known["r2_full"], at=at
    )
    assert found.adjusted == close(known[adjusted])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("delta", [1.0, 0.4, 2.5, -0.7])
def test_delta_and_coefficient_of_a_model_that_is_known_by_construction(seed, delta) -> None:
    """Y = bX + W + U + e with U as strongly tied to X as delta times W: the covariances give b and delta back."""
    rng = np.random.default_rng(seed)
    b, tie = rng.normal(), rng.uniform(0.1, 0.6)
    observed, unobserved, noise, own = rng.uniform(0.3, 2, 4)
    with_w, with_u = tie * observed, delta * tie * unobserved
    xx = tie * with_w + delta * tie * with_u + own
    xy, wy = b * xx + with_w + with_u, b * with_w + observed
    yy = b * b * xx + observed + unobserved + noise + 2 * b * (with_w + with_u)
    long = np.linalg.solve([[xx, with_w], [with_w, observed]], [xy, wy])
    found = selection_bounds(
        short=xy / xx, full=long[0], r2_short=xy**2 / xx / yy, r2_full=(long @ [xy, wy]) / yy, outcome_variance=yy,
        term_variance=xx, residual_variance=xx - with_w**2 / observed, r_max=1 - noise / yy, null=b, at=delta,
    )
    assert found.delta == close(delta)
    assert min(abs(s - b) for s in found.solutions) < 1e-8 * max(abs(b), 1)
    if delta == 1:  # where the solution is unique, it is the one that is reported
        assert found.adjusted == close(b, rel=1e-7)


@pytest.mark.parametrize("case", R["robustness"], ids=lambda c: f"t={c['statistic']}")
def test_robustness_values_are_those_of_the_weakest_confounder_that_r_finds(case) -> None:
    found = robustness_value(case["statistic"], case["df"], alpha=0.05)
    assert found.value == close(case["value"], rel=1e-7)
    assert found.limit == close(case["limit"], rel=1e-6)
    assert robustness_value(case["statistic"], case["df"], q=0.5).value == close(case["half"], rel=1e-7)


def test_robustness_values_of_the_darfur_example_as_printed() -> None:
    found = robustness_value(4.184, 783)
    assert (round(found.value, 3), round(found.limit, 3), round(found.partial_r2, 3)) == (0.139, 0.076, 0.022)


def test_e_values_as_printed() -> None:
    assert round(e_value_ratio(3.9), 2) == 7.26
    assert round(e_value_ratio(1.8), 2) == 3.0


# --- power ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("design", R["power"], ids=lambda d: f"J={d['schools']}")
def test_detectable_effects_agree_with_the_noncentral_t_of_r(design) -> None:
    given = {name: value for name, value in design.items() if name != "effect"}
    assert minimum_detectable_effect(**given).effect == close(design["effect"])


@pytest.mark.parametrize("case", R["two_groups"], ids=lambda c: f"n={c['each']}")
def test_two_groups_of_schools_are_the_t_test_of_r(case) -> None:
    """All variance between schools, one student each: the predictor is the group, of population SD one half."""
    found = minimum_detectable_effect(2 * case["each"], 1, 1.0, power=0.8, alpha=0.05)
    assert 2 * found.effect == close(case["difference"])


@pytest.mark.parametrize(("difference", "each"), [(0.5, 64), (0.8, 26)])
def test_schools_needed_as_in_the_table_of_cohen(difference, each) -> None:
    """Cohen (1992), A power primer, table 2: n of each group at level .05 and power .80."""
    assert schools_needed(difference / 2, 1, 1.0, power=0.8, alpha=0.05) == 2 * each


# --- permutations ---------------------------------------------------------------------------------------------------

P = {name: np.asarray(value) for name, value in R["permutation"].items()}
ONES = np.ones((len(P["y"]), 1))


@pytest.mark.parametrize(
    ("kind", "controls", "options"),
    [
        ("plain", [ONES, P["control"]], {}),
        ("weighted", [ONES, P["control"]], {"weights": P["w"]}),
        ("county_effects", [P["control"]], {"weights": P["w"], "effects": P["county"]}),
        ("alone", [ONES], {}),
    ],
)
def test_every_permutation_has_the_coefficient_and_clustered_error_of_r(kind, controls, options) -> None:
    moments = ClusterMoments.of_clusters(P["y"], np.column_stack(controls), P["school"], **options)
    found = np.column_stack(moments.estimate(P["terms"]))
    np.testing.assert_allclose(found, P[kind], rtol=1e-9)


def test_permutations_of_random_intercepts_are_generalised_least_squares() -> None:
    controls = np.column_stack([ONES, P["control"]])
    variances = {"between": float(P["between"]), "within": float(P["within"])}
    moments = ClusterMoments.of_intercepts(P["y"], controls, P["school"], **variances)
    np.testing.assert_allclose(np.column_stack(moments.estimate(P["terms"])), P["intercepts"], rtol=1e-9)
