"""School sums of student files that do not fit into memory: grouped by DuckDB, judged and arranged as tables are.

DuckDB reads the files twice, once for numbers and means and once for the squares about these means, and keeps what it
cannot hold in a temporary folder. What comes back has one row a school, whatever the number of students.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from qbresearch.errors import InputError
from qbresearch.processed.grouping import centred, make_groups, moment_frame
from qbresearch.processed.student_columns import (
    COUNTY,
    LEVELS,
    PLACE,
    WHOLE,
    bad_weights,
    duplicate_students,
    fault,
    key_codes,
    no_rows,
    no_school,
)
from qbresearch.processed.student_scan import (
    StudentRows,
    among,
    as_number,
    as_text,
    as_whole,
    cleaned,
    damaged,
    find_files,
    literal,
    open_rows,
    quoted,
    scan,
)
from qbresearch.processed.sums import (
    COUNTS,
    KEYS,
    SCORE,
    SHARE_WEIGHTS,
    SchoolSums,
    assemble,
    describe_source,
    find_unplaced,
)

if TYPE_CHECKING:
    import duckdb

OWN_FAULTS = ("ParserException", "BinderException", "CatalogException", "InternalException", "ResourceInUseException")
"""What DuckDB says about a query, not about a file."""
SIZE = re.compile(r"[0-9]+(\.[0-9]+)? ?([KMGT]i?B)", re.IGNORECASE)


def sum_student_files(
    paths: str | Path | Iterable[str | Path], *, measures: Sequence[str] = (SCORE,), by: Sequence[str] = KEYS,
    columns: Mapping[str, str] | None = None, memory_limit: str = "1GB", threads: int | None = None,
    temporary: str | Path | None = None,
) -> SchoolSums:
    """School sums straight from Parquet or CSV files of students; the same as :func:`sum_students` of all their rows.

    Parameters
    ----------
    paths : path or paths
        Files ending in .parquet or .csv (UTF-8 or GB18030, comma, a line of headings), or patterns (``成绩/*.parquet``).
        Together they are one table; a file that several patterns name is read once.
    measures, by
        As for :func:`sum_students`.
    columns : mapping, optional
        Headings of the files where they differ from the names used here: ``{"score": "数学成绩"}``.
    memory_limit : str
        What DuckDB may hold (``"1GB"``); beyond it works in a temporary folder. The sums themselves and Python's own
        share come on top.
    threads : int, optional
        Processors to use; ``None`` is all.
    temporary : path, optional
        Folder for the temporary files; ``None`` is the system's.

    Returns
    -------
    SchoolSums
        Columns, order and treatment of what is missing as in :func:`sum_students`; numbers agree to rounding (relative
        1e-12). ``provenance`` names files and their sizes, rows read, the engine, and ``peak_bytes``.

    Raises
    ------
    InputError
        As :func:`sum_students`, naming file, column and row; and: no such file, another ending, a file that is damaged,
        of unequal columns, or in another encoding; files that differ in their columns; not enough memory.
    """
    import duckdb

    by, measures = tuple(by), tuple(measures)
    if not SIZE.fullmatch(memory_limit) or (threads is not None and threads < 1):
        raise InputError(
            "内存上限或处理器数不对", where="memory_limit、threads", found=f"{memory_limit}、{threads}",
            expected="如 1GB、500MB；不小于 1 的整数", fix="改正参数",
        )
    found = find_files(paths)
    with tempfile.TemporaryDirectory(dir=temporary, prefix="qbresearch-", ignore_cleanup_errors=True) as folder:
        settings = {"memory_limit": memory_limit, "temp_directory": folder, "preserve_insertion_order": False}
        settings |= {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
        settings |= {} if threads is None else {"threads": threads}
        with closing(duckdb.connect(str(Path(folder) / "rows.duckdb"), config=settings)) as connection:
            try:
                work = open_rows(connection, found, measures, by, dict(columns or {}), Path(folder))
                sums = _sum(work)
            except duckdb.Error as error:
                if type(error).__name__ in OWN_FAULTS:
                    raise
                raise _engine_refusal(error, found, memory_limit) from error
            used = connection.execute("SELECT current_setting('threads')").fetchall()[0][0]
    limits = {"memory_limit": memory_limit, "threads": used, "peak_bytes": _peak_bytes()}
    files = [{"name": p.name, "bytes": p.stat().st_size} for p in found]
    engine = f"duckdb {duckdb.__version__}"
    provenance = {**sums.provenance, "source": "files", "files": files, "engine": engine, **limits}
    return SchoolSums(sums.table, sums.unplaced, sums.by, provenance)


# --- sums ------------------------------------------------------------------------------------------------------------


def _sum(work: StudentRows) -> SchoolSums:
    raw = _raw_groups(work)
    total = int(raw["rows"].sum())
    if not total:
        raise no_rows(work.where)
    _refuse_faults(work, raw)
    if work.used.student:
        _refuse_duplicates(work)
    keys = {name: key_codes(raw[name], name, where=work.where) for name in work.used.keys}
    if "county_code" in keys and not all(re.fullmatch(COUNTY, v) for v in keys["county_code"][1]):
        raise _locate(work, "county", "county_code")
    placed, groups, table = make_groups(raw, keys, work.by, work.used.names)
    g = len(table)
    if not g:
        raise no_school(total, where=work.where)
    here = raw[placed]
    table = table.assign(rows=_added(here["rows"], groups, g).astype(np.int64))
    if work.used.level:
        shares = SHARE_WEIGHTS if work.used.weight else COUNTS
        table = table.assign(**{c: _added(here[c], groups, g) for c in COUNTS})
        table = table.assign(**{s: _added(here[c], groups, g) for s, c in zip(SHARE_WEIGHTS, shares, strict=True)})
    if "full_mark" in work.numbers:
        table["full_low"] = here.groupby(groups)["full_low"].min().to_numpy(dtype=float)
        table["full_high"] = here.groupby(groups)["full_high"].max().to_numpy(dtype=float)
    blocks = _blocks(work, here, groups, g)
    unplaced = find_unplaced(keys, ~placed, work.by, raw["rows"].to_numpy())
    provenance = describe_source(
        "files", total, unplaced, work.measures, weighted=work.used.weight, checked=work.used.student
    )
    return SchoolSums(assemble(table, blocks, work.by, where=work.where), unplaced, work.by, provenance)


def _added(values: pd.Series, groups: np.ndarray, g: int) -> np.ndarray:
    return np.bincount(groups, np.nan_to_num(values.to_numpy(dtype=float, na_value=np.nan)), g)


def _raw_groups(work: StudentRows) -> pd.DataFrame:
    """The first reading: one row per combination of keys as they are written, with numbers, sums and faults."""
    picked = {name: f'"key {name}"' for name in work.keys}
    picked["rows"] = "count(*)"
    flags = [*(k for k in work.keys if k in WHOLE), *work.numbers]
    picked |= {f"bad {name}": f'count_if("bad {name}")' for name in flags}
    for m in work.measures:
        picked |= {f"n {m}": f'count("value {m}")', f"sum {m}": f'sum("value {m}")'}
        if work.used.weight:
            known = f'FILTER ("value {m}" IS NOT NULL)'
            picked |= {f"w {m}": f'sum("value weight") {known}', f"ww {m}": f'sum("value weight" ** 2) {known}'}
            picked |= {f"wsum {m}": f'sum("value weight" * "value {m}")'}
    if work.used.weight:
        picked["no weight"] = f"count_if({work.lacks_weight()})"
    if work.used.level:
        picked["no level"] = f"count_if(level NOT IN {among(LEVELS)})"
        for level, count, share in zip(LEVELS, COUNTS, SHARE_WEIGHTS, strict=True):
            picked[count] = f"count_if(level = '{level}')"
            if work.used.weight:
                picked[share] = f"sum(\"value weight\") FILTER (level = '{level}')"
    if "full_mark" in work.numbers:
        picked |= {"full_low": 'min("value full_mark")', "full_high": 'max("value full_mark")'}
    columns = ", ".join(f"{value} AS {quoted(name)}" for name, value in picked.items())
    grouped = ", ".join(str(i + 1) for i in range(len(work.keys)))
    work.connection.execute(
        f"CREATE TABLE raw AS SELECT row_number() OVER () AS id, * FROM (SELECT {columns} FROM rows GROUP BY {grouped})"
    )
    return work.connection.execute("SELECT * FROM raw ORDER BY id").df()


def _blocks(work: StudentRows, here: pd.DataFrame, groups: np.ndarray, g: int) -> dict[str, pd.DataFrame]:
    """The second reading: squares about the means of the first, and the moments they give."""
    kinds = {"": ("n", "sum")} | ({"w": ("w", "wsum")} if work.used.weight else {})
    start, total = {}, {}
    for m in work.measures:
        for kind, (size, added) in kinds.items():
            total[kind, m] = _added(here[f"{size} {m}"], groups, g)
            with np.errstate(invalid="ignore"):
                start[kind, m] = _added(here[f"{added} {m}"], groups, g) / total[kind, m]
    centre = pd.DataFrame({"id": here["id"].to_numpy(), **{f"start {k} {m}": s[groups] for (k, m), s in start.items()}})
    work.connection.register("centre", centre)
    keys = ", ".join(map(quoted, work.keys))
    starts = ", ".join(quoted(f"start {k} {m}") for k, m in start)
    work.connection.execute(f"CREATE TABLE about AS SELECT id, {keys}, {starts} FROM raw JOIN centre USING (id)")
    work.connection.unregister("centre")
    picked = []
    for kind, m in start:
        d, w = f'("value {m}" - {quoted(f"start {kind} {m}")})', '"value weight" * ' if kind else ""
        picked.append(f"sum({w}{d}) AS {quoted(f'first {kind} {m}')}")
        picked.append(f"sum({w}{d} * {d}) AS {quoted(f'second {kind} {m}')}")
    same = " AND ".join(f'rows."key {k}" IS NOT DISTINCT FROM about.{quoted(k)}' for k in work.keys)
    squares = work.connection.execute(
        f"SELECT id, {', '.join(picked)} FROM rows JOIN about ON {same} GROUP BY id ORDER BY id"
    ).df()
    blocks = {}
    for m in work.measures:
        moments = {}
        for kind in kinds:
            first, second = (_added(squares[f"{turn} {kind} {m}"], groups, g) for turn in ("first", "second"))
            moments[kind] = centred(total[kind, m], start[kind, m], first, second)
        n = total["", m]
        weight, weight2 = (total["w", m], _added(here[f"ww {m}"], groups, g)) if work.used.weight else (n, n)
        blocks[m] = moment_frame(n.astype(np.int64), weight, weight2, moments.get("w", moments[""]), moments[""])
    return blocks


# --- refusals --------------------------------------------------------------------------------------------------------


def _refuse_faults(work: StudentRows, raw: pd.DataFrame) -> None:
    for name in [k for k in work.keys if k in WHOLE] + work.numbers:
        if raw[f"bad {name}"].sum():
            raise _locate(work, "whole" if name in WHOLE else "number", name)
    if work.used.level and raw["no level"].sum():
        raise _locate(work, "level", "level")
    if work.used.weight and raw["no weight"].sum():
        raise _locate(work, "weight", "weight")


def _locate(work: StudentRows, kind: str, name: str) -> InputError:
    """The refusal of what stands in a column, with the first file and row where it does."""
    # One thread in order, so that rows are numbered as they stand in the file.
    work.connection.execute("SET threads = 1; SET preserve_insertion_order = true")
    for file in work.files:
        column = file.columns[name]
        text = cleaned(as_text(column))
        bad = {
            "number": lambda c=column: as_number(c)[1],
            "whole": lambda c=column: as_whole(c)[1],
            "county": lambda t=text: f"NOT regexp_full_match({t}, {literal(COUNTY)})",
            "level": lambda t=text: f"{t} NOT IN {among(LEVELS)}",
            "weight": work.lacks_weight,
        }[kind]()
        rows = f"SELECT row_number() OVER () AS line, CAST({column[0]} AS VARCHAR) AS cell, {work.select(file)}"
        if kind != "weight":
            rows += f", {bad} AS wrong"
        found = work.connection.execute(
            f"SELECT count(*), min(line), arg_min(cell, line) FROM ({rows} FROM {scan([file])}) "
            f"WHERE {bad if kind == 'weight' else 'wrong'}"
        ).fetchall()[0]
        if found[0]:
            where = f"{file.path}：{name}，第 {found[1]} 行数据"
            return bad_weights(found[0], where=where) if kind == "weight" else fault(
                kind, where=where, bad=found[0], example=found[2]
            )
    raise AssertionError(f"a fault of {name} was counted and is in no file")


def _refuse_duplicates(work: StudentRows) -> None:
    """Students by a hash of their key first, which needs little memory; only equal hashes are compared in full."""
    keys = [quoted(f"key {k}") for k in PLACE] + ["student"]
    known = " AND ".join(f"{k} IS NOT NULL" for k in keys)
    hashed = f"hash({', '.join(keys)})"
    again = f"SELECT {hashed} AS h FROM rows WHERE {known} GROUP BY h HAVING count(*) > 1"
    work.connection.execute(f"CREATE TABLE again AS {again}")
    if not work.connection.execute("SELECT count(*) FROM again").fetchall()[0][0]:
        return
    listed = ", ".join(keys)
    twice = work.connection.execute(
        f"SELECT {listed} FROM rows WHERE {known} AND {hashed} IN (SELECT h FROM again) "
        f"GROUP BY {listed} HAVING count(*) > 1 ORDER BY {listed}"
    ).fetchall()
    if twice:
        matches = " AND ".join(f"{k} = ?" for k in keys)
        holders = [
            f.path for f in work.files
            if work.connection.execute(
                f"SELECT count(*) FROM (SELECT {work.select(f)} FROM {scan([f])}) WHERE {matches}", list(twice[0])
            ).fetchall()[0][0]
        ]
        shown = [(row[0], int(row[1]), *row[2:]) for row in twice[:5]]
        raise duplicate_students(shown, len(twice), where="、".join(map(str, holders)))


def _engine_refusal(error: duckdb.Error, files: list[Path], memory_limit: str) -> InputError:
    import duckdb

    names = "、".join(map(str, files[:3])) + (f" 等 {len(files)} 个文件" if len(files) > 3 else "")
    text = str(error)
    if isinstance(error, duckdb.OutOfMemoryException):
        return InputError(
            "内存或临时磁盘不够", where=names, found=f"memory_limit = {memory_limit}：{text.splitlines()[0]}",
            expected="装得下分组结果的内存",
            fix="调大 memory_limit，减少 threads，或用 temporary 换一个空间大的磁盘；也可以分批汇总后用 merge_sums 合并",
        )
    line = re.search(r"CSV Error on Line: (\d+)", text)
    named = re.search(r"^\s*file ?= ?(.+)$", text, re.MULTILINE)
    where = (named[1].strip() if named else names) + (f"，第 {line[1]} 行" if line else "")
    return damaged(where, "；".join(t for t in text.splitlines()[:3] if t))


def _peak_bytes() -> int | None:
    """Largest resident size of this process so far; ``None`` where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
