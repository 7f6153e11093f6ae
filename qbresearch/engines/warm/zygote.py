"""The process that has everything loaded and does nothing but fork: ``python -m qbresearch.engines.warm.zygote``.

It has one thread, opens no file and runs no code of a notebook, so that every fork is as clean as a new process. It
ends when the line to its owner does, and takes all its forks along; they also end should it be killed.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

from qbresearch.engines.warm.handle import PACKET
from qbresearch.provenance import PACKAGE

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_GLANCE = 2.0  # seconds between looks at whether the owner lives and anybody still needs us
_DESCRIPTORS = 3  # a line, standard output, standard error


def _prctl(option: int, value: int) -> None:
    with suppress(OSError, AttributeError):  # only Linux has it
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


class Server:
    """Forks for its owners and tells them of the end of every fork.

    Parameters
    ----------
    work : callable
        What a fork does with its line.
    listener : socket, optional
        Where owners come and go; without one there is a single owner, and no life after it.
    idle : float
        Seconds without an owner after which a listening server ends.
    """

    def __init__(
        self, work: Callable[[Connection], None], *, listener: socket.socket | None = None, idle: float = 0.0
    ) -> None:
        self._work, self._listener, self._idle = work, listener, idle
        self._parent = os.getppid()
        self._owners: set[socket.socket] = set()
        self._forks: dict[int, tuple[socket.socket, int]] = {}
        self._wake, self._woken = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._wake, False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake, selectors.EVENT_READ)
        if listener is not None:
            self._selector.register(listener, selectors.EVENT_READ)

    def add_owner(self, control: socket.socket) -> None:
        """Serve somebody from now on."""
        self._owners.add(control)
        self._selector.register(control, selectors.EVENT_READ)
        _tell(control, ready=os.getpid())

    def serve(self) -> None:
        """Work until nobody needs us."""
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # what a notebook leaves behind becomes ours to end
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._woken)
        needed = time.monotonic()
        while self._is_needed(needed):
            for key, _ in self._selector.select(_GLANCE):
                if key.fileobj == self._wake:
                    with suppress(BlockingIOError):
                        os.read(self._wake, PACKET)
                elif key.fileobj is self._listener:
                    self.add_owner(self._listener.accept()[0])
                elif key.fileobj in self._owners:  # not one that has just been dropped
                    self._hear(key.fileobj)  # type: ignore[arg-type]
            self._reap()
            if self._owners:
                needed = time.monotonic()
        for owner in list(self._owners):
            self._drop(owner)
        while self._forks:
            time.sleep(0.001)  # they have been killed
            self._reap()
        _end_strays()

    def _is_needed(self, since: float) -> bool:
        if self._listener is not None:
            return bool(self._owners) or time.monotonic() - since < self._idle
        return bool(self._owners) and os.getppid() == self._parent

    def _hear(self, owner: socket.socket) -> None:
        try:
            packet, descriptors, _, _ = socket.recv_fds(owner, PACKET, _DESCRIPTORS)
        except OSError:
            packet, descriptors = b"", []
        if not packet:
            self._drop(owner)
            return
        request = json.loads(packet)
        if "fork" in request:
            self._fork(owner, request["fork"], descriptors)
        else:
            for pid, job in self._forks.items():
                if job == (owner, request["kill"]):
                    _kill(pid)

    def _drop(self, owner: socket.socket) -> None:
        """End what somebody who is gone has had forked."""
        self._owners.discard(owner)
        self._selector.unregister(owner)
        for pid, (whose, _) in self._forks.items():
            if whose is owner:
                _kill(pid)
        owner.close()

    def _fork(self, owner: socket.socket, number: int, descriptors: list[int]) -> None:
        try:
            pid = os.fork()
        except OSError as refusal:  # too many processes, or no memory
            _tell(owner, ended=number, code=None, refusal=str(refusal), memory=0, cpu=0.0)
            pid = -1
        if pid == 0:
            self._become(descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        if pid > 0:
            self._forks[pid] = (owner, number)
            _tell(owner, begun=number, pid=pid)

    def _become(self, descriptors: list[int]) -> NoReturn:
        """In the fork: be a process of one's own."""
        code = 1
        zygote = os.getppid()
        try:
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != zygote:
                os._exit(1)
            os.setsid()  # as a kernel has: its group is ended with it, and the system shares out time by sessions
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._selector.close()
            for other in (self._wake, self._woken):
                os.close(other)
            for owner in self._owners:
                owner.close()
            if self._listener is not None:
                self._listener.close()
            channel, *outputs = descriptors
            for standard, output in enumerate([os.open(os.devnull, os.O_RDONLY), *outputs]):
                os.dup2(output, standard)
                os.close(output)
            self._work(Connection(channel))
            code = 0
        except BaseException:  # noqa: BLE001 - no fork may come back into the loop of the server
            sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        finally:
            with suppress(Exception):
                sys.stderr.flush()
            os._exit(code)  # tearing down the numeric stack takes most of a second and changes nothing

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            owner, number = self._forks.pop(pid, (None, 0))
            if owner is None:
                continue  # left behind by a notebook
            _kill(pid, only_group=True)
            used = {"memory": usage.ru_maxrss * 1024, "cpu": usage.ru_utime + usage.ru_stime}
            _tell(owner, ended=number, code=os.waitstatus_to_exitcode(status), **used)
            if not self._forks:
                _end_strays()


def _tell(owner: socket.socket, **report: Any) -> None:
    with suppress(OSError):  # it is gone, which shows when it is next listened to
        owner.send(json.dumps(report).encode())


def _kill(pid: int, *, only_group: bool = False) -> None:
    with suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
    if not only_group:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _end_strays() -> None:
    """Kill what notebooks have left behind outside their groups; it has become our child."""
    with suppress(OSError, ValueError):
        for pid in map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()):
            _kill(pid)


def _is_open(control: socket.socket) -> bool:
    """Whether the owner has not hung up."""
    try:
        return control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def main(arguments: list[str] | None = None) -> int:
    """Load everything, then serve the owner at the other end of ``--socket``, or whoever comes to ``--listen``."""
    parser = argparse.ArgumentParser(prog="zygote")
    parser.add_argument("--socket", type=int)
    parser.add_argument("--listen", type=int)
    parser.add_argument("--idle", type=float, default=900.0)
    parser.add_argument("--year", type=int, action="append", default=[])
    parser.add_argument("--only-cells", action="store_true")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=options.socket) if options.socket is not None else None
    listener = socket.socket(fileno=options.listen) if options.listen is not None else None

    from qbresearch.engines.warm.preload import preload

    for _ in preload(options.year, everything=not options.only_cells):
        if control is not None and not _is_open(control):
            return 1
    from qbresearch.engines.warm.child import work

    if sys.path[0] == str(PACKAGE.parent):
        del sys.path[0]  # it came with ``python -m`` and is no place where a notebook looks
    gc.collect()
    gc.freeze()  # the collector would write to every page and so copy it into every fork
    server = Server(work, listener=listener, idle=options.idle)
    if control is not None:
        server.add_owner(control)
    server.serve()
    return 0


if __name__ == "__main__":
    os._exit(main())  # nothing is open that would have to be closed
