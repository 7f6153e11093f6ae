"""One cell at a time: from what a clerk typed to a value in the contract's unit, or to a sentence saying why not."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from qbresearch.raw.codes import usual_code
from qbresearch.raw.sheets import Cell
from qbresearch.rules.columns import Column

# Only the width of signs is unified: a footnote mark such as ① or ² must not turn into a digit.
HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: " ", 0xA0: " "}
NUMBER = re.compile(r"[+-]?(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
PLAIN_NUMBER, PLAIN_CODE = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?"), re.compile(r"[0-9]+")
SCIENTIFIC = re.compile(r"[0-9](?:\.[0-9]+)?[eE]\+?[0-9]+")
YEAR = re.compile(r"([0-9]{4})(?:\s*[-—–~至/]{1,2}\s*([0-9]{4}|[0-9]{2}))?\s*(?:学年|年)?(?:度)?")
DAY = re.compile(r"([0-9]{4})(?:([-/])([0-9]{1,2})(?:\2([0-9]{1,2}))?|年([0-9]{1,2})月(?:([0-9]{1,2})日)?)")
# Parts of a number format that are text and no code for day or month: "日", \日, [$-804].
FORMAT_TEXT = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]')
EXCEL_ERROR = re.compile(r"#(?:[A-Z]+[!?]|DIV/0!|N/A)")
# Unit of a column to the factors for "85%" typed and for a number that Excel shows as a percentage.
PERCENT_FACTORS = {"%": (1.0, 100.0), "1": (0.01, 1.0)}
DASHES = {"-", "--", "—", "——", "–", "/", "\\", "无", "暂无", "缺", "未知", "N/A", "NA", "n/a", "na", "null", "空"}
MISSING = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a cell cannot be used: what was expected and how to put it right."""

    expected: str
    fix: str


def plain_text(value: Any) -> str:
    """Cell value as text: full-width letters and digits made half-width, outer space removed, ``None`` empty."""
    return shown_text(value).translate(HALF_WIDTH).strip()


def shown_text(value: Any) -> str:
    """Cell value as it is read in the spreadsheet, on one line: 12.0 is 12, ``None`` empty."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if not isinstance(value, str) else " ".join(value.splitlines())


def heading_text(value: Any) -> str:
    """A heading for comparison: width and brackets unified, ㎡ as m2, every white space removed."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", plain_text(value)))


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
    if EXCEL_ERROR.fullmatch(text):
        return MISSING, Fault("一个值", "这是 Excel 公式错误，请改正公式或填入数值")
    if text.startswith("="):
        return MISSING, Fault("公式的结果", "公式没有保存计算结果：在 Excel 或 WPS 中打开并保存，或直接填入数值")
    if column.kind == "code":
        return _code(cell, text, column)
    if column.kind == "choice":
        return _choice(text, column)
    if column.kind == "year":
        return _year(text, column)
    if column.kind == "date":
        return _date(cell, text, column)
    if column.is_number:
        return _number(cell, text, column, factor)
    if isinstance(cell.value, bool) or not isinstance(cell.value, (str, int, float)):
        return MISSING, Fault("文本", "Excel 把它当作了日期或是非值：把单元格设为文本格式后重填")
    # Names keep the width of letters and brackets they were typed with.
    return cell.value.strip() if isinstance(cell.value, str) else shown_text(cell.value), None


class KnownCells(dict[str | None, tuple[Any, Fault | None]]):
    """:func:`read_cell` for the cells of one column: of a large file, the same few texts stand in most of its cells.

    Only plain texts are remembered; what a number or a date is depends on how it is shown.
    """

    __slots__ = ("_column", "_factor")

    def __init__(self, column: Column, factor: float) -> None:
        super().__init__()
        self._column, self._factor = column, factor

    def __missing__(self, text: str | None) -> tuple[Any, Fault | None]:
        found = self[text] = _plainly(text, self._column, self._factor) or read_cell(Cell(text), self._column, self._factor)
        return found

    def read(self, cells: list[Cell]) -> list[tuple[Any, Fault | None]]:
        """Value of each cell, and what is wrong with it."""
        column, factor = self._column, self._factor
        return [
            self[cell.value] if cell.number_format == "General" and (cell.value is None or type(cell.value) is str)
            else read_cell(cell, column, factor)
            for cell in cells
        ]  # fmt: skip


