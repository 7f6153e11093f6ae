"""Variance between schools: limiting cases, exactness of the interval, and an independent optimiser."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from qbresearch.errors import InputError
from qbresearch.statistics.variance import (
    CONSTANT,
    NO_SCHOOL,
    NO_SPREAD,
    ONE_SCHOOL,
    ONE_STUDENT_EACH,
    ONLY_BETWEEN,
    exact_ratio_interval,
    null_model,
    null_models,
)

NAN = float("nan")
NUMBERS = ("tau2", "sigma2", "icc", "low", "high", "f", "p", "mean_se")


def county(schools: int, seed: int, ratio: float = 0.2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.Generator(np.random.PCG64(seed))
    n = rng.integers(2, 80, schools)
    mean = 500 + 90 * (np.sqrt(ratio) * rng.standard_normal(schools) + rng.standard_normal(schools) / np.sqrt(n))
    return n, mean, 8100 * rng.chisquare(n - 1)


# --- agreement with a program of another kind ------------------------------------------------------------------------


def deviance(ratio: float, n, mean, within, reml: bool) -> float:
    """-2 log likelihood out of the whole covariance matrix of the school means and the spread within."""
    v = ratio + 1 / n
    weight = 1 / v
    mu = (weight * mean).sum() / weight.sum()
    rest = within.sum() + (weight * (mean - mu) ** 2).sum()
    free = n.sum() - reml
    value = free * np.log(rest) + np.log(v * n).sum()
    return value + np.log(weight.sum()) if reml else value


@pytest.mark.parametrize("method", ["reml", "ml"])
@pytest.mark.parametrize(("schools", "ratio"), [(3, 0.4), (12, 0.2), (60, 0.05), (20, 30.0)])
def test_the_optimum_is_where_a_general_optimiser_finds_it(method: str, schools: int, ratio: float) -> None:
    n, mean, within = county(schools, seed=schools, ratio=ratio)
    found = null_model(n, mean, within, method=method)
    grid = np.linspace(-12, 8, 400)
    start = grid[np.argmin([deviance(np.exp(x), n, mean, within, method == "reml") for x in grid])]
    best = optimize.minimize_scalar(
        lambda x: deviance(np.exp(x), n, mean, within, method == "reml"), bounds=(start - 0.1, start + 0.1),
        method="bounded", options={"xatol": 1e-10},
    )
    theta = np.exp(best.x)
    assert found.icc == pytest.approx(theta / (1 + theta), abs=2e-7)
    assert found.tau2 / found.sigma2 == pytest.approx(theta, rel=1e-5)


def test_balanced_schools_have_the_estimates_of_the_analysis_of_variance() -> None:
    _, mean, _ = county(15, seed=3)
    n, within = np.full(15, 25), np.full(15, 24 * 8100.0)
    found = null_model(n, mean, within)
    assert found.tau2 == pytest.approx(found.anova_tau2, rel=1e-9)
    assert found.sigma2 == pytest.approx(8100, rel=1e-9)
    assert found.mean == pytest.approx(mean.mean(), rel=1e-12)
    assert found.mean_se**2 == pytest.approx((found.tau2 + found.sigma2 / 25) / 15, rel=1e-9)
    assert found.design_effect == pytest.approx(1 + 24 * found.icc, rel=1e-9)


def test_the_bounds_solve_the_equation_of_wald() -> None:
    n, mean, within = county(14, seed=9, ratio=0.3)
    for ratio, quantile in zip(exact_ratio_interval(n, mean, within), (0.975, 0.025), strict=True):
        w = n / (1 + n * ratio)
        mu = (w * mean).sum() / w.sum()
        h = (w * (mean - mu) ** 2).sum() / 13 / (within.sum() / (n.sum() - 14))
        assert h == pytest.approx(stats.f.ppf(quantile, 13, n.sum() - 14), rel=1e-9)


def test_a_thousand_counties_at_once_are_each_alone() -> None:
    parts = [county(int(3 + i % 20), seed=i, ratio=(i % 7) / 10) for i in range(1000)]
    groups = np.repeat(np.arange(1000), [len(n) for n, _, _ in parts])
    together = null_models(*(np.concatenate([p[k] for p in parts]) for k in range(3)), groups, 1000)
    assert 0 < (together.icc == 0).sum() < 500
    for i in range(0, 1000, 25):
        alone = null_model(*parts[i])
        for name in (*NUMBERS, "mean", "anova_tau2", "design_effect"):
            assert getattr(together, name)[i] == pytest.approx(getattr(alone, name), rel=1e-8, abs=1e-8), name
    assert ((together.low <= together.icc + 1e-12) & (together.icc <= together.high + 1e-12)).all()


@pytest.mark.slow
def test_the_exact_interval_covers_as_often_as_it_says_with_schools_of_unequal_size() -> None:
    rng = np.random.Generator(np.random.PCG64(4))
    repeats, schools = 20_000, 12
    n = np.tile(np.array([2, 3, 5, 8, 12, 20, 30, 30, 45, 60, 90, 150]), repeats)
    groups = np.repeat(np.arange(repeats), schools)
    mean = np.sqrt(0.15) * rng.standard_normal(len(n)) + np.sqrt(0.85 / n) * rng.standard_normal(len(n))
    found = null_models(n, mean, 0.85 * rng.chisquare(n - 1), groups, repeats)
    covered = ((found.low <= 0.15) & (found.high >= 0.15)).mean()
    assert covered == pytest.approx(0.95, abs=0.006)


# --- limiting cases -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "mean", "within", "words"),
    [
        ([30], [500.0], [9.0], ONE_SCHOOL),
        ([30, 0], [500.0, NAN], [9.0, 0.0], ONE_SCHOOL),
        ([0, 0], [NAN, NAN], [0, 0], NO_SCHOOL),
        ([30, 20], [500.0, 510.0], [NAN, 9.0], NO_SPREAD),
        ([1, 1, 1], [500.0, 510.0, 490.0], [0, 0, 0], ONE_STUDENT_EACH),
        ([1, 1, 1], [500.0, 510.0, 490.0], [NAN, NAN, NAN], ONE_STUDENT_EACH),
        ([30, 20], [500.0, 500.0], [0, 0], CONSTANT),
        ([3, 7, 9], [0.1, 0.1, 0.1], [0, 1e-33, 0], CONSTANT),
    ],
)
def test_a_sentence_stands_where_no_variance_can_be_parted(n, mean, within, words) -> None:
    found = null_model(n, mean, within)
    assert found.remark == words
    assert np.isnan([getattr(found, name) for name in NUMBERS]).all()


def test_schools_that_differ_with_nothing_inside() -> None:
    found = null_model([30, 20, 10], [500.0, 510.0, 490.0], [0, 0, 0])
    assert (found.icc, found.sigma2, found.tau2, found.remark) == (1, 0, 100, ONLY_BETWEEN)
    assert found.mean == 500 and np.isnan([found.low, found.high]).all()


def test_equal_school_means_leave_no_variance_between() -> None:
    found = null_model([30, 20, 10], [500.0, 500.0, 500.0], [900, 600, 300])
    assert (found.icc, found.tau2, found.low, found.remark) == (0, 0, 0, "")
    assert found.anova_tau2 < 0 and found.p == 1
    assert found.sigma2 == pytest.approx(1800 / 59, rel=1e-12)


def test_one_group_without_answer_leaves_the_others_alone() -> None:
    n, mean, within = county(10, seed=2)
    found = null_models(
        np.append(n, 30), np.append(mean, 1.0), np.append(within, 5.0), np.append(np.zeros(10, int), 2), 3
    )
    assert found.remark.tolist() == ["", NO_SCHOOL, ONE_SCHOOL]
    assert found.icc[0] == pytest.approx(null_model(n, mean, within).icc, rel=1e-12)
    assert found.schools.tolist() == [10, 0, 1] and len(found.tidy()) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([30, 20], [1.0, NAN], [1, 1]), "2 所学校中 1 所有学生而没有均值"),
        (([30, -1], [1.0, 2.0], [1, 1]), "为负"),
        (([30, 20], [1.0, 2.0], [1, -1]), "离差平方和"),
        (([30, 20], [1.0], [1, 1]), "形状"),
        (([], [], []), "至少一所学校"),
    ],
)
def test_refusals_say_what_is_wrong(arguments, words) -> None:
    with pytest.raises(InputError, match="方差分解算不出来") as caught:
        null_model(*arguments)
    assert words in str(caught.value)


def test_the_ratio_interval_refuses_with_the_reason() -> None:
    with pytest.raises(InputError, match=ONE_SCHOOL):
        exact_ratio_interval([30], [500.0], [9.0])
    with pytest.raises(InputError, match="没有这个估计方法"):
        null_model([30, 20], [1.0, 2.0], [1, 1], method="mle")
