"""The 60 county-years of the benchmark of batches, and the notebooks that run over them.

The demonstration holds 6 counties x 3 years. Three more prefectures are generated from the same parameters under other
codes (the codes are part of the seed, so the schools are others): three whole prefectures and one year of the fourth are
60 county-years. The parameters of the demonstration state how many disabled children a county has, which the pupils of
other schools can exceed; the further prefectures have 400 in every county.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from qbresearch.project import find_project
from qbresearch.provenance import PACKAGE

SEED = 20_240_901
DEMONSTRATION, FURTHER = "demo-prefecture", (2, 3, 4)
YEARS = (2022, 2023, 2024)
Job = dict[str, Any]


def widen_project(root: Path) -> None:
    """Copy the project's data and notebooks to ``root`` and add prefectures, unless that is done; build what is not."""
    if not root.exists():
        project = find_project(Path(__file__).parent)
        shutil.copytree(project.raw, root / "data" / "raw")
        shutil.copytree(project.notebooks, root / "notebooks")
        for number in FURTHER:
            _add_prefecture(root, number)
    command = [sys.executable, "-m", "qbresearch.cli", "build"]
    subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _add_prefecture(root: Path, number: int) -> None:
    """Generate the demonstration's data once more under other codes, with a program whose parameters have these codes."""
    with tempfile.TemporaryDirectory() as folder:
        package = shutil.copytree(PACKAGE, Path(folder) / PACKAGE.name)
        parameters = package / "cited" / "simulations"
        for path in parameters.rglob("*.toml"):
            path.write_text(_renumbered(path.read_text(encoding="utf-8"), number), encoding="utf-8")
        (parameters / f"{DEMONSTRATION}.toml").rename(parameters / f"{_source(number)}.toml")
        environment = {**os.environ, "PYTHONPATH": folder}
        for module, target in (("generate", root / "data" / "raw" / _source(number)), ("evaluation", root / "data" / "raw")):
            command = [sys.executable, "-m", f"qbresearch.simulation.{module}", str(target)]
            subprocess.run(command, env=environment, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    use = (root / "notebooks" / "plans" / "demo-xinganmeng.toml").read_text(encoding="utf-8")
    path = root / "notebooks" / "plans" / f"{_plan(number)}.toml"
    path.write_text(_renumbered(use, number).replace("demo-xinganmeng", _plan(number)), encoding="utf-8")


def _renumbered(text: str, number: int) -> str:
    text = re.sub(r"9901(\d\d)", rf"990{number}\1", text).replace(DEMONSTRATION, _source(number))
    text = text.replace("云岭市", f"云岭{number}市")
    children = re.compile(r'(column = "disabled_children"\nvalues = \{)([^}]*)')
    return children.sub(lambda found: found[1] + re.sub(r"= \d+", "= 400", found[2]), text)


def _source(number: int) -> str:
    return DEMONSTRATION if number == 1 else f"{DEMONSTRATION}-{number}"


def _plan(number: int) -> str:
    return "demo-xinganmeng" if number == 1 else f"demo-xinganmeng-{number}"


def runs_of(mix: str) -> list[Job]:
    """Every run of a mix, a county-year after the other."""
    jobs: list[Job] = []
    for number in (1, *FURTHER):
        for county in range(1, 7):
            code = f"990{number}{county:02d}"
            for year in YEARS[-1:] if number == FURTHER[-1] else YEARS:
                place = {"source_id": _source(number), "county_code": code, "school_year": year}
                jobs += [_job("10-data-check", place), _job("30-attainment", place)]
                for stage in ("primary", "junior"):
                    jobs += [_job(name, place, stage=stage) for name in ("20-resource-balance", "25-resource-attainment")]
                if mix == "light":
                    continue
                jobs += [
                    _job("35-plan-progress", place, plan_id=_plan(number)),
                    _job("80-county-research-report", place, plan_id="guzhen-2025"),
                ]
                if number == 1 and year == YEARS[-1]:
                    jobs += [_job("40-quality-monitoring", place, stage=stage) for stage in ("primary", "junior")]
    return jobs


def _job(notebook: str, place: dict[str, Any], **more: str) -> Job:
    return {"notebook": notebook, "parameters": {**place, "standard_id": "national-2017", **more}}


def sample_of(jobs: list[Job], fraction: float) -> list[Job]:
    """The same fraction of the runs of every notebook, at least one, in their order."""
    drawn: list[int] = []
    random_runs = random.Random(SEED)
    for notebook in dict.fromkeys(job["notebook"] for job in jobs):
        numbers = [number for number, job in enumerate(jobs) if job["notebook"] == notebook]
        drawn += random_runs.sample(numbers, max(1, round(len(numbers) * fraction)))
    return [jobs[number] for number in sorted(drawn)]


def write_batch(root: Path, name: str, jobs: Iterable[Job]) -> None:
    """A batch file with one grid a run, since a sample is no grid."""
    lines = [f'id = "{name}"', 'title = "基准"']
    for job in jobs:
        lines += ["", "[[grid]]", f'notebook = "{job["notebook"]}"', "[grid.parameters]"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in job["parameters"].items()]
    (root / "notebooks" / "batches" / f"{name}.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
