"""Every value of a plan in words: what it is, where it stands, and for targets how it stands to the standard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

import pandas as pd

from qbresearch.language import clauses, label_of, listed, say
from qbresearch.rules.citations import Citation, status_words
from qbresearch.rules.evaluations import Evaluation
from qbresearch.rules.overlays import explain
from qbresearch.rules.plan_types import Month, Plan, PlanUse, Stage
from qbresearch.rules.standards import Source, Standard

COLUMNS = ["group", "entry", "value", "clause", "quote", "status", "source", "remark"]
SCHOOLS, ROOT, EVIDENCE = "schools", "county", "evidence"


def describe(use: PlanUse, evaluation: Evaluation, standard: Standard) -> pd.DataFrame:
    """Everything a plan says, entry by entry, with its words and where they stand.

    Parameters
    ----------
    use : PlanUse
        The plan; blanks show what fills them.
    evaluation, standard : Evaluation, Standard
        What the plan builds on, with its options chosen (:meth:`Evaluation.choose`).

    Returns
    -------
    DataFrame
        Columns ``COLUMNS``, in the order in which a reader needs them: the document itself, targets (sentence beside the
        standard), commitments, blanks, phases, timetable, counties, stages and their conditions, tasks with departments,
        further standards, options, sections, recommendations, terms, remarks. ``group`` is the heading; ``remark`` says
        how a value follows from the quotation, and for targets what the standard says.
    """
    words = _Words(use, evaluation, standard)
    status, sources = status_words(), {**evaluation.sources, **use.plan.sources}
    rows = []
    for group, told in words.groups():
        for line in told():
            rows.append((group, line.entry, line.value, *_cited(line, status, sources), line.remark or _remark(line.citation)))
    return pd.DataFrame(rows, columns=COLUMNS)


@dataclass(frozen=True, slots=True)
class _Line:
    """One entry before it is laid out; ``ready`` are clause, quotation, status and source where they are words already."""

    entry: str
    value: str
    citation: Citation | None = None
    remark: str = ""
    ready: tuple[str, str, str, str] = ("", "", "", "")


def _cited(line: _Line, status: dict[str, str], sources: dict[str, Source]) -> tuple[str, str, str, str]:
    cited = line.citation
    if cited is None:
        return line.ready
    return cited.said("clause"), cited.said("quote"), status[cited.status], label_of(sources[cited.source], "title")


def _remark(cited: Citation | None) -> str:
    return clauses(filter(None, (cited.said("reading"), cited.said("note")))) if cited else ""


class _Words:
    """Lines of every kind of entry."""

    def __init__(self, use: PlanUse, evaluation: Evaluation, standard: Standard) -> None:
        self.use, self.evaluation, self.standard = use, evaluation, standard
        self.plan: Plan = use.plan

    def groups(self) -> list[tuple[str, Callable[[], Iterable[_Line]]]]:
        """Headings and what makes their lines, in order."""
        return [
            (say("文件本身"), self.facts), (say("目标"), self.targets), (say("承诺"), self.commitments),
            (say("空格"), self.blanks), (say("阶段"), self.phases), (say("达标进度"), self.timetable),
            (say("各县验收年份"), self.counties), (say("阶段与条件"), self.stages), (say("任务与责任部门"), self.tasks),
            (say("并列的标准"), self.beside), (say("所取的选项"), self.options), (say("报告体例"), self.sections),
            (say("建议"), self.recommendations), (say("提法"), self.mentions), (say("原文状况"), self.remarks),
        ]  # fmt: skip

    def facts(self) -> Iterator[_Line]:
        """What the document says of itself."""
        for fact in self.plan.facts.values():
            value = " ".join(filter(None, (fact.value, fact.citation.said("unit"))))
            yield _Line(fact.citation.said("clause"), value, fact.citation)

    def targets(self) -> Iterator[_Line]:
        """Every target with its sentence; the standard's words as remark."""
        for row in explain(self.use, self.evaluation, self.standard).itertuples():
            base = (
                say("标准：{clause}“{quote}”（{source}）", clause=row.base_clause, quote=row.base_quote, source=row.base_source)
                if row.base_quote else ""
            )  # fmt: skip
            ready = (row.clause, row.quote, row.status, row.source)
            yield _Line(row.entry, row.sentence, None, clauses(filter(None, (row.remark, base))), ready)

    def commitments(self) -> Iterator[_Line]:
        """Numbers and dates beyond the evaluation."""
        for c in self.plan.commitments:
            value = " ".join(filter(None, (c.value, label_of(c, "unit")))) if c.value else ""
            yield _Line(label_of(c), _joined(value or self._blank(c.field), _span(c.start, c.due)), c.citation)

    def blanks(self) -> Iterator[_Line]:
        """What is filled in, and what is not."""
        for blank in self.plan.blanks:
            filled = " ".join(filter(None, (self._filled(blank.id), label_of(blank, "unit"))))
            value = say("填：{value}", value=filled) if blank.id in self.use.fills else self._blank(blank.id)
            yield _Line(label_of(blank), value, blank.citation)

    def phases(self) -> Iterator[_Line]:
        """Phases with their months."""
        for phase in self.plan.phases:
            yield _Line(label_of(phase), _span(phase.start, phase.end) or say("月份未填"), phase.citation)

    def timetable(self) -> Iterator[_Line]:
        """Planned schools year by year; with the codes that stand for them."""
        stages = {stage.id: label_of(stage) for stage in self.standard.stages}
        for (year, stage), schools in groupby(self.plan.schools, key=lambda s: (s.year, s.stage)):
            known = list(schools)
            yield _Line(_joined(Month(year).words, stages[stage]), listed(_named(s.name, s.code) for s in known), known[0].citation)

    def counties(self) -> Iterator[_Line]:
        """Planned counties year by year; with the codes that stand for them."""
        for year, counties in groupby(self.plan.counties, key=lambda c: c.year):
            known = list(counties)
            yield _Line(Month(year).words, listed(_named(c.name, c.code) for c in known), known[0].citation)

    def stages(self) -> Iterator[_Line]:
        """Stages with their time, and each of their conditions."""
        for stage in self.plan.stages:
            yield _Line(label_of(stage), _when(stage), stage.citation)
            for c in stage.conditions:
                needed = [*map(self._code, c.codes), *(self._evidence(code) for code in c.evidence)]
                scope = say("只看起始年级") if c.scope else ""
                due = say("期限 {month}", month=c.due.words) if c.due else ""
                yield _Line(f"{label_of(stage)} · {label_of(c)}", _joined(listed(needed), scope, due), c.citation)

    def tasks(self) -> Iterator[_Line]:
        """Tasks: what they answer, who is responsible, until when."""
        for task in self.plan.tasks:
            codes = say("对应 {codes}", codes=listed(map(self._code, task.codes)))
            who = say("责任部门 {departments}", departments=listed(task.departments)) if task.departments else ""
            due = say("期限 {month}", month=task.due.words) if task.due else ""
            yield _Line(label_of(task), _joined(codes, who, due), task.citation)

    def beside(self) -> Iterator[_Line]:
        """Further standards the plan names, and the numbers somebody gave of them."""
        for beside in self.plan.beside:
            name = say("{standard}（{document}）", standard=label_of(beside), document=beside.document)
            state = say("给出 {n} 个数", n=len(beside.values)) if beside.read else say("未能读到，不作判定")
            yield _Line(name, state, beside.citation)
            for value in beside.values:
                label, limit = limit_words(value.path, value.value, self.evaluation, self.standard)
                yield _Line(f"{label_of(beside)} · {label}", limit, value.citation)

    def options(self) -> Iterator[_Line]:
        """Choices the plan or its use makes where documents disagree."""
        for name, chosen in self.use.options.items():
            option = self.evaluation.options[name]
            yield _Line(label_of(option), label_of(option.choices[chosen]), option.choices[chosen].citation)

    def sections(self) -> Iterator[_Line]:
        """Sections of a report and what fills them."""
        for section in self.plan.sections:
            yield _Line(section.title, listed(map(self._code, section.codes)), section.citation)

    def recommendations(self) -> Iterator[_Line]:
        """Recommendations and the items that call for them."""
        for r in self.plan.recommendations:
            yield _Line(say("针对 {codes}", codes=listed(map(self._code, r.codes))), label_of(r, "text"), r.citation)

    def mentions(self) -> Iterator[_Line]:
        """How the document calls things."""
        for mention in self.plan.mentions:
            source = self.plan.sources.get(mention.thing)
            yield _Line(label_of(source, "title") if source else self._code(mention.thing), mention.said, mention.citation)

    def remarks(self) -> Iterator[_Line]:
        """The state of the text."""
        for remark in self.plan.remarks:
            yield _Line(remark.citation.said("clause"), label_of(remark, "text"), remark.citation)

    def _filled(self, name: str) -> str:
        value = self.use.fills.get(name, "")
        return value if isinstance(value, str) else f"{value:g}"

    def _blank(self, name: str) -> str:
        if not name:
            return ""
        unit = next(label_of(b, "unit") for b in self.plan.blanks if b.id == name)
        return " ".join(filter(None, (self._filled(name), unit))) if name in self.use.fills else say("未填")

    def _evidence(self, code: str) -> str:
        own = self.plan.evidence_label(code)
        item = next((i for i in self.evaluation.items if code in i.evidence), None)
        return say("材料：{what}", what=item.evidence_label(code) if item else own)

    def _code(self, code: str) -> str:
        """A code of the tree with its name; a word of the plan's own as it stands."""
        names = {item.code: f"{item.code} {label_of(item, 'short')}" for item in self.evaluation.items}
        names |= {part.id: label_of(part) for part in self.evaluation.parts}
        names |= {r.id: label_of(r) for r in self.evaluation.requirements.values()}
        names |= {ROOT: label_of(self.evaluation), SCHOOLS: say("每所学校达标")}
        if code in names:
            return names[code]
        if code in self.plan.evidence or any(code in i.evidence for i in self.evaluation.items) or self.plan.evidence_label(code):
            return self._evidence(code)
        base, _, rest = code.partition(":")
        stages = {stage.id: label_of(stage) for stage in self.standard.stages}
        if base in names and rest in (*stages, EVIDENCE):
            return say("{item}（{part}）", item=names[base], part=stages.get(rest) or say("佐证"))
        return say("校际差异系数") if base == "cap" else code


