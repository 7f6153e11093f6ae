"""Figures of student achievement: school effects, levels, difference rates, missing values.

A tidy frame in, matplotlib axes out. Effects, intervals, shares and readings come with the frame. Labels of an axis
that would need to know more than the frame says stand in general words; set them on the axes that are returned.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
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
    check_words,
    common_decimals,
    dashed_handle,
    dot_handle,
    finite_unique,
    label_rows,
    largest_students,
    literal_text,
    number_text,
    point_areas,
    read_frame,
    room_inside,
    row_height,
    row_wrap,
    side_column,
    signed_text,
    single_axes,
    spread_labels,
    text_width,
    words_in_row,
)
from qbresearch.exhibits.figures.balance import MAX_ROWS
from qbresearch.exhibits.figures.colours import ink_on
from qbresearch.exhibits.style import PALETTE
from qbresearch.language import say

MAX_SCHOOLS = 600
MAX_LEVELS = 6
NAMED_ROWS = 40  # with more schools than this only those that differ are named
NAMED_A_SIDE = 12
QUIET = "#9AA3AB"  # schools that cannot be told from the mean
NAME_POINTS = 10.5  # height of a line of names
DIFFERS = {
    "above": {"color": PALETTE["met"], "marker": "^"},
    "below": {"color": PALETTE["not_met"], "marker": "v"},
    "": {"color": QUIET, "marker": "o"},
}
READINGS = {"below": "met", "above": "not_met", "undecided": "undecided", "": "plain"}


def _differs_words() -> dict[str, str]:
    return {"above": say("高于平均"), "below": say("低于平均"), "": say("与平均无法区分")}


def _reading_words() -> dict[str, str]:
    return {"below": say("低于界限"), "above": say("高于界限"), "undecided": say("无法判定"), "": say("没有界限")}


def _dash(value: float, text: str) -> str:
    """A number that is not there is a dash."""
    return "—" if math.isnan(value) else text


# --- schools ----------------------------------------------------------------------------------------------------


def plot_caterpillar(data: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the effect of every school with its interval, the schools in order of their effects.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a school, at most 600. Columns: ``label`` (school), ``effect`` (difference from the mean, in the unit
        of the outcome; schools without one are counted below the axis, not drawn), ``low`` and ``high`` (interval, in
        the same unit; not drawn where one is NaN), ``students`` (persons; sets the area of a point, NaN for the
        smallest) and ``differs`` (``above``, ``below``, or empty where the school cannot be told from the mean).
        Schools already in order of their effects, rising or falling, are drawn in that order; otherwise the largest
        effect is on top.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
        Up to forty schools are named, with effect and students in columns at the right; of more schools those are
        named that differ, the twelve farthest from the mean on either side.
    """
    where = "学校效应图"
    frame = read_frame(data, where, text=("label", "differs"), numbers=("effect", "low", "high", "students"))
    check_words(frame["differs"], tuple(DIFFERS), "与平均的比较", where)
    check_ends(frame, where)
    check_count(len(frame), MAX_SCHOOLS, "学校", where)
    check_drawable(frame[["effect"]], where)
    shown = frame[frame["effect"].notna()]
    if not (shown["effect"].is_monotonic_increasing or shown["effect"].is_monotonic_decreasing):
        shown = shown.sort_values("effect", ascending=False, kind="stable")
    shown = shown.reset_index(drop=True)
    every = len(shown) <= NAMED_ROWS
    ax, own = single_axes(ax, 1.3 + 0.19 * len(shown) if every else float(np.clip(2.4 + 0.016 * len(shown), 4.8, 8.2)))
    if every:
        places = label_rows(ax, list(shown["label"]), math.inf)
    else:
        places = np.arange(len(shown), dtype=float)
        ax.set_ylim(len(shown), -1)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
    ax.axvline(0, color=PALETTE["ink"], linewidth=1.0, zorder=2)
    for kind in ("", "above", "below"):
        _school_effects(ax, places, shown, kind)
    if every:
        decimals = common_decimals(shown["effect"])
        side_column(ax, 42, say("效应"), places, [signed_text(v, decimals) for v in shown["effect"]])
        students = say("学生数")
        right = max(80, 52 + 8.2 * text_width(students))
        side_column(ax, right, students, places, [_dash(v, f"{v:.0f}") for v in shown["students"]])
    else:
        _name_farthest(ax, shown)
    absent = len(frame) - len(shown)
    label = say("学校效应（与平均之差，单位同成绩）")
    ax.set_xlabel(say("{label}；另有 {n} 所无法估计", label=label, n=absent) if absent else label)
    counts = frame.loc[frame["effect"].notna(), "differs"].value_counts()
    words = _differs_words()
    handles: list[Artist] = [
        dot_handle("plain", say("{words}（{n} 所）", words=words[kind], n=counts[kind]), linestyle="-", **DIFFERS[kind])
        for kind in ("above", "", "below")
        if kind in counts
    ]
    if frame["students"].nunique() > 1:
        handles.append(dot_handle("plain", say("点越大，学生越多"), color="#6B6B6B", markersize=8, alpha=0.55))
    add_legend(ax, handles, own)
    return ax


