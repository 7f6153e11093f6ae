"""The column contracts that ship: every column is named, explained and found by its own headings only."""

from __future__ import annotations

import pytest

from qbresearch.errors import InputError
from qbresearch.raw.cells import heading_text
from qbresearch.rules.columns import KINDS, list_tables, load_table


@pytest.fixture(params=list_tables())
def table(request):
    return load_table(request.param)


def test_every_column_has_two_labels_a_meaning_a_kind_and_a_sheet(table):
    for column in (table, *table.columns):
        assert column.label_zh and column.label_en
    for column in table.columns:
        assert column.meaning and column.kind in KINDS and column.sheet in {"every", *table.sheets}


def test_every_number_of_the_school_table_has_a_unit_and_a_range():
    for column in load_table("school").columns:
        if column.is_number:
            assert column.unit and column.min is not None and column.max > column.min, column.name


def test_no_two_columns_answer_to_the_same_heading(table):
    owner = {}
    for column in table.columns:
        for heading in (*column.headings, *column.unit_required):
            assert owner.setdefault(heading_text(heading), column.name) == column.name


def test_a_heading_that_leaves_the_unit_open_is_no_accepted_heading(table):
    for column in table.columns:
        accepted = {heading_text(h) for h in column.headings}
        assert not accepted & {heading_text(u) for u in column.unit_required}


def test_a_second_unit_of_a_column_is_written_in_its_heading():
    column = load_table("school").column("equipment_value_yuan")
    assert {("万元" in heading) == (factor == 10000) for heading, factor in column.headings.items()} == {True}


def test_every_choice_column_lists_distinct_labels(table):
    for column in table.columns:
        labels = [label for choice in column.choices for label in choice.labels]
        assert (column.kind == "choice") == bool(labels) and len(labels) == len(set(labels))


def test_checks_name_numbers_of_the_table(table):
    for check in table.checks:
        assert all(table.column(name).is_number for name in (check.column, *check.of)) and check.fix


def test_an_unknown_table_and_an_unknown_column_are_answered_with_what_there_is():
    with pytest.raises(InputError, match="是不是想写 school？") as caught:
        load_table("schol")
    assert "michigan" in caught.value.expected
    with pytest.raises(InputError, match="是不是想写 students_primary？"):
        load_table("school").column("student_primary")


def test_labels_fall_back_to_the_name_for_what_is_no_column():
    table = load_table("school")
    assert (table.label("books"), table.label("nothing")) == ("图书册数", "nothing")
    assert table.stages_of("nine_year") == ("primary", "junior")


def test_a_constant_fills_what_the_file_leaves_out():
    constants = {c.name: c.value for c in load_table("california").constants}
    assert constants["school_year"] == 1998
