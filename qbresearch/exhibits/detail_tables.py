"""Printable tables of what stands behind the verdicts: schools, monitoring reports, the survey, the finance series."""

from __future__ import annotations

import pandas as pd

from qbresearch.exhibits.evaluation_tables import (
    limit_words,
    margin_words,
    value_words,
)
from qbresearch.exhibits.tables import (
    ReportTable,
    count,
    fixed,
    percent,
    report_table,
    text,
    verdict,
    year,
)
from qbresearch.language import say

LEVELS = ("Ⅰ", "Ⅱ", "Ⅲ", "Ⅳ")


def school_items_table(frame: pd.DataFrame) -> ReportTable:
    """Conditions judged school by school.

    Parameters
    ----------
    frame : DataFrame
        One row a school and condition: ``item, school, label, detail, value, limit, comparison, margin, unit, percent,
        verdict, reason``.
    """
    rows = frame.assign(
        what=[" ".join(filter(None, (row.label, row.detail))) for row in frame.itertuples()],
        actual=[value_words(r.value, r.unit, r.percent, limit=r.limit) for r in frame.itertuples()],
        needed=[limit_words(r.limit, r.comparison, r.unit, r.percent) for r in frame.itertuples()],
        short=[margin_words(r.margin, r.unit, r.percent) for r in frame.itertuples()],
    )
    columns = [
        text("item", say("编号")), text("school", say("学校")), text("what", say("内容")), text("actual", say("实际")),
        text("needed", say("要求")), text("short", say("差额")), verdict("verdict", say("判定")), text("reason", say("说明")),
    ]  # fmt: skip
    return report_table(rows, columns, tone="verdict")


def resources_table(frame: pd.DataFrame) -> ReportTable:
    """Indicators of resources by stage.

    Parameters
    ----------
    frame : DataFrame
        One row a stage and indicator: ``stage_label, label, mean`` (of the county), ``threshold`` (of a school),
        ``schools, reached`` (schools that reach it), ``cv, cap, verdict`` (of the coefficient of variation).
    """
    columns = [
        text("stage_label", say("学段")), text("label", say("指标")), fixed("mean", say("县均值"), 2), fixed("threshold", say("学校标准"), 2),
        text("reached_words", say("达标学校")), fixed("cv", say("差异系数"), 3), fixed("cap", say("上限"), 2), verdict("verdict", say("判定")),
    ]  # fmt: skip
    reached = [say("{n} 所中 {met} 所", n=int(r.schools), met=int(r.reached)) for r in frame.itertuples()]
    return report_table(frame.assign(reached_words=reached), columns, tone="verdict")


def scope_table(frame: pd.DataFrame) -> ReportTable:
    """Who is in: schools by type, and how many of them each item judged school by school looks at.

    Parameters
    ----------
    frame : DataFrame
        One row a type and one for all: ``label, schools, sites`` (campuses merged into schools), and a column of counts
        for every item, named by its code.
    """
    items = [name for name in frame.columns if name not in ("label", "schools", "sites")]
    columns = [text("label", say("办学类型")), count("schools", say("学校数")), count("sites", say("并入的校区")), *(count(i, i) for i in items)]
    return report_table(frame, columns)


def options_table(frame: pd.DataFrame) -> ReportTable:
    """Readings on which documents disagree: one row an option and choice (``EvaluationStudy.options``)."""
    columns = [
        text("item", say("条目")), text("label", say("口径")), text("chosen", say("采用")), text("choice", say("写法")),
        verdict("verdict", say("按此写法本县的判定")), text("status", say("状态")), text("source", say("出处")),
    ]  # fmt: skip
    return report_table(frame, columns, tone="verdict")


def reported_table(frame: pd.DataFrame) -> ReportTable:
    """Results of the national quality monitoring: one row a subject and grade (``ReportedResult.subjects_table``)."""
    levels = {float(n): word for n, word in enumerate(LEVELS, 1)}
    columns = [
        text("label", say("学科与年级")), year("cycle", say("监测年份")), text("level", say("水平等级"), levels),
        fixed("difference_rate", say("校际差异率"), 3), verdict("verdict", say("判定")), text("reason", say("理由")),
    ]  # fmt: skip
    return report_table(frame, columns, tone="verdict")


def recognition_table(frame: pd.DataFrame) -> ReportTable:
    """The recognition survey: one row a mode and group (``mode_label, label, valid, satisfied, share, low, high``)."""
    columns = [
        text("mode_label", say("方式")), text("label", say("调查对象")), count("valid", say("有效份数")),
        count("satisfied", say("满意份数")), percent("share", say("认可比例")), percent("low", say("区间下限")),
        percent("high", say("区间上限")),
    ]  # fmt: skip
    return report_table(frame, columns)


def increases_table(frame: pd.DataFrame) -> ReportTable:
    """The finance series: one row a series and year (``label, year, value, change_share, real, verdict, unit``)."""
    columns = [
        text("label", say("内容")), year("year", say("年度")), count("value", say("名义金额（元）")),
        percent("change_share", say("比上年"), 2), percent("real_change_share", say("扣除价格因素比上年"), 2),
        verdict("verdict", say("判定")),
    ]  # fmt: skip
    return report_table(frame, columns, tone="verdict")
