"""Figures of models that link resources with achievement: coefficients, importance, variance, scatters, slopes.

A tidy frame in, matplotlib axes out. Estimates, intervals and fitted lines come with the frame; what is worked out
here is only the part of a whole that a segment of a bar shows. Labels of an axis that would need to know more than
the frame says stand in general words; set them on the axes that are returned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from qbresearch.errors import InputError
from qbresearch.exhibits.canvas import (
    add_legend,
    beside_axes,
    check_count,
    check_drawable,
    check_ends,
    check_once,
    check_range,
    common_decimals,
    dot_handle,
    group_looks,
    label_rows,
    largest_students,
    literal_text,
    panel_axes,
    panel_title,
    point_areas,
    read_frame,
    room_inside,
    row_height,
    row_wrap,
    shade_rows,
    side_column,
    single_axes,
    spread_labels,
    text_width,
    value_axis,
    words_in_row,
    wrap_text,
)
from qbresearch.exhibits.figures.balance import MAX_GROUPS, MAX_ROWS
from qbresearch.exhibits.figures.colours import ink_on
from qbresearch.exhibits.style import PALETTE
from qbresearch.language import say

MAX_MODELS = 8
MAX_COEFFICIENTS = 100
MAX_LINES = 5
LINE_STYLES = ("-", (0, (5, 2)), (0, (1.2, 1.4)), (0, (6, 2, 1.2, 2)), (0, (3, 1)))
MAX_COMPONENTS = 5
LINE_COLOURS = ("#B33A00", "#222222", "#2E6FA7", "#8C5A2B", "#117733")


# --- coefficients -----------------------------------------------------------------------------------------------


def plot_coefficients(data: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the coefficients of several models side by side, with their intervals.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a term and model. Columns: ``label`` (term), ``model``, ``estimate`` (outcome units a unit of the
        term; rows without one are counted below the axis, not drawn), ``low`` and ``high`` (interval, in the same
        units; not drawn where one is NaN). Terms (at most sixty) and models (at most eight) are drawn in order of
        appearance, at most 100 places in all; a term that a model does not have leaves its place empty.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
    """
    where = "系数图"
    frame = read_frame(data, where, text=("label", "model"), numbers=("estimate", "low", "high"))
    check_ends(frame, where)
    check_once(frame, ["label", "model"], where)
    check_drawable(frame[["estimate"]], where)
    labels, models = list(frame["label"].unique()), list(frame["model"].unique())
    check_count(len(labels), MAX_ROWS, "变量", where)
    check_count(len(models), MAX_MODELS, "模型", where)
    check_count(len(labels) * len(models), MAX_COEFFICIENTS, "系数", where)
    slots = len(labels) * (len(models) + 1)
    apart = float(np.clip(8.6 / slots, 0.072, 0.12))  # inches between two models, and twice that between two terms
    height = max(row_height(len(labels), 0.3), apart * (len(models) + 1))
    ax, own = single_axes(ax, 1.2 + height * len(labels))
    places = dict(zip(labels, label_rows(ax, labels, row_wrap(height, 15)), strict=True))
    shade_rows(ax, places.values())
    ax.axvline(0, color=PALETTE["ink"], linewidth=1.0, zorder=1.5)
    looks = group_looks(models)
    steps = (np.arange(len(models)) - (len(models) - 1) / 2) / (len(models) + 1)
    dots = {"markersize": 5.5 if apart > 0.1 else 4.5, "markeredgecolor": "white", "markeredgewidth": 0.5}
    for model, step in zip(models, steps, strict=True):
        rows = frame[frame["model"].eq(model) & frame["estimate"].notna()]
        heights = rows["label"].map(places).to_numpy(dtype=float) + step
        known = rows[["low", "high"]].notna().all(axis=1).to_numpy()
        colour = looks[model]["color"]
        ax.hlines(heights[known], rows["low"][known], rows["high"][known], color=colour, linewidth=1.3, zorder=3)
        ax.plot(rows["estimate"], heights, linestyle="none", marker=looks[model]["marker"], color=colour,
                zorder=4, **dots)  # fmt: skip
    absent = int(frame["estimate"].isna().sum())
    label = say("系数及其区间")
    ax.set_xlabel(say("{label}；另有 {n} 个系数无法估计", label=label, n=absent) if absent else label)
    if len(models) > 1 or models[0]:
        look = {"linestyle": "-", "linewidth": 1.3}
        handles = [
            dot_handle("plain", literal_text(m), color=looks[m]["color"], marker=looks[m]["marker"], **look)
            for m in models
        ]
        add_legend(ax, handles, own, columns=4 if len(models) <= 4 else 3)
    return ax


