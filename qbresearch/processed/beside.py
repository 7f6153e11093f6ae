"""Tables that belong beside a school table: found by what they hold, not by a name that somebody must know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from qbresearch.errors import InputError
from qbresearch.processed.store import (
    TableProvenance,
    list_built,
    read_provenance,
    require_built,
    table_path,
)
from qbresearch.project import Project
from qbresearch.rules.columns import TableContract, load_table

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
    wanted = {county_code} if county_code else set(schools.counties)
    found: dict[str, list[str]] = {}
    for other in list_built(project):
        known = read_provenance(project, other)
        if known is None or known.recipe.table not in BESIDE or known.kind != schools.kind:
            continue
        # What was built from a folder that is gone is nobody's data any more.
        if not (project.raw / other).is_dir():
            continue
        if wanted & set(known.counties):
            found.setdefault(known.recipe.table, []).append(other)
    return {table: tuple(found[table]) for table in BESIDE if table in found}


def load_beside(project: Project, source_id: str, *, county_code: str | None = None) -> dict[str, BesideTable]:
    """The tables that belong beside a school source, for one county or for all of its counties.

    Raises
    ------
    InputError
        A source must be built again, or two sources both hold the same row.
    """
    schools = require_built(project, source_id)
    codes = [county_code] if county_code else sorted(schools.counties)
    return {
        table: _load(project, table, sources, codes)
        for table, sources in sources_beside(project, source_id, county_code).items()
    }


def _load(project: Project, table: str, sources: Iterable[str], codes: list[str]) -> BesideTable:
    contract = load_table(table)
    provenances, frames = [], []
    for source in sources:
        provenances.append(require_built(project, source))
        rows = pd.read_parquet(table_path(project, source), filters=[("county_code", "in", codes)])
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
