"""A plan laid over an evaluation and its standard: what it changes, whether that is stricter, and what judges then."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from qbresearch.language import clauses, label_of, say
from qbresearch.rules.citations import Citation, status_words
from qbresearch.rules.evaluations import Evaluation, Requirement
from qbresearch.rules.plans import Month, PlanUse, Target
from qbresearch.rules.standards import Limit, Source, Standard

STRICTER, SAME, WEAKER, DIFFERS, ADDS, BLANK = "stricter", "same", "weaker", "differs", "adds", "blank"
RELATIONS = (STRICTER, SAME, WEAKER, DIFFERS, ADDS, BLANK)
SAME_BASE = "same"
CAP_DECIMALS = 2
"""Fewest decimals with which documents print caps."""
UPPER = ("at_most", "below")
NOISE = 1e-12
"""Relative difference below which two limits are the same number."""
COLUMNS = [
    "target", "path", "label", "kind", "base_value", "plan_value", "comparison", "unit", "percent", "relation", "judges",
    "base_clause", "base_quote", "base_status", "base_source", "clause", "quote", "status", "source",
]  # fmt: skip
TOLD = [
    "entry", "value", "relation", "sentence", "clause", "quote", "status", "source", "base_clause", "base_quote",
    "base_source", "remark",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """One target of a plan beside what it changes.

    ``base_value`` and ``plan_value`` are in the same unit (shares between 0 and 1 where ``percent``), ``None`` where there
    is none. ``relation`` is one of ``RELATIONS``; ``judges`` says that this target is the one in force on its path, ``False``
    for a step that is not yet due (see :func:`overlay`).
    """

    target: Target
    path: str
    label_zh: str
    label_en: str
    base_value: float | None
    plan_value: float | None
    comparison: str
    unit_zh: str
    unit_en: str
    percent: bool
    relation: str
    judges: bool
    base_citation: Citation | None
    plan_citation: Citation

    def number(self, value: float | None) -> str:
        """A value as it is printed: ``95 %``, ``0.50`` (caps), ``6000``; a dash where there is none."""
        if value is None:
            return "—"
        if self.path.startswith("cap:") and round(value, CAP_DECIMALS) == value:
            return f"{value:.{CAP_DECIMALS}f}"
        return f"{value * 100:.10g} %" if self.percent else f"{value:.10g}"


@dataclass(frozen=True, slots=True)
class Overlay:
    """An evaluation and a standard under a plan, and the changes that made them so, in the order of the plan.

    The ids are those of the base. Citations of what the plan sets are the plan's; their sources stand in ``sources`` of
    both under ``<plan>:<source>``.
    """

    evaluation: Evaluation
    standard: Standard
    changes: tuple[Change, ...]
    _base: tuple[Evaluation, Standard] = field(repr=False)
    _use: PlanUse = field(repr=False)

    def tidy(self) -> pd.DataFrame:
        """One row a change: columns ``COLUMNS``; values unrounded, sources as titles."""
        sources = self.evaluation.sources | self.standard.sources
        rows = [
            (c.target.id, c.path, label_of(c), c.target.kind, c.base_value, c.plan_value, c.comparison, label_of(c, "unit"),
             c.percent, c.relation, c.judges, *_cited(c.base_citation, sources), *_cited(c.plan_citation, sources))
            for c in self.changes
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=COLUMNS).astype({"base_value": float, "plan_value": float})

    def summary(self) -> str:
        """How many targets are stricter, the same, weaker and so on, in one sentence."""
        words = relation_words()
        counts = {r: sum(c.relation == r for c in self.changes) for r in RELATIONS}
        told = clauses(say("{relation} {n} 项", relation=words[r], n=n) for r, n in counts.items() if n)
        if not told:
            return say("{plan}没有设定目标值。", plan=label_of(self._use))
        return say("{plan}与{standard}相比：{told}。", plan=label_of(self._use), standard=label_of(self._base[0]), told=told)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        frame = self.tidy().astype(object)
        return {"plan": self._use.id, "changes": frame.where(frame.notna(), None).to_dict("records")}


def relation_words() -> dict[str, str]:
    """How a target stands to the standard, in words."""
    return {
        STRICTER: say("比标准严"), SAME: say("与标准相同"), WEAKER: say("比标准宽"), DIFFERS: say("口径与标准不同"),
        ADDS: say("标准没有"), BLANK: say("尚未填写"),
    }  # fmt: skip


def overlay(evaluation: Evaluation, standard: Standard, use: PlanUse, *, on: Month | None = None) -> Overlay:
    """Lay a plan over an evaluation and its standard.

    Parameters
    ----------
    evaluation, standard : Evaluation, Standard
        What the plan builds on, as in force on the day judged, with the options of the use chosen
        (``evaluation.choose(use.options)``). They stay as they are.
    use : PlanUse
        The plan with its blanks filled in; blanks left over change nothing.
    on : Month, optional
        The month judged. Targets with a ``due`` of their own are then steps: of those on one path only the latest that is
        due by the end of that month judges. A step not yet due does not judge; it stands among the changes, and where no
        step is due the national limit holds. Without ``on`` dates are not looked at.

    Returns
    -------
    Overlay
        Requirements, thresholds, caps and rules with the plan's values, columns and citations. Where several targets have
        one path (of the steps, the one that judges; every target without a ``due`` of its own, whenever the plan as a
        whole is due) the strictest judges. A target that only the plan knows (``indicator:…``) judges nothing.

    Notes
    -----
    ``stricter`` follows from the direction of the comparison: higher where a limit must be reached, lower where it must not
    be passed. With equal values a plan that counts fewer in the numerator of a limit to be reached is stricter; one that
    counts others, or says who is counted in words of its own, ``differs``.
    """
    base = _Base(evaluation, standard, use)
    compared = [base.compare(target) for target in use.plan.targets]
    strictest: dict[str, Change] = {}
    for change in _in_force(compared, on):
        known = strictest.get(change.path)
        is_limit = change.plan_value is not None and change.base_citation is not None
        if is_limit and (known is None or _tighter(change.plan_value, known.plan_value, change.comparison)):
            strictest[change.path] = change
    changes = tuple(replace(c, judges=c is strictest.get(c.path)) for c in compared)
    for change in strictest.values():
        base.apply(change)
    return Overlay(
        evaluation=replace(evaluation, requirements=base.requirements, sources={**evaluation.sources, **base.sources}),
        standard=replace(
            standard, thresholds=base.thresholds, caps=base.caps, rules=base.rules,
            sources={**standard.sources, **base.sources},
        ),
        changes=changes,
        _base=(evaluation, standard),
        _use=use,
    )  # fmt: skip


def _in_force(changes: list[Change], on: Month | None) -> list[Change]:
    """Targets that may judge in a month: all without a date of their own, and of the steps of a path the latest due."""
    if on is None:
        return changes
    latest: dict[str, tuple[int, int]] = {}
    for change in changes:
        due = change.target.due
        # A blank, or a path without a limit of its own, is no step that could take the place of an earlier one.
        if due and due.last <= on.last and change.plan_value is not None:
            latest[change.path] = max(due.last, latest.get(change.path, due.last))
    return [c for c in changes if c.target.due is None or c.target.due.last == latest.get(c.path)]


def explain(use: PlanUse, evaluation: Evaluation, standard: Standard) -> pd.DataFrame:
    """Every target of a plan in words, beside what it changes.

    Returns
    -------
    DataFrame
        Columns ``entry, value, relation, sentence, clause, quote, status, source, base_clause, base_quote, base_source,
        remark``; ``sentence`` reads ``0.35 — X县 …, stricter than 0.50 — national 2017``.
    """
    laid, words, status = overlay(evaluation, standard, use), relation_words(), status_words()
    sources = laid.evaluation.sources | laid.standard.sources
    rows = []
    for change in laid.changes:
        base_clause, base_quote, _, base_source = _cited(change.base_citation, sources)
        cited = change.plan_citation
        rows.append((
            label_of(change), change.number(change.plan_value), words[change.relation],
            _sentence(change, label_of(use.plan), label_of(evaluation)), cited.said("clause"), cited.said("quote"),
            status[cited.status], label_of(sources[cited.source], "title"), base_clause, base_quote, base_source,
            clauses(filter(None, (cited.said("reading"), cited.said("note")))),
        ))  # fmt: skip
    return pd.DataFrame(rows, columns=TOLD)


def _sentence(change: Change, plan: str, standard: str) -> str:
    values = {
        "value": change.number(change.plan_value), "plan": plan, "base": change.number(change.base_value),
        "standard": standard,
    }  # fmt: skip
    return {
        STRICTER: say("{value} — {plan}，严于 {base} — {standard}", **values),
        SAME: say("{value} — {plan}，与 {base} — {standard}相同", **values),
        WEAKER: say("{value} — {plan}，宽于 {base} — {standard}", **values),
        DIFFERS: say("{value} — {plan}，与 {base} — {standard}的计数口径不同", **values),
        ADDS: say("{value} — {plan}，{standard}没有这一项", **values),
        BLANK: say("空白未填 — {plan}，仍按 {base} — {standard}", **values),
    }[change.relation]  # fmt: skip


def _cited(citation: Citation | None, sources: Mapping[str, Source]) -> tuple[str, str, str, str]:
    """Clause, quotation, status and title of the source; empty where there is no citation."""
    if citation is None:
        return "", "", "", ""
    return citation.said("clause"), citation.said("quote"), citation.status, label_of(sources[citation.source], "title")


def _tighter(one: float | None, other: float | None, comparison: str) -> bool:
    """Whether one limit is harder to keep than another; equal within binary noise is not."""
    if one is None or other is None or math.isclose(one, other, rel_tol=NOISE):
        return False
    return one < other if comparison in UPPER else one > other


class _Base:
    """What a plan is laid over: looks up what a target's path means, and collects what replaces it."""

    def __init__(self, evaluation: Evaluation, standard: Standard, use: PlanUse) -> None:
        self.evaluation, self.standard, self.use = evaluation, standard, use
        self.requirements, self.thresholds = dict(evaluation.requirements), dict(standard.thresholds)
        self.caps, self.rules = dict(standard.caps), dict(standard.rules)
        self.sources = {
            self._renamed(s.id): replace(s, id=self._renamed(s.id)) for s in use.plan.sources.values()
        }  # fmt: skip

    def _renamed(self, source: str) -> str:
        return f"{self.use.plan.id}:{source}"

    def compare(self, target: Target) -> Change:
        """The target beside what it changes."""
        base, comparison, percent = self._limit(target.path)
        known = self._requirement(target.path)
        # A share that only the plan knows is printed as a percentage where its unit is one.
        percent = percent or (base is None and target.citation.unit == "%")
        cited = self._citation(target)
        return Change(
            target=target,
            path=target.path,
            label_zh=target.label_zh,
            label_en=target.label_en,
            base_value=base.value if base else None,
            plan_value=target.value,
            comparison=comparison,
            unit_zh=known.unit_zh if known else cited.unit,
            unit_en=known.unit_en if known else cited.english.get("unit", cited.unit),
            percent=percent,
            relation=_relation(target, base, comparison, known),
            judges=False,
            base_citation=base.citation if base else None,
            plan_citation=cited,
        )

    def apply(self, change: Change) -> None:
        """Put the plan's value, columns and citation in the place of the national ones."""
        kind, *names = change.path.split(":")
        limit = Limit(change.plan_value, change.plan_citation)
        if kind == "threshold":
            self.thresholds[names[0], names[1]] = limit
        elif kind == "cap":
            self.caps[names[0], names[1]] = limit
        elif kind == "rule":
            self.rules[names[0]] = limit
        else:
            known, target = self.requirements[names[0]], change.target
            option = self.evaluation.options.get(known.option)
            self.requirements[names[0]] = replace(
                known, limit=limit.value, citation=limit.citation, add=target.add or known.add,
                over_add=target.over_add or known.over_add,
                # The limit is the plan's now; an option that only sets the limit has no say any more.
                option="" if option and option.numeric else known.option,
            )  # fmt: skip

    def _citation(self, target: Target) -> Citation:
        """The plan's citation, its source under the plan's name; a number that a county fills in is not the document's."""
        cited = replace(target.citation, source=self._renamed(target.citation.source))
        if target.field not in self.use.fills:
            return cited
        english = {**cited.english, "note": self.use.note_en or self.use.note}
        return replace(cited, status="practice", note=self.use.note, english=english)

    def _requirement(self, path: str) -> Requirement | None:
        kind, _, name = path.partition(":")
        return self.evaluation.requirements.get(name) if kind == "requirement" else None

    def _limit(self, path: str) -> tuple[Limit | None, str, bool]:
        """The limit a path names, its comparison, and whether it is a share; no limit where the base sets none."""
        kind, *names = path.split(":")
        if known := self._requirement(path):
            return Limit(known.limit, known.citation), known.comparison, known.percent
        if kind == "threshold":
            return self.standard.threshold(names[0], names[1]), "at_least", False
        if kind == "cap":
            return self.standard.cap(names[0], names[1]), "at_most", False
        if kind == "rule":
            return self.standard.rules.get(names[0]), "at_least", False
        return None, "at_least", False


def _relation(target: Target, base: Limit | None, comparison: str, known: Requirement | None) -> str:
    """How a target stands to what it changes; see :func:`overlay`."""
    if target.value is None and target.field:
        return BLANK
    if base is None or target.value is None:
        return ADDS
    add = target.add or (known.add if known else ())
    over = target.over_add or (known.over_add if known else ())
    counts_fewer = known is not None and set(add) < set(known.add)
    others = known is not None and (set(over) != set(known.over_add) or not set(add) <= set(known.add))
    if others:
        return DIFFERS
    if _tighter(target.value, base.value, comparison):
        # Fewer in the numerator make a limit that must be reached harder, and one that must not be passed easier.
        return DIFFERS if counts_fewer and comparison in UPPER else STRICTER
    if _tighter(base.value, target.value, comparison):
        return DIFFERS if counts_fewer and comparison not in UPPER else WEAKER
    if counts_fewer:
        return WEAKER if comparison in UPPER else STRICTER
    return DIFFERS if {target.base, target.scope} - {"", SAME_BASE} else SAME
