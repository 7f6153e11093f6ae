"""What an evaluation consists of: parts, items, requirements, options, respondents, monitoring schemes, procedure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import pandas as pd

from qbresearch.errors import InputError, check_choice
from qbresearch.language import clauses, label_of, listed, say
from qbresearch.rules.citations import Citation, status_words
from qbresearch.rules.columns import load_table
from qbresearch.rules.standards import Source

PARTS = ("prerequisites", "resources", "government", "quality", "recognition", "veto", "supplement")
"""Parts of an evaluation in the order of its tree; ``supplement`` is shown and decides nothing."""
ITEM_KINDS = ("resources", "ratio", "schools", "evidence", "mixed", "reported", "survey", "series")
COMPARISONS = ("at_least", "at_most", "below", "not_less")
SIGNS = {"at_least": "≥", "at_most": "≤", "below": "<", "not_less": "≥"}
TIDY_COLUMNS = ("entry", "value", "unit", "status", "clause", "quote", "source", "remark")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the evaluation (资源配置, 政府保障程度, …); ``decides`` says whether it counts for the verdict."""

    id: str
    label_zh: str
    label_en: str
    decides: bool


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition of an item that data can decide.

    The value is ``sum(add) - sum(subtract)`` over ``sum(over_add) - sum(over_subtract)`` (over 1 where both are empty),
    in columns of ``table``; empty tuples where code derives the value (rooms, classes, surveys). ``comparison`` is one of
    ``COMPARISONS``; ``key`` says for whom the limit holds where it differs (a stage, a school type), else it is empty.
    ``percent`` values are shares between 0 and 1 that are printed as percentages. ``option`` names the option that sets
    the limit or the formula, and ``citation`` then is that of the choice in force where the limit comes from it.
    """

    id: str
    item: str
    label_zh: str
    label_en: str
    key: str
    table: str
    add: tuple[str, ...]
    subtract: tuple[str, ...]
    over_add: tuple[str, ...]
    over_subtract: tuple[str, ...]
    comparison: str
    limit: float
    percent: bool
    unit_zh: str
    unit_en: str
    option: str
    citation: Citation

    @property
    def limit_words(self) -> str:
        """The comparison and the limit as they are printed: ``≥ 95 %``, ``< 0.15``, ``≥ 6000``."""
        limit = f"{self.limit * 100:g} %" if self.percent else f"{self.limit:g}"
        return f"{SIGNS[self.comparison]} {limit}"

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column the requirement reads, once."""
        return tuple(dict.fromkeys((*self.add, *self.subtract, *self.over_add, *self.over_subtract)))


@dataclass(frozen=True, slots=True)
class Choice:
    """One reading of an option: a number or a name, with where it comes from."""

    id: str
    value: float | str
    label_zh: str
    label_en: str
    citation: Citation


@dataclass(frozen=True, slots=True)
class Option:
    """A named setting on which documents disagree; ``chosen`` is the id of the choice in force."""

    id: str
    item: str
    label_zh: str
    label_en: str
    chosen: str
    choices: Mapping[str, Choice]

    @property
    def choice(self) -> Choice:
        """The choice in force."""
        return self.choices[self.chosen]

    @property
    def numeric(self) -> bool:
        """Whether the choices are limits of the requirement that names the option, and no names of readings."""
        return not isinstance(self.choice.value, str)


@dataclass(frozen=True, slots=True)
class Item:
    """One indicator, veto, prerequisite or supplement: ``G7``, ``Q9``, ``R``, ``V1``, ``P1``, ``F1``, ``L1``.

    ``counted`` says who is counted. ``evidence`` lists the codes of evidence records that a qualitative item, or the
    qualitative half of a ``mixed`` one, needs (usually its own code); ``evidence_labels`` names those that are parts of
    the item, in Chinese and English.
    """

    code: str
    part: str
    kind: str
    label_zh: str
    label_en: str
    short_zh: str
    short_en: str
    counted_zh: str
    counted_en: str
    evidence: tuple[str, ...]
    citation: Citation
    evidence_labels: Mapping[str, Evidence] = field(default_factory=dict)

    def evidence_label(self, code: str) -> str:
        """What the evidence record ``code`` is about; the item itself where it has no label of its own."""
        return label_of(self.evidence_labels.get(code, self))


