"""Shares of a game's worth: Shapley values, and conditional and complete dominance between players."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np
import pandas as pd

from qbresearch.statistics.records import plain_records

# Two increments closer than this are equal: subsets are computed in different orders.
TIE = 1e-12


@dataclass(frozen=True, slots=True)
class DominanceResult:
    """Which block adds more than which, on average and in every company.

    Attributes
    ----------
    general : DataFrame
        ``block, value``: Shapley values; they add up to the worth of all blocks.
    conditional : DataFrame
        ``block, size, value``: what the block adds on average to subsets of ``size`` - 1 other blocks.
    complete : DataFrame
        ``block, other, proportion, dominates``: share of the subsets of the remaining blocks to which ``block`` adds
        more than ``other``; it dominates completely where that is all of them.
    """

    general: pd.DataFrame
    conditional: pd.DataFrame
    complete: pd.DataFrame

    def tidy(self) -> pd.DataFrame:
        """Conditional dominance, one row a block and one column a size, with the Shapley value as ``general``."""
        wide = self.conditional.pivot(index="block", columns="size", values="value").rename(columns="size_{}".format)
        return self.general.rename(columns={"value": "general"}).merge(wide.reset_index(), on="block")

    def summary(self) -> str:
        """Who dominates whom completely, in one Chinese sentence."""
        pairs = self.complete[self.complete["dominates"]]
        if pairs.empty:
            return "没有一组变量在所有组合中都比另一组解释得更多"
        each = "、".join(f"{a}优于{b}" for a, b in zip(pairs["block"], pairs["other"], strict=True))
        return f"在其余变量的所有组合中：{each}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {name: plain_records(getattr(self, name)) for name in ("general", "conditional", "complete")}


def shapley_weights(players: int) -> np.ndarray:
    r"""Weights that turn the worths of all subsets into Shapley values, shape (2**players, players).

    .. math:: \phi_i = \sum_{S \ni i} \frac{(|S|-1)!\,(m-|S|)!}{m!} v(S)
              - \sum_{S \not\ni i} \frac{|S|!\,(m-|S|-1)!}{m!} v(S)

    Subset S stands at the row whose bit i is set where player i is in S.

    Source
    ------
    Shapley (1953); for R² the values are those of Lindeman, Merenda and Gold (1980).
    """
    inside, size = _membership(players)
    orders = [factorial(s) * factorial(players - s - 1) / factorial(players) for s in range(players)]
    gained, lost = np.array([0.0, *orders]), np.array([*orders, 0.0])
    return np.where(inside, gained[size][:, None], -lost[size][:, None])


def dominance(worth: np.ndarray, names: Sequence[str]) -> DominanceResult:
    """General, conditional and complete dominance from the worths of all subsets.

    Parameters
    ----------
    worth : float array, shape (2**m,)
        Worth of each subset (R², say), that of the empty one first; bit i of the index is player i.
    names : sequence of str, length m
        Names of the players.

    Returns
    -------
    DominanceResult
        One player: all the worth, no pairs. Worths may be negative.

    Source
    ------
    Azen and Budescu (2003). Golden values printed by R's domir.
    """
    players = len(names)
    inside, size = _membership(players)
    general = worth @ shapley_weights(players)
    codes = np.arange(len(worth))
    steps, pairs = [], []
    for i, name in enumerate(names):
        without = codes[~inside[:, i]]
        added = worth[without | 1 << i] - worth[without]
        steps += [(name, s + 1, added[size[without] == s].mean()) for s in range(players)]
        for j, other in enumerate(names):
            if i != j:
                rest = codes[~inside[:, i] & ~inside[:, j]]
                proportion = (worth[rest | 1 << i] > worth[rest | 1 << j] + TIE).mean()
                pairs.append((name, other, proportion, bool(proportion == 1)))
    return DominanceResult(
        pd.DataFrame({"block": list(names), "value": general}),
        pd.DataFrame(steps, columns=["block", "size", "value"]),
        pd.DataFrame(pairs, columns=["block", "other", "proportion", "dominates"]),
    )


def _membership(players: int) -> tuple[np.ndarray, np.ndarray]:
    """Who is in each subset, and its size."""
    inside = (np.arange(1 << players)[:, None] >> np.arange(players)) & 1 == 1
    return inside, inside.sum(axis=1)
