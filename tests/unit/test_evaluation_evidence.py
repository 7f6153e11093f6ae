"""Items that documents decide: what one record, several and none make of them, and what the reader is told."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from qbresearch.language import speaking
from qbresearch.results.evaluation.evidence import evidence_node, judge_evidence
from qbresearch.rules.columns import load_table
from qbresearch.rules.evaluations import load_evaluation

NATIONAL = load_evaluation("national-2017", on=date(2023, 9, 1))
COLUMNS = ["item", "title", "number", "date", "confirmed_by", "finding"]


def records(*rows: tuple[str, object], **more: object) -> pd.DataFrame:
    """Records of (item, finding); other cells the same in all of them."""
    cells = {"title": "布局规划", "number": "例政发〔2022〕3号", "date": "2022-05-01", "confirmed_by": "县教育局"} | more
    return pd.DataFrame([cells | {"item": item, "finding": finding} for item, finding in rows], columns=COLUMNS)


def plain(evidence: pd.DataFrame) -> list[dict[str, object]]:
    """Records as the evaluation hands them on: row by row."""
    return evidence.to_dict("records")


def verdict(codes, evidence) -> str:
    return judge_evidence(codes, plain(evidence), code="X", label="例").verdict


@pytest.mark.parametrize(
    ("findings", "found"),
    [(["met"], "met"), (["not_met"], "not_met"), (["undecided"], "undecided"), ([None], "undecided"), ([np.nan], "undecided"),
     ([], "undecided"), (["met", "met"], "met"), (["met", "undecided"], "undecided"), (["met", "not_met"], "not_met"),
     (["undecided", "not_met"], "not_met"), (["met", np.nan], "undecided")],
)  # fmt: skip
def test_the_states_of_one_code(findings, found) -> None:
    assert verdict(["G1"], records(*(("G1", finding) for finding in findings), ("G10", "met"))) == found


def test_without_a_table_it_is_undecided_and_said_so() -> None:
    node = judge_evidence(["G1"], None, code="G1", label="例")
    assert (node.verdict, node.reason, node.elements) == ("undecided", f"没有本县本学年的“{load_table('evidence').label_zh}”", ())


def test_every_code_needs_a_record_of_its_own() -> None:
    codes = ["G2a", "G2b"]
    assert verdict(codes, records(("G2a", "met"), ("G2b", "met"))) == "met"
    assert verdict(codes, records(("G2a", "met"), ("G2a", "met"))) == "undecided"
    assert verdict(codes, records(("G2a", "not_met"))) == "not_met"
    assert verdict(codes, records(("G2a", "met"), ("G2b", "undecided"))) == "undecided"


def test_the_reason_names_document_number_date_department_and_finding() -> None:
    node = judge_evidence(["G1"], plain(records(("G1", "met"))), code="G1", label="例")
    assert node.reason == "《布局规划》（例政发〔2022〕3号、2022-05-01、县教育局确认）：达到"
    bare = judge_evidence(["G1"], plain(records(("G1", "not_met"), number=None, date=np.nan, confirmed_by=None)), code="G1", label="例")
    assert bare.reason == "《布局规划》：未达到"
    marked = judge_evidence(["G1"], plain(records(("G1", "met"), title="《布局规划》", number=None, date=None)), code="G1", label="例")
    assert marked.reason == "《布局规划》（县教育局确认）：达到"
    several = judge_evidence(["G2a", "G2b"], plain(records(("G2a", "met"), number=None, date=None)), code="G2", label="例")
    assert several.reason == "G2a 《布局规划》（县教育局确认）：达到；没有“G2b”的材料"
    named = judge_evidence(["G1"], plain(records()), code="G1", label="例", names={"G1": "学校布局"})
    assert named.reason == "没有“学校布局”的材料"


@pytest.mark.parametrize("dtype", ["string", object])
def test_blank_cells_of_text_columns_are_blank(dtype) -> None:
    blank = {"number": pd.NA, "date": pd.NA, "confirmed_by": pd.NA}
    rows = records(("G1", "met"), **blank).assign(source_file=pd.NA).astype(dtype).assign(school_year=2022)
    node = judge_evidence(["G1"], plain(rows), code="G1", label="例")
    assert (node.verdict, node.reason, node.elements[0].place) == ("met", "《布局规划》：达到", "")
    rows = records(("G1", pd.NA), number="", title=pd.NA).astype(dtype).assign(school_year=2022)
    assert judge_evidence(["G1"], plain(rows), code="G1", label="例").reason == "没有名称的材料（2022-05-01、县教育局确认）：未定"


def test_records_are_told_in_the_order_of_the_codes_with_their_places() -> None:
    rows = records(("G2b", "met"), ("G2a", "undecided")).assign(
        source_file="材料.xlsx", source_sheet="佐证材料", source_row=["2", "3"]
    )
    node = judge_evidence(["G2a", "G2b"], plain(rows), code="G2", label="例")
    assert [e.place for e in node.elements] == ["材料.xlsx（佐证材料）第 3 行", "材料.xlsx（佐证材料）第 2 行"]
    assert [e.value for e in node.elements] == [None, None]


# --- items of the evaluation ----------------------------------------------------------------------------------------


def test_an_item_with_one_record_is_a_leaf_with_its_citation() -> None:
    node = evidence_node(NATIONAL.item("Q7"), plain(records(("Q7", "met"))), NATIONAL)
    assert (node.code, node.verdict, node.children) == ("Q7", "met", ())
    assert node.clause and node.quote and node.status == "copy" and node.source


@pytest.mark.parametrize("finding", ["met", "not_met", "undecided"])
def test_the_four_unified_standards_each_need_a_record(finding) -> None:
    others = (("G2a", "met"), ("G2b", "met"), ("G2c", "met"))
    node = evidence_node(NATIONAL.item("G2"), plain(records(*others, ("G2d", finding))), NATIONAL)
    assert [(c.code, c.verdict) for c in node.children] == [*others, ("G2d", finding)]
    assert node.verdict == finding
    assert [c.label for c in node.children] == [NATIONAL.item("G2").evidence_label(c.code) for c in node.children]
    assert evidence_node(NATIONAL.item("G2"), plain(records(*others)), NATIONAL).verdict == "undecided"


@pytest.mark.parametrize("code", [i.code for i in NATIONAL.items if i.kind == "evidence"])
@pytest.mark.parametrize("finding", ["met", "not_met", "undecided"])
def test_every_qualitative_item_follows_its_records(code, finding) -> None:
    item = NATIONAL.item(code)
    assert evidence_node(item, plain(records(*((c, finding) for c in item.evidence))), NATIONAL).verdict == finding
    assert evidence_node(item, plain(records(("E-else", "not_met"))), NATIONAL).verdict == "undecided"


def test_a_veto_is_worded_as_what_happened_or_did_not() -> None:
    said = [evidence_node(NATIONAL.item("V3"), plain(records(("V3", f), number=None, date=None)), NATIONAL) for f in ("met", "not_met")]
    assert [node.reason for node in said] == ["《布局规划》（县教育局确认）：未发生", "《布局规划》（县教育局确认）：发生"]
    assert [node.verdict for node in said] == ["met", "not_met"]


def test_in_english_only_the_names_in_the_data_stay_chinese() -> None:
    with speaking("en"):
        node = judge_evidence(["G1", "G9"], plain(records(("G1", "met"), title="Plan", number=None, confirmed_by="the bureau")), code="x", label="y")
    assert node.reason == "G1 “Plan” (2022-05-01, confirmed by the bureau): reached; no document for “G9”"
