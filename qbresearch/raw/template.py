"""An Excel workbook to fill in, made from a column contract: drop-downs, units, explanations and an example."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from qbresearch.provenance import write_bytes
from qbresearch.raw.examples import EXAMPLES, Row
from qbresearch.raw.workbooks import (
    NUMBER_FORMATS,
    TEXT_FORMAT,
    put_text,
    workbook_bytes,
)
from qbresearch.rules.columns import Column, TableContract

TITLE_ROW, UNIT_ROW, HEADING_ROW, FIRST_ROW = 1, 2, 3, 4
PREPARED_ROWS = 200
EXPLANATION = "填写说明"
EXAMPLE_PREFIX = "示例-"
DATED = date(2026, 11, 21)
LONGEST_PROMPT = 250
LONGEST_PROMPT_TITLE = 30
NARROW, WIDE = 13, 32
WIDE_COLUMNS = {"school_name", "title", "confirmed_by", "remark", "project", "department"}
FROZEN_COLUMNS = {"school_name", "title", "project"}  # what a row is about stays in sight
STAGE_LABELS = {"primary": "小学", "junior": "初中", "senior": "高中"}
KIND_LABELS = {
    "code": "代码（文本）", "text": "文本", "choice": "从下拉列表选", "year": "四位年份", "date": "日期", "count": "整数", "number": "数",
}
EXPLANATION_HEADS = ("工作表", "列（表头）", "含义", "单位", "填法", "统计表号", "允许的范围或选项", "谁必须填")
EXPLANATION_WIDTHS = (12, 30, 44, 12, 14, 26, 44, 24)
RULES = (
    "确实没有就填 0；没有数据请留空，不要填 0、“无”或“—”。留空的数不会按 0 计算，有关结论会写“无法判定”。",
    "只填数字，不写单位，不写公式；单位以表头为准。",
    "代码类各列已设为文本格式，请直接录入，避免丢失前面的 0。",
    "名称以“示例”开头的工作表和本说明不会被读入，可以删去，也可以保留。",
)
SCHOOL_RULES = (
    "一行一所学校（或一个校区、教学点），一县一学年一个工作簿；三张表都要有学校标识码，按标识码合并。",
    *RULES,
    "学校没有的学段，相应的列留空；设备资产值以万元为单位。",
)
HEADING_FILL = PatternFill("solid", fgColor="FFDDE6EE")
UNIT_FILL = PatternFill("solid", fgColor="FFF5F7F9")
EXAMPLE_FILL = PatternFill("solid", fgColor="FFFFF6DD")
THIN = Border(*[Side(style="thin", color="FFBBBBBB")] * 4)
CENTRE = Alignment(horizontal="center", vertical="center", wrap_text=True)
WRAP = Alignment(vertical="top", wrap_text=True)


def write_template(table: TableContract, path: Path) -> None:
    """Write an empty workbook to fill in.

    Parameters
    ----------
    table : TableContract
        One sheet is made per contract sheet, plus 填写说明 and, where examples exist, sheets named 示例-….
    path : Path
        The .xlsx to write; an old file is replaced at once or not at all.
    """
    write_bytes(path, workbook_bytes(_workbook(table, ()), DATED))


def write_filled_example(table: TableContract, path: Path) -> None:
    """Write the same workbook with the invented rows in the real sheets; see :func:`write_template`."""
    write_bytes(path, workbook_bytes(_workbook(table, EXAMPLES.get(table.id, ())), DATED))


def main_heading(column: Column) -> tuple[str, float]:
    """The heading a template uses for a column and the factor to the contract's unit.

    Where headings of several units exist, the scaled one (万元) is used, because the source forms are filled in so.
    """
    scaled = [(text, factor) for text, factor in column.headings.items() if factor != 1]
    return scaled[0] if scaled else next(iter(column.headings.items()))


def _workbook(table: TableContract, filled: Sequence[Row]) -> Workbook:
    workbook = Workbook()
    workbook.remove(workbook.active)
    for sheet_id, label in table.sheets.items():
        columns = _columns(table, sheet_id)
        sheet = workbook.create_sheet(label)
        _write_form(sheet, f"{table.label_zh}——{label}（每格说明见“{EXPLANATION}”）", columns)
        _write_rows(sheet, columns, filled)
        _prepare_cells(sheet, columns)
    _write_explanation(workbook.create_sheet(EXPLANATION), table)
    for sheet_id, label in table.sheets.items():
        if table.id in EXAMPLES:
            columns = _columns(table, sheet_id)
            sheet = workbook.create_sheet(EXAMPLE_PREFIX + label)
            _write_form(sheet, f"示例：{label}（虚构，不会被读入）", columns)
            _write_rows(sheet, columns, EXAMPLES[table.id], EXAMPLE_FILL)
            sheet.sheet_properties.tabColor = "FFE0B040"
    workbook.properties.creator = "qbresearch"
    workbook.properties.title = f"{table.label_zh}填报表"
    return workbook


def _columns(table: TableContract, sheet_id: str) -> list[Column]:
    return [c for c in table.columns if c.sheet in (sheet_id, "every")]


def _write_form(sheet: Worksheet, title: str, columns: Sequence[Column]) -> None:
    """Title, units, headings, widths and frozen panes of one sheet."""
    put_text(sheet.cell(TITLE_ROW, 1), title)
    sheet.cell(TITLE_ROW, 1).font = Font(bold=True, size=14)
    sheet.merge_cells(start_row=TITLE_ROW, end_row=TITLE_ROW, start_column=1, end_column=len(columns))
    for at, column in enumerate(columns, 1):
        for row, text, fill in (
            (UNIT_ROW, f"单位：{_unit(column)}" if column.unit else KIND_LABELS[column.kind], UNIT_FILL),
            (HEADING_ROW, main_heading(column)[0], HEADING_FILL),
        ):
            cell = sheet.cell(row, at)
            put_text(cell, text)
            cell.fill, cell.border, cell.alignment = fill, THIN, CENTRE
        sheet.cell(HEADING_ROW, at).font = Font(bold=True)
        sheet.cell(UNIT_ROW, at).font = Font(size=9, color="FF555555")
        sheet.column_dimensions[get_column_letter(at)].width = WIDE if column.name in WIDE_COLUMNS else NARROW
    sheet.row_dimensions[TITLE_ROW].height = 26
    sheet.row_dimensions[HEADING_ROW].height = 48
    names = [at for at, column in enumerate(columns, 1) if column.name in FROZEN_COLUMNS]
    sheet.freeze_panes = sheet.cell(FIRST_ROW, names[0] + 1 if names else 1)


def _write_rows(
    sheet: Worksheet, columns: Sequence[Column], rows: Sequence[Row], fill: PatternFill | None = None
) -> None:
    for number, row in enumerate(rows, FIRST_ROW):
        for at, column in enumerate(columns, 1):
            cell, value = sheet.cell(number, at), row.get(column.name)
            cell.number_format, cell.border = NUMBER_FORMATS.get(column.kind, TEXT_FORMAT), THIN
            if fill:
                cell.fill = fill
            if column.kind == "choice" and value is not None:
                put_text(cell, column.label_in(value, row))
            elif isinstance(value, str):
                put_text(cell, value)
            elif value is not None:
                cell.value = value if column.kind != "number" else float(f"{value / main_heading(column)[1]:.12g}")


def _prepare_cells(sheet: Worksheet, columns: Sequence[Column]) -> None:
    """Formats and checks of the rows to fill in."""
    last = FIRST_ROW + PREPARED_ROWS - 1
    for at, column in enumerate(columns, 1):
        for row in range(FIRST_ROW, last + 1):
            cell = sheet.cell(row, at)
            cell.number_format, cell.border = NUMBER_FORMATS.get(column.kind, TEXT_FORMAT), THIN
        letter = get_column_letter(at)
        check = _validation(column)
        check.add(f"{letter}{FIRST_ROW}:{letter}{last}")
        sheet.add_data_validation(check)


def _validation(column: Column) -> DataValidation:
    """The check and the input message of a column."""
    rules: dict[str, Any] = {"type": "textLength", "operator": "greaterThanOrEqual", "formula1": "1"}
    if column.kind == "choice":
        rules = {"type": "list", "formula1": '"' + ",".join(column.offered) + '"'}
    elif column.kind == "date":
        # Cells are text, so that Excel does not make a day out of a month; 2024-6 is the shortest date.
        rules |= {"operator": "between", "formula1": str(len("2024-6")), "formula2": str(len("2024年12月31日"))}
    elif column.kind == "code" and column.digits:
        rules = {"type": "textLength", "operator": "equal", "formula1": str(column.digits)}
    elif column.kind in {"count", "number", "year"}:
        low, high = _range(column)
        kind = "decimal" if column.kind == "number" else "whole"
        rules = {"type": kind, "operator": "greaterThanOrEqual", "formula1": f"{low:.12g}"}
        if high is not None:
            rules |= {"operator": "between", "formula2": f"{high:.12g}"}
    return DataValidation(
        **rules, allow_blank=True, showInputMessage=True, showErrorMessage=True, errorStyle="stop",
        promptTitle=column.label_zh[:LONGEST_PROMPT_TITLE], prompt=_prompt(column)[:LONGEST_PROMPT],
        errorTitle="填写有误", error=f"{column.label_zh}：{_allowed(column)}"[:LONGEST_PROMPT],
    )


def _prompt(column: Column) -> str:
    unit = f"单位：{_unit(column)}。" if column.unit else ""
    blank = "没有数据请留空，零填 0。" if column.is_number else ""
    return f"{column.meaning}。{unit}{_allowed(column)}。{blank}"


def _range(column: Column) -> tuple[float, float | None]:
    """Smallest and largest value in the unit of the template's heading."""
    factor = main_heading(column)[1]
    return (column.min or 0) / factor, None if column.max is None else column.max / factor


