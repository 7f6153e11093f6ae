"""What a run of a batch shows while it is running.

In a terminal a few lines that stay where they are and are gone when the run ends or is interrupted; elsewhere (a file,
a pipe, continuous integration) a plain line now and then. Neither changes what a run does.
"""

from __future__ import annotations

import os
import statistics
import sys
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Protocol, Self

from qbresearch.cli.terminal import columns_of, duration, fit

if TYPE_CHECKING:
    from rich.console import RenderableType

REFRESH = 4  # times a second
EVERY = 15.0  # seconds between two plain lines
FAILURES_SHOWN = 3
FAILURES_TOLD = 20  # failures that get a plain line each
_NARROW, _WIDEST_BAR = 40, 40  # columns
_TIME = 12  # columns: 59 分 59 秒
_AROUND_WORKERS = 4  # lines: the bar, the counts, the one the cursor stands in and the one it goes to at the end


class JobLike(Protocol):
    """What is told of a job."""

    @property
    def name(self) -> str: ...

    @property
    def notebook(self) -> str: ...

    @property
    def parameters(self) -> Mapping[str, Any]: ...


class RecordLike(JobLike, Protocol):
    """What came of a job."""

    @property
    def status(self) -> str: ...

    @property
    def seconds(self) -> float: ...

    @property
    def error(self) -> Mapping[str, Any] | None: ...


def job_words(job: JobLike, names: Mapping[str, str]) -> str:
    """A job as a reader knows it: notebook, county by name where it is known (or the source), year."""
    values = job.parameters
    county = str(values.get("county_code") or "")
    told = (names.get(county, county) or values.get("source_id"), values.get("school_year"))
    return f"{job.notebook}  {' '.join(str(part) for part in told if part)}".rstrip()


def cause_words(error: Mapping[str, Any]) -> str:
    """What went wrong, in one line."""
    return f"{error['name']}：{error['message']}".strip().splitlines()[0]


@dataclass
class Tally:
    """Where a run stands.

    Parameters
    ----------
    waiting : mapping
        How many jobs of each notebook are to run.
    earlier : mapping
        Seconds that a job of a notebook took in earlier runs, where that is known.
    clock : callable
        Seconds that only go forward.
    """

    waiting: Mapping[str, int]
    earlier: Mapping[str, float] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.total, self.workers = sum(self.waiting.values()), 1
        self.done = self.failed = 0
        self.running: dict[int, tuple[JobLike, float]] = {}
        self.failures: deque[RecordLike] = deque(maxlen=FAILURES_SHOWN)
        self._waiting = Counter(self.waiting)
        self._took: dict[str, list[float]] = defaultdict(list)
        self._began = self.clock()

    def begun(self, total: int, workers: int) -> None:
        self.total, self.workers, self._began = total, workers, self.clock()

    def started(self, worker: int, job: JobLike) -> None:
        self.running[worker] = (job, self.clock())

    def ended(self, record: RecordLike, worker: int | None) -> None:
        holders = [n for n, (job, _) in self.running.items() if n == worker or job.name == record.name]
        for holder in holders:
            del self.running[holder]
        self.done += 1
        self._waiting[record.notebook] -= 1
        self._took[record.notebook].append(record.seconds)
        if record.error:
            self.failed += 1
            self.failures.append(record)

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return self.clock() - self._began

    def remaining(self) -> float | None:
        """Seconds the run will still take, by what jobs of each notebook took so far; None before anything is known."""
        expected = {notebook: self._expected(notebook) for notebook, count in self._waiting.items() if count > 0}
        if not expected or None in expected.values():
            return None if expected else 0.0
        now, left = self.clock(), []
        work = sum(self._waiting[notebook] * seconds for notebook, seconds in expected.items() if seconds)
        for job, since in self.running.values():
            whole = expected.get(job.notebook) or 0.0
            left.append(max(whole - (now - since), 0.0))
            work += left[-1] - whole
        return max(work / self.workers, *left, 0.0)

    def _expected(self, notebook: str) -> float | None:
        if self._took[notebook]:
            return statistics.median(self._took[notebook])
        known = [name for name, took in self._took.items() if took]
        if notebook in self.earlier:
            # A faster computer or engine is faster for every notebook.
            compared = [(statistics.median(self._took[name]), self.earlier[name]) for name in known if name in self.earlier]
            pace = sum(now for now, _ in compared) / sum(before for _, before in compared) if compared else 1.0
            return self.earlier[notebook] * pace
        return statistics.fmean(statistics.median(self._took[name]) for name in known) if known else None

    def counts(self, columns: int | None = None) -> str:
        """Counts and times in one line, the most useful of them where there are only so many columns."""
        left = self.remaining()
        rest = "正在估计余下时间" if left is None else f"约余 {duration(left)}" if self.done < self.total else "全部结束"
        failed = [f"失败 {self.failed}"] if self.failed else []
        ended, running = [f"成功 {self.done - self.failed}", *failed], [f"运行中 {len(self.running)}"] if self.running else []
        whole = f"{'，'.join([*ended, *running])}；已用 {duration(self.seconds)}，{rest}"
        shorter = (whole, "，".join([*ended, rest]), "，".join([*failed, rest]))
        return next((text for text in shorter if columns is None or columns_of(text) <= columns), rest)


