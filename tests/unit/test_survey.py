"""Samples of clusters: limiting cases, refusals in words, and coverage of the intervals."""

from __future__ import annotations

import numpy as np
import pytest

from qbresearch.errors import InputError
from qbresearch.statistics.survey import (
    CLUSTERS_ONLY,
    KORN_GRAUBARD,
    LOGIT,
    LONELY_STRATUM,
    NO_CLUSTER,
    ONE_CLUSTER,
    clustered_ratio,
    clustered_share,
    clustered_total,
    design_effect,
    ratios_by_group,
    share_intervals,
    shares_by_group,
)

NAN = float("nan")


def refusal(function, *arguments, **more) -> str:
    with pytest.raises(InputError) as caught:
        function(*arguments, **more)
    return str(caught.value)


# --- by hand --------------------------------------------------------------------------------------------------------


def test_three_clusters_by_hand() -> None:
    # R = 12/6 = 2, residuals 1, -1, 0 over 6: variance 3/2 * 2/36.
    found = clustered_ratio([5, 3, 4], [2, 2, 2])
    assert found.estimate == 2 and found.df == 2 and found.clusters == 3 and found.remark == ""
    assert found.se**2 == pytest.approx(3 / 2 * 2 / 36, rel=1e-14)
    assert found.high - 2 == pytest.approx(0.95 * (2 / 0.0975) ** 0.5 * found.se, rel=1e-12)  # t with 2 df
    assert 2 - found.low == pytest.approx(found.high - 2, rel=1e-12)


def test_the_finite_population_correction_takes_off_the_sampled_share() -> None:
    plain = clustered_ratio([5, 3, 4], [2, 2, 2])
    corrected = clustered_ratio([5, 3, 4], [2, 2, 2], population_clusters=12)
    assert corrected.se**2 == pytest.approx(plain.se**2 * 3 / 4, rel=1e-14)
    assert clustered_ratio([5, 3, 4], [2, 2, 2], population_clusters=3).se == 0


def test_strata_take_the_differences_between_them_out() -> None:
    # Two strata whose clusters are equal inside: nothing is left to sample.
    found = clustered_ratio([2, 2, 8, 8], [2, 2, 2, 2], strata=["镇", "镇", "乡", "乡"])
    assert (found.estimate, found.se, found.df) == (2.5, 0, 2)
    assert clustered_ratio([2, 2, 8, 8], [2, 2, 2, 2]).se > 0.8


def test_a_total_is_the_ratio_to_one() -> None:
    found = clustered_total([5, 3, 4])
    assert (found.estimate, found.df) == (12, 2)
    assert found.se**2 == pytest.approx(3 / 2 * 2, rel=1e-14)


def test_the_design_effect_compares_with_a_simple_sample() -> None:
    # s² = 10/8 * 5/4, over n = 5.
    assert design_effect(2.0, 8, 10, 5) == pytest.approx(2 / (10 / 8 * 5 / 4 / 5), rel=1e-14)
    assert design_effect(2.0, 8, 10, 5, population=10) == pytest.approx(2 / (10 / 8 * 5 / 4 / 5) * 2, rel=1e-14)
    assert np.isnan(design_effect(0.0, 8, 0, 5)) and np.isnan(design_effect(0.0, 8, 0, 1))


# --- what cannot be estimated ---------------------------------------------------------------------------------------


def test_one_school_has_a_mean_and_a_sentence_instead_of_an_error() -> None:
    found = clustered_ratio([500.0], [10.0])
    assert found.estimate == 50 and np.isnan([found.se, found.df, found.low, found.high]).all()
    assert found.remark == ONE_CLUSTER and "不能估计校际抽样误差" in found.remark
    assert clustered_ratio([500.0, 0.0], [10.0, 0.0]).remark == ONE_CLUSTER
    assert clustered_share([3.0], [10.0]).remark == ONE_CLUSTER


def test_a_stratum_with_one_school_says_so_unless_it_has_no_other() -> None:
    how = {"strata": ["甲", "甲", "乙"], "population_clusters": [20, 20, 5]}
    assert clustered_ratio([5, 3, 4], [2, 2, 2], **how).remark == LONELY_STRATUM
    whole = clustered_ratio([5, 3, 4], [2, 2, 2], strata=how["strata"], population_clusters=[20, 20, 1])
    assert whole.remark == "" and whole.df == 1 and whole.se > 0
    assert clustered_ratio([5, 3], [2, 2], strata=["甲", "乙"], population_clusters=1).remark == LONELY_STRATUM


def test_equal_schools_have_no_sampling_error() -> None:
    found = clustered_ratio([4, 6, 2], [2, 3, 1])
    assert (found.estimate, found.low, found.high) == (2, 2, 2) and found.se == pytest.approx(0, abs=1e-15)


