"""What one cell says: values that are read exactly, and sentences for everything else."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbresearch.raw import cells
from qbresearch.raw.cells import (
    Fault,
    KnownCells,
    heading_text,
    plain_text,
    read_cell,
)
from qbresearch.raw.sheets import Cell
from qbresearch.rules.columns import list_tables, load_table

SCHOOL = load_table("school")
FULL_WIDTH = str.maketrans("0123456789.,-%", "０１２３４５６７８９．，－％")


def read(value, column="students_primary", *, number_format="General", factor=1.0, table="school"):
    return read_cell(Cell(value, number_format), load_table(table).column(column), factor)


def fault(value, column="students_primary", **more):
    found, why = read(value, column, **more)
    assert found is None and isinstance(why, Fault) and why.expected and why.fix
    return why


@pytest.mark.parametrize(("value", "number"), [
    (0, 0), ("0", 0), ("０", 0), (860, 860), (860.0, 860), ("８６０", 860), ("1,234", 1234), ("１，２３４", 1234),
    (" 860 ", 860), ("　860　", 860), ("\xa0860", 860), ("860\n", 860), ("+5", 5), ("1e3", 1000),
])
def test_a_count_is_read_whatever_width_and_separators_it_is_typed_with(value, number):
    assert read(value) == (float(number), None)


@pytest.mark.parametrize("value", [None, "", "  ", "　", "\n"])
def test_a_blank_is_missing_and_no_fault(value):
    assert read(value) == (None, None)


def test_zero_and_blank_are_different_things():
    assert read(0)[0] == 0.0 and read(None)[0] is None


@pytest.mark.parametrize("value", ["-", "—", "——", "－", "/", "无", "暂无", "N/A", "空"])
def test_a_dash_is_neither_zero_nor_blank(value):
    why = fault(value)
    assert "空白" in why.expected and "零请填 0" in why.fix


@pytest.mark.parametrize("value", [
    "12,34", "1234,567", "约三百", "300人", "1 234", "3/4", "1.2.3", "--5", "nan", "inf", True,
])
def test_what_is_not_a_number_is_said_and_not_guessed(value):
    assert "数（人）" in fault(value).expected


@pytest.mark.parametrize("value", ["120①", "12²", "½", "٣٤", "十二"])
def test_footnote_marks_and_other_scripts_do_not_become_digits(value):
    fault(value)
    fault(value, "school_code")


def test_a_unit_in_the_cell_is_sent_to_the_heading():
    assert "单位写在表头" in fault("300人").fix


@pytest.mark.parametrize(("value", "words"), [(-5, "0 至 20000"), (20001, "0 至 20000"), (312.5, "整数"), ("1e999", "数")])
def test_numbers_no_school_can_have_are_reported(value, words):
    assert words in fault(value).expected


@pytest.mark.parametrize(("value", "number_format"), [
    ("85%", "General"), ("８５％", "General"), (0.85, "0%"), (1, "0.00%"),
])
def test_a_percentage_in_a_count_is_reported_typed_or_shown(value, number_format):
    assert "不是百分比" in fault(value, number_format=number_format).expected


@pytest.mark.parametrize(("table", "column", "value", "number_format", "number"), [
    ("michigan", "mathematics_percent", "83.3%", "General", 83.3),
    ("michigan", "mathematics_percent", 0.833, "0.0%", 83.3),
    ("michigan", "mathematics_percent", 83.3, "General", 83.3),
    ("published-cv", "cv", "35%", "General", 0.35),
    ("published-cv", "cv", 0.35, "0%", 0.35),
    ("published-cv", "cv", "0.35", "General", 0.35),
])
def test_a_percentage_is_read_where_the_column_is_a_share(table, column, value, number_format, number):
    assert read(value, column, number_format=number_format, table=table) == (number, None)


@pytest.mark.parametrize("value", ["#DIV/0!", "#N/A", "#REF!", "#NAME?", "#VALUE!", "#NUM!", "#NULL!", "#SPILL!"])
@pytest.mark.parametrize("column", ["students_primary", "school_name", "school_code", "school_type", "school_year"])
def test_an_excel_error_is_reported_in_every_kind_of_column(value, column):
    assert "公式错误" in fault(value, column).fix


def test_a_formula_without_its_result_is_reported():
    assert "公式" in fault("=SUM(A1:A9)").fix and "公式" in fault("=A1", "school_name").fix


@pytest.mark.parametrize(("value", "number_format", "code"), [
    ("010203", "General", "010203"), ("010203", "@", "010203"), (" ０１０２０３ ", "General", "010203"),
    (10203, "000000", "010203"), (10203.0, "000000", "010203"), (340104, "General", "340104"),
])
def test_a_code_stays_text_and_keeps_its_zeros(value, number_format, code):
    assert read(value, "county_code", number_format=number_format) == (code, None)


@pytest.mark.parametrize(("value", "words"), [
    (10203, "前面的 0 丢了"), ("10203", "前面的 0 丢了"), ("0102034", "按登记的代码"), ("01020A", "按登记的代码"),
    ("3.40E+09", "科学计数法"), ("—", "留空"), (-10203, "按登记的代码"), (True, "按登记的代码"),
])
def test_a_code_that_is_not_whole_is_reported_and_no_zero_is_invented(value, words):
    why = fault(value, "county_code")
    assert "6 位数字的文本" in why.expected and words in why.fix


def test_a_negative_number_shown_with_zeros_is_no_code():
    fault(-123, "county_code", number_format="000000")


@pytest.mark.parametrize("value", [
    "2024", 2024, "２０２４", "2024—2025学年", "2024-2025学年", "2024——2025", "2024/25", "2024～2025 学年", "2024至2025学年度",
    "2024年",
])
def test_a_school_year_is_the_year_in_which_it_begins(value):
    assert read(value, "school_year") == (2024, None)


@pytest.mark.parametrize("value", ["24", "2024—2026学年", "2024—2023学年", "1999", 2024.5, "二〇二四", "2024学年第一学期",
                                   datetime(2024, 9, 1)])
def test_a_school_year_that_is_none_is_reported(value):
    assert "2024—2025 学年" in fault(value, "school_year").expected


@pytest.mark.parametrize(("column", "value", "choice"), [
    ("school_type", "小学", "primary"), ("school_type", "完全小学", "primary"), ("school_type", " 九年一贯制 ", "nine_year"),
    ("school_type", "primary", "primary"), ("sponsor", "县(区)管公办", "county"), ("sponsor", "县（区）管公办", "county"),
    ("counted", 1, "yes"), ("counted", 0, "no"), ("counted", "否", "no"), ("location", "县镇", "town"),
])
def test_a_choice_is_known_by_any_of_its_labels(column, value, choice):
    assert read(value, column) == (choice, None)


@pytest.mark.parametrize(("column", "value"), [
    ("school_type", "私塾"), ("location", "郊外"), ("counted", True), ("counted", 2),
])
def test_an_unknown_choice_is_answered_with_the_list(column, value):
    why = fault(value, column)
    assert all(label in why.expected for label in SCHOOL.choice_labels(column).values())


def test_names_keep_their_width_and_are_not_made_of_dates():
    assert read("测试县第一小学（东校区）Ａ", "school_name") == ("测试县第一小学（东校区）Ａ", None)
    assert read(36, "school_name") == ("36", None)
    assert "文本" in fault(datetime(2024, 9, 1), "school_name").expected
    assert "文本" in fault(True, "school_name").expected


@pytest.mark.parametrize(("value", "yuan"), [
    (12.34, 123400.0), ("12.34", 123400.0), ("１２．３４", 123400.0), (0.07, 700.0), (1.1, 11000.0), (33.33, 333300.0),
    (4.35, 43500.0), (0, 0.0), ("1,234.5678", 12345678.0), (99999.999999, 999999999.99),
])
def test_ten_thousands_of_yuan_become_yuan_exactly(value, yuan):
    assert read(value, "equipment_value_yuan", factor=10000.0) == (yuan, None)


def test_the_range_is_checked_in_the_unit_of_the_contract():
    assert read(200_000, "equipment_value_yuan") == (200000.0, None)
    assert "0 至 1000000000（" in fault(200_000, "equipment_value_yuan", factor=10000.0).expected.replace(" 之间", "")


def test_headings_are_compared_without_width_brackets_and_white_space():
    assert heading_text("运动场地\n面积（ｍ２）") == heading_text("运动场地面积(㎡)") == "运动场地面积(m2)"


@given(
    number=st.decimals(min_value=0, max_value=99_999, places=2), full_width=st.booleans(), grouped=st.booleans(),
    before=st.text(" 　\xa0\t", max_size=3), after=st.text(" 　\xa0\t\n", max_size=3), as_number=st.booleans(),
)
def test_a_number_reads_back_exactly_whatever_it_is_dressed_in(number, full_width, grouped, before, after, as_number):
    text = f"{number:,}" if grouped else f"{number}"
    typed = before + (text.translate(FULL_WIDTH) if full_width else text) + after
    value = float(number) if as_number else typed
    assert read(value, "teaching_area_m2") == (float(number), None)


@given(yuan=st.integers(0, 10**11).map(lambda cents: Decimal(cents) / 100))
def test_any_value_in_ten_thousands_reads_back_to_the_cent(yuan):
    value, why = read(str(yuan / 10000), "equipment_value_yuan", factor=10000.0)
    assert why is None and value == float(yuan)


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.datetimes(), st.text(),
    st.text("0123456789,.-+eE%#=/年学—０９，"),
)


@given(
    value=ANYTHING, number_format=st.sampled_from(["General", "@", "000000", "0%", "#,##0.00", ""]),
    column=st.sampled_from([c.name for c in SCHOOL.columns]), factor=st.sampled_from([1.0, 10000.0]),
)
def test_no_cell_ever_raises_and_each_gives_a_value_or_a_fault(value, number_format, column, factor):
    found, why = read(value, column, number_format=number_format, factor=factor)
    assert found is None or why is None
    if found is None and plain_text(value):
        assert isinstance(why, Fault) and why.expected and why.fix
    if not plain_text(value):
        assert (found, why) == (None, None)


# --- the short way for plain cells -----------------------------------------------------------------------------------

TEXTS = (
    "12", "0", "007", "12.5", "1,234", "-3", "+4", "1e3", "85%", "１２", "12 人", "1234567890123", "1.23456789", "99999999", ".5", "5.",
    "010203", "0102030001", "01020300011", "2024", "小学", "完全小学", "联系小学", "注：", "一二三 ", " 12", "#N/A", "=1+1", "-", "无", "",
    "\u3000", "是", "2024-06", "G2a", "城区\n", "12\n", "一\n二", "٣", "²",
)


def test_the_short_way_for_plain_cells_gives_what_the_long_way_gives():
    plain = 0
    for table in list_tables():
        for column in load_table(table).columns:
            for factor in sorted(set(column.headings.values())):
                for text in (*TEXTS, None):
                    short = cells._plainly(text, column, factor)
                    long = read_cell(Cell(text), column, factor)
                    assert short is None or (short == long and type(short[0]) is type(long[0])), (column.name, text)
                    plain += short is not None
                known = KnownCells(column, factor)
                asked = [Cell(t) for t in (*TEXTS, *TEXTS)] + [Cell(12.5), Cell(0.85, "0%"), Cell(True), Cell(None), Cell("3", "@")]
                assert known.read(asked) == [read_cell(cell, column, factor) for cell in asked], column.name
    assert plain > 1000
