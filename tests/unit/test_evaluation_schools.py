"""Items judged school by school: rooms, sizes, classes, small schools, charters, training, grades, all by hand."""

from __future__ import annotations

from datetime import date

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from evaluation_data import campus, class_rows, county, facts_row, room_rows, school
from hypothesis import given, settings
from hypothesis import strategies as st

from qbresearch.errors import InputError
from qbresearch.language import speaking
from qbresearch.results.evaluation.rooms import rooms_needed
from qbresearch.results.evaluation.schools import (
    SchoolEvidence,
    class_differences,
    judge_charters,
    judge_classes,
    judge_grades,
    judge_rooms,
    judge_school_items,
    judge_sizes,
    judge_small_schools,
    judge_training,
)
from qbresearch.rules.evaluations import load_evaluation

NATIONAL = load_evaluation("national-2017", on=date(2023, 9, 1))
NAN = float("nan")
STANDARDS = [{"funding_standard_primary_yuan": 700, "funding_standard_junior_yuan": 900}]
NOT_MEANT = ("special_education", "vocational", "teaching_point")


def listed_county(*schools, tables):
    """A county whose schools have as many students as their classes hold, where they have classes."""
    def told(row):
        sizes = {f"students_{stage}": [c["students"] or 0 for c in tables["class"] if c["school_code"] == row["school_code"] and c["stage"] == stage]
                 for stage in ("primary", "junior")}  # fmt: skip
        return row | {column: sum(found) for column, found in sizes.items() if found}

    return county(*map(told, schools), tables=tables)


def verdicts(found: SchoolEvidence, requirement: str | None = None) -> list[str]:
    rows = found.rows if requirement is None else found.rows[found.rows["requirement"] == requirement]
    return rows["verdict"].tolist()


def only(found: SchoolEvidence, requirement: str) -> dict[str, object]:
    rows = found.rows[found.rows["requirement"] == requirement].to_dict("records")
    assert len(rows) == 1
    return rows[0]


# --- G3 rooms -------------------------------------------------------------------------------------------------------


def rooms_of(classes: int | None, music: list[float | None], art: list[float | None], evaluation=NATIONAL, **tables):
    rows = [] if classes is None else class_rows("1000000001", [40] * classes)
    beside = {"class": rows, "room": room_rows("1000000001", "music", music) + room_rows("1000000001", "art", art)}
    return judge_rooms(listed_county(school("1000000001"), tables=beside | tables), evaluation)


@pytest.mark.parametrize(
    ("classes", "up", "down"),
    [
        (0, 0, 0),
        (1, 1, 1),
        (11, 1, 1),
        (12, 1, 1),
        (13, 2, 1),
        (23, 2, 1),
        (24, 2, 2),
        (25, 3, 2),
        (np.inf, np.inf, np.inf),
    ],
)
def test_rooms_needed_are_rounded_as_the_option_says_and_one_at_the_least(classes, up, down):
    assert (rooms_needed(classes, 12, "up"), rooms_needed(classes, 12, "down")) == (up, down)


@pytest.mark.parametrize(
    ("classes", "rooms", "up", "down"),
    [
        (12, 1, "met", "met"),
        (13, 1, "not_met", "met"),
        (13, 2, "met", "met"),
        (24, 1, "not_met", "not_met"),
        (3, 0, "not_met", "not_met"),
    ],
)
def test_every_twelve_classes_have_a_room_in_either_rounding(classes, rooms, up, down):
    for choice, verdict in (("up", up), ("down", down)):
        found = rooms_of(classes, [96.0] * rooms, [90.0] * 3, NATIONAL.choose({"G3_rounding": choice}))
        row = only(found, "G3_music_per_classes")
        assert row["verdict"] == found.verdict == verdict
        assert row["value"] == rooms and row["margin"] == rooms - row["limit"] and row["unit"] == "间"
        assert found.node().find("G3_music_per_classes").option.startswith("班级数不是 12 的倍数")


