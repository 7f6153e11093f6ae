"""Batches that are really run, in worker processes and kernels, through papermill."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from filelock import FileLock
from tiny_batch import (
    BATCH,
    COUNTY,
    FakeData,
    make_project,
    notebook_text,
    outputs_of,
    plan_of,
)

from qbresearch.batches import runner
from qbresearch.batches.ledger import Ledger
from qbresearch.batches.runner import read_manifest, run_batch
from qbresearch.engines import standard
from qbresearch.engines.portable import make_portable
from qbresearch.engines.task import Outcome
from qbresearch.errors import InputError
from qbresearch.project import Project

GOOD_CELL = """\
import os, sys, warnings
print(county_code, seed, place, os.environ["OMP_NUM_THREADS"], os.path.basename(os.getcwd()))
print(os.getcwd(), sys.executable, os.path.expanduser("~"))
print(sorted({"a", "b", "c"}, key=hash))
warnings.warn("警告")
"""
PLACE = """甲县 "东" \\ '西'"""
GOOD_BATCH = BATCH + f"place = '''{PLACE}'''\n"
GOOD_NOTEBOOK = notebook_text(COUNTY + 'place: str = ""', GOOD_CELL)
KINDS = ("fine", "raises", "exits", "hangs", "dies")
BAD_CELL = """\
import os, sys
if kind == "raises":
    raise ValueError("算不出来")
if kind == "exits":
    sys.exit(0)
if kind == "dies":
    print("最后一句", file=sys.__stderr__, flush=True)
    os._exit(7)
while kind == "hangs":
    pass
"""
ONE = 'id = "demo"\ntitle = "试"\n[[grid]]\nnotebook = "{name}"\n[grid.parameters]\n'


@dataclass(frozen=True)
class FakeEngine:
    """Stands for the choice of an engine; ``run`` is a generator over the tasks."""

    run: Callable[..., Iterator[Outcome]]
    name: str = "fake"


def serve(monkeypatch, run) -> None:
    monkeypatch.setattr(runner, "choose_engine", lambda asked: FakeEngine(run))


def no_worker(tasks, workers, on_start):
    assert not tasks
    yield from ()


@dataclass
class Diary:
    """A watcher that writes down what it is told."""

    entries: list[tuple] = field(default_factory=list)

    def begun(self, total, workers):
        self.entries.append(("begun", total, workers))

    def started(self, worker, job):
        self.entries.append(("started", job.name))

    def ended(self, record, worker):
        self.entries.append(("ended", record.name))

    def finished(self):
        self.entries.append(("finished",))


def run(project: Project, data: FakeData | None = None, only: str = "", **options):
    plan = plan_of(project, data)
    return run_batch(plan.only(only) if only else plan, workers=2, timeout=60, **options)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A batch of two jobs that was run once; not to be changed."""
    project = make_project(tmp_path_factory.mktemp("good") / "项目 {x}", GOOD_BATCH, county=GOOD_NOTEBOOK)
    diary = Diary()
    return project, run(project, watch=diary), diary.entries


@pytest.fixture
def done(finished, tmp_path):
    """A copy of the finished project, elsewhere on the disk: results do not know where they were made."""
    shutil.copytree(finished[0].root, tmp_path / "copy")
    return Project(tmp_path / "copy")


@pytest.fixture(scope="module")
def troubled(tmp_path_factory):
    """A batch in which four of five jobs fail, each in a way of its own; not to be changed."""
    text = ONE.format(name="trouble") + f"kind = {json.dumps(KINDS)}\n"
    notebook = notebook_text("kind: str", "1 + 1", BAD_CELL, "'end'")
    project = make_project(tmp_path_factory.mktemp("bad") / "p", text, trouble=notebook)
    return project, run_batch(plan_of(project), workers=2, timeout=2)


# ---------------------------------------------------------------------------------------------- a batch that succeeds


