"""The link study in words: what the tables beside it say, first for a researcher, then for a reader in a bureau."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from qbresearch.exhibits.tables import fixed_point

NOT_CAUSAL = "这些都是同时出现的关系，不能据此断定增加某项投入就会提高成绩。"


def flow_sentence(flow: pd.DataFrame, *, place: str, unit: str, group: str) -> str:
    """From observations read to observations used.

    Parameters
    ----------
    flow : DataFrame
        ``LinkData.flow``.
    unit, group : str
        One observation and one group with their counters (名学生, 所学校).
    """
    first, last, kept = flow.iloc[0], flow.iloc[-1], flow.iloc[-2]
    lost = [f"{r.step}一步少 {r.lost:,} {unit}（{r.reason}）" for r in flow.iloc[1:-1].itertuples() if r.lost]
    text = f"{place}：读入 {first['observations']:,} {unit}，进入分析 {kept['observations']:,} {unit}、{kept['groups']:,} {group}"
    if lost:
        text += "；" + "，".join(lost)
    if last["lost"]:
        text += f"；其中 {last['lost']:,} {unit}至少缺一个变量（含前测），全部变量齐全的 {last['observations']:,} {unit}"
    return text + "。"


def variance_sentence(
    variances: pd.DataFrame, *, place: str, group: str, counties: int = 1, what: str = "成绩总差异"
) -> str:
    """How the outcome's variance divides, and what each rung explains of the part between groups.

    Parameters
    ----------
    variances : DataFrame
        ``ModelLadder.variances()``.
    group : str
        What a group is (学校, 县).
    counties : int
        Counties in the data; with several the share is that within counties.
    what : str
        What is divided: of aggregates only the differences between their means are seen.
    """
    table = variances.set_index("model")
    if "M0" not in table.index or pd.isna(table.loc["M0", "icc"]):
        reason = table.loc["M0", "remark"] if "M0" in table.index else "没有零模型"
        return f"{place}：方差成分没有估计（{reason}）。"
    apart = "（不计县与县的差异）" if counties > 1 else ""
    text = f"{place}：{group}之间的差异占{what}的 {_percent(table.loc['M0', 'icc'])}{apart}"
    steps = [(m, r) for m, r in table.iterrows() if m in ("M2", "M3", "M4") and pd.notna(r["r2_between"])]
    words = [f"{r['label']}（{m}）{_percent(r['r2_between'])}" for m, r in steps]
    if words:
        text += f"；与零模型相比，逐步加入变量后累计减少{group}间方差：{'、'.join(words)}"
        if any(r["r2_between"] < 0 for _, r in steps):
            text += "（负数表示方差成分不降反升，即这些变量没有解释力）"
    unfit = [m for m, r in table.iterrows() if pd.isna(r["between"]) and r["remark"].startswith("没有拟合")]
    return text + (f"；{'、'.join(unfit)} 没有拟合，原因见表" if unfit else "") + "。"


def singles_sentence(singles: pd.DataFrame, *, place: str, significance: float) -> str:
    """Which resources go with results alone, and which still do beside the schools' composition."""
    known = singles[singles["remark"].eq("")]
    if known.empty:
        return f"{place}：没有一项资源可以单独估计。"
    words = []
    for model, rows in known.groupby("model", sort=False):
        differ = rows[rows["p"] < significance]
        named = "、".join(f"{r.label}（{fixed_point(r.estimate, 3)}）" for r in differ.itertuples())
        words.append(f"“{model}”模型中系数显著（p<{significance:g}，未校正）的有 {len(differ)} 项" + (f"：{named}" if named else ""))
    return f"{place}：{'；'.join(words)}。"


