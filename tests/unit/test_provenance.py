"""Checksums and atomic writes."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat

import numpy as np
import pytest

from qbresearch import provenance
from qbresearch.errors import system_refusal
from qbresearch.provenance import (
    code_sha256,
    file_sha256,
    json_sha256,
    package_versions,
    text_sha256,
    write_bytes,
    write_json,
    write_text,
)


def test_checksums_are_those_of_the_bytes(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes("县".encode())
    assert file_sha256(path) == text_sha256("县") == hashlib.sha256("县".encode()).hexdigest()


def test_a_json_checksum_does_not_depend_on_key_order():
    assert json_sha256({"a": 1, "b": 2}) == json_sha256({"b": 2, "a": 1}) != json_sha256({"a": 1, "b": 3})


def test_a_changed_rule_changes_the_checksum_of_the_code(tmp_path, monkeypatch):
    (tmp_path / "a.py").write_text("x = 1\n", encoding="utf-8")
    (tmp_path / "rule.toml").write_text("limit = 0.5\n", encoding="utf-8")
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    before = code_sha256.__wrapped__()
    assert before == code_sha256.__wrapped__()
    (tmp_path / "rule.toml").write_text("limit = 0.6\n", encoding="utf-8")
    assert code_sha256.__wrapped__() != before


def test_versions_are_those_installed():
    assert package_versions()["numpy"] == np.__version__ and package_versions()["qbresearch"]


def test_a_file_is_written_whole_and_its_folder_made(tmp_path):
    path = tmp_path / "新" / "表.txt"
    write_text(path, "甲\n")
    assert path.read_bytes() == "甲\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new" and os.listdir(path.parent) == ["表.txt"]


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail(*_):
        raise OSError("磁盘满")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="磁盘满"):
        write_text(path, "new")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_json_is_readable_sorted_and_ends_with_a_newline(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"乙": 2, "甲": [1]})
    text = path.read_text(encoding="utf-8")
    assert json.loads(text) == {"甲": [1], "乙": 2} and "甲" in text and text.endswith("}\n")
    assert text.index("乙") < text.index("甲")


@pytest.mark.parametrize(("number", "found"), [
    (errno.ENOSPC, "磁盘已满"), (errno.EROFS, "只读"), (errno.EACCES, "没有权限"), (errno.EISDIR, "文件夹"),
])
def test_a_refused_write_is_a_sentence_about_the_target(tmp_path, monkeypatch, number, found):
    def fail(part, _):
        raise OSError(number, os.strerror(number), part)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        write_bytes(tmp_path / "表.txt", b"x")
    refusal = system_refusal(caught.value)
    assert found in refusal.found and refusal.where == str(tmp_path / "表.txt") and refusal.exit_code == 2
    assert not os.listdir(tmp_path)


def test_a_file_where_a_folder_is_needed_is_a_sentence(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(OSError, match="b.txt") as caught:
        write_bytes(tmp_path / "a" / "b.txt", b"x")
    assert "不是文件夹" in system_refusal(caught.value).found


def test_a_file_held_for_a_moment_is_replaced_on_another_try(tmp_path, monkeypatch):
    held, real = [True, True], os.replace

    def replace(part, path):
        if held:
            held.pop()
            raise PermissionError(errno.EACCES, "held", part)
        real(part, path)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(provenance, "REPLACE_PAUSES", (0.0, 0.0))
    write_bytes(tmp_path / "a.txt", b"x")
    assert (tmp_path / "a.txt").read_bytes() == b"x" and not held
