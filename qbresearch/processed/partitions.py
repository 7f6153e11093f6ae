"""Rows of a processed table on disk: one Parquet file a province and school year, one list of counties a province.

A county lies in one province, the first two digits of its code; rows of other places stand under ``_``, and so do rows
without a school year. Rows are sorted by county in small row groups, so that reading a county costs the county.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from qbresearch.processed.checksums import RowChecksums, joined_sha256
from qbresearch.provenance import file_sha256, text_sha256, write_bytes, write_text

NOWHERE = "_"
CODE = re.compile(r"[0-9]{6}")
ROW_GROUP = 1024
"""Rows of a row group: some fifteen counties, so that neither the rows nor the lists of groups that are read are long."""


@dataclass(frozen=True, slots=True)
class Part:
    """One Parquet file: its rows, the checksum of its bytes, and of its rows however they are stored."""

    rows: int
    sha256: str
    content_sha256: str


@dataclass(frozen=True, slots=True)
class Province:
    """One folder of parts by school year, and the checksum of its list of counties."""

    counties_sha256: str
    parts: Mapping[str, Part]


@dataclass(frozen=True, slots=True)
class CountyYear:
    """Rows of a county in one school year: how many, their checksum, and how many came from each raw file."""

    rows: int
    sha256: str
    files: Mapping[str, int]


County = Mapping[str, CountyYear]
"""Rows of a county by school year (``_`` where the table has none)."""


def county_sha256(county: County, years: Collection[str] | None = None) -> str:
    """Checksum of a county's rows, of all years or of some."""
    return joined_sha256((year, rows.sha256) for year, rows in county.items() if years is None or year in years)


def province_of(county_code: str) -> str:
    """The folder of a county's rows."""
    return county_code[:2] if CODE.fullmatch(county_code) else NOWHERE


def part_path(folder: Path, province: str, year: str) -> Path:
    """The Parquet file of a province and school year."""
    return folder / "rows" / f"province={province}" / f"school_year={year}" / "part.parquet"


def counties_path(folder: Path, province: str) -> Path:
    """The list of counties of a province."""
    return folder / "rows" / f"province={province}" / "counties.json"


# --- writing ---------------------------------------------------------------------------------------------------------


def write_rows(folder: Path, data: pd.DataFrame, known: Mapping[str, Province]) -> dict[str, Province]:
    """Write rows as parts and return what was written; a part whose file holds its rows already is left alone.

    Parameters
    ----------
    folder : Path
        The source's folder below ``data/processed``.
    data : DataFrame
        All rows, sorted by key.
    known : mapping
        What was written before, by province; empty where nothing was, or in another form.
    """
    runs, order = _runs(data)
    table = pa.Table.from_pandas(data.iloc[order], preserve_index=False)
    checksums = RowChecksums(table)
    files, file_names = pd.factorize(data["source_file"].iloc[order])
    provinces: dict[str, Province] = {}
    for province, of_province in runs.groupby("province", sort=True):
        parts, counties = {}, dict[str, dict[str, CountyYear]]()
        for year, of_part in of_province.groupby("year", sort=True):
            start, stop = int(of_part["start"].iloc[0]), int(of_part["stop"].iloc[-1])
            before = known[province].parts.get(year) if province in known else None
            parts[year] = _write_part(
                part_path(folder, province, year), table.slice(start, stop - start), checksums.of(start, stop), before
            )
            for run in of_part.itertuples():
                if run.county is not None:
                    counted = np.bincount(files[run.start : run.stop], minlength=len(file_names))
                    held = {str(file_names[i]): int(counted[i]) for i in np.flatnonzero(counted)}
                    found = CountyYear(run.stop - run.start, checksums.of(run.start, run.stop), held)
                    counties.setdefault(run.county, {})[year] = found
        text = json.dumps(
            {code: {year: asdict(rows) for year, rows in years.items()} for code, years in sorted(counties.items())},
            ensure_ascii=False, sort_keys=True,
        )
        write_text(counties_path(folder, province), text)
        provinces[province] = Province(text_sha256(text), parts)
    return provinces


