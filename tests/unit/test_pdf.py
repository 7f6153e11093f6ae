"""PDF files: standards, tags, fonts, text that stays text, tables and landscape pages, refusals."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pdfplumber
import pytest
import typst
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_document import HOSTILE, RARE_NAMES, sample_document, small_png

from qbresearch.errors import InputError
from qbresearch.exhibits.blocks import FigureBlock, TableBlock
from qbresearch.fonts import SANS, SERIF
from qbresearch.language import speaking
from qbresearch.publication.model import (
    Document,
    Equation,
    Exhibit,
    Finding,
    FormulaWords,
    Heading,
    Item,
    Line,
    Link,
    Note,
    Paragraph,
    Text,
    every_item,
    texts_of,
)
from qbresearch.publication.pdf import typst_source, write_pdf, writer
from qbresearch.publication.pdf.items import Body
from qbresearch.publication.pdf.markup import Code, literal, text, value, words
from qbresearch.publication.pdf.paper import sheet_of
from qbresearch.publication.pdf.tables import lay_out, split_unit
from qbresearch.publication.pdf.watermark import watermark
from qbresearch.rules.layouts import load_layout

DRAWABLE = sorted(c for c in SANS.covers & SERIF.covers if c.isprintable())
ACADEMIC = sheet_of(load_layout("academic"))
CHECKSUM = "0123456789abcdef" * 4


@cache
def pdf(language: str = "zh", preset: str = "academic") -> bytes:
    return write_pdf(sample_document(language), preset=preset)


def held(data: bytes) -> str:
    """The PDF's objects as text; texts stand there as hexadecimal UTF-16."""
    return data.decode("latin-1")


def as_title(shown: str) -> str:
    return "<FEFF" + shown.encode("utf-16-be").hex().upper() + ">"


def inputs(document: Document, preset: str = "academic") -> dict[str, bytes]:
    source, files = typst_source(document, preset)
    return {"main.typ": source.encode("utf-8"), **files}


def asked(files: dict[str, bytes], selector: str) -> list[Any]:
    return json.loads(typst.query(files, selector, font_paths=writer._fonts(), ignore_system_fonts=True))


def evaluated(code: str) -> Any:
    return json.loads(typst.eval(b"", code, font_paths=writer._fonts(), ignore_system_fonts=True))


def shown_text(content: Any) -> str:
    """The characters of typst content as its query returns it."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(map(shown_text, content))
    if content.get("func") == "space":
        return " "
    parts = (content.get(key, "") for key in ("text", "body", "child", "children"))
    return "".join(map(shown_text, parts))


def cells_of(content: Any) -> Iterator[list[str]]:
    """Cells of every table in the content, row by row; the head's are left out."""
    if isinstance(content, list):
        for part in content:
            yield from cells_of(part)
    elif isinstance(content, dict):
        if content.get("func") == "table":
            cells = [shown_text(c) for c in content["children"] if c["func"] not in ("header", "hline")]
            width = len(content["columns"])
            yield from (cells[start : start + width] for start in range(0, len(cells), width))
            return
        yield from cells_of([content.get(key) for key in ("body", "child", "children")])


def tables(document: Document) -> list[Exhibit]:
    sections = (every_item(section.items) for section in document.sections)
    items = [item for section in (*sections, document.appendix.items) for item in section]
    return [item for item in items if isinstance(item, Exhibit) and isinstance(item.block, TableBlock)]


def with_items(*items: Item, language: str = "zh") -> Document:
    """The sample with one section that holds these items alone."""
    document = sample_document(language)
    section = dataclasses.replace(document.sections[0], items=items)
    return dataclasses.replace(document, sections=(section,), works=(), stages=())


def line(*parts: Any) -> Line:
    return tuple(Text(part) if isinstance(part, str) else part for part in parts)


def block(rows: Iterable[tuple[str, ...]], *columns: tuple[str, str], **more: Any) -> TableBlock:
    return TableBlock("t", "题目", tuple({"label": n, "align": a} for n, a in columns), tuple(rows), **more)


# the file


@pytest.mark.parametrize(("language", "preset"), [("zh", "academic"), ("zh", "gongwen"), ("en", "academic")])
def test_one_file_satisfies_both_standards(language: str, preset: str) -> None:
    data = held(pdf(language, preset))
    assert "<pdfaid:part>2</pdfaid:part><pdfaid:conformance>A</pdfaid:conformance>" in data
    assert "<pdfuaid:part>1</pdfuaid:part>" in data


