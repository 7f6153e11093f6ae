"""Difference rates: the definitions, the reading against a limit, reported values, and sentences instead of numbers."""

from __future__ import annotations

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from qbresearch.errors import InputError
from qbresearch.results.monitoring.difference_rate import (
    DEFINITIONS,
    NO_FULL_MARK,
    SEVERAL_FULL_MARKS,
    STATUS,
    measure_difference_rates,
)
from qbresearch.statistics.dispersion import (
    coefficient_of_variation,
    weighted_standard_deviation,
)
from qbresearch.statistics.spread import ALL_EQUAL, NO_MEAN, TWO_SCHOOLS
from qbresearch.statistics.variance import (
    CONSTANT,
    NO_SPREAD,
    ONE_STUDENT_EACH,
    null_model,
)

NAN = float("nan")
CODES = list(DEFINITIONS)


def sums(schools: int = 20, county: str = "010101", seed: int = 1, between: float = 30.0, **more) -> pd.DataFrame:
    """School sums with students' standard deviation 60 and full mark 600."""
    rng = np.random.Generator(np.random.PCG64(seed))
    n = rng.integers(20, 60, schools)
    mean = 300 + between * rng.standard_normal(schools) + 60 / np.sqrt(n) * rng.standard_normal(schools)
    m2 = 3600 * rng.chisquare(n - 1)
    return pd.DataFrame({
        "county_code": county, "school_year": 2024, "cycle": 2024, "grade": "4", "subject": "数学",
        "school_code": [f"{county}{s:04d}" for s in range(schools)], "students": n, "missing": 0,
        "weight": 2.0 * n, "weight2": 4.0 * n, "mean": mean, "m2": 2 * m2, "plain_mean": mean, "plain_m2": m2,
        "full_mark": 600.0,
    }).assign(**more)


def rates(frame: pd.DataFrame, **more) -> pd.DataFrame:
    return measure_difference_rates(frame, **more).table.set_index("definition")


# --- definitions ----------------------------------------------------------------------------------------------------


def test_every_definition_is_what_its_formula_says() -> None:
    frame, found = sums(), rates(sums())
    x, n = frame["mean"], frame["students"]
    model = null_model(n, x, frame["plain_m2"])
    assert found.index.tolist() == CODES == ["D1", "D2", "D2c", "D3", "D3c"]
    assert (found.loc["D1", "estimate"], found.loc["D1", "low"], found.loc["D1", "high"]) == pytest.approx(
        (model.icc, model.low, model.high), rel=1e-12
    )
    assert found.loc["D2", "estimate"] == pytest.approx(coefficient_of_variation(x, n), rel=1e-12)
    assert found.loc["D3", "estimate"] == pytest.approx(weighted_standard_deviation(x, n) / 600, rel=1e-12)
    sigma2 = frame["plain_m2"].sum() / (n.sum() - 20)
    p = n / n.sum()
    clean = (weighted_standard_deviation(x, n) ** 2 - (p * (1 - p) * sigma2 / n).sum()) / (1 - (p**2).sum())
    assert found.loc["D3c", "estimate"] == pytest.approx(np.sqrt(clean) / 600, rel=1e-12)
    assert found.loc["D2c", "estimate"] == pytest.approx(np.sqrt(clean) / np.average(x, weights=n), rel=1e-12)


def test_d3_is_a_score_rate_that_does_not_depend_on_the_marks() -> None:
    frame = sums()
    half = frame.assign(mean=frame["mean"] / 2, plain_mean=frame["mean"] / 2, full_mark=300.0, m2=frame["m2"] / 4,
                        plain_m2=frame["plain_m2"] / 4)
    for code in CODES:
        assert rates(half).loc[code, "estimate"] == pytest.approx(rates(frame).loc[code, "estimate"], rel=1e-9), code


def test_every_row_says_that_it_is_a_local_diagnostic_on_the_unit_scale() -> None:
    found = rates(sums())
    assert found["status"].eq(STATUS).all() and "不代替监测报告值" in STATUS
    assert found["scale"].eq("0-1").all() and (found[["formula", "target", "interval", "label"]] != "").all(axis=None)
    assert "覆盖率" in found.loc["D2", "interval"] and "90–96%" in found.loc["D2", "interval"]
    assert ((found["low"] <= found["estimate"]) & (found["estimate"] <= found["high"])).all()


