"""From raw files to processed tables."""

from __future__ import annotations

import pytest

from qbresearch.errors import InputError
from qbresearch.processed import build
from qbresearch.processed.build import build_source, check_files
from qbresearch.processed.partitions import part_path
from qbresearch.processed.store import (
    list_built,
    load_processed,
    problems_path,
    provenance_path,
    read_problems,
    read_provenance,
    source_folder,
)
from qbresearch.raw.problems import ERROR
from qbresearch.raw.sources import draft_passport, open_source


def table_path(project, source_id):
    return part_path(source_folder(project, source_id), "01", "2024")


def _bytes(book, tmp_path):
    return book.save(tmp_path / "原件.xlsx").read_bytes()


def test_a_source_is_built_once_and_then_left_alone(project, school_source):
    first = build_source(project, "test-county")
    written = table_path(project, "test-county").stat().st_mtime_ns
    second = build_source(project, "test-county")
    assert (first.status, second.status, first.rows, second.rows) == ("built", "unchanged", 12, 12)
    assert table_path(project, "test-county").stat().st_mtime_ns == written
    assert "没有变化" in second.summary() and first.to_dict()["problems"] == []


def test_the_same_files_give_the_same_bytes(project, school_source):
    paths = [ask(project, "test-county") for ask in (table_path, provenance_path, problems_path)]
    build_source(project, "test-county")
    before = [path.read_bytes() for path in paths]
    for path in paths:
        path.unlink()
    build_source(project, "test-county")
    assert [path.read_bytes() for path in paths] == before


@pytest.mark.parametrize("change", ["passport", "code", "table"])
def test_a_source_is_built_again_when_anything_it_rests_on_has_changed(project, school_source, monkeypatch, change):
    build_source(project, "test-county")
    if change == "passport":
        path = school_source / "source.toml"
        path.write_text(path.read_text(encoding="utf-8").replace("测试用", "改过的"), encoding="utf-8")
    elif change == "code":
        monkeypatch.setattr(build, "build_sha256", lambda table: "0" * 64)
    else:
        table_path(project, "test-county").write_bytes(b"")
    assert build_source(project, "test-county").status == "built"


def test_raw_files_that_are_not_those_of_the_passport_are_not_built(project, school_source):
    build_source(project, "test-county")
    before = table_path(project, "test-county").read_bytes()
    file = school_source / "测试县2024.xlsx"
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(InputError, match="原始数据与护照不符") as caught:
        build_source(project, "test-county")
    assert caught.value.where == "data/raw/test-county/测试县2024.xlsx" and caught.value.fix
    assert table_path(project, "test-county").read_bytes() == before


def test_an_error_writes_nothing_and_keeps_what_was_built_before(project, school_source, book, tmp_path):
    build_source(project, "test-county")
    before = table_path(project, "test-county").read_bytes()
    book.put(0, "students_primary", "很多")
    (school_source / "测试县2024.xlsx").write_bytes(_bytes(book, tmp_path))
    (school_source / "source.toml").unlink()
    (school_source / "source.toml").write_text(draft_passport(project.raw, "test-county").replace("待填：", "测试用"), encoding="utf-8")
    result = build_source(project, "test-county")
    assert result.status == "refused" and list(result.problems["found"]) == ["很多"]
    assert "有错误，未写入" in result.summary() and list(result.tidy()["source"]) == ["test-county"]
    assert table_path(project, "test-county").read_bytes() == before


def test_a_notice_does_not_stop_the_build_and_is_kept_with_the_table(project, add_source, book, tmp_path):
    book.put(0, "multimedia_classrooms", None)
    add_source("notices", {"a.xlsx": _bytes(book, tmp_path)})
    assert build_source(project, "notices").status == "built"
    kept = read_problems(project, "notices")
    assert list(kept["found"]) == ["空白"] and build_source(project, "notices").problems.equals(kept)


def test_a_file_that_cannot_be_opened_does_not_hide_the_problems_of_the_others(project, add_source, book, tmp_path):
    book.put(0, "students_primary", "很多")
    add_source("mixed", {"坏.xlsx": b"no workbook", "好.xlsx": _bytes(book, tmp_path), "旧.xls": b"x"})
    table, problems = check_files(open_source(project.raw, "mixed"))
    assert len(table) == 12 and (problems["level"] == ERROR).all()
    assert sorted(problems["file"]) == ["坏.xlsx", "好.xlsx", "旧.xls"]
    assert build_source(project, "mixed").status == "refused" and list_built(project) == ()


def test_a_source_of_nothing_but_unreadable_files_is_refused(project, add_source):
    add_source("broken", {"坏.xlsx": b"no workbook"})
    result = build_source(project, "broken")
    assert (result.status, result.rows, len(result.problems)) == ("refused", 0, 1)


def test_rows_are_sorted_by_key_whatever_order_the_files_have(project, add_source, book, tmp_path):
    for at, school in enumerate(range(12)):
        for sheet in book.columns:
            book.put(school, "school_code", f"01020300{50 - at:02d}", sheet=sheet)
    book.put(11, "parent_code", "0102030050")
    add_source("reversed", {"a.xlsx": _bytes(book, tmp_path)})
    assert build_source(project, "reversed").status == "built"
    codes = list(load_processed(project, "reversed").frame["school_code"])
    assert codes == sorted(codes) and codes[0] == "0102030039"


def test_progress_sees_every_file(project, add_source, book, tmp_path):
    seen = []

    def watch(files):
        for file in files:
            seen.append(file.name)
            yield file

    add_source("watched", {"a.xlsx": _bytes(book, tmp_path)})
    build_source(project, "watched", progress=watch)
    assert seen == ["a.xlsx"]


def test_rows_of_a_file_in_a_subfolder_lead_back_to_the_inputs(project, book, tmp_path):
    folder = project.raw / "deep"
    (folder / "2024").mkdir(parents=True)
    (folder / "2024" / "a.xlsx").write_bytes(_bytes(book, tmp_path))
    (folder / "source.toml").write_text(draft_passport(project.raw, "deep").replace("待填：", "测试用"), encoding="utf-8")
    assert build_source(project, "deep").status == "built"
    files = set(load_processed(project, "deep").frame["source_file"])
    assert files == set(read_provenance(project, "deep").recipe.inputs) == {"2024/a.xlsx"}
