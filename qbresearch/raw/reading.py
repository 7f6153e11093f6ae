"""Readers for the workbooks and CSV files that bureaus send.

A file becomes a table in the contract's columns and units, plus a table of everything that is wrong with it. Nothing
is dropped, filled or coerced silently: a cell that is not what the contract asks for is left missing *and* reported.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from qbresearch.raw.cells import heading_text, plain_text, read_cell, shown_text
from qbresearch.raw.sheets import Cell, Sheet, open_sheets
from qbresearch.rules.columns import Column, TableContract

ERROR, NOTICE = "错误", "提示"
PROBLEM_COLUMNS = ["file", "sheet", "row", "column", "level", "found", "expected", "fix"]
TOTAL = re.compile(r"(\S{0,10}?)(合计|总计|共计|小计)(?:\(.*\))?:?")
TOTAL_SEARCH_COLUMNS = 6
NOTE_WORDS = ("注:", "注1", "说明:", "备注:", "填表", "填报", "审核", "负责人", "单位负责人", "制表", "联系", "统计负责人")
IGNORED_SHEETS = ("示例", "填写说明")
HEADING_SEARCH_ROWS = 20
MIN_HEADINGS = 2
# Half of the last digit of a total printed with two decimals.
TOTAL_ROUNDING = 0.005
LONGEST_SHOWN = 40
MIN_NUMBERS_OF_SCHOOL = 2
KEY, NAME = "school_code", "school_name"


@dataclass(slots=True)
class Problems:
    """Collects what is wrong with a file, one row a cell, in the order found."""

    file: str
    rows: list[tuple[Any, ...]] = field(default_factory=list)

    def add(
        self, sheet: str, row: int | str, column: str, found: object, expected: str, fix: str, level: str = ERROR
    ) -> None:
        """Note one problem; ``row`` is the row as the spreadsheet numbers it, ``found`` is shown as it stands there."""
        shown = shown_text(found).strip()
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
    """Where the cells of one school stand.

    rows : sheet to row, the sheet that lists the school first.
    columns : contract column to its sheet and spreadsheet letter.
    reported : columns whose cell is among the problems of reading, with its text, so that one defect is not reported
        twice.
    """

    rows: Mapping[str, int]
    columns: Mapping[str, tuple[str, str]]
    reported: Mapping[str, str] = field(default_factory=dict)

    @property
    def first(self) -> tuple[str, int]:
        """Sheet and row that list the school."""
        return next(iter(self.rows.items()))

    def at(self, column: str, label: str) -> tuple[str, int | str, str]:
        """Sheet, row and words for a column's cell; the school's first row where no sheet has the column."""
        sheet, letter = self.columns.get(column, (self.first[0], ""))
        return sheet, self.rows.get(sheet, "—"), f"{letter} {label}".strip()

    def has_cell(self, column: str) -> bool:
        """Whether there is such a cell and nothing has been reported about it."""
        return column in self.columns and self.columns[column][0] in self.rows and column not in self.reported


@dataclass(frozen=True, slots=True)
class _Mapped:
    """A contract column found at a position of a sheet, with the factor to the contract's unit."""

    column: Column
    position: int
    factor: float

    @property
    def letter(self) -> str:
        return _letter(self.position)

    @property
    def words(self) -> str:
        return f"{self.letter} {self.column.label_zh}"


@dataclass(slots=True)
class _SheetTable:
    """The schools of one sheet: a frame of its columns plus ``_row`` and ``_reported`` (column to faulty text)."""

    name: str
    heading_row: int
    mapped: list[_Mapped]
    refused: set[str]
    frame: pd.DataFrame

    def words(self, column: str) -> str:
        return next(m.words for m in self.mapped if m.column.name == column)


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
        Sheets of one workbook are joined on the school code; a school that one sheet leaves out has missing values
        there and is reported.

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
        found = _find_headings(sheet, contract)
        if found is None:
            unknown += [(sheet.name, text)] if not sheet.hidden and (text := _first_text(sheet)) else []
        elif sheet.hidden:
            problems.add(sheet.name, "—", "—", "隐藏的工作表", "看得见的工作表",
                         "这张表没有读入；若是数据，请取消隐藏", level=NOTICE)
        else:
            tables.append(_read_sheet(sheet, *found, contract, problems, notes))
    _report_unknown_sheets(unknown, tables, contract, problems)
    table = _join(tables, contract, problems)
    _report_absent_columns(tables, contract, problems)
    for constant in contract.constants:
        table[constant.name] = constant.value
    table["_file"] = name
    return ReadResult(_typed(table, contract), problems.frame(), tuple(notes))


