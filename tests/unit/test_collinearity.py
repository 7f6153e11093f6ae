"""Collinearity is measured where it can be, and told in words where it is exact."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from qbresearch.errors import InputError
from qbresearch.statistics.collinearity import block_test, measure_collinearity
from qbresearch.statistics.regression import fit_linear

NAN = float("nan")


def schools(n: int = 30) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "c"])
    frame["type"] = (["城区", "镇区", "乡村"] * n)[:n]
    frame["y"] = frame["a"] + rng.normal(size=n)
    return frame


def refusal(call, *arguments, **named) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments, **named)
    return str(caught.value)


# --- variance inflation ---------------------------------------------------------------------------------------------


def test_an_exact_sum_is_told_in_words_and_the_rest_is_measured() -> None:
    frame = schools()
    without = measure_collinearity(frame, ["a", "b", "c"])
    frame["total"] = frame["a"] + 2 * frame["b"]
    result = measure_collinearity(frame, ["a", "b", "total", "c"])
    assert result.perfect == (("total", ("a", "b")),)
    assert result.perfect_sentences() == ("total可由a、b完全算出，系数不能分开估计",)
    assert "total可由a、b完全算出" in result.summary()
    pd.testing.assert_frame_equal(result.table, without.table)
    assert np.isfinite(result.table[["vif", "tolerance", "r_squared"]].to_numpy()).all()
    assert result.condition_index == pytest.approx(without.condition_index)


def test_shares_that_add_up_to_one_depend_on_the_intercept() -> None:
    frame = schools()
    frame["p"], frame["q"] = 0.5 + 0.1 * frame["a"], 0.5 - 0.1 * frame["a"]
    (column, others), = measure_collinearity(frame, ["p", "q", "b"]).perfect
    assert column == "q" and set(others) == {"(Intercept)", "p"}


def test_one_variable_inflates_nothing() -> None:
    row = measure_collinearity(schools(), ["a"]).table.iloc[0]
    assert row[["vif", "tolerance", "r_squared", "columns"]].to_list() == pytest.approx([1, 1, 0, 1], abs=1e-12)


def test_two_variables_follow_their_correlation() -> None:
    frame = schools()
    frame["d"] = frame["a"] + 0.1 * frame["b"]
    r2 = frame["a"].corr(frame["d"]) ** 2
    table = measure_collinearity(frame, ["a", "d"]).table
    assert table["vif"].to_list() == pytest.approx([1 / (1 - r2)] * 2)
    assert table["r_squared"].to_list() == pytest.approx([r2] * 2)
    assert table["tolerance"].to_list() == pytest.approx([1 - r2] * 2)


def test_a_text_variable_stands_as_one_row() -> None:
    table = measure_collinearity(schools(), ["a", "type"]).table
    assert table["variable"].to_list() == ["a", "type"] and table["columns"].to_list() == [1, 2]


def test_near_collinearity_is_measured_to_the_last_digits() -> None:
    frame = schools(400)
    rest = frame["b"] - np.polyval(np.polyfit(frame["a"], frame["b"], 1), frame["a"])
    frame["near"] = frame["a"] + 1e-5 * rest
    expected = 1 + (frame["a"].var() / rest.var()) * 1e10
    assert measure_collinearity(frame, ["a", "near"]).table["vif"].iloc[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("frame", "variables", "words"),
    [
        (schools(), [], "没有变量"),
        (schools(), ["a", "a"], "每个只列一次"),
        (schools().assign(a=1.0), ["a", "b"], "自变量没有差异"),
        (schools().assign(a=[NAN, *[1.0] * 29]), ["a", "b"], "30 个观测中 1 个没有数值"),
        (schools(4), ["a", "b", "c"], "4 个观测，4 列（含截距）"),
        (schools(1), ["a"], "没有差异"),
        (schools(0), ["a"], "0 个观测"),
        (schools(), ["nowhere"], "没有这一列"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_words(frame, variables, words) -> None:
    assert words in refusal(measure_collinearity, frame, variables)


def test_more_variables_than_schools_says_what_can_be_had() -> None:
    assert "两两相关仍可计算" in refusal(measure_collinearity, schools(4), ["a", "b", "c"])


def test_a_result_is_plain_data() -> None:
    frame = schools()
    frame["d"] = frame["a"] - frame["b"]
    data = json.loads(json.dumps(measure_collinearity(frame, ["a", "b", "d"]).to_dict(), allow_nan=False))
    assert data["perfect"] == [{"column": "d", "others": ["a", "b"]}]
    assert len(data["table"]) == 2


def test_the_summary_names_the_largest() -> None:
    frame = schools()
    frame["d"] = frame["a"] + 0.2 * frame["b"]
    result = measure_collinearity(frame, ["c", "a", "d"])
    top = result.table["vif"].max()
    assert f"（{top:.2f}）" in result.summary() and "条件指数" in result.summary()


# --- blocks ---------------------------------------------------------------------------------------------------------


@dataclass
class Answer:
    statistic: float
    df1: float
    df2: float
    p: float


class Fit:
    def __init__(self) -> None:
        self.asked = []

    def wald(self, terms):
        self.asked.append(terms)
        return Answer(3.0, len(terms), 40, 0.03 if len(terms) == 2 else 0.2)


def test_each_block_is_tested_once_with_its_terms_and_adjusted_as_a_family() -> None:
    fit = Fit()
    result = block_test(fit, {"人员": ("a", "b"), "设备": ("c",)})
    assert fit.asked == [["a", "b"], ["c"]]
    assert result.table["p_adjusted"].to_list() == pytest.approx([0.06, 0.2])
    assert result.table["family"].to_list() == [2, 2] and result.table["df1"].to_list() == [2, 1]
    assert "有 0 组" in result.summary()
    unadjusted = block_test(fit, {"人员": ("a", "b"), "设备": ("c",)}, adjust="none")
    assert "未作校正时与 0 有别的有 1 组：人员" in unadjusted.summary()


def test_a_block_matters_where_none_of_its_twins_does() -> None:
    frame = schools(60)
    frame["twin"] = frame["a"] + 0.01 * frame["b"]
    fit = fit_linear(frame, outcome="y", terms=["a", "twin", "c"], covariance="classical")
    singles = fit.estimates.set_index("term")["p"]
    table = block_test(fit, {"同类": ["a", "twin"], "其他": ["c"]}).table.set_index("block")
    assert singles["a"] > 0.05 and singles["twin"] > 0.05
    assert table.loc["同类", "p_adjusted"] < 0.001
    assert table.loc["其他", "p"] == pytest.approx(singles["c"])


@pytest.mark.parametrize("blocks", [{}, {"空": [], "有": ["a"]}])
def test_no_blocks_or_an_empty_one_are_refused(blocks) -> None:
    message = refusal(block_test, Fit(), blocks)
    assert "没有可检验的变量组" in message and "单个系数的检验仍可报告" in message


def test_a_coefficient_the_fit_does_not_have_is_refused() -> None:
    fit = fit_linear(schools(), outcome="y", terms=["a"])
    assert "nowhere" in refusal(block_test, fit, {"x": ["nowhere"]})


def test_block_tests_are_plain_data() -> None:
    data = json.loads(json.dumps(block_test(Fit(), {"人员": ["a", "b"]}).to_dict(), allow_nan=False))
    assert data["table"][0]["block"] == "人员" and data["adjust"] == "holm"
