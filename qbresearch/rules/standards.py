"""Evaluation standards and indicator sets: indicators, thresholds, caps, school rule, scope, split weights, rounding.

A standard is one TOML file in ``cited/standards``. Every number in it carries unit, clause, quotation, source and
status; :func:`load_standard` refuses a file in which one does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from qbresearch.errors import CitationError, InputError, check_choice
from qbresearch.language import clauses, label_of, listed, say
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
    status_words,
)
from qbresearch.rules.columns import load_table
from qbresearch.traces import remembered

CV = "coefficient_of_variation"
COMPOSITE_CV = "composite_coefficient_of_variation"
KINDS = ("evaluation", "indicator-set")
STATISTICS = (CV, COMPOSITE_CV)
SCOPE_CASES = ("special_education", "vocational", "teaching_point", "private", "not_county_run")
SPLITS = ("nine_year", "complete_secondary", "twelve_year")
RULES = ("school_min_met", "school_floor_ratio")
ROUNDINGS = ("value_decimals", "cv_decimals", "fragile_decimals")
FIRST_MONTH_OF_SCHOOL_YEAR = 9


@dataclass(frozen=True, slots=True)
class Source:
    """A document that entries are quoted from; ``read`` says how much of it could be read.

    The title of a document stands as it is in every language; what is only described has both languages.
    """

    id: str
    title_zh: str
    title_en: str
    read: str
    where: str


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of schooling and the column that counts its students."""

    id: str
    label_zh: str
    label_en: str
    students: str


@dataclass(frozen=True, slots=True)
class Indicator:
    """One per-student resource indicator: ``scale * (sum of add - sum of subtract) / students``.

    ``add`` and ``subtract`` give column names per stage. Where the data hold the per-student value itself, ``rate``
    names that column per stage instead. ``shared`` numerators of combined schools are split by weights; others are
    counted directly by stage. ``whole_units`` says that the numerator is a number of people or things, so that "one
    more or less" has a meaning.
    """

    code: str
    id: str
    label_zh: str
    label_en: str
    short_zh: str
    short_en: str
    unit_zh: str
    unit_en: str
    counted_zh: str
    counted_en: str
    whole_units: bool
    shared: bool
    scale: float
    add: Mapping[str, tuple[str, ...]]
    subtract: Mapping[str, tuple[str, ...]]
    rate: Mapping[str, str]
    citation: Citation

    def columns(self, stage: str) -> tuple[str, ...]:
        """Every raw column the indicator needs at a stage."""
        if stage in self.rate:
            return (self.rate[stage],)
        return (*self.add[stage], *self.subtract.get(stage, ()))


@dataclass(frozen=True, slots=True)
class Limit:
    """A threshold (``value`` must be reached) or a cap (``value`` must not be passed)."""

    value: float
    citation: Citation


@dataclass(frozen=True, slots=True)
class ScopeRule:
    """Whether a kind of school takes part, from how many students on, and whether the other reading is shown too."""

    case: str
    include: bool
    min_students: int | None
    other_reading: bool
    citation: Citation

    @property
    def label(self) -> str:
        """Name of the case."""
        return scope_words()[self.case]


@dataclass(frozen=True, slots=True)
class Split:
    """Weights per student with which a combined school's shared assets are divided among its stages."""

    school_type: str
    weights: Mapping[str, float]
    citation: Citation


