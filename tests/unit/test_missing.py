"""The audit of missing values counts what is there and compares what can be compared."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbresearch.errors import InputError
from qbresearch.statistics.missing import audit_missing

NAN = float("nan")


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "school": ["甲", "甲", "甲", "乙", "乙", "乙", "丙", "丙"],
            "score": [500.0, NAN, 520.0, 480.0, NAN, 510.0, 530.0, 505.0],
            "ses": [1.0, -1.0, NAN, 0.5, -2.0, 0.0, 2.0, 1.0],
            "sex": ["男", "女", "男", None, "女", "男", "女", "男"],
            "boards": [True, True, False, False, True, None, False, True],
            "floor": [3.0, 3.0, 3.0, NAN, NAN, NAN, 4.0, 4.0],
        }
    )


def refusal(*arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        audit_missing(*arguments, **options)
    return str(caught.value)


def related(audit, column: str, other: str) -> pd.Series:
    rows = audit.related
    return rows[(rows["column"] == column) & (rows["other"] == other)].iloc[0]


def test_columns_and_rows_are_counted(frame) -> None:
    audit = audit_missing(frame, ["score", "ses", "sex", "floor"], group="school")
    table = audit.columns.set_index("column")
    assert table["missing"].to_dict() == {"score": 2, "ses": 1, "sex": 1, "floor": 3}
    assert table["share"].to_dict() == {"score": 0.25, "ses": 0.125, "sex": 0.125, "floor": 0.375}
    assert (audit.rows, audit.complete) == (8, 3)
    assert table["groups_missing"].to_dict() == {"score": 0, "ses": 0, "sex": 0, "floor": 1}
    assert audit.groups.to_dict("records") == [{"group": "乙", "column": "floor", "rows": 3}]


def test_patterns_are_all_listed_the_most_frequent_first(frame) -> None:
    patterns = audit_missing(frame, ["score", "ses", "floor"]).patterns
    assert patterns["missing"].iloc[0] == "" and patterns["rows"].iloc[0] == 3
    found = dict(zip(patterns["missing"], patterns["rows"], strict=True))
    assert found == {"": 3, "score": 1, "ses": 1, "floor": 2, "score、floor": 1}
    assert patterns["share"].sum() == pytest.approx(1) and patterns["rows"].is_monotonic_decreasing
    assert dict(zip(patterns["missing"], patterns["columns"], strict=True))["score、floor"] == 2


def test_the_standardised_difference_is_the_one_of_the_formula(frame) -> None:
    row = related(audit_missing(frame, ["score", "ses"]), "score", "ses")
    without, having = [-1.0, -2.0], [1.0, 0.5, 0.0, 2.0, 1.0]
    spread = np.sqrt((np.var(without, ddof=1) + np.var(having, ddof=1)) / 2)
    assert row["difference"] == pytest.approx((-1.5 - 0.9) / spread, rel=1e-12)
    assert (row["rows_missing"], row["rows_present"], row["mean_missing"], row["mean_present"]) == (2, 5, -1.5, 0.9)
    assert row["remark"] == ""


def test_text_and_truth_values_are_compared_as_shares(frame) -> None:
    audit = audit_missing(frame, ["score", "sex", "boards", "floor"])
    assert related(audit, "score", "sex[女]")["mean_missing"] == 1.0
    assert related(audit, "score", "sex[女]")["mean_present"] == 0.2  # of five whose sex is known
    assert related(audit, "floor", "boards")["mean_missing"] == 0.5  # of two
    assert related(audit, "floor", "boards")["mean_present"] == 0.6


def test_comparisons_that_cannot_be_made_say_why(frame) -> None:
    audit = audit_missing(frame, ["ses", "score", "floor"])
    assert "少于 2" in related(audit, "ses", "score")["remark"]
    assert related(audit, "floor", "score")["remark"] == ""  # 480 and 510 against four others
    flat = audit_missing(frame.assign(flat=1.0), ["score", "flat"])
    assert "没有差异" in related(flat, "score", "flat")["remark"]
    assert flat.to_dict()["related"][0]["difference"] is None


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(-5, 5), st.booleans()), min_size=1, max_size=30), st.floats(0.1, 9))
def test_counts_add_up_and_units_do_not_matter(rows, factor) -> None:
    frame = pd.DataFrame(rows, columns=["a", "b", "c"])
    frame["a"] = frame["b"].where(frame["a"])
    frame["c"] = frame["b"].where(frame["c"]) + 1
    audit, scaled = (audit_missing(f, ["a", "b", "c"]) for f in (frame, frame * factor))
    assert audit.patterns["rows"].sum() == audit.rows == len(frame)
    assert (audit.patterns["columns"] * audit.patterns["rows"]).sum() == audit.columns["missing"].sum()
    assert audit.complete == audit.patterns.loc[audit.patterns["columns"] == 0, "rows"].sum()
    both = audit.related["remark"].eq("") & scaled.related["remark"].eq("")
    one, other = (a.related["difference"][both] for a in (audit, scaled))
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-9)


def test_a_complete_table_has_nothing_to_compare(frame) -> None:
    audit = audit_missing(frame[["school"]], ["school"], group="school")
    assert audit.complete == 8 and audit.related.empty and audit.groups.empty
    assert audit.summary() == "8 行全部完整，没有缺失值"
    one = audit_missing(frame.iloc[[1]], ["score", "ses"])
    assert one.complete == 0 and "少于 2" in one.related["remark"].iloc[0]


def test_the_table_is_left_as_it_was(frame) -> None:
    before = frame.copy(deep=True)
    audit_missing(frame, list(frame.columns), group="school")
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize(
    ("columns", "group", "words"),
    [
        ([], None, "0 列"), (["没有"], None, "没有这一列"), (["score", "score"], None, "列名重复"), (["score"], "区", "没有这一列"),
        (["score"], "sex", "8 行中 1 行"),
    ],
)
def test_requests_that_cannot_be_met_are_refused(frame, columns, group, words) -> None:
    assert words in refusal(frame, columns, group=group)


def test_empty_tables_and_infinite_numbers_are_refused(frame) -> None:
    assert "0 行" in refusal(frame.iloc[:0], ["score"])
    message = refusal(frame.assign(ses=np.inf), ["score", "ses"])
    assert "无穷大" in message and "8 个" in message and "其他列仍可审查" in message


def test_the_result_says_what_it_is(frame) -> None:
    audit = audit_missing(frame, ["score", "ses", "floor"], group="school")
    assert audit.summary() == "8 行中 3 行完整（37.5%），缺失最多的是floor（3 行，37.5%），有 1 个组的某一列全部缺失"
    assert json.loads(json.dumps(audit.to_dict()))["columns"][2]["missing"] == 3
    table = audit.tidy()
    table.loc[0, "missing"] = 99
    assert audit.columns.loc[0, "missing"] == 2
    assert len(audit.plot().patches) >= 3
