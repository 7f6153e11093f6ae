"""What a plan in one county and a plan in a prefecture have in common: stages, lists, the date that counts, places."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from qbresearch.language import CHINESE, current_language, say
from qbresearch.results.evaluation.tree import Node
from qbresearch.results.plans.lists import ThreeLists, three_lists
from qbresearch.results.plans.problems import ProblemList
from qbresearch.results.plans.stages import (
    StageResult,
    judge_stages,
    judge_starting_grades,
    place_stages,
)
from qbresearch.rules.plans import Month
from qbresearch.studies.evaluation import LAST_MONTH, EvaluationStudy


def judged_stages(evaluation: EvaluationStudy, trees: Mapping[str, Node]) -> StageResult:
    """Conditions of the plan's stages, judged for counties by their trees (by code, under what the plan asks for)."""
    inputs = {code: evaluation.inputs(code) for code in trees}
    records = [rows for one in inputs.values() if (rows := one.table("evidence")) is not None]
    starting = {code: judge_starting_grades(one.table("class"), evaluation.evaluation) for code, one in inputs.items()}
    calendar = place_stages(evaluation.plan, as_of=evaluation.study.school_year, names=evaluation.study.county_names)
    return judge_stages(calendar, trees, pd.concat(records) if records else None, starting_grades=starting)


def cutoff_words(school_year: int) -> str:
    """The date as of which everything is due or not: the end of the calendar year in which the school year begins."""
    return say("期限和状态一律以 {year} 年 12 月底为界（{year} 学年统计时点之后，至 {year}-12）。", year=school_year)


def quantity(value: str, unit: str) -> str:
    """A value of a plan with its unit; in English one of a kind is no plural."""
    if current_language() != CHINESE and value == "1":
        first, _, rest = unit.partition(" ")
        unit = " ".join(filter(None, (first.removesuffix("s"), rest)))
    return " ".join(filter(None, (value, unit)))


def county_lists(evaluation: EvaluationStudy, code: str, problems: ProblemList) -> ThreeLists:
    """Tasks, projects and deadlines of one county at the end of the study's year."""
    return three_lists(
        evaluation.plan, problems, evaluation.inputs(code).table("project"),
        as_of=Month(evaluation.study.school_year, LAST_MONTH), county_code=code,
        county=evaluation.study.county_names[code],
    )


def month_text(month: Month | None) -> str:
    """``YYYY-MM``, or ``YYYY`` where only the year is known; empty for nothing."""
    if month is None:
        return ""
    return f"{month.year}-{month.month:02d}" if month.month else str(month.year)
