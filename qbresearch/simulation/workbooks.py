"""Workbooks as county bureaus send them: a title, a line of notes, headings of their own choice, totals, a footnote."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from qbresearch.provenance import write_bytes
from qbresearch.raw.workbooks import (
    NUMBER_FORMATS,
    TEXT_FORMAT,
    put_text,
    workbook_bytes,
)
from qbresearch.rules.columns import Column, TableContract
from qbresearch.simulation.design import County

TITLE_ROW, NOTE_ROW, HEADING_ROW = 1, 2, 3
SCHOOL_NAME = "school_name"
LONG_TEXTS = (SCHOOL_NAME, "title", "number", "confirmed_by", "remark")
NARROW, WIDE = 12, 34
THIN = Border(*[Side(style="thin", color="FF999999")] * 4)
HEADING_FILL = PatternFill("solid", fgColor="FFDDE6EE")
TOTAL_FILL = PatternFill("solid", fgColor="FFF2F2F2")
CENTRE = Alignment(horizontal="center", vertical="center", wrap_text=True)


@dataclass(frozen=True, slots=True)
class Cover:
    """What stands above the table, and in the file's properties: what it is a table of, as of when; whether it adds up."""

    title: str
    as_of: str
    totals: bool = True


def write_county_workbook(
    path: Path, schools: pd.DataFrame, contract: TableContract, county: County, school_year: int, written: date
) -> None:
    """Write the workbook of the schools of one county and school year; see :func:`write_workbook`."""
    cover = Cover(f"{school_year}学年义务教育学校统计表", f"{school_year}年9月1日")
    write_workbook(path, schools, contract, county, cover, written)


def write_workbook(
    path: Path, rows: pd.DataFrame, contract: TableContract, county: County, cover: Cover, written: date
) -> None:
    """Write a table of one county as its bureau sends it, one sheet for each sheet of the contract.

    Parameters
    ----------
    path : Path
        The .xlsx to write.
    rows : DataFrame
        The county's rows in contract columns, choice ids and units.
    contract : TableContract
        Gives sheets, columns and headings.
    county : County
        Which of the accepted headings and units the county uses.
    cover : Cover
        Title, date, and whether a row of totals follows.
    written : date
        Date of the file's properties.
    """
    workbook = Workbook()
    workbook.remove(workbook.active)
    for sheet_id, label in contract.sheets.items():
        sheet = workbook.create_sheet(label)
        columns = [c for c in contract.columns if c.sheet in (sheet_id, "every")]
        title = f"{county.name}{cover.title}——{label}（模拟数据）"
        note = f"填报单位：{county.name}教育局    统计时点：{cover.as_of}    单位：见各栏    （模拟数据，非真实统计）"
        _write_head(sheet, title, note, len(columns))
        factors = [_write_heading(sheet, at, column, county) for at, column in enumerate(columns, 1)]
        _write_rows(sheet, rows, columns, factors, county.heading_style)
        if cover.totals:
            _write_totals(sheet, columns)
        last = sheet.max_row + 1
        sheet.cell(last, 1, "注：本表为模拟数据，由程序生成，县名、校名、代码均为虚构，不反映任何地方的实际情况。")
        sheet.merge_cells(start_row=last, end_row=last, start_column=1, end_column=len(columns))
        sheet.freeze_panes = sheet.cell(HEADING_ROW + 1, _last_fixed(columns, contract) + 1)
    workbook.properties.creator = f"{county.name}教育局（模拟）"
    workbook.properties.title = f"{county.name}{cover.title}（模拟数据）"
    write_bytes(path, workbook_bytes(workbook, written))


def _write_head(sheet: Worksheet, title: str, note: str, width: int) -> None:
    for row, text, font in ((TITLE_ROW, title, Font(bold=True, size=14)), (NOTE_ROW, note, Font(size=10))):
        put_text(sheet.cell(row, 1), text)
        sheet.cell(row, 1).font, sheet.cell(row, 1).alignment = font, Alignment(vertical="center")
        sheet.merge_cells(start_row=row, end_row=row, start_column=1, end_column=width)
    sheet.row_dimensions[TITLE_ROW].height = 24
    sheet.row_dimensions[HEADING_ROW].height = 48


def _write_heading(sheet: Worksheet, at: int, column: Column, county: County) -> float:
    """Write the county's heading for a column and return the factor from its unit to the contract's."""
    text, factor = usable_heading(column, county.heading_style, county.equipment_unit)
    cell = sheet.cell(HEADING_ROW, at)
    put_text(cell, text)
    cell.font, cell.fill, cell.border, cell.alignment = Font(bold=True), HEADING_FILL, THIN, CENTRE
    width = WIDE if column.name in LONG_TEXTS else NARROW + 2 * (column.kind == "code")
    sheet.column_dimensions[get_column_letter(at)].width = width
    return factor


def usable_heading(column: Column, style: int, unit: str) -> tuple[str, float]:
    """A heading that says the unit where the contract knows several, and its factor to the contract's unit."""
    usable = [(text, factor) for text, factor in column.headings.items() if text != column.name]
    if {factor for _, factor in usable} != {1.0}:
        usable = [(text, factor) for text, factor in usable if f"（{unit}）" in text]
    return usable[style % len(usable)]


def _write_rows(
    sheet: Worksheet, schools: pd.DataFrame, columns: Sequence[Column], factors: Sequence[float], style: int
) -> None:
    for row, record in enumerate(schools.to_dict("records"), HEADING_ROW + 1):
        for at, (column, factor) in enumerate(zip(columns, factors, strict=True), 1):
            cell = sheet.cell(row, at)
            cell.border = THIN
            cell.number_format = NUMBER_FORMATS.get(column.kind, TEXT_FORMAT)
            _put_value(cell, record[column.name], column, factor, style)


def _put_value(cell: Cell, value: Any, column: Column, factor: float, style: int) -> None:
    if pd.isna(value):
        return
    if column.kind == "number":
        # Undo the unit in decimals: 123400 元 is written 12.34 万元.
        cell.value = float(f"{value / factor:.12g}")
    elif column.kind in NUMBER_FORMATS:
        cell.value = int(value)
    elif column.kind == "choice":
        labels = next((c.labels for c in column.choices if c.id == value), (value,))  # or a label already
        put_text(cell, labels[style % len(labels)] if column.name in {"school_type", "location"} else labels[0])
    else:
        put_text(cell, str(value))


def _write_totals(sheet: Worksheet, columns: Sequence[Column]) -> None:
    """A row of column sums, as bureaus add below the schools."""
    last, row = sheet.max_row, sheet.max_row + 1
    for at, column in enumerate(columns, 1):
        cell = sheet.cell(row, at)
        cell.font, cell.fill, cell.border = Font(bold=True), TOTAL_FILL, THIN
        if column.is_number:
            values = [sheet.cell(r, at).value for r in range(HEADING_ROW + 1, last + 1)]
            total = math.fsum(v for v in values if v is not None)
            cell.value = int(total) if column.kind == "count" else round(total, 2)
            cell.number_format = NUMBER_FORMATS[column.kind]
    put_text(sheet.cell(row, 1), "合计")


def _last_fixed(columns: Sequence[Column], contract: TableContract) -> int:
    """Position of the column up to which a sheet stays in view: the school's name, else the last of the key."""
    names = [c.name for c in columns]
    return names.index(SCHOOL_NAME) + 1 if SCHOOL_NAME in names else max(names.index(k) + 1 for k in contract.key if k in names)
