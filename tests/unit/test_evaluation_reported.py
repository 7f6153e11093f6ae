"""Q9 by the values that monitoring reports: which subjects count, from which years, and what is missing."""

from __future__ import annotations

from datetime import date

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from evaluation_data import COUNTY, YEAR, county, report_row, school
from hypothesis import given, settings
from hypothesis import strategies as st

from qbresearch.errors import InputError
from qbresearch.language import speaking
from qbresearch.results.evaluation.reported import ReportedResult, judge_reported
from qbresearch.rules.evaluations import load_evaluation

NATIONAL = load_evaluation("national-2017", on=date(2023, 9, 1))
BY_SCHEME = NATIONAL.choose({"Q9_subjects": "scheme"})
SIX = ("chinese", "mathematics", "science", "physical_education", "arts", "moral_education")
NINE = {*SIX, "english", "labour", "mental_health"}
GRADES = ("4", "8")


def full(level: str | None = "3", rate: float | None = 0.149, subjects=SIX, **cells: object) -> list[dict[str, object]]:
    """Every subject in both grades, all alike."""
    return [report_row(subject, grade, level, rate, **cells) for subject in subjects for grade in GRADES]


def judge(rows, evaluation=NATIONAL, year: int = YEAR) -> ReportedResult:
    return judge_reported(county(school("1000000001"), tables={"county-report": rows}, year=year), evaluation)


def one(level: str | None, rate: float | None) -> ReportedResult:
    """Mathematics in grade four as given, everything else in order."""
    rows = [row for row in full() if (row["subject"], row["grade"]) != ("mathematics", "4")]
    return judge([*rows, report_row("mathematics", "4", level, rate)])


@pytest.mark.parametrize(
    ("level", "rate", "verdict", "leaves"),
    [
        ("3", 0.149, "met", ("met", "met")),
        ("4", 0.0, "met", ("met", "met")),
        ("3", 0.15, "not_met", ("met", "not_met")),  # below does not include the limit
        ("3", 0.1 + 0.05, "not_met", ("met", "not_met")),  # nor does binary noise
        ("2", 0.1, "not_met", ("not_met", "met")),
        ("1", None, "not_met", ("not_met", "undecided")),
        (None, 0.1, "undecided", ("undecided", "met")),
        ("3", None, "undecided", ("met", "undecided")),
    ],
)
def test_level_three_is_reached_and_the_rate_is_strictly_below(level, rate, verdict, leaves):
    found = one(level, rate)
    node = found.node()
    assert (found.verdict, node.verdict) == (verdict, verdict)
    assert (node.find("Q9_level").verdict, node.find("Q9_rate").verdict) == leaves
    table = found.subjects_table().set_index(["subject", "grade"])
    assert table.loc[("mathematics", "4"), "verdict"] == verdict
    assert set(table.drop(("mathematics", "4"))["verdict"]) == {"met"} and len(table) == 12
    if verdict != "met":
        assert "12 个学科与年级中 1 个" in node.reason and "数学（四年级）" in node.reason


def test_the_margin_is_the_worst_and_every_value_is_an_element():
    node = one("2", 0.21).node()
    level, rate = node.find("Q9_level"), node.find("Q9_rate")
    assert (level.margin, level.limit, level.comparison) == (-1, 3, "at_least")
    assert rate.margin == pytest.approx(-0.06) and rate.comparison == "below"
    assert len(rate.elements) == 12 and rate.elements[0].place == "2023 学年"
    assert rate.option.startswith("“相关科目”是哪些：取六科")


@pytest.mark.parametrize("rate", [12.8, 1.01, -0.1])
def test_a_rate_that_is_no_share_is_refused_with_the_fix(rate):
    with pytest.raises(InputError, match="校际差异率不在 0 至 1 之间") as caught:
        one("3", rate)
    assert f"{rate:g}" in caught.value.found and "除以 100" in caught.value.fix


