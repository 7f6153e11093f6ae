"""Monitored schools are found by code, then by exact name in the same county and year, and never by a guess."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from qbresearch.errors import InputError
from qbresearch.results.monitoring.matching import HOW, match_schools, plain_name

KEYS = ["county_code", "school_year", "school_code", "school_name"]


def frame(*rows: tuple, more: tuple[str, ...] = ()) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[*KEYS, *more])


REGISTER = frame(
    ("010203", 2024, "01", "第一小学"),
    ("010203", 2024, "02", "第二小学（东校区）"),
    ("010203", 2024, "03", "实验学校"),
    ("010203", 2024, "04", "中心小学"),
    ("010203", 2024, "05", "中心 小学"),
    ("010204", 2024, "09", "独有小学"),
    ("010203", 2023, "08", "去年小学"),
)


def matched(*rows: tuple, register: pd.DataFrame = REGISTER, more: tuple[str, ...] = ()):
    return match_schools(frame(*rows, more=more), register)


def one(*row: object, register: pd.DataFrame = REGISTER) -> pd.Series:
    table = matched(row, register=register).table
    assert len(table) == 1
    return table.iloc[0]


def test_the_code_comes_first():
    row = one("010203", 2024, "03", "实验学校")
    assert (row["how"], row["register_code"], row["register_name"], row["remark"]) == ("code", "03", "实验学校", "")
    assert not row["other_name"]


def test_another_name_under_the_code_is_matched_and_said():
    row = one("010203", 2024, "03", "新实验学校")
    assert (row["how"], row["register_code"], row["other_name"]) == ("code", "03", True)
    assert "实验学校" in row["remark"]
    assert not one("010203", 2024, "03", None)["other_name"]


def test_code_and_name_of_two_schools_are_a_conflict_matched_by_code():
    row = one("010203", 2024, "03", "第一小学")
    assert (row["how"], row["register_code"]) == ("conflict", "03")
    assert row["candidates"] == "03 实验学校；01 第一小学" and "核对" in row["remark"]


@pytest.mark.parametrize("code", [None, np.nan, "", "77"])
@pytest.mark.parametrize("name", ["第二小学（东校区）", "第二小学(东校区)", " 第二 小学【东校区】\u3000", "第二小学（东校区）\u200b"])
def test_without_a_known_code_the_exact_name_decides(code, name):
    row = one("010203", 2024, code, name)
    assert (row["how"], row["register_code"]) == ("name", "02")
    assert ("77" in row["remark"]) == (code == "77")


def test_two_schools_of_one_name_are_never_chosen_between():
    row = one("010203", 2024, None, "中心小学")
    assert row["how"] == "ambiguous" and pd.isna(row["register_code"])
    assert row["candidates"] == "04 中心小学；05 中心 小学" and "2 所同名" in row["remark"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("010203", 2024, None, "第一小"), "没有这个校名"),
        (("010203", 2024, None, "独有小学"), "没有这个校名"),
        (("010203", 2024, None, "去年小学"), "没有这个校名"),
        (("010203", 2024, "09", "某校"), "没有代码 09"),
        (("010203", 2024, None, None), "没有代码也没有校名"),
        (("010203", 2022, "01", "第一小学"), "没有这个县的这一学年"),
        (("999999", 2024, "01", "第一小学"), "没有这个县的这一学年"),
    ],
)
def test_near_names_other_counties_and_other_years_do_not_count(row, words):
    found = one(*row)
    assert found["how"] == "unmatched" and pd.isna(found["register_code"]) and words in found["remark"]


def test_near_names_are_suggested_in_words_only():
    result = matched(("010203", 2024, None, "实验学枝", 9), ("010203", 2024, "88", "毫不相干", 99), more=("students",))
    assert result.table["how"].tolist() == ["unmatched", "unmatched"]
    (sentence,) = result.suggestions()
    assert "实验学枝" in sentence and "“实验学校”" in sentence and "核对" in sentence
    assert result.suggestions(limit=1) == []


def test_rows_of_the_same_school_are_one_and_their_students_add_up():
    result = matched(("010203", 2024, "01", "第一小学", 30), ("010203", 2024, "01", "第一小学", 12), more=("students",))
    assert result.table["students"].tolist() == [42]
    assert matched(*[("010203", 2024, "01", "第一小学")] * 3).table["students"].tolist() == [3]
    blank = [("010203", 2024, code, "第一小学") for code in (None, "", np.nan)]
    assert matched(*blank).table["students"].tolist() == [3]


def test_a_school_of_two_stages_is_one_school_of_the_register():
    register = pd.concat([REGISTER, REGISTER.iloc[[2]]], ignore_index=True).assign(stage="primary")
    register.loc[register.index[-1], "stage"] = "junior"
    assert one("010203", 2024, None, "实验学校", register=register)["how"] == "name"
    rows = [("010203", 2024, "03", "实验学校", "primary"), ("010203", 2024, "01", "第一小学", "primary")]
    without = matched(*rows, register=register, more=("stage",)).without_results
    here = without[without["county_code"].eq("010203") & without["school_year"].eq(2024)]
    assert list(zip(here["school_code"], here["stage"], strict=True)) == [
        ("02", "primary"), ("04", "primary"), ("05", "primary"), ("03", "junior")
    ]


def test_one_code_with_two_names_is_one_school():
    register = pd.concat([REGISTER, frame(("010203", 2024, "03", "实验九年一贯制学校"))], ignore_index=True)
    for name in ("实验学校", "实验九年一贯制学校"):
        row = one("010203", 2024, None, name, register=register)
        assert (row["how"], row["register_code"], row["register_name"]) == ("name", "03", name)
        assert one("010203", 2024, "03", name, register=register)["how"] == "code"


def test_a_register_without_codes_matches_by_name():
    register = REGISTER.assign(school_code=None)
    row = one("010203", 2024, "01", "第一小学", register=register)
    assert row["how"] == "name" and row["register_name"] == "第一小学" and pd.isna(row["register_code"])


def test_several_monitored_schools_in_one_school_are_said():
    result = matched(("010203", 2024, "01", "第一小学"), ("010203", 2024, None, "第一小学"), ("010203", 2024, "03", None))
    assert result.table["register_code"].tolist() == ["01", "03", "01"]
    assert ["与另外 1 所" in r for r in result.table["remark"]] == [True, False, True]


def test_every_school_and_student_is_in_one_category():
    rows = [
        ("010203", 2024, "01", "第一小学", 10), ("010203", 2024, None, "第二小学(东校区)", 20),
        ("010203", 2024, "03", "第一小学", 30), ("010203", 2024, None, "中心小学", 40), ("010204", 2024, None, "别校", 50),
        ("010205", 2024, "01", "第一小学", 60),
    ]
    result = matched(*rows, more=("students",))
    counts = result.counts()
    assert counts["how"].tolist() == list(HOW)
    assert counts["schools"].tolist() == [1, 1, 1, 1, 2] and counts["students"].tolist() == [10, 20, 30, 40, 110]
    assert list(result.without_results["school_code"]) == ["04", "05", "09", "08"]
    places = result.places.set_index(["county_code", "school_year"])
    counted = ["monitored", "matched", "register", "without_results"]
    assert places.loc[("010203", 2024), counted].tolist() == [4, 3, 5, 2]
    assert places["remark"].to_dict() == {
        ("010203", 2023): "没有监测结果", ("010203", 2024): "", ("010204", 2024): "监测学校与学校表一所也没有对应",
        ("010205", 2024): "没有学校表，监测学校都没有对应",
    }
    summary = result.summary()
    assert summary.startswith("6 所监测学校中 3 所对应到学校表（60 人次）") and "找不到 2 所（110 人次）" in summary
    assert "010205 2024 学年没有学校表" in summary
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert plain["table"][-1]["register_code"] is None and plain["counts"][0]["schools"] == 1


def test_years_without_results_are_no_news_in_the_summary():
    assert "2023" not in matched(("010203", 2024, "01", "第一小学")).summary()


def test_the_table_is_handed_out_as_a_copy():
    result = matched(("010203", 2024, "01", "第一小学"))
    copy = result.tidy()
    copy["how"] = "x"
    assert result.table["how"].tolist() == ["code"]


@pytest.mark.parametrize(("rows", "words"), [
    (frame(("010203", 2024, "01", "甲")).drop(columns="school_code"), ["没有 school_code", "监测学校"]),
    (frame(), ["0 行"]),
    (frame((None, 2024, "01", "甲"), ("010203", 2024, "01", "甲")), ["没有县或学年", "2 行中 1 行"]),
])
def test_what_cannot_be_matched_at_all_is_refused(rows, words):
    with pytest.raises(InputError) as caught:
        match_schools(rows, REGISTER)
    assert all(word in str(caught.value) for word in words)
    with pytest.raises(InputError) as caught:
        match_schools(REGISTER, rows)
    assert "学校表" in str(caught.value)


def test_names_are_compared_without_width_space_and_kinds_of_brackets():
    assert plain_name("ＡＢ 小学（一）") == plain_name("AB小学〔一〕") == "AB小学(一)"
    assert plain_name(None) == plain_name(np.nan) == plain_name(pd.NA) == plain_name("　") == ""
    assert plain_name("第一小学") != plain_name("第1小学")
