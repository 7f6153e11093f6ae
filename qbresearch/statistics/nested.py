"""Sums of a nested sample: what a linear mixed model needs of its students, one small matrix or vector a group.

With ``A = [X, columns of random slopes, y]`` and a relative covariance ``V = I + sum_l Z_l T_l Z_l'`` every likelihood
of a nested model needs only ``A'V^-1 A`` and ``log|V|``. Both follow from the sums of the innermost groups by
eliminating one level after another (Woodbury), so a step of a fit costs the number of groups, not of students.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qbresearch.errors import InputError

# Rows whose deviations are held at once while the sums are taken.
ROWS_AT_ONCE = 1 << 16
STILL_POSSIBLE = "描述统计与普通最小二乘回归仍可报告"


@dataclass(frozen=True, slots=True)
class Level:
    """One grouping level.

    ``labels`` names its groups; ``starts`` tells at which group of the level below each of them begins (empty for the
    innermost level, whose members are rows).
    """

    name: str
    labels: np.ndarray
    starts: np.ndarray


@dataclass(frozen=True, slots=True)
class Elimination:
    """How one level was eliminated: ``rows`` (groups, q, m) are Z'V^-1 A of each group with the levels below in V, and
    ``gain`` (groups, q, q) is the relative posterior covariance L (I + L'Z'V^-1 Z L)^-1 L' of its effects."""

    rows: np.ndarray
    gain: np.ndarray


@dataclass(frozen=True, slots=True)
class Solution:
    """Generalised least squares at one V.

    beta (p,), inverse (X'V^-1 X)^-1, residual quadratic form, log determinants of V and of X'V^-1 X.
    """

    beta: np.ndarray
    inverse: np.ndarray
    residual: float
    log_determinant: float
    log_determinant_fixed: float


