"""Markdown of a notebook becomes items of a report: paragraphs, lists, formulas, with every reference resolved.

Pictures, tables and raw HTML have no place in Markdown here: they come from code cells as blocks, with caption and
source. What is refused is named with the cell it stands in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import mistune
from mistune.plugins.footnotes import footnotes

from qbresearch.errors import InputError
from qbresearch.publication.formulas import parse_formula
from qbresearch.publication.model import (
    Break,
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
    Text,
    Verbatim,
    Words,
    plain_text,
)
from qbresearch.publication.references import CITATION, REFERENCE, Resolver

_HAN = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\u3000-\u303f“”‘’…—\U00020000-\U0003ffff]")
_ADDRESS = re.compile(r"(?:https?|mailto):\S+")

Token = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """A cell of a notebook, counted from 1 over all cells, as an error message names it."""

    notebook: str
    cell: int

    def __str__(self) -> str:
        return f"笔记本 {self.notebook}，第 {self.cell} 个单元格"


def read_markdown(source: str) -> list[Token]:
    """Markdown as tokens, without blank lines."""
    tokens: list[Token] = _MARKDOWN(source)
    return [token for token in tokens if token["type"] != "blank_line"]


def items_of(tokens: Sequence[Token], resolver: Resolver, place: Place) -> Iterator[Item]:
    """Items of one cell; a heading comes without number and anchor, its depth being its level in the cell.

    Raises
    ------
    InputError
        A reference, citation or note leads nowhere, a formula cannot be set, or something stands in the text that
        belongs into a block.
    """
    notes = {
        item["attrs"]["key"]: item["children"]
        for token in tokens
        if token["type"] == "footnotes"
        for item in token["children"]
    }
    reader = _Reader(resolver, place, notes)
    for token in tokens:
        if token["type"] not in ("footnotes", "blank_line", "thematic_break"):  # a rule between parts is decoration
            yield reader.item(token)


@dataclass(slots=True)
class _Reader:
    """Turns the tokens of one cell into items."""

    resolver: Resolver
    place: Place
    notes: dict[str, list[Token]]

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
            case "footnote_ref":
                return [self.note(token["raw"])]
            case "softbreak":
                return [_SOFT]
            case "linebreak":
                return [Break()]
            case _:
                raise self.refuse(token)

    def link(self, token: Token) -> Link:
        address, words = token["attrs"]["url"], plain_text(self.line(token["children"]))
        if _ADDRESS.fullmatch(address):
            return Link(address, words)
        raise InputError(
            "链接不是完整的网址", where=str(self.place), found=address, expected="以 http://、https:// 或 mailto: 开头的地址",
            fix="报告要能单独寄出，不能链接到本机文件；引用图表请写 @tbl-… 或 @fig-…",
        )

    def note(self, key: str) -> Note:
        paragraphs = [self.line(child["children"]) for child in self.notes[key] if "children" in child]
        return self.resolver.note(tuple(word for line in paragraphs for word in line))

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
        before, after = plain_text(words[index - 1 : index]), plain_text(words[index + 1 : index + 2])
        if not (_HAN.match(before[-1:]) and _HAN.match(after[:1])):
            yield Text(" ")


# --- the reader of Markdown -------------------------------------------------------------------------------------


def _parse_reference(inline: mistune.InlineParser, match: re.Match[str], state: mistune.InlineState) -> int:
    state.append_token({"type": "reference", "raw": f"{match['reference_kind']}-{match['reference_id']}"})
    return match.end()


def _parse_citation(inline: mistune.InlineParser, match: re.Match[str], state: mistune.InlineState) -> int:
    state.append_token({"type": "citation", "attrs": {"keys": match["citation_keys"]}})
    return match.end()


def _parse_strong(inline: mistune.InlineParser, match: re.Match[str], state: mistune.InlineState) -> int:
    inner = state.copy()
    inner.src = match.group("strong_text")
    state.append_token({"type": "strong", "children": inline.render(inner)})
    return match.end()


def _chinese_markdown(md: mistune.Markdown) -> None:
    """Cross references, citations, and bold text that ends in Chinese punctuation.

    A blank after a reference goes where Chinese follows; ``**重点：**`` before a letter, which plain Markdown leaves
    as asterisks, is bold.
    """
    md.inline.register("citation", CITATION, _parse_citation, before="link")
    md.inline.register("reference", REFERENCE, _parse_reference, before="link")
    strong = r"\*\*(?P<strong_text>[^\s*](?:[^*\n]*[^\s*])?)\*\*(?!\*)"
    md.inline.register("chinese_strong", strong, _parse_strong, before="emphasis")


_MARKDOWN = mistune.create_markdown(renderer=None, plugins=["table", "math", footnotes, _chinese_markdown])
