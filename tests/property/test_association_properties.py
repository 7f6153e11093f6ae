"""Laws of correlations, adjusted p-values, variance inflation, shares and decompositions, whatever the data are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbresearch.statistics.collinearity import measure_collinearity
from qbresearch.statistics.correlation import correlate
from qbresearch.statistics.decomposition import decompose
from qbresearch.statistics.dominance import dominance
from qbresearch.statistics.importance import importance
from qbresearch.statistics.multiplicity import adjust_p

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)
methods = st.sampled_from(["holm", "bh"])
KINDS = {"pearson": {}, "spearman": {}, "partial": {"controls": ["d"]}, "weighted": {"weights": "w"}}
SINGLE = {name: [name] for name in "abc"}
few = settings(max_examples=25)


@st.composite
def tables(draw) -> pd.DataFrame:
    """Rows of related variables a to d, an outcome y, weights w and groups g; always of full rank."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    n = draw(st.integers(12, 40))
    mix = np.eye(4) + draw(st.floats(-0.9, 0.9)) * np.eye(4, k=1)
    frame = pd.DataFrame(rng.normal(size=(n, 4)) @ mix, columns=list("abcd"))
    frame["y"] = draw(st.floats(-2, 2)) * frame["a"] + draw(st.floats(-2, 2)) * frame["c"] + rng.normal(size=n)
    frame["w"] = rng.uniform(0.2, 5, n)
    frame["g"] = np.arange(n) % 5
    return frame


# --- p-values -------------------------------------------------------------------------------------------------------


@given(p_values, methods)
def test_adjusting_raises_keeps_the_order_and_stays_a_probability(p, method) -> None:
    adjusted = adjust_p(p, method)
    assert ((adjusted >= np.array(p) - 1e-15) & (adjusted <= 1)).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()


@given(p_values)
def test_bh_is_never_stricter_than_holm_and_holm_than_bonferroni(p) -> None:
    holm, bh = adjust_p(p, "holm"), adjust_p(p, "bh")
    assert (bh <= holm + 1e-12).all()
    assert (holm <= np.minimum(1, len(p) * np.array(p)) + 1e-12).all()


@given(p_values, methods, st.data())
def test_the_order_of_tests_does_not_matter(p, method, data) -> None:
    order = data.draw(st.permutations(range(len(p))))
    assert adjust_p([p[i] for i in order], method) == pytest.approx(adjust_p(p, method)[list(order)])


# --- correlations ---------------------------------------------------------------------------------------------------


@few
@given(tables(), st.sampled_from(list(KINDS)))
def test_the_interval_holds_the_estimate_inside_minus_one_to_one(frame, kind) -> None:
    table = correlate(frame, outcome="y", variables=list("abc"), kind=kind, **KINDS[kind]).table
    assert table["low"].between(-1, table["r"]).all() and table["high"].between(table["r"], 1).all()
    # The test and the interval use slightly different distributions; far from the limit they must agree.
    assert not ((table["p"] < 0.02) & (table["low"] < 0) & (table["high"] > 0)).any()
    assert not ((table["p"] > 0.12) & ((table["low"] > 0) | (table["high"] < 0))).any()


@few
@given(tables(), st.sampled_from(list(KINDS)), st.floats(0.01, 1e4), st.floats(-1e3, 1e3))
def test_units_do_not_matter_and_a_sign_turns_the_sign(frame, kind, factor, shift) -> None:
    known = correlate(frame, outcome="y", variables=["a"], kind=kind, **KINDS[kind]).table["r"].item()
    moved = frame.assign(a=-factor * frame["a"] + shift)
    assert correlate(moved, outcome="y", variables=["a"], kind=kind, **KINDS[kind]).table["r"].item() == pytest.approx(
        -known, abs=1e-7
    )


@few
@given(tables(), st.sampled_from(list(KINDS)))
def test_outcome_and_variable_can_change_places(frame, kind) -> None:
    one = correlate(frame, outcome="y", variables=["a"], kind=kind, **KINDS[kind]).table
    two = correlate(frame, outcome="a", variables=["y"], kind=kind, **KINDS[kind]).table
    numbers = ["r", "low", "high", "p"]
    assert one[numbers].to_numpy() == pytest.approx(two[numbers].to_numpy())


# --- variance inflation ---------------------------------------------------------------------------------------------


@few
@given(tables(), st.floats(0.01, 100))
def test_variance_inflation_is_at_least_one_and_free_of_units(frame, factor) -> None:
    known = measure_collinearity(frame, list("abcd")).table
    moved = measure_collinearity(frame.assign(b=factor * frame["b"] - 7), list("abcd")).table
    assert (known["vif"] >= 1).all()
    assert moved["vif"].to_numpy() == pytest.approx(known["vif"].to_numpy(), rel=1e-6)


@few
@given(tables())
def test_another_variable_never_lowers_the_inflation(frame) -> None:
    few_columns = measure_collinearity(frame, list("abc")).table["vif"].to_numpy()
    more = measure_collinearity(frame, list("abcd")).table["vif"].to_numpy()[:3]
    assert (more >= few_columns - 1e-9).all()


# --- shares ---------------------------------------------------------------------------------------------------------


