"""Figures of the workbench: a tidy frame in, matplotlib axes out.

Nothing is estimated here. Values, means, verdicts, thresholds and caps come with the frame; so do the names of
indicators, schools and groups. The one comparison made is a coefficient of variation with the cap beside it, where
the frame brings both and no verdict. Call :func:`qbresearch.exhibits.style.use_style` first; turn the figure into a
picture with :func:`qbresearch.exhibits.style.figure_png`.

Each function draws into the axes it is given, or else makes one new figure of a size that suits a page of A4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, PercentFormatter

from qbresearch.errors import InputError
from qbresearch.exhibits.canvas import (
    add_legend,
    bare_rows,
    beside_axes,
    check_count,
    check_once,
    check_verdicts,
    dashed_handle,
    diamond_handle,
    dot_handle,
    finite_unique,
    label_rows,
    largest_students,
    mark_value,
    number_text,
    panel_axes,
    panel_title,
    point_areas,
    read_frame,
    side_column,
    single_axes,
    spread_points,
    value_axis,
    verdict_handles,
)
from qbresearch.exhibits.style import GROUP_COLOURS, MARKERS, PALETTE
from qbresearch.language import say

MAX_GROUPS = 12
MAX_ROWS = 60  # more rows than this cannot be read on one page


def plot_distributions(data: pd.DataFrame, *, axes: Sequence[Axes] | np.ndarray | None = None) -> np.ndarray:
    """Draw every school's value of every indicator, with the county mean and the threshold.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a school and indicator. Columns: ``label`` (indicator), ``unit`` (of the values, may be empty),
        ``value`` (in that unit; schools without one are counted in the panel, not drawn), ``students`` (persons;
        sets the area of a point), ``threshold`` (in the unit; NaN for none), ``mean`` (student-weighted mean of the
        county, in the unit) and ``verdict`` (``met``, ``not_met``, ``undecided``, or empty without a threshold).
        Indicators are drawn in order of appearance, at most eight.
    axes : sequence of matplotlib.axes.Axes, optional
        One an indicator.

    Returns
    -------
    numpy.ndarray
        The axes, one an indicator.
    """
    where = "学校分布图"
    frame = read_frame(data, where, text=("label", "unit", "verdict"), numbers=("value", "students", "threshold", "mean"))
    check_verdicts(frame["verdict"], where)
    groups = list(frame.groupby("label", sort=False))
    grid, own = panel_axes(len(groups), axes, 1.62 if len(groups) >= 4 else 1.95, where)
    for ax, (label, rows) in zip(grid, groups, strict=True):
        panel_title(ax, label)
        _strip(ax, rows, largest_students(frame["students"]))
    handles = [
        *verdict_handles(frame["verdict"]),
        *([dot_handle("", say("无标准"))] if frame["verdict"].eq("").any() else []),
        diamond_handle(say("均值（按学生数加权）")),
        *([dashed_handle(say("标准"))] if frame["threshold"].notna().any() else []),
        dot_handle("plain", say("点越大，学生越多"), markersize=8, alpha=0.55),
    ]
    add_legend(grid[-1], handles, own, columns=6)
    return grid


def _strip(ax: Axes, rows: pd.DataFrame, largest: float) -> None:
    """One panel of :func:`plot_distributions`."""
    thresholds, means = finite_unique(rows["threshold"]), finite_unique(rows["mean"])
    value_axis(ax, rows, [*thresholds, *means])
    ax.set_ylim(-0.78, 0.78)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    shown = rows[rows["value"].notna()]
    heights = spread_points(shown["value"].to_numpy(), 0.44)
    areas = point_areas(shown["students"].to_numpy(), largest, len(shown))
    values, verdicts = shown["value"].to_numpy(), shown["verdict"].to_numpy()
    for kind in ("", "met", "undecided", "not_met"):  # those that need attention on top
        chosen = verdicts == kind
        if chosen.any():
            _points(ax, values[chosen], heights[chosen], areas[chosen], kind or "plain")
    middle = sum(ax.get_xlim()) / 2
    for place, threshold in enumerate(thresholds):
        ax.axvline(threshold, color=PALETTE["ink"], linestyle=(0, (4, 2)), linewidth=1.1, zorder=3)
        to_right = place > 0 if len(thresholds) > 1 else threshold < middle  # of two, one is written on either side
        mark_value(ax, threshold, 0.64, say("标准 {value}", value=number_text(threshold)), to_right=to_right)
    for mean in means:
        ax.vlines(mean, -0.64, 0.46, color=PALETTE["ink"], linewidth=0.8, zorder=3)
        ax.plot(mean, -0.64, marker="D", color=PALETTE["ink"], markeredgewidth=0, markersize=5, zorder=5)
        mark_value(ax, mean, -0.64, f"{mean:.0f}" if abs(mean) >= 1000 else f"{mean:.2f}", to_right=mean < middle)


def _points(ax: Axes, x: np.ndarray, y: np.ndarray, areas: np.ndarray, kind: str) -> None:
    larger = 1.5 if kind == "not_met" else 1.0  # a cross of the same area looks smaller than a disc
    ax.scatter(
        x, y, s=areas * larger, color=PALETTE[kind], marker=MARKERS[kind],
        alpha=0.85 if kind == "not_met" else 0.65, linewidths=0.4, edgecolors="white", zorder=4,
    )  # fmt: skip


def plot_groups(data: pd.DataFrame, *, axes: Sequence[Axes] | np.ndarray | None = None) -> np.ndarray:
    """Draw the schools of every group (town and village, stage, ...) and the mean of each group.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a school and indicator. Columns: ``label`` (indicator), ``unit`` (of the values), ``group``,
        ``value`` (in the unit; schools without one are counted, not drawn), ``students`` (persons; sets the area of
        a point), ``group_mean`` (student-weighted mean of the group, in the unit) and ``threshold`` (in the unit; NaN
        for none; may differ between groups).
        Indicators (at most eight) and groups (at most twelve) are drawn in order of appearance.
    axes : sequence of matplotlib.axes.Axes, optional
        One an indicator.

    Returns
    -------
    numpy.ndarray
        The axes, one an indicator.
    """
    where = "分组比较图"
    numbers = ("value", "students", "group_mean", "threshold")
    frame = read_frame(data, where, text=("label", "unit", "group"), numbers=numbers)
    names = list(frame["group"].unique())
    check_count(len(names), MAX_GROUPS, "组", where)
    panels = list(frame.groupby("label", sort=False))
    row_height = float(np.clip(1.5 / len(names), 0.155, 0.26))
    grid, own = panel_axes(len(panels), axes, 0.9 + row_height * len(names), where, sharey=True)
    largest = largest_students(frame["students"])
    for ax, (label, rows) in zip(grid, panels, strict=True):
        panel_title(ax, label)
        value_axis(ax, rows, [*rows["group_mean"], *rows["threshold"]])
        if own and ax is not grid[0]:  # panels of ours have one axis of rows: labelled once, it is labelled for all
            bare_rows(ax)
        else:
            label_rows(ax, names, 9 if row_height > 0.22 else math.inf)  # two lines need the height
        _group_rows(ax, rows, names, largest)
    handles = [
        dot_handle("plain", say("点越大，学生越多"), alpha=0.6),
        diamond_handle(say("组内平均（按学生数加权）")),
        *([dashed_handle(say("标准"))] if frame["threshold"].notna().any() else []),
    ]
    add_legend(grid[-1], handles, own)
    return grid


def _group_rows(ax: Axes, rows: pd.DataFrame, names: Sequence[str], largest: float) -> None:
    """One panel of :func:`plot_groups`: each kind of mark of all groups is one artist, which is drawn much faster."""
    group, value, students = (rows[name].to_numpy() for name in ("group", "value", "students"))
    heights, areas, order = [], [], []
    for place, name in enumerate(names):
        chosen = np.flatnonzero((group == name) & ~np.isnan(value))
        order.append(chosen)
        heights.append(place + spread_points(value[chosen], 0.36))
        areas.append(0.7 * point_areas(students[chosen], largest, 2 * chosen.size))
    colours = [c for c, chosen in zip(cycle(GROUP_COLOURS), order, strict=False) for _ in chosen]
    if colours:
        ax.scatter(value[np.concatenate(order)], np.concatenate(heights), s=np.concatenate(areas), color=colours, alpha=0.55,
                   linewidths=0.3, edgecolors="white", zorder=3)  # fmt: skip
    places = {name: float(place) for place, name in enumerate(names)}
    means = rows[["group", "group_mean"]].dropna().drop_duplicates()
    at, levels = means["group_mean"].to_numpy(), means["group"].map(places).to_numpy()
    ax.vlines(at, levels - 0.4, levels + 0.4, color=PALETTE["ink"], linewidth=1.5, zorder=4)
    ax.plot(at, levels, linestyle="none", marker="D", color=PALETTE["ink"], markeredgewidth=0, markersize=5, zorder=5)
    limits = rows[["group", "threshold"]].dropna().drop_duplicates()
    at, levels = limits["threshold"].to_numpy(), limits["group"].map(places).to_numpy()
    if at.size:
        ax.vlines(at, levels - 0.5, levels + 0.5, color=PALETTE["ink"], linestyle=(0, (4, 2)), linewidth=1.1)


# --- coefficients of variation ----------------------------------------------------------------------------------


def plot_cv_caps(data: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw each indicator's coefficient of variation beside its cap, in the order given.

    Parameters
    ----------
    data : pandas.DataFrame
        One row an indicator. Columns: ``label``, ``cv`` (no unit; NaN where it cannot be computed), ``cap`` (no
        unit; NaN for none), ``verdict`` (``met``, ``not_met``, ``undecided`` or empty) and ``fragile`` (bool: the
        verdict turns with rounding or with one person more or less).
    ax : matplotlib.axes.Axes, optional
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
    """
    where = "差异系数图"
    frame = read_frame(data, where, text=("label", "verdict"), numbers=("cv", "cap", "fragile"))
    check_verdicts(frame["verdict"], where)
    ax, own = single_axes(ax, 1.25 + 0.42 * len(frame))
    places = label_rows(ax, list(frame["label"]), 17)
    top = np.nanmax([*frame["cv"], *frame["cap"], 0.1])
    ax.set_xlim(0, top * 1.08)
    ax.set_xlabel(say("差异系数（标准差与平均数之比，无单位）"))
    for place, row in zip(places, frame.itertuples(), strict=True):
        _lollipop(ax, place, row, top)
    fragile = frame["fragile"].eq(1).to_numpy()
    side_column(ax, 50, say("差异系数"), places, ["—" if np.isnan(v) else f"{v:.3f}" for v in frame["cv"]])
    side_column(ax, 86, say("上限"), places, ["—" if np.isnan(v) else f"{v:.3f}" for v in frame["cap"]])
    warn = {"marker": "^", "color": PALETTE["ink"], "markersize": 6}
    ax.plot(
        np.ones(fragile.sum()), places[fragile], linestyle="none", clip_on=False, transform=beside_axes(ax, 18), **warn,
    )  # fmt: skip
    handles = verdict_handles(frame["verdict"])
    if frame["cap"].notna().any():
        look = {"marker": "|", "markersize": 11, "markeredgewidth": 2, "markeredgecolor": PALETTE["ink"]}
        handles.append(dot_handle("plain", say("上限"), **look))
    if fragile.any():
        handles.append(dot_handle("plain", say("临界（四舍五入或增减一人即翻转）"), **warn))
    if handles:
        add_legend(ax, handles, own)
    return ax


