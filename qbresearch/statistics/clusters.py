"""Inference where errors hang together inside clusters: CR1, CR2 with its degrees of freedom, the wild bootstrap."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from qbresearch.errors import InputError, check_choice
from qbresearch.statistics.design import design_matrix, outcome_vector
from qbresearch.statistics.estimates import LEVEL

# Below this number of clusters the normal approximation of cluster-robust tests is known to be too optimistic.
FEW_CLUSTERS = 50
# An eigenvalue of the residual-maker below this is a direction in which a cluster has no residual at all.
NO_RESIDUAL = 1e-10
WEBB = np.array([-math.sqrt(1.5), -1.0, -math.sqrt(0.5), math.sqrt(0.5), 1.0, math.sqrt(1.5)])
# A draw as extreme as the data up to rounding is as extreme as the data; a p value of exactly 5 % rejects.
TIE = 1e-10
ALPHA = 1 - LEVEL + 1e-12
# The search for a bound of the interval stops this many doublings of the standard error from the estimate.
DOUBLINGS = 20
AT_ONCE = 2_000_000


def cluster_codes(frame: pd.DataFrame, column: str, *, where: str) -> tuple[np.ndarray, int]:
    """Number the clusters of a column.

    Returns
    -------
    codes : int array, shape (n,)
        Cluster of each row, 0 to G - 1.
    clusters : int
        G.

    Raises
    ------
    InputError
        The column is absent, a row has no cluster, or there are fewer than two clusters.
    """
    if column not in frame:
        raise InputError(
            "没有这一列", where=where, found=column, expected="、".join(map(str, frame.columns)), fix="核对聚类变量的名称"
        )
    codes, levels = pd.factorize(frame[column])
    if missing := int((codes < 0).sum()):
        raise InputError(
            "有观测不属于任何一个簇", where=f"{where}：{column}", found=f"{len(frame)} 个观测中 {missing} 个没有数值",
            expected="每个观测属于一个簇（如学校）", fix="先明确剔除或补上，并在报告中写明",
        )
    if len(levels) < 2:
        raise InputError(
            "簇太少，不能按簇计算标准误", where=f"{where}：{column}", found=f"{len(levels)} 个簇", expected="至少 2 个簇",
            fix="合并多所学校或多个县；不按簇的稳健标准误（HC3）与描述统计仍可报告",
        )
    return codes, len(levels)


def weight_vector(frame: pd.DataFrame, column: str, *, where: str) -> np.ndarray:
    """Positive finite weights, shape (n,); anything else is refused with the count."""
    if column not in frame or not pd.api.types.is_numeric_dtype(frame[column]):
        raise InputError("权重不是一列数", where=where, found=column, expected="数值列", fix="核对权重变量的名称与类型")
    weights = frame[column].to_numpy(dtype=float, na_value=np.nan)
    if bad := int((~(np.isfinite(weights) & (weights > 0))).sum()):
        raise InputError(
            "权重不对", where=f"{where}：{column}", found=f"{len(weights)} 个观测中 {bad} 个权重缺失、为零或为负",
            expected="每个权重都大于 0", fix="先明确剔除这些观测并在报告中写明；不加权的模型仍可估计",
        )
    return weights


def cluster_sums(rows: np.ndarray, codes: np.ndarray, clusters: int) -> np.ndarray:
    """Sums of rows by cluster, shape (G, k)."""
    return np.column_stack([np.bincount(codes, weights=column, minlength=clusters) for column in rows.T])


def stata_factor(clusters: int, n: int, k: int) -> float:
    """The small-sample factor of CR1: G/(G - 1) times (n - 1)/(n - k)."""
    return clusters / (clusters - 1) * (n - 1) / (n - k)


@dataclass(frozen=True, slots=True)
class BiasReduced:
    r"""What CR2 needs of every cluster, in coordinates in which :math:`(X'WX)^{-1}` is the identity.

    With :math:`Z = X R^{-1}`, :math:`Z'WZ = I`, the adjustment of cluster g is
    :math:`A_g = B_g^{+1/2}`, :math:`B_g = (I - H)_g (I - H)_g'`, where the working model is independent errors of one
    variance (also for weighted fits).

    directions : (k, p) the p reported coefficients in these coordinates.
    scores : (G, k) :math:`Z_g' W_g A_g e_g`.
    plain, weighted, square : (G, k, k) :math:`Z'AWZ`, :math:`Z'WAWZ` and :math:`Z'WA^2WZ` of each cluster.
    spread : (k, k) :math:`Z'W^2Z`.
    """

    directions: np.ndarray
    scores: np.ndarray
    plain: np.ndarray
    weighted: np.ndarray
    square: np.ndarray
    spread: np.ndarray

    def covariance(self) -> np.ndarray:
        """CR2 covariance of the reported coefficients, shape (p, p)."""
        scores = self.scores @ self.directions
        return scores.T @ scores

    def degrees(self) -> np.ndarray:
        """Satterthwaite degrees of freedom of each reported coefficient, shape (p,)."""
        products = (self._products(direction, direction) for direction in self.directions.T)
        return np.array([np.trace(p) ** 2 / np.sum(p * p) for p in products])

    def hotelling(self, positions: Sequence[int]) -> float:
        """Degrees of freedom eta of the approximate Hotelling distribution of a joint test (HTZ)."""
        directions = self.directions[:, list(positions)]
        expected = [[np.trace(self._products(one, two)) for two in directions.T] for one in directions.T]
        values, vectors = np.linalg.eigh(np.array(expected))
        directions = directions @ (vectors / np.sqrt(values)) @ vectors.T
        q, variance = directions.shape[1], 0.0
        own = [self._products(d, d) for d in directions.T]
        for s in range(q):
            for t in range(q):
                cross = self._products(directions[:, s], directions[:, t])
                variance += np.sum(own[s] * own[t]) + np.sum(cross * cross.T)
        return float(q * (q + 1) / variance)

    def _products(self, one: np.ndarray, two: np.ndarray) -> np.ndarray:
        """Inner products between clusters of two coefficients' residual-space vectors, shape (G, G)."""
        u, v, x, y = self.plain @ one, self.weighted @ one, self.plain @ two, self.weighted @ two
        products = u @ self.spread @ x.T - u @ y.T - v @ x.T
        np.einsum("gg->g", products)[...] += np.einsum("i,gij,j->g", one, self.square, two)
        return products


