"""Notebooks to document: sections, numbers, titles and records, and what must never get in."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from report_parts import (
    COUNTY,
    PNG,
    build,
    county,
    figure,
    items,
    opening,
    part,
    shown,
    table,
)

from qbresearch.errors import InputError
from qbresearch.exhibits.blocks import (
    BLOCK_MIME,
    AbsentBlock,
    FigureBlock,
    FindingBlock,
    RecordBlock,
)
from qbresearch.publication.document import (
    Part,
    build_document,
    error_cell,
    merge_stages,
)
from qbresearch.publication.model import (
    Exhibit,
    Finding,
    Heading,
    Paragraph,
    Text,
    plain_text,
)
from qbresearch.publication.wording import (
    chinese_number,
    judged_head,
    school_year_label,
    verdict_columns,
)

# order and numbers


def test_sections_stand_in_order_of_notebook_then_primary_before_junior_before_others() -> None:
    document = build(
        part(title="丁", notebook="30-attainment", stage="primary"),
        part(title="丙", stage="complete"),
        part(title="乙", stage="junior"),
        part(title="甲", stage="primary"),
        part(title="首", notebook="10-data-check"),
    )
    assert [s.title for s in document.sections] == ["首", "甲", "乙", "丙", "丁"]
    assert [s.number for s in document.sections] == ["一", "二", "三", "四", "五"]


def test_tables_and_figures_are_numbered_through_the_whole_report() -> None:
    first = part(table("a"), figure("a"), table("b"), stage="primary")
    document = build(first, part(figure("a"), table("a"), stage="junior"))
    assert [e.label for e in items(document, Exhibit)] == ["表1", "图1", "表2", "图2", "表3"]
    assert [e.anchor for e in items(document, Exhibit)] == ["tbl-1", "fig-1", "tbl-2", "fig-2", "tbl-3"]


def test_a_missing_section_takes_no_numbers_but_keeps_its_place() -> None:
    lost = Part({"name": "x", "notebook": "20-resource-balance", "parameters": COUNTY}, "资源配置", refusal="失败")
    document = build(lost, part(table(), notebook="30-attainment", title="学业"))
    found = [(section.number, section.title, section.refusal) for section in document.sections]
    assert found == [("一", "资源配置", "失败"), ("二", "学业", "")]
    assert document.missing == document.sections[:1]
    assert items(document, Exhibit)[0].label == "表1"


def test_headings_are_demoted_and_numbered_the_chinese_way() -> None:
    text = "# 笔记本名\n\n导语\n\n## 甲\n\n### 子\n\n### 丑\n\n## 乙\n\n#### 跳级"
    document = build(part(new_markdown_cell(text)))
    assert [(h.number, h.text, h.depth) for h in items(document, Heading)] == [
        ("（一）", "笔记本名", 1), ("1. ", "甲", 2), ("（1）", "子", 3), ("（2）", "丑", 3), ("2. ", "乙", 2),
        ("（1）", "跳级", 3),
    ]


def test_the_heading_that_names_the_notebook_gives_way_to_the_section_heading() -> None:
    cells = [new_markdown_cell("# 资源配置\n\n导语"), shown(opening()), new_markdown_cell("## 甲")]
    document = build(Part(part().job, "", new_notebook(cells=cells)))
    assert [(h.number, h.text) for h in items(document, Heading)] == [("（一）", "甲")]
    assert plain_text(items(document, Paragraph)[0].words) == "导语"


def test_a_heading_does_not_stay_without_what_stood_below_it() -> None:
    nothing = AbsentBlock("a", "无")
    cells = [
        new_markdown_cell("## 空章"), new_markdown_cell("### 空节\n\n见 @tbl-a。"), nothing,
        new_markdown_cell("## 有章"), new_markdown_cell("### 有节"), table(),
        new_markdown_cell("## 引出\n\n见 @tbl-b。"), AbsentBlock("b", "无"), new_markdown_cell("见 @tbl-c。"), AbsentBlock("c", "无"),
        new_markdown_cell("## 末章"), nothing, county(),
    ]
    document = build(part(*cells))
    assert [h.text for h in items(document, Heading)] == ["有章", "有节"]


def test_the_only_notebook_of_a_whole_report_gives_its_headings_as_sections() -> None:
    text = ["引言。", "## 甲\n\n### 子\n\n见 @tbl-cv。", "## 乙"]
    cells = [new_markdown_cell(text[0]), new_markdown_cell(text[1]), table(), county(), new_markdown_cell(text[2]), figure()]
    cells.append(FindingBlock("a", "先说的。", key=True))
    cells.insert(2, FindingBlock("b", "更早说的。", key=True))
    document = build(part(*cells, notebook="80-county-research-report", plan_id="guzhen-2025"))
    assert [(s.number, s.title, s.begins) for s in document.sections] == [("一", "甲", True), ("二", "乙", False)]
    assert [(h.number, h.text) for h in items(document, Heading)] == [("（一）", "子")]
    assert plain_text(document.sections[0].items[0].words) == "引言。"
    assert [plain_text(f.words) for f in document.summary] == ["更早说的。", "先说的。"]
    assert [len(item.block.rows) for item in document.appendix.items if getattr(item, "block", None) and item.block.id == "runs"] == [1]
    assert document.title == "云岭县县域义务教育优质均衡发展研究报告（2024—2025 学年）"
    assert document.title_lines == ("云岭县", "县域义务教育优质均衡发展研究报告", "（2024—2025 学年）")


def test_a_text_that_only_announces_what_is_absent_goes_with_it() -> None:
    nothing = AbsentBlock("schools", "规划没有学校名单")
    cells = [
        new_markdown_cell("## 甲\n\n见 @tbl-cv。"), table(), new_markdown_cell("## 乙\n\n见 @tbl-schools。"), nothing,
        new_markdown_cell("## 丙\n\n丙的话。"), AbsentBlock("a", "无"), new_markdown_cell("还有一句。"),
        new_markdown_cell("## 丁"), nothing, table("rest"),
    ]
    document = build(part(*cells))
    assert [h.text for h in items(document, Heading)] == ["甲", "丙", "丁"]
    assert [plain_text(p.words) for p in items(document, Paragraph)] == ["见 表1。", "还有一句。"]
    assert [e.label for e in items(document, Exhibit)] == ["表1", "表2"]


@pytest.mark.parametrize(("value", "text"), [(1, "一"), (10, "十"), (11, "十一"), (20, "二十"), (99, "九十九"), (100, "100")])
def test_chinese_numbers(value: int, text: str) -> None:
    assert chinese_number(value) == text


def test_school_years_are_named_by_both_years() -> None:
    assert school_year_label(2024) == school_year_label("2024") == "2024—2025 学年"
    assert school_year_label("2024 秋") == "2024 秋"


# what never gets in


def test_only_blocks_reach_the_document() -> None:
    printed = new_code_cell(
        "secret_code()",
        outputs=[
            new_output("stream", name="stdout", text="printed text"),
            new_output("display_data", data={"text/html": "<b>loose html</b>", "image/png": "AAAA"}),
        ],
    )
    document = build(part(printed, FindingBlock("f", "一句话")))
    assert [type(item) for item in document.sections[0].items] == [Finding]
    assert "secret_code" not in repr(document)
    assert "printed text" not in repr(document)


def test_cells_tagged_remove_cell_stay_out() -> None:
    hidden = new_markdown_cell("给分析者看的说明", metadata={"tags": ["remove-cell"]})
    assert not items(build(part(hidden)), Paragraph)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("![图](http://example.org/a.png)", "图片"), ("|a|b|\n|-|-|\n|1|2|", "表格"), ("<div onclick=x>y</div>", "HTML"),
        ("字<b>粗</b>", "HTML"), ("[表](../data/raw/x.xlsx)", "网址"), ("[a](javascript:alert(1))", "网址"),
    ],
)  # fmt: skip
def test_what_belongs_into_a_block_or_leads_out_of_the_report_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        build(part(new_markdown_cell(text)))
    assert "第 2 个单元格" in str(caught.value)


def test_error_outputs_are_found() -> None:
    broken = new_code_cell("1/0", outputs=[new_output("error", ename="ZeroDivisionError", evalue="", traceback=[])])
    assert error_cell(new_notebook(cells=[new_markdown_cell("x"), broken])) == 2
    assert error_cell(new_notebook(cells=[shown(opening())])) is None


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (table(rows=(("甲校",),)), "列数"),
        (table(tones=("met", "met")), "tones"),
        (table(tones=("good",)), "语气"),
        (table("编号"), "id"),
        (FindingBlock("f", "x", tone="good"), "语气"),
        (FigureBlock("f", "题", " ", PNG, 640, 320), "alt"),
        (FigureBlock("f", "题", "说明", b"<svg onload=alert(1)>", 640, 320), "PNG"),
    ],
)
def test_malformed_blocks_are_refused_with_their_place(block: Any, words: str) -> None:
    data = {BLOCK_MIME: block.to_dict(), "image/png": base64.b64encode(getattr(block, "png", b"")).decode()}
    with pytest.raises(InputError) as caught:
        build(part(new_code_cell("", outputs=[new_output("display_data", data=data)])))
    assert words in str(caught.value)
    assert "第 2 个单元格" in str(caught.value)


@pytest.mark.parametrize(
    "data", [{"kind": "poem"}, {"kind": "finding", "id": "f"}, {"kind": "finding", "colour": "red"}]
)
def test_unknown_kinds_and_fields_are_refused(data: dict[str, str]) -> None:
    cell = new_code_cell("", outputs=[new_output("display_data", data={BLOCK_MIME: data})])
    with pytest.raises(InputError, match="第 2 个单元格"):
        build(part(cell))


def test_a_notebook_needs_exactly_one_opening() -> None:
    job = part().job
    for cells in ([], [shown(opening()), shown(opening())]):
        with pytest.raises(InputError, match="开篇块"):
            build_document([Part(job, "", new_notebook(cells=cells))], run_id="demo", packages={})


# languages


def test_cells_speak_the_language_of_their_job() -> None:
    cells = [
        new_markdown_cell("## 甲"), new_markdown_cell("## One", metadata={"tags": ["lang-en"]}),
        table("cv"), new_markdown_cell("见@tbl-cv"),
        new_markdown_cell("See @tbl-cv.", metadata={"tags": ["lang-en"]}),
    ]
    chinese, english = build(part(*cells)), build(part(*cells, language="en"))
    assert [h.text for h in items(chinese, Heading)] == ["甲"]
    assert [(h.number, h.text) for h in items(english, Heading)] == [("1.1 ", "One")]
    assert [plain_text(p.words) for p in items(english, Paragraph)] == ["See Table 1."]
    assert (english.sections[0].number, english.language) == ("1", "en")
    assert "Appendix" in english.appendix.title


def test_a_notebook_without_a_word_in_the_language_asked_for_is_refused() -> None:
    with pytest.raises(InputError, match="没有这种语言的文字") as caught:
        build(part(new_markdown_cell("只有中文"), language="en"))
    assert "lang-en" in str(caught.value)
    assert build(part(table("cv"), language="en")).language == "en"


def test_references_of_an_english_report_have_half_width_marks() -> None:
    texts = [new_markdown_cell("甲[@holm-1979]"), new_markdown_cell("A[@holm-1979]", metadata={"tags": ["lang-en"]})]
    chinese, english = (build(part(*texts, **asked)).works[0].text for asked in ({}, {"language": "en"}))
    assert "：" in chinese and "，" in chinese
    assert not set("：，（）") & set(english)


# the whole


def test_title_summary_cautions_and_label() -> None:
    cells = (FindingBlock("a", "要点", tone="met", key=True), FindingBlock("b", "次要"), county(standard_label="办法"))
    document = build(part(*cells, stage="primary"), part(*cells, stage="junior"))
    assert document.title == "云岭县2024—2025 学年义务教育优质均衡发展研究报告"
    assert document.subtitle == "依据办法"
    assert [f.words for f in document.summary] == [(Text("要点"),)]
    assert document.cautions == ("数据为模拟。",)
    assert not document.simulated


def test_the_title_page_shows_what_the_batch_file_gives_and_files_are_dated_by_the_last_run() -> None:
    cover = {"authors": ["甲", "乙"], "institution": "某研究院", "date": "2026 年 11 月"}
    first, second = part(), part(stage="junior")
    dated = (replace(first, finished="2026-11-01T08:00:00+08:00"), replace(second, finished="2026-11-02T08:00:00+08:00"))
    document = build_document(dated, run_id="demo", packages={}, cover=cover)
    assert document.authors == ("甲", "乙")
    assert document.cover[:2] == (("编制单位", "某研究院"), ("日期", "2026 年 11 月"))
    assert document.made.isoformat() == "2026-11-02T08:00:00+08:00"
    assert build(first).made.year == 1980


def test_the_title_page_names_the_batch_by_its_title_and_the_plan() -> None:
    def cover(**parameters: Any) -> dict[str, str]:
        notebook = new_notebook(cells=[shown(opening(facts=(("数据", "甲表"), ("所用规划", "甲方案")))), shown(county())])
        one = replace(part(notebook="35-plan-progress", plan_id="a", **parameters), notebook=notebook)
        return dict(build_document([one], run_id="demo", packages={}, run_title="示范批次").cover)

    assert cover() == {"地区": "云岭县（530199）", "学年": "2024—2025 学年", "数据来源": "甲表", "所用规划": "甲方案", "批次": "示范批次"}
    assert cover(language="en")["Batch"] == "demo"
    assert dict(build(part()).cover)["批次"] == "demo"


def test_the_form_of_a_research_report_is_not_taken_for_the_plan_of_the_county() -> None:
    notebook = new_notebook(cells=[shown(opening(facts=(("所用规划", "固镇县研究报告"),)))])
    document = build(replace(part(notebook="80-county-research-report", plan_id="guzhen-2025"), notebook=notebook))
    assert document.plan == "" and "所用规划" not in dict(document.cover)


def test_a_checksum_stands_in_the_row_of_the_data_it_belongs_to() -> None:
    facts = (("地区", "云岭县"), ("数据", "甲表"), ("数据许可", "公开"), ("数据校验", "sha256 aa"),
             ("数据", "乙表"), ("数据许可", "公开"), ("数据校验", "sha256 bb"), ("标准", "办法"))  # fmt: skip
    first = replace(part(), notebook=new_notebook(cells=[shown(opening(facts=facts))]))
    table = next(item.block for item in build(first).appendix.items if isinstance(item, Exhibit))
    assert [row[:2] for row in table.rows] == [
        ("地区", "云岭县"), ("数据", "甲表；sha256 aa"), ("数据", "乙表；sha256 bb"), ("数据许可", "公开"), ("标准", "办法"),
    ]  # fmt: skip


def test_the_whole_evaluation_says_how_many_entries_and_nothing_about_schools() -> None:
    whole = county(stage="whole", stage_label="全部条款", verdict="not_met", entries=41, entries_met=24, entries_not_met=2,
                   entries_undecided=15)  # fmt: skip
    schools = county(schools=28, schools_met=8, largest_cv=0.3691, largest_cv_label="骨干教师")
    alone = build(part(whole, notebook="35-plan-progress", plan_id="a")).stages
    assert judged_head(alone) == "范围"
    assert verdict_columns(alone) == [("条款", ["41 条，达标 24 条、未达标 2 条、无法判定 15 条"])]
    both = build(part(schools, stage="primary"), part(whole, notebook="30-attainment")).stages
    assert verdict_columns(both) == [
        ("学校与条款", ["28 所，达标 8 所", "41 条，达标 24 条、未达标 2 条、无法判定 15 条"]), ("最大差异系数", ["0.369\n骨干教师", "—"]),
    ]  # fmt: skip
    stages = build(part(schools, stage="primary")).stages
    assert (judged_head(stages), [label for label, _ in verdict_columns(stages)]) == ("学段", ["学校", "最大差异系数"])


def test_one_simulated_section_makes_the_report_simulated() -> None:
    notebook = new_notebook(cells=[shown(opening(simulated=True))])
    document = build(part(notebook="10-data-check"), Part(part().job, "", notebook))
    assert document.simulated


def test_a_report_without_county_is_called_by_its_sections_and_judges_no_county() -> None:
    sections = [
        part(county(), title=f"{label}县际比较", notebook="90-cross-county", county_code="", stage=stage)
        for stage, label in (("primary", "小学"), ("junior", "初中"))
    ]
    document = build(*sections)
    title = "2024—2025 学年义务教育资源配置县际比较"
    assert (document.title, document.county_code, document.stages) == (title, "", ())


def test_a_county_that_no_standard_judges_is_not_called_after_the_standard() -> None:
    document = build(part(county(verdict="", county_name="Fresno"), title="全部年级资源配置", stage="all"))
    assert document.title == "Fresno 2024—2025 学年全部年级资源配置"
    assert document.stages[0]["verdict"] is None


def test_a_report_about_several_years_names_none() -> None:
    several = [part(title="县际比较", county_code="", school_year=year) for year in (2023, 2024)]
    assert (build(*several).title, build(*several).school_year) == ("义务教育资源配置县际比较", "")


def test_stages_keep_the_gravest_verdict_and_the_first_value() -> None:
    merged = merge_stages(
        [
            {"stage": "junior", "verdict": "met"},
            {"stage": "primary", "verdict": "met", "largest_cv": 0.4},
            {"stage": "primary", "verdict": "not_met", "largest_cv": 0.6, "schools": 3},
        ]
    )
    assert [(s["stage"], s["verdict"], s["largest_cv"], s["schools"]) for s in merged] == [
        ("primary", "not_met", 0.4, 3), ("junior", "met", None, None),
    ]


def test_one_unverified_rule_makes_the_rule_of_the_stage_unverified() -> None:
    def doubt(*values: bool | None) -> Any:
        return merge_stages({"stage": "primary", "rule_unverified": value} for value in values)[0]["rule_unverified"]

    assert [doubt(False, True), doubt(True, False), doubt(False, None), doubt(None)] == [True, True, False, None]


def test_numbers_that_are_not_finite_are_dropped_from_records() -> None:
    document = build(part(county(largest_cv=float("nan"))))
    assert document.stages[0]["largest_cv"] is None


def test_an_unknown_verdict_is_refused() -> None:
    with pytest.raises(InputError, match="not_met、undecided、met"):
        build(part(county(verdict="passed")))


# blocks that are not what they should be


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("x", "不是一组字段"),
        (table().to_dict() | {"rows": [["甲校", 1]]}, "第 1 行的单元格不是文字，而是 1"),
        (table().to_dict() | {"rows": ["甲校"]}, "rows"),
        (table().to_dict() | {"caption": None}, "caption 应为文字，现为 None"),
        (table().to_dict() | {"notes": "注"}, "notes 应为一列文字"),
        (table().to_dict() | {"columns": [], "rows": []}, "一列也没有"),
        (table().to_dict() | {"columns": [{"label": 1, "align": "left"}], "rows": []}, "columns"),
        (table().to_dict() | {"columns": [{"label": "甲"}], "rows": []}, "align"),
        (table().to_dict() | {"columns": [{"label": "甲", "align": "middle"}], "rows": []}, "left、right、center"),
        (table().to_dict() | {"heads": [["甲", 0], ["乙", 2]]}, "heads"),
        (table().to_dict() | {"heads": ["甲"]}, "heads"),
        (opening().to_dict() | {"facts": [["甲"]]}, "facts"),
        (opening().to_dict() | {"cautions": [1]}, "cautions"),
        (opening().to_dict() | {"simulated": "no"}, "simulated"),
        (FindingBlock("f", "x").to_dict() | {"text": 1}, "text"),
        (RecordBlock("r", {}).to_dict() | {"values": [1]}, "values"),
    ],
)
def test_fields_of_the_wrong_kind_are_refused_with_block_and_place(content: Any, words: str) -> None:
    cell = new_code_cell("", outputs=[new_output("display_data", data={BLOCK_MIME: content})])
    with pytest.raises(InputError) as caught:
        build(part(cell))
    assert words in caught.value.found
    assert "第 2 个单元格" in caught.value.where


@pytest.mark.parametrize("key", ["schools", "schools_met", "largest_cv", "cv_over_cap", "indicators"])
@pytest.mark.parametrize("value", ["0.3", True, [1]])
def test_numbers_of_a_county_must_be_numbers_or_nothing(key: str, value: Any) -> None:
    with pytest.raises(InputError, match=key):
        build(part(county(**{key: value})))
    assert build(part(county(**{key: None}))).stages[0][key] is None
    build(part(RecordBlock("other", {key: value})))


@pytest.mark.parametrize(
    ("png", "size", "words"),
    [
        (PNG[:8], (640, 320), "残缺"),
        (PNG[:-12], (640, 320), "残缺"),
        (PNG[:-40], (640, 320), "残缺"),
        (PNG[:60] + b"\0\0\0\0" + PNG[64:], (640, 320), "残缺"),
        (PNG, (640, 321), "PNG 图像为 640×320 像素"),
        (PNG, (0, 320), "width 应为正整数"),
        (PNG, (640, "320"), "height 应为正整数"),
    ],
)
def test_a_damaged_picture_or_one_of_another_size_is_refused(png: bytes, size: Any, words: str) -> None:
    data = {BLOCK_MIME: figure().to_dict() | dict(zip(("width", "height"), size, strict=True))}
    data["image/png"] = base64.b64encode(png).decode()
    with pytest.raises(InputError) as caught:
        build(part(new_code_cell("", outputs=[new_output("display_data", data=data)])))
    assert words in caught.value.found
    assert "第 2 个单元格" in caught.value.where
