"""Prose of notebooks in a document: references, text, equations, notes and signs, and what is refused in them."""

from __future__ import annotations

from typing import Any

import pytest
from nbformat.v4 import new_markdown_cell
from report_parts import PNG, build, figure, items, part, table

from qbresearch.errors import InputError
from qbresearch.exhibits.blocks import (
    EquationBlock,
    FigureBlock,
    FindingBlock,
    TableBlock,
)
from qbresearch.publication.model import (
    Break,
    Equation,
    Exhibit,
    Finding,
    ItemList,
    Link,
    Note,
    Paragraph,
    Quotation,
    Reference,
    Text,
    Verbatim,
    plain_text,
)

# references


def test_references_become_labels_in_text_findings_and_notes_even_right_after_chinese() -> None:
    document = build(
        part(table("old"), notebook="10-data-check"),
        part(
            new_markdown_cell("见@tbl-cv与**@fig-cv。**"),
            FindingBlock("f", "如@tbl-cv所示", key=True),
            table("cv", notes=("另见@fig-cv。",)),
            figure("cv"),
        ),
    )
    assert plain_text(items(document, Paragraph)[0].words) == "见表2与图1。"
    assert document.summary[0].words == (Text("如"), Reference("表2", "tbl-2"), Text("所示"))
    assert items(document, Exhibit)[1].notes == ((Text("另见"), Reference("图1", "fig-1"), Text("。")),)


def test_each_notebook_refers_to_its_own_exhibits() -> None:
    cells = (new_markdown_cell("见@tbl-cv"), table("cv"))
    document = build(part(*cells, stage="primary"), part(*cells, stage="junior"))
    assert [plain_text(p.words) for p in items(document, Paragraph)] == ["见表1", "见表2"]


@pytest.mark.parametrize("text", ["见@tbl-none", "见@fig-cv", "见@tbl-", "- 列\n- 见@tbl-none", "**见@tbl-none**"])
def test_an_unknown_reference_is_refused_with_notebook_cell_and_reference(text: str) -> None:
    with pytest.raises(InputError) as caught:
        build(part(table("cv"), new_markdown_cell(text)))
    message = str(caught.value)
    assert "笔记本 20-resource-balance--" in message
    assert "第 3 个单元格" in message
    assert text[text.index("@") :].strip("*") in message
    assert "@tbl-cv" in message


def test_an_unknown_reference_in_a_finding_or_note_is_refused() -> None:
    for block in (FindingBlock("f", "见@tbl-none"), table("cv", notes=("见@fig-none",))):
        with pytest.raises(InputError, match="none"):
            build(part(block))


def test_the_blank_after_a_reference_goes_before_chinese_and_stays_before_latin() -> None:
    text = new_markdown_cell("@tbl-cv 列出。@tbl-cv and")
    document = build(part(text, FindingBlock("f", "@tbl-cv 列出"), table("cv")))
    assert plain_text(items(document, Paragraph)[0].words) == "表1列出。表1 and"
    assert items(document, Finding)[0].words == (Reference("表1", "tbl-1"), Text("列出"))


def test_a_reference_inside_code_is_left_alone() -> None:
    document = build(part(new_markdown_cell("写作 `@tbl-ID`")))
    assert plain_text(items(document, Paragraph)[0].words) == "写作 @tbl-ID"


def test_two_tables_of_one_notebook_may_not_share_an_id() -> None:
    with pytest.raises(InputError, match="@tbl-cv"):
        build(part(table("cv"), table("cv")))
    build(part(table("cv"), figure("cv")))


# text


def test_lines_of_chinese_are_joined_without_a_blank() -> None:
    document = build(part(new_markdown_cell("第一行\n第二行 and\nEnglish")))
    assert plain_text(items(document, Paragraph)[0].words) == "第一行第二行 and English"


def test_bold_text_ending_in_punctuation_is_bold() -> None:
    document = build(part(new_markdown_cell("**注意：**下文")))
    assert items(document, Paragraph)[0].words == (Text("注意：", strong=True), Text("下文"))


def test_lists_quotations_code_and_notes_keep_their_structure() -> None:
    text = "1. 甲[^a]\n   - 子\n2. 乙\n\n> 引文\n\n```\nx = 1\n```\n\n正文[^b]。\n\n[^a]: 注**一**\n[^b]: 注二"
    document = build(part(new_markdown_cell(text), stage="primary"), part(new_markdown_cell("又[^a]。\n\n[^a]: 注三"), stage="junior"))
    found = items(document, ItemList)[0]
    assert found.ordered
    assert [type(item) for item in found.entries[0]] == [Paragraph, ItemList]
    assert found.entries[0][0].words == (Text("甲"), Note(1, (Text("注"), Text("一", strong=True))))
    assert items(document, Quotation) == [Quotation((Paragraph((Text("引文"),)),))]
    assert items(document, Verbatim) == [Verbatim("x = 1")]
    assert [word.number for p in items(document, Paragraph) for word in p.words if isinstance(word, Note)] == [2, 3]


