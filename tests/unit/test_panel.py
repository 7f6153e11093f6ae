"""Panel models say what they use, refuse what a panel cannot answer, and avoid the known traps of linearmodels."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from linearmodels.panel import FirstDifferenceOLS, PanelOLS

from qbresearch.errors import InputError
from qbresearch.statistics.panel import MODELS, TREND, fit_panel, hausman, mundlak
from qbresearch.statistics.regression import fit_linear


def panel(entities: int = 12, periods: int = 5, seed: int = 2) -> pd.DataFrame:
    """Counties over years: x and z vary, fixed does not; the county effect goes with x."""
    random = np.random.Generator(np.random.PCG64(seed))
    county = np.repeat(np.arange(entities), periods)
    effect = random.normal(size=entities)[county]
    x = random.normal(size=len(county)) + 0.8 * effect
    z = random.normal(size=len(county))
    return pd.DataFrame({
        "county": [f"县{i:02d}" for i in county], "year": 2015 + np.tile(np.arange(periods), entities), "x": x, "z": z,
        "fixed": random.normal(size=entities)[county], "region": np.where(county < entities // 2, "东", "西"),
        "y": 10 + 2 * x - z + 3 * effect + random.normal(size=len(county)),
    })


TABLE = panel()
KEYS = {"outcome": "y", "entity": "county", "time": "year"}


def fit(frame: pd.DataFrame = TABLE, **options):
    return fit_panel(frame, **KEYS | {"terms": ["x", "z"]} | options)


def refusal(frame: pd.DataFrame = TABLE, **options) -> str:
    with pytest.raises(InputError) as caught:
        fit(frame, **options)
    return str(caught.value)


# --- traps -----------------------------------------------------------------------------------------------------------


def test_clustered_fixed_effects_have_the_factor_that_linearmodels_leaves_out() -> None:
    """Trap: without group_debias, linearmodels' clustered covariance lacks G/(G - 1) (n - 1)/n."""
    indexed = TABLE.assign(county=pd.factorize(TABLE["county"])[0]).set_index(["county", "year"])
    model = PanelOLS(indexed["y"], indexed[["x", "z"]], entity_effects=True)
    bare = model.fit(cov_type="clustered", cluster_entity=True)
    ours = fit(model="fixed", cluster="county")
    assert ours.covariance == pytest.approx(bare.cov.to_numpy() * 12 / 11 * 59 / 60)
    assert (ours.estimates["df"] == 11).all() and ours.kind == "CR1"


def test_first_differences_have_a_constant_only_when_asked_for() -> None:
    """Trap: plm puts a constant into first differences, linearmodels does not: two different models."""
    changes = TABLE.groupby("county")[["y", "x", "z"]].diff().dropna()
    plain, trend = fit(model="first_difference"), fit(model="first_difference", trend=True)
    assert plain.estimates["term"].tolist() == ["x", "z"]
    assert trend.estimates["term"].tolist() == ["x", "z", TREND]
    with_constant = fit_linear(changes, outcome="y", terms=["x", "z"], covariance="classical")
    assert trend.estimates["estimate"].tolist() == pytest.approx(np.roll(with_constant.coefficients, -1).tolist())
    without = np.linalg.lstsq(changes[["x", "z"]], changes["y"], rcond=None)[0]
    assert plain.estimates["estimate"].tolist() == pytest.approx(without.tolist())
    assert abs(plain.estimates["estimate"][0] - trend.estimates["estimate"][0]) > 1e-6
    indexed = TABLE.assign(county=pd.factorize(TABLE["county"])[0]).set_index(["county", "year"])
    known = FirstDifferenceOLS(indexed["y"], indexed[["x", "z"]]).fit()
    assert plain.estimates["se"].tolist() == pytest.approx(known.std_errors.tolist())


def test_differences_do_not_cross_a_gap_and_say_how_many_were_left_out() -> None:
    gap = TABLE.drop(index=[2, 12])  # the third years of 县00 and 县02
    result = fit(gap, model="first_difference")
    assert result.n == 12 * 4 - 4 and "2 处中断" in result.remark and result.remark in result.summary()
    assert fit(model="first_difference").remark == ""


