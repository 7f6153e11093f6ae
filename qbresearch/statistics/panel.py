"""Panels (schools or counties over years): six estimators, the Hausman test, and within against between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import stats

from qbresearch.errors import InputError, check_choice
from qbresearch.exhibits.figures import plot_coefficients
from qbresearch.statistics.clusters import cluster_codes
from qbresearch.statistics.design import (
    INTERCEPT,
    Design,
    check_rank,
    design_matrix,
    outcome_vector,
)
from qbresearch.statistics.estimates import ESTIMATE_COLUMNS, estimate_table
from qbresearch.statistics.regression import Covariance, LinearFit, WaldTest, fit_linear

MODELS = {
    "pooled": "混合回归", "fixed": "个体固定效应", "two_way": "双向固定效应", "random": "随机效应",
    "first_difference": "一阶差分", "between": "组间回归",
}
Model = Literal["pooled", "fixed", "two_way", "random", "first_difference", "between"]
TREND = "(Trend)"
# A column with less than this share of its spread left inside groups (or between them) has none.
NOTHING_LEFT = 1e-9


@dataclass(frozen=True, slots=True)
class PanelFit:
    """A fitted panel model.

    estimates : columns of ``estimate_table``; the intercept is ``(Intercept)``, the constant of first differences
        ``(Trend)``.
    covariance : (k, k) in the order of ``estimates``; ``kind`` is ``classical`` or ``CR1``.
    n, entities, periods : observations the model uses (differences for first differences, entities for between),
        entities and distinct times of the table.
    r_squared_within, r_squared_between, r_squared_overall : of the fitted values for deviations, means and levels.
    entity_variance, residual_variance : of random effects (Swamy and Arora), else ``None``.
    """

    outcome: str
    model: str
    estimates: pd.DataFrame = field(repr=False)
    covariance: np.ndarray = field(repr=False)
    kind: str
    n: int
    entities: int
    periods: int
    cluster: str | None
    clusters: int | None
    df_residual: int
    r_squared_within: float
    r_squared_between: float
    r_squared_overall: float
    entity_variance: float | None
    residual_variance: float | None
    remark: str

    def tidy(self) -> pd.DataFrame:
        """A copy of the table of estimates."""
        return self.estimates.copy()

    def summary(self) -> str:
        """Model and size in one Chinese sentence."""
        error = "常规标准误" if self.clusters is None else f"标准误 CR1（{self.clusters} 个簇）"
        remark = f"；{self.remark}" if self.remark else ""
        return f"{self.outcome}：{MODELS[self.model]}，{self.entities} 个个体、{self.periods} 期、{self.n} 个观测，{error}{remark}"

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Coefficients but constants, with 95 % intervals."""
        table = self.estimates[~self.estimates["term"].isin([INTERCEPT, TREND])]
        return plot_coefficients(table.assign(label=table["term"], model=MODELS[self.model]), ax=ax)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        values = {name: getattr(self, name) for name in self.__slots__ if name not in ("estimates", "covariance")}
        return values | {"estimates": self.estimates.to_dict("records"), "covariance": self.covariance.tolist()}


