"""Works the reports cite: cited TOML files, read as strictly as standards.

A work holds facts, not their form on the page: how an entry reads is the business of
:mod:`qbresearch.publication.bibliography`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

from qbresearch.errors import CitationError, check_choice
from qbresearch.rules.citations import CITED, check_keys, entries, read_toml
from qbresearch.traces import note_listing, remembered

WORK_LANGUAGES = ("zh", "en")
_ALWAYS = ("key", "kind", "language", "title")
_ANYWHERE = ("subtitle", "persons", "year", "date", "url", "doi", "accessed")
_BOOKISH = ("translators", "edition", "place", "publisher", "pages")
# What a work of each kind must have, and what it may have, beside the keys above.
KINDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = MappingProxyType({
    "journal": (("container",), ("volume", "issue", "pages", "translators")),
    "book": (("publisher",), _BOOKISH),
    "chapter": (("container", "publisher", "pages"), ("editors", *_BOOKISH)),
    "conference": (("container",), ("editors", *_BOOKISH)),
    "thesis": (("persons", "publisher"), ("place", "pages")),
    "report": ((), ("number", "place", "publisher", "pages")),
    "standard": (("number",), ("place", "publisher", "pages")),
    "document": (("persons",), ("number", "place", "publisher")),
    "dataset": (("publisher", "url", "accessed"), ("version",)),
    "preprint": (("publisher", "url", "accessed"), ("version",)),
    "web": (("url", "accessed"), ()),
})
_PEOPLE = ("persons", "editors", "translators")
_DAYS = ("date", "accessed")
_KEY = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_DOI = re.compile(r"10\.\d{4,9}/\S+")
_DASHES = re.compile("[‐‑‒–—―−～~]")


@dataclass(frozen=True, slots=True)
class Person:
    """Who is responsible for a work, in one of three writings.

    ``name`` is a name that is never turned round or shortened (a Chinese name, an institution); otherwise ``family``
    goes with ``given`` (a Western name) or with ``pinyin`` (the syllables of a Chinese given name in Latin letters).
    """

    name: str = ""
    family: str = ""
    given: str = ""
    pinyin: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """One cited work; a field that its kind does not use is empty.

    ``container`` is the journal, book or meeting the work stands in; ``number`` the number of a standard, report or
    official document; ``edition`` a number from 2 on or words; ``date`` is given where the day is known.
    """

    key: str
    kind: str
    language: str
    title: str
    subtitle: str = ""
    persons: tuple[Person, ...] = ()
    editors: tuple[Person, ...] = ()
    translators: tuple[Person, ...] = ()
    container: str = ""
    volume: str = ""
    issue: str = ""
    pages: str = ""
    number: str = ""
    edition: int | str = ""
    version: str = ""
    place: str = ""
    publisher: str = ""
    year: int | None = None
    date: date | None = None
    url: str = ""
    doi: str = ""
    accessed: date | None = None


_TEXTS = (*_ALWAYS, *(f.name for f in fields(Work) if f.default == "" and f.name != "edition"))


@remembered
def load_works() -> Mapping[str, Work]:
    """The works that ship with the package, by key.

    Raises
    ------
    CitationError
        A file breaks the form.
    """
    note_listing(CITED / "references")
    return read_works(sorted((CITED / "references").glob("*.toml")))


def read_works(paths: Iterable[Path]) -> Mapping[str, Work]:
    """Read works from files; see :func:`load_works`."""
    found: dict[str, Work] = {}
    for path in paths:
        data = read_toml(path)
        check_keys(data, required=("work",), where=path.name)
        for entry, where in entries(data, "work", path.name):
            work = _read_work(entry, where)
            if work.key in found:
                raise CitationError(
                    "文献的 key 重复", where=where, found=work.key, expected="每个 key 只用一次，各文件合起来也不重复",
                    fix="删去重复的一条，或换一个 key",
                )
            found[work.key] = work
    return MappingProxyType(found)


def _read_work(entry: Mapping[str, Any], where: str) -> Work:
    if isinstance(entry.get("key"), str):
        where = f"{where}（{entry['key']}）"
    kind = check_choice(entry.get("kind"), tuple(KINDS), name="文献类型（kind）", where=where)
    required, optional = KINDS[str(kind)]
    _check_fields(entry, required=(*_ALWAYS, *required), optional=(*_ANYWHERE, *optional), where=where)
    check_choice(entry["language"], WORK_LANGUAGES, name="文献语种（language）", where=where)
    for name in _TEXTS:
        _check_text(entry, name, where)
    for name in _DAYS:
        if name in entry and type(entry[name]) is not date:
            raise _wrong(name, entry[name], where, "日期，不加引号，如 2017-05-12")
    _check_access(entry, where)
    values = dict(entry) | {name: _people(entry, name, where) for name in _PEOPLE}
    return Work(**values | {"year": _year(entry, where), "edition": _edition(entry, where)})


def _check_fields(
    entry: Mapping[str, Any], *, required: tuple[str, ...], optional: tuple[str, ...], where: str
) -> None:
    names = f"{entry['kind']} 类文献"
    if unknown := sorted(set(entry) - {*required, *optional}):
        raise CitationError(
            "文献有不认识的项", where=where, found="、".join(unknown),
            expected=f"{names}只用这些项：" + "、".join(dict.fromkeys((*required, *optional))),
            fix="改正拼写或删去；多余的项不会被忽略",
        )
    if missing := [name for name in required if name not in entry]:
        raise CitationError(
            "文献缺少必填的项", where=where, found="没有 " + "、".join(missing),
            expected=f"{names}必填：" + "、".join(dict.fromkeys(required)),
            fix="补上；查不到的事实不要编造，可换一种类型或不引用",
        )


def _check_text(entry: Mapping[str, Any], name: str, where: str) -> None:
    if name not in entry:
        return
    text = entry[name]
    if not isinstance(text, str) or not text or text != text.strip():
        raise _wrong(name, text, where, "带引号的文字，不能是空的，前后没有空格；没有就整行删去")
    if name == "key" and not _KEY.fullmatch(text):
        raise _wrong(name, text, where, "小写字母开头，只有小写字母、数字，用 - 连接，如 holm-1979")
    if name == "doi" and not _DOI.fullmatch(text):
        raise _wrong(name, text, where, "只写 10. 开头的号，如 10.2307/1913643，不写网址")
    if name == "url" and not re.match(r"https?://\S+$", text):
        raise _wrong(name, text, where, "http:// 或 https:// 开头的网址，中间没有空格")
    if name == "pages" and _DASHES.search(text):
        raise _wrong(name, text, where, "起讫页码之间用半角连字符，如 69-85")


def _check_access(entry: Mapping[str, Any], where: str) -> None:
    if ("url" in entry) != ("accessed" in entry):
        raise CitationError(
            "网址与引用日期要一起写", where=where, found="只有 " + ("url" if "url" in entry else "accessed"),
            expected="url 与 accessed 都有，或都没有", fix="补上读到网页的日期（accessed），或删去网址",
        )


def _year(entry: Mapping[str, Any], where: str) -> int | None:
    year, day = entry.get("year"), entry.get("date")
    if year is not None and not (isinstance(year, int) and 1000 <= year <= 9999):
        raise _wrong("year", year, where, "四位公元年，不加引号")
    if year is not None and day is not None:
        raise CitationError(
            "年份写了两次", where=where, found=f"year = {year}，date = {day}", expected="知道日期写 date，只知道年份写 year",
            fix="删去其中一个",
        )
    if year is None and day is None and entry["kind"] != "web":
        raise CitationError(
            "文献没有年份", where=where, found="没有 year，也没有 date", expected="写 year 或 date（只有网页可以都没有）",
            fix="补上出版或发布的年份",
        )
    return day.year if day is not None else year


def _edition(entry: Mapping[str, Any], where: str) -> int | str:
    edition = entry.get("edition", "")
    if "edition" in entry and not (
        (type(edition) is int and edition > 1) or (isinstance(edition, str) and edition.strip() == edition != "")
    ):
        raise _wrong("edition", edition, where, "第 2 版起写数字，或写文字（如“修订本”）；第 1 版不写")
    return edition


def _people(entry: Mapping[str, Any], name: str, where: str) -> tuple[Person, ...]:
    people = entry.get(name, [])
    if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
        raise _wrong(name, people, where, '列表，如 [{ family = "Holm", given = "Sture" }, { name = "教育部" }]')
    if name in entry and not people:
        raise _wrong(name, people, where, "至少一位；没有就整行删去")
    return tuple(_person(person, f"{where} 的 {name} 第 {n} 位") for n, person in enumerate(people, 1))


def _person(person: Mapping[str, Any], where: str) -> Person:
    syllables = person.get("pinyin")
    texts = [person[part] for part in person if part != "pinyin"] + (syllables if isinstance(syllables, list) else [])
    if set(person) not in ({"name"}, {"family", "given"}, {"family", "pinyin"}) or not all(
        isinstance(text, str) and text and text == text.strip() for text in texts
    ) or ("pinyin" in person and (not isinstance(syllables, list) or not syllables)):
        raise CitationError(
            "责任者的写法不对", where=where, found=repr(dict(person)),
            expected='{ name = "全名或机构名" }、{ family = "姓", given = "名" } 或 { family = "姓", pinyin = ["音", "节"] }',
            fix="中文姓名与机构用 name，西文姓名用 family 与 given，拼音姓名用 family 与 pinyin",
        )
    return Person(**dict(person) | ({"pinyin": tuple(syllables)} if syllables else {}))


def _wrong(name: str, value: object, where: str, expected: str) -> CitationError:
    return CitationError(
        f"文献的 {name} 写法不对", where=where, found=f"{name} = {value!r}", expected=expected, fix=f"改正 {name}"
    )