def test_same_document_gives_the_same_bytes_whatever_was_written_before() -> None:
    first = pdf("zh")
    pdf("en")
    with speaking("en"):
        assert write_pdf(sample_document("zh")) == first
    assert set(re.findall(r"D:\d{14}|20\d\d-\d\d-\d\dT", held(first))) == {"D:19800101000000"}


def test_file_is_tagged_in_its_own_language() -> None:
    for language, lang in (("zh", "zh-CN"), ("en", "en-US")):
        data = held(pdf(language))
        catalog = re.search(r"/Type/Catalog.*?endobj", data, re.DOTALL)[0]
        assert "/Marked true" in catalog
        assert "/StructTreeRoot" in catalog
        assert f"/Lang({lang})" in catalog
        assert "/DisplayDocTitle true" in catalog
        roles = set(re.findall(r"/S/(\w+)", data))
        assert {"Document", "H1", "H2", "P", "L", "LI", "Table", "Caption", "TH", "TD", "Figure", "Formula"} <= roles
        assert {"Note", "Link", "TOC", "TOCI"} <= roles


def test_every_figure_and_formula_has_its_alternative_text() -> None:
    data = held(pdf("zh"))
    exhibits = [item for item in sample_document().sections[0].items if isinstance(item, Exhibit)]
    (figure,) = (item.block for item in exhibits if isinstance(item.block, FigureBlock))
    assert f"/Alt{as_title(figure.alt)}" in data
    assert f"/Alt{as_title('差异系数等于以学生数加权的标准差除以加权均值')}" in data
    assert "/Alt(n-1)" in data
    elements = len(re.findall(r"/S/(?:Figure|Formula)\b", data))
    assert elements == len(re.findall(r"/Alt\b", data)) == 6


def test_outline_has_sections_headings_references_and_appendix() -> None:
    data = held(pdf("zh"))
    appendix = "附录：参数、数据来源、规则与软件版本"
    for shown in ("摘要", "阅读须知", "一、小学资源配置", "（一）数据与方法", "参考文献", appendix):
        assert f"/Title{as_title(shown)}" in data


def test_only_the_packages_own_fonts_are_used_and_all_are_embedded() -> None:
    data = held(pdf("zh"))
    names = {name.split("+")[1] for name in re.findall(r"/FontName/(\S+?)/", data)}
    own = {name for name in names if name.startswith("Workbench")}
    faces = ("SerifSC-Regular", "SansSC-Bold", "KaiSC-Regular", "Latin-Regular")
    assert {f"Workbench{face}" for face in faces} <= own
    assert all(name.startswith(("DejaVuSansMono", "NewCMMath")) for name in names - own)
    assert len(re.findall(r"/FontDescriptor\b(?! \d)", data)) == len(re.findall(r"/FontFile[23] ", data))


def test_wide_tables_lie_on_landscape_pages() -> None:
    boxes = re.findall(r"/MediaBox\[0 0 (\S+) (\S+)\]", held(pdf("zh")))
    landscape = [float(width) > float(height) for width, height in boxes]
    first = landscape.index(True)
    assert landscape[first : first + 2] == [True, True]
    assert sum(landscape) == 2
    assert 0 < first < len(landscape) - 2


# texts


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_any_text_comes_out_of_typst_as_it_went_in(shown: str) -> None:
    assert evaluated(literal(shown)) == shown
    assert shown_text(evaluated(f"[#({text(shown)})]")) == shown


@settings(max_examples=8, deadline=None)
@given(st.lists(st.text(st.sampled_from(DRAWABLE), min_size=1, max_size=30), min_size=3, max_size=6))
def test_any_drawable_text_can_be_set_and_asked_for(texts: list[str]) -> None:
    table = block([tuple(texts)], *(("列", "left") for _ in texts))
    document = with_items(Exhibit("表", "1", "tbl-1", table), Paragraph(line(*texts)))
    assert list(cells_of(asked(inputs(document), "<tbl-1>"))) == [texts]
    assert write_pdf(document)


@pytest.mark.parametrize(
    "shown",
    ["#panic()", "$x$", "]#[", '"+panic()+"', '\\"', "*a* _b_ `c`", "@ref <sec-1>", "// a /* b */", "= H", "- l",
     "1. e", "~", "\\u{41}", "https://example.org/a#b"],
)  # fmt: skip
def test_typst_commands_in_a_text_are_only_text(shown: str) -> None:
    assert shown_text(evaluated(f"[#({words(line(shown, Text(shown, strong=True)), where='')})]")) == 2 * shown


