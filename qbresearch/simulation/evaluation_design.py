"""The cited parameters of the simulated evaluation data: county facts, lags, finance, surveys, evidence, reports, planted cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from qbresearch.errors import CitationError, check_choice
from qbresearch.rules.citations import CITED, Citation
from qbresearch.rules.columns import load_table
from qbresearch.simulation.design import Setting, list_simulations, load_simulation
from qbresearch.simulation.entries import EntryForm, check_names, read_parameters
from qbresearch.simulation.monitoring_design import list_monitorings

FOLDER = CITED / "simulations" / "evaluation"
TABLES = ("county-facts", "school-facts", "class", "room", "finance", "survey", "evidence", "project", "county-report")
LAGS = ("room", "class", "funding", "informatised", "training", "grade")
GROUPS = ("parents", "teachers", "principals", "deputies", "cppcc", "students", "public")
FINDINGS = ("not_met", "undecided", "absent")
UNFINISHED = UNREPORTED = "—"
LIMITS = (
    "P1_years", "G3_classes", "G3_music_area", "G3_art_area", "G4_size_separate", "G4_size_through", "G5_class_primary",
    "G5_class_junior", "G6_small_school", "G7_funding", "G8_pay", "G9_training", "G11_rotation", "G11_backbone",
    "G12_certified", "G13_primary", "G13_junior", "G14_places", "G15_migrant", "Q1_retention", "Q2_disabled",
    "Q4_training", "Q9_level", "Q9_rate", "Q9_cycle", "R_recognition", "R_sample", "R_parents",
)
SETTINGS = (
    "class_target_primary", "class_target_junior", "class_target_special", "teaching_point_grades", "oversized_primary",
    "oversized_junior", "oversize_min_students", "music_area_max", "art_area_max", "small_room_area",
    "budget_over_funding", "budget_multiple", "training_rate_max", "training_rate_low", "spent_share_min",
    "excellent_chance",
)


@dataclass(frozen=True, slots=True)
class Output:
    """A folder of raw data; ``file`` names its files, with ``{place}`` for county or city and ``{year}``.

    ``producer`` is empty where the design's producer made it.
    """

    id: str
    table: str
    title: str
    title_en: str
    file: str
    producer: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """What a value is judged by, quoted from a document; only the planted cases and the truth use it."""

    name: str
    value: float
    unit: str
    citation: Citation


@dataclass(frozen=True, slots=True)
class County:
    """The calendar year in which a county's basic balance was recognised, and its sign in document numbers."""

    county: str
    recognised: int
    short: str
    citation: Citation


@dataclass(frozen=True, slots=True)
class Quantity:
    """A column of the county facts: by county in the last year, shrinking by ``growth`` a year further back."""

    column: str
    values: Mapping[str, float]
    unit: str
    growth: float
    multiple: int
    citation: Citation


@dataclass(frozen=True, slots=True)
class Share:
    """A column that is a multiple of others (``of`` minus ``less``), smaller by ``step`` a year further back.

    ``part`` columns are never more than what they are part of.
    """

    column: str
    of: tuple[str, ...]
    values: Mapping[str, float]
    step: float
    part: bool
    citation: Citation
    less: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lag:
    """How many schools of a county have not done something yet, by its name (``LAGS``) and year."""

    county: str
    schools: Mapping[str, tuple[int, ...]]
    citation: Citation


@dataclass(frozen=True, slots=True)
class Finance:
    """Spending (yuan), students and price index (last year = 100) of a county from ``first_year`` on."""

    county: str
    first_year: int
    spending: tuple[float, ...]
    students: tuple[int, ...]
    price_index: tuple[float, ...]
    citation: Citation


@dataclass(frozen=True, slots=True)
class Survey:
    """Valid and satisfied answers by group in the last year; a year further back fewer answer, and fewer are content."""

    county: str
    answers: Mapping[str, int]
    satisfied: Mapping[str, int]
    visited: Mapping[str, int]
    visited_satisfied: Mapping[str, int]
    fewer: float
    step: float
    citation: Citation


@dataclass(frozen=True, slots=True)
class Material:
    """An evidence record that every county has every year from ``first_year`` on; ``number`` is empty where it has none."""

    item: str
    title: str
    number: str
    confirmed_by: str
    month: int
    citation: Citation
    first_year: int = 0


@dataclass(frozen=True, slots=True)
class Findings:
    """Where a county's findings are other than met: ``item``, ``school_years``, ``finding`` and ``remark`` of each."""

    county: str
    cases: tuple[Mapping[str, Any], ...]
    citation: Citation


