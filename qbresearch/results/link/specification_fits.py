"""One specification at a time: its rows, its fit and its permutations, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from qbresearch.errors import InputError
from qbresearch.results.link.specifications import (
    CLUSTERED,
    EFFECTS,
    MEANS,
    MULTILEVEL,
    WHERE,
    Schools,
    Specification,
)
from qbresearch.statistics.cluster_permutation import ClusterMoments
from qbresearch.statistics.design import design_matrix, level_columns
from qbresearch.statistics.estimates import LEVEL, t_tests
from qbresearch.statistics.multilevel import fit_multilevel
from qbresearch.statistics.multilevel_comparison import intercept_variances
from qbresearch.statistics.regression import LinearFit, fit_linear

NUMBERS = ("estimate", "se", "low", "high", "p", "n", "schools")
TESTED = ("estimate", "se", "df", "low", "high", "p")


@dataclass(frozen=True, slots=True)
class Study:
    """What all specifications share; ``orders`` (schools, 1 + permutations) says whose term each school gets.

    ``widths`` : control to the number of columns it takes, and whether it is constant within schools. ``taken`` : the
    rows that each row filter leaves (without filter: ``""``), or why it cannot be used. ``outcomes`` : standardised
    outcomes of all rows, or why there is none.
    """

    frame: pd.DataFrame
    schools: Schools
    term: str
    cluster: str
    county: str | None
    orders: np.ndarray
    widths: dict[str, tuple[int, bool]]
    fewest_df: int
    taken: dict[str, Taken | str]
    outcomes: dict[str, np.ndarray | str]

    @classmethod
    def of(
        cls, frame: pd.DataFrame, specifications: Sequence[Specification], schools: Schools, orders: np.ndarray, *,
        term: str, cluster: str, county: str | None, fewest_df: int,
    ) -> Study:
        """Take from the rows what the specifications have in common, each part once."""
        asked = {c for s in specifications for c in (*s.controls, s.weights, county) if c in frame}
        filters = dict.fromkeys(s.row_filter[1] if s.row_filter else "" for s in specifications)
        controls = {c for s in specifications for c in s.controls if c in frame}
        return cls(
            frame, schools, term, cluster, county, orders, _school_widths(frame, schools.codes, controls), fewest_df,
            {name: _taken(frame, name, asked, schools.codes, cluster) for name in filters if not name or name in frame},
            {name: _standardised(frame, name) for name in {s.outcome for s in specifications} if name in frame},
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """Rows that a filter leaves, as models take them, for all the specifications that have it in common.

    frame : controls, weights and county; beside a text column without gaps its 0/1 columns, whose names are ``levels``.
    kept (rows of the study,) : which rows they are. schools, clusters : school of each row, numbered in the order of
    appearance, and in that of the names.
    """

    frame: pd.DataFrame
    levels: dict[str, tuple[str, ...]]
    kept: np.ndarray
    schools: np.ndarray
    clusters: np.ndarray


def _taken(frame: pd.DataFrame, row_filter: str, columns: set[str], codes: np.ndarray, cluster: str) -> Taken | str:
    kept = np.ones(len(frame), dtype=bool)
    if row_filter:
        if not pd.api.types.is_bool_dtype(frame[row_filter]) or frame[row_filter].isna().any():
            return f"筛选列 {row_filter} 不是没有缺失的是否列"
        kept = frame[row_filter].to_numpy(dtype=bool)
    rows = frame.loc[kept, sorted(columns)].reset_index(drop=True)
    text = [c for c in rows if not pd.api.types.is_numeric_dtype(rows[c]) and not rows[c].isna().any()]
    levels = {c: level_columns(rows[c]) for c in text}
    new = {name: values for own in levels.values() for name, values in own.items() if name not in rows}
    rows = pd.concat([rows, pd.DataFrame(new, index=rows.index)], axis=1)
    by_name = pd.factorize(frame[cluster], sort=True)[0]
    return Taken(rows, {c: tuple(own) for c, own in levels.items()}, kept, codes[kept], by_name[kept])


def _standardised(frame: pd.DataFrame, outcome: str) -> np.ndarray | str:
    values = frame[outcome]
    if not pd.api.types.is_numeric_dtype(values) or not values.std() > 0:
        return f"结果变量 {outcome} 不是数，或没有差异"
    return ((values - values.mean()) / values.std()).to_numpy()


def _school_widths(frame: pd.DataFrame, codes: np.ndarray, columns: set[str]) -> dict[str, tuple[int, bool]]:
    first = np.unique(codes, return_index=True)[1][codes]
    found = {}
    for column in columns:
        values = frame[column]
        width = 1 if pd.api.types.is_numeric_dtype(values) else max(values.nunique() - 1, 1)
        same = values.eq(values.iloc[first].set_axis(values.index)) | values.isna()
        found[column] = (width, bool(same.all()))
    return found


def _check_schools(study: Study, specification: Specification, model: _Model) -> None:
    """Refuse a specification whose school-level columns leave too few schools."""
    means = specification.model == MEANS
    columns = 1 + sum(width for c in specification.controls for width, of_school in [study.widths[c]] if of_school or means)
    if specification.model == EFFECTS:
        columns += model.rows[study.county].nunique() - 1
    members = len(np.unique(model.schools))
    if (left := members - columns - 1) < study.fewest_df:
        raise _Impossible(f"{members} 所学校，学校层变量 {columns} 个，只剩 {left} 个自由度")


class Outcome(NamedTuple):
    """``numbers`` in the order of ``NUMBERS``; estimates and t statistics over |critical t| of every permutation."""

    numbers: tuple[float, ...]
    reason: str
    permuted: np.ndarray
    decisive: np.ndarray


def evaluate_all(study: Study, specifications: Sequence[Specification], workers: int) -> list[Outcome]:
    """What every specification gives, in their order, by one process or several."""
    evaluate = partial(_evaluate, study)
    if workers == 1:
        return evaluate(specifications)
    chunks = [specifications[k::workers] for k in range(min(workers, len(specifications)))]
    found: list[Outcome | None] = [None] * len(specifications)
    # Spawned processes behave alike on all systems; a forked one could inherit locks of the notebook's threads.
    with ProcessPoolExecutor(max_workers=len(chunks), mp_context=get_context("spawn")) as pool:
        for k, part in enumerate(pool.map(evaluate, chunks)):
            found[k::workers] = part
    return found


def _evaluate(study: Study, specifications: Sequence[Specification]) -> list[Outcome]:
    return [_evaluate_one(study, s) for s in specifications]


def _evaluate_one(study: Study, specification: Specification) -> Outcome:
    """A fit with its permutations, or the reason why there is none."""
    nothing = np.full(study.orders.shape[1], np.nan)
    try:
        values = study.schools.terms[specification.transform]
        if isinstance(values, str):
            raise _Impossible(values)
        model = _model(study, specification, values)
        if specification.model != EFFECTS or study.county is not None:
            _check_schools(study, specification, model)
        estimate, se, df, low, high, p, moments = _FITS[specification.model](study, specification, model)
    except _Impossible as refusal:
        return Outcome((np.nan,) * len(NUMBERS), str(refusal), nothing, nothing)
    except InputError as refusal:
        reason = f"{refusal.problem}（{refusal.where}，{refusal.found}）"
        return Outcome((np.nan,) * len(NUMBERS), reason, nothing, nothing)
    permuted, errors = moments.estimate(values[study.orders])
    decisive = permuted / errors / stats.t.ppf((1 + LEVEL) / 2, df)
    return Outcome((estimate, se, low, high, p, len(model.rows), len(moments.members)), "", permuted, decisive)


class _Impossible(Exception):
    """Why a specification cannot be fitted, in Chinese."""


class _Model(NamedTuple):
    """What one specification is fitted to: its rows with the names of the controls, and the school of each row."""

    rows: pd.DataFrame
    controls: tuple[str, ...]
    schools: np.ndarray


def _model(study: Study, specification: Specification, values: np.ndarray) -> _Model:
    """Rows and columns of one specification, standardised, and the school of each row."""
    frame, effects = study.frame, study.county if specification.model == EFFECTS else None
    columns = [specification.outcome, *specification.controls]
    extra = [c for c in (specification.weights, effects) if c]
    filtering = [specification.row_filter[1]] if specification.row_filter else []
    if absent := [c for c in [*columns, *extra, *filtering] if c not in frame]:
        raise _Impossible(f"没有这一列：{'、'.join(absent)}")
    if study.term in columns:
        raise _Impossible(f"{study.term} 不能同时是自变量与结果或控制变量")
    taken, outcome = study.taken["".join(filtering)], study.outcomes[specification.outcome]
    for refused in (taken, outcome):
        if isinstance(refused, str):
            raise _Impossible(refused)
    controls = tuple(name for c in specification.controls for name in taken.levels.get(c, (c,)))
    rows = taken.frame[list(dict.fromkeys([*controls, *extra]))].assign(**{
        specification.outcome: outcome[taken.kept], study.term: values[taken.schools], study.cluster: taken.clusters,
    })  # fmt: skip
    return _Model(rows, controls, taken.schools)


def _held(model: _Model, *, intercept: bool) -> np.ndarray:
    """The controls as a matrix; what the fit has accepted with the term stands on its own without it."""
    ones = [np.ones(len(model.rows))] if intercept else []
    columns = [model.rows[c].to_numpy(dtype=float) for c in model.controls]
    return np.column_stack([*ones, *columns]) if ones or columns else np.empty((len(model.rows), 0))


def _fit_clustered(study: Study, specification: Specification, model: _Model) -> tuple:
    rows, effects = model.rows, []
    if specification.model == EFFECTS:
        if study.county is None:
            raise _Impossible("没有给出县，不能用县固定效应")
        effects = [study.county]
        if (rows.groupby(study.cluster)[study.county].nunique() > 1).any():
            raise _Impossible("有学校跨县，不能用县固定效应")
    fit = fit_linear(
        rows, outcome=specification.outcome, terms=[study.term, *model.controls], weights=specification.weights,
        covariance="CR1", cluster=study.cluster, fixed_effects=effects, where=WHERE,
    )
    moments = ClusterMoments.of_clusters(
        rows[specification.outcome].to_numpy(), _held(model, intercept=not effects), model.schools,
        weights=rows[specification.weights].to_numpy(dtype=float) if specification.weights else None,
        effects=pd.factorize(rows[study.county])[0] if effects else None,
    )
    return *_linear_numbers(fit, study.term), moments


def _fit_means(study: Study, specification: Specification, model: _Model) -> tuple:
    rows = model.rows
    design = design_matrix(rows, [study.term, *model.controls], intercept=False, where=WHERE)
    columns = dict(zip(design.names, design.matrix.T, strict=True)) | {"y": rows[specification.outcome].to_numpy()}
    if missing := int(rows[specification.outcome].isna().sum()):
        raise _Impossible(f"{specification.outcome} 有 {missing} 个缺失值")
    weights = np.ones(len(rows))
    if specification.weights:
        weights = rows[specification.weights].to_numpy(dtype=float)
        if not (weights > 0).all():
            raise _Impossible(f"权重 {specification.weights} 有缺失或不大于 0 的值")
    members, codes = np.unique(model.schools, return_inverse=True)
    size = np.bincount(codes, weights)
    means = pd.DataFrame({name: np.bincount(codes, weights * v) / size for name, v in columns.items()})
    means = means.assign(weight=size, school=members)
    weighted = "weight" if specification.weights else None
    controls = tuple(name for name in design.names if name != study.term)
    fit = fit_linear(
        means, outcome="y", terms=[study.term, *controls], weights=weighted, covariance="CR1", cluster="school",
        where=WHERE,
    )
    held = _held(_Model(means, controls, members), intercept=True)
    moments = ClusterMoments.of_clusters(means["y"].to_numpy(), held, members, weights=size if weighted else None)
    return *_linear_numbers(fit, study.term), moments


def _fit_multilevel(study: Study, specification: Specification, model: _Model) -> tuple:
    if specification.weights:
        raise _Impossible("多层模型不支持权重")
    fit = fit_multilevel(
        model.rows, outcome=specification.outcome, fixed=[study.term, *model.controls], groups=[study.cluster],
        where=WHERE,
    )
    if not fit.converged:
        raise _Impossible("多层模型没有收敛")
    moments = ClusterMoments.of_intercepts(
        model.rows[specification.outcome].to_numpy(), _held(model, intercept=True), model.schools,
        between=intercept_variances(fit, "residual")[study.cluster], within=fit.residual_variance,
    )
    place = fit.terms.index(study.term)
    return *(float(fit.estimates[name].iloc[place]) for name in TESTED), moments


def _linear_numbers(fit: LinearFit, term: str) -> tuple[float, ...]:
    """The test of one coefficient; a table of all of them, fit by fit, would take longer than the fit."""
    k = fit.names.index(term)
    tests = t_tests(fit.coefficients[k], np.sqrt(fit.covariance[k, k]), fit.df[k])
    return tuple(float(tests[name]) for name in TESTED)


_FITS = {CLUSTERED: _fit_clustered, EFFECTS: _fit_clustered, MEANS: _fit_means, MULTILEVEL: _fit_multilevel}
