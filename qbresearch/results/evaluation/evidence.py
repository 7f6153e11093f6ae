"""Indicators that documents decide: which document, confirmed by which department, found what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from qbresearch.language import clauses, label_of, listed, say
from qbresearch.results.evaluation.inputs import Record
from qbresearch.results.evaluation.tree import (
    MET,
    NOT_MET,
    UNDECIDED,
    Element,
    Node,
    cited,
    item_node,
    place_of,
)
from qbresearch.rules.columns import load_table
from qbresearch.rules.evaluations import Evaluation, Item

TABLE = "evidence"


def judge_evidence(
    codes: Sequence[str], evidence: Sequence[Record] | None, *, code: str, label: str, occurrence: bool = False,
    names: Mapping[str, str] | None = None, **facts: Any,
) -> Node:
    """Judge a qualitative condition by the records that a county has handed in.

    Parameters
    ----------
    codes : sequence of str
        Codes that need a record each (``G2a`` to ``G2d`` for the four unified standards).
    evidence : sequence of mappings or None
        Rows of the evidence table of one county and school year (``item, title, number, date, confirmed_by, finding``);
        ``None`` where nobody supplied the table. Records of other codes are not looked at.
    code, label : str
        Of the node.
    occurrence : bool
        Whether the condition is that something did not happen (a veto), so that findings are worded that way.
    names : mapping, optional
        What the record of each code is about, for words about records that are missing; by default ``label``, or the code of
        several.
    **facts
        Other fields of the node (its citation).

    Returns
    -------
    Node
        ``not_met`` if any record found so; ``met`` if every code has a record and all records found so; otherwise
        ``undecided``: a record that leaves it open, a blank finding, or a code without a record. The reason names every
        document with number, date, confirming department and finding; ``elements`` hold their places.
    """
    if evidence is None:
        reason = say("没有本县本学年的“{table}”", table=label_of(load_table(TABLE)))
        return Node(code, label, UNDECIDED, reason=reason, **facts)
    rows = sorted((row for row in evidence if str(row["item"]) in codes), key=lambda row: str(row["item"]))
    findings = [str(row["finding"]) if pd.notna(row["finding"]) else UNDECIDED for row in rows]
    present = {row["item"] for row in rows}
    absent = [wanted for wanted in codes if wanted not in present]
    words = finding_words(occurrence=occurrence)
    documents = [_document(row, named=len(codes) > 1) for row in rows]
    said = [say("{document}：{finding}", document=d, finding=words[f]) for d, f in zip(documents, findings, strict=True)]
    if absent:
        wanted = [(names or {}).get(code, label if len(codes) == 1 else code) for code in absent]
        said.append(say("没有{named}的材料", named=listed(say("“{word}”", word=word) for word in wanted)))
    elements = tuple(Element(text, None, "", place_of(row)) for text, row in zip(said, rows, strict=False))
    return Node(code, label, _verdict(findings, complete=not absent), reason=clauses(said), elements=elements, **facts)


def evidence_node(item: Item, evidence: Sequence[Record] | None, evaluation: Evaluation) -> Node:
    """The node of an item that documents decide; with a child for every record it needs where it needs several."""
    facts = {"occurrence": item.part == "veto"} | cited(item.citation, evaluation.sources)
    if len(item.evidence) == 1:
        (only,) = item.evidence
        names = {only: item.evidence_label(only)}
        return judge_evidence(item.evidence, evidence, code=item.code, label=label_of(item), names=names, **facts)
    children = [
        judge_evidence([code], evidence, code=code, label=item.evidence_label(code), **facts) for code in item.evidence
    ]
    return item_node(item, children, evaluation)


def finding_words(*, occurrence: bool) -> dict[str, str]:
    """Findings in words: of a condition to be met, or of something that must not have happened."""
    if occurrence:
        return {MET: say("未发生"), NOT_MET: say("发生"), UNDECIDED: say("未定")}
    return {MET: say("达到"), NOT_MET: say("未达到"), UNDECIDED: say("未定")}


def _verdict(findings: Iterable[str], *, complete: bool) -> str:
    found = set(findings)
    if NOT_MET in found:
        return NOT_MET
    return MET if complete and found == {MET} else UNDECIDED


def _document(row: Record, *, named: bool) -> str:
    """A record in words: code where several are asked for, title, and what is known of number, date and department."""
    known = [str(row[name]) for name in ("number", "date") if row.get(name) and pd.notna(row[name])]
    if row.get("confirmed_by") and pd.notna(row["confirmed_by"]):
        known.append(say("{department}确认", department=row["confirmed_by"]))
    title = str(row["title"]) if pd.notna(row["title"]) else say("没有名称的材料")
    if pd.notna(row["title"]) and not title.startswith("《"):
        title = say("《{title}》", title=title)
    text = say("{word}（{detail}）", word=title, detail=listed(known)) if known else title
    return say("{code} {document}", code=row["item"], document=text) if named else text
