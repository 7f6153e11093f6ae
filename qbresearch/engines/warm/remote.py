"""Cells run in a fork for a papermill that is somebody else's process: one warm process for it, a fork a notebook."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from typing import Any

from nbclient.exceptions import DeadKernelError

from qbresearch.engines.warm.handle import Fork, Zygote
from qbresearch.engines.warm.jobs import CellsJob
from qbresearch.engines.warm.outputs import Message
from qbresearch.engines.warm.pool import GRACE
from qbresearch.engines.warm.shell import CellTooLongError, KernelEndedError

_POLL = 1.0
# By the process that has started it, for one that was forked needs its own, and by whether everything is loaded.
_zygotes: dict[tuple[int, bool], Zygote] = {}


class RemoteKernel:
    """Runs cells in a fork, see :class:`qbresearch.engines.warm.cells.CellKernel`."""

    def __init__(self, zygote: Zygote, fork: Fork) -> None:
        self._zygote, self._fork = zygote, fork
        self.language_info: dict[str, Any] = self._answer(lambda message: None, None)

    def run(
        self, code: str, take: Callable[[Message], None], *, timeout: float | None, store_history: bool = True
    ) -> dict[str, Any]:
        """Run a cell; see :meth:`qbresearch.engines.warm.shell.LocalKernel.run`."""
        try:
            self._fork.channel.send(("run", code, timeout, store_history))
        except OSError:
            raise KernelEndedError from None
        return self._answer(take, timeout + GRACE if timeout else None)

    def post(self, message: dict[str, Any]) -> None:
        """Answer a widget."""
        with suppress(OSError):
            self._fork.channel.send(("post", message))

    def _answer(self, take: Callable[[Message], None], timeout: float | None) -> Any:
        """Read what the fork says until it answers, and what the warm process says of its end."""
        left = timeout
        while True:
            lines = wait([self._fork.channel, self._zygote], timeout=_POLL)  # type: ignore[list-item]
            if self._fork.channel in lines:
                try:
                    kind, *details = self._fork.channel.recv()
                except (EOFError, OSError):
                    raise KernelEndedError from None
                if kind == "message":
                    take(Message(*details))
                elif kind == "late":
                    raise CellTooLongError
                else:
                    return details[0]
            elif self._zygote in lines:
                self._note()
            elif left is not None:
                left -= _POLL
                if left <= 0:
                    self._zygote.kill(self._fork)
                    raise CellTooLongError

    def _note(self) -> None:
        try:
            report = self._zygote.report()
        except EOFError:
            for key, zygote in list(_zygotes.items()):
                if zygote is self._zygote:
                    del _zygotes[key]
            raise DeadKernelError("Kernel died") from None
        if report.get("ended") == self._fork.number and not self._fork.channel.poll():
            raise KernelEndedError


@contextmanager
def remote_kernel(start_timeout: float, *, everything: bool) -> Iterator[RemoteKernel]:
    """A fork to run the cells of one notebook in; it ends with the block.

    Parameters
    ----------
    start_timeout : float
        Seconds that the warm process may take to load, which it does once.
    everything : bool
        Whether it loads what notebooks of the workbench use; see :func:`qbresearch.engines.warm.preload.preload`.

    Raises
    ------
    RuntimeError
        It did not come up.
    """
    key = (os.getpid(), everything)
    zygote = _zygotes.get(key) or _started(start_timeout, everything)
    _zygotes[key] = zygote
    fork = zygote.fork()
    try:
        fork.channel.send(CellsJob(os.getcwd(), dict(os.environ)))
        yield RemoteKernel(zygote, fork)
    finally:
        zygote.kill(fork)
        fork.close()


def _started(start_timeout: float, everything: bool) -> Zygote:
    zygote = Zygote(everything=everything)
    try:
        if not wait([zygote], timeout=max(start_timeout, 1.0)):  # type: ignore[list-item]
            raise EOFError
        zygote.report()
    except EOFError:
        words = zygote.last_words()
        zygote.end()
        raise RuntimeError(f"the warm process did not start within {start_timeout:g} s {words}") from None
    atexit.register(zygote.end)
    return zygote
