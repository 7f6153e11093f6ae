"""Spread of school means: by hand, limiting cases, and coverage of the intervals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qbresearch.errors import InputError
from qbresearch.statistics.dispersion import (
    coefficient_of_variation,
    weighted_standard_deviation,
)
from qbresearch.statistics.spread import (
    ALL_EQUAL,
    CONCENTRATED,
    NO_MEAN,
    NO_SAMPLING,
    NO_SCHOOL,
    ONE_SCHOOL,
    TWO_SCHOOLS,
    spreads_by_group,
)

NAN = float("nan")
X, W = np.array([480.0, 510, 530, 495, 690]), np.array([30.0, 60, 90, 45, 20])


def one(means, weights, **more):
    return spreads_by_group(means, weights, np.zeros(len(means), dtype=int), 1, **more).iloc[0]


def test_the_estimates_are_the_weighted_deviation_and_the_coefficient_of_variation() -> None:
    assert one(X, W)["estimate"] == pytest.approx(weighted_standard_deviation(X, W), rel=1e-12)
    assert one(X, W, relative=True)["estimate"] == pytest.approx(coefficient_of_variation(X, W), rel=1e-12)


@pytest.mark.parametrize("relative", [False, True])
def test_the_interval_is_that_of_a_jackknife_done_school_by_school(relative: bool) -> None:
    def log_spread(x, w):
        p = w / w.sum()
        value = weighted_standard_deviation(x, w) / np.sqrt(1 - (p**2).sum())
        return np.log(value / np.dot(p, x) if relative else value)

    left_out = np.array([log_spread(np.delete(X, j), np.delete(W, j)) for j in range(5)])
    df = 1 / (2 * 4 / 5 * ((left_out - left_out.mean()) ** 2).sum())
    assert df < 4  # few schools of unequal size carry less than their number
    centre = np.exp(log_spread(X, W))
    found = one(X, W, relative=relative)
    assert found["low"] == pytest.approx(centre * np.sqrt(df / stats.chi2.ppf(0.975, df)), rel=1e-9)
    assert found["high"] == pytest.approx(centre * np.sqrt(df / stats.chi2.ppf(0.025, df)), rel=1e-9)


def test_taking_off_the_sampling_variance_by_hand() -> None:
    # Means 0 and 2 of equal weight: S² = 1, unbiased 2; sampling variance 1/2 each: 2 - 2/4·(1/2)·2 = 1.5.
    found = one([0.0, 2.0, 0.0, 2.0], [1.0] * 4, sampling=[0.3] * 4)
    assert found["estimate"] ** 2 == pytest.approx(4 / 3 * 1 - 0.3, rel=1e-12)
    plain = one([0.0, 2.0, 0.0, 2.0], [1.0] * 4)
    assert found["high"] ** 2 == pytest.approx(plain["high"] ** 2 - 0.3, rel=1e-12)
    none = one([0.0, 2.0, 0.0, 2.0], [1.0] * 4, sampling=[50.0] * 4)
    assert (none["estimate"], none["low"], none["remark"]) == (0, 0, "")


def test_a_school_without_weight_is_not_counted() -> None:
    found, alone = one(np.append(X, NAN), np.append(W, 0)), one(X, W)
    assert found["schools"] == 5
    assert found[["estimate", "low", "high"]].tolist() == pytest.approx(alone[["estimate", "low", "high"]].tolist())


@pytest.mark.parametrize(
    ("means", "weights", "more", "words", "estimate"),
    [
        ([5.0], [3.0], {}, ONE_SCHOOL, NAN),
        ([5.0], [0.0], {}, NO_SCHOOL, NAN),
        ([5.0, 7.0], [1.0, 1.0], {}, TWO_SCHOOLS, 1.0),
        ([5.0, 5.0, 5.0], [1.0, 2.0, 3.0], {}, ALL_EQUAL, 0.0),
        ([5.0, 5.0, 9.0, 5.0], [1.0] * 4, {}, CONCENTRATED, 3**0.5),
        ([0.0, 0.0, 0.0], [1.0] * 3, {"relative": True}, NO_MEAN, NAN),
        ([-1.0, 0.5, 0.0], [1.0] * 3, {"relative": True}, NO_MEAN, NAN),
        ([5.0, 6.0, 9.0], [1.0] * 3, {"sampling": [0.1, NAN, 0.1]}, NO_SAMPLING, NAN),
    ],
)
def test_a_sentence_stands_where_there_is_no_interval(means, weights, more, words, estimate) -> None:
    found = one(means, weights, **more)
    assert found["remark"] == words and np.isnan([found["low"], found["high"]]).all()
    assert found["estimate"] == pytest.approx(estimate, nan_ok=True)


@pytest.mark.parametrize(
    ("means", "weights", "words"),
    [([1.0, NAN], [1.0, 1.0], "2 所学校中 1 所没有均值"), ([1.0, 2.0], [1.0, -1.0], "权重不对"),
     ([1.0, 2.0], [1.0], "形状"), ([], [], "至少一所学校")],
)
def test_refusals_say_what_is_wrong(means, weights, words) -> None:
    with pytest.raises(InputError, match="学校均值的差异") as caught:
        one(means, weights)
    assert words in str(caught.value)


# --- coverage -------------------------------------------------------------------------------------------------------


def _effects(kind: str, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """School effects with mean 0 and variance 1."""
    if kind == "normal":
        return rng.standard_normal(shape)
    return (rng.gamma(4, 1, shape) - 4) / 2 if kind == "skew" else rng.standard_t(5, shape) / np.sqrt(5 / 3)


@pytest.mark.slow
@pytest.mark.parametrize("schools", [12, 30, 60])
@pytest.mark.parametrize(("kind", "lowest"), [("normal", 0.93), ("skew", 0.915), ("heavy", 0.895)])
@pytest.mark.parametrize("variant", ["D2", "D3", "D2c", "D3c"])
def test_intervals_cover_the_spread_among_the_schools_there_could_be(schools, kind, lowest, variant) -> None:
    """True deviation 35, students' 90 within schools, some 60 students, mean 500."""
    rng = np.random.Generator(np.random.PCG64(schools))
    repeats = 4_000
    n = np.maximum(10, rng.lognormal(np.log(60), 0.6, (repeats, schools))).round()
    mean = 500 + 35 * _effects(kind, rng, n.shape) + 90 / np.sqrt(n) * rng.standard_normal(n.shape)
    everywhere = np.maximum(10, rng.lognormal(np.log(60), 0.6, 2_000_000)).round().mean()
    clean, relative = variant.endswith("c"), variant.startswith("D2")
    truth = np.sqrt(35**2 + (0 if clean else 90**2 / everywhere)) / (500 if relative else 1)
    frame = spreads_by_group(
        mean.ravel(), n.ravel(), np.repeat(np.arange(repeats), schools), repeats, relative=relative,
        sampling=8100 / n.ravel() if clean else None,
    )
    covered = ((frame["low"] <= truth) & (frame["high"] >= truth)).mean()
    assert lowest <= covered <= 0.98, covered