def test_every_job_leaves_notebook_record_and_manifest_that_agree(finished):
    project, result, told = finished
    folder = project.reports / "demo"
    assert (result.succeeded, result.failed, result.skipped, result.held) == (2, 0, 0, 0)
    assert (told[0], told[-1]) == (("begun", 2, 2), ("finished",))
    ended = {entry[1] for entry in told if entry[0] == "ended"}
    assert ended == {entry[1] for entry in told if entry[0] == "started"}
    records, manifest = Ledger(folder).records(), read_manifest(folder)
    assert manifest["state"] == "finished"
    assert manifest["batch_file"] == "notebooks/batches/demo.toml"
    assert {job["name"] for job in manifest["jobs"]} == set(records) == ended
    for job in manifest["jobs"]:
        record = records[job["name"]]
        assert job["status"] == record.status == "succeeded"
        assert job["key"] == record.key
        assert job["output_sha256"] == record.output_sha256 == sha256(folder / f"{record.name}.ipynb")
        assert job["inputs"]["template"] == record.components["template"]
        rows = f"demo/{job['parameters']['county_code']}"
        assert job["inputs"][f"rows:{rows}"] == FakeData().answer("rows", rows)


def test_parameters_reach_the_notebook_as_they_are(finished):
    for name, notebook in outputs_of(finished[0].reports / "demo").items():
        county = "990101" if "990101" in name else "990102"
        text = "".join(notebook["cells"][2]["outputs"][0]["text"])
        assert text.splitlines()[0] == f"{county} 20240901 {PLACE} 1 notebooks"
        assert "甲县" in "".join(notebook["cells"][1]["source"])
        assert notebook["metadata"]["papermill"] == {"parameters": record_of(finished, name).parameters}


def record_of(finished, name):
    return Ledger(finished[0].reports / "demo").records()[name]


def test_results_hold_no_path_of_this_machine(finished):
    project = finished[0]
    for path in (project.reports / "demo").glob("*.*"):
        text = path.read_bytes().decode("utf-8", "replace")  # the ledger is no text
        assert str(project.root) not in text
        assert sys.prefix not in text
        assert "ipykernel_" not in text
    text = next((project.reports / "demo").glob("*.ipynb")).read_text(encoding="utf-8")
    assert "./notebooks <python>" in text
    assert "<cell>:5: UserWarning: 警告" in text


def test_nothing_hidden_is_left_behind(finished):
    assert [p.name for p in (finished[0].reports / "demo").glob(".*")] == [".lock"]


def test_second_run_starts_no_notebook(done, monkeypatch):
    serve(monkeypatch, no_worker)
    result = run(done)
    assert (result.succeeded, result.failed, result.skipped) == (0, 0, 2)
    assert {job["status"] for job in read_manifest(done.reports / "demo")["jobs"]} == {"succeeded"}
    assert "成功 0，失败 0，已是最新 2" in result.summary()


def test_same_job_gives_the_same_notebook_and_only_what_changed_runs(done):
    before = outputs_of(done.reports / "demo")
    altered, kept = sorted((done.reports / "demo").glob("*.ipynb"))
    untouched = kept.stat().st_mtime_ns
    edit(altered, "甲县", "乙县")
    (done.reports / "demo" / "failed").mkdir()
    (done.reports / "demo" / "failed" / altered.name).write_text("old failure")
    result = run(done)
    assert [record.name for record in result.records] == [altered.stem]
    assert outputs_of(done.reports / "demo") == before
    assert kept.stat().st_mtime_ns == untouched
    assert not (done.reports / "demo" / "failed" / altered.name).exists()


def test_changed_data_rerun_one_county_and_the_manifest_follows(done):
    data = FakeData(changed=("990102",))
    result = run(done, data)
    assert [record.parameters["county_code"] for record in result.records] == ["990102"]
    assert [planned.action for planned in plan_of(done, data).jobs] == ["current", "current"]
    rows = [f"demo/{county}" for county in ("990101", "990102")]
    jobs = read_manifest(done.reports / "demo")["jobs"]
    assert [job["inputs"][f"rows:{r}"] for job, r in zip(jobs, rows, strict=True)] == [data.answer("rows", r) for r in rows]


def test_planned_text_is_run_even_if_the_file_changes_meanwhile(done):
    plan = plan_of(done, FakeData(changed=("990102",)))
    edit(done.notebooks / "county.ipynb", "print(county_code", "print(1, county_code")
    run_batch(plan, workers=1)
    text = (done.reports / "demo" / f"{plan.jobs[1].job.name}.ipynb").read_text(encoding="utf-8")
    assert '"990102 20240901' in text
    assert [p.reason for p in plan_of(done, FakeData(changed=("990102",))).jobs] == ["模板已变"] * 2