def test_cells_are_those_of_the_blocks() -> None:
    document = sample_document()
    files = inputs(document)
    for item in tables(document):
        rows = list(cells_of(asked(files, f"<{item.anchor}>")))
        if item.block.tones:
            rows = [[row[0].lstrip("✓×？"), *row[1:]] for row in rows]
        assert rows == ([list(row) for row in item.block.rows] or [["（无）"]]), item.label


def test_long_tokens_may_be_broken_without_gaining_a_character() -> None:
    shown = evaluated(f"[#({text('见 ' + CHECKSUM)})]")
    assert shown_text(shown) == "见 " + CHECKSUM
    boxes = re.findall(r'"func": ?"box"', json.dumps(shown))
    assert len(boxes) == 8
    assert text("0123456789abcdef") == '"0123456789abcdef"'


def test_values_become_typst_values() -> None:
    data = {"a": "“b”", "n": None, "yes": True, "i": 3, "f": 1.5, "list": ["x"], "empty": [], "code": Code("1 + 1")}
    assert evaluated(value(data)) == data | {"code": 2}
    assert evaluated(value({})) == {}


def test_only_addresses_of_the_web_and_of_mail_become_links() -> None:
    assert words((Link("https://a.org/?b=\"c", "此处"),), where="").startswith('outward("https://a.org/?b=\\"c"')
    assert words((Link("mailto:a@b.org", "信"),), where="").startswith("outward(")
    assert words((Link("javascript:alert(1)", "此处"),), where="") == '"此处"'
    assert words((Link("file:///etc/passwd", "此处"),), where="") == '"此处"'


def test_a_note_is_set_once_though_its_finding_also_stands_in_the_abstract() -> None:
    finding = Finding(line("两次", Note(1, line("只印一次"))), "met", True)
    source, _ = typst_source(with_items(finding))
    assert source.count("两次") == 2
    assert source.count("只印一次") == 1


@pytest.mark.parametrize(("language", "wide"), [("zh", True), ("en", False)])
def test_quotation_marks_are_wide_in_chinese_and_narrow_in_english(language: str, wide: bool) -> None:
    _, files = typst_source(sample_document(language))
    code = '#import "report.typ": *\n#show: report\n#set text(size: 10pt)\n'
    code += '#context for face in (serif, sans, kai) [#metadata(measure(text(font: face, "中“中")).width / 10pt)<w>]'
    widths = [found["value"] for found in asked({**files, "main.typ": code.encode("utf-8")}, "<w>")]
    assert len(widths) == 3
    assert all(width == pytest.approx(3) if wide else width < 2.6 for width in widths), widths


# tables


def test_columns_fill_the_page_and_short_texts_are_never_wrapped() -> None:
    long = "依据督导评估办法逐项判定，并说明判定所用的口径与数据来源，" * 2
    rows = [("鄠邑区测试小学", "1,024", "达标", long), ("浉河小学", "8", "未达标", long)]
    layout = lay_out(block(rows, ("学校", "left"), ("学生数", "right"), ("结论", "center"), ("说明", "left")), ACADEMIC)
    assert sum(layout.widths) == pytest.approx(ACADEMIC.width)
    for width, least in zip(layout.widths, (7, 3, 3, 14), strict=True):
        assert width > least * layout.size
    assert layout.size == ACADEMIC.sizes[0]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 16).flatmap(
        lambda n: st.lists(st.tuples(*[st.text(st.sampled_from("小学 a1.—，W"), max_size=60)] * n), min_size=0, max_size=5)
        .map(lambda rows, n=n: (n, rows))
    )
)  # fmt: skip
def test_any_table_fills_the_page_in_a_permitted_size(drawn: tuple[int, list[tuple[str, ...]]]) -> None:
    count, rows = drawn
    for sheet in (ACADEMIC, ACADEMIC.turned()):
        layout = lay_out(block(rows, *((f"指标{n}（平方米）", "right") for n in range(count))), sheet)
        assert sum(layout.widths) == pytest.approx(sheet.width, rel=0.02)
        assert min(layout.widths) > 6
        assert layout.size in sheet.sizes


def test_numbers_stand_below_one_another_in_the_middle_of_their_column() -> None:
    layout = lay_out(block([("甲", "1.5"), ("乙", "10.5")], ("学校", "left"), ("生师比", "right")), ACADEMIC)
    assert layout.insets[0] == 0
    assert layout.insets[1] == pytest.approx((layout.widths[1] - 6 - 1.86 * layout.size) / 2, rel=0.05)