def _runs(data: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Runs of rows of one county and year (``province, year, county, start, stop``), and the order that makes them."""
    n = len(data)
    if "county_code" in data:
        codes, names = pd.factorize(data["county_code"], sort=True)
        county_names = [str(name) for name in names]
        codes = np.where(codes < 0, len(names), codes)
    else:
        codes, county_names = np.zeros(n, dtype=np.int64), []
    county_of: list[str | None] = [*county_names, None]
    folders = [NOWHERE if name is None else province_of(name) for name in county_of]
    numbered = {name: number for number, name in enumerate(sorted(set(folders)))}
    province = np.array([numbered[name] for name in folders])[codes]
    years, year_names = pd.factorize(data["school_year"], sort=True) if "school_year" in data else (np.full(n, -1), [])
    order = np.lexsort((codes, years, province))
    keys = np.column_stack([province, years, codes])[order]
    starts = np.flatnonzero(np.r_[True, (keys[1:] != keys[:-1]).any(axis=1)]) if n else np.empty(0, dtype=int)
    by_number = {number: name for name, number in numbered.items()}
    rows = [
        (by_number[p], str(year_names[y]) if y >= 0 else NOWHERE, county_of[c], start, stop)
        for (p, y, c), start, stop in zip(keys[starts].tolist(), starts.tolist(), [*starts[1:].tolist(), n], strict=True)
    ]
    return pd.DataFrame(rows, columns=["province", "year", "county", "start", "stop"], dtype=object), order


def _write_part(path: Path, table: pa.Table, content_sha256: str, before: Part | None) -> Part:
    same = before is not None and before.content_sha256 == content_sha256
    if same and path.is_file() and file_sha256(path) == before.sha256:
        return before
    buffer = BytesIO()
    pq.write_table(table, buffer, compression="zstd", row_group_size=ROW_GROUP)
    write_bytes(path, buffer.getvalue())
    return Part(table.num_rows, file_sha256(path), content_sha256)


def sweep(folder: Path, provinces: Mapping[str, Province]) -> None:
    """Remove the files of parts and provinces that are no longer among the rows."""
    kept = {part_path(folder, name, year) for name, province in provinces.items() for year in province.parts}
    kept |= {counties_path(folder, name) for name in provinces}
    for path in sorted((folder / "rows").rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
        elif path.is_file() and path not in kept:
            path.unlink()


# --- reading ---------------------------------------------------------------------------------------------------------


def read_part(folder: Path, province: str, year: str, *, county_code: str | None = None) -> pa.Table:
    """Rows of a part, all or one county's: only the row groups that may hold it are read.

    Raises
    ------
    OSError, ValueError
        The file is not there, or is not what was written.
    """
    with pq.ParquetFile(part_path(folder, province, year), memory_map=True) as file:
        if county_code is None:
            return file.read()
        groups = list(_groups_of(file.metadata, county_code))
        table = file.read_row_groups(groups)
    return table.filter(pc.equal(table.column("county_code"), county_code))


def _groups_of(metadata: pq.FileMetaData, county_code: str) -> Iterator[int]:
    column = metadata.schema.names.index("county_code")
    for group in range(metadata.num_row_groups):
        known = metadata.row_group(group).column(column).statistics
        if known is None or not known.has_min_max or known.min <= county_code <= known.max:
            yield group


def read_counties(folder: Path, name: str, province: Province) -> dict[str, dict[str, CountyYear]] | None:
    """The counties of a province by code; ``None`` where the list is not the one that was written."""
    try:
        text = counties_path(folder, name).read_text(encoding="utf-8")
    except OSError:
        return None
    if text_sha256(text) != province.counties_sha256:
        return None
    read: dict[str, dict[str, Any]] = json.loads(text)
    return {code: {year: CountyYear(**rows) for year, rows in years.items()} for code, years in read.items()}


def in_key_order(tables: list[pa.Table]) -> pd.DataFrame:
    """Rows of several parts as one table, sorted by county first as they were when they were written."""
    frame = pa.concat_tables(tables).to_pandas()
    if len(tables) > 1 and "county_code" in frame:
        codes, names = pd.factorize(frame["county_code"], sort=True)
        codes = np.where(codes < 0, len(names), codes)
        if (codes[1:] < codes[:-1]).any():
            frame = frame.take(np.argsort(codes, kind="stable")).reset_index(drop=True)
    return frame
