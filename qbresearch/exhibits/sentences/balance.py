"""Findings in words. Every sentence is made from the frame that the table beside it prints."""

from __future__ import annotations

import pandas as pd

from qbresearch.exhibits.tables import VERDICT_WORDS, amount_words, fixed_point

MOST_NAMED_GROUPS = 12
"""With more groups than this the extremes are single schools, and naming them says nothing about groups."""
SMALL_GROUP = 5
"""Below so many schools a group's mean is that of single schools, and the sentence says so."""


def dispersion_sentence(dispersion: pd.DataFrame, *, place: str, decimals: int) -> str:
    """How many indicators stay within their cap, which do not, and by how much.

    Parameters
    ----------
    dispersion : DataFrame
        Rows of ``AttainmentResult.dispersion_table`` for one county, year and stage.
    place : str
        County, year and stage in words.
    decimals : int
        Decimals of coefficients of variation.
    """
    known = dispersion.dropna(subset=["cv"])
    if known.empty:
        return f"{place}：没有一项差异系数可以计算。"
    if (dispersion["schools"] == 1).all():
        return f"{place}：仅有一所学校或一个单位，没有校际差异可言（差异系数为 0 只是公式的结果）。"
    top = known.loc[known["cv"].idxmax()]
    largest = f"最大的是{top['label']}（{fixed_point(top['cv'], decimals)}）"
    capped = dispersion[dispersion["cap"].notna()]
    if capped.empty:
        if len(known) == 1:
            return f"{place}：{top['label']}的差异系数为 {fixed_point(top['cv'], decimals)}；该指标集没有上限，不作判定。"
        return f"{place}：{len(known)} 项差异系数中{largest}；该指标集没有上限，不作判定。"
    cap = fixed_point(capped["cap"].iloc[0], 2)
    over = capped[capped["verdict"] == "not_met"].sort_values("cv", ascending=False)
    undecided = capped[capped["verdict"] == "undecided"]
    if len(over):
        named = "、".join(f"{r.label}（{fixed_point(r.cv, decimals)}）" for r in over.itertuples())
        sentence = f"{place}：{len(capped)} 项指标中 {len(over)} 项的差异系数超过上限 {cap}：{named}。"
    elif len(undecided):
        sentence = f"{place}：可计算的 {len(known)} 项差异系数均不超过上限 {cap}，其中{largest}。"
    else:
        sentence = f"{place}：{len(capped)} 项指标的差异系数均不超过上限 {cap}，其中{largest}。"
    if len(undecided):
        sentence += "、".join(f"{r.label}（{r.remark or '没有意义'}）" for r in undecided.itertuples()) + "无法判定。"
    fragile = capped[capped["fragile"]]
    if len(fragile):
        sentence += "、".join(fragile["label"]) + "处于临界：取两位小数或某校增减一个计量单位，判定就会翻转。"
    return sentence


def schools_sentence(county: pd.Series, *, place: str) -> str:
    """How many schools meet the school rule; ``county`` is a row of ``AttainmentResult.county_table``."""
    if not county["schools_verdict"]:
        return f"{place}：共 {county['schools']} 所学校；该标准没有学校达标规则。"
    words = [f"{place}：纳入评估的 {county['schools']} 所学校（一贯制学校按学段计）中，{county['schools_met']} 所达标"]
    if county["schools_not_met"]:
        words.append(f"{county['schools_not_met']} 所未达标")
    if county["schools_undecided"]:
        words.append(f"{county['schools_undecided']} 所因数据缺失无法判定")
    return "，".join(words) + "。"


