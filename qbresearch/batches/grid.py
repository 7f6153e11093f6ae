"""Expand the grids of a batch into jobs, asking notebooks, data and rules about every value on the way."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from qbresearch.batches.batchfile import Batch, Grid, Lines, Problem, shown, suggest
from qbresearch.batches.contract import (
    TYPES,
    Parameter,
    Scalar,
    Template,
    coerce,
    read_template,
)
from qbresearch.errors import InputError
from qbresearch.project import Project
from qbresearch.provenance import json_sha256

MANIFEST = "manifest.json"
_ALL = object()  # "all" in a grid: every county or year that the data hold
_ALL_NAMES = ("county_code", "school_year")
_LONGEST_NAME = 120  # beside two endings and a temporary name this stays below the 255 bytes of a file name


class DataIndex(Protocol):
    """What a batch must know about the processed data."""

    def sources(self) -> tuple[str, ...]:
        """Ids of the sources that are built."""

    def counties(self, source_id: str) -> tuple[str, ...]:
        """Codes of the counties a source holds."""

    def years(self, source_id: str, county_code: str) -> tuple[int, ...]:
        """School years a source holds for a county."""

    def answer(self, kind: str, name: str) -> str | None:
        """The checksum that something a run has read has now (see :mod:`qbresearch.traces`); None: gone or unknown."""


class RuleIndex(Protocol):
    """What a batch must know about the rules; every question raises InputError for an unknown id."""

    def check_standard(self, standard_id: str) -> None:
        """Refuse a standard that cannot be used."""

    def check_plan(self, plan_id: str) -> None:
        """Refuse a plan that cannot be used."""

    def design_sources(self, design_id: str) -> tuple[str, ...]:
        """Sources that a link design reads beside the schools."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One notebook with one set of values, from one grid."""

    grid: Grid
    template: Template
    parameters: dict[str, Scalar]


def draft_jobs(
    batch: Batch, project: Project, data: DataIndex, rules: RuleIndex
) -> tuple[list[Draft], list[Problem]]:
    """Expand every grid of a batch and collect everything that is wrong.

    Returns
    -------
    drafts : list of Draft
        Worth something only when there are no problems.
    problems : list of Problem
        Those found on reading the file first, each once.
    """
    walk = _Walk(batch, project, data, rules)
    return walk.drafts(), list(walk.problems)


def job_names(drafts: Iterable[Draft]) -> list[str]:
    """Readable names that are unique and safe on every file system, made of the notebook and the grid's values."""
    drafts = list(drafts)
    plain = ["--".join([draft.template.name, *_grid_values(draft)]) for draft in drafts]
    safe = [re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:_LONGEST_NAME] for name in plain]
    # Windows and macOS take A.json and a.json for one file, and the manifest lies in the same folder.
    uses = Counter(name.casefold() for name in [*safe, MANIFEST.removesuffix(".json")])
    return [
        name if name == raw and uses[name.casefold()] == 1 else f"{name}-{_short_hash(draft)}"
        for draft, raw, name in zip(drafts, plain, safe, strict=True)
    ]


def _grid_values(draft: Draft) -> list[str]:
    values = (draft.parameters[name] for name in draft.grid.parameters)
    return [value if isinstance(value, str) else shown(value) for value in values]


def _short_hash(draft: Draft) -> str:
    return json_sha256([draft.template.name, draft.parameters])[:8]


