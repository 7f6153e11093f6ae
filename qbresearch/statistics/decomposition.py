"""Why a coefficient changes when variables are added: the parts of the change that each added block accounts for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from qbresearch.errors import InputError
from qbresearch.exhibits.figures import plot_coefficients
from qbresearch.statistics.clusters import (
    cluster_codes,
    cluster_sums,
    stata_factor,
    weight_vector,
)
from qbresearch.statistics.design import (
    INTERCEPT,
    check_rank,
    design_matrix,
    outcome_vector,
)
from qbresearch.statistics.estimates import estimate_table
from qbresearch.statistics.records import plain_records

COMPONENTS = {"short": "加入前", "long": "加入后", "difference": "变化", "block": "归于"}


@dataclass(frozen=True, slots=True)
class DecompositionResult:
    """Change of each base coefficient, shared out among the added blocks.

    Attributes
    ----------
    table : DataFrame
        Rows ``variable`` x ``component``: ``short`` (without the added blocks), ``long`` (with them), ``difference``
        (short minus long), and one ``block`` row an added block; columns ``variable, component, block, estimate, se,
        df, statistic, p, low, high``. The blocks of a variable add up to its difference.
    outcome : str
        The outcome of both models.
    n : int
        Rows.
    clusters : int or None
        Clusters of the standard errors; ``None`` for heteroskedasticity-robust ones.
    """

    table: pd.DataFrame
    outcome: str
    n: int
    clusters: int | None

    def tidy(self) -> pd.DataFrame:
        """A copy of the table."""
        return self.table.copy()

    def summary(self) -> str:
        """What becomes of the first base coefficient and which block moves it most, in one Chinese sentence."""
        variable = self.table["variable"].iloc[0]
        rows = self.table[self.table["variable"] == variable].set_index("component")["estimate"]
        blocks = self.table[(self.table["variable"] == variable) & (self.table["component"] == "block")]
        top = blocks.loc[blocks["estimate"].abs().idxmax()]
        return (
            f"{variable}对{self.outcome}的系数由 {rows['short']:.3g} 变为 {rows['long']:.3g}；"
            f"变化 {rows['difference']:.3g} 中最大的一部分 {top['estimate']:.3g}"
            f"（95% 区间 {top['low']:.3g} 至 {top['high']:.3g}）归于{top['block']}"
        )

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Coefficients before and after, and the parts of the change, with intervals."""
        words = self.table["component"].map(COMPONENTS) + self.table["block"]
        return plot_coefficients(self.table.assign(label=self.table["variable"], model=words), ax=ax)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"outcome": self.outcome, "n": self.n, "clusters": self.clusters, "table": plain_records(self.table)}


