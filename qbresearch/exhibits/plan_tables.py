"""Printable tables about plans: what they promise, how they hold together, what has become of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from qbresearch.exhibits.evaluation_tables import (
    beside_table,
    limit_words,
    margin_words,
    value_words,
)
from qbresearch.exhibits.style import verdict_words
from qbresearch.exhibits.tables import (
    ABSENT,
    Column,
    ReportTable,
    count,
    fixed_point,
    report_table,
    text,
    verdict,
    year,
)
from qbresearch.language import clauses, say, series

TIGHT, VETO = "tight_deadline", "veto"


def severity_words() -> dict[str, str]:
    """Kinds of findings about a plan."""
    return {
        "contradiction": say("前后矛盾"), "weaker": say("宽于标准"), "stricter": say("严于标准"), "gap": say("没有说清"),
        "remark": say("说明"),
    }  # fmt: skip


def progress_words() -> dict[str, str]:
    """What has become of a planned school."""
    return {
        "early": say("提前达标"), "on_time": say("如期达标"), "late": say("迟于规划达标"), "overdue": say("到期未达标"),
        "not_due": say("未到期"), "undecided": say("无法判定"),
    }  # fmt: skip


def project_words() -> dict[str, str]:
    """State of a task or project."""
    return {
        "done": say("完成"), "done_late": say("逾期完成"), "running": say("进行中"), "late": say("逾期"), "ahead": say("未开始"),
        "undated": say("没有期限"), "unrecorded": say("未记录进度"),
    }  # fmt: skip


def warning_words() -> dict[str, str]:
    """Warnings about conditions."""
    return {
        "overdue": say("预警：到期未满足"), "soon": say("提醒：下一年到期"), "unknown": say("到期而无法判定"),
        "exempt": say("期限早于规划印发，不作预警"), "": ABSENT,
    }  # fmt: skip


def finding_words(frame: pd.DataFrame) -> list[str]:
    """What each finding is: what rests on an inferred date of the statistics says so, all others name their severity."""
    words = severity_words()
    return [say("期限偏紧（推断）") if row.kind == TIGHT else words[row.severity] for row in frame.itertuples()]


def check_table(frame: pd.DataFrame) -> ReportTable:
    """Findings about a plan: ``kind, severity, sentence, clause, quote``."""
    columns = [
        text("shown", say("性质")), text("sentence", say("内容")), text("clause", say("规划条款")), text("quote", say("原句")),
    ]  # fmt: skip
    return report_table(frame.assign(shown=finding_words(frame)), columns)


def targets_table(frame: pd.DataFrame, *, simulated: bool = False) -> ReportTable:
    """Targets beside the national requirements with their dates.

    As :func:`qbresearch.exhibits.evaluation_tables.beside_table`, and ``actual`` (words in the place of a value),
    ``filled`` (the plan's limit was filled into a blank, of a simulated use where ``simulated``) and ``due`` (in words).
    """
    table, mark = beside_table(frame), filled_mark(simulated)
    if frame.empty:
        return table
    rows = [
        (label, row.actual or actual, limit, national, plan + mark if row.filled else plan, verdict_, relation, row.due or ABSENT)
        for (label, actual, limit, national, plan, verdict_, relation), row in zip(table.rows, frame.itertuples(), strict=True)
    ]
    return ReportTable((*table.columns, {"label": say("期限"), "align": "left"}), tuple(rows), table.tones)


def filled_mark(simulated: bool) -> str:
    """What stands behind a value that a use of a plan fills into a blank."""
    return say("（模拟填入）") if simulated else say("（填入）")


def commitments_table(frame: pd.DataFrame) -> ReportTable:
    """What a plan promises beyond the evaluation: ``label, value, due, clause, quote``."""
    columns = [
        text("label", say("承诺")), text("value", say("数值")), text("due", say("期限")), text("clause", say("规划条款")),
        text("quote", say("原句")),
    ]  # fmt: skip
    return report_table(frame, columns)


def facts_table(frame: pd.DataFrame) -> ReportTable:
    """Facts of a document: ``value, clause, quote``."""
    columns = [text("value", say("内容")), text("clause", say("位置")), text("quote", say("原句"))]
    return report_table(frame, columns)


def progress_table(frame: pd.DataFrame) -> ReportTable:
    """Planned schools: ``school, planned, state, reached, slipped, forecast, forecast_state, expected_late,
    planned_school``; the plan's name of a school stands last, and only where it is another."""
    rows = frame.assign(
        behind=[_behind(row.state, row.slipped) for row in frame.itertuples()],
        forecast_words=[
            str(int(row.forecast)) if row.forecast_state == "forecast" else {"not_in_sight": say("看不到达标")}.get(row.forecast_state, ABSENT)
            for row in frame.itertuples()
        ],
    )
    columns = [
        text("school", say("学校")), year("planned", say("规划年份")), text("state", say("进展"), progress_words()),
        year("reached", say("达到年份")), text("behind", say("到期后已晚")), text("forecast_words", say("趋势推算年份")),
        count("expected_late", say("推算晚于规划（年）")), *_borrowed(frame, "planned_school", "school"),
    ]  # fmt: skip
    return report_table(rows, columns)


def _behind(state: str, slipped: float) -> str:
    if pd.isna(slipped) or state in ("early", "on_time"):
        return ABSENT
    if state == "overdue" and slipped == 0:
        return say("当年到期")
    return say("{n} 年", n=int(slipped))


def _borrowed(frame: pd.DataFrame, planned: str, own: str) -> list[Column]:
    """The column of names in the plan: they say which place a row was given and nothing about the place that bears them."""
    return [] if frame[planned].eq(frame[own]).all() else [text(planned, say("规划中的位置（只借用名称）"))]


def conditions_table(frame: pd.DataFrame, *, counties: bool = False) -> ReportTable:
    """Conditions of stages: ``county, label, condition_label, due_when, verdict, warning, reason``.

    ``counties`` adds the county, and last the county of the plan whose place it takes (``planned_county``).
    """
    rows = frame.assign(told=[clauses(filter(None, (warning_words()[r.warning] if r.warning else "", r.reason))) for r in frame.itertuples()])
    columns = [
        *([text("county", say("县（市、区）"))] if counties else []), text("label", say("阶段")), text("condition_label", say("条件")),
        text("due_when", say("到期")), verdict("verdict", say("判定")), text("told", say("预警与理由")),
        *(_borrowed(frame, "planned_county", "county") if counties else []),
    ]  # fmt: skip
    return report_table(rows, columns, tone="verdict")


def problem_words(row: Any) -> str:
    """A problem with its value, what is asked for, and whether the national requirement is met where the plan asks for
    more: ``初中三年巩固率 95.8%，低于规划 99%，国家 95% 已达到``; without a number what was found."""
    unit = _shown_unit(row)
    if pd.isna(row.value) or row.part == VETO:
        return say("{label}：{reason}", label=row.label, reason=row.reason) if row.reason else row.label
    own = pd.notna(row.national_limit) and row.national_limit != row.limit
    values = {
        "label": row.label, "value": value_words(row.value, unit, row.percent, limit=row.limit),
        "limit": limit_words(row.limit, "", unit, row.percent),
    }  # fmt: skip
    if row.comparison in ("at_most", "below"):
        first = say("{label} {value}，高于规划 {limit}", **values) if own else say("{label} {value}，高于要求 {limit}", **values)
    else:
        first = say("{label} {value}，低于规划 {limit}", **values) if own else say("{label} {value}，低于要求 {limit}", **values)
    if own:
        national = limit_words(row.national_limit, "", unit, row.percent)
        met = row.national_verdict == "met"
        return series([first, say("国家 {limit} 已达到", limit=national) if met else say("国家 {limit} 也未达到", limit=national)])
    if pd.notna(row.national_value) and row.national_value != row.value:
        return series([first, say("按国家规则为 {value}", value=value_words(row.national_value, unit, row.percent))])
    return first


def _shown_unit(row: Any) -> str:
    """The unit, but for one that is already the label's words (``与上年之比``)."""
    return "" if len(row.unit) > 1 and row.unit in row.label else row.unit


def problems_table(frame: pd.DataFrame, *, measures: bool = True) -> ReportTable:
    """Problems, worst first: the columns of ``ProblemList``. Departments are left out where the plan names none, measures
    and dates where it assigns none to any item (``measures``)."""
    unanswered = say("规划没有对应的措施")
    rows = frame.assign(
        problem=[problem_words(row) for row in frame.itertuples()],
        gap=[margin_words(row.margin, _shown_unit(row), row.percent) for row in frame.itertuples()],
        share=[ABSENT if pd.isna(share) else fixed_point(share * 100, 1) + "%" for share in frame["relative_margin"]],
        measure=frame["measure"].where(frame["measure"].ne(""), unanswered),
    )
    columns = [
        count("rank", say("序号")), text("item", say("编号"), {"schools": ABSENT}), text("problem", say("问题")),
        Column("gap", say("差额"), str), Column("share", say("差额占要求"), str), *([text("measure", say("措施"))] if measures else []),
        *([text("departments", say("责任部门"))] if frame["departments"].ne("").any() else []),
        *([text("deadline", say("期限"))] if frame["deadline"].ne("").any() else []),
    ]  # fmt: skip
    return report_table(rows, columns)


def lists_table(frame: pd.DataFrame, *, counties: bool = False) -> ReportTable:
    """Tasks and projects by date: ``when, list, what, departments, state``; ``counties`` adds the county, and leaves out
    the list, which is then that of projects alone."""
    kinds = {"task": say("任务"), "project": say("工程项目")}
    first = [text("county", say("县（市、区）"))] if counties else [text("list", say("清单"), kinds)]
    columns = [
        *first, text("when", say("期限")), text("what", say("内容")),
        *([text("departments", say("责任部门"))] if frame["departments"].ne("").any() else []),
        text("state", say("状态"), project_words()),
    ]  # fmt: skip
    return report_table(frame, columns)


def tasks_table(frame: pd.DataFrame) -> ReportTable:
    """Tasks of a prefecture's plan, each once: ``measure, departments, problems, counties`` (with their dates, in words)."""
    columns = [
        text("measure", say("任务")), *([text("departments", say("责任部门"))] if frame["departments"].ne("").any() else []),
        count("problems", say("所对应的问题（项）")), text("counties", say("有这些问题的县与期限")),
    ]  # fmt: skip
    return report_table(frame, columns)


def counties_table(frame: pd.DataFrame) -> ReportTable:
    """Counties of a prefecture: ``county, target_year, stage, met, not_met, undecided, verdict, plan_verdict, overdue,
    exempt, planned_county``."""
    columns = [
        text("county", say("县（市、区）")), year("target_year", say("规划年份")), text("stage", say("现处阶段")),
        count("met", say("达标（项）")), count("not_met", say("未达标（项）")), count("undecided", say("无法判定（项）")),
        verdict("verdict", say("国家判定")), verdict("plan_verdict", say("规划判定")), count("overdue", say("预警（条）")),
        *([count("exempt", say("不作预警（条）"))] if frame["exempt"].any() else []), *_borrowed(frame, "planned_county", "county"),
    ]  # fmt: skip
    return report_table(frame, columns, tone="verdict")


def scope_table(frame: pd.DataFrame) -> ReportTable:
    """Schools and students by stage: ``stage, schools, students``."""
    return report_table(frame, [text("stage", say("学段")), count("schools", say("学校（所）")), count("students", say("学生数（人）"))])


def parts_table(frame: pd.DataFrame) -> ReportTable:
    """Items by part: ``label, items, met, not_met, undecided, verdict, decides``."""
    words = verdict_words()
    shown = [say("{verdict}（不计入）", verdict=words[r.verdict]) if not r.decides else words.get(r.verdict, ABSENT) for r in frame.itertuples()]
    columns = [
        text("label", say("部分")), count("items", say("条目（项）")), count("met", say("达标（项）")),
        count("not_met", say("未达标（项）")), count("undecided", say("无法判定（项）")), Column("shown", say("判定"), str, "center"),
    ]  # fmt: skip
    return report_table(frame.assign(shown=shown), columns, tone="verdict")


def advice_table(frame: pd.DataFrame) -> ReportTable:
    """Recommendations with what they rest on: ``text, codes, because``."""
    columns = [text("text", say("建议")), text("codes", say("编号")), text("because", say("依据"))]
    return report_table(frame, columns)


def self_check_table(frame: pd.DataFrame, standards: Mapping[str, str]) -> ReportTable:
    """Items by the national standard and by further ones.

    Parameters
    ----------
    frame : DataFrame
        One row an item: ``code, label, verdict`` (national) and, for every further standard, ``<id>:limit``,
        ``<id>:verdict`` and ``<id>:reason``.
    standards : mapping
        Id of each further standard to its name.
    """
    columns = [text("code", say("编号")), text("label", say("内容")), verdict("verdict", say("国家标准判定"))]
    for name, words in standards.items():
        columns += [
            text(f"{name}:limit", say("{standard}要求", standard=words)), verdict(f"{name}:verdict", say("{standard}判定", standard=words)),
            text(f"{name}:reason", say("说明")),
        ]
    return report_table(frame, columns, tone="verdict")
