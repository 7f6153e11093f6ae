"""Schools of a simulated county and the values that make the county hit its designed means and spreads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qbresearch.errors import InputError
from qbresearch.simulation.design import (
    INDICATORS,
    LOCATIONS,
    PEOPLE,
    SHARED,
    STAGES,
    County,
    Parameters,
    Planted,
    Year,
)
from qbresearch.simulation.truth import HUNDRED, in_scope

DIGITS = "一二三四五六七八九十"
PLACE_FIRST = "柳松石竹枫桐梅杏桃槐榆栗桂杉荷菱芦蓼苇茅葛藤蕨芷"
PLACE_SECOND = "湾坪桥溪岭塘坡洼台畈"
BASICS = ("computers", "books")
# A school has one position (in standard deviations) per kind of resource, which moves little from year to year.
# Stage "" stands for assets that the stages of a school share.
POSITIONS = (*((i, s) for i in PEOPLE for s in STAGES), *((i, "") for i in (*SHARED, *BASICS)))
BISECTIONS = 80
WIDEST = 6.0
NOISE_LIMIT = 2
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Unit:
    """A school through all years, its campus included; ``students`` are those of the last year."""

    code: str
    name: str
    school_type: str
    location: str
    sponsor: str
    students: Mapping[str, int]
    hall_share: float
    campus: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class CountyYear:
    """The schools of one county in one year: students by stage and positions, in the order of ``units``."""

    parameters: Parameters
    county: County
    year: Year
    units: tuple[Unit, ...]
    students: tuple[Mapping[str, int], ...]
    positions: np.ndarray

    def target(self, stage: str, indicator: str) -> tuple[float, float]:
        """Designed mean and coefficient of variation."""
        return self.parameters.target(self.county, self.year, stage, indicator)

    def position(self, at: int, key: Key) -> float:
        """Where a school stands on one kind of resource."""
        return float(self.positions[at, POSITIONS.index(key)])

    def weight(self, at: int, key: Key, stage: str) -> float:
        """Share-out weight of a student of a stage; 1 for people, who are counted by stage."""
        return 1.0 if key[1] else self.parameters.weights(self.units[at].school_type).get(stage, 1.0)

    def inside(self, at: int) -> bool:
        """Whether a school belongs to the evaluation."""
        unit: dict[str, Any] = {"school_type": self.units[at].school_type}
        return in_scope(self.parameters, unit | {"students_primary": self.students[at].get("primary", 0)})


def make_units(
    parameters: Parameters, county: County, places: int, generator: np.random.Generator
) -> tuple[tuple[Unit, ...], int]:
    """The schools of a county, and how many place names are used after it.

    Parameters
    ----------
    places : int
        Place names used by the counties before, so that none is used twice.
    """
    units: list[Unit] = []
    for entry in parameters.roster:
        for at, location in enumerate(LOCATIONS):
            for n in range(entry.counts[county.kind][at]):
                name = entry.names[at].format(county=county.prefix, place=_place(places), n=DIGITS[n])
                places += "{place}" in entry.names[at]
                code = f"{county.code}{len(units) + 1:04d}"
                # Teaching points keep their size everywhere: the scope limit must not be crossed by scaling.
                scale = 1 if entry.school_type == "teaching_point" else county.size_factor
                students = {
                    stage: round(generator.uniform(*ranges[at]) * scale) for stage, ranges in entry.students.items()
                }
                for planted in planted_at(parameters, code):
                    students |= planted.students
                hall = _hall_share(parameters, students, generator)
                units.append(Unit(code, name, entry.school_type, location, entry.sponsor, students, hall))
    return tuple(_with_campus(parameters, county, u, len(units) + 1) for u in units), places


def planted_at(parameters: Parameters, code: str) -> list[Planted]:
    """Facts planted at a school."""
    return [p for p in parameters.planted if p.school_code == code]


def _place(number: int) -> str:
    """A made-up place name; the first 240 are all different."""
    row, first = divmod(number, len(PLACE_FIRST))
    return PLACE_FIRST[first] + PLACE_SECOND[(3 * first + row) % len(PLACE_SECOND)]


def _hall_share(parameters: Parameters, students: Mapping[str, int], generator: np.random.Generator) -> float:
    """Part of the sports area that is indoors; zero for schools without a hall."""
    chance = generator.random()
    share = generator.uniform(parameters.setting("hall_low"), parameters.setting("hall_high"))
    large = sum(students.values()) >= parameters.setting("hall_min_students")
    return share if large and chance < parameters.setting("hall_chance") else 0.0


def _with_campus(parameters: Parameters, county: County, unit: Unit, serial: int) -> Unit:
    if unit.name != parameters.campus.parent.format(county=county.prefix):
        return unit
    return replace(unit, campus=(f"{county.code}{serial:04d}", parameters.campus.name.format(county=county.prefix)))


def make_students(
    parameters: Parameters, year: Year, unit: Unit, generator: np.random.Generator
) -> dict[str, int]:
    """Students by stage: drifting by location, exact where a planted fact says so, never across the scope limit."""
    last = parameters.years[-1].school_year
    growth = (1 + parameters.setting(f"drift_{unit.location}")) ** (year.school_year - last)
    shock = float(np.clip(generator.standard_normal(), -NOISE_LIMIT, NOISE_LIMIT))
    noise = 1 + parameters.setting("drift_noise") * shock
    students = {stage: round(base * growth * noise) for stage, base in unit.students.items()}
    if unit.school_type == "teaching_point":
        fewest = round(parameters.setting("teaching_point_min_students"))
        large = unit.students["primary"] >= fewest
        students["primary"] = max(fewest, students["primary"]) if large else min(fewest - 1, students["primary"])
    for planted in planted_at(parameters, unit.code):
        if planted.school_year == year.school_year:
            students |= planted.students
    return students


def make_values(at_county: CountyYear) -> list[dict[Key, float]]:
    """Value per student (or per 100) of every school, before rounding.

    Shared assets have one value per *weighted* student: a school of several stages has the same for all of them.
    Such schools are drawn first; the schools of a single stage then take up what is left of the targets, so that
    each stage has the designed mean and coefficient of variation.
    """
    values: list[dict[Key, float]] = [{} for _ in at_county.units]
    for at, unit in enumerate(at_county.units):
        for planted in planted_at(at_county.parameters, unit.code):
            values[at] |= _planted_values(planted, at_county.year)
        if at_county.inside(at) and all(at_county.students[at].get(stage) for stage in STAGES):
            for indicator in SHARED:
                values[at].setdefault((indicator, ""), _tied_value(at_county, at, indicator))
    for indicator in INDICATORS:
        for stage in STAGES:
            _fit_stage(at_county, stage, indicator, values)
    return values


def _planted_values(planted: Planted, year: Year) -> dict[Key, float]:
    """Values a planted fact fixes; earlier years have as much less as all schools do."""
    people = {
        (i, planted.stage): HUNDRED * n * year.mean_factor / planted.students[planted.stage]
        for i, n in planted.counts.items()
    }
    return people | {(i, ""): value * year.mean_factor for i, value in planted.rates.items()}


def _tied_value(at_county: CountyYear, at: int, indicator: str) -> float:
    """A value between what the two stages aim at, for a school whose stages share its assets."""
    targets = {stage: at_county.target(stage, indicator) for stage in STAGES}
    levels = [mean / at_county.weight(at, (indicator, ""), stage) for stage, (mean, _) in targets.items()]
    spread = lognormal_spread(min(cv for _, cv in targets.values())) * at_county.parameters.setting("tied_spread")
    return float(np.prod(levels) ** (1 / len(levels)) * np.exp(spread * at_county.position(at, (indicator, ""))))


def lognormal_spread(cv: float) -> float:
    """Standard deviation of the logarithm that gives a lognormal variable this coefficient of variation."""
    return float(np.sqrt(np.log1p(cv**2)))


def _fit_stage(at_county: CountyYear, stage: str, indicator: str, values: list[dict[Key, float]]) -> None:
    """Give every school that has no value yet one, so that the stage as a whole hits its targets."""
    mean, cv = at_county.target(stage, indicator)
    shift = at_county.parameters.rural_shift(at_county.county, stage, indicator)
    key = (indicator, stage if indicator in PEOPLE else "")
    fixed, free = [], []
    for at, unit in enumerate(at_county.units):
        count = at_county.students[at].get(stage, 0)
        if not count:
            continue
        weight = at_county.weight(at, key, stage)
        if not at_county.inside(at):
            values[at].setdefault(key, mean / weight)
        elif key in values[at]:
            fixed.append((count, values[at][key] * weight))
        else:
            free.append((at, count, at_county.position(at, key) + shift * (unit.location == "rural")))
    where = f"{at_county.county.name}{at_county.year.school_year} 学年 {stage} {indicator}"
    fitted = fit_values(
        np.array([count for _, count, _ in free], dtype=float), np.array([place for *_, place in free]),
        np.array(fixed, dtype=float).reshape(-1, 2), mean, cv, where,
    )
    for (at, *_), value in zip(free, fitted, strict=True):
        values[at][key] = float(value) / at_county.weight(at, key, stage)


def fit_values(
    counts: np.ndarray, places: np.ndarray, fixed: np.ndarray, mean: float, cv: float, where: str
) -> np.ndarray:
    """Values ``c·exp(s·place)`` that, with the fixed ones, have exactly the weighted mean and CV asked for.

    Parameters
    ----------
    counts, places : ndarray
        Students and position of the schools to fit.
    fixed : ndarray
        Students and value of the schools that have theirs already, two columns.
    mean, cv : float
        Targets of all schools together.
    where : str
        What is fitted, for the message.

    Raises
    ------
    InputError
        No spread between none and the widest gives the targets.
    """
    total = counts.sum() + fixed[:, 0].sum()
    left = mean * total - fixed.prod(axis=1).sum()
    aim = (mean * cv) ** 2 * total - (fixed[:, 0] * (fixed[:, 1] - mean) ** 2).sum()

    def values(spread: float) -> np.ndarray:
        raw = np.exp(spread * places)
        return raw * left / (counts @ raw)

    def excess(spread: float) -> float:
        return float(counts @ (values(spread) - mean) ** 2) - aim

    low, high = 0.0, WIDEST
    if left <= 0 or excess(low) > 0 or excess(high) < 0:
        raise _unreachable(mean, cv, where)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) < 0 else (low, middle)
    return values(high)


def _unreachable(mean: float, cv: float, where: str) -> InputError:
    return InputError(
        "设计的均值与差异系数配不出来",
        where=where,
        found=f"均值 {mean:g}、差异系数 {cv:g}",
        expected="一贯制学校与埋设的学校之外，其余学校能补足的均值与差异系数",
        fix="换一个种子，或放宽这一项的倍数",
    )
