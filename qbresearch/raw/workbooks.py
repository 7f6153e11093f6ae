"""Writing workbooks: the same contents give the same bytes, and no text becomes a formula."""

from __future__ import annotations

import re
import zipfile
from datetime import date
from io import BytesIO

from openpyxl import Workbook
from openpyxl.cell import Cell

TEXT_FORMAT = "@"
NUMBER_FORMATS = {"count": "#,##0", "number": "#,##0.00", "year": "0"}
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # of a CSV cell that a spreadsheet program would calculate
MODIFIED = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*(</dcterms:)")


def workbook_bytes(workbook: Workbook, written: date) -> bytes:
    """Bytes of a workbook that depend on its contents only: the same dates in its properties and in the archive."""
    raw, fixed = BytesIO(), BytesIO()
    workbook.save(raw)
    stamp = f"{written:%Y-%m-%d}T00:00:00Z".encode()
    with zipfile.ZipFile(raw) as source, zipfile.ZipFile(fixed, "w") as target:
        for name in sorted(source.namelist(), key=lambda n: (n != "[Content_Types].xml", n)):
            data = source.read(name)
            if name == "docProps/core.xml":
                data = MODIFIED.sub(lambda m: m[1] + stamp + m[3], data)
            entry = zipfile.ZipInfo(name, date_time=(written.year, written.month, written.day, 0, 0, 0))
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            target.writestr(entry, data)
    return fixed.getvalue()


def put_text(cell: Cell, text: str) -> None:
    """Write a text that no spreadsheet program may take for a formula."""
    cell.value = text
    cell.data_type = "s"
