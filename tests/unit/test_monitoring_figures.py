"""Figures of achievement: schools, levels, difference rates, missing values."""

from __future__ import annotations

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
from matplotlib.colors import to_hex, to_rgb

from qbresearch.errors import InputError
from qbresearch.exhibits import canvas, figures, style


def schools(count: int = 6) -> tuple[pd.DataFrame]:
    effects = np.linspace(-30.0, 30.0, count)
    differs = ["below" if e < -15 else "above" if e > 15 else "" for e in effects]
    data = pd.DataFrame(
        {
            "label": [f"鄠邑第{n}小学" for n in range(count)],
            "effect": effects,
            "low": effects - 14.5,
            "high": effects + 14.5,
            "students": np.arange(count) * 7.0 + 20,
            "differs": differs,
        }
    )
    data.loc[1, ["low", "students"]] = NAN
    return (data.sample(frac=1, random_state=1).reset_index(drop=True),)


def levels() -> tuple[pd.DataFrame]:
    shares = {"全县": [0.05, 0.25, 0.5, 0.2], "浉河二小": [0.01, 0.99, 0.0, 0.0], "硚口三小": [NAN] * 4}
    names = ("水平Ⅰ", "水平Ⅱ", "水平Ⅲ", "水平Ⅳ")
    rows = [(label, name, share) for label, given in shares.items() for name, share in zip(names, given, strict=True)]
    return (pd.DataFrame(rows, columns=["label", "level", "share"]),)


def rates() -> tuple[pd.DataFrame]:
    return (
        pd.DataFrame(
            {
                "label": ["方差分析法", "随机截距模型，控制学生的家庭背景和性别", "只有一所学校", "没有区间"],
                "estimate": [0.2, 0.08, NAN, 0.16],
                "low": [0.16, 0.03, NAN, NAN],
                "high": [0.33, 0.14, NAN, 0.3],
                "limit": [0.15] * 4,
                "reading": ["above", "below", "undecided", "undecided"],
            }
        ),
    )


def missing() -> tuple[pd.DataFrame]:
    return (pd.DataFrame({"label": ["性别", "家庭藏书"], "missing": [0.0, 12.0], "rows": [1200.0, 96.0]}),)


CASES = {
    figures.plot_caterpillar: schools,
    figures.plot_levels: levels,
    figures.plot_difference_rates: rates,
    figures.plot_missing: missing,
}
every_figure = pytest.mark.parametrize(("plot", "make"), CASES.items(), ids=lambda item: item.__name__)


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
def test_given_frame_is_left_as_it_was_and_other_types_are_taken(plot, make):
    check_frames_left_alone(plot, make)
    check_other_types(plot, make)


@every_figure
def test_draws_into_given_axes_only(plot, make):
    check_given_axes(plot, make, many=False)


@every_figure
def test_texts_stay_in_the_picture_and_apart(plot, make):
    check_texts_inside_and_apart(plot(*make()))


def names_on_axis(ax: plt.Axes) -> list[str]:
    return [t.get_text().replace("\n", "") for t in ax.get_yticklabels()]


def test_schools_are_sorted_counted_and_named():
    ax = figures.plot_caterpillar(*schools())
    assert names_on_axis(ax) == [f"鄠邑第{n}小学" for n in (5, 4, 3, 2, 1, 0)]
    assert {"高于平均（2 所）", "低于平均（2 所）", "与平均无法区分（2 所）"} <= set(words(ax))
    assert {"+30.0", "−30.0", "55", "—"} <= set(words(ax))
    assert marks(ax) == [2, 2, 2]
    assert strokes(ax) == 5  # one school has no interval
    colours = [to_hex(c.get_facecolor()[0]).upper() for c in ax.collections if len(c.get_facecolor())]
    assert {style.PALETTE["met"], style.PALETTE["not_met"]} <= set(colours)


def test_order_that_is_already_by_effect_is_kept():
    (data,) = schools()
    rising = data.sort_values("effect")
    assert names_on_axis(figures.plot_caterpillar(rising))[0] == "鄠邑第0小学"
    assert names_on_axis(figures.plot_caterpillar(rising.iloc[::-1]))[0] == "鄠邑第5小学"


