"""All specifications at once: none is dropped, none stands alone, and the joint test holds its level."""

from __future__ import annotations

import json
from dataclasses import replace
from time import perf_counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbresearch.errors import InputError
from qbresearch.results.link.multiverse import (
    Specification,
    expand_specifications,
    run_multiverse,
)
from qbresearch.statistics.cluster_permutation import permutations_within
from qbresearch.statistics.multilevel import fit_multilevel
from qbresearch.statistics.regression import fit_linear

DIMENSIONS = {
    "结果": {"总分": {"outcome": "score"}, "数学": {"outcome": "maths"}},
    "变换": {"原值": {"transform": "level"}, "对数": {"transform": "log"}},
    "学生背景": {"不控制": {}, "控制": {"controls": ["ses", "sex"]}},
    "模型": {
        "聚类": {"model": "ols_cluster"}, "县固定效应": {"model": "fixed_effects"}, "学校均值": {"model": "school_means"},
        "多层": {"model": "multilevel"},
    },
}


def make(seed: int = 0, *, effect: float = 0.25, schools: int = 24, students: int = 12) -> pd.DataFrame:
    """Schools of four counties; ``effect`` is that of one SD of the logarithm of the resource."""
    rng = np.random.default_rng(seed)
    school = np.repeat(np.arange(schools), students)
    county = np.arange(schools) % 4
    log = rng.normal(size=schools)
    sex = np.where(rng.random(len(school)) < 0.5, "女", "男")
    ses = rng.normal(size=len(school)) + 0.2 * log[school]
    score = effect * log[school] + 0.3 * ses + 0.3 * rng.normal(size=schools)[school] + rng.normal(size=len(school))
    score += 0.3 * county[school]
    return pd.DataFrame(
        {
            "school": [f"S{s:02d}" for s in school], "county": [f"C{county[s]}" for s in school],
            "resource": np.exp(5 + 0.4 * log)[school], "ses": ses, "sex": sex, "score": 500 + 90 * score,
            "maths": 70 + 10 * score + 12 * rng.normal(size=len(school)), "weight": rng.uniform(0.5, 2, len(school)),
            "urban": school % 3 > 0,
        }
    )


def run(frame, specifications, **options):
    usual = {"term": "resource", "cluster": "school", "county": "county", "seed": 1, "permutations": 0}
    return run_multiverse(frame, specifications, **usual | options)


