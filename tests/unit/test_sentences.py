"""Sentences say what their frame says, and nothing more."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qbresearch.exhibits import sentences

NAN = np.nan


def cvs(*rows: tuple[str, float, str], cap: float = 0.5, schools: int = 12, fragile: str = "") -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"label": label, "short": label, "cv": cv, "verdict": verdict, "cap": cap if verdict else NAN,
             "schools": schools, "remark": "1 所学校缺数据" if np.isnan(cv) else "", "fragile": label == fragile}
            for label, cv, verdict in rows
        ]
    )


def county(**values: object) -> pd.Series:
    return pd.Series(
        {"indicators": 7, "schools": 28, "schools_met": 8, "schools_not_met": 20, "schools_undecided": 0,
         "schools_verdict": "not_met", "cv_over_cap": 0, "cv_undecided": 0, "cv_verdict": "met",
         "composite_cv": 0.3, "composite_verdict": "", "verdict": "not_met"} | values
    )


def test_all_within_the_cap_names_the_largest():
    text = sentences.dispersion_sentence(cvs(("甲", 0.3, "met"), ("乙", 0.41, "met")), place="某县", decimals=3)
    assert text == "某县：2 项指标的差异系数均不超过上限 0.50，其中最大的是乙（0.410）。"


def test_those_over_the_cap_are_named_largest_first():
    text = sentences.dispersion_sentence(cvs(("甲", 0.55, "not_met"), ("乙", 0.7, "not_met"), ("丙", 0.1, "met")), place="某县", decimals=3)
    assert text == "某县：3 项指标中 2 项的差异系数超过上限 0.50：乙（0.700）、甲（0.550）。"


def test_a_missing_value_is_not_passed_over():
    text = sentences.dispersion_sentence(cvs(("甲", 0.3, "met"), ("乙", NAN, "undecided")), place="某县", decimals=3)
    assert "可计算的 1 项" in text and "乙（1 所学校缺数据）无法判定" in text and "2 项" not in text


def test_a_fragile_verdict_is_said_to_be_so():
    text = sentences.dispersion_sentence(cvs(("甲", 0.5018, "not_met"), fragile="甲"), place="某县", decimals=3)
    assert text.endswith("甲处于临界：取两位小数或某校增减一个计量单位，判定就会翻转。")


def test_without_caps_nothing_is_judged_and_one_school_has_no_dispersion():
    assert "不作判定" in sentences.dispersion_sentence(cvs(("甲", 0.3, "")), place="某州", decimals=3)
    one = cvs(("甲", 0.0, ""), schools=1)
    assert "没有校际差异可言" in sentences.dispersion_sentence(one, place="某州", decimals=3)


def test_the_verdict_gives_the_counts_of_both_rules():
    text = sentences.verdict_sentence(county(cv_over_cap=1, cv_verdict="not_met"), place="某县小学", rule_unverified=True)
    assert text == (
        "某县小学资源配置未达标：学校达标规则（该规则未核实）未达标，28 所中 8 所达标；差异系数规则未达标，7 项中 1 项超过上限。"
    )


def test_a_verdict_that_rests_on_the_unverified_rule_alone_says_so():
    alone = "未达标的结论仅由未核实的学校达标规则得出。"
    assert sentences.verdict_sentence(county(), place="某县", rule_unverified=True).endswith(alone)
    assert alone not in sentences.verdict_sentence(county(), place="某县", rule_unverified=False)
    decided = county(cv_over_cap=1, cv_verdict="not_met")
    assert alone not in sentences.verdict_sentence(decided, place="某县", rule_unverified=True)


def test_needs_are_whole_people_and_missing_schools_are_named():
    needs = pd.DataFrame(
        [("骨干教师", "人", 16, 18.37, 29.0, 0), ("运动场地", "平方米", 2, 4126.11, NAN, 0), ("教室", "间", 0, 0.0, 0.0, 1)],
        columns=["short", "counted", "schools", "shortfall", "whole", "undecided"],
    )
    text = sentences.shortfall_sentence(needs, place="某县")
    assert "骨干教师 29 人（16 校）" in text and "运动场地 4,126 平方米（2 校）" in text
    assert "缺数据未计：教室 1 校" in text and "教室 0" not in text
    none = sentences.shortfall_sentence(needs.assign(shortfall=0.0), place="某县")
    assert "没有一所低于单项标准" in none and "教室 1 校" in none


@pytest.mark.parametrize(("schools", "warned"), [((8, 5), False), ((8, 3), True)])
def test_groups_give_their_size_and_small_ones_a_warning(schools, warned):
    groups = pd.DataFrame(
        {"indicator": "L1", "label": "教师", "unit": "人", "group": ["urban", "rural"], "schools": schools,
         "mean": [6.0, 5.0], "between": 0.02, "within": 0.06}
    )
    text = sentences.groups_sentence(groups, {"urban": "城区", "rural": "乡村"}, place="某县", counter="所")
    assert "25.0% 来自组间" in text and f"乡村 5.00（{schools[1]} 所）" in text
    assert ("仅供参考" in text) == warned


def test_missing_parts_are_not_called_one_group():
    groups = pd.DataFrame({"indicator": "L1", "label": "教师", "unit": "人", "group": ["a", "b"], "schools": 3,
                           "mean": 1.0, "between": NAN, "within": NAN})
    assert "没有一项指标可以分解" in sentences.groups_sentence(groups, {}, place="某县", counter="所")
    assert "只有一组" in sentences.groups_sentence(groups.head(1), {}, place="某县", counter="所")


def test_years_count_what_fell_and_what_rose():
    years = pd.DataFrame({"label": ["甲", "甲", "乙", "乙"], "school_year": [2022, 2024] * 2, "cv": [0.4, 0.3, 0.2, 0.25]})
    text = sentences.years_sentence(years, place="某县", decimals=3)
    assert "1 项下降、1 项上升" in text and "变化最大的是甲（0.400 到 0.300）" in text
    assert "不作历年比较" in sentences.years_sentence(years[years["school_year"] == 2022], place="某县", decimals=3)


def test_counties_leave_out_verdicts_nobody_got():
    counties = pd.DataFrame({"verdict": ["met", "not_met", "not_met"], "schools": [3, 4, 5]})
    named = pd.DataFrame({"county": ["甲县", "乙县"], "short": ["教师", "教室"], "cv": [0.2, 0.6]})
    text = sentences.counties_sentence(counties, named, place="2024 小学", decimals=3)
    assert text == "2024 小学：共 3 个县（单元），资源配置达标 1 个、未达标 2 个；差异系数最大的是乙县的教室（0.600）。"
    assert "最大" not in sentences.counties_sentence(counties, named.assign(cv=NAN), place="某年", decimals=3)
