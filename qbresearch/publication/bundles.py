"""Blocks read back from the outputs of an executed notebook, checked before anything is made of them."""

from __future__ import annotations

import base64
import binascii
import math
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from qbresearch.errors import InputError, check_choice
from qbresearch.exhibits.blocks import (
    BLOCK_MIME,
    TONES,
    AbsentBlock,
    EquationBlock,
    FigureBlock,
    FindingBlock,
    OpeningBlock,
    RecordBlock,
    TableBlock,
)
from qbresearch.publication.references import unresolved

Block = OpeningBlock | TableBlock | FigureBlock | EquationBlock | FindingBlock | AbsentBlock | RecordBlock
_BLOCKS = {
    block.kind: block
    for block in (OpeningBlock, TableBlock, FigureBlock, EquationBlock, FindingBlock, AbsentBlock, RecordBlock)
}
_BLOCK_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_PNG_START = b"\x89PNG\r\n\x1a\n"
_LONGEST_SHOWN = 60
_ALIGNMENTS = ("left", "right", "center")
_COUNTY_NUMBERS = ("schools", "schools_met", "largest_cv", "cv_over_cap", "indicators")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_truth(value: object) -> bool:
    return isinstance(value, bool)


def _is_column(value: object) -> bool:
    return isinstance(value, Mapping) and _is_text(value.get("label")) and value.get("align") in _ALIGNMENTS


def _all(test: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, tuple) and all(map(test, value))


def _pairs(first: Callable[[object], bool], second: Callable[[object], bool]) -> Callable[[object], bool]:
    return _all(lambda item: isinstance(item, tuple) and len(item) == 2 and first(item[0]) and second(item[1]))


_TEXT, _TEXTS, _TRUTH, _MAPPING = (_is_text, "文字"), (_all(_is_text), "一列文字"), (_is_truth, "真或假"), (_is_mapping, "键和值")
_COUNT = (_is_count, "正整数")
# What a field holds, whatever kind of block it belongs to.
_FORMS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    **dict.fromkeys(("id", "title", "caption", "source", "alt", "tex", "text", "tone"), _TEXT),
    **dict.fromkeys(("cautions", "notes", "tones"), _TEXTS),
    **dict.fromkeys(("simulated", "key"), _TRUTH),
    **dict.fromkeys(("parameters", "values"), _MAPPING),
    **dict.fromkeys(("width", "height"), _COUNT),
    "facts": (_pairs(_is_text, _is_text), "一列“名称、内容”，都是文字"),
    "columns": (_all(_is_column), f"一列栏目，各有文字 label 和 align（{'、'.join(_ALIGNMENTS)} 之一）"),
    "heads": (_pairs(_is_text, _is_count), "一列“文字、所跨列数”，列数为正整数"),
}


def read_block(bundle: Mapping[str, Any], place: object) -> Block:
    """The block an output carries.

    Parameters
    ----------
    bundle : mapping
        The output's MIME bundle; has ``BLOCK_MIME``.
    place : object
        The cell, for the message.

    Raises
    ------
    InputError
        The block does not have the form of its kind, a figure or equation lacks its alternative text, a picture is
        damaged, or a text that is printed as it is means to refer to something.
    """
    content = bundle[BLOCK_MIME]
    if not isinstance(content, Mapping):
        raise _malformed(place, f"块不是一组字段，而是 {_short(content)}")
    data = dict(content)
    kind = check_choice(data.pop("kind", None), tuple(_BLOCKS), name="块类型", where=str(place))
    if kind == "figure":
        data["png"] = _png(bundle, place)
    try:
        block = _BLOCKS[kind](**{key: _tupled(value) for key, value in data.items()})
    except TypeError as error:
        raise _malformed(place, f"{kind} 块的字段不符：{error}") from error
    _check_forms(block, place)
    if isinstance(block, RecordBlock):
        return _record(block, place)
    if isinstance(block, TableBlock | FigureBlock | EquationBlock) and not _BLOCK_ID.fullmatch(block.id):
        raise _malformed(place, f"id 为 {block.id!r}；id 只能用英文字母、数字、- 和 _")
    if isinstance(block, FigureBlock | EquationBlock) and not block.alt.strip():
        raise _malformed(place, f"{'图' if kind == 'figure' else '公式'} {block.id} 没有替代文字（alt）")
    if isinstance(block, TableBlock):
        _check_table(block, place)
    if isinstance(block, FigureBlock):
        _check_size(block, place)
    if isinstance(block, FindingBlock):
        check_choice(block.tone, TONES, name="语气", where=str(place))
    _check_plain(block, place)
    return block


def _tupled(value: Any) -> Any:
    return tuple(_tupled(item) for item in value) if isinstance(value, list) else value


def _check_forms(block: Block, place: object) -> None:
    for name in (field.name for field in fields(block) if field.name in _FORMS):
        is_right, words = _FORMS[name]
        if not is_right(getattr(block, name)):
            raise _malformed(place, f"{block.kind} 块的 {name} 应为{words}，现为 {_short(getattr(block, name))}")


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _LONGEST_SHOWN else shown[:_LONGEST_SHOWN] + "…"


