"""Linear models refuse in words what cannot be estimated, say which degrees of freedom they used, cover the truth."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from matplotlib.axes import Axes

from qbresearch.errors import InputError
from qbresearch.statistics.clusters import wild_cluster_bootstrap
from qbresearch.statistics.regression import fit_linear


def schools(count: int = 8, size: int = 12, seed: int = 3) -> pd.DataFrame:
    """Students in schools: x and z vary between students, s between schools, score depends on x and the school."""
    random = np.random.Generator(np.random.PCG64(seed))
    school = np.repeat(np.arange(count), size + np.arange(count))
    n = len(school)
    x, z = random.normal(size=(2, n))
    s, effect = random.normal(size=(2, count))
    return pd.DataFrame({
        "x": x, "z": z, "s": s[school], "school": [f"校{i}" for i in school], "weight": random.uniform(0.5, 3, n),
        "score": 500 + 3 * x + 4 * effect[school] + 8 * random.normal(size=n), "sex": np.where(z > 0, "男", "女"),
        "year": 2020 + np.arange(n) % 3,
    })


TABLE = schools()


def refusal(frame: pd.DataFrame = TABLE, function=fit_linear, **options) -> str:
    with pytest.raises(InputError) as caught:
        function(frame, **{"outcome": "score", "terms": ["x"]} | options)
    return str(caught.value)


CR2 = {"covariance": "CR2", "cluster": "school"}
CR1 = {"covariance": "CR1", "cluster": "school"}


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["score", "x", "school", "weight", "year"])
def test_missing_values_are_counted_wherever_they_are(column: str) -> None:
    spoilt = TABLE.astype({"year": float})
    spoilt.loc[[1, 4, 7], column] = None
    message = refusal(spoilt, **CR1, weights="weight", fixed_effects=["year"])
    assert f"{len(TABLE)} 个观测中 3 个" in message and column in message


def test_one_student_one_school_and_no_rows_are_refused() -> None:
    assert "没有差异" in refusal(TABLE.head(1))
    assert "观测" in refusal(TABLE.head(0))
    message = refusal(TABLE[TABLE["school"] == "校0"], **CR2)
    assert "1 个簇" in message and "至少 2 个簇" in message and "HC3" in message


def test_constant_columns_and_outcomes_are_refused_by_name() -> None:
    assert "score" in refusal(TABLE.assign(score=5.0)) and "没有差异" in refusal(TABLE.assign(score=5.0))
    assert "x" in refusal(TABLE.assign(x=1)) and "没有差异" in refusal(TABLE.assign(x=1))


def test_collinear_columns_are_named_with_what_they_are_made_of() -> None:
    message = refusal(TABLE.assign(sum=TABLE["x"] + TABLE["z"]), terms=["x", "z", "sum"])
    assert "sum 是 x、z 的线性组合" in message


def test_more_columns_than_rows_are_refused() -> None:
    assert "变量太多" in refusal(TABLE.head(3), terms=["x", "z"])


def test_an_outcome_made_of_its_columns_is_refused() -> None:
    message = refusal(TABLE.assign(score=2 * TABLE["x"] - 3 * TABLE["z"] + 7), terms=["x", "z"])
    assert "精确算出" in message and "残差全部为零" in message


def test_weights_that_are_not_positive_are_counted() -> None:
    spoilt = TABLE.copy()
    spoilt.loc[[0, 1], "weight"] = [0.0, -1.0]
    assert f"{len(TABLE)} 个观测中 2 个权重缺失、为零或为负" in refusal(spoilt, weights="weight")
    assert "数值列" in refusal(weights="sex")


@pytest.mark.parametrize(
    "options", [{"covariance": "HC3", "cluster": "school"}, {"covariance": "CR2"}, {"covariance": "CR1"}],
    ids=["cluster without CR", "CR2 without cluster", "CR1 without cluster"],
)
def test_clusters_and_covariance_must_go_together(options: dict) -> None:
    assert "不配" in refusal(**options)


def test_unknown_names_are_refused_with_the_choices() -> None:
    assert "CR1" in refusal(covariance="CR3")
    assert "nowhere" in refusal(covariance="CR1", cluster="nowhere")
    assert "nowhere" in refusal(fixed_effects=["nowhere"])


@pytest.mark.parametrize("kind", ["HC2", "HC3"])
def test_an_observation_that_is_fitted_exactly_is_refused_where_its_leverage_divides(kind: str) -> None:
    lone = TABLE.assign(lone=[1] + [0] * (len(TABLE) - 1))
    message = refusal(lone, terms=["x", "lone"], covariance=kind)
    assert "杠杆值为 1" in message and "第 1 行" in message and "HC1" in message
    assert np.isfinite(fit_linear(lone, outcome="score", terms=["x", "lone"], covariance="HC1").estimates["se"]).all()


@pytest.mark.parametrize("options", [CR1, CR2], ids=["CR1", "CR2"])
def test_a_column_that_varies_in_one_cluster_only_is_refused(options: dict) -> None:
    message = refusal(TABLE.assign(only=(TABLE["school"] == "校1").astype(int)), terms=["x", "only"], **options)
    assert "：only" in message and "8 个簇" in message and "HC1" in message
    inside = TABLE.assign(only=np.where(TABLE["school"] == "校1", TABLE["z"], 0.0))
    assert "：only" in refusal(inside, terms=["x", "only"], fixed_effects=["school"], **options)
    assert "：only" in refusal(inside, terms=["x", "only"], fixed_effects=["year"], **options)


@pytest.mark.parametrize("options", [CR1, CR2], ids=["CR1", "CR2"])
def test_effects_of_single_schools_do_not_stand_in_the_way_of_other_coefficients(options: dict) -> None:
    fit = fit_linear(TABLE, outcome="score", terms=["x"], fixed_effects=["school", "year"], **options)
    assert fit.names == ("x",) and fit.absorbed == 8 + 2 and fit.estimates["se"][0] > 0


@pytest.mark.parametrize("options", [CR1, CR2], ids=["CR1", "CR2"])
def test_as_many_school_columns_as_schools_allow_are_refused(options: dict) -> None:
    random = np.random.Generator(np.random.PCG64(0))
    number = pd.factorize(TABLE["school"])[0]
    many = TABLE.assign(**{f"s{i}": random.normal(size=8)[number] for i in range(7)})
    message = refusal(many, terms=[f"s{i}" for i in range(7)], **options)
    assert "学校层面的变量" in message


def test_what_fixed_effects_absorb_is_refused_by_name() -> None:
    message = refusal(terms=["x", "s"], fixed_effects=["school"])
    assert "吸收" in message and "：s" in message and "school" in message
    assert "没有自变量" in refusal(terms=[], fixed_effects=["school"])


def test_fixed_effects_that_leave_no_observations_are_refused() -> None:
    pairs = TABLE.head(6).assign(pair=[0, 0, 1, 1, 2, 2])
    assert "固定效应太多" in refusal(pairs, terms=["x", "z", "year"], fixed_effects=["pair"])


def test_effects_that_lie_inside_others_take_nothing_more() -> None:
    frame = TABLE.assign(region=TABLE["school"].isin(["校0", "校1", "校2"]))
    one = fit_linear(frame, outcome="score", terms=["x"], fixed_effects=["school"])
    two = fit_linear(frame, outcome="score", terms=["x"], fixed_effects=["region", "school"])
    assert two.absorbed == one.absorbed == 8 and two.df_residual == len(TABLE) - 9
    assert two.covariance == pytest.approx(one.covariance)


# --- what a fit says -------------------------------------------------------------------------------------------------


def test_tests_use_the_t_distribution_where_statsmodels_uses_the_normal() -> None:
    """Trap: robust fits of statsmodels use the normal distribution unless use_t=True."""
    columns = sm.add_constant(TABLE[["x", "z"]])
    ours = fit_linear(TABLE, outcome="score", terms=["x", "z"], covariance="HC3").estimates
    right = sm.OLS(TABLE["score"], columns).fit(cov_type="HC3", use_t=True)
    normal = sm.OLS(TABLE["score"], columns).fit(cov_type="HC3")
    np.testing.assert_allclose(ours["estimate"], right.params, rtol=1e-11)
    np.testing.assert_allclose(ours["se"], right.bse, rtol=1e-11)
    np.testing.assert_allclose(ours["p"], right.pvalues, rtol=1e-9)
    np.testing.assert_allclose(ours[["low", "high"]], right.conf_int(), rtol=1e-11)
    assert (ours["p"] > normal.pvalues.to_numpy()).all()
    assert (ours["df"] == len(TABLE) - 3).all()


@pytest.mark.parametrize("weights", [None, "weight"])
def test_cr1_is_the_clustered_covariance_of_statsmodels(weights: str | None) -> None:
    """Trap: statsmodels' clusters are CR1, with G - 1 degrees of freedom only under use_t=True; it has no CR2."""
    model = sm.WLS(TABLE["score"], sm.add_constant(TABLE[["x", "s"]]), weights=1 if weights is None else TABLE[weights])
    known = model.fit(cov_type="cluster", cov_kwds={"groups": pd.factorize(TABLE["school"])[0]}, use_t=True)
    ours = fit_linear(TABLE, outcome="score", terms=["x", "s"], weights=weights, **CR1)
    np.testing.assert_allclose(ours.covariance, known.cov_params(), rtol=1e-10)
    np.testing.assert_allclose(ours.estimates["p"], known.pvalues, rtol=1e-9)
    assert (ours.estimates["df"] == 7).all()


