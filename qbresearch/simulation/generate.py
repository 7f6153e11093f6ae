"""A simulated prefecture whose true means and spreads are known, as its county bureaus would report it.

``python -m qbresearch.simulation.generate data/raw/demo-prefecture`` writes the folder that ships with a project.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qbresearch.errors import CitationError, QbError
from qbresearch.rules.columns import load_table
from qbresearch.simulation.design import (
    SHARED,
    STAGES,
    County,
    Parameters,
    Year,
    list_simulations,
    load_simulation,
)
from qbresearch.simulation.passports import write_simulated_passport
from qbresearch.simulation.truth import HUNDRED, Fact, planted_facts, truth_table
from qbresearch.simulation.units import (
    POSITIONS,
    CountyYear,
    Key,
    Unit,
    lognormal_spread,
    make_students,
    make_units,
    make_values,
    planted_at,
)
from qbresearch.simulation.workbooks import write_county_workbook

__all__ = [
    "Fact", "Simulation", "list_simulations", "load_simulation", "simulate", "write_passport", "write_workbooks",
]

AREA_DECIMALS = 2
# A bureau that reports in 万元 with two decimals gives hundreds of yuan; one that reports in 元 gives cents.
YUAN_DECIMALS = {"万元": -2, "元": 2}
PANDAS_TYPES = {"count": "Int64", "number": "float64", "year": "int64"}
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """Simulated schools and what is true of them.

    ``schools`` has one row a school or campus and year, in contract column names, choice ids and units, as written;
    ``complete`` are the same without the blanks of the parameters' changes, which is what the schools report elsewhere.
    ``truth`` holds realised and designed means and coefficients of variation (``TRUTH_COLUMNS``); ``facts`` are what was
    planted, with the realised numbers.
    """

    parameters: Parameters
    seed: int
    schools: pd.DataFrame
    complete: pd.DataFrame
    truth: pd.DataFrame
    facts: tuple[Fact, ...]


def simulate(parameters: Parameters, *, seed: int) -> Simulation:
    """Generate all schools of the prefecture.

    Mean and coefficient of variation of every county, year, stage and indicator are fitted to their targets; persons
    and rooms are then made whole, which leaves the realised ones within the tolerances the parameters state.

    Parameters
    ----------
    parameters : Parameters
        From :func:`load_simulation`.
    seed : int
        The only source of randomness; each county has its own stream, so that counties do not disturb each other.

    Raises
    ------
    InputError
        A target spread cannot be reached with the schools at hand.
    CitationError
        A change finds no school.
    """
    rows: list[Row] = []
    places = 0
    for county in parameters.counties:
        generator = np.random.Generator(np.random.PCG64([seed, int(county.code)]))
        units, places = make_units(parameters, county, places, generator)
        start = generator.standard_normal((len(units), len(POSITIONS)))
        for year in parameters.years:
            rows += _county_year(parameters, county, year, units, start, generator)
    complete = _frame(parameters, rows)
    _change(parameters, complete, "set")
    schools = complete.copy()
    _change(parameters, schools, "blank")
    return Simulation(
        parameters, seed, schools, complete, truth_table(parameters, schools), planted_facts(parameters, schools)
    )


def _county_year(
    parameters: Parameters, county: County, year: Year, units: tuple[Unit, ...], start: np.ndarray,
    generator: np.random.Generator,
) -> list[Row]:
    """Rows of one county and year, in order of the school codes."""
    persistence, clip = parameters.setting("persistence"), parameters.setting("clip")
    fresh = generator.standard_normal(start.shape)
    positions = np.clip(persistence * start + np.sqrt(1 - persistence**2) * fresh, -clip, clip)
    students = tuple(make_students(parameters, year, u, generator) for u in units)
    at_county = CountyYear(parameters, county, year, units, students, positions)
    rows: list[Row] = []
    for at, values in enumerate(make_values(at_county)):
        row = _identity(at_county, at)
        for stage in STAGES:
            if stage in students[at]:
                row |= _persons(parameters, stage, students[at][stage], values, generator)
        row |= _assets(at_county, at, values)
        row |= {
            name: round(_basic_total(at_county, at, name, level, scale))
            for name, level, scale in (("computers", "computers_per_100", HUNDRED), ("books", "books_per_student", 1))
        }
        rows += _split_campus(at_county, at, row)
    return sorted(rows, key=lambda r: r["school_code"])


def _identity(at_county: CountyYear, at: int) -> Row:
    """Who a school is and how many students it has."""
    county, unit = at_county.county, at_county.units[at]
    return {
        "county_code": county.code, "county_name": county.name, "school_year": at_county.year.school_year,
        "school_code": unit.code, "school_name": unit.name, "school_type": unit.school_type,
        "location": unit.location, "sponsor": unit.sponsor, "counted": "yes", "parent_code": None,
        **{f"students_{stage}": count for stage, count in at_county.students[at].items()},
    }


def _persons(
    parameters: Parameters, stage: str, students: int, values: Mapping[Key, float], generator: np.random.Generator
) -> Row:
    """Teachers of a stage; every count is whole and parts never exceed their whole."""
    shares = parameters.qualification(stage)
    above = max(1, round(values["L1", stage] * students / HUNDRED))
    below = int(generator.binomial(above, shares.below_share))
    row = _divide(f"teachers_{stage}", above, shares.above, generator)
    for name, count in _divide(f"teachers_{stage}", below, shares.below, generator).items():
        row[name] = row.get(name, 0) + count
    teachers = above + below
    pe_arts = min(teachers, round(values["L3", stage] * students / HUNDRED))
    pe = int(generator.binomial(pe_arts, parameters.setting("pe_share")))
    return row | {
        f"teachers_{stage}": teachers,
        f"backbone_teachers_{stage}": min(teachers, round(values["L2", stage] * students / HUNDRED)),
        f"pe_teachers_{stage}": pe,
        f"arts_teachers_{stage}": pe_arts - pe,
        f"titled_teachers_{stage}": int(generator.binomial(teachers, parameters.basic(stage, "titled_share"))),
    }


def _divide(prefix: str, total: int, shares: Mapping[str, float], generator: np.random.Generator) -> dict[str, int]:
    counts = generator.multinomial(total, list(shares.values()))
    return {f"{prefix}_{name}": int(count) for name, count in zip(shares, counts, strict=True)}


def _assets(at_county: CountyYear, at: int, values: Mapping[Key, float]) -> Row:
    """Buildings, grounds, equipment and rooms of a school: value per weighted student times weighted students."""
    parameters, unit, students = at_county.parameters, at_county.units[at], at_county.students[at]
    weights = parameters.weights(unit.school_type)
    weighted = sum(weights.get(stage, 1.0) * count for stage, count in students.items())
    teaching, sports, equipment, rooms = (values[i, ""] * weighted for i in SHARED)
    hall = round(unit.hall_share * sports, AREA_DECIMALS)
    return {
        "teaching_area_m2": round(teaching + hall, AREA_DECIMALS),
        "indoor_sports_area_m2": hall,
        "sports_ground_area_m2": round(sports - hall, AREA_DECIMALS),
        "equipment_value_yuan": round(equipment, YUAN_DECIMALS[at_county.county.equipment_unit]),
        "multimedia_classrooms": round(rooms / HUNDRED),
    }


def _basic_total(at_county: CountyYear, at: int, name: str, level: str, scale: int) -> float:
    """Computers or books of a school; senior students count as junior ones."""
    parameters, county = at_county.parameters, at_county.county
    total = sum(
        parameters.basic(stage if stage in STAGES else STAGES[-1], level) * count / scale
        for stage, count in at_county.students[at].items()
    )
    spread = lognormal_spread(parameters.setting("basic_spread") * county.cv_factor)
    factor = county.mean_factor * at_county.year.mean_factor
    return float(total * factor * np.exp(spread * at_county.position(at, (name, ""))))


def _split_campus(at_county: CountyYear, at: int, row: Row) -> list[Row]:
    """A school's row, and its campus's where it has one; together they are what the school has."""
    unit, share = at_county.units[at], at_county.parameters.campus.share
    if unit.campus is None:
        return [row]
    code, name = unit.campus
    yuan = YUAN_DECIMALS[at_county.county.equipment_unit]
    campus = row | {"school_code": code, "school_name": name, "counted": "no", "parent_code": unit.code}
    parent = dict(row)
    for column, total in row.items():
        if column == "school_year" or isinstance(total, str) or total is None:
            continue
        decimals = yuan if column == "equipment_value_yuan" else AREA_DECIMALS
        campus[column] = int(total * share) if isinstance(total, int) else round(total * share, decimals)
        parent[column] = total - campus[column] if isinstance(total, int) else round(total - campus[column], decimals)
    for stage in STAGES:
        _add_up_teachers(stage, parent, campus)
    return [parent, campus]


def _add_up_teachers(stage: str, parent: Row, campus: Row) -> None:
    """Make the campus's teachers the sum of its qualifications; the parent has the rest, so its sum holds too."""
    prefix = f"teachers_{stage}"
    if prefix in campus:
        total = parent[prefix] + campus[prefix]
        campus[prefix] = sum(count for name, count in campus.items() if name.startswith(prefix + "_"))
        parent[prefix] = total - campus[prefix]


