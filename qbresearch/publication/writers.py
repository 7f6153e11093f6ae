"""The formats a report can be written in."""

from __future__ import annotations

from qbresearch.publication.docx import write_docx
from qbresearch.publication.html import write_html
from qbresearch.publication.model import Document
from qbresearch.publication.pdf import write_pdf

FORMATS = ("html", "docx", "pdf")
DEFAULT_PRESET = "academic"


def write_report(document: Document, format: str, *, preset: str = DEFAULT_PRESET) -> bytes:
    """The bytes of one report; the same document gives the same bytes.

    Parameters
    ----------
    document : Document
    format : {"html", "docx", "pdf"}
    preset : str
        Layout of Word and PDF, see ``cited/layouts``; a web page has one.
    """
    if format == "html":
        return write_html(document)
    return {"docx": write_docx, "pdf": write_pdf}[format](document, preset=preset)
