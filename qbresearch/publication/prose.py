"""Markdown of a notebook becomes items of a report: paragraphs, lists, formulas, with every reference resolved.

Pictures, tables and raw HTML have no place in Markdown here: they come from code cells as blocks, with caption and
source. What is refused is named with the cell it stands in.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import mistune

from qbresearch.errors import InputError
from qbresearch.publication.formulas import parse_formula
from qbresearch.publication.model import (
    Break,
    Citation,
    Equation,
    FormulaWords,
    Heading,
    Item,
    ItemList,
    Line,
    Link,
    Note,
    Paragraph,
    Quotation,
    Reference,
    Text,
    Verbatim,
    Words,
    plain_text,
)
from qbresearch.publication.references import CITATION, REFERENCE, Resolver

_HAN = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\u3000-\u303f“”‘’…—\U00020000-\U0003ffff]")
_ADDRESS = re.compile(r"(https?|mailto)(:\S+)", re.IGNORECASE)
_INDENT = re.compile(r"^(?: {1,4}|\t)", re.MULTILINE)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]*);")

Token = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """A cell of a notebook, counted from 1 over all cells, as an error message names it."""

    notebook: str
    cell: int

    def __str__(self) -> str:
        return f"笔记本 {self.notebook}，第 {self.cell} 个单元格"


def read_markdown(source: str) -> list[Token]:
    """Markdown as tokens, without blank lines; what notes say comes last."""
    tokens: list[Token] = _MARKDOWN(source)
    return sorted((t for t in tokens if t["type"] != "blank_line"), key=lambda token: token["type"] == "note")


def items_of(tokens: Sequence[Token], resolver: Resolver, place: Place) -> Iterator[Item]:
    """Items of one cell; a heading comes without number and anchor, its depth being its level in the cell.

    Raises
    ------
    InputError
        A reference, citation or note leads nowhere, a note is not called exactly once, a formula cannot be set, or
        something stands in the text that belongs into a block.
    """
    reader = _Reader(resolver, place)
    for token in tokens:
        if token["type"] == "note":
            reader.define(token)
    for token in tokens:
        if token["type"] not in ("note", "blank_line", "thematic_break"):  # a rule between parts is decoration
            yield reader.item(token)
    reader.check_notes()


@dataclass(slots=True)
class _Reader:
    """Turns the tokens of one cell into items."""

    resolver: Resolver
    place: Place
    notes: dict[str, Token] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)
    in_note: bool = False

    def item(self, token: Token) -> Item:
        match token["type"]:
            case "heading":
                return Heading("", self.line(token["children"]), token["attrs"]["level"], "")
            case "paragraph" | "block_text":
                return Paragraph(self.line(token["children"]))
            case "block_math":
                tex = token["raw"].strip()
                parse_formula(tex, display=True, where=str(self.place))
                return Equation("", "", tex, tex)
            case "list":
                entries = tuple(tuple(self.items(entry["children"])) for entry in token["children"])
                return ItemList(entries, token["attrs"]["ordered"], token["attrs"].get("start", 1))
            case "block_quote":
                return Quotation(tuple(self.items(token["children"])))
            case "block_code":
                return Verbatim(token["raw"].rstrip("\n"))
            case _:
                raise self.refuse(token)

    def items(self, tokens: Iterable[Token]) -> Iterator[Item]:
        return (self.item(token) for token in tokens if token["type"] != "blank_line")

    def line(self, tokens: Sequence[Token], *, strong: bool = False, emphasis: bool = False) -> Line:
        words = [word for token in tokens for word in self.words(token, strong=strong, emphasis=emphasis)]
        return tuple(_joined_lines(words))

    def words(self, token: Token, *, strong: bool, emphasis: bool) -> Sequence[Words]:
        match token["type"]:
            case "text":
                return [Text(self.text(token["raw"]), strong, emphasis)]
            case "escaped":
                return [Text(token["raw"], strong, emphasis)]
            case "strong":
                return self.line(token["children"], strong=True, emphasis=emphasis)
            case "emphasis":
                return self.line(token["children"], strong=strong, emphasis=True)
            case "codespan":
                return [Text(token["raw"], strong, emphasis, code=True)]
            case "link":
                return [self.link(token)]
            case "reference":
                return [self.resolver.reference(token["raw"], self.place)]
            case "citation":
                return [self.resolver.citation(token["attrs"]["keys"], self.place)]
            case "inline_math":
                parse_formula(token["raw"], display=False, where=str(self.place))
                return [FormulaWords(token["raw"])]
            case "note_call":
                return [self.note(token["raw"])]
            case "softbreak":
                return [_SOFT]
            case "linebreak":
                return [Break()]
            case "block_math":
                raise InputError(
                    "独立公式夹在段落或列表里",
                    where=str(self.place),
                    found=f"$${token['raw'].strip()}$$",
                    expected="独立公式另起一段：$$…$$ 单独成行，前后空一行，不缩进",
                    fix="把公式移到段落或列表之外；要留在文字中间，请写 $…$",
                )
            case _:
                raise self.refuse(token)

    def text(self, raw: str) -> str:
        """The characters of a text, its entities decoded; refuses what was meant to lead somewhere and does not."""
        if found := self.resolver.unresolved(raw):
            raise InputError(
                "正文里的引用没有指向任何东西",
                where=str(self.place),
                found=found,
                expected="引图、表、公式写 @fig-…、@tbl-…、@eq-…（小写），引文献写 [@key] 或 [@key; @key]",
                fix="改正写法，页码和“见”等字写在方括号外面；若本来就是普通文字，请在 @ 或 [ 前加反斜线",
            )
        return _ENTITY.sub(lambda match: html.unescape(match[0]), raw)

    def link(self, token: Token) -> Link:
        address, words = token["attrs"]["url"], plain_text(self.line(token["children"]))
        if match := _ADDRESS.fullmatch(address):
            return Link(match[1].lower() + match[2], words)
        raise InputError(
            "链接不是完整的网址", where=str(self.place), found=address, expected="以 http://、https:// 或 mailto: 开头的地址",
            fix="报告要能单独寄出，不能链接到本机文件；引用图表请写 @tbl-… 或 @fig-…",
        )

    def define(self, token: Token) -> None:
        """Take down what a note says."""
        key = token["attrs"]["key"]
        if key in self.notes:
            raise self.refuse_note("同一个脚注定义了两次", key, "每个脚注只定义一次", "给其中一个换一个名字")
        self.notes[key] = token

    def note(self, key: str) -> Note:
        """The note a text calls, with its paragraphs one below the other."""
        if self.in_note:
            raise self.refuse_note("脚注里又引了脚注", key, "脚注里只有文字、引用和行内公式", "把两个脚注合成一个，或把后一个移到正文里")
        if key not in self.notes:
            raise self.refuse_note(
                "正文引了没有定义的脚注", key, f"同一单元格里有一行 [^{key}]: …，顶格写",
                "补上这一行；若本来就是普通文字，请在 [ 前加反斜线",
            )
        if key in self.called:
            raise self.refuse_note("同一个脚注引了两次", key, "每个脚注只引一次", "把脚注写两遍（各用一个名字），或在文字里说明同前一注")
        self.called.add(key)
        words: list[Words] = []
        self.in_note = True
        for child in self.notes[key]["children"]:
            if child["type"] == "blank_line":
                continue
            if child["type"] not in ("paragraph", "block_text"):
                raise self.refuse_note(
                    "脚注里有列表、代码、独立公式之类的内容", key, "脚注里只有成段的文字", "改写成文字，或移到正文里",
                )
            words += [Break()] if words else []
            words += self.line(child["children"])
        self.in_note = False
        return self.resolver.note(tuple(words))

    def check_notes(self) -> None:
        """Refuse notes that nothing calls: a reader would never see them."""
        for key in self.notes:
            if key not in self.called:
                raise self.refuse_note("定义了脚注，正文却没有引它", key, f"正文里有一处 [^{key}]", "在正文里引它，或删去这个脚注")

    def refuse_note(self, problem: str, key: str, expected: str, fix: str) -> InputError:
        return InputError(problem, where=str(self.place), found=f"[^{key}]", expected=expected, fix=fix)

    def refuse(self, token: Token) -> InputError:
        kinds = {"image": "图片", "table": "表格", "block_html": "HTML", "inline_html": "HTML"}
        found = token.get("attrs", {}).get("url") or token.get("raw") or plain_words(token)
        return InputError(
            f"正文里不能直接放{kinds.get(token['type'], '这种内容')}",
            where=str(self.place),
            found=str(found).strip()[:80] or token["type"],
            expected="图和表由代码单元格输出为图块（FigureBlock）、表块（TableBlock），带题名、说明和来源",
            fix="删去这一处，改用绘图或制表函数输出块",
        )


_SOFT = Text("\n")


def plain_words(token: Token) -> str:
    """The characters of a token without markup."""
    return token.get("raw", "") + "".join(plain_words(child) for child in token.get("children", ()))


def _joined_lines(words: Sequence[Words]) -> Iterator[Words]:
    """A line end becomes a space, except between Chinese characters, where a reader would see the space."""
    for index, word in enumerate(words):
        if word is not _SOFT:
            yield word
            continue
        before, after = _edge(reversed(words[:index]), -1), _edge(words[index + 1 :], 0)
        if not (_HAN.match(before) and (not after or _HAN.match(after))):
            yield Text(" ")


def _edge(words: Iterable[Words], position: int) -> str:
    """The character that stands next to a line end; superscripts do not part the characters on their two sides."""
    for word in words:
        shown = "" if isinstance(word, Citation) else plain_text([word])
        if shown:
            return shown[0 if isinstance(word, Reference) else position]
    return ""


# --- the reader of Markdown -------------------------------------------------------------------------------------


def _parse_reference(inline: mistune.InlineParser, match: re.Match[str], state: mistune.InlineState) -> int:
    state.append_token({"type": "reference", "raw": f"{match['reference_kind']}-{match['reference_id']}"})
    return match.end()


def _parse_citation(inline: mistune.InlineParser, match: re.Match[str], state: mistune.InlineState) -> int:
    state.append_token({"type": "citation", "attrs": {"keys": match["citation_keys"]}})
    return match.end()


def _parse_escape(inline: mistune.InlineParser, match: re.Match[str], state: mistune.InlineState) -> int:
    state.append_token({"type": "escaped", "raw": match[0][1::2]})
    return match.end()


def _parse_note_call(inline: mistune.InlineParser, match: re.Match[str], state: mistune.InlineState) -> int:
    state.append_token({"type": "note_call", "raw": match["called_note"]})
    return match.end()


def _parse_note(block: mistune.BlockParser, match: re.Match[str], state: mistune.BlockState) -> int:
    first, _, rest = match["note_text"].partition("\n")
    inner = state.child_state(f"{first.strip()}\n{_INDENT.sub('', rest)}\n")
    block.parse(inner)
    state.append_token({"type": "note", "children": inner.tokens, "attrs": {"key": match["note_key"]}})
    return match.end()


def _parse_strong(inline: mistune.InlineParser, match: re.Match[str], state: mistune.InlineState) -> int:
    inner = state.copy()
    inner.src = match.group("strong_text")
    state.append_token({"type": "strong", "children": inline.render(inner)})
    return match.end()


def _chinese_markdown(md: mistune.Markdown) -> None:
    """Cross references, citations, notes, and bold text that ends in Chinese punctuation.

    A blank after a reference goes where Chinese follows; ``**重点：**`` before a letter, which plain Markdown leaves
    as asterisks, is bold. Escaped signs stay apart from the text around them, which may mean something by such signs.
    """
    md.inline.register("escape", md.inline.specification["escape"], _parse_escape)
    md.inline.register("citation", CITATION, _parse_citation, before="link")
    md.inline.register("reference", REFERENCE, _parse_reference, before="link")
    md.inline.register("note_call", r"\[\^(?P<called_note>[^\[\]\s]+)\]", _parse_note_call, before="link")
    # A note goes on in the indented lines below it, even after an empty one.
    note = r"^ {0,3}\[\^(?P<note_key>[^\[\]\s]+)\]:(?P<note_text>[^\n]*(?:\n+[ \t][^\n]*)*)(?:\n+|$)"
    md.block.register("note", note, _parse_note, before="ref_link")
    strong = r"\*\*(?P<strong_text>[^\s*](?:[^*\n]*[^\s*])?)\*\*(?!\*)"
    md.inline.register("chinese_strong", strong, _parse_strong, before="emphasis")


_MARKDOWN = mistune.create_markdown(renderer=None, plugins=["table", "math", _chinese_markdown])
