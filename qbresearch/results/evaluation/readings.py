"""Readings on which documents disagree: what each would make of its item, and whether the verdict rests on the choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from qbresearch.language import clauses, label_of, listed, say
from qbresearch.results.evaluation.inputs import CountyInputs
from qbresearch.results.evaluation.ratios import (
    county_facts,
    judge_ratio_item,
    known_number,
)
from qbresearch.results.evaluation.recognition import measure_recognition
from qbresearch.results.evaluation.reported import judge_reported
from qbresearch.results.evaluation.schools import judge_school_item
from qbresearch.results.evaluation.tree import Node
from qbresearch.rules.evaluations import Evaluation

COLUMNS = ["option", "item", "choice", "label", "chosen", "verdict", "decisive"]


def compare_readings(tree: Node, inputs: CountyInputs, evaluation: Evaluation) -> pd.DataFrame:
    """Judge the item of every option under every choice, the other options as they are.

    Parameters
    ----------
    tree : Node
        The county under the choices in force: their verdicts are those of its items.
    inputs : CountyInputs
    evaluation : Evaluation

    Returns
    -------
    DataFrame
        One row an option and choice: ``option, item, choice`` (ids), ``label`` (of the choice), ``chosen``, ``verdict``
        (of the item), ``decisive`` (whether the choices of the option differ in it).
    """
    rows = []
    for option in evaluation.options.values():
        for choice in option.choices.values():
            chosen = choice.id == option.chosen
            verdict = (
                tree.find(option.item).verdict if chosen
                else judge_item(option.item, inputs, evaluation.choose({option.id: choice.id})).verdict
            )
            rows.append((option.id, option.item, choice.id, label_of(choice), chosen, verdict))
    found = pd.DataFrame(rows, columns=COLUMNS[:-1])
    return found.assign(decisive=found.groupby("option")["verdict"].transform("nunique").gt(1).astype(bool))


def judge_item(code: str, inputs: CountyInputs, evaluation: Evaluation) -> Node:
    """The node of one item on which readings can differ: a quotient, school by school, reported, or the survey."""
    item = evaluation.item(code)
    if item.kind == "schools":
        return judge_school_item(code, inputs, evaluation).node()
    if item.kind == "reported":
        return judge_reported(inputs, evaluation).node()
    facts = county_facts(inputs)
    if item.kind == "survey":
        population = known_number(facts, "resident_population") if facts is not None else None
        return measure_recognition(inputs.table("survey"), population, evaluation).node
    return judge_ratio_item(item, facts, inputs.records("evidence"), evaluation)


def mark_readings(tree: Node, readings: pd.DataFrame, words: Mapping[str, str] | None = None) -> Node:
    """The tree with the reason of every item saying so where its verdict rests on the reading chosen."""
    if words is None:
        words = {item: _words(rows) for item, rows in readings[readings["decisive"] & ~readings["chosen"]].groupby("item")}
    children = tuple(mark_readings(child, readings, words) for child in tree.children)
    marked = replace(tree, children=children)
    if tree.code not in words:
        return marked
    return replace(marked, reason=clauses(filter(None, (tree.reason, words[tree.code]))))


def _words(others: pd.DataFrame) -> str:
    verdicts = {"met": say("达标"), "not_met": say("未达标"), "undecided": say("无法判定")}
    told = listed(say("按“{choice}”为{verdict}", choice=r.label, verdict=verdicts[r.verdict]) for r in others.itertuples())
    return say("结论取决于口径：{told}", told=told)
