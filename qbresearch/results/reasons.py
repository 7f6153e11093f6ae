"""Why a number is absent, in the words of a report.

Methods give their reasons in Chinese, as constants and in errors, whatever language the report has. Their translations
stand in the catalogue's topic ``reasons`` under these texts.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from qbresearch.errors import InputError
from qbresearch.language import CHINESE, catalogue, current_language, say


def refusal(error: InputError, *, fix: bool = False) -> str:
    """What a method said when it refused, as a remark of a table.

    Parameters
    ----------
    error : InputError
    fix : bool
        Whether the remark also says what can be done about it.

    Returns
    -------
    str
        In Chinese the error's own words, with what was found. Elsewhere the translation of the problem alone, or a
        general sentence where there is none: numbers and names in an error are not translated.
    """
    if current_language() == CHINESE:
        text = f"{error.problem}（{error.found}）"
        return f"{text}；{error.fix}" if fix else text
    return catalogue(current_language()).get(error.problem) or say("这一方法不适用于这些数据")


def said(reason: str) -> str:
    """A reason that a module has as a constant, in the language in force; what is empty stays empty."""
    return reason if current_language() == CHINESE or not reason else catalogue(current_language())[reason]


def spoken(reasons: Iterable[str]) -> np.ndarray:
    """Each of several reasons as :func:`said` gives it."""
    return np.array([said(reason) for reason in reasons], dtype=object)
