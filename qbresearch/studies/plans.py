"""What the notebooks about plans open: a plan followed in one county, in a prefecture, or as the form of a report.

Where a plan of a real place is applied to simulated data, every row carries the name in the data; the name in the plan
stands beside it and never alone beside a result.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from qbresearch.errors import InputError
from qbresearch.exhibits.blocks import OpeningBlock, RecordBlock
from qbresearch.exhibits.plan_tables import filled_mark
from qbresearch.exhibits.sentences.plans import trend_sentence
from qbresearch.language import (
    clauses,
    joined,
    label_of,
    listed,
    say,
)
from qbresearch.results.evaluation.tree import Node
from qbresearch.results.plans.check import check_plan
from qbresearch.results.plans.check_dates import stage_month
from qbresearch.results.plans.findings import month_words
from qbresearch.results.plans.lists import (
    RolledUpLists,
    ThreeLists,
    roll_up,
)
from qbresearch.results.plans.prefecture import (
    PrefectureResult,
    summarize_prefecture,
)
from qbresearch.results.plans.problems import (
    ProblemList,
    county_deadline,
    list_problems,
)
from qbresearch.results.plans.progress import (
    ProgressResult,
    forecast_caveat,
    measure_progress,
    school_verdicts,
)
from qbresearch.results.plans.self_check import SelfCheck, self_check
from qbresearch.results.plans.stages import (
    StageResult,
)
from qbresearch.results.plans.targets import judge_targets
from qbresearch.rules.plans import Commitment, Month, PlanUse, load_plan
from qbresearch.rules.standards import latest_standard, list_standards
from qbresearch.studies.evaluation import LAST_MONTH, EvaluationStudy
from qbresearch.studies.plan_parts import (
    county_lists,
    cutoff_words,
    judged_stages,
    month_text,
    quantity,
)
from qbresearch.studies.report import follow_report
from qbresearch.studies.study import Study

__all__ = ["PlanStudy", "PrefectureStudy", "follow_plan", "follow_prefecture", "follow_report"]

FINISHED = ("done", "done_late")
THROUGH = ("nine_year", "twelve_year", "complete_secondary")
"""Types of schools that hold more than the stage a timetable names."""


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

    @property
    def note(self) -> tuple[str, ...]:
        """Whose the data and the fills are, where they are simulated; stands under every table that borrows names or fills."""
        return (label_of(self.use, "note"),) if self.use.simulated else ()

    @property
    def cutoff(self) -> str:
        """The one date as of which everything is due or not."""
        return cutoff_words(self.study.school_year)

    @property
    def as_of(self) -> str:
        """That date as ``YYYY-MM``."""
        return month_text(Month(self.study.school_year, LAST_MONTH))

    # --- the plan alone --------------------------------------------------------------------------------------------

    def checks(self) -> pd.DataFrame:
        """What stands in the plan, as published, against itself and against the standard; see :func:`check_plan`.

        What a use fills into its blanks is not the plan's own and is not checked: the blanks are a finding.
        """
        others = [latest_standard(s) for s in list_standards() if s != self.study.standard.id]
        same_table = [s for s in others if s.table == self.study.standard.table]
        as_it_stands = load_plan(self.use.plan.id, self.study.project.plans)
        return check_plan(as_it_stands, self.evaluation.evaluation, self.study.standard, others=same_table).tidy()

    def commitments(self) -> pd.DataFrame:
        """What the plan promises beyond the evaluation: ``label, value, due, clause, quote``; a value that a use fills in
        says so."""
        rows = [
            (label_of(c), self._promised(c), month_words(c.due) if c.due else "", c.citation.said("clause"), c.citation.said("quote"))
            for c in self.use.plan.commitments
        ]
        return pd.DataFrame(rows, columns=["label", "value", "due", "clause", "quote"])

    def _promised(self, commitment: Commitment) -> str:
        if commitment.field and commitment.field not in self.use.fills:
            return say("未填")
        words = quantity(commitment.value, label_of(commitment, "unit"))
        return words + self._mark(commitment.field)

    def _mark(self, *fields: str) -> str:
        return filled_mark(self.use.simulated) if any(field in self.use.fills for field in fields) else ""

    def facts(self) -> pd.DataFrame:
        """Number, dates and the like of the document: ``value, clause, quote``."""
        plan = self.use.plan
        rows = [
            (plan.document, say("文件名"), ""), (plan.place, say("地方"), ""),
            *((fact.value, fact.citation.said("clause"), fact.citation.said("quote")) for fact in plan.facts.values()),
        ]
        return pd.DataFrame(rows, columns=["value", "clause", "quote"])

    def phases(self) -> pd.DataFrame:
        """Phases, stages, dated commitments and target of the plan, and the county's projects, for ``plot_phases``.

        No row where the plan itself has no date: projects alone say nothing about it. Stages and target are those of the
        county's own year where a prefecture's plan gives it one.
        """
        plan, code = self.use.plan, self.study.county_code
        rows = [
            (label_of(p) + self._mark(p.start_field, p.end_field), say("阶段"), month_text(p.start), month_text(p.end), "", "") for p in plan.phases
        ]
        own = next((c for c in plan.counties if c.code == code), None)
        placed = [(stage, stage_month(stage, own.year)) for stage in plan.stages] if own else []
        rows += [
            (label_of(stage), say("阶段"), "" if stage.end else month_text(month), month_text(month), "", "") for stage, month in placed if month
        ]
        rows += [(label_of(c), say("期限"), month_text(c.start), month_text(c.due), "", "") for c in plan.commitments if c.due]
        target = county_deadline(self.use, code).month
        rows += [(say("达到规划目标"), say("目标"), "", month_text(target), "", "")] if target else []
        if not any(row[2] or row[3] for row in rows):
            rows = []
        else:
            group = say("工程项目（模拟台账）") if self.study.data.provenance.simulated else say("工程项目")
            rows += [
                (p.project, group, p.start or "", p.deadline or "", p.state, p.finished if p.state in FINISHED else "") for p in self.three_lists.projects.itertuples()
            ]
        return pd.DataFrame(rows, columns=["label", "group", "start", "end", "state", "finished"])

    @property
    def phases_title(self) -> str:
        """Title of the figure of phases: whose phases, and whose projects."""
        return say("{plan}的阶段与{county}的项目", plan=self.plan_label, county=self.study.county_name)

    @property
    def phases_source(self) -> str:
        """The document and the data, which stand in one figure."""
        return joined([self.plan_source, self.source])

    # --- the plan beside the data ----------------------------------------------------------------------------------

    def targets(self) -> pd.DataFrame:
        """Every target beside the national verdict, for ``targets_table``."""
        national, planned = self.evaluation.result(), self.evaluation.by_plan
        return judge_targets(
            self.evaluation.overlay, national.tree, planned.tree, national_schools=national.attainment,
            plan_schools=planned.attainment, label=self.plan_label, deadline=county_deadline(self.use, self.study.county_code),
            as_of=Month(self.study.school_year, LAST_MONTH), fills=self.use.fills,
        ).beside()  # fmt: skip

    @cached_property
    def self_check(self) -> SelfCheck:
        """Every item by the national standard, side by side with the further standards the plan names."""
        national = self.evaluation.result()
        return self_check(self.use, self.evaluation.evaluation, self.study.standard, national.tree)

    @cached_property
    def progress(self) -> ProgressResult:
        """The timetable of schools against what they have reached, under the names in the data."""
        by_year, known = school_verdicts(self.study.attainment_by_year), self.study.schools
        return measure_progress(
            self.use, by_year[by_year["school_year"] <= self.study.school_year], as_of=self.study.school_year,
            names=dict(zip(known["school_code"].astype(str), known["school_name"], strict=True)),
        )

    def schools(self) -> pd.DataFrame:
        """Schools of the timetable: columns of :class:`ProgressResult`; no row where the plan has no timetable."""
        return self.progress.tidy() if self.use.plan.schools else pd.DataFrame()

    def trend(self) -> str:
        """How many schools would miss the plan if the trend went on, in a sentence; empty where there is none to tell of."""
        return trend_sentence(self.progress.schools, place=self.study.place) if self.use.plan.schools else ""

    @property
    def school_notes(self) -> tuple[str, ...]:
        """What belongs under every exhibit of the timetable."""
        types = self.study.schools.set_index(self.study.schools["school_code"].astype(str))["school_type"]
        through = any(s.stage == "primary" and types.get(s.code) in THROUGH for s in self.use.plan.schools)
        stages = (say("小学与一贯制学校的小学部分相对应。"),) if through else ()
        return (*self.note, *stages, self.cutoff, forecast_caveat())

    def years(self) -> pd.DataFrame:
        """Planned and reached schools by year, for ``plot_progress``."""
        return self.progress.years

    def conditions(self) -> pd.DataFrame:
        """Conditions of the plan's stages in this county; no row where the plan has no stages."""
        if not self.use.plan.stages:
            return pd.DataFrame()
        code = self.study.county_code
        found = judged_stages(self.evaluation, {code: self.evaluation.by_plan.tree}).tidy()
        return found[found["county_code"].eq(code)].reset_index(drop=True)

    @cached_property
    def problem_list(self) -> ProblemList:
        """What is not met, with measures, departments and dates."""
        return list_problems(
            self.evaluation.by_plan.tree, self.use, national=self.evaluation.result().tree, county_code=self.study.county_code
        )

    def problems(self) -> pd.DataFrame:
        """One row a problem."""
        return self.problem_list.tidy()

    @property
    def has_measures(self) -> bool:
        """Whether the plan assigns measures to items; a research report does not."""
        return bool(self.use.plan.tasks)

    @property
    def problem_notes(self) -> tuple[str, ...]:
        """What belongs under the table of problems."""
        frame = self.problems()
        said = [say("一票否决在前，其次按差额占要求的比例由大到小，没有数值的在后。")]
        if not self.has_measures:
            said.append(say("这份文件没有把措施分到条目。"))
        elif not any(task.departments for task in self.use.plan.tasks):
            said.append(say("规划没有写明各项措施的责任部门。"))
        said += [
            say("期限取自规划为这个位置的县定的年份：“{quote}”。", quote=quote)
            for quote in frame.loc[frame["deadline_from"].eq("county"), "deadline_quote"].unique()
        ]
        return (*said, *self.note)

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

    @property
    def note(self) -> tuple[str, ...]:
        """Whose the data are, where they are simulated; stands under every exhibit that borrows names."""
        return PlanStudy(self.evaluation).note

    @property
    def cutoff(self) -> str:
        """The one date as of which everything is due or not."""
        return cutoff_words(self.study.school_year)

    @cached_property
    def planned(self) -> dict[str, Node]:
        """Trees by county code, judged by what the plan asks for."""
        return {code: self.evaluation.result_by_plan(code).tree for code in self.codes}

    @cached_property
    def stages(self) -> StageResult:
        """Conditions of the stages in all counties."""
        return judged_stages(self.evaluation, self.planned)

    @cached_property
    def summary(self) -> PrefectureResult:
        """One row a county, under the names in the data."""
        trees = {code: self.evaluation.result(code).tree for code in self.codes}
        return summarize_prefecture(self.evaluation.plan, self.stages, trees, self.planned)

    def counties(self) -> pd.DataFrame:
        """The rows of :class:`PrefectureResult`."""
        return self.summary.tidy()

    def board(self) -> pd.DataFrame:
        """County x indicator verdicts, for ``plot_prefecture_board``."""
        return self.summary.items

    def calendar(self) -> pd.DataFrame:
        """Stages of every county on the years, for ``plot_calendar``."""
        return self.stages.calendar.tidy()

    @property
    def calendar_source(self) -> str:
        """The document and the data: stages of the one, warnings from the other."""
        return joined([self.plan_source, self.source])

    def conditions(self) -> pd.DataFrame:
        """Conditions of all stages in all counties."""
        return self.stages.tidy()

    @cached_property
    def lists(self) -> RolledUpLists:
        """The three lists of all counties."""
        use = self.evaluation.plan
        return roll_up({
            code: county_lists(self.evaluation, code, list_problems(tree, use, county_code=code)) for code, tree in self.planned.items()
        })

    def tasks(self) -> pd.DataFrame:
        """Tasks that answer a problem somewhere, each once: ``measure, departments, problems`` (of all counties together)
        and ``counties`` (those that have them, by date, in words)."""
        rows = self.lists.tasks[self.lists.tasks["problems"].gt(0)]
        found = []
        for (_, measure, departments), same in rows.groupby(["task", "measure", "departments"], sort=False):
            by_date = clauses(
                say("{when}：{counties}", when=when or say("未定期限"), counties=listed(
                    say("{county} {n} 项", county=row.county, n=row.problems) for row in own.itertuples()
                ))
                for when, own in same.groupby("when", sort=True)
            )  # fmt: skip
            found.append((measure, departments, int(same["problems"].sum()), by_date))
        return pd.DataFrame(found, columns=["measure", "departments", "problems", "counties"])

    def projects(self) -> pd.DataFrame:
        """Projects that are late, or not finished and due by the end of the next year, by date."""
        rows, last = self.lists.deadlines, self.study.school_year + 1
        rows = rows[rows["list"].eq("project")]
        open_ = rows["state"].isin(["running", "ahead"]) & rows["year"].le(last)
        kept = rows[rows["state"].eq("late") | open_]
        return kept.sort_values(["year", "month"], kind="stable").reset_index(drop=True)

    def checks(self) -> pd.DataFrame:
        """What stands in the plan against itself and against the standard."""
        return PlanStudy(self.evaluation).checks()

    @property
    def plan_label(self) -> str:
        """How the plan is called."""
        return label_of(self.evaluation.plan.plan)


def follow_plan(evaluation: EvaluationStudy) -> PlanStudy:
    """Follow a plan in one county.

    Raises
    ------
    InputError
        The study has no plan, or one of a real place that is not applied to these simulated data.
    """
    evaluation.require_plan()
    return PlanStudy(evaluation)


def follow_prefecture(evaluation: EvaluationStudy) -> PrefectureStudy:
    """Follow a prefecture's plan in all its counties.

    Raises
    ------
    InputError
        The study has no plan, the plan names no counties, or none of them is in the data.
    """
    evaluation.require_plan()
    found = PrefectureStudy(evaluation)
    if not evaluation.plan.plan.counties or not found.codes:
        raise InputError(
            "规划没有可以对应数据的县", where=f"规划 {evaluation.plan.id}", found=f"{len(evaluation.plan.plan.counties)} 个县，0 个有数据",
            expected="市级规划，各县写明县区划代码", fix="在 notebooks/plans 中写一份用法，用 [[county]] 逐个对应；或换一份规划",
        )
    return found
