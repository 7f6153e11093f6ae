"""Means, ratios, totals and shares of a sample of clusters (schools), with Taylor-linearised standard errors.

Everything is computed from one total per cluster, for one group of clusters or for many groups at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special, stats

from qbresearch.errors import InputError, check_choice
from qbresearch.statistics.estimates import LEVEL

ONE_CLUSTER = "只有一所学校，不能估计校际抽样误差"
LONELY_STRATUM = "有一层只有一所学校，不能估计校际抽样误差"
NO_CLUSTER = "没有一所学校有数据"
LOGIT = "logit 区间（t 分布）"
KORN_GRAUBARD = "Korn–Graubard 区间"
CLUSTERS_ONLY = "Clopper–Pearson 单侧界（有效样本量取学校数）"
COLUMNS = ["estimate", "se", "df", "low", "high", "clusters", "remark"]
SHARE_METHODS = {"korn_graubard": KORN_GRAUBARD, "logit": LOGIT}


@dataclass(frozen=True, slots=True)
class ClusteredEstimate:
    """One estimate: ``se``, ``df``, ``low`` and ``high`` are NaN only where ``remark`` (Chinese) says why.

    ``method`` names the interval of a share and is empty elsewhere.
    """

    estimate: float
    se: float
    df: float
    low: float
    high: float
    clusters: int
    remark: str
    method: str = ""


def clustered_ratio(
    numerators: ArrayLike, denominators: ArrayLike, strata: Sequence[object] | None = None,
    population_clusters: ArrayLike | None = None, *, level: float = LEVEL,
) -> ClusteredEstimate:
    r"""Ratio of two totals over a sample of clusters; a weighted mean is the ratio of sum(w y) to sum(w).

    .. math:: \hat R = \frac{\sum_j y_j}{\sum_j x_j}, \quad u_j = \frac{y_j - \hat R x_j}{\sum_j x_j}, \quad
              \widehat{Var} = \sum_h \left(1 - \frac{J_h}{N_h}\right)\frac{J_h}{J_h - 1}
              \sum_{j \in h} (u_j - \bar u_h)^2

    Parameters
    ----------
    numerators, denominators : array-like, shape (J,)
        Weighted totals of each cluster, in any unit; denominators >= 0. A cluster whose denominator is 0 (sampled,
        but nobody there belongs to the group asked about) is part of the sample but brings no degree of freedom.
    strata : sequence, length J, optional
        Stratum of each cluster.
    population_clusters : number or array-like, shape (J,), optional
        Clusters in the population of the cluster's stratum (N_h): finite population correction.
    level : float
        Coverage of the interval, from the t distribution with clusters - strata degrees of freedom.

    Returns
    -------
    ClusteredEstimate
        One cluster, or a stratum with one cluster that is not the whole stratum: the estimate, and a remark instead
        of a standard error. Equal clusters: standard error 0.

    Raises
    ------
    InputError
        Missing values, negative denominators, no cluster, or fewer clusters in the population than in the sample.

    Source
    ------
    Särndal, Swensson & Wretman (1992), ch. 4-5; golden values from R's survey package.
    """
    zeros = np.zeros(np.shape(np.asarray(numerators)), dtype=np.int64)
    frame = ratios_by_group(numerators, denominators, zeros, 1, strata, population_clusters, level=level)
    if frame["remark"].iloc[0] == NO_CLUSTER:
        raise InputError(
            "比值算不出来：分母合计为零", where="整群抽样估计", found=f"{len(zeros)} 所学校的分母全部为 0",
            expected="至少一所学校的分母大于 0", fix="核对学生数与权重",
        )
    return _one(frame)


def clustered_total(
    totals: ArrayLike, strata: Sequence[object] | None = None, population_clusters: ArrayLike | None = None,
    *, level: float = LEVEL,
) -> ClusteredEstimate:
    """Sum of weighted cluster totals with its standard error; parameters as for :func:`clustered_ratio`."""
    y = np.asarray(totals, dtype=float)
    zeros = np.zeros(y.shape, dtype=np.int64)
    _check(y, np.ones(y.shape), zeros)
    variance, df, remark = _variances(y, zeros, 1, strata, population_clusters, np.ones(len(y), dtype=bool))
    return _one(_with_t(np.array([y.sum()]), variance, df, np.array([len(y)]), remark, level))


def clustered_share(
    numerators: ArrayLike, denominators: ArrayLike, strata: Sequence[object] | None = None,
    population_clusters: ArrayLike | None = None, *, persons: float | None = None, method: str = "korn_graubard",
    level: float = LEVEL,
) -> ClusteredEstimate:
    r"""Share of persons, with an interval that stays between 0 and 1; see :func:`shares_by_group` for the interval.

    ``numerators`` are the weights of the persons concerned in each cluster, ``denominators`` those of all persons,
    ``persons`` the unweighted number of persons. The rest is as in :func:`clustered_ratio`.
    """
    zeros = np.zeros(np.shape(np.asarray(numerators)), dtype=np.int64)
    counted = None if persons is None else [persons]
    frame = shares_by_group(
        numerators, denominators, zeros, 1, strata, population_clusters, persons=counted, method=method,
        level=level,
    )
    if frame["remark"].iloc[0] == NO_CLUSTER:
        return clustered_ratio(numerators, denominators, strata, population_clusters)  # refuses in words
    return _one(frame)


def ratios_by_group(
    numerators: ArrayLike, denominators: ArrayLike, groups: np.ndarray, n_groups: int,
    strata: Sequence[object] | None = None, population_clusters: ArrayLike | None = None, *, level: float = LEVEL,
) -> pd.DataFrame:
    """:func:`clustered_ratio` for every group of clusters.

    Parameters
    ----------
    groups : int array, shape (J,)
        Group of each cluster, 0 to ``n_groups - 1``; strata are nested in groups.

    Returns
    -------
    DataFrame
        One row a group: ``estimate, se, df, low, high, clusters, remark``. A group in which nobody is has no estimate
        and says so in ``remark``.
    """
    y, x = np.asarray(numerators, dtype=float), np.asarray(denominators, dtype=float)
    _check(y, x, groups)
    used = x > 0
    total = np.bincount(groups, x, n_groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.bincount(groups, np.where(used, y, 0.0), n_groups) / total
        influence = np.where(used, (y - ratio[groups] * x) / total[groups], 0.0)
    variance, df, remark = _variances(influence, groups, n_groups, strata, population_clusters, used)
    clusters = np.bincount(groups, used, n_groups).astype(np.int64)
    return _with_t(ratio, variance, df, clusters, remark, level)


def shares_by_group(
    numerators: ArrayLike, denominators: ArrayLike, groups: np.ndarray, n_groups: int,
    strata: Sequence[object] | None = None, population_clusters: ArrayLike | None = None,
    *, persons: ArrayLike | None = None, method: str = "korn_graubard", level: float = LEVEL,
) -> pd.DataFrame:
    r""":func:`clustered_share` for every group.

    The table is that of :func:`ratios_by_group` with a column ``method`` that names the interval.

    With p the share, v its variance, t the quantile with df degrees of freedom and n the number of persons:

    * Korn–Graubard (default): Clopper–Pearson bounds with the effective sample size
      :math:`n^* = \min\left(\frac{p(1-p)}{v}, n\right)\left(\frac{t_{n-1}}{t_{df}}\right)^2`;
    * logit: :math:`\mathrm{logit}^{-1}\left(\mathrm{logit}\,p \pm t\sqrt{v}/(p(1-p))\right)`;
    * nobody or everybody, with either: the data say nothing of v. Each cluster counts as one observation and the
      bound is one-sided, which is wide on purpose.

    Simulated with intraclass correlation 0.15, some 30 students a school of unequal size, shares 0.01 to 0.5 and 5, 8,
    12, 30 and 60 schools, Korn–Graubard covers the share in 94 to 99 % of samples, logit in 93 to 98 %.

    Parameters
    ----------
    persons : array-like, shape (n_groups,), optional
        Unweighted persons (n above); without them n is infinite.
    method : {"korn_graubard", "logit"}

    Source
    ------
    Korn & Graubard (1998), Survey Methodology 24; R's ``svyciprop(method = "beta" | "logit")``.
    """
    y, x = np.asarray(numerators, dtype=float), np.asarray(denominators, dtype=float)
    if y.shape == x.shape and (outside := (y < 0) | (y > x * (1 + 1e-9))).any():
        raise InputError(
            "比例算不出来：分子大于分母", where="整群抽样估计", found=f"{int(outside.sum())} 所学校的分子不在 0 与分母之间",
            expected="每所学校的分子不小于 0，不大于分母", fix="核对各等级的人数与权重",
        )
    frame = ratios_by_group(y, x, groups, n_groups, strata, population_clusters, level=level)
    low, high, names = share_intervals(
        frame["estimate"], frame["se"], frame["df"], frame["clusters"], np.inf if persons is None else persons,
        method=method, level=level,
    )
    return frame.assign(low=low, high=high, method=names)[[*COLUMNS, "method"]]


def share_intervals(
    share: ArrayLike, se: ArrayLike, df: ArrayLike, clusters: ArrayLike, persons: ArrayLike = np.inf, *,
    method: str = "korn_graubard", level: float = LEVEL,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bounds and names of the intervals described in :func:`shares_by_group`, all of shape (g,).

    NaN and an empty name where the standard error is NaN.
    """
    check_choice(method, SHARE_METHODS, name="区间方法", where="比例的区间")
    given = (np.asarray(a, dtype=float) for a in (share, se, df, clusters, persons))
    p, se, df, clusters, n = np.broadcast_arrays(*given)
    p = np.clip(p, 0.0, 1.0)
    low, high, names = np.full(p.shape, np.nan), np.full(p.shape, np.nan), np.full(p.shape, "", dtype=object)
    known = np.isfinite(se)
    edge = known & ((p == 0) | (p == 1))
    inside = known & ~edge
    tail = (1 - level) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        t = stats.t.ppf(1 - tail, df)
        if method == "logit":
            half = t * se / (p * (1 - p))
            bounds = special.expit(special.logit(p) - half), special.expit(special.logit(p) + half)
        else:
            effective = np.minimum(p * (1 - p) / se**2, n) * (stats.t.ppf(1 - tail, np.maximum(n - 1, 1)) / t) ** 2
            yes, no = effective * p, effective * (1 - p)
            bounds = stats.beta.ppf(tail, yes, no + 1), stats.beta.ppf(1 - tail, yes + 1, no)
    low[inside], high[inside] = bounds[0][inside], bounds[1][inside]
    exact = inside & (se == 0) & np.isinf(n)  # infinitely many observations: the limit of the formulas
    low[exact] = high[exact] = p[exact]
    names[inside] = SHARE_METHODS[method]
    bound = 1 - np.power(1 - level, 1 / np.maximum(clusters, 1))
    low[edge], high[edge] = np.where(p == 0, 0.0, 1 - bound)[edge], np.where(p == 0, bound, 1.0)[edge]
    names[edge] = CLUSTERS_ONLY
    return low, high, names


