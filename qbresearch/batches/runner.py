"""Run a planned batch: keep results, records and manifest true to each other whatever happens on the way.

Only the process that holds the run's lock renames files into place and writes the ledger. A worker that outlives its
parent by a moment can therefore leave a hidden part file behind, which the next run removes, but never touch a result.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from filelock import FileLock, Timeout

from qbresearch.batches.grid import MANIFEST
from qbresearch.batches.ledger import (
    FAILED,
    FINISHED,
    INTERRUPTED,
    RUNNING,
    SUCCEEDED,
    JobRecord,
    Ledger,
)
from qbresearch.batches.planning import BatchPlan, Job, PlannedJob
from qbresearch.engines.choice import Choice, choose_engine
from qbresearch.engines.cluster.engine import ClusterEngine
from qbresearch.engines.task import Outcome, Task, error_of, now
from qbresearch.errors import InputError
from qbresearch.provenance import code_sha256, package_versions, write_json

MANIFEST_SCHEMA = "qbresearch.batch/1"


class Watcher(Protocol):
    """Is told what a run is doing, while it does it."""

    def begun(self, total: int, workers: int) -> None:
        """So many jobs are to run, so many at a time."""

    def started(self, worker: int, job: Job) -> None:
        """A worker (numbered from 0) has begun a job."""

    def ended(self, record: JobRecord, worker: int | None) -> None:
        """A job has ended, on this worker, and its record is in the ledger."""

    def finished(self) -> None:
        """Nothing more will come, whether all is done or the run was interrupted."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What a run of a batch did; ``records`` are those of the jobs that ran now, in the order in which they ended."""

    id: str
    title: str
    folder: Path
    run: int
    records: tuple[JobRecord, ...]
    skipped: int
    held: int
    seconds: float

    @property
    def succeeded(self) -> int:
        """Jobs that ran now and succeeded."""
        return sum(record.status == SUCCEEDED for record in self.records)

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
        return {"id": self.id, "title": self.title, "run": self.run, **counts, "seconds": self.seconds, "jobs": jobs}


def _error_text(record: JobRecord) -> str:
    return f"{record.error['name']}：{record.error['message']}" if record.error else ""


def _failure_line(folder: Path, record: JobRecord) -> str:
    assert record.error is not None
    first_line = _error_text(record).strip().splitlines()[0]
    cell = f"In [{record.error['cell']}] " if record.error["cell"] else ""
    kept = folder / "failed" / f"{record.name}.ipynb"
    look = f"；见 {folder.name}/failed/{kept.name}" if kept.is_file() else ""
    return f"  失败 {record.name}：{cell}{first_line}{look}"


