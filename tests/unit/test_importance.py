"""Importance is shared out as games are, refuses what has no shares, and says when an interval cannot be had."""

from __future__ import annotations

import itertools
import json
import time

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from qbresearch.errors import InputError
from qbresearch.statistics.dominance import dominance, shapley_weights
from qbresearch.statistics.importance import importance
from qbresearch.statistics.subsets import subset_sums

NAN = float("nan")


def pupils(schools: int = 20, each: int = 12, between: float = 0.5, seed: int = 3) -> pd.DataFrame:
    """Pupils of schools with school-level variables a, b, c, a text type, a county, and a pupil-level ses."""
    rng = np.random.default_rng(seed)
    level = pd.DataFrame(rng.normal(size=(schools, 3)), columns=["a", "b", "c"])
    level["type"] = (["城区", "镇区", "乡村"] * schools)[:schools]
    level["county"] = np.arange(schools) // 4
    sizes = rng.integers(max(1, each // 2), each * 2, schools)
    frame = level.loc[np.repeat(np.arange(schools), sizes)].reset_index(names="school")
    frame["ses"] = rng.normal(size=len(frame))
    effect = level["a"] + 0.5 * level["b"] + rng.normal(size=schools)
    frame["y"] = between * effect.to_numpy()[frame["school"]] + 0.5 * frame["ses"] + rng.normal(size=len(frame))
    frame["students"] = rng.integers(1, 50, len(frame)).astype(float)
    return frame


BLOCKS = {"甲": ["a"], "乙": ["b", "c"]}


def run(frame: pd.DataFrame, **changes):
    arguments = {"outcome": "y", "blocks": BLOCKS, "draws": 40, "seed": 1, "where": "某县"} | changes
    return importance(frame, **arguments)


def between(frame: pd.DataFrame, **changes):
    return run(frame, **({"measure": "between_variance", "group": "school"} | changes))


def refusal(call, *arguments, **named) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments, **named)
    assert "某县" in str(caught.value)
    return str(caught.value)


# --- the game -------------------------------------------------------------------------------------------------------


def test_shapley_values_of_the_glove_game() -> None:
    """One left glove, two right gloves: the left owner gets 2/3, the others 1/6 each."""
    worth = np.array([float(bool(code & 1) and bool(code & 6)) for code in range(8)])
    assert worth @ shapley_weights(3) == pytest.approx([2 / 3, 1 / 6, 1 / 6])


def test_one_player_gets_everything() -> None:
    result = dominance(np.array([0.0, 0.4]), ["only"])
    assert result.general["value"].to_list() == [0.4]
    assert result.complete.empty
    assert "没有一组" in result.summary()


def test_equal_players_do_not_dominate_each_other() -> None:
    result = dominance(np.array([0.0, 0.3, 0.3 + 1e-16, 0.5]), ["p", "q"])
    assert not result.complete["dominates"].any()


def test_dominance_speaks_of_pairs_and_is_plain_data() -> None:
    result = run(pupils(), draws=0).dominance
    assert "甲优于乙" in result.summary()
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["general"][0]["block"] == "甲"
    assert result.tidy().columns.to_list() == ["block", "general", "size_1", "size_2"]


def test_every_subset_leaves_what_a_regression_leaves() -> None:
    rng = np.random.default_rng(0)
    x, y, w = rng.normal(size=(40, 6)), rng.normal(size=40), rng.uniform(0.5, 2, 40)
    x[:, 4] = x[:, 0] + 0.3 * x[:, 2]
    z = np.column_stack([np.ones(40), x, y])
    sums = subset_sums(
        (z.T * w @ z)[None], 2, (2, 1, 2), squared=(z.T * w**2 @ z)[None]
    )
    columns = [[0, 1], [2, 3], [4], [5, 6]]
    for code in range(8):
        used = columns[0] + [c for block in range(3) if code >> block & 1 for c in columns[block + 1]]
        left = np.linalg.lstsq(z[:, used] * np.sqrt(w)[:, None], y * np.sqrt(w), rcond=None)
        part = z[:, used]
        trace = np.trace(np.linalg.pinv(part.T * w @ part) @ (part.T * w**2 @ part))
        rank = np.linalg.matrix_rank(part)
        assert sums.rank[0, code] == rank
        residual = np.sum((np.sqrt(w) * (y - part @ left[0])) ** 2)
        assert sums.residual[0, code] == pytest.approx(residual, rel=1e-10)
        if rank == len(used):
            assert sums.trace[0, code] == pytest.approx(trace, rel=1e-9)


def test_a_column_that_repeats_another_is_skipped() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 2))
    z = np.column_stack([np.ones(30), x, x[:, 0] - x[:, 1], rng.normal(size=30)])
    sums = subset_sums((z.T @ z)[None], 1, (1, 1, 1))
    assert sums.rank[0].tolist() == [1, 2, 2, 3, 2, 3, 3, 3]
    assert sums.residual[0, 7] == pytest.approx(sums.residual[0, 3], rel=1e-12)


