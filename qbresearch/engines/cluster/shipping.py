"""What runs need of a project: whether a machine has it, and how it gets there if not."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from qbresearch.project import Project
from qbresearch.provenance import file_sha256, json_sha256

_DECISIVE = ("source.toml", "table.json")  # the passport, and what holds the checksums of all else
_IGNORED = (".", "~$")
_NOT_READ = "read"  # what a build keeps of raw files; no run looks at it


@dataclass(frozen=True, slots=True)
class Shipment:
    """The part of a project that runs need.

    Of raw files runs look at names and sizes alone, so nothing else of them travels.
    """

    fingerprint: str
    archive: bytes
    raw_sizes: dict[str, int]


def fingerprint(project: Project) -> str:
    """Checksum of what runs read of a project; two copies with the same one give the same results.

    Plans, passports and the provenance of tables count by their bytes, raw files and parts of tables by their sizes: the
    provenance holds the checksums of the parts, and they are held to these when they are read.
    """
    facts: dict[str, str | int] = {}
    for path in _files(project):
        by_bytes = path.name in _DECISIVE or path.is_relative_to(project.plans)
        facts[_place(project, path)] = file_sha256(path) if by_bytes else path.stat().st_size
    return json_sha256(facts)


def pack(project: Project) -> Shipment:
    """Everything that runs need of a project."""
    buffer, sizes = io.BytesIO(), {}
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1, dereference=True) as archive:
        for path in _files(project):
            if path.is_relative_to(project.raw) and path.name not in _DECISIVE:
                sizes[_place(project, path)] = path.stat().st_size
            else:
                archive.add(path, _place(project, path))
    return Shipment(fingerprint(project), buffer.getvalue(), sizes)


def unpack(shipment: Shipment, root: Path) -> None:
    """Make the project at ``root``; it appears there as a whole or not at all."""
    if root.exists():
        return
    root.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=root.parent, prefix=f"{root.name}."))
    try:
        with tarfile.open(fileobj=io.BytesIO(shipment.archive), mode="r:gz") as archive:
            archive.extractall(part, filter="data")
        for folder in (Project(part).raw, Project(part).notebooks):
            folder.mkdir(parents=True, exist_ok=True)
        for place, size in shipment.raw_sizes.items():
            _stand_in(part / place, size)
        os.replace(part, root)
    except OSError:
        if not root.exists():  # otherwise somebody was faster
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _stand_in(path: Path, size: int) -> None:
    """A file of a size that nobody may open: a notebook that looks into raw files must fail here, not read zeros."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.truncate(size)
    path.chmod(0)


def _files(project: Project) -> Iterator[Path]:
    for top in (project.plans, project.processed, project.raw):
        for folder, folders, names in os.walk(top, followlinks=True):
            if top == project.processed and Path(folder).parent == top:
                folders[:] = [name for name in folders if name != _NOT_READ]
            folders[:] = sorted(name for name in folders if not name.startswith(_IGNORED))
            yield from (Path(folder, name) for name in sorted(names) if not name.startswith(_IGNORED))


def _place(project: Project, path: Path) -> str:
    return path.relative_to(project.root).as_posix()