def run_batch(
    plan: BatchPlan, *, workers: int = 2, timeout: float = 600.0, memory: int | None = None, engine: str = "auto",
    scheduler: str | None = None, watch: Watcher | None = None,
) -> BatchResult:
    """Run what a plan says must run, each job in a process of its own, several at a time.

    A job that fails does not stop the others. Results that stand are left alone. Can be interrupted at any moment
    and run again: what the ledger holds is not repeated.

    Parameters
    ----------
    plan : BatchPlan
        From ``plan_batch``, just before.
    workers : int
        Worker processes.
    timeout : float
        Seconds one cell may take.
    memory : int, optional
        Bytes one job may use; by default as much as there is.
    engine : {"auto", "warm", "standard"}
        How notebooks are run, see :func:`qbresearch.engines.choice.choose_engine`.
    scheduler : str, optional
        Address of a dask.distributed scheduler whose workers run the notebooks, ``tcp://host:8786``; how many run at a
        time is then for the cluster to say.
    watch : Watcher, optional
        Is told what happens.

    Raises
    ------
    InputError
        Another run is working in the same folder; ``workers``, ``timeout`` or ``memory`` is not positive; there is no
        such engine here; the scheduler cannot be reached, or its workers are of another version; the disk is full or
        the folder cannot be written. What is done so far stands.
    KeyboardInterrupt
        The user stopped the run; workers and kernels are gone and the records written so far stand.
    """
    _check_positive(workers, "工作进程数")
    _check_positive(timeout, "每个单元格的时限（秒）")
    _check_positive(1 if memory is None else memory, "每个任务的内存上限")
    plan.folder.mkdir(parents=True, exist_ok=True)
    with lock_run(plan.folder, "运行"):
        serving = ClusterEngine(scheduler, engine) if scheduler else choose_engine(engine)
        return _Run(plan, serving, watch).execute(workers, timeout, memory)


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

    def __init__(self, plan: BatchPlan, engine: Choice | ClusterEngine, watch: Watcher | None) -> None:
        self._plan, self._folder, self._engine, self._watch = plan, plan.folder, engine, watch
        self._ledger = Ledger(plan.folder)
        self._jobs = {planned.job.name: planned.job for planned in plan.jobs if planned.action == "run"}
        self._records: dict[str, JobRecord] = {}
        self._at: dict[str, int] = {}
        self._number = 0
        self._started, self._clock = now(), time.monotonic()

    def execute(self, workers: int, timeout: float, memory: int | None) -> BatchResult:
        """Run the jobs; ledger and manifest are brought up to date even when the run is interrupted."""
        self._ledger.prepare()
        self._remove_orphans()
        self._remove_parts()
        self._begin(workers)
        state = INTERRUPTED
        try:
            tasks = [self._task(job, timeout, memory) for job in self._jobs.values()]
            with closing(self._engine.run(tasks, workers, self._note_start)) as outcomes:  # ends before the tidying
                for outcome in outcomes:
                    if outcome.name not in self._records:
                        self._settle(outcome)
            state = FINISHED
        finally:
            if self._watch:
                self._watch.finished()
            self._end(state)
        return self._result()

    def _begin(self, workers: int) -> None:
        actions = [planned.action for planned in self._plan.jobs]
        for sha256 in {str(job.components["code"]) for job in self._jobs.values()}:
            self._ledger.keep_code(self._plan.modules[sha256], sha256)
        self._number = self._ledger.begin(
            engine=self._engine.name, workers=workers, jobs=len(self._jobs), skipped=actions.count("current"),
            held=actions.count("held"),
        )
        self._write_manifest(RUNNING)
        if self._watch:
            self._watch.begun(len(self._jobs), workers)

    def _end(self, state: str) -> None:
        self._remove_parts()
        if state == FINISHED:
            self._ledger.end(self._number, state)
            self._write_manifest(state)
            return
        # Something is being raised already, perhaps because the disk is full; it must not be hidden by the same again.
        with suppress(InputError, OSError):
            self._ledger.end(self._number, state)
            self._write_manifest(state)

    def _note_start(self, worker: int, task: Task) -> None:
        self._at[task.name] = worker
        if self._watch:
            self._watch.started(worker, self._jobs[task.name])

    def _task(self, job: Job, timeout: float, memory: int | None) -> Task:
        folders = {"output_folder": str(self._folder.resolve()), "root": str(self._plan.project.root.resolve())}
        cwd = str(self._plan.project.notebooks.resolve())
        return Task(job.name, job.template.text, job.parameters, cwd=cwd, timeout=timeout, memory=memory, **folders)

    def _settle(self, outcome: Outcome) -> None:
        """Move what a worker wrote to where it belongs, then enter it: a result that is in no ledger runs again."""
        job = self._jobs[outcome.name]
        if outcome.error is None:
            outcome = self._keep_result(outcome)
        if outcome.error is not None:
            self._keep_failure(outcome)
        reads = {**job.reads, **outcome.reads}
        record = JobRecord(
            name=job.name,
            notebook=job.notebook,
            status=FAILED if outcome.error else SUCCEEDED,
            key=job.key(reads),
            components=job.components,
            parameters=job.parameters,
            output_sha256=None if outcome.error else outcome.sha256,
            seconds=round(outcome.seconds, 3),
            started=outcome.started,
            finished=outcome.finished,
            error=outcome.error,
            reads=reads,
            engine=outcome.engine,
            tries=outcome.tries,
            memory=outcome.memory,
            cpu=None if outcome.cpu is None else round(outcome.cpu, 3),
            run=self._number,
        )
        self._ledger.settle(record)
        self._records[record.name] = record
        if self._watch:
            self._watch.ended(record, self._at.get(record.name))

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
        """Only what the ledger vouches for is removed: the folder may hold pages and notes of other makers."""
        # A record is kept while a notebook stays, so that the next run sees to it.
        self._ledger.forget(
            [n for n in self._plan.orphans if all([_discard(self._output(n)), _discard(self._failed_output(n))])]
        )

    def _remove_parts(self) -> None:
        for path in [*self._folder.glob(".*.part"), *self._folder.glob(".*.part.ipynb")]:
            _discard(path)

    def _write_manifest(self, state: str) -> None:
        batch, project = self._plan.batch, self._plan.project
        finished = {} if state == RUNNING else {"finished": now()}
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
            "key": record.key if record else "",
            "inputs": {**{part: job.components[part] for part in ("template", "code")}, **(record.reads if record else {})},
            "output_sha256": record.output_sha256 if record else None,
            "seconds": record.seconds if record else None,
        }

    def _result(self) -> BatchResult:
        actions = [planned.action for planned in self._plan.jobs]
        return BatchResult(
            id=self._plan.batch.id,
            title=self._plan.batch.title,
            folder=self._folder,
            run=self._number,
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
    return planned.record.status == FAILED and not planned.details


def _relative(path: Path, root: Path) -> str:
    path, root = path.resolve(), root.resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
