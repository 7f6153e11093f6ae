"""The other readings of a standard, and what they change."""

from __future__ import annotations

from datetime import date

import pytest
from test_parts import NATIONAL, SCHOOL, frame_of, school

from qbresearch.errors import InputError
from qbresearch.results.resources.readings import compare_readings, open_readings
from qbresearch.rules.standards import load_standard

GOOD = {
    "students_primary": 1000, "teachers_primary_bachelor": 60, "backbone_teachers_primary": 20,
    "pe_teachers_primary": 10, "arts_teachers_primary": 10, "teaching_area_m2": 9000, "indoor_sports_area_m2": 1000,
    "sports_ground_area_m2": 9000, "equipment_value_yuan": 3_000_000, "multimedia_classrooms": 40,
}
POOR = GOOD | {"equipment_value_yuan": 100_000}


def readings(*schools, stage: str = "primary", standard=NATIONAL):
    return compare_readings(frame_of(*schools), standard, SCHOOL, stage=stage)


def test_the_standard_leaves_two_cases_open_and_basic_balance_none() -> None:
    assert [rule.case for rule in open_readings(NATIONAL)] == ["private", "not_county_run"]
    assert open_readings(load_standard("basic-2012", on=date(2023, 9, 1))) == ()


def test_every_combination_is_judged_with_the_default_first() -> None:
    rows = readings(school("A", **GOOD), school("B", **GOOD), school("C", sponsor="private", **POOR),
                    school("D", sponsor="not_county_run", **GOOD))
    assert rows["reading"].tolist() == [
        "计入全部学校", "不计民办学校", "不计非县（区）管学校", "不计民办学校、非县（区）管学校",
    ]
    assert rows["schools"].tolist() == [4, 3, 3, 2]
    assert rows["schools_verdict"].tolist() == ["not_met", "met", "not_met", "met"]
    assert rows["verdict"].tolist() == ["not_met", "met", "not_met", "met"]
    assert rows["over"].tolist() == ["教学仪器设备值", "", "教学仪器设备值", ""]
    assert rows["changes"].tolist() == [False, True, False, True]


def test_nothing_changes_where_no_school_is_open_to_two_readings() -> None:
    rows = readings(school("A", **GOOD), school("B", **POOR))
    assert len(rows) == 4 and not rows["changes"].any() and rows["schools"].eq(2).all()


def test_a_changed_list_of_indicators_over_the_cap_counts_as_a_change() -> None:
    # Not met either way, for the same schools' sake, but another indicator is over its cap.
    rows = readings(
        school("A", **GOOD), school("B", **POOR),
        school("C", sponsor="private", **GOOD | {"multimedia_classrooms": 400}),
    )
    assert rows["verdict"].eq("not_met").all()
    assert rows["over"].iloc[0] != rows["over"].iloc[1] and rows["changes"].iloc[1]


def test_a_reading_that_leaves_no_school_at_the_stage_is_left_out() -> None:
    junior = school("B", "junior")
    rows = readings(school("A", sponsor="private", **GOOD), junior)
    assert rows["reading"].tolist() == ["计入全部学校", "不计非县（区）管学校"]


def test_a_reading_that_leaves_no_school_at_all_does_not_hide_the_default() -> None:
    rows = readings(school("A", sponsor="private", **GOOD), school("B", sponsor="private", **GOOD))
    assert rows["reading"].iloc[0] == "计入全部学校" and rows["schools"].iloc[0] == 2


def test_a_county_without_a_school_at_the_stage_is_refused_in_words() -> None:
    with pytest.raises(InputError):
        readings(school("A", **GOOD), stage="junior")


def test_an_unknown_stage_is_refused_with_the_choices() -> None:
    with pytest.raises(InputError, match="学段") as caught:
        readings(school("A", **GOOD), stage="senior")
    assert "primary" in str(caught.value)
