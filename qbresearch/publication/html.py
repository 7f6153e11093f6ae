"""A document becomes one HTML file.

It is complete in itself: styles and pictures are inside the file, a content policy forbids every request, and every
text is escaped by the template engine.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import jinja2
import latex2mathml.exceptions
import mistune
from latex2mathml.converter import convert
from markupsafe import Markup

from qbresearch.exhibits.blocks import FigureBlock, TableBlock
from qbresearch.exhibits.style import WORDS
from qbresearch.publication.document import (
    STAGE_LABELS,
    TOPIC,
    Document,
    Heading,
    Reference,
    Section,
    Token,
)

TEMPLATES = Path(__file__).parent / "templates"
TONE_WORDS = {**WORDS, "caution": "注意", "plain": "发现"}
TONE_MARKS = {"met": "✓", "not_met": "×", "undecided": "？", "caution": "！"}
PARAMETER_LABELS = {
    "source_id": "数据来源",
    "county_code": "县区划代码",
    "school_year": "学年",
    "stage": "学段",
    "standard_id": "标准",
    "group_by": "分组变量",
    "seed": "随机种子",
}
SHORT_ROWS = 14
MANY_COLUMNS = 7
_WRAP_WIDTH, _KEEP_WIDTH = 26, 10


class _ProseRenderer(mistune.HTMLRenderer):
    """Markdown tokens to HTML: raw HTML escaped, references linked, tables with scoped heads."""

    SAFE_PROTOCOLS = ("http:", "https:", "mailto:")

    def reference(self, reference: Reference) -> str:
        return Markup('<a href="#{}">{}</a>').format(reference.anchor, reference.label)

    def inline_math(self, text: str) -> str:
        return render_formula(text)

    def block_math(self, text: str) -> str:
        return f'<div class="formula">{render_formula(text, display=True)}</div>\n'

    def table(self, text: str) -> str:
        return f'<div class="scroll" role="region" aria-label="表格" tabindex="0"><table>{text}</table></div>\n'

    def table_head(self, text: str) -> str:
        return f"<thead><tr>{text}</tr></thead>"

    def table_body(self, text: str) -> str:
        return f"<tbody>{text}</tbody>"

    def table_row(self, text: str) -> str:
        return f"<tr>{text}</tr>"

    def table_cell(self, text: str, align: str | None = None, head: bool = False) -> str:
        style = f' class="{(align or "left")[0]}"'
        return f'<th scope="col"{style}>{text}</th>' if head else f"<td{style}>{text}</td>"


def render_report(document: Document) -> str:
    """One report as a self-contained HTML page; the same document gives the same text.

    Parameters
    ----------
    document : Document
        See :func:`qbresearch.publication.document.build_document`.
    """
    template, stages = page_environment().get_template("report.html.j2"), _stage_names(document)
    return template.render(
        doc=document,
        facts=_gathered((s, s.opening.facts if s.opening else ()) for s in document.sections),
        parameters=_gathered((s, _parameter_pairs(s, stages)) for s in document.sections),
        running_head=_css_text(document.title),
    )


@cache
def page_environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"prose": _prose, "picture": _picture, "head": _head_label}
    environment.filters |= {"cells": _column_classes, "cv": cv_text, "stage": _stage_label}
    environment.tests |= {"table": _is_table, "heading": lambda item: isinstance(item, Heading)}
    environment.globals |= {
        "css": Markup((TEMPLATES / "site.css").read_text(encoding="utf-8")),
        "words": TONE_WORDS,
        "marks": TONE_MARKS,
        "short_rows": SHORT_ROWS,
        "many_columns": MANY_COLUMNS,
        "topic": TOPIC,
    }
    return environment


# formulas

_FORMULA_FAULTS = (
    *(fault for fault in vars(latex2mathml.exceptions).values() if isinstance(fault, type)),
    StopIteration,  # a command whose argument is missing
    ValueError,
    IndexError,
)
_ATTRIBUTE_COMMAND = re.compile(r"\\(href|class|style)(?![A-Za-z])")  # each would set an attribute of the page


def render_formula(source: str, *, display: bool = False) -> Markup:
    """A formula in LaTeX as MathML, which browsers draw without a script; as its own source where it is no formula.

    Parameters
    ----------
    source : str
        What stands between the dollar signs.
    display : bool
        Whether it stands on a line of its own.
    """
    # The converter puts the argument of \\text into the page as it stands, so no markup may reach it.
    shown = Markup("<code>{}</code>").format(source.strip())
    if _ATTRIBUTE_COMMAND.search(source):
        return shown
    safe = source.strip().replace("&", r"\&").replace("<", r"\lt ").replace(">", r"\gt ")
    try:
        return Markup(convert(safe, display="block" if display else "inline"))
    except _FORMULA_FAULTS:
        return shown


# pieces of a report


def _prose(tokens: Iterable[Token]) -> Markup:
    return Markup(_ProseRenderer(escape=True).render_tokens(list(tokens), mistune.BlockState()))


def _picture(block: FigureBlock) -> Markup:
    return Markup("data:image/png;base64," + base64.b64encode(block.png).decode("ascii"))


def _is_table(item: object) -> bool:
    return isinstance(getattr(item, "block", None), TableBlock)


def _width(text: str) -> int:
    """Columns a text takes when a Chinese character counts two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WFA" else 1 for char in text)


