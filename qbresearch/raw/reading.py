"""Readers for the workbooks and CSV files that bureaus send.

A file becomes a table in the contract's columns and units, plus a table of everything that is wrong with it. Nothing
is dropped, filled or coerced silently: a cell that is not what the contract asks for is left missing *and* reported.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from qbresearch.errors import InputError
from qbresearch.raw.cells import (
    Fault,
    KnownCells,
    check_vocabulary,
    heading_text,
    plain_text,
    read_cell,
    shown_text,
)
from qbresearch.raw.joining import NAME, Mapped, SheetTable, column_letter, join_sheets
from qbresearch.raw.problems import ERROR, NOTICE, Problems
from qbresearch.raw.sheets import Cell, Sheet, first_rows, open_sheets
from qbresearch.rules.columns import Column, TableContract, list_tables, load_table

TOTAL = re.compile(r"(\S{0,10}?)(合计|总计|共计|小计)(?:\(.*\))?:?")
TOTAL_SEARCH_COLUMNS = 6
NOTE_WORDS = ("注:", "注1", "说明:", "备注:", "填表", "填报", "审核", "负责人", "单位负责人", "制表", "联系", "统计负责人")
IGNORED_SHEETS = ("示例", "填写说明")
HEADING_SEARCH_ROWS = 20
MIN_HEADINGS = 2
# Half of the last digit of a total printed with two decimals.
TOTAL_ROUNDING = 0.005
MIN_NUMBERS_OF_SCHOOL = 2
KEY = "school_code"
NO_CELL = Cell(None)
DIGITS = frozenset("0123456789")


@dataclass(frozen=True, slots=True)
class ReadResult:
    """A file as read.

    table : one row a school (or whatever the contract says a row is), contract column names and units; ``_file`` and
        ``_place`` (a :class:`~qbresearch.raw.joining.Place`) say where its cells stand.
    problems : columns ``PROBLEM_COLUMNS``; level 错误 blocks the build, 提示 does not.
    notes : texts of the rows that are neither schools nor totals.
    """

    table: pd.DataFrame
    problems: pd.DataFrame
    notes: tuple[str, ...]


def read_file(path: Path, contract: TableContract, *, name: str = "") -> ReadResult:
    """Read one .xlsx or .csv file against a column contract.

    Parameters
    ----------
    path : Path
        The file; it is opened for reading only.
    contract : TableContract
        What the file should hold.
    name : str
        What problems and ``_file`` call the file; a passport names files of subfolders with their path. By default
        the name without folders.

    Returns
    -------
    ReadResult
        Sheets of one workbook are joined on the contract's ``join_key`` (the school code of the school table); a row
        that one sheet leaves out has missing values there and is reported.

    Raises
    ------
    InputError
        The file cannot be opened at all (not a workbook, protected, unknown encoding).
    """
    name = name or path.name
    problems, notes = Problems(name), []
    tables, unknown = [], []
    for sheet in open_sheets(path):
        if sheet.name.startswith(IGNORED_SHEETS):
            continue
        found = find_headings(sheet, contract)
        if found is None:
            unknown += [(sheet.name, text)] if not sheet.hidden and (text := _first_text(sheet)) else []
        elif sheet.hidden:
            problems.add(sheet.name, "—", "—", "隐藏的工作表", "看得见的工作表",
                         "这张表没有读入；若是数据，请取消隐藏", level=NOTICE)
        else:
            tables.append(_read_sheet(sheet, *found, contract, problems, notes))
    _report_unknown_sheets(unknown, tables, contract, problems)
    table = join_sheets(tables, contract, problems)
    _report_absent_columns(tables, contract, problems)
    for constant in contract.constants:
        table[constant.name] = constant.value
    table["_file"] = name
    return ReadResult(_typed(table, contract), problems.frame(), tuple(notes))


def guess_table(path: Path) -> TableContract | None:
    """The contract that a file's headings fit: it has all columns that must be there, and the most columns in all.

    ``None`` where no contract has all its columns in the file, or two have equally many, or the file cannot be opened.
    """
    try:
        sheets = [s for s in first_rows(path, HEADING_SEARCH_ROWS) if not s.hidden and not s.name.startswith(IGNORED_SHEETS)]
    except InputError:
        return None
    fits: list[tuple[int, TableContract]] = []
    for contract in map(load_table, list_tables()):
        found = [mapped for sheet in sheets if (mapped := (find_headings(sheet, contract) or (0, []))[1])]
        present = {m.column.name for mapped in found for m in mapped}
        if {c.name for c in contract.columns if not c.optional} <= present:
            fits.append((len(present), contract))
    most = max((number for number, _ in fits), default=0)
    best = [contract for number, contract in fits if number == most]
    return best[0] if len(best) == 1 else None


def _first_text(sheet: Sheet) -> str:
    return next((plain_text(c.value) for row in sheet.rows for c in row if plain_text(c.value)), "")


def _report_unknown_sheets(
    unknown: list[tuple[str, str]], tables: list[SheetTable], contract: TableContract, problems: Problems
) -> None:
    """Sheets without headings: a cover page beside tables that were read is only noticed."""
    headings = "一行表头：" + "、".join([next(iter(c.headings)) for c in contract.columns][:6]) + " 等"
    for name, text in unknown:
        problems.add(name, "—", "—", text, headings, "这张表没有读入；若是数据表，请补上表头（qbresearch template 可生成空表）",
                     level=NOTICE if tables else ERROR)
    if not tables and not unknown:
        problems.add("—", "—", "—", "没有内容", headings, "放入填好的数据表（qbresearch template 可生成空表）")


def _read_sheet(
    sheet: Sheet, heading_row: int, mapped: list[Mapped], contract: TableContract, problems: Problems, notes: list[str]
) -> SheetTable:
    mapped, refused = _check_headings(sheet, heading_row, mapped, contract, problems)
    records: list[tuple[int, list[Cell]]] = []
    totals, remarks = [], []
    for number, row in enumerate(sheet.rows[heading_row + 1 :], heading_row + 2):
        kind = _row_kind(row, mapped)
        if kind == "total":
            totals.append((number, row))
        elif kind == "note":
            remarks.append((number, row))
        elif kind == "data":
            records.append((number, row))
    frame = _read_rows(records, sheet.name, mapped, problems)
    for number, row in remarks:
        notes.append(" ".join(text for c in row if (text := shown_text(c.value).strip())))
        _report_remark(row, number, sheet.name, mapped, frame["_row"], contract, problems)
    for number, row in totals:
        group = _rows_of_total(frame, row, number, [n for n, _ in totals])
        _check_total(frame, group, row, number, sheet.name, mapped, problems)
    return SheetTable(sheet.name, heading_row + 1, mapped, refused, frame)


def find_headings(sheet: Sheet, contract: TableContract) -> tuple[int, list[Mapped]] | None:
    """The row in which most contract headings stand, and where each column is."""
    headings = {
        heading_text(text): (column, factor)
        for column in contract.columns
        for text, factor in (*column.headings.items(), *((u, 1.0) for u in column.unit_required))
    }
    best: tuple[int, list[Mapped]] | None = None
    for index, row in enumerate(sheet.rows[:HEADING_SEARCH_ROWS]):
        texts = [heading_text(cell.value) for cell in row]
        mapped = [
            Mapped(headings[t][0], position, headings[t][1]) for position, t in enumerate(texts) if t in headings
        ]
        if len(mapped) >= MIN_HEADINGS and (best is None or len(mapped) > len(best[1])):
            best = index, mapped
    return best


def _check_headings(
    sheet: Sheet, index: int, mapped: list[Mapped], contract: TableContract, problems: Problems
) -> tuple[list[Mapped], set[str]]:
    """Report headings that cannot be used; return the columns to read and the names of those refused."""
    row, known = sheet.rows[index], {m.position for m in mapped}
    for position, cell in enumerate(row):
        if position not in known and plain_text(cell.value):
            problems.add(sheet.name, index + 1, column_letter(position), cell.value, "列约定中的表头或同义表头",
                         "这一列没有读入；若需要，请改用约定的表头", level=NOTICE)
    usable: dict[str, Mapped] = {}
    refused = set()
    for m in mapped:
        heading = row[m.position].value
        if heading_text(heading) in {heading_text(u) for u in m.column.unit_required}:
            problems.add(sheet.name, index + 1, m.letter, heading,
                         "表头写明单位：" + " 或 ".join(list(m.column.headings)[i] for i in (0, -1)),
                         "在表头中补上单位后重新读入，避免万元与元混用")
            refused.add(m.column.name)
        elif m.column.name in usable:
            problems.add(sheet.name, index + 1, m.letter, heading,
                         f"“{m.column.label_zh}”只出现一列（{usable[m.column.name].letter} 列已是）",
                         "删去重复的一列，或改正其中一个表头")
        else:
            usable[m.column.name] = m
    return list(usable.values()), refused


def _row_kind(row: list[Cell], mapped: list[Mapped]) -> str:
    """Whether a row below the headings is a school, a total, a note or empty."""
    if _is_plainly_data(row, mapped):
        return "data"
    texts = [plain_text(cell.value) for cell in row]
    filled = [t for t in texts if t]
    if not filled:
        return "empty"
    if any(_total_word(t) for t in texts[:TOTAL_SEARCH_COLUMNS]):
        return "total"
    cells = [m for m in mapped if m.position < len(texts) and texts[m.position]]
    if not cells or (filled[0].startswith(NOTE_WORDS) and not _has_school_cells(row, cells)):
        return "note"
    if len(filled) == 1 and not _is_value(row[cells[0].position], cells[0]):
        return "note"
    return "data"


def _is_plainly_data(row: list[Cell], mapped: list[Mapped]) -> bool:
    """Whether a row is a school at first sight: it begins with a digit, is filled beside that, and totals nothing.

    Most rows of a large file are; whatever is not so plain is looked at closely.
    """
    start = [cell.value for cell in row[:TOTAL_SEARCH_COLUMNS]]
    if not start or type(start[0]) is not str or start[0][:1] not in DIGITS or not mapped or mapped[0].position:
        return False
    filled = any(type(value) is str and value[:1] in DIGITS for value in start[1:])
    return filled and not any(type(value) is str and "计" in value for value in start)


def _has_school_cells(row: list[Cell], cells: list[Mapped]) -> bool:
    """Whether a row that begins like a note is a school all the same: 联系村小学 begins with a note's word.

    One number alone may be a date or a telephone number beside a signature.
    """
    values = [m.column for m in cells if _is_value(row[m.position], m)]
    return any(c.name == KEY for c in values) or sum(c.is_number for c in values) >= MIN_NUMBERS_OF_SCHOOL


def _report_remark(
    row: list[Cell], number: int, sheet: str, mapped: list[Mapped], schools: pd.Series, contract: TableContract,
    problems: Problems,
) -> None:
    """Notice a row taken for a note that may be a school: a lone name, or any text with schools above and below."""
    position, text = next((i, t) for i, c in enumerate(row) if (t := plain_text(c.value)))
    column = next((m for m in mapped if m.position == position), None)
    is_name = column is not None and column.column.name == NAME
    # 填表人：… is a note wherever it stands; 联系小学 in the column of names may be a school.
    if text.startswith(NOTE_WORDS) and not (is_name and ":" not in text):
        return
    if is_name or ((schools < number).any() and (schools > number).any()):
        problems.add(sheet, number, column.words if column else column_letter(position), text, f"一行一{contract.rows_zh}；说明写在数据之后",
                     f"这一行没有读入；若是{contract.row_zh}，请补上{contract.label(contract.key[-1])}与数据", level=NOTICE)


def _total_word(text: str) -> re.Match[str] | None:
    return TOTAL.fullmatch(re.sub(r"\s", "", text))


def _is_value(cell: Cell, mapped: Mapped) -> bool:
    """Whether a cell that stands alone in its row is a value of its column and no remark."""
    column = mapped.column
    if column.kind == "text" or (column.kind == "code" and not column.digits):
        return False
    return read_cell(cell, column, mapped.factor)[1] is None


def _read_rows(
    rows: list[tuple[int, list[Cell]]], sheet: str, mapped: list[Mapped], problems: Problems
) -> pd.DataFrame:
    """Values of the rows column by column, with ``_row`` and ``_reported``; problems row by row as a reader meets them."""
    values: dict[str, list[Any]] = {}
    faults: list[tuple[int, int, Mapped, Cell, Fault]] = []
    for at, m in enumerate(mapped):
        cells = [row[m.position] if m.position < len(row) else NO_CELL for _, row in rows]
        read = KnownCells(m.column, m.factor).read(cells)
        values[m.column.name] = [value for value, _ in read]
        faults += [(row, at, m, cells[row], fault) for row, (_, fault) in enumerate(read) if fault is not None]
    faults += _vocabulary_faults(rows, mapped, values)
    reported: list[dict[str, str]] = [{} for _ in rows]
    for row, _, m, cell, fault in sorted(faults, key=lambda found: found[:2]):
        problems.add(sheet, rows[row][0], m.words, cell.value, fault.expected, fault.fix)
        reported[row][m.column.name] = plain_text(cell.value)
    columns = values | {"_row": [number for number, _ in rows], "_reported": reported}
    return pd.DataFrame({name: pd.Series(column, dtype=object) for name, column in columns.items()})


def _vocabulary_faults(
    rows: list[tuple[int, list[Cell]]], mapped: list[Mapped], values: dict[str, list[Any]]
) -> list[tuple[int, int, Mapped, Cell, Fault]]:
    """Words that do not suit their row, after the faults of its cells; such a cell has no value."""
    limited = [(at, m) for at, m in enumerate(mapped, len(mapped)) if m.column.vocabularies]
    beside = {m.column.name: m.column for m in mapped}
    found = []
    for row, (_, cells) in enumerate(rows) if limited else ():
        by_name = {name: column[row] for name, column in values.items()}
        for at, m in limited:
            if by_name[m.column.name] is None:
                continue
            fault = check_vocabulary(cells[m.position], m.column, by_name, beside)
            if fault is not None:
                found.append((row, at, m, cells[m.position], fault))
                values[m.column.name][row] = None
    return found


def _rows_of_total(frame: pd.DataFrame, row: list[Cell], number: int, totals: list[int]) -> pd.DataFrame | None:
    """The group a 小计 or “小学合计” may belong to: the rows above it up to the last total, or else those below it."""
    words = [m for cell in row[:TOTAL_SEARCH_COLUMNS] if (m := _total_word(plain_text(cell.value)))]
    if not any(m[1] or m[2] == "小计" for m in words):
        return None
    above = max((n for n in totals if n < number), default=0)
    below = min((n for n in totals if n > number), default=None)
    group = frame[(frame["_row"] > above) & (frame["_row"] < number)]
    if group.empty:
        group = frame[(frame["_row"] > number) & (frame["_row"] < (below or float("inf")))]
    return group


def _check_total(
    frame: pd.DataFrame, group: pd.DataFrame | None, row: list[Cell], number: int, sheet: str, mapped: list[Mapped],
    problems: Problems,
) -> None:
    """Hold a total against the sum of all schools of the sheet, or of its group where it has one.

    A column with a cell that could not be read is left out: its sum is not known, and the cell is reported.
    """
    reported = set().union(*frame["_reported"])
    for m in mapped:
        if not m.column.is_number or m.position >= len(row) or plain_text(row[m.position].value) == "":
            continue
        stated, fault = read_cell(row[m.position], _unbounded(m.column), m.factor)
        if fault is not None:
            problems.add(sheet, number, m.words, row[m.position].value, fault.expected, fault.fix)
            continue
        sums = [_sum(rows[m.column.name]) for rows in (group, frame) if rows is not None]
        if m.column.name not in reported and all(abs(stated - total) > TOTAL_ROUNDING * m.factor for total in sums):
            problems.add(sheet, number, m.words, f"合计 {stated / m.factor:.12g}",
                         f"各行之和 {sums[0] / m.factor:.12g}", "核对合计行与各行数据，可能漏了一行或改过数")


def _sum(values: pd.Series) -> float:
    return math.fsum(v for v in values if v is not None)


def _unbounded(column: Column) -> Column:
    """The same column without its per-school range, for totals."""
    return replace(column, kind="number", min=None, max=None)


def _report_absent_columns(tables: list[SheetTable], contract: TableContract, problems: Problems) -> None:
    """Required columns that no sheet has; a sheet that is absent as a whole is one problem."""
    if not tables:
        return
    present = {m.column.name for t in tables for m in t.mapped} | {name for t in tables for name in t.refused}
    for sheet_id, label in {"every": "", **contract.sheets}.items():
        required = [c for c in contract.columns if c.sheet == sheet_id and not c.optional]
        absent = [c for c in required if c.name not in present]
        if len(absent) == len(required) > 1 and label:
            words = "、".join(c.label_zh for c in absent[:3])
            problems.add(label, "—", "—", "没有这张表", f"工作表“{label}”，含{words} 等 {len(absent)} 列",
                         "补上这张表（qbresearch template 可生成空表）")
            continue
        places = [(t.name, t.heading_row) for t in tables if any(m.column in required for m in t.mapped)]
        sheet, row = (places or [(label or "—", "—")])[0]
        for column in absent:
            problems.add(sheet, row, column.label_zh, "没有这一列",
                         f"表头“{next(iter(column.headings))}”" + (f"（{column.form}）" if column.form else ""),
                         "补上这一列；没有数据也要有表头，单元格留空")


def _typed(table: pd.DataFrame, contract: TableContract) -> pd.DataFrame:
    """Contract columns in contract order with one dtype a kind: numbers float64, years Int64, the rest text."""
    columns = {}
    for spec in (*contract.columns, *contract.constants):
        values = table[spec.name] if spec.name in table else pd.Series([None] * len(table), index=table.index)
        if spec.kind in {"count", "number"}:
            columns[spec.name] = pd.to_numeric(values).astype("float64")
        elif spec.kind == "year":
            columns[spec.name] = pd.to_numeric(values).astype("Int64")
        else:
            columns[spec.name] = values.astype("string")
    columns["_file"] = table["_file"].astype("string") if "_file" in table else pd.Series(dtype="string")
    columns["_place"] = table["_place"] if "_place" in table else pd.Series(dtype=object)
    return pd.DataFrame(columns).reset_index(drop=True)