@pytest.mark.parametrize(
    ("year", "verdict"),
    [(YEAR, "met"), (YEAR - 1, "met"), (YEAR - 2, "met"), (YEAR - 3, "undecided"), (YEAR + 1, "undecided")],
)
def test_a_subject_counts_with_the_report_of_its_year_of_the_cycle(year, verdict):
    rows = [*full(subjects=SIX[1:]), *full(subjects=SIX[:1], school_year=year, cycle=year + 1)]
    found = judge(rows)
    assert found.verdict == verdict
    assert (found.first_year, found.last_year) == (2021, 2023)
    if verdict == "met":
        assert found.subjects_table()["school_year"].iloc[0] == year
    else:
        assert "在 2021—2023 学年没有报告：语文" in found.node().reason


def test_a_report_that_is_silent_is_told_apart_from_no_report():
    silent = full("3", None, subjects=SIX[:1])
    node = judge([*silent, *full(subjects=SIX[2:])]).node()
    assert "的报告未给出校际差异率：语文" in node.reason and "在 2021—2023 学年没有报告：数学" in node.reason
    assert "没有报告：语文" not in node.reason and node.verdict == "undecided"


def test_the_last_report_counts_not_the_best():
    old = full("4", 0.05, school_year=YEAR - 1, cycle=YEAR)
    assert judge([*old, *full("2", 0.149)]).verdict == "not_met"
    assert judge([*full(None, None), *old]).verdict == "undecided"


def test_the_scheme_of_the_year_of_monitoring_names_its_subjects():
    assert set(judge(full(), BY_SCHEME).rows["subject"]) == NINE
    assert judge(full(), BY_SCHEME).verdict == "undecided"
    assert judge(full(subjects=sorted(NINE)), BY_SCHEME).verdict == "met"
    before = full(school_year=2018, cycle=2019)
    found = judge(before, BY_SCHEME, year=2018)
    assert set(found.rows["subject"]) == set(SIX) and found.verdict == "met"


def test_reports_of_another_county_are_not_read():
    rows = full(county_code="990902")
    assert judge(rows).verdict == "undecided"
    assert judge([*rows, *full(county_code=COUNTY)]).verdict == "met"


def test_nothing_supplied_is_undecided_and_says_which_table():
    found = judge_reported(county(school("1000000001")), NATIONAL)
    assert found.verdict == "undecided" and set(found.rows["verdict"]) == {"undecided"}
    assert found.node().reason == "没有“质量监测县级报告表”"
    assert judge([]).verdict == "undecided"


def test_results_are_plain_data_words_and_pictures():
    found = one("2", None)
    plain = found.to_dict()
    assert plain["verdict"] == "not_met" and len(plain["subjects"]) == 12 and len(plain["rows"]) == 24
    assert plain["rows"][0]["value"] == 3.0 and found.tidy().equals(found.rows)
    assert "数学（四年级）" in found.summary()
    with speaking("en"):
        assert one("2", None).summary() == (
            "Monitoring results: 1 of 12 subjects and grades not reached: mathematics (grade 4)"
        )
    assert found.plot() is not None
    plt.close("all")


cell = st.tuples(st.sampled_from([None, "1", "2", "3", "4"]), st.one_of(st.none(), st.floats(0, 1)))


@settings(max_examples=15, deadline=None)
@given(cells=st.lists(cell, min_size=12, max_size=12), order=st.permutations(range(12)))
def test_the_order_of_reports_says_nothing_and_a_blank_never_helps(cells, order):
    rows = [row | {"level": level, "difference_rate": rate} for row, (level, rate) in zip(full(), cells, strict=True)]
    found, turned = judge(rows), judge([rows[at] for at in order])
    pd.testing.assert_frame_equal(found.rows, turned.rows)
    blank = judge([rows[0] | {"level": None, "difference_rate": None}, *rows[1:]])
    assert (blank.verdict, found.verdict) in {(v, v) for v in ("met", "not_met", "undecided")} | {
        ("undecided", "met"), ("undecided", "not_met"),
    }  # fmt: skip
    assert blank.verdict != "met"
