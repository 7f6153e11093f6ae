"""Column contracts broken one way each: the message says where and what, and how to put it right."""

from __future__ import annotations

from pathlib import Path

import pytest

from qbresearch.cli import main
from qbresearch.errors import EXIT_INPUT, InputError
from qbresearch.rules import columns
from qbresearch.rules.columns import read_table

FOLDER = Path(__file__).parent / "tables"
STUDENTS, AREA, TYPE = "第 2 个 [[column]]（students）", "第 3 个 [[column]]（area_m2）", "第 4 个 [[column]]（school_type）"
# File to the words that must stand in the message; the first ones say where.
WORDS = {
    "not-toml": ("不是合格的 TOML", "line 15"),
    "id-is-not-file-name": ("文件名", "'school'"),
    "unknown-key": ("不认识的键", "author"),
    "missing-key": ("缺少必填的键", "source"),
    "english-label-missing": (STUDENTS, "中英文", "en ="),
    "misspelt-column-key": ("第 2 个 [[column]]", "不认识的键", "maximum"),
    "no-meaning": ("第 3 个 [[column]]", "缺少必填的键", "meaning"),
    "unknown-kind": (STUDENTS, "没有这个列类型", "'integer'", "count"),
    "unknown-sheet": (STUDENTS, "没有这个工作表", "是不是想写 all？"),
    "unknown-key-column": ("没有这个主键列", "是不是想写 school_code？"),
    "repeated-column": ("列名重复", "students"),
    "repeated-heading": ("表头重复", "学生数"),
    "no-headings": (STUDENTS, "headings", "至少一个"),
    "headings-not-a-list": (STUDENTS, "headings", "'在校学生数'"),
    "maximum-missing": (STUDENTS, "范围不成立", "max = None"),
    "minimum-above-maximum": (STUDENTS, "范围不成立", "min = 30000"),
    "year-without-range": (STUDENTS, "范围不成立", "年份列"),
    "date-without-range": (STUDENTS, "范围不成立", "日期列"),
    "drop-down-misspelt": (TYPE, "没有这个drop_down", "all"),
    "sheets-without-common-key": ("几张工作表", "数据、其他", "every"),
    "digits-as-text": ("第 1 个 [[column]]（school_code）", "digits", "整数"),
    "optional-as-text": (AREA, "optional", "true 或 false"),
    "blank-misspelt": (AREA, "blank", "是不是想写 allowed？"),
    "choice-without-choices": (TYPE, "选项与列类型不符", "0 个选项"),
    "choices-without-choice": (TYPE, "选项与列类型不符", "text 列有 1 个选项"),
    "choice-without-labels": (f"{TYPE} 第 1 个 [[choice]]", "缺少必填的键", "labels"),
    "factor-of-zero": (f"{AREA} 第 1 个 [[scaled]]", "倍数", "10000"),
    "unknown-stage": ("（students）", "没有这个学段", "是不是想写 primary？"),
    "single-column-table": ("check 的写法不对", "[[check]]"),
    "unknown-check": ("第 1 个 [[check]]", "没有这个核对方式", "at_most"),
    "check-of-unknown-column": ("第 1 个 [[check]]", "没有这个数值列", "是不是想写 area_m2？"),
    "check-of-text": ("第 1 个 [[check]]", "没有这个数值列", "'school_code'"),
    "check-per-student-without-limits": ("第 1 个 [[check]]", "范围不成立"),
    "constant-without-value": ("第 1 个 [[constant]]", "缺少必填的键", "value"),
}


def test_every_file_has_its_words_and_every_word_its_file():
    assert {p.stem for p in FOLDER.glob("*.toml")} == set(WORDS)


@pytest.mark.parametrize("name", WORDS)
def test_a_broken_contract_is_refused_with_the_place_and_the_reason(name):
    with pytest.raises(InputError) as caught:
        read_table(FOLDER / f"{name}.toml")
    error = caught.value
    assert error.exit_code == EXIT_INPUT and f"{name}.toml" in error.where
    assert all((error.problem, error.found, error.expected, error.fix))
    missing = [word for word in WORDS[name] if word not in str(error)]
    assert not missing, f"{missing} not in\n{error}"


def test_the_files_are_broken_in_nothing_but_one_way(tmp_path):
    text = (FOLDER / "unknown-key.toml").read_text(encoding="utf-8")
    whole = text.replace('author = "某人"\n', "").replace('id = "unknown-key"', 'id = "whole"')
    (tmp_path / "whole.toml").write_text(whole, encoding="utf-8")
    contract = read_table(tmp_path / "whole.toml")
    assert [c.name for c in contract.columns] == ["school_code", "students", "area_m2", "school_type"]
    assert contract.column("area_m2").headings == {"面积（平方米）": 1.0, "面积（万平方米）": 10000.0}


def test_a_contract_that_is_not_there_is_said_so():
    with pytest.raises(InputError, match="找不到文件"):
        read_table(FOLDER / "nothing.toml")


def test_verify_finds_a_broken_contract_of_the_package(project, tmp_path, monkeypatch, capsys):
    shipped = tmp_path / "cited" / "tables"
    shipped.mkdir(parents=True)
    (shipped / "unknown-kind.toml").write_bytes((FOLDER / "unknown-kind.toml").read_bytes())
    monkeypatch.setattr(columns, "CITED", tmp_path / "cited")
    assert main(["--project", str(project.root), "verify"]) == EXIT_INPUT
    out, err = capsys.readouterr()
    assert "unknown-kind.toml" in err and "Traceback" not in out + err
