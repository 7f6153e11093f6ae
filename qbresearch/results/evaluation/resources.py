"""The resource part of the tree: the school rule and every coefficient of variation, stage by stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from qbresearch.errors import InputError
from qbresearch.language import clauses, label_of, say
from qbresearch.results.evaluation.tree import (
    UNDECIDED,
    Element,
    Node,
    cited,
    parent,
    telling,
)
from qbresearch.results.resources.attainment import AttainmentResult
from qbresearch.rules.standards import COMPOSITE_CV, CV, Limit, Stage, Standard
from qbresearch.statistics.records import records

SCHOOLS, COMPOSITE = "schools", "composite"


def evaluate_resources_only(attainment: AttainmentResult, standard: Standard) -> Node:
    """The tree of a standard without a whole evaluation: the resource part alone.

    Parameters
    ----------
    attainment : AttainmentResult
        One county and school year, every stage.
    standard : Standard
        The one judged by.

    Returns
    -------
    Node
        ``county`` above ``resources`` above ``schools``, the indicators and ``composite``, as far as the standard has
        rules for them; a standard without rules gives verdicts ``""``.

    Raises
    ------
    InputError
        More than one county or school year.
    """
    label = say("资源配置")
    children = resource_nodes(attainment, standard)
    return parent("county", label_of(standard), [parent("resources", label, children)])


def resource_nodes(attainment: AttainmentResult, standard: Standard) -> tuple[Node, ...]:
    """Nodes ``schools``, one for every indicator (by its code) and ``composite``, each with a child for every stage.

    A stage for which the standard has a rule and the data have no school is undecided. What the standard has no rule
    for has no node. Raises :class:`InputError` where the attainment is of several counties or years.
    """
    _check_one_county(attainment.keys)
    counties, spreads = records(attainment.county_table()), records(attainment.dispersion_table())
    nodes = [
        _schools_node(standard, counties),
        *(_indicator_node(standard, indicator.code, spreads) for indicator in standard.indicators),
        _composite_node(standard, counties),
    ]
    return tuple(node for node in nodes if node.children)


def _schools_node(standard: Standard, counties: Sequence[Mapping[str, Any]]) -> Node:
    rules, children = list(standard.rules.values()), []
    for stage in standard.stages if rules else ():
        code, label = f"{SCHOOLS}:{stage.id}", label_of(stage)
        row = _row(counties, stage)
        if not any(s == stage.id for _, s in standard.thresholds):
            continue
        if row is None:
            children.append(_absent(code, label, stage))
            continue
        reason = [say("{n} 所学校中 {met} 所达标", n=row["schools"], met=row["schools_met"])]
        reason += [say("{n} 所学校未达标", n=row["schools_not_met"])] if row["schools_not_met"] else []
        reason += [say("{n} 所学校缺数据，无法判定", n=row["schools_undecided"])] if row["schools_undecided"] else []
        met, total = float(row["schools_met"]), float(row["schools"])
        sure = row["schools_verdict"] != UNDECIDED  # schools without data may still turn out to meet the rule
        children.append(
            Node(code, label, row["schools_verdict"], met, "at_least", total, met - total if sure else None, say("所"),
                 reason=clauses(reason), **_cited(rules[0], standard))
        )  # fmt: skip
    own = _cited(rules[0] if rules else None, standard)
    return parent(SCHOOLS, say("每所学校达标"), children, reason=telling(children), **own)


def _indicator_node(standard: Standard, code: str, spreads: Sequence[Mapping[str, Any]]) -> Node:
    """The coefficients of variation of one indicator, in the stages that have a cap."""
    indicator, children = standard.indicator(code), []
    own = [row for row in spreads if row["indicator"] == code]
    for stage, cap in _capped(standard, CV):
        row = _row(own, stage)
        if row is None:
            children.append(_absent(f"{code}:{stage.id}", label_of(stage), stage))
            continue
        unit = label_of(indicator, "unit")
        elements = (
            Element(say("学校数"), float(row["schools"]), ""), Element(say("均值"), _known(row["mean"]), unit),
            Element(say("标准差"), _known(row["sd"]), unit),
        )  # fmt: skip
        reason = clauses(filter(None, (row["remark"], say("临界") if row["fragile"] else "")))
        children.append(_cv_node(f"{code}:{stage.id}", stage, cap, row["cv"], row["verdict"], standard, reason, elements))
    return parent(code, label_of(indicator), children, reason=telling(children), **cited(indicator.citation, standard.sources))


def _composite_node(standard: Standard, counties: Sequence[Mapping[str, Any]]) -> Node:
    children, caps = [], _capped(standard, COMPOSITE_CV)
    for stage, cap in caps:
        row, code = _row(counties, stage), f"{COMPOSITE}:{stage.id}"
        children.append(
            _absent(code, label_of(stage), stage) if row is None
            else _cv_node(code, stage, cap, row["composite_cv"], row["composite_verdict"], standard, "", ())
        )
    return parent(COMPOSITE, say("综合差异系数"), children, reason=telling(children), **_cited(caps[0][1] if caps else None, standard))


def _cv_node(
    code: str, stage: Stage, cap: Limit, cv: float, verdict: str, standard: Standard, reason: str, elements: tuple[Element, ...]
) -> Node:
    value = _known(cv)
    return Node(
        code, label_of(stage), verdict, value, "at_most", cap.value, None if value is None else cap.value - value,
        reason=reason, formula=say("标准差÷均值（均按学生数加权）") if elements else say("各项差异系数的平均数"), elements=elements,
        **_cited(cap, standard),
    )  # fmt: skip


def _capped(standard: Standard, statistic: str) -> Sequence[tuple[Stage, Limit]]:
    return [(stage, cap) for stage in standard.stages if (cap := standard.cap(statistic, stage.id))]


def _row(rows: Iterable[Mapping[str, Any]], stage: Stage) -> Mapping[str, Any] | None:
    return next((row for row in rows if row["stage"] == stage.id), None)


def _absent(code: str, label: str, stage: Stage) -> Node:
    return Node(code, label, UNDECIDED, reason=say("没有{stage}学校的数据", stage=label_of(stage)))


def _cited(limit: Limit | None, standard: Standard) -> dict[str, str]:
    return {} if limit is None else cited(limit.citation, standard.sources)


def _known(value: float) -> float | None:
    return None if pd.isna(value) else float(value)


def _check_one_county(keys: pd.DataFrame) -> None:
    found = keys[["county_code", "school_year"]].drop_duplicates()
    if len(found) != 1:
        raise InputError(
            "一次只能评估一个县一个学年", where="资源配置判定", found=f"{len(found)} 个县学年", expected="一个县一个学年、各学段",
            fix="先按县和学年选出学校再判定",
        )