def _first_text(sheet: Sheet) -> str:
    return next((plain_text(c.value) for row in sheet.rows for c in row if plain_text(c.value)), "")


def _report_unknown_sheets(
    unknown: list[tuple[str, str]], tables: list[_SheetTable], contract: TableContract, problems: Problems
) -> None:
    """Sheets without headings: a cover page beside tables that were read is only noticed."""
    headings = "一行表头：" + "、".join([next(iter(c.headings)) for c in contract.columns][:6]) + " 等"
    for name, text in unknown:
        problems.add(name, "—", "—", text, headings, "这张表没有读入；若是数据表，请补上表头（qbresearch template 可生成空表）",
                     level=NOTICE if tables else ERROR)
    if not tables and not unknown:
        problems.add("—", "—", "—", "没有内容", headings, "放入填好的数据表（qbresearch template 可生成空表）")


def _read_sheet(
    sheet: Sheet, heading_row: int, mapped: list[_Mapped], contract: TableContract, problems: Problems, notes: list[str]
) -> _SheetTable:
    mapped, refused = _check_headings(sheet, heading_row, mapped, contract, problems)
    records, totals, remarks = [], [], []
    for number, row in enumerate(sheet.rows[heading_row + 1 :], heading_row + 2):
        kind = _row_kind(row, mapped)
        if kind == "total":
            totals.append((number, row))
        elif kind == "note":
            remarks.append((number, row))
        elif kind == "data":
            records.append(_read_row(row, number, sheet.name, mapped, problems))
    frame = pd.DataFrame(records, columns=[m.column.name for m in mapped] + ["_row", "_reported"], dtype=object)
    for number, row in remarks:
        notes.append(" ".join(text for c in row if (text := shown_text(c.value).strip())))
        _report_remark(row, number, sheet.name, mapped, frame["_row"], problems)
    for number, row in totals:
        group = _rows_of_total(frame, row, number, [n for n, _ in totals])
        _check_total(frame, group, row, number, sheet.name, mapped, problems)
    return _SheetTable(sheet.name, heading_row + 1, mapped, refused, frame)


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
) -> tuple[list[_Mapped], set[str]]:
    """Report headings that cannot be used; return the columns to read and the names of those refused."""
    row, known = sheet.rows[index], {m.position for m in mapped}
    for position, cell in enumerate(row):
        if position not in known and plain_text(cell.value):
            problems.add(sheet.name, index + 1, _letter(position), cell.value, "列约定中的表头或同义表头",
                         "这一列没有读入；若需要，请改用约定的表头", level=NOTICE)
    usable: dict[str, _Mapped] = {}
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


def _row_kind(row: list[Cell], mapped: list[_Mapped]) -> str:
    """Whether a row below the headings is a school, a total, a note or empty."""
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


def _has_school_cells(row: list[Cell], cells: list[_Mapped]) -> bool:
    """Whether a row that begins like a note is a school all the same: 联系村小学 begins with a note's word.

    One number alone may be a date or a telephone number beside a signature.
    """
    values = [m.column for m in cells if _is_value(row[m.position], m)]
    return any(c.name == KEY for c in values) or sum(c.is_number for c in values) >= MIN_NUMBERS_OF_SCHOOL


def _report_remark(
    row: list[Cell], number: int, sheet: str, mapped: list[_Mapped], schools: pd.Series, problems: Problems
) -> None:
    """Notice a row taken for a note that may be a school: a lone name, or any text with schools above and below."""
    position, text = next((i, t) for i, c in enumerate(row) if (t := plain_text(c.value)))
    column = next((m for m in mapped if m.position == position), None)
    is_name = column is not None and column.column.name == NAME
    # 填表人：… is a note wherever it stands; 联系小学 in the column of names may be a school.
    if text.startswith(NOTE_WORDS) and not (is_name and ":" not in text):
        return
    if is_name or ((schools < number).any() and (schools > number).any()):
        problems.add(sheet, number, column.words if column else _letter(position), text, "一行一所学校；说明写在数据之后",
                     "这一行没有读入；若是学校，请补上标识码与数据", level=NOTICE)


def _total_word(text: str) -> re.Match[str] | None:
    return TOTAL.fullmatch(re.sub(r"\s", "", text))


