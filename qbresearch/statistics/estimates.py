"""The one form in which estimates are reported: estimate, standard error, degrees of freedom, test and interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

LEVEL = 0.95
ESTIMATE_COLUMNS = ["term", "estimate", "se", "df", "statistic", "p", "low", "high"]


def estimate_table(
    terms: Sequence[str], estimates: ArrayLike, errors: ArrayLike, df: ArrayLike = np.inf, *, level: float = LEVEL
) -> pd.DataFrame:
    """Estimates with two-sided t tests against zero and intervals.

    Parameters
    ----------
    terms : sequence of str, length k
    estimates, errors : array-like, shape (k,)
        Estimates and their standard errors, in the unit of the estimate.
    df : array-like, shape (k,) or a number
        Degrees of freedom of each; infinity is the normal distribution.
    level : float
        Coverage of the intervals.

    Returns
    -------
    DataFrame
        Columns ``term, estimate, se, df, statistic, p, low, high``. A standard error of zero gives an empty
        ``statistic`` and ``p``, and an interval of no width.
    """
    return pd.DataFrame({"term": list(terms), **t_tests(estimates, errors, df, level=level)}, columns=ESTIMATE_COLUMNS)


def t_tests(
    estimates: ArrayLike, errors: ArrayLike, df: ArrayLike = np.inf, *, level: float = LEVEL
) -> dict[str, np.ndarray]:
    """The columns of :func:`estimate_table` beside ``term``, for callers that want a few numbers and no table."""
    estimate, se = np.asarray(estimates, dtype=float), np.asarray(errors, dtype=float)
    freedom = np.broadcast_to(np.asarray(df, dtype=float), estimate.shape)
    statistic = np.divide(estimate, se, out=np.full_like(estimate, np.nan), where=se > 0)
    half = stats.t.ppf((1 + level) / 2, freedom) * se
    return {
        "estimate": estimate, "se": se, "df": freedom, "statistic": statistic,
        "p": 2 * stats.t.sf(np.abs(statistic), freedom), "low": estimate - half, "high": estimate + half,
    }  # fmt: skip