def _plainly(text: str | None, column: Column, factor: float) -> tuple[Any, Fault | None] | None:
    """What :func:`read_cell` would say of a text that leaves no question; ``None`` for all others."""
    if text is None:
        return MISSING, None
    if column.is_number and factor == 1 and PLAIN_NUMBER.fullmatch(text):
        value = float(text)
        within = column.min is None or column.min <= value <= column.max
        return (value, None) if within and (column.kind != "count" or value.is_integer()) else None
    if column.kind == "code" and len(text) == column.digits and not column.evaluation and PLAIN_CODE.fullmatch(text):
        return text, None
    return (text.strip(), None) if column.kind == "text" and "\u4e00" <= text[:1] <= "\u9fff" else None


def _code(cell: Cell, text: str, column: Column) -> tuple[Any, Fault | None]:
    """Codes stay text. A number that Excel shows with leading zeros is read as shown."""
    if isinstance(cell.value, (int, float)) and not isinstance(cell.value, bool):
        shown = re.fullmatch(r"0+", cell.number_format or "")
        if shown:
            text = text.zfill(len(cell.number_format))
    if column.evaluation:
        text = usual_code(text)
    if not column.digits or re.fullmatch(rf"[0-9]{{{column.digits}}}", text):
        return text, None
    if text in DASHES:
        fix = "没有代码请留空"
    elif SCIENTIFIC.fullmatch(text):
        fix = "代码被存成了科学计数法：把该列设为文本格式后重填完整代码"
    elif re.fullmatch(rf"[0-9]{{1,{column.digits - 1}}}", text):
        fix = "前面的 0 丢了：把该列设为文本格式后重填完整代码"
    else:
        fix = "按登记的代码填写，不加空格或其他字符"
    return MISSING, Fault(f"{column.digits} 位数字的文本", fix)


def _choice(text: str, column: Column) -> tuple[Any, Fault | None]:
    for choice in column.choices:
        if text == choice.id or text in {plain_text(label) for label in choice.labels}:
            return choice.id, None
    return MISSING, Fault(f"下列之一：{'、'.join(column.offered)}", "从下拉列表中选一个")


def check_vocabulary(cell: Cell, column: Column, row: Mapping[str, Any], beside: Mapping[str, Column]) -> Fault | None:
    """What is wrong with the word of a choice cell in its row, if anything.

    Parameters
    ----------
    cell : Cell
        As the file holds it.
    column : Column
        The contract's column.
    row : mapping
        Values of the row by column, as :func:`read_cell` gives them.
    beside : mapping
        Columns of the sheet by name.
    """
    rule = column.vocabulary(row)
    if rule is None or row[column.name] in rule.allowed or plain_text(cell.value) in map(plain_text, rule.allowed):
        return None
    other = beside[rule.of]
    shown = next((c.label_zh for c in other.choices if c.id == row[rule.of]), row[rule.of])
    labels = {c.id: c.label_zh for c in column.choices}
    words = "、".join(labels.get(word, word) for word in rule.allowed)
    return Fault(f"{other.label_zh}为“{shown}”时用：{words}", rule.fix)


def _year(text: str, column: Column) -> tuple[Any, Fault | None]:
    match = YEAR.fullmatch(text)
    year = int(match[1]) if match else 0
    spans = column.name == "school_year"
    follows = match is not None and (match[2] is None or (spans and str(year + 1).endswith(match[2])))
    if follows and column.min <= year <= column.max:
        return year, None
    if spans:
        return MISSING, Fault("四位年份，如 2024 或 2024—2025 学年", "写学年开始的那一年")
    return MISSING, Fault(f"四位年份，如 2024（{_short(column.min)} 至 {_short(column.max)}）", "写一个年份，不写起止")


