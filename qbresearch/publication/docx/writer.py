"""A document walked from cover to appendix, every item written into one Word file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from qbresearch.exhibits.blocks import FigureBlock, TableBlock
from qbresearch.language import say, speaking
from qbresearch.publication.docx.front import (
    WORKS,
    contents,
    front_matter,
    heading,
    title_block,
)
from qbresearch.publication.docx.ledger import Ledger, picture_size
from qbresearch.publication.docx.markup import (
    check_characters,
    end_section,
    escaped,
    paragraph,
    root,
    run,
)
from qbresearch.publication.docx.pages import Pages
from qbresearch.publication.docx.parts import (
    fonts_part,
    list_indent,
    notes_part,
    numbering_part,
    package,
    settings_part,
    theme_part,
)
from qbresearch.publication.docx.styles import HEADINGS, styles_part
from qbresearch.publication.docx.tables import frame, table_xml
from qbresearch.publication.docx.tones import tone_tag
from qbresearch.publication.docx.words import Typesetter
from qbresearch.publication.model import (
    Document,
    Equation,
    Exhibit,
    Finding,
    Heading,
    Item,
    ItemList,
    Paragraph,
    Quotation,
    Section,
    Verbatim,
    every_item,
    plain_text,
    texts_of,
)
from qbresearch.publication.wording import TONE_MARKS, note_lead, source_line
from qbresearch.rules.layouts import Layout, load_layout

_EMU = 36000  # English metric units in a millimetre
_TALLEST = 0.72  # of the type area, so that a picture, its caption and its notes share a page
_DEEPEST = 8
_UNBREAKABLE = re.compile("[!-~]{14}")


def write_docx(document: Document, *, preset: str = "academic") -> bytes:
    """A report as one Word file; the same document gives the same bytes.

    Parameters
    ----------
    document : Document
    preset : str
        A layout, see :func:`qbresearch.rules.layouts.list_layouts`.

    Raises
    ------
    InputError
        There is no such layout, a text has a character that no Word file can hold, or a formula is none.
    """
    layout = load_layout(preset)
    for place, text in texts_of(document):
        check_characters(text, place)
    with speaking(document.language):
        return _Writer(document, layout).file()


class _Writer:
    """Writes one document; ``body`` are its paragraphs and tables so far."""

    def __init__(self, document: Document, layout: Layout) -> None:
        self.document, self.layout = document, layout
        self.ledger = Ledger()
        self.pages = Pages(document, layout, self.ledger)
        self.words = Typesetter(self.ledger, dict(_labels(document)))
        self.body: list[str] = []
        self.landscape = False

    def file(self) -> bytes:
        ledger, layout = self.ledger, self.layout
        self._front()
        for section in self.document.sections:
            self._section(section)
        self._works()
        self._appendix()
        self._upright(False)
        if self.body[-1].startswith("<w:tbl>"):  # Word takes no file that ends in a table
            self.body.append(paragraph("TableNote"))
        last = self.pages.text(landscape=False)
        ledger.check()
        main = root("w:document", f"<w:body>{''.join(self.body)}{last}</w:body>", "w", "r", "m", "wp", "a", "pic")
        parts = {
            "styles.xml": styles_part(layout),
            "settings.xml": settings_part(layout),
            "numbering.xml": numbering_part(layout, ledger.lists, self.document.language),
            "fontTable.xml": fonts_part(layout),
            "theme/theme1.xml": theme_part(layout),
        }
        for name in parts:
            ledger.relations.add(name.partition("/")[0].removesuffix(".xml"), name)
        ledger.relations.add("footnotes", "footnotes.xml")
        return package(self.document, main, parts | self.pages.parts, ledger, notes_part(ledger.footnotes))

    # parts of the report

    def _front(self) -> None:
        document, width = self.document, self.pages.text_width(landscape=False)
        apart = self.layout.choices["cover"] == "page"
        self.body += title_block(document, apart=apart)
        if apart:
            self._end(self.pages.cover())
        self.body += front_matter(document, self.words, width)
        self.body += contents(document, self.words, page_break=apart)
        if apart:
            self._end(self.pages.front())

    def _section(self, section: Section) -> None:
        self._upright(False)
        self.body.append(heading(self.words, 1, section.anchor, run(section.heading)))
        if section.refusal:
            lead = run(say("本节未能生成："), "Lead")
            self.body.append(paragraph("BodyText", lead + run(section.refusal)))
        self._items(section.items)

    def _works(self) -> None:
        if not self.document.works:
            return
        self._upright(False)
        self.body.append(heading(self.words, 1, WORKS, run(say("参考文献"))))
        for work in self.document.works:
            number = self.ledger.bookmark(work.anchor, run(f"[{work.number}]"))
            self.body.append(paragraph("Bibliography", f"{number}<w:r><w:tab/></w:r>{run(work.text)}"))

    def _appendix(self) -> None:
        self._upright(False)
        self.body.append(heading(self.words, 1, self.document.appendix.anchor, run(self.document.appendix.title)))
        self._items(self.document.appendix.items)

    def _items(self, items: Iterable[Item]) -> None:
        for item in items:
            self._upright(isinstance(item, Exhibit) and item.wide)
            self._item(item)

    def _item(self, item: Item) -> None:
        match item:
            case Heading():
                shown = (run(item.number) if item.number else "") + self.words.line(item.words)
                self.body.append(heading(self.words, min(item.depth + 1, HEADINGS), item.anchor, shown))
            case Paragraph():
                # Stretching a line before a word that cannot be broken would tear it apart.
                align = "left" if _UNBREAKABLE.search(plain_text(item.words)) else ""
                self.body.append(paragraph("BodyText", self.words.line(item.words), align=align))
            case Finding():
                tag = f"{tone_tag(item.tone)}{run('　')}" if item.tone != "plain" else ""
                self.body.append(paragraph("Finding", tag + self.words.line(item.words)))
            case ItemList():
                self._list(item, 0)
            case Quotation():
                self._quotation(item, "")
            case Verbatim():
                self.body.append(paragraph("HTMLPreformatted", run(item.text.strip("\n"))))
            case Equation():
                self._equation(item)
            case Exhibit():
                self._exhibit(item)

    # pages

    def _end(self, section: str) -> None:
        """End a section of pages with what has been written."""
        if not self.body[-1].startswith("<w:p>") or "<w:sectPr>" in self.body[-1]:
            self.body.append(paragraph("TableNote"))
        self.body[-1] = end_section(self.body[-1], section)

    def _upright(self, landscape: bool) -> None:
        """Turn the page if what follows needs another one; wide tables in a row share a section."""
        if landscape != self.landscape:
            self._end(self.pages.text(landscape=self.landscape))
            self.landscape = landscape

    def _table(self, xml: str) -> None:
        """Add a table; Word joins tables that no paragraph parts."""
        if self.body[-1].startswith("<w:tbl>"):
            self.body.append(paragraph("TableNote"))
        self.body.append(xml)

    # items of several paragraphs

    def _list(self, item: ItemList, level: int) -> None:
        deep = min(level, _DEEPEST)
        number = self.ledger.list_number(item.start if item.ordered else None, deep)
        for entry in item.entries:
            mark = f'<w:numPr><w:ilvl w:val="{deep}"/><w:numId w:val="{number}"/></w:numPr>'
            if not entry or not isinstance(entry[0], Paragraph):
                self.body.append(paragraph("ListParagraph", numbering=mark))
                mark = ""
            for part in entry:
                self._list_part(part, level, mark)
                mark = ""

    def _list_part(self, part: Item, level: int, mark: str) -> None:
        size = self.layout.styles["body"].size
        indent = f'<w:ind w:left="{round(list_indent(min(level, _DEEPEST))[0] * size * 20)}"/>'
        match part:
            case Paragraph():
                shown = self.words.line(part.words)
                self.body.append(paragraph("ListParagraph", shown, numbering=mark, indent="" if mark else indent))
            case ItemList():
                self._list(part, level + 1)
            case Quotation():
                self._quotation(part, indent)
            case _:
                self._item(part)

    def _quotation(self, item: Quotation, indent: str) -> None:
        for part in item.items:
            if isinstance(part, Paragraph):
                self.body.append(paragraph("Quote", self.words.line(part.words), indent=indent))
            else:
                self._item(part)

    def _equation(self, item: Equation) -> None:
        formula = self.words.formula(item.tex, display=True)
        if not item.number:
            self.body.append(paragraph("Equation", self.ledger.bookmark(item.anchor, "") + formula))
            return
        width = self.pages.text_width(landscape=False)
        side = round(width * 0.12)
        columns = (side, width - 2 * side, side)
        before, after = say("（{number}）", number="\0").split("\0")
        number = run(before) + self.ledger.sequence(say("式"), item.number) + run(after)
        contents = ("", formula, self.ledger.bookmark(item.anchor, number))
        cells = "".join(
            f'<w:tc><w:tcPr><w:tcW w:w="{column}" w:type="dxa"/><w:vAlign w:val="center"/></w:tcPr>'
            f"{paragraph('Equation', content, align=align)}</w:tc>"
            for column, content, align in zip(columns, contents, ("", "", "right"), strict=True)
        )
        row = f"<w:tr><w:trPr><w:cantSplit/></w:trPr>{cells}</w:tr>"
        self._table(frame("EquationLayout", columns, row, heads=False))

    # tables and figures

    def _exhibit(self, item: Exhibit) -> None:
        feet = list(self._feet(item))
        label = self.ledger.bookmark(item.anchor, run(item.word) + self.ledger.sequence(item.word, item.number))
        between, caption = say("{label}　{caption}", label="", caption="\0").split("\0")[0], item.block.caption
        shown = label + run(f"{between}{caption}")
        if isinstance(item.block, TableBlock):
            self.body.append(paragraph("Caption", shown))
            width = self.pages.text_width(landscape=self.landscape)
            self._table(table_xml(item.block, self.layout, width, followed=bool(feet)))
            self.body += self._remarks("TableNote", feet) or [paragraph("TableNote")]
        else:
            self.body.append(paragraph("Figure", self._picture(item.block)))
            self.body.append(paragraph("FigureCaption", shown, keep_next=bool(feet)))
            self.body += self._remarks("FigureNote", feet)

    @staticmethod
    def _remarks(style: str, feet: list[str]) -> list[str]:
        return [paragraph(style, foot, keep_next=number < len(feet)) for number, foot in enumerate(feet, start=1)]

    def _feet(self, item: Exhibit) -> Iterator[str]:
        """Marks of a table explained, notes, source."""
        if isinstance(item.block, TableBlock) and (toned := [tone for tone in TONE_MARKS if tone in item.block.tones]):
            yield run("　").join(tone_tag(tone) for tone in toned)
        for index, note in enumerate(item.notes):
            lead = note_lead(plain_text(note)) if index == 0 else ""
            yield (run(lead) if lead else "") + self.words.line(note)
        if item.block.source:
            yield run(source_line(item.block.source))

    def _picture(self, block: FigureBlock) -> str:
        width, height = picture_size(block.png)
        room = self.layout.text_width, self.layout.text_height * _TALLEST
        scale = min(1.0, room[0] / width, room[1] / height)
        across, down = round(width * scale * _EMU), round(height * scale * _EMU)
        number = self.ledger.next_drawing()
        alt, name = escaped(block.alt), escaped(f"{say('图')} {number}")
        return (
            f'<w:r><w:drawing><wp:inline distT="0" distB="0" distL="0" distR="0"><wp:extent cx="{across}" cy="{down}"/>'
            f'<wp:docPr id="{number}" name="{name}" descr="{alt}"/>'
            '<wp:cNvGraphicFramePr><a:graphicFrameLocks noChangeAspect="1"/></wp:cNvGraphicFramePr>'
            '<a:graphic><a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/picture"><pic:pic>'
            f'<pic:nvPicPr><pic:cNvPr id="{number}" name="{name}" descr="{alt}"/><pic:cNvPicPr/></pic:nvPicPr>'
            f'<pic:blipFill><a:blip r:embed="{self.ledger.picture(block.png)}"/><a:stretch><a:fillRect/></a:stretch>'
            f'</pic:blipFill><pic:spPr><a:xfrm><a:off x="0" y="0"/><a:ext cx="{across}" cy="{down}"/></a:xfrm>'
            '<a:prstGeom prst="rect"><a:avLst/></a:prstGeom></pic:spPr></pic:pic></a:graphicData></a:graphic>'
            "</wp:inline></w:drawing></w:r>"
        )


def _labels(document: Document) -> Iterator[tuple[str, str]]:
    """What stands inside the bookmark of every table, figure and numbered equation."""
    for items in (*(section.items for section in document.sections), document.appendix.items):
        for item in every_item(items):
            if isinstance(item, Exhibit):
                yield item.anchor, item.label
            elif isinstance(item, Equation) and item.number:
                yield item.anchor, say("（{number}）", number=item.number)
