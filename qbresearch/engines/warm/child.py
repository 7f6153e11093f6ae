"""What a fork does: run one notebook of a batch, run cells for a papermill elsewhere, or be a kernel."""

from __future__ import annotations

import faulthandler
import os
import sys
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from papermill.engines import papermill_engines

from qbresearch.engines.running import last_cell, part_path, run_papermill, settle, try_notebook
from qbresearch.engines.task import Outcome, Task
from qbresearch.engines.warm import preload
from qbresearch.engines.warm.cells import CellLog, rebuild
from qbresearch.engines.warm.papermill_engine import NAME, WarmPapermillEngine
from qbresearch.engines.warm.shell import CellTooLongError, KernelEndedError, LocalKernel

LOG = "log.part"
READS = "reads.part"


@dataclass(frozen=True, slots=True)
class TaskJob:
    """Run a notebook of a batch, and send ``("cell", index)`` as each cell begins and the outcome at the end."""

    task: Task
    token: str

    def run(self, channel: Connection) -> None:
        """Do it."""
        task = self.task

        def execute() -> tuple[Any, dict[str, Any] | None]:
            WarmPapermillEngine.witness = _Witness(channel, part_path(task, self.token, LOG))
            WarmPapermillEngine.kernel = LocalKernel()
            papermill_engines.register(NAME, WarmPapermillEngine)
            limit_memory(task.memory)
            try:
                return try_notebook(task, lambda t, reached: run_papermill(t, reached, engine_name=NAME), lambda: "")
            finally:
                limit_memory(None)

        channel.send(settle(task, execute, lambda: "", engine="warm", token=self.token))


@dataclass(frozen=True, slots=True)
class RebuildJob:
    """Put together the notebook of a run whose process has died, and send its outcome."""

    task: Task
    token: str
    outcome: Outcome

    def run(self, channel: Connection) -> None:
        """Do it."""
        where: dict[str, Any] = {}

        def execute() -> tuple[Any, dict[str, Any] | None]:
            notebook = rebuild(part_path(self.task, self.token, LOG))
            if notebook is not None:
                notebook.metadata.papermill["duration"] = round(self.outcome.seconds, 6)
                where.update(last_cell(notebook))
            return notebook, {**(self.outcome.error or {}), **where}

        done = settle(self.task, execute, lambda: "", engine="warm", token=self.token)
        channel.send(replace(self.outcome, part=done.part, sha256=done.sha256, error=done.error, reads=done.reads))


@dataclass(frozen=True, slots=True)
class CellsJob:
    """Run cells for a papermill in another process: ``("run", code, timeout, store_history)`` until the line ends."""

    cwd: str
    environment: dict[str, str]

    def run(self, channel: Connection) -> None:
        """Do it."""
        _move(self.cwd, self.environment)
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
            code, timeout, store_history = details
            try:
                answer = ("reply", kernel.run(code, lambda m: _pass_on(channel, m), timeout=timeout, store_history=store_history))
            except CellTooLongError:
                answer = ("late", None)
            except KernelEndedError:
                return
            channel.send(answer)


@dataclass(frozen=True, slots=True)
class KernelJob:
    """Be a Jupyter kernel with a command line like ``python -m ipykernel_launcher -f file``."""

    arguments: tuple[str, ...]
    cwd: str
    environment: dict[str, str]

    def run(self, channel: Connection) -> None:
        """Do it; the line stays open as long as the kernel runs."""
        _move(self.cwd, self.environment)
        os.environ["JPY_PARENT_PID"] = str(os.getppid())
        sys.argv = list(self.arguments)
        preload.forget_frontend()
        from ipykernel.kernelapp import IPKernelApp

        IPKernelApp.launch_instance(argv=list(self.arguments[1:]))


def work(channel: Connection) -> None:
    """Be told over the line what to do, and do it."""
    preload.begin_anew()
    faulthandler.enable(file=2)  # a crash in compiled code leaves its last words on standard error
    channel.recv().run(channel)


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
