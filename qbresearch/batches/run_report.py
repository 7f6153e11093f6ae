"""What one run of a batch came to: where the time went, what failed and why, what needed a second try."""

from __future__ import annotations

import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from qbresearch.batches.ledger import (
    FAILED,
    SUCCEEDED,
    HistoryEntry,
    JobRecord,
    Ledger,
    RunRecord,
)
from qbresearch.errors import check_choice

if TYPE_CHECKING:
    import pandas as pd

SLOWEST = 10
CAUSES_TOLD = 5
_COUNTIES_TOLD = 6
_SHORTEST_VALUE = 2  # characters: a shorter parameter would be found in every sentence


@dataclass(frozen=True, slots=True)
class NotebookTimes:
    """What the jobs of one notebook took: seconds, and bytes of memory where the engine knows."""

    notebook: str
    count: int
    failed: int
    median: float
    total: float
    memory: int | None


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A job that failed; ``cell`` is the number in ``In [ ]``, ``later`` the number of a later run that succeeded."""

    name: str
    notebook: str
    county: str
    year: int | None
    cell: int | None
    message: str
    command: str
    later: int | None


@dataclass(frozen=True, slots=True)
class Cause:
    """Jobs that failed for the same reason; ``message`` is what the first of them said."""

    error: str
    message: str
    jobs: tuple[FailedJob, ...]

    @property
    def counties(self) -> tuple[str, ...]:
        """The counties it struck, each once."""
        return tuple(dict.fromkeys(job.county for job in self.jobs if job.county))

    def summary(self) -> str:
        """The cause and whom it struck, in Chinese."""
        notebooks = tuple(dict.fromkeys(job.notebook for job in self.jobs))
        counties = "、".join(self.counties[:_COUNTIES_TOLD]) + (" 等" if self.counties[_COUNTIES_TOLD:] else "")
        whom = f"；{len(self.counties)} 个县：{counties}" if self.counties else ""
        said = f"{self.error}：{self.message}".rstrip("：")
        return f"{said}（{len(self.jobs)} 个任务，{'、'.join(notebooks)}{whom}）"


@dataclass(frozen=True, slots=True)
class RunReport:
    """One run of a batch; ``entries`` are its jobs in the order in which they ended, ``seconds`` what it took in all."""

    batch: str
    run: RunRecord
    seconds: float
    entries: tuple[HistoryEntry, ...]
    parameters: Mapping[str, Mapping[str, Any]]
    notebooks: tuple[NotebookTimes, ...]
    causes: tuple[Cause, ...]

    @property
    def slowest(self) -> tuple[HistoryEntry, ...]:
        """The jobs that took longest."""
        return tuple(sorted(self.entries, key=lambda entry: (-entry.seconds, entry.name))[:SLOWEST])

    @property
    def retried(self) -> tuple[HistoryEntry, ...]:
        """Jobs whose process died the first time."""
        return tuple(entry for entry in self.entries if entry.tries > 1)

    @property
    def per_minute(self) -> float:
        """Jobs ended a minute."""
        return 60 * len(self.entries) / self.seconds if self.seconds else 0.0

    def summary(self) -> str:
        """Counts, the causes of failures with a command each, and where to read more, in Chinese."""
        run = self.run
        counts = f"成功 {run.succeeded}，失败 {run.failed}，已是最新 {run.skipped}" + (f"，本次未选 {run.held}" if run.held else "")
        lines = [f"批次 {self.batch} 第 {run.number} 次运行：{counts}；用时 {self.seconds:.0f} 秒"]
        for cause in self.causes[:CAUSES_TOLD]:
            lines += [f"  失败 {cause.summary()}", f"      打开：{cause.jobs[0].command}"]
        if self.causes:
            rest = len(self.causes) - CAUSES_TOLD
            more = f"另有 {rest} 种原因；" if rest > 0 else ""
            lines.append(f"  {more}全部失败、最慢的笔记本：qbresearch show runs {self.batch}/{run.number}")
        return "\n".join(lines)

    def tidy(self) -> pd.DataFrame:
        """One row a job that ran; ``cause`` numbers the causes from 1, in the order of ``causes``."""
        import pandas as pd

        causes = {job.name: number for number, cause in enumerate(self.causes, 1) for job in cause.jobs}
        rows = []
        for entry in self.entries:
            values = self.parameters.get(entry.name, {})
            place = (values.get("county_code"), values.get("school_year"))
            cost = (entry.seconds, entry.cpu, entry.memory, entry.tries)
            rows.append((entry.run, entry.name, entry.notebook, *place, entry.status, *cost, causes.get(entry.name), _said(entry)))
        columns = ["run", "name", "notebook", "county_code", "school_year", "status", "seconds", "cpu", "memory", "tries"]
        return pd.DataFrame(rows, columns=[*columns, "cause", "error"]).astype({"cause": "Int64"})

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-able data."""
        return {
            "batch": self.batch,
            "run": self.run.to_dict(),
            "seconds": self.seconds,
            "per_minute": self.per_minute,
            "notebooks": [asdict(times) for times in self.notebooks],
            "slowest": [{"name": entry.name, "seconds": entry.seconds} for entry in self.slowest],
            "retried": [{"name": entry.name, "tries": entry.tries} for entry in self.retried],
            "causes": [{**asdict(cause), "counties": list(cause.counties)} for cause in self.causes],
        }


