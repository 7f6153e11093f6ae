"""One document, three formats: every table has the same cells in each, and every text of the report is in each."""

from __future__ import annotations

import io
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pdfplumber
import pytest
from lxml import etree
from pdfplumber.structure import PDFStructTree
from sample_document import sample_document

from qbresearch.exhibits.blocks import TableBlock
from qbresearch.publication.model import Document, Exhibit, every_item
from qbresearch.publication.writers import FORMATS, write_report
from qbresearch.rules.layouts import list_layouts

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
NAMES = ("鄠邑", "浉河", "瀍河", "猇亭", "硚口", "湾沚", "埇桥", "㵲水")
Cells = list[list[str]]


def squeezed(text: str) -> str:
    """A text without blanks: a PDF knows no blanks at line ends."""
    return re.sub(r"\s+", "", text)


def expected(document: Document) -> dict[str, Cells]:
    """Rows of every numbered table by its label and caption."""
    items = [*(item for s in document.sections for item in every_item(s.items)), *document.appendix.items]
    shown = [item for item in items if isinstance(item, Exhibit) and isinstance(item.block, TableBlock)]
    stop = "" if document.language == "zh" else "."
    nothing = (("（无）" if document.language == "zh" else "(none)",),)
    return {
        squeezed(f"{item.label}{stop}{item.block.caption}"): [
            [squeezed(cell) for cell in row] for row in item.block.rows or nothing
        ]
        for item in shown
    }


class HtmlTables(HTMLParser):
    """Bodies of the tables of a page by caption, without marks that only tell a row's tone."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: dict[str, Cells] = {}
        self.caption, self.cell = "", ""
        self.rows: Cells | None = None
        self.inside: list[str] = []
        self.hidden = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs).get("class") or ""
        if self.hidden or (tag == "span" and names.split()[:1] in (["mark"], ["vh"])):
            self.hidden += 1
            return
        self.inside.append(tag)
        if tag == "figcaption":
            self.caption = ""
        elif tag == "tbody":
            self.rows = []
        elif tag == "tr" and self.rows is not None:
            self.rows.append([])
        elif tag in ("td", "th"):
            self.cell = ""

    def handle_endtag(self, tag: str) -> None:
        if self.hidden:
            self.hidden -= 1
        elif tag in ("td", "th") and self.rows is not None:
            self.rows[-1].append(squeezed(self.cell))
        elif tag == "tbody":
            self.tables[squeezed(self.caption)] = self.rows or []
            self.rows = None

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.cell += data
            self.caption += data if "figcaption" in self.inside[-2:] else ""


def html_tables(data: bytes) -> dict[str, Cells]:
    return HtmlTables(data.decode("utf-8")).tables


def docx_tables(data: bytes) -> dict[str, Cells]:
    """Rows below the repeated head of every table, by the caption paragraph before it."""
    body = etree.fromstring(zipfile.ZipFile(io.BytesIO(data)).read("word/document.xml"))[0]
    found, before = {}, ""
    for element in body:
        if element.tag == f"{W}tbl":
            rows = [row for row in element.iter(f"{W}tr") if row.find(f"{W}trPr/{W}tblHeader") is None]
            found[before] = [[_words(cell) for cell in row.findall(f"{W}tc")] for row in rows]
        elif text := _words(element):
            before = text
    return found


def _words(element: Any) -> str:
    return squeezed("".join(node.text or "" for node in element.iter(f"{W}t")))


def pdf_tables(data: bytes) -> dict[str, Cells]:
    """Rows of the bodies of every tagged table, by its caption."""
    pdf = pdfplumber.open(io.BytesIO(data))
    texts: dict[tuple[int, int], str] = defaultdict(str)
    for page in pdf.pages:
        for char in page.chars:
            if char.get("mcid") is not None:
                texts[page.page_number, char["mcid"]] += char["text"]
    found = {}
    for table in _nodes(list(PDFStructTree(pdf)), "Table"):
        rows = [row for part in table.children if part.type == "TBody" for row in part.children]
        cells = [[squeezed(_said(cell, texts)) for cell in row.children] for row in rows]
        captions = [squeezed(_said(part, texts)) for part in table.children if part.type == "Caption"]
        found[captions[0] if captions else ""] = cells
    return found


def _nodes(elements: Any, kind: str) -> Iterator[Any]:
    for element in elements:
        if element.type == kind:
            yield element
        yield from _nodes(element.children, kind)


def _said(element: Any, texts: dict[tuple[int, int], str]) -> str:
    own = "".join(texts[element.page_number, mcid] for mcid in element.mcids)
    return own + "".join(_said(child, texts) for child in element.children)


def without_marks(rows: Cells, language: str) -> Cells:
    """Rows without the mark that says a row's tone in the first cell."""
    return [[re.sub(r"^[✓×？！](?:达标：|未达标：|无法判定：|注意：)?", "", row[0]), *row[1:]] for row in rows]


READERS = {"html": html_tables, "docx": docx_tables, "pdf": pdf_tables}


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_table_has_the_cells_of_its_block(name: str, language: str) -> None:
    document = sample_document(language)
    found = READERS[name](write_report(document, name))
    wanted = expected(document)
    assert len(wanted) >= 6
    for caption, rows in wanted.items():
        assert without_marks(found[caption], language) == without_marks(rows, language), caption


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("preset", list_layouts())
def test_the_same_document_gives_the_same_bytes(name: str, preset: str) -> None:
    assert write_report(sample_document(), name, preset=preset) == write_report(sample_document(), name, preset=preset)


@pytest.mark.parametrize("name", FORMATS)
def test_rare_names_of_counties_are_in_every_format(name: str) -> None:
    data = write_report(sample_document(), name)
    if name == "pdf":
        text = "".join(page.extract_text() for page in pdfplumber.open(io.BytesIO(data)).pages)
    elif name == "docx":
        text = zipfile.ZipFile(io.BytesIO(data)).read("word/document.xml").decode("utf-8")
    else:
        text = data.decode("utf-8")
    assert [rare for rare in NAMES if rare not in text] == []
