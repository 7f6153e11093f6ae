"""What the notebooks about plans open: a plan followed in one county, in a prefecture, or as the form of a report.

Where a plan of a real place is applied to simulated data, every row carries the name in the data; the name in the plan
stands beside it and never alone beside a result.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from qbresearch.errors import InputError, check_choice
from qbresearch.exhibits.blocks import OpeningBlock, RecordBlock
from qbresearch.exhibits.sentences import part_sentence
from qbresearch.language import label_of, listed, say
from qbresearch.results.evaluation.tree import combine
from qbresearch.results.plans.check import check_plan
from qbresearch.results.plans.findings import month_words
from qbresearch.results.plans.lists import ThreeLists, roll_up, three_lists
from qbresearch.results.plans.prefecture import (
    PrefectureResult,
    summarize_prefecture,
)
from qbresearch.results.plans.problems import ProblemList, list_problems, recommend
from qbresearch.results.plans.progress import (
    ProgressResult,
    measure_progress,
    school_verdicts,
)
from qbresearch.results.plans.stages import (
    StageResult,
    judge_stages,
    judge_starting_grades,
    place_stages,
)
from qbresearch.results.plans.targets import judge_targets
from qbresearch.rules.plans import Month, PlanUse
from qbresearch.rules.standards import latest_standard, list_standards
from qbresearch.studies.evaluation import EvaluationStudy
from qbresearch.studies.study import Study

LAST_MONTH = 12


@dataclass(frozen=True)
class PlanStudy:
    """A plan beside the evaluation of one county, as of the school year of the study."""

    evaluation: EvaluationStudy

    @property
    def study(self) -> Study:
        """The schools of the county."""
        return self.evaluation.study

    @property
    def use(self) -> PlanUse:
        """The plan."""
        return self.evaluation.plan

    @property
    def plan_label(self) -> str:
        """How the plan is called."""
        return label_of(self.use.plan)

    @property
    def plan_source(self) -> str:
        """Line under tables that show the plan alone."""
        return say("资料来源：{document}。", document=self.use.plan.document)

    @property
    def source(self) -> str:
        """Line under tables that set data beside the plan."""
        return self.evaluation.source

    def opening(self, title: str) -> OpeningBlock:
        """First block; see :meth:`EvaluationStudy.opening`."""
        return self.evaluation.opening(title)

    # --- the plan alone --------------------------------------------------------------------------------------------

    def checks(self) -> pd.DataFrame:
        """What stands in the plan against itself and against the standard; see :func:`check_plan`."""
        others = [latest_standard(s) for s in list_standards() if s != self.study.standard.id]
        same_table = [s for s in others if s.table == self.study.standard.table]
        return check_plan(self.use, self.evaluation.evaluation, self.study.standard, others=same_table).tidy()

    def commitments(self) -> pd.DataFrame:
        """What the plan promises beyond the evaluation: ``label, value, due, clause, quote``."""
        rows = [
            (label_of(c), " ".join(filter(None, (c.value, label_of(c, "unit")))) or self._filled(c.field),
             month_words(c.due) if c.due else "", c.citation.said("clause"), c.citation.said("quote"))
            for c in self.use.plan.commitments
        ]
        return pd.DataFrame(rows, columns=["label", "value", "due", "clause", "quote"])

    def _filled(self, field: str) -> str:
        return str(self.use.fills.get(field, say("未填"))) if field else ""

    def facts(self) -> pd.DataFrame:
        """Number, dates and the like of the document: ``value, clause, quote``."""
        plan = self.use.plan
        rows = [
            (plan.document, say("文件名"), ""), (plan.place, say("地方"), ""),
            *((fact.value, fact.citation.said("clause"), fact.citation.said("quote")) for fact in plan.facts.values()),
        ]
        return pd.DataFrame(rows, columns=["value", "clause", "quote"])

    def phases(self) -> pd.DataFrame:
        """Phases, dated commitments, the county's projects and the target, for ``plot_phases``."""
        plan, group = self.use.plan, [say("阶段"), say("期限"), say("项目"), say("目标")]
        rows = [(label_of(p), group[0], _month(p.start), _month(p.end), "", "") for p in plan.phases]
        rows += [(label_of(c), group[1], _month(c.start), _month(c.due), "", "") for c in plan.commitments if c.due]
        rows += [
            (p.project, group[2], p.start or "", p.deadline or "", p.state, p.finished or "")
            for p in self.three_lists.projects.itertuples()
        ]
        rows += [(say("达到规划目标"), group[3], "", _month(plan.target), "", "")] if plan.target else []
        return pd.DataFrame(rows, columns=["label", "group", "start", "end", "state", "finished"])

    # --- the plan beside the data ----------------------------------------------------------------------------------

    def targets(self) -> pd.DataFrame:
        """Every target beside the national verdict, for ``beside_table``."""
        national, planned = self.evaluation.result(), self.evaluation.by_plan
        return judge_targets(
            self.evaluation.overlay, national.tree, planned.tree, national_schools=national.attainment,
            plan_schools=planned.attainment, label=self.plan_label,
        ).beside()  # fmt: skip

    @cached_property
    def progress(self) -> ProgressResult:
        """The timetable of schools against what they have reached."""
        by_year = school_verdicts(self.study.attainment_by_year)
        return measure_progress(self.use, by_year[by_year["school_year"] <= self.study.school_year], as_of=self.study.school_year)

    def schools(self) -> pd.DataFrame:
        """Schools of the timetable: columns of :class:`ProgressResult`, ``school`` the name in the data and
        ``planned_school`` the one in the plan; no row where the plan has no timetable."""
        if not self.use.plan.schools:
            return pd.DataFrame()
        frame, known = self.progress.tidy(), self.study.schools
        names = dict(zip(known["school_code"].astype(str), known["school_name"], strict=True))
        in_data = frame["school_code"].map(names)
        return frame.assign(planned_school=frame["school"], school=in_data.fillna(frame["school"]))

    def years(self) -> pd.DataFrame:
        """Planned and reached schools by year, for ``plot_progress``."""
        return self.progress.years

    def conditions(self) -> pd.DataFrame:
        """Conditions of the plan's stages in this county; no row where the plan has no stages."""
        if not self.use.plan.stages:
            return pd.DataFrame()
        found = judged_stages(self.evaluation, [self.study.county_code]).tidy()
        return _named(found[found["county_code"].eq(self.study.county_code)].reset_index(drop=True), self.study)

    @cached_property
    def problem_list(self) -> ProblemList:
        """What is not met, with measures, departments and dates."""
        return list_problems(self.evaluation.by_plan.tree, self.use)

    def problems(self) -> pd.DataFrame:
        """One row a problem and measure."""
        return self.problem_list.tidy()

    @cached_property
    def three_lists(self) -> ThreeLists:
        """Tasks, projects and deadlines."""
        return county_lists(self.evaluation, self.study.county_code, self.problem_list)

    def lists(self) -> pd.DataFrame:
        """Tasks and projects of the county by date."""
        return self.three_lists.tidy()

    def record(self) -> RecordBlock:
        """What the index of reports lists: the national verdict, which no plan takes the place of."""
        return self.evaluation.record()


