"""Reading a Word file back, for its tests."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from functools import cache

import docx
from lxml import etree
from sample_document import sample_document

from qbresearch.exhibits.blocks import FigureBlock, TableBlock
from qbresearch.publication.docx import write_docx
from qbresearch.publication.docx.markup import NAMESPACES
from qbresearch.publication.model import Document, Exhibit, Paragraph, Text, every_item

W = f"{{{NAMESPACES['w']}}}"
PRESETS = ("academic", "gongwen")
LANGUAGES = ("zh", "en")
BOTH = [(preset, language) for preset in PRESETS for language in LANGUAGES]


@cache
def written(preset: str = "academic", language: str = "zh") -> bytes:
    return write_docx(sample_document(language), preset=preset)


def part(name: str, data: bytes | None = None) -> etree._Element:
    with zipfile.ZipFile(io.BytesIO(data or written())) as archive:
        return etree.fromstring(archive.read(name))


def find(path: str, data: bytes | None = None, name: str = "word/document.xml") -> list[etree._Element]:
    return part(name, data).xpath(path, namespaces=NAMESPACES)


def text_of(element: etree._Element) -> str:
    return "".join(element.xpath(".//w:t/text()", namespaces=NAMESPACES))


def paragraphs(style: str, data: bytes | None = None) -> list[etree._Element]:
    return find(f"//w:p[w:pPr/w:pStyle/@w:val='{style}']", data)


def only(*items: object, **changes: object) -> Document:
    """A report of nothing but these items."""
    sample = sample_document()
    section = replace(sample.sections[0], items=items)
    return replace(sample, **{"sections": (section,), "works": (), "stages": ()} | changes)


def p(*words: object) -> Paragraph:
    return Paragraph(tuple(Text(word) if isinstance(word, str) else word for word in words))


def exhibits(document: Document) -> list[Exhibit]:
    items = [item for section in document.sections for item in every_item(section.items)]
    return [item for item in (*items, *document.appendix.items) if isinstance(item, Exhibit)]


def exhibit(block: TableBlock | FigureBlock, number: str = "1") -> Exhibit:
    kind, word = ("tbl", "表") if isinstance(block, TableBlock) else ("fig", "图")
    return Exhibit(word, number, f"{kind}-{number}", block)


def table(*rows: tuple[str, ...], aligns: str = "lr", **more: object) -> TableBlock:
    names = {"l": "left", "r": "right", "c": "center"}
    columns = tuple({"label": f"列{i}", "align": names[align]} for i, align in enumerate(aligns))
    return TableBlock("t", "题", columns, rows, **more)


def three_line_tables(data: bytes) -> list[docx.table.Table]:
    found = docx.Document(io.BytesIO(data)).tables
    return [t for t in found if t._tbl.tblPr.find(f"{W}tblStyle").get(f"{W}val") == "ThreeLineTable"]


def fields(root: etree._Element) -> list[tuple[str, str]]:
    """Code and result of every field that lies within one paragraph."""
    found = []
    for paragraph in root.iter(f"{W}p"):
        code, result, state = "", "", ""
        for run_ in paragraph.iter(f"{W}r"):
            kind = run_.find(f"{W}fldChar")
            if kind is not None:
                state = kind.get(f"{W}fldCharType")
                if state == "end":
                    found.append((code.strip(), result))
                    code = result = ""
            elif state == "begin":
                code += "".join(run_.xpath("w:instrText/text()", namespaces=NAMESPACES))
            elif state == "separate":
                result += text_of(run_)
    return found


def bookmarked(start: etree._Element) -> str:
    shown, node = "", start.getnext()
    while node.tag != f"{W}bookmarkEnd":
        shown += text_of(node)
        node = node.getnext()
    return shown