def test_small_schools_do_not_look_unequal_for_their_size() -> None:
    frame = sums(between=0.0, schools=40)
    found = rates(frame)
    assert found.loc["D3c", "estimate"] < 0.4 * found.loc["D3", "estimate"]
    assert found.loc["D1", "low"] == 0


# --- reading --------------------------------------------------------------------------------------------------------


def test_the_reading_follows_the_whole_interval() -> None:
    frame = sums()
    low, high = rates(frame).loc["D1", ["low", "high"]]
    for limit, reading in ((high + 1e-9, "below"), (high, "undecided"), ((low + high) / 2, "undecided"),
                           (low + 1e-9, "undecided"), (low, "above"), (low - 1e-9, "above")):
        assert rates(frame, limit=limit).loc["D1", "reading"] == reading, limit
    assert rates(frame)["reading"].eq("").all() and rates(frame)["limit"].isna().all()


def test_the_reported_value_stands_beside_the_local_ones() -> None:
    frame = pd.concat([sums(), sums(county="010102", seed=2)])
    reported = pd.DataFrame({"county_code": ["010101"], "reported": [0.08]})
    plain = measure_difference_rates(frame, limit=0.15)
    found = measure_difference_rates(frame, limit=0.15, reported=reported)
    here = found.table["county_code"] == "010101"
    assert found.table.loc[here, "reported"].eq(0.08).all() and found.table.loc[~here, "reported"].isna().all()
    assert found.table.loc[here, "reported_reading"].eq("below").all()
    assert found.table.loc[~here, "reported_reading"].eq("").all()
    pd.testing.assert_series_equal(found.table["estimate"], plain.table["estimate"])
    at = measure_difference_rates(frame, limit=0.08, reported=reported).table
    assert at.loc[here, "reported_reading"].eq("above").all()


@pytest.mark.parametrize(
    ("reported", "words"),
    [
        ({"county_code": ["010101"], "reported": [8.5]}, "8.5% 请写成 0.085"),
        ({"county_code": ["010101"], "reported": [-0.1]}, "不在 0 到 1 之间"),
        ({"county_code": ["010101"] * 2, "reported": [0.1, 0.2]}, "有两个监测报告值"),
        ({"county_code": ["020202"], "reported": [0.1]}, "没有对应的单元"),
        ({"reported": [0.1]}, "缺少列"),
        ({"county_code": ["010101"], "value": [0.1]}, "缺少列"),
    ],
)
def test_reported_values_that_cannot_be_right_are_refused(reported, words) -> None:
    with pytest.raises(InputError) as caught:
        measure_difference_rates(sums(), reported=pd.DataFrame(reported))
    assert words in str(caught.value)


def test_a_limit_in_percent_is_refused() -> None:
    with pytest.raises(InputError, match=r"15% 请写成 0\.15"):
        measure_difference_rates(sums(), limit=15)


# --- sentences instead of numbers -----------------------------------------------------------------------------------


def test_one_school_has_rows_with_remarks_and_no_number() -> None:
    result = measure_difference_rates(sums(schools=1), limit=0.15)
    assert len(result.table) == 5
    assert result.table["remark"].str.contains("只有一所学校").all()
    assert result.table[["estimate", "low", "high"]].isna().all(axis=None) and result.table["reading"].eq("").all()
    assert "只有一所学校" in result.summary()


def test_two_schools_have_an_exact_interval_only() -> None:
    found = rates(sums(schools=2), limit=0.15)
    assert found.loc["D1", "remark"] == "" and np.isfinite(found.loc["D1", "high"])
    assert found.loc[["D2", "D3"], "remark"].eq(TWO_SCHOOLS).all() and found.loc["D2", "estimate"] > 0
    assert found.loc["D2", "reading"] == "undecided"


def test_constant_scores_and_single_students() -> None:
    same = rates(sums(mean=300.0, plain_mean=300.0, m2=0.0, plain_m2=0.0))
    assert same.loc["D1", "remark"] == CONSTANT and np.isnan(same.loc["D1", "estimate"])
    assert same.loc[["D2", "D3"], "estimate"].eq(0).all() and same.loc[["D2", "D3"], "remark"].eq(ALL_EQUAL).all()
    single = rates(sums(students=1, weight=1.0, weight2=1.0, m2=0.0, plain_m2=0.0))
    assert single.loc[["D1", "D2c", "D3c"], "remark"].eq(ONE_STUDENT_EACH).all()
    assert single.loc[["D2", "D3"], "remark"].eq("").all() and single.loc["D2", "estimate"] > 0


