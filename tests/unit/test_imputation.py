"""Multiple imputation fills gaps only, keeps schools together, and gives back what was put in."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbresearch.errors import InputError
from qbresearch.statistics.estimates import estimate_table
from qbresearch.statistics.imputation import impute, pool_fits
from qbresearch.statistics.regression import fit_linear

SCHOOLS, STUDENTS = 30, 15


def refusal(function, *arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        function(*arguments, **options)
    return str(caught.value)


def nested(seed: int = 0) -> pd.DataFrame:
    """Complete data: ``score`` has slopes of 0.5 on ``ses`` and 0.3 on ``floor``; intraclass correlation near 0.3."""
    rng = np.random.default_rng(seed)
    school = np.repeat(np.arange(SCHOOLS), STUDENTS)
    floor = rng.normal(size=SCHOOLS)[school]
    ses = rng.normal(size=len(school)) + 0.5 * floor
    score = 0.5 * ses + 0.3 * floor + 0.65 * rng.normal(size=SCHOOLS)[school] + rng.normal(size=len(school))
    sex = np.where(rng.random(len(school)) < 1 / (1 + np.exp(-ses)), "女", "男")
    names = [f"S{s:02d}" for s in school]
    return pd.DataFrame({"school": names, "floor": floor, "ses": ses, "score": score, "sex": sex})


@pytest.fixture(scope="module")
def gaps() -> pd.DataFrame:
    rng, frame = np.random.default_rng(9), nested()
    frame["ses"] = frame["ses"].mask(rng.random(len(frame)) < 0.3)
    frame["score"] = frame["score"].mask(rng.random(len(frame)) < 0.1)
    frame["sex"] = frame["sex"].mask(rng.random(len(frame)) < 0.15)
    frame["floor"] = frame["floor"].mask(frame["school"].isin(["S03", "S11"]) | (frame.index == 0))
    return frame


@pytest.fixture(scope="module")
def imputed(gaps):
    return impute(gaps, ["score", "ses", "floor", "sex"], group="school", imputations=8, iterations=5, seed=3)


# --- what is filled and what is not ---------------------------------------------------------------------------------


def test_gaps_are_filled_flagged_and_nothing_else_changes(gaps, imputed) -> None:
    assert len(imputed.frames) == 8
    for copy in imputed.frames:
        assert not copy.isna().any().any() and list(copy.columns) == list(gaps.columns)
        for column in gaps:
            known = gaps[column].notna()
            assert copy.loc[known, column].tolist() == gaps.loc[known, column].tolist()
    for column in imputed.imputed:
        assert imputed.imputed[column].tolist() == gaps[column].isna().tolist()
    assert dict(zip(imputed.columns["column"], imputed.columns["missing"], strict=True)) == {
        c: gaps[c].isna().sum() for c in ("score", "ses", "floor", "sex")
    }


def test_the_table_given_is_left_as_it_was(gaps) -> None:
    before = gaps.copy(deep=True)
    impute(gaps, ["score", "ses", "floor", "sex"], group="school", imputations=2, iterations=1, seed=1)
    pd.testing.assert_frame_equal(gaps, before)


def test_the_seed_decides_and_further_imputations_leave_the_first_ones(gaps, imputed) -> None:
    again = impute(gaps, ["score", "ses", "floor", "sex"], group="school", imputations=3, iterations=5, seed=3)
    for one, other in zip(again.frames, imputed.frames, strict=False):
        pd.testing.assert_frame_equal(one, other)
    other = impute(gaps, ["score", "ses", "floor", "sex"], group="school", imputations=2, iterations=5, seed=4)
    assert not other.frames[0].equals(imputed.frames[0]) and not imputed.frames[0].equals(imputed.frames[1])


def test_matching_gives_values_that_were_observed(gaps, imputed) -> None:
    for column in ("score", "ses", "sex", "floor"):
        assert all(set(copy[column]) == set(gaps[column].dropna()) for copy in imputed.frames)
    normal = impute(gaps, ["score", "ses"], group="school", imputations=2, iterations=2, seed=1, numeric="normal")
    assert not set(normal.frames[0]["ses"][gaps["ses"].isna()]) & set(gaps["ses"].dropna())


def test_a_column_of_the_school_is_one_value_for_all_its_students(gaps, imputed) -> None:
    levels = imputed.columns.set_index("column")["level"].to_dict()
    assert levels == {"floor": "组", "score": "个体", "sex": "个体", "ses": "个体"}
    drawn = set()
    for copy in imputed.frames:
        assert (copy.groupby("school")["floor"].nunique() == 1).all()
        drawn.add(copy.loc[gaps["school"].eq("S03"), "floor"].iloc[0])
        # One student of S00 had no value, but the others have the school's.
        assert copy["floor"][0] == gaps["floor"][1]
    assert len(drawn) > 1


def test_types_survive() -> None:
    frame = nested()[["score", "ses"]]
    frame["flag"], frame["code"] = (frame["ses"] > 0).astype(object), frame["ses"].gt(0) + 1
    frame["code"], frame["place"] = frame["code"].astype("Int64"), pd.Categorical(np.where(frame["ses"] > 1, "城", "乡"))
    frame["count"] = pd.array(np.arange(len(frame)) % 7, dtype="Int64")
    frame.loc[:40, ["flag"]], frame.loc[20:60, ["code", "count"]], frame.loc[50:70, "place"] = None, pd.NA, None
    copy = impute(frame, list(frame), imputations=2, iterations=2, seed=1).frames[0]
    assert copy["flag"].dtype == bool and copy["code"].dtype == "Int64" and set(copy["code"]) == {1, 2}
    assert isinstance(copy["place"].dtype, pd.CategoricalDtype) and set(copy["count"]) == set(range(7))


# --- whether it is right --------------------------------------------------------------------------------------------


def slope(table: pd.DataFrame, terms=("ses",)) -> pd.DataFrame:
    return fit_linear(table, outcome="score", terms=list(terms), covariance="HC1").estimates


def students(seed: int, n: int, mechanism: str) -> pd.DataFrame:
    """score = 0.5 ses + noise; ses is missing at random (MCAR) or for high scores (MAR, given the score)."""
    rng = np.random.default_rng(seed)
    ses = rng.normal(size=n)
    score = 0.5 * ses + rng.normal(size=n)
    chance = np.full(n, 0.4) if mechanism == "MCAR" else 1 / (1 + np.exp(-score))
    return pd.DataFrame({"score": score, "ses": np.where(rng.random(n) < chance, np.nan, ses)})


@pytest.mark.parametrize("numeric", ["matching", "normal"])
@pytest.mark.parametrize("mechanism", ["MCAR", "MAR"])
def test_the_slope_comes_back_and_complete_rows_alone_are_biased_under_mar(mechanism, numeric) -> None:
    table = students(1, 6000, mechanism)
    found = impute(table, ["score", "ses"], imputations=5, iterations=3, seed=1, numeric=numeric)
    pooled = pool_fits([slope(f) for f in found.frames]).set_index("term").loc["ses"]
    assert abs(pooled["estimate"] - 0.5) < 0.03 and pooled["low"] < 0.5 < pooled["high"]
    alone = slope(table.dropna()).set_index("term").loc["ses"]
    assert (abs(alone["estimate"] - 0.5) > 0.05) == (mechanism == "MAR")
    # The gaps cost information, and the pooled error says so.
    assert pooled["se"] > slope(found.frames[0]).set_index("term").loc["ses", "se"]


def test_imputed_students_resemble_their_school() -> None:
    """With half of the scores gone and nothing that predicts them, only the school can keep their likeness."""
    complete = nested(2)
    rng = np.random.default_rng(3)
    table = complete.assign(score=complete["score"].mask(rng.random(len(complete)) < 0.5))
    whole = complete.groupby("school")["score"].mean().var()

    def between(group):
        found = impute(table, ["score"], group=group, imputations=10, iterations=3, seed=1)
        return np.mean([f.groupby("school")["score"].mean().var() for f in found.frames])

    assert abs(between("school") / whole - 1) < 0.2
    assert between(None) / whole < 0.6


def test_the_school_means_of_other_variables_are_used() -> None:
    """A binary column that depends on the school's mean of another, not on the student's own value."""
    rng = np.random.default_rng(4)
    school = np.repeat(np.arange(60), 20)
    mean = rng.normal(size=60)[school]
    ses = mean + 2 * rng.normal(size=1200)
    tutored = (rng.random(1200) < 1 / (1 + np.exp(-2 * mean))).astype(float)
    table = pd.DataFrame({"school": school, "ses": ses, "tutored": np.where(rng.random(1200) < 0.5, np.nan, tutored)})
    lost = table["tutored"].isna()

    def agreement(group):
        frames = impute(table, ["ses", "tutored"], group=group, imputations=10, iterations=2, seed=1).frames
        by_school = pd.Series(mean[lost]).groupby(school[lost]).mean()
        drawn = pd.DataFrame([f.loc[lost, "tutored"] for f in frames]).mean().groupby(school[lost]).mean()
        return np.corrcoef(by_school, drawn)[0, 1]

    assert agreement("school") > 0.85 and agreement("school") - agreement(None) > 0.1


def test_separated_groups_still_have_finite_draws() -> None:
    x = np.linspace(-1, 1, 60)
    table = pd.DataFrame({"x": x, "y": np.where(x > 0, 1.0, 0.0)})
    table.loc[::4, "y"] = np.nan
    frames = impute(table, ["x", "y"], imputations=20, iterations=1, seed=1).frames
    lost = table["y"].isna()
    share = np.mean([f.loc[lost, "y"] for f in frames], axis=0)
    assert share[x[lost] < -0.5].mean() < 0.1 and share[x[lost] > 0.5].mean() > 0.9


def test_donors_are_many_where_predictions_are_few() -> None:
    """With a single two-valued predictor all rows of one value are as near as the nearest; none may be left out."""
    table = pd.DataFrame({"x": np.tile([0.0, 1.0], 200), "y": np.arange(400.0)})
    table.loc[:99, "y"] = np.nan
    frames = impute(table, ["x", "y"], imputations=6, iterations=1, seed=1).frames
    assert len({v for f in frames for v in f.loc[:99, "y"]}) > 150


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([None, "school"]))
def test_any_pattern_of_gaps_is_filled(seed, group) -> None:
    rng = np.random.default_rng(seed)
    table = nested(seed).iloc[: 8 * STUDENTS]
    for column in ("score", "ses", "sex"):
        table[column] = table[column].mask(rng.random(len(table)) < rng.uniform(0, 0.8))
    found = impute(table, ["score", "ses", "sex"], group=group, imputations=2, iterations=2, seed=seed)
    assert not any(f.isna().any().any() for f in found.frames)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mechanism", "numeric", "least"), [("MCAR", "normal", 0.91), ("MAR", "normal", 0.91), ("MAR", "matching", 0.83)]
)
def test_intervals_cover_the_truth_as_often_as_they_say(mechanism, numeric, least) -> None:
    """Matching covers less than it says where half of 250 rows are missing at random; mice's own does too (0.90)."""
    covered = 0
    for seed in range(150):
        found = impute(
            students(seed, 250, mechanism), ["score", "ses"], imputations=10, iterations=1, seed=seed, numeric=numeric
        )
        row = pool_fits([slope(f) for f in found.frames]).set_index("term").loc["ses"]
        covered += row["low"] <= 0.5 <= row["high"]
    assert least <= covered / 150 <= 0.99