@dataclass(frozen=True)
class PrefectureStudy:
    """A prefecture's plan in all its counties, as of the school year of the study."""

    evaluation: EvaluationStudy

    @property
    def study(self) -> Study:
        """The schools of all counties."""
        return self.evaluation.study

    @property
    def plan_source(self) -> str:
        """Line under tables that show the plan alone."""
        return say("资料来源：{document}。", document=self.evaluation.plan.plan.document)

    @property
    def source(self) -> str:
        """Line under tables that set data beside the plan."""
        return self.evaluation.source

    def opening(self, title: str) -> OpeningBlock:
        """First block; see :meth:`EvaluationStudy.opening`."""
        return self.evaluation.opening(title)

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """Codes of the plan's counties in the data."""
        held = set(self.evaluation.county_codes)
        return tuple(c.code for c in self.evaluation.plan.plan.counties if c.code in held)

    @cached_property
    def stages(self) -> StageResult:
        """Conditions of the stages in all counties."""
        return judged_stages(self.evaluation, self.codes)

    @cached_property
    def summary(self) -> PrefectureResult:
        """One row a county."""
        trees = {code: self.evaluation.result(code).tree for code in self.codes}
        planned = {code: self.evaluation.result_by_plan(code).tree for code in self.codes}
        return summarize_prefecture(self.evaluation.plan, self.stages, trees, planned)

    def counties(self) -> pd.DataFrame:
        """The rows of :class:`PrefectureResult` under the names in the data."""
        return _named(self.summary.tidy(), self.study)

    def board(self) -> pd.DataFrame:
        """County x indicator verdicts under the names in the data, for ``plot_prefecture_board``."""
        names = self.study.data.county_names()
        known = {county.name: names[county.code] for county in self.evaluation.plan.plan.counties if county.code in names}
        return self.summary.items.assign(county=lambda d: d["county"].map(known).fillna(d["county"]))

    def calendar(self) -> pd.DataFrame:
        """Stages of every county on the years, for ``plot_calendar``."""
        return _named(self.stages.calendar.tidy(), self.study)

    def conditions(self) -> pd.DataFrame:
        """Conditions of all stages in all counties."""
        return _named(self.stages.tidy(), self.study)

    def lists(self) -> pd.DataFrame:
        """Tasks and projects of all counties by date."""
        found = {}
        for code in self.codes:
            problems = list_problems(self.evaluation.result_by_plan(code).tree, self.evaluation.plan)
            found[code] = county_lists(self.evaluation, code, problems)
        return roll_up(found).deadlines

    def checks(self) -> pd.DataFrame:
        """What stands in the plan against itself and against the standard."""
        return PlanStudy(self.evaluation).checks()

    @property
    def plan_label(self) -> str:
        """How the plan is called."""
        return label_of(self.evaluation.plan.plan)


