"""What every tracked file must and must not say."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import nbformat
import pytest

from qbresearch.rules.standards import latest_standard, list_standards

ROOT = Path(__file__).parents[2]


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode("utf-8").split("\0")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


TEXTS = [p for p in _tracked() if p.suffix in {".py", ".md", ".toml", ".yml", ".ipynb", ".j2", ".css", ".js", ".lock", ""}]
CODE = [p for p in TEXTS if p.suffix == ".py"]


def test_no_tracked_text_names_a_path_of_a_machine_or_a_package_index():
    forbidden = re.compile(r"(?<![\w.])/(root|home/\w+|work|Users/\w+)/|https?://[^\s\"']*(py" r"pi|python" r"hosted|npm" r"js)")
    found = {p.relative_to(ROOT).as_posix(): m[0] for p in TEXTS if (m := forbidden.search(p.read_text(encoding="utf-8")))}
    assert not found


def _numbers_in(source: str) -> set[float]:
    return {
        float(node.value)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool)
    }


def _cited_numbers() -> set[float]:
    """Thresholds, caps and weights that could not stand in code by chance."""
    numbers: set[float] = set()
    for standard in map(latest_standard, list_standards()):
        numbers |= {limit.value for limit in (*standard.thresholds.values(), *standard.caps.values())}
        numbers |= {limit.value for limit in standard.rules.values()}
        numbers |= {w for split in standard.splits.values() for w in split.weights.values()}
    common = {1.0, 2.0, 3.0, 6.0, 0.5, 0.9, 2000.0}
    return numbers - common


def test_no_threshold_stands_in_code_or_in_a_notebook():
    cited = _cited_numbers()
    assert {4.2, 5.3, 0.45, 0.85, 1.1, 1.32} <= cited
    found = {}
    # Where figures and pages are drawn, numbers are sizes and shades.
    drawing = {"canvas.py", "style.py", "html.py", "figures", "docx", "pdf"}
    for path in (ROOT / "qbresearch").rglob("*.py"):
        if not {path.name, path.parent.name} & drawing and (hit := _numbers_in(path.read_text(encoding="utf-8")) & cited):
            found[path.name] = hit
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code" and (hit := _numbers_in(cell.source) & cited):
                found[path.name] = hit
    assert not found


@pytest.mark.parametrize("path", CODE, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_handler_hides_a_bug_and_no_test_is_hollow(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            pytest.fail(f"bare except in line {node.lineno}")
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.Constant):
            pytest.fail(f"an assertion that cannot fail in line {node.lineno}")


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_readme_names_only_files_and_commands_that_exist(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("http") or (ROOT / target).exists(), target
    rules = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert set(re.findall(r"`make ([a-z-]+)`", text)) <= set(rules)
    from qbresearch.cli import build_parser

    verbs = next(a for a in build_parser()._actions if a.dest == "name").choices
    assert set(re.findall(r"qbresearch ([a-z]+)", text)) <= set(verbs)
