"""How strong an unobserved difference between schools would have to be to explain a coefficient away."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from qbresearch.errors import InputError
from qbresearch.statistics.design import design_matrix, outcome_vector
from qbresearch.statistics.estimates import LEVEL

SELECTION = "遗漏变量敏感性（Oster）"
E_VALUE = "E 值"
ROBUSTNESS = "稳健值（Cinelli、Hazlett）"
LOG_RATIO_PER_SD = 0.91  # log risk ratio that goes with one SD of a continuous outcome (VanderWeele & Ding 2017)
TINY = 1e-12


# --- proportional selection (Oster) --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SelectionResult:
    """What selection on unobserved variables would do to a coefficient.

    delta : how many times as strong as selection on the controls it must be for the coefficient to be ``null``.
    adjusted : the coefficient if it is ``at`` times as strong. Other than at 1 several coefficients can belong to one
        delta; this is the one nearest to ``full`` in the direction in which selection works. ``solutions`` are all.
    short, full : coefficient without and with the controls. r2_short, r2_full : R² of the two. r_max : R² that a model
        with the unobserved variables would have.
    """

    delta: float
    adjusted: float
    solutions: tuple[float, ...]
    short: float
    full: float
    r2_short: float
    r2_full: float
    r_max: float
    null: float
    at: float

    def tidy(self) -> pd.DataFrame:
        """One row, one column a number."""
        return pd.DataFrame([{k: v for k, v in asdict(self).items() if k != "solutions"}])

    def summary(self) -> str:
        """Delta and the adjusted coefficient in one Chinese sentence."""
        if math.isfinite(self.delta):
            opposite = "（方向相反）" if self.delta < 0 else ""
            needed = f"未观测因素的选择须为已观测因素的 {abs(self.delta):.2f} 倍{opposite}，系数才会等于 {self.null:g}"
        else:
            needed = f"未观测因素的选择再强，系数也不会等于 {self.null:g}"
        return (
            f"加入控制变量后系数由 {self.short:.3f} 变为 {self.full:.3f}（R² 由 {self.r2_short:.3f} 变为 {self.r2_full:.3f}）；"
            f"若最大 R² 为 {self.r_max:.3f}，{needed}；若选择为 {self.at:g} 倍，系数是 {self.adjusted:.3f}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data; an infinite delta is ``None``."""
        delta = self.delta if math.isfinite(self.delta) else None
        return asdict(self) | {"delta": delta, "solutions": list(self.solutions)}


def selection_bounds(
    *, short: float, full: float, r2_short: float, r2_full: float, outcome_variance: float, term_variance: float,
    residual_variance: float, r_max: float, null: float = 0.0, at: float = 1.0,
) -> SelectionResult:
    r"""Oster's delta and bias-adjusted coefficient from the numbers of two regressions.

    With :math:`B = \beta_{short} - \beta_{full}`, bias :math:`\nu = \beta_{full} - \beta`, and variances
    :math:`\sigma^2_y`, :math:`\sigma^2_x` and :math:`\tau` (of the term after the controls), :math:`\beta` and
    :math:`\delta` solve

    .. math:: \delta = \frac{\nu [(R_{full} - R_{short})\sigma^2_y \tau + \sigma^2_x \tau B^2]
              + 2\nu^2 \tau B \sigma^2_x + \nu^3 (\tau\sigma^2_x - \tau^2)}
              {(R_{max} - R_{full})\sigma^2_y [B \sigma^2_x + \nu (\sigma^2_x - \tau)]
              + \nu^2 \tau B \sigma^2_x + \nu^3 (\tau\sigma^2_x - \tau^2)}

    exactly: for ``null`` the fraction gives delta; for ``at`` the polynomial in the bias is solved (a quadratic at 1).

    Parameters
    ----------
    short, full : float
        Coefficient of the term without and with the controls, in the coefficient's own unit.
    r2_short, r2_full : float
        R² of the two regressions.
    outcome_variance, term_variance, residual_variance : float
        Variance of the outcome, of the term, and of the term's residual on the controls; all with the same divisor.
        Variables that stand in both regressions are first taken out of the term.
    r_max : float
        R² of the regression on everything, unobserved included; r2_full < r_max <= 1. A convention, so it is given.
    null : float
        The coefficient that delta would bring about.
    at : float
        The delta of the adjusted coefficient. Negative: unobserved selection works against observed selection.

    Returns
    -------
    SelectionResult
        ``delta`` of more than 1 is commonly read as robust. It is infinite where no selection brings ``null`` about.

    Raises
    ------
    InputError
        The R² are not in order, a variance is not positive, the controls explain nothing of the term and leave the
        coefficient as it was (nothing to compare with), or no real solution lies in the direction of selection.

    Source
    ------
    Oster (2019), Unobservable Selection and Coefficient Stability, JBES 37(2), proposition 3; golden values from
    covariance matrices whose delta is known by construction, and from numerical root finding in R.
    """
    _check_selection(r2_short, r2_full, r_max, outcome_variance, term_variance, residual_variance)
    moved = short - full
    shared = term_variance - residual_variance
    if abs(moved) <= TINY * max(abs(short), abs(full), TINY) and shared <= TINY * term_variance:
        raise InputError(
            "控制变量与自变量无关，无从推断未观测因素的选择", where=SELECTION, found=f"加入控制变量前后系数都是 {full:g}",
            expected="控制变量与自变量有联系", fix="换一组控制变量；E 值与稳健值仍可计算",
        )
    gap = (r_max - r2_full) * outcome_variance
    square = residual_variance * moved * term_variance
    cube = residual_variance * shared
    gain = residual_variance * ((r2_full - r2_short) * outcome_variance + term_variance * moved**2)
    # Coefficients of the bias, highest power first.
    above = np.array([cube, 2 * square, gain, 0.0])
    below = np.array([cube, square, gap * shared, gap * moved * term_variance])
    bias = full - null
    denominator = np.polyval(below, bias)
    delta = float(np.polyval(above, bias) / denominator) if denominator != 0 else math.inf
    chosen, solutions = _bias_at(above, below, at, moved)
    return SelectionResult(
        delta, float(full - chosen), tuple(float(full - s) for s in solutions), short, full, r2_short, r2_full, r_max,
        null, at,
    )


