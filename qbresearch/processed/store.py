"""Processed tables on disk: where they are, what they rest on, and how to load a county of them."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from qbresearch.code_used import modules_sha256
from qbresearch.errors import InputError, check_choice
from qbresearch.language import CHINESE, current_language
from qbresearch.processed.checksums import RowChecksums, joined_sha256
from qbresearch.processed.partitions import (
    County,
    Part,
    Province,
    county_sha256,
    in_key_order,
    part_path,
    province_of,
    read_counties,
    read_part,
)
from qbresearch.project import Project
from qbresearch.provenance import file_sha256, json_sha256
from qbresearch.raw.problems import PROBLEM_COLUMNS
from qbresearch.raw.sources import PASSPORT, describe_source
from qbresearch.rules.citations import CITED
from qbresearch.rules.columns import TableContract, load_table
from qbresearch.traces import note_read

FACTS = ("title", "producer", "licence", "accessed", "kind", "form", "english")


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


@cache
def build_sha256(table: str) -> str:
    """Checksum of the code and the rules that make a processed table of one column contract from raw files."""
    contract = load_table(table)
    cited = [CITED / "tables" / f"{table}.toml"]
    cited += [CITED / "evaluations" / f"{c.evaluation}.toml" for c in contract.columns if c.evaluation]
    return json_sha256([modules_sha256("processed.build"), *(file_sha256(path) for path in cited)])


@dataclass(frozen=True, slots=True)
class TableProvenance:
    """What is known about a processed table: the facts of its passport, what it rests on, and checksums.

    ``content_sha256`` is that of the rows the provenance stands beside: the whole table's as it is read from the disk, a
    county's with the rows of one county. ``provinces`` says what the parts are, ``sizes`` the bytes of the raw files.
    """

    source: str
    title: str
    producer: str
    licence: str
    accessed: str
    kind: str
    form: str
    rows: int
    content_sha256: str
    problems_sha256: str
    schema_sha256: str
    sizes: Mapping[str, int]
    provinces: Mapping[str, Province]
    recipe: Recipe
    english: Mapping[str, str] = field(default_factory=dict)

    def said(self, what: str) -> str:
        """``title``, ``description`` or ``licence`` in the report's language; in Chinese where there is no other."""
        if what == "description":
            return describe_source(self.said("title"), self.kind, self.form, self.said("producer"))
        chinese = str(getattr(self, what))
        return chinese if current_language() == CHINESE else self.english.get(what, chinese)

    @property
    def simulated(self) -> bool:
        """Whether the data are invented."""
        return self.kind == "simulated"

    def facts_sha256(self) -> str:
        """Checksum of what reports print about the source."""
        return json_sha256({name: getattr(self, name) for name in FACTS})

    def is_intact(self, project: Project) -> bool:
        """Whether everything that was written is there with the recorded bytes."""
        folder = source_folder(project, self.source)
        for name, province in self.provinces.items():
            if read_counties(folder, name, province) is None:
                return False
            for year, part in province.parts.items():
                path = part_path(folder, name, year)
                if not path.is_file() or file_sha256(path) != part.sha256:
                    return False
        path = problems_path(project, self.source)
        return path.is_file() and file_sha256(path) == self.problems_sha256


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


def source_folder(project: Project, source_id: str) -> Path:
    """Where all that was made of a source lies."""
    return project.processed / source_id


def provenance_path(project: Project, source_id: str) -> Path:
    """The JSON file with the provenance; it is written last, so that it stands for a table that is whole."""
    return source_folder(project, source_id) / "table.json"


def problems_path(project: Project, source_id: str) -> Path:
    """The JSON file with the notices that stood when the table was built."""
    return source_folder(project, source_id) / "problems.json"


def list_built(project: Project) -> tuple[str, ...]:
    """Ids of the sources that have been built."""
    return tuple(known.source for known in read_provenances(project))


def read_provenances(project: Project) -> Iterable[TableProvenance]:
    """Provenances of the sources that have been built, by id."""
    ids = sorted(p.parent.name for p in project.processed.glob("*/table.json"))
    return (known for i in ids if (known := read_provenance(project, i)) is not None)