@pytest.mark.slow
def test_intervals_with_schools_cover_the_truth_as_often_as_they_say() -> None:
    covered = np.zeros(2)
    for seed in range(100):
        rng, table = np.random.default_rng(seed), nested(seed)
        chance = 1 / (1 + np.exp(-1.5 * table["score"]))
        table["ses"] = table["ses"].mask(rng.random(len(table)) < 0.7 * chance)
        found = impute(table, ["score", "ses", "floor"], group="school", imputations=10, iterations=4, seed=seed)
        terms = ["ses", "floor"]
        fits = [fit_linear(f, outcome="score", terms=terms, covariance="CR2", cluster="school") for f in found.frames]
        rows = pool_fits(fits).set_index("term").loc[["ses", "floor"]]
        covered += (rows["low"] <= [0.5, 0.3]) & (rows["high"] >= [0.5, 0.3])
    assert (covered / 100 >= 0.88).all()


# --- limits and refusals --------------------------------------------------------------------------------------------


def test_a_table_without_gaps_comes_back_as_it_is() -> None:
    table = nested()
    found = impute(table, ["score", "ses"], imputations=2, seed=1)
    assert all(f.equals(table) for f in found.frames) and found.imputed.shape[1] == 0
    assert "没有缺失值" in found.summary()
    pooled = pool_fits([slope(f) for f in found.frames])
    assert (pooled["between"] == 0).all() and pooled["se"].to_numpy() == pytest.approx(slope(table)["se"].to_numpy())


