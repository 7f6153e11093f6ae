"""Fonts that come with the package, and which characters they can draw.

Figures and PDF take their letters from these files, never from the system, so they are the same on every computer.
The files are subsets of open fonts under names of their own, made by ``tools/build_fonts.py``. The Chinese families
``SANS`` and ``SERIF`` have the same characters. ``KAI`` lacks 䃥, 㟓, 䩐, and the minus and the quotation marks, which
are too narrow in its source, so a text set in it names a second family behind it. ``LATIN`` has the widths of Times,
and the italics that no Chinese family has.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from matplotlib.ft2font import FT2Font

from qbresearch.errors import InputError

FONT_FOLDER = Path(__file__).parent
_EXCERPT = 12  # characters shown on either side of one that cannot be drawn


@dataclass(frozen=True)
class FontFamily:
    """A family name and its files.

    Parameters
    ----------
    name : str
        What matplotlib and typst call it; also the family name inside every file.
    files : mapping of str to pathlib.Path
        The file of each style, by the name of the style (``"Regular"``, ``"Bold"``, ``"Italic"``, ``"Bold Italic"``).
    """

    name: str
    files: Mapping[str, Path] = field(hash=False)

    @functools.cached_property
    def covers(self) -> frozenset[str]:
        """Characters that every file of the family can draw."""
        charmaps = (FT2Font(str(path)).get_charmap() for path in self.files.values())
        return frozenset(map(chr, set.intersection(*map(set, charmaps))))


def _packaged(name: str, *styles: str) -> FontFamily:
    stem = name.replace(" ", "")
    files = {style: FONT_FOLDER / f"{stem}-{style.replace(' ', '')}.ttf" for style in styles}
    return FontFamily(name, MappingProxyType(files))


SANS = _packaged("Workbench Sans SC", "Regular", "Bold")
SERIF = _packaged("Workbench Serif SC", "Regular", "Bold")
KAI = _packaged("Workbench Kai SC", "Regular")
LATIN = _packaged("Workbench Latin", "Regular", "Italic", "Bold", "Bold Italic")
FAMILIES = (LATIN, SERIF, SANS, KAI)


def missing_glyphs(text: str, families: Iterable[FontFamily] = FAMILIES) -> str:
    """Return the characters of ``text`` that cannot be drawn, each once, in order of appearance.

    A character can be drawn if at least one of the families has it in all its styles; a line break is no character.
    """
    drawable = _drawable(tuple(families))
    return "".join(c for c in dict.fromkeys(text) if c not in drawable)


@functools.cache
def _drawable(families: tuple[FontFamily, ...]) -> frozenset[str]:
    return frozenset("\n").union(*(family.covers for family in families))


def named_characters(characters: str) -> str:
    """Characters with their code points, for a message: ``鄠（U+9120）、不可见字符（U+E123）``."""
    return "、".join(f"{c if c.isprintable() else '不可见字符'}（U+{ord(c):04X}）" for c in characters)


def check_drawable(text: str, *, where: str, families: Iterable[FontFamily] = FAMILIES) -> None:
    """Refuse a text with a character that would come out as an empty box, or not at all.

    typst leaves such a character out without a word, so every text of a document has to pass here first.

    Parameters
    ----------
    text : str
        A line break in it is no character, a tab is one that no font has.
    where : str
        What the text is, in Chinese, for the message.
    families : iterable of FontFamily
        The fonts that the text may fall back to; all fonts of the package unless said otherwise.

    Raises
    ------
    InputError
        Naming each such character, its code point and the text around the first one.
    """
    missing = missing_glyphs(text, families)
    if not missing:
        return
    place = text.index(missing[0])
    start, end = max(place - _EXCERPT, 0), place + 1 + _EXCERPT
    excerpt = f"{'…' if start else ''}{text[start:end]}{'…' if text[end:] else ''}"
    raise InputError(
        "有字体画不出的字",
        where=f"{where}，文字“{excerpt}”",
        found=named_characters(missing),
        expected="随软件提供的字体中有的字符（GB2312、常用繁体字、全国省市县乡村地名用字、常用符号）",
        fix="请核对是否为错字、表情符号或私用区造字；如确为生僻字，请在原始数据中改用通用写法并注明",
    )
