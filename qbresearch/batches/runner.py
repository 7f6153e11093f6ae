"""Run a planned batch: keep results, records and manifest true to each other whatever happens on the way.

Only the process that holds the run's lock renames files into place. A worker that outlives its parent by a moment
can therefore leave a hidden part file behind, which the next run removes, but never touch a result.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from qbresearch.batches.grid import MANIFEST
from qbresearch.batches.planning import BatchPlan, Job, JobRecord, PlannedJob
from qbresearch.engines.standard import run_tasks
from qbresearch.engines.task import Outcome, Task, error_of, now
from qbresearch.errors import InputError
from qbresearch.provenance import code_sha256, package_versions, write_json

MANIFEST_SCHEMA = "qbresearch.batch/1"
Progress = Callable[[int, int, JobRecord], None]


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What a run of a batch did; ``records`` are those of the jobs that ran now, in the order in which they ended."""

    id: str
    title: str
    folder: Path
    records: tuple[JobRecord, ...]
    skipped: int
    held: int
    seconds: float

    @property
    def succeeded(self) -> int:
        """Jobs that ran now and succeeded."""
        return sum(record.status == "succeeded" for record in self.records)

    @property
    def failed(self) -> int:
        """Jobs that ran now and failed."""
        return len(self.records) - self.succeeded

    def summary(self) -> str:
        """Counts, and every failure with its reason and the notebook to look at, in Chinese."""
        head = f"批次 {self.id}（{self.title}）：成功 {self.succeeded}，失败 {self.failed}，已是最新 {self.skipped}"
        held = f"，本次未选 {self.held}" if self.held else ""
        lines = [f"{head}{held}；用时 {self.seconds:.0f} 秒"]
        return "\n".join([*lines, *(_failure_line(self.folder, r) for r in self.records if r.error)])

    def tidy(self) -> pd.DataFrame:
        """One row a job that ran: name, notebook, status, seconds, error."""
        rows = [(r.name, r.notebook, r.status, r.seconds, _error_text(r)) for r in self.records]
        return pd.DataFrame(rows, columns=["name", "notebook", "status", "seconds", "error"])

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON-able data."""
        counts = {"succeeded": self.succeeded, "failed": self.failed, "skipped": self.skipped, "held": self.held}
        jobs = [record.to_dict() for record in self.records]
        return {"id": self.id, "title": self.title, **counts, "seconds": self.seconds, "jobs": jobs}


def _error_text(record: JobRecord) -> str:
    return f"{record.error['name']}：{record.error['message']}" if record.error else ""


def _failure_line(folder: Path, record: JobRecord) -> str:
    assert record.error is not None
    first_line = _error_text(record).strip().splitlines()[0]
    cell = f"In [{record.error['cell']}] " if record.error["cell"] else ""
    kept = folder / "failed" / f"{record.name}.ipynb"
    look = f"；见 {folder.name}/failed/{kept.name}" if kept.is_file() else ""
    return f"  失败 {record.name}：{cell}{first_line}{look}"


def run_batch(plan: BatchPlan, *, workers: int = 2, timeout: float = 600.0, progress: Progress | None = None) -> BatchResult:
    """Run what a plan says must run, each job in a kernel of its own, several at a time.

    A job that fails does not stop the others. Results that stand are left alone. Can be interrupted at any moment
    and run again: what has a record is not repeated.

    Parameters
    ----------
    plan : BatchPlan
        From ``plan_batch``, just before.
    workers : int
        Worker processes.
    timeout : float
        Seconds one cell may take.
    progress : callable, optional
        Called with the number of jobs ended, the number to run, and the record just written.

    Raises
    ------
    InputError
        Another run is working in the same folder, or ``workers`` or ``timeout`` is not positive.
    KeyboardInterrupt
        The user stopped the run; workers and kernels are gone and the records written so far stand.
    """
    _check_positive(workers, "工作进程数")
    _check_positive(timeout, "每个单元格的时限（秒）")
    plan.folder.mkdir(parents=True, exist_ok=True)
    with lock_run(plan.folder, "运行"):
        return _Run(plan).execute(workers, timeout, progress or (lambda done, total, record: None))


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a run's folder, ``reports/<id>``.

    Raises
    ------
    InputError
        The batch has not been run, or the file has been changed by hand.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["schema"] == MANIFEST_SCHEMA:
            return manifest
        found = f"schema = {manifest['schema']!r}"
    except FileNotFoundError:
        found = "没有这个文件"
    except (ValueError, KeyError, TypeError) as error:
        found = f"{type(error).__name__}：{error}"
    raise InputError(
        "读不到这一批的运行清单", where=str(path), found=found, expected="运行批次时写下的清单", fix="先运行这一批"
    )


def _check_positive(value: float, name: str) -> None:
    if not value > 0:
        raise InputError(
            f"{name}不是正数", where="运行批次的选项", found=str(value), expected="大于 0", fix="改为 1 或更大的数"
        )


@contextmanager
def lock_run(folder: Path, action: str) -> Iterator[None]:
    """Hold the lock of a run's folder, so that no two commands change or read its results at the same time.

    Parameters
    ----------
    folder : Path
        ``reports/<id>``.
    action : str
        What the caller is about to do, in Chinese, for the message.

    Raises
    ------
    InputError
        Another process holds it.
    """
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"这一批正在运行，不能{action}",
            where=str(folder),
            found="另一个运行正占用这个文件夹",
            expected="同一批次同一时间只有一个命令在运行或发布",
            fix=f"等它结束，或在那个窗口按 Ctrl-C 停下后再{action}",
        ) from None
    try:
        yield
    finally:
        lock.release()


class _Run:
    """One run, from the first manifest to the last; the lock is held all the while."""

    def __init__(self, plan: BatchPlan) -> None:
        self._plan, self._folder = plan, plan.folder
        self._jobs = {planned.job.name: planned.job for planned in plan.jobs if planned.action == "run"}
        self._records: dict[str, JobRecord] = {}
        self._started, self._clock = now(), time.monotonic()

    def execute(self, workers: int, timeout: float, progress: Progress) -> BatchResult:
        """Run the jobs; the manifest is brought up to date even when the run is interrupted."""
        self._remove_orphans()
        self._remove_parts()
        self._write_manifest("running")
        state = "interrupted"
        try:
            tasks = [self._task(job, timeout) for job in self._jobs.values()]
            with closing(run_tasks(tasks, workers)) as outcomes:  # workers end before the folder is tidied
                for outcome in outcomes:
                    record = self._settle(outcome)
                    self._records[record.name] = record
                    progress(len(self._records), len(self._jobs), record)
            state = "finished"
        finally:
            self._remove_parts()
            self._write_manifest(state)
        return self._result()

    def _task(self, job: Job, timeout: float) -> Task:
        folders = {"output_folder": str(self._folder.resolve()), "root": str(self._plan.project.root.resolve())}
        cwd = str(self._plan.project.notebooks.resolve())
        return Task(job.name, job.template.text, job.parameters, cwd=cwd, timeout=timeout, **folders)

    def _settle(self, outcome: Outcome) -> JobRecord:
        """Move what a worker wrote to where it belongs, then write the record: a result without one runs again."""
        job = self._jobs[outcome.name]
        if outcome.error is None:
            outcome = self._keep_result(outcome)
        if outcome.error is not None:
            self._keep_failure(outcome)
        record = JobRecord(
            name=job.name,
            notebook=job.notebook,
            status="failed" if outcome.error else "succeeded",
            key=job.key,
            components=job.components,
            parameters=job.parameters,
            output_sha256=None if outcome.error else outcome.sha256,
            seconds=round(outcome.seconds, 3),
            started=outcome.started,
            finished=outcome.finished,
            error=outcome.error,
        )
        write_json(self._folder / f"{job.name}.json", record.to_dict())
        return record

    def _keep_result(self, outcome: Outcome) -> Outcome:
        assert outcome.part is not None
        try:
            os.replace(outcome.part, self._output(outcome.name))
        except OSError as error:  # on Windows: the old result is open in another program
            message = f"写不进 {outcome.name}.ipynb（{error.strerror}）；请关闭正在使用它的程序"
            return replace(outcome, error=error_of(type(error).__name__, message))
        _discard(self._failed_output(outcome.name))
        return outcome

    def _keep_failure(self, outcome: Outcome) -> None:
        """Keep the unfinished notebook apart; no older result may stand in for it."""
        _discard(self._output(outcome.name))
        kept = self._failed_output(outcome.name)
        _discard(kept)
        if outcome.part is not None:
            with suppress(OSError):  # the record tells what went wrong even without the notebook
                kept.parent.mkdir(exist_ok=True)
                os.replace(outcome.part, kept)

    def _output(self, name: str) -> Path:
        return self._folder / f"{name}.ipynb"

    def _failed_output(self, name: str) -> Path:
        return self._folder / "failed" / f"{name}.ipynb"

    def _remove_orphans(self) -> None:
        """Only what a record vouches for is removed: the folder may hold pages and notes of other makers."""
        for name in self._plan.orphans:
            if all([_discard(self._output(name)), _discard(self._failed_output(name))]):
                _discard(self._folder / f"{name}.json")  # kept while a notebook stays, so that the next run sees to it

    def _remove_parts(self) -> None:
        for path in [*self._folder.glob(".*.part"), *self._folder.glob(".*.part.ipynb")]:
            _discard(path)

    def _write_manifest(self, state: str) -> None:
        batch, project = self._plan.batch, self._plan.project
        finished = {} if state == "running" else {"finished": now()}
        manifest = {
            "schema": MANIFEST_SCHEMA,
            "id": batch.id,
            "title": batch.title,
            "cover": batch.cover,
            "state": state,
            "started": self._started,
            **finished,
            "batch_file": _relative(batch.path, project.root),
            "batch_sha256": batch.sha256,
            "code_sha256": code_sha256(),
            "packages": package_versions(),
            "jobs": [self._manifest_entry(planned) for planned in self._plan.jobs],
        }
        write_json(self._folder / MANIFEST, manifest)

    def _manifest_entry(self, planned: PlannedJob) -> dict[str, Any]:
        """A job as it stands. An outdated result is ``pending``, whatever lies in the folder, until it ran again."""
        job = planned.job
        record = self._records.get(job.name) or (planned.record if _still_counts(planned) else None)
        return {
            "name": job.name,
            "notebook": job.notebook,
            "parameters": job.parameters,
            "status": record.status if record else "pending",
            "key": job.key,
            "inputs": {part: job.components[part] for part in ("template", "data", "rules", "code")},
            "output_sha256": record.output_sha256 if record else None,
            "seconds": record.seconds if record else None,
        }

    def _result(self) -> BatchResult:
        actions = [planned.action for planned in self._plan.jobs]
        return BatchResult(
            id=self._plan.batch.id,
            title=self._plan.batch.title,
            folder=self._folder,
            records=tuple(self._records.values()),
            skipped=actions.count("current"),
            held=actions.count("held"),
            seconds=time.monotonic() - self._clock,
        )


def _discard(path: Path) -> bool:
    """Remove a file that no record vouches for; whether it is gone. On Windows one open elsewhere stays for now."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def _still_counts(planned: PlannedJob) -> bool:
    """Whether an earlier record says something true about the job as it is now."""
    if planned.action != "held" or planned.record is None:
        return planned.action == "current"
    return planned.record.status == "failed" and planned.record.key == planned.job.key


def _relative(path: Path, root: Path) -> str:
    path, root = path.resolve(), root.resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