def _lollipop(ax: Axes, place: float, row: tuple, top: float) -> None:
    """One row of :func:`plot_cv_caps`."""
    kind = row.verdict or "plain"
    if np.isnan(row.cv):
        ax.text(top * 0.012, place, say("无法计算"), va="center", fontsize=8.5, color="#5A5A5A")
    else:
        ax.hlines(place, 0, row.cv, color=PALETTE[kind], linewidth=2.6, alpha=0.75, zorder=2)
        look = {"marker": MARKERS[kind], "color": PALETTE[kind], "markeredgecolor": "white"}
        ax.plot(row.cv, place, markersize=9, zorder=4, **look)
    if not np.isnan(row.cap):
        ax.vlines(row.cap, place - 0.3, place + 0.3, color=PALETTE["ink"], linewidth=2, zorder=3)


def plot_years(data: pd.DataFrame, *, axes: Sequence[Axes] | np.ndarray | None = None) -> np.ndarray:
    """Draw each indicator's coefficient of variation over the school years.

    Parameters
    ----------
    data : pandas.DataFrame
        One row an indicator and year. Columns: ``school_year`` (whole number), ``label`` (indicator), ``cv`` (no
        unit; NaN leaves a gap) and ``cap`` (no unit; NaN for none; may differ between years). At most eight
        indicators, in order of appearance.
    axes : sequence of matplotlib.axes.Axes, optional
        One an indicator.

    Returns
    -------
    numpy.ndarray
        The axes, one an indicator.
    """
    where = "历年差异系数图"
    frame = read_frame(data, where, text=("label",), numbers=("school_year", "cv", "cap"))
    if frame["school_year"].isna().any():
        raise InputError("有的行没有学年", where=where, found="空值", expected="整数年份", fix="请补上 school_year 列")
    check_once(frame, ["school_year", "label"], where)
    panels = list(frame.groupby("label", sort=False))
    grid, own = panel_axes(len(panels), axes, 1.72, where, sharey=True)
    years = np.array(finite_unique(frame["school_year"]))
    top = np.nanmax([*frame["cv"], *frame["cap"], 0.1])
    for place, (ax, (label, rows)) in enumerate(zip(grid, panels, strict=True)):
        panel_title(ax, label)
        ax.set_xlim(years[0] - 0.5, years[-1] + 0.5)
        if not own or place == 0:  # panels of ours share the axis
            ax.set_ylim(0, top * 1.25)
        _year_line(ax, rows.sort_values("school_year", kind="stable"))
        ax.xaxis.set_major_locator(FixedLocator(years[:: math.ceil(years.size / 8)]))
        ax.xaxis.set_major_formatter("{x:.0f}")
        ax.tick_params(labelbottom=True)
        ax.grid(visible=False, axis="x")
        ax.set_xlabel(say("学年"))
        if not own or len(grid) < 4 or place % 2 == 0:
            ax.set_ylabel(say("差异系数"))
    over = frame["cv"] > frame["cap"]
    handles = [
        dot_handle("met", say("差异系数"), linestyle="-", linewidth=1.4),
        *([dot_handle("not_met", say("超过上限"), markersize=7)] if over.any() else []),
        *([dashed_handle(say("上限"))] if frame["cap"].notna().any() else []),
    ]
    add_legend(grid[-1], handles, own)
    return grid


