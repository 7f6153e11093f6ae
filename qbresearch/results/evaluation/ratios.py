"""Indicators that are a quotient of facts about the county: each verdict with the facts it rests on and their places."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from qbresearch.errors import InputError
from qbresearch.language import clauses, label_of, listed, say
from qbresearch.results.evaluation.evidence import evidence_node
from qbresearch.results.evaluation.inputs import CountyInputs, Record
from qbresearch.results.evaluation.tree import (
    MET,
    UNDECIDED,
    Element,
    Node,
    compare,
    item_node,
    judged,
    place_of,
)
from qbresearch.rules.columns import Column, TableContract, load_table
from qbresearch.rules.evaluations import Evaluation, Item, Requirement

FACTS = "county-facts"
INFORMATION = {"G14": ("quality_high_school_places_rural", "quality_high_school_places_allocated")}
"""Part and whole that stand beside what documents say of an item; for information, they decide nothing."""
WHOLES = (
    "special_ed_students", "migrant_children", "disabled_children", "enrolled_students_primary", "enrolled_students_junior",
)  # fmt: skip
"""Whom a county may have none of. Teachers, graduates and high-school places are not among them: there zero decides nothing."""


def measure(
    requirement: Requirement,
    facts: Mapping[str, Any] | None,
    contract: TableContract | None = None,
    evaluation: Evaluation | None = None,
) -> Node:
    r"""Judge one requirement by the facts of a county.

    .. math:: x = \frac{\sum_{add} - \sum_{subtract}}{\sum_{over\_add} - \sum_{over\_subtract}}

    and :math:`x = \sum_{add} - \sum_{subtract}` where nothing stands below the line.

    Parameters
    ----------
    requirement : Requirement
        Says which columns, which limit, and which side of it is right.
    facts : mapping or None
        One row of the requirement's table in contract units; ``None`` where nobody supplied the table. What is blank
        is missing; zero is a value.
    contract : TableContract, optional
        Labels and units of the columns; by default the contract that ships with the package.
    evaluation : Evaluation, optional
        Gives titles of sources and the words of the option in force.

    Returns
    -------
    Node
        ``undecided`` where the row is missing, where the denominator is not above zero (nothing can be divided), and
        where blank columns could turn the verdict. A blank column that cannot be negative (its contract has a ``min``
        of 0 or more) leaves bounds for the value, those over denominators above zero; where both fall on the same side
        of the limit the verdict stands, but there is no value. Zero of zero is ``met`` without a value where the
        denominator counts those whom a county may have none of (``WHOLES``): nobody is left out. ``elements`` are the columns in the order of the formula.

    Source
    ------
    Columns, limit and comparison: the requirement, with its citation.
    """
    contract = contract or load_table(requirement.table)
    formula = quotient_words(requirement, contract)
    if facts is None:
        return judged(requirement, None, evaluation, formula=formula, reason=say("没有本县本学年的“{table}”", table=label_of(contract)))
    groups = (requirement.add, requirement.subtract, requirement.over_add, requirement.over_subtract)
    known = {name: known_number(facts, name) for group in groups for name in group}
    shown = {
        "formula": formula,
        "elements": tuple(
            Element(contract.label(name), value, unit_words(contract.column(name).unit), place_of(facts, contract, name))
            for name, value in known.items()
        ),
    }
    blank = [name for name, value in known.items() if value is None]
    top, bottom = (_bounds(plus, minus, known, contract) for plus, minus in (groups[:2], groups[2:]))
    divided = bool(requirement.over_add)
    if not blank:
        if divided and _nobody(requirement) and not any(known.values()):
            return judged(requirement, None, evaluation, verdict=MET, reason=say("没有需要核对的对象"), **shown)
        if divided and bottom[0] <= 0:
            below = _sum(requirement.over_add, requirement.over_subtract, contract)
            reason = say("分母（{sum}）为 {n}，不能相除", sum=below, n=f"{bottom[0]:g}")
            return judged(requirement, None, evaluation, reason=reason, **shown)
        return judged(requirement, top[0] / bottom[0] if divided else top[0], evaluation, **shown)
    gap = say("缺{columns}", columns=listed(contract.label(name) for name in blank))
    verdict = _certain(requirement, *(_quotient(top, bottom) if divided else top))
    if divided and top[0] <= 0 <= top[1] and bottom[0] <= 0 and verdict != MET:
        verdict = UNDECIDED  # there may be nothing to divide and nothing to divide it by
    if verdict == UNDECIDED:
        return judged(requirement, None, evaluation, reason=gap, **shown)
    reason = clauses((gap, say("无论缺的是多少，判定都不变")))
    return judged(requirement, None, evaluation, verdict=verdict, reason=reason, **shown)


def judge_ratio_item(
    item: Item, facts: Mapping[str, Any] | None, evidence: Sequence[Record] | None, evaluation: Evaluation
) -> Node:
    """The node of an item that a quotient decides, or a quotient and documents: both must be met.

    ``facts`` is the county's row of facts, ``evidence`` the rows of the evidence table; ``None`` where there is none.
    The half that documents decide has the code
    ``<item>:evidence``.
    """
    children = [measure(r, facts, evaluation=evaluation) for r in evaluation.requirements_of(item.code)]
    if item.evidence:
        half = evidence_node(item, evidence, evaluation)
        named = item.evidence_label(item.evidence[0]) if len(item.evidence) == 1 else half.label
        children.append(_informed(replace(half, code=f"{item.code}:evidence", label=named), item, facts))
    return item_node(item, children, evaluation)


def _informed(half: Node, item: Item, facts: Mapping[str, Any] | None) -> Node:
    """The half that documents decide, with a share beside it for information where the county has its numbers."""
    if facts is None or item.code not in INFORMATION:
        return half
    contract, names = load_table(FACTS), INFORMATION[item.code]
    part, whole = (known_number(facts, name) for name in names)
    if part is None or not whole:
        return half
    told = say("其中{part} {n}，占 {share}，仅供参考", part=contract.label(names[0]), n=f"{part:g}", share=f"{part / whole:.1%}")
    elements = [
        Element(contract.label(n), v, unit_words(contract.column(n).unit), place_of(facts, contract, n))
        for n, v in zip(names, (part, whole), strict=True)
    ]
    return replace(half, reason=clauses(filter(None, (half.reason, told))), elements=(*half.elements, *elements))


def county_facts(inputs: CountyInputs) -> Mapping[str, Any] | None:
    """The county's row of facts, ``None`` where nobody supplied one; :class:`InputError` where there are two."""
    rows = inputs.records(FACTS)
    if not rows:
        return None
    if len(rows) > 1:
        raise InputError(
            "一个县一个学年有两行数据", where=f"县级数据（{inputs.county_code}，{inputs.school_year} 学年）", found=f"{len(rows)} 行",
            expected="一行", fix="删去重复的一行",
        )
    return rows[0]


