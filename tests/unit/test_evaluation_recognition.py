"""Social recognition: scores, the sample, parents, Wilson's interval, and when the sample cannot decide."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from qbresearch.errors import InputError
from qbresearch.language import speaking
from qbresearch.results.evaluation.recognition import measure_recognition
from qbresearch.rules.evaluations import load_evaluation
from qbresearch.statistics.proportions import wilson_interval

NATIONAL = load_evaluation("national-2017", on=date(2023, 9, 1))
BY_SCORE = NATIONAL.choose({"R_scoring": "mean_score"})
PEOPLE = 400_000  # 1.5 per mille of them are 600


def survey(*groups: tuple[str, float | None, float | None], mode: str = "questionnaire", scores: object = None) -> pd.DataFrame:
    """Rows of (group, valid, satisfied)."""
    rows = pd.DataFrame(groups, columns=["group", "valid", "satisfied"]).astype({"valid": float, "satisfied": float})
    return rows.assign(mode=mode, mean_score=scores if scores is not None else np.nan)


def judge(*groups, people: float | None = PEOPLE, evaluation=NATIONAL, **more):
    return measure_recognition(survey(*groups, **more), people, evaluation)


# --- the interval ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_intervals_as_newcombe_prints_them(k, n, low, high) -> None:
    """Newcombe (1998), Statistics in Medicine 17: 857–872, table I, method 3."""
    assert [round(bound, 4) for bound in wilson_interval(k, n, significance=0.05)] == [low, high]


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (3, 7), (50, 50), (510, 600), (85, 100), (999, 1000)])
@pytest.mark.parametrize("significance", [0.05, 0.1, 0.01])
def test_intervals_as_statsmodels_computes_them(k, n, significance) -> None:
    expected = proportion_confint(k, n, alpha=significance, method="wilson")
    assert wilson_interval(k, n, significance=significance) == pytest.approx(expected, abs=1e-12)


def test_the_ends_are_exact() -> None:
    assert wilson_interval(0, 9, significance=0.05)[0] == 0 and wilson_interval(9, 9, significance=0.05)[1] == 1


@pytest.mark.parametrize(("k", "n"), [(0, 0), (6, 5), (-1, 5), (np.nan, 5), (3, np.nan)])
def test_impossible_counts_are_refused(k, n) -> None:
    with pytest.raises(InputError, match="不能计算比例的区间"):
        wilson_interval(k, n, significance=0.05)


# --- the score ------------------------------------------------------------------------------------------------------


def test_groups_are_added_and_scored_each() -> None:
    result = judge(("teachers", 200, 190), ("parents", 400, 360))
    assert (result.valid, result.score, result.verdict) == (600, pytest.approx(550 / 600), "met")
    table = result.tidy()
    assert table["group"].tolist() == ["parents", "teachers", ""]  # in the order of the evaluation
    assert table["share"].tolist() == pytest.approx([0.9, 0.95, 550 / 600])
    assert table["label"].tolist() == ["家长", "教师", "合计"]
    low, high = proportion_confint(550, 600, alpha=0.05, method="wilson")
    assert (result.low, result.high) == (pytest.approx(low), pytest.approx(high))
    assert table[["low", "high"]].iloc[-1].tolist() == pytest.approx([low, high])
    assert table["verdict"].tolist() == ["", "", "met"] and set(table["threshold"]) == {0.85}


def test_exactly_at_the_threshold_is_met_and_one_answer_less_is_not() -> None:
    at, less = (judge(("parents", 2000, k)) for k in (1700, 1699))
    assert (at.verdict, at.score, less.verdict) == ("met", 0.85, "not_met")
    assert at.near and less.near and at.sample_cannot_decide
    node = less.node.find("R_recognition")
    assert node.margin == pytest.approx(-0.0005) and node.limit == 0.85 and "satisfied_share" not in node.option


def test_scores_of_groups_are_weighted_by_valid_answers() -> None:
    groups = ("parents", 450, 0), ("teachers", 150, 0)
    result = judge(*groups, evaluation=BY_SCORE, scores=[0.9, 0.7])
    assert result.score == pytest.approx((450 * 0.9 + 150 * 0.7) / 600) and result.scoring == "mean_score"
    assert (result.verdict, result.low, result.near) == ("met", None, False)  # (405 + 105)/600 is 0.85
    assert result.tidy()["low"].isna().all() and result.tidy()["mean_score"].tolist() == pytest.approx([0.9, 0.7, 0.85])
    assert "按得分计没有区间" in result.summary()
    assert judge(*groups, scores=[0.9, 0.7]).verdict == "not_met"


def test_visits_are_shown_and_decide_nothing() -> None:
    rows = pd.concat([survey(("parents", 700, 690)), survey(("parents", 20, 1), mode="visit")])
    result = measure_recognition(rows, PEOPLE, NATIONAL)
    assert (result.verdict, result.valid) == ("met", 700)
    visit = result.node.find("R:visit")
    assert (visit.value, visit.verdict, visit.decides) == (0.05, "", False)
    alone = measure_recognition(survey(("parents", 700, 690), mode="visit"), PEOPLE, NATIONAL)
    assert alone.verdict == "undecided" and "没有本县本学年的问卷" in alone.summary()


# --- the sample -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("people", "needed"), [(400_000, 600), (400_001, 601), (399_999, 600), (666, 1), (667, 2), (2_000_000, 3000)])
def test_the_sample_is_rounded_up_to_whole_questionnaires(people, needed) -> None:
    assert judge(("parents", 700, 690), people=people).needed == needed


def test_binary_noise_asks_for_no_questionnaire_more() -> None:
    assert 0.07 * 100 > 7
    wanted = replace(NATIONAL.requirement("R_sample"), limit=0.07)
    plan = replace(NATIONAL, requirements={**NATIONAL.requirements, "R_sample": wanted})
    result = judge(("parents", 7, 7), people=100, evaluation=plan)
    assert (result.needed, result.verdict) == (7, "met")


def test_a_sample_of_exactly_the_size_is_enough_and_one_less_decides_nothing() -> None:
    enough, small = (judge(("parents", n, n)) for n in (600, 599))
    assert (enough.verdict, enough.node.find("R_sample").verdict) == ("met", "met")
    assert (small.verdict, small.node.find("R_sample").verdict, small.node.verdict) == ("undecided", "not_met", "undecided")
    assert "有效问卷 599 份，按常住人口应不少于 600 份" in small.summary()
    assert not small.sample_cannot_decide and small.score == 1  # the number is told all the same
    assert judge(("parents", 599, 0)).verdict == "undecided"


def test_parents_must_be_half() -> None:
    half = judge(("parents", 300, 290), ("students", 300, 290))
    fewer = judge(("parents", 299, 290), ("students", 301, 290))
    assert (half.parents_share, half.verdict) == (0.5, "met")
    assert (fewer.verdict, fewer.node.find("R_parents").verdict) == ("undecided", "not_met")
    assert "家长占有效问卷的 49.8%，应不少于 50%" in fewer.summary()
    none = judge(("students", 700, 690))
    assert (none.parents_share, none.verdict, none.node.find("R_parents").verdict) == (None, "undecided", "undecided")


@pytest.mark.parametrize("people", [None, np.nan, 0])
def test_without_the_population_nothing_is_decided(people) -> None:
    result = judge(("parents", 7000, 7000), people=people)
    assert (result.verdict, result.needed, result.score) == ("undecided", None, 1)
    assert "缺常住人口数" in result.summary()


def test_a_blank_number_of_valid_answers_decides_nothing() -> None:
    result = judge(("parents", 7000, 7000), ("teachers", None, 50))
    assert (result.verdict, result.valid, result.score) == ("undecided", None, None)
    assert "缺教师的有效份数" in result.summary()


def test_a_blank_number_of_satisfied_opens_only_a_verdict_it_could_turn() -> None:
    sure = judge(("parents", 1900, 1900), ("teachers", 100, None))
    assert (sure.verdict, sure.score, sure.low) == ("met", None, None)
    assert "缺教师的满意份数；无论缺的是多少，判定都不变" in sure.summary()
    low = judge(("parents", 1900, 1000), ("teachers", 100, None))
    open_ = judge(("parents", 1900, 1650), ("teachers", 100, None))
    assert (low.verdict, open_.verdict) == ("not_met", "undecided")
    assert "无论" not in open_.summary()


@pytest.mark.parametrize("rows", [None, survey()])
def test_without_a_survey_it_is_undecided(rows) -> None:
    result = measure_recognition(rows, PEOPLE, NATIONAL)
    assert (result.verdict, result.score, result.needed) == ("undecided", None, 600)
    assert "没有本县本学年的问卷" in result.summary() and result.tidy().empty


def test_no_valid_answer_at_all_is_undecided() -> None:
    result = judge(("parents", 0, 0))
    assert (result.verdict, result.score) == ("undecided", None) and "没有一份有效问卷" in result.summary()


# --- what the sample can show ---------------------------------------------------------------------------------------


def test_a_sample_as_the_rule_wants_it_decides_by_the_point_and_says_that_it_is_near() -> None:
    near, clear = judge(("parents", 600, 520)), judge(("parents", 600, 560))
    assert near.low < 0.85 < near.score and clear.low > 0.85
    assert (near.verdict, near.near, clear.verdict, clear.near) == ("met", True, "met", False)
    assert "区间包含 85%，判定按点值" in near.summary() and "区间包含" not in clear.summary()


def test_a_small_sample_whose_interval_contains_the_threshold_says_that_it_cannot_decide() -> None:
    result = judge(("parents", 100, 88))
    assert (result.verdict, result.sample_cannot_decide, result.near) == ("undecided", True, False)
    assert "只凭这些问卷不能断定是否达到" in result.summary()


def test_a_plan_may_ask_for_more() -> None:
    wanted = replace(NATIONAL.requirement("R_recognition"), limit=0.9)
    stricter = replace(NATIONAL, requirements={**NATIONAL.requirements, "R_recognition": wanted})
    assert (judge(("parents", 1000, 880)).verdict, judge(("parents", 1000, 880), evaluation=stricter).verdict) == ("met", "not_met")


# --- the result -----------------------------------------------------------------------------------------------------


def test_a_group_nobody_knows_and_more_satisfied_than_valid_are_refused() -> None:
    with pytest.raises(InputError, match="没有这个调查对象"):
        judge(("parent", 700, 690))
    with pytest.raises(InputError, match="不能计算比例的区间"):
        judge(("parents", 600, 601))


def test_the_node_shows_counts_with_places_and_what_the_rule_asks() -> None:
    rows = survey(("parents", 700, 690)).assign(source_file="调查.xlsx", source_sheet="社会认可度调查", source_row="2")
    node = measure_recognition(rows, PEOPLE, NATIONAL).node
    assert (node.code, node.verdict, node.value, node.limit) == ("R", "met", pytest.approx(690 / 700), 0.85)
    assert [(c.code, c.decides) for c in node.children] == [("R_recognition", True), ("R_sample", False), ("R_parents", False)]
    elements = node.find("R_recognition").elements
    assert [(e.label, e.value) for e in elements] == [("常住人口", PEOPLE), ("家长的有效份数", 700), ("家长的满意份数", 690)]
    assert elements[1].place == "调查.xlsx（社会认可度调查）第 2 行"
    assert node.find("R_sample").value == 700 / PEOPLE and node.find("R_sample").status == "copy"


def test_figure_and_plain_data() -> None:
    rows = pd.concat([survey(("parents", 700, 690)), survey(("parents", 20, 1), mode="visit")])
    result = measure_recognition(rows, PEOPLE, NATIONAL)
    assert [t.get_text() for t in result.plot().get_yticklabels()] == ["家长", "合计", "走访"]
    plain = result.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False))["verdict"] == "met"
    assert [row["group"] for row in plain["groups"]] == ["parents", "", "parents", ""]


def test_in_english_nothing_is_chinese() -> None:
    with speaking("en"):
        summaries = [judge(("parents", n, k), people=people).summary() for n, k, people in
                     ((700, 690, PEOPLE), (100, 86, PEOPLE), (600, 511, PEOPLE), (600, 500, None), (0, 0, PEOPLE), (700, None, PEOPLE))]
        summaries.append(judge(("students", 700, 690)).summary())
    assert not [c for c in "".join(summaries) if "\u3400" <= c <= "\u9fff"]
    assert summaries[0].startswith("Social recognition reaches 85%: 690 of 700 valid questionnaires are satisfied, 98.6%")
