"""Processed tables on disk: where they are, what they rest on, and how to load a county of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from qbresearch.errors import InputError, check_choice
from qbresearch.language import CHINESE, current_language
from qbresearch.project import Project
from qbresearch.provenance import code_sha256, file_sha256
from qbresearch.raw.problems import PROBLEM_COLUMNS
from qbresearch.raw.sources import PASSPORT, open_source
from qbresearch.rules.columns import TableContract, load_table


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything a processed table depends on; a change in any of it means a rebuild."""

    table: str
    passport_sha256: str
    inputs: Mapping[str, str]
    code_sha256: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TableProvenance:
    """What is known about one processed table: the facts of its passport, checksums, and problems noticed."""

    source: str
    title: str
    description: str
    licence: str
    accessed: str
    kind: str
    rows: int
    sha256: str
    content_sha256: str
    counties: Mapping[str, str]
    years: Mapping[str, list[int]]
    problems: list[dict[str, Any]]
    recipe: Recipe
    english: Mapping[str, str] = field(default_factory=dict)

    def said(self, what: str) -> str:
        """``title``, ``description`` or ``licence`` in the report's language; in Chinese where there is no other."""
        chinese = str(getattr(self, what))
        return chinese if current_language() == CHINESE else self.english.get(what, chinese)

    @property
    def simulated(self) -> bool:
        """Whether the data are invented."""
        return self.kind == "simulated"

    def problems_frame(self) -> pd.DataFrame:
        """The notices that stood when the table was built (columns ``PROBLEM_COLUMNS``)."""
        return pd.DataFrame(self.problems, columns=PROBLEM_COLUMNS)

    def is_intact(self, project: Project) -> bool:
        """Whether the Parquet file is there with the recorded bytes."""
        path = table_path(project, self.source)
        return path.exists() and file_sha256(path) == self.sha256


@dataclass(frozen=True, slots=True)
class ProcessedTable:
    """Rows of one processed table with the contract and provenance they came with.

    ``frame`` has rows in the contract's columns and units: a school and year, a student and subject, …
    """

    frame: pd.DataFrame
    contract: TableContract
    provenance: TableProvenance

    def for_years(self, *years: int) -> ProcessedTable:
        """Only the rows of these school years."""
        return ProcessedTable(self.frame[self.frame["school_year"].isin(years)], self.contract, self.provenance)

    def county_names(self) -> dict[str, str]:
        """County code to name (the code itself where the data have no name)."""
        if "county_name" not in self.frame:
            return {str(c): str(c) for c in self.frame["county_code"].unique()}
        return dict(self.frame[["county_code", "county_name"]].drop_duplicates().astype(str).itertuples(index=False))


def table_path(project: Project, source_id: str) -> Path:
    """The Parquet file of a source."""
    return project.processed / source_id / "table.parquet"


def provenance_path(project: Project, source_id: str) -> Path:
    """The JSON file beside it."""
    return project.processed / source_id / "table.json"


def list_built(project: Project) -> tuple[str, ...]:
    """Ids of the sources that have been built."""
    ids = sorted(p.parent.name for p in project.processed.glob("*/table.json"))
    return tuple(i for i in ids if read_provenance(project, i) is not None)


def read_provenance(project: Project, source_id: str) -> TableProvenance | None:
    """Provenance of a source's processed table, or ``None`` if it has not been built.

    A file that is cut off, or was written in another form, is as good as none: the table is built again from ``raw``.
    """
    path = provenance_path(project, source_id)
    if not path.exists():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return TableProvenance(**{**data, "recipe": Recipe(**data["recipe"])})
    except (ValueError, TypeError, KeyError):
        return None


def why_outdated(project: Project, provenance: TableProvenance) -> str:
    """What has changed since a table was built, in Chinese; empty when nothing has.

    Raw files are compared by their size only: their bytes are read by ``verify`` and ``build``.
    """
    recipe, folder = provenance.recipe, project.raw / provenance.source
    if not (folder / PASSPORT).is_file():
        return f"data/raw/{provenance.source} 中没有 {PASSPORT}"
    if file_sha256(folder / PASSPORT) != recipe.passport_sha256:
        return f"护照 {PASSPORT} 在处理之后改过"
    files = open_source(project.raw, provenance.source).files
    sizes = {f.name: (folder / f.name).stat().st_size for f in files if (folder / f.name).is_file()}
    if {f.name: f.sha256 for f in files} != recipe.inputs or sizes != {f.name: f.bytes for f in files}:
        return "原始文件与处理时不同"
    return "" if code_sha256() == recipe.code_sha256 else "程序或规则文件在处理之后改过"


def refuse_outdated(project: Project, provenance: TableProvenance) -> TableProvenance:
    """The provenance itself; :class:`InputError` if what the table rests on has changed since."""
    if changed := why_outdated(project, provenance):
        raise InputError(
            "处理好的表已经过期", where=f"data/processed/{provenance.source}", found=changed,
            expected="由现在的原始数据、护照与程序生成的表", fix=f"运行 qbresearch build {provenance.source}",
        )
    return provenance


def require_built(project: Project, source_id: str) -> TableProvenance:
    """Provenance of a processed table that is there, as it was written, and what a build would give today.

    Raises
    ------
    InputError
        The source has not been built, its table has been changed or deleted since, or what it rests on has changed.
    """
    provenance = read_provenance(project, source_id)
    if provenance is None or not provenance.is_intact(project):
        raise InputError(
            "数据还没有处理" if provenance is None else "处理好的表与生成时不同", where=f"data/processed/{source_id}",
            found="没有处理好的表" if provenance is None else "table.parquet 被改动或删除",
            expected="由 data/raw 生成、未经改动的表", fix=f"运行 qbresearch build {source_id}",
        )
    return refuse_outdated(project, provenance)


def load_processed(project: Project, source_id: str, *, county_code: str | None = None) -> ProcessedTable:
    """Load a source's processed table, all counties or one.

    Raises
    ------
    InputError
        The source has not been built, or not since something changed; it has no counties and years, or no such county.
    """
    provenance = require_built(project, source_id)
    contract = load_table(provenance.recipe.table)
    if not {"county_code", "school_year"} <= {c.name for c in (*contract.columns, *contract.constants)}:
        raise InputError(
            "这份数据没有县与学年", where=f"数据 {source_id}", found=contract.label_zh, expected="有县与学年的表（学校、学区、学生成绩）",
            fix="换一个数据来源（qbresearch show sources 列出全部）",
        )
    filters = None
    if county_code is not None:
        check_choice(county_code, tuple(provenance.counties), name="县", where=f"数据 {source_id}")
        filters = [("county_code", "==", county_code)]
    frame = pd.read_parquet(table_path(project, source_id), filters=filters)
    return ProcessedTable(frame, contract, provenance)
