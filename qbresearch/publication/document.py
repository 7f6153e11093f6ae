"""Executed notebooks become one document: sections, numbered tables and figures, resolved cross references.

Only text cells and outputs that carry a typed block reach a document; code, printed text and raw HTML never do.
Tables and figures are numbered through the whole report; headings below a section are numbered the Chinese way.
A document holds texts, not markup: turning it into a page is the work of :mod:`qbresearch.publication.html`.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os.path import commonprefix
from typing import Any

import mistune
from nbformat import NotebookNode

from qbresearch.errors import InputError, check_choice
from qbresearch.exhibits.blocks import (
    BLOCK_MIME,
    TONES,
    FigureBlock,
    FindingBlock,
    OpeningBlock,
    RecordBlock,
    TableBlock,
)
from qbresearch.publication.wording import chinese_number, school_year_label

STAGE_ORDER = {"primary": 0, "junior": 1}
STAGE_LABELS = {"primary": "小学", "junior": "初中"}
TOPIC = "义务教育优质均衡发展研究报告"
VERDICTS = ("not_met", "undecided", "met")
STAGE_KEYS = (
    "stage", "stage_label", "county_name", "prefecture", "school_year", "standard_label", "verdict", "schools",
    "schools_met", "largest_cv", "largest_cv_label", "cv_over_cap", "indicators", "rule_unverified", "row", "counter",
)
WIDE_COLUMNS = 9
_SHORTEST_TITLE = 4
HIDDEN_TAG = "remove-cell"
_BLOCKS = {block.kind: block for block in (OpeningBlock, TableBlock, FigureBlock, FindingBlock, RecordBlock)}
_BLOCK_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_REFERENCE = r"@(?P<reference_kind>tbl|fig)-(?P<reference_id>[A-Za-z0-9_-]*)(?: (?=[\u2e80-\u9fff]))?"
_HAN = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\u3000-\u303f“”‘’…—\U00020000-\U0003ffff]")
_PNG_START = b"\x89PNG\r\n\x1a\n"

Token = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """A cell of a notebook, counted from 1 over all cells, as an error message names it."""

    notebook: str
    cell: int

    def __str__(self) -> str:
        return f"笔记本 {self.notebook}，第 {self.cell} 个单元格"


@dataclass(frozen=True, slots=True)
class Reference:
    """A resolved cross reference: what it reads (``表1``) and where it leads."""

    label: str
    anchor: str


Words = tuple[str | Reference, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A numbered heading below a section; ``depth`` counts from 1, ``words`` are Markdown tokens."""

    number: str
    words: tuple[Token, ...]
    text: str
    depth: int
    anchor: str


