"""Which schools count, how campuses are merged, and what becomes of zeros and missing values, all by hand."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from qbresearch.errors import InputError
from qbresearch.results.resources.indicators import IndicatorTable, compute_indicators
from qbresearch.results.resources.parts import StageParts, stage_parts
from qbresearch.rules.columns import load_table
from qbresearch.rules.standards import Standard, load_standard

SCHOOL = load_table("school")
NATIONAL = load_standard("national-2017", on=date(2023, 9, 1))
BASIC = load_standard("basic-2012", on=date(2023, 9, 1))
NAN = float("nan")
TYPES = {c.name: "float64" if c.is_number else "Int64" if c.kind == "year" else "string" for c in SCHOOL.columns}


def school(code: str, school_type: str = "primary", **cells: object) -> dict[str, object]:
    """One school: 100 students and 10 of everything at the stages it teaches, unless said otherwise."""
    stages = SCHOOL.stages_of(school_type)
    row = {"county_code": "990001", "county_name": "例县", "school_year": 2023, "school_code": code,
           "school_name": f"{code}校", "school_type": school_type, "location": "town", "sponsor": "county",
           "counted": "yes", "parent_code": None}
    for column in SCHOOL.columns:
        if column.is_number:
            students = column.name.startswith("students_")
            row[column.name] = NAN if column.stage and column.stage not in stages else 100.0 if students else 10.0
    return row | cells


def frame_of(*schools: dict[str, object]) -> pd.DataFrame:
    """Schools in the contract's columns and dtypes, as the reader gives them."""
    return pd.DataFrame(schools).astype(TYPES)


def parts_of(*schools: dict[str, object], standard: Standard = NATIONAL, exclude=()) -> StageParts:
    return stage_parts(frame_of(*schools), standard, SCHOOL, exclude=exclude)


def indicators_of(*schools: dict[str, object], standard: Standard = NATIONAL) -> IndicatorTable:
    return compute_indicators(parts_of(*schools, standard=standard), standard)


def kept(parts: StageParts) -> list[tuple[str, str]]:
    return list(zip(parts.frame["school_code"], parts.frame["stage"], strict=True))


def left_out(parts: StageParts) -> list[tuple[str, str, str]]:
    rows = parts.excluded
    return list(zip(rows["school_code"], rows["stage"], rows["case"], strict=True))


# --- scope ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("students", "counts"), [(49, False), (50, True), (51, True)])
def test_a_teaching_point_counts_from_fifty_students_on(students: int, counts: bool) -> None:
    parts = parts_of(school("A"), school("B", "teaching_point", students_primary=students))
    assert kept(parts) == [("A", "primary")] + [("B", "primary")] * counts
    assert left_out(parts) == [] if counts else [("B", "primary", "teaching_point")]
    if not counts:
        row = parts.excluded.iloc[0]
        assert row["reason"] == "教学点不足 50 人" and row["clause"] == "资源配置 范围" and row["students"] == 49


def test_a_small_school_that_is_no_teaching_point_counts() -> None:
    assert kept(parts_of(school("A", students_primary=3))) == [("A", "primary")]


def test_special_education_and_vocational_schools_are_left_out_with_their_clause() -> None:
    parts = parts_of(school("A"), school("B", "special_education"), school("C", "vocational"))
    assert kept(parts) == [("A", "primary")]
    assert left_out(parts) == [
        ("B", "primary", "special_education"), ("B", "junior", "special_education"), ("C", "junior", "vocational"),
    ]
    assert parts.excluded["reason"].tolist() == ["特殊教育学校不计入"] * 2 + ["职业学校不计入"]
    assert parts.excluded["clause"].eq("资源配置 范围").all()


@pytest.mark.parametrize(("case", "words"), [("private", "民办学校"), ("not_county_run", "非县（区）管学校")])
def test_the_two_open_cases_count_by_default_and_not_under_the_other_reading(case: str, words: str) -> None:
    schools = school("A"), school("B", sponsor=case)
    default, other = parts_of(*schools), parts_of(*schools, exclude=[case])
    assert kept(default) == [("A", "primary"), ("B", "primary")] and not len(default.excluded)
    assert kept(other) == [("A", "primary")] and left_out(other) == [("B", "primary", case)]
    assert other.excluded["reason"].item() == f"另一种口径：不计{words}"