@dataclass(frozen=True, slots=True)
class Evidence:
    """One of the records that a qualitative item needs."""

    code: str
    label_zh: str
    label_en: str


@dataclass(frozen=True, slots=True)
class Group:
    """A group of respondents of the recognition survey."""

    id: str
    label_zh: str
    label_en: str
    citation: Citation


@dataclass(frozen=True, slots=True)
class Scheme:
    """A monitoring scheme: its subjects and the cycle in which they are monitored (year of the cycle, from 1, to subjects)."""

    id: str
    label_zh: str
    label_en: str
    valid_from: date
    valid_to: date | None
    subjects: tuple[str, ...]
    cycle: Mapping[int, tuple[str, ...]]
    citation: Citation


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the national procedure as a year of recognition had it."""

    year: int
    order: int
    label_zh: str
    label_en: str
    citation: Citation


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A whole evaluation as in force on one day; its resource part is the standard of the same id.

    ``requirements`` are those of the choices in force, by id. ``alternatives`` holds those that belong to a choice of an
    option (a formula), by requirement id and choice id, whichever is in force.
    """

    id: str
    label_zh: str
    label_en: str
    document: str
    on: date
    sha256: str
    sources: Mapping[str, Source]
    parts: tuple[Part, ...]
    items: tuple[Item, ...]
    requirements: Mapping[str, Requirement]
    options: Mapping[str, Option]
    groups: tuple[Group, ...]
    schemes: tuple[Scheme, ...]
    steps: tuple[Step, ...]
    alternatives: Mapping[tuple[str, str], Requirement] = field(default_factory=dict)

    def part(self, part_id: str) -> Part:
        """The part with this id; :class:`InputError` listing the choices if there is none."""
        check_choice(part_id, [p.id for p in self.parts], name="部分", where=f"评估 {self.id}")
        return next(p for p in self.parts if p.id == part_id)

    def item(self, code: str) -> Item:
        """The item with this code."""
        check_choice(code, [i.code for i in self.items], name="条目", where=f"评估 {self.id}")
        return next(i for i in self.items if i.code == code)

    def requirement(self, requirement_id: str) -> Requirement:
        """The requirement with this id, as the choices in force make it."""
        check_choice(requirement_id, self.requirements, name="要求", where=f"评估 {self.id}")
        return self.requirements[requirement_id]

    def option(self, option_id: str) -> Option:
        """The option with this id."""
        check_choice(option_id, self.options, name="选项", where=f"评估 {self.id}")
        return self.options[option_id]

    def items_of(self, part_id: str) -> tuple[Item, ...]:
        """Items of a part, in the order of the file."""
        part = self.part(part_id)
        return tuple(i for i in self.items if i.part == part.id)

    def requirements_of(self, item_code: str) -> tuple[Requirement, ...]:
        """Requirements of an item, in the order of the file; none for items that evidence alone decides."""
        item = self.item(item_code)
        return tuple(r for r in self.requirements.values() if r.item == item.code)

    def choose(self, choices: Mapping[str, str]) -> Evaluation:
        """The same evaluation with other choices in force.

        Parameters
        ----------
        choices : mapping
            Option id to choice id. Options that are not named keep the choice in force.

        Raises
        ------
        InputError
            No such option or choice; the message lists what there is.
        """
        options, requirements = dict(self.options), dict(self.requirements)
        for option_id, choice_id in choices.items():
            option = self.option(option_id)
            check_choice(choice_id, option.choices, name=f"选法（{option_id}）", where=f"评估 {self.id}")
            options[option_id] = option = replace(option, chosen=choice_id)
            for known in self.requirements.values():
                if known.option == option_id:
                    other = self.alternatives.get((known.id, choice_id), known)
                    requirements[known.id] = limited(other, option)
        return replace(self, options=options, requirements=requirements)

    def scheme_on(self, on: date) -> Scheme:
        """The monitoring scheme in force on a day.

        Raises
        ------
        InputError
            No scheme of the evaluation was in force then.
        """
        found = [s for s in self.schemes if s.valid_from <= on and (s.valid_to is None or on <= s.valid_to)]
        if not found:
            raise InputError(
                "这一天没有登记监测方案", where=f"评估 {self.id}", found=f"{on:%Y-%m-%d}",
                expected="；".join(
                    f"{s.label_zh}：{s.valid_from:%Y-%m-%d} 起" + (f"至 {s.valid_to:%Y-%m-%d}" if s.valid_to else "")
                    for s in self.schemes
                ),
                fix="核对监测年份",
            )
        return found[0]

    def steps_in(self, year: int) -> tuple[Step, ...]:
        """Steps of the national procedure in a year, in order: those of the last year known up to then, none before the
        first."""
        last = max((s.year for s in self.steps if s.year <= year), default=None)
        return tuple(sorted((s for s in self.steps if s.year == last), key=lambda s: s.order))

    def unverified(self) -> tuple[str, ...]:
        """One sentence per source of entries of status ``unverified`` that verdicts rest on, for the pages that give them."""
        found: dict[str, list[str]] = {}
        for row in (*self._item_rows(), *self._choice_rows(in_force=True)):
            if row.citation.status == "unverified":
                told = say("{what}（{value}）", what=row.what, value=row.value) if row.value else row.what
                found.setdefault(label_of(self.sources[row.citation.source], "title"), []).append(told)
        return tuple(
            say("{whats}未能在正式文本中核实，只见于{title}", whats=listed(whats), title=title)
            for title, whats in found.items()
        )

    def tidy(self) -> pd.DataFrame:
        """Every requirement in force, every choice of every option (the one in force is marked), every item that evidence
        or the standard decides, respondent group, scheme and step in one row: entry, value with its sign, unit, status,
        clause, quotation, source, remark (how the value follows from the quotation, and notes)."""
        words = status_words()
        return pd.DataFrame(
            [
                (row.what, row.value, row.unit, words[c.status], c.said("clause"), c.said("quote"),
                 label_of(self.sources[c.source], "title"),
                 clauses(filter(None, (c.said("reading"), c.said("note")))))
                for row in (*self._item_rows(), *self._choice_rows(), *self._other_rows()) for c in (row.citation,)
            ],
            columns=list(TIDY_COLUMNS),
        )

    def _item_rows(self) -> Iterator[_Row]:
        """Requirements in force, and items or their halves that evidence decides, in the order of the tree."""
        for item in self.items:
            needed = self.requirements_of(item.code)
            yield from (
                _Row(say("{code} {label}", code=item.code, label=label_of(r)), r.limit_words, label_of(r, "unit"), r.citation)
                for r in needed
            )
            if not needed or item.evidence:
                kind = say("按标准的资源配置部分判定") if item.kind == "resources" else say("凭佐证材料判定")
                yield _Row(say("{code} {label}", code=item.code, label=label_of(item)), kind, "", item.citation)

    def _other_rows(self) -> Iterator[_Row]:
        """Respondents, monitoring schemes and steps of the procedure."""
        yield from (_Row(say("调查对象：{group}", group=label_of(g)), "", "", g.citation) for g in self.groups)
        for scheme in self.schemes:
            subjects = load_table("county-report").choice_labels("subject")
            yield _Row(
                say("监测方案：{scheme}", scheme=label_of(scheme)), listed(subjects[s] for s in scheme.subjects), "", scheme.citation
            )
        for step in self.steps:
            yield _Row(say("{year} 年国家认定程序第 {n} 步", year=step.year, n=step.order), label_of(step), "", step.citation)

    def _choice_rows(self, *, in_force: bool = False) -> Iterator[_Row]:
        """Choices of options; ``in_force`` leaves out the others, and limits, which are told with their requirement."""
        for option in self.options.values():
            for choice in option.choices.values():
                chosen = choice.id == option.chosen
                if in_force and (option.numeric or not chosen):
                    continue
                what = say("选项：{option}", option=label_of(option))
                value = say("{choice}（采用）", choice=label_of(choice)) if chosen and not in_force else label_of(choice)
                yield _Row(what, value, choice.citation.said("unit"), choice.citation)


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the rule table before it is printed."""

    what: str
    value: str
    unit: str
    citation: Citation


def limited(requirement: Requirement, option: Option) -> Requirement:
    """A requirement with the limit, and the citation, of the choice in force where the option's choices are limits."""
    if not option.numeric:
        return requirement
    return replace(requirement, limit=float(option.choice.value), citation=option.choice.citation)