def test_cr2_is_wider_and_has_fewer_degrees_of_freedom_for_a_school_column() -> None:
    fits = [fit_linear(TABLE, outcome="score", terms=["x", "s"], **options) for options in (CR1, CR2)]
    one, two = (fit.estimates.set_index("term") for fit in fits)
    assert two.loc["s", "se"] > one.loc["s", "se"]
    assert two.loc["s", "df"] < 7 == one.loc["s", "df"]


def test_few_clusters_are_remarked_with_the_degrees_of_freedom_used() -> None:
    one, two = (fit_linear(TABLE, outcome="score", terms=["x", "s"], **o) for o in (CR1, CR2))
    assert "8 个簇" in one.remark and "自由度 7" in one.remark and "野生聚类自助" in one.remark
    assert f"{two.df.min():.1f} 至 {two.df.max():.1f}" in two.remark and "Satterthwaite" in two.remark
    assert two.remark in two.summary()
    assert fit_linear(schools(60, 4), outcome="score", terms=["x"], **CR1).remark == ""
    assert fit_linear(TABLE, outcome="score", terms=["x"]).remark == ""


def test_text_becomes_columns_and_an_empty_model_is_the_mean() -> None:
    fit = fit_linear(TABLE, outcome="score", terms=["sex"], covariance="classical")
    means = TABLE.groupby("sex")["score"].mean()
    assert fit.names == ("(Intercept)", "sex[男]")
    assert fit.coefficients == pytest.approx([means["女"], means["男"] - means["女"]])
    mean = fit_linear(TABLE, outcome="score", terms=[], covariance="classical")
    assert mean.coefficients == pytest.approx([TABLE["score"].mean()]) and mean.r_squared == pytest.approx(0)
    assert mean.estimates["se"][0] == pytest.approx(TABLE["score"].std() / len(TABLE) ** 0.5)
    with pytest.raises(InputError, match="只有截距"):
        mean.f_test


