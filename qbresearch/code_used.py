"""Which modules of the package a notebook or a part of the program uses, found in the text, and their checksums.

A result must be made again when code it rests on changes, and need not be for any other change. Imports are followed
name by name: ``from qbresearch import figures`` and ``figures.plot_tree`` lead to the module that draws trees and not to
all that draw. Where a name cannot be followed, everything behind it counts as used.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import qbresearch
from qbresearch.provenance import PACKAGE, file_sha256, json_sha256

NAME = PACKAGE.name
# Files that a module works with beside its text: fonts are drawn from, and say so to nobody.
_BESIDE = {f"{NAME}.fonts": "*.ttf"}
_IMPORT = re.compile(rf"^[ \t]*(?:from {NAME}[\w.]* import (?:\([^)]*\)|[^(\n]+)|import {NAME}[^\n]*)", re.MULTILINE)
_NEVER_RUN = re.compile(r"^if TYPE_CHECKING:\n(?:[ \t]+.*\n|\n)+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Uses:
    """What a text uses: whole modules, and names out of packages (``(package, name)``)."""

    modules: set[str] = field(default_factory=set)
    names: set[tuple[str, str]] = field(default_factory=set)


def modules_of_notebook(cells: Iterable[str]) -> tuple[str, ...]:
    """Modules of the package behind the code of a notebook's cells.

    A cell that is no plain Python (a magic, a shell command) is read without the lines that begin with ``%`` or ``!``;
    one that cannot be read even so makes the whole package count as used.
    """
    texts = []
    for cell in cells:
        lines = ("" if line.lstrip().startswith(("%", "!", "?")) else line for line in cell.splitlines())
        texts.append("\n".join(lines))
    try:
        tree = ast.parse("\n".join(texts))
    except SyntaxError:
        return tuple(sorted(_module_paths()))
    return _closure(_uses(tree))


def modules_behind(*modules: str) -> tuple[str, ...]:
    """Modules that these (``processed.build``) use, directly or through others, themselves included."""
    return _closure(_Uses(modules={f"{NAME}.{module}" for module in modules}))


def module_checksums(modules: Iterable[str]) -> dict[str, str]:
    """Checksum of each module's text and of the files it works with."""
    return {module: _checksum(module) for module in modules}


def modules_sha256(*modules: str) -> str:
    """One checksum for all the code that these modules (``processed.build``) use."""
    return json_sha256(module_checksums(modules_behind(*modules)))


@cache
def _checksum(module: str) -> str:
    own = file_sha256(_module_paths()[module])
    if (pattern := _BESIDE.get(module)) is None:
        return own
    return json_sha256([own, *(file_sha256(path) for path in sorted((PACKAGE / module.split(".")[-1]).glob(pattern)))])


@cache
def _module_paths() -> dict[str, Path]:
    paths = {}
    for path in PACKAGE.rglob("*.py"):
        parts = (NAME, *path.relative_to(PACKAGE).with_suffix("").parts)
        paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return paths


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(_module_paths()[module].read_text(encoding="utf-8"))


@cache
def _uses_of_module(module: str) -> _Uses:
    """As of the whole tree, but most modules are understood from their import statements alone, in a tenth the time."""
    text = _NEVER_RUN.sub("", _module_paths()[module].read_text(encoding="utf-8"))
    imports = "\n".join(statement.lstrip() for statement in _IMPORT.findall(text))
    uses, packages = _imported(ast.parse(imports))
    return _uses(_tree(module)) if packages else uses


@cache
def _exports(package: str) -> dict[str, tuple[str, str]]:
    """Names that a package only passes on, each with the module it comes from and its name there."""
    if package == NAME:
        # A home may be a module that holds the name, or the module of that name itself.
        return {
            name: (f"{NAME}.{home}", "") if home.rsplit(".", 1)[-1] == name else (f"{NAME}.{home}", name)
            for name, home in qbresearch._HOME.items()
        }
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for node in _tree(package).body
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(f"{NAME}.")
        for alias in node.names
    }


def _is_package(module: str) -> bool:
    return module in _module_paths() and _module_paths()[module].name == "__init__.py"


def _only_passes_on(package: str) -> bool:
    """Whether a package's own file holds nothing but names that come from elsewhere."""
    return package == NAME or not any(
        isinstance(node, (ast.FunctionDef, ast.ClassDef)) for node in _tree(package).body
    )


def _closure(uses: _Uses) -> tuple[str, ...]:
    waiting, seen = list(_homes(uses)), set()
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting.extend(_homes(_uses_of_module(module)))
    return tuple(sorted(seen))


def _homes(uses: _Uses) -> Iterator[str]:
    yield from uses.modules & set(_module_paths())
    for package, name in uses.names:
        yield from _home(package, name)


def _home(package: str, name: str) -> Iterator[str]:
    """The module that a name out of a module or package comes from."""
    if f"{package}.{name}" in _module_paths():
        yield f"{package}.{name}"
    elif not _is_package(package) or not _only_passes_on(package):
        yield from {package} & set(_module_paths())
    elif name in _exports(package):
        module, there = _exports(package)[name]
        yield from _home(module, there) if there else {module} & set(_module_paths())
    elif package != NAME:
        yield package


def _uses(tree: ast.AST) -> _Uses:
    """What a text imports, and which names it takes out of packages that it imports as a whole."""
    uses, packages = _imported(tree)
    _take_names(tree, packages, uses)
    return uses


def _imported(tree: ast.AST) -> tuple[_Uses, dict[str, str]]:
    """What a text imports, apart from packages that only pass names on: those by the name they have in the text."""
    uses: _Uses = _Uses()
    packages: dict[str, str] = {}
    for node in _running(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name == NAME or alias.name.startswith(f"{NAME}."):
                    # import a.b binds a; import a.b as c binds a.b
                    packages[alias.asname or alias.name.split(".")[0]] = alias.name if alias.asname else NAME
                    uses.modules.update({alias.name} - {NAME})
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == NAME:
            for alias in node.names:
                whole = _whole(node.module or "", alias.name)
                if whole and _is_package(whole) and _only_passes_on(whole):
                    packages[alias.asname or alias.name] = whole
                else:
                    uses.names.add((node.module or "", alias.name))
    return uses, packages


def _whole(package: str, name: str) -> str:
    """The module that ``from package import name`` binds, if it binds a module."""
    if f"{package}.{name}" in _module_paths():
        return f"{package}.{name}"
    module, there = _exports(package).get(name, ("", "")) if package == NAME else ("", "")
    return module if module and not there else ""


def _take_names(tree: ast.AST, packages: dict[str, str], uses: _Uses) -> None:
    taken = set()
    for node in _running(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in packages:
            package = packages[node.value.id]
            inner = _whole(package, node.attr)
            if inner and _is_package(inner) and _only_passes_on(inner):
                uses.modules.add(inner)
            else:
                uses.names.add((package, node.attr))
            taken.add(id(node.value))
    for node in _running(tree):
        if isinstance(node, ast.Name) and node.id in packages and id(node) not in taken:
            # Passed on as a value: whatever is done with it may use all of it.
            uses.modules.update({packages[node.id]} - {NAME})


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that may run; what stands under ``TYPE_CHECKING`` never does."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
                waiting.extend(child.orelse)
            else:
                waiting.append(child)
