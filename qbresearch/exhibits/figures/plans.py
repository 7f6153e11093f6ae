"""Figures of plans: timetables of schools, progress, calendars of counties, a prefecture's board, phases and projects.

A tidy frame in, matplotlib axes out. States, forecasts and warnings come with the frame; nothing is judged here. A frame
without rows draws a sentence in the picture's place.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from qbresearch.exhibits.canvas import (
    add_legend,
    check_count,
    check_once,
    check_verdicts,
    check_words,
    dot_handle,
    label_rows,
    points_wide,
    read_frame,
    row_height,
    side_column,
    single_axes,
    text_width,
    wrap_text,
)
from qbresearch.exhibits.figures.balance import MAX_ROWS
from qbresearch.exhibits.figures.empty import plot_nothing
from qbresearch.exhibits.figures.plan_marks import (
    BANDS,
    REACHED,
    STATES,
    WARNINGS,
    WORKS,
    alarm_marks,
    as_of_frame,
    as_of_line,
    band,
    calendar_handles,
    group_names,
    month_span,
    plan_handle,
    progress_numbers,
    time_axis,
    timetable_row,
    work_bar,
    work_handles,
    year_axis,
    year_bands,
)
from qbresearch.exhibits.figures.verdict_grid import (
    MAX_COLUMNS,
    grid_handles,
    row_labels,
    verdict_grid,
)
from qbresearch.exhibits.plan_tables import progress_words
from qbresearch.exhibits.style import PALETTE
from qbresearch.language import say

MAX_LANES = 90
MARK_SHARE = 0.22  # of a year's width that a warning takes
FURTHEST_FORECAST = 5  # years after all others, beyond which a forecast is drawn at the edge with its year


# --- schools ----------------------------------------------------------------------------------------------------


def plot_timetable(data: pd.DataFrame, *, as_of: int | None = None, ax: Axes | None = None) -> Axes:
    """Draw the year a plan sets for every school, and the year the school met the standard or to which the trend leads.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a school, at most sixty. Columns: ``school``, ``planned`` (year), ``reached`` and ``forecast`` (years;
        NaN for none) and ``state`` (``early``, ``on_time``, ``late``, ``overdue``, ``not_due``, ``undecided``). Schools
        are drawn by the year of the plan, those of one year in order of appearance.
    as_of : int, optional
        Year up to which is looked; drawn as a line.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
        The state stands in words at the right.
    """
    if data.empty:
        return plot_nothing(say("规划没有学校达标时间表"), ax=ax)
    where = "学校达标时间表图"
    frame = read_frame(data, where, text=("school", "state"), numbers=("planned", "reached", "forecast"))
    words = progress_words()
    check_words(frame["state"], tuple(words), "进度", where)
    check_count(len(frame), MAX_ROWS, "学校", where)
    frame = frame.sort_values("planned", kind="stable").reset_index(drop=True)
    height = row_height(len(frame), 0.23)
    ax, own = single_axes(ax, 1.15 + height * len(frame))
    places = label_rows(ax, row_labels(list(frame["school"]), height, 17), math.inf)
    if len(frame) > 40:
        ax.tick_params(axis="y", labelsize=7)
    years = frame[["planned", "reached"]].to_numpy().ravel()
    years = [*years[~np.isnan(years)], *([as_of] if as_of else [])]
    horizon = max(years) + FURTHEST_FORECAST
    year_axis(ax, [*years, *np.minimum(frame["forecast"].dropna(), horizon)])
    for place, row in zip(places, frame.itertuples(), strict=True):
        timetable_row(ax, place, row, horizon)
    year_bands(ax, frame["planned"].to_numpy())
    heading = say("进度")
    states = [words[state] for state in frame["state"]]
    side_column(ax, 10 + 8.8 * max(map(text_width, [heading, *states])), heading, places, states)
    handles: list[Artist] = [plan_handle(say("规划年份"))]
    handles += [dot_handle("plain", words[s], **STATES[s]) for s in words if _shows(frame, s)]
    if (frame["forecast"].notna() & frame["reached"].isna()).any():
        handles.append(dot_handle("plain", say("按趋势推算的年份"), marker="D", markerfacecolor="white", markeredgecolor="#5F7285"))
    handles += as_of_line(ax, as_of)
    add_legend(ax, handles, own)
    return ax


def _shows(frame: pd.DataFrame, state: str) -> bool:
    """Whether a mark of this state is drawn."""
    rows = frame["state"].eq(state)
    return bool((rows & (frame["reached"].notna() | frame["state"].isin(["overdue", "undecided"]))).any())


def plot_progress(data: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how many schools shall have met the standard by each year, and how many did.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a year. Columns: ``year``, ``planned`` (schools, cumulative), ``reached`` (schools that meet the standard
        in that year; NaN where it cannot be said), ``early`` (those of them that the plan does not expect yet) and
        ``undecided`` (schools that cannot be judged; NaN in years ahead, so that the last year with a number is the one
        the data reach).
    ax : matplotlib.axes.Axes, optional
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
        Of the schools that met the standard those due by then stand below those that are early; undecided schools stand as
        a hatched band above both.
    """
    if data.empty:
        return plot_nothing(say("规划没有学校达标时间表"), ax=ax)
    where = "达标进度图"
    frame = read_frame(data, where, text=(), numbers=("year", "planned", "reached", "early", "undecided"))
    check_once(frame, ["year"], where)
    frame = frame.sort_values("year", kind="stable").reset_index(drop=True)
    ax, own = single_axes(ax, 2.9)
    year, planned, reached, early, undecided = (frame[n].to_numpy() for n in ("year", "planned", "reached", "early", "undecided"))
    ax.step(year, planned, where="mid", color=PALETTE["ink"], linewidth=1.6, linestyle=(0, (5, 2)), zorder=3)
    known = ~np.isnan(reached)
    blurred = known & (np.nan_to_num(undecided) > 0)
    ahead, due = known & (np.nan_to_num(early) > 0), reached - early
    ax.bar(year[known], due[known], width=0.62, zorder=2, **REACHED["due"])
    ax.bar(year[ahead], early[ahead], width=0.62, bottom=due[ahead], zorder=2, **REACHED["early"])
    ax.bar(year[blurred], undecided[blurred], width=0.62, bottom=reached[blurred], facecolor="white", edgecolor="#9AA3AB",
           hatch="/////", linewidth=0.7, zorder=2)  # fmt: skip
    top = float(np.nanmax([*planned, *(reached + np.nan_to_num(undecided)), 1.0]))
    ax.set_ylim(0, 1.16 * top)
    progress_numbers(ax, frame)
    ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.grid(visible=False, axis="x")
    year_axis(ax, list(year))
    ax.set_ylabel(say("学校（所）"))
    handles: list[Artist] = [Line2D([], [], color=PALETTE["ink"], linestyle=(0, (5, 2)), linewidth=1.6, label=say("规划累计达标"))]
    if known.any():
        handles.append(Patch(label=say("到期的学校中实际达标"), **REACHED["due"]))
    if ahead.any():
        handles.append(Patch(label=say("未到期而提前达标"), **REACHED["early"]))
    if blurred.any():
        handles.append(Patch(facecolor="white", edgecolor="#9AA3AB", hatch="/////", label=say("无法判定")))
    seen = year[~np.isnan(undecided)]
    if seen.size and seen.max() < year.max():
        ax.axvspan(seen.max() + 0.5, year.max() + 0.6, color="#F4F6F8", linewidth=0, zorder=0)
        handles.append(Patch(facecolor="#F4F6F8", edgecolor="#C9CED3", label=say("{year} 年以后尚无数据", year=int(seen.max()))))
    add_legend(ax, handles, own)
    return ax


