"""Several tests at once: p-values that hold for a stated family."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qbresearch.errors import InputError, check_choice

ADJUSTMENTS = {"holm": "Holm 校正后", "bh": "Benjamini–Hochberg 校正后", "none": "未作校正时"}


def adjust_p(p: ArrayLike, method: str = "holm", *, where: str = "多重检验校正") -> np.ndarray:
    r"""P-values adjusted for the number of tests m in the family, in the order given.

    .. math:: \text{Holm: } \tilde p_{(i)} = \max_{j \le i} \min\{1, (m - j + 1)\, p_{(j)}\}, \qquad
              \text{BH: } \tilde p_{(i)} = \min_{j \ge i} \min\{1, m\, p_{(j)} / j\}

    Parameters
    ----------
    p : array-like, shape (m,)
        P-values of one family, each in [0, 1]. The family is all of them: every test that was made belongs here,
        significant or not.
    method : "holm", "bh" or "none"
        ``holm`` bounds the chance of one false finding, whatever the dependence; ``bh`` the expected share of false
        findings, under independent or positively dependent tests; ``none`` returns the p-values.
    where : str
        What is being tested, for messages.

    Returns
    -------
    ndarray, shape (m,)
        Never smaller than ``p``. One test: ``p`` itself. Equal p-values get equal adjusted ones.

    Raises
    ------
    InputError
        Empty, a p-value is missing (a test that could not be made is no test: left in, it would enlarge the family),
        or one lies outside [0, 1].

    Source
    ------
    Holm (1979); Benjamini and Hochberg (1995). Golden values from R's ``p.adjust``.
    """
    check_choice(method, ADJUSTMENTS, name="校正方法", where=where)
    values = np.asarray(p, dtype=float)
    if values.ndim != 1 or not len(values):
        raise InputError(
            "没有可校正的 p 值", where=where, found=f"形状 {values.shape}", expected="至少一个 p 值的一维数组", fix="先做检验再校正"
        )
    if missing := int(np.isnan(values).sum()):
        raise InputError(
            "有检验没有 p 值，不能校正", where=where, found=f"{len(values)} 个检验中 {missing} 个没有 p 值",
            expected="族中每个检验都有 p 值", fix="先去掉没有做成的检验，并在报告中写明族的大小；未校正的 p 值仍可报告",
        )
    if ((values < 0) | (values > 1)).any():
        raise InputError(
            "p 值超出范围", where=where, found=f"最小 {values.min():g}，最大 {values.max():g}", expected="0 到 1", fix="核对 p 值的来源"
        )
    if method == "none":
        return values.copy()
    order = np.argsort(values, kind="stable")
    ascending, rank = values[order], np.arange(1, len(values) + 1)
    if method == "holm":
        steps = np.maximum.accumulate((len(values) - rank + 1) * ascending)
    else:
        steps = np.minimum.accumulate((len(values) / rank * ascending)[::-1])[::-1]
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted
