"""Watch what a process and all that it has started use, and end them when it is too much."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

import psutil

_EVERY = 0.5  # to find the children of a process costs some milliseconds


def kill_group(pid: int) -> None:
    """Kill a process with the group it leads; where there are no groups, the process."""
    with suppress(OSError):  # it has ended by itself
        if hasattr(os, "killpg"):
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGTERM)


def memory_of(pid: int, *, with_children: bool = True) -> int:
    """Bytes of memory that a process holds now, with all that descends from it; 0 if it has ended."""
    total = 0
    try:
        process = psutil.Process(pid)
        family = [process, *(process.children(recursive=True) if with_children else ())]
    except psutil.Error:
        return 0
    for member in family:
        with suppress(psutil.Error):
            total += member.memory_info().rss
    return total


class UsageWatch:
    """Watch a process that comes and goes, from the beginning of a ``with`` block to its end.

    Parameters
    ----------
    find : callable
        Returns the number of the process, or None while there is none.
    limit : int, optional
        Bytes it may use together with its children; it is killed when it uses more.

    Attributes
    ----------
    memory, cpu : int, float or None
        Most bytes and seconds seen so far; None if the process was never seen.
    exceeded : bool
        Whether it was killed for its memory.
    """

    def __init__(self, find: Callable[[], int | None], limit: int | None) -> None:
        self.memory: int | None = None
        self.cpu: float | None = None
        self.exceeded = False
        self._find, self._limit = find, limit
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_EVERY):
            pid = self._find()
            if pid is None:
                continue
            used = memory_of(pid, with_children=self._limit is not None)
            with suppress(psutil.Error):
                times = psutil.Process(pid).cpu_times()
                self.cpu = sum(times[:4])  # its own, and that of children that have ended
            if used:
                self.memory = max(self.memory or 0, used)
            if self._limit is not None and used > self._limit:
                self.exceeded = True
                kill_group(pid)
                return
