"""The kernel of a notebook without its sockets and threads: ipykernel's own shell, called instead of written to."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import os
import signal
import sys
import uuid
from collections.abc import Callable
from types import FrameType, SimpleNamespace
from typing import Any

from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from traitlets import Type
from traitlets.config import Config

from qbresearch.engines.warm.outputs import DirectSession, Message, OutStream

_AGAIN = 1.0  # seconds until the alarm rings again in a cell that has caught it
_SOON = 0.01


class KernelEndedError(Exception):
    """The notebook has ended its kernel."""


class CellTooLongError(Exception):
    """The cell has taken longer than it may."""


class _Alarm(BaseException):
    """Raised in a cell whose time is over; no ``except Exception`` catches it."""


class _NoDebugger:
    """Stands for ipykernel's debugger, which wants sockets."""

    def __init__(self, *arguments: Any) -> None:
        pass


class _Kernel(IPythonKernel):
    """ipykernel's kernel, which nobody connects to."""

    debugger_class = Type(_NoDebugger, klass=object)


class LocalKernel:
    """Runs cells in this process, as a kernel would, and hands over what they show.

    There is one in a process, and the process is of no other use: the standard streams, ``__main__``, ``input`` and the
    alarm clock are the notebook's.
    """

    language_info = IPythonKernel.language_info

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        # Cells share a context, as they do in a kernel: a variable of context set in one is set in the next.
        self._context = contextvars.copy_context()
        self._mail: list[dict[str, Any]] = []
        self._late = False
        self._session = DirectSession(key=b"nothing is signed")
        self._session.deliver_to(lambda message: None)
        self._loop.run_until_complete(self._loop.create_task(self._start(), context=self._context))

    async def _start(self) -> None:
        from tornado.ioloop import IOLoop

        os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
        config = Config()
        config.HistoryManager.enabled = False  # its file would be shared by all that run at once
        app = IPKernelApp.instance(config=config)  # where magics look for the kernel; it is not initialized
        app.kernel = self._kernel = _Kernel.instance(
            parent=app,
            session=self._session,
            iopub_socket=SimpleNamespace(),
            shell_channel_thread=SimpleNamespace(parent_thread=None),
            log=logging.getLogger("qbresearch.kernel"),
        )
        self._kernel.io_loop = IOLoop.current()
        self._shell = self._kernel.shell
        self._shell.extension_manager.load_extension("storemagic")
        app.init_path()
        streams = (("stdout", 1), ("stderr", 2))
        sys.stdout, sys.stderr = (OutStream(self._session, n, fd, lambda: self._shell.parent_header) for n, fd in streams)

    def run(
        self, code: str, take: Callable[[Message], None], *, timeout: float | None, store_history: bool = True
    ) -> dict[str, Any]:
        """Run a cell.

        Parameters
        ----------
        code : str
            Its text.
        take : callable
            Called with every message, while the cell runs.
        timeout : float or None
            Seconds it may take.
        store_history : bool
            Whether the cell is counted.

        Returns
        -------
        dict
            The content of the kernel's reply.

        Raises
        ------
        CellTooLongError
            The time is over.
        KernelEndedError
            An earlier cell has called ``exit()``.
        """
        if self._shell.exit_now:
            raise KernelEndedError
        request = uuid.uuid4().hex
        self._late = False
        faults: list[Exception] = []

        def deliver(message: Message) -> None:
            if message.request != request or faults:  # an answer to an earlier cell came too late for it
                return
            try:
                take(message)
            except Exception as fault:  # noqa: BLE001 - raised below: it must not look like a fault of the cell
                faults.append(fault)

        self._session.deliver_to(deliver)
        task = self._loop.create_task(self._answer(code, request, timeout, store_history), context=self._context)
        try:
            reply = self._loop.run_until_complete(task)
        except _Alarm:
            reply = None
        except RuntimeError:
            if self._shell.exit_now:  # exit() has stopped the loop under the cell's feet
                raise KernelEndedError from None
            raise
        if faults:
            raise faults[0]
        if self._late or reply is None:
            raise CellTooLongError
        self._open_mail()
        return json.loads(self._session.pack(reply))

    async def _answer(self, code: str, request: str, timeout: float | None, store_history: bool) -> dict[str, Any]:
        header = {"msg_id": request, "msg_type": "execute_request", "session": self._session.session}
        parent = {"header": header, "msg_id": request, "parent_header": {}, "metadata": {}, "content": {"code": code}}
        self._kernel.set_parent([], parent)
        shown = {"code": code, "execution_count": self._shell.execution_count}
        self._session.send(None, "execute_input", shown, parent=parent)
        try:
            self._wind(timeout)
            reply = await self._kernel.do_execute(code, False, store_history, {}, False)
        finally:
            self._wind(None)
        self._flush()
        return reply

    def _flush(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()

    def _wind(self, timeout: float | None) -> None:
        if timeout:
            signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, timeout or 0, _AGAIN if timeout else 0)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if self._session.busy:
            signal.setitimer(signal.ITIMER_REAL, _SOON, _AGAIN)
            return
        if not self._late:
            self._late = True
            self._flush()
            self._session.closed = True  # what the cell shows from here on belongs to nobody
        raise _Alarm

    def post(self, message: dict[str, Any]) -> None:
        """Answer a widget; it is told after the cell, as a kernel reads its mail."""
        self._mail.append(message)

    def _open_mail(self) -> None:
        mail, self._mail = self._mail, []
        for message in mail:
            handler = getattr(self._kernel.comm_manager, message["msg_type"], None)
            if handler is not None:
                self._context.run(handler, None, [], message)
