"""What a fork does: run one notebook of a batch, run cells for a papermill elsewhere, or be a kernel."""

from __future__ import annotations

import faulthandler
import os
import sys
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from papermill.engines import papermill_engines

from qbresearch.engines.running import (
    LOG,
    last_cell,
    part_path,
    run_papermill,
    settle,
    try_notebook,
)
from qbresearch.engines.warm import preload
from qbresearch.engines.warm.cells import CellLog, rebuild
from qbresearch.engines.warm.jobs import CellsJob, KernelJob, RebuildJob, TaskJob
from qbresearch.engines.warm.papermill_engine import NAME, WarmPapermillEngine
from qbresearch.engines.warm.shell import (
    CellTooLongError,
    KernelEndedError,
    LocalKernel,
)


def work(channel: Connection) -> None:
    """Be told over the line what to do, and do it."""
    preload.begin_anew()
    faulthandler.enable(file=2)  # a crash in compiled code leaves its last words on standard error
    job = channel.recv()
    if isinstance(job, TaskJob):
        _run_task(job, channel)
    elif isinstance(job, RebuildJob):
        _rebuild(job, channel)
    elif isinstance(job, CellsJob):
        _run_cells(job, channel)
    else:
        _be_kernel(job)


def _run_task(job: TaskJob, channel: Connection) -> None:
    task = job.task

    def execute() -> tuple[Any, dict[str, Any] | None]:
        WarmPapermillEngine.witness = _Witness(channel, part_path(task, job.token, LOG))
        WarmPapermillEngine.kernel = LocalKernel()
        papermill_engines.register(NAME, WarmPapermillEngine)
        limit_memory(task.memory)
        try:
            return try_notebook(task, lambda t, reached: run_papermill(t, reached, engine_name=NAME), lambda: "")
        finally:
            limit_memory(None)

    channel.send(settle(task, execute, lambda: "", engine="warm", token=job.token))


def _rebuild(job: RebuildJob, channel: Connection) -> None:
    where: dict[str, Any] = {}
    error = dict(job.outcome.error or {})

    def execute() -> tuple[Any, dict[str, Any] | None]:
        notebook = rebuild(part_path(job.task, job.token, LOG))
        if notebook is not None:
            notebook.metadata.papermill["duration"] = round(job.outcome.seconds, 6)
            where.update(last_cell(notebook))
        return notebook, error

    done = settle(job.task, execute, lambda: "", engine="warm", token=job.token)
    if done.error is not None and done.error["name"] != error["name"]:  # it could not be put together or written
        error["traceback"] = (error["traceback"] or "") + "\n" + (done.error["traceback"] or done.error["message"])
    channel.send(replace(job.outcome, part=done.part, sha256=done.sha256, error={**error, **where}, reads=done.reads))


def _run_cells(job: CellsJob, channel: Connection) -> None:
    _move(job.cwd, job.environment)
    kernel = LocalKernel()
    channel.send(("language", kernel.language_info))
    while True:
        try:
            order, *details = channel.recv()
        except (EOFError, OSError):
            return
        if order == "post":
            kernel.post(*details)
            continue
        code, timeout, counted = details
        try:
            reply = kernel.run(code, lambda m: _pass_on(channel, m), timeout=timeout, store_history=counted)
        except CellTooLongError:
            channel.send(("late", None))
        except KernelEndedError:
            return
        else:
            channel.send(("reply", reply))


def _be_kernel(job: KernelJob) -> None:
    _move(job.cwd, job.environment)
    os.environ["JPY_PARENT_PID"] = str(os.getppid())
    sys.argv = list(job.arguments)
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance(argv=list(job.arguments[1:]))


def limit_memory(most: int | None) -> None:
    """Let this process have no more than so many bytes in all; None takes the limit away."""
    import resource

    import psutil

    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    if most is None:
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
        return
    # What the limit counts is more than what is in use: the difference is left to the process.
    info = psutil.Process().memory_info()
    limit = max(most - info.rss, 0) + info.data
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


class _Witness(CellLog):
    """Writes the log, and tells the pool of the beginning of every cell, from which it counts the time."""

    def __init__(self, channel: Connection, path: Path) -> None:
        super().__init__(path)
        self._channel = channel

    def cell(self, index: int) -> None:
        super().cell(index)
        self._channel.send(("cell", index))


def _pass_on(channel: Connection, message: Any) -> None:
    channel.send(("message", message.kind, message.content, message.buffers, message.request))


def _move(cwd: str, environment: dict[str, str]) -> None:
    """Take over the folder and the environment of whoever wants the cells run."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
