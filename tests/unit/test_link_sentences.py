"""Sentences about monitoring and the link say what the frames beside them say, also where these are empty."""

from __future__ import annotations

import numpy as np
import pandas as pd

from qbresearch.exhibits import sentences, tables

NAN = float("nan")


def variances(**changes) -> pd.DataFrame:
    table = pd.DataFrame({
        "model": ["M0", "M2", "M4"], "label": ["零模型", "有形资源", "加学生构成"], "icc": [0.18, 0.15, 0.1],
        "between": [0.2, 0.16, 0.1], "r2_between": [0.0, 0.2, 0.5], "remark": "",
    })
    return table.assign(**changes)


SINGLES = pd.DataFrame({
    "label": ["甲", "甲", "乙", "乙"], "model": ["单项", "单项加学生构成"] * 2, "estimate": [0.13, 0.12, 0.16, -0.01],
    "p": [0.001, 0.002, 0.001, 0.8], "remark": "",
})
CURVES = pd.DataFrame({
    "label": ["甲", "乙"], "specifications": 288, "estimated": 256, "median": [0.126, 0.05], "smallest": [0.11, -0.02], "largest": [0.15, 0.2],
    "same_sign": [1.0, 0.94], "significant": [1.0, 0.5], "stable": [True, False], "adjusted": True, "significant_adjusted": [0.9, 0.1], "median_adjusted": [0.126, 0.01],
})


def paragraph(**changes) -> str:
    given = {"place": "某县", "variances": variances(), "singles": SINGLES, "multiverses": CURVES, "spread": 98.0, "unit": "分",
             "sizes": {"甲": "约 1.9 人", "乙": "约 3 元"}, "group": "学校", "counties": 1, "significance": 0.05, "detectable": ""}
    return sentences.bureau_paragraph(**(given | changes))


def test_the_plain_paragraph_takes_every_number_from_the_frames():
    text = paragraph()
    assert "大约 18 份是学校与学校之间的，其余是同一学校内部的" in text
    assert "乙单独看与成绩有联系，但把学生家庭背景等生源情况一并考虑之后，联系不再显著" in text
    assert "甲（学校之间相差一个标准差，即约 1.9 人，平均成绩相应相差约 12.3 分，资源多的较高）" in text and "乙（学校" not in text
    assert text.endswith("不能据此断定增加某项投入就会提高成绩。")


def test_the_plain_paragraph_says_so_where_nothing_holds():
    assert "考虑生源之后没有看到哪一项资源与成绩有稳定的联系" in paragraph(multiverses=CURVES.assign(stable=False))
    few = paragraph(variances=variances(icc=NAN), singles=SINGLES.head(0), multiverses=CURVES.head(0))
    assert "学校太少" in few and "标准差" not in few


def test_variance_shares_may_be_negative_and_unfitted_rungs_are_named():
    text = sentences.variance_sentence(variances(r2_between=[0, -0.1, 0.4]), place="某县", group="学校")
    assert "有形资源（M2）−10.0%" in text and "不降反升" in text
    table = variances(remark=["", "", "没有拟合：学校太少"], between=[0.2, 0.16, NAN], r2_between=[0, 0.2, NAN])
    assert "M4 没有拟合" in sentences.variance_sentence(table, place="某县", group="学校")
    none = sentences.variance_sentence(variances(icc=NAN, remark="没有拟合：学校只有 5 所"), place="某县", group="学校")
    assert none == "某县：方差成分没有估计（没有拟合：学校只有 5 所）。"


def test_what_could_not_be_tested_is_not_called_unstable_and_no_composition_is_claimed():
    open_ = CURVES.assign(stable=[None, False], adjusted=False)
    text = sentences.multiverse_sentence(open_, place="某县")
    assert "1 项未能检验" in text and "控制学生构成" not in text
    assert "考虑生源" not in paragraph(multiverses=open_)
    assert "不计县与县的差异" in paragraph(counties=6)
    districts = paragraph(group="县", aggregate="学区")
    assert "每 100 份学区平均成绩的差异中" in districts and "学区内部学生之间的差异看不到" in districts