def test_a_wald_test_of_one_term_is_its_t_squared() -> None:
    for options in ({}, CR1, CR2, CR2 | {"weights": "weight"}, CR2 | {"fixed_effects": ["year"]}):
        fit = fit_linear(TABLE, outcome="score", terms=["x", "s"], **options)
        row, test = fit.estimates.set_index("term").loc["s"], fit.wald(["s"])
        assert (test.statistic, test.df2, test.p) == pytest.approx((row["statistic"] ** 2, row["df"], row["p"]))


def test_joint_tests_that_clusters_cannot_bear_are_refused() -> None:
    few = schools(4, 20).assign(a=lambda d: d["x"] * d["z"], b=lambda d: d["x"] ** 2)
    fit = fit_linear(few, outcome="score", terms=["x", "z", "a", "b"], **CR1)
    with pytest.raises(InputError, match="4 个系数，4 个簇"):
        fit.f_test
    assert fit.wald(["x", "z"]).df2 == 3
    with pytest.raises(InputError, match="Hotelling|不能一起检验"):
        fit_linear(few, outcome="score", terms=["x", "z", "a", "b"], **CR2).f_test
    with pytest.raises(InputError, match="nowhere"):
        fit.wald(["nowhere"])


def test_a_fit_becomes_plain_data_a_sentence_and_a_picture() -> None:
    fit = fit_linear(TABLE, outcome="score", terms=["x", "z"], fixed_effects=["year"], weights="weight", **CR2)
    data = json.loads(json.dumps(fit.to_dict(), allow_nan=False))
    assert data["estimates"][0]["term"] == "x" and data["absorbed"] == 3 and data["clusters"] == 8
    assert "year" in fit.summary() and "CR2（8 个簇）" in fit.summary() and "\n" not in fit.summary()
    assert "联合检验" in fit.f_test.summary() and data["df_residual"] == len(TABLE) - 5
    assert json.dumps(fit.f_test.to_dict())
    axes = fit_linear(TABLE, outcome="score", terms=["x", "z"]).plot()
    labels = [t.get_text() for t in axes.get_yticklabels()]
    assert isinstance(axes, Axes) and {"x", "z"} <= set(labels) and "(Intercept)" not in labels
    table = fit.tidy()
    table["estimate"] = 0.0
    assert fit.tidy()["estimate"].abs().min() > 0


# --- wild cluster bootstrap ------------------------------------------------------------------------------------------


def wild(frame: pd.DataFrame = TABLE, **options):
    base = {"outcome": "score", "terms": ["x", "s"], "term": "s", "cluster": "school", "seed": 1}
    return wild_cluster_bootstrap(frame, **base | options)