@dataclass(frozen=True, slots=True)
class Prose:
    """Paragraphs, lists and the like, as Markdown tokens without raw HTML or pictures."""

    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A numbered table or figure; ``notes`` have their cross references resolved."""

    label: str
    anchor: str
    block: TableBlock | FigureBlock
    notes: tuple[Words, ...]

    @property
    def wide(self) -> bool:
        """Whether the table needs a landscape page on paper."""
        return isinstance(self.block, TableBlock) and len(self.block.columns) > WIDE_COLUMNS


@dataclass(frozen=True, slots=True)
class Finding:
    """Sentences generated from results, with their tone; ``key`` ones also stand in the summary."""

    words: Words
    tone: str
    key: bool


Item = Heading | Prose | Exhibit | Finding


@dataclass(frozen=True, slots=True)
class Part:
    """One job of a report: its executed notebook, or why there is none.

    ``heading`` names the section when the notebook cannot (it is what the template calls itself).
    """

    job: Mapping[str, Any]
    heading: str
    notebook: NotebookNode | None = None
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One notebook of the report; ``refusal`` says why it has no content, if it has none."""

    number: str
    anchor: str
    title: str
    job: Mapping[str, Any]
    items: tuple[Item, ...] = ()
    opening: OpeningBlock | None = None
    records: tuple[RecordBlock, ...] = ()
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report, ready to be written in any format."""

    title: str
    topic: str
    subtitle: str
    run_id: str
    county_code: str
    county_name: str
    school_year: str
    source_id: str
    sections: tuple[Section, ...]
    stages: tuple[Mapping[str, Any], ...]
    packages: Mapping[str, str]
    code_sha256: str

    @property
    def simulated(self) -> bool:
        """Whether any section rests on simulated data."""
        return any(section.opening is not None and section.opening.simulated for section in self.sections)

    @property
    def cautions(self) -> tuple[str, ...]:
        """What a reader must know first, each sentence once, in the order of the sections."""
        return tuple(dict.fromkeys(c for s in self.sections if s.opening is not None for c in s.opening.cautions))

    @property
    def summary(self) -> tuple[Finding, ...]:
        """The key findings, each once: stage by stage, verdicts (the later notebook) before what they rest on."""
        ordered = sorted(reversed(self.sections), key=lambda section: section_order(section.job)[1:3])
        items = (item for section in ordered for item in section.items)
        return tuple(dict.fromkeys(item for item in items if isinstance(item, Finding) and item.key))

    @property
    def missing(self) -> tuple[Section, ...]:
        """Sections that could not be made."""
        return tuple(section for section in self.sections if section.refusal)


@dataclass(slots=True)
class _Counter:
    """Numbers given so far: tables and figures through the report, headings within a section."""

    tables: int = 0
    figures: int = 0

    def number(self, block: TableBlock | FigureBlock) -> tuple[str, str]:
        """Label and anchor of the next table or figure."""
        if isinstance(block, TableBlock):
            self.tables += 1
            return f"表{self.tables}", f"tbl-{self.tables}"
        self.figures += 1
        return f"图{self.figures}", f"fig-{self.figures}"


def section_order(job: Mapping[str, Any]) -> tuple[str, int, str, str]:
    """Sort key of a job in its report: notebook, then primary before junior before other stages, then name."""
    stage = str(job["parameters"].get("stage", ""))
    return str(job["notebook"]), STAGE_ORDER.get(stage, len(STAGE_ORDER)), stage, str(job["name"])


def error_cell(notebook: NotebookNode) -> int | None:
    """Number of the first cell whose output is an error, or ``None``."""
    for number, cell in enumerate(notebook.cells, start=1):
        if any(output.output_type == "error" for output in cell.get("outputs", ())):
            return number
    return None


def build_document(
    parts: Sequence[Part], *, run_id: str, packages: Mapping[str, str], code_sha256: str = ""
) -> Document:
    """Assemble the parts of one report, in the order of :func:`section_order`, into a document.

    Parameters
    ----------
    parts : sequence of Part
        At least one with a notebook.
    run_id : str
        Batch the parts come from.
    packages : mapping
        Versions of the packages the numbers depend on.
    code_sha256 : str
        Checksum of the code the numbers come from.

    Raises
    ------
    InputError
        A cross reference leads nowhere, a block is malformed, or a notebook has no opening block.
    """
    counter = _Counter()
    ordered = sorted(parts, key=lambda part: section_order(part.job))
    sections = tuple(_section(part, index, counter) for index, part in enumerate(ordered, start=1))
    shown = [section for section in sections if section.opening is not None]
    if not shown:
        raise ValueError("a report needs at least one part with a notebook")
    asked = {key: str(value) for key, value in shown[0].job["parameters"].items()}
    county_code = asked.get("county_code", "")
    stages = merge_stages(_county_records(shown)) if county_code else ()
    county_name = _county_name(shown) if county_code else ""
    years = {str(section.job["parameters"].get("school_year", "")) for section in sections}
    school_year = years.pop() if len(years) == 1 else ""
    subject = (county_name or f"县（代码 {county_code}）") if county_code else ""
    # A name in Latin letters is set off from the year that follows it; a Chinese one is not.
    subject += " " if subject and subject[-1].isascii() and subject[-1].isalnum() else ""
    is_resource_report = bool(county_code) and not is_linked(shown[0].job)
    topic = _topic(shown, stages) if is_resource_report else _common_title(shown)
    return Document(
        title=f"{subject}{school_year_label(school_year)}{topic}",
        topic=topic,
        subtitle=_subtitle(stages),
        run_id=run_id,
        county_code=county_code,
        county_name=county_name,
        school_year=school_year,
        source_id=asked.get("source_id", ""),
        sections=sections,
        stages=stages,
        packages=dict(packages),
        code_sha256=code_sha256,
    )


def is_linked(job: Mapping[str, Any]) -> bool:
    """Whether a job studies results beside resources: such a study is a report of its own."""
    return "design_id" in job["parameters"]


def _county_name(sections: Iterable[Section]) -> str:
    """The county's name as the first record that has one states it."""
    names = (record.values.get("county_name") for section in sections for record in section.records)
    return next((str(name) for name in names if name), "")


