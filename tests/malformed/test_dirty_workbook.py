"""One workbook with fifteen different defects: fifteen rows, each at the right cell, and nothing else happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from qbresearch.cli import main
from qbresearch.raw.problems import ERROR, PROBLEM_COLUMNS

STUDENTS, TEACHERS, ASSETS = "学校与学生", "专任教师", "校舍与设备"


@dataclass(frozen=True)
class Defect:
    """What a clerk did, and where and how the one row about it must say so."""

    spoil: Callable[[Any], None]
    sheet: str
    row: str
    column: str
    found: str
    expected: str


def _put(school: int, column: str, value: Any, sheet: str | None = None) -> Callable[[Any], None]:
    return lambda book: book.put(school, column, value, sheet=sheet)


DEFECTS = {
    "lost leading zero": Defect(
        _put(0, "school_code", 102030001, STUDENTS), STUDENTS, "4", "D 学校标识码", "102030001", "10 位数字"),
    "duplicate code": Defect(
        _put(2, "school_code", "0102030002", STUDENTS), STUDENTS, "6", "D 学校标识码", "0102030002", "第 5 行"),
    "unknown school type": Defect(
        _put(3, "school_type", "私塾"), STUDENTS, "7", "F 办学类型", "私塾", "小学"),
    "text in a number": Defect(
        _put(4, "students_primary", "约三百"), STUDENTS, "8", "K 小学在校学生数", "约三百", "数（人）"),
    "people in decimals": Defect(
        _put(5, "students_primary", 312.5), STUDENTS, "9", "K 小学在校学生数", "312.5", "整数"),
    "junior students at a primary school": Defect(
        _put(1, "students_junior", 30), STUDENTS, "5", "L 初中在校学生数", "30", "没有这一学段"),
    "unknown parent": Defect(
        _put(11, "parent_code", "0102039999"), STUDENTS, "15", "J 所属学校标识码", "0102039999", "已有的学校标识码"),
    "wrong total": Defect(
        lambda book: book.stated.update(students_senior=999), STUDENTS, "16", "M 高中在校学生数", "合计 999", "各行之和 500"),
    "parts do not add up": Defect(
        _put(6, "teachers_junior_bachelor", 21), TEACHERS, "10", "N 初中专任教师数", "33", "各分项之和 28"),
    "more PE teachers than teachers": Defect(
        _put(7, "pe_teachers_junior", 90), TEACHERS, "11", "U 初中体育专任教师数", "90", "不大于"),
    "percent in a count": Defect(
        _put(8, "arts_teachers_junior", "12%"), TEACHERS, "12", "V 初中艺术专任教师数", "12%", "不是百分比"),
    "dash for missing": Defect(
        _put(9, "backbone_teachers_primary", "—"), TEACHERS, "13", "L 小学县级以上骨干教师数", "—", "空白"),
    "more indoor area than teaching area": Defect(
        _put(10, "indoor_sports_area_m2", 9000), ASSETS, "14", "D 室内体育用房面积", "9000", "不大于"),
    "formula error": Defect(
        _put(1, "multimedia_classrooms", "#DIV/0!"), ASSETS, "5", "G 网络多媒体教室数", "#DIV/0!", "一个值"),
    "missing heading": Defect(
        _put(-1, "sports_ground_area_m2", None), ASSETS, "3", "运动场地面积", "没有这一列", "运动场地面积（平方米）"),
}


@pytest.fixture
def dirty(book):
    for defect in DEFECTS.values():
        defect.spoil(book)
    return book


def _check_row(row: Any, defect: Defect) -> None:
    assert (row["sheet"], row["row"], row["column"]) == (defect.sheet, defect.row, defect.column)
    assert row["found"] == defect.found and defect.expected in row["expected"] and row["fix"]
    assert row["level"] == ERROR


def test_the_workbook_has_no_problem_before_it_is_spoilt(book, problems_of):
    assert problems_of(book).empty


@pytest.mark.parametrize("name", DEFECTS)
def test_one_defect_gives_one_row(book, problems_of, name):
    DEFECTS[name].spoil(book)
    problems = problems_of(book)
    assert len(problems) == 1, problems.to_string()
    _check_row(problems.iloc[0], DEFECTS[name])


def test_fifteen_defects_give_fifteen_rows_at_their_places(dirty, problems_of):
    assert len(DEFECTS) == 15
    problems = problems_of(dirty)
    assert list(problems.columns) == PROBLEM_COLUMNS
    assert len(problems) == 15, problems.to_string()
    at = {(row["sheet"], row["row"], row["column"]): row for row in problems.to_dict("records")}
    for defect in DEFECTS.values():
        _check_row(at[(defect.sheet, defect.row, defect.column)], defect)
    assert (problems["file"] == "学校表.xlsx").all()


def test_build_lists_all_fifteen_writes_nothing_and_leaves_the_file_alone(dirty, project, add_source, tmp_path, capsys):
    original = dirty.save(tmp_path / "收到的.xlsx").read_bytes()
    folder = add_source("dirty", {"脏表.xlsx": original})
    before = sorted(p.name for p in folder.iterdir())

    code = main(["--project", str(project.root), "build", "dirty", "--problems", str(tmp_path / "问题.csv")])

    out, err = capsys.readouterr()
    assert code == 2
    assert "错误 15 处，提示 0 处" in out and "Traceback" not in out + err
    lines = [line for line in out.splitlines() if line.startswith("  脏表.xlsx | ")]
    assert len(lines) == 15
    for defect in DEFECTS.values():
        start = f"  脏表.xlsx | {defect.sheet} | {defect.row} | {defect.column} | {ERROR} | {defect.found} | "
        assert sum(line.startswith(start) for line in lines) == 1, start
    assert list(project.processed.iterdir()) == []
    assert (folder / "脏表.xlsx").read_bytes() == original
    assert sorted(p.name for p in folder.iterdir()) == before
    assert len((tmp_path / "问题.csv").read_text(encoding="utf-8-sig").splitlines()) == 16


def test_assess_refuses_the_same_workbook_with_the_same_rows(dirty, tmp_path: Path, capsys):
    path = dirty.save(tmp_path / "脏表.xlsx")
    assert main(["assess", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "15 处错误" in err and "Traceback" not in err
    assert all(defect.found in err for defect in DEFECTS.values())
