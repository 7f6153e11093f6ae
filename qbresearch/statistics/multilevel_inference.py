"""Likelihood of a nested linear mixed model over theta, its maximum, and what follows from its shape.

``theta`` holds, level by level and column by column, the lower triangles L of the relative covariances T = LL' of the
standardised columns (lme4's parameters). The deviance is smooth and even in the columns of L, so it is minimised
without bounds, and a variance of zero is an ordinary stationary point that a check of curvature tells from a saddle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from scipy import optimize, stats

from qbresearch.statistics.nested import NestedSums, Solution

Objective = Callable[[np.ndarray], float]

# lme4 calls a fit singular where a diagonal element of theta is smaller than this.
SINGULAR = 1e-4
# Two fits are the same, and a stationary point is a minimum, where the deviance can differ by no more than this.
SAME_DEVIANCE = 1e-5
# Larger than any deviance: theta so extreme that rounding leaves no residual.
NO_SOLUTION = 1e12
LARGEST_THETA = 1e4
STARTS = {"1": 1.0, "0.1": 0.1}
GRADIENT_STEP, CURVATURE_STEP = 1e-4, 1e-3
ROUNDS = 12


# --- theta ----------------------------------------------------------------------------------------------------------


def factors_of(theta: np.ndarray, sizes: Sequence[int]) -> list[np.ndarray]:
    """Lower triangles of each level, filled by column."""
    factors, start = [], 0
    for size in sizes:
        count = size * (size + 1) // 2
        upper = np.zeros((size, size))
        upper[_triangle(size)] = theta[start : start + count]
        factors.append(upper.T)
        start += count
    return factors


@cache
def _triangle(size: int) -> tuple[np.ndarray, np.ndarray]:
    return np.triu_indices(size)


def theta_of(factors: Sequence[np.ndarray]) -> np.ndarray:
    """The inverse of :func:`factors_of`."""
    return np.concatenate([factor.T[_triangle(len(factor))] for factor in factors])


def lower_root(covariance: np.ndarray) -> np.ndarray:
    """L with non-negative diagonal and LL' = ``covariance``, which may be singular: a column without rest is zero."""
    size = len(covariance)
    root = np.zeros((size, size))
    for k in range(size):
        rest = covariance[k:, k] - root[k:, :k] @ root[k, :k]
        if rest[0] > SINGULAR**2:
            root[k:, k] = rest / np.sqrt(rest[0])
    return root


# --- deviance -------------------------------------------------------------------------------------------------------


def degrees_left(sums: NestedSums, *, reml: bool) -> int:
    """What the residual quadratic form is divided by."""
    return sums.rows - sums.fixed if reml else sums.rows


def deviance_of(sums: NestedSums, solution: Solution, *, reml: bool) -> float:
    """-2 log likelihood (or restricted) of the standardised data with the residual variance profiled out."""
    left = degrees_left(sums, reml=reml)
    determinant = solution.log_determinant + (solution.log_determinant_fixed if reml else 0.0)
    return determinant + left * (1 + np.log(2 * np.pi * solution.residual / left))


def log_likelihood_of(sums: NestedSums, solution: Solution, *, reml: bool) -> float:
    """Log likelihood in the units of the data."""
    value = -deviance_of(sums, solution, reml=reml) / 2 - degrees_left(sums, reml=reml) * np.log(sums.scale[-1])
    return float(value - np.log(sums.scale[: sums.fixed]).sum() if reml else value)


def profiled_deviance(sums: NestedSums, *, reml: bool) -> Objective:
    """Deviance as a function of theta alone."""
    sizes = [len(chosen) for chosen in sums.columns]

    def deviance(theta: np.ndarray) -> float:
        solution = sums.solve(factors_of(theta, sizes))
        return NO_SOLUTION if solution is None else deviance_of(sums, solution, reml=reml)

    return deviance


# --- minimum --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Minimum:
    """Where a function is least; ``left`` is how much a Newton step would still take off (infinite at a saddle)."""

    x: np.ndarray
    value: float
    left: float


