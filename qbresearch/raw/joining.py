"""The sheets of one workbook side by side: one row a key that stands in every sheet, and where each cell came from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from qbresearch.raw.cells import plain_text, shown_text
from qbresearch.raw.problems import NOTICE, Problems
from qbresearch.rules.columns import Column, TableContract

NAME = "school_name"
NAMES = (NAME, "county_name")  # the first of them that a sheet has tells its rows by name


@dataclass(frozen=True, slots=True)
class Place:
    """Where the cells of one row of a table stand.

    rows : sheet to row, the sheet that lists the row first.
    columns : contract column to its sheet and spreadsheet letter.
    reported : columns whose cell is among the problems of reading, with its text, so that one defect is not reported
        twice.
    """

    rows: Mapping[str, int]
    columns: Mapping[str, tuple[str, str]]
    reported: Mapping[str, str] = field(default_factory=dict)

    @property
    def first(self) -> tuple[str, int]:
        """Sheet and row that list the row."""
        return next(iter(self.rows.items()))

    def at(self, column: str, label: str) -> tuple[str, int | str, str]:
        """Sheet, row and words for a column's cell; the first row where no sheet has the column."""
        sheet, letter = self.columns.get(column, (self.first[0], ""))
        return sheet, self.rows.get(sheet, "—"), f"{letter} {label}".strip()

    def has_cell(self, column: str) -> bool:
        """Whether there is such a cell and nothing has been reported about it."""
        return column in self.columns and self.columns[column][0] in self.rows and column not in self.reported


@dataclass(frozen=True, slots=True)
class Mapped:
    """A contract column found at a position of a sheet, with the factor to the contract's unit."""

    column: Column
    position: int
    factor: float

    @property
    def letter(self) -> str:
        """Spreadsheet letter of the position."""
        return column_letter(self.position)

    @property
    def words(self) -> str:
        """Letter and label."""
        return f"{self.letter} {self.column.label_zh}"


@dataclass(slots=True)
class SheetTable:
    """The rows of one sheet: a frame of its columns plus ``_row`` and ``_reported`` (column to faulty text).

    While sheets are joined, ``_code`` holds the text by which they are: one key column, or several with spaces between.
    """

    name: str
    heading_row: int
    mapped: list[Mapped]
    refused: set[str]
    frame: pd.DataFrame

    def words(self, names: Collection[str]) -> str:
        """Letters and labels of columns."""
        return "、".join(m.words for name in names for m in self.mapped if m.column.name == name)


