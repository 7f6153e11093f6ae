"""School effects: shrinkage, who differs, several units, and sentences where there is nothing to estimate."""

from __future__ import annotations

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from qbresearch.errors import InputError
from qbresearch.results.monitoring.school_effects import (
    NO_STUDENTS,
    NO_VARIANCE,
    estimate_school_effects,
)
from qbresearch.statistics.plausible_values import pool
from qbresearch.statistics.variance import ONE_SCHOOL, null_model

NAN = float("nan")


def sums(schools: int = 20, county: str = "010101", seed: int = 1, between: float = 30.0, **more) -> pd.DataFrame:
    """School sums with students' standard deviation 60."""
    rng = np.random.Generator(np.random.PCG64(seed))
    n = rng.integers(5, 60, schools)
    mean = 300 + between * rng.standard_normal(schools) + 60 / np.sqrt(n) * rng.standard_normal(schools)
    m2 = 3600 * rng.chisquare(n - 1)
    return pd.DataFrame({
        "county_code": county, "school_year": 2024, "cycle": 2024, "grade": "4", "subject": "数学",
        "school_code": [f"{county}{s:04d}" for s in range(schools)], "students": n, "missing": 0,
        "weight": n.astype(float), "mean": mean, "m2": m2, "plain_mean": mean, "plain_m2": m2,
    }).assign(**more)


def test_effects_are_shrunken_by_the_reliability_of_each_mean() -> None:
    frame = sums()
    model = null_model(frame["students"], frame["mean"], frame["plain_m2"])
    table = estimate_school_effects(frame).table
    reliability = frame["students"] * model.tau2 / (frame["students"] * model.tau2 + model.sigma2)
    np.testing.assert_allclose(table["reliability"], reliability, rtol=1e-10)
    np.testing.assert_allclose(table["effect"], reliability * (frame["mean"] - model.mean), rtol=1e-10)
    np.testing.assert_allclose(table["se_given_mean"] ** 2, model.tau2 * (1 - reliability), rtol=1e-10)
    assert (table["se"] > table["se_given_mean"]).all()
    assert table["reliability"].corr(frame["students"], method="spearman") == pytest.approx(1)


def test_a_school_differs_where_its_interval_leaves_out_zero() -> None:
    table = estimate_school_effects(sums(between=60.0)).table
    expected = np.select([table["low"] > 0, table["high"] < 0], ["above", "below"], default="")
    assert table["differs"].tolist() == expected.tolist()
    assert {"above", "below"} <= set(table["differs"])
    np.testing.assert_allclose(table["high"] - table["low"], 2 * 1.959963984540054 * table["se"], rtol=1e-12)


def test_the_sentence_counts_those_that_differ() -> None:
    result = estimate_school_effects(sums(between=60.0))
    counts = result.table["differs"].value_counts()
    assert f"高 {counts['above']} 个，低 {counts['below']} 个" in result.summary()
    assert f"其余 {counts['']} 个不能与平均水平区分" in result.summary()


@pytest.mark.slow
def test_prediction_errors_are_as_large_as_they_say() -> None:
    rng = np.random.Generator(np.random.PCG64(3))
    counties, schools = 400, 40
    n = rng.integers(10, 60, counties * schools)
    effect = 30 * rng.standard_normal(len(n))
    mean = 300 + effect + 60 / np.sqrt(n) * rng.standard_normal(len(n))
    codes = np.repeat([f"{c:06d}" for c in range(counties)], schools)
    frame = sums(len(n)).assign(
        county_code=codes, students=n, mean=mean, plain_mean=mean, plain_m2=3600 * rng.chisquare(n - 1),
        school_code=[f"{s:06d}" for s in range(len(n))],
    )
    table = estimate_school_effects(frame).table.sort_values("school_code")
    covered = ((table["low"] <= effect) & (effect <= table["high"])).mean()
    assert 0.935 <= covered <= 0.965
    # Taken as known, the mean would make them a little too narrow.
    assert (np.abs(table["effect"] - effect) <= 1.96 * table["se_given_mean"]).mean() < covered


# --- units and measures ---------------------------------------------------------------------------------------------


def test_every_unit_has_its_own_mean_and_one_without_answer_says_so() -> None:
    frame = pd.concat([sums(), sums(county="010102", seed=2), sums(schools=1, county="010103")])
    table = estimate_school_effects(frame).table
    for county in ("010101", "010102"):
        alone = estimate_school_effects(frame[frame["county_code"] == county]).table
        np.testing.assert_allclose(table.loc[table["county_code"] == county, "effect"], alone["effect"], rtol=1e-9)
    last = table[table["county_code"] == "010103"]
    assert last["remark"].tolist() == [ONE_SCHOOL] and last["effect"].isna().all() and last["mean"].notna().all()
    assert "另有 1 个不能估计" in estimate_school_effects(frame).summary()


def test_a_school_without_students_has_a_row_and_a_remark() -> None:
    frame = sums()
    frame.loc[4, ["students", "weight", "mean", "plain_mean", "m2", "plain_m2"]] = [0, 0, NAN, NAN, 0, 0]
    table = estimate_school_effects(frame).table
    assert table["remark"].iloc[4] == NO_STUDENTS and np.isnan(table["effect"].iloc[4])
    assert table["effect"].notna().sum() == 19


def test_no_variance_between_schools_makes_all_effects_zero() -> None:
    table = estimate_school_effects(sums(mean=300.0, plain_mean=300.0)).table
    assert table["effect"].eq(0).all() and table["differs"].eq("").all() and table["remark"].eq(NO_VARIANCE).all()


def test_plausible_values_are_pooled() -> None:
    parts = [sums(seed=s, measure=f"pv{s}") for s in (1, 2)]
    parts[1]["students"] = parts[0]["students"]
    table = estimate_school_effects(pd.concat(parts)).table
    each = [estimate_school_effects(p).table for p in parts]
    known = pool([e["effect"] for e in each], [e["se"] ** 2 for e in each])
    np.testing.assert_allclose(table["effect"], known.estimate, rtol=1e-10)
    np.testing.assert_allclose(table["se"], known.se, rtol=1e-10)
    assert table["measure"].eq("pv").all() and len(table) == 20


# --- refusals and forms ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (sums(m2=NAN, plain_m2=NAN), "缺少校内离差平方和"),
        (sums(schools=1), "只有一所学校"),
        (sums(mean=300.0, plain_mean=300.0, m2=0.0, plain_m2=0.0), "成绩相同"),
    ],
)
def test_without_any_effect_the_reason_and_what_still_works_are_said(frame, words) -> None:
    with pytest.raises(InputError, match="学校效应估计不出来") as caught:
        estimate_school_effects(frame)
    assert words in str(caught.value) and "仍可报告" in str(caught.value)


def test_the_result_is_plain_data_and_a_picture_of_one_unit() -> None:
    frame = sums(school_name=[f"第{i + 1}小学" for i in range(20)])
    result = estimate_school_effects(frame)
    assert "NaN" not in json.dumps(result.to_dict(), ensure_ascii=False)
    ax = result.plot()
    assert {t.get_text() for t in ax.get_yticklabels()} == set(frame["school_name"])
    plt.close(ax.figure)
    with pytest.raises(InputError, match="一张图只画一个单元"):
        estimate_school_effects(pd.concat([sums(), sums(county="010102")])).plot()
