"""What the notebooks about the whole evaluation and about plans open: a study with the tables that belong beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from qbresearch.errors import InputError
from qbresearch.exhibits.blocks import OpeningBlock, RecordBlock
from qbresearch.exhibits.evaluation_tables import value_words
from qbresearch.exhibits.sentences import item_sentence, recognition_sentence
from qbresearch.exhibits.style import verdict_words
from qbresearch.language import clauses, label_of, listed, say, series
from qbresearch.processed.beside import BesideTable, load_beside
from qbresearch.processed.store import TableProvenance
from qbresearch.results.evaluation.county import CountyEvaluation, evaluate_county
from qbresearch.results.evaluation.inputs import CountyInputs
from qbresearch.results.evaluation.tree import Node, combine
from qbresearch.results.resources.attainment import AttainmentResult, assess
from qbresearch.results.resources.indicators import compute_indicators
from qbresearch.results.resources.parts import stage_parts
from qbresearch.rules.citations import status_words
from qbresearch.rules.columns import load_table
from qbresearch.rules.evaluations import Evaluation, has_evaluation, load_evaluation
from qbresearch.rules.overlays import Overlay, overlay
from qbresearch.rules.plans import PlanUse, load_plan
from qbresearch.rules.standards import Standard, school_year_start
from qbresearch.studies.study import Study

WHOLE = "whole"
"""Stands where records of one stage name the stage."""
YEARLY = ("county-facts", "school-facts", "class", "room", "survey", "evidence")
"""Tables of which the evaluation reads the rows of its own school year; of the others it reads what came before too."""


@dataclass(frozen=True)
class EvaluationStudy:
    """A county (or all counties of the data) with everything the whole evaluation reads.

    beside : the tables beside the schools, by table id, of all years. use : the plan looked at, or ``None``.
    """

    study: Study
    evaluation: Evaluation
    use: PlanUse | None
    beside: Mapping[str, BesideTable]
    _results: dict[tuple[str, int], CountyEvaluation] = field(default_factory=dict, repr=False)

    # --- words ---------------------------------------------------------------------------------------------------

    @property
    def place(self) -> str:
        """County and year in words."""
        return self.study.place

    @property
    def provenances(self) -> tuple[TableProvenance, ...]:
        """Of the tables read beside the schools."""
        return tuple(p for table in self.beside.values() for p in table.provenances)

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the tables that nobody has supplied for this county."""
        held = self.inputs().tables
        return tuple(label_of(load_table(table)) for table in (*YEARLY, "finance", "county-report") if table not in held)

    @property
    def source(self) -> str:
        """Line under tables and figures that rest on the schools and on the tables beside them."""
        words = dict.fromkeys(p.said("description") for p in (self.study.data.provenance, *self.provenances))
        return say("数据来源：{description}。", description=clauses(words))

    # --- results -------------------------------------------------------------------------------------------------

    @property
    def county_codes(self) -> tuple[str, ...]:
        """The county of the study, or all counties with schools in its year."""
        if self.study.county_code:
            return (self.study.county_code,)
        return tuple(sorted(self.study.schools["county_code"].astype(str).unique()))

    def inputs(self, county_code: str = "", school_year: int | None = None) -> CountyInputs:
        """What the evaluation of one county and year reads (by default those of the study)."""
        code = county_code or self.county_codes[0]
        year = self.study.school_year if school_year is None else school_year
        schools = self.study.data.for_years(year).frame
        tables, contracts = {}, {}
        for table, held in self.beside.items():
            rows = held.frame[held.frame["county_code"].eq(code)]
            if table in YEARLY:
                rows = rows[rows["school_year"].eq(year)]
            elif table == "county-report":
                rows = rows[rows["school_year"].le(year)]
            elif table == "finance":
                rows = rows[rows["fiscal_year"].le(year)]
            if len(rows):
                tables[table], contracts[table] = rows.reset_index(drop=True), held.contract
        names = self.study.data.county_names()
        return CountyInputs(
            code, names[code], year, schools[schools["county_code"].eq(code)], self.study.data.contract, tables, contracts
        )

    def result(self, county_code: str = "", school_year: int | None = None) -> CountyEvaluation:
        """The evaluation of one county and year (by default those of the study) under the national rules."""
        code = county_code or self.county_codes[0]
        year = self.study.school_year if school_year is None else school_year
        if (code, year) not in self._results:
            attained = self._attainment(self.study.standard, code, year)
            self._results[code, year] = evaluate_county(self.inputs(code, year), self.evaluation, attained)
        return self._results[code, year]

    @cached_property
    def results(self) -> dict[str, CountyEvaluation]:
        """Evaluations of all counties of the study in its year, by county code."""
        return {code: self.result(code) for code in self.county_codes}

    def _attainment(self, standard: Standard, code: str, year: int) -> AttainmentResult:
        if standard is self.study.standard:
            table = self.study.indicators
        else:
            table = compute_indicators(stage_parts(self.study.data.frame, standard, self.study.data.contract), standard)
        rows = table.keys["county_code"].eq(code) & table.keys["school_year"].eq(year)
        return assess(table.select(rows.to_numpy()))

    # --- plans ---------------------------------------------------------------------------------------------------

    @property
    def plan(self) -> PlanUse:
        """The plan looked at; :class:`InputError` where the study has none."""
        if self.use is None:
            raise InputError(
                "没有指明规划", where="参数 plan_id", found="空", expected="一个规划的名称（qbresearch show plans 列出全部）",
                fix='例：plan_id = "demo-template"',
            )
        return self.use

    @cached_property
    def overlay(self) -> Overlay:
        """The national rules with what the plan changes, and the changes."""
        return overlay(self.evaluation, self.study.standard, self.plan)

    @cached_property
    def by_plan(self) -> CountyEvaluation:
        """The evaluation of the county under what the plan sets."""
        return self.result_by_plan(self.county_codes[0])

    def result_by_plan(self, county_code: str) -> CountyEvaluation:
        """The evaluation of one county in the study's year under what the plan sets."""
        attained = self._attainment(self.overlay.standard, county_code, self.study.school_year)
        return evaluate_county(self.inputs(county_code), self.overlay.evaluation, attained)

    # --- exhibits ------------------------------------------------------------------------------------------------

    def tree(self) -> pd.DataFrame:
        """Every node of the tree from the top down (``Node.tidy`` with ``short`` labels).

        The only condition of an item does not stand below it a second time: the item has its number.

        With a plan also ``plan_limit`` and ``plan_verdict``: what the plan asks for, where it differs.
        """
        national = _without_only_children(self.result().tidy())
        if self.use is None:
            return national
        planned = self.by_plan.tidy().set_index("code")
        limits, verdicts = (national["code"].map(planned[name]) for name in ("limit", "verdict"))
        differs = limits.notna() & limits.ne(national["limit"])
        return national.assign(plan_limit=limits.where(differs), plan_verdict=verdicts)

    def branch(self, *codes: str) -> pd.DataFrame:
        """Rows of the tree below (and with) nodes of these codes, each node once."""
        nodes = [node.code for code in codes for _, _, node in self.result().tree.find(code).walk()]
        tree = self.tree()
        return tree[tree["code"].isin(nodes)].reset_index(drop=True)

    def verdict(self, code: str) -> str:
        """The verdict of one node."""
        return self.result().tree.find(code).verdict

    def school_items(self) -> pd.DataFrame:
        """Every school with every condition that is judged school by school: ``item, school, school_code, label,
        detail, value, limit, comparison, margin, unit, percent, verdict, reason``; only conditions that decide."""
        found = [evidence.tidy() for evidence in self.result().school_evidence.values()]
        rows = pd.concat(found, ignore_index=True)
        return rows[rows["decides"].astype(bool)].assign(school=lambda d: d["school_name"]).reset_index(drop=True)

    def school_grid(self) -> pd.DataFrame:
        """One row a school and item judged school by school, for ``plot_school_evidence``."""
        rows, shorts = self.school_items(), {item.code: label_of(item, "short") for item in self.evaluation.items}
        grid = rows.groupby(["school_code", "school", "item"], sort=False)["verdict"].agg(combine).reset_index()
        twice = grid.groupby("school")["school_code"].transform("nunique").gt(1)
        ends = [say("{school}（{code}）", school=r.school, code=r.school_code[-4:]) for r in grid.itertuples()]
        return grid.assign(
            school=grid["school"].mask(twice, pd.Series(ends, index=grid.index, dtype=object)),
            label=[f"{code} {shorts[code]}" for code in grid["item"]],
        )

    def reported(self) -> pd.DataFrame:
        """Results of the national quality monitoring, subject by subject."""
        return self.result().reported.subjects_table()

    def recognition(self) -> pd.DataFrame:
        """The survey by mode and group of respondents."""
        return self.result().recognition.tidy()

    def recognition_groups(self) -> pd.DataFrame:
        """Questionnaires by group and for all, for ``plot_recognition`` and ``recognition_sentence``."""
        rows = self.recognition()
        found = self.result().recognition
        rows = rows[rows["mode"].eq("questionnaire")].reset_index(drop=True)
        return rows.assign(threshold=found.limit, verdict=[found.verdict if not group else "" for group in rows["group"]])

    def recognition_words(self) -> str:
        """What the survey says, in a sentence or two."""
        found = self.result().recognition
        return recognition_sentence(
            self.recognition_groups(), place=self.place, verdict=found.verdict, limit=found.limit, needed=found.needed
        )

    def increases(self) -> pd.DataFrame:
        """The finance series year by year."""
        return self.result().increases.tidy()

    def options(self) -> pd.DataFrame:
        """Readings on which documents disagree: ``item, label, chosen`` (a mark), ``choice, status, source``."""
        words = status_words()
        rows = [
            (option.item, label_of(option), say("采用") if choice.id == option.chosen else "", label_of(choice),
             words[choice.citation.status], label_of(self.evaluation.sources[choice.citation.source], "title"))
            for option in self.evaluation.options.values() for choice in option.choices.values()
        ]
        return pd.DataFrame(rows, columns=["item", "label", "chosen", "choice", "status", "source"])

    def why(self, code: str) -> tuple[str, ...]:
        """Everything behind one entry of the tree, line by line: value, limit, margin, elements, formula, clause, source,
        what stands below it, the schools that miss it, and what the plan asks for.

        Raises
        ------
        InputError
            No such entry; the choices are listed.
        """
        result = self.result()
        lines: list[str] = []
        for depth, _, node in result.tree.find(code).walk():
            indent = "  " * depth
            lines.append(indent + item_sentence(node.to_dict()))
            lines += [f"{indent}  {line}" for line in _grounds(node)]
        rows = self.school_items()
        failing = rows[rows["item"].eq(code) & rows["verdict"].isin(["not_met", "undecided"])]
        words = verdict_words()
        lines += [
            "  " + say("{school}：{what}，{verdict}（{reason}）", school=r.school, what=clauses(filter(None, (r.label, r.detail))),
                       verdict=words[r.verdict], reason=r.reason or value_words(r.value, r.unit, r.percent))
            for r in failing.itertuples()
        ]  # fmt: skip
        if self.use is not None:
            lines.append(say("按规划“{plan}”：", plan=label_of(self.use.plan)))
            lines += ["  " * (depth + 1) + item_sentence(n.to_dict()) for depth, _, n in self.by_plan.tree.find(code).walk()]
        return tuple(lines)

    def cautions(self) -> tuple[str, ...]:
        """What a reader must know before the verdicts."""
        unverified = (*self.study.standard.unverified(), *self.evaluation.unverified())
        return (
            say("判定由规则文件与所给数据得出，供研究与自查使用，不代替国家督导评估的认定。"),
            say("“无法判定”指缺少数据或佐证，补上后结论可能改变；它不等于未达标。"),
            *(say("{sentence}；凡据此作出的结论均待核实。", sentence=sentence) for sentence in unverified),
            *([say("没有收到这些表，有关条目无法判定：{tables}。", tables=listed(self.missing))] if self.missing else []),
            *(self._plan_cautions(self.use) if self.use is not None else ()),
        )

    def opening(self, title: str) -> OpeningBlock:
        """First block: data, rules, plan, and what a reader must know."""
        parameters = {"plan_id": self.use.id if self.use else ""}
        return self.study.opening(title, beside=self.provenances, parameters=parameters, cautions=self.cautions())

    def _plan_cautions(self, use: PlanUse) -> Iterable[str]:
        yield say(
            "规划：{plan}（{document}）。规划的目标与国家标准并列给出，不代替国家标准的判定。",
            plan=label_of(use.plan), document=use.plan.document,
        )
        if use.simulated and not use.plan.simulated:
            yield say(
                "{place}的规划在这里套用于模拟数据：所列学校、县（区）与数值均为模拟，与{place}的实际情况无关。", place=use.plan.place
            )

    def record(self) -> RecordBlock:
        """What the index of reports lists about the whole evaluation of this county."""
        values: dict[str, Any] = {
            "county_name": self.study.county_name,
            "school_year": self.study.school_year,
            "stage": WHOLE,
            "stage_label": say("全部条款"),
            "standard_label": label_of(self.evaluation),
            "verdict": self.result().verdict,
        }
        return RecordBlock(id="county", values=values)


