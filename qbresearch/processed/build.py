"""From raw files to processed tables: verify the bytes, read, check, and write Parquet with its provenance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import pandas as pd

from qbresearch.errors import InputError
from qbresearch.language import speaking
from qbresearch.processed.store import (
    Recipe,
    provenance_path,
    read_provenance,
    table_path,
)
from qbresearch.project import Project
from qbresearch.provenance import (
    code_sha256,
    file_sha256,
    frame_sha256,
    write_bytes,
    write_json,
)
from qbresearch.raw.checks import check_table
from qbresearch.raw.problems import ERROR, PROBLEM_COLUMNS, Problems
from qbresearch.raw.reading import read_file
from qbresearch.raw.sources import PASSPORT, Source, open_source, verify_source
from qbresearch.rules.columns import load_table


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What became of one source.

    problems : columns ``PROBLEM_COLUMNS``. status : ``built``, ``unchanged`` or ``refused`` (a problem of level 错误).
    """

    source_id: str
    status: str
    rows: int
    problems: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=PROBLEM_COLUMNS))

    def tidy(self) -> pd.DataFrame:
        """The problems, with the source they belong to."""
        return self.problems.assign(source=self.source_id)

    def summary(self) -> str:
        """One Chinese sentence."""
        words = {"built": "已重建", "unchanged": "没有变化", "refused": "有错误，未写入"}[self.status]
        errors = int((self.problems["level"] == ERROR).sum())
        return f"{self.source_id}：{words}，{self.rows} 行，错误 {errors} 处，提示 {len(self.problems) - errors} 处"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a machine."""
        return {"source": self.source_id, "status": self.status, "rows": self.rows,
                "problems": self.problems.to_dict("records")}


def check_files(source: Source, *, progress: Callable[[Iterable[Any]], Iterable[Any]] = iter) -> tuple[
    pd.DataFrame, pd.DataFrame
]:
    """Read and check every file of a source without writing anything.

    Returns
    -------
    table : DataFrame
        All rows read, contract columns plus ``_file`` and ``_place``.
    problems : DataFrame
        Columns ``PROBLEM_COLUMNS``, in the order of files.
    """
    contract = load_table(source.table)
    tables, problems = [], []
    for file in progress(source.files):
        try:
            result = read_file(source.folder / file.name, contract, name=file.name)
        except InputError as error:
            # One file that cannot be opened must not hide what is wrong with the others.
            unreadable = Problems(file.name)
            unreadable.add("—", "—", "—", error.found, error.expected, error.fix)
            problems.append(unreadable.frame())
            continue
        tables.append(result.table)
        problems.append(result.problems)
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    if tables:
        problems.append(check_table(table, contract))
    found = pd.concat([p for p in problems if len(p)] or problems[:1], ignore_index=True)
    return table, found


def build_source(
    project: Project, source_id: str, *, progress: Callable[[Iterable[Any]], Iterable[Any]] = iter
) -> BuildResult:
    """Build one source's processed table, unless it is there already and nothing it rests on has changed.

    Raises
    ------
    InputError
        The raw files are not those of the passport.
    """
    source = open_source(project.raw, source_id)
    changed = verify_source(source)
    if len(changed):
        first = changed.iloc[0]
        raise InputError(
            f"原始数据与护照不符（共 {len(changed)} 处）：{first['problem']}", where=f"data/raw/{source_id}/{first['file']}",
            found=first["found"], expected=first["expected"], fix=first["fix"],
        )
    recipe = Recipe(
        table=source.table,
        passport_sha256=file_sha256(source.folder / PASSPORT),
        inputs={f.name: f.sha256 for f in source.files},
        code_sha256=code_sha256(),
    )
    known = read_provenance(project, source_id)
    if known is not None and known.recipe == recipe and known.is_intact(project):
        return BuildResult(source_id, "unchanged", known.rows, known.problems_frame())
    table, problems = check_files(source, progress=progress)
    if (problems["level"] == ERROR).any():
        return BuildResult(source_id, "refused", len(table), problems)
    _write(project, source, recipe, table, problems)
    return BuildResult(source_id, "built", len(table), problems)


def _english(source: Source) -> dict[str, str]:
    """The facts of the passport that reports print, as English reports print them."""
    with speaking("en"):
        return {"title": source.said("title"), "description": source.describe(), "licence": source.said("licence")}


def _write(project: Project, source: Source, recipe: Recipe, table: pd.DataFrame, problems: pd.DataFrame) -> None:
    first = [place.first for place in table["_place"]]
    data = table.drop(columns="_place").rename(columns={"_file": "source_file"})
    data = data.assign(source_sheet=[sheet for sheet, _ in first], source_row=[str(row) for _, row in first])
    key = [k for k in load_table(source.table).key if k in data]
    data = data.sort_values(key, kind="stable").reset_index(drop=True)
    buffer = BytesIO()
    data.to_parquet(buffer, index=False, engine="pyarrow", compression="zstd")
    write_bytes(table_path(project, source.id), buffer.getvalue())
    by_county = {}
    if "county_code" in data:
        by_county = {str(code): frame_sha256(rows) for code, rows in data.groupby("county_code", sort=True)}
    years = {}
    if {"county_code", "school_year"} <= set(data.columns):
        pairs = data[["county_code", "school_year"]].drop_duplicates()
        years = {str(c): sorted(int(y) for y in g["school_year"]) for c, g in pairs.groupby("county_code", sort=True)}
    write_json(
        provenance_path(project, source.id),
        {
            "source": source.id,
            "title": source.title,
            "description": source.describe(),
            "licence": source.licence,
            "accessed": source.accessed.isoformat(),
            "kind": source.kind,
            "rows": len(data),
            "sha256": file_sha256(table_path(project, source.id)),
            "content_sha256": frame_sha256(data),
            "counties": by_county,
            "years": years,
            "problems": problems.to_dict("records"),
            "recipe": recipe.to_dict(),
            "english": _english(source),
        },
    )
