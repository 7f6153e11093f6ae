"""What a notebook opens: one county (or a set), its standard, and the exhibits that end up in a report.

A :class:`Study` computes each result once and hands out blocks that carry their source line with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qbresearch.errors import InputError, check_choice
from qbresearch.exhibits.blocks import (
    AbsentBlock,
    EquationBlock,
    FigureBlock,
    FindingBlock,
    OpeningBlock,
    RecordBlock,
    TableBlock,
)
from qbresearch.exhibits.sentences import scope_sentence
from qbresearch.exhibits.style import figure_png, use_style
from qbresearch.exhibits.tables import ReportTable, fixed_point
from qbresearch.language import (
    CHINESE,
    current_language,
    label_of,
    listed,
    say,
    use_language,
)
from qbresearch.processed.published import load_published
from qbresearch.processed.raw_files import files_behind
from qbresearch.processed.store import ProcessedTable, TableProvenance, load_processed
from qbresearch.project import Project, find_project
from qbresearch.results.resources.attainment import AttainmentResult, assess
from qbresearch.results.resources.indicators import IndicatorTable, compute_indicators
from qbresearch.results.resources.parts import StageParts, stage_parts
from qbresearch.results.resources.readings import compare_readings, open_readings
from qbresearch.results.resources.references import published_values
from qbresearch.results.resources.register import list_missing
from qbresearch.rules.citations import status_words
from qbresearch.rules.standards import (
    COMPOSITE_CV,
    CV,
    Standard,
    load_standard,
    school_year_start,
)


@dataclass(frozen=True)
class Study:
    """One notebook's data and rules.

    data : the whole panel that was loaded (every year; one county, or all). school_year and stage say which part the
    notebook is about; ``stage`` is empty in a notebook that looks at all stages.
    """

    data: ProcessedTable
    standard: Standard
    source_id: str
    county_code: str
    school_year: int
    stage: str
    seed: int
    project: Project

    # --- words ---------------------------------------------------------------------------------------------------

    @property
    def county_name(self) -> str:
        """Name of the county (of the set: the title of the data)."""
        return self.county_names[self.county_code] if self.county_code else self.data.provenance.said("title")

    @cached_property
    def county_names(self) -> dict[str, str]:
        """Names of the counties loaded by their codes."""
        return self.data.county_names()

    @property
    def stage_label(self) -> str:
        """Name of the stage."""
        return label_of(self.standard.stage(self.stage)) if self.stage else ""

    @property
    def year_label(self) -> str:
        """The school year as reports write it."""
        return say("{year}—{next} 学年", year=self.school_year, next=self.school_year + 1)

    @property
    def place(self) -> str:
        """County, year and stage in words, to begin a sentence with."""
        county = self.county_name if self.county_code else ""
        if current_language() != CHINESE:
            words = listed(filter(None, (county, self.stage_label, self.year_label)))
            return words[0].upper() + words[1:]
        space = " " if county[-1:].isascii() and county else ""
        return f"{county}{space}{self.year_label}{self.stage_label}"

    @property
    def county_stage(self) -> str:
        """County and stage in words, for what is about several years."""
        words = (self.county_name, self.stage_label)
        return "".join(words) if current_language() == CHINESE else listed(filter(None, words))

    @property
    def source(self) -> str:
        """Line under every table and figure."""
        return say("数据来源：{description}。", description=self.data.provenance.said("description"))

    @property
    def row(self) -> str:
        """What one row of the data is: 学校, 学区; school, district."""
        return label_of(self.data.contract, "row")

    @property
    def rows(self) -> str:
        """Rows after their number: 所学校, 个学区; schools, districts."""
        return label_of(self.data.contract, "rows")

    @property
    def row_column(self) -> str:
        """Heading of a column that counts rows: 学校数（所）; Schools."""
        return label_of(self.data.contract, "row_column")

    @property
    def counter(self) -> str:
        """How rows are counted: 所, 个; schools, districts."""
        return label_of(self.data.contract, "counter")

    @property
    def school_rule_unverified(self) -> bool:
        """Whether the rule that decides on schools is ``unverified``."""
        rule = self.standard.rules.get("school_min_met")
        return rule is not None and rule.citation.status == "unverified"

    def stage_words(self) -> dict[str, str]:
        """Stage ids to words."""
        return {s.id: label_of(s) for s in self.standard.stages}

    def group_words(self) -> dict[str, str]:
        """Group ids to the words of the column contract (urban: 城区); empty where groups are their own words."""
        return self.data.contract.choice_labels("location")

    def group_order(self, column: pd.Series) -> pd.Series:
        """Sort key for a column of groups: the contract's order (urban, town, rural); other columns stay as they are."""
        words = self.group_words()
        return column.map({group: place for place, group in enumerate(words)}) if column.isin(list(words)).all() else column

    def type_words(self) -> dict[str, str]:
        """School type ids to words."""
        return self.data.contract.choice_labels("school_type") if "school_type" in self.data.frame else {}

    # --- results -------------------------------------------------------------------------------------------------

    @cached_property
    def parts(self) -> StageParts:
        """Stage parts of all years loaded."""
        return stage_parts(self.data.frame, self.standard, self.data.contract)

    @cached_property
    def indicators(self) -> IndicatorTable:
        """Indicators of the study's stage in all years loaded."""
        table = compute_indicators(self.parts, self.standard)
        return table.for_stage(self.stage) if self.stage else table

    @cached_property
    def this_year(self) -> IndicatorTable:
        """Indicators of the study's year and stage."""
        rows = self.indicators.keys["school_year"].eq(self.school_year).to_numpy()
        if not rows.any():
            raise InputError(
                "这一学年没有可评估的学校", where=f"{self.source_id} {self.county_code} {self.stage_label}",
                found=str(self.school_year),
                expected="、".join(str(y) for y in sorted(self.indicators.keys["school_year"].unique())),
                fix="改 school_year 参数，或先把这一学年的数据放进 data/raw 再运行 qbresearch build",
            )
        return self.indicators.select(rows)

    @cached_property
    def attainment(self) -> AttainmentResult:
        """Verdicts for the study's year and stage."""
        return assess(self.this_year)

    @cached_property
    def attainment_by_year(self) -> AttainmentResult:
        """Verdicts for every year loaded."""
        return assess(self.indicators)

    @cached_property
    def county(self) -> pd.Series:
        """The row of ``AttainmentResult.county_table`` that the notebook is about.

        Raises
        ------
        InputError
            The parameters name more than one county or stage.
        """
        counties = self.attainment.county_table()
        if len(counties) != 1:
            raise InputError(
                "这里要且只要一个县的一个学段", where=f"数据 {self.source_id}，{self.year_label}",
                found=f"{len(counties)} 个县域学段", expected="county_code 与 stage 各填一个", fix="补上这两个参数",
            )
        return counties.iloc[0]

    @property
    def schools(self) -> pd.DataFrame:
        """Schools of the study's year as read from the raw files, whether judged or not."""
        return self.data.for_years(self.school_year).frame

    @property
    def excluded(self) -> pd.DataFrame:
        """Schools of the study's year and stage that the standard leaves out, with reason and clause."""
        rows = self.parts.excluded
        rows = rows[rows["school_year"] == self.school_year]
        return rows[rows["stage"] == self.stage] if self.stage else rows

    @property
    def merged(self) -> pd.DataFrame:
        """Campuses of the study's year that were added to their school."""
        return self.parts.merged[self.parts.merged["school_year"] == self.school_year]

    def files(self) -> pd.DataFrame:
        """The raw files behind the study's year, with checksums (columns ``file, rows, sha256``)."""
        return files_behind(self.project, self.data.provenance, self.county_code, self.school_year)[0]

    def problems(self) -> pd.DataFrame:
        """What was noticed in those files when they were read (columns ``PROBLEM_COLUMNS``)."""
        return files_behind(self.project, self.data.provenance, self.county_code, self.school_year)[1]

    def published(self) -> pd.DataFrame:
        """Published coefficients of variation of the study's standard and stage, county by county; see
        :func:`qbresearch.results.resources.references.published_values`."""
        published = load_published(self.project, standard_id=self.standard.id)
        return published_values(published, self.standard, self.stage)

    def scope_sentence(self) -> str:
        """From rows read to schools judged, in one sentence; see :func:`qbresearch.exhibits.sentences.scope_sentence`."""
        judged = self.parts.frame[self.parts.frame["school_year"] == self.school_year]
        return scope_sentence(
            place=self.place, rows=len(self.schools), merged=len(self.merged), excluded=self.excluded, parts=judged,
            missing=len(list_missing(self.schools, self.data.contract)), stages=self.stage_words(),
        )

    def readings(self) -> pd.DataFrame:
        """The default reading of the scope beside the others; see :func:`qbresearch.results.resources.readings.compare_readings`."""
        return compare_readings(self.schools, self.standard, self.data.contract, stage=self.stage)

    # --- exhibits ------------------------------------------------------------------------------------------------

    def opening(
        self, title: str, *, beside: Sequence[TableProvenance] = (), parameters: Mapping[str, Any] | None = None,
        cautions: Sequence[str] | None = None,
    ) -> OpeningBlock:
        """First block of a notebook: what it is about, what it rests on, what a reader must know.

        ``beside`` are further processed tables the notebook reads; ``parameters`` are added to those of the study;
        ``cautions`` stand in the place of those about resource verdicts.
        """
        provenance = self.data.provenance
        facts = [
            *(fact for table in (provenance, *beside) for fact in _data_facts(table)),
            (
                say("标准"),
                say(
                    "{label}（{document}；{id}，sha256 {digest}…）", label=label_of(self.standard),
                    document=self.standard.document, id=self.standard.id, digest=self.standard.sha256[:16],
                ),
            ),
            (say("规则适用日期"), f"{self.standard.on:%Y-%m-%d}"),
        ]
        if self.county_code:
            with_code = say("{county}（{code}）", county=self.county_name, code=self.county_code)
            facts.insert(0, (say("地区"), self.county_name if self.county_code == self.county_name else with_code))
        return OpeningBlock(
            title=title,
            facts=tuple(facts),
            cautions=(
                *([simulated_caution()] if provenance.simulated else []),
                *(self._rule_cautions() if cautions is None else cautions),
            ),
            simulated=any(table.simulated for table in (provenance, *beside)),
            parameters={
                "source_id": self.source_id, "county_code": self.county_code, "school_year": self.school_year,
                "stage": self.stage, "standard_id": self.standard.id, "seed": self.seed, "language": current_language(),
                **(parameters or {}),
            },
        )

    def _rule_cautions(self) -> Iterable[str]:
        if self.standard.kind == "evaluation":
            yield say(
                "资源配置各部分只看单项指标、学校达标与校际差异系数，其中所说的“达标”仅指资源配置达标，不等于通过督导评估。"
            )
            yield say("教育部原文未能读到，标准值引自其他正式文件的转引，各条状态与出处见“所用规则”表。")
        for sentence in self.standard.unverified():
            yield say("{sentence}；凡据此作出的结论均待核实。", sentence=sentence)
        for rule in open_readings(self.standard):
            kind = rule.label
            if self.county_code:
                yield say("{kind}是否计入，条文没有说清：本报告计入，不计入的结果另表并列。", kind=kind)
            else:
                yield say("{kind}是否计入，条文没有说清：本报告计入，不计入时的判定见各县报告“不同口径”一节。", kind=kind)

    def table(
        self, id: str, table: ReportTable, caption: str, *, notes: Sequence[str] = (), source: str | None = None
    ) -> TableBlock:
        """A table with its source line: the study's data, unless the table shows something else."""
        return TableBlock(
            id=id, caption=caption, columns=table.columns, rows=table.rows, notes=tuple(notes),
            source=self.source if source is None else source, tones=table.tones,
        )

    def figure(
        self, id: str, drawn: Axes | np.ndarray | Figure, caption: str, *, alt: str, notes: Sequence[str] = (),
        source: str | None = None,
    ) -> FigureBlock:
        """A drawn figure with its source line; refuses one with a character no font can draw."""
        figure = drawn if isinstance(drawn, Figure) else np.ravel(drawn)[0].figure
        if self.data.provenance.simulated:
            # Pictures are copied out of reports; the label must go with them.
            figure.text(0.995, 0.004, say("模拟数据"), ha="right", va="bottom", fontsize="x-small", color="0.45")
        png, width, height = figure_png(figure, where=f"图 {id}")
        return FigureBlock(
            id=id, caption=caption, alt=alt, png=png, width=width, height=height, notes=tuple(notes),
            source=self.source if source is None else source,
        )

    def equation(self, id: str, tex: str, *, alt: str) -> EquationBlock:
        """A numbered formula; ``alt`` says in words what it computes."""
        return EquationBlock(id=id, tex=tex, alt=alt)

    def absent(self, id: str, text: str) -> AbsentBlock:
        """In the place of an exhibit there is nothing for; ``text`` says why."""
        return AbsentBlock(id=id, text=text)

    def finding(self, id: str, text: str, *, tone: str = "plain", key: bool = False) -> FindingBlock:
        """A sentence made from results; ``key`` ones also stand in the report's summary."""
        return FindingBlock(id=id, text=text, tone=tone or "plain", key=key)

    def record(self) -> RecordBlock:
        """What the index of reports lists about this county, year and stage."""
        county = self.county
        values: dict[str, Any] = {
            "county_name": self.county_name,
            "school_year": self.school_year,
            "stage": self.stage,
            "stage_label": self.stage_label,
            "standard_label": label_of(self.standard),
            "verdict": county["verdict"],
            "schools": int(county["schools"]),
            "schools_met": int(county["schools_met"]) if county["schools_verdict"] else None,
            "cv_over_cap": int(county["cv_over_cap"]),
            "indicators": len(self.standard.indicators),
            "row": self.row,
            "counter": self.counter,
            "rule_unverified": bool(self.school_rule_unverified and county["schools_verdict"]),
            "largest_cv": None if pd.isna(county["largest_cv"]) else float(county["largest_cv"]),
            "largest_cv_label": county["largest_cv_label"],
        }
        return RecordBlock(id="county", values=values)

    def rules(self) -> pd.DataFrame:
        """What decided the county's verdict, part by part: entry, value, limit, verdict, status, source.

        One row for the school rule, one per indicator's coefficient of variation, one for the composite where the
        standard caps it.
        """
        return verdict_rows(self.county, self.attainment.dispersion_table(), self.standard)