def multiverse_sentence(multiverses: pd.DataFrame, *, place: str) -> str:
    """Median and range of every resource whose link is stable, and how many are not.

    Parameters
    ----------
    multiverses : DataFrame
        ``LinkChallenge.tidy()``.
    """
    if multiverses.empty:
        return f"{place}：没有一项资源可以做多种设定的检验。"
    passed = multiverses[multiverses["stable"].eq(True)]
    untested = int(multiverses["stable"].isna().sum())
    held = "控制学生构成后" if multiverses["adjusted"].all() else ""
    words = [
        f"{r.label}（{held and '这些设定的'}中位数 {fixed_point(r.median_adjusted, 3)}、{_percent(r.significant_adjusted)}同号且显著；"
        f"全部设定中位数 {fixed_point(r.median, 3)}，范围 {fixed_point(r.smallest, 3)} 至 {fixed_point(r.largest, 3)}）"
        for r in passed.itertuples()
    ]  # fmt: skip
    head = f"{place}：{len(multiverses)} 项资源各试 {int(multiverses['specifications'].max())} 种事先声明的设定，"
    found = f"{held}联系稳定的有 {len(passed)} 项：{'、'.join(words)}" if len(passed) else f"{held}没有一项的联系是稳定的"
    return head + found + (f"；{untested} 项未能检验。" if untested else "。")


def bureau_paragraph(
    *, place: str, variances: pd.DataFrame, singles: pd.DataFrame, multiverses: pd.DataFrame, spread: float, unit: str,
    sizes: Mapping[str, str], group: str, counties: int, significance: float, detectable: str, aggregate: str = "",
) -> str:  # fmt: skip
    """The study in plain words for a reader in a bureau; every number is taken from the frames given.

    Parameters
    ----------
    spread : float
        Standard deviation of the outcome in its own ``unit`` (分), to turn standardised coefficients into points.
    sizes : mapping
        Label of a resource to one standard deviation between schools in its own unit, in words.
    counties : int
        Counties in the data.
    aggregate : str
        What an observation is where it is an aggregate (学区); empty for students.
    detectable : str
        A sentence on what could have been found.
    """
    table = variances.set_index("model")
    text = [f"{place}："]
    if "M0" in table.index and pd.notna(table.loc["M0", "icc"]):
        share = table.loc["M0", "icc"]
        apart = "（不计县与县的差异）" if counties > 1 else ""
        inner = f"{aggregate}与{aggregate}之间的（{aggregate}内部学生之间的差异看不到）" if aggregate else "部的"
        text.append(f"每 100 份{aggregate and aggregate + '平均'}成绩{aggregate and '的'}差异中{apart}，大约 {fixed_point(share * 100, 0)} 份是{group}与{group}之间的，其余是同一{group}内{inner}。")
    else:
        text.append(f"{group}太少，不能可靠地把差异分成{group}之间和{group}内部两部分。")
    wide = singles[singles["remark"].eq("")].pivot(index="label", columns="model", values="p") if len(singles) else pd.DataFrame()
    if {"单项", "单项加学生构成"} <= set(wide.columns):
        naive = list(wide.index[(wide["单项"] < significance) & (wide["单项加学生构成"] >= significance)])
        if naive:
            text.append(
                f"{'、'.join(naive)}单独看与成绩有联系，但把学生家庭背景等生源情况一并考虑之后，联系不再显著，不宜当作“投入见效”的证据。"
            )
    firm = multiverses[multiverses["stable"].eq(True)]
    held = "考虑生源之后" if len(multiverses) and multiverses["adjusted"].all() else ""
    if len(firm):
        named = "、".join(
            f"{r.label}（{aggregate or '学校'}之间相差一个标准差，即{sizes[r.label]}，平均成绩相应相差约 {fixed_point(abs(r.median_adjusted) * spread, 1)} {unit}，"
            f"资源多的较{'高' if r.median_adjusted > 0 else '低'}）"
            for r in firm.itertuples()
        )
        text.append(f"换用 {int(multiverses['specifications'].max())} 种做法反复检验，{held}联系稳定的是{named}。")
    elif len(multiverses):
        text.append(f"换用多种做法反复检验，{held}没有看到哪一项资源与成绩有稳定的联系。")
    if detectable:
        text.append(detectable)
    text.append(NOT_CAUSAL)
    return "".join(text)


def _percent(share: float) -> str:
    return fixed_point(share * 100, 1) + "%"
