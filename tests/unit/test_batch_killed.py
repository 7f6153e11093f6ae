"""A batch that is killed again and again ends with the results of one that was left in peace."""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path

import pytest
from running_batch import RunningBatch
from tiny_batch import COUNTY, make_project, notebook_text, outputs_of, plan_of

from qbresearch.batches.ledger import Ledger
from qbresearch.batches.runner import read_manifest, run_batch
from qbresearch.project import Project
from qbresearch.provenance import file_sha256

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")

PROGRAM = Path(__file__).with_name("tiny_batch.py")
BATCH = """\
id = "demo"
title = "会被打断的批次"
[[grid]]
notebook = "county"
[grid.parameters]
county_code = ["990101", "990102"]
stage = ["primary", "junior", "other"]
"""
CELLS = ("total = sum(range(10 * int(county_code)))", "print(county_code, stage)", "total, seed")  # takes a moment


@pytest.fixture(scope="module")
def peaceful(tmp_path_factory):
    """Parameters and outputs of every job of the batch when nobody disturbs it."""
    project = make(tmp_path_factory.mktemp("peaceful") / "p")
    assert run_batch(plan_of(project), workers=2, timeout=60).succeeded == 6
    return outputs_of(project.reports / "demo")


def make(root: Path) -> Project:
    return make_project(root, BATCH, county=notebook_text(COUNTY, *CELLS))


@pytest.fixture(params=["auto", pytest.param("standard", marks=pytest.mark.slow)])
def engine(request) -> str:
    return request.param


def run_of(project: Project, engine: str) -> RunningBatch:
    return RunningBatch([sys.executable, str(PROGRAM), str(project.root), engine])


def assert_nothing_is_half_done(project: Project) -> None:
    """Whatever the moment: a record of success goes with its notebook, and the manifest is whole."""
    folder = project.reports / "demo"
    for name, record in Ledger(folder).records().items():
        assert record.status == "succeeded"
        assert file_sha256(folder / f"{name}.ipynb") == record.output_sha256
    if (folder / "manifest.json").exists():
        assert len(read_manifest(folder)["jobs"]) == 6


def finish(project: Project, engine: str, peaceful) -> None:
    """Run the batch to its end and compare it with the undisturbed one."""
    batch = run_of(project, engine)
    _, errors = batch.process.communicate(timeout=120)
    assert (batch.process.returncode, errors) == (0, "")
    batch.assert_all_gone()
    folder = project.reports / "demo"
    assert outputs_of(folder) == peaceful
    assert_nothing_is_half_done(project)
    manifest = read_manifest(folder)
    assert (manifest["state"], {job["status"] for job in manifest["jobs"]}) == ("finished", {"succeeded"})
    assert sorted(path.name for path in folder.glob(".*")) == [".lock"]
    assert [planned.action for planned in plan_of(project).jobs] == ["current"] * 6


def kill_after(project: Project, engine: str, seconds: float) -> bool:
    batch = run_of(project, engine)
    batch.wait(seconds)
    was_killed = batch.kill()
    batch.assert_all_gone()
    assert_nothing_is_half_done(project)
    return was_killed


def test_killed_batch_ends_like_an_undisturbed_one(tmp_path, engine, peaceful):
    project = make(tmp_path / "p")
    folder = project.reports / "demo"
    wait = random.Random(20240901).uniform(0.05, 0.3)
    moments = {
        "as it starts": (lambda: (folder / "manifest.json").exists(), wait),
        "while a result is put in place": (lambda: any(folder.glob(".*.ipynb")) or any(folder.glob("*.ipynb")), 0.0),
        "after two more results": (lambda: len(list(folder.glob("*.ipynb"))) >= 3, wait),
    }
    for name, (happened, later) in moments.items():
        batch = run_of(project, engine)
        batch.wait_until(happened, 60)
        batch.wait(later)
        assert batch.kill(), f"the batch had ended before it could be killed {name}"
        batch.assert_all_gone()
        assert_nothing_is_half_done(project)
    assert 0 < len(Ledger(folder).records()) < 6
    finish(project, engine, peaceful)


def test_workers_and_kernels_do_not_outlive_their_parent(tmp_path, engine):
    endless = 'import pathlib\npathlib.Path("begun-" + county_code + stage).touch()\nwhile True:\n    pass'
    project = make_project(tmp_path / "p", BATCH, county=notebook_text(COUNTY, endless))
    batch = run_of(project, engine)
    batch.wait_until(lambda: len(list(project.notebooks.glob("begun-*"))) == 2, 60)
    assert len(batch.descendants()) >= 4, "the parent, and two kernels with their workers, or two forks and their origin"
    assert batch.kill()
    batch.assert_all_gone()


@pytest.mark.slow
def test_batch_killed_twenty_times_at_random_moments(tmp_path, engine, peaceful):
    moments, kills, rounds = random.Random(7), 0, 0
    while kills < 20:
        project = make(tmp_path / f"p{rounds}")
        while any(planned.action == "run" for planned in plan_of(project).jobs):
            kills += kill_after(project, engine, moments.uniform(0.5, 9.0))
        finish(project, engine, peaceful)
        rounds += 1


def test_interrupt_from_the_keyboard_ends_everything_quietly(tmp_path, engine):
    project = make(tmp_path / "p")
    batch = run_of(project, engine)
    folder = project.reports / "demo"
    batch.wait_until(lambda: any(folder.glob("*.ipynb")), 60)
    os.killpg(batch.process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    _, errors = batch.process.communicate(timeout=30)
    assert (batch.process.returncode, errors) == (130, "")
    batch.assert_all_gone()
    assert_nothing_is_half_done(project)
    assert read_manifest(folder)["state"] == "interrupted"
    assert list(folder.glob(".*.part*")) == []
