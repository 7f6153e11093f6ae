"""Statistics refuse in words what they cannot compute, and say what the docstrings say in the limiting cases."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from qbresearch.errors import InputError
from qbresearch.results.resources.dispersion import (
    compare_groups,
    measure_dispersion,
    unit_groups,
)
from qbresearch.results.resources.indicators import IndicatorTable
from qbresearch.rules.standards import load_standard
from qbresearch.statistics.dispersion import (
    between_within,
    coefficient_of_variation,
    composite_coefficient_of_variation,
    grouped_moments,
    weighted_mean,
    weighted_standard_deviation,
)

NAN = float("nan")
NATIONAL = load_standard("national-2017", on=date(2023, 9, 1))


def split_in_two(values, students=None):
    """The decomposition in the form of the other statistics."""
    return between_within(values, students, ["城区", "乡村"] * (len(values) // 2) + ["城区"] * (len(values) % 2))


NAMES = {
    weighted_mean: "加权均值",
    weighted_standard_deviation: "加权标准差",
    coefficient_of_variation: "差异系数",
    split_in_two: "差异系数分解",
}
every_statistic = pytest.mark.parametrize("statistic", NAMES, ids=lambda f: f.__name__)


def refusal(statistic, *arguments) -> str:
    with pytest.raises(InputError) as caught:
        statistic(*arguments)
    return str(caught.value)


# --- refusals -------------------------------------------------------------------------------------------------------


@every_statistic
@pytest.mark.parametrize(("values", "count"), [([1, NAN, 3], 1), ([NAN, NAN, 3], 2), ([1, float("inf"), NAN], 2)])
def test_missing_values_are_counted_in_the_refusal(statistic, values, count) -> None:
    message = refusal(statistic, values, [10, 20, 30])
    assert f"3 所学校中 {count} 所没有数值" in message
    assert NAMES[statistic] in message and "缺失" in message and "剔除" in message


@every_statistic
@pytest.mark.parametrize(
    "students", [[10, NAN, 30], [10, -1, 30], [0, 0, 0], [10, float("inf"), 30]],
    ids=["missing", "negative", "none", "infinite"],
)
def test_bad_student_numbers_are_refused_by_name(statistic, students) -> None:
    message = refusal(statistic, [1, 2, 3], students)
    assert "学生数" in message and NAMES[statistic] in message
    assert "不小于 0" in message and "核对在校学生数" in message


@every_statistic
@pytest.mark.parametrize(("values", "students"), [([1, 2, 3], [10, 20]), ([[1, 2], [3, 4]], [[1, 1], [1, 1]])])
def test_arrays_that_do_not_match_are_refused_with_their_shapes(statistic, values, students) -> None:
    message = refusal(statistic, values, students)
    assert "形状" in message and str(np.shape(values)) in message and str(np.shape(students)) in message


@every_statistic
def test_a_county_without_schools_is_refused(statistic) -> None:
    assert "至少一所学校" in refusal(statistic, [], [])


@pytest.mark.parametrize("statistic", [coefficient_of_variation, split_in_two], ids=lambda f: f.__name__)
@pytest.mark.parametrize("values", [[0, 0, 0], [-1, 0, 0]], ids=["all zero", "negative"])
def test_a_mean_that_is_not_positive_is_refused(statistic, values) -> None:
    message = refusal(statistic, values, [10, 20, 30])
    assert "均值不大于零" in message and "均值大于 0" in message and "核对数据" in message


def test_the_refused_mean_is_stated() -> None:
    assert "均值 0\n" in refusal(coefficient_of_variation, [0, 0], [1, 1])
    assert "均值 -0.5" in refusal(coefficient_of_variation, [-1, 0], [1, 1])


def test_a_school_without_group_is_refused_with_the_count() -> None:
    message = refusal(between_within, [1, 2, 3], [1, 1, 1], ["城区", None, NAN])
    assert "2 所没有分组" in message and "城乡" in message


@pytest.mark.parametrize(
    "cvs", [[], [0.3, NAN], [0.3, -0.1], [[0.3, 0.4]]], ids=["empty", "missing", "negative", "two-dimensional"]
)
def test_a_composite_is_never_taken_over_fewer_indicators(cvs) -> None:
    message = refusal(composite_coefficient_of_variation, cvs)
    assert "综合差异系数" in message and "缺一项就不能合成" in message


def test_every_refusal_says_what_where_found_expected_and_how_to_put_it_right() -> None:
    for message in (
        refusal(weighted_mean, [1, NAN], [1, 1]),
        refusal(weighted_mean, [1, 1], [0, 0]),
        refusal(weighted_mean, [], []),
        refusal(coefficient_of_variation, [0], [1]),
        refusal(between_within, [1], [1], [None]),
        refusal(composite_coefficient_of_variation, []),
    ):
        assert [line.split("：")[0].strip() for line in message.splitlines()[1:]] == ["位置", "看到", "应为", "办法"]


# --- limiting cases -------------------------------------------------------------------------------------------------


def test_one_school_has_its_value_and_no_dispersion() -> None:
    assert weighted_mean([4.2], [120]) == 4.2
    assert weighted_standard_deviation([4.2], [120]) == 0
    assert coefficient_of_variation([4.2], [120]) == 0
    assert between_within([4.2], [120], ["城区"]) == (0, 0)
    assert composite_coefficient_of_variation([0.31]) == 0.31


def test_equal_schools_do_not_differ() -> None:
    assert weighted_mean([2, 2, 2], [1, 2, 3]) == 2
    assert weighted_standard_deviation([2, 2, 2], [1, 2, 3]) == 0
    assert coefficient_of_variation([2, 2, 2], [1, 2, 3]) == 0
    assert between_within([2, 2, 2], [1, 2, 3], list("甲乙甲")) == (0, 0)


def test_a_zero_value_counts_and_a_school_without_students_does_not() -> None:
    assert weighted_mean([0, 4], [50, 50]) == 2
    assert coefficient_of_variation([0, 4], [50, 50]) == 1
    assert coefficient_of_variation([0, 4, 99], [50, 50, 0]) == 1
    assert composite_coefficient_of_variation([0, 0.5]) == 0.25


def test_the_deviation_has_the_divisor_of_a_population_and_the_weights_of_students() -> None:
    # Mean 4, deviations 1 and 3, weights 3/4 and 1/4: variance 3/4 + 9/4 = 3.
    assert weighted_mean([3, 7], [300, 100]) == 4
    assert weighted_standard_deviation([3, 7], [300, 100]) == pytest.approx(3**0.5, rel=1e-15)
    assert coefficient_of_variation([3, 7], [300, 100]) == pytest.approx(3**0.5 / 4, rel=1e-15)
    assert coefficient_of_variation([3, 7]) == pytest.approx(2 / 5, rel=1e-15)


def test_the_mean_of_zeros_is_zero_and_has_no_deviation() -> None:
    assert weighted_mean([0, 0], [1, 1]) == 0
    assert weighted_standard_deviation([0, 0], [1, 1]) == 0


def test_parts_between_and_within_two_groups_by_hand() -> None:
    # Groups 2, 4 (mean 3) and 6, 8 (mean 7); overall mean 5: between 4/25, within 1/25.
    between, within = between_within([2, 4, 6, 8], [10, 10, 10, 10], list("甲甲乙乙"))
    assert between == pytest.approx(4 / 25, rel=1e-15)
    assert within == pytest.approx(1 / 25, rel=1e-15)


# --- groups and tables ----------------------------------------------------------------------------------------------


def test_a_group_with_a_missing_value_is_refused_and_the_others_are_not() -> None:
    values = np.array([[1.0], [3.0], [NAN], [5.0], [0.0], [0.0], [7.0]])
    moments = grouped_moments(values, np.ones(7), np.array([0, 0, 1, 1, 2, 2, 3]), 4)
    np.testing.assert_array_equal(moments.schools, [2, 2, 2, 1])
    np.testing.assert_array_equal(moments.mean[:, 0], [2, NAN, 0, 7])
    np.testing.assert_array_equal(moments.cv[:, 0], [0.5, NAN, NAN, 0])
    np.testing.assert_array_equal(moments.missing[:, 0], [0, 1, 0, 0])


def keys(*rows: tuple) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["county_code", "school_year", "stage", "location"])
    return frame.assign(stage=pd.Categorical(frame["stage"], categories=["primary", "junior"]), county_name="例县")


def test_groups_are_numbered_in_the_order_of_keys_with_stages_as_the_standard_has_them() -> None:
    groups, units = unit_groups(keys(
        ("B", 2023, "junior", "town"), ("A", 2024, "primary", "town"), ("B", 2023, "primary", "rural"),
        ("A", 2023, "primary", "town"), ("B", 2023, "junior", "rural"),
    ))
    assert groups.tolist() == [3, 1, 2, 0, 3]
    assert units[["county_code", "school_year", "stage"]].astype(str).agg("/".join, axis=1).tolist() == [
        "A/2023/primary", "A/2024/primary", "B/2023/primary", "B/2023/junior",
    ]
    assert units["county_name"].eq("例县").all()


def table(*rows: tuple, values) -> IndicatorTable:
    """An indicator table whose seven indicators all have the values given, one school a row."""
    n = len(rows)
    x = np.repeat(np.asarray(values, dtype=float)[:, None], 7, axis=1)
    students = np.full(n, 100.0)
    scale = np.array([i.scale for i in NATIONAL.indicators])
    return IndicatorTable(keys(*rows), students, x * students[:, None] / scale, x, np.ones(n), NATIONAL)


TOWN, RURAL = ("A", 2023, "primary", "town"), ("A", 2023, "primary", "rural")


def test_the_table_of_a_county_says_why_a_value_is_absent_or_trivial() -> None:
    units = measure_dispersion(table(
        TOWN, RURAL, ("A", 2023, "junior", "town"), ("B", 2023, "primary", "town"), ("B", 2023, "primary", "rural"),
        ("C", 2023, "primary", "town"), ("C", 2023, "primary", "rural"), values=[1, 3, 5, NAN, 2, 0, 0],
    ))
    rows = units.table[units.table["indicator"] == "L3"].reset_index(drop=True)
    assert rows["remark"].tolist() == ["", "仅一所学校", "1 所学校缺数据", "各校均为零，差异系数没有意义"]
    np.testing.assert_array_equal(rows["cv"], [0.5, 0, NAN, NAN])
    np.testing.assert_array_equal(units.composite["cv"], [0.5, 0, NAN, NAN])
    assert rows["schools"].tolist() == [2, 1, 2, 2] and rows["students"].tolist() == [200, 100, 200, 200]
    assert len(units.table) == 4 * 7


def test_groups_of_a_county_stand_beside_the_parts_of_its_dispersion() -> None:
    groups = compare_groups(table(TOWN, TOWN, RURAL, RURAL, values=[2, 4, 6, 8]))
    rows = groups[groups["indicator"] == "L1"].set_index("group")
    assert rows.loc["town", ["schools", "mean"]].tolist() == [2, 3]
    assert rows.loc["rural", ["schools", "mean"]].tolist() == [2, 7]
    assert rows["between"].to_numpy() == pytest.approx([4 / 25] * 2, rel=1e-14)
    assert rows["within"].to_numpy() == pytest.approx([1 / 25] * 2, rel=1e-14)


def test_the_parts_are_absent_while_a_value_is_missing_and_the_complete_group_is_still_shown() -> None:
    groups = compare_groups(table(TOWN, TOWN, RURAL, RURAL, values=[2, 4, 6, NAN]))
    rows = groups[groups["indicator"] == "L1"].set_index("group")
    assert rows[["between", "within"]].isna().all(axis=None)
    assert rows.loc["town", "mean"] == 3 and np.isnan(rows.loc["rural", "mean"]) and rows.loc["rural", "missing"] == 1


def test_a_table_in_which_a_school_has_no_group_is_refused_in_words() -> None:
    with pytest.raises(InputError, match="分组"):
        compare_groups(table(TOWN, RURAL, ("A", 2023, "primary", None), values=[1, 2, 3]))


def test_a_school_without_group_is_never_counted_in_the_group_of_another_year() -> None:
    later = ("A", 2024, "primary", None)
    with pytest.raises(InputError, match="分组"):
        measure_dispersion(table(TOWN, RURAL, later, values=[1, 2, 3]), by=("school_year", "location"))


def test_the_largest_coefficient_is_named() -> None:
    assert "0.500（2 所学校）" in measure_dispersion(table(TOWN, RURAL, values=[1, 3])).summary()
    assert "没有一项" in measure_dispersion(table(TOWN, RURAL, values=[1, NAN])).summary()
