"""Tables in colour: schools by indicators with their verdicts, counties by indicators with their coefficients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.patches import Patch, Rectangle

from qbresearch.exhibits.canvas import (
    add_legend,
    check_count,
    check_verdicts,
    dot_handle,
    finite_unique,
    literal_text,
    matrix,
    number_text,
    points_wide,
    read_frame,
    single_axes,
    text_width,
    wrap_text,
)
from qbresearch.exhibits.figures.balance import MAX_ROWS
from qbresearch.exhibits.figures.colours import colour_bar, colour_scale, inks_on
from qbresearch.exhibits.style import PALETTE, verdict_words
from qbresearch.language import say

RATIO_RANGE = (0.5, 1.5)  # a school at half or at one and a half times a standard has the full colour
CELL_MARKS = {
    "met": {"marker": "o", "markersize": 3.8, "markeredgewidth": 0.0},
    "not_met": {"marker": "x", "markersize": 4.4, "markeredgewidth": 1.3},
    "undecided": {"marker": "$?$", "markersize": 5.6, "markeredgewidth": 0.3},
}


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
    cmap = colour_scale(PALETTE["not_met"], "#E9A27E", "#F7F7F7", "#9CC4E2", PALETTE["met"])
    norm = Normalize(*RATIO_RANGE, clip=True)
    _cells(ax, ratios.to_numpy(), cmap, norm)
    _table_labels(ax, list(ratios.index), list(ratios.columns), 7.5, own=own)
    found, marks = ratios.to_numpy(), verdicts.to_numpy(dtype=object)
    inks = np.where(np.isnan(found), PALETTE["ink"], inks_on(cmap(norm(found))))
    for verdict, look in CELL_MARKS.items():
        row, column = np.nonzero(marks == verdict)
        if not row.size:
            continue
        shades = list(inks[row, column])
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
    colour_bar(ax, cmap, norm, say("实测值与标准之比"), own=own, ticks=ticks, extend="both")
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
    cmap = colour_scale("#FBFCFD", "#A3C8E4")  # light throughout: ink is read on all of it
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
    colour_bar(ax, cmap, norm, say("差异系数（无单位）"), own=own)
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