def test_equations_are_numbered_and_referred_to_and_plain_ones_are_not() -> None:
    block = EquationBlock("cv", r"CV = \frac{s}{\bar x}", "差异系数等于标准差除以均值")
    document = build(part(new_markdown_cell("见@eq-cv。\n\n$$x=1$$"), block))
    assert plain_text(items(document, Paragraph)[0].words) == "见式（1）。"
    assert [(e.number, e.anchor, e.alt) for e in items(document, Equation)] == [
        ("", "", "x=1"), ("1", "eq-1", "差异系数等于标准差除以均值"),
    ]


@pytest.mark.parametrize("cell", ["见 $\\href{x}{y}$。", "$$\n\\begin\n$$"])
def test_a_formula_that_cannot_be_set_is_refused_with_its_cell(cell: str) -> None:
    with pytest.raises(InputError, match="第 2 个单元格"):
        build(part(new_markdown_cell(cell)))


def test_works_are_numbered_by_first_citation_and_listed_once() -> None:
    text = "甲[@holm-1979]，乙[@oster-2019; @holm-1979]。"
    document = build(part(new_markdown_cell(text), FindingBlock("f", "丙[@oster-2019]")))
    assert plain_text(items(document, Paragraph)[0].words) == "甲[1]，乙[1-2]。"
    assert [work.number for work in document.works] == [1, 2]
    assert "Holm" in document.works[0].text
    assert items(document, Finding)[0].words[1].anchor == "ref-2"


def test_an_unknown_work_is_refused_with_its_cell() -> None:
    with pytest.raises(InputError, match="holm-1999") as caught:
        build(part(new_markdown_cell("甲[@holm-1999]")))
    assert "第 2 个单元格" in str(caught.value)


@pytest.mark.parametrize(
    ("block", "place"),
    [
        (FindingBlock("f", "校名\U0001f600"), "第一部分"),
        (table(rows=(("\ue000校", "1"),)), "表1第 1 行"),
        (table(notes=("\ue000",)), "表1注"),
    ],
)
def test_a_character_no_font_can_draw_stops_the_report_with_its_place(block: Any, place: str) -> None:
    with pytest.raises(InputError, match="字体画不出的字") as caught:
        build(part(block))
    assert place in str(caught.value)
    assert "U+E000" in str(caught.value) or "U+1F600" in str(caught.value)


def test_rare_names_of_counties_can_be_drawn() -> None:
    build(part(FindingBlock("f", "鄠邑区、浉河区、瀍河回族区、猇亭区、硚口区、湾沚区、埇桥区、㵲水街道")))


# what leads nowhere


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("甲[^x]。", "[^x]"),
        ("见[@moe-2017, p. 5]", "[@moe-2017, p. 5]"),
        ("据@moe-2017规定", "@moe-2017"),
        ("据 @cv-method 计算", "@cv-method"),
        ("[见 @holm-1979]", "@holm-1979"),
        ("**见@Tbl-cv**", "@Tbl-cv"),
        ("- 见@table-cv", "@table-cv"),
        ("> 见 @sec-1", "@sec-1"),
        ("## 见@Figure-1", "@Figure-1"),
        ("甲[^a]\n\n[^a]: 见@TBL-cv", "@TBL-cv"),
    ],
)
def test_what_was_meant_as_a_reference_and_is_none_is_refused(text: str, found: str) -> None:
    with pytest.raises(InputError) as caught:
        build(part(table("cv"), new_markdown_cell(text)))
    assert caught.value.found == found
    assert "第 3 个单元格" in caught.value.where


@pytest.mark.parametrize("found", ["[^x]", "[@moe-2017, p. 5]", "@moe-2017", "@Tbl-cv", "@sec-1"])
def test_it_is_refused_in_findings_and_notes_too(found: str) -> None:
    for block in (FindingBlock("f", f"见{found}"), table("cv", notes=(f"见{found}",))):
        with pytest.raises(InputError) as caught:
            build(part(block))
        assert caught.value.found == found
        assert "第 2 个单元格" in caught.value.where