def _date(cell: Cell, text: str, column: Column) -> tuple[Any, Fault | None]:
    """A day as 2024-06-30, or a month as 2024-06 where the day is not known; nothing is completed or guessed."""
    expected = f"日期，如 2024-06-30、2024/6/30、2024年6月30日；只知道月份写 2024-06（{_short(column.min)} 至 {_short(column.max)} 年）"
    year = month = day = None
    if isinstance(cell.value, (date, datetime)):
        shown = FORMAT_TEXT.sub("", cell.number_format or "").lower()
        if isinstance(cell.value, datetime) and (cell.value.hour, cell.value.minute, cell.value.second) != (0, 0, 0):
            return MISSING, Fault(expected, "单元格里有钟点：只填日期，不填时间")
        if "y" not in shown or "m" not in shown:
            # Excel adds the current year to a typed 6/30 and the first of January to a year.
            return MISSING, Fault(expected, "单元格没有显示年和月：把单元格设为文本格式，写全年、月、日")
        # Excel keeps "2024-06" as the first of the month and shows the month only: that is all that was typed.
        year, month, day = cell.value.year, cell.value.month, cell.value.day if "d" in shown else None
    elif isinstance(cell.value, str) and (match := DAY.fullmatch(text)):
        year, month, day = int(match[1]), int(match[3] or match[5]), match[4] or match[6]
    if year is None or month is None:
        return MISSING, Fault(expected, _why_no_date(cell, text))
    try:
        found = date(year, month, int(day or 1))
    except ValueError:
        return MISSING, Fault(expected, "日历上没有这一天，请核对月和日")
    if not column.min <= year <= column.max:
        return MISSING, Fault(expected, "年份不在允许的范围内，请核对")
    return f"{found:%Y-%m-%d}" if day else f"{found:%Y-%m}", None


def _why_no_date(cell: Cell, text: str) -> str:
    if text in DASHES:
        return "没有日期请留空"
    if re.fullmatch(r"[0-9]{4}年?", text):
        return "只写年份不够：至少写到月，如 2024-06"
    if not isinstance(cell.value, str):
        return "Excel 把它存成了数：把单元格设为文本格式后重填，如 2024-06-30"
    return "年、月、日之间用“-”“/”或“年”“月”“日”，例如 2024-06-30"


def _number(cell: Cell, text: str, column: Column, factor: float) -> tuple[Any, Fault | None]:
    unit = column.unit or "数"
    if text in DASHES:
        return MISSING, Fault(f"数（{unit}）或空白", "确实为零请填 0；没有数据请留空")
    shown_as_percent = not isinstance(cell.value, str) and "%" in (cell.number_format or "")
    if text.endswith("%") or shown_as_percent:
        if unit not in PERCENT_FACTORS:
            fix = "把单元格改为普通数字格式" if shown_as_percent else "去掉百分号"
            return MISSING, Fault(f"数（{unit}），不是百分比", f"{fix}，填实际数量")
        text, factor = text.removesuffix("%").strip(), PERCENT_FACTORS[unit][shown_as_percent]
    if not NUMBER.fullmatch(text):
        trailing = re.fullmatch(rf"({NUMBER.pattern})\s*\D+", text)
        return MISSING, Fault(f"数（{unit}）", "只填数字，单位写在表头" if trailing else "填数字；没有数据请留空")
    value = float(text.replace(",", "")) * factor
    if factor != 1:
        # 12.34 万元 is exactly 123400 元; binary multiplication leaves a trace after the 15th digit.
        value = float(f"{value:.15g}")
    if not math.isfinite(value):
        return MISSING, Fault(f"数（{unit}）", "这个数大得无法表示，请核对")
    if column.min is not None and not column.min <= value <= column.max:
        return MISSING, Fault(f"{_short(column.min)} 至 {_short(column.max)} 之间（{unit}）", "核对数值与表头的单位")
    if column.kind == "count" and not value.is_integer():
        return MISSING, Fault(f"整数（{unit}）", "人数、间数、台数、册数不能是小数")
    return value, None


def _short(value: float) -> str:
    return f"{value:.12g}"
