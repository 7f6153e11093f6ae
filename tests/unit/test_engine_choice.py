"""Which engine serves, and what goes past it to a kernel."""

from __future__ import annotations

import json
import os
import sys

import pytest
from tiny_batch import notebook_text

from qbresearch.engines import choice as module
from qbresearch.engines.choice import Choice, choose_engine, needs_kernel
from qbresearch.engines.task import Outcome, Task
from qbresearch.errors import InputError

PLAIN = notebook_text("a: int = 1", "a")


@pytest.fixture(autouse=True)
def no_wish(monkeypatch):
    monkeypatch.delenv("QBRESEARCH_ENGINE", raising=False)


def changed(**metadata) -> str:
    notebook = json.loads(PLAIN)
    notebook["metadata"] |= metadata
    return json.dumps(notebook)


@pytest.mark.parametrize(("platform", "name"), [("linux", "warm"), ("darwin", "standard"), ("win32", "standard")])
def test_the_warm_engine_serves_where_forks_are_whole(monkeypatch, platform, name):
    monkeypatch.setattr(sys, "platform", platform)
    choice = choose_engine()
    assert choice.name == name
    assert choice.reason
    assert choice.make().name == name


def test_a_wish_is_followed_or_refused(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    assert choose_engine("standard").name == "standard"
    monkeypatch.setenv("QBRESEARCH_ENGINE", "standard")
    assert choose_engine() == Choice("standard", "由环境变量 QBRESEARCH_ENGINE 指定")
    assert choose_engine("warm").name == "warm"
    monkeypatch.setenv("QBRESEARCH_ENGINE", "wram")
    with pytest.raises(InputError, match="是不是想写 warm"):
        choose_engine()
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(InputError, match="macOS"):
        choose_engine("warm")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (PLAIN, ""),
        (changed(kernelspec={}), ""),
        (changed(kernelspec={"name": "ir", "language": "R"}), "别的内核 ir"),
        (changed(kernelspec={"name": "py39", "language": "python"}), "别的内核 py39"),
        (changed(qbresearch={"engine": "standard"}), "独立的内核"),
        (PLAIN.replace('"tags": []', '"tags": ["real-kernel"]'), "real-kernel"),
    ],
)
def test_a_notebook_that_needs_a_kernel_says_why(text, says):
    assert says in needs_kernel(text)
    assert bool(needs_kernel(text)) == bool(says)


def test_a_batch_is_split_between_the_engines(monkeypatch):
    def engine(name):
        class Fake:
            def __init__(self, **options):
                pass

            def run(self, tasks, workers, on_start=None):
                for task in tasks:
                    yield Outcome(task.name, None, None, 0.0, "", "", None, name)

        return Fake

    from qbresearch.engines.warm import pool

    monkeypatch.setattr(module, "StandardEngine", engine("standard"))
    monkeypatch.setattr(pool, "WarmEngine", engine("warm"))
    monkeypatch.setattr(module.StandardEngine, "name", "standard", raising=False)
    texts = {"a": PLAIN, "b": changed(kernelspec={"name": "ir", "language": "R"}), "c": PLAIN}
    tasks = [Task(name, text, {}, os.curdir, os.curdir, os.curdir, 1.0) for name, text in texts.items()]
    by_engine = {o.name: o.engine for o in Choice("warm", "").run(tasks, 2)}
    assert by_engine == {"a": "warm", "b": "standard", "c": "warm"}
    assert {o.engine for o in Choice("standard", "").run(tasks, 2)} == {"standard"}
