"""The simulated tables beside the school table: county facts, schools, classes, rooms, money, survey, evidence, projects, reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from qbresearch.errors import CitationError
from qbresearch.rules.columns import load_table
from qbresearch.simulation.design import STAGES, load_simulation
from qbresearch.simulation.evaluation_design import (
    GROUPS,
    TABLES,
    UNFINISHED,
    UNREPORTED,
    EvaluationDesign,
    PlantedCase,
    Survey,
)
from qbresearch.simulation.evaluation_schools import (
    SPECIAL,
    make_school_tables,
    resize_class,
)
from qbresearch.simulation.generate import simulate

QUESTIONNAIRE, VISIT = "questionnaire", "visit"
SCORE_ABOVE_SHARE = 0.01
SCORE_DECIMALS = 3
YEARS = ("school_year", "fiscal_year")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationData:
    """Simulated evaluation data: ``schools`` as in the school table, ``tables`` by table id in contract columns."""

    design: EvaluationDesign
    seed: int
    schools: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]


def simulate_evaluation(design: EvaluationDesign, *, seed: int) -> EvaluationData:
    """Generate the nine tables for all counties and school years of a simulated prefecture.

    Parameters
    ----------
    design : EvaluationDesign
        From :func:`qbresearch.simulation.evaluation_design.load_evaluation_design`; the schools are those of its
        prefecture with the prefecture's own seed.
    seed : int
        The only source of randomness; every school has streams of its own.

    Raises
    ------
    CitationError
        A planted case changes no row.
    """
    parameters = load_simulation(design.simulation)
    simulation = simulate(parameters, seed=parameters.seed)
    schools = simulation.schools
    rows: dict[str, list[Row]] = {table: [] for table in TABLES}
    for county in parameters.counties:
        for year in design.years:
            complete = simulation.complete  # a number that the school table leaves blank is known to the school itself
            here = complete[(complete["county_code"] == county.code) & (complete["school_year"] == year)]
            sites = [{k: None if pd.isna(v) else v for k, v in r.items()} for r in here.to_dict("records")]
            facts = _county_facts(design, county.code, year, sites)
            rows["county-facts"].append(
                {"county_code": county.code, "county_name": county.name, "school_year": year} | facts
            )
            for table, own in make_school_tables(design, seed, county.code, year, sites, facts).items():
                rows[table] += own
            rows["survey"] += _survey(design, county.code, year)
            rows["evidence"] += _evidence(design, county.code, county.prefix, year)
        rows["finance"] += _finance(design, county.code, county.name)
        rows["project"] += _projects(design, county.code, county.prefix)
        rows["county-report"] += _reports(design, county.code, county.name)
    for case in design.planted:
        rows[case.table] = _planted(design, case, rows[case.table])
    return EvaluationData(design, seed, schools, {table: _frame(table, rows[table]) for table in TABLES})


def _frame(table: str, rows: list[Row]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[c.name for c in load_table(table).columns], dtype=object)


def _county_facts(design: EvaluationDesign, county: str, year: int, sites: list[Row]) -> Row:
    """Facts of a county: what adds up from its schools, then quantities, then shares of both."""
    back = design.years[-1] - year
    special = [s for s in sites if s["school_type"] == SPECIAL]
    facts: Row = {
        "basic_balance_years": max(0, year - next(c.recognised for c in design.counties if c.county == county)),
        "teachers_total": sum(s[f"teachers_{stage}"] or 0 for s in sites for stage in STAGES),
        "special_ed_students": sum(s[f"students_{stage}"] or 0 for s in special for stage in STAGES),
    }
    facts["disabled_children_special"] = facts["special_ed_students"]
    for quantity in design.quantities:
        shrunk = quantity.values[county] / (1 + quantity.growth) ** back
        facts[quantity.column] = round(shrunk / quantity.multiple) * quantity.multiple
    for share in design.shares:
        whole = sum(facts[name] for name in share.of) - sum(facts[name] for name in share.less)
        value = round((share.values[county] - share.step * back) * whole)
        facts[share.column] = min(value, whole) if share.part else value
    return facts


def _survey(design: EvaluationDesign, county: str, year: int) -> Iterator[Row]:
    survey = next(s for s in design.surveys if s.county == county)
    back = design.years[-1] - year
    for mode, answers, content in (
        (QUESTIONNAIRE, survey.answers, survey.satisfied), (VISIT, survey.visited, survey.visited_satisfied),
    ):
        for group in (g for g in GROUPS if g in answers):
            valid, satisfied = _answers(survey, answers[group], content[group], back)
            score = min(1.0, round(satisfied / valid + SCORE_ABOVE_SHARE, SCORE_DECIMALS))
            yield {
                "county_code": county, "school_year": year, "group": group, "mode": mode, "valid": valid,
                "satisfied": satisfied, "mean_score": score if mode == QUESTIONNAIRE else None,
            }


def _answers(survey: Survey, answers: int, content: int, back: int) -> tuple[int, int]:
    """Valid and satisfied answers so many years before the last: as designed in the last, fewer before."""
    valid = round(answers * (1 - survey.fewer * back))
    return valid, round(valid * (content / answers - survey.step * back)) if back else content


def _evidence(design: EvaluationDesign, county: str, prefix: str, year: int) -> Iterator[Row]:
    short = next(c.short for c in design.counties if c.county == county)
    cases = next(f.cases for f in design.findings if f.county == county)
    for material in (m for m in design.materials if m.first_year <= year):
        case = next((c for c in cases if c["item"] == material.item and year in c["school_years"]), None)
        if case and case["finding"] == "absent":
            continue
        yield {
            "county_code": county, "school_year": year, "item": material.item,
            "title": material.title.format(county=prefix, year=year),
            "number": material.number.format(short=short, year=year) or None,
            "date": f"{year}-{material.month:02d}-20", "confirmed_by": material.confirmed_by,
            "finding": case["finding"] if case else "met", "remark": case["remark"] if case else None,
        }


def _finance(design: EvaluationDesign, county: str, name: str) -> Iterator[Row]:
    finance = next(f for f in design.finances if f.county == county)
    for at, spending in enumerate(finance.spending):
        yield {
            "county_code": county, "county_name": name, "fiscal_year": finance.first_year + at,
            "public_education_spending_yuan": spending, "students": finance.students[at],
            "price_index": finance.price_index[at],
        }


def _projects(design: EvaluationDesign, county: str, prefix: str) -> Iterator[Row]:
    for project in design.projects:
        if county in project.finished:
            finished = project.finished[county]
            yield {
                "county_code": county, "project": project.name.format(county=prefix), "item": "、".join(project.items),
                "department": project.department, "start": project.start, "deadline": project.deadline,
                "finished": None if finished == UNFINISHED else finished, "investment_yuan": project.investment,
            }


def _reports(design: EvaluationDesign, county: str, name: str) -> Iterator[Row]:
    """Levels and rates as designed; the year of monitoring is the one in which the school year ends."""
    grades = load_table("county-report").choice_labels("grade")
    for report in (r for r in design.reports if county in r.levels):
        for grade, level, rate in zip(grades, report.levels[county], report.rates[county], strict=True):
            yield {
                "county_code": county, "county_name": name, "school_year": report.school_year,
                "cycle": report.school_year + 1, "grade": grade, "subject": report.subject,
                "level": None if level == UNREPORTED else level, "difference_rate": None if rate == UNREPORTED else rate,
            }


def _planted(design: EvaluationDesign, case: PlantedCase, rows: list[Row]) -> list[Row]:
    """Rows of a table after one planted case: it touches its county in one year only."""
    year = case.school_year or design.years[-1]
    wanted = {"county_code": case.county, **case.where}
    found = [
        row for row in rows
        if all(row.get(k) == v for k, v in wanted.items()) and all(row.get(k, year) == year for k in YEARS)
    ]
    if not found:
        raise CitationError(
            "埋设的情形找不到行", where=f"{design.id} [[planted]] {case.item} {case.county}", found=f"{case.table} {dict(case.where)}",
            expected="where 至少对上一行", fix="改正 where",
        )
    if case.drop:
        return [row for row in rows if row not in found]
    if case.size:
        resize_class(found, case.where["stage"], case.size)
    for row in found:
        row |= {**case.set, **dict.fromkeys(case.blank)}
    return rows
