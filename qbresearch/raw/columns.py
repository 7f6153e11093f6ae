"""Column contracts: what each table must hold, in which unit, under which headings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from qbresearch.errors import CitationError, check_choice
from qbresearch.rules.citations import CITED, check_keys, read_toml

KINDS = ("code", "text", "choice", "year", "count", "number")
CHECKS = ("sum", "at_most", "per_student")


@dataclass(frozen=True, slots=True)
class Choice:
    """One allowed value of a choice column; ``stages`` are the stages a school of this type teaches."""

    id: str
    labels: tuple[str, ...]
    stages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    ``headings`` maps every accepted heading to the factor that turns its cells into ``unit`` (万元 to 元: 10000).
    ``unit_required`` are headings that are refused because they do not say the unit. ``stage`` limits the column to
    schools that teach it. ``optional`` columns may be absent from a file, ``blank_allowed`` cells may be empty
    without a notice.
    """

    name: str
    label_zh: str
    label_en: str
    kind: str
    meaning: str
    sheet: str
    headings: Mapping[str, float]
    unit: str = ""
    stage: str = ""
    digits: int = 0
    min: float | None = None
    max: float | None = None
    form: str = ""
    optional: bool = False
    blank_allowed: bool = False
    unit_required: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()

    @property
    def is_number(self) -> bool:
        """Whether cells are numbers (counts or measured values)."""
        return self.kind in {"count", "number"}


@dataclass(frozen=True, slots=True)
class Constant:
    """A column whose one value is stated by the contract because the file leaves it out."""

    name: str
    label_zh: str
    kind: str
    value: Any


@dataclass(frozen=True, slots=True)
class Check:
    """A relation between columns that must hold in every row."""

    kind: str
    column: str
    of: tuple[str, ...]
    fix: str
    min: float | None = None
    max: float | None = None


@dataclass(frozen=True, slots=True)
class TableContract:
    """Everything known about one kind of table before a file of it is opened."""

    id: str
    label_zh: str
    label_en: str
    key: tuple[str, ...]
    source: str
    sheets: Mapping[str, str]
    columns: tuple[Column, ...]
    constants: tuple[Constant, ...]
    checks: tuple[Check, ...]

    def column(self, name: str) -> Column:
        """The column called ``name``."""
        check_choice(name, [c.name for c in self.columns], name="列", where=f"表 {self.id}")
        return next(c for c in self.columns if c.name == name)

    def label(self, name: str) -> str:
        """Chinese label of a column or constant."""
        return next((c.label_zh for c in (*self.columns, *self.constants) if c.name == name), name)

    def choice_labels(self, name: str) -> dict[str, str]:
        """Choice id to its first Chinese label."""
        return {choice.id: choice.labels[0] for choice in self.column(name).choices}

    def stages_of(self, school_type: str) -> tuple[str, ...]:
        """Stages that a school of this type teaches."""
        return next(c.stages for c in self.column("school_type").choices if c.id == school_type)


def list_tables() -> tuple[str, ...]:
    """Ids of all column contracts."""
    return tuple(sorted(p.stem for p in (CITED / "tables").glob("*.toml")))


@cache
def load_table(table_id: str) -> TableContract:
    """Load the column contract ``table_id`` that ships with the package.

    Raises
    ------
    InputError
        No such contract.
    CitationError
        The file breaks the form; the message names file and entry.
    """
    check_choice(table_id, list_tables(), name="表", where="qbresearch/cited/tables")
    return read_table(CITED / "tables" / f"{table_id}.toml")


def read_table(path: Path) -> TableContract:
    """Read a column contract from a file; see :func:`load_table`."""
    data = read_toml(path)
    check_keys(
        data,
        required=("id", "label", "key", "source", "sheet", "column"),
        optional=("constant", "check"),
        where=path.name,
    )
    columns = tuple(_column(entry, f"{path.name} 第 {n} 个 [[column]]") for n, entry in enumerate(data["column"], 1))
    constants = tuple(
        _constant(entry, f"{path.name} 第 {n} 个 [[constant]]") for n, entry in enumerate(data.get("constant", ()), 1)
    )
    names = [c.name for c in (*columns, *constants)]
    _check_unique(names, "列名", path.name)
    for column in columns:
        if column.sheet != "every":
            check_choice(column.sheet, [s["id"] for s in data["sheet"]], name="工作表", where=f"{path.name} {column.name}")
    for key in data["key"]:
        check_choice(key, names, name="主键列", where=path.name)
    checks = tuple(
        _check(entry, names, f"{path.name} 第 {n} 个 [[check]]") for n, entry in enumerate(data.get("check", ()), 1)
    )
    return TableContract(
        id=data["id"],
        label_zh=data["label"]["zh"],
        label_en=data["label"]["en"],
        key=tuple(data["key"]),
        source=data["source"],
        sheets={s["id"]: s["label"] for s in data["sheet"]},
        columns=columns,
        constants=constants,
        checks=checks,
    )


def _column(entry: Mapping[str, Any], where: str) -> Column:
    check_keys(
        entry,
        required=("name", "label", "kind", "sheet", "meaning", "headings"),
        optional=(
            "unit", "stage", "digits", "min", "max", "form", "optional", "blank", "unit_required", "choice", "scaled",
        ),
        where=where,
    )
    check_choice(entry["kind"], KINDS, name="列类型", where=where)
    headings = dict.fromkeys(entry["headings"], 1.0)
    for scaled in entry.get("scaled", ()):
        headings |= dict.fromkeys(scaled["headings"], float(scaled["factor"]))
    return Column(
        name=entry["name"],
        label_zh=entry["label"]["zh"],
        label_en=entry["label"]["en"],
        kind=entry["kind"],
        meaning=entry["meaning"],
        sheet=entry["sheet"],
        headings=headings,
        unit=entry.get("unit", ""),
        stage=entry.get("stage", ""),
        digits=entry.get("digits", 0),
        min=entry.get("min"),
        max=entry.get("max"),
        form=entry.get("form", ""),
        optional=entry.get("optional", False),
        blank_allowed=entry.get("blank") == "allowed",
        unit_required=tuple(entry.get("unit_required", ())),
        choices=tuple(
            Choice(c["id"], tuple(c["labels"]), tuple(c.get("stages", ()))) for c in entry.get("choice", ())
        ),
    )


def _constant(entry: Mapping[str, Any], where: str) -> Constant:
    check_keys(entry, required=("name", "label", "kind", "value"), where=where)
    return Constant(entry["name"], entry["label"]["zh"], entry["kind"], entry["value"])


def _check(entry: Mapping[str, Any], names: list[str], where: str) -> Check:
    check_keys(entry, required=("kind", "column", "of", "fix"), optional=("min", "max"), where=where)
    check_choice(entry["kind"], CHECKS, name="核对方式", where=where)
    for name in (entry["column"], *entry["of"]):
        check_choice(name, names, name="列", where=where)
    return Check(
        entry["kind"], entry["column"], tuple(entry["of"]), entry["fix"], entry.get("min"), entry.get("max")
    )


def _check_unique(names: list[str], what: str, where: str) -> None:
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise CitationError(
            f"{what}重复", where=where, found="、".join(twice), expected="每个名字只出现一次", fix="删去或改名"
        )