def slopes_of(function: Callable, x: np.ndarray) -> np.ndarray:
    """First derivatives by central differences, shape (k, ...)."""
    found = []
    for k, step in enumerate(_steps(x, GRADIENT_STEP)):
        move = np.zeros_like(x)
        move[k] = step
        found.append((np.asarray(function(x + move)) - function(x - move)) / (2 * step))
    return np.array(found)


def curvature_of(function: Callable, x: np.ndarray) -> np.ndarray:
    """Second derivatives by central differences, shape (k, k, ...)."""
    steps = np.diag(_steps(x, CURVATURE_STEP))
    middle = np.asarray(function(x))
    found = np.empty((len(x), len(x), *middle.shape))
    for k, move in enumerate(steps):
        found[k, k] = (np.asarray(function(x + move)) + function(x - move) - 2 * middle) / move[k] ** 2
        for j in range(k):
            other = steps[j]
            corners = np.asarray(function(x + move + other)) + function(x - move - other)
            corners = corners - function(x + move - other) - function(x - move + other)
            found[k, j] = found[j, k] = corners / (4 * move[k] * other[j])
    return found


def _steps(x: np.ndarray, share: float) -> np.ndarray:
    return share * np.maximum(np.abs(x), 0.1)


def minimise(function: Objective, start: np.ndarray) -> Minimum:
    """Least value of a smooth function: L-BFGS, then Newton steps until nothing is left, escaping from saddles."""
    if not len(start):
        return Minimum(start, function(start), 0.0)
    x = _descend(function, start)
    value, left = function(x), np.inf
    for _ in range(ROUNDS):
        gradient, (weights, axes) = slopes_of(function, x), np.linalg.eigh(curvature_of(function, x))
        largest = np.abs(weights).max()
        along = axes.T @ gradient
        rest = np.abs(along) ** 2 / np.maximum(np.abs(weights), 1e-6 * largest) / 2
        if weights[0] < -1e-4 * largest and rest.max() < SAME_DEVIANCE:
            reach = 0.1 * max(1.0, np.abs(x).max())
            tried = [x + sign * size * axes[:, 0] for sign in (1, -1) for size in (reach, reach / 30)]
            better = min(tried, key=function)
            if function(better) >= value:
                break
            x = _descend(function, better)
            value = function(x)
            continue
        left = float(rest.sum())
        if left < SAME_DEVIANCE * 1e-5:
            break
        step = -axes @ (along / np.maximum(np.abs(weights), 1e-6 * largest))
        for shrink in (1.0, 0.3, 0.1, 0.01):
            if (moved := function(x + shrink * step)) < value:
                x, value = x + shrink * step, moved
                break
        else:
            break
    return Minimum(x, value, left)


def _descend(function: Objective, start: np.ndarray) -> np.ndarray:
    return optimize.minimize(
        function, start, jac=lambda x: slopes_of(function, x), method="L-BFGS-B",
        bounds=[(-LARGEST_THETA, LARGEST_THETA)] * len(start), options={"ftol": 1e-12, "gtol": 1e-5, "maxiter": 500},
    ).x


@dataclass(frozen=True, slots=True)
class Search:
    """The maximum of the likelihood; ``starts`` has one row a starting value (log likelihood and what was left)."""

    factors: list[np.ndarray]
    solution: Solution
    starts: pd.DataFrame
    converged: bool
    singular: bool


def search(sums: NestedSums, *, reml: bool) -> Search | None:
    """Maximise from two starting values; ``None`` where the residual variance shrinks to nothing.

    The better end counts. It has converged where both ends agree or where it is a minimum by gradient and curvature. A
    diagonal element of theta below 1e-4 is set to zero if that costs no likelihood.
    """
    sizes = [len(chosen) for chosen in sums.columns]
    deviance = profiled_deviance(sums, reml=reml)
    ends = [minimise(deviance, theta_of([np.eye(size) * value for size in sizes])) for value in STARTS.values()]
    best = min(ends, key=lambda end: end.value)
    if best.value >= NO_SOLUTION / 2 or np.abs(best.x).max() >= 0.99 * LARGEST_THETA:
        return None
    factors = [_signed(factor) for factor in factors_of(best.x, sizes)]
    rooted = [lower_root(factor @ factor.T) for factor in factors]
    if deviance(theta_of(rooted)) <= best.value + SAME_DEVIANCE / 10:
        factors = rooted
    solution = sums.solve(factors)
    agree = abs(ends[0].value - ends[1].value) < SAME_DEVIANCE
    converged = bool(agree or best.left < SAME_DEVIANCE)
    table = pd.DataFrame(
        {
            "start": list(STARTS),
            "log_likelihood": [
                log_likelihood_of(sums, solution, reml=reml) - (end.value - best.value) / 2 for end in ends
            ],
            "left": [end.left for end in ends],
        }
    )
    singular = any((np.diag(factor) < SINGULAR).any() for factor in factors)
    return Search(factors, solution, table, converged, singular)


