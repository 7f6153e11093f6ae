"""Robustness of one coefficient: all specifications at once, never one of them alone, and a joint permutation test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from math import exp, lgamma
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from qbresearch.errors import InputError
from qbresearch.exhibits.figures import plot_specifications
from qbresearch.language import clauses, say, series
from qbresearch.results.link.specification_fits import (
    NUMBERS,
    Outcome,
    Study,
    evaluate_all,
)
from qbresearch.results.link.specifications import (
    WHERE,
    Schools,
    Specification,
    check_specifications,
    expand_specifications,
)
from qbresearch.statistics.cluster_permutation import permutations_within
from qbresearch.statistics.estimates import LEVEL
from qbresearch.statistics.records import plain_records

__all__ = ["JointTest", "MultiverseResult", "Specification", "expand_specifications", "run_multiverse"]

ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class JointTest:
    """All specifications tested together against "the term has nothing to do with the outcome".

    median : observed median estimate. share : observed share of specifications that are significant in the direction of
    that median. strength : observed mean of t over its critical value. p_median, p_share, p_strength : share of
    permutations (the observed order among them) that do as well, median and strength in absolute value. Specifications
    that are nearly the same are all significant or none is, so that ``p_share`` cannot fall much below the level of a
    single test; the other two can. permutations : how many. remark : empty, or what limits the test.
    """

    median: float
    share: float
    strength: float
    p_median: float
    p_share: float
    p_strength: float
    permutations: int
    remark: str


@dataclass(frozen=True, slots=True)
class MultiverseResult:
    """Every specification that was asked for.

    table : one row a specification, sorted by estimate, those that cannot be estimated last: a column a dimension with
        the choice, ``estimate, se, low, high, p, n`` (students), ``schools``, ``significant``, ``same_sign`` (as the
        median), ``main`` and ``reason`` (Chinese; why there is no estimate).
    dimensions : names of the choice columns. unit : of the estimates, in words.
    median, smallest, largest : of the estimates. share_same_sign, share_significant : of the specifications that could
        be estimated, the second those that are significant and have the sign of the median.
    joint : ``None`` where schools cannot change places. joint_core : the same over the ``core`` specifications only.
    """

    term: str
    table: pd.DataFrame = field(repr=False)
    dimensions: tuple[str, ...]
    unit: str
    median: float
    smallest: float
    largest: float
    share_same_sign: float
    share_significant: float
    joint: JointTest | None
    joint_core: JointTest | None
    seed: int

    @property
    def estimated(self) -> int:
        """How many specifications have an estimate."""
        return int(self.table["reason"].eq("").sum())

    def tidy(self) -> pd.DataFrame:
        """A copy of ``table``."""
        return self.table.copy()

    def summary(self) -> str:
        """Median, range and number of specifications in one sentence; the main one is never named alone."""
        lost = len(self.table) - self.estimated
        text = say("{term}：{n} 种设定", term=self.term, n=len(self.table))
        if lost:
            text = say("{term}：{n} 种设定，其中 {lost} 种不能估计", term=self.term, n=len(self.table), lost=lost)
        spread = say(
            "系数（{unit}）中位数 {median}，范围 {least} 至 {most}，{same} 与中位数同号，{significant} 同号且显著",
            unit=self.unit, median=f"{self.median:.3f}", least=f"{self.smallest:.3f}", most=f"{self.largest:.3f}",
            same=f"{self.share_same_sign:.0%}", significant=f"{self.share_significant:.0%}",
        )
        main = self.table[self.table["main"] & self.table["reason"].eq("")]
        if len(main):
            place = main.index[0] + 1
            named = say("主设定 {estimate}（从小到大第 {place} 位）", estimate=f"{main['estimate'].iloc[0]:.3f}", place=place)
            spread = series([spread, named])
        if self.joint is None:
            return clauses([text, spread, say("学校不能在层内互换，没有联合检验")])
        joint = say(
            "{n} 次置换的联合检验：中位数 p = {median}，显著比例 p = {share}，平均 t 值 p = {strength}", n=self.joint.permutations,
            median=f"{self.joint.p_median:.3f}", share=f"{self.joint.p_share:.3f}", strength=f"{self.joint.p_strength:.3f}",
        )
        if self.joint.remark:
            joint = say("{text}（{remark}）", text=joint, remark=self.joint.remark)
        return clauses([text, spread, joint])

    def plot(self, *, axes: Sequence[Axes] | np.ndarray | None = None) -> np.ndarray:
        """The specification curve, with the choices below."""
        drawn = self.table[["estimate", "low", "high", "significant", "main"]]
        return plot_specifications(drawn, self.table[list(self.dimensions)], axes=axes)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: always every specification."""
        names = ("term", "unit", "median", "smallest", "largest", "share_same_sign", "share_significant", "seed")
        return {name: getattr(self, name) for name in names} | {
            "dimensions": list(self.dimensions), "specifications": plain_records(self.table),
            "joint": asdict(self.joint) if self.joint else None,
            "joint_core": asdict(self.joint_core) if self.joint_core else None,
        }


