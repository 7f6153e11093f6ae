"""Run many notebooks, several at a time, each in a fork of one warm process."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from typing import Any

from qbresearch.engines.running import (
    ENGINE_DIED,
    LOG,
    READS_PART,
    START_TIMEOUT,
    TRIES,
    death_error,
    fault_error,
    memory_error,
    part_path,
    take_reads,
    timeout_error,
)
from qbresearch.engines.task import Outcome, Task, error_of, now
from qbresearch.engines.warm.handle import Fork, Zygote
from qbresearch.engines.warm.jobs import RebuildJob, TaskJob
from qbresearch.engines.watching import kill_group, memory_of
from qbresearch.provenance import PACKAGE

GRACE = 5.0  # seconds that a cell may go on after it has been told to stop
_POLL = 0.5
_SIGKILL = -9
_FATAL = (-11, -6, -7)  # how compiled code ends that gets no memory: SIGSEGV, SIGABRT, SIGBUS


@dataclass
class _Run:
    """A task and the fork that runs it."""

    task: Task
    tries: int
    slot: int
    fork: Fork | None = None
    dead: Outcome | None = None  # what is known of a run that died: what remains is to put its notebook together
    token: str = ""
    clock: float = field(default_factory=time.monotonic)
    started: str = field(default_factory=now)
    deadline: float | None = None
    killed_for: str = ""
    outcome: Outcome | None = None
    memory: int = 0


class WarmEngine:
    """A fork of a warm process for every notebook: nothing is imported twice, and nothing is left of one to the next.

    Parameters
    ----------
    everything : bool, optional
        Whether the process loads all that notebooks use. If not, it is there sooner, and each notebook imports what it
        needs. Without a word, what the notebooks say decides.
    keep : bool
        Whether the process, loaded with everything, stays for the next call of :meth:`run`; it ends with the caller.
    """

    name = "warm"

    def __init__(self, *, everything: bool | None = None, keep: bool = False) -> None:
        self._everything, self._keep = everything, keep
        self._zygote: Zygote | None = None

    def run(
        self, tasks: list[Task], workers: int, on_start: Callable[[int, Task], None] | None = None
    ) -> Generator[Outcome, None, None]:
        """Yield the outcome of every task as it ends; see :class:`qbresearch.engines.task.Engine`."""
        if not tasks:
            return
        everything = self._everything
        if everything is None:
            everything = self._keep or any(PACKAGE.name in task.template for task in tasks)
        pool = _Pool(tasks, min(workers, len(tasks)), on_start or (lambda number, task: None), everything, self._zygote)
        try:
            yield from pool.outcomes()
        finally:
            self._zygote = pool.close(keep=self._keep)


class _Pool:
    """The tasks of one call, those that wait and those that run."""

    def __init__(
        self,
        tasks: list[Task],
        workers: int,
        on_start: Callable[[int, Task], None],
        everything: bool,
        zygote: Zygote | None,
    ) -> None:
        self._on_start, self._everything = on_start, everything
        self._years = sorted({y for task in tasks if isinstance(y := task.parameters.get("school_year"), int)})
        self._waiting: deque[tuple[Task, int]] = deque((task, 1) for task in tasks)
        # When the warm process dies, one of those that ran has killed it. Each runs alone then, lest it take others along.
        self._suspects: deque[tuple[Task, int]] = deque()
        self._free = list(range(workers))[::-1]
        self._running: list[_Run] = []
        self._zygote = zygote
        self._is_ready = False
        self._runs = 0

    def outcomes(self) -> Generator[Outcome, None, None]:
        """Work until all tasks have ended."""
        while self._waiting or self._suspects or self._running:
            if self._zygote is None and not self._start():
                yield from self._give_up()
                return
            self._begin()
            yield from self._look()

    def close(self, *, keep: bool) -> Zygote | None:
        """End everything; return the warm process if it is to be kept and has nothing left to do."""
        zygote, self._zygote = self._zygote, None
        if keep and not self._running:
            return zygote
        for run in self._running:
            _clear(run)
        self._running.clear()
        if zygote is not None:
            zygote.end()
        return None

    def _start(self) -> bool:
        """Have a warm process; False if it does not come up, tried again as often as a task is."""
        for tries in range(1, TRIES + 1):
            self._zygote = Zygote(self._years, everything=self._everything)
            if wait([self._zygote], timeout=START_TIMEOUT):  # type: ignore[list-item]
                with suppress(EOFError):
                    self._zygote.report()
                    return True
            if tries < TRIES:
                self._zygote.end()
        return False

    def _give_up(self) -> Generator[Outcome, None, None]:
        assert self._zygote is not None
        message = "预热进程不能启动；可以加 --engine standard，用独立的内核运行"
        error = error_of(ENGINE_DIED, message, traceback=self._zygote.last_words())
        for task, tries in (*self._suspects, *self._waiting):
            yield Outcome(task.name, None, None, 0.0, now(), now(), error, WarmEngine.name, tries)

    def _begin(self) -> None:
        """Start what may start."""
        while self._free and (self._suspects or self._waiting):
            if self._suspects and self._running:
                return
            task, tries = (self._suspects or self._waiting).popleft()
            run = _Run(task, tries, self._free.pop(), token=f"{self._zygote.token}{self._runs:x}")  # type: ignore[union-attr]
            self._runs += 1
            self._running.append(run)
            self._on_start(run.slot, task)
            self._fork(run)
            if self._suspects or run.tries > 1:
                return

    def _fork(self, run: _Run) -> None:
        job = TaskJob(run.task, run.token) if run.dead is None else RebuildJob(run.task, run.token, run.dead)
        assert self._zygote is not None
        with suppress(OSError):  # it is gone, which shows as the end of the line
            run.fork = self._zygote.fork()
            run.fork.channel.send(job)

    def _look(self) -> Generator[Outcome, None, None]:
        """Wait for something to happen, and act on it."""
        assert self._zygote is not None
        lines = {run.fork.channel: run for run in self._running if run.fork and run.outcome is None}
        happened = wait([self._zygote, *lines], timeout=_POLL)  # type: ignore[list-item]
        for line, run in lines.items():
            if line in happened:
                self._hear(run)
        if self._zygote in happened:
            try:
                report = self._zygote.report()
            except EOFError:
                yield from self._survive()
                return
            yield from self._note(report)
        self._watch()

    def _hear(self, run: _Run) -> None:
        """Read what a fork says."""
        assert run.fork is not None
        for message in run.fork.received():
            if isinstance(message, Outcome):
                run.outcome = message
                run.deadline = None
            else:
                run.deadline = time.monotonic() + run.task.timeout + GRACE

    def _note(self, report: dict[str, Any]) -> Generator[Outcome, None, None]:
        """Act on a report of the warm process."""
        number = report.get("begun") or report.get("ended")
        run = next((run for run in self._running if run.fork and run.fork.number == number), None)
        if run is None or run.fork is None:
            return
        if "begun" in report:
            run.fork.pid = report["pid"]
            return
        self._hear(run)
        if run.outcome is not None:
            memory, cpu = (run.dead.memory, run.dead.cpu) if run.dead else (report["memory"], report["cpu"])
            yield self._settled(run, replace(run.outcome, tries=run.tries, memory=memory, cpu=cpu))
        elif run.dead is not None:  # it cannot be put together either
            yield self._settled(run, replace(run.dead, reads=take_reads(part_path(run.task, run.token, READS_PART))))
        elif report["code"] is None:
            yield self._settled(run, self._outcome(run, fault_error(OSError(report["refusal"]))))
        elif report["code"] == _SIGKILL and not run.killed_for and run.tries < TRIES:
            self._retry(run, self._waiting)
        else:
            self._rebuild(run, report)

    def _rebuild(self, run: _Run, report: dict[str, Any]) -> None:
        """A run has ended without an outcome: say why, and have its notebook put together in another fork."""
        assert run.fork is not None
        task, words = run.task, run.fork.last_words()
        full = task.memory is not None and max(report["memory"], run.memory) > 0.9 * task.memory
        if run.killed_for == "memory" or (full and report["code"] in _FATAL):
            error = memory_error(task, {})
        elif run.killed_for == "time":
            error = timeout_error(task, {})
        else:
            error = death_error({}, words)
        run.dead = replace(self._outcome(run, error), memory=report["memory"], cpu=report["cpu"])
        run.deadline, run.fork = None, _closed(run.fork)
        self._fork(run)

    def _survive(self) -> Generator[Outcome, None, None]:
        """The warm process is gone, and its forks with it: what had ended has ended, the rest is tried again, alone."""
        assert self._zygote is not None
        for run in self._running:
            if run.fork is not None:
                self._hear(run)
                if run.fork.pid is not None:
                    kill_group(run.fork.pid)  # what it has started does not end with it
        code = self._zygote.end()
        self._zygote = None
        for run in list(self._running):
            if run.outcome is not None:
                yield self._settled(run, replace(run.outcome, tries=run.tries))
            elif run.tries < TRIES:
                self._retry(run, self._suspects)
            else:
                message = f"工作进程两次意外退出（退出码 {code}），多半是内存不足或被系统终止"
                yield self._settled(run, self._outcome(run, error_of(ENGINE_DIED, message)))

    def _watch(self) -> None:
        """Kill what has gone over its time or its memory."""
        assert self._zygote is not None
        for run in self._running:
            if run.fork is None or run.fork.pid is None or run.killed_for or run.outcome is not None:
                continue
            if run.deadline is not None and time.monotonic() > run.deadline:
                run.killed_for = "time"
            elif run.task.memory is not None:
                run.memory = max(run.memory, memory_of(run.fork.pid))
                if run.memory > run.task.memory:
                    run.killed_for = "memory"
            if run.killed_for:
                self._zygote.kill(run.fork)

    def _retry(self, run: _Run, queue: deque[tuple[Task, int]]) -> None:
        queue.appendleft((run.task, run.tries + 1))
        self._release(run)

    def _settled(self, run: _Run, outcome: Outcome) -> Outcome:
        self._release(run)
        return outcome

    def _release(self, run: _Run) -> None:
        self._running.remove(run)
        self._free.append(run.slot)
        _clear(run)

    def _outcome(self, run: _Run, error: dict[str, Any]) -> Outcome:
        seconds = time.monotonic() - run.clock
        return Outcome(run.task.name, None, None, seconds, run.started, now(), error, WarmEngine.name, run.tries)


def _clear(run: _Run) -> None:
    """Let go of a run's fork and of its hidden files."""
    if run.fork is not None:
        run.fork = _closed(run.fork)
    for ending in (LOG, READS_PART):
        with suppress(OSError):  # what cannot be removed is swept by whoever owns the folder
            part_path(run.task, run.token, ending).unlink(missing_ok=True)


def _closed(fork: Fork) -> None:
    fork.close()
