"""One notebook to run, and what came of it: plain data, since both travel between processes and machines."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Task:
    """What is needed to run one notebook.

    ``template`` is the text of the notebook; ``timeout`` are the seconds one cell may take; ``memory`` is how many
    bytes the run may use, or None. ``output_folder`` takes hidden part files only.
    """

    name: str
    template: str
    parameters: dict[str, Any]
    output_folder: str
    cwd: str
    root: str
    timeout: float
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a task.

    ``part`` is the hidden file with the notebook, finished or not, if there is one. ``reads`` is what the run said it
    has read, see :mod:`qbresearch.traces`. ``memory`` (bytes) and ``cpu`` (seconds) are what it used at most and in
    all, where the engine knows. ``error`` has ``name``, ``message``, ``cell`` (the number in ``In [ ]``), ``cell_id``
    and ``traceback``, each of the last three possibly None.
    """

    name: str
    part: str | None
    sha256: str | None
    seconds: float
    started: str
    finished: str
    error: dict[str, Any] | None
    engine: str = "standard"
    tries: int = 1
    reads: Mapping[str, str] = field(default_factory=dict)
    memory: int | None = None
    cpu: float | None = None


class Engine(Protocol):
    """A way of running notebooks, several at a time."""

    name: str

    def run(
        self, tasks: list[Task], workers: int, on_start: Callable[[int, Task], None] | None = None
    ) -> Generator[Outcome, None, None]:
        """Yield the outcome of every task as it ends.

        ``on_start`` is called with the number of the worker (from 0) and the task it begins. A task whose process dies
        is tried once more and then given up as failed. When the generator is closed, or the calling process dies, all
        that it has started ends.
        """
        ...


def error_of(
    name: str, message: str, cell: int | None = None, *, cell_id: str | None = None, traceback: str | None = None
) -> dict[str, Any]:
    """The ``error`` of an outcome."""
    return {"name": name, "message": message, "cell": cell, "cell_id": cell_id, "traceback": traceback}


def now() -> str:
    """This moment as records and manifests write it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
