"""The specification curve: what a coefficient becomes under every choice that could have been made.

Nothing is estimated here but the median of the estimates, which the curve marks.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from qbresearch.errors import InputError
from qbresearch.exhibits.canvas import (
    WIDTH,
    add_legend,
    beside_axes,
    check_count,
    check_drawable,
    check_ends,
    dashed_handle,
    dot_handle,
    label_rows,
    read_frame,
    text_width,
    wrap_text,
)
from qbresearch.exhibits.margins import Margins
from qbresearch.exhibits.style import PALETTE
from qbresearch.language import say

MAX_SPECIFICATIONS = 600
MAX_OPTIONS = 45
LOOKS = {True: ("#2B6FA8", PALETTE["ink"]), False: ("#B4BBC2", "#6B747C")}  # significant: line, dot


def plot_specifications(
    data: pd.DataFrame, choices: pd.DataFrame, *, axes: Sequence[Axes] | np.ndarray | None = None
) -> np.ndarray:
    """Draw the estimates of all specifications in order of size, and below them the choices each was made with.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a specification, at most 600. Columns: ``estimate`` (in the unit of the coefficient; specifications
        without one are counted below the axis, not drawn), ``low`` and ``high`` (interval, in the same unit; not
        drawn where one is NaN), ``significant`` and ``main`` (bool; missing is False). Rows that are not in order of
        size are put in order.
    choices : pandas.DataFrame
        The same rows; one column a dimension (its name is written), its values the options (texts, written in order
        of appearance, or of the categories of a categorical column). At most forty-five options in all.
    axes : sequence of matplotlib.axes.Axes, optional
        Two: for the estimates and for the choices.

    Returns
    -------
    numpy.ndarray
        The two axes.
    """
    where = "设定曲线图"
    numbers = ("estimate", "low", "high", "significant", "main")
    frame = read_frame(data, where, text=(), numbers=numbers)
    check_ends(frame, where)
    check_count(len(frame), MAX_SPECIFICATIONS, "设定", where)
    options = _options(choices, len(frame), where)
    check_count(len(options), MAX_OPTIONS, "选项", where)
    check_drawable(frame[["estimate"]], where)
    order = frame["estimate"].dropna().sort_values(kind="stable").index
    shown = frame.loc[order].reset_index(drop=True)
    picked = choices.iloc[order].reset_index(drop=True).astype(str)
    grid, own = _specification_axes(axes, 0.16 * len(options), where)
    _estimate_curve(grid[0], shown)
    _choice_marks(grid[1], shown, picked, options)
    ticks = MaxNLocator(8, integer=True).tick_values(1, max(len(shown), 2))
    for ax in grid:
        ax.set_xlim(0.5 - 0.012 * len(shown), 1.012 * len(shown) + 0.5)
        ax.set_xticks([tick for tick in ticks if 1 <= tick <= len(shown)])
        ax.grid(visible=False, axis="x")
        for place in 1 + np.flatnonzero(shown["main"].eq(1)):
            ax.axvline(place, color=PALETTE["not_met"], linewidth=0.7, alpha=0.55, zorder=1)
    grid[0].tick_params(labelbottom=False, bottom=False)
    label = say("共 {n} 个设定，按估计值从小到大排列", n=len(shown))
    absent = len(frame) - len(shown)
    grid[1].set_xlabel(say("{label}；另有 {n} 个无法估计", label=label, n=absent) if absent else label)
    add_legend(grid[1], _specification_handles(shown), own)
    return grid


def _options(choices: pd.DataFrame, count: int, where: str) -> list[tuple[str, str]]:
    """Dimension and option of every row of the lower panel."""
    if len(choices) != count or choices.shape[1] == 0 or choices.isna().to_numpy().any():
        raise InputError(
            "设定的选项与估计值对不上",
            where=f"{where}，choices",
            found=f"{len(choices)} 行、{choices.shape[1]} 列，其中空值 {int(choices.isna().to_numpy().sum())} 个",
            expected=f"{count} 行（与估计值相同）、至少 1 列，没有空值",
            fix="请让 choices 与 data 逐行对应，不适用的选项写成文字（如“不加入”）",
        )
    return [(str(name), str(option)) for name in choices for option in _in_order(choices[name])]


def _in_order(options: pd.Series) -> list[object]:
    """The options that occur: in the order of the categories if they have one, otherwise of appearance."""
    found = list(options.unique())
    ranked = isinstance(options.dtype, pd.CategoricalDtype)
    return [option for option in options.cat.categories if option in found] if ranked else found


def _specification_axes(axes: Sequence[Axes] | np.ndarray | None, height: float, where: str) -> tuple[np.ndarray, bool]:
    if axes is not None:
        given = np.asarray(axes, dtype=object).ravel()
        if given.size < 2:
            raise InputError("给的坐标区不够", where=where, found=f"{given.size} 个", expected="2 个（估计值、选项）",
                             fix="请多建一个坐标区，或不给 axes")  # fmt: skip
        return given[:2], False
    figure = plt.figure(figsize=(WIDTH, 2.9 + height), layout=Margins())
    parts = GridSpec(2, 1, figure, height_ratios=[2.1, max(height, 0.3)])
    upper = figure.add_subplot(parts[0])
    return np.array([upper, figure.add_subplot(parts[1], sharex=upper)], dtype=object), True


def _estimate_curve(ax: Axes, shown: pd.DataFrame) -> None:
    """Upper panel of :func:`plot_specifications`."""
    places = np.arange(1, len(shown) + 1, dtype=float)
    width = float(np.clip(220 / len(shown), 0.35, 2.2))
    size = float(np.clip(900 / len(shown), 2.2, 20))
    for significant, (colour, dot) in LOOKS.items():
        chosen = shown["significant"].eq(1).eq(significant).to_numpy()
        known = chosen & shown[["low", "high"]].notna().all(axis=1).to_numpy()
        ax.vlines(places[known], shown["low"][known], shown["high"][known], color=colour, alpha=0.5, linewidth=width)
        ax.scatter(places[chosen], shown["estimate"][chosen], s=size, color=dot, linewidths=0, zorder=4)
    ax.axhline(0, color=PALETTE["ink"], linewidth=1.0, zorder=2)
    middle = float(np.median(shown["estimate"]))
    ax.axhline(middle, color=PALETTE["ink"], linestyle=(0, (4, 2)), linewidth=1.1, zorder=3)
    text = f"{say('中位数')}\n{middle:.3f}".replace("-", "−")
    ax.text(1, middle, text, transform=beside_axes(ax, 4), ha="left", va="center", fontsize=7.5)
    main = shown["main"].eq(1).to_numpy()
    rows = shown[main & shown[["low", "high"]].notna().all(axis=1)]
    ax.vlines(rows.index + 1, rows["low"], rows["high"], color=PALETTE["not_met"], linewidth=max(width, 1.6), zorder=5)
    ax.plot(places[main], shown["estimate"][main], linestyle="none", marker="D", color=PALETTE["not_met"],
            markersize=7, markeredgecolor="white", zorder=6)  # fmt: skip
    ax.set_ylabel(say("估计值及其区间"))


def _choice_marks(ax: Axes, shown: pd.DataFrame, picked: pd.DataFrame, options: list[tuple[str, str]]) -> None:
    """Lower panel of :func:`plot_specifications`."""
    rows = label_rows(ax, [option for _, option in options], 12)
    ax.tick_params(axis="y", labelsize=7.5)
    significant = shown["significant"].eq(1).to_numpy()
    width = float(np.clip(260 / len(shown), 0.4, 3.0))
    here = np.array([picked[name].eq(option).to_numpy() for name, option in options])  # options by specifications
    for kind, (colour, _) in LOOKS.items():
        option, place = np.nonzero(here & (significant == kind))
        ax.vlines(1 + place, rows[option] - 0.32, rows[option] + 0.32, color=colour, linewidth=width, zorder=3)
    widest = max(text_width(line) for _, option in options for line in wrap_text(option, 12).split("\n"))
    beside = ax.get_yaxis_transform() + ScaledTranslation(-(7.7 * widest + 14) / 72, 0, ax.figure.dpi_scale_trans)
    names = [name for name, _ in options]
    for number, name in enumerate(dict.fromkeys(names)):
        first, count = names.index(name), names.count(name)
        if number % 2 == 1:
            ax.axhspan(first - 0.5, first + count - 0.5, color="#F1F3F6", linewidth=0, zorder=0)
        ax.text(0, first + (count - 1) / 2, wrap_text(name, 6 if count > 1 else 12), transform=beside, ha="right",
                va="center", fontsize=7.5, fontweight="bold")  # fmt: skip


def _specification_handles(shown: pd.DataFrame) -> list[Artist]:
    """Legend of :func:`plot_specifications`."""
    counts = shown["significant"].eq(1).value_counts()
    words = {True: say("显著"), False: say("不显著")}
    handles: list[Artist] = [
        Line2D([], [], color=line, marker="o", markersize=4, markeredgewidth=0, markerfacecolor=dot, linewidth=2.2,
               label=say("{words}（{n} 个）", words=words[kind], n=counts[kind]))
        for kind, (line, dot) in LOOKS.items() if kind in counts
    ]  # fmt: skip
    handles.append(dashed_handle(say("中位数")))
    if shown["main"].eq(1).any():
        handles.append(dot_handle("not_met", say("主设定"), marker="D"))
    return handles