def fit_panel(
    frame: pd.DataFrame, *, outcome: str, terms: Sequence[str], entity: str, time: str, model: Model = "fixed",
    cluster: str | None = None, trend: bool = False, where: str = "面板模型",
) -> PanelFit:
    r"""Fit one of six panel estimators; the panel may be unbalanced.

    .. math:: y_{it} = x_{it}'\beta + \alpha_i (+ \gamma_t) + e_{it}

    Parameters
    ----------
    frame : DataFrame, one row per entity and time
    outcome, terms
        Columns without missing values, in their own units; text becomes 0/1 columns.
    entity, time : str
        Columns that identify a row. Times are taken in sorted order.
    model : str
        ``pooled``: least squares on levels. ``fixed``: :math:`\alpha_i` absorbed. ``two_way``: :math:`\alpha_i` and
        :math:`\gamma_t` absorbed. ``random``: generalised least squares with the variances of Swamy and Arora (in the
        form of Baltagi and Chang where the panel is unbalanced). ``first_difference``: changes between neighbouring
        times of the table; an entity that misses a time has no change across the gap. ``between``: least squares on
        the entities' means, each counted once.
    cluster : str, optional
        Column of clusters: CR1 with G - 1 degrees of freedom. Effects that lie inside clusters do not count in K (as
        Stata's ``xtreg`` and plm's ``sss``, unlike ``fit_linear``). Not for ``between``.
    trend : bool
        Only for ``first_difference``: whether the differenced equation has a constant, ``(Trend)``, which is a linear
        time trend of the levels. plm puts one in by default; linearmodels and this function do not.

    Returns
    -------
    PanelFit
        Tests use the t distribution. ``n`` counts what the model uses.

    Raises
    ------
    InputError
        Missing values, repeated rows of an entity and time, fewer than two entities or times, a column without
        variation where the model looks for it, more coefficients than entities (between, random), one cluster.

    Source
    ------
    Estimators of the package linearmodels; golden values from R (plm), balanced and unbalanced.
    """
    check_choice(model, MODELS, name="面板模型", where=where)
    if trend and model != "first_difference":
        raise InputError("只有一阶差分可以加趋势项", where=where, found=model, expected="first_difference", fix="去掉 trend")
    if cluster is not None and model == "between":
        raise InputError(
            "组间回归每个个体只有一行，不能再按簇", where=where, found=f"cluster={cluster!r}", expected="不写 cluster",
            fix="去掉 cluster，或先求均值再用 fit_linear",
        )
    entities, periods = _index(frame, entity, time, where)
    y = outcome_vector(frame, outcome, where=where)
    design = design_matrix(frame, terms, where=where)
    _check_terms(y, design, entities, periods, model, where)
    groups = None if cluster is None else cluster_codes(frame, cluster, where=where)
    index = pd.MultiIndex.from_arrays([entities, periods], names=["entity", "time"])
    constant = model in ("pooled", "random", "between")
    names = list(design.names if constant else design.names[1:])
    columns = pd.DataFrame(design.matrix if constant else design.matrix[:, 1:], index=index, columns=names)
    remark = ""
    if model == "first_difference":
        columns, remark = _differenced(columns, entities, periods, trend, where)
    if model in ("random", "between"):
        means = columns.groupby(level="entity").mean().to_numpy()
        if model == "between":
            check_rank(means, names, where=f"{where}（个体均值）")
        elif len(means) <= np.linalg.matrix_rank(means):
            raise InputError(
                "个体太少，随机效应的方差不能估计", where=where, found=f"{len(means)} 个个体，{len(names)} 个系数（含截距）",
                expected="个体数多于系数数", fix="减少变量，或改用 fixed",
            )
    result = _estimate(pd.DataFrame({outcome: y}, index=index), columns, model, groups)
    clusters = None if groups is None else groups[1]
    variances = result.variance_decomposition if model == "random" else None
    if variances is not None and not variances["Effects"] > 0:
        remark = "个体方差估计为 0，结果与混合回归相同"
    matrix = result.cov.to_numpy()
    degrees = int(result.df_resid)
    if groups is not None and model in ("fixed", "two_way"):
        free = len(y) - len(names)
        matrix = matrix * (free / (free - _counted_effects(entities, periods, groups[0], model)))
    freedom = float(degrees if clusters is None else clusters - 1)
    estimates = estimate_table(list(columns), result.params.to_numpy(), np.sqrt(np.diag(matrix)), freedom)
    return PanelFit(
        outcome=outcome, model=model, estimates=estimates, covariance=matrix,
        kind="classical" if clusters is None else "CR1", n=int(result.nobs), entities=int(entities.max()) + 1,
        periods=int(periods.max()) + 1, cluster=cluster, clusters=clusters, df_residual=degrees,
        r_squared_within=float(result.rsquared_within), r_squared_between=float(result.rsquared_between),
        r_squared_overall=float(result.rsquared_overall),
        entity_variance=None if variances is None else float(variances["Effects"]),
        residual_variance=None if variances is None else float(variances["Residual"]), remark=remark,
    )


