"""Verdicts as cells that are read without colour: what the board, the schools and the counties share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.colors import ListedColormap
from matplotlib.patches import BoxStyle, FancyBboxPatch, Patch, Rectangle
from matplotlib.path import Path

from qbresearch.exhibits.canvas import (
    dot_handle,
    literal_text,
    points_wide,
    text_pieces,
    text_width,
    verdict_handles,
    wrap_text,
)
from qbresearch.exhibits.evaluation_tables import printed_code, verdict_word
from qbresearch.exhibits.style import MARKERS, PALETTE, verdict_words
from qbresearch.language import say

MAX_COLUMNS = 40
GRID_NAMES = 20.0  # Chinese characters of a line of a row's name
TWO_LINES = 0.27  # inches of a row that holds two lines of 8 points
PART_WIDTH = 1.18  # of a tile: the column with the names of the parts
# Light, dark and hatched stay apart in print without colour; the mark and the legend say the verdict in words.
TILES = {
    "met": {"facecolor": "#DCEBF6", "edgecolor": "#3A87C2", "ink": PALETTE["ink"]},
    "not_met": {"facecolor": "#B33A00", "edgecolor": "#7E2900", "ink": "white"},
    "undecided": {"facecolor": "#FFFFFF", "edgecolor": "#8C8C8C", "ink": PALETTE["ink"]},
    "": {"facecolor": "#FFFFFF", "edgecolor": "#D9DDE1", "ink": "#5A5A5A"},
}
VETO = "veto"
HATCH_INK = "#D2D6DA"


def part_head(ax: Axes, top: float, height: int, part: tuple, children: pd.DataFrame, wide: float) -> None:
    """Name of a part and how many of its items are met."""
    # What has no code is a rule beside the items (every school meets the standard) and is not counted with them.
    coded = children[children["code"].map(printed_code).ne("")]
    met, count = int(coded["verdict"].eq("met").sum()), len(coded)
    name = part.label if part.decides else say("{label}（不计入总体判定）", label=part.label)
    named = wrap_text(name, (wide * PART_WIDTH - 6) / 8.5)
    words = say("{n} 项中 {met} 项达标", n=count, met=met) if count else ""
    if part.code == VETO:  # recognition below its requirement is one of the grounds
        words = say("{n} 种情形中发生 {k} 种", n=len(children), k=int(children["verdict"].eq("not_met").sum())) if len(children) else ""
    tally = wrap_text(words, (wide * PART_WIDTH - 6) / 7.5) if words else ""
    # In points about the middle: name and tally stay together whatever the height of a row becomes.
    upper, lower = 11.5 * (named.count("\n") + 1), 10.5 * (tally.count("\n") + 1)
    settings = {"xy": (0, top + height / 2), "textcoords": "offset points", "ha": "left", "annotation_clip": False}
    ax.annotate(named, xytext=(0, (lower - upper) / 2 + 1), va="bottom", fontsize=8.5, fontweight="bold", **settings)
    ax.annotate(tally, xytext=(0, (lower - upper) / 2 - 2), va="top", fontsize=7.5, color="#4A4A4A", **settings)


def tile_frames(ax: Axes, tiles: Sequence[tuple[float, float, str]]) -> None:
    """Frames of all items with their marks, from left, top and verdict of each."""
    for verdict in TILES:
        if corners := [place[:2] for place in tiles if place[2] == verdict]:
            _frames(ax, verdict, np.array(corners))


def _frames(ax: Axes, verdict: str, corners: np.ndarray) -> None:
    look = TILES[verdict]
    hatched = verdict == "undecided"
    place, round_corners = (0.03, 0.05, 0.94, 0.9), BoxStyle("Round", pad=0, rounding_size=0.05)
    if hatched:  # a hatch has the colour of the edge, so the frame is drawn a second time
        for left, top in corners:
            box = FancyBboxPatch((left + place[0], top + place[1]), *place[2:], boxstyle=round_corners, facecolor="white",
                                 edgecolor=HATCH_INK, hatch="/////", linewidth=0)  # fmt: skip
            ax.add_patch(box)
    frame = round_corners(*place, 1.0)
    frames = PathCollection(
        [Path(frame.vertices + corner, frame.codes) for corner in corners], facecolors="none" if hatched else look["facecolor"],
        edgecolors=look["edgecolor"], linewidths=0.9, zorder=1,
    )  # fmt: skip
    frames.set_transform(ax.transData)
    ax.add_collection(frames, autolim=False)
    if verdict:
        ax.plot(*(corners + (0.12, 0.24)).T, marker=MARKERS[verdict], markersize=5.5, linestyle="none", zorder=3,
                color=look["ink"] if verdict == "not_met" else PALETTE[verdict], markeredgecolor="white",
                markeredgewidth=0.4)  # fmt: skip


def tile_words(ax: Axes, left: float, top: float, item: tuple, wide: float) -> None:
    """Code and short label of one item."""
    hatched, ink = item.verdict == "undecided", TILES[item.verdict]["ink"]
    back = {"boxstyle": "square,pad=0.12", "facecolor": "white", "edgecolor": "none"} if hatched else None
    code = printed_code(item.code)
    ax.text(left + 0.2, top + 0.25, code, ha="left", va="center", fontsize=7.5, fontweight="bold", color=ink, bbox=back, zorder=2)
    room = (wide - 9) / 7.2
    ax.text(left + 0.09, top + 0.66, two_lines(item.short, room), ha="left", va="center", fontsize=7.2, color=ink, linespacing=1.12, bbox=back,
            zorder=2)  # fmt: skip


def shortened(line: str, room: float) -> str:
    """A line with an ellipsis in the place of its end, where it is wider than there is room."""
    if text_width(line) <= room:
        return line
    while line and text_width(line) > room - 1:
        line = line[:-1]
    return line.rstrip() + "…"


def two_lines(label: str, room: float) -> str:
    """A label on at most two lines, its end cut off where it needs more."""
    first, *rest = wrap_text(label, room).split("\n")
    return "\n".join([first, shortened(" ".join(rest), room)]) if rest else first


def row_labels(labels: Sequence[str], height: float, room: float) -> list[str]:
    """Labels of rows that leave room for the drawing: two lines where rows of ``height`` inches have it, else one."""
    if height >= TWO_LINES:
        return [two_lines(label, room) for label in labels]
    return [literal_text(shortened(label, 1.2 * room)) for label in labels]


def verdict_grid(ax: Axes, verdicts: pd.DataFrame, height: float, *, own: bool) -> None:
    """Cells of verdicts with a mark and a shade each, rows ``height`` inches high: names at the left and on top."""
    rows, columns = verdicts.shape
    ax.grid(visible=False)
    for side in ax.spines.values():
        side.set_visible(False)
    kinds = list(TILES)
    colours = ListedColormap([TILES[kind]["facecolor"] for kind in kinds])
    codes = np.array([kinds.index(verdict) for verdict in verdicts.to_numpy(dtype=object).ravel()], dtype=float).reshape(rows, columns)
    edges = (np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5)
    ax.pcolormesh(*edges, codes, cmap=colours, vmin=-0.5, vmax=len(kinds) - 0.5, edgecolors="white", linewidth=1.0)
    for kind in kinds:
        row, column = np.nonzero(codes == kinds.index(kind))
        if kind and row.size:
            shade = "white" if kind == "not_met" else PALETTE[kind]
            ax.scatter(column, row, s=24 if rows <= 40 else 15, marker=MARKERS[kind], c=shade, linewidths=0.4,
                       edgecolors="white", zorder=3)  # fmt: skip
        if kind == "undecided":
            for x, y in zip(column, row, strict=True):
                ax.add_patch(Rectangle((x - 0.47, y - 0.47), 0.94, 0.94, facecolor="none", edgecolor=HATCH_INK, hatch="/////", linewidth=0))
        elif not kind and row.size:
            corners = np.array([(-0.47, -0.47), (0.47, -0.47), (0.47, 0.47), (-0.47, 0.47)])
            squares = np.column_stack([column, row])[:, None] + corners
            ax.add_collection(PolyCollection(squares, facecolors="none", edgecolors="#EDEFF1", linewidths=1.0, zorder=1), autolim=False)
    ax.set_xlim(-0.5, columns - 0.5)
    ax.set_ylim(rows - 0.5, -0.5)
    size = 8 if rows <= 40 else 7
    room = GRID_NAMES if height >= TWO_LINES else 1.2 * GRID_NAMES
    names = row_labels(list(map(str, verdicts.index)), height, GRID_NAMES)
    ax.set_yticks(np.arange(rows), names, fontsize=size)
    room = points_wide(ax) * (0.95 if own else 0.75) - min(max(map(text_width, verdicts.index)), room) * size - 36
    fits = float(np.clip(room / columns / 7.6 - 0.6, 2.4, 12.0))
    names = list(map(str, verdicts.columns))
    turned = max(text_width(piece) for name in names for piece in text_pieces(name)) > fits + 0.4  # a word is not broken
    headings = [two_lines(name, 11.0) if turned else wrap_text(name, fits) for name in names]
    ax.set_xticks(np.arange(columns), headings, fontsize=7.5 if columns <= 26 else 6.5, rotation=90 if turned else 0)
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("bottom")
    ax.tick_params(length=0)


def tile_handles(verdicts: pd.Series, *, vetoes: bool) -> list[Artist]:
    """Legend of the board; where vetoes stand on it, with their words."""
    handles = verdict_handles(verdicts)
    if vetoes:
        for handle, kind in zip(handles, [kind for kind in verdict_words() if verdicts.eq(kind).any()], strict=True):
            words = say("{word}（一票否决：{veto}）", word=verdict_words()[kind], veto=verdict_word(kind, VETO))
            handle.set_label(words)
    if verdicts.eq("").any():
        handles.append(Patch(facecolor="white", edgecolor=TILES[""]["edgecolor"], label=say("没有判定规则")))
    return handles


def grid_handles(verdicts: pd.DataFrame) -> list[Artist]:
    """Legend of :func:`verdict_grid`."""
    found = set(verdicts.to_numpy().ravel())
    handles: list[Artist] = [
        dot_handle(kind, word, markersize=7) for kind, word in verdict_words().items() if kind in found
    ]
    if "" in found:
        handles.append(Patch(facecolor="white", edgecolor="#C9CED3", label=say("不适用")))
    return handles
