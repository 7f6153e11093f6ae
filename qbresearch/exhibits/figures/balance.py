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

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, PercentFormatter

from qbresearch.errors import InputError
from qbresearch.exhibits.canvas import (
    add_legend,
    beside_axes,
    check_count,
    check_once,
    check_verdicts,
    dashed_handle,
    diamond_handle,
    dot_handle,
    finite_unique,
    ink_on,
    label_rows,
    largest_students,
    literal_text,
    mark_value,
    matrix,
    number_text,
    panel_axes,
    panel_title,
    point_areas,
    points_wide,
    read_frame,
    side_column,
    single_axes,
    spread_points,
    text_width,
    value_axis,
    verdict_handles,
    wrap_text,
)
from qbresearch.exhibits.style import GROUP_COLOURS, MARKERS, PALETTE, verdict_words
from qbresearch.language import say

MAX_GROUPS = 12
MAX_ROWS = 60  # more rows than this cannot be read on one page
RATIO_RANGE = (0.5, 1.5)  # a school at half or at one and a half times a standard has the full colour
CELL_MARKS = {
    "met": {"marker": "o", "markersize": 3.8, "markeredgewidth": 0.0},
    "not_met": {"marker": "x", "markersize": 4.4, "markeredgewidth": 1.3},
    "undecided": {"marker": "$?$", "markersize": 5.6, "markeredgewidth": 0.3},
}


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
    for kind in ("", "met", "undecided", "not_met"):  # those that need attention on top
        chosen = shown["verdict"].eq(kind).to_numpy()
        _points(ax, shown["value"].to_numpy()[chosen], heights[chosen], areas[chosen], kind or "plain")
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
    for ax, (label, rows) in zip(grid, panels, strict=True):
        panel_title(ax, label)
        value_axis(ax, rows, [*rows["group_mean"], *rows["threshold"]])
        label_rows(ax, names, 9 if row_height > 0.22 else math.inf)  # two lines need the height
        for place, (name, colour) in enumerate(zip(names, cycle(GROUP_COLOURS), strict=False)):
            _group_row(ax, rows[rows["group"] == name], place, colour, largest_students(frame["students"]))
    handles = [
        dot_handle("plain", say("点越大，学生越多"), alpha=0.6),
        diamond_handle(say("组内平均（按学生数加权）")),
        *([dashed_handle(say("标准"))] if frame["threshold"].notna().any() else []),
    ]
    add_legend(grid[-1], handles, own)
    return grid


def _group_row(ax: Axes, rows: pd.DataFrame, place: int, colour: str, largest: float) -> None:
    """One group in one panel of :func:`plot_groups`."""
    shown = rows[rows["value"].notna()]
    heights = place + spread_points(shown["value"].to_numpy(), 0.36)
    areas = 0.7 * point_areas(shown["students"].to_numpy(), largest, 2 * len(shown))
    ax.scatter(shown["value"], heights, s=areas, color=colour, alpha=0.55, linewidths=0.3, edgecolors="white", zorder=3)
    for mean in finite_unique(rows["group_mean"]):
        ax.vlines(mean, place - 0.4, place + 0.4, color=PALETTE["ink"], linewidth=1.5, zorder=4)
        ax.plot(mean, place, marker="D", color=PALETTE["ink"], markeredgewidth=0, markersize=5, zorder=5)
    for threshold in finite_unique(rows["threshold"]):
        ax.vlines(threshold, place - 0.5, place + 0.5, color=PALETTE["ink"], linestyle=(0, (4, 2)), linewidth=1.1)


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
        ax.plot(
            x[chosen], cv[chosen], linestyle="none", marker=MARKERS[kind], color=PALETTE[kind],
            markersize=size, markeredgecolor="white", zorder=4,
        )  # fmt: skip
    for year, limit in zip(x, cap, strict=True):  # a piece for each year: a cap may change
        ax.hlines(limit, year - 0.5, year + 0.5, color=PALETTE["ink"], linestyle=(0, (4, 2)), linewidth=1.1, zorder=2)
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


# --- tables in colour -------------------------------------------------------------------------------------------


def _cells(ax: Axes, values: np.ndarray, cmap: Colormap, norm: Normalize) -> None:
    """Coloured cells, the first row on top, missing ones grey.

    Not ``seaborn.heatmap``: that draws the whole figure once more to find out whether labels overlap.
    """
    ax.set_facecolor(PALETTE["faint"])
    ax.pcolormesh(np.ma.masked_invalid(values), cmap=cmap, norm=norm, edgecolors="white", linewidth=0.8, zorder=1)
    ax.invert_yaxis()
    ax.grid(visible=False)
    for side in ax.spines.values():
        side.set_visible(False)


def _table_labels(
    ax: Axes, rows: Sequence[str], columns: Sequence[str], row_size: float, *, own: bool, feet: Sequence[str] = ()
) -> None:
    """Names of rows at the left, of columns on top, wrapped to the width of a column; ``feet`` stand below those."""
    names = max(map(text_width, rows)) * row_size
    room = points_wide(ax) * (1.0 if own else 0.8)  # axes in somebody else's grid may yet become narrower
    fits = np.clip((room - names) / len(columns) / 7.5 - 0.7, 3.0, 16.0)
    headings = [wrap_text(column, float(fits)) for column in columns]
    if feet:
        headings = [f"{heading}\n{foot}".rstrip() for heading, foot in zip(headings, feet, strict=True)]
    ax.set_xticks(np.arange(len(columns)) + 0.5, headings, fontsize=7.5)
    ax.xaxis.tick_top()
    ax.set_yticks(np.arange(len(rows)) + 0.5, [literal_text(row) for row in rows], fontsize=row_size)
    ax.tick_params(length=0)