def verdict_sentence(county: pd.Series, *, place: str, rule_unverified: bool = False) -> str:
    """The verdict on resources, part by part, and whether an unverified rule alone decided it.

    Parameters
    ----------
    county : Series
        A row of ``AttainmentResult.county_table``.
    place : str
        County, year and stage in words.
    rule_unverified : bool
        Whether the school rule's citation is ``unverified``.
    """
    if not county["verdict"]:
        return f"{place}：所用指标集没有标准和上限，只描述差异，不作判定。"
    parts = []
    if county["schools_verdict"]:
        unsure = "（该规则未核实）" if rule_unverified else ""
        parts.append(
            f"学校达标规则{unsure}{VERDICT_WORDS[county['schools_verdict']]}，"
            f"{county['schools']} 所中 {county['schools_met']} 所达标"
        )
    if county["cv_verdict"]:
        over, open_, k = county["cv_over_cap"], county["cv_undecided"], county["indicators"]
        counts = [f"{over} 项超过上限"] if over else []
        counts += [f"{open_} 项无法判定"] if open_ else []
        parts.append(
            f"差异系数规则{VERDICT_WORDS[county['cv_verdict']]}，"
            + (f"{k} 项中 " + "、".join(counts) if counts else f"{k} 项均不超过上限")
        )
    if county["composite_verdict"]:
        parts.append(f"综合差异系数 {fixed_point(county['composite_cv'], 3)}，{VERDICT_WORDS[county['composite_verdict']]}")
    sentence = f"{place}资源配置{VERDICT_WORDS[county['verdict']]}：{'；'.join(parts)}。"
    others = [county["cv_verdict"], county["composite_verdict"]]
    if rule_unverified and county["schools_verdict"] == "not_met" and "not_met" not in others:
        sentence += "未达标的结论仅由未核实的学校达标规则得出。"
    return sentence


def shortfall_sentence(shortfalls: pd.DataFrame, *, place: str) -> str:
    """What the schools below standard lack, in whole people and things where those are counted.

    Parameters
    ----------
    shortfalls : DataFrame
        From ``sum_shortfalls``, one county, year and stage.
    """
    lacking = shortfalls[shortfalls["shortfall"] > 0]
    unknown = shortfalls[shortfalls["undecided"] > 0]
    gone = "、".join(f"{r.short} {r.undecided} 校" for r in unknown.itertuples())
    tail = f"（缺数据未计：{gone}）" if gone else ""
    if lacking.empty:
        return f"{place}：有数据的学校没有一所低于单项标准{tail}。"
    words = []
    for r in lacking.itertuples():
        need = f"{fixed_point(r.whole, 0)} {r.counted}" if pd.notna(r.whole) else f"{amount_words(r.shortfall)} {r.counted}"
        words.append(f"{r.short} {need}（{r.schools} 校）")
    return (
        f"{place}：若每校每项都补到单项标准，至少需增加{'、'.join(words)}{tail}。"
        "此为各校分别补足之和，人和间按校取整，不考虑校际调配。"
    )


def groups_sentence(groups: pd.DataFrame, words: dict[str, str], *, place: str, counter: str) -> str:
    """Where the groups differ most: the indicator with the largest part of its dispersion between groups.

    Parameters
    ----------
    groups : DataFrame
        From ``compare_groups``.
    words : dict
        Group ids to words.
    counter : str
        How rows are counted (所, 个).
    """
    per = groups.drop_duplicates("indicator").assign(total=lambda d: d["between"] + d["within"])
    per = per[per["total"] > 0]
    if groups["group"].nunique() == 1:
        return f"{place}：只有一组，不作组间比较。"
    if per.empty:
        return f"{place}：没有一项指标可以分解（各项都有缺失，或各校没有差异）。"
    top = per.loc[(per["between"] / per["total"]).idxmax()]
    rows = groups[groups["indicator"] == top["indicator"]].sort_values("mean")
    share = fixed_point(top["between"] / top["total"] * 100, 1)
    lead = f"{place}：组间差异占比最大的是{top['label']}，差异系数平方的 {share}% 来自组间"
    if len(rows) > MOST_NAMED_GROUPS:
        return f"{lead}（共 {len(rows)} 组）。"
    named = "、".join(
        f"{words.get(r.group, r.group)} {fixed_point(r.mean, 2)}（{r.schools} {counter}）" for r in rows.itertuples()
    )
    small = f"；不足 {SMALL_GROUP} {counter}的组，均值仅供参考" if rows["schools"].min() < SMALL_GROUP else ""
    return f"{lead}；各组均值（{top['unit']}）：{named}{small}。"