@dataclass(frozen=True, slots=True)
class NestedSums:
    """Sums of the columns ``A`` (standardised, m of them; the first is 1, the last the outcome) by innermost group.

    rows : int, students. fixed : int, the first ``fixed`` columns are X. levels : innermost first. columns : random
    columns of each level. counts (J,), means (J, m): of the innermost groups. within (m, m): sums of products of the
    deviations from those means, over all groups. products (J, m, m): sums of products of each group, kept only where
    some slope is random. centre, scale (m,): what was taken off each column, and what it was divided by.
    """

    rows: int
    fixed: int
    levels: tuple[Level, ...]
    columns: tuple[tuple[int, ...], ...]
    counts: np.ndarray
    means: np.ndarray
    within: np.ndarray
    products: np.ndarray | None
    centre: np.ndarray
    scale: np.ndarray

    def reduce(self, factors: Sequence[np.ndarray]) -> tuple[np.ndarray, float, list[Elimination]]:
        """``A'V^-1 A``, ``log|V|`` and the eliminations, for V = I + sum_l Z_l L_l L_l' Z_l' with the given L_l."""
        return self._reduce_products(factors) if self.products is not None else self._reduce_means(factors)

    def _reduce_means(self, factors: Sequence[np.ndarray]) -> tuple[np.ndarray, float, list[Elimination]]:
        """Intercepts only: a group is its mean with a precision, so all terms add and nothing cancels."""
        total, log_determinant, done = self.within.copy(), 0.0, []
        precision, means = self.counts, self.means
        for depth, factor in enumerate(factors):
            if depth:
                starts = self.levels[depth].starts
                weight = np.add.reduceat(precision, starts)
                above = np.add.reduceat(precision[:, None] * means, starts) / weight[:, None]
                deviation = means - np.repeat(above, np.diff(starts, append=len(means)), axis=0)
                total += (precision[:, None] * deviation).T @ deviation
                precision, means = weight, above
            variance = factor[0, 0] ** 2
            grown = 1 + variance * precision
            log_determinant += float(np.log(grown).sum())
            done.append(Elimination((precision[:, None] * means)[:, None, :], (variance / grown)[:, None, None]))
            precision = precision / grown
        return total + (precision[:, None] * means).T @ means, log_determinant, done

    def _reduce_products(self, factors: Sequence[np.ndarray]) -> tuple[np.ndarray, float, list[Elimination]]:
        """Random slopes: C - C_z L (I + L'C_zz L)^-1 L'C_z' for the matrix C of every group."""
        products, log_determinant, done = self.products, 0.0, []
        for depth, factor in enumerate(factors):
            chosen = list(self.columns[depth])
            if depth:
                products = np.add.reduceat(products, self.levels[depth].starts)
            rows = products[:, chosen, :]
            if len(chosen) == 1:
                grown = 1 + factor[0, 0] ** 2 * rows[:, 0, chosen[0]]
                log_determinant += float(np.log(grown).sum())
                root = rows * (factor[0, 0] / np.sqrt(grown))[:, None, None]
                gain = (factor[0, 0] ** 2 / grown)[:, None, None]
            else:
                lower = np.linalg.cholesky(np.eye(len(chosen)) + factor.T @ rows[:, :, chosen] @ factor)
                log_determinant += 2 * float(np.log(np.diagonal(lower, axis1=1, axis2=2)).sum())
                half = np.linalg.solve(lower, np.broadcast_to(factor.T, lower.shape))
                root, gain = half @ rows, half.transpose(0, 2, 1) @ half
            done.append(Elimination(rows, gain))
            if depth + 1 < len(factors):
                products = products - root.transpose(0, 2, 1) @ root
            else:
                flat = root.reshape(-1, root.shape[2])
                return products.sum(axis=0) - flat.T @ flat, log_determinant, done
        raise AssertionError("a nested sample has at least one level")

    def solve(self, factors: Sequence[np.ndarray]) -> Solution | None:
        """Coefficients and determinants at the given factors; ``None`` where rounding leaves nothing to solve."""
        p = self.fixed
        try:
            total, log_determinant, _ = self.reduce(factors)
            inverse_root = np.linalg.inv(np.linalg.cholesky(total[:p, :p]))
        except np.linalg.LinAlgError:
            return None
        half = inverse_root @ total[:p, -1]
        residual = float(total[-1, -1] - half @ half)
        if not residual > 0:
            return None
        return Solution(
            inverse_root.T @ half, inverse_root.T @ inverse_root, residual, log_determinant,
            -2 * float(np.log(np.diag(inverse_root)).sum()),
        )

    def predict_effects(self, factors: Sequence[np.ndarray], beta: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Conditional means (groups, q) and relative posterior covariances (groups, q, q) of the effects of each level.

        Coefficients are taken as known; the uncertainty of the levels above is included. From the outermost level
        inwards: what the levels above explain is taken off before a group's own effect is predicted.
        """
        _, _, done = self.reduce(factors)
        random = sorted({c for columns in self.columns for c in columns})
        place = {column: k for k, column in enumerate(random)}
        left = np.zeros((1, self.means.shape[1]))
        left[0, : self.fixed], left[0, -1] = -beta, 1.0
        spread = np.zeros((1, len(random), len(random)))
        found: list[tuple[np.ndarray, np.ndarray]] = []
        for depth in reversed(range(len(self.levels))):
            step, chosen = done[depth], list(self.columns[depth])
            outermost = depth + 1 == len(self.levels)
            starts = np.zeros(1, dtype=int) if outermost else self.levels[depth + 1].starts
            sizes = np.diff(starts, append=len(step.rows))
            left, spread = np.repeat(left, sizes, axis=0), np.repeat(spread, sizes, axis=0)
            effect = (step.gain @ step.rows @ left[:, :, None])[:, :, 0]
            follow = step.gain @ step.rows[:, :, random]
            found.append((effect, step.gain + follow @ spread @ follow.transpose(0, 2, 1)))
            left[:, chosen] -= effect
            pick = np.zeros((len(random), len(chosen)))
            pick[[place[c] for c in chosen], range(len(chosen))] = 1.0
            keep = np.eye(len(random)) - pick @ follow
            spread = keep @ spread @ keep.transpose(0, 2, 1) + pick @ step.gain @ pick.T
        return found[::-1]


def nest(frame: pd.DataFrame, groups: Sequence[str], *, where: str) -> tuple[tuple[Level, ...], np.ndarray]:
    """Levels, innermost first, and the innermost group of each row.

    Groups stand in the order of their parents and, within a parent, of their labels.

    Raises
    ------
    InputError
        A column is absent or has missing values; a group lies in two groups of the next level; a level has one group;
        groups of the innermost level have one row each; or a level has as many groups as the next.
    """
    codes, labels = zip(*(_coded(frame, name, where) for name in groups), strict=True)
    for name, found in zip(groups, labels, strict=True):
        if len(found) < 2:
            raise InputError(
                "只有一个组，组间差异无法估计", where=f"{where}：{name}", found=f"{len(frame)} 个观测都属于 {found[0]}",
                expected="至少两个组", fix=f"去掉 {name} 这一层，或合并更多的组；{STILL_POSSIBLE}",
            )
    if len(labels[0]) == len(frame):
        raise InputError(
            "每个组只有一个观测，组间差异与个体差异分不开", where=f"{where}：{groups[0]}",
            found=f"{len(frame)} 个观测，{len(labels[0])} 个组", expected="至少有一个组含两个以上观测",
            fix="改用普通最小二乘回归（每组一个观测时它就是可以计算的模型），描述统计不受影响",
        )
    parents = [_parents(codes, labels, groups, depth, where) for depth in range(len(groups) - 1)]
    order = np.arange(len(labels[-1]))
    levels = [Level(groups[-1], labels[-1], np.empty(0, dtype=int))]
    for depth in reversed(range(len(groups) - 1)):
        place = np.empty(len(order), dtype=int)
        place[order] = np.arange(len(order))
        above = place[parents[depth]]
        order = np.lexsort((np.arange(len(above)), above))
        starts = np.searchsorted(above[order], np.arange(len(place)))
        outer = levels[-1]
        levels[-1] = Level(outer.name, outer.labels, starts)
        levels.append(Level(groups[depth], labels[depth][order], np.empty(0, dtype=int)))
    place = np.empty(len(order), dtype=int)
    place[order] = np.arange(len(order))
    return tuple(reversed(levels)), place[codes[0]]


def _coded(frame: pd.DataFrame, name: str, where: str) -> tuple[np.ndarray, np.ndarray]:
    if name not in frame:
        raise InputError(
            "没有这一列", where=where, found=name, expected="、".join(map(str, frame.columns)), fix="核对分组的列名"
        )
    codes, labels = pd.factorize(frame[name], sort=True)
    if missing := int((codes < 0).sum()):
        raise InputError(
            "有观测不知道属于哪个组", where=f"{where}：{name}", found=f"{len(frame)} 个观测中 {missing} 个没有填写",
            expected="每个观测都有所属的组", fix="补上所属的组，或先明确剔除并在报告中写明",
        )
    return codes, np.asarray(labels, dtype=object)


def _parents(
    codes: Sequence[np.ndarray], labels: Sequence[np.ndarray], groups: Sequence[str], depth: int, where: str
) -> np.ndarray:
    """The group of the next level that each group lies in."""
    inner, outer = codes[depth], codes[depth + 1]
    parent = np.empty(len(labels[depth]), dtype=int)
    parent[inner] = outer
    if (strays := np.flatnonzero(parent[inner] != outer)).size:
        group = inner[strays[0]]
        several = [str(labels[depth + 1][k]) for k in np.unique(outer[inner == group])[:3]]
        raise InputError(
            "分组不是逐层嵌套的", where=f"{where}：{groups[depth]}、{groups[depth + 1]}",
            found=f"{groups[depth]} 为 {labels[depth][group]} 的观测分属 {groups[depth + 1]} {'、'.join(several)}",
            expected=f"每个 {groups[depth]} 只属于一个 {groups[depth + 1]}",
            fix=f"若编号在各 {groups[depth + 1]} 内重复使用，请把两级编号连成一个；只用其中一层分组的模型仍可估计",
        )
    if len(labels[depth]) == len(labels[depth + 1]):
        raise InputError(
            "两层分组一一对应，无法分开估计", where=f"{where}：{groups[depth]}、{groups[depth + 1]}",
            found=f"两层各有 {len(labels[depth])} 个组", expected=f"至少有一个 {groups[depth + 1]} 含两个以上 {groups[depth]}",
            fix=f"去掉其中一层；只含 {groups[depth + 1]} 的模型仍可估计",
        )
    return parent


def sum_groups(
    matrix: np.ndarray, codes: np.ndarray, levels: Sequence[Level], columns: Sequence[Sequence[int]], *, fixed: int
) -> NestedSums:
    """Standardise the columns and take the sums of every innermost group.

    Parameters
    ----------
    matrix : float array, shape (n, m)
        ``A``: ones, other columns of X, columns of random slopes that are not in X, outcome. **Overwritten**: each
        column but the first loses its mean and is divided by its standard deviation, since sums of squares of numbers
        far from zero would cancel.
    codes : int array, shape (n,)
        Innermost group of each row.
    levels, columns
        Innermost first; the columns with random coefficients of each level.
    fixed : int
        Number of columns of X.
    """
    n, m = matrix.shape
    size = len(levels[0].labels)
    centre, scale = np.zeros(m), np.ones(m)
    counts = np.bincount(codes, minlength=size).astype(float)
    means = np.ones((size, m))
    for column in range(1, m):
        values = matrix[:, column]
        centre[column] = values.mean()
        values -= centre[column]
        scale[column] = np.sqrt(np.dot(values, values) / n)
        values /= scale[column]
        means[:, column] = np.bincount(codes, values, size) / counts
    within = np.zeros((m, m))
    for start in range(0, n, ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        deviation = matrix[rows] - means[codes[rows]]
        within += deviation.T @ deviation
    products = None
    if any(len(chosen) > 1 for chosen in columns):
        products = counts[:, None, None] * means[:, :, None] * means[:, None, :]
        for left in range(1, m):
            deviation = matrix[:, left] - means[codes, left]
            for right in range(left, m):
                sums = np.bincount(codes, deviation * (matrix[:, right] - means[codes, right]), size)
                products[:, left, right] += sums
                if right > left:
                    products[:, right, left] += sums
    return NestedSums(
        n, fixed, tuple(levels), tuple(tuple(chosen) for chosen in columns), counts, means, within, products, centre,
        scale,
    )
