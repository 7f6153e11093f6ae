"""How verdicts print: values, limits and margins, tables, the tree in a terminal, sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbresearch.errors import InputError
from qbresearch.exhibits import evaluation_tables as tables
from qbresearch.exhibits import text_tree as terminal
from qbresearch.exhibits.sentences import evaluation as sentences
from qbresearch.language import CHINESE, use_language

NAN = math.nan
COLUMNS = ["code", "depth", "parent", "label", "verdict", "decides", "value", "comparison", "limit", "margin", "unit", "percent",
           "reason", "clause", "quote", "status", "source"]  # fmt: skip


@pytest.fixture(autouse=True)
def chinese_afterwards() -> Iterator[None]:
    yield
    use_language(CHINESE)


def node(code, depth, parent, label, verdict, *, value=NAN, comparison="", limit=NAN, margin=NAN, unit="", percent=False,
         reason="", clause="", status="copy", decides=True):  # fmt: skip
    return (code, depth, parent, label, verdict, decides, value, comparison, limit, margin, unit, percent, reason, clause, "",
            status, "")  # fmt: skip


def tree(verdict: str = "not_met") -> pd.DataFrame:
    return pd.DataFrame(
        [
            node("county", 0, "", "评估", verdict),
            node("resources", 1, "county", "资源配置", "not_met"),
            node("schools", 2, "resources", "每所学校达标", "not_met"),
            node("schools:primary", 3, "schools", "小学", "not_met", reason="22 所学校中 20 所达标", value=20, comparison="at_least", limit=22,
                 margin=-2, unit="所"),
            node("L1", 2, "resources", "高于规定学历教师", "met"),
            node("government", 1, "county", "政府保障程度", "not_met"),
            node("G11", 2, "government", "教师交流轮岗", "not_met", clause="三（二）"),
            node("G11_rotation", 3, "G11", "交流轮岗比例", "not_met", value=0.0996, comparison="at_least", limit=0.1,
                 margin=-0.0004, percent=True, clause="三（二）"),
            node("G11_backbone", 3, "G11", "骨干教师比例", "met", value=0.2, comparison="at_least", limit=0.2, margin=0.0, percent=True),
            node("G14", 2, "government", "名额分配", "undecided", reason="缺招生计划数", limit=0.5, comparison="at_least", percent=True,
                 clause="三（二）", status="unverified"),
            node("veto", 1, "county", "一票否决事项", "undecided"),
            node("V1", 2, "veto", "以考试方式招生", "met"),
            node("V2", 2, "veto", "违规择校", "undecided"),
            node("V-R", 2, "veto", "社会认可度不足", "met"),
            node("recognition", 1, "county", "社会认可度", "met"),
            node("R", 2, "recognition", "社会认可度", "met"),
            node("supplement", 1, "county", "两个只增不减", "not_met", decides=False),
            node("F1", 2, "supplement", "教育支出", "not_met", value=5.4e8, comparison="not_less", limit=6e8, margin=-0.6e8, unit="元"),
        ],
        columns=COLUMNS,
    )  # fmt: skip


# --- values, limits, margins --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "unit", "percent", "shown"),
    [
        (0.083, "", True, "8.3%"), (1.0, "", True, "100.0%"), (47.0, "人", False, "47 人"), (0.0, "人", False, "0 人"),
        (7256.3, "元", False, "7,256 元"), (0.12, "", False, "0.120"), (1.0231, "", False, "1.02"), (None, "人", False, "—"),
        (NAN, "", True, "—"), (6.2e8, "元", False, "6.20 亿元"), (1.5, "‰", False, "1.50‰"),
    ],
)  # fmt: skip
def test_a_value_has_its_unit_and_the_figures_that_count(value, unit, percent, shown):
    assert tables.value_words(value, unit, percent) == shown


def test_a_value_that_misses_its_limit_by_little_never_prints_like_it():
    assert tables.value_words(0.9496, "", True, limit=0.95) == "94.96%"
    assert tables.value_words(0.9999, "", True, limit=1.0) == "99.99%"
    assert tables.value_words(0.1499999, "", False, limit=0.15) == "0.1499999"
    assert tables.value_words(0.95, "", True, limit=0.95) == "95.0%"
    assert tables.value_words(0.3 - 0.1, "", True, limit=0.2) == "20.0%"  # equal but for binary noise
    assert tables.value_words(0.00148, "", True, limit=0.0015) == "0.148%"


@pytest.mark.parametrize(
    ("limit", "comparison", "unit", "percent", "shown", "said"),
    [
        (0.95, "at_least", "", True, "≥ 95%", "不低于 95%"), (0.15, "below", "", False, "< 0.15", "低于 0.15"),
        (45, "at_most", "人", False, "≤ 45 人", "不超过 45 人"), (6000, "at_least", "元", False, "≥ 6,000 元", "不低于 6,000 元"),
        (0.0015, "at_least", "", True, "≥ 0.15%", "不低于 0.15%"),
        (12345.678901, "not_less", "元", False, "≥ 12,346 元（上年）", "不低于上年的 12,346 元"),
        (NAN, "at_least", "", True, "—", "—"), (None, "not_less", "", False, "不低于上年", "不低于上年"),
    ],
)  # fmt: skip
def test_a_limit_prints_with_its_side(limit, comparison, unit, percent, shown, said):
    assert tables.limit_words(limit, comparison, unit, percent) == shown
    assert tables.limit_phrase(limit, comparison, unit, percent) == said


@pytest.mark.parametrize(
    ("margin", "unit", "percent", "shown"),
    [
        (0.012, "", True, "+1.2 个百分点"), (-3, "人", False, "−3 人"), (0.0, "", True, "0"), (1e-17, "", True, "0"),
        (-0.00001, "", True, "−0.001 个百分点"), (NAN, "人", False, "—"), (None, "", True, "—"),
    ],
)  # fmt: skip
def test_a_margin_has_a_sign_and_is_zero_only_where_it_is(margin, unit, percent, shown):
    assert tables.margin_words(margin, unit, percent) == shown


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 2), st.sampled_from([0.1, 0.5, 0.85, 0.95, 1.0]))
def test_printed_values_stand_to_printed_limits_as_the_numbers_do(value, limit):
    shown, bound = (float(words.rstrip("%")) for words in (tables.value_words(value, "", True, limit=limit), f"{limit * 100:.10g}%"))
    if abs(value - limit) < 1e-6:
        return
    assert (shown < bound) == (value < limit)


def test_amounts_are_in_the_unit_of_the_language():
    use_language("en")
    assert tables.value_words(6.2e8, "yuan", False) == "620 million yuan"
    assert tables.limit_words(0.95, "at_least", "", True) == "≥ 95%"
    assert tables.margin_words(0.012, "", True) == "+1.2 percentage points"


def test_codes_and_verdicts_are_printed_as_documents_have_them():
    codes = ("G11_rotation", "L1:primary", "G14:evidence", "R_sample", "V1", "G2a", "E-plan", "schools", "county", "V-R")
    assert [tables.printed_code(c) for c in codes] == ["G11", "L1", "G14", "R", "V1", "G2a", "E-plan", "", "", ""]
    assert [tables.verdict_word(v, "V1") for v in ("met", "not_met", "undecided")] == ["未发生", "发生", "待确认"]
    assert [tables.verdict_word(v, "G1") for v in ("met", "not_met", "undecided", "")] == ["达标", "未达标", "无法判定", "—"]


# --- tables -------------------------------------------------------------------------------------------------------


def test_the_tree_is_a_table_with_indents_that_no_format_drops():
    table = tables.tree_table(tree())
    assert [c["label"] for c in table.columns] == ["编号", "内容", "实际", "要求", "差额", "判定", "依据", "说明"]
    rows = {row[1].strip("\u3000"): row for row in table.rows}
    assert rows["交流轮岗比例"] == (
        "G11", "\u3000\u3000\u3000交流轮岗比例", "9.96%", "≥ 10%", "−0.04 个百分点", "未达标", "转引", "—",
    )
    assert rows["骨干教师比例"][2:6] == ("20.0%", "≥ 20%", "0", "达标")
    assert rows["名额分配"][2:] == ("—", "≥ 50%", "—", "无法判定", "未核实", "缺招生计划数")
    assert rows["小学"][2] == "20 所" and rows["小学"][7] == "22 所学校中 20 所达标" and rows["资源配置"][0] == "" and rows["违规择校"][5] == "待确认"
    assert "两个只增不减（不计入总体判定）" in rows
    assert set(table.tones) == {"met", "not_met", "undecided"} and len(table.tones) == len(table.rows)


def test_the_outline_stops_at_items_and_has_a_value_or_a_reason():
    table = tables.outline_table(tree())
    assert [c["label"] for c in table.columns] == ["编号", "内容", "判定", "实际或理由"]
    rows = {row[1].strip("\u3000"): row for row in table.rows}
    assert "交流轮岗比例" not in rows and rows["名额分配"][2:] == ("无法判定", "缺招生计划数")
    assert rows["一票否决事项"][2] == "待确认" and rows["社会认可度不足"][2] == "未发生"


def test_a_stage_without_the_row_above_it_has_its_full_label():
    rows = tree().assign(full=lambda d: d["label"].mask(d["code"].eq("schools:primary"), "每所学校达标（小学）"))
    assert tables.tree_table(rows[rows["code"].eq("schools:primary")]).rows[0][1] == "每所学校达标（小学）"
    assert tables.tree_table(rows).rows[3][1].strip("\u3000") == "小学"


def test_a_ratio_to_the_year_before_says_what_one_is():
    assert tables.value_words(0.981, "与上年之比", False, limit=1) == "0.981（上年 = 1）"
    assert tables.limit_words(1, "not_less", "与上年之比", False) == "≥ 1（上年 = 1）"
    assert tables.margin_words(-0.019, "与上年之比", False) == "−0.019"
    assert tables.value_words(1.005, "倍", False, limit=1) == "1.005 倍"


def test_a_part_of_the_tree_begins_without_an_indent_and_an_empty_one_says_so():
    part = tree().query("parent == 'G11'")
    assert tables.tree_table(part).rows[0][1] == "交流轮岗比例"
    assert tables.tree_table(tree().iloc[:0]).rows[0][0] == "无"
    with pytest.raises(InputError, match="缺少列 margin"):
        tables.tree_table(tree().drop(columns="margin"))


def targets() -> pd.DataFrame:
    rows = [
        ("差异系数", 0.41, "", False, "at_most", 0.5, "met", 0.35, "not_met", "stricter", 0.41, ""),
        ("交流轮岗", 0.12, "", True, "at_least", 0.1, "met", 0.15, "not_met", "differs", 0.08, ""),
        ("骨干教师", 0.22, "", True, "at_least", 0.2, "met", NAN, "undecided", "open", NAN, "规划留作空白"),
        ("活动时间", NAN, "小时", False, "at_least", NAN, "", 2.0, "undecided", "adds", 1.5, ""),
        ("入学率", 0.94, "", True, "at_least", 0.95, "not_met", 0.9, "met", "weaker", 0.94, ""),
    ]  # fmt: skip
    names = ["label", "value", "unit", "percent", "comparison", "limit", "verdict", "plan_limit", "plan_verdict", "relation",
             "plan_value", "plan_reason"]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def test_a_plan_stands_beside_the_national_requirement_and_never_in_its_place():
    table = tables.beside_table(targets())
    assert table.tones == ()  # two verdicts in a row
    assert table.rows[0] == ("差异系数", "0.410", "≤ 0.5", "达标", "≤ 0.35", "未达标", "比标准严")
    assert table.rows[1][1] == "12.0%（按规划口径 8.0%）"
    assert table.rows[2][4:] == ("规划留作空白", "无法判定", "尚未填写")
    assert table.rows[3] == ("活动时间", "1.50 小时（按规划口径）", "—", "—", "≥ 2 小时", "无法判定", "标准没有")
    plain = tables.beside_table(targets().drop(columns=["plan_value", "plan_reason"]))
    assert plain.rows[1][1] == "12.0%" and plain.rows[2][4] == "尚未填写"


# --- the tree in a terminal ---------------------------------------------------------------------------------------


def test_the_tree_has_lines_marks_and_aligned_columns():
    lines = terminal.text_tree(tree()).split("\n")
    assert lines[0].startswith("×  评估") and lines[1] == "├─ ×  资源配置"
    assert lines[2] == "│  ├─ ×  每所学校达标" and lines[4] == "│  └─ ✓  L1 高于规定学历教师"
    assert lines[3].startswith("│  │  └─ ×  小学") and "22 所学校中 20 所达标" in lines[3]
    assert any(line.startswith("   └─ ×  F1 教育支出") for line in lines)
    rotation, backbone = (next(line for line in lines if name in line) for name in ("G11_rotation", "G11_backbone"))
    ends = [terminal.cell_width(line[: line.index("≥")]) for line in (rotation, backbone)]
    assert ends[0] == ends[1]
    assert lines[-1] == "✓ 达标（一票否决：未发生）\u3000× 未达标（一票否决：发生）\u3000？ 无法判定（一票否决：待确认）"
    assert any("G14 名额分配〔未核实〕" in line for line in lines)


def test_a_long_label_is_cut_and_full_width_characters_take_two_columns():
    assert terminal.cell_width("✓ 小学，G1") == 2 + 6 + 2
    long = tree().assign(label=lambda d: d["label"].mask(d["code"].eq("L1"), "很长的名称" * 20))
    assert all(terminal.cell_width(line.split("  ", 1)[0]) <= 120 for line in terminal.text_tree(long).split("\n"))
    assert any("…" in line for line in terminal.text_tree(long).split("\n"))
    assert terminal.text_tree(tree().iloc[:0]) == "无"


# --- the county ---------------------------------------------------------------------------------------------------


def test_the_county_s_sentence_counts_items_by_part_and_names_those_that_decide():
    assert sentences.tree_sentence(tree(), place="某县") == (
        "某县总体未达标：资源配置校际差异系数达标，学校达标：小学 22 所中 20 所；政府保障程度 2 项中 1 项未达标、1 项无法判定；一票否决事项 3 种情形（含社会认可度低于要求）中待确认 1 种；社会认可度达标。"
        "未达标而决定结论的条目：每所学校达标、G11 教师交流轮岗。G14 名额分配、V2 违规择校因数据不全或材料待确认，尚无法判定。"
        "另列而不计入总体判定：两个只增不减未达标。"
    )


def test_a_veto_that_repeats_the_requirement_of_an_item_is_not_named_twice():
    data = tree().assign(verdict=lambda d: d["verdict"].mask(d["code"].isin(["R", "V-R"]), "not_met"))
    text = sentences.tree_sentence(data, place="某县")
    assert "R 社会认可度" in text and "社会认可度不足" not in text and "一票否决事项 3 种情形（含社会认可度低于要求）中发生 1 种、待确认 1 种；" in text


def test_an_undecided_county_hangs_on_what_is_open():
    data = tree("undecided").assign(verdict=lambda d: d["verdict"].mask(d["verdict"].eq("not_met") & d["depth"].ge(2), "met"))
    text = sentences.tree_sentence(data, place="某县")
    assert text.startswith("某县总体无法判定：") and "总体结论取决于这些条目" in text and "未达标而决定" not in text


def test_many_items_are_not_all_named():
    assert sentences.named_items(map(str, range(8))) == "0、1、2、3、4、5、6、7"
    assert sentences.named_items(map(str, range(11))) == "0、1、2、3、4、5、6、7等 11 项"


def test_a_part_s_sentence_has_the_number_or_reason_behind_each_item():
    assert sentences.part_sentence(tree(), "government", place="某县") == (
        "某县政府保障程度 2 项中 1 项未达标、1 项无法判定。未达标的有：G11 教师交流轮岗（交流轮岗比例：实际为 9.96%，要求不低于 10%，"
        "距要求差 0.04 个百分点）。无法判定的有：G14 名额分配（缺招生计划数）。"
    )


def test_an_item_s_sentence_says_value_requirement_margin_grounds_and_reading():
    rows = tree().set_index("code", drop=False)
    facts = rows.loc["G11_backbone"].to_dict()
    assert sentences.item_sentence(facts) == "G11 骨干教师比例：达标（实际为 20.0%，要求不低于 20%，恰好达到要求）。"
    at_limit = facts | {"code": "Q9_rate", "label": "校际差异率", "value": 0.15, "limit": 0.15, "comparison": "below", "percent": False,
                        "verdict": "not_met"}  # fmt: skip
    assert "恰在界限上，而界限本身不算达到" in sentences.item_sentence(at_limit)
    assert sentences.item_sentence(rows.loc["G14"].to_dict() | {"option": "取 50%"}) == (
        "G14 名额分配：无法判定（要求不低于 50%；缺招生计划数）。所用口径为取 50%。该要求尚未在正式文本中核实。"
    )
    evidence = facts | {"code": "V1", "label": "以考试方式招生", "value": None, "limit": None, "margin": None, "comparison": "",
                        "reason": "《通报》（县教育局确认）：发生", "verdict": "not_met"}  # fmt: skip
    assert sentences.item_sentence(evidence) == "V1 以考试方式招生：发生（《通报》（县教育局确认）：发生）。"


# --- recognition, finance, options --------------------------------------------------------------------------------


def groups() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "group": ["", "parents", "cppcc"], "label": ["合计", "家长", "政协委员"], "valid": [1800.0, 1000.0, 90.0],
            "share": [0.86, 0.9, 0.833], "low": [0.843, 0.88, 0.74], "high": [0.875, 0.917, 0.9],
        }
    )  # fmt: skip


def test_recognition_says_interval_sample_and_the_least_satisfied_group():
    text = sentences.recognition_sentence(groups(), place="某县", verdict="met", limit=0.85, needed=1500)
    assert text == (
        "某县：有效问卷 1,800 份（1,800≥1,500 份）；社会认可度 86.0%（95% 置信区间 84.3% 至 87.5%），要求不低于 85%，达标。区间跨越了要求值，换一批受访者"
        "结论可能不同。各类受访者中认可度最低的是政协委员（83.3%，90 份）。"
    )
    small = sentences.recognition_sentence(groups(), place="某县", verdict="undecided", limit=0.85, needed=2400)
    assert "（1,800<2,400 份）" in small and "无法判定（样本不足）" in small
    few = sentences.recognition_sentence(
        groups(), place="某县", verdict="undecided", limit=0.85, needed=1500, parents=0.406, parents_limit=0.5
    )
    assert "家长占 40.6%；" in few and "无法判定（家长占 40.6%，低于抽样要求的 50%）" in few
    blank = groups().assign(share=[NAN, 0.9, NAN])
    assert sentences.recognition_sentence(blank, place="某县", verdict="undecided", limit=0.85, needed=1500, parents=0.6) == (
        "某县：有效问卷 1,800 份（1,800≥1,500 份），家长占 60.0%；社会认可度无法判定（缺政协委员的答卷数）。"
    )
    without = groups().assign(low=NAN, high=NAN)
    assert "置信区间" not in sentences.recognition_sentence(without, place="某县", verdict="met", limit=0.85)
    assert "没有可用的社会认可度调查数据" in sentences.recognition_sentence(groups().iloc[1:], place="某县", verdict="undecided", limit=0.85)


def increases(values: list[float], verdicts: list[str], real: list[float] | None = None) -> pd.DataFrame:
    return pd.DataFrame(
        {"label": "教育支出", "unit": "元", "year": range(2021, 2021 + len(values)), "value": values,
         "real": real or [NAN] * len(values), "verdict": verdicts}
    )  # fmt: skip


def test_spending_that_never_falls_that_falls_and_that_is_unknown():
    say = sentences.increase_sentence
    assert say(increases([1e6, 2e6, 2e6], ["", "met", "met"]), place="某县") == "某县：教育支出从 2021 年到 2023 年逐年不减。"
    fell = say(increases([2e6, 1.5e6, NAN], ["", "not_met", "undecided"]), place="某县")
    assert fell == "某县：教育支出：2022 年比上年减少 500,000 元，2023 年缺数据，无法与上年比较。"
    assert "只有 2021 年的数据" in say(increases([1e6], [""]), place="某县")
    assert "没有经费数据" in say(increases([], []), place="某县")


def test_a_fall_in_constant_prices_is_told_apart_and_not_judged():
    text = sentences.increase_sentence(increases([100.0, 101.0], ["", "met"], [100.0, 99.0]), place="某县")
    assert text.endswith("扣除物价因素后，教育支出在 2022 年实际减少（仅供参考，不作判定）。")
    gap = increases([100.0, 101.0], ["", "met"], [100.0, 99.0]).assign(year=[2020, 2022])
    assert "扣除物价因素" not in sentences.increase_sentence(gap, place="某县")  # no neighbouring years


def test_options_say_what_was_used_and_what_else_there_is():
    frame = pd.DataFrame(
        [("G7", "特教公用经费", "6000 元", True, "copy"), ("G7", "特教公用经费", "8000 元", False, "practice"),
         ("G14", "名额比例", "50%", True, "unverified"), ("G14", "名额比例", "80%", False, "copy")],
        columns=["option", "label", "choice_label", "chosen", "status"],
    )  # fmt: skip
    assert sentences.options_sentence(frame) == (
        "各文件说法不一的 2 处，本报告按以下口径：特教公用经费取“6000 元”（另有“8000 元”）；名额比例取“50%”（未核实；另有“80%”）。"
    )
    assert sentences.options_sentence(frame.iloc[:0]) == "所用文件之间没有需要选定的口径。"


def test_sentences_keep_numbers_in_english():
    use_language("en")
    text = sentences.tree_sentence(tree(), place="A county")
    assert "1 not met, 1 undecided of 2 items" in text and "Not met, and so decisive" in text
    assert "required at least 10%" in sentences.part_sentence(tree(), "government", place="A county")
    assert "86.0% (95% CI 84.3% to 87.5%)" in sentences.recognition_sentence(groups(), place="A county", verdict="met", limit=0.85)


YES_NO, GRADES = "1=是，0=否", "4 = excellent, 3 = good, 2 = pass, 1 = fail"


@pytest.mark.parametrize(("value", "unit", "words"), [(1, YES_NO, "是"), (0.0, YES_NO, "否"), (2, GRADES, "pass"), (0.15, "1", "0.150")])
def test_a_scale_of_words_is_printed_in_its_words(value, unit, words):
    assert tables.value_words(value, unit, False) == words


@pytest.mark.parametrize(
    ("limit", "unit", "words", "phrase"), [(1, YES_NO, "是", "为“是”"), (3, GRADES, "≥ good", "不低于 good"), (0.15, "1", "≥ 0.15", "不低于 0.15")]
)
def test_a_limit_on_a_scale_of_words_is_a_word(limit, unit, words, phrase):
    assert tables.limit_words(limit, "at_least", unit, False) == words
    assert tables.limit_phrase(limit, "at_least", unit, False) == phrase


def test_ranks_are_not_subtracted():
    assert tables.margin_words(-1, GRADES, False) == "—"