def run_multiverse(
    frame: pd.DataFrame, specifications: Sequence[Specification], *, term: str, cluster: str,
    county: str | None = None, strata: Sequence[str] = (), label: str | None = None, workers: int = 1, seed: int,
    permutations: int = 199, fewest_df: int = 1, core: Callable[[Specification], bool] | None = None,
) -> MultiverseResult:
    r"""Estimate a school-level coefficient under every specification, and test all of them jointly.

    Outcomes are standardised over all rows of the table that have one, the (transformed) term over all schools that
    have one, each school counted once; row filters do not change the unit. Standard errors are clustered by school
    (CR1, t with schools - 1 degrees of freedom) or, in the multilevel model, of generalised least squares
    (Satterthwaite). School means are means of the students (weighted, if there are weights); schools then count alike,
    or by their sum of weights.

    The joint test (Simonsohn, Simmons & Nelson) lets schools of one stratum change places: school A gets the term of
    school B, while its students keep their outcomes, controls and weights. Every specification is estimated again, in
    closed form on sums by school; variances of multilevel models stay those of the observed data. With T* the statistic
    of a permutation,

    .. math:: p = \frac{1 + \#\{T^* \ge T\}}{1 + \text{permutations}}

    Parameters
    ----------
    frame : DataFrame, one row a student
        Columns named in the specifications, ``term``, ``cluster``, ``county`` and ``strata``. Nothing is dropped: a
        specification whose rows have a missing value is kept without estimate and says how many are missing.
    specifications : sequence of Specification
        See :func:`expand_specifications`.
    term : str
        Numeric column, the same for all students of a school.
    cluster : str
        School.
    county : str, optional
        Column of the fixed effects; without it, ``fixed_effects`` specifications say so.
    strata : sequence of str
        Columns (county, stage) inside whose combinations schools may change places; all schools without them.
    label : str, optional
        Chinese name of the term.
    workers : int
        Processes. The result does not depend on it.
    seed : int
        Of the permutations.
    permutations : int
        0 leaves out the joint test.
    fewest_df : int
        Schools that must be left over after the school-level columns of a specification; with fewer it stands without
        estimate, since a coefficient with hardly any schools left is not a defensible choice.
    core : callable, optional
        Which specifications answer the question that matters (such as: those that hold the composition of the schools
        constant); they get a joint test of their own. All by default.

    Returns
    -------
    MultiverseResult
        All specifications, estimated or not. One school, constant outcomes, collinear controls and the like are reasons
        in the table, not errors.

    Raises
    ------
    InputError
        No specification, specifications that contradict each other, a term or stratum that differs within a school,
        rows without school, or not one specification that can be estimated.

    Source
    ------
    Steegen et al. (2016); Simonsohn, Simmons & Nelson (2020), Nature Human Behaviour 4.
    """
    dimensions = check_specifications(specifications)
    if workers < 1 or permutations < 0:
        raise InputError("进程数或置换次数不对", where=WHERE, found=f"进程 {workers}，置换 {permutations}", expected="进程至少 1，置换不小于 0",
                         fix="核对参数")
    schools = Schools.of_frame(frame, term, cluster, strata, [s.transform for s in specifications])
    rng = np.random.Generator(np.random.PCG64(seed))
    orders = permutations_within(schools.strata, schools.movable, permutations, rng)
    study = Study.of(
        frame, specifications, schools, orders, term=term, cluster=cluster, county=county, fewest_df=fewest_df
    )
    outcomes = evaluate_all(study, specifications, workers)
    if all(o.reason for o in outcomes):
        raise InputError(
            "没有一种设定可以估计", where=f"{WHERE}：{term}", found="；".join(dict.fromkeys(o.reason for o in outcomes)),
            expected="至少一种设定可以估计", fix="按上面的原因修正数据或设定；描述统计仍可报告",
        )
    estimates = np.array([o.numbers[0] for o in outcomes])
    table = _table(specifications, outcomes, float(np.nanmedian(estimates)))
    known = table[table["reason"].eq("")]
    chosen = [o for s, o in zip(specifications, outcomes, strict=True) if core is None or core(s)]
    return MultiverseResult(
        term=label or term, table=table, dimensions=tuple(dimensions), unit=say("学校间一个标准差对应的成绩标准差"),
        median=float(known["estimate"].median()), smallest=float(known["estimate"].min()),
        largest=float(known["estimate"].max()), share_same_sign=float(known["same_sign"].mean()),
        share_significant=float((known["same_sign"] & known["significant"]).mean()),
        joint=_joint(outcomes, schools, permutations), joint_core=_joint(chosen, schools, permutations), seed=seed,
    )


