"""The Word file: its tables, captions, references, notes, figures and texts."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace

import pytest
from docx_reading import (
    BOTH,
    LANGUAGES,
    W,
    bookmarked,
    exhibit,
    exhibits,
    fields,
    find,
    only,
    p,
    paragraphs,
    part,
    table,
    text_of,
    three_line_tables,
    written,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_document import HOSTILE, LONG_ROWS, RARE_NAMES, sample_document, small_png

from qbresearch.errors import InputError
from qbresearch.exhibits.blocks import FigureBlock, TableBlock
from qbresearch.publication.docx import write_docx
from qbresearch.publication.docx.ledger import Ledger, picture_size
from qbresearch.publication.docx.markup import NAMESPACES, run
from qbresearch.publication.docx.tables import column_widths
from qbresearch.publication.model import Appendix, Citation, Equation, Link, Note, Reference
from qbresearch.rules.layouts import load_layout

# tables


@pytest.mark.parametrize(("preset", "language"), BOTH)
def test_every_cell_of_every_table_stands_in_the_file_as_it_is_in_its_block(preset, language):
    blocks = [item.block for item in exhibits(sample_document(language)) if isinstance(item.block, TableBlock)]
    _, *tables = three_line_tables(written(preset, language))  # the first one holds the verdicts
    assert len(tables) == len(blocks)
    for block, found in zip(blocks, tables, strict=True):
        heads = 2 if block.heads else 1
        rows = found.rows[heads:]
        if not block.rows:
            assert len(rows) == 1
            continue
        # a verdict's mark and a tab stand before the first cell of a row
        shown = tuple(tuple(cell.text.split("\t")[-1] for cell in row.cells) for row in rows)
        assert shown == block.rows
        labels = [cell.text.replace("\n", "") for cell in found.rows[heads - 1].cells]
        assert labels == [column["label"] for column in block.columns]


def test_head_rows_repeat_and_no_row_is_cut():
    for found in find("//w:tbl[w:tblPr/w:tblStyle/@w:val='ThreeLineTable']"):
        rows = found.findall(f"{W}tr")
        heads = [row.find(f"{W}trPr/{W}tblHeader") is not None for row in rows]
        assert heads == sorted(heads, reverse=True) and heads[0] and not heads[-1]
        assert all(row.find(f"{W}trPr/{W}cantSplit") is not None for row in rows)


def test_a_table_has_three_lines_by_its_style():
    style = find("//w:style[@w:styleId='ThreeLineTable']", name="word/styles.xml")[0]
    lines = {
        (line.getparent().getparent().tag.removeprefix(W), line.tag.removeprefix(W)): line.get(f"{W}sz")
        for line in style.iter()
        if line.get(f"{W}sz")
    }
    assert lines == {("tblPr", "top"): "12", ("tblPr", "bottom"): "12", ("tcPr", "bottom"): "6"}  # eighths of a point


def test_merged_heads_span_their_columns_and_the_rest_reach_through():
    block = next(item.block for item in exhibits(sample_document()) if getattr(item.block, "heads", ()))
    found = next(t for t in find("//w:tbl") if t.xpath(".//w:vMerge", namespaces=NAMESPACES))
    upper, lower = found.findall(f"{W}tr")[:2]
    spans = [int(span.get(f"{W}val")) for span in upper.iter(f"{W}gridSpan")]
    assert spans == [span for label, span in block.heads if label]
    restarts = upper.xpath("count(.//w:vMerge[@w:val='restart'])", namespaces=NAMESPACES)
    continued = lower.xpath("count(.//w:vMerge[not(@w:val)])", namespaces=NAMESPACES)
    assert restarts == continued == sum(span for label, span in block.heads if not label)
    assert all(row.find(f"{W}trPr/{W}tblHeader") is not None for row in (upper, lower))


def test_tones_are_said_in_marks_and_explained_in_words():
    marks = [row.cells[0].text.split("\t")[0] for row in three_line_tables(written())[1].rows[1:]]
    assert marks == ["✓", "×", "？", ""]
    legend = find("//w:tbl[w:tblPr/w:tblStyle/@w:val='ThreeLineTable']")[1].getnext()
    assert text_of(legend) == "✓ 达标　× 未达标　？ 无法判定"


def test_notes_and_source_stand_under_their_table():
    table_ = find("//w:tbl[w:tblPr/w:tblStyle/@w:val='ThreeLineTable']")[1]
    feet = []
    while (table_ := table_.getnext()).find(f"{W}pPr/{W}pStyle").get(f"{W}val") == "TableNote":
        feet.append(text_of(table_))
    assert feet[1:] == [
        f"注：生僻地名：{RARE_NAMES}。",
        "差异系数的计算见式（1）。",
        "资料来源：测试县模拟数据（sim-test），2024—2025 学年",
    ]


def test_a_short_table_stays_with_its_caption_and_its_notes():
    found = find("//w:tbl[w:tblPr/w:tblStyle/@w:val='ThreeLineTable']")[1]
    before, after = found.getprevious(), found.getnext()
    assert before.find(f"{W}pPr/{W}pStyle").get(f"{W}val") == "Caption"  # the style keeps with what follows
    assert find("//w:style[@w:styleId='Caption']//w:keepNext", name="word/styles.xml")
    assert all(p.find(f"{W}pPr/{W}keepNext") is not None for p in found.iter(f"{W}p"))
    notes = [after, after.getnext(), after.getnext().getnext()]
    assert [n.find(f"{W}pPr/{W}keepNext") is not None for n in notes] == [True, True, True]
    assert notes[-1].getnext().find(f"{W}pPr/{W}keepNext") is None
    assert text_of(notes[-1].getnext()).startswith("资料来源：")


def test_a_long_table_may_break_but_not_after_its_head_nor_before_its_notes():
    found = max(three_line_tables(written()), key=lambda t: len(t.rows))._tbl
    held = [
        all(p.find(f"{W}pPr/{W}keepNext") is not None for p in row.iter(f"{W}p")) for row in found.findall(f"{W}tr")
    ]
    assert len(held) == LONG_ROWS + 1
    assert held == [True, True, *[False] * (LONG_ROWS - 3), True, True]


def test_tables_never_touch_and_never_end_a_section():
    equation = Equation("1", "eq-1", "x", "x")
    items = (exhibit(table(("甲", "1"))), equation, replace(equation, number="2", anchor="eq-2"))
    appendix = replace(sample_document().appendix, items=(replace(equation, number="3", anchor="eq-3"),))
    data = write_docx(only(*items, appendix=appendix))
    assert len(find("//w:tbl", data)) == 4
    for found in [*find("//w:tbl"), *find("//w:tbl", data)]:
        assert found.getnext().tag == f"{W}p"


def test_a_table_without_notes_keeps_its_distance_from_the_text():
    (found,) = find(
        "//w:tbl", write_docx(only(exhibit(table(("甲", "1"))), p("正文"), appendix=Appendix("附录", ())))
    )
    assert text_of(found.getnext()) == "" and text_of(found.getnext().getnext()) == "正文"


def test_column_widths_fill_the_page_and_keep_numbers_on_one_line():
    block = table(("一个很长很长的名称" * 8, "123,456,789.00"), ("短", "1"))
    widths = column_widths(block, 9, 8000, False)
    assert sum(widths) == 8000
    assert widths[1] - 140 > 14 * 0.5 * 9 * 20  # fourteen half-wide characters of nine points
    assert widths[0] > widths[1]


def test_a_table_that_does_not_fit_takes_the_smaller_style():
    row = tuple("12,345.678" for _ in range(9))
    data = write_docx(only(exhibit(table(row, aligns="r" * 9))))
    assert len(paragraphs("TableCellSmall", data)) == 18
    assert not paragraphs("TableCellSmall", write_docx(only(exhibit(table(("甲", "1"))))))


@pytest.mark.parametrize("count", [1, 2, 14, 15, 16])
def test_widths_add_up_for_any_number_of_columns(count):
    data = write_docx(only(exhibit(table(tuple("数" * n for n in range(count)), aligns="l" * count))))
    for found in find("//w:tbl", data):
        grid = [int(c.get(f"{W}w")) for c in found.find(f"{W}tblGrid")]
        assert sum(grid) == int(found.find(f"{W}tblPr/{W}tblW").get(f"{W}w"))
        assert min(grid) > 0


# captions, references, equations, notes


@pytest.mark.parametrize(("preset", "language"), BOTH)
def test_every_field_and_link_leads_to_a_bookmark_that_holds_what_it_reads(preset, language):
    root = part("word/document.xml", written(preset, language))
    body = root[0]
    starts = {b.get(f"{W}name"): b for b in body.iter(f"{W}bookmarkStart")}
    names = [b.get(f"{W}name") for b in body.iter(f"{W}bookmarkStart")]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[A-Za-z_]\w{0,39}", name, re.ASCII) for name in names)
    assert {b.get(f"{W}id") for b in body.iter(f"{W}bookmarkStart")} == {
        b.get(f"{W}id") for b in body.iter(f"{W}bookmarkEnd")
    }
    anchors = {h.get(f"{W}anchor") for h in body.iter(f"{W}hyperlink") if h.get(f"{W}anchor")}
    assert anchors <= set(names)
    found = 0
    for code, result in fields(root):
        if code.startswith("REF "):
            name = code.split()[1]
            assert result == bookmarked(starts[name]), code
            found += 1
    assert found >= 8


@pytest.mark.parametrize("language", LANGUAGES)
def test_captions_count_by_fields_that_word_would_number_the_same(language):
    counts: dict[str, int] = {}
    labels = []
    for paragraph in [
        *paragraphs("Caption", written("academic", language)),
        *paragraphs("FigureCaption", written("academic", language)),
    ]:
        start = paragraph.find(f"{W}bookmarkStart")
        labels.append(bookmarked(start))
        code = "".join(paragraph.xpath(".//w:instrText/text()", namespaces=NAMESPACES)).split()
        assert code[0] == "SEQ" and code[2:] == ["\\*", "ARABIC"]
        counts[code[1]] = counts.get(code[1], 0) + 1
        assert labels[-1].endswith(str(counts[code[1]]))
    assert sorted(labels) == sorted(item.label for item in exhibits(sample_document(language)))


def test_a_number_out_of_turn_says_so_to_word():
    ledger = Ledger()
    assert "\\r" not in ledger.sequence("表", "1")
    assert "\\r 7" in ledger.sequence("表", "7")
    assert "\\r" not in ledger.sequence("表", "8")
    assert "SEQ" not in ledger.sequence("表", "A1")
    assert "SEQ Appendix_table " in ledger.sequence("Appendix table ", "1")


def test_table_captions_stand_above_and_figure_captions_below():
    for caption in paragraphs("Caption"):
        assert caption.getnext().tag == f"{W}tbl"
    for caption in paragraphs("FigureCaption"):
        assert caption.getprevious().xpath(".//wp:inline", namespaces=NAMESPACES)


def test_a_reference_to_nowhere_is_a_fault():
    with pytest.raises(ValueError, match="tbl-9"):
        write_docx(only(p(Reference("表9", "tbl-9"))))


def test_a_numbered_equation_is_editable_and_its_number_a_field():
    layout = next(t for t in find("//w:tbl") if t.xpath(".//m:oMathPara", namespaces=NAMESPACES))
    cells = [text_of(cell) for cell in layout.iter(f"{W}tc")]
    assert cells == ["", "", "（1）"]
    assert layout.xpath("count(.//m:f)", namespaces=NAMESPACES) >= 2
    assert layout.xpath("string(.//w:instrText)", namespaces=NAMESPACES).split()[:2] == ["SEQ", "式"]
    assert find("//w:p/m:oMath") and find("//w:p[w:pPr/w:pStyle/@w:val='Equation']/m:oMathPara")


def test_notes_are_footnotes():
    (call,) = find("//w:footnoteReference")
    notes = {n.get(f"{W}id"): n for n in part("word/footnotes.xml")}
    assert text_of(notes[call.get(f"{W}id")]).strip().startswith("注释中也有强调")
    assert notes[call.get(f"{W}id")].xpath("count(.//m:oMath)", namespaces=NAMESPACES) == 1
    assert {notes[i].get(f"{W}type") for i in ("-1", "0")} == {"separator", "continuationSeparator"}


def test_a_link_in_a_note_belongs_to_the_notes_part():
    note = Note(1, (Link('https://example.org/q?a=1&b="<x>"', "链接"),))
    data = write_docx(only(p("见", note)))
    (link,) = find("//w:hyperlink", data, "word/footnotes.xml")
    rows = {r.get("Id"): r for r in part("word/_rels/footnotes.xml.rels", data)}
    row = rows[link.get(f"{{{NAMESPACES['r']}}}id")]
    assert (row.get("TargetMode"), row.get("Target")) == ("External", "https://example.org/q?a=1&b=%22%3Cx%3E%22")


def test_citations_are_superscripts_that_lead_to_the_works():
    marks = [
        run_
        for run_ in find("//w:hyperlink/w:r")
        if run_.xpath("w:rPr/w:rStyle[@w:val='CitationMark']", namespaces=NAMESPACES)
    ]
    assert [text_of(mark) for mark in marks] == ["[1]", "[2-3]"]
    works = {
        b.get(f"{W}name"): text_of(b.getparent())
        for b in find("//w:p[w:pPr/w:pStyle/@w:val='Bibliography']//w:bookmarkStart")
    }
    assert works[marks[0].getparent().get(f"{W}anchor")].startswith("[1]教育部")
    style = find("//w:style[@w:styleId='CitationMark']//w:vertAlign", name="word/styles.xml")[0]
    assert style.get(f"{W}val") == "superscript"


# figures


def test_a_figure_has_its_words_its_size_and_is_stored_once():
    png = small_png()
    figure = FigureBlock("f", "题", '柱状图 <"&>', png, 640, 320)
    data = write_docx(only(exhibit(figure), exhibit(figure, "2")))
    shown = find("//wp:docPr", data)
    assert [e.get("descr") for e in shown] == ['柱状图 <"&>'] * 2
    assert len({e.get("id") for e in shown}) == 2
    names = [n for n in zipfile.ZipFile(io.BytesIO(data)).namelist() if "media" in n]
    assert len(names) == 1
    extent = find("//wp:extent", data)[0]
    assert int(extent.get("cx")) / 36000 == pytest.approx(640 / 200 * 25.4, abs=0.1)  # 200 dots an inch
    assert int(extent.get("cx")) == pytest.approx(2 * int(extent.get("cy")), abs=2)


def test_a_large_figure_is_made_to_fit():
    png = small_png(2400, 3600)
    data = write_docx(only(exhibit(FigureBlock("f", "题", "图", png, 2400, 3600))))
    layout, extent = load_layout("academic"), find("//wp:extent", data)[0]
    width, height = (int(extent.get(name)) / 36000 for name in ("cx", "cy"))
    assert width <= layout.text_width and height < 0.75 * layout.text_height
    assert height == pytest.approx(1.5 * width, rel=0.01)


def test_a_picture_without_a_density_has_that_of_our_figures():
    png = small_png()
    bare = png[:33] + png[33 + 21 :]  # without the chunk that states it
    assert b"pHYs" not in bare
    assert picture_size(bare)[0] == pytest.approx(640 / 160 * 25.4)


def test_everything_that_is_seen_can_be_heard():
    for preset, language in BOTH:
        data = written(preset, language)
        assert all(find("//wp:docPr/@descr", data)) and len(find("//wp:docPr/@descr", data)) == len(
            find("//w:drawing", data)
        )
        captions = find("//w:tbl[w:tblPr/w:tblStyle/@w:val='ThreeLineTable']/w:tblPr/w:tblCaption/@w:val", data)
        assert len(captions) == len(three_line_tables(data)) and all(captions)
        properties = part("docProps/core.xml", data)
        assert {e.tag.split("}")[1]: e.text for e in properties}["language"] == {"zh": "zh-CN", "en": "en-US"}[language]
        assert sample_document(language).title in {e.text or "" for e in properties} or any(
            (e.text or "").startswith(sample_document(language).title) for e in properties
        )


# texts


def test_rare_names_and_hostile_texts_are_nothing_but_text():
    texts = [text_of(e) for e in find("//w:p")]
    for name in RARE_NAMES.split("、"):
        assert any(name in text for text in texts)
    assert set(HOSTILE) <= {text.strip() for text in texts}
    codes = {code.split()[0] for code, _ in fields(part("word/document.xml")) if code}
    assert codes <= {"SEQ", "REF", "TOC", "PAGE"}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=30),
        min_size=2,
        max_size=2,
    )
)
def test_any_text_comes_back_from_a_cell_as_it_went_in(texts):
    data = write_docx(only(exhibit(table(tuple(texts)))))
    assert [cell.text for cell in three_line_tables(data)[0].rows[1].cells] == texts


def test_line_breaks_and_tabs_in_a_cell_stay_what_they_are():
    data = write_docx(only(exhibit(table(("第一行\n第二行", "甲\t乙")))))
    assert [cell.text for cell in three_line_tables(data)[0].rows[1].cells] == ["第一行\n第二行", "甲\t乙"]


@pytest.mark.parametrize("character", ["\x00", "\x0b", "\x1f", "\ufffe", "\ud800"])
def test_a_character_no_file_can_hold_is_refused_with_its_place(character):
    with pytest.raises(InputError) as error:
        write_docx(only(exhibit(table(("甲校", f"5{character}1")))))
    assert f"U+{ord(character):04X}" in error.value.found
    assert "第一部分" in error.value.where or "第 1 行" in error.value.where
    with pytest.raises(InputError):
        run(character)


def test_an_unknown_layout_is_refused():
    with pytest.raises(InputError, match="版式"):
        write_docx(sample_document(), preset="fancy")


def test_two_works_may_share_a_reference_and_an_empty_report_is_a_file():
    sample = sample_document()
    data = write_docx(only(p(Citation("[1]", "ref-1")), works=sample.works[:1]))
    assert len(find("//w:hyperlink[@w:anchor='_ref_1']", data)) == 1
    assert find("//w:body", write_docx(only(keywords=(), cover=(), subtitle="")))
