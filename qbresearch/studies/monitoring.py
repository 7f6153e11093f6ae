"""What the monitoring and link notebooks open: a study of resources with the results that belong to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from qbresearch.errors import InputError, check_choice
from qbresearch.exhibits.blocks import OpeningBlock, RecordBlock
from qbresearch.language import CHINESE, clauses, current_language, label_of, say
from qbresearch.processed.store import ProcessedTable, TableProvenance, load_processed
from qbresearch.processed.sums import SchoolSums, sum_students, sums_from_schools
from qbresearch.results.link.county import CountyLink, compare_counties
from qbresearch.results.link.match import LinkData, match_results
from qbresearch.results.monitoring.achievement import measure_achievement
from qbresearch.results.monitoring.difference_rate import measure_difference_rates
from qbresearch.results.monitoring.matching import MatchResult, match_schools
from qbresearch.results.monitoring.school_effects import estimate_school_effects
from qbresearch.results.reasons import refusal
from qbresearch.rules.designs import STUDENT_TABLE, LinkDesign, load_design
from qbresearch.studies.study import Study

SCHOOL_RESULTS = "school-result"


@dataclass(frozen=True)
class MonitoringStudy:
    """Results of one stage and subject beside the study of the schools' resources.

    results : student rows, or rows of school results, of all years loaded (``None`` in an aggregate design). reports : officially reported results
    (``None`` where the design names none).
    """

    study: Study
    design: LinkDesign
    subject: str
    results: ProcessedTable | None
    reports: ProcessedTable | None

    @property
    def subject_label(self) -> str:
        """Name of the subject."""
        return label_of(self.design.outcome(self.subject))

    @property
    def unit(self) -> str:
        """Unit of the results: 分, points, %."""
        return label_of(self.design.outcome(self.subject), "unit")

    @property
    def place(self) -> str:
        """County, year, stage and subject in words."""
        return say("{place}{subject}", place=self.study.place, subject=self.subject_label)

    @property
    def provenances(self) -> tuple[TableProvenance, ...]:
        """Of the tables read beside the register."""
        return tuple(table.provenance for table in (self.results, self.reports) if table is not None)

    @property
    def source(self) -> str:
        """Line under tables and figures that rest on register and results."""
        words = dict.fromkeys(p.said("description") for p in (self.study.data.provenance, *self.provenances))
        return say("数据来源：{description}。", description=clauses(words))

    @cached_property
    def students(self) -> pd.DataFrame:
        """Student rows of the study's year, stage and subject, as read.

        Raises
        ------
        InputError
            The design is aggregate, or there are no such rows.
        """
        if self.results is None:
            raise InputError(
                "没有学生成绩", where=f"关联设计 {self.design.id}", found="汇总数据", expected="学生成绩表",
                fix="汇总数据只看学校（学区）平均的部分",
            )
        rows = self.results.for_years(self.study.school_year).frame
        rows = rows[rows["subject"].eq(self.subject) & rows["grade"].eq(self.design.grades.get(self.study.stage, ""))]
        if rows.empty:
            raise InputError(
                "没有这一学段、学科的成绩", where=f"数据 {self.design.results}，{self.study.year_label}",
                found=f"{self.study.stage_label}{self.subject_label} 0 行", expected="至少一名学生的成绩",
                fix="改 stage、subject 或 school_year 参数；资源均衡部分仍可报告",
            )
        return rows

    @cached_property
    def register(self) -> pd.DataFrame:
        """Schools of the study's year that teach its stage, campuses that do not count as schools left out."""
        schools, contract = self.study.schools, self.study.data.contract
        if "school_type" in schools:
            teaching = [t for t in contract.choice_labels("school_type") if self.study.stage in contract.stages_of(t)]
            schools = schools[schools["school_type"].isin(teaching)]
        return schools[schools["counted"].ne("no").fillna(True)] if "counted" in schools else schools

    @cached_property
    def matching(self) -> MatchResult:
        """How the monitored schools were found in the register."""
        return match_schools(self.students, self.register)

    @cached_property
    def sums(self) -> SchoolSums:
        """Sums of every school; schools that were not found in the register stay, under the name they have."""
        if self.design.aggregate:
            return sums_from_schools(self._aggregates())
        found = self.matching.table.set_index(["county_code", "school_code", "school_name"])["register_code"]
        keys = zip(self.students["county_code"], self.students["school_code"], self.students["school_name"], strict=True)
        known = {tuple("" if pd.isna(k) else k for k in key): code for key, code in found.items()}
        codes = [known.get(tuple("" if pd.isna(k) else k for k in key)) for key in keys]
        code = pd.Series(codes, index=self.students.index, dtype="object")
        rows = self.students.assign(school_code=code.where(code.notna(), self.students["school_code"]))
        if self.results is not None and self.results.contract.id == SCHOOL_RESULTS:
            return sums_from_schools(rows)
        column = self.design.outcome(self.subject).column
        plausible = [c for c in rows if re.fullmatch(r"pv[0-9]+", c) and rows[c].notna().any()]
        if plausible and not (column in rows and rows[column].notna().any()):
            return sum_students(rows, measures=plausible)
        # Where only levels are known the score is missing for everybody, and the levels still count.
        return sum_students(rows if column in rows else rows.assign(**{column: float("nan")}), measures=(column,))

    def _aggregates(self) -> pd.DataFrame:
        outcome = self.design.outcome(self.subject).column
        judged = self.study.this_year
        sizes = judged.keys[["county_code", "school_code"]].assign(size=judged.students)
        rows = self.register.merge(sizes, on=["county_code", "school_code"])
        rows = rows[rows[outcome].notna()]
        return pd.DataFrame(
            {
                "county_code": rows["county_code"], "school_year": self.study.school_year, "cycle": self.study.school_year,
                "grade": self.study.stage, "subject": self.subject, "school_code": rows["school_code"],
                "school_name": rows["school_name"] if "school_name" in rows else rows["school_code"],
                "students": rows["size"].astype(int), "mean": rows[outcome].astype(float),
            }
        )

    @cached_property
    def link(self) -> LinkData:
        """Results beside resources."""
        students = None if self.design.aggregate else self.students
        return match_results(self.study.this_year, self.register, self.design, subject=self.subject, students=students)

    def county_link(self) -> CountyLink | None:
        """Counties beside each other; ``None`` for a study of one county."""
        if self.study.this_year.keys["county_code"].nunique() < 2:
            return None
        rates = measure_difference_rates(self.sums).table
        rates = rates[rates["definition"].eq("D1")].set_index("county_code")["estimate"]
        means = measure_achievement(self.sums).table.set_index("county_code")
        results = pd.DataFrame({"outcome": means["mean"], "observations": means["students"], "difference_rate": rates})
        return compare_counties(self.study.this_year, results.rename_axis("county_code").reset_index())

    @cached_property
    def reported(self) -> pd.DataFrame:
        """Officially reported results: ``county_code, level, difference_rate``; empty where nothing was reported."""
        columns = ["county_code", "level", "difference_rate"]
        if self.reports is None:
            return pd.DataFrame(columns=columns)
        rows = self.reports.for_years(self.study.school_year).frame
        rows = rows[rows["subject"].eq(self.subject) & rows["grade"].eq(self.design.grades.get(self.study.stage, ""))]
        return rows[columns].reset_index(drop=True)

    def reported_rate(self) -> float | None:
        """The difference rate reported for the study's county, or ``None``."""
        rows = self.reported[self.reported["county_code"].eq(self.study.county_code)]
        known = rows["difference_rate"].dropna()
        return float(known.iloc[0]) if len(known) else None

    def school_effects(self) -> tuple[pd.DataFrame, str]:
        """Shrunken school effects, or an empty table and the reason why there are none."""
        try:
            return estimate_school_effects(self.sums).table, ""
        except InputError as error:
            columns = ["label", "effect", "low", "high", "students", "differs"]
            if current_language() == CHINESE:
                return pd.DataFrame(columns=columns), f"{error.problem}：{error.found}。{error.fix}。"
            return pd.DataFrame(columns=columns), refusal(error)

    def opening(self, title: str, *, difference_rates: bool = False) -> OpeningBlock:
        """First block: data of register and results, parameters, and what a reader must know.

        ``difference_rates``: whether the notebook shows local diagnostics of the between-school difference rate.
        """
        cautions = [say("本报告只描述相关（共变），研究设计不支持因果推断；“解释”“影响”之类的词在此只指统计模型中的关联。")]
        if difference_rates:
            cautions.append(
                say("校际差异率没有公开的官方算法；本报告的数值是本地诊断值，判定以国家或省级监测报告给出的数值为准。")
            )
        if self.design.aggregate:
            only = say(
                "数据只有{unit}层面的平均结果，没有学生成绩：校内差异、学生背景的作用都看不到，结论只适用于{unit}，不能推到学生（生态谬误）。",
                unit=label_of(self.design, "unit"),
            )
            cautions.insert(0, only)
        return self.study.opening(
            title, beside=self.provenances, parameters={"design_id": self.design.id, "subject": self.subject}, cautions=cautions
        )

    def record(self, kind: str, values: dict[str, Any]) -> RecordBlock:
        """What the index of reports lists about this run."""
        head = {
            "county_name": self.study.county_name, "school_year": self.study.school_year, "stage": self.study.stage,
            "stage_label": self.study.stage_label, "subject_label": self.subject_label,
        }
        return RecordBlock(id=kind, values=head | values)


