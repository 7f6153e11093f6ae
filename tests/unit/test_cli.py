"""The command line: help a non-programmer can follow, exit codes as a contract, and sentences instead of tracebacks."""

from __future__ import annotations

import csv
import errno
import io
import json
import sys

import openpyxl
import pytest
from command_line import built_source, command, refused  # noqa: F401 (two are fixtures)

from qbresearch.cli import command as cli
from qbresearch.errors import (
    EXIT_DONE,
    EXIT_FINDINGS,
    EXIT_INPUT,
    EXIT_INTERRUPTED,
)
from qbresearch.processed.partitions import part_path
from qbresearch.processed.store import source_folder
from qbresearch.raw.problems import Problems
from qbresearch.raw.reading import read_file

VERBS = ("template", "verify", "build", "assess", "run", "publish", "report", "show", "doctor")


# --- help --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_in_chinese_with_an_example(verb, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main([verb, "--help"])
    out, err = capsys.readouterr()
    assert caught.value.code == 0 and err == ""
    assert f"例：qbresearch {verb}" in out and "退出码" in out and "选项" in out


def test_the_help_names_every_verb(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--help"])
    out = capsys.readouterr().out
    assert caught.value.code == 0 and all(f"    {verb} " in out for verb in VERBS)
    assert "用法：" in out and "usage" not in out


@pytest.mark.parametrize("words", [[], ["shwo"], ["show"], ["show", "nothing"], ["assess", "--year", "abc"], ["run"]])
def test_a_command_that_cannot_be_understood_is_wrong_input(words, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == EXIT_INPUT and "Traceback" not in capsys.readouterr().err


def test_outside_a_project_the_way_in_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["verify"]) == EXIT_INPUT
    refused((EXIT_INPUT, "", capsys.readouterr().err), "不是 qbresearch 项目文件夹", "--project")


def test_chinese_reaches_a_stream_of_another_encoding(project, school_source, monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    assert cli.main(["--project", str(project.root), "verify"]) == EXIT_DONE
    sys.stdout.flush()
    assert "与护照一致" in raw.getvalue().decode("utf-8")


# --- interrupted -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["_verify", "_build", "_show"])
def test_an_interrupt_ends_with_130_and_a_sentence(monkeypatch, run, verb):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, verb, interrupt)
    words = [verb[1:], "tables"] if verb == "_show" else [verb[1:]]
    code, _, err = run(*words)
    assert code == EXIT_INTERRUPTED and "已中断" in err


def test_a_bug_keeps_its_traceback(monkeypatch, run):
    def bug(_):
        raise ZeroDivisionError("bug")

    monkeypatch.setattr(cli, "_verify", bug)
    with pytest.raises(ZeroDivisionError):
        run("verify")


# --- verify ------------------------------------------------------------------------------------------------------


def test_verify_of_what_was_received_is_done(run, school_source):
    code, out, _ = run("verify")
    assert code == EXIT_DONE and "test-county：1 个文件，与护照一致" in out and "规则文件完好" in out


@pytest.mark.parametrize(("change", "words"), [
    (lambda f: (f / "测试县2024.xlsx").write_bytes(b"PK"), ("测试县2024.xlsx", "与登记时不同", "取回原件")),
    (lambda f: (f / "测试县2024.xlsx").unlink(), ("测试县2024.xlsx", "不见了", "备份")),
    (lambda f: (f / "新.xlsx").write_bytes(b"PK"), ("新.xlsx", "没有登记", "verify --write test-county")),
])
def test_verify_finds_tampered_missing_and_unlisted_files(run, school_source, change, words):
    change(school_source)
    code, out, _ = run("verify", "test-county")
    assert code == EXIT_FINDINGS and "1 处不符" in out and all(word in out for word in words)


def test_verify_of_an_unknown_source_is_wrong_input(run, school_source):
    refused(run("verify", "test-conty"), "没有这个数据来源", "是不是想写 test-county？")


def test_verify_writes_a_draft_for_a_new_folder_and_never_for_a_changed_file(run, project, school_source):
    (project.raw / "new").mkdir()
    (project.raw / "new" / "a.csv").write_bytes(b"a")
    refused(run("verify"), "没有护照", "verify --write new")
    code, out, _ = run("verify", "--write", "new")
    assert code == EXIT_DONE and "待填" in out and "data/raw/new/source.toml" in out
    code, out, _ = run("verify")
    assert code == EXIT_FINDINGS and "护照没有填完" in out
    passport = project.raw / "new" / "source.toml"
    passport.write_text(passport.read_text(encoding="utf-8").replace("待填：", "测试用"), encoding="utf-8")
    assert run("verify")[0] == EXIT_DONE
    (project.raw / "new" / "a.csv").write_bytes(b"b")
    refused(run("verify", "--write", "new"), "没有重新登记", "data/raw/new/a.csv", "--replace")
    assert run("verify", "new")[0] == EXIT_FINDINGS
    code, out, _ = run("verify", "--write", "new", "--replace")
    assert code == EXIT_DONE and "接着运行 qbresearch build" in out and run("verify", "new")[0] == EXIT_DONE


# --- build -------------------------------------------------------------------------------------------------------


def test_build_is_done_and_the_second_time_there_is_nothing_to_do(run, school_source):
    assert "已重建，12 行" in run("build")[1]
    code, out, _ = run("build", "test-county")
    assert code == EXIT_DONE and "没有变化，12 行" in out


def test_build_of_an_unknown_source_names_the_nearest(run, school_source):
    refused(run("build", "tset-county"), "没有这个数据来源", "是不是想写 test-county？")


def test_build_of_a_tampered_file_is_refused(run, built, project):
    (built / "测试县2024.xlsx").write_bytes(b"PK")
    part = part_path(source_folder(project, "test-county"), "01", "2024")
    before = part.read_bytes()
    refused(run("build"), "原始数据与护照不符", "data/raw/test-county/测试县2024.xlsx")
    assert part.read_bytes() == before


@pytest.mark.parametrize("name", ["问题.xlsx", "问题.csv"])
def test_build_lists_errors_ends_with_2_and_saves_them(run, project, add_source, book, tmp_path, name):
    book.put(0, "students_primary", "很多")
    book.put(1, "multimedia_classrooms", None)
    add_source("bad", {"a.xlsx": book.save(tmp_path / "a.xlsx").read_bytes()})
    code, out, _ = run("build", "--problems", tmp_path / name)
    assert code == EXIT_INPUT and "bad：有错误，未写入" in out and "错误 1 处，提示 1 处" in out
    assert "  a.xlsx | 学校与学生 | 4 | K 小学在校学生数 | 错误 | 很多 | " in out
    assert not list(project.processed.iterdir())
    if name.endswith(".csv"):
        lines = (tmp_path / name).read_text(encoding="utf-8-sig").splitlines()
    else:
        lines = [",".join(map(str, row)) for row in openpyxl.load_workbook(tmp_path / name).active.values]
    assert len(lines) == 3 and lines[0] == "文件,工作表,行,列,级别,看到,应为,处理办法,来源" and "很多" in lines[1]


def test_one_bad_source_does_not_keep_the_others_from_being_built(run, project, school_source, add_source):
    add_source("bad", {"a.xlsx": b"no workbook"})
    code, out, _ = run("build")
    assert code == EXIT_INPUT and "bad：有错误" in out and "test-county：已重建" in out


# --- assess ------------------------------------------------------------------------------------------------------


def test_a_county_that_misses_the_standard_is_a_result_and_no_error(run, built, tmp_path, book):
    code, out, err = run("assess", "--source", "test-county", "--year", "2024")
    assert (code, err) == (EXIT_DONE, "") and "测试县2024—2025 学年小学" in out and "未达标" in out and "初中" in out
    path = book.save(tmp_path / "我县.xlsx")
    assert run("assess", path) == (code, out, err)
    assert "初中" not in run("assess", path, "--stage", "primary")[1]


def test_assess_can_be_read_by_a_machine(run, built):
    code, out, _ = run("assess", "--source", "test-county", "--json")
    result = json.loads(out)
    assert code == EXIT_DONE and result["standard"] == "national-2017"
    assert {c["stage"]: c["verdict"] for c in result["counties"]} == {"primary": "not_met", "junior": "not_met"}
    assert "NaN" not in out and {s["county_code"] for s in result["schools"]} == {"010203"}


def test_a_notice_is_told_on_the_side_and_the_verdict_still_given(run, tmp_path, book):
    book.put(0, "multimedia_classrooms", None)
    code, out, err = run("assess", book.save(tmp_path / "我县.xlsx"))
    assert code == EXIT_DONE and "提示" in err and "G 网络多媒体教室数" in err and "学校与学生" not in out


@pytest.mark.parametrize(("words", "expected"), [
    ([], ("没有说明判定什么", "--source")),
    (["没有.xlsx"], ("找不到文件", "没有.xlsx")),
    (["--source", "other"], ("数据还没有处理", "qbresearch build other")),
    (["--source", "test-county", "--county", "010204"], ("没有这个县", "是不是想写 测试县（010203）？")),
    (["--source", "test-county", "--why", "G11"], ("--why 要与一个县同用", "--county 990101 --why G11")),
    (["--source", "test-county", "--year", "2023"], ("没有这个学年", "2024")),
    (["--source", "test-county", "--stage", "primry"], ("没有这个学段", "是不是想写 primary？")),
    (["--source", "test-county", "--standard", "national-2018"], ("没有这个标准", "是不是想写 national-2017？")),
    (["--source", "test-county", "--standard", "california-1999"], ("不配套", "california")),
])
def test_what_assess_cannot_find_is_answered_with_what_there_is(run, built, words, expected):
    refused(run("assess", *words), *expected)


@pytest.mark.parametrize(("name", "words"), [("a.xls", ("不认识的文件类型", "另存为")), ("a.xlsx", ("打不开工作簿", "密码"))])
def test_a_file_that_cannot_be_opened_is_wrong_input(run, tmp_path, name, words):
    (tmp_path / name).write_bytes(b"\xd0\xcf\x11\xe0" + b"\0" * 99)
    refused(run("assess", tmp_path / name), *words)


# --- template, show, run, publish --------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "written"), [("空表.xlsx", "空表.xlsx"), ("空表", "空表.xlsx"), ("空表.XLSX", "空表.XLSX")])
def test_template_writes_a_workbook_and_never_over_another(run, tmp_path, contract, name, written):
    code, out, _ = run("template", tmp_path / name)
    assert code == EXIT_DONE and written in out
    before = (tmp_path / written).read_bytes()
    refused(run("template", tmp_path / name), "没有覆盖", written)
    assert (tmp_path / written).read_bytes() == before
    assert read_file(tmp_path / written, contract).table.empty


def test_the_filled_template_can_be_assessed_at_once(run, tmp_path):
    assert run("template", tmp_path / "示例.xlsx", "--example")[0] == EXIT_DONE
    code, out, err = run("assess", tmp_path / "示例.xlsx")
    assert (code, err) == (EXIT_DONE, "") and "示例县（虚构）2024—2025 学年小学" in out


def test_template_of_an_unknown_table_lists_the_tables(run, tmp_path):
    refused(run("template", tmp_path / "a.xlsx", "--table", "scool"), "没有这个表", "是不是想写 school？")
    assert not (tmp_path / "a.xlsx").exists()


@pytest.mark.parametrize(("words", "expected"), [
    (["standards"], "national-2017"), (["standards", "national-2017"], "差异系数"), (["tables"], "school"),
    (["tables", "school"], "equipment_value_yuan"), (["sources"], "已处理 12 行"),
    (["sources", "test-county"], "010203：2024"),
    (["notebooks"], "one"), (["batches"], "demo"),
])
def test_show_lists_what_there_is(run, built, project, words, expected):
    (project.notebooks / "one.ipynb").write_text("{}")
    (project.notebooks / "batches" / "demo.toml").write_text("")
    code, out, _ = run("show", *words)
    assert code == EXIT_DONE and expected in out


@pytest.mark.parametrize(("words", "expected"), [
    (["standards", "nationl-2017"], "是不是想写 national-2017？"), (["tables", "scool"], "是不是想写 school？"),
    (["sources", "test-conty"], "是不是想写 test-county？"),
])
def test_show_of_an_unknown_name_suggests_the_nearest(run, built, words, expected):
    refused(run("show", *words), expected)


@pytest.mark.parametrize("verb", ["run", "publish"])
def test_an_unknown_batch_is_answered_with_a_sentence(run, project, verb):
    (project.notebooks / "batches" / "demo.toml").write_text("")
    refused(run(verb, "demmo"), "没有这个批次", "是不是想写 demo？")


# --- refusals that name the target -------------------------------------------------------------------------------


def test_a_folder_where_the_list_should_go_is_a_sentence(run, school_source, tmp_path):
    (tmp_path / "问题.csv").mkdir()
    refused(run("build", "--problems", tmp_path / "问题.csv"), "不能读写", str(tmp_path / "问题.csv"))


def test_a_full_disk_outside_our_own_writing_is_a_sentence_and_a_bug_is_not(monkeypatch, run):
    def fail(number):
        def verb(_):
            raise OSError(number, "x", "表.xlsx")
        return verb

    monkeypatch.setattr(cli, "_verify", fail(errno.ENOSPC))
    refused(run("verify"), "磁盘已满", "表.xlsx")
    monkeypatch.setattr(cli, "_verify", fail(errno.EBADF))
    with pytest.raises(OSError, match="x"):
        run("verify")


@pytest.mark.parametrize("name", ["问题.xlsx", "问题.csv"])
def test_no_text_of_a_received_file_becomes_a_formula_in_the_list(run, add_source, book, tmp_path, name):
    for school, text in enumerate(('=HYPERLINK("http://a","b")', "+1+1a", "-1-1a", "@SUM(1)")):
        book.put(school, "location", text)
        book.cell(school, "location").data_type = "s"
    add_source("bad", {"a.xlsx": book.save(tmp_path / "a.xlsx").read_bytes()})
    assert run("build", "--problems", tmp_path / name)[0] == EXIT_INPUT
    if name.endswith(".csv"):
        with open(tmp_path / name, encoding="utf-8-sig", newline="") as handle:
            cells = [cell for line in csv.reader(handle) for cell in line]
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells) and "'@SUM(1)" in cells
    else:
        cells = [cell for row in openpyxl.load_workbook(tmp_path / name).active.iter_rows() for cell in row]
        assert all(cell.data_type == "s" for cell in cells) and any(str(c.value).startswith("=HYPER") for c in cells)


