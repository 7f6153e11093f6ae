"""Sizes of classes (G5), class by class and by hand."""

from __future__ import annotations

import pytest
from evaluation_data import campus, class_rows, county, room_rows, school
from hypothesis import given, settings
from hypothesis import strategies as st
from school_verdicts import NATIONAL, ORDER, listed_county, verdicts

from qbresearch.results.evaluation.schools import (
    class_differences,
    judge_classes,
    judge_rooms,
)

sizes = st.lists(st.one_of(st.none(), st.integers(1, 60)), min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("stage", "size", "verdict"),
    [("primary", 45, "met"), ("primary", 46, "not_met"), ("junior", 50, "met"), ("junior", 51, "not_met"),
     ("primary", None, "undecided"), ("junior", 46, "met")],
)  # fmt: skip
def test_one_class_decides(stage, size, verdict):
    rows = class_rows("1000000001", [30, size], stage)
    found = judge_classes(listed_county(school("1000000001", stage), tables={"class": rows}), NATIONAL)
    assert verdicts(found) == ["met", verdict]
    assert found.verdict == found.schools_table()["verdict"].item() == verdict


def test_a_class_too_large_is_not_met_whatever_is_missing():
    rows = class_rows("1000000001", [None, 46])
    found = judge_classes(county(school("1000000001"), school("1000000002"), tables={"class": rows}), NATIONAL)
    assert found.verdict == "not_met"
    table = found.schools_table().set_index("school_code")
    assert table["verdict"].to_dict() == {"1000000001": "not_met", "1000000002": "undecided"}
    assert table.loc["1000000001", ["checks", "met", "not_met", "undecided"]].tolist() == [2, 0, 1, 1]
    assert table.loc["1000000001", "reason"] == "1（2）班 46 人"
    assert "没有这所学校的小学班级" in table.loc["1000000002", "reason"]
    assert found.node().find("G5_class_primary").margin == -1


def test_a_stage_with_students_and_no_class_is_undecided():
    rows = class_rows("1000000001", [30])
    found = judge_classes(listed_county(school("1000000001", "nine_year"), tables={"class": rows}), NATIONAL)
    assert verdicts(found, "G5_class_primary") == ["met"] and verdicts(found, "G5_class_junior") == ["undecided"]


def test_classes_of_teaching_points_and_campuses_are_judged_those_of_special_schools_are_not():
    schools = [school("1000000001"), campus("1000000002", "1000000001"), school("1000000003", "teaching_point"),
               school("1000000004", "special_education")]  # fmt: skip
    rows = [*class_rows("1000000001", [30]), *class_rows("1000000002", [46]), *class_rows("1000000003", [47]),
            *class_rows("1000000004", [60])]  # fmt: skip
    found = judge_classes(listed_county(*schools, tables={"class": rows}), NATIONAL)
    assert found.rows["value"].tolist() == [30, 46, 47]
    assert found.rows["detail"].iloc[1] == "1（1）班（1000000002校）"
    assert found.unmatched == ()


def test_rows_of_unknown_schools_are_named_and_decide_nothing():
    rows = class_rows("1000000001", [30]) + class_rows("9999999999", [99])
    found = judge_classes(listed_county(school("1000000001"), tables={"class": rows}), NATIONAL)
    assert (found.verdict, found.unmatched) == ("met", ("9999999999",))
    assert "另有 1 个学校代码不在学校表中：9999999999" in found.node().reason


SHORT = "“班级表”里小学班级共 480 人，比学校表的 {k} 人少 {d} 人"


