"""The ledger of a batch, ``reports/<id>/ledger.sqlite``: what came of every job, and every run there has been.

SQLite keeps it whole whatever happens to the process or the machine: a result is in it or it is not. A notebook is
moved into place before it is entered here, so that what the ledger says is always there to be looked at; the other way
round a job simply runs again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from qbresearch.batches.contract import Scalar
from qbresearch.engines.task import now
from qbresearch.errors import InputError

LEDGER = "ledger.sqlite"
DAMAGED = "ledger.damaged.sqlite"
RUNNING, FINISHED, INTERRUPTED = "running", "finished", "interrupted"
SUCCEEDED, FAILED = "succeeded", "failed"
_PATIENCE = 30.0  # seconds to wait for a reader that holds the file
_FORM = 1  # raised with every change of the tables below
_TABLES = """
CREATE TABLE runs (
    number INTEGER PRIMARY KEY, started TEXT NOT NULL, finished TEXT, state TEXT NOT NULL, engine TEXT NOT NULL,
    workers INTEGER NOT NULL, jobs INTEGER NOT NULL, skipped INTEGER NOT NULL, held INTEGER NOT NULL
);
CREATE TABLE jobs (name TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE history (
    run INTEGER NOT NULL REFERENCES runs, name TEXT NOT NULL, notebook TEXT NOT NULL, status TEXT NOT NULL,
    seconds REAL NOT NULL, finished TEXT NOT NULL, tries INTEGER NOT NULL, memory INTEGER, cpu REAL, error TEXT,
    PRIMARY KEY (run, name)
) WITHOUT ROWID;
CREATE TABLE code (sha256 TEXT PRIMARY KEY, modules TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """What came of one job the last time it ran.

    ``status`` is ``succeeded`` or ``failed``. ``components`` are the checksums of what the job is made of, ``reads``
    those of what it read on the way (:mod:`qbresearch.traces`); ``key`` is the checksum of both. A failed one has in
    ``error``: ``name``, ``message``, ``cell`` (the number in ``In [ ]`` of the notebook kept under ``failed``, or
    None), ``cell_id`` and ``traceback`` (what a kernel printed before it died, or where the program itself is at fault;
    otherwise None). ``memory`` is in bytes, ``seconds`` and ``cpu`` in seconds; ``run`` is the number of the run.
    """

    name: str
    notebook: str
    status: str
    key: str
    components: dict[str, Any]
    parameters: dict[str, Scalar]
    output_sha256: str | None
    seconds: float
    started: str
    finished: str
    error: dict[str, Any] | None
    reads: Mapping[str, str] = field(default_factory=dict)
    engine: str = ""
    tries: int = 1
    memory: int | None = None
    cpu: float | None = None
    run: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON-able data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of a batch; ``state`` is ``running`` (or was, when it was killed), ``finished`` or ``interrupted``.

    ``jobs`` were to run, ``succeeded`` and ``failed`` have run, ``skipped`` were up to date, ``held`` not chosen.
    """

    number: int
    started: str
    finished: str | None
    state: str
    engine: str
    workers: int
    jobs: int
    skipped: int
    held: int
    succeeded: int
    failed: int

    def to_dict(self) -> dict[str, Any]:
        """The run as JSON-able data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """What one run did with one job; ``memory`` in bytes, times in seconds."""

    run: int
    name: str
    notebook: str
    status: str
    seconds: float
    finished: str
    tries: int
    memory: int | None
    cpu: float | None
    error: dict[str, Any] | None


class Ledger:
    """The ledger in a batch's folder.

    Opened for reading, a folder without one is an empty ledger. Only the process that holds the folder's lock writes.

    Raises
    ------
    InputError
        From every method: the disk is full, or the file cannot be written or read.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LEDGER

    # --- reading

    def records(self) -> dict[str, JobRecord]:
        """The last record of every job by its name; what another version wrote is passed over: such a job runs again."""
        known = {f.name for f in fields(JobRecord)}
        records = {}
        for name, text in self._rows("SELECT name, record FROM jobs ORDER BY name"):
            with suppress(ValueError, TypeError):
                raw = json.loads(text)
                if set(raw) <= known:
                    records[name] = JobRecord(**raw)
        return records

    def runs(self) -> tuple[RunRecord, ...]:
        """Every run there has been, the first one first."""
        rows = self._rows(
            "SELECT number, started, finished, state, engine, workers, jobs, skipped, held,"
            " (SELECT count(*) FROM history WHERE run = number AND status = 'succeeded'),"
            " (SELECT count(*) FROM history WHERE run = number AND status = 'failed') FROM runs ORDER BY number"
        )
        return tuple(RunRecord(*row) for row in rows)

    def history(self, run: int) -> tuple[HistoryEntry, ...]:
        """What a run did, in the order in which its jobs ended."""
        rows = self._rows(
            "SELECT run, name, notebook, status, seconds, finished, tries, memory, cpu, error FROM history"
            " WHERE run = ? ORDER BY finished, name", run,
        )
        return tuple(HistoryEntry(*row[:-1], json.loads(row[-1]) if row[-1] else None) for row in rows)

    def modules(self, code_sha256: str) -> dict[str, str]:
        """Checksums of the modules behind a record's ``components["code"]``; empty where they are not known."""
        for (text,) in self._rows("SELECT modules FROM code WHERE sha256 = ?", code_sha256):
            return json.loads(text)
        return {}

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What a question finds: nothing in a ledger that is damaged, unfinished or of another form, which no run trusts."""
        if not self.path.is_file():
            return []
        try:
            with closing(sqlite3.connect(self.path, timeout=_PATIENCE)) as database:
                return database.execute(query, values).fetchall() if _form(database) == _FORM else []
        except sqlite3.OperationalError as error:
            raise _refusal(self.path, error) from error
        except sqlite3.DatabaseError:
            return []

    # --- writing

    def prepare(self) -> None:
        """Make the file where there is none; one that is damaged, or of another form, is set aside and begun anew."""
        if self.path.is_file() and not self._sound():
            self.path.replace(self.path.with_name(DAMAGED))
            # What is left of an unfinished write would otherwise be undone in the new file.
            self.path.with_name(f"{LEDGER}-journal").unlink(missing_ok=True)
        with self._open() as database:
            if not _form(database):
                database.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {_FORM}; COMMIT;")

    def begin(self, *, engine: str, workers: int, jobs: int, skipped: int, held: int) -> int:
        """Enter a run and return its number; a run that was killed is marked as interrupted."""
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("UPDATE runs SET state = ? WHERE state = ?", (INTERRUPTED, RUNNING))
            entry = database.execute(
                "INSERT INTO runs (started, state, engine, workers, jobs, skipped, held) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (now(), RUNNING, engine, workers, jobs, skipped, held),
            )
            database.execute("COMMIT")
            assert entry.lastrowid is not None
            return entry.lastrowid

    def keep_code(self, modules: Mapping[str, str], code_sha256: str) -> None:
        """Keep the checksums of modules behind a checksum of code."""
        with self._open() as database:
            database.execute("INSERT OR IGNORE INTO code VALUES (?, ?)", (code_sha256, json.dumps(dict(modules))))

    def settle(self, record: JobRecord) -> None:
        """Enter what came of a job, in one piece."""
        text = json.dumps(record.to_dict(), ensure_ascii=False, sort_keys=True)
        error = json.dumps(record.error, ensure_ascii=False) if record.error else None
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("INSERT OR REPLACE INTO jobs VALUES (?, ?)", (record.name, text))
            database.execute(
                "INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    record.run, record.name, record.notebook, record.status, record.seconds, record.finished,
                    record.tries, record.memory, record.cpu, error,
                ),
            )
            database.execute("COMMIT")

    def end(self, run: int, state: str) -> None:
        """Enter how a run ended."""
        with self._open() as database:
            database.execute("UPDATE runs SET finished = ?, state = ? WHERE number = ?", (now(), state, run))

    def forget(self, names: Iterable[str]) -> None:
        """Drop the records of jobs; what runs did with them stays."""
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            database.executemany("DELETE FROM jobs WHERE name = ?", [(name,) for name in names])
            database.execute("COMMIT")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection for a moment: none is held while notebooks run, so none is inherited by a process."""
        try:
            with closing(sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None)) as database:
                yield database
        except sqlite3.Error as error:
            raise _refusal(self.path, error) from error

    def _sound(self) -> bool:
        try:
            with closing(sqlite3.connect(self.path, timeout=_PATIENCE)) as database:
                sound = database.execute("PRAGMA quick_check").fetchone() == ("ok",)
                return sound and _form(database) in (0, _FORM)
        except sqlite3.OperationalError as error:
            raise _refusal(self.path, error) from error  # locked or unreadable: not for us to set aside
        except sqlite3.DatabaseError:
            return False


def _form(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _refusal(path: Path, error: sqlite3.Error) -> InputError:
    fixes = {
        "SQLITE_FULL": "腾出磁盘空间，再运行同一命令：已完成的不会重做",
        "SQLITE_IOERR": "检查磁盘空间与权限，再运行同一命令：已完成的不会重做",
        "SQLITE_READONLY": "恢复对这个文件夹的写权限，再运行同一命令",
        "SQLITE_CANTOPEN": "恢复对这个文件夹的读写权限，再运行同一命令",
        "SQLITE_BUSY": "关闭正在使用这个文件的程序，再运行同一命令",
    }
    name = getattr(error, "sqlite_errorname", "") or type(error).__name__
    fix = next((text for key, text in fixes.items() if name.startswith(key)), f"把 {path.name} 移到别处，再运行同一命令：全部重做一次")
    return InputError(
        "运行账本写不进或读不出", where=str(path), found=f"{name}：{error}", expected="能读写的 SQLite 文件", fix=fix
    )