def test_characters_a_workbook_cannot_hold_are_left_out_of_the_list(tmp_path, capsys):
    problems = Problems("a.csv")
    problems.add("CSV", 2, "A", "x\x07y", "数", "改")
    cli._save_problems(problems.frame().assign(source="a"), tmp_path / "a.xlsx")
    assert openpyxl.load_workbook(tmp_path / "a.xlsx").active["F2"].value == "xy"


def test_without_any_source_build_says_so_and_writes_no_list(run, tmp_path):
    code, out, _ = run("build", "--problems", tmp_path / "a.xlsx")
    assert code == EXIT_DONE and "还没有来源" in out and not (tmp_path / "a.xlsx").exists()


def test_build_and_verify_go_on_after_a_faulty_source(run, project, school_source, tmp_path):
    (project.raw / "a-new").mkdir()
    code, out, err = run("build", "--problems", tmp_path / "问题.csv")
    assert code == EXIT_INPUT and "没有护照" in err and "test-county：已重建" in out
    assert "verify --write a-new" in (tmp_path / "问题.csv").read_text(encoding="utf-8-sig")
    code, out, err = run("verify")
    assert code == EXIT_INPUT and "没有护照" in err and "test-county：1 个文件，与护照一致" in out
    (school_source / "测试县2024.xlsx").write_bytes(b"PK")
    assert run("verify")[0] == EXIT_INPUT and run("verify", "test-county")[0] == EXIT_FINDINGS


