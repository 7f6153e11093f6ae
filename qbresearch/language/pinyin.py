"""How Chinese names sound: what a keyboard without Chinese can find them by."""

from __future__ import annotations

import itertools
import unicodedata
from functools import cache

import pypinyin

_LENGTH = 96
_PLACE_ENDINGS = "省市县区旗盟州"


@cache
def search_key(name: str) -> str:
    """Pinyin and initials of a place name, every usual reading joined by blanks (``鄠邑区``: ``huyiqu … hyq …``).

    The reading of the word as a whole comes first; readings of single characters follow as far as they fit.
    """
    letters = "".join(char for char in name if unicodedata.category(char).startswith("L"))
    whole = pypinyin.lazy_pinyin(letters)
    options = [
        dict.fromkeys([first, *pypinyin.pinyin(char, style=pypinyin.NORMAL, heteronym=char not in _PLACE_ENDINGS)[0]])
        for char, first in zip(letters, whole, strict=True)
    ] if len(whole) == len(letters) else []
    readings = dict.fromkeys(["".join(whole), *map("".join, itertools.islice(itertools.product(*options), 8))])
    initials = dict.fromkeys(
        ["".join(syllable[:1] for syllable in whole)]
        + ["".join(s[:1] for s in reading) for reading in itertools.islice(itertools.product(*options), 8)]
    )
    key = ""
    for word in filter(None, itertools.chain(*itertools.zip_longest(readings, initials, fillvalue=""))):
        if len(key) + len(word) < _LENGTH:
            key = f"{key} {word.lower()}".strip()
    return key
