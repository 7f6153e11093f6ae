"""Parts of the fourth step: what one resource's coefficient owes to gaps, to what was not observed, to place and rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from qbresearch.errors import InputError
from qbresearch.language import label_of, say
from qbresearch.results.link.describe import school_rows
from qbresearch.results.link.ladder import COUNTY, ModelLadder, standardise
from qbresearch.results.link.match import GROUP_ROLES, TANGIBLE, LinkData
from qbresearch.results.reasons import refusal
from qbresearch.statistics.clusters import wild_cluster_bootstrap
from qbresearch.statistics.estimates import ESTIMATE_COLUMNS
from qbresearch.statistics.imputation import impute, pool_fits
from qbresearch.statistics.multilevel import MultilevelFit, fit_multilevel
from qbresearch.statistics.power import DetectableEffect, minimum_detectable_effect
from qbresearch.statistics.quantile import fit_quantile
from qbresearch.statistics.regression import fit_linear
from qbresearch.statistics.sensitivity import (
    assess_selection,
    e_value,
    robustness_value,
)

QUANTILES = (0.1, 0.5, 0.9)
SENSITIVITY_COLUMNS = [
    "term", "label", "short", "full", "delta", "adjusted", "e_value", "e_limit", "robustness", "robustness_limit", "remark",
]  # fmt: skip


def full_model(data: LinkData, frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Terms of M4 that vary, and the county column where counties are told apart by columns."""
    terms = [c for c in data.ids("student", *GROUP_ROLES) if c in frame]
    county = [COUNTY] if not data.design.aggregate and frame[COUNTY].nunique() > 1 else []
    return terms, county


def robust_errors(frame: pd.DataFrame) -> dict[str, str]:
    """Standard errors that fit the groups: clustered (CR2), or HC3 where each observation is its own group."""
    single = frame["group"].nunique() in (1, len(frame))
    return {"covariance": "HC3"} if single else {"covariance": "CR2", "cluster": "group"}


def sensitivity_table(data: LinkData, frame: pd.DataFrame, *, r_max_ratio: float, significance: float) -> pd.DataFrame:
    """How strong unobserved confounding would have to be, resource by resource.

    Returns
    -------
    DataFrame
        One row a resource: coefficient without (``short``) and with (``full``) intangible resources and composition, Oster's
        ``delta`` and ``adjusted`` coefficient, E-values, robustness values (an approximation with clustered standard
        errors), and ``remark`` where one of them has no answer. Least squares on observations; student background, the
        other resources and counties stand in both regressions.
    """
    terms, county = full_model(data, frame)
    controls = [t for t in terms if t in data.ids("intangible", "composition")]
    rows = []
    for resource in (t for t in terms if t in data.ids(TANGIBLE)):
        row = dict.fromkeys(SENSITIVITY_COLUMNS, np.nan) | {"term": resource, "label": data.shorts()[resource], "remark": ""}
        baseline = [*county, *(t for t in terms if t not in controls and t != resource)]
        try:
            fit = fit_linear(frame, outcome="outcome", terms=[*county, *terms], **robust_errors(frame))
            own = fit.estimates.set_index("term").loc[resource]
            values, robust = e_value(own["estimate"], own["low"], own["high"]), robustness_value(own["statistic"], own["df"], alpha=significance)
            row |= {
                "full": own["estimate"], "e_value": values.value, "e_limit": values.limit, "robustness": robust.value,
                "robustness_limit": robust.limit,
            }
            if controls:
                selection = assess_selection(
                    frame, outcome="outcome", term=resource, controls=controls, baseline=baseline, r_max_ratio=r_max_ratio
                )
                row |= {"short": selection.short, "delta": selection.delta, "adjusted": selection.adjusted}
            else:
                row["remark"] = say("没有控制变量，不计算 δ")
        except InputError as error:
            row["remark"] = refusal(error)
        rows.append(row)
    return pd.DataFrame(rows, columns=SENSITIVITY_COLUMNS)


