"""The three lists of a county (任务、项目、期限三张清单), and their sum for a prefecture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from qbresearch.errors import InputError
from qbresearch.exhibits.figures.plans import plot_phases
from qbresearch.language import label_of, listed, say
from qbresearch.results.plans.findings import month_words, statistics_month
from qbresearch.results.plans.problems import (
    ProblemList,
    county_deadline,
    task_deadline,
)
from qbresearch.rules.plan_texts import parse_month
from qbresearch.rules.plans import Month, PlanUse
from qbresearch.statistics.records import plain_records

DONE, DONE_LATE, RUNNING, LATE, AHEAD, UNDATED = "done", "done_late", "running", "late", "ahead", "undated"
UNRECORDED = "unrecorded"
"""Nothing in the data says how far a task of the plan has come."""
TASKS = ["task", "measure", "departments", "problems", "codes", "deadline", "when", "state"]
PROJECTS = [
    "project", "items", "department", "start", "deadline", "finished", "investment_yuan", "state", "after_statistics",
]  # fmt: skip
DEADLINES = ["when", "list", "what", "departments", "state", "year", "month"]
NEEDED = ("county_code", "project", "item", "department", "start", "deadline", "finished", "investment_yuan")


@dataclass(frozen=True, slots=True)
class ThreeLists:
    """Tasks, projects and deadlines of one county.

    tasks : one row a task of the plan (``TASKS``): ``problems`` (of the county that it answers), ``codes``, ``when`` (in
        words; it says so where that is the plan's overall target), ``state`` (``late`` where it is past and problems are
        left, else ``unrecorded``: no data say how far a task has come).
    projects : one row a project (``PROJECTS``): ``state`` (``done``, ``done_late``, ``running``, ``late``, ``ahead``,
        ``undated`` without a deadline), ``after_statistics`` (it is finished, or due, after the statistics on which the
        county's inspection rests).
    deadlines : both by date (``DEADLINES``), undated ones last.
    supplied : whether there was a project table; without one nothing is said about projects.
    """

    plan_id: str
    county_code: str
    county: str
    tasks: pd.DataFrame = field(repr=False)
    projects: pd.DataFrame = field(repr=False)
    deadlines: pd.DataFrame = field(repr=False)
    supplied: bool

    def tidy(self) -> pd.DataFrame:
        """A copy of ``deadlines``: every task and project with its date."""
        return self.deadlines.copy()

    def late(self) -> int:
        """Number of projects finished late or late now."""
        return int(self.projects["state"].isin([LATE, DONE_LATE]).sum())

    def summary(self) -> str:
        """Number of tasks, projects and late projects, in one sentence."""
        values = {"county": self.county, "tasks": int(self.tasks["problems"].gt(0).sum())}
        if not self.supplied:
            return say("{county}：针对未达标条目的任务 {tasks} 项；没有项目数据", **values)
        return say(
            "{county}：针对未达标条目的任务 {tasks} 项，项目 {projects} 个，其中逾期 {late} 个", projects=len(self.projects),
            late=self.late(), **values,
        )  # fmt: skip

    def plot(self, *, as_of: str | None = None, ax: Axes | None = None) -> Axes:
        """The projects of the county along the months."""
        frame = self.projects.rename(columns={"project": "label", "deadline": "end"}).assign(group="")
        return plot_phases(frame, as_of=as_of, ax=ax)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "plan": self.plan_id, "county_code": self.county_code, "county": self.county, "supplied": self.supplied,
            **{name: plain_records(getattr(self, name)) for name in ("tasks", "projects", "deadlines")},
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class RolledUpLists:
    """The three lists of all counties of a prefecture.

    table : one row a county: ``tasks`` (that answer a problem), ``projects``, ``projects_done``, ``projects_late``,
        ``after_statistics``, ``investment_yuan`` (NaN while one project's is missing) and ``supplied``. tasks,
        projects, deadlines : those of all counties with ``county_code`` and ``county`` in front.
    """

    table: pd.DataFrame
    tasks: pd.DataFrame = field(repr=False)
    projects: pd.DataFrame = field(repr=False)
    deadlines: pd.DataFrame = field(repr=False)

    def tidy(self) -> pd.DataFrame:
        """A copy of ``table``."""
        return self.table.copy()

    def summary(self) -> str:
        """Counties, projects and late projects, in one sentence."""
        return say(
            "{n} 个县：项目 {projects} 个，逾期 {late} 个", n=len(self.table), projects=int(self.table["projects"].sum()),
            late=int(self.table["projects_late"].sum()),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {name: plain_records(getattr(self, name)) for name in ("table", "tasks", "projects", "deadlines")}


def three_lists(
    use: PlanUse, problems: ProblemList, projects: pd.DataFrame | None = None, *, as_of: Month, county_code: str = "",
    county: str = "",
) -> ThreeLists:
    """Draw up the lists of tasks, projects and deadlines of one county.

    Parameters
    ----------
    use : PlanUse
        Its tasks, and the year of the county's inspection.
    problems : ProblemList
        What the county does not meet; see :func:`qbresearch.results.plans.problems.list_problems`.
    projects : DataFrame, optional
        Rows of the project table; those of other counties are left out. Months are ``YYYY-MM``; blank where unknown.
    as_of : Month
        Month at whose end is looked: what is due in it and not finished by then is late, and what was finished later is not
        finished yet.
    county_code, county : str
        The county; the code is that of the use where it has one.

    Raises
    ------
    InputError
        A column is missing, or a month is not ``YYYY-MM``.
    """
    code = county_code or use.county_code
    name = county or next((c.name for c in use.plan.counties if c.code == code and code), use.plan.place)
    if projects is not None and (missing := [column for column in NEEDED if column not in projects]):
        raise InputError(
            "缺少列", where="项目表", found="没有 " + "、".join(missing), expected="、".join(NEEDED), fix="补上这些列"
        )
    target = county_deadline(use, code).month
    statistics = statistics_month(target.year) if target else None
    own = None if projects is None else projects[projects["county_code"] == code]
    rows = [] if own is None else [_project(row, as_of, statistics) for row in own.to_dict("records")]
    listed_projects = pd.DataFrame(rows, columns=PROJECTS).astype({"investment_yuan": float})
    tasks = _tasks(use, problems, as_of, code)
    return ThreeLists(use.id, code, name, tasks, listed_projects, _deadlines(tasks, listed_projects), own is not None)


def roll_up(lists: Mapping[str, ThreeLists]) -> RolledUpLists:
    """The lists of all counties of a prefecture, and one row of counts a county.

    Raises
    ------
    InputError
        No county at all.
    """
    if not lists:
        raise InputError("没有一个县的清单", where="三张清单", found="0 个县", expected="至少一个县", fix="先为各县生成清单")
    table = pd.DataFrame([
        {
            "county_code": code, "county": own.county, "tasks": int(own.tasks["problems"].gt(0).sum()),
            "projects": len(own.projects), "projects_done": int(own.projects["state"].isin([DONE, DONE_LATE]).sum()),
            "projects_late": own.late(), "after_statistics": int(own.projects["after_statistics"].astype(bool).sum()),
            "investment_yuan": own.projects["investment_yuan"].sum(skipna=False) if own.supplied else float("nan"),
            "supplied": own.supplied,
        }
        for code, own in lists.items()
    ])  # fmt: skip
    joined = {
        name: pd.concat(
            [getattr(own, name).assign(county_code=code, county=own.county) for code, own in lists.items()], ignore_index=True
        ).pipe(lambda frame: frame[["county_code", "county", *frame.columns[:-2]]])
        for name in ("tasks", "projects", "deadlines")
    }
    return RolledUpLists(table, **joined)


def _month(text: object, row: Mapping[str, Any]) -> Month | None:
    if pd.isna(text) or text == "":
        return None
    month = parse_month(str(text))
    if month is None:
        raise InputError(
            "月份的写法不对", where=f"项目表 {row['project']}", found=repr(text), expected="年-月，如 2026-08", fix="改成年-月；不知道的留空"
        )
    return month


def _project(row: Mapping[str, Any], as_of: Month, statistics: Month | None) -> dict[str, Any]:
    start, deadline, finished = (_month(row[name], row) for name in ("start", "deadline", "finished"))
    ready = finished or deadline
    return {
        "project": row["project"], "items": row["item"], "department": row["department"],
        "start": _text(start), "deadline": _text(deadline), "finished": _text(finished),
        "investment_yuan": row["investment_yuan"], "state": _state(start, deadline, finished, as_of),
        "after_statistics": bool(ready and statistics and ready.first > statistics.first),
    }  # fmt: skip


def _state(start: Month | None, deadline: Month | None, finished: Month | None, as_of: Month) -> str:
    if finished is not None and finished.first <= as_of.last:
        return DONE_LATE if deadline and finished.first > deadline.last else DONE
    if start is not None and start.first > as_of.last:
        return AHEAD
    if deadline is None:
        return UNDATED
    return LATE if deadline.last <= as_of.last else RUNNING


def _text(month: Month | None) -> str:
    if month is None:
        return ""
    return f"{month.year}-{month.month:02d}" if month.month else str(month.year)


def _tasks(use: PlanUse, problems: ProblemList, as_of: Month, code: str) -> pd.DataFrame:
    rows = []
    for task in use.plan.tasks:
        own = problems.answers[problems.answers["task"] == task.id]
        deadline = task_deadline(task, use, code)
        past = deadline.month is not None and deadline.month.last <= as_of.last
        rows.append({
            "task": task.id, "measure": label_of(task), "departments": listed(task.departments), "problems": own["rank"].nunique(),
            "codes": listed(own["code"].unique()), "deadline": _text(deadline.month), "when": deadline.words,
            "state": LATE if past and len(own) else UNRECORDED,
        })
    return pd.DataFrame(rows, columns=TASKS)


def _deadlines(tasks: pd.DataFrame, projects: pd.DataFrame) -> pd.DataFrame:
    open_tasks = tasks[tasks["problems"] > 0]
    rows = [("task", r.measure, r.departments, r.state, r.deadline, r.when) for r in open_tasks.itertuples()]
    rows += [("project", r.project, r.department, r.state, r.deadline, "") for r in projects.itertuples()]
    records = []
    for kind, what, departments, state, text, when in rows:
        month = parse_month(text)
        year, number = month.last if month else (float("nan"), float("nan"))
        records.append({
            "when": when or (month_words(month) if month else say("未定期限")), "list": kind, "what": what, "departments": departments,
            "state": state, "year": year, "month": number,
        })
    frame = pd.DataFrame(records, columns=DEADLINES).astype({"year": float, "month": float})
    return frame.sort_values(["year", "month"], kind="stable", na_position="last").reset_index(drop=True)
