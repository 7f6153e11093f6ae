"""What a report consists of once every number, reference, citation and note is resolved.

A document holds texts, not markup: turning it into a file is the work of the writers (HTML, Word, PDF), which walk the
same items in the same order and decide nothing but how they look.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from qbresearch.exhibits.blocks import (
    FigureBlock,
    OpeningBlock,
    RecordBlock,
    TableBlock,
)

WIDE_COLUMNS = 9  # no more than these need ever more than an upright page
_UPRIGHT_WIDTH, _WRAPPED_WIDTH, _GAP = 100, 24, 2  # in Latin characters of a table's small print
_HEAD_LINES = 3
EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)  # the first date that all three formats can hold
STAGE_ORDER = {"primary": 0, "junior": 1}

# --- words ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Text:
    """A run of characters that look alike."""

    text: str
    strong: bool = False
    emphasis: bool = False
    code: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """Words that lead to an address outside the report."""

    address: str
    text: str


@dataclass(frozen=True, slots=True)
class Reference:
    """A resolved cross reference: what it reads (``表1``) and where it leads."""

    label: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Citation:
    """A resolved citation: what it reads (``[1]``, set as a superscript) and the first entry it leads to."""

    label: str
    anchor: str


@dataclass(frozen=True, slots=True)
class FormulaWords:
    """A formula within a line, in LaTeX."""

    tex: str


@dataclass(frozen=True, slots=True)
class Note:
    """A note at the foot of the page; ``number`` counts through the report."""

    number: int
    words: tuple[Words, ...]


@dataclass(frozen=True, slots=True)
class Break:
    """A line that ends although the paragraph goes on."""


Words = Text | Link | Reference | Citation | FormulaWords | Note | Break
Line = tuple[Words, ...]

# --- items ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Heading:
    """A numbered heading below a section; ``depth`` counts from 1."""

    number: str
    words: Line
    depth: int
    anchor: str

    @property
    def text(self) -> str:
        """The heading's words without its number."""
        return plain_text(self.words)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    words: Line


@dataclass(frozen=True, slots=True)
class ItemList:
    """A list; every entry holds items of its own. ``start`` is the first number of an ordered one."""

    entries: tuple[tuple[Item, ...], ...]
    ordered: bool = False
    start: int = 1


@dataclass(frozen=True, slots=True)
class Quotation:
    """Items set off as somebody else's words."""

    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Lines shown as they are."""

    text: str


@dataclass(frozen=True, slots=True)
class Equation:
    """A formula on a line of its own; ``number`` is empty where nothing refers to it, ``alt`` says it in words."""

    number: str
    anchor: str
    tex: str
    alt: str


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A numbered table or figure: ``word`` and ``number`` make its label (``表``, ``1``)."""

    word: str
    number: str
    anchor: str
    block: TableBlock | FigureBlock
    notes: tuple[Line, ...] = ()

    @property
    def label(self) -> str:
        """What cross references read."""
        return f"{self.word}{self.number}"

    @property
    def wide(self) -> bool:
        """Whether the table needs a landscape page on paper: many columns that together are wider than an upright one."""
        if not isinstance(self.block, TableBlock) or len(self.block.columns) <= WIDE_COLUMNS:
            return False
        needed = 0
        for index, column in enumerate(self.block.columns):
            cells = max((latin_width(row[index]) for row in self.block.rows), default=0)
            needed += max(min(cells, _WRAPPED_WIDTH), latin_width(column["label"]) / _HEAD_LINES) + _GAP
        return needed > _UPRIGHT_WIDTH


@dataclass(frozen=True, slots=True)
class Finding:
    """Sentences generated from results, with their tone; ``key`` ones also stand in the abstract."""

    words: Line
    tone: str
    key: bool


Item = Heading | Paragraph | ItemList | Quotation | Verbatim | Equation | Exhibit | Finding

# --- the whole --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Section:
    """One notebook of the report, or a part of the only one; ``refusal`` says why it has no content, if it has none."""

    number: str
    anchor: str
    title: str
    job: Mapping[str, Any]
    items: tuple[Item, ...] = ()
    opening: OpeningBlock | None = None
    records: tuple[RecordBlock, ...] = ()
    refusal: str = ""

    @property
    def begins(self) -> bool:
        """Whether a notebook begins here; the further parts of one have neither opening nor refusal."""
        return self.opening is not None or bool(self.refusal)

    @property
    def heading(self) -> str:
        """Number and title (``一、资源配置``, ``1 Resources``)."""
        return f"{self.number}{' ' if self.number.isascii() else '、'}{self.title}"