def test_a_group_in_which_nobody_is_stands_in_the_table_with_a_remark() -> None:
    groups = np.array([0, 0, 2, 2])
    frame = ratios_by_group([1, 2, 0, 0], [1, 1, 0, 0], groups, 3)
    assert frame["remark"].tolist() == ["", NO_CLUSTER, NO_CLUSTER]
    assert frame["estimate"].isna().tolist() == [False, True, True]
    assert shares_by_group([1, 0, 0, 0], [1, 1, 0, 0], groups, 3)["method"].tolist() == [KORN_GRAUBARD, "", ""]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([1, NAN], [1, 1]), "2 所学校中 1 所没有数值"),
        (([1, 2], [1, NAN]), "分母"),
        (([1, 2], [1, -1]), "为负"),
        (([1, 2], [0, 0]), "分母合计为零"),
        (([1, 2, 3], [1, 2]), "形状"),
        (([], []), "至少一所学校"),
        (([1, 2], [1, 1], ["甲", None]), "1 所学校的层是空白"),
        (([1, 2], [1, 1], None, 1), "总体学校数"),
        (([1, 2], [1, 1], None, [4, NAN]), "总体学校数"),
    ],
)
def test_what_is_wrong_is_said_in_words(arguments, words) -> None:
    message = refusal(clustered_ratio, *arguments)
    assert words in message and "办法" in message


def test_more_persons_with_a_trait_than_persons_are_refused() -> None:
    assert "分子大于分母" in refusal(clustered_share, [3, 1], [2, 2])
    assert "分母合计为零" in refusal(clustered_share, [0, 0], [0, 0])
    assert "没有这个区间方法" in refusal(clustered_share, [1, 1], [2, 2], method="wald")


# --- shares ---------------------------------------------------------------------------------------------------------


def test_nobody_or_everybody_gives_a_one_sided_bound_that_counts_schools() -> None:
    none, every = clustered_share([0] * 8, [30] * 8), clustered_share([30] * 8, [30] * 8)
    assert none.method == every.method == CLUSTERS_ONLY
    assert (none.estimate, none.low) == (0, 0) and (every.estimate, every.high) == (1, 1)
    assert none.high == pytest.approx(1 - 0.05 ** (1 / 8), rel=1e-12)
    assert every.low == pytest.approx(0.05 ** (1 / 8), rel=1e-12)


def test_the_interval_of_a_share_is_named_and_stays_between_zero_and_one() -> None:
    yes, everybody = [0, 1, 0, 0, 2, 0], [20, 30, 25, 20, 30, 15]
    for method, name in (("korn_graubard", KORN_GRAUBARD), ("logit", LOGIT)):
        found = clustered_share(yes, everybody, persons=140, method=method)
        assert found.method == name and 0 < found.low < found.estimate < found.high < 1


def test_the_effective_sample_is_never_larger_than_the_sample() -> None:
    # The same share in every school: no variance between them, and yet only 40 persons were asked.
    found = clustered_share([5, 5, 5, 5], [10, 10, 10, 10], persons=40)
    assert found.se == 0 and found.low < 0.35 and found.high > 0.65
    low, high, _ = share_intervals([0.5], [0.0], [3], [4])
    assert (low[0], high[0]) == (0.5, 0.5)


# --- coverage -------------------------------------------------------------------------------------------------------


def _samples(schools: int, repeats: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sizes, school means around 500 and groups: 30 students on average, intraclass correlation 0.13."""
    rng = np.random.Generator(np.random.PCG64(seed))
    n = np.maximum(5, rng.lognormal(3.3, 0.4, (repeats, schools))).round()
    mean = 500 + 35 * rng.standard_normal(n.shape) + 90 / np.sqrt(n) * rng.standard_normal(n.shape)
    return n.ravel(), mean.ravel(), np.repeat(np.arange(repeats), schools)


@pytest.mark.slow
@pytest.mark.parametrize("schools", [12, 30, 60])
def test_intervals_of_the_mean_cover_it_in_93_to_97_of_100_samples(schools: int) -> None:
    repeats = 20_000
    n, mean, groups = _samples(schools, repeats, seed=schools)
    frame = ratios_by_group(n * mean, n, groups, repeats)
    covered = ((frame["low"] <= 500) & (frame["high"] >= 500)).mean()
    assert 0.93 <= covered <= 0.97, covered


@pytest.mark.slow
@pytest.mark.parametrize("schools", [12, 30, 60])
@pytest.mark.parametrize("share", [0.03, 0.1, 0.3, 0.5])
def test_intervals_of_a_share_cover_it_in_93_of_100_samples_or_more(schools: int, share: float) -> None:
    from scipy import stats

    repeats = 8_000
    rng = np.random.Generator(np.random.PCG64(1000 * schools + int(100 * share)))
    n = np.maximum(5, rng.lognormal(3.3, 0.4, (repeats, schools))).round().astype(int)
    chance = stats.norm.cdf((stats.norm.ppf(share) + np.sqrt(0.15) * rng.standard_normal(n.shape)) / np.sqrt(0.85))
    yes = rng.binomial(n, chance)
    groups = np.repeat(np.arange(repeats), schools)
    frame = shares_by_group(yes.ravel(), n.ravel(), groups, repeats, persons=n.sum(axis=1))
    covered = ((frame["low"] <= share) & (frame["high"] >= share)).mean()
    assert 0.93 <= covered, covered
