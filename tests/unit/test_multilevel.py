"""Mixed models refuse in words what they cannot estimate, and say how sure they are of what they can."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qbresearch.errors import InputError
from qbresearch.statistics import multilevel_inference
from qbresearch.statistics.multilevel import BY_GROUPS, fit_multilevel
from qbresearch.statistics.multilevel_comparison import MIXTURE, PLAIN, ratio_test
from qbresearch.statistics.multilevel_inference import (
    Minimum,
    factors_of,
    lower_root,
    minimise,
    theta_of,
)


def sample(schools: int = 12, *, size: int = 10, slope: float = 0.0, seed: int = 5) -> pd.DataFrame:
    """Students in two classes a school; ``w`` and ``v`` are the school's."""
    rng = np.random.default_rng(seed)
    school = np.repeat(np.arange(schools), size)
    x = rng.normal(size=len(school))
    w, v = rng.normal(size=schools), rng.normal(size=schools)
    effect = rng.normal(size=(2, schools))
    y = 60 + 2 * x + w[school] + effect[0][school] + slope * effect[1][school] * x + rng.normal(scale=2, size=len(school))
    return pd.DataFrame(
        {
            "school": [f"校{k:02d}" for k in school], "class": [f"校{k:02d}-{i % 2}" for i, k in enumerate(school)],
            "x": x, "w": w[school], "v": v[school], "y": y,
        }
    )


def fit(frame: pd.DataFrame, fixed=("x",), groups=("school",), **more):
    return fit_multilevel(frame, outcome="y", fixed=list(fixed), groups=list(groups), **more)


def refusal(frame: pd.DataFrame, *arguments, **more) -> str:
    with pytest.raises(InputError) as caught:
        fit(frame, *arguments, **more)
    return str(caught.value)


# --- refusals -------------------------------------------------------------------------------------------------------


def test_one_school_has_no_differences_between_schools() -> None:
    message = refusal(sample(1))
    assert "只有一个组" in message and "10 个观测都属于 校00" in message and "最小二乘回归仍可报告" in message


def test_one_student_is_not_a_sample() -> None:
    assert "只有一个观测" in refusal(sample().head(1))


def test_an_empty_table_is_refused() -> None:
    assert "没有观测" in refusal(sample().head(0))


def test_one_student_a_school_leads_to_least_squares() -> None:
    message = refusal(sample().drop_duplicates("school"))
    assert "每个组只有一个观测" in message and "12 个观测，12 个组" in message and "普通最小二乘" in message


def test_an_outcome_without_differences_is_refused() -> None:
    assert "结果变量没有差异" in refusal(sample().assign(y=5.0))


def test_an_outcome_of_the_school_alone_is_refused() -> None:
    frame = sample()
    message = refusal(frame.assign(y=frame.groupby("school")["y"].transform("mean")))
    assert "残差方差为零" in message and "每组留一行" in message


def test_an_outcome_that_a_column_determines_is_refused() -> None:
    frame = sample()
    assert "残差方差为零" in refusal(frame.assign(y=2 * frame["x"] + 1))


def test_an_outcome_that_school_lines_determine_is_refused() -> None:
    frame = sample()
    slope = frame.groupby("school")["y"].transform("mean")
    message = refusal(frame.assign(y=slope + slope * frame["x"]), slopes={"school": ["x"]})
    assert "残差方差为零" in message


@pytest.mark.parametrize("column", ["y", "x", "w"])
def test_missing_values_are_counted(column) -> None:
    frame = sample()
    frame.loc[[3, 7], column] = np.nan
    message = refusal(frame, ("x", "w"))
    assert "缺失" in message and "120 个观测中 2 个" in message and column in message


def test_missing_groups_are_counted() -> None:
    frame = sample()
    frame.loc[3, "school"] = None
    message = refusal(frame)
    assert "不知道属于哪个组" in message and "120 个观测中 1 个" in message


def test_collinear_columns_are_named() -> None:
    frame = sample()
    message = refusal(frame.assign(twice=2 * frame["x"] + 1), ("x", "twice"))
    assert "共线" in message and "twice" in message


def test_as_many_school_columns_as_schools_are_refused() -> None:
    frame = sample(3)
    message = refusal(frame, ("x", "w", "v"))
    assert "组一级的变量太多" in message and "3 个组，3 个组一级的系数" in message and "(Intercept)、w、v" in message
    assert "空模型" in message
    assert fit(frame, ("x", "w")).units == 30