def refusal(function, *arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        function(*arguments, **options)
    return str(caught.value)


def only(result) -> pd.Series:
    assert len(result.table) == 1
    return result.table.iloc[0]


COMPLETE = {"outcome": "y", "model": "multilevel"}
PLAIN = Specification({"设定": "一"}, outcome="score", model="ols_cluster")


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return make()


@pytest.fixture(scope="module")
def result(frame):
    return run(frame, expand_specifications(DIMENSIONS), strata=["county"], permutations=99, label="生均设备值")


def standardised(frame: pd.DataFrame, transform=np.log) -> pd.DataFrame:
    """Outcome per SD of students, term per SD of schools: written out once more, by hand."""
    by_school = transform(frame.groupby("school")["resource"].first())
    return frame.assign(
        score=(frame["score"] - frame["score"].mean()) / frame["score"].std(),
        resource=frame["school"].map((by_school - by_school.mean()) / by_school.std()),
    )


# --- the specifications ---------------------------------------------------------------------------------------------


def test_every_combination_appears_once_and_the_first_choices_are_the_main_one() -> None:
    found = expand_specifications(DIMENSIONS)
    assert len(found) == 2 * 2 * 2 * 4 == len({tuple(s.choices.values()) for s in found})
    assert [s.main for s in found] == [True] + [False] * 31
    assert found[-1] == Specification(
        {"结果": "数学", "变换": "对数", "学生背景": "控制", "模型": "多层"}, "maths", "multilevel", "log", ("ses", "sex")
    )
    other = expand_specifications(DIMENSIONS, main={"模型": "多层"})
    assert [dict(s.choices)["模型"] for s in other if s.main] == ["多层"]


def test_controls_of_several_dimensions_add_up() -> None:
    found = expand_specifications(
        {"甲": {"有": {"controls": ["ses"], "outcome": "score", "model": "ols_cluster", "row_filter": ["城镇", "urban"]}},
         "乙": {"有": {"controls": ["sex", "ses"]}}}
    )
    assert found[0].controls == ("ses", "sex") and found[0].row_filter == ("城镇", "urban")


@pytest.mark.parametrize(
    ("dimensions", "main", "words"),
    [
        ({}, None, "没有可以组合的设定"), ({"甲": {}}, None, "没有可以组合的设定"),
        ({"甲": {"一": {"outcome": "y", "modell": "x"}}}, None, "modell"),
        ({"甲": {"一": {"outcome": "y"}}}, None, "model"),
        ({"甲": {"一": COMPLETE}, "乙": {"一": {"model": "school_means"}}}, None, "两个维度设定了同一项"),
        ({"甲": {"一": COMPLETE}}, {"丙": "一"}, "没有这个维度"),
        ({"甲": {"一": COMPLETE}}, {"甲": "二"}, "甲的选项"),
    ],
)
def test_dimensions_that_contradict_each_other_are_refused(dimensions, main, words) -> None:
    assert words in refusal(expand_specifications, dimensions, main=main)


# --- the estimates --------------------------------------------------------------------------------------------------


def test_least_squares_and_fixed_effects_are_those_of_the_linear_model(frame) -> None:
    own = standardised(frame)
    for model, effects in (("ols_cluster", []), ("fixed_effects", ["county"])):
        for weights in (None, "weight"):
            chosen = replace(PLAIN, model=model, transform="log", controls=("ses", "sex"), weights=weights)
            row = only(run(frame, [chosen]))
            fit = fit_linear(own, outcome="score", terms=["resource", "ses", "sex"], weights=weights, covariance="CR1",
                             cluster="school", fixed_effects=effects)
            known = fit.estimates.set_index("term").loc["resource"]
            for name in ("estimate", "se", "low", "high", "p"):
                assert row[name] == pytest.approx(known[name], rel=1e-9), (model, weights, name)
            assert (row["n"], row["schools"]) == (288, 24)


def test_the_multilevel_model_is_the_multilevel_model(frame) -> None:
    row = only(run(frame, [replace(PLAIN, model="multilevel", transform="log", controls=("ses",))]))
    fit = fit_multilevel(standardised(frame), outcome="score", fixed=["resource", "ses"], groups=["school"])
    known = fit.estimates.set_index("term").loc["resource"]
    assert row[["estimate", "se", "p"]].tolist() == pytest.approx(known[["estimate", "se", "p"]].tolist(), rel=1e-9)


@pytest.mark.parametrize("weights", [None, "weight"])
def test_school_means_are_means_of_students(frame, weights) -> None:
    row = only(run(frame, [replace(PLAIN, model="school_means", controls=("ses", "sex"), weights=weights)]))
    own = standardised(frame, transform=lambda x: x).assign(girl=frame["sex"].eq("男") * 1.0, one=1.0)
    own["w"] = own[weights or "one"]
    parts = own[["score", "resource", "ses", "girl"]].mul(own["w"], axis=0).groupby(own["school"]).sum()
    size = own.groupby("school")["w"].sum()
    means = parts.div(size, axis=0).assign(w=size if weights else 1.0)
    x = np.column_stack([np.ones(24), means[["resource", "ses", "girl"]]])
    left = np.linalg.inv((x * means["w"].to_numpy()[:, None]).T @ x) @ (x * means["w"].to_numpy()[:, None]).T
    beta = left @ means["score"]
    rest = means["score"].to_numpy() - x @ beta
    assert row["estimate"] == pytest.approx(beta[1], rel=1e-9)
    # One school a cluster: HC1.
    assert row["se"] == pytest.approx(np.sqrt(24 / 20 * (left[1] ** 2 * rest**2).sum()), rel=1e-9)
    assert row["n"] == 288


def test_the_unit_does_not_depend_on_units_or_row_filters(frame) -> None:
    both = [PLAIN, replace(PLAIN, choices={"设定": "二"}, row_filter=("城镇", "urban"))]
    plain = run(frame, both).table.set_index("设定")
    other = frame.assign(score=7 * frame["score"] + 3, resource=frame["resource"] / 1000)
    scaled = run(other, both).table.set_index("设定")
    np.testing.assert_allclose(plain["estimate"], scaled["estimate"], rtol=1e-9)
    assert plain.loc["二", "schools"] == 16 and plain.loc["二", "n"] == 192
    own = standardised(frame, transform=lambda x: x)
    fit = fit_linear(own[own["urban"]], outcome="score", terms=["resource"], covariance="CR1", cluster="school")
    assert plain.loc["二", "estimate"] == pytest.approx(fit.coefficients[1], rel=1e-9)


def test_rank_and_strata_transforms(frame) -> None:
    rank, inside = (
        only(run(frame, [replace(PLAIN, transform=t)], strata=["county"]))["estimate"] for t in ("rank", "z")
    )
    ranked = standardised(frame, transform=lambda x: x.rank())
    assert rank == pytest.approx(
        fit_linear(ranked, outcome="score", terms=["resource"], covariance="HC1").coefficients[1], rel=1e-9
    )
    first = frame.groupby("school")[["resource", "county"]].first()
    z = first.groupby("county")["resource"].transform(lambda v: (v - v.mean()) / v.std())
    own = standardised(frame).assign(resource=frame["school"].map(z / z.std()))
    assert inside == pytest.approx(
        fit_linear(own, outcome="score", terms=["resource"], covariance="HC1").coefficients[1], rel=1e-9
    )


# --- nothing is dropped ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"controls": ("hole",)}, "288 个观测中 2 个没有数值"), ({"controls": ("没有",)}, "没有这一列"),
        ({"controls": ("resource",)}, "不能同时"),
        ({"controls": ("ses", "twice")}, "共线"), ({"controls": ("twin",)}, "共线"), ({"outcome": "flat"}, "没有差异"),
        ({"outcome": "gap"}, "1 个没有数值"), ({"outcome": "gap", "model": "school_means"}, "1 个缺失值"),
        ({"outcome": "sex"}, "不是数"),
        ({"weights": "weight", "model": "multilevel"}, "不支持权重"), ({"weights": "zero", "model": "school_means"}, "大于 0"),
        ({"weights": "zero"}, "权重"), ({"row_filter": ("无", "none")}, ""), ({"row_filter": ("一校", "one")}, ""),
        ({"row_filter": ("非是否", "ses")}, "不是没有缺失的是否列"), ({"transform": "z"}, "没有给出分层"),
        ({"model": "fixed_effects", "controls": ("county",)}, "吸收"),
        ({"model": "fixed_effects", "row_filter": ("一校", "one")}, ""),
        ({"model": "multilevel", "row_filter": ("一校", "one")}, ""),
        ({"model": "school_means", "row_filter": ("一校", "one")}, ""),
    ],
    ids=str,
)
def test_what_cannot_be_estimated_stays_with_its_reason(frame, change, words) -> None:
    table = frame.assign(
        hole=frame["ses"].mask(frame.index < 2), twice=2 * frame["ses"], twin=3 * frame["resource"], flat=1.0,
        gap=frame["score"].mask(frame.index == 5), zero=frame["weight"].mask(frame.index == 5, 0.0),
        none=False, one=frame["school"].eq("S00"),
    )
    found = run(table, [PLAIN, replace(PLAIN, choices={"设定": "二"}, **change)], permutations=9)
    row = found.table.set_index("设定").loc["二"]
    assert np.isnan(row["estimate"]) and words in row["reason"] and row["reason"]
    assert not row["significant"] and not row["same_sign"]
    assert len(found.table) == 2 and found.estimated == 1 and "其中 1 种不能估计" in found.summary()
    assert found.table["设定"].tolist() == ["一", "二"]  # last, not left out
    assert found.to_dict()["specifications"][1]["estimate"] is None
    assert found.median == found.table["estimate"][0] and found.joint.permutations == 9


