"""Worker processes that run notebooks through papermill, one job at a time each, in kernels of their own.

Processes of its own instead of ``concurrent.futures``: there the death of one worker breaks the whole pool, so that
nobody can tell which job killed it, and workers outlive a parent that is killed. Here each worker holds exactly one
job, and a pipe from the parent whose end it watches.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import IO, Any

from qbresearch.engines.running import (
    ENGINE_DIED,
    ENVIRONMENT,
    KERNEL_DIED,
    TRIES,
    memory_error,
    run_papermill,
    settle,
    skip_slow_grammars,
    try_notebook,
)
from qbresearch.engines.task import Outcome, Task, error_of, now
from qbresearch.engines.watching import UsageWatch, kill_group

JOBS_A_WORKER = 200  # every kernel leaves a little behind in its client
_POLL = 0.5  # on Windows a wait without end cannot be interrupted from the keyboard
OnStart = Callable[[int, Task], None]


class StandardEngine:
    """A kernel of its own for every notebook, started by papermill: works everywhere and with every notebook."""

    name = "standard"

    def run(self, tasks: list[Task], workers: int, on_start: OnStart | None = None) -> Generator[Outcome, None, None]:
        """Yield the outcome of every task as it ends; see :class:`qbresearch.engines.task.Engine`."""
        waiting = deque((task, 1) for task in tasks)
        crew = [_Worker(number) for number in range(min(workers, len(tasks)))]
        try:
            while waiting or any(worker.task for worker in crew):
                for worker in crew:
                    if waiting and worker.task is None:
                        task, tries = waiting.popleft()
                        if on_start is not None:
                            on_start(worker.number, task)
                        worker.begin(task, tries)
                for worker in _ended(crew):
                    task, tries, outcome = worker.end()
                    if outcome is not None:
                        yield replace(outcome, tries=tries)
                    elif tries < TRIES:
                        waiting.appendleft((task, tries + 1))
                    else:
                        yield _lost(task, worker)
        finally:
            for worker in crew:
                worker.stop()


def _ended(crew: Iterable[_Worker]) -> list[_Worker]:
    busy = {worker.connection: worker for worker in crew if worker.task}
    return [busy[connection] for connection in wait(list(busy), timeout=_POLL)]  # type: ignore[index]


def _lost(task: Task, worker: _Worker) -> Outcome:
    message = f"工作进程两次意外退出（退出码 {worker.exit_code}），多半是内存不足或被系统终止"
    seconds = time.monotonic() - worker.clock
    return Outcome(task.name, None, None, seconds, worker.started, now(), error_of(ENGINE_DIED, message), tries=TRIES)


class _Worker:
    """The parent's side of one worker process."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.task: Task | None = None
        self.exit_code: int | None = None
        self.clock, self.started = time.monotonic(), now()
        self._process: multiprocessing.process.BaseProcess | None = None
        self._tries, self._jobs = 0, 0

    def begin(self, task: Task, tries: int) -> None:
        """Hand over a task, starting the process if there is none fit for it."""
        if self._jobs >= JOBS_A_WORKER:
            self.stop()
        if self._process is None:
            self._start()
        self.task, self._tries = task, tries
        self._jobs += 1
        self.clock, self.started = time.monotonic(), now()
        with suppress(OSError):  # it has died while idle; the closed pipe tells end()
            self.connection.send(task)

    def end(self) -> tuple[Task, int, Outcome | None]:
        """Return the task with the number of its try, and its outcome, or None if the process has died."""
        assert self.task is not None
        task, self.task = self.task, None
        try:
            return task, self._tries, self.connection.recv()
        except (EOFError, OSError):
            self._join()
            return task, self._tries, None

    def stop(self) -> None:
        """End the process: gently when it is idle, otherwise by closing the lifeline, which kills its kernel too."""
        if self._process is None:
            return
        if self.task is None:
            with suppress(OSError):
                self.connection.send(None)
        else:
            self._lifeline.close()
        self._join()

    def _start(self) -> None:
        spawn = multiprocessing.get_context("spawn")  # the same on every system; nothing of the parent leaks in
        self.connection, theirs = spawn.Pipe()
        watched, self._lifeline = spawn.Pipe(duplex=False)
        process = spawn.Process(target=_work, args=(theirs, watched, os.getpid()), daemon=True)
        with _deaf_to_interrupts():
            process.start()
        self._process = process
        theirs.close()  # so that the worker's death shows as the end of the pipe
        watched.close()
        self._jobs = 0

    def _join(self) -> None:
        assert self._process is not None
        self._process.join(timeout=10)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self.exit_code = self._process.exitcode
        self._process.close()
        self._process = None
        self.connection.close()
        self._lifeline.close()


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """A process inherits that Ctrl-C is ignored, and so does not spill a traceback while it is still importing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


# in the worker


_kernels: list[Any] = []  # managers of the kernels this worker has started, the last one running


def _work(connection: Connection, lifeline: Connection, parent: int) -> None:
    """Run tasks until None comes or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what it means
    os.environ.update(ENVIRONMENT)
    skip_slow_grammars()
    threading.Thread(target=_end_with_parent, args=(lifeline, parent), daemon=True).start()
    noise = _hush()
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        if task is None:
            return
        connection.send(_run_task(task, noise))


