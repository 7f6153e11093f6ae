"""Means and level shares of counties: what they are, what stands where there is nothing to compute, and refusals."""

from __future__ import annotations

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from qbresearch.errors import InputError
from qbresearch.processed.sums import sum_students, sums_from_schools
from qbresearch.results.monitoring.achievement import (
    NO_LEVELS,
    NO_SPREAD,
    measure_achievement,
)
from qbresearch.statistics.plausible_values import pool
from qbresearch.statistics.survey import ONE_CLUSTER, clustered_ratio, clustered_share

NAN = float("nan")


def students(schools: int = 6, county: str = "010101", subject: str = "数学", seed: int = 1, **more) -> pd.DataFrame:
    """Fifteen students in each of some schools, with levels, weights and three plausible values."""
    rng = np.random.Generator(np.random.PCG64(seed))
    n = 15 * schools
    school = np.repeat(np.arange(schools), 15)
    score = 300 + 30 * rng.standard_normal(schools)[school] + 60 * rng.standard_normal(n)
    frame = pd.DataFrame({
        "county_code": county, "county_name": f"县{county[-1]}", "school_year": 2024, "cycle": 2024, "grade": "4",
        "subject": subject, "school_code": [f"{county}{s:04d}" for s in school], "student_id": np.arange(n).astype(str),
        "score": score, "level": (1 + np.searchsorted([240, 300, 360], score)).astype(str), "full_mark": 600,
        "weight": rng.integers(1, 4, n).astype(float),
    })
    for m in range(3):
        frame[f"pv{m + 1}"] = score + 15 * rng.standard_normal(n)
    return frame.assign(**more)


def test_mean_and_spread_of_a_county_from_its_students() -> None:
    frame = students()
    row = measure_achievement(sum_students(frame)).table.iloc[0]
    w, y = frame["weight"], frame["score"]
    mean = np.average(y, weights=w)
    assert row["mean"] == pytest.approx(mean, rel=1e-12)
    assert row["sd"] ** 2 == pytest.approx(np.average((y - mean) ** 2, weights=w) * 90 / 89, rel=1e-12)
    assert (row["schools"], row["students"], row["missing"], row["values"], row["fmi"]) == (6, 90, 0, 1, 0)
    by = frame.assign(wy=w * y).groupby("school_code")
    known = clustered_ratio(by["wy"].sum(), by["weight"].sum())
    found = row["se"], row["df"], row["low"], row["high"]
    assert found == pytest.approx((known.se, 5, known.low, known.high), rel=1e-12)
    simple = row["sd"] ** 2 / 90
    assert row["design_effect"] == pytest.approx(known.se**2 / simple, rel=1e-12)


def test_shares_of_levels_sum_to_one_and_the_upper_two_to_their_share() -> None:
    frame = students()
    levels = measure_achievement(sum_students(frame)).levels.set_index("level")
    assert levels.loc[[1, 2, 3, 4], "share"].sum() == pytest.approx(1, rel=1e-12)
    assert levels.loc[0, "share"] == pytest.approx(levels.loc[[3, 4], "share"].sum(), rel=1e-12)
    assert levels.loc[0, "label"] == "Ⅲ级及以上" and levels["label"].tolist()[:4] == ["Ⅰ", "Ⅱ", "Ⅲ", "Ⅳ"]
    assert levels.loc[0, "count"] == frame["level"].isin(["3", "4"]).sum()
    upper = frame["weight"].where(frame["level"].isin(["3", "4"]), 0.0)
    known = clustered_share(
        upper.groupby(frame["school_code"]).sum(), frame.groupby("school_code")["weight"].sum(), persons=90
    )
    found = levels.loc[0]
    assert (found["low"], found["high"]) == pytest.approx((known.low, known.high), rel=1e-12)
    assert found["method"] == known.method == "Korn–Graubard 区间"


def test_plausible_values_are_pooled_and_the_score_stands_beside_them() -> None:
    frame = students()
    table = measure_achievement(sum_students(frame, measures=("score", "pv1", "pv2", "pv3"))).table.set_index("measure")
    assert table.index.tolist() == ["score", "pv"] and table["values"].tolist() == [1, 3]
    parts = []
    for name in ("pv1", "pv2", "pv3"):
        by = frame.assign(wy=frame["weight"] * frame[name]).groupby("school_code")
        parts.append(clustered_ratio(by["wy"].sum(), by["weight"].sum()))
    known = pool([p.estimate for p in parts], [p.se**2 for p in parts], 5)
    row = table.loc["pv"]
    assert (row["mean"], row["se"], row["df"], row["fmi"]) == pytest.approx(
        (known.estimate, known.se, known.df, known.fmi), rel=1e-10
    )
    assert row["se"] > parts[0].se * 0.9 and 0 < row["fmi"] < 1


def test_units_are_kept_apart_and_named() -> None:
    frame = pd.concat([students(), students(county="010102", seed=2), students(subject="语文", seed=3)])
    result = measure_achievement(sum_students(frame))
    assert len(result.table) == 3 and len(result.levels) == 15
    for (county, subject), rows in frame.groupby(["county_code", "subject"]):
        alone = measure_achievement(sum_students(rows)).table
        here = result.table[(result.table["county_code"] == county) & (result.table["subject"] == subject)]
        assert here["mean"].iloc[0] == pytest.approx(alone["mean"].iloc[0], rel=1e-12)
        assert here["se"].iloc[0] == pytest.approx(alone["se"].iloc[0], rel=1e-12)
    together = measure_achievement(sum_students(frame), by=("school_year", "cycle", "grade", "subject")).table
    assert together.set_index("subject").loc["数学", ["schools", "students", "df"]].tolist() == [12, 180, 11]
    assert "县2" in result.summary() or "语文" in result.summary()


