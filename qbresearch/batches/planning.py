"""Plan a batch of notebook runs: check all of it at once, and say which runs are needed and why.

Nothing here starts a notebook or imports Jupyter. What must be known about data and rules is handed in, so that a
plan can be tested, and explained to the user, without either.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from qbresearch.batches.batchfile import Batch, Problem
from qbresearch.batches.contract import Scalar, Template
from qbresearch.batches.grid import (
    DataIndex,
    Draft,
    RuleIndex,
    draft_jobs,
    job_names,
)
from qbresearch.errors import InputError
from qbresearch.project import Project
from qbresearch.provenance import (
    code_sha256,
    file_sha256,
    json_sha256,
    package_versions,
)

RECORD_SCHEMA = "qbresearch.job/1"
NEW, FAILED_BEFORE, OUTPUT_LOST = "新任务", "上次失败", "输出缺失或被改动"
CURRENT, UNSELECTED = "已是最新", "本次未选"
CHANGED = {
    "template": "参数或模板已变",
    "parameters": "参数或模板已变",
    "data": "数据已变",
    "rules": "标准已变",
    "code": "程序已变",
    "packages": "程序已变",
}
_LONGEST_LISTING = 60


@dataclass(frozen=True, slots=True)
class Job:
    """One notebook with one set of values; ``key`` is the checksum of ``components``, all that it depends on."""

    name: str
    template: Template
    parameters: dict[str, Scalar]
    components: dict[str, Any]
    key: str

    @property
    def notebook(self) -> str:
        """Name of the notebook, without ``.ipynb``."""
        return self.template.name


@dataclass(frozen=True, slots=True)
class JobRecord:
    """What came of one job; kept as ``reports/<id>/<job>.json``.

    ``status`` is ``succeeded`` or ``failed``. A failed one has in ``error``: ``name``, ``message``, ``cell`` (the
    number in ``In [ ]`` of the notebook kept under ``failed``, or None) and ``traceback`` (what a kernel printed before
    it died, or where the program itself is at fault; otherwise None).
    """

    name: str
    notebook: str
    status: str
    key: str
    components: dict[str, Any]
    parameters: dict[str, Scalar]
    output_sha256: str | None
    seconds: float
    started: str
    finished: str
    error: dict[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON-able data."""
        return {"schema": RECORD_SCHEMA, **asdict(self)}


