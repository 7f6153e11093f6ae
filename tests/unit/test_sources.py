"""Passports of raw files: what is registered, and proof that it is still what was received."""

from __future__ import annotations

import hashlib
import tomllib

import pytest

from qbresearch.errors import CitationError, InputError
from qbresearch.processed.build import build_source
from qbresearch.raw.sources import (
    draft_passport,
    list_sources,
    open_source,
    verify_source,
)


@pytest.fixture
def folder(add_source):
    return add_source("a-county", {"甲.csv": "甲\n".encode(), "乙.xlsx": b"PK"})


def test_a_source_is_what_its_passport_says(project, folder):
    source = open_source(project.raw, "a-county")
    assert (source.id, source.table, source.kind, source.simulated) == ("a-county", "school", "real", False)
    assert {f.name: (f.bytes, f.sha256) for f in source.files} == {
        "甲.csv": (4, hashlib.sha256("甲\n".encode()).hexdigest()), "乙.xlsx": (2, hashlib.sha256(b"PK").hexdigest())}
    assert "真实数据" in source.describe() and source.title in source.describe()


def test_simulated_data_say_so_in_their_description(project, add_source):
    add_source("made-up", {"a.csv": b"a"}, kind="simulated")
    source = open_source(project.raw, "made-up")
    assert source.simulated and "模拟数据" in source.describe()


def test_files_as_received_give_no_problem(project, folder):
    problems = verify_source(open_source(project.raw, "a-county"))
    assert problems.empty and list(problems.columns) == ["source", "file", "problem", "found", "expected", "fix"]


def test_hidden_files_lock_files_and_a_readme_are_not_data(project, folder):
    for name in (".DS_Store", "~$甲.xlsx", "README.md"):
        (folder / name).write_bytes(b"x")
    assert verify_source(open_source(project.raw, "a-county")).empty


@pytest.mark.parametrize(("change", "file", "problem"), [
    (lambda f: (f / "甲.csv").write_bytes("乙\n".encode()), "甲.csv", "与登记时不同"),
    (lambda f: (f / "甲.csv").write_bytes("甲\n\n".encode()), "甲.csv", "与登记时不同"),
    (lambda f: (f / "甲.csv").unlink(), "甲.csv", "不见了"),
    (lambda f: (f / "丙.csv").write_bytes(b""), "丙.csv", "没有登记"),
])
def test_every_change_of_the_files_is_found(project, folder, change, file, problem):
    change(folder)
    row = verify_source(open_source(project.raw, "a-county"))
    assert len(row) == 1 and row["file"][0] == file and problem in row["problem"][0]
    assert row[["source", "found", "expected", "fix"]].map(bool).all(axis=None)


def test_a_file_in_a_folder_below_is_registered_with_its_path(project, add_source):
    (project.raw / "deep" / "2024").mkdir(parents=True)
    (project.raw / "deep" / "2024" / "a.csv").write_bytes(b"a")
    text = draft_passport(project.raw, "deep").replace("待填：", "")
    (project.raw / "deep" / "source.toml").write_text(text, encoding="utf-8")
    source = open_source(project.raw, "deep")
    assert source.files[0].name == "2024/a.csv" and verify_source(source).empty


def test_sources_are_the_visible_folders(project, folder):
    (project.raw / ".cache").mkdir()
    (project.raw / "说明.txt").write_text("x")
    assert list_sources(project.raw) == ("a-county",)


def test_an_unknown_source_is_answered_with_the_nearest(project, folder):
    with pytest.raises(InputError, match="是不是想写 a-county？"):
        open_source(project.raw, "a-conty")


def test_a_folder_without_a_passport_is_told_how_to_get_one(project):
    (project.raw / "new").mkdir()
    with pytest.raises(CitationError, match="verify --write new"):
        open_source(project.raw, "new")


def test_a_draft_leaves_open_what_nobody_but_the_user_knows(project):
    (project.raw / "new").mkdir()
    (project.raw / "new" / '怪"名.csv').write_bytes(b"a")
    draft = tomllib.loads(draft_passport(project.raw, "new"))
    assert all(draft[key].startswith("待填") for key in ("title", "producer", "found_at", "licence"))
    assert draft["file"] == [{"name": '怪"名.csv', "bytes": 1, "sha256": hashlib.sha256(b"a").hexdigest()}]


def test_a_new_file_is_added_to_a_passport_and_what_was_written_is_kept(project, folder):
    path = folder / "source.toml"
    note = '\nnote = "第一行\\n\\"第二行\\""\ntitle_en = "A county"\nlicence_en = "Free"\n\n[[file]]'
    path.write_text(path.read_text(encoding="utf-8").replace("\n\n[[file]]", note, 1), encoding="utf-8")
    before = tomllib.loads(path.read_text(encoding="utf-8"))
    (folder / "丙.csv").write_bytes(b"c")
    after = tomllib.loads(draft_passport(project.raw, "a-county"))
    assert {k: v for k, v in after.items() if k != "file"} == {k: v for k, v in before.items() if k != "file"}
    assert after["note"] == '第一行\n"第二行"' and [f["name"] for f in after["file"]] == ["丙.csv", "乙.xlsx", "甲.csv"]


@pytest.mark.parametrize("change", [lambda f: (f / "甲.csv").write_bytes(b"changed"), lambda f: (f / "甲.csv").unlink()])
def test_a_changed_file_cannot_be_registered_anew(project, folder, change):
    change(folder)
    with pytest.raises(InputError, match="没有重新登记") as caught:
        draft_passport(project.raw, "a-county")
    assert caught.value.where == "data/raw/a-county/甲.csv" and "取回原件" in caught.value.fix


def test_an_empty_folder_gets_no_passport(project):
    (project.raw / "empty").mkdir()
    with pytest.raises(InputError, match="没有数据文件"):
        draft_passport(project.raw, "empty")


@pytest.mark.parametrize("name", ["Thumbs.db", "thumbs.db", "Desktop.INI", ".git/config", "2024/.cache/a.csv"])
def test_what_the_system_leaves_behind_is_not_data(project, folder, name):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"x")
    assert verify_source(open_source(project.raw, "a-county")).empty


def test_a_table_that_its_author_has_corrected_is_registered_anew_with_all_that_was_filled_in(project, folder):
    (folder / "甲.csv").write_bytes("改正\n".encode())
    (folder / "乙.xlsx").unlink()
    before = open_source(project.raw, "a-county")
    text = draft_passport(project.raw, "a-county", replace=True)
    (folder / "source.toml").write_text(text, encoding="utf-8")
    after = open_source(project.raw, "a-county")
    assert [f.name for f in after.files] == ["甲.csv"] and verify_source(after).empty
    assert (after.title, after.producer, after.licence) == (before.title, before.producer, before.licence)


def test_a_passport_that_is_still_a_draft_is_a_problem_and_stops_the_build(project, book):
    folder = project.raw / "draft"
    folder.mkdir()
    book.save(folder / "表.xlsx")
    (folder / "source.toml").write_text(draft_passport(project.raw, "draft"), encoding="utf-8")
    problems = verify_source(open_source(project.raw, "draft"))
    assert len(problems) == 4 and set(problems["problem"]) == {"护照没有填完"}
    with pytest.raises(InputError, match="护照没有填完"):
        build_source(project, "draft")
