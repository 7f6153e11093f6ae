"""Opening .xlsx and .csv files as plain sheets of cells, for reading only."""

from __future__ import annotations

import csv
import zipfile
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from qbresearch.errors import InputError

ENCODINGS = ("utf-8-sig", "gb18030")
WORKBOOKS = {".xlsx", ".xlsm"}
READABLE = {*WORKBOOKS, ".csv"}


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell's value and the number format it is shown with."""

    value: Any
    number_format: str = "General"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A visible sheet; row 1 of the spreadsheet is ``rows[0]``."""

    name: str
    rows: list[list[Cell]]


def open_sheets(path: Path) -> list[Sheet]:
    """Every visible sheet of a workbook, or the one sheet of a CSV file.

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


def _open_workbook(path: Path) -> list[Sheet]:
    try:
        workbook = openpyxl.load_workbook(path, data_only=True)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, OSError) as error:
        raise InputError(
            "打不开工作簿",
            where=path.name,
            found=f"{type(error).__name__}：{error}",
            expected="没有密码、没有损坏的 .xlsx",
            fix="在 Excel 或 WPS 中打开，取消密码后另存为 .xlsx",
        ) from None
    return [
        Sheet(sheet.title, [[Cell(c.value, c.number_format) for c in row] for row in sheet.iter_rows()])
        for sheet in workbook.worksheets
        if sheet.sheet_state == "visible"
    ]


def _open_csv(path: Path) -> Sheet:
    data = path.read_bytes()
    for encoding in ENCODINGS:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        lines = csv.reader(StringIO(text, newline=""))
        return Sheet("CSV", [[Cell(value if value != "" else None) for value in line] for line in lines])
    raise InputError(
        "文字编码认不出",
        where=path.name,
        found="既不是 UTF-8 也不是 GBK",
        expected="UTF-8 或 GBK（GB18030）",
        fix="在 Excel 中另存为“CSV UTF-8（逗号分隔）”",
    )