@dataclass(frozen=True, slots=True)
class Work:
    """An entry of the list of references as it is printed behind its number."""

    number: int
    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class Appendix:
    """What a referee needs to make the report again."""

    title: str
    items: tuple[Item, ...]
    anchor: str = "appendix"


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report, ready to be written in any format.

    ``cover`` are label-value pairs of the title page (``authors`` stand above them), ``made`` is
    when the last of its notebooks was run; ``works`` is empty where nothing is cited; ``language`` is the
    one every text is in; ``plan`` is what the plan is called beside which the county stands, if there is one.
    """

    kind: str
    language: str
    title: str
    topic: str
    subtitle: str
    cover: tuple[tuple[str, str], ...]
    keywords: tuple[str, ...]
    run_id: str
    county_code: str
    county_name: str
    school_year: str
    source_id: str
    sections: tuple[Section, ...]
    stages: tuple[Mapping[str, Any], ...]
    works: tuple[Work, ...]
    appendix: Appendix
    authors: tuple[str, ...] = ()
    made: datetime = EARLIEST
    plan: str = ""

    @property
    def title_lines(self) -> tuple[str, ...]:
        """The title as a title page sets it: the topic, which all reports of a kind share, has a line of its own."""
        if not self.topic:
            return (self.title,)
        before, topic, after = self.title.partition(self.topic)
        return tuple(filter(None, (before.rstrip(), topic, after.lstrip(": "))))

    @property
    def simulated(self) -> bool:
        """Whether any section rests on simulated data."""
        return any(section.opening is not None and section.opening.simulated for section in self.sections)

    @property
    def cautions(self) -> tuple[str, ...]:
        """What a reader must know first, each sentence once, in the order of the sections."""
        return tuple(dict.fromkeys(c for s in self.sections if s.opening is not None for c in s.opening.cautions))

    @property
    def summary(self) -> tuple[Finding, ...]:
        """The key findings, each once: stage by stage, verdicts (the later notebook) before what they rest on."""
        notebooks: dict[str, list[Section]] = {}
        for section in self.sections:
            notebooks.setdefault(str(section.job["name"]), []).append(section)
        latest = [section for sections in reversed(notebooks.values()) for section in sections]
        ordered = sorted(latest, key=lambda section: section_order(section.job)[1:3])
        items = (item for section in ordered for item in section.items)
        return tuple(dict.fromkeys(item for item in items if isinstance(item, Finding) and item.key))

    @property
    def missing(self) -> tuple[Section, ...]:
        """Sections that could not be made."""
        return tuple(section for section in self.sections if section.refusal)


def section_order(job: Mapping[str, Any]) -> tuple[str, int, str, str]:
    """Sort key of a job in its report: notebook, then primary before junior before other stages, then name."""
    stage = str(job["parameters"].get("stage", ""))
    return str(job["notebook"]), STAGE_ORDER.get(stage, len(STAGE_ORDER)), stage, str(job["name"])


def latin_width(text: str) -> int:
    """Latin characters a text is as wide as, a Chinese one counting two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WFA" else 1 for char in text)


def plain_text(words: Iterable[Words]) -> str:
    """The characters of a line without its looks; a note's own words stay out."""
    parts = []
    for word in words:
        match word:
            case Text() | Link():
                parts.append(word.text)
            case Reference() | Citation():
                parts.append(word.label)
            case FormulaWords():
                parts.append(word.tex)
    return "".join(parts)


def notes_in(words: Iterable[Words]) -> Iterator[Note]:
    """The notes a line calls."""
    return (word for word in words if isinstance(word, Note))


def every_item(items: Iterable[Item]) -> Iterator[Item]:
    """All items in order, those inside lists and quotations too."""
    for item in items:
        yield item
        if isinstance(item, ItemList):
            for entry in item.entries:
                yield from every_item(entry)
        elif isinstance(item, Quotation):
            yield from every_item(item.items)


def texts_of(document: Document) -> Iterator[tuple[str, str]]:
    """Every text of a report with the place it stands at, in Chinese, as an error message names it."""
    yield "题名", document.title
    yield "副题名", document.subtitle
    yield from (("封面", author) for author in document.authors)
    yield from (("封面", text) for pair in document.cover for text in pair)
    yield from (("关键词", word) for word in document.keywords)
    for stage in document.stages:
        named = ("stage", "stage_label", "row", "counter", "largest_cv_label")
        yield from (("总体结论", str(stage[name])) for name in named if stage[name])
    yield from (("阅读须知", caution) for caution in document.cautions)
    for section in document.sections:
        place = f"第{section.number}部分“{section.title}”"
        yield place, section.title
        yield place, section.refusal
        yield from _texts_of_items(section.items, place)
    yield from (("参考文献", work.text) for work in document.works)
    yield "附录", document.appendix.title
    yield from _texts_of_items(document.appendix.items, "附录")


def _texts_of_items(items: Iterable[Item], place: str) -> Iterator[tuple[str, str]]:
    for item in every_item(items):
        match item:
            case Heading() | Paragraph() | Finding():
                yield from _texts_of_line(item.words, place)
            case Verbatim():
                yield place, item.text
            case Exhibit():
                yield from _texts_of_exhibit(item, f"{place}，{item.label}")
            case Equation():
                yield f"{place}，公式{item.number}", item.alt


def _texts_of_line(words: Line, place: str) -> Iterator[tuple[str, str]]:
    yield place, "".join(word.text if isinstance(word, Text | Link) else "" for word in words)
    for note in notes_in(words):
        yield from _texts_of_line(note.words, f"{place}，注{note.number}")


def _texts_of_exhibit(item: Exhibit, place: str) -> Iterator[tuple[str, str]]:
    block = item.block
    yield f"{place}题名", block.caption
    yield f"{place}来源", block.source
    for note in item.notes:
        yield from _texts_of_line(note, f"{place}注")
    if isinstance(block, FigureBlock):
        yield f"{place}替代文字", block.alt
        return
    yield from ((f"{place}表头", column["label"]) for column in block.columns)
    yield from ((f"{place}表头", label) for label, _ in block.heads)
    for number, row in enumerate(block.rows, start=1):
        yield from ((f"{place}第 {number} 行", cell) for cell in row)
