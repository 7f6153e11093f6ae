"""Figures: each is drawn from a small frame without a warning, and bad frames are refused in words."""

from __future__ import annotations

import logging
import warnings

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from qbresearch.errors import InputError
from qbresearch.exhibits import canvas, figures, style

LONG = "每百名学生拥有体育、艺术（美术、音乐）专任教师数"
AREA = "生均教学及辅助用房面积"
NAN = float("nan")


def distributions() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "label": [LONG] * 4 + [AREA] * 4 + ["无标准的指标"] * 2,
            "unit": ["人"] * 4 + ["㎡"] * 4 + [""] * 2,
            "value": [0.5, 0.9, 1.2, NAN, 4.0, 4.5, 4.5, 9.0, 1.0, 1.0],
            "students": [100, 800, 2000, 50, 100, 800, 2000, NAN, 0, 0],
            "threshold": [0.9] * 4 + [4.5, 4.5, 5.8, 5.8] + [NAN] * 2,
            "mean": [1.0] * 4 + [5.0] * 4 + [1.0] * 2,
            "verdict": ["not_met", "met", "met", "undecided", "not_met", "met", "not_met", "met", "", ""],
        }
    )


def cv_caps() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "label": [LONG, AREA, "生均体育运动场馆面积", "无上限的指标"],
            "cv": [0.5004, 0.31, NAN, 0.7],
            "cap": [0.5, 0.5, 0.5, NAN],
            "verdict": ["not_met", "met", "undecided", ""],
            "fragile": [True, False, False, False],
        }
    )


def attainment() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "school": ["鄠邑一小", "鄠邑一小", "浉河二小", "浉河二小", "硚口三小"],
            "label": [LONG, AREA, LONG, AREA, AREA],
            "ratio": [0.2, 1.0, 1.4, NAN, 3.0],
            "verdict": ["not_met", "met", "met", "undecided", ""],
        }
    )


def groups() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "label": [LONG] * 4 + [AREA] * 3,
            "unit": ["人"] * 4 + ["㎡"] * 3,
            "group": ["县城", "县城", "乡村", "乡村", "县城", "县城", "镇区"],
            "value": [0.5, 0.9, 1.2, NAN, 4.0, 4.0, 9.0],
            "students": [100, 800, 2000, 50, 100, 800, 2000],
            "group_mean": [0.8, 0.8, 1.2, 1.2, 4.0, 4.0, 9.0],
            "threshold": [0.9, 0.9, 0.9, 0.9, NAN, NAN, 5.8],
        }
    )


def between_within() -> pd.DataFrame:
    return pd.DataFrame({"label": [LONG, AREA, "甲", "乙"], "between": [0.1, 0, NAN, 0], "within": [0.3, 0, NAN, 0.2]})


def years() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "school_year": [2024, 2022, 2023, 2023, 2024],
            "label": [LONG, LONG, LONG, AREA, AREA],
            "cv": [0.4, 0.52, NAN, 0.3, 0.02],
            "cap": [0.5, 0.5, 0.5, NAN, NAN],
        }
    )


def county_cvs() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "county": ["鄠邑区", "鄠邑区", "瀍河回族区", "瀍河回族区"],
            "label": [LONG, AREA, LONG, AREA],
            "cv": [0.501, 0.3, 0.5, NAN],
            "cap": [0.5, 0.5, 0.5, 0.45],
        }
    )


CASES = {
    figures.plot_distributions: distributions,
    figures.plot_cv_caps: cv_caps,
    figures.plot_attainment_map: attainment,
    figures.plot_groups: groups,
    figures.plot_between_within: between_within,
    figures.plot_years: years,
    figures.plot_county_cvs: county_cvs,
}
every_figure = pytest.mark.parametrize(("plot", "make"), CASES.items(), ids=lambda item: item.__name__)


@pytest.fixture(autouse=True)
def _clean():
    style.use_style()
    yield
    plt.close("all")


def figure_of(drawn: Axes | np.ndarray) -> plt.Figure:
    return (drawn.flat[0] if isinstance(drawn, np.ndarray) else drawn).figure


def words(drawn: Axes | np.ndarray) -> list[str]:
    return [t.get_text() for t in figure_of(drawn).findobj(mpl.text.Text) if t.get_visible()]


@every_figure
def test_is_drawn_without_a_warning_and_twice_the_same(plot, make, caplog):
    pictures = []
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        for _ in range(2):
            pictures.append(style.figure_png(figure_of(plot(make()))))
    assert pictures[0] == pictures[1]
    assert not [r for r in caplog.records if "glyph" in r.getMessage().lower() or "font" in r.getMessage().lower()]
    assert plt.get_fignums() == []


@every_figure
def test_missing_column_is_refused_by_name(plot, make):
    for column in make().columns:
        with pytest.raises(InputError, match=f"缺少列 {column}"):
            plot(make().drop(columns=column))
    assert plt.get_fignums() == []


