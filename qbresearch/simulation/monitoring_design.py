"""The cited parameters of simulated monitoring results: effects, student traits, levels and planted data problems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from qbresearch.errors import check_choice
from qbresearch.rules.citations import CITED, Citation
from qbresearch.simulation.design import LOCATIONS, STAGES, Setting, list_simulations
from qbresearch.simulation.entries import EntryForm, check_names, read_parameters

FOLDER = CITED / "simulations" / "monitoring"
SUBJECTS = ("mathematics", "chinese")
TRAITS = ("female", "migrant", "left_behind", "boarding", "only_child")
LEVELS = ("1", "2", "3", "4")
PROBLEMS = ("no_code", "misspelt", "absent")
# icc is the share of variance between schools of a county; the others are slopes in units of the students' spread.
EFFECTS = (
    "icc", "L1", "L6", "L7", "climate", "support", "ses_within", "ses_between", "moderation_L1", "slope_sd", *TRAITS,
)
SETTINGS = (
    "scale_mean", "scale_sd", "full_mark", "sample_cap", "class_size", "ses_L6", "ses_urban", "ses_town", "ses_rural",
    "ses_school_sd", "ses_within_sd", "questionnaire_mean", "questionnaire_school_sd", "questionnaire_student_sd",
    "questionnaire_correlation", "subject_residual", "subject_ability", "score_reliability", "prior_reliability",
    "prior_within_sd", "prior_ses_within", "prior_ses_between", "prior_school_sd", "prior_residual",
    "prior_correlation", "ses_missing", "ses_missing_prior", "prior_missing", "absent", "report_noise", "report_floor",
    "tolerance_icc", "tolerance_correlation",
)


@dataclass(frozen=True, slots=True)
class Output:
    """A folder of raw data that the program writes; ``file`` names its files, with ``{place}`` for county or city."""

    id: str
    table: str
    title: str
    title_en: str
    file: str


@dataclass(frozen=True, slots=True)
class Grade:
    """The grade of a stage that takes part; ``grades`` is how many grades the stage has."""

    stage: str
    grade: str
    grades: int
    citation: Citation


@dataclass(frozen=True, slots=True)
class Effects:
    """Everything that makes the scores of one stage and subject: ``values`` has the names in ``EFFECTS``."""

    stage: str
    subject: str
    values: Mapping[str, float]
    citation: Citation


@dataclass(frozen=True, slots=True)
class Intake:
    """How the mean SES of a county's schools differs, and a factor for the spread of its school residuals."""

    county: str
    ses: float
    spread: float
    citation: Citation


@dataclass(frozen=True, slots=True)
class Trait:
    """A yes-or-no trait of students: its share by stage and location, and how its log odds change with SES."""

    name: str
    shares: Mapping[str, tuple[float, ...]]
    ses_odds: float
    citation: Citation


@dataclass(frozen=True, slots=True)
class Level:
    """A level and the score from which a student, or a county's mean, has it."""

    level: str
    student_from: float
    county_from: float
    citation: Citation


@dataclass(frozen=True, slots=True)
class Problem:
    """A data problem put in on purpose: which school, and the name it is written with."""

    id: str
    school_code: str
    citation: Citation
    written_name: str = ""


@dataclass(frozen=True, slots=True)
class Monitoring:
    """Everything :func:`qbresearch.simulation.achievement.simulate_achievement` needs besides a seed."""

    id: str
    simulation: str
    producer: str
    licence: str
    licence_en: str
    seed: int
    written: date
    school_year: int
    cycle: int
    outputs: tuple[Output, ...]
    grades: tuple[Grade, ...]
    effects: tuple[Effects, ...]
    intakes: tuple[Intake, ...]
    traits: tuple[Trait, ...]
    levels: tuple[Level, ...]
    settings: tuple[Setting, ...]
    problems: tuple[Problem, ...]

    def setting(self, name: str) -> float:
        """Value of the setting called ``name``."""
        check_choice(name, [s.name for s in self.settings], name="设定", where=self.id)
        return next(s.value for s in self.settings if s.name == name)

    def grade(self, stage: str) -> Grade:
        """The grade of a stage."""
        return next(g for g in self.grades if g.stage == stage)

    def effect(self, stage: str, subject: str, name: str) -> float:
        """Designed value of one effect."""
        found = next(e.values for e in self.effects if (e.stage, e.subject) == (stage, subject))
        check_choice(name, tuple(found), name="效应", where=self.id)
        return found[name]

    def intake(self, county_code: str) -> Intake:
        """Intake of a county."""
        return next(i for i in self.intakes if i.county == county_code)

    def problem_schools(self, problem_id: str) -> tuple[str, ...]:
        """Codes of the schools that have a planted problem."""
        return tuple(p.school_code for p in self.problems if p.id == problem_id)


