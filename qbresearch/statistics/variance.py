"""Variance between and within schools from school sums: one-way random effects for one county or thousands at once."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from qbresearch.errors import InputError, check_choice
from qbresearch.statistics.estimates import LEVEL

ONE_SCHOOL = "只有一所学校，不能估计校际差异"
NO_SCHOOL = "没有一所学校有成绩"
ONE_STUDENT_EACH = "每所学校只有一名学生，校际与校内差异分不开"
NO_SPREAD = "缺少校内离差平方和（只有学校均值），方差不能分解"
CONSTANT = "所有学生成绩相同，没有差异可以分解"
ONLY_BETWEEN = "校内没有差异，差异全部在校际"
# Variance ratios at which the profile likelihood is looked at before its best point is refined.
_GRID = np.concatenate([[0.0], np.logspace(-6, 6, 25)])
_ROUNDS = 200
_EXACT = 1e-13


@dataclass(frozen=True, slots=True)
class NullModels:
    """One-way random-effects models of g groups of schools; arrays of shape (g,).

    schools, students : counts. mean, mean_se : generalised-least-squares mean over schools.
    tau2, sigma2 : variance between schools and within them (REML or ML). icc : tau2 / (tau2 + sigma2).
    low, high : exact interval of the intraclass correlation (Wald). f, p : F test of no variance between schools.
    anova_tau2, anova_icc : unbiased ANOVA estimators; may be negative.
    design_effect : of the mean over all students, 1 + (sum n² / N - 1) icc.
    remark : Chinese; why values are NaN, or what is unusual. Empty: everything was computed.
    """

    schools: np.ndarray
    students: np.ndarray
    mean: np.ndarray
    mean_se: np.ndarray
    tau2: np.ndarray
    sigma2: np.ndarray
    icc: np.ndarray
    low: np.ndarray
    high: np.ndarray
    f: np.ndarray
    p: np.ndarray
    anova_tau2: np.ndarray
    anova_icc: np.ndarray
    design_effect: np.ndarray
    remark: np.ndarray

    def tidy(self) -> pd.DataFrame:
        """One row a group."""
        return pd.DataFrame({f.name: getattr(self, f.name) for f in fields(self)})


def null_models(
    n: ArrayLike, mean: ArrayLike, within_ss: ArrayLike, groups: np.ndarray, n_groups: int, *,
    method: str = "reml", level: float = LEVEL,
) -> NullModels:
    r"""Variance between and within schools in every group.

    .. math:: y_{ij} = \mu + u_j + e_{ij}, \quad u_j \sim N(0, \tau^2), \quad e_{ij} \sim N(0, \sigma^2), \quad
              \theta = \tau^2 / \sigma^2, \quad w_j = \frac{n_j}{1 + n_j\theta}, \quad
              \hat\mu = \frac{\sum w_j\bar y_j}{\sum w_j}

    With :math:`R(\theta) = SS_w + \sum w_j(\bar y_j - \hat\mu)^2` the criterion minimised over :math:`\theta \ge 0` is
    :math:`(N-1)\ln R + \sum\ln(1 + n_j\theta) + \ln\sum w_j` (REML), or :math:`N\ln R + \sum\ln(1 + n_j\theta)` (ML),
    and :math:`\hat\sigma^2 = R/(N-1)` or :math:`R/N`. The interval is exact, also where schools differ in size:

    .. math:: H(\theta) = \frac{\sum_j w_j(\bar y_j - \hat\mu)^2}{(J-1)\,MS_w} \sim F(J-1, N-J)

    falls in theta, and its two crossings of the F quantiles are the bounds (0 where there is none).

    Parameters
    ----------
    n, mean, within_ss : array-like, shape (J,)
        Students of each school, their plain mean, and their sum of squares around it. The model knows no student
        weights: with weights from a school sample it describes the students of the sample. Schools with n = 0 are
        not counted.
    groups : int array, shape (J,)
        Group of each school, 0 to ``n_groups - 1``.
    method : {"reml", "ml"}
    level : float
        Coverage of the interval.

    Returns
    -------
    NullModels
        One school, one student a school, constant scores, or an unknown sum of squares: NaN and a remark. No variance
        within schools: icc 1 and a remark. No variance between: tau2 and icc 0, lower bound 0.

    Raises
    ------
    InputError
        A school with students has no mean, or students or sums of squares are negative.

    Source
    ------
    Wald (1947); Searle, Casella & McCulloch (1992), ch. 3; golden values from R's lme4.
    """
    check_choice(method, ("reml", "ml"), name="估计方法", where="方差分解")
    n, mean, squares, groups = _checked(n, mean, within_ss, groups)
    reml = method == "reml"
    data = _Schools(n, mean, groups, n_groups)
    count, students = data.sum(n > 0), data.sum(n)
    within = data.sum(squares)
    remark = np.select(
        [count == 0, count == 1, np.isnan(within), students == count],
        [NO_SCHOOL, ONE_SCHOOL, NO_SPREAD, ONE_STUDENT_EACH], default="",
    ).astype(object)
    w0, mean0, between, *_ = data.at(np.zeros(n_groups))
    # Rounding of the inputs leaves sums of squares of this size where there are none.
    noise = 1e-20 * students * np.maximum(mean0**2, 1e-290)
    fit = remark == ""
    with np.errstate(invalid="ignore"):
        remark[fit & (within <= noise) & (between <= noise)] = CONSTANT
        only_between = fit & (within <= noise) & (between > noise)
    remark[only_between] = ONLY_BETWEEN
    fit = remark == ""

    nan = np.full(n_groups, np.nan)
    theta, low, high = nan.copy(), nan.copy(), nan.copy()
    f, p, anova_tau2, anova_icc = nan.copy(), nan.copy(), nan.copy(), nan.copy()
    if fit.any():
        part = data.only(fit)
        theta[fit] = _best_ratio(part, within[fit], students[fit], reml)
        j, big_n = count[fit], students[fit]
        msw, msb = within[fit] / (big_n - j), between[fit] / (j - 1)
        f[fit], p[fit] = msb / msw, stats.f.sf(msb / msw, j - 1, big_n - j)
        n0 = (big_n - part.sum(part.n**2) / big_n) / (j - 1)
        anova_tau2[fit] = (msb - msw) / n0
        anova_icc[fit] = anova_tau2[fit] / (anova_tau2[fit] + msw)
        tail = (1 - level) / 2
        for bound, quantile in ((low, 1 - tail), (high, tail)):
            ratio = _crossing(part, stats.f.ppf(quantile, j - 1, big_n - j) * (j - 1) * msw)
            bound[fit] = ratio / (1 + ratio)
    weight, mu, q, *_ = data.at(np.where(fit, theta, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma2 = np.where(fit, (within + q) / (students - 1 if reml else students), np.nan)
        tau2, icc, mean_se = theta * sigma2, theta / (1 + theta), np.sqrt(sigma2 / weight)
        size = data.sum(n**2) / students
    # Without variance within, all that is left is the variance of the school means.
    plain = data.sum(np.where(n > 0, mean, 0.0)) / np.maximum(count, 1)
    spread = data.sum(np.where(n > 0, (mean - plain[groups]) ** 2, 0.0)) / np.maximum(count - (1 if reml else 0), 1)
    tau2, sigma2 = np.where(only_between, spread, tau2), np.where(only_between, 0.0, sigma2)
    icc, mu = np.where(only_between, 1.0, icc), np.where(only_between, plain, mu)
    mean_se = np.where(only_between, np.sqrt(spread / np.maximum(count, 1)), mean_se)
    return NullModels(
        schools=count.astype(np.int64), students=students.astype(np.int64), mean=np.where(count > 0, mu, np.nan),
        mean_se=mean_se, tau2=tau2, sigma2=sigma2, icc=icc, low=low, high=high, f=f, p=p, anova_tau2=anova_tau2,
        anova_icc=anova_icc, design_effect=1 + (size - 1) * icc, remark=remark,
    )


@dataclass(frozen=True, slots=True)
class NullModel:
    """One row of :class:`NullModels`, with the same meanings."""

    schools: int
    students: int
    mean: float
    mean_se: float
    tau2: float
    sigma2: float
    icc: float
    low: float
    high: float
    f: float
    p: float
    anova_tau2: float
    anova_icc: float
    design_effect: float
    remark: str


def null_model(
    n: ArrayLike, mean: ArrayLike, within_ss: ArrayLike, *, method: str = "reml", level: float = LEVEL
) -> NullModel:
    """:func:`null_models` for one group of schools."""
    zeros = np.zeros(np.shape(np.asarray(n)), dtype=np.int64)
    models = null_models(n, mean, within_ss, zeros, 1, method=method, level=level)
    return NullModel(**{f.name: getattr(models, f.name)[0].item() if f.name != "remark" else models.remark[0]
                        for f in fields(models)})


def exact_ratio_interval(
    n: ArrayLike, mean: ArrayLike, within_ss: ArrayLike, *, level: float = LEVEL
) -> tuple[float, float]:
    """Exact interval of the variance ratio theta = tau2 / sigma2; icc = theta / (1 + theta).

    Raises
    ------
    InputError
        Where :func:`null_models` would remark that it cannot be computed.
    """
    model = null_model(n, mean, within_ss, level=level)
    if model.remark:
        raise InputError(
            "校际方差的区间算不出来", where="方差分解", found=model.remark, expected="至少两所学校、两名以上学生，成绩有差异",
            fix="补上学生数据；各校均值仍可报告",
        )
    return model.low / (1 - model.low), model.high / (1 - model.high)


class _Schools:
    """Schools of several groups, and the sums over them that the likelihood needs."""

    __slots__ = ("groups", "mean", "n", "n_groups")

    def __init__(self, n: np.ndarray, mean: np.ndarray, groups: np.ndarray, n_groups: int) -> None:
        self.n, self.mean, self.groups, self.n_groups = n, mean, groups, n_groups

    def sum(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(self.groups, values, self.n_groups)

    def only(self, chosen: np.ndarray) -> _Schools:
        """The groups chosen (bool, one a group), numbered anew."""
        here = chosen[self.groups]
        number = np.cumsum(chosen) - 1
        return _Schools(self.n[here], self.mean[here], number[self.groups[here]], int(chosen.sum()))

    def at(self, theta: np.ndarray) -> tuple[np.ndarray, ...]:
        """sum w, mean, Q = sum w e², A = -dQ/dtheta, its derivative, sum w², sum w³, at one theta a group."""
        w = self.n / (1 + self.n * theta[self.groups])
        s1 = self.sum(w)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = self.sum(np.where(w > 0, w * self.mean, 0.0)) / s1
            e = np.where(w > 0, self.mean - mean[self.groups], 0.0)
            we = w * e
            a = self.sum(we * we)
            da = -2 * self.sum(w * we * we) + 2 * self.sum(w * we) ** 2 / s1
        return s1, mean, self.sum(we * e), a, da, self.sum(w * w), self.sum(w**3)

    def criterion(self, theta: float, within: np.ndarray, students: np.ndarray, reml: bool) -> np.ndarray:
        """-2 log likelihood of every group at one theta for all, up to a constant."""
        w = self.n / (1 + self.n * theta)
        s1 = self.sum(w)
        e = self.mean - (self.sum(w * self.mean) / s1)[self.groups]
        value = (students - reml) * np.log(within + self.sum(w * e * e)) + self.sum(np.log1p(self.n * theta))
        return value + np.log(s1) if reml else value


def _best_ratio(data: _Schools, within: np.ndarray, students: np.ndarray, reml: bool) -> np.ndarray:
    """Theta of the smallest criterion in every group: a grid, then Newton steps kept inside a shrinking bracket."""
    values = np.stack([data.criterion(theta, within, students, reml) for theta in _GRID])
    best = values.argmin(axis=0)
    free = students - reml

    def slopes(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        s1, _, q, a, da, s2, s3 = data.at(theta)
        rest = within + q
        slope = s1 - free * a / rest
        curve = -s2 - free * (da / rest + (a / rest) ** 2)
        return (slope - s2 / s1, curve + 2 * s3 / s1 - (s2 / s1) ** 2) if reml else (slope, curve)

    low, high = _GRID[np.maximum(best - 1, 0)], _GRID[np.minimum(best + 1, len(_GRID) - 1)]
    at_zero = (best == 0) & (slopes(np.zeros(data.n_groups))[0] >= 0)
    theta = np.where(best == 0, high / 2, _GRID[best])
    done = at_zero.copy()
    theta[at_zero] = 0.0
    for _ in range(_ROUNDS):
        slope, curve = slopes(theta)
        low, high = np.where(slope < 0, theta, low), np.where(slope > 0, theta, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = theta - slope / curve
        inside = (curve > 0) & (step > low) & (step < high)
        new = np.where(inside, step, (low + high) / 2)
        done |= (np.abs(new - theta) <= _EXACT * theta) | (slope == 0)
        if done.all():
            break
        theta = np.where(done, theta, new)
    return theta


def _crossing(data: _Schools, target: np.ndarray) -> np.ndarray:
    """Theta at which Q falls to ``target`` in every group, 0 where it never lies above.

    1/Q is nearly linear in theta, and exactly so where schools are of one size: Newton on it needs a few steps.
    """
    theta = np.zeros(data.n_groups)
    low, high = np.zeros(data.n_groups), np.full(data.n_groups, np.inf)
    done = np.zeros(data.n_groups, dtype=bool)
    for _ in range(_ROUNDS):
        _, _, q, a, *_ = data.at(theta)
        above = q > target
        low, high = np.where(above, theta, low), np.where(above, high, theta)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = theta + (q * q / target - q) / a
        middle = np.where(np.isinf(high), 2 * low + 1e-3, (low + high) / 2)
        new = np.where((step > low) & (step < high), step, middle)
        done |= np.abs(new - theta) <= _EXACT * np.maximum(new, 1e-12)
        if done.all():
            break
        theta = np.where(done, theta, new)
    return theta


def _checked(
    n: ArrayLike, mean: ArrayLike, within_ss: ArrayLike, groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    n, mean, squares = (np.asarray(a, dtype=float) for a in (n, mean, within_ss))
    groups = np.asarray(groups)
    if n.ndim != 1 or not (n.shape == mean.shape == squares.shape == groups.shape) or not len(n):
        raise InputError(
            "方差分解算不出来：数组形状不对", where="方差分解", found=f"学生数 {n.shape}，均值 {mean.shape}，离差平方和 {squares.shape}",
            expected="三个一样长、至少一所学校的一维数组", fix="每所学校一个学生数、均值、校内离差平方和",
        )
    if not np.isfinite(n).all() or (n < 0).any() or (squares < 0).any() or np.isinf(squares).any():
        raise InputError(
            "方差分解算不出来：学生数或离差平方和不对", where="方差分解", found="学生数缺失或为负，或离差平方和为负",
            expected="学生数不小于 0，离差平方和不小于 0 或未知", fix="核对学校汇总表",
        )
    if bad := int((~np.isfinite(mean) & (n > 0)).sum()):
        raise InputError(
            "方差分解算不出来：有学校没有均值", where="方差分解", found=f"{len(n)} 所学校中 {bad} 所有学生而没有均值",
            expected="有学生的学校都有均值", fix="补上数据；若要剔除，请先明确剔除并报告剔除了哪些",
        )
    # A school of one student has no spread, whether or not the table says so; one without students has no values.
    squares = np.where((n <= 1) & np.isnan(squares), 0.0, squares)
    return n, np.where(n > 0, mean, 0.0), np.where(n > 0, squares, 0.0), groups
