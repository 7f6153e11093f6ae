"""Which engine runs notebooks on this computer, and why."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass

from qbresearch.engines.standard import StandardEngine
from qbresearch.engines.task import Engine, Outcome, Task
from qbresearch.errors import InputError, check_choice

ENGINES = ("auto", "warm", "standard")
WARM = "warm"
ENVIRONMENT_NAME = "QBRESEARCH_ENGINE"
_OWN_KERNELS = ("", "python3", "qbresearch-warm")
_KERNEL_TAG = "real-kernel"


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine that serves, and the reason in Chinese."""

    name: str
    reason: str

    def make(self, *, keep: bool = False) -> Engine:
        """The engine itself; ``keep`` says that it will be asked to run several times and should stay warm in between."""
        if self.name != WARM:
            return StandardEngine()
        from qbresearch.engines.warm.pool import (
            WarmEngine,  # nothing of it is needed elsewhere
        )

        return WarmEngine(keep=keep)

    def run(
        self, tasks: list[Task], workers: int, on_start: Callable[[int, Task], None] | None = None
    ) -> Generator[Outcome, None, None]:
        """Yield the outcome of every task as it ends; a notebook that needs a kernel of its own gets one.

        See :class:`qbresearch.engines.task.Engine`.
        """
        apart = [task for task in tasks if self.name == WARM and needs_kernel(task.template)]
        names = {task.name for task in apart}
        yield from self.make().run([task for task in tasks if task.name not in names], workers, on_start)
        yield from StandardEngine().run(apart, workers, on_start)


def choose_engine(asked: str = "auto") -> Choice:
    """Choose how notebooks are run.

    Parameters
    ----------
    asked : {"auto", "warm", "standard"}
        ``auto`` is what the environment variable ``QBRESEARCH_ENGINE`` says, and otherwise the fastest that works.

    Raises
    ------
    InputError
        There is no such engine, or it does not work on this computer.
    """
    where = "--engine"
    if asked == "auto":
        asked, where = os.environ.get(ENVIRONMENT_NAME) or asked, f"环境变量 {ENVIRONMENT_NAME}"
    check_choice(asked, ENGINES, name="运行引擎", where=where)
    obstacle = _obstacle()
    if asked == "standard":
        return Choice("standard", f"由{where} 指定")
    if asked == "warm":
        if obstacle:
            raise InputError(
                "这台电脑上不能用预热引擎", where=where, found=obstacle, expected="Linux", fix="改为 auto 或 standard"
            )
        return Choice("warm", f"由{where} 指定")
    if obstacle:
        return Choice("standard", f"每个笔记本启动一个内核：{obstacle}")
    return Choice("warm", "从一个已载入全部程序的进程分出，每个笔记本一个干净的进程")


def needs_kernel(template: str) -> str:
    """Why a notebook cannot be run without a kernel process of its own, in Chinese; empty if it can.

    Parameters
    ----------
    template : str
        Text of the notebook. Its metadata ``qbresearch.engine = "standard"``, or a cell tagged ``real-kernel``, ask for
        a kernel.
    """
    notebook = json.loads(template)
    metadata = notebook.get("metadata", {})
    spec = metadata.get("kernelspec", {})
    kernel, language = spec.get("name", ""), spec.get("language") or "python"
    if language != "python" or kernel not in _OWN_KERNELS:
        return f"笔记本指定了别的内核 {kernel}"
    if metadata.get("qbresearch", {}).get("engine") == StandardEngine.name:
        return "笔记本要求用独立的内核"
    if any(_KERNEL_TAG in cell.get("metadata", {}).get("tags", ()) for cell in notebook.get("cells", ())):
        return f"有单元格带标签 {_KERNEL_TAG}"
    return ""


def _obstacle() -> str:
    """What keeps the warm engine from working here, in Chinese; empty if nothing does."""
    if sys.platform.startswith("linux") and hasattr(os, "fork"):
        return ""
    if sys.platform == "darwin":
        return "macOS 的系统库在分出的进程里不可靠"
    if os.name == "nt":
        return "Windows 不能从一个进程分出另一个"
    return f"只在 Linux 上试过（这里是 {sys.platform}）"
