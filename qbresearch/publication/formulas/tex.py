"""The LaTeX of a formula becomes a tree, or a sentence says what stands in the way.

Nothing is guessed: an unknown command, an open brace, a second exponent or a stray ``&`` is refused, because each
format would show something else for it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from qbresearch.publication.formulas.fonts import FONTS, in_font
from qbresearch.publication.formulas.symbols import (
    ACCENTS,
    CAPITALS,
    CHARACTERS,
    COMMANDS,
    DELIMITERS,
    SIZES,
    SPACES,
    TEXTS,
)
from qbresearch.publication.formulas.tree import (
    FUNCTIONS,
    OPERATORS,
    Accent,
    Brace,
    Fence,
    Form,
    FormulaFault,
    Fraction,
    Kind,
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

DEEPEST = 40
LONGEST = 5000
_TOKEN = re.compile(r"\\(?:[A-Za-z]+|.)|\s+|.", re.DOTALL)
_ROW_GAP = re.compile(r"-?[\d.]+\s*(?:pt|em|ex|mm|cm)")
_OPERATOR_NAME = re.compile(r"[^\W_](?:[\w.\- ]*[\w.])?")
_TEXT_ESCAPES = {r"\%": "%", r"\_": "_", r"\&": "&", r"\#": "#", r"\$": "$", r"\{": "{", r"\}": "}", "\\ ": " "}
_FENCED: dict[str, tuple[str, str]] = {
    "matrix": ("", ""), "pmatrix": ("(", ")"), "bmatrix": ("[", "]"), "Bmatrix": ("{", "}"), "vmatrix": ("|", "|"),
    "Vmatrix": ("‖", "‖"), "array": ("", ""), "cases": ("{", ""), "dcases": ("{", ""),
}  # fmt: skip
_ALIGNED = ("aligned", "align", "align*", "split")
_STACKED = ("gathered", "gather", "gather*")
_END_OF_ROW = ("}", r"\right", "&", r"\\", r"\end")
# The numbers of formulas are given by the document, which also resolves what refers to them.
_NUMBERS = (r"\tag", r"\label", r"\nonumber", r"\notag", r"\ref", r"\eqref")


def read_tex(tex: str) -> Node:
    """The tree of a formula.

    Parameters
    ----------
    tex : str
        What stands between the dollar signs.

    Raises
    ------
    FormulaFault
        It is no formula, or not one that every format can print.
    """
    if not tex.strip():
        raise FormulaFault("公式是空的", "空白", "写出公式，或删去这一对 $")
    if len(tex) > LONGEST:
        raise FormulaFault("公式太长", f"{len(tex)} 个字符", f"分成几个公式，每个不超过 {LONGEST} 个字符")
    for char in tex:
        if unicodedata.category(char).startswith("C") and char not in "\n\r\t":
            raise FormulaFault("公式里有看不见的控制字符", f"U+{ord(char):04X}", "删去这个字符")
    reader = _Reader(tex)
    row = reader.row()
    if reader.peek() is not None:
        reader.refuse_stray()
    return row


class _Reader:
    """Tokens of one formula and how far they have been read."""

    def __init__(self, tex: str) -> None:
        self.tokens = _TOKEN.findall(tex)
        self.at = 0
        self.depth = 0

    # tokens

    def peek(self) -> str | None:
        while self.at < len(self.tokens) and self.tokens[self.at].isspace():
            self.at += 1
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self, after: str) -> str:
        token = self.peek()
        if token is None:
            raise FormulaFault("公式没有写完", f"{after} 后面没有内容", f"补上 {after} 的内容")
        self.at += 1
        return token

    def takes(self, token: str) -> bool:
        found = self.peek() == token
        self.at += found
        return found

    def raw(self, after: str, close: str = "}") -> str:
        """The characters up to ``close``, blanks kept."""
        start = self.at
        while self.at < len(self.tokens):
            self.at += 1
            if self.tokens[self.at - 1] == close:
                return "".join(self.tokens[start : self.at - 1])
        raise FormulaFault("公式里的括号没有配对", f"{after} 后面少一个 {close}", f"补上 {close}")

    def refuse_stray(self) -> None:
        token = self.take("")
        problem = {
            "}": "公式里多了一个右花括号",
            "&": "公式里的对齐符号 & 不在表格环境里",
            r"\\": "公式里的换行不在表格环境里",
            r"\right": "公式里的 \\right 没有对应的 \\left",
            r"\end": "公式里的 \\end 没有对应的 \\begin",
        }[token]
        fix = f"删去 {token} 或补上另一半"
        if token in ("&", r"\\"):
            fix = r"多行公式放进 \begin{aligned} 与 \end{aligned} 之间"
        raise FormulaFault(problem, token, fix)

    # rows

    def row(self, *stops: str) -> Node:
        """Items up to one of ``stops`` (which stays), or up to something that ends every row."""
        level, chain = self.depth, 0
        self._deeper()
        items: list[Node] = []
        while (token := self.peek()) is not None and token not in (*stops, *_END_OF_ROW):
            if token in (r"\displaystyle", r"\textstyle"):
                self.at += 1
                items.append(Styled(self.row(*stops), token == r"\displaystyle"))
                continue
            items.append(self._scripted())
            # Word nests what stands in brackets, and what sums and functions act on.
            kind = kind_of(items[-1])
            if kind in ("open", *OPERATORS, *FUNCTIONS):
                self._deeper()
                chain += kind != "open"
            elif kind == "close" and self.depth - chain > level + 1:
                self.depth -= 1
            elif kind in ("relation", "punctuation", "binary"):
                self.depth, chain = self.depth - chain, 0
        self.depth = level
        return row_of(items)

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise FormulaFault("公式嵌套得太深", f"超过 {DEEPEST} 层", "把公式拆成几个")

    def _group(self, opener: str) -> Node:
        body = self.row()
        if not self.takes("}"):
            raise FormulaFault("公式里的括号没有配对", f"{opener} 没有右花括号", "补上 }")
        return body

    def argument(self, command: str) -> Node:
        """What a command acts on: a group, or the one sign that follows."""
        self._deeper()
        token = self.take(command)
        node = self._group(command) if token == "{" else self._atom(token, single=True)
        self.depth -= 1
        return node

    def _scripted(self) -> Node:
        """An item with what stands at its corners."""
        base = Row() if self.peek() in ("_", "^", "'") else self._atom(self.take(""))
        lower: Node | None = None
        upper: list[Node] = []
        exponent, limits = False, None
        while self.peek() in ("_", "^", "'", r"\limits", r"\nolimits"):
            token = self.take("")
            if token in (r"\limits", r"\nolimits"):
                limits = token == r"\limits"
            elif token == "'":
                if exponent:
                    raise FormulaFault("公式里有两个上标", "^ 之后又有 '", "用花括号写明哪一个在前")
                upper.append(Leaf("symbol", "′"))
            elif token == "_":
                if lower is not None:
                    raise FormulaFault("公式里有两个下标", "两个 _", "用花括号写明哪一个在前")
                lower = self.argument("_")
            else:
                if exponent:
                    raise FormulaFault("公式里有两个上标", "两个 ^", "用花括号写明哪一个在前")
                exponent = True
                upper += items_of(self.argument("^"))
        above = row_of(upper) if upper or exponent else None
        if isinstance(base, Brace):
            label, other = (above, lower) if base.above else (lower, above)
            if label is not None and other is None:
                return Brace(base.body, base.above, label)
        if lower is None and above is None:
            return base
        return Scripts(base, lower, above, limits)

    # single items

    def _atom(self, token: str, *, single: bool = False) -> Node:
        if token == "{":
            return _inert(self._group("{"))
        if token.startswith("\\") and len(token) > 1 or token in SPACES:
            return self._command(token)
        if token.isdecimal() and token.isascii():
            return Leaf("number", token if single else token + self._digits())
        if token in CHARACTERS:
            return Leaf(*CHARACTERS[token])
        if token.isalpha():
            if unicodedata.name(token, "").startswith(("LATIN", "GREEK")):
                return Leaf("identifier", token)
            return Leaf("text", token if single else token + self._word())
        fixes = {"%": r"写成 \%", "#": r"写成 \#", "$": r"写成 \$", "^": "补上底数", "_": "补上底数"}
        fix = fixes.get(token, r"文字放进 \text{…}，符号写成 LaTeX 命令")
        raise FormulaFault("公式里有不能这样用的字符", token, fix)

    def _digits(self) -> str:
        """Further digits of a number, with its decimals."""
        rest = ""
        while self.at < len(self.tokens):
            token, following = self.tokens[self.at], self.tokens[self.at + 1 : self.at + 2]
            point = token == "." and "." not in rest and bool(following) and following[0] in "0123456789"
            if token not in "0123456789" and not point:
                break
            rest += token
            self.at += 1
        return rest

    def _word(self) -> str:
        """Further characters of a word that is not in Latin or Greek letters."""
        start = self.at
        while self.at < len(self.tokens) and unicodedata.category(self.tokens[self.at][0]) == "Lo":
            self.at += 1
        return "".join(self.tokens[start : self.at])

    def _command(self, command: str) -> Node:
        if command in COMMANDS:
            return Leaf(*COMMANDS[command])
        if command[1:] in CAPITALS:
            return Leaf("identifier", CAPITALS[command[1:]], "upright")
        if command in SPACES:
            return Space(SPACES[command])
        if command in ACCENTS:
            return Accent(self.argument(command), ACCENTS[command])
        if command in FONTS:
            return in_font(self.argument(command), FONTS[command], command)
        if command in TEXTS:
            return Leaf("text", self._text(command))
        if command in SIZES:
            return self._sized(command)
        if command in _STRUCTURES:
            return _STRUCTURES[command](self, command)
        if command in _NUMBERS:
            raise FormulaFault("公式的编号由出版给出", command, f"删去 {command}，用 @eq- 引用公式")
        fix = "换成等价的写法；不要用会改变页面的命令" if command != r"\\" else r"多行公式放进 \begin{aligned}"
        raise FormulaFault("公式里有不能出版的命令", command, fix)

    def _text(self, command: str) -> str:
        if self.take(command) != "{":
            raise FormulaFault("公式里的文字要放在花括号里", command, f"写成 {command}{{…}}")
        text, start = "", self.at
        for token in self.tokens[start:]:
            self.at += 1
            if token == "}":
                return re.sub(r"\s+", " ", text)
            if token in "{$" or (token.startswith("\\") and token not in _TEXT_ESCAPES):
                fix = f"把 {token} 移到 {command} 外面"
                raise FormulaFault("公式里的文字只能是文字", f"{command} 里的 {token}", fix)
            text += " " if token == "~" else _TEXT_ESCAPES.get(token, token)
        raise FormulaFault("公式里的括号没有配对", f"{command} 没有右花括号", "补上 }")

    def _delimiter(self, command: str) -> str:
        token = self.take(command)
        if token not in DELIMITERS:
            raise FormulaFault("公式里的定界符不对", f"{command}{token}", f"{command} 后面写 ( ) [ ] \\{{ \\}} | 或 .")
        return DELIMITERS[token]

    def _sized(self, command: str) -> Node:
        sign = self._delimiter(command)
        if not sign:
            return Row()
        kinds: dict[str, Kind] = {"l": "open", "r": "close", "m": "relation"}
        kind = kinds.get(SIZES[command]) or CHARACTERS.get(sign, ("open" if sign == "{" else "close", sign))[0]
        return Leaf(kind, sign)

    def _left(self, command: str) -> Node:
        left = self._delimiter(command)
        body = self.row()
        if not self.takes(r"\right"):
            raise FormulaFault("公式里的括号没有配对", r"\left 没有对应的 \right", r"补上 \right，不要括号时写 \right.")
        return Fence(left, self._delimiter(r"\right"), body)

    def _fraction(self, command: str) -> Node:
        above, below = self.argument(command), self.argument(command)
        display = {r"\dfrac": True, r"\tfrac": False, r"\dbinom": True, r"\tbinom": False}.get(command)
        if command.endswith("binom"):
            return Fence("(", ")", Fraction(above, below, bar=False, display=display))
        return Fraction(above, below, display=display)

    def _root(self, command: str) -> Node:
        degree = None
        if self.takes("["):
            degree = self.row("]")
            if not self.takes("]"):
                raise FormulaFault("公式里的括号没有配对", r"\sqrt[ 没有右方括号", "补上 ]")
        return Root(self.argument(command), degree)

    def _line(self, command: str) -> Node:
        return Line(self.argument(command), command == r"\overline")

    def _brace(self, command: str) -> Node:
        return Brace(self.argument(command), command == r"\overbrace")

    def _stack(self, command: str) -> Node:
        mark, base = self.argument(command), self.argument(command)
        if command == r"\underset":
            return Scripts(base, lower=mark, limits=True)
        return Scripts(base, upper=mark, limits=True)

    def _not(self, command: str) -> Node:
        node = self.argument(command)
        if isinstance(node, Leaf) and node.kind == "relation":
            sign = unicodedata.normalize("NFC", node.text + "\u0338")
            if len(sign) == 1:
                return Leaf("relation", sign)
        raise FormulaFault("公式里的 \\not 不能用在这里", r"\not", r"只用在 = \in \sim 一类关系符号前面")

    def _operator(self, command: str) -> Node:
        limits = self.takes("*")
        if self.take(command) != "{":
            raise FormulaFault("公式里的文字要放在花括号里", command, f"写成 {command}{{…}}")
        name = self.raw(command).strip()
        if not _OPERATOR_NAME.fullmatch(name):
            raise FormulaFault("函数名只能是字母、数字和汉字", f"{command}{{{name}}}", r"写成 \operatorname{CV} 一类")
        return Leaf("limit" if limits else "function", name)

    # tables

    def _substack(self, command: str) -> Node:
        if self.take(command) != "{":
            raise FormulaFault("公式里的文字要放在花括号里", command, f"写成 {command}{{…}}")
        rows = self._rows()
        if not self.takes("}"):
            raise FormulaFault("公式里的括号没有配对", f"{command} 没有右花括号", "补上 }")
        return _table("stacked", rows)

    def _environment(self, command: str) -> Node:
        name = self._name(command)
        if name not in (*_FENCED, *_ALIGNED, *_STACKED):
            fix = "用 aligned、gathered、cases、matrix、pmatrix、bmatrix、vmatrix 或 array"
            raise FormulaFault("公式里有不能出版的环境", f"\\begin{{{name}}}", fix)
        align = self._columns() if name == "array" else ""
        rows = self._rows()
        if not self.takes(r"\end") or (end := self._name(r"\end")) != name:
            raise FormulaFault("公式里的环境没有配对", f"\\begin{{{name}}} 没有同名的 \\end", f"补上 \\end{{{name}}}")
        if end in _ALIGNED:
            return _table("aligned", rows)
        if end in _STACKED:
            return _table("stacked", rows)
        table = _table("cases" if end.endswith("cases") else "matrix", rows, align)
        left, right = _FENCED[end]
        return Fence(left, right, table) if left else table

    def _name(self, command: str) -> str:
        if self.take(command) != "{":
            raise FormulaFault("公式里的环境没有名字", command, f"写成 {command}{{aligned}} 一类")
        return self.raw(command)

    def _columns(self) -> str:
        columns = self.raw(r"\begin{array}").replace(" ", "") if self.takes("{") else ""
        if not columns or set(columns) - set("lcr"):
            raise FormulaFault("array 的列只能是 l、c、r", columns or "（没有）", r"写成 \begin{array}{lcr} 一类")
        return columns

    def _rows(self) -> list[list[Node]]:
        rows: list[list[Node]] = [[self.row()]]
        while (token := self.peek()) in ("&", r"\\"):
            self.at += 1
            if token == "&":
                rows[-1].append(self.row())
                continue
            if self.peek() == "[":
                self._row_gap()
            rows.append([self.row()])
        if rows[-1] == [Row()] and len(rows) > 1:
            rows.pop()
        return rows

    def _row_gap(self) -> None:
        """``\\\\[2pt]``: the gap is each format's own; any other bracket opens the next row."""
        rest = "".join(self.tokens[self.at + 1 : self.at + 12])
        if _ROW_GAP.match(rest) and "]" in rest:
            self.at += 1
            self.raw(r"\\[", close="]")