def test_a_constant_is_filled_with_itself() -> None:
    table = nested().assign(year=2024.0)
    table.loc[:9, "year"] = np.nan
    for group in (None, "school"):
        found = impute(table, ["score", "year"], group=group, imputations=2, seed=1)
        assert all((f["year"] == 2024).all() for f in found.frames)


@pytest.mark.parametrize(
    ("columns", "options", "words"),
    [
        (["score", "没有"], {}, "没有这一列"), ([], {}, "0 列"), (["score"], {"imputations": 1}, "至少 2 次"),
        (["score"], {"iterations": 0}, "插补次数不对"), (["score", "school"], {"group": "school"}, "分组列不能同时被插补"),
        (["score"], {"group": "hole"}, "有的行没有分组"), (["score", "empty"], {}, "没有一个数值"),
        (["score", "endless"], {}, "无穷大"), (["score", "village"], {}, "文字列有缺失"),
        (["score"], {"numeric": "mean"}, "插补方法"),
    ],
)
def test_requests_that_cannot_be_met_are_refused(gaps, columns, options, words) -> None:
    table = gaps.assign(hole=gaps["school"].mask(gaps.index == 4), empty=np.nan, endless=np.inf,
                        village=np.resize(np.array(["东", "西", "南", None], dtype=object), len(gaps)))
    message = refusal(impute, table, columns, **{"imputations": 2, "seed": 1} | options)
    assert words in message and "办法" in message


