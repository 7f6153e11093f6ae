"""pyproject.toml, environment.yml, the lock file and the Makefile say the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WANTED = [*PYPROJECT["project"]["dependencies"], *PYPROJECT["project"]["optional-dependencies"]["dev"]]


def _split(requirement: str) -> tuple[str, str]:
    name = re.match(r"[A-Za-z0-9_.-]+?(?=[<>=!~ ]|$)", requirement)[0]
    return name.lower(), requirement[len(name):].strip()


def test_environment_yml_holds_the_packages_of_pyproject():
    renamed = PYPROJECT["tool"]["qbresearch"]["conda-names"]
    wanted = {renamed.get(name, name) + spec for name, spec in map(_split, WANTED)}
    wanted |= {"python" + PYPROJECT["project"]["requires-python"], "pip", "--editable ."}
    text = (ROOT / "environment.yml").read_text(encoding="utf-8").split("dependencies:")[1]
    listed = {line.strip()[2:].strip() for line in text.splitlines() if line.strip().startswith("- ")} - {"pip:"}
    assert listed == wanted, f"only in environment.yml: {listed - wanted}; only in pyproject.toml: {wanted - listed}"


def test_what_conda_does_not_have_is_installed_by_pip_and_pip_can_read_the_lines():
    by_conda, by_pip = (ROOT / "environment.yml").read_text(encoding="utf-8").split("- pip:\n")
    lines = [line.strip()[2:] for line in by_pip.splitlines()]
    assert {_split(line)[0] for line in lines[:-1]} == set(PYPROJECT["tool"]["qbresearch"]["pip-only"])
    # pip reads these lines as a requirements file, in which --no-deps is an error.
    assert lines[-1] == "--editable ."
    assert not [name for name in PYPROJECT["tool"]["qbresearch"]["pip-only"] if f"- {name}>" in by_conda]


def test_every_dependency_is_pinned_in_the_lock_file():
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pinned = {re.split(r"==", line)[0].lower() for line in lines if "==" in line}
    missing = {name for name, _ in map(_split, WANTED)} - pinned
    assert not missing
    assert all(re.match(r"[a-z0-9_.\[\]-]+==\S+( ;.*)?$", line, re.I) for line in lines if line and not line.startswith("#"))


def test_the_fixed_stack_of_the_project_is_part_of_it():
    names = {name for name, _ in map(_split, WANTED)}
    assert {"jupyterlab", "pandas", "scipy", "statsmodels", "seaborn", "papermill", "pytest", "nbval"} <= names


def test_ci_runs_make_test_and_nothing_else():
    commands = [
        line for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith(("#", "set ", "cd "))
    ]
    assert commands == ["make test"]
