"""What figures of plans are made of: looks of states, the marks of one row, axes of years and months, legends."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke

from qbresearch.errors import InputError
from qbresearch.exhibits.canvas import dot_handle, literal_text, wrap_text
from qbresearch.exhibits.figures.colours import ink_on
from qbresearch.exhibits.figures.verdict_grid import shortened
from qbresearch.exhibits.plan_tables import project_words, warning_words
from qbresearch.exhibits.style import PALETTE
from qbresearch.language import say

MOST_NUMBERED = 16  # years beyond which numbers at the steps would touch
# Of the schools of a timetable: colour, marker. Early and on time share a colour; the marker tells them apart.
STATES = {
    "early": {"color": "#3A87C2", "marker": "^"},
    "on_time": {"color": "#3A87C2", "marker": "o"},
    "late": {"color": "#C28A1B", "marker": "v"},
    "overdue": {"color": "#B33A00", "marker": "X"},
    "not_due": {"color": "#5F7285", "marker": "|"},
    "undecided": {"color": "#8C8C8C", "marker": "s"},
}
BANDS = {
    "past": {"facecolor": "#E3E7EB", "edgecolor": "#8A9199"},
    "now": {"facecolor": "#3A87C2", "edgecolor": "#2A6493"},
    "ahead": {"facecolor": "#FFFFFF", "edgecolor": "#3A87C2"},
    "always": {"facecolor": "#FFFFFF", "edgecolor": "#B8BEC5", "hatch": "...."},
}
WARNINGS = {
    "overdue": {"marker": "X", "color": "#B33A00"},
    "soon": {"marker": "^", "color": "#C28A1B"},
    "unknown": {"marker": "s", "color": "#8C8C8C"},
    "exempt": {"marker": "D", "color": "#2B2B2B"},
}
# Of the schools that meet the standard: those the plan expects by then, and those ahead of it.
REACHED = {
    "due": {"facecolor": "#3A87C2", "edgecolor": "#2A6493", "linewidth": 0.9},
    "early": {"facecolor": "#D6E7F3", "edgecolor": "#2A6493", "linewidth": 0.9},
}
BEFORE_ISSUE = {"edgecolor": "#2B2B2B", "linewidth": 2.0, "linestyle": (0, (2.5, 1.2))}
# Of what a plan carries out: bars light, dark or outlined, so that states are told apart without colour.
WORKS = {
    "done": {"facecolor": "#A9CBE4", "edgecolor": "#3A87C2"},
    "done_late": {"facecolor": "#E9CD93", "edgecolor": "#9A6B0C", "hatch": "\\\\\\\\"},
    "running": {"facecolor": "#3A87C2", "edgecolor": "#2A6493"},
    "late": {"facecolor": "#B33A00", "edgecolor": "#EFB79F", "hatch": "xxx"},
    "ahead": {"facecolor": "#FFFFFF", "edgecolor": "#3A87C2"},
    "undated": {"facecolor": "#E3E7EB", "edgecolor": "#8A9199"},
    "": {"facecolor": "#E3E7EB", "edgecolor": "#8A9199"},
}
_MONTH = re.compile(r"(\d{4})(?:-(\d{1,2}))?")


# --- schools ------------------------------------------------------------------------------------------------------


def plan_handle(label: str) -> Line2D:
    return Line2D([], [], linestyle="none", marker="o", markersize=9, markerfacecolor="none", markeredgewidth=1.2,
                  markeredgecolor=PALETTE["ink"], label=label)  # fmt: skip


def timetable_row(ax: Axes, place: float, row: tuple, horizon: float) -> None:
    """One school: a ring for the plan, a mark for what was reached, a hollow diamond for the forecast."""
    look = STATES[row.state]
    forecast = min(row.forecast, horizon) if not math.isnan(row.forecast) else math.nan
    end = row.reached if not math.isnan(row.reached) else forecast
    if not math.isnan(end):
        style = "-" if not math.isnan(row.reached) else (0, (2, 1.6))
        ax.hlines(place, min(row.planned, end), max(row.planned, end), color=look["color"], linewidth=1.8, linestyle=style,
                  zorder=2)  # fmt: skip
    ax.plot(row.planned, place, marker="o", markersize=9, markerfacecolor="white", markeredgecolor=PALETTE["ink"],
            markeredgewidth=1.1, zorder=3)  # fmt: skip
    if not math.isnan(row.reached):
        ax.plot(row.reached, place, markeredgecolor="white", markeredgewidth=0.4, markersize=6.5, zorder=5, **look)
        return
    if not math.isnan(forecast):
        ax.plot(forecast, place, marker="D", markersize=5.5, markerfacecolor="white", markeredgecolor=look["color"],
                markeredgewidth=1.2, zorder=4)  # fmt: skip
    if row.forecast > horizon:
        ax.annotate(f"{row.forecast:.0f} »", (forecast, place), xytext=(-7, 0), textcoords="offset points", ha="right",
                    va="center", fontsize=7.5, zorder=4, path_effects=[withStroke(linewidth=2.4, foreground="white")])  # fmt: skip
    if row.state in ("overdue", "undecided"):
        ax.plot(row.planned, place, markeredgecolor="white", markeredgewidth=0.3, markersize=6, zorder=5, **look)


def year_bands(ax: Axes, planned: np.ndarray) -> None:
    """A faint band behind the schools of every other year of the plan."""
    for number, year in enumerate(dict.fromkeys(planned)):
        if number % 2 and not math.isnan(year):
            rows = np.flatnonzero(planned == year)
            ax.axhspan(rows[0] - 0.5, rows[-1] + 0.5, color="#F4F6F8", linewidth=0, zorder=0)


def year_axis(ax: Axes, years: list[float]) -> None:
    first, last = math.floor(min(years)), math.ceil(max(years))
    ax.set_xlim(first - 0.6, last + 0.6)
    ax.set_xticks(np.arange(first, last + 1, math.ceil((last - first + 1) / 14)))
    ax.xaxis.set_major_formatter("{x:.0f}")
    ax.set_xlabel(say("年份"))


def as_of_line(ax: Axes, year: float | None) -> list[Artist]:
    """The line of the year up to which is looked, and its legend."""
    if year is None:
        return []
    look = {"color": PALETTE["ink"], "linestyle": (0, (4, 2)), "linewidth": 1.1}
    ax.axvline(year, zorder=1, **look)
    return [Line2D([], [], label=say("数据截至 {year} 年", year=int(year)), **look)]


def progress_numbers(ax: Axes, frame: pd.DataFrame) -> None:
    """Numbers above the steps, and in the bars those of the schools due and of those that are early."""
    if len(frame) > MOST_NUMBERED:
        return
    low = 0.1 * ax.get_ylim()[1]
    settings = {"textcoords": "offset points", "ha": "center", "va": "bottom", "fontsize": 7.5, "zorder": 4,
                "path_effects": [withStroke(linewidth=2.2, foreground="white")]}  # fmt: skip
    for row in frame.itertuples():
        bar = np.nan_to_num(row.reached)
        if row.planned > 0:  # a low step shares its place with the number in the bar
            height = max(row.planned, bar + np.nan_to_num(row.undecided)) if row.planned < low and bar > 0 else row.planned
            inside = height == row.planned < bar  # then it stands beside the bar, above the end of its step
            ax.annotate(f"{row.planned:.0f}", (row.year - 0.41 * inside, height), xytext=(0, 3), **settings)
        early = np.nan_to_num(row.early)
        if bar > 0:
            ax.annotate(f"{bar - early:.0f}", (row.year, 0), xytext=(0, 2), fontweight="bold", **settings)
        if early > 0:
            ax.annotate(f"{early:.0f}", (row.year, max(bar, 2 * low)), xytext=(0, -2), fontweight="bold", **{**settings, "va": "top"})


# --- counties -----------------------------------------------------------------------------------------------------


def band(ax: Axes, top: float, row: tuple, first: int, last: int, room: float) -> None:
    """One stage of one county."""
    look = BANDS[row.state]
    always = math.isnan(row.year)
    left, width = (first - 0.47, last - first + 0.94) if always else (row.year - 0.47, 0.94)
    line = BEFORE_ISSUE if row.before_issue == 1 else {"linewidth": 1.0, "linestyle": "-"}
    ax.add_patch(Rectangle((left, top + 0.08), width, 0.84, zorder=2, **{**look, **line}))
    words = row.label if always else shortened(row.label, (room - 8) / 7.8)
    back = {"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none"} if always else None
    ax.text(left + width / 2 if always else left + 0.04, top + 0.5, literal_text(words), ha="center" if always else "left",
            va="center", fontsize=7.5, color=ink_on(look["facecolor"]), bbox=back, zorder=3)  # fmt: skip


def alarm_marks(ax: Axes, rows: pd.DataFrame, top: float) -> None:
    """Marks with numbers at the right end of their year, kinds beside each other."""
    for due, same in rows.groupby("due"):
        counts = same["warning"].value_counts()
        kinds = [kind for kind in WARNINGS if kind in counts]
        for place, kind in enumerate(kinds):
            x = due + 0.4 - 0.2 * (len(kinds) - 1 - place)
            ax.plot(x, top + 0.5, markersize=8.5, linestyle="none", markeredgecolor="white", zorder=5, **WARNINGS[kind])
            if counts[kind] > 1:
                ax.annotate(str(counts[kind]), (x, top + 0.5), xytext=(-9, 0), textcoords="offset points", ha="center",
                            va="center", fontsize=7, fontweight="bold", zorder=6,
                            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none"})  # fmt: skip


def calendar_handles(frame: pd.DataFrame, alarms: pd.DataFrame) -> list[Artist]:
    words = {"past": say("已过"), "now": say("当年"), "ahead": say("以后"), "always": say("长期")}
    found = set(frame["state"])
    handles: list[Artist] = [Patch(label=words[s], linewidth=1.0, **BANDS[s]) for s in words if s in found]
    if frame["before_issue"].eq(1).any():
        handles.append(Patch(facecolor="white", label=say("早于规划印发"), **BEFORE_ISSUE))
    kinds = set(alarms["warning"])
    return handles + [
        dot_handle("plain", word, markersize=8, **WARNINGS[kind])
        for kind, word in (warning_words() | {"exempt": say("不作预警")}).items() if kind and kind in kinds
    ]


def as_of_frame(ax: Axes, year: int | None) -> list[Artist]:
    """The year from which is looked, as a frame over its column."""
    if year is None:
        return []
    for edge in (year - 0.5, year + 0.5):
        ax.axvline(edge, color=PALETTE["ink"], linestyle=(0, (4, 2)), linewidth=1.1, zorder=4)
    return [Line2D([], [], color=PALETTE["ink"], linestyle=(0, (4, 2)), linewidth=1.1, label=say("数据截至 {year} 年", year=year))]


# --- phases and projects -------------------------------------------------------------------------------------------


def month_span(text: str, where: str) -> tuple[float, float]:
    """Beginning and end of a month or year in years; NaN for nothing."""
    if not text:
        return math.nan, math.nan
    match = _MONTH.fullmatch(text)
    if match is None or not 0 < int(match[2] or 1) <= 12:
        raise InputError("月份的写法不对", where=where, found=text, expected="2026-03 或 2026", fix="请改成四位年份，或年份-月份")
    year, month = int(match[1]), match[2]
    return (year + (int(month) - 1) / 12, year + int(month) / 12) if month else (float(year), year + 1.0)


def time_axis(ax: Axes, first: float, last: float) -> None:
    """Years as cells between their beginnings, named in their middles."""
    first, last = math.floor(first + 1e-9), max(math.ceil(last - 1e-9), math.floor(first + 1e-9) + 1)
    ax.set_xlim(first, last)
    step = math.ceil((last - first) / 14)
    ax.set_xticks(np.arange(first, last, step) + 0.5, [str(year) for year in range(first, last, step)])
    ax.grid(visible=False)
    for year in range(first, last + 1):
        ax.axvline(year, color="#E6E9EC", linewidth=0.9, zorder=0)
    ax.tick_params(axis="x", length=0)
    ax.set_xlabel(say("年份"))


def work_bar(ax: Axes, place: float, look: dict[str, str], begin: float, end: float, done: float) -> None:
    if math.isnan(begin) and math.isnan(end):
        ax.annotate(say("没有写明时间"), (ax.get_xlim()[0], place), xytext=(4, 0), textcoords="offset points", va="center",
                    fontsize=7.5, color="#5A5A5A")  # fmt: skip
    elif math.isnan(begin):
        ax.plot(end, place, marker="D", markersize=7.5, markerfacecolor=look["facecolor"], markeredgecolor=look["edgecolor"],
                markeredgewidth=1.3, zorder=3, clip_on=False)  # fmt: skip
    else:
        until = end if not math.isnan(end) else ax.get_xlim()[1]
        line = "-" if not math.isnan(end) else (0, (3, 1.5))
        ax.barh(place, until - begin, left=begin, height=0.56, linewidth=1.0, linestyle=line, zorder=2, **look)
    if not math.isnan(done):
        ax.plot(done, place, marker="|", markersize=12, markeredgewidth=2.2, color=PALETTE["ink"], zorder=5, clip_on=False)


def group_names(ax: Axes, groups: pd.Series) -> None:
    """Names of groups above their first rows at the right edge, and lines between groups."""
    for name in dict.fromkeys(groups):
        rows = np.flatnonzero(groups.eq(name))
        if rows[0]:
            ax.axhline(rows[0] - 0.5, color="#8A9199", linewidth=0.8, zorder=1)
        if name:
            ax.annotate("\n".join(wrap_text(part, 6) for part in name.replace("（", "\n（").split("\n")), (1, (rows[0] + rows[-1]) / 2), xycoords=ax.get_yaxis_transform(), xytext=(6, 0),
                        textcoords="offset points", ha="left", va="center", fontsize=8, fontweight="bold")  # fmt: skip


def work_handles(frame: pd.DataFrame, begins: np.ndarray, ends: np.ndarray, finished: np.ndarray) -> list[Artist]:
    words = project_words()
    found = set(frame.loc[~np.isnan(begins), "state"])
    handles: list[Artist] = [Patch(label=word, linewidth=1.0, **WORKS[state]) for state, word in words.items() if state in found]
    if (np.isnan(begins) & ~np.isnan(ends)).any():
        handles.append(dot_handle("plain", say("截止时间"), marker="D", markerfacecolor="white", markeredgecolor="#5F7285"))
    if (~np.isnan(finished)).any():
        handles.append(dot_handle("plain", say("完成时间"), marker="|", markersize=11, markeredgewidth=2.2,
                                  markeredgecolor=PALETTE["ink"]))  # fmt: skip
    if "" in found:
        handles.append(Patch(label=say("规划期间"), linewidth=1.0, **WORKS[""]))
    return handles
