"""Tables of correlations in colour."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Patch, Rectangle

from qbresearch.errors import InputError
from qbresearch.exhibits.canvas import (
    add_legend,
    check_count,
    check_once,
    check_range,
    literal_text,
    points_wide,
    read_frame,
    single_axes,
    text_width,
    wrap_text,
)
from qbresearch.exhibits.figures.balance import MAX_ROWS
from qbresearch.exhibits.figures.colours import colour_bar, colour_scale, ink_on
from qbresearch.exhibits.style import PALETTE
from qbresearch.language import say

MAX_SQUARE = 18  # variables of a triangle whose numbers can still be read
MAX_COLUMNS = 12


def plot_correlations(data: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw a table of correlations: a triangle among the same variables, or a rectangle of rows by columns.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a pair. Columns: ``row``, ``column`` (names), ``value`` (correlation, −1 to 1, no unit; NaN where it
        cannot be computed) and ``significant`` (bool; missing is False). If any name stands in both columns, all are
        taken as one set of variables (at most eighteen) and each pair is drawn once, below the diagonal; a variable
        with itself is not drawn. Otherwise at most sixty rows and twelve columns. All in order of appearance.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
    """
    where = "相关系数图"
    frame = read_frame(data, where, text=("row", "column"), numbers=("value", "significant"))
    check_range(frame["value"], -1.0, 1.0, where)
    square = bool(set(frame["row"]) & set(frame["column"]))
    rows, columns, frame = _triangle(frame, where) if square else _rectangle(frame, where)
    ax, own = single_axes(ax, (0.9 if square else 1.6) + 0.27 * len(rows))
    _correlation_labels(ax, rows, columns, square=square)
    cmap = colour_scale(PALETTE["not_met"], "#E9A27E", "#F9F9F9", "#9CC4E2", PALETTE["met"])
    norm = Normalize(-1, 1)
    size = 8 if len(columns) <= 10 else 7 if len(columns) <= 14 else 6
    for pair in frame.itertuples():
        _correlation_cell(ax, rows.index(pair.row), columns.index(pair.column), pair, cmap(norm(pair.value)), size)
    marked = frame["significant"].eq(1).any()
    label = say("相关系数（粗体加 * 的显著）") if marked else say("相关系数")
    colour_bar(ax, cmap, norm, label, own=own)
    if frame["value"].isna().any():
        add_legend(ax, [Patch(facecolor=PALETTE["faint"], label=say("无法计算"))], own, points_below=6)
    return ax


def _triangle(frame: pd.DataFrame, where: str) -> tuple[list[str], list[str], pd.DataFrame]:
    """Each pair of variables once, the later one as the row."""
    pairs = frame[frame["row"] != frame["column"]]
    if pairs.empty:
        raise InputError(
            "相关系数表中只有变量与自身的相关", where=where, found=f"{len(frame)} 行，row 与 column 都相同",
            expected="至少一对不同的变量", fix="请加入别的变量",
        )  # fmt: skip
    # The first variable stands only among the rows of an upper triangle, only among the columns of a lower one.
    upper = pairs["row"].iloc[0] not in set(pairs["column"])
    names = list(pd.concat([pairs["row"], pairs["column"]] if upper else [pairs["column"], pairs["row"]]).unique())
    check_count(len(names), MAX_SQUARE, "变量", where)
    place = {name: number for number, name in enumerate(names)}
    later = pairs["row"].map(place) > pairs["column"].map(place)
    turned = pairs.assign(
        row=pairs["row"].where(later, pairs["column"]), column=pairs["column"].where(later, pairs["row"])
    )
    turned = turned[~turned.round({"value": 9}).duplicated()]  # (a, b) and (b, a) may both be given
    check_once(turned, ["row", "column"], where)
    return names, names, turned


def _rectangle(frame: pd.DataFrame, where: str) -> tuple[list[str], list[str], pd.DataFrame]:
    check_once(frame, ["row", "column"], where)
    rows, columns = list(frame["row"].unique()), list(frame["column"].unique())
    check_count(len(rows), MAX_ROWS, "行", where)
    check_count(len(columns), MAX_COLUMNS, "列", where)
    return rows, columns, frame


def _correlation_labels(ax: Axes, rows: list[str], columns: list[str], *, square: bool) -> None:
    """Names at the left; on top too, or in a triangle numbers on its diagonal instead."""
    if square:
        numbered = [say("{variable}（{number}）", variable=name, number=number) for number, name in enumerate(rows, 1)]
    else:
        numbered = rows
    ax.set_yticks(np.arange(len(rows)) + 0.5, [literal_text(name) for name in numbered], fontsize=8)
    if square:
        ax.set_xticks([])
        for number in range(len(rows)):
            ax.text(number + 0.5, number + 0.5, say("（{number}）", number=number + 1), ha="center", va="center", fontsize=7.5,
                    color="#5A5A5A")  # fmt: skip
    else:
        room = points_wide(ax) - 8 * max(map(text_width, rows))
        fits = float(np.clip(room / len(columns) / 7.5 - 0.7, 3.0, 16.0))
        ax.set_xticks(np.arange(len(columns)) + 0.5, [wrap_text(name, fits) for name in columns], fontsize=7.5)
        ax.xaxis.tick_top()
    ax.set_xlim(0, len(columns))
    ax.set_ylim(len(rows), 0)
    ax.tick_params(length=0)
    ax.grid(visible=False)
    for side in ax.spines.values():
        side.set_visible(False)


def _correlation_cell(ax: Axes, row: int, column: int, pair: tuple, colour: tuple[float, ...], size: float) -> None:
    """One cell of :func:`plot_correlations`."""
    absent = np.isnan(pair.value)
    marked = not absent and pair.significant == 1
    shade = PALETTE["faint"] if absent else colour[:3]
    ax.add_patch(Rectangle((column, row), 1, 1, facecolor=shade, edgecolor="white", linewidth=0.8, zorder=1))
    text = "—" if absent else f"{pair.value:.2f}".replace("-", "−") + ("*" if marked else "")
    ax.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=size, color=ink_on(shade),
            fontweight="bold" if marked else "normal", zorder=3)  # fmt: skip