def simulated_caution() -> str:
    """What a reader of simulated data must know first."""
    return say("模拟数据：全部学校与数值均由程序生成，不代表任何真实地区。")


def _data_facts(provenance: TableProvenance) -> list[tuple[str, str]]:
    return [
        (say("数据"), provenance.said("description")),
        (say("数据许可"), provenance.said("licence")),
        (say("生成日期") if provenance.simulated else say("取得日期"), provenance.accessed),
        (say("数据校验"), f"sha256 {provenance.content_sha256}"),
    ]


def verdict_rows(county: pd.Series, dispersion: pd.DataFrame, standard: Standard) -> pd.DataFrame:
    """The parts of one county's verdict as rows; see :meth:`Study.rules`."""
    stage, rows = str(county["stage"]), []
    if county["schools_verdict"]:
        rule, floor = standard.rules["school_min_met"], standard.rules["school_floor_ratio"]
        limit = say("每校至少 {least} 项达标，余项不低于标准的 {floor}", least=f"{rule.value:g}", floor=f"{floor.value:.0%}")
        reached = say("{schools} 所中 {met} 所", schools=county["schools"], met=county["schools_met"])
        rows.append((say("每所学校达标"), reached, limit, county["schools_verdict"], rule))
    cap = standard.cap(CV, stage)
    decimals = standard.decimals("cv_decimals")
    if cap is not None:
        for row in dispersion.itertuples():
            entry = say("{indicator} 差异系数", indicator=row.label)
            rows.append((entry, fixed_point(row.cv, decimals), f"≤ {fixed_point(cap.value, 2)}", row.verdict, cap))
    composite = standard.cap(COMPOSITE_CV, stage)
    if composite is not None:
        value, limit = fixed_point(county["composite_cv"], decimals), f"≤ {fixed_point(composite.value, 2)}"
        rows.append((say("综合差异系数"), value, limit, county["composite_verdict"], composite))
    return pd.DataFrame(
        [
            (entry, value, limit, verdict, status_words()[c.citation.status],
             label_of(standard.sources[c.citation.source], "title"))
            for entry, value, limit, verdict, c in rows
        ],
        columns=["entry", "value", "limit", "verdict", "status", "source"],
    )


