"""A formula as MathML Core, which browsers draw without a script.

Only what the core of MathML has is used: letters of other fonts are characters of their own, since browsers ignore
the attribute that once chose them.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from markupsafe import Markup

from qbresearch.publication.formulas.fonts import styled_sign
from qbresearch.publication.formulas.tree import (
    BEFORE_SIGN,
    FUNCTIONS,
    Accent,
    Brace,
    Fence,
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

_NAMESPACE = "http://www.w3.org/1998/Math/MathML"
_MARKS = {
    "hat": "^", "tilde": "~", "bar": "¯", "dot": "˙", "ddot": "¨", "vec": "→", "check": "ˇ", "breve": "˘",
    "acute": "´", "grave": "`",
}  # fmt: skip
_TIGHT = {"lspace": "0", "rspace": "0"}
_THIN = "0.167em"
_ORDINARY = frozenset({"identifier", "number", "text", "symbol", "close"})
_SIDES = {"l": "left", "r": "right"}


def write_mathml(tree: Node, *, display: bool) -> Markup:
    """A formula as a ``math`` element.

    Parameters
    ----------
    tree : Node
        See :func:`qbresearch.publication.formulas.tex.read_tex`.
    display : bool
        Whether it stands on a line of its own.
    """
    math = Element("math", {"xmlns": _NAMESPACE, **({"display": "block"} if display else {})})
    _fill(SubElement(math, "mrow"), items_of(tree))
    return Markup(tostring(math, encoding="unicode"))


def _fill(parent: Element, items: Sequence[Node]) -> None:
    """Items side by side, with the gaps that LaTeX sets around names of functions."""
    before: str | None = None
    for index, item in enumerate(items):
        kind = kind_of(item)
        if kind in FUNCTIONS and before in (*_ORDINARY, *FUNCTIONS):
            SubElement(parent, "mspace", width=_THIN)
        _node(parent, item, sign=kind == "binary" and before in BEFORE_SIGN)
        if kind in FUNCTIONS and index + 1 < len(items):
            _applied(parent, items[index + 1])
        before = kind if kind != "space" else before


def _applied(parent: Element, argument: Node) -> None:
    """What stands between the name of a function and its argument; brackets need no gap."""
    kind = kind_of(argument)
    if kind in _ORDINARY - {"close"} or kind in ("open", *FUNCTIONS):
        SubElement(parent, "mo").text = "\u2061"
    if kind in _ORDINARY - {"close"} and not isinstance(argument, Fence):
        SubElement(parent, "mspace", width=_THIN)


def _node(parent: Element, node: Node, *, sign: bool = False) -> None:
    match node:
        case Leaf():
            _leaf(parent, node, sign)
        case Space(width):
            SubElement(parent, "mspace", width=f"{width:g}em")
        case Row(items):
            _fill(SubElement(parent, "mrow"), items)
        case Fraction(above, below, bar, display):
            _fraction(parent, above, below, bar, display)
        case Root(body, degree):
            _parts(parent, *("msqrt", body) if degree is None else ("mroot", body, degree))
        case Scripts():
            _scripts(parent, node)
        case Accent(body, mark):
            over = _parts(parent, "mover", body, accent="true")
            SubElement(over, "mo", stretchy="false").text = _MARKS[mark]
        case Line(body, above):
            tag, attribute = ("mover", "accent") if above else ("munder", "accentunder")
            line = _parts(parent, tag, body, **{attribute: "true"})
            SubElement(line, "mo", stretchy="true").text = "‾" if above else "\u0332"
        case Brace(body, above, label):
            _brace(parent, body, above, label)
        case Fence(left, right, body):
            _fence(parent, left, right, body)
        case Table():
            _table(parent, node)
        case Styled(body, display):
            style = SubElement(parent, "mstyle", displaystyle=str(display).lower(), scriptlevel="0")
            _fill(style, items_of(body))


def _leaf(parent: Element, leaf: Leaf, sign: bool) -> None:
    text = leaf.text
    if leaf.font not in ("", "upright"):
        text = "".join(styled_sign(char, leaf.font) or char for char in text)
    match leaf.kind:
        case "identifier":
            upright = {"mathvariant": "normal"} if leaf.font == "upright" and len(text) == 1 else {}
            SubElement(parent, "mi", upright).text = text
        case "number":
            SubElement(parent, "mn").text = text
        case "text":
            # blanks at the edge of an element are dropped unless they cannot break
            SubElement(parent, "mtext").text = text.replace(" ", "\u00a0")
        case "function":
            SubElement(parent, "mi").text = text
        case "limit":
            SubElement(parent, "mo", {**_TIGHT, "movablelimits": "true"}).text = text
        case "symbol" if not text.isascii() and text != "′":
            SubElement(parent, "mi", mathvariant="normal").text = text
        case "symbol":
            SubElement(parent, "mo", _TIGHT).text = text
        case "open" | "close" | "bar":
            SubElement(parent, "mo", {"stretchy": "false", **_TIGHT}).text = text
        case _:
            SubElement(parent, "mo", {"form": "prefix"} if sign else {}).text = text


def _parts(parent: Element, tag: str, *parts: Node, **attributes: str) -> Element:
    """An element whose every part is one child."""
    element = SubElement(parent, tag, attributes)
    for part in parts:
        _node(element, part)
    return element


def _fraction(parent: Element, above: Node, below: Node, bar: bool, display: bool | None) -> None:
    if display is not None:
        parent = SubElement(parent, "mstyle", displaystyle=str(display).lower(), scriptlevel="0")
    _parts(parent, "mfrac", above, below, **({} if bar else {"linethickness": "0"}))


def _scripts(parent: Element, node: Scripts) -> None:
    lower, upper = node.lower, node.upper
    # Below and above: the browser itself moves them to the side in a running line, unless the author has decided.
    stacked = kind_of(node.base) in ("sum", "limit") if node.limits is None else node.limits
    low, high = ("munder", "mover") if stacked else ("msub", "msup")
    tag = {(True, True): "munderover" if stacked else "msubsup", (True, False): low, (False, True): high}
    element = SubElement(parent, tag[lower is not None, upper is not None])
    _node(element, node.base)
    if stacked and node.limits and element[0].tag == "mo":
        element[0].set("movablelimits", "false")
    for part in (lower, upper):
        if part is not None:
            _node(element, part)


def _brace(parent: Element, body: Node, above: bool, label: Node | None) -> None:
    tag = "mover" if above else "munder"
    if label is not None:
        parent = SubElement(parent, tag)
    brace = _parts(parent, tag, body)
    SubElement(brace, "mo", stretchy="true").text = "⏞" if above else "⏟"
    if label is not None:
        _node(parent, label)


def _fence(parent: Element, left: str, right: str, body: Node) -> None:
    row = SubElement(parent, "mrow")
    for sign, form in ((left, "prefix"), (None, ""), (right, "postfix")):
        if sign is None:
            _fill(row, items_of(body))
        elif sign:
            SubElement(row, "mo", stretchy="true", form=form, fence="true").text = sign


def _table(parent: Element, table: Table) -> None:
    aligned = table.form == "aligned"
    element = SubElement(parent, "mtable", {"displaystyle": "true"} if aligned else {})
    for cells in table.rows:
        row = SubElement(element, "mtr")
        for side, cell in zip(table.align, cells, strict=True):
            data = SubElement(row, "mtd", {"style": style} if (style := _cell_style(side, aligned)) else {})
            if aligned and side == "l":
                SubElement(data, "mi")
            _fill(data, items_of(cell))


def _cell_style(side: str, aligned: bool) -> str:
    """Chromium aligns a formula only by the name it gave to this itself; the others know the plain one."""
    style = "" if side == "c" else f"text-align:{_SIDES[side]};text-align:-webkit-{_SIDES[side]}"
    # columns of aligned equations touch where the sign of equality stands
    return f"{style};padding-{'right' if side == 'r' else 'left'}:0" if aligned else style
