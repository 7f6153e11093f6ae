"""Tables of monitoring results: filled examples come back as they were written, faulty cells are named, no person is."""

from __future__ import annotations

import openpyxl
import pytest

from qbresearch.raw.checks import check_table
from qbresearch.raw.examples import EXAMPLES
from qbresearch.raw.reading import read_file
from qbresearch.raw.template import write_filled_example
from qbresearch.rules.columns import load_table

TABLES = ("student", "school-result", "county-report")
FIRST_ROW = 4


@pytest.fixture
def spoil(tmp_path):
    """Write a table's filled example with some cells changed and return what is found wrong."""

    def run(table_id: str, **cells):
        contract = load_table(table_id)
        path = tmp_path / f"{table_id}.xlsx"
        write_filled_example(contract, path)
        book = openpyxl.load_workbook(path)
        sheet = book.worksheets[0]
        headings = [c.value for c in sheet[FIRST_ROW - 1]]
        for name, value in cells.items():
            column = contract.column(name)
            at = next(n for n, h in enumerate(headings, 1) if h in column.headings)
            sheet.cell(FIRST_ROW, at).value = value
        book.save(path)
        result = read_file(path, contract)
        return result, [*result.problems.to_dict("records"), *check_table(result.table, contract).to_dict("records")]

    return run


@pytest.mark.parametrize("table_id", TABLES)
def test_the_filled_example_is_read_back_without_a_problem(spoil, table_id):
    result, problems = spoil(table_id)
    assert problems == [] and len(result.table) == len(EXAMPLES[table_id])
    for (_, found), given in zip(result.table.iterrows(), EXAMPLES[table_id], strict=True):
        for name, value in given.items():
            assert found[name] == value, name


@pytest.mark.parametrize(("table_id", "cell", "value", "expected"), [
    ("student", "grade", "三年级", "四年级"),
    ("student", "subject", "物理", "数学"),
    ("student", "score", "512分", "数（分）"),
    ("student", "score", 5124, "0 至 1500"),
    ("student", "level", "Ⅴ", "Ⅰ"),
    ("student", "weight", -2, "0 至 100000"),
    ("student", "school_code", "99019900", "10 位数字"),
    ("student", "ses", "高", "数（标准差）"),
    ("student", "teacher_support", 6, "1 至 5"),
    ("student", "student_id", None, "化名代码"),
    ("county-report", "difference_rate", 12.8, "0 至 1"),
    ("school-result", "level_1", 4, "各分项之和"),
    ("school-result", "students", 0, "1 至 100000"),
])
def test_a_faulty_cell_is_named_with_what_was_expected(spoil, table_id, cell, value, expected):
    _, problems = spoil(table_id, **{cell: value})
    assert problems and any(expected in p["expected"] for p in problems)
    assert {p["row"] for p in problems} == {str(FIRST_ROW)}


def test_a_difference_rate_in_percent_is_read_as_a_share(spoil):
    result, problems = spoil("county-report", difference_rate="12.8%")
    assert problems == [] and result.table["difference_rate"].iloc[0] == pytest.approx(0.128)


@pytest.mark.parametrize("number", ["11010119900307123X", "110101199003071234", "G110101201203071234"])
def test_an_identity_or_registration_number_is_refused_and_not_repeated(spoil, number):
    _, problems = spoil("student", student_id=number)
    assert len(problems) == 1 and "化名代码" in problems[0]["expected"]
    assert number not in str(problems)


def test_the_same_student_twice_in_a_subject_is_named(spoil):
    _, problems = spoil("student", student_id="S00002")
    assert len(problems) == 1 and "只出现一次" in problems[0]["expected"]