def read_records(folder: Path) -> dict[str, JobRecord]:
    """Return the job records in a run's folder by job name.

    Other files are passed over, and so is a record that cannot be read: its job then simply runs again.
    """
    records = {}
    for path in sorted(folder.glob("*.json")):
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            if raw.pop("schema", None) == RECORD_SCHEMA and raw["name"] == path.stem:
                records[path.stem] = JobRecord(**raw)
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
    return records


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A job and what is to happen to it: ``run``, ``current`` (its result stands) or ``held`` (not chosen now)."""

    job: Job
    action: str
    reason: str
    record: JobRecord | None


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """What a run of a batch would do; ``orphans`` are results of jobs that are no longer in the grid."""

    batch: Batch
    project: Project
    jobs: tuple[PlannedJob, ...]
    orphans: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where the batch's results lie."""
        return self.project.reports / self.batch.id

    def only(self, text: str) -> BatchPlan:
        """The same plan, running only jobs whose name contains ``text``; nothing of the others is touched."""
        if not any(text in planned.job.name for planned in self.jobs):
            raise InputError(
                "没有名称含此文字的任务",
                where=f"批次 {self.batch.id}",
                found=text,
                expected=f"{len(self.jobs)} 个任务名称之一的一部分，如 {self.jobs[0].job.name}",
                fix="先列出本批任务的名称和原因，再从中选取",
            )
        jobs = (
            p if p.action != "run" or text in p.job.name else replace(p, action="held", reason=UNSELECTED)
            for p in self.jobs
        )
        return replace(self, jobs=tuple(jobs))

    def why_stale(self, name: str) -> str | None:
        """Why a job's result is not what a run would give now, in Chinese; None when the result stands."""
        planned = next((p for p in self.jobs if p.job.name == name), None)
        if planned is None:
            return "不再属于本批"
        return None if planned.action == "current" else planned.reason

    def summary(self) -> str:
        """How many jobs would run and why, in Chinese."""
        actions = Counter(p.action for p in self.jobs)
        reasons = Counter(p.reason for p in self.jobs)
        head = f"批次 {self.batch.id}（{self.batch.title}）：共 {len(self.jobs)} 个任务，需运行 {actions['run']} 个"
        orphans = [f"  不再属于本批、运行时清除：{len(self.orphans)} 个"] if self.orphans else []
        return "\n".join([head, *(f"  {reason}：{count} 个" for reason, count in reasons.most_common()), *orphans])

    def tidy(self) -> pd.DataFrame:
        """One row a job: name, notebook, action, reason."""
        rows = [(p.job.name, p.job.notebook, p.action, p.reason) for p in self.jobs]
        return pd.DataFrame(rows, columns=["name", "notebook", "action", "reason"])

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON-able data."""
        jobs = [
            {
                "name": p.job.name,
                "notebook": p.job.notebook,
                "parameters": p.job.parameters,
                "key": p.job.key,
                "action": p.action,
                "reason": p.reason,
            }
            for p in self.jobs
        ]
        return {"id": self.batch.id, "title": self.batch.title, "jobs": jobs, "orphans": list(self.orphans)}


def plan_batch(batch: Batch, project: Project, data: DataIndex, rules: RuleIndex) -> BatchPlan:
    """Check a whole batch and say for each of its jobs whether it must run, and why.

    What a job asks of the data comes from its parameters by name: ``source_id``, ``county_code`` (absent or empty:
    the whole source), ``school_year``, ``standard_id``, ``design_id`` and ``plan_id``, wherever their values come from:
    grid, common or default. A notebook that declares ``plan_id`` reads the tables beside the schools as well.

    Parameters
    ----------
    batch : Batch
        As read by :func:`qbresearch.batches.batchfile.load_batch`.
    project : Project
        Where notebooks and reports lie.
    data : DataIndex
        What the processed data hold.
    rules : RuleIndex
        What the rules hold.

    Raises
    ------
    InputError
        Anything is wrong. The message lists every problem, with lines of the batch file where they are known.
    """
    drafts, problems = draft_jobs(batch, project, data, rules)
    if problems:
        raise _refusal(batch, problems)
    jobs = _key_jobs(drafts, data, rules)
    folder = project.reports / batch.id
    records = read_records(folder)
    planned = tuple(_plan_job(job, records.get(job.name), folder) for job in jobs)
    return BatchPlan(batch, project, planned, tuple(sorted(set(records) - {job.name for job in jobs})))


def _refusal(batch: Batch, problems: list[Problem]) -> InputError:
    ordered = sorted(problems, key=lambda p: p.line or math.inf)
    rows = [f"\n    {number}. {problem}" for number, problem in enumerate(ordered[:_LONGEST_LISTING], 1)]
    rest = len(ordered) - len(rows)
    return InputError(
        f"批次 {batch.id} 有 {len(ordered)} 处要改，改好之前一个任务也不运行",
        where=str(batch.path),
        found="".join(rows) + (f"\n    ……另有 {rest} 处" if rest else ""),
        expected="批次文件、笔记本的参数单元格、已构建的数据三者一致",
        fix="按上面列出的行逐条修改，再运行一次",
    )


def _key_jobs(drafts: list[Draft], data: DataIndex, rules: RuleIndex) -> list[Job]:
    code, packages = code_sha256(), package_versions()
    slice_sha256 = cache(data.slice_sha256)  # many jobs share a slice, and its checksum may take a while
    beside = cache(data.beside)
    jobs = []
    for name, draft in zip(job_names(drafts), drafts, strict=True):
        values = draft.parameters
        asked = ("source_id", "county_code", "standard_id", "design_id", "plan_id")
        source, county, standard, design, plan = (values.get(key) or None for key in asked)
        read = [source, *(rules.design_sources(design) if design else ())] if source else []
        if source and "plan_id" in values:
            read += beside(source, county)
        slices = [slice_sha256(name, county) for name in read]
        judged = [rules.standard_sha256(standard)] if standard else []
        judged += [rules.plan_sha256(plan)] if plan else []
        components = {
            "template": draft.template.sha256,
            "parameters": json_sha256(values),
            "data": slices[0] if len(slices) == 1 else json_sha256(slices) if slices else None,
            "rules": judged[0] if len(judged) == 1 else json_sha256(judged) if judged else None,
            "code": code,
            "packages": packages,
        }
        jobs.append(Job(name, draft.template, values, components, json_sha256(components)))
    return jobs


def _plan_job(job: Job, record: JobRecord | None, folder: Path) -> PlannedJob:
    reason = _reason_to_run(job, record, folder / f"{job.name}.ipynb")
    return PlannedJob(job, "run" if reason else "current", reason or CURRENT, record)


def _reason_to_run(job: Job, record: JobRecord | None, output: Path) -> str:
    """Why a job must run, in Chinese; empty when its result stands."""
    if record is None:
        return NEW
    if record.status != "succeeded":
        return FAILED_BEFORE
    if record.key != job.key:
        changed = (text for part, text in CHANGED.items() if record.components.get(part) != job.components[part])
        return "、".join(dict.fromkeys(changed)) or CHANGED["code"]
    return "" if output.is_file() and file_sha256(output) == record.output_sha256 else OUTPUT_LOST
