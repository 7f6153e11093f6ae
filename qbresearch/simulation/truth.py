"""What is true of simulated schools, worked out by hand, school by school, in plain Python.

Nothing here uses the package's own indicator or statistics code: the truth must be able to disagree with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from qbresearch.simulation.design import INDICATORS, PEOPLE, STAGES, Parameters, Planted

PER_100 = ("L1", "L2", "L3", "L7")
HUNDRED = 100
TRUTH_COLUMNS = [
    "county_code", "school_year", "stage", "indicator", "schools", "missing", "mean", "cv", "target_mean", "target_cv",
]
QUALIFICATIONS = {"primary": ("doctor", "master", "bachelor", "associate"), "junior": ("doctor", "master", "bachelor")}
STAGES_TAUGHT = {
    "primary": ("primary",), "teaching_point": ("primary",), "junior": ("junior",), "complete_secondary": ("junior",),
    "nine_year": STAGES, "twelve_year": STAGES, "special_education": STAGES,
}
Record = dict[str, Any]
Pair = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Fact:
    """One planted fact: where it is, what it says in Chinese, and the realised numbers that make it true."""

    id: str
    sentence: str
    county_code: str
    school_year: int
    school_code: str = ""
    stage: str = ""
    indicator: str = ""
    values: Mapping[str, float] = field(default_factory=dict)


def truth_table(parameters: Parameters, schools: pd.DataFrame) -> pd.DataFrame:
    """Realised and designed mean and coefficient of variation of every county, year, stage and indicator.

    Parameters
    ----------
    parameters : Parameters
        Split weights, scope and targets of the design.
    schools : DataFrame
        Schools as written, campuses in rows of their own.

    Returns
    -------
    DataFrame
        Columns ``TRUTH_COLUMNS``. ``mean`` and ``cv`` are missing where an in-scope school's value, or its number of
        students, is missing.
    """
    rows = []
    for county in parameters.counties:
        for year in parameters.years:
            wholes = whole_schools(schools, county.code, year.school_year)
            for stage in STAGES:
                for indicator in INDICATORS:
                    pairs = stage_pairs(parameters, wholes, stage, indicator)
                    missing = sum(None in pair for pair in pairs)
                    target = parameters.target(county, year, stage, indicator)
                    rows.append((county.code, year.school_year, stage, indicator, len(pairs), missing,
                                 *mean_and_cv(pairs), *target))
    return pd.DataFrame(rows, columns=TRUTH_COLUMNS)


def whole_schools(schools: pd.DataFrame, county_code: str, school_year: int) -> list[Record]:
    """Schools of a county and year with their uncounted campuses added in."""
    chosen = schools[(schools["county_code"] == county_code) & (schools["school_year"] == school_year)]
    records = [{k: None if pd.isna(v) else v for k, v in r.items()} for r in chosen.to_dict("records")]
    wholes = {r["school_code"]: r for r in records if r["counted"] == "yes"}
    for campus in records:
        if campus["counted"] == "no":
            whole = wholes[campus["parent_code"]]
            for name, value in campus.items():
                if isinstance(value, (int, float)) and name != "school_year":
                    whole[name] = None if whole[name] is None else whole[name] + value
    return list(wholes.values())


def stage_pairs(
    parameters: Parameters, wholes: list[Record], stage: str, indicator: str, without: Collection[str] = ()
) -> list[Pair]:
    """Students and amount of every in-scope school at a stage, ``None`` where blank; ``without`` lists sponsors to leave out."""
    pairs: list[Pair] = []
    for whole in wholes:
        students = whole[f"students_{stage}"]
        taught = stage in STAGES_TAUGHT[whole["school_type"]] and students != 0
        if taught and in_scope(parameters, whole) and whole["sponsor"] not in without:
            pairs.append((students, _amount(parameters, whole, stage, indicator)))
    return pairs


def in_scope(parameters: Parameters, school: Mapping[str, Any]) -> bool:
    """Whether a school belongs to the evaluation: no special schools, no teaching points below the limit."""
    if school["school_type"] == "special_education":
        return False
    fewest = parameters.setting("teaching_point_min_students")
    return school["school_type"] != "teaching_point" or school["students_primary"] >= fewest


def mean_and_cv(pairs: list[Pair]) -> tuple[float, float]:
    """Student-weighted mean and coefficient of variation; both missing when a number of students or an amount is."""
    known = [(p, amount) for p, amount in pairs if p is not None and amount is not None]
    if not pairs or len(known) < len(pairs):
        return math.nan, math.nan
    students = math.fsum(p for p, _ in known)
    mean = math.fsum(amount for _, amount in known) / students
    variance = math.fsum(p * (amount / p - mean) ** 2 for p, amount in known) / students
    return mean, math.sqrt(variance) / mean if mean else math.nan


def _amount(parameters: Parameters, whole: Record, stage: str, indicator: str) -> float | None:
    """What a school has for a stage, times 100 for the indicators per 100 students."""
    scale = HUNDRED if indicator in PER_100 else 1
    total = _persons(whole, stage, indicator) if indicator in PEOPLE else _asset(whole, indicator)
    weights = {} if indicator in PEOPLE else parameters.weights(whole["school_type"])
    students = {s: whole[f"students_{s}"] for s in weights}
    if total is None or None in students.values():
        return None
    if not weights:
        return scale * total
    weighted = {s: w * students[s] for s, w in weights.items()}
    return scale * total * weighted[stage] / math.fsum(weighted.values())


def _persons(whole: Record, stage: str, indicator: str) -> int | None:
    if indicator == "L1":
        return _sum(*(whole[f"teachers_{stage}_{q}"] for q in QUALIFICATIONS[stage]))
    if indicator == "L2":
        return whole[f"backbone_teachers_{stage}"]
    return _sum(whole[f"pe_teachers_{stage}"], whole[f"arts_teachers_{stage}"])


def _asset(whole: Record, indicator: str) -> float | None:
    if indicator in ("L4", "L5"):
        area, hall = whole["teaching_area_m2" if indicator == "L4" else "sports_ground_area_m2"], whole["indoor_sports_area_m2"]
        if area is None or hall is None:
            return None
        return area - hall if indicator == "L4" else area + hall
    return whole["equipment_value_yuan" if indicator == "L6" else "multimedia_classrooms"]


def _sum(*parts: Any) -> Any:
    """Sum of all parts; ``None`` when one is missing."""
    return None if None in parts else sum(parts)


def planted_facts(parameters: Parameters, schools: pd.DataFrame) -> tuple[Fact, ...]:
    """The planted facts with the numbers that the schools as written give."""
    facts = []
    for planted in parameters.planted:
        wholes = whole_schools(schools, planted.county, planted.school_year)
        sentence, values = _FACTS[planted.id](parameters, planted, wholes)
        facts.append(Fact(planted.id, sentence, planted.county, planted.school_year, planted.school_code,
                          planted.stage, planted.indicator, values))
    return tuple(facts)


def _one(wholes: list[Record], planted: Planted) -> Record:
    return next(w for w in wholes if w["school_code"] == planted.school_code)


def _clean(parameters: Parameters, planted: Planted, wholes: list[Record]) -> tuple[str, dict[str, float]]:
    values = dict(planted.limits)
    for stage in STAGES:
        values[f"largest_cv_{stage}"] = max(
            mean_and_cv(stage_pairs(parameters, wholes, stage, i))[1] for i in INDICATORS
        )
    return "两个学段的七项差异系数都不高于上限，几乎各校达标", values


def _rural(parameters: Parameters, planted: Planted, wholes: list[Record]) -> tuple[str, dict[str, float]]:
    rural = [w for w in wholes if w["location"] == "rural"]
    others = [w for w in wholes if w["location"] != "rural"]
    means = [mean_and_cv(stage_pairs(parameters, g, planted.stage, planted.indicator))[0] for g in (rural, others)]
    cv = mean_and_cv(stage_pairs(parameters, wholes, planted.stage, planted.indicator))[1]
    values = {**planted.limits, "cv": cv, "rural_mean": means[0], "other_mean": means[1]}
    return "乡村小学县级以上骨干教师明显偏少，小学该项差异系数高于上限", values


def _blank(parameters: Parameters, planted: Planted, wholes: list[Record]) -> tuple[str, dict[str, float]]:
    students = _one(wholes, planted)[f"students_{planted.stage}"]
    return "一所计入评估的学校网络多媒体教室数未填，该项结论未定", {"students": students}


def _short(parameters: Parameters, planted: Planted, wholes: list[Record]) -> tuple[str, dict[str, float]]:
    school = _one(wholes, planted)
    students, persons = school[f"students_{planted.stage}"], _persons(school, planted.stage, planted.indicator)
    values = {
        "students": students, "persons": persons, "limit": planted.limits[planted.stage],
        "value": HUNDRED * persons / students, "value_with_one_more": HUNDRED * (persons + 1) / students,
    }
    return "一所学校高于规定学历教师恰好差 1 人；补 1 人后由六项未齐变为达标", values


def _private(parameters: Parameters, planted: Planted, wholes: list[Record]) -> tuple[str, dict[str, float]]:
    values = {"limit": planted.limits[planted.stage]}
    for name, without in (("cv_with_private", ()), ("cv_without_private", ("private",))):
        values[name] = mean_and_cv(stage_pairs(parameters, wholes, planted.stage, planted.indicator, without))[1]
    return "计入民办学校时初中教学仪器设备值的差异系数高于上限，不计入时低于上限", values


def _zero(parameters: Parameters, planted: Planted, wholes: list[Record]) -> tuple[str, dict[str, float]]:
    school = _one(wholes, planted)
    values = {
        "students": school[f"students_{planted.stage}"], "persons": _persons(school, planted.stage, planted.indicator)
    }
    return "一所乡村小规模学校没有体育、艺术专任教师：是零，不是空白", values


_FACTS: dict[str, Callable[[Parameters, Planted, list[Record]], tuple[str, dict[str, float]]]] = {
    "clean_county": _clean,
    "rural_backbone": _rural,
    "blank_cell": _blank,
    "one_teacher_short": _short,
    "private_decides": _private,
    "true_zero": _zero,
}
