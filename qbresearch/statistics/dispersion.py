"""Student-weighted mean, standard deviation and coefficient of variation (差异系数), and the parts of its square.

Plain formulas on checked arrays, and the same formulas for many groups at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from qbresearch.errors import InputError


def _checked(values: ArrayLike, students: ArrayLike | None, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Values and weights as arrays, or a refusal that names the count."""
    x = np.asarray(values, dtype=float)
    p = np.ones_like(x) if students is None else np.asarray(students, dtype=float)
    if x.ndim != 1 or x.shape != p.shape or not len(x):
        raise InputError(
            f"{name}算不出来：数组形状不对", where=name, found=f"values {x.shape}，students {p.shape}",
            expected="两个一样长、至少一所学校的一维数组", fix="每所学校一个值、一个学生数",
        )
    if bad := int((~np.isfinite(x)).sum()):
        raise InputError(
            f"{name}算不出来：有缺失值", where=name, found=f"{len(x)} 所学校中 {bad} 所没有数值",
            expected="每所学校都有数值", fix="补上数据；若要剔除，请先明确剔除并报告剔除了哪些",
        )
    if (~np.isfinite(p)).any() or (p < 0).any() or p.sum() <= 0:
        raise InputError(
            f"{name}算不出来：学生数不对", where=name, found="学生数有缺失、负数，或合计为零",
            expected="每所学校学生数不小于 0，合计大于 0", fix="核对在校学生数",
        )
    return x, p


def weighted_mean(values: ArrayLike, students: ArrayLike | None = None) -> float:
    r"""Student-weighted mean of a per-student indicator, which is the county's total over its total of students.

    .. math:: \bar X = \frac{\sum_i P_i x_i}{\sum_i P_i} = \frac{\sum_i X_i}{\sum_i P_i}

    Parameters
    ----------
    values : array-like, shape (n,)
        Indicator per school, in the indicator's own unit; finite.
    students : array-like, shape (n,), optional
        Students as weights (persons, >= 0, sum > 0). ``None`` weights schools equally, which is not the official rule.

    Returns
    -------
    float
        In the unit of ``values``. One school: its value. Equal schools: that value. Zeros count as zeros; a school
        with no students has no weight.

    Raises
    ------
    InputError
        A value is missing or not finite, a weight is missing or negative, or the weights sum to zero.

    Source
    ------
    县域义务教育校际均衡指标计算方法 (status: practice); golden values from R.
    """
    x, p = _checked(values, students, "加权均值")
    return float(np.dot(p, x) / p.sum())


def weighted_standard_deviation(values: ArrayLike, students: ArrayLike | None = None) -> float:
    r"""Student-weighted standard deviation in population form (divisor 1, no n - 1).

    .. math:: S = \sqrt{\sum_i \frac{P_i}{P} (x_i - \bar X)^2}, \qquad P = \sum_i P_i

    Parameters, errors and source are those of :func:`weighted_mean`.

    Returns
    -------
    float
        >= 0, in the unit of ``values``. One school or equal schools: 0.
    """
    x, p = _checked(values, students, "加权标准差")
    return float(_deviation(x, p)[1])