def test_words_are_not_broken_while_texts_can_be_wrapped() -> None:
    word = "internationalisation"
    rows = [(word, *["多层次的说明文字" * 6] * 8)]
    layout = lay_out(block(rows, *((f"列{n}", "left") for n in range(9))), ACADEMIC)
    assert layout.widths[0] > 0.4 * len(word) * layout.size > layout.size * 5


def test_a_group_heading_is_given_room_on_one_line() -> None:
    columns = (("学段", "left"), ("均值", "right"), ("差", "right"))
    rows = [("小学" * 12, "1", "2")]
    group = "生均教学及辅助用房面积与体育运动场馆面积"
    plain, grouped = (lay_out(block(rows, *columns, heads=h), ACADEMIC) for h in ((), (("", 1), (group, 2))))
    assert sum(grouped.widths[1:]) >= len(group) * grouped.size > sum(plain.widths[1:])


def test_short_tables_stay_whole_and_long_ones_may_break() -> None:
    columns = (("学校", "left"), ("数", "right"))
    assert lay_out(block([("甲", "1")] * 12, *columns), ACADEMIC).whole
    assert not lay_out(block([("甲", "1")] * 40, *columns), ACADEMIC).whole


def test_units_stay_in_one_piece() -> None:
    assert split_unit("在校学生数（人）") == ("在校学生数", "（人）")
    assert split_unit("Area (m2)") == ("Area ", "(m2)")
    assert split_unit("（人）") == ("（人）", "")


def test_a_continued_table_says_so_on_its_further_pages() -> None:
    source, files = typst_source(sample_document())
    assert 'continued: "续表5"' in source
    assert b"here().page() > first" in files["report.typ"]


def test_no_page_begins_with_the_notes_of_a_table() -> None:
    broken = 0
    for count in range(36, 44):
        rows = [(f"第{number}校", str(number)) for number in range(1, count + 1)]
        table = block(rows, ("学校", "left"), ("数", "right"), source="甲表")
        notes = (line("第一条说明。"), line("第二条说明，" * 12))
        document = with_items(Exhibit("表", "1", "tbl-1", table, notes))
        with pdfplumber.open(io.BytesIO(write_pdf(document))) as opened:
            pages = [page.extract_text() for page in opened.pages]
        (page,) = [page for page in pages if "第一条说明" in page]
        assert f"第{count}校" in page
        assert "资料来源：甲表" in page
        broken += "第1校" not in page
    assert 0 < broken < 8


def test_headings_and_text_in_front_of_a_wide_table_move_to_its_page() -> None:
    wide = tables(sample_document())[1]
    assert wide.wide
    heading, lead = Heading("（一）", line("明细"), 1, "h"), Paragraph(line("见下表。"))
    other = Paragraph(line("别的话。"))

    def pages(*items: Item) -> list[bool]:
        with speaking("zh"):
            codes = Body(ACADEMIC).paged(items, "附录", Code('head(1, "a", "题")'))
        return [code.startswith("sideways(") for code in codes]

    assert pages(other, heading, lead, wide) == [False, False, True]
    assert pages(heading, lead, wide, wide, other) == [True, False]
    assert pages(other, lead, wide, other, wide) == [True]
    assert pages(heading, other, tables(sample_document())[0], lead, wide) == [False] * 5 + [True]


# figures and pages


def test_equal_pictures_are_held_once() -> None:
    picture = FigureBlock("a", "题", "说明", small_png(), 640, 320)
    items = [Exhibit("图", str(n), f"fig-{n}", picture) for n in (1, 2)]
    _, files = typst_source(with_items(*items))
    pictures = [name for name in files if name.endswith(".svg") and name != "watermark.svg"]
    assert len(pictures) == 1
    one = write_pdf(with_items(items[0]))
    assert len(write_pdf(with_items(*items))) - len(one) < 0.2 * len(one)


def test_simulated_data_are_marked_on_every_page_by_a_shape_not_by_text() -> None:
    document = sample_document()
    assert document.simulated
    _, files = typst_source(document)
    assert b"<text" not in files["watermark.svg"]
    assert files["watermark.svg"] == watermark("模拟数据", tracking=0.25, colour=writer.WATERMARK_COLOUR)
    real = dataclasses.replace(document, sections=(document.sections[2],), works=())
    source, files = typst_source(real)
    assert not real.simulated
    assert "watermark.svg" not in files
    assert json.loads(files["settings.json"])["simulated"] is False
    assert write_pdf(real)


