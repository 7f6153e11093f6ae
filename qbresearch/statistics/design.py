"""Design matrices: named columns out of a table, refused where a model could not be estimated from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionDtype

from qbresearch.errors import InputError

INTERCEPT = "(Intercept)"
# A column whose part not explained by the columns before it is smaller than this share of its length is collinear.
COLLINEAR = 1e-9
# Above this share one orthogonalisation is proof enough; below it the columns are looked at one by one.
SURELY_INDEPENDENT = 1e-5


@dataclass(frozen=True, slots=True)
class Design:
    """A model's columns: ``matrix`` of shape (n, k) and the name of each column (``names``, k of them)."""

    matrix: np.ndarray
    names: tuple[str, ...]


def outcome_vector(frame: pd.DataFrame, column: str, *, where: str) -> np.ndarray:
    """The outcome as floats, shape (n,).

    Raises
    ------
    InputError
        The column is absent or not numeric, a value is missing, or all values are equal.
    """
    y = _numbers(frame, column, where)
    if len(y) and np.ptp(y) == 0:
        raise InputError(
            "结果变量没有差异，无法建模", where=f"{where}：{column}", found=f"{len(y)} 个观测全部等于 {y[0]:g}",
            expected="至少两个不同的数值", fix="核对数据，或换一个结果变量；均值与人数仍可报告",
        )
    return y


def design_matrix(frame: pd.DataFrame, columns: Sequence[str], *, intercept: bool = True, where: str) -> Design:
    """Columns of a model.

    Parameters
    ----------
    frame : DataFrame, n rows
    columns : sequence of str
        Numeric or boolean columns are taken as they are; text and categorical columns become one 0/1 column a level
        but the first, named ``column[level]``.
    intercept : bool
        Whether a column of ones named ``(Intercept)`` stands first.
    where : str
        What is being modelled, for messages.

    Raises
    ------
    InputError
        A value is missing, a column is constant, there are not more rows than columns, or a column is a linear
        combination of those before it. The message names the columns.
    """
    names: list[str] = [INTERCEPT] if intercept else []
    parts: list[np.ndarray] = [np.ones((len(frame), 1))] if intercept else []
    for column in columns:
        _require(frame, column, where)
    kinds = dict(zip(frame.columns, frame.dtypes, strict=True))
    numeric = [c for c in columns if _is_numeric(kinds[c])]
    # One conversion for all numeric columns: models are fitted by the thousand, and pandas is slow column by column.
    block = dict(zip(numeric, frame[numeric].to_numpy(dtype=float, na_value=np.nan).T, strict=True)) if numeric else {}
    for column in columns:
        for name, values in _encoded(frame, column, block, where):
            if len(values) and np.ptp(values) == 0:
                raise InputError(
                    "自变量没有差异，无法估计它的系数", where=f"{where}：{name}", found=f"{len(values)} 个观测全部等于 {values[0]:g}",
                    expected="至少两个不同的数值", fix="从模型中去掉它；其余变量仍可估计",
                )
            names.append(name)
            parts.append(values[:, None])
    matrix = np.hstack(parts) if parts else np.empty((len(frame), 0))
    check_rank(matrix, names, where=where)
    return Design(matrix, tuple(names))


def check_rank(matrix: np.ndarray, names: Sequence[str], *, where: str) -> None:
    """Refuse a matrix with no more rows than columns, or with a column that depends on those before it."""
    n, k = matrix.shape
    if n <= k:
        raise InputError(
            "变量太多，观测太少", where=where, found=f"{n} 个观测，{k} 个待估系数（含截距）", expected="观测数多于系数数",
            fix="减少变量，或合并多个县、多个年份；描述统计仍可报告",
        )
    if dependent := dependent_columns(matrix, names):
        column, others = dependent[0]
        raise InputError(
            "自变量完全共线，系数不能分开估计", where=f"{where}：{column}", found=f"{column} 是 {'、'.join(others) or '其他列'} 的线性组合",
            expected="没有一列能由其他列算出", fix=f"去掉 {column} 或与它重复的变量；其余变量仍可估计",
        )


def dependent_columns(matrix: np.ndarray, names: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Columns that are linear combinations of columns before them, each with the columns that make it up."""
    length = np.linalg.norm(matrix, axis=0)
    scaled = matrix / np.where(length > 0, length, 1.0)
    if matrix.shape[0] >= matrix.shape[1] and (np.abs(np.diag(np.linalg.qr(scaled, mode="r"))) > SURELY_INDEPENDENT).all():
        return []
    kept: list[int] = []
    found = []
    basis = np.empty((len(matrix), 0))
    for column in range(matrix.shape[1]):
        rest = scaled[:, column] - basis @ (basis.T @ scaled[:, column])
        rest -= basis @ (basis.T @ rest)  # a second pass, since one leaves rounding behind
        size = np.linalg.norm(rest)
        if size > COLLINEAR:
            basis = np.column_stack([basis, rest / size])
            kept.append(column)
        else:
            share = np.linalg.lstsq(scaled[:, kept], scaled[:, column], rcond=None)[0] if kept else np.empty(0)
            found.append((names[column], tuple(names[k] for k, s in zip(kept, share, strict=True) if abs(s) > 1e-6)))
    return found


def _encoded(
    frame: pd.DataFrame, column: str, block: dict[str, np.ndarray], where: str
) -> list[tuple[str, np.ndarray]]:
    if column in block:
        return [(column, _checked(block[column], column, where))]
    _refuse_missing(int(frame[column].isna().sum()), len(frame), column, where)
    return list(level_columns(frame[column]).items())


def level_columns(values: pd.Series) -> dict[str, np.ndarray]:
    """One 0/1 column a level of a text or categorical column but the first, by the name it has in a model.

    A column of one level gives one of zeros under its own name.
    """
    held = pd.Categorical(values)
    found = {f"{values.name}[{level}]": (held.codes == k).astype(float) for k, level in enumerate(held.categories) if k}
    return found or {str(values.name): np.zeros(len(values))}


def _numbers(frame: pd.DataFrame, column: str, where: str) -> np.ndarray:
    _require(frame, column, where)
    if not _is_numeric(frame[column]):
        raise InputError(
            "这一列不是数", where=f"{where}：{column}", found=str(frame[column].dtype), expected="数值列", fix="换一列，或先转换为数值"
        )
    return _checked(frame[column].to_numpy(dtype=float, na_value=np.nan), column, where)


def _is_numeric(values: pd.Series | ExtensionDtype | np.dtype) -> bool:
    return pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values)


def _checked(numbers: np.ndarray, column: str, where: str) -> np.ndarray:
    finite = np.isfinite(numbers)
    if not finite.all():
        _refuse_missing(int(np.isnan(numbers).sum()), len(numbers), column, where)
        raise InputError(
            "有无穷大的数", where=f"{where}：{column}", found=f"{int((~finite).sum())} 个", expected="有限的数", fix="核对数据（如对 0 取了对数）"
        )
    return numbers


def _refuse_missing(missing: int, rows: int, column: str, where: str) -> None:
    if missing:
        raise InputError(
            "有缺失值，模型不会自行剔除", where=f"{where}：{column}", found=f"{rows} 个观测中 {missing} 个没有数值",
            expected="每个观测都有数值", fix="先明确剔除或插补，并在报告中写明",
        )


def _require(frame: pd.DataFrame, column: str, where: str) -> None:
    if column not in frame:
        raise InputError(
            "没有这一列", where=where, found=column, expected="、".join(map(str, frame.columns)), fix="核对变量名"
        )
