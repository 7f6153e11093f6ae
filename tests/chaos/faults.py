"""Faults, each of a kind that a batch meets in real life, done to a batch that runs or to what it left behind."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from chaos_project import BATCH
from running_batch import RunningBatch

from qbresearch.batches.ledger import LEDGER
from qbresearch.project import Project

LIMITS = ("--workers", "2", "--timeout", "8", "--memory", "800")
PATIENCE = 900  # seconds for a run that takes one minute on an idle machine
ORDINARY, REFUSED, INTERRUPTED = (0, 3), 2, 130
PAGE = 4096
# As root a folder's permissions mean nothing; without this capability root is a user like others.
AS_USER = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
# A small disk of its own in the place of the reports, in a name space that ends with the command.
SMALL_DISK = """\
mount -t tmpfs -o "size=$2" tmpfs "$1" && cp -a "$3/." "$1" || exit 99
reports=$1 outside=$3; shift 3
"$@"; code=$?
rm -rf "$outside"; mkdir "$outside"; cp -a "$reports/." "$outside" || exit 99
exit $code"""
IN_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
# Pages go to the disk before the transaction ends, and then the process is gone: the journal is left hot.
HALF_A_TRANSACTION = """\
import os, signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN IMMEDIATE")
database.execute("UPDATE jobs SET record = replace(record, 'succeeded', 'failed') || hex(randomblob(2000))")
os.kill(os.getpid(), signal.SIGKILL)"""


def works(*command: str) -> bool:
    """Whether this machine lets us do that."""
    try:
        return subprocess.run(command, check=False, capture_output=True, timeout=20).returncode == 0
    except FileNotFoundError:
        return False


def can_lock_folders() -> bool:
    """Whether a folder can be made unwritable for the batch."""
    return not AS_USER or works(*AS_USER, "true")


def can_fill_disk() -> bool:
    """Whether a command can be given a small disk of its own."""
    return works(*IN_NAMESPACE, "mount -t tmpfs -o size=64k tmpfs /mnt")


class Chaos:
    """A batch that is disturbed; ``done`` counts the faults that had their effect, ``log`` tells them in order."""

    def __init__(self, project: Project, seed: int) -> None:
        self.project, self.folder = project, project.reports / BATCH
        self.random = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.log: list[str] = []
        self.damaged: set[str] = set()  # jobs whose notebook no longer is what the ledger says
        self.is_torn = False
        self._prefix = AS_USER if can_lock_folders() else ()
        kinds = {"child": 8, "second": 1, "lock": 1 if can_lock_folders() else 0, "parent": 2, "terminate": 1, "interrupt": 1}
        self._during = [kind for kind, weight in kinds.items() for _ in range(weight)]
        self._whole = ["file limit", "twins", *(["full disk"] if can_fill_disk() else [])]
        self._before = ["lost", "truncated", "flipped", "part files", "hot journal", "torn ledger"]

    @property
    def kinds(self) -> set[str]:
        """Kinds of faults that this machine allows."""
        return {*self._during, *self._whole, *self._before}

    def command(self) -> list[str]:
        """The command that runs the batch."""
        run = ["-m", "qbresearch.cli", "--project", str(self.project.root), "run", BATCH, *LIMITS]
        return [*self._prefix, sys.executable, *run]

    def undisturbed(self) -> int:
        """Run the batch to its end; the exit code."""
        return self._finish(RunningBatch(self.command()))

    def round(self, most: int) -> None:
        """Damage what is there, then disturb one run with at most so many faults."""
        for kind in self.random.sample(self._before, 2):
            self.damage(kind)
        if self.random.random() < 0.3:
            self._disturb_whole(self.random.choice(self._whole))
        else:
            self.disturb_run(self.random.choices(self._during, k=most), at_work=self.random.random() < 0.8)

    def disturb_run(self, kinds: Iterable[str], *, at_work: bool) -> None:
        """Run the batch and do these to it, one after the other, until it has ended; the first ``at_work`` on a job."""
        running = RunningBatch(self.command())
        if at_work:
            running.wait_until(lambda: any(self.folder.glob(".*--*.part")), 60)
        for kind in kinds:
            if not running.wait(self.random.uniform(0.1, 1.2)):
                break
            self._disturb(kind, running)
        self._finish(running)

    def _note(self, kind: str, detail: object = "") -> None:
        self.done[kind] += 1
        self.log.append(f"{len(self.log) + 1}. {kind} {detail}")

    def _finish(self, running: RunningBatch) -> int:
        try:
            _, errors = running.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            left = running.descendants()
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            raise AssertionError(f"the batch hangs: {left}") from None
        running.assert_all_gone()
        assert "Traceback" not in errors, errors
        code = running.process.returncode
        killed = (-signal.SIGKILL, -signal.SIGTERM, 128 + signal.SIGTERM)
        assert code in (*ORDINARY, REFUSED, INTERRUPTED, *killed), (code, errors)
        return code

    # --- while it runs

    def _disturb(self, kind: str, running: RunningBatch) -> None:
        if kind == "child":
            self._kill_descendant(running)
        elif kind == "second":
            if self._finish(RunningBatch(self.command())) == REFUSED:
                self._note(kind)
        elif kind == "lock":
            self._lock_for_a_moment(running)
        else:
            self._note(kind)
            signals = {"parent": signal.SIGKILL, "terminate": signal.SIGTERM, "interrupt": signal.SIGINT}
            (os.killpg if kind == "interrupt" else os.kill)(running.process.pid, signals[kind])

    def _kill_descendant(self, running: RunningBatch) -> None:
        others = {pid: line for pid, line in running.descendants().items() if pid != running.process.pid}
        if not others:
            return
        pid = self.random.choice(sorted(others))
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self._note("child", f"of {len(others)}: {others[pid][:60]}")

    def _lock_for_a_moment(self, running: RunningBatch) -> None:
        if not self.folder.is_dir():
            return
        self.folder.chmod(0o500)
        running.wait(self.random.uniform(0.2, 1.0))
        self.folder.chmod(0o700)
        self._note("lock")

    # --- a whole run

    def _disturb_whole(self, kind: str) -> None:
        if kind == "twins":
            twins = [RunningBatch(self.command()) for _ in range(2)]
            codes = [self._finish(twin) for twin in twins]
            self._note(kind, codes)
        elif kind == "file limit":
            import resource  # Windows has none

            most = self.random.choice((1, 3, 10, 25)) * PAGE
            limited = RunningBatch(self.command(), lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)))
            self._note(kind, (most, self._finish(limited)))
        else:
            self._fill_disk()

    def _fill_disk(self) -> None:
        self.folder.mkdir(exist_ok=True)
        outside = self.folder.with_name("outside")
        self.folder.rename(outside)
        self.folder.mkdir()
        used = sum(-(-path.lstat().st_size // PAGE) + 1 for path in outside.rglob("*")) * PAGE
        size = used + self.random.choice((8, 20, 40, 80)) * PAGE
        disk = [*IN_NAMESPACE, SMALL_DISK, "sh", str(self.folder), str(size), str(outside)]
        code = self._finish(RunningBatch([*disk, *self.command()]))
        self.folder.rmdir()
        outside.rename(self.folder)
        self._note("full disk", (size, code))

    # --- what lies there

    def damage(self, kind: str) -> None:
        """Spoil what runs have left behind."""
        if not self.folder.is_dir():
            return
        notebooks = sorted(self.folder.glob("*.ipynb"))
        chosen = self.random.sample(notebooks, min(len(notebooks), 6))
        if kind in ("lost", "truncated", "flipped"):
            if not chosen:
                return
            self.damaged |= {path.stem for path in chosen}
            for path in chosen:
                _spoil(path, kind)
        elif kind == "part files":
            for name in (".figures--1.0a1b2c3d.part.ipynb", ".ledger.part", ".figures--2.part"):
                (self.folder / name).write_bytes(b'{"cells": [')
        elif not (self.folder / LEDGER).is_file():
            return
        elif kind == "hot journal":
            subprocess.run([sys.executable, "-c", HALF_A_TRANSACTION, str(self.folder / LEDGER)], check=False)
            if not (self.folder / f"{LEDGER}-journal").is_file():
                return  # the transaction was too small to reach the disk
        elif self.random.random() < 0.3:  # after it everything runs again
            os.truncate(self.folder / LEDGER, (self.folder / LEDGER).stat().st_size // 2)
            self.is_torn = True
        else:
            return
        self._note(kind, len(chosen))


def _spoil(path: Path, kind: str) -> None:
    if kind == "lost":
        path.unlink()
    elif kind == "truncated":
        os.truncate(path, path.stat().st_size // 2)
    else:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)


def integrity(folder: Path) -> str:
    """What SQLite says of the ledger."""
    with closing(sqlite3.connect(folder / LEDGER)) as database:
        try:
            return str(database.execute("PRAGMA integrity_check").fetchone()[0])
        except sqlite3.DatabaseError as error:
            return str(error)

