"""Decompositions say where a coefficient went, and refuse models that cannot be compared."""

from __future__ import annotations

import json

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from qbresearch.errors import InputError
from qbresearch.statistics.decomposition import decompose

ADDED = {"生源": ["intake", "ses"], "氛围": ["climate"]}


def schools(n: int = 80, seed: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"teachers": rng.normal(size=n), "climate": rng.normal(size=n), "ses": rng.normal(size=n)})
    frame["intake"] = 0.8 * frame["teachers"] + rng.normal(size=n)
    frame["type"] = (["城区", "镇区", "乡村"] * n)[:n]
    frame["county"] = np.arange(n) // 8
    frame["students"] = rng.integers(100, 2000, n).astype(float)
    frame["y"] = 0.5 * frame["teachers"] + frame["intake"] + frame["climate"] + rng.normal(size=n)
    return frame


def run(frame: pd.DataFrame, **changes):
    return decompose(frame, **({"outcome": "y", "base": ["teachers"], "added": ADDED, "where": "某县"} | changes))


def estimate(result, component: str, block: str = "", variable: str = "teachers", column: str = "estimate") -> float:
    table = result.table
    found = table[(table["variable"] == variable) & (table["component"] == component) & (table["block"] == block)]
    return found[column].item()


def refusal(frame: pd.DataFrame, **changes) -> str:
    with pytest.raises(InputError) as caught:
        run(frame, **changes)
    assert "某县" in str(caught.value)
    return str(caught.value)


def test_the_change_goes_to_the_block_that_is_related_to_both() -> None:
    result = run(schools(4000))
    assert estimate(result, "block", "生源") == pytest.approx(0.8, abs=0.1)
    assert estimate(result, "block", "氛围") == pytest.approx(0, abs=0.1)
    assert estimate(result, "short") == pytest.approx(1.3, abs=0.1)
    assert estimate(result, "long") == pytest.approx(0.5, abs=0.1)


def test_a_single_added_variable_is_the_omitted_variable_formula() -> None:
    frame = schools()
    result = run(frame, added={"生源": ["intake"]})
    gamma = np.polyfit(frame["teachers"], frame["intake"], 1)[0]
    x = np.column_stack([np.ones(80), frame["teachers"], frame["intake"]])
    b = np.linalg.lstsq(x, frame["y"], rcond=None)[0]
    assert estimate(result, "block", "生源") == pytest.approx(gamma * b[2])
    assert estimate(result, "difference") == pytest.approx(gamma * b[2])
    assert estimate(result, "difference", column="se") == pytest.approx(estimate(result, "block", "生源", column="se"))


def test_a_variable_unrelated_to_the_base_moves_nothing() -> None:
    frame = schools()
    x = np.column_stack([np.ones(80), frame["teachers"]])
    frame["climate"] -= x @ np.linalg.lstsq(x, frame["climate"], rcond=None)[0]
    assert estimate(run(frame), "block", "氛围") == pytest.approx(0, abs=1e-12)


def test_text_columns_stand_in_base_and_blocks() -> None:
    result = run(schools(), base=["type"], added={"师资": ["teachers"], "规模": ["students"]})
    # Levels stand in the order of their codes; the first, 乡村, is the one compared with.
    assert result.table["variable"].unique().tolist() == ["type[城区]", "type[镇区]"]
    other = run(schools(), added={"类型": ["type"]})
    assert estimate(other, "difference") == pytest.approx(estimate(other, "block", "类型"))


def test_the_intercept_is_not_reported() -> None:
    assert set(run(schools()).table["variable"]) == {"teachers"}


def test_degrees_of_freedom_are_those_of_rows_or_clusters() -> None:
    rows, clusters = run(schools()), run(schools(), cluster="county")
    assert (estimate(rows, "short", column="df"), estimate(rows, "long", column="df")) == (78, 75)
    assert set(clusters.table["df"]) == {9} and clusters.clusters == 10 and rows.clusters is None


def test_repeating_every_row_within_clusters_changes_no_clustered_error_but_the_factor() -> None:
    frame = schools()
    twice = pd.concat([frame, frame], ignore_index=True)
    one, two = (run(f, cluster="county").table["se"].to_numpy() for f in (frame, twice))
    kind = run(frame).table["component"].to_numpy()
    k = np.where(kind == "short", 2, 5)
    factor = np.sqrt((79 / (80 - k)) / (159 / (160 - k)))
    assert one / two == pytest.approx(factor)


def test_weights_count_and_their_unit_does_not() -> None:
    frame = schools()
    weighted = run(frame, weights="students").table
    tenfold = run(frame.assign(students=10 * frame["students"]), weights="students").table
    assert weighted["se"].to_numpy() == pytest.approx(tenfold["se"].to_numpy())
    assert not np.allclose(weighted["estimate"], run(frame).table["estimate"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"base": []}, "基础变量 0 个"),
        ({"added": {}}, "加入的组 0 个"),
        ({"added": {"生源": []}}, "空组 1 个"),
        ({"added": {"生源": ["teachers"]}}, "同一列出现了两次"),
        ({"base": ["y"]}, "同一列出现了两次"),
        ({"added": {"生源": ["ses"], "再": ["ses"]}}, "ses"),
        ({"cluster": "nowhere"}, "nowhere"),
        ({"weights": "type"}, "权重不是一列数"),
        ({"base": ["nowhere"]}, "没有这一列"),
    ],
)
def test_requests_that_cannot_be_met_are_refused(changes, words) -> None:
    assert words in refusal(schools(), **changes)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda f: f.assign(ses=f["ses"].where(f.index > 2)), "80 个观测中 3 个没有数值"),
        (lambda f: f.assign(y=1), "结果变量没有差异"),
        (lambda f: f.assign(ses=1), "自变量没有差异"),
        (lambda f: f.assign(ses=f["teachers"] - f["climate"]), "共线"),
        (lambda f: f.head(5), "5 个观测，5 个待估系数"),
        (lambda f: f.head(1), "没有差异"),
        (lambda f: f.head(0), "0 个观测"),
    ],
    ids=["missing", "flat outcome", "flat", "collinear", "few", "one", "empty"],
)
def test_data_that_carry_no_two_models_are_refused(edit, words) -> None:
    assert words in refusal(edit(schools()))


def test_one_cluster_is_refused() -> None:
    assert "1 个簇" in refusal(schools().assign(county=1), cluster="county")


def test_a_result_is_plain_data_a_sentence_and_a_picture() -> None:
    result = run(schools(), base=["teachers", "type"], cluster="county")
    data = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert len(data["table"]) == 3 * 5 and data["clusters"] == 10
    summary = result.summary()
    assert "teachers对y的系数" in summary and "归于生源" in summary
    assert f"{estimate(result, 'short'):.3g}" in summary and f"{estimate(result, 'long'):.3g}" in summary
    copy = result.tidy()
    copy.loc[:, "estimate"] = 0
    assert result.table["estimate"].abs().max() > 0
    ax = result.plot()
    try:
        words = " ".join(text.get_text() for text in ax.figure.findobj(mpl.text.Text))
        assert "加入前" in words and "归于生源" in words
    finally:
        plt.close(ax.figure)
