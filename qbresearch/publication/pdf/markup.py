"""Values and running text as typst code.

A report's texts reach typst only as string literals in code mode, where no character but the quotation mark and the
backslash means anything: nothing in a school's name can become a command, a label, a link or a formula.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from qbresearch.publication.formulas import parse_formula, spoken, to_typst
from qbresearch.publication.model import (
    Break,
    Citation,
    FormulaWords,
    Line,
    Link,
    Note,
    Reference,
    Text,
    Words,
)

OPEN_ADDRESSES = ("http://", "https://", "mailto:")
LONGEST_TOKEN = 24  # Latin characters in a row that are set without an opportunity to break the line
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SPECIAL = re.compile(r'[\\"\x00-\x1f\x7f-\x9f\u2028\u2029]')
_LONG_TOKEN = re.compile(rf"[!-~]{{{LONGEST_TOKEN + 1},}}")
_PIECE = re.compile(r"[^/?&=_.\-]{1,8}[/?&=_.\-]?|[/?&=_.\-]")


class Code(str):
    """Typst code, as opposed to a text."""

    __slots__ = ()


def literal(text: str) -> Code:
    """A text as a typst string literal."""
    return Code('"' + _SPECIAL.sub(lambda m: _ESCAPES.get(m[0], f"\\u{{{ord(m[0]):x}}}"), text) + '"')


def value(data: object) -> Code:
    """Plain data as a typst value: texts, numbers, truth values, mappings, sequences and code as it stands."""
    match data:
        case Code():
            return data
        case str():
            return literal(data)
        case None:
            return Code("none")
        case bool():
            return Code(str(data).lower())
        case int():
            return Code(str(data))
        case float():
            return Code(f"{data:.3f}")
        case Mapping():
            entries = ", ".join(f"{key}: {value(item)}" for key, item in data.items())
            return Code(f"({entries or ':'})")
        case _:
            return Code("(" + "".join(f"{value(item)}, " for item in data) + ")")


def call(name: str, *arguments: object, **named: object) -> Code:
    """A call of a function of the template; a name's ``_`` stands for a hyphen."""
    shown = [value(argument) for argument in arguments]
    shown += [f"{key.replace('_', '-')}: {value(argument)}" for key, argument in named.items()]
    return Code(f"{name}({', '.join(shown)})")


def joined(parts: Iterable[Code]) -> Code:
    """Pieces of running text one after the other; an empty content where there is none."""
    return Code(" + ".join(parts) or "[]")


def text(shown: str) -> Code:
    """A text whose long Latin tokens (checksums, addresses) may be broken over lines without a hyphen.

    The pieces stand in boxes: a line may end between two boxes, and no character is added to what a reader copies.
    """
    parts, start = [], 0
    for match in _LONG_TOKEN.finditer(shown):
        parts += [literal(shown[start : match.start()])] if match.start() > start else []
        parts += [call("box", piece) for piece in _PIECE.findall(match[0])]
        start = match.end()
    if start < len(shown) or not parts:
        parts.append(literal(shown[start:]))
    return joined(parts)


def words(line: Line, *, where: str, notes: bool = True) -> Code:
    """A line of running text; without its notes where it is repeated.

    Parameters
    ----------
    line : tuple of Words
    where : str
        What an error in one of its formulas names as the place, in Chinese.
    notes : bool
        Whether the line's notes are set at the foot of the page.
    """
    shown = (word for word in line if notes or not isinstance(word, Note))
    return joined(_word(word, where) for word in shown)


def _word(word: Words, where: str) -> Code:
    match word:
        case Text():
            return _styled(word)
        case Link():
            if word.address.startswith(OPEN_ADDRESSES):
                return call("outward", word.address, text(word.text))
            return text(word.text)
        case Reference():
            return call("inward", word.anchor, word.label)
        case Citation():
            return call("cited", word.anchor, word.label)
        case FormulaWords():
            return inline_formula(word.tex, where)
        case Note():
            return call("noted", str(word.number), words(word.words, where=where))
        case Break():
            return Code("linebreak()")


def _styled(word: Text) -> Code:
    shown = text(word.text)
    if word.code:
        shown = call("coded", shown)
    if word.emphasis:
        shown = call("emph", shown)
    if word.strong:
        shown = call("strong", shown)
    return shown


def inline_formula(tex: str, where: str) -> Code:
    """A formula within a line, with what it says as its alternative text."""
    formula = parse_formula(tex, display=False, where=where)
    return Code(f"math.equation(alt: {literal(spoken(formula))}, ${to_typst(formula)}$)")


def display_formula(tex: str, where: str) -> Code:
    """A formula for a line of its own."""
    return Code(f"$ {to_typst(parse_formula(tex, display=True, where=where))} $")
