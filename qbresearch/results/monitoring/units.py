"""Which schools of a table of sums belong to which unit (county, year, grade, subject), and how a unit is called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qbresearch.errors import InputError, check_choice
from qbresearch.language import say
from qbresearch.processed.sums import KEYS, SCORE, SchoolSums
from qbresearch.results.reasons import spoken
from qbresearch.results.resources.dispersion import unit_groups

UNIT = tuple(key for key in KEYS if key != "school_code")
# Scores of different subjects, grades and years are never averaged together.
APART = ("school_year", "cycle", "grade", "subject")
NEEDED = ("students", "missing", "weight", "mean")
OPTIONAL = ("weight2", "m2", "plain_mean", "plain_m2", "full_mark")
PLAUSIBLE = "pv"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One outcome of every school, in g units.

    name : measure, or ``pv`` for plausible values together. schools : one table per plausible value (one for an
    ordinary measure), rows aligned: one row a school. groups : unit of each row. keys : the units' keys.
    without_mean : per unit, schools that have students and no mean.
    """

    name: str
    schools: tuple[pd.DataFrame, ...]
    groups: np.ndarray
    keys: pd.DataFrame
    without_mean: np.ndarray

    @property
    def n_groups(self) -> int:
        """Number of units."""
        return len(self.keys)

    def usable(self) -> np.ndarray:
        """Rows of units in which no mean is missing."""
        return (self.without_mean == 0)[self.groups]

    def remarks(self, remark: pd.Series | np.ndarray) -> np.ndarray:
        """Remarks of units in the report's language, with the number of missing means where there are any."""
        absent = np.array([say("{n} 所学校没有均值", n=n) for n in self.without_mean], dtype=object)
        return np.where(self.without_mean > 0, absent, spoken(remark))


def read_outcomes(sums: SchoolSums | pd.DataFrame, by: Sequence[str]) -> list[Outcome]:
    """Cut a table of school sums into outcomes and units.

    Parameters
    ----------
    sums : SchoolSums or DataFrame
        Sums per school, as :func:`sum_students` makes them.
    by : sequence of str
        Columns that make a unit.

    Raises
    ------
    InputError
        No rows; a column is absent; a unit would mix subjects, grades or years; a school stands in a unit twice; or
        the plausible values do not cover the same schools.
    """
    table = sums.table if isinstance(sums, SchoolSums) else sums
    table = _complete(table, tuple(by))
    names = list(dict.fromkeys(table["measure"]))
    values = [m for m in names if re.fullmatch(rf"{PLAUSIBLE}\d+", str(m))]
    if len(values) < 2:
        values = []
    sets = [(m, [m]) for m in names if m not in values] + ([(PLAUSIBLE, values)] if values else [])
    return [_outcome(name, [table[table["measure"] == m] for m in measures], tuple(by)) for name, measures in sets]


def unit_labels(keys: pd.DataFrame, by: Sequence[str]) -> list[str]:
    """How each unit is called: the keys that differ between units, names instead of codes where they are known."""
    shown = keys.assign(county_code=keys["county_name"].fillna(keys["county_code"])) if "county_name" in keys else keys
    telling = [c for c in by if shown[c].nunique() > 1] or list(by[:1])
    return shown[telling].astype(str).agg(" ".join, axis=1).tolist()


def school_labels(rows: pd.DataFrame) -> pd.Series:
    """Name of each school, or its code where there is no name."""
    code = rows["school_code"].astype(object)
    if "school_name" in rows:
        code = rows["school_name"].astype(object).where(rows["school_name"].notna(), code)
    return code.astype(str)


def _complete(table: pd.DataFrame, by: tuple[str, ...]) -> pd.DataFrame:
    if not len(table):
        raise InputError(
            "没有学校汇总", where="监测结果", found="0 行", expected="至少一所学校", fix="先由学生成绩表或学校结果表做出学校汇总",
        )
    for name in by:
        check_choice(name, [c for c in table.columns if c != "school_code"], name="分组列", where="by")
    if absent := [c for c in ("school_code", *NEEDED) if c not in table]:
        raise InputError(
            "学校汇总缺少列", where="监测结果", found="没有 " + "、".join(absent), expected="有 " + "、".join(("school_code", *NEEDED)),
            fix="用 sum_students 或 sums_from_schools 做学校汇总",
        )
    if mixed := [c for c in APART if c in table and c not in by and table[c].nunique() > 1]:
        raise InputError(
            "不同学年、年级或学科的成绩不能合成一个均值", where="by", found="没有按 " + "、".join(mixed) + " 分开",
            expected="by 含 " + "、".join(mixed), fix="在 by 中加上这些列，或先选定其中一个",
        )
    made = {c: np.nan for c in OPTIONAL if c not in table}
    return table.assign(**made, **({} if "measure" in table else {"measure": SCORE}))


def _outcome(name: str, tables: list[pd.DataFrame], by: tuple[str, ...]) -> Outcome:
    place = [c for c in ("county_code", "school_code", "school_name") if c in tables[0]]
    sorting = list(dict.fromkeys([*by, *place]))
    tables = [t.sort_values(sorting, kind="stable").reset_index(drop=True) for t in tables]
    first = tables[0]
    if first.duplicated(sorting).any():
        row = first[first.duplicated(sorting)].iloc[0]
        raise InputError(
            "同一学校在一个单元中出现多次", where="学校汇总", found="、".join(str(row[c]) for c in sorting), expected="每所学校一行",
            fix="按学校重新汇总（merge_sums），或在 by 中加上区分它们的列",
        )
    for other in tables[1:]:
        if not first[sorting].equals(other[sorting]):
            raise InputError(
                "各合理值的学校不一致", where="学校汇总",
                found="，".join(f"{t['measure'].iloc[0]} 有 {len(t)} 行" for t in (first, other)),
                expected="每个合理值的学校相同", fix="由同一份学生成绩表一次汇总所有合理值",
            )
    groups, keys = unit_groups(first, by)
    lacking = np.logical_or.reduce([(t["mean"].isna() & (t["students"] > 0)).to_numpy() for t in tables])
    return Outcome(name, tuple(tables), groups, keys, np.bincount(groups, lacking, len(keys)).astype(np.int64))