def test_more_columns_than_students_are_refused() -> None:
    frame = sample(2, size=3)
    for k in range(6):
        frame[f"z{k}"] = np.random.default_rng(k).normal(size=6)
    assert "变量太多" in refusal(frame, tuple(f"z{k}" for k in range(6)))


def test_groups_that_are_not_nested_are_named() -> None:
    frame = sample()
    message = refusal(frame.assign(**{"class": frame["class"].str[-1]}), ("x",), ("class", "school"))
    assert "不是逐层嵌套" in message and "class 为 0" in message and "校00、校01" in message and "连成一个" in message


def test_levels_with_the_same_groups_are_refused() -> None:
    frame = sample()
    assert "一一对应" in refusal(frame.assign(twin=frame["school"] + "x"), ("x",), ("school", "twin"))


def test_slopes_of_school_columns_are_refused() -> None:
    message = refusal(sample(), ("x", "w"), slopes={"school": ["w"]})
    assert "组内没有差异" in message and "w" in message and "固定效应仍可估计" in message


def test_slopes_of_text_are_refused() -> None:
    frame = sample()
    sex = np.where(np.arange(len(frame)) % 3 == 0, "男", "女")
    assert "不是数" in refusal(frame.assign(sex=sex), slopes={"school": ["sex"]})


def test_as_many_random_effects_as_students_are_refused() -> None:
    message = refusal(sample(size=2), slopes={"school": ["x"]})
    assert "随机斜率与残差分不开" in message and "2 个随机项 × 12 个组" in message


@pytest.mark.parametrize(
    ("arguments", "more", "words"),
    [
        (((), ()), {}, "没有说明分组"),
        ((("x",), ("学校",)), {}, "没有这一列"),
        ((("x", "x"), ("school",)), {}, "出现了两次"),
        ((("x",), ("school",)), {"slopes": {"class": ["x"]}}, "没有这个分组"),
        ((("x",), ("school",)), {"slopes": {"school": ["y"]}}, "随机斜率的变量不对"),
        ((("x",), ("school",)), {"method": "reml"}, "没有这个估计方法"),
    ],
)
def test_faulty_requests_are_refused(arguments, more, words) -> None:
    assert words in refusal(sample(), *arguments, **more)


# --- what a fit says ------------------------------------------------------------------------------------------------


def test_a_fit_tells_its_size_its_shares_and_its_state() -> None:
    found = fit(sample(), groups=("class", "school"))
    assert found.groups == {"class": 24, "school": 12}
    text = found.summary()
    assert "3 层模型（REML）" in text and "120 个观测" in text and "class 24 组、school 12 组" in text and "已收敛" in text
    assert list(found.icc) == ["class", "school"]
    assert list(found.components["level"]) == ["class", "school", "residual"]
    everything = found.components["value"].sum()
    assert found.icc["school"] == pytest.approx(found.components["value"][1] / everything)


def test_a_table_handed_out_can_be_changed() -> None:
    found = fit(sample())
    table = found.tidy()
    table["estimate"] = 0.0
    assert found.estimates["estimate"].abs().min() > 0


def test_a_fit_is_plain_data() -> None:
    frame = sample(seed=1)
    frame["y"] = frame["y"] - frame.groupby("school")["y"].transform("mean")
    found = fit(frame, slopes={"school": ["x"]}).to_dict()
    back = json.loads(json.dumps(found, allow_nan=False))
    assert back["singular"] is True
    assert back["terms"] == ["(Intercept)", "x"] and len(back["covariance"]) == 2
    assert None in [row["correlation_or_sd"] for row in back["components"]]


def test_a_fit_without_variance_between_schools_says_so() -> None:
    frame = sample()
    frame["y"] = frame["y"] - frame.groupby("school")["y"].transform("mean")
    found = fit(frame)
    assert found.singular and found.icc["school"] == 0
    assert "拟合退化" in found.summary()
    assert found.df_method == BY_GROUPS and (found.estimates["df"] == 10).all()
    assert (found.effects("school")[["effect", "se"]] == 0).all(axis=None)
    assert found.reliability["reliability"][0] == 0
    assert found.likelihood_ratio().p == pytest.approx(1.0)