@pytest.mark.parametrize(("area", "verdict"), [(96.0, "met"), (96.5, "met"), (95.99, "not_met")])
def test_a_room_counts_from_its_area_on(area, verdict):
    found = rooms_of(12, [area], [90.0])
    assert only(found, "G3_music_per_classes")["verdict"] == only(found, "G3_music_area")["verdict"] == verdict
    assert only(found, "G3_art_per_classes")["verdict"] == "met"
    assert found.verdict == verdict


def test_a_small_room_beside_enough_large_ones_is_shown_and_does_not_decide():
    found = rooms_of(12, [96.0, 50.0], [90.0])
    assert verdicts(found, "G3_music_area") == ["met", "not_met"]
    assert found.verdict == "met"
    node = found.node()
    assert (node.verdict, node.find("G3_music_area").verdict, node.find("G3_music_area").decides) == (
        "met",
        "not_met",
        False,
    )
    assert node.find("G3_music_area").margin == pytest.approx(-46)


@pytest.mark.parametrize(
    ("classes", "music", "verdict"),
    [
        (12, [None], "undecided"),  # the room could be large enough
        (12, [None, 96.0], "met"),  # it need not be
        (25, [None, 96.0], "not_met"),  # it would not help
        (25, [None, 96.0, 96.0], "undecided"),
    ],
)
def test_an_unknown_area_leaves_a_school_undecided_only_where_it_could_turn_the_verdict(classes, music, verdict):
    row = only(rooms_of(classes, music, [90.0] * 3), "G3_music_per_classes")
    assert row["verdict"] == verdict
    assert "1 间缺面积或用途" in row["reason"]


def test_a_room_without_use_could_be_either():
    unknown = [*room_rows("1000000001", None, [97.0, 40.0]), *room_rows("1000000001", "art", [90.0])]
    found = rooms_of(12, [], [], room=unknown)
    assert only(found, "G3_music_per_classes")["verdict"] == "undecided"
    assert only(found, "G3_art_per_classes")["verdict"] == "met"
    small = rooms_of(12, [], [], room=[*room_rows("1000000001", None, [40.0]), *room_rows("1000000001", "art", [90.0])])
    assert only(small, "G3_music_per_classes")["verdict"] == "not_met"


def test_missing_classes_leave_bounds():
    """Students without classes are one class at the least: no room cannot do, one room may."""
    assert verdicts(rooms_of(None, [], [90.0]), "G3_music_per_classes") == ["not_met"]
    found = rooms_of(None, [96.0], [90.0])
    assert verdicts(found, "G3_music_per_classes") == ["undecided"] and found.verdict == "undecided"
    assert np.isnan(only(found, "G3_music_per_classes")["limit"])
    assert "“班级表”里班级不全" in only(found, "G3_music_per_classes")["reason"]


def test_a_school_without_a_row_of_rooms_has_none_if_it_has_reported_and_unknown_ones_if_not():
    schools = [school("1000000001"), school("1000000002")]
    tables = {"class": class_rows("1000000001", [40] * 5), "room": []}
    found = judge_rooms(county(*schools, tables=tables), NATIONAL)
    rows = found.rows[found.rows["requirement"] == "G3_music_per_classes"].set_index("school_code")
    assert rows.loc["1000000001", ["verdict", "value"]].tolist() == ["not_met", 0.0]
    assert rows.loc["1000000002", "verdict"] == "undecided" and np.isnan(rows.loc["1000000002", "value"])
    reported = judge_rooms(county(*schools, tables=tables | {"school-facts": [facts_row("1000000002")]}), NATIONAL)
    assert verdicts(reported, "G3_music_per_classes") == ["not_met", "not_met"]


def test_rooms_and_classes_of_a_campus_are_those_of_its_school():
    schools = [school("1000000001"), campus("1000000002", "1000000001")]
    classes = class_rows("1000000001", [40] * 12) + class_rows("1000000002", [40] * 6)
    rooms = room_rows("1000000001", "music", [96.0]) + room_rows("1000000002", "music", [96.0])
    found = judge_rooms(listed_county(*schools, tables={"class": classes, "room": rooms}), NATIONAL)
    row = only(found, "G3_music_per_classes")
    assert (row["school_code"], row["value"], row["limit"], row["verdict"]) == ("1000000001", 2, 2, "met")


