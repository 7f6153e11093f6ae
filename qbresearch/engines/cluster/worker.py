"""What happens in a dask worker: find the project, have a station run the notebook, and hand back what came of it."""

from __future__ import annotations

import asyncio
import os
import pickle
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from qbresearch.engines.cluster.shipping import Shipment, fingerprint, unpack
from qbresearch.engines.running import ENGINE_DIED, ENVIRONMENT, TRIES
from qbresearch.engines.task import Outcome, Task, error_of, now
from qbresearch.errors import InputError
from qbresearch.project import Project
from qbresearch.provenance import PACKAGE

PROJECT = "QBRESEARCH_PROJECT"
_POLL = 0.5
_LAST_WORDS = 12_000
_GONE = ("closing", "closed", "failed")


@dataclass(frozen=True, slots=True)
class Order:
    """What all tasks of a run have in common.

    ``id`` tells the run from others and is the topic of its events; ``root`` is where the project lies for whoever runs;
    ``facts`` is what his station is made of (:func:`qbresearch.engines.cluster.station.describe`).
    """

    id: str
    asked: str
    root: str
    fingerprint: str
    facts: dict[str, str]


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a worker has the project, and what its station is made of."""

    has_project: bool
    facts: dict[str, str]


@dataclass(frozen=True, slots=True)
class Delivery:
    """The outcome of a task with the bytes of its notebook; no outcome where the project must be sent first."""

    worker: str
    outcome: Outcome | None = None
    notebook: bytes | None = None


class DroppedError(Exception):
    """Nobody waits for the task any more."""


async def get_ready(order: Order, dask_worker: Any) -> Readiness:
    """Look for the project and have a station up (called by ``Client.run``, which fills in the worker)."""

    def look() -> Readiness:
        with _station(order) as station:
            return Readiness(_find_root(order, dask_worker) is not None, station.facts)

    return await asyncio.to_thread(look)  # the thread of the loop has the scheduler to answer


async def receive(shipment: Shipment, dask_worker: Any) -> None:
    """Unpack the project (called by ``Client.run``)."""
    await asyncio.to_thread(unpack, shipment, _shipped_root(shipment.fingerprint, dask_worker))


def run_remote(task: Task, order: Order) -> Delivery:
    """Run one notebook; the body of a dask task.

    Parameters
    ----------
    task : Task
        With ``cwd`` relative to the project; its other folders are replaced.
    order : Order

    Raises
    ------
    InputError
        The program on this machine is not that of whoever ordered the run.
    """
    from distributed import get_worker

    worker = get_worker()
    root = _find_root(order, worker)
    if root is None:
        return Delivery(worker.address)
    key = worker.get_current_task()

    def is_dropped() -> bool:
        state = worker.state.tasks.get(key)
        return state is None or state.state == "cancelled" or worker.status.name in _GONE

    with tempfile.TemporaryDirectory(dir=worker.local_directory, ignore_cleanup_errors=True) as folder:
        task = replace(task, output_folder=folder, cwd=str(root / task.cwd), root=str(root))
        for tries in range(1, TRIES + 1):
            with _station(order) as station:
                if station.facts != order.facts:
                    raise wrong_program({worker.address: station.facts}, order.facts)
                if tries == 1:
                    worker.log_event(order.id, {"name": task.name, "place": f"{worker.address} {station.number}"})
                outcome = station.run(task, is_dropped)
            if outcome is not None:
                return _delivery(worker.address, replace(outcome, tries=outcome.tries + tries - 1))
    error = error_of(ENGINE_DIED, "运行笔记本的进程两次意外退出，多半是内存不足或被系统终止", traceback=station.words)
    return Delivery(worker.address, Outcome(task.name, None, None, 0.0, now(), now(), error, tries=TRIES))


def _delivery(worker: str, outcome: Outcome) -> Delivery:
    notebook = Path(outcome.part).read_bytes() if outcome.part else None
    return Delivery(worker, replace(outcome, part=None), notebook)


def wrong_program(found: dict[str, dict[str, str]], expected: dict[str, str]) -> InputError:
    """The refusal of workers that would not give the results of this machine.

    Parameters
    ----------
    found : dict
        What each of them is made of, by address.
    expected : dict
        What this machine is made of.
    """
    differing = sorted({name for facts in found.values() for name in expected if facts.get(name) != expected[name]})

    def listed(facts: dict[str, str]) -> str:
        return "，".join(f"{name} {facts.get(name, '无')[:12]}" for name in differing)

    return InputError(
        "集群上的程序与本机不同，结果会不一样", where="、".join(found),
        found="；".join(f"{worker}：{listed(facts)}" for worker, facts in found.items()),
        expected=f"与本机相同：{listed(expected)}",
        fix="在那些机器上换成同一版本的 qbresearch 与软件包（requirements.lock），重新启动 dask worker，再运行一次",
    )


# where the project lies


_roots: dict[tuple[str, str], bool] = {}  # whether a folder is the project of a run


def _find_root(order: Order, worker: Any) -> Path | None:
    """The project: where the worker was told it is, where it lies for whoever runs, or what was shipped here."""
    shipped = _shipped_root(order.fingerprint, worker)
    if shipped.is_dir():
        return shipped
    for place in (os.environ.get(PROJECT, ""), order.root):
        if not place or not Path(place).is_dir():
            continue
        if (order.id, place) not in _roots:
            _roots[order.id, place] = fingerprint(Project(Path(place))) == order.fingerprint
        if _roots[order.id, place]:
            return Path(place).resolve()
    return None


def _shipped_root(sha256: str, worker: Any) -> Path:
    return Path(worker.local_directory).resolve() / f"project-{sha256[:16]}"  # dask removes the folder with the worker


# stations


_idle: dict[str, list[_Station]] = {}
_numbers: set[int] = set()  # of the stations there are
_lock = threading.Lock()


@contextmanager
def _station(order: Order) -> Iterator[_Station]:
    """A station that nobody else uses meanwhile, one that runs already if there is one."""
    with _lock:
        idle = _idle.setdefault(order.asked, [])
        station = idle.pop() if idle else None
    if station is not None and (station.facts != order.facts or not station.is_alive()):
        station.end()  # the program may have been brought up to date since
        station = None
    if station is None:
        station = _Station(order.asked)
    try:
        yield station
    except BaseException:
        station.end()
        raise
    if station.is_alive():
        with _lock:
            _idle[order.asked].append(station)


class _Station:
    """The worker's side of :mod:`qbresearch.engines.cluster.station`."""

    def __init__(self, asked: str) -> None:
        self._noise: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the station
        self._process = subprocess.Popen(
            [sys.executable, "-m", "qbresearch.engines.cluster.station", asked],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._noise,
            cwd=PACKAGE.parent,  # where the package is found even if it is not installed
            env={**os.environ, **ENVIRONMENT},
        )
        self.words = ""
        with _lock:
            self.number = next(n for n in range(len(_numbers) + 1) if n not in _numbers)
            _numbers.add(self.number)
        hello = self._read()
        if isinstance(hello, InputError):
            self.end()
            raise hello
        if hello is None:
            raise InputError(
                "工作进程上不能运行笔记本", where=sys.executable, found=(self.words.strip().splitlines() or ["没有说明"])[-1],
                expected="装好 qbresearch 及其全部软件包的 Python", fix="在那台机器上按 requirements.lock 安装，再重新启动 dask worker",
            )
        self.facts: dict[str, str] = hello

    def is_alive(self) -> bool:
        """Whether it can be given a task."""
        return self._process.poll() is None

    def run(self, task: Task, is_dropped: Callable[[], bool]) -> Outcome | None:
        """Have a notebook run; None if the station dies of it.

        Raises
        ------
        DroppedError
            ``is_dropped`` says that nobody waits for it any more; the station is gone then.
        """
        assert self._process.stdin is not None
        with suppress(OSError):  # it is gone, which shows as the end of its answers
            pickle.dump(task, self._process.stdin)
            self._process.stdin.flush()
        answers: list[Outcome | None] = []
        reader = threading.Thread(target=lambda: answers.append(self._read()), daemon=True)
        reader.start()
        while reader.is_alive():
            reader.join(_POLL)
            if reader.is_alive() and is_dropped():
                self._process.kill()
                reader.join()
                raise DroppedError(task.name)
        return answers[0]

    def _read(self) -> Any:
        assert self._process.stdout is not None
        try:
            return pickle.load(self._process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            self.end()
            return None

    def end(self) -> None:
        """End the process with whatever it has started."""
        if self._noise.closed:
            return
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                stream.close()  # type: ignore[union-attr]
        self._noise.seek(0)
        self.words = self._noise.read().decode("utf-8", "replace")[-_LAST_WORDS:]
        self._noise.close()
        with _lock:
            _numbers.discard(self.number)
