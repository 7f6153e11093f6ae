"""What a run of a notebook has read: files of rules and words, rows of tables, answers to questions about them.

A run that is kept must be made again when one of these changes, and only then. So whoever reads on behalf of a notebook
says so here, and whoever runs notebooks gives a file that collects what is said (``QBRESEARCH_READS``). Without one,
nothing is written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from qbresearch.errors import InputError
from qbresearch.project import find_project
from qbresearch.provenance import PACKAGE, file_sha256, json_sha256

READS = "QBRESEARCH_READS"
_P = ParamSpec("_P")
_R_co = TypeVar("_R_co", covariant=True)

_listening: list[dict[str, str]] = []
_said: tuple[str, set[str]] = ("", set())  # the collecting file, and what it has been told


class Remembered(Protocol[_P, _R_co]):
    """A function whose values are kept; see :func:`remembered`."""

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R_co: ...

    def forget(self) -> None:
        """Drop what has been kept."""


def note_read(kind: str, name: str, sha256: str) -> None:
    """Say that something with this checksum has been read.

    Parameters
    ----------
    kind : str
        ``file``, ``listing`` (which files a folder holds), ``rows``, ``facts``, ``files`` or ``beside``.
    name : str
        What was read, in words that find it again in any copy of the project.
    sha256 : str
        Checksum of what was read.
    """
    global _said
    key = f"{kind}:{name}"
    for reads in _listening:
        reads[key] = sha256
    path = os.environ.get(READS, "")
    if not path:
        return
    if _said[0] != path:
        _said = (path, set())
    if key not in _said[1]:
        _said[1].add(key)
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps([key, sha256], ensure_ascii=False) + "\n")


def note_file(path: Path) -> None:
    """Say that a file of the package or of a project has been read; one elsewhere is nobody's to watch."""
    if name := place_of(path):
        note_read("file", name, file_sha256(path))


def note_listing(folder: Path) -> None:
    """Say that a folder has been searched for TOML files."""
    if name := place_of(folder):
        note_read("listing", name, listing_sha256(folder))


def listing_sha256(folder: Path) -> str:
    """Checksum of the names of the TOML files in a folder."""
    return json_sha256(sorted(path.name for path in folder.glob("*.toml")))


def place_of(path: Path) -> str:
    """A path as any copy of the project knows it: ``qbresearch/…`` in the package, or from the project's root."""
    path = path.resolve()
    if path.is_relative_to(PACKAGE):
        return path.relative_to(PACKAGE.parent).as_posix()
    try:
        return path.relative_to(find_project(path.parent).root).as_posix()
    except (InputError, ValueError):
        return ""


def find_place(name: str, root: Path) -> Path:
    """The path that :func:`place_of` gave this name, in the project at ``root``."""
    return (PACKAGE.parent if name.split("/", 1)[0] == PACKAGE.name else root) / name


def remembered(function: Callable[_P, _R_co]) -> Remembered[_P, _R_co]:
    """Keep a function's values, and say anew on every call what was read to make them."""
    kept: dict[Any, tuple[Any, dict[str, str]]] = {}

    @wraps(function)
    def recall(*args: Any, **kwargs: Any) -> Any:
        asked = (args, tuple(sorted(kwargs.items())))
        if asked in kept:
            value, reads = kept[asked]
            for key, sha256 in reads.items():
                note_read(*key.split(":", 1), sha256)
            return value
        reads = {}
        _listening.append(reads)
        try:
            value = function(*args, **kwargs)
        finally:
            _listening[:] = [other for other in _listening if other is not reads]
        kept[asked] = value, reads
        return value

    recall.forget = kept.clear  # type: ignore[attr-defined]
    return cast("Remembered[_P, _R_co]", recall)


def collected(path: Path) -> dict[str, str]:
    """What has been said to a collecting file; a line cut off by a crash is passed over."""
    reads = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    for line in lines:
        try:
            key, sha256 = json.loads(line)
        except ValueError:
            continue
        reads[key] = sha256
    return reads
