"""A document becomes a PDF file that is tagged, archivable and the same whenever it is made.

The file satisfies PDF/UA-1 (accessible to screen readers) and PDF/A-2a (complete in itself, text extractable) at
once. Fonts come from the package alone, never from the system. There is no free 仿宋, so the preset ``gongwen`` sets
the text in 宋体 here; its page, sizes and levels of headings are those of the official layout.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import typst

from qbresearch.errors import InputError
from qbresearch.exhibits.blocks import TONES
from qbresearch.fonts import FONT_FOLDER, named_characters
from qbresearch.language import CHINESE, say, speaking
from qbresearch.publication.model import Document, texts_of
from qbresearch.publication.pdf.front import abstract, cautions, title_page
from qbresearch.publication.pdf.items import Body, block_of
from qbresearch.publication.pdf.markup import Code, call, text
from qbresearch.publication.pdf.paper import paper_settings, sheet_of
from qbresearch.publication.pdf.tables import text_width
from qbresearch.publication.pdf.watermark import watermark
from qbresearch.publication.wording import tone_word
from qbresearch.rules.layouts import Layout, load_layout

STANDARDS = ["a-2a", "ua-1"]
TEMPLATE = Path(__file__).with_name("report.typ")
MAIN = "main.typ"
EMPTY_RUNS = 4  # after each report
WATERMARK_COLOUR = "#f9efee"
_UNDRAWN = re.compile(r'the text `"(.+?)"` could not be displayed|contains the codepoint `"(.+?)"`')
_CODE_POINT = re.compile(r"\\u\{([0-9a-f]+)\}")


def write_pdf(document: Document, *, preset: str = "academic") -> bytes:
    """One report as a PDF file; the same document gives the same bytes.

    Parameters
    ----------
    document : Document
    preset : {"academic", "gongwen"}
        Layout of the pages; see ``qbresearch/cited/layouts``.

    Raises
    ------
    InputError
        No font of the package can draw a character, a formula cannot be read, or there is no such preset.
    """
    source, files = typst_source(document, preset)
    inputs = {MAIN: source.encode("utf-8"), **files}
    try:
        pdf, warnings = typst.compile_with_warnings(
            inputs, font_paths=_fonts(), ignore_system_fonts=True, pdf_standards=STANDARDS
        )
    except typst.TypstError as error:
        raise _undrawn(error.diagnostic, document) or error from error
    finally:
        _forget()
    if warnings:
        raise InputError(
            "PDF 排版时有警告，文件没有生成",
            where=f"报告“{document.title}”",
            found="；".join(warning.message for warning in warnings),
            expected="没有警告",
            fix="重新安装本软件（字体可能不全）；仍有警告时请连同这句话报告给维护者",
        )
    return pdf


def typst_source(document: Document, preset: str = "academic") -> tuple[str, dict[str, bytes]]:
    """What typst gets to see: the main file, and every other file by its name."""
    layout = load_layout(preset)
    body = Body(sheet_of(layout))
    own_page = layout.choices["cover"] == "page"
    with speaking(document.language):
        codes = [title_page(document, own_page=own_page)]
        front = [*abstract(document, body.sheet), *cautions(document), call("contents", own_page, say("目录"))]
        main = _main_matter(document, body)
        codes += [call("front-matter", own_page, block_of(front)), call("main-matter", own_page, block_of(main))]
        chinese = document.language == CHINESE
        mark = watermark(say("模拟数据"), tracking=0.25 if chinese else 0.0, colour=WATERMARK_COLOUR)
        settings = json.dumps(_settings(document, layout), ensure_ascii=False, sort_keys=True)
    source = f'#import "{TEMPLATE.name}": *\n#show: report\n#{block_of(codes)}\n'
    files = {TEMPLATE.name: TEMPLATE.read_bytes(), "settings.json": settings.encode("utf-8"), **body.pictures}
    if document.simulated:
        files["watermark.svg"] = mark
    return source, files


def _main_matter(document: Document, body: Body) -> list[Code]:
    shown = [code for section in document.sections for code in body.section(section)]
    if document.works:
        shown.append(call("head", 1, "references", say("参考文献")))
        shown.append(call("works", [(work.number, work.anchor, text(work.text)) for work in document.works]))
    appendix = document.appendix
    return [*shown, *body.paged(appendix.items, "附录", call("appendix-head", appendix.anchor, appendix.title))]


def _settings(document: Document, layout: Layout) -> dict[str, object]:
    return paper_settings(layout) | {
        "language": document.language,
        "title": document.title,
        "authors": document.authors,
        "made": [document.made.year, document.made.month, document.made.day],
        "keywords": document.keywords,
        "simulated": document.simulated,
        "words": {
            "simulated": say("模拟数据"),
            "notice": say(
                "本报告含由程序生成的模拟数据，不代表任何真实的县（市、区）或学校，不得作为真实结论引用。"
            ),
            "none": say("（无）"),
            "tagwidth": 1.4 + max(text_width(tone_word(tone)) for tone in TONES),
        },
    }


@functools.cache
def _fonts() -> typst.Fonts:
    """Fonts of the package, with those typst brings for formulas and code; read once a process."""
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=[str(FONT_FOLDER)])


def _forget() -> None:
    """Let typst forget the reports before the last two.

    It remembers the layout of everything it set in its last ten runs, over a gigabyte where reports are long.
    """
    for _ in range(EMPTY_RUNS):
        typst.compile(b"", font_paths=_fonts(), ignore_system_fonts=True)


def _undrawn(diagnostic: str, document: Document) -> InputError | None:
    """What to tell the user about characters that cannot be drawn, if that is what stopped typst."""
    found = "".join(map("".join, _UNDRAWN.findall(diagnostic)))
    characters = "".join(dict.fromkeys(_CODE_POINT.sub(lambda m: chr(int(m[1], 16)), found)))
    if not characters:
        return None
    places = (place for place, shown in texts_of(document) if any(c in shown for c in characters))
    return InputError(
        "有字体画不出的字",
        where=next(places, f"报告“{document.title}”"),
        found=named_characters(characters),
        expected="随软件提供的字体中有的字符",
        fix="请核对是否为错字、表情符号或私用区造字；如确为生僻字，请改用通用写法并注明",
    )