def years_sentence(years: pd.DataFrame, *, place: str, decimals: int) -> str:
    """How many coefficients of variation fell between the first and the last year, and which changed most.

    Parameters
    ----------
    years : DataFrame
        Rows of ``AttainmentResult.dispersion_table`` of one county and stage in several years.
    """
    first, last = years["school_year"].min(), years["school_year"].max()
    wide = years.pivot(index="label", columns="school_year", values="cv")
    if first == last or wide[[first, last]].dropna().empty:
        return f"{place}：只有一个学年的数据，不作历年比较。"
    change = (wide[last] - wide[first]).dropna()
    top = change.abs().idxmax()
    fell = int((change < 0).sum())
    return (
        f"{place}：{first} 至 {last} 学年，{len(change)} 项差异系数中 {fell} 项下降、{int((change > 0).sum())} 项上升，"
        f"变化最大的是{top}（{fixed_point(wide.loc[top, first], decimals)} 到 {fixed_point(wide.loc[top, last], decimals)}）。"
    )


def counties_sentence(counties: pd.DataFrame, cvs: pd.DataFrame, *, place: str, decimals: int) -> str:
    """How many counties of a set meet the standard, and where the largest coefficient of variation stands.

    Parameters
    ----------
    counties : DataFrame
        ``AttainmentResult.county_table`` of one year and stage.
    cvs : DataFrame
        ``county`` (name), ``short`` and ``cv`` of the counties with more than one school.
    place : str
        Year and stage in words.
    decimals : int
        Decimals of coefficients of variation.
    """
    tally = [
        f"{word} {int((counties['verdict'] == code).sum())} 个"
        for code, word in VERDICT_WORDS.items()
        if code and (counties["verdict"] == code).any()
    ]
    judged = "资源配置" + "、".join(tally) if tally else "该指标集没有标准，不作判定"
    single = int((counties["schools"] == 1).sum())
    alone = f"；{single} 个县只有一所学校（一个单位），没有校际差异可言" if single else ""
    known = cvs.dropna(subset=["cv"])
    largest = ""
    if len(known):
        top = known.loc[known["cv"].idxmax()]
        largest = f"；差异系数最大的是{top['county']}的{top['short']}（{fixed_point(top['cv'], decimals)}）"
    return f"{place}：共 {len(counties)} 个县（单元），{judged}{alone}{largest}。"


def scope_sentence(
    *, place: str, rows: int, merged: int, excluded: pd.DataFrame, parts: pd.DataFrame, missing: int, stages: dict[str, str]
) -> str:
    """From rows read to schools judged, so that a reader can follow the numbers.

    Parameters
    ----------
    rows, merged, missing : int
        Rows read, campuses merged, missing cells.
    excluded : DataFrame
        School stages left out (``school_code``).
    parts : DataFrame
        School stages judged (``stage``).
    stages : dict
        Stage ids to words.
    """
    out = excluded["school_code"].nunique()
    units = "、".join(f"{word} {int(parts['stage'].eq(stage).sum())} 个" for stage, word in stages.items())
    left = f"未纳入评估的学校 {out} 所（{len(excluded)} 个学校学段），" if out else ""
    join = f"并入所属学校的校区 {merged} 个，" if merged else ""
    return (
        f"{place}：读入 {rows} 行，{join}{left}其余按学段计为评估单位 {units}（一贯制学校、完全中学每个学段各计一次）；"
        f"缺失数据 {missing} 处。"
    )