def _frame(parameters: Parameters, rows: list[Row]) -> pd.DataFrame:
    """Rows as a table in contract order, with the deliberate blanks made."""
    for row in rows:
        for planted in planted_at(parameters, row["school_code"]):
            if planted.id == "blank_cell" and planted.school_year == row["school_year"]:
                row["multimedia_classrooms"] = None
    columns = load_table(parameters.table).columns
    frame = pd.DataFrame(rows, columns=[c.name for c in columns])
    return frame.astype({c.name: PANDAS_TYPES.get(c.kind, "object") for c in columns})


def _change(parameters: Parameters, schools: pd.DataFrame, kind: str) -> None:
    """Make the changes of the parameters that set cells, or those that blank them, in place."""
    for change in parameters.changes:
        cells = change.set if kind == "set" else dict.fromkeys(change.blank)
        rows = schools["school_code"].eq(change.school_code) & schools["school_year"].eq(change.school_year)
        if not rows.any():
            raise CitationError(
                "改动的学校找不到", where=f"{parameters.id} [[change]]", found=f"{change.school_code} {change.school_year} 学年",
                expected="模拟出来的一所学校", fix="改正 school_code",
            )
        for name, value in cells.items():
            schools.loc[rows, name] = value


def write_workbooks(simulation: Simulation, folder: Path) -> tuple[Path, ...]:
    """Write one workbook per county and year, as a county bureau would send it, and return their paths.

    The bytes depend only on the simulation and on the versions of openpyxl and zlib.
    """
    parameters, schools = simulation.parameters, simulation.schools
    contract = load_table(parameters.table)
    paths = []
    for county in parameters.counties:
        for year in parameters.years:
            here = (schools["county_code"] == county.code) & (schools["school_year"] == year.school_year)
            path = _workbook_path(folder, county, year)
            write_county_workbook(path, schools[here], contract, county, year.school_year, parameters.written)
            paths.append(path)
    return tuple(paths)


