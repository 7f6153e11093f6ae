"""A batch that is disturbed in every way ends as one that was left in peace: nothing lost, nothing doubled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from chaos_project import (
    FULL,
    QUICK,
    make_chaos_project,
    names_of,
    notebooks_in,
)
from faults import Chaos, integrity

from qbresearch.batches.ledger import FAILED, LEDGER, SUCCEEDED, Ledger
from qbresearch.batches.runner import read_manifest
from qbresearch.provenance import file_sha256

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
SEED = 20_240_901
REASONS = {"hangs": "超时", "eats": "内存超限", "leaves": "内核中断", "kills": "内核中断", "raises": "ZeroDivisionError"}


def final_state(folder: Path) -> dict[str, Any]:
    """All that a run leaves behind, apart from moments and durations."""
    records = Ledger(folder).records()
    return {
        "notebooks": notebooks_in(folder),
        "failed": notebooks_in(folder / "failed"),
        "records": {
            name: (record.status, record.parameters, record.components, record.reads, record.error)
            for name, record in records.items()
        },
        "manifest": {job["name"]: job["status"] for job in read_manifest(folder)["jobs"]},
    }


def assert_nothing_is_half_done(chaos: Chaos) -> None:
    """Whatever the moment: what the ledger calls a success lies there, unless it was spoilt since."""
    if not (chaos.folder / LEDGER).is_file():
        return
    if (found := integrity(chaos.folder)) != "ok":
        assert chaos.is_torn, (found, chaos.log)
        return
    chaos.is_torn = False
    for name, record in Ledger(chaos.folder).records().items():
        path = chaos.folder / f"{name}.ipynb"
        if record.status == SUCCEEDED and path.is_file() and file_sha256(path) == record.output_sha256:
            chaos.damaged.discard(name)
        elif record.status == SUCCEEDED:
            assert name in chaos.damaged, (name, chaos.log)


def assert_ends_like(chaos: Chaos, jobs: dict[str, int], peaceful: dict[str, Any]) -> None:
    """The batch, left in peace from now on, ends with everything in its place exactly once."""
    assert chaos.undisturbed() == 3
    folder = chaos.folder
    assert final_state(folder) == peaceful, chaos.log
    records = Ledger(folder).records()
    good, hopeless = names_of(jobs, hopeless=False), names_of(jobs, hopeless=True)
    assert {name for name, record in records.items() if record.status == SUCCEEDED} == good
    assert {name for name, record in records.items() if record.status == FAILED} == hopeless
    for name in good:
        assert file_sha256(folder / f"{name}.ipynb") == records[name].output_sha256
    assert sorted(path.name for path in folder.glob(".*")) == [".lock"]
    assert integrity(folder) == "ok"
    assert read_manifest(folder)["state"] == "finished"


def assert_runs_only(chaos: Chaos, names: set[str]) -> None:
    """Once more: what stands is not repeated."""
    before = {path.name: path.stat().st_mtime_ns for path in chaos.folder.glob("*.ipynb")}
    assert chaos.undisturbed() == 3
    run = Ledger(chaos.folder).runs()[-1]
    assert {entry.name for entry in Ledger(chaos.folder).history(run.number)} == names
    assert {path.name: path.stat().st_mtime_ns for path in chaos.folder.glob("*.ipynb")} == before


def peaceful_state(root: Path, jobs: dict[str, int]) -> dict[str, Any]:
    """The final state of a batch that nobody disturbs; each hopeless job fails for its own reason in its second cell."""
    calm = Chaos(make_chaos_project(root, jobs), 0)
    assert calm.undisturbed() == 3
    failed = {name: record.error for name, record in Ledger(calm.folder).records().items() if record.error}
    hopeless = names_of(jobs, hopeless=True)
    assert {name: error["name"] for name, error in failed.items()} == {n: REASONS[n.split("--")[0]] for n in hopeless}
    state = final_state(calm.folder)
    for name in hopeless:
        finished = next(cell for cell in state["failed"][name]["cells"] if cell.get("id") == "c1")
        assert finished["outputs"], "what ran before the failure is kept"
    return state


def test_a_few_faults(tmp_path):
    """The short form of the next test, for every day."""
    peaceful = peaceful_state(tmp_path / "calm", QUICK)
    chaos = Chaos(make_chaos_project(tmp_path / "chaos", QUICK), SEED)
    chaos.disturb_run(["child", "child", "child", "child", "lock", "parent"], at_work=True)
    assert_nothing_is_half_done(chaos)
    for kind in ("lost", "part files", "hot journal"):
        chaos.damage(kind)
    assert_ends_like(chaos, QUICK, peaceful)


@pytest.mark.slow
def test_a_hundred_faults(tmp_path):
    peaceful = peaceful_state(tmp_path / "calm", FULL)
    chaos = Chaos(make_chaos_project(tmp_path / "chaos", FULL), SEED)
    while chaos.done.total() < 120 or set(chaos.done) != chaos.kinds:
        chaos.round(6)
        assert_nothing_is_half_done(chaos)
    assert_ends_like(chaos, FULL, peaceful)
    assert_runs_only(chaos, names_of(FULL, hopeless=True))
