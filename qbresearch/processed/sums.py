"""From students to schools: the sums of every school, grade and subject from which all monitoring statistics follow.

A school's scores enter means, dispersion, difference rates and multilevel models only through their number, mean and
sum of squares. Those sums are made once, add up over disjoint parts of the data, and do not grow with the students.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from qbresearch.errors import InputError
from qbresearch.processed.grouping import (
    decoded,
    extremes,
    group_moments,
    make_groups,
    merged_moments,
    moment_frame,
)
from qbresearch.processed.student_columns import (
    LEVELS,
    NAMES,
    PLACE,
    STUDENT,
    WHOLE,
    bad_weights,
    check_counties,
    duplicate_students,
    key_codes,
    level_codes,
    no_rows,
    no_school,
    numbers,
    used_columns,
)
from qbresearch.statistics.records import plain_records

KEYS = ("county_code", "school_year", "cycle", "grade", "subject", "school_code")
COUNTS = tuple(f"count_{level}" for level in LEVELS)
SHARE_WEIGHTS = tuple(f"share_weight_{level}" for level in LEVELS)
MOMENTS = ("students", "missing", "weight", "weight2", "mean", "m2", "plain_mean", "plain_m2")
SUMS = (*MOMENTS, "full_mark", *COUNTS, *SHARE_WEIGHTS)
SCORE = "score"


@dataclass(frozen=True, slots=True)
class SchoolSums:
    r"""Sums of every school, grade, subject and measure.

    table : one row per combination of ``by`` and measure, sorted by them: the ``by`` columns (``county_name`` and
        ``school_name`` beside their codes; ``school_code`` missing where a school is known by name only), ``measure``,
        ``students`` (with a value) and ``missing`` (without one, persons), ``weight`` :math:`W=\sum w`, ``weight2``
        :math:`\sum w^2`, ``mean`` :math:`\bar y=\sum wy/W` (unit of the measure), ``m2``
        :math:`\sum w(y-\bar y)^2` (unit squared), ``plain_mean`` and ``plain_m2`` (the same with all weights 1),
        ``full_mark`` (of the score; NaN if unknown or another measure), ``count_1`` to ``count_4`` (students at each
        level, with or without a value of the measure) and ``share_weight_1`` to ``share_weight_4`` (their weights; over
        the sum of the four they are shares). Levels that were not given are NaN, not 0. Without a value ``mean`` is NaN
        and ``m2`` 0; where a school reported no standard deviation ``m2`` is NaN.
    unplaced : rows that lack a key and stand in no school: ``by`` columns, ``lacking`` (which, in words), ``rows``.
    by : columns that make a row of ``table``.
    provenance : ``source``, ``rows`` (read), ``unplaced`` (rows), ``measures``, ``weighted``, ``duplicates_checked``,
        and for files ``files``, ``engine``, ``memory_limit``, ``threads`` and ``peak_bytes`` (largest resident size of
        the process, ``None`` where the system does not tell).
    """

    table: pd.DataFrame
    unplaced: pd.DataFrame
    by: tuple[str, ...]
    provenance: Mapping[str, Any]

    def tidy(self) -> pd.DataFrame:
        """A copy of ``table``."""
        return self.table.copy()

    def summary(self) -> str:
        """How much was read and what has no value or no school, in one Chinese sentence."""
        first = self.table.drop_duplicates(list(self.by) + _name_columns(self.by)) if len(self.table) else self.table
        students, missing = int(first["students"].sum()), int(first["missing"].sum())
        text = f"读入 {self.provenance['rows']:,} 行，合成 {len(first):,} 个学校学科，{students:,} 人次有数值，{missing:,} 人次缺值"
        if self.provenance["unplaced"]:
            text += f"，{self.provenance['unplaced']:,} 行缺少县、学年、年级、学科或学校而没有计入"
        if unknown := int(first["m2"].isna().sum()):
            text += f"，{unknown:,} 个没有标准差，校内差异无法计算"
        return text if self.provenance["duplicates_checked"] else text + "；未能检查学生是否重复"

    def to_dict(self) -> dict[str, Any]:
        """Plain data; what is missing is ``None``."""
        return {
            "by": list(self.by), "provenance": dict(self.provenance),
            "unplaced": plain_records(self.unplaced.replace({np.nan: None})),
            "table": plain_records(self.table.replace({np.nan: None})),
        }


# --- from students ---------------------------------------------------------------------------------------------------


def sum_students(
    students: pd.DataFrame, *, measures: Sequence[str] = (SCORE,), by: Sequence[str] = KEYS
) -> SchoolSums:
    r"""Sums of every school from a table of students.

    .. math:: W = \sum w_i,\quad \bar y = \frac{\sum w_i y_i}{W},\quad M_2 = \sum w_i (y_i-\bar y)^2

    The mean is taken first and the squares about it, so that scores near 500 that differ by a thousandth keep their
    digits.

    Parameters
    ----------
    students : DataFrame, one row a student and subject
        The ``by`` columns, the measures, and as far as they are there ``weight``, ``level``, ``full_mark``,
        ``student_id``, ``county_name``, ``school_name``.
    measures : sequence of str
        Numeric columns: ``score`` or plausible values.
    by : sequence of str
        Columns that make a row of the result. A missing ``school_code`` is replaced by ``school_name``.

    Returns
    -------
    SchoolSums
        A student without a value counts as ``missing``. A row that lacks a key is counted in ``unplaced``. Without a
        column ``weight`` everybody weighs 1. One student: ``m2`` 0. Equal scores: ``m2`` 0. Zero is a score.

    Raises
    ------
    InputError
        No rows, or none with all keys; a column is absent; text among numbers; an infinite number; a year that is not
        whole; a county code that is not six digits; a level that is not 1 to 4; a weight that is missing or not
        positive where a value or level stands; a student twice in a subject; two full marks in one school and subject.

    Source
    ------
    Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance, American Statistician 37(3), two passes.
    """
    by, measures = tuple(by), tuple(measures)
    where = "学生成绩表"
    columns = used_columns(list(students.columns), by, measures, where=where)
    if not len(students):
        raise no_rows(where)
    keys = {name: key_codes(students[name], name, where=where) for name in columns.keys}
    check_counties(keys, where=where)
    placed, groups, table = make_groups(students, keys, by, columns.names)
    values = {m: numbers(students[m], m, where=where) for m in measures}
    level = level_codes(students["level"], where=where) if columns.level else None
    weight = _weights(students, values, level, where=where) if columns.weight else None
    if columns.student:
        _refuse_duplicates(students, where=where)
    g = len(table)
    if not g:
        raise no_school(len(students), where=where)
    table = table.assign(rows=np.bincount(groups, minlength=g))
    if level is not None:
        slots = (groups * len(LEVELS) + level[placed])[level[placed] >= 0]
        held = None if weight is None else weight[placed][level[placed] >= 0]
        table[list(COUNTS)] = np.bincount(slots, minlength=g * len(LEVELS)).reshape(g, -1)
        table[list(SHARE_WEIGHTS)] = np.bincount(slots, held, g * len(LEVELS)).reshape(g, -1)
    if columns.full_mark and SCORE in measures:
        table = table.assign(**extremes(numbers(students["full_mark"], "full_mark", where=where)[placed], groups, g))
    blocks = {
        m: group_moments(y[placed], None if weight is None else weight[placed], groups, g) for m, y in values.items()
    }
    unplaced = find_unplaced(keys, ~placed, by)
    provenance = describe_source(
        "memory", len(students), unplaced, measures, weighted=columns.weight, checked=columns.student
    )
    return SchoolSums(assemble(table, blocks, by, where=where), unplaced, by, provenance)


def _weights(
    students: pd.DataFrame, values: Mapping[str, np.ndarray], level: np.ndarray | None, *, where: str
) -> np.ndarray:
    weight = numbers(students["weight"], "weight", where=where)
    needed = np.logical_or.reduce([~np.isnan(y) for y in values.values()])
    if level is not None:
        needed |= level >= 0
    if bad := int((needed & ~(weight > 0)).sum()):
        raise bad_weights(bad, where=f"{where}：weight")
    return np.where(needed, weight, 0.0)


def _refuse_duplicates(students: pd.DataFrame, *, where: str) -> None:
    named = students[[*PLACE, STUDENT]].dropna()
    twice = named[named.duplicated(keep=False)].drop_duplicates()
    if len(twice):
        raise duplicate_students(twice.head(5).to_numpy().tolist(), len(twice), where=where)


def find_unplaced(
    keys: Mapping[str, tuple[np.ndarray, list]], lost: np.ndarray, by: tuple[str, ...], rows: np.ndarray | None = None
) -> pd.DataFrame:
    """Rows without all keys in the form of :attr:`SchoolSums.unplaced`; ``rows`` says how many each stands for."""
    count = int(lost.sum())
    frame = pd.DataFrame(
        {name: decoded(*_at(keys[name], lost)) if name in keys else np.full(count, np.nan, dtype=object) for name in by}
    )
    if "school_code" in by and "school_name" in keys:
        frame["school_name"] = decoded(*_at(keys["school_name"], lost))
    frame["rows"] = 1 if rows is None else rows[lost]
    return describe_unplaced(frame, by)


def _at(key: tuple[np.ndarray, list], chosen: np.ndarray) -> tuple[np.ndarray, list]:
    return key[0][chosen], key[1]


def describe_unplaced(rows: pd.DataFrame, by: tuple[str, ...]) -> pd.DataFrame:
    """Add up rows with the same incomplete keys, name what they lack, and sort."""
    names = [*by, *(["school_name"] if "school_name" in rows else [])]
    counted = rows.groupby(names, dropna=False, sort=False)["rows"].sum().reset_index()
    blank = counted[list(by)].isna()
    if "school_name" in counted and "school_code" in by:
        blank["school_code"] &= counted["school_name"].isna()
    lacking = ["、".join(name for name, absent in zip(by, row, strict=True) if absent) for row in blank.to_numpy()]
    frame = counted[names].astype(object).where(counted[names].notna(), np.nan)
    frame = frame.assign(lacking=np.array(lacking, dtype=object), rows=counted["rows"].to_numpy(dtype=np.int64))
    return frame.sort_values(names, na_position="last", kind="stable").reset_index(drop=True)


def describe_source(
    source: str, rows: int, unplaced: pd.DataFrame, measures: Sequence[str], *, weighted: bool, checked: bool,
    **more: Any,
) -> dict[str, Any]:
    """Provenance in the form of :class:`SchoolSums`."""
    return {
        "source": source, "rows": rows, "unplaced": int(unplaced["rows"].sum()), "measures": list(measures),
        "weighted": weighted, "duplicates_checked": checked, **more,
    }


def _name_columns(by: Sequence[str]) -> list[str]:
    return [NAMES[k] for k in by if k in NAMES]


def assemble(
    table: pd.DataFrame, blocks: Mapping[str, pd.DataFrame], by: tuple[str, ...], *, where: str
) -> pd.DataFrame:
    """Groups and the moments of each measure as the table of a :class:`SchoolSums`: same columns, order and types.

    Parameters
    ----------
    table : DataFrame, one row a group
        ``by`` columns, ``rows``, and as far as known names, counts of levels, their weights, ``full_low`` and
        ``full_high``.
    blocks : mapping from measure to DataFrame
        :func:`moment_frame` of each measure, rows in the order of ``table``.
    """
    if {"full_low", "full_high"} <= set(table) and (differs := table["full_low"] < table["full_high"]).any():
        row = table[differs].iloc[0]
        raise InputError(
            "同一学校同一学科的满分不一致", where=f"{where}：full_mark，" + "、".join(str(row[k]) for k in by),
            found=f"{int(differs.sum())} 个学校学科不一致，如 {row['full_low']:g} 与 {row['full_high']:g}", expected="一个满分",
            fix="核对满分；去掉 full_mark 一列仍可计算均值与差异率",
        )
    headings = list(dict.fromkeys(c for k in by for c in ((k, NAMES[k]) if k in NAMES else (k,))))
    base = table.reindex(columns=[*headings, *COUNTS, *SHARE_WEIGHTS])
    text = [c for c in headings if c not in WHOLE]
    base[text] = base[text].astype(object).where(base[text].notna(), np.nan)
    base = base.astype({c: np.int64 for c in headings if c in WHOLE} | dict.fromkeys((*COUNTS, *SHARE_WEIGHTS), float))
    sorting = list(dict.fromkeys([*by, *_name_columns(by)]))
    order = base[sorting].sort_values(sorting, na_position="last", kind="stable").index.to_numpy()
    full = table["full_high"].to_numpy(dtype=float) if "full_high" in table else np.full(len(table), np.nan)
    pieces = []
    for measure, block in blocks.items():
        piece = pd.concat([base, block.set_axis(base.index)], axis=1)
        piece = piece.assign(
            measure=measure, missing=table["rows"].to_numpy() - block["students"].to_numpy(),
            full_mark=full if measure == SCORE else np.nan,
        )
        pieces.append(piece.iloc[order])
    frame = pd.concat(pieces, ignore_index=True)
    turn = np.arange(len(frame)).reshape(len(pieces), -1).T.ravel()  # measures of a school stand together
    frame = frame.iloc[turn].reset_index(drop=True)[[*headings, "measure", *SUMS]]
    whole, real = ["students", "missing"], [c for c in SUMS if c not in ("students", "missing")]
    return frame.astype(dict.fromkeys(whole, np.int64) | dict.fromkeys(real, float) | {"measure": object})


# --- from parts and from schools -------------------------------------------------------------------------------------


def merge_sums(*parts: SchoolSums) -> SchoolSums:
    r"""Sums of all students from the sums of disjoint sets of students, however these were divided.

    .. math:: \bar y = \frac{\sum_c W_c \bar y_c}{\sum_c W_c},\qquad
              M_2 = \sum_c \left[M_{2,c} + W_c(\bar y_c-\bar y)^2\right]

    Parameters
    ----------
    parts : SchoolSums
        At least one, with the same grouping columns and measures.

    Returns
    -------
    SchoolSums
        What is unknown in one part (levels, a standard deviation) is unknown in the whole. That no student stands in
        two parts is not known here: ``duplicates_checked`` is false.

    Raises
    ------
    InputError
        No parts; different grouping columns or measures; weighted and unweighted parts; two full marks.

    Source
    ------
    Chan, Golub, LeVeque (1983); Pébay (2008), Sandia report SAND2008-6212.
    """
    forms = {(p.by, tuple(p.provenance["measures"]), p.provenance["weighted"]) for p in parts}
    if len(forms) != 1:
        raise InputError(
            "各部分的学校汇总不能合并", where="merge_sums", found="；".join(f"分组 {b}，指标 {m}，加权 {w}" for b, m, w in forms) or "没有",
            expected="至少一部分，分组列、指标与是否加权都相同", fix="用同样的 by 与 measures 重新汇总各部分",
        )
    by, measures, weighted = forms.pop()
    cut = {m: pd.concat([p.table[p.table["measure"].eq(m)] for p in parts], ignore_index=True) for m in measures}
    rows = cut[measures[0]]
    names = tuple(_name_columns(by))
    keys = {name: key_codes(rows[name], name, where="merge_sums") for name in dict.fromkeys([*by, *names])}
    _, groups, table = make_groups(rows, keys, by, names)
    g = len(table)
    total = (rows["students"] + rows["missing"]).to_numpy(dtype=float)
    table = table.assign(
        rows=np.bincount(groups, total, g).astype(np.int64),
        **{c: np.bincount(groups, rows[c], g) for c in (*COUNTS, *SHARE_WEIGHTS)},
        **extremes(cut.get(SCORE, rows)["full_mark"].to_numpy(dtype=float), groups, g),
    )
    blocks = {m: merged_moments(r, groups, g) for m, r in cut.items()}
    unplaced = describe_unplaced(pd.concat([p.unplaced.drop(columns="lacking") for p in parts], ignore_index=True), by)
    provenance = describe_source(
        "merged", sum(p.provenance["rows"] for p in parts), unplaced, measures, weighted=weighted, checked=False,
        parts=[dict(p.provenance) for p in parts],
    )
    return SchoolSums(assemble(table, blocks, by, where="merge_sums"), unplaced, by, provenance)


def sums_from_schools(schools: pd.DataFrame, *, by: Sequence[str] = KEYS) -> SchoolSums:
    r"""Sums from a table of school results: number, mean and standard deviation of each school, grade and subject.

    .. math:: M_2 = (n-1) s^2

    Parameters
    ----------
    schools : DataFrame, one row a school, grade and subject
        The ``by`` columns, ``students`` (with a score, persons) and as far as they are there ``mean``, ``sd`` (sample
        standard deviation, divisor n - 1), ``full_mark``, ``level_1`` to ``level_4`` (persons), names.
    by : sequence of str
        As for :func:`sum_students`.

    Returns
    -------
    SchoolSums
        Measure ``score``; every student weighs 1. A school without ``mean`` or ``sd`` has NaN there and in ``m2``: it
        can be counted, and without ``sd`` compared by its mean. One student: ``m2`` 0.

    Raises
    ------
    InputError
        No rows, or none with all keys; a column is absent or not numeric; a number of students that is missing, not
        whole or below 1; a negative standard deviation, or a positive one of a single student; a school twice in a
        grade and subject.
    """
    by, where = tuple(by), "学校结果表"
    columns = used_columns(list(schools.columns), by, ("students",), where=where)
    if not len(schools):
        raise no_rows(where)
    keys = {name: key_codes(schools[name], name, where=where) for name in columns.keys}
    placed, groups, table = make_groups(schools, keys, by, columns.names)
    if not len(table):
        raise no_school(len(schools), where=where)
    if len(table) < len(groups):
        twice = schools[placed][np.bincount(groups)[groups] > 1]
        raise InputError(
            "同一学校同一学科出现多次", where=where,
            found=f"{len(twice)} 行，如 " + "、".join(str(twice.iloc[0][k]) for k in columns.keys),
            expected="同一县、学年、年级、学科中每所学校一行", fix="删去重复行；没有重复的学科仍可单独计算",
        )
    levels = [f"level_{level}" for level in LEVELS]
    given = {
        c: numbers(schools[c], c, where=where)[placed] if c in schools else np.full(len(table), np.nan)
        for c in ("students", "mean", "sd", "full_mark", *levels)
    }
    n, sd = given["students"], given["sd"]
    _refuse_rows(~((n >= 1) & (n == np.floor(n))), "学生数不是正整数", f"{where}：students", "不小于 1 的整数")
    _refuse_rows((sd < 0) | ((n == 1) & (sd > 0)), "标准差不对", f"{where}：sd", "不小于 0；只有一个学生时为 0 或留空")
    for c in levels:
        bad = (given[c] < 0) | (given[c] != np.floor(given[c])) & ~np.isnan(given[c])
        _refuse_rows(bad, "水平人数不是整数", f"{where}：{c}", "不小于 0 的整数，不知道则留空")
    moments = given["mean"], np.where(n == 1, 0.0, sd**2 * (n - 1))
    counts = {name: given[c] for names in (COUNTS, SHARE_WEIGHTS) for name, c in zip(names, levels, strict=True)}
    table = table.assign(rows=n.astype(np.int64), full_low=given["full_mark"], full_high=given["full_mark"], **counts)
    blocks = {SCORE: moment_frame(n.astype(np.int64), n, n, moments, moments)}
    unplaced = find_unplaced(keys, ~placed, by)
    provenance = describe_source("schools", len(schools), unplaced, [SCORE], weighted=False, checked=True)
    return SchoolSums(assemble(table, blocks, by, where=where), unplaced, by, provenance)


def _refuse_rows(bad: np.ndarray, problem: str, where: str, expected: str) -> None:
    if bad.any():
        raise InputError(
            problem, where=where, found=f"{len(bad)} 行中 {int(bad.sum())} 行", expected=expected,
            fix="改正这些行；其余各行仍可计算",
        )