def _signed(factor: np.ndarray) -> np.ndarray:
    return factor * np.where(np.diag(factor) < 0, -1.0, 1.0)


# --- degrees of freedom ---------------------------------------------------------------------------------------------


def satterthwaite(
    sums: NestedSums, factors: Sequence[np.ndarray], contrasts: np.ndarray, *, reml: bool
) -> np.ndarray | None:
    """Degrees of freedom 2 v^2 / (g'A g) of each contrast (k, p) of the standardised coefficients, as in lmerTest.

    v is the variance of the contrast, g its gradient in (theta, sigma) and A twice the inverse Hessian of the deviance
    in (theta, sigma). ``None`` where that Hessian is not positive definite.
    """
    sizes = [len(factor) for factor in factors]

    def parts(theta: np.ndarray) -> np.ndarray:
        solution = sums.solve(factors_of(theta, sizes))
        if solution is None:
            return np.full(2 + len(contrasts), np.nan)
        determinant = solution.log_determinant + (solution.log_determinant_fixed if reml else 0.0)
        variances = ((contrasts @ solution.inverse) * contrasts).sum(axis=1)
        return np.concatenate([[determinant, solution.residual], variances])

    theta, left = theta_of(factors), degrees_left(sums, reml=reml)
    k = len(theta)
    here, first, second = parts(theta), slopes_of(parts, theta), curvature_of(parts, theta)
    variance = here[1] / left
    sigma = np.sqrt(variance)
    hessian = np.empty((k + 1, k + 1))
    hessian[:k, :k] = second[:, :, 0] + second[:, :, 1] / variance
    hessian[:k, k] = hessian[k, :k] = -2 * first[:, 1] / sigma**3
    hessian[k, k] = 4 * left / variance
    if not np.isfinite(hessian).all() or np.linalg.eigvalsh(hessian)[0] <= 1e-8 * np.abs(hessian).max():
        return None
    gradient = np.vstack([variance * first[:, 2:], 2 * sigma * here[2:]])
    spread = 2 * (gradient * np.linalg.solve(hessian, gradient)).sum(axis=0)
    return 2 * (variance * here[2:]) ** 2 / spread


