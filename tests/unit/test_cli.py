"""The command line: help a non-programmer can follow, exit codes as a contract, and sentences instead of tracebacks."""

from __future__ import annotations

import csv
import errno
import io
import json
import re
import sys
from types import SimpleNamespace

import openpyxl
import pytest

from qbresearch.batches import runner
from qbresearch.cli import command as cli
from qbresearch.cli import county as counties
from qbresearch.cli import publishing
from qbresearch.errors import (
    EXIT_DONE,
    EXIT_FINDINGS,
    EXIT_INPUT,
    EXIT_INTERRUPTED,
    EXIT_RUNS_FAILED,
    InputError,
)
from qbresearch.processed.partitions import part_path
from qbresearch.processed.store import source_folder
from qbresearch.publication import publish
from qbresearch.raw.problems import Problems
from qbresearch.raw.reading import read_file

VERBS = ("template", "verify", "build", "assess", "run", "publish", "report", "show", "doctor")


@pytest.fixture
def run(project, capsys):
    """Run the command in the temporary project; returns exit code, output and messages."""

    def call(*words):
        code = cli.main(["--project", str(project.root), *map(str, words)])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return call


@pytest.fixture
def built(run, school_source):
    assert run("build")[0] == EXIT_DONE
    return school_source


def refused(result, *words):
    """The command ended with 2 and one message that says what, where, found, expected and fix."""
    code, _, err = result
    assert code == EXIT_INPUT and err.count("qbresearch：") == 1
    for label in ("位置：", "看到：", "应为：", "办法："):
        line = next(line for line in err.splitlines() if line.strip().startswith(label))
        assert line.strip().removeprefix(label), err
    assert all(word in err for word in words), err


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


# --- publish: formats and layout ---------------------------------------------------------------------------------


@pytest.fixture
def published(monkeypatch):
    """What ``publish_run`` is asked for; it writes a file of each format for a report ``slug``."""
    asked = []

    def publish_run(project, run_id, **options):
        asked.append({"run_id": run_id} | options)
        files = {}
        for kind in options["formats"]:
            files[kind] = {"file": f"{kind}/slug.{kind}"}
            path = project.reports / run_id / kind / f"slug.{kind}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(f"a {kind} file".encode())
        reports = (SimpleNamespace(files=files),)
        return SimpleNamespace(summary=lambda: "写好了", refused=(), reports=reports)

    monkeypatch.setattr(publish, "publish_run", publish_run)
    return asked


@pytest.fixture
def planned(monkeypatch, project):
    """A plan of the batch ``demo`` that nobody has to work out."""
    def plan_named(project, name):
        batch = SimpleNamespace(id=name, title="今天的题目", cover={"unit": "今天的单位"})
        folder = project.reports / name
        return SimpleNamespace(project=project, batch=batch, folder=folder, why_stale=lambda job: f"{job} 已变")

    monkeypatch.setattr(publishing, "_plan_named", plan_named)
    (project.reports / "demo").mkdir()
    (project.reports / "demo" / "manifest.json").write_text("{}")


@pytest.mark.parametrize(("words", "formats", "style"), [
    ([], ("html", "docx", "pdf"), {}),
    (["--format", "docx"], ("docx",), {}),
    (["--format", "PDF，docx、pdf"], ("pdf", "docx"), {}),
    (
        ["--format", "pdf", "--preset", "gongwen", "--citations", "2015"], ("pdf",),
        {"preset": "gongwen", "edition": "2015"},
    ),
])
def test_publish_hands_on_what_is_asked_for_and_nothing_else(run, planned, published, words, formats, style):
    code, out, _ = run("publish", "demo", "--workers", "3", *words)
    assert code == EXIT_DONE and "写好了" in out
    (asked,) = published
    assert asked["is_current"]({"name": "甲"}) == "甲 已变"
    assert {k: asked[k] for k in asked if k not in ("is_current", "progress")} == {
        "run_id": "demo", "formats": formats, "workers": 3, "title": "今天的题目", "cover": {"unit": "今天的单位"},
    } | style


@pytest.mark.parametrize(("words", "expected"), [
    (["--format", "doc"], ("没有这个格式", "html、docx、pdf", "是不是想写 docx？")),
    (["--format", "docx,latex"], ("没有这个格式", "latex", "--format")),
    (["--preset", "gongwn"], ("没有这个版式", "academic、gongwen", "是不是想写 gongwen？")),
    (["--citations", "2005"], ("没有这个著录规则版本", "2025、2015")),
])
def test_an_unknown_format_or_layout_lists_the_choices(run, planned, published, words, expected):
    refused(run("publish", "demo", *words), *expected)
    assert not published


def test_a_batch_that_was_never_run_is_to_be_run_first(run, planned, published):
    refused(run("publish", "rest"), "批次还没有运行", "先运行 qbresearch run rest")
    assert not published


def test_an_interrupted_publication_has_changed_nothing_and_does_not_go_on(run, planned, monkeypatch):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(publish, "publish_run", interrupt)
    code, _, err = run("publish", "demo")
    assert code == EXIT_INTERRUPTED and "没有改动" in err and "上一次发布" in err and "接着做" not in err


