"""Contradictions inside a plan, and between a plan and the evaluation it builds on, computed from both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from qbresearch.language import clauses, label_of, listed, say
from qbresearch.results.plans.check_dates import check_dates
from qbresearch.results.plans.check_words import check_words
from qbresearch.results.plans.findings import (
    KINDS,
    Case,
    Finding,
    PlanCheck,
    indicator_elsewhere,
)
from qbresearch.results.resources.attainment import at_least, at_most
from qbresearch.rules.citations import Citation
from qbresearch.rules.evaluations import Evaluation
from qbresearch.rules.overlays import SAME_BASE, STRICTER, WEAKER, Change, overlay
from qbresearch.rules.plans import PlanUse
from qbresearch.rules.standards import Indicator, Standard, rule_words

RULE, RESOURCE_PATHS, GROUP = "rule:", ("threshold:", "cap:"), "group"


def check_plan(
    use: PlanUse, evaluation: Evaluation, standard: Standard, *, others: Sequence[Standard] = ()
) -> PlanCheck:
    """Find what in a plan contradicts itself, differs from the evaluation, or is left unsaid.

    Nothing is typed in for a single plan: every finding follows from values, dates, scopes, names and counts of the
    plan and of the evaluation. Remarks of the plan on its own text are passed through as ``remark``.

    Parameters
    ----------
    use : PlanUse
        A plan as it stands: what a use fills into its blanks is not the plan's, and would be checked like the rest.
    evaluation, standard : Evaluation, Standard
        What the plan builds on.
    others : sequence of Standard
        Standards whose indicators a plan may name by mistake (``basic-2012``).

    Returns
    -------
    PlanCheck
        Findings in the order of ``KINDS``. ``tight_deadline`` rests on the statistics on which an inspection may rest (see
        :func:`qbresearch.results.plans.findings.statistics_month`) and is inferred. Two goals with different dates are steps, not a contradiction; a value equal
        to the standard's gives nothing; dates that name only a year count as late or early only where every month of
        the year would be.
    """
    case = Case(use, evaluation, standard, tuple(others))
    found = [*check_values(case), *check_dates(case), *check_words(case)]
    order = list(KINDS)
    return PlanCheck(use.id, label_of(use), tuple(sorted(found, key=lambda finding: order.index(finding.kind))))


def check_values(case: Case) -> Iterator[Finding]:
    """Values, bases and scopes of targets; indicators that are none; rules left out; blanks."""
    changes = overlay(case.evaluation, case.standard, case.use).changes
    yield from _two_values(changes)
    for change in changes:
        if change.base_citation is None:
            yield _undefined(case, change)
        else:
            yield from _against_standard(change, change.base_citation)
    yield from _indicators_of_others(case)
    yield from _left_out(case)
    yield from _blanks(case)


def _two_values(changes: Sequence[Change]) -> Iterator[Finding]:
    known = [change for change in changes if change.plan_value is not None]
    for one, other in combinations(known, 2):
        first, second = one.plan_value, other.plan_value
        steps = one.target.due is not None and other.target.due is not None and one.target.due != other.target.due
        if one.path != other.path or steps or bool(at_least(first, second) & at_most(first, second)):
            continue
        sentence = say(
            "{label}：{clause}写 {value}，{other_clause}写 {other}", label=label_of(one), clause=one.plan_citation.said("clause"),
            value=one.number(first), other_clause=other.plan_citation.said("clause"), other=other.number(second),
        )  # fmt: skip
        yield Finding("two_values", (one.path,), sentence, one.target.citation, other.target.citation)


def _against_standard(change: Change, base: Citation) -> Iterator[Finding]:
    target, about, cited = change.target, (change.path,), change.target.citation
    values = {"label": label_of(change), "value": change.number(change.plan_value), "limit": change.number(change.base_value)}
    if change.relation == STRICTER:
        yield Finding("stricter", about, say("{label}：规划 {value}，严于标准的 {limit}", **values), cited, base)
    if change.relation == WEAKER:
        yield Finding("weaker", about, say("{label}：规划 {value}，宽于标准的 {limit}", **values), cited, base)
    words = {"label": label_of(change), "quote": base.said("quote")}
    if target.base == "" and not change.path.startswith(RULE):
        sentence = say("{label}：规划没有说明以谁为基数；标准的原句是“{quote}”", **words)
        yield Finding("base_unsaid", about, sentence, cited, base)
    elif target.base not in ("", SAME_BASE):
        sentence = say("{label}：规划按“{base}”计，标准的原句是“{quote}”；计数范围不同，两个数不能直接比较", base=target.base, **words)
        yield Finding("base_differs", about, sentence, cited, base)
    if target.scope == "" and not change.path.startswith(RULE):
        sentence = say("{label}：规划没有说明适用于哪些对象；标准的原句是“{quote}”", **words)
        yield Finding("scope_unsaid", about, sentence, cited, base)
    elif target.scope not in ("", SAME_BASE):
        sentence = say("{label}：规划适用于“{scope}”；标准的原句是“{quote}”", scope=target.scope, **words)
        yield Finding("scope_differs", about, sentence, cited, base)


def _undefined(case: Case, change: Change) -> Finding:
    name = change.path.partition(":")[2]
    if elsewhere := indicator_elsewhere(name, case.others):
        return _of_other(label_of(change), name, elsewhere, change.target.citation)
    sentence = say("{label}：规划称为指标或要求，标准没有这一项，也没有可以计算的定义", label=label_of(change))
    return Finding("undefined_indicator", (change.path,), sentence, change.target.citation)


def _indicators_of_others(case: Case) -> Iterator[Finding]:
    """Commitments and sections that name an indicator of another standard."""
    named = [(label_of(c), c.indicator, c.citation) for c in case.plan.commitments if c.indicator]
    named += [(s.title, name, s.citation) for s in case.plan.sections for name in s.named if ":" in name]
    for label, name, citation in named:
        standard_id, _, wanted = name.partition(":")
        if standard_id == GROUP or wanted in {x for i in case.standard.indicators for x in (i.id, i.code)}:
            continue
        yield _of_other(label, name, indicator_elsewhere(name, case.others), citation)


def _of_other(label: str, name: str, elsewhere: tuple[Standard, Indicator] | None, citation: Citation) -> Finding:
    if elsewhere is None:
        return Finding("other_standard", (name,), say("{label}：不是本标准的指标（{name}）", label=label, name=name), citation)
    standard, indicator = elsewhere
    sentence = say(
        "{label}：{indicator}是“{standard}”的指标，本标准没有", label=label, indicator=label_of(indicator), standard=label_of(standard)
    )
    return Finding("other_standard", (name,), sentence, citation, indicator.citation)


def _left_out(case: Case) -> Iterator[Finding]:
    paths = {target.path for target in case.plan.targets}
    if case.plan.complete:
        for name, limit in case.standard.rules.items():
            if f"{RULE}{name}" not in paths:
                sentence = say(
                    "规划逐条转述标准，但没有写到“{rule}”（{value}）", rule=rule_words()[name], value=f"{limit.value:.10g}"
                )
                yield Finding("rule_left_out", (f"{RULE}{name}",), sentence, None, limit.citation)
    if not any(path.startswith(RESOURCE_PATHS) for path in paths) and case.standard.thresholds:
        codes = [i.code for i in case.standard.indicators]
        first = next(iter(case.standard.thresholds.values()))
        sentence = say("规划没有写资源配置的任何数值（{first} 至 {last}、差异系数），只能按标准执行", first=codes[0], last=codes[-1])
        yield Finding("no_resource_numbers", tuple(codes), sentence, None, first.citation)


def _blanks(case: Case) -> Iterator[Finding]:
    """All blanks together: a template leaves many, and each is the same finding."""
    left = [blank for blank in case.plan.blanks if blank.id not in case.use.fills]
    if not left:
        return
    by_clause: dict[str, list[str]] = {}
    for blank in left:
        unit = label_of(blank, "unit")
        named = say("{label}（{unit}）", label=label_of(blank), unit=unit) if unit else label_of(blank)
        by_clause.setdefault(blank.citation.said("clause"), []).append(named)
    places = clauses(say("{clause}：{blanks}", clause=clause, blanks=listed(names)) for clause, names in by_clause.items())
    sentence = say("留有 {n} 处空白没有填写（{places}）", n=len(left), places=places)
    yield Finding("blank_left", tuple(blank.id for blank in left), sentence, left[0].citation)