@pytest.mark.parametrize(("own", "at_campus", "verdict"), [(480, 0, "met"), (470, 10, "met"), (481, 0, "undecided"), (480, 20, "undecided")])
def test_a_class_list_that_holds_fewer_students_than_the_school_is_not_whole(own, at_campus, verdict):
    """Twelve classes of 40 are 480 students; whoever is missing may sit in a class too large, or in a thirteenth."""
    sites = [school("1000000001", students_primary=own), campus("1000000002", "1000000001", students_primary=at_campus)]
    rooms = room_rows("1000000001", "music", [96.0]) + room_rows("1000000001", "art", [90.0])
    inputs = county(*sites, tables={"class": class_rows("1000000001", [40] * 12), "room": rooms})
    short = SHORT.format(k=own + at_campus, d=own + at_campus - 480)
    for judge in (judge_classes, judge_rooms):
        found = judge(inputs, NATIONAL)
        assert found.verdict == verdict and (short in found.schools_table()["reason"].item()) == (verdict == "undecided")


def test_a_class_list_that_is_not_whole_leaves_what_is_already_not_met():
    classes = [*class_rows("1000000001", [46] + [40] * 12), *class_rows("1000000002", [40] * 12)]
    rooms = [*room_rows("1000000001", "music", [96.0]), *room_rows("1000000001", "art", [90.0, 90.0])]
    schools = [school("1000000001", students_primary=900), school("1000000002", students_primary=480)]
    inputs = county(*schools, tables={"class": classes, "room": rooms})
    sizes = judge_classes(inputs, NATIONAL).schools_table().set_index("school_code")["verdict"]
    assert sizes.to_dict() == {"1000000001": "not_met", "1000000002": "met"}
    found = judge_rooms(inputs, NATIONAL).rows
    own = found[found["school_code"].eq("1000000001") & found["decides"]]
    assert own["verdict"].tolist() == ["not_met", "undecided"]  # thirteen classes at least: one music room is too few


def test_more_students_in_classes_than_in_the_school_table_are_no_gap():
    inputs = county(school("1000000001", students_primary=39), tables={"class": class_rows("1000000001", [40])})
    assert judge_classes(inputs, NATIONAL).verdict == "met"


def test_classes_of_a_school_without_students_in_the_school_table_are_judged():
    inputs = county(school("1000000001", students_primary=0), school("1000000002", students_primary=40), tables={
        "class": class_rows("1000000001", [70]) + class_rows("1000000002", [40]), "room": [
            *room_rows("1000000002", "music", [96.0]), *room_rows("1000000002", "art", [90.0])]})  # fmt: skip
    for judge in (judge_classes, judge_rooms):
        table = judge(inputs, NATIONAL).schools_table().set_index("school_code")["verdict"]
        assert table.to_dict() == {"1000000001": "not_met", "1000000002": "met"}
    assert class_differences(inputs)[["school_code", "difference"]].to_numpy().tolist() == [["1000000001", 70.0]]


def test_classes_that_do_not_add_up_are_listed():
    schools = [school("1000000001", students_primary=100), school("1000000002", students_primary=60),
               school("1000000003", students_primary=60),
               campus("1000000004", "1000000001", students_primary=20)]  # fmt: skip
    rows = [*class_rows("1000000001", [40, 45]), *class_rows("1000000004", [20]), *class_rows("1000000002", [30, 30]),
            *class_rows("1000000003", [30, None])]  # fmt: skip
    differences = class_differences(county(*schools, tables={"class": rows}))
    assert differences.to_dict("records") == [{
        "school_code": "1000000001", "school_name": "1000000001校", "stage": "primary", "classes": 3,
        "students_classes": 105.0, "students_school": 120.0, "difference": -15.0,
    }]  # fmt: skip
    assert class_differences(county(*schools)).empty


@settings(max_examples=12, deadline=None)
@given(sizes=sizes, extra=st.one_of(st.none(), st.integers(1, 60)))
def test_another_class_never_helps(sizes, extra):
    def verdict(listed):
        return judge_classes(
            listed_county(school("1000000001"), tables={"class": class_rows("1000000001", listed)}), NATIONAL
        ).verdict

    assert ORDER[verdict([*sizes, extra])] <= ORDER[verdict(sizes)]
