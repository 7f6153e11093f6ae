"""School sums: what is counted where, and what is refused in words."""

from __future__ import annotations

import json
import statistics

import numpy as np
import pandas as pd
import pytest

from qbresearch.errors import InputError
from qbresearch.processed.sums import (
    KEYS,
    SUMS,
    merge_sums,
    sum_students,
    sums_from_schools,
)

HEADINGS = [
    "county_code", "county_name", "school_year", "cycle", "grade", "subject", "school_code", "school_name", "measure",
]


def students(rows: int = 6, **columns: object) -> pd.DataFrame:
    """Students of one school in one county, other columns as given."""
    frame = pd.DataFrame(
        {
            "county_code": "010203", "county_name": "测试县", "school_year": 2024, "cycle": 2025, "grade": "4",
            "subject": "mathematics", "school_code": "0000000001", "school_name": "第一小学",
            "student_id": [f"S{i}" for i in range(rows)], "score": np.linspace(480.0, 530.0, rows),
        }
    )
    return frame.assign(**columns)


def refusal(function, *arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        function(*arguments, **options)
    return str(caught.value)


def only(sums) -> pd.Series:
    assert len(sums.table) == 1
    return sums.table.iloc[0]


# --- numbers --------------------------------------------------------------------------------------------------------


def test_a_school_by_hand():
    row = only(sum_students(students(4, score=[1.0, 2.0, 3.0, np.nan], weight=[1.0, 1.0, 2.0, 5.0])))
    assert (row["students"], row["missing"], row["weight"], row["weight2"]) == (3, 1, 4.0, 6.0)
    assert row["mean"] == pytest.approx(9 / 4, rel=1e-15) and row["plain_mean"] == 2.0
    assert row["m2"] == pytest.approx(1 * (5 / 4) ** 2 + (1 / 4) ** 2 + 2 * (3 / 4) ** 2, rel=1e-15)
    assert row["plain_m2"] == 2.0


def test_nearly_equal_scores_around_500_keep_their_digits():
    score = 500 + np.array([-1.0, 0.0, 1.0, 2.0]) * 2.0**-30  # exact in binary, so that the answer is known exactly
    row = only(sum_students(students(4, score=score, weight=[1.0, 1.0, 1.0, 1.0])))
    assert row["m2"] == pytest.approx(5 * 2.0**-60, rel=1e-12, abs=0)
    assert row["plain_m2"] == pytest.approx(5 * 2.0**-60, rel=1e-12, abs=0)


def test_the_rounding_of_the_mean_does_not_enter_the_squares():
    score = 500 + np.array([0.0, 0.0, 1.0]) * 2.0**-44  # neighbouring numbers: their mean cannot be written exactly
    row = only(sum_students(students(3, score=score)))
    assert row["m2"] == pytest.approx(2 / 3 * 2.0**-88, rel=1e-12, abs=0)


def test_equal_scores_and_one_student_have_no_squares():
    assert only(sum_students(students(7, score=0.1)))["m2"] == pytest.approx(0, abs=1e-30)
    assert only(sum_students(students(1, score=77.7)))["m2"] == 0
    assert only(sum_students(students(3, score=0.0)))[["students", "mean", "m2"]].tolist() == [3, 0, 0]


def test_without_weights_everybody_weighs_one():
    row = only(sum_students(students(5)))
    assert row["weight"] == row["weight2"] == row["students"] == 5
    assert row["mean"] == row["plain_mean"] == pytest.approx(statistics.fmean(students(5)["score"]))


def test_levels_count_persons_and_weights_also_without_a_score():
    frame = students(5, level=["1", "2", "2", "4", None], score=[1.0, 2.0, np.nan, 3.0, 4.0], weight=[1, 2, 3, 4, 5])
    row = only(sum_students(frame))
    assert row[[f"count_{k}" for k in range(1, 5)]].tolist() == [1, 2, 0, 1]
    assert row[[f"share_weight_{k}" for k in range(1, 5)]].tolist() == [1, 5, 0, 4]
    assert row["students"] == 4 and row["weight"] == 12


def test_levels_that_were_not_given_are_missing_not_zero():
    assert only(sum_students(students()))[["count_1", "share_weight_4", "full_mark"]].isna().all()


def test_measures_stand_beside_each_other_and_the_full_mark_is_that_of_the_score():
    frame = students(4, pv1=[1.0, 2, 3, 4], pv2=[5.0, np.nan, np.nan, np.nan], full_mark=600)
    table = sum_students(frame, measures=("pv2", "score", "pv1")).table
    assert table["measure"].tolist() == ["pv2", "score", "pv1"]
    assert table["missing"].tolist() == [3, 0, 0]
    assert table["full_mark"].tolist()[1] == 600 and table["full_mark"].isna().tolist() == [True, False, True]


def test_the_table_has_its_columns_in_order_and_sorts_by_them():
    frame = pd.concat([students(2, school_code=c, grade=g) for c, g in (("0000000002", "8"), ("0000000001", "8"))])
    frame = pd.concat([frame, students(2)], ignore_index=True).assign(student_id=[f"S{i}" for i in range(6)])
    table = sum_students(frame).table
    assert list(table.columns) == [*HEADINGS, *SUMS]
    assert list(zip(table["grade"], table["school_code"], strict=True)) == [
        ("4", "0000000001"), ("8", "0000000001"), ("8", "0000000002")
    ]


def test_a_school_without_code_is_told_by_its_name():
    frame = students(6, school_code=[None] * 4 + ["0000000001"] * 2, school_name=["乙校", " 乙校", "甲校", "甲校", "甲校", "甲校"])
    table = sum_students(frame).table
    assert table["school_code"].isna().tolist() == [False, True, True]
    assert table["school_name"].tolist() == ["甲校", "乙校", "甲校"]
    assert table["students"].tolist() == [2, 2, 2]
    by_name = sum_students(frame.drop(columns="school_code")).table
    assert by_name["students"].tolist() == [2, 4] and by_name["school_code"].isna().all()


def test_rows_without_a_key_are_counted_and_not_lost():
    frame = students(6, school_code=[None, None, "0000000001", "0000000001", "0000000001", "0000000001"],
                     school_name=[None, " ", "甲", "甲", "甲", "甲"], grade=["4", "4", None, "4", "4", "4"])
    sums = sum_students(frame)
    assert sums.table["students"].sum() == 3 and sums.provenance["unplaced"] == 3
    assert dict(zip(sums.unplaced["lacking"], sums.unplaced["rows"], strict=True)) == {"school_code": 2, "grade": 1}
    assert "3 行缺少" in sums.summary()


def test_other_groups_can_be_asked_for():
    frame = students(6, sex=["male", "female"] * 3)
    table = sum_students(frame, by=("county_code", "school_year", "sex")).table
    assert table["sex"].tolist() == ["female", "male"] and table["students"].tolist() == [3, 3]
    assert "school_name" not in table and "county_name" in table


def test_keys_of_other_types_become_text():
    table = sum_students(students(2, grade=[4, 4], school_code=[7.0, 7.0])).table
    assert table.loc[0, "grade"] == "4" and table.loc[0, "school_code"] == "7"
    categories = students(2).astype({"county_code": "category", "subject": "category"})
    assert sum_students(categories).table.loc[0, "county_code"] == "010203"


def test_the_summary_and_plain_data():
    sums = sum_students(students(4, score=[1.0, 2.0, np.nan, 3.0]))
    assert sums.summary() == "读入 4 行，合成 1 个学校学科，3 人次有数值，1 人次缺值"
    plain = json.loads(json.dumps(sums.to_dict(), allow_nan=False))
    assert plain["table"][0]["count_1"] is None and plain["table"][0]["students"] == 3
    copy = sums.tidy()
    copy.loc[0, "students"] = 99
    assert sums.table.loc[0, "students"] == 3


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"score": ["缺考", *"12345"]}, ["score", "不是数", "缺考", "1 行"]),
        ({"score": [np.inf] * 2 + [1.0] * 4}, ["score", "2 行", "inf"]),
        ({"score": [True] * 6}, ["score", "不是数"]),
        ({"school_year": [2024.5] + [2024] * 5}, ["school_year", "不是整数", "2024.5"]),
        ({"county_code": "10203"}, ["county_code", "六位", "10203", "6 行", "开头的 0"]),
        ({"level": ["5"] + ["1"] * 5}, ["level", "没有这个水平", "5"]),
        ({"weight": [np.nan, 0, -1, 1, 1, 1]}, ["weight", "3 个", "大于 0", "不加权的均值"]),
        ({"student_id": ["S1", "S1", "S2", "S2", "S3", "S4"]}, ["student_id", "2 个学生", "S1", "多次"]),
        ({"full_mark": [100, 100, 100, 100, 100, 150]}, ["full_mark", "100 与 150", "满分不一致"]),
        ({"school_code": None, "school_name": None}, ["没有一行能归入学校", "6 行", "school_code"]),
    ],
)
def test_what_cannot_be_summed_is_refused_by_column(columns, words):
    message = refusal(sum_students, students(6, **columns))
    assert all(word in message for word in words), message
    assert [line.split("：")[0].strip() for line in message.splitlines()[1:]] == ["位置", "看到", "应为", "办法"]


