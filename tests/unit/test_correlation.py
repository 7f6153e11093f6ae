"""Correlations refuse in words what has none, and say what their docstring says in the limiting cases."""

from __future__ import annotations

import json

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from qbresearch.errors import InputError
from qbresearch.statistics.correlation import correlate

NAN = float("nan")
EXTRA = {"pearson": {}, "spearman": {}, "partial": {"controls": ["z"]}, "weighted": {"weights": "students"}}
every_kind = pytest.mark.parametrize("kind", EXTRA)


def schools(n: int = 12, seed: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n), rng.normal(size=n)
    return pd.DataFrame(
        {
            "y": x + z + rng.normal(size=n), "x": x, "z": z, "noise": rng.normal(size=n),
            "students": rng.integers(50, 3000, n).astype(float), "type": ["城区", "乡村"] * (n // 2) + ["城区"] * (n % 2),
        }
    )


def run(frame: pd.DataFrame, kind: str = "pearson", **changes):
    arguments = {"outcome": "y", "variables": ["x", "noise"], "kind": kind, "where": "某县"} | EXTRA[kind] | changes
    return correlate(frame, **arguments)


def refusal(frame: pd.DataFrame, kind: str = "pearson", **changes) -> str:
    with pytest.raises(InputError) as caught:
        run(frame, kind, **changes)
    assert "某县" in str(caught.value)
    return str(caught.value)


# --- refusals -------------------------------------------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("column", ["y", "x"])
def test_missing_values_are_counted(kind, column) -> None:
    frame = schools()
    frame.loc[[1, 5], column] = NAN
    message = refusal(frame, kind)
    assert "12 个观测中 2 个没有数值" in message and column in message


@every_kind
@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_too_few_observations_are_refused(kind, n) -> None:
    message = refusal(schools().head(n), kind)
    assert "散点图仍可报告" in message if n != 1 else "没有差异" in message


def test_four_observations_are_enough_and_three_are_not() -> None:
    assert np.isfinite(run(schools().head(4)).table[["r", "low", "high", "p"]].to_numpy()).all()
    assert "3 个观测" in refusal(schools().head(3)) and "至少 4 个" in refusal(schools().head(3))


def test_controls_take_observations_away() -> None:
    frame = schools().head(5).assign(other=[1.0, 5.0, 2.0, 2.0, 0.0])
    assert run(frame, "partial").effective == 4
    message = refusal(frame, "partial", controls=["z", "other"])
    assert "5 个观测" in message and "2 列控制变量" in message and "散点图仍可报告" in message


def test_one_giant_school_leaves_no_effective_sample() -> None:
    frame = schools()
    frame["students"] = [1e6] + [1.0] * 11
    message = refusal(frame, "weighted")
    assert "按权重折合 1.0 个" in message and "12 个观测" in message


@every_kind
def test_a_constant_variable_is_refused_by_name(kind) -> None:
    message = refusal(schools().assign(noise=7.0), kind)
    assert "没有差异" in message and "noise" in message and "其余变量的相关仍可计算" in message


@every_kind
def test_a_constant_outcome_is_refused_by_name(kind) -> None:
    message = refusal(schools().assign(y=7), kind)
    assert "结果变量没有差异" in message and "y" in message


def test_a_spread_that_is_rounding_is_no_spread() -> None:
    frame = schools()
    frame["x"] = 1e9 + np.array([0.0, 1.2e-7] * 6)
    assert "差异小于舍入误差" in refusal(frame)


def test_a_variable_that_the_controls_determine_is_refused() -> None:
    frame = schools()
    frame["x"] = 3 * frame["z"] - 2
    message = refusal(frame, "partial")
    assert "控制变量已完全决定它" in message and "：x" in message


@pytest.mark.parametrize("column", ["type", "nowhere"])
def test_a_column_that_is_no_number_or_absent_is_refused(column) -> None:
    assert column in refusal(schools(), variables=[column])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"variables": []}, "没有变量"),
        ({"variables": ["x", "x"]}, "重复：x"),
        ({"variables": ["x", "y"]}, "重复：y"),
        ({"kind": "partial", "controls": ["y"]}, "重复：y"),
        ({"kind": "partial", "controls": []}, "偏相关需要控制变量"),
        ({"kind": "weighted", "weights": None}, "加权相关需要权重"),
        ({"kind": "pearson", "controls": ["z"]}, "皮尔逊相关用不到控制变量"),
        ({"kind": "spearman", "weights": "students"}, "斯皮尔曼等级相关用不到权重"),
        ({"kind": "kendall"}, "没有这个相关系数"),
        ({"adjust": "bonferroni"}, "没有这个校正方法"),
    ],
)
def test_requests_that_contradict_themselves_are_refused(changes, words) -> None:
    with pytest.raises(InputError) as caught:
        correlate(schools(), **({"outcome": "y", "variables": ["x"]} | changes))
    assert words in str(caught.value)


