"""What is missing in a table, in which combinations, and whether rows with gaps differ from rows without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from qbresearch.errors import InputError
from qbresearch.exhibits.figures import plot_missing
from qbresearch.language import say

WHERE = "缺失值审查"
TOO_FEW = "有值或缺失的行少于 2，无法比较"
NO_SPREAD = "两组各自都没有差异，无法标准化"


@dataclass(frozen=True, slots=True)
class MissingAudit:
    """Counts of missing values; nothing is dropped or filled.

    columns : one row a column: ``column, rows, missing, share, groups_missing`` (groups without a single value).
    patterns : one row a combination of missing columns, most frequent first: ``missing`` (names joined by 、; empty for
        complete rows), ``columns`` (how many), ``rows``, ``share``.
    related : one row a column with gaps and another column: ``column, other, rows_missing, rows_present`` (rows with a
        value of the other column), ``mean_missing, mean_present, difference`` (standardised mean difference) and
        ``remark`` (Chinese: why there is none).
    groups : one row a group and column without a single value: ``group, column, rows``.
    rows, complete : number of rows, and of rows without a gap in any of the columns.
    """

    columns: pd.DataFrame
    patterns: pd.DataFrame
    related: pd.DataFrame
    groups: pd.DataFrame
    rows: int
    complete: int

    def tidy(self) -> pd.DataFrame:
        """A copy of ``columns``."""
        return self.columns.copy()

    def summary(self) -> str:
        """Complete rows and the column with most gaps, in one sentence."""
        if self.complete == self.rows:
            return say("{rows} 行全部完整，没有缺失值", rows=self.rows)
        top = self.columns.loc[self.columns["missing"].idxmax()]
        text = say(
            "{rows} 行中 {complete} 行完整（{share}），缺失最多的是{column}（{missing} 行，{most}）", rows=self.rows,
            complete=self.complete, share=f"{self.complete / self.rows:.1%}", column=top["column"], missing=top["missing"],
            most=f"{top['share']:.1%}",
        )
        if len(self.groups):
            return say("{text}，有 {n} 个组的某一列全部缺失", text=text, n=self.groups["group"].nunique())
        return text

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Missing values by column."""
        return plot_missing(self.columns.rename(columns={"column": "label"})[["label", "missing", "rows"]], ax=ax)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        related = self.related.astype(object).where(self.related.notna(), None)
        return {
            "rows": self.rows, "complete": self.complete, "columns": self.columns.to_dict("records"),
            "patterns": self.patterns.to_dict("records"), "related": related.to_dict("records"),
            "groups": self.groups.to_dict("records"),
        }


def audit_missing(frame: pd.DataFrame, columns: Sequence[str], *, group: str | None = None) -> MissingAudit:
    r"""Missing values by column, by combination of columns, and in relation to the other columns.

    For a column with gaps and every other column x, the standardised mean difference is

    .. math:: d = \frac{\bar x_{missing} - \bar x_{present}}{\sqrt{(s^2_{missing} + s^2_{present}) / 2}}

    over the rows in which x itself is known (s² with n - 1). Values far from zero say that the gaps are not completely
    at random; no value says that they are. No bound is set here.

    Parameters
    ----------
    frame : DataFrame, n rows
    columns : sequence of str
        Columns to look at. Numeric and boolean columns are compared as they are, text columns level by level as 0/1
        columns named ``column[level]``.
    group : str, optional
        Column that names the group (school) of each row; groups in which a column has no value at all are listed.

    Returns
    -------
    MissingAudit
        Every pattern is kept. One row, one group or columns without gaps are no obstacle; a comparison that cannot be
        made (fewer than two rows on a side, no spread) says so in ``remark``.

    Raises
    ------
    InputError
        The table is empty, a column is absent, named twice or infinite, or a row has no group.

    Source
    ------
    Rubin (1976) for the terms; the difference as in Austin (2009), Statistics in Medicine 28.
    """
    columns = list(columns)
    _check(frame, columns, group)
    gaps = frame[columns].isna()
    n = len(frame)
    groups = _empty_groups(gaps, frame[group] if group else None)
    counts = gaps.sum()
    by_column = pd.DataFrame(
        {
            "column": columns, "rows": n, "missing": counts.to_numpy(dtype=int), "share": counts.to_numpy() / n,
            "groups_missing": [int((groups["column"] == c).sum()) for c in columns],
        }
    )
    return MissingAudit(
        by_column, _patterns(gaps), _related(frame, gaps), groups, n, int((~gaps.any(axis=1)).sum())
    )