def heterogeneity_table(data: LinkData, *, fewest_df: int) -> pd.DataFrame:
    """Each resource's coefficient within each location, one resource at a time beside background and composition.

    Returns
    -------
    DataFrame
        ``term, label, location, groups`` and columns of an estimate table (CR2), and ``remark`` for locations with too
        few schools. Confidence intervals are not adjusted for the number of comparisons.
    """
    frame = standardise(data)
    terms, _ = full_model(data, frame)
    controls = [t for t in terms if t not in data.ids(TANGIBLE, "intangible")]
    counter = label_of(data.design, "unit_counter" if data.design.aggregate else "group_counter")
    rows = []
    for location, part in frame.groupby("location", observed=True):
        county = [COUNTY] if not data.design.aggregate and part[COUNTY].nunique() > 1 else []
        schools = part["group"].nunique() if not data.design.aggregate else len(part)
        for resource in (t for t in terms if t in data.ids(TANGIBLE)):
            head = {"term": resource, "label": data.shorts()[resource], "location": location, "groups": schools, "remark": ""}
            taken = [c for c in controls if part[c].nunique() > 1]
            left = schools - len(set(taken) & set(data.group_level)) - (part[COUNTY].nunique() if county else 1) - 1
            if left < fewest_df:
                few = say("只有 {n} {counter}，不单独估计", n=schools, counter=counter)
                rows.append(head | {"remark": few})
                continue
            try:
                fit = fit_linear(part, outcome="outcome", terms=[*county, *taken, resource], **robust_errors(part))
                rows.append(fit.estimates.set_index("term").loc[resource].to_dict() | head)
            except InputError as error:
                rows.append(head | {"remark": refusal(error)})
    return pd.DataFrame(rows, columns=["term", "label", "location", "groups", *ESTIMATE_COLUMNS[1:], "remark"])


def quantile_table(data: LinkData, *, draws: int, seed: int) -> pd.DataFrame:
    """Coefficients of the resources at low, middle and high mean results of schools.

    Returns
    -------
    DataFrame
        ``quantile, term, label`` and columns of an estimate table; exact quantile regression of standardised school means
        on resources and composition, bootstrap standard errors over schools. Empty, with the reason in ``attrs["remark"]``,
        where there are too few schools.
    """
    schools = school_rows(data).dropna(subset=data.ids(TANGIBLE, "composition"))
    terms = [c for c in data.ids(TANGIBLE, "composition") if schools[c].nunique() > 1]
    scaled = schools[["outcome", *terms]]
    scaled = (scaled - scaled.mean()) / scaled.std()
    tables = []
    empty = pd.DataFrame(columns=["quantile", "label", *ESTIMATE_COLUMNS])
    try:
        for quantile in QUANTILES:
            fit = fit_quantile(scaled, outcome="outcome", terms=terms, quantile=quantile, draws=draws, seed=seed)
            tables.append(fit.estimates.assign(quantile=quantile))
    except InputError as error:
        empty.attrs["remark"] = say("分位数回归：{reason}", reason=refusal(error))
        return empty
    table = pd.concat(tables, ignore_index=True)
    table = table[table["term"].isin(data.ids(TANGIBLE))]
    return table.assign(label=table["term"].map(data.shorts())).reset_index(drop=True)


def imputed_estimates(data: LinkData, ladder: ModelLadder, *, imputations: int, iterations: int, seed: int) -> pd.DataFrame:
    """The school-level coefficients of the fullest model from complete observations beside those pooled over imputations.

    Returns
    -------
    DataFrame
        ``term, label, model`` (完整个案, 多重插补, in the report's language), columns of an estimate table and ``fmi``. Empty where nothing is missing or
        no multilevel model with resources was fitted.
    """
    columns = ["term", "label", "model", *ESTIMATE_COLUMNS[1:], "fmi"]
    model = ladder.fullest()
    used = [c for c in data.ids("student", *GROUP_ROLES) if data.frame[c].nunique() > 1]
    if data.frame[used].notna().all().all() or model is None:
        return pd.DataFrame(columns=columns)
    own = [c for c in data.ids("student", "prior") if data.frame[c].notna().any()]
    filled = impute(
        data.frame[["outcome", "group", *own, *(c for c in used if c not in own)]], ["outcome", *own], group="group",
        imputations=imputations, iterations=iterations, seed=seed,
    )  # fmt: skip
    fits = [_fit_completed(data, frame, model.terms, list(model.fit.groups)) for frame in filled.frames]
    pooled = pool_fits(fits)
    both = pd.concat([model.fit.estimates.assign(model=say("完整个案"), fmi=np.nan), pooled.assign(model=say("多重插补"))], ignore_index=True)
    both = both[both["term"].isin(data.ids(*GROUP_ROLES))]
    return both.assign(label=both["term"].map(data.shorts()))[columns].reset_index(drop=True)


