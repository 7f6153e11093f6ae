"""However the students are divided or ordered, the sums are those of all of them."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbresearch.processed.sums import merge_sums, sum_students

score = st.one_of(st.none(), st.floats(0, 1000).map(lambda v: round(v, 3)), st.floats(499.999, 500.001))
rows = st.lists(
    st.tuples(
        st.sampled_from(["010203", "110101"]), st.sampled_from(["4", "8"]),
        st.sampled_from(["0000000001", "0000000002", None]), st.sampled_from(["甲", "乙"]), score,
        st.floats(0.01, 100), st.sampled_from(["1", "2", "3", "4", None]),
    ),
    min_size=1, max_size=30,
)


def frame(drawn) -> pd.DataFrame:
    columns = ["county_code", "grade", "school_code", "school_name", "score", "weight", "level"]
    table = pd.DataFrame(drawn, columns=columns).astype({"score": float})
    names = [f"S{i}" for i in range(len(table))]
    return table.assign(school_year=2024, cycle=2025, subject="chinese", pv1=table["score"] * 2, student_id=names)


def assert_same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    """Equal keys and counts; means to rounding; squares to rounding of the scores they were made of."""
    exact = [c for c in right.columns if right[c].dtype != float]
    pd.testing.assert_frame_equal(left[exact], right[exact])
    for c in set(right.columns) - set(exact):
        noise = 1e-13 if c.endswith("m2") else 0.0
        size = np.nan_to_num(right["weight"] + right["students"]) * 500
        allowed = 1e-11 * right[c].abs().fillna(0) + noise * size + 1e-300
        np.testing.assert_array_less(np.abs(left[c] - right[c]).fillna(0), allowed)
        assert left[c].isna().equals(right[c].isna()), c


@given(rows, st.randoms(use_true_random=False), st.integers(1, 4))
@settings(max_examples=12)
def test_any_division_of_the_rows_gives_the_same_sums(drawn, random, parts):
    table = frame(drawn)
    whole = sum_students(table, measures=("score", "pv1"))
    part = np.array([random.randrange(parts) for _ in range(len(table))])
    pieces = [sum_students(table[part == p], measures=("score", "pv1")) for p in range(parts) if (part == p).any()]
    merged = merge_sums(*pieces)
    assert_same(merged.table, whole.table)
    assert merged.provenance["rows"] == len(table)


@given(rows, st.randoms(use_true_random=False))
@settings(max_examples=12)
def test_the_order_of_the_rows_does_not_matter(drawn, random):
    table = frame(drawn)
    order = list(range(len(table)))
    random.shuffle(order)
    assert_same(sum_students(table.iloc[order]).table, sum_students(table).table)


@given(rows)
@settings(max_examples=15)
def test_nobody_is_lost(drawn):
    table = frame(drawn)
    sums = sum_students(table).table
    assert sums["students"].sum() + sums["missing"].sum() == len(table)
    assert sums["students"].sum() == table["score"].notna().sum()
    assert sums[[f"count_{k}" for k in range(1, 5)]].to_numpy().sum() == table["level"].notna().sum()
    assert sums["weight"].sum() == pytest.approx(table.loc[table["score"].notna(), "weight"].sum(), rel=1e-12)


weighted = st.tuples(st.integers(-(2**20), 2**20), st.integers(1, 8))


@given(st.lists(weighted, min_size=1, max_size=20), st.integers(0, 23))
@settings(max_examples=30)
def test_squares_equal_exact_arithmetic_also_for_tiny_differences(drawn, shift):
    """Scores 500 + k / 2^(20 + shift) in exact fractions: an unstable formula loses everything at large shifts."""
    values = [Fraction(500) + Fraction(k, 2 ** (shift + 20)) for k, _ in drawn]
    weights = [w for _, w in drawn]
    assert all(Fraction(float(v)) == v for v in values)
    mean = sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)
    squares = sum(w * (v - mean) ** 2 for w, v in zip(weights, values, strict=True))
    pairs = zip(values, weights, strict=True)
    table = frame([("010203", "4", "0000000001", "甲", float(v), float(w), None) for v, w in pairs])
    row = sum_students(table).table.iloc[0]
    assert row["mean"] == pytest.approx(float(mean), rel=1e-15)
    noise = 1e-12 * sum(weights) * math.ulp(500.0) ** 2  # the mean is rounded, but the second pass takes that out again
    assert row["m2"] == pytest.approx(float(squares), rel=1e-9, abs=noise)
