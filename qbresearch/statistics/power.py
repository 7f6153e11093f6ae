"""How large an effect of a school-level predictor must be for a study of given size to find it, and the inverse."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
from scipy import optimize, stats

from qbresearch.errors import InputError
from qbresearch.language import say

WHERE = "检验力分析"
MOST_SCHOOLS = 10**7  # beyond this no country has schools


@dataclass(frozen=True, slots=True)
class DetectableEffect:
    """The smallest standardised coefficient that a two-level design finds with the wanted power.

    effect : SD of the outcome per SD of the predictor. se : standard error of that coefficient, same unit.
    df : degrees of freedom of its t test. The other fields are the design as it was given.
    """

    effect: float
    se: float
    df: float
    schools: int
    students_per_school: float
    icc: float
    power: float
    alpha: float
    r2_between: float
    r2_within: float
    r2_predictor: float
    covariates: int

    def tidy(self) -> pd.DataFrame:
        """One row, one column a field."""
        return pd.DataFrame([asdict(self)])

    def summary(self) -> str:
        """The design and what it can find, in one sentence."""
        return say(
            "{schools} 所学校、每校约 {students} 名学生（调和平均）、组内相关 {icc}，并扣除其他变量已解释的差异："
            "真实的标准化系数达到 {effect} 时，有 {power} 的把握检验出来（双侧检验，显著性水平 {alpha}）；"
            "真实系数更小时可能检验不出来，所以不显著不等于没有联系",
            schools=self.schools, students=f"{self.students_per_school:.1f}", icc=f"{self.icc:.3f}", effect=f"{self.effect:.3f}",
            power=f"{self.power:.0%}", alpha=f"{self.alpha:g}",
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def minimum_detectable_effect(
    schools: int, students_per_school: float, icc: float, *, power: float, alpha: float,
    r2_between: float = 0.0, r2_within: float = 0.0, r2_predictor: float = 0.0, covariates: int = 0,
) -> DetectableEffect:
    r"""Minimum detectable standardised coefficient of a school-level predictor, by the noncentral t distribution.

    .. math:: SE = \sqrt{\frac{\rho (1 - R^2_b) + (1 - \rho)(1 - R^2_w) / n}{J (1 - R^2_x)}}, \qquad
              \text{MDE} = \lambda\, SE, \qquad
              P\{|T'_{J - 2 - c}(\lambda)| > t_{1 - \alpha/2,\, J - 2 - c}\} = \text{power}

    Parameters
    ----------
    schools : int
        Schools J; more than 2 + ``covariates``.
    students_per_school : float
        Students n tested in each school, >= 1; for unequal schools their harmonic mean.
    icc : float
        Share of the outcome's variance that lies between schools (0 to 1), before covariates.
    power, alpha : float
        Wanted probability of finding the effect, and level of the two-sided test; 0 < alpha < power < 1.
    r2_between, r2_within : float
        Share of the variance between and within schools that the covariates explain, 0 <= R² < 1.
    r2_predictor : float
        Share of the predictor's variance between schools that the other school-level covariates explain; in a study
        without random assignment it is rarely zero, and the effect must be larger by 1 / sqrt(1 - R²).
    covariates : int
        School-level covariates c, each of which costs one degree of freedom.

    Returns
    -------
    DetectableEffect
        ``effect`` in SD of the outcome per SD of the predictor (population SD over schools). Exact for equal schools
        and a normal outcome; neither the rule 2.8 SE nor the sum of two t quantiles. It falls with schools and with
        students, but with students not below what the variance between schools allows.

    Raises
    ------
    InputError
        Too few schools for the covariates, or a share, power or level outside its range.

    Source
    ------
    Bloom (2006), Dong & Maynard (2013) for SE; Hedges & Rhoads (2009) for the noncentral t; golden values from R.
    """
    _check_shares(students_per_school, icc, power, alpha, r2_between, r2_within, r2_predictor, covariates)
    df = _freedom(schools, covariates)
    se = _standard_error(schools, students_per_school, icc, r2_between, r2_within, r2_predictor)
    noncentrality = optimize.brentq(lambda x: _power(x, df, alpha) - power, 0.0, _upper(df, alpha, power), xtol=1e-13)
    return DetectableEffect(
        noncentrality * se, se, df, int(schools), float(students_per_school), icc, power, alpha,
        r2_between, r2_within, r2_predictor, covariates,
    )


def detection_power(
    effect: float, schools: int, students_per_school: float, icc: float, *, alpha: float,
    r2_between: float = 0.0, r2_within: float = 0.0, r2_predictor: float = 0.0, covariates: int = 0,
) -> float:
    """Probability (0 to 1) of finding a standardised coefficient of the given size.

    Parameters, formula and refusals are those of :func:`minimum_detectable_effect`; ``effect`` may have either sign.
    An effect of zero is found with probability ``alpha``.
    """
    _check_shares(students_per_school, icc, (1 + alpha) / 2, alpha, r2_between, r2_within, r2_predictor, covariates)
    df = _freedom(schools, covariates)
    se = _standard_error(schools, students_per_school, icc, r2_between, r2_within, r2_predictor)
    return float(_power(abs(effect) / se, df, alpha))


def schools_needed(
    effect: float, students_per_school: float, icc: float, *, power: float, alpha: float,
    r2_between: float = 0.0, r2_within: float = 0.0, r2_predictor: float = 0.0, covariates: int = 0,
) -> int:
    """Smallest number of schools in which an effect of the given size is found with the wanted power.

    Parameters and formula are those of :func:`minimum_detectable_effect`; ``effect`` is not zero.

    Raises
    ------
    InputError
        As there, or the effect is zero or so small that ten million schools would not do.
    """
    _check_shares(students_per_school, icc, power, alpha, r2_between, r2_within, r2_predictor, covariates)
    design = {"alpha": alpha, "r2_between": r2_between, "r2_within": r2_within, "r2_predictor": r2_predictor,
              "covariates": covariates}

    def enough(schools: int) -> bool:
        return detection_power(effect, schools, students_per_school, icc, **design) >= power

    low = covariates + 3
    if enough(low):
        return low
    high = 2 * low
    while high < MOST_SCHOOLS and not enough(high):
        low, high = high, 2 * high
    if high >= MOST_SCHOOLS:
        raise InputError(
            "这个效应太小，多少所学校都不够", where=WHERE, found=f"标准化系数 {effect:g}", expected="不等于 0、可以发现的系数",
            fix="给出有实际意义的系数；现有学校能发现的最小系数仍可计算",
        )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _standard_error(
    schools: int, students: float, icc: float, r2_between: float, r2_within: float, r2_predictor: float
) -> float:
    variance = icc * (1 - r2_between) + (1 - icc) * (1 - r2_within) / students
    return math.sqrt(variance / (schools * (1 - r2_predictor)))


def _power(noncentrality: float, df: float, alpha: float) -> float:
    """P(|T'| > t), as the upper tail of the noncentral F: scipy's lower tail of the noncentral t can be NaN."""
    if noncentrality == 0:
        return alpha
    return stats.ncf.sf(stats.t.isf(alpha / 2, df) ** 2, 1, df, noncentrality**2)


def _upper(df: float, alpha: float, power: float) -> float:
    """A noncentrality that has more than the wanted power."""
    upper = 2.0
    while _power(upper, df, alpha) <= power:
        upper *= 2
    return upper


def _freedom(schools: int, covariates: int) -> float:
    df = schools - 2 - covariates
    if not (schools == int(schools) and df >= 1):
        raise InputError(
            "学校太少，算不出能发现的最小系数", where=WHERE, found=f"{schools:g} 所学校，{covariates} 个学校层协变量",
            expected=f"至少 {covariates + 3} 所学校", fix="减少学校层协变量，或合并多个县、多个学段；描述统计仍可报告",
        )
    return float(df)


def _check_shares(
    students: float, icc: float, power: float, alpha: float, r2_between: float, r2_within: float, r2_predictor: float,
    covariates: int,
) -> None:
    rules = [
        ("每校学生数", students, math.isfinite(students) and students >= 1, "不小于 1 的数"),
        ("组内相关", icc, 0 <= icc <= 1, "0 到 1 之间的数"),
        ("显著性水平", alpha, 0 < alpha < 1, "0 与 1 之间的数"),
        ("检验力", power, alpha < power < 1, "大于显著性水平、小于 1 的数"),
        ("校间解释比例", r2_between, 0 <= r2_between < 1, "不小于 0、小于 1 的数"),
        ("校内解释比例", r2_within, 0 <= r2_within < 1, "不小于 0、小于 1 的数"),
        ("自变量被协变量解释的比例", r2_predictor, 0 <= r2_predictor < 1, "不小于 0、小于 1 的数"),
        ("学校层协变量个数", covariates, covariates >= 0 and covariates == int(covariates), "不小于 0 的整数"),
    ]
    for name, value, right, expected in rules:
        if not right:
            raise InputError(f"{name}不对", where=WHERE, found=f"{value:g}", expected=expected, fix=f"核对{name}")