@pytest.mark.parametrize(
    "block",
    [
        TableBlock("t", "见@tbl-cv", ({"label": "甲", "align": "left"},), (("1",),)),
        TableBlock("t", "题", ({"label": "见@tbl-cv", "align": "left"},), (("1",),)),
        TableBlock("t", "题", ({"label": "甲", "align": "left"},), (("1",),), heads=(("见@tbl-cv", 1),)),
        table(rows=(("甲校", "见[@moe-2017]"),)),
        table(source="据@moe-2017"),
        FigureBlock("f", "题[^1]", "说明", PNG, 640, 320),
        FigureBlock("f", "题", "见@tbl-cv", PNG, 640, 320),
        EquationBlock("e", "x", "见@tbl-cv"),
    ],
)
def test_a_reference_where_none_is_resolved_is_refused_with_block_and_place(block: Any) -> None:
    with pytest.raises(InputError, match="只写在 Markdown 正文") as caught:
        build(part(block))
    assert "第 2 个单元格" in caught.value.where
    assert block.id in caught.value.where


def test_addresses_handles_escaped_signs_and_code_are_no_references() -> None:
    text = "邮箱 a@moe-2017.cn、微信 @lixiaoming、\\[^1\\]、\\@moe-2017、`[^x] @sec-1`"
    document = build(part(new_markdown_cell(text), table(rows=(("a@sec-1.cn", "@lixiaoming"),), source="b@moe-2017.cn")))
    shown = plain_text(items(document, Paragraph)[0].words)
    assert shown == "邮箱 a@moe-2017.cn、微信 @lixiaoming、[^1]、@moe-2017、[^x] @sec-1"


# notes


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("甲[^a]\n\n[^a]: 见[^b]\n[^b]: 乙", "脚注里又引了脚注"),
        ("甲[^a]\n\n[^a]: 见[^a]", "脚注里又引了脚注"),
        ("甲[^a]\n\n[^a]: 乙\n\n    - 丙", "脚注里有列表"),
        ("甲[^a]\n\n[^a]: 乙\n\n        x = 1", "脚注里有列表、代码"),
        ("甲\n\n[^a]: 乙", "却没有引它"),
        ("[^a]: 乙", "却没有引它"),
        ("甲[^a]，乙[^a]\n\n[^a]: 丙", "引了两次"),
        ("甲[^a]\n\n[^a]: 乙\n[^a]: 丙", "定义了两次"),
        ("甲[^b]\n\n[^a]: 乙", "没有定义的脚注"),
    ],
)
def test_a_note_is_defined_once_called_once_and_holds_words_only(text: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        build(part(new_markdown_cell(text)))
    assert problem in caught.value.problem
    assert caught.value.found in ("[^a]", "[^b]")
    assert "第 2 个单元格" in caught.value.where


def test_a_note_may_have_several_paragraphs() -> None:
    text = "甲[^a]。\n\n[^a]: 一\n    续，见@tbl-cv\n\n    二 **粗**\n\n乙"
    document = build(part(new_markdown_cell(text), table("cv")))
    first, second = items(document, Paragraph)
    said = (Text("一"), Text("续，见"), Reference("表1", "tbl-1"), Break(), Text("二 "), Text("粗", strong=True))
    assert first.words == (Text("甲"), Note(1, said), Text("。"))
    assert second.words == (Text("乙"),)


# signs


def test_entities_are_characters_except_in_code_and_behind_a_backslash() -> None:
    text = "人数 &lt;5、&#8212;、&#x4e00;、a&nbsp;b、R&D、&not x、\\&lt;、`&lt;`"
    document = build(part(new_markdown_cell(text)))
    assert plain_text(items(document, Paragraph)[0].words) == "人数 <5、—、一、a\xa0b、R&D、&not x、&lt;、&lt;"


@pytest.mark.parametrize("text", ["式 $$x$$ 中", "- $$x$$", "- 甲\n\n  $$\n  x\n  $$"])
def test_a_displayed_formula_inside_a_paragraph_or_list_is_refused_with_its_own_sentence(text: str) -> None:
    with pytest.raises(InputError, match="单独成行") as caught:
        build(part(new_markdown_cell(text)))
    assert caught.value.found == "$$x$$"


def test_the_scheme_of_a_link_may_be_in_capitals() -> None:
    document = build(part(new_markdown_cell("[甲](HTTPS://Example.org/A)")))
    assert items(document, Paragraph)[0].words == (Link("https://Example.org/A", "甲"),)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("甲[^a]\n乙\n\n[^a]: 丙", "甲乙"),
        ("甲[@holm-1979]\n乙", "甲[1]乙"),
        ("甲\n[@holm-1979]。", "甲[1]。"),
        ("甲\n[@holm-1979]", "甲[1]"),
        ("见@tbl-cv\n所列", "见表1所列"),
        ("见\n@tbl-cv", "见表1"),
        ("a[^a]\nb\n\n[^a]: 丙", "a b"),
        ("甲[^a]\nb\n\n[^a]: 丙", "甲 b"),
    ],
)
def test_marks_at_a_line_end_make_no_blank_between_chinese(text: str, shown: str) -> None:
    document = build(part(new_markdown_cell(text), table("cv")))
    assert plain_text(items(document, Paragraph)[0].words) == shown
