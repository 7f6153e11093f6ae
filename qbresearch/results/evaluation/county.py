"""The whole evaluation of one county and year as one tree of verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from qbresearch.errors import InputError, check_choice
from qbresearch.exhibits.figures.evaluation import plot_verdicts
from qbresearch.exhibits.style import verdict_words
from qbresearch.language import clauses, label_of, say
from qbresearch.results.evaluation.evidence import evidence_node
from qbresearch.results.evaluation.finance import IncreaseResult, check_increases
from qbresearch.results.evaluation.inputs import CountyInputs, Record
from qbresearch.results.evaluation.ratios import (
    FACTS,
    county_facts,
    judge_ratio_item,
    known_number,
)
from qbresearch.results.evaluation.readings import compare_readings, mark_readings
from qbresearch.results.evaluation.recognition import (
    RecognitionResult,
    measure_recognition,
)
from qbresearch.results.evaluation.reported import ReportedResult, judge_reported
from qbresearch.results.evaluation.resources import SCHOOLS, resource_nodes
from qbresearch.results.evaluation.school_evidence import SchoolEvidence
from qbresearch.results.evaluation.schools import judge_school_items
from qbresearch.results.evaluation.tree import (
    MET,
    NOT_MET,
    UNDECIDED,
    Node,
    cited,
    parent,
    place_of,
)
from qbresearch.results.resources.attainment import AttainmentResult
from qbresearch.rules.columns import load_table
from qbresearch.rules.evaluations import Evaluation, Item, Part
from qbresearch.statistics.records import plain_records

ROOT, RECOGNITION_VETO = "county", "V-R"
EVIDENCE, SURVEY, FINANCE = "evidence", "survey", "finance"
VETO = "veto"
INDICATORS = ("resources", "government", "quality")
"""Parts whose items are the indicators of the standard."""
PLAN_EVIDENCE = "E-"
"""How codes of evidence begin that plans ask for and the evaluation does not know."""


@dataclass(frozen=True, slots=True)
class CountyEvaluation:
    """Every verdict on one county and school year.

    tree : root ``county`` above the parts of the evaluation, their items and their requirements. school_evidence : by
        item code, results school by school. reported : results of quality monitoring. recognition : the survey.
    increases : the yearly finance series. attainment : resources, school by school. readings : what every reading
        would make of its item, see :func:`qbresearch.results.evaluation.readings.compare_readings`.
    """

    county_code: str
    county_name: str
    school_year: int
    evaluation: Evaluation = field(repr=False)
    tree: Node = field(repr=False)
    school_evidence: Mapping[str, SchoolEvidence] = field(repr=False)
    reported: ReportedResult = field(repr=False)
    recognition: RecognitionResult = field(repr=False)
    increases: IncreaseResult = field(repr=False)
    attainment: AttainmentResult = field(repr=False)
    readings: pd.DataFrame = field(repr=False)

    @property
    def verdict(self) -> str:
        """Of the county: ``not_met`` if one deciding part is, ``met`` if all are, else ``undecided``."""
        return self.tree.verdict

    def tidy(self) -> pd.DataFrame:
        """One row per node of the tree from the top down; see :meth:`Node.tidy`, with ``short`` labels of items and
        ``kind``: that of the item a node belongs to, ``evidence`` where documents decide."""
        shorts = {item.code: label_of(item, "short") for item in self.evaluation.items}
        kinds = {item.code: item.kind for item in self.evaluation.items}
        tree = self.tree.tidy()
        own = tree["code"].map(kinds).fillna(tree["parent"].map(kinds)).fillna("")
        documents = tree["code"].str.endswith(":evidence")
        return tree.assign(short=tree["code"].map(shorts).fillna(""), kind=own.mask(documents, "evidence"))

    def counts(self) -> pd.DataFrame:
        """One row a part: ``part, label, decides, items, met, not_met, undecided, verdict``.

        Items are those of the evaluation, and among the vetoes recognition below its threshold; ``schools`` is no item,
        but counts for the part's verdict.
        """
        rows = []
        for part in self.evaluation.parts:
            codes = [item.code for item in self.evaluation.items_of(part.id)]
            codes += [RECOGNITION_VETO] if part.id == VETO else []
            verdicts = [self.tree.find(code).verdict for code in codes]
            tally = [verdicts.count(verdict) for verdict in (MET, NOT_MET, UNDECIDED)]
            rows.append((part.id, label_of(part), part.decides, len(verdicts), *tally, self.tree.find(part.id).verdict))
        return pd.DataFrame(rows, columns=["part", "label", "decides", "items", MET, NOT_MET, UNDECIDED, "verdict"])

    def summary(self) -> str:
        """Indicators met, not met and undecided, the school rule, recognition, vetoes and the verdict in one sentence."""
        words, counts = verdict_words(), self.counts().set_index("part")
        own = counts.loc[list(INDICATORS), ["items", MET, NOT_MET, UNDECIDED]].sum()
        vetoes = [node.verdict for node in self.tree.find(VETO).children]
        parts = [
            say("{n} 项指标中 {met} 项达标、{not_met} 项未达标、{undecided} 项无法判定", n=own["items"], met=own[MET],
                not_met=own[NOT_MET], undecided=own[UNDECIDED]),
            say("每所学校达标：{verdict}", verdict=words[self.tree.find(SCHOOLS).verdict]),
            say("社会认可度：{verdict}", verdict=words[self.recognition.verdict]),
            say("一票否决 {n} 种情形（含社会认可度低于要求）中 {k} 种发生、{open} 种待确认", n=len(vetoes),
                k=vetoes.count(NOT_MET), open=vetoes.count(UNDECIDED)),
            say("总体{verdict}", verdict=words[self.verdict]),
        ]  # fmt: skip
        return say("{county} {year} 学年：{parts}。", county=self.county_name, year=self.school_year, parts=clauses(parts))

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Every item with its verdict, part by part."""
        return plot_verdicts(self.tidy(), ax=ax)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: who was judged by which evaluation, counts, tree, recognition, and what the tree rests on."""
        return {
            "county_code": self.county_code, "county_name": self.county_name, "school_year": self.school_year,
            "evaluation": self.evaluation.id, "verdict": self.verdict, "counts": plain_records(self.counts()),
            "tree": self.tree.to_dict(), "recognition": self.recognition.to_dict(), "reported": self.reported.to_dict(),
            "increases": self.increases.to_dict(), "readings": plain_records(self.readings),
            "schools": {code: found.to_dict() for code, found in self.school_evidence.items()},
        }  # fmt: skip


def evaluate_county(inputs: CountyInputs, evaluation: Evaluation, attainment: AttainmentResult) -> CountyEvaluation:
    """Judge a county by every indicator, prerequisite, veto and by its recognition.

    Parameters
    ----------
    inputs : CountyInputs
        Tables of the county; what is missing leaves undecided what rests on it.
    evaluation : Evaluation
        As in force in the school year.
    attainment : AttainmentResult
        Resources of this county and year under the standard of the same id, every stage.

    Returns
    -------
    CountyEvaluation
        A node is ``not_met`` if a deciding child is, ``met`` if all are, else ``undecided``; there are no scores to
        trade. An occurrence of one veto makes the county ``not_met``, and so does recognition below its threshold, which
        stands among the vetoes as ``V-R``. Spending is judged in the fiscal year in which the school year begins. Parts with ``decides = false`` are shown and decide nothing. An item with
        requirements and evidence needs both.

    Raises
    ------
    InputError
        The attainment is of another county, year or standard; the county has two rows of facts; a record of evidence
        has a code that neither the evaluation knows nor a plan can ask for (those begin with ``E-``). A record under the
        code of an item that no document decides is not looked at.
    """
    _check_attainment(inputs, evaluation, attainment)
    _check_codes(inputs.records(EVIDENCE), evaluation)
    facts = county_facts(inputs)
    population = known_number(facts, "resident_population") if facts is not None else None
    recognition = measure_recognition(inputs.table(SURVEY), population, evaluation, place=_place_of_people(facts))
    school_evidence = judge_school_items(inputs, evaluation)
    reported, increases = judge_reported(inputs, evaluation), check_increases(_finance(inputs), evaluation, year=inputs.school_year)
    resources = {node.code: node for node in resource_nodes(attainment, attainment.standard)}
    series = {node.code: node for node in increases.nodes()}
    evidence = inputs.records(EVIDENCE)
    judges: dict[str, Callable[[Item], Node]] = {
        "resources": lambda item: _indicator(item, resources[item.code], evaluation),
        "ratio": lambda item: judge_ratio_item(item, facts, evidence, evaluation),
        "mixed": lambda item: judge_ratio_item(item, facts, evidence, evaluation),
        "evidence": lambda item: evidence_node(item, evidence, evaluation),
        "schools": lambda item: school_evidence[item.code].node(),
        "reported": lambda item: reported.node(),
        "survey": lambda item: recognition.node,
        "series": lambda item: series[item.code],
    }
    beside = {
        "resources": [resources[SCHOOLS]] if SCHOOLS in resources else [],
        VETO: [_recognition_veto(recognition, evaluation)],
    }
    parts = [
        _part(part, [*beside.get(part.id, []), *(judges[item.kind](item) for item in evaluation.items_of(part.id))])
        for part in evaluation.parts
    ]
    tree = parent(ROOT, label_of(evaluation), parts)
    readings = compare_readings(tree, inputs, evaluation)
    return CountyEvaluation(
        inputs.county_code, inputs.county_name, inputs.school_year, evaluation, mark_readings(tree, readings),
        school_evidence, reported, recognition, increases, attainment, readings,
    )


def _part(part: Part, children: list[Node]) -> Node:
    return parent(part.id, label_of(part), children, decides=part.decides)


def _indicator(item: Item, found: Node, evaluation: Evaluation) -> Node:
    """A resource indicator under the name that the evaluation gives it."""
    return replace(found, label=label_of(item), **cited(item.citation, evaluation.sources))


def _recognition_veto(recognition: RecognitionResult, evaluation: Evaluation) -> Node:
    """``not_met`` where recognition is below its threshold: like every veto it says what must not have happened.

    The requirement cites the threshold; that falling below it is a veto is what the item itself cites.
    """
    decided = recognition.node.find("R_recognition")
    own = cited(evaluation.item("R").citation, evaluation.sources)
    return replace(decided, code=RECOGNITION_VETO, label=say("社会认可度低于要求"), elements=(), **own)


def _place_of_people(facts: Mapping[str, Any] | None) -> str:
    """Where the resident population stands in the files as received."""
    return place_of(facts or {}, load_table(FACTS), "resident_population")


def _finance(inputs: CountyInputs) -> pd.DataFrame | None:
    """Yearly finance up to the year in which the school year begins: what came later was not known to it."""
    table = inputs.table(FINANCE)
    return None if table is None else table[table["fiscal_year"].le(inputs.school_year)]


def _check_attainment(inputs: CountyInputs, evaluation: Evaluation, attainment: AttainmentResult) -> None:
    found = set(zip(attainment.keys["county_code"], attainment.keys["school_year"], strict=True))
    wanted = {(inputs.county_code, inputs.school_year)}
    if found != wanted or attainment.standard.id != evaluation.id:
        units = "；".join(f"{county} {year} 学年" for county, year in sorted(found))
        raise InputError(
            "资源配置判定与所评估的县、学年或标准不符", where=f"{inputs.county_code}，{inputs.school_year} 学年，{evaluation.id}",
            found=f"{units}，标准 {attainment.standard.id}", expected="同一个县、同一学年、同名标准", fix="按这个县、学年和标准重新判定资源配置",
        )


def _check_codes(evidence: Sequence[Record] | None, evaluation: Evaluation) -> None:
    """A record under a misspelt code would be overlooked: refused with the nearest code there is."""
    known = list(dict.fromkeys(code for item in evaluation.items for code in (item.code, *item.evidence)))
    for code in (row["item"] for row in evidence or ()):
        if not str(code).startswith(PLAN_EVIDENCE):
            check_choice(code, known, name="条目代码", where="佐证材料表")
