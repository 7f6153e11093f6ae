"""The link study in words: what the tables beside it say, first for a researcher, then for a reader in a bureau."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from qbresearch.exhibits.tables import fixed_point
from qbresearch.language import clauses, joined, listed, say, series


def flow_sentence(flow: pd.DataFrame, *, place: str, unit: str, group: str) -> str:
    """From observations read to observations used.

    Parameters
    ----------
    flow : DataFrame
        ``LinkData.flow``.
    unit, group : str
        Observations and groups as they stand after a number (名学生, 所学校; students, schools).
    """
    first, last, kept = flow.iloc[0], flow.iloc[-1], flow.iloc[-2]
    text = say(
        "{place}：读入 {read} {unit}，进入分析 {kept} {unit}、{groups} {group}", place=place, read=f"{first['observations']:,}",
        kept=f"{kept['observations']:,}", groups=f"{kept['groups']:,}", unit=unit, group=group,
    )
    lost = [
        say("{step}一步少 {lost} {unit}（{reason}）", step=r.step, lost=f"{r.lost:,}", unit=unit, reason=r.reason)
        for r in flow.iloc[1:-1].itertuples() if r.lost
    ]  # fmt: skip
    gaps = ""
    if last["lost"]:
        gaps = say(
            "其中 {lost} {unit}至少缺一个变量（含前测），全部变量齐全的 {complete} {unit}", lost=f"{last['lost']:,}", unit=unit,
            complete=f"{last['observations']:,}",
        )
    return say("{text}。", text=clauses(filter(None, [text, series(lost), gaps])))


def variance_sentence(variances: pd.DataFrame, *, place: str, group: str, counties: int = 1, what: str = "") -> str:
    """How the outcome's variance divides, and what each rung explains of the part between groups.

    Parameters
    ----------
    variances : DataFrame
        ``ModelLadder.variances()``.
    group : str
        What a group is (学校, 县; school, county).
    counties : int
        Counties in the data; with several the share is that within counties.
    what : str
        What is divided, by default the variance of scores: of aggregates only the differences between their means are seen.
    """
    table = variances.set_index("model")
    if "M0" not in table.index or pd.isna(table.loc["M0", "icc"]):
        reason = table.loc["M0", "remark"] if "M0" in table.index else say("没有零模型")
        return say("{place}：方差成分没有估计（{reason}）。", place=place, reason=reason)
    values = {"place": place, "group": group, "what": what or say("成绩总差异"), "share": _percent(table.loc["M0", "icc"])}
    if counties > 1:
        parts = [say("{place}：{group}之间的差异占{what}的 {share}（不计县与县的差异）", **values)]
    else:
        parts = [say("{place}：{group}之间的差异占{what}的 {share}", **values)]
    steps = [(m, r) for m, r in table.iterrows() if m in ("M2", "M3", "M4") and pd.notna(r["r2_between"])]
    if steps:
        named = listed(
            say("{label}（{model}）{share}", label=r["label"], model=m, share=_percent(r["r2_between"])) for m, r in steps
        )
        if any(r["r2_between"] < 0 for _, r in steps):
            text = say(
                "与零模型相比，逐步加入变量后累计减少{group}间方差：{steps}（负数表示方差成分的估计不降反升）",
                group=group, steps=named,
            )
        else:
            text = say("与零模型相比，逐步加入变量后累计减少{group}间方差：{steps}", group=group, steps=named)
        parts.append(text)
    unfit = [m for m, r in table.iterrows() if pd.isna(r["between"]) and r["remark"].startswith(say("没有拟合"))]
    if unfit:
        parts.append(say("{models} 没有拟合，原因见表", models=listed(unfit)))
    return say("{text}。", text=clauses(parts))


def singles_sentence(singles: pd.DataFrame, *, place: str, significance: float) -> str:
    """Which resources go with results alone, and which still do beside the schools' composition."""
    known = singles[singles["remark"].eq("")]
    if known.empty:
        return say("{place}：没有一项资源可以单独估计。", place=place)
    parts = []
    for model, rows in known.groupby("model", sort=False):
        differ = rows[rows["p"] < significance]
        values = {"model": model, "alpha": f"{significance:g}", "n": len(differ)}
        if differ.empty:
            parts.append(say("“{model}”模型中系数显著（p<{alpha}，未校正）的有 {n} 项", **values))
            continue
        named = listed(
            say("{resource}（{estimate}）", resource=r.label, estimate=fixed_point(r.estimate, 3)) for r in differ.itertuples()
        )
        parts.append(say("“{model}”模型中系数显著（p<{alpha}，未校正）的有 {n} 项：{named}", named=named, **values))
    return say("{place}：{parts}。", place=place, parts=clauses(parts))


