"""Readers for the workbooks and CSV files that bureaus send.

A file becomes a table in the contract's columns and units, plus a table of everything that is wrong with it. Nothing
is dropped, filled or coerced silently: a cell that is not what the contract asks for is left missing *and* reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from qbresearch.raw.cells import heading_text, plain_text, read_cell
from qbresearch.raw.columns import Column, TableContract
from qbresearch.raw.sheets import Cell, Sheet, open_sheets

ERROR, NOTICE = "错误", "提示"
PROBLEM_COLUMNS = ["file", "sheet", "row", "column", "level", "found", "expected", "fix"]
TOTAL_WORDS = ("合计", "总计", "小计", "全县合计", "全区合计")
IGNORED_SHEETS = ("示例", "填写说明")
HEADING_SEARCH_ROWS = 20
MIN_HEADINGS = 2
SUM_TOLERANCE = 0.005
LONGEST_SHOWN = 40


@dataclass(slots=True)
class Problems:
    """Collects what is wrong with a file, one row a cell, in the order found."""

    file: str
    rows: list[tuple[Any, ...]] = field(default_factory=list)

    def add(
        self, sheet: str, row: int | str, column: str, found: object, expected: str, fix: str, level: str = ERROR
    ) -> None:
        """Note one problem; ``row`` is the row as the spreadsheet numbers it."""
        shown = plain_text(found)
        shown = shown if len(shown) <= LONGEST_SHOWN else shown[:LONGEST_SHOWN] + "…"
        self.rows.append((self.file, sheet, str(row), column, level, shown or "空白", expected, fix))

    def frame(self) -> pd.DataFrame:
        """All problems as a table with columns ``PROBLEM_COLUMNS``."""
        return pd.DataFrame(self.rows, columns=PROBLEM_COLUMNS)


@dataclass(frozen=True, slots=True)
class ReadResult:
    """A file as read.

    table : one row a school, contract column names and units; ``_file`` and ``_place`` (a :class:`Place`) say where
        its cells stand.
    problems : columns ``PROBLEM_COLUMNS``; level 错误 blocks the build, 提示 does not.
    notes : texts of the rows that are neither schools nor totals.
    """

    table: pd.DataFrame
    problems: pd.DataFrame
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the cells of one school stand: ``rows`` maps sheet to row, ``sheets`` maps column to sheet."""

    rows: Mapping[str, int]
    sheets: Mapping[str, str]

    def of(self, column: str) -> tuple[str, int | str]:
        """Sheet and row of a column's cell; the school's first row where no sheet has the column."""
        sheet = self.sheets.get(column, next(iter(self.rows)))
        return sheet, self.rows.get(sheet, "—")


@dataclass(frozen=True, slots=True)
class _Mapped:
    """A contract column found at a position of a sheet, with the factor to the contract's unit."""

    column: Column
    position: int
    factor: float


def read_file(path: Path, contract: TableContract) -> ReadResult:
    """Read one .xlsx or .csv file against a column contract.

    Parameters
    ----------
    path : Path
        The file; it is opened for reading only.
    contract : TableContract
        What the file should hold.

    Returns
    -------
    ReadResult
        Sheets of one workbook are joined on the school code; a school that one sheet leaves out has missing values
        there and is reported.

    Raises
    ------
    InputError
        The file cannot be opened at all (not a workbook, protected, unknown encoding).
    """
    problems, notes = Problems(path.name), []
    frames = {}
    for sheet in open_sheets(path):
        if not sheet.name.startswith(IGNORED_SHEETS):
            frame = _read_sheet(sheet, contract, problems, notes)
            if frame is not None:
                frames[sheet.name] = frame
    table = _join(frames, contract, problems)
    _report_absent_columns(table, contract, problems)
    for constant in contract.constants:
        table[constant.name] = constant.value
    table["_file"] = path.name
    return ReadResult(_typed(table, contract), problems.frame(), tuple(notes))


def _read_sheet(sheet: Sheet, contract: TableContract, problems: Problems, notes: list[str]) -> pd.DataFrame | None:
    found = _find_headings(sheet, contract)
    if found is None:
        texts = [plain_text(c.value) for row in sheet.rows for c in row if plain_text(c.value)]
        if texts:
            problems.add(sheet.name, "—", "—", texts[0], "一行表头：" + "、".join(_main_headings(contract)[:6]) + " 等",
                         "补上表头（qbresearch template 可生成空表）；不是数据表的请移出工作簿")
        return None
    heading_row, mapped = found
    _check_headings(sheet, heading_row, mapped, contract, problems)
    records, totals = [], []
    for number, row in enumerate(sheet.rows[heading_row + 1 :], heading_row + 2):
        kind = _row_kind(row, mapped)
        if kind == "total":
            totals.append((number, row))
        elif kind == "note":
            notes.append(next(plain_text(c.value) for c in row if plain_text(c.value)))
        elif kind == "data":
            records.append(_read_row(row, number, sheet.name, mapped, problems))
    frame = pd.DataFrame(records, columns=[m.column.name for m in mapped] + ["_sheet", "_row"], dtype=object)
    for number, row in totals:
        _check_total(frame, row, number, sheet.name, mapped, problems)
    return frame


