"""Rubin's rules: what they say in the limiting cases and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from qbresearch.errors import InputError
from qbresearch.statistics.plausible_values import pool


def test_three_values_by_hand() -> None:
    # Mean 2, within 0.2, between 1, total 0.2 + 4/3.
    found = pool([1, 2, 3], [0.1, 0.2, 0.3])
    assert (found.estimate, found.values) == (2, 3)
    assert (float(found.within), float(found.between)) == pytest.approx((0.2, 1))
    assert found.se**2 == pytest.approx(0.2 + 4 / 3, rel=1e-14)
    # Infinite complete freedom: 2 / lambda².
    assert found.df == pytest.approx(2 / (4 / 3 / (0.2 + 4 / 3)) ** 2, rel=1e-12)


def test_equal_values_add_nothing() -> None:
    found = pool([5, 5, 5], [4, 4, 4], 20)
    assert (found.estimate, found.se, found.between) == (5, 2, 0)
    assert found.df == pytest.approx(21 / 23 * 20, rel=1e-12)
    assert pool([5, 5], [4, 4]).df == np.inf and pool([5, 5], [4, 4]).fmi == 0


def test_a_quantity_without_any_variance() -> None:
    found = pool([5, 5], [0, 0], 20)
    assert (found.se, found.fmi) == (0, 0) and np.isfinite(found.df)
    only_between = pool([4, 6], [0, 0], 20)
    assert (only_between.df, only_between.fmi) == (1, 1)


def test_many_quantities_at_once_are_each_alone() -> None:
    q, u, df = np.array([[1, 50.0], [2, 52], [4, 49]]), np.array([[0.1, 3.0], [0.3, 4], [0.2, 5]]), np.array([9, 30])
    both = pool(q, u, df)
    for k in range(2):
        one = pool(q[:, k], u[:, k], df[k])
        for name in ("estimate", "within", "between", "se", "df", "fmi"):
            assert getattr(both, name)[k] == pytest.approx(float(getattr(one, name)), rel=1e-14)
    low, high = both.interval()
    assert (low < both.estimate).all() and (both.estimate < high).all()


@pytest.mark.parametrize(
    ("q", "u", "words"),
    [([1.0], [1.0], "至少两个合理值"), ([1, 2], [1, 2, 3], "(3,)"), ([1, float("nan")], [1, 1], "2 个估计中 1 个"),
     ([1, 2], [1, -1], "方差为负")],
)
def test_refusals_name_what_is_wrong(q, u, words) -> None:
    with pytest.raises(InputError, match="合理值合并不了") as caught:
        pool(q, u)
    assert words in str(caught.value)
