"""A formula as typst mathematics.

Every sign is written so that typst takes it for nothing but itself: punctuation escaped, words in quotation marks,
function calls only from the list here.
"""

from __future__ import annotations

from qbresearch.publication.formulas.symbols import CHARACTERS
from qbresearch.publication.formulas.tree import (
    Accent,
    Brace,
    Fence,
    Font,
    Fraction,
    Leaf,
    Line,
    Node,
    Root,
    Row,
    Scripts,
    Space,
    Styled,
    Table,
    items_of,
    kind_of,
)

# Two letters side by side would be read as one name. A blank parts them too, but beside a word it is printed.
_APART = "/**/"
_EMPTY = '""'
_MARKS = {
    "hat": "hat", "tilde": "tilde", "bar": "macron", "dot": "dot", "ddot": "dot.double", "vec": "arrow",
    "check": "caron", "breve": "breve", "acute": "acute", "grave": "grave",
}  # fmt: skip
_FONTS: dict[Font, tuple[str, ...]] = {
    "upright": ("upright",), "italic": ("italic",), "bold": ("upright", "bold"), "bold-italic": ("bold", "italic"),
    "double-struck": ("bb",), "script": ("cal",), "fraktur": ("frak",), "sans-serif": ("upright", "sans"),
    "monospace": ("mono",),
}  # fmt: skip
_SPACED = ("binary", "relation", "punctuation", "open", "close", "bar")


def write_typst(tree: Node) -> str:
    """A formula as it stands between the dollar signs of typst, without them.

    Parameters
    ----------
    tree : Node
        See :func:`qbresearch.publication.formulas.tex.read_tex`.
    """
    return _row(items_of(tree))


def _row(items: tuple[Node, ...]) -> str:
    text = ""
    for item in items:
        part = _node(item)
        text += _APART + part if text and text[-1].isalnum() and part[:1].isalnum() else part
    return text or _EMPTY


def _of(node: Node) -> str:
    return _row(items_of(node))


def _node(node: Node) -> str:
    match node:
        case Leaf():
            return _leaf(node)
        case Space(width):
            return f"#h({width:g}em)"
        case Row(items):
            return _row(items)
        case Fraction(above, below, bar, display):
            return _sized(f"frac({_of(above)},{_of(below)})" if bar else _pile(above, below), display)
        case Root(body, None):
            return f"sqrt({_of(body)})"
        case Root(body, degree):
            return f"root({_of(degree or Row())},{_of(body)})"
        case Scripts():
            return _scripts(node)
        case Accent(body, mark):
            return f"{_MARKS[mark]}({_of(body)})"
        case Line(body, above):
            return f"{'overline' if above else 'underline'}({_of(body)})"
        case Brace(body, above, label):
            name = "overbrace" if above else "underbrace"
            return f"{name}({_of(body)}{'' if label is None else ',' + _of(label)})"
        case Fence(left, right, body):
            return f"lr({_sign(left)}{_of(body)}{_sign(right)})"
        case Table():
            return _table(node)
        case Styled(body, display):
            return _sized(_of(body), display)
    raise TypeError(node)


def _sized(text: str, display: bool | None) -> str:
    return text if display is None else f"{'display' if display else 'inline'}({text})"


def _pile(above: Node, below: Node) -> str:
    return f"mat(delim: #none,{_of(above)};{_of(below)})"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _sign(sign: str) -> str:
    """Signs that typst is to take for themselves."""
    return "".join(f"\\{char}" if char.isascii() and not char.isalnum() else char for char in sign)


def _leaf(leaf: Leaf) -> str:
    match leaf.kind:
        case "identifier" | "number" if leaf.font:
            text = _quoted(leaf.text)
            if leaf.font == "upright":
                return text
            # Quoted letters are upright; a single one is italic of itself.
            if len(leaf.text) == 1 and leaf.font == "bold-italic":
                return f"bold({leaf.text})"
            for name in reversed(_FONTS[leaf.font]):
                text = f"math.{name}({text})"
            return f"#{text}"
        case "text":
            return _quoted(leaf.text)
        case "number" | "identifier":
            return leaf.text
        case "function" | "limit":
            limits = ",limits: #true" if leaf.kind == "limit" else ""
            return f"op({_quoted(leaf.text)}{limits})"
        case "symbol" if CHARACTERS.get(leaf.text, ("symbol",))[0] in _SPACED:
            return f'#math.class("normal",{_quoted(leaf.text)})'
        case "binary" | "relation" if leaf.text.isalpha():
            return f'#math.class("{leaf.kind}",{_quoted(leaf.text)})'
        case "relation" if leaf.text in "|‖":
            return f'#math.class("relation",{_quoted(leaf.text)})'
    return _sign(leaf.text)


def _scripts(node: Scripts) -> str:
    base = _of(node.base)
    plain = kind_of(node.base) in ("sum", "limit")
    if node.limits is not None and (node.limits or plain):
        base = f"{'limits' if node.limits else 'scripts'}({base})"
    lower = "" if node.lower is None else f",b: {_of(node.lower)}"
    upper = "" if node.upper is None else f",t: {_of(node.upper)}"
    return f"attach({base}{lower}{upper})"


def _table(table: Table) -> str:
    gaps = {
        "matrix": "",
        "cases": "column-gap: #1em,row-gap: #0.35em,",
        "stacked": "row-gap: #0.2em,",
        "aligned": "column-gap: #0em,row-gap: #0.65em,",
    }[table.form]
    rows = [",".join(_cell(table, index, cell) for index, cell in enumerate(cells)) for cells in table.rows]
    align = {"l": "left", "c": "center", "r": "right"}
    only = f"align: #{align[table.align[0]]}," if set(table.align) != {"c"} and len(set(table.align)) == 1 else ""
    return f"mat(delim: #none,{only}{gaps}{';'.join(rows)})"


def _cell(table: Table, index: int, cell: Node) -> str:
    """A cell, with the point that aligns it where the columns of its table differ."""
    text = _of(cell)
    if table.form == "aligned":
        # The empty word keeps the gap before a sign of equality that starts a cell.
        return f"display({text})&" if table.align[index] == "r" else f"&{_EMPTY}display({text})"
    if len(set(table.align)) > 1:
        return {"l": f"&{text}", "r": f"{text}&", "c": text}[table.align[index]]
    return text
