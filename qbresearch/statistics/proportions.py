"""How well a share is known from a sample: Wilson's score interval."""

from __future__ import annotations

import math

from scipy import stats

from qbresearch.errors import InputError


def wilson_interval(successes: float, n: float, *, significance: float, where: str = "比例的区间") -> tuple[float, float]:
    r"""Wilson's score interval of a share, without continuity correction.

    .. math:: \frac{\hat p + z^2/2n \pm z\sqrt{\hat p(1-\hat p)/n + z^2/4n^2}}{1 + z^2/n},
              \qquad \hat p = k/n, \quad z = z_{1-\alpha/2}

    Parameters
    ----------
    successes, n : float
        Answers counted (k) and all answers, taken as a simple random sample of a large population; unweighted.
    significance : float
        :math:`\alpha`; 0.05 gives a 95 % interval.
    where : str
        What is being measured, for messages.

    Returns
    -------
    tuple of float
        Low and high, both between 0 and 1. No success gives 0 as low, only successes 1 as high; the interval is
        never empty and never without width.

    Raises
    ------
    InputError
        A number is missing, there is no answer, or more successes than answers.

    Source
    ------
    Wilson (1927); method 3 of Newcombe (1998). Golden values from Newcombe's table and statsmodels.
    """
    if not (n > 0 and 0 <= successes <= n):  # also false where one is missing
        raise InputError(
            "不能计算比例的区间", where=where, found=f"{successes:g} 份满意，{n:g} 份有效", expected="有效份数大于 0，满意份数不超过有效份数",
            fix="核对两个份数",
        )
    z = float(stats.norm.ppf(1 - significance / 2))
    share, weight = successes / n, z * z / n
    centre = share + weight / 2
    half = z * math.sqrt(share * (1 - share) / n + weight / (4 * n))
    low, high = (centre - half) / (1 + weight), (centre + half) / (1 + weight)
    # At the ends the formula is exactly 0 or 1; subtraction leaves a trace after the 15th digit.
    return (0.0 if successes == 0 else low), (1.0 if successes == n else high)