@every_figure
def test_empty_frame_is_refused(plot, make):
    with pytest.raises(InputError, match="没有一行数据"):
        plot(make().iloc[:0])


@every_figure
def test_given_frame_is_left_as_it_was(plot, make):
    data = make()
    plot(data)
    pd.testing.assert_frame_equal(data, make())


@every_figure
def test_draws_into_given_axes_only(plot, make):
    figure, grid = plt.subplots(2, 2, figsize=(12, 9), layout="constrained")
    many = plot in (figures.plot_distributions, figures.plot_groups, figures.plot_years)
    drawn = plot(make(), axes=grid) if many else plot(make(), ax=grid[0, 0])
    assert plt.get_fignums() == [figure.number]
    assert figure_of(drawn) is figure
    assert grid[1, 1].get_title() == "" and not grid[1, 1].collections
    style.figure_png(figure)


@every_figure
def test_no_text_leaves_the_picture(plot, make):
    figure = figure_of(plot(make()))
    figure.canvas.draw()
    boxes = [ax.get_tightbbox() for ax in figure.axes] + [legend.get_window_extent() for legend in figure.legends]
    boxes += [text.get_window_extent() for ax in figure.axes for text in ax.texts]
    for box in boxes:
        assert box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1
        assert box.y0 >= -1 and box.y1 <= figure.bbox.y1 + 1


@every_figure
def test_nullable_categorical_and_object_columns_are_taken(plot, make):
    data = make().convert_dtypes()
    data["label"] = data["label"].astype("category")
    style.figure_png(figure_of(plot(data)))


@every_figure
def test_infinite_and_wordy_numbers_are_refused(plot, make):
    name = next(c for c in ("value", "cv", "ratio", "between") if c in make().columns)
    for bad in (float("inf"), "约五"):
        data = make().astype({name: object})
        data.loc[0, name] = bad
        with pytest.raises(InputError, match=name):
            plot(data)


def test_unknown_verdict_is_refused():
    with pytest.raises(InputError, match="判定结果"):
        figures.plot_cv_caps(cv_caps().assign(verdict="passed"))


def test_too_much_for_one_figure_is_refused():
    many = pd.concat([distributions().assign(label=f"指标{n}") for n in range(9)])
    with pytest.raises(InputError, match="9 个"):
        figures.plot_distributions(many)
    schools = pd.DataFrame({"school": [f"第{n}小学" for n in range(61)], "label": "甲", "ratio": 1.0, "verdict": "met"})
    with pytest.raises(InputError, match="61 个"):
        figures.plot_attainment_map(schools)
    thirteen = pd.concat([groups().iloc[:1].assign(group=f"组{n}") for n in range(13)])
    with pytest.raises(InputError, match="13 个"):
        figures.plot_groups(thirteen)


def test_too_few_axes_are_refused():
    _, ax = plt.subplots()
    with pytest.raises(InputError, match="坐标区不够"):
        figures.plot_years(years(), axes=[ax])


@pytest.mark.parametrize(
    ("plot", "make"),
    [(figures.plot_attainment_map, attainment), (figures.plot_county_cvs, county_cvs), (figures.plot_years, years)],
)
def test_same_cell_given_twice_is_refused(plot, make):
    with pytest.raises(InputError, match="两个值"):
        plot(pd.concat([make(), make()]))


def test_distribution_shows_every_school_with_a_value_in_the_mark_of_its_verdict():
    grid = figures.plot_distributions(distributions())
    drawn = {to_hex(c.get_facecolor()[0]).upper(): len(c.get_offsets()) for c in grid[0].collections
             if isinstance(c, mpl.collections.PathCollection) and len(c.get_offsets())}  # fmt: skip
    assert drawn == {style.PALETTE["met"]: 2, style.PALETTE["not_met"]: 1}
    assert "另有 1 所缺数据" in grid[0].get_xlabel()
    assert figures.plot_groups(groups())[0].get_xlabel() == "数值（人）；另有 1 所缺数据"
    assert grid[1].get_xlabel() == "数值（㎡）"
    assert {"标准 4.5", "标准 5.8"} <= set(words(grid))
    assert not any(line.get_linestyle() == "--" for line in grid[2].lines)