@pytest.mark.parametrize("cluster", ["region", "year", "county", "odd"])
def test_effects_inside_clusters_do_not_count_and_others_do(cluster: str) -> None:
    """The factor of CR1 is that of a regression on columns, less the effects that lie inside clusters."""
    frame = TABLE.assign(odd=np.arange(len(TABLE)) % 7)
    counted = {"region": 5 - 1, "year": 12 - 1, "county": 5 - 1, "odd": 12 + 5 - 1}[cluster]
    effects = ["county", "year"]
    columns = fit_linear(frame, outcome="y", terms=["x", "z"], fixed_effects=effects, covariance="CR1", cluster=cluster)
    n, k = len(frame), 2
    expected = columns.covariance * (n - k - 16) / (n - k - counted)
    assert fit(frame, model="two_way", cluster=cluster).covariance == pytest.approx(expected)


def test_fixed_effects_are_those_of_the_linear_model() -> None:
    for model, effects in (("fixed", ["county"]), ("two_way", ["county", "year"])):
        linear = fit_linear(TABLE, outcome="y", terms=["x", "z"], fixed_effects=effects, covariance="classical")
        ours = fit(model=model)
        assert ours.covariance == pytest.approx(linear.covariance) and ours.df_residual == linear.df_residual
        assert ours.estimates["estimate"].tolist() == pytest.approx(linear.coefficients.tolist())


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["y", "x", "county", "year"])
def test_missing_values_are_counted(column: str) -> None:
    spoilt = TABLE.astype({"year": float})
    spoilt.loc[[3, 9], column] = None
    message = refusal(spoilt)
    assert f"{len(TABLE)} 个观测中 2 个" in message and column in message


@pytest.mark.parametrize("model", MODELS)
def test_a_table_that_is_no_panel_is_refused(model: str) -> None:
    assert "只有 1 个个体" in refusal(TABLE[TABLE["county"] == "县00"], model=model)
    assert "只有 1 个时间" in refusal(TABLE[TABLE["year"] == 2015], model=model)
    assert "多出 1 行" in refusal(pd.concat([TABLE, TABLE.head(1)]), model=model)
    assert "没有差异" in refusal(TABLE.assign(y=1.0), model=model)
    assert "没有差异" in refusal(TABLE.assign(x=1.0), model=model)
    assert "没有自变量" in refusal(terms=[], model=model)


@pytest.mark.parametrize("model", ["fixed", "two_way", "first_difference"])
def test_columns_that_do_not_change_over_time_are_refused_by_name(model: str) -> None:
    message = refusal(terms=["x", "fixed"], model=model)
    assert "：fixed" in message and ("吸收" in message or "没有变化" in message)
    assert "fixed" in fit(terms=["x", "fixed"], model="random").estimates["term"].tolist()


def test_more_columns_than_counties_are_refused_where_counties_are_the_observations() -> None:
    few = TABLE[TABLE["county"].isin(["县00", "县01", "县02"])]
    assert "变量太多" in refusal(few, model="between")
    assert "3 个个体，3 个系数" in refusal(few, model="random")
    assert fit(few, model="fixed").n == 15
    assert "个体内部" in refusal(terms=["fixed"], model="random")


def test_options_that_do_not_belong_to_a_model_are_refused() -> None:
    assert "趋势" in refusal(model="fixed", trend=True)
    assert "组间回归" in refusal(model="between", cluster="county")
    assert "two_way" in refusal(model="twoway")
    assert "nowhere" in refusal(entity="nowhere")


def test_hausman_refuses_what_it_cannot_compare() -> None:
    fixed, random = fit(model="fixed"), fit(model="random")
    for pair in ((random, fixed), (fixed, fit(TABLE.head(30), model="random")), (fixed, fit(model="pooled"))):
        with pytest.raises(InputError, match="不能相比"):
            hausman(*pair)
    with pytest.raises(InputError, match="mundlak"):
        hausman(fit(model="fixed", cluster="county"), random)


