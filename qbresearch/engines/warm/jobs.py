"""What a fork is asked to do, as it is sent to it; :mod:`qbresearch.engines.warm.child` does it."""

from __future__ import annotations

from dataclasses import dataclass

from qbresearch.engines.task import Outcome, Task


@dataclass(frozen=True, slots=True)
class TaskJob:
    """Run a notebook of a batch, and send ``("cell", index)`` as each cell begins and the outcome at the end."""

    task: Task
    token: str


@dataclass(frozen=True, slots=True)
class RebuildJob:
    """Put together the notebook of a run whose process has died, and send its outcome."""

    task: Task
    token: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class CellsJob:
    """Run cells for a papermill in another process: ``("run", code, timeout, store_history)`` until the line ends."""

    cwd: str
    environment: dict[str, str]


@dataclass(frozen=True, slots=True)
class KernelJob:
    """Be a Jupyter kernel with a command line like ``ipykernel_launcher -f file``, as long as somebody wants it."""

    arguments: tuple[str, ...]
    cwd: str
    environment: dict[str, str]