@dataclass(frozen=True)
class ReportStudy:
    """A county's evaluation in the form of a published research report: the sections of the plan say what they hold."""

    evaluation: EvaluationStudy

    @property
    def study(self) -> Study:
        """The schools of the county."""
        return self.evaluation.study

    def opening(self, title: str) -> OpeningBlock:
        """First block; see :meth:`EvaluationStudy.opening`."""
        return self.evaluation.opening(title)

    def codes(self, section_id: str) -> pd.DataFrame:
        """Rows of the tree that a section reports, with what stands below them."""
        return self.evaluation.branch(*self._codes(section_id))

    def verdict(self, section_id: str) -> str:
        """Whether all that a section reports is met."""
        return combine(self.evaluation.verdict(code) for code in self._codes(section_id))

    def sentence(self, section_id: str) -> str:
        """What of a section is met and what is not, in words."""
        codes = self._codes(section_id)
        tree = self.evaluation.tree()
        own = tree[tree["code"].isin(codes) | (tree["depth"] <= 1)]
        below = tree[tree["parent"].isin(codes)]
        parent = tree.loc[tree["code"].isin(codes), "parent"].iloc[0]
        kept = pd.concat([own, below]).sort_index()
        title = self._section(section_id).title.split(maxsplit=1)[-1]
        kept = kept.assign(label=kept["label"].where(kept["code"].ne(parent), title))
        return part_sentence(kept, parent, place=self.study.place)

    def _section(self, section_id: str) -> Any:
        sections = {section.id: section for section in self.evaluation.plan.plan.sections}
        check_choice(section_id, sections, name="报告的部分", where=f"规划 {self.evaluation.plan.id}")
        return sections[section_id]

    def _codes(self, section_id: str) -> tuple[str, ...]:
        return self._section(section_id).codes

    def scope(self) -> pd.DataFrame:
        """Schools and students by stage: ``stage, schools, students``."""
        table = self.study.this_year
        words = self.study.stage_words()
        frame = table.keys.assign(students=table.students)
        found = frame.groupby("stage", sort=False).agg(schools=("school_code", "size"), students=("students", "sum"))
        return found.reset_index().assign(stage=lambda d: d["stage"].map(words))

    def parts(self) -> pd.DataFrame:
        """Items and verdicts by part; see :meth:`CountyEvaluation.counts`."""
        return self.evaluation.result().counts()

    def gaps(self) -> pd.DataFrame:
        """Rows of the tree that are not met and have nothing below them, worst first."""
        problems = list_problems(self.evaluation.result().tree, self.evaluation.plan).tidy()
        order = {code: place for place, code in enumerate(dict.fromkeys(problems["code"]))}
        tree = self.evaluation.tree()
        rows = tree[tree["code"].isin(order) & tree["verdict"].eq("not_met")]
        return rows.sort_values("code", key=lambda codes: codes.map(order), kind="stable").assign(depth=0).reset_index(drop=True)

    def recommendations(self, section_id: str) -> pd.DataFrame:
        """Recommendations of a section that gaps call for, with the numbers behind each."""
        found = recommend(self.evaluation.result().tree, self.evaluation.plan).tidy()
        return found[found["section"].eq(section_id)].reset_index(drop=True)

    def unanswered(self) -> str:
        """Items that are not met and for which the form has no recommendation, in words; empty if none."""
        codes = recommend(self.evaluation.result().tree, self.evaluation.plan).unanswered
        return say("体例中没有对应建议的未达标条目：{codes}。", codes=listed(codes)) if codes else ""

    def record(self) -> RecordBlock:
        """What the index of reports lists."""
        return self.evaluation.record()


