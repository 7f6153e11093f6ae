"""The Word file: its pages, first pages, styles, and the file as a whole."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace

import docx
import pytest
from docx_reading import (
    BOTH,
    PRESETS,
    W,
    exhibit,
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
from lxml import etree
from sample_document import WIDE_COUNT, sample_document

from qbresearch.language import speaking
from qbresearch.publication.docx import write_docx
from qbresearch.publication.docx.markup import NAMESPACES, run
from qbresearch.publication.model import Heading, ItemList, Text
from qbresearch.rules.layouts import load_layout

# pages


@pytest.mark.parametrize(("preset", "language"), BOTH)
def test_wide_tables_turn_the_page_and_it_turns_back(preset, language):
    data = written(preset, language)
    sections = docx.Document(io.BytesIO(data)).sections
    turned = [section.orientation == docx.enum.section.WD_ORIENT.LANDSCAPE for section in sections]
    assert sum(turned) == 1 and not turned[0] and not turned[-1]  # two wide tables in a row share a section
    for section, wide in zip(sections, turned, strict=True):
        assert (section.page_width > section.page_height) == wide
    (end,) = [s for s in find("//w:sectPr", data) if s.find(f"{W}pgSz").get(f"{W}orient") == "landscape"]
    room = int(end.find(f"{W}pgSz").get(f"{W}w")) - sum(
        int(end.find(f"{W}pgMar").get(f"{W}{s}")) for s in ("left", "right")
    )
    wide_tables = [t for t in find("//w:tbl", data) if len(t.find(f"{W}tblGrid")) == WIDE_COUNT]
    assert len(wide_tables) == 2
    assert all(abs(int(t.find(f"{W}tblPr/{W}tblW").get(f"{W}w")) - room) < 3 for t in wide_tables)


def test_a_report_may_begin_and_end_with_a_wide_table():
    wide = exhibit(table(tuple("1,234.56" for _ in range(12)), aligns="r" * 12))
    appendix = replace(sample_document().appendix, items=(replace(wide, number="2", anchor="tbl-2"),))
    data = write_docx(only(wide, appendix=appendix))
    turned = [s.find(f"{W}pgSz").get(f"{W}orient") for s in find("//w:sectPr", data)]
    assert turned == [None, None, None, "landscape", None, "landscape", None]
    assert part("word/document.xml", data)[0][-1].tag == f"{W}sectPr"


@pytest.mark.parametrize("preset", PRESETS)
def test_every_section_has_heads_and_feet_of_its_own(preset):
    kinds = {"academic": {"default"}, "gongwen": {"default", "even"}}[preset]
    data = written(preset)
    related = {r.get("Id"): r.get("Target") for r in part("word/_rels/document.xml.rels", data)}
    for section in find("//w:sectPr", data):
        for kind in ("header", "footer"):
            found = section.findall(f"{W}{kind}Reference")
            assert {ref.get(f"{W}type") for ref in found} == kinds
            for ref in found:
                xml = part("word/" + related[ref.get(f"{{{NAMESPACES['r']}}}id")], data)
                assert kind == "footer" or "模拟数据" in text_of(xml)
    assert bool(find("//w:evenAndOddHeaders", data, "word/settings.xml")) == (preset == "gongwen")


def test_official_pages_are_numbered_between_dashes_right_and_left():
    data = written("gongwen")
    feet = [part(name, data) for name in zipfile.ZipFile(io.BytesIO(data)).namelist() if name.startswith("word/footer")]
    assert [text_of(foot) for foot in feet] == ["— 1 —", "— 1 —"]
    assert [foot.find(f".//{W}jc").get(f"{W}val") for foot in feet] == ["right", "left"]
    assert len({text for foot in feet for text in foot.xpath(".//w:instrText/text()", namespaces=NAMESPACES)}) == 1


def test_the_cover_has_no_number_and_the_text_begins_with_one():
    numbers = [s.find(f"{W}pgNumType") for s in find("//w:sectPr")]
    shown = [None if n is None else (n.get(f"{W}fmt"), n.get(f"{W}start")) for n in numbers]
    assert shown == [None, ("upperRoman", "1"), ("decimal", "1"), None, None]


def test_real_data_carry_no_mark():
    sample = sample_document()
    sections = tuple(replace(s, opening=s.opening and replace(s.opening, simulated=False)) for s in sample.sections)
    data = write_docx(replace(sample, sections=sections))
    heads = [name for name in zipfile.ZipFile(io.BytesIO(data)).namelist() if name.startswith("word/header")]
    assert heads and not any("模拟数据" in etree.tostring(part(name, data), encoding="unicode") for name in heads)
    assert not paragraphs("Notice", data)
    assert len(paragraphs("Notice")) == 1


@pytest.mark.parametrize("preset", PRESETS)
def test_the_page_is_the_one_the_layout_states(preset):
    layout = load_layout(preset)
    size, margins = find("//w:sectPr/w:pgSz", written(preset))[0], find("//w:sectPr/w:pgMar", written(preset))[0]
    shown = [int(size.get(f"{W}{name}")) for name in ("w", "h")] + [
        int(margins.get(f"{W}{n}")) for n in ("top", "left")
    ]
    wanted = [layout.measures[name] for name in ("page_width", "page_height", "top", "left")]
    assert shown == [round(value / 25.4 * 1440) for value in wanted]


def test_official_pages_hold_22_lines_of_28_characters():
    data = written("gongwen")
    grid = find("//w:sectPr/w:docGrid", data)[0]
    assert grid.get(f"{W}type") == "lines"
    assert 21.99 < 225 / 25.4 * 1440 / int(grid.get(f"{W}linePitch")) < 22.99
    body = find("//w:style[@w:styleId='BodyText']/w:rPr", data, "word/styles.xml")[0]
    each = int(body.find(f"{W}sz").get(f"{W}val")) / 2 + int(body.find(f"{W}spacing").get(f"{W}val")) / 20
    assert 28 <= 156 / 25.4 * 72 / each < 29


# front matter and contents


@pytest.mark.parametrize(("preset", "language"), BOTH)
def test_the_contents_are_filled_with_the_headings_word_would_find(preset, language):
    data = written(preset, language)
    listed = [(level, text_of(e)) for e in find("//w:sdtContent/w:p", data) for level in (1, 2)
              if e.find(f"{W}pPr/{W}pStyle").get(f"{W}val") == f"TOC{level}"]  # fmt: skip
    heads = [(level, text_of(e)) for e in find("//w:body/w:p", data) for level in (1, 2)
             if e.find(f"{W}pPr/{W}pStyle").get(f"{W}val") == f"Heading{level}"]  # fmt: skip
    assert listed == heads and len(heads) >= 10
    code = find("string(//w:sdtContent//w:instrText)", data)
    assert code.split() == ["TOC", "\\o", '"1-2"', "\\h", "\\z", "\\u"]
    assert not find("//@w:dirty", data) and not find("//w:updateFields", data, "word/settings.xml")
    begins, ends = (len(find(f"//w:fldChar[@w:fldCharType='{kind}']", data)) for kind in ("begin", "end"))
    assert begins == ends


def test_the_first_pages_say_what_the_report_is_and_found():
    texts = [text_of(e) for e in find("//w:body/w:p")]
    assert texts[0] == "测试县2024—2025 学年义务教育优质均衡发展研究报告"
    assert texts[1].startswith("——依据县域")
    assert "县（市、区）：测试县（代码 990101）" in texts and "关键词：义务教育；优质均衡；校际差异系数；县域" in texts
    findings = [text_of(e) for e in paragraphs("Abstract")]
    assert findings[0].startswith("✓ 达标　测试县小学七项") and len(findings) == 4
    assert "三、资源与质量的关联：未能生成，本报告缺这一部分的结果。" in texts
    assert any(text.startswith("本节未能生成：关联分析需要监测结果") for text in texts)
    verdicts = three_line_tables(written())[0]
    shown = [[cell.text for cell in row.cells] for row in verdicts.rows[1:]]
    assert shown[1] == ["初中资源配置 *", "× 未达标", "9 所，达标 6 所", "0.531（超过上限）\n生均教学仪器设备值"]
    assert shown[2] == ["一贯制资源配置 *", "？ 无法判定", "3 所", "—"]


def test_headings_are_words_own_and_in_order():
    found = docx.Document(io.BytesIO(written()))
    heads = [(para.style.name, para.text) for para in found.paragraphs if para.style.name.startswith("Heading")]
    document = sample_document()
    expected = []
    for section in document.sections:
        expected.append(("Heading 1", section.heading))
        expected += [(f"Heading {h.depth + 1}", h.number) for h in section.items if isinstance(h, Heading)]
    middle = heads[3:-2]
    assert [name for name, _ in middle] == [name for name, _ in expected]
    assert all(text.startswith(start) for (_, text), (_, start) in zip(middle, expected, strict=True))
    assert [text for _, text in heads[:3]] == ["摘要", "总体结论", "阅读须知"]
    assert [text for _, text in heads[-2:]] == ["参考文献", "附录：参数、数据来源、规则与软件版本"]
    levels = [e.get(f"{W}val") for e in find("//w:outlineLvl", name="word/styles.xml")]
    assert levels == ["0", "1", "2", "3", "4"]


def test_an_english_report_has_no_chinese_words_of_ours():
    sample = sample_document("en")
    data = write_docx(replace(sample, works=(), sections=(replace(sample.sections[0], items=()),)))
    parts = [
        n
        for n in zipfile.ZipFile(io.BytesIO(data)).namelist()
        if re.match(r"word/(document|header|footer|footnotes)", n)
    ]
    texts = [text for name in parts for text in part(name, data).xpath("//w:t/text()", namespaces=NAMESPACES)]
    chinese = [text for text in texts if re.search(r"[\u3400-\u9fff]", text) and "教督" not in text]
    assert not chinese
    names = find("//w:style/w:name/@w:val", data, "word/styles.xml")
    assert not [name for name in names if re.search(r"[\u3400-\u9fff]", name)]
    assert len(names) == len(set(names))


def test_lists_are_words_own_and_each_begins_where_it_says():
    numbering = part("word/numbering.xml")
    nums = {n.get(f"{W}numId"): n for n in numbering.findall(f"{W}num")}
    entries = [(text_of(e), e.find(f"{W}pPr/{W}numPr")) for e in paragraphs("ListParagraph")]
    found = {text: mark for text, mark in entries if mark is not None}

    def place(text: str) -> tuple[str, str, str | None]:
        mark = next(found[t] for t in found if t.startswith(text))
        number = nums[mark.find(f"{W}numId").get(f"{W}val")]
        kind = number.find(f"{W}abstractNumId").get(f"{W}val")
        start = number.find(f"{W}lvlOverride/{W}startOverride")
        return mark.find(f"{W}ilvl").get(f"{W}val"), kind, None if start is None else start.get(f"{W}val")

    assert place("先整理各校数据") == ("0", "1", "1")
    assert place("在校学生数") == ("1", "0", None)
    assert place("从第五条开始") == ("0", "1", "5")
    continued = next(e for e in paragraphs("ListParagraph") if text_of(e) == "同一条目的第二段。")
    assert continued.find(f"{W}pPr/{W}numPr") is None and continued.find(f"{W}pPr/{W}ind") is not None


def test_ordered_lists_within_lists_count_for_themselves():
    inner = ItemList(((p("甲"),), (p("乙"),)), ordered=True)
    data = write_docx(only(ItemList(((p("一"), inner), (p("二"), inner)), ordered=True), ItemList(((inner,),))))
    numbers = part("word/numbering.xml", data).findall(f"{W}num")
    overrides = [(o.get(f"{W}ilvl"), o[0].get(f"{W}val")) for n in numbers for o in n.findall(f"{W}lvlOverride")]
    assert overrides == [("0", "1"), ("1", "1"), ("1", "1"), ("1", "1")]


# fonts, styles, settings


@pytest.mark.parametrize(("preset", "language"), BOTH)
def test_fonts_are_named_for_every_script_and_never_taken_from_a_theme(preset, language):
    data = written(preset, language)
    for name in zipfile.ZipFile(io.BytesIO(data)).namelist():
        if name.startswith("word/") and name.endswith(".xml") and "theme" not in name:
            assert not part(name, data).xpath("//w:rFonts/@*[contains(name(), 'Theme')]", namespaces=NAMESPACES)
    for style in find("//w:style[@w:type='paragraph'][@w:styleId!='Normal']", data, "word/styles.xml"):
        face = style.find(f"{W}rPr/{W}rFonts")
        assert {a.removeprefix(W) for a in face.attrib} == {"ascii", "hAnsi", "eastAsia", "cs"}
    known = set(find("//w:font/@w:name", data, "word/fontTable.xml"))
    used = set(find("//w:rFonts/@w:eastAsia", data, "word/styles.xml"))
    assert used <= known | {"黑体", "楷体"}
    assert not any("GB2312" in name for name in used)  # those lack 鄠浉瀍猇硚沚埇


@pytest.mark.parametrize("preset", PRESETS)
def test_word_opens_it_as_its_own_in_chinese_and_asks_nothing(preset):
    data = written(preset)
    modes = {s.get(f"{W}name"): s.get(f"{W}val") for s in find("//w:compatSetting", data, "word/settings.xml")}
    assert modes["compatibilityMode"] == "15"
    languages = find("//w:lang", data, "word/styles.xml")
    assert {lang.get(f"{W}eastAsia") for lang in languages} == {"zh-CN"}
    assert not find("//w:lang", data)


def test_lines_are_never_cut_by_their_spacing():
    for preset in PRESETS:
        rules = find("//w:spacing/@w:lineRule", written(preset), "word/styles.xml")
        assert rules and set(rules) == {"atLeast"}
        assert not find("//w:spacing[@w:line]", written(preset))


def test_first_lines_are_set_in_by_characters():
    indent = find("//w:style[@w:styleId='BodyText']//w:ind", name="word/styles.xml")[0]
    assert (indent.get(f"{W}firstLineChars"), indent.get(f"{W}firstLine")) == ("200", "480")


def test_looks_come_from_styles():
    used = set(find("//w:pStyle/@w:val | //w:rStyle/@w:val | //w:tblStyle/@w:val"))
    for name in zipfile.ZipFile(io.BytesIO(written())).namelist():
        if re.match(r"word/(header|footer|footnotes)", name):
            used |= set(part(name).xpath("//w:pStyle/@w:val | //w:rStyle/@w:val", namespaces=NAMESPACES))
    assert used <= set(find("//w:style/@w:styleId", name="word/styles.xml"))
    direct = {e.tag.removeprefix(W) for e in find("//w:body//w:r/w:rPr/*")}
    assert direct <= {"rStyle", "rFonts", "i", "iCs", "b", "bCs"}
    assert not find("//w:body//w:r/w:rPr/w:rFonts/@*[name() != 'w:hint']")


def test_punctuation_both_scripts_share_is_drawn_with_the_chinese_font():
    assert 'w:hint="eastAsia"' in run("“引号”与——、……")
    assert 'w:hint="eastAsia"' in run("—")
    assert "hint" not in run("it’s “quoted” — so")
    assert "hint" not in run("没有")


def test_chinese_emphasis_is_another_face_and_not_slanted():
    data = write_docx(only(p(Text("强调", emphasis=True), Text("stress", emphasis=True))))
    chinese, latin = (r for r in find("//w:r[w:rPr/w:rStyle/@w:val='Emphasis']", data))
    assert chinese.find(f"{W}rPr/{W}i") is None and latin.find(f"{W}rPr/{W}i") is not None
    face = find("//w:style[@w:styleId='Emphasis']//w:rFonts", data, "word/styles.xml")[0]
    assert face.get(f"{W}eastAsia") == "楷体"


# the file


@pytest.mark.parametrize(("preset", "language"), BOTH)
def test_the_same_report_gives_the_same_bytes(preset, language):
    with speaking("en" if language == "zh" else "zh"):  # whatever language happens to be in force
        assert write_docx(sample_document(language), preset=preset) == written(preset, language)


def test_no_clock_and_no_machine_is_in_the_file():
    with zipfile.ZipFile(io.BytesIO(written())) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.namelist()[0] == "[Content_Types].xml"
    dates = {e.text for e in part("docProps/core.xml") if "created" in e.tag or "modified" in e.tag}
    assert dates == {"1980-01-01T00:00:00Z"}


def test_every_part_is_declared_and_related():
    with zipfile.ZipFile(io.BytesIO(written())) as archive:
        names = set(archive.namelist())
    declared = {e.get("PartName").lstrip("/") for e in part("[Content_Types].xml") if e.get("PartName")}
    assert declared == {n for n in names if n.endswith(".xml") and n != "[Content_Types].xml"}
    targets = {e.get("Target") for e in part("word/_rels/document.xml.rels") if e.get("TargetMode") != "External"}
    assert {f"word/{target}" for target in targets} <= names


@pytest.mark.system
@pytest.mark.parametrize(("preset", "language"), BOTH)
def test_the_file_keeps_to_the_schema_of_its_format(preset, language, tmp_path):
    audit = pytest.importorskip("openxml_audit")
    path = tmp_path / "report.docx"
    path.write_bytes(written(preset, language))
    result = audit.OpenXmlValidator().validate(path)
    assert result.is_valid and not list(result.errors)