def test_classes_of_both_stages_share_the_rooms_of_a_nine_year_school():
    classes = class_rows("1000000001", [40] * 8) + class_rows("1000000001", [40] * 5, "junior")
    rooms = [*room_rows("1000000001", "music", [96.0]), *room_rows("1000000001", "art", [90.0, 90.0])]
    found = judge_rooms(listed_county(school("1000000001", "nine_year"), tables={"class": classes, "room": rooms}), NATIONAL)
    assert verdicts(found, "G3_music_per_classes") == ["not_met"] and verdicts(found, "G3_art_per_classes") == ["met"]


@pytest.mark.parametrize(("missing", "label"), [("class", "班级表"), ("room", "音乐美术专用教室表")])
def test_a_table_that_nobody_supplied_is_named(missing, label):
    rooms = [*room_rows("1000000001", "music", [96.0]), *room_rows("1000000001", "art", [90.0])]
    tables = {"class": class_rows("1000000001", [40] * 12), "room": rooms}
    del tables[missing]
    found = judge_rooms(county(school("1000000001"), tables=tables), NATIONAL)
    assert found.node().reason.startswith(f"没有“{label}”")
    assert set(found.rows.loc[found.rows["decides"], "verdict"]) == {"undecided"} == {found.verdict}


@pytest.mark.parametrize("kind", NOT_MEANT)
def test_teaching_points_special_education_and_vocational_schools_need_no_rooms_and_have_no_size(kind):
    inputs = county(school("1000000001"), school("1000000002", kind, students_primary=3000, students_junior=3000))
    assert set(judge_rooms(inputs, NATIONAL).rows["school_code"]) == {"1000000001"}
    assert set(judge_sizes(inputs, NATIONAL).rows["school_code"]) == {"1000000001"}


# --- G4 sizes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "students", "verdict"),
    [
        ("primary", {"students_primary": 2000}, "met"),
        ("primary", {"students_primary": 2001}, "not_met"),
        ("junior", {"students_junior": 2000}, "met"),
        ("junior", {"students_junior": 2001}, "not_met"),
        ("complete_secondary", {"students_junior": 2000, "students_senior": 900}, "met"),
        ("nine_year", {"students_primary": 1500, "students_junior": 1000}, "met"),
        ("nine_year", {"students_primary": 1500, "students_junior": 1001}, "not_met"),
        ("twelve_year", {"students_primary": 1500, "students_junior": 1000, "students_senior": 800}, "met"),
        ("primary", {"students_primary": None}, "undecided"),
        ("nine_year", {"students_primary": 2400, "students_junior": None}, "undecided"),
        ("nine_year", {"students_primary": 2501, "students_junior": None}, "not_met"),
    ],
)
def test_schools_of_their_type_are_no_larger_than_allowed(kind, students, verdict):
    found = judge_sizes(county(school("1000000001", kind, **students)), NATIONAL)
    row = found.rows.iloc[0]
    assert found.verdict == row["verdict"] == verdict
    through = kind in ("nine_year", "twelve_year")
    assert row["requirement"] == ("G4_size_through" if through else "G4_size_separate")
    other = found.node().find("G4_size_separate" if through else "G4_size_through")
    assert (other.verdict, other.reason) == ("met", "没有需要按这一条核对的学校")


def test_campuses_count_with_their_school_and_a_stage_not_taught_is_no_gap():
    schools = [school("1000000001", students_primary=1500, students_junior=None),
               campus("1000000002", "1000000001", students_primary=501, students_junior=None)]  # fmt: skip
    row = only(judge_sizes(county(*schools), NATIONAL), "G4_size_separate")
    assert (row["value"], row["margin"], row["verdict"]) == (2001, -1, "not_met")