def _end_with_parent(lifeline: Connection, parent: int) -> None:
    """Kill the kernel and this process as soon as the parent closes the lifeline or dies.

    A kernel also watches its parent, but only from some moments after its start on.
    """
    with suppress(OSError):  # how a closed pipe shows on Windows
        # Nothing is ever sent. The second test is for a parent that has forked a holder of the other end.
        while not lifeline.poll(1.0) and os.getppid() == parent:
            pass
    for manager in _kernels[-1:]:
        _kill_kernel(manager)
    os._exit(1)


def _kill_kernel(manager: Any) -> None:
    pid = getattr(manager.provisioner, "pid", None)
    if pid is not None:
        kill_group(pid)  # a kernel leads a group of its own, with whatever it has started


def _hush() -> IO[bytes]:
    """Send what this process and its kernels print to a nameless file; only a dead kernel's last words are used."""
    noise = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
    for descriptor in (1, 2):
        os.dup2(noise.fileno(), descriptor)
    return noise


def _run_task(task: Task, noise: IO[bytes]) -> Outcome:
    noise.seek(0)
    noise.truncate()
    with UsageWatch(_kernel_pid, task.memory) as usage:
        outcome = settle(task, lambda: _execute(task, noise), partial(_last_words, noise), engine=StandardEngine.name)
    _kernels.clear()
    error = outcome.error
    if usage.exceeded and error is not None and error["name"] == KERNEL_DIED:
        error = memory_error(task, {"cell": error["cell"], "cell_id": error["cell_id"]})
    return replace(outcome, error=error, memory=usage.memory, cpu=usage.cpu)


def _kernel_pid() -> int | None:
    return getattr(_kernels[-1].provisioner, "pid", None) if _kernels else None


def _execute(task: Task, noise: IO[bytes]) -> tuple[Any, dict[str, Any] | None]:
    """Run one notebook; return it, as far as it came, with what went wrong."""
    return try_notebook(task, _run_notebook, partial(_last_words, noise))


def _run_notebook(task: Task, reached: list[Any]) -> Any:
    """Run one notebook. A kernel that does not come up is tried again: another process may have taken its port."""
    for tries in range(1, TRIES + 1):
        try:
            return run_papermill(
                task,
                reached,
                kernel_manager_class=_kernel_manager_class(),
                shutdown_kernel="immediate",  # a graceful end waits for the teardown of the whole numeric stack
            )
        except RuntimeError:
            if reached or tries == TRIES:
                raise
    raise AssertionError("unreachable")


def _kernel_manager_class() -> type:
    from jupyter_client.manager import AsyncKernelManager

    class Kernel(AsyncKernelManager):
        """Keeps hold of the kernel's process from its first moment, so that it can be killed with its worker."""

        async def start_kernel(self, **options: Any) -> None:
            _kernels.append(self)
            await super().start_kernel(**options)

    return Kernel


def _last_words(noise: IO[bytes]) -> str:
    noise.seek(0)
    return noise.read().decode("utf-8", "replace")[-12_000:]
