"""Tables of a report as three-line tables of a Word file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from qbresearch.exhibits.blocks import TableBlock
from qbresearch.language import say
from qbresearch.publication.docx.markup import escaped, run
from qbresearch.publication.docx.styles import CELL_MARGIN, TONE_STYLES, border
from qbresearch.publication.wording import TONE_MARKS
from qbresearch.rules.layouts import Layout

SHORT_ROWS = 14
_NARROWEST, _SHORT_TEXT, _ROW_NAME = 3.0, 4.0, 10.0  # characters; names of rows are kept whole up to the last
_LONGEST_WORD = 14.0  # a longer one, such as an address, is broken
_HALF = 0.52
_UNIT = re.compile(r"(?<=.)(?=（[^（）]{1,8}）$)")
_PIECES = re.compile(r"[^\s\u2e80-\uffef]+|[\u2e80-\uffef]")
_MARK_WIDTH = 1.4  # characters that a verdict's mark takes before the first cell of a row


def table_xml(block: TableBlock, layout: Layout, width: int, *, followed: bool) -> str:
    """A table block as one table of a given width.

    Parameters
    ----------
    block : TableBlock
    layout : Layout
    width : int
        Of the type area, in twentieths of a point.
    followed : bool
        Whether notes follow that belong on the same page.
    """
    marked = bool(block.tones)
    style, size = "TableCell", layout.styles["cell"].size
    columns = column_widths(block, size, width, marked)
    if columns is None:
        style, size = "TableCellSmall", layout.styles["cell_small"].size
        columns = column_widths(block, size, width, marked) or _shrunk(block, size, width, marked)
    writer = _TableWriter(block, columns, style, size, layout.measures["rule_thin"])
    return frame("ThreeLineTable", columns, "".join(writer.rows(followed)), caption=block.caption, heads=True)


def frame(style: str, columns: Sequence[int], rows: str, *, caption: str = "", heads: bool) -> str:
    """A table of fixed column widths around its rows."""
    look = (
        f'<w:tblLook w:val="{"0620" if heads else "0600"}" w:firstRow="{int(heads)}" w:lastRow="0" w:firstColumn="0" '
        'w:lastColumn="0" w:noHBand="1" w:noVBand="1"/>'
    )
    grid = "".join(f'<w:gridCol w:w="{width}"/>' for width in columns)
    return (
        f'<w:tbl><w:tblPr><w:tblStyle w:val="{style}"/><w:tblW w:w="{sum(columns)}" w:type="dxa"/>'
        f'<w:jc w:val="center"/><w:tblLayout w:type="fixed"/>{look}'
        + (f'<w:tblCaption w:val="{escaped(caption)}"/>' if caption else "")
        + f"</w:tblPr><w:tblGrid>{grid}</w:tblGrid>{rows}</w:tbl>"
    )


class _TableWriter:
    def __init__(self, block: TableBlock, columns: Sequence[int], style: str, size: float, thin: float) -> None:
        self.block, self.columns, self.style, self.thin = block, columns, style, thin
        self.mark = round(_MARK_WIDTH * size * 20)
        self.room = [(width - 2 * CELL_MARGIN) / (size * 20) for width in columns]
        self.aligns = [column.get("align", "left") for column in block.columns]

    def rows(self, followed: bool) -> list[str]:
        """Head rows, which repeat on every page, and rows that never break across pages."""
        rows = self._heads()
        if not self.block.rows:
            cell = self._cell(say("（无）"), 0, span=len(self.columns), align="center", keep=followed)
            return [*rows, _row(cell)]
        last = len(self.block.rows) - 1
        short = last < SHORT_ROWS
        begins = [
            f'<w:tc><w:tcPr><w:tcW w:w="{w}" w:type="dxa"/></w:tcPr><w:p><w:pPr><w:pStyle w:val="{self.style}"/>'
            for w in self.columns
        ]
        ends = [self._justified(align) + "</w:pPr>" for align in self.aligns]
        plain = list(zip(begins, ends, strict=True))
        for number, texts in enumerate(self.block.rows):
            # Short tables stay on one page; long ones keep their first rows with the head, their last with the notes.
            keep = followed if number == last else short or number == 0 or (followed and number == last - 1)
            held = "<w:keepNext/>" if keep else ""
            tone = self.block.tones[number] if self.block.tones else ""
            cells = [
                f"{begin}{held}{end}{run(text)}</w:p></w:tc>" for (begin, end), text in zip(plain, texts, strict=True)
            ]
            if self.block.tones:
                begin, end = plain[0]
                indent = (
                    f'<w:tabs><w:tab w:val="left" w:pos="{self.mark}"/></w:tabs>',
                    f'<w:ind w:left="{self.mark}" w:hanging="{self.mark}"/>',
                )
                cells[0] = f"{begin}{held}{indent[0]}{indent[1]}{end}{_mark(tone)}{run(texts[0])}</w:p></w:tc>"
            rows.append(_row("".join(cells)))
        return rows

    def _heads(self) -> list[str]:
        labels = [column["label"] for column in self.block.columns]
        if not self.block.heads:
            return [_row("".join(self._head(label, i) for i, label in enumerate(labels)), head=True)]
        upper, lower, column = [], [], 0
        for label, span in self.block.heads:
            if label:
                upper.append(self._cell(label, column, span=span, align="center", keep=True, rule=self.thin / 1.5))
                lower += [self._head(labels[i], i, rule=self.thin) for i in range(column, column + span)]
            else:
                for i in range(column, column + span):
                    upper.append(self._head(labels[i], i, merge='<w:vMerge w:val="restart"/>', rule=self.thin))
                    lower.append(self._cell("", i, keep=True, merge="<w:vMerge/>", rule=self.thin))
            column += span
        return [_row("".join(upper), head=True), _row("".join(lower), head=True)]

    def _head(self, label: str, column: int, *, merge: str = "", rule: float = 0) -> str:
        # A unit in brackets goes to a line of its own where the label has to wrap at all.
        if text_width(label) > self.room[column]:
            label = _UNIT.sub("\n", label)
        return self._cell(label, column, align=self.aligns[column], keep=True, merge=merge, rule=rule)

    def _cell(
        self,
        text: str,
        column: int,
        *,
        span: int = 1,
        align: str = "left",
        keep: bool = False,
        merge: str = "",
        rule: float = 0,
    ) -> str:
        width = sum(self.columns[column : column + span])
        return (
            f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/>'
            + (f'<w:gridSpan w:val="{span}"/>' if span > 1 else "")
            + merge
            + (f"<w:tcBorders>{border('bottom', rule)}</w:tcBorders>" if rule else "")
            + ('<w:vAlign w:val="center"/>' if keep else "")
            + f'</w:tcPr><w:p><w:pPr><w:pStyle w:val="{self.style}"/>'
            + ("<w:keepNext/>" if keep else "")
            + self._justified(align)
            + f"</w:pPr>{run(text) if text else ''}</w:p></w:tc>"
        )

    @staticmethod
    def _justified(align: str) -> str:
        return "" if align == "left" else f'<w:jc w:val="{align}"/>'


def grid_row(contents: Sequence[str], columns: Sequence[int], *, head: bool = False) -> str:
    """A row of cells whose contents are runs; rows keep with the ones that follow."""
    cells = "".join(
        f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/><w:vAlign w:val="center"/></w:tcPr>'
        f'<w:p><w:pPr><w:pStyle w:val="TableCell"/><w:keepNext/></w:pPr>{content}</w:p></w:tc>'
        for content, width in zip(contents, columns, strict=True)
    )
    return _row(cells, head=head)


def _row(cells: str, *, head: bool = False) -> str:
    return f"<w:tr><w:trPr><w:cantSplit/>{'<w:tblHeader/>' if head else ''}</w:trPr>{cells}</w:tr>"


def _mark(tone: str) -> str:
    shown = run(TONE_MARKS[tone], TONE_STYLES[tone]) if tone in TONE_MARKS else ""
    return f"{shown}<w:r><w:tab/></w:r>"


# widths


@lru_cache(maxsize=8192)
def text_width(text: str) -> float:
    """Characters a text takes when a Latin one counts a half; Word sets Chinese and Latin a quarter apart."""
    if text.isascii():
        return _HALF * len(text)
    wide = [unicodedata.east_asian_width(char) in "WFA" for char in text]
    return _HALF * len(wide) + (1 - _HALF) * sum(wide) + 0.25 * sum(a != b for a, b in pairwise(wide))


def column_widths(block: TableBlock, size: float, total: int, marked: bool) -> list[int] | None:
    """Widths that fill the total, by content; ``None`` where not every column can hold what must not be cut.

    Numbers stay on one line; labels and long texts give way first, the longest most.
    """
    wanted, least, weights = _needs(block, marked)
    to_twips = size * 20
    room = (total - 2 * CELL_MARGIN * len(wanted)) / to_twips
    if sum(least) > room:
        return None
    if sum(wanted) <= room:
        share = (room - sum(wanted)) / len(wanted)
        widths = [want + share for want in wanted]
    else:
        widths = _levelled(wanted, least, weights, room)
    return _whole([width * to_twips + 2 * CELL_MARGIN for width in widths], total)


def _needs(block: TableBlock, marked: bool) -> tuple[list[float], list[float], list[float]]:
    """What each column would like to have, the least it can do with, and how much text it has, in characters."""
    wanted, least, weights = [], [], []
    for index, column in enumerate(block.columns):
        texts = [row[index] for row in block.rows]
        mark = _MARK_WIDTH if marked and index == 0 else 0.0
        lengths = list(map(text_width, texts)) or [0.0]
        widest = max(lengths) + mark
        name, *unit = _UNIT.split(column["label"])
        head = max(map(text_width, (*_pieces(name), *unit)), default=0.0)
        if column.get("align", "left") != "left":  # numbers and verdicts are read at a glance, or not at all
            kept = min(widest, _LONGEST_WORD)
        else:
            kept = min(widest, (_ROW_NAME if index == 0 else _SHORT_TEXT) + mark)
            if widest > kept:
                words = (text_width(word) + mark for text in set(texts) for word in _pieces(text))
                kept = max(kept, min(max(words), _LONGEST_WORD))
        least.append(max(kept, head, _NARROWEST) + 0.2)
        halved = max(widest, 4.0, *map(text_width, (name, *unit)))
        wanted.append(max(widest, min(text_width(column["label"]), halved), least[-1]) + 0.3)
        weights.append((widest + sum(lengths) / len(lengths)) / 2)
    return wanted, least, weights


def _pieces(text: str) -> list[str]:
    """What a line break never cuts: a Latin word or number, a Chinese character."""
    return _PIECES.findall(text)


def _levelled(wanted: Sequence[float], least: Sequence[float], weights: Sequence[float], room: float) -> list[float]:
    """Widths that add up to the room: each column gets of it what it has of text, so that cells are about as high."""

    def cut(level: float) -> list[float]:
        needs = zip(wanted, least, weights, strict=True)
        return [max(low, min(want, level * weight)) for want, low, weight in needs]

    low, high = 0.0, max(want / weight for want, weight in zip(wanted, weights, strict=True) if weight)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if sum(cut(middle)) > room else (middle, high)
    return cut(low)


def _shrunk(block: TableBlock, size: float, total: int, marked: bool) -> list[int]:
    """Widths in proportion to the least needs, for a table that no size of type would fit."""
    least = _needs(block, marked)[1]
    return _whole([width * total / sum(least) for width in least], total)


def _whole(widths: Sequence[float], total: int) -> list[int]:
    """Whole widths that add up to the total."""
    edges = [0.0]
    for width in widths:
        edges.append(edges[-1] + width)
    return [round(b * total / edges[-1]) - round(a * total / edges[-1]) for a, b in pairwise(edges)]