@pytest.mark.parametrize("count", [1, 4, 40, 500])
def test_points_stay_in_their_strip_and_ties_apart(count):
    values = np.repeat(np.linspace(1, 2, max(count // 4, 1)), 4)[:count]
    offsets = canvas.spread_points(values, 0.44)
    assert np.abs(offsets).max() <= 0.44
    assert len(set(zip(values, offsets, strict=True))) == count
    np.testing.assert_array_equal(offsets, canvas.spread_points(values, 0.44))


def test_five_hundred_schools_in_eight_panels_and_one_school_in_one():
    values = np.linspace(0.5, 9, 500)
    one = pd.DataFrame(
        {"value": values, "students": 500, "threshold": 5.0, "mean": 4.0, "unit": "间", "verdict": "met"}
    )
    data = pd.concat([one.assign(label=f"指标{n}") for n in range(8)])
    style.figure_png(figures.plot_distributions(data)[0].figure)
    style.figure_png(figures.plot_distributions(data.iloc[:1])[0].figure)
    style.figure_png(figures.plot_distributions(data.iloc[:1].assign(value=NAN, mean=NAN))[0].figure)


def test_cv_is_written_with_three_decimals_and_fragile_is_marked():
    ax = figures.plot_cv_caps(cv_caps())
    shown = words(ax)
    assert {"0.500", "0.310", "0.700", "无法计算"} <= set(shown)
    assert "临界（四舍五入或增减一人即翻转）" in shown
    triangles = [line for line in ax.lines if line.get_marker() == "^"]
    assert [list(line.get_ydata()) for line in triangles] == [[0.0]]
    order = [t.get_text().replace("\n", "") for t in ax.get_yticklabels()]
    assert order == list(cv_caps()["label"])
    assert ax.yaxis_inverted()


def test_cv_without_any_number_or_fragile_row():
    ax = figures.plot_cv_caps(cv_caps().assign(cv=NAN, cap=NAN, fragile=False, verdict="undecided"))
    assert words(ax).count("无法计算") == 4
    assert not any("临界" in word for word in words(ax))
    style.figure_png(ax.figure)


def test_attainment_marks_each_verdict_and_leaves_blank_what_is_absent():
    ax = figures.plot_attainment_map(attainment())
    marks = [len(c.get_offsets()) for c in ax.collections if isinstance(c, mpl.collections.PathCollection)]
    assert marks == [2, 1, 1]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["鄠邑一小", "浉河二小", "硚口三小"]
    assert "实测值与标准之比" in words(ax)
    assert {"达标", "未达标", "无法判定"} <= set(words(ax))


def test_shares_and_total_are_written():
    shown = words(figures.plot_between_within(between_within()))
    assert {"25.0%", "75.0%", "0.4000", "无法计算", "各校相同，没有差异", "0.0%", "100.0%"} <= set(shown)


def test_years_are_whole_numbers_in_order():
    grid = figures.plot_years(years())
    grid[0].figure.canvas.draw()
    assert [t.get_text() for t in grid[0].get_xticklabels()] == ["2022", "2023", "2024"]
    np.testing.assert_array_equal(grid[0].lines[0].get_ydata(), [0.52, NAN, 0.4])
    with pytest.raises(InputError, match="学年"):
        figures.plot_years(years().assign(school_year=NAN))


def test_only_cells_over_the_cap_are_marked():
    ax = figures.plot_county_cvs(county_cvs())
    cells = [t for t in ax.texts if t.get_text()]
    assert sorted(t.get_text() for t in cells) == ["0.300", "0.500", "—", "▲0.501"]
    assert [t.get_text() for t in cells if t.get_fontweight() == "bold"] == ["▲0.501"]
    assert len(ax.patches) == 1
    headings = [t.get_text() for t in ax.get_xticklabels()]
    assert headings[0].endswith("（上限 0.5）")
    assert "上限" not in headings[1]  # two counties with two caps


@pytest.mark.parametrize("width", [4, 7, 12, 20])
def test_wrapped_label_keeps_its_text_its_width_and_its_marks(width):
    for label in (LONG, AREA, "2025 学年 PISA 均分（≥500）", "（甲）", ""):
        lines = canvas.wrap_text(label, width).split("\n")
        assert "".join(lines).replace(" ", "") == label.replace(" ", "")
        assert all(line == line.strip() for line in lines)  # a space at a break would shift the line
        assert not any(line[:1] in "、，）" for line in lines[1:] if line)
        assert not any(line.endswith("（") for line in lines)
        assert all(canvas.text_width(line) <= max(width, 5) for line in lines)


def test_dollar_sign_in_a_name_starts_no_formula():
    data = cv_caps()
    data.loc[0, "label"] = "$鄠邑$"
    ax = figures.plot_cv_caps(data)
    style.figure_png(ax.figure)


def test_without_caps_the_legend_does_not_speak_of_one():
    data = pd.DataFrame({"label": ["甲"], "cv": [0.3], "cap": [np.nan], "verdict": [""], "fragile": [False]})
    drawn = figures.plot_cv_caps(data).figure
    legends = [*drawn.legends, *(ax.get_legend() for ax in drawn.axes if ax.get_legend())]
    assert "上限" not in [text.get_text() for legend in legends for text in legend.get_texts()]
    plt.close(drawn)
