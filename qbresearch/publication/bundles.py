"""Blocks read back from the outputs of an executed notebook, checked before anything is made of them."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Mapping
from typing import Any

from qbresearch.errors import InputError, check_choice
from qbresearch.exhibits.blocks import (
    BLOCK_MIME,
    TONES,
    EquationBlock,
    FigureBlock,
    FindingBlock,
    OpeningBlock,
    RecordBlock,
    TableBlock,
)

Block = OpeningBlock | TableBlock | FigureBlock | EquationBlock | FindingBlock | RecordBlock
_BLOCKS = {
    block.kind: block for block in (OpeningBlock, TableBlock, FigureBlock, EquationBlock, FindingBlock, RecordBlock)
}
_BLOCK_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_PNG_START = b"\x89PNG\r\n\x1a\n"


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
        The block does not have the form of its kind, a figure or equation lacks its alternative text.
    """
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
    if isinstance(block, TableBlock | FigureBlock | EquationBlock) and not _BLOCK_ID.fullmatch(block.id):
        raise _malformed(place, f"id 为 {block.id!r}；id 只能用英文字母、数字、- 和 _")
    if isinstance(block, FigureBlock | EquationBlock) and not block.alt.strip():
        raise _malformed(place, f"{'图' if kind == 'figure' else '公式'} {block.id} 没有替代文字（alt）")
    if isinstance(block, TableBlock):
        _check_table(block, place)
    if isinstance(block, FindingBlock):
        check_choice(block.tone, TONES, name="语气", where=str(place))
    return block


def _tupled(value: Any) -> Any:
    return tuple(_tupled(item) for item in value) if isinstance(value, list) else value


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _check_table(block: TableBlock, place: object) -> None:
    if any(len(row) != len(block.columns) for row in block.rows):
        raise _malformed(place, f"表 {block.id} 有的行与表头列数（{len(block.columns)}）不同")
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


def _malformed(place: object, found: str) -> InputError:
    return InputError(
        "笔记本输出的块不合格式",
        where=str(place),
        found=found,
        expected="qbresearch.exhibits.blocks 中各类块的字段",
        fix="用 qbresearch 的展示函数生成块，不要手工拼写",
    )
