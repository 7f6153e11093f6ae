"""What a run says it has read, and that nothing is said twice or lost on the way."""

from __future__ import annotations

import pytest

from qbresearch import traces
from qbresearch.provenance import PACKAGE, file_sha256
from qbresearch.rules.standards import load_standard, school_year_start
from qbresearch.traces import (
    collected,
    find_place,
    note_file,
    note_listing,
    note_read,
    place_of,
    remembered,
)


@pytest.fixture
def reads(monkeypatch, tmp_path):
    path = tmp_path / "reads"
    monkeypatch.setenv(traces.READS, str(path))
    return path


def test_what_was_read_is_collected_once(reads):
    for _ in range(3):
        note_read("rows", "demo/990101", "ab")
    note_read("facts", "demo", "cd")
    assert collected(reads) == {"rows:demo/990101": "ab", "facts:demo": "cd"}
    assert len(reads.read_text(encoding="utf-8").splitlines()) == 2


def test_nothing_is_written_unless_asked_for(monkeypatch, tmp_path):
    monkeypatch.delenv(traces.READS, raising=False)
    monkeypatch.chdir(tmp_path)
    note_read("rows", "demo/990101", "ab")
    assert list(tmp_path.iterdir()) == []


def test_line_cut_off_by_a_crash_is_passed_over(reads):
    note_read("rows", "a", "1")
    with open(reads, "a", encoding="utf-8") as file:
        file.write('["rows:b"')
    assert collected(reads) == {"rows:a": "1"}
    assert collected(reads.with_name("nothing")) == {}


def test_remembered_value_says_its_reads_again(reads, monkeypatch):
    calls = []

    @remembered
    def inner(name):
        calls.append(name)
        note_read("file", name, "1")
        return name.upper()

    @remembered
    def outer(name, *, on=0):
        note_read("facts", name, "2")
        return inner(name)

    assert outer("a", on=1) == outer("a", on=1) == "A"
    other = reads.with_name("other")
    monkeypatch.setenv(traces.READS, str(other))
    assert outer("a", on=1) == "A"
    assert calls == ["a"]
    assert collected(other) == collected(reads) == {"file:a": "1", "facts:a": "2"}
    outer.forget()
    inner.forget()
    outer("a", on=1)
    assert calls == ["a", "a"]


def test_failure_is_not_remembered():
    tries = []

    @remembered
    def fails():
        tries.append(1)
        raise LookupError

    for _ in range(2):
        with pytest.raises(LookupError):
            fails()
    assert tries == [1, 1]
    assert traces._listening == []


def test_rules_say_which_files_they_come_from(reads):
    load_standard("national-2017", on=school_year_start(2024))
    path = PACKAGE / "cited" / "standards" / "national-2017.toml"
    assert collected(reads)["file:qbresearch/cited/standards/national-2017.toml"] == file_sha256(path)


def test_place_is_found_again_in_another_copy_of_the_project(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "data" / "raw").mkdir(parents=True)
        (tmp_path / name / "notebooks" / "plans").mkdir(parents=True)
    own = tmp_path / "a" / "notebooks" / "plans" / "x.toml"
    assert place_of(own) == "notebooks/plans/x.toml"
    assert find_place("notebooks/plans/x.toml", tmp_path / "b") == tmp_path / "b" / "notebooks" / "plans" / "x.toml"
    assert find_place("qbresearch/cited/settings.toml", tmp_path) == PACKAGE / "cited" / "settings.toml"
    assert place_of(PACKAGE / "cited" / "settings.toml") == "qbresearch/cited/settings.toml"


def test_file_outside_any_project_is_nobodys_to_watch(reads, tmp_path):
    (tmp_path / "x.toml").write_text("", encoding="utf-8")
    note_file(tmp_path / "x.toml")
    note_listing(tmp_path)
    assert collected(reads) == {}


def test_listing_changes_with_names_alone(tmp_path):
    (tmp_path / "a.toml").write_text("1", encoding="utf-8")
    before = traces.listing_sha256(tmp_path)
    (tmp_path / "a.toml").write_text("2", encoding="utf-8")
    (tmp_path / "note.txt").write_text("", encoding="utf-8")
    assert traces.listing_sha256(tmp_path) == before
    (tmp_path / "b.toml").write_text("", encoding="utf-8")
    assert traces.listing_sha256(tmp_path) != before