def _bias_at(above: np.ndarray, below: np.ndarray, delta: float, moved: float) -> tuple[float, list[float]]:
    """Bias at a given delta: the real root nearest to zero in the direction in which selection moves a coefficient."""
    if delta == 0:
        return 0.0, [0.0]
    difference = above - delta * below
    difference[np.abs(difference) <= TINY * np.abs(np.array([above, delta * below])).max(axis=0)] = 0.0
    roots = np.roots(difference)
    real = sorted((float(r.real) for r in roots if abs(r.imag) <= 1e-9 * max(abs(r), TINY)), key=abs)
    right = [r for r in real if r * delta * moved >= 0]
    if not right:
        raise InputError(
            "没有满足选择方向的解", where=SELECTION, found=f"δ = {delta:g} 时的实数解 {[round(r, 6) for r in real]}",
            expected="至少一个与系数变动同方向的实数解", fix="换一个 δ；使系数为零的 δ、E 值与稳健值仍可计算",
        )
    return right[0], real


def _check_selection(
    r2_short: float, r2_full: float, r_max: float, outcome: float, term: float, residual: float
) -> None:
    if not 0 <= r2_short <= r2_full + TINY:
        raise InputError(
            "两个 R² 的顺序不对", where=SELECTION, found=f"无控制 {r2_short:g}，有控制 {r2_full:g}", expected="加入控制变量后 R² 不减小",
            fix="两个模型须用同一批观测、同一权重",
        )
    if not r2_full < r_max <= 1:
        raise InputError(
            "最大 R² 不对", where=SELECTION, found=f"{r_max:g}", expected=f"大于有控制模型的 R²（{r2_full:g}），不大于 1",
            fix="按引用的惯例给出最大 R²；模型已解释全部差异时，这一分析没有意义，E 值与稳健值仍可计算",
        )
    if not (outcome > 0 and 0 < residual <= term * (1 + TINY)):
        raise InputError(
            "方差不对", where=SELECTION, found=f"结果 {outcome:g}，自变量 {term:g}，自变量残差 {residual:g}",
            expected="都大于 0，残差方差不大于自变量方差", fix="自变量被控制变量完全解释时系数不能估计，请减少控制变量",
        )


