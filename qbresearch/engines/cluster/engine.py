"""The engine that hands notebooks to a dask.distributed scheduler and takes in what comes back.

Only this side writes into the folder of results. A worker that is believed dead and reports after all therefore does no
harm: the outcome of a task is taken once.
"""

from __future__ import annotations

import hashlib
import logging
import os
import queue
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qbresearch.engines.cluster.shipping import fingerprint, pack
from qbresearch.engines.cluster.station import describe
from qbresearch.engines.cluster.worker import (
    Delivery,
    Order,
    Readiness,
    get_ready,
    receive,
    run_remote,
    wrong_program,
)
from qbresearch.engines.running import ENGINE_DIED, TRIES, fault_error, part_path
from qbresearch.engines.task import Outcome, Task, error_of, now
from qbresearch.errors import InputError, system_refusal
from qbresearch.project import Project

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_TIMEOUT = 10.0
FIRST_WORKER = 60.0  # a worker that was started with the scheduler takes some seconds to import all it needs
NO_WORKER = 600.0  # workers that were lost may come back: a machine that is started again, a queue that gives another
_POLL = 0.5
_COUNT_EVERY = 5.0
_AHEAD = 4  # tasks at the scheduler beside those that run; all of them at once would fill its memory with notebooks
_SHIPPED_TIMES = 3
OnStart = Callable[[int, Task], None]


class ClusterEngine:
    """Notebooks run by the workers of a dask.distributed scheduler.

    Parameters
    ----------
    scheduler : str
        Its address, ``tcp://host:8786``.
    asked : {"auto", "warm", "standard"}
        How notebooks are run on the machines of the cluster.
    """

    name = "cluster"

    def __init__(self, scheduler: str, asked: str = "auto") -> None:
        self.scheduler, self.asked = scheduler, asked

    def run(self, tasks: list[Task], workers: int, on_start: OnStart | None = None) -> Generator[Outcome, None, None]:
        """Yield the outcome of every task as it ends; see :class:`qbresearch.engines.task.Engine`.

        How many run at a time is for the cluster to say, not for ``workers``.

        Raises
        ------
        InputError
            The package ``distributed`` is not installed, nobody answers at the address, no worker is there, the program
            of a worker is not the one that runs here, or the scheduler went away. What was yielded before stands.
        """
        if not tasks:
            return
        connection = _load()  # first, for it sets the loggers that are silenced
        project = Project(Path(tasks[0].root))
        identity = f"qbresearch-{secrets.token_hex(8)}"
        order = Order(identity, self.asked, tasks[0].root, fingerprint(project), describe())
        with _silence():
            client = self._connect(connection)
            run = _Run(client, self.scheduler, order, tasks, on_start or (lambda number, task: None))
            try:
                yield from run.outcomes()
            finally:
                run.close()

    def _connect(self, connection: type[Client]) -> Client:
        try:
            return connection(self.scheduler, timeout=CONNECT_TIMEOUT, set_as_default=False, name="qbresearch")
        except (OSError, ValueError) as error:
            raise InputError(
                "连不上集群的调度器", where=f"--scheduler {self.scheduler}", found=_first_line(error),
                expected="正在运行的 dask 调度器的地址，如 tcp://192.168.1.5:8786",
                fix="核对地址与端口（dask scheduler 启动时打印），确认调度器在运行、防火墙放行",
            ) from None


def _load() -> type[Client]:
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            "没有安装连接集群的软件包", where="--scheduler", found="没有软件包 distributed",
            expected="本机与集群各机器都装有 distributed", fix='运行 pip install "qbresearch[cluster]"',
        ) from None
    return Client


