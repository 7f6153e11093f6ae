"""Worker processes that run notebooks through papermill, one job at a time each.

Processes of its own instead of ``concurrent.futures``: there the death of one worker breaks the whole pool, so that
nobody can tell which job killed it, and workers outlive a parent that is killed. Here each worker holds exactly one
job, and a pipe from the parent whose end it watches.
"""

from __future__ import annotations

import hashlib
import math
import multiprocessing
import os
import secrets
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import IO, Any

from qbresearch.engines.portable import make_portable
from qbresearch.engines.task import Outcome, Task, error_of, now

TRIES = 2  # a worker may be killed for want of memory that is there a moment later
JOBS_A_WORKER = 200  # every kernel leaves a little behind in its client
START_TIMEOUT = 120
_POLL = 0.5  # on Windows a wait without end cannot be interrupted from the keyboard
_ENVIRONMENT = {
    **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")},
    "VECLIB_MAXIMUM_THREADS": "1",
    "PYTHONHASHSEED": "0",  # the order of a set, and with it an output, must not differ from run to run
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "JUPYTER_PREFER_ENV_PATH": "1",  # python3 is this environment, not a kernel installed elsewhere by the user
}


def run_tasks(tasks: list[Task], workers: int) -> Generator[Outcome, None, None]:
    """Yield the outcome of every task as it ends.

    A task whose worker dies is tried once more and then given up as failed. When the generator is closed, or the
    calling process dies, all workers and kernels end.
    """
    waiting = deque((task, 1) for task in tasks)
    crew = [_Worker() for _ in range(min(workers, len(tasks)))]
    try:
        while waiting or any(worker.task for worker in crew):
            for worker in crew:
                if waiting and worker.task is None:
                    worker.begin(*waiting.popleft())
            for worker in _ended(crew):
                task, tries, outcome = worker.end()
                if outcome is not None:
                    yield outcome
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
    return Outcome(task.name, None, None, seconds, worker.started, now(), error_of("中断", message), tries=TRIES)


class _Worker:
    """The parent's side of one worker process."""

    def __init__(self) -> None:
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
    os.environ.update(_ENVIRONMENT)
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
    if pid is None:
        return
    with suppress(OSError):  # it has ended by itself
        if hasattr(os, "killpg"):
            os.killpg(pid, signal.SIGKILL)  # a kernel leads a group of its own, with whatever it has started
        else:
            os.kill(pid, signal.SIGTERM)


def _hush() -> IO[bytes]:
    """Send what this process and its kernels print to a nameless file; only a dead kernel's last words are used."""
    noise = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
    for descriptor in (1, 2):
        os.dup2(noise.fileno(), descriptor)
    return noise


def _run_task(task: Task, noise: IO[bytes]) -> Outcome:
    started, clock = now(), time.monotonic()
    noise.seek(0)
    noise.truncate()
    part = sha256 = None
    try:
        notebook, error = _execute(task, noise)
        if notebook is not None:
            part, sha256 = _write_part(task, notebook)
    except Exception as fault:
        # The one place where anything is caught: a fault nobody thought of must fail its own job, in full view and
        # with its traceback, and not the hundreds of jobs behind it.
        error = error_of(type(fault).__name__, str(fault), traceback=traceback.format_exc() + _last_words(noise))
    _kernels.clear()
    return Outcome(task.name, part, sha256, time.monotonic() - clock, started, now(), error)


def _execute(task: Task, noise: IO[bytes]) -> tuple[Any, dict[str, Any] | None]:
    """Run one notebook; return it, as far as it came, with what went wrong."""
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type] # unused here; its grammars cost 1.4 s
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    reached: list[Any] = []
    error = None
    try:
        notebook = _run_notebook(task, reached)
        if notebook.metadata.papermill.exception:  # papermill takes sys.exit(0) for success
            error = error_of("SystemExit", "笔记本提前退出，后面的单元格没有运行", _last_cell(notebook))
        reached[:] = [notebook]
    except PapermillExecutionError as failure:
        error = error_of(failure.ename, failure.evalue, failure.exec_count)
    except CellTimeoutError:
        error = error_of("超时", f"单元格运行超过 {task.timeout:g} 秒", _last_cell(reached[0]))
    except DeadKernelError:
        cell = _last_cell(reached[0]) if reached else None
        error = error_of(
            "内核中断", "内核意外退出，多半是内存不足或代码结束了进程", cell, traceback=_last_words(noise) or None
        )
    return (reached[0] if reached else None), error


def _run_notebook(task: Task, reached: list[Any]) -> Any:
    """Run one notebook; ``reached`` holds it from the first cell on, for papermill returns nothing of a dead kernel.

    A kernel that does not come up is tried again: another process may have taken its port in between.
    """
    import nbformat
    import papermill

    _register_translator()
    for tries in range(1, TRIES + 1):
        try:
            return papermill.execute_notebook(
                nbformat.reads(task.template, as_version=4),  # a path would be taken for a pattern: {…} in it fails
                None,
                parameters=task.parameters,
                kernel_name="python3",
                language="python",
                cwd=task.cwd,
                progress_bar=False,
                log_output=False,
                request_save_on_cell_execute=False,
                autosave_cell_every=0,
                start_timeout=START_TIMEOUT,
                execution_timeout=math.ceil(task.timeout),
                kernel_manager_class=_kernel_manager_class(),
                shutdown_kernel="immediate",  # a graceful end waits for the teardown of the whole numeric stack
                record_timing=False,
                on_notebook_start=lambda notebook: reached.append(notebook),
            )
        except RuntimeError:
            if reached or tries == TRIES:
                raise
    raise AssertionError("unreachable")


def _register_translator() -> None:
    from papermill.translators import PythonTranslator, papermill_translators

    class Readable(PythonTranslator):
        """Papermill's own writes Chinese as \\uXXXX, which nobody can check in the finished notebook."""

        @classmethod
        def translate_escaped_str(cls, str_val: object) -> str:
            return repr(str_val)

    papermill_translators.register("python3", Readable)


def _kernel_manager_class() -> type:
    from jupyter_client.manager import AsyncKernelManager

    class Kernel(AsyncKernelManager):
        """Keeps hold of the kernel's process from its first moment, so that it can be killed with its worker."""

        async def start_kernel(self, **options: Any) -> None:
            _kernels.append(self)
            await super().start_kernel(**options)

    return Kernel


def _last_cell(notebook: Any) -> int | None:
    """Number, as shown in ``In [ ]``, of the last code cell that was begun."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    begun = [n for n, cell in enumerate(code, 1) if cell.metadata.get("papermill", {}).get("start_time")]
    return (code[begun[-1] - 1].execution_count or begun[-1]) if begun else None


def _last_words(noise: IO[bytes]) -> str:
    noise.seek(0)
    return noise.read().decode("utf-8", "replace")[-4000:]


def _write_part(task: Task, notebook: Any) -> tuple[str, str]:
    import nbformat

    make_portable(notebook, task.parameters, task.root)
    data = nbformat.writes(notebook).encode("utf-8")
    part = Path(task.output_folder) / f".{task.name}.{secrets.token_hex(4)}.part.ipynb"
    with open(part, "xb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())
    return str(part), hashlib.sha256(data).hexdigest()
