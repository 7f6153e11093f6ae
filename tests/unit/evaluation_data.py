"""Small made-up counties for tests of the evaluation: school tables and the tables beside them, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from qbresearch.results.evaluation.inputs import CountyInputs
from qbresearch.rules.columns import TableContract, load_table

COUNTY, NAME, YEAR = "990901", "例县", 2023
SCHOOL = load_table("school")
DTYPES = {"count": "float64", "number": "float64", "year": "Int64"}


def school(code: str, school_type: str = "primary", **cells: object) -> dict[str, object]:
    """A school of 500 students at every compulsory stage it teaches, unless said otherwise."""
    row: dict[str, object] = {
        "county_code": COUNTY, "county_name": NAME, "school_year": YEAR, "school_code": code, "school_name": f"{code}校",
        "school_type": school_type, "location": "town", "sponsor": "county", "counted": "yes", "parent_code": None,
    }  # fmt: skip
    return row | {f"students_{stage}": 500 for stage in SCHOOL.stages_of(school_type)} | cells


def campus(code: str, parent: str, school_type: str = "primary", **cells: object) -> dict[str, object]:
    """A site that is merged into another school."""
    return school(code, school_type, **{"counted": "no", "parent_code": parent} | cells)


def class_rows(code: str, sizes: Iterable[float | None], stage: str = "primary") -> list[dict[str, object]]:
    """Classes of a school, numbered from one."""
    first = {"primary": 1, "junior": 7}[stage]
    return [
        {"school_code": code, "school_name": f"{code}校", "stage": stage, "grade": str(first),
         "class_name": f"{first}（{n}）班", "students": size}
        for n, size in enumerate(sizes, 1)
    ]  # fmt: skip


def room_rows(code: str, use: str | None, areas: Iterable[float | None]) -> list[dict[str, object]]:
    """Music or art rooms of a school."""
    return [
        {"school_code": code, "school_name": f"{code}校", "room": f"{use}{n}", "use": use, "area_m2": area}
        for n, area in enumerate(areas, 1)
    ]


def facts_row(code: str, **cells: object) -> dict[str, object]:
    """What a school reports of itself: everything in order, unless said otherwise."""
    row: dict[str, object] = {
        "school_code": code, "school_name": f"{code}校", "small_rural": "no", "public_funding_yuan": 400_000,
        "public_funding_budget_yuan": 400_000, "training_budget_yuan": 24_000, "training_spent_yuan": 22_000,
        "charter": "yes", "informatised": "yes", "moral_grade": "good", "culture_grade": "excellent",
    }  # fmt: skip
    return row | cells


def report_row(subject: str, grade: str, level: str | None, rate: float | None, **cells: object) -> dict[str, object]:
    """A line of the monitoring report."""
    return {
        "school_year": YEAR, "cycle": YEAR + 1, "grade": grade, "subject": subject, "level": level,
        "difference_rate": rate,
    } | cells  # fmt: skip


def table_of(contract: TableContract, rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """Rows in the contract's columns and dtypes, as the reader gives them; keys of county and year filled in."""
    here = {"county_code": COUNTY, "county_name": NAME, "school_year": YEAR}
    names = [c.name for c in contract.columns]
    filled = [{name: value for name, value in (here | dict(row)).items() if name in names} for row in rows]
    return pd.DataFrame(filled, columns=names).astype({c.name: DTYPES.get(c.kind, "string") for c in contract.columns})


def county(
    *schools: Mapping[str, object], tables: Mapping[str, Iterable[Mapping[str, object]]] | None = None, year: int = YEAR
) -> CountyInputs:
    """Inputs of a county: its schools, and rows of other tables by table id; what is not named is absent."""
    contracts = {name: load_table(name) for name in tables or {}}
    frames = {name: table_of(contract, tables[name]) for name, contract in contracts.items()}
    return CountyInputs(COUNTY, NAME, year, table_of(SCHOOL, schools), SCHOOL, frames, contracts)
