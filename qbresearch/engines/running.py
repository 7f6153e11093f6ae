"""What every way of running a notebook has in common: papermill with our options, and what came of it as an outcome."""

from __future__ import annotations

import hashlib
import math
import os
import secrets
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from qbresearch.engines.portable import make_portable
from qbresearch.engines.task import Outcome, Task, error_of, now
from qbresearch.errors import system_refusal
from qbresearch.traces import READS, collected

TIMED_OUT, KERNEL_DIED, ENGINE_DIED, MEMORY = "超时", "内核中断", "中断", "内存超限"
LOG, READS_PART = "log.part", "reads.part"  # hidden files of one try of a task: every step of it, and what it has read
TRIES = 2  # a process may be killed for want of memory that is there a moment later
START_TIMEOUT = 120
ENVIRONMENT = {
    **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")},
    "VECLIB_MAXIMUM_THREADS": "1",
    "PYTHONHASHSEED": "0",  # the order of a set, and with it an output, must not differ from run to run
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "JUPYTER_PREFER_ENV_PATH": "1",  # python3 is this environment, not a kernel installed elsewhere by the user
}
_MEMORY_ERRORS = ("MemoryError", "_ArrayMemoryError", "ArrowMemoryError", "OutOfMemoryException")


def skip_slow_grammars() -> None:
    """Keep a package that nothing here uses from building its grammars at import, which takes 1.4 s."""
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


def run_papermill(task: Task, reached: list[Any], **engine: Any) -> Any:
    """Run one notebook; ``reached`` holds it from the first cell on, for papermill returns nothing of a dead kernel.

    Parameters
    ----------
    task : Task
        The notebook and its parameters.
    reached : list
        Takes the notebook.
    **engine
        Which engine of papermill runs the cells, with its options.
    """
    import nbformat
    import papermill

    _register_translator()
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
        record_timing=False,
        on_notebook_start=lambda notebook: reached.append(notebook),
        **engine,
    )


def _register_translator() -> None:
    from papermill.translators import PythonTranslator, papermill_translators

    class Readable(PythonTranslator):
        """Papermill's own writes Chinese as \\uXXXX, which nobody can check in the finished notebook."""

        @classmethod
        def translate_escaped_str(cls, str_val: object) -> str:
            return repr(str_val)

    papermill_translators.register("python3", Readable)


def try_notebook(
    task: Task, run: Callable[[Task, list[Any]], Any], last_words: Callable[[], str]
) -> tuple[Any, dict[str, Any] | None]:
    """Run one notebook; return it, as far as it came, with what went wrong.

    Parameters
    ----------
    task : Task
        The notebook and its parameters.
    run : callable
        Takes the task and a list that it puts the notebook into at the first cell; returns the finished notebook.
    last_words : callable
        What a kernel that died has printed outside the notebook.
    """
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    reached: list[Any] = []
    error = None
    try:
        notebook = run(task, reached)
        if notebook.metadata.papermill.exception:  # papermill takes sys.exit(0) for success
            error = error_of("SystemExit", "笔记本提前退出，后面的单元格没有运行", **last_cell(notebook))
        reached[:] = [notebook]
    except PapermillExecutionError as failure:
        where = _cell_with(reached[0], failure.exec_count)
        if task.memory is not None and failure.ename in _MEMORY_ERRORS:
            error = memory_error(task, where)
        else:
            error = error_of(failure.ename, failure.evalue, **where)
    except CellTimeoutError:
        error = timeout_error(task, last_cell(reached[0]))
    except DeadKernelError:
        error = death_error(last_cell(reached[0]) if reached else {}, last_words())
    return (reached[0] if reached else None), error


def timeout_error(task: Task, where: dict[str, Any]) -> dict[str, Any]:
    """A cell has taken longer than it may."""
    return error_of(TIMED_OUT, f"单元格运行超过 {task.timeout:g} 秒", **where)


def death_error(where: dict[str, Any], last_words: str) -> dict[str, Any]:
    """The process that runs the cells has ended by itself."""
    message = "内核意外退出，多半是内存不足或代码结束了进程"
    return error_of(KERNEL_DIED, message, **where, traceback=last_words or None)


