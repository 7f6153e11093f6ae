"""What is left of an outcome after every subset of blocks of variables, for many weightings of the data at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# A column of which less than this share is left by those before it adds nothing but rounding.
SPENT = 1e-10


@dataclass(frozen=True, slots=True)
class SubsetSums:
    """Sums after each subset; subset S of m blocks stands at the index whose bit i is set where block i is in S.

    residual : float array (draws, 2**m)
        Residual sum of squares of the outcome.
    rank : float array (draws, 2**m)
        Columns that were used, those always in the model among them.
    trace : float array (draws, 2**m)
        tr(A⁻¹B) of the columns used, with A and B their rows in ``gram`` and ``squared``; 0 without ``squared``.
    """

    residual: np.ndarray
    rank: np.ndarray
    trace: np.ndarray


def subset_sums(
    gram: np.ndarray, always: int, sizes: Sequence[int], *, squared: np.ndarray | None = None
) -> SubsetSums:
    """Eliminate each subset of blocks from each matrix of sums of squares and products.

    Every subset costs one elimination of one block from what its predecessor left, so nothing is solved twice and
    rounding does not add up over subsets.

    Parameters
    ----------
    gram : float array, shape (draws, k, k)
        Sums of squares and products X'WX; first the columns that are always in the model, then block after block, last
        the outcome.
    always : int
        Columns that are always in the model (intercept, controls).
    sizes : sequence of int
        Columns of each block; they add up to k - always - 1.
    squared : float array, shape (draws, k, k), optional
        X'W²X of the same columns.

    Returns
    -------
    SubsetSums
        A column that the columns before it make up is skipped, so a draw without full rank gives the fit of what it
        spans.
    """
    draws, codes = len(gram), 1 << len(sizes)
    found = SubsetSums(*(np.empty((draws, codes)) for _ in range(3)))
    floor = SPENT * np.diagonal(gram, axis1=1, axis2=2)
    start = _State(gram, squared, floor, np.zeros(draws), np.zeros(draws)).without(0, always)
    _visit(start, tuple(sizes), 0, 0, found)
    return found


@dataclass(frozen=True, slots=True)
class _State:
    """Matrices of the columns not yet eliminated, and what the eliminated ones have added up to."""

    gram: np.ndarray
    squared: np.ndarray | None
    floor: np.ndarray
    rank: np.ndarray
    trace: np.ndarray

    def without(self, skip: int, count: int) -> _State:
        """Drop the first ``skip`` columns and eliminate the next ``count``."""
        gram, floor, rank, trace = self.gram[:, skip:, skip:], self.floor[:, skip:], self.rank, self.trace
        squared = None if self.squared is None else self.squared[:, skip:, skip:]
        for _ in range(count):
            pivot = gram[:, 0, 0]
            new = pivot > floor[:, 0]
            share = np.divide(gram[:, 1:, 0], pivot[:, None], out=np.zeros_like(gram[:, 1:, 0]), where=new[:, None])
            if squared is not None:
                trace = trace + np.divide(squared[:, 0, 0], pivot, out=np.zeros_like(pivot), where=new)
                cross = share[:, :, None] * squared[:, :1, 1:]
                own = share[:, :, None] * share[:, None, :] * squared[:, :1, :1]
                squared = squared[:, 1:, 1:] - cross - cross.transpose(0, 2, 1) + own
            gram = gram[:, 1:, 1:] - share[:, :, None] * gram[:, :1, 1:]
            floor, rank = floor[:, 1:], rank + new
        return _State(gram, squared, floor, rank, trace)


def _visit(state: _State, sizes: tuple[int, ...], first: int, code: int, found: SubsetSums) -> None:
    found.residual[:, code] = np.maximum(state.gram[:, -1, -1], 0.0)
    found.rank[:, code] = state.rank
    found.trace[:, code] = state.trace
    skipped = 0
    for block in range(first, len(sizes)):
        _visit(state.without(skipped, sizes[block]), sizes, block + 1, code | 1 << block, found)
        skipped += sizes[block]