class _Walk:
    """One pass over a batch. Nothing is refused on the way, so that one run of the command shows every problem."""

    def __init__(self, batch: Batch, project: Project, data: DataIndex, rules: RuleIndex) -> None:
        self._batch, self._project, self._lines = batch, project, Lines(batch.text)
        self.problems: dict[Problem, None] = dict.fromkeys(batch.problems)  # a set that keeps its order
        self._sources = sorted(data.sources())
        self._counties, self._years = cache(data.counties), cache(data.years)
        self._check_standard, self._check_plan = cache(rules.check_standard), cache(rules.check_plan)
        self._design_sources = cache(rules.design_sources)
        self._missing_years: dict[tuple[int, str, int], dict[str, None]] = defaultdict(dict)
        # In the order in which one question can build on the answer to another.
        self._questions = {
            "standard_id": self._standards,
            "plan_id": self._plans,
            "design_id": self._designs,
            "source_id": self._known_sources,
            "county_code": self._held_counties,
            "school_year": self._held_years,
        }

    def drafts(self) -> list[Draft]:
        templates = {grid.notebook: self._template(grid) for grid in self._batch.grids}
        self._check_common(list(templates.values()))
        drafts: list[Draft] = []
        for grid in self._batch.grids:
            template = templates[grid.notebook]
            if template is not None:
                drafts += [Draft(grid, template, values) for values in self._cross(grid, template)]
        self._note_missing_years()
        self._note_duplicates(drafts)
        return drafts

    def _note(self, text: str, key: str, grid: Grid | None, value: object = None) -> None:
        line = self._lines.find(key, value, None if grid is None else grid.index)
        self.problems[Problem(line, text)] = None

    # ------------------------------------------------------------------ what the notebooks declare

    def _template(self, grid: Grid) -> Template | None:
        names = sorted(path.stem for path in self._project.notebooks.glob("*.ipynb"))
        if grid.notebook not in names:
            self._note(f"没有笔记本 {grid.notebook}；{suggest(grid.notebook, names)}", "notebook", grid)
            return None
        try:
            return read_template(self._project.notebooks / f"{grid.notebook}.ipynb")
        except InputError as error:
            text = f"{error.where}：{error.problem}，看到 {error.found}；应为{error.expected}"
            self._note(text, "notebook", grid)
            return None

    def _check_common(self, templates: list[Template | None]) -> None:
        if not templates or None in templates:
            return  # an entry may belong to the notebook that could not be read
        declared = list(dict.fromkeys(name for template in templates if template for name in template.parameters))
        for name in self._batch.common:
            if name not in declared:
                self._note(f"common 中的 {name} 没有一个笔记本声明；{suggest(name, declared)}", name, None)

    def _cross(self, grid: Grid, template: Template) -> list[dict[str, Scalar]]:
        """Every combination of a grid's values, each in the order in which the notebook declares its parameters."""
        declared = list(template.parameters)
        for name in grid.parameters:
            if name not in declared:
                self._note(f"{template.name} 没有声明参数 {name}；{suggest(name, declared)}", name, grid)
        axes = {name: self._axis(grid, template, parameter) for name, parameter in template.parameters.items()}
        self._check_filled(grid, template, axes)
        asked = [name for name in self._questions if name in axes]
        crossed: list[dict[str, Any]] = [{}]
        for name in [*asked, *(name for name in axes if name not in asked)]:
            if axes[name]:
                crossed = [{**c, name: value} for c in crossed for value in self._values(grid, name, axes[name], c)]
        return [{name: values[name] for name in declared if name in values} for values in crossed]

    def _axis(self, grid: Grid, template: Template, parameter: Parameter) -> tuple[Any, ...]:
        """The values one parameter takes in a grid; empty when there is none that can be used."""
        name, place = parameter.name, self._place(grid, parameter.name)[1]
        if name in grid.parameters:
            given = grid.parameters[name]
            if name in _ALL_NAMES and given == "all":
                return (_ALL,)
            values = given if isinstance(given, list) else [given]
        elif name in self._batch.common:
            given = self._batch.common[name]
            values = [] if isinstance(given, list) else [given]  # noted when the file was read
        else:
            return self._default(grid, template, parameter)
        return self._typed(template, parameter, [value for value in values if not isinstance(value, dict)], place)

    def _check_filled(self, grid: Grid, template: Template, axes: Mapping[str, tuple[Any, ...]]) -> None:
        for name, parameter in template.parameters.items():
            if parameter.filled and "" in axes[name]:
                self._note(f"{template.name} 的参数 {name} 不能为空", *self._place(grid, name), "")

    def _default(self, grid: Grid, template: Template, parameter: Parameter) -> tuple[Any, ...]:
        if parameter.required:
            self._note(
                f"{template.name} 的参数 {parameter.name} 没有默认值，要在 [grid.parameters] 里给出", "notebook", grid
            )
            return ()
        return (parameter.default,)

    def _place(self, grid: Grid, name: str) -> tuple[str, Grid | None]:
        """Key and grid under which a parameter's value stands in the file; a default is set by its notebook."""
        if name in grid.parameters:
            return name, grid
        return (name, None) if name in self._batch.common else ("notebook", grid)

    def _typed(
        self, template: Template, parameter: Parameter, values: list[object], place: Grid | None
    ) -> tuple[Scalar, ...]:
        good: list[Scalar] = []
        for value in values:
            typed = coerce(value, parameter.type)
            if typed is None:
                self._note(_wrong_type(template, parameter, value), parameter.name, place, value)
            elif typed in good:
                self._note(f"参数 {parameter.name} 的列表里 {shown(value)} 重复", parameter.name, place, value)
            else:
                good.append(typed)
        return tuple(good)

    # ------------------------------------------------------------------ what rules and data hold

    def _values(self, grid: Grid, name: str, values: tuple[Any, ...], fixed: Mapping[str, Any]) -> Iterable[Any]:
        """The values of a parameter beside those already ``fixed``; an empty one asks nothing."""
        question = self._questions.get(name)
        if question is None:
            return values
        key, place = self._place(grid, name)
        given = [value for value in values if value and value is not _ALL]
        held = question(given, fixed, lambda text, value=None: self._note(text, key, place, value), grid)
        return held if _ALL in values else values

    def _standards(self, values: list[str], fixed: Mapping[str, Any], note: Callable[..., None], grid: Grid) -> None:
        for value in values:
            try:
                self._check_standard(value)
            except InputError as error:
                note(f"标准 {value}：{error.problem}；{error.fix}", value)

    def _plans(self, values: list[str], fixed: Mapping[str, Any], note: Callable[..., None], grid: Grid) -> None:
        for value in values:
            try:
                self._check_plan(value)
            except InputError as error:
                note(f"规划 {value}：{error.problem}；{error.fix}", value)

    def _designs(self, values: list[str], fixed: Mapping[str, Any], note: Callable[..., None], grid: Grid) -> None:
        for value in values:
            try:
                unbuilt = [source for source in self._design_sources(value) if source not in self._sources]
            except InputError as error:
                note(f"关联设计 {value}：{error.problem}；{error.fix}", value)
                continue
            for source in unbuilt:
                note(f"关联设计 {value} 用到的数据源 {source} 还没有构建；先运行 qbresearch build {source}", value)

    def _known_sources(
        self, values: list[str], fixed: Mapping[str, Any], note: Callable[..., None], grid: Grid
    ) -> None:
        for value in values:
            if value not in self._sources:
                note(f"数据源 {value} 还没有构建；{suggest(value, self._sources)}", value)

    def _held_counties(
        self, values: list[str], fixed: Mapping[str, Any], note: Callable[..., None], grid: Grid
    ) -> Iterable[str]:
        source = fixed.get("source_id")
        if source not in self._sources:
            return ()  # already noted, or the notebook names no source
        held = self._counties(source)
        for value in values:
            if value not in held:
                note(f"数据源 {source} 没有县 {value}；{suggest(value, held[:20])}", value)
        if not held:
            note(f"数据源 {source} 一个县也没有")
        return held

    def _held_years(
        self, values: list[int], fixed: Mapping[str, Any], note: Callable[..., None], grid: Grid
    ) -> Iterable[int]:
        source, county = fixed.get("source_id"), fixed.get("county_code")
        if source not in self._sources or (county and county not in self._counties(source)):
            return ()
        counties = [county] if county else self._counties(source)
        held = sorted({year for code in counties for year in self._years(source, code)})
        for value in values:
            if value not in held:  # noted once for all counties: a grid may hold thousands
                self._missing_years[grid.index, source, value][county or ""] = None
        return held

    def _note_missing_years(self) -> None:
        grids = {grid.index: grid for grid in self._batch.grids}
        for (index, source, year), counties in self._missing_years.items():
            codes = [code for code in counties if code]
            listed = "、".join(codes[:10]) + (" 等" if codes[10:] else "")
            whose = f"的县：{listed}，共 {len(codes)} 个" if codes else "的数据"
            key, place = self._place(grids[index], "school_year")
            self._note(f"数据源 {source} 中没有 {year} 学年{whose}", key, place, year)

    def _note_duplicates(self, drafts: Iterable[Draft]) -> None:
        first: dict[tuple[str, str], int] = {}
        again: Counter[tuple[int, int]] = Counter()
        for draft in drafts:
            earlier = first.setdefault((draft.template.name, json_sha256(draft.parameters)), draft.grid.index)
            if earlier != draft.grid.index:
                again[draft.grid.index, earlier] += 1
        for (index, earlier), count in again.items():
            grid = next(grid for grid in self._batch.grids if grid.index == index)
            text = f"第 {index + 1} 段 [[grid]] 有 {count} 个任务与第 {earlier + 1} 段重复（笔记本与参数都相同）"
            self._note(text, "notebook", grid)


def _wrong_type(template: Template, parameter: Parameter, value: object) -> str:
    wanted = f"{TYPES[parameter.type][1]}（{parameter.type}）"
    text = f"{template.name} 的参数 {parameter.name} 应为{wanted}，看到 {shown(value)}"
    is_bare_code = parameter.type == "str" and type(value) is int
    return text + (f'；代码是文本，请加引号写成 "{value}"' if is_bare_code else "")
