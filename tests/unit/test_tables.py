"""Rounding as taught in school, absent values as a dash, and tables that say 无."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbresearch.exhibits import tables


@pytest.mark.parametrize(
    ("value", "decimals", "written"),
    [(0.5, 0, "1"), (2.5, 0, "3"), (1.005, 2, "1.01"), (0.501787, 2, "0.50"), (0.501787, 3, "0.502"), (-0.125, 2, "−0.13"),
     (1234567.891, 1, "1,234,567.9"), (np.nan, 2, "—"), (None, 2, "—"), (4.2, 2, "4.20"), (0.0, 3, "0.000")],
)
def test_halves_are_rounded_up_as_the_digits_show(value, decimals, written):
    assert tables.fixed_point(value, decimals) == written


@given(st.floats(-1e9, 1e9), st.integers(0, 6))
def test_what_is_printed_is_within_half_a_unit_of_the_value(value, decimals):
    printed = float(tables.fixed_point(value, decimals).replace(",", "").replace("−", "-"))
    assert abs(printed - value) <= 0.5 * 10.0**-decimals * (1 + 1e-9) + abs(value) * 1e-15


@pytest.mark.parametrize(
    ("value", "written"), [(0.004, "<0.1"), (0.0, "0.0"), (0.06, "0.1"), (999.94, "999.9"), (4126.11, "4,126"), (np.nan, "—")]
)
def test_a_small_need_is_never_printed_as_none(value, written):
    assert tables.amount_words(value) == written


def test_columns_write_verdicts_marks_shares_and_signs():
    frame = pd.DataFrame({"v": ["met", ""], "f": [True, False], "p": [0.125, np.nan], "d": [0.5, -0.5], "n": [1234.0, np.nan]})
    table = tables.report_table(
        frame,
        [tables.verdict("v", "判定"), tables.mark("f", "临界"), tables.percent("p", "占比"), tables.signed("d", "差额", 1),
         tables.count("n", "数")],
        tone="v",
    )
    assert table.rows == (("达标", "▲", "12.5%", "+0.5", "1,234"), ("—", "", "—", "−0.5", "—"))
    assert table.tones == ("met", "plain")


def test_an_empty_table_says_none():
    table = tables.report_table(pd.DataFrame({"a": [], "b": []}), [tables.text("a", "学校"), tables.count("b", "数")])
    assert table.rows == (("无", ""),)


def test_texts_are_translated_and_absent_ones_are_a_dash():
    frame = pd.DataFrame({"a": pd.Series(["urban", None, "x"], dtype="string")})
    assert tables.report_table(frame, [tables.text("a", "城乡", {"urban": "城区"})]).rows == (("城区",), ("—",), ("x",))


def test_years_have_no_separator_and_no_decimals():
    frame = pd.DataFrame({"y": [2022.0, np.nan]})
    assert tables.report_table(frame, [tables.year("y", "年份")]).rows == (("2022",), ("—",))
