"""A process that runs notebooks for a dask worker, one at a time: ``python -m qbresearch.engines.cluster.station auto``.

A dask worker has threads, so that nothing may be forked there, and is forbidden to have children of ``multiprocessing``.
This process may do both. It says first what it is made of, then answers every task with an outcome, and ends with the
one who asks.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
from contextlib import closing
from typing import IO

from qbresearch.engines.choice import choose_engine, needs_kernel
from qbresearch.engines.standard import StandardEngine
from qbresearch.engines.task import Outcome, Task
from qbresearch.errors import InputError
from qbresearch.provenance import code_sha256, package_versions


def describe() -> dict[str, str]:
    """What results depend on besides a notebook and its data, by names in Chinese."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"程序": code_sha256(), "Python": python, **package_versions()}


def _serve(asked: str, answers: IO[bytes]) -> None:
    try:
        choice = choose_engine(asked)
    except InputError as error:
        _send(error, answers)
        return
    engine, apart = choice.make(keep=True), StandardEngine()
    _send(describe(), answers)
    tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(tasks,), daemon=True).start()
    while True:
        task = tasks.get()
        serving = apart if needs_kernel(task.template) else engine
        with closing(serving.run([task], 1)) as outcomes:
            _send(next(outcomes), answers)


def _listen(tasks: queue.SimpleQueue[Task]) -> None:
    """Take tasks; at the end of the line all ends here at once, and what the engine has started ends with its caller."""
    while True:
        try:
            tasks.put(pickle.load(sys.stdin.buffer))
        except (EOFError, pickle.UnpicklingError):
            os._exit(0)


def _send(answer: Outcome | dict[str, str] | InputError, answers: IO[bytes]) -> None:
    pickle.dump(answer, answers)
    answers.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C at the worker is the worker's to answer
    line = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever is printed must not get between the answers
    _serve(sys.argv[1], line)