def open_monitoring(study: Study, *, design_id: str, subject: str) -> MonitoringStudy:
    """Open the results that a link design sets beside a study's schools.

    Parameters
    ----------
    study : Study
        One stage; one county, or all counties of the source.
    design_id : str
        A link design (``qbresearch show designs``).
    subject : str
        One of the design's outcomes.

    Raises
    ------
    InputError
        Unknown design or subject, a design made for another table, or results that have not been built.
    """
    design = load_design(design_id)
    design.outcome(subject)
    if design.table != study.data.contract.id:
        raise InputError(
            "关联设计与数据不配套", where=f"关联设计 {design_id}", found=f"数据 {study.source_id} 是“{study.data.contract.label_zh}”",
            expected=f"列约定为 {design.table} 的数据", fix="换一个 design_id，或换一个 source_id",
        )
    county = study.county_code or None
    results = load_processed(study.project, design.results, county_code=county) if design.results else None
    if results is not None:
        where = f"数据 {design.results} 的列约定"
        check_choice(results.contract.id, (STUDENT_TABLE, SCHOOL_RESULTS), name="成绩表", where=where)
    # Not filtered: a county for which nothing was reported is no fault.
    reports = load_processed(study.project, design.reports) if design.reports else None
    return MonitoringStudy(study, design, subject, results, reports)
