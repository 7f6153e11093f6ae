"""The link between counties: how uneven resources and results go together where only aggregates are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from qbresearch.errors import InputError
from qbresearch.exhibits.figures import plot_correlations
from qbresearch.language import joined, label_of, say
from qbresearch.results.link.describe import school_rows
from qbresearch.results.link.match import TANGIBLE, LinkData
from qbresearch.results.reasons import refusal, said
from qbresearch.results.resources.dispersion import measure_dispersion
from qbresearch.results.resources.indicators import IndicatorTable
from qbresearch.rules.settings import setting
from qbresearch.statistics.correlation import correlate
from qbresearch.statistics.estimates import ESTIMATE_COLUMNS
from qbresearch.statistics.panel import mundlak

FEWEST_COUNTIES = 5
"""Below this number a rank correlation says nothing: with four counties the smallest two-sided p is above 0.08."""
FEWEST_FOR_INTERVALS = 10
ECOLOGICAL_WARNING = (
    "以县为观测单位的相关只说明县与县之间的共变，不能推出学校或学生层面的关系（生态谬误）；县的数目很少时，一个县就能改变结果。"
)


def ecological_warning() -> str:
    """``ECOLOGICAL_WARNING`` in the report's language."""
    return said(ECOLOGICAL_WARNING)


