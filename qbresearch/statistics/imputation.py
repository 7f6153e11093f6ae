"""Multiple imputation by chained equations, with schools, and the pooling of what is then estimated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd

from qbresearch.errors import InputError, check_choice
from qbresearch.statistics.chains import BINARY, MATCHING, NORMAL, Chain, Target
from qbresearch.statistics.estimates import estimate_table
from qbresearch.statistics.plausible_values import pool

WHERE = "多重插补"
METHODS = {BINARY: "Logistic 回归", MATCHING: "预测均值匹配", NORMAL: "贝叶斯线性回归"}


class HasEstimates(Protocol):
    """A fit with a table in the columns of ``estimate_table``."""

    @property
    def estimates(self) -> pd.DataFrame: ...


@dataclass(frozen=True, slots=True)
class Imputations:
    """Completed copies of a table; the table itself is left as it was.

    frames : the copies, equal but for the imputed cells. imputed : bool, rows and imputed columns of the table, True
    where a value was imputed. columns : one row an imputed column: ``column, method`` (Chinese), ``level`` (student or
    group, Chinese), ``missing, rows, share``. trace : ``imputation, iteration, column, mean, sd`` of the imputed
    values, by which a reader sees whether the chains have settled.
    """

    frames: tuple[pd.DataFrame, ...]
    imputed: pd.DataFrame
    columns: pd.DataFrame
    trace: pd.DataFrame
    group: str | None
    iterations: int
    seed: int

    def tidy(self) -> pd.DataFrame:
        """A copy of ``columns``."""
        return self.columns.copy()

    def summary(self) -> str:
        """What was imputed, how often, in one Chinese sentence."""
        if self.columns.empty:
            return f"没有缺失值，{len(self.frames)} 份数据与原数据相同"
        top = self.columns.loc[self.columns["share"].idxmax()]
        return (
            f"{len(self.columns)} 个变量共 {int(self.columns['missing'].sum())} 个缺失值用链式方程插补 {len(self.frames)} 次"
            f"（每次 {self.iterations} 轮，随机种子 {self.seed}）；缺失最多的是{top['column']}（{top['share']:.1%}）；"
            f"插补假定：给定其他变量时，是否缺失与缺失的数值无关"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data without the frames."""
        return {
            "imputations": len(self.frames), "iterations": self.iterations, "seed": self.seed, "group": self.group,
            "columns": self.columns.to_dict("records"), "trace": self.trace.to_dict("records"),
        }


def impute(
    frame: pd.DataFrame, columns: Sequence[str], *, group: str | None = None, imputations: int = 20,
    iterations: int = 10, seed: int, numeric: Literal["matching", "normal"] = MATCHING,
) -> Imputations:
    r"""Impute the gaps of a table several times, each column from all the others in turn.

    In each round a column with gaps is regressed on the others as they then stand, on the rows in which it is known;
    coefficients and variance are drawn from their posterior (flat priors), and the gaps are filled by

    - numeric columns: predictive mean matching: the observed value of one of the five rows whose prediction
      (posterior mean) is nearest to the gap's prediction (drawn coefficients); or, with ``numeric="normal"``, the
      prediction plus a normal error;
    - columns of two values: a draw with the probability of a logistic regression whose coefficients are drawn from the
      normal approximation of the posterior, with a few weighted pseudo-observations against separation.

    With a ``group`` (school), the model of a student-level column also holds the school means of the other
    student-level columns and, for numeric columns, a random intercept of the school, so that imputed students resemble
    their school. A column that never differs within a school is imputed once for the school, from school means, with
    the same value for all of its students. Two-valued student-level columns have the school means but no random
    intercept; their imputed values vary a little less between schools than they should.

    Parameters
    ----------
    frame : DataFrame, n rows
        Never changed.
    columns : sequence of str
        All columns of the later analysis, the outcome among them: with gaps they are imputed, without they predict.
        Text columns of more than two values can predict only.
    group : str, optional
        Column that names the school of each row; complete.
    imputations, iterations : int
        Completed tables (>= 2) and rounds for each (>= 1).
    seed : int
        The k-th table depends on the seed and k only.
    numeric : str
        ``matching`` or ``normal``. Matching keeps to observed values and does not go beyond them: where the gaps lie
        beyond nearly all known rows (rows of high scores hardly ever known), it stays biased and ``normal`` does not.
        With half of 250 rows missing for their scores, 95 % intervals covered 0.89 with matching (0.90 with that of
        mice) and 0.96 with ``normal``.

    Returns
    -------
    Imputations
        Only gaps in ``columns`` are filled. Without gaps: copies of the table. Columns that are constant where they
        are known are filled with that value.

    Raises
    ------
    InputError
        A column is absent, infinite or without any value; a text column of more than two values has gaps; a row has no
        group; fewer known rows (schools, for school-level columns) than predictors; fewer than two imputations. The
        complete rows can still be analysed, and the message says so.

    Source
    ------
    van Buuren & Groothuis-Oudshoorn (2011), mice, J. Stat. Software 45(3); White, Daniel & Royston (2010) for
    separation; Enders, Mistler & Keller (2016) for means and intercepts of groups.
    """
    columns = list(dict.fromkeys(columns))
    check_choice(numeric, (MATCHING, NORMAL), name="插补方法", where=WHERE)
    _check(frame, columns, group, imputations, iterations)
    chain = Chain(frame, columns, group, numeric, where=WHERE)
    filled, traces = [], []
    for k, child in enumerate(np.random.SeedSequence(seed).spawn(imputations)):
        values, trace = chain.run(np.random.Generator(np.random.PCG64(child)), iterations)
        filled.append(_completed(frame, chain.targets, values))
        traces.append(trace.assign(imputation=k))
    names = [t.name for t in chain.targets]
    trace = pd.concat(traces, ignore_index=True)[["imputation", "iteration", "column", "mean", "sd"]]
    return Imputations(
        tuple(filled), frame[names].isna(), _methods(chain.targets, len(frame)), trace, group, iterations, seed
    )


