"""Sentences about plans say what their frame says, and nothing more."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd
import pytest

from qbresearch.exhibits.sentences import plans as sentences
from qbresearch.language import CHINESE, use_language

NAN = math.nan


@pytest.fixture(autouse=True)
def chinese_afterwards() -> Iterator[None]:
    yield
    use_language(CHINESE)


def schools() -> pd.DataFrame:
    rows = [
        ("甲小学", 2024, "on_time", "met", 2024, 0, NAN, ""), ("乙小学", 2024, "late", "met", 2025, 1, NAN, ""),
        ("丙小学", 2024, "overdue", "not_met", NAN, 2, 2028, "forecast"), ("丁小学", 2026, "overdue", "not_met", NAN, 0, NAN, "not_in_sight"),
        ("戊中学", 2025, "undecided", "undecided", NAN, NAN, NAN, "no_forecast"), ("己中学", 2028, "early", "met", 2026, 0, NAN, ""),
        ("庚中学", 2028, "not_due", "not_met", NAN, 0, NAN, "no_forecast"),
    ]  # fmt: skip
    names = ["school", "planned", "state", "verdict", "reached", "slipped", "forecast", "forecast_state"]
    return pd.DataFrame(rows, columns=names)


def test_progress_counts_those_due_by_verdict_and_those_ahead():
    assert sentences.progress_sentence(schools(), place="某县", as_of=2026) == (
        "某县：规划列出 7 所学校，到 2026 年应有 5 所达标，其中已达标 2 所、到期未达标 2 所、无法判定 1 所。尚未到期而已提前达标的有 1 所。"
    )
    early = sentences.progress_sentence(schools().iloc[5:], place="某县", as_of=2026)
    assert early.startswith("某县：规划列出 2 所学校，到 2026 年尚无一所到期。")


def test_a_zero_is_said_where_none_has_met_the_standard():
    text = sentences.progress_sentence(schools().query("state == 'overdue'"), place="某县", as_of=2026)
    assert "已达标 0 所、到期未达标 2 所" in text


def test_slippage_names_schools_with_years_behind_and_what_the_trend_says():
    assert sentences.slippage_sentence(schools(), place="某县") == (
        "某县：到期未达标的 2 所为丙小学（规划 2024 年，已晚 2 年，按近年变化推算 2028 年达标）、丁小学（规划 2026 年，按近年变化看不到达标时间）；"
        "推迟后达标的 1 所为乙小学（规划 2024 年，2025 年达标）。另有 1 所无法判定，未计在内。"
    )


def test_without_slippage_undecided_schools_are_still_told_apart():
    text = sentences.slippage_sentence(schools().query("state in ['on_time', 'undecided']"), place="某县")
    assert text == "某县：能够判定的学校没有一所落后于规划。另有 1 所无法判定，未计在内。"


def test_the_trend_counts_schools_that_would_miss_the_plan():
    data = schools().assign(expected_late=[NAN, NAN, 4.0, NAN, NAN, NAN, NAN])
    assert sentences.trend_sentence(data, place="某县") == (
        "某县：照近年的变化推算，尚未达标的 3 所学校中，1 所推算的年份晚于规划年份、1 所在推算年限内看不到达标、1 所年数不足、不作推算。"
    )
    assert sentences.trend_sentence(data.query("verdict == 'met'"), place="某县") == ""


def warnings() -> pd.DataFrame:
    rows = [
        ("甲县", "七项指标基本达标", "2025年", "overdue"), ("甲县", "专用教室配齐", "2025年", "overdue"),
        ("乙县", "差异系数达标", "2027年", "soon"), ("乙县", "监测结果达标", "2026年", "unknown"), ("乙县", "其他", "2028年", ""),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["county", "condition_label", "due_when", "warning"])


def test_warnings_are_counted_by_kind_and_named():
    assert sentences.warning_sentence(warnings(), place="某盟", as_of=2026) == (
        "某盟：到 2026 年，到期而未达标的条件 2 条：甲县“七项指标基本达标”（2025年）、甲县“专用教室配齐”（2025年）。"
        "2027 年到期而尚未达标的 1 条：乙县“差异系数达标”（2027年）。到期而因缺数据无法判定的 1 条。"
    )
    assert sentences.warning_sentence(warnings().tail(1), place="某盟", as_of=2026) == "某盟：2026 年没有需要预警的阶段条件。"
    early = warnings().tail(1).assign(warning="exempt")
    assert sentences.warning_sentence(early, place="某盟", as_of=2026).endswith("另有 1 条期限早于规划印发，不作预警。")
    assert "没有到期而未达标的条件" in sentences.warning_sentence(warnings().iloc[2:], place="某盟", as_of=2026)


def test_of_many_warnings_three_are_quoted():
    many = pd.concat([warnings().head(2)] * 3, ignore_index=True)
    text = sentences.warning_sentence(many, place="某盟", as_of=2026)
    assert "条件 6 条" in text and text.count("甲县") == 3 and text.endswith("等。")


def targets() -> pd.DataFrame:
    rows = [("差异系数", "met", "not_met", "stricter", "missed"), ("入学率", "not_met", "met", "weaker", ""), ("骨干教师", "met", "undecided", "open", ""),
            ("巩固率", "met", "met", "stricter", ""), ("每百名学生教师数", "", "not_met", "same", "not_yet")]  # fmt: skip
    return pd.DataFrame(rows, columns=["label", "verdict", "plan_verdict", "relation", "timing"])


def test_targets_are_told_apart_from_the_national_verdict():
    assert sentences.targets_sentence(targets(), place="某县") == (
        "某县：规划目标 5 项，其中比标准严 2 项、与标准相同 1 项、比标准宽 1 项、尚未填写 1 项。按规划要求：达标 2 项、到期未达标 1 项、未到期而现在未达到 1 项、无法判定 1 项。"
        "达到国家要求而未达到规划要求的有：差异系数。达到规划要求而未达到国家要求的有：入学率；是否通过国家评估以国家要求为准。"
    )
    assert "没有可以与国家要求对照的目标" in sentences.targets_sentence(targets().iloc[:0], place="某县")


def test_a_check_quotes_contradictions_and_counts_the_rest():
    findings = pd.DataFrame(
        [("two_values", "contradiction", "巩固率一处写 95%，一处写 99%"), ("weaker_condition", "weaker", "只要求起始年级"),
         ("base_unsaid", "gap", "没有说明以谁为基数"), ("tight_deadline", "gap", "期限在统计之后"), ("remark", "remark", "文号有脱字")],
        columns=["kind", "severity", "sentence"],
    )
    text = sentences.check_sentence(findings, place="某县规划")
    assert text.startswith("某县规划：核对规划文本，需要说明的有 5 处：")
    assert "没有说清 1 处、期限偏紧（推断） 1 处" in text
    assert text.endswith("须先处理的是：巩固率一处写 95%，一处写 99%；只要求起始年级。") and text.count("1 处") == 5
    many = pd.concat([findings.head(1)] * 5)
    assert "其中须先处理的 5 处，如：" in sentences.check_sentence(many, place="某县规划")
    assert "须先处理" not in sentences.check_sentence(findings.tail(2), place="某县规划")
    assert "没有前后矛盾" in sentences.check_sentence(findings.iloc[:0], place="某县规划")


def counties() -> pd.DataFrame:
    rows = [("甲县", 2026, "not_met", "not_met", 3), ("乙县", 2028, "met", "not_met", 0), ("丙县", 2028, "undecided", "undecided", 1)]
    return pd.DataFrame(rows, columns=["county", "target_year", "verdict", "plan_verdict", "overdue"])


def test_a_prefecture_counts_counties_twice_and_names_those_due():
    assert sentences.prefecture_sentence(counties(), place="某盟", as_of=2026) == (
        "某盟：规划列出 3 个县（市、区），按国家标准达标 1 个、未达标 1 个、无法判定 1 个；按规划要求未达标 2 个、无法判定 1 个。"
        "到 2026 年已到规划年份而未达标的有：甲县（2026 年）。到期未达标的阶段条件共 4 条，最多的是甲县（3 条）。"
    )


def test_counties_due_that_cannot_be_judged_are_not_called_reached():
    text = sentences.prefecture_sentence(counties().tail(1).assign(overdue=0), place="某盟", as_of=2028)
    assert "均已达标" not in text and "未达标的有" not in text
    assert "已到规划年份的 1 个县均已达标" in sentences.prefecture_sentence(counties().iloc[[1]], place="某盟", as_of=2028)


def test_a_recommendation_names_the_numbers_behind_it():
    row = {"text": "健全教师交流轮岗制度。", "because": "G11 交流轮岗比例为 8.3%，标准 10%"}
    assert sentences.recommendation_sentence(row) == "健全教师交流轮岗制度（依据：G11 交流轮岗比例为 8.3%，标准 10%）。"


def test_numbers_are_the_same_in_english():
    use_language("en")
    assert "5 are due by 2026, of which 2 meet the standard, 2 do not, 1 undecided" in sentences.progress_sentence(
        schools(), place="A county", as_of=2026
    )
    assert "2 years late so far" in sentences.slippage_sentence(schools(), place="A county")
    assert "by 2026 2 conditions are due and not met" in sentences.warning_sentence(warnings(), place="A prefecture", as_of=2026)