def test_leaving_out_one_open_case_keeps_the_other() -> None:
    schools = school("A"), school("B", sponsor="private"), school("C", sponsor="not_county_run")
    assert kept(parts_of(*schools, exclude=["private"])) == [("A", "primary"), ("C", "primary")]
    assert kept(parts_of(*schools, exclude=["private", "not_county_run"])) == [("A", "primary")]


def test_basic_balance_leaves_out_more() -> None:
    parts = parts_of(
        school("A"), school("B", "teaching_point", students_primary=500), school("C", sponsor="private"),
        school("D", sponsor="not_county_run"), standard=BASIC,
    )
    assert kept(parts) == [("A", "primary")]
    assert [case for _, _, case in left_out(parts)] == ["teaching_point", "private", "not_county_run"]


def test_a_school_that_two_rules_leave_out_is_listed_once() -> None:
    parts = parts_of(school("A"), school("B", "vocational", sponsor="private"), exclude=["private"])
    assert left_out(parts) == [("B", "junior", "vocational")]


def test_a_stage_without_students_is_left_out_and_said_so() -> None:
    parts = parts_of(school("A", "nine_year", students_primary=0), school("B"))
    assert kept(parts) == [("B", "primary"), ("A", "junior")]
    assert left_out(parts) == [("A", "primary", "no_students")]
    assert "没有学生" in parts.excluded["reason"].item()
    assert parts.frame.set_index("school_code").loc["A", "share"] == 1


def test_missing_students_are_not_no_students() -> None:
    parts = parts_of(school("A", students_primary=NAN), school("B", "teaching_point", students_primary=NAN))
    assert kept(parts) == [("A", "primary"), ("B", "primary")] and not len(parts.excluded)
    table = compute_indicators(parts, NATIONAL)
    assert np.isnan(table.values).all()


def test_a_county_without_one_school_in_scope_is_refused() -> None:
    with pytest.raises(InputError, match="没有一所学校纳入评估") as caught:
        parts_of(school("A", "vocational"), school("B", "special_education"))
    assert "2 所学校" in str(caught.value) and "national-2017" in str(caught.value)


def test_a_table_of_another_contract_is_refused() -> None:
    with pytest.raises(InputError, match="不配套") as caught:
        stage_parts(frame_of(school("A")), load_standard("california-1999", on=date(1999, 1, 1)), SCHOOL)
    assert "california" in str(caught.value) and "义务教育学校表" in str(caught.value)


@pytest.mark.parametrize("text", [object, "str"], ids=["object", "str"])
def test_a_table_with_ordinary_text_columns_gives_the_same_parts(text) -> None:
    schools = [school("A"), school("B", "teaching_point", students_primary=49), school("C", sponsor="private"),
               school("D", "nine_year", counted="no", parent_code="E"), school("E", "nine_year")]
    typed = frame_of(*schools)
    plain = typed.astype({name: text for name, kind in TYPES.items() if kind == "string"})
    one, other = stage_parts(typed, NATIONAL, SCHOOL), stage_parts(plain, NATIONAL, SCHOOL)
    assert kept(one) == kept(other) and left_out(one) == left_out(other)


# --- stages ---------------------------------------------------------------------------------------------------------


def test_every_school_type_has_the_stages_it_teaches_once_each() -> None:
    types = ("primary", "junior", "nine_year", "twelve_year", "complete_secondary")
    parts = parts_of(*(school(t[:3], t) for t in types))
    assert sorted(kept(parts)) == sorted([
        ("pri", "primary"), ("nin", "primary"), ("twe", "primary"),
        ("jun", "junior"), ("nin", "junior"), ("twe", "junior"), ("com", "junior"),
    ])


