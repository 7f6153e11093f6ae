"""The tree is what ARCHITECTURE.md says it is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "qbresearch"
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(path: Path) -> set[str]:
    """Modules of the package that a module imports, anywhere in it (also inside functions)."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            found |= {f"{node.module}.{a.name}" for a in node.names} | {node.module or ""}
    known = {_name(p) for p in MODULES}
    return {f for f in found if f in known}


def _room(module: str) -> str:
    return module.split(".")[1]


def _table() -> dict[str, set[str]]:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = text.split("## Rooms and what each may import")[1].split("##")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return {cells[0].strip(" `"): set(re.findall(r"`(\w+)`", cells[2])) for cells in rows}


def test_every_room_is_in_the_table_and_every_row_is_a_room():
    assert {_room(_name(p)) for p in MODULES} == set(_table())


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_module_imports_only_what_its_room_may(path):
    room = _room(_name(path))
    allowed = _table()[room] | {room}
    wrong = {m for m in _imported(path) if _room(m) not in allowed}
    assert not wrong, f"{_name(path)} may not import {sorted(wrong)}"


def test_the_table_allows_nothing_that_is_not_used():
    used: dict[str, set[str]] = {}
    for path in MODULES:
        room = _room(_name(path))
        used.setdefault(room, set()).update({_room(m) for m in _imported(path)} - {room})
    assert used == _table()


def test_there_is_no_import_cycle_between_modules():
    graph = {_name(p): _imported(p) - {_name(p)} for p in MODULES}
    while graph:
        leaves = [m for m, needs in graph.items() if not needs & set(graph)]
        assert leaves, f"import cycle among {sorted(graph)}"
        for leaf in leaves:
            del graph[leaf]


def test_no_module_is_a_drawer_for_everything():
    names = {p.stem for p in MODULES}
    assert not names & {"utils", "helpers", "common", "shared", "misc"}
    long = {_name(p): n for p in MODULES if (n := len(p.read_text(encoding="utf-8").splitlines())) > 600}
    assert not long, f"modules one would hesitate to open: {long}"


def test_public_names_are_sorted_and_exist():
    import qbresearch

    assert sorted(qbresearch.__all__, key=str.lower) == sorted(set(qbresearch.__all__), key=str.lower)
    assert all(hasattr(qbresearch, name) for name in qbresearch.__all__)