def memory_error(task: Task, where: dict[str, Any]) -> dict[str, Any]:
    """The run has used more memory than it may."""
    assert task.memory is not None
    message = f"运行所用内存超过上限 {task.memory / 2**20:,.0f} MB；请提高上限，或减少一次读入的数据"
    return error_of(MEMORY, message, **where)


def last_cell(notebook: Any) -> dict[str, Any]:
    """Number, as shown in ``In [ ]``, and id of the last code cell that was begun."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    begun = [n for n, cell in enumerate(code, 1) if cell.metadata.get("papermill", {}).get("start_time")]
    if not begun:
        return {}
    cell = code[begun[-1] - 1]
    return {"cell": cell.execution_count or begun[-1], "cell_id": _id_of(cell)}


def _cell_with(notebook: Any, number: int) -> dict[str, Any]:
    """The cell of a number, as shown in ``In [ ]``."""
    ids = [_id_of(cell) for cell in notebook.cells if cell.get("execution_count") == number]
    return {"cell": number, "cell_id": ids[0] if ids else None}


def _id_of(cell: Any) -> str | None:
    """Id of a cell as it is written; see :func:`qbresearch.engines.portable.make_portable`."""
    return "injected-parameters" if "injected-parameters" in cell.metadata.get("tags", []) else cell.get("id")


def settle(
    task: Task, execute: Callable[[], tuple[Any, dict[str, Any] | None]], last_words: Callable[[], str], *,
    engine: str, token: str = "",
) -> Outcome:
    """Run a notebook by ``execute`` and write it, finished or not, into a part file; nothing that fails gets further.

    Parameters
    ----------
    task : Task
        The notebook and its parameters.
    execute : callable
        Returns the notebook, as far as it came, and the error.
    last_words : callable
        What was printed outside the notebook.
    engine : str
        Name of the engine.
    token : str, optional
        What tells the part files of this run from those of another.
    """
    started, clock = now(), time.monotonic()
    part = sha256 = None
    reads_file = part_path(task, token or secrets.token_hex(4), READS_PART)
    try:
        with _collecting(reads_file):
            notebook, error = execute()
        if notebook is not None:
            part, sha256 = write_part(task, notebook)
    except Exception as fault:
        # The one place where anything is caught: a fault nobody thought of must fail its own job, in full view and
        # with its traceback, and not the hundreds of jobs behind it.
        error = fault_error(fault, last_words())
    reads = take_reads(reads_file)
    return Outcome(task.name, part, sha256, time.monotonic() - clock, started, now(), error, engine, reads=reads)


def fault_error(fault: Exception, last_words: str = "") -> dict[str, Any]:
    """What to say of an exception that did not come from the notebook: a disk that is full, or a fault of ours."""
    refusal = system_refusal(fault) if isinstance(fault, OSError) else None
    if refusal is not None:
        message = f"结果不能写入：{refusal.found}（{Path(refusal.where).name}）；{refusal.fix}"
    else:
        message = str(fault)
    return error_of(type(fault).__name__, message, traceback="".join(traceback.format_exception(fault)) + last_words)


def part_path(task: Task, token: str, ending: str) -> Path:
    """A hidden file beside the results that belongs to one try of a task."""
    return Path(task.output_folder) / f".{task.name}.{token}.{ending}"


def take_reads(path: Path) -> dict[str, str]:
    """What the run has said it has read; the collecting file goes."""
    reads: dict[str, str] = {}
    with suppress(OSError):  # a folder that takes no file has none; what stays is swept by whoever owns the folder
        reads = collected(path)
        path.unlink(missing_ok=True)
    return reads


def write_part(task: Task, notebook: Any) -> tuple[str, str]:
    """Write a notebook into a hidden part file; return its path and its checksum."""
    import nbformat

    make_portable(notebook, task.parameters, task.root)
    data = nbformat.writes(notebook).encode("utf-8")
    part = part_path(task, secrets.token_hex(4), "part.ipynb")
    try:
        with open(part, "xb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)  # half a notebook on a full disk helps nobody
        raise
    return str(part), hashlib.sha256(data).hexdigest()


@contextmanager
def _collecting(reads_file: Path) -> Iterator[None]:
    """Let the notebook say what it reads; a folder that takes no file shows here, and not in the midst of a cell."""
    reads_file.touch()
    before = os.environ.get(READS)
    os.environ[READS] = str(reads_file)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(READS, None)
        else:
            os.environ[READS] = before