@few
@given(st.lists(st.floats(-5, 5), min_size=16, max_size=16))
def test_shares_of_any_game_add_up_and_conditional_dominance_averages_to_them(worths) -> None:
    worth = np.array(worths) - worths[0]
    result = dominance(worth, list("abcd"))
    assert result.general["value"].sum() == pytest.approx(worth[-1], abs=1e-9)
    averaged = result.conditional.groupby("block")["value"].mean()
    assert averaged.to_list() == pytest.approx(result.general["value"].to_list(), abs=1e-9)
    wide = result.complete.pivot(index="block", columns="other", values="proportion").to_numpy()
    assert np.nanmax(wide + wide.T) <= 1 + 1e-12


@few
@given(tables(), st.booleans(), st.booleans())
def test_shares_of_r_squared_add_up_are_not_negative_and_do_not_mind_the_order(frame, weighted, controlled) -> None:
    more = {"weights": "w" if weighted else None, "controls": ["d"] if controlled else (), "draws": 0, "seed": 1}
    result = importance(frame, outcome="y", blocks=SINGLE, **more)
    turned = importance(frame, outcome="y", blocks={k: SINGLE[k] for k in "cab"}, **more)
    shares = result.table.set_index("block")["share"]
    assert shares.sum() == pytest.approx(result.total, abs=1e-12) and 0 <= result.total <= 1
    assert (shares >= -1e-12).all()
    again = turned.table.set_index("block")["share"].loc[list("abc")]
    assert again.to_list() == pytest.approx(shares.to_list(), abs=1e-12)


@few
@given(tables(), st.floats(-0.9, 0.9))
def test_a_block_is_what_its_columns_span(frame, slope) -> None:
    known = importance(frame, outcome="y", blocks={"ab": ["a", "b"], "c": ["c"]}, draws=0, seed=1).table["share"]
    turned = frame.assign(b=3 * frame["b"] + slope * frame["a"] - 1)
    other = importance(turned, outcome="y", blocks={"ab": ["a", "b"], "c": ["c"]}, draws=0, seed=1).table["share"]
    assert other.to_list() == pytest.approx(known.to_list(), abs=1e-10)


@few
@given(tables(), st.integers(1, 4))
def test_rows_in_several_copies_give_the_same_shares_as_weights(frame, times) -> None:
    frame["w"] = np.where(np.arange(len(frame)) % 2, float(times), 1.0)
    copies = frame.loc[np.repeat(frame.index, frame["w"].astype(int))]
    weighted = importance(frame, outcome="y", blocks=SINGLE, weights="w", draws=0, seed=1).table["share"]
    repeated = importance(copies, outcome="y", blocks=SINGLE, draws=0, seed=1).table["share"]
    assert weighted.to_list() == pytest.approx(repeated.to_list(), abs=1e-10)


@few
@given(tables(), st.floats(-3, 3))
def test_shares_between_schools_add_up_and_do_not_mind_unit_or_origin(frame, slope) -> None:
    for name in "ac":
        frame[name] = frame.groupby("g")[name].transform("mean")
    frame["y"] += 3 * frame["g"] + slope * frame["a"]  # schools that differ
    arguments = {"blocks": {"a": ["a"], "c": ["c"]}, "measure": "between_variance", "group": "g", "draws": 0, "seed": 1}
    result = importance(frame, outcome="y", **arguments)
    moved = importance(frame.assign(y=1e4 - 50 * frame["y"], a=0.1 * frame["a"] + 9), outcome="y", **arguments)
    assert result.table["share"].sum() == pytest.approx(result.total)
    assert moved.table["share"].to_list() == pytest.approx(result.table["share"].to_list(), rel=1e-6, abs=1e-8)


# --- decomposition --------------------------------------------------------------------------------------------------


@few
@given(tables(), st.booleans(), st.booleans())
def test_parts_add_up_to_the_change_exactly(frame, weighted, clustered) -> None:
    more = {"weights": "w" if weighted else None, "cluster": "g" if clustered else None}
    table = decompose(frame, outcome="y", base=["a", "d"], added={"one": ["b"], "two": ["c"]}, **more).table
    for _, rows in table.groupby("variable"):
        by = rows.groupby("component")["estimate"].sum()
        assert by["block"] == pytest.approx(by["difference"], abs=1e-12)
        assert by["short"] - by["long"] == pytest.approx(by["difference"], abs=1e-12)
    joint = decompose(frame, outcome="y", base=["a", "d"], added={"all": ["b", "c"]}, **more).table
    whole = joint[joint["component"] == "block"]
    change = joint[joint["component"] == "difference"]
    # One block carries the whole change, so its error is the error of the change.
    assert whole["se"].to_list() == pytest.approx(change["se"].to_list(), rel=1e-6, abs=1e-12)


@few
@given(tables())
def test_the_order_of_added_blocks_does_not_matter(frame) -> None:
    arguments = {"outcome": "y", "base": ["a"]}
    one = decompose(frame, added={"b": ["b"], "c": ["c", "d"]}, **arguments).table.set_index(["component", "block"])
    two = decompose(frame, added={"c": ["d", "c"], "b": ["b"]}, **arguments).table.set_index(["component", "block"])
    for column in ("estimate", "se"):
        assert two.loc[one.index, column].to_list() == pytest.approx(one[column].to_list(), abs=1e-10)
