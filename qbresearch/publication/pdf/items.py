"""Items of a report as calls of the template's functions."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from qbresearch.exhibits.blocks import TONES, FigureBlock, TableBlock
from qbresearch.language import say
from qbresearch.publication.model import (
    Equation,
    Exhibit,
    Finding,
    Heading,
    Item,
    ItemList,
    Line,
    Paragraph,
    Quotation,
    Section,
    Verbatim,
    plain_text,
)
from qbresearch.publication.pdf.markup import (
    Code,
    call,
    display_formula,
    joined,
    literal,
    text,
    words,
)
from qbresearch.publication.pdf.tables import Sheet, feet_height, lay_out, split_unit
from qbresearch.publication.wording import TONE_MARKS, note_lead, source_line, tone_word

PIXELS_PER_INCH = 160  # of figures, see figure_png
TALLEST_FIGURE = 0.58  # of the text block
LONGEST_LEAD = 4  # items in front of a wide table that move to its landscape page


@dataclass(slots=True)
class Body:
    """Turns items into typst code; ``pictures`` collects the files that the code names, equal pictures once."""

    sheet: Sheet
    pictures: dict[str, bytes] = field(default_factory=dict)

    def section(self, section: Section) -> list[Code]:
        """A section with its heading, wide tables on landscape pages."""
        where = f"第{section.number}部分“{section.title}”"
        title = call("head", 1, section.anchor, section.heading)
        if section.refusal:
            return [title, call("refusal", say("本节未能生成："), text(section.refusal))]
        return self.paged(section.items, where, title)

    def paged(self, items: Iterable[Item], where: str, title: Code) -> list[Code]:
        """Code of the items behind a title, those of landscape pages gathered in one call a run of pages."""
        shown: list[Code] = []
        for wide, run in _runs([None, *items]):
            sheet = self.sheet.turned() if wide else self.sheet
            codes = [title if item is None else self.item(item, where, sheet) for item in run]
            shown += [call("sideways", block_of(codes))] if wide else codes
        return shown

    def item(self, item: Item, where: str, sheet: Sheet | None = None) -> Code:
        """One item as a call."""
        sheet = sheet or self.sheet
        match item:
            case Heading():
                shown = joined([literal(item.number), words(item.words, where=where)])
                return call("head", item.depth + 1, item.anchor, shown)
            case Paragraph():
                return call("paragraph", words(item.words, where=where))
            case Finding():
                return call("finding", item.tone, *tag_of(item.tone), words(item.words, where=where))
            case ItemList():
                entries = [block_of(self.item(inner, where, sheet) for inner in entry) for entry in item.entries]
                return call("numbered", item.start, entries) if item.ordered else call("bullets", entries)
            case Quotation():
                return call("quotation", block_of(self.item(inner, where, sheet) for inner in item.items))
            case Verbatim():
                return call("verbatim", item.text.rstrip("\n"))
            case Equation():
                number = say("（{number}）", number=item.number) if item.number else ""
                return call("displayed", number, item.anchor, item.alt, display_formula(item.tex, where))
            case Exhibit():
                return self.exhibit(item, f"{where}，{item.label}", sheet)

    def exhibit(self, item: Exhibit, where: str, sheet: Sheet) -> Code:
        """A numbered table or figure with its caption, notes and source."""
        block = item.block
        feet = _feet(item.notes, block.source, where)
        if isinstance(block, TableBlock):
            lines = [plain_text(note) for note in item.notes] + [block.source]
            return table(block, sheet, anchor=item.anchor, name=item.label, feet=feet, below=lines)
        data = {
            "anchor": item.anchor,
            "name": item.label,
            "caption": text(block.caption),
            "picture": self._picture(block),
            "width": _figure_width(block, sheet),
            "alt": block.alt,
            "feet": feet,
        }
        return call("exhibit-figure", data)

    def _picture(self, block: FigureBlock) -> str:
        """Name of the picture's file.

        typst takes files from memory only as texts, and a picture inside an SVG is such a text; in the PDF it is the
        same picture again.
        """
        name = f"{hashlib.sha256(block.png).hexdigest()[:16]}.svg"
        if name not in self.pictures:
            href = "data:image/png;base64," + base64.b64encode(block.png).decode("ascii")
            size = f'width="{block.width}" height="{block.height}"'
            svg = f'<svg xmlns="http://www.w3.org/2000/svg" {size}><image {size} href="{href}"/></svg>'
            self.pictures[name] = svg.encode("ascii")
        return name


def _figure_width(block: FigureBlock, sheet: Sheet) -> float:
    tallest = TALLEST_FIGURE * sheet.height * block.width / block.height
    return min(sheet.width, tallest, block.width * 72 / PIXELS_PER_INCH)


def tag_of(tone: str) -> tuple[str, str]:
    """Mark and word of a tone: colour never says it alone."""
    return TONE_MARKS.get(tone, ""), tone_word(tone)


def block_of(codes: Iterable[Code]) -> Code:
    """Calls one below the other, as one content."""
    return Code("{\n" + "\n".join(codes) + "\n}")


def table(
    block: TableBlock,
    sheet: Sheet,
    *,
    anchor: str = "",
    name: str = "",
    feet: Iterable[Code] = (),
    below: Iterable[str] = (),
    legend: bool = True,
) -> Code:
    """A three-line table with its caption above it and its notes under it; ``below`` are the notes as plain text."""
    layout = lay_out(block, sheet)
    toned = [tone for tone in TONES if tone != "plain" and tone in block.tones]
    data = {
        "anchor": anchor,
        "name": name,
        "caption": text(block.caption),
        "continued": say("续{label}", label=name) if name else "",
        "size": layout.size,
        "whole": layout.whole,
        "reserve": 0.0 if layout.whole else feet_height(["", *below], sheet),
        "leading": layout.leading,
        "gap": layout.gap,
        "widths": layout.widths,
        "insets": layout.insets,
        "aligns": [column.get("align", "left") for column in block.columns],
        "labels": [_head_label(column["label"]) for column in block.columns],
        "heads": [(text(label) if label else "", span) for label, span in block.heads],
        "rows": [[text(cell) for cell in row] for row in block.rows],
        "tones": [(tone, TONE_MARKS.get(tone, "")) for tone in block.tones] if toned else (),
        "legend": [(tone, *tag_of(tone)) for tone in toned if legend],
        "feet": tuple(feet),
    }
    return call("exhibit-table", data)


def _head_label(label: str) -> Code:
    name, unit = split_unit(label)
    return joined([text(name), call("box", literal(unit))]) if unit else text(name)


def _feet(notes: Iterable[Line], source: str, where: str) -> list[Code]:
    lines = [words(note, where=where) for note in notes]
    if lines:
        lead = note_lead(plain_text(next(iter(notes))))
        lines[0] = joined([literal(lead), lines[0]]) if lead else lines[0]
    return [*lines, text(source_line(source))] if source else lines


def _runs(items: Iterable[Item | None]) -> Iterator[tuple[bool, list[Item | None]]]:
    """Items cut into runs of portrait and of landscape pages.

    The headings and the few lines that lead to a wide table move to its page, or a page with hardly anything on it
    would stay behind.
    """
    runs: list[tuple[bool, list[Item | None]]] = []
    for item in items:
        wide = isinstance(item, Exhibit) and item.wide
        if wide:
            lead = _lead(runs[-1][1], after_wide=len(runs) > 1) if runs and not runs[-1][0] else []
            if lead:
                del runs[-1][1][-len(lead) :]
                if not runs[-1][1]:
                    runs.pop()
            if not runs or not runs[-1][0]:
                runs.append((True, []))
            runs[-1][1].extend([*lead, item])
        elif not runs or runs[-1][0]:
            runs.append((False, [item]))
        else:
            runs[-1][1].append(item)
    yield from runs


def _lead(items: list[Item | None], *, after_wide: bool) -> list[Item | None]:
    """The headings at the end of the items with the text below them; all where few items stand between wide tables."""
    start = len(items)
    while start and isinstance(items[start - 1], Paragraph | Finding) and len(items) - start < LONGEST_LEAD:
        start -= 1
    texts = start
    while start and (items[start - 1] is None or isinstance(items[start - 1], Heading)):
        start -= 1
    if start < texts or (start == 0 and after_wide):
        return items[start:]
    return []
