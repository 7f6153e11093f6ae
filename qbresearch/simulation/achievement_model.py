"""Scores of simulated students: from schools and their resources to what every sampled student answers and scores.

The equation stands at the head of ``cited/simulations/monitoring/demo-monitoring.toml``. School residuals are made
orthogonal to the whole school-level design and are scaled, so that the schools at hand have the designed variance
shares and coefficients themselves and not only on average over many draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qbresearch.errors import InputError
from qbresearch.rules.columns import load_table
from qbresearch.simulation.design import INDICATORS, LOCATIONS, STAGES, Parameters
from qbresearch.simulation.monitoring_design import SUBJECTS, TRAITS, Monitoring
from qbresearch.simulation.truth import in_scope, stage_pairs, whole_schools

SCHOOL_DRAWS = ("ses", "climate", "questionnaire", "prior", "residual", *(f"residual_{m}" for m in SUBJECTS), "slope")
STUDENT_DRAWS = (
    "ses", "climate", "support", "ability",
    *(f"{kind}_{m}" for kind in ("ability", "score", "prior") for m in SUBJECTS),
)
CHANCES = (*TRAITS, "no_ses", "no_prior", *(f"absent_{m}" for m in SUBJECTS))
IDENTITY = ("county_code", "county_name", "school_code", "school_name", "location")
TWO_DECIMALS, ONE_DECIMAL = 2, 1


@dataclass(frozen=True, slots=True, eq=False)
class StageData:
    """One stage as generated.

    schools : one row a school that takes part: who it is, ``students`` of the stage, ``enrolled`` in the grade,
        ``sampled``, ``linked`` (judged by the standard, with results, and found in the register), the values and
        standardised values (``z_``) of the seven indicators, ``ses``, ``z_climate``, ``z_support``.
    students : one row a student, ``school`` is the row of its school; traits, answers and chances of a blank.
    scores, priors : subject to one score a student, as reported, before blanks.
    means : subject to one value a school: what its sampled students would score on average without their residuals,
        in units of the students' spread.
    """

    stage: str
    schools: pd.DataFrame
    students: pd.DataFrame
    scores: Mapping[str, np.ndarray]
    priors: Mapping[str, np.ndarray]
    means: Mapping[str, np.ndarray]


def make_stage(
    monitoring: Monitoring, parameters: Parameters, schools: pd.DataFrame, stage: str, seed: int
) -> StageData:
    """Generate the students of one stage and their scores.

    Parameters
    ----------
    monitoring, parameters : Monitoring, Parameters
        Design of the results and of the prefecture.
    schools : DataFrame
        Schools of the simulated prefecture, all years.
    stage : str
        ``primary`` or ``junior``.
    seed : int
        The only source of randomness; each school has its own stream.

    Raises
    ------
    InputError
        The designed effects alone exceed the designed variance between or within schools.
    """
    register = _register(monitoring, parameters, schools, stage)
    drawn = [_draw(seed, code, stage, n) for code, n in zip(register["school_code"], register["sampled"], strict=True)]
    school = pd.DataFrame([d[0] for d in drawn], columns=SCHOOL_DRAWS)
    student = pd.DataFrame(np.vstack([d[1] for d in drawn]), columns=STUDENT_DRAWS)
    chance = pd.DataFrame(np.vstack([d[2] for d in drawn]), columns=CHANCES)
    at = np.repeat(np.arange(len(register)), register["sampled"])
    linked = register["linked"].to_numpy()

    students = _backgrounds(monitoring, register, stage, at, school, student, chance)
    register = register.assign(
        ses=_means(students["ses"], at),
        z_climate=standardised(_means(students["school_climate"], at), linked),
        z_support=standardised(_means(students["teacher_support"], at), linked),
    )
    return _scored(monitoring, stage, register, students, school, student)


def _register(monitoring: Monitoring, parameters: Parameters, schools: pd.DataFrame, stage: str) -> pd.DataFrame:
    """Schools of a stage that take part, with their indicators; schools outside the evaluation have none."""
    absent, misspelt = monitoring.problem_schools("absent"), monitoring.problem_schools("misspelt")
    rows = []
    for county in parameters.counties:
        for whole in whole_schools(schools, county.code, monitoring.school_year):
            students = whole[f"students_{stage}"]
            if not students or whole["school_code"] in absent:
                continue
            enrolled = max(1, round(students / monitoring.grade(stage).grades))
            row = {name: whole[name] for name in IDENTITY} | {"students": students, "enrolled": enrolled}
            row["sampled"] = min(enrolled, round(monitoring.setting("sample_cap")))
            row["linked"] = in_scope(parameters, whole) and whole["school_code"] not in misspelt
            for indicator in INDICATORS:
                amounts = [a for _, a in stage_pairs(parameters, [whole], stage, indicator) if a is not None]
                row[indicator] = amounts[0] / students if amounts else np.nan
            rows.append(row)
    frame = pd.DataFrame(rows)
    linked = frame["linked"].to_numpy()
    return frame.assign(**{f"z_{i}": standardised(frame[i].to_numpy(), linked) for i in INDICATORS})


def standardised(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Distance from the mean in population standard deviations of the known values in ``among``; unknown ones are 0."""
    known = values[among & ~np.isnan(values)]
    return np.nan_to_num((values - known.mean()) / known.std())


