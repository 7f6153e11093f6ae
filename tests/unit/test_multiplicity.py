"""Adjusted p-values refuse tests that were not made, and are what the definitions say in small cases."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from qbresearch.errors import InputError
from qbresearch.statistics.multiplicity import adjust_p

NAN = float("nan")


def refusal(*arguments) -> str:
    with pytest.raises(InputError) as caught:
        adjust_p(*arguments)
    return str(caught.value)


@pytest.mark.parametrize("method", ["holm", "bh", "none"])
def test_a_test_without_p_value_is_refused_and_counted(method) -> None:
    message = refusal([0.01, NAN, 0.03, NAN], method)
    assert "4 个检验中 2 个没有 p 值" in message and "未校正的 p 值仍可报告" in message


def test_statsmodels_would_count_the_missing_test() -> None:
    made = adjust_p([0.01, 0.03], "holm")
    counted = multipletests([0.01, 0.03, NAN], method="holm")[1]
    assert made[0] == pytest.approx(0.02)
    assert not counted[0] == pytest.approx(0.02)


@pytest.mark.parametrize("values", [[], [[0.1, 0.2]], 0.1], ids=["empty", "two-dimensional", "a number"])
def test_something_that_is_no_list_of_p_values_is_refused(values) -> None:
    assert "至少一个 p 值的一维数组" in refusal(values)


@pytest.mark.parametrize("values", [[0.2, 1.01], [-0.001, 0.5]])
def test_values_that_are_no_probabilities_are_refused_with_the_range(values) -> None:
    message = refusal(values)
    assert f"{min(values):g}" in message and f"{max(values):g}" in message and "0 到 1" in message


def test_an_unknown_method_is_refused_with_the_choices() -> None:
    message = refusal([0.1], "bonferoni")
    assert "holm" in message and "bh" in message and "没有这个校正方法" in message


def test_holm_and_bh_by_hand() -> None:
    assert adjust_p([0.04, 0.01, 0.03], "holm") == pytest.approx([0.06, 0.03, 0.06])
    assert adjust_p([0.04, 0.01, 0.03], "bh") == pytest.approx([0.04, 0.03, 0.04])


@pytest.mark.parametrize("method", ["holm", "bh", "none"])
def test_one_test_keeps_its_p_value(method) -> None:
    assert adjust_p([0.2], method) == pytest.approx([0.2])


def test_no_adjustment_gives_a_copy() -> None:
    p = np.array([0.2, 0.1])
    result = adjust_p(p, "none")
    result[0] = 9
    assert p[0] == 0.2