def plot_importance(data: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how much each variable or block contributes to what a model explains.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a variable, at most sixty, in order of appearance. Columns: ``label``, ``group`` (at most twelve;
        empty for none), ``share`` (share of the whole, 1 for all of it; NaN where it cannot be computed), ``low`` and
        ``high`` (interval of the share; not drawn where one is NaN).
    ax : matplotlib.axes.Axes, optional
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
        Shares stand in per cent in a column at the right, with the intervals where there are any.
    """
    where = "重要性图"
    frame = read_frame(data, where, text=("label", "group"), numbers=("share", "low", "high"))
    check_ends(frame, where)
    check_count(len(frame), MAX_ROWS, "变量", where)
    groups = list(frame["group"].unique())
    check_count(len(groups), MAX_GROUPS, "组", where)
    height = row_height(len(frame), 0.32)
    ax, own = single_axes(ax, 1.2 + height * len(frame))
    places = label_rows(ax, list(frame["label"]), row_wrap(height, 15))
    looks = {
        group: {"facecolor": look["color"], "hatch": look["hatch"], "edgecolor": "white", "linewidth": 0.6}
        for group, look in group_looks(groups).items()
    }
    if len(groups) == 1:
        looks[groups[0]]["facecolor"] = PALETTE["plain"]
    for group, look in looks.items():
        chosen = (frame["group"].eq(group) & frame["share"].notna()).to_numpy()
        ax.barh(places[chosen], frame["share"][chosen], height=0.62, zorder=2, **look)
    known = frame[["share", "low", "high"]].notna().all(axis=1).to_numpy()
    low, high = frame["low"].to_numpy()[known], frame["high"].to_numpy()[known]
    for colour, width in (("white", 2.8), (PALETTE["ink"], 1.3)):  # a white rim keeps the line apart from dark bars
        ax.hlines(places[known], low, high, color=colour, linewidth=width, zorder=3)
        for end in (low, high):
            ax.vlines(end, places[known] - 0.16, places[known] + 0.16, color=colour, linewidth=width, zorder=3)
    for place in places[frame["share"].isna().to_numpy()]:
        words_in_row(ax, place, say("无法计算"))
    ax.axvline(0, color=PALETTE["ink"], linewidth=0.8, zorder=2)
    ax.set_xlim(min(0.0, 1.05 * float(np.nanmin([*frame["share"], *frame["low"], 0.0]))),
                1.06 * float(np.nanmax([*frame["share"], *frame["high"], 0.01])))  # fmt: skip
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel(say("贡献所占比例（%）"))
    side_column(ax, 40, say("占比"), places, ["—" if math.isnan(s) else f"{100 * s:.1f}%" for s in frame["share"]])
    if known.any():
        ends = [f"[{100 * a:.1f}, {100 * b:.1f}]" for a, b in zip(frame["low"], frame["high"], strict=True)]
        side_column(ax, 106, say("区间（%）"), places, [e if k else "—" for e, k in zip(ends, known, strict=True)])
    if named := [group for group in groups if group]:
        add_legend(ax, [Patch(label=literal_text(group), **looks[group]) for group in named], own)
    return ax


# --- variance components ----------------------------------------------------------------------------------------


def plot_variance(data: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the variance components of several models, one stacked bar a model.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a model and component. Columns: ``model``, ``component`` (at most five) and ``value`` (variance, in
        the square of the unit of the outcome; NaN or no row where the model has no such component). Models (at most
        sixty) and components are drawn in order of appearance.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
        Each value and the sum stand in columns at the right, the part of the sum in the segments wide enough.
    """
    where = "方差成分图"
    frame = read_frame(data, where, text=("model", "component"), numbers=("value",))
    check_range(frame["value"], 0.0, math.inf, where)
    check_once(frame, ["model", "component"], where)
    wide = frame.pivot(index="model", columns="component", values="value")
    wide = wide.reindex(index=frame["model"].unique(), columns=frame["component"].unique())
    check_count(wide.shape[1], MAX_COMPONENTS, "方差成分", where)
    check_count(len(wide), MAX_ROWS, "模型", where)
    height = row_height(len(wide), 0.36)
    ax, own = single_axes(ax, 1.4 + height * len(wide))
    places = label_rows(ax, list(wide.index), row_wrap(height, 12))
    totals = wide.sum(axis=1).to_numpy()
    top = 1.02 * (float(totals.max()) or 1.0)
    per_character = 8.0 * top / room_inside(ax, wide.index, own, _value_columns(ax, places, wide))
    lefts = np.zeros(len(wide))
    shades = dict(zip(wide.columns, _component_shades(wide.shape[1]), strict=True))
    for component, shade in shades.items():
        values = np.nan_to_num(wide[component].to_numpy())
        ax.barh(places, values, left=lefts, height=0.62, zorder=2, **shade)
        for place, left, value, total in zip(places, lefts, values, totals, strict=True):
            text = f"{100 * value / total:.1f}%" if total > 0 else ""
            if text and value > 1.15 * text_width(text) * per_character:
                ax.text(left + value / 2, place, text, ha="center", va="center", fontsize=8, zorder=3,
                        color=ink_on(shade["facecolor"]))  # fmt: skip
        lefts = lefts + values
    for place, total in zip(places, totals, strict=True):
        if total == 0:
            words = say("无法计算") if wide.iloc[int(place)].isna().all() else say("各成分都为 0")
            words_in_row(ax, place, words)
    ax.set_xlim(0, top)
    ax.set_xlabel(say("方差（单位为成绩单位的平方）；条内为占合计的比例"))
    add_legend(ax, [Patch(label=literal_text(name), **shade) for name, shade in shades.items()], own)
    return ax


def _component_shades(count: int) -> list[dict[str, object]]:
    """Dark, hatched and light by turns: neighbours stay apart in print without colour."""
    colours = ("#2E6FA7", "#DCE3EA", "#E9B37E", "#8C5A2B", "#F7F2E8")
    hatches = ("", "", "///", "", "...")
    edge = {"edgecolor": "#8796A5", "linewidth": 0.6}
    return [{"facecolor": c, "hatch": h, **edge} for c, h in zip(colours[:count], hatches, strict=False)]


def _value_columns(ax: Axes, places: np.ndarray, wide: pd.DataFrame) -> float:
    """One column of numbers a component, and the sum; returns how many points wide they are."""
    right = 2.0
    totals = wide.sum(axis=1, min_count=1)
    decimals = common_decimals(totals, 4)
    for name, column in [*wide.items(), (say("合计"), totals)]:
        texts = ["—" if math.isnan(v) else f"{v:.{decimals}f}" for v in column]
        heading = wrap_text(name, 5)
        right += 10 + 8.2 * max(text_width(line) for line in (*heading.split("\n"), *texts))
        side_column(ax, right, heading, places, texts)
    return right


# --- schools and fitted lines -----------------------------------------------------------------------------------


def plot_scatters(
    data: pd.DataFrame, lines: pd.DataFrame, *, outcome: str = "", axes: Sequence[Axes] | np.ndarray | None = None
) -> np.ndarray:
    """Draw schools by an indicator and an outcome, one panel an indicator, with a fitted line and its band.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a school and indicator. Columns: ``label`` (indicator, at most eight), ``unit`` (of ``x``, may be
        empty), ``x`` (in that unit), ``y`` (outcome; all panels share its axis), ``students`` (persons; sets the area
        of a point) and ``group`` (at most twelve; empty for none). Schools without ``x`` or ``y`` are counted below
        the panel, not drawn.
    lines : pandas.DataFrame
        Several rows an indicator, in order of ``x``. Columns: ``label`` (one of those in ``data``), ``x``, ``y`` (the
        fitted line) and ``low``, ``high`` (its band; NaN for none). May have no rows: then no line is drawn.
    outcome : str
        What ``y`` is, with its unit; by default that it is the outcome.
    axes : sequence of matplotlib.axes.Axes, optional
        One an indicator.

    Returns
    -------
    numpy.ndarray
        The axes, one an indicator.
    """
    where = "散点图"
    frame = read_frame(data, where, text=("label", "unit", "group"), numbers=("x", "y", "students"))
    fitted = _fitted_lines(lines, set(frame["label"]), where)
    groups = list(frame["group"].unique())
    check_count(len(groups), MAX_GROUPS, "组", where)
    panels = list(frame.groupby("label", sort=False))
    grid, own = panel_axes(len(panels), axes, 2.35 if len(panels) >= 4 else 2.9, where, sharey=True)
    looks = group_looks(groups)
    largest = largest_students(frame["students"])
    for place, (ax, (label, rows)) in enumerate(zip(grid, panels, strict=True)):
        panel_title(ax, label)
        line = fitted[fitted["label"] == label]
        value_axis(ax, rows.assign(value=rows["x"].where(rows["y"].notna())), line["x"])
        ax.tick_params(labelleft=True)
        shown = rows[rows[["x", "y"]].notna().all(axis=1)]
        areas = pd.Series(point_areas(shown["students"].to_numpy(), largest, len(shown)), index=shown.index)
        for group, look in looks.items():
            some = shown[shown["group"] == group]
            ax.scatter(some["x"], some["y"], s=areas[some.index], color=look["color"], marker=look["marker"], alpha=0.6,
                       linewidths=0.4, edgecolors="white", zorder=3)  # fmt: skip
        ax.fill_between(line["x"], line["low"], line["high"], color=PALETTE["ink"], alpha=0.14, linewidth=0, zorder=2)
        ax.plot(line["x"], line["y"], color=PALETTE["ink"], linewidth=1.5, zorder=4)
        if not own or len(grid) < 4 or place % 2 == 0:
            ax.set_ylabel(outcome or say("结果变量"))
    handles: list[Artist] = [
        dot_handle("plain", literal_text(group), color=looks[group]["color"], marker=looks[group]["marker"])
        for group in groups
        if group
    ]
    if len(fitted):
        handles.append(Line2D([], [], color=PALETTE["ink"], linewidth=1.5, label=say("拟合线")))
        if fitted[["low", "high"]].notna().any(axis=None):
            handles.append(Patch(facecolor=PALETTE["ink"], alpha=0.14, label=say("拟合线的区间")))
    if frame["students"].nunique() > 1:
        handles.append(dot_handle("plain", say("点越大，学生越多"), color="#6B6B6B", markersize=8, alpha=0.55))
    if handles:
        add_legend(grid[-1], handles, own, columns=6)
    return grid


def _fitted_lines(lines: pd.DataFrame, labels: set[str], where: str) -> pd.DataFrame:
    """The lines, none or several; refuses one that has no panel."""
    columns = ["label", "x", "y", "low", "high"]
    if lines.empty:
        return pd.DataFrame({name: [] for name in columns})
    fitted = read_frame(lines, f"{where}，拟合线", text=columns[:1], numbers=columns[1:])
    check_ends(fitted, f"{where}，拟合线")
    if unknown := sorted(set(fitted["label"]) - labels):
        raise InputError(
            "有拟合线没有对应的散点",
            where=f"{where}，拟合线",
            found="、".join(unknown),
            expected="label 与散点的 label 相同",
            fix="请核对两张表的 label 列",
        )
    return fitted


def plot_moderation(
    data: pd.DataFrame, *, background: str = "", outcome: str = "", ax: Axes | None = None
) -> Axes:
    """Draw how the outcome rises with one variable at several values of another.

    Parameters
    ----------
    data : pandas.DataFrame
        Several rows a line, at most five lines, in order of appearance. Columns: ``line`` (written beside it), ``x``
        and ``y`` (the line; rows without either are left out), ``low`` and ``high`` (its band; NaN for none).
    background, outcome : str
        What ``x`` and ``y`` are; by default that they are the predictor and the outcome.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
    """
    where = "调节作用图"
    frame = read_frame(data, where, text=("line",), numbers=("x", "y", "low", "high"))
    check_ends(frame, where)
    names = list(frame["line"].unique())
    check_count(len(names), MAX_LINES, "线", where)
    check_drawable(frame[["x", "y"]], where)
    shown = frame.dropna(subset=["x", "y"]).sort_values("x", kind="stable")
    ax, _ = single_axes(ax, 3.7)
    ends = []
    for name, colour, style in zip(names, LINE_COLOURS, LINE_STYLES, strict=False):
        line = shown[shown["line"] == name]
        ax.fill_between(line["x"], line["low"], line["high"], color=colour, alpha=0.16, linewidth=0, zorder=2)
        ax.plot(line["x"], line["y"], color=colour, linestyle=style, linewidth=2.0, zorder=3)
        if len(line):
            ends.append((line["y"].iloc[-1], line["x"].iloc[-1], name, colour))
    ax.margins(x=0)
    ax.set_xlabel(say("{variable}的取值", variable=background or say("自变量")))
    ax.set_ylabel(say("{variable}的预测值", variable=outcome or say("结果变量")))
    bottom, top = ax.get_ylim()
    gap = (top - bottom) * 12 / (ax.get_position().height * ax.figure.get_figheight() * 72)
    ends.sort()
    heights = spread_labels(np.array([end[0] for end in ends]), gap, bottom, top)
    for (_, _, name, colour), height in zip(ends, heights, strict=True):
        ax.text(1, height, literal_text(name), transform=beside_axes(ax, 6), ha="left", va="center", fontsize=8.5,
                color=colour, fontweight="bold")  # fmt: skip
    ax.set_ylim(bottom, top)
    return ax