def _column_classes(block: TableBlock) -> list[str]:
    """Class of each column: its alignment, ``w`` where texts wrap, ``m`` where they wrap on paper only."""
    classes = []
    for index, column in enumerate(block.columns):
        widest = max((_width(row[index]) for row in block.rows), default=0)
        size = " w" if widest > _WRAP_WIDTH else " m" if widest > _KEEP_WIDTH else ""
        classes.append(column.get("align", "left")[0] + size)
    return classes


def _head_label(label: str) -> Markup:
    """A column's label whose unit in brackets stays in one piece when the label wraps."""
    match = re.fullmatch(r"(.+?)(（[^（）]{1,8}）)", label)
    return Markup('{}<span class="u">{}</span>').format(*match.groups()) if match else Markup("{}").format(label)


def _stage_names(document: Document) -> dict[str, str]:
    """What the records call each stage: only they know what a set of indicators understands by ``all``."""
    records = [record.values for section in document.sections for record in section.records]
    return {str(r["stage"]): str(r["stage_label"]) for r in records if r.get("stage") and r.get("stage_label")}


def _parameter_pairs(section: Section, stages: Mapping[str, str]) -> list[tuple[str, str]]:
    pairs = []
    for name, value in section.job["parameters"].items():
        shown = (stages.get(str(value)) or _stage_label(str(value))) if name == "stage" else str(value)
        pairs.append((PARAMETER_LABELS.get(name, name), shown))
    return pairs


def _stage_label(stage: str) -> str:
    return STAGE_LABELS.get(stage, stage)


def _gathered(pairs: Iterable[tuple[Section, Iterable[tuple[str, str]]]]) -> list[tuple[str, str, str]]:
    """Label, value and the sections it holds for (``全部`` if all that have any), in order of first appearance."""
    where: dict[tuple[str, str], list[str]] = {}
    numbers = []
    for section, found in pairs:
        numbers += [section.number] if found else []
        for label, value in dict.fromkeys((str(label), str(value)) for label, value in found):
            where.setdefault((label, value), []).append(section.number)
    labels = dict.fromkeys(label for label, _ in where)
    return [
        (label, value, "全部" if found == numbers else "、".join(found))
        for wanted in labels
        for (label, value), found in where.items()
        if label == wanted
    ]


def _css_text(text: str) -> Markup:
    """A text as a quoted CSS string in which nothing can end the string or the style element."""
    return Markup('"' + "".join(c if c.isalnum() else f"\\{ord(c):x} " for c in text) + '"')


def cv_text(value: object) -> str:
    """A coefficient of variation with three decimals; ``—`` if there is none."""
    return f"{value:.3f}" if isinstance(value, int | float) else "—"
