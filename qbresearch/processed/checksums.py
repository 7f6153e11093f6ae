"""Checksums of rows: of every county in one pass when a table is written, and of the rows at hand when they are read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qbresearch.provenance import text_sha256


class RowChecksums:
    """Checksums of runs of rows of a table: column names and cells, independent of how a file stores them.

    A missing number is one value whatever bits stand for it; a missing text differs from an empty one.
    """

    def __init__(self, table: pa.Table) -> None:
        self._rows = table.num_rows
        self._heads: list[bytes] = []
        self._columns: list[tuple[np.ndarray, ...]] = []
        for name in table.column_names:
            kind, *arrays = _plain(table.column(name))
            self._heads.append(f"{name}\0{kind}\0".encode())
            self._columns.append(tuple(arrays))

    def whole(self) -> str:
        """Checksum of all rows."""
        return self.of(0, self._rows)

    def of(self, start: int, stop: int) -> str:
        """Checksum of the rows from ``start`` to before ``stop``."""
        digest = hashlib.sha256(str(stop - start).encode())
        for head, (cells, *text) in zip(self._heads, self._columns, strict=True):
            digest.update(head)
            digest.update(cells[start:stop])
            if text:
                ends, letters = text
                digest.update(letters[ends[start] : ends[stop]])
        return digest.hexdigest()


def joined_sha256(named: Iterable[tuple[str, str]]) -> str:
    """One checksum of several, each with its name, whatever order they come in."""
    return text_sha256("\n".join(f"{name} {sha256}" for name, sha256 in sorted(named)))


def _plain(column: pa.ChunkedArray) -> tuple[str | np.ndarray, ...]:
    """A column as plain memory: numbers as they are; of texts the lengths, where each begins and ends, and the letters."""
    if pa.types.is_floating(column.type):
        values = column.to_numpy().astype("<f8")
        values[np.isnan(values)] = np.nan
        return "number", values
    if pa.types.is_integer(column.type):
        missing = column.is_null().to_numpy()
        values = pc.fill_null(column.cast(pa.int64()), 0).to_numpy().astype("<i8")
        return "integer", np.column_stack([values, missing]).astype("<i8")
    texts = column.cast(pa.large_string()).combine_chunks()
    texts = texts if isinstance(texts, pa.LargeStringArray) else pa.concat_arrays(texts.chunks)
    lengths = pc.fill_null(pc.binary_length(texts), -1).to_numpy().astype("<i8")
    filled = pc.fill_null(texts, "")
    offsets, letters = filled.buffers()[1:3]
    ends = np.frombuffer(offsets, dtype="<i8")[filled.offset : filled.offset + len(filled) + 1]
    return "text", lengths, ends, np.frombuffer(letters if letters is not None else b"", dtype=np.uint8)
