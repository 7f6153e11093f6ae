"""What the figures share: reading a frame, wrapping labels, axes and panels, legends, points."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation, Transform
from scipy.optimize import isotonic_regression

from qbresearch.errors import InputError, check_choice
from qbresearch.exhibits.margins import Margins
from qbresearch.exhibits.style import GROUP_COLOURS, MARKERS, PALETTE, verdict_words
from qbresearch.language import say

WIDTH = 7.2  # inches; a little more than the text of an A4 page, so that 9-point text prints at about 8 points
MAX_PANELS = 8
PANEL_PAD = 4.3  # points between panels
VERDICTS = ("met", "not_met", "undecided", "")
GOLDEN = (math.sqrt(5) - 1) / 2
GROUP_MARKERS = ("o", "s", "^", "D", "v", "<", ">", "p", "P", "X", "*", "h")
GROUP_HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----", "++++", "oo", "||||", "//", "..", "\\\\")
_CLOSING = "、，。；：！？）》」】％%)],.;:"
_OPENING = "（《「【(["


# --- reading the frame ------------------------------------------------------------------------------------------


def read_frame(data: pd.DataFrame, where: str, *, text: Sequence[str], numbers: Sequence[str]) -> pd.DataFrame:
    """The needed columns, texts as ``str`` and numbers as ``float``; refuses a frame that cannot be drawn."""
    needed = [*text, *numbers]
    absent = [name for name in needed if name not in data.columns]
    if absent:
        raise InputError(
            f"画图用的表缺少列 {'、'.join(absent)}",
            where=where,
            found="列 " + "、".join(map(str, data.columns)),
            expected="列 " + "、".join(needed),
            fix="请补上缺少的列，或把已有的列改成这些名称",
        )
    if data.empty:
        raise InputError(
            "画图用的表没有一行数据", where=where, found="0 行", expected="至少 1 行", fix="请检查前面的筛选条件"
        )
    columns = {name: data[name].astype(object).fillna("").astype(str).to_numpy(dtype=object) for name in text}
    return pd.DataFrame(columns | {name: read_numbers(data[name], where) for name in numbers})


def read_numbers(column: pd.Series, where: str) -> np.ndarray:
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    bad = (np.isnan(values) & column.notna().to_numpy()) | np.isinf(values)
    if bad.any():
        raise InputError(
            f"画图用的列 {column.name} 中有不是数的值",
            where=where,
            found=repr(column[bad].iloc[0]),
            expected="数，或空值",
            fix="请在画图之前把这一列处理成数；没有数据的留空",
        )
    return values


def check_verdicts(column: pd.Series, where: str) -> None:
    for verdict in column.unique():
        check_choice(verdict, VERDICTS, name="判定结果", where=f"{where}，verdict 列")


def check_drawable(values: pd.DataFrame, where: str) -> None:
    """Refuse a frame without a single row that could be drawn."""
    if not values.notna().all(axis=1).any():
        raise InputError(
            "画图用的表没有一行能画",
            where=where,
            found=f"{len(values)} 行的 {'、'.join(values.columns)} 都有空值",
            expected="至少一行有数",
            fix="请检查前面的估计是否成功；全部无法估计时，请改用文字说明",
        )


def check_words(column: pd.Series, allowed: Sequence[str], name: str, where: str) -> None:
    """Refuse a word that the figure has no mark for."""
    for word in column.unique():
        check_choice(word, allowed, name=name, where=f"{where}，{column.name} 列")


def check_ends(frame: pd.DataFrame, where: str) -> None:
    """Refuse an interval whose ends are exchanged; ends that are not known are not judged."""
    wrong = frame["low"] > frame["high"]
    if wrong.any():
        low, high = frame.loc[wrong, ["low", "high"]].iloc[0]
        raise InputError(
            "区间的下限大于上限",
            where=where,
            found=f"下限 {number_text(low)}，上限 {number_text(high)}",
            expected="low 不大于 high；没有区间的留空",
            fix="请检查 low、high 两列是否写反",
        )


def check_range(column: pd.Series, least: float, most: float, where: str) -> None:
    """Refuse numbers outside a range; what is not known is not judged."""
    wrong = (column < least) | (column > most)
    if wrong.any():
        limits = (
            f"{number_text(least)} 到 {number_text(most)}" if math.isfinite(most) else f"不小于 {number_text(least)}"
        )
        raise InputError(
            f"列 {column.name} 中有不可能的值",
            where=where,
            found=number_text(column[wrong].iloc[0]),
            expected=f"{limits} 的数，或空值",
            fix="请检查这一列的单位和计算；比例用 0 到 1 表示",
        )


def check_count(count: int, most: int, what: str, where: str) -> None:
    if count > most:
        raise InputError(
            f"一张图里{what}太多，无法看清",
            where=where,
            found=f"{count} 个",
            expected=f"不超过 {most} 个",
            fix="请分成几张图，或先筛选再画",
        )


def check_once(data: pd.DataFrame, keys: list[str], where: str) -> None:
    twice = data.duplicated(keys)
    if twice.any():
        raise InputError(
            "同一处有两个值",
            where=where,
            found="、".join(str(value) for value in data.loc[twice, keys].iloc[0]),
            expected=f"{'、'.join(keys)} 的每个组合只有一行",
            fix="请检查是否重名（不同的学校、县须用不同的名称），或先汇总成一行",
        )


def matrix(data: pd.DataFrame, rows: str, values: str, where: str) -> pd.DataFrame:
    """``values`` by ``rows`` and indicator, both in order of appearance; refuses a cell that is given twice."""
    check_once(data, [rows, "label"], where)
    wide = data.pivot(index=rows, columns="label", values=values)
    return wide.reindex(index=data[rows].unique(), columns=data["label"].unique())


# --- words ------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8192)
def text_width(text: str) -> float:
    """Width of a text in Chinese characters."""
    return sum(1.0 if unicodedata.east_asian_width(c) in "WFA" else 0.55 for c in text)


def literal_text(text: str) -> str:
    """The text with dollar signs kept from starting a formula."""
    return text.replace("$", r"\$")


@lru_cache(maxsize=8192)
def wrap_text(text: str, width: float) -> str:
    """Break a label into lines of about equal length, at most ``width`` Chinese characters each.

    No line begins with a closing mark or ends with an opening one, and neither numbers nor Latin words are split.
    """
    pieces = text_pieces(text)
    fewest = len(fill_lines(pieces, width))
    if fewest == 1:
        return literal_text(text)
    narrower = np.arange(text_width(text) / fewest, width, 0.5)
    lines = next((found for w in narrower if len(found := fill_lines(pieces, w)) == fewest), fill_lines(pieces, width))
    return literal_text("\n".join(lines))


def fill_lines(pieces: Iterable[str], width: float) -> list[str]:
    """Lines with as many pieces each as fit."""
    lines = [""]
    for piece in pieces:
        if lines[-1] and text_width(lines[-1]) + text_width(piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece if lines[-1] else piece.lstrip()
    return [line.rstrip() for line in lines]


def number_text(value: float) -> str:
    """A number as people write it, never with an exponent."""
    return f"{value:.10g}"


def common_decimals(values: Iterable[float], figures: int = 3) -> int:
    """Decimals for a column of numbers, one to three, so that the largest has that many figures that count."""
    largest = max((abs(v) for v in values if not math.isnan(v)), default=0.0)
    return min(max(figures - 1 - math.floor(math.log10(largest)), 1), 3) if largest > 0 else 3


def signed_text(value: float, decimals: int) -> str:
    """A number with its sign, the minus as long as the plus."""
    return f"{value:+.{decimals}f}".replace("-", "−")


def text_pieces(text: str) -> list[str]:
    """Parts of a text that must stay on one line."""
    closing, opening = re.escape(_CLOSING), re.escape(_OPENING)
    return re.findall(rf"[{opening}]*(?:[A-Za-z0-9.\-]+|.)[{closing}]*", text, flags=re.DOTALL)


def with_unit(words: str, unit: str) -> str:
    return literal_text(say("{words}（{unit}）", words=words, unit=unit) if unit else words)


# --- axes and legends -------------------------------------------------------------------------------------------


def single_axes(ax: Axes | None, height: float) -> tuple[Axes, bool]:
    """The axes to draw into, and whether the figure around them is ours."""
    if ax is not None:
        return ax, False
    _, own = plt.subplots(figsize=(WIDTH, height), layout=Margins())
    return own, True


def panel_axes(
    count: int, axes: Sequence[Axes] | np.ndarray | None, height: float, where: str, *, sharex=False, sharey=False
) -> tuple[np.ndarray, bool]:
    """``count`` axes in a flat array, in two columns if there are four or more; ``height`` is that of one row."""
    check_count(count, MAX_PANELS, "指标", where)
    if axes is not None:
        given = np.asarray(axes, dtype=object).ravel()
        if given.size < count:
            raise InputError(
                "给的坐标区不够", where=where, found=f"{given.size} 个", expected=f"{count} 个（每项指标一个）",
                fix="请多建几个坐标区，或不给 axes",
            )  # fmt: skip
        return given[:count], False
    columns = 2 if count >= 4 else 1
    rows = math.ceil(count / columns)
    _, grid = plt.subplots(
        rows, columns, figsize=(WIDTH, rows * height + 0.5), layout=Margins(PANEL_PAD), squeeze=False, sharex=sharex,
        sharey=sharey,
    )  # fmt: skip
    for spare in grid.ravel()[count:]:
        spare.remove()
    return grid.ravel()[:count], True


def points_wide(ax: Axes) -> float:
    """About how many points of width these axes and their labels have, before they are laid out."""
    return ax.get_position().width * ax.figure.get_figwidth() * 72 * 1.25


def room_inside(ax: Axes, labels: Iterable[str], own: bool, beside: float = 0.0) -> float:
    """About how many points of width remain for the marks, with labels of 8 points and columns of numbers beside."""
    widest = max(text_width(line) for label in labels for line in label.split("\n"))
    share = 0.95 if own else 0.75  # axes in somebody else's grid may yet become narrower
    return max(share * (points_wide(ax) - 8 * widest - beside), 40.0)


def panel_title(ax: Axes, label: str) -> None:
    ax.set_title(wrap_text(label, 0.86 * points_wide(ax) / 9.5))


def add_legend(ax: Axes, handles: list[Artist], own: bool, *, points_below: float = 34, columns: int = 5) -> None:
    """One legend below everything, in as many columns as fit; with foreign axes, below these axes."""
    columns = min(columns, len(handles))
    if own:
        while columns > 1 and _legend_width(handles, columns) > 72 * ax.figure.get_figwidth():
            columns -= 1
        ax.figure.legend(handles=handles, loc="outside lower center", ncols=columns, columnspacing=1.4)
        return
    below = ax.transAxes + ScaledTranslation(0, -points_below / 72, ax.figure.dpi_scale_trans)
    ax.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=below,
        ncols=min(columns, 3), borderaxespad=0,
    )  # fmt: skip


def _legend_width(handles: list[Artist], columns: int) -> float:
    """About how many points of width a legend has: entries of 8 points with their marks, filled column by column."""
    rows = math.ceil(len(handles) / columns)
    widths = [34 + 7.4 * text_width(str(handle.get_label())) for handle in handles]
    return sum(max(widths[first : first + rows]) for first in range(0, len(widths), rows))


def dot_handle(verdict: str, label: str, **changes: object) -> Line2D:
    """A legend entry that is a point."""
    kind = verdict or "plain"
    look = {
        "marker": MARKERS[kind],
        "color": PALETTE[kind],
        "markersize": 6,
        "markeredgecolor": "white",
        "linestyle": "none",
    }
    return Line2D([], [], label=label, **look | changes)


def verdict_handles(verdicts: Iterable[str]) -> list[Artist]:
    """Legend entries of the verdicts that occur, in a fixed order."""
    found = set(verdicts)
    return [dot_handle(verdict, word) for verdict, word in verdict_words().items() if verdict in found]


def dashed_handle(label: str) -> Line2D:
    return Line2D([], [], color=PALETTE["ink"], linestyle=(0, (4, 2)), linewidth=1.1, label=label)


def diamond_handle(label: str) -> Line2D:
    return dot_handle("plain", label, marker="D", color=PALETTE["ink"], markersize=5, markeredgewidth=0)


def group_looks(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """A colour, a marker and a hatch for each group, always the same for the same order."""
    looks = cycle(zip(GROUP_COLOURS, GROUP_MARKERS, GROUP_HATCHES, strict=True))
    return {
        name: {"color": colour, "marker": marker, "hatch": hatch}
        for name, (colour, marker, hatch) in zip(names, looks, strict=False)
    }


def shade_rows(ax: Axes, places: Iterable[float]) -> None:
    """A faint band behind every other row, where several marks share a row."""
    for place in list(places)[1::2]:
        ax.axhspan(place - 0.5, place + 0.5, color="#F4F6F8", linewidth=0, zorder=0)


def spread_labels(wanted: np.ndarray, gap: float, least: float, most: float) -> np.ndarray:
    """Places at least ``gap`` apart and within two limits, as near as possible to the (rising) places wanted."""
    steps = gap * np.arange(wanted.size)
    nearest = isotonic_regression(wanted - steps).x  # least squares with neighbours at least a gap apart
    return np.clip(nearest, least, max(least, most - steps[-1])) + steps


def label_rows(ax: Axes, labels: Sequence[str], width: float) -> np.ndarray:
    """One row a label, the first on top; returns the heights of the rows."""
    places = np.arange(len(labels), dtype=float)
    ax.set_yticks(places, [wrap_text(label, width) for label in labels])
    ax.set_ylim(len(labels) - 0.4, -0.6)
    bare_rows(ax)
    return places


def bare_rows(ax: Axes) -> None:
    """Rows without ticks and lines."""
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")


def row_height(count: int, roomy: float) -> float:
    """Inches a row: as roomy as may be while so many rows still fit on a page."""
    return min(max(8.6 / count, 0.16), roomy)


def row_wrap(height: float, width: float) -> float:
    """The width to wrap labels to: rows too low for two lines have labels of one line."""
    return width if height >= 0.29 else math.inf


def beside_axes(ax: Axes, points: float) -> Transform:
    """Rows in data, columns in points to the right of the axes: the same room however wide the axes become."""
    return ax.get_yaxis_transform() + ScaledTranslation(points / 72, 0, ax.figure.dpi_scale_trans)


def side_column(ax: Axes, points: float, heading: str, places: Iterable[float], texts: Iterable[str]) -> None:
    """A column of numbers to the right of the axes, in line with the rows, so that it never covers a mark."""
    across = beside_axes(ax, points)
    top = ax.transAxes + ScaledTranslation(points / 72, 3 / 72, ax.figure.dpi_scale_trans)
    ax.text(1, 1, heading, transform=top, ha="right", va="bottom", fontsize=8, fontweight="bold")
    for place, text in zip(places, texts, strict=True):
        ax.text(1, place, text, transform=across, ha="right", va="center", fontsize=8.5)


def words_in_row(ax: Axes, place: float, words: str) -> None:
    """Words where a row has no bar or point."""
    ax.annotate(
        words, (0, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8.5, color="#5A5A5A"
    )


# --- points -----------------------------------------------------------------------------------------------------


def spread_points(values: np.ndarray, half_height: float) -> np.ndarray:
    """Offsets that keep points of like value apart, wider where there are more of them.

    Multiples of the golden section instead of random numbers: neighbours fall far from each other, and the same
    schools are always drawn at the same place.
    """
    if values.size < 2:
        return np.zeros(values.size)
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    near = (np.ptp(values) or 1.0) / 30
    others = np.searchsorted(ranked, ranked + near, "right") - np.searchsorted(ranked, ranked - near, "left") - 1
    height = half_height * others / max(others.max(), 8)
    offsets = np.empty(values.size)
    offsets[order] = height * (2 * ((np.arange(values.size) * GOLDEN) % 1) - 1)
    return offsets


def point_areas(students: np.ndarray, largest: float, count: int) -> np.ndarray:
    """Areas of the points, larger with more students and smaller where there are many points."""
    top = float(np.clip(3000 / max(count, 1), 13, 62))
    share = np.nan_to_num(students / largest if largest > 0 else students * 0.0)
    return top * (0.3 + 0.7 * share)


def largest_students(students: pd.Series) -> float:
    return float(np.nan_to_num(students.max()))


def value_axis(ax: Axes, rows: pd.DataFrame, others: Iterable[float]) -> None:
    """Limits with room for what is written at the edges; the label says the unit and how many schools are absent."""
    finite = np.array([v for v in (*rows["value"], *others) if not math.isnan(v)])
    if finite.size:
        margin = 0.07 * (np.ptp(finite) or abs(finite[0]) or 1.0)
        ax.set_xlim(finite.min() - margin, finite.max() + margin)
    ax.xaxis.set_major_locator(MaxNLocator(6))
    absent = int(rows["value"].isna().sum())
    label = with_unit(say("数值"), rows["unit"].iloc[0])
    ax.set_xlabel(say("{label}；另有 {n} 所缺数据", label=label, n=absent) if absent else label)


def mark_value(ax: Axes, x: float, y: float, text: str, *, to_right: bool) -> None:
    """Write beside a vertical line."""
    ax.annotate(
        text, (x, y), xytext=(6 if to_right else -6, 0), textcoords="offset points",
        ha="left" if to_right else "right", va="center", fontsize=7.5, annotation_clip=False,
    )  # fmt: skip


def finite_unique(column: pd.Series) -> list[float]:
    return sorted(float(v) for v in column.dropna().unique())
