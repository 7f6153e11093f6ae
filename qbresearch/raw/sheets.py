"""Opening .xlsx and .csv files as plain sheets of cells, for reading only."""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils.datetime import from_excel
from openpyxl.workbook import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from qbresearch.errors import InputError

ENCODINGS = ("utf-8-sig", "gb18030")
WORKBOOKS = {".xlsx", ".xlsm"}
READABLE = {*WORKBOOKS, ".csv"}
OLD_OR_LOCKED = b"\xd0\xcf\x11\xe0"
# Built-in formats of a Chinese Excel that carry no code in the file; openpyxl gives their dates as plain numbers.
CHINESE_DATES = (
    dict.fromkeys((27, 36, 50, 52, 57), 'yyyy"年"m"月"') | dict.fromkeys((28, 29, 51, 53, 54, 58), 'm"月"d"日"')
    | {30: "m-d-yy", 31: 'yyyy"年"m"月"d"日"'}
)
FORMULA = re.compile(rb"<(?:\w+:)?f[\s>/]")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell's value and the number format it is shown with."""

    value: Any
    number_format: str = "General"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of cells; row 1 of the spreadsheet is ``rows[0]``."""

    name: str
    rows: list[list[Cell]]
    hidden: bool = False


def open_sheets(path: Path) -> list[Sheet]:
    """Every sheet of a workbook, hidden ones marked, or the one sheet of a CSV file.

    Raises
    ------
    InputError
        Unknown ending, damaged or protected workbook, unknown text encoding.
    """
    ending = path.suffix.lower()
    if ending == ".csv":
        return [_open_csv(path)]
    if ending in WORKBOOKS:
        return _open_workbook(path)
    raise InputError(
        "不认识的文件类型",
        where=path.name,
        found=ending or "没有扩展名",
        expected="、".join(sorted(READABLE)),
        fix="在 Excel 或 WPS 中另存为 .xlsx" if ending in {".xls", ".et"} else "这个文件夹里只放数据文件",
    )


def first_rows(path: Path, rows: int) -> list[Sheet]:
    """The first rows of every sheet, values only: enough to find the headings of a file too large to read whole.

    Raises
    ------
    InputError
        As :func:`open_sheets`.
    """
    if path.suffix.lower() == ".csv":
        return [_open_csv(path, rows)]
    if path.suffix.lower() not in WORKBOOKS:
        return open_sheets(path)  # which says what it does not know
    with _refusing_damaged(path), closing(openpyxl.load_workbook(path, read_only=True, data_only=True)) as workbook:
        return [
            Sheet(
                sheet.title,
                [[Cell(value) for value in row] for row in sheet.iter_rows(max_row=rows, values_only=True)],
                hidden=sheet.sheet_state != "visible",
            )
            for sheet in workbook.worksheets
        ]


def _open_workbook(path: Path) -> list[Sheet]:
    with _refusing_damaged(path):
        workbook = openpyxl.load_workbook(path, data_only=True)
        formulas = openpyxl.load_workbook(path) if _has_formulas(path) else None
    return [
        Sheet(
            sheet.title,
            _cells(sheet, formulas),
            hidden=sheet.sheet_state != "visible",
        )
        for sheet in workbook.worksheets
    ]


def _cells(sheet: Worksheet, formulas: Workbook | None) -> list[list[Cell]]:
    # Formats reach further than values, at times to row 1,048,576: iterating over them would make cells for all.
    sheets = [sheet] if formulas is None else [sheet, formulas[sheet.title]]
    filled = [place for s in sheets for place, cell in s._cells.items() if cell.value is not None]
    if not filled:
        return []
    rows = sheet.iter_rows(max_row=max(r for r, _ in filled), max_col=max(c for _, c in filled))
    return [[_cell(c, formulas) for c in row] for row in rows]


def _cell(cell: Any, formulas: Workbook | None) -> Cell:
    value = _value(cell, formulas)
    shown = CHINESE_DATES.get(cell._style.numFmtId) if cell.has_style else None
    if shown is None or type(value) not in (int, float):
        return Cell(value, cell.number_format)
    try:
        return Cell(from_excel(value, cell.parent.parent.epoch), shown)
    except (OverflowError, ValueError):
        return Cell(value, shown)  # no date: it stays the number it is, and is reported where a date is due


@contextmanager
def _refusing_damaged(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # openpyxl raises what its parsers raise: any of a dozen types for a damaged file
        raise InputError(
            "打不开工作簿",
            where=path.name,
            found=_why_unreadable(path, error),
            expected="没有密码、没有损坏的 .xlsx",
            fix="在 Excel 或 WPS 中打开，取消密码后另存为 .xlsx",
        ) from None


def _why_unreadable(path: Path, error: Exception) -> str:
    if not path.is_file():
        return "没有这个文件"
    if isinstance(error, PermissionError):
        return "没有读取权限"
    with open(path, "rb") as handle:
        start = handle.read(len(OLD_OR_LOCKED))
    if start == OLD_OR_LOCKED:
        return "有密码保护的工作簿，或改了扩展名的旧 .xls"
    return "空文件" if not start else f"文件损坏或不是 .xlsx（{type(error).__name__}：{error}）"


def _has_formulas(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return any(
            FORMULA.search(archive.read(name)) for name in archive.namelist() if name.startswith("xl/worksheets/")
        )


def _value(cell: Any, formulas: Workbook | None) -> Any:
    """A cell's value; the formula itself where it was saved without its result, so that it is not taken as blank."""
    if cell.value is None and formulas is not None and cell.data_type != "str":
        written = formulas[cell.parent.title][cell.coordinate]
        if written.data_type == "f":
            return f"={str(written.value).removeprefix('=')}" if isinstance(written.value, str) else "=公式"
    return cell.value


def _open_csv(path: Path, rows: int | None = None) -> Sheet:
    try:
        with open(path, "rb") as handle:
            data = b"".join(islice(handle, rows))
    except OSError as error:
        raise InputError(
            "打不开文件", where=path.name, found=_why_unreadable(path, error),
            expected="一个可以读取的 .csv 文件", fix="核对路径与读取权限",
        ) from None
    for encoding in ENCODINGS:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        cells = _Cells()
        return Sheet("CSV", [[cells[v] for v in line] for line in _csv_lines(text, path.name)])
    raise InputError(
        "文字编码认不出",
        where=path.name,
        found="既不是 UTF-8 也不是 GBK",
        expected="UTF-8 或 GBK（GB18030）",
        fix="在 Excel 中另存为“CSV UTF-8（逗号分隔）”",
    )


class _Cells(dict[str, Cell]):
    """One cell a text, however often it stands in a file."""

    def __missing__(self, text: str) -> Cell:
        cell = self[text] = Cell(text if text != "" else None)
        return cell


def _csv_lines(text: str, name: str) -> list[list[str]]:
    # Strict, because an open quotation mark would otherwise swallow the rows after it without a word.
    lines = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        return list(lines)
    except csv.Error as error:
        raise InputError(
            "CSV 的引号不成对", where=f"{name} 第 {lines.line_num} 行附近", found=str(error),
            expected="含逗号或换行的格用一对英文双引号括起，格内的双引号写两次", fix="改正引号，或另存为 .xlsx",
        ) from None
