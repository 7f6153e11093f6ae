"""Everything before the first section: title page, abstract, verdicts, what to know first, contents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qbresearch.exhibits.blocks import TableBlock
from qbresearch.language import listed, say
from qbresearch.publication.model import Document
from qbresearch.publication.pdf.items import table, tag_of
from qbresearch.publication.pdf.markup import Code, call, joined, text, words
from qbresearch.publication.pdf.tables import Sheet
from qbresearch.publication.wording import judged_head, stage_heading, verdict_columns


def title_page(document: Document, *, own_page: bool) -> Code:
    """The title with what the report is about; on a page of its own or at the head of the first one."""
    lines = list(document.title_lines)
    subtitle = say("——{subtitle}", subtitle=document.subtitle) if document.subtitle else ""
    authors = listed(document.authors)
    if own_page:
        return call("cover", lines, subtitle, text(authors) if authors else "", [(label, text(shown)) for label, shown in document.cover])
    facts = [text(say("{label}：{value}", label=label, value=shown)) for label, shown in document.cover]
    return call("masthead", lines, subtitle, text(authors) if authors else "", facts)


def abstract(document: Document, sheet: Sheet) -> list[Code]:
    """Key findings and keywords, and the verdicts in one table."""
    shown = []
    if document.summary or document.keywords:
        shown.append(call("front-head", "abstract", say("摘要")))
    if document.summary:
        findings = [
            (f.tone, *tag_of(f.tone), words(f.words, where="摘要", notes=False)) for f in document.summary
        ]
        shown.append(call("summary", findings))
    if document.keywords:
        shown.append(call("keywords", say("关键词："), say("；").join(document.keywords)))
    judged = [stage for stage in document.stages if stage["verdict"]]
    return [*shown, _verdicts(judged, sheet)] if judged else shown


def _verdicts(stages: list[Mapping[str, Any]], sheet: Sheet) -> Code:
    beside = verdict_columns(stages)
    heads = ((judged_head(stages), "left"), (say("结论"), "center"), *((label, "left") for label, _ in beside))
    rows = zip(map(stage_heading, stages), map(_verdict_word, stages), *(cells for _, cells in beside), strict=True)
    block = TableBlock(
        id="verdicts",
        caption=say("总体结论"),
        columns=tuple({"label": label, "align": align} for label, align in heads),
        rows=tuple(rows),
        tones=tuple(stage["verdict"] for stage in stages),
    )
    doubts = [stage for stage in stages if stage["rule_unverified"]]
    feet = [text("* " + say("学校达标规则未核实，见阅读须知"))] if doubts else []
    return table(block, sheet, feet=feet, legend=False)


def _verdict_word(stage: Mapping[str, Any]) -> str:
    return tag_of(stage["verdict"])[1] + (" *" if stage["rule_unverified"] else "")


def cautions(document: Document) -> list[Code]:
    """What a reader must know first, in a frame."""
    lines = [text(caution) for caution in document.cautions]
    lines += [
        joined([call("inward", section.anchor, section.heading), text(say("：未能生成，本报告缺这一部分的结果。"))])
        for section in document.missing
    ]
    return [call("cautions", say("阅读须知"), lines)] if lines else []
