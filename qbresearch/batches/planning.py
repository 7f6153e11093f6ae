"""Plan a batch of notebook runs: check all of it at once, and say which runs are needed and why.

Nothing here starts a notebook or imports Jupyter. What must be known about data and rules is handed in, so that a
plan can be tested, and explained to the user, without either.

A result stands as long as everything it rests on has the checksum it had: the text of its notebook, its parameters, the
code of the package that the notebook uses, the versions of libraries, and whatever the run said it had read.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from qbresearch.batches.ledger import SUCCEEDED, JobRecord, Ledger
from qbresearch.code_used import module_checksums, modules_of_notebook
from qbresearch.errors import InputError
from qbresearch.project import Project
from qbresearch.provenance import file_sha256, json_sha256, package_versions
from qbresearch.traces import find_place, listing_sha256

NEW, FAILED_BEFORE, OUTPUT_LOST = "新任务", "上次失败", "输出缺失或被改动"
CURRENT, UNSELECTED = "已是最新", "本次未选"
CHANGED = {"template": "模板已变", "parameters": "参数已变", "code": "程序已变", "packages": "软件包已变"}
DATA_CHANGED, RULES_CHANGED, WORDS_CHANGED = "数据已变", "规则已变", "文字已变"
_LONGEST_LISTING = 60
_LONGEST_DETAIL = 4


@dataclass(frozen=True, slots=True)
class Job:
    """One notebook with one set of values.

    ``components`` are the checksums of what it is made of before it runs. ``reads`` are those of what it is known to
    read by its parameters alone, for notebooks that read without the help of the package.
    """

    name: str
    template: Template
    parameters: dict[str, Scalar]
    components: dict[str, Any]
    reads: dict[str, str | None]

    @property
    def notebook(self) -> str:
        """Name of the notebook, without ``.ipynb``."""
        return self.template.name

    def key(self, reads: Mapping[str, str | None]) -> str:
        """Checksum of all that a run of the job rests on, given what it has read."""
        return json_sha256([self.components, dict(reads)])


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A job and what is to happen to it: ``run``, ``current`` (its result stands) or ``held`` (not chosen now).

    ``details`` name what has changed, one by one, where ``reason`` says in a word that something has.
    """

    job: Job
    action: str
    reason: str
    record: JobRecord | None
    details: tuple[str, ...] = ()

    @property
    def explanation(self) -> str:
        """Reason and details in one line."""
        shown = "、".join(self.details[:_LONGEST_DETAIL]) + (" 等" if self.details[_LONGEST_DETAIL:] else "")
        return f"{self.reason}（{shown}）" if shown else self.reason


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """What a run of a batch would do; ``orphans`` are results of jobs that are no longer in the grid.

    ``modules`` are the checksums of modules behind each ``components["code"]``.
    """

    batch: Batch
    project: Project
    jobs: tuple[PlannedJob, ...]
    orphans: tuple[str, ...]
    modules: Mapping[str, Mapping[str, str]]

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
        """One row a job: name, notebook, action, reason, details."""
        rows = [(p.job.name, p.job.notebook, p.action, p.reason, "；".join(p.details)) for p in self.jobs]
        return pd.DataFrame(rows, columns=["name", "notebook", "action", "reason", "details"])

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON-able data."""
        jobs = [
            {
                "name": p.job.name,
                "notebook": p.job.notebook,
                "parameters": p.job.parameters,
                "action": p.action,
                "reason": p.reason,
                "details": list(p.details),
            }
            for p in self.jobs
        ]
        return {"id": self.batch.id, "title": self.batch.title, "jobs": jobs, "orphans": list(self.orphans)}


def plan_batch(batch: Batch, project: Project, data: DataIndex, rules: RuleIndex) -> BatchPlan:
    """Check a whole batch and say for each of its jobs whether it must run, and why.

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
    code, packages = _Code(), package_versions()
    present = _Present(project, data)
    jobs = [_job(name, draft, code, packages, present) for name, draft in zip(job_names(drafts), drafts, strict=True)]
    folder = project.reports / batch.id
    ledger = Ledger(folder)
    records = ledger.records()
    look = _Look(folder, code, present, cache(ledger.modules))
    planned = tuple(look.plan(job, records.get(job.name)) for job in jobs)
    orphans = tuple(sorted(set(records) - {job.name for job in jobs}))
    return BatchPlan(batch, project, planned, orphans, code.modules)


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