@dataclass(frozen=True, slots=True)
class Standard:
    """A standard as in force on one day.

    ``thresholds`` are keyed by (indicator code, stage), ``caps`` by (statistic, stage); ``rules`` and ``rounding`` by
    name. ``sha256`` is that of the file.
    """

    id: str
    kind: str
    label_zh: str
    label_en: str
    document: str
    table: str
    on: date
    sha256: str
    sources: Mapping[str, Source]
    stages: tuple[Stage, ...]
    indicators: tuple[Indicator, ...]
    thresholds: Mapping[tuple[str, str], Limit]
    caps: Mapping[tuple[str, str], Limit]
    rules: Mapping[str, Limit]
    scope: Mapping[str, ScopeRule]
    splits: Mapping[str, Split]
    rounding: Mapping[str, Limit]

    def stage(self, stage_id: str) -> Stage:
        """The stage with this id; :class:`InputError` listing the choices if there is none."""
        check_choice(stage_id, [s.id for s in self.stages], name="学段", where=f"标准 {self.id}")
        return next(s for s in self.stages if s.id == stage_id)

    def indicator(self, code: str) -> Indicator:
        """The indicator with this code."""
        check_choice(code, [i.code for i in self.indicators], name="指标", where=f"标准 {self.id}")
        return next(i for i in self.indicators if i.code == code)

    def threshold(self, code: str, stage: str) -> Limit | None:
        """What a school must reach, or ``None`` where the standard sets nothing."""
        return self.thresholds.get((code, stage))

    def cap(self, statistic: str, stage: str) -> Limit | None:
        """What a county's statistic must not pass, or ``None`` where the standard sets nothing."""
        return self.caps.get((statistic, stage))

    def decimals(self, name: str) -> int:
        """Decimals of ``value_decimals``, ``cv_decimals`` or ``fragile_decimals``."""
        return int(self.rounding[name].value)

    def unverified(self) -> tuple[str, ...]:
        """One sentence per source of entries of status ``unverified``, for the pages that rest on them.

        Scope rules that the text leaves open are not repeated here: where they stand the other reading is shown.
        """
        cited = [
            *((say("{what}（{value}）", what=rule_words()[name], value=f"{limit.value:g}"), limit.citation)
              for name, limit in self.rules.items()),
            *((say("指标 {code} 的计数口径", code=i.code), i.citation) for i in self.indicators),
            *((say("范围：{case}", case=rule.label), rule.citation)
              for rule in self.scope.values() if not rule.other_reading),
            *((say("拆分：{kind}", kind=split_words()[kind]), split.citation) for kind, split in self.splits.items()),
            *((say("取整：{what}", what=rounding_words()[name]), limit.citation)
              for name, limit in self.rounding.items()),
            *((say("{code} {stage} 标准 {value}", code=c, stage=s, value=f"{limit.value:g}"), limit.citation)
              for (c, s), limit in self.thresholds.items()),
            *((say("{stage} 上限 {value}", stage=s, value=f"{limit.value:g}"), limit.citation)
              for (_, s), limit in self.caps.items()),
        ]
        found: dict[str, list[str]] = {}
        for what, citation in cited:
            if citation.status == "unverified":
                found.setdefault(label_of(self.sources[citation.source], "title"), []).append(what)
        return tuple(
            say("{whats}未能在正式文本中核实，只见于{title}", whats=listed(whats), title=title)
            for title, whats in found.items()
        )

    def tidy(self) -> pd.DataFrame:
        """Every threshold, cap, rule, scope case, split and rounding in one row: entry, value, unit, status, clause,
        quotation, source, remark (how the value follows from the quotation, and notes)."""
        rows = [
            *((say("{code} {stage} 标准", code=c, stage=label_of(self.stage(s))), f"≥ {v.value:g}", v.citation)
              for (c, s), v in self.thresholds.items()),
            *((say("{statistic} {stage} 上限", statistic=statistic_words()[n], stage=label_of(self.stage(s))),
               f"≤ {v.value:g}", v.citation) for (n, s), v in self.caps.items()),
            *((rule_words()[n], f"≥ {v.value:g}", v.citation) for n, v in self.rules.items()),
            *((say("范围：{case}", case=r.label), _inclusion(r), r.citation) for r in self.scope.values()),
            *((say("拆分：{kind}", kind=split_words()[t]), say("：").join(f"{w:g}" for w in s.weights.values()), s.citation)
              for t, s in self.splits.items()),
            *((rounding_words()[n], f"{v.value:g}", v.citation) for n, v in self.rounding.items()),
        ]
        words = status_words()
        return pd.DataFrame(
            [
                (what, value, c.said("unit"), words[c.status], c.said("clause"), c.said("quote"),
                 label_of(self.sources[c.source], "title"),
                 clauses(filter(None, (c.said("reading"), c.said("note")))))
                for what, value, c in rows
            ],
            columns=["entry", "value", "unit", "status", "clause", "quote", "source", "remark"],
        )

    def definitions(self, stage: str) -> pd.DataFrame:
        """How every indicator is computed at a stage: code, label, formula in words, unit, shared, remark, status,
        source."""
        label, words = load_table(self.table).label, status_words()
        rows = [
            (i.code, label_of(i), _formula_words(i, stage, label), label_of(i, "unit"),
             say("按学段折算分摊") if i.shared else say("按学段直接计"), i.citation.said("note"),
             words[i.citation.status], label_of(self.sources[i.citation.source], "title"))
            for i in self.indicators
        ]
        return pd.DataFrame(
            rows, columns=["code", "label", "formula", "unit", "shared", "remark", "status", "source"]
        )


