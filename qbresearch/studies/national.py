"""Verdicts on every county of a source, a province and school year at a time, for data larger than memory."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from qbresearch.errors import InputError
from qbresearch.language import say
from qbresearch.processed.store import load_parts
from qbresearch.project import Project
from qbresearch.results.resources.attainment import assess
from qbresearch.results.resources.indicators import compute_indicators
from qbresearch.results.resources.parts import stage_parts
from qbresearch.rules.standards import load_standard, school_year_start


@dataclass(frozen=True, slots=True)
class SourceAssessment:
    """Verdicts on all counties, school years and stages of a source.

    counties : as ``AttainmentResult.county_table``. dispersion : as ``AttainmentResult.dispersion_table``. Both sorted by
    county, school year and stage. schools : number of school parts judged.
    """

    source_id: str
    standard_id: str
    schools: int
    counties: pd.DataFrame = field(repr=False)
    dispersion: pd.DataFrame = field(repr=False)

    def tidy(self) -> pd.DataFrame:
        """A copy of ``counties``."""
        return self.counties.copy()

    def summary(self) -> str:
        """How many of the counties' stages are met, in one sentence."""
        reached = int(self.counties["verdict"].eq("met").sum())
        return say("{n} 个县域学段中 {met} 个达标", n=len(self.counties), met=reached)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "source": self.source_id, "standard": self.standard_id, "schools": self.schools,
            "counties": self.counties.to_dict("records"), "dispersion": self.dispersion.to_dict("records"),
        }


def assess_source(
    project: Project, source_id: str, standard_id: str, *, years: Collection[int] | None = None
) -> SourceAssessment:
    """Indicators, coefficients of variation and verdicts of every county of a source.

    The same numbers as :func:`qbresearch.results.resources.attainment.assess` gives for all rows at once, since a verdict
    is on one county in one school year; memory is that of the largest province in one year.

    Parameters
    ----------
    project : Project
    source_id, standard_id : str
        A built source of schools, and the standard that judges each school year as in force at its start.
    years : collection of int, optional
        School years; by default all that the source has.

    Raises
    ------
    InputError
        Unknown source or standard, data that must be built again, or no row of these school years.
    """
    schools, counties, dispersion = 0, [], []
    for part in load_parts(project, source_id, years=years):
        year = int(part.frame["school_year"].iloc[0])
        standard = load_standard(standard_id, on=school_year_start(year))
        result = assess(compute_indicators(stage_parts(part.frame, standard, part.contract), standard))
        schools += len(result.table.students)
        counties.append(result.county_table())
        dispersion.append(result.dispersion_table())
    if not counties:
        raise InputError(
            "没有可评估的学年", where=f"数据 {source_id}", found="、".join(map(str, years or ())) or "没有一行数据",
            expected="数据中有的学年", fix="核对学年，或先把数据放进 data/raw 再运行 qbresearch build",
        )
    return SourceAssessment(source_id, standard_id, schools, _sorted(counties), _sorted(dispersion))


def _sorted(tables: list[pd.DataFrame]) -> pd.DataFrame:
    together = pd.concat(tables, ignore_index=True)
    return together.sort_values(["county_code", "school_year", "stage"], kind="stable").reset_index(drop=True)
