"""Rooms for music and art (G3), school by school and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from evaluation_data import campus, class_rows, county, facts_row, room_rows, school
from hypothesis import given, settings
from hypothesis import strategies as st
from school_verdicts import NATIONAL, ORDER, listed_county, only, verdicts

from qbresearch.results.evaluation.rooms import rooms_needed
from qbresearch.results.evaluation.schools import judge_rooms, judge_sizes

NOT_MEANT = ("special_education", "vocational", "teaching_point")


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


@settings(max_examples=12, deadline=None)
@given(classes=st.integers(1, 40), areas=st.lists(st.floats(20, 200), max_size=4), more=st.floats(0, 100))
def test_larger_rooms_never_harm(classes, areas, more):
    small, large = (rooms_of(classes, grown, grown) for grown in (areas, [area + more for area in areas]))
    assert ORDER[large.verdict] >= ORDER[small.verdict]
