"""Third step of the link study: the ladder of multilevel models M0 to M6, side by side on the same observations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import stats

from qbresearch.errors import InputError
from qbresearch.exhibits.figures import plot_coefficients, plot_variance
from qbresearch.language import clauses, label_of, say, series
from qbresearch.results.link.match import GROUP_ROLES, TANGIBLE, LinkData
from qbresearch.results.reasons import refusal
from qbresearch.rules.settings import setting
from qbresearch.statistics.design import INTERCEPT
from qbresearch.statistics.estimates import ESTIMATE_COLUMNS, LEVEL
from qbresearch.statistics.multilevel import MultilevelFit, fit_multilevel
from qbresearch.statistics.regression import LinearFit, fit_linear

COUNTY = "county_code"
# From this number of counties on they are a level of their own; fewer are told apart by one column each.
COUNTIES_AS_LEVEL = 10
TIMES = ":"
NO_DEVIATION = 1e-12


def model_words() -> dict[str, str]:
    """What each rung holds, in the words of the report's language."""
    return {
        "M0": say("零模型"), "M1": say("学生背景"), "M2": say("加有形资源"), "M3": say("再加无形资源"), "M4": say("再加学生构成"),
        "M5": say("家庭背景的斜率随资源而变"), "M6": say("增值（加前测）"),
    }  # fmt: skip


def alone() -> str:
    """What the model of one resource without composition is called."""
    return say("单项")


def with_composition() -> str:
    """What the model of one resource beside composition is called."""
    return say("单项加学生构成")


@dataclass(frozen=True, slots=True)
class LadderModel:
    """One rung: its fit, or why there is none (``remark``); ``terms`` are the columns it was asked to hold."""

    id: str
    label: str
    terms: tuple[str, ...]
    fit: MultilevelFit | LinearFit | None
    remark: str
    chi2: float = float("nan")
    chi2_df: int = 0
    chi2_p: float = float("nan")