def assess_selection(
    frame: pd.DataFrame, *, outcome: str, term: str, controls: Sequence[str], baseline: Sequence[str] = (),
    weights: str | None = None, r_max_ratio: float, null: float = 0.0, at: float = 1.0,
) -> SelectionResult:
    """:func:`selection_bounds` from a table: least squares of the outcome on the term, without and with controls.

    Parameters
    ----------
    frame : DataFrame
        Complete in every column that is used.
    outcome, term : str
        Numeric columns.
    controls : sequence of str
        Controls that stand for the unobserved variables.
    baseline : sequence of str
        Columns in both regressions, such as county or stage; they say nothing about the unobserved variables.
    weights : str, optional
        Column of weights > 0.
    r_max_ratio : float
        ``r_max`` = min(1, ratio x R² with controls); > 1.
    null, at : float
        As for :func:`selection_bounds`.

    Raises
    ------
    InputError
        A value is missing, a column is constant or collinear, there are no controls, or as for
        :func:`selection_bounds`.
    """
    if not controls:
        raise InputError(
            "没有控制变量，无从推断未观测因素的选择", where=SELECTION, found="控制变量 0 个", expected="至少一个控制变量",
            fix="给出控制变量；E 值与稳健值仍可计算",
        )
    if not r_max_ratio > 1:
        raise InputError(
            "最大 R² 的倍数不对", where=SELECTION, found=f"{r_max_ratio:g}", expected="大于 1 的数", fix="按引用的惯例给出倍数"
        )
    y = outcome_vector(frame, outcome, where=SELECTION)
    root = np.sqrt(_weights(frame, weights))
    long = design_matrix(frame, [*baseline, term, *controls], where=SELECTION)
    base = design_matrix(frame, list(baseline), where=SELECTION).matrix * root[:, None]
    both, x = long.matrix * root[:, None], frame[term].to_numpy(dtype=float) * root
    others = np.delete(both, long.names.index(term), axis=1)
    y_root = y * root
    total = _residual(root[:, None], y_root)
    y_base, x_base = _residual(base, y_root), _residual(base, x)
    y_other, x_other = _residual(others, y_root), _residual(others, x)
    short, full = x_base @ y_base / (x_base @ x_base), x_other @ y_other / (x_other @ x_other)
    whole = total @ total
    r2_short = 1 - ((y_base - short * x_base) ** 2).sum() / whole
    r2_full = 1 - ((y_other - full * x_other) ** 2).sum() / whole
    return selection_bounds(
        short=float(short), full=float(full), r2_short=float(r2_short), r2_full=float(r2_full),
        outcome_variance=float(whole), term_variance=float(x_base @ x_base),
        residual_variance=float(x_other @ x_other), r_max=min(1.0, float(r_max_ratio * r2_full)), null=null, at=at,
    )


def _residual(matrix: np.ndarray, y: np.ndarray) -> np.ndarray:
    return y - matrix @ np.linalg.lstsq(matrix, y, rcond=None)[0]


def _weights(frame: pd.DataFrame, column: str | None) -> np.ndarray:
    if column is None:
        return np.ones(len(frame))
    if column not in frame or not pd.api.types.is_numeric_dtype(frame[column]):
        raise InputError(
            "没有这一列权重，或它不是数", where=SELECTION, found=column, expected="、".join(map(str, frame.columns)), fix="核对权重列"
        )
    weights = frame[column].to_numpy(dtype=float)
    if bad := int((~(weights > 0)).sum()):
        raise InputError(
            "权重不对", where=f"{SELECTION}：{column}", found=f"{len(frame)} 个观测中 {bad} 个权重缺失或不大于 0",
            expected="每个观测的权重大于 0", fix="核对权重列",
        )
    return weights


