"""Second step of the link study: what the variables look like, and how results and resources go together in pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import stats

from qbresearch.errors import InputError
from qbresearch.exhibits.figures import plot_correlations
from qbresearch.language import clauses, label_of, listed, say
from qbresearch.results.link.match import GROUP_ROLES, TANGIBLE, LinkData, role_words
from qbresearch.results.reasons import refusal
from qbresearch.statistics.collinearity import CollinearityResult, measure_collinearity
from qbresearch.statistics.correlation import KINDS, correlate
from qbresearch.statistics.estimates import LEVEL
from qbresearch.statistics.regression import fit_linear

DESCRIBED = ("n", "missing", "mean", "sd", "min", "median", "max")


@dataclass(frozen=True, slots=True)
class LinkDescription:
    """Descriptive part of a link study.

    variables : one row a variable (the outcome first): ``variable, label, role, level`` (``unit`` or ``group``),
        ``n, missing, mean, sd`` (sample), ``min, median, max``; school-level variables over schools, each counted once.
    places : one row a location group: ``location, groups, observations, outcome`` and a column a resource (means over
        schools).
    correlations : one row a kind and school-level variable: columns of
        :class:`qbresearch.statistics.correlation.CorrelationResult` with ``label`` and ``role``; observations are schools.
    collinearity : among the resources; ``None`` where it cannot be measured.
    remarks : what could not be computed and what still can.
    """

    variables: pd.DataFrame
    places: pd.DataFrame
    correlations: pd.DataFrame
    collinearity: CollinearityResult | None
    remarks: tuple[str, ...]

    def tidy(self) -> pd.DataFrame:
        """A copy of the correlations."""
        return self.correlations.copy()

    def summary(self) -> str:
        """How many resources go together with the outcome, in one sentence."""
        pearson = self.correlations[self.correlations["kind"].eq("pearson") & self.correlations["role"].eq(TANGIBLE)]
        if pearson.empty and self.remarks:
            return say("没有一项资源指标能计算相关系数（{reason}）", reason=self.remarks[0])
        if pearson.empty:
            return say("没有一项资源指标能计算相关系数")
        differ = pearson[pearson["significant"]]
        text = say("{n} 项有形资源中，与平均成绩的相关在多重比较校正后有别于 0 的有 {differ} 项", n=len(pearson), differ=len(differ))
        if len(differ):
            named = listed(say("{resource}（r={r}）", resource=r.label, r=f"{r.r:.2f}") for r in differ.itertuples())
            text = say("{text}：{named}", text=text, named=named)
        return clauses([text, say("相关不等于因果")])

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Correlations of the outcome with every school-level variable, by kind."""
        kinds = kind_words()
        drawn = self.correlations.assign(row=self.correlations["label"], column=self.correlations["kind"].map(kinds))
        return plot_correlations(drawn.rename(columns={"r": "value"})[["row", "column", "value", "significant"]], ax=ax)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "variables": self.variables.to_dict("records"), "places": self.places.to_dict("records"),
            "correlations": self.correlations.to_dict("records"), "remarks": list(self.remarks),
            "collinearity": self.collinearity.to_dict() if self.collinearity else None,
        }


def kind_words() -> dict[str, str]:
    """Kinds of correlation in the words of the report's language."""
    return {
        "pearson": say("皮尔逊相关"), "spearman": say("斯皮尔曼等级相关"), "partial": say("偏相关"), "weighted": say("加权相关"),
    }


def school_rows(data: LinkData) -> pd.DataFrame:
    """Rows at the level at which resources differ: schools of a student design, the observations of an aggregate one."""
    if data.design.aggregate:
        return data.frame.assign(observations=1)
    return data.groups()


def describe_link(data: LinkData, *, significance: float) -> LinkDescription:
    """Describe outcome and variables, and correlate the mean outcome of schools with what schools have.

    Parameters
    ----------
    data : LinkData
    significance : float
        Level at which an adjusted p-value is marked.

    Returns
    -------
    LinkDescription
        Schools weigh the same except in the correlation weighted by students. Partial correlations hold the
        composition of the schools constant. p-values are adjusted by Holm over the variables of one kind.
    """
    schools = school_rows(data)
    remarks: list[str] = []
    return LinkDescription(
        variables=_describe_variables(data, schools),
        places=_describe_places(data, schools),
        correlations=_correlations(data, schools, significance, remarks),
        collinearity=_collinearity(data, schools, remarks),
        remarks=tuple(dict.fromkeys(remarks)),
    )


