"""Column contracts: what each table must hold, in which unit, under which headings."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qbresearch.errors import CitationError, check_choice
from qbresearch.language import label_of
from qbresearch.rules.citations import CITED, bilingual, check_keys, entries, read_toml
from qbresearch.traces import remembered

KINDS = ("code", "text", "choice", "year", "date", "count", "number")
DATED = ("year", "date")
CHECKS = ("sum", "at_most", "at_least", "per_student")
FILE_KEYS = ("id", "label", "row", "key", "source", "sheet", "column")
COLUMN_KEYS = ("name", "label", "kind", "sheet", "meaning", "headings")
COLUMN_OPTIONAL = (
    "unit", "stage", "digits", "min", "max", "form", "optional", "blank", "unit_required", "choice", "scaled",
    "drop_down", "evaluation", "vocabulary", "not_before",
)
TYPES = {
    **dict.fromkeys(
        ("name", "kind", "meaning", "sheet", "unit", "stage", "form", "blank", "drop_down", "evaluation", "not_before"),
        (str, "带引号的文字"),
    ),
    "digits": (int, "整数"),
    "optional": (bool, "true 或 false"),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One allowed value of a choice column; ``stages`` are the stages a school of this type teaches.

    ``labels`` are what cells may hold, ``label_en`` is what an English report prints.
    """

    id: str
    labels: tuple[str, ...]
    label_en: str
    stages: tuple[str, ...] = ()

    @property
    def label_zh(self) -> str:
        """The first of the labels."""
        return self.labels[0]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a choice cell may say in rows in which the value of column ``of`` matches ``pattern`` as a whole.

    ``allowed`` are labels, or ids of choices for all their labels. The words of one choice can mean its opposite beside
    another item (a veto that is 符合), so it is the word in the cell that is held against them.
    """

    of: str
    pattern: str
    allowed: tuple[str, ...]
    fix: str


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    ``headings`` maps every accepted heading to the factor that turns its cells into ``unit`` (万元 to 元: 10000).
    ``unit_required`` are headings that are refused because they do not say the unit. ``stage`` limits the column to
    schools that teach it. ``optional`` columns may be absent from a file, ``blank_allowed`` cells may be empty
    without a notice. ``min`` and ``max`` of a year or a date are years. ``offers_all`` puts every label of every choice
    into the drop-down, for columns whose labels suit different rows; ``vocabularies`` say which suit which. ``evaluation``
    is the evaluation whose codes a column holds. ``not_before`` is the date column whose date comes first.
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
    offers_all: bool = False
    vocabularies: tuple[Vocabulary, ...] = ()
    evaluation: str = ""
    not_before: str = ""

    @property
    def offered(self) -> tuple[str, ...]:
        """Labels a form offers: the first of each choice, or all of them."""
        return tuple(label for c in self.choices for label in (c.labels if self.offers_all else c.labels[:1]))

    @property
    def is_number(self) -> bool:
        """Whether cells are numbers (counts or measured values)."""
        return self.kind in {"count", "number"}

    def vocabulary(self, row: Mapping[str, Any]) -> Vocabulary | None:
        """The vocabulary of a row; none where the contract has none for it or the deciding cell is empty."""
        found = (v for v in self.vocabularies if row.get(v.of) is not None and re.fullmatch(v.pattern, str(row[v.of])))
        return next(found, None)

    def label_in(self, choice_id: str, row: Mapping[str, Any]) -> str:
        """The first label of a choice that may stand in a row."""
        choice, vocabulary = next(c for c in self.choices if c.id == choice_id), self.vocabulary(row)
        if vocabulary is None or choice_id in vocabulary.allowed:
            return choice.label_zh
        return next(label for label in choice.labels if label in vocabulary.allowed)


@dataclass(frozen=True, slots=True)
class Constant:
    """A column whose one value is stated by the contract because the file leaves it out."""

    name: str
    label_zh: str
    label_en: str
    kind: str
    value: Any


@dataclass(frozen=True, slots=True)
class Check:
    """A relation between columns that must hold in every row.

    ``sum``: ``column`` equals the sum of ``of``. ``at_most``: it is not larger. ``at_least``: it is not smaller (a whole
    and some of its parts). ``per_student``: divided by the sum of ``of``, it lies between ``min`` and ``max``.
    """

    kind: str
    column: str
    of: tuple[str, ...]
    fix: str
    min: float | None = None
    max: float | None = None


@dataclass(frozen=True, slots=True)
class TableContract:
    """Everything known about one kind of table before a file of it is opened.

    What a row is stands in every language in three forms: alone (``row``: 学校, school), after a number (``rows``:
    所学校, schools) and over a column of counts (``row_column``: 学校数（所）, Schools).
    """

    id: str
    label_zh: str
    label_en: str
    row_zh: str
    row_en: str
    rows_en: str
    counter_zh: str
    key: tuple[str, ...]
    source: str
    sheets: Mapping[str, str]
    columns: tuple[Column, ...]
    constants: tuple[Constant, ...]
    checks: tuple[Check, ...]

    @property
    def rows_zh(self) -> str:
        """A row with its counter: 所学校."""
        return self.counter_zh + self.row_zh

    @property
    def counter_en(self) -> str:
        """What stands after a number where Chinese has a counter: schools."""
        return self.rows_en

    @property
    def row_column_zh(self) -> str:
        """Heading of a column that counts rows."""
        return f"{self.row_zh}数（{self.counter_zh}）"

    @property
    def row_column_en(self) -> str:
        """Heading of a column that counts rows."""
        return self.rows_en.capitalize()

    @property
    def join_key(self) -> tuple[str, ...]:
        """Key columns that stand in every sheet of a workbook, by which its sheets are joined; none with one sheet."""
        if len(self.sheets) == 1:
            return ()
        everywhere = {c.name for c in self.columns if c.sheet == "every"}
        return tuple(name for name in self.key if name in everywhere)

    def column(self, name: str) -> Column:
        """The column called ``name``."""
        check_choice(name, [c.name for c in self.columns], name="列", where=f"表 {self.id}")
        return next(c for c in self.columns if c.name == name)

    def label(self, name: str) -> str:
        """Label of a column or constant."""
        return next((label_of(c) for c in (*self.columns, *self.constants) if c.name == name), name)

    def choice_labels(self, name: str) -> dict[str, str]:
        """Choice id to its label."""
        return {choice.id: label_of(choice) for choice in self.column(name).choices}

    def stages_of(self, school_type: str) -> tuple[str, ...]:
        """Stages that a school of this type teaches."""
        return next(c.stages for c in self.column("school_type").choices if c.id == school_type)


def list_tables() -> tuple[str, ...]:
    """Ids of all column contracts."""
    return tuple(sorted(p.stem for p in (CITED / "tables").glob("*.toml")))


@remembered
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
    check_keys(data, required=FILE_KEYS, optional=("constant", "check"), where=path.name)
    check_choice(data["id"], [path.stem], name="id（应与文件名一致）", where=path.name)
    check_keys(data["row"], required=("zh", "en", "plural", "counter"), where=f"{path.name} 的 row")
    sheets = tuple(_sheet(entry, where) for entry, where in entries(data, "sheet", path.name))
    columns = tuple(_column(entry, sheets, where) for entry, where in entries(data, "column", path.name))
    constants = tuple(_constant(entry, where) for entry, where in entries(data, "constant", path.name))
    names = [c.name for c in (*columns, *constants)]
    _check_unique(names, "列名", path.name)
    _check_headings(columns, path.name)
    _check_stages(columns, path.name)
    _check_vocabularies(columns, path.name)
    _check_dates(columns, path.name)
    for key in _texts(data["key"], "key", path.name):
        check_choice(key, names, name="主键列", where=path.name)
    numbers = [c.name for c in columns if c.is_number]
    checks = tuple(_check(entry, numbers, where) for entry, where in entries(data, "check", path.name))
    zh, en = bilingual(data, path.name)
    table = TableContract(
        id=data["id"],
        label_zh=zh,
        label_en=en,
        row_zh=data["row"]["zh"],
        row_en=data["row"]["en"],
        rows_en=data["row"]["plural"],
        counter_zh=data["row"]["counter"],
        key=tuple(data["key"]),
        source=data["source"],
        sheets=dict(sheets),
        columns=columns,
        constants=constants,
        checks=checks,
    )
    if len(table.sheets) > 1 and not table.join_key:
        raise CitationError(
            "几张工作表没有共同的主键列", where=path.name, found="、".join(table.sheets.values()),
            expected='至少一个主键列写 sheet = "every"', fix="把各表都有的主键列改为 every，或只用一张工作表",
        )
    return table


def _sheet(entry: Mapping[str, Any], where: str) -> tuple[str, str]:
    check_keys(entry, required=("id", "label"), where=where)
    return entry["id"], entry["label"]


def _texts(value: Any, key: str, where: str) -> tuple[str, ...]:
    """A list of texts, not empty."""
    if not isinstance(value, list) or not value or not all(isinstance(text, str) and text.strip() for text in value):
        raise CitationError(
            f"{key} 应是一列文字", where=where, found=repr(value), expected=f'{key} = ["…", "…"]，至少一个', fix="补上或改正写法"
        )
    return tuple(value)


def _column(entry: Mapping[str, Any], sheets: Collection[tuple[str, str]], where: str) -> Column:
    check_keys(entry, required=COLUMN_KEYS, optional=COLUMN_OPTIONAL, where=where)
    where = f"{where}（{entry['name']}）"
    for key, (kind, words) in TYPES.items():
        if key in entry and type(entry[key]) is not kind:
            raise CitationError(
                f"{key} 的写法不对", where=where, found=repr(entry[key]), expected=words, fix="按列约定的写法改正"
            )
    check_choice(entry["kind"], KINDS, name="列类型", where=where)
    check_choice(entry["sheet"], ["every", *(i for i, _ in sheets)], name="工作表", where=where)
    check_choice(entry.get("blank", "allowed"), ["allowed"], name="blank", where=where)
    check_choice(entry.get("drop_down", "all"), ["all"], name="drop_down", where=where)
    _check_range(entry, where)
    headings = dict.fromkeys(_texts(entry["headings"], "headings", where), 1.0)
    for scaled, place in entries(entry, "scaled", where):
        check_keys(scaled, required=("factor", "headings"), where=place)
        headings |= dict.fromkeys(_texts(scaled["headings"], "headings", place), _factor(scaled["factor"], place))
    choices = tuple(_choice(choice, place) for choice, place in entries(entry, "choice", where))
    if (entry["kind"] == "choice") != bool(choices):
        raise CitationError(
            "选项与列类型不符", where=where, found=f"{entry['kind']} 列有 {len(choices)} 个选项",
            expected="choice 列至少一个 [[column.choice]]，其他列没有", fix="补上选项，或改正 kind",
        )
    zh, en = bilingual(entry, where)
    return Column(
        name=entry["name"],
        label_zh=zh,
        label_en=en,
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
        choices=choices,
        offers_all="drop_down" in entry,
        vocabularies=tuple(_vocabulary(rule, place) for rule, place in entries(entry, "vocabulary", where)),
        evaluation=entry.get("evaluation", ""),
        not_before=entry.get("not_before", ""),
    )


def _check_range(entry: Mapping[str, Any], where: str) -> None:
    """``min`` and ``max`` come together, in order, and a year or date column has them."""
    limits = [entry.get("min"), entry.get("max")]
    if limits == [None, None] and entry["kind"] not in DATED:
        return
    if not all(isinstance(limit, (int, float)) for limit in limits) or limits[0] > limits[1]:
        raise CitationError(
            "允许的范围不成立", where=where, found=f"min = {limits[0]}，max = {limits[1]}",
            expected="min 与 max 两个数，min 不大于 max", fix="两个都写上，或（年份列、日期列除外）都不写",
        )


def _factor(value: Any, where: str) -> float:
    if not isinstance(value, (int, float)) or value <= 0:
        raise CitationError(
            "换算倍数不是正数", where=where, found=repr(value), expected="表头单位换成约定单位要乘的数，如 10000", fix="改正 factor"
        )
    return float(value)


def _choice(entry: Mapping[str, Any], where: str) -> Choice:
    check_keys(entry, required=("id", "labels", "en"), optional=("stages",), where=where)
    return Choice(entry["id"], _texts(entry["labels"], "labels", where), entry["en"], tuple(entry.get("stages", ())))


def _vocabulary(entry: Mapping[str, Any], where: str) -> Vocabulary:
    check_keys(entry, required=("of", "pattern", "allowed", "fix"), where=where)
    try:
        re.compile(entry["pattern"])
    except (re.error, TypeError):
        raise CitationError(
            "pattern 不是正则表达式", where=where, found=repr(entry["pattern"]), expected='如 "V.*"', fix="改正写法"
        ) from None
    return Vocabulary(entry["of"], entry["pattern"], _texts(entry["allowed"], "allowed", where), entry["fix"])


def _constant(entry: Mapping[str, Any], where: str) -> Constant:
    check_keys(entry, required=("name", "label", "kind", "value"), where=where)
    check_choice(entry["kind"], KINDS, name="列类型", where=where)
    return Constant(entry["name"], *bilingual(entry, where), entry["kind"], entry["value"])


def _check(entry: Mapping[str, Any], numbers: list[str], where: str) -> Check:
    check_keys(entry, required=("kind", "column", "of", "fix"), optional=("min", "max"), where=where)
    check_choice(entry["kind"], CHECKS, name="核对方式", where=where)
    for name in (entry["column"], *_texts(entry["of"], "of", where)):
        check_choice(name, numbers, name="数值列", where=where)
    if entry["kind"] == "per_student":
        _check_range({**entry, "kind": "year"}, where)
    return Check(
        entry["kind"], entry["column"], tuple(entry["of"]), entry["fix"], entry.get("min"), entry.get("max")
    )


def _check_headings(columns: Collection[Column], where: str) -> None:
    """A heading that two columns accept would send the cells of one to the other."""
    _check_unique([text for c in columns for text in (*c.headings, *c.unit_required)], "表头", where)


def _check_stages(columns: Collection[Column], where: str) -> None:
    """The stage of a column is one that some school type teaches."""
    taught = {stage for c in columns if c.name == "school_type" for choice in c.choices for stage in choice.stages}
    for column in columns:
        if column.stage and taught:
            check_choice(column.stage, sorted(taught), name="学段", where=f"{where}（{column.name}）")


def _check_vocabularies(columns: Collection[Column], where: str) -> None:
    """A vocabulary is of a choice column, follows a column of the same sheet and allows words that the column knows."""
    for column in columns:
        place = f"{where}（{column.name}）"
        beside = [c.name for c in columns if c.sheet in (column.sheet, "every") and c is not column]
        known = [word for c in column.choices for word in (c.id, *c.labels)]
        for rule in column.vocabularies:
            check_choice(rule.of, beside, name="同一张工作表的列", where=place)
            for word in rule.allowed:
                check_choice(word, known, name="选项或标签", where=place)


def _check_dates(columns: Collection[Column], where: str) -> None:
    """Only dates come one before the other."""
    dates = [c.name for c in columns if c.kind == "date"]
    for column in columns:
        for name in (column.name, column.not_before) if column.not_before else ():
            check_choice(name, dates, name="日期列", where=f"{where}（{column.name} 的 not_before）")


def _check_unique(names: list[str], what: str, where: str) -> None:
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise CitationError(
            f"{what}重复", where=where, found="、".join(twice), expected="每个名字只出现一次", fix="删去或改名"
        )
