"""Fourth step of the link study: everything that could undo its answer, tried on every resource."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from scipy import stats

from qbresearch.errors import InputError
from qbresearch.exhibits.figures import plot_importance
from qbresearch.language import label_of, listed, say
from qbresearch.results.link.ladder import (
    COUNTY,
    ModelLadder,
    single_resources,
    with_composition,
)
from qbresearch.results.link.match import GROUP_ROLES, TANGIBLE, LinkData, role_words
from qbresearch.results.link.multiverse import MultiverseResult, run_multiverse
from qbresearch.results.link.robustness import (
    detectable_effect,
    full_model,
    heterogeneity_table,
    imputed_estimates,
    quantile_table,
    sensitivity_table,
    wild_bootstrap_table,
)
from qbresearch.results.link.specifications import Specification, expand_specifications
from qbresearch.results.reasons import refusal
from qbresearch.rules.settings import setting
from qbresearch.statistics.decomposition import DecompositionResult, decompose
from qbresearch.statistics.importance import ImportanceResult, importance
from qbresearch.statistics.missing import MissingAudit, audit_missing
from qbresearch.statistics.power import DetectableEffect

UNIT = "unit"


@dataclass(frozen=True, slots=True)
class Effort:
    """How much resampling a challenge spends; the defaults suit one report."""

    bootstrap: int = 500
    permutations: int = 199
    wild: int = 1999
    imputations: int = 10
    iterations: int = 5


@dataclass(frozen=True, slots=True)
class LinkChallenge:
    """What became of the resources' coefficients when they were challenged.

    blocks : importance of resources, intangible resources and composition for the variance between schools (of the outcome
        in an aggregate design). resources : importance of single resources. composition : what intangible resources and
        composition take away from each resource (Gelbach). multiverses : one a resource, label to result. singles : each
        resource alone, before and after composition. missing, imputed : gaps, and M4 on complete and on imputed data.
        sensitivity : unobserved confounding. places : coefficients by location. quantiles : at low, middle and high
        results. wild : wild cluster bootstrap, where clusters are few. detectable : smallest effect that could have been
        found, or why there is none. adjusted : whether the data know the schools' composition. remarks : what could not be done.
    """

    blocks: ImportanceResult | None
    resources: ImportanceResult | None
    composition: DecompositionResult | None
    multiverses: Mapping[str, MultiverseResult] = field(repr=False)
    singles: pd.DataFrame = field(repr=False)
    missing: MissingAudit = field(repr=False)
    imputed: pd.DataFrame = field(repr=False)
    sensitivity: pd.DataFrame = field(repr=False)
    places: pd.DataFrame = field(repr=False)
    quantiles: pd.DataFrame = field(repr=False)
    wild: pd.DataFrame = field(repr=False)
    detectable: DetectableEffect | str
    adjusted: bool
    remarks: tuple[str, ...]

    def tidy(self) -> pd.DataFrame:
        """One row a resource: number of specifications, median, range, shares and joint p-values of its multiverse.

        ``*_adjusted`` are of the specifications that hold the composition of the schools constant. ``stable``: these pass
        the joint test, nearly all specifications agree in sign (setting ``keeps_sign``), and the resource alone beside
        composition differs from zero, so that no sentence can call stable what a table shows to vanish; ``None`` where that could not be tested.
        """
        alpha = setting("significance")
        beside = self.singles[self.singles["model"].eq(with_composition())].set_index("term")["p"]
        rows = []
        for term, result in self.multiverses.items():
            joint, core = result.joint, result.joint_core
            rows.append(
                {
                    "term": term, "label": result.term, "specifications": len(result.table), "estimated": result.estimated,
                    "median": result.median, "smallest": result.smallest, "largest": result.largest,
                    "same_sign": result.share_same_sign, "significant": result.share_significant,
                    "p_strength": joint.p_strength if joint else None,
                    "median_adjusted": core.median if core else None, "significant_adjusted": core.share if core else None,
                    "p_adjusted": core.p_strength if core else None, "adjusted": self.adjusted,
                }
            )
        columns = ["term", "label", "specifications", "estimated", "median", "smallest", "largest", "same_sign", "significant",
                   "p_strength", "median_adjusted", "significant_adjusted", "p_adjusted", "adjusted"]
        table = pd.DataFrame(rows, columns=columns)
        # So few permutations that no p could be below the level leave the question open.
        possible = [bool(r.joint_core) and 1 / (1 + r.joint_core.permutations) < alpha for r in self.multiverses.values()]
        decided = table["p_adjusted"].notna() & pd.Series(possible, index=table.index, dtype=bool)
        holds = (table["p_adjusted"].astype(float) < alpha) & (table["same_sign"].astype(float) > setting("keeps_sign"))
        if len(beside):
            alone = table["term"].map(beside).astype(float)
            decided &= alone.notna()
            holds &= alone < alpha
        return table.assign(stable=holds.astype(object).where(decided, None))

    def summary(self) -> str:
        """Which resources keep their sign and pass the joint test, in one sentence."""
        table = self.tidy()
        if table.empty and self.remarks:
            return say("没有一项资源可以做多种设定的检验（{reason}）", reason=self.remarks[0])
        if table.empty:
            return say("没有一项资源可以做多种设定的检验")
        firm = table[table["stable"].eq(True)]
        values = {"resources": len(table), "specifications": int(table["specifications"].max()), "n": len(firm)}
        if self.adjusted:
            text = say("{resources} 项资源各 {specifications} 种设定，控制学生构成后联系稳定的有 {n} 项", **values)
        else:
            text = say("{resources} 项资源各 {specifications} 种设定，联系稳定的有 {n} 项", **values)
        if firm.empty:
            return text
        named = listed(
            say("{resource}（中位数 {median}）", resource=r.label, median=f"{r.median_adjusted:.3f}") for r in firm.itertuples()
        )
        return say("{text}：{named}", text=text, named=named)

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Importance of single resources (of blocks where those have none)."""
        shown = self.resources or self.blocks
        if shown is None:
            raise InputError(
                "没有可画的重要性", where="挑战", found="；".join(self.remarks) or "没有结果", expected="至少两项能估计的资源",
                fix="看表格部分",
            )
        return plot_importance(
            shown.table.assign(label=shown.table["block"], group="")[["label", "group", "share", "low", "high"]], ax=ax
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data; every specification of every resource."""
        return {
            "multiverses": {term: result.to_dict() for term, result in self.multiverses.items()},
            "blocks": self.blocks.to_dict() if self.blocks else None,
            "resources": self.resources.to_dict() if self.resources else None,
            "composition": self.composition.to_dict() if self.composition else None,
            "missing": self.missing.to_dict(), "remarks": list(self.remarks),
            "detectable": self.detectable if isinstance(self.detectable, str) else self.detectable.to_dict(),
            **{
                name: getattr(self, name).astype(object).where(getattr(self, name).notna(), None).to_dict("records")
                for name in ("singles", "imputed", "sensitivity", "places", "quantiles", "wild")
            },
        }


def challenge_link(
    data: LinkData, ladder: ModelLadder, *, seed: int, effort: Effort | None = None, workers: int = 1
) -> LinkChallenge:
    """Try to undo what the ladder found.

    Parameters
    ----------
    data : LinkData
    ladder : ModelLadder
        Of the same data.
    seed : int
        Of every resampling.
    effort : Effort, optional
    workers : int
        Processes for the specifications.

    Returns
    -------
    LinkChallenge
        A part that cannot be computed is empty, and ``remarks`` says why and what still holds.
    """
    effort = effort or Effort()
    frame, remarks = ladder.frame, []
    quantiles = quantile_table(data, draws=effort.bootstrap // 2, seed=seed)
    remarks += [quantiles.attrs["remark"]] if "remark" in quantiles.attrs else []
    used = [v.id for v in data.variables]
    return LinkChallenge(
        blocks=_blocks(data, frame, effort, seed, remarks),
        resources=_resources(data, frame, effort, seed, remarks),
        composition=_composition(data, frame, remarks),
        multiverses=_multiverses(data, effort, seed, workers, remarks),
        singles=single_resources(data),
        missing=audit_missing(data.frame.rename(columns=data.shorts()), [data.shorts()[u] for u in used]),
        imputed=_imputed(data, ladder, effort, seed, remarks),
        sensitivity=sensitivity_table(data, frame, r_max_ratio=setting("oster_r_max"), significance=setting("significance")),
        places=heterogeneity_table(data, fewest_df=int(setting("fewest_group_df"))),
        quantiles=quantiles,
        wild=wild_bootstrap_table(data, frame, few_clusters=setting("few_clusters"), draws=effort.wild, seed=seed),
        detectable=detectable_effect(data, ladder, power=setting("power"), significance=setting("significance")),
        adjusted=bool(_varying(data, "composition")),
        remarks=tuple(dict.fromkeys(remarks)),
    )


def _blocks(data: LinkData, frame: pd.DataFrame, effort: Effort, seed: int, remarks: list[str]) -> ImportanceResult | None:
    words = role_words()
    blocks = {words[role]: [c for c in data.ids(role) if c in frame] for role in GROUP_ROLES}
    blocks = {name: columns for name, columns in blocks.items() if columns}
    if len(blocks) < 2:
        remarks.append(say("各组变量的相对重要性：只有一组变量，不比较"))
        return None
    name = say("{subject}成绩", subject=label_of(data.outcome))
    between = {} if data.design.aggregate else {"measure": "between_variance", "group": "group"}
    _, county = full_model(data, frame)
    try:
        return importance(frame.rename(columns={"outcome": name}), outcome=name, blocks=blocks, controls=county, draws=effort.bootstrap, seed=seed, **between)
    except InputError as error:
        remarks.append(say("各组变量的相对重要性：{reason}", reason=refusal(error, fix=True)))
        return None


def _resources(data: LinkData, frame: pd.DataFrame, effort: Effort, seed: int, remarks: list[str]) -> ImportanceResult | None:
    """Single resources on school means, so that schools and not students are what varies."""
    resources = [c for c in data.ids(TANGIBLE) if c in frame]
    if len(resources) < 2:
        remarks.append(say("单项资源的相对重要性：不足两项资源，不比较"))
        return None
    _, county = full_model(data, frame)
    name, rows = say("{unit}平均成绩", unit=label_of(data.design, "unit" if data.design.aggregate else "group")), frame
    if not data.design.aggregate:
        rows = frame.groupby("group").agg({"outcome": "mean", **dict.fromkeys([*county, *resources], "first")}).reset_index()
    try:
        return importance(
            rows.rename(columns={"outcome": name}), outcome=name, blocks={data.shorts()[c]: [c] for c in resources}, controls=county,
            cluster="group" if data.design.aggregate and 1 < rows["group"].nunique() < len(rows) else None, draws=effort.bootstrap, seed=seed,
        )
    except InputError as error:
        remarks.append(say("单项资源的相对重要性：{reason}", reason=refusal(error, fix=True)))
        return None


def _composition(data: LinkData, frame: pd.DataFrame, remarks: list[str]) -> DecompositionResult | None:
    words = role_words()
    added = {words[r]: [c for c in data.ids(r) if c in frame] for r in ("intangible", "composition")}
    added = {name: columns for name, columns in added.items() if columns}
    terms, county = full_model(data, frame)
    base = [*county, *(t for t in terms if t in data.ids("student", TANGIBLE))]
    if not added or not base:
        remarks.append(say("系数变化的分解：没有无形资源或学生构成变量"))
        return None
    try:
        found = decompose(frame, outcome="outcome", base=base, added=added, cluster=None if frame["group"].nunique() in (1, len(frame)) else "group")
    except InputError as error:
        remarks.append(say("系数变化的分解：{reason}", reason=refusal(error, fix=True)))
        return None
    table = found.table[found.table["variable"].isin(data.ids(TANGIBLE))]
    labelled = table.assign(variable=table["variable"].map(data.shorts())).reset_index(drop=True)
    return DecompositionResult(labelled, label_of(data.outcome), found.n, found.clusters)


def _imputed(data: LinkData, ladder: ModelLadder, effort: Effort, seed: int, remarks: list[str]) -> pd.DataFrame:
    try:
        return imputed_estimates(data, ladder, imputations=effort.imputations, iterations=effort.iterations, seed=seed)
    except InputError as error:
        remarks.append(say("多重插补：{reason}", reason=refusal(error, fix=True)))
        return pd.DataFrame(columns=["term", "label", "model", "estimate", "low", "high", "fmi"])


# --- the declared specifications -----------------------------------------------------------------------------------


def declared_specifications(data: LinkData, resource: str) -> tuple[Specification, ...]:
    """All defensible ways to estimate one resource's coefficient, declared before any is estimated.

    Dimensions: scale of the outcome, scale of the resource, what else of the schools is held constant, schools taken in, model.
    Student background is no dimension: as deviations from the school's mean it cannot move a school-level coefficient, and
    the school's mean is its composition. The main one is M4: standard score, resource as it is, everything held constant, all schools, multilevel
    with county columns (least squares with county effects in an aggregate design). Choices for which the data have no
    variables are left out.
    """
    composition = _varying(data, "composition")
    others = [c for c in _varying(data, TANGIBLE, "intangible") if c != resource]
    held = {
        say("其他资源与构成"): [*others, *composition] if others and composition else [], say("学生构成"): composition,
        say("其他资源"): others,
    }
    counties = data.frame[COUNTY].nunique() > 1
    if data.design.aggregate:
        models = {say("县固定效应"): {"model": "fixed_effects"}} if counties else {}
        models |= {say("稳健标准误"): {"model": "ols_cluster"}}  # every observation is a cluster of its own
    elif counties:
        models = {
            say("多层模型（分县）"): {"model": "multilevel", "controls": [COUNTY]},
            say("县固定效应"): {"model": "fixed_effects"}, say("聚类稳健"): {"model": "ols_cluster"},
            say("学校均值"): {"model": "school_means"},
        }  # fmt: skip
    else:
        models = {
            say("多层模型"): {"model": "multilevel"}, say("聚类稳健"): {"model": "ols_cluster"},
            say("学校均值"): {"model": "school_means"},
        }  # fmt: skip
        if data.frame["weight"].nunique() > 1:
            models[say("聚类稳健（抽样权重）")] = {"model": "ols_cluster", "weights": "weight"}
    trimmed = say("除去最小的十分之一")
    dimensions: dict[str, Mapping[str, Mapping[str, Any]]] = {
        say("成绩"): {say("标准分"): {"outcome": "outcome"}, say("正态化名次"): {"outcome": "ranked"}},
        say("资源"): {say("原值"): {}, say("名次"): {"transform": "rank"}},
        say("控制"): {name: {"controls": columns} for name, columns in held.items() if columns} | {say("不控制"): {}},
        say("学校"): {say("全部"): {}, trimmed: {"row_filter": (trimmed, "not_smallest")}},
        say("模型"): models,
    }
    return expand_specifications(dimensions)


def _multiverses(
    data: LinkData, effort: Effort, seed: int, workers: int, remarks: list[str]
) -> dict[str, MultiverseResult]:
    rows = _multiverse_rows(data)
    core = (say("其他资源与构成"), say("学生构成"))  # what holds the composition of the schools constant
    found = {}
    for resource in data.ids(TANGIBLE):
        if rows[resource].nunique() < 2:
            remarks.append(say("{resource}各校相同，不做多种设定的检验", resource=data.labels()[resource]))
            continue
        try:
            found[resource] = run_multiverse(
                rows, declared_specifications(data, resource), term=resource, cluster=UNIT, county="county_code",
                strata=[COUNTY], label=data.shorts()[resource], workers=workers,
                seed=seed, permutations=effort.permutations, fewest_df=int(setting("fewest_group_df")),
                core=(lambda s: s.choices[say("控制")] in core) if _varying(data, "composition") else None,
            )
        except InputError as error:
            reason = refusal(error, fix=True)
            remarks.append(say("{resource}的多种设定：{reason}", resource=data.labels()[resource], reason=reason))
    return found


def _varying(data: LinkData, *roles: str) -> list[str]:
    """Variables of these roles that differ within the observations the specifications use."""
    asked = [c for c in data.ids("student", *GROUP_ROLES) if data.frame[c].nunique() > 1]
    complete = data.frame.dropna(subset=asked)
    return [c for c in data.ids(*roles) if c in asked and complete[c].nunique() > 1]


def _multiverse_rows(data: LinkData) -> pd.DataFrame:
    """Observations of the ladder with the columns the specifications name."""
    varying = [c for c in data.ids("student", *GROUP_ROLES) if data.frame[c].nunique() > 1]
    wanted = ["outcome", "group", COUNTY, "size", "weight", *(c for c in data.ids(*GROUP_ROLES) if c in data.frame)]
    rows = data.frame.dropna(subset=varying)[wanted].reset_index(drop=True)
    rows[COUNTY], rows["group"] = rows[COUNTY].astype("category"), rows["group"].astype("category")
    schools = rows.groupby("group")["size"].first() if not data.design.aggregate else rows["size"]
    share = stats.rankdata(rows["outcome"]) / (len(rows) + 1)
    return rows.assign(
        ranked=stats.norm.ppf(share), not_smallest=rows["size"] > schools.quantile(SMALLEST_SHARE),
        unit=pd.Categorical(rows.index.astype(str)) if data.design.aggregate else rows["group"],
    )


SMALLEST_SHARE = 0.1
