"""The ledger of a batch: what it keeps, what becomes of one that is damaged, and what it refuses."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qbresearch.batches.ledger import (
    DAMAGED,
    FINISHED,
    INTERRUPTED,
    LEDGER,
    RUNNING,
    JobRecord,
    Ledger,
)
from qbresearch.errors import InputError

RECORD = JobRecord(
    name="county--990101", notebook="county", status="succeeded", key="k", components={"code": "c"},
    parameters={"county_code": "990101"}, output_sha256="s", seconds=1.5, started="a", finished="b", error=None,
    reads={"rows:demo/990101": "r"}, engine="warm", memory=5, cpu=0.5,
)  # fmt: skip
RUN = {"engine": "warm", "workers": 2, "jobs": 3, "skipped": 1, "held": 0}
FAULT = {"name": "ValueError", "message": "算不出来", "cell": 4, "cell_id": "c3", "traceback": None}


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    ledger = Ledger(tmp_path)
    ledger.prepare()
    return ledger


def test_folder_without_a_ledger_is_an_empty_one(tmp_path):
    ledger = Ledger(tmp_path)
    assert (ledger.records(), ledger.runs(), ledger.history(1), ledger.modules("x")) == ({}, (), (), {})
    assert list(tmp_path.iterdir()) == []


def test_record_comes_back_as_it_was_entered(ledger):
    number = ledger.begin(**RUN)
    good, bad = replace(RECORD, run=number), replace(RECORD, name="b", status="failed", error=FAULT, run=number)
    ledger.settle(good)
    ledger.settle(bad)
    ledger.end(number, FINISHED)
    assert ledger.records() == {good.name: good, "b": bad}
    [run] = ledger.runs()
    assert (run.state, run.succeeded, run.failed, run.jobs, run.skipped) == (FINISHED, 1, 1, 3, 1)
    assert {entry.name: entry.error for entry in ledger.history(number)} == {good.name: None, "b": FAULT}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(), st.dictionaries(st.text(), st.text()), st.none() | st.integers(0, 2**60))
def test_any_text_survives(ledger, message, reads, memory):
    record = replace(RECORD, status="failed", error={**FAULT, "message": message}, reads=reads, memory=memory)
    ledger.settle(record)
    assert ledger.records()[record.name] == record


def test_last_record_of_a_job_counts_and_its_history_stays(ledger):
    first, second = ledger.begin(**RUN), ledger.begin(**RUN)
    ledger.settle(replace(RECORD, run=first, key="old"))
    ledger.settle(replace(RECORD, run=second, key="new"))
    assert ledger.records()[RECORD.name].key == "new"
    assert len(ledger.history(first)) == len(ledger.history(second)) == 1
    ledger.forget([RECORD.name])
    assert ledger.records() == {}
    assert len(ledger.history(first)) == 1


def test_run_that_was_killed_is_marked_when_the_next_begins(ledger):
    ledger.begin(**RUN)
    assert [run.state for run in ledger.runs()] == [RUNNING]
    ledger.begin(**RUN)
    assert [run.state for run in ledger.runs()] == [INTERRUPTED, RUNNING]


def test_modules_behind_a_checksum_are_kept_once(ledger):
    ledger.keep_code({"qbresearch.errors": "a"}, "x")
    ledger.keep_code({"qbresearch.errors": "b"}, "x")
    assert ledger.modules("x") == {"qbresearch.errors": "a"}


@pytest.mark.parametrize("damage", [b"no database at all" * 400, b""])
def test_damaged_ledger_holds_nothing_and_is_set_aside(tmp_path, damage):
    ledger = Ledger(tmp_path)
    (tmp_path / LEDGER).write_bytes(damage)
    (tmp_path / f"{LEDGER}-journal").write_bytes(b"left of something else")
    assert ledger.records() == {}
    ledger.prepare()
    assert ledger.begin(**RUN) == 1
    if damage:
        assert (tmp_path / DAMAGED).read_bytes() == damage


def test_torn_ledger_is_set_aside(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.prepare()
    for number in range(200):
        ledger.settle(replace(RECORD, name=f"job {number}", key="k" * 300))
    data = (tmp_path / LEDGER).read_bytes()
    (tmp_path / LEDGER).write_bytes(data[: len(data) // 2])
    assert ledger.records() == {}
    ledger.prepare()
    assert (tmp_path / DAMAGED).is_file()
    ledger.settle(RECORD)
    assert set(ledger.records()) == {RECORD.name}


def test_ledger_of_another_form_is_set_aside(ledger, tmp_path):
    ledger.settle(RECORD)
    with closing(sqlite3.connect(ledger.path)) as database:
        database.execute("PRAGMA user_version = 99")
    assert ledger.records() == {}
    ledger.prepare()
    assert (tmp_path / DAMAGED).is_file()
    assert ledger.records() == {}


HALFWAY = """
import os, signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN IMMEDIATE")
database.execute("UPDATE jobs SET record = '{}' || hex(randomblob(5000))")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_write_that_was_cut_off_is_undone(ledger, tmp_path):
    records = {f"job {n}": replace(RECORD, name=f"job {n}") for n in range(50)}
    for record in records.values():
        ledger.settle(record)
    subprocess.run([sys.executable, "-c", HALFWAY, str(ledger.path)], check=False)
    assert (tmp_path / f"{LEDGER}-journal").is_file()
    assert ledger.records() == records


@pytest.mark.parametrize("error", ["SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_READONLY", "SQLITE_BUSY", "other"])
def test_refusal_says_what_to_do(ledger, monkeypatch, error):
    fault = sqlite3.OperationalError("no luck")
    fault.sqlite_errorname = error

    def connect(*args, **options):
        raise fault

    monkeypatch.setattr(sqlite3, "connect", connect)
    with pytest.raises(InputError, match="再运行同一命令") as caught:
        ledger.settle(RECORD)
    assert str(ledger.path) in str(caught.value)


def test_record_as_data(ledger):
    assert json.loads(json.dumps(RECORD.to_dict()))["reads"] == {"rows:demo/990101": "r"}


def test_folder_that_is_a_file_is_refused_in_words(tmp_path):
    (tmp_path / LEDGER).mkdir()
    with pytest.raises(InputError, match="SQLITE_CANTOPEN"):
        Ledger(Path(tmp_path)).settle(RECORD)
