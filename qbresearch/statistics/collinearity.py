"""How far variables can be told apart: variance inflation, condition index, and tests of whole blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from qbresearch.errors import InputError
from qbresearch.statistics.design import INTERCEPT, dependent_columns, design_matrix
from qbresearch.statistics.estimates import LEVEL
from qbresearch.statistics.multiplicity import ADJUSTMENTS, adjust_p
from qbresearch.statistics.records import plain_records


@dataclass(frozen=True, slots=True)
class CollinearityResult:
    """How much of each variable the others repeat.

    Attributes
    ----------
    table : DataFrame
        One row a variable that can be told apart from the others: ``variable, columns, vif, tolerance, r_squared``.
    condition_index : float
        Of the columns in ``table`` and the intercept, each scaled to length 1.
    perfect : tuple of (str, tuple of str)
        Columns left out because others make them up exactly, each with those others.
    """

    table: pd.DataFrame
    condition_index: float
    perfect: tuple[tuple[str, tuple[str, ...]], ...]

    def tidy(self) -> pd.DataFrame:
        """A copy of the table."""
        return self.table.copy()

    def perfect_sentences(self) -> tuple[str, ...]:
        """Each exact dependence in words: which column the others make up."""
        return tuple(f"{column}可由{'、'.join(others)}完全算出，系数不能分开估计" for column, others in self.perfect)

    def summary(self) -> str:
        """The largest variance inflation, the condition index and what is left out, in one Chinese sentence."""
        top = self.table.loc[self.table["vif"].idxmax()]
        text = f"方差膨胀因子最大的是{top['variable']}（{top['vif']:.2f}），条件指数 {self.condition_index:.1f}"
        return "；".join([text, *self.perfect_sentences()])

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "table": plain_records(self.table), "condition_index": self.condition_index,
            "perfect": [{"column": column, "others": list(others)} for column, others in self.perfect],
        }


def measure_collinearity(
    frame: pd.DataFrame, variables: Sequence[str], *, where: str = "共线性诊断"
) -> CollinearityResult:
    r"""Variance inflation of each variable given the others, with an intercept in the model.

    .. math:: VIF_j = \frac{1}{1 - R_j^2} = \frac{\det R_{jj} \det R_{-j,-j}}{\det R}, \qquad
              \kappa = \frac{\max_i d_i}{\min_i d_i}

    with R the correlation matrix of the columns and d the singular values of the columns and the intercept, not
    centred, each scaled to length 1.

    Parameters
    ----------
    frame : DataFrame, n rows
        Rows count equally.
    variables : sequence of str
        Numeric, boolean or text columns; a text column with m levels is m - 1 columns of 0 and 1.
    where : str
        What is being modelled, for messages.

    Returns
    -------
    CollinearityResult
        ``vif`` >= 1, ``tolerance`` = 1 / vif and ``r_squared`` = 1 - tolerance; for a variable of several ``columns``
        the generalised VIF of Fox and Monette, comparable only after the power 1 / (2 columns). One variable: 1. A
        column that those before it make up exactly has no VIF: it stands in ``perfect``, in words, and the others are
        measured without it.

    Raises
    ------
    InputError
        A value is missing, a variable is constant or named twice, there are no variables, or not more rows than
        columns.

    Source
    ------
    Fox and Monette (1992); Belsley, Kuh and Welsch (1980). Golden values from R (``car::vif``, ``svd``).
    """
    if not variables or len(set(variables)) < len(variables):
        raise InputError(
            "要诊断的变量不对", where=where, found="、".join(variables) or "没有变量", expected="至少一个变量，每个只列一次",
            fix="核对变量名单",
        )
    designs = [design_matrix(frame, [v], intercept=False, where=where) for v in variables]
    owner = np.repeat(np.arange(len(variables)), [len(d.names) for d in designs])
    names = [INTERCEPT, *(name for d in designs for name in d.names)]
    matrix = np.column_stack([np.ones(len(frame)), *(d.matrix for d in designs)])
    if len(frame) <= matrix.shape[1]:
        raise InputError(
            "变量太多，观测太少，无法诊断共线性", where=where, found=f"{len(frame)} 个观测，{matrix.shape[1]} 列（含截距）",
            expected="观测数多于列数", fix="减少变量，或合并多个县、多个年份；两两相关仍可计算",
        )
    perfect = tuple(dependent_columns(matrix, names))
    left_out = {column for column, _ in perfect}
    kept = np.array([name not in left_out for name in names])
    owner, columns = owner[kept[1:]], matrix[:, kept]
    rows = []
    for variable, inflation, size in _inflation(columns[:, 1:], owner):
        rows.append((variables[variable], size, inflation, 1 / inflation, 1 - 1 / inflation))
    table = pd.DataFrame(rows, columns=["variable", "columns", "vif", "tolerance", "r_squared"])
    d = np.linalg.svd(columns / np.linalg.norm(columns, axis=0), compute_uv=False)
    return CollinearityResult(table, float(d[0] / d[-1]), perfect)


def _inflation(columns: np.ndarray, owner: np.ndarray) -> list[tuple[int, float, int]]:
    """Generalised VIF of each owner's columns."""
    centred = columns - columns.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=0)
    # The triangular factor keeps twice the digits that the correlation matrix would.
    factor = np.linalg.qr(unit, mode="r")
    inverse = np.linalg.solve(factor, np.eye(len(factor)))
    found = []
    for variable in np.unique(owner):
        mine = owner == variable
        alone = np.linalg.det(unit[:, mine].T @ unit[:, mine])
        given_others = np.linalg.det(inverse[mine] @ inverse[mine].T)
        found.append((int(variable), max(1.0, float(alone * given_others)), int(mine.sum())))
    return found


