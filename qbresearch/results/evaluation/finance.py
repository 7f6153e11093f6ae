"""两个只增不减: public spending on education and spending per student beside those of the year before."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from qbresearch.errors import InputError
from qbresearch.exhibits.figures.evaluation import plot_increases
from qbresearch.language import clauses, label_of, say
from qbresearch.results.evaluation.ratios import quotient_words
from qbresearch.results.evaluation.tree import (
    UNDECIDED,
    Element,
    Node,
    compare,
    item_node,
    judged,
    place_of,
)
from qbresearch.rules.columns import load_table
from qbresearch.rules.evaluations import Evaluation, Requirement
from qbresearch.statistics.records import plain_records

TABLE = "finance"
SPENDING, STUDENTS, PRICES, YEAR = "public_education_spending_yuan", "students", "price_index", "fiscal_year"
SAME_PRICES = 100.0
"""An index with the year before as 100, as statistics offices print it."""
COLUMNS = [
    "item", "requirement", "label", "unit", "year", "value", "previous", "change", "change_share", "real",
    "real_change_share", "verdict", "reason",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class IncreaseResult:
    """Two yearly series, each year beside the year before.

    table : one row a series and year, first to last year without a gap, columns ``COLUMNS``: ``value`` and ``previous``
        (of the year before) in ``unit``, ``change`` (value minus previous), ``change_share`` (change over previous),
        ``real`` (value in prices of the last year), ``real_change_share`` (change of the real value), ``verdict``
        (empty in the first year) and ``reason``. NaN where unknown. year : the fiscal year that the verdict is about,
        ``None`` where there are no data. absent : whether nobody supplied the table. places : by year, where its row
        stands in the files as received.
    """

    table: pd.DataFrame
    evaluation: Evaluation = field(repr=False)
    year: int | None
    absent: bool
    places: Mapping[int, str] = field(default_factory=dict, repr=False)

    @property
    def verdicts(self) -> dict[str, str]:
        """Verdict of the year by item code."""
        return {node.code: node.verdict for node in self.nodes()}

    def tidy(self) -> pd.DataFrame:
        """A copy of ``table``."""
        return self.table.copy()

    def nodes(self) -> tuple[Node, ...]:
        """One node an item (F1, F2) with its requirement below: the ratio of the year to the year before."""
        items = [item for item in self.evaluation.items if item.kind == "series"]
        return tuple(
            item_node(item, [self._leaf(r) for r in self.evaluation.requirements_of(item.code)], self.evaluation)
            for item in items
        )

    def summary(self) -> str:
        """Both changes of the year, in one sentence."""
        return clauses(say("{label}：{reason}", label=node.label, reason=node.reason) for node in self.nodes())

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Both series over the years, nominal and in prices of the last year."""
        return plot_increases(self.table, ax=ax)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"year": self.year, "verdicts": self.verdicts, "years": plain_records(self.table)}

    def _leaf(self, requirement: Requirement) -> Node:
        rows = self.table[self.table["requirement"].eq(requirement.id) & self.table["year"].eq(self.year)]
        if rows.empty:
            table = label_of(load_table(TABLE))
            gap = say("没有 {year} 年的数据", year=str(self.year)) if self.year else say("没有一年的数据")
            return judged(
                requirement, None, self.evaluation, reason=say("没有“{table}”", table=table) if self.absent else gap
            )
        row = rows.iloc[0]
        unknown = row["verdict"] in ("", UNDECIDED)
        elements = tuple(
            Element(say("{year} 年", year=str(year)), None if math.isnan(value) else float(value), row["unit"],
                    self.places.get(year, ""))
            for year, value in ((self.year, row["value"]), (self.year - 1, row["previous"]))
        )
        return judged(
            requirement, None if unknown or not row["previous"] else row["value"] / row["previous"], self.evaluation,
            verdict=row["verdict"] or UNDECIDED, elements=elements,
            formula=say("本年的{what}÷上年的{what}", what=quotient_words(requirement, load_table(TABLE))),
            reason=row["reason"] or say("没有 {year} 年的数据", year=str(self.year - 1)),
        )  # fmt: skip


def check_increases(finance: pd.DataFrame | None, evaluation: Evaluation, *, year: int | None) -> IncreaseResult:
    r"""Whether public spending on education, in all (F1) and per student (F2), did not fall from one year to the next.

    .. math:: r_t = x_t / x_{t-1} \ge 1, \qquad x_t = S_t \text{ (F1)}, \quad x_t = S_t / n_t \text{ (F2)}

    with nominal spending :math:`S_t` (yuan) and students :math:`n_t`. For information only, in prices of the last year
    :math:`T`: :math:`x_t \prod_{s=t+1}^{T} p_s / 100`, with the consumer price index :math:`p_s` of year s (the year
    before is 100). Equal amounts have not fallen.

    Parameters
    ----------
    finance : DataFrame or None
        One county, one row a fiscal year: ``fiscal_year``, ``public_education_spending_yuan``, ``students`` and, where
        it is known, ``price_index``. ``None`` where nobody supplied the table.
    evaluation : Evaluation
        Requirements ``F1_spending`` and ``F2_per_student`` say by which ratio.
    year : int or None
        Fiscal year that the verdict is about; ``None`` takes the last year of the table.

    Returns
    -------
    IncreaseResult
        Every year from the first to the last stands in its table. A pair is ``undecided`` where spending or students of
        either year are missing, also because the year has no row, and where students are zero (nothing can be divided).
        After a year of zero spending there is no ratio and the amounts are compared. The first year has no verdict of its own; as the
        year judged, it is ``undecided``. Real values are NaN before a year without index; they decide nothing.

    Raises
    ------
    InputError
        Two rows of one year, or rows of two counties.

    Source
    ------
    The comparison and its clauses: the requirements, with their citations.
    """
    requirements = [
        r for item in evaluation.items if item.kind == "series" for r in evaluation.requirements_of(item.code)
    ]
    if finance is None or finance.empty:
        return IncreaseResult(pd.DataFrame(columns=COLUMNS), evaluation, year, finance is None)
    years = _by_year(finance)
    prices = _in_last_prices(years)
    frames = [_series(requirement, years, prices) for requirement in requirements]
    table = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=COLUMNS)
    places = {int(row[YEAR]): place_of(row) for row in finance.to_dict("records")}
    return IncreaseResult(table, evaluation, int(years.index[-1]) if year is None else year, False, places)


