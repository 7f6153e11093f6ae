"""What is missing on a computer is found by trying it, and named with what to install."""

from __future__ import annotations

import io
import json
import shutil
import sys
import tomllib
import zipfile
from collections import namedtuple
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from qbresearch.cli import command as cli
from qbresearch.cli import doctor
from qbresearch.engines import choice as engine_choice
from qbresearch.errors import EXIT_DONE, EXIT_INPUT

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
GIB = 1024**3


def _lowest(monkeypatch, python: str = "3.11", **packages: str) -> None:
    """Let the package ask for these versions."""
    wanted = {name.replace("_", "-"): version for name, version in packages.items()}
    conda = {name: name for name in wanted if name != "typst"} | {"duckdb": "python-duckdb"}
    monkeypatch.setattr(doctor, "_requirements", lambda: (python, wanted, conda))


# Python and its packages


@pytest.mark.parametrize(("lowest", "state"), [("3.11", "good"), ("3.9", "good"), ("99.1", "missing")])
def test_the_version_of_python_is_compared_by_number(monkeypatch, lowest, state):
    _lowest(monkeypatch, python=lowest)
    check = doctor.check_python()
    assert check.state == state and sys.executable in check.found + sys.executable
    assert (f"conda create -n qbresearch python={lowest}" in check.fix) == (state == "missing")


def test_packages_in_order_are_one_line(monkeypatch):
    _lowest(monkeypatch, numpy="1.0", pandas="0.9.9")
    assert [(c.state, c.fix) for c in doctor.check_packages()] == [("good", "")]
    assert "2 个" in doctor.check_packages()[0].found


def test_every_package_that_is_missing_or_old_is_named_with_both_ways_to_install_it(monkeypatch):
    versions = {"duckdb": "0.9.10", "numpy": "2.0"}

    def version(name):
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(doctor.metadata, "version", version)
    _lowest(monkeypatch, duckdb="0.10", numpy="2.0", no_such="1.2")
    old, absent = doctor.check_packages()
    assert old.state == absent.state == "missing"
    assert "0.9.10 太旧" in old.found and "没有安装" in absent.found
    assert old.fix == 'conda install -c conda-forge "python-duckdb>=0.10"；或 python -m pip install "duckdb>=0.10"'
    assert '"no-such>=1.2"' in absent.fix


def test_a_package_that_conda_does_not_have_is_never_to_be_installed_by_conda(monkeypatch):
    _lowest(monkeypatch, typst="99")
    (check,) = doctor.check_packages()
    assert check.state == "missing" and check.fix == 'python -m pip install "typst>=99"'


def test_every_package_of_pyproject_has_a_name_in_conda_or_is_installed_by_pip_alone():
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
    _, wanted, conda = doctor._requirements()
    own = project["tool"]["qbresearch"]
    assert set(wanted) - set(conda) == set(own["pip-only"]) & set(wanted) != set()
    assert {name: conda[name] for name in own["conda-names"]} == own["conda-names"]


def test_what_the_package_asks_for_is_what_pyproject_says():
    python, wanted, conda = doctor._requirements()
    text = PYPROJECT.read_text(encoding="utf-8")
    assert f'requires-python = ">={python}"' in text
    listed = text.split("\ndependencies = [")[1].split("]")[0]
    assert all(f'"{name}>={lowest}"' in listed for name, lowest in wanted.items())
    assert len(wanted) == listed.count(">=") > 10 and conda["duckdb"] == "python-duckdb"


def test_without_a_pyproject_the_installed_record_is_asked(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "PACKAGE", tmp_path / "qbresearch")
    monkeypatch.setattr(doctor.metadata, "metadata", lambda name: {"Requires-Python": ">=3.12"})
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: ["numpy>=2.0", 'pytest>=8; extra == "dev"'])
    assert doctor._requirements() == ("3.12", {"numpy": "2.0"}, {})
    monkeypatch.setattr(doctor, "_installed", lambda name: None)
    assert [check.fix for check in doctor.check_packages()] == ['python -m pip install "numpy>=2.0"']


# the project and its notebooks


def test_outside_a_project_the_way_in_is_named(tmp_path):
    found, check = doctor.check_project(tmp_path)
    assert found is None and check.state == "missing" and "--project" in check.fix


def test_a_project_is_tried_by_writing_and_left_as_it_was(project):
    shutil.rmtree(project.reports)
    found, check = doctor.check_project(project.root)
    assert found == project and check.state == "good" and str(project.root) in check.found
    assert not list(project.reports.iterdir()) and not list(project.processed.iterdir())