def test_degrees_of_freedom_of_a_singular_fit_are_at_least_one() -> None:
    frame = sample(3)
    rng = np.random.default_rng(1)
    columns = {f"z{k}": rng.normal(size=len(frame)) for k in range(4)}
    frame = frame.assign(y=frame["y"] - frame.groupby("school")["y"].transform("mean"), **columns)
    found = fit(frame, tuple(columns))
    assert found.singular and (found.estimates["df"] == 1).all()


def test_two_ends_that_are_no_minima_are_not_called_converged(monkeypatch) -> None:
    ends = iter([0.05, 3.0])

    def stop(function, start):
        x = np.full_like(start, next(ends))
        return Minimum(x, function(x), 10.0)

    monkeypatch.setattr(multilevel_inference, "minimise", stop)
    found = fit(sample())
    assert not found.converged
    assert "没有收敛" in found.summary()
    assert abs(np.diff(found.starts["log_likelihood"])[0]) > 1


def test_a_second_start_that_ends_elsewhere_is_reported(monkeypatch) -> None:
    known = fit(sample())

    def stop(function, start):
        return minimise(function, start) if start[0] == 1 else Minimum(start, function(start), 10.0)

    monkeypatch.setattr(multilevel_inference, "minimise", stop)
    found = fit(sample())
    assert found.converged
    assert found.log_likelihood == known.log_likelihood
    assert found.starts["log_likelihood"][1] < known.log_likelihood - 1


def test_text_columns_become_one_column_a_level() -> None:
    frame = sample()
    place = np.where(frame["x"] > 0.5, "城区", np.where(frame["x"] > -0.5, "镇区", "乡村"))
    assert fit(frame.assign(place=place), ("place",)).terms == ("(Intercept)", "place[城区]", "place[镇区]")


def test_slopes_need_no_fixed_effect() -> None:
    found = fit(sample(slope=2.0), ("w",), slopes={"school": ["x"]})
    assert found.terms == ("(Intercept)", "w")
    variance = found.components.set_index(["term_1", "term_2"])["value"]["x", "x"]
    assert variance > fit(sample(slope=2.0), ("w", "x"), slopes={"school": ["x"]}).components["value"][1]


def test_effects_carry_their_labels_and_intervals() -> None:
    frame = sample(slope=1.0)
    found = fit(frame, slopes={"school": ["x"]})
    table = found.effects("school", "x")
    assert list(table["group"]) == sorted(frame["school"].unique())
    assert (table["high"] - table["low"]).to_numpy() == pytest.approx(2 * 1.959963984540054 * table["se"].to_numpy())
    with pytest.raises(InputError, match="没有这个层"):
        found.effects("class")
    with pytest.raises(InputError, match="没有这个随机项"):
        found.effects("school", "w")


def test_a_plot_leaves_out_the_intercept_unless_it_is_alone() -> None:
    axes = fit(sample(), ("x", "w")).plot()
    assert [t.get_text() for t in axes.get_yticklabels()] == ["x", "w"]
    axes = fit(sample(), ()).plot()
    assert [t.get_text() for t in axes.get_yticklabels()] == ["(Intercept)"]


# --- comparisons ----------------------------------------------------------------------------------------------------


def test_variance_explained_may_be_negative() -> None:
    frame = sample(40)
    null = fit(frame, ())
    found = fit(frame, ("w",)).r_squared(null).set_index("level")
    assert list(found.index) == ["school", "residual", "total"]
    assert 0.2 < found.loc["school", "explained"] < 1
    assert found.loc["total", "null"] == pytest.approx(null.components["value"].sum())
    inner = frame["x"] - frame.groupby("school")["x"].transform("mean")
    within = fit(frame.assign(x=inner), ("x",)).r_squared(null).set_index("level")
    assert within.loc["school", "explained"] < 0 < within.loc["residual", "explained"]


def test_variance_explained_needs_the_same_sample() -> None:
    frame = sample()
    with pytest.raises(InputError, match="不能计算方差解释比例"):
        fit(frame).r_squared(fit(frame.iloc[:-1], ()))
    with pytest.raises(InputError, match="不能计算方差解释比例"):
        fit(frame, groups=("class", "school")).r_squared(fit(frame, ()))