def _without_only_children(tree: pd.DataFrame) -> pd.DataFrame:
    alone = tree.groupby("parent")["code"].transform("size").eq(1) & tree["depth"].gt(2)
    return tree[~alone].reset_index(drop=True)


def _grounds(node: Node) -> Iterable[str]:
    """Formula, elements and citation of one node."""
    if node.formula:
        yield say("算式：{formula}", formula=node.formula)
    if node.elements:
        yield say("要素：{elements}", elements=series(
            say("{label} {value}", label=e.label, value=value_words(e.value, e.unit, False)) + (f"（{e.place}）" if e.place else "")
            for e in node.elements
        ))  # fmt: skip
    if node.quote:
        yield say(
            "依据：{clause}“{quote}”（{source}；{status}）", clause=node.clause, quote=node.quote, source=node.source,
            status=status_words().get(node.status, node.status),
        )


def open_evaluation(study: Study, *, plan_id: str = "") -> EvaluationStudy:
    """Open what the whole evaluation of a study's county reads, and a plan.

    Parameters
    ----------
    study : Study
        All stages; one county, or all counties of the source.
    plan_id : str
        A plan or a use of one (``qbresearch show plans``); empty for none.

    Raises
    ------
    InputError
        The study's standard belongs to no evaluation, the plan is unknown or builds on another evaluation, or a table
        beside the schools must be built again.
    """
    if not has_evaluation(study.standard.id):
        raise InputError(
            "这个标准只有资源配置部分", where=f"标准 {study.standard.id}", found="没有配套的督导评估条目",
            expected="有全部条目的标准，如 national-2017", fix="换用 national-2017；只看资源配置请用 25-resource-attainment",
        )
    evaluation = load_evaluation(study.standard.id, on=school_year_start(study.school_year))
    use = load_plan(plan_id, study.project.plans) if plan_id else None
    if use is not None and use.plan.evaluation != evaluation.id:
        raise InputError(
            "规划与标准不配套", where=f"规划 {plan_id}", found=f"规划建立在 {use.plan.evaluation} 上，参数 standard_id 是 {evaluation.id}",
            expected=use.plan.evaluation, fix="改 standard_id 或 plan_id",
        )
    beside = load_beside(study.project, study.source_id, county_code=study.county_code or None)
    return EvaluationStudy(study, evaluation, use, beside)