@dataclass(frozen=True, slots=True)
class CountyLink:
    """Counties as observations.

    table : one row a county: ``county_code, county_name, schools, observations, outcome`` (mean), ``difference_rate``
        and, for every indicator, ``mean_<code>`` (student-weighted) and ``cv_<code>``.
    correlations : Spearman's rank correlation of ``outcome`` and of ``difference_rate`` with the indicators' CVs and
        means: ``result, measure`` (``cv``, ``mean``), ``indicator, label, n, r, low, high, p, p_adjusted``.
    remarks : what could not be computed.
    """

    table: pd.DataFrame
    correlations: pd.DataFrame
    remarks: tuple[str, ...]

    def tidy(self) -> pd.DataFrame:
        """A copy of ``table``."""
        return self.table.copy()

    def summary(self) -> str:
        """Number of counties and the warning."""
        counties = len(self.table)
        if self.correlations.empty:
            reason = self.remarks[0] if self.remarks else say("不作县级相关")
            return say("{counties} 个县，{reason}", counties=counties, reason=reason)
        differ = int((self.correlations["p_adjusted"] < setting("significance")).sum())
        found = say(
            "{counties} 个县，{n} 个等级相关中校正后有别于 0 的 {differ} 个。", counties=counties, n=len(self.correlations), differ=differ
        )
        return joined([found, ecological_warning()])

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Rank correlations, indicators by results and measures."""
        words = {"cv": say("差异系数"), "mean": say("均值")}
        results = {"outcome": say("平均成绩"), "difference_rate": say("校际差异率")}
        cells = self.correlations.assign(
            row=self.correlations["label"], value=self.correlations["r"], significant=self.correlations["p_adjusted"] < setting("significance"),
            column=[f"{results[r]}～{words[m]}" for r, m in zip(self.correlations["result"], self.correlations["measure"], strict=True)],
        )  # fmt: skip
        return plot_correlations(cells[["row", "column", "value", "significant"]], ax=ax)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"table": self.table.to_dict("records"), "correlations": self.correlations.to_dict("records"),
                "remarks": list(self.remarks)}


def compare_counties(indicators: IndicatorTable, results: pd.DataFrame) -> CountyLink:
    """Set the unevenness and the level of resources of counties beside their results.

    Parameters
    ----------
    indicators : IndicatorTable
        One year and stage, several counties.
    results : DataFrame
        One row a county: ``county_code, outcome, difference_rate`` and ``observations``; missing values allowed.

    Returns
    -------
    CountyLink
        Counties weigh the same. Rank correlations need at least five counties; below that none is computed.
    """
    spread = measure_dispersion(indicators).table
    wide = spread.pivot(index="county_code", columns="indicator", values=["mean", "cv"])
    wide.columns = [f"{measure}_{code}" for measure, code in wide.columns]
    named = spread if "county_name" in spread else spread.assign(county_name=spread["county_code"])
    head = named.drop_duplicates("county_code")[["county_code", "county_name", "schools"]]
    table = head.merge(wide.reset_index(), on="county_code").merge(results, on="county_code", how="left")
    labels = {i.code: label_of(i, "short") for i in indicators.standard.indicators}
    remarks: list[str] = []
    rows = [_ranked(table, result, measure, labels, remarks) for result in ("outcome", "difference_rate") for measure in ("cv", "mean")]
    found = [r for r in rows if not r.empty]
    columns = ["result", "measure", "indicator", "label", "n", "r", "low", "high", "p", "p_adjusted"]
    correlations = pd.concat(found, ignore_index=True)[columns] if found else pd.DataFrame(columns=columns)
    return CountyLink(table, correlations, tuple(dict.fromkeys(remarks)))


def _ranked(
    table: pd.DataFrame, result: str, measure: str, labels: dict[str, str], remarks: list[str]
) -> pd.DataFrame:
    variables: Sequence[str] = [f"{measure}_{code}" for code in labels]
    rows = table.dropna(subset=[result, *variables])
    if len(rows) < FEWEST_COUNTIES:
        remarks.append(
            say("齐全的县只有 {n} 个，少于 {fewest} 个，不计算县级相关，只列表", n=len(rows), fewest=FEWEST_COUNTIES)
        )
        return pd.DataFrame()
    usable = [v for v in variables if rows[v].nunique() > 1]
    try:
        found = correlate(rows, outcome=result, variables=usable, kind="spearman", where="县级等级相关").table
    except InputError as error:
        remarks.append(say("县级相关：{reason}", reason=refusal(error)))
        return pd.DataFrame()
    codes = found["variable"].str.removeprefix(f"{measure}_")
    # With so few counties Fisher's interval is no interval: a perfect order of five would have no width.
    if len(rows) < FEWEST_FOR_INTERVALS:
        found = found.assign(low=float("nan"), high=float("nan"))
    return found.assign(result=result, measure=measure, indicator=codes, label=codes.map(labels))


def within_between(data: LinkData) -> pd.DataFrame:
    """Each resource's coefficient within counties beside that between counties (Mundlak), one resource at a time.

    Parameters
    ----------
    data : LinkData
        Several counties; in an aggregate design its groups take their place.

    Returns
    -------
    DataFrame
        One row a resource and part: ``term, label, part`` (组内, 组间), columns of an estimate table, ``counties``, ``p_equal``
        (test that both are equal) and ``remark``. Outcome and resources in standard deviations between schools; schools
        weigh the same; errors clustered by county (CR2). Empty with fewer than two counties.
    """
    columns = ["term", "label", "part", *ESTIMATE_COLUMNS[1:], "counties", "p_equal", "remark"]
    schools = school_rows(data)
    county = "group" if data.design.aggregate else "county_code"
    if schools[county].nunique() in (1, len(schools)):
        return pd.DataFrame(columns=columns)
    resources = [c for c in data.ids(TANGIBLE) if schools[c].nunique() > 1]
    scaled = schools[["outcome", *resources]]
    scaled = ((scaled - scaled.mean()) / scaled.std()).assign(county=schools[county])
    parts = []
    for resource in resources:
        head = {"term": resource, "label": data.shorts()[resource], "counties": scaled["county"].nunique(), "remark": ""}
        try:
            fit = mundlak(scaled, outcome="outcome", terms=[resource], group="county")
            own = fit.table[fit.table["term"].eq(resource)].drop(columns="term")
            parts.append(own.assign(p_equal=fit.equality.p, **head))
        except InputError as error:
            parts.append(pd.DataFrame([head | {"part": "", "remark": refusal(error)}]))
    return pd.concat(parts, ignore_index=True).reindex(columns=columns) if parts else pd.DataFrame(columns=columns)