# --- shares ---------------------------------------------------------------------------------------------------------


def test_uncorrelated_blocks_get_their_own_r_squared() -> None:
    grid = pd.DataFrame(itertools.product([-1.0, 1.0], repeat=3), columns=["a", "b", "c"])
    grid["y"] = 3 * grid["a"] + 2 * grid["b"] + grid["c"] + np.array([1, -1, -1, 1, -1, 1, 1, -1.0])
    result = run(grid, draws=0)
    assert result.table["share"].to_list() == pytest.approx([9 / 15, 5 / 15])
    assert result.table["percent"].to_list() == pytest.approx([9 / 14, 5 / 14])
    assert result.total == pytest.approx(14 / 15)


def test_a_text_column_is_one_player_of_several_columns() -> None:
    table = run(pupils(), blocks={"类型": ["type"], "甲": ["a"]}).table
    assert table["columns"].to_list() == [2, 1]


def test_without_draws_there_is_no_interval() -> None:
    result = run(pupils(), draws=0)
    assert result.table[["low", "high", "first"]].isna().all(axis=None)
    assert "区间" not in result.summary()
    assert result.to_dict()["table"][0]["low"] is None


def test_the_seed_repeats_the_draws() -> None:
    frame = pupils()
    pd.testing.assert_frame_equal(run(frame, seed=5).table, run(frame, seed=5).table)
    assert not run(frame, seed=5).table["low"].equals(run(frame, seed=6).table["low"])


def test_an_interval_that_leaves_its_share_out_is_not_given() -> None:
    """Forty observations and fifteen columns of noise: drawn samples fit far better than the sample itself."""
    generator = np.random.default_rng(5)
    names = [f"x{number}" for number in range(15)]
    frame = pd.DataFrame(generator.normal(size=(40, 16)), columns=["y", *names])
    table = run(frame, blocks={"甲": names}, draws=200).table
    assert table["low"].isna().all() and table["high"].isna().all()
    assert table["share"].between(0.1, 0.7).all()


def test_clusters_are_drawn_whole() -> None:
    frame = pupils(between=2.0)
    rows, schools = run(frame, draws=300), run(frame, draws=300, cluster="school")
    assert (rows.clusters, schools.clusters) == (len(frame), 20)
    width = [r.table["high"].iloc[0] - r.table["low"].iloc[0] for r in (rows, schools)]
    assert width[1] > 1.5 * width[0]


def test_many_draws_are_made_in_pieces_without_changing_their_number(monkeypatch) -> None:
    monkeypatch.setattr("qbresearch.statistics.sampling.CHUNK", 1000)
    result = run(pupils(), draws=123)
    assert result.usable == 123
    assert result.table["first"].sum() == pytest.approx(1)


def test_student_weights_change_the_shares_and_their_unit_does_not() -> None:
    frame = pupils()
    weighted = run(frame, weights="students", draws=0).table["share"]
    assert not np.allclose(weighted, run(frame, draws=0).table["share"])
    doubled = run(frame.assign(students=2 * frame["students"]), weights="students", draws=0).table["share"]
    assert doubled.to_list() == pytest.approx(weighted.to_list())


def test_seven_variables_and_500_draws_take_less_than_three_seconds() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(3000, 7)), columns=list("abcdefg"))
    frame["y"] = frame.sum(axis=1) + rng.normal(size=3000)
    start = time.process_time()
    run(frame, blocks={v: [v] for v in "abcdefg"}, draws=500)
    assert time.process_time() - start < 3


