"""What a plan of a county or prefecture consists of, and what a use of one adds; see :mod:`qbresearch.rules.plans`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from qbresearch.language import label_of, say
from qbresearch.rules.citations import Citation
from qbresearch.rules.standards import Source

LEVELS = ("county", "prefecture")


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A year, or a month of it; a plan that names only the year has ``month = 0``. ``last`` is its last month."""

    year: int
    month: int = 0

    @property
    def first(self) -> tuple[int, int]:
        """Year and month in which it begins."""
        return self.year, self.month or 1

    @property
    def last(self) -> tuple[int, int]:
        """Year and month in which it ends."""
        return self.year, self.month or 12

    @property
    def words(self) -> str:
        """As it is printed: ``2026 年 12 月``, ``2026 年``."""
        if self.month:
            return say("{year} 年 {month} 月", year=self.year, month=self.month)
        return say("{year} 年", year=self.year)


@dataclass(frozen=True, slots=True)
class Fact:
    """What a plan says of itself, as text: its number, its dates, how many schools it counts."""

    id: str
    value: str
    citation: Citation


@dataclass(frozen=True, slots=True)
class Target:
    """A value a plan sets for something the standard or the evaluation knows, or names beside them.

    ``path`` says what: ``requirement:G11_rotation``, ``cap:coefficient_of_variation:primary``, ``rule:school_min_met``,
    ``threshold:L1:primary`` or ``indicator:<name>`` for something that the plan calls an indicator. ``value`` is in the
    unit of what it changes (shares between 0 and 1); ``None`` where the plan leaves it blank (then ``field`` names the
    blank). ``base`` is who is counted and ``scope`` what for, in the plan's own words: ``same`` where they are those of
    the standard, empty where the plan does not say. ``add`` and ``over_add`` are columns where the plan counts others than
    the standard, else empty. ``due`` is when; ``kind`` is ``goal`` or ``measure``.
    """

    id: str
    path: str
    value: float | None
    field: str
    kind: str
    base: str
    scope: str
    add: tuple[str, ...]
    over_add: tuple[str, ...]
    due: Month | None
    label_zh: str
    label_en: str
    citation: Citation


@dataclass(frozen=True, slots=True)
class Commitment:
    """Something a plan promises beyond the evaluation: a number, a name or a date that no indicator judges.

    ``indicator`` names an indicator of another standard where the plan uses one (``basic-2012:books_per_student``).
    """

    id: str
    label_zh: str
    label_en: str
    value: str
    unit_zh: str
    unit_en: str
    field: str
    indicator: str
    start: Month | None
    due: Month | None
    citation: Citation


@dataclass(frozen=True, slots=True)
class Blank:
    """A blank of a template that a county fills in: what it is, in which unit, and the sentence it stands in.

    ``kind`` is ``number``, ``text`` or ``month``. A number is filled in as the sentence would print it: 20 where it has X%.
    """

    id: str
    label_zh: str
    label_en: str
    unit_zh: str
    unit_en: str
    citation: Citation
    kind: str = "number"


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase of a plan with its months (``None`` where the plan leaves them blank; then the fields name the blanks)."""

    id: str
    label_zh: str
    label_en: str
    start: Month | None
    end: Month | None
    citation: Citation
    start_field: str = ""
    end_field: str = ""


@dataclass(frozen=True, slots=True)
class PlannedSchool:
    """A school of the timetable, its stage, and the year by which it shall meet the standard."""

    name: str
    stage: str
    year: int
    code: str
    citation: Citation


@dataclass(frozen=True, slots=True)
class PlannedCounty:
    """A county of a prefecture's plan and the year of its inspection."""

    name: str
    year: int
    code: str
    citation: Citation


