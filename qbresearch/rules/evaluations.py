"""The whole evaluation beyond the seven resource indicators: items, requirements, options, recognition, vetoes.

An evaluation is one TOML file in ``cited/evaluations`` with the id of the standard that holds its resource part. Every
number in it carries unit, clause, quotation, source and status; :func:`load_evaluation` refuses a file in which one
does not. The types are those of :mod:`qbresearch.rules.evaluation_types`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from qbresearch.errors import CitationError, InputError, check_choice
from qbresearch.provenance import file_sha256
from qbresearch.rules.citations import (
    CITATION_KEYS,
    CITATION_OPTIONAL,
    CITED,
    Citation,
    bilingual,
    check_keys,
    entries,
    in_both,
    read_citation,
    read_toml,
)
from qbresearch.rules.columns import load_table
from qbresearch.rules.evaluation_types import (
    COMPARISONS,
    ITEM_KINDS,
    PARTS,
    Choice,
    Evaluation,
    Evidence,
    Group,
    Item,
    Option,
    Part,
    Requirement,
    Scheme,
    Step,
    limited,
)
from qbresearch.rules.standards import Source, list_standards, load_standard
from qbresearch.traces import note_listing, remembered

__all__ = [
    "COMPARISONS", "ITEM_KINDS", "PARTS", "Choice", "Evaluation", "Evidence", "Group", "Item", "Option", "Part",
    "Requirement", "Scheme", "Step", "check_evaluations", "has_evaluation", "latest_evaluation",
    "limited", "list_evaluations", "load_evaluation", "read_evaluation",
]  # fmt: skip

KEYS = ("", "primary", "junior", "separate", "through")
"""For whom a limit holds: everybody, a stage, separate schools, schools of nine or twelve years."""
DECIDED_BY_DATA = ("ratio", "schools", "mixed", "reported", "survey", "series")
COLUMNS = ("add", "subtract", "over_add", "over_subtract")


def list_evaluations() -> tuple[str, ...]:
    """Ids of all evaluations that ship with the package."""
    return tuple(sorted(p.stem for p in (CITED / "evaluations").glob("*.toml")))


def has_evaluation(standard_id: str) -> bool:
    """Whether a standard has a whole evaluation, or only its resource part."""
    note_listing(CITED / "evaluations")
    return standard_id in list_evaluations()


@remembered
def load_evaluation(evaluation_id: str, *, on: date) -> Evaluation:
    """Load an evaluation as in force on a day.

    Parameters
    ----------
    evaluation_id : str
        That of its standard, such as ``"national-2017"``; see :func:`list_evaluations`.
    on : datetime.date
        Only entries valid on this day are kept. For a school year use
        :func:`qbresearch.rules.standards.school_year_start`.

    Raises
    ------
    InputError
        No such evaluation, or it was not in force on that day.
    CitationError
        The file has an unknown key, an unknown column or a number without citation; the message names file and entry.
    """
    return read_evaluation(_path(evaluation_id), on=on)


def latest_evaluation(evaluation_id: str) -> Evaluation:
    """An evaluation as in force on its last valid day: today, or the day it ended."""
    path = _path(evaluation_id)
    return read_evaluation(path, on=read_toml(path)["valid"].get("to", date.today()))


def check_evaluations() -> tuple[str, ...]:
    """Read every evaluation that ships with the package and return their ids; raises at the first fault."""
    for evaluation_id in list_evaluations():
        latest_evaluation(evaluation_id)
    return list_evaluations()


def read_evaluation(path: Path, *, on: date) -> Evaluation:
    """Read an evaluation from a file; see :func:`load_evaluation`."""
    return _Reader(path, read_toml(path), on).evaluation()


def _path(evaluation_id: str) -> Path:
    check_choice(evaluation_id, list_evaluations(), name="评估", where="qbresearch/cited/evaluations")
    return CITED / "evaluations" / f"{evaluation_id}.toml"


class _Reader:
    """Turns one parsed file into an :class:`Evaluation`, naming file and entry in every refusal."""

    def __init__(self, path: Path, data: dict[str, Any], on: date) -> None:
        self.path, self.data, self.on = path, data, on
        check_keys(
            data,
            required=("id", "label", "document", "valid", "source", "part", "item", "requirement"),
            optional=("option", "group", "scheme", "step"),
            where=path.name,
        )
        if data["id"] != path.stem:
            raise CitationError(
                "id 与文件名不一致", where=path.name, found=repr(data["id"]), expected=repr(path.stem), fix="改成一致"
            )
        check_choice(data["id"], list_standards(), name="标准（评估与它的标准同名）", where=path.name)
        self.sources = self._once("source", self._source)
        self.parts = tuple(self._once("part", self._part).values())

    def evaluation(self) -> Evaluation:
        self._check_in_force()
        self._check_parts()
        self.items = self._once("item", self._item, key="code")
        self.options = self._once("option", self._option)
        requirements, alternatives = self._requirements()
        self._check_items(requirements)
        zh, en = bilingual(self.data, self.path.name)
        return Evaluation(
            id=self.data["id"],
            label_zh=zh,
            label_en=en,
            document=self.data["document"],
            on=self.on,
            sha256=file_sha256(self.path),
            sources=self.sources,
            parts=self.parts,
            items=tuple(self.items.values()),
            requirements=requirements,
            options=self.options,
            groups=tuple(self._once("group", self._group).values()),
            schemes=tuple(self._once("scheme", self._scheme).values()),
            steps=tuple(self._once("step", self._step, key=lambda s: (s.year, s.order)).values()),
            alternatives=alternatives,
        )

    def _once(
        self, kind: str, read: Callable[[Mapping[str, Any], str], Any], *, key: str | Callable[[Any], Any] = "id"
    ) -> dict[Any, Any]:
        """Entries of a kind in force, by id or code; a second one of the same name is refused where it stands."""
        found: dict[Any, Any] = {}
        for entry, where in entries(self.data, kind, self.path.name):
            thing = read(entry, where)
            if (cited := getattr(thing, "citation", None)) and not cited.in_force(self.on):
                continue
            name = key(thing) if callable(key) else getattr(thing, key)
            if name in found:
                raise _twice(str(name), where)
            found[name] = thing
        return found

    def _check_in_force(self) -> None:
        valid = self.data["valid"]
        check_keys(valid, required=("from",), optional=("to",), where=f"{self.path.name} 的 valid")
        if self.on < valid["from"] or self.on > valid.get("to", self.on):
            raise InputError(
                "评估在这一天没有生效",
                where=self.path.name,
                found=f"{self.on:%Y-%m-%d}",
                expected=f"{valid['from']:%Y-%m-%d} 起" + (f"至 {valid['to']:%Y-%m-%d}" if "to" in valid else ""),
                fix="换用当年有效的评估",
            )

    def _check_parts(self) -> None:
        if [p.id for p in self.parts] != [p for p in PARTS if p in {q.id for q in self.parts}]:
            raise CitationError(
                "各部分的次序不对", where=self.path.name, found="、".join(p.id for p in self.parts),
                expected="按这个次序：" + "、".join(PARTS), fix="调整 [[part]] 的次序",
            )

    def _check_items(self, requirements: Mapping[str, Requirement]) -> None:
        """Every item is decided by what its kind says, and the resource items are the indicators of the standard."""
        for item in self.items.values():
            wanted = (item.kind in DECIDED_BY_DATA, item.kind in ("evidence", "mixed"))
            has = (any(r.item == item.code for r in requirements.values()), bool(item.evidence))
            if wanted != has:
                raise CitationError(
                    "条目的类别与判定依据不符", where=f"{self.path.name}（{item.code}）",
                    found=f"{item.kind}，{'有' if has[0] else '没有'} [[requirement]]，{'有' if has[1] else '没有'} evidence",
                    expected=f"{item.kind} {'要有' if wanted[0] else '没有'} [[requirement]]，{'要有' if wanted[1] else '没有'} evidence",
                    fix="改正 kind，或补上、删去判定依据",
                )
        codes = [i.code for i in self.items.values() if i.kind == "resources"]
        indicators = [i.code for i in load_standard(self.data["id"], on=self.on).indicators]
        if codes != indicators:
            raise CitationError(
                "资源配置条目与标准的指标不一致", where=self.path.name, found="、".join(codes),
                expected="、".join(indicators), fix="按标准文件的指标逐一列出",
            )

    def _citation(self, entry: Mapping[str, Any], where: str, numbers: tuple[float, ...] = ()) -> Citation:
        return read_citation(entry, sources=self.sources, where=where, numbers=numbers)

    def _source(self, entry: Mapping[str, Any], where: str) -> Source:
        check_keys(entry, required=("id", "title", "read", "where"), where=where)
        chinese, english = in_both(entry, where, "title")
        return Source(entry["id"], chinese, english or chinese, entry["read"], entry["where"])

    def _part(self, entry: Mapping[str, Any], where: str) -> Part:
        check_keys(entry, required=("id", "label", "decides"), where=where)
        check_choice(entry["id"], PARTS, name="部分", where=where)
        return Part(entry["id"], *bilingual(entry, where), _truth(entry, "decides", where))

    def _item(self, entry: Mapping[str, Any], where: str) -> Item:
        check_keys(
            entry, required=("code", "part", "kind", "label", "short", "counted", *CITATION_KEYS),
            optional=("evidence", "evidence_labels", *CITATION_OPTIONAL), where=where,
        )
        where = f"{where}（{entry['code']}）"
        check_choice(entry["part"], [p.id for p in self.parts], name="部分", where=where)
        check_choice(entry["kind"], ITEM_KINDS, name="类别", where=where)
        evidence, labels = _texts(entry, "evidence", where), entry.get("evidence_labels", {})
        for code in labels:
            check_choice(code, evidence, name="佐证代码", where=where)
        return Item(
            entry["code"], entry["part"], entry["kind"], *bilingual(entry, where), *bilingual(entry, where, "short"),
            *bilingual(entry, where, "counted"), evidence, self._citation(entry, where),
            {code: Evidence(code, *bilingual(labels, where, code)) for code in labels},
        )

    def _option(self, entry: Mapping[str, Any], where: str) -> Option:
        check_keys(entry, required=("id", "item", "label", "chosen", "choice"), where=where)
        where = f"{where}（{entry['id']}）"
        check_choice(entry["item"], self.items, name="条目", where=where)
        choices: dict[str, Choice] = {}
        for choice, place in entries(entry, "choice", where):
            read = self._choice(choice, place)
            if read.id in choices:
                raise _twice(read.id, place)
            choices[read.id] = read
        check_choice(entry["chosen"], choices, name="选法", where=where)
        if len({isinstance(c.value, str) for c in choices.values()}) > 1:
            raise CitationError(
                "选项的值有数也有文字", where=where, found="、".join(repr(c.value) for c in choices.values()),
                expected="全是数（限值），或全是文字（口径）", fix="改正 value",
            )
        return Option(entry["id"], entry["item"], *bilingual(entry, where), entry["chosen"], choices)

    def _choice(self, entry: Mapping[str, Any], where: str) -> Choice:
        check_keys(
            entry, required=("id", "value", "label", *CITATION_KEYS), optional=CITATION_OPTIONAL, where=where
        )
        value = entry["value"]
        if not isinstance(value, str):
            value = _number(entry, "value", where)
            check_keys(entry, required=("unit",), optional=tuple(entry), where=where)
        numbers = () if isinstance(value, str) else (value,)
        read = value if isinstance(value, str) else float(value)
        return Choice(entry["id"], read, *bilingual(entry, where), self._citation(entry, where, numbers))

    def _requirements(self) -> tuple[dict[str, Requirement], dict[tuple[str, str], Requirement]]:
        """Requirements of the choices in force, and those of every choice."""
        found: dict[str, Requirement] = {}
        alternatives: dict[tuple[str, str], Requirement] = {}
        for entry, where in entries(self.data, "requirement", self.path.name):
            requirement = self._requirement(entry, where)
            if not requirement.citation.in_force(self.on):
                continue
            if "choice" in entry:
                key = (requirement.id, entry["choice"])
                if key in alternatives:
                    raise _twice("、".join(key), where)
                alternatives[key] = requirement
                if self.options[requirement.option].chosen != entry["choice"]:
                    continue
            if requirement.id in found:
                raise _twice(requirement.id, where)
            found[requirement.id] = requirement
        self._check_alternatives(found, alternatives)
        return found, alternatives

    def _check_alternatives(
        self, found: Mapping[str, Requirement], alternatives: Mapping[tuple[str, str], Requirement]
    ) -> None:
        """A requirement that follows a choice has an entry for each; an option without requirement says nothing."""
        for name in {name for name, _ in alternatives}:
            option = self.options[next(r.option for (n, _), r in alternatives.items() if n == name)]
            if missing := [c for c in option.choices if (name, c) not in alternatives]:
                raise CitationError(
                    "选项的选法缺少对应的要求", where=f"{self.path.name}（{name}）", found="没有 " + "、".join(missing),
                    expected="每种选法一条 [[requirement]]：" + "、".join(option.choices), fix="补上缺少的条目",
                )
        named = {r.option for r in found.values()}
        if unused := [o for o in self.options if o not in named]:
            raise CitationError(
                "选项没有用到", where=self.path.name, found="、".join(unused),
                expected="至少一条 [[requirement]] 以 option 点名", fix="补上 option，或删去选项",
            )

    def _requirement(self, entry: Mapping[str, Any], where: str) -> Requirement:
        check_keys(
            entry,
            required=("id", "item", "label", "comparison", "percent", "unit", *CITATION_KEYS),
            optional=("limit", "key", "table", "option", "choice", *COLUMNS, *CITATION_OPTIONAL),
            where=where,
        )
        where = f"{where}（{entry['id']}）"
        check_choice(entry["item"], self.items, name="条目", where=where)
        check_choice(entry["comparison"], COMPARISONS, name="比较方式", where=where)
        check_choice(entry.get("key", ""), KEYS, name="适用对象", where=where)
        option = self._option_of(entry, where)
        sets_limit = option is not None and option.numeric
        if sets_limit == ("limit" in entry):
            raise CitationError(
                "限值没有说清", where=where, found="limit 与数值选项须有且只有一个", expected="limit，或 option 点名的数值选项",
                fix="保留一个",
            )
        limit = option.choice.value if option and sets_limit else _number(entry, "limit", where)
        columns = tuple(_texts(entry, name, where) for name in COLUMNS)
        self._check_columns(entry.get("table", ""), columns, where)
        plain = {key: value for key, value in entry.items() if key != "unit"}
        requirement = Requirement(
            entry["id"], entry["item"], *bilingual(entry, where), entry.get("key", ""), entry.get("table", ""), *columns,
            entry["comparison"], float(limit), _truth(entry, "percent", where), *_unit(entry, where),
            entry.get("option", ""), self._citation(plain, where, () if sets_limit else (limit,)),
        )
        return limited(requirement, option) if option else requirement

    def _option_of(self, entry: Mapping[str, Any], where: str) -> Option | None:
        """The option a requirement names; a choice stands only beside an option that is no limit."""
        if "option" not in entry:
            check_keys(entry, required=(), optional=set(entry) - {"choice"}, where=where)
            return None
        check_choice(entry["option"], self.options, name="选项", where=where)
        option = self.options[entry["option"]]
        if option.item != entry["item"]:
            raise CitationError(
                "选项属于别的条目", where=where, found=f"{option.id} 属于 {option.item}", expected=entry["item"], fix="改正 item 或 option"
            )
        if "choice" in entry:
            check_keys(entry, required=(), optional=set(entry) - ({"choice"} if option.numeric else set()), where=where)
            check_choice(entry["choice"], option.choices, name="选法", where=where)
        return option

    def _check_columns(self, table: str, columns: tuple[tuple[str, ...], ...], where: str) -> None:
        add, subtract, over_add, over_subtract = columns
        if (subtract or over_add) and not add or over_subtract and not over_add or add and not table:
            raise CitationError(
                "分子、分母没有说清", where=where, found=f"table = {table!r}，add = {list(add)}，over_add = {list(over_add)}",
                expected="先有 table，再有 add，再有 subtract、over_add、over_subtract", fix="补上缺少的键",
            )
        if not table:
            return
        contract = load_table(table)
        numbers = [c.name for c in contract.columns if c.is_number]
        for name in (name for group in columns for name in group):
            check_choice(name, numbers, name="数值列", where=f"{where}（列约定 {table}）")

    def _group(self, entry: Mapping[str, Any], where: str) -> Group:
        check_keys(entry, required=("id", "label", *CITATION_KEYS), optional=CITATION_OPTIONAL, where=where)
        return Group(entry["id"], *bilingual(entry, where), self._citation(entry, where))

    def _scheme(self, entry: Mapping[str, Any], where: str) -> Scheme:
        """A scheme is kept whatever its dates: reports of earlier cycles are read under the scheme of their time."""
        check_keys(
            entry, required=("id", "label", "period", "subjects", "cycle", *CITATION_KEYS),
            optional=tuple(k for k in CITATION_OPTIONAL if k != "valid"), where=where,
        )
        period = entry["period"]
        check_keys(period, required=("from",), optional=("to",), where=f"{where} 的 period")
        subjects = _texts(entry, "subjects", where)
        known = [c.id for c in load_table("county-report").column("subject").choices]
        for name in (*subjects, *(s for year in entry["cycle"] for s in year)):
            check_choice(name, known, name="学科", where=where)
        if sorted(s for year in entry["cycle"] for s in year) != sorted(subjects):
            raise CitationError(
                "周期安排与学科不符", where=where, found="；".join("、".join(year) for year in entry["cycle"]),
                expected="每个学科在周期内监测一次：" + "、".join(subjects), fix="改正 cycle 或 subjects",
            )
        return Scheme(
            entry["id"], *bilingual(entry, where), period["from"], period.get("to"), subjects,
            {n: tuple(year) for n, year in enumerate(entry["cycle"], 1)}, self._citation(entry, where),
        )

    def _step(self, entry: Mapping[str, Any], where: str) -> Step:
        check_keys(entry, required=("year", "order", "label", *CITATION_KEYS), optional=CITATION_OPTIONAL, where=where)
        return Step(entry["year"], entry["order"], *bilingual(entry, where), self._citation(entry, where))


def _twice(name: str, where: str) -> CitationError:
    return CitationError("同一天有两条规定", where=where, found=name, expected="每个名字只出现一次", fix="删去、改名，或用 valid 分开起止日期")


def _number(entry: Mapping[str, Any], key: str, where: str) -> float:
    value = entry[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise CitationError(f"{key} 应是一个数", where=where, found=repr(value), expected="不带引号的数", fix="改正写法")
    return value


def _truth(entry: Mapping[str, Any], key: str, where: str) -> bool:
    if not isinstance(entry[key], bool):
        raise CitationError(f"{key} 的写法不对", where=where, found=repr(entry[key]), expected="true 或 false", fix="改正写法")
    return entry[key]


def _texts(entry: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    """A list of texts; empty where the entry has none."""
    value = entry.get(key, [])
    if not isinstance(value, list) or not all(isinstance(text, str) and text for text in value):
        raise CitationError(f"{key} 应是一列文字", where=where, found=repr(value), expected=f'{key} = ["…", "…"]', fix="改正写法")
    return tuple(value)


def _unit(entry: Mapping[str, Any], where: str) -> tuple[str, str]:
    """A unit in both languages; one that needs no words stands alone."""
    chinese, english = in_both(entry, where, "unit")
    return chinese, english or chinese
