"""Bibliographic references by GB/T 7714, numeric system, in the edition of 2025 or of 2015.

An entry is plain text. The two editions differ in marks (2025 sets commas, colons and parentheses full-width), in
names (2015 sets families in capitals), and in what is said of works read on line; ``et al.`` and ``等`` follow the
language of the work, not of the report.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from qbresearch.errors import InputError, check_choice
from qbresearch.rules.works import Person, Work

DEFAULT_EDITION = "2025"
EDITIONS = ("2025", "2015")
_MOST_NAMES = 3
_CODES = {
    "journal": "J", "book": "M", "chapter": "M", "conference": "C", "thesis": "D", "report": "R", "standard": "S",
    "document": "Z", "dataset": "DS", "preprint": "PP", "web": "EB",
}  # fmt: skip
_SUGGESTED = 3


@dataclass(frozen=True, slots=True)
class _Marks:
    comma: str
    colon: str
    opening: str
    closing: str


_MARKS = {"2025": _Marks("，", "：", "（", "）"), "2015": _Marks(", ", ": ", "(", ")")}


class Citations:
    """Numbers works in the order in which a report first cites them.

    Parameters
    ----------
    works : mapping of str to Work
        What can be cited, by key; usually :func:`qbresearch.rules.works.load_works`.
    edition : {"2025", "2015"}
        The edition of GB/T 7714.
    """

    def __init__(self, works: Mapping[str, Work], *, edition: str = DEFAULT_EDITION) -> None:
        check_choice(edition, EDITIONS, name="GB/T 7714 版本", where="参考文献的著录")
        self.works = works
        self.edition = edition
        self._numbers: dict[str, int] = {}

    def number(self, key: str, *, where: str) -> int:
        """The number of a work, a new one where it is cited for the first time.

        Raises
        ------
        InputError
            No work has this key; the message names ``where`` and the nearest keys.
        """
        if key not in self.works:
            raise _unknown(key, self.works, where)
        return self._numbers.setdefault(key, len(self._numbers) + 1)

    def label(self, keys: Iterable[str], *, where: str) -> str:
        """The mark in the text for one or several works: ``[2]``, ``[1,3-5]``; runs from two numbers on are joined.

        Both editions use half-width marks here.
        """
        numbers = sorted({self.number(key, where=where) for key in keys})
        if not numbers:
            raise InputError(
                "引用标记里没有文献", where=where, found="空的引用", expected="[@key] 或 [@key; @key]", fix="写上文献的 key，或删去标记"
            )
        runs: list[list[int]] = []
        for number in numbers:
            if runs and number == runs[-1][-1] + 1:
                runs[-1].append(number)
            else:
                runs.append([number])
        return "[" + ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs) + "]"

    def entries(self) -> tuple[tuple[int, str, str], ...]:
        """The list of references so far: number, key and text, in the order of the numbers."""
        return tuple(
            (number, key, write_work(self.works[key], edition=self.edition)) for key, number in self._numbers.items()
        )


def _unknown(key: str, works: Mapping[str, Work], where: str) -> InputError:
    near = difflib.get_close_matches(key, works, n=_SUGGESTED, cutoff=0.4)
    return InputError(
        "引用了没有登记的文献",
        where=where,
        found=f"@{key}",
        expected="qbresearch/cited/references 中已有的 key" + (
            "，相近的有 " + "、".join(f"@{name}" for name in near) if near else ""
        ),
        fix=f"是不是想写 @{near[0]}？" if near else "改正 key，或先在 qbresearch/cited/references 登记这条文献",
    )


def write_work(work: Work, *, edition: str = DEFAULT_EDITION) -> str:
    """One entry of the list of references, without its number, as plain text that ends with a full stop.

    Parameters
    ----------
    work : Work
        The work.
    edition : {"2025", "2015"}
        The edition of GB/T 7714.

    Notes
    -----
    A work with an address or a DOI is marked as read on line (``/OL``). A DOI that stands in the address already is
    not repeated. An official document without an address is ``[Z]``, one with an address ``[EB/OL]``.
    """
    check_choice(edition, EDITIONS, name="GB/T 7714 版本", where="参考文献的著录")
    parts = _standard(work) if work.kind == "standard" and edition == "2025" else _parts(work, edition)
    return _sentences([*parts, *_access(work)])


def _sentences(parts: Iterable[str]) -> str:
    """Join parts by full stops, without doubling one that ends a part (``et al.``, ``Rev. ed.``)."""
    return " ".join(part if part.endswith(".") else part + "." for part in parts if part)


def _standard(work: Work) -> list[str]:
    return [f"{work.number}\u2003{_titled(work, '2025')}"]


def _parts(work: Work, edition: str) -> list[str]:
    marks = _MARKS[edition]
    names, head = _names(work.persons, work.language, edition), _titled(work, edition)
    translated = _names(work.translators, work.language, edition)
    translated += f"{marks.comma}{'译' if work.language == 'zh' else 'trans'}" if translated else ""
    if work.kind == "journal":
        return [names, head, translated, _in_journal(work, edition)]
    if work.kind in ("chapter", "conference"):
        return [names, *_in_book(work, head, translated, edition)]
    return [names, head, translated, _edition_words(work), *_issued(work, edition)]


def _titled(work: Work, edition: str) -> str:
    """Title, subtitle, number, and the code of kind and medium."""
    # A standard of 2025 opens with its number; elsewhere the number follows the title.
    number = "" if work.kind == "standard" and edition == "2025" else work.number
    title = _MARKS[edition].colon.join(filter(None, (work.title, work.subtitle, number)))
    code = _CODES[work.kind]
    if work.kind == "document" and work.url:
        code = "EB"
    elif work.kind == "preprint" and edition == "2015":
        code = "A"  # before 2025 a preprint was filed as an archive
    return f"{title}[{code}{'/OL' if work.url or work.doi else ''}]"


def _in_journal(work: Work, edition: str) -> str:
    marks = _MARKS[edition]
    is_placed = bool(work.volume or work.issue)
    # An article that has neither volume nor issue yet is dated by the day it appeared.
    day = str(work.year) if is_placed or edition == "2015" else _day(work)
    text = marks.comma.join(filter(None, (_container(work, marks), day, work.volume)))
    text += f"{marks.opening}{work.issue}{marks.closing}" if work.issue else ""
    return _paged(text, work, marks) + _seen(work, edition)


def _in_book(work: Work, head: str, translated: str, edition: str) -> list[str]:
    """A part of a book or of proceedings; where nobody published a meeting's papers, the meeting with its year."""
    marks = _MARKS[edition]
    head = f"{head}. {translated}" if translated else head
    container = ". ".join(filter(None, (_names(work.editors, work.language, edition), _container(work, marks))))
    if work.publisher:
        return [f"{head}//{container}", _edition_words(work), *_issued(work, edition)]
    if edition == "2025":
        return [f"{head}//{_paged(f'{container}{marks.comma}{work.year}', work, marks)}"]
    return [f"{head}//{container}", _paged(str(work.year), work, marks) + _seen(work, edition)]


