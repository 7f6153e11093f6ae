"""A formula as the mathematics of Office Open XML, which Word and WPS let a reader edit.

Word asks what a sum or a function acts on, and which brackets belong together. A sum takes what follows up to a
relation, a plus or a minus; a function takes the next item. LibreOffice shows a bracket alone as a fault, so every
pair becomes one delimiter, which keeps the height of a letter where LaTeX does not stretch it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lxml import etree

from qbresearch.publication.formulas.fonts import styled_sign
from qbresearch.publication.formulas.tree import (
    FUNCTIONS,
    OPERATORS,
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
    row_of,
)

NAMESPACE = "http://schemas.openxmlformats.org/officeDocument/2006/math"
_XML_SPACE = "{http://www.w3.org/XML/1998/namespace}space"
_MARKS = {
    "hat": "\u0302", "tilde": "\u0303", "bar": "\u0305", "dot": "\u0307", "ddot": "\u0308", "vec": "\u20d7",
    "check": "\u030c", "breve": "\u0306", "acute": "\u0301", "grave": "\u0300",
}  # fmt: skip
_STYLES: dict[Font, str] = {"upright": "p", "italic": "i", "bold": "b", "bold-italic": "bi"}
_BLANKS = ((1.0, "\u2003"), (0.5, "\u2002"), (0.278, "\u2004"), (0.222, "\u2005"), (0.167, "\u2006"))
_ADDITIVE = frozenset("+−±∓")
_WIDE = 1.0
# between the lines of aligned equations, in half lines; between their columns, in twentieths of a point
_LINE_GAP, _COLUMN_GAP = "3", "60"
_SIDES = {"l": "left", "c": "center", "r": "right"}


def write_omml(tree: Node, *, display: bool) -> etree._Element:
    """A formula as ``m:oMath``, inside ``m:oMathPara`` where it stands on a line of its own.

    Parameters
    ----------
    tree : Node
        See :func:`qbresearch.publication.formulas.tex.read_tex`.
    display : bool
        Whether it stands on a line of its own.
    """
    root = etree.Element(_q("oMathPara" if display else "oMath"), nsmap={"m": NAMESPACE})
    math = root
    if display:
        _value(_add(root, "oMathParaPr"), "jc", "center")
        math = _add(root, "oMath")
    _Writer(display).fill(math, items_of(tree))
    return root


class _Writer:
    """Writes nodes into elements; ``display`` is whether sums have their limits below and above."""

    def __init__(self, display: bool) -> None:
        self.display = display

    def fill(self, parent: etree._Element, row: Sequence[Node]) -> None:
        items, at = _paired(row), 0
        while at < len(items):
            item, kind = items[at], kind_of(items[at])
            at += 1
            if kind in OPERATORS and isinstance(item, Leaf | Scripts):
                end = _end_of_term(items, at)
                self._operator(parent, item, items[at:end])
                at = end
            elif kind in FUNCTIONS and (end := _end_of_argument(items, at)) > at:
                function = _add(parent, "func")
                self.part(function, "fName", item)
                self.part(function, "e", Row(tuple(items[at:end])))
                at = end
            else:
                self.node(parent, item)

    def part(self, parent: etree._Element, tag: str, node: Node) -> etree._Element:
        """A place of a structure with what stands in it."""
        element = _add(parent, tag)
        self.fill(element, items_of(node))
        if len(element) == 0:
            _nothing(element)
        return element

    def node(self, parent: etree._Element, node: Node) -> None:
        match node:
            case Leaf():
                _leaf(parent, node)
            case Space(width):
                _space(parent, width)
            case Row(items):
                self.fill(parent, items)
            case Fraction(above, below, bar, _):
                fraction = _add(parent, "f")
                _value(_add(fraction, "fPr"), "type", "bar" if bar else "noBar")
                self._small().part(fraction, "num", above)
                self._small().part(fraction, "den", below)
            case Root(body, degree):
                self._root(parent, body, degree)
            case Scripts():
                self._scripts(parent, node)
            case Accent(body, mark):
                accent = _add(parent, "acc")
                _value(_add(accent, "accPr"), "chr", _MARKS[mark])
                self.part(accent, "e", body)
            case Line(body, above):
                line = _add(parent, "bar")
                _value(_add(line, "barPr"), "pos", "top" if above else "bot")
                self.part(line, "e", body)
            case Brace(body, above, label):
                self._brace(parent, body, above, label)
            case Fence(left, right, body, grows):
                fence = _add(parent, "d")
                signs = _add(fence, "dPr")
                _value(signs, "begChr", left)
                _value(signs, "endChr", right)
                if not grows:
                    _value(signs, "grow", "0")
                self.part(fence, "e", body)
            case Table():
                self._table(parent, node)
            case Styled(body, display):
                _Writer(display).fill(parent, items_of(body))

    def _small(self) -> _Writer:
        return _Writer(False)

    def _operator(self, parent: etree._Element, node: Leaf | Scripts, body: Sequence[Node]) -> None:
        scripts = node if isinstance(node, Scripts) else Scripts(node)
        if not isinstance(scripts.base, Leaf):  # scripts on scripts: the inner ones belong to the sign
            self._plain_scripts(parent, scripts)
            self.fill(parent, body)
            return
        nary = _add(parent, "nary")
        properties = _add(nary, "naryPr")
        _value(properties, "chr", scripts.base.text)
        _value(properties, "limLoc", "undOvr" if self._stacked(scripts) else "subSup")
        for name, part in (("subHide", scripts.lower), ("supHide", scripts.upper)):
            _value(properties, name, "1" if part is None else "0")
        for name, part in (("sub", scripts.lower), ("sup", scripts.upper)):
            self._small().part(nary, name, part or Row())
        self.part(nary, "e", Row(tuple(body)))

    def _root(self, parent: etree._Element, body: Node, degree: Node | None) -> None:
        root = _add(parent, "rad")
        _value(_add(root, "radPr"), "degHide", "1" if degree is None else "0")
        if degree is None:
            _add(root, "deg")
        else:
            self._small().part(root, "deg", degree)
        self.part(root, "e", body)

    def _scripts(self, parent: etree._Element, node: Scripts) -> None:
        if not self._stacked(node):
            self._plain_scripts(parent, node)
            return
        inner, outer = (node.lower, node.upper) if node.lower is not None else (node.upper, None)
        place = _add(parent, "limLow" if node.lower is not None else "limUpp")
        target = place
        if outer is not None:
            target = etree.Element(_q("limUpp"))
            parent.replace(place, target)
            _add(target, "e").append(place)
        self.part(place, "e", node.base)
        self._small().part(place, "lim", inner or Row())
        if outer is not None:
            self._small().part(target, "lim", outer)

    def _stacked(self, node: Scripts) -> bool:
        """Whether scripts stand right below and above; names like lim and max have them there in every line of Word."""
        if node.limits is not None:
            return node.limits
        kind = kind_of(node.base)
        return kind == "limit" or (kind == "sum" and self.display)

    def _plain_scripts(self, parent: etree._Element, node: Scripts) -> None:
        tag = {(True, True): "sSubSup", (True, False): "sSub", (False, True): "sSup"}
        element = _add(parent, tag[node.lower is not None, node.upper is not None])
        base = _add(element, "e")
        for item in items_of(node.base):
            self.node(base, item)
        if len(base) == 0:
            _nothing(base)
        for name, part in (("sub", node.lower), ("sup", node.upper)):
            if part is not None:
                self._small().part(element, name, part)

    def _brace(self, parent: etree._Element, body: Node, above: bool, label: Node | None) -> None:
        if label is not None:
            parent = _add(parent, "limUpp" if above else "limLow")
        group = _add(parent if label is None else _add(parent, "e"), "groupChr")
        properties = _add(group, "groupChrPr")
        _value(properties, "chr", "⏞" if above else "⏟")
        _value(properties, "pos", "top" if above else "bot")
        _value(properties, "vertJc", "bot" if above else "top")
        self.part(group, "e", body)
        if label is not None:
            self._small().part(parent, "lim", label)

    def _table(self, parent: etree._Element, table: Table) -> None:
        if table.form == "stacked":
            lines = _add(parent, "eqArr")
            for (cell,) in table.rows:
                self.part(lines, "e", cell)
            return
        matrix = _add(parent, "m")
        properties = _add(matrix, "mPr")
        _value(properties, "plcHide", "1")
        if table.form == "aligned":
            for name, value in (("rSpRule", "4"), ("cGpRule", "3"), ("rSp", _LINE_GAP), ("cGp", _COLUMN_GAP)):
                _value(properties, name, value)
        columns = _add(properties, "mcs")
        for side in table.align:
            column = _add(_add(columns, "mc"), "mcPr")
            _value(column, "count", "1")
            _value(column, "mcJc", _SIDES[side])
        for cells in table.rows:
            row = _add(matrix, "mr")
            for cell in cells:
                place = _add(row, "e")
                if kind_of(row_of(items_of(cell)[:1])) in ("relation", "binary"):
                    _nothing(place)  # what the sign relates stands in the cell before
                _Writer(table.form == "aligned" and self.display).fill(place, items_of(cell))
                if len(place) == 0:
                    _nothing(place)


# what belongs together


def _paired(row: Sequence[Node]) -> list[Node]:
    """A row in which brackets, and bars that come in twos, have become delimiters of what stands between them."""
    frames: list[list[Node]] = [[]]
    openers: list[Leaf] = []
    for at, item in enumerate(row):
        sign = item.base if isinstance(item, Scripts) else item
        if not isinstance(sign, Leaf) or sign.kind not in ("open", "close", "bar"):
            frames[-1].append(item)
            continue
        shuts = sign.kind == "close" or (openers and openers[-1].kind == "bar" and openers[-1].text == sign.text)
        if shuts and openers and (openers[-1].kind == "bar") == (sign.kind == "bar"):
            fence = Fence(openers.pop().text, sign.text, row_of(frames.pop()), grows=False)
            frames[-1].append(replace(item, base=fence) if isinstance(item, Scripts) else fence)
        elif item is sign and (sign.kind == "open" or (sign.kind == "bar" and _has_twin(row, at))):
            openers.append(sign)
            frames.append([])
        else:
            frames[-1].append(item)
    while openers:
        inner = frames.pop()
        frames[-1] += [openers.pop(), *inner]
    return frames[0]


def _has_twin(row: Sequence[Node], at: int) -> bool:
    """Whether a bar is followed by another like it before the bracket around it ends."""
    depth = 0
    for item in row[at + 1 :]:
        sign = item.base if isinstance(item, Scripts) else item
        kind = kind_of(item)
        if depth == 0 and isinstance(sign, Leaf) and sign == row[at]:
            return True
        depth += {"open": 1, "close": -1}.get(kind, 0)
        if depth < 0:
            return False
    return False


def _end_of_term(items: Sequence[Node], start: int) -> int:
    """Where the term after a sum ends: before a relation, plus, minus, comma or wide gap."""
    signed = False
    for at in range(start, len(items)):
        item, kind = items[at], kind_of(items[at])
        additive = signed and isinstance(item, Leaf) and item.text in _ADDITIVE
        wide = isinstance(item, Space) and item.width >= _WIDE
        if kind in ("relation", "punctuation") or additive or wide:
            return at
        signed = signed or kind != "space"
    return len(items)


def _end_of_argument(items: Sequence[Node], start: int) -> int:
    """Where the argument of a function ends; ``start`` if nothing that could be one follows."""
    at = start
    while at < len(items) and kind_of(items[at]) == "space":
        at += 1
    if at == len(items):
        return start
    kind = kind_of(items[at])
    if kind in FUNCTIONS:
        return max(at + 1, _end_of_argument(items, at + 1))
    if kind in OPERATORS:
        return _end_of_term(items, at + 1)
    return at + 1 if kind in ("identifier", "number", "text", "symbol") else start


# elements


def _q(tag: str) -> str:
    return f"{{{NAMESPACE}}}{tag}"


def _add(parent: etree._Element, tag: str) -> etree._Element:
    return etree.SubElement(parent, _q(tag))


def _value(parent: etree._Element, tag: str, value: str) -> None:
    _add(parent, tag).set(_q("val"), value)


def _run(parent: etree._Element, text: str, style: str = "", *, words: bool = False) -> None:
    run = _add(parent, "r")
    if style or words:
        properties = _add(run, "rPr")
        if words:
            _add(properties, "nor")
        if style:
            _value(properties, "sty", style)
    element = _add(run, "t")
    element.text = text
    if text != text.strip():
        element.set(_XML_SPACE, "preserve")


def _nothing(parent: etree._Element) -> None:
    """A word of no width: an empty place is drawn as a box by Word, and as a fault by LibreOffice."""
    _run(parent, "\u200b", words=True)


def _leaf(parent: etree._Element, leaf: Leaf) -> None:
    if leaf.kind == "text":
        _run(parent, leaf.text, words=True)
    elif leaf.font in _STYLES:
        _run(parent, leaf.text, _STYLES[leaf.font])
    elif leaf.font:
        _run(parent, "".join(styled_sign(char, leaf.font) or char for char in leaf.text), "p")
    elif leaf.kind in ("identifier", "number"):
        _run(parent, leaf.text)
    else:
        # A bar without its twin means "given"; LibreOffice takes the one of the keyboard for a disjunction.
        _run(parent, "∣" if leaf.text == "|" else leaf.text, "p")


def _space(parent: etree._Element, width: float) -> None:
    """A gap as a blank of about its width; Word knows no negative one."""
    left = width
    while blank := next((text for size, text in _BLANKS if size <= left), ""):
        _run(parent, blank, "p")
        left -= next(size for size, text in _BLANKS if text == blank)
