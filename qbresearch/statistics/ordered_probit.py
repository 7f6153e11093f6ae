"""Means and standard deviations of schools recovered from counts per level (heteroskedastic ordered probit, HETOP)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import sparse, special, stats
from scipy.sparse.linalg import splu

from qbresearch.errors import InputError
from qbresearch.statistics.estimates import LEVEL
from qbresearch.statistics.records import plain_records

ALL_LOWEST, ALL_HIGHEST, EMPTY = "全部学生在最低一级，均值没有下界", "全部学生在最高一级，均值没有上界", "没有学生"
FEW_LEVELS, FEW_STUDENTS = "只有一两个等级有学生，标准差取各校平均", "学生少，标准差取各校平均"
COLUMNS = ["group", "students", "mean", "mean_se", "low", "high", "sd", "sd_se", "spread", "remark"]
_ROUNDS = 500
_TOLERANCE = 1e-5  # largest gradient at the end, in standard errors
_BLOCK = 256


@dataclass(frozen=True, slots=True)
class OrderedProbit:
    """What :func:`fit_ordered_probit` returns, on a scale where all students together have mean 0 and variance 1.

    table : one row a group: ``group, students, mean, mean_se, low, high, sd, sd_se``, ``spread`` (``own``, ``pooled``
        or empty) and ``remark`` (why a number is absent or borrowed).
    cuts : cut points between the levels; NaN where a level next to it is empty everywhere.
    icc, icc_se : share of variance between the groups' estimated means. icc_corrected : the same with the sampling
        variance of those means taken off.
    log_likelihood : without the multinomial constant.
    """

    table: pd.DataFrame
    cuts: np.ndarray
    icc: float
    icc_se: float
    icc_corrected: float
    log_likelihood: float
    heteroskedastic: bool
    covariance: np.ndarray = field(repr=False)

    def tidy(self) -> pd.DataFrame:
        """A copy of ``table``."""
        return self.table.copy()

    def summary(self) -> str:
        """How much lies between the groups, in one Chinese sentence."""
        known = self.table["mean"].notna()
        pooled, absent = int((self.table["spread"] == "pooled").sum()), int((~known).sum())
        text = f"由等级人数估计，校际差异占学生成绩差异的 {self.icc_corrected:.1%}（{int(known.sum())} 所学校）"
        if self.heteroskedastic and pooled:
            text += f"，其中 {pooled} 所学校的标准差取各校平均"
        return text + (f"，{absent} 所学校的均值不能估计" if absent else "")

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "table": plain_records(self.table), "cuts": self.cuts.tolist(), "icc": self.icc, "icc_se": self.icc_se,
            "icc_corrected": self.icc_corrected, "log_likelihood": self.log_likelihood,
            "heteroskedastic": self.heteroskedastic,
        }


def fit_ordered_probit(
    counts: ArrayLike, *, heteroskedastic: bool = True, group_names: Sequence[object] | None = None,
    own_spread_from: int = 30, level: float = LEVEL,
) -> OrderedProbit:
    r"""Fit an ordered probit model with a mean and (unless homoskedastic) a standard deviation for every group.

    .. math:: P(y_{ig} \le k) = \Phi\left(\frac{c_k - \mu_g}{\sigma_g}\right), \qquad
              \sum_g \tfrac{n_g}{N}\mu_g = 0, \quad \sum_g \tfrac{n_g}{N}(\mu_g^2 + \sigma_g^2) = 1, \qquad
              ICC = \sum_g \tfrac{n_g}{N}\mu_g^2

    :math:`ICC_{corrected} = (ICC - V)/(1 - V)` with V the student-weighted mean of the squared standard errors of the
    means. It assumes that some common scale exists on which every group is normal.

    Parameters
    ----------
    counts : array-like of whole numbers, shape (G, K)
        Unweighted students per group and level, from the lowest level to the highest; K >= 3.
    heteroskedastic : bool
        ``False`` gives all groups the same standard deviation (HOMOP).
    group_names : sequence, length G, optional
    own_spread_from : int
        Groups with fewer students, and groups with students in one or two levels only (whose spread the counts do
        not determine), get the student-weighted mean of the logarithms of the other groups' standard deviations,
        within the likelihood. They are marked ``pooled``.
    level : float
        Coverage of the intervals, from the normal distribution and the observed information.

    Returns
    -------
    OrderedProbit
        A group without students, or with all of them in the lowest or highest level, has no finite mean: it is left
        out of the model and says so in ``remark``.

    Raises
    ------
    InputError
        Counts are missing, negative or not whole; fewer than two groups with a finite mean; fewer than three levels
        with students; or no group with a spread of its own.

    Source
    ------
    Reardon, Shear, Castellano & Ho (2017), JEBS 42(1); golden values from R's ``ordinal::clm`` and ``optim``.
    """
    counts, names = _checked(counts, group_names)
    n = counts.sum(axis=1)
    levels = counts.shape[1]
    status = _without_mean(counts)
    used = status == ""
    filled = counts[used].sum(axis=0) > 0
    data, present = counts[used], n[used]
    _check_identified(filled, used)
    shared = np.full(used.sum(), "", dtype=object)
    if heteroskedastic:
        shared[present < own_spread_from] = FEW_STUDENTS
        shared[(data > 0).sum(axis=1) <= 2] = FEW_LEVELS
        if (shared != "").all():
            raise InputError(
                "没有一所学校能单独估计标准差", where="有序 probit", found=f"{used.sum()} 所学校都少于 {own_spread_from} 人，或只有一两个等级有学生",
                expected="至少一所学校有三个以上等级有学生", fix="用各校标准差相同的模型（heteroskedastic=False），或降低 own_spread_from",
            )
    spread = _spread_map(present, shared != "", heteroskedastic)
    mu, psi, cuts, likelihood = _maximise(data[:, filled], present, spread)

    share = present / present.sum()
    centre = share @ mu
    scale = np.sqrt(share @ ((mu - centre) ** 2 + np.exp(2 * (spread @ psi))))
    mu, psi, cuts = (mu - centre) / scale, psi - np.log(scale), (cuts - centre) / scale
    covariance = _covariance(data[:, filled], share, mu, psi, cuts, spread)
    g = len(mu)
    mean_se = np.sqrt(np.diag(covariance)[:g])
    log_se, sd = np.sqrt(np.diag(covariance)[g:]), np.exp(spread @ psi)
    icc = float(share @ mu**2)
    slope = 2 * share * mu
    icc_se = float(np.sqrt(slope @ covariance[:g, :g] @ slope))
    noise = float(share @ mean_se**2)
    z = stats.norm.ppf((1 + level) / 2)
    columns = dict(zip(
        COLUMNS[2:8], (mu, mean_se, mu - z * mean_se, mu + z * mean_se, sd, sd * log_se), strict=True
    ))
    table = pd.DataFrame({"group": names, "students": n})
    for column, values in columns.items():
        whole = np.full(len(n), np.nan)
        whole[used] = values
        table[column] = whole
    own = np.full(len(n), "", dtype=object)
    own[used] = np.where((shared != "") | (not heteroskedastic), "pooled", "own")
    status[used] = shared
    all_cuts = np.full(levels - 1, np.nan)
    all_cuts[np.flatnonzero(filled)[:-1]] = cuts
    all_cuts[np.flatnonzero(~filled[1:])] = np.nan
    return OrderedProbit(
        table.assign(spread=own, remark=status)[COLUMNS], all_cuts, icc, icc_se,
        max(0.0, (icc - noise) / (1 - noise)), likelihood, heteroskedastic, covariance,
    )


def _without_mean(counts: np.ndarray) -> np.ndarray:
    """Why a group has no finite mean; groups left out can leave a level empty, so the rest is looked at again."""
    n = counts.sum(axis=1)
    status = np.where(n == 0, EMPTY, "").astype(object)
    while (used := status == "").any():
        lowest, highest = np.flatnonzero(counts[used].sum(axis=0))[[0, -1]]
        if lowest == highest:
            break
        status[used & (counts[:, lowest] == n)] = ALL_LOWEST
        status[used & (counts[:, highest] == n)] = ALL_HIGHEST
        if (status[used] == "").all():
            break
    return status


def _spread_map(n: np.ndarray, shared: np.ndarray, heteroskedastic: bool) -> sparse.csr_array:
    """Matrix that makes every group's log standard deviation out of the free ones."""
    g = len(n)
    if not heteroskedastic:
        return sparse.csr_array(np.ones((g, 1)))
    own = np.flatnonzero(~shared)
    rows = sparse.csr_array((np.ones(len(own)), (own, np.arange(len(own)))), shape=(g, len(own)))
    average = np.outer(shared, n[own] / n[own].sum())
    return sparse.csr_array(rows + sparse.csr_array(average))


