"""Both engines make the same notebook of a notebook, to the last output: the workbench's own, and one made to be difficult."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from qbresearch.cli import main
from qbresearch.engines.standard import StandardEngine
from qbresearch.engines.task import Outcome, Task
from qbresearch.engines.warm.pool import WarmEngine

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the warm engine forks on Linux only"),
]

ROOT = Path(__file__).parents[2]
TORTURE = Path(__file__).with_name("torture.ipynb")
# What two runs of one engine differ in as well: the clock, and where Python puts an object.
CHANCE = {
    "the address of an object": (r"\b0x[0-9a-f]{6,}", "0x"),
    "the date in an SVG": (r"<dc:date>.*?</dc:date>", "<dc:date/>"),
    "what %time measures": (r"(CPU times|Wall time): [^\n\"]*", r"\1"),
    "the speed of a progress bar": (r"\d+/\d+ \[[^\]]*\]", "[]"),
}
PARAMETERS: dict[str, dict[str, Any]] = {
    "00-tutorial": {},
    "10-data-check": {"county_code": "990102"},
    "20-resource-balance": {"county_code": "990102", "language": "en"},
    "25-resource-attainment": {"county_code": "990102", "stage": "junior"},
    "30-attainment": {"county_code": "990102"},
    "35-plan-progress": {"county_code": "990101", "plan_id": "demo-template"},
    "40-quality-monitoring": {},
    "50-resource-quality-link": {"permutations": 19},
    "80-county-research-report": {"county_code": "990102"},
    "90-cross-county": {},
    "95-prefecture": {},
}


def run(tasks: list[Task]) -> dict[str, dict[str, Outcome]]:
    """Outcomes by engine and task."""
    engines = (WarmEngine(), StandardEngine())
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTEST_CURRENT_TEST")  # a kernel that sees it does not show what is written to its descriptors
        return {engine.name: {outcome.name: outcome for outcome in engine.run(tasks, 2)} for engine in engines}


def notebook(outcome: Outcome) -> dict[str, Any]:
    """What was written, without the duration and what is chance."""
    assert outcome.part is not None, outcome.error
    text = Path(outcome.part).read_text(encoding="utf-8")
    for pattern, replacement in CHANCE.values():
        text = re.sub(pattern, replacement, text)
    read = json.loads(text)
    del read["metadata"]["papermill"]["duration"]
    return read


def assert_equal(outcomes: dict[str, dict[str, Outcome]], name: str) -> None:
    warm, standard = outcomes["warm"][name], outcomes["standard"][name]
    assert warm.error == standard.error
    assert warm.reads == standard.reads
    ours, theirs = notebook(warm), notebook(standard)
    for cell, expected in zip(ours.pop("cells"), theirs.pop("cells"), strict=True):
        assert cell == expected
    assert ours == theirs


@pytest.fixture(scope="module")
def workbench(tmp_path_factory) -> dict[str, dict[str, Outcome]]:
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "data" / "raw", root / "data" / "raw")
    shutil.copytree(ROOT / "notebooks", root / "notebooks")
    (root / "reports").mkdir()
    assert main(["--project", str(root), "build"]) == 0
    folders = {"output_folder": str(root / "reports"), "cwd": str(root / "notebooks"), "root": str(root)}
    texts = {name: (root / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8") for name in PARAMETERS}
    return run([Task(name, texts[name], PARAMETERS[name], timeout=300.0, **folders) for name in PARAMETERS])


def test_every_notebook_of_the_workbench_is_compared():
    assert sorted(PARAMETERS) == sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_notebook_of_the_workbench_comes_out_the_same(workbench, name):
    assert workbench["warm"][name].error is None
    assert_equal(workbench, name)


@pytest.fixture(scope="module")
def tortured(tmp_path_factory) -> dict[str, dict[str, Outcome]]:
    folder = str(tmp_path_factory.mktemp("torture"))
    return run([Task("torture", TORTURE.read_text(encoding="utf-8"), {"a": 2}, folder, folder, folder, timeout=60.0)])


def test_the_difficult_notebook_comes_out_the_same(tortured):
    assert_equal(tortured, "torture")
    cells = notebook(tortured["warm"]["torture"])["cells"]
    assert all(cell.get("execution_count") for cell in cells if cell["cell_type"] == "code"), "it did not come to its end"


def test_every_difference_that_is_let_pass_is_met(tortured):
    text = Path(tortured["warm"]["torture"].part).read_text(encoding="utf-8")
    assert [name for name, (pattern, _) in CHANCE.items() if not re.search(pattern, text)] == []
