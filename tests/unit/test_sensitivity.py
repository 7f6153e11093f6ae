"""Sensitivity to unobserved variables: laws, limits and refusals."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbresearch.errors import InputError
from qbresearch.statistics.sensitivity import (
    assess_selection,
    e_value,
    e_value_ratio,
    robustness_value,
    selection_bounds,
)

NUMBERS = {
    "short": 0.5, "full": 0.3, "r2_short": 0.1, "r2_full": 0.2, "outcome_variance": 2.0, "term_variance": 1.0,
    "residual_variance": 0.8, "r_max": 0.26,
}


def refusal(function, *arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        function(*arguments, **options)
    return str(caught.value)


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    ses, county = rng.normal(size=300), np.repeat([0.0, 1.0, 2.0], 100)
    x = 0.5 * ses + 0.4 * county + rng.normal(size=300)
    y = 0.3 * x + 0.6 * ses + 0.5 * county + rng.normal(size=300)
    w = rng.integers(1, 4, 300)
    return pd.DataFrame({"y": y, "x": x, "ses": ses, "county": county, "w": w, "place": np.where(county > 1, "城", "乡")})


# --- selection ------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    st.floats(-2, 2), st.floats(-2, 2), st.floats(0.01, 0.3), st.floats(0.01, 0.3), st.floats(0.2, 0.95),
    st.floats(0.02, 0.3), st.floats(0.1, 3),
)
def test_the_coefficient_of_a_delta_has_that_delta(short, full, r2, more, share, above, at) -> None:
    numbers = {"short": short, "full": full, "r2_short": r2, "r2_full": r2 + more, "outcome_variance": 2.0,
               "term_variance": 1.0, "residual_variance": share, "r_max": r2 + more + above}
    if abs(short - full) < 0.05:
        return
    try:
        adjusted = selection_bounds(**numbers, at=at).adjusted
    except InputError as error:
        assert "没有满足选择方向的解" in str(error)
        assert at != 1  # at one there always is a solution
        return
    # Selection moves the coefficient on in the direction in which the controls have moved it.
    assert (full - adjusted) * (short - full) >= 0
    if abs(full - adjusted) > 1e-6:
        assert selection_bounds(**numbers, null=adjusted).delta == pytest.approx(at, rel=1e-4)


def test_no_selection_leaves_the_coefficient_and_no_unit_matters() -> None:
    assert selection_bounds(**NUMBERS, at=0.0).adjusted == 0.3
    found = selection_bounds(**NUMBERS)
    scaled = NUMBERS | {"short": 5.0, "full": 3.0, "outcome_variance": 200.0}
    assert selection_bounds(**scaled).delta == pytest.approx(found.delta, rel=1e-12)
    assert selection_bounds(**scaled).adjusted == pytest.approx(10 * found.adjusted, rel=1e-12)
    assert selection_bounds(**NUMBERS, null=0.3).delta == 0  # nothing needs explaining


def test_where_no_selection_is_enough_the_words_say_so() -> None:
    """A denominator of zero: the bias at which R² and coefficient move just against one another."""
    numbers = {"short": 1.0, "full": 2.0, "r2_short": 0.1, "r2_full": 0.5, "r_max": 0.75, "outcome_variance": 1.0,
               "term_variance": 1.0, "residual_variance": 1.0}
    # Without cov(term, controls) the denominator is B [gap + bias²] with B = -1 and is never zero: delta is finite.
    assert math.isfinite(selection_bounds(**numbers).delta)
    # gap * (B + bias / 2) + bias² B / 2 + bias³ / 4 with B = -2 and bias 4: zero.
    endless = selection_bounds(**numbers | {"short": 2.0, "full": 4.0, "residual_variance": 0.5})
    assert endless.delta == math.inf and endless.to_dict()["delta"] is None
    assert "选择再强" in endless.summary()
    assert "（方向相反）" in selection_bounds(**NUMBERS, null=0.31).summary()


def test_more_left_to_explain_makes_less_robust() -> None:
    deltas = [selection_bounds(**NUMBERS | {"r_max": r}).delta for r in (0.21, 0.26, 0.5, 1.0)]
    assert deltas == sorted(deltas, reverse=True) and deltas[-1] > 0


def test_variables_in_both_regressions_are_taken_out_first(frame) -> None:
    """Residuals on the baseline give the same delta; without a baseline it is another."""
    with_baseline = assess_selection(
        frame, outcome="y", term="x", controls=["ses"], baseline=["county"], r_max_ratio=1.2
    )
    base = np.column_stack([np.ones(300), frame["county"]])
    rest = frame[["y", "x", "ses"]] - base @ np.linalg.lstsq(base, frame[["y", "x", "ses"]], rcond=None)[0]
    r2 = 1 - rest["y"].var() / frame["y"].var()
    inside = assess_selection(rest, outcome="y", term="x", controls=["ses"], r_max_ratio=1.2)
    assert with_baseline.full == pytest.approx(inside.full, rel=1e-10)
    assert with_baseline.r2_full == pytest.approx(r2 + (1 - r2) * inside.r2_full, rel=1e-10)
    expected = selection_bounds(
        short=inside.short, full=inside.full, r2_short=with_baseline.r2_short, r2_full=with_baseline.r2_full,
        outcome_variance=frame["y"].var(), term_variance=rest["x"].var(),
        residual_variance=rest["x"].var() * (1 - np.corrcoef(rest["x"], rest["ses"])[0, 1] ** 2),
        r_max=with_baseline.r_max,
    )
    assert with_baseline.delta == pytest.approx(expected.delta, rel=1e-9)
    without = assess_selection(frame, outcome="y", term="x", controls=["ses", "county"], r_max_ratio=1.2)
    assert without.full == pytest.approx(with_baseline.full, rel=1e-10)
    assert abs(without.delta / expected.delta - 1) > 0.01


def test_weights_are_repetitions(frame) -> None:
    weighted = assess_selection(frame, outcome="y", term="x", controls=["ses", "place"], weights="w", r_max_ratio=1.3)
    repeated = assess_selection(
        frame.loc[frame.index.repeat(frame["w"])], outcome="y", term="x", controls=["ses", "place"], r_max_ratio=1.3
    )
    pd.testing.assert_frame_equal(weighted.tidy(), repeated.tidy(), rtol=1e-9)
    plain = assess_selection(frame, outcome="y", term="x", controls=["ses", "place"], r_max_ratio=1.3)
    assert abs(weighted.full - plain.full) > 1e-4


def test_the_largest_r_squared_stops_at_one(frame) -> None:
    assert assess_selection(frame, outcome="y", term="x", controls=["ses"], r_max_ratio=100).r_max == 1.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"r_max": 0.2}, "最大 R² 不对"), ({"r_max": 1.01}, "最大 R² 不对"), ({"r2_full": 0.05}, "顺序不对"),
        ({"outcome_variance": 0.0}, "方差不对"), ({"residual_variance": 1.5}, "方差不对"), ({"residual_variance": 0.0}, "方差不对"),
        ({"short": 0.3, "residual_variance": 1.0}, "控制变量与自变量无关"), ({"r_max": float("nan")}, "最大 R² 不对"),
    ],
)
def test_numbers_that_cannot_be_are_refused(change, words) -> None:
    message = refusal(selection_bounds, **NUMBERS | change)
    assert words in message and "办法" in message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"controls": []}, "没有控制变量"), ({"r_max_ratio": 1.0}, "倍数不对"), ({"weights": "无"}, "没有这一列权重"),
        ({"weights": "place"}, "它不是数"), ({"weights": "zero"}, "300 个观测中 1 个权重"), ({"outcome": "gap"}, "1 个没有数值"),
        ({"controls": ["ses", "twice"]}, "共线"), ({"term": "flat"}, "没有差异"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(frame, change, words) -> None:
    frame = frame.assign(zero=frame["w"].where(frame.index != 3, 0), gap=frame["y"].where(frame.index != 7),
                         twice=2 * frame["ses"], flat=1.0)
    options = {"outcome": "y", "term": "x", "controls": ["ses"], "r_max_ratio": 1.3} | change
    assert words in refusal(assess_selection, frame, **options)


def test_refusals_say_what_can_still_be_computed(frame) -> None:
    assert "E 值与稳健值仍可计算" in refusal(assess_selection, frame, outcome="y", term="x", controls=[], r_max_ratio=1.3)


# --- E-value --------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.floats(-3, 3), st.floats(0.01, 1))
def test_e_values_mirror_and_grow(estimate, half) -> None:
    found, mirror = (e_value(s * estimate, s * estimate - half, s * estimate + half) for s in (1, -1))
    assert (found.value, found.limit) == pytest.approx((mirror.value, mirror.limit), rel=1e-12)
    assert 1 <= found.limit <= found.value
    assert (found.limit == 1) == (abs(estimate) <= half)
    assert e_value(estimate * 1.1, estimate * 1.1 - half, estimate * 1.1 + half).value >= found.value


def test_e_values_of_a_standardised_difference() -> None:
    found = e_value(0.5, 0.2, 0.8)
    assert found.ratio == pytest.approx(math.exp(0.455)) and found.value == e_value_ratio(math.exp(0.455))
    assert found.limit == e_value_ratio(math.exp(0.182))
    assert e_value(0.0, 0.0, 0.0).value == 1 and e_value_ratio(1) == 1
    assert e_value_ratio(1 / 3.9) == pytest.approx(e_value_ratio(3.9))


@pytest.mark.parametrize("numbers", [(0.1, 0.2, 0.3), (0.5, 0.2, 0.3), (float("nan"), 0, 1), (0, -math.inf, 1)])
def test_intervals_out_of_order_are_refused(numbers) -> None:
    assert "估计值与区间不对" in refusal(e_value, *numbers)


@pytest.mark.parametrize("ratio", [0.0, -2.0, float("nan"), math.inf])
def test_ratios_that_are_none_are_refused(ratio) -> None:
    assert "风险比不对" in refusal(e_value_ratio, ratio)


# --- robustness value -----------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 50), st.floats(2, 5000))
def test_robustness_values_lie_where_they_must(t, df) -> None:
    found = robustness_value(t, df)
    assert 0 <= found.limit <= found.value + 1e-12 and found.value < 1 and 0 <= found.partial_r2 < 1
    assert robustness_value(-t, df).value == found.value
    # A confounder that explains the value of both moves the estimate by exactly all of it.
    if found.value > 0:
        moved = math.sqrt(found.value * found.value / (1 - found.value) * df)
        assert moved == pytest.approx(t, rel=1e-6)
    assert robustness_value(t, df, q=0.5).value <= found.value


def test_an_insignificant_coefficient_needs_no_confounder() -> None:
    assert robustness_value(1.5, 100).limit == 0 and robustness_value(0.0, 100).value == 0


@pytest.mark.parametrize(
    ("t", "df", "options"), [(float("nan"), 10, {}), (2, 1, {}), (2, 10, {"q": 0}), (2, 10, {"alpha": 1})]
)
def test_statistics_that_are_none_are_refused(t, df, options) -> None:
    assert "稳健值算不出来" in refusal(robustness_value, t, df, **options)


def test_results_say_what_they_are(frame) -> None:
    selection = assess_selection(frame, outcome="y", term="x", controls=["ses"], r_max_ratio=1.3)
    for result, words in (
        (selection, f"{selection.delta:.2f} 倍"), (e_value(0.5, 0.2, 0.8), "E 值为"), (robustness_value(4, 50), "稳健值为"),
    ):
        assert words in result.summary()
        plain = json.loads(json.dumps(result.to_dict()))
        row = result.tidy().iloc[0].to_dict()
        assert row.items() <= plain.items()