def test_a_logarithm_of_nothing_and_counties_that_share_a_school_have_reasons(frame) -> None:
    zero = frame.assign(resource=frame["resource"].where(frame["school"] != "S03", 0.0))
    found = run(zero, [PLAIN, replace(PLAIN, choices={"设定": "二"}, transform="log")])
    assert "1 所学校的值不大于 0" in found.table["reason"][1]
    moved = frame.assign(county=frame["county"].mask(frame.index == 0, "C9"))
    both = [PLAIN, replace(PLAIN, choices={"设定": "二"}, model="fixed_effects")]
    assert "跨县" in run(moved, both).table["reason"][1]
    assert "没有给出县" in run(frame, both, county=None).table["reason"][1]


def test_where_nothing_can_be_estimated_all_reasons_are_told(frame) -> None:
    message = refusal(run, frame.assign(score=1.0), [PLAIN, replace(PLAIN, choices={"设定": "二"}, transform="z")])
    assert "没有一种设定可以估计" in message and "没有差异" in message and "没有给出分层" in message and "仍可报告" in message
    assert "没有一种设定可以估计" in refusal(run, frame[frame["school"] == "S01"], [PLAIN])
    assert "没有一种设定可以估计" in refusal(run, frame.assign(resource=1.0), [PLAIN])


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({}, {"term": "没有"}, "没有这一列"), ({}, {"term": "sex"}, "不是数"), ({}, {"term": "ses"}, "24 所学校"),
        ({}, {"strata": ["sex"]}, "不同的取值"), ({}, {"cluster": "hole"}, "没有学校"), ({}, {"workers": 0}, "进程"),
        ({}, {"permutations": -1}, "置换"), ({"transform": "sqrt"}, {}, "变换"), ({"model": "ols"}, {}, "模型"),
        ({}, {"term": "endless"}, "无穷大"),
    ],
)
def test_requests_that_cannot_be_met_are_refused(frame, change, options, words) -> None:
    table = frame.assign(hole=frame["school"].mask(frame.index == 0), endless=np.inf)
    assert words in refusal(run, table, [replace(PLAIN, **change)], **options)


