"""Findings in words. Every sentence is made from the frame that the table beside it prints."""

from __future__ import annotations

import pandas as pd

from qbresearch.exhibits.tables import VERDICT_WORDS, amount_words, fixed_point

MOST_NAMED_GROUPS = 12
"""With more groups than this the extremes are single schools, and naming them says nothing about groups."""


def dispersion_sentence(dispersion: pd.DataFrame, *, place: str, decimals: int) -> str:
    """How many indicators stay within their cap, which do not, and by how much.

    Parameters
    ----------
    dispersion : DataFrame
        Rows of ``AttainmentResult.dispersion_table`` for one county, year and stage.
    place : str
        County and stage in words.
    decimals : int
        Decimals of coefficients of variation.
    """
    known = dispersion.dropna(subset=["cv"])
    if known.empty:
        return f"{place}没有一项差异系数可以计算。"
    if (dispersion["schools"] == 1).all():
        return f"{place}仅有一所学校，校际差异无从谈起（差异系数为 0 只是计算的结果）。"
    top = known.loc[known["cv"].idxmax()]
    largest = f"差异最大的是{top['label']}（{fixed_point(top['cv'], decimals)}）"
    capped = dispersion[dispersion["cap"].notna()]
    if capped.empty:
        return f"{place}的 {len(known)} 项指标中，{largest}；该指标集没有上限，不作判定。"
    cap = fixed_point(capped["cap"].iloc[0], 2)
    over = capped[capped["verdict"] == "not_met"].sort_values("cv", ascending=False)
    parts = [f"{place}的 {len(capped)} 项指标中 {int((capped['verdict'] == 'met').sum())} 项的差异系数不超过 {cap}"]
    if len(over):
        parts.append("超过的有" + "、".join(f"{r.label}（{fixed_point(r.cv, decimals)}）" for r in over.itertuples()))
    else:
        parts.append(largest)
    sentence = "，".join(parts) + "。"
    undecided = capped[capped["verdict"] == "undecided"]
    if len(undecided):
        sentence += "、".join(undecided["label"]) + "因数据缺失无法判定。"
    fragile = capped[capped["fragile"]]
    if len(fragile):
        sentence += "其中" + "、".join(fragile["label"]) + "处于临界：取两位小数或增减一个计量单位，结论就会翻转。"
    return sentence


def schools_sentence(county: pd.Series, *, place: str) -> str:
    """How many schools meet the school rule; ``county`` is a row of ``AttainmentResult.county_table``."""
    if not county["schools_verdict"]:
        return f"{place}共 {county['schools']} 所学校；该标准没有学校达标规则。"
    words = [f"{place}纳入评估的 {county['schools']} 所学校（含拆分后的学段）中，{county['schools_met']} 所达标"]
    if county["schools_not_met"]:
        words.append(f"{county['schools_not_met']} 所未达标")
    if county["schools_undecided"]:
        words.append(f"{county['schools_undecided']} 所因数据缺失无法判定")
    return "，".join(words) + "。"


def verdict_sentence(county: pd.Series, *, place: str) -> str:
    """The overall verdict on resources and which part decided it."""
    if not county["verdict"]:
        return f"{place}：所用指标集没有标准和上限，只描述差异，不作判定。"
    parts = [("学校规则", "schools_verdict"), ("各项差异系数", "cv_verdict"), ("综合差异系数", "composite_verdict")]
    said = "，".join(f"{label}{VERDICT_WORDS[county[key]]}" for label, key in parts if county[key])
    return f"{place}资源配置{VERDICT_WORDS[county['verdict']]}（{said}）。"


def shortfall_sentence(shortfalls: pd.DataFrame, *, place: str) -> str:
    """What the schools below standard lack in all.

    Parameters
    ----------
    shortfalls : DataFrame
        One row per indicator: ``short``, ``counted``, ``schools``, ``shortfall`` (counted unit).
    """
    lacking = shortfalls[shortfalls["shortfall"] > 0]
    if lacking.empty:
        return f"{place}没有一所学校低于单项标准。"
    words = "、".join(
        f"{r.short}尚缺 {amount_words(r.shortfall)} {r.counted}（{r.schools} 校）" for r in lacking.itertuples()
    )
    return f"{place}要使每校每项都达到标准，{words}（各校分别补足之和，未计教师流动与学校调整）。"


def groups_sentence(groups: pd.DataFrame, words: dict[str, str], *, place: str) -> str:
    """Where the groups differ most: the indicator with the largest part of its dispersion between groups."""
    per = groups.drop_duplicates("indicator").assign(total=lambda d: d["between"] + d["within"])
    per = per[per["total"] > 0]
    if per.empty or groups["group"].nunique() == 1:
        return f"{place}只有一组学校，不作组间比较。"
    top = per.loc[(per["between"] / per["total"]).idxmax()]
    rows = groups[groups["indicator"] == top["indicator"]].sort_values("mean")
    low, high = rows.iloc[0], rows.iloc[-1]
    share = fixed_point(top["between"] / top["total"] * 100, 1)
    if len(rows) > MOST_NAMED_GROUPS:
        return f"{place}{len(rows)} 组之间，组间差异占比最大的是{top['label']}：差异系数平方的 {share}% 来自组间。"
    return (
        f"{place}组间差异占比最大的是{top['label']}：差异系数平方的 {share}% 来自组间，"
        f"{words.get(low['group'], low['group'])}均值 {fixed_point(low['mean'], 2)}、"
        f"{words.get(high['group'], high['group'])}均值 {fixed_point(high['mean'], 2)}（{top['unit']}）。"
    )
