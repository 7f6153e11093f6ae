"""Relations that must hold between the cells of a row and between the rows of a table."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from qbresearch.raw.codes import PLAN_EVIDENCE, item_codes
from qbresearch.raw.problems import NOTICE, PROBLEM_COLUMNS, Problems
from qbresearch.rules.columns import Check, TableContract

# What adding binary fractions may leave over; the cells of one row are compared unrounded.
ADDING_ERROR = 1e-6
# Identity numbers have 17 digits and a digit or X; registration numbers put a letter in front of one.
PERSONAL_NUMBER = r"[A-Za-z]?[0-9]{17}[0-9Xx]"
STAGE_LABELS = {"primary": "小学", "junior": "初中", "senior": "高中"}


def check_table(table: pd.DataFrame, contract: TableContract) -> pd.DataFrame:
    """Check a table that was read against what its contract says about rows.

    Parameters
    ----------
    table : DataFrame
        As :func:`qbresearch.raw.reading.read_file` returns it; several files may be stacked.

    Returns
    -------
    DataFrame
        Problems with columns ``PROBLEM_COLUMNS``: empty required cells, repeated keys, sums that do not add up, parts
        (one, or several together) larger than their whole, implausible values per student, stages a school type does not teach, parents that
        are unknown, are campuses themselves or do not teach what the campus teaches, dates before those they follow, and
        items that the evaluation does not know or does not judge by evidence.
    """
    within = Problems("")
    _check_blank(table, contract, within)
    for check in contract.checks:
        _CHECKS[check.kind](table, check, contract, within)
    _check_codes(table, contract, within)
    _check_dates(table, contract, within)
    # File by file, in the order of files: what is wrong with one stands together.
    order = {str(file): at for at, file in enumerate(table["_file"].unique())}
    problems = sorted(within.rows, key=lambda row: order[row[0]])
    found = Problems("")
    _check_key(table, contract, found)
    if "student_id" in table:
        _check_pseudonyms(table, contract, found)
    if "parent_code" in table and table["school_code"].notna().any():
        _check_parents(table, contract, found)
    if "school_type" in table:
        _check_stages(table, contract, found)
    return pd.DataFrame([*problems, *found.rows], columns=PROBLEM_COLUMNS)


def _picked(rows: pd.DataFrame, wanted: pd.Series) -> list[dict[str, Any]]:
    """The rows where a condition holds, which are few, as mappings; a whole country is not copied for them."""
    at = np.flatnonzero(wanted.fillna(False).to_numpy(dtype=bool))
    return rows.iloc[at].to_dict("records") if len(at) else []


def needs(table: pd.DataFrame, column_stage: str, contract: TableContract) -> pd.Series:
    """Whether each school teaches the stage a column belongs to (columns without a stage belong to all)."""
    if not column_stage or "school_type" not in table:
        return pd.Series(True, index=table.index)
    teaching = [c.id for c in contract.column("school_type").choices if column_stage in c.stages]
    return table["school_type"].isin(teaching).astype(bool)


def _check_blank(rows: pd.DataFrame, contract: TableContract, found: Problems) -> None:
    for column in contract.columns:
        if column.optional or column.blank_allowed or column.name not in rows:
            continue
        blank = rows[column.name].isna()
        if not blank.any():
            continue
        for row in _picked(rows, blank & needs(rows, column.stage, contract)):
            place, found.file = row["_place"], row["_file"]
            if not place.has_cell(column.name):
                continue
            if column.is_number:
                found.add(*place.at(column.name, column.label_zh), None, f"一个数（{column.unit or '数'}），零填 0",
                          "补上数据；现按缺失处理，相关结论为“无法判定”", level=NOTICE)
            else:
                found.add(*place.at(column.name, column.label_zh), None, column.meaning, "补上")


def _check_sum(rows: pd.DataFrame, check: Check, contract: TableContract, found: Problems) -> None:
    parts = rows[list(check.of)]
    complete = parts.notna().all(axis=1) & rows[check.column].notna()
    wrong = complete & ((parts.sum(axis=1) - rows[check.column]).abs() > ADDING_ERROR)
    for row in _picked(rows.assign(_sum=parts.sum(axis=1)), wrong):
        found.file = row["_file"]
        found.add(*row["_place"].at(check.column, contract.label(check.column)), f"{row[check.column]:.12g}",
                  f"各分项之和 {row['_sum']:.12g}", check.fix)


def _check_at_most(rows: pd.DataFrame, check: Check, contract: TableContract, found: Problems) -> None:
    whole = rows[list(check.of)].sum(axis=1, min_count=len(check.of))
    for row in _picked(rows.assign(_sum=whole), rows[check.column] > whole + ADDING_ERROR):
        found.file = row["_file"]
        found.add(*row["_place"].at(check.column, contract.label(check.column)), f"{row[check.column]:.12g}",
                  f"不大于{'＋'.join(contract.label(c) for c in check.of)} {row['_sum']:.12g}", check.fix)


def _check_at_least(rows: pd.DataFrame, check: Check, contract: TableContract, found: Problems) -> None:
    # Parts that are missing could only add to the sum: counts and values are not negative.
    parts = rows[list(check.of)].sum(axis=1, min_count=1)
    for row in _picked(rows.assign(_sum=parts), rows[check.column] < parts - ADDING_ERROR):
        found.file = row["_file"]
        found.add(*row["_place"].at(check.column, contract.label(check.column)), f"{row[check.column]:.12g}",
                  f"不小于{'＋'.join(contract.label(c) for c in check.of)} {row['_sum']:.12g}", check.fix)


def _check_per_student(rows: pd.DataFrame, check: Check, contract: TableContract, found: Problems) -> None:
    students = rows[list(check.of)].sum(axis=1, min_count=1)
    for name in check.of:
        # A number of students that is due but missing would make the value per student look too large.
        due = needs(rows, contract.column(name).stage, contract)
        students = students.mask(due & rows[name].isna())
    ratio = rows[check.column] / students.where(students > 0)
    label, unit = contract.label(check.column), contract.column(check.column).unit
    for row in _picked(rows.assign(_ratio=ratio), (ratio < check.min) | (ratio > check.max)):
        found.file = row["_file"]
        found.add(*row["_place"].at(check.column, label), f"生均 {row['_ratio']:.6g} {unit}",
                  f"生均 {check.min:g} 至 {check.max:g} {unit}", check.fix, level=NOTICE)


_CHECKS = {"sum": _check_sum, "at_most": _check_at_most, "at_least": _check_at_least, "per_student": _check_per_student}


def _check_dates(rows: pd.DataFrame, contract: TableContract, found: Problems) -> None:
    for column in contract.columns:
        if not column.not_before or not {column.name, column.not_before} <= set(rows):
            continue
        for row in _picked(rows, rows[column.name].notna() & rows[column.not_before].notna()):
            found.file = row["_file"]
            later, earlier = row[column.name], row[column.not_before]
            known = min(len(later), len(earlier))  # a month beside a day: only the months can be compared
            if later[:known] < earlier[:known]:
                found.add(*row["_place"].at(column.name, column.label_zh), later,
                          f"不早于{contract.label(column.not_before)} {earlier}", "核对两个年月，可能填反或写错了年份")


def _check_codes(rows: pd.DataFrame, contract: TableContract, found: Problems) -> None:
    """Records under a code that the evaluation does not ask for would be overlooked without a word."""
    for column in contract.columns:
        if not column.evaluation or column.name not in rows:
            continue
        codes = item_codes(column.evaluation)
        for row in _picked(rows, rows[column.name].notna()):
            code, found.file = row[column.name], row["_file"]
            if code in codes.records or PLAN_EVIDENCE.fullmatch(code):
                continue
            place = row["_place"].at(column.name, column.label_zh)
            if code in codes.others:
                found.add(*place, code, "凭材料判定的条目：" + "、".join(codes.records),
                          "这个条目不凭材料判定，记录不会用到；若是填错，请改正代码", level=NOTICE)
            elif code in codes.parts:
                found.add(*place, code, "、".join(codes.parts[code]), f"{code} 按分项各填一行")
            else:
                known = (*codes.records, *codes.parts, *codes.others)
                nearest = difflib.get_close_matches(code, known, n=1)
                words = f"是不是想写 {nearest[0]}？" if nearest else ""
                found.add(*place, code, "下列之一：" + "、".join(codes.records) + "，或方案的证据代码 E-…", f"{words}改正代码")


def _check_key(table: pd.DataFrame, contract: TableContract, found: Problems) -> None:
    keys = [k for k in contract.key if k in table]
    complete = table[keys].notna().all(axis=1)
    for row in _picked(table, complete & table.duplicated(keys)):
        words = "、".join(f"{contract.label(k)} {row[k]}" for k in keys)
        found.file = row["_file"]
        found.add(*row["_place"].at(keys[-1], contract.label(keys[-1])), row[keys[-1]], f"只出现一次（{words}）",
                  "删去重复的一行，或改正代码、学年")


def _check_pseudonyms(table: pd.DataFrame, contract: TableContract, found: Problems) -> None:
    """A code with the form of an identity or registration number names a person, and must not come in."""
    label = contract.label("student_id")
    for row in _picked(table, table["student_id"].astype("string").str.fullmatch(PERSONAL_NUMBER).fillna(False)):
        found.file = row["_file"]
        found.add(*row["_place"].at("student_id", label), "18 位身份证号或学籍号的样式（不显示）", "与身份证号、学籍号无关的化名代码",
                  "在数据离开教育局之前换成化名代码，对照表另外保管")


def _check_parents(table: pd.DataFrame, contract: TableContract, found: Problems) -> None:
    keys, label = ["county_code", "school_year"], contract.label("parent_code")
    campuses = _picked(table, table["counted"].eq("no"))
    if not campuses:
        return
    known = {
        tuple(map(str, school[:3])): school[3:]
        for school in table[[*keys, "school_code", "counted", "school_type"]].itertuples(index=False, name=None)
    }
    # A parent whose own code could not be read is there; the code is reported already.
    unread = {text for place in table["_place"] if (text := place.reported.get("school_code"))}
    for row in campuses:
        found.file = row["_file"]
        place, parent = row["_place"], row["parent_code"]
        if not place.has_cell("parent_code") or any(pd.isna(row[key]) for key in keys):
            continue
        if not pd.isna(parent) and {parent, parent.lstrip("0")} & unread:
            continue
        if pd.isna(parent):
            found.add(*place.at("parent_code", label), None, "不计校数的校区须填所属学校",
                      "填所属学校的标识码，或把“是否计校数”改为“是”")
        elif (key := (str(row["county_code"]), str(row["school_year"]), str(parent))) not in known:
            found.add(*place.at("parent_code", label), parent, "同县同学年表中已有的学校标识码",
                      "核对标识码，或补上所属学校")
        elif known[key][0] == "no":
            found.add(*place.at("parent_code", label), parent, "计校数的学校；这一所自己也是不计校数的校区",
                      "填主校的标识码，或改正“是否计校数”")
        elif lost := _stages_lost(row, known[key][1], contract):
            type_label = contract.choice_labels("school_type")[known[key][1]]
            found.add(*place.at("parent_code", label), parent, f"开设{'、'.join(lost)}的学校；这一所是{type_label}",
                      "核对所属学校与办学类型，否则校区的学生、教师并不进去")


def _stages_lost(campus: Mapping[str, Any], parent_type: object, contract: TableContract) -> list[str]:
    """Chinese labels of the stages at which a campus has numbers and its school does not teach."""
    if pd.isna(parent_type) or pd.isna(campus["school_type"]):
        return []
    lost = set(contract.stages_of(campus["school_type"])) - set(contract.stages_of(str(parent_type)))
    held = {c.stage for c in contract.columns if c.stage in lost and c.name in campus and campus[c.name] > 0}
    return [STAGE_LABELS.get(stage, stage) for stage in sorted(held)]


def _check_stages(table: pd.DataFrame, contract: TableContract, found: Problems) -> None:
    labels = contract.choice_labels("school_type")
    for column in contract.columns:
        if not column.stage or column.name not in table:
            continue
        held = table[column.name] > 0
        if not held.any():
            continue
        taught = needs(table, column.stage, contract) | table["school_type"].isna()
        for row in _picked(table, held & ~taught):
            found.file = row["_file"]
            found.add(*row["_place"].at(column.name, column.label_zh), f"{row[column.name]:.12g}",
                      f"{labels[row['school_type']]}没有这一学段，应为空白或 0", "核对办学类型或学生、教师数")