def scatter_frames(data: LinkData, words: Mapping[str, str], *, fewest: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Schools and fitted lines for a scatter of mean outcome against every resource.

    Parameters
    ----------
    data : LinkData
    words : mapping
        Location to words; empty where locations are their own words.
    fewest : float
        Schools with fewer students behind their mean are not drawn (nor used for the line).

    Returns
    -------
    points : DataFrame
        ``label, unit, x, y, students, group``, one row a school and resource.
    lines : DataFrame
        ``label, x, y, low, high``: least squares over schools, each counted once, with the 95 % band of the mean (HC3).
        Resources that do not vary have points and no line.
    """
    schools = school_rows(data)
    schools = schools if data.design.aggregate else schools[schools["observations"] >= fewest]
    places = schools["location"].map(lambda p: words.get(p, "")) if words else pd.Series("", index=schools.index)
    points, lines = [], []
    for resource in data.ids(TANGIBLE):
        label = data.shorts()[resource]
        x, y = schools[resource].to_numpy(dtype=float), schools["outcome"].to_numpy(dtype=float)
        points.append(
            pd.DataFrame({"label": label, "unit": "", "x": x, "y": y, "students": schools["size"].to_numpy(), "group": places.to_numpy()})
        )
        try:
            fit = fit_linear(schools, outcome="outcome", terms=[resource], covariance="HC3")
        except InputError:  # constant, or too few schools: the points stand without a line
            continue
        grid = np.linspace(x.min(), x.max(), 25)
        design = np.column_stack([np.ones_like(grid), grid])
        fitted, se = design @ fit.coefficients, np.sqrt(np.einsum("ij,jk,ik->i", design, fit.covariance, design))
        half = stats.t.ppf((1 + LEVEL) / 2, fit.df_residual) * se
        lines.append(pd.DataFrame({"label": label, "x": grid, "y": fitted, "low": fitted - half, "high": fitted + half}))
    empty = pd.DataFrame(columns=["label", "x", "y", "low", "high"])
    return pd.concat(points, ignore_index=True), pd.concat(lines, ignore_index=True) if lines else empty


def _describe_variables(data: LinkData, schools: pd.DataFrame) -> pd.DataFrame:
    of_group, roles = set(data.group_level), role_words()
    rows = [_described(data.frame["outcome"], "outcome", label_of(data.outcome), say("结果"), "unit")]
    for v in data.variables:
        at = schools if v.id in of_group else data.frame
        rows.append(_described(at[v.id], v.id, v.label, roles[v.role], "group" if v.id in of_group else "unit"))
    return pd.DataFrame(rows)


def _described(values: pd.Series, variable: str, label: str, role: str, level: str) -> dict[str, Any]:
    known = values.dropna()
    numbers = (len(known), len(values) - len(known), known.mean(), known.std(), known.min(), known.median(), known.max())
    return {"variable": variable, "label": label, "role": role, "level": level, **dict(zip(DESCRIBED, numbers, strict=True))}


def _describe_places(data: LinkData, schools: pd.DataFrame) -> pd.DataFrame:
    grouped = schools.groupby("location", dropna=False, observed=True)
    return grouped.agg(
        groups=("outcome", "size"), observations=("observations", "sum"), outcome=("outcome", "mean"),
        **{c: (c, "mean") for c in data.ids(TANGIBLE)},
    ).reset_index()  # fmt: skip


def _correlations(data: LinkData, schools: pd.DataFrame, significance: float, remarks: list[str]) -> pd.DataFrame:
    usable = _varying(data, schools, remarks)
    if lost := int(schools[["outcome", *usable]].isna().any(axis=1).sum()):
        remarks.append(say("相关系数只用各变量都有值的 {n} 所，另 {lost} 所缺某个变量", n=len(schools) - lost, lost=lost))
    composition = [c for c in data.ids("composition") if c in usable]
    words = kind_words()
    tables = []
    for kind in KINDS:
        asked = [v for v in usable if v not in composition] if kind == "partial" else usable
        if not asked or (kind == "partial" and not composition):
            remarks.append(say("{kind}：没有可以控制的学生构成变量，不计算", kind=words[kind]))
            continue
        extra = {"partial": {"controls": composition}, "weighted": {"weights": "size"}}.get(kind, {})
        rows = schools.dropna(subset=["outcome", *usable])
        try:
            tables.append(correlate(rows, outcome="outcome", variables=asked, kind=kind, where=KINDS[kind], **extra).table)
        except InputError as error:
            remarks.append(say("{kind}：{reason}", kind=words[kind], reason=refusal(error, fix=True)))
    columns = ["variable", "kind", "n", "r", "low", "high", "p", "p_adjusted", "family"]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    roles = {v.id: v.role for v in data.variables}
    return table.assign(
        label=table["variable"].map(data.shorts()), role=table["variable"].map(roles),
        significant=table["p_adjusted"].astype(float) < significance,
    )


def _varying(data: LinkData, schools: pd.DataFrame, remarks: list[str]) -> list[str]:
    kept = []
    for name in data.ids(*GROUP_ROLES):
        if schools[name].nunique() > 1:
            kept.append(name)
        else:
            remarks.append(say("{variable}各校相同（或没有数据），不参与相关与模型", variable=data.labels()[name]))
    return kept


def _collinearity(data: LinkData, schools: pd.DataFrame, remarks: list[str]) -> CollinearityResult | None:
    resources: Sequence[str] = [c for c in data.ids(TANGIBLE) if schools[c].nunique() > 1]
    if len(resources) < 2:
        remarks.append(say("有形资源不足两项，没有共线性可言"))
        return None
    try:
        return measure_collinearity(schools, resources)
    except InputError as error:
        remarks.append(say("共线性：{reason}", reason=refusal(error, fix=True)))
        return None
