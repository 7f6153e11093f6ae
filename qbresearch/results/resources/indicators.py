"""Per-student resource indicators per school and stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from qbresearch.language import label_of, say
from qbresearch.results.resources.parts import KEYS, StageParts
from qbresearch.rules.standards import Standard

UNIT = ("county_code", "school_year", "stage")


@dataclass(frozen=True, slots=True)
class IndicatorTable:
    """Indicator values of many schools, one row a stage part, one column an indicator.

    keys : DataFrame, n rows; who the part is (county, year, stage, school, type, location, sponsor).
    students : float array, shape (n,); students of the stage (> 0; NaN where missing).
    numerators : float array, shape (n, k); what is counted, in the indicator's counted unit, after the split.
    values : float array, shape (n, k); ``scale * numerator / students``, in the indicator's unit.
    shares : float array, shape (n,); part of the school's shared assets that fell to the stage.
    standard : the standard whose k indicators these are, in its order.
    """

    keys: pd.DataFrame
    students: np.ndarray
    numerators: np.ndarray
    values: np.ndarray
    shares: np.ndarray
    standard: Standard

    @property
    def codes(self) -> tuple[str, ...]:
        """Indicator codes in column order."""
        return tuple(i.code for i in self.standard.indicators)

    def select(self, rows: np.ndarray) -> IndicatorTable:
        """The same table with only the rows where a boolean array is true."""
        return IndicatorTable(
            self.keys[rows].reset_index(drop=True), self.students[rows], self.numerators[rows], self.values[rows],
            self.shares[rows], self.standard,
        )

    def for_stage(self, stage: str) -> IndicatorTable:
        """Only one stage; refuses a stage the standard does not know."""
        self.standard.stage(stage)
        return self.select(self.keys["stage"].eq(stage).to_numpy())

    def tidy(self) -> pd.DataFrame:
        """One row per school part and indicator: keys, students, indicator, label, unit, numerator, value."""
        k = len(self.codes)
        long = self.keys.loc[self.keys.index.repeat(k)].reset_index(drop=True)
        indicators = self.standard.indicators
        return long.assign(
            students=np.repeat(self.students, k),
            indicator=np.tile(np.array(self.codes, dtype=object), len(self.keys)),
            label=np.tile(np.array([label_of(i) for i in indicators], dtype=object), len(self.keys)),
            short=np.tile(np.array([label_of(i, "short") for i in indicators], dtype=object), len(self.keys)),
            unit=np.tile(np.array([label_of(i, "unit") for i in indicators], dtype=object), len(self.keys)),
            numerator=self.numerators.ravel(),
            value=self.values.ravel(),
        )

    def summary(self) -> str:
        """One sentence on size and missing values."""
        missing = int(np.isnan(self.values).sum())
        return say("{parts} 个学校学段、{k} 项指标，缺失 {n} 个值", parts=len(self.keys), k=len(self.codes), n=missing)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: the tidy table as records."""
        return {"standard": self.standard.id, "rows": self.tidy().to_dict("records")}


def compute_indicators(parts: StageParts, standard: Standard) -> IndicatorTable:
    r"""Indicator values of every school part.

    .. math:: x_i = s \, X_i / P_i, \qquad X_i = h_i \Bigl(\sum_{add} - \sum_{subtract}\Bigr)

    with :math:`s` the indicator's scale (100 for "per 100 students", else 1), :math:`P_i` the students of the stage and
    :math:`h_i` the part's share of the school's assets where the indicator is shared, 1 where it is not.

    Parameters
    ----------
    parts : StageParts
        From :func:`qbresearch.results.resources.parts.stage_parts` with the same standard.
    standard : Standard
        Whose indicators to compute.

    Returns
    -------
    IndicatorTable
        A missing raw value makes the numerator and the value NaN; a zero stays zero. Nothing is rounded.

    Source
    ------
    Numerators: the ``[[indicator]]`` entries of the standard, each with its citation.
    """
    frame = parts.frame
    students = frame["students"].to_numpy(dtype=float)
    numerators = np.full((len(frame), len(standard.indicators)), np.nan)
    for stage in standard.stages:
        rows = frame["stage"].eq(stage.id).to_numpy()
        block = frame[rows]
        for column, indicator in enumerate(standard.indicators):
            if stage.id in indicator.rate:
                rate = _column(block, indicator.rate[stage.id])
                numerators[rows, column] = rate * students[rows] / indicator.scale
                continue
            counted = sum(_column(block, name) for name in indicator.add[stage.id])
            counted = counted - sum(_column(block, name) for name in indicator.subtract.get(stage.id, ()))
            share = block["share"].to_numpy(dtype=float) if indicator.shared else 1.0
            numerators[rows, column] = counted * share
    scale = np.array([i.scale for i in standard.indicators])
    with np.errstate(divide="ignore", invalid="ignore"):
        values = scale * numerators / students[:, None]
    keys = frame[[k for k in (*KEYS[:3], "stage", *KEYS[3:]) if k in frame]].reset_index(drop=True)
    # Categories put the stages in the standard's order (primary before junior) wherever units are sorted.
    keys["stage"] = pd.Categorical(keys["stage"], categories=[s.id for s in standard.stages])
    return IndicatorTable(keys, students, numerators, values, frame["share"].to_numpy(dtype=float), standard)


def _column(block: pd.DataFrame, name: str) -> np.ndarray:
    """A raw column; one that the file did not have (allowed for optional columns) is missing everywhere."""
    return block[name].to_numpy(dtype=float) if name in block else np.full(len(block), np.nan)
