"""A document becomes one HTML file.

It is complete in itself: styles and pictures are inside the file, a content policy forbids every request, and every
text is escaped.
"""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from qbresearch.exhibits.blocks import FigureBlock, TableBlock
from qbresearch.language import CHINESE, listed, say, speaking
from qbresearch.publication.formulas import parse_formula, to_mathml
from qbresearch.publication.model import (
    Break,
    Citation,
    Document,
    Equation,
    Exhibit,
    Finding,
    FormulaWords,
    Heading,
    Item,
    ItemList,
    Line,
    Link,
    Note,
    Paragraph,
    Quotation,
    Reference,
    Text,
    Verbatim,
    Words,
    every_item,
    latin_width,
    notes_in,
    plain_text,
)
from qbresearch.publication.wording import (
    TONE_MARKS,
    entries_words,
    largest_words,
    note_lead,
    schools_words,
    source_line,
    stage_heading,
    tone_word,
)

TEMPLATES = Path(__file__).parent / "templates"
SHORT_ROWS = 14
MANY_COLUMNS = 7
_WRAP_WIDTH, _KEEP_WIDTH = 26, 10


def write_html(document: Document) -> bytes:
    """One report as a self-contained HTML page in UTF-8; the same document gives the same bytes.

    Parameters
    ----------
    document : Document
        See :func:`qbresearch.publication.document.build_document`.
    """
    with speaking(document.language):
        page = page_environment().get_template("report.html.j2").render(
            doc=document,
            lang="zh-CN" if document.language == CHINESE else document.language,
            running_head=_css_text(document.title),
            sheet_mark=_css_text(say("模拟数据")),
            notes=_notes(document),
        )
    return page.encode("utf-8")


@cache
def page_environment() -> jinja2.Environment:
    """The engine of all pages, escaping every text."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"line": _line, "plain": plain_text, "item": _item, "picture": _picture, "head": _head_label}
    environment.filters |= {"cells": _column_classes}
    environment.tests |= {
        "table": lambda item: isinstance(getattr(item, "block", None), TableBlock),
        "figure": lambda item: isinstance(getattr(item, "block", None), FigureBlock),
        "finding": lambda item: isinstance(item, Finding),
        "heading": lambda item: isinstance(item, Heading),
    }
    environment.globals |= {
        "css": Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        "say": say,
        "listed": listed,
        "tone_word": tone_word,
        "marks": TONE_MARKS,
        "short_rows": SHORT_ROWS,
        "many_columns": MANY_COLUMNS,
        "head_rows": head_rows,
        "schools_words": schools_words,
        "stage_heading": stage_heading,
        "entries_words": entries_words,
        "largest_words": largest_words,
        "note_lead": note_lead,
        "source_line": source_line,
    }
    return environment


# words


def _line(words: Line) -> Markup:
    return Markup("").join(_word(word) for word in words)


def _word(word: Words) -> Markup:
    match word:
        case Text():
            shown = escape(word.text)
            for wanted, tag in ((word.code, "code"), (word.emphasis, "em"), (word.strong, "strong")):
                shown = Markup(f"<{tag}>{shown}</{tag}>") if wanted else shown
            return shown
        case Link():
            return Markup('<a href="{}" rel="noreferrer">{}</a>').format(word.address, word.text)
        case Reference():
            return Markup('<a href="#{}">{}</a>').format(word.anchor, word.label)
        case Citation():
            return Markup('<sup class="cite"><a href="#{}">{}</a></sup>').format(word.anchor, word.label)
        case FormulaWords():
            return _formula(word.tex, display=False)
        case Note():
            mark = '<sup class="cite"><a id="note-{0}-call" href="#note-{0}" aria-label="{1}">{0}</a></sup>'
            return Markup(mark).format(word.number, say("注 {number}", number=word.number))
        case Break():
            return Markup("<br>")


def _formula(tex: str, *, display: bool) -> Markup:
    return Markup(to_mathml(parse_formula(tex, display=display, where=tex)))


def _notes(document: Document) -> list[Note]:
    """The notes of a report in their order; those of an exhibit's own lines included."""
    items = itertools.chain.from_iterable(every_item(section.items) for section in document.sections)
    return [note for item in items for line in _lines_of(item) for note in notes_in(line)]