def _unit(column: Column) -> str:
    """The unit of the template's heading: what stands in its brackets when it is not the contract's unit."""
    heading, factor = main_heading(column)
    return column.unit if factor == 1 else heading[heading.rindex("（") + 1 : -1]


def _allowed(column: Column) -> str:
    """What may stand in a cell, in Chinese."""
    if column.kind == "choice":
        return "、".join(column.offered)
    if column.kind == "date":
        return "2024-06-30、2024/6/30 或 2024年6月30日；只知道月份写 2024-06"
    if column.kind == "code":
        return f"{column.digits} 位数字，文本" if column.digits else "文本"
    if column.kind == "text":
        return "文本"
    low, high = _range(column)
    whole = "" if column.kind == "number" else "整数，"
    return f"{whole}不小于 {low:.12g}" if high is None else f"{whole}{low:.12g} 至 {high:.12g}"


def _required(column: Column) -> str:
    """Who must fill a column in, in Chinese."""
    if column.optional:
        return "可以不填（整列可删）"
    if column.blank_allowed:
        return "按含义填写，可留空"
    return f"有{STAGE_LABELS.get(column.stage, column.stage)}学段的学校" if column.stage else "每一行"


def _row_rule(table: TableContract) -> str:
    """What a row is, and what joins the sheets where there are several."""
    key = "、".join(table.label(name) for name in table.key)
    joined = "、".join(table.label(name) for name in table.join_key)
    sheets = f"；各张表都要有{joined}，按它们合并" if joined else ""
    return f"一行一{table.rows_zh}，{key}都相同的行只能有一行{sheets}。"