def _deviation(x: np.ndarray, p: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation in two passes, so that near-equal large values do not cancel."""
    weight = p / p.sum()
    mean = np.dot(weight, x)
    return mean, np.sqrt(np.dot(weight, (x - mean) ** 2))


def coefficient_of_variation(values: ArrayLike, students: ArrayLike | None = None) -> float:
    r"""Between-school coefficient of variation (差异系数).

    .. math:: CV = \frac{S}{\bar X}
              = \frac{1}{\bar X}\sqrt{\sum_i \frac{P_i}{P}(x_i - \bar X)^2}, \qquad
              \bar X = \frac{\sum_i P_i x_i}{\sum_i P_i}

    Parameters
    ----------
    values : array-like, shape (n,)
        Indicator per school, in the indicator's own unit; finite.
    students : array-like, shape (n,), optional
        Students as weights (persons, >= 0, sum > 0). ``None`` weights schools equally, which is *not* the official
        rule and can turn a verdict round.

    Returns
    -------
    float
        Dimensionless, >= 0, not multiplied by 100 and not rounded. One school or equal schools: 0 (nothing differs).
        A school whose value is zero counts; a school with no students does not. Not changed by the unit of
        measurement.

    Raises
    ------
    InputError
        A value is missing or not finite, a weight is missing or negative, the weights sum to zero, or the mean is not
        positive (all schools at zero), where the ratio has no meaning.

    Source
    ------
    县域义务教育校际均衡指标计算方法, worked example 0.52 (status: practice); golden values from R.
    """
    x, p = _checked(values, students, "差异系数")
    mean, deviation = _deviation(x, p)
    if not mean > 0:
        raise InputError(
            "差异系数算不出来：均值不大于零", where="差异系数", found=f"均值 {mean:g}", expected="均值大于 0",
            fix="所有学校都是 0 时差异系数没有意义，请核对数据",
        )
    return float(deviation / mean)


def composite_coefficient_of_variation(cvs: ArrayLike) -> float:
    r"""Composite coefficient of variation (综合差异系数) of basic balance: the plain mean of the single ones.

    .. math:: CV_c = \frac{1}{m}\sum_{k=1}^{m} CV_k

    Parameters
    ----------
    cvs : array-like, shape (m,)
        Coefficients of variation of all m indicators of one county and stage; finite, >= 0.

    Returns
    -------
    float
        Dimensionless. The indicators weigh the same. One indicator: itself. Zeros count.

    Raises
    ------
    InputError
        Empty, or one of them is missing or negative: the composite is never taken over fewer indicators.

    Source
    ------
    县域义务教育校际均衡指标计算方法 (八项平均); 23 published composites as golden values.
    """
    x = np.asarray(cvs, dtype=float)
    if x.ndim != 1 or not len(x) or not np.isfinite(x).all() or (x < 0).any():
        raise InputError(
            "综合差异系数算不出来", where="综合差异系数", found=f"{x.tolist()}", expected="每项指标都有不小于 0 的差异系数",
            fix="缺一项就不能合成；请先补齐数据",
        )
    return float(x.mean())


def between_within(
    values: ArrayLike, students: ArrayLike | None, groups: Sequence[object]
) -> tuple[float, float]:
    r"""Parts of the squared coefficient of variation that lie between and within groups of schools.

    .. math:: CV^2 = \underbrace{\sum_g \frac{P_g}{P}\frac{(\bar X_g - \bar X)^2}{\bar X^2}}_{between}
              + \underbrace{\sum_g \frac{P_g}{P}\frac{S_g^2}{\bar X^2}}_{within}

    Parameters
    ----------
    values, students
        As for :func:`coefficient_of_variation`.
    groups : sequence, length n
        Group of each school (urban, town, rural; district). Missing groups are refused.

    Returns
    -------
    between, within : float
        Dimensionless, >= 0; they sum to CV². One group: between 0. Every school its own group: within 0.

    Raises
    ------
    InputError
        As for :func:`coefficient_of_variation`, or a group is missing.

    Source
    ------
    Decomposition of the population variance; golden values from R.
    """
    x, p = _checked(values, students, "差异系数分解")
    codes, names = pd.factorize(np.asarray(groups, dtype=object), use_na_sentinel=True)
    if (codes < 0).any() or len(codes) != len(x):
        raise InputError(
            "差异系数分解算不出来：有学校没有分组", where="差异系数分解", found=f"{int((codes < 0).sum())} 所没有分组",
            expected="每所学校属于一组", fix="补上分组（如城乡类型）",
        )
    coefficient_of_variation(x, p)  # refuses a mean that is not positive
    mean = weighted_mean(x, p)
    weight = np.bincount(codes, p, minlength=len(names))
    sums = np.bincount(codes, p * x, minlength=len(names))
    group_mean = np.divide(sums, weight, out=np.zeros_like(sums), where=weight > 0)
    between = np.dot(weight / weight.sum(), ((group_mean - mean) / mean) ** 2)
    within = np.dot(p / p.sum(), ((x - group_mean[codes]) / mean) ** 2)
    return float(between), float(within)


# --- many counties at once ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean and standard deviation of k indicators in g groups; NaN where a school's value is missing.

    schools : int array (g,). students : float array (g,). mean, sd, cv : float arrays (g, k). missing : int array (g, k).
    """

    schools: np.ndarray
    students: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    cv: np.ndarray
    missing: np.ndarray


def grouped_moments(values: np.ndarray, students: np.ndarray, groups: np.ndarray, n_groups: int) -> Moments:
    """:func:`coefficient_of_variation` for every group and indicator, in two passes over the schools.

    Parameters
    ----------
    values : float array, shape (n, k)
    students : float array, shape (n,)
    groups : int array, shape (n,)
        Group of each row, 0 to ``n_groups - 1``.
    n_groups : int

    Returns
    -------
    Moments
        One missing value makes the group's mean, sd and cv of that indicator NaN, with the number of missing schools
        beside it: the statistic is refused, not taken over the rest. A mean that is not positive gives cv NaN.
    """
    k = values.shape[1]
    weight = np.bincount(groups, students, n_groups)
    mean, sd = np.empty((n_groups, k)), np.empty((n_groups, k))
    missing = np.zeros((n_groups, k), dtype=np.int64)
    with np.errstate(divide="ignore", invalid="ignore"):
        for column in range(k):
            x = values[:, column]
            mean[:, column] = np.bincount(groups, students * x, n_groups) / weight
            deviation = x - mean[groups, column]
            sd[:, column] = np.sqrt(np.bincount(groups, students * deviation * deviation, n_groups) / weight)
            if np.isnan(mean[:, column]).any():
                missing[:, column] = np.bincount(groups, np.isnan(x), n_groups)
        cv = np.where(mean > 0, sd / mean, np.nan)
    return Moments(np.bincount(groups, minlength=n_groups), weight, mean, sd, cv, missing)
