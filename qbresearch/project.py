"""Where the folders of a project are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qbresearch.errors import InputError


@dataclass(frozen=True, slots=True)
class Project:
    """The folders of one project, all below ``root``."""

    root: Path

    @property
    def raw(self) -> Path:
        """Files as received, one folder a source; never written by the package."""
        return self.root / "data" / "raw"

    @property
    def processed(self) -> Path:
        """Tables rebuilt from ``raw``; safe to delete."""
        return self.root / "data" / "processed"

    @property
    def notebooks(self) -> Path:
        """Notebook templates and, in ``batches``, the grids that run them; in ``plans``, the plans they look at."""
        return self.root / "notebooks"

    @property
    def plans(self) -> Path:
        """A project's own plans, and the uses of published ones."""
        return self.notebooks / "plans"

    @property
    def reports(self) -> Path:
        """Executed notebooks and published pages, one folder a run."""
        return self.root / "reports"


def find_project(start: Path | None = None) -> Project:
    """Return the project that ``start`` (default: the current folder) lies in.

    A project is the nearest folder upwards that holds both ``data/raw`` and ``notebooks``.

    Raises
    ------
    InputError
        No such folder.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "data" / "raw").is_dir() and (folder / "notebooks").is_dir():
            return Project(folder)
    raise InputError(
        "这里不是 qbresearch 项目文件夹",
        where=str(start),
        found="本文件夹及其上级都没有 data/raw 和 notebooks",
        expected="项目文件夹内含 data/raw 与 notebooks 两个文件夹",
        fix="先进入项目文件夹（cd 项目文件夹）再运行，或用 --project 指明位置",
    )