def test_private_schools_are_judged_and_schools_without_students_are_not():
    schools = [school("1000000001", sponsor="private"), school("1000000002", students_primary=0)]
    assert judge_sizes(county(*schools), NATIONAL).rows["school_code"].tolist() == ["1000000001"]


def test_a_county_without_a_school_is_undecided():
    found = judge_sizes(county(school("1000000001", "vocational")), NATIONAL)
    assert found.verdict == "undecided" and found.node().reason == "学校表里没有这项要求所指的学校"


# --- G5 classes -----------------------------------------------------------------------------------------------------


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


# --- G6 small schools -----------------------------------------------------------------------------------------------


def small(students: float | None, kind: str = "teaching_point", standards=STANDARDS, **facts: object) -> SchoolEvidence:
    cells = {"small_rural": "yes", "public_funding_yuan": 70_000} | facts
    tables = {"school-facts": [facts_row("1000000001", **cells)], "county-facts": standards}
    return judge_small_schools(county(school("1000000001", kind, students_primary=students), tables=tables), NATIONAL)


@pytest.mark.parametrize(
    ("funding", "verdict"), [(70_000, "met"), (69_999, "not_met"), (90_000, "met"), (0, "not_met"), (None, "undecided")]
)
def test_a_small_school_is_funded_as_one_of_a_hundred_students(funding, verdict):
    found = small(60, public_funding_yuan=funding)
    assert found.verdict == only(found, "G6_small_school")["verdict"] == verdict
    if funding is not None:
        row = only(found, "G6_small_school")
        assert row["value"] == pytest.approx(funding / 700) and row["margin"] == pytest.approx(funding / 700 - 100)


@pytest.mark.parametrize(("students", "rows"), [(99, 1), (100, 0), (101, 0)])
def test_a_hundred_students_are_not_fewer_than_a_hundred(students, rows):
    found = small(students, public_funding_yuan=1)
    assert len(found.rows) == rows and found.verdict == ("not_met" if rows else "met")
    if not rows:
        assert found.node().reason == "没有需要按这一条核对的学校"


@pytest.mark.parametrize(
    ("students", "facts", "verdict"),
    [
        (60, {"small_rural": None}, "undecided"),
        (60, {"small_rural": None, "public_funding_yuan": 70_000}, "met"),  # funded well enough in either case
        (None, {}, "undecided"),
        (None, {"public_funding_yuan": 70_000}, "met"),
    ],
)
def test_what_is_missing_leaves_a_small_school_undecided_only_where_it_could_turn_the_verdict(students, facts, verdict):
    assert small(students, **({"public_funding_yuan": 60_000} | facts)).verdict == verdict


def test_a_village_school_is_judged_by_its_own_students_and_a_teaching_point_stays_one_when_merged():
    sites = [school("1000000001", students_primary=80),
             campus("1000000002", "1000000001", "teaching_point", students_primary=30)]  # fmt: skip

    def judged(**facts: object) -> dict[str, str]:
        rows = [facts_row("1000000001", small_rural="yes", public_funding_yuan=50_000)]
        rows += [facts_row("1000000002", **facts)] if facts else []
        found = judge_small_schools(county(*sites, tables={"school-facts": rows, "county-facts": STANDARDS}), NATIONAL)
        return dict(zip(found.rows["detail"], found.rows["verdict"], strict=True))

    assert judged() == {"": "not_met", "1000000002校": "undecided"}
    assert judged(small_rural="yes", public_funding_yuan=70_000)["1000000002校"] == "met"
    assert judged(small_rural="yes", public_funding_yuan=69_999)["1000000002校"] == "not_met"