def list_monitorings() -> tuple[str, ...]:
    """Ids of all simulated monitorings that ship with the package."""
    return tuple(sorted(p.stem for p in FOLDER.glob("*.toml")))


@cache
def load_monitoring(monitoring_id: str) -> Monitoring:
    """Load the parameters ``monitoring_id`` that ship with the package.

    Raises
    ------
    InputError
        No such parameters.
    CitationError
        The file breaks the form; the message names file and entry.
    """
    check_choice(monitoring_id, list_monitorings(), name="监测模拟参数", where="qbresearch/cited/simulations/monitoring")
    return read_monitoring(FOLDER / f"{monitoring_id}.toml")


_FACTS = ("id", "simulation", "producer", "licence", "licence_en", "seed", "written", "school_year", "cycle")
_FORMS = {
    "output": EntryForm(Output, "outputs", ("id", "table", "title", "title_en", "file"), cited=False),
    "grade": EntryForm(Grade, "grades", ("stage", "grade", "grades"), ("grades",)),
    "effects": EntryForm(Effects, "effects", ("stage", "subject", "values"), ("values",)),
    "intake": EntryForm(Intake, "intakes", ("county", "ses", "spread"), ("ses", "spread")),
    "trait": EntryForm(Trait, "traits", ("name", "shares", "ses_odds"), ("shares", "ses_odds")),
    "level": EntryForm(Level, "levels", ("level", "student_from", "county_from"), ("student_from", "county_from")),
    "setting": EntryForm(Setting, "settings", ("name", "value", "unit"), ("value",)),
    "planted": EntryForm(Problem, "problems", ("id", "school_code"), optional=("written_name",)),
}


def read_monitoring(path: Path) -> Monitoring:
    """Read parameters from a file; see :func:`load_monitoring`."""
    monitoring = Monitoring(**read_parameters(path, _FACTS, _FORMS))
    _check_complete(monitoring, path.name)
    return monitoring


def _check_complete(monitoring: Monitoring, where: str) -> None:
    """Refuse parameters in which something is missing, twice there or unknown."""
    check_choice(monitoring.simulation, list_simulations(), name="模拟参数", where=where)
    pairs = [(s, m) for s in STAGES for m in SUBJECTS]
    _check_names([g.stage for g in monitoring.grades], STAGES, "学段", f"{where} [[grade]]")
    _check_names([(e.stage, e.subject) for e in monitoring.effects], pairs, "学段与学科", f"{where} [[effects]]")
    for effects in monitoring.effects:
        _check_names(list(effects.values), EFFECTS, "效应", f"{where} [[effects]] {effects.stage} {effects.subject}")
    _check_names([t.name for t in monitoring.traits], TRAITS, "学生特征", f"{where} [[trait]]")
    for trait in monitoring.traits:
        _check_names(list(trait.shares), STAGES, "学段", f"{where} [[trait]] {trait.name}")
        for stage, shares in trait.shares.items():
            _check_names(range(len(shares)), range(len(LOCATIONS)), "城乡比例", f"{where} [[trait]] {trait.name} {stage}")
    _check_names([level.level for level in monitoring.levels], LEVELS, "水平等级", f"{where} [[level]]")
    _check_names([s.name for s in monitoring.settings], SETTINGS, "设定", f"{where} [[setting]]")
    for problem in monitoring.problems:
        check_choice(problem.id, PROBLEMS, name="埋设的数据问题", where=where)


def _check_names(found: Iterable[Any], expected: Iterable[Any], name: str, where: str) -> None:
    check_names(found, expected, name, where, "监测模拟参数不完整")