def _find_headings(sheet: Sheet, contract: TableContract) -> tuple[int, list[_Mapped]] | None:
    """The row in which most contract headings stand, and where each column is."""
    headings = {
        heading_text(text): (column, factor)
        for column in contract.columns
        for text, factor in (*column.headings.items(), *((u, 1.0) for u in column.unit_required))
    }
    best: tuple[int, list[_Mapped]] | None = None
    for index, row in enumerate(sheet.rows[:HEADING_SEARCH_ROWS]):
        texts = [heading_text(cell.value) for cell in row]
        mapped = [
            _Mapped(headings[t][0], position, headings[t][1]) for position, t in enumerate(texts) if t in headings
        ]
        if len(mapped) >= MIN_HEADINGS and (best is None or len(mapped) > len(best[1])):
            best = index, mapped
    return best


def _check_headings(
    sheet: Sheet, index: int, mapped: list[_Mapped], contract: TableContract, problems: Problems
) -> None:
    row, known = sheet.rows[index], {m.position for m in mapped}
    for position, cell in enumerate(row):
        if position not in known and plain_text(cell.value):
            problems.add(sheet.name, index + 1, _letter(position), cell.value, "列约定中的表头或同义表头",
                         "这一列没有读入；若需要，请改用约定的表头", level=NOTICE)
    counts = Counter(m.column.name for m in mapped)
    for m in list(mapped):
        heading = heading_text(row[m.position].value)
        if heading in {heading_text(u) for u in m.column.unit_required}:
            problems.add(sheet.name, index + 1, _letter(m.position), row[m.position].value,
                         "表头写明单位：" + " 或 ".join(list(m.column.headings)[i] for i in (0, -1)),
                         "在表头中补上单位后重新读入，避免万元与元混用")
        if counts[m.column.name] > 1:
            problems.add(sheet.name, index + 1, _letter(m.position), row[m.position].value,
                         f"“{m.column.label_zh}”只出现一列", "删去重复的一列，或改正其中一个表头")
            counts[m.column.name] = 0
            mapped.remove(m)


def _row_kind(row: list[Cell], mapped: list[_Mapped]) -> str:
    """Whether a row below the headings is a school, a total, a note or empty."""
    texts = [plain_text(cell.value) for cell in row]
    filled = [t for t in texts if t]
    if not filled:
        return "empty"
    if any(t.replace(" ", "") in TOTAL_WORDS for t in texts[:6]):
        return "total"
    cells = [texts[m.position] for m in mapped if m.position < len(texts)]
    if len(filled) == 1 and (len(mapped) > MIN_HEADINGS or not any(cells)):
        return "note"
    return "data" if any(cells) else "note"


def _read_row(row: list[Cell], number: int, sheet: str, mapped: list[_Mapped], problems: Problems) -> list[Any]:
    values: list[Any] = []
    for m in mapped:
        cell = row[m.position] if m.position < len(row) else Cell(None)
        value, fault = read_cell(cell, m.column, m.factor)
        if fault is not None:
            problems.add(sheet, number, _column_words(m), cell.value, fault.expected, fault.fix)
        values.append(value)
    return [*values, sheet, number]


def _check_total(
    frame: pd.DataFrame, row: list[Cell], number: int, sheet: str, mapped: list[_Mapped], problems: Problems
) -> None:
    """Hold a 合计 row against the sum of the schools above it."""
    for m in mapped:
        if not m.column.is_number or m.position >= len(row) or plain_text(row[m.position].value) == "":
            continue
        stated, fault = read_cell(row[m.position], _unbounded(m.column), m.factor)
        summed = float(pd.to_numeric(frame[m.column.name], errors="coerce").sum())
        if fault is not None:
            problems.add(sheet, number, _column_words(m), row[m.position].value, fault.expected, fault.fix)
        elif abs(stated - summed) > SUM_TOLERANCE * m.factor:
            problems.add(sheet, number, _column_words(m), f"合计 {stated / m.factor:.12g}",
                         f"各行之和 {summed / m.factor:.12g}", "核对合计行与各校数据，可能漏了学校或改过数")


def _unbounded(column: Column) -> Column:
    """The same column without its per-school range, for totals."""
    return Column(
        name=column.name, label_zh=column.label_zh, label_en=column.label_en, kind="number", meaning=column.meaning,
        sheet=column.sheet, headings=column.headings, unit=column.unit,
    )


