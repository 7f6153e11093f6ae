"""Coefficient of a cluster-level term for many permutations of the term at once.

The term enters a regression through its clusters alone, so all that a permutation leaves as it is (Frisch, Waugh and
Lovell) fits into sums by cluster; one permutation then costs clusters times controls, whatever the number of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbresearch.statistics.clusters import cluster_sums, stata_factor

# A term of which less than this share is left beside the controls has no coefficient.
ABSORBED = 1e-9


@dataclass(frozen=True, slots=True)
class ClusterMoments:
    """One regression of an outcome on controls and a cluster-level term, reduced to sums over its G clusters.

    members (G,) : number of each cluster in the order in which terms are given. scale (G,) : factor of the term.
    centre (G, G) : takes fixed effects out of the term; ``None`` without them. weight (G,), controls (G, k),
    products (G, k, k) : sums of w, wz, wzz' with orthonormal controls z. outcome (G,), crossed (G, k) : sums of we and
    wze with the outcome's residual e. factor : of the sum of squared cluster scores; ``None`` where the variance of the
    errors is known and one (after scaling).
    """

    members: np.ndarray
    scale: np.ndarray
    centre: np.ndarray | None
    weight: np.ndarray
    controls: np.ndarray
    products: np.ndarray
    outcome: np.ndarray
    crossed: np.ndarray
    factor: float | None

    @classmethod
    def of_clusters(
        cls, y: np.ndarray, controls: np.ndarray, clusters: np.ndarray, *, weights: np.ndarray | None = None,
        effects: np.ndarray | None = None,
    ) -> ClusterMoments:
        """Least squares with the cluster-robust (CR1) variance.

        Parameters
        ----------
        y : (n,), controls : (n, k)
            Outcome, and controls with the intercept (without it where there are ``effects``).
        clusters : int (n,)
            Cluster of each row, in the order in which terms will be given.
        weights : (n,), optional
        effects : int (n,), optional
            Fixed effect of each row; every cluster lies in one.
        """
        members, codes = np.unique(clusters, return_inverse=True)
        w = np.ones(len(y)) if weights is None else weights
        count, centre, absorbed = len(members), None, 0
        if effects is not None:
            levels = np.unique(effects, return_inverse=True)[1]
            absorbed = levels.max() + 1
            inside = np.column_stack([y, controls])
            means = cluster_sums(inside * w[:, None], levels, absorbed) / np.bincount(levels, w)[:, None]
            inside = inside - means[levels]
            y, controls = inside[:, 0], inside[:, 1:]
            own = np.zeros(count, dtype=int)
            own[codes] = levels
            same = (own[:, None] == own) * np.bincount(codes, w, count)
            centre = np.eye(count) - same / same.sum(axis=1, keepdims=True)
        factor = stata_factor(count, len(y), controls.shape[1] + 1 + absorbed)
        return cls._sums(y, controls, codes, members, w, np.ones(count), centre, factor)

    @classmethod
    def of_intercepts(
        cls, y: np.ndarray, controls: np.ndarray, clusters: np.ndarray, *, between: float, within: float
    ) -> ClusterMoments:
        """Generalised least squares with random intercepts of the clusters whose two variances are given."""
        members, codes, counts = np.unique(clusters, return_inverse=True, return_counts=True)
        shrink = 1 - np.sqrt(within / (within + counts * between))
        rows = np.column_stack([y, controls])
        means = cluster_sums(rows, codes, len(members)) / counts[:, None]
        rows = (rows - (shrink[:, None] * means)[codes]) / np.sqrt(within)
        return cls._sums(
            rows[:, 0], rows[:, 1:], codes, members, np.ones(len(y)), (1 - shrink) / np.sqrt(within), None, None
        )

    @classmethod
    def _sums(
        cls, y: np.ndarray, controls: np.ndarray, codes: np.ndarray, members: np.ndarray, w: np.ndarray,
        scale: np.ndarray, centre: np.ndarray | None, factor: float | None,
    ) -> ClusterMoments:
        root, count = np.sqrt(w), len(members)
        k = controls.shape[1]
        q = np.linalg.qr(controls * root[:, None])[0] if k else controls
        rest = y * root - q @ (q.T @ (y * root))
        order = np.argsort(codes, kind="stable")
        bounds = np.searchsorted(codes[order], np.arange(1, count))
        pairs = np.array([part.T @ part for part in np.split(q[order], bounds)]) if k else np.zeros((count, 0, 0))
        return cls(
            members, scale, centre, np.bincount(codes, w, count), cluster_sums(q * root[:, None], codes, count)
            if k else np.zeros((count, 0)), pairs, np.bincount(codes, rest * root, count),
            cluster_sums(q * rest[:, None], codes, count) if k else np.zeros((count, 0)), factor,
        )

    def estimate(self, terms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients and standard errors.

        Parameters
        ----------
        terms : float array, shape (all clusters, P)
            Value of the term in every cluster, one column a permutation.

        Returns
        -------
        estimate, error : (P,)
            NaN where the controls leave nothing of the term.
        """
        term = terms[self.members] * self.scale[:, None]
        if self.centre is not None:
            term = self.centre @ term
        on_controls = self.controls.T @ term
        whole = self.weight @ term**2
        left = whole - (on_controls**2).sum(axis=0)
        left = np.where(left > ABSORBED * whole, left, np.nan)
        estimate = self.outcome @ term / left
        if self.factor is None:
            return estimate, 1 / np.sqrt(left)
        scores = term * self.outcome[:, None] - self.crossed @ on_controls
        squares = term**2 * self.weight[:, None] - 2 * term * (self.controls @ on_controls)
        if self.products.size:
            squares += (self.products @ on_controls * on_controls).sum(axis=1)
        scores -= estimate * squares
        return estimate, np.sqrt(self.factor * (scores**2).sum(axis=0)) / left


def permutations_within(
    strata: np.ndarray, movable: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Random permutations of clusters inside their strata.

    Parameters
    ----------
    strata : int (G,)
    movable : bool (G,)
        Clusters that take part; the others keep their place.
    count : int
    rng : numpy.random.Generator

    Returns
    -------
    int array, shape (G, count + 1)
        Which cluster's value each cluster gets; the first column leaves all as they are.
    """
    found = np.tile(np.arange(len(strata))[:, None], count + 1)
    for stratum in np.unique(strata[movable]):
        here = np.flatnonzero(movable & (strata == stratum))
        for column in range(1, count + 1):
            found[here, column] = rng.permutation(here)
    return found