@dataclass(frozen=True, slots=True)
class Project:
    """A project that several counties have; ``finished`` is the month by county, ``UNFINISHED`` where it is not done."""

    name: str
    items: tuple[str, ...]
    department: str
    start: str
    deadline: str
    finished: Mapping[str, str]
    citation: Citation
    investment: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What monitoring reports on a subject: by county, the level and difference rate of each grade of the contract.

    A county that is not named has no report; ``UNREPORTED`` stands where the report leaves a level or rate out.
    """

    subject: str
    school_year: int
    levels: Mapping[str, tuple[str, ...]]
    rates: Mapping[str, tuple[float | str, ...]]
    citation: Citation


@dataclass(frozen=True, slots=True)
class PlantedCase:
    """A change to a table, in the last year unless ``school_year`` says another.

    Cells are set or blanked, rows dropped, or one class is given a ``size``.
    """

    item: str
    county: str
    table: str
    citation: Citation
    where: Mapping[str, str] = field(default_factory=dict)
    set: Mapping[str, Any] = field(default_factory=dict)
    blank: tuple[str, ...] = ()
    drop: bool = False
    size: int = 0
    school_year: int = 0


@dataclass(frozen=True, slots=True)
class EvaluationDesign:
    """Everything :func:`qbresearch.simulation.evaluation_tables.simulate_evaluation` needs."""

    id: str
    simulation: str
    monitoring: str
    producer: str
    licence: str
    licence_en: str
    seed: int
    written: date
    outputs: tuple[Output, ...]
    limits: tuple[Limit, ...]
    counties: tuple[County, ...]
    quantities: tuple[Quantity, ...]
    shares: tuple[Share, ...]
    settings: tuple[Setting, ...]
    lags: tuple[Lag, ...]
    finances: tuple[Finance, ...]
    surveys: tuple[Survey, ...]
    materials: tuple[Material, ...]
    findings: tuple[Findings, ...]
    projects: tuple[Project, ...]
    reports: tuple[Report, ...]
    planted: tuple[PlantedCase, ...]

    def setting(self, name: str) -> float:
        """Value of the setting called ``name``."""
        check_choice(name, [s.name for s in self.settings], name="设定", where=self.id)
        return next(s.value for s in self.settings if s.name == name)

    def limit(self, name: str) -> float:
        """Value of the limit called ``name``."""
        check_choice(name, [x.name for x in self.limits], name="标准", where=self.id)
        return next(x.value for x in self.limits if x.name == name)

    @property
    def years(self) -> tuple[int, ...]:
        """School years, in order."""
        return tuple(y.school_year for y in load_simulation(self.simulation).years)

    def lag(self, county: str, name: str, year: int) -> int:
        """How many schools of a county have not done something by a school year."""
        return next(x for x in self.lags if x.county == county).schools[name][self.years.index(year)]


def list_evaluation_designs() -> tuple[str, ...]:
    """Ids of all simulated evaluations that ship with the package."""
    return tuple(sorted(p.stem for p in FOLDER.glob("*.toml")))


@cache
def load_evaluation_design(design_id: str) -> EvaluationDesign:
    """Load the parameters ``design_id`` that ship with the package.

    Raises
    ------
    InputError
        No such parameters.
    CitationError
        The file breaks the form; the message names file and entry.
    """
    where = "qbresearch/cited/simulations/evaluation"
    check_choice(design_id, list_evaluation_designs(), name="评估模拟参数", where=where)
    return read_evaluation_design(FOLDER / f"{design_id}.toml")


_FACTS = ("id", "simulation", "monitoring", "producer", "licence", "licence_en", "seed", "written")
_FORMS = {
    "output": EntryForm(Output, "outputs", ("id", "table", "title", "title_en", "file"), optional=("producer",), cited=False),
    "limit": EntryForm(Limit, "limits", ("name", "value", "unit"), ("value",)),
    "county": EntryForm(County, "counties", ("county", "recognised", "short"), ("recognised",)),
    "quantity": EntryForm(
        Quantity, "quantities", ("column", "values", "unit", "growth", "multiple"), ("values", "growth", "multiple")
    ),
    "share": EntryForm(Share, "shares", ("column", "of", "values", "step", "part"), ("values", "step"), ("less",)),
    "setting": EntryForm(Setting, "settings", ("name", "value", "unit"), ("value",)),
    "lag": EntryForm(Lag, "lags", ("county", "schools"), ("schools",)),
    "finance": EntryForm(
        Finance, "finances", ("county", "first_year", "spending", "students", "price_index"),
        ("first_year", "spending", "students", "price_index"),
    ),
    "survey": EntryForm(
        Survey, "surveys", ("county", "answers", "satisfied", "visited", "visited_satisfied", "fewer", "step"),
        ("answers", "satisfied", "visited", "visited_satisfied", "fewer", "step"),
    ),
    "material": EntryForm(
        Material, "materials", ("item", "title", "number", "confirmed_by", "month"), ("month", "first_year"), ("first_year",)
    ),
    "finding": EntryForm(Findings, "findings", ("county", "cases")),
    "project": EntryForm(
        Project, "projects", ("name", "items", "department", "start", "deadline", "finished"), ("investment",),
        ("investment",),
    ),
    "report": EntryForm(Report, "reports", ("subject", "school_year", "levels", "rates"), ("school_year", "rates")),
    "planted": EntryForm(
        PlantedCase, "planted", ("item", "county", "table"), ("set", "size", "school_year"),
        ("where", "set", "blank", "drop", "size", "school_year"),
    ),
}


def read_evaluation_design(path: Path) -> EvaluationDesign:
    """Read parameters from a file; see :func:`load_evaluation_design`."""
    design = EvaluationDesign(**read_parameters(path, _FACTS, _FORMS))
    _check_complete(design, path.name)
    return design


def _check_complete(design: EvaluationDesign, where: str) -> None:
    """Refuse parameters in which something is missing, twice there or unknown."""
    check_choice(design.simulation, list_simulations(), name="模拟参数", where=where)
    check_choice(design.monitoring, list_monitorings(), name="监测模拟参数", where=where)
    counties = [c.code for c in load_simulation(design.simulation).counties]
    _check_names([o.table for o in design.outputs], TABLES, "表", f"{where} [[output]]")
    _check_names([x.name for x in design.limits], LIMITS, "标准", f"{where} [[limit]]")
    _check_names([s.name for s in design.settings], SETTINGS, "设定", f"{where} [[setting]]")
    for key, found in (
        ("county", design.counties), ("lag", design.lags), ("finance", design.finances), ("survey", design.surveys),
        ("finding", design.findings),
    ):
        _check_names([entry.county for entry in found], counties, "县代码", f"{where} [[{key}]]")
    for entry in (*design.quantities, *design.shares):
        _check_names(entry.values, counties, "县代码", f"{where} {entry.column}")
    for lag in design.lags:
        _check_names(lag.schools, LAGS, "薄弱之处", f"{where} [[lag]] {lag.county}")
    for survey in design.surveys:
        _check_names(survey.answers, GROUPS, "调查对象", f"{where} [[survey]] {survey.county}")
    items = [m.item for m in design.materials]
    for found in design.findings:
        for case in found.cases:
            check_choice(case["item"], items, name="材料的条目", where=f"{where} [[finding]] {found.county}")
            check_choice(case["finding"], FINDINGS, name="结论", where=f"{where} [[finding]] {found.county}")
    for project in design.projects:
        for county in project.finished:
            check_choice(county, counties, name="县代码", where=f"{where} [[project]] {project.name}")
    for report in design.reports:
        _check_report(report, counties, f"{where} [[report]] {report.subject}")
    for n, case in enumerate(design.planted, 1):
        place = f"{where} 第 {n} 个 [[planted]]"
        check_choice(case.county, counties, name="县代码", where=place)
        check_choice(case.table, TABLES, name="表", where=place)
        columns = [c.name for c in load_table(case.table).columns]
        for name in (*case.where, *case.set, *case.blank):
            check_choice(name, columns, name="列", where=place)


def _check_report(report: Report, counties: list[str], where: str) -> None:
    contract = load_table("county-report")
    check_choice(report.subject, list(contract.choice_labels("subject")), name="学科", where=where)
    grades, levels = len(contract.choice_labels("grade")), [*contract.choice_labels("level"), UNREPORTED]
    for county in sorted({*report.levels, *report.rates}):
        check_choice(county, counties, name="县代码", where=where)
        for key, found in (("levels", report.levels.get(county, ())), ("rates", report.rates.get(county, ()))):
            if len(found) != grades:
                raise CitationError(
                    "监测报告不完整", where=f"{where} {county} {key}", found=f"{len(found)} 个值", expected=f"每个年级一个，共 {grades} 个",
                    fix=f"补齐；报告没有给出的写“{UNREPORTED}”",
                )
        for level in report.levels[county]:
            check_choice(level, levels, name="水平等级", where=f"{where} {county}")
        for rate in (r for r in report.rates[county] if isinstance(r, str)):
            check_choice(rate, [UNREPORTED], name="差异率", where=f"{where} {county}")


def _check_names(found: Iterable[Any], expected: Iterable[Any], name: str, where: str) -> None:
    check_names(found, expected, name, where, "评估模拟参数不完整")
