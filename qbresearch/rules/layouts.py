"""Layouts of reports on paper (page, fonts, styles): cited TOML, read as strictly as standards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qbresearch.errors import CitationError, check_choice
from qbresearch.rules.citations import (
    CITATION_KEYS,
    CITATION_OPTIONAL,
    CITED,
    Citation,
    bilingual,
    check_keys,
    entries,
    read_citation,
    read_toml,
)
from qbresearch.traces import remembered

MEASURES = (
    "page_width", "page_height", "top", "bottom", "left", "right", "header", "footer", "lines", "characters",
    "rule_thick", "rule_thin",
)  # fmt: skip
CHOICES = {"page_number": ("plain", "dashes"), "cover": ("page", "head"), "colour": ("tones", "black")}
STYLES = (
    "body", "title", "subtitle", "author", "cover", "notice", "heading1", "heading2", "heading3", "heading4",
    "heading5", "contents_title", "contents1", "contents2", "abstract", "quotation", "finding", "verbatim", "caption",
    "cell", "cell_small", "remark", "formula", "works", "footnote", "header", "page_number",
)  # fmt: skip
ALIGNMENTS = ("left", "center", "right", "justify")
FAMILIES = ("roman", "swiss", "script", "modern")
_LENGTHS = ("before", "after", "line", "first", "left", "hanging")


@dataclass(frozen=True, slots=True)
class Font:
    """A Chinese font by the name Word knows, the name to look for where it is missing, and its kind."""

    name: str
    alias: str
    family: str
    citation: Citation


@dataclass(frozen=True, slots=True)
class TextStyle:
    """How one kind of paragraph looks.

    ``size``, ``before``, ``after`` and ``line`` (the least distance of lines; 0: the page's grid) are in points,
    ``first``, ``left`` and ``hanging`` (indents) in characters.
    """

    name: str
    font: str
    size: float
    align: str
    citation: Citation
    bold: bool = False
    before: float = 0
    after: float = 0
    line: float = 0
    first: float = 0
    left: float = 0
    hanging: float = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """Page, fonts and styles of one kind of report.

    ``measures`` are in the units their entries state (millimetres, points, counts); ``choices`` say how pages are
    numbered, whether the title has a page of its own, and whether verdicts are coloured.
    """

    id: str
    label_zh: str
    label_en: str
    measures: Mapping[str, float]
    choices: Mapping[str, str]
    fonts: Mapping[str, Font]
    styles: Mapping[str, TextStyle]
    citations: Mapping[str, Citation]

    @property
    def text_width(self) -> float:
        """Width of the type area in millimetres."""
        return self.measures["page_width"] - self.measures["left"] - self.measures["right"]

    @property
    def text_height(self) -> float:
        """Height of the type area in millimetres."""
        return self.measures["page_height"] - self.measures["top"] - self.measures["bottom"]


def list_layouts() -> tuple[str, ...]:
    """Ids of all layouts that ship with the package."""
    return tuple(sorted(path.stem for path in (CITED / "layouts").glob("*.toml")))


@remembered
def load_layout(layout_id: str) -> Layout:
    """A layout that ships with the package.

    Raises
    ------
    InputError
        No such layout.
    CitationError
        The file breaks the form.
    """
    check_choice(layout_id, list_layouts(), name="版式", where="qbresearch/cited/layouts")
    return read_layout(CITED / "layouts" / f"{layout_id}.toml")


def read_layout(path: Path) -> Layout:
    """Read a layout from a file; see :func:`load_layout`."""
    data = read_toml(path)
    check_keys(data, required=("id", "label", "source", "measure", "choice", "font", "style"), where=path.name)
    if data["id"] != path.stem:
        raise CitationError(
            "id 与文件名不一致", where=path.name, found=repr(data["id"]), expected=path.stem, fix="改 id 或改文件名"
        )
    zh, en = bilingual(data, path.name)
    reader = _Reader(data, path.name)
    measures = dict(reader.measures())
    choices = dict(reader.choices())
    fonts = {font.name: font for font in reader.fonts()}
    styles = {style.name: style for style in reader.styles(fonts)}
    for found, wanted, key in (
        (measures, MEASURES, "measure"),
        (choices, CHOICES, "choice"),
        (styles, STYLES, "style"),
    ):
        if missing := [name for name in wanted if name not in found]:
            raise CitationError(
                "版式不全", where=path.name, found="没有 " + "、".join(missing), expected="、".join(wanted),
                fix=f"用 [[{key}]] 补上",
            )  # fmt: skip
    return Layout(data["id"], zh, en, measures, choices, fonts, styles, reader.citations)


class _Reader:
    """Entries of one file; every one is cited, none twice."""

    def __init__(self, data: Mapping[str, Any], where: str) -> None:
        self.data, self.where = data, where
        self.citations: dict[str, Citation] = {}
        self.sources = []
        for entry, place in entries(data, "source", where):
            check_keys(entry, required=("id", "title", "read", "where"), where=place)
            self.sources.append(entry["id"])

    def measures(self) -> Iterator[tuple[str, float]]:
        for entry, where in entries(self.data, "measure", self.where):
            check_keys(
                entry, required=("name", "value", "unit", *CITATION_KEYS), optional=CITATION_OPTIONAL, where=where
            )
            check_choice(entry["name"], MEASURES, name="尺寸", where=where)
            value = _length(entry, "value", where)
            self._cite(entry["name"], entry, where, [value])
            yield entry["name"], value

    def choices(self) -> Iterator[tuple[str, str]]:
        for entry, where in entries(self.data, "choice", self.where):
            check_keys(entry, required=("name", "value", *CITATION_KEYS), optional=CITATION_OPTIONAL, where=where)
            check_choice(entry["name"], CHOICES, name="选项", where=where)
            check_choice(entry["value"], CHOICES[entry["name"]], name="取值", where=where)
            self._cite(entry["name"], entry, where)
            yield entry["name"], entry["value"]

    def fonts(self) -> Iterator[Font]:
        for entry, where in entries(self.data, "font", self.where):
            check_keys(
                entry, required=("name", "alias", "family", *CITATION_KEYS), optional=CITATION_OPTIONAL, where=where
            )
            check_choice(entry["family"], FAMILIES, name="字体类别", where=where)
            citation = self._cite(f"font {entry['name']}", entry, where)
            yield Font(entry["name"], entry["alias"], entry["family"], citation)

    def styles(self, fonts: Mapping[str, Font]) -> Iterator[TextStyle]:
        for entry, where in entries(self.data, "style", self.where):
            required = ("names", "font", "size", "align", *CITATION_KEYS)
            check_keys(entry, required=required, optional=("bold", *_LENGTHS, *CITATION_OPTIONAL), where=where)
            check_choice(entry["font"], fonts, name="字体", where=where)
            check_choice(entry["align"], ALIGNMENTS, name="对齐方式", where=where)
            check_choice(entry.get("bold", False), (True, False), name="取值", where=where)
            lengths = {key: _length(entry, key, where) for key in _LENGTHS if key in entry}
            size = _length(entry, "size", where)
            for name in entry["names"]:
                check_choice(name, STYLES, name="文字样式", where=where)
                citation = self._cite(f"style {name}", entry, where, [size, *lengths.values()])
                yield TextStyle(
                    name, entry["font"], size, entry["align"], citation, bold=entry.get("bold", False), **lengths
                )

    def _cite(self, key: str, entry: Mapping[str, Any], where: str, numbers: tuple | list = ()) -> Citation:
        if key in self.citations:
            raise CitationError(
                "同一项写了两次", where=where, found=key, expected="每一项只有一条", fix="删去重复的一条"
            )
        self.citations[key] = read_citation(entry, sources=self.sources, where=where, numbers=numbers)
        return self.citations[key]


def _length(entry: Mapping[str, Any], key: str, where: str) -> float:
    value = entry[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise CitationError(
            f"{key} 的写法不对", where=where, found=repr(value), expected="不小于 0 的数", fix="改成一个数，不带单位"
        )
    return float(value)