def column_letter(position: int) -> str:
    """Spreadsheet letter of a column position counted from zero."""
    letters, position = "", position + 1
    while position:
        position, rest = divmod(position - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def join_sheets(tables: list[SheetTable], contract: TableContract, problems: Problems) -> pd.DataFrame:
    """Put the sheets of one workbook side by side, one row a join key of the contract.

    Parameters
    ----------
    tables : list of SheetTable
        The first to hold the join key lists the rows; later ones fill in the columns it lacks.
    contract : TableContract
        Its ``join_key`` says what joins the sheets. A table of one sheet has none: a second sheet with its headings is
        reported, not stacked.
    problems : Problems
        Receives repeated, blank and unmatched keys, and cells that two sheets state differently.

    Returns
    -------
    DataFrame
        Contract columns found plus ``_place`` (a :class:`Place`).
    """
    if not tables:
        return pd.DataFrame(dtype=object)
    key = contract.join_key
    keyed = [t for t in tables if key and set(key) <= set(t.frame)]
    if len(tables) == 1 or not keyed:
        for table in tables[1:] if not key else ():
            problems.add(table.name, table.heading_row, "—", "又一张数据表", "一个文件一张数据表", "分成几个文件，每个一张表")
        return _placed(tables[0], ())
    for table in tables:
        absent = [name for name in key if name not in table.frame]
        if absent:
            label = _labels(absent, contract)
            problems.add(table.name, table.heading_row, label, "没有这一列", f"每张表都有{label}", "补上这一列，各表靠它对上")
    settled: set[str] = set()
    for table in keyed:
        _settle_codes(table, table is keyed[0], contract, problems, settled)
    first, others = keyed[0], keyed[1:]
    for at, other in enumerate(others, 1):
        _report_unmatched(first, other, contract, problems, settled)
        _report_conflicts(keyed[:at], other, contract, problems)
    joined = _placed(first, others)
    for other in others:
        for m in other.mapped:
            if m.column.name not in key:
                joined = _filled(joined, m, other)
    return joined.drop(columns="_code")


def _labels(names: Collection[str], contract: TableContract) -> str:
    return "、".join(contract.label(name) for name in names)


def _filled(joined: pd.DataFrame, m: Mapped, other: SheetTable) -> pd.DataFrame:
    """Take a column's values from a later sheet where no earlier one has them; the places follow the values."""
    name = m.column.name
    stated = dict(zip(other.frame["_code"], other.frame[name], strict=True))
    known = joined[name] if name in joined else [None] * len(joined)
    values, places = [], []
    for code, value, place in zip(joined["_code"], known, joined["_place"], strict=True):
        if value is None and stated.get(code) is not None:
            value = stated[code]
            place = replace(place, columns={**place.columns, name: (other.name, m.letter)})
        values.append(value)
        places.append(place)
    return joined.assign(**{name: _objects(values, joined), "_place": _objects(places, joined)})


def _placed(first: SheetTable, others: Collection[SheetTable]) -> pd.DataFrame:
    """Replace ``_row`` and ``_reported`` by a :class:`Place` that also knows the rows of the other sheets."""
    columns: dict[str, tuple[str, str]] = {}
    for table in (first, *others):
        columns = {m.column.name: (table.name, m.letter) for m in table.mapped} | columns
    found = [
        (t.name, {c: (row, said) for c, row, said in t.frame[["_code", "_row", "_reported"]].itertuples(index=False)})
        for t in others
    ]
    places = []
    codes = first.frame["_code"] if "_code" in first.frame else [None] * len(first.frame)
    for code, row, reported in zip(codes, first.frame["_row"], first.frame["_reported"], strict=True):
        rows = {first.name: row}
        for name, cells in found:
            if code in cells:
                rows[name], reported = cells[code][0], reported | cells[code][1]
        places.append(Place(rows, columns, reported))
    placed = first.frame.drop(columns=["_row", "_reported"])
    return placed.assign(_place=_objects(places, placed))


def _settle_codes(
    table: SheetTable, is_first: bool, contract: TableContract, problems: Problems, settled: set[str]
) -> None:
    """Make the keys of a sheet fit for joining; the names of rows whose key is reported go into ``settled``.

    Keys that occur twice are left missing, because it is not known whose they are. Rows without a key stay in the first
    sheet, which lists the rows, and are left out of the others.
    """
    frame, key = table.frame, list(contract.join_key)
    parts = list(frame[key].itertuples(index=False, name=None))
    codes = _objects([None if None in p else " ".join(map(str, p)) for p in parts], frame)
    blank, reports = codes.isna(), frame["_reported"]
    if not is_first:
        for row, values, reported in zip(frame.loc[blank, "_row"], frame.loc[blank, key].values, reports[blank], strict=True):
            absent = [name for name, value in zip(key, values, strict=True) if value is None and name not in reported]
            if absent:
                meaning = "；".join(contract.column(name).meaning for name in absent)
                problems.add(table.name, row, table.words(absent), None, meaning,
                             f"补上{_labels(absent, contract)}；没有它各表对不上")
    shared = ~blank & codes.duplicated(keep=False)
    label = _labels(key, contract)
    for code, rows in frame[shared].groupby(codes[shared], sort=False)["_row"]:
        for row in rows.iloc[1:]:
            problems.add(table.name, row, table.words(key), code,
                         f"一{contract.rows_zh}一行（第 {rows.iloc[0]} 行已用此{label}）", f"删去重复的一行，或改正{label}")
    settled |= {name for name, away in zip(_names(table), blank | shared, strict=True) if away and name}
    said = [r | (dict.fromkeys(key, c) if twice else {}) for r, c, twice in zip(reports, codes, shared, strict=True)]
    kept = {name: _unless(shared, frame[name]) for name in key}
    frame = frame.assign(**kept, _code=_unless(shared, codes), _reported=_objects(said, frame))
    table.frame = frame if is_first else frame[frame["_code"].notna()]


def _unless(away: pd.Series, values: pd.Series) -> pd.Series:
    """Values with ``None`` where ``away`` holds."""
    return _objects([None if gone else value for gone, value in zip(away, values, strict=True)], away)


def _objects(values: list[Any], frame: pd.DataFrame | pd.Series) -> pd.Series:
    return pd.Series(values, index=frame.index, dtype=object)


def _report_unmatched(
    first: SheetTable, other: SheetTable, contract: TableContract, problems: Problems, settled: set[str]
) -> None:
    """Rows that only one of two sheets has; a name found in both under two codes is one problem, not two."""
    key, row_words = contract.join_key, contract.rows_zh
    codes, other_codes = set(first.frame["_code"]), set(other.frame["_code"])
    lonely = [r for r in _named_rows(first) if r[0] is not None and r[0] not in other_codes and r[1] not in settled]
    code_of = {name: code for code, name, _ in lonely if name}
    label = _labels(key, contract)
    for code, name, row in _named_rows(other):
        if code in codes or name in settled:
            continue
        if name in code_of:
            problems.add(other.name, row, other.words(key), code,
                         f"{code_of[name]}（工作表“{first.name}”中“{name}”的{label}）", f"核对两张表的{label}，改正错的一处")
        else:
            problems.add(other.name, row, other.words(key), code, f"工作表“{first.name}”中有这{row_words}",
                         f"在“{first.name}”登记这{row_words}，或改正{label}")
        settled |= {name} - {""}
    for code, name, row in lonely:
        if name not in settled:
            problems.add(first.name, row, first.words(key), code, f"工作表“{other.name}”中也有这{row_words}",
                         f"在“{other.name}”补上这{row_words}；现按缺失处理，不当作 0", level=NOTICE)


def _named_rows(table: SheetTable) -> list[tuple[Any, str, int]]:
    """Key, name (empty where there is none) and row of every row of a sheet."""
    return list(zip(table.frame["_code"], _names(table), table.frame["_row"], strict=True))


def _names(table: SheetTable) -> list[str]:
    column = next((name for name in NAMES if name in table.frame), None)
    return [""] * len(table.frame) if column is None else [plain_text(name) for name in table.frame[column]]


def _report_conflicts(
    earlier: list[SheetTable], other: SheetTable, contract: TableContract, problems: Problems
) -> None:
    """Cells of a sheet that differ from what the first earlier sheet to state them says; the join keeps the earlier."""
    key = contract.join_key
    label = _labels(key, contract)
    for m in other.mapped:
        name = m.column.name
        if name in key:
            continue
        stated: dict[Any, tuple[Any, str]] = {}
        for table in (t for t in earlier if name in t.frame):
            for code, value in zip(table.frame["_code"], table.frame[name], strict=True):
                if code is not None and value is not None:
                    stated.setdefault(code, (value, table.name))
        for code, value, row in other.frame[["_code", name, "_row"]].itertuples(index=False):
            known, sheet = stated.get(code, (None, ""))
            if known is not None and value is not None and plain_text(known) != plain_text(value):
                problems.add(other.name, row, m.words, value,
                             f"{shown_text(known)}（工作表“{sheet}”，同一{label} {code}）", f"核对{label}是否串行，改正错的一处")