def open_study(
    *,
    source_id: str,
    school_year: int,
    standard_id: str,
    county_code: str = "",
    stage: str = "",
    seed: int = 0,
    language: str = CHINESE,
    project: Path | None = None,
) -> Study:
    """Open the data and the standard of one notebook; set the figure style and the language of everything shown.

    Parameters
    ----------
    source_id : str
        Folder name below ``data/raw``; it must have been built.
    school_year : int
        Year in which the school year began.
    standard_id : str
        Standard or indicator set, as in force at the start of that school year.
    county_code : str
        One county; empty for all of the source.
    stage : str
        Stage of the standard; empty for all.
    seed : int
        Recorded with the run; used by notebooks that resample.
    language : {"zh", "en"}
        Of the report: Chinese or English. Holds for all that is written from now on.
    project : Path, optional
        Where to look for the project; by default the current folder and above.

    Raises
    ------
    InputError
        Unknown source, county, school year, standard, stage or language, or data that have not been built.
    """
    use_language(language)
    use_style()
    found = find_project(project)
    data = load_processed(found, source_id, county_code=county_code or None)
    years = sorted(int(year) for year in data.frame["school_year"].dropna().unique())
    check_choice(school_year, years, name="学年", where=f"数据 {source_id} {county_code}".strip())
    standard = load_standard(standard_id, on=school_year_start(school_year))
    if stage:
        standard.stage(stage)
    return Study(data, standard, source_id, county_code, school_year, stage, seed, found)
