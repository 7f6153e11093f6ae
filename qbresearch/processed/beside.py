"""Tables that belong beside a school table: found by what they hold, not by a name that somebody must know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from qbresearch.errors import InputError
from qbresearch.processed.store import (
    TableProvenance,
    find_county,
    list_counties,
    load_rows,
    read_provenance,
    read_provenances,
    require_built,
)
from qbresearch.project import Project
from qbresearch.provenance import json_sha256
from qbresearch.rules.columns import TableContract, load_table
from qbresearch.traces import note_read

BESIDE = ("county-facts", "school-facts", "class", "room", "finance", "survey", "evidence", "county-report", "project")
"""Ids of the tables that the evaluation of a county reads beside its school table."""


@dataclass(frozen=True, slots=True)
class BesideTable:
    """Rows of one kind of table for some counties, from one or more sources."""

    frame: pd.DataFrame
    contract: TableContract
    provenances: tuple[TableProvenance, ...]


def sources_beside(project: Project, source_id: str, county_code: str | None) -> dict[str, tuple[str, ...]]:
    """Table ids to the built sources that hold rows of a county (``None``: of any county) of the school source.

    Real data are never set beside simulated ones. A table that nobody has supplied is not in the answer.
    """
    schools = read_provenance(project, source_id)
    if schools is None:
        return {}
    wanted = () if county_code else list_counties(project, schools).keys()

    def holds(known: TableProvenance) -> bool:
        if county_code:
            return bool(find_county(project, known, county_code))
        return not wanted.isdisjoint(list_counties(project, known))

    found = choose_beside(project, schools, read_provenances(project), holds)
    note_read("beside", f"{source_id}/{county_code or ''}", beside_sha256(found))
    return found


def choose_beside(
    project: Project, schools: TableProvenance, built: Iterable[TableProvenance], holds: Callable[[TableProvenance], bool]
) -> dict[str, tuple[str, ...]]:
    """The answer of :func:`sources_beside`, given all built sources and whether one holds rows of the county."""
    found: dict[str, list[str]] = {}
    for known in built:
        if known.recipe.table not in BESIDE or known.kind != schools.kind:
            continue
        # What was built from a folder that is gone is nobody's data any more.
        if (project.raw / known.source).is_dir() and holds(known):
            found.setdefault(known.recipe.table, []).append(known.source)
    return {table: tuple(found[table]) for table in BESIDE if table in found}


def beside_sha256(found: Mapping[str, tuple[str, ...]]) -> str:
    """Checksum of the answer of :func:`sources_beside`."""
    return json_sha256(found)


def load_beside(project: Project, source_id: str, *, county_code: str | None = None) -> dict[str, BesideTable]:
    """The tables that belong beside a school source, for one county or for all of its counties.

    Raises
    ------
    InputError
        A source must be built again, or two sources both hold the same row.
    """
    schools = require_built(project, source_id)
    codes = None if county_code else list(list_counties(project, schools))
    return {
        table: _load(project, table, sources, county_code, codes)
        for table, sources in sources_beside(project, source_id, county_code).items()
    }


def _load(
    project: Project, table: str, sources: Iterable[str], county_code: str | None, codes: list[str] | None
) -> BesideTable:
    contract = load_table(table)
    provenances, frames = [], []
    for source in sources:
        rows, provenance = load_rows(project, require_built(project, source), county_code=county_code)
        if codes is not None:
            rows = rows[rows["county_code"].isin(codes)]
        provenances.append(provenance)
        frames.append(rows.assign(_source=source))
    frame = pd.concat(frames, ignore_index=True)
    _refuse_twice(frame, contract)
    return BesideTable(frame.drop(columns="_source"), contract, tuple(provenances))


def _refuse_twice(frame: pd.DataFrame, contract: TableContract) -> None:
    """Within one source the build has seen to it; two sources may still hold the same county and year."""
    twice = frame[frame.duplicated(list(contract.key), keep=False)]
    if twice.empty:
        return
    first = twice.iloc[0]
    same = twice[(twice[list(contract.key)] == first[list(contract.key)]).all(axis=1)]
    found = "、".join(f"data/raw/{source}（第 {row} 行）" for source, row in zip(same["_source"], same["source_row"], strict=True))
    raise InputError(
        f"两份{contract.label_zh}有相同的内容", where="、".join(dict.fromkeys(f"data/raw/{s}" for s in same["_source"])),
        found=f"{'，'.join(str(first[name]) for name in contract.key)}：{found}",
        expected="每一行只在一个来源中出现", fix="从其中一个来源删去重复的行或整个来源，再运行 qbresearch build",
    )