def _record(block: RecordBlock, place: object) -> RecordBlock:
    values = {key: _finite(value) for key, value in block.values.items()}
    for key in _COUNTY_NUMBERS if block.id == "county" else ():
        if not isinstance(values.get(key), int | float | None) or _is_truth(values.get(key)):
            raise _malformed(place, f"county 记录块的 {key} 应为数或空，现为 {_short(values[key])}")
    return RecordBlock(block.id, values)


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _check_table(block: TableBlock, place: object) -> None:
    if not block.columns:
        raise _malformed(place, f"表 {block.id} 一列也没有")
    if not isinstance(block.rows, tuple) or not all(isinstance(row, tuple) for row in block.rows):
        raise _malformed(place, f"表 {block.id} 的 rows 不是一行一行的单元格")
    if any(len(row) != len(block.columns) for row in block.rows):
        raise _malformed(place, f"表 {block.id} 有的行与表头列数（{len(block.columns)}）不同")
    for number, row in enumerate(block.rows, start=1):
        for cell in row:
            if not _is_text(cell):
                raise _malformed(place, f"表 {block.id} 第 {number} 行的单元格不是文字，而是 {_short(cell)}")
    if block.tones and len(block.tones) != len(block.rows):
        raise _malformed(place, f"表 {block.id} 有 {len(block.rows)} 行、{len(block.tones)} 个 tones")
    if block.heads and sum(span for _, span in block.heads) != len(block.columns):
        raise _malformed(place, f"表 {block.id} 上层表头所跨的列数与列数（{len(block.columns)}）不同")
    for tone in block.tones:
        check_choice(tone, TONES, name="语气", where=str(place))


def _png(bundle: Mapping[str, Any], place: object) -> bytes:
    try:
        picture = base64.b64decode("".join(str(bundle.get("image/png", "")).split()), validate=True)
    except binascii.Error as error:
        raise _malformed(place, "图的 image/png 不是 base64") from error
    if not picture.startswith(_PNG_START):
        raise _malformed(place, "图块没有 PNG 图像")
    return picture


def _check_size(block: FigureBlock, place: object) -> None:
    """Refuse a picture that is damaged or not as large as its block says."""
    names = list(_png_parts(block.png))
    if names[:1] != [b"IHDR"] or names[-1:] != [b"IEND"] or b"IDAT" not in names:
        raise _malformed(place, f"图 {block.id} 的 PNG 图像残缺")
    size = tuple(int.from_bytes(block.png[start : start + 4]) for start in (16, 20))
    if size != (block.width, block.height):
        raise _malformed(
            place, f"图 {block.id} 写明 {block.width}×{block.height} 像素，PNG 图像为 {size[0]}×{size[1]} 像素"
        )


def _png_parts(picture: bytes) -> Iterator[bytes]:
    """Names of the picture's chunks, as far as they are whole."""
    start = len(_PNG_START)
    while start < len(picture):
        length = int.from_bytes(picture[start : start + 4])
        named = picture[start + 4 : start + 8 + length]
        if picture[start + 8 + length : start + 12 + length] != zlib.crc32(named).to_bytes(4):
            return
        yield named[:4]
        start += 12 + length


def _check_plain(block: Block, place: object) -> None:
    """Refuse references where texts are printed as they are."""
    for what, text in _plain_texts(block):
        if found := unresolved(text):
            raise InputError(
                "这里的引用不会变成编号",
                where=f"{place}，{what}",
                found=found,
                expected="引用（@tbl-…、[@key] 等）只写在 Markdown 正文、发现（FindingBlock）和表注、图注（notes）里",
                fix="把引用移到 notes 或正文里，这里只留文字",
            )


def _plain_texts(block: Block) -> Iterator[tuple[str, str]]:
    match block:
        case OpeningBlock():
            yield "开篇块的标题", block.title
            yield from (("开篇块的 facts", text) for pair in block.facts for text in pair)
            yield from (("开篇块的 cautions", text) for text in block.cautions)
        case TableBlock():
            yield f"表 {block.id} 的题名", block.caption
            yield f"表 {block.id} 的来源", block.source
            yield from ((f"表 {block.id} 的表头", column["label"]) for column in block.columns)
            yield from ((f"表 {block.id} 的表头", label) for label, _ in block.heads)
            for number, row in enumerate(block.rows, start=1):
                yield from ((f"表 {block.id} 第 {number} 行", cell) for cell in row)
        case FigureBlock():
            yield f"图 {block.id} 的题名", block.caption
            yield f"图 {block.id} 的来源", block.source
            yield f"图 {block.id} 的替代文字", block.alt
        case EquationBlock():
            yield f"公式 {block.id} 的替代文字", block.alt


def _malformed(place: object, found: str) -> InputError:
    return InputError(
        "笔记本输出的块不合格式",
        where=str(place),
        found=found,
        expected="qbresearch.exhibits.blocks 中各类块的字段",
        fix="用 qbresearch 的展示函数生成块，不要手工拼写",
    )