@dataclass(frozen=True, slots=True)
class ModelLadder:
    """Models M0 to M6 of one link study.

    models : those the design has variables for. frame : the observations used, standardised: outcome in standard
        deviations of the observations, school-level variables in standard deviations between schools, student
        background as deviations from the school's mean. labels : term to words. school_terms : terms that describe schools. group : what a group is.
    """

    models: tuple[LadderModel, ...]
    frame: pd.DataFrame
    labels: Mapping[str, str]
    school_terms: tuple[str, ...]
    group: str
    groups: int
    counties: int

    def model(self, model_id: str) -> LadderModel | None:
        """One rung; ``None`` where the design has no variables for it."""
        return next((m for m in self.models if m.id == model_id), None)

    def tidy(self) -> pd.DataFrame:
        """One row a model and term: ``model, term, label`` and the columns of an estimate table."""
        parts = [
            m.fit.estimates.assign(model=m.id, label=m.fit.estimates["term"].map(lambda t: self.labels.get(t, t)))
            for m in self.models if m.fit is not None
        ]  # fmt: skip
        columns = ["model", "term", "label", *ESTIMATE_COLUMNS[1:]]
        return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)

    def shown_estimates(self) -> pd.DataFrame:
        """:meth:`tidy` without intercepts and county columns, in the order of the fullest model."""
        table = self.tidy()
        table = table[~table["term"].eq(INTERCEPT) & ~table["term"].str.startswith(f"{COUNTY}[")]
        order = {label: place for place, label in enumerate(self.labels.values())}
        return table.sort_values("label", key=lambda c: c.map(order), kind="stable").sort_values("model", kind="stable")

    def fullest(self) -> LadderModel | None:
        """The last of M2 to M4 that was fitted as a multilevel model."""
        fitted = [m for m in self.models if m.id in ("M2", "M3", "M4") and isinstance(m.fit, MultilevelFit)]
        return fitted[-1] if fitted else None

    def strongest_moderator(self) -> str:
        """The resource whose product with the moderated background has the largest t in M5; empty without M5."""
        model = self.model("M5")
        if model is None or not isinstance(model.fit, MultilevelFit):
            return ""
        table = model.fit.estimates
        products = table[table["term"].str.contains(TIMES, regex=False)]
        if products.empty:
            return ""
        return str(products.loc[products["statistic"].abs().idxmax(), "term"]).split(TIMES)[1]

    def moderated_label(self) -> str:
        """Label of the background that resources may moderate, as it enters the models; empty without M5."""
        model = self.model("M5")
        product = next((t for t in model.terms if TIMES in t), "") if model else ""
        return say("{variable}（离校均值）", variable=self.labels[product.split(TIMES)[0]]) if product else ""

    def variances(self) -> pd.DataFrame:
        """One row a model: ``model, label, observations, groups, between, within, icc, r2_between, r2_within,
        log_likelihood, converged, singular, chi2, chi2_df, chi2_p, remark``.

        ``between`` is the variance of school intercepts, ``within`` the residual variance, in squared standard deviations
        of the outcome; ``icc`` is the first over their sum, so that differences between counties are left out. ``r2_*`` are shares of M0's components explained; negative where a component grew. ``chi2`` is the
        likelihood-ratio test (ML) against the rung before.
        """
        rows = [self._variance_row(m) for m in self.models]
        return pd.DataFrame(rows)

    def _variance_row(self, model: LadderModel) -> dict[str, Any]:
        row: dict[str, Any] = {"model": model.id, "label": model.label, "remark": model.remark}
        fit = model.fit
        numbers = ("between", "within", "icc", "r2_between", "r2_within", "log_likelihood")
        row |= dict.fromkeys(numbers, np.nan) | {"observations": 0, "groups": 0, "converged": "", "singular": ""}
        row |= {"chi2": model.chi2, "chi2_df": model.chi2_df, "chi2_p": model.chi2_p}
        if fit is None:
            return row
        if isinstance(fit, LinearFit):
            return row | {"observations": fit.n, "groups": fit.clusters or fit.n}
        between, within = intercept_variance(fit), fit.residual_variance
        row |= {"between": between, "within": within, "icc": between / (between + within)}
        row |= {"observations": fit.units, "groups": fit.groups["group"]}
        row |= {
            "log_likelihood": fit.log_likelihood, "converged": say("是") if fit.converged else say("否"),
            "singular": say("是") if fit.singular else say("否"),
        }
        null = self.model("M0")
        if null is not None and isinstance(null.fit, MultilevelFit):
            start = intercept_variance(null.fit)
            row["r2_between"] = 1 - between / start if start > 0 else np.nan
            row["r2_within"] = 1 - within / null.fit.residual_variance
        return row

    def summary(self) -> str:
        """Variance between schools and what resources explain of it, in one sentence."""
        table = self.variances().set_index("model")
        if "M0" not in table.index or np.isnan(table.loc["M0", "icc"]):
            return say("学校数太少，没有拟合多层模型；见各模型的说明")
        text = say("{group}间方差占总方差的 {share}%", group=self.group, share=f"{table.loc['M0', 'icc'] * 100:.1f}")
        known, labels = table["r2_between"].dropna(), model_words()
        steps = [
            say("{label}（{model}）后累计减少 {share}%", label=labels[m], model=m, share=f"{known[m] * 100:.1f}")
            for m in ("M2", "M3", "M4") if m in known.index
        ]  # fmt: skip
        return series([text, *steps])

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Coefficients of the school-level variables, model by model."""
        shown = self.shown_estimates()
        shown = shown[shown["term"].isin(self.school_terms) & shown["model"].isin(["M2", "M3", "M4", "M6"])]
        return plot_coefficients(shown[["label", "model", "estimate", "low", "high"]], ax=ax)

    def plot_variance(self, *, ax: Axes | None = None) -> Axes:
        """Variance components model by model."""
        table = self.variances().dropna(subset=["between"])
        parts = [
            table.assign(component=word, value=table[name])[["model", "component", "value"]]
            for name, word in (("between", say("校间")), ("within", say("校内")))
        ]
        return plot_variance(pd.concat(parts), ax=ax)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"estimates": self.tidy().to_dict("records"), "variances": self.variances().to_dict("records")}


def intercept_variance(fit: MultilevelFit) -> float:
    """Variance of the school intercepts."""
    rows = fit.components
    own = rows[rows["level"].eq("group") & rows["term_1"].eq(INTERCEPT) & rows["term_2"].eq(INTERCEPT)]
    return float(own["value"].iloc[0])


def fit_ladder(data: LinkData) -> ModelLadder:
    """Fit every rung the design has variables for.

    With fewer schools than the setting ``fewest_groups_multilevel``, or one observation in each group, rungs are fitted by
    least squares with robust standard errors and say so; a rung that leaves fewer schools than ``fewest_group_df`` after
    its school-level variables is not fitted and says so.

    Parameters
    ----------
    data : LinkData

    Returns
    -------
    ModelLadder
        M0 to M5 use the observations with all variables but the earlier score, M6 those that also have it. REML
        estimates; likelihood-ratio tests refit by ML. With 2 to 9 counties each has a column of its own in every rung;
        from 10 on counties are a third level.
    """
    frame = standardise(data)
    counties = frame[COUNTY].nunique() if not data.design.aggregate else 1
    steps = _steps(data, frame)
    labels = _labels(data)
    models: list[LadderModel] = []
    for model_id, (terms, slopes, rows) in steps.items():
        fixed = [*([COUNTY] if 1 < counties < COUNTIES_AS_LEVEL else []), *terms]
        levels = ["group", COUNTY] if counties >= COUNTIES_AS_LEVEL else ["group"]
        before = models[-1] if models else None
        models.append(
            _rung(model_id, rows, fixed, levels, slopes, data=data, before=before if model_id not in ("M5", "M6") else None)
        )
    return ModelLadder(tuple(models), frame, labels, tuple(data.ids(*GROUP_ROLES)), label_of(data.design, "group"), frame["group"].nunique(), counties)


def standardise(data: LinkData) -> pd.DataFrame:
    """Complete observations on the models' scales; see :class:`ModelLadder`.

    Columns of variables that do not vary are left out. The earlier score, which only M6 uses, may be missing.
    """
    asked = [c for c in data.ids("student", *GROUP_ROLES) if data.frame[c].nunique() > 1]
    complete = data.frame.dropna(subset=asked)
    used = [c for c in asked if complete[c].nunique() > 1]
    prior = [c for c in data.ids("prior") if complete[c].nunique() > 1]
    frame = complete[["outcome", "group", COUNTY, "location", "size", "weight", *used, *prior]].copy()
    if frame.empty:
        raise InputError(
            "没有一个观测的变量齐全", where=f"关联设计 {data.design.id}", found="完整个案 0 个", expected="至少两所学校的完整个案",
            fix="看缺失审计表，去掉缺失最多的变量，或用插补结果",
        )
    frame["outcome"] = _z(frame["outcome"])
    of_group = set(data.group_level)
    for column in used:
        if column in of_group:
            per_group = frame.groupby("group")[column].first()
            frame[column] = frame["group"].map(_z(per_group))
        elif data.design.aggregate:
            frame[column] = _z(frame[column])
        else:
            frame[column] = frame[column] - frame.groupby("group")[column].transform("mean")
            if frame[column].abs().max() < NO_DEVIATION:  # it differs between schools only
                frame = frame.drop(columns=column)
    for column in prior:
        frame[column] = _z(frame[column])
    return frame.reset_index(drop=True)


def _z(values: pd.Series) -> pd.Series:
    spread = values.std()
    if not spread > 0:
        raise InputError(
            "变量没有差异，不能标准化", where=str(values.name), found=f"{values.notna().sum()} 个值相同", expected="至少两个不同的数值",
            fix="换一个结果变量或学科；均值仍可报告",
        )
    return (values - values.mean()) / spread


Step = tuple[list[str], dict[str, list[str]], pd.DataFrame]


def _steps(data: LinkData, frame: pd.DataFrame) -> dict[str, Step]:
    """Terms, random slopes and rows of each rung."""
    def held(*roles: str) -> list[str]:
        return [c for c in data.ids(*roles) if c in frame]

    student, tangible = held("student"), held(TANGIBLE)
    intangible, composition, prior = held("intangible"), held("composition"), held("prior")
    steps: dict[str, Step] = {"M0": ([], {}, frame)}
    if student:
        steps["M1"] = (student, {}, frame)
    steps["M2"] = ([*student, *tangible], {}, frame)
    if intangible:
        steps["M3"] = ([*student, *tangible, *intangible], {}, frame)
    full = [*student, *tangible, *intangible, *composition]
    if composition:
        steps["M4"] = (full, {}, frame)
    moderated = next((v.id for v in data.design.variables if v.moderated and v.id in frame), "")
    if moderated:
        products = {f"{moderated}{TIMES}{t}": frame[moderated] * frame[t] for t in tangible}
        steps["M5"] = ([*full, *products], {"group": [moderated]}, frame.assign(**products))
    if prior:
        steps["M6"] = ([*full, *prior], {}, frame.dropna(subset=prior))
    return steps


def _rung(
    model_id: str, rows: pd.DataFrame, fixed: Sequence[str], levels: Sequence[str], slopes: Mapping[str, Sequence[str]], *,
    data: LinkData, before: LadderModel | None,
) -> LadderModel:  # fmt: skip
    label, groups = model_words()[model_id], rows["group"].nunique()
    of_group = len(set(fixed) & set(data.group_level)) + (rows[COUNTY].nunique() - 1 if COUNTY in fixed else 0)
    single = groups == len(rows)
    of_group = len(fixed) if single else of_group
    left = groups - of_group - 1
    named = {"group": label_of(data.design, "group"), "counter": label_of(data.design, "group_counter")}
    fewest_groups, fewest_df = setting("fewest_groups_multilevel"), setting("fewest_group_df")

    def refused(remark: str) -> LadderModel:
        return LadderModel(model_id, label, tuple(fixed), None, remark)

    if left < fewest_df:
        return refused(
            say(
                "没有拟合：{group} {n} {counter}，{group}层变量（含县）{columns} 个，只剩 {left} 个自由度；逐项资源的结果见单项模型",
                n=groups, columns=of_group, left=left, **named,
            )
        )
    try:
        if groups < fewest_groups or single:
            why = say("每个观测自成一组") if single else say("{group}少于 {n} {counter}", n=f"{fewest_groups:.0f}", **named)
            if model_id in ("M0", "M5"):
                return refused(say("没有拟合：{why}，方差成分没有可信的估计", why=why))
            robust = {"covariance": "HC3"} if single else {"covariance": "CR2", "cluster": "group"}
            fit = fit_linear(rows, outcome="outcome", terms=list(fixed), **robust)
            remark = say("{why}，改用最小二乘与稳健标准误（{kind}）", why=why, kind=robust["covariance"])
            return LadderModel(model_id, label, tuple(fixed), fit, remark)
        fit = fit_multilevel(rows, outcome="outcome", fixed=list(fixed), groups=levels, slopes=slopes, where=f"{model_id} {label}")
        tested = {}
        if before is not None and isinstance(before.fit, MultilevelFit):
            larger, smaller = (
                fit_multilevel(rows, outcome="outcome", fixed=list(f), groups=levels, method="ML") for f in (fixed, before.terms)
            )
            test = larger.likelihood_ratio(smaller)
            tested = {"chi2": test.statistic, "chi2_df": int(test.df), "chi2_p": test.p}
        return LadderModel(model_id, label, tuple(fixed), fit, _remark(fit), **tested)
    except InputError as error:
        return refused(say("没有拟合：{reason}", reason=refusal(error, fix=True)))


def _remark(fit: MultilevelFit) -> str:
    words = []
    if not fit.converged:
        words.append(say("未收敛：两个起点的结果不同，不要引用"))
    if fit.singular:
        words.append(say("奇异：有方差成分估计为零或相关为 ±1"))
    return clauses(words)


def _labels(data: LinkData) -> dict[str, str]:
    labels = data.shorts()
    moderated = next((v for v in data.variables if any(d.id == v.id and d.moderated for d in data.design.variables)), None)
    if moderated is not None:
        labels |= {f"{moderated.id}{TIMES}{t}": f"{moderated.short}×{data.shorts()[t]}" for t in data.ids(TANGIBLE)}
    return labels


def single_resources(data: LinkData) -> pd.DataFrame:
    """Each resource alone, before and after the composition of the schools is held constant.

    Returns
    -------
    DataFrame
        One row a resource and model (单项 with student background, 单项加学生构成; in the report's language): ``term, label, model``, columns
        of an estimate table, and ``remark``. Multilevel models with a random intercept; least squares with CR2 or
        HC3 errors where :func:`fit_ladder` would use them. Differences between the two rows of a resource show what composition takes away.
    """
    frame = standardise(data)
    counties = frame[COUNTY].nunique() if not data.design.aggregate else 1
    base = [*([COUNTY] if 1 < counties else []), *(c for c in data.ids("student") if c in frame)]
    composition = [c for c in data.ids("composition") if c in frame]
    groups = frame["group"].nunique()
    asked = {alone(): []} | ({with_composition(): composition} if composition else {})
    rows = []
    for resource in (c for c in data.ids(TANGIBLE) if c in frame):
        for model, extra in asked.items():
            head = {"term": resource, "label": data.shorts()[resource], "model": model, "remark": ""}
            terms = [*base, resource, *extra]
            try:
                if groups == len(frame):
                    fit = fit_linear(frame, outcome="outcome", terms=terms, covariance="HC3")
                elif groups < setting("fewest_groups_multilevel"):
                    fit = fit_linear(frame, outcome="outcome", terms=terms, covariance="CR2", cluster="group")
                else:
                    fit = fit_multilevel(frame, outcome="outcome", fixed=terms, groups=["group"], where=f"单项模型 {resource}")
                found = fit.estimates[fit.estimates["term"].eq(resource)].iloc[0].to_dict()
                rows.append(found | head)
            except InputError as error:
                rows.append(head | {"remark": refusal(error)})
    return pd.DataFrame(rows, columns=["term", "label", "model", *ESTIMATE_COLUMNS[1:], "remark"])


def moderation_lines(ladder: ModelLadder, resource: str) -> pd.DataFrame:
    """Expected outcome along the moderated background at a resource one standard deviation below, at and above its mean.

    Returns
    -------
    DataFrame
        ``line`` (资源较少, 平均, 资源较多, in the report's language), ``x`` (background as deviation from the school's mean), ``y, low, high`` (standard
        deviations of the outcome; 95 % interval of the difference from the school's mean). Empty without M5.
    """
    model = ladder.model("M5")
    columns = ["line", "x", "y", "low", "high"]
    if model is None or not isinstance(model.fit, MultilevelFit):
        return pd.DataFrame(columns=columns)
    product = next((t for t in model.terms if t.endswith(f"{TIMES}{resource}")), "")
    names = list(model.fit.estimates["term"])
    if product not in names:
        return pd.DataFrame(columns=columns)
    slope = product.split(TIMES)[0]
    places = [names.index(slope), names.index(product), names.index(resource)]
    beta = model.fit.estimates["estimate"].to_numpy()[places]
    covariance = model.fit.covariance[np.ix_(places, places)]
    x = np.linspace(*ladder.frame[slope].quantile([0.05, 0.95]), 21)
    lines = []
    for word, z in ((say("资源较少"), -1.0), (say("平均"), 0.0), (say("资源较多"), 1.0)):
        row = np.column_stack([x, x * z, np.full_like(x, z)])
        y, se = row @ beta, np.sqrt(np.einsum("ij,jk,ik->i", row, covariance, row))
        half = stats.norm.ppf((1 + LEVEL) / 2) * se
        lines.append(pd.DataFrame({"line": word, "x": x, "y": y, "low": y - half, "high": y + half}))
    return pd.concat(lines, ignore_index=True)[columns]
