"""What stands before the text of a report: title, abstract, verdicts, cautions, contents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qbresearch.language import CHINESE, clauses, current_language, listed, say
from qbresearch.publication.docx.markup import FIELD_END, field_start, paragraph, run
from qbresearch.publication.docx.tables import frame, grid_row
from qbresearch.publication.docx.tones import tone_tag
from qbresearch.publication.docx.words import Typesetter
from qbresearch.publication.model import Document, Heading
from qbresearch.publication.wording import judged_head, stage_heading, verdict_columns

SHARES = {0: (0.6, 0.4), 1: (0.25, 0.2, 0.55), 2: (0.21, 0.14, 0.30, 0.35)}
"""Of the width, what the columns of the table of verdicts have, by how many there are beside the verdict."""
ABSTRACT, VERDICTS, CAUTIONS, WORKS = "front-abstract", "front-verdicts", "front-cautions", "back-works"


def contents_entries(document: Document) -> Iterator[tuple[int, str, str]]:
    """Level, anchor and text of every line of the contents; the same headings the field finds when Word updates it."""
    if document.summary:
        yield 1, ABSTRACT, say("摘要")
    if _judged(document):
        yield 1, VERDICTS, say("总体结论")
    if document.cautions or document.missing:
        yield 1, CAUTIONS, say("阅读须知")
    for section in document.sections:
        yield 1, section.anchor, section.heading
        for item in section.items:
            if isinstance(item, Heading) and item.depth == 1:
                yield 2, item.anchor, f"{item.number}{item.text}"
    if document.works:
        yield 1, WORKS, say("参考文献")
    yield 1, document.appendix.anchor, document.appendix.title
    for item in document.appendix.items:
        if isinstance(item, Heading) and item.depth == 1:
            yield 2, item.anchor, f"{item.number}{item.text}"


def heading(words: Typesetter, level: int, anchor: str, content: str) -> str:
    """A heading that references can lead to."""
    return paragraph(f"Heading{level}", words.ledger.bookmark(anchor, content))


def title_block(document: Document, *, apart: bool) -> Iterator[str]:
    """Title, authors, what the report is about, and the notice of simulated data; ``apart``: on a page of its own."""
    yield paragraph("Title", run("\n".join(document.title_lines)))
    if document.subtitle:
        yield paragraph("Subtitle", run(say("——{subtitle}", subtitle=document.subtitle)))
    if document.authors:
        yield paragraph("Author", run(listed(document.authors)))
    gap = "<w:r><w:tab/></w:r>" if apart else run(" " * (current_language() != CHINESE))
    for label, value in document.cover:
        yield paragraph("CoverLine", run(say("{label}：", label=label), "Lead") + gap + run(value))
    if document.simulated:
        notice = say("本报告含由程序生成的模拟数据，不代表任何真实的县（市、区）或学校，不得作为真实结论引用。")
        yield paragraph("Notice", run(say("模拟数据"), "SimulatedMark") + run(f"\n{notice}"))


def front_matter(document: Document, words: Typesetter, width: int) -> Iterator[str]:
    """Abstract, keywords, verdicts and cautions."""
    if document.summary:
        yield heading(words, 1, ABSTRACT, run(say("摘要")))
        for finding in document.summary:
            tag = f"{tone_tag(finding.tone)}{run('　')}" if finding.tone != "plain" else ""
            yield paragraph("Abstract", tag + words.line(finding.words, notes=False))
    if document.keywords:
        lead = run(say("关键词："), "Lead")
        yield paragraph("Abstract", lead + run(clauses(document.keywords)))
    if judged := _judged(document):
        yield heading(words, 1, VERDICTS, run(say("总体结论")))
        yield _verdict_table(judged, width)
        doubtful = [stage for stage in judged if stage.get("rule_unverified")]
        doubt = f"* {say('学校达标规则未核实，见阅读须知')}" if doubtful else ""
        yield paragraph("TableNote", run(doubt) if doubt else "")
    if document.cautions or document.missing:
        yield heading(words, 1, CAUTIONS, run(say("阅读须知")))
        mark = f'<w:numPr><w:ilvl w:val="0"/><w:numId w:val="{words.ledger.list_number(None, 0)}"/></w:numPr>'
        for caution in document.cautions:
            yield paragraph("ListParagraph", run(caution), numbering=mark)
        for section in document.missing:
            rest = run(say("：未能生成，本报告缺这一部分的结果。"))
            yield paragraph("ListParagraph", words.inward(section.anchor, run(section.heading)) + rest, numbering=mark)


def contents(document: Document, words: Typesetter, *, page_break: bool) -> Iterator[str]:
    """A contents field that is already filled: links now, page numbers once the reader updates it."""
    start = field_start('TOC \\o "1-2" \\h \\z \\u')
    lines = list(contents_entries(document))
    parts = [paragraph("TOCHeading", run(say("目录")), page_break=page_break)]
    for index, (level, anchor, text) in enumerate(lines):
        link = words.inward(anchor, run(text))
        before, after = (start if index == 0 else ""), (FIELD_END if index == len(lines) - 1 else "")
        parts.append(paragraph(f"TOC{level}", f"{before}{link}{after}"))
    yield (
        '<w:sdt><w:sdtPr><w:docPartObj><w:docPartGallery w:val="Table of Contents"/><w:docPartUnique/></w:docPartObj>'
        f"</w:sdtPr><w:sdtContent>{''.join(parts)}</w:sdtContent></w:sdt>"
    )


def _judged(document: Document) -> list[Mapping[str, Any]]:
    return [stage for stage in document.stages if stage.get("verdict")]


def _verdict_table(stages: list[Mapping[str, Any]], width: int) -> str:
    beside = verdict_columns(stages)
    columns = [round(width * share) for share in SHARES[len(beside)]]
    heads = (judged_head(stages), say("结论"), *(label for label, _ in beside))
    rows = [grid_row([run(head) for head in heads], columns, head=True)]
    for index, stage in enumerate(stages):
        doubt = " *" if stage.get("rule_unverified") else ""
        said = (run(column[index]) for _, column in beside)
        cells = [run(stage_heading(stage) + doubt), tone_tag(str(stage["verdict"])), *said]
        rows.append(grid_row(cells, columns))
    return frame("ThreeLineTable", columns, "".join(rows), caption=say("总体结论"), heads=True)
