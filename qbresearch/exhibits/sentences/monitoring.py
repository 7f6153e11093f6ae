"""Results of quality monitoring in words."""

from __future__ import annotations

import pandas as pd

from qbresearch.exhibits.tables import fixed_point

READING_WORDS = {"below": "低于", "above": "不低于", "undecided": "不能判断是否低于"}


def matching_sentence(counts: pd.DataFrame, words: dict[str, str], *, place: str) -> str:
    """How many monitored schools were found in the register, and how.

    Parameters
    ----------
    counts : DataFrame
        ``how, schools, students``.
    words : dict
        Ways of matching to Chinese.
    """
    listed = "、".join(f"{words.get(r.how, r.how)} {r.schools} 所（{r.students:,} 人次）" for r in counts.itertuples())
    return f"{place}：参测学校 {int(counts['schools'].sum())} 所，其中{listed}。没有按近似校名猜测。"


def achievement_sentence(row: pd.Series, *, place: str, unit: str, school: str = "所学校") -> str:
    """Mean with its interval, or why there is none; ``row`` is one unit of an achievement table.

    ``school`` is what a row of the register is, with its counter.
    """
    if pd.isna(row["mean"]):
        return f"{place}：平均成绩没有计算（{row['remark']}）。"
    text = f"{place}：平均 {fixed_point(row['mean'], 1)} {unit}"
    if pd.notna(row["low"]):
        text += f"（95% 区间 {fixed_point(row['low'], 1)} 至 {fixed_point(row['high'], 1)}）"
    elif row["remark"]:
        text += f"（{row['remark']}）"
    return text + f"，{int(row['schools'])} {school}、{int(row['students']):,} 名学生。"


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
    known = rates[rates["reading"].isin(list(READING_WORDS)) & rates["estimate"].notna()]
    words = [
        f"{r.label} {fixed_point(r.estimate, 3)}（95% 区间 {fixed_point(r.low, 3)} 至 {fixed_point(r.high, 3)}），"
        f"凭这些样本{READING_WORDS[r.reading]} {fixed_point(limit, 2)}"
        for r in known.itertuples()
    ]  # fmt: skip
    local = "；".join(words) if words else "没有一种定义可以计算"
    official = "监测报告没有给出校际差异率"
    if reported is not None:
        side = "低于" if reported < limit else "不低于"
        official = f"监测报告值为 {fixed_point(reported, 3)}，{side} {fixed_point(limit, 2)}，判定以它为准；本地值与它不同，因为两者的算法可能不同"
    return f"{place}的本地诊断值（不代替报告值）为：{local}。{official}。"


def school_effects_sentence(effects: pd.DataFrame, *, place: str) -> str:
    """How many schools differ from the average; ``effects`` has a column ``differs``."""
    if effects.empty:
        return f"{place}：没有可以估计的学校效应。"
    known = effects[effects["effect"].notna()]
    above, below = int(known["differs"].eq("above").sum()), int(known["differs"].eq("below").sum())
    text = (
        f"{place}：{len(known)} 所学校中，区间整个高于平均的 {above} 所、整个低于平均的 {below} 所，"
        f"其余 {len(known) - above - below} 所的区间包含平均水平，不能与平均区分；各校不宜排名"
    )
    return text + (f"；另有 {len(effects) - len(known)} 所不能估计。" if len(known) < len(effects) else "。")