def _year_line(ax: Axes, rows: pd.DataFrame) -> None:
    """One panel of :func:`plot_years`."""
    x, cv, cap = (rows[name].to_numpy() for name in ("school_year", "cv", "cap"))
    over = cv > cap
    ax.plot(x, cv, color=PALETTE["met"], zorder=3)
    for chosen, kind, size in ((~over, "met", 6), (over, "not_met", 7.5)):
        if not chosen.any():
            continue
        ax.plot(
            x[chosen], cv[chosen], linestyle="none", marker=MARKERS[kind], color=PALETTE[kind],
            markersize=size, markeredgecolor="white", zorder=4,
        )  # fmt: skip
    capped = ~np.isnan(cap)  # a piece for each year: a cap may change
    dashes = {"color": PALETTE["ink"], "linestyle": (0, (4, 2)), "linewidth": 1.1, "zorder": 2}
    ax.hlines(cap[capped], x[capped] - 0.5, x[capped] + 0.5, **dashes)
    if rows["cv"].notna().sum() > 7:  # no room to write them all
        return
    for year, value, limit in zip(x, cv, cap, strict=True):
        if not np.isnan(value):
            _year_value(ax, year, value, below=ax.get_ylim()[1] * 0.2 < value <= limit)


def _year_value(ax: Axes, year: float, value: float, *, below: bool) -> None:
    """The number at a point, on the side away from the cap."""
    ax.annotate(
        f"{value:.3f}", (year, value), xytext=(0, -6 if below else 6), textcoords="offset points", ha="center",
        va="top" if below else "bottom", fontsize=7, zorder=5,
        path_effects=[withStroke(linewidth=2.2, foreground="white")],
    )  # fmt: skip


