"""What a formula is, apart from any notation: leaves and the ways they are set beside, above and below each other.

A row holds its items as they are read. Which of them a sum or a function acts on is decided where a format asks
for it (Word does, the web and typst do not).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "identifier", "number", "text", "symbol", "function", "limit", "sum", "integral",
    "binary", "relation", "punctuation", "open", "close", "bar", "space",
]  # fmt: skip
Font = Literal[
    "", "upright", "italic", "bold", "bold-italic", "double-struck", "script", "fraktur", "sans-serif", "monospace"
]
Form = Literal["matrix", "cases", "aligned", "stacked"]


class FormulaFault(Exception):
    """Why a text is no formula that every format can print: problem, what was found, what to do."""

    def __init__(self, problem: str, found: str, fix: str) -> None:
        self.problem, self.found, self.fix = problem, found, fix
        super().__init__(problem, found, fix)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One sign or one word; ``font`` is empty where its kind decides how it looks."""

    kind: Kind
    text: str
    font: Font = ""


@dataclass(frozen=True, slots=True)
class Space:
    """A gap, in widths of the letter M; it may be negative."""

    width: float


@dataclass(frozen=True, slots=True)
class Row:
    """Items side by side; an empty one is an empty place."""

    items: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Fraction:
    """One above the other, without a ``bar`` for a binomial; ``display`` forces large or small type."""

    above: Node
    below: Node
    bar: bool = True
    display: bool | None = None


@dataclass(frozen=True, slots=True)
class Root:
    """A square root, or the root of a degree."""

    body: Node
    degree: Node | None = None


@dataclass(frozen=True, slots=True)
class Scripts:
    """Index and exponent, or what stands right below and above (``limits``); ``None`` leaves that to the base."""

    base: Node
    lower: Node | None = None
    upper: Node | None = None
    limits: bool | None = None


@dataclass(frozen=True, slots=True)
class Accent:
    """A mark on top, by its name in LaTeX."""

    body: Node
    mark: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line along the whole body."""

    body: Node
    above: bool


@dataclass(frozen=True, slots=True)
class Brace:
    """A brace along the whole body, with or without a label."""

    body: Node
    above: bool
    label: Node | None = None


@dataclass(frozen=True, slots=True)
class Fence:
    """Delimiters, as high as what they hold if one ``grows``; an empty text is no delimiter."""

    left: str
    right: str
    body: Node
    grows: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of equally many cells; ``align`` has one of ``l c r`` a column."""

    form: Form
    rows: tuple[tuple[Node, ...], ...]
    align: str


@dataclass(frozen=True, slots=True)
class Styled:
    """A part set as in a line of its own, or as in running text."""

    body: Node
    display: bool


Node = Leaf | Space | Row | Fraction | Root | Scripts | Accent | Line | Brace | Fence | Table | Styled

OPERATORS = frozenset({"sum", "integral"})
FUNCTIONS = frozenset({"function", "limit"})
# After these, and at the start of a row, a plus or minus is a sign and not an operation.
BEFORE_SIGN = frozenset({None, "binary", "relation", "punctuation", "open", "sum", "integral", "function", "limit"})


def items_of(node: Node) -> tuple[Node, ...]:
    """The items of a row; anything else is a row of itself."""
    return node.items if isinstance(node, Row) else (node,)


def row_of(items: list[Node] | tuple[Node, ...]) -> Node:
    """A row, or its only item."""
    return items[0] if len(items) == 1 else Row(tuple(items))


def kind_of(node: Node) -> Kind:
    """How a node behaves beside others; what has an index behaves as without it."""
    while isinstance(node, Scripts):
        node = node.base
    if isinstance(node, Leaf):
        return node.kind
    return "space" if isinstance(node, Space) else "symbol"