def test_absent_columns_and_empty_tables_are_refused():
    assert "没有 score" in refusal(sum_students, students().drop(columns="score"))
    assert "没有 pv1" in refusal(sum_students, students(), measures=("pv1",))
    assert "没有 school_code" in refusal(sum_students, students().drop(columns=["school_code", "school_name"]))
    assert "0 行" in refusal(sum_students, students().head(0))
    assert "不重复" in refusal(sum_students, students(), measures=("score", "score"))


def test_a_weight_matters_only_where_something_is_weighed():
    frame = students(3, score=[1.0, np.nan, 2.0], weight=[1.0, np.nan, 1.0])
    assert only(sum_students(frame))["weight"] == 2
    assert "1 个" in refusal(sum_students, frame.assign(level=["1", "2", "3"]))


def test_the_same_student_may_have_two_subjects_or_be_in_two_counties():
    counties = ["010203"] * 2 + ["010204"] * 2
    frame = students(4, student_id="S1", subject=["chinese", "mathematics"] * 2, county_code=counties)
    assert sum_students(frame).table["students"].tolist() == [1, 1, 1, 1]
    assert sum_students(frame).provenance["duplicates_checked"]
    assert "未能检查" in sum_students(frame.drop(columns="student_id")).summary()


def test_numbers_written_as_text_are_numbers():
    assert only(sum_students(students(3, score=["1", " 2.5 ", None])))[["students", "mean"]].tolist() == [2, 1.75]