def test_cells_of_a_stage_that_is_not_taught_are_zero_not_missing() -> None:
    parts = parts_of(school("A", "nine_year"), school("B", "nine_year", students_senior=NAN))
    assert parts.frame["students_senior"].eq(0).all()
    assert parts.frame["share"].tolist() == pytest.approx([100 / 210] * 2 + [110 / 210] * 2)


def test_missing_students_at_one_stage_leave_the_shared_assets_of_both_unknown_but_not_the_teachers() -> None:
    table = indicators_of(school("A", "twelve_year", students_senior=NAN))
    shared = [i.shared for i in NATIONAL.indicators]
    assert np.isnan(table.shares).all()
    np.testing.assert_array_equal(np.isnan(table.values), [shared, shared])


# --- campuses -------------------------------------------------------------------------------------------------------


CAMPUS = {"counted": "no", "parent_code": "A"}


def test_a_campus_brings_its_students_teachers_and_assets_to_its_school() -> None:
    parts = parts_of(
        school("A", students_primary=300, teachers_primary_bachelor=20, teaching_area_m2=2000, multimedia_classrooms=9),
        school("B", students_primary=100, teachers_primary_bachelor=5, teaching_area_m2=500, multimedia_classrooms=1,
               **CAMPUS),
        school("C", students_primary=70),
    )
    assert kept(parts) == [("A", "primary"), ("C", "primary")]
    row = parts.frame.set_index("school_code").loc["A"]
    assert (row["students"], row["teachers_primary_bachelor"], row["teaching_area_m2"]) == (400, 25, 2500)
    assert row["school_name"] == "A校" and row["multimedia_classrooms"] == 10
    assert parts.merged[["school_code", "parent_code"]].to_numpy().tolist() == [["B", "A"]]
    assert parts.frame.set_index("school_code").loc["C", "students"] == 70
    assert not len(parts.excluded)


@pytest.mark.parametrize("where", ["campus", "school"])
def test_a_missing_value_at_either_place_makes_the_sum_missing_and_only_that_one(where: str) -> None:
    gap = {place: {"multimedia_classrooms": NAN} if place == where else {} for place in ("school", "campus")}
    parts = parts_of(school("A", **gap["school"]), school("B", **CAMPUS, **gap["campus"]))
    row = parts.frame.iloc[0]
    assert np.isnan(row["multimedia_classrooms"])
    assert row["students"] == 200 and row["teaching_area_m2"] == 20
    table = compute_indicators(parts, NATIONAL)
    assert np.isnan(table.values[0]).tolist() == [c == "L7" for c in table.codes]


def test_two_campuses_of_one_school_are_both_added_and_counties_and_years_stay_apart() -> None:
    parts = parts_of(
        school("A"), school("B", **CAMPUS), school("C", **CAMPUS),
        school("A", school_year=2024), school("B", school_year=2024, students_primary=7, **CAMPUS),
        school("A", county_code="990002"),
    )
    students = parts.frame.set_index(["county_code", "school_year"])["students"]
    assert students.to_dict() == {("990001", 2023): 300, ("990001", 2024): 107, ("990002", 2023): 100}
    assert len(parts.merged) == 3


def test_a_campus_that_does_not_teach_a_stage_leaves_its_schools_stage_known() -> None:
    parts = parts_of(school("A", "nine_year"), school("B", "primary", **CAMPUS))
    students = parts.frame.set_index("stage")["students"]
    assert students.to_dict() == {"primary": 200, "junior": 100}


def test_a_small_teaching_point_that_belongs_to_a_school_counts_with_it() -> None:
    parts = parts_of(school("A"), school("B", "teaching_point", students_primary=20, **CAMPUS))
    assert parts.frame["students"].tolist() == [120] and not len(parts.excluded)


def test_students_of_a_campus_are_not_lost_where_its_school_does_not_teach_their_stage() -> None:
    """A junior campus of a primary school: either its students are judged as junior, or the table is refused."""
    schools = school("A", "primary"), school("B", "junior", students_junior=80, **CAMPUS), school("C", "junior")
    try:
        parts = parts_of(*schools)
    except InputError as error:
        assert "B" in str(error)
    else:
        assert parts.frame.loc[parts.frame["stage"] == "junior", "students"].sum() == 180


