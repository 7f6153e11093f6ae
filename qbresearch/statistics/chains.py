"""One chain of the chained equations: columns as numbers, the models of the columns with gaps, and the draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from qbresearch.errors import InputError

BINARY, MATCHING, NORMAL = "binary", "matching", "normal"
DONORS = 5
SCANS = 5  # draws of a random intercept and its variance within one round of the chain
RIDGE = 1e-5  # share of its own length added to each column, so that near-collinear columns can be inverted
STEPS = 50


@dataclass(frozen=True, slots=True)
class Target:
    """A column with gaps.

    gaps : bool (n,). levels : its two values where it has only two. of_group : whether it never differs in a group.
    """

    name: str
    gaps: np.ndarray
    method: str
    levels: tuple[object, object] | None
    of_group: bool


class Chain:
    """The columns of a table as numbers and what is imputed from what; :meth:`run` draws one completed table."""

    def __init__(
        self, frame: pd.DataFrame, columns: Sequence[str], group: str | None, numeric: str, *, where: str
    ) -> None:
        self._where = where
        codes = pd.factorize(frame[group])[0] if group else np.arange(len(frame))
        self._codes, self._sizes = codes, np.bincount(codes)
        self._grouped = group is not None
        self._first = np.unique(codes, return_index=True)[1]
        self._columns: dict[str, np.ndarray] = {}
        self._of_group: dict[str, bool] = {}
        targets = []
        for column in columns:
            series = frame[column]
            gaps = series.isna().to_numpy()
            known = series[~gaps]
            if known.empty:
                raise InputError(
                    "这一列没有一个数值，无从插补", where=f"{where}：{column}", found=f"{len(series)} 行全部缺失", expected="至少一部分有数值",
                    fix="从插补与模型中去掉它；其他列仍可插补",
                )
            levels = tuple(sorted(known.astype(object).unique())) if known.nunique() == 2 else None
            if levels is None and _is_text(known):
                self._add_text(series, gaps)
                continue
            values = series.astype(object).map(levels.index, na_action="ignore") if levels else series
            values = values.to_numpy(dtype=float, na_value=np.nan)
            if infinite := int(np.isinf(values).sum()):
                raise InputError(
                    "有无穷大的数", where=f"{where}：{column}", found=f"{infinite} 个", expected="有限的数或空白",
                    fix="核对数据（如对 0 取了对数）",
                )
            self._columns[column], self._of_group[column] = values, self._fixed(values, gaps)
            if gaps.any():
                method = BINARY if levels else numeric
                targets.append(Target(column, gaps, method, levels, self._of_group[column]))
        # Columns with few gaps come first, so that those with many are imputed from better ones.
        self.targets = tuple(sorted(targets, key=lambda t: int(t.gaps.sum())))
        for target in self.targets:
            self._check_size(target)

    def _add_text(self, series: pd.Series, gaps: np.ndarray) -> None:
        if gaps.any():
            raise InputError(
                "文字列有缺失，不能插补", where=f"{self._where}：{series.name}", found=f"{int(gaps.sum())} 行没有值",
                expected="没有缺失的文字列，或数值列、两值列", fix="补上它，或改成若干个两值列，或从 columns 中去掉；其他列仍可插补",
            )
        text = series.astype(str).to_numpy(dtype=object)
        for level in sorted(set(text))[1:]:
            name = f"{series.name}[{level}]"
            self._columns[name] = (text == level).astype(float)
            self._of_group[name] = self._fixed(self._columns[name], gaps)

    def _fixed(self, values: np.ndarray, gaps: np.ndarray) -> bool:
        """Whether a column never differs within a group, judged by groups with two known values or more."""
        if not self._grouped:
            return False
        known = pd.Series(values[~gaps]).groupby(self._codes[~gaps]).agg(["count", "min", "max"])
        several = known[known["count"] > 1]
        return bool(len(several)) and bool((several["min"] == several["max"]).all())

    def _check_size(self, target: Target) -> None:
        known = ~target.gaps
        units = len(np.unique(self._codes[known])) if target.of_group else int(known.sum())
        predictors = self._predictors(target, {n: np.nan_to_num(v) for n, v in self._columns.items()}).shape[1]
        if units <= predictors:
            raise InputError(
                "有数值的观测太少，不能插补", where=f"{self._where}：{target.name}",
                found=f"{units} {'所学校' if target.of_group else '行'}有数值，{predictors} 个系数（含截距）",
                expected="有数值的观测多于系数", fix="减少 columns 中的列，或合并多个县、多个年份；完整的行仍可直接分析",
            )

    # --- drawing -----------------------------------------------------------------------------------------------

    def run(self, rng: np.random.Generator, iterations: int) -> tuple[dict[str, np.ndarray], pd.DataFrame]:
        """Completed columns (two-valued columns as 0 and 1) and the course of the imputed values."""
        values = {name: column.copy() for name, column in self._columns.items()}
        for target in self.targets:
            self._start(target, values[target.name], rng)
        trace = []
        for iteration in range(iterations):
            for target in self.targets:
                x = self._predictors(target, values)
                if target.of_group:
                    self._draw_group(target, x, values[target.name], rng)
                else:
                    values[target.name][target.gaps] = self._draw(target, x, values[target.name], rng)
                drawn = values[target.name][target.gaps]
                trace.append((iteration, target.name, drawn.mean(), drawn.std()))
        return values, pd.DataFrame(trace, columns=["iteration", "column", "mean", "sd"])

    def _start(self, target: Target, column: np.ndarray, rng: np.random.Generator) -> None:
        """Fill the gaps with known values at random; a group's column with what the rest of the group has."""
        known = column[~target.gaps]
        if not target.of_group:
            column[target.gaps] = rng.choice(known, int(target.gaps.sum()))
            return
        own = np.full(len(self._sizes), np.nan)
        own[self._codes[~target.gaps]] = known
        own[np.isnan(own)] = rng.choice(own[~np.isnan(own)], int(np.isnan(own).sum()))
        column[:] = own[self._codes]

    def _means(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(self._codes, values) / self._sizes

    def _predictors(self, target: Target, values: dict[str, np.ndarray]) -> np.ndarray:
        """Intercept and standardised predictors: (groups, k) for a column of the group, else (n, k)."""
        parts = []
        for name, column in values.items():
            if name == target.name:
                continue
            if target.of_group:
                parts.append(self._means(column))
                continue
            parts.append(column)
            if self._grouped and not self._of_group[name]:
                parts.append(self._means(column)[self._codes])
        rows = len(self._sizes) if target.of_group else len(self._codes)
        x = np.column_stack(parts) if parts else np.empty((rows, 0))
        spread = x.std(axis=0)
        x = (x - x.mean(axis=0))[:, spread > 1e-12] / spread[spread > 1e-12]
        return np.column_stack([np.ones(rows), x])

    def _draw_group(self, target: Target, x: np.ndarray, column: np.ndarray, rng: np.random.Generator) -> None:
        known = np.zeros(len(self._sizes), dtype=bool)
        known[self._codes[~target.gaps]] = True
        own = column[self._first]
        if not known.all():
            own[~known] = _draw(target.method, x, own, known, rng)
        column[:] = own[self._codes]

    def _draw(self, target: Target, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        known = ~target.gaps
        if self._grouped and target.method != BINARY:
            return _draw_nested(target.method, x, y, known, self._codes, len(self._sizes), rng)
        return _draw(target.method, x, y, known, rng)


def _is_text(known: pd.Series) -> bool:
    plain = known.infer_objects()
    return not (pd.api.types.is_numeric_dtype(plain) or pd.api.types.is_bool_dtype(plain))


def _draw(method: str, x: np.ndarray, y: np.ndarray, known: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Values for the rows that are not known."""
    if np.ptp(y[known]) == 0:
        return np.full(int((~known).sum()), y[known][0])
    if method == BINARY:
        return (rng.random(int((~known).sum())) < expit(x[~known] @ _logistic(x[known], y[known], rng))).astype(float)
    x_known, y_known = x[known], y[known]
    inverse = _inverse(x_known)
    mean = inverse @ (x_known.T @ y_known)
    freedom = max(len(y_known) - x.shape[1], 1)
    sigma = np.sqrt(((y_known - x_known @ mean) ** 2).sum() / rng.chisquare(freedom))
    drawn = mean + sigma * np.linalg.cholesky(inverse) @ rng.standard_normal(len(mean))
    if method == NORMAL:
        return x[~known] @ drawn + sigma * rng.standard_normal(int((~known).sum()))
    return _match(x_known @ mean, y_known, x[~known] @ drawn, rng)


def _draw_nested(
    method: str, x: np.ndarray, y: np.ndarray, known: np.ndarray, codes: np.ndarray, groups: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """The same with a random intercept of the group: a few Gibbs draws of intercepts, coefficients and variances."""
    if np.ptp(y[known]) == 0:
        return np.full(int((~known).sum()), y[known][0])
    x_known, y_known, own = x[known], y[known], codes[known]
    counts = np.bincount(own, minlength=groups)
    inverse = _inverse(x_known)
    half = np.linalg.cholesky(inverse)
    present = int((counts > 0).sum())
    mean = inverse @ (x_known.T @ y_known)
    rest = y_known - x_known @ mean
    sigma2 = (rest**2).sum() / max(len(rest) - x.shape[1], 1)
    tau2 = max(np.bincount(own, rest, groups)[counts > 0].var() / np.mean(counts[counts > 0]) ** 2, 0.01 * sigma2)
    for _ in range(SCANS):
        variance = 1 / (counts / sigma2 + 1 / tau2)
        # A group without a known value gets an intercept from the distribution of groups.
        intercept = variance * np.bincount(own, rest, groups) / sigma2 + np.sqrt(variance) * rng.standard_normal(groups)
        centred = y_known - intercept[own]
        mean = inverse @ (x_known.T @ centred)
        drawn = mean + np.sqrt(sigma2) * half @ rng.standard_normal(len(mean))
        rest = y_known - x_known @ drawn
        sigma2 = ((rest - intercept[own]) ** 2).sum() / rng.chisquare(len(rest))
        # Flat prior on the standard deviation between groups.
        tau2 = max((intercept[counts > 0] ** 2).sum() / rng.chisquare(max(present - 1, 1)), 1e-8 * sigma2)
    gap = x[~known] @ drawn + intercept[codes[~known]]
    if method == NORMAL:
        return gap + np.sqrt(sigma2) * rng.standard_normal(len(gap))
    return _match(x_known @ mean + intercept[own], y_known, gap, rng)


def _match(predicted: np.ndarray, values: np.ndarray, wanted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For every wanted prediction the value of one of the rows with the nearest predictions.

    Rows as near as the last of the nearest take part too: with few distinct predictions it would otherwise always be
    the same rows that give their values.
    """
    order = np.argsort(predicted, kind="stable")
    ranked = predicted[order]
    count, donors = len(ranked), min(DONORS, len(ranked))
    # The run of so many neighbours whose farther end is nearest; it starts at most so many places below the gap.
    start = np.clip(np.searchsorted(ranked, wanted)[:, None] - np.arange(donors, -1, -1), 0, count - donors)
    farthest = np.maximum(np.abs(ranked[start] - wanted[:, None]), np.abs(ranked[start + donors - 1] - wanted[:, None]))
    reach = farthest.min(axis=1) + 1e-9 * max(float(np.ptp(ranked)), 1e-300)
    low, high = np.searchsorted(ranked, wanted - reach), np.searchsorted(ranked, wanted + reach, side="right")
    return values[order[rng.integers(low, high)]]


def _inverse(x: np.ndarray) -> np.ndarray:
    cross = x.T @ x
    cross[np.diag_indices_from(cross)] *= 1 + RIDGE
    return np.linalg.inv(cross)


def _logistic(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Coefficients of a logistic regression drawn from the normal approximation of their posterior.

    For each predictor four pseudo-observations at half a standard deviation to either side of the means, one of each
    outcome, share a weight of one more than the number of predictors: enough to keep separated data finite.
    """
    k = x.shape[1] - 1
    weights = np.ones(len(y))
    if k:
        centre = x.mean(axis=0)
        pseudo = np.tile(centre, (4 * k, 1))
        for j in range(k):
            pseudo[4 * j : 4 * j + 4, j + 1] += np.array([0.5, 0.5, -0.5, -0.5]) * x[:, j + 1].std()
        x, y = np.vstack([x, pseudo]), np.append(y, np.tile([0.0, 1.0], 2 * k))
        weights = np.append(weights, np.full(4 * k, (k + 1) / (4 * k)))
    beta = np.zeros(k + 1)
    for _ in range(STEPS):
        chance = expit(x @ beta)
        information = (x * (weights * chance * (1 - chance))[:, None]).T @ x
        information[np.diag_indices_from(information)] *= 1 + RIDGE
        step = np.linalg.solve(information, x.T @ (weights * (y - chance)))
        beta += step * min(1.0, 5.0 / max(np.abs(step).max(), 1e-12))
        if np.abs(step).max() < 1e-8:
            break
    return beta + np.linalg.cholesky(np.linalg.inv(information)) @ rng.standard_normal(k + 1)
