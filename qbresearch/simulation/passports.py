"""The passport of a folder of simulated files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

from qbresearch.provenance import file_sha256, write_text
from qbresearch.raw.sources import PASSPORT

ORIGIN = ("id", "title", "producer", "found_at")


def write_simulated_passport(folder: Path, facts: Mapping[str, str], accessed: date, files: Iterable[Path]) -> Path:
    """Write ``source.toml`` for files of ``folder`` made by a program, and return its path.

    Parameters
    ----------
    folder : Path
        Holds the files.
    facts : mapping
        ``id, title, producer, found_at, licence, table`` and the English texts.
    accessed : date
        Date of the files.
    files : iterable of Path
        The files to register, in the order given.
    """
    known = {**{key: facts[key] for key in (*ORIGIN, "licence")}, "kind": "simulated", "form": "generated"}
    # A basic TOML string has the escapes of JSON.
    lines = [f"{key} = {json.dumps(text, ensure_ascii=False)}" for key, text in {**known, **facts}.items()]
    lines.insert(len(ORIGIN), f"accessed = {accessed:%Y-%m-%d}")
    for path in files:
        lines += [
            "", "[[file]]", f"name = {json.dumps(path.name, ensure_ascii=False)}", f"bytes = {os.path.getsize(path)}",
            f'sha256 = "{file_sha256(path)}"',
        ]
    write_text(folder / PASSPORT, "\n".join(lines) + "\n")
    return folder / PASSPORT
