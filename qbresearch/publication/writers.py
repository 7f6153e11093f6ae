"""The formats a report can be written in."""

from __future__ import annotations

from qbresearch.publication.docx import write_docx
from qbresearch.publication.html import write_html
from qbresearch.publication.model import Document
from qbresearch.publication.pdf import write_pdf

FORMATS = ("html", "docx", "pdf")
PRESETS = ("academic", "gongwen")


def write_report(document: Document, format: str, *, preset: str = PRESETS[0]) -> bytes:
    """The bytes of one report; the same document gives the same bytes.

    Parameters
    ----------
    document : Document
    format : {"html", "docx", "pdf"}
    preset : {"academic", "gongwen"}
        Layout of Word and PDF; a web page has one.
    """
    if format == "html":
        return write_html(document)
    return {"docx": write_docx, "pdf": write_pdf}[format](document, preset=preset)