def test_a_merged_teaching_point_of_a_large_school_is_undecided_without_a_row_of_its_own():
    sites = [school("1000000001"), campus("1000000002", "1000000001", "teaching_point", students_primary=30),
             campus("1000000003", "1000000001", "teaching_point", students_primary=100),
             campus("1000000004", "1000000001", "teaching_point", students_primary=0), campus("1000000005", "1000000001")]  # fmt: skip
    found = judge_small_schools(county(*sites, tables={"school-facts": [facts_row("1000000001")], "county-facts": STANDARDS}), NATIONAL)
    assert found.rows[["detail", "verdict"]].to_numpy().tolist() == [["1000000002校", "undecided"]]


def test_no_village_school_is_not_judged_by_it():
    assert small(60, small_rural="no", public_funding_yuan=1).rows.empty


@pytest.mark.parametrize(
    "standards", [[{"funding_standard_primary_yuan": None}], [{"funding_standard_primary_yuan": 0}], []]
)
def test_without_a_standard_a_small_school_is_undecided(standards):
    found = small(60, standards=standards)
    assert found.verdict == "undecided" and "没有小学生均公用经费基准定额" in only(found, "G6_small_school")["reason"]


def test_each_stage_has_the_standard_of_its_own():
    tables = {
        "school-facts": [facts_row("1000000001", small_rural="yes", public_funding_yuan=89_999)],
        "county-facts": STANDARDS,
    }
    found = judge_small_schools(county(school("1000000001", "junior", students_junior=80), tables=tables), NATIONAL)
    assert only(found, "G6_small_school")["verdict"] == "not_met"


def test_a_school_that_is_in_no_table_is_undecided_and_so_is_a_county_without_the_table():
    inputs = county(
        school("1000000001"),
        school("1000000002", students_primary=50),
        tables={"school-facts": [facts_row("1000000001")]},
    )
    found = judge_small_schools(inputs, NATIONAL)
    assert found.rows["school_code"].tolist() == ["1000000002"] and found.verdict == "undecided"
    assert "“学校情况表”里没有这所学校" in found.rows["reason"].item()
    bare = judge_small_schools(county(school("1000000001")), NATIONAL)
    assert bare.verdict == "undecided" and "没有“学校情况表”" in bare.node().reason


# --- Q3, Q4, Q6: what schools report --------------------------------------------------------------------------------


def reported(judge, *schools, evaluation=NATIONAL, **facts: object) -> SchoolEvidence:
    rows = [facts_row("1000000001"), facts_row("1000000002", **facts)]
    both = schools or (school("1000000001"), school("1000000002"))
    return judge(county(*both, tables={"school-facts": rows}), evaluation)


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [({}, "met"), ({"charter": "no"}, "not_met"), ({"informatised": "no"}, "not_met"), ({"charter": None}, "undecided"),
     ({"charter": None, "informatised": "no"}, "not_met")],
)  # fmt: skip
def test_every_school_has_a_charter_and_is_digital(facts, verdict):
    assert reported(judge_charters, **facts).verdict == verdict


@pytest.mark.parametrize(
    ("grade", "verdict", "rank"),
    [
        ("excellent", "met", 4),
        ("good", "met", 3),
        ("pass", "not_met", 2),
        ("fail", "not_met", 1),
        (None, "undecided", NAN),
    ],
)
def test_grades_are_good_or_better(grade, verdict, rank):
    for column, requirement in (("moral_grade", "Q6_moral"), ("culture_grade", "Q6_culture")):
        found = reported(judge_grades, **{column: grade})
        assert found.verdict == verdict
        row = found.rows[found.rows["requirement"].eq(requirement)].iloc[1]
        np.testing.assert_equal(row["value"], rank)
        assert found.node().find(requirement).verdict == verdict


