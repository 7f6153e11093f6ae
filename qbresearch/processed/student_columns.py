"""What a column of a student table may hold, how it is read, and in which words it is refused.

Tables in memory and files on disk are judged by the same rules and refused in the same words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real

import numpy as np
import pandas as pd

from qbresearch.errors import InputError

WHITE = " \t\r\n\u00a0\u3000"
NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
COUNTY = "[0-9]{6}"
LEVELS = ("1", "2", "3", "4")
WHOLE = ("school_year", "cycle")
NAMES = {"county_code": "county_name", "school_code": "school_name"}
STUDENT = "student_id"
PLACE = ("county_code", "school_year", "grade", "subject")
"""With the student, what may occur once only."""
FAULTS = {
    "number": ("应为数的一列里有不是数的内容", "有限的数；没有分数则留空", "改正这些格；缺考请留空，不要写“缺考”或“—”"),
    "whole": ("年份不是整数", "四位整数，如 2024", "改正这些格"),
    "county": ("县区划代码不是六位数字", "六位数字的文本，如 010203", "开头的 0 可能被表格软件去掉：按文本保存并补足六位"),
    "level": ("没有这个水平", "、".join(LEVELS) + "，没有水平则留空", "把水平写成 1 至 4（Ⅰ 至 Ⅳ）"),
}


@dataclass(frozen=True, slots=True)
class UsedColumns:
    """Which columns of a source are used.

    keys : the grouping columns that are there, and ``school_name`` where it can stand for a code. names : columns shown
    beside codes. weight, level, full_mark, student : whether these are there.
    """

    keys: tuple[str, ...]
    names: tuple[str, ...]
    weight: bool
    level: bool
    full_mark: bool
    student: bool


def used_columns(present: Sequence[str], by: tuple[str, ...], measures: tuple[str, ...], *, where: str) -> UsedColumns:
    """What a source with these columns offers, or a refusal that names the column it lacks."""
    if not measures or len(set(measures)) < len(measures) or not by or len(set(by)) < len(by):
        raise InputError(
            "分组列或指标列不对", where=where, found=f"分组 {list(by)}，指标 {list(measures)}", expected="各至少一列，不重复",
            fix="核对 by 与 measures",
        )
    keys = by
    if "school_code" in by and "school_name" in present:
        keys = (*(k for k in by if k != "school_code" or k in present), "school_name")
    if absent := [name for name in dict.fromkeys([*keys, *measures]) if name not in present]:
        raise InputError(
            "缺少列", where=where, found="没有 " + "、".join(absent),
            expected="有 " + "、".join(dict.fromkeys([*keys, *measures])),
            fix="补上这些列，或用 measures 换一列分数（如 pv1）；现有的列是 " + "、".join(map(str, present)),
        )
    names = tuple(NAMES[k] for k in by if NAMES.get(k) in present)
    student = STUDENT in present and set(PLACE) <= set(present)
    return UsedColumns(keys, names, "weight" in present, "level" in present, "full_mark" in present, student)


def fault(kind: str, *, where: str, bad: int, example: object) -> InputError:
    """The refusal of a column's content: ``kind`` is one of ``FAULTS``."""
    problem, expected, fix = FAULTS[kind]
    return InputError(problem, where=where, found=f"{bad:,} 行，如 {example!s}", expected=expected, fix=fix)


def bad_weights(bad: int, *, where: str) -> InputError:
    """The refusal of weights that are missing or not positive."""
    return InputError(
        "权重缺失或不大于 0", where=where, found=f"有成绩或水平的学生中 {bad:,} 个", expected="每个都是大于 0 的数",
        fix="补上抽样权重；去掉 weight 一列则每人按 1 计，不加权的均值与人数仍可计算",
    )


def no_rows(where: str) -> InputError:
    """The refusal of a source without rows."""
    return InputError(
        "没有学生数据", where=where, found="0 行", expected="至少一行学生成绩", fix="核对筛选条件与文件；没有学生成绩时可改用学校结果表"
    )


