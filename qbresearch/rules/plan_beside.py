"""What stands beside a plan's own numbers: further standards it names, and its choices where documents disagree."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from qbresearch.errors import CitationError, InputError, check_choice
from qbresearch.rules.citations import (
    CITATION_KEYS,
    CITATION_OPTIONAL,
    bilingual,
    check_keys,
    entries,
    in_both,
    read_citation,
)
from qbresearch.rules.evaluations import latest_evaluation
from qbresearch.rules.plan_codes import KnownCodes, known_codes
from qbresearch.rules.plan_texts import check_forms, check_share
from qbresearch.rules.plan_types import Beside, BesideValue, Plan
from qbresearch.rules.standards import Source

OWN_PATH = "indicator:"
GIVEN = "copy"
"""Status of a number that a use gives without saying otherwise: it is copied from the document it names."""


def read_options(data: Mapping[str, Any], evaluation_id: str, where: str) -> dict[str, str]:
    """The choices of an ``[options]`` table: option id to choice id of the evaluation.

    Raises
    ------
    InputError
        No such option or choice; the message lists what there is.
    """
    chosen = data.get("options", {})
    where = f"{where} 的 [options]"
    if not isinstance(chosen, dict):
        raise InputError(
            "options 的写法不对", where=where, found=repr(chosen), expected='[options] 一节，每行如 G7_limit = "7000"', fix="改成一节"
        )
    known = latest_evaluation(evaluation_id).options if chosen else {}
    for option, choice in chosen.items():
        check_choice(option, known, name="选项", where=where)
        if not isinstance(choice, str):
            raise InputError(
                "选法要写成文字", where=f"{where} {option}", found=repr(choice),
                expected="带引号，下列之一：" + "、".join(known[option].choices), fix=f'加上引号，如 {option} = "{choice}"',
            )
        check_choice(choice, known[option].choices, name="选法", where=f"{where} {option}")
    return dict(chosen)


def read_beside(
    data: Mapping[str, Any], sources: Collection[str], known: KnownCodes, *, default: Mapping[str, str], where: str
) -> tuple[Beside, ...]:
    """The ``[[beside]]`` entries of a plan: further standards it names, each one of its sources.

    Raises
    ------
    CitationError
        An unknown key, source or path, a number without its quotation, or numbers of a standard nobody could read.
    """
    found: dict[str, Beside] = {}
    for entry, place in entries(data, "beside", where):
        entry = {**default, **entry}
        check_keys(
            entry, required=("id", "label", "document", "read", *CITATION_KEYS), optional=("value", *CITATION_OPTIONAL),
            where=place,
        )
        check_forms(entry, "beside", place)
        name = entry["id"]
        if name not in sources or name in found:
            raise CitationError(
                "并列标准的 id 不成立", where=place, found=repr(name), expected="[[source]] 中的一个 id，每个只出现一次：" + "、".join(sources),
                fix="先在 [[source]] 登记这份文件，或删去重复的一条",
            )
        found[name] = Beside(
            name, *bilingual(entry, place), entry["document"], name, _read(entry, place),
            _values(entry, name, known, place), read_citation(entry, sources=sources, where=place),
        )  # fmt: skip
    return tuple(found.values())


def with_beside(plan: Plan, data: Mapping[str, Any], *, note: str, where: str) -> Plan:
    """A plan with the further standards of a use: numbers for one it names, or one it does not name.

    Raises
    ------
    CitationError
        As for :func:`read_beside`.
    """
    known = known_codes(plan.evaluation, where=where)
    standards, sources = {standard.id: standard for standard in plan.beside}, dict(plan.sources)
    given: set[str] = set()
    for entry, place in entries(data, "beside", where):
        name = str(entry.get("id", ""))
        check_forms(entry, "beside", place)
        if name in given:
            raise CitationError("id 重复", where=place, found=repr(name), expected="每个 id 只出现一次", fix="删去或改名")
        given.add(name)
        named = standards.get(name)
        # What the plan says of a standard it names stays the plan's; a use adds the numbers.
        own = () if named else ("label", "document", "clause", "quote")
        check_keys(entry, required=("id", "read", *own), optional=("value", *(CITATION_OPTIONAL if own else ())), where=place)
        read, values = _read(entry, place), _values(entry, name, known, place)
        if named:
            standards[name] = replace(named, read=read, values=values)
        else:
            zh, en = bilingual(entry, place)
            sources[name] = Source(name, f"{zh}（{entry['document']}）", f"{en} ({entry['document']})", note, where)
            citation = read_citation({"source": name, "status": GIVEN, **entry}, sources=(name,), where=place)
            standards[name] = Beside(name, zh, en, entry["document"], name, read, values, citation)
        if values and named:
            sources[name] = replace(sources[name], read=note)
    return replace(plan, beside=tuple(standards.values()), sources=sources)


def _read(entry: Mapping[str, Any], where: str) -> bool:
    if not isinstance(entry["read"], bool) or (entry.get("value") and not entry["read"]):
        raise CitationError(
            "read 与所给的数不合", where=where, found=f"read = {entry['read']!r}，{len(entry.get('value', []))} 个数",
            expected="读到原文并给出数的写 read = true；没有读到的写 false，不给数", fix="改正 read，或删去 [[beside.value]]",
        )
    return bool(entry["read"])


def _values(entry: Mapping[str, Any], source: str, known: KnownCodes, where: str) -> tuple[BesideValue, ...]:
    found: dict[str, BesideValue] = {}
    for value, place in entries(entry, "value", where):
        value = {"source": source, "status": GIVEN, **value}
        check_keys(
            value, required=("path", "value", "unit", *CITATION_KEYS), optional=CITATION_OPTIONAL, where=place
        )
        check_forms(value, "value", place)
        path, number = value["path"], value["value"]
        known.check_path(path, place)
        if path.startswith(OWN_PATH) or path in found:
            raise CitationError(
                "这个 path 不能并列判定", where=place, found=repr(path), expected="评估或标准里的限值，每个只出现一次；indicator: 不能判定",
                fix="改正 path，或删去这一条",
            )
        if known.is_share(path, in_both(value, place, "unit")[0]):
            check_share(float(number), in_both(value, place, "quote")[0], place)
        found[path] = BesideValue(path, float(number), read_citation(value, sources=(source,), where=place, numbers=(number,)))
    return tuple(found.values())


def check_evidence(named: Iterable[str], asked: Collection[str], where: str) -> None:
    """Refuse a name for an evidence record that no condition of the plan asks for."""
    if unused := [code for code in named if code not in asked]:
        raise CitationError(
            "没有条件用到这个材料代码", where=where, found="、".join(unused), expected="阶段条件 evidence 里的代码：" + "、".join(sorted(asked)),
            fix="改正拼写，或删去这条 [[evidence]]",
        )
