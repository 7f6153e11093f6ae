"""PDF files of reports, made by typst out of the package's own fonts."""

from qbresearch.publication.pdf.writer import typst_source, write_pdf

__all__ = ["typst_source", "write_pdf"]
