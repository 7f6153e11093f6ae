"""How a plan speaks of documents, bodies, rules and indicators, and what its sections name and leave out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from qbresearch.language import label_of, listed, say
from qbresearch.results.plans.findings import Case, Finding
from qbresearch.rules.citations import Citation
from qbresearch.rules.evaluations import Item, Part
from qbresearch.rules.plans import Mention, Section

NOT_SEEN = "未见"
BASIS, COUNT, TERM, ISSUER = "basis", "count", "term", "issuer"
PER_STUDENT = "生均"
RESOURCES, RECOGNITION = "resources", "recognition"
GROUP = "group:"
SAME_WORDS = 3
"""Characters in a row that two Chinese terms share to count as the same term: “两个只增不减” and “…逐年只增不减”."""


def check_words(case: Case) -> Iterator[Finding]:
    """Names, terms, counts and parts; documents that nobody could read; the plan's own remarks."""
    yield from _two_names(case)
    yield from _other_terms(case)
    yield from _unread(case)
    yield from _counts(case)
    yield from _other_part(case)
    yield from _not_named(case)
    yield from _groups(case)
    for remark in case.plan.remarks:
        yield Finding("remark", (), label_of(remark, "text"), remark.citation)


def _two_names(case: Case) -> Iterator[Finding]:
    """One thing of which the plan says two things: a body with two names, a document with two issuers."""
    by_thing: dict[tuple[str, str], dict[str, Mention]] = {}
    for mention in case.plan.mentions:
        if mention.kind not in (BASIS, COUNT):
            by_thing.setdefault((mention.kind, mention.thing), {}).setdefault(mention.said, mention)
    for (kind, thing), said in by_thing.items():
        for one, other in pairwise(said.values()):
            values = {
                "thing": thing, "one": one.said, "clause": one.citation.said("clause"), "other": other.said,
                "other_clause": other.citation.said("clause"),
            }  # fmt: skip
            sentence = (
                say("{thing}：{clause}说由“{one}”印发，{other_clause}说由“{other}”印发", **values) if kind == ISSUER
                else say("{thing}：{clause}称“{one}”，{other_clause}称“{other}”", **values)
            )  # fmt: skip
            yield Finding("two_names", (thing,), sentence, one.citation, other.citation)


def _other_terms(case: Case) -> Iterator[Finding]:
    """A rule or indicator that the plan calls by other words than the standard."""
    for mention in case.plan.mentions:
        known = _words_of(case, mention.thing) if mention.kind == TERM else []
        if known and not any(_shares_words(mention.said, citation.quote) for _, citation in known):
            words, citation = known[0]
            sentence = say("规划写“{said}”，标准写“{known}”：用语不同，不能当作同一要求", said=mention.said, known=words)
            yield Finding("other_term", (mention.thing,), sentence, mention.citation, citation)


def _words_of(case: Case, thing: str) -> list[tuple[str, Citation]]:
    """What the standard says of an item, or of a capped statistic (``cap:<statistic>``)."""
    items = [(item.citation.quote, item.citation) for item in case.evaluation.items if item.code == thing]
    kind, _, statistic = thing.partition(":")
    caps = [(cap.citation.quote, cap.citation) for (name, _), cap in case.standard.caps.items() if name == statistic]
    return items or (caps if kind == "cap" else [])


def _shares_words(said: str, quote: str) -> bool:
    length = min(SAME_WORDS, len(said))
    return any(said[i : i + length] in quote for i in range(len(said) - length + 1))


def _unread(case: Case) -> Iterator[Finding]:
    for mention in case.plan.mentions:
        source = case.plan.sources.get(mention.thing) if mention.kind == BASIS else None
        if source is not None and source.read.startswith(NOT_SEEN):
            sentence = say("规划以“{title}”为依据，这份文件未能读到，其中的要求没有核对", title=label_of(source, "title"))
            yield Finding("unread", (source.id,), sentence, mention.citation)


def _counts(case: Case) -> Iterator[Finding]:
    """How many indicators a plan says a part has, and in what they are counted."""
    for mention in case.plan.mentions:
        items = case.part_items(mention.thing)
        if mention.kind != COUNT or not items:
            continue
        number = re.search(r"\d+", mention.said)
        if number and int(number[0]) != len(items):
            sentence = say("规划写“{said}”，标准的这一部分有 {n} 项", said=mention.said, n=len(items))
            yield Finding("counts_differ", (mention.thing,), sentence, mention.citation, items[0].citation)
        scaled = [i for i in case.standard.indicators if i.scale != 1]
        if mention.thing == RESOURCES and PER_STUDENT in mention.said and scaled:
            each = [i for i in case.standard.indicators if i.scale == 1]
            sentence = say(
                "规划写“{said}”：{total} 项中只有 {each} 项（{each_codes}）按每名学生计，{scaled} 项（{scaled_codes}）按每百名学生计",
                said=mention.said, total=len(each) + len(scaled), each=len(each), each_codes=listed(i.code for i in each),
                scaled=len(scaled), scaled_codes=listed(i.code for i in scaled),
            )  # fmt: skip
            yield Finding("unit_wording", (mention.thing,), sentence, mention.citation, scaled[0].citation)


def _other_part(case: Case) -> Iterator[Finding]:
    parts, items = {part.id: part for part in case.evaluation.parts}, {item.code: item for item in case.evaluation.items}
    for section in case.plan.sections:
        elsewhere: dict[str, list[Item]] = {}
        for code in dict.fromkeys((*section.codes, *section.named)):
            if section.part and code in items and items[code].part != section.part:
                elsewhere.setdefault(items[code].part, []).append(items[code])
        for part, found in elsewhere.items():
            sentence = say(
                "“{section}”把{items}放在“{own}”，标准放在“{part}”", section=section.title, items=listed(f"{i.code} {label_of(i)}" for i in found),
                own=label_of(parts[section.part]), part=label_of(parts[part]),
            )  # fmt: skip
            yield Finding("other_part", tuple(i.code for i in found), sentence, section.citation, found[0].citation)


def _not_named(case: Case) -> Iterator[Finding]:
    """Indicators of a part that no section names, where sections of the part name some."""
    for part in case.evaluation.parts:
        sections = [s for s in case.plan.sections if s.part == part.id]
        codes = {name.partition("_")[0] for s in sections for name in s.named if ":" not in name}
        items = case.part_items(part.id)
        missing = [item for item in items if item.code not in codes]
        if codes & {item.code for item in items} and missing:
            yield _missing(part, [f"{i.code} {label_of(i, 'short')}" for i in missing], tuple(i.code for i in missing), sections[0])


def _missing(part: Part, words: list[str], about: tuple[str, ...], section: Section) -> Finding:
    sentence = say("{part}：规划没有点到 {n} 项：{words}", part=label_of(part), n=len(words), words=listed(words))
    return Finding("not_named", about, sentence, section.citation)


def _groups(case: Case) -> Iterator[Finding]:
    """Groups of respondents that a plan leaves out of its survey, where it names some."""
    for section in case.plan.sections:
        named = {name.removeprefix(GROUP) for name in section.named if name.startswith(GROUP)}
        missing = [group for group in case.evaluation.groups if group.id not in named]
        if named and missing:
            sentence = say("“{section}”的调查对象没有{groups}", section=section.title, groups=listed(map(label_of, missing)))
            yield Finding("group_missing", tuple(g.id for g in missing), sentence, section.citation, missing[0].citation)