# --- between schools ------------------------------------------------------------------------------------------------


def test_schools_of_one_size_follow_the_printed_formula() -> None:
    """Equal sizes n: the variance between schools is RSS / (J - p) of the school means, less sigma² / n."""
    frame = pupils(schools=15, seed=8)
    frame = frame.groupby("school").head(6)
    assert frame.groupby("school").size().eq(6).all()
    means = frame.groupby("school")[["y", "a", "b", "c"]].mean()
    sigma2 = ((frame["y"] - frame.groupby("school")["y"].transform("mean")) ** 2).sum() / (15 * 5)

    def left(columns: list[str]) -> float:
        x = np.column_stack([np.ones(15), means[columns]])
        residual = means["y"] - x @ np.linalg.lstsq(x, means["y"], rcond=None)[0]
        return (residual**2).sum() / (15 - x.shape[1]) - sigma2 / 6

    worth = {name: 1 - left(columns) / left([]) for name, columns in
             {"甲": ["a"], "乙": ["b", "c"], "both": ["a", "b", "c"]}.items()}
    result = between(frame, draws=0)
    assert result.total == pytest.approx(worth["both"])
    assert result.table["share"].iloc[0] == pytest.approx((worth["甲"] + worth["both"] - worth["乙"]) / 2)


def test_noise_between_schools_may_explain_less_than_nothing() -> None:
    shares = [between(pupils(schools=14, seed=s), blocks={"丙": ["c"]}, draws=0).total for s in range(12)]
    assert min(shares) < 0


def test_between_schools_draws_schools_or_counties() -> None:
    assert between(pupils()).clusters == 20
    assert between(pupils(), cluster="county").clusters == 5


def test_pupil_level_noise_is_taken_out() -> None:
    """With hardly any pupils a school, R² of school means would be far below the share of the true variance."""
    totals = [between(pupils(60, 3, seed=s), blocks={"全": ["a", "b"]}, draws=0).total for s in range(20)]
    assert np.mean(totals) == pytest.approx(1.25 / 2.25, abs=0.12)


def test_too_few_usable_draws_give_no_interval_and_say_so() -> None:
    frame = next(
        f for f in (pupils(8, 4, between=0.15, seed=s) for s in range(40))
        if 0 < _variance_between(f) < 0.15
    )
    result = between(frame, blocks={"甲": ["a"]}, draws=100)
    assert 0 < result.usable < 95
    assert result.table[["low", "high", "first"]].isna().all(axis=None)
    assert np.isfinite(result.table["share"]).all()
    assert f"100 次重抽样中只有 {result.usable} 次可用，不给区间" in result.summary()


def _variance_between(frame: pd.DataFrame) -> float:
    groups = frame.groupby("school")["y"]
    sizes = groups.size()
    within = ((frame["y"] - groups.transform("mean")) ** 2).sum() / (len(frame) - len(sizes))
    spread = (sizes * (groups.mean() - frame["y"].mean()) ** 2).sum() / (len(sizes) - 1)
    return (spread - within) / ((len(frame) - (sizes**2).sum() / len(frame)) / (len(sizes) - 1))


def test_schools_that_differ_no_more_than_chance_have_nothing_to_share() -> None:
    frame = pupils()
    frame["y"] = frame["ses"] - frame.groupby("school")["ses"].transform("mean") + 0.001 * frame["a"]
    message = refusal(between, frame)
    assert "没有可分解的校际方差" in message and "r_squared" in message


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"blocks": {}}, "0 组"),
        ({"blocks": {"甲": ["a"], "空": []}}, "空组 1 个"),
        ({"draws": -1}, "重抽样 -1 次"),
        ({"blocks": {"甲": ["a"], "乙": ["a", "b"]}}, "同一列出现了两次"),
        ({"blocks": {"甲": ["y"]}}, "y"),
        ({"controls": ["a"]}, "同一列出现了两次"),
        ({"measure": "r2"}, "没有这个度量"),
        ({"group": "school"}, "用不到学校列"),
        ({"cluster": "nowhere"}, "nowhere"),
        ({"blocks": {"甲": ["nowhere"]}}, "没有这一列"),
        ({"measure": "between_variance"}, "要给出学校列"),
        ({"measure": "between_variance", "group": "school", "weights": "students"}, "weights='students'"),
        ({"measure": "between_variance", "group": "school", "blocks": {"生源": ["ses"]}}, "不是学校层面的变量"),
        ({"measure": "between_variance", "group": "school", "cluster": "students"}, "不是学校层面的变量"),
        ({"measure": "between_variance", "group": "school", "controls": ["ses"]}, "不是学校层面的变量"),
    ],
)
def test_requests_that_cannot_be_met_are_refused(changes, words) -> None:
    assert words in refusal(run, pupils(), **changes)


