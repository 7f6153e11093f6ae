"""Checksums, versions and atomic writes: the facts that let somebody else repeat a run."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

PACKAGE = Path(__file__).parent
REPORTED_PACKAGES = (
    "qbresearch", "numpy", "pandas", "scipy", "statsmodels", "linearmodels", "duckdb", "seaborn", "matplotlib",
    "papermill", "openpyxl", "pyarrow",
)
# On Windows a virus scanner may hold a new file for a moment.
REPLACE_PAUSES: tuple[float, ...] = (0.1, 0.2, 0.4) if os.name == "nt" else ()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def text_sha256(text: str) -> str:
    """SHA-256 of a text in UTF-8, as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def json_sha256(value: object) -> str:
    """SHA-256 of a JSON-able value, independent of key order."""
    return text_sha256(json.dumps(value, ensure_ascii=False, sort_keys=True, default=str))


@cache
def code_sha256() -> str:
    """SHA-256 over every .py and .toml file of the package, so that changed code or a changed rule is noticed."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix in {".py", ".toml"}:
            digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def package_versions() -> dict[str, str]:
    """Versions of the packages that numbers depend on."""
    return {name: metadata.version(name) for name in REPORTED_PACKAGES}


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old bytes or the new ones, never half of them.

    Raises
    ------
    OSError
        The system refuses; ``filename`` is the file asked for, not the hidden part that is written first.
    """
    try:
        _write_part(path, data)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _write_part(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        os.chmod(part, 0o644)
        replace_file(part, path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def replace_file(part: str | Path, path: Path) -> None:
    """Move a file over another, waiting for a scanner that holds it for a moment."""
    for pause in REPLACE_PAUSES:
        try:
            return os.replace(part, path)
        except PermissionError:
            time.sleep(pause)
    return os.replace(part, path)


def write_text(path: Path, text: str) -> None:
    """:func:`write_bytes` for a text in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """:func:`write_bytes` for a mapping, as indented JSON with Chinese left readable."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n")