def known_number(facts: Mapping[str, Any], name: str) -> float | None:
    """A number of a row, or ``None`` where the cell is blank or the column is absent."""
    value = facts.get(name)
    return None if value is None or pd.isna(value) else float(value)


def unit_words(unit: str) -> str:
    """A unit of a column contract in the report's language."""
    words = {"人": say("人"), "元": say("元"), "年": say("年"), "个": say("个"), "份": say("份")}
    return words.get(unit, unit)


def _bounds(
    plus: Iterable[str], minus: Iterable[str], known: Mapping[str, float | None], contract: TableContract
) -> tuple[float, float]:
    """Least and most that a difference of sums can be, given that what is missing may be any number its column allows."""
    low = high = 0.0
    for name, sign in (*((n, 1) for n in plus), *((n, -1) for n in minus)):
        value = known[name]
        least, most = (value, value) if value is not None else (_least(contract.column(name)), math.inf)
        low += least if sign > 0 else -most
        high += most if sign > 0 else -least
    return low, high


def _least(column: Column) -> float:
    """The smallest number a column allows. Only a floor at zero is used: a range against typing errors proves nothing."""
    return 0.0 if column.min is not None and column.min >= 0 else -math.inf


def _quotient(top: tuple[float, float], bottom: tuple[float, float]) -> tuple[float, float]:
    """Least and most of a quotient over the denominators above zero; anything where there is none."""
    if bottom[1] <= 0:
        return -math.inf, math.inf
    low, high = top
    least = bottom[0] if bottom[0] > 0 else 0.0
    return (low / bottom[1] if low >= 0 else _over(low, least)), (_over(high, least) if high > 0 else high / bottom[1])


def _over(value: float, least: float) -> float:
    """How far a number goes over denominators down to ``least``: without end where that is zero."""
    return value / least if least else math.copysign(math.inf, value)


def _nobody(requirement: Requirement) -> bool:
    """Whether the denominator counts those whom a county may have none of."""
    return set(requirement.over_add) <= set(WHOLES) and not requirement.over_subtract


def _certain(requirement: Requirement, low: float, high: float) -> str:
    """The verdict that holds for every value between two bounds, else undecided."""
    verdicts = {compare(value, requirement.comparison, requirement.limit)[0] for value in (low, high)}
    return verdicts.pop() if len(verdicts) == 1 else UNDECIDED


def quotient_words(requirement: Requirement, contract: TableContract) -> str:
    """The quotient in the words of the column contract."""
    above = _sum(requirement.add, requirement.subtract, contract)
    if not requirement.over_add:
        return above
    below = _sum(requirement.over_add, requirement.over_subtract, contract)
    return say("{above}÷{below}", above=_bracketed(above, requirement.add, requirement.subtract),
               below=_bracketed(below, requirement.over_add, requirement.over_subtract))


def _sum(plus: Iterable[str], minus: Iterable[str], contract: TableContract) -> str:
    added = say("＋").join(contract.label(name) for name in plus)
    return added + "".join(say("－{column}", column=contract.label(name)) for name in minus)


def _bracketed(words: str, plus: tuple[str, ...], minus: tuple[str, ...]) -> str:
    return say("（{sum}）", sum=words) if len(plus) + len(minus) > 1 else words