def test_what_was_not_published_ends_with_3(run, planned, monkeypatch):
    partial = SimpleNamespace(summary=lambda: "一份未采用", refused=("x",))
    monkeypatch.setattr(publish, "publish_run", lambda *args, **options: partial)
    code, out, _ = run("publish", "demo")
    assert code == EXIT_RUNS_FAILED and "一份未采用" in out


# --- report ------------------------------------------------------------------------------------------------------

PARAMETERS = {
    "10-data-check": "source_id county_code school_year standard_id language",
    "20-resource-balance": "source_id county_code school_year stage standard_id language",
    "25-resource-attainment": "source_id county_code school_year stage standard_id language",
    "30-attainment": "source_id county_code school_year standard_id plan_id language",
}
EMPTY = {"plan_id": ' = ""', "language": ' = "zh"'}


@pytest.fixture
def notebooks(project):
    """The notebooks of a county report, with parameters and nothing else."""
    for name, parameters in PARAMETERS.items():
        lines = [f'{p}: {"int" if p == "school_year" else "str"}{EMPTY.get(p, "")}' for p in parameters.split()]
        cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": "\n".join(lines), "outputs": []}
        (project.notebooks / f"{name}.ipynb").write_text(json.dumps({"cells": [cell]}), encoding="utf-8")


@pytest.fixture
def ran(monkeypatch):
    """The plans that were run."""
    plans = []

    def run_batch(plan, **options):
        plans.append(plan)
        return SimpleNamespace(failed=0, summary=lambda: "")

    monkeypatch.setattr(runner, "run_batch", run_batch)
    return plans


@pytest.mark.parametrize("wanted", ["010203", "测试县", "测试"])
def test_report_goes_from_raw_data_to_one_word_file(run, project, school_source, notebooks, ran, published, wanted):
    code, out, err = run("report", wanted)
    assert code == EXIT_DONE, err
    assert "test-county：已重建" in out
    assert f"报告：{project.reports / 'test-county-010203-2024' / 'docx' / 'slug.docx'}\n" in out
    jobs = [(p.job.notebook, p.job.parameters.get("stage"), p.job.parameters["school_year"]) for p in ran[0].jobs]
    assert jobs == [
        ("10-data-check", None, 2024), ("20-resource-balance", "primary", 2024), ("20-resource-balance", "junior", 2024),
        ("25-resource-attainment", "primary", 2024), ("25-resource-attainment", "junior", 2024), ("30-attainment", None, 2024),
    ]
    assert {p.job.parameters["county_code"] for p in ran[0].jobs} == {"010203"}
    assert published[0]["run_id"] == "test-county-010203-2024" and published[0]["formats"] == ("docx",)
    assert not list((project.notebooks / "batches").iterdir())


def test_a_report_of_one_stage_or_in_english_is_a_run_of_its_own(run, built, notebooks, ran, published):
    assert run("report", "测试县", "--stage", "junior", "--language", "en", "--preset", "gongwen")[0] == EXIT_DONE
    assert [p.job.parameters.get("stage", "") for p in ran[0].jobs] == ["", "junior", "junior"]
    assert {p.job.parameters["language"] for p in ran[0].jobs} == {"en"}
    assert published[0]["run_id"] == "test-county-010203-2024-junior-en" and published[0]["preset"] == "gongwen"


@pytest.mark.parametrize(("words", "kind"), [
    (["--output", "我县.docx"], "docx"), (["--output", "我县.PDF"], "pdf"),
    (["--format", "html", "--output", "我县.html"], "html"),
])
def test_the_file_asked_for_has_the_format_of_its_name(
    run, built, notebooks, ran, published, tmp_path, monkeypatch, words, kind
):
    monkeypatch.chdir(tmp_path)
    assert run("report", "测试县", *words)[0] == EXIT_DONE
    assert (tmp_path / words[-1]).read_bytes() == f"a {kind} file".encode()


@pytest.mark.parametrize(("words", "expected"), [
    (["--output", "旧.docx"], ("没有覆盖", "旧.docx")),
    (["--output", "没有/我县.docx"], ("文件夹不存在", "没有")),
    (["--output", "我县.docx", "--format", "pdf"], ("文件名与格式不一致", "我县.pdf")),
    (["--output", "我县.doc"], ("没有这个格式", "是不是想写 docx？")),
    (["--format", "docx,pdf"], ("没有这个格式", "docx,pdf")),
    (["--year", "2023"], ("没有这个学年", "2024")),
    (["--stage", "senior"], ("没有这个学段", "primary、junior")),
    (["--source", "other"], ("没有这个数据来源", "test-county")),
    (["--standard", "national-2018"], ("没有这个配套标准", "是不是想写 national-2017？")),
    (["--standard", "michigan-2001"], ("没有这个配套标准", "national-2017")),
    (["--language", "fr"], ("没有这个语言", "zh、en")),
])
def test_what_report_cannot_do_is_said_before_anything_runs(
    run, built, notebooks, ran, published, tmp_path, monkeypatch, words, expected
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "旧.docx").write_bytes(b"worked on")
    refused(run("report", "测试县", *words), *expected)
    assert not ran and not published and (tmp_path / "旧.docx").read_bytes() == b"worked on"


