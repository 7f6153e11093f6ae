"""Dates of a plan against each other, against its issue, and against the statistics on which an inspection rests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from qbresearch.language import label_of, listed, say
from qbresearch.results.plans.findings import (
    Case,
    Finding,
    month_words,
    statistics_month,
)
from qbresearch.rules.citations import Citation
from qbresearch.rules.plans import Commitment, Condition, Month, Stage, Task

RESOURCES = "resources"
STARTING_GRADES = "starting_grades"
HORIZON = "horizon"
COUNTED = ("校舍", "场地", "场馆", "功能室", "用房", "学位", "新建", "改扩建", "设施", "设备", "装备", "招聘", "编制")
"""Words of commitments whose fulfilment school statistics count: buildings, equipment, posts. Courses or culture they
do not."""
SCHOOLS, TOTAL = "schools", "schools_total"
ISSUED, DUE, PERIOD = "issued", "due", "period"


def check_dates(case: Case) -> Iterator[Finding]:
    """What ends too late, begins too early, overlaps, or does not add up."""
    yield from _ends_late(case)
    yield from _begins_early(case)
    yield from _phases(case)
    yield from _period(case)
    yield from _totals(case)
    yield from _conditions(case)


def _fact(case: Case, name: str) -> Citation | None:
    """What quotes a date of the plan."""
    return case.plan.facts[name].citation if name in case.plan.facts else None


@dataclass(frozen=True, slots=True)
class Dated:
    """Something a plan dates: ids and labels of all entries that rest on one sentence of it."""

    ids: tuple[str, ...]
    label: str
    due: Month
    citation: Citation
    counted: bool = False


def _dated(entries: Iterable[Commitment | Task], on_statistics: frozenset[str]) -> list[Dated]:
    """Entries with a date, those of one sentence together: it promises a sum, schools and places by one date.

    ``counted`` says that school statistics show whether it was kept.
    """
    found: dict[tuple[str, Month], list[Commitment | Task]] = {}
    for entry in entries:
        if entry.due is not None:
            found.setdefault((entry.citation.quote, entry.due), []).append(entry)
    return [
        Dated(tuple(e.id for e in same), listed(map(label_of, same)), due, same[0].citation, any(_counted(e, on_statistics) for e in same))
        for (_, due), same in found.items()
    ]


def _counted(entry: Commitment | Task, on_statistics: frozenset[str]) -> bool:
    if isinstance(entry, Task):
        return bool(on_statistics & set(entry.codes))
    return any(word in entry.label_zh + entry.citation.quote for word in COUNTED)


def _on_statistics(case: Case) -> frozenset[str]:
    """Codes that school statistics decide."""
    return frozenset({RESOURCES, SCHOOLS, *(item.code for item in case.part_items(RESOURCES))})


def _ends_late(case: Case) -> Iterator[Finding]:
    target = case.plan.target
    if target is None:
        return
    goal = _fact(case, DUE)
    statistics = statistics_month(target.year)
    works = _dated((*case.plan.commitments, *case.plan.tasks), _on_statistics(case))
    phases = [Dated((p.id,), label_of(p), p.end, p.citation) for p in case.plan.phases if p.end is not None]
    schools = [Dated((s.name,), s.name, Month(s.year), s.citation) for s in case.plan.schools]
    for work in (*works, *phases, *schools):
        values = {"label": work.label, "due": month_words(work.due)}
        if work.due.last > target.last:
            sentence = say("“{label}”到 {due}才完成，晚于规划的目标时间 {target}", target=month_words(target), **values)
            yield Finding("ends_after_target", work.ids, sentence, work.citation, goal)
        elif work.counted and work.due.first > statistics.first:
            sentence = say(
                "“{label}”到 {due}完成；如验收依据上一年9月的学校统计（未核实），{year} 年的验收用 {statistics}的数据，反映不出来",
                year=target.year, statistics=month_words(statistics), **values,
            )  # fmt: skip
            yield Finding("tight_deadline", work.ids, sentence, work.citation, goal)


def _begins_early(case: Case) -> Iterator[Finding]:
    issued, facts = case.plan.issued, case.plan.facts
    if issued is None:
        return
    cited = _fact(case, ISSUED)
    for phase in case.plan.phases:
        if phase.start is not None and phase.start.last < issued.first:
            values = {"label": label_of(phase), "start": month_words(phase.start), "issued": month_words(issued)}
            sentence = say("“{label}”从 {start}开始，早于规划印发的 {issued}", **values)
            yield Finding("begins_before_issue", (phase.id,), sentence, phase.citation, cited)
    if case.plan.target and HORIZON in facts and facts[HORIZON].value.isdigit():
        years = int(facts[HORIZON].value)
        start = Month(case.plan.target.year - years + 1)
        if start.last < issued.first:
            sentence = say(
                "“{years} 年内”到 {target}为止，须从 {start}算起，早于规划印发的 {issued}", years=years, target=month_words(case.plan.target),
                start=month_words(start), issued=month_words(issued),
            )  # fmt: skip
            yield Finding("begins_before_issue", (HORIZON,), sentence, facts[HORIZON].citation, cited)
    for stage in case.plan.stages:
        for county in case.plan.counties:
            placed = stage_month(stage, county.year)
            if placed is not None and placed.last < issued.first:
                sentence = say(
                    "{county}：“{stage}”按验收年份 {year} 推算在 {placed}，早于规划印发的 {issued}", county=county.name, stage=label_of(stage),
                    year=county.year, placed=month_words(placed), issued=month_words(issued),
                )  # fmt: skip
                yield Finding("begins_before_issue", (stage.id, county.name), sentence, stage.citation, county.citation)


def stage_month(stage: Stage, target_year: int) -> Month | None:
    """When a stage is, for a county inspected in a year; ``None`` for a stage that holds always."""
    if stage.offset is not None:
        return Month(target_year - stage.offset)
    return stage.end


def due_month(condition: Condition, stage: Stage, target_year: int) -> Month:
    """When a condition is due: on its own date, else with its stage; what holds always is due from the inspection on."""
    return condition.due or stage_month(stage, target_year) or Month(target_year)


def _phases(case: Case) -> Iterator[Finding]:
    known = [p for p in case.plan.phases if p.start is not None and p.end is not None]
    for before, after in pairwise(known):
        values = {
            "before": label_of(before), "end": month_words(before.end), "after": label_of(after),
            "start": month_words(after.start),
        }  # fmt: skip
        if after.start == before.end and not before.end.month:
            sentence = say("“{before}”和“{after}”都写到 {end}，没有写明月份", **values)
            yield Finding("phases_share_year", (before.id, after.id), sentence, before.citation, after.citation)
        elif after.start.first <= before.end.last:
            sentence = say("“{before}”到 {end}为止，“{after}”从 {start}开始：两个阶段重叠", **values)
            yield Finding("phases_overlap", (before.id, after.id), sentence, before.citation, after.citation)
        elif after.start.first > _next_month(before.end):
            sentence = say("“{before}”到 {end}为止，“{after}”从 {start}开始：中间有空档", **values)
            yield Finding("phases_gap", (before.id, after.id), sentence, before.citation, after.citation)


def _next_month(month: Month) -> tuple[int, int]:
    year, number = month.last
    return (year + 1, 1) if number == 12 else (year, number + 1)


def _period(case: Case) -> Iterator[Finding]:
    plan = case.plan
    if plan.period is None:
        return
    dates = [plan.target, *(Month(x.year) for x in (*plan.schools, *plan.counties)), *(p.end for p in plan.phases)]
    last = max((date for date in dates if date is not None), key=lambda date: date.last, default=None)
    if last is not None and plan.period[1].last > last.last and plan.period[1].year > last.year:
        fact = _fact(case, PERIOD)
        sentence = say(
            "{where}写到 {end}，安排只到 {last}", where=fact.said("clause") if fact else say("规划年限"),
            end=month_words(plan.period[1]), last=month_words(Month(last.year)),
        )  # fmt: skip
        yield Finding("period_longer", (PERIOD,), sentence, _fact(case, PERIOD), _fact(case, DUE))


def _totals(case: Case) -> Iterator[Finding]:
    """Numbers of schools that the plan states beside the number its timetable names."""
    schools = case.plan.schools
    if not schools:
        return
    named = Counter(school.stage for school in schools)
    counted = {TOTAL: len(schools), **{f"{SCHOOLS}_{s.id}": named[s.id] for s in case.standard.stages}}
    for name, found in counted.items():
        if name in case.plan.facts and case.plan.facts[name].value != str(found):
            fact = case.plan.facts[name]
            sentence = say("规划写明 {said} 所学校，进度表列出 {found} 所", said=fact.value, found=found)
            yield Finding("counts_differ", (name,), sentence, fact.citation, schools[-1].citation)


def _conditions(case: Case) -> Iterator[Finding]:
    """Conditions of stages that ask for less than the inspection of the same year, or are due after its statistics."""
    counted = _on_statistics(case)
    for stage in case.plan.stages:
        for condition in stage.conditions:
            weak, late = [], []
            for county, year in case.inspections().items():
                due = due_month(condition, stage, year)
                if condition.scope == STARTING_GRADES and due.year >= year:
                    weak.append((county, year))
                on_statistics = {code.partition(":")[0] for code in condition.codes} & counted
                if on_statistics and not stage.always and due.first > statistics_month(year).first:
                    late.append((county, year))
            yield from _weak_condition(case, condition, weak)
            yield from _late_condition(case, stage, condition, late)


def _weak_condition(case: Case, condition: Condition, counties: list[tuple[str, int]]) -> Iterator[Finding]:
    if not counties:
        return
    items = [item for item in case.evaluation.items if item.code in condition.codes]
    required = label_of(items[0]) if items else listed(condition.codes)
    names = listed(say("{county}（{year} 年）", county=county, year=year) for county, year in counties)
    sentence = say(
        "“{condition}”只要求起始年级；当年就要验收的{counties}须全部达到“{required}”", condition=label_of(condition), counties=names,
        required=required,
    )  # fmt: skip
    about = (condition.id, *(county for county, _ in counties))
    yield Finding("weaker_condition", about, sentence, condition.citation, items[0].citation if items else None)


def _late_condition(case: Case, stage: Stage, condition: Condition, counties: list[tuple[str, int]]) -> Iterator[Finding]:
    if not counties:
        return
    places = [
        say("{counties}（{year} 年验收，统计为 {statistics}）", year=year, statistics=month_words(statistics_month(year)),
            counties=listed(county for county, own in counties if own == year) or case.plan.place)
        for year in sorted({year for _, year in counties})
    ]  # fmt: skip
    sentence = say(
        "“{condition}”（{stage}）到验收当年才要求；如验收依据上一年9月的学校统计（未核实），届时数据已不能改变：{places}",
        condition=label_of(condition), stage=label_of(stage), places=listed(places),
    )
    about = (condition.id, *(county for county, _ in counties))
    yield Finding("tight_deadline", about, sentence, condition.citation, stage.citation)