def multiverse_sentence(multiverses: pd.DataFrame, *, place: str) -> str:
    """Median and range of every resource whose link is stable, and how many are not.

    Parameters
    ----------
    multiverses : DataFrame
        ``LinkChallenge.tidy()``.
    """
    if multiverses.empty:
        return say("{place}：没有一项资源可以做多种设定的检验。", place=place)
    passed = multiverses[multiverses["stable"].eq(True)]
    held = bool(multiverses["adjusted"].all())
    values = {"place": place, "n": len(multiverses), "k": int(multiverses["estimated"].max())}
    if len(passed):
        values |= {"stable": len(passed), "named": listed(_stable(r, held) for r in passed.itertuples())}
    if len(passed) and held:
        text = say("{place}：{n} 项资源各估计了至多 {k} 种事先声明的设定，控制学生构成后联系稳定的有 {stable} 项：{named}", **values)
    elif len(passed):
        text = say("{place}：{n} 项资源各估计了至多 {k} 种事先声明的设定，联系稳定的有 {stable} 项：{named}", **values)
    elif held:
        text = say("{place}：{n} 项资源各估计了至多 {k} 种事先声明的设定，控制学生构成后没有一项的联系是稳定的", **values)
    else:
        text = say("{place}：{n} 项资源各估计了至多 {k} 种事先声明的设定，没有一项的联系是稳定的", **values)
    if len(passed):
        text = say("{text}；这项结论没有计入多重插补、未观测因素与少数学校时的推断，那几项检验见后文，两者不一致时以谨慎者为准", text=text)
    if untested := int(multiverses["stable"].isna().sum()):
        return say("{text}；{n} 项未能检验。", text=text, n=untested)
    return say("{text}。", text=text)


def _stable(row: Any, held: bool) -> str:
    """One resource whose link is stable, with the medians of the specifications."""
    values = {
        "resource": row.label, "core": fixed_point(row.median_adjusted, 3), "share": _percent(row.significant_adjusted),
        "median": fixed_point(row.median, 3), "least": fixed_point(row.smallest, 3), "most": fixed_point(row.largest, 3),
    }
    if held:
        return say("{resource}（这些设定的中位数 {core}、{share}同号且显著；全部设定中位数 {median}，范围 {least} 至 {most}）", **values)
    return say("{resource}（中位数 {core}、{share}同号且显著；全部设定中位数 {median}，范围 {least} 至 {most}）", **values)


