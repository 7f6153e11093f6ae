"""The workbook to fill in: what a clerk sees, and that what is filled in can be read back."""

from __future__ import annotations

from dataclasses import replace

import openpyxl
import pytest

from qbresearch.raw.checks import check_table
from qbresearch.raw.reading import read_file
from qbresearch.raw.template import (
    EXAMPLES,
    PREPARED_ROWS,
    write_filled_example,
    write_template,
)
from qbresearch.rules.columns import list_tables, load_table

SHEETS = {"students": "学校与学生", "teachers": "专任教师", "assets": "校舍与设备"}


@pytest.fixture(scope="module")
def contract():
    return load_table("school")


@pytest.fixture(scope="module")
def template(contract, tmp_path_factory):
    path = tmp_path_factory.mktemp("template") / "填报表.xlsx"
    write_template(contract, path)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    return openpyxl.load_workbook(path)


@pytest.fixture(scope="module")
def filled(contract, tmp_path_factory):
    path = tmp_path_factory.mktemp("template") / "示例.xlsx"
    write_filled_example(contract, path)
    return path


def _columns(contract, sheet_id):
    return [c for c in contract.columns if c.sheet in (sheet_id, "every")]


def _validation(sheet, at):
    """The one check on the column at a position, over all prepared rows."""
    letter = openpyxl.utils.get_column_letter(at)
    cells = f"{letter}4:{letter}{3 + PREPARED_ROWS}"
    found = [v for v in sheet.data_validations.dataValidation if str(v.sqref) == cells]
    assert len(found) == 1
    return found[0]


def test_sheets_in_order(template):
    names = list(SHEETS.values())
    assert template.sheetnames == [*names, "填写说明", *(f"示例-{n}" for n in names)]


def test_headings_are_the_contract_s_first_ones(contract, template):
    for sheet_id, name in SHEETS.items():
        columns = _columns(contract, sheet_id)
        sheet = template[name]
        assert [c.value for c in sheet[3]] == [
            "教学仪器设备资产值（万元）" if c.name == "equipment_value_yuan" else next(iter(c.headings)) for c in columns
        ]
        assert all(c.value in column.headings for c, column in zip(sheet[3], columns, strict=True))
        assert "A1:" in str(next(iter(sheet.merged_cells.ranges)))
        assert sheet.freeze_panes.endswith("4")


def test_units_stand_above_the_headings(template):
    units = {h.value: u.value for h, u in zip(template["校舍与设备"][3], template["校舍与设备"][2], strict=True)}
    assert units["教学仪器设备资产值（万元）"] == "单位：万元"
    assert units["教学及辅助用房面积（平方米）"] == "单位：平方米"
    assert units["网络多媒体教室（间）"] == "单位：间"


def test_choices_have_drop_downs(contract, template):
    seen = 0
    for sheet_id, name in SHEETS.items():
        for at, column in enumerate(_columns(contract, sheet_id), 1):
            check = _validation(template[name], at)
            assert (check.type == "list") == (column.kind == "choice")
            if column.kind == "choice":
                seen += 1
                assert check.formula1.strip('"').split(",") == [c.labels[0] for c in column.choices]
                assert len(check.formula1) <= 255
    assert seen == 4


def test_codes_are_text_of_fixed_length(contract, template):
    for sheet_id, name in SHEETS.items():
        for at, column in enumerate(_columns(contract, sheet_id), 1):
            if column.kind == "code":
                check = _validation(template[name], at)
                assert (check.type, check.operator, check.formula1) == ("textLength", "equal", str(column.digits))
                formats = {template[name].cell(row, at).number_format for row in range(4, 4 + PREPARED_ROWS)}
                assert formats == {"@"}


def test_numbers_are_checked_in_the_heading_s_unit(contract, template):
    for sheet_id, name in SHEETS.items():
        for at, column in enumerate(_columns(contract, sheet_id), 1):
            check = _validation(template[name], at)
            if column.is_number:
                assert check.type == ("whole" if column.kind == "count" else "decimal")
                assert (check.operator, check.formula1) == ("between", "0")
                largest = column.max / (10000 if column.name == "equipment_value_yuan" else 1)
                assert float(check.formula2) == largest
                assert column.meaning in check.prompt and "单位：" in check.prompt
            assert check.promptTitle == column.label_zh
            assert len(check.prompt) <= 255 and len(check.promptTitle) <= 32