def test_presets_differ_in_page_title_and_page_numbers() -> None:
    academic, gongwen = (typst_source(sample_document(), preset) for preset in ("academic", "gongwen"))
    assert "\ncover(" in academic[0]
    assert "\nmasthead(" in gongwen[0]
    settings_of = [json.loads(files["settings.json"]) for _, files in (academic, gongwen)]
    assert [s["pagenumber"] for s in settings_of] == ["plain", "dashes"]
    assert settings_of[1]["pitch"] == pytest.approx(29, abs=0.05)
    assert settings_of[1]["page"]["top"] == pytest.approx(37 * 72 / 25.4)


# refusals


def test_a_character_no_font_has_is_named_with_its_place() -> None:
    table = block([("甲校", "1"), ("乙\U0001f600校", "2")], ("学校", "left"), ("数", "right"))
    with pytest.raises(InputError, match="画不出") as caught:
        write_pdf(with_items(Paragraph(line("正文。")), Exhibit("表", "1", "tbl-1", table)))
    assert "😀（U+1F600）" in caught.value.found
    assert caught.value.where.endswith("表1第 2 行")
    with pytest.raises(InputError, match="U\\+E000"):
        write_pdf(with_items(Paragraph(line("私用\ue000区"))))


def test_every_warning_of_typst_stops_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    document = with_items(Paragraph(line("Text.")), language="en")
    document = dataclasses.replace(document, appendix=dataclasses.replace(document.appendix, items=()))
    assert not any(ord(c) > 0x2E80 for _, shown in texts_of(document) for c in shown)
    assert write_pdf(document)
    bare = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=[])
    monkeypatch.setattr(writer, "_fonts", lambda: bare)
    with pytest.raises(InputError, match="unknown font family: workbench"):
        write_pdf(document)


def test_a_formula_that_is_none_and_a_preset_that_is_none_are_refused() -> None:
    with pytest.raises(InputError, match="第一部分“小学资源配置”"):
        write_pdf(with_items(Paragraph(line(FormulaWords(r"\frac{1")))))
    with pytest.raises(InputError, match="第一部分“小学资源配置”"):
        write_pdf(with_items(Equation("1", "eq-1", r"\frac{1", "一分之")))
    with pytest.raises(InputError, match="没有这个版式"):
        write_pdf(sample_document(), preset="公文")


# what readers get


def extracted(folder: Path, language: str, *options: str, preset: str = "academic") -> str:
    path = folder / "report.pdf"
    path.write_bytes(pdf(language, preset))
    run = subprocess.run(["pdftotext", *options, str(path), "-"], capture_output=True, check=True)
    return run.stdout.decode("utf-8")


@pytest.mark.system
def test_extracted_text_holds_the_sentences_names_and_cells(tmp_path: Path) -> None:
    shown = "".join(extracted(tmp_path, "zh").split())
    for name in RARE_NAMES.split("、"):
        assert name in shown
    for sentence in ("测试县小学七项资源的差异系数均不高于0.50，达标。", "最后一段：“引号”、破折号——、省略号……与间隔号·都用中文字形。"):
        assert sentence in shown
    for hostile in HOSTILE:
        assert "".join(hostile.split()) in shown
    for item in tables(sample_document()):
        for row in item.block.rows:
            assert all("".join(cell.split()) in shown for cell in row)


@pytest.mark.system
def test_extracted_english_has_narrow_quotation_marks_and_no_watermark_between(tmp_path: Path) -> None:
    shown = extracted(tmp_path, "en", "-layout")
    assert "The last paragraph: “quotes”, a dash — and an ellipsis…" in shown
    assert "Table 5 (continued)" in shown
    assert "模拟" not in shown


@pytest.mark.system
def test_official_pages_are_numbered_outside_with_dashes(tmp_path: Path) -> None:
    pages = extracted(tmp_path, "zh", "-layout", preset="gongwen").split("\f")
    odd, even = (next(x for x in reversed(page.splitlines()) if x.strip()) for page in pages[:2])
    assert odd.replace(" ", "") == "—1—"
    assert even.replace(" ", "") == "—2—"
    assert len(odd) - len(odd.lstrip()) > 30 > 10 > len(even) - len(even.lstrip())