def _colour_bar(ax: Axes, cmap: Colormap, norm: Normalize, label: str, **settings: object) -> None:
    bar = ax.figure.colorbar(
        plt.cm.ScalarMappable(norm=norm, cmap=cmap), ax=ax, location="bottom", shrink=0.55, aspect=36, pad=0.015,
        **settings,
    )  # fmt: skip
    bar.set_label(label, fontsize=8.5)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8)


def plot_attainment_map(data: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw, school by indicator, how far each value stands from its standard and what the verdict is.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a school and indicator. Columns: ``school``, ``label`` (indicator), ``ratio`` (value over threshold,
        no unit; NaN where there is none) and ``verdict`` (``met``, ``not_met``, ``undecided`` or empty). Schools (at
        most sixty) and indicators are drawn in order of appearance.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
    """
    where = "达标情况图"
    frame = read_frame(data, where, text=("school", "label", "verdict"), numbers=("ratio",))
    check_verdicts(frame["verdict"], where)
    ratios, verdicts = matrix(frame, "school", "ratio", where), matrix(frame, "school", "verdict", where)
    check_count(len(ratios), MAX_ROWS, "学校", where)
    ax, own = single_axes(ax, 2.1 + 0.158 * len(ratios))
    cmap = sns.blend_palette([PALETTE["not_met"], "#E9A27E", "#F7F7F7", "#9CC4E2", PALETTE["met"]], as_cmap=True)
    norm = Normalize(*RATIO_RANGE, clip=True)
    _cells(ax, ratios.to_numpy(), cmap, norm)
    _table_labels(ax, list(ratios.index), list(ratios.columns), 7.5, own=own)
    for verdict, look in CELL_MARKS.items():
        row, column = np.nonzero(verdicts.eq(verdict).to_numpy())
        shades = [PALETTE["ink"] if np.isnan(r) else ink_on(cmap(norm(r))) for r in ratios.to_numpy()[row, column]]
        area, edge = look["markersize"] ** 2, look["markeredgewidth"]
        ax.scatter(column + 0.5, row + 0.5, s=area, marker=look["marker"], c=shades, linewidths=edge, zorder=3)
    words = verdict_words()
    handles: list[Artist] = [
        dot_handle(verdict, words[verdict], **look | {"color": PALETTE["ink"], "markeredgecolor": PALETTE["ink"]})
        for verdict, look in CELL_MARKS.items()
        if frame["verdict"].eq(verdict).any()
    ]
    if ratios.isna().to_numpy().any():
        handles.append(Patch(facecolor=PALETTE["faint"], label=say("没有数据或不适用")))
    ticks = np.linspace(*RATIO_RANGE, 5)
    _colour_bar(ax, cmap, norm, say("实测值与标准之比"), ticks=ticks, extend="both")
    add_legend(ax, handles, own, points_below=6)
    return ax


def plot_county_cvs(data: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw a table of coefficients of variation, county by indicator, with those over their cap marked.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a county and indicator. Columns: ``county``, ``label`` (indicator), ``cv`` (no unit; NaN where it
        cannot be computed) and ``cap`` (no unit; NaN for none). Counties (at most sixty) and indicators are drawn
        in order of appearance.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
    """
    where = "各县差异系数图"
    frame = read_frame(data, where, text=("county", "label"), numbers=("cv", "cap"))
    cvs, caps = matrix(frame, "county", "cv", where), matrix(frame, "county", "cap", where)
    check_count(len(cvs), MAX_ROWS, "县", where)
    ax, own = single_axes(ax, 1.9 + 0.25 * len(cvs))
    cmap = sns.blend_palette(["#FBFCFD", "#A3C8E4"], as_cmap=True)  # light throughout: ink is read on all of it
    norm = Normalize(0, max(float(np.nanmax([*frame["cv"], 0.1])), 0.1))
    _cells(ax, cvs.to_numpy(), cmap, norm)
    _table_labels(ax, list(cvs.index), list(cvs.columns), 8, own=own, feet=[_cap_text(caps[label]) for label in cvs])
    over = (cvs > caps).to_numpy()
    for (row, column), value in np.ndenumerate(cvs.to_numpy()):
        _cv_cell(ax, row, column, value, bool(over[row, column]))
    handles: list[Artist] = []
    if over.any():
        handles.append(dot_handle("plain", say("超过上限（加框、加粗）"), marker="^", color=PALETTE["ink"]))
    if cvs.isna().to_numpy().any():
        handles.append(Patch(facecolor=PALETTE["faint"], label=say("无法计算")))
    _colour_bar(ax, cmap, norm, say("差异系数（无单位）"))
    if handles:
        add_legend(ax, handles, own, points_below=6)
    return ax


def _cap_text(caps: pd.Series) -> str:
    """The cap to write above a column, if it is the same for all counties."""
    found = finite_unique(caps)
    return say("（上限 {cap}）", cap=number_text(found[0])) if len(found) == 1 else ""


def _cv_cell(ax: Axes, row: int, column: int, value: float, over: bool) -> None:
    """One cell of :func:`plot_county_cvs`."""
    text = "—" if np.isnan(value) else f"{'▲' if over else ''}{value:.3f}"
    ax.text(
        column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8, fontweight="bold" if over else "normal",
        zorder=3,
    )  # fmt: skip
    if over:
        colour = PALETTE["not_met"]
        ax.add_patch(Rectangle((column + 0.04, row + 0.07), 0.92, 0.86, fill=False, ec=colour, lw=1.4, zorder=2))
