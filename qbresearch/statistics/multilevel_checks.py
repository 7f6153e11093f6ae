"""What a mixed model cannot be fitted to, said before it is tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from qbresearch.errors import InputError, check_choice
from qbresearch.statistics.design import INTERCEPT, design_matrix
from qbresearch.statistics.nested import STILL_POSSIBLE, Level, NestedSums

# Below this share of the outcome's variance what is left within groups is rounding.
NOTHING_LEFT = 1e-12


def check_request(
    frame: pd.DataFrame, outcome: str, fixed: Sequence[str], groups: Sequence[str], slopes: Mapping[str, Sequence[str]],
    where: str,
) -> None:
    """Refuse too few rows, no groups, columns named twice, and slopes of columns that are no numbers or collinear."""
    if len(frame) < 2:
        raise InputError(
            "没有观测" if frame.empty else "只有一个观测，无法建模", where=where, found=f"{len(frame)} 行",
            expected="多个组、每组多个观测", fix="核对筛选条件" if frame.empty else "补充数据；这一个观测的数值仍可列出",
        )
    if not groups:
        raise InputError(
            "没有说明分组", where=where, found="groups 为空", expected="至少一个分组列，如学校代码", fix="没有分组时改用普通最小二乘回归"
        )
    named = [outcome, *fixed, *groups]
    if twice := sorted({str(name) for name in named if named.count(name) > 1}):
        raise InputError(
            "同一列在模型中出现了两次", where=where, found="、".join(twice), expected="结果变量、自变量、分组各用不同的列",
            fix="去掉重复的列；其余变量仍可估计",
        )
    for group, columns in slopes.items():
        check_choice(group, groups, name="分组", where=f"{where}：slopes")
        for column in columns:
            if column in (outcome, INTERCEPT) or list(columns).count(column) > 1:
                raise InputError(
                    "随机斜率的变量不对", where=f"{where}：{group}", found=str(column),
                    expected="每个自变量至多一次，截距与结果变量除外", fix="从 slopes 中去掉它；只有随机截距的模型仍可估计",
                )
            if column in frame and not (
                pd.api.types.is_numeric_dtype(frame[column]) or pd.api.types.is_bool_dtype(frame[column])
            ):
                raise InputError(
                    "随机斜率的变量不是数", where=f"{where}：{group}", found=f"{column}（{frame[column].dtype}）",
                    expected="数值列", fix="先把它换成 0/1 列；它的固定效应仍可估计",
                )
        design_matrix(frame, columns, where=f"{where}：{group} 的随机斜率")


def check_columns(
    matrix: np.ndarray, codes: np.ndarray, levels: Sequence[Level], columns: Sequence[Sequence[int]],
    names: Sequence[str], p: int, where: str,
) -> None:
    """Refuse group-level columns that use up the groups, slopes of columns that do not vary, and too many effects."""
    owner = np.arange(len(levels[0].labels))
    for depth, level in enumerate(levels):
        if depth:
            sizes = np.diff(level.starts, append=len(levels[depth - 1].labels))
            owner = np.repeat(np.arange(len(level.labels)), sizes)[owner]
        group = owner[codes]
        first = np.empty(len(level.labels), dtype=int)
        first[group] = np.arange(len(group))
        constant = [k for k in range(len(names)) if np.array_equal(matrix[:, k], matrix[first, k][group])]
        fixed = [k for k in constant if k < p]
        if len(fixed) >= len(level.labels):
            raise InputError(
                "组一级的变量太多，组太少，组间方差无法估计", where=f"{where}：{level.name}",
                found=f"{len(level.labels)} 个组，{len(fixed)} 个组一级的系数（{'、'.join(names[k] for k in fixed)}）",
                expected="组数多于组一级的系数（含截距）",
                fix=f"减少组一级的变量，或合并更多的组；空模型、只含个体变量的模型与{STILL_POSSIBLE}",
            )
        if idle := [names[k] for k in columns[depth][1:] if k in constant]:
            raise InputError(
                "随机斜率的变量在组内没有差异", where=f"{where}：{level.name}", found="、".join(idle),
                expected=f"在同一个 {level.name} 内取不同数值的变量", fix="从 slopes 中去掉它；它的固定效应仍可估计",
            )
        if len(columns[depth]) * len(level.labels) >= len(matrix):
            raise InputError(
                "观测太少，随机斜率与残差分不开", where=f"{where}：{level.name}",
                found=f"{len(matrix)} 个观测，{len(columns[depth])} 个随机项 × {len(level.labels)} 个组",
                expected="观测数多于随机项个数乘组数", fix="减少随机斜率；只有随机截距的模型仍可估计",
            )


def check_rest(sums: NestedSums, where: str, outcome: str) -> None:
    """Refuse an outcome that the groups and the columns determine."""
    varying = [k for k in range(1, sums.fixed) if sums.within[k, k] > 0]
    cross = sums.within[np.ix_(varying, varying)]
    with_y = sums.within[varying, -1]
    rest = sums.within[-1, -1] - (with_y @ np.linalg.lstsq(cross, with_y, rcond=1e-12)[0] if varying else 0.0)
    if rest < NOTHING_LEFT * sums.rows:
        raise nothing_left(where, outcome, sums.rows)


def nothing_left(where: str, outcome: str, rows: int) -> InputError:
    """The refusal of an outcome without residual variance."""
    return InputError(
        "组内没有剩下差异，残差方差为零", where=f"{where}：{outcome}", found=f"{rows} 个观测的结果完全由所在的组和自变量决定",
        expected="同一组内的观测有自变量解释不了的差异", fix=f"若结果是组一级的数，请每组留一行；{STILL_POSSIBLE}",
    )