def follow_plan(evaluation: EvaluationStudy) -> PlanStudy:
    """Follow a plan in one county.

    Raises
    ------
    InputError
        The study has no plan, or the plan is another county's or made for other data.
    """
    _check_place(evaluation)
    return PlanStudy(evaluation)


def follow_prefecture(evaluation: EvaluationStudy) -> PrefectureStudy:
    """Follow a prefecture's plan in all its counties.

    Raises
    ------
    InputError
        The study has no plan, the plan names no counties, or none of them is in the data.
    """
    _check_place(evaluation)
    found = PrefectureStudy(evaluation)
    if not evaluation.plan.plan.counties or not found.codes:
        raise InputError(
            "规划没有可以对应数据的县", where=f"规划 {evaluation.plan.id}", found=f"{len(evaluation.plan.plan.counties)} 个县，0 个有数据",
            expected="市级规划，各县写明县区划代码", fix="在 notebooks/plans 中写一份用法，用 [[county]] 逐个对应；或换一份规划",
        )
    return found


def follow_report(evaluation: EvaluationStudy) -> ReportStudy:
    """Report on a county in the form that a plan gives.

    Raises
    ------
    InputError
        The study has no plan, or the plan has no sections.
    """
    if not evaluation.plan.plan.sections:
        raise InputError(
            "规划没有报告体例", where=f"规划 {evaluation.plan.id}", found="没有 [[section]]", expected="有报告体例的规划，如 guzhen-2025",
            fix="改 plan_id 参数",
        )
    return ReportStudy(evaluation)


def judged_stages(evaluation: EvaluationStudy, codes: Any) -> StageResult:
    """Conditions of the plan's stages, judged for the counties of these codes by what the plan asks for."""
    trees = {code: evaluation.result_by_plan(code).tree for code in codes}
    inputs = {code: evaluation.inputs(code) for code in codes}
    records = [rows for one in inputs.values() if (rows := one.table("evidence")) is not None]
    starting = {code: judge_starting_grades(one.table("class"), evaluation.evaluation) for code, one in inputs.items()}
    calendar = place_stages(evaluation.plan, as_of=evaluation.study.school_year)
    return judge_stages(calendar, trees, pd.concat(records) if records else None, starting_grades=starting)


def county_lists(evaluation: EvaluationStudy, code: str, problems: ProblemList) -> ThreeLists:
    """Tasks, projects and deadlines of one county at the end of the study's year."""
    return three_lists(
        evaluation.plan, problems, evaluation.inputs(code).table("project"),
        as_of=Month(evaluation.study.school_year, LAST_MONTH), county_code=code,
        county=evaluation.study.data.county_names()[code],
    )


def _check_place(evaluation: EvaluationStudy) -> None:
    use, study = evaluation.plan, evaluation.study
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


def _named(frame: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Rows under the names in the data, the plan's names beside them."""
    names = study.data.county_names()
    return frame.assign(planned_county=frame["county"], county=frame["county_code"].map(names).fillna(frame["county"]))


def _month(month: Month | None) -> str:
    if month is None:
        return ""
    return f"{month.year}-{month.month:02d}" if month.month else str(month.year)