def test_specifications_never_appear_as_one_number():
    text = sentences.multiverse_sentence(CURVES, place="某县")
    assert "256 种" in text and "甲（这些设定的中位数 0.126、90.0%同号且显著；全部设定中位数 0.126，范围 0.110 至 0.150）" in text
    assert "没有一项的联系是稳定的" in sentences.multiverse_sentence(CURVES.assign(stable=False), place="某县")


def test_losses_are_named_with_their_reasons():
    flow = pd.DataFrame({
        "step": ["读入", "对应", "有成绩", "完整"], "observations": [100, 90, 88, 80], "groups": [5, 4, 4, 4],
        "lost": [0, 10, 2, 8], "reason": ["", "没有代码", "缺考", "缺失"],
    })
    text = sentences.flow_sentence(flow, place="某县", unit="名学生", group="所学校")
    assert "读入 100 名学生，进入分析 88 名学生、4 所学校" in text and "对应一步少 10 名学生（没有代码）" in text
    assert "全部变量齐全的 80 名学生" in text


def test_a_difference_rate_is_read_with_its_interval_beside_the_reported_value():
    rates = pd.DataFrame({"label": ["校际方差占比"], "estimate": [0.149], "low": [0.08], "high": [0.26], "reading": ["undecided"],
                          "remark": [""]})
    text = sentences.difference_rate_sentence(rates, place="某县", limit=0.15, reported=0.116)
    assert "0.149（95% 区间 0.080 至 0.260），凭这些样本不能判断是否低于 0.15" in text and "监测报告值为 0.116，低于 0.15，判定以它为准" in text
    blank = rates.assign(estimate=NAN, reading="")
    assert "没有一种定义可以计算。监测报告没有给出" in sentences.difference_rate_sentence(blank, place="某县", limit=0.15, reported=None)


# --- what tables hide and print -------------------------------------------------------------------------------------


def test_cells_of_few_students_are_hidden_and_cannot_be_found_by_subtraction():
    levels = pd.DataFrame({"county": ["A"] * 4 + ["B"] * 4, "count": [4, 30, 40, 50, 20, 30, 40, 50], "share": 0.1})
    shown = tables.suppress_small(levels, count="count", columns=["share"], fewest=10, within="county")
    assert shown["suppressed"].tolist() == [True, True, False, False, *[False] * 4]
    two = tables.suppress_small(levels.head(4).assign(count=[60, 50, 1, 1]), count="count", columns=["share"], fewest=10, within="county")
    assert two["suppressed"].tolist() == [False, True, True, True]  # two hidden cells of one student each are no shelter
    assert shown.loc[[0, 1], ["share", "count"]].isna().all().all() and shown["share"].notna().sum() == 6
    assert levels["share"].notna().all()


def test_a_cell_of_nobody_and_one_of_exactly_the_limit_are_shown():
    table = pd.DataFrame({"count": [0, 9, 10], "share": [0.0, 0.1, 0.2]})
    shown = tables.suppress_small(table, count="count", columns=["share"], fewest=10)
    assert shown["suppressed"].tolist() == [False, True, False]


def test_models_stand_side_by_side_with_stars_and_errors():
    frame = pd.DataFrame({"label": ["甲", "甲", "乙"], "model": ["M1", "M2", "M2"], "estimate": [0.1234, -0.5, 0.2],
                          "se": [0.03, 0.1, 0.2], "p": [0.0004, 0.03, 0.4]})
    table = tables.side_by_side(frame)
    assert [c["label"] for c in table.columns] == ["变量", "M1", "M2"]
    assert table.rows == (("甲", "0.123*** (0.030)", "−0.500* (0.100)"), ("乙", "", "0.200 (0.200)"))
    assert tables.side_by_side(frame.head(0)).rows[0][0] == "无"


def test_small_probabilities_are_not_printed_as_zero():
    column = tables.p_value("p", "p")
    assert [column.write(p) for p in (0.0001, 0.001, 0.04, np.nan)] == ["<0.001", "0.001", "0.040", "—"]