_STRUCTURES: dict[str, Callable[[_Reader, str], Node]] = {
    **dict.fromkeys((r"\frac", r"\dfrac", r"\tfrac", r"\binom", r"\dbinom", r"\tbinom"), _Reader._fraction),
    **dict.fromkeys((r"\overline", r"\underline"), _Reader._line),
    **dict.fromkeys((r"\overbrace", r"\underbrace"), _Reader._brace),
    **dict.fromkeys((r"\overset", r"\stackrel", r"\underset"), _Reader._stack),
    r"\sqrt": _Reader._root,
    r"\left": _Reader._left,
    r"\not": _Reader._not,
    r"\operatorname": _Reader._operator,
    r"\substack": _Reader._substack,
    r"\begin": _Reader._environment,
}


def _inert(node: Node) -> Node:
    """A group of one sign, as ``{,}`` in ``1{,}000``: the sign without the gaps of its kind."""
    if isinstance(node, Leaf) and node.kind in ("binary", "relation", "punctuation"):
        return Leaf("symbol", node.text, node.font)
    return node


def _table(form: Form, rows: list[list[Node]], align: str = "") -> Table:
    width = max(len(row) for row in rows)
    if align and width > len(align):
        raise FormulaFault("array 的一行比声明的列多", f"{width} 列，声明了 {len(align)} 列", "补上列，或删去多余的 &")
    if form == "stacked" and width > 1:
        raise FormulaFault("这里的行不能再分列", "&", r"要对齐时用 \begin{aligned}")
    width = max(width, len(align))
    default = {"matrix": "c", "cases": "l", "stacked": "c", "aligned": "rl"}[form]
    padded = tuple(tuple(row) + (Row(),) * (width - len(row)) for row in rows)
    return Table(form, padded, align or (default * width)[:width])
