"""The tree of an evaluation in a terminal: lines, marks, codes and labels, then value, requirement and margin."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import pandas as pd

from qbresearch.exhibits.evaluation_tables import (
    INDENT,
    TREE,
    VETO_CODE,
    basis_words,
    limit_words,
    needed_columns,
    row_label,
    row_margin,
    value_words,
    verdict_word,
)
from qbresearch.exhibits.style import verdict_words
from qbresearch.exhibits.tables import ABSENT
from qbresearch.language import say

MARKS = {"met": "✓", "not_met": "×", "undecided": "？", "": "–"}
LABEL_CELLS = 56  # columns of a terminal that a label may take with what stands before it
OFFICIAL = ("law", "copy", "")
VETO = "veto"


def text_tree(frame: pd.DataFrame) -> str:
    """The tree of verdicts for a terminal: lines, marks, codes and labels, then value, requirement and margin.

    Parameters
    ----------
    frame : DataFrame
        As for :func:`tree_table`; rows from the top down.

    Returns
    -------
    str
        One line a node and one line that explains the marks. Behind a label stands the status of what it rests on,
        where that is no official document. Labels longer than there is room are shortened with
        ``…``. Full-width characters count as two columns. An empty frame gives 无.
    """
    needed = needed_columns(frame, TREE, "评估结果")
    if needed.empty:
        return say("无")
    rows = list(needed.itertuples())
    stems = _stems([int(row.depth) for row in rows])
    left = [_fit(f"{stem}{_mark(row.verdict)} {_named(row)}", _flag(row)) for stem, row in zip(stems, rows, strict=True)]
    cells = [
        (first, _actual(row), limit_words(row.limit, row.comparison, row.unit, row.percent), row_margin(row))
        for first, row in zip(left, rows, strict=True)
    ]  # fmt: skip
    # A reason may be long; columns of numbers are aligned by numbers alone, and what is longer runs on.
    short = [[cell for cell, row in zip(column, rows, strict=True) if not row.reason] for column in zip(*cells, strict=True)]
    widths = [max(map(cell_width, left)), *(max(map(cell_width, column), default=0) for column in short[1:])]
    lines = [_line(row_cells, widths) for row_cells in cells]
    found = {row.verdict for row in rows}
    words = verdict_words() | {"": say("没有判定规则")}
    if any(VETO_CODE.match(row.code) for row in rows):
        words = {v: say("{word}（一票否决：{veto}）", word=w, veto=verdict_word(v, VETO)) if v else w for v, w in words.items()}
    legend = INDENT.join(f"{mark} {words[verdict]}" for verdict, mark in MARKS.items() if verdict in found)
    return "\n".join([*lines, "", legend])


def _actual(row: Any) -> str:
    """The value; the reason where there is none, and beside it where something is to be explained."""
    if pd.isna(row.value):
        return row.reason or ABSENT
    words = value_words(row.value, row.unit, row.percent, limit=row.limit)
    if row.reason and row.verdict in ("not_met", "undecided"):
        return say("{word}（{detail}）", word=words, detail=row.reason)
    return words


def cell_width(shown: str) -> int:
    """Columns that a text takes in a terminal."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in shown)


def _mark(verdict: str) -> str:
    mark = MARKS.get(verdict, MARKS[""])
    return mark + " " * (2 - cell_width(mark))


def _named(row: Any) -> str:
    named = row.code if row.code[:1].isupper() else ""
    return f"{named} {row_label(row)}".strip()


def _flag(row: Any) -> str:
    """The status of what a node rests on, where it is weaker than an official document."""
    return "" if row.status in OFFICIAL else say("〔{status}〕", status=basis_words().get(row.status, row.status))


def _fit(shown: str, flag: str) -> str:
    room = LABEL_CELLS - cell_width(flag)
    if cell_width(shown) <= room:
        return shown + flag
    while cell_width(shown) > room - 1:
        shown = shown[:-1]
    return shown + "…" + flag


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = cells
    parts = [first + " " * (widths[0] - cell_width(first))]
    parts += [" " * (width - cell_width(cell)) + cell for cell, width in zip(rest, widths[1:], strict=True)]
    while parts[-1].strip() in ("", ABSENT):
        parts.pop()
    return "  ".join(parts).rstrip()


def _stems(depths: Sequence[int]) -> list[str]:
    """What stands before each node: lines to its parent and past the parents that have more children below."""
    stems, least = [], min(depths)
    for place, depth in enumerate(depths):
        more = [_continues(depths, place, level) for level in range(least + 1, depth + 1)]
        stems.append("".join("│  " if m else "   " for m in more[:-1]) + (("├─ " if more[-1] else "└─ ") if more else ""))
    return stems


def _continues(depths: Sequence[int], place: int, level: int) -> bool:
    """Whether a later node of this level has the same parent as the one the row belongs to."""
    for depth in depths[place + 1 :]:
        if depth < level:
            return False
        if depth == level:
            return True
    return False
