"""How much a weighted sample is worth, and draws from a sample."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

# Numbers held at a time while drawing, so that a large table does not fill the memory.
CHUNK = 4_000_000


def effective_size(weights: np.ndarray) -> float:
    r"""Kish's effective number of observations, of positive weights of shape (n,).

    .. math:: n_{eff} = \frac{(\sum_i w_i)^2}{\sum_i w_i^2}

    Equal weights give n, one observation with all the weight gives 1; the unit of the weights does not matter.

    Source
    ------
    Kish (1965), Survey Sampling, section 11.7.
    """
    return float(weights.sum() ** 2 / (weights @ weights))


def bootstrap_counts(units: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """How often each of ``units`` is drawn when as many are drawn with replacement: blocks of (some draws, units)."""
    generator = np.random.Generator(np.random.PCG64(seed))
    step = max(1, CHUNK // units)
    for start in range(0, draws, step):
        block = min(step, draws - start)
        drawn = generator.integers(units, size=(block, units)) + units * np.arange(block)[:, None]
        yield np.bincount(drawn.ravel(), minlength=block * units).reshape(block, units).astype(float)
