"""Papermill's client for a kernel that is called, not written to: outputs get into the notebook by the same rules."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

from jupyter_client.session import Session
from jupyter_core.utils import run_sync
from nbclient.client import timestamp
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbclient.util import run_hook
from nbformat import NotebookNode, from_dict
from papermill.clientwrap import PapermillNotebookClient
from traitlets import Any as AnyTrait

from qbresearch.engines.warm.outputs import Message
from qbresearch.engines.warm.shell import CellTooLongError, KernelEndedError


class CellKernel(Protocol):
    """What runs the cells: :class:`qbresearch.engines.warm.shell.LocalKernel`, or one in another process."""

    language_info: dict[str, Any]

    def run(
        self, code: str, take: Callable[[Message], None], *, timeout: float | None, store_history: bool = True
    ) -> dict[str, Any]:
        """Run a cell; hand every message to ``take`` and return the reply."""
        ...

    def post(self, message: dict[str, Any]) -> None:
        """Answer a widget."""
        ...


class Witness(Protocol):
    """Told of every step, so that the notebook can be put together should the process die."""

    def notebook(self, notebook: NotebookNode) -> None:
        """The notebook, before the first cell."""
        ...

    def cell(self, index: int) -> None:
        """A cell begins."""
        ...

    def message(self, message: Message) -> None:
        """The cell shows something."""
        ...


class CellClient(PapermillNotebookClient):
    """Runs a notebook's cells in a :class:`CellKernel`."""

    kernel = AnyTrait(help="What runs the cells.")
    witness = AnyTrait(None, help="Told of every step; see Witness.")

    def execute(self, **options: Any) -> NotebookNode:
        """Run all cells, as papermill's client does."""
        self.reset_execution_trackers()
        channel = SimpleNamespace(send=self.kernel.post)
        self.kc = SimpleNamespace(session=Session(key=b"nothing is signed"), shell_channel=channel, allow_stdin=False)
        if self.witness is not None:
            self.witness.notebook(self.nb)
        run_sync(run_hook)(self.on_notebook_start, notebook=self.nb)
        self.papermill_execute_cells()
        self.nb.metadata["language_info"] = from_dict(self.kernel.language_info)
        self.set_widgets_metadata()
        return self.nb

    def execute_cell(
        self, cell: NotebookNode, cell_index: int, execution_count: int | None = None, store_history: bool = True
    ) -> NotebookNode:
        """Run one cell, as nbclient does."""
        tags = cell.metadata.get("tags", [])
        if cell.cell_type != "code" or not cell.source.strip() or self.skip_cells_with_tag in tags:
            return cell
        cell.outputs = []
        self.clear_before_next_output = False
        if self.witness is not None:
            self.witness.cell(cell_index)
        timeout = self._get_timeout(cell)
        if self.record_timing:
            cell["metadata"]["execution"] = {"iopub.status.busy": timestamp()}
        try:
            reply = self.kernel.run(
                cell.source,
                lambda message: self._take(message, cell, cell_index),
                timeout=timeout,
                store_history=store_history,
            )
        except CellTooLongError:
            raise CellTimeoutError.error_from_timeout_and_cell("Cell execution timed out", timeout, cell) from None
        except KernelEndedError:
            raise DeadKernelError("Kernel died") from None
        if self.record_timing:
            cell["metadata"]["execution"] |= {"shell.execute_reply": timestamp(), "iopub.status.idle": timestamp()}
        self.code_cells_executed += 1
        run_sync(self._check_raise_for_error)(cell, cell_index, {"content": reply})
        return cell

    def _take(self, message: Message, cell: NotebookNode, cell_index: int) -> None:
        if self.witness is not None:
            self.witness.message(message)
        self.process_message(message.as_received(), cell, cell_index)


class CellLog:
    """Every step of a run, line by line in a hidden file; :func:`rebuild` makes the unfinished notebook of it.

    A disk that is full does not disturb the notebook: that it cannot be written shows at its end.
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - it lives as long as the process

    def notebook(self, notebook: NotebookNode) -> None:
        """The notebook, before the first cell."""
        self._write(json.dumps(["notebook", notebook]).encode())

    def cell(self, index: int) -> None:
        """A cell begins."""
        self._write(json.dumps(["cell", index]).encode())

    def message(self, message: Message) -> None:
        """The cell shows something."""
        buffers = [base64.b64encode(buffer).decode() for buffer in message.buffers]
        head = json.dumps([message.kind, message.request, buffers]).encode()
        self._write(b'["message", %b, %b]' % (head, message.content))

    def _write(self, line: bytes) -> None:
        with suppress(OSError):
            self._file.write(line + b"\n")


def rebuild(path: Path) -> NotebookNode | None:
    """The notebook of a run whose process has died, as far as it came; None if it did not come to the first cell."""
    from papermill.engines import NotebookExecutionManager

    lines = _steps(path)
    first = next(lines, None)
    if first is None or first[0] != "notebook":
        return None
    notebook = from_dict(first[1])
    manager = NotebookExecutionManager(notebook, progress_bar=False, autosave_cell_every=0)
    client = CellClient(manager, kernel=SimpleNamespace(post=lambda message: None), record_timing=False)
    client.reset_execution_trackers()
    client.kc = SimpleNamespace(session=Session(key=b"nothing is signed"), shell_channel=SimpleNamespace(send=lambda message: None))
    index = 0
    for step, *details in lines:
        if step == "cell":
            index = details[0]
            client.clear_before_next_output = False
            manager.cell_start(notebook.cells[index], index)
        else:
            (kind, request, buffers), content = details
            message = Message(kind, json.dumps(content).encode(), [base64.b64decode(b) for b in buffers], request)
            client.process_message(message.as_received(), notebook.cells[index], index)
    return notebook


def _steps(path: Path) -> Iterator[list[Any]]:
    """Lines of a log; one cut off by the crash ends it."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            return
