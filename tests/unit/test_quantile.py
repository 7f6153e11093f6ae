"""Quantile regression is exact with tied whole numbers, says when it is not unique, and refuses what it cannot fit."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from qbresearch.errors import InputError
from qbresearch.statistics.quantile import fit_quantile


def students(n: int = 120, seed: int = 1) -> pd.DataFrame:
    random = np.random.Generator(np.random.PCG64(seed))
    school = np.arange(n) // (n // 10)
    x, z = random.normal(size=(2, n))
    return pd.DataFrame({
        "x": x, "z": z, "school": school, "weight": random.integers(1, 4, n), "sex": np.where(z > 0, "男", "女"),
        "score": np.round(60 + 5 * x + 3 * random.normal(size=10)[school] + 8 * random.normal(size=n)),
    })


TABLE = students()


def fit(frame: pd.DataFrame = TABLE, **options):
    return fit_quantile(frame, **{"outcome": "score", "terms": ["x", "z"], "quantile": 0.5} | options)


def refusal(frame: pd.DataFrame = TABLE, **options) -> str:
    with pytest.raises(InputError) as caught:
        fit(frame, **options)
    return str(caught.value)


@pytest.mark.parametrize(("n", "noise"), [(1500, 1), (1500, 10), (6000, 3)])
def test_whole_number_outcomes_are_fitted_exactly_where_reweighting_stops_short(n, noise) -> None:
    """Trap: statsmodels' reweighted least squares is off (here by up to 0.07) with whole numbers and many rows."""
    random = np.random.default_rng(0 if n == 6000 else 1)
    x, s = random.normal(size=n), random.integers(0, 2, n)
    frame = pd.DataFrame({"x": x, "s": s, "score": np.round(20 + 2 * x + s + noise * random.normal(size=n))})
    ours = fit(frame, terms=["x", "s"], quantile=0.1)
    columns = sm.add_constant(frame[["x", "s"]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = sm.QuantReg(frame["score"], columns).fit(q=0.1).params
    residuals = frame["score"] - columns @ theirs
    assert ours.unique and ours.loss <= float((residuals * (0.1 - (residuals < 0))).sum())
    # At the optimum of a unique fit, k observations lie on the surface exactly.
    assert (np.abs(ours.residuals) < 1e-9).sum() >= 3


def test_without_terms_it_is_the_quantile_and_the_usual_median() -> None:
    even = pd.DataFrame({"score": [1.0, 2.0, 4.0, 8.0]})
    result = fit(even, terms=[])
    assert not result.unique and result.coefficients == pytest.approx([3.0])
    assert (result.lowest[0], result.highest[0]) == pytest.approx((2.0, 4.0))
    assert "解不唯一" in result.remark and "解不唯一" in result.summary()
    odd = fit(pd.DataFrame({"score": [1.0, 2.0, 4.0]}), terms=[])
    assert odd.unique and odd.coefficients == pytest.approx([2.0]) and odd.remark == ""


def test_a_degenerate_but_unique_median_is_not_called_ambiguous() -> None:
    tied = fit(pd.DataFrame({"score": [1.0, 3.0, 3.0, 3.0, 3.0, 9.0]}), terms=[])
    assert tied.unique and tied.coefficients == pytest.approx([3.0])


def test_whole_weights_are_repeated_rows() -> None:
    repeated = TABLE.loc[TABLE.index.repeat(TABLE["weight"])]
    for quantile in (0.25, 0.6):
        weighted, plain = fit(weights="weight", quantile=quantile), fit(repeated, quantile=quantile)
        assert weighted.loss == pytest.approx(plain.loss)
        assert weighted.unique == plain.unique and weighted.coefficients == pytest.approx(plain.coefficients)


def test_large_and_small_units_lose_no_digits() -> None:
    plain, scaled = fit(), fit(TABLE.assign(x=TABLE["x"] * 1e7, score=TABLE["score"] * 1e-4 + 1e3))
    assert scaled.coefficients == pytest.approx(plain.coefficients * [1e-4, 1e-11, 1e-4] + [1e3, 0, 0])


# --- bootstrap -------------------------------------------------------------------------------------------------------


def test_the_bootstrap_is_reproducible() -> None:
    one, two, other = (fit(draws=99, seed=s) for s in (3, 3, 4))
    assert np.array_equal(one.draws, two.draws) and not np.array_equal(one.draws, other.draws)
    assert one.estimates["df"].tolist() == [117.0] * 3 and one.draws.shape == (99, 3)


@pytest.mark.parametrize(("cluster", "df"), [(None, 117), ("school", 9)])
def test_a_draw_is_the_fit_of_the_table_of_drawn_schools_or_rows(cluster: str | None, df: int) -> None:
    frame = TABLE.assign(score=TABLE["score"] + TABLE["x"] / 7, row=range(len(TABLE)))
    result = fit(frame, weights="weight", cluster=cluster, draws=99, seed=11)
    random = np.random.Generator(np.random.PCG64(11))
    units = frame[cluster or "row"]
    for own in result.draws[:3]:
        drawn = random.integers(0, units.nunique(), units.nunique())
        table = pd.concat([frame[units == unit] for unit in drawn])
        assert own == pytest.approx(fit(table, weights="weight").coefficients)
    assert (result.estimates["df"] == df).all()
    assert ("10 个簇" in result.remark and "自由度 9" in result.remark) == (cluster is not None)


def test_bootstrap_errors_are_near_the_known_ones_of_a_median() -> None:
    random = np.random.Generator(np.random.PCG64(8))
    normal = pd.DataFrame({"score": random.normal(size=400)})
    error = fit(normal, terms=[], draws=199).estimates["se"][0]
    assert error == pytest.approx((np.pi / 2 / 400) ** 0.5, rel=0.25)


def test_draws_that_lose_a_column_are_drawn_again_and_counted() -> None:
    rare = TABLE.assign(rare=(TABLE.index < 2).astype(int))
    assert "重抽" in fit(rare, terms=["x", "rare"], draws=99).remark
    school = TABLE.assign(only=(TABLE["school"] == 0).astype(int), other=(TABLE["school"] == 1).astype(int))
    message = refusal(school, terms=["only", "other"], cluster="school", draws=99)
    assert "重抽" in message and "点估计仍可报告" in message


# --- refusals and forms ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quantile", [0, 1, -0.5, 50])
def test_quantiles_outside_zero_and_one_are_refused(quantile: float) -> None:
    assert "分位数不对" in refusal(quantile=quantile)


def test_what_cannot_be_fitted_is_refused_in_words() -> None:
    spoilt = TABLE.copy()
    spoilt.loc[[0, 1], "x"] = np.nan
    assert "120 个观测中 2 个" in refusal(spoilt)
    assert "没有差异" in refusal(TABLE.assign(score=1.0))
    assert "线性组合" in refusal(TABLE.assign(z=2 * TABLE["x"]))
    assert "变量太多" in refusal(TABLE.head(3))
    assert "没有差异" in refusal(TABLE.head(1))
    assert "抽取次数" in refusal(draws=10)
    assert "1 个簇" in refusal(TABLE.assign(school=1), cluster="school", draws=99)
    assert "3 个权重" in refusal(TABLE.assign(weight=[0, -1, np.nan] + [1] * 117), weights="weight")


def test_a_fit_becomes_plain_data_a_sentence_and_a_picture() -> None:
    bare, full = fit(terms=["x", "sex"]), fit(terms=["x", "sex"], draws=99, quantile=0.25)
    assert bare.estimates.columns.tolist() == ["term", "estimate"] and not bare.estimates.isna().any(axis=None)
    assert not full.tidy().isna().any(axis=None) and full.names == ("(Intercept)", "x", "sex[男]")
    data = json.loads(json.dumps(full.to_dict(), allow_nan=False))
    assert data["draws"] == 99 and data["quantile"] == 0.25
    assert "0.25 分位数" in full.summary() and "120 个观测" in full.summary()
    for result in (bare, full):
        labels = {t.get_text() for t in result.plot().get_yticklabels()}
        assert "x" in labels and "(Intercept)" not in labels
    assert full.fitted + full.residuals == pytest.approx(TABLE["score"].to_numpy())