def bias_reduced(
    z: np.ndarray, residuals: np.ndarray, codes: np.ndarray, clusters: int, directions: np.ndarray,
    weights: np.ndarray | None = None,
) -> BiasReduced:
    """Adjust the scores of every cluster as Bell and McCaffrey do.

    The adjustment differs from the identity only in the span of a cluster's rows of ``z`` (and of the weighted rows),
    so that no matrix of the size of a cluster is needed.

    Parameters
    ----------
    z : array, shape (n, k)
        Design with ``z' W z`` the identity.
    residuals : array, shape (n,)
    codes : int array, shape (n,)
    directions : array, shape (k, p)
        Reported coefficients in the coordinates of ``z``.
    weights : array, shape (n,), optional
        Of mean one or so: their scale does not matter, but digits are lost where it is extreme.
    """
    order = np.argsort(codes, kind="stable")
    rows = np.split(order, np.cumsum(np.bincount(codes, minlength=clusters))[:-1])
    if weights is None:
        # B = I - Z Z', whose eigenvectors in the span of Z follow from those of Z'Z.
        values, vectors = np.linalg.eigh(np.stack([z[r].T @ z[r] for r in rows]))
        factor, turned = _inverse_root(1.0 - values), vectors.transpose(0, 2, 1)
        errors = turned @ np.stack([z[r].T @ residuals[r] for r in rows])[..., None]
        once = (vectors * (values * factor)[:, None, :]) @ turned
        twice = (vectors * (values * factor**2)[:, None, :]) @ turned
        scores = (vectors @ (factor[..., None] * errors))[..., 0]
        return BiasReduced(directions, scores, once, once, twice, np.eye(z.shape[1]))
    k, heavy = z.shape[1], z * weights[:, None]
    spread, eye = heavy.T @ heavy, np.eye(z.shape[1])
    core = np.block([[spread, -eye], [-eye, np.zeros((k, k))]])
    parts: list[tuple[np.ndarray, ...]] = []
    for r in rows:
        # B = I + F C F' with F = [Z, W Z].
        basis, triangle = np.linalg.qr(np.hstack([z[r], heavy[r]]))
        values, vectors = np.linalg.eigh(np.eye(basis.shape[1]) + triangle @ core @ triangle.T)
        half = (_inverse_root(values) ** 0.5)[:, None] * (vectors.T @ triangle)
        full = _inverse_root(values)[:, None] * (vectors.T @ triangle[:, k:])
        scores = full.T @ (vectors.T @ (basis.T @ residuals[r]))
        parts.append((scores, half[:, :k].T @ half[:, k:], half[:, k:].T @ half[:, k:], full.T @ full))
    return BiasReduced(directions, *(np.stack(p) for p in zip(*parts, strict=True)), spread)


