"""How far the means of schools lie apart: weighted standard deviation and coefficient of variation, with intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from qbresearch.errors import InputError
from qbresearch.statistics.estimates import LEVEL

ONE_SCHOOL = "只有一所学校，没有校际差异可言"
NO_SCHOOL = "没有一所学校有均值"
TWO_SCHOOLS = "只有两所学校，不给区间"
ALL_EQUAL = "各校均值相同，不给区间"
CONCENTRATED = "差异只来自一所学校，不给区间"
NO_MEAN = "均值不大于零，差异系数没有意义"
NO_SAMPLING = "不知道学校均值的抽样误差"
METHOD = "刀切法自由度的 χ² 区间（模拟覆盖率：学校均值正态时 94–97%，偏态时 92–97%，厚尾时 90–96%）"


def spreads_by_group(
    means: ArrayLike, weights: ArrayLike, groups: np.ndarray, n_groups: int, *, relative: bool = False,
    sampling: ArrayLike | None = None, level: float = LEVEL,
) -> pd.DataFrame:
    r"""Weighted standard deviation of school means in every group, or its ratio to the mean, with an interval.

    .. math:: S = \sqrt{\sum_j p_j (\bar x_j - \bar x)^2}, \quad p_j = \frac{w_j}{\sum w_j}, \quad CV = S / \bar x

    The schools are taken as a sample of many such schools, and the interval is for S (or CV) in those, as a child
    met at random there would see it: without ``sampling`` between the school means as observed, noise of the students
    sampled included; with it between the true means. With :math:`c^2 = S^2/(1 - \sum p_j^2)`, which has no bias,

    .. math:: \left[c\sqrt{\nu/\chi^2_{\nu,\,1-\alpha/2}},\; c\sqrt{\nu/\chi^2_{\nu,\,\alpha/2}}\right], \qquad
              \nu = \min\left(J - 1, \frac{1}{2\,se_J^2(\ln c)}\right)

    where :math:`se_J` is the jackknife over schools. With ``sampling`` the estimate and both bounds lose
    :math:`\sum p_j(1-p_j)v_j` (over :math:`1 - \sum p_j^2`) under the root, at least 0 being left.

    Coverage of nominal 95 % in 10,000 samples each of 6 to 60 schools of unequal size (log standard deviation 0.3 to
    0.9), the same with and without ``sampling`` and ``relative``: 94 to 97 % with normal school effects, 92 to 97 %
    with gamma(4), 90 to 96 % with t(5); lowest with 60 schools of very unequal size.

    Parameters
    ----------
    means, weights : array-like, shape (J,)
        Mean of each school and its weight (students); schools of weight 0 are not counted.
    groups : int array, shape (J,)
    relative : bool
        Divide by the mean (CV).
    sampling : array-like, shape (J,), optional
        Sampling variance of each school's mean (v), to be taken off.

    Returns
    -------
    DataFrame
        One row a group: ``estimate, low, high, schools, remark``. One school, unknown sampling variances or a mean that
        is not positive: NaN and a remark. Two schools, equal means, or means equal but for one school: no interval and
        a remark.

    Raises
    ------
    InputError
        A mean is missing, or weights are missing or negative.

    Source
    ------
    Definitions D2 and D3 of the difference rate (status: unverified); jackknife of a log variance: Miller (1968);
    matched degrees of freedom: Satterthwaite (1946). Coverage by simulation in the tests.
    """
    x, w, groups = _checked(means, weights, groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = np.bincount(groups, w, n_groups)
        count = np.bincount(groups, w > 0, n_groups).astype(np.int64)
        mean = np.bincount(groups, w * x, n_groups) / total
        d = x - mean[groups]
        squares = np.bincount(groups, w * d * d, n_groups)
        p = w / total[groups]
        unbiased = 1 - np.bincount(groups, p * p, n_groups)
        # Everything as if one school were not there, out of the sums of all.
        rest = total[groups] - w
        part = (squares[groups] - w * d * d * total[groups] / rest) / rest
        part_unbiased = 1 - (np.bincount(groups, w * w, n_groups)[groups] - w * w) / rest**2
        part_mean = mean[groups] - w * d / rest
        # Rounding leaves a remainder of this size where the other schools are equal.
        part = np.where(part <= 1e-24 * squares[groups] / total[groups], 0.0, part)
        log_part = np.log(part / part_unbiased) / 2 - (np.log(part_mean) if relative else 0.0)
        log_part = np.where(w > 0, log_part, 0.0)
        centre = (np.bincount(groups, log_part, n_groups) / count)[groups]
        jackknife = np.bincount(groups, np.where(w > 0, (log_part - centre) ** 2, 0.0), n_groups) * (count - 1) / count
        df = np.minimum(count - 1, 1 / (2 * jackknife))
        scale = mean if relative else np.ones(n_groups)
        plain = squares / total / scale**2
        tail = (1 - level) / 2
        bounds = [plain / unbiased * df / stats.chi2.ppf(q, df) for q in (1 - tail, tail)]
        estimate = plain
        if sampling is not None:
            noise = np.bincount(groups, np.where(w > 0, p * (1 - p) * np.asarray(sampling, dtype=float), 0.0), n_groups)
            shift = noise / unbiased / scale**2
            estimate = np.maximum(plain / unbiased - shift, 0.0)
            bounds = [np.maximum(b - shift, 0.0) for b in bounds]
        # A school that outweighs all others together can push a bound past the plain estimate.
        low, high = np.sqrt(np.minimum(bounds[0], estimate)), np.sqrt(np.maximum(bounds[1], estimate))
        estimate = np.sqrt(estimate)
        equal = squares / total <= 1e-24 * mean**2
    absent = [(count == 0, NO_SCHOOL), (count == 1, ONE_SCHOOL)]
    if relative:
        absent.append((~(mean > 0), NO_MEAN))
    if sampling is not None:
        absent.append((np.isnan(shift), NO_SAMPLING))
    open_ended = [(equal, ALL_EQUAL), (count == 2, TWO_SCHOOLS), (~np.isfinite(low + high), CONCENTRATED)]
    cases = [*absent, *open_ended]
    remark = np.select([c for c, _ in cases], [t for _, t in cases], default="").astype(object)
    blank = np.logical_or.reduce([c for c, _ in absent])
    estimate = np.where(blank, np.nan, np.where(equal, 0.0, estimate))
    known = remark == ""
    return pd.DataFrame(
        {"estimate": estimate, "low": np.where(known, low, np.nan), "high": np.where(known, high, np.nan),
         "schools": count, "remark": remark}
    )


def _checked(means: ArrayLike, weights: ArrayLike, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, w, groups = np.asarray(means, dtype=float), np.asarray(weights, dtype=float), np.asarray(groups)
    if x.ndim != 1 or not (x.shape == w.shape == groups.shape) or not len(x):
        raise InputError(
            "学校均值的差异算不出来：数组形状不对", where="学校均值的差异", found=f"均值 {x.shape}，权重 {w.shape}",
            expected="两个一样长、至少一所学校的一维数组", fix="每所学校一个均值、一个权重",
        )
    if not np.isfinite(w).all() or (w < 0).any():
        raise InputError(
            "学校均值的差异算不出来：权重不对", where="学校均值的差异", found="权重有缺失、无穷或负数", expected="每所学校的权重不小于 0",
            fix="核对学生数与权重",
        )
    if bad := int((~np.isfinite(x) & (w > 0)).sum()):
        raise InputError(
            "学校均值的差异算不出来：有缺失值", where="学校均值的差异", found=f"{len(x)} 所学校中 {bad} 所没有均值",
            expected="有学生的学校都有均值", fix="补上数据；若要剔除，请先明确剔除并报告剔除了哪些",
        )
    return np.where(w > 0, x, 0.0), w, groups