def _check(frame: pd.DataFrame, columns: list[str], group: str | None, imputations: int, iterations: int) -> None:
    if imputations < 2 or iterations < 1:
        raise InputError(
            "插补次数不对", where=WHERE, found=f"{imputations} 次，每次 {iterations} 轮", expected="至少 2 次，每次至少 1 轮",
            fix="只插补一次会低估误差；常用 20 次",
        )
    if frame.empty or not columns:
        raise InputError("没有可以插补的数据", where=WHERE, found=f"{len(frame)} 行，{len(columns)} 列", expected="至少一行、一列",
                         fix="核对数据表与列名")
    if absent := [c for c in [*columns, *([group] if group else [])] if c not in frame]:
        raise InputError(
            "没有这一列", where=WHERE, found="、".join(map(str, absent)), expected="、".join(map(str, frame.columns)),
            fix="核对列名",
        )
    if group in columns:
        raise InputError("分组列不能同时被插补", where=f"{WHERE}：{group}", found=group, expected="columns 中没有分组列",
                         fix="把它从 columns 中去掉")
    if group and (lost := int(frame[group].isna().sum())):
        raise InputError(
            "有的行没有分组", where=f"{WHERE}：{group}", found=f"{len(frame)} 行中 {lost} 行", expected="每行属于一组",
            fix="补上分组；完整的行仍可直接分析",
        )


def _completed(frame: pd.DataFrame, targets: Sequence[Target], values: dict[str, np.ndarray]) -> pd.DataFrame:
    """A copy of the table with the gaps filled, in the column's own type where the values allow."""
    copy = frame.copy()
    for target in targets:
        drawn = values[target.name][target.gaps]
        if target.levels is not None:
            own = frame[target.name].dtype
            series = frame[target.name].astype(object)
            series[target.gaps] = np.array(target.levels, dtype=object)[drawn.astype(int)]
            copy[target.name] = series.infer_objects() if own == object else series.astype(own)
        else:
            series = pd.Series(frame[target.name].to_numpy(dtype=float, na_value=np.nan), index=frame.index)
            series[target.gaps] = drawn
            copy[target.name] = series
    return copy


def _methods(targets: Sequence[Target], rows: int) -> pd.DataFrame:
    return pd.DataFrame(
        [
            (t.name, METHODS[t.method], "组" if t.of_group else "个体", int(t.gaps.sum()), rows, t.gaps.sum() / rows)
            for t in targets
        ],
        columns=["column", "method", "level", "missing", "rows", "share"],
    )


def pool_fits(fits: Sequence[HasEstimates | pd.DataFrame]) -> pd.DataFrame:
    """Pool the tables of estimates of the same model fitted to every completed table, by Rubin's rules.

    Parameters
    ----------
    fits : sequence, one a completed table
        Fits with an ``estimates`` table, or such tables: columns ``term, estimate, se, df``, the same terms in each.
        ``df`` are the degrees of freedom with complete data; where they differ between fits, the smallest is taken.

    Returns
    -------
    DataFrame
        Columns of ``estimate_table`` with Barnard and Rubin's degrees of freedom, then ``within``, ``between`` (the
        parts of the variance), ``riv`` (relative increase of the variance by the gaps), ``share`` (lambda, the share of
        the variance that is due to them) and ``fmi`` (fraction of missing information). Equal fits: ``between`` 0.

    Raises
    ------
    InputError
        Fewer than two fits, different terms, or an estimate without standard error.

    Source
    ------
    Rubin (1987); Barnard & Rubin (1999), as in mice::pool.
    """
    tables = [f if isinstance(f, pd.DataFrame) else f.estimates for f in fits]
    if len(tables) < 2:
        raise InputError("合并至少要两次插补的结果", where="插补结果合并", found=f"{len(tables)} 个", expected="至少 2 个",
                         fix="对每份插补数据各拟合一次")
    terms = list(tables[0]["term"])
    if different := [k + 1 for k, t in enumerate(tables) if list(t["term"]) != terms]:
        raise InputError(
            "各次插补的模型不同，不能合并", where="插补结果合并", found=f"第 {'、'.join(map(str, different))} 个模型的项不同",
            expected="、".join(map(str, terms)), fix="对每份插补数据拟合同一个模型；单份结果仍可查看",
        )
    estimates, errors, df = (np.array([t[c].to_numpy(dtype=float) for t in tables]) for c in ("estimate", "se", "df"))
    if bad := int((~np.isfinite(estimates) | ~np.isfinite(errors)).sum()):
        raise InputError(
            "有的模型没有估计值或标准误，不能合并", where="插补结果合并", found=f"{bad} 个", expected="每个模型都有估计值与标准误",
            fix="核对没有拟合成功的模型；不要只合并其余的",
        )
    pooled = pool(estimates, errors**2, df.min(axis=0))
    extra = (1 + 1 / len(tables)) * pooled.between
    total = pooled.within + extra
    with np.errstate(divide="ignore", invalid="ignore"):
        riv = np.where(total > 0, extra / pooled.within, 0.0)
        share = np.where(total > 0, extra / total, 0.0)
    return estimate_table(terms, pooled.estimate, pooled.se, pooled.df).assign(
        within=pooled.within, between=pooled.between, riv=riv, share=share, fmi=pooled.fmi
    )