def test_school_without_an_effect_is_counted_and_not_drawn():
    (data,) = schools()
    ax = figures.plot_caterpillar(data.assign(effect=data["effect"].where(data["label"] != "鄠邑第0小学")))
    assert sum(marks(ax)) == 5
    assert "另有 1 所无法估计" in ax.get_xlabel()
    assert "低于平均（1 所）" in words(ax)
    with pytest.raises(InputError, match="没有一行能画"):
        figures.plot_caterpillar(data.assign(effect=NAN))


@pytest.mark.parametrize("count", [40, 41, 150])
def test_of_many_schools_only_the_farthest_that_differ_are_named(count):
    ax = figures.plot_caterpillar(*schools(count))
    shown = [w for w in words(ax) if w.startswith("鄠邑第")]
    if count <= 40:
        assert len(shown) == count
        return
    (data,) = schools(count)
    differing = data[data["differs"] != ""]
    each = min(12, int((differing["differs"] == "above").sum()))
    assert len(shown) == 2 * each
    assert "鄠邑第0小学" in shown and f"鄠邑第{count - 1}小学" in shown
    rest = int((differing["differs"] == "above").sum()) - each
    assert words(ax).count(f"另有 {rest} 所") == (2 if rest else 0)
    check_texts_inside_and_apart(ax)


def test_six_hundred_schools_are_drawn_and_more_refused():
    figure = figure_of(figures.plot_caterpillar(*schools(600)))
    assert figure.get_figheight() < 9
    style.figure_png(figure)
    with pytest.raises(InputError, match="601 个"):
        figures.plot_caterpillar(*schools(601))


def test_unknown_words_and_exchanged_ends_are_refused():
    (data,) = schools()
    with pytest.raises(InputError, match="与平均的比较"):
        figures.plot_caterpillar(data.assign(differs="higher"))
    with pytest.raises(InputError, match="下限大于上限"):
        figures.plot_caterpillar(data.assign(low=data["high"] + 1))
    with pytest.raises(InputError, match="判读结果"):
        figures.plot_difference_rates(rates()[0].assign(reading="met"))
    assert plt.get_fignums() == []


def test_wide_segments_carry_their_share_and_narrow_ones_do_not():
    ax = figures.plot_levels(*levels())
    assert {"5.0%", "25.0%", "50.0%", "20.0%", "99.0%", "无法计算"} <= set(words(ax))
    assert "1.0%" not in words(ax) and "0.0%" not in words(ax)
    ends = [bar.get_x() + bar.get_width() for bar in ax.patches]
    assert max(ends) == pytest.approx(1.0)
    assert [t.get_text() for t in ax.figure.legends[0].get_texts()] == ["水平Ⅰ", "水平Ⅱ", "水平Ⅲ", "水平Ⅳ"]


@pytest.mark.parametrize("count", [2, 4, 6])
def test_levels_grow_darker_in_print_without_colour(count):
    shares = pd.DataFrame({"label": "甲", "level": [f"水平{n}" for n in range(count)], "share": 1 / count})
    faces = [to_rgb(bar.get_facecolor()) for bar in figures.plot_levels(shares).patches]
    grey = np.array(faces) @ [0.299, 0.587, 0.114]
    assert (np.diff(grey) < -0.08).all()


def test_shares_that_make_no_whole_are_refused():
    (data,) = levels()
    with pytest.raises(InputError, match="之和不是 1"):
        figures.plot_levels(data.assign(share=data["share"] / 2))
    with pytest.raises(InputError, match="不可能的值"):
        figures.plot_levels(data.assign(share=data["share"] * 100))
    with pytest.raises(InputError, match="缺 水平Ⅲ"):
        figures.plot_levels(data.drop(index=2))
    with pytest.raises(InputError, match="两个值"):
        figures.plot_levels(pd.concat([data, data]))


