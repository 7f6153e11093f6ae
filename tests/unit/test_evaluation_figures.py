"""Figures of the whole evaluation: drawn from small frames, readable without colour, and bad frames are refused."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from qbresearch.errors import InputError
from qbresearch.exhibits import style
from qbresearch.exhibits.figures import evaluation as figures
from qbresearch.language import CHINESE, use_language
from tests.unit.drawing import (
    NAN,
    check_drawn_twice_the_same,
    check_frames_left_alone,
    check_given_axes,
    check_other_types,
    check_texts_inside_and_apart,
    marks,
    strokes,
    words,
)

LONG = "县域内义务教育学校音乐、美术专用教室配备达到规定要求的学校所占比例（含教学点）"


def tree() -> pd.DataFrame:
    rows = [
        # code, depth, parent, label, verdict, decides, value, comparison, limit, margin, unit, percent
        ("county", 0, "", "评估", "not_met", True, NAN, "", NAN, NAN, "", False),
        ("resources", 1, "county", "资源配置", "not_met", True, NAN, "", NAN, NAN, "", False),
        ("schools", 2, "resources", "每所学校达标", "not_met", True, NAN, "", NAN, NAN, "", False),
        ("L1", 2, "resources", "高于规定学历教师", "met", True, NAN, "", NAN, NAN, "", False),
        ("L1:primary", 3, "L1", "小学", "met", True, 0.4, "at_most", 0.5, 0.1, "", False),
        ("L1:junior", 3, "L1", "初中", "met", True, 0.45, "at_most", 0.45, 0.0, "", False),
        ("L2", 2, "resources", "县级以上骨干教师", "not_met", True, NAN, "", NAN, NAN, "", False),
        ("L2:primary", 3, "L2", "小学", "not_met", True, 0.6, "at_most", 0.5, -0.1, "", False),
        ("government", 1, "county", "政府保障程度", "undecided", True, NAN, "", NAN, NAN, "", False),
        ("G7", 2, "government", LONG, "met", True, 7200.0, "at_least", 6000.0, 1200.0, "元", False),
        ("G7_funding", 3, "G7", "生均公用经费", "met", True, 7200.0, "at_least", 6000.0, 1200.0, "元", False),
        ("G14", 2, "government", "名额分配", "undecided", True, NAN, "at_least", 0.5, NAN, "", True),
        ("V", 1, "county", "一票否决", "", True, NAN, "", NAN, NAN, "", False),
        ("V-R", 2, "V", "社会认可度不足", "", True, 0.9, "at_least", 0.85, 0.05, "", True),
        ("R_sample", 2, "V", "样本", "met", True, 0.006, "at_least", 0.0015, 0.0045, "", True),
        ("supplement", 1, "county", "两个只增不减", "met", False, NAN, "", NAN, NAN, "", False),
        ("F1", 2, "supplement", "教育支出", "met", True, 12e8, "not_less", 11e8, 1e8, "元", False),
    ]  # fmt: skip
    names = ["code", "depth", "parent", "label", "verdict", "decides", "value", "comparison", "limit", "margin", "unit", "percent"]
    return pd.DataFrame(rows, columns=names)


def recognition() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "label": ["家长", "教师", "其他群众", "合计"],
            "share": [0.9, 0.8, NAN, 0.88],
            "low": [0.87, 0.7, NAN, 0.86],
            "high": [0.92, 0.87, NAN, 0.9],
            "threshold": [0.85] * 4,
            "valid": [1000, 80, 0, 1080],
            "verdict": ["", "", "", "met"],
        }
    )


def increases() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "label": ["教育支出"] * 4 + ["生均教育支出"] * 4,
            "unit": ["元"] * 4 + ["元/人"] * 4,
            "year": [2021, 2022, 2023, 2024] * 2,
            "value": [5e8, 6e8, 5.4e8, 6.1e8, 100.0, NAN, 120.0, 130.0],
            "real": [5e8, 5.9e8, 5.2e8, 5.8e8, NAN, NAN, NAN, NAN],
            "verdict": ["", "met", "not_met", "met", "", "undecided", "undecided", "met"],
        }
    )


def schools() -> pd.DataFrame:
    rows = [("甲小学", "met", "met"), ("乙小学", "not_met", "undecided"), ("丙小学", "not_met", "not_met"), ("丁小学", "met", "")]
    return pd.DataFrame(
        [(name, label, verdict) for name, *verdicts in rows for label, verdict in zip(("班额", "学校规模"), verdicts, strict=True)],
        columns=["school", "label", "verdict"],
    )


CASES = {
    figures.plot_verdicts: lambda: (tree()[["code", "depth", "parent", "label", "verdict", "decides"]],),
    figures.plot_margins: lambda: (tree().drop(columns=["depth", "decides"]),),
    figures.plot_recognition: lambda: (recognition(),),
    figures.plot_increases: lambda: (increases(),),
    figures.plot_school_evidence: lambda: (schools(),),
}
every_figure = pytest.mark.parametrize(("plot", "make"), CASES.items(), ids=lambda item: getattr(item, "__name__", ""))


@pytest.fixture(autouse=True)
def _clean():
    style.use_style()
    yield
    use_language(CHINESE)
    plt.close("all")


# --- what holds for all -------------------------------------------------------------------------------------------


@every_figure
def test_is_drawn_twice_the_same_into_new_and_given_axes_and_leaves_its_frame_alone(plot, make, caplog):
    check_drawn_twice_the_same(plot, make, caplog)
    check_frames_left_alone(plot, make)
    check_other_types(plot, make)
    plt.close("all")
    check_given_axes(plot, make, many=False)


@every_figure
def test_no_text_leaves_the_picture_or_lies_on_another(plot, make):
    check_texts_inside_and_apart(plot(*make()))


@every_figure
def test_a_missing_column_is_refused_by_name_and_a_frame_without_rows_says_why(plot, make):
    (data,) = make()
    for column in data.columns:
        with pytest.raises(InputError, match=f"缺少列 {column}"):
            plot(data.drop(columns=column))
    for empty in (data.iloc[:0], pd.DataFrame()):
        ax = plot(empty)
        assert len(ax.texts) == 1 and ax.texts[0].get_text().startswith("没有") and not ax.lines


@pytest.mark.parametrize("plot", [figures.plot_verdicts, figures.plot_margins, figures.plot_school_evidence])
def test_a_verdict_that_does_not_exist_is_refused(plot):
    (data,) = CASES[plot]()
    data.loc[0, "verdict"] = "failed"
    with pytest.raises(InputError, match="没有这个判定结果"):
        plot(data)


# --- the board ----------------------------------------------------------------------------------------------------


def test_the_board_has_a_tile_for_every_item_with_a_shade_and_a_mark_of_its_own():
    ax = figures.plot_verdicts(tree())
    frames = [(len(c.get_paths()), c.get_facecolor()) for c in ax.collections]
    assert sum(count for count, _ in frames) == 8  # items, not parts and not requirements
    assert len([p for p in ax.patches if p.get_hatch()]) == 1
    assert [count for count, colour in frames if len(colour) and colour[0][:3].mean() < 0.5] == [2]
    assert sorted(line.get_marker() for line in ax.lines for _ in line.get_xdata()) == sorted("XoXosoo")


def test_a_part_counts_items_with_a_code_and_says_where_it_decides_nothing():
    shown = words(figures.plot_verdicts(tree()))
    assert shown.count("2 项中 1 项达标") == 2 and "3 项中 1 项达标" not in shown  # that every school meets the standard is no item
    assert "两个只增不减（不计入总体判定）" in shown
    assert {"G7", "G14", "L1"} <= set(shown) and "schools" not in shown


def test_a_short_label_is_taken_where_there_is_one_and_a_long_one_is_cut():
    data = tree().assign(short=lambda d: d["code"].map({"G14": "名额"}).fillna(""))
    shown = words(figures.plot_verdicts(data))
    assert "名额" in shown and "名额分配" not in shown
    assert any(text.endswith("…") and LONG.startswith(text[:8]) for text in shown)


# --- margins ------------------------------------------------------------------------------------------------------


def test_margins_are_shares_of_the_limit_worst_first_with_right_to_the_right():
    ax = figures.plot_margins(tree())
    labels = [t.get_text().replace("\n", "") for t in ax.get_yticklabels()]
    assert labels[0] == "L2 县级以上骨干教师 小学"
    assert "L1 高于规定学历教师 初中" in labels and not any("社会认可度不足" in label for label in labels)
    points = [line for line in ax.lines if line.get_marker() in ("o", "X")]
    ends = [float(x) for line in points for x in line.get_xdata()]
    assert ends[0] == pytest.approx(-0.2) and ends[1] == pytest.approx(0.0) and ends == sorted(ends)
    assert [line.get_marker() for line in points][:2] == ["X", "o"]


def test_a_requirement_without_data_is_counted_and_a_far_margin_is_written_at_the_edge():
    ax = figures.plot_margins(tree())
    assert "另有 1 项缺数据" in ax.get_xlabel()
    assert any(text == "+300% »" for text in words(ax))
    assert ax.get_xlim()[1] < 1.1


def test_no_number_at_all_is_said_in_the_picture_s_place():
    ax = figures.plot_margins(tree().assign(value=NAN, margin=NAN))
    assert ax.texts[0].get_text() == "没有可以比较的数值要求"


def test_only_the_sixty_worst_margins_are_drawn():
    many = pd.concat([tree().query("code == 'L2:primary'")] * 70, ignore_index=True)
    many = many.assign(code=[f"G{i}_x" for i in range(70)], margin=np.linspace(-0.2, 0.2, 70))
    ax = figures.plot_margins(many)
    assert len(ax.get_yticks()) == 60 and "另有 10 项差距更小，未画" in ax.get_xlabel()


# --- recognition --------------------------------------------------------------------------------------------------


def test_every_group_has_its_interval_and_only_the_whole_is_judged():
    ax = figures.plot_recognition(recognition())
    assert strokes(ax) == 3 * 3  # interval and two ends
    shown = words(ax)
    assert {"90.0%", "80.0%", "—", "没有有效答卷", "不单独判定", "达标", "要求 85%"} <= set(shown)
    assert [line.get_marker() for line in ax.lines].count("o") >= 3


def test_a_share_above_one_and_ends_exchanged_are_refused():
    with pytest.raises(InputError, match="share"):
        figures.plot_recognition(recognition().assign(share=[90.0, 0.8, NAN, 0.9]))
    data = recognition()
    data.loc[0, ["low", "high"]] = [0.92, 0.87]
    with pytest.raises(InputError, match="下限大于上限"):
        figures.plot_recognition(data)


# --- yearly increases ---------------------------------------------------------------------------------------------


def test_a_fall_is_marked_with_its_size_and_amounts_have_short_numbers():
    ax = figures.plot_increases(increases())
    first, second = ax.child_axes
    assert (first.get_ylabel(), second.get_ylabel()) == ("亿元", "元/人")
    crosses = [line for line in first.lines if line.get_marker() == "X"]
    assert [list(line.get_xdata()) for line in crosses] == [[2023]] and float(crosses[0].get_ydata()[0]) == pytest.approx(5.4)
    assert "−10.0%" in words(ax)
    squares = [line for line in second.lines if line.get_marker() == "s"]
    assert sorted(x for line in squares for x in line.get_xdata()) == [2022, 2023]
    assert not [x for line in second.lines if line.get_marker() == "X" for x in line.get_xdata()]


def test_without_price_indices_nothing_is_said_about_constant_prices():
    assert "扣除物价因素（仅供参考）" in words(figures.plot_increases(increases()))
    assert "扣除物价因素（仅供参考）" not in words(figures.plot_increases(increases().assign(real=NAN)))


# --- schools ------------------------------------------------------------------------------------------------------


def test_schools_with_most_unmet_requirements_stand_on_top():
    ax = figures.plot_school_evidence(schools())
    assert [t.get_text() for t in ax.get_yticklabels()] == ["丙小学", "乙小学", "甲小学", "丁小学"]
    assert sum(marks(ax)) == 7  # one pair does not apply
    assert {"2", "1"} <= set(words(ax)) and "0" not in words(ax)
    assert len([p for p in ax.patches if p.get_hatch()]) == 1


def test_of_more_than_sixty_schools_the_worst_are_drawn_and_the_rest_counted():
    many = pd.DataFrame([(f"第{i}小学", "班额", "not_met" if i >= 50 else "met") for i in range(75)], columns=["school", "label", "verdict"])
    ax = figures.plot_school_evidence(many)
    labels = [t.get_text() for t in ax.get_yticklabels()]
    assert len(labels) == 60 and set(labels[:25]) == {f"第{i}小学" for i in range(50, 75)}
    assert ax.get_xlabel().startswith("另有 15 所学校")


def test_a_school_judged_twice_is_refused():
    with pytest.raises(InputError, match="同一处有两个值"):
        figures.plot_school_evidence(pd.concat([schools(), schools().head(1)], ignore_index=True))


def test_one_school_and_long_names_still_fit():
    one = schools().query("school == '乙小学'").assign(school="某某镇中心学校附属第二十三教学点（九年一贯制，含学前部）", label=["班额", LONG])
    check_texts_inside_and_apart(figures.plot_school_evidence(one))


# --- language -----------------------------------------------------------------------------------------------------


@every_figure
def test_nothing_chinese_is_left_in_english_but_what_the_frame_brings(plot, make):
    (data,) = make()
    chinese = data.select_dtypes(["object", "string"]).columns
    data = data.assign(**{c: data[c].map(lambda v: "x" + str(abs(hash(v)) % 1000) if any("\u4e00" <= ch <= "\u9fff" for ch in v) else v)
                          for c in chinese})  # fmt: skip
    use_language("en")
    for text in words(plot(data)):
        assert not any("\u3000" <= ch <= "\u9fff" or ch in "，。；：（）" for ch in text), text
