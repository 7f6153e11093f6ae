"""Items judged school by school: sizes, small schools, charters, training, grades, and all of them together, by hand."""

from __future__ import annotations

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from evaluation_data import campus, class_rows, county, facts_row, room_rows, school
from hypothesis import given, settings
from hypothesis import strategies as st
from school_verdicts import NAN, NATIONAL, STANDARDS, listed_county, only

from qbresearch.errors import InputError
from qbresearch.language import speaking
from qbresearch.results.evaluation.schools import (
    SchoolEvidence,
    judge_charters,
    judge_grades,
    judge_school_items,
    judge_sizes,
    judge_small_schools,
    judge_training,
)

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


@settings(max_examples=12, deadline=None)
@given(students=st.integers(1, 99), funding=st.integers(0, 200_000))
def test_what_is_unknown_never_contradicts_what_is_found(students, funding):
    """Whatever fills a blank, a verdict that stood without it stands."""
    blank, known = (
        small(None, public_funding_yuan=funding).verdict,
        small(students, public_funding_yuan=funding).verdict,
    )
    assert blank in ("undecided", known)
