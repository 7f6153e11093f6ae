"""Spending on education beside that of the year before: amounts by hand, gaps, prices of the last year."""

from __future__ import annotations

from datetime import date

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from evaluation_data import table_of
from hypothesis import given, settings
from hypothesis import strategies as st

from qbresearch.errors import InputError
from qbresearch.language import speaking
from qbresearch.results.evaluation.finance import IncreaseResult, check_increases
from qbresearch.rules.columns import load_table
from qbresearch.rules.evaluations import load_evaluation

NATIONAL = load_evaluation("national-2017", on=date(2023, 9, 1))
FINANCE = load_table("finance")
NAN = float("nan")


def money(*rows: tuple[int, float | None, float | None, float | None]) -> pd.DataFrame:
    """Years with spending (yuan), students and price index."""
    names = ("fiscal_year", "public_education_spending_yuan", "students", "price_index")
    return table_of(FINANCE, [dict(zip(names, row, strict=True)) for row in rows])


def check(*rows, year: int | None = None) -> IncreaseResult:
    return check_increases(money(*rows), NATIONAL, year=year)


def of(result: IncreaseResult, item: str) -> pd.DataFrame:
    return result.table[result.table["item"] == item].set_index("year")


@pytest.mark.parametrize(
    ("before", "after", "total", "per_student"),
    [
        ((600e6, 40_000), (606e6, 40_000), "met", "met"),
        ((600e6, 40_000), (600e6, 40_000), "met", "met"),  # equal has not fallen
        ((600e6, 40_000), (599_999_999, 40_000), "not_met", "not_met"),
        ((600e6, 40_000), (606e6, 41_000), "met", "not_met"),  # more money for still more students
        ((600e6, 40_000), (594e6, 39_000), "not_met", "met"),
        ((600e6, 40_000), (615e6, 41_000), "met", "met"),  # 15000 a head in both years
        ((600e6, None), (606e6, 40_000), "met", "undecided"),
        ((600e6, 40_000), (606e6, None), "met", "undecided"),
        ((None, 40_000), (606e6, 40_000), "undecided", "undecided"),
        ((600e6, 40_000), (None, 40_000), "undecided", "undecided"),
        ((600e6, 40_000), (606e6, 0), "met", "undecided"),
        ((0, 40_000), (606e6, 40_000), "met", "met"),  # more than nothing
        ((0, 40_000), (0, 40_000), "met", "met"),
        ((600e6, 40_000), (0, 40_000), "not_met", "not_met"),
    ],
)
def test_neither_the_total_nor_the_amount_per_student_falls(before, after, total, per_student):
    found = check((2022, *before, None), (2023, *after, None))
    assert found.verdicts == {"F1": total, "F2": per_student}
    assert [node.verdict for node in found.nodes()] == [total, per_student]


def test_the_numbers_of_every_year_are_those_of_the_formula():
    """Worked by hand: 500, 520, 510 million for 25000, 26000, 24000 students; prices 102 and 105 in the later years."""
    found = check((2021, 500e6, 25_000, 101), (2022, 520e6, 26_000, 102), (2023, 510e6, 24_000, 105))
    total, per_student = of(found, "F1"), of(found, "F2")
    assert total["value"].tolist() == [500e6, 520e6, 510e6] and total["unit"].unique().tolist() == ["元"]
    assert per_student["value"].tolist() == [20_000, 20_000, 21_250]
    np.testing.assert_allclose(total["change"], [NAN, 20e6, -10e6])
    np.testing.assert_allclose(total["change_share"], [NAN, 0.04, 510 / 520 - 1])
    np.testing.assert_allclose(per_student["change_share"], [NAN, 0, 0.0625])
    np.testing.assert_allclose(total["real"], [500e6 * 1.02 * 1.05, 520e6 * 1.05, 510e6])
    np.testing.assert_allclose(per_student["real"], [21_420, 21_000, 21_250])
    np.testing.assert_allclose(per_student["real_change_share"], [NAN, 21_000 / 21_420 - 1, 21_250 / 21_000 - 1])
    assert total["verdict"].tolist() == ["", "met", "not_met"] and per_student["verdict"].tolist() == ["", "met", "met"]
    assert found.year == 2023 and total["reason"].iloc[-1] == "2023 年比上年变动 −1.92%"


def test_the_node_shows_the_ratio_and_the_two_amounts():
    spending, per_student = check((2022, 520e6, 26_000, None), (2023, 510e6, 24_000, None)).nodes()
    leaf = spending.find("F1_spending")
    assert leaf.value == pytest.approx(510 / 520) and leaf.limit == 1 and leaf.margin == pytest.approx(-10 / 520)
    assert [(e.label, e.value, e.unit) for e in leaf.elements] == [("2023 年", 510e6, "元"), ("2022 年", 520e6, "元")]
    assert (spending.code, spending.verdict, spending.value) == ("F1", "not_met", leaf.value)
    assert (per_student.code, per_student.verdict) == ("F2", "met")
    assert leaf.clause == "二（一）2 经费投入" and leaf.status == "copy"


def test_a_year_without_row_leaves_both_its_pairs_undecided():
    found = check(
        (2020, 500e6, 25_000, 101), (2021, 510e6, 25_000, 102), (2023, 530e6, 25_000, 103), (2024, 540e6, 25_000, 104)
    )
    assert of(found, "F1")["verdict"].to_dict() == {
        2020: "",
        2021: "met",
        2022: "undecided",
        2023: "undecided",
        2024: "met",
    }
    assert found.verdicts == {"F1": "met", "F2": "met"}
    assert of(found, "F1").loc[2023, "reason"] == "缺 2022 年的教育支出"
    assert of(found, "F2").loc[2022, "reason"] == "缺 2022 年的教育支出；缺 2022 年的在校学生人数"
    np.testing.assert_allclose(of(found, "F1")["real"], [NAN, NAN, NAN, 530e6 * 1.04, 540e6])


