"""Typed pieces of a report: opening, table, figure, equation, finding, absence, record.

A notebook cell that ends in a block shows it as ordinary HTML or PNG in JupyterLab and carries, beside that, the
same content as data under a private MIME type. Publishing reads the data and never scrapes the HTML.
"""

from __future__ import annotations

import base64
import html
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

BLOCK_MIME = "application/vnd.qbresearch.block+json"
TONES = ("plain", "met", "not_met", "undecided", "caution")


class _Block:
    """What every block can do: become plain data, and show itself in a notebook."""

    kind: ClassVar[str]

    def to_dict(self) -> dict[str, Any]:
        """The block as JSON-able data, with its ``kind``."""
        data = {key: value for key, value in asdict(self).items() if not isinstance(value, bytes)}
        return {"kind": self.kind, **data}

    def to_html(self) -> str:
        """The block as a fragment of HTML, every text escaped."""
        raise NotImplementedError

    def to_text(self) -> str:
        """The block in one or a few lines of plain text."""
        raise NotImplementedError

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {BLOCK_MIME: self.to_dict(), "text/html": self.to_html(), "text/plain": self.to_text()}


@dataclass(frozen=True, slots=True)
class OpeningBlock(_Block):
    """Title of one notebook run, the data and rules it rests on, and what a reader must know first.

    ``facts`` are label-value pairs; ``cautions`` are sentences (simulated data, unverified rules, open readings).
    """

    kind: ClassVar[str] = "opening"
    title: str
    facts: tuple[tuple[str, str], ...]
    cautions: tuple[str, ...]
    simulated: bool
    parameters: dict[str, Any] = field(default_factory=dict)

    def to_html(self) -> str:
        facts = "".join(f"<dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd>" for k, v in self.facts)
        cautions = "".join(f"<p><strong>{html.escape(c)}</strong></p>" for c in self.cautions)
        return f"<h2>{html.escape(self.title)}</h2><dl>{facts}</dl>{cautions}"

    def to_text(self) -> str:
        return "\n".join([self.title, *(f"{k}：{v}" for k, v in self.facts), *self.cautions])


@dataclass(frozen=True, slots=True)
class TableBlock(_Block):
    """A table ready to print.

    ``columns`` are dicts with ``label`` and ``align`` (``left`` / ``right`` / ``center``); ``rows`` hold texts;
    ``tones`` holds one tone a row (see ``TONES``) or is empty; ``heads`` is an upper row of merged headings, label and
    number of columns from left to right (an empty label where a column stands alone), or empty.
    """

    kind: ClassVar[str] = "table"
    id: str
    caption: str
    columns: tuple[dict[str, str], ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    source: str = ""
    tones: tuple[str, ...] = ()
    heads: tuple[tuple[str, int], ...] = ()

    def to_html(self) -> str:
        upper = "".join(
            f'<th colspan="{span}" style="text-align:center">{html.escape(label)}</th>' for label, span in self.heads
        )
        head = "".join(f'<th style="text-align:{c["align"]}">{html.escape(c["label"])}</th>' for c in self.columns)
        head = (f"{upper}</tr><tr>" if upper else "") + head
        body = "".join(
            "<tr>"
            + "".join(
                f'<td style="text-align:{column["align"]}">{html.escape(cell)}</td>'
                for column, cell in zip(self.columns, row, strict=True)
            )
            + "</tr>"
            for row in self.rows
        )
        feet = "".join(f"<p><small>{html.escape(n)}</small></p>" for n in (*self.notes, self.source) if n)
        return (
            f"<table><caption>{html.escape(self.caption)}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{feet}"
        )

    def to_text(self) -> str:
        lines = ["\t".join(c["label"] for c in self.columns), *("\t".join(row) for row in self.rows)]
        return "\n".join([self.caption, *lines])


@dataclass(frozen=True, slots=True)
class FigureBlock(_Block):
    """A drawn figure with the words a reader needs beside it; ``png`` is the picture, ``width`` its pixels.

    A screen shows it at two fifths of its pixels, so that it stays sharp where a point is several pixels.
    """

    kind: ClassVar[str] = "figure"
    id: str
    caption: str
    alt: str
    png: bytes = field(repr=False)
    width: int
    height: int
    notes: tuple[str, ...] = ()
    source: str = ""

    @property
    def screen_size(self) -> tuple[int, int]:
        """Width and height on a screen."""
        return self.width * 2 // 5, self.height * 2 // 5

    def to_html(self) -> str:
        picture = base64.b64encode(self.png).decode("ascii")
        feet = "".join(f"<p><small>{html.escape(n)}</small></p>" for n in (*self.notes, self.source) if n)
        return (
            f'<figure><img alt="{html.escape(self.alt)}" style="max-width:100%;width:{self.screen_size[0]}px" '
            f'src="data:image/png;base64,{picture}"><figcaption>{html.escape(self.caption)}</figcaption>{feet}</figure>'
        )

    def to_text(self) -> str:
        return f"[图] {self.caption}：{self.alt}"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        bundle = {BLOCK_MIME: self.to_dict(), "text/plain": self.to_text()}
        return bundle | {"image/png": base64.b64encode(self.png).decode("ascii")}


@dataclass(frozen=True, slots=True)
class EquationBlock(_Block):
    """A formula on a line of its own that the text can refer to; ``alt`` says in words what it computes."""

    kind: ClassVar[str] = "equation"
    id: str
    tex: str
    alt: str

    def to_html(self) -> str:
        return f"<p>{html.escape(self.to_text())}</p>"

    def to_text(self) -> str:
        return f"$${self.tex}$$"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {BLOCK_MIME: self.to_dict(), "text/latex": self.to_text(), "text/plain": self.to_text()}


@dataclass(frozen=True, slots=True)
class FindingBlock(_Block):
    """One or more sentences generated from results; ``key`` findings also stand in the report's summary."""

    kind: ClassVar[str] = "finding"
    id: str
    text: str
    tone: str = "plain"
    key: bool = False

    def to_html(self) -> str:
        return f"<p>{html.escape(self.text)}</p>"

    def to_text(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class AbsentBlock(_Block):
    """Takes the place of an exhibit there is nothing for; ``text`` says why.

    A notebook shows the reason. A report leaves out the text cell above that announces the exhibit, if all that stands
    below that cell is absent.
    """

    kind: ClassVar[str] = "absent"
    id: str
    text: str

    def to_html(self) -> str:
        return f"<p><small>{html.escape(self.text)}</small></p>"

    def to_text(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class RecordBlock(_Block):
    """Values for the index of reports (verdicts, counts); shown in a notebook as one line."""

    kind: ClassVar[str] = "record"
    id: str
    values: dict[str, Any]

    def to_html(self) -> str:
        return "<p><small>" + html.escape(self.to_text()) + "</small></p>"

    def to_text(self) -> str:
        return "；".join(f"{key}={value}" for key, value in self.values.items())