def test_a_folder_that_cannot_be_written_is_named_with_the_reason(project, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "denied")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    _, check = doctor.check_project(project.root)
    assert check.state == "missing" and str(project.processed) in check.found and "没有权限" in check.found and check.fix


def test_without_a_kernel_notebooks_cannot_run(monkeypatch):
    monkeypatch.setattr(doctor, "KERNEL", "no-such-kernel")
    check = doctor.check_kernel()
    assert check.state == "missing" and "no-such-kernel" in check.found and "ipykernel" in check.fix


def test_a_kernel_is_started_and_reads_the_package(monkeypatch):
    assert doctor.check_kernel().state == "good"


def test_a_kernel_of_another_environment_is_found_out(monkeypatch):
    monkeypatch.setattr(doctor, "_PROBE", "import no_such_package")
    check = doctor.check_kernel()
    assert check.state == "missing" and "no_such_package" in check.found and "--sys-prefix" in check.fix


class _Choice:
    """An engine whose run of the probe ends with this error."""

    def __init__(self, name, error=None):
        self.name, self.reason, self.error, self.tasks = name, "因为", error, []

    def run(self, tasks, workers):
        self.tasks += tasks
        yield SimpleNamespace(error=self.error)


@pytest.mark.parametrize(("error", "state", "words"), [
    (None, "good", "warm（因为），试运行成功"),
    ({"name": "内核中断", "message": "分不出进程"}, "missing", "warm 不能用：内核中断：分不出进程"),
])
def test_the_warm_engine_is_tried_with_a_notebook_of_one_cell(monkeypatch, error, state, words):
    choice = _Choice("warm", error)
    monkeypatch.setattr(engine_choice, "choose_engine", lambda asked: choice)
    check = doctor.check_engine()
    assert (check.state, check.found) == (state, words)
    assert ("QBRESEARCH_ENGINE=standard" in check.fix) == (state == "missing")
    notebook = nbformat.reads(choice.tasks[0].template, as_version=4)
    nbformat.validate(notebook)
    assert [cell.source for cell in notebook.cells] == ["import qbresearch"]


def test_where_kernels_serve_the_reason_is_told_and_nothing_is_started_twice(monkeypatch):
    choice = _Choice("standard")
    monkeypatch.setattr(engine_choice, "choose_engine", lambda asked: choice)
    check = doctor.check_engine()
    assert (check.state, check.found, choice.tasks) == ("good", "standard（因为）", [])


def test_an_engine_that_there_is_not_is_missing_with_the_fix(monkeypatch):
    monkeypatch.setenv(engine_choice.ENVIRONMENT_NAME, "wram")
    check = doctor.check_engine()
    assert check.state == "missing" and "wram" in check.found and "warm" in check.fix


@pytest.mark.slow
def test_the_engine_that_serves_here_works():
    assert doctor.check_engine().state == "good"


# what reports are made with


@pytest.mark.parametrize("check", [doctor.check_fonts, doctor.check_pdf, doctor.check_word, doctor.check_formulas])
def test_what_reports_are_made_with_works_here(check):
    result = check()
    assert result.state == "good" and result.fix == "", result


def test_a_font_that_is_lost_is_named(monkeypatch, tmp_path):
    from qbresearch import fonts

    family = fonts.FontFamily("Lost", {"Regular": tmp_path / "Lost-Regular.ttf"})
    monkeypatch.setattr(fonts, "FAMILIES", (family,))
    check = doctor.check_fonts()
    assert check.state == "missing" and "Lost-Regular.ttf" in check.found and "重新安装" in check.fix


def test_a_font_file_that_is_damaged_is_found(monkeypatch, tmp_path):
    from qbresearch import fonts

    path = tmp_path / "Bad-Regular.ttf"
    path.write_bytes(b"no font")
    monkeypatch.setattr(fonts, "FAMILIES", (fonts.FontFamily("Bad", {"Regular": path}),))
    check = doctor.check_fonts()
    assert check.state == "missing" and "Bad-Regular.ttf" in check.found


@pytest.mark.parametrize(("module", "check", "install"), [
    ("typst", doctor.check_pdf, "pip install --upgrade typst"),
    ("qbresearch.publication.docx", doctor.check_word, "pip install --upgrade lxml"),
    ("qbresearch.publication.formulas", doctor.check_formulas, "lxml"),
])
def test_a_writer_that_cannot_be_loaded_is_missing(monkeypatch, module, check, install):
    monkeypatch.setitem(sys.modules, module, None)
    result = check()
    assert result.state == "missing" and "不能载入" in result.found and install in result.fix


