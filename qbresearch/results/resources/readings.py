"""The other readings of a standard: what changes when schools the text leaves open are counted or not."""

from __future__ import annotations

from itertools import combinations

import pandas as pd

from qbresearch.errors import InputError
from qbresearch.language import listed, say
from qbresearch.results.resources.attainment import assess
from qbresearch.results.resources.indicators import compute_indicators
from qbresearch.results.resources.parts import stage_parts
from qbresearch.rules.columns import TableContract
from qbresearch.rules.standards import ScopeRule, Standard


def open_readings(standard: Standard) -> tuple[ScopeRule, ...]:
    """Scope rules for which the standard asks that the other reading be shown too."""
    return tuple(rule for rule in standard.scope.values() if rule.other_reading)


def compare_readings(
    schools: pd.DataFrame, standard: Standard, contract: TableContract, *, stage: str
) -> pd.DataFrame:
    """Judge the same schools under every reading that the standard leaves open.

    Parameters
    ----------
    schools : DataFrame
        One county and year, in the contract's columns.
    standard, contract
        As for :func:`qbresearch.results.resources.parts.stage_parts`.
    stage : str
        The stage to judge.

    Returns
    -------
    DataFrame
        One row per reading, the default first: ``reading`` (in words), the columns of
        ``AttainmentResult.county_table``, ``over`` (indicators over their cap) and ``changes`` (whether a
        verdict differs from the default's).
    """
    cases = [rule.case for rule in open_readings(standard)]
    rows = []
    for size in range(len(cases) + 1):
        for left_out in combinations(cases, size):
            try:
                parts = stage_parts(schools, standard, contract, exclude=left_out)
            except InputError:
                if not left_out:
                    raise
                continue  # this reading leaves no school at all
            table = compute_indicators(parts, standard).for_stage(stage)
            if not len(table.keys):
                continue
            result = assess(table)
            cvs = result.dispersion_table()
            over = cvs.loc[cvs["verdict"] == "not_met", "short"]
            kinds = listed(standard.scope[case].label for case in left_out)
            words = say("不计{kinds}", kinds=kinds) if left_out else say("计入全部学校")
            rows.append(result.county_table().iloc[0].to_dict() | {"reading": words, "over": listed(over)})
    if not rows:
        raise InputError(
            "没有一所学校纳入评估", where=f"标准 {standard.id}，学段 {stage}", found="各种口径下该学段都没有学校",
            expected="至少一所", fix="核对学段与办学类型",
        )
    frame = pd.DataFrame(rows)
    first = frame.iloc[0]
    verdicts = ["schools_verdict", "cv_verdict", "over"]
    return frame.assign(changes=[any(row[v] != first[v] for v in verdicts) for _, row in frame.iterrows()])