def _join(frames: dict[str, pd.DataFrame], contract: TableContract, problems: Problems) -> pd.DataFrame:
    """Put the sheets of one workbook side by side, one row a school code; ``_row`` becomes ``_place``."""
    keyed = {name: f for name, f in frames.items() if "school_code" in f}
    if not keyed or len(frames) == 1:
        return _placed(next(iter(frames.values())), {}) if frames else pd.DataFrame(dtype=object)
    for name in set(frames) - set(keyed):
        problems.add(name, "—", "学校标识码", "没有这一列", "每张表都有学校标识码", "补上学校标识码，各表靠它对上")
    first_name = next(iter(keyed))
    first = _without_blank_codes(keyed[first_name], first_name, problems)
    others = {}
    for name, frame in list(keyed.items())[1:]:
        frame = _without_blank_codes(frame, name, problems)
        twice = frame["school_code"].duplicated()
        for number, code in frame.loc[twice, ["_row", "school_code"]].itertuples(index=False):
            problems.add(name, number, "学校标识码", code, "一校一行", "删去重复的一行，或改正标识码")
        others[name] = frame = frame[~twice]
        _report_unmatched(first, frame, first_name, name, problems)
        _report_name_conflicts(first, frame, name, problems)
    joined = _placed(first, others)
    for frame in others.values():
        new = [c for c in frame if c not in joined.columns and c not in {"_sheet", "_row"}]
        joined = joined.merge(frame[["school_code", *new]], on="school_code", how="left")
    return joined


def _placed(first: pd.DataFrame, others: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Replace ``_sheet`` and ``_row`` by a :class:`Place` that also knows the rows of the other sheets."""
    name = first["_sheet"].iloc[0] if len(first) else ""
    sheets = {c: name for c in first}
    rows_of = {}
    for other, frame in others.items():
        sheets = {c: other for c in frame} | sheets
        rows_of[other] = dict(zip(frame["school_code"], frame["_row"], strict=True))
    codes = first["school_code"] if "school_code" in first else [None] * len(first)
    places = [
        Place({name: row} | {other: rows[code] for other, rows in rows_of.items() if code in rows}, sheets)
        for row, code in zip(first["_row"], codes, strict=True)
    ]
    return first.drop(columns=["_sheet", "_row"]).assign(_place=pd.Series(places, index=first.index, dtype=object))


def _without_blank_codes(frame: pd.DataFrame, sheet: str, problems: Problems) -> pd.DataFrame:
    """Rows whose code could not be read cannot be joined; each one without a reported fault is reported here."""
    reported = {(r[1], r[2]) for r in problems.rows if r[3].endswith("学校标识码")}
    for number in frame.loc[frame["school_code"].isna(), "_row"]:
        if (sheet, str(number)) not in reported:
            problems.add(sheet, number, "学校标识码", None, "十位数字的文本", "补上标识码；没有它各表对不上")
    return frame[frame["school_code"].notna()]


def _report_unmatched(
    first: pd.DataFrame, other: pd.DataFrame, first_name: str, other_name: str, problems: Problems
) -> None:
    here, there = set(first["school_code"]), set(other["school_code"])
    for number, code in first.loc[~first["school_code"].isin(there), ["_row", "school_code"]].itertuples(index=False):
        problems.add(first_name, number, "学校标识码", code, f"工作表“{other_name}”中也有这所学校",
                     f"在“{other_name}”补上这所学校；现按缺失处理，不当作 0", level=NOTICE)
    for number, code in other.loc[~other["school_code"].isin(here), ["_row", "school_code"]].itertuples(index=False):
        problems.add(other_name, number, "学校标识码", code, f"工作表“{first_name}”中有这所学校",
                     f"在“{first_name}”登记这所学校，或改正标识码")


def _report_name_conflicts(first: pd.DataFrame, other: pd.DataFrame, sheet: str, problems: Problems) -> None:
    if "school_name" not in first or "school_name" not in other:
        return
    names = dict(zip(first["school_code"], first["school_name"], strict=True))
    for number, code, name in other[["_row", "school_code", "school_name"]].itertuples(index=False):
        known = names.get(code)
        if known and name and plain_text(known) != plain_text(name):
            problems.add(sheet, number, "学校名称", name, f"{known}（同一标识码 {code}）", "核对标识码是否串行")


def _report_absent_columns(table: pd.DataFrame, contract: TableContract, problems: Problems) -> None:
    if table.empty and not len(table.columns):
        return
    for column in contract.columns:
        if column.name not in table.columns and not column.optional:
            problems.add(contract.sheets.get(column.sheet, "—"), "—", column.label_zh, "没有这一列",
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


def _main_headings(contract: TableContract) -> list[str]:
    return [next(iter(c.headings)) for c in contract.columns]


def _column_words(mapped: _Mapped) -> str:
    return f"{_letter(mapped.position)} {mapped.column.label_zh}"


def _letter(position: int) -> str:
    """Spreadsheet letter of a column position counted from zero."""
    letters, position = "", position + 1
    while position:
        position, rest = divmod(position - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
