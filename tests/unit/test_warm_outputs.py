"""What cells show reaches the notebook in order, and a process that dies leaves a log its notebook can be made of."""

from __future__ import annotations

import json
import os
import sys

import nbformat
import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the warm engine forks on Linux only")


@pytest.fixture
def sent():
    return []


@pytest.fixture
def session(sent):
    from qbresearch.engines.warm.outputs import DirectSession

    session = DirectSession(key=b"any")
    session.deliver_to(lambda message: sent.append((message.kind, json.loads(message.content), message.request)))
    return session


@pytest.fixture
def stream(session):
    """A stream on a nameless file, and the file."""
    from qbresearch.engines.warm.outputs import OutStream

    descriptor = os.memfd_create("stdout")
    parent = {"header": {"msg_id": "r1"}}
    yield OutStream(session, "stdout", descriptor, lambda: parent), descriptor
    os.close(descriptor)


def texts(sent) -> str:
    return "".join(content["text"] for kind, content, _ in sent if kind == "stream")


def test_what_is_written_to_the_descriptor_keeps_its_place_among_what_is_printed(stream, sent):
    out, descriptor = stream
    out.write("一")
    os.write(descriptor, "二".encode())
    out.write("三")
    out.flush()
    assert texts(sent) == "一二三"
    assert {request for _, _, request in sent} == {"r1"}


def test_a_character_cut_in_two_is_put_together(stream, sent):
    out, descriptor = stream
    for byte in "县".encode():
        os.write(descriptor, bytes([byte]))
        out.flush()
    assert texts(sent) == "县"


def test_many_short_texts_become_few_messages(stream, sent):
    out, _ = stream
    for _ in range(1000):
        print("x", file=out)
    out.flush()
    assert texts(sent) == "x\n" * 1000
    assert len(sent) < 20


def test_a_process_forked_by_the_notebook_writes_too(stream, sent):
    out, _ = stream
    out.write("parent ")
    pid = os.fork()
    if pid == 0:
        out.write("child")
        os._exit(0)
    os.waitpid(pid, 0)
    out.flush()
    assert texts(sent) == "parent child"


def test_a_stream_takes_text_only_and_stays_open(stream):
    out, _ = stream
    with pytest.raises(TypeError):
        out.write(b"bytes")
    out.close()
    assert (out.closed, out.isatty(), out.encoding) == (False, False, "UTF-8")


def test_messages_are_packed_as_on_their_way_to_a_client(session, sent):
    session.send(None, "display_data", {"a": (1, 2), 3: "b"}, parent={"header": {"msg_id": "r2"}})
    assert sent == [("display_data", {"a": [1, 2], "3": "b"}, "r2")]
    with pytest.raises((TypeError, ValueError)):
        session.send(None, "display_data", {"a": object()})
    session.closed = True
    session.send(None, "display_data", {})
    assert len(sent) == 1


def test_a_log_cut_off_anywhere_gives_the_notebook_as_far_as_it_came(tmp_path):
    from qbresearch.engines.warm.cells import CellLog, rebuild
    from qbresearch.engines.warm.outputs import Message

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1"), nbformat.v4.new_code_cell("2")])
    notebook.metadata["papermill"] = {}
    for cell in notebook.cells:
        cell.metadata["papermill"] = {"start_time": None, "status": "pending"}
    log = CellLog(tmp_path / "log")
    log.notebook(notebook)
    for index, text in enumerate(("甲", "乙")):
        log.cell(index)
        log.message(Message("execute_input", json.dumps({"execution_count": index + 1}).encode(), [], "r"))
        log.message(Message("stream", json.dumps({"name": "stdout", "text": text}).encode(), [], "r"))
    whole = (tmp_path / "log").read_bytes()
    shown = [[output.text for output in cell.outputs] for cell in rebuild(tmp_path / "log").cells]
    assert shown == [["甲"], ["乙"]]
    counts = set()
    for end in range(0, len(whole), 7):
        (tmp_path / "log").write_bytes(whole[:end])
        made = rebuild(tmp_path / "log")
        counts.add(None if made is None else sum(len(cell.outputs) for cell in made.cells))
    assert counts == {None, 0, 1}
    assert rebuild(tmp_path / "nothing") is None