@pytest.mark.parametrize("bad", [0.0, -3.0, NAN])
def test_bad_weights_are_refused(bad) -> None:
    frame = schools()
    frame.loc[2, "students"] = bad
    assert "权重不对" in refusal(frame, "weighted") and "12 个观测中 1 个" in refusal(frame, "weighted")


# --- limiting cases -------------------------------------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("sign", [1, -1])
def test_a_perfect_correlation_has_an_interval_of_no_width(kind, sign) -> None:
    frame = schools()
    frame["x"] = sign * 0.1 * frame["y"] + (0.3 if kind != "partial" else 0.3 * frame["z"])
    row = run(frame, kind, variables=["x"]).table.iloc[0]
    assert (row["r"], row["low"], row["high"], row["p"]) == (sign, sign, sign, 0)
    assert row["statistic"] == sign * np.inf


def test_ranks_see_a_monotone_relation_as_perfect() -> None:
    frame = schools().assign(y=np.arange(12.0), x=np.exp(np.arange(12.0)))
    assert run(frame, "spearman").table["r"].iloc[0] == 1
    assert run(frame, "pearson").table["r"].iloc[0] < 0.8


def test_equal_weights_are_no_weights() -> None:
    frame = schools().assign(students=40.0)
    weighted, plain = run(frame, "weighted"), run(frame)
    numbers = ["r", "low", "high"]
    assert weighted.table[numbers].to_numpy() == pytest.approx(plain.table[numbers].to_numpy())
    assert weighted.effective == pytest.approx(12)


def test_unequal_weights_widen_the_interval() -> None:
    frame = schools()
    rows = run(frame, "weighted")
    naive = np.tanh(np.arctanh(rows.table["r"]) - 1.959964 / np.sqrt(9))
    assert rows.effective < 12
    assert (rows.table["low"] < naive).all()


def test_text_controls_count_one_column_a_level_but_the_first() -> None:
    result = run(schools(), "partial", controls=["type", "z"])
    assert result.effective == 10 and (result.table["df"] == 8).all()


def test_the_family_is_what_was_asked_for() -> None:
    result = run(schools(), adjust="holm")
    assert (result.table["family"] == 2).all()
    assert result.table["p_adjusted"].min() == pytest.approx(2 * result.table["p"].min())
    assert run(schools(), adjust="none").table["p_adjusted"].equals(run(schools(), adjust="none").table["p"])


# --- what a result gives --------------------------------------------------------------------------------------------


@every_kind
def test_a_result_is_plain_data(kind) -> None:
    frame = schools()
    frame["x"] = frame["y"]
    data = run(frame, kind).to_dict()
    text = json.dumps(data, allow_nan=False)
    assert json.loads(text)["table"][0]["statistic"] is None
    assert data["table"][0]["n"] == 12


def test_tidy_is_a_copy() -> None:
    result = run(schools())
    copy = result.tidy()
    copy.loc[0, "r"] = 9
    assert (result.table["r"] < 1).all()


def test_the_summary_names_the_strongest_and_the_count() -> None:
    frame = schools(60)
    summary = run(frame).summary()
    strongest = run(frame).table.iloc[0]
    assert f"x（r = {strongest['r']:.2f}" in summary and "60 个观测" in summary
    assert "有 1 个与 0 有别" in summary and "因果" in summary


def test_the_plot_shows_every_variable() -> None:
    ax = run(schools()).plot()
    try:
        words = " ".join(text.get_text() for text in ax.figure.findobj(mpl.text.Text))
        assert "noise" in words and "x" in words
    finally:
        plt.close(ax.figure)


# --- simulation -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_weighted_interval_covers_what_it_says() -> None:
    rng, hits, naive_hits, runs = np.random.default_rng(1), 0, 0, 800
    for _ in range(runs):
        x = rng.normal(size=60)
        frame = pd.DataFrame({"x": x, "y": 0.5 * x + np.sqrt(0.75) * rng.normal(size=60)})
        frame["students"] = np.exp(rng.normal(5.5, 0.8, 60))
        row = run(frame, "weighted", variables=["x"]).table.iloc[0]
        hits += row["low"] <= 0.5 <= row["high"]
        naive_hits += abs(np.arctanh(row["r"]) - np.arctanh(0.5)) <= 1.959964 / np.sqrt(57)
    assert 0.94 <= hits / runs <= 0.99
    assert naive_hits / runs < 0.91