def test_strata_and_the_population_of_schools_are_columns_of_the_sums() -> None:
    sums = sum_students(students()).table
    sums = sums.assign(place=["城区"] * 3 + ["乡村"] * 3, schools_there=[12.0] * 3 + [6.0] * 3)
    row = measure_achievement(sums, strata="place", population_schools="schools_there").table.iloc[0]
    known = clustered_ratio(
        sums["weight"] * sums["mean"], sums["weight"], sums["place"], sums["schools_there"]
    )
    assert (row["se"], row["df"]) == pytest.approx((known.se, 4), rel=1e-12)
    with pytest.raises(InputError, match="没有这个列"):
        measure_achievement(sums, strata="nowhere")


# --- what cannot be computed ----------------------------------------------------------------------------------------


def test_one_school_has_a_mean_and_a_sentence() -> None:
    result = measure_achievement(sum_students(students(schools=1)))
    row = result.table.iloc[0]
    assert row["remark"] == ONE_CLUSTER and np.isfinite(row["mean"]) and np.isnan(row["se"])
    assert result.levels["remark"].eq(ONE_CLUSTER).all() and result.levels["share"].notna().all()
    assert "不能估计校际抽样误差" in result.summary()


def test_published_school_means_give_a_mean_with_error_and_no_spread_of_students() -> None:
    schools = students().groupby(["county_code", "school_year", "cycle", "grade", "subject", "school_code"])["score"]
    result = measure_achievement(sums_from_schools(schools.agg(students="size", mean="mean").reset_index()))
    row = result.table.iloc[0]
    assert np.isfinite([row["mean"], row["se"], row["low"]]).all()
    assert np.isnan([row["sd"], row["design_effect"]]).all() and row["remark"] == NO_SPREAD
    assert result.levels["remark"].eq(NO_LEVELS).all() and result.levels["share"].isna().all()


def test_a_school_without_mean_refuses_the_mean_of_its_county_only() -> None:
    sums = pd.concat([sum_students(students()).table, sum_students(students(county="010102")).table])
    sums = sums.reset_index(drop=True)
    sums.loc[2, ["mean", "m2"]] = NAN
    table = measure_achievement(sums).table
    assert table["remark"].tolist() == ["1 所学校没有均值", ""]
    assert np.isnan(table["mean"].iloc[0]) and np.isfinite(table["mean"].iloc[1])


def test_levels_missing_in_one_school_are_not_made_up_from_the_others() -> None:
    sums = sum_students(students()).table
    sums.loc[1, ["count_1", "share_weight_1"]] = NAN
    levels = measure_achievement(sums).levels
    assert levels["remark"].eq("1 所学校没有等级数据").all() and levels["share"].isna().all()


def test_missing_students_are_counted() -> None:
    frame = students()
    frame.loc[[3, 40, 41], "score"] = NAN
    row = measure_achievement(sum_students(frame)).table.iloc[0]
    assert (row["students"], row["missing"]) == (87, 3)


def test_constant_scores_have_no_spread_and_no_error() -> None:
    row = measure_achievement(sum_students(students(score=400.0))).table.iloc[0]
    assert (row["mean"], row["sd"]) == (400, 0) and row["se"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("change", "more", "words"),
    [
        (lambda t: t.iloc[:0], {}, "没有学校汇总"),
        (lambda t: t.drop(columns="weight"), {}, "没有 weight"),
        (lambda t: pd.concat([t, t.iloc[:1]]), {}, "同一学校在一个单元中出现多次"),
        (lambda t: pd.concat([t, t.assign(subject="语文")]), {"by": ("county_code",)}, "没有按 subject 分开"),
        (lambda t: t, {"by": ("nation",)}, "没有这个分组列"),
        (lambda t: t, {"by": ("school_code",)}, "没有这个分组列"),
    ],
)
def test_refusals_say_what_is_wrong(change, more, words) -> None:
    with pytest.raises(InputError) as caught:
        measure_achievement(change(sum_students(students()).table), **more)
    assert words in str(caught.value)


def test_plausible_values_must_cover_the_same_schools() -> None:
    sums = sum_students(students(), measures=("pv1", "pv2")).table
    with pytest.raises(InputError, match="各合理值的学校不一致"):
        measure_achievement(sums.iloc[:-1])


def test_the_result_is_plain_data_a_table_and_a_picture() -> None:
    result = measure_achievement(sum_students(students(schools=1)))
    assert "NaN" not in json.dumps(result.to_dict(), ensure_ascii=False)
    table = result.tidy()
    table["mean"] = 0
    assert result.table["mean"].iloc[0] != 0
    both = pd.concat([students(), students(county="010102", seed=2)])
    ax = measure_achievement(sum_students(both)).plot()
    assert [t.get_text() for t in ax.get_yticklabels()] == ["县1", "县2"]
    plt.close(ax.figure)