def limit_words(path: str, value: float, evaluation: Evaluation, standard: Standard) -> tuple[str, str]:
    """What a path of a plan names, and a value of it as a limit: ``教师交流轮岗比例``, ``≥ 15 %``."""
    kind, *names = path.split(":")
    if kind == "requirement":
        requirement = evaluation.requirements[names[0]]
        shown = replace(requirement, limit=value).limit_words
        unit = "" if requirement.percent or requirement.unit_zh == "1" else label_of(requirement, "unit")
        return label_of(requirement), " ".join(filter(None, (shown, unit)))
    stages = {stage.id: label_of(stage) for stage in standard.stages}
    if kind == "cap":
        return say("校际差异系数（{stage}）", stage=stages[names[1]]), f"≤ {value:.2f}" if round(value, 2) == value else f"≤ {value:g}"
    if kind == "threshold":
        indicator = next(i for i in standard.indicators if i.code == names[0])
        return say("{item}（{part}）", item=f"{indicator.code} {label_of(indicator)}", part=stages[names[1]]), f"≥ {value:g}"
    return say("每所学校达标的规则"), f"≥ {value:g}"


def _joined(*parts: str) -> str:
    return clauses(filter(None, parts))


def _named(name: str, code: str) -> str:
    return say("{name}（{code}）", name=name, code=code) if code else name


def _span(start: Month | None, end: Month | None) -> str:
    if start and end and start != end:
        return say("{start}至 {end}", start=start.words, end=end.words)
    return (end or start).words if end or start else ""  # type: ignore[union-attr]


def _when(stage: Stage) -> str:
    if stage.always:
        return say("长期")
    if stage.end:
        return say("{month}前", month=stage.end.words)
    return say("验收前 {n} 年", n=stage.offset) if stage.offset else say("验收当年")