def test_too_few_known_rows_or_schools_are_refused_with_what_is_still_possible(gaps) -> None:
    message = refusal(impute, gaps.iloc[:4], ["score", "ses", "sex"], seed=1)
    assert "行有数值" in message and "完整的行仍可直接分析" in message
    few = gaps[gaps["school"].isin(["S02", "S03", "S04", "S05"])].assign(extra=lambda f: f.index * 1.0)
    assert "3 所学校有数值" in refusal(impute, few, ["floor", "score", "ses", "extra"], group="school", seed=1)
    assert "0 行" in refusal(impute, gaps.iloc[:0], ["score"], seed=1)


def test_fits_that_do_not_belong_together_are_not_pooled() -> None:
    table = nested()
    one, other = slope(table), slope(table, ["floor"])
    assert "至少 2 个" in refusal(pool_fits, [one])
    assert "第 2 个模型" in refusal(pool_fits, [one, other])
    broken = estimate_table(["(Intercept)", "ses"], [1.0, np.nan], [1.0, 1.0], 10)
    assert "1 个" in refusal(pool_fits, [one, broken])


def test_the_result_says_what_it_is(imputed) -> None:
    text = imputed.summary()
    assert "4 个变量" in text and "插补 8 次" in text and "随机种子 3" in text and "最多的是ses" in text and "假定" in text
    assert len(imputed.trace) == 8 * 5 * 4 and imputed.trace["mean"].notna().all()
    assert json.loads(json.dumps(imputed.to_dict()))["imputations"] == 8
    assert imputed.tidy().equals(imputed.columns)
