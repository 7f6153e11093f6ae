"""Rows of schools and students to groups, and the number, mean and squares of every group."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from qbresearch.processed.student_columns import key_codes


def make_groups(
    students: pd.DataFrame, keys: Mapping[str, tuple[np.ndarray, list]], by: tuple[str, ...], names: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Which rows have all keys (bool, n), the group of those, and one row a group: the ``by`` columns and names."""
    parts = {name: (keys[name] if name in keys else (np.full(len(students), -1), [])) for name in by}
    codes = {name: part[0] for name, part in parts.items()}
    if "school_name" in keys and "school_code" in by:
        by_name = keys["school_name"][0]
        stand_in = np.where(by_name >= 0, len(parts["school_code"][1]) + by_name, -1)
        codes["school_code"] = np.where(codes["school_code"] >= 0, codes["school_code"], stand_in)
    placed = np.logical_and.reduce([c >= 0 for c in codes.values()])
    ids = np.zeros(int(placed.sum()), dtype=np.int64)
    for code in codes.values():  # numbered anew after every column, so that the product of many columns cannot overflow
        ids = ids * (int(code.max(initial=0)) + 1) + code[placed]
        ids = pd.factorize(ids)[0].astype(np.int64)
    g = int(ids.max(initial=-1)) + 1
    first = np.empty(g, dtype=np.int64)
    first[ids[::-1]] = np.flatnonzero(placed)[::-1]
    table = pd.DataFrame({name: decoded(code[first], levels) for name, (code, levels) in parts.items()})
    for name in names:
        code, levels = keys[name] if name in keys else key_codes(students[name], name, where="")
        table[name] = _first_name(code[placed], levels, ids, g)
    return placed, ids, table


def decoded(codes: np.ndarray, levels: list) -> np.ndarray:
    """What codes stand for; -1 is missing."""
    return np.array([*levels, np.nan], dtype=object)[codes]


def _first_name(codes: np.ndarray, levels: list, groups: np.ndarray, g: int) -> np.ndarray:
    """The first name of each group in code point order, so that the order of rows does not matter."""
    order = np.argsort(np.array(levels, dtype=object)) if levels else np.empty(0, dtype=np.int64)
    rank = np.empty(len(levels) + 1, dtype=np.int64)
    rank[order], rank[-1] = np.arange(len(levels)), len(levels)
    lowest = np.full(g, len(levels))
    np.minimum.at(lowest, groups, rank[codes])
    return np.array([*(levels[i] for i in order), np.nan], dtype=object)[lowest]


def group_moments(y: np.ndarray, weight: np.ndarray | None, groups: np.ndarray, g: int) -> pd.DataFrame:
    """Number, weights, means and sums of squares of each group, in two passes."""
    known = ~np.isnan(y)
    y, groups = y[known], groups[known]
    n = np.bincount(groups, minlength=g)
    start, first, second = _two_passes(y, np.ones(len(y)), groups, g)
    plain = centred(n, start, first, second)
    if weight is None:
        return moment_frame(n, n.astype(float), n.astype(float), plain, plain)
    w = weight[known]
    total = np.bincount(groups, w, g)
    weighted = centred(total, *_two_passes(y, w, groups, g))
    return moment_frame(n, total, np.bincount(groups, w * w, g), weighted, plain)


def _two_passes(y: np.ndarray, w: np.ndarray, groups: np.ndarray, g: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    total = np.bincount(groups, w, g)
    start = np.divide(np.bincount(groups, w * y, g), total, out=np.full(g, np.nan), where=total > 0)
    d = y - start[groups]
    return start, np.bincount(groups, w * d, g), np.bincount(groups, w * d * d, g)


def centred(
    total: np.ndarray, start: np.ndarray, first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sum of squares about it, from the sums of w d and w d² about a ``start`` close to the mean."""
    shift = np.divide(first, total, out=np.zeros(len(start)), where=total > 0)
    return start + shift, np.maximum(second - shift * first, 0.0)


def moment_frame(
    n: np.ndarray, weight: np.ndarray, weight2: np.ndarray, weighted: tuple[np.ndarray, np.ndarray],
    plain: tuple[np.ndarray, np.ndarray],
) -> pd.DataFrame:
    """Moments of one measure, one row a group."""
    return pd.DataFrame(
        {"students": n, "weight": weight, "weight2": weight2, "mean": weighted[0], "m2": weighted[1],
         "plain_mean": plain[0], "plain_m2": plain[1]}
    )


def extremes(full: np.ndarray, groups: np.ndarray, g: int) -> dict[str, np.ndarray]:
    """Smallest and largest full mark of each group, NaN where none is known."""
    low, high = np.full(g, np.inf), np.full(g, -np.inf)
    known = ~np.isnan(full)
    np.minimum.at(low, groups[known], full[known])
    np.maximum.at(high, groups[known], full[known])
    return {"full_low": np.where(np.isinf(low), np.nan, low), "full_high": np.where(np.isinf(high), np.nan, high)}


def merged_moments(rows: pd.DataFrame, groups: np.ndarray, g: int) -> pd.DataFrame:
    """Moments of groups of rows that are moments themselves; rows without a student add nothing."""
    n = rows["students"].to_numpy()
    groups, some = groups[n > 0], rows[n > 0]
    pairs = []
    for weight, mean, m2 in (("weight", "mean", "m2"), ("students", "plain_mean", "plain_m2")):
        w = some[weight].to_numpy(dtype=float)
        total = np.bincount(groups, w, g)
        start, first, second = _two_passes(some[mean].to_numpy(), w, groups, g)
        pairs.append(centred(total, start, first, second + np.bincount(groups, some[m2], g)))
    count = np.bincount(groups, some["students"], g).astype(np.int64)
    weight, weight2 = (np.bincount(groups, some[c], g) for c in ("weight", "weight2"))
    return moment_frame(count, weight, weight2, *pairs)
