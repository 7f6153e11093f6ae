"""Student files as one relation in DuckDB: which files, which headings and types, and each column as an expression.

Nothing is guessed: cells of CSV are text, numbers are what the pattern of numbers says, and what is neither a number
nor empty is flagged, not dropped.
"""

from __future__ import annotations

import codecs
import csv
import glob
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qbresearch.errors import InputError
from qbresearch.processed.student_columns import (
    LEVELS,
    NUMBER,
    PLACE,
    STUDENT,
    WHITE,
    WHOLE,
    UsedColumns,
    used_columns,
)
from qbresearch.processed.sums import SCORE

if TYPE_CHECKING:
    import duckdb

PARQUET, CSV = (".parquet", ".pq"), (".csv",)
PIECE = 1 << 20
REALS = ("DOUBLE", "FLOAT")
WHOLES = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")


@dataclass(frozen=True, slots=True)
class StudentFile:
    """A file, how it is scanned, and its columns: name used here to (quoted heading, DuckDB type)."""

    path: Path
    kind: str
    scanned: Path
    headings: tuple[str, ...]
    columns: Mapping[str, tuple[str, str]]


def find_files(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    found: dict[Path, Path] = {}
    for path in [paths] if isinstance(paths, (str, Path)) else list(paths):
        named = Path(path)
        hits = [named] if named.is_file() else sorted(map(Path, glob.glob(str(path), recursive=True)))
        hits = [h for h in hits if h.is_file()]
        if not hits:
            raise InputError(
                "找不到学生成绩文件", where=str(path), found="没有这个文件" if not named.is_dir() else "这是文件夹",
                expected=".parquet 或 .csv 文件，或带 * 的文件名", fix="核对路径；整个文件夹请写 文件夹/*.parquet",
            )
        for hit in hits:
            if hit.suffix.lower() not in (*PARQUET, *CSV):
                raise InputError(
                    "读不了这种文件", where=str(hit), found=hit.suffix or "没有扩展名", expected=".parquet 或 .csv",
                    fix="Excel 工作簿请用 qbresearch build 处理，或另存为 CSV UTF-8",
                )
            found.setdefault(hit.resolve(), hit)
    if not found:
        raise InputError("没有给出学生成绩文件", where="paths", found="空", expected="至少一个文件", fix="写上文件路径")
    return list(found.values())


def _describe(connection: duckdb.DuckDBPyConnection, path: Path, names: Mapping[str, str], folder: Path) -> StudentFile:
    """Headings and types of one file; ``names`` maps headings to the names used here."""
    import duckdb

    if path.suffix.lower() in CSV:
        scanned = _as_utf8(path, folder)
        with open(scanned, encoding="utf-8-sig", newline="") as handle:
            headings = tuple(next(csv.reader(handle), ()))
        types = ["VARCHAR"] * len(headings)
    else:
        scanned = path
        try:
            rows = connection.execute(f"DESCRIBE SELECT * FROM read_parquet([{literal(scanned)}])").fetchall()
        except (duckdb.Error, OSError) as error:
            raise damaged(path, str(error).splitlines()[0]) from error
        headings, types = tuple(r[0] for r in rows), [r[1] for r in rows]
    used = [names.get(h, h) for h in headings]
    if twice := sorted({h for h in used if used.count(h) > 1}):
        raise InputError(
            "有两列同名", where=str(path), found="、".join(twice), expected="每列一个名称", fix="改名或删去重复的列"
        )
    columns = {n: (quoted(h), t) for n, h, t in zip(used, headings, types, strict=True)}
    return StudentFile(path, "csv" if path.suffix.lower() in CSV else "parquet", scanned, headings, columns)


def _as_utf8(path: Path, folder: Path) -> Path:
    """The file itself if it is UTF-8, otherwise a copy in UTF-8 of a file in GB18030, a piece at a time."""
    try:
        for _ in _texts(path, "utf-8"):
            pass
        return path
    except UnicodeDecodeError:
        pass
    copy = folder / f"{len(list(folder.glob('*.csv')))}.csv"
    try:
        with open(copy, "w", encoding="utf-8", newline="") as handle:
            handle.writelines(_texts(path, "gb18030"))
        return copy
    except UnicodeDecodeError:
        raise InputError(
            "文字编码认不出", where=str(path), found="既不是 UTF-8 也不是 GBK", expected="UTF-8 或 GBK（GB18030）",
            fix="在 Excel 中另存为“CSV UTF-8（逗号分隔）”",
        ) from None


def _texts(path: Path, encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    with open(path, "rb") as source:
        while piece := source.read(PIECE):
            yield decoder.decode(piece)
    yield decoder.decode(b"", final=True)


# --- SQL -------------------------------------------------------------------------------------------------------------


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | Path) -> str:
    """A text, or the name of a file in which nothing is a pattern, as DuckDB reads it."""
    text = glob.escape(str(value)) if isinstance(value, Path) else value
    return "'" + text.replace("'", "''") + "'"


def scan(files: Sequence[StudentFile]) -> str:
    """Files of one kind and equal headings as a table function; cells of CSV are text, and nothing is guessed."""
    names = "[" + ", ".join(literal(f.scanned) for f in files) + "]"
    if files[0].kind == "parquet":
        return f"read_parquet({names})"
    headings = ", ".join(f"{literal(h)}: 'VARCHAR'" for h in files[0].headings)
    form = "auto_detect=false, header=true, delim=',', quote='\"', escape='\"'"
    return f"read_csv({names}, {form}, columns={{{headings}}})"


def as_text(column: tuple[str, str]) -> str:
    """A column as text: 4.0 is 4, NaN is missing; outer space stays and is removed where distinct values are judged."""
    name, kind = column
    if kind in REALS or kind.startswith("DECIMAL"):
        real = f"CAST({name} AS DOUBLE)"
        whole = f"CAST(CAST({name} AS HUGEINT) AS VARCHAR)"
        is_whole = f"abs({real}) < 1e15 AND {real} = floor({real})"
        return f"CASE WHEN isnan({real}) THEN NULL WHEN {is_whole} THEN {whole} ELSE CAST({name} AS VARCHAR) END"
    return name if kind == "VARCHAR" else f"CAST({name} AS VARCHAR)"


def as_number(column: tuple[str, str]) -> tuple[str, str]:
    """A column as a finite number or nothing, and whether a cell holds something else."""
    name, kind = column
    if kind in REALS:
        real = f"CAST({name} AS DOUBLE)"
        return f"CASE WHEN isfinite({real}) THEN {real} END", f"coalesce(isinf({name}), FALSE)"
    if kind in WHOLES or kind.startswith("DECIMAL"):
        return f"CAST({name} AS DOUBLE)", "FALSE"
    text = cleaned(as_text(column))
    number = f"CASE WHEN regexp_full_match({text}, {literal(NUMBER)}) THEN TRY_CAST({text} AS DOUBLE) END"
    finite = f"CASE WHEN isfinite({number}) THEN {number} END"
    return finite, f"({text} IS NOT NULL AND ({finite}) IS NULL)"


def cleaned(text: str) -> str:
    return f"nullif(trim({text}, {literal(WHITE)}), '')"


def as_whole(column: tuple[str, str]) -> tuple[str, str]:
    value, bad = as_number(column)
    return value, f"({bad} OR coalesce({value} <> floor({value}), FALSE))"


def among(values: Sequence[str]) -> str:
    return "(" + ", ".join(map(literal, values)) + ")"


@dataclass(frozen=True, slots=True)
class StudentRows:
    """An open connection with the relation ``rows``, the files behind it, and what is asked of them.

    ``rows`` has the columns ``key <name>`` (text, years as numbers), ``value <name>`` (numbers), ``bad <name>``
    (whether the cell holds something else), ``level`` and ``student``.
    """

    connection: duckdb.DuckDBPyConnection
    files: list[StudentFile]
    used: UsedColumns
    by: tuple[str, ...]
    measures: tuple[str, ...]

    @property
    def keys(self) -> list[str]:
        """Columns that a raw group is made of: grouping columns and the names beside codes."""
        return list(dict.fromkeys([*self.used.keys, *self.used.names]))

    @property
    def numbers(self) -> list[str]:
        """Columns read as numbers."""
        more = ["weight"] * self.used.weight + ["full_mark"] * (self.used.full_mark and SCORE in self.measures)
        return [*self.measures, *more]

    @property
    def where(self) -> str:
        """The files in a few words."""
        first = self.files[0].path.name
        return first if len(self.files) == 1 else f"{first} 等 {len(self.files)} 个文件"

    def select(self, file: StudentFile) -> str:
        """The columns of ``rows`` out of one file (or several with the same headings and types)."""
        picked = []
        for name in dict.fromkeys([*self.keys, *(PLACE if self.used.student else ())]):
            if name in WHOLE:
                value, bad = as_whole(file.columns[name])
                picked += [(value, f"key {name}"), (bad, f"bad {name}")]
            else:
                picked.append((as_text(file.columns[name]), f"key {name}"))
        for name in self.numbers:
            value, bad = as_number(file.columns[name])
            picked += [(value, f"value {name}"), (bad, f"bad {name}")]
        if self.used.level:
            text = as_text(file.columns["level"])
            picked.append((f"CASE WHEN {text} IN {among(LEVELS)} THEN {text} ELSE {cleaned(text)} END", "level"))
        if self.used.student:
            picked.append((as_text(file.columns[STUDENT]), "student"))
        return ", ".join(f"{value} AS {quoted(name)}" for value, name in picked)

    def lacks_weight(self) -> str:
        """Condition on ``rows``: a value or level stands without a weight above 0."""
        needed = [f"{quoted(f'value {m}')} IS NOT NULL" for m in self.measures]
        needed += ["level IS NOT NULL"] * self.used.level
        return f"(NOT coalesce(\"value weight\" > 0, FALSE) AND ({' OR '.join(needed)}))"


def open_rows(
    connection: duckdb.DuckDBPyConnection, paths: list[Path], measures: tuple[str, ...], by: tuple[str, ...],
    columns: dict[str, str], folder: Path,
) -> StudentRows:
    """Make ``rows``: a view where all files are Parquet, a table on disk where text would be read again and again."""
    names = {heading: name for name, heading in columns.items()}
    files = [_describe(connection, path, names, folder) for path in paths]
    used = [used_columns(list(f.columns), by, measures, where=str(f.path)) for f in files]
    for file, found in zip(files, used, strict=True):
        if found != used[0]:
            one, other = set(files[0].columns), set(file.columns)
            raise InputError(
                "各文件的列不一致", where=f"{files[0].path} 与 {file.path}", found="只在其中一个：" + "、".join(sorted(one ^ other)),
                expected="权重、水平、学校代码等列要么都有，要么都没有", fix="补齐或去掉这些列；也可以分别汇总列相同的文件",
            )
    work = StudentRows(connection, files, used[0], by, measures)
    alike: dict[object, list[StudentFile]] = {}
    for file in files:
        form = file.headings if file.kind == "csv" else tuple(sorted(file.columns.items()))
        alike.setdefault((file.kind, form), []).append(file)
    selects = [f"SELECT {work.select(group[0])} FROM {scan(group)}" for group in alike.values()]
    kind = "VIEW" if all(f.kind == "parquet" for f in files) else "TABLE"
    connection.execute(f"CREATE {kind} rows AS " + " UNION ALL ".join(selects))
    return work


def damaged(path: object, found: str) -> InputError:
    return InputError(
        "学生成绩文件已损坏或格式不对", where=str(path), found=found, expected="完整的 Parquet，或每行列数相同、引号成对的 CSV",
        fix="重新导出这个文件；其余文件可以单独汇总",
    )
