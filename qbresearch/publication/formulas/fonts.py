"""Letters in other fonts: bold, blackboard, script and so on."""

from __future__ import annotations

import unicodedata
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

from qbresearch.publication.formulas.tree import (
    Font,
    FormulaFault,
    Leaf,
    Node,
    Row,
    Table,
    items_of,
)

FONTS: MappingProxyType[str, Font] = MappingProxyType(
    {
        r"\mathrm": "upright", r"\mathup": "upright", r"\mathit": "italic", r"\mathbf": "bold", r"\bm": "bold-italic",
        r"\boldsymbol": "bold-italic", r"\mathbb": "double-struck", r"\mathcal": "script", r"\mathscr": "script",
        r"\mathfrak": "fraktur", r"\mathsf": "sans-serif", r"\mathtt": "monospace",
    }
)  # fmt: skip
_STYLES = {"bold-italic": "bold italic"}
# Letters that had a code of their own before the mathematical alphabets were added.
_OLDER_NAMES = {"fraktur": "BLACK-LETTER", "double-struck": "DOUBLE-STRUCK", "script": "SCRIPT"}


def styled_sign(char: str, font: Font) -> str | None:
    """The character of the mathematical alphabet ``font`` for a letter or digit, or ``None`` if there is none.

    Parameters
    ----------
    char : str
        One character.
    font : str
        Any font but the upright one, whose letters are the ordinary ones.
    """
    if font == "italic" and char == "h":
        return "ℎ"
    name = unicodedata.name(char, "")
    case = "CAPITAL " if "CAPITAL LETTER" in name else "SMALL " if "SMALL LETTER" in name else ""
    short = name.split("LETTER ")[-1].removeprefix("GREEK ").replace("LUNATE ", "")
    style = "bold" if font == "bold-italic" and char.isdecimal() else _STYLES.get(font, font)
    for candidate in (f"MATHEMATICAL {style} {case}{short}", f"{_OLDER_NAMES.get(font, '?')} {case}{short}"):
        try:
            return unicodedata.lookup(candidate)
        except KeyError:
            continue
    return None


def in_font(node: Node, font: Font, command: str) -> Node:
    """A node with its letters and digits in another font; letters alone become one word."""
    items = items_of(node)
    if len(items) > 1 and all(isinstance(item, Leaf) and item.kind in ("identifier", "number") for item in items):
        node = Leaf("identifier", "".join(item.text for item in items if isinstance(item, Leaf)))
    match node:
        case Leaf("identifier" | "number", text):
            # A font a sign does not have would be shown by some formats and dropped by others.
            missing = [char for char in text if not char.isdecimal() and not styled_sign(char, font)]
            if missing and font != "upright":
                raise FormulaFault("这个字符没有这种字体", f"{command} 里的 {missing[0]}", f"去掉 {command}")
            return Leaf(node.kind, text, font)
        case Row(items):
            return Row(tuple(in_font(item, font, command) for item in items))
        case Table(rows=rows):
            return replace(node, rows=tuple(tuple(in_font(cell, font, command) for cell in row) for row in rows))
    parts = {field.name: getattr(node, field.name) for field in fields(node)}
    changed: dict[str, Any] = {
        name: in_font(part, font, command) for name, part in parts.items() if isinstance(part, Node)
    }
    return replace(node, **changed)