def test_thirteen_blocks_are_refused_with_advice() -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 14)), columns=[*"abcdefghijklm", "y"])
    blocks = {v: [v] for v in "abcdefghijklm"}
    message = refusal(run, frame, blocks=blocks)
    assert "13 组" in message and "至多 12 组" in message and "并成一组" in message
    twelve = run(frame, blocks={k: v for k, v in blocks.items() if k != "m"}, draws=0)
    assert twelve.table["share"].sum() == pytest.approx(twelve.total)


@pytest.mark.parametrize("call", [run, between], ids=["r_squared", "between"])
@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda f: f.assign(a=f["a"].where(f.index > 1)), "没有数值"),
        (lambda f: f.assign(y=f["y"].where(f.index > 1)), "没有数值"),
        (lambda f: f.assign(y=3.0), "结果变量没有差异"),
        (lambda f: f.assign(a=3.0), "自变量没有差异"),
        (lambda f: f.assign(c=f["a"] + f["b"]), "共线"),
        (lambda f: f[f["school"] == 0], "没有差异"),
        (lambda f: f.head(1), "没有差异"),
        (lambda f: f.head(0), "0 个观测"),
    ],
    ids=["missing", "missing outcome", "flat outcome", "flat", "collinear", "one school", "one pupil", "empty"],
)
def test_data_without_shares_are_refused(call, edit, words) -> None:
    with pytest.raises(InputError) as caught:
        call(edit(pupils()))
    assert words in str(caught.value)


def test_more_variables_than_schools_are_refused() -> None:
    frame = pupils(schools=4)
    assert "4 个观测，4 个待估系数" in refusal(between, frame)


def test_one_pupil_a_school_says_what_is_left() -> None:
    message = refusal(between, pupils().drop_duplicates("school"))
    assert "每校只有一名学生" in message and "r_squared" in message


# --- what a result gives --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [run, between], ids=["r_squared", "between"])
def test_a_result_is_plain_data_a_sentence_and_a_picture(call) -> None:
    result = call(pupils(between=2.0))
    data = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert [row["block"] for row in data["table"]] == ["甲", "乙"] and data["draws"] == 40
    top = result.table.loc[result.table["share"].idxmax()]
    assert top["block"] in result.summary() and "95% 区间" in result.summary() and "因果" in result.summary()
    copy = result.tidy()
    copy.loc[:, "share"] = 0
    assert result.table["share"].max() > 0
    ax = result.plot()
    try:
        words = " ".join(text.get_text() for text in ax.figure.findobj(mpl.text.Text))
        assert "甲" in words and "乙" in words
    finally:
        plt.close(ax.figure)


# --- simulation -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_intervals_between_schools_cover_nearly_what_they_say() -> None:
    rng, hits, totals, runs = np.random.default_rng(6), np.zeros(2), [], 200
    true = np.array([0.09, 0.04]) / 0.29
    for seed in range(runs):
        x = rng.normal(size=(60, 2))
        effect = x @ [0.3, 0.2] + 0.4 * rng.normal(size=60)
        school = np.repeat(np.arange(60), rng.integers(10, 40, 60))
        frame = pd.DataFrame(x[school], columns=["a", "b"])
        frame["school"], frame["y"] = school, effect[school] + rng.normal(size=len(school))
        result = between(frame, blocks={"甲": ["a"], "乙": ["b"]}, draws=200, seed=seed)
        hits += ((result.table["low"] <= true) & (true <= result.table["high"])).to_numpy()
        totals.append(result.total)
    assert (hits / runs >= 0.87).all()
    assert np.mean(totals) == pytest.approx(true.sum(), abs=0.04)