def no_school(rows: int, *, where: str) -> InputError:
    """The refusal of a source none of whose rows says county, year, grade, subject and school."""
    return InputError(
        "没有一行能归入学校", where=where, found=f"{rows:,} 行都缺少县、学年、年级、学科或学校", expected="每行有县、学年、年级、学科与学校",
        fix="补上这些列的内容；只缺学校时可用 by 去掉 school_code，按县汇总",
    )


def duplicate_students(examples: Sequence[Sequence[object]], count: int, *, where: str) -> InputError:
    """The refusal of students who stand more than once in a county, school year, grade and subject."""
    shown = "；".join("、".join(str(v) for v in row) for row in examples)
    return InputError(
        "同一学生同一学科出现多次", where=f"{where}：{STUDENT}", found=f"{count:,} 个学生，如 {shown}",
        expected="同一县、学年、年级、学科中每个学生代码一行", fix="删去重复行；学生代码须县内不重复。没有重复的学科仍可单独计算",
    )


# --- columns in memory ------------------------------------------------------------------------------------------------


def key_codes(values: pd.Series, name: str, *, where: str) -> tuple[np.ndarray, list]:
    """A key as integers and the values they stand for; -1 where it is missing or blank.

    Years are whole numbers, everything else is text without outer space (4 and 4.0 are ``"4"``).
    """
    codes, found = pd.factorize(values)
    clean = [(_whole(v) if name in WHOLE else _text(v)) for v in found]
    if refused := [i for i, v in enumerate(clean) if v is _REFUSED]:
        raise fault("whole", where=f"{where}：{name}", bad=int(np.isin(codes, refused).sum()), example=found[refused[0]])
    again, levels = pd.factorize(np.array([*clean, None], dtype=object))
    return np.where(codes >= 0, again[codes], -1), list(levels)


def check_counties(keys: Mapping[str, tuple[np.ndarray, list]], *, where: str) -> None:
    """Refuse county codes that are not six digits."""
    codes, levels = keys.get("county_code", (np.empty(0), []))
    if refused := [i for i, v in enumerate(levels) if not re.fullmatch(COUNTY, v)]:
        bad = int(np.isin(codes, refused).sum())
        raise fault("county", where=f"{where}：county_code", bad=bad, example=levels[refused[0]])


def level_codes(values: pd.Series, *, where: str) -> np.ndarray:
    """Levels as 0 to 3, -1 where there is none."""
    codes, levels = key_codes(values, "level", where=where)
    if refused := [i for i, v in enumerate(levels) if v not in LEVELS]:
        bad = int(np.isin(codes, refused).sum())
        raise fault("level", where=f"{where}：level", bad=bad, example=levels[refused[0]])
    place = np.array([*(LEVELS.index(v) for v in levels), -1])
    return place[codes]


def numbers(values: pd.Series, name: str, *, where: str) -> np.ndarray:
    """A column as floats, NaN where it is missing; text that is a number is taken as one."""
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        found = values.to_numpy(dtype=float, na_value=np.nan)
        wrong = np.isinf(found)
    else:
        codes, levels = pd.factorize(values)
        clean = [_number(v) for v in levels]
        refused = [i for i, v in enumerate(clean) if v is _REFUSED]
        wrong = np.isin(codes, refused)
        found = np.array([*(np.nan if v is _REFUSED else v for v in clean), np.nan], dtype=float)[codes]
    if wrong.any():
        raise fault("number", where=f"{where}：{name}", bad=int(wrong.sum()), example=values[wrong].iloc[0])
    return found


_REFUSED = object()


def _text(value: object) -> str | None:
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)
    return str(value).strip(WHITE) or None


def _number(value: object) -> object:
    if isinstance(value, str):
        text = value.strip(WHITE)
        if not text:
            return np.nan
        value = float(text) if re.fullmatch(NUMBER, text) else np.inf
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (Real, Decimal)) or not np.isfinite(float(value)):
        return _REFUSED
    return float(value)


def _whole(value: object) -> object:
    found = _number(value)
    if found is _REFUSED or np.isnan(found):
        return found if found is _REFUSED else None
    return int(found) if found.is_integer() else _REFUSED
