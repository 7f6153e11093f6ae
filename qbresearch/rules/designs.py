"""Link designs: which results are set beside which resources, and the part each variable plays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qbresearch.errors import CitationError, check_choice
from qbresearch.rules.citations import CITED, bilingual, check_keys, entries, read_toml
from qbresearch.rules.columns import TableContract, list_tables, load_table
from qbresearch.traces import remembered

ROLES = ("student", "prior", "intangible", "composition")
STUDENT_TABLE = "student"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A result to be explained: a subject and the column that holds it."""

    id: str
    label_zh: str
    label_en: str
    column: str
    unit_zh: str
    unit_en: str


@dataclass(frozen=True, slots=True)
class DesignVariable:
    """A variable of the design beside the indicators of the standard.

    ``role``: ``student`` (background of one observation), ``prior`` (earlier score), ``intangible`` and ``composition``
    (of the group; from student data their mean over the group). Where ``value`` is given the column is a choice, and
    the variable is 1 where it has this value. ``moderated`` marks the student variable whose slope resources may
    change.
    """

    id: str
    role: str
    label_zh: str
    label_en: str
    column: str
    value: str = ""
    moderated: bool = False


@dataclass(frozen=True, slots=True)
class LinkDesign:
    """How results and resources are brought together.

    ``results`` names the source of student results; empty where the register itself holds the results of each row, so
    that only statements about aggregates are possible. ``reports`` names the source of officially reported results,
    or is empty. ``grades`` maps stages to monitored grades. What one observation and one group is stands in every
    language in five forms: one (``unit``: 学生, student), several (``unit_plural``: 学生, students), after a number in full
    (``units``: 名学生, students) and in short (``unit_counter``: 名, students), and over a column of counts
    (``unit_column``: 学生（名）, Students).
    """

    id: str
    label_zh: str
    label_en: str
    table: str
    results: str
    reports: str
    unit_zh: str
    unit_en: str
    units_en: str
    unit_counter_zh: str
    group_column: str
    group_zh: str
    group_en: str
    groups_en: str
    group_counter_zh: str
    grades: Mapping[str, str]
    source: str
    outcomes: tuple[Outcome, ...]
    variables: tuple[DesignVariable, ...]

    @property
    def aggregate(self) -> bool:
        """Whether observations are aggregates (schools, districts) and not students."""
        return not self.results

    @property
    def units_zh(self) -> str:
        """One observation with its counter: 名学生."""
        return self.unit_counter_zh + self.unit_zh

    @property
    def groups_zh(self) -> str:
        """One group with its counter: 所学校."""
        return self.group_counter_zh + self.group_zh

    @property
    def unit_plural_zh(self) -> str:
        """Several observations without their number; Chinese makes no difference."""
        return self.unit_zh

    @property
    def unit_plural_en(self) -> str:
        """Several observations without their number."""
        return self.units_en

    @property
    def group_plural_zh(self) -> str:
        """Several groups without their number; Chinese makes no difference."""
        return self.group_zh

    @property
    def group_plural_en(self) -> str:
        """Several groups without their number."""
        return self.groups_en

    @property
    def unit_counter_en(self) -> str:
        """What stands after a number of observations where Chinese has a counter."""
        return self.units_en

    @property
    def group_counter_en(self) -> str:
        """What stands after a number of groups where Chinese has a counter."""
        return self.groups_en

    @property
    def unit_column_zh(self) -> str:
        """Heading of a column that counts observations."""
        return f"{self.unit_zh}（{self.unit_counter_zh}）"

    @property
    def unit_column_en(self) -> str:
        """Heading of a column that counts observations."""
        return self.units_en.capitalize()

    @property
    def group_column_zh(self) -> str:
        """Heading of a column that counts groups."""
        return f"{self.group_zh}（{self.group_counter_zh}）"

    @property
    def group_column_en(self) -> str:
        """Heading of a column that counts groups."""
        return self.groups_en.capitalize()

    @property
    def sources(self) -> tuple[str, ...]:
        """Sources the design reads beside the register."""
        return tuple(s for s in (self.results, self.reports) if s)

    def outcome(self, subject: str) -> Outcome:
        """The outcome called ``subject``."""
        check_choice(subject, [o.id for o in self.outcomes], name="学科", where=f"关联设计 {self.id}")
        return next(o for o in self.outcomes if o.id == subject)


