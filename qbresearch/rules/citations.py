"""Strict reading of cited TOML: unknown keys, missing keys and numbers without a source are refused."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from qbresearch.errors import CitationError
from qbresearch.language import CHINESE, current_language, say
from qbresearch.traces import note_file

CITED = Path(__file__).parent.parent / "cited"
STATUSES = ("law", "copy", "practice", "unverified")
WORDED = ("clause", "quote", "unit", "reading", "note")
"""What an entry may say in Chinese alone or, as ``{ zh = "…", en = "…" }``, in both languages; a document is quoted
in its own."""


def status_words() -> dict[str, str]:
    """Statuses in the words of the report's language."""
    return {
        "law": say("法规原文"), "copy": say("正式文件转引"), "practice": say("现有工具或地方做法"), "unverified": say("未核实"),
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a number or a rule comes from.

    ``quote`` is the sentence read; ``reading`` says how the value follows from it where the digits are not printed
    there; ``status`` is one of ``law``, ``copy``, ``practice``, ``unverified``. ``clause``, ``quote``, ``unit``,
    ``reading`` and ``note`` are Chinese; ``english`` holds those that the entry also gives in English.
    """

    clause: str
    quote: str
    source: str
    status: str
    unit: str = ""
    reading: str = ""
    note: str = ""
    valid_from: date | None = None
    valid_to: date | None = None
    english: Mapping[str, str] = field(default_factory=dict)

    def said(self, what: str) -> str:
        """One of these texts (``WORDED``) in the report's language; in Chinese where the entry has no other."""
        chinese = str(getattr(self, what))
        return chinese if current_language() == CHINESE else self.english.get(what, chinese)

    def in_force(self, on: date) -> bool:
        """Whether the entry is valid on a day."""
        return (self.valid_from is None or self.valid_from <= on) and (self.valid_to is None or on <= self.valid_to)


CITATION_KEYS = ("clause", "quote", "source", "status")
CITATION_OPTIONAL = ("unit", "reading", "note", "valid")


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file.

    Raises
    ------
    CitationError
        The file is missing or not TOML; the message names file and line.
    """
    try:
        # Windows editors put a byte order mark in front, which TOML does not know.
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise CitationError(
            "找不到文件", where=path.name, found="没有这个文件", expected="一个 TOML 文件", fix="检查文件名的拼写"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CitationError(
            "文件不是合格的 TOML",
            where=path.name,
            found=str(error),
            expected="UTF-8 编码的 TOML",
            fix="按提示的行列修改；代码类的值要加引号，如 \"010203\"",
        ) from None
    note_file(path)
    return data


def check_keys(
    entry: Mapping[str, Any], *, required: Collection[str], optional: Collection[str] = (), where: str
) -> None:
    """Refuse an entry that lacks a required key or has one that nothing reads."""
    if unknown := sorted(set(entry) - set(required) - set(optional)):
        raise CitationError(
            "有不认识的键",
            where=where,
            found="、".join(unknown),
            expected="只用这些键：" + "、".join(sorted({*required, *optional})),
            fix="改正拼写或删去；多余的键不会被忽略",
        )
    if missing := sorted(set(required) - set(entry)):
        raise CitationError(
            "缺少必填的键",
            where=where,
            found="没有 " + "、".join(missing),
            expected="必填：" + "、".join(sorted(required)),
            fix="补上；每个数都要有单位、条款、原句、出处和状态",
        )


def entries(data: Mapping[str, Any], key: str, where: str) -> list[tuple[Mapping[str, Any], str]]:
    """The tables of an array of tables, each with the words that say where it stands.

    Raises
    ------
    CitationError
        The value is not an array of tables.
    """
    value = data.get(key, [])
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise CitationError(
            f"{key} 的写法不对", where=where, found=f"{key} 是单个值或单个表", expected=f"一条或多条 [[{key}]]",
            fix=f"每一条都用双层方括号 [[{key}]] 开头",
        )
    return [(entry, f"{where} 第 {n} 个 [[{key}]]") for n, entry in enumerate(value, 1)]


def bilingual(entry: Mapping[str, Any], where: str, key: str = "label") -> tuple[str, str]:
    """The Chinese and the English text of a key that has both (label, unit, …)."""
    label = entry[key]
    if not isinstance(label, dict) or set(label) != {"zh", "en"}:
        raise CitationError(
            f"{key} 要有中英文", where=where, found=repr(label), expected=f'{key} = {{ zh = "…", en = "…" }}', fix="补上两种文字"
        )
    return label["zh"], label["en"]


def read_citation(
    entry: Mapping[str, Any], *, sources: Collection[str], where: str, numbers: Collection[float] = ()
) -> Citation:
    """Take the citation out of an entry and check that it supports the entry's numbers.

    Parameters
    ----------
    entry : mapping
        Already checked for unknown keys.
    sources : collection of str
        Ids declared by the file's ``[[source]]`` entries.
    where : str
        File and entry, for messages.
    numbers : collection of float
        Values the entry states. Each must be printed in ``quote`` (``0.85`` may stand as ``85%``), or ``reading``
        must say how it follows.
    """
    if entry["status"] not in STATUSES:
        raise CitationError(
            "状态不在约定之内", where=where, found=repr(entry["status"]), expected="、".join(STATUSES), fix="选一个状态"
        )
    if entry["source"] not in sources:
        raise CitationError(
            "引用了没有登记的出处",
            where=where,
            found=repr(entry["source"]),
            expected="[[source]] 中已有的 id：" + "、".join(sorted(sources)),
            fix="先在文件开头登记出处",
        )
    worded = {what: in_both(entry, where, what) for what in WORDED if what in entry}
    quote = worded["quote"][0]
    if not quote.strip() or not worded["clause"][0].strip():
        raise CitationError(
            "条款或原句是空的", where=where, found="空文本", expected="条款名与引用的原句", fix="补上；没有原句的数不得写入"
        )
    unprinted = [n for n in numbers if not _is_printed(n, quote)]
    if unprinted and not entry.get("reading"):
        raise CitationError(
            "原句里没有这个数",
            where=where,
            found=f"{unprinted[0]} 不见于“{quote}”",
            expected="原句含有该数，或用 reading 说明怎样得出",
            fix="改正数值或原句，或补写 reading",
        )
    valid = entry.get("valid", {})
    check_keys(valid, required=(), optional=("from", "to"), where=f"{where} 的 valid")
    return Citation(
        source=entry["source"],
        status=entry["status"],
        **{what: chinese for what, (chinese, _) in worded.items()},
        valid_from=valid.get("from"),
        valid_to=valid.get("to"),
        english={what: english for what, (_, english) in worded.items() if english},
    )


def in_both(entry: Mapping[str, Any], where: str, key: str) -> tuple[str, str]:
    """A text in Chinese and in English; without English where the entry has only one text."""
    return (entry[key], "") if isinstance(entry[key], str) else bilingual(entry, where, key)


def _is_printed(number: float, quote: str) -> bool:
    """Whether a number stands in a quotation, as itself or as a percentage."""
    printed = [(float(digits), sign) for digits, sign in re.findall(r"(\d+(?:\.\d+)?)\s*([%％]?)", quote)]
    return any(value == number or (sign and round(value / 100, 12) == number) for value, sign in printed)
