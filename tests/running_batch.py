"""A batch running in a process of its own, and everything that descends from it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

MARK = "QB_TEST_RUN"


class RunningBatch:
    """A command in a process, and a process group, of its own; a mark in the environment finds whatever descends from it.

    ``prepare`` is called in the new process before the command.
    """

    def __init__(self, command: Sequence[str], prepare: Callable[[], None] = lambda: None) -> None:
        def begin() -> None:
            # A test run started in the background inherits an ignored Ctrl-C; the run under test must hear it.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            prepare()

        self._mark = f"{MARK}={uuid.uuid4().hex}"
        name, value = self._mark.split("=")
        self.process = subprocess.Popen(
            command,
            env={**os.environ, name: value},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
            preexec_fn=begin,  # noqa: PLW1509 - tests have one thread
        )

    def wait_until(self, happened: Callable[[], bool], seconds: float) -> bool:
        """Return when something has happened, when the batch has ended, or after some seconds; whether it still runs."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not happened():
            try:
                self.process.wait(timeout=0.01)
            except subprocess.TimeoutExpired:
                continue
            return False
        return self.process.poll() is None

    def wait(self, seconds: float) -> bool:
        """Let the batch run for some seconds; whether it still does."""
        return self.wait_until(lambda: False, seconds)

    def kill(self) -> bool:
        """Kill the parent alone, without warning; workers and kernels must notice by themselves."""
        self.process.kill()
        self.process.wait()  # not communicate(): that would wait for whoever else holds the pipe
        self.process.stderr.close()
        return self.process.returncode == -signal.SIGKILL

    def descendants(self) -> dict[int, str]:
        """Command lines of all living processes that inherited the mark."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if self._mark.encode() in (folder / "environ").read_bytes():
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue  # it has ended, or is not ours
        return found

    def assert_all_gone(self) -> None:
        """Nothing that descends from the batch is alive, or it ends within ten seconds."""
        deadline = time.monotonic() + 10
        while (left := self.descendants()) and time.monotonic() < deadline:
            _wait_for_end(min(left), deadline - time.monotonic())
        assert left == {}


def _wait_for_end(pid: int, seconds: float) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    select.select([descriptor], [], [], max(0.0, seconds))
    os.close(descriptor)
