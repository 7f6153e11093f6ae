"""What was read from raw files, kept so that a build reads again only those that have changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from qbresearch.provenance import json_sha256, write_bytes
from qbresearch.raw.joining import Place
from qbresearch.raw.problems import PROBLEM_COLUMNS
from qbresearch.raw.reading import ReadResult
from qbresearch.raw.sources import RawFile

FOLDER, KEY = "read", b"qbresearch"
DIGITS = 32


def read_once(folder: Path, code_sha256: str, file: RawFile, read: Callable[[], ReadResult], kept: set[str]) -> ReadResult:
    """What ``read`` gives for a raw file, or what it gave when the same bytes were read by the same program.

    Parameters
    ----------
    folder : Path
        The source's folder below ``data/processed``.
    code_sha256 : str
        Checksum of everything but the file that the result depends on.
    file : RawFile
        With the checksum its bytes have been held to.
    read : callable
    kept : set of str
        Receives the name of what is kept for the file.
    """
    name = f"{json_sha256([file.name, file.sha256, code_sha256])[:DIGITS]}.parquet"
    kept.add(name)
    path = folder / FOLDER / name
    if (known := _unpacked(path)) is not None:
        return known
    result = read()
    write_bytes(path, _packed(result))
    return result


def keep_only(folder: Path, kept: set[str]) -> None:
    """Remove what was kept of raw files that are no longer there."""
    for path in (folder / FOLDER).glob("*.parquet"):
        if path.name not in kept:
            path.unlink()


def _packed(result: ReadResult) -> bytes:
    """A Parquet file of the rows, with the rest beside them and a checksum on every page."""
    columns: dict[str, int] = {}  # most rows of a file have their cells in the same columns
    numbers: dict[int, int] = {}
    places = []
    for place in result.table["_place"]:
        if id(place.columns) not in numbers:
            text = json.dumps(place.columns, ensure_ascii=False)
            numbers[id(place.columns)] = columns.setdefault(text, len(columns))
        places.append([place.rows, numbers[id(place.columns)], place.reported])
    rest = {
        "columns": [json.loads(text) for text in columns], "places": places,
        "problems": result.problems.to_dict("split")["data"],
        "notes": result.notes,
    }
    text = json.dumps(rest, ensure_ascii=False)
    table = pa.Table.from_pandas(result.table.drop(columns="_place"), preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), KEY: text.encode()})
    buffer = BytesIO()
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    return buffer.getvalue()


def _unpacked(path: Path) -> ReadResult | None:
    """What was packed; ``None`` where there is nothing, or not what was written."""
    try:
        table = pq.read_table(path, page_checksum_verification=True, partitioning=None)
        rest = json.loads(table.schema.metadata[KEY])
        columns = [{name: (sheet, letter) for name, (sheet, letter) in found.items()} for found in rest["columns"]]
        places = [Place(rows, columns[at], reported) for rows, at, reported in rest["places"]]
        frame = table.to_pandas()
        frame["_place"] = pd.Series(places, index=frame.index, dtype=object)
        return ReadResult(frame, pd.DataFrame(rest["problems"], columns=PROBLEM_COLUMNS), tuple(rest["notes"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