# --- counties ---------------------------------------------------------------------------------------------------


def plot_calendar(
    data: pd.DataFrame, *, warnings: pd.DataFrame | None = None, as_of: int | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the stages of a prefecture's plan on the calendar of every county, with warnings.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a county and stage. Columns: ``county``, ``label`` (stage), ``year`` (NaN for a stage that holds always),
        ``state`` (``past``, ``now``, ``ahead``, ``always``) and ``before_issue`` (bool: the stage lies before the plan
        was issued). Counties and stages in order of appearance.
    warnings : pandas.DataFrame, optional
        One row a warning: ``county``, ``due`` (year) and ``warning`` (``overdue``, ``soon``, ``unknown``; rows with an
        empty word are not drawn). Warnings of one county, year and kind are counted at one mark.
    as_of : int, optional
        Year from which is looked; drawn as a line.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
        Stages of one county in one year stand below each other; one that holds always is a band of its own.
    """
    if data.empty:
        return plot_nothing(say("规划没有分县的阶段安排"), ax=ax)
    where = "各县阶段日历图"
    frame = read_frame(data, where, text=("county", "label", "state"), numbers=("year", "before_issue"))
    check_words(frame["state"], tuple(BANDS), "阶段状态", where)
    alarms = _warnings(warnings, where)
    counties = list(frame["county"].unique())
    lanes = _lanes(frame)
    depth = [max(lanes[frame["county"].eq(name)], default=0) + 1 for name in counties]
    check_count(sum(depth), MAX_LANES, "行", where)
    starts = np.concatenate([[0], np.cumsum(np.array(depth) + 0.45)])
    lane_height = float(np.clip(8.6 / starts[-1], 0.17, 0.3))
    ax, own = single_axes(ax, 1.05 + lane_height * starts[-1])
    years = [*frame["year"].dropna(), *alarms["due"].dropna(), *([as_of] if as_of else [])] or [0.0]
    first, last = int(min(years)), int(max(years))
    room = 0.92 * (points_wide(ax) - 8.5 * max(map(text_width, counties))) / (last - first + 1)
    taken = alarms.groupby(["county", "due"])["warning"].nunique().to_dict()
    for place, row in enumerate(frame.itertuples()):
        top = starts[counties.index(row.county)] + lanes[place]
        marks = taken.get((row.county, row.year), 0) if lanes[place] == 0 else 0
        band(ax, top, row, first, last, room * (1 - MARK_SHARE * marks))
    for county, rows in alarms.groupby("county", sort=False):
        if county in counties:
            place = counties.index(county)
            alarm_marks(ax, rows, starts[place])
    middles = [start + count / 2 for start, count in zip(starts, depth, strict=False)]
    ax.set_yticks(middles, [wrap_text(name, 12) for name in counties])
    ax.set_ylim(starts[-1] - 0.2, -0.25)
    ax.tick_params(axis="y", length=0)
    ax.set_xlim(first - 0.5, last + 0.5)
    ax.set_xticks(range(first, last + 1))
    ax.xaxis.set_major_formatter("{x:.0f}")
    ax.grid(visible=False)
    for edge in np.arange(first - 0.5, last + 1):
        ax.axvline(edge, color="#E6E9EC", linewidth=0.8, zorder=0)
    for start in starts[1:-1]:
        ax.axhline(start - 0.225, color="#C9CED3", linewidth=0.7, zorder=0)
    add_legend(ax, calendar_handles(frame, alarms) + as_of_frame(ax, as_of), own)
    return ax


def _warnings(data: pd.DataFrame | None, where: str) -> pd.DataFrame:
    if data is None or data.empty:
        return pd.DataFrame({"county": [], "due": [], "warning": []})
    frame = read_frame(data, f"{where}，warnings", text=("county", "warning"), numbers=("due",))
    frame = frame[frame["warning"] != ""]
    check_words(frame["warning"], tuple(WARNINGS), "预警", where)
    return frame


def _lanes(frame: pd.DataFrame) -> np.ndarray:
    """The lane of every stage within its county: one below the other in one year, what holds always below all."""
    timed = frame["year"].notna()
    lanes = frame.groupby(["county", "year"], sort=False).cumcount().to_numpy().astype(float)
    deepest = pd.Series(lanes).where(timed.to_numpy()).groupby(frame["county"].to_numpy()).max().fillna(-1)
    always = frame[~timed].groupby("county", sort=False).cumcount()
    for place, number in always.items():
        lanes[place] = deepest[frame["county"].iloc[place]] + 1 + number
    return lanes


def plot_prefecture_board(data: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw which county meets which item.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a county and item. Columns: ``county`` (at most sixty), ``label`` (item, at most 40 in order of
        appearance) and ``verdict`` (``met``, ``not_met``, ``undecided``, or empty where the item does not apply).
        Counties are drawn in order of appearance.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
        The last column says how many items a county misses.
    """
    if data.empty:
        return plot_nothing(say("没有各县的判定结果"), ax=ax)
    where = "各县达标情况图"
    frame = read_frame(data, where, text=("county", "label", "verdict"), numbers=())
    check_verdicts(frame["verdict"], where)
    check_once(frame, ["county", "label"], where)
    wide = frame.pivot(index="county", columns="label", values="verdict").fillna("")
    wide = wide.reindex(index=frame["county"].unique(), columns=frame["label"].unique())
    check_count(len(wide), MAX_ROWS, "县", where)
    check_count(wide.shape[1], MAX_COLUMNS, "条目", where)
    height = row_height(len(wide), 0.3)
    ax, own = single_axes(ax, 1.25 + height * len(wide))
    verdict_grid(ax, wide, height, own=own)
    heading = say("未达标")
    misses = [str(n) if n else "" for n in wide.eq("not_met").sum(axis=1)]
    side_column(ax, 6 + 8.8 * text_width(heading), heading, np.arange(len(wide)), misses)
    add_legend(ax, grid_handles(wide), own, points_below=8)
    return ax


# --- phases and projects ----------------------------------------------------------------------------------------


def plot_phases(data: pd.DataFrame, *, as_of: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw the phases of a plan, its projects and its target along the months.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a bar, at most sixty, in drawing order. Columns: ``label``, ``group`` (what the bar belongs to: phases,
        projects, … ; written at the first of its rows), ``start`` and ``end`` (``YYYY-MM``, or ``YYYY`` for the whole
        year; empty where the plan leaves them blank; a row with an end alone is a date and drawn as a diamond) and
        ``state`` (``done``, ``done_late``, ``running``, ``late`` (due and not finished), ``ahead``, ``undated`` or empty). A
        column ``finished`` (``YYYY-MM``) is taken where it is there: a mark at that month.
    as_of : str, optional
        ``YYYY-MM`` from which is looked; drawn as a line.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
        Rows without any date say so.
    """
    if data.empty:
        return plot_nothing(say("规划没有写明阶段和项目的起止时间"), ax=ax)
    where = "阶段与项目进度图"
    texts = ("label", "group", "start", "end", "state", *(("finished",) if "finished" in data else ()))
    frame = read_frame(data, where, text=texts, numbers=())
    if "finished" not in frame:
        frame["finished"] = ""
    check_words(frame["state"], tuple(WORKS), "进度", where)
    check_count(len(frame), MAX_ROWS, "行", where)
    begins = np.array([month_span(text, where)[0] for text in frame["start"]])
    ends = np.array([month_span(text, where)[1] for text in frame["end"]])
    finished = np.array([month_span(text, where)[1] for text in frame["finished"]])
    now = month_span(as_of or "", where)[1]
    known = np.concatenate([begins, ends, finished, [now]])
    if np.isnan(known[:-1]).all():
        return plot_nothing(say("规划没有写明阶段和项目的起止时间"), ax=ax)
    height = row_height(len(frame), 0.27 if frame["label"].map(text_width).max() < 20 else 0.3)
    ax, own = single_axes(ax, 1.1 + height * len(frame))
    places = label_rows(ax, row_labels(list(frame["label"]), height, 16), math.inf)
    time_axis(ax, float(np.nanmin(known)), float(np.nanmax(known)))
    for place, row, begin, end, done in zip(places, frame.itertuples(), begins, ends, finished, strict=True):
        work_bar(ax, place, WORKS[row.state], begin, end, done)
    group_names(ax, frame["group"])
    handles = work_handles(frame, begins, ends, finished)
    if not math.isnan(now):
        look = {"color": PALETTE["ink"], "linestyle": (0, (4, 2)), "linewidth": 1.1}
        ax.axvline(now, zorder=4, **look)
        handles.append(Line2D([], [], label=say("数据截至 {month}", month=as_of), **look))
    add_legend(ax, handles, own)
    return ax
