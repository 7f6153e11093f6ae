"""A document becomes one Word file."""

from __future__ import annotations

from qbresearch.publication.docx.writer import write_docx

__all__ = ["write_docx"]
