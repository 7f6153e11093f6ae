"""Batch files, ``notebooks/batches/<id>.toml``: what they may hold, and on which line an entry stands."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qbresearch.batches.contract import Scalar
from qbresearch.errors import InputError, check_choice
from qbresearch.project import Project
from qbresearch.provenance import file_sha256

COVER_ENTRIES = {"authors": list, "institution": str, "date": str}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to put right, with the line of the batch file it stands on where that is known."""

    line: int | None
    text: str

    def __str__(self) -> str:
        return f"第 {self.line} 行：{self.text}" if self.line else self.text


@dataclass(frozen=True, slots=True)
class Grid:
    """One ``[[grid]]``: a notebook and the values of its parameters; ``index`` counts from 0 in the file."""

    index: int
    notebook: str
    parameters: dict[str, object]


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch file as read; ``problems`` are refused by ``plan_batch`` together with those it finds itself.

    ``cover`` is what reports print on their title page beside what they know themselves, see ``COVER_ENTRIES``.
    """

    id: str
    title: str
    path: Path
    text: str = field(repr=False)
    sha256: str
    cover: dict[str, object]
    common: dict[str, object]
    grids: tuple[Grid, ...]
    problems: tuple[Problem, ...]


def batch_path(project: Project, name: str) -> Path:
    """Return the file of the batch called ``name``.

    Raises
    ------
    InputError
        There is none; the message names the batches there are.
    """
    folder = project.notebooks / "batches"
    check_choice(name, sorted(path.stem for path in folder.glob("*.toml")), name="批次", where="notebooks/batches")
    return folder / f"{name}.toml"


def load_batch(path: Path) -> Batch:
    """Read a batch file.

    Parameters
    ----------
    path : Path
        ``notebooks/batches/<id>.toml``.

    Returns
    -------
    Batch
        With every unknown key, missing entry and misplaced value in ``problems``: ``plan_batch`` raises them, so
        that the user sees them in one list with what is wrong with parameters and data.

    Raises
    ------
    InputError
        The file is missing, is not UTF-8, or is not TOML.
    """
    text = _read_text(path)
    raw = _read_toml(text, path)
    shape = _Shape(path.stem, Lines(text))
    grids = shape.read(raw)
    common, cover = raw.get("common", {}), raw.get("cover", {})
    return Batch(
        id=path.stem,
        title=str(raw.get("title", "")),
        path=path,
        text=text,
        sha256=file_sha256(path),
        cover=dict(cover) if isinstance(cover, dict) else {},
        common=dict(common) if isinstance(common, dict) else {},
        grids=grids,
        problems=tuple(shape.problems),
    )


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")  # Windows editors put a mark before the first character
    except FileNotFoundError:
        found, fix = "没有这个文件", "核对批次名称；批次文件放在 notebooks/batches 中"
    except UnicodeDecodeError as error:
        found, fix = f"第 {error.start + 1} 个字节起不是 UTF-8", "在编辑器中另存为 UTF-8 编码"
    raise InputError("读不到批次文件", where=str(path), found=found, expected="UTF-8 编码的 .toml 文件", fix=fix)


def _read_toml(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"line (\d+), column (\d+)", str(error))
        raise InputError(
            "批次文件不是有效的 TOML",
            where=f"{path} 第 {at[1]} 行第 {at[2]} 列" if at else str(path),
            found=str(error),
            expected="TOML：文本写在半角双引号里，列表写作 [甲, 乙]，每个条目只写一次",
            fix="检查这一行的引号、逗号、方括号是否为半角并成对；以 0 开头的代码要加引号",
        ) from None


def suggest(word: object, allowed: Iterable[object]) -> str:
    """Return 是不是想写 … for a near miss, otherwise what may be written."""
    names = [str(a) for a in allowed]
    near = difflib.get_close_matches(str(word), names, n=1)
    return f"是不是想写 {near[0]}？" if near else "可用的有：" + ("、".join(names) or "（无）")


def shown(value: object) -> str:
    """A value as it stands in a batch file."""
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


class Lines:
    """Finds the line an entry stands on by searching the text, since a TOML reader does not tell it."""

    def __init__(self, text: str) -> None:
        self._lines = [re.sub(r"(^|\s)#.*$", "", line) for line in text.splitlines()]
        heads = [i for i, line in enumerate(self._lines) if re.match(r"\s*\[\[?\s*(grid\s*\]\]|(?:common|cover)\s*\])", line)]
        spans = list(zip(heads, [*heads[1:], len(self._lines)], strict=False))
        self._grids = [span for span in spans if "grid" in self._lines[span[0]]]
        self._common = [span for span in spans if "grid" not in self._lines[span[0]]]

    def find(self, key: str, value: object = None, grid: int | None = None) -> int | None:
        """Line of ``key``, or of ``value`` behind it, in one grid; ``grid=None`` is the rest of the file."""
        if grid is not None:
            spans = self._grids[grid : grid + 1]
        else:
            spans = [(0, min((span[0] for span in self._grids), default=len(self._lines))), *self._common]
        return self._search(key, value, spans) or self._search(key, value, [(0, len(self._lines))])

    def _search(self, key: str, value: object, spans: Iterable[tuple[int, int]]) -> int | None:
        name = re.escape(key)
        entry = re.compile(rf"(?<![\w-])[\"']?{name}[\"']?\s*=|^\s*\[+\s*{name}\s*\]|^\s*\[[\w.]*\.{name}\s*\]")
        for start, end in spans:
            for number in range(start, end):
                if entry.search(self._lines[number]):
                    return self._value_line(value, number, end) + 1
        return None

    def _value_line(self, value: object, start: int, end: int) -> int:
        if value is None:
            return start
        token = re.escape(shown(value).strip('"'))
        pattern = rf"[\"']{token}[\"']" if isinstance(value, str) else rf"(?<![\w.]){token}(?![\w.])"
        return next((number for number in range(start, end) if re.search(pattern, self._lines[number])), start)


class _Shape:
    """Checks the form of a batch file: which entries there are and what kind of value each holds."""

    def __init__(self, name: str, lines: Lines) -> None:
        self._name, self._lines = name, lines
        self.problems: list[Problem] = []

    def read(self, raw: Mapping[str, Any]) -> tuple[Grid, ...]:
        """Collect the problems of the whole file and return the grids that can be understood."""
        self._check_known(raw, ("id", "title", "cover", "common", "grid"), None)
        self._check_head(raw)
        self._check_cover(raw.get("cover", {}))
        self._check_common(raw.get("common", {}))
        grids = raw.get("grid", [])
        if not isinstance(grids, list) or not grids or not all(isinstance(grid, dict) for grid in grids):
            self._note("至少要有一段 [[grid]]（两层方括号）", "grid")
            return ()
        read = (self._grid(index, grid) for index, grid in enumerate(grids))
        return tuple(grid for grid in read if grid is not None)

    def _check_head(self, raw: Mapping[str, Any]) -> None:
        if raw.get("id") != self._name:
            found = shown(raw["id"]) if "id" in raw else "没有 id"
            self._note(f'id 应与文件名一致，写作 id = "{self._name}"；看到 {found}', "id")
        elif not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", self._name):
            self._note(f"id（即文件名）{self._name} 只能用英文字母、数字、- 和 _，因为它也是结果文件夹的名称", "id")
        if not isinstance(raw.get("title"), str) or not raw["title"].strip():
            self._note("缺少 title（批次的中文标题）", "title")

    def _check_cover(self, cover: object) -> None:
        if not isinstance(cover, dict):
            self._note("cover 应为一段 [cover]", "cover")
            return
        for key, value in cover.items():
            if key not in COVER_ENTRIES:
                self._note(f"cover 不认识条目 {key}；{suggest(key, COVER_ENTRIES)}", key)
            elif not isinstance(value, COVER_ENTRIES[key]) or (
                isinstance(value, list) and not all(isinstance(name, str) for name in value)
            ):
                form = "文本列表，如 [\"甲\", \"乙\"]" if COVER_ENTRIES[key] is list else "文本，写在引号里"
                self._note(f"cover 中的 {key} 应为{form}", key)

    def _check_common(self, common: object) -> None:
        if not isinstance(common, dict):
            self._note("common 应为一段 [common]", "common")
            return
        for key, value in common.items():
            if not isinstance(value, Scalar):
                self._note(f"common 中的 {key} 只能是一个值；要交叉的列表写在 [grid.parameters] 里", key)

    def _grid(self, index: int, raw: Mapping[str, Any]) -> Grid | None:
        self._check_known(raw, ("notebook", "parameters"), index)
        notebook, parameters = raw.get("notebook"), raw.get("parameters", {})
        if not isinstance(parameters, dict):
            self._note("parameters 应为一段 [grid.parameters]", "parameters", index)
            parameters = {}
        for key, value in parameters.items():
            if value == []:
                self._note(f"参数 {key} 是空列表，不会产生任何任务", key, index)
            elif isinstance(value, dict):
                self._note(f"参数 {key} 应为一个值或一个列表，不能是一段表", key, index)
        if not isinstance(notebook, str):
            self._note(f"第 {index + 1} 段 [[grid]] 缺少 notebook（笔记本名称，不含 .ipynb）", "grid", index)
            return None
        return Grid(index, notebook, dict(parameters))

    def _check_known(self, raw: Mapping[str, Any], allowed: tuple[str, ...], grid: int | None) -> None:
        part = "批次文件" if grid is None else f"第 {grid + 1} 段 [[grid]] "
        for key in raw:
            if key not in allowed:
                self._note(f"{part}不认识条目 {key}；{suggest(key, allowed)}", key, grid)

    def _note(self, text: str, key: str, grid: int | None = None) -> None:
        self.problems.append(Problem(self._lines.find(key, grid=grid), text))