def test_lists_of_specifications_must_be_in_order(frame) -> None:
    assert "没有设定" in refusal(run, frame, [])
    assert "第 1 种与第 3 种" in refusal(run, frame, [PLAIN, replace(PLAIN, choices={"设定": "二"}), PLAIN])
    assert "维度不同" in refusal(run, frame, [PLAIN, replace(PLAIN, choices={"别的": "一"})])
    assert "主设定不止一种" in refusal(
        run, frame, [replace(PLAIN, main=True), replace(PLAIN, choices={"设定": "二"}, main=True)]
    )
    assert "没有数据" in refusal(run, frame.iloc[:0], [PLAIN])


# --- all of them ----------------------------------------------------------------------------------------------------


def test_the_summary_is_that_of_the_table(result) -> None:
    table = result.table
    assert len(table) == 32 and result.estimated == 32 and table["estimate"].is_monotonic_increasing
    assert result.median == np.median(table["estimate"])
    assert (result.smallest, result.largest) == (table["estimate"].min(), table["estimate"].max())
    assert result.share_significant == ((table["p"] < 0.05) & (table["estimate"] > 0)).mean()
    assert result.share_same_sign == (table["estimate"] > 0).mean()


def test_a_single_specification_is_never_the_only_one_shown(result) -> None:
    text = result.summary()
    assert "生均设备值" in text and "32 种设定" in text and f"中位数 {result.median:.3f}" in text
    assert f"范围 {result.smallest:.3f} 至 {result.largest:.3f}" in text and "学校间一个标准差" in text and "99 次置换" in text
    place = int(result.table.index[result.table["main"]][0])
    assert f"从小到大第 {place + 1} 位" in text
    plain = json.loads(json.dumps(result.to_dict()))
    assert len(plain["specifications"]) == 32 and plain["joint"]["permutations"] == 99 and plain["unit"] in text
    assert result.tidy() is not result.table and result.tidy().equals(result.table)


def test_the_curve_is_drawn_with_its_choices(result) -> None:
    upper, lower = result.plot()
    assert [t.get_text() for t in lower.get_yticklabels()].count("多层") == 1
    assert any(len(c.get_offsets()) for c in upper.collections if hasattr(c, "get_offsets"))


@pytest.mark.slow
def test_workers_do_not_change_the_result(frame) -> None:
    specifications = expand_specifications(DIMENSIONS)[:6]
    one, two = (run(frame, specifications, strata=["county"], permutations=19, workers=w) for w in (1, 2))
    pd.testing.assert_frame_equal(one.table, two.table, check_exact=True)
    assert one.joint == two.joint


def test_the_seed_decides(frame, result) -> None:
    specifications = expand_specifications(DIMENSIONS)
    again = run(frame, specifications, strata=["county"], permutations=99, label="生均设备值")
    assert again.joint == result.joint and again.to_dict() == result.to_dict()


# --- the joint test -------------------------------------------------------------------------------------------------


def test_permuted_estimates_are_those_of_tables_in_which_schools_have_changed_places(frame) -> None:
    """The statistics of the joint test, once more with every permuted table written out and fitted anew."""
    specifications = [s for s in expand_specifications(DIMENSIONS) if s.model != "multilevel"][::2]
    found = run(frame, specifications, strata=["county"], permutations=4, seed=5)
    first = frame.groupby("school", sort=False)[["resource", "county"]].first()
    orders = permutations_within(
        pd.factorize(first["county"])[0], np.ones(24, bool), 4, np.random.Generator(np.random.PCG64(5))
    )
    medians, shares, strengths = [], [], []
    for order in orders.T:
        moved = dict(zip(first.index, first["resource"].to_numpy()[order], strict=True))
        table = run(frame.assign(resource=frame["school"].map(moved)), specifications).table
        medians.append(table["estimate"].median())
        shares.append((table["significant"] & (np.sign(table["estimate"]) == np.sign(medians[-1]))).mean())
        # Half the width of the interval is the standard error times the critical value.
        strengths.append((table["estimate"] / ((table["high"] - table["low"]) / 2)).mean())
    assert found.joint.median == pytest.approx(medians[0]) and found.joint.share == pytest.approx(shares[0])
    assert found.joint.p_median == pytest.approx(np.mean(np.abs(medians) >= abs(medians[0]) - 1e-9))
    assert found.joint.p_share == pytest.approx(np.mean(np.array(shares) >= shares[0] - 1e-9))
    assert found.joint.strength == pytest.approx(strengths[0])
    assert found.joint.p_strength == pytest.approx(np.mean(np.abs(strengths) >= abs(strengths[0]) - 1e-9))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=20), st.integers(0, 99))