def test_one_variance_more_is_tested_at_its_boundary() -> None:
    frame = sample(slope=0.7)
    small, large = fit(frame, ("x",)), fit(frame, ("x",), slopes={"school": ["x"]})
    test = small.likelihood_ratio(large)
    assert test.statistic == pytest.approx(2 * (large.log_likelihood - small.log_likelihood))
    assert (test.df, test.reference) == (2, MIXTURE)
    assert test.p == pytest.approx((stats.chi2.sf(test.statistic, 1) + stats.chi2.sf(test.statistic, 2)) / 2)
    assert "两个卡方分布各半" in test.summary()
    assert set(test.to_dict()) == {"statistic", "df", "p", "p_naive", "reference"}
    alone = fit(frame, ("x",)).likelihood_ratio()
    assert (alone.df, alone.reference) == (1, MIXTURE)
    assert alone.p == pytest.approx(stats.chi2.sf(alone.statistic, 1) / 2)


def test_fixed_effects_alone_are_tested_by_chi_squared() -> None:
    frame = sample()
    small, large = fit(frame, ("x",), method="ML"), fit(frame, ("x", "w", "v"), method="ML")
    test = large.likelihood_ratio(small)
    assert (test.df, test.reference, test.p) == (2, PLAIN, test.p_naive)


def test_several_variances_have_no_simple_reference() -> None:
    found = fit(sample(), groups=("class", "school")).likelihood_ratio()
    assert found.df == 2 and "偏保守" in found.reference and found.p == found.p_naive


def test_a_statistic_of_zero_has_probability_one() -> None:
    assert ratio_test(-1e-12, 1, 1).p == 1.0


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ({"fixed": ("x",)}, {"fixed": ("x", "w")}, "不能比较 REML 似然"),
        ({"fixed": ("x",)}, {"fixed": ("x",), "method": "ML"}, "估计方法不同"),
        ({"fixed": ("x",), "method": "ML"}, {"fixed": ("w",), "method": "ML"}, "互不包含"),
        ({"fixed": ("x",)}, {"fixed": ("x",)}, "两个模型相同"),
    ],
)
def test_likelihoods_that_do_not_compare_are_refused(one, other, words) -> None:
    frame = sample()
    with pytest.raises(InputError, match=words):
        fit(frame, **one).likelihood_ratio(fit(frame, **other))


def test_likelihoods_of_other_data_are_refused() -> None:
    frame = sample()
    with pytest.raises(InputError, match="不是同一批数据"):
        fit(frame).likelihood_ratio(fit(frame.assign(y=frame["y"] + 1), ("x",)))


def test_profile_intervals_reach_the_quantile_they_promise() -> None:
    """Moving a school-level coefficient to the end of its interval costs half the quantile in log likelihood."""
    frame = sample()
    found = fit(frame, ("w",), method="ML")
    table = found.profile_intervals(0.9, terms=["w"])
    assert list(table["kind"]) == ["sd", "sigma", "fixed"]
    row = table.iloc[-1]
    for end in (row["low"], row["high"]):
        held = fit(frame.assign(y=frame["y"] - end * frame["w"]), (), method="ML")
        assert found.log_likelihood - held.log_likelihood == pytest.approx(stats.chi2.ppf(0.9, 1) / 2, abs=1e-5)
    with pytest.raises(InputError, match="没有这个固定效应"):
        found.profile_intervals(terms=["x"])


def test_the_interval_of_a_small_variance_ends_at_zero() -> None:
    frame = sample(5, size=6, seed=2)
    frame["y"] = frame["y"] - 0.9 * frame.groupby("school")["y"].transform("mean")
    row = fit(frame).profile_intervals(terms=[]).iloc[0]
    assert row["low"] == 0 < row["high"]


# --- the search -----------------------------------------------------------------------------------------------------


def test_a_search_that_starts_on_a_saddle_leaves_it() -> None:
    end = minimise(lambda x: float((x[0] ** 2 - 1) ** 2 + x[1] ** 2), np.zeros(2))
    assert abs(end.x[0]) == pytest.approx(1, abs=1e-5) and end.value == pytest.approx(0, abs=1e-9)


def test_theta_runs_down_the_columns() -> None:
    factors = factors_of(np.array([9.0, 1, 2, 3, 4, 5, 6]), [1, 3])
    assert factors[1].tolist() == [[1, 0, 0], [2, 4, 0], [3, 5, 6]]
    assert theta_of(factors).tolist() == [9, 1, 2, 3, 4, 5, 6]


def test_the_root_of_a_singular_covariance_is_found() -> None:
    covariance = np.array([[0.0, 0, 0], [0, 4, 2], [0, 2, 1]])
    root = lower_root(covariance)
    assert root @ root.T == pytest.approx(covariance) and root[0, 0] == 0 and root[2, 2] == 0