def read_provenance(project: Project, source_id: str) -> TableProvenance | None:
    """Provenance of a source's processed table, or ``None`` if it has not been built.

    A file that is cut off, or was written in another form, is as good as none: the table is built again from ``raw``.
    """
    path = provenance_path(project, source_id)
    if not path.exists():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        provinces = {
            name: Province(known["counties_sha256"], {year: Part(**part) for year, part in known["parts"].items()})
            for name, known in data["provinces"].items()
        }
        return TableProvenance(**{**data, "recipe": Recipe(**data["recipe"]), "provinces": provinces})
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def read_problems(project: Project, source_id: str) -> pd.DataFrame:
    """The notices that stood when a source's table was built (columns ``PROBLEM_COLUMNS``)."""
    rows = json.loads(problems_path(project, source_id).read_text(encoding="utf-8"))
    return pd.DataFrame(rows, columns=PROBLEM_COLUMNS)


def list_counties(project: Project, provenance: TableProvenance) -> dict[str, County]:
    """Every county that a table has rows of, by code, with its rows by school year.

    Raises
    ------
    InputError
        A list of counties is not the one that was written.
    """
    found: dict[str, County] = {}
    for name in provenance.provinces:
        found |= _counties(project, provenance, name)
    return dict(sorted(found.items()))


def find_county(project: Project, provenance: TableProvenance, county_code: str) -> County:
    """A county's rows by school year, empty where the table has none; only its province's list is read.

    Raises
    ------
    InputError
        The list of counties is not the one that was written.
    """
    name = province_of(county_code)
    return _counties(project, provenance, name).get(county_code, {}) if name in provenance.provinces else {}


def school_years(county: County) -> tuple[int, ...]:
    """School years that a county has rows for."""
    return tuple(sorted(int(year) for year in county if year.isdigit()))


def _counties(project: Project, provenance: TableProvenance, name: str) -> dict[str, dict[str, Any]]:
    found = read_counties(source_folder(project, provenance.source), name, provenance.provinces[name])
    if found is None:
        raise _not_as_built(provenance.source)
    return found


def why_outdated(project: Project, provenance: TableProvenance) -> str:
    """What has changed since a table was built, in Chinese; empty when nothing has.

    Raw files are compared by their size only: their bytes are read by ``verify`` and ``build``.
    """
    recipe, folder = provenance.recipe, project.raw / provenance.source
    if not (folder / PASSPORT).is_file():
        return f"data/raw/{provenance.source} 中没有 {PASSPORT}"
    if file_sha256(folder / PASSPORT) != recipe.passport_sha256:
        return f"护照 {PASSPORT} 在处理之后改过"
    try:
        # Plain calls: of a country's hundreds of files, every county that is read asks for all.
        if any(os.stat(f"{folder}/{name}").st_size != size for name, size in provenance.sizes.items()):
            return "原始文件与处理时不同"
    except OSError:
        return "原始文件与处理时不同"
    return "" if build_sha256(recipe.table) == recipe.code_sha256 else "程序或规则文件在处理之后改过"


def refuse_outdated(project: Project, provenance: TableProvenance) -> TableProvenance:
    """The provenance itself; :class:`InputError` if what the table rests on has changed since."""
    if changed := why_outdated(project, provenance):
        raise InputError(
            "处理好的表已经过期", where=f"data/processed/{provenance.source}", found=changed,
            expected="由现在的原始数据、护照与程序生成的表", fix=f"运行 qbresearch build {provenance.source}",
        )
    return provenance


def _not_as_built(source_id: str) -> InputError:
    return InputError(
        "处理好的表与生成时不同", where=f"data/processed/{source_id}", found="其中的文件被改动或删除",
        expected="由 data/raw 生成、未经改动的表", fix=f"运行 qbresearch build {source_id}",
    )


def require_built(project: Project, source_id: str) -> TableProvenance:
    """Provenance of a processed table that a build would give today; its rows are held to it when they are read.

    Raises
    ------
    InputError
        The source has not been built, or what it rests on has changed.
    """
    provenance = read_provenance(project, source_id)
    if provenance is None:
        raise InputError(
            "数据还没有处理", where=f"data/processed/{source_id}", found="没有处理好的表",
            expected="由 data/raw 生成、未经改动的表", fix=f"运行 qbresearch build {source_id}",
        )
    return refuse_outdated(project, provenance)