def _workbook_path(folder: Path, county: County, year: Year) -> Path:
    return folder / f"{county.name}{year.school_year}学年义务教育学校统计表.xlsx"


def write_passport(simulation: Simulation, folder: Path) -> Path:
    """Write ``source.toml`` for the workbooks that :func:`write_workbooks` put into ``folder``; return its path."""
    parameters = simulation.parameters
    facts = {
        "id": parameters.id, "title": parameters.title, "producer": parameters.producer,
        "found_at": f"qbresearch simulate 程序，种子 {simulation.seed}", "licence": parameters.licence,
        "table": parameters.table, "title_en": parameters.title_en, "licence_en": parameters.licence_en,
    }
    paths = sorted(_workbook_path(folder, c, y) for c in parameters.counties for y in parameters.years)
    return write_simulated_passport(folder, facts, parameters.written, paths)


def main(arguments: list[str] | None = None) -> None:
    """Write a simulated prefecture into a folder named after its parameters."""
    parser = argparse.ArgumentParser(prog="python -m qbresearch.simulation.generate", description="生成模拟地级市的统计表")
    parser.add_argument("folder", type=Path, help="写到哪个文件夹；文件夹名就是模拟参数的 id")
    parser.add_argument("--seed", type=int, help="随机种子；不写则用参数文件中的种子")
    chosen = parser.parse_args(arguments)
    try:
        parameters = load_simulation(chosen.folder.resolve().name)
        simulation = simulate(parameters, seed=parameters.seed if chosen.seed is None else chosen.seed)
        written = write_workbooks(simulation, chosen.folder)
        write_passport(simulation, chosen.folder)
    except QbError as error:
        parser.exit(error.exit_code, f"{error}\n")
    print(f"已写出 {len(written)} 个工作簿和 source.toml：{chosen.folder}")


if __name__ == "__main__":
    main()