def test_published_means_without_spread_allow_what_needs_no_spread() -> None:
    found = rates(sums(m2=NAN, plain_m2=NAN))
    assert found.loc[["D1", "D2c", "D3c"], "remark"].eq(NO_SPREAD).all()
    assert found.loc[["D1", "D2c", "D3c"], "estimate"].isna().all()
    assert found.loc[["D2", "D3"], ["estimate", "low", "high"]].notna().all(axis=None)


def test_an_unknown_full_mark_leaves_the_other_definitions() -> None:
    found = rates(sums(full_mark=NAN))
    assert found.loc[["D3", "D3c"], "remark"].eq(NO_FULL_MARK).all()
    assert found.loc[["D3", "D3c"], "estimate"].isna().all()
    assert found.loc[["D1", "D2", "D2c"], "remark"].eq("").all()
    two = sums()
    two.loc[0, "full_mark"] = 100.0
    assert rates(two).loc["D3", "remark"] == SEVERAL_FULL_MARKS


def test_a_mean_that_is_not_positive_has_no_coefficient() -> None:
    frame = sums()
    found = rates(frame.assign(mean=frame["mean"] - 1000))
    assert found.loc[["D2", "D2c"], "remark"].eq(NO_MEAN).all() and found.loc[["D2", "D2c"], "estimate"].isna().all()
    assert found.loc["D3", "estimate"] == pytest.approx(rates(frame).loc["D3", "estimate"], rel=1e-9)


def test_a_school_without_mean_refuses_its_county_only() -> None:
    frame = pd.concat([sums(), sums(county="010102", seed=2)], ignore_index=True)
    frame.loc[0, ["mean", "plain_mean"]] = NAN
    table = measure_difference_rates(frame).table
    broken = table["county_code"] == "010101"
    assert table.loc[broken, "remark"].eq("1 所学校没有均值").all() and table.loc[broken, "estimate"].isna().all()
    alone = measure_difference_rates(sums(county="010102", seed=2)).table
    assert table.loc[~broken, "estimate"].tolist() == pytest.approx(alone["estimate"].tolist(), rel=1e-9)


# --- plausible values, words and pictures ---------------------------------------------------------------------------


def test_plausible_values_give_the_mean_and_the_outermost_bounds() -> None:
    parts = [sums(seed=s, measure=f"pv{s}") for s in (1, 2, 3)]
    for part in parts[1:]:
        part["students"], part["weight"] = parts[0]["students"], parts[0]["weight"]
    found = rates(pd.concat(parts))
    each = [rates(p) for p in parts]
    assert found["measure"].eq("pv").all() and found["interval"].str.endswith("各合理值区间的并").all()
    assert found.loc["D1", "estimate"] == pytest.approx(np.mean([e.loc["D1", "estimate"] for e in each]), rel=1e-9)
    assert found.loc["D1", "low"] == pytest.approx(min(e.loc["D1", "low"] for e in each), rel=1e-9)
    assert found.loc["D1", "high"] == pytest.approx(max(e.loc["D1", "high"] for e in each), rel=1e-9)


def test_the_sentence_gives_estimate_interval_and_reading() -> None:
    one = measure_difference_rates(sums(), limit=0.9)
    row = one.table.iloc[0]
    assert f"{row['estimate']:.3f}" in one.summary() and f"{row['low']:.3f}–{row['high']:.3f}" in one.summary()
    assert "低于 0.9" in one.summary() and one.summary().endswith(STATUS)
    two = measure_difference_rates(pd.concat([sums(), sums(county="010102", seed=2)]), limit=0.9)
    assert "2 个低于 0.9" in two.summary()


def test_the_result_is_plain_data_and_a_picture() -> None:
    result = measure_difference_rates(pd.concat([sums(schools=1), sums(county="010102")]), limit=0.15)
    assert "NaN" not in json.dumps(result.to_dict(), ensure_ascii=False)
    ax = result.plot()
    assert [t.get_text() for t in ax.get_yticklabels()] == ["010101", "010102"]
    plt.close(ax.figure)
