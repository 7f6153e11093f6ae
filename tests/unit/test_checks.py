"""Relations between the cells of a row and the rows of a table."""

from __future__ import annotations

import pandas as pd
import pytest

from qbresearch.raw.checks import check_table, needs
from qbresearch.raw.problems import ERROR, NOTICE, PROBLEM_COLUMNS
from qbresearch.raw.reading import read_file
from qbresearch.rules.columns import load_table

STUDENTS, TEACHERS, ASSETS = "学校与学生", "专任教师", "校舍与设备"


def one(problems):
    """The only problem, as a mapping."""
    assert len(problems) == 1, problems.to_string()
    return problems.iloc[0].to_dict()


@pytest.mark.parametrize(("school", "column", "value", "place", "level", "found", "expected"), [
    (0, "students_primary", None, (STUDENTS, "4", "K 小学在校学生数"), NOTICE, "空白", "零填 0"),
    (0, "county_name", None, (STUDENTS, "4", "B 县（市、区）"), ERROR, "空白", "县级行政区名称"),
    (0, "teachers_primary_master", 3, (TEACHERS, "4", "C 小学专任教师数"), ERROR, "27", "各分项之和 28"),
    (9, "teachers_junior", 35, (TEACHERS, "13", "N 初中专任教师数"), ERROR, "35", "各分项之和 36"),
    (2, "backbone_teachers_primary", 99, (TEACHERS, "6", "L 小学县级以上骨干教师数"), ERROR, "99", "小学专任教师数 29"),
    (2, "pe_teachers_primary", 30, (TEACHERS, "6", "J 小学体育专任教师数"), ERROR, "30", "不大于"),
    (5, "indoor_sports_area_m2", 4000, (ASSETS, "9", "D 室内体育用房面积"), ERROR, "4000", "教学及辅助用房面积 3500.5"),
    (7, "students_primary", 12, (STUDENTS, "11", "K 小学在校学生数"), ERROR, "12", "没有这一学段"),
    (1, "teachers_junior", 5, (TEACHERS, "5", "N 初中专任教师数"), ERROR, "5", "小学没有这一学段"),
    (1, "equipment_value_yuan", 120, (ASSETS, "5", "F 教学仪器设备资产值"), NOTICE, "生均 0.292683 元", "20 至 200000"),
    (11, "parent_code", None, (STUDENTS, "15", "J 所属学校标识码"), ERROR, "空白", "须填所属学校"),
    (11, "parent_code", "0102039999", (STUDENTS, "15", "J 所属学校标识码"), ERROR, "0102039999", "同县同学年"),
])
def test_a_broken_relation_is_one_row_at_the_cell(
    book, problems_of, school, column, value, place, level, found, expected
):
    book.put(school, column, value)
    problem = one(problems_of(book))
    assert (problem["sheet"], problem["row"], problem["column"]) == place
    assert (problem["level"], problem["found"]) == (level, found) and expected in problem["expected"] and problem["fix"]


def test_equal_parts_and_whole_are_allowed(book, problems_of):
    book.put(0, "pe_teachers_primary", 27)
    book.put(0, "indoor_sports_area_m2", 3000.5)
    assert problems_of(book).empty


def test_zero_in_a_stage_that_is_not_taught_is_allowed(book, problems_of):
    book.put(0, "students_junior", 0)
    book.put(0, "teachers_junior", 0)
    assert problems_of(book).empty


def test_a_sum_with_a_missing_part_is_not_judged_but_the_blank_is_noticed(book, problems_of):
    book.put(0, "teachers_primary_bachelor", None)
    assert one(problems_of(book))["found"] == "空白"


def test_a_nine_year_school_without_its_junior_students_is_not_judged_per_student(book, problems_of):
    book.put(9, "students_junior", None)
    book.put(9, "students_primary", 4)
    assert one(problems_of(book))["column"] == "L 初中在校学生数"


def test_no_school_is_asked_for_a_stage_it_does_not_teach(contract):
    table = pd.DataFrame({"school_type": pd.Series(["primary", "junior", "nine_year", pd.NA], dtype="string")})
    assert list(needs(table, "junior", contract)) == [False, True, True, False]
    assert needs(table, "", contract).all()


def test_a_parent_whose_own_code_was_lost_is_not_a_second_problem(book, problems_of):
    book.put(0, "school_code", 102030001, sheet=STUDENTS)
    assert one(problems_of(book))["row"] == "4"


def test_a_campus_that_names_itself_a_school_needs_no_parent(book, problems_of):
    book.put(11, "counted", "是")
    book.put(11, "parent_code", None)
    assert problems_of(book).empty


def test_a_school_in_two_files_of_a_source_is_reported_with_the_second_file(book, contract, tmp_path):
    tables = [read_file(book.save(tmp_path / name), contract).table for name in ("甲.xlsx", "乙.xlsx")]
    problems = check_table(pd.concat(tables, ignore_index=True), contract)
    assert len(problems) == 12 and set(problems["file"]) == {"乙.xlsx"}
    assert problems["expected"].str.contains("只出现一次（县区划代码 010203、学年 2024、学校标识码 0102030001）").any()


def test_a_code_repeated_in_one_csv_is_reported_at_its_second_row(tmp_path):
    path = tmp_path / "a.csv"
    headings = [next(iter(c.headings)) for c in load_table("michigan").columns]
    path.write_text("\n".join([",".join(headings)] + [",".join(["7"] * len(headings))] * 2), encoding="utf-8")
    problem = one(check_table(read_file(path, load_table("michigan")).table, load_table("michigan")))
    assert (problem["sheet"], problem["row"], problem["column"]) == ("CSV", "3", "B 学校代码")


def test_the_same_school_in_another_year_is_no_repetition(book, contract, tmp_path):
    first = read_file(book.save(tmp_path / "2024.xlsx"), contract).table
    for school in range(12):
        book.put(school, "school_year", 2025)
    both = pd.concat([first, read_file(book.save(tmp_path / "2025.xlsx"), contract).table], ignore_index=True)
    assert check_table(both, contract).empty


def test_no_problem_still_has_the_columns(book, problems_of):
    assert list(problems_of(book).columns) == PROBLEM_COLUMNS


@pytest.mark.parametrize(("campus", "parent", "expected"), [
    (11, "0102030012", "计校数的学校"), (11, "0102030007", "开设小学的学校；这一所是初级中学"),
])
def test_a_parent_that_cannot_take_the_campus_in_is_an_error(book, problems_of, campus, parent, expected):
    book.put(campus, "parent_code", parent)
    problem = one(problems_of(book))
    assert (problem["sheet"], problem["row"], problem["column"]) == (STUDENTS, "15", "J 所属学校标识码")
    assert (problem["level"], problem["found"]) == (ERROR, parent) and problem["fix"]
    assert expected in problem["expected"]