def _write_explanation(sheet: Worksheet, table: TableContract) -> None:
    """The sheet that explains every column."""
    put_text(sheet.cell(1, 1), f"{table.label_zh}填写说明")
    sheet.cell(1, 1).font = Font(bold=True, size=14)
    sheet.merge_cells(start_row=1, end_row=1, start_column=1, end_column=len(EXPLANATION_HEADS))
    rules = SCHOOL_RULES if table.id == "school" else (_row_rule(table), *RULES)
    for row, rule in enumerate(rules, 2):
        put_text(sheet.cell(row, 1), f"{row - 1}. {rule}")
        sheet.merge_cells(start_row=row, end_row=row, start_column=1, end_column=len(EXPLANATION_HEADS))
    heads = len(rules) + 3
    for at, (head, width) in enumerate(zip(EXPLANATION_HEADS, EXPLANATION_WIDTHS, strict=True), 1):
        cell = sheet.cell(heads, at)
        put_text(cell, head)
        cell.font, cell.fill, cell.border, cell.alignment = Font(bold=True), HEADING_FILL, THIN, CENTRE
        sheet.column_dimensions[get_column_letter(at)].width = width
    for row, column in enumerate(table.columns, heads + 1):
        texts = (
            table.sheets.get(column.sheet, "每张表"), main_heading(column)[0], column.meaning,
            _unit(column) or "—", KIND_LABELS[column.kind], column.form or "—", _allowed(column), _required(column),
        )
        for at, text in enumerate(texts, 1):
            cell = sheet.cell(row, at)
            put_text(cell, text)
            cell.border, cell.alignment = THIN, WRAP
    sheet.freeze_panes = sheet.cell(heads + 1, 3)