def _check(frame: pd.DataFrame, columns: list[str], group: str | None) -> None:
    if frame.empty or not columns:
        raise InputError(
            "没有可以审查的数据", where=WHERE, found=f"{len(frame)} 行，{len(columns)} 列", expected="至少一行、一列", fix="核对数据表与列名"
        )
    if absent := [c for c in [*columns, *([group] if group else [])] if c not in frame]:
        raise InputError(
            "没有这一列", where=WHERE, found="、".join(map(str, absent)), expected="、".join(map(str, frame.columns)),
            fix="核对列名",
        )
    if len(set(columns)) < len(columns):
        raise InputError("列名重复", where=WHERE, found="、".join(columns), expected="每列只写一次", fix="去掉重复的列名")
    if group and (lost := int(frame[group].isna().sum())):
        raise InputError(
            "有的行没有分组", where=f"{WHERE}：{group}", found=f"{len(frame)} 行中 {lost} 行", expected="每行属于一组",
            fix="补上分组；不分组的审查（group=None）仍可进行",
        )


def _patterns(gaps: pd.DataFrame) -> pd.DataFrame:
    names = np.array(gaps.columns, dtype=object)
    found, counts = np.unique(gaps.to_numpy(), axis=0, return_counts=True)
    patterns = pd.DataFrame(
        {
            "missing": ["、".join(names[row]) for row in found], "columns": found.sum(axis=1), "rows": counts,
            "share": counts / len(gaps),
        }
    )
    return patterns.sort_values(["rows", "columns"], ascending=[False, True], kind="stable", ignore_index=True)


def _empty_groups(gaps: pd.DataFrame, group: pd.Series | None) -> pd.DataFrame:
    if group is None:
        return pd.DataFrame({"group": [], "column": [], "rows": []})
    by = gaps.groupby(group.to_numpy(), observed=True)
    empty, sizes = by.all(), by.size()
    found = [(g, c, int(sizes[g])) for c in gaps.columns for g in empty.index[empty[c]]]
    return pd.DataFrame(found, columns=["group", "column", "rows"])


def _related(frame: pd.DataFrame, gaps: pd.DataFrame) -> pd.DataFrame:
    others = {c: list(_numeric(frame[c])) for c in gaps.columns}
    rows = []
    for column in gaps.columns[gaps.any()]:
        lost = gaps[column].to_numpy()
        for other, parts in others.items():
            if other != column:
                rows += [(column, name, *_difference(values, lost)) for name, values in parts]
    counts, means = ["rows_missing", "rows_present"], ["mean_missing", "mean_present", "difference"]
    table = pd.DataFrame(rows, columns=["column", "other", *counts, *means, "remark"])
    return table.astype(dict.fromkeys(counts, int) | dict.fromkeys(means, float))


def _numeric(values: pd.Series) -> list[tuple[str, np.ndarray]]:
    """A column as numbers, or a 0/1 column for each level of a text column; NaN where the value is missing."""
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values.dropna().infer_objects()):
        numbers = values.astype("Float64").to_numpy(dtype=float, na_value=np.nan)
        if infinite := int(np.isinf(numbers).sum()):
            raise InputError(
                "有无穷大的数", where=f"{WHERE}：{values.name}", found=f"{infinite} 个", expected="有限的数或空白",
                fix="核对数据（如对 0 取了对数）；其他列仍可审查",
            )
        return [(str(values.name), numbers)]
    known = values.notna().to_numpy()
    text = values.astype(str).to_numpy(dtype=object)
    return [
        (f"{values.name}[{level}]", np.where(known, (text == level).astype(float), np.nan))
        for level in sorted(set(text[known]))
    ]


def _difference(values: np.ndarray, lost: np.ndarray) -> tuple[int, int, float, float, float, str]:
    known = ~np.isnan(values)
    missing, present = values[known & lost], values[known & ~lost]
    means = [float(part.mean()) if len(part) else np.nan for part in (missing, present)]
    counts = len(missing), len(present)
    if min(counts) < 2:
        return *counts, *means, np.nan, TOO_FEW
    spread = np.sqrt((missing.var(ddof=1) + present.var(ddof=1)) / 2)
    if not spread > 0:
        return *counts, *means, np.nan, NO_SPREAD
    return *counts, *means, float((means[0] - means[1]) / spread), ""