def _formula_words(indicator: Indicator, stage: str, label: Callable[[str], str]) -> str:
    """The numerator in the words of the column contract, over students."""
    if stage in indicator.rate:
        return say("{column}（数据本身已是生均值）", column=label(indicator.rate[stage]))
    plus = say("＋").join(label(name) for name in indicator.add[stage])
    minus = "".join(say("－{column}", column=label(name)) for name in indicator.subtract.get(stage, ()))
    several = len(indicator.add[stage]) > 1 or minus
    numerator = say("（{sum}）", sum=plus + minus) if several else plus
    if indicator.scale == 1:
        return say("{numerator}÷学生数", numerator=numerator)
    return say("{numerator}÷学生数×{scale}", numerator=numerator, scale=f"{indicator.scale:g}")


def statistic_words() -> dict[str, str]:
    """Capped statistics in words."""
    return {CV: say("差异系数"), COMPOSITE_CV: say("综合差异系数")}


def rule_words() -> dict[str, str]:
    """Parts of the school rule in words."""
    return {"school_min_met": say("每校至少达标的项数"), "school_floor_ratio": say("余项与标准之比的下限")}


def rounding_words() -> dict[str, str]:
    """What is rounded, in words."""
    return {
        "value_decimals": say("指标值显示"), "cv_decimals": say("差异系数显示"), "fragile_decimals": say("临界检验"),
    }  # fmt: skip


def split_words() -> dict[str, str]:
    """Kinds of schools whose assets are divided, in words."""
    return {
        "nine_year": say("九年一贯制学校"), "complete_secondary": say("完全中学"), "twelve_year": say("十二年一贯制学校"),
    }  # fmt: skip


def scope_words() -> dict[str, str]:
    """Kinds of schools of which a standard says whether they take part, in words."""
    return {
        "special_education": say("特殊教育学校"), "vocational": say("职业学校"), "teaching_point": say("教学点"),
        "private": say("民办学校"), "not_county_run": say("非县（区）管学校"),
    }  # fmt: skip


def _inclusion(rule: ScopeRule) -> str:
    if not rule.include:
        return say("不计入")
    return say("满 {n} 人计入", n=rule.min_students) if rule.min_students is not None else say("计入")


def school_year_start(school_year: int) -> date:
    """First day of a school year, named by the year of its autumn (2024 is 2024-09-01)."""
    return date(school_year, FIRST_MONTH_OF_SCHOOL_YEAR, 1)


def list_standards() -> tuple[str, ...]:
    """Ids of all standards that ship with the package."""
    return tuple(sorted(p.stem for p in (CITED / "standards").glob("*.toml")))


@remembered
def load_standard(standard_id: str, *, on: date) -> Standard:
    """Load a standard as in force on a day.

    Parameters
    ----------
    standard_id : str
        File name without ending, such as ``"national-2017"``; see :func:`list_standards`.
    on : datetime.date
        Only entries valid on this day are kept. For a school year use :func:`school_year_start`.

    Raises
    ------
    InputError
        No such standard, or it was not in force on that day.
    CitationError
        The file has an unknown key or a number without citation; the message names file and entry.
    """
    check_choice(standard_id, list_standards(), name="标准", where="qbresearch/cited/standards")
    return read_standard(CITED / "standards" / f"{standard_id}.toml", on=on)


def read_standard(path: Path, *, on: date) -> Standard:
    """Read a standard from a file; see :func:`load_standard`."""
    return _Reader(path, read_toml(path), on).standard()