def _estimate(y: pd.DataFrame, x: pd.DataFrame, model: str, groups: tuple[np.ndarray, int] | None) -> Any:
    # Imported here: it takes a second or two, which only those who fit panels should pay.
    from linearmodels.panel import (
        BetweenOLS,
        FirstDifferenceOLS,
        PanelOLS,
        PooledOLS,
        RandomEffects,
    )

    options: dict[str, Any] = {"cov_type": "unadjusted"}
    if groups is not None:  # Without group_debias the factor G/(G - 1) is left out.
        codes = pd.DataFrame({"cluster": groups[0]}, index=y.index)
        options = {"cov_type": "clustered", "clusters": codes, "group_debias": True}
    match model:
        case "pooled":
            return PooledOLS(y, x).fit(**options)
        case "fixed" | "two_way":
            counted = {} if groups is None else {"auto_df": False, "count_effects": False}
            return PanelOLS(y, x, entity_effects=True, time_effects=model == "two_way").fit(**options, **counted)
        case "random":
            return RandomEffects(y, x).fit(small_sample=True, **options)
        case "first_difference":
            return FirstDifferenceOLS(y, x).fit(**options)
        case _:
            return BetweenOLS(y, x).fit(**options)


def _counted_effects(entities: np.ndarray, periods: np.ndarray, clusters: np.ndarray, model: str) -> int:
    """How many effects count in CR1: those that do not lie inside clusters.

    linearmodels leaves out nested effects only where all are nested, and counts the entities of a two-way model.
    """
    factors = [entities, periods][: 1 if model == "fixed" else 2]
    sizes = [int(factor.max()) + 1 for factor in factors]
    nested = [len(set(zip(factor, clusters, strict=True))) == size for factor, size in zip(factors, sizes, strict=True)]
    return sum(size - 1 for size, inside in zip(sizes, nested, strict=True) if not inside) + (not any(nested))