def _table(specifications: Sequence[Specification], outcomes: Sequence[Outcome], median: float) -> pd.DataFrame:
    table = pd.DataFrame([dict(s.choices) for s in specifications])
    for k, name in enumerate(NUMBERS):
        table[name] = [o.numbers[k] for o in outcomes]
    table[["n", "schools"]] = table[["n", "schools"]].astype("Int64")
    known = table["estimate"].notna()
    return table.assign(
        significant=known & (table["p"] < 1 - LEVEL), same_sign=known & (np.sign(table["estimate"]) == np.sign(median)),
        main=[s.main for s in specifications], reason=[o.reason for o in outcomes],
    ).sort_values("estimate", kind="stable", ignore_index=True)


def _joint(outcomes: Sequence[Outcome], schools: Schools, permutations: int) -> JointTest | None:
    """The statistics of every permutation beside the observed ones, which stand first."""
    sizes = np.bincount(schools.strata[schools.movable])
    if permutations == 0 or sizes.max(initial=0) < 2:
        return None
    done = [o for o in outcomes if not o.reason]
    if not done:
        return None
    estimates, decisive = np.array([o.permuted for o in done]), np.array([o.decisive for o in done])
    medians = np.nanmedian(estimates, axis=0)
    shares = (np.sign(medians) * np.nan_to_num(decisive) > 1).mean(axis=0)
    strengths = np.nanmean(decisive, axis=0)
    orders = sum(lgamma(s + 1) for s in sizes)
    few = orders < np.log(permutations + 1)
    remark = say("层内只有 {n} 种排列，p 值不会更小", n=round(exp(orders))) if few else ""

    def p_value(statistic: np.ndarray) -> float:
        return float((statistic >= statistic[0] - ROUNDING).mean())

    return JointTest(
        float(medians[0]), float(shares[0]), float(strengths[0]), p_value(np.abs(medians)), p_value(shares),
        p_value(np.abs(strengths)), permutations, remark,
    )