def _fit_completed(data: LinkData, frame: pd.DataFrame, terms: Sequence[str], levels: list[str]) -> MultilevelFit:
    """M4 on one completed table, its variables standardised as those of the complete observations."""
    rest = data.frame.drop(columns=[c for c in frame.columns if c in data.frame])
    completed = replace(data, frame=pd.concat([rest, frame], axis=1))
    for variable in data.design.variables:  # means over the school follow the imputed students
        asked = ("student", variable.column, variable.value)
        same = next((v.id for v in data.design.variables if (v.role, v.column, v.value) == asked), "")
        if variable.role == "composition" and same and variable.id in completed.frame:
            completed.frame[variable.id] = completed.frame.groupby("group")[same].transform("mean")
    return fit_multilevel(standardise(completed), outcome="outcome", fixed=list(terms), groups=levels)


def detectable_effect(data: LinkData, ladder: ModelLadder, *, power: float, significance: float) -> DetectableEffect | str:
    """The smallest coefficient that this number of schools could have found, or why there is none.

    For the resource that the other columns of the fullest model repeat most, so that the others could be found sooner.
    """
    null, full = ladder.model("M0"), ladder.fullest()
    if data.design.aggregate:
        return say("汇总数据没有学生层，不计算最小可检出效应")
    if null is None or full is None:
        return say("没有拟合多层模型，不计算最小可检出效应")
    table = ladder.variances().set_index("model")
    sizes = ladder.frame.groupby("group").size()
    columns = [t for t in full.terms if t in data.group_level]
    schools = ladder.frame.drop_duplicates("group")
    counties = schools[COUNTY].nunique() - 1 if COUNTY in full.terms else 0
    covariates = len(columns) - 1 + counties
    try:
        return minimum_detectable_effect(
            int(len(sizes)), float(len(sizes) / (1 / sizes).sum()), float(table.loc["M0", "icc"]), power=power, alpha=significance,
            r2_between=_share(table.loc[full.id, "r2_between"]), r2_within=_share(table.loc[full.id, "r2_within"]),
            r2_predictor=_largest_overlap(data, schools, columns, bool(counties)), covariates=max(covariates, 0),
        )
    except InputError as error:
        return say("最小可检出效应：{reason}", reason=refusal(error))


def _largest_overlap(data: LinkData, schools: pd.DataFrame, columns: Sequence[str], by_county: bool) -> float:
    """Largest share of a resource's variance that the other school columns (and counties) explain."""
    shares = [0.0]
    for resource in (c for c in columns if c in data.ids(TANGIBLE)):
        others = [*([COUNTY] if by_county else []), *(c for c in columns if c != resource)]
        if others:
            shares.append(fit_linear(schools, outcome=resource, terms=others, covariance="classical").r_squared)
    return min(max(shares), MOST_OVERLAP)


MOST_OVERLAP = 0.99


def _share(value: float) -> float:
    """A share of variance explained as the power formula takes it: a component that grew explains nothing."""
    return float(np.clip(value, 0.0, MOST_OVERLAP)) if np.isfinite(value) else 0.0


def wild_bootstrap_table(
    data: LinkData, frame: pd.DataFrame, *, few_clusters: float, draws: int, seed: int
) -> pd.DataFrame:
    """Each resource's p-value and interval by the wild cluster bootstrap, for few schools or counties.

    Returns
    -------
    DataFrame
        ``term, label, estimate, p, low, high, remark``; empty with ``few_clusters`` clusters or more, or a single one.
    """
    terms, county = full_model(data, frame)
    if not 1 < frame["group"].nunique() < few_clusters:
        terms = []
    rows = []
    for resource in (t for t in terms if t in data.ids(TANGIBLE)):
        head = {"term": resource, "label": data.shorts()[resource], "remark": ""}
        try:
            found = wild_cluster_bootstrap(
                frame, outcome="outcome", terms=[*county, *terms], term=resource, cluster="group", draws=draws, seed=seed
            )
            rows.append(head | {"estimate": found.estimate, "p": found.p, "low": found.low, "high": found.high})
        except InputError as error:
            rows.append(head | {"remark": refusal(error)})
    return pd.DataFrame(rows, columns=["term", "label", "estimate", "p", "low", "high", "remark"])