@pytest.mark.parametrize(
    ("facts", "budget", "spent"),
    [
        ({"training_budget_yuan": 20_000, "training_spent_yuan": 20_000}, "met", "met"),
        ({"training_budget_yuan": 19_999, "training_spent_yuan": 20_001}, "not_met", "met"),
        ({"training_budget_yuan": 20_001, "training_spent_yuan": 19_999}, "met", "not_met"),
        ({"training_budget_yuan": 0, "training_spent_yuan": None}, "not_met", "undecided"),
        ({"training_budget_yuan": None}, "undecided", "met"),
        (
            {"public_funding_budget_yuan": 0, "training_budget_yuan": 0, "training_spent_yuan": 0},
            "undecided",
            "undecided",
        ),
        ({"public_funding_budget_yuan": None}, "undecided", "undecided"),
    ],
)
def test_a_twentieth_of_every_budget_goes_to_training(facts, budget, spent):
    for choice, verdict in (("budget", budget), ("spent", spent)):
        found = reported(judge_training, evaluation=NATIONAL.choose({"Q4_base": choice}), **facts)
        assert found.verdict == verdict
        assert (found.schools_table()["verdict"].tolist()) == ["met", verdict]
    if facts.get("public_funding_budget_yuan", 1) == 0:
        assert "不能相除" in found.rows["reason"].iloc[1]


def test_shares_are_told_as_percentages():
    found = reported(judge_training, training_budget_yuan=16_400)
    assert found.schools_table()["reason"].tolist() == ["", "4.1 %"]
    assert found.node().margin == pytest.approx(-0.009) and found.node().percent


@pytest.mark.parametrize("judge", [judge_charters, judge_training, judge_grades])
def test_all_schools_but_vocational_ones_report(judge):
    kinds = ("primary", "teaching_point", "special_education", "vocational")
    schools = [school(f"100000000{n}", kind) for n, kind in enumerate(kinds, 1)]
    table = reported(judge, *schools).schools_table().set_index("school_code")
    assert table["verdict"].to_dict() == {"1000000001": "met", "1000000002": "met", "1000000003": "undecided"}
    bare = judge(county(school("1000000001")), NATIONAL)
    assert bare.verdict == "undecided" and "没有“学校情况表”" in bare.node().reason


def test_a_campus_that_reports_is_a_line_of_its_school():
    found = reported(judge_charters, school("1000000001"), campus("1000000002", "1000000001"), charter="no")
    assert set(found.rows["school_code"]) == {"1000000001"} and found.verdict == "not_met"
    assert found.rows["detail"].tolist() == ["", "", "1000000002校", "1000000002校"]


# --- all together ---------------------------------------------------------------------------------------------------


def whole(order: int = 1):
    """A county with a failing, a sound and an unreported school."""
    schools = [
        school("1000000001"),
        school("1000000002"),
        school("1000000003"),
        school("1000000004", "teaching_point", students_primary=60),
    ]
    classes = [*class_rows("1000000001", [40] * 12), *class_rows("1000000002", [46, 40, None])]
    rooms = [
        *room_rows("1000000001", "music", [100.0]),
        *room_rows("1000000001", "art", [90.0]),
        *room_rows("1000000002", "music", [80.0]),
    ]
    facts = [facts_row("1000000001"), facts_row("1000000002", charter="no", moral_grade="pass"),
             facts_row("1000000004", small_rural="yes", public_funding_yuan=70_000)]  # fmt: skip
    return listed_county(*schools[::order], tables={
        "class": classes[::order], "room": rooms[::order], "school-facts": facts[::order], "county-facts": STANDARDS,
    })  # fmt: skip


def test_every_item_of_its_kind_is_judged_and_the_order_of_rows_says_nothing():
    found, turned = judge_school_items(whole(), NATIONAL), judge_school_items(whole(-1), NATIONAL)
    assert list(found) == [i.code for i in NATIONAL.items if i.kind == "schools"]
    assert {code: e.verdict for code, e in found.items()} == {
        "G3": "not_met", "G4": "met", "G5": "not_met", "G6": "met", "Q3": "not_met", "Q4": "undecided", "Q6": "not_met",
    }  # fmt: skip
    for code, evidence in found.items():
        assert evidence.rows.equals(turned[code].rows), code


