"""A project whose batch has jobs of every kind: with a table and a figure, with children of their own, and hopeless ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from qbresearch.project import Project

BATCH = "chaos"
FOLDERS = ("data/raw", "data/processed", "notebooks/batches", "reports")
PARAMETERS = "number: int  # 编号（必填）"
TABLE = """\
import numpy as np
import pandas as pd
rng = np.random.default_rng(number)
schools = pd.DataFrame({"学校": [f"第{n}校" for n in range(8)], "生均": rng.normal(10, 2, 8).round(3)})
schools"""
FIGURE = """\
import matplotlib.pyplot as plt
figure, axes = plt.subplots(figsize=(3, 2))
axes.bar(range(8), schools["生均"])
axes.set_title(f"county {number}")
plt.show()"""
CHILDREN = """\
import os
for _ in range(3):
    if os.fork() == 0:
        while True:  # holds the pipes of its parent for ever
            os.read(os.pipe()[0], 1)
print("begotten", number)"""
NOTEBOOKS = {
    "figures": (TABLE, FIGURE),
    "children": (TABLE, CHILDREN, "schools.describe()"),
    "hangs": ("number + 1", "while True:\n    try:\n        pass\n    except Exception:\n        pass", "number + 2"),
    "eats": ("number + 1", "held = []\nwhile True:\n    held.append(bytearray(256 << 20))", "number + 2"),
    "leaves": ("number + 1", "import os\nos._exit(7)", "number + 2"),
    "kills": ("number + 1", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "number + 2"),
    "raises": ("number + 1", "1 / 0", "number + 2"),
}
HOPELESS = ("hangs", "eats", "leaves", "kills", "raises")
FULL = {"figures": 28, "children": 5, "hangs": 1, "eats": 2, "leaves": 2, "kills": 1, "raises": 1}
QUICK = {"figures": 6, "children": 1, "leaves": 1}


def make_chaos_project(root: Path, jobs: dict[str, int]) -> Project:
    """A project with one batch of so many jobs of each notebook."""
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True)
    project = Project(root)
    lines = [f'id = "{BATCH}"', 'title = "受干扰的批次"']
    for name, count in jobs.items():
        (project.notebooks / f"{name}.ipynb").write_text(_notebook(NOTEBOOKS[name]), encoding="utf-8")
        lines += ["[[grid]]", f'notebook = "{name}"', "[grid.parameters]", f"number = {list(range(count))}"]
    (project.notebooks / "batches" / f"{BATCH}.toml").write_text("\n".join(lines), encoding="utf-8")
    return project


def names_of(jobs: dict[str, int], *, hopeless: bool) -> set[str]:
    """Names of the jobs that can, or cannot, succeed."""
    return {f"{name}--{n}" for name, count in jobs.items() if (name in HOPELESS) == hopeless for n in range(count)}


def _notebook(sources: tuple[str, ...]) -> str:
    cells = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {"tags": [] if n else ["parameters"]}, "source": source,
         "outputs": [], "execution_count": None}
        for n, source in enumerate((PARAMETERS, *sources))
    ]  # fmt: skip
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return json.dumps({"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})


def notebooks_in(folder: Path) -> dict[str, Any]:
    """Every notebook of a folder, freed from the one thing that may differ between two runs."""
    found = {}
    for path in folder.glob("*.ipynb"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        del notebook["metadata"]["papermill"]["duration"]
        found[path.stem] = notebook
    return found