# --- profile likelihood ---------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Profiler:
    """Intervals of the points whose profile deviance (ML) lies within a chi-squared quantile of the least.

    ``back[l]`` turns standardised effects of level l into effects in the units of the data.
    """

    sums: NestedSums
    back: Sequence[np.ndarray]
    best: Minimum
    solution: Solution
    quantile: float

    @classmethod
    def of(cls, sums: NestedSums, factors: Sequence[np.ndarray], back: Sequence[np.ndarray], level: float) -> Profiler:
        """Move to the maximum of the likelihood proper, which is where the profiles start also after REML."""
        best = minimise(profiled_deviance(sums, reml=False), theta_of(factors))
        solution = sums.solve(factors_of(best.x, [len(b) for b in back]))
        return cls(sums, back, best, solution, float(stats.norm.ppf((1 + level) / 2)))

    @property
    def factors(self) -> list[np.ndarray]:
        return factors_of(self.best.x, [len(b) for b in self.back])

    @property
    def sigma(self) -> float:
        return float(np.sqrt(self.solution.residual / self.sums.rows))

    def fixed(self, contrast: np.ndarray) -> tuple[float, float, float]:
        """Estimate and interval of a linear function of the standardised coefficients."""
        n, sizes = self.sums.rows, [len(b) for b in self.back]
        estimate = float(contrast @ self.solution.beta)
        error = self.sigma * float(np.sqrt(contrast @ self.solution.inverse @ contrast))

        def inner(value: float) -> Objective:
            def deviance(theta: np.ndarray) -> float:
                solution = self.sums.solve(factors_of(theta, sizes))
                if solution is None:
                    return NO_SOLUTION
                away = (value - contrast @ solution.beta) ** 2 / (contrast @ solution.inverse @ contrast)
                return solution.log_determinant + n * (1 + np.log(2 * np.pi * (solution.residual + away) / n))

            return deviance

        low, high = (self._bound(inner, self.best.x, estimate, side * error, -np.inf) for side in (-1, 1))
        return estimate, low, high

    def residual(self) -> tuple[float, float, float]:
        """Estimate and interval of the residual standard deviation, in the units of the data."""
        unit = self.sums.scale[-1]

        def inner(value: float) -> Objective:
            return lambda theta: self._deviance(np.log(value / unit), factors_of(theta, [len(b) for b in self.back]))

        estimate = self.sigma * unit
        step = estimate / np.sqrt(2 * self.sums.rows)
        low, high = (self._bound(inner, self.best.x, estimate, side * step, 1e-6 * estimate) for side in (-1, 1))
        return estimate, low, high

    def deviation(self, depth: int, term: int) -> tuple[float, float, float]:
        """Estimate and interval of the standard deviation of one random term, in the units of the data.

        The level is written with that term first, so that its standard deviation is an element of theta times sigma.
        """
        size = len(self.back[depth])
        rest = [k for k in range(size) if k != term]
        basis = np.linalg.inv(np.vstack([self.back[depth][term], np.eye(size)[rest]]))
        turned = self.factors
        turn = np.linalg.inv(basis) @ turned[depth]
        turned[depth] = np.linalg.qr(turn.T, mode="r").T
        turned[depth] = turned[depth] * np.where(np.diag(turned[depth]) < 0, -1.0, 1.0)
        place = sum(len(b) * (len(b) + 1) // 2 for b in self.back[:depth])
        theta = theta_of(turned)
        estimate = self.sigma * float(turned[depth][0, 0])
        start = np.concatenate([[np.log(self.sigma)], np.delete(theta, place)])

        def inner(value: float) -> Objective:
            def deviance(free: np.ndarray) -> float:
                factors = factors_of(np.insert(free[1:], place, value / np.exp(free[0])), [len(b) for b in self.back])
                factors[depth] = basis @ factors[depth]
                return self._deviance(free[0], factors)

            return deviance

        step = max(estimate / np.sqrt(2 * len(self.sums.levels[depth].labels)), 1e-2 * self._unit(depth, term))
        low, high = (self._bound(inner, start, estimate, side * step, 0.0) for side in (-1, 1))
        return estimate, low, high

    def _unit(self, depth: int, term: int) -> float:
        return float(np.abs(self.back[depth][term]).max() * self.sigma)

    def _deviance(self, log_sigma: float, factors: Sequence[np.ndarray]) -> float:
        solution = self.sums.solve(factors)
        if solution is None:
            return NO_SOLUTION
        constant = self.sums.rows * (np.log(2 * np.pi) + 2 * log_sigma)
        return solution.log_determinant + solution.residual * np.exp(-2 * log_sigma) + constant

    def _bound(
        self, inner: Callable[[float], Objective], start: np.ndarray, estimate: float, step: float, limit: float
    ) -> float:
        """Where the root of the rise in deviance reaches the quantile; ``limit`` if it does not before the limit."""
        latest = start

        def excess(value: float) -> float:
            nonlocal latest
            if value == estimate:  # nothing rises there, and rounding must not say otherwise
                return -self.quantile
            end = minimise(inner(value), latest)
            latest = end.x
            return float(np.sqrt(max(end.value - self.best.value, 0.0))) - self.quantile

        inside, reach = estimate, self.quantile * step
        while True:
            outside = max(estimate + reach, limit) if step < 0 else estimate + reach
            if excess(outside) >= 0:
                break
            if outside == limit:
                return limit
            inside, reach = outside, 1.5 * reach
        return float(optimize.brentq(excess, inside, outside, xtol=1e-6 * abs(step), rtol=1e-10))