def load_rows(
    project: Project, provenance: TableProvenance, *, county_code: str | None = None, years: Collection[int] | None = None
) -> tuple[pd.DataFrame, TableProvenance]:
    """Rows of a processed table, of all counties or one, of all school years or some, sorted by key.

    Returns
    -------
    frame : DataFrame
    provenance : TableProvenance
        With the checksum of these rows.

    Raises
    ------
    InputError
        The files are not those that were written: what was read does not have its checksum.
    """
    wanted = None if years is None else {str(year) for year in years}
    if county_code is None:
        parts = {
            (name, year): part.content_sha256
            for name, province in sorted(provenance.provinces.items()) for year, part in sorted(province.parts.items())
        }
        noted = provenance.content_sha256
    else:
        county = find_county(project, provenance, county_code)
        parts = {(province_of(county_code), year): rows.sha256 for year, rows in sorted(county.items())}
        noted = county_sha256(county)
    chosen = {key: sha256 for key, sha256 in parts.items() if wanted is None or key[1] in wanted}
    # Where no row is wanted, an empty slice of some part still has the columns.
    tables = [
        _held_to(provenance, name, year, sha256, project, county_code).slice(0, None if chosen else 0)
        for (name, year), sha256 in (chosen or dict(list(parts.items())[:1])).items()
    ]
    note_read("rows", f"{provenance.source}/{county_code or ''}", noted)
    note_read("facts", provenance.source, provenance.facts_sha256())
    if county_code is not None:
        shown = county_sha256(county, [year for _, year in chosen])
    else:
        shown = noted if len(chosen) == len(parts) else parts_sha256(chosen)
    return in_key_order(tables), replace(provenance, content_sha256=shown)


def load_parts(
    project: Project, source_id: str, *, years: Collection[int] | None = None
) -> Iterator[ProcessedTable]:
    """A source's processed table part by part, a province and school year at a time, for data larger than memory.

    A county lies in one province, so whatever is asked of a county and school year is answered by one part.

    Raises
    ------
    InputError
        As :func:`load_processed`.
    """
    provenance = require_built(project, source_id)
    contract = load_table(provenance.recipe.table)
    for name, province in sorted(provenance.provinces.items()):
        for year, part in sorted(province.parts.items()):
            if years is None or year in {str(wanted) for wanted in years}:
                frame = _held_to(provenance, name, year, part.content_sha256, project).to_pandas()
                yield ProcessedTable(frame, contract, replace(provenance, content_sha256=part.content_sha256))
    note_read("rows", f"{provenance.source}/", provenance.content_sha256)
    note_read("facts", provenance.source, provenance.facts_sha256())


def _held_to(
    provenance: TableProvenance, name: str, year: str, sha256: str, project: Project, county_code: str | None = None
) -> pa.Table:
    """Rows of a part, or of a county in it, held to the checksum they were written with."""
    try:
        table = read_part(source_folder(project, provenance.source), name, year, county_code=county_code)
    except (OSError, ValueError):
        raise _not_as_built(provenance.source) from None
    if RowChecksums(table).whole() != sha256:
        raise _not_as_built(provenance.source)
    return table


def parts_sha256(parts: Mapping[tuple[str, str], str]) -> str:
    """Checksum of the rows of some parts, given by province and year with the checksum of each."""
    return joined_sha256((f"{name}/{year}", sha256) for (name, year), sha256 in parts.items())


def load_processed(
    project: Project, source_id: str, *, county_code: str | None = None, years: Collection[int] | None = None
) -> ProcessedTable:
    """Load a source's processed table, all counties or one, all school years or some.

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
    if county_code is not None and not find_county(project, provenance, county_code):
        check_choice(county_code, tuple(list_counties(project, provenance)), name="县", where=f"数据 {source_id}")
    frame, provenance = load_rows(project, provenance, county_code=county_code, years=years)
    return ProcessedTable(frame, contract, provenance)