def _lines_of(item: Item) -> Iterable[Line]:
    match item:
        case Paragraph() | Finding() | Heading():
            return (item.words,)
        case Exhibit():
            return item.notes
    return ()


# items


def _item(item: Item) -> Markup:
    """An item that is neither heading, exhibit nor finding: the template lays those out."""
    match item:
        case Paragraph():
            return Markup("<p>{}</p>\n").format(_line(item.words))
        case ItemList():
            tag = "ol" if item.ordered else "ul"
            start = Markup(' start="{}"').format(item.start) if item.ordered and item.start != 1 else ""
            entries = Markup("").join(Markup("<li>{}</li>\n").format(_entry(entry)) for entry in item.entries)
            return Markup(f"<{tag}{start}>\n{entries}</{tag}>\n")
        case Quotation():
            return Markup("<blockquote>\n{}</blockquote>\n").format(Markup("").join(map(_item, item.items)))
        case Verbatim():
            return Markup("<pre><code>{}</code></pre>\n").format(item.text)
        case Equation():
            # A wide formula scrolls on a phone, so the keyboard has to reach it.
            framed = Markup('<div class="formula"{} role="group" aria-label="{}" tabindex="0">{}{}</div>\n')
            anchor = Markup(' id="{}"').format(item.anchor) if item.number else ""
            number = Markup('<span class="no">{}</span>').format(say("（{number}）", number=item.number)) if item.number else ""
            return framed.format(anchor, item.alt, _formula(item.tex, display=True), number)
    raise TypeError(type(item).__name__)


def _entry(items: tuple[Item, ...]) -> Markup:
    """An entry of a list: its first paragraph stands without a box of its own."""
    if not items:
        return Markup()
    first, *rest = items
    start = _line(first.words) if isinstance(first, Paragraph) else _item(first)
    return Markup("").join([start, *map(_item, rest)])


def _picture(block: FigureBlock) -> Markup:
    return Markup("data:image/png;base64," + base64.b64encode(block.png).decode("ascii"))


def head_rows(block: TableBlock) -> list[list[tuple[str, int, int, int]]]:
    """The rows of a table's head: label, columns and rows it spans, and its first column.

    A column without a group above it reaches through both rows.
    """
    columns = [(column["label"], 1, 1, index) for index, column in enumerate(block.columns)]
    if not block.heads:
        return [columns]
    starts = itertools.accumulate((span for _, span in block.heads), initial=0)
    upper: list[tuple[str, int, int, int]] = []
    lower: list[tuple[str, int, int, int]] = []
    for (label, span), start in zip(block.heads, starts, strict=False):
        below = columns[start : start + span]
        if label:
            upper.append((label, span, 1, start))
            lower += below
        else:
            upper += [(name, 1, 2, index) for name, _, _, index in below]
    return [upper, lower]


def _column_classes(block: TableBlock) -> list[str]:
    """Class of each column: its alignment, ``w`` where texts wrap, ``m`` where they wrap on paper only."""
    classes = []
    for index, column in enumerate(block.columns):
        widest = max((latin_width(row[index]) for row in block.rows), default=0)
        size = " w" if widest > _WRAP_WIDTH else " m" if widest > _KEEP_WIDTH else ""
        classes.append(column.get("align", "left")[0] + size)
    return classes


def _head_label(label: str) -> Markup:
    """A column's label whose unit in brackets stays in one piece when the label wraps."""
    match = re.fullmatch(r"(.+?)(（[^（）]{1,8}）)", label)
    return Markup('{}<span class="u">{}</span>').format(*match.groups()) if match else Markup("{}").format(label)


def _css_text(text: str) -> Markup:
    """A text as a quoted CSS string in which nothing can end the string or the style element."""
    return Markup('"' + "".join(c if c.isalnum() else f"\\{ord(c):x} " for c in text) + '"')