def test_amounts_before_a_year_without_index_have_no_real_value_and_keep_their_verdict():
    found = check((2021, 500e6, 25_000, 101), (2022, 520e6, 26_000, None), (2023, 530e6, 26_000, 105))
    np.testing.assert_allclose(of(found, "F1")["real"], [NAN, 520e6 * 1.05, 530e6])
    np.testing.assert_allclose(of(found, "F1")["real_change_share"], [NAN, NAN, 53 / 52 / 1.05 - 1])
    assert of(found, "F1")["verdict"].tolist() == ["", "met", "met"]
    without = check_increases(
        money((2022, 1e9, 5e4, 101), (2023, 2e9, 5e4, 101)).drop(columns="price_index"), NATIONAL, year=None
    )
    np.testing.assert_allclose(of(without, "F1")["real"], [NAN, 2e9])


@pytest.mark.parametrize(
    ("year", "verdict"),
    [(2022, "not_met"), (2023, "met"), (None, "met"), (2021, "undecided"), (2024, "undecided"), (2019, "undecided")],
)
def test_the_year_asked_for_is_judged(year, verdict):
    found = check((2021, 600e6, 40_000, None), (2022, 590e6, 40_000, None), (2023, 620e6, 40_000, None), year=year)
    assert found.verdicts["F1"] == verdict
    if verdict == "undecided":
        assert found.nodes()[0].reason == f"没有 {2020 if year == 2021 else year} 年的数据"


def test_after_a_year_of_nothing_the_amounts_are_compared():
    found = check((2022, 0, 26_000, None), (2023, 530e6, 26_000, None))
    leaves = [node.children[0] for node in found.nodes()]
    assert [(leaf.verdict, leaf.value, leaf.margin) for leaf in leaves] == [("met", None, None)] * 2
    assert np.isnan(of(found, "F1").loc[2023, "change_share"])


def test_one_year_or_none_is_undecided():
    one = check((2023, 600e6, 40_000, None))
    assert one.verdicts == {"F1": "undecided", "F2": "undecided"}
    assert one.nodes()[0].reason == "没有 2022 年的数据"
    absent = check_increases(None, NATIONAL, year=2023)
    assert absent.verdicts == {"F1": "undecided", "F2": "undecided"}
    assert absent.nodes()[0].reason == "没有“教育支出表”"
    assert check().nodes()[1].reason == "没有一年的数据"


def test_students_missing_or_none_are_named():
    found = check((2021, 500e6, 0, None), (2022, 520e6, 26_000, None), (2023, 530e6, None, None))
    assert of(found, "F2")["reason"].tolist() == ["", "2021 年在校学生人数为 0，不能相除", "缺 2023 年的在校学生人数"]
    zero = check((2022, 0, 26_000, None), (2023, 530e6, 26_000, None))
    assert of(zero, "F1").loc[2023, "reason"] == "2022 年的教育支出为 0，没有比值，按数额比较"


@pytest.mark.parametrize(("after", "change"), [(600e6, "+0%"), (600e6 - 60, "−0.00001%"), (660e6, "+10%")])
def test_the_smallest_fall_is_not_printed_as_none(after, change):
    found = check((2022, 600e6, 40_000, None), (2023, after, 40_000, None))
    assert of(found, "F1").loc[2023, "reason"] == f"2023 年比上年变动 {change}"


def test_two_rows_of_a_year_and_two_counties_are_refused():
    with pytest.raises(InputError, match="不是一县一年一行") as caught:
        check((2023, 600e6, 40_000, None), (2023, 610e6, 40_000, None))
    assert "2023" in caught.value.found
    two = pd.concat(
        [money((2022, 600e6, 40_000, None)), money((2023, 600e6, 40_000, None)).assign(county_code="990902")]
    )
    with pytest.raises(InputError, match="不是一县一年一行") as caught:
        check_increases(two, NATIONAL, year=None)
    assert caught.value.found == "2 个县"


def test_results_are_plain_data_words_and_pictures():
    found = check((2021, 500e6, 25_000, 101), (2022, 520e6, 26_000, 102), (2023, 510e6, 24_000, None))
    plain = found.to_dict()
    assert plain["year"] == 2023 and plain["verdicts"] == {"F1": "not_met", "F2": "met"} and len(plain["years"]) == 6
    assert plain["years"][0]["previous"] is None and found.tidy().equals(found.table)
    assert "2023 年比上年变动 +6.25%" in found.summary()
    with speaking("en"):
        assert "2023: +6.25% against the year before" in check((2022, 4e8, 2e4, 101), (2023, 425e6, 2e4, 101)).summary()
    assert found.plot() is not None
    plt.close("all")


amounts = st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 10**5)), min_size=2, max_size=6)


@settings(max_examples=25, deadline=None)
@given(amounts=amounts, factor=st.integers(2, 9), index=st.floats(80, 120), data=st.data())
def test_order_and_unit_say_nothing_and_prices_decide_nothing(amounts, factor, index, data):
    rows = [(2015 + at, float(spending), float(students), None) for at, (spending, students) in enumerate(amounts)]
    found = check(*rows)
    pd.testing.assert_frame_equal(found.table, check(*data.draw(st.permutations(rows))).table)
    scaled = check(*((year, factor * spending, students, index) for year, spending, students, _ in rows))
    assert scaled.table["verdict"].tolist() == found.table["verdict"].tolist()
    more = check(*rows[:-1], (rows[-1][0], rows[-1][1] * 2, rows[-1][2], None))
    assert not (found.verdicts["F1"] == "met" and more.verdicts["F1"] != "met")
