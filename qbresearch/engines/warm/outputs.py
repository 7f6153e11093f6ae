"""What a cell shows, as the messages a kernel would send: taken where ipykernel hands them to its sockets."""

from __future__ import annotations

import codecs
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ipykernel.iostream import OutStream as KernelStream
from jupyter_client.session import Session

_FLUSH_EVERY = 0.2  # seconds, as in a kernel: a loop that prints must not become a message a line
_CHUNK = 1 << 20


class Message:
    """A message of a kernel: its type, its content as JSON, binary buffers and the request it answers."""

    __slots__ = ("buffers", "content", "kind", "request")

    def __init__(self, kind: str, content: bytes, buffers: list[bytes], request: str) -> None:
        self.kind, self.content, self.buffers, self.request = kind, content, buffers, request

    def as_received(self) -> dict[str, Any]:
        """The message as a client receives it."""
        content = json.loads(self.content)
        return {
            "msg_type": self.kind,
            "header": {"msg_type": self.kind},
            "parent_header": {"msg_id": self.request},
            "content": content,
            "buffers": self.buffers,
        }


class DirectSession(Session):
    """A session whose messages go to a function instead of a socket.

    The content is packed on the way, so that what cannot be sent by a kernel cannot be shown here either, and what is
    changed by packing (tuples, keys, dates) is changed alike.
    """

    def deliver_to(self, take: Callable[[Message], None]) -> None:
        """Hand every message to ``take`` from now on, in this process; a process forked from it has no one to tell."""
        self._take, self._owner = take, os.getpid()
        self.closed = False
        self.busy = False

    def send(  # type: ignore[override]
        self,
        stream: Any,
        msg_or_type: dict[str, Any] | str,
        content: dict[str, Any] | None = None,
        parent: dict[str, Any] | None = None,
        ident: Any = None,
        buffers: list[Any] | None = None,
        track: bool = False,
        header: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Deliver a message, see :meth:`deliver_to`."""
        if isinstance(msg_or_type, str):
            message = self.msg(msg_or_type, content=content, parent=parent, header=header, metadata=metadata)
        else:
            message = msg_or_type
            buffers = buffers or message.get("buffers", [])
        if self.closed or os.getpid() != self._owner:
            return
        packed = [bytes(memoryview(buffer).cast("B")) for buffer in buffers or ()]
        request = message["parent_header"].get("msg_id", "")
        with self.undisturbed():
            self._take(Message(message["msg_type"], self.pack(message["content"]), packed, request))

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """While in here, an alarm clock waits: half a message must not be left behind."""
        before, self.busy = self.busy, True
        try:
            yield
        finally:
            self.busy = before


class OutStream(KernelStream):
    """``sys.stdout`` or ``sys.stderr`` of a notebook: what Python prints, and what anybody writes to the descriptor.

    Both come in the order in which they were written. The descriptor is a nameless file, so that no program waits for
    somebody to read what it has written.

    Parameters
    ----------
    session : DirectSession
        Takes the texts.
    name : {"stdout", "stderr"}
    descriptor : int
        1 or 2.
    parent : callable
        The request that is being answered.
    """

    def __init__(self, session: DirectSession, name: str, descriptor: int, parent: Callable[[], dict[str, Any]]) -> None:
        # Not the constructor of a kernel's stream: it wants a thread and a socket. It is the class that libraries look for.
        self.session, self.name, self.echo = session, name, None
        self._descriptor, self._parent, self._owner = descriptor, parent, os.getpid()
        self._position = os.fstat(descriptor).st_size
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._texts: list[str] = []
        self._answered: dict[str, Any] = {}
        self._flushed = 0.0
        self._file = open(os.devnull, "wb")  # noqa: SIM115 - what a terminal would show; it lives as long as the process

    @property
    def closed(self) -> bool:
        """A notebook's stream stays open."""
        return False

    def close(self) -> None:
        """Flush; the stream stays open, for the next cell prints too."""
        self.flush()

    def isatty(self) -> bool:
        """A notebook is no terminal."""
        return False

    def fileno(self) -> int:
        """Descriptor of what stands for the terminal: what is written there does not show in the notebook."""
        return self._file.fileno()

    def set_parent(self, parent: dict[str, Any]) -> None:
        """Nothing to keep: the request is asked for when something is written."""

    def write(self, string: str) -> int:
        """Take a text."""
        if not isinstance(string, str):
            raise TypeError(f"write() argument must be str, not {type(string)}")
        if os.getpid() != self._owner:  # a process forked by the notebook: its only way back is the descriptor
            os.write(self._descriptor, string.encode("utf-8", "surrogatepass"))
            return len(string)
        with self.session.undisturbed():
            self._drain()
            self._put(string)
        if time.monotonic() - self._flushed > _FLUSH_EVERY:
            self.flush()
        return len(string)

    def writelines(self, sequence: Any) -> None:
        """Take several texts."""
        for string in sequence:
            self.write(string)

    def flush(self) -> None:
        """Send what has been written."""
        if os.getpid() != self._owner:
            return
        with self.session.undisturbed():
            self._drain()
            self._send()
        self._flushed = time.monotonic()

    def _put(self, text: str) -> None:
        parent = self._parent()
        if parent is not self._answered:
            self._send()
            self._answered = parent
        if text:
            self._texts.append(text)

    def _send(self) -> None:
        text, self._texts = "".join(self._texts), []
        if text:
            self.session.send(None, "stream", {"name": self.name, "text": text}, parent=self._answered)

    def _drain(self) -> None:
        """Take over what was written to the descriptor."""
        end = os.fstat(self._descriptor).st_size
        while self._position < end:
            data = os.pread(self._descriptor, min(_CHUNK, end - self._position), self._position)
            self._position += len(data)
            self._put(self._decoder.decode(data))