@pytest.mark.parametrize("path", [".", ".."])
def test_template_of_a_folder_is_a_sentence(run, tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    refused(run("template", path), "给出的是文件夹")


@pytest.mark.parametrize("words", [["--source", "test-county"], ["--county", "010203"]])
def test_a_file_and_a_source_together_are_refused(run, tmp_path, words):
    refused(run("assess", tmp_path / "a.xlsx", *words), "同时给了文件和数据来源", words[0])


def test_no_option_is_abbreviated(run, capsys):
    with pytest.raises(SystemExit) as caught:
        run("build", "--prob", "a.csv")
    assert caught.value.code == EXIT_INPUT and "不认识：--prob" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["notebooks", "batches"])
def test_show_of_a_file_knows_its_name_or_refuses(run, project, what):
    for name in ("one", "two"):
        (project.notebooks / f"{name}.ipynb").write_text("{}")
        (project.notebooks / "batches" / f"{name}.toml").write_text("")
    assert run("show", what, "one") == (EXIT_DONE, "one\n", "")
    refused(run("show", what, "onee"), "是不是想写 one？")


def test_show_says_when_a_built_table_is_outdated(run, built):
    path = built / "source.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("测试用", "改过的"), encoding="utf-8")
    assert "已处理 12 行，但已过期" in run("show", "sources")[1]
    refused(run("assess", "--source", "test-county"), "已经过期", "qbresearch build test-county")
