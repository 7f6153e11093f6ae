"""The language a report is written in.

Chinese is the language of the code's own texts; every other language is a catalogue from the Chinese text to its own,
one TOML file a topic in a folder named after the language. Labels of indicators, stages and columns do not come from
here: the cited data have them in every language, see :func:`label_of`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Integral
from pathlib import Path
from typing import Any

from qbresearch.errors import check_choice
from qbresearch.traces import note_file, note_listing, remembered

CHINESE = "zh"
LANGUAGES = (CHINESE, "en")
_current: ContextVar[str] = ContextVar("language", default=CHINESE)


def use_language(language: str) -> None:
    """Write everything from now on in this language.

    Parameters
    ----------
    language : {"zh", "en"}

    Raises
    ------
    InputError
        There is no such language.
    """
    _current.set(check_choice(language, LANGUAGES, name="语言", where="参数 language"))


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Write in this language inside a ``with`` block, and in the former one after it."""
    before = _current.get()
    use_language(language)
    try:
        yield
    finally:
        _current.set(before)


def current_language() -> str:
    """The language in force, ``zh`` unless :func:`use_language` has set another."""
    return _current.get()


class _Count(int):
    """A whole number that a noun agrees with: ``{n:school|schools}`` gives ``1 school``, ``2 schools``."""

    def __format__(self, form: str) -> str:
        if "|" not in form:
            return super().__format__(form)
        one, several = form.split("|")
        return f"{int(self)} {one if self == 1 else several}"


def _counting(value: object) -> object:
    return _Count(value) if isinstance(value, Integral) and not isinstance(value, bool) else value


def say(chinese: str, /, **values: object) -> str:
    """A fixed text in the language in force, with its ``{places}`` filled.

    Parameters
    ----------
    chinese : str
        The text in Chinese; places are those of :meth:`str.format`.
    **values
        What stands in the places. Where it is a whole number, a catalogue may let the noun agree with it:
        ``{n:school|schools}``.

    Raises
    ------
    LookupError
        The language's catalogue lacks the text: a fault of the package, which a test looks for.
    """
    language = _current.get()
    text = chinese if language == CHINESE else catalogue(language)[chinese]
    return text.format(**{name: _counting(value) for name, value in values.items()}) if values else text


def label_of(named: Any, what: str = "label") -> str:
    """The label of a cited entry in the language in force: its attribute ``label_zh`` or ``label_en``.

    ``what`` names another text that the entry has in every language (``short``, ``unit``, ``row``, …).
    """
    return str(getattr(named, f"{what}_{_current.get()}"))


def listed(words: Iterable[object]) -> str:
    """Words one after the other: ``甲、乙`` in Chinese, ``a, b`` elsewhere."""
    return ("、" if _current.get() == CHINESE else ", ").join(map(str, words))


def clauses(parts: Iterable[object]) -> str:
    """Parts of one sentence one after the other: ``甲；乙`` in Chinese, ``a; b`` elsewhere."""
    return ("；" if _current.get() == CHINESE else "; ").join(map(str, parts))


def series(parts: Iterable[object]) -> str:
    """Parts of one clause one after the other: ``甲，乙`` in Chinese, ``a, b`` elsewhere."""
    return ("，" if _current.get() == CHINESE else ", ").join(map(str, parts))


def joined(sentences: Iterable[str]) -> str:
    """Whole sentences one after the other: without a space in Chinese, with one elsewhere."""
    return ("" if _current.get() == CHINESE else " ").join(filter(None, sentences))


@remembered
def catalogue(language: str) -> dict[str, str]:
    """All texts of a language by their Chinese text; a text that two topics translate differently is refused."""
    texts: dict[str, str] = {}
    folder = Path(__file__).parent / language
    note_listing(folder)
    for path in sorted(folder.glob("*.toml")):
        note_file(path)
        for chinese, text in tomllib.loads(path.read_text(encoding="utf-8")).items():
            if texts.setdefault(chinese, text) != text:
                raise ValueError(f"{path.name} translates {chinese!r} differently from another topic")
    return texts
