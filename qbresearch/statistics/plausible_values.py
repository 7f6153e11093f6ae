"""Estimates from several plausible values (or imputations) pooled into one, by Rubin's rules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from qbresearch.errors import InputError
from qbresearch.statistics.estimates import LEVEL


@dataclass(frozen=True, slots=True)
class PooledEstimate:
    """What :func:`pool` returns: floats, or arrays with one element per estimate of a plausible value.

    estimate : mean of the estimates. within, between : the parts of the variance. se : root of the total variance.
    df : degrees of freedom. fmi : fraction of information missing because the score is not known exactly.
    values : number of plausible values.
    """

    estimate: np.ndarray
    within: np.ndarray
    between: np.ndarray
    se: np.ndarray
    df: np.ndarray
    fmi: np.ndarray
    values: int

    def interval(self, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
        """Bounds from the t distribution."""
        half = stats.t.ppf((1 + level) / 2, self.df) * self.se
        return self.estimate - half, self.estimate + half


def pool(estimates: ArrayLike, variances: ArrayLike, df_complete: ArrayLike | None = None) -> PooledEstimate:
    r"""Pool the same estimate computed from each of M plausible values.

    .. math:: \bar Q = \frac{1}{M}\sum_m Q_m, \quad \bar U = \frac{1}{M}\sum_m U_m, \quad
              B = \frac{1}{M-1}\sum_m (Q_m - \bar Q)^2, \quad T = \bar U + \left(1 + \tfrac{1}{M}\right)B

    .. math:: \lambda = \frac{(1 + 1/M)B}{T}, \quad \nu_{old} = \frac{M-1}{\lambda^2}, \quad
              \nu_{obs} = \frac{\nu_c + 1}{\nu_c + 3}\,\nu_c (1 - \lambda), \quad
              \nu = \frac{1}{1/\nu_{old} + 1/\nu_{obs}}, \quad
              fmi = \frac{r + 2/(\nu + 3)}{r + 1},\; r = \frac{(1+1/M)B}{\bar U}

    Parameters
    ----------
    estimates, variances : array-like, shape (M,) or (M, k)
        Estimate from each plausible value and its squared standard error (the sampling variance), one row a value.
    df_complete : number or array-like, shape (k,), optional
        Degrees of freedom had the score been known (schools - strata); infinite without it.

    Returns
    -------
    PooledEstimate
        Equal estimates: between 0, degrees of freedom those of complete data (after Barnard and Rubin), fmi 2/(df + 3).
        All variances 0 and equal estimates: standard error 0, fmi 0.

    Raises
    ------
    InputError
        Fewer than two plausible values, a missing value, or a negative variance.

    Source
    ------
    Rubin (1987), ch. 3; Barnard & Rubin (1999); golden values from ``mice::pool.scalar``.
    """
    q, u = np.asarray(estimates, dtype=float), np.asarray(variances, dtype=float)
    if q.shape != u.shape or q.ndim not in (1, 2) or len(q) < 2:
        raise InputError(
            "合理值合并不了：个数不对", where="合理值合并", found=f"估计 {q.shape}，方差 {u.shape}",
            expected="至少两个合理值，每个都有估计与方差", fix="只有一个分数时直接使用它的估计，不需要合并",
        )
    bad = ~np.isfinite(q) | ~np.isfinite(u) | (u < 0)
    if bad.any():
        raise InputError(
            "合理值合并不了：有缺失值或负的方差", where="合理值合并", found=f"{q.size} 个估计中 {int(bad.sum())} 个没有数值或方差为负",
            expected="每个合理值都有估计与不小于 0 的方差", fix="核对各合理值列；缺一列就不要合并",
        )
    count = len(q)
    complete = np.inf if df_complete is None else df_complete
    nu = np.broadcast_to(np.asarray(complete, dtype=float), q.shape[1:])
    within, between = u.mean(axis=0), q.var(axis=0, ddof=1)
    extra = (1 + 1 / count) * between
    total = within + extra
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(total > 0, extra / total, 0.0)
        old = (count - 1) / share**2
        observed = np.where(np.isinf(nu), np.inf, (nu + 1) / (nu + 3) * nu) * (1 - share)
        # Where all of the variance lies between the values, nothing of the sample's own freedom is left but M - 1.
        observed = np.where(np.isinf(nu) | (share >= 1), np.inf, observed)
        df = np.where(np.isinf(old) & np.isinf(observed), np.inf, 1 / (1 / old + 1 / observed))
        # (r + 2 / (df + 3)) / (r + 1), multiplied through by the share of the variance that lies within.
        fmi = np.where(total > 0, share + 2 / (df + 3) * (1 - share), 0.0)
    return PooledEstimate(q.mean(axis=0), within, between, np.sqrt(total), df[()], fmi[()], count)
