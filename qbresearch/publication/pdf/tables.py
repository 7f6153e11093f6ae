"""What a table looks like on paper: widths of columns by their content, size of its type, and whether it may break."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from qbresearch.exhibits.blocks import TableBlock

CELL_PADDING = 3.0  # points on either side
FEET_LINE = 1.5  # pitch of the lines under a table, in units of its type size
FEET_GAP = 12.0  # points above them
MARK_WIDTH = 1.7  # em, of the mark of a row's tone
WHOLE_UP_TO = 0.38  # of a page's height: a table up to it is never broken
_SHORTEST_HEAD = 4.0  # em: a head up to it is not wrapped
_LONGEST_WORD = 14.0  # em: a longer one (a checksum) is broken
# Lines of a head and width at which texts may wrap, in em, the best first; within a group larger type counts more.
_WRAPPING = (((1, 14.0), (2, 14.0), (2, 10.0)), ((3, 10.0),), ((3, 8.0),), ((3, 5.0),))
_UNBREAKABLE = re.compile(r"[!-~]+")
_UNIT = re.compile(r"(.+?)([（(][^（）()]{1,8}[）)])")


@dataclass(frozen=True, slots=True)
class Sheet:
    """The text block of a page in points, and the type sizes its tables may have, the largest first.

    ``margins`` are top, bottom, left and right; ``line`` is the pitch of a table's lines in units of its type size,
    ``gap`` what stands above and below a row together.
    """

    page_width: float
    page_height: float
    margins: tuple[float, float, float, float]
    sizes: tuple[float, ...]
    line: float
    gap: float

    @property
    def width(self) -> float:
        """Width of the text block."""
        return self.page_width - self.margins[2] - self.margins[3]

    @property
    def height(self) -> float:
        """Height of the text block."""
        return self.page_height - self.margins[0] - self.margins[1]

    def turned(self) -> Sheet:
        """The same sheet on its side, margins turned with it."""
        top, bottom, left, right = self.margins
        return Sheet(self.page_height, self.page_width, (left, right, bottom, top), self.sizes, self.line, self.gap)


@dataclass(frozen=True, slots=True)
class TableLayout:
    """Type size, widths and inner right margins of the columns, all in points; ``whole`` tables stay on one page.

    ``leading`` parts the lines of a cell, ``gap`` stands above a row and again below it.
    """

    size: float
    leading: float
    gap: float
    widths: tuple[float, ...]
    insets: tuple[float, ...]
    whole: bool


def lay_out(block: TableBlock, sheet: Sheet) -> TableLayout:
    """Fit a table into the text block of a sheet, in the largest type that needs no unusual wrapping."""
    columns = [_Column.of(block, index) for index in range(len(block.columns))]
    frame = 2 * CELL_PADDING
    size, inner = _fit(columns, sheet.width - frame * len(columns), sheet.sizes)
    insets = tuple(max(0.0, (w - c.cells * size) / 2) if c.right else 0.0 for c, w in zip(columns, inner, strict=True))
    rows = [max(_lines(cell, w / size) for cell, w in zip(row, inner, strict=True)) for row in block.rows]
    head = max(_lines(c["label"], w / size) for c, w in zip(block.columns, inner, strict=True)) + bool(block.heads)
    tall = sum(lines * size * sheet.line + sheet.gap for lines in (head, *rows))
    widths = tuple(w + frame for w in inner)
    return TableLayout(size, size * (sheet.line - 1), sheet.gap / 2, widths, insets, tall <= WHOLE_UP_TO * sheet.height)


def feet_height(lines: Iterable[str], sheet: Sheet) -> float:
    """Room that the lines under a table need, in points, rather too much than too little."""
    size = sheet.sizes[0]
    return sum(_lines(line, sheet.width / size) for line in lines) * size * FEET_LINE + FEET_GAP


@dataclass(frozen=True, slots=True)
class _Column:
    """How wide a column has to be, in em: its longest cell, its longest word, its head and the group above it."""

    cells: float
    token: float
    label: str
    group: float
    right: bool

    @classmethod
    def of(cls, block: TableBlock, index: int) -> _Column:
        mark = MARK_WIDTH if block.tones and index == 0 else 0.0
        texts = [line for row in block.rows for line in row[index].split("\n")]
        return cls(
            cells=max((text_width(text) for text in texts), default=0.0) + mark,
            token=max((_token_width(text) for text in texts), default=0.0) + mark,
            label=block.columns[index]["label"],
            group=_group_width(block, index),
            right=block.columns[index].get("align") == "right",
        )

    def head(self, lines: int) -> float:
        """Width of the head on so many lines."""
        name, unit = split_unit(self.label)
        if lines == 1:
            return max(text_width(self.label), self.group)
        name_lines = lines - 1 if unit else lines
        wrapped = math.ceil(text_width(name) / name_lines)
        least = text_width(name) if text_width(name) <= _SHORTEST_HEAD else wrapped
        return max(_token_width(name), text_width(unit), least, self.group / lines)

    def floor(self, lines: int, longest: float) -> float:
        """The least width with the head on so many lines and texts wrapped at ``longest``."""
        return max(self.head(lines), min(self.token, _LONGEST_WORD), min(self.cells, longest))

    def target(self, lines: int) -> float:
        """The width at which nothing but the head is wrapped."""
        return max(self.head(lines), self.cells)


def _group_width(block: TableBlock, index: int) -> float:
    """A column's share of the heading above it."""
    end = 0
    for label, span in block.heads:
        end += span
        if index < end:
            return text_width(label) / span
    return 0.0


def _fit(columns: Sequence[_Column], room: float, sizes: Sequence[float]) -> tuple[float, list[float]]:
    """Type size and widths of the columns in points."""
    for measures in _WRAPPING:
        for size in sizes:
            for lines, longest in measures:
                floors = [column.floor(lines, longest) * size for column in columns]
                if sum(floors) <= room:
                    return size, _share([column.target(lines) * size for column in columns], floors, room)
    least = [max(column.floor(_WRAPPING[-1][-1][0], 0.0), 1.0) * sizes[-1] for column in columns]
    return sizes[-1], [width * room / sum(least) for width in least]


def _share(targets: Sequence[float], floors: Sequence[float], room: float) -> list[float]:
    """Targets in proportion, so that long texts get as many lines in one column as in another, none below its floor."""
    low, high = 0.0, room / max(sum(targets), 1.0) + 1.0
    for _ in range(40):
        scale = (low + high) / 2
        if sum(max(floor, target * scale) for target, floor in zip(targets, floors, strict=True)) > room:
            high = scale
        else:
            low = scale
    return [max(floor, target * low) for target, floor in zip(targets, floors, strict=True)]


def _lines(text: str, width: float) -> int:
    return sum(max(1, math.ceil(text_width(line) / max(width, 1.0) - 0.02)) for line in text.split("\n"))


def split_unit(label: str) -> tuple[str, str]:
    """A column's label and its unit in brackets, which is not broken over lines; the unit is empty if there is none."""
    match = _UNIT.fullmatch(label)
    return (match[1], match[2]) if match else (label, "")


@lru_cache(maxsize=4096)
def text_width(text: str) -> float:
    """About how wide a text is, in em, as the package's fonts draw it."""
    return sum(map(_character_width, text))


def _token_width(text: str) -> float:
    return max((text_width(token) for token in _UNBREAKABLE.findall(text)), default=1.0 if text else 0.0)


@lru_cache(maxsize=4096)
def _character_width(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WFA":
        return 1.0
    if character.isupper() or character in "%@&<>=+−":
        return 0.68
    return 0.3 if character in " .,:;'()|!/-" else 0.52
