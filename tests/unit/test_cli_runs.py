"""The runs of batches on the command line: what was run, how it ended, and failed notebooks opened where they failed."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import command, refused  # noqa: F401 (one is a fixture)
from filelock import FileLock
from jupyterlab.labapp import LabApp
from jupyterlab_server.config import get_federated_extensions

from qbresearch.batches import runner
from qbresearch.batches.ledger import JobRecord, Ledger
from qbresearch.cli import command as cli
from qbresearch.cli import opening, publishing
from qbresearch.cli.terminal import columns_of
from qbresearch.errors import EXIT_DONE, EXIT_INPUT, EXIT_RUNS_FAILED

FAILED = "30-attainment--demo--990101--2024"
ERROR = {"name": "ValueError", "message": "没有班级表\n详情", "cell": 5, "cell_id": "b", "traceback": None}


def settle(ledger, run, name, error=None):
    ledger.settle(JobRecord(
        name=name, notebook=name.split("--")[0], status="failed" if error else "succeeded", key="k", components={},
        parameters={"county_code": "990101", "school_year": 2024}, output_sha256=None, seconds=2.5, started="2026-03-01T08:00:00+00:00",
        finished="2026-03-01T08:00:09+00:00", error=error, run=run, memory=300 * 1024**2,
    ))


@pytest.fixture
def ledger(project):
    """A batch ``demo`` with one run, of which one job failed."""
    made = Ledger(project.reports / "demo")
    (made.path.parent / "failed").mkdir(parents=True)
    made.prepare()
    run = made.begin(engine="warm", workers=2, jobs=2, skipped=4, held=0)
    settle(made, run, "10-check--demo--990101--2024")
    settle(made, run, FAILED, ERROR)
    made.end(run, "finished")
    keep(made, FAILED, cell("a"), cell("b", "error"))
    return made


def cell(name, *outputs, **changes):
    outputs = [{"output_type": kind, "ename": "E", "evalue": "", "traceback": []} for kind in outputs]
    return {"cell_type": "code", "id": name, "metadata": {}, "source": "", "outputs": outputs, "execution_count": None} | changes


def keep(ledger, name, *cells, folder="failed"):
    path = ledger.path.parent / folder / f"{name}.ipynb"
    path.write_text(json.dumps({"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), encoding="utf-8")


# --- show runs


def test_before_the_first_run_the_way_to_it_is_told(run):
    code, out, _ = run("show", "runs")
    assert code == EXIT_DONE and "qbresearch run" in out


def test_every_run_of_every_batch_is_a_line(run, project, ledger):
    other = Ledger(project.reports / "other")
    other.path.parent.mkdir()
    other.prepare()
    other.end(other.begin(engine="standard", workers=8, jobs=0, skipped=9, held=1), "interrupted")
    code, out, _ = run("show", "runs")
    heading, demo, last = out.splitlines()
    assert code == EXIT_DONE and [word for word in ("批次", "引擎", "状态") if word not in heading] == []
    assert demo.split()[:2] == ["demo", "1"] and demo.split()[4:9] == ["warm", "2", "1", "1", "4"] and demo.endswith("已完成")
    assert last.split()[:2] == ["other", "1"] and last.endswith("已中断")
    assert max(map(columns_of, out.splitlines())) <= 80


def test_a_run_that_says_it_is_running_was_killed_unless_someone_holds_the_folder(run, ledger):
    ledger.begin(engine="warm", workers=2, jobs=9, skipped=0, held=0)
    assert run("show", "runs")[1].splitlines()[-1].endswith("已中断（进程被终止）")
    with FileLock(ledger.path.parent / ".lock"):
        assert run("show", "runs")[1].splitlines()[-1].endswith("运行中")
    assert run("show", "runs")[1].splitlines()[-1].endswith("已中断（进程被终止）")


def test_a_batch_is_told_with_the_report_on_its_last_run(run, ledger):
    again = ledger.begin(engine="warm", workers=2, jobs=1, skipped=5, held=0)
    settle(ledger, again, FAILED)
    ledger.end(again, "finished")
    _, last, _ = run("show", "runs", "demo")
    assert last.count("已完成") == 3 and "第 2 次运行" in last and "失败原因" not in last
    code, first, _ = run("show", "runs", "demo/1")
    assert code == EXIT_DONE and "第 1 次运行" in first and first.count("已完成") == 1
    assert "300 MB" in first and "失败原因 1：ValueError：没有班级表（1 个任务）" in first
    assert f"{FAILED}：已在第 2 次运行中成功" in first and "qbresearch open" not in first


def test_every_failure_has_the_command_that_opens_it_as_long_as_there_is_something_to_open(run, ledger):
    assert f"  In [5]    qbresearch open demo {FAILED}" in run("show", "runs", "demo")[1].splitlines()
    (ledger.path.parent / "failed" / f"{FAILED}.ipynb").unlink()
    assert f"{FAILED}：没有留下笔记本" in run("show", "runs", "demo")[1]


@pytest.mark.parametrize(("name", "words"), [("demmo", "是不是想写 demo"), ("demo/7", "没有这个运行"), ("demo/x", "批次/第几次")])
def test_runs_that_there_were_not_are_refused(run, ledger, name, words):
    refused(run("show", "runs", name), words)


# --- run


@pytest.fixture
def asked(monkeypatch, ledger):
    """The options ``run_batch`` was called with; the run is that of ``ledger``."""
    options = {}
    plan = SimpleNamespace(jobs=(), folder=ledger.path.parent, batch=SimpleNamespace(id="demo"), summary=lambda: "计划")
    monkeypatch.setattr(publishing, "_plan_named", lambda project, name: plan)

    def run_batch(plan, **given):
        options.update(given)
        return SimpleNamespace(failed=1, run=1)

    monkeypatch.setattr(runner, "run_batch", run_batch)
    return options


def test_a_run_ends_with_its_failures_by_cause_and_the_command_to_open_each(run, asked):
    code, out, _ = run("run", "demo")
    assert code == EXIT_RUNS_FAILED
    assert "失败 ValueError：没有班级表（1 个任务" in out and f"打开：qbresearch open demo {FAILED}" in out
    assert "qbresearch show runs demo/1" in out
    assert (asked["memory"], asked["engine"]) == (None, "auto")


def test_engine_and_memory_are_handed_over(run, asked):
    run("run", "demo", "--engine", "standard", "--memory", "512", "--workers", "3", "--timeout", "7")
    assert {name: asked[name] for name in ("engine", "memory", "workers", "timeout")} == {
        "engine": "standard", "memory": 512 * 1024**2, "workers": 3, "timeout": 7.0,
    }


def test_explain_gives_the_reason_with_what_has_changed_and_runs_nothing(run, monkeypatch, asked):
    jobs = [SimpleNamespace(action=action, explanation=why, job=SimpleNamespace(name=name)) for action, why, name in (
        ("run", "数据已变（s 990101）", "a"), ("current", "已是最新", "b"),
    )]
    plan = SimpleNamespace(jobs=jobs, summary=lambda: "计划")
    monkeypatch.setattr(publishing, "_plan_named", lambda project, name: plan)
    code, out, _ = run("run", "demo", "--explain")
    assert code == EXIT_DONE and out.splitlines() == ["计划", "  运行  a：数据已变（s 990101）", "  不运行  b：已是最新"]
    assert asked == {}


# --- open


@pytest.fixture
def opened(monkeypatch):
    """The options JupyterLab was started with."""
    options = []
    monkeypatch.setattr(opening, "start_lab", options.extend)
    return options


def test_the_only_failure_is_opened_at_the_failing_cell(run, project, ledger, opened):
    code, out, _ = run("open", "demo")
    assert code == EXIT_DONE and f"reports/demo/failed/{FAILED}.ipynb，停在出错的单元格" in out
    assert f"--LabApp.default_url=/lab/tree/reports/demo/failed/{FAILED}.ipynb#cell-id=b" in opened
    assert f"--ServerApp.root_dir={project.root}" in opened


def test_options_for_jupyterlab_are_handed_on(run, ledger, opened):
    run("open", "demo", FAILED, "--", "--no-browser", "--port", "8890")
    assert opened[-3:] == ["--no-browser", "--port", "8890"]


def test_a_part_of_a_name_is_enough_and_failures_go_first(run, ledger, opened):
    keep(ledger, "35-plan--demo--990101--2024", cell("a"), folder=".")
    keep(ledger, "35-plan--demo--990102--2024", cell("a"), folder=".")
    assert run("open", "demo", "990101")[0] == EXIT_DONE and f"{FAILED}.ipynb#cell-id=b" in opened[1]
    opened.clear()
    code, out, _ = run("open", "demo", "990102")
    assert code == EXIT_DONE and opened[1].endswith("/lab/tree/reports/demo/35-plan--demo--990102--2024.ipynb")
    assert "出错" not in out
    refused(run("open", "demo", "35-plan"), "不止一个任务", "990101--2024、35-plan")


def test_what_cannot_be_opened_is_refused_with_what_can(run, ledger, opened):
    refused(run("open", "nowhere"), "没有这个运行过的批次", "demo")
    refused(run("open", "demo", "xyz"), "没有这个任务的笔记本", FAILED)
    keep(ledger, "30-attainment--demo--990102--2024", cell("a", "error"))
    refused(run("open", "demo"), "没有写明打开哪个任务", FAILED, "990102")
    assert opened == []


@pytest.mark.parametrize(("cells", "error", "found"), [
    ([cell("a", "error"), cell("b")], {"cell_id": "b"}, "b"),
    ([cell("a", "error", metadata={"tags": ["raises-exception"]}), cell("b", "error"), cell("c")], {"cell_id": "gone"}, "b"),
    ([cell("a"), cell("b", metadata={"papermill": {"exception": True}}), cell("c")], {}, "b"),
    ([cell("a", execution_count=1), cell("b", execution_count=2)], {"cell": 2}, "b"),
    ([cell("a"), cell("b")], {"cell": None, "cell_id": None}, None),
    ([{"cell_type": "code", "outputs": [{"output_type": "error"}]}], {}, None),
])
def test_the_failing_cell_is_found_by_what_is_known_of_it(cells, error, found):
    assert opening.failing_cell({"cells": cells}, error) == found


def test_jupyterlab_takes_the_options_and_finds_the_extension(project):
    options = opening.lab_options(project, "reports/d/failed/甲 b.ipynb", "b")
    lab = LabApp()
    lab.parse_command_line([option for option in options if option.startswith("--LabApp")])
    assert lab.default_url == "/lab/tree/reports/d/failed/%E7%94%B2%20b.ipynb#cell-id=b"
    (extension,) = get_federated_extensions(lab.extra_labextensions_path).values()
    entry = Path(extension["ext_path"]) / extension["jupyterlab"]["_build"]["load"]
    assert f"window._JUPYTERLAB['{extension['name']}']" in entry.read_text(encoding="utf-8")


def test_a_verb_with_options_of_another_program_still_refuses_its_own(capsys):
    with pytest.raises(SystemExit) as refusal:
        cli.main(["open", "demo", "--browser"])
    assert refusal.value.code == EXIT_INPUT and "不认识：--browser" in capsys.readouterr().err