def test_too_many_rows_are_refused():
    many = pd.DataFrame({"label": [f"第{n}小学" for n in range(61)], "level": "水平Ⅰ", "share": 1.0})
    with pytest.raises(InputError, match="61 个"):
        figures.plot_levels(many)
    assert figures.plot_levels(many.iloc[:60]).figure.get_figheight() < 11  # a page
    plt.close("all")
    seven = pd.DataFrame({"label": "甲", "level": [f"水平{n}" for n in range(7)], "share": 1 / 7})
    with pytest.raises(InputError, match="7 个"):
        figures.plot_levels(seven)
    with pytest.raises(InputError, match="61 个"):
        figures.plot_difference_rates(pd.concat([rates()[0].iloc[:1]] * 61))
    with pytest.raises(InputError, match="61 个"):
        figures.plot_missing(pd.concat([missing()[0].iloc[:1]] * 61))
    assert plt.get_fignums() == []


def test_rate_and_interval_are_written_and_the_limit_is_one_dashed_line():
    ax = figures.plot_difference_rates(*rates())
    shown = words(ax)
    assert {"0.200", "[0.160, 0.330]", "0.080", "界限 0.15", "无法计算", "低于界限", "高于界限", "无法判定"} <= set(
        shown
    )
    assert "没有界限" not in shown
    dashed = [line for line in ax.lines if line.is_dashed()]
    assert [list(line.get_xdata()) for line in dashed] == [[0.15, 0.15]]
    points = {line.get_marker(): line for line in ax.lines if line.get_marker() not in ("None", None, "")}
    assert set(points) == {"o", "X", "s"}
    assert strokes(ax) == 2  # the row with one end has no interval


def test_limits_that_differ_stand_in_their_rows_and_none_in_no_row():
    (data,) = rates()
    ax = figures.plot_difference_rates(data.assign(limit=[0.15, 0.2, NAN, NAN], reading=["above", "below", "", ""]))
    assert {"0.15", "0.2", "没有界限"} <= set(words(ax))
    assert not [line for line in ax.lines if line.is_dashed()]
    ax = figures.plot_difference_rates(data.assign(limit=NAN, reading=""))
    assert "界限" not in words(ax) and not [line for line in ax.lines if line.is_dashed()]


def test_missing_shares_and_counts_are_written():
    ax = figures.plot_missing(*missing())
    assert {"12.5%", "12／96", "0.0%", "0／1200"} <= set(words(ax))
    assert [bar.get_width() for bar in ax.patches] == [0.0, 0.125]
    assert "各变量都没有缺失" not in words(ax)


def test_nothing_missing_is_said_and_no_rows_is_not_nothing():
    (data,) = missing()
    assert "各变量都没有缺失" in words(figures.plot_missing(data.assign(missing=0)))
    ax = figures.plot_missing(data.assign(missing=0, rows=[0, 96]))
    assert "无法计算" in words(ax) and "各变量都没有缺失" not in words(ax)
    with pytest.raises(InputError, match="多于总行数"):
        figures.plot_missing(data.assign(rows=5))
    with pytest.raises(InputError, match="不可能的值"):
        figures.plot_missing(data.assign(missing=-1))


@pytest.mark.parametrize("wanted", [[0.0], [0.0, 0.1, 0.2], [5.0, 5.0, 9.0, 9.1, 9.2], [9.9, 10.0]])
def test_labels_are_spread_in_order_and_stay_between_the_limits(wanted):
    placed = canvas.spread_labels(np.array(wanted), 1.5, 0.0, 10.0)
    assert (np.diff(placed) >= 1.5 - 1e-9).all()
    assert placed.min() >= 0 and placed.max() <= 10 + 1e-9
    far = canvas.spread_labels(np.array([1.0, 4.0]), 1.5, 0.0, 10.0)
    np.testing.assert_allclose(far, [1.0, 4.0])


@pytest.mark.parametrize(
    ("values", "figures_", "decimals"),
    [([39.8], 3, 1), ([1350.0], 4, 1), ([1.0], 4, 3), ([0.3], 3, 3), ([NAN, 0.0], 3, 3)],
)
def test_decimals_follow_the_largest_number(values, figures_, decimals):
    assert canvas.common_decimals(values, figures_) == decimals