def test_job_that_fails_now_takes_its_older_result_away(done):
    first = plan_of(done).jobs[0].job.name
    edit(done.notebooks / "county.ipynb", "import os,", "import nothing_like_this, os,")
    result = run(done, only="990101")
    folder = done.reports / "demo"
    assert (result.failed, result.held) == (1, 1)
    assert "ModuleNotFoundError" in result.summary()
    assert not (folder / f"{first}.ipynb").exists()
    assert (folder / "failed" / f"{first}.ipynb").is_file()
    assert Ledger(folder).records()[first].output_sha256 is None
    assert [job["status"] for job in read_manifest(folder)["jobs"]] == ["failed", "pending"]


# ---------------------------------------------------------------------------------------------- jobs that fail


def test_failures_do_not_stop_the_others(troubled):
    project, result = troubled
    folder = project.reports / "demo"
    assert (result.succeeded, result.failed) == (1, 4)
    assert [path.stem for path in folder.glob("*.ipynb")] == ["trouble--fine"]
    assert {path.stem for path in (folder / "failed").glob("*")} == {f"trouble--{k}" for k in KINDS if k != "fine"}
    statuses = {job["name"]: job["status"] for job in read_manifest(folder)["jobs"]}
    assert statuses == {f"trouble--{k}": "succeeded" if k == "fine" else "failed" for k in KINDS}
    assert list(folder.glob(".*.part*")) == []


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("raises", "ValueError", "算不出来"),
        ("exits", "SystemExit", "笔记本提前退出"),
        ("hangs", "超时", "超过 2 秒"),
        ("dies", "内核中断", "内核意外退出"),
    ],
)
def test_failure_is_told_with_name_message_and_cell(troubled, kind, name, message):
    project, result = troubled
    record = Ledger(project.reports / "demo").records()[f"trouble--{kind}"]
    assert (record.status, record.output_sha256) == ("failed", None)
    assert (record.error["name"], record.error["cell"]) == (name, 4)
    assert message in record.error["message"]
    line = next(line for line in result.summary().splitlines() if f"trouble--{kind}" in line)
    assert f"In [4] {name}" in line
    assert f"demo/failed/trouble--{kind}.ipynb" in line


def test_last_words_of_a_dead_kernel_are_kept(troubled):
    record = Ledger(troubled[0].reports / "demo").records()["trouble--dies"]
    assert "最后一句" in record.error["traceback"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "fine"])
def test_unfinished_notebook_shows_how_far_it_came(troubled, kind):
    path = troubled[0].reports / "demo" / "failed" / f"trouble--{kind}.ipynb"
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    outputs = ["".join(o["data"]["text/plain"]) for cell in cells for o in cell["outputs"] if "data" in o]
    assert outputs == ["2"]


def test_result_as_table_and_as_data(troubled):
    result = troubled[1]
    table = result.tidy().set_index("name")
    assert table.loc["trouble--raises", "error"] == "ValueError：算不出来"
    assert table.loc["trouble--fine", "error"] == ""
    data = json.loads(json.dumps(result.to_dict()))
    assert (data["succeeded"], data["failed"], len(data["jobs"])) == (1, 4, 5)


def test_every_failed_job_runs_again_and_no_other(troubled):
    plan = plan_of(troubled[0])
    assert [p.reason for p in plan.jobs] == ["已是最新", *["上次失败"] * 4]


