"""A simulated nation: thousands of invented counties with their schools, as raw files one a prefecture and school year.

``python -m qbresearch.simulation.nation data/raw/nation`` writes a folder of which nothing is real: provinces have codes
that no province was ever given, and every name says that it is simulated. It shows what the size of a country costs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv

from qbresearch.errors import InputError, QbError
from qbresearch.provenance import write_bytes
from qbresearch.rules.citations import CITED, Citation
from qbresearch.rules.columns import load_table
from qbresearch.simulation.design import (
    INDICATORS,
    LOCATIONS,
    STAGES,
    Parameters,
    Setting,
    load_simulation,
)
from qbresearch.simulation.entries import EntryForm, check_names, read_parameters
from qbresearch.simulation.passports import write_simulated_passport

PARAMETERS = CITED / "simulations" / "nation" / "nation.toml"
FACTS = (
    "id", "simulation", "title", "producer", "licence", "title_en", "licence_en", "table", "seed", "written",
    "first_year", "provinces",
)
SETTINGS = (
    "level", "schools_spread", "fewest_schools", "counties_per_prefecture", "county_mean_spread",
    "county_cv_low", "county_cv_high", "clip", "growth", "year_noise", "indoor_share", "pe_share", "blank_share",
)
COUNTIES, SCHOOLS = 2_900, 200_000
HUNDRED = 100
MOST_OF_A_KIND = 99  # prefectures of a province, counties of a prefecture: two digits of a code
Columns = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Kind:
    """Schools of one type, sponsor and location: their share of all, and by stage median and log spread of students."""

    school_type: str
    sponsor: str
    location: str
    share: float
    students: Mapping[str, tuple[float, float]]
    citation: Citation


@dataclass(frozen=True, slots=True)
class NationDesign:
    """The cited parameters of the nation; means, spreads and qualifications are those of another simulation."""

    id: str
    simulation: str
    title: str
    producer: str
    licence: str
    title_en: str
    licence_en: str
    table: str
    seed: int
    written: date
    first_year: int
    provinces: tuple[int, ...]
    kinds: tuple[Kind, ...]
    settings: tuple[Setting, ...]

    def setting(self, name: str) -> float:
        """Value of the setting called ``name``."""
        return next(s.value for s in self.settings if s.name == name)


@dataclass(frozen=True, slots=True)
class Places:
    """Every county by code, and the county and kind of every school; schools are in order of their counties."""

    counties: np.ndarray
    county: np.ndarray
    kind: np.ndarray
    number: np.ndarray


@cache
def load_nation() -> NationDesign:
    """Load the parameters that ship with the package.

    Raises
    ------
    CitationError
        The file breaks the form; the message names file and entry.
    """
    forms = {
        "kind": EntryForm(
            Kind, "kinds", ("school_type", "sponsor", "location", "share", "students"), ("share", "students")
        ),
        "setting": EntryForm(Setting, "settings", ("name", "value", "unit"), ("value",)),
    }
    read = read_parameters(PARAMETERS, FACTS, forms, choices={"location": LOCATIONS})
    design = NationDesign(**{**read, "provinces": tuple(read["provinces"])})
    check_names([s.name for s in design.settings], SETTINGS, "设定", PARAMETERS.name, "模拟参数不完整")
    return design


def make_places(design: NationDesign, counties: int, schools: int, generator: np.random.Generator) -> Places:
    """Counties spread evenly over provinces and prefectures, schools unevenly over counties.

    Raises
    ------
    InputError
        More counties than codes, or fewer schools than every county needs.
    """
    fewest, group = int(design.setting("fewest_schools")), int(design.setting("counties_per_prefecture"))
    most = len(design.provinces) * MOST_OF_A_KIND * group
    if not 0 < counties <= most or schools < counties * fewest:
        raise InputError(
            "模拟全国的规模不成立", where="--counties、--schools", found=f"{counties} 个县，{schools} 所学校",
            expected=f"1 至 {most} 个县，每县至少 {fewest} 所学校", fix="改小县数或加大学校数",
        )
    province = np.sort(np.arange(counties) % len(design.provinces))
    within = np.arange(counties) - np.searchsorted(province, province)
    codes = np.array(design.provinces)[province] * 10_000 + (within // group + 1) * 100 + within % group + 1
    size = generator.lognormal(0, design.setting("schools_spread"), counties)
    more = generator.multinomial(schools - counties * fewest, size / size.sum())
    county = np.repeat(np.arange(counties), fewest + more)
    kind = generator.choice(len(design.kinds), schools, p=[k.share for k in design.kinds])
    first = np.searchsorted(county, np.arange(counties))
    return Places(codes.astype(str), county, kind, np.arange(schools) - first[county] + 1)


def simulate_nation(
    design: NationDesign, *, counties: int = COUNTIES, schools: int = SCHOOLS, years: int = 1, seed: int | None = None
) -> Iterator[pd.DataFrame]:
    """All schools, one school year after the other, in contract columns, choice ids and units.

    Schools keep who they are, their students and their place among the others; resources grow and vary from year to
    year. The whole of a year is made at once, so that memory grows with schools and not with years.
    """
    generator = np.random.default_rng(design.seed if seed is None else seed)
    parameters = load_simulation(design.simulation)
    places = make_places(design, counties, schools, generator)
    students = _students(design, places, generator)
    names = _names(design, places)
    level = generator.normal(0, design.setting("county_mean_spread"), (counties, len(INDICATORS)))
    spread = generator.uniform(design.setting("county_cv_low"), design.setting("county_cv_high"), (counties, len(INDICATORS)))
    clip = design.setting("clip")
    position = np.clip(generator.standard_normal((schools, len(INDICATORS))), -clip, clip)
    for at in range(years):
        noise = generator.normal(0, design.setting("year_noise"), position.shape)
        growth = design.setting("level") * (1 + design.setting("growth")) ** at
        factor = np.exp(level[places.county] + noise) * growth
        columns = names | {f"students_{stage}": counts for stage, counts in students.items()}
        columns["school_year"] = np.full(schools, design.first_year + at)
        wanted = _Values(parameters, factor, spread[places.county], position)
        for stage in STAGES:
            columns |= _teachers(design, parameters, stage, students[stage], wanted)
        columns |= _assets(design, parameters, places, students, wanted)
        blank = generator.random(schools) < design.setting("blank_share")
        columns["multimedia_classrooms"] = np.where(blank, np.nan, columns["multimedia_classrooms"])
        yield pd.DataFrame(columns)


@dataclass(frozen=True, slots=True)
class _Values:
    """What each school has per student, before people and things are made whole."""

    parameters: Parameters
    factor: np.ndarray
    spread: np.ndarray
    position: np.ndarray

    def of(self, stage: str, indicator: str) -> np.ndarray:
        """Values whose expectation is the cited mean times the county's level, with the cited spread times the county's."""
        at = INDICATORS.index(indicator)
        mean = next(m.value for m in self.parameters.means if (m.stage, m.indicator) == (stage, indicator))
        cited = next(s.value for s in self.parameters.spreads if (s.stage, s.indicator) == (stage, indicator))
        sigma = np.sqrt(np.log1p((cited * self.spread[:, at]) ** 2))
        return mean * self.factor[:, at] * np.exp(sigma * self.position[:, at] - sigma**2 / 2)


def _students(design: NationDesign, places: Places, generator: np.random.Generator) -> Columns:
    found = {stage: np.full(len(places.kind), np.nan) for stage in (*STAGES, "senior")}
    for number, kind in enumerate(design.kinds):
        rows = np.flatnonzero(places.kind == number)
        size = generator.standard_normal(len(rows))  # a school that is large is large at every stage
        for stage, (median, log_spread) in kind.students.items():
            found[stage][rows] = np.maximum(np.rint(median * np.exp(log_spread * size)), 1)
    return found


def _names(design: NationDesign, places: Places) -> Columns:
    """Who the schools are: codes, names that say they are simulated, type, sponsor and location."""
    labels = load_table(design.table).column("school_type").choices
    words = {choice.id: choice.label_zh for choice in labels}
    code = places.counties[places.county]
    number = places.number.astype(str)
    called = np.array([words[kind.school_type] for kind in design.kinds])[places.kind]
    return {
        "county_code": code,
        "county_name": np.char.add("模拟县", code),
        "school_code": np.char.add(code, np.char.zfill(number, 4)),
        "school_name": np.char.add(np.char.add("模拟第", number), np.char.add("校·", called)),
        **{
            name: np.array([getattr(kind, name) for kind in design.kinds])[places.kind]
            for name in ("school_type", "location", "sponsor")
        },
        "counted": np.full(len(code), "yes"),
        "parent_code": np.full(len(code), None, dtype=object),
    }


def _teachers(design: NationDesign, parameters: Parameters, stage: str, students: np.ndarray, wanted: _Values) -> Columns:
    """Teachers of a stage by qualification and subject; parts add up and never exceed their whole."""
    shares = parameters.qualification(stage)
    above = np.maximum(np.rint(wanted.of(stage, "L1") * students / HUNDRED), 1)
    below = np.rint(above * shares.below_share / (1 - shares.below_share))
    total = above + below
    found = {f"teachers_{stage}": total} | _divided(f"teachers_{stage}", above, shares.above)
    for name, counts in _divided(f"teachers_{stage}", below, shares.below).items():
        found[name] = found.get(name, 0) + counts
    for level in ("doctor", "master", "bachelor", "associate", "high_school", "below_high_school"):
        found.setdefault(f"teachers_{stage}_{level}", np.where(np.isnan(students), np.nan, 0.0))
    special = np.rint(wanted.of(stage, "L3") * students / HUNDRED)
    sport = np.minimum(np.rint(special * design.setting("pe_share")), total)
    return found | {
        f"pe_teachers_{stage}": sport,
        f"arts_teachers_{stage}": np.minimum(special - sport, total),
        f"backbone_teachers_{stage}": np.minimum(np.rint(wanted.of(stage, "L2") * students / HUNDRED), total),
        f"titled_teachers_{stage}": np.rint(total * parameters.basic(stage, "titled_share")),
    }


def _divided(name: str, total: np.ndarray, shares: Mapping[str, float]) -> Columns:
    """A whole number of people divided by shares: rounded on the way, the last takes what is left."""
    ends = np.rint(np.outer(total, np.cumsum(list(shares.values()))))
    ends[:, -1] = total
    parts = np.diff(ends, axis=1, prepend=0.0)
    return {f"{name}_{level}": parts[:, at] for at, level in enumerate(shares)}


def _assets(
    design: NationDesign, parameters: Parameters, places: Places, students: Columns, wanted: _Values
) -> Columns:
    """What the stages of a school share, by its students weighted as they are where assets are divided."""
    weighted, first = np.zeros(len(places.kind)), np.zeros(len(places.kind), dtype=bool)
    per_student = {name: np.zeros(len(places.kind)) for name in ("L4", "L5", "L6", "L7", "computers", "books")}
    for number, kind in enumerate(design.kinds):
        rows = np.flatnonzero(places.kind == number)
        weights = parameters.weights(kind.school_type) or dict.fromkeys(kind.students, 1.0)
        weighted[rows] = sum(w * np.nan_to_num(students[stage][rows]) for stage, w in weights.items())
        first[rows] = "primary" in kind.students
    for stage, rows in (("primary", first), ("junior", ~first)):
        for name in ("L4", "L5", "L6", "L7"):
            per_student[name][rows] = wanted.of(stage, name)[rows]
        per_student["computers"][rows] = parameters.basic(stage, "computers_per_100") / HUNDRED
        per_student["books"][rows] = parameters.basic(stage, "books_per_student")
    indoor = np.round(per_student["L5"] * weighted * design.setting("indoor_share"), 2)
    return {
        "teaching_area_m2": np.round(per_student["L4"] * weighted + indoor, 2),
        "indoor_sports_area_m2": indoor,
        "sports_ground_area_m2": np.round(per_student["L5"] * weighted - indoor, 2),
        "equipment_value_yuan": np.round(per_student["L6"] * weighted, 2),
        "multimedia_classrooms": np.rint(per_student["L7"] * weighted / HUNDRED),
        "computers": np.rint(per_student["computers"] * weighted),
        "books": np.rint(per_student["books"] * weighted),
    }


# --- files -----------------------------------------------------------------------------------------------------------


def write_nation(
    design: NationDesign, folder: Path, *, counties: int = COUNTIES, schools: int = SCHOOLS, years: int = 1,
    seed: int | None = None,
) -> tuple[Path, ...]:
    """Write one CSV file a prefecture and school year and the passport; the folder's name is the source's id."""
    seed = design.seed if seed is None else seed
    paths = []
    for rows in simulate_nation(design, counties=counties, schools=schools, years=years, seed=seed):
        paths += _write_year(design, folder, rows)
    facts = {
        "id": folder.resolve().name, "title": f"{design.title}（模拟）", "producer": design.producer,
        "found_at": f"qbresearch.simulation.nation 程序，种子 {seed}", "licence": design.licence, "table": design.table,
        "title_en": f"{design.title_en} (simulated)", "producer_en": "An invented nation (made by this project's program)",
        "licence_en": design.licence_en,
    }
    write_simulated_passport(folder, facts, design.written, sorted(paths))
    return tuple(paths)


def _write_year(design: NationDesign, folder: Path, rows: pd.DataFrame) -> list[Path]:
    """Files of one school year; schools of a prefecture stand together because counties are in order of their codes."""
    contract = load_table(design.table)
    columns = [column for column in contract.columns if column.name in rows]
    arrays = []
    for column in columns:
        values = rows[column.name]
        if column.kind == "choice":
            values = values.map({choice.id: choice.label_zh for choice in column.choices})
        arrays.append(pa.array(values, type={"count": pa.int64(), "number": pa.float64()}.get(column.kind), from_pandas=True))
    table = pa.table(arrays, names=[next(h for h, factor in c.headings.items() if factor == 1) for c in columns])
    prefecture = rows["county_code"].str[:4].to_numpy(dtype=str)
    year = int(rows["school_year"].iloc[0])
    starts = np.flatnonzero(np.r_[True, prefecture[1:] != prefecture[:-1]])
    paths = []
    for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
        buffer = BytesIO("\ufeff".encode())
        buffer.seek(0, 2)
        csv.write_csv(table.slice(start, stop - start), buffer)
        path = folder / f"模拟市{prefecture[start]}_{year}学年义务教育学校统计表.csv"
        write_bytes(path, buffer.getvalue())
        paths.append(path)
    return paths


def main(arguments: list[str] | None = None) -> None:
    """Write a simulated nation into a folder."""
    parser = argparse.ArgumentParser(prog="python -m qbresearch.simulation.nation", description="生成模拟全国的学校统计表")
    parser.add_argument("folder", type=Path, help="写到哪个文件夹；文件夹名就是来源的 id")
    parser.add_argument("--counties", type=int, default=COUNTIES, help=f"县数（默认 {COUNTIES}）")
    parser.add_argument("--schools", type=int, default=SCHOOLS, help=f"每学年学校数（默认 {SCHOOLS}）")
    parser.add_argument("--years", type=int, default=1, help="学年数（默认 1）")
    parser.add_argument("--seed", type=int, help="随机种子；不写则用参数文件中的种子")
    chosen = parser.parse_args(arguments)
    try:
        written = write_nation(
            load_nation(), chosen.folder, counties=chosen.counties, schools=chosen.schools, years=chosen.years,
            seed=chosen.seed,
        )
    except QbError as error:
        parser.exit(error.exit_code, f"{error}\n")
    print(f"已写出 {len(written)} 个 CSV 文件和 source.toml：{chosen.folder}")


if __name__ == "__main__":
    main()