class Watching:
    """Told of a run by :func:`qbresearch.batches.runner.run_batch`; as a context it is over when the context is."""

    def __init__(self, tally: Tally, title: str, names: Mapping[str, str]) -> None:
        self._tally, self._title, self._names = tally, title, names
        self._lock = threading.Lock()

    def begun(self, total: int, workers: int) -> None:
        """The run begins."""
        with self._lock:
            self._tally.begun(total, workers)

    def started(self, worker: int, job: JobLike) -> None:
        """A worker begins a job."""
        with self._lock:
            self._tally.started(worker, job)

    def ended(self, record: RecordLike, worker: int | None) -> None:
        """A job has ended."""
        with self._lock:
            self._tally.ended(record, worker)

    def finished(self) -> None:
        """The run is over, however it ended."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finished()

    def _failure(self, record: RecordLike) -> str:
        assert record.error is not None
        return f"失败  {job_words(record, self._names)}：{cause_words(record.error)}"


class LineWatching(Watching):
    """A plain line now and then, and one for every failure until there are too many."""

    def __init__(self, tally: Tally, title: str, names: Mapping[str, str], stream: IO[str]) -> None:
        super().__init__(tally, title, names)
        self._stream, self._last = stream, 0.0

    def ended(self, record: RecordLike, worker: int | None) -> None:
        super().ended(record, worker)
        tally = self._tally
        if record.error and tally.failed <= FAILURES_TOLD:
            self._write(self._failure(record))
            if tally.failed == FAILURES_TOLD:
                self._write("以后的失败只计数，结束时按原因列出")
        if tally.seconds - self._last >= EVERY or tally.done == tally.total:
            self._last = tally.seconds
            self._write(f"{self._title}  {tally.done}/{tally.total}  {tally.counts()}")

    def _write(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


class LiveWatching(Watching):
    """A bar, the counts, a line a worker and the last failures, drawn anew in the same place."""

    def __init__(self, tally: Tally, title: str, names: Mapping[str, str], stream: IO[str]) -> None:
        from rich.console import Console
        from rich.live import Live

        super().__init__(tally, title, names)
        self._console = Console(file=stream, force_terminal=True, highlight=False, markup=False, emoji=False)
        # What others print goes above the view, unless it goes somewhere else altogether.
        self._live = Live(
            get_renderable=self._view, console=self._console, refresh_per_second=REFRESH, transient=True,
            vertical_overflow="crop", redirect_stdout=_is_terminal(sys.stdout), redirect_stderr=_is_terminal(sys.stderr),
        )

    def begun(self, total: int, workers: int) -> None:
        super().begun(total, workers)
        if total:
            self._live.start()

    def finished(self) -> None:
        self._live.stop()

    def _view(self) -> RenderableType:
        from rich.text import Text

        # One column stays free: a line that fills the last one wraps in some terminals.
        width = max(self._console.width - 1, 1)
        with self._lock:
            rows = self._rows(width, self._console.height)
        # The cursor waits in an empty line: the terminal writes ^C where it stands.
        return Text("\n").join(Text.assemble(*parts, no_wrap=True, end="") for parts in [*rows, []])

    def _rows(self, width: int, height: int) -> list[list[tuple[str, str]]]:
        """Lines as pieces of text with their styles, none wider or all together higher than the terminal."""
        tally = self._tally
        told = list(tally.failures)[::-1][: max(height - _AROUND_WORKERS - 1, 0)][::-1]
        failures = [[(fit(self._failure(record), width), "red")] for record in told]
        room = max(height - _AROUND_WORKERS - len(failures), 1)
        workers = sorted(tally.running)
        shown = workers if len(workers) <= room else workers[: room - 1]
        rows = [self._bar(width), [(fit(tally.counts(width), width), "")]]
        rows += [self._worker(worker, width) for worker in shown]
        if len(shown) < len(workers):
            rows.append([(fit(f"      另有 {len(workers) - len(shown)} 个在运行", width), "dim")])
        return [*rows, *failures]

    def _bar(self, width: int) -> list[tuple[str, str]]:
        tally = self._tally
        count = f"{tally.done}/{tally.total}"
        title = fit(self._title, max(width - len(count) - 12, 4))
        room = min(width - columns_of(title) - len(count) - 6, _WIDEST_BAR)
        if room < 4:
            return [(fit(f"{title}  {count}", width), "bold")]
        failed, ended = (round(room * part / max(tally.total, 1)) for part in (tally.failed, tally.done))
        failed = min(max(failed, int(tally.failed > 0)), ended)  # a single failure among thousands is seen
        bar = [("#" * (ended - failed), "green"), ("x" * failed, "red"), ("-" * (room - ended), "dim")]
        return [(f"{title}  [", "bold"), *bar, (f"]  {count}", "bold")]

    def _worker(self, worker: int, width: int) -> list[tuple[str, str]]:
        job, since = self._tally.running[worker]
        words, took = job_words(job, self._names), duration(self._tally.clock() - since)
        if width < _NARROW:
            return [(fit(f"{words}  {took}", width), "")]
        head = f"{worker + 1:>4}  {' ' * (_TIME - columns_of(took))}{took}  "
        return [(head, "dim"), (fit(words, width - columns_of(head)), "")]


def watch_jobs(
    jobs: Iterable[JobLike],
    *,
    title: str,
    earlier: Mapping[str, Iterable[float]] | None = None,
    names: Mapping[str, str] | None = None,
    stream: IO[str] | None = None,
) -> Watching:
    """The view that suits where it is shown.

    Parameters
    ----------
    jobs : iterable
        The jobs that are to run.
    title : str
        Stands before the bar.
    earlier : mapping, optional
        Seconds that jobs of a notebook took in earlier runs.
    names : mapping, optional
        Names of counties by their code.
    stream : file, optional
        Where to show it; standard error unless given.
    """
    stream = stream or sys.stderr
    seconds = {notebook: statistics.median(took) for notebook, took in (earlier or {}).items()}
    tally = Tally(Counter(job.notebook for job in jobs), seconds)
    kind = LiveWatching if _is_terminal(stream) and os.environ.get("TERM") != "dumb" else LineWatching
    return kind(tally, title, names or {}, stream)


def _is_terminal(stream: Any) -> bool:
    return bool(stream) and stream.isatty()
