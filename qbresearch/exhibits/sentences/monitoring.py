"""Results of quality monitoring in words."""

from __future__ import annotations

import pandas as pd

from qbresearch.exhibits.tables import fixed_point
from qbresearch.language import clauses, listed, say


def reading_words() -> dict[str, str]:
    """How a difference rate stands to its limit, in the words of the report's language."""
    return {"below": say("低于"), "above": say("不低于"), "undecided": say("不能判断是否低于")}


def matching_sentence(counts: pd.DataFrame, words: dict[str, str], *, place: str) -> str:
    """How many monitored schools were found in the register, and how.

    Parameters
    ----------
    counts : DataFrame
        ``how, schools, students``.
    words : dict
        Ways of matching to words.
    """
    parts = listed(
        say("{how} {schools} 所（{students} 人次）", how=words.get(r.how, r.how), schools=r.schools, students=f"{r.students:,}")
        for r in counts.itertuples()
    )
    schools = int(counts["schools"].sum())
    return say("{place}：参测学校 {n} 所，其中{parts}。没有按近似校名猜测。", place=place, n=schools, parts=parts)


def achievement_sentence(row: pd.Series, *, place: str, unit: str, school: str = "") -> str:
    """Mean with its interval, or why there is none; ``row`` is one unit of an achievement table.

    ``school`` is what a row of the register is, as it stands after a number; by default a school.
    """
    if pd.isna(row["mean"]):
        return say("{place}：平均成绩没有计算（{reason}）。", place=place, reason=row["remark"])
    known = {
        "place": place, "mean": fixed_point(row["mean"], 1), "unit": unit, "schools": f"{int(row['schools'])}",
        "rows": school or say("所学校"), "students": f"{int(row['students']):,}",
    }
    if pd.notna(row["low"]):
        return say(
            "{place}：平均 {mean} {unit}（95% 区间 {low} 至 {high}），{schools} {rows}、{students} 名学生。",
            low=fixed_point(row["low"], 1), high=fixed_point(row["high"], 1), **known,
        )
    if row["remark"]:
        return say("{place}：平均 {mean} {unit}（{remark}），{schools} {rows}、{students} 名学生。", remark=row["remark"], **known)
    return say("{place}：平均 {mean} {unit}，{schools} {rows}、{students} 名学生。", **known)


def difference_rate_sentence(rates: pd.DataFrame, *, place: str, limit: float, reported: float | None) -> str:
    """Local diagnostics with their readings, beside the reported value.

    Parameters
    ----------
    rates : DataFrame
        One row a definition: ``label, estimate, low, high, reading, remark``.
    limit : float
        What the rate must stay below.
    reported : float or None
        The officially reported value.
    """
    words, least = reading_words(), fixed_point(limit, 2)
    known = rates[rates["reading"].isin(list(words)) & rates["estimate"].notna()]
    local = clauses(
        say(
            "{label} {estimate}（95% 区间 {low} 至 {high}），凭这些样本{reading} {limit}", label=r.label,
            estimate=fixed_point(r.estimate, 3), low=fixed_point(r.low, 3), high=fixed_point(r.high, 3),
            reading=words[r.reading], limit=least,
        )
        for r in known.itertuples()
    )  # fmt: skip
    official = say("监测报告没有给出校际差异率")
    if reported is not None:
        official = say(
            "监测报告值为 {reported}，{reading} {limit}，判定以它为准；本地值与它不同，可能因为算法不同，也可能只是抽样误差",
            reported=fixed_point(reported, 3), reading=words["below" if reported < limit else "above"], limit=least,
        )
    return say(
        "{place}的本地诊断值（不代替报告值）为：{local}。{official}。", place=place, local=local or say("没有一种定义可以计算"),
        official=official,
    )


def school_effects_sentence(effects: pd.DataFrame, *, place: str) -> str:
    """How many schools differ from the average; ``effects`` has a column ``differs``."""
    if effects.empty:
        return say("{place}：没有可以估计的学校效应。", place=place)
    known = effects[effects["effect"].notna()]
    above, below = int(known["differs"].eq("above").sum()), int(known["differs"].eq("below").sum())
    text = say(
        "{place}：{n} 所学校中，区间整个高于平均的 {above} 所、整个低于平均的 {below} 所，"
        "其余 {rest} 所的区间包含平均水平，不能与平均区分；各校不宜排名",
        place=place, n=len(known), above=above, below=below, rest=len(known) - above - below,
    )
    if absent := len(effects) - len(known):
        return say("{text}；另有 {n} 所不能估计。", text=text, n=absent)
    return say("{text}。", text=text)
