"""Ordered probit on counts per level: what it recovers, whom it leaves out and why, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from qbresearch.errors import InputError
from qbresearch.statistics.ordered_probit import (
    ALL_HIGHEST,
    ALL_LOWEST,
    EMPTY,
    FEW_LEVELS,
    FEW_STUDENTS,
    fit_ordered_probit,
)

CUTS = np.array([-1.2, -0.2, 0.9])
ROWS = [[3, 9, 12, 6], [8, 12, 7, 3], [1, 6, 14, 9], [5, 10, 9, 6]]


def shares(mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    below = stats.norm.cdf((CUTS - mean[:, None]) / sd[:, None])
    return np.diff(np.column_stack([np.zeros(len(mean)), below, np.ones(len(mean))]), axis=1)


def places(groups: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Means and deviations with population mean 0 and variance 1 for groups of one size."""
    rng = np.random.Generator(np.random.PCG64(seed))
    mean, sd = rng.normal(0, 0.4, groups), np.exp(rng.normal(-0.1, 0.15, groups))
    mean -= mean.mean()
    scale = np.sqrt((mean**2 + sd**2).mean())
    return mean / scale, sd / scale


def test_normal_groups_of_a_million_students_are_recovered() -> None:
    mean, sd = places(12, seed=1)
    counts = np.round(1e6 * shares(mean, sd))
    found = fit_ordered_probit(counts)
    np.testing.assert_allclose(found.table["mean"], mean, atol=2e-5)
    np.testing.assert_allclose(found.table["sd"], sd, atol=2e-5)
    assert found.icc == pytest.approx((mean**2).mean(), abs=2e-5)
    assert found.table["spread"].eq("own").all() and found.table["remark"].eq("").all()


def test_the_scale_is_that_of_all_students_together() -> None:
    for heteroskedastic in (True, False):
        table = fit_ordered_probit(ROWS, heteroskedastic=heteroskedastic).table
        weight = table["students"] / table["students"].sum()
        assert (weight * table["mean"]).sum() == pytest.approx(0, abs=1e-12)
        assert (weight * (table["mean"] ** 2 + table["sd"] ** 2)).sum() == pytest.approx(1, rel=1e-12)
    assert table["sd"].nunique() == 1 and table["spread"].eq("pooled").all()


@pytest.mark.slow
def test_intervals_cover_the_means_and_the_corrected_share_is_not_biased() -> None:
    rng = np.random.Generator(np.random.PCG64(5))
    covered, shares_of_variance, truths = [], [], []
    for seed in range(150):
        mean, sd = places(20, seed=seed)
        counts = np.array([rng.multinomial(60, p) for p in shares(mean, sd)])
        found = fit_ordered_probit(counts)
        table = found.table
        covered.append(((table["low"] <= mean) & (mean <= table["high"])).mean())
        shares_of_variance.append(found.icc_corrected)
        truths.append((mean**2).mean())
    assert 0.93 <= np.mean(covered) <= 0.97
    assert np.mean(shares_of_variance) == pytest.approx(np.mean(truths), abs=0.008)


# --- groups that do not determine everything ------------------------------------------------------------------------


def test_groups_at_the_edge_are_left_out_and_named() -> None:
    rows = [*ROWS, [30, 0, 0, 0], [0, 0, 0, 20], [0, 0, 0, 0]]
    found = fit_ordered_probit(rows, group_names=["甲", "乙", "丙", "丁", "戊", "己", "庚"])
    table = found.table.set_index("group")
    assert table.loc[["戊", "己", "庚"], "remark"].tolist() == [ALL_LOWEST, ALL_HIGHEST, EMPTY]
    assert table.loc[["戊", "己", "庚"], ["mean", "sd", "mean_se"]].isna().all(axis=None)
    alone = fit_ordered_probit(ROWS).table
    np.testing.assert_allclose(table["mean"].iloc[:4], alone["mean"], atol=1e-9)
    assert "3 所学校的均值不能估计" in found.summary()