def test_the_node_explains_itself():
    node = judge_school_items(whole(), NATIONAL)["G5"].node()
    assert (node.code, node.verdict, node.clause, node.status) == ("G5", "not_met", "政府保障程度 第五项", "copy")
    assert (
        node.reason
        == "4 所学校中 1 所未达到：1000000002校；4 所学校中 2 所缺数据，无法判定：1000000003校、1000000004校"
    )
    leaf = node.find("G5_class_primary")
    assert (leaf.value, leaf.limit, leaf.comparison, leaf.margin, leaf.unit) == (None, 45, "at_most", -1, "人")
    assert [e.value for e in leaf.elements] == [17, 13, 1, 3]
    rooms = judge_school_items(whole(), NATIONAL)["G3"].node().find("G3_art_per_classes")
    assert (rooms.limit, rooms.unit, rooms.margin) == (None, "间", -1)


def test_more_than_three_schools_are_not_all_named():
    schools = [school(f"100000000{n}", students_primary=2500) for n in range(1, 6)]
    reason = judge_sizes(county(*schools), NATIONAL).node().reason
    assert reason == "5 所学校中 5 所未达到：1000000001校、1000000002校、1000000003校等"


def test_results_are_plain_data_words_and_pictures():
    for evidence in judge_school_items(whole(), NATIONAL).values():
        plain = evidence.to_dict()
        assert plain["verdict"] == evidence.verdict and len(plain["rows"]) == len(evidence.rows)
        assert len(evidence.tidy()) == len(evidence.rows) and evidence.tidy()["label"].notna().all()
        assert evidence.summary()
        with speaking("en"):
            assert evidence.summary().isascii() or "校" in evidence.summary()
        assert evidence.plot() is not None
        plt.close("all")


def test_two_schools_of_one_name_stay_apart_in_the_picture():
    schools = [school("1000000001", school_name="同名小学"), school("1000000002", school_name="同名小学")]
    axes = judge_sizes(county(*schools), NATIONAL).plot()
    words = " ".join(text.get_text() for text in axes.figure.findobj(mpl.text.Text))
    plt.close("all")
    assert "0001" in words and "0002" in words


def test_a_school_without_type_and_a_campus_without_school_are_refused():
    with pytest.raises(InputError, match="没有办学类型"):
        judge_sizes(county(school("1000000001", school_type="primary") | {"school_type": None}), NATIONAL)
    with pytest.raises(InputError, match="校区找不到所属学校") as caught:
        judge_sizes(county(school("1000000001"), campus("1000000002", "1000000009")), NATIONAL)
    assert "1000000002" in str(caught.value)


# --- laws -----------------------------------------------------------------------------------------------------------

ORDER = {"met": 2, "undecided": 1, "not_met": 0}
sizes = st.lists(st.one_of(st.none(), st.integers(1, 60)), min_size=1, max_size=5)


@settings(max_examples=12, deadline=None)
@given(sizes=sizes, extra=st.one_of(st.none(), st.integers(1, 60)))
def test_another_class_never_helps(sizes, extra):
    def verdict(listed):
        return judge_classes(
            listed_county(school("1000000001"), tables={"class": class_rows("1000000001", listed)}), NATIONAL
        ).verdict

    assert ORDER[verdict([*sizes, extra])] <= ORDER[verdict(sizes)]


@settings(max_examples=12, deadline=None)
@given(classes=st.integers(1, 40), areas=st.lists(st.floats(20, 200), max_size=4), more=st.floats(0, 100))
def test_larger_rooms_never_harm(classes, areas, more):
    small, large = (rooms_of(classes, grown, grown) for grown in (areas, [area + more for area in areas]))
    assert ORDER[large.verdict] >= ORDER[small.verdict]


@settings(max_examples=12, deadline=None)
@given(students=st.integers(1, 99), funding=st.integers(0, 200_000))
def test_what_is_unknown_never_contradicts_what_is_found(students, funding):
    """Whatever fills a blank, a verdict that stood without it stands."""
    blank, known = (
        small(None, public_funding_yuan=funding).verdict,
        small(students, public_funding_yuan=funding).verdict,
    )
    assert blank in ("undecided", known)
