"""Verdicts on schools and counties of a few hand-made schools, with the reasons, margins and shortfalls they state."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from qbresearch.errors import InputError
from qbresearch.results.resources.attainment import (
    AttainmentResult,
    assess,
    at_least,
    at_most,
    round_half_up,
)
from qbresearch.results.resources.indicators import IndicatorTable
from qbresearch.results.resources.needs import sum_shortfalls
from qbresearch.rules.standards import COMPOSITE_CV, CV, Standard, load_standard

NAN = float("nan")
ON = date(2023, 9, 1)
NATIONAL = load_standard("national-2017", on=ON)
BASIC = load_standard("basic-2012", on=ON)
CODES = [i.code for i in NATIONAL.indicators]
PRIMARY = {"L1": 4.2, "L2": 1.0, "L3": 0.9, "L4": 4.5, "L5": 7.5, "L6": 2000.0, "L7": 2.3}
JUNIOR = {"L1": 5.3, "L2": 1.0, "L3": 0.9, "L4": 5.8, "L5": 10.2, "L6": 2500.0, "L7": 2.4}


def primary(**values: float) -> dict[str, float]:
    """A primary school exactly at every threshold but for the values given."""
    return PRIMARY | values


def table_of(*schools: dict[str, float], students: float | list[float] = 1000.0, stage: str | list[str] = "primary",
             county: str | list[str] = "990001", standard: Standard = NATIONAL) -> IndicatorTable:
    n = len(schools)
    values = np.array([list(s.values()) for s in schools], dtype=float)
    people = np.broadcast_to(np.asarray(students, dtype=float), n).copy()
    stages = [stage] * n if isinstance(stage, str) else stage
    scale = np.array([i.scale for i in standard.indicators])
    keys = pd.DataFrame({
        "county_code": [county] * n if isinstance(county, str) else county, "county_name": "例县", "school_year": 2023,
        "stage": pd.Categorical(stages, categories=["primary", "junior"]),
        "school_code": [f"{i:010d}" for i in range(1, n + 1)], "school_name": [f"第{i}小学" for i in range(1, n + 1)],
    })
    return IndicatorTable(keys, people, values * people[:, None] / scale, values, np.ones(n), standard)


def school_row(result: AttainmentResult, row: int = 0) -> pd.Series:
    return result.school_table().iloc[row]


def county_row(result: AttainmentResult, row: int = 0) -> pd.Series:
    return result.county_table().iloc[row]


def indicator_row(result: AttainmentResult, code: str, row: int = 0) -> pd.Series:
    tidy = result.tidy()
    return tidy[tidy["indicator"] == code].iloc[row]


# --- comparisons and rounding ---------------------------------------------------------------------------------------


def test_binary_noise_does_not_decide() -> None:
    assert 9 / 1000 * 100 < 0.9 and at_least(9 / 1000 * 100, 0.9)
    assert 0.1 + 0.2 > 0.3 and at_most(0.1 + 0.2, 0.3)
    assert not at_least(4.1999999, 4.2) and not at_most(0.5000001, 0.5)
    assert at_least(np.array([4.2, 4.1, NAN]), 4.2).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("value", "decimals", "rounded"),
    [(0.501787, 2, 0.5), (0.505, 2, 0.51), (2.675, 2, 2.68), (1.005, 2, 1.01), (0.125, 2, 0.13), (-0.125, 2, -0.13),
     (2.5, 0, 3), (0, 2, 0)],
)
def test_halves_are_rounded_as_taught_in_school(value, decimals, rounded) -> None:
    assert round_half_up(value, decimals) == rounded


# --- a school -------------------------------------------------------------------------------------------------------


def test_a_school_exactly_at_every_threshold_passes() -> None:
    result = assess(table_of(primary()))
    row = school_row(result)
    assert (row["verdict"], row["met"], row["missing"], row["below_floor"]) == ("met", 7, 0, 0)
    assert row["reason"] == "7 项中 7 项达标"
    assert indicator_row(result, "L1")[["threshold", "ratio", "margin", "shortfall"]].tolist() == [4.2, 1, 0, 0]
    assert indicator_row(result, "L1")["clause"] == "资源配置"


def test_junior_schools_are_judged_by_their_own_thresholds() -> None:
    result = assess(table_of(primary(), JUNIOR, stage=["primary", "junior"]))
    assert result.school_table()["verdict"].tolist() == ["met", "met"]
    result = assess(table_of(primary(), stage="junior"))
    assert school_row(result)["met"] == 2 and school_row(result)["verdict"] == "not_met"


@pytest.mark.parametrize(
    ("changes", "verdict", "met", "below", "reason"),
    [
        ({"L7": 2.0}, "met", 6, 0, "7 项中 6 项达标"),
        ({"L7": 0.85 * 2.3}, "met", 6, 0, "7 项中 6 项达标"),
        ({"L7": 0.85 * 2.3 - 1e-6}, "not_met", 6, 1, "7 项中 6 项达标；网络多媒体教室为标准的 85%，低于 85%"),
        ({"L7": 0.0}, "not_met", 6, 1, "7 项中 6 项达标；网络多媒体教室为标准的 0%，低于 85%"),
        ({"L7": 2.2, "L6": 1900.0}, "not_met", 5, 0, "7 项中 5 项达标，少于 6 项"),
        ({"L7": 2.2, "L6": 100.0}, "not_met", 5, 1, "7 项中 5 项达标，少于 6 项；教学仪器设备值为标准的 5%，低于 85%"),
        ({"L7": NAN}, "undecided", 6, 0, "7 项中 6 项达标；缺 1 项数据"),
        ({"L7": NAN, "L6": 1900.0}, "undecided", 5, 0, "7 项中 5 项达标；缺 1 项数据"),
        ({"L7": NAN, "L6": 1000.0}, "not_met", 5, 1, "7 项中 5 项达标；教学仪器设备值为标准的 50%，低于 85%；缺 1 项数据"),
        ({"L7": NAN, "L6": 1900.0, "L5": 7.0}, "not_met", 4, 0, "7 项中 4 项达标，少于 6 项；缺 1 项数据"),
        (dict.fromkeys(CODES, NAN), "undecided", 0, 0, "7 项中 0 项达标；缺 7 项数据"),
    ],
)
def test_six_of_seven_and_none_below_the_floor(changes, verdict, met, below, reason) -> None:
    row = school_row(assess(table_of(primary(**changes))))
    assert (row["verdict"], row["met"], row["below_floor"], row["reason"]) == (verdict, met, below, reason)
    assert row["missing"] == sum(np.isnan(v) for v in changes.values())


def test_what_a_school_lacks_is_stated_in_people_and_things() -> None:
    result = assess(table_of(primary(L1=3.7, L4=4.0, L6=1500), students=500))
    assert indicator_row(result, "L1")[["margin", "shortfall"]].tolist() == pytest.approx([-0.5, 2.5])
    assert indicator_row(result, "L4")[["margin", "shortfall"]].tolist() == pytest.approx([-0.5, 250])
    assert indicator_row(result, "L6")[["margin", "shortfall"]].tolist() == pytest.approx([-500, 250_000])
    assert indicator_row(result, "L6")["counted"] == "元"


def test_people_and_things_are_rounded_up_school_by_school_and_areas_are_not() -> None:
    result = assess(table_of(primary(L1=3.7, L4=4.0), students=500))
    assert indicator_row(result, "L1")["whole_shortfall"] == 3
    assert np.isnan(indicator_row(result, "L4")["whole_shortfall"])
    assert indicator_row(result, "L2")["whole_shortfall"] == 0
    assert indicator_row(result, "L1")["one_unit"] == pytest.approx(0.2)
    assert np.isnan(indicator_row(result, "L6")["one_unit"])


def test_what_makes_a_verdict_fragile_is_named() -> None:
    result = assess(table_of(primary(L1=4.196, L2=1.1, L4=4.496), students=500))
    assert indicator_row(result, "L1")["fragile_by"] == "取整、增减一个单位"
    assert indicator_row(result, "L2")["fragile_by"] == "增减一个单位"
    assert indicator_row(result, "L4")["fragile_by"] == "取整"
    assert indicator_row(result, "L6")["fragile_by"] == ""


def test_schools_of_one_name_stay_apart_in_the_attainment_map() -> None:
    table = table_of(primary(), primary(L1=1.0))
    table = replace(table, keys=table.keys.assign(school_name="同名小学"))
    drawn = assess(table).attainment_map()
    assert drawn["school"].nunique() == 2
    assert assess(table).attainment_map(most=1)["ratio"].min() < 1


def test_nothing_to_judge_is_refused() -> None:
    table = table_of(primary())
    with pytest.raises(InputError, match="没有一所学校可以判定"):
        assess(table.select(np.array([False])))


def test_binary_noise_below_a_threshold_is_met_and_lacks_nothing() -> None:
    row = indicator_row(assess(table_of(primary(L4=4.5 * (1 - 1e-14)))), "L4")
    assert row["value"] < 4.5 and row[["verdict", "shortfall"]].tolist() == ["met", 0]


def test_shortfalls_of_schools_are_added_up_and_missing_ones_are_counted_apart() -> None:
    table = table_of(primary(L1=3.7), primary(L1=4.0), primary(L1=9.0), primary(L1=NAN), students=[500, 1000, 100, 70])
    needs = sum_shortfalls(assess(table)).set_index("indicator")
    assert needs.loc["L1", "shortfall"] == pytest.approx(2.5 + 2.0)
    assert needs.loc["L1", ["schools", "undecided"]].tolist() == [2, 1]
    assert needs.loc["L2", ["schools", "shortfall", "undecided"]].tolist() == [0, 0, 0]
    assert len(needs) == 7


@pytest.mark.parametrize(
    ("values", "students", "fragile"),
    [
        ({"L1": 4.196}, 10_000, True),  # 4.20 when rounded
        ({"L1": 4.19}, 300, True),  # one teacher more
        ({"L1": 4.19}, 50_000, False),
        ({"L1": 4.25}, 1000, True),  # one teacher less
        ({"L1": 4.35}, 1000, False),
        ({"L4": 4.49}, 1, False),  # square metres are not counted one by one
        ({"L4": 4.496}, 1, True),
        ({"L1": NAN}, 300, False),
    ],
)
def test_an_indicator_is_fragile_where_rounding_or_one_person_turns_it(values, students, fragile) -> None:
    (code,) = values
    assert indicator_row(assess(table_of(primary(**values), students=students)), code)["fragile"] == fragile


def test_one_more_thing_of_a_combined_school_counts_only_with_its_share() -> None:
    table = table_of(primary(L7=2.25), students=1000)
    assert indicator_row(assess(table), "L7")["fragile"]  # 22.5 rooms, 23 are needed
    shared = replace(table, shares=np.array([0.4]))
    assert not indicator_row(assess(shared), "L7")["fragile"]  # one room more is 0.4 here


def test_a_school_is_fragile_only_where_its_own_verdict_turns() -> None:
    comfortable = {c: 2 * v for c, v in PRIMARY.items()}
    assert not school_row(assess(table_of(comfortable | {"L1": 4.25})))["fragile"]  # still six of seven
    assert school_row(assess(table_of(comfortable | {"L1": 4.25, "L2": 0.95})))["fragile"]  # five with one teacher less


# --- a county -------------------------------------------------------------------------------------------------------


def test_a_county_of_equal_good_schools_passes() -> None:
    row = county_row(assess(table_of(primary(), primary(), primary())))
    assert row[["schools", "schools_met", "schools_not_met", "schools_undecided"]].tolist() == [3, 3, 0, 0]
    assert row[["schools_verdict", "cv_verdict", "composite_verdict", "verdict"]].tolist() == ["met", "met", "", "met"]
    assert row["largest_cv"] == pytest.approx(0, abs=1e-15)


FAR = primary(L6=2000 * 20)  # with one school at 2000 this gives a coefficient of variation of 0.905


@pytest.mark.parametrize(
    ("schools", "schools_verdict", "cv_verdict", "verdict"),
    [
        ([primary(), primary(L1=1.0, L2=0.9)], "not_met", "not_met", "not_met"),
        ([primary(L1=4.0, L2=0.9), primary(L1=4.0, L2=0.9)], "not_met", "met", "not_met"),
        ([primary(), FAR], "met", "not_met", "not_met"),
        ([primary(), primary(L7=NAN)], "undecided", "undecided", "undecided"),
        ([primary(L1=NAN), FAR], "undecided", "not_met", "not_met"),
        ([primary(L1=NAN), primary(L2=0.5, L3=0.6)], "not_met", "undecided", "not_met"),
    ],
)
def test_one_part_not_met_decides_and_otherwise_one_open_part_leaves_the_county_open(
    schools, schools_verdict, cv_verdict, verdict
) -> None:
    row = county_row(assess(table_of(*schools)))
    assert row[["schools_verdict", "cv_verdict", "verdict"]].tolist() == [schools_verdict, cv_verdict, verdict]


def test_a_missing_value_leaves_only_its_own_coefficient_open() -> None:
    result = assess(table_of(primary(L7=NAN), primary(L6=6000)))
    rows = result.dispersion_table().set_index("indicator")
    assert rows["verdict"].to_dict() == dict.fromkeys(CODES, "met") | {"L7": "undecided"}
    assert rows.loc["L7", "missing"] == 1 and rows.loc["L7", "remark"] == "1 所学校缺数据"
    # Mean 4000, deviation 2000: exactly at the cap of 0.50.
    assert rows.loc["L6", ["cv", "cap", "margin", "clause"]].tolist() == [0.5, 0.5, 0, "资源配置 校际差异系数"]
    row = county_row(result)
    assert row[["cv_over_cap", "cv_undecided"]].tolist() == [0, 1]
    assert row[["largest_cv", "largest_cv_label"]].tolist() == [0.5, "教学仪器设备值"]


def test_the_cap_of_junior_schools_is_lower() -> None:
    schools = [JUNIOR, JUNIOR | {"L6": 2500 * 2.8}]  # coefficient 0.474
    assert county_row(assess(table_of(*schools, stage="junior")))["cv_verdict"] == "not_met"
    assert county_row(assess(table_of(*schools)))["cv_verdict"] == "met"


def test_larger_schools_weigh_more_in_the_coefficient() -> None:
    result = assess(table_of(primary(), primary(L6=6000), students=[3000, 1000])).dispersion_table()
    row = result[result["indicator"] == "L6"].iloc[0]
    # Mean 3000, variance 3/4 * 1000² + 1/4 * 3000² = 3 000 000.
    assert row[["mean", "sd", "cv"]].tolist() == pytest.approx([3000, 3_000_000**0.5, 3**0.5 / 3])
    assert row["verdict"] == "not_met"


def test_a_county_with_one_school_has_nothing_to_differ_from_and_says_so() -> None:
    result = assess(table_of(primary()))
    assert result.dispersion_table()[["cv", "remark", "verdict"]].to_numpy().tolist() == [[0, "仅一所学校", "met"]] * 7
    assert county_row(result)["verdict"] == "met"


def test_a_county_in_which_no_school_has_any_is_left_open_in_that_indicator() -> None:
    result = assess(table_of(primary(L2=0.0), primary(L2=0.0)))
    row = result.dispersion_table().set_index("indicator").loc["L2"]
    assert row[["verdict", "remark", "missing"]].tolist() == ["undecided", "各校均为零，差异系数没有意义", 0]
    assert county_row(result)["verdict"] == "not_met"


def test_a_coefficient_is_fragile_where_two_decimals_would_turn_it() -> None:
    # Two schools m - s and m + s have the coefficient s / m.
    result = assess(table_of(primary(L4=10 - 5.01787), primary(L4=10 + 5.01787)))
    row = result.dispersion_table().set_index("indicator").loc["L4"]
    assert (row["verdict"], row["fragile"]) == ("not_met", True)
    result = assess(table_of(primary(L4=10 - 5.2), primary(L4=10 + 5.2)))
    row = result.dispersion_table().set_index("indicator").loc["L4"]
    assert (row["verdict"], row["fragile"]) == ("not_met", False)


def test_a_coefficient_is_fragile_where_one_teacher_in_one_school_would_turn_it() -> None:
    # 2 and 6 of 400 students: exactly 0.5; one less in the first school is over the cap.
    table = table_of(primary(L2=0.5), primary(L2=1.5), students=400)
    row = assess(table).dispersion_table().set_index("indicator").loc["L2"]
    assert (row["cv"], row["verdict"], row["fragile"]) == (0.5, "met", True)
    row = assess(replace(table, numerators=100 * table.numerators, students=100 * table.students))
    row = row.dispersion_table().set_index("indicator").loc["L2"]
    assert (row["cv"], row["verdict"], row["fragile"]) == (0.5, "met", True)  # still exactly at the cap
    far = assess(table_of(primary(L2=0.8), primary(L2=1.2), students=4000)).dispersion_table().set_index("indicator")
    assert not far.loc["L2", "fragile"]


def test_counties_and_stages_are_judged_apart() -> None:
    result = assess(table_of(primary(), FAR, JUNIOR, primary(), county=["A", "A", "A", "B"],
                             stage=["primary", "primary", "junior", "primary"]))
    rows = result.county_table()
    assert rows[["county_code", "stage"]].astype(str).agg("/".join, axis=1).tolist() == [
        "A/primary", "A/junior", "B/primary",
    ]
    assert rows["verdict"].tolist() == ["not_met", "met", "met"]
    assert "3 个县域学段中 2 个达标" in result.summary() and "达标 4 校" in result.summary()


# --- standards that judge less ----------------------------------------------------------------------------------------


def test_basic_balance_judges_only_the_composite() -> None:
    eight = {i.code: 1.0 for i in BASIC.indicators}
    wide = {code: 5.0 for code in eight}  # two schools 1 and 5: every coefficient 2/3, over 0.65
    result = assess(table_of(eight, wide, standard=BASIC))
    row = county_row(result)
    assert row[["schools_verdict", "cv_verdict"]].tolist() == ["", ""]
    assert row[["composite_verdict", "verdict"]].tolist() == ["not_met", "not_met"]
    assert row["composite_cv"] == pytest.approx(2 / 3)
    assert result.school_table()["verdict"].eq("").all() and result.school_table()["reason"].eq("").all()
    gap = assess(table_of(eight, wide | {"B5": NAN}, standard=BASIC))
    assert county_row(gap)[["composite_verdict", "verdict"]].tolist() == ["undecided", "undecided"]
    near = assess(table_of(eight, eight, standard=BASIC))
    assert county_row(near)[["composite_verdict", "verdict"]].tolist() == ["met", "met"]


def test_an_indicator_set_without_limits_gives_numbers_and_no_verdicts() -> None:
    standard = load_standard("california-1999", on=date(1999, 1, 1))
    table = table_of({"C1": 5.0, "C2": 10.0, "C3": 5000.0}, {"C1": 6.0, "C2": 0.0, "C3": NAN}, standard=standard)
    keys = table.keys.assign(stage=pd.Categorical(["all"] * 2, categories=["all"]))
    result = assess(replace(table, keys=keys))
    assert not standard.thresholds and not standard.caps and not standard.rules
    for frame, column in ((result.tidy(), "verdict"), (result.school_table(), "verdict"),
                          (result.dispersion_table(), "verdict"), (result.county_table(), "verdict"),
                          (result.county_table(), "schools_verdict"), (result.county_table(), "cv_verdict"),
                          (result.county_table(), "composite_verdict")):
        assert frame[column].eq("").all()
    assert not result.tidy()["fragile"].any() and not result.dispersion_table()["fragile"].any()
    assert result.dispersion_table()["cv"].round(3).tolist()[:2] == [0.091, 1.0]
    assert result.tidy()["threshold"].isna().all() and not len(sum_shortfalls(result))
    assert "无标准 2 校" in result.summary()


def test_both_statistics_have_their_own_caps() -> None:
    assert NATIONAL.cap(CV, "primary").value == 0.5 and NATIONAL.cap(COMPOSITE_CV, "primary") is None
    assert BASIC.cap(CV, "primary") is None and BASIC.cap(COMPOSITE_CV, "junior").value == 0.55


# --- the result as data -----------------------------------------------------------------------------------------------


def test_the_result_gives_tables_and_plain_data_of_the_same_size() -> None:
    result = assess(table_of(primary(), FAR))
    assert len(result.tidy()) == 14 and len(result.dispersion_table()) == 7
    plain = result.to_dict()
    assert plain["standard"] == "national-2017"
    assert [len(plain[k]) for k in ("counties", "dispersion", "schools")] == [1, 7, 2]


def test_the_attainment_map_can_be_drawn() -> None:
    axes = assess(table_of(primary(), primary(L7=NAN))).plot()
    assert axes.get_figure() is not None
    plt.close("all")