def _cells(counts: np.ndarray, mu: np.ndarray, log_sd: np.ndarray, cuts: np.ndarray) -> tuple[np.ndarray, ...]:
    """Log likelihood, and its first and second derivatives in the standardised cuts z of every group.

    Returns the log likelihood, z (G, K-1), gradient (G, K-1) and Hessian (G, K-1, K-1).
    """
    z = (cuts - mu[:, None]) * np.exp(-log_sd)[:, None]
    g, m = z.shape
    edge = np.full((g, 1), np.inf)
    upper, lower = np.hstack([z, edge]), np.hstack([-edge, z])
    # In the upper tail the difference of two numbers near 1 would lose its digits.
    flip = lower > 0
    p = special.ndtr(np.where(flip, -lower, upper)) - special.ndtr(np.where(flip, -upper, lower))
    p = np.maximum(p, 1e-300)
    density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    up, down = density / p[:, :-1], -density / p[:, 1:]  # derivative of log P of the cell below and above each cut
    below, above = counts[:, :-1], counts[:, 1:]
    gradient = below * up + above * down
    hessian = np.zeros((g, m, m))
    at = np.arange(m)
    hessian[:, at, at] = below * (-z * up - up**2) + above * (-z * down - down**2)
    cross = -counts[:, 1:-1] * up[:, 1:] * down[:, :-1]
    hessian[:, at[:-1], at[1:]] = hessian[:, at[1:], at[:-1]] = cross
    return float((counts * np.log(p)).sum()), z, gradient, hessian