def design_effect(
    variance: ArrayLike, weights: ArrayLike, squares: ArrayLike, persons: ArrayLike, *, population: ArrayLike = np.inf
) -> np.ndarray:
    r"""Variance of a mean over that of a simple random sample of as many persons.

    .. math:: deff = \frac{v}{s^2/n\,(1 - n/N)}, \qquad
              s^2 = \frac{n}{n-1}\frac{\sum_i w_i (y_i - \bar y_w)^2}{\sum_i w_i}

    Parameters
    ----------
    variance : array-like
        Squared standard error of the mean.
    weights, squares : array-like
        Sum of w and sum of w (y - mean)² over all persons.
    persons : array-like
        Number of persons (n).
    population : array-like
        Persons in the population (N); infinity compares with sampling with replacement.

    Returns
    -------
    ndarray
        NaN where there is one person or all are equal.

    Source
    ------
    Kish (1965); R's ``svymean(deff = TRUE)`` with N the sum of weights.
    """
    n, w = np.asarray(persons, dtype=float), np.asarray(weights, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        simple = np.asarray(squares, dtype=float) / w / (n - 1) * (1 - n / np.asarray(population, dtype=float))
        return np.where(simple > 0, np.asarray(variance, dtype=float) / simple, np.nan)


def _variances(
    influence: np.ndarray, groups: np.ndarray, n_groups: int, strata: Sequence[object] | None,
    population_clusters: ArrayLike | None, used: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Variance of the sum of ``influence`` in every group, its degrees of freedom, and why there is none."""
    if strata is None:
        cell, n_cells = np.asarray(groups), n_groups
    else:
        codes, names = pd.factorize(np.asarray(strata, dtype=object), use_na_sentinel=True)
        if len(codes) != len(influence) or (codes < 0).any():
            raise InputError(
                "有学校没有分层", where="整群抽样估计", found=f"{int((codes < 0).sum())} 所学校的层是空白",
                expected="每所学校属于一层", fix="补上分层变量，或不分层估计",
            )
        cell, n_cells = groups * len(names) + codes, n_groups * len(names)
    size = np.bincount(cell, minlength=n_cells)
    counted = np.bincount(cell, used, n_cells)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(cell, influence, n_cells) / size
        squares = np.bincount(cell, (influence - mean[cell]) ** 2, n_cells)
        fraction = _fractions(population_clusters, cell, size)
        part = (1 - fraction) * size / (size - 1) * squares
    owner = np.arange(n_cells) // (n_cells // n_groups)
    complete = fraction >= 1  # every cluster of the stratum was seen: it adds no error
    lonely = (size == 1) & ~complete
    part = np.where((size == 0) | complete, 0.0, np.where(lonely, np.nan, part))
    variance = np.bincount(owner, part, n_groups)
    clusters = np.bincount(owner, counted, n_groups)
    df = clusters - np.bincount(owner, counted > 0, n_groups)
    alone = np.bincount(owner, lonely, n_groups) > 0
    remark = np.select(
        [clusters == 0, clusters == 1, alone | (df == 0)], [NO_CLUSTER, ONE_CLUSTER, LONELY_STRATUM], default=""
    ).astype(object)
    return np.where(remark == "", variance, np.nan), np.where(remark == "", df, np.nan), remark


def _fractions(population_clusters: ArrayLike | None, cell: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Sampling fraction of every stratum, shape (cells,)."""
    if population_clusters is None:
        return np.zeros(len(size))
    population = np.broadcast_to(np.asarray(population_clusters, dtype=float), cell.shape)
    stated = np.zeros(len(size))
    np.maximum.at(stated, cell, population)
    if not np.isfinite(population).all() or (stated < size).any():
        raise InputError(
            "总体学校数不对", where="整群抽样估计", found="总体学校数有缺失，或小于样本学校数", expected="每层的总体学校数不小于样本学校数",
            fix="核对总体学校数，或不作有限总体校正",
        )
    return np.divide(size, stated, out=np.zeros(len(size)), where=stated > 0)


def _with_t(
    estimate: np.ndarray, variance: np.ndarray, df: np.ndarray, clusters: np.ndarray, remark: np.ndarray, level: float
) -> pd.DataFrame:
    se = np.sqrt(variance)
    half = stats.t.ppf((1 + level) / 2, df) * se
    return pd.DataFrame(
        {"estimate": estimate, "se": se, "df": df, "low": estimate - half, "high": estimate + half,
         "clusters": clusters, "remark": remark}, columns=COLUMNS,
    )


def _one(frame: pd.DataFrame) -> ClusteredEstimate:
    row = frame.iloc[0].to_dict()
    numbers = {name: float(row.pop(name)) for name in ("estimate", "se", "df", "low", "high")}
    return ClusteredEstimate(**numbers, clusters=int(row.pop("clusters")), **row)


def _check(y: np.ndarray, x: np.ndarray, groups: np.ndarray) -> None:
    if y.ndim != 1 or y.shape != x.shape or y.shape != np.shape(groups) or not len(y):
        raise InputError(
            "整群抽样估计算不出来：数组形状不对", where="整群抽样估计", found=f"分子 {y.shape}，分母 {x.shape}",
            expected="两个一样长、至少一所学校的一维数组", fix="每所学校一个分子、一个分母",
        )
    if not np.isfinite(x).all() or (x < 0).any():
        raise InputError(
            "整群抽样估计算不出来：分母不对", where="整群抽样估计", found=f"{int((~(x >= 0) | ~np.isfinite(x)).sum())} 所学校的分母缺失、为负或无穷",
            expected="每所学校的分母（权重合计）不小于 0", fix="核对学生数与权重",
        )
    if bad := int((~np.isfinite(y) & (x > 0)).sum()):
        raise InputError(
            "整群抽样估计算不出来：有缺失值", where="整群抽样估计", found=f"{len(y)} 所学校中 {bad} 所没有数值",
            expected="有学生的学校都有数值", fix="补上数据；若要剔除，请先明确剔除并报告剔除了哪些",
        )