class _Tested(Protocol):
    statistic: float
    df1: float
    df2: float
    p: float


class BlockTestable(Protocol):
    """A fitted model that can test several of its coefficients against zero at once."""

    def wald(self, terms: Sequence[str]) -> _Tested:
        """Joint test of ``terms``."""


@dataclass(frozen=True, slots=True)
class BlockTests:
    """Joint tests of blocks of coefficients.

    Attributes
    ----------
    table : DataFrame
        One row a block: ``block, terms, statistic, df1, df2, p, p_adjusted, family``.
    adjust : str
        How p-values were adjusted.
    """

    table: pd.DataFrame
    adjust: str

    def tidy(self) -> pd.DataFrame:
        """A copy of the table."""
        return self.table.copy()

    def summary(self) -> str:
        """Which blocks differ from zero, in one Chinese sentence."""
        differ = self.table.loc[self.table["p_adjusted"] < 1 - LEVEL, "block"]
        return (
            f"{len(self.table)} 组变量的联合检验中，{ADJUSTMENTS[self.adjust]}与 0 有别的有 {len(differ)} 组"
            + (f"：{'、'.join(differ)}" if len(differ) else "")
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"adjust": self.adjust, "table": plain_records(self.table)}


def block_test(
    fit: BlockTestable, blocks: Mapping[str, Sequence[str]], *, adjust: str = "holm", where: str = "分组联合检验"
) -> BlockTests:
    """Joint Wald test of each block of coefficients against zero.

    Variables that repeat one another have wide intervals one by one and may still matter together, so a block is tested
    before its members are read.

    Parameters
    ----------
    fit : model with ``wald(terms)``
        The test uses the fit's own covariance (classical, robust or cluster-robust).
    blocks : mapping of str to sequence of str
        Name of each block and its coefficients as the fit names them (``column`` or ``column[level]``). All blocks
        together are the family for ``adjust``.
    adjust : "holm", "bh" or "none"
        See :func:`qbresearch.statistics.multiplicity.adjust_p`.
    where : str
        What is being tested, for messages.

    Returns
    -------
    BlockTests
        F (or chi-squared, with infinite ``df2``) of each block, its degrees of freedom and p.

    Raises
    ------
    InputError
        There are no blocks or one is empty; or the fit refuses a coefficient it does not have.

    Source
    ------
    Golden values from R's ``car::linearHypothesis``.
    """
    if not blocks or not all(blocks.values()):
        raise InputError(
            "没有可检验的变量组", where=where, found="、".join(name for name, terms in blocks.items() if not terms) or "没有分组",
            expected="每组至少一个系数", fix="去掉空的组，或写明组内的系数；单个系数的检验仍可报告",
        )
    rows = []
    for name, terms in blocks.items():
        test = fit.wald(list(terms))
        rows.append((name, len(terms), float(test.statistic), float(test.df1), float(test.df2), float(test.p)))
    table = pd.DataFrame(rows, columns=["block", "terms", "statistic", "df1", "df2", "p"])
    table["p_adjusted"] = adjust_p(table["p"], adjust, where=where)
    table["family"] = len(table)
    return BlockTests(table, adjust)
