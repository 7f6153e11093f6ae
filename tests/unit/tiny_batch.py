"""A project small enough to be run in seconds: notebooks that import nothing, and data that exist only as a table.

Run as a program, it runs the batch of an existing project with an engine, for the tests that kill it on the way.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qbresearch.batches.batchfile import load_batch
from qbresearch.batches.planning import BatchPlan, plan_batch
from qbresearch.batches.runner import run_batch
from qbresearch.errors import InputError
from qbresearch.project import Project
from qbresearch.provenance import text_sha256

COUNTY = """\
source_id: str = "demo"  # 数据源
county_code: str  # 县代码
school_year: int = 2022  # 学年
stage: str = "primary"  # 学段
seed: int = 1  # 随机种子
"""
BATCH = """\
id = "demo"
title = "试验批次"
[common]
seed = 20240901
[[grid]]
notebook = "county"
[grid.parameters]
source_id = "demo"
county_code = ["990101", "990102"]
school_year = 2022
"""


@dataclass(frozen=True)
class FakeData:
    """A DataIndex made of a mapping source -> county -> years."""

    held: Mapping[str, Mapping[str, tuple[int, ...]]] = field(
        default_factory=lambda: {"demo": {"990101": (2022, 2023), "990102": (2022,)}, "other": {"880101": (2022,)}}
    )
    changed: tuple[str, ...] = ()

    def sources(self) -> tuple[str, ...]:
        return tuple(self.held)

    def counties(self, source_id: str) -> tuple[str, ...]:
        return tuple(self.held[source_id])

    def years(self, source_id: str, county_code: str) -> tuple[int, ...]:
        return self.held[source_id][county_code]

    def answer(self, kind: str, name: str) -> str | None:
        source_id, _, county_code = name.partition("/")
        if kind != "rows" or source_id not in self.held:
            return None
        is_changed = county_code in self.changed or (not county_code and bool(self.changed))
        return text_sha256(f"{source_id} {county_code} {'new' if is_changed else 'old'}")


def fake_rules(standard_id: str) -> None:
    if standard_id not in ("gb", "db"):
        raise InputError(
            "没有这个标准", where="standards", found=standard_id, expected="gb 或 db", fix="是不是想写 gb？"
        )


def fake_designs(design_id: str) -> tuple[str, ...]:
    if design_id not in ("linked", "unbuilt"):
        raise InputError(
            "没有这个关联设计", where="designs", found=design_id, expected="linked 或 unbuilt", fix="是不是想写 linked？"
        )
    return {"linked": ("other",), "unbuilt": ("nowhere",)}[design_id]


def fake_plans(plan_id: str) -> None:
    if plan_id != "plan":
        raise InputError("没有这个规划", where="plans", found=plan_id, expected="plan", fix="是不是想写 plan？")


@dataclass(frozen=True)
class FakeRules:
    """A RuleIndex made of functions."""

    check_standard: Callable[[str], None] = fake_rules
    design_sources: Callable[[str], tuple[str, ...]] = fake_designs
    check_plan: Callable[[str], None] = fake_plans


def notebook_text(parameters: str | None, *cells: str, tags: tuple[str, ...] = ("parameters",)) -> str:
    """A notebook with a parameters cell (unless None) and code cells."""
    sources = ([] if parameters is None else [(parameters, list(tags))]) + [(cell, []) for cell in cells]
    code = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {"tags": tag}, "source": source}
        | {"outputs": [], "execution_count": None}
        for n, (source, tag) in enumerate(sources)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return json.dumps({"cells": code, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})


def make_project(root: Path, batch: str = BATCH, **notebooks: str) -> Project:
    """A project with one batch ``demo`` and the notebook ``county``, or the notebooks given."""
    project = Project(root)
    (root / "data" / "raw").mkdir(parents=True)
    (project.notebooks / "batches").mkdir(parents=True)
    (project.notebooks / "batches" / "demo.toml").write_text(batch, encoding="utf-8")
    for name, text in (notebooks or {"county": notebook_text(COUNTY, "county_code, seed")}).items():
        (project.notebooks / f"{name}.ipynb").write_text(text, encoding="utf-8")
    return project


def plan_of(project: Project, data: FakeData | None = None) -> BatchPlan:
    """The plan of a project's batch."""
    batch = load_batch(project.notebooks / "batches" / "demo.toml")
    return plan_batch(batch, project, data or FakeData(), FakeRules())


def outputs_of(folder: Path) -> dict[str, Any]:
    """Every finished notebook of a run, freed from the one thing that may differ between two runs."""
    notebooks = {}
    for path in folder.glob("*.ipynb"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        del notebook["metadata"]["papermill"]["duration"]
        notebooks[path.stem] = notebook
    return notebooks


if __name__ == "__main__":
    try:
        run_batch(plan_of(Project(Path(sys.argv[1]))), workers=2, timeout=60, engine=sys.argv[2])
    except KeyboardInterrupt:
        sys.exit(130)
