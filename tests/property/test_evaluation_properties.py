"""Laws of the whole evaluation: order does not matter, missing data open verdicts and never make them, all must be met."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whole_county import NATIONAL, changed, county_inputs, evaluate, put

from qbresearch.results.evaluation.evidence import judge_evidence
from qbresearch.results.evaluation.ratios import WHOLES, measure
from qbresearch.results.evaluation.recognition import measure_recognition
from qbresearch.results.evaluation.tree import (
    MET,
    NO_RULE,
    NOT_MET,
    UNDECIDED,
    Node,
    combine,
    compare,
    parent,
)
from qbresearch.rules.columns import load_table
from qbresearch.statistics.proportions import wilson_interval

FACTS = load_table("county-facts")
RATIOS = [r for i in NATIONAL.items if i.kind in ("ratio", "mixed") for r in NATIONAL.requirements_of(i.code)]
RATIOS += list(NATIONAL.choose({"Q1_formula": "B"}).requirements_of("Q1"))
verdict = st.sampled_from([MET, NOT_MET, UNDECIDED])
count = st.integers(0, 60)


# --- the tree -------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from([MET, NOT_MET, UNDECIDED, NO_RULE])), st.randoms(use_true_random=False))
def test_order_does_not_matter(verdicts, random) -> None:
    other = list(verdicts)
    random.shuffle(other)
    assert combine(verdicts) == combine(other) == combine(set(verdicts))


def trees(depth: int = 3) -> st.SearchStrategy[Node]:
    leaf = st.builds(lambda v, d: Node("leaf", "leaf", v, decides=d), verdict, st.booleans())
    if not depth:
        return leaf
    inner = st.builds(
        lambda children, d: parent("inner", "inner", children, decides=d), st.lists(trees(depth - 1), min_size=1, max_size=3), st.booleans()
    )
    return st.one_of(leaf, inner)


def deciding_leaves(node: Node) -> list[str]:
    """Verdicts of the leaves that count all the way up."""
    if not node.children:
        return [node.verdict]
    return [v for child in node.children if child.decides for v in deciding_leaves(child)]


@given(st.lists(trees(), min_size=1, max_size=4))
def test_the_root_is_met_if_and_only_if_all_deciding_leaves_are(children) -> None:
    root = parent("root", "root", children)
    found = [v for v in deciding_leaves(root) if v]
    assert (root.verdict == MET) == (bool(found) and set(found) == {MET})
    assert (root.verdict == NOT_MET) == (NOT_MET in found)
    assert (root.verdict == NO_RULE) == (not found)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_margin_is_positive_on_the_right_side(value, limit) -> None:
    for comparison in ("at_least", "at_most", "below", "not_less"):
        found, margin = compare(value, comparison, limit)
        if abs(margin) > 1e-9 * max(abs(value), abs(limit)):
            assert (margin > 0) == (found == MET)
    assert {compare(value, "at_least", limit)[0], compare(value, "below", limit)[0]} == {MET, NOT_MET}


# --- quotients ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("requirement", RATIOS, ids=lambda r: f"{r.id}-{len(r.add)}")
@settings(max_examples=20)
@given(data=st.data())
def test_blanking_facts_opens_a_verdict_or_leaves_it(requirement, data) -> None:
    """And where it stands with blanks, it stands whatever the blanks hold that can be divided by."""
    small = st.integers(0, 12) if requirement.over_add and requirement.percent else st.integers(0, 20_000)
    full = {name: data.draw(small, label=name) for name in requirement.columns}
    blank = data.draw(st.sets(st.sampled_from(requirement.columns)))
    known = {name: None if name in blank else value for name, value in full.items()}
    whole, part = (measure(requirement, facts, FACTS, NATIONAL).verdict for facts in (full, known))
    assert part in (whole, UNDECIDED) or whole == UNDECIDED


@pytest.mark.parametrize("requirement", RATIOS, ids=lambda r: f"{r.id}-{len(r.add)}")
@settings(max_examples=12)
@given(data=st.data())
def test_a_value_is_the_quotient_and_its_verdict_that_of_the_comparison(requirement, data) -> None:
    full = {name: data.draw(count, label=name) for name in requirement.columns}
    node = measure(requirement, full, FACTS, NATIONAL)
    over = sum(full[n] for n in requirement.over_add) - sum(full[n] for n in requirement.over_subtract)
    top = sum(full[n] for n in requirement.add) - sum(full[n] for n in requirement.subtract)
    if requirement.over_add and over <= 0:
        nobody = not any(full.values()) and set(requirement.over_add) <= set(WHOLES)
        assert (node.verdict, node.value) == (MET if nobody else UNDECIDED, None)
        return
    value = top / over if requirement.over_add else top
    assert node.value == value and node.verdict == (MET if value >= requirement.limit else NOT_MET)
    assert {e.label: e.value for e in node.elements} == {FACTS.label(name): v for name, v in full.items()}


# --- evidence -------------------------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), verdict), max_size=6), st.data())
def test_blanking_findings_opens_a_verdict_or_leaves_it(records, data) -> None:
    rows = pd.DataFrame([(i, "材料", None, None, None, f) for i, f in records],
                        columns=["item", "title", "number", "date", "confirmed_by", "finding"], dtype=object)  # fmt: skip
    blank = rows.assign(finding=[None if data.draw(st.booleans()) else f for f in rows["finding"]])
    shuffled = rows.sample(frac=1, random_state=1)
    whole, part, other = (judge_evidence(["a", "b"], r.to_dict("records"), code="x", label="x").verdict for r in (rows, blank, shuffled))
    assert part in (whole, UNDECIDED) and other == whole
    findings = {code: [f for i, f in records if i == code] for code in "ab"}
    assert (whole == MET) == all(f and set(f) == {MET} for f in findings.values())
    assert (whole == NOT_MET) == any(NOT_MET in f for f in findings.values())


# --- recognition ----------------------------------------------------------------------------------------------------


@st.composite
def surveys(draw) -> pd.DataFrame:
    groups = draw(st.lists(st.sampled_from([g.id for g in NATIONAL.groups]), unique=True, min_size=1, max_size=4))
    rows = []
    for group in groups:
        valid = draw(st.integers(0, 400))
        satisfied = draw(st.integers(math.floor(valid * 0.6), valid))
        rows.append((group, "questionnaire", float(valid), float(satisfied), draw(st.sampled_from([0.7, 0.85, 0.9]))))
    return pd.DataFrame(rows, columns=["group", "mode", "valid", "satisfied", "mean_score"])


@settings(max_examples=20)
@given(surveys(), st.integers(1000, 200_000), st.sampled_from(["satisfied_share", "mean_score"]), st.data())
def test_blanking_a_cell_of_the_survey_opens_a_verdict_or_leaves_it(survey, people, scoring, data) -> None:
    evaluation = NATIONAL.choose({"R_scoring": scoring})
    whole = measure_recognition(survey, people, evaluation)
    row, column = data.draw(st.sampled_from(survey.index.to_list())), data.draw(st.sampled_from(["valid", "satisfied", "mean_score"]))
    part = measure_recognition(survey.astype({column: float}).assign(
        **{column: lambda d: d[column].where(d.index != row)}), people, evaluation)  # fmt: skip
    assert part.verdict in (whole.verdict, UNDECIDED)
    assert measure_recognition(survey, None, evaluation).verdict == UNDECIDED
    assert measure_recognition(survey.iloc[::-1], people, evaluation).verdict == whole.verdict


@given(st.integers(0, 500), st.integers(1, 500), st.sampled_from([0.01, 0.05, 0.2]))
def test_the_interval_holds_the_share_is_mirrored_and_narrows(k, n, significance) -> None:
    k = min(k, n)
    low, high = wilson_interval(k, n, significance=significance)
    assert 0 <= low <= k / n <= high <= 1 and low < high
    assert wilson_interval(n - k, n, significance=significance) == pytest.approx((1 - high, 1 - low), abs=1e-12)
    wider, more = wilson_interval(k, n, significance=significance / 2), wilson_interval(10 * k, 10 * n, significance=significance)
    assert wider[1] - wider[0] > high - low > more[1] - more[0]


# --- the county -----------------------------------------------------------------------------------------------------

CELLS = [
    *(("county-facts", c.name) for c in FACTS.columns if c.is_number),
    *(("school-facts", c) for c in ("public_funding_yuan", "training_budget_yuan", "public_funding_budget_yuan", "charter",
                                    "moral_grade", "small_rural")),
    ("class", "students"), ("room", "area_m2"), ("room", "use"), ("survey", "valid"), ("survey", "satisfied"), ("evidence", "finding"),
    ("county-report", "level"), ("county-report", "difference_rate"), ("finance", "students"),
    ("finance", "public_education_spending_yuan"),
]  # fmt: skip
WORSE = [
    ("county-facts", "junior_graduates", 900), ("county-facts", "migrant_children_public", 10), ("class", "students", 60),
    ("room", "area_m2", 20), ("survey", "satisfied", 40), ("county-report", "difference_rate", 0.3),
    ("school-facts", "training_budget_yuan", 10), ("finance", "students", 100),
]  # fmt: skip


@settings(max_examples=6)
@given(data=st.data())
def test_blanking_cells_of_a_county_opens_verdicts_and_never_makes_one(data) -> None:
    inputs = county_inputs()
    for table, column, value in data.draw(st.lists(st.sampled_from(WORSE), max_size=3), label="worse"):
        inputs = put(inputs, table, column, value, row=data.draw(st.integers(0, len(inputs.tables[table]) - 1)))
    blanked = inputs
    for table, column in data.draw(st.lists(st.sampled_from(CELLS), min_size=1, max_size=4), label="blank"):
        row = data.draw(st.integers(0, len(inputs.tables[table]) - 1))
        blanked = changed(blanked, table, lambda rows, row=row, column=column: rows.assign(
            **{column: rows[column].mask(np.arange(len(rows)) == row)}))  # fmt: skip
    whole, part = ({n.code: n.verdict for _, _, n in evaluate(c).tree.walk()} for c in (inputs, blanked))
    assert set(whole) == set(part)
    turned = {code: (whole[code], found) for code, found in part.items() if found not in (whole[code], UNDECIDED)}
    assert not turned


@settings(max_examples=3)
@given(st.data())
def test_the_county_is_met_if_and_only_if_every_deciding_leaf_is(data) -> None:
    inputs = county_inputs()
    for table, column, value in data.draw(st.lists(st.sampled_from(WORSE), max_size=2)):
        inputs = put(inputs, table, column, value)
    tree = evaluate(inputs).tree
    assert (tree.verdict == MET) == (set(deciding_leaves(tree)) == {MET})
    assert (tree.verdict == NOT_MET) == (NOT_MET in deciding_leaves(tree))


@settings(max_examples=2)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(random) -> None:
    inputs = county_inputs()
    tables = {name: rows.sample(frac=1, random_state=random.randrange(1000)).reset_index(drop=True) for name, rows in inputs.tables.items()}
    one, other = evaluate(inputs), evaluate(replace(inputs, tables=tables))
    columns = ["code", "verdict", "value", "margin"]
    pd.testing.assert_frame_equal(one.tidy()[columns], other.tidy()[columns])
