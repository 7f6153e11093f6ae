"""The raw files behind a county's rows of one school year, and what was noticed in them when they were read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from qbresearch.processed.partitions import County
from qbresearch.processed.store import (
    TableProvenance,
    find_county,
    list_counties,
    read_problems,
)
from qbresearch.project import Project
from qbresearch.provenance import json_sha256
from qbresearch.traces import note_read


def files_behind(
    project: Project, provenance: TableProvenance, county_code: str, school_year: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Raw files with rows of a county (``""``: of any county) and school year, and what was noticed in them.

    Returns
    -------
    files : DataFrame
        Columns ``file, rows`` (those of the county and year), ``sha256``, by name.
    problems : DataFrame
        Columns ``PROBLEM_COLUMNS``, of the whole files.
    """
    if county_code:
        counties: Iterable[County] = [find_county(project, provenance, county_code)]
    else:
        counties = list_counties(project, provenance).values()
    held = files_of(provenance, counties, school_year)
    problems = read_problems(project, provenance.source)
    note_read("files", f"{provenance.source}/{county_code}/{school_year}", files_sha256(held, problems_by_file(problems)))
    files = pd.DataFrame(held, columns=["file", "rows", "sha256"])
    return files, problems[problems["file"].isin(files["file"])]


def files_of(
    provenance: TableProvenance, counties: Iterable[County], school_year: int
) -> list[tuple[str, int, str]]:
    """Raw files with rows of these counties and school year: name, rows and checksum, by name."""
    rows: dict[str, int] = {}
    for county in counties:
        if (held := county.get(str(school_year))) is not None:
            for name, number in held.files.items():
                rows[name] = rows.get(name, 0) + number
    return [(name, number, provenance.recipe.inputs[name]) for name, number in sorted(rows.items())]


def problems_by_file(problems: pd.DataFrame) -> dict[str, list[tuple[str, ...]]]:
    """What was noticed in each file."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for problem in problems.itertuples(index=False, name=None):
        found.setdefault(problem[0], []).append(problem)
    return found


def files_sha256(files: list[tuple[str, int, str]], problems: Mapping[str, list[tuple[str, ...]]]) -> str:
    """Checksum of what :func:`files_behind` answers."""
    return json_sha256([files, [problems.get(name, []) for name, *_ in files]])