@pytest.mark.parametrize("parent", ["Z", None, "B"], ids=["unknown", "none", "another campus"])
def test_a_campus_whose_school_is_not_there_is_refused_and_never_dropped(parent) -> None:
    with pytest.raises(InputError, match="C"):
        parts_of(school("A"), school("B", **CAMPUS), school("C", counted="no", parent_code=parent))


# --- indicators -----------------------------------------------------------------------------------------------------


def values_of(table: IndicatorTable) -> dict[str, float]:
    return dict(zip(table.codes, table.values[0].tolist(), strict=True))


def test_the_seven_indicators_of_one_primary_school_by_hand() -> None:
    table = indicators_of(school(
        "A", students_primary=500, teachers_primary_doctor=0, teachers_primary_master=1, teachers_primary_bachelor=15,
        teachers_primary_associate=5, teachers_primary_high_school=4, backbone_teachers_primary=5,
        pe_teachers_primary=2, arts_teachers_primary=3, teaching_area_m2=3000, indoor_sports_area_m2=600,
        sports_ground_area_m2=3400, equipment_value_yuan=1_000_000, multimedia_classrooms=12,
    ))
    assert values_of(table) == pytest.approx(
        {"L1": 4.2, "L2": 1.0, "L3": 1.0, "L4": 4.8, "L5": 8.0, "L6": 2000, "L7": 2.4}, rel=1e-15
    )
    assert table.numerators[0].tolist() == [21, 5, 5, 2400, 4000, 1_000_000, 12]


def test_an_associate_degree_counts_for_primary_teachers_and_not_for_junior() -> None:
    teachers = {f"teachers_{stage}_{degree}": 0 for stage in ("primary", "junior")
                for degree in ("doctor", "master", "bachelor", "associate")}
    teachers |= {"teachers_primary_associate": 7, "teachers_junior_associate": 7, "teachers_junior_bachelor": 2}
    table = indicators_of(school("A", "nine_year", **teachers))
    assert table.numerators[:, 0].tolist() == [7, 2]


def test_indoor_sports_space_moves_from_teaching_to_sports() -> None:
    areas = {"teaching_area_m2": 900, "indoor_sports_area_m2": 200, "sports_ground_area_m2": 500}
    values = values_of(indicators_of(school("A", **areas)))
    assert (values["L4"], values["L5"]) == (7, 7)
    basic = values_of(indicators_of(school("A", **areas), standard=BASIC))
    assert (basic["B1"], basic["B2"]) == (9, 7)


def test_a_missing_indoor_sports_area_leaves_both_areas_unknown() -> None:
    values = values_of(indicators_of(school("A", indoor_sports_area_m2=NAN)))
    assert np.isnan(values["L4"]) and np.isnan(values["L5"])
    assert sum(np.isnan(v) for v in values.values()) == 2


def test_a_school_with_none_of_something_keeps_its_zero() -> None:
    table = indicators_of(school("A", backbone_teachers_primary=0), school("B"))
    assert len(table.keys) == 2 and table.values[0, 1] == 0 and table.numerators[0, 1] == 0
    assert not np.isnan(table.values).any()


def test_an_optional_column_that_the_file_does_not_have_is_missing() -> None:
    frame = frame_of(school("A")).drop(columns=["computers"])
    table = compute_indicators(stage_parts(frame, BASIC, SCHOOL), BASIC)
    assert np.isnan(table.values[0]).tolist() == [c == "B4" for c in table.codes]


def test_rows_are_selected_by_stage_and_described() -> None:
    table = indicators_of(school("A", "nine_year", books=NAN, multimedia_classrooms=NAN), school("B"))
    assert table.for_stage("junior").keys["school_code"].tolist() == ["A"]
    assert table.summary() == "3 个学校学段、7 项指标，缺失 2 个值"
    assert len(table.tidy()) == 21 and len(table.to_dict()["rows"]) == 21
    with pytest.raises(InputError, match="学段"):
        table.for_stage("senior")