class _Reader:
    """Turns one parsed file into a :class:`Standard`, naming file and entry in every refusal."""

    def __init__(self, path: Path, data: dict[str, Any], on: date) -> None:
        self.path, self.data, self.on = path, data, on
        check_keys(
            data,
            required=("id", "kind", "label", "document", "table", "valid", "source", "stage", "indicator", "rounding"),
            optional=("threshold", "cap", "rule", "scope", "split"),
            where=path.name,
        )
        check_choice(data["kind"], KINDS, name="类别", where=path.name)
        self.label_zh, self.label_en = bilingual(data, path.name)
        if data["id"] != path.stem:
            raise CitationError(
                "id 与文件名不一致", where=path.name, found=repr(data["id"]), expected=repr(path.stem), fix="改成一致"
            )
        self.sources = self._once([(self._source(s, w), w) for s, w in self._entries("source")], "id")
        contract = load_table(data["table"])
        self.columns = tuple(c.name for c in (*contract.columns, *contract.constants))
        self.stages = tuple(self._once([(self._stage(s, w), w) for s, w in self._entries("stage")], "id").values())
        self.stage_ids = tuple(s.id for s in self.stages)

    def standard(self) -> Standard:
        self._check_in_force()
        indicators = tuple(
            self._once([(self._indicator(e, w), w) for e, w in self._entries("indicator")], "code").values()
        )
        codes = tuple(i.code for i in indicators)
        return Standard(
            id=self.data["id"],
            kind=self.data["kind"],
            label_zh=self.label_zh,
            label_en=self.label_en,
            document=self.data["document"],
            table=self.data["table"],
            on=self.on,
            sha256=file_sha256(self.path),
            sources=self.sources,
            stages=self.stages,
            indicators=indicators,
            thresholds=self._limits("threshold", "at_least", ("indicator", codes), ("stage", self.stage_ids)),
            caps=self._limits(
                "cap", "at_most", ("statistic", STATISTICS), ("stage", self.stage_ids), extra=("scope",)
            ),
            rules=self._complete("rule", RULES, optional=True),
            scope=self._scope(),
            splits=self._splits(),
            rounding=self._complete("rounding", ROUNDINGS),
        )

    def _entries(self, kind: str) -> list[tuple[dict[str, Any], str]]:
        return entries(self.data, kind, self.path.name)

    def _once(self, found: list[tuple[Any, str]], key: str) -> dict[str, Any]:
        """Items by their id or code; a second one of the same name is refused where it stands."""
        items: dict[str, Any] = {}
        for item, where in found:
            name = getattr(item, key)
            if name in items:
                raise CitationError(
                    f"{key} 重复", where=where, found=repr(name), expected="每个名字只出现一次", fix="删去或改名"
                )
            items[name] = item
        return items

    def _complete(self, kind: str, names: tuple[str, ...], *, optional: bool = False) -> dict[str, Limit]:
        """The limits of one kind, all of them or (where ``optional``) none: half a rule cannot be applied."""
        limits = self._limits(kind, "value", ("name", names))
        if (missing := sorted(set(names) - set(limits))) and not (optional and not limits):
            raise CitationError(
                f"[[{kind}]] 不全", where=self.path.name, found=f"{self.on:%Y-%m-%d} 没有 " + "、".join(missing),
                expected="、".join(names), fix="补上缺少的条目，或改正 valid 的日期",
            )
        return limits

    def _check_columns(self, names: Iterable[str], where: str) -> None:
        for name in names:
            check_choice(name, self.columns, name="列", where=f"{where}（列约定 {self.data['table']}）")

    def _check_in_force(self) -> None:
        valid = self.data["valid"]
        check_keys(valid, required=("from",), optional=("to",), where=f"{self.path.name} 的 valid")
        if self.on < valid["from"] or self.on > valid.get("to", self.on):
            raise InputError(
                "标准在这一天没有生效",
                where=self.path.name,
                found=f"{self.on:%Y-%m-%d}",
                expected=f"{valid['from']:%Y-%m-%d} 起" + (f"至 {valid['to']:%Y-%m-%d}" if "to" in valid else ""),
                fix="换用当年有效的标准（qbresearch show standards 列出全部）",
            )

    def _citation(self, entry: dict[str, Any], where: str, numbers: tuple[float, ...] = ()) -> Citation:
        return read_citation(entry, sources=self.sources, where=where, numbers=numbers)

    def _source(self, entry: dict[str, Any], where: str) -> Source:
        check_keys(entry, required=("id", "title", "read", "where"), where=where)
        chinese, english = in_both(entry, where, "title")
        return Source(entry["id"], chinese, english or chinese, entry["read"], entry["where"])

    def _stage(self, entry: dict[str, Any], where: str) -> Stage:
        check_keys(entry, required=("id", "label", "students"), where=where)
        self._check_columns([entry["students"]], where)
        return Stage(entry["id"], *bilingual(entry, where), entry["students"])

    def _indicator(self, entry: dict[str, Any], where: str) -> Indicator:
        check_keys(
            entry,
            required=("code", "id", "label", "short", "unit", "counted", "whole_units", "shared", "scale",
                      "clause", "quote", "source", "status"),
            optional=("add", "subtract", "rate", "reading", "note"),
            where=where,
        )
        if ("add" in entry) == ("rate" in entry):
            raise CitationError(
                "指标的分子没有说清", where=where, found="add 与 rate 须有且只有一个",
                expected="add（分子各列）或 rate（已是生均值的列）", fix="保留一个",
            )
        for stage in {**entry.get("add", {}), **entry.get("subtract", {}), **entry.get("rate", {})}:
            check_choice(stage, self.stage_ids, name="学段", where=where)
        check_keys(entry.get("add", entry.get("rate")), required=self.stage_ids, where=f"{where} 的分子")
        for columns in (*entry.get("add", {}).values(), *entry.get("subtract", {}).values()):
            self._check_columns(columns, where)
        self._check_columns(entry.get("rate", {}).values(), where)
        (zh, en), (short_zh, short_en), (unit_zh, unit_en), (counted_zh, counted_en) = (
            bilingual(entry, where, key) for key in ("label", "short", "unit", "counted")
        )
        plain = {key: value for key, value in entry.items() if key != "unit"}
        return Indicator(
            code=entry["code"],
            id=entry["id"],
            label_zh=zh,
            label_en=en,
            short_zh=short_zh,
            short_en=short_en,
            unit_zh=unit_zh,
            unit_en=unit_en,
            counted_zh=counted_zh,
            counted_en=counted_en,
            whole_units=entry["whole_units"],
            shared=entry["shared"],
            scale=float(entry["scale"]),
            add={s: tuple(c) for s, c in entry.get("add", {}).items()},
            subtract={s: tuple(c) for s, c in entry.get("subtract", {}).items()},
            rate=dict(entry.get("rate", {})),
            citation=self._citation(plain, where, (entry["scale"],)),
        )

    def _limits(
        self, kind: str, value: str, *keys: tuple[str, tuple[str, ...]], extra: tuple[str, ...] = ()
    ) -> dict[Any, Limit]:
        names = tuple(name for name, _ in keys)
        limits: dict[Any, Limit] = {}
        for entry, where in self._entries(kind):
            check_keys(
                entry, required=(*names, value, "unit", *CITATION_KEYS), optional=(*CITATION_OPTIONAL, *extra), where=where
            )
            for name, allowed in keys:
                check_choice(entry[name], allowed, name=name, where=where)
            limit = Limit(float(entry[value]), self._citation(entry, where, (entry[value],)))
            self._add(limits, tuple(entry[n] for n in names) if len(names) > 1 else entry[names[0]], limit, where)
        return limits

    def _scope(self) -> dict[str, ScopeRule]:
        rules: dict[str, ScopeRule] = {}
        for entry, where in self._entries("scope"):
            check_keys(
                entry,
                required=("case", "include", *CITATION_KEYS),
                optional=("min_students", "other_reading", *CITATION_OPTIONAL),
                where=where,
            )
            check_choice(entry["case"], SCOPE_CASES, name="范围情形", where=where)
            numbers = (entry["min_students"],) if "min_students" in entry else ()
            rule = ScopeRule(
                entry["case"],
                entry["include"],
                entry.get("min_students"),
                entry.get("other_reading", False),
                self._citation(entry, where, numbers),
            )
            self._add(rules, rule.case, rule, where)
        return rules

    def _splits(self) -> dict[str, Split]:
        splits: dict[str, Split] = {}
        for entry, where in self._entries("split"):
            check_keys(
                entry, required=("school_type", "weights", "unit", *CITATION_KEYS), optional=CITATION_OPTIONAL, where=where
            )
            check_choice(entry["school_type"], SPLITS, name="办学类型", where=where)
            # The stage the others are measured against has weight one by definition and is not printed.
            printed = tuple(w for w in entry["weights"].values() if w != 1)
            split = Split(entry["school_type"], dict(entry["weights"]), self._citation(entry, where, printed))
            self._add(splits, split.school_type, split, where)
        return splits

    def _add(self, found: dict[Any, Any], key: Any, item: Any, where: str) -> None:
        """Keep an entry if it is in force; refuse a second one for the same day."""
        if not item.citation.in_force(self.on):
            return
        if key in found:
            raise CitationError(
                "同一天有两条规定", where=where, found=str(key), expected="同一事项同一天只有一条", fix="用 valid 分开起止日期"
            )
        found[key] = item


def latest_standard(standard_id: str) -> Standard:
    """A standard as in force on its last valid day: today, or the day it ended."""
    check_choice(standard_id, list_standards(), name="标准", where="qbresearch/cited/standards")
    path = CITED / "standards" / f"{standard_id}.toml"
    return read_standard(path, on=read_toml(path)["valid"].get("to", date.today()))


def check_standards() -> tuple[str, ...]:
    """Read every standard that ships with the package and return their ids; raises at the first fault."""
    for standard_id in list_standards():
        latest_standard(standard_id)
    return list_standards()