def merge_stages(records: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """One record a stage, primary first, each with all of ``STAGE_KEYS`` (``None`` where nothing is said).

    Where several notebooks speak about one stage the first value of a key stands, except that the verdict is the
    gravest (not met, then undecided, then met), and that one unverified rule makes the stage's rule unverified.
    """
    merged: dict[str, dict[str, Any]] = {}
    for record in records:
        stage = merged.setdefault(str(record.get("stage") or ""), dict.fromkeys(STAGE_KEYS))
        verdicts = [value["verdict"] for value in (stage, record) if value.get("verdict")]
        doubts = [value["rule_unverified"] for value in (stage, record) if value.get("rule_unverified") is not None]
        stage.update({key: value for key, value in record.items() if stage.get(key) is None})
        stage["rule_unverified"] = any(doubts) if doubts else None
        stage["verdict"] = min(verdicts, key=VERDICTS.index, default=None)
    return tuple(merged[name] for name in sorted(merged, key=lambda n: (STAGE_ORDER.get(n, len(STAGE_ORDER)), n)))


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _county_records(sections: Iterable[Section]) -> list[dict[str, Any]]:
    records = [record.values for section in sections for record in section.records if record.id == "county"]
    for values in records:
        if values.get("verdict"):
            check_choice(values["verdict"], VERDICTS, name="结论", where="county 记录块的 verdict")
    return records


def _subtitle(stages: Sequence[Mapping[str, Any]]) -> str:
    standards = dict.fromkeys(str(s["standard_label"]) for s in stages if s["standard_label"])
    return "依据" + "、".join(standards) if standards else ""


def _topic(sections: Sequence[Section], stages: Sequence[Mapping[str, Any]]) -> str:
    """The official topic, unless records speak about the county and none of them judges it."""
    return TOPIC if not stages or any(stage["verdict"] for stage in stages) else _common_title(sections)


def _common_title(sections: Sequence[Section]) -> str:
    """What the sections' titles have in common at their end (``小学县际比较``, ``初中县际比较``: ``县际比较``)."""
    common = commonprefix([section.title[::-1] for section in sections])[::-1]
    return common if len(common) >= _SHORTEST_TITLE else sections[0].title


# one notebook, one section


def _section(part: Part, index: int, counter: _Counter) -> Section:
    number, anchor = chinese_number(index), f"sec-{index}"
    if part.notebook is None:
        return Section(number, anchor, part.heading, part.job, refusal=part.refusal)
    name = str(part.job["name"])
    raw = list(_raw_items(part.notebook, name))
    openings = [content for _, content in raw if isinstance(content, OpeningBlock)]
    if len(openings) != 1:
        raise InputError(
            "笔记本应有且只有一个开篇块",
            where=f"笔记本 {name}",
            found=f"{len(openings)} 个 OpeningBlock",
            expected="1 个",
            fix="在参数单元格之后，用一个单元格输出开篇块",
        )
    targets, labels = _number_exhibits(raw, counter)
    items = _items(raw, targets, labels, anchor)
    records = tuple(content for _, content in raw if isinstance(content, RecordBlock))
    return Section(number, anchor, openings[0].title, part.job, tuple(items), openings[0], records)


def _raw_items(notebook: NotebookNode, name: str) -> Iterator[tuple[Place, Any]]:
    """Blocks and Markdown tokens of the cells, in order, without the heading that only names the notebook."""
    titled = False
    for number, cell in enumerate(notebook.cells, start=1):
        place = Place(name, number)
        if HIDDEN_TAG in cell.metadata.get("tags", ()):
            continue
        if cell.cell_type == "markdown":
            for token in _markdown(cell.source):
                if token["type"] == "heading" and token["attrs"]["level"] == 1 and not titled:
                    titled = True
                    continue
                yield place, token
        for output in cell.get("outputs", ()):
            bundle = output.get("data", {})
            if BLOCK_MIME in bundle:
                titled = True
                yield place, _block(bundle, place)


def _number_exhibits(
    raw: Iterable[tuple[Place, Any]], counter: _Counter
) -> tuple[dict[str, Reference], dict[int, Reference]]:
    """References by ``tbl-ID`` / ``fig-ID``, and by identity of the block."""
    targets: dict[str, Reference] = {}
    labels: dict[int, Reference] = {}
    for place, block in raw:
        if not isinstance(block, TableBlock | FigureBlock):
            continue
        key = f"{'tbl' if isinstance(block, TableBlock) else 'fig'}-{block.id}"
        if key in targets:
            raise InputError(
                "同一笔记本里有两个相同的图表编号",
                where=str(place),
                found=f"@{key} 出现两次",
                expected="同一笔记本内图、表的 id 各不相同",
                fix="给其中一个换一个 id",
            )
        targets[key] = labels[id(block)] = Reference(*counter.number(block))
    return targets, labels


def _items(
    raw: Sequence[tuple[Place, Any]], targets: Mapping[str, Reference], labels: Mapping[int, Reference], anchor: str
) -> Iterator[Item]:
    headings = _HeadingNumbers([t["attrs"]["level"] for _, t in raw if isinstance(t, dict) and t["type"] == "heading"])
    prose: list[Token] = []
    for place, content in raw:
        if isinstance(content, dict) and content["type"] != "heading":
            prose.append(_resolved(content, targets, place))
            continue
        if prose:
            yield Prose(tuple(prose))
            prose = []
        if isinstance(content, dict):
            yield headings.next(_resolved(content, targets, place), anchor)
        elif isinstance(content, FindingBlock):
            yield Finding(_words(content.text, targets, place), content.tone, content.key)
        elif isinstance(content, TableBlock | FigureBlock):
            notes = tuple(_words(note, targets, place) for note in content.notes if note)
            yield Exhibit(labels[id(content)].label, labels[id(content)].anchor, content, notes)
    if prose:
        yield Prose(tuple(prose))


class _HeadingNumbers:
    """Numbers the headings of one section （一） 1. （1）, the highest level found standing right below the section."""

    def __init__(self, levels: Sequence[int]) -> None:
        self.top = min(levels, default=1)
        self.counts: list[int] = []
        self.total = 0

    def next(self, token: Token, anchor: str) -> Heading:
        depth = min(token["attrs"]["level"] - self.top + 1, len(self.counts) + 1, 4)
        self.counts = [*self.counts[:depth], 0][:depth]
        self.counts[-1] += 1
        self.total += 1
        count = self.counts[-1]
        number = {1: f"（{chinese_number(count)}）" if count < 100 else "", 2: f"{count}. ", 3: f"（{count}）"}
        children = tuple(token["children"])
        return Heading(number.get(depth, ""), children, plain_text(children), depth, f"{anchor}-{self.total}")


# Markdown


def _parse_reference(inline: mistune.InlineParser, match: re.Match[str], state: mistune.InlineState) -> int:
    state.append_token({"type": "reference", "raw": f"{match['reference_kind']}-{match['reference_id']}"})
    return match.end()


def _parse_strong(inline: mistune.InlineParser, match: re.Match[str], state: mistune.InlineState) -> int:
    inner = state.copy()
    inner.src = match.group("strong_text")
    state.append_token({"type": "strong", "children": inline.render(inner)})
    return match.end()


def _chinese_markdown(md: mistune.Markdown) -> None:
    """Cross references, and bold text that ends in Chinese punctuation.

    A blank after a reference goes where Chinese follows; ``**重点：**`` before a letter, which plain Markdown leaves
    as asterisks, is bold.
    """
    md.inline.register("reference", _REFERENCE, _parse_reference, before="link")
    strong = r"\*\*(?P<strong_text>[^\s*](?:[^*\n]*[^\s*])?)\*\*(?!\*)"
    md.inline.register("chinese_strong", strong, _parse_strong, before="emphasis")


_MARKDOWN = mistune.create_markdown(renderer=None, plugins=["table", "math", _chinese_markdown])


def _markdown(source: str) -> list[Token]:
    tokens: list[Token] = _MARKDOWN(source)
    return [token for token in tokens if token["type"] != "blank_line"]


def plain_text(tokens: Iterable[Token]) -> str:
    """The words of Markdown tokens without markup."""
    parts = []
    for token in tokens:
        if "children" in token:
            parts.append(plain_text(token["children"]))
        elif token["type"] == "reference":
            parts.append(token["attrs"]["reference"].label)
        else:
            parts.append(token.get("raw", ""))
    return "".join(parts)


def _resolved(token: Token, targets: Mapping[str, Reference], place: Place) -> Token:
    """The token with references resolved and pictures refused, at any depth."""
    if token["type"] == "image":
        raise InputError(
            "正文里不能直接放图片",
            where=str(place),
            found=f"图片 {token['attrs']['url'][:80]}",
            expected="图片由代码单元格输出为图块（FigureBlock），带图题、说明和来源",
            fix="删去 ![…](…)，改用绘图函数输出图块",
        )
    if token["type"] == "reference":
        return {"type": "reference", "attrs": {"reference": _target(token["raw"], targets, place)}}
    if "children" not in token:
        return token
    children = [_resolved(child, targets, place) for child in token["children"]]
    return token | {"children": list(_joined_lines(children))}


def _joined_lines(tokens: Sequence[Token]) -> Iterator[Token]:
    """Drop line ends between Chinese characters, where a browser would show a space."""
    for index, token in enumerate(tokens):
        if token["type"] == "softbreak" and 0 < index < len(tokens) - 1:
            before, after = plain_text(tokens[index - 1 : index]), plain_text(tokens[index + 1 : index + 2])
            if _HAN.match(before[-1:]) and _HAN.match(after[:1]):
                continue
        yield token


def _words(text: str, targets: Mapping[str, Reference], place: Place) -> Words:
    """A plain text cut at its cross references."""
    words: list[str | Reference] = []
    start = 0
    for match in re.finditer(_REFERENCE, text):
        key = f"{match['reference_kind']}-{match['reference_id']}"
        words += [text[start : match.start()], _target(key, targets, place)]
        start = match.end()
    return tuple(word for word in (*words, text[start:]) if word)


def _target(key: str, targets: Mapping[str, Reference], place: Place) -> Reference:
    if key in targets:
        return targets[key]
    raise InputError(
        "正文引用了不存在的图或表",
        where=str(place),
        found=f"@{key}",
        expected="本笔记本中的 " + ("、".join(f"@{k}" for k in targets) or "（本笔记本没有图和表）"),
        fix="改正引用的 id，或补上这张图（表）",
    )


# blocks


def _block(bundle: Mapping[str, Any], place: Place) -> Any:
    """The block an output carries, checked."""
    data = dict(bundle[BLOCK_MIME])
    kind = check_choice(data.pop("kind", None), tuple(_BLOCKS), name="块类型", where=str(place))
    if kind == "figure":
        data["png"] = _png(bundle, place)
    try:
        block = _BLOCKS[kind](**{key: _tupled(value) for key, value in data.items()})
    except TypeError as error:
        raise _malformed(place, f"{kind} 块的字段不符：{error}") from error
    if isinstance(block, RecordBlock):
        return RecordBlock(block.id, {key: _finite(value) for key, value in block.values.items()})
    if isinstance(block, TableBlock | FigureBlock):
        _check_exhibit(block, place)
    if isinstance(block, FindingBlock):
        check_choice(block.tone, TONES, name="语气", where=str(place))
    return block


def _tupled(value: Any) -> Any:
    return tuple(_tupled(item) for item in value) if isinstance(value, list) else value


def _check_exhibit(block: TableBlock | FigureBlock, place: Place) -> None:
    if not _BLOCK_ID.fullmatch(block.id):
        raise _malformed(place, f"id 为 {block.id!r}；id 只能用英文字母、数字、- 和 _")
    if isinstance(block, FigureBlock):
        if not block.alt.strip():
            raise _malformed(place, f"图 {block.id} 没有替代文字（alt）")
        return
    if any(len(row) != len(block.columns) for row in block.rows):
        raise _malformed(place, f"表 {block.id} 有的行与表头列数（{len(block.columns)}）不同")
    if block.tones and len(block.tones) != len(block.rows):
        raise _malformed(place, f"表 {block.id} 有 {len(block.rows)} 行、{len(block.tones)} 个 tones")
    for tone in block.tones:
        check_choice(tone, TONES, name="语气", where=str(place))


def _png(bundle: Mapping[str, Any], place: Place) -> bytes:
    try:
        picture = base64.b64decode("".join(str(bundle.get("image/png", "")).split()), validate=True)
    except binascii.Error as error:
        raise _malformed(place, "图的 image/png 不是 base64") from error
    if not picture.startswith(_PNG_START):
        raise _malformed(place, "图块没有 PNG 图像")
    return picture


def _malformed(place: Place, found: str) -> InputError:
    return InputError(
        "笔记本输出的块不合格式",
        where=str(place),
        found=found,
        expected="qbresearch.exhibits.blocks 中各类块的字段",
        fix="用 qbresearch 的展示函数生成块，不要手工拼写",
    )