# --- E-value -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EValue:
    """E-values of a standardised coefficient and of the limit of its interval that is nearer to zero.

    ratio : risk ratio that goes with the estimate. value : E-value of the estimate. limit : E-value of the limit; 1
    where the interval holds zero.
    """

    estimate: float
    low: float
    high: float
    ratio: float
    value: float
    limit: float

    def tidy(self) -> pd.DataFrame:
        """One row, one column a number."""
        return pd.DataFrame([asdict(self)])

    def summary(self) -> str:
        """Both values in one Chinese sentence."""
        return (
            f"E 值为 {self.value:.2f}：未观测因素与自变量、与结果的联系都须达到风险比 {self.value:.2f} 才能完全解释这个系数；"
            f"使区间包含零须达到 {self.limit:.2f}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def e_value_ratio(ratio: float) -> float:
    r"""E-value of a risk ratio: :math:`RR + \sqrt{RR (RR - 1)}`, with the inverse of a ratio below 1.

    Returns
    -------
    float
        >= 1; a ratio of 1 gives 1.

    Raises
    ------
    InputError
        The ratio is not a positive number.

    Source
    ------
    VanderWeele & Ding (2017), Annals of Internal Medicine 167(4): a ratio of 3.9 gives 7.26, one of 1.8 gives 3.0.
    """
    if not (math.isfinite(ratio) and ratio > 0):
        raise InputError("风险比不对", where=E_VALUE, found=f"{ratio:g}", expected="大于 0 的数", fix="核对风险比")
    larger = max(ratio, 1 / ratio)
    return larger + math.sqrt(larger * (larger - 1))


def e_value(estimate: float, low: float, high: float) -> EValue:
    r"""E-value of a standardised coefficient or standardised mean difference d, with :math:`RR \approx e^{0.91 d}`.

    Parameters
    ----------
    estimate, low, high : float
        Difference of the outcome in its standard deviations for the contrast of interest (for a continuous predictor:
        one SD of it), with its 95 % interval; low <= estimate <= high.

    Returns
    -------
    EValue
        Larger is more robust. An estimate of zero, or an interval that holds zero, gives 1: nothing needs explaining.

    Raises
    ------
    InputError
        The three numbers are missing or out of order.

    Source
    ------
    VanderWeele & Ding (2017), the approximation for continuous outcomes.
    """
    if not (low <= estimate <= high and math.isfinite(low) and math.isfinite(high)):
        raise InputError(
            "估计值与区间不对", where=E_VALUE, found=f"估计 {estimate:g}，区间 {low:g} 到 {high:g}", expected="有限的数，估计值在区间之内",
            fix="核对标准化系数与它的区间",
        )
    nearer = low if low > 0 else high if high < 0 else 0.0
    ratio = math.exp(LOG_RATIO_PER_SD * estimate)
    return EValue(estimate, low, high, ratio, e_value_ratio(ratio), e_value_ratio(math.exp(LOG_RATIO_PER_SD * nearer)))


# --- robustness value ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RobustnessValue:
    """Cinelli and Hazlett's robustness values of a coefficient.

    value : share of the residual variance of both outcome and term that unobserved variables must explain to take
        away the share ``q`` of the estimate. limit : the same to make it no longer significant at ``alpha``.
    partial_r2 : share of the outcome's residual variance that the term explains.
    """

    value: float
    limit: float
    partial_r2: float
    statistic: float
    df: float
    q: float
    alpha: float

    def tidy(self) -> pd.DataFrame:
        """One row, one column a number."""
        return pd.DataFrame([asdict(self)])

    def summary(self) -> str:
        """Both values in one Chinese sentence."""
        return (
            f"稳健值为 {self.value:.1%}：未观测因素须同时解释自变量与结果剩余差异的 {self.value:.1%}，才能抵消系数的 {self.q:.0%}；"
            f"解释 {self.limit:.1%} 就会使它在 {self.alpha:g} 水平上不再显著"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def robustness_value(statistic: float, df: float, *, q: float = 1.0, alpha: float = 1 - LEVEL) -> RobustnessValue:
    r"""Robustness value of a coefficient from its t statistic and residual degrees of freedom.

    .. math:: RV_q = \tfrac12 (\sqrt{f_q^4 + 4 f_q^2} - f_q^2), \qquad f_q = q |t| / \sqrt{df}

    For the level ``alpha``, :math:`f_q - |t_{\alpha/2, df - 1}| / \sqrt{df - 1}` takes the place of :math:`f_q` (0 if
    that is negative); where :math:`f_q` exceeds the inverse of that critical value f*, the value is
    :math:`(f_q^2 - f^{*2}) / (1 + f_q^2)`.

    Parameters
    ----------
    statistic : float
        t statistic with the classical standard error: the identity holds for ordinary least squares only. With a
        cluster-robust t it is an approximation and must be called one.
    df : float
        Residual degrees of freedom, > 1.
    q : float
        Share of the estimate to take away, > 0.
    alpha : float
        Level of the two-sided test.

    Returns
    -------
    RobustnessValue
        Shares, 0 to 1. A statistic of zero gives zeros.

    Raises
    ------
    InputError
        A number is missing or outside its range.

    Source
    ------
    Cinelli & Hazlett (2020), JRSS B 82(1); golden values: Darfur example of that paper.
    """
    if not (math.isfinite(statistic) and df > 1 and q > 0 and 0 < alpha < 1):
        raise InputError(
            "稳健值算不出来", where=ROBUSTNESS, found=f"t = {statistic:g}，自由度 {df:g}，q = {q:g}，α = {alpha:g}",
            expected="t 有限，自由度大于 1，q 大于 0，α 在 0 与 1 之间", fix="核对这些数；自由度太小时先减少变量或增加学校",
        )
    f = q * abs(statistic) / math.sqrt(df)
    critical = float(stats.t.isf(alpha / 2, df - 1)) / math.sqrt(df - 1)
    if f <= critical:
        limit = 0.0
    elif f * critical >= 1:
        limit = (f**2 - critical**2) / (1 + f**2)
    else:
        limit = _robust_share(f - critical)
    return RobustnessValue(
        _robust_share(f), limit, statistic**2 / (statistic**2 + df), statistic, float(df), q, alpha
    )


def _robust_share(f: float) -> float:
    # The difference of two near-equal numbers for large f, written as a quotient.
    return 2 * f / (math.sqrt(f**2 + 4) + f) if f > 0 else 0.0