def _inverse_root(values: np.ndarray) -> np.ndarray:
    """Eigenvalues to the power -1/2, zero in directions without a residual (Moore and Penrose)."""
    return np.where(values > NO_RESIDUAL, np.maximum(values, NO_RESIDUAL) ** -0.5, 0.0)


def one_cluster_only(
    basis: np.ndarray, codes: np.ndarray, clusters: int, directions: np.ndarray, names: Sequence[str]
) -> list[str]:
    """Coefficients that could not be estimated without one of the clusters.

    Parameters
    ----------
    basis : array, shape (n, k)
        Orthonormal columns that span the (root-weighted) design.
    directions : array, shape (k, p)
        Coefficients ``names`` in the coordinates of ``basis``.
    """
    rows = np.einsum("ij,ij->i", basis, basis)
    # A cluster takes a direction away only where its part of the hat matrix has an eigenvalue of one.
    heavy = np.flatnonzero(np.bincount(codes, weights=rows, minlength=clusters) > 1 - NO_RESIDUAL)
    lost = np.zeros(directions.shape[1], dtype=bool)
    length = np.linalg.norm(directions, axis=0)
    for cluster in heavy:
        own = basis[codes == cluster]
        values, vectors = np.linalg.eigh(own.T @ own)
        lost |= (np.abs(vectors[:, values > 1 - NO_RESIDUAL].T @ directions) > 1e-6 * length).any(axis=0)
    return [name for name, without in zip(names, lost, strict=True) if without]