class _Run:
    """The tasks of one call: those that wait here, and those that are at the scheduler."""

    def __init__(self, client: Client, scheduler: str, order: Order, tasks: list[Task], on_start: OnStart) -> None:
        self._client, self._scheduler, self._order, self._on_start = client, scheduler, order, on_start
        self._tasks = {task.name: task for task in tasks}
        self._waiting = deque(task.name for task in tasks)
        self._futures: dict[str, Future] = {}  # by the name of the task; one that is replaced or given up is not in it
        self._begun: Counter[str] = Counter()
        self._places: dict[str, int] = {}
        self._shipped: Counter[str] = Counter()
        self._inbox: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._submitted = 0
        self._threads, self._counted, self._seen = 0, 0.0, time.monotonic()

    def outcomes(self) -> Generator[Outcome, None, None]:
        """Work until all tasks have ended."""
        try:
            self._client.wait_for_workers(1, timeout=FIRST_WORKER)
        except TimeoutError:
            raise self._no_workers() from None
        self._client.subscribe_topic(self._order.id, lambda event: self._inbox.put(("begun", event[1])))
        self._supply()
        while self._waiting or self._futures:
            self._count_threads()
            while self._waiting and len(self._futures) < self._threads + _AHEAD:
                self._submit(self._waiting.popleft())
            try:
                kind, what = self._inbox.get(timeout=_POLL)
            except queue.Empty:
                continue
            yield from self._begin(what) if kind == "begun" else self._end(*what)

    def close(self) -> None:
        """Let go of everything; workers drop what they run as soon as they hear of it."""
        futures, self._futures = list(self._futures.values()), {}
        with suppress(OSError):  # the scheduler is gone, and with it all that was asked of it
            if futures and self._client.status == "running":
                self._client.cancel(futures, force=True)
        self._client.close(timeout=CONNECT_TIMEOUT)

    def _submit(self, name: str) -> None:
        task = self._tasks[name]
        cwd = Path(task.cwd).relative_to(task.root).as_posix()
        self._submitted += 1
        key = f"{self._order.id}-{self._submitted}"
        sent = replace(task, output_folder="", cwd=cwd, root="")
        future = self._client.submit(run_remote, sent, self._order, key=key, pure=False)
        self._futures[name] = future
        future.add_done_callback(lambda future: self._inbox.put(("ended", (name, future))))

    # what the cluster says

    def _begin(self, event: dict[str, str]) -> Generator[Outcome, None, None]:
        """A worker has begun a task."""
        name = event["name"]
        if name not in self._futures:
            return
        self._begun[name] += 1
        if self._begun[name] > TRIES:
            future = self._futures.pop(name)
            future.cancel()
            yield self._lost(name)
            return
        self._on_start(self._places.setdefault(event["place"], len(self._places)), self._tasks[name])

    def _end(self, name: str, future: Future) -> Generator[Outcome, None, None]:
        """A task has ended one way or the other."""
        if self._futures.get(name) is not future:
            return  # given up before, or run again: each task has one outcome
        from distributed import CancelledError
        from distributed.scheduler import KilledWorker

        try:
            fault = future.exception()
            delivery: Delivery | None = None if fault else future.result()
        except (CancelledError, OSError):
            raise self._gone() from None
        if isinstance(fault, InputError):
            raise fault
        if isinstance(fault, ModuleNotFoundError):
            raise _no_package("集群中的一个工作进程", fault)
        del self._futures[name]
        if isinstance(fault, KilledWorker) and self._begun[name] < TRIES:
            # Dask holds a death against every task that was waiting at the worker: this one has hardly done anything.
            self._waiting.appendleft(name)
        elif isinstance(fault, KilledWorker):
            yield self._lost(name)
        elif delivery is None:  # a fault nobody thought of fails its own task, in full view, and no other
            yield self._failed(name, fault_error(fault))
        elif delivery.outcome is None:
            self._waiting.appendleft(name)
            self._supply([delivery.worker])
        else:
            yield self._kept(name, delivery)

    def _kept(self, name: str, delivery: Delivery) -> Outcome:
        """Write the notebook into a part file beside the results."""
        assert delivery.outcome is not None
        deaths = max(0, self._begun[name] - 1)
        outcome = replace(delivery.outcome, tries=delivery.outcome.tries + deaths)
        if delivery.notebook is None:
            return outcome
        part = part_path(self._tasks[name], secrets.token_hex(4), "part.ipynb")
        try:
            with open(part, "xb") as file:
                file.write(delivery.notebook)
                file.flush()
                os.fsync(file.fileno())
        except OSError as refusal:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            return replace(outcome, sha256=None, error=fault_error(refusal))
        return replace(outcome, part=str(part), sha256=hashlib.sha256(delivery.notebook).hexdigest())

    def _lost(self, name: str) -> Outcome:
        message = "运行它的机器或工作进程两次失去联系，多半是内存不足或被系统终止"
        return self._failed(name, error_of(ENGINE_DIED, message))

    def _failed(self, name: str, error: dict[str, Any]) -> Outcome:
        return Outcome(name, None, None, 0.0, now(), now(), error, ClusterEngine.name, max(1, min(TRIES, self._begun[name])))

    # the workers

    def _supply(self, workers: list[str] | None = None) -> None:
        """See that workers (None: all there are) have the program that runs here, and the project."""
        answers = self._ask(get_ready, self._order, workers)
        ready = {worker: answer for worker, answer in answers.items() if isinstance(answer, Readiness)}
        wrong = {worker: answer.facts for worker, answer in ready.items() if answer.facts != self._order.facts}
        if wrong:
            raise wrong_program(wrong, self._order.facts)
        needy = [worker for worker, answer in ready.items() if not answer.has_project]
        if not needy:
            return
        self._shipped.update(needy)
        if max(self._shipped.values()) > _SHIPPED_TIMES:
            worker = max(self._shipped, key=lambda worker: self._shipped[worker])
            raise InputError(
                "送到工作进程的项目数据一再丢失", where=worker, found=f"送了 {_SHIPPED_TIMES} 次，每次又不见了",
                expected="工作进程的临时文件夹（dask worker --local-directory）能保留文件", fix="换一个文件夹，重新启动这个工作进程",
            )
        shipment = pack(Project(Path(self._order.root)))
        if shipment.fingerprint != self._order.fingerprint:
            raise InputError(
                "项目的数据在批次运行途中变了", where=self._order.root, found="规划、护照或处理好的表与批次开始时不同",
                expected="批次运行期间数据不变", fix="再运行一次；已完成而不受影响的任务不会重做",
            )
        self._ask(receive, shipment, needy)

    def _ask(self, function: Callable[..., Any], argument: Any, workers: list[str] | None = None) -> dict[str, Any]:
        """Have every worker do something beside its tasks; one that has just gone is left out."""
        try:
            answers = self._client.run(function, argument, workers=workers, on_error="return")
        except OSError:
            raise self._gone() from None
        for worker, answer in answers.items():
            if isinstance(answer, ModuleNotFoundError):
                raise _no_package(worker, answer)
            refusal = system_refusal(answer) if isinstance(answer, OSError) else answer
            if isinstance(refusal, InputError):
                where = f"{worker}：{refusal.where}"
                raise InputError(refusal.problem, where=where, found=refusal.found, expected=refusal.expected, fix=refusal.fix)
            if isinstance(refusal, BaseException):
                raise refusal
        return answers

    def _count_threads(self) -> None:
        """How many tasks can run at a time; refuse to wait for ever for a cluster without workers."""
        if time.monotonic() - self._counted < _COUNT_EVERY:
            return
        try:
            self._threads = sum(self._client.nthreads().values())
        except OSError:
            raise self._gone() from None
        self._counted = time.monotonic()
        if self._threads:
            self._seen = self._counted
        elif self._counted - self._seen > NO_WORKER:
            raise self._no_workers()

    def _no_workers(self) -> InputError:
        return InputError(
            "集群里没有工作进程", where=f"--scheduler {self._scheduler}", found="调度器在运行，没有工作进程与它相连",
            expected="至少一个 dask worker", fix=f"在各台机器上运行 dask worker {self._scheduler}，再运行一次；已完成的不会重做",
        )

    def _gone(self) -> InputError:
        return InputError(
            "与集群调度器的连接断开", where=f"--scheduler {self._scheduler}", found="调度器停止了，或网络中断",
            expected="调度器一直运行到批次结束", fix="已完成的任务都已保存；重新启动调度器与工作进程后再运行同一条命令，只补余下的任务",
        )


@contextmanager
def _silence() -> Iterator[None]:
    """Keep dask from printing tracebacks of a lost connection, which is told in a sentence."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _no_package(worker: object, error: ModuleNotFoundError) -> InputError:
    return InputError(
        "集群上没有安装本项目的程序", where=str(worker), found=f"没有模块 {error.name}",
        expected="每个工作进程的 Python 都装有与本机相同的 qbresearch", fix="在那台机器上安装后重新启动 dask worker",
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