def _school_effects(ax: Axes, places: np.ndarray, shown: pd.DataFrame, kind: str) -> None:
    """Intervals and points of one class of schools."""
    look = DIFFERS[kind]
    chosen = shown["differs"].eq(kind).to_numpy()
    rows = shown[chosen]
    known = rows[["low", "high"]].notna().all(axis=1).to_numpy()
    width = 1.6 if len(shown) <= NAMED_ROWS else float(np.clip(200 / len(shown), 0.45, 1.4))
    ax.hlines(
        places[chosen][known], rows["low"][known], rows["high"][known], color=look["color"], linewidth=width,
        alpha=0.65, zorder=3,
    )  # fmt: skip
    areas = point_areas(rows["students"].to_numpy(), largest_students(shown["students"]), 2 * len(shown))
    ax.scatter(
        rows["effect"], places[chosen], s=areas, color=look["color"], marker=look["marker"], edgecolors="white",
        linewidths=0.3 if len(shown) <= NAMED_ROWS else 0.0, zorder=5 if kind else 4,
    )  # fmt: skip


def _name_farthest(ax: Axes, shown: pd.DataFrame) -> None:
    """Names of the schools that differ: those above at the right, those below at the left, with a thread to each.

    Inside the axes a thread keeps to the row of its school and so crosses no interval; outside it leads to the name.
    """
    points = ax.get_position().height * ax.figure.get_figheight() * 72
    gap = NAME_POINTS * (len(shown) + 1) / points
    most = min(NAMED_A_SIDE, max(1, int(points // NAME_POINTS) - 1))
    limits = ax.get_xlim()
    threads = {"color": "#B4BBC2", "linewidth": 0.6}
    for kind, end, side in (("above", "high", 1), ("below", "low", 0)):
        rows = shown[shown["differs"] == kind]
        if rows.empty:
            continue
        named = rows.loc[rows["effect"].abs().sort_values(ascending=False).index[:most]].sort_index()
        heights = spread_labels(named.index.to_numpy(dtype=float), gap, 0.0, len(shown) - 1.0)
        ends = named[end].fillna(named["effect"])
        ax.hlines(named.index, ends, limits[side], zorder=1, **threads)
        beside = beside_axes(ax, 34 if side else -34)
        words = {"ha": "left" if side else "right", "va": "center", "fontsize": 7.5}
        for place, height, label in zip(named.index, heights, named["label"], strict=True):
            ax.annotate(
                literal_text(label), (side, place), xycoords=ax.get_yaxis_transform(), xytext=(side, height),
                textcoords=beside, annotation_clip=False, zorder=1, **words,
                arrowprops={"arrowstyle": "-", "relpos": (1 - side, 0.5), "patchA": None, "shrinkA": 2, "shrinkB": 0}
                | threads,
            )  # fmt: skip
        if len(rows) > len(named):
            inwards = heights[-1] + gap if heights.mean() < len(shown) / 2 else heights[0] - gap
            ax.text(side, inwards, say("另有 {n} 所", n=len(rows) - len(named)), transform=beside, color="#5A5A5A", **words)
    ax.set_xlim(limits)


# --- shares of levels -------------------------------------------------------------------------------------------


def plot_levels(data: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw which share of the students reaches each level, one bar of 100 % a row.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a bar and level. Columns: ``label`` (school, county, subject, ...), ``level`` (at most six, from the
        lowest to the highest in order of appearance) and ``share`` (0 to 1; the shares of a bar sum to one, rounding
        apart). A bar without any share says so; a bar with some shares missing is refused, since a level nobody
        reached is a zero and not a blank. At most sixty bars, in order of appearance.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
        Percentages stand in the segments that are wide enough for them.
    """
    where = "水平分布图"
    frame = read_frame(data, where, text=("label", "level"), numbers=("share",))
    check_range(frame["share"], 0.0, 1.0, where)
    check_once(frame, ["label", "level"], where)
    wide = frame.pivot(index="label", columns="level", values="share")
    wide = wide.reindex(index=frame["label"].unique(), columns=frame["level"].unique())
    check_count(wide.shape[1], MAX_LEVELS, "水平", where)
    check_count(len(wide), MAX_ROWS, "条形", where)
    _check_whole(wide, where)
    height = row_height(len(wide), 0.34)
    ax, own = single_axes(ax, 1.15 + height * len(wide))
    places = label_rows(ax, list(wide.index), row_wrap(height, 14))
    colours = _level_colours(wide.shape[1])
    lefts = np.zeros(len(wide))
    per_character = 8.0 / room_inside(ax, wide.index, own)  # width of a character of 8 points on an axis from 0 to 1
    for level, colour in zip(wide.columns, colours, strict=True):
        shares = wide[level].to_numpy()
        ax.barh(places, np.nan_to_num(shares), left=lefts, height=0.72, color=colour, edgecolor="white", linewidth=0.8)
        for place, left, share in zip(places, lefts, shares, strict=True):
            text = f"{100 * share:.1f}%"
            if share > 1.15 * text_width(text) * per_character:
                ax.text(left + share / 2, place, text, ha="center", va="center", fontsize=8, color=ink_on(colour))
        lefts = lefts + np.nan_to_num(shares)
    for place in places[wide.isna().all(axis=1).to_numpy()]:
        words_in_row(ax, place, say("无法计算"))
    ax.set_xlim(0, 1)
    ax.grid(visible=False)
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel(say("学生所占比例（%）"))
    handles = [Patch(facecolor=c, edgecolor="#8796A5", label=n) for n, c in zip(wide.columns, colours, strict=True)]
    add_legend(ax, handles, own, columns=6)
    return ax


def _level_colours(count: int) -> list[str]:
    """From light to dark, so that the order is read without colour too."""
    return sns.blend_palette(["#DCE8F2", "#7FB2DA", "#2E6FA7", "#123A5E"], count).as_hex()


def _check_whole(wide: pd.DataFrame, where: str) -> None:
    """Refuse a bar that is not whole."""
    partly = wide.index[wide.isna().any(axis=1) & wide.notna().any(axis=1)]
    if len(partly):
        raise InputError(
            "有的水平没有比例",
            where=f"{where}，{partly[0]}",
            found="缺 " + "、".join(wide.columns[wide.loc[partly[0]].isna()]),
            expected="每个水平都有比例；没有学生的水平为 0",
            fix="请补上这些水平的比例；整条都无法计算的，各水平都留空",
        )
    totals = wide.sum(axis=1, skipna=False)
    off = totals[(totals - 1).abs() > 0.01]
    if len(off):
        raise InputError(
            "各水平的比例之和不是 1",
            where=f"{where}，{off.index[0]}",
            found=number_text(off.iloc[0]),
            expected="1（允许四舍五入造成的 0.01 以内的差）",
            fix="请检查是否漏了一个水平，或把百分数写成了比例",
        )


# --- difference rates -------------------------------------------------------------------------------------------


def plot_difference_rates(data: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw difference rates between schools with their intervals, and where they stand to their limit.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a definition, subject or unit, at most sixty, in order of appearance. Columns: ``label``,
        ``estimate`` (share of the variance that lies between schools, no unit; NaN where it cannot be computed),
        ``low`` and ``high`` (interval; not drawn where one is NaN), ``limit`` (no unit; NaN for none; may differ
        between rows) and ``reading`` (``below``, ``above``, ``undecided``, or empty without a limit).
    ax : matplotlib.axes.Axes, optional
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
        Estimate and interval stand in columns at the right.
    """
    where = "校际差异率图"
    numbers = ("estimate", "low", "high", "limit")
    frame = read_frame(data, where, text=("label", "reading"), numbers=numbers)
    check_words(frame["reading"], tuple(READINGS), "判读结果", where)
    check_ends(frame, where)
    check_count(len(frame), MAX_ROWS, "行", where)
    height = row_height(len(frame), 0.36)
    ax, own = single_axes(ax, 1.35 + height * len(frame))
    places = label_rows(ax, list(frame["label"]), row_wrap(height, 17))
    top = float(np.nanmax([*frame["estimate"], *frame["high"], *frame["limit"], 0.05]))
    ax.set_xlim(min(0.0, 1.05 * float(np.nanmin([*frame["low"], *frame["estimate"], 0.0]))), 1.08 * top)
    ax.set_xlabel(say("校际差异率的诊断值（无单位）"))
    limits = finite_unique(frame["limit"])
    dashes = {"color": PALETTE["ink"], "linestyle": (0, (4, 2)), "linewidth": 1.1, "zorder": 2}
    if len(limits) == 1 and frame["limit"].notna().all():
        ax.axvline(limits[0], **dashes)
    else:
        known = frame["limit"].notna().to_numpy()
        ax.vlines(frame["limit"][known], places[known] - 0.42, places[known] + 0.42, **dashes)
    if len(limits) == 1:
        ax.annotate(
            say("界限 {value}", value=number_text(limits[0])), (limits[0], 1), xycoords=ax.get_xaxis_transform(), xytext=(0, 3),
            textcoords="offset points", ha="center", va="bottom", fontsize=7.5,
        )  # fmt: skip
    for place, row in zip(places, frame.itertuples(), strict=True):
        _rate(ax, place, row)
    values = [_dash(v, f"{v:.3f}") for v in frame["estimate"]]
    ends = zip(frame["low"], frame["high"], strict=True)
    side_column(ax, 46, say("差异率"), places, values)
    side_column(ax, 118, say("区间"), places, [_dash(low + high, f"[{low:.3f}, {high:.3f}]") for low, high in ends])
    if len(limits) > 1:
        side_column(ax, 154, say("界限"), places, [_dash(v, number_text(v)) for v in frame["limit"]])
    found, words = set(frame["reading"]), _reading_words()
    handles: list[Artist] = [
        dot_handle(kind, words[reading], linestyle="-", linewidth=1.6) for reading, kind in READINGS.items()
        if reading in found
    ]  # fmt: skip
    add_legend(ax, [*handles, *([dashed_handle(say("界限"))] if limits else [])], own)
    return ax


def _rate(ax: Axes, place: float, row: tuple) -> None:
    """One row of :func:`plot_difference_rates`."""
    kind = READINGS[row.reading]
    look = dot_handle(kind, "")
    if math.isnan(row.estimate):
        words_in_row(ax, place, say("无法计算"))
        return
    if not math.isnan(row.low + row.high):
        ax.hlines(place, row.low, row.high, color=PALETTE[kind], linewidth=2.0, alpha=0.85, zorder=3)
    ax.plot(row.estimate, place, marker=look.get_marker(), color=PALETTE[kind], markersize=8.5,
            markeredgecolor="white", zorder=4)  # fmt: skip


# --- missing values ---------------------------------------------------------------------------------------------


def plot_missing(data: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw which share of the rows lacks each variable.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a variable, at most sixty, in order of appearance. Columns: ``label``, ``missing`` and ``rows``
        (counts of rows, without and in all; ``missing`` is at most ``rows``). A variable without a single row, or
        with a count that is not known, says that its share cannot be computed.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
        Share and counts stand in columns at the right; if nothing is missing, the figure says so in words.
    """
    where = "缺失情况图"
    frame = read_frame(data, where, text=("label",), numbers=("missing", "rows"))
    check_range(frame["missing"], 0.0, math.inf, where)
    wrong = frame["missing"] > frame["rows"]
    if wrong.any():
        row = frame[wrong].iloc[0]
        raise InputError(
            "缺失的行数多于总行数",
            where=f"{where}，{row['label']}",
            found=f"缺失 {number_text(row['missing'])} 行，共 {number_text(row['rows'])} 行",
            expected="missing 不大于 rows",
            fix="请检查 missing、rows 两列是否写反",
        )
    check_count(len(frame), MAX_ROWS, "变量", where)
    shares = (frame["missing"] / frame["rows"].where(frame["rows"] > 0)).to_numpy()
    height = row_height(len(frame), 0.3)
    ax, _ = single_axes(ax, 1.0 + height * len(frame))
    places = label_rows(ax, list(frame["label"]), row_wrap(height, 17))
    ax.barh(places, np.nan_to_num(shares), height=0.56, color=PALETTE["plain"], edgecolor="white", zorder=2)
    for place in places[np.isnan(shares)]:
        words_in_row(ax, place, say("无法计算"))
    ax.set_xlim(0, min(1.0, 1.1 * float(np.nanmax([*shares, 0.05]))))
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel(say("缺失的行所占比例（%）"))
    side_column(ax, 46, say("缺失比例"), places, [_dash(s, f"{100 * s:.1f}%") for s in shares])
    counts = zip(frame["missing"], frame["rows"], strict=True)
    texts = [_dash(m + n, say("{missing}／{rows}", missing=f"{m:.0f}", rows=f"{n:.0f}")) for m, n in counts]
    side_column(ax, 130, say("缺失数／总行数"), places, texts)
    if (shares == 0).all():
        ax.text(0.5, 0.5, say("各变量都没有缺失"), transform=ax.transAxes, ha="center", va="center", fontsize=10,
                bbox={"facecolor": "white", "edgecolor": "none"})  # fmt: skip
    return ax