def _is_value(cell: Cell, mapped: _Mapped) -> bool:
    """Whether a cell that stands alone in its row is a value of its column and no remark."""
    column = mapped.column
    if column.kind == "text" or (column.kind == "code" and not column.digits):
        return False
    return read_cell(cell, column, mapped.factor)[1] is None


def _read_row(row: list[Cell], number: int, sheet: str, mapped: list[_Mapped], problems: Problems) -> list[Any]:
    values: list[Any] = []
    reported = {}
    for m in mapped:
        cell = row[m.position] if m.position < len(row) else Cell(None)
        value, fault = read_cell(cell, m.column, m.factor)
        if fault is not None:
            problems.add(sheet, number, m.words, cell.value, fault.expected, fault.fix)
            reported[m.column.name] = plain_text(cell.value)
        values.append(value)
    return [*values, number, reported]


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
    frame: pd.DataFrame, group: pd.DataFrame | None, row: list[Cell], number: int, sheet: str, mapped: list[_Mapped],
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
                         f"各行之和 {sums[0] / m.factor:.12g}", "核对合计行与各校数据，可能漏了学校或改过数")


def _sum(values: pd.Series) -> float:
    return math.fsum(v for v in values if v is not None)


def _unbounded(column: Column) -> Column:
    """The same column without its per-school range, for totals."""
    return replace(column, kind="number", min=None, max=None)


def _join(tables: list[_SheetTable], contract: TableContract, problems: Problems) -> pd.DataFrame:
    """Put the sheets of one workbook side by side, one row a school code."""
    if not tables:
        return pd.DataFrame(dtype=object)
    keyed = [t for t in tables if KEY in t.frame]
    if len(tables) == 1 or not keyed:
        # A table that no code can join is read alone; without the code's column in the contract, others are too many.
        for table in tables[1:] if KEY not in {c.name for c in contract.columns} else ():
            problems.add(table.name, table.heading_row, "—", "又一张数据表", "一个文件一张数据表", "分成几个文件，每个一张表")
        return _placed(tables[0], ())
    for table in tables:
        if KEY not in table.frame:
            problems.add(table.name, table.heading_row, contract.label(KEY), "没有这一列",
                         f"每张表都有{contract.label(KEY)}", "补上这一列，各表靠它对上")
    first, others = keyed[0], keyed[1:]
    settled: set[str] = set()
    for table in keyed:
        _settle_codes(table, table is first, contract, problems, settled)
    for at, other in enumerate(others, 1):
        _report_unmatched(first, other, problems, settled)
        _report_conflicts(keyed[:at], other, problems)
    joined = _placed(first, others)
    for other in others:
        for m in other.mapped:
            if m.column.name != KEY:
                joined = _filled(joined, m, other)
    return joined


def _filled(joined: pd.DataFrame, m: _Mapped, other: _SheetTable) -> pd.DataFrame:
    """Take a column's values from a later sheet where no earlier one has them; the places follow the values."""
    name = m.column.name
    stated = dict(zip(other.frame[KEY], other.frame[name], strict=True))
    known = joined[name] if name in joined else [None] * len(joined)
    values, places = [], []
    for code, value, place in zip(joined[KEY], known, joined["_place"], strict=True):
        if value is None and stated.get(code) is not None:
            value = stated[code]
            place = replace(place, columns={**place.columns, name: (other.name, m.letter)})
        values.append(value)
        places.append(place)
    return joined.assign(**{name: _objects(values, joined), "_place": _objects(places, joined)})


def _placed(first: _SheetTable, others: Collection[_SheetTable]) -> pd.DataFrame:
    """Replace ``_row`` and ``_reported`` by a :class:`Place` that also knows the rows of the other sheets."""
    columns: dict[str, tuple[str, str]] = {}
    for table in (first, *others):
        columns = {m.column.name: (table.name, m.letter) for m in table.mapped} | columns
    found = [
        (t.name, {code: (row, said) for code, row, said in t.frame[[KEY, "_row", "_reported"]].itertuples(index=False)})
        for t in others
    ]
    places = []
    codes = first.frame[KEY] if KEY in first.frame else [None] * len(first.frame)
    for code, row, reported in zip(codes, first.frame["_row"], first.frame["_reported"], strict=True):
        rows = {first.name: row}
        for name, cells in found:
            if code in cells:
                rows[name], reported = cells[code][0], reported | cells[code][1]
        places.append(Place(rows, columns, reported))
    placed = first.frame.drop(columns=["_row", "_reported"])
    return placed.assign(_place=_objects(places, placed))


