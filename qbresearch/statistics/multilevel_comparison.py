"""Two mixed models side by side: likelihood ratio tests and the variance explained at each level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pandas as pd
from scipy import stats

from qbresearch.errors import InputError
from qbresearch.statistics.design import INTERCEPT

PLAIN, MIXTURE, CONSERVATIVE = "卡方分布", "两个卡方分布各半（方差在边界上）", "卡方分布（方差在边界上，偏保守）"


class Compared(Protocol):
    """What a comparison needs to know of a fitted model (see ``MultilevelFit``)."""

    outcome: str
    method: str
    terms: tuple[str, ...]
    components: pd.DataFrame
    residual_variance: float
    log_likelihood: float
    parameters: int
    units: int
    groups: Mapping[str, int]
    where: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class LikelihoodRatio:
    """Likelihood ratio test.

    statistic : twice the gain in log likelihood. df : parameters added. p_naive : by chi-squared with these df. p : by
    ``reference`` (Chinese), which takes into account that a variance cannot be negative.
    """

    statistic: float
    df: int
    p: float
    p_naive: float
    reference: str

    def summary(self) -> str:
        """The test in one Chinese sentence."""
        return f"似然比检验：统计量 {self.statistic:.4g}，增加 {self.df} 个参数，p = {self.p:.3g}（{self.reference}）"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "statistic": self.statistic, "df": self.df, "p": self.p, "p_naive": self.p_naive,
            "reference": self.reference,
        }


def compare_likelihoods(one: Compared, other: Compared) -> LikelihoodRatio:
    r"""Test the smaller of two nested models against the larger.

    .. math:: LR = 2(\ell_1 - \ell_0), \qquad p = \tfrac12 P(\chi^2_{d-1} > LR) + \tfrac12 P(\chi^2_d > LR)

    The mixture holds where exactly one random term is added (its variance and its covariances; d counts all parameters
    added, fixed effects too). With several random terms no simple mixture exists: the plain chi-squared p is given,
    which is too large. With none it is the asymptotic one.

    Raises
    ------
    InputError
        Different data or methods, REML with different fixed effects, or models of which none contains the other.

    Source
    ------
    Self & Liang 1987; Stram & Lee 1994.
    """
    where = one.where
    if one.fingerprint != other.fingerprint or one.outcome != other.outcome:
        raise InputError(
            "两个模型用的不是同一批数据，似然不可比", where=where,
            found=f"{other.outcome} 的 {other.units} 个观测与 {one.outcome} 的 {one.units} 个观测",
            expected="同样的观测、同样的次序、同一个结果变量",
            fix="先统一剔除缺失，再拟合两个模型；两个模型各自的估计仍可报告",
        )
    if one.method != other.method:
        raise InputError(
            "两个模型的估计方法不同，似然不可比", where=where, found=f"{one.method} 与 {other.method}", expected="同一种方法",
            fix='两个模型都用 method="ML"（固定效应不同时必须用 ML）',
        )
    fixed = [set(fit.terms) for fit in (one, other)]
    if one.method == "REML" and fixed[0] != fixed[1]:
        raise InputError(
            "固定效应不同的模型不能比较 REML 似然", where=where,
            found="、".join(sorted(fixed[0] ^ fixed[1])) + " 只在其中一个模型里",
            expected="固定效应相同，或用 ML", fix='两个模型都用 method="ML" 重新拟合；方差解释比例仍可用 r_squared 报告',
        )
    random = [_random_terms(fit) for fit in (one, other)]
    if fixed[0] <= fixed[1] and random[0] <= random[1]:
        small, large, added = one, other, len(random[1] - random[0])
    elif fixed[1] <= fixed[0] and random[1] <= random[0]:
        small, large, added = other, one, len(random[0] - random[1])
    else:
        raise InputError(
            "两个模型互不包含，不能做似然比检验", where=where,
            found="、".join(sorted(fixed[0] ^ fixed[1])) or "各有对方没有的随机项", expected="一个模型的各项都在另一个模型中",
            fix="用 AIC、BIC 比较，或从较大的模型中逐项去掉",
        )
    if large.parameters == small.parameters:
        raise InputError(
            "两个模型相同，没有可以检验的参数", where=where, found=f"都有 {one.parameters} 个参数", expected="一个模型多出若干项",
            fix="核对两个模型的设定",
        )
    return ratio_test(large.log_likelihood - small.log_likelihood, large.parameters - small.parameters, added)


def ratio_test(gain: float, df: int, random_added: int) -> LikelihoodRatio:
    """Test of a ``gain`` in log likelihood by ``df`` parameters, among them those of ``random_added`` random terms."""
    statistic = max(2 * gain, 0.0)
    naive = float(stats.chi2.sf(statistic, df))
    if random_added != 1:
        return LikelihoodRatio(statistic, df, naive, naive, CONSERVATIVE if random_added else PLAIN)
    fewer = float(stats.chi2.sf(statistic, df - 1)) if df > 1 else float(statistic == 0)
    return LikelihoodRatio(statistic, df, (fewer + naive) / 2, naive, MIXTURE)


def _random_terms(fit: Compared) -> set[tuple[str, str]]:
    own = fit.components[fit.components["level"].isin(list(fit.groups))]
    return set(zip(own["level"], own["term_1"], strict=True))


def explained_variance(null: Compared, fit: Compared, residual: str) -> pd.DataFrame:
    r"""Share of each variance of a null model that a model explains, level by level and altogether.

    .. math:: R^2_l = 1 - \tau_l / \tau_{l,0}, \qquad R^2 = 1 - \sum_l \tau_l / \sum_l \tau_{l,0}

    Intercept variances and the residual variance. A share can be negative: an explanatory variable that differs only
    within schools can raise the estimate of the variance between them. Where the null variance is zero there is nothing
    to explain and the level is left out of the table.

    Raises
    ------
    InputError
        Different data, method or levels.

    Source
    ------
    Raudenbush & Bryk 2002 (level by level); Snijders & Bosker 2012 (total).
    """
    if null.fingerprint != fit.fingerprint or null.groups != fit.groups or null.method != fit.method:
        raise InputError(
            "两个模型的数据、分层或估计方法不同，不能计算方差解释比例", where=fit.where,
            found=f"{_described(null)} 与 {_described(fit)}",
            expected="同一批观测、同样的分层、同一种估计方法", fix="用同样的数据拟合空模型；各自的方差成分仍可报告",
        )
    before, after = intercept_variances(null, residual), intercept_variances(fit, residual)
    rows = [(level, before[level], after[level]) for level in before]
    rows.append(("total", sum(before.values()), sum(after.values())))
    table = pd.DataFrame(rows, columns=["level", "null", "model"])
    table = table[table["null"] > 0].reset_index(drop=True)
    return table.assign(explained=1 - table["model"] / table["null"])


def intercept_variances(fit: Compared, residual: str) -> dict[str, float]:
    """Intercept variance of each level, innermost first, then the residual variance."""
    rows = fit.components[(fit.components["term_1"] == INTERCEPT) & (fit.components["term_2"] == INTERCEPT)]
    return {**dict(zip(rows["level"], rows["value"].astype(float), strict=True)), residual: fit.residual_variance}


def _described(fit: Compared) -> str:
    groups = "、".join(f"{name} {count} 组" for name, count in fit.groups.items())
    return f"{fit.units} 个观测（{groups}，{fit.method}）"