@dataclass(frozen=True, slots=True)
class WildBootstrap:
    """Wild cluster bootstrap test of one coefficient.

    ``estimate``, ``se`` (CR1) and ``statistic`` are the data's; ``p`` and the interval ``low`` to ``high`` are the
    bootstrap's. ``low`` or ``high`` is infinite where the test never rejects on that side. ``draws`` is the number of
    sign patterns used, ``enumerated`` whether these are all there are.
    """

    outcome: str
    term: str
    null: float
    estimate: float
    se: float
    statistic: float
    p: float
    low: float
    high: float
    n: int
    clusters: int
    draws: int
    enumerated: bool
    kind: str
    seed: int
    remark: str
    distribution: np.ndarray = field(repr=False)

    def tidy(self) -> pd.DataFrame:
        """One row: term, null, estimate, se, statistic, p, low, high, clusters, draws."""
        names = ["term", "null", "estimate", "se", "statistic", "p", "low", "high", "clusters", "draws"]
        return pd.DataFrame([{name: getattr(self, name) for name in names}])

    def summary(self) -> str:
        """Estimate, p value and interval in one Chinese sentence."""
        way = "全部符号组合" if self.enumerated else f"{self.draws} 次抽取"
        low, high = (f"{b:.4g}" if math.isfinite(b) else "无界" for b in (self.low, self.high))
        return (
            f"{self.term} 的系数 {self.estimate:.4g}，野生聚类自助检验 p = {self.p:.3f}，"
            f"95% 区间 {low} 至 {high}（{self.clusters} 个簇，{way}）"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data without the draws; an infinite bound is ``None``."""
        names = [name for name in self.__slots__ if name != "distribution"]
        values = {name: getattr(self, name) for name in names}
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}


def wild_cluster_bootstrap(
    frame: pd.DataFrame, *, outcome: str, terms: Sequence[str], term: str, cluster: str, draws: int = 9999,
    kind: Literal["rademacher", "webb"] = "rademacher", seed: int, null: float = 0.0, weights: str | None = None,
    where: str = "野生聚类自助检验",
) -> WildBootstrap:
    r"""Test one coefficient by the restricted wild cluster bootstrap (WCR), and invert the test for an interval.

    With the null imposed, residuals :math:`\tilde e` and one random factor :math:`v_g` a cluster,

    .. math:: y^*_g = X_g \tilde\beta + v_g \tilde e_g, \qquad t^* = (\beta^*_j - \beta_0) / se^*_{CR1}

    Only sums by cluster enter :math:`t^*`, so a draw costs G k operations, not n.

    Parameters
    ----------
    frame : DataFrame, n rows
    outcome, terms, weights
        As in :func:`~qbresearch.statistics.regression.fit_linear`.
    term : str
        Name of the coefficient tested, as it stands in the model (``column[level]`` for a level of text).
    cluster : str
        Column of clusters, at least two; few are what the method is made for, but with G clusters and Rademacher
        factors no p value below 2^(1 - G) can come out.
    draws : int
        Random draws. If all 2^G sign patterns are no more than this, Rademacher factors are enumerated instead.
    kind : "rademacher" or "webb"
        Factors of -1 and 1, or Webb's six values (for about ten clusters or fewer).
    seed : int
        Of the random draws; not used under enumeration.
    null : float
        Value of the coefficient under the null, in the unit of the estimate.

    Returns
    -------
    WildBootstrap
        Two-sided p: the share of \|t*\| >= \|t\| among all patterns, or (1 + count) / (1 + draws) for random draws. The
        95 % interval holds the nulls with p > 0.05, found by bisection on each side of the estimate.

    Raises
    ------
    InputError
        As ``fit_linear``; or the term is not in the model, or one cluster alone decides its coefficient.

    Source
    ------
    Cameron, Gelbach and Miller (2008); Webb (2023); algebra by cluster of Roodman et al. (2019). Golden values: a
    naive loop in R over all sign patterns.
    """
    check_choice(kind, ("rademacher", "webb"), name="扰动分布", where=where)
    if draws < 99:
        raise InputError("抽取次数太少", where=where, found=str(draws), expected="至少 99 次", fix="常用 9999 次")
    y = outcome_vector(frame, outcome, where=where)
    design = design_matrix(frame, terms, where=where)
    if term not in design.names:
        raise InputError("模型中没有这一项", where=where, found=term, expected="、".join(design.names), fix="核对要检验的变量名")
    codes, clusters = cluster_codes(frame, cluster, where=where)
    x = design.matrix
    if weights is not None:
        root = np.sqrt(weight_vector(frame, weights, where=where))
        y, x = y * root, x * root[:, None]
    parts = _ClusterParts.of(y, x, design.names.index(term), codes, clusters)
    if parts.lone:
        raise InputError(
            "这一项只由一个簇决定，不能按簇检验", where=f"{where}：{term}", found=f"{clusters} 个簇，{x.shape[1]} 个系数",
            expected="去掉任何一个簇后仍能估计的变量，且簇数多于学校层面的变量数", fix="去掉这一项，或合并类别；系数的点估计仍可报告",
        )
    estimate = parts.estimate
    scale = math.sqrt(stata_factor(clusters, *x.shape))
    error = scale * float(np.linalg.norm(parts.own_scores)) / parts.size
    enumerated = kind == "rademacher" and clusters < 63 and 2**clusters <= draws
    factors = _factors(kind, clusters, draws, seed, enumerated)
    curve = parts.curve(factors, scale)
    statistic = (estimate - null) / error

    def p_value(at: float) -> float:
        extreme = int(np.count_nonzero(np.abs(curve.at(at - estimate)) >= abs((estimate - at) / error) * (1 - TIE)))
        return extreme / len(factors) if enumerated else (1 + extreme) / (1 + len(factors))

    low, high = (_bound(p_value, estimate, side * error) for side in (-1.0, 1.0))
    return WildBootstrap(
        outcome, term, null, estimate, error, statistic, p_value(null), low, high, len(y), clusters, len(factors),
        enumerated, kind, seed, _wild_remark(clusters, kind, low, high), curve.at(null - estimate),
    )


def _wild_remark(clusters: int, kind: str, low: float, high: float) -> str:
    if kind == "rademacher" and 2.0 ** (1 - clusters) > 1 - LEVEL:
        return f"只有 {clusters} 个簇，p 值不可能小于 {2.0 ** (1 - clusters):.3g}，区间没有边界；可改用 webb 分布"
    if not (math.isfinite(low) and math.isfinite(high)):
        return "检验在一侧始终不能拒绝，区间在这一侧没有边界"
    return ""


def _factors(kind: str, clusters: int, draws: int, seed: int, enumerated: bool) -> np.ndarray:
    """Random factors, shape (draws, G); the first row of an enumeration is the data themselves."""
    if enumerated:
        return 1.0 - 2.0 * (np.arange(2**clusters)[:, None] >> np.arange(clusters) & 1)
    values = np.array([-1.0, 1.0]) if kind == "rademacher" else WEBB
    return np.random.Generator(np.random.PCG64(seed)).choice(values, size=(draws, clusters))


@dataclass(frozen=True, slots=True)
class _Curve:
    """Bootstrap t of every draw as a function of the null's distance from the estimate: a line over a root."""

    line: tuple[np.ndarray, np.ndarray]
    parabola: tuple[np.ndarray, np.ndarray, np.ndarray]

    def at(self, distance: float) -> np.ndarray:
        top = self.line[0] - distance * self.line[1]
        a, b, c = self.parabola
        below = np.maximum(a - 2 * distance * b + distance**2 * c, 0.0)
        # A draw in which every cluster's score vanishes has an infinite statistic, whatever its sign.
        return np.divide(top, np.sqrt(below), out=np.full_like(top, np.inf), where=below > 0)


@dataclass(frozen=True, slots=True)
class _ClusterParts:
    """Sums by cluster from which the t of any draw follows.

    Index 0 belongs to the unrestricted residuals, index 1 to the tested column without the others: restricted
    residuals are the former minus the null's distance from the estimate times the latter.
    """

    estimate: float
    size: float
    lone: bool
    own_scores: np.ndarray
    scores: tuple[np.ndarray, np.ndarray]
    pulls: tuple[np.ndarray, np.ndarray]
    weights: np.ndarray

    @classmethod
    def of(cls, y: np.ndarray, x: np.ndarray, tested: int, codes: np.ndarray, clusters: int) -> _ClusterParts:
        full = np.linalg.qr(x)[0]
        others = np.linalg.qr(np.delete(x, tested, axis=1))[0]
        rest = x[:, tested] - others @ (others.T @ x[:, tested])
        size = float(rest @ rest)
        estimate = float(rest @ y) / size
        residuals = y - full @ (full.T @ y)
        lone = one_cluster_only(full, codes, clusters, (full.T @ rest)[:, None], ["tested"])
        both = np.column_stack([rest, full])
        sums = [cluster_sums(both * r[:, None], codes, clusters) for r in (residuals, rest)]
        return cls(
            estimate, size, bool(lone), cluster_sums((rest * residuals)[:, None], codes, clusters)[:, 0],
            (sums[0][:, 0], sums[1][:, 0]), (sums[0][:, 1:], sums[1][:, 1:]),
            cluster_sums(full * rest[:, None], codes, clusters),
        )

    def curve(self, factors: np.ndarray, scale: float) -> _Curve:
        blocks = np.array_split(factors, max(1, factors.size // AT_ONCE))
        parts: list[list[np.ndarray]] = []
        for v in blocks:
            a, b = (v * s - (v @ pull) @ self.weights.T for s, pull in zip(self.scores, self.pulls, strict=True))
            parts.append([
                v @ self.scores[0] / scale, v @ self.scores[1] / scale,
                np.einsum("dg,dg->d", a, a), np.einsum("dg,dg->d", a, b), np.einsum("dg,dg->d", b, b),
            ])
        n0, n1, a, b, c = (np.concatenate(p) for p in zip(*parts, strict=True))
        return _Curve((n0, n1), (a, b, c))


def _bound(p_value: Callable[[float], float], estimate: float, step: float) -> float:
    """Where the test begins to reject, going from the estimate in the direction of ``step``."""
    inside, outside = estimate, estimate + step
    for _ in range(DOUBLINGS):
        if p_value(outside) <= ALPHA:
            break
        inside, outside = outside, estimate + 2 * (outside - estimate)
    else:
        return math.copysign(math.inf, step)
    while abs(outside - inside) > TIE * abs(step):
        middle = (inside + outside) / 2
        if middle in (inside, outside):
            break
        inside, outside = (inside, middle) if p_value(middle) <= ALPHA else (middle, outside)
    return (inside + outside) / 2