def test_word_is_tried_with_the_writer_of_the_reports_itself(monkeypatch):
    from qbresearch.publication import docx

    monkeypatch.setitem(sys.modules, "docx", None)  # python-docx only reads what tests have written
    assert doctor.check_word().state == "good"
    for data in (b"no archive", _archive("word/styles.xml", "鄠"), _archive("word/document.xml", "鄠")):
        monkeypatch.setattr(docx, "write_docx", lambda document, data=data: data)
        check = doctor.check_word()
        assert check.state == "missing" and "读回来" in check.found and "重新安装" in check.fix


def test_a_layout_that_is_lost_is_named(monkeypatch):
    from qbresearch.errors import InputError
    from qbresearch.publication import docx

    def refuse(document):
        raise InputError("没有这个版式", where="academic", found="无", expected="版式文件", fix="改")

    monkeypatch.setattr(docx, "write_docx", refuse)
    check = doctor.check_word()
    assert check.state == "missing" and "没有这个版式" in check.found


def _archive(name: str, text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, text)
    return buffer.getvalue()


def test_a_line_that_typst_cannot_set_is_missing(monkeypatch):
    monkeypatch.setattr(doctor, "_SENTENCE", "#no-such-function()")
    assert doctor.check_pdf().state == "missing" and "no-such-function" in doctor.check_pdf().found


# the computer


@pytest.mark.parametrize(
    ("encoding", "state"), [("UTF-8", "good"), ("utf8", "good"), ("cp936", "warning"), ("ascii", "warning")]
)
def test_an_encoding_other_than_ours_is_a_warning(encoding, state):
    check = doctor.check_console(encoding)
    assert check.state == state and (state == "good" or (encoding in check.found and "PYTHONUTF8" in check.fix))


@pytest.mark.parametrize(("free", "state"), [(50 * GIB, "good"), (GIB, "warning"), (50 * 1024**2, "missing")])
def test_free_space(monkeypatch, tmp_path, free, state):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: namedtuple("Usage", "free")(free))
    check = doctor.check_space(tmp_path)
    assert check.state == state and f"{free / GIB:.1f} GB" in check.found and bool(check.fix) == (state != "good")


@pytest.mark.parametrize(
    ("memory", "state", "words"), [(16 * GIB, "good", "8 个笔记本"), (2 * GIB, "warning", "--workers 3")]
)
def test_memory_limits_how_many_notebooks_run_at_a_time(monkeypatch, memory, state, words):
    import psutil

    monkeypatch.setattr(doctor.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: namedtuple("Memory", "total")(memory))
    check = doctor.check_machine()
    assert check.state == state and words in check.found + check.fix


def test_no_office_is_needed_and_pandoc_is_said_to_be_unneeded():
    assert doctor.check_viewers(lambda name: None).state == "good"
    assert "没有找到 LibreOffice" in doctor.check_viewers(lambda name: None).found
    assert "有 LibreOffice" in doctor.check_viewers(lambda name: "/usr/bin/soffice").found
    assert "不使用 pandoc" in doctor.check_unneeded().found


# the verb


@pytest.fixture
def few(monkeypatch):
    """Let the verb find these checks."""

    def put(*states):
        checks = tuple(doctor.Check(f"第{n}项", state, "看到", "办法" * (state != "good")) for n, state in enumerate(states))
        monkeypatch.setattr(doctor, "run_checks", lambda start: checks)

    return put


@pytest.mark.parametrize(("states", "code", "words"), [
    (["good", "warning"], EXIT_DONE, ("✓ 第0项：看到", "！ 第1项：看到\n    办法：办法", "必需的都已具备")),
    (["good", "missing", "missing"], EXIT_INPUT, ("✗ 第1项：看到", "有 2 项必需的东西要先补上")),
])
def test_only_what_is_missing_makes_the_verb_end_with_2(few, capsys, states, code, words):
    few(*states)
    assert cli.main(["doctor"]) == code
    out, err = capsys.readouterr()
    assert err == "" and all(word in out for word in words)


def test_a_machine_can_read_the_checks(few, capsys):
    few("good", "missing")
    assert cli.main(["doctor", "--json"]) == EXIT_INPUT
    result = json.loads(capsys.readouterr().out)
    assert result["ready"] is False
    assert result["checks"][1] == {"name": "第1项", "state": "missing", "found": "看到", "fix": "办法"}


def test_all_checks_run_outside_a_project_too(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "check_kernel", lambda: doctor.Check("笔记本内核", doctor.GOOD, ""))
    monkeypatch.setattr(doctor, "check_engine", lambda: doctor.Check("运行引擎", doctor.GOOD, ""))
    checks = doctor.run_checks(tmp_path)
    names = [check.name for check in checks]
    assert len(names) == len(set(names)) >= 12
    assert {c.name: c.state for c in checks}["项目文件夹"] == "missing" and not doctor.is_ready(checks)
