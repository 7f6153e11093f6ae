"""Figures of models: coefficients, importance, variance, specifications, correlations, scatters, moderation."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from drawing import (
    NAN,
    check_bad_frames,
    check_drawn_twice_the_same,
    check_frames_left_alone,
    check_given_axes,
    check_other_types,
    check_texts_inside_and_apart,
    figure_of,
    marks,
    strokes,
    words,
)
from matplotlib.colors import to_rgb

from qbresearch.errors import InputError
from qbresearch.exhibits import figures, style

LONG = "每百名学生拥有体育、艺术（美术、音乐）专任教师数"
AREA = "生均教学及辅助用房面积"


def coefficients() -> tuple[pd.DataFrame]:
    return (
        pd.DataFrame(
            {
                "label": [LONG, LONG, AREA, AREA, "校均家庭社会经济地位"],
                "model": ["M2 有形资源", "M4 生源构成", "M2 有形资源", "M4 生源构成", "M4 生源构成"],
                "estimate": [0.4, 0.1, -0.2, NAN, 0.6],
                "low": [0.2, -0.1, NAN, NAN, 0.4],
                "high": [0.6, 0.3, 0.1, NAN, 0.8],
            }
        ),
    )


def importance() -> tuple[pd.DataFrame]:
    return (
        pd.DataFrame(
            {
                "label": [LONG, AREA, "校均家庭社会经济地位", "纪律氛围"],
                "group": ["有形资源", "有形资源", "生源构成", "无形资源"],
                "share": [0.4, 0.15, 0.45, NAN],
                "low": [0.2, NAN, 0.3, NAN],
                "high": [0.5, 0.2, 0.6, NAN],
            }
        ),
    )


def variance() -> tuple[pd.DataFrame]:
    return (
        pd.DataFrame(
            {
                "model": ["M0 空模型", "M0 空模型", "M1 学生", "M1 学生", "三层模型", "三层模型", "三层模型"],
                "component": ["校间", "学生间", "校间", "学生间", "校间", "班间", "学生间"],
                "value": [25.0, 75.0, 1.0, 60.0, 20.0, 10.0, 70.0],
            }
        ),
    )


def specifications(count: int = 8) -> tuple[pd.DataFrame, pd.DataFrame]:
    estimates = np.linspace(-0.1, 0.3, count)
    data = pd.DataFrame({"estimate": estimates, "low": estimates - 0.1, "high": estimates + 0.1})
    data["significant"] = data["low"] > 0
    data["main"] = np.arange(count) == count // 2
    numbers = np.arange(count)
    choices = pd.DataFrame(
        {
            "结果变量": np.where(numbers % 2, "标准分", "原始分"),
            "控制变量": np.select([numbers % 3 == 0, numbers % 3 == 1], ["不加入", "学生"], "学生与生源构成"),
        }
    )
    return data, choices


def correlations() -> tuple[pd.DataFrame]:
    return (
        pd.DataFrame(
            {
                "row": ["用房面积", "设备值", "设备值"],
                "column": ["成绩", "成绩", "用房面积"],
                "value": [0.254, -0.61, NAN],
                "significant": [False, True, True],
            }
        ),
    )


def rectangle() -> tuple[pd.DataFrame]:
    rows = [(row, column) for row in (LONG, AREA) for column in ("小学语文", "小学数学", "初中语文")]
    data = pd.DataFrame(rows, columns=["row", "column"])
    return (data.assign(value=[0.1, 0.5, -0.4, 0.0, 1.0, -1.0], significant=[False, True, True, False, True, True]),)


def scatters(panels: int = 2) -> tuple[pd.DataFrame, pd.DataFrame]:
    one = pd.DataFrame(
        {
            "x": [1.0, 2.0, 3.0, NAN, 5.0],
            "y": [480.0, 500.0, NAN, 490.0, 520.0],
            "students": [100.0, 800.0, 300.0, 50.0, NAN],
            "group": ["城区", "乡村", "城区", "乡村", "乡村"],
        }
    )
    line = pd.DataFrame({"x": [1.0, 3.0, 5.0], "y": [480.0, 500.0, 515.0]})
    line = line.assign(low=line["y"] - 9, high=line["y"] + 9)
    names = [LONG, AREA, *(f"指标{n}" for n in range(7))][:panels]
    data = pd.concat([one.assign(label=name, unit="㎡") for name in names], ignore_index=True)
    return data, line.assign(label=AREA)


def moderation() -> tuple[pd.DataFrame]:
    x = np.array([-1.0, 0.0, 1.0])
    lines = [
        pd.DataFrame({"line": name, "x": x, "y": 500 + slope * (x - 1), "low": 490 + slope * (x - 1), "high": 512.0})
        for name, slope in (("资源较少", 12.0), ("资源平均", 9.0), ("资源较多", 5.0))
    ]
    return (pd.concat(lines, ignore_index=True),)


CASES = [
    (figures.plot_coefficients, coefficients),
    (figures.plot_importance, importance),
    (figures.plot_variance, variance),
    (figures.plot_specifications, specifications),
    (figures.plot_correlations, correlations),
    (figures.plot_correlations, rectangle),
    (figures.plot_scatters, scatters),
    (figures.plot_moderation, moderation),
]
every_figure = pytest.mark.parametrize(("plot", "make"), CASES, ids=lambda item: item.__name__)


@pytest.fixture(autouse=True)
def _clean():
    style.use_style()
    yield
    plt.close("all")


@every_figure
def test_is_drawn_without_a_warning_and_twice_the_same(plot, make, caplog):
    check_drawn_twice_the_same(plot, make, caplog)


@every_figure
def test_bad_frames_are_refused_by_name(plot, make):
    check_bad_frames(plot, make)


@every_figure
def test_given_frames_are_left_as_they_were_and_other_types_are_taken(plot, make):
    check_frames_left_alone(plot, make)
    check_other_types(plot, make)


@every_figure
def test_draws_into_given_axes_only(plot, make):
    check_given_axes(plot, make, many=plot in (figures.plot_specifications, figures.plot_scatters))


@every_figure
def test_texts_stay_in_the_picture_and_apart(plot, make):
    check_texts_inside_and_apart(plot(*make()))


def points_of(ax: plt.Axes, marker: str) -> np.ndarray:
    """Places of the points drawn with a marker, one row a point."""
    found = [line.get_xydata() for line in ax.lines if line.get_marker() == marker]
    return np.concatenate(found) if found else np.empty((0, 2))


def bars(ax: plt.Axes) -> list[mpl.patches.Rectangle]:
    return [p for p in ax.patches if isinstance(p, mpl.patches.Rectangle) and p.get_width() > 0]


# --- coefficients, importance, variance ---------------------------------------------------------------------------


def test_models_stand_beside_one_another_in_their_own_marks():
    ax = figures.plot_coefficients(*coefficients())
    np.testing.assert_allclose(points_of(ax, "o")[:, 0], [0.4, -0.2])
    np.testing.assert_allclose(points_of(ax, "s")[:, 0], [0.1, 0.6])
    assert (points_of(ax, "o")[0, 1] < 0) and (points_of(ax, "s")[0, 1] > 0)  # both in the first row, at 0
    assert strokes(ax) == 3  # one estimate has but one end
    assert "另有 1 个系数无法估计" in ax.get_xlabel()
    assert [list(line.get_xdata()) for line in ax.lines if line.get_marker() == "None"] == [[0, 0]]
    assert {"M2 有形资源", "M4 生源构成", LONG, AREA} <= set(words(ax))


def test_one_model_stands_in_the_middle_of_its_rows():
    (data,) = coefficients()
    ax = figures.plot_coefficients(data[data["model"] == "M2 有形资源"])
    np.testing.assert_allclose(points_of(ax, "o")[:, 1], [0, 1])


def test_too_many_models_or_terms_and_doubles_are_refused():
    (data,) = coefficients()
    one = data.iloc[:1]
    with pytest.raises(InputError, match="9 个"):
        figures.plot_coefficients(pd.concat([one.assign(model=f"M{n}") for n in range(9)]))
    with pytest.raises(InputError, match="61 个"):
        figures.plot_coefficients(pd.concat([one.assign(label=f"变量{n}") for n in range(61)]))
    wide = [one.assign(label=f"变量{n}", model=f"M{m}") for n in range(26) for m in range(4)]
    with pytest.raises(InputError, match="104 个"):
        figures.plot_coefficients(pd.concat(wide))
    check_texts_inside_and_apart(figures.plot_coefficients(pd.concat(wide[:100])))
    assert plt.gcf().get_figheight() < 11
    plt.close("all")
    with pytest.raises(InputError, match="两个值"):
        figures.plot_coefficients(pd.concat([data, data]))
    with pytest.raises(InputError, match="没有一行能画"):
        figures.plot_coefficients(data.assign(estimate=NAN))
    with pytest.raises(InputError, match="下限大于上限"):
        figures.plot_coefficients(data.assign(low=1.0))
    assert plt.get_fignums() == []


def test_shares_stand_in_per_cent_with_their_intervals_where_there_are_any():
    ax = figures.plot_importance(*importance())
    assert {"40.0%", "[20.0, 50.0]", "15.0%", "45.0%", "无法计算"} <= set(words(ax))
    assert words(ax).count("—") == 3  # one share, and two intervals
    np.testing.assert_allclose([bar.get_width() for bar in bars(ax)], [0.4, 0.15, 0.45])
    faces = [bar.get_facecolor() for bar in bars(ax)]
    assert faces[0] == faces[1] != faces[2]
    assert [t.get_text() for t in ax.figure.legends[0].get_texts()] == ["有形资源", "生源构成", "无形资源"]
    (data,) = importance()
    ax = figures.plot_importance(data.assign(low=NAN, high=NAN, group=""))
    assert "区间（%）" not in words(ax) and not ax.figure.legends
    with pytest.raises(InputError, match="13 个"):
        figures.plot_importance(pd.concat([data.iloc[:1].assign(group=f"组{n}") for n in range(13)]))


def test_components_values_and_sums_are_written():
    ax = figures.plot_variance(*variance())
    shown = words(ax)
    assert {"25.0", "75.0", "100.0", "61.0", "10.0", "合计"} <= set(shown)
    assert shown.count("—") == 2  # two models have no classes
    assert {"25.0%", "75.0%", "98.4%", "20.0%"} <= set(shown)
    assert "1.6%" not in shown  # too narrow
    assert max(bar.get_x() + bar.get_width() for bar in bars(ax)) == pytest.approx(100.0)
    assert [t.get_text() for t in ax.figure.legends[0].get_texts()] == ["校间", "学生间", "班间"]


def test_variance_that_is_zero_unknown_or_negative():
    (data,) = variance()
    data.loc[data["model"] == "M1 学生", "value"] = 0.0
    data.loc[data["model"] == "三层模型", "value"] = NAN
    assert {"各成分都为 0", "无法计算"} <= set(words(figures.plot_variance(data)))
    with pytest.raises(InputError, match="不可能的值"):
        figures.plot_variance(data.assign(value=-1.0))
    with pytest.raises(InputError, match="6 个"):
        figures.plot_variance(pd.DataFrame({"model": "M0", "component": [f"层{n}" for n in range(6)], "value": 1.0}))


# --- specification curve --------------------------------------------------------------------------------------------


def test_specifications_are_in_order_with_median_and_main_marked():
    data, choices = specifications(9)
    data.loc[8, ["estimate", "high"]] = [0.9, 1.0]  # the mean is not the median
    turned = figures.plot_specifications(data.iloc[::-1], choices.iloc[::-1])
    straight = figures.plot_specifications(data, choices)
    for upper, lower in (turned, straight):
        np.testing.assert_allclose(points_of(upper, "D"), [[5, 0.1]])
        assert "中位数0.100" in words(upper)
        assert sum(marks(upper)) == 9
        assert strokes(upper) == 10  # the main one is drawn once more, on top
        assert strokes(lower) == 18
        assert "共 9 个设定" in lower.get_xlabel()
        assert {"显著（4 个）", "不显著（5 个）", "主设定", "结果变量", "控制变量"} <= set(words(lower))
    firsts = [{tuple(s[0]) for c in axes[1].collections for s in c.get_segments()} for axes in (turned, straight)]
    assert len(firsts[0]) == len(firsts[1]) == 18


def test_choice_of_each_specification_stands_below_it():
    data, choices = specifications(4)
    _, lower = figures.plot_specifications(data, choices)
    rows = [t.get_text() for t in lower.get_yticklabels()]
    drawn = {(round(s[0][0]), rows[round(s.mean(axis=0)[1])]) for c in lower.collections for s in c.get_segments()}
    expected = {(n, choices.loc[n - 1, name]) for n in range(1, 5) for name in choices}
    assert drawn == expected
    ranked = choices.assign(结果变量=pd.Categorical(choices["结果变量"], ["标准分", "原始分", "等级"]))
    _, lower = figures.plot_specifications(data, ranked)
    assert [t.get_text() for t in lower.get_yticklabels()][:2] == ["标准分", "原始分"]


def test_specification_without_an_estimate_is_counted():
    data, choices = specifications(6)
    data.loc[0, "estimate"] = NAN
    upper, lower = figures.plot_specifications(data, choices)
    assert "共 5 个设定" in lower.get_xlabel() and "另有 1 个无法估计" in lower.get_xlabel()
    assert sum(marks(upper)) == 5
    with pytest.raises(InputError, match="没有一行能画"):
        figures.plot_specifications(data.assign(estimate=NAN), choices)


def test_six_hundred_specifications_are_drawn_and_more_refused():
    style.figure_png(figure_of(figures.plot_specifications(*specifications(600))))
    with pytest.raises(InputError, match="601 个"):
        figures.plot_specifications(*specifications(601))


def test_choices_that_do_not_fit_are_refused():
    data, choices = specifications()
    for bad in (choices.iloc[1:], choices[[]], choices.where(choices != "学生")):
        with pytest.raises(InputError, match="对不上"):
            figures.plot_specifications(data, bad)
    many = pd.DataFrame({"样本": [f"去掉第{n}所" for n in range(46)]})
    with pytest.raises(InputError, match="46 个"):
        figures.plot_specifications(specifications(46)[0], many)
    _, ax = plt.subplots()
    with pytest.raises(InputError, match="坐标区不够"):
        figures.plot_specifications(data, choices, axes=[ax])


# --- correlations ---------------------------------------------------------------------------------------------------


def cells(ax: plt.Axes) -> dict[tuple[int, int], str]:
    """Texts of the cells by row and column."""
    return {(int(t.get_position()[1]), int(t.get_position()[0])): t.get_text() for t in ax.texts}


@pytest.mark.parametrize("turned", [False, True])
def test_each_pair_stands_once_below_the_diagonal(turned):
    (data,) = correlations()
    if turned:  # the upper triangle, and the pairs with themselves
        data = data.rename(columns={"row": "column", "column": "row"}).iloc[[0, 2, 1]].iloc[[0, 2, 1]]
        data = pd.concat(
            [data, pd.DataFrame({"row": ["成绩"], "column": ["成绩"], "value": [1.0], "significant": True})]
        )
    ax = figures.plot_correlations(data)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["成绩（1）", "用房面积（2）", "设备值（3）"]
    diagonal = {(n, n): f"（{n + 1}）" for n in range(3)}
    assert cells(ax) == diagonal | {(1, 0): "0.25", (2, 0): "−0.61*", (2, 1): "—"}
    assert [t.get_text() for t in ax.texts if t.get_fontweight() == "bold"] == ["−0.61*"]
    assert len(ax.patches) == 3
    assert {"无法计算", "相关系数（粗体加 * 的显著）"} <= set(words(ax))


def test_full_square_with_different_values_for_a_pair_is_refused():
    (data,) = correlations()
    both = pd.concat(
        [data.assign(value=data["value"] * (1 + 1e-15)), data.rename(columns={"row": "column", "column": "row"})]
    )
    assert len(figures.plot_correlations(both).patches) == 3
    with pytest.raises(InputError, match="两个值"):
        figures.plot_correlations(both.assign(value=np.arange(6) / 10))


def test_rectangle_is_white_at_zero_and_equally_strong_at_both_ends():
    ax = figures.plot_correlations(*rectangle())
    assert [t.get_text() for t in ax.get_xticklabels()] == ["小学语文", "小学数学", "初中语文"]
    assert cells(ax)[1, 2] == "−1.00*"
    zero, one, minus = (to_rgb(ax.patches[n].get_facecolor()) for n in (3, 4, 5))
    assert min(zero) > 0.95
    assert one == pytest.approx(to_rgb(style.PALETTE["met"]), abs=0.01)
    assert minus == pytest.approx(to_rgb(style.PALETTE["not_met"]), abs=0.01)
    (data,) = rectangle()
    assert "相关系数" in words(figures.plot_correlations(data.assign(significant=False)))


def test_impossible_or_too_many_correlations_are_refused():
    (data,) = rectangle()
    with pytest.raises(InputError, match="不可能的值"):
        figures.plot_correlations(data.assign(value=1.2))
    with pytest.raises(InputError, match="13 个"):
        figures.plot_correlations(pd.concat([data.iloc[:1].assign(column=f"列{n}") for n in range(13)]))
    with pytest.raises(InputError, match="与自身"):
        figures.plot_correlations(data.assign(row="成绩", column="成绩"))
    names = [f"变量{n}" for n in range(19)]
    chain = pd.DataFrame({"row": names[1:], "column": names[:-1], "value": 0.1, "significant": False})
    with pytest.raises(InputError, match="19 个"):
        figures.plot_correlations(chain)
    assert plt.get_fignums() == []


# --- scatters and slopes --------------------------------------------------------------------------------------------


def test_scatter_draws_schools_with_both_values_and_counts_the_others():
    grid = figures.plot_scatters(*scatters())
    assert [marks(ax)[:2] for ax in grid] == [[1, 2], [1, 2]]
    assert grid[0].get_xlabel() == "数值（㎡）；另有 2 所缺数据"
    assert not len(grid[0].lines[0].get_xdata())  # only one indicator has a fitted line
    np.testing.assert_array_equal(grid[1].lines[0].get_ydata(), [480, 500, 515])
    assert {"城区", "乡村", "拟合线", "拟合线的区间", "点越大，学生越多"} <= set(words(grid))
    sizes = [c.get_sizes() for c in grid[0].collections if isinstance(c, mpl.collections.PathCollection)]
    assert sizes[1][0] > sizes[0][0] > sizes[1][1]  # 800 students, 100, and an unknown number


def test_scatters_without_lines_and_in_eight_panels():
    data, lines = scatters(8)
    assert "拟合线" not in words(figures.plot_scatters(data, lines.iloc[:0]))
    check_texts_inside_and_apart(figures.plot_scatters(data, lines))
    with pytest.raises(InputError, match="9 个"):
        figures.plot_scatters(*scatters(9))


def test_lines_that_do_not_fit_are_refused():
    data, lines = scatters()
    with pytest.raises(InputError, match="没有对应的散点"):
        figures.plot_scatters(data, lines.assign(label="别的指标"))
    with pytest.raises(InputError, match="缺少列 low"):
        figures.plot_scatters(data, lines.drop(columns="low"))
    with pytest.raises(InputError, match="坐标区不够"):
        figures.plot_scatters(data, lines, axes=[plt.subplots()[1]])


def test_lines_are_named_at_their_ends_and_apart():
    ax = figures.plot_moderation(*moderation())
    heights = sorted(t.get_position()[1] for t in ax.texts)
    assert len(heights) == 3 and min(np.diff(heights)) > 1  # all three lines end at 500
    assert {"资源较少", "资源平均", "资源较多"} <= set(words(ax))
    assert len({str(line.get_linestyle()) + str(line._dash_pattern) for line in ax.lines}) == 3
    (data,) = moderation()
    with pytest.raises(InputError, match="6 个"):
        figures.plot_moderation(pd.concat([data.iloc[:1].assign(line=f"线{n}") for n in range(6)]))
    with pytest.raises(InputError, match="没有一行能画"):
        figures.plot_moderation(data.assign(y=NAN))