def _index(frame: pd.DataFrame, entity: str, time: str, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Entity and time of each row as numbers in sorted order."""
    for column in (entity, time):
        if column not in frame:
            raise InputError(
                "没有这一列", where=where, found=column, expected="、".join(map(str, frame.columns)), fix="核对变量名"
            )
        if missing := int(frame[column].isna().sum()):
            raise InputError(
                "有观测没有个体或时间", where=f"{where}：{column}", found=f"{len(frame)} 个观测中 {missing} 个没有数值",
                expected="每个观测都有", fix="补上，或先明确剔除并在报告中写明",
            )
    if repeated := int(frame.duplicated([entity, time]).sum()):
        raise InputError(
            "同一个体同一时间有多行", where=f"{where}：{entity}、{time}", found=f"多出 {repeated} 行", expected="每个个体每期一行",
            fix="先汇总到个体与时间（如学校与学年）；不分个体的线性模型 fit_linear 仍可估计",
        )
    codes = [pd.factorize(frame[column], sort=True) for column in (entity, time)]
    for (_, levels), name in zip(codes, ("个体", "时间"), strict=True):
        if len(levels) < 2:
            raise InputError(
                f"只有 {len(levels)} 个{name}，不是面板", where=where, found=f"{len(frame)} 个观测", expected=f"至少 2 个{name}",
                fix="补充数据；描述统计仍可报告，单期数据可用 fit_linear",
            )
    return codes[0][0], codes[1][0]


def _check_terms(
    y: np.ndarray, design: Design, entities: np.ndarray, periods: np.ndarray, model: str, where: str
) -> None:
    """Let the linear model refuse, in its words, what fixed effects absorb or cannot identify."""
    names = list(design.names[1:])
    if not names:
        raise InputError("没有自变量", where=where, found="0 个", expected="至少一个自变量", fix="加入自变量；均值仍可报告")
    columns = pd.DataFrame(design.matrix[:, 1:], columns=names)
    effects = {"fixed": ["个体"], "two_way": ["个体", "时间"], "random": ["个体"]}.get(model, [])
    if model == "random":
        means = columns.groupby(entities).transform("mean")
        names = [n for n in names if (columns[n] - means[n]).std() > NOTHING_LEFT * columns[n].std()]
        if not names:
            raise InputError(
                "没有一个自变量在个体内部有差异，随机效应的方差不能估计", where=where, found="0 个", expected="至少一个随时间变化的自变量",
                fix="改用 between 或 pooled",
            )
    fit_linear(
        columns.assign(结果变量=y, 个体=entities, 时间=periods), outcome="结果变量", terms=names, fixed_effects=effects,
        covariance="classical", where=where,
    )


def _differenced(
    columns: pd.DataFrame, entities: np.ndarray, periods: np.ndarray, trend: bool, where: str
) -> tuple[pd.DataFrame, str]:
    """Columns in levels for first differences (with the trend's), refused where changes cannot identify them."""
    order = np.lexsort((periods, entities))
    follows = (np.diff(entities[order]) == 0) & (np.diff(periods[order]) == 1)
    changes = np.diff(columns.to_numpy()[order], axis=0)[follows]
    if constant := [n for n, c in zip(columns, changes.T, strict=True) if not len(c) or not np.any(c)]:
        raise InputError(
            "自变量没有变化，一阶差分不能估计它的系数", where=f"{where}：{'、'.join(constant)}",
            found=f"{len(changes)} 个相邻两期的变化全部为 0", expected="随时间变化的变量", fix="去掉它，或用 random、between",
        )
    if trend:
        columns = columns.assign(**{TREND: periods.astype(float)})
        changes = np.column_stack([changes, np.ones(len(changes))])
    check_rank(changes, list(columns), where=f"{where}（一阶差分）")
    lost = len(columns) - int(entities.max() + 1) - len(changes)
    return columns, f"有 {lost} 处中断，跨中断的变化没有计入" if lost else ""


@dataclass(frozen=True, slots=True)
class HausmanTest:
    """Whether random effects differ from fixed effects: chi-squared ``statistic`` with ``df`` and ``p``."""

    terms: tuple[str, ...]
    statistic: float
    df: int
    p: float

    def summary(self) -> str:
        """The test in one Chinese sentence."""
        return f"Hausman 检验（{'、'.join(self.terms)}）：χ²({self.df}) = {self.statistic:.4g}，p = {self.p:.3g}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"terms": list(self.terms), "statistic": self.statistic, "df": self.df, "p": self.p}


def hausman(fixed: PanelFit, random: PanelFit) -> HausmanTest:
    r"""Hausman's test of random against fixed effects.

    .. math:: H = d' (V_{FE} - V_{RE})^{-1} d, \qquad d = \hat\beta_{FE} - \hat\beta_{RE}

    over the coefficients that both models have, with their classical covariances.

    Raises
    ------
    InputError
        The fits are not fixed and random effects of one outcome on the same rows, one has clustered standard errors
        (the difference of covariances then means nothing), or the difference is not positive definite, which happens
        in small samples; :func:`mundlak` tests the same without that difference.

    Source
    ------
    Hausman (1978); golden values from R (plm).
    """
    where = "Hausman 检验"
    if (fixed.model, random.model) != ("fixed", "random") or (fixed.outcome, fixed.n) != (random.outcome, random.n):
        found = "、".join(f"{fit.model}（{fit.outcome}，{fit.n}）" for fit in (fixed, random))
        raise InputError(
            "两个模型不能相比", where=where, found=found, expected="同一结果变量、同样观测的 fixed 与 random", fix="用同一张表重新估计两个模型",
        )
    if fixed.clusters or random.clusters:
        raise InputError(
            "聚类标准误下 Hausman 检验不成立", where=where, found="CR1", expected="不写 cluster 的两个模型", fix="改用 mundlak，它可以按簇检验"
        )
    names = [n for n in fixed.estimates["term"] if n in set(random.estimates["term"]) - {INTERCEPT}]
    parts = []
    for fit in (fixed, random):
        at = [fit.estimates["term"].tolist().index(n) for n in names]
        parts.append((fit.estimates["estimate"].to_numpy()[at], fit.covariance[np.ix_(at, at)]))
    (b_fixed, v_fixed), (b_random, v_random) = parts
    difference, spread = b_fixed - b_random, v_fixed - v_random
    scale = np.sqrt(np.diag(v_fixed))
    if np.linalg.eigvalsh(spread / np.outer(scale, scale)).min() <= NOTHING_LEFT:
        raise InputError(
            "两个协方差矩阵之差不是正定的，Hausman 统计量没有意义", where=where, found=f"{len(names)} 个系数",
            expected="正定的差", fix="改用 mundlak 检验组内与组间系数是否相等；两个模型的系数仍可并列报告",
        )
    statistic = float(difference @ np.linalg.solve(spread, difference))
    return HausmanTest(tuple(names), statistic, len(names), float(stats.chi2.sf(statistic, len(names))))


@dataclass(frozen=True, slots=True)
class MundlakFit:
    """Within and between coefficients of one model.

    table : one row per coefficient: ``term``, ``part`` (组内, 组间), then the columns of ``estimate_table``.
    equality : joint test that within and between coefficients agree, for the columns that have both.
    fit : the linear model behind the table.
    """

    table: pd.DataFrame = field(repr=False)
    equality: WaldTest
    group: str
    groups: int
    fit: LinearFit = field(repr=False)

    def tidy(self) -> pd.DataFrame:
        """A copy of ``table``."""
        return self.table.copy()

    def summary(self) -> str:
        """Whether within and between coefficients differ, in one Chinese sentence."""
        test = self.equality
        return (
            f"{self.fit.outcome}：按 {self.group} 分 {self.groups} 组，组内与组间系数相等的检验 "
            f"F({test.df1}, {test.df2:.4g}) = {test.statistic:.4g}，p = {test.p:.3g}"
        )

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Within beside between coefficients."""
        return plot_coefficients(self.table.assign(label=self.table["term"], model=self.table["part"]), ax=ax)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "group": self.group, "groups": self.groups, "table": self.table.to_dict("records"),
            "equality": self.equality.to_dict(), "fit": self.fit.to_dict(),
        }


def mundlak(
    frame: pd.DataFrame, *, outcome: str, terms: Sequence[str], group: str, cluster: str | None = None,
    covariance: Covariance = "CR2", where: str = "组内与组间",
) -> MundlakFit:
    r"""Separate what a variable does inside groups from what its group mean does.

    .. math:: y_{ig} = \alpha + \beta_W'(x_{ig} - \bar x_g) + \beta_B'\bar x_g + e_{ig}

    by least squares, so that :math:`\hat\beta_W` is the fixed-effects estimate. Their equality is tested in the equal
    model with x and its group mean, where it says that the coefficient of the mean (composition effect) is zero.

    Parameters
    ----------
    frame : DataFrame, n rows
    outcome, terms
        As in ``fit_linear``. A column that does not vary inside groups has a between coefficient only; one whose
        group means are equal, a within coefficient only.
    group : str
        Column of groups (school, county); means are taken over the rows of the table.
    cluster : str, optional
        Clusters of the standard errors; the groups by default.
    covariance : str
        Of ``fit_linear``, by default CR2; with an unclustered kind give no ``cluster``.

    Returns
    -------
    MundlakFit

    Raises
    ------
    InputError
        As ``fit_linear``; fewer than two groups; or no column varies both inside groups and between them.

    Source
    ------
    Mundlak (1978); golden values from R (lm, clubSandwich).
    """
    outcome_vector(frame, outcome, where=where)
    design = design_matrix(frame, terms, where=where)
    codes, groups = cluster_codes(frame, group, where=where)
    if cluster is None and covariance in ("CR1", "CR2"):
        cluster = group
    size = np.bincount(codes)
    separate: dict[str, np.ndarray] = {}
    added: dict[str, np.ndarray] = {}
    both = []
    for name, values in zip(design.names[1:], design.matrix.T[1:], strict=True):
        mean = (np.bincount(codes, weights=values) / size)[codes]
        least = NOTHING_LEFT * np.std(values)
        inside, between = np.std(values - mean) > least, np.std(mean) > least
        separate |= ({f"{name}·组内": values - mean} if inside else {}) | ({f"{name}·组间": mean} if between else {})
        added[name] = values
        if inside and between:
            both.append(f"{name}·组间")
            added[both[-1]] = mean
    if not both:
        raise InputError(
            "没有一个自变量同时有组内与组间差异", where=f"{where}：{group}", found="、".join(design.names[1:]) or "没有自变量",
            expected="至少一个在组内和组间都变化的变量", fix="直接用 fit_linear 估计",
        )
    kept = frame[[outcome] if cluster is None else list(dict.fromkeys([outcome, cluster]))]
    options: dict[str, Any] = {"outcome": outcome, "covariance": covariance, "cluster": cluster, "where": where}
    fit = fit_linear(kept.assign(**separate), terms=list(separate), **options)
    equality = fit_linear(kept.assign(**added), terms=list(added), **options).wald(both)
    table = fit.estimates[lambda t: t["term"] != INTERCEPT].reset_index(drop=True)
    split = table["term"].str.rsplit("·", n=1)
    table = table.assign(term=split.str[0], part=split.str[1])
    return MundlakFit(table[["term", "part", *ESTIMATE_COLUMNS[1:]]], equality, group, groups, fit)
