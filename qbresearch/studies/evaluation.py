"""What the notebooks about the whole evaluation and about plans open: a study with the tables that belong beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pandas as pd

from qbresearch.errors import InputError
from qbresearch.exhibits.blocks import OpeningBlock, RecordBlock
from qbresearch.exhibits.evaluation_tables import status_legend
from qbresearch.exhibits.sentences import recognition_sentence
from qbresearch.language import clauses, label_of, listed, say
from qbresearch.processed.beside import BesideTable, load_beside
from qbresearch.processed.store import TableProvenance
from qbresearch.results.evaluation.county import CountyEvaluation, evaluate_county
from qbresearch.results.evaluation.inputs import CountyInputs
from qbresearch.results.evaluation.roster import school_roster
from qbresearch.results.evaluation.tree import combine
from qbresearch.results.resources.attainment import AttainmentResult, assess
from qbresearch.results.resources.indicators import IndicatorTable, compute_indicators
from qbresearch.results.resources.parts import stage_parts
from qbresearch.rules.citations import status_words
from qbresearch.rules.columns import load_table
from qbresearch.rules.evaluations import Evaluation, has_evaluation, load_evaluation
from qbresearch.rules.overlays import Overlay, overlay
from qbresearch.rules.plans import Month, PlanUse, load_plan
from qbresearch.rules.standards import Standard, school_year_start
from qbresearch.studies.reasons import entry_lines
from qbresearch.studies.study import Study

MONITORING = "Q9"
"""The item whose note every reader must know: no official text defines its values."""
LAST_MONTH = 12
WHOLE = "whole"
"""Stands where records of one stage name the stage."""
MOST_SOURCES = 4
"""How many sources a line under an exhibit names."""
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
    _inputs: dict[tuple[str, int], CountyInputs] = field(default_factory=dict, repr=False)
    _results: dict[tuple[str, int], CountyEvaluation] = field(default_factory=dict, repr=False)
    _planned: dict[str, CountyEvaluation] = field(default_factory=dict, repr=False)

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
        """Names of the tables that nobody has supplied for the county, or for one of the counties."""
        held = [self.inputs(code).tables for code in self.county_codes]
        wanted = (*YEARLY, "finance", "county-report")
        return tuple(label_of(load_table(table)) for table in wanted if not all(table in tables for tables in held))

    @property
    def source(self) -> str:
        """Line under tables and figures that rest on the schools and on all the tables beside them."""
        return self.source_of(*self.beside)

    def source_of(self, *tables: str) -> str:
        """Line under tables and figures that rest on the schools and on these tables beside them.

        Of more than four sources it says where they are listed.
        """
        read = [p for table in tables if table in self.beside for p in self.beside[table].provenances]
        found = (self.study.data.provenance, *read)
        words = dict.fromkeys(p.said("description") for p in found)
        if len(words) <= MOST_SOURCES:
            return say("数据来源：{description}。", description=clauses(words))
        if any(p.simulated for p in found):
            return say("数据来源：见附录“数据来源与规则”（模拟数据）。")
        return say("数据来源：见附录“数据来源与规则”。")

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
        if (code, year) not in self._inputs:
            self._inputs[code, year] = self._read(code, year)
        return self._inputs[code, year]

    def _read(self, code: str, year: int) -> CountyInputs:
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
        return CountyInputs(
            code, self.study.county_names[code], year, schools[schools["county_code"].eq(code)],
            self.study.data.contract, tables, contracts,
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
        table = self.study.indicators if standard is self.study.standard else self._planned_indicators
        rows = table.keys["county_code"].eq(code) & table.keys["school_year"].eq(year)
        return assess(table.select(rows.to_numpy()))

    @cached_property
    def _planned_indicators(self) -> IndicatorTable:
        """Indicators of all years under the standard as the plan has it."""
        standard = self.overlay.standard
        return compute_indicators(stage_parts(self.study.data.frame, standard, self.study.data.contract), standard)

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

    def require_plan(self) -> PlanUse:
        """The plan looked at, if its targets may be set beside these data.

        Raises
        ------
        InputError
            The study has no plan, or a plan of a real place that is not applied to these simulated data explicitly.
        """
        use = self.plan
        if self._borrows_a_real_plan and not use.simulated:
            raise InputError(
                "真实地方的规划不能直接用在模拟数据上", where=f"规划 {use.id}", found=f"{use.plan.place}的规划，{self.study.source_id} 是模拟数据",
                expected="一份写明对应关系、标明模拟的用法，如 demo-template", fix="在 notebooks/plans 中写一份用法（plan = …，simulated = true）",
            )
        return use

    @property
    def _borrows_a_real_plan(self) -> bool:
        return self.study.data.provenance.simulated and not self.plan.plan.simulated

    @cached_property
    def overlay(self) -> Overlay:
        """The national rules with what the plan changes by the end of the school year's autumn, and the changes."""
        return overlay(self.evaluation, self.study.standard, self.require_plan(), on=Month(self.study.school_year, LAST_MONTH))

    @cached_property
    def by_plan(self) -> CountyEvaluation:
        """The evaluation of the county under what the plan sets."""
        return self.result_by_plan(self.county_codes[0])

    def result_by_plan(self, county_code: str) -> CountyEvaluation:
        """The evaluation of one county in the study's year under what the plan sets."""
        if county_code not in self._planned:
            attained = self._attainment(self.overlay.standard, county_code, self.study.school_year)
            self._planned[county_code] = evaluate_county(self.inputs(county_code), self.overlay.evaluation, attained)
        return self._planned[county_code]

    # --- exhibits ------------------------------------------------------------------------------------------------

    @cached_property
    def _tree(self) -> pd.DataFrame:
        tree = self.result().tidy()
        return _without_only_children(tree.assign(full=_by_themselves(tree)))

    def tree(self) -> pd.DataFrame:
        """Every node of the tree from the top down (``CountyEvaluation.tidy``), with ``full``: its label by itself.

        The only condition of an item does not stand below it a second time: the item has its number.
        """
        return self._tree.copy()

    def branch(self, *codes: str) -> pd.DataFrame:
        """Rows of the tree below (and with) nodes of these codes, each node once."""
        nodes = [node.code for code in codes for _, _, node in self.result().tree.find(code).walk()]
        return self._tree[self._tree["code"].isin(nodes)].reset_index(drop=True)

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

    def resources(self) -> pd.DataFrame:
        """Indicators of resources by stage, for ``resources_table``: mean, threshold, schools that reach it, spread."""
        found = self.result().attainment
        schools = found.tidy().groupby(["stage", "indicator"], sort=False)
        counts = schools.agg(schools=("verdict", "size"), reached=("verdict", lambda v: int(v.eq("met").sum())),
                             threshold=("threshold", "first")).reset_index()  # fmt: skip
        spread = found.dispersion_table()[["stage", "indicator", "mean", "cv", "cap", "verdict"]]
        standard = found.standard
        return counts.merge(spread, on=["stage", "indicator"]).assign(
            stage_label=lambda d: [label_of(standard.stage(s)) for s in d["stage"]],
            label=lambda d: [f"{code} {label_of(standard.indicator(code), 'short')}" for code in d["indicator"]],
        )

    def scope(self) -> pd.DataFrame:
        """Schools by type and how many each item judged school by school looks at, for ``scope_table``."""
        return self._scope.copy()

    @cached_property
    def _scope(self) -> pd.DataFrame:
        inputs = self.inputs()
        roster, types = school_roster(inputs), inputs.contract.choice_labels("school_type")
        homes = {site.code: site.home for site in roster.sites.values()}
        kinds = pd.Series({school.code: school.kind for school in roster.schools}, dtype=object)
        judged = {
            item: {homes[one["school_code"]] for one in found.lines if one["requirement"] not in found.informative}
            for item, found in self.result().school_evidence.items()
        }
        rows = []
        for kind in (*(k for k in types if kinds.eq(k).any()), ""):
            codes = set(kinds.index[kinds.eq(kind)] if kind else kinds.index)
            campuses = sum(site.is_campus and site.home in codes for site in roster.sites.values())
            rows.append((types[kind] if kind else say("合计"), len(codes), campuses, *(len(codes & found) for found in judged.values())))
        return pd.DataFrame(rows, columns=["label", "schools", "sites", *judged])

    def scope_notes(self) -> tuple[str, ...]:
        """Why items judged school by school look at different schools, a note an item."""
        usual = say("不含教学点、特殊教育学校、职业学校，以及没有义务教育学生的学校")
        every = say("含教学点和特殊教育学校；不含职业学校，以及没有义务教育学生的学校")
        who = {
            "G3": usual, "G4": usual, "G5": say("逐班核对，含教学点；不含特殊教育学校和职业学校"),
            "G6": say("只核对不足 100 名学生的村小学和教学点，以及可能属于其中而缺数据的学校"), "Q3": every, "Q4": every, "Q6": every,
        }  # fmt: skip
        found = self.result().school_evidence
        return tuple(
            say("{item}：核对 {n} 所；{why}。", item=item, n=int(self._scope[item].iloc[-1]), why=who[item]) for item in found
        )

    @property
    def legend(self) -> str:
        """Note under tables of verdicts: what their columns mean."""
        return status_legend()

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
            self.recognition_groups(), place=self.place, verdict=found.verdict, limit=found.limit, needed=found.needed,
            parents=found.parents_share, parents_limit=self.evaluation.requirement("R_parents").limit,
        )

    def increases(self) -> pd.DataFrame:
        """The finance series year by year."""
        return self.result().increases.tidy()

    def options(self) -> pd.DataFrame:
        """Readings on which documents disagree: ``item, label, chosen`` (a mark), ``choice``, ``verdict`` (of the item
        under the choice), ``decisive`` (whether the choices differ in it), ``status, source``."""
        words, readings = status_words(), self.result().readings.set_index(["option", "choice"])
        rows = [
            (option.item, label_of(option), say("采用") if choice.id == option.chosen else "", label_of(choice),
             *readings.loc[(option.id, choice.id), ["verdict", "decisive"]],
             words[choice.citation.status], label_of(self.evaluation.sources[choice.citation.source], "title"))
            for option in self.evaluation.options.values() for choice in option.choices.values()
        ]
        return pd.DataFrame(rows, columns=["item", "label", "chosen", "choice", "verdict", "decisive", "status", "source"])

    def why(self, code: str) -> tuple[str, ...]:
        """Everything behind one entry of the tree, line by line; see :func:`qbresearch.studies.reasons.entry_lines`.

        Raises
        ------
        InputError
            No such entry; the choices are listed.
        """
        lines = entry_lines(self.result(), code, self.school_items())
        if self.use is None:
            return lines
        planned = [line for line in entry_lines(self.by_plan, code, None)]
        return (*lines, say("按规划“{plan}”：", plan=label_of(self.use.plan)), *("  " + line for line in planned))

    def cautions(self) -> tuple[str, ...]:
        """What a reader must know before the verdicts."""
        unverified = (*self.study.standard.unverified(), *self.evaluation.unverified())
        return (
            say("判定由规则文件与所给数据得出，供研究与自查使用，不代替国家督导评估的认定。"),
            say("“无法判定”指缺少数据或佐证，补上后结论可能改变；它不等于未达标。"),
            *(say("{sentence}；凡据此作出的结论均待核实。", sentence=sentence) for sentence in unverified),
            *self._reading_cautions(),
            *([say("{code}：{note}", code=MONITORING, note=self.evaluation.item(MONITORING).citation.said("note"))]
              if MONITORING in {item.code for item in self.evaluation.items} else []),
            *([say("没有收到这些表，有关条目无法判定：{tables}。", tables=listed(self.missing))] if self.missing else []),
            *(self._plan_cautions(self.use) if self.use is not None else ()),
        )

    def _reading_cautions(self) -> Iterable[str]:
        """Items whose verdict rests on the reading chosen; over several counties, in how many."""
        for option in self.evaluation.options.values():
            found = {code: result.readings for code, result in self.results.items()}
            rests = [code for code, rows in found.items() if rows.loc[rows["option"].eq(option.id), "decisive"].any()]
            if not rests:
                continue
            what = say("{code} {label}", code=option.item, label=label_of(option))
            if len(found) > 1:
                yield say("{n} 个县的结论取决于口径：{what}，采用{choice}。", n=len(rests), what=what, choice=label_of(option.choice))
            else:
                yield say("结论取决于口径：{what}，采用{choice}；各种写法下的判定见“有分歧的口径”。", what=what, choice=label_of(option.choice))

    def opening(self, title: str) -> OpeningBlock:
        """First block: data, rules, plan, and what a reader must know."""
        parameters = {"plan_id": self.use.id if self.use else ""}
        opening = self.study.opening(title, beside=self.provenances, parameters=parameters, cautions=self.cautions())
        return opening if self.use is None else replace(opening, facts=(*opening.facts, (say("所用规划"), label_of(self.use))))

    def _plan_cautions(self, use: PlanUse) -> Iterable[str]:
        yield say(
            "规划：{plan}（{document}）。规划的目标与国家标准并列给出，不代替国家标准的判定。",
            plan=label_of(use.plan), document=use.plan.document,
        )
        for option_id, choice_id in use.options.items():
            option = self.evaluation.option(option_id)
            yield say(
                "规划选定的口径：{item} {option}取“{choice}”，国家要求一栏也按此判定。", item=option.item, option=label_of(option),
                choice=label_of(option.choices[choice_id]),
            )
        if self._borrows_a_real_plan:
            yield say(
                "{place}的规划在这里套用于模拟数据：所列学校、县（区）与数值均为模拟，与{place}的实际情况无关。", place=use.plan.place
            )

    def record(self) -> RecordBlock:
        """What the index of reports lists about the whole evaluation of this county, with its entries by verdict."""
        counts = self.result().counts()
        found = counts.loc[counts["decides"].astype(bool), ["items", "met", "not_met", "undecided"]].sum()
        values: dict[str, Any] = {
            "county_name": self.study.county_name,
            "school_year": self.study.school_year,
            "stage": WHOLE,
            "stage_label": say("全部条款"),
            "standard_label": label_of(self.evaluation),
            "verdict": self.result().verdict,
            "entries": int(found["items"]),
            **{f"entries_{verdict}": int(found[verdict]) for verdict in ("met", "not_met", "undecided")},
        }
        return RecordBlock(id="county", values=values)