def _container(work: Work, marks: _Marks) -> str:
    """The journal or book, its own colon (``…: Series B``) set as the edition sets it."""
    return work.container.replace(": ", marks.colon)


def _issued(work: Work, edition: str) -> list[str]:
    """Version, publisher and dates."""
    marks = _MARKS[edition]
    dated = f"{marks.opening}{_day(work)}{marks.closing}" if work.year else ""
    accessed = f"[{work.accessed}]" if work.accessed else ""
    if work.kind == "web" or (work.kind == "document" and work.url):
        return [dated + accessed]
    if work.kind in ("dataset", "preprint") and edition == "2025":
        return [f"V{work.version}" if work.version else "", work.publisher + dated + accessed]
    if not (work.publisher or work.place):
        if edition == "2015" and work.url:
            return [dated + accessed]
        return [_paged(_day(work) if work.kind == "report" else str(work.year), work, marks)]
    made = marks.comma.join((marks.colon.join(filter(None, (work.place, work.publisher))), str(work.year)))
    return [_paged(made, work, marks) + _seen(work, edition)]


def _paged(text: str, work: Work, marks: _Marks) -> str:
    return text + (f"{marks.colon}{work.pages}" if work.pages else "")


def _seen(work: Work, edition: str) -> str:
    """The day a work was read on line; since 2025 only web pages, data sets and preprints state it."""
    return f"[{work.accessed}]" if edition == "2015" and work.accessed else ""


def _day(work: Work) -> str:
    return str(work.date or work.year)


def _access(work: Work) -> list[str]:
    repeated = work.doi and work.doi.lower() in work.url.lower()
    return [work.url, f"DOI:{work.doi}" if work.doi and not repeated else ""]


def _edition_words(work: Work) -> str:
    if not isinstance(work.edition, int):
        return work.edition
    if work.language == "zh":
        return f"{work.edition}版"
    teen = work.edition % 100 in (11, 12, 13)
    return f"{work.edition}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(work.edition % 10, 'th')} ed"


# names


def _names(persons: tuple[Person, ...], language: str, edition: str) -> str:
    shown = [_name(person, edition) for person in persons[:_MOST_NAMES]]
    if len(persons) > _MOST_NAMES:
        shown.append("等" if language == "zh" else "et al.")
    return _MARKS[edition].comma.join(shown)


def _name(person: Person, edition: str) -> str:
    if person.name:
        return person.name
    is_old = edition == "2015"
    family = person.family.upper() if is_old else person.family
    if person.pinyin:
        given = " ".join(s[0].upper() for s in person.pinyin) if is_old else "".join(person.pinyin).capitalize()
    else:
        given = _initials(person.given, hyphen=" " if is_old else "-")
    return f"{family} {given}"


def _initials(given: str, *, hyphen: str) -> str:
    """``Jean-Luc`` is ``J-L`` (2025) or ``J L`` (2015), ``A. Colin`` is ``A C``."""
    words = re.sub(r"\.(?=-)", "", given).replace(".", " ").split()
    return " ".join(hyphen.join(part[0] for part in word.split("-") if part) for word in words)