def test_hausman_says_when_the_difference_is_not_positive_definite() -> None:
    noise = np.random.Generator(np.random.PCG64(0)).normal(size=(2, 240))
    frame = panel(40, 6).assign(x=noise[0], y=lambda d: 2 * d["x"] - d["z"] + 2 * d["fixed"] + noise[1])
    fixed, random = fit(frame, model="fixed"), fit(frame, model="random")
    assert hausman(fixed, random).df == 2
    object.__setattr__(random, "covariance", random.covariance * 10)
    with pytest.raises(InputError, match="不是正定的") as caught:
        hausman(fixed, random)
    assert "mundlak" in str(caught.value) and "并列报告" in str(caught.value)


# --- what results say ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_a_fit_becomes_plain_data_a_sentence_and_a_picture(model: str) -> None:
    result = fit(model=model)
    data = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert data["model"] == model and data["entities"] == 12 and data["periods"] == 5
    assert data["n"] == {"between": 12, "first_difference": 48}.get(model, 60)
    assert MODELS[model] in result.summary() and "\n" not in result.summary()
    labels = {t.get_text() for t in result.plot().get_yticklabels()}
    assert {"x", "z"} <= labels and "(Intercept)" not in labels
    table = result.tidy()
    table["estimate"] = 0.0
    assert result.tidy()["estimate"].abs().min() > 0


def test_random_effects_say_when_counties_do_not_differ() -> None:
    random = np.random.Generator(np.random.PCG64(4))
    alike = TABLE.assign(y=TABLE["x"] + random.normal(size=len(TABLE)))
    alike["y"] -= alike.groupby("county")["y"].transform("mean")
    result = fit(alike, terms=["z"], model="random")
    assert result.entity_variance == 0 and "个体方差估计为 0" in result.remark
    pooled = fit(alike, terms=["z"], model="pooled")
    assert result.estimates["estimate"].tolist() == pytest.approx(pooled.estimates["estimate"].tolist())


def test_within_parts_are_fixed_effects_and_group_columns_have_a_between_part_only() -> None:
    result = mundlak(TABLE, outcome="y", terms=["x", "z", "fixed", "region"], group="county")
    table = result.tidy().set_index(["term", "part"])
    fixed = fit(model="fixed").estimates.set_index("term")
    for term in ("x", "z"):
        assert table.loc[(term, "组内"), "estimate"] == pytest.approx(fixed.loc[term, "estimate"])
    assert ("fixed", "组间") in table.index and ("fixed", "组内") not in table.index
    assert ("region[西]", "组间") in table.index
    assert result.equality.terms == ("x·组间", "z·组间") and result.equality.p < 0.05
    assert result.fit.kind == "CR2" and result.groups == result.fit.clusters == 12
    assert "12 组" in result.summary()
    assert json.dumps(result.to_dict(), allow_nan=False) and result.plot().get_yticklabels()


def test_a_column_with_equal_group_means_has_a_within_part_only() -> None:
    table = mundlak(TABLE, outcome="y", terms=["x", "year"], group="county").tidy()
    assert table["term"].tolist() == ["x", "x", "year"] and table["part"].tolist() == ["组内", "组间", "组内"]


def test_mundlak_clusters_where_told_and_refuses_what_has_no_two_parts() -> None:
    plain = mundlak(TABLE, outcome="y", terms=["x"], group="county", covariance="HC1")
    assert plain.fit.clusters is None and plain.equality.df2 == 60 - 3
    by_year = mundlak(TABLE, outcome="y", terms=["x"], group="county", cluster="year")
    assert by_year.fit.clusters == 5
    for terms in (["fixed"], ["year"], []):
        with pytest.raises(InputError, match="组内与组间"):
            mundlak(TABLE, outcome="y", terms=terms, group="county")
    with pytest.raises(InputError, match="1 个簇"):
        mundlak(TABLE[TABLE["county"] == "县00"], outcome="y", terms=["x"], group="county")