def _settle_codes(
    table: _SheetTable, is_first: bool, contract: TableContract, problems: Problems, settled: set[str]
) -> None:
    """Make the codes of a sheet fit for joining; the names of schools whose code is reported go into ``settled``.

    Codes that occur twice are left missing, because it is not known whose they are. Rows without a code stay in the
    first sheet, which lists the schools, and are left out of the others.
    """
    frame, label = table.frame, table.words(KEY)
    blank = frame[KEY].isna()
    if not is_first:
        for row, reported in frame.loc[blank, ["_row", "_reported"]].itertuples(index=False):
            if KEY not in reported:
                problems.add(table.name, row, label, None, contract.column(KEY).meaning, "补上标识码；没有它各表对不上")
    shared = ~blank & frame[KEY].duplicated(keep=False)
    for code, rows in frame[shared].groupby(KEY, sort=False)["_row"]:
        for row in rows.iloc[1:]:
            problems.add(table.name, row, label, code, f"一校一行（第 {rows.iloc[0]} 行已用此码）",
                         "删去重复的一行，或改正标识码")
    if NAME in frame:
        settled |= {plain_text(n) for n in frame.loc[blank | shared, NAME]} - {""}
    rows = list(zip(frame[KEY], frame["_reported"], shared, strict=True))
    codes = [None if twice else code for code, _, twice in rows]
    reported = [said | {KEY: code} if twice else said for code, said, twice in rows]
    frame = frame.assign(**{KEY: _objects(codes, frame), "_reported": _objects(reported, frame)})
    table.frame = frame if is_first else frame[frame[KEY].notna()]


def _objects(values: list[Any], frame: pd.DataFrame) -> pd.Series:
    return pd.Series(values, index=frame.index, dtype=object)


def _report_unmatched(first: _SheetTable, other: _SheetTable, problems: Problems, settled: set[str]) -> None:
    """Schools that only one of two sheets has; a name found in both under two codes is one problem, not two."""
    codes, other_codes = set(first.frame[KEY]), set(other.frame[KEY])
    lonely = [r for r in _named_rows(first) if r[0] is not None and r[0] not in other_codes and r[1] not in settled]
    code_of = {name: code for code, name, _ in lonely if name}
    for code, name, row in _named_rows(other):
        if code in codes or name in settled:
            continue
        if name in code_of:
            problems.add(other.name, row, other.words(KEY), code, f"{code_of[name]}（工作表“{first.name}”中“{name}”的标识码）",
                         "核对两张表的标识码，改正错的一处")
        else:
            problems.add(other.name, row, other.words(KEY), code, f"工作表“{first.name}”中有这所学校",
                         f"在“{first.name}”登记这所学校，或改正标识码")
        settled |= {name} - {""}
    for code, name, row in lonely:
        if name not in settled:
            problems.add(first.name, row, first.words(KEY), code, f"工作表“{other.name}”中也有这所学校",
                         f"在“{other.name}”补上这所学校；现按缺失处理，不当作 0", level=NOTICE)


def _named_rows(table: _SheetTable) -> list[tuple[Any, str, int]]:
    """Code, name (empty where there is none) and row of every school of a sheet."""
    frame = table.frame
    names = frame[NAME].map(plain_text) if NAME in frame else [""] * len(frame)
    return list(zip(frame[KEY], names, frame["_row"], strict=True))


def _report_conflicts(earlier: list[_SheetTable], other: _SheetTable, problems: Problems) -> None:
    """Cells of a sheet that differ from what the first earlier sheet to state them says; the join keeps the earlier."""
    for m in other.mapped:
        name = m.column.name
        if name == KEY:
            continue
        stated: dict[Any, tuple[Any, str]] = {}
        for table in (t for t in earlier if name in t.frame):
            for code, value in zip(table.frame[KEY], table.frame[name], strict=True):
                if code is not None and value is not None:
                    stated.setdefault(code, (value, table.name))
        for code, value, row in other.frame[[KEY, name, "_row"]].itertuples(index=False):
            known, sheet = stated.get(code, (None, ""))
            if known is not None and value is not None and plain_text(known) != plain_text(value):
                problems.add(other.name, row, m.words, value,
                             f"{shown_text(known)}（工作表“{sheet}”，同一标识码 {code}）", "核对标识码是否串行，改正错的一处")


def _report_absent_columns(tables: list[_SheetTable], contract: TableContract, problems: Problems) -> None:
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


def _letter(position: int) -> str:
    """Spreadsheet letter of a column position counted from zero."""
    letters, position = "", position + 1
    while position:
        position, rest = divmod(position - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
