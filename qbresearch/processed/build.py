"""From raw files to processed tables: verify the bytes, read, check, and write Parquet with its provenance."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa

from qbresearch.errors import InputError
from qbresearch.processed.partitions import ROW_GROUP, sweep, write_rows
from qbresearch.processed.reads import keep_only, read_once
from qbresearch.processed.store import (
    Recipe,
    build_sha256,
    parts_sha256,
    problems_path,
    provenance_path,
    read_problems,
    read_provenance,
    source_folder,
)
from qbresearch.project import Project
from qbresearch.provenance import (
    file_sha256,
    json_sha256,
    text_sha256,
    write_json,
    write_text,
)
from qbresearch.raw.checks import check_table
from qbresearch.raw.problems import ERROR, PROBLEM_COLUMNS, Problems
from qbresearch.raw.reading import ReadResult, read_file
from qbresearch.raw.sources import PASSPORT, RawFile, Source, open_source, verify_source
from qbresearch.rules.columns import TableContract, load_table


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


Reader = Callable[[Source, RawFile, TableContract], ReadResult]


def read_raw(source: Source, file: RawFile, contract: TableContract) -> ReadResult:
    """Read one file of a source."""
    return read_file(source.folder / file.name, contract, name=file.name)


def check_files(
    source: Source, *, progress: Callable[[Iterable[Any]], Iterable[Any]] = iter, reader: Reader = read_raw
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read and check every file of a source; nothing is written but what ``reader`` keeps for itself.

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
            result = reader(source, file, contract)
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

    Of a source with several files, those that have not changed are not read again: their rows are kept beside the table
    (all rows are checked again). Parts of the table whose rows have not changed are not written again.

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
        code_sha256=build_sha256(source.table),
    )
    known = read_provenance(project, source_id)
    if known is not None and known.recipe == recipe and known.is_intact(project):
        return BuildResult(source_id, "unchanged", known.rows, read_problems(project, source_id))
    folder = source_folder(project, source_id)
    if len(source.files) > 1:
        kept: set[str] = set()

        def reader(source: Source, file: RawFile, contract: TableContract) -> ReadResult:
            return read_once(folder, recipe.code_sha256, file, lambda: read_raw(source, file, contract), kept)

        table, problems = check_files(source, progress=progress, reader=reader)
        keep_only(folder, kept)
    else:
        table, problems = check_files(source, progress=progress)
    if (problems["level"] == ERROR).any():
        return BuildResult(source_id, "refused", len(table), problems)
    _write(project, source, recipe, table, problems)
    return BuildResult(source_id, "built", len(table), problems)


def _write(project: Project, source: Source, recipe: Recipe, table: pd.DataFrame, problems: pd.DataFrame) -> None:
    """Write parts first and the provenance last: until then, what is there is the old table, or no table at all."""
    first = [place.first for place in table["_place"]]
    data = table.drop(columns="_place").rename(columns={"_file": "source_file"})
    data = data.assign(source_sheet=[sheet for sheet, _ in first], source_row=[str(row) for _, row in first])
    key = [k for k in load_table(source.table).key if k in data]
    data = data.sort_values(key, kind="stable").reset_index(drop=True)
    folder, known = source_folder(project, source.id), read_provenance(project, source.id)
    schema = json_sha256([str(pa.Schema.from_pandas(data, preserve_index=False).metadata), ROW_GROUP])
    same_form = known is not None and known.schema_sha256 == schema
    provinces = write_rows(folder, data, known.provinces if same_form else {})
    notices = json.dumps(problems.to_dict("records"), ensure_ascii=False, indent=1) + "\n"
    write_text(problems_path(project, source.id), notices)
    parts = {(name, year): part for name, province in provinces.items() for year, part in province.parts.items()}
    write_json(
        provenance_path(project, source.id),
        {
            "source": source.id,
            "title": source.title,
            "producer": source.producer,
            "licence": source.licence,
            "accessed": source.accessed.isoformat(),
            "kind": source.kind,
            "form": source.form,
            "rows": len(data),
            "content_sha256": parts_sha256({key: part.content_sha256 for key, part in parts.items()}),
            "problems_sha256": text_sha256(notices),
            "schema_sha256": schema,
            "sizes": {f.name: f.bytes for f in source.files},
            "provinces": {name: asdict(province) for name, province in provinces.items()},
            "recipe": recipe.to_dict(),
            "english": {k: text for k in ("title", "producer", "licence") if (text := getattr(source, f"{k}_en"))},
        },
    )
    sweep(folder, provinces)