def decompose(
    frame: pd.DataFrame, *, outcome: str, base: Sequence[str], added: Mapping[str, Sequence[str]],
    cluster: str | None = None, weights: str | None = None, where: str = "系数变化的分解",
) -> DecompositionResult:
    r"""Gelbach's decomposition of the change of coefficients between a short and a long model.

    .. math:: y = X_1 b^{short} + e^{short}, \qquad y = X_1 b_1 + X_2 b_2 + e, \qquad
              b^{short} - b_1 = \sum_g \hat\delta_g, \qquad \hat\delta_g = \hat\Gamma_g \hat b_{2g}, \qquad
              \hat\Gamma = (X_1'WX_1)^{-1} X_1'WX_2

    The parts do not depend on the order in which blocks are added, unlike coefficients of models built up step by step.
    Standard errors come from the joint influence of each row on all estimates, with

    .. math:: \psi_i(\delta_g) = \hat\Gamma_g \psi_i(b_{2g}) + (X_1'WX_1)^{-1} x_{1i} w_i
              \bigl(x_{2gi}'\hat b_{2g} - x_{1i}'\hat\delta_g\bigr)

    summed within clusters, so that :math:`\Gamma` counts as estimated.

    Parameters
    ----------
    frame : DataFrame, n rows
    outcome : str
        Numeric column.
    base : sequence of str
        Variables of the short model; an intercept is always there. Text columns are coded as 0/1.
    added : mapping of str to sequence of str
        Blocks of variables that only the long model has, by name.
    cluster : str, optional
        Column of the clusters (school, county).
    weights : str, optional
        Column of positive weights, such as students.
    where : str
        What is being modelled, for messages.

    Returns
    -------
    DecompositionResult
        Estimates in units of the outcome per unit of the base variable. Standard errors are CR1 (G/(G-1) times
        (n-1)/(n-k)) with G - 1 degrees of freedom, or HC1 with n - k; k counts the columns of the long model, and of
        the short one for ``short``. An added variable unrelated to the base variable or to the outcome moves nothing.

    Raises
    ------
    InputError
        No base variables, no blocks, one empty, a column twice; a missing value, a constant or collinear column, more
        columns than rows; one cluster; a weight that is not positive.

    Source
    ------
    Gelbach (2016), Journal of Labor Economics 34(2). Golden values from R (stacked regressions with sandwich).
    """
    _check_names(outcome, base, added, where)
    y = outcome_vector(frame, outcome, where=where)
    short = design_matrix(frame, base, where=where)
    blocks = [design_matrix(frame, columns, intercept=False, where=where) for columns in added.values()]
    matrix = np.column_stack([short.matrix, *(b.matrix for b in blocks)])
    check_rank(matrix, [*short.names, *(name for b in blocks for name in b.names)], where=where)
    w = np.ones(len(y)) if weights is None else weight_vector(frame, weights, where=where)
    n, k, k1 = len(y), matrix.shape[1], len(short.names)
    codes, clusters = (np.arange(n), n) if cluster is None else cluster_codes(frame, cluster, where=where)

    b_short, influence_short = _fit(short.matrix, y, w)
    b_long, influence_long = _fit(matrix, y, w)
    parts, influences, start = [], [], k1
    for block in blocks:
        here = slice(start, start + len(block.names))
        moved, influence = _fit(short.matrix, block.matrix @ b_long[here], w)
        gamma = _fit(short.matrix, block.matrix, w)[0]
        parts.append(moved)
        influences.append(influence + influence_long[:, here] @ gamma.T)
        start = here.stop
    rows = [
        ("short", "", b_short, influence_short, k1), ("long", "", b_long[:k1], influence_long[:, :k1], k),
        ("difference", "", b_short - b_long[:k1], influence_short - influence_long[:, :k1], k),
        *(("block", name, *found, k) for name, found in zip(added, zip(parts, influences, strict=True), strict=True)),
    ]
    errors = [
        np.sqrt((cluster_sums(influence, codes, clusters) ** 2).sum(axis=0) * stata_factor(clusters, n, columns))
        for _, _, _, influence, columns in rows
    ]
    df = [n - columns if cluster is None else clusters - 1 for *_, columns in rows]
    variables = [name for name in short.names if name != INTERCEPT]
    # Variable after variable, and for each its components; the intercept, which stands first, is left out.
    table = estimate_table(
        np.repeat(variables, len(rows)), np.array([row[2] for row in rows])[:, 1:].T.ravel(),
        np.array(errors)[:, 1:].T.ravel(), np.tile(df, len(variables)),
    ).rename(columns={"term": "variable"})
    table.insert(1, "component", [row[0] for row in rows] * len(variables))
    table.insert(2, "block", [row[1] for row in rows] * len(variables))
    return DecompositionResult(table, outcome, n, None if cluster is None else clusters)


def _fit(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted least squares: coefficients, and for a single outcome the influence of each row on them (n, k)."""
    root = np.sqrt(weights)
    q, r = np.linalg.qr(x * root[:, None])
    to_coefficients = np.linalg.solve(r, q.T)
    coefficients = to_coefficients @ (y.T * root).T
    if y.ndim == 2:
        return coefficients, np.empty((len(x), 0))
    return coefficients, to_coefficients.T * (root * (y - x @ coefficients))[:, None]


def _check_names(outcome: str, base: Sequence[str], added: Mapping[str, Sequence[str]], where: str) -> None:
    if not base or not added or not all(added.values()):
        raise InputError(
            "没有可分解的模型", where=where,
            found=f"基础变量 {len(base)} 个，加入的组 {len(added)} 个，其中空组 {sum(not c for c in added.values())} 个",
            expected="至少一个基础变量和一组加入的变量，每组不空", fix="核对变量名单；两个模型可分别估计",
        )
    named = [outcome, *base, *(column for columns in added.values() for column in columns)]
    if twice := sorted({column for column in named if named.count(column) > 1}):
        raise InputError(
            "同一列出现了两次", where=where, found="、".join(twice), expected="每列只在基础变量或一组加入的变量中出现，且不是结果变量",
            fix="从多余的地方去掉它",
        )
