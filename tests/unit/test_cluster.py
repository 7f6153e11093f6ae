"""Notebooks on a dask.distributed scheduler: a real scheduler and real workers, some of them killed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest
from tiny_batch import COUNTY, make_project, notebook_text

from qbresearch.engines.cluster import engine as cluster_engine
from qbresearch.engines.cluster.engine import ClusterEngine
from qbresearch.engines.cluster.shipping import (
    Shipment,
    fingerprint,
    pack,
    unpack,
)
from qbresearch.engines.cluster.worker import Order
from qbresearch.engines.standard import StandardEngine
from qbresearch.engines.task import Outcome, Task
from qbresearch.errors import InputError
from qbresearch.project import Project
from qbresearch.provenance import PACKAGE

SECONDS = 120  # a machine under load takes long to start processes
LOOK = "import os\nprint(county_code, sorted(os.listdir('../data/processed/demo')), os.getcwd())"
HANG = """\
import os, time
with open({note!r}, "a") as file:
    print(os.getpid(), file=file)
while len(open({note!r}).readlines()) < {tries} + 1:
    time.sleep(0.05)
"""


def wait_until(happened: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < deadline, f"waited too long for {what}"
        time.sleep(0.05)


def refusal(engine: ClusterEngine, tasks: list[Task]) -> InputError:
    with pytest.raises(InputError) as caught:
        list(engine.run(tasks, 2))
    return caught.value


def data_project(root: Path) -> Project:
    """A project with a plan, a table in two parts and what a build kept of the raw file."""
    project = make_project(root)
    texts = {
        "notebooks/plans/own.toml": "id = 'own'",
        "data/processed/demo/table.json": '{"parts": 2}',
        "data/processed/demo/99/2022.parquet": "rows of 2022",
        "data/processed/demo/99/2023.parquet": "rows of 2023",
        "data/processed/demo/read/kept.parquet": "what was read",
        "data/raw/demo/source.toml": "id = 'demo'",
        "data/raw/demo/schools.xlsx": "a workbook",
        "data/raw/demo/~$schools.xlsx": "it is open",
    }
    for place, text in texts.items():
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return project


def make_tasks(project: Project, folder: Path, *codes: str) -> list[Task]:
    """One task a cell, each with a county of its own."""
    folder.mkdir(exist_ok=True)
    cwd, root = str(project.notebooks), str(project.root)
    return [
        Task(f"t{n}", notebook_text(COUNTY, code), {"county_code": f"99010{n}"}, str(folder), cwd, root, SECONDS)
        for n, code in enumerate(codes)
    ]


@dataclass
class Cluster:
    """A scheduler and workers, each a process started by its command."""

    folder: Path
    address: str = ""
    scheduler: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        note = self.folder / "scheduler.json"
        self.scheduler = self._begin("scheduler", "--port", "0", "--host", "127.0.0.1", "--scheduler-file", str(note))
        wait_until(lambda: note.is_file() and note.read_text().endswith("}"), "the scheduler")
        self.address = json.loads(note.read_text())["address"]

    def add_worker(self, *options: str, **environment: str) -> None:
        place = self.folder / f"worker{len(self.workers)}"
        arguments = (self.address, "--nthreads", "1", "--local-directory", str(place), *options)
        self.workers.append(self._begin("worker", *arguments, **environment))

    def _begin(self, what: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *arguments, "--no-dashboard"]
        with open(self.folder / f"{what}.log", "ab") as log:
            return subprocess.Popen(command, cwd=self.folder, env={**os.environ, **environment}, stdout=log, stderr=log)

    def stop(self) -> None:
        for process in filter(None, [*self.workers, self.scheduler]):
            family = [process.pid, *(child.pid for child in _children(process.pid))]
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            for pid in family:
                with suppress(psutil.Error):
                    psutil.Process(pid).kill()
            process.wait()


def _children(pid: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return psutil.Process(pid).children(recursive=True)
    return []


@contextmanager
def running_cluster(folder: Path, workers: int = 2, *options: str, **environment: str) -> Iterator[Cluster]:
    cluster = Cluster(folder)
    try:
        cluster.start()
        for _ in range(workers):
            cluster.add_worker(*options, **environment)
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    monkeypatch.setattr(cluster_engine, "FIRST_WORKER", SECONDS)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def project(tmp_path):
    return data_project(tmp_path / "project")


def notebook_of(outcome: Outcome) -> dict:
    notebook = json.loads(Path(outcome.part).read_text(encoding="utf-8"))
    del notebook["metadata"]["papermill"]["duration"]
    return notebook


# what is refused before anything runs


def test_nobody_at_the_address_is_refused_with_the_address(project, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_engine, "CONNECT_TIMEOUT", 0.2)
    with socket.socket() as taken:  # bound and deaf, so that nobody else comes to listen there
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        error = refusal(ClusterEngine(address), make_tasks(project, tmp_path / "out", "1"))
    assert "连不上" in error.problem
    assert address in error.where


def test_an_address_that_is_none_is_refused(project, tmp_path):
    error = refusal(ClusterEngine("carrier-pigeon://here"), make_tasks(project, tmp_path / "out", "1"))
    assert "连不上" in error.problem


def test_without_the_package_it_says_what_to_install(project, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    error = refusal(ClusterEngine("tcp://127.0.0.1:1"), make_tasks(project, tmp_path / "out", "1"))
    assert 'pip install "qbresearch[cluster]"' in error.fix


def test_no_tasks_need_no_scheduler():
    assert list(ClusterEngine("tcp://127.0.0.1:1").run([], 2)) == []


# what is shipped


def test_a_shipped_project_has_the_fingerprint_of_the_original(project, tmp_path):
    unpack(pack(project), tmp_path / "there")
    there = Project(tmp_path / "there")
    assert fingerprint(there) == fingerprint(project) == pack(project).fingerprint
    places = sorted(p.relative_to(there.root).as_posix() for p in there.root.rglob("*") if p.is_file())
    assert places == [
        "data/processed/demo/99/2022.parquet", "data/processed/demo/99/2023.parquet", "data/processed/demo/table.json",
        "data/raw/demo/schools.xlsx", "data/raw/demo/source.toml", "notebooks/plans/own.toml",
    ]
    assert (there.processed / "demo/99/2023.parquet").read_text() == "rows of 2023"
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("there")] == ["there"]


def test_of_a_raw_file_only_the_size_is_shipped_and_nobody_may_open_it(project, tmp_path):
    unpack(pack(project), tmp_path / "there")
    stand_in = tmp_path / "there" / "data/raw/demo/schools.xlsx"
    assert stand_in.stat().st_size == len("a workbook")
    assert stand_in.stat().st_mode & 0o777 == 0


def test_a_project_without_data_can_be_shipped(tmp_path):
    unpack(pack(make_project(tmp_path / "empty")), tmp_path / "there")
    assert (tmp_path / "there" / "data" / "raw").is_dir()
    assert (tmp_path / "there" / "notebooks").is_dir()


@pytest.mark.parametrize("place, text, differs", [
    ("notebooks/plans/own.toml", "id = 'OWN'", True),
    ("notebooks/plans/more.toml", "", True),
    ("data/raw/demo/source.toml", "id = 'DEMO'", True),
    ("data/processed/demo/table.json", '{"parts": 3}', True),
    ("data/processed/demo/99/2022.parquet", "cut off", True),
    ("data/raw/demo/schools.xlsx", "two workbooks", True),
    ("data/processed/demo/read/kept.parquet", "other", False),
    ("data/processed/demo/.table.json.1.part", "half", False),
    ("notebooks/county.ipynb", "{}", False),
])
def test_the_fingerprint_follows_what_runs_read_and_nothing_else(project, place, text, differs):
    before = fingerprint(project)
    (project.root / place).write_text(text, encoding="utf-8")
    assert (fingerprint(project) != before) == differs


def test_links_in_the_data_are_followed(project, tmp_path):
    shutil.move(project.raw / "demo", tmp_path / "moved")
    (project.raw / "demo").symlink_to(tmp_path / "moved", target_is_directory=True)
    unpack(pack(project), tmp_path / "there")
    assert (tmp_path / "there" / "data/raw/demo/source.toml").read_text() == "id = 'demo'"
    assert fingerprint(Project(tmp_path / "there")) == fingerprint(project)


# runs


def _as_if_far_away(monkeypatch: pytest.MonkeyPatch, project: Project) -> Callable[[Project], Shipment]:
    """On another machine nothing lies where the project lies here. Returns how to pack it all the same."""
    monkeypatch.setattr(cluster_engine, "Order", lambda *values: replace(Order(*values), root="/not/here"))
    return lambda _: pack(project)


@pytest.mark.slow
def test_outcomes_are_those_of_the_local_engine(cluster, project, tmp_path):
    codes = [LOOK, "seed / 0", LOOK, "import sys\nsys.exit(0)"]  # how far a kernel that dies has come to tell is chance
    tasks = make_tasks(project, tmp_path / "out", *codes)
    begun = []
    there = {o.name: o for o in ClusterEngine(cluster.address, "standard").run(tasks, 2, lambda n, t: begun.append((t.name, n)))}
    here = {o.name: o for o in StandardEngine().run(tasks, 2)}
    assert sorted(there) == sorted(here) == ["t0", "t1", "t2", "t3"]
    assert sorted(name for name, _ in begun) == sorted(here)
    assert {number for _, number in begun} <= {0, 1}
    for name, outcome in here.items():
        assert notebook_of(there[name]) == notebook_of(outcome)
        assert there[name].error == outcome.error
        assert Path(there[name].part).parent == tmp_path / "out"
        assert (there[name].engine, there[name].tries) == (outcome.engine, outcome.tries)
    assert [there[f"t{n}"].error["name"] for n in (1, 3)] == ["ZeroDivisionError", "SystemExit"]


@pytest.mark.slow
def test_a_project_that_the_workers_do_not_have_is_shipped_and_no_path_of_it_is_told(
    cluster, project, tmp_path, monkeypatch
):
    monkeypatch.setattr(cluster_engine, "pack", _as_if_far_away(monkeypatch, project))
    tasks = make_tasks(project, tmp_path / "out", *[LOOK] * 3)
    outcomes = list(ClusterEngine(cluster.address, "standard").run(tasks, 2))
    assert [o.error for o in outcomes] == [None] * 3
    for outcome in outcomes:
        text = Path(outcome.part).read_text(encoding="utf-8")
        assert "['99', 'table.json'] ./notebooks" in text  # 'read' stays at home
        assert str(tmp_path) not in text
        assert str(cluster.folder) not in text


@pytest.mark.slow
def test_a_worker_that_comes_later_is_sent_the_project_too(project, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_engine, "pack", _as_if_far_away(monkeypatch, project))
    note = tmp_path / "kernels"
    tasks = make_tasks(project, tmp_path / "out", *[HANG.format(note=str(note), tries=1) + LOOK] * 4)
    numbers = []
    with running_cluster(tmp_path, 1) as cluster:  # the first task waits for another beside it

        def note_start(number: int, task: Task) -> None:
            if not numbers:
                cluster.add_worker()
            numbers.append(number)

        outcomes = list(ClusterEngine(cluster.address, "standard").run(tasks, 2, note_start))
    assert sorted((o.name, o.error, o.tries) for o in outcomes) == [(f"t{n}", None, 1) for n in range(4)]
    assert set(numbers) == {0, 1}
    assert all("['99', 'table.json'] ./notebooks" in Path(o.part).read_text(encoding="utf-8") for o in outcomes)


@pytest.mark.slow
def test_a_worker_that_has_the_project_elsewhere_is_told_so_by_its_environment(project, tmp_path, monkeypatch):
    shutil.copytree(project.root, tmp_path / "mounted")
    _as_if_far_away(monkeypatch, project)
    monkeypatch.setattr(cluster_engine, "pack", lambda project: pytest.fail("shipped what is there"))
    tasks = make_tasks(project, tmp_path / "out", LOOK)
    with running_cluster(tmp_path, 1, QBRESEARCH_PROJECT=str(tmp_path / "mounted")) as cluster:
        (outcome,) = ClusterEngine(cluster.address, "standard").run(tasks, 2)
    assert "['99', 'read', 'table.json'] ./notebooks" in Path(outcome.part).read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_worker_with_another_program_is_refused_by_name(project, tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "old" / "qbresearch", ignore=shutil.ignore_patterns("__pycache__", "fonts", "*.ttf"))
    shutil.copytree(PACKAGE / "fonts", tmp_path / "old" / "qbresearch" / "fonts", ignore=shutil.ignore_patterns("*.ttf"))
    with open(tmp_path / "old" / "qbresearch" / "errors.py", "a", encoding="utf-8") as file:
        file.write("# other\n")
    with running_cluster(tmp_path, 1, PYTHONPATH=str(tmp_path / "old")) as cluster:
        error = refusal(ClusterEngine(cluster.address, "standard"), make_tasks(project, tmp_path / "out", "1"))
    assert "程序与本机不同" in error.problem
    assert error.where.startswith("tcp://")
    assert error.found.count("程序") == 1
    assert "pandas" not in error.found


@pytest.mark.slow
def test_a_scheduler_without_workers_is_refused(project, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_engine, "FIRST_WORKER", 0.5)
    with running_cluster(tmp_path, 0) as cluster:
        error = refusal(ClusterEngine(cluster.address), make_tasks(project, tmp_path / "out", "1"))
    assert "没有工作进程" in error.problem
    assert f"dask worker {cluster.address}" in error.fix


# what is lost on the way


def _kernels(note: Path) -> list[int]:
    return [int(line) for line in note.read_text().split()] if note.is_file() else []


def _kill_worker_above(kernel: int) -> None:
    """Kill the dask worker whose station runs a kernel: kernel, worker of the standard engine, station, dask worker."""
    psutil.Process(kernel).parents()[2].kill()


def _gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="processes are found as Linux and macOS show them")
@pytest.mark.parametrize("deaths", [1, 2])
def test_a_task_whose_worker_is_killed_is_run_again_once(project, tmp_path, deaths):
    note = tmp_path / "kernels"
    tasks = make_tasks(project, tmp_path / "out", HANG.format(note=str(note), tries=deaths), *[LOOK] * 3)
    outcomes, killed = [], []
    with running_cluster(tmp_path, 2) as cluster:

        def kill(number: int, task: Task) -> None:
            if task.name == "t0" and len(killed) < deaths:
                wait_until(lambda: len(_kernels(note)) > len(killed), "the notebook")
                killed.append(_kernels(note)[-1])
                _kill_worker_above(killed[-1])

        outcomes = list(ClusterEngine(cluster.address, "standard").run(tasks, 2, kill))
        for kernel in killed:
            wait_until(lambda kernel=kernel: _gone(kernel), "the end of what a killed worker ran")
    assert len(killed) == deaths
    assert sorted(o.name for o in outcomes) == ["t0", "t1", "t2", "t3"]
    errors = {o.name: o.error for o in outcomes if o.error}
    tries = {o.name: o.tries for o in outcomes}
    assert tries["t0"] == 2
    if deaths == 1:
        assert errors == {}
    else:
        assert [error["name"] for error in errors.values()] == ["中断"]
        assert list(errors) == ["t0"]


@pytest.mark.slow
def test_a_run_that_is_given_up_ends_on_the_workers_which_then_serve_the_next(cluster, project, tmp_path):
    note = tmp_path / "kernels"
    tasks = make_tasks(project, tmp_path / "out", HANG.format(note=str(note), tries=9), LOOK)
    with closing(ClusterEngine(cluster.address, "standard").run(tasks, 2)) as outcomes:
        assert next(outcomes).name == "t1"
        wait_until(lambda: _kernels(note), "the notebook")
    wait_until(lambda: _gone(_kernels(note)[0]), "the end of the notebook")
    again = list(ClusterEngine(cluster.address, "standard").run(make_tasks(project, tmp_path / "out", LOOK, LOOK), 2))
    assert [o.error for o in again] == [None, None]


@pytest.mark.slow
def test_a_scheduler_that_goes_away_is_told_and_what_was_done_stands(project, tmp_path):
    note = tmp_path / "kernels"
    tasks = make_tasks(project, tmp_path / "out", LOOK, HANG.format(note=str(note), tries=9))
    with running_cluster(tmp_path, 1) as cluster, closing(ClusterEngine(cluster.address, "standard").run(tasks, 2)) as outcomes:
        first = next(outcomes)
        wait_until(lambda: _kernels(note), "the notebook")
        cluster.scheduler.kill()
        with pytest.raises(InputError, match="与集群调度器的连接断开"):
            next(outcomes)
        assert (first.name, first.error) == ("t0", None)
        assert Path(first.part).is_file()
        wait_until(lambda: _gone(_kernels(note)[0]), "the end of the notebook")
