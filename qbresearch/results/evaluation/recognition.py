"""Social recognition: what a survey of parents, teachers and others says, and whether it can decide."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from qbresearch.errors import check_choice
from qbresearch.exhibits.figures.evaluation import plot_recognition
from qbresearch.language import clauses, label_of, listed, say
from qbresearch.results.evaluation.inputs import Record
from qbresearch.results.evaluation.ratios import known_number, unit_words
from qbresearch.results.evaluation.tree import (
    MET,
    NO_RULE,
    NOT_MET,
    UNDECIDED,
    Element,
    Node,
    compare,
    item_node,
    judged,
    option_words,
    place_of,
)
from qbresearch.results.resources.attainment import SAME
from qbresearch.rules.columns import load_table
from qbresearch.rules.evaluations import Evaluation, Requirement
from qbresearch.rules.settings import setting
from qbresearch.statistics.proportions import wilson_interval
from qbresearch.statistics.records import plain_records, records

TABLE, PARENTS = "survey", "parents"
QUESTIONNAIRE, VISIT = "questionnaire", "visit"
SATISFIED_SHARE, MEAN_SCORE = "satisfied_share", "mean_score"
ALL = ""
"""Group of the rows that hold all groups of a mode together."""
COLUMNS = ["mode", "mode_label", "group", "label", "valid", "satisfied", "mean_score", "share", "low", "high"]


@dataclass(frozen=True)
class RecognitionResult:
    """What the survey of one county and year says.

    lines : one a mode and group, and one a mode with group ``""`` for all groups together: ``mode, mode_label,
        group, label, valid, satisfied, mean_score, share`` (the score, by the choice of the option; all between 0 and
        1), ``low, high`` (Wilson's interval of a satisfied share).
    verdict : on the questionnaires of all groups together; see :func:`measure_recognition`.
    score, low, high : of all questionnaires, ``None`` where missing data leave them open. limit : what the score must
        reach. scoring : ``satisfied_share`` or ``mean_score``.
    valid, needed : questionnaires there are and must be; parents_share : of the valid ones.
    sample_cannot_decide : the interval contains the limit, whatever the verdict. near : it does although the sample is
        as large and composed as the rule wants, so that the verdict is that of the point value.
    node : the item in the tree.
    """

    lines: tuple[Record, ...] = field(repr=False)
    verdict: str
    score: float | None
    low: float | None
    high: float | None
    limit: float
    scoring: str
    valid: float | None
    needed: int | None
    parents_share: float | None
    sample_cannot_decide: bool
    near: bool
    node: Node = field(repr=False)

    @cached_property
    def table(self) -> pd.DataFrame:
        """The lines as a table, with ``threshold`` and ``verdict`` (of all questionnaires: no rule judges groups or visits)."""
        table = pd.DataFrame(self.lines, columns=COLUMNS).astype(dict.fromkeys(COLUMNS[4:], float))
        whole = table["mode"].eq(QUESTIONNAIRE) & table["group"].eq(ALL)
        return table.assign(threshold=self.limit, verdict=np.where(whole, self.verdict, NO_RULE))

    def tidy(self) -> pd.DataFrame:
        """A copy of ``table``."""
        return self.table.copy()

    def summary(self) -> str:
        """Score, interval and verdict in one sentence, with what keeps the sample from deciding."""
        decided, limit = self.node.find("R_recognition"), percent_words(self.limit)
        head = {
            MET: say("社会认可度达到 {limit}", limit=limit),
            NOT_MET: say("社会认可度低于 {limit}", limit=limit),
            UNDECIDED: say("社会认可度是否达到 {limit} 无法判定", limit=limit),
        }[self.verdict]
        return say("{head}：{reason}。", head=head, reason=decided.reason)

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Questionnaires by group, and visits, beside the limit, with intervals."""
        rows = self.table[self.table["mode"].eq(QUESTIONNAIRE) | self.table["group"].eq(ALL)]
        return plot_recognition(rows.assign(label=rows["label"].mask(rows["mode"].eq(VISIT), say("走访"))), ax=ax)

    def to_dict(self) -> dict[str, Any]:
        """Plain data; ``node`` with its elements."""
        names = ("verdict", "score", "low", "high", "limit", "scoring", "valid", "needed", "parents_share",
                 "sample_cannot_decide", "near")  # fmt: skip
        own = {name: getattr(self, name) for name in names}
        return own | {"groups": plain_records(self.table), "node": self.node.to_dict()}


def measure_recognition(
    survey: pd.DataFrame | None, population: float | None, evaluation: Evaluation, *, place: str = ""
) -> RecognitionResult:
    r"""Judge the survey of one county and school year.

    .. math:: s = \sum_g k_g / \sum_g n_g \quad\text{or}\quad s = \sum_g n_g m_g / \sum_g n_g

    with satisfied (:math:`k_g`) and valid (:math:`n_g`) questionnaires and the mean score :math:`m_g` of group g, by the
    choice of the option ``R_scoring``. Groups are not weighted otherwise. Visits are measured the same way, shown, and
    decide nothing.

    Parameters
    ----------
    survey : DataFrame or None
        Rows of the survey table of one county and school year; ``None`` where nobody supplied the table.
    population : float or None
        Resident population, persons; from it follows the sample the rule wants, rounded up to whole questionnaires.
    evaluation : Evaluation
        Limits, option and groups.
    place : str
        Where the population stands in the files as received.

    Returns
    -------
    RecognitionResult
        The verdict is ``undecided`` where the sample is smaller than the rule wants, parents are fewer than it wants,
        or the population or a number of valid questionnaires is missing: such a survey decides nothing, however high its
        score. A blank number of satisfied (or score) leaves bounds for the overall score; the verdict stands where both
        fall on the same side of the limit. Else the point value decides, the limit included. Where Wilson's interval of
        the satisfied share contains the limit, ``sample_cannot_decide`` holds and the reason says so; with a sample as
        the rule wants it the verdict is still that of the point value, marked ``near``. There is no interval for
        ``mean_score``: the table has no spread of scores.

    Raises
    ------
    InputError
        A group the evaluation does not know, or more satisfied than valid questionnaires.

    Source
    ------
    Limits: the requirements ``R_recognition``, ``R_sample``, ``R_parents``. Significance: the setting of that name.
    """
    recognition, sample, parents = (evaluation.requirement(f"R_{name}") for name in ("recognition", "sample", "parents"))
    scoring = str(evaluation.option("R_scoring").choice.value)
    answers = None if survey is None else records(survey)
    lines = _lines(answers, evaluation, scoring)
    asked = [line for line in lines if line["mode"] == QUESTIONNAIRE and line["group"] != ALL]
    valid = _total(asked)
    needed = None if not population or pd.isna(population) else math.ceil(sample.limit * population * (1 - SAME))
    elements = _elements(answers, population, place)
    enough = _sample_node(sample, valid, population, needed, evaluation)
    share = _share_of_parents(asked, valid)
    composed = _parents_node(parents, share, evaluation)
    enough, composed = _explained(enough, composed, asked, elements)
    bounds = _bounds(asked, scoring) if valid else None
    score = bounds[0] if bounds and bounds[0] == bounds[1] else None
    point = {compare(b, recognition.comparison, recognition.limit)[0] for b in bounds} if bounds else {UNDECIDED}
    representative = enough.verdict == composed.verdict == MET
    verdict = point.pop() if representative and len(point) == 1 else UNDECIDED
    whole = next((line for line in lines if line["mode"] == QUESTIONNAIRE and line["group"] == ALL), None)
    low, high = (_number(whole[name]) if whole else None for name in ("low", "high"))
    open_ = low is not None and high is not None and low <= recognition.limit <= high
    reasons = [
        *_score_words(asked, bounds, low, high, scoring, decided=verdict != UNDECIDED),
        *(node.reason for node in (enough, composed) if node.verdict != MET),
    ]
    limit = percent_words(recognition.limit)
    if open_ and representative:
        reasons.append(say("区间包含 {limit}，判定按点值，换一批受访者结论可能相反", limit=limit))
    elif open_:
        reasons.append(say("区间包含 {limit}，只凭这些问卷不能断定是否达到", limit=limit))
    decided = judged(
        recognition, score, evaluation, verdict=verdict, reason=clauses(filter(None, reasons)),
        option=option_words(evaluation, "R_scoring"), elements=elements,
        formula=_score_formula(scoring),
    )
    children = [decided, enough, composed, *_visit_node(lines, recognition)]
    return RecognitionResult(
        tuple(lines), verdict, score, low, high, recognition.limit, scoring, valid, needed, share, open_,
        open_ and representative, item_node(evaluation.item("R"), children, evaluation),
    )


def percent_words(share: float) -> str:
    """A share as a percentage in a sentence: one decimal, none where it is whole."""
    return f"{share * 100:.1f}".removesuffix(".0") + "%"


def mode_words() -> dict[str, str]:
    """How people were asked, in words."""
    return {QUESTIONNAIRE: say("问卷"), VISIT: say("走访")}


def _lines(answers: Sequence[Record] | None, evaluation: Evaluation, scoring: str) -> list[Record]:
    """Rows of the survey with labels, scores and intervals, groups in the evaluation's order, and one row for all."""
    labels = {group.id: label_of(group) for group in evaluation.groups}
    lines: list[Record] = []
    for mode, words in mode_words().items() if answers is not None else ():
        found = [row for row in answers if row["mode"] == mode]
        for row in found:
            check_choice(row["group"], labels, name="调查对象", where="社会认可度调查表")
        groups = {group: [row for row in found if row["group"] == group] for group in labels}
        told = [(group, labels[group], own) for group, own in groups.items() if own]
        for group, label, own in (*told, (ALL, say("合计"), found)) if found else ():
            lines.append(dict(zip(COLUMNS, (mode, words, group, label, *_scored(own, scoring)), strict=True)))
    return lines


def _scored(rows: Sequence[Record], scoring: str) -> tuple[float, ...]:
    """Valid, satisfied, mean score, score and interval of some rows together; NaN where a number is missing."""
    counts, happy, scores = (_numbers(rows, name) for name in ("valid", "satisfied", "mean_score"))
    valid, satisfied = counts.sum(), happy.sum()
    mean = (counts * scores).sum() / valid if valid > 0 else np.nan
    low = high = np.nan
    if valid > 0 and not np.isnan(satisfied):
        interval = wilson_interval(satisfied, valid, significance=setting("significance"), where=say("社会认可度调查"))
        low, high = interval if scoring == SATISFIED_SHARE else (np.nan, np.nan)
    share = satisfied / valid if valid > 0 else np.nan
    return valid, satisfied, mean, share if scoring == SATISFIED_SHARE else mean, low, high


def _numbers(rows: Sequence[Record], name: str) -> np.ndarray:
    """A column of some rows, NaN where a cell is blank."""
    return np.array([math.nan if pd.isna(row[name]) else row[name] for row in rows], dtype=float)


def _bounds(rows: Sequence[Record], scoring: str) -> tuple[float, float]:
    """Least and most that the overall score can be: of a blank group anything from nobody to everybody."""
    counts = _numbers(rows, "valid")
    counted = _numbers(rows, "satisfied") if scoring == SATISFIED_SHARE else counts * _numbers(rows, "mean_score")
    valid, blank = counts.sum(), np.isnan(counted)
    return np.where(blank, 0.0, counted).sum() / valid, np.where(blank, counts, counted).sum() / valid


def _sample_node(
    requirement: Requirement, valid: float | None, population: float | None, needed: int | None, evaluation: Evaluation
) -> Node:
    if needed is None:
        return judged(requirement, None, evaluation, decides=False, reason=say("缺常住人口数，不知道应有多少份问卷"))
    if valid is None:
        return judged(requirement, None, evaluation, decides=False, reason=say("有效问卷份数不全"))
    reason = say("有效问卷 {valid} 份，按常住人口应不少于 {needed} 份", valid=int(valid), needed=needed)
    return judged(requirement, valid / population, evaluation, decides=False, reason=reason)


def _parents_node(requirement: Requirement, share: float | None, evaluation: Evaluation) -> Node:
    if share is None:
        return judged(requirement, None, evaluation, decides=False, reason=say("不知道家长占有效问卷的比例"))
    reason = say("家长占有效问卷的 {share}，应不少于 {limit}", share=percent_words(share), limit=percent_words(requirement.limit))
    return judged(requirement, share, evaluation, decides=False, reason=reason)


def _visit_node(lines: Sequence[Record], recognition: Requirement) -> list[Node]:
    """What visits found, for the reader; no rule decides by it."""
    visits = next((line for line in lines if line["mode"] == VISIT and line["group"] == ALL), None)
    if visits is None:
        return []
    score, valid = _number(visits["share"]), _number(visits["valid"])
    reason = say("走访 {n} 人，单独列出，不参与判定", n="—" if valid is None else int(valid))
    return [Node("R:visit", say("走访"), NO_RULE, score, unit=label_of(recognition, "unit"), percent=recognition.percent,
                 reason=reason, decides=False)]


def _share_of_parents(asked: Sequence[Record], valid: float | None) -> float | None:
    parents = _total([line for line in asked if line["group"] == PARENTS])
    return parents / valid if valid and parents is not None else None


def _total(rows: Sequence[Record]) -> float | None:
    """Valid questionnaires together, or ``None`` where there are no rows or one number is missing."""
    numbers = _numbers(rows, "valid")
    return None if not numbers.size or np.isnan(numbers).any() else float(numbers.sum())


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _score_words(
    asked: Sequence[Record], bounds: tuple[float, float] | None, low: float | None, high: float | None, scoring: str, *,
    decided: bool,
) -> list[str]:
    """What was found: the score with its interval, or which groups lack a number."""
    if not asked:
        return [say("没有本县本学年的问卷")]
    needed = ["valid", "satisfied" if scoring == SATISFIED_SHARE else "mean_score"]
    columns = {name: load_table(TABLE).label(name) for name in needed}
    gaps = [say("{group}的{column}", group=line["label"], column=columns[name])
            for line in asked for name in needed if np.isnan(line[name])]
    if gaps:
        sure = [say("无论缺的是多少，判定都不变")] if decided else []
        return [say("缺{columns}", columns=listed(gaps)), *sure]
    if bounds is None:
        return [say("没有一份有效问卷")]
    valid, score = int(_numbers(asked, "valid").sum()), percent_words(bounds[0])
    if scoring == MEAN_SCORE:
        return [say("{valid} 份有效问卷的平均得分为满分的 {score}，按得分计没有区间", valid=valid, score=score)]
    return [say(
        "{valid} 份有效问卷中 {satisfied} 份满意，占 {score}，{level} 区间 {low} 至 {high}", valid=valid, score=score,
        satisfied=int(_numbers(asked, "satisfied").sum()), level=percent_words(1 - setting("significance")),
        low=percent_words(low), high=percent_words(high),
    )]  # fmt: skip


def _score_formula(scoring: str) -> str:
    """How the score of all groups together follows from the answers."""
    contract = load_table(TABLE)
    if scoring == SATISFIED_SHARE:
        return say("{above}÷{below}", above=contract.label("satisfied"), below=contract.label("valid"))
    return say("各类{score}按{valid}加权平均", score=contract.label("mean_score"), valid=contract.label("valid"))


def _explained(
    enough: Node, composed: Node, asked: Sequence[Record], elements: tuple[Element, ...]
) -> tuple[Node, Node]:
    """The conditions on the sample with the numbers that they are computed from."""
    valid = load_table(TABLE).label("valid")
    parents = say("{group}的{column}", group=load_table(TABLE).choice_labels("group")[PARENTS], column=valid)
    own = tuple(e for e in elements if e.label == parents)
    counted = Element(valid, _total(asked), unit_words("份"))
    return (
        replace(enough, elements=(counted, elements[0]), formula=say("{above}÷{below}", above=valid, below=elements[0].label)),
        replace(composed, elements=(*own, counted), formula=say("{above}÷{below}", above=parents, below=valid)),
    )


def _elements(answers: Sequence[Record] | None, population: float | None, place: str) -> tuple[Element, ...]:
    """The population and counts of every group of questionnaires, with their places."""
    people = None if population is None or pd.isna(population) else float(population)
    found = [Element(load_table("county-facts").label("resident_population"), people, unit_words("人"), place)]
    if answers is None:
        return tuple(found)
    contract = load_table(TABLE)
    groups = contract.choice_labels("group")
    for row in (row for row in answers if row["mode"] == QUESTIONNAIRE):
        for name in ("valid", "satisfied"):
            what = say("{group}的{column}", group=groups[row["group"]], column=contract.label(name))
            found.append(Element(what, known_number(row, name), unit_words("份"), place_of(row)))
    return tuple(found)