def test_schools_change_places_inside_their_stratum_only(schools, seed) -> None:
    strata, movable = np.array([s for s, _ in schools]), np.array([m for _, m in schools])
    orders = permutations_within(strata, movable, 5, np.random.default_rng(seed))
    assert (orders[:, 0] == np.arange(len(schools))).all()
    for order in orders.T:
        assert sorted(order) == list(range(len(schools)))
        assert (strata[order] == strata).all() and (order[~movable] == np.flatnonzero(~movable)).all()


def test_an_effect_is_found_and_its_absence_is_not() -> None:
    specifications = expand_specifications(DIMENSIONS)[::3]
    found = run(make(3, effect=0.7), specifications, strata=["county"], permutations=99)
    assert found.joint.p_median <= 0.02 and found.joint.p_strength <= 0.02
    # All are significant together in some permutations too, so this one cannot be as small.
    assert found.joint.share == 1 and 0.02 < found.joint.p_share <= 0.1
    nothing = run(make(3, effect=0.0), specifications, strata=["county"], permutations=99)
    assert nothing.joint.p_median > 0.1 and nothing.joint.p_strength > 0.1


def test_an_outcome_turned_round_turns_the_estimates_and_nothing_else(frame, result) -> None:
    turned = run(
        frame.assign(score=-frame["score"], maths=-frame["maths"]), expand_specifications(DIMENSIONS),
        strata=["county"], permutations=99,
    )
    np.testing.assert_allclose(turned.table["estimate"], -result.table["estimate"][::-1], rtol=1e-6)
    assert turned.share_significant == result.share_significant and turned.share_same_sign == result.share_same_sign
    assert (turned.joint.p_median, turned.joint.p_share) == (result.joint.p_median, result.joint.p_share)
    assert turned.joint.share == result.joint.share and turned.joint.strength == pytest.approx(-result.joint.strength)


def test_schools_that_cannot_change_places_leave_no_joint_test(frame) -> None:
    alone = run(frame, [PLAIN], strata=["school"], permutations=9)
    assert alone.joint is None and "没有联合检验" in alone.summary() and alone.to_dict()["joint"] is None
    few = run(frame[frame["school"].isin(["S00", "S04", "S08", "S01"])], [PLAIN], strata=["county"], permutations=99)
    assert "只有 6 种排列" in few.joint.remark and few.joint.remark in few.summary()


@pytest.mark.slow
def test_the_joint_test_holds_its_level() -> None:
    """Confounded counties and no effect: one in twenty at most, up to chance."""
    specifications = expand_specifications(DIMENSIONS)[::3]
    tests = [
        run(make(seed, effect=0.0), specifications, strata=["county"], permutations=39).joint for seed in range(200)
    ]
    found = np.array([[test.p_median, test.p_strength, test.p_share] for test in tests])
    assert ((found <= 0.05).mean(axis=0) <= 0.095).all()
    assert ((found[:, :2].mean(axis=0) > 0.4) & (found[:, :2].mean(axis=0) < 0.62)).all()


@pytest.mark.slow
def test_five_hundred_specifications_of_three_thousand_students_take_less_than_a_minute() -> None:
    frame = make(1, schools=120, students=25).assign(all=True)
    many = DIMENSIONS | {
        "变换": {"原值": {}, "对数": {"transform": "log"}, "层内": {"transform": "z"}, "名次": {"transform": "rank"}},
        "性别": {"不控制": {}, "控制": {"controls": ["sex"]}},
        "范围": {"全部": {"row_filter": ["全部", "all"]}, "城镇": {"row_filter": ["城镇", "urban"]}},
        "家庭": {"不控制": {}, "控制": {"controls": ["ses"]}}, "学生背景": {"不控制": {}},
        "权重": {"不加权": {}, "加权": {"weights": "weight"}},
    }
    specifications = expand_specifications(many)
    assert len(specifications) == 512
    start = perf_counter()
    found = run(frame, specifications, strata=["county"], permutations=200)
    assert perf_counter() - start < 60 and found.estimated == 512 - 64