def test_random_draws_come_close_to_the_enumeration() -> None:
    exact, drawn = wild(), wild(draws=255)
    assert exact.enumerated and exact.draws == 256 and not drawn.enumerated and drawn.draws == 255
    extreme = (np.abs(drawn.distribution) >= abs(drawn.statistic) * (1 - 1e-9)).sum()
    assert drawn.p == (1 + extreme) / (1 + 255)
    many = wild(schools(14, 10), draws=20_000)
    whole = wild(schools(14, 10), draws=2**14)
    assert whole.enumerated and not wild(schools(14, 10), draws=2**14 - 1).enumerated
    assert many.enumerated and many.p == whole.p
    assert wild(schools(14, 10), draws=9999).p == pytest.approx(whole.p, abs=0.02)


def test_the_seed_decides_the_draws_and_webb_draws_six_values() -> None:
    one, two, other = (wild(kind="webb", draws=999, seed=s) for s in (5, 5, 6))
    assert np.array_equal(one.distribution, two.distribution)
    assert not np.array_equal(one.distribution, other.distribution)
    assert not one.enumerated and 0 < one.p <= 1
    pair = wild(schools(2, 30), terms=["x"], term="x", kind="webb", draws=4000)
    assert len(np.unique(np.abs(pair.distribution).round(9))) > 4


@pytest.mark.parametrize("options", [{}, {"kind": "webb", "draws": 1999}, {"weights": "weight"}, {"term": "x"}])
def test_the_interval_is_where_the_test_does_not_reject(options: dict) -> None:
    test = wild(**options)
    assert test.low < test.estimate < test.high
    step = 1e-6 * test.se
    for bound, outward in ((test.low, -step), (test.high, step)):
        assert wild(**options, null=bound + outward).p <= 0.05 < wild(**options, null=bound - outward).p


def test_too_few_clusters_leave_an_interval_without_bounds_and_say_so() -> None:
    test = wild(schools(4, 20), terms=["x"], term="x")
    assert (test.low, test.high) == (-np.inf, np.inf) and test.p >= 2 / 2**4
    assert "不可能小于 0.125" in test.remark and "webb" in test.remark and "无界" in test.summary()
    data = json.loads(json.dumps(test.to_dict(), allow_nan=False))
    assert data["low"] is None and data["clusters"] == 4
    assert len(test.tidy()) == 1


def test_the_wild_bootstrap_refuses_what_it_cannot_test() -> None:
    base = {"function": wild_cluster_bootstrap, "term": "x", "cluster": "school", "seed": 1}
    assert "nowhere" in refusal(**base | {"term": "nowhere"})
    assert "webb" in refusal(**base, kind="mammen")
    assert "抽取次数" in refusal(**base, draws=20)
    assert "1 个簇" in refusal(TABLE[TABLE["school"] == "校0"], **base)
    only = TABLE.assign(only=(TABLE["school"] == "校1").astype(int))
    message = refusal(only, **base | {"term": "only", "terms": ["x", "only"]})
    assert "只由一个簇决定" in message and "：only" in message
    assert wild(only, terms=["x", "only"], term="x").p > 0


# --- simulation ------------------------------------------------------------------------------------------------------


def coverage(schools_count: int, kind: str, replications: int = 2000) -> float:
    """Share of 95 % intervals that hold the truth: unequal schools, a school-level regressor, ICC 0.2."""
    random = np.random.Generator(np.random.PCG64(7))
    held = 0
    for _ in range(replications):
        size = np.round(np.exp(random.normal(3.2, 0.7, schools_count))).clip(5, 150).astype(int)
        school = np.repeat(np.arange(schools_count), size)
        x, z = random.normal(size=schools_count)[school], random.normal(size=len(school))
        effect = random.normal(0, 0.2**0.5, schools_count)[school]
        y = 0.5 * z + effect + random.normal(0, 0.8**0.5, len(school))
        frame = pd.DataFrame({"x": x, "z": z, "school": school, "y": y})
        row = fit_linear(frame, outcome="y", terms=["x", "z"], covariance=kind, cluster="school").estimates.iloc[1]
        held += row["low"] <= 0 <= row["high"]
    return held / replications


@pytest.mark.slow
@pytest.mark.parametrize("count", [12, 30, 60])
def test_cr2_intervals_cover_the_truth_with_few_unequal_schools(count: int) -> None:
    assert 0.93 <= coverage(count, "CR2") <= 0.97


@pytest.mark.slow
def test_cr1_intervals_are_too_narrow_with_twelve_schools() -> None:
    assert coverage(12, "CR1", 1000) < 0.90