def test_two_hundred_rows_are_prepared_and_empty(template):
    for name in SHEETS.values():
        assert template[name].max_row == 3 + PREPARED_ROWS == 203
        assert all(cell.value is None for row in template[name].iter_rows(min_row=4) for cell in row)


def test_explanation_covers_every_column(contract, template):
    rows = list(template["填写说明"].values)
    heads = next(n for n, row in enumerate(rows) if row[0] == "工作表")
    body = {row[1]: row for row in rows[heads + 1 :]}
    assert len(body) == len(contract.columns)
    students = body["小学在校学生数"]
    assert students[2:] == (
        "具有学籍并在本学年初注册的小学生", "人", "整数", "教基3112（旧：基312）", "整数，0 至 20000", "有小学学段的学校",
    )
    assert body["教学仪器设备资产值（万元）"][3] == "万元"
    assert body["教学仪器设备资产值（万元）"][6] == "0 至 100000"
    assert body["办学类型"][6].startswith("小学、小学教学点、初级中学")
    assert body["所属学校标识码"][7] == "按含义填写，可留空"
    assert body["图书册数"][7] == "可以不填（整列可删）"


def test_no_cell_is_a_formula(template, contract, tmp_path):
    cells = [c for sheet in template.worksheets for row in sheet.iter_rows() for c in row]
    assert not [c for c in cells if c.data_type == "f"]
    tricky = replace(contract.columns[0], meaning="=1+1", label_zh="=cmd()")
    write_template(replace(contract, columns=(tricky, *contract.columns[1:])), tmp_path / "t.xlsx")
    book = openpyxl.load_workbook(tmp_path / "t.xlsx")
    found = [c for row in book["填写说明"].iter_rows() for c in row if c.value == "=1+1"]
    with_formula = openpyxl.load_workbook(tmp_path / "t.xlsx", data_only=True)["填写说明"]
    assert found and all(with_formula[c.coordinate].value == "=1+1" for c in found)


def test_examples_agree_with_themselves(contract):
    assert [row["school_type"] for row in EXAMPLES["school"]] == ["primary", "junior", "nine_year"]
    for row in EXAMPLES["school"]:
        assert set(row) <= {c.name for c in contract.columns}
        stages = contract.stages_of(row["school_type"])
        due = {c.name for c in contract.columns if (not c.stage or c.stage in stages) and not c.blank_allowed}
        assert set(row) == due
        for check in contract.checks:
            if check.column in row:
                parts = sum(row[name] for name in check.of if name in row)
                assert check.kind != "sum" or row[check.column] == parts
                assert check.kind != "at_most" or row[check.column] <= parts


def test_example_sheets_are_the_same_in_both_workbooks(template, filled):
    book = openpyxl.load_workbook(filled)
    for name in SHEETS.values():
        assert list(template[f"示例-{name}"].values) == list(book[f"示例-{name}"].values)
        assert list(book[name].values)[3:6] == list(book[f"示例-{name}"].values)[3:6]
        assert _validation(book[name], 1) is not None


def test_filled_example_is_read_back_without_a_problem(contract, filled):
    result = read_file(filled, contract)
    assert result.problems.empty and check_table(result.table, contract).empty
    assert len(result.table) == len(EXAMPLES["school"])
    for (_, found), given in zip(result.table.iterrows(), EXAMPLES["school"], strict=True):
        numbers = {c.name for c in contract.columns if c.is_number}
        for name in numbers:
            assert found[name] == given[name] if name in given else found.isna()[name], name
        assert (found["school_code"], found["school_type"]) == (given["school_code"], given["school_type"])


def test_empty_template_is_read_as_no_schools(contract, tmp_path):
    write_template(contract, tmp_path / "空表.xlsx")
    result = read_file(tmp_path / "空表.xlsx", contract)
    assert result.table.empty and result.problems.empty


def test_same_bytes_every_time(contract, filled, tmp_path):
    write_filled_example(contract, tmp_path / "again.xlsx")
    assert (tmp_path / "again.xlsx").read_bytes() == filled.read_bytes()


@pytest.mark.parametrize("table_id", list_tables())
def test_every_contract_has_a_template(table_id, tmp_path):
    contract = load_table(table_id)
    write_template(contract, tmp_path / "t.xlsx")
    book = openpyxl.load_workbook(tmp_path / "t.xlsx")
    assert book.sheetnames[: len(contract.sheets)] == list(contract.sheets.values())
    for sheet in book.worksheets[: len(contract.sheets)]:
        assert sheet.max_row == 3 + PREPARED_ROWS