def _by_year(finance: pd.DataFrame) -> pd.DataFrame:
    """Numbers by fiscal year, with an empty row for every year between that has none."""
    twice = finance[finance[YEAR].duplicated()]
    counties = finance["county_code"].nunique() if "county_code" in finance else 1
    if len(twice) or counties > 1:
        raise InputError(
            "教育支出表不是一县一年一行",
            where="教育支出表",
            found=f"{counties} 个县" if counties > 1 else "重复的年度：" + "、".join(twice[YEAR].astype(str)),
            expected="一个县，每个年度一行",
            fix="删去重复的行，或先选出一个县",
        )
    columns = finance.reindex(columns=[SPENDING, STUDENTS, PRICES]).astype(float)
    years = columns.set_axis(finance[YEAR].astype(int)).sort_index()
    return years.reindex(range(years.index[0], years.index[-1] + 1))


def _in_last_prices(years: pd.DataFrame) -> np.ndarray:
    """Factor that turns amounts of each year into prices of the last: the product of the indices of the years after."""
    index = years[PRICES].to_numpy() / SAME_PRICES
    return np.append(np.cumprod(index[:0:-1])[::-1], 1.0)


def _series(requirement: Requirement, years: pd.DataFrame, prices: np.ndarray) -> pd.DataFrame:
    """One series with its verdicts, a row a year."""
    spending, students = years[SPENDING].to_numpy(), years[STUDENTS].to_numpy()
    per_student = STUDENTS in requirement.over_add
    value = (
        np.divide(spending, students, out=np.full(len(years), np.nan), where=students > 0) if per_student else spending
    )
    previous = np.append(np.nan, value[:-1])
    ratio = np.divide(value, previous, out=np.full(len(years), np.nan), where=previous > 0)
    real_ratio = ratio / (years[PRICES].to_numpy() / SAME_PRICES)
    verdicts = ["", *(_verdict(requirement, value[at], previous[at]) for at in range(1, len(years)))]
    reasons = ["", *(_reason(years, at, ratio[at], per_student) for at in range(1, len(years)))]
    return pd.DataFrame({
        "item": requirement.item, "requirement": requirement.id, "label": say("生均教育支出") if per_student else say("教育支出"),
        "unit": say("元/人") if per_student else say("元"), "year": years.index.to_numpy(), "value": value,
        "previous": previous, "change": value - previous, "change_share": ratio - 1, "real": value * prices,
        "real_change_share": real_ratio - 1,
        "verdict": verdicts, "reason": reasons,
    })[COLUMNS]  # fmt: skip


def _verdict(requirement: Requirement, value: float, previous: float) -> str:
    """By the ratio of both amounts, by the amounts themselves where that of the year before is zero."""
    if math.isnan(value) or math.isnan(previous):
        return UNDECIDED
    found, limit = (value / previous, requirement.limit) if previous else (value, 0.0)
    return compare(found, requirement.comparison, limit)[0]


def _reason(years: pd.DataFrame, at: int, ratio: float, per_student: bool) -> str:
    """By how much a year stands above or below the year before, or which numbers are missing."""
    year = int(years.index[at])
    if not math.isnan(ratio):
        # Three digits of whatever size, so that a fall by a few yuan does not read as none.
        percent = np.format_float_positional(
            round(100 * (ratio - 1), 9), precision=3, fractional=False, trim="-", sign=True
        )
        return say("{year} 年比上年变动 {change}", year=str(year), change=percent.replace("-", "−") + "%")
    gaps = []
    for row, when in ((at - 1, year - 1), (at, year)):
        spending, students = years[SPENDING].iloc[row], years[STUDENTS].iloc[row]
        if math.isnan(spending):
            gaps.append(say("缺 {year} 年的教育支出", year=str(when)))
        if per_student and math.isnan(students):
            gaps.append(say("缺 {year} 年的在校学生人数", year=str(when)))
        if per_student and students == 0:
            gaps.append(say("{year} 年在校学生人数为 0，不能相除", year=str(when)))
    return clauses(gaps) if gaps else say(
        "{year} 年的教育支出为 0，没有比值，按数额比较", year=str(year - 1)
    )