def _check_place(study: Study, use: PlanUse) -> None:
    """Refuse a plan that is another county's or made for other data."""
    if use.source_id and use.source_id != study.source_id:
        raise InputError(
            "规划用于另一份数据", where=f"规划 {use.id}", found=f"规划对应 {use.source_id}，参数 source_id 是 {study.source_id}",
            expected=use.source_id, fix="改 source_id 或 plan_id",
        )
    wanted = {use.county_code} if use.county_code else set(use.county_codes.values())
    if study.county_code and wanted and study.county_code not in wanted:
        raise InputError(
            "规划用于另一个县", where=f"规划 {use.id}", found=f"参数 county_code 是 {study.county_code}", expected="、".join(sorted(wanted)),
            fix="改 county_code 或 plan_id",
        )


def _without_only_children(tree: pd.DataFrame) -> pd.DataFrame:
    """The tree without the conditions whose item has their number; stages stay, for their items have none."""
    deciding = tree["decides"].astype(bool) & tree["depth"].gt(2) & ~tree["code"].str.contains(":", regex=False)
    counted = tree["decides"].astype(bool).groupby(tree["parent"]).transform("sum")
    return tree[~(deciding & counted.eq(1))].reset_index(drop=True)


def _by_themselves(tree: pd.DataFrame) -> pd.Series:
    """Labels of rows that say little without the one above them: stages."""
    above = tree["parent"].map(tree.set_index("code")["label"])
    stages = tree["code"].str.fullmatch(r"[^:]+:(?:primary|junior)")
    told = [say("{word}（{detail}）", word=one, detail=label) for one, label in zip(above, tree["label"], strict=True)]
    return pd.Series(told, tree.index).where(stages, tree["label"])


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
    if use is not None and use.options:
        evaluation = evaluation.choose(dict(use.options))
    if use is not None:
        _check_place(study, use)
    beside = load_beside(study.project, study.source_id, county_code=study.county_code or None)
    return EvaluationStudy(study, evaluation, use, beside)
