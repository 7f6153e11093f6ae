"""Start a warm process and have it fork: the end of the line that stays with whoever wants notebooks run."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import IO, Any

from qbresearch.engines.running import ENVIRONMENT
from qbresearch.engines.watching import kill_group
from qbresearch.provenance import PACKAGE

PACKET = 65536
_LAST_WORDS = 12_000
_END_TIMEOUT = 10.0


@dataclass
class Fork:
    """A process that has been asked for: the line to it, and what it writes to its standard streams."""

    number: int
    channel: Connection
    outputs: tuple[int, int]
    pid: int | None = None
    messages: list[Any] = field(default_factory=list)

    def last_words(self) -> str:
        """The end of what was written to standard error."""
        end = os.fstat(self.outputs[1]).st_size
        start = max(0, end - _LAST_WORDS)
        return os.pread(self.outputs[1], end - start, start).decode("utf-8", "replace")

    def received(self) -> list[Any]:
        """What the process has sent and nobody has read yet."""
        messages = []
        with suppress(EOFError, OSError):
            while self.channel.poll():
                messages.append(self.channel.recv())
        return messages

    def close(self) -> None:
        """Let go of the line and the streams."""
        self.channel.close()
        for descriptor in self.outputs:
            os.close(descriptor)


class Line:
    """A line to a warm process, over which it is asked to fork; what was forked ends with the line."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._numbers = 0

    def fileno(self) -> int:
        """Descriptor to wait for reports on."""
        return self._control.fileno()

    def fork(self) -> Fork:
        """Ask for a process.

        Raises
        ------
        OSError
            The warm process is gone.
        """
        self._numbers += 1
        ours, theirs = socket.socketpair()
        outputs = (_nameless_file("stdout"), _nameless_file("stderr"))
        fork = Fork(self._numbers, Connection(ours.detach()), outputs)
        try:
            with theirs:
                packet = json.dumps({"fork": fork.number}).encode()
                socket.send_fds(self._control, [packet], [theirs.fileno(), *outputs])
        except OSError:
            fork.close()
            raise
        return fork

    def kill(self, fork: Fork) -> None:
        """Have a process killed with all that it has started; its end is reported as any other."""
        with suppress(OSError):
            self._control.send(json.dumps({"kill": fork.number}).encode())

    def report(self) -> dict[str, Any]:
        """Wait for the next report.

        Raises
        ------
        EOFError
            The warm process is gone.
        """
        try:
            packet = self._control.recv(PACKET)
        except OSError:
            packet = b""
        if not packet:
            raise EOFError
        return json.loads(packet)

    def close(self) -> None:
        """Give up the line."""
        self._control.close()


class Zygote(Line):
    """A warm process of one's own; it ends with this process.

    Parameters
    ----------
    school_years : iterable of int
        School years whose rules it keeps in memory.
    everything : bool
        Whether it loads what notebooks use; see :func:`qbresearch.engines.warm.preload.preload`.
    """

    def __init__(self, school_years: Iterable[int] = (), *, everything: bool = True) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        super().__init__(ours)
        self.token = secrets.token_hex(4)
        self._noise: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        with theirs:
            command = [sys.executable, "-m", "qbresearch.engines.warm.zygote", "--socket", str(theirs.fileno())]
            self._process = subprocess.Popen(
                [*command, *(f"--year={year}" for year in school_years), *(() if everything else ["--only-cells"])],
                stdin=subprocess.DEVNULL,
                stdout=self._noise,
                stderr=self._noise,
                pass_fds=[theirs.fileno()],
                cwd=PACKAGE.parent,  # where the package is found even if it is not installed
                env={**os.environ, **ENVIRONMENT},
                start_new_session=True,  # Ctrl-C is for the parent, which decides what it means
            )

    def last_words(self) -> str:
        """The end of what the process has printed."""
        self._noise.seek(0)
        return self._noise.read().decode("utf-8", "replace")[-_LAST_WORDS:]

    def end(self) -> int:
        """Close the line, which ends the process and all that it has forked; return its exit code."""
        self.close()
        try:
            self._process.wait(timeout=_END_TIMEOUT)
        except subprocess.TimeoutExpired:
            kill_group(self._process.pid)
            self._process.wait()
        self._noise.close()
        return self._process.returncode


def _nameless_file(name: str) -> int:
    """A file without a name that grows as it is written; nobody ever waits for it to be read."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create(name)
    descriptor, path = tempfile.mkstemp()
    os.unlink(path)
    return descriptor