KILLER = """\
import os, pathlib, signal
if kind == "always" or (kind == "once" and not pathlib.Path("killed-once").exists()):
    pathlib.Path("killed-" + kind).touch()
    os.kill(os.getppid(), signal.SIGKILL)
    signal.pause()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_dead_worker_costs_one_more_try_and_only_its_own_job(tmp_path):
    text = ONE.format(name="killer") + 'kind = ["once", "always", "fine"]\n'
    project = make_project(tmp_path / "p", text, killer=notebook_text("kind: str", KILLER))
    result = run_batch(plan_of(project), workers=2, timeout=60)
    records = {record.parameters["kind"]: record for record in result.records}
    assert {kind: record.status for kind, record in records.items()} == {
        "once": "succeeded",
        "always": "failed",
        "fine": "succeeded",
    }
    assert records["always"].error["name"] == "中断"
    assert "-9" in records["always"].error["message"]
    assert "失败 killer--always：中断" in result.summary()


def test_fault_of_the_program_fails_its_job_with_the_traceback(monkeypatch, tmp_path):
    def faulty(task, noise):
        raise LookupError("nobody thought of this")

    monkeypatch.setattr(standard, "_execute", faulty)
    task = standard.Task("a", "", {}, str(tmp_path), str(tmp_path), str(tmp_path), 1.0)
    with open(tmp_path / "noise", "w+b") as noise:
        outcome = standard._run_task(task, noise)
    assert outcome.error["name"] == "LookupError"
    assert "nobody thought of this" in outcome.error["traceback"]
    assert outcome.part is None


def test_kernel_that_does_not_come_up_is_tried_once_more(monkeypatch, tmp_path):
    import papermill

    tries = []

    def start(*args, **options):
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("Kernel died before replying to kernel_info")
        return "notebook"

    monkeypatch.setattr(papermill, "execute_notebook", start)
    task = standard.Task("a", notebook_text("a: int = 1"), {}, str(tmp_path), str(tmp_path), str(tmp_path), 1.0)
    assert standard._run_notebook(task, []) == "notebook"
    tries.clear()
    with pytest.raises(RuntimeError):  # it came up, so running it again would run its cells twice
        standard._run_notebook(task, ["reached"])


def test_worker_is_replaced_after_many_jobs(tmp_path, monkeypatch):
    monkeypatch.setattr(standard, "JOBS_A_WORKER", 1)
    text = ONE.format(name="pid") + "n = [1, 2]\n"
    project = make_project(tmp_path / "p", text, pid=notebook_text("n: int", "import os\nos.getppid()"))
    run_batch(plan_of(project), workers=1, engine="standard")
    seen = {n["cells"][2]["outputs"][0]["data"]["text/plain"][0] for n in outputs_of(project.reports / "demo").values()}
    assert len(seen) == 2


# ---------------------------------------------------------------------------------------------- around a run


def test_second_batch_on_the_same_folder_is_refused(done, monkeypatch):
    plan = plan_of(done)
    with FileLock(plan.folder / ".lock"), pytest.raises(InputError, match="这一批正在运行"):
        run_batch(plan, workers=1)
    serve(monkeypatch, no_worker)
    assert run_batch(plan, workers=1).skipped == 2


def open_elsewhere(monkeypatch, is_open):
    """Files as Windows treats them while another program holds them: neither replaced nor removed."""
    replace, unlink = os.replace, Path.unlink

    def refuse(path):
        if is_open(Path(path)):
            raise PermissionError(13, "另一个程序正在使用此文件", str(path))

    monkeypatch.setattr(os, "replace", lambda source, target: (refuse(target), replace(source, target))[1])
    monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: (refuse(path), unlink(path, missing_ok))[1])


def finished_tasks(tasks, workers, on_start):
    """Every task succeeds at once, without a worker."""
    for task in tasks:
        part = Path(task.output_folder) / f".{task.name}.0.part.ipynb"
        part.write_text("{}", encoding="utf-8")
        yield Outcome(task.name, str(part), sha256(part), 1.0, "", "", None)


def test_result_open_in_another_program_fails_its_job_and_no_other(done, monkeypatch):
    folder, changed = done.reports / "demo", FakeData(changed=("990101", "990102"))
    first, second = (planned.job.name for planned in plan_of(done).jobs)
    (folder / "failed").mkdir()
    (folder / "failed" / f"{second}.ipynb").write_text("old failure", encoding="utf-8")
    held = {folder / f"{first}.ipynb", folder / "failed" / f"{first}.ipynb", folder / "failed" / f"{second}.ipynb"}
    open_elsewhere(monkeypatch, held.__contains__)
    serve(monkeypatch, finished_tasks)
    result = run(done, changed)
    assert [record.status for record in result.records] == ["failed", "succeeded"]
    assert "请关闭正在使用它的程序" in result.summary()
    assert Ledger(folder).records()[first].output_sha256 is None
    manifest = read_manifest(folder)
    assert (manifest["state"], [job["status"] for job in manifest["jobs"]]) == ("finished", ["failed", "succeeded"])
    assert list(folder.glob(".*.part*")) == []
    assert [planned.reason for planned in plan_of(done, changed).jobs] == ["上次失败", "已是最新"]


def test_leftovers_open_in_another_program_do_not_stop_a_run(done, monkeypatch):
    folder, gone = done.reports / "demo", plan_of(done).jobs[0].job.name
    edit(done.notebooks / "batches" / "demo.toml", '"990101", ', "")
    (folder / ".x.part.ipynb").write_text("{}", encoding="utf-8")
    with monkeypatch.context() as patched:
        open_elsewhere(patched, lambda path: path.name in (f"{gone}.ipynb", ".x.part.ipynb"))
        serve(patched, no_worker)
        assert run(done).skipped == 1
    assert plan_of(done).orphans == (gone,)
    serve(monkeypatch, no_worker)
    run(done)
    assert not list(folder.glob(f"{gone}*"))
    assert not (folder / ".x.part.ipynb").exists()


def test_results_of_jobs_no_longer_in_the_grid_are_removed_and_nothing_else(done, monkeypatch):
    serve(monkeypatch, no_worker)
    folder, gone = done.reports / "demo", plan_of(done).jobs[0].job.name
    for name in ("mine.ipynb", "published.json", "index.html", ".x.abc.part.ipynb", ".manifest.json.abc.part"):
        (folder / name).write_text("{}", encoding="utf-8")
    edit(done.notebooks / "batches" / "demo.toml", '"990101", ', "")
    run(done)
    left = {path.name for path in folder.glob("*")} | {path.name for path in folder.glob(".*")}
    kept = plan_of(done).jobs[0].job.name
    assert left == {
        ".lock",
        "ledger.sqlite",
        "manifest.json",
        f"{kept}.ipynb",
        "mine.ipynb",
        "published.json",
        "index.html",
    }
    assert gone not in {job["name"] for job in read_manifest(folder)["jobs"]}


def test_interrupted_run_keeps_what_is_done_and_goes_on_from_there(tmp_path, monkeypatch):
    project = make_project(tmp_path / "p")

    class Impatient(Diary):
        def ended(self, record, worker):
            super().ended(record, worker)
            raise KeyboardInterrupt

    diary = Impatient()
    with pytest.raises(KeyboardInterrupt) as caught:
        run(project, watch=diary)
    assert diary.entries[-1] == ("finished",)
    assert caught.traceback  # held, as a caller may hold it: that must not keep the workers alive
    assert multiprocessing.active_children() == []
    folder = project.reports / "demo"
    manifest = read_manifest(folder)
    assert manifest["state"] == "interrupted"
    kept = [path.stem for path in folder.glob("*.ipynb")]
    assert len(kept) == 1
    assert list(folder.glob(".*.part*")) == []
    assert sorted(p.action for p in plan_of(project).jobs) == ["current", "run"]


@pytest.mark.parametrize("options", [{"workers": 0}, {"workers": -1}, {"timeout": 0}, {"memory": 0}])
def test_refuses_options_that_are_not_positive(done, options):
    with pytest.raises(InputError, match="不是正数"):
        run_batch(plan_of(done), **options)


@pytest.mark.parametrize("text", [None, "{", "[]", '{"schema": "other"}'])
def test_manifest_that_is_missing_or_foreign_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="读不到这一批的运行清单"):
        read_manifest(tmp_path)


def test_planning_imports_no_jupyter():
    code = (
        "import sys, qbresearch.batches.runner\n"
        "assert not {'papermill', 'nbclient', 'nbformat', 'jupyter_client'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/srv/app/data/x.csv", "./data/x.csv"),
        ("'/srv/app'", "'.'"),
        ("\x1b[32m/srv/app/a.py\x1b[0m", "\x1b[32m./a.py\x1b[0m"),
        ("/srv/apple", "/srv/apple"),
        ("x/srv/app", "x/srv/app"),
        ("</srv/app>", "</srv/app>"),
        (f"{sys.prefix}/lib", "<python>/lib"),
    ],
)
def test_paths_are_replaced_whole_and_never_inside_pictures(text, expected):
    import nbformat

    data = {"text/plain": text, "image/png": text, "application/json": {"a": [text]}}
    cell = nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("display_data", data)])
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"papermill": {"output_path": "/srv/app/out"}})
    make_portable(notebook, {"a": 1}, "/srv/app")
    assert notebook.cells[0].outputs[0].data == {
        "text/plain": expected,
        "image/png": text,
        "application/json": {"a": [expected]},
    }
    assert notebook.metadata.papermill == {"parameters": {"a": 1}, "duration": None}