class _Code:
    """Code that notebooks use, found out once a notebook; ``modules`` are the checksums behind each checksum."""

    def __init__(self) -> None:
        self.modules: dict[str, dict[str, str]] = {}
        self._by_template: dict[str, str] = {}

    def sha256(self, template: Template) -> str:
        if template.sha256 not in self._by_template:
            checksums = module_checksums(modules_of_notebook(template.code))
            sha256 = json_sha256(checksums)
            self.modules[sha256] = checksums
            self._by_template[template.sha256] = sha256
        return self._by_template[template.sha256]


class _Present:
    """Checksums that things have now, by the keys under which runs said they had read them; None: gone or unknown."""

    def __init__(self, project: Project, data: DataIndex) -> None:
        self._root, self._data = project.root, data
        self.sha256 = cache(self._sha256)  # thousands of jobs have read the same

    def _sha256(self, key: str) -> str | None:
        kind, name = key.split(":", 1)
        if kind not in ("file", "listing"):
            return self._data.answer(kind, name)
        path = find_place(name, self._root)
        if kind == "listing":
            return listing_sha256(path)
        return file_sha256(path) if path.is_file() else None


def _job(name: str, draft: Draft, code: _Code, packages: Mapping[str, str], present: _Present) -> Job:
    values, template = draft.parameters, draft.template
    components = {
        "template": template.sha256,
        "parameters": json_sha256(values),
        "code": code.sha256(template),
        "packages": packages,
    }
    source = values.get("source_id")
    rows = f"rows:{source}/{values.get('county_code') or ''}"
    return Job(name, template, values, components, {rows: present.sha256(rows)} if source else {})


class _Look:
    """Looks at jobs beside what the ledger says about them."""

    def __init__(self, folder: Path, code: _Code, present: _Present, known_modules: Any) -> None:
        self._folder, self._code, self._present, self._known_modules = folder, code, present, known_modules

    def plan(self, job: Job, record: JobRecord | None) -> PlannedJob:
        if record is None:
            return PlannedJob(job, "run", NEW, None)
        reasons = self._reasons(job, record)
        if record.status != SUCCEEDED:
            # What has changed since matters: it may be what was put right.
            return PlannedJob(job, "run", FAILED_BEFORE, record, tuple(detail for _, detail in reasons))
        if not reasons:
            return PlannedJob(job, "current", CURRENT, record)
        words = "、".join(dict.fromkeys(reason for reason, _ in reasons))
        return PlannedJob(job, "run", words, record, tuple(filter(None, dict.fromkeys(d for _, d in reasons))))

    def _reasons(self, job: Job, record: JobRecord) -> list[tuple[str, str]]:
        """Everything that has changed since the record was made, each with its name."""
        reasons = []
        for part, text in CHANGED.items():
            if record.components.get(part) != job.components[part]:
                reasons += [(text, detail) for detail in self._changed_part(part, job, record) or [""]]
        for key in sorted({*job.reads, *record.reads}):
            if record.reads.get(key) != self._present.sha256(key):
                reasons.append(_changed_read(key))
        if not reasons and record.status == SUCCEEDED:
            output = self._folder / f"{job.name}.ipynb"
            if not output.is_file() or file_sha256(output) != record.output_sha256:
                reasons.append((OUTPUT_LOST, ""))
        return reasons

    def _changed_part(self, part: str, job: Job, record: JobRecord) -> list[str]:
        if part == "parameters":
            return _differing(record.parameters, job.parameters)
        if part == "template":
            return [f"{job.notebook}.ipynb"]
        before, after = record.components.get(part), job.components[part]
        if part == "code":
            before, after = self._known_modules(str(before)), self._code.modules[str(after)]
            return [f"{name.removeprefix('qbresearch.').replace('.', '/')}.py" for name in _differing(before, after)]
        return [f"{name} {(before or {}).get(name, '无')}→{after.get(name, '无')}" for name in _differing(before or {}, after)]


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]


def _changed_read(key: str) -> tuple[str, str]:
    kind, name = key.split(":", 1)
    if kind in ("file", "listing"):
        is_language = name.startswith("qbresearch/language")
        return (WORDS_CHANGED if is_language else RULES_CHANGED), name.removeprefix("qbresearch/")
    shown = " ".join(filter(None, name.split("/")))
    what = {"rows": "", "facts": "登记", "files": "原始文件", "beside": "配套表"}.get(kind, kind)
    return DATA_CHANGED, f"{shown} {what}".strip()