def _derivatives(
    counts: np.ndarray, mu: np.ndarray, log_sd: np.ndarray, cuts: np.ndarray
) -> tuple[float, np.ndarray, sparse.csc_array]:
    """Log likelihood, gradient and Hessian in (mu, log sd, cuts), shape (2G + K - 1,)."""
    value, z, slope, bend = _cells(counts, mu, log_sd, cuts)
    inverse = np.exp(-log_sd)
    g, m = z.shape
    gradient = np.concatenate([-inverse * slope.sum(1), -(slope * z).sum(1), inverse @ slope])
    rows = bend.sum(axis=2)
    by_z = np.einsum("gkl,gl->gk", bend, z)
    mm = inverse**2 * rows.sum(1)
    ml = inverse * (by_z.sum(1) + slope.sum(1))
    ll = (z * by_z).sum(1) + (slope * z).sum(1)
    mc = -(inverse**2)[:, None] * rows
    lc = -inverse[:, None] * (by_z + slope)
    cc = np.einsum("g,gkl->kl", inverse**2, bend)
    a, b = sparse.diags_array(mm), sparse.diags_array(ml)
    hessian = sparse.block_array([[a, b, mc], [b, sparse.diags_array(ll), lc], [mc.T, lc.T, cc]], format="csc")
    return value, gradient, hessian


def _mapping(spread: sparse.csr_array, n_cuts: int, free_cuts: np.ndarray) -> sparse.csc_array:
    """Matrix from the free parameters (mu, psi, free cuts) to (mu, log sd, cuts)."""
    chosen = sparse.csr_array(np.eye(n_cuts)[:, free_cuts])
    return sparse.csc_array(sparse.block_diag([sparse.eye_array(spread.shape[0]), spread, chosen], format="csc"))