def _draw(seed: int, code: str, stage: str, sampled: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Everything random about a school: of itself, of its students, and their chances."""
    generator = np.random.Generator(np.random.PCG64([seed, int(code), STAGES.index(stage)]))
    return (
        generator.standard_normal(len(SCHOOL_DRAWS)), generator.standard_normal((sampled, len(STUDENT_DRAWS))),
        generator.random((sampled, len(CHANCES))),
    )


def _means(values: pd.Series | np.ndarray, at: np.ndarray) -> np.ndarray:
    """Mean over the students of each school."""
    return np.bincount(at, weights=values) / np.bincount(at)


def deviations(values: pd.Series | np.ndarray, at: np.ndarray) -> np.ndarray:
    """Each student's distance from the mean of the school."""
    return np.asarray(values) - _means(values, at)[at]


def _backgrounds(
    monitoring: Monitoring, register: pd.DataFrame, stage: str, at: np.ndarray, school: pd.DataFrame,
    student: pd.DataFrame, chance: pd.DataFrame,
) -> pd.DataFrame:
    """What is known of every student besides scores, as reported."""
    spread = monitoring.setting("ses_within_sd") * deviations(student["ses"], at)
    odds = {trait.name: trait for trait in monitoring.traits}
    place = register["location"].map(LOCATIONS.index).to_numpy()
    traits = {}
    for name, trait in odds.items():
        share = np.array(trait.shares[stage])[place][at]
        # Log odds shift with SES; a share of zero stays zero.
        tilted = share * np.exp(trait.ses_odds * spread)
        traits[name] = chance[name].to_numpy() < tilted / (1 - share + tilted)
    traits["left_behind"] &= ~traits["migrant"]
    correlation, resources = monitoring.setting("questionnaire_correlation"), _resources(register)
    climate, other = (
        _orthogonal(school[name].to_numpy(), resources, register["linked"]) for name in ("climate", "questionnaire")
    )
    support = correlation * climate + np.sqrt(1 - correlation**2) * other
    return pd.DataFrame({
        "school": at,
        "ses": np.round(_school_ses(monitoring, register, school["ses"].to_numpy())[at] + spread, TWO_DECIMALS),
        **traits,
        "teacher_support": _answers(monitoring, "teacher_support", support[at], student["support"]),
        "school_climate": _answers(monitoring, "school_climate", climate[at], student["climate"]),
        **{name: chance[name] for name in CHANCES if name not in TRAITS},
    })


def _school_ses(monitoring: Monitoring, register: pd.DataFrame, noise: np.ndarray) -> np.ndarray:
    """Mean SES of every school: rises with L6, differs by location and county, has no other link with resources."""
    rest = (
        register["location"].map(lambda location: monitoring.setting(f"ses_{location}"))
        + register["county_code"].map(lambda code: monitoring.intake(code).ses)
        + monitoring.setting("ses_school_sd") * noise
    ).to_numpy()
    rest = _orthogonal(rest - rest[register["linked"]].mean(), _resources(register), register["linked"])
    return monitoring.setting("ses_L6") * register["z_L6"].to_numpy() + rest


def _resources(register: pd.DataFrame) -> np.ndarray:
    """The seven indicators with a constant."""
    return np.column_stack([np.ones(len(register)), register[[f"z_{i}" for i in INDICATORS]]])


def _answers(monitoring: Monitoring, column: str, school: np.ndarray, student: pd.Series) -> np.ndarray:
    """Scale scores of a questionnaire within the limits its contract states."""
    limits = load_table("student").column(column)
    raw = (
        monitoring.setting("questionnaire_mean") + monitoring.setting("questionnaire_school_sd") * school
        + monitoring.setting("questionnaire_student_sd") * student.to_numpy()
    )
    return np.round(np.clip(raw, limits.min, limits.max), TWO_DECIMALS)


def _orthogonal(values: np.ndarray, design: np.ndarray, linked: pd.Series | np.ndarray) -> np.ndarray:
    """Values of the linked schools without what the design explains; the values of the others as they are."""
    rows = np.asarray(linked)
    free = values.copy()
    free[rows] -= design[rows] @ np.linalg.lstsq(design[rows], values[rows], rcond=None)[0]
    return free


def _design(register: pd.DataFrame) -> np.ndarray:
    """Everything at school level that a model of these data may hold: residuals are orthogonal to all of it."""
    kinds = pd.get_dummies(register[["county_code", "location"]], drop_first=True, dtype=float)
    size = np.log(register["students"].to_numpy(dtype=float))
    return np.column_stack([_resources(register), register[["ses", "z_climate", "z_support"]], kinds, size])


def _scored(
    monitoring: Monitoring, stage: str, register: pd.DataFrame, students: pd.DataFrame, school: pd.DataFrame,
    student: pd.DataFrame,
) -> StageData:
    at, linked = students["school"].to_numpy(), register["linked"].to_numpy()
    design = _design(register)
    prior = standardised(_orthogonal(school["prior"].to_numpy(), design, linked), linked)
    slope = standardised(_orthogonal(school["slope"].to_numpy(), design, linked), linked)
    spread = register["county_code"].map(lambda code: monitoring.intake(code).spread).to_numpy()
    scores, priors, means = {}, {}, {}
    for subject in SUBJECTS:
        residual = _orthogonal(spread * _residual(monitoring, school, subject), design, linked)
        score_noise, prior_noise = _noises(monitoring, student, subject)
        y, means[subject] = _score(monitoring, stage, subject, register, students, slope, residual, score_noise)
        ses = register["ses"].to_numpy()[at]
        before = (
            monitoring.setting("prior_ses_within") * (students["ses"].to_numpy() - ses)
            + monitoring.setting("prior_ses_between") * ses + monitoring.setting("prior_school_sd") * prior[at]
            + monitoring.setting("prior_within_sd") * prior_noise
        )
        scores[subject], priors[subject] = _reported(monitoring, y), _reported(monitoring, before)
    return StageData(stage, register, students, scores, priors, means)


def _residual(monitoring: Monitoring, school: pd.DataFrame, subject: str) -> np.ndarray:
    """School residual of a subject, correlated with that of the prior score and of the other subject."""
    with_prior, with_subject = monitoring.setting("prior_residual"), monitoring.setting("subject_residual")
    common = (with_subject - with_prior**2) / (1 - with_prior**2)
    rest = np.sqrt(common) * school["residual"] + np.sqrt(1 - common) * school[f"residual_{subject}"]
    return (with_prior * school["prior"] + np.sqrt(1 - with_prior**2) * rest).to_numpy()


def _noises(monitoring: Monitoring, student: pd.DataFrame, subject: str) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of score and prior score: one ability behind both, and behind both subjects in part."""
    common = monitoring.setting("subject_ability")
    ability = np.sqrt(common) * student["ability"] + np.sqrt(1 - common) * student[f"ability_{subject}"]
    noises = []
    for kind in ("score", "prior"):
        share = monitoring.setting(f"{kind}_reliability")
        noises.append((np.sqrt(share) * ability + np.sqrt(1 - share) * student[f"{kind}_{subject}"]).to_numpy())
    return noises[0], noises[1]


def _score(
    monitoring: Monitoring, stage: str, subject: str, register: pd.DataFrame, students: pd.DataFrame,
    slope: np.ndarray, residual: np.ndarray, noise: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Scores in units of the students' spread, and the expected mean of every school."""
    def effect(name: str) -> float:
        return monitoring.effect(stage, subject, name)

    at, linked = students["school"].to_numpy(), register["linked"].to_numpy()
    slopes = effect("ses_within") + effect("moderation_L1") * register["z_L1"].to_numpy() + effect("slope_sd") * slope
    own = slopes[at] * (students["ses"].to_numpy() - register["ses"].to_numpy()[at])
    own = own + sum(effect(name) * students[name].to_numpy() for name in TRAITS)
    means = effect("ses_between") * register["ses"].to_numpy() + _means(own, at)
    for name in ("L1", "L6", "L7", "climate", "support"):
        means = means + effect(name) * register[f"z_{name}"].to_numpy()

    where = f"{monitoring.id} {stage} {subject}"
    county = register.loc[linked, "county_code"].factorize()[0]
    between = [deviations(part[linked], county) for part in (means, residual)]
    factor = _factor(*between, linked.sum() - (county.max() + 1), effect("icc"), f"{where} 校际方差")
    means = means + factor * residual
    here = linked[at]
    within = [deviations(part[here], pd.factorize(at[here])[0]) for part in (own, noise)]
    factor = _factor(*within, here.sum() - linked.sum(), 1 - effect("icc"), f"{where} 校内方差")
    means = means - means[linked].mean()
    return means[at] + deviations(own, at) + factor * noise, means


def _factor(fixed: np.ndarray, noise: np.ndarray, freedom: int, target: float, where: str) -> float:
    """What to multiply the noise by so that both together have the target variance."""
    a, b, c = fixed @ fixed - target * freedom, fixed @ noise, noise @ noise
    if a >= 0:
        raise InputError(
            "设计的效应之和超过了设计的方差", where=where, found=f"效应的方差 {fixed @ fixed / freedom:.3f}",
            expected=f"小于 {target:g}，余下的是残差", fix="减小效应，或加大（校内方差则减小）icc",
        )
    return float((-b + np.sqrt(b**2 - a * c)) / c)


def _reported(monitoring: Monitoring, values: np.ndarray) -> np.ndarray:
    return np.round(monitoring.setting("scale_mean") + monitoring.setting("scale_sd") * values, ONE_DECIMAL)
