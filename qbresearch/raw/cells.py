"""One cell at a time: from what a clerk typed to a value in the contract's unit, or to a sentence saying why not."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from qbresearch.raw.columns import Column
from qbresearch.raw.sheets import Cell

NUMBER = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d+)?(?:[eE][+-]?\d+)?")
YEAR = re.compile(r"(\d{4})(?:\s*[-—–~至/]\s*(?:\d{4}|\d{2}))?\s*(?:学年|年)?(?:度)?")
DASHES = {"-", "--", "—", "——", "–", "/", "\\", "无", "暂无", "缺", "未知", "N/A", "NA", "n/a", "na", "null", "空"}
MISSING = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a cell cannot be used: what was expected and how to put it right."""

    expected: str
    fix: str


def plain_text(value: Any) -> str:
    """Cell value as text: full-width letters and digits made half-width, outer space removed, ``None`` empty."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return unicodedata.normalize("NFKC", str(value)).strip()


def heading_text(value: Any) -> str:
    """A heading for comparison: width and brackets unified, every white space removed."""
    return re.sub(r"\s+", "", plain_text(value)).replace("㎡", "m2")


def read_cell(cell: Cell, column: Column, factor: float) -> tuple[Any, Fault | None]:
    """Value of a cell in the column's unit (``None`` when empty or unusable) and what is wrong with it, if anything.

    Parameters
    ----------
    cell : Cell
        As the file holds it.
    column : Column
        The contract's column.
    factor : float
        What the heading's unit must be multiplied by (万元 to 元: 10000).
    """
    text = plain_text(cell.value)
    if text == "":
        return MISSING, None
    if text.startswith("#") and text.endswith(("!", "?", "/A", "/0!")):
        return MISSING, Fault("一个值", "这是 Excel 公式错误，请改正公式或填入数值")
    if column.kind == "code":
        return _code(cell, text, column)
    if column.kind == "choice":
        return _choice(text, column)
    if column.kind == "year":
        return _year(text, column)
    if column.is_number:
        return _number(text, column, factor)
    # Names keep the width of letters and brackets they were typed with.
    return str(cell.value).strip(), None


def _code(cell: Cell, text: str, column: Column) -> tuple[Any, Fault | None]:
    """Codes stay text. A number that Excel shows with leading zeros is read as shown."""
    if isinstance(cell.value, (int, float)) and not isinstance(cell.value, bool):
        shown = re.fullmatch(r"0+", cell.number_format or "")
        if shown:
            text = text.zfill(len(cell.number_format))
    if column.digits and not re.fullmatch(rf"\d{{{column.digits}}}", text):
        lost = text.isdigit() and len(text) < column.digits
        return MISSING, Fault(
            f"{column.digits} 位数字的文本",
            "前面的 0 丢了：把该列设为文本格式后重填完整代码" if lost else "按登记的代码填写，不加空格或其他字符",
        )
    return text, None


def _choice(text: str, column: Column) -> tuple[Any, Fault | None]:
    for choice in column.choices:
        if text == choice.id or text in {plain_text(label) for label in choice.labels}:
            return choice.id, None
    labels = "、".join(choice.labels[0] for choice in column.choices)
    return MISSING, Fault(f"下列之一：{labels}", "从下拉列表中选一个")


def _year(text: str, column: Column) -> tuple[Any, Fault | None]:
    match = YEAR.fullmatch(text)
    year = int(match.group(1)) if match else 0
    if match and column.min <= year <= column.max:
        return year, None
    return MISSING, Fault("四位年份，如 2024 或 2024—2025 学年", "写学年开始的那一年")


def _number(text: str, column: Column, factor: float) -> tuple[Any, Fault | None]:
    unit = column.unit or "数"
    if text in DASHES:
        return MISSING, Fault(f"数（{unit}）或空白", "确实为零请填 0；没有数据请留空")
    if text.endswith("%"):
        return MISSING, Fault(f"数（{unit}），不是百分比", "去掉百分号，填实际数量")
    if not NUMBER.fullmatch(text):
        trailing = re.fullmatch(rf"({NUMBER.pattern})\s*\D+", text)
        return MISSING, Fault(f"数（{unit}）", "只填数字，单位写在表头" if trailing else "填数字；没有数据请留空")
    value = float(text.replace(",", "")) * factor
    if factor != 1:
        # 12.34 万元 is exactly 123400 元; binary multiplication leaves a trace in the last digits.
        value = float(f"{value:.12g}")
    if not math.isfinite(value) or (column.min is not None and not column.min <= value <= column.max):
        return MISSING, Fault(f"{column.min:g} 至 {column.max:g} 之间（{unit}）", "核对数值与表头的单位")
    if column.kind == "count" and not value.is_integer():
        return MISSING, Fault(f"整数（{unit}）", "人数、间数、台数、册数不能是小数")
    return value, None