def list_designs() -> tuple[str, ...]:
    """Ids of all link designs."""
    return tuple(sorted(p.stem for p in (CITED / "designs").glob("*.toml")))


@remembered
def load_design(design_id: str) -> LinkDesign:
    """Load the link design ``design_id`` that ships with the package.

    Raises
    ------
    InputError
        No such design.
    CitationError
        The file breaks the form; the message names file and entry.
    """
    check_choice(design_id, list_designs(), name="关联设计", where="qbresearch/cited/designs")
    return read_design(CITED / "designs" / f"{design_id}.toml")


def read_design(path: Path) -> LinkDesign:
    """Read a link design from a file; see :func:`load_design`."""
    data, where = read_toml(path), path.name
    keys = ("id", "label", "table", "results", "reports", "unit", "group", "grades", "source", "outcome")
    check_keys(data, required=keys, optional=("variable",), where=where)
    check_choice(data["id"], [path.stem], name="id（应与文件名一致）", where=where)
    check_choice(data["table"], list_tables(), name="表", where=where)
    check_keys(data["unit"], required=("zh", "en", "plural", "counter"), where=f"{where} 的 unit")
    check_keys(data["group"], required=("column", "zh", "en", "plural", "counter"), where=f"{where} 的 group")
    register = load_table(data["table"])
    held = load_table(STUDENT_TABLE) if data["results"] else register
    check_choice(data["group"]["column"], _names(register), name="分组列", where=where)
    outcomes = tuple(_outcome(entry, held, place) for entry, place in entries(data, "outcome", where))
    variables = tuple(
        _variable(entry, held, student=bool(data["results"]), where=place) for entry, place in entries(data, "variable", where)
    )
    ids = [item.id for item in (*outcomes, *variables)]
    moderated = [v for v in variables if v.moderated]
    is_text = all(isinstance(grade, str) for grade in data["grades"].values())
    is_sound = len(moderated) < 2 and all(v.role == "student" for v in moderated) and is_text
    if not outcomes or len(set(ids)) < len(ids) or not is_sound:
        raise CitationError(
            "关联设计不成立", where=where, found="、".join(ids) or "没有 outcome",
            expected="至少一个 outcome，id 各不相同，至多一个 student 变量 moderated = true，grades 的值是带引号的文字", fix="补上、改名或删去",
        )
    zh, en = bilingual(data, where)
    unit, group = data["unit"], data["group"]
    return LinkDesign(
        id=data["id"], label_zh=zh, label_en=en, table=data["table"], results=data["results"], reports=data["reports"],
        unit_zh=unit["zh"], unit_en=unit["en"], units_en=unit["plural"], unit_counter_zh=unit["counter"],
        group_column=group["column"], group_zh=group["zh"], group_en=group["en"], groups_en=group["plural"],
        group_counter_zh=group["counter"], grades=dict(data["grades"]), source=data["source"], outcomes=outcomes,
        variables=variables,
    )  # fmt: skip


def _names(contract: TableContract) -> list[str]:
    return [c.name for c in (*contract.columns, *contract.constants)]


def _outcome(entry: Mapping[str, Any], held: TableContract, where: str) -> Outcome:
    check_keys(entry, required=("id", "label", "column", "unit"), where=where)
    check_choice(entry["column"], _names(held), name="列", where=where)
    zh, en = bilingual(entry, where)
    unit_zh, unit_en = bilingual(entry, where, "unit")
    return Outcome(entry["id"], zh, en, entry["column"], unit_zh, unit_en)


def _variable(entry: Mapping[str, Any], held: TableContract, *, student: bool, where: str) -> DesignVariable:
    check_keys(entry, required=("id", "role", "label", "column"), optional=("value", "moderated"), where=where)
    check_choice(entry["role"], ROLES if student else ("composition", "intangible"), name="角色", where=where)
    check_choice(entry["column"], _names(held), name="列", where=where)
    column = held.column(entry["column"])
    if "value" in entry:
        check_choice(entry["value"], [c.id for c in column.choices], name="选项", where=where)
    elif not column.is_number:
        raise CitationError(
            "变量不是数", where=where, found=f"{column.label_zh} 是 {column.kind} 列", expected="数值列，或用 value 指明取 1 的选项",
            fix='补上 value = "…"',
        )
    zh, en = bilingual(entry, where)
    return DesignVariable(
        entry["id"], entry["role"], zh, en, entry["column"], entry.get("value", ""), entry.get("moderated", False)
    )