@pytest.mark.parametrize(("words", "run_id"), [
    ([], "test-county-010203-2024"), (["--standard", "national-2017"], "test-county-010203-2024"),
    (["--standard", "basic-2012", "--language", "en"], "test-county-010203-2024-basic-2012-en"),
])
def test_a_report_by_another_standard_is_a_run_of_its_own(run, built, notebooks, ran, published, words, run_id):
    assert run("report", "测试县", *words)[0] == EXIT_DONE
    assert published[0]["run_id"] == run_id


def test_failed_notebooks_are_told_and_end_with_3(run, built, notebooks, monkeypatch, tmp_path):
    failure = SimpleNamespace(failed=1, summary=lambda: "失败 1 个，见 failed/a.ipynb")
    monkeypatch.setattr(runner, "run_batch", lambda plan, **options: failure)
    nothing = SimpleNamespace(reports=(), refused=(SimpleNamespace(job="a", reason="失败"),))
    monkeypatch.setattr(publish, "publish_run", lambda *args, **options: nothing)
    code, out, err = run("report", "测试县")
    assert code == EXIT_RUNS_FAILED and "失败 1 个" in err and "未采用 a：失败" in err and "\n报告：" not in out


def test_data_with_errors_are_not_reported_on(run, project, add_source, book, notebooks, ran, tmp_path):
    book.put(0, "students_primary", "很多")
    add_source("bad", {"a.xlsx": book.save(tmp_path / "a.xlsx").read_bytes()})
    refused(run("report", "测试县"), "数据有错误", "qbresearch build bad")
    assert not ran


def test_without_school_data_the_way_to_them_is_named(run, project):
    refused(run("report", "测试县"), "没有学校数据", "qbresearch template")


def test_a_county_in_two_sources_is_asked_about(run, built, add_source, book, notebooks, ran, published, tmp_path):
    add_source("another", {"b.xlsx": book.save(tmp_path / "b.xlsx").read_bytes()})
    refused(run("report", "010203"), "不止一个县", "来源 another", "来源 test-county", "--source another")
    assert run("report", "010203", "--source", "another")[0] == EXIT_DONE and ran


def _known(*names):
    return [counties.CountyData("s", f"61{n:04d}", name, (2024,), None) for n, name in enumerate(names)]


@pytest.mark.parametrize(("wanted", "found"), [
    ("610001", "长安县"), ("长安县", "长安县"), ("长安", "长安县"), ("鄠", "鄠邑区（模拟）"), (" 鄠 邑 区 ", "鄠邑区（模拟）"), ("ｆresno", "Fresno"),
    ("FRES", "Fresno"), ("旧城区", "旧城区"), ("新", "新城区"), ("huyi", "鄠邑区（模拟）"), ("chang an", "长安县"),
])
def test_a_county_is_found_by_code_then_whole_name_then_part_of_it(wanted, found):
    known = _known("鄠邑区（模拟）", "长安县", "Fresno", "旧城区", "新城区", "旧城区东")
    assert counties.find_county(wanted, known).name == found


def test_a_name_that_fits_several_counties_lists_them_and_one_that_fits_none_the_nearest():
    known = _known("桥东区", "桥西区", "鄠邑区（模拟）")
    with pytest.raises(InputError) as caught:
        counties.find_county("桥", known)
    assert "桥东区 610000" in caught.value.found and "桥西区 610001" in caught.value.found and "鄠" not in caught.value.found
    assert "如 610000" in caught.value.fix
    for heard in ("户邑区", "胡义"):
        with pytest.raises(InputError) as caught:
            counties.find_county(heard, known)
        assert caught.value.fix == "是不是想写 鄠邑区（模拟）（610002）？"
    with pytest.raises(InputError) as caught:
        counties.find_county("", known)
    assert "桥东区" in caught.value.expected


def test_the_batch_of_a_county_does_not_depend_on_anything_but_what_it_asks():
    county = _county("california", source="ca", code="Los-Angeles")
    one, two = (counties.county_batch(county, 1998, ["all"], "california-1999") for _ in range(2))
    assert one == two and one.id == "ca-Los-Angeles-1998" and not one.problems


def _county(table, *, source, code="010203"):
    return counties.CountyData(source, code, "某县", (2024,), SimpleNamespace(contract=SimpleNamespace(id=table)))


def test_runs_of_different_sources_never_share_a_folder():
    sources = ("甲县数据", "乙县数据", "甲县 数据", "a b", "a-b", "甲a-b")
    ids = [counties.county_batch(_county("school", source=s), 2024, ["primary"], "national-2017").id for s in sources]
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", i) for i in ids)
    assert ids[0].startswith("010203-2024-") and ids[4] == "a-b-010203-2024"
