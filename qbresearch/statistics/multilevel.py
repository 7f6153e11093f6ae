"""Linear mixed models of nested levels (students in classes in schools), fitted as lme4 fits them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import stats

from qbresearch.errors import check_choice
from qbresearch.exhibits.figures import plot_coefficients
from qbresearch.statistics.design import INTERCEPT, design_matrix, outcome_vector
from qbresearch.statistics.estimates import LEVEL, estimate_table
from qbresearch.statistics.multilevel_checks import (
    check_columns,
    check_request,
    check_rest,
    nothing_left,
)
from qbresearch.statistics.multilevel_comparison import (
    LikelihoodRatio,
    compare_likelihoods,
    explained_variance,
    ratio_test,
)
from qbresearch.statistics.multilevel_inference import (
    Profiler,
    log_likelihood_of,
    satterthwaite,
    search,
)
from qbresearch.statistics.nested import NestedSums, nest, sum_groups
from qbresearch.statistics.records import plain_records

Method = Literal["REML", "ML"]
METHODS = ("REML", "ML")
RESIDUAL = "residual"
SATTERTHWAITE, BY_GROUPS = "Satterthwaite", "最高层组数减固定效应个数（拟合退化，不能用 Satterthwaite 近似）"


@dataclass(frozen=True, slots=True, eq=False)
class MultilevelFit:
    """A fitted linear mixed model.

    estimates : fixed effects in the columns of ``estimate_table``; ``df_method`` says how their df were found.
    terms, covariance : their names and the matrix (X'V^-1 X)^-1 (k, k), given the variances, as lme4 reports it.
    components : ``level, term_1, term_2, value, correlation_or_sd``; a variance has its standard deviation beside it, a
        covariance its correlation (NaN where a variance is zero). Last row: level ``residual``.
    icc : each level's intercept variance over the sum of all intercept variances and the residual variance; with
        explanatory variables the residual (conditional) one, with random slopes the one where these columns are 0.
    log_likelihood : restricted where ``method`` is REML; ``aic`` and ``bic`` (log of ``units``) use it as lme4 does.
    log_likelihood_single : of the same fixed effects without any random effect.
    groups : number of groups of each level, innermost first. units : observations. parameters : all that are estimated.
    converged : both starting values led to the same likelihood, or the better end is a minimum by gradient and
        curvature. starts : ``start, log_likelihood, left`` (what a Newton step could still gain).
    singular : a variance is zero or a correlation is 1 or -1.
    """

    outcome: str
    method: Method
    terms: tuple[str, ...]
    estimates: pd.DataFrame = field(repr=False)
    covariance: np.ndarray = field(repr=False)
    df_method: str
    components: pd.DataFrame = field(repr=False)
    residual_variance: float
    icc: dict[str, float]
    log_likelihood: float
    log_likelihood_single: float
    aic: float
    bic: float
    parameters: int
    units: int
    groups: dict[str, int]
    converged: bool
    singular: bool
    starts: pd.DataFrame = field(repr=False)
    where: str
    fingerprint: str = field(repr=False)
    sums: NestedSums = field(repr=False)
    factors: list[np.ndarray] = field(repr=False)
    random_terms: dict[str, tuple[str, ...]] = field(repr=False)

    def tidy(self) -> pd.DataFrame:
        """A copy of the table of fixed effects."""
        return self.estimates.copy()

    def summary(self) -> str:
        """The model in one Chinese sentence."""
        sizes = "、".join(f"{name} {count:,} 组" for name, count in self.groups.items())
        shares = "、".join(f"{name} {share:.3f}" for name, share in self.icc.items())
        state = "拟合退化（有方差为 0 或相关为 ±1）" if self.singular else "拟合未退化"
        return (
            f"{len(self.groups) + 1} 层模型（{self.method}）：{self.outcome}，{self.units:,} 个观测，{sizes}；"
            f"组内相关 {shares}；残差方差 {self.residual_variance:.4g}；"
            f"{'已收敛' if self.converged else '没有收敛，不宜采用'}，{state}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data; numbers that do not exist are ``None``."""
        plain = {
            name: getattr(self, name)
            for name in (
                "outcome", "method", "df_method", "residual_variance", "log_likelihood", "log_likelihood_single", "aic",
                "bic", "parameters", "units", "converged", "singular",
            )
        }
        tables = {name: plain_records(getattr(self, name)) for name in ("estimates", "components", "starts")}
        return plain | tables | {
            "terms": list(self.terms), "covariance": self.covariance.tolist(), "icc": dict(self.icc),
            "groups": dict(self.groups),
        }

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Fixed effects with their intervals (the intercept only where nothing else was estimated)."""
        table = self.estimates[self.estimates["term"] != INTERCEPT] if len(self.estimates) > 1 else self.estimates
        drawn = table.rename(columns={"term": "label"})[["label", "estimate", "low", "high"]]
        return plot_coefficients(drawn.assign(model=self.method), ax=ax)

    def effects(self, level: str, term: str = INTERCEPT) -> pd.DataFrame:
        """Predicted effects (conditional means, "BLUP") of the groups of one level.

        Returns
        -------
        DataFrame
            ``group, effect, se, low, high`` in the unit of the outcome (a slope: per unit of ``term``), in the order of
            the parents and then of the labels. ``se`` is the posterior standard deviation at the estimated variances
            and coefficients, lme4's ``condVar``: the uncertainty of both is left out, that of the levels above is in.
            ``low`` and ``high`` hold 95 % of that normal distribution. A variance of zero gives effects of zero.

        Raises
        ------
        InputError
            No such level, or ``term`` has no random effect there.
        """
        check_choice(level, self.groups, name="层", where=self.where)
        check_choice(term, self.random_terms[level], name="随机项", where=f"{self.where}：{level}")
        depth, k = list(self.groups).index(level), self.random_terms[level].index(term)
        effect, variance = self._posterior()[depth]
        se = np.sqrt(variance[:, k, k])
        half = stats.norm.ppf((1 + LEVEL) / 2) * se
        return pd.DataFrame(
            {
                "group": self.sums.levels[depth].labels, "effect": effect[:, k], "se": se,
                "low": effect[:, k] - half, "high": effect[:, k] + half,
            }
        )

    @property
    def reliability(self) -> pd.DataFrame:
        """``level, term, reliability``: mean over the groups of 1 - posterior variance / variance.

        With one level of random intercepts this is the mean of tau / (tau + sigma^2 / n_j). A variance of zero has
        reliability 0.
        """
        rows = []
        for depth, (level, terms) in enumerate(self.random_terms.items()):
            prior = self._prior(depth)
            _, variance = self._posterior()[depth]
            for k, term in enumerate(terms):
                share = 1 - variance[:, k, k] / prior[k, k] if prior[k, k] > 0 else np.zeros(1)
                rows.append((level, term, float(share.mean())))
        return pd.DataFrame(rows, columns=["level", "term", "reliability"])

    def r_squared(self, null: MultilevelFit) -> pd.DataFrame:
        """``level, null, model, explained``: see :func:`explained_variance`; a share may be negative."""
        return explained_variance(null, self, RESIDUAL)

    def likelihood_ratio(self, other: MultilevelFit | None = None) -> LikelihoodRatio:
        """Likelihood ratio test against a model that contains this one or that this one contains.

        Without ``other`` the model without any random effect is the smaller one. See :func:`compare_likelihoods`.
        """
        if other is not None:
            return compare_likelihoods(self, other)
        terms = sum(len(terms) for terms in self.random_terms.values())
        added = self.parameters - len(self.terms) - 1
        return ratio_test(self.log_likelihood - self.log_likelihood_single, added, terms)

    def profile_intervals(self, level: float = LEVEL, *, terms: Sequence[str] | None = None) -> pd.DataFrame:
        """Profile likelihood intervals, as lme4's ``confint(method = "profile")``.

        All points whose likelihood, with everything else maximised, lies within the chi-squared quantile of the
        greatest. As there, the likelihood proper is used also where the model was fitted by REML, so ``estimate`` is
        that of maximum likelihood. Standard deviations end at zero.

        Parameters
        ----------
        level : float
            Coverage, between 0 and 1.
        terms : sequence of str, optional
            Fixed effects wanted (each takes several fits); default all.

        Returns
        -------
        DataFrame
            ``kind`` (sd, sigma, fixed), ``level`` (of an sd), ``term``, ``estimate, low, high``.
        """
        wanted = self.terms if terms is None else terms
        for term in wanted:
            check_choice(term, self.terms, name="固定效应", where=self.where)
        back = [_back(self.sums, columns) for columns in self.sums.columns]
        profiler = Profiler.of(self.sums, self.factors, back, level)
        rows: list[tuple[Any, ...]] = []
        for depth, (name, random) in enumerate(self.random_terms.items()):
            rows += [("sd", name, term, *profiler.deviation(depth, k)) for k, term in enumerate(random)]
        rows.append(("sigma", "", "", *profiler.residual()))
        contrasts = _back(self.sums, range(self.sums.fixed))
        for term in wanted:
            k = self.terms.index(term)
            shift = self.sums.centre[-1] if k == 0 else 0.0
            rows.append(("fixed", "", term, *(shift + value for value in profiler.fixed(contrasts[k]))))
        return pd.DataFrame(rows, columns=["kind", "level", "term", "estimate", "low", "high"])

    def _prior(self, depth: int) -> np.ndarray:
        return _covariance_of(self.sums, depth, self.factors[depth], self.residual_variance)

    def _posterior(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Conditional means and covariances of each level's effects, in the units of the data."""
        solution = self.sums.solve(self.factors)
        found = []
        unit = self.residual_variance / self.sums.scale[-1] ** 2
        for columns, (effect, gain) in zip(
            self.sums.columns, self.sums.predict_effects(self.factors, solution.beta), strict=True
        ):
            back = _back(self.sums, columns)
            found.append((effect @ back.T, unit * back @ gain @ back.T))
        return found


def fit_multilevel(
    frame: pd.DataFrame,
    *,
    outcome: str,
    fixed: Sequence[str],
    groups: Sequence[str],
    slopes: Mapping[str, Sequence[str]] | None = None,
    method: Method = "REML",
    where: str = "多层模型",
) -> MultilevelFit:
    r"""Fit a linear mixed model with nested levels by (restricted) maximum likelihood.

    .. math:: y = X\beta + \sum_l Z_l u_l + e, \quad u_l \sim N(0, \sigma^2 L_l L_l'), \quad e \sim N(0, \sigma^2)

    The deviance is profiled over beta and sigma (lme4's parameterisation) and minimised over the elements of L from two
    starting values.

    Parameters
    ----------
    frame : DataFrame, one row a student, any order
    outcome : str
        Numeric column.
    fixed : sequence of str
        Columns with fixed effects beside the intercept, which is always there; text columns become 0/1 columns. May be
        empty (the null model).
    groups : sequence of str
        Grouping columns, innermost first; every group lies in one group of the next column. Each has a random
        intercept.
    slopes : mapping, optional
        Grouping column to numeric columns whose coefficients differ at random between its groups, correlated with its
        intercept and with each other. They need not be among ``fixed``, but their mean coefficient is zero if not.
    method : {"REML", "ML"}
    where : str
        What is being modelled, for messages.

    Returns
    -------
    MultilevelFit
        Effects in the units of the data. Satterthwaite degrees of freedom (lmerTest); if the fit is singular or the
        Hessian of the deviance not positive definite: groups of the outermost level less the number of fixed effects,
        at least 1, and ``df_method`` says so. A variance of zero between groups is a result (``singular``), no error.

    Raises
    ------
    InputError
        Missing values, no or one observation, an outcome without differences, collinear or constant columns, one group,
        one observation in every group, groups that are not nested, as many group-level columns as groups, too few
        observations for the random slopes, or no residual variance. How many groups are enough is left to the caller.

    Source
    ------
    Bates, Maechler, Bolker & Walker 2015 (lme4); Kuznetsova et al. 2017 (lmerTest). Golden values from both.
    """
    check_choice(method, METHODS, name="估计方法", where=where)
    slopes = dict(slopes or {})
    check_request(frame, outcome, fixed, groups, slopes, where)
    y = outcome_vector(frame, outcome, where=where)
    levels, codes = nest(frame, groups, where=where)
    design = design_matrix(frame, fixed, where=where)
    extra = list(dict.fromkeys(c for columns in slopes.values() for c in columns if c not in design.names))
    matrix = np.column_stack([design.matrix, *(frame[c].to_numpy(dtype=float) for c in extra), y])
    names, p = [*design.names, *extra], len(design.names)
    random_terms = {group: (INTERCEPT, *slopes.get(group, ())) for group in groups}
    columns = [[names.index(term) for term in random] for random in random_terms.values()]
    fingerprint = hashlib.sha256(np.ascontiguousarray(y).tobytes()).hexdigest()
    terms = design.names
    del design, y
    check_columns(matrix, codes, levels, columns, names, p, where)
    sums = sum_groups(matrix, codes, levels, columns, fixed=p)
    del matrix
    check_rest(sums, where, outcome)

    reml = method == "REML"
    found = search(sums, reml=reml)
    if found is None:
        raise nothing_left(where, outcome, sums.rows)
    solution, left = found.solution, sums.rows - (p if reml else 0)
    variance = solution.residual / left
    back = _back(sums, range(p))
    beta = back @ solution.beta
    beta[0] += sums.centre[-1]
    covariance = variance * back @ solution.inverse @ back.T
    df = None if found.singular else satterthwaite(sums, found.factors, back, reml=reml)
    fallback = max(len(levels[-1].labels) - p, 1)
    residual_variance = variance * sums.scale[-1] ** 2
    components = _components(sums, found.factors, random_terms, residual_variance)
    intercepts = {
        level: float(_covariance_of(sums, depth, found.factors[depth], residual_variance)[0, 0])
        for depth, level in enumerate(groups)
    }
    everything = sum(intercepts.values()) + residual_variance
    parameters = p + sum(len(t) * (len(t) + 1) // 2 for t in random_terms.values()) + 1
    log_likelihood = log_likelihood_of(sums, solution, reml=reml)
    single = sums.solve([np.zeros_like(factor) for factor in found.factors])
    return MultilevelFit(
        outcome=outcome, method=method, terms=terms,
        estimates=estimate_table(terms, beta, np.sqrt(np.diag(covariance)), fallback if df is None else df),
        covariance=covariance, df_method=BY_GROUPS if df is None else SATTERTHWAITE, components=components,
        residual_variance=residual_variance, icc={level: value / everything for level, value in intercepts.items()},
        log_likelihood=log_likelihood, log_likelihood_single=log_likelihood_of(sums, single, reml=reml),
        aic=2 * parameters - 2 * log_likelihood, bic=float(np.log(sums.rows)) * parameters - 2 * log_likelihood,
        parameters=parameters, units=sums.rows, groups={level.name: len(level.labels) for level in levels},
        converged=found.converged, singular=found.singular, starts=found.starts, where=where, fingerprint=fingerprint,
        sums=sums, factors=found.factors, random_terms=random_terms,
    )


def _back(sums: NestedSums, columns: Sequence[int]) -> np.ndarray:
    """Turns coefficients of standardised columns, the first of them the constant, into coefficients of the columns."""
    chosen = list(columns)
    back = np.diag(sums.scale[-1] / sums.scale[chosen])
    back[0, 1:] = -sums.scale[-1] * sums.centre[chosen[1:]] / sums.scale[chosen[1:]]
    return back


def _covariance_of(sums: NestedSums, depth: int, factor: np.ndarray, residual_variance: float) -> np.ndarray:
    """Covariance of one level's random effects, in the units of the data."""
    root = _back(sums, sums.columns[depth]) @ factor
    return root @ root.T * residual_variance / sums.scale[-1] ** 2


def _components(
    sums: NestedSums, factors: Sequence[np.ndarray], random_terms: Mapping[str, Sequence[str]], residual_variance: float
) -> pd.DataFrame:
    rows = []
    for depth, (level, terms) in enumerate(random_terms.items()):
        covariance = _covariance_of(sums, depth, factors[depth], residual_variance)
        sd = np.sqrt(np.diag(covariance))
        rows += [(level, term, term, covariance[k, k], sd[k]) for k, term in enumerate(terms)]
        for i in range(len(terms)):
            for j in range(i + 1, len(terms)):
                both = sd[i] * sd[j]
                correlation = covariance[i, j] / both if both > 0 else np.nan
                rows.append((level, terms[i], terms[j], covariance[i, j], correlation))
    rows.append((RESIDUAL, "", "", residual_variance, np.sqrt(residual_variance)))
    return pd.DataFrame(rows, columns=["level", "term_1", "term_2", "value", "correlation_or_sd"])