def _maximise(
    counts: np.ndarray, n: np.ndarray, spread: sparse.csr_array
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Newton's method with damping, while the first and last cut stay at their pooled values."""
    total = counts.sum(axis=0)
    cuts = special.ndtri(np.cumsum(total)[:-1] / total.sum())
    edges = np.concatenate([[-np.inf], cuts, [np.inf]])
    density = np.exp(-np.square(edges) / 2) / np.sqrt(2 * np.pi)
    centres = (density[:-1] - density[1:]) / (total / total.sum())
    g, parameters = len(n), spread.shape[1]
    free = np.arange(1, len(cuts) - 1)
    back = _mapping(spread, len(cuts), free)
    point = np.concatenate([counts @ centres / n, np.zeros(parameters), cuts[free]])

    def split(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        moved = cuts.copy()
        moved[free] = x[g + parameters:]
        return x[:g], spread @ x[g:g + parameters], moved

    value, slope, hessian = _derivatives(counts, *split(point))
    damping = 1e-3
    for _ in range(_ROUNDS):
        gradient, information = back.T @ slope, -(back.T @ hessian @ back)
        step_size = np.abs(information.diagonal()) + 1e-8
        step = splu((information + sparse.diags_array(damping * step_size)).tocsc()).solve(gradient)
        tried = point + step
        parts = split(tried)
        new = _derivatives(counts, *parts) if (np.diff(parts[2]) > 0).all() and np.abs(parts[1]).max() < 50 else None
        if new is not None and new[0] > value - 1e-12 * abs(value) and np.isfinite(new[0]):
            point, (value, slope, hessian) = tried, new
            damping = max(damping / 10, 1e-15)
            # What the step was to gain is below rounding: one more would change nothing.
            if gradient @ step < 1e-15 * abs(value):
                break
        elif damping > 1e12:
            break
        else:
            damping *= 10
    else:
        raise _not_converged("迭代次数用完")
    if np.max(np.abs(back.T @ slope) / np.sqrt(step_size)) > _TOLERANCE:
        raise _not_converged("似然函数不再上升，但梯度不为零")
    return point[:g], point[g:g + parameters], split(point)[2], value


def _covariance(
    counts: np.ndarray, share: np.ndarray, mu: np.ndarray, psi: np.ndarray, cuts: np.ndarray, spread: sparse.csr_array
) -> np.ndarray:
    """Covariance of (mu, log sd) under the two constraints that fix the scale, shape (2G, 2G).

    The information bordered by the gradients of the constraints has as its inverse's corner the covariance.
    """
    log_sd = spread @ psi
    _, _, hessian = _derivatives(counts, mu, log_sd, cuts)
    back = _mapping(spread, len(cuts), np.arange(len(cuts)))
    g, k = len(mu), len(psi)
    border = np.zeros((2, back.shape[1]))
    border[0, :g] = share
    border[1, :g], border[1, g:g + k] = 2 * share * mu, spread.T @ (2 * share * np.exp(2 * log_sd))
    system = splu(sparse.block_array([[-(back.T @ hessian @ back), border.T], [border, None]], format="csc"))
    # Rows that pick (mu, log sd) out of the free parameters.
    pick = sparse.csr_array(sparse.hstack([back[: 2 * g], sparse.csc_array((2 * g, 2))]))
    columns = [
        pick @ system.solve(pick[at:at + _BLOCK].toarray().T) for at in range(0, 2 * g, _BLOCK)
    ]
    return np.hstack(columns)


def _not_converged(found: str) -> InputError:
    return InputError(
        "有序 probit 没有收敛，不报告结果", where="有序 probit", found=found, expected="收敛的估计",
        fix="用各校标准差相同的模型（heteroskedastic=False），或合并学生很少的学校；各等级比例仍可报告",
    )


def _check_identified(filled: np.ndarray, used: np.ndarray) -> None:
    if filled.sum() < 3:
        raise InputError(
            "等级太少，不能恢复均值与标准差", where="有序 probit", found=f"只有 {int(filled.sum())} 个等级有学生", expected="至少三个等级有学生",
            fix="各等级比例仍可报告",
        )
    if used.sum() < 2:
        raise InputError(
            "学校太少，不能恢复均值与标准差", where="有序 probit", found=f"{int(used.sum())} 所学校的均值可以估计",
            expected="至少两所学校，学生不全在最低或最高一级", fix="各等级比例仍可报告",
        )


def _checked(counts: ArrayLike, group_names: Sequence[object] | None) -> tuple[np.ndarray, list[object]]:
    values = np.asarray(counts, dtype=float)
    if values.ndim != 2 or values.shape[1] < 3 or not len(values):
        raise InputError(
            "等级人数的形状不对", where="有序 probit", found=f"{values.shape}", expected="每所学校一行、每个等级一列，至少三个等级",
            fix="按学校汇总各等级人数",
        )
    bad = ~np.isfinite(values) | (values < 0) | (values != np.round(values))
    if bad.any():
        raise InputError(
            "等级人数不对", where="有序 probit", found=f"{int(bad.any(axis=1).sum())} 所学校的人数缺失、为负或不是整数",
            expected="不小于 0 的整数", fix="用未加权的人数，缺等级的学校先明确剔除并报告",
        )
    if not values.sum():
        raise InputError(
            "等级人数全部为零", where="有序 probit", found=f"{len(values)} 所学校没有一名学生有等级", expected="有学生的学校",
            fix="核对等级一列",
        )
    names = list(range(1, len(values) + 1)) if group_names is None else list(group_names)
    if len(names) != len(values):
        raise InputError(
            "学校名与人数对不上", where="有序 probit", found=f"{len(values)} 所学校，{len(names)} 个名字", expected="一样多", fix="核对学校名",
        )
    return values, names