@dataclass(frozen=True, slots=True)
class Condition:
    """What a stage demands: codes of the tree (``resources``, ``G3``, …) or of evidence records (``E-…``).

    ``scope`` is ``starting_grades`` where only these are meant, else empty; ``due`` where the plan names a date.
    """

    id: str
    label_zh: str
    label_en: str
    codes: tuple[str, ...]
    evidence: tuple[str, ...]
    scope: str
    due: Month | None
    citation: Citation


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage counted from the year of inspection (``offset`` years before it), or with an end of its own, or always.

    Exactly one of ``offset``, ``end`` and ``always`` holds.
    """

    id: str
    label_zh: str
    label_en: str
    offset: int | None
    end: Month | None
    always: bool
    conditions: tuple[Condition, ...]
    citation: Citation


@dataclass(frozen=True, slots=True)
class Task:
    """A task or measure: which codes of the tree it answers, and which departments are responsible."""

    id: str
    label_zh: str
    label_en: str
    codes: tuple[str, ...]
    departments: tuple[str, ...]
    due: Month | None
    citation: Citation


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a report in the plan's own structure: title, level, what fills it, codes it reports.

    ``fills`` is ``text`` (a sentence of the plan, quoted), ``codes`` (verdicts of ``codes``), ``finance``,
    ``recognition`` or ``recommendations``. ``part`` is the part of the evaluation the plan puts it in.
    """

    id: str
    title: str
    level: int
    fills: str
    part: str
    codes: tuple[str, ...]
    named: tuple[str, ...]
    citation: Citation


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A recommendation of a plan that is chosen when one of ``codes`` is not met; ``text`` is written by this project."""

    id: str
    section: str
    codes: tuple[str, ...]
    text_zh: str
    text_en: str
    citation: Citation


@dataclass(frozen=True, slots=True)
class Mention:
    """How a plan speaks of a document, body or rule: ``kind``, what it is (``thing``), and what the plan says of it."""

    kind: str
    thing: str
    said: str
    citation: Citation


@dataclass(frozen=True, slots=True)
class Remark:
    """A cited remark on the text of a plan that no rule computes (damaged characters, wording)."""

    text_zh: str
    text_en: str
    citation: Citation


@dataclass(frozen=True, slots=True)
class EvidenceName:
    """What an evidence record that only a plan asks for (``E-…``) is about."""

    id: str
    label_zh: str
    label_en: str


@dataclass(frozen=True, slots=True)
class BesideValue:
    """A number of a further standard, for what ``path`` names (as that of a :class:`Target`; no ``indicator:``).

    ``value`` is in the unit of what it stands for (shares between 0 and 1).
    """

    path: str
    value: float
    citation: Citation


@dataclass(frozen=True, slots=True)
class Beside:
    """A further standard that a plan names beside the national one, such as that of a province.

    ``source`` is the id of its document among the plan's sources. ``read`` says whether anybody could read it; without
    it there are no ``values``, and nothing is judged by it. ``citation`` is where the plan (or the use) names it.
    """

    id: str
    label_zh: str
    label_en: str
    document: str
    source: str
    read: bool
    values: tuple[BesideValue, ...]
    citation: Citation


@dataclass(frozen=True, slots=True)
class Plan:
    """One plan. ``evaluation`` is the evaluation it builds on; ``place`` is real unless ``simulated``.

    ``complete`` says that the plan restates the whole standard, so that what it leaves out is worth a remark.
    ``period`` is what its title or timetable says; ``target`` is when the county shall meet the standard. ``options``
    are the choices it makes where documents disagree (option id to choice id of the evaluation), ``evidence`` the names
    of records that only the plan asks for, ``beside`` further standards that it names. ``source_id`` and ``county_code``
    are those of a county's own plan that names its data itself.
    """

    id: str
    label_zh: str
    label_en: str
    document: str
    place: str
    level: str
    simulated: bool
    evaluation: str
    complete: bool
    issued: Month | None
    target: Month | None
    period: tuple[Month, Month] | None
    sha256: str
    sources: Mapping[str, Source]
    facts: Mapping[str, Fact]
    targets: tuple[Target, ...]
    commitments: tuple[Commitment, ...]
    blanks: tuple[Blank, ...]
    phases: tuple[Phase, ...]
    schools: tuple[PlannedSchool, ...]
    counties: tuple[PlannedCounty, ...]
    stages: tuple[Stage, ...]
    tasks: tuple[Task, ...]
    sections: tuple[Section, ...]
    recommendations: tuple[Recommendation, ...]
    mentions: tuple[Mention, ...]
    remarks: tuple[Remark, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    evidence: Mapping[str, EvidenceName] = field(default_factory=dict)
    beside: tuple[Beside, ...] = ()
    source_id: str = ""
    county_code: str = ""

    def evidence_label(self, code: str) -> str:
        """What the evidence record ``code`` is about, in the report's language.

        Its own name, else that of the first condition that asks for it; empty where the plan does not know the code.
        """
        if code in self.evidence:
            return label_of(self.evidence[code])
        asking = (c for stage in self.stages for c in stage.conditions if code in c.evidence)
        return next(map(label_of, asking), "")


@dataclass(frozen=True, slots=True)
class PlanUse:
    """A plan applied to data: blanks filled in, planned schools and counties with the codes that stand for them.

    ``plan`` is the plan with the fills in its targets, commitments and phases and the codes in its schools and counties;
    ``fills`` are what the file gives. A plan used as it stands has no fills and maps nothing. ``note`` says whose numbers
    the fills are. ``options`` are the plan's choices with those of the use on top (option id to choice id).
    """

    id: str
    plan: Plan
    source_id: str
    county_code: str
    simulated: bool
    fills: Mapping[str, float | str]
    school_codes: Mapping[str, str]
    county_codes: Mapping[str, str]
    note: str
    signed: date | None
    label_zh: str
    label_en: str
    note_en: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def note_zh(self) -> str:
        """The note in Chinese, so that :func:`qbresearch.language.label_of` finds both languages."""
        return self.note