def bureau_paragraph(
    *, place: str, variances: pd.DataFrame, singles: pd.DataFrame, multiverses: pd.DataFrame, spread: float, unit: str,
    sizes: Mapping[str, str], group: str, counties: int, significance: float, detectable: str, aggregate: str = "",
) -> str:  # fmt: skip
    """The study in plain words for a reader in a bureau; every number is taken from the frames given.

    Parameters
    ----------
    spread : float
        Standard deviation of the outcome in its own ``unit`` (分, points), to turn standardised coefficients into points.
    sizes : mapping
        Label of a resource to one standard deviation between schools in its own unit, in words.
    counties : int
        Counties in the data.
    aggregate : str
        What an observation is where it is an aggregate (学区, district); empty for students.
    detectable : str
        A sentence on what could have been found.
    """
    firm = multiverses[multiverses["stable"].eq(True)]
    values = {"k": int(multiverses["estimated"].max())} if len(multiverses) else {}
    values["named"] = listed(
        _in_points(r, spread, size=sizes[r.label], row_word=aggregate or group, unit=unit) for r in firm.itertuples()
    )
    if multiverses.empty:
        tried = ""
    elif multiverses["adjusted"].all() and len(firm):
        tried = say("换用 {k} 种做法反复检验，考虑生源之后联系稳定的是{named}。", **values)
    elif len(firm):
        tried = say("换用 {k} 种做法反复检验，联系稳定的是{named}。", **values)
    elif multiverses["adjusted"].all():
        tried = say("换用多种做法反复检验，考虑生源之后没有看到哪一项资源与成绩有稳定的联系。")
    else:
        tried = say("换用多种做法反复检验，没有看到哪一项资源与成绩有稳定的联系。")
    divided = _divided(variances, place=place, group=group, aggregate=aggregate, several=counties > 1)
    not_causal = say("这些都是同时出现的关系，不能据此断定增加某项投入就会提高成绩。")
    return joined([divided, _vanishing(singles, significance), tried, detectable, not_causal])


def _divided(variances: pd.DataFrame, *, place: str, group: str, aggregate: str, several: bool) -> str:
    """How much of the differences lies between groups, of 100 parts."""
    table = variances.set_index("model")
    if "M0" not in table.index or pd.isna(table.loc["M0", "icc"]):
        return say("{place}：{group}太少，不能可靠地把差异分成{group}之间和{group}内部两部分。", place=place, group=group)
    values = {"place": place, "group": group, "share": fixed_point(table.loc["M0", "icc"] * 100, 0)}
    if aggregate and several:
        return say(
            "{place}：每 100 份{unit}平均成绩的差异中（不计县与县的差异），大约 {share} 份是{group}与{group}之间的，"
            "其余是同一{group}内{unit}与{unit}之间的（{unit}内部学生之间的差异看不到）。",
            unit=aggregate, **values,
        )
    if aggregate:
        return say(
            "{place}：每 100 份{unit}平均成绩的差异中，大约 {share} 份是{group}与{group}之间的，"
            "其余是同一{group}内{unit}与{unit}之间的（{unit}内部学生之间的差异看不到）。",
            unit=aggregate, **values,
        )
    if several:
        return say(
            "{place}：每 100 份成绩差异中（不计县与县的差异），大约 {share} 份是{group}与{group}之间的，其余是同一{group}内部的。", **values
        )
    return say("{place}：每 100 份成绩差异中，大约 {share} 份是{group}与{group}之间的，其余是同一{group}内部的。", **values)


def _vanishing(singles: pd.DataFrame, significance: float) -> str:
    """Resources whose link is gone once composition is held constant; empty where there are none."""
    wide = singles[singles["remark"].eq("")].pivot(index="label", columns="model", values="p") if len(singles) else pd.DataFrame()
    alone, beside = say("单项"), say("单项加学生构成")
    if not {alone, beside} <= set(wide.columns):
        return ""
    naive = wide.index[(wide[alone] < significance) & (wide[beside] >= significance)]
    if naive.empty:
        return ""
    return say(
        "{named}单独看与成绩有联系，但把学生家庭背景等生源情况一并考虑之后，联系不再显著，不宜当作“投入见效”的证据。", named=listed(naive)
    )


def _in_points(row: Any, spread: float, *, size: str, row_word: str, unit: str) -> str:
    """One resource whose link is stable, in the units of resource and outcome."""
    values = {
        "resource": row.label, "row": row_word, "size": size, "unit": unit,
        "points": fixed_point(abs(row.median_adjusted) * spread, 1),
    }
    if row.median_adjusted > 0:
        return say(
            "{resource}（{row}之间相差一个标准差，即{size}，平均成绩相应相差约 {points} {unit}，资源多的较高）", **values
        )
    return say("{resource}（{row}之间相差一个标准差，即{size}，平均成绩相应相差约 {points} {unit}，资源多的较低）", **values)


def _percent(share: float) -> str:
    return fixed_point(share * 100, 1) + "%"
