"""Printable tables about plans: what they promise, how they hold together, what has become of them."""

from __future__ import annotations

import pandas as pd

from qbresearch.exhibits.style import verdict_words
from qbresearch.exhibits.tables import (
    ABSENT,
    Column,
    ReportTable,
    count,
    report_table,
    text,
    verdict,
    year,
)
from qbresearch.language import clauses, say


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
        "undated": say("没有期限"),
    }  # fmt: skip


def warning_words() -> dict[str, str]:
    """Warnings about conditions."""
    return {"overdue": say("预警：到期未满足"), "soon": say("提醒：下一年到期"), "unknown": say("到期而无法判定"), "": ABSENT}


def check_table(frame: pd.DataFrame) -> ReportTable:
    """Findings about a plan: ``severity, sentence, clause, quote``."""
    columns = [
        text("severity", say("性质"), severity_words()), text("sentence", say("内容")), text("clause", say("规划条款")),
        text("quote", say("原句")),
    ]  # fmt: skip
    return report_table(frame, columns)


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
    """Planned schools: ``planned_school, school, planned, state, reached, slipped, forecast, forecast_state``."""
    forecast = [
        str(int(row.forecast)) if row.forecast_state == "forecast" else {"not_in_sight": say("看不到达标")}.get(row.forecast_state, ABSENT)
        for row in frame.itertuples()
    ]
    same = frame["planned_school"].eq(frame["school"]).all()
    columns = [
        *([] if same else [text("planned_school", say("规划中的学校"))]), text("school", say("数据中的学校")),
        year("planned", say("规划年份")), text("state", say("进展"), progress_words()), year("reached", say("达到年份")),
        count("slipped", say("落后（年）")), text("forecast_words", say("趋势推算")),
    ]  # fmt: skip
    return report_table(frame.assign(forecast_words=forecast), columns)


def conditions_table(frame: pd.DataFrame, *, counties: bool = False) -> ReportTable:
    """Conditions of stages: ``county, stage_label, condition_label, due_when, verdict, warning, reason``.

    ``counties`` adds the county, and the county of the plan it stands for.
    """
    rows = frame.assign(told=[clauses(filter(None, (warning_words()[r.warning], r.reason))) for r in frame.itertuples()])
    rows["told"] = rows["told"].where(rows["warning"].ne("") | rows["reason"].ne(""), ABSENT)
    own = [text("county", say("县（市、区）")), text("planned_county", say("规划中的县"))] if counties else []
    columns = [
        *own, text("label", say("阶段")), text("condition_label", say("条件")), text("due_when", say("到期")),
        verdict("verdict", say("判定")), text("told", say("预警与理由")),
    ]  # fmt: skip
    return report_table(rows, columns, tone="verdict")


def problems_table(frame: pd.DataFrame) -> ReportTable:
    """Problems with measures: ``rank, code, label, reason, measure, departments, deadline``."""
    columns = [
        count("rank", say("序号")), text("item", say("编号")), text("label", say("问题")), text("measure", say("措施")),
        text("departments", say("责任部门")), text("deadline", say("期限")),
    ]  # fmt: skip
    unanswered = say("规划没有对应的措施")
    return report_table(frame.assign(measure=frame["measure"].where(frame["measure"].ne(""), unanswered)), columns)


def lists_table(frame: pd.DataFrame, *, counties: bool = False) -> ReportTable:
    """Tasks and projects by date: ``when, list, what, departments, state``; ``counties`` adds the county."""
    kinds = {"task": say("任务"), "project": say("项目")}
    columns = [
        *([text("county", say("县（市、区）"))] if counties else []), text("when", say("期限")), text("list", say("清单"), kinds),
        text("what", say("内容")), text("departments", say("责任部门")), text("state", say("状态"), project_words()),
    ]  # fmt: skip
    return report_table(frame, columns)


def counties_table(frame: pd.DataFrame) -> ReportTable:
    """Counties of a prefecture: ``county, planned_county, target_year, stage, met, not_met, undecided, verdict,
    plan_verdict, overdue``."""
    columns = [
        text("county", say("县（市、区）")), text("planned_county", say("规划中的县")), year("target_year", say("规划年份")),
        text("stage", say("现处阶段")), count("met", say("达标（项）")), count("not_met", say("未达标（项）")),
        count("undecided", say("无法判定（项）")), verdict("verdict", say("国家判定")), verdict("plan_verdict", say("规划判定")),
        count("overdue", say("预警（条）")),
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
