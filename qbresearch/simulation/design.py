"""The cited parameters of a simulated prefecture: published means and spreads, our own design, planted facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path

from qbresearch.errors import CitationError, check_choice
from qbresearch.rules.citations import CITED, Citation
from qbresearch.rules.columns import load_table
from qbresearch.simulation.entries import EntryForm, read_parameters

STAGES = ("primary", "junior")
PEOPLE = ("L1", "L2", "L3")
SHARED = ("L4", "L5", "L6", "L7")
INDICATORS = (*PEOPLE, *SHARED)
LOCATIONS = ("urban", "town", "rural")
EQUIPMENT_UNITS = ("万元", "元")
PLANTED = (
    "clean_county", "rural_backbone", "blank_cell", "one_teacher_short", "private_decides", "true_zero",
)
SETTINGS = (
    "drift_urban", "drift_town", "drift_rural", "drift_noise", "persistence", "clip", "tied_spread", "hall_chance",
    "hall_low", "hall_high", "hall_min_students", "pe_share", "basic_spread", "tolerance_mean", "tolerance_cv",
    "teaching_point_min_students",
)


@dataclass(frozen=True, slots=True)
class Mean:
    """County mean of an indicator as a published table prints it (scaled to the indicator's unit)."""

    stage: str
    indicator: str
    value: float
    unit: str
    citation: Citation


@dataclass(frozen=True, slots=True)
class Spread:
    """Student-weighted coefficient of variation as a published table prints it; ``profile`` names the set."""

    profile: str
    stage: str
    indicator: str
    value: float
    unit: str
    citation: Citation


@dataclass(frozen=True, slots=True)
class Year:
    """How the means and spreads of one school year differ from the last one."""

    school_year: int
    mean_factor: float
    cv_factor: float
    citation: Citation


@dataclass(frozen=True, slots=True)
class County:
    """One simulated county: size, how its bureau fills in forms, and the factors that set it apart."""

    code: str
    name: str
    prefix: str
    kind: str
    size_factor: float
    equipment_unit: str
    heading_style: int
    cv_profile: str
    mean_factor: float
    cv_factor: float
    citation: Citation


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Further factors for one indicator of one county; ``rural_shift`` moves rural schools, in standard deviations."""

    county: str
    stage: str
    indicator: str
    mean_factor: float
    cv_factor: float
    citation: Citation
    rural_shift: float = 0.0


@dataclass(frozen=True, slots=True)
class Roster:
    """Schools of one type and sponsor: how many by kind of county and location, how large, what they are called."""

    school_type: str
    sponsor: str
    names: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]
    students: Mapping[str, tuple[tuple[int, int], ...]]
    citation: Citation


@dataclass(frozen=True, slots=True)
class Campus:
    """The one campus of a county that is not counted as a school; ``share`` is its part of the whole school."""

    parent: str
    name: str
    share: float
    citation: Citation


@dataclass(frozen=True, slots=True)
class Split:
    """Weight of a student of each stage where a school's stages share its assets."""

    school_type: str
    weights: Mapping[str, float]
    citation: Citation


@dataclass(frozen=True, slots=True)
class Qualification:
    """How the teachers of a stage divide into qualifications above and not above the required one."""

    stage: str
    above: Mapping[str, float]
    below: Mapping[str, float]
    below_share: float
    citation: Citation


@dataclass(frozen=True, slots=True)
class Basic:
    """Level of a column that only the basic-balance indicators use."""

    stage: str
    name: str
    value: float
    unit: str
    citation: Citation


@dataclass(frozen=True, slots=True)
class Setting:
    """A single number of the design."""

    name: str
    value: float
    unit: str
    citation: Citation


@dataclass(frozen=True, slots=True)
class Planted:
    """A fact put into the data on purpose.

    ``counts`` are persons or rooms in ``school_year``; ``rates`` are values per (weighted) student or per 100;
    ``limits`` are what the fact is judged by.
    """

    id: str
    county: str
    school_year: int
    citation: Citation
    school_code: str = ""
    stage: str = ""
    indicator: str = ""
    students: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """Cells of one school in one year that are ``set`` or left ``blank`` after everything has been generated.

    No random number depends on it: everything else stays as it is, the school's other cells and years included.
    """

    county: str
    school_year: int
    school_code: str
    citation: Citation
    set: Mapping[str, float] = field(default_factory=dict)
    blank: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parameters:
    """Everything :func:`qbresearch.simulation.generate.simulate` needs besides a seed."""

    id: str
    title: str
    prefecture: str
    producer: str
    licence: str
    title_en: str
    licence_en: str
    table: str
    seed: int
    written: date
    means: tuple[Mean, ...]
    spreads: tuple[Spread, ...]
    years: tuple[Year, ...]
    counties: tuple[County, ...]
    adjustments: tuple[Adjustment, ...]
    roster: tuple[Roster, ...]
    campus: Campus
    splits: tuple[Split, ...]
    qualifications: tuple[Qualification, ...]
    basics: tuple[Basic, ...]
    settings: tuple[Setting, ...]
    planted: tuple[Planted, ...]
    changes: tuple[Change, ...]

    def setting(self, name: str) -> float:
        """Value of the setting called ``name``."""
        check_choice(name, [s.name for s in self.settings], name="设定", where=self.id)
        return next(s.value for s in self.settings if s.name == name)

    def weights(self, school_type: str) -> Mapping[str, float]:
        """Split weights by stage; empty for schools of a single stage."""
        return next((s.weights for s in self.splits if s.school_type == school_type), {})

    def basic(self, stage: str, name: str) -> float:
        """Level of a basic-balance column at a stage."""
        return next(b.value for b in self.basics if (b.stage, b.name) == (stage, name))

    def qualification(self, stage: str) -> Qualification:
        """Qualification shares of a stage."""
        return next(q for q in self.qualifications if q.stage == stage)

    def rural_shift(self, county: County, stage: str, indicator: str) -> float:
        """How far rural schools lie below the others, in standard deviations."""
        found = self._adjustment(county, stage, indicator)
        return found.rural_shift if found else 0.0

    def target(self, county: County, year: Year, stage: str, indicator: str) -> tuple[float, float]:
        """Designed county mean and coefficient of variation of an indicator."""
        mean = next(m.value for m in self.means if (m.stage, m.indicator) == (stage, indicator))
        cv = next(
            s.value for s in self.spreads if (s.profile, s.stage, s.indicator) == (county.cv_profile, stage, indicator)
        )
        found = self._adjustment(county, stage, indicator)
        mean_factor, cv_factor = (found.mean_factor, found.cv_factor) if found else (1, 1)
        return (
            mean * county.mean_factor * mean_factor * year.mean_factor,
            cv * county.cv_factor * cv_factor * year.cv_factor,
        )

    def _adjustment(self, county: County, stage: str, indicator: str) -> Adjustment | None:
        key = (county.code, stage, indicator)
        return next((a for a in self.adjustments if (a.county, a.stage, a.indicator) == key), None)


def list_simulations() -> tuple[str, ...]:
    """Ids of all simulated prefectures that ship with the package."""
    return tuple(sorted(p.stem for p in (CITED / "simulations").glob("*.toml")))


@cache
def load_simulation(simulation_id: str) -> Parameters:
    """Load the parameters ``simulation_id`` that ship with the package.

    Raises
    ------
    InputError
        No such parameters.
    CitationError
        The file breaks the form; the message names file and entry.
    """
    check_choice(simulation_id, list_simulations(), name="模拟参数", where="qbresearch/cited/simulations")
    return read_simulation(CITED / "simulations" / f"{simulation_id}.toml")


_FACTS = ("id", "title", "prefecture", "producer", "licence", "title_en", "licence_en", "table", "seed", "written")
_FORMS = {
    "mean": EntryForm(Mean, "means", ("stage", "indicator", "value", "unit"), ("value",)),
    "spread": EntryForm(Spread, "spreads", ("profile", "stage", "indicator", "value", "unit"), ("value",)),
    "year": EntryForm(Year, "years", ("school_year", "mean_factor", "cv_factor"), ("mean_factor", "cv_factor")),
    "county": EntryForm(
        County, "counties",
        ("code", "name", "prefix", "kind", "size_factor", "equipment_unit", "heading_style", "cv_profile",
         "mean_factor", "cv_factor"),
        ("size_factor", "mean_factor", "cv_factor"),
    ),
    "adjustment": EntryForm(
        Adjustment, "adjustments", ("county", "stage", "indicator", "mean_factor", "cv_factor"),
        ("mean_factor", "cv_factor", "rural_shift"), ("rural_shift",),
    ),
    "roster": EntryForm(
        Roster, "roster", ("school_type", "sponsor", "names", "counts", "students"), ("counts", "students")
    ),
    "campus": EntryForm(Campus, "campus", ("parent", "name", "share"), ("share",)),
    "split": EntryForm(Split, "splits", ("school_type", "weights"), ("weights",)),
    "qualification": EntryForm(
        Qualification, "qualifications", ("stage", "above", "below", "below_share"), ("above", "below", "below_share")
    ),
    "basic": EntryForm(Basic, "basics", ("stage", "name", "value", "unit"), ("value",)),
    "setting": EntryForm(Setting, "settings", ("name", "value", "unit"), ("value",)),
    "planted": EntryForm(
        Planted, "planted", ("id", "county", "school_year"), ("students", "counts", "rates", "limits"),
        ("school_code", "stage", "indicator", "students", "counts", "rates", "limits"),
    ),
    "change": EntryForm(Change, "changes", ("county", "school_year", "school_code"), ("set",), ("set", "blank")),
}
_CHOICES = {"stage": STAGES, "indicator": INDICATORS, "equipment_unit": EQUIPMENT_UNITS}


def read_simulation(path: Path) -> Parameters:
    """Read simulation parameters from a file; see :func:`load_simulation`."""
    found = read_parameters(path, _FACTS, _FORMS, choices=_CHOICES)
    if len(found["campus"]) != 1:
        raise _broken(f"{path.name} [[campus]]", f"{len(found['campus'])} 条", "恰好 1 条")
    parameters = Parameters(**found | {"campus": found["campus"][0]})
    _check_complete(parameters, path.name)
    return parameters


def _check_complete(parameters: Parameters, where: str) -> None:
    """Refuse parameters that leave a county, stage and indicator without a mean or a spread."""
    pairs = {(s, i) for s in STAGES for i in INDICATORS}
    if absent := sorted(pairs - {(m.stage, m.indicator) for m in parameters.means}):
        raise _broken(f"{where} [[mean]]", f"缺 {absent[0]}", "两个学段各七项")
    counties = [c.code for c in parameters.counties]
    for county in parameters.counties:
        found = {(s.stage, s.indicator) for s in parameters.spreads if s.profile == county.cv_profile}
        if absent := sorted(pairs - found):
            raise _broken(f"{where} [[spread]]", f"{county.cv_profile} 缺 {absent[0]}", "两个学段各七项")
    for entry in (*parameters.adjustments, *parameters.planted, *parameters.changes):
        check_choice(entry.county, counties, name="县代码", where=where)
    for entry in (*parameters.planted, *parameters.changes):
        check_choice(entry.school_year, [y.school_year for y in parameters.years], name="学年", where=where)
    for planted in parameters.planted:
        check_choice(planted.id, PLANTED, name="埋设事实", where=where)
    columns = [c.name for c in load_table(parameters.table).columns]
    for change in parameters.changes:
        for name in (*change.set, *change.blank):
            check_choice(name, columns, name="列", where=f"{where} [[change]] {change.school_code}")
    for name in SETTINGS:
        check_choice(name, [s.name for s in parameters.settings], name="设定", where=where)
    for setting in parameters.settings:
        check_choice(setting.name, SETTINGS, name="设定", where=where)


def _broken(where: str, found: str, expected: str) -> CitationError:
    return CitationError("模拟参数不完整", where=where, found=found, expected=expected, fix="补齐后再运行")