# --- parts ----------------------------------------------------------------------------------------------------------


def test_parts_that_do_not_fit_are_not_merged():
    one = sum_students(students())
    assert "不能合并" in refusal(merge_sums)
    assert "加权" in refusal(merge_sums, one, sum_students(students(weight=1.0)))
    assert "pv1" in refusal(merge_sums, one, sum_students(students(pv1=1.0), measures=("pv1",)))
    with_mark = [sum_students(students(full_mark=m)) for m in (100, 150)]
    assert "满分不一致" in refusal(merge_sums, *with_mark)


def test_what_is_unknown_in_one_part_is_unknown_in_the_whole():
    merged = merge_sums(sum_students(students(level="1")), sum_students(students()))
    assert only(merged)["students"] == 12 and np.isnan(only(merged)["count_1"])
    assert not merged.provenance["duplicates_checked"] and merged.provenance["rows"] == 12


# --- school results ---------------------------------------------------------------------------------------------------


def results(**columns: object) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "county_code": "010203", "school_year": 2024, "cycle": 2025, "grade": "4", "subject": "chinese",
            "school_code": ["0000000001", None, "0000000003"], "school_name": ["甲", "乙", "丙"],
            "students": [40, 1, 30], "mean": [500.0, 510.0, 520.0], "sd": [80.0, np.nan, 90.0],
        }
    )
    return frame.assign(**columns)


def test_reported_standard_deviations_are_sample_ones():
    scores = students(6)["score"]
    reported = results().iloc[:1].assign(students=6, mean=scores.mean(), sd=statistics.stdev(scores))
    own = only(sum_students(students()))
    row = only(sums_from_schools(reported))
    assert row["m2"] == pytest.approx(own["m2"], rel=1e-12) and row["plain_m2"] == row["m2"]
    assert row["mean"] == own["mean"] and row["weight"] == 6


def test_schools_without_standard_deviation_are_counted_and_said():
    sums = sums_from_schools(results(sd=[80.0, np.nan, np.nan]))
    assert sums.table.set_index("school_name")["m2"].isna().to_dict() == {"甲": False, "乙": False, "丙": True}
    assert "1 个没有标准差" in sums.summary()
    bare = sums_from_schools(results().drop(columns=["sd", "mean"]))
    assert bare.table["students"].sum() == 71 and bare.table["mean"].isna().all()


def test_reported_levels_are_taken_over():
    row = sums_from_schools(results(level_1=[10, 0, np.nan], level_2=[30, 1, 5])).table.set_index("school_name")
    assert row.loc["甲", ["count_1", "count_2", "share_weight_2"]].tolist() == [10, 30, 30]
    assert np.isnan(row.loc["丙", "count_1"]) and row["count_3"].isna().all()


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"students": [40, np.nan, 30]}, ["students", "3 行中 1 行", "不小于 1"]),
        ({"students": [40, 0, 30.5]}, ["students", "3 行中 2 行"]),
        ({"sd": [-1.0, np.nan, 1.0]}, ["sd", "3 行中 1 行"]),
        ({"sd": [1.0, 5.0, 1.0]}, ["sd", "只有一个学生"]),
        ({"level_2": [1.5, 0, 0]}, ["level_2", "不是整数"]),
        ({"school_code": "0000000001"}, ["多次", "3 行", "0000000001"]),
        ({"mean": ["高", 1.0, 2.0]}, ["mean", "不是数", "高"]),
    ],
)
def test_school_results_that_cannot_be_are_refused(columns, words):
    message = refusal(sums_from_schools, results(**columns))
    assert all(word in message for word in words), message


def test_the_default_groups_are_those_of_the_contract():
    assert KEYS == ("county_code", "school_year", "cycle", "grade", "subject", "school_code")
