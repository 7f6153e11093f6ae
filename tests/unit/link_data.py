"""Link data of the simulated prefecture, made in memory once a process: tests must not need built tables."""

from __future__ import annotations

from functools import cache

import pandas as pd

from qbresearch.results.link.match import LinkData, match_results
from qbresearch.results.resources.indicators import IndicatorTable, compute_indicators
from qbresearch.results.resources.parts import stage_parts
from qbresearch.rules.columns import load_table
from qbresearch.rules.designs import load_design
from qbresearch.rules.standards import load_standard, school_year_start
from qbresearch.simulation.achievement import (
    AchievementTruth,
    load_monitoring,
    simulate_achievement,
)
from qbresearch.simulation.design import load_simulation
from qbresearch.simulation.generate import simulate

YEAR = 2024


@cache
def prefecture() -> tuple[pd.DataFrame, pd.DataFrame, AchievementTruth]:
    """Register, students and truth of the simulated prefecture."""
    parameters, monitoring = load_simulation("demo-prefecture"), load_monitoring("demo-monitoring")
    schools = simulate(parameters, seed=parameters.seed).schools
    found = simulate_achievement(monitoring, seed=monitoring.seed)
    return schools[schools["school_year"] == YEAR].reset_index(drop=True), found.students, found.truth


@cache
def indicators(stage: str, county: str = "") -> IndicatorTable:
    """Indicators of one stage; all counties or one."""
    schools = prefecture()[0]
    schools = schools[schools["county_code"].eq(county)] if county else schools
    standard = load_standard("national-2017", on=school_year_start(YEAR))
    return compute_indicators(stage_parts(schools, standard, load_table("school")), standard).for_stage(stage)


@cache
def link_data(stage: str = "primary", subject: str = "mathematics", county: str = "") -> LinkData:
    """Matched results and resources."""
    schools, students, _ = prefecture()
    if county:
        schools, students = (rows[rows["county_code"].eq(county)] for rows in (schools, students))
    design = load_design("demo-monitoring")
    return match_results(indicators(stage, county), schools, design, subject=subject, students=students)