def test_leaving_a_group_out_can_empty_a_level_for_the_rest() -> None:
    # Without the first group nobody is at the lowest level, and the second has everybody in the lowest that is left.
    found = fit_ordered_probit([[30, 0, 0, 0], [0, 30, 0, 0], [0, 9, 12, 9], [0, 5, 10, 15]])
    assert found.table["remark"].tolist() == [ALL_LOWEST, ALL_LOWEST, "", ""]
    assert np.isnan(found.cuts).tolist() == [True, False, False]


def test_a_level_nobody_is_at_has_no_cuts_beside_it() -> None:
    found = fit_ordered_probit([[9, 0, 12, 9], [5, 0, 10, 15], [10, 0, 12, 8]])
    assert np.isnan(found.cuts).tolist() == [True, True, False]
    three = fit_ordered_probit([[9, 12, 9], [5, 10, 15], [10, 12, 8]])
    np.testing.assert_allclose(found.table["mean"], three.table["mean"], atol=1e-12)


def test_two_levels_or_few_students_borrow_their_spread_from_the_others() -> None:
    found = fit_ordered_probit([*ROWS, [0, 10, 30, 0], [2, 3, 4, 1]])
    table = found.table
    assert table["spread"].tolist() == ["own"] * 4 + ["pooled"] * 2
    assert table["remark"].tolist() == [""] * 4 + [FEW_LEVELS, FEW_STUDENTS]
    # Student-weighted mean of the others' logarithms; they are of equal size.
    borrowed = np.exp(np.log(table["sd"].iloc[:4]).mean())
    assert table["sd"].iloc[4:].tolist() == pytest.approx([borrowed] * 2, rel=1e-9)
    assert "2 所学校的标准差取各校平均" in found.summary()
    assert fit_ordered_probit([*ROWS, [2, 3, 4, 1]], own_spread_from=0).table["spread"].eq("own").all()


def test_equal_groups_do_not_differ() -> None:
    found = fit_ordered_probit([ROWS[0]] * 5)
    assert found.icc == pytest.approx(0, abs=1e-15) and found.icc_corrected == 0
    np.testing.assert_allclose(found.table["sd"], 1, rtol=1e-9)


def test_the_result_is_plain_data() -> None:
    found = fit_ordered_probit([*ROWS, [30, 0, 0, 0]])
    text = json.dumps(found.to_dict()["table"])
    assert "NaN" not in text and len(found.tidy()) == 5
    assert f"{found.icc_corrected:.1%}" in found.summary() and "4 所学校" in found.summary()


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "more", "words"),
    [
        ([[1, 2], [3, 4]], {}, "至少三个等级"),
        ([1, 2, 3], {}, "(3,)"),
        (np.empty((0, 4)), {}, "(0, 4)"),
        ([[1, 2, 3], [1, float("nan"), 3]], {}, "1 所学校的人数缺失"),
        ([[1, 2, 3], [1, -2, 3]], {}, "为负"),
        ([[1, 2, 3], [1, 2.5, 3]], {}, "不是整数"),
        ([[0, 0, 0]], {}, "全部为零"),
        ([[5, 9, 0, 0], [8, 6, 0, 0]], {}, "只有 2 个等级有学生"),
        ([[5, 9, 6, 2]], {}, "至少两所学校"),
        ([[5, 9, 6, 2], [9, 0, 0, 0]], {}, "各等级比例仍可报告"),
        ([[5, 9, 6, 2], [2, 6, 9, 5]], {"own_spread_from": 100}, "heteroskedastic=False"),
        ([[5, 9, 6, 2], [2, 6, 9, 5]], {"group_names": ["甲"]}, "1 个名字"),
    ],
)
def test_refusals_say_what_is_wrong(counts, more, words) -> None:
    with pytest.raises(InputError) as caught:
        fit_ordered_probit(counts, **more)
    assert words in str(caught.value)