def report_run(ledger: Ledger, run: int | None = None, *, names: Mapping[str, str] | None = None) -> RunReport:
    """Report on a run of a batch.

    Parameters
    ----------
    ledger : Ledger
        Of the batch, ``reports/<id>``.
    run : int, optional
        Number of the run; by default the last one.
    names : mapping, optional
        Names of counties by their codes.

    Raises
    ------
    InputError
        The batch has no such run, or the ledger cannot be read.
    """
    runs, batch = {record.number: record for record in ledger.runs()}, ledger.path.parent.name
    number = check_choice(max(runs, default=0) if run is None else run, runs, name="运行", where=f"批次 {batch}")
    return make_report(batch, runs[number], ledger.history(number), ledger.records(), names or {})


def make_report(
    batch: str,
    run: RunRecord,
    entries: tuple[HistoryEntry, ...],
    records: Mapping[str, JobRecord],
    names: Mapping[str, str],
) -> RunReport:
    """The report made of what a ledger says; ``records`` are the last ones of every job."""
    parameters = {entry.name: records[entry.name].parameters for entry in entries if entry.name in records}
    failures = [(entry, _failed_job(batch, entry, records.get(entry.name), names)) for entry in entries if entry.status == FAILED]
    return RunReport(
        batch=batch,
        run=run,
        seconds=seconds_of(run, entries),
        entries=entries,
        parameters=parameters,
        notebooks=_notebook_times(entries),
        causes=_causes(failures, parameters, names),
    )


def seconds_of(run: RunRecord, entries: Iterable[HistoryEntry] = ()) -> float:
    """What a run took; of one that has not ended, what it took until the last of its jobs did."""
    end = run.finished or max((entry.finished for entry in entries), default=run.started)
    return (datetime.fromisoformat(end) - datetime.fromisoformat(run.started)).total_seconds()


def open_command(batch: str, job: str) -> str:
    """The command that opens a job's notebook in JupyterLab, a failed one at the cell that failed.

    Names of batches and jobs hold no character that a shell would take for something else.
    """
    return f"qbresearch open {batch} {job}"


def first_line(error: Mapping[str, Any]) -> str:
    """The first line of what an error says."""
    return next(iter(str(error["message"]).strip().splitlines()), "").strip()


def _said(entry: HistoryEntry) -> str:
    return f"{entry.error['name']}：{first_line(entry.error)}" if entry.error else ""


def _failed_job(batch: str, entry: HistoryEntry, record: JobRecord | None, names: Mapping[str, str]) -> FailedJob:
    assert entry.error is not None
    values = record.parameters if record else {}
    code, year = str(values.get("county_code") or ""), values.get("school_year")
    return FailedJob(
        name=entry.name,
        notebook=entry.notebook,
        county=names.get(code, code),
        year=year if isinstance(year, int) else None,
        cell=entry.error["cell"],
        message=first_line(entry.error),
        command=open_command(batch, entry.name),
        later=record.run if record and record.status == SUCCEEDED else None,
    )


def _notebook_times(entries: Iterable[HistoryEntry]) -> tuple[NotebookTimes, ...]:
    """Times by notebook, the one that took longest in all first."""
    by_notebook = defaultdict(list)
    for entry in entries:
        by_notebook[entry.notebook].append(entry)
    times = []
    for notebook, own in by_notebook.items():
        seconds = [entry.seconds for entry in own]
        memory = max((entry.memory for entry in own if entry.memory is not None), default=None)
        failed = sum(entry.status == FAILED for entry in own)
        times.append(NotebookTimes(notebook, len(own), failed, statistics.median(seconds), sum(seconds), memory))
    return tuple(sorted(times, key=lambda one: (-one.total, one.notebook)))


def _causes(
    failures: Iterable[tuple[HistoryEntry, FailedJob]], parameters: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]
) -> tuple[Cause, ...]:
    """Failures by cause, the most frequent one first."""
    groups = defaultdict(list)
    for entry, job in failures:
        assert entry.error is not None
        shape = _shape(job.message, parameters.get(job.name, {}), names)
        groups[entry.error["name"], shape].append(job)
    causes = [Cause(error, jobs[0].message, tuple(jobs)) for (error, _), jobs in groups.items()]
    return tuple(sorted(causes, key=lambda cause: -len(cause.jobs)))


def _shape(message: str, values: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """A message without what differs from job to job: the values of its parameters, its county, numbers, addresses."""
    county = names.get(str(values.get("county_code")), "")
    own = [text for text in (county, *map(str, values.values())) if len(text) >= _SHORTEST_VALUE]
    for text in sorted(own, key=len, reverse=True):
        message = message.replace(text, "*")
    return re.sub(r"0x[0-9a-fA-F]+|\d+(?:\.\d+)?", "0", message)