def plot_between_within(data: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how much of each indicator's spread lies between groups and how much within them.

    Parameters
    ----------
    data : pandas.DataFrame
        One row an indicator. Columns: ``label``, ``between`` and ``within`` (parts of the squared coefficient of
        variation, no unit, summing to it; NaN where they cannot be computed).
    ax : matplotlib.axes.Axes, optional
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
    """
    where = "组间组内构成图"
    frame = read_frame(data, where, text=("label",), numbers=("between", "within"))
    ax, own = single_axes(ax, 1.2 + 0.42 * len(frame))
    places = label_rows(ax, list(frame["label"]), 17)
    total = (frame["between"] + frame["within"]).to_numpy()
    drawn = total > 0
    shares = frame["between"].to_numpy()[drawn] / total[drawn]
    bars = {"height": 0.56, "edgecolor": "#8796A5", "linewidth": 0.6, "zorder": 2}
    ax.barh(places[drawn], shares, color=PALETTE["met"], **bars)
    ax.barh(places[drawn], 1 - shares, left=shares, color="#DCE3EA", hatch="///", **bars)
    for place, value in zip(places[~drawn], total[~drawn], strict=True):
        words = say("无法计算") if np.isnan(value) else say("各校相同，没有差异")
        ax.text(0.01, place, words, va="center", fontsize=8.5, color="#5A5A5A")
    ax.set_xlim(0, 1)
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel(say("占差异系数平方的比例（%）"))
    texts = pd.DataFrame("—", index=range(len(frame)), columns=["between", "within", "total"])
    texts.loc[drawn, "between"] = [f"{100 * s:.1f}%" for s in shares]
    texts.loc[drawn, "within"] = [f"{100 * (1 - s):.1f}%" for s in shares]
    texts["total"] = ["—" if np.isnan(v) else f"{v:.4f}" for v in total]
    headings = (38, "between", say("组间")), (74, "within", say("组内")), (122, "total", say("差异系数²"))
    for points, name, heading in headings:
        side_column(ax, points, heading, places, texts[name])
    within = Patch(facecolor="#DCE3EA", hatch="///", edgecolor="#8796A5", label=say("组内差异"))
    add_legend(ax, [Patch(facecolor=PALETTE["met"], label=say("组间差异")), within], own)
    return ax
