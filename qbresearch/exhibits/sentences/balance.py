"""Findings in words. Every sentence is made from the frame that the table beside it prints."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from qbresearch.exhibits.style import verdict_words
from qbresearch.exhibits.tables import amount_words, fixed_point
from qbresearch.language import clauses, joined, listed, say

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
        return say("{place}：没有一项差异系数可以计算。", place=place)
    if (dispersion["schools"] == 1).all():
        return say("{place}：仅有一所学校或一个单位，没有校际差异可言（差异系数为 0 只是公式的结果）。", place=place)
    top = known.loc[known["cv"].idxmax()]
    most = {"place": place, "indicator": top["label"], "cv": fixed_point(top["cv"], decimals)}
    capped = dispersion[dispersion["cap"].notna()]
    if capped.empty:
        if len(known) == 1:
            return say("{place}：{indicator}的差异系数为 {cv}；该指标集没有上限，不作判定。", **most)
        return say("{place}：{k} 项差异系数中最大的是{indicator}（{cv}）；该指标集没有上限，不作判定。", k=len(known), **most)
    cap = fixed_point(capped["cap"].iloc[0], 2)
    over = capped[capped["verdict"] == "not_met"].sort_values("cv", ascending=False)
    undecided = capped[capped["verdict"] == "undecided"]
    if len(over):
        named = _bracketed((r.label, fixed_point(r.cv, decimals)) for r in over.itertuples())
        first = say(
            "{place}：{k} 项指标中 {n} 项的差异系数超过上限 {cap}：{named}。",
            place=place, k=len(capped), n=len(over), cap=cap, named=named,
        )
    elif len(undecided):
        first = say(
            "{place}：可计算的 {k} 项差异系数均不超过上限 {cap}，其中最大的是{indicator}（{cv}）。", k=len(known), cap=cap, **most
        )
    else:
        first = say(
            "{place}：{k} 项指标的差异系数均不超过上限 {cap}，其中最大的是{indicator}（{cv}）。", k=len(capped), cap=cap, **most
        )
    sentences = [first]
    if len(undecided):
        named = _bracketed((r.label, r.remark or say("没有意义")) for r in undecided.itertuples())
        sentences.append(say("{named}无法判定。", named=named))
    fragile = capped[capped["fragile"]]
    if len(fragile):
        named = listed(fragile["label"])
        sentences.append(say("{named}处于临界：取两位小数或某校增减一个计量单位，判定就会翻转。", named=named))
    return joined(sentences)


def _bracketed(pairs: Iterable[tuple[str, str]]) -> str:
    """Words, each with something in brackets behind it."""
    return listed(say("{word}（{detail}）", word=word, detail=detail) for word, detail in pairs)


def schools_sentence(county: pd.Series, *, place: str) -> str:
    """How many schools meet the school rule; ``county`` is a row of ``AttainmentResult.county_table``."""
    if not county["schools_verdict"]:
        return say("{place}：共 {n} 所学校；该标准没有学校达标规则。", place=place, n=county["schools"])
    counts = [say("{n} 所达标", n=county["schools_met"])]
    if county["schools_not_met"]:
        counts.append(say("{n} 所未达标", n=county["schools_not_met"]))
    if county["schools_undecided"]:
        counts.append(say("{n} 所因数据缺失无法判定", n=county["schools_undecided"]))
    return say(
        "{place}：纳入评估的 {n} 所学校（一贯制学校按学段计）中，{counts}。",
        place=place, n=county["schools"], counts=say("，").join(counts),
    )


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
        return say("{place}：所用指标集没有标准和上限，只描述差异，不作判定。", place=place)
    words, parts = verdict_words(), []
    if county["schools_verdict"]:
        values = {"verdict": words[county["schools_verdict"]], "n": county["schools"], "met": county["schools_met"]}
        parts.append(
            say("学校达标规则（该规则未核实）{verdict}，{n} 所中 {met} 所达标", **values) if rule_unverified
            else say("学校达标规则{verdict}，{n} 所中 {met} 所达标", **values)
        )
    if county["cv_verdict"]:
        over, open_, k = county["cv_over_cap"], county["cv_undecided"], county["indicators"]
        counts = [say("{n} 项超过上限", n=over)] if over else []
        counts += [say("{n} 项无法判定", n=open_)] if open_ else []
        verdict = words[county["cv_verdict"]]
        parts.append(
            say("差异系数规则{verdict}，{k} 项中 {counts}", verdict=verdict, k=k, counts=listed(counts)) if counts
            else say("差异系数规则{verdict}，{k} 项均不超过上限", verdict=verdict, k=k)
        )
    if county["composite_verdict"]:
        cv, verdict = fixed_point(county["composite_cv"], 3), words[county["composite_verdict"]]
        parts.append(say("综合差异系数 {cv}，{verdict}", cv=cv, verdict=verdict))
    sentences = [
        say("{place}资源配置{verdict}：{parts}。", place=place, verdict=words[county["verdict"]], parts=clauses(parts))
    ]
    others = [county["cv_verdict"], county["composite_verdict"]]
    if rule_unverified and county["schools_verdict"] == "not_met" and "not_met" not in others:
        sentences.append(say("未达标的结论仅由未核实的学校达标规则得出。"))
    return joined(sentences)


def shortfall_sentence(shortfalls: pd.DataFrame, *, place: str) -> str:
    """What the schools below standard lack, in whole people and things where those are counted.

    Parameters
    ----------
    shortfalls : DataFrame
        From ``sum_shortfalls``, one county, year and stage.
    """
    lacking = shortfalls[shortfalls["shortfall"] > 0]
    unknown = shortfalls[shortfalls["undecided"] > 0]
    gone = listed(say("{indicator} {n} 校", indicator=r.short, n=r.undecided) for r in unknown.itertuples())
    tail = say("（缺数据未计：{gone}）", gone=gone) if gone else ""
    if lacking.empty:
        return say("{place}：有数据的学校没有一所低于单项标准{tail}。", place=place, tail=tail)
    needs = listed(
        say(
            "{indicator} {need} {counted}（{n} 校）", indicator=r.short, counted=r.counted, n=r.schools,
            need=fixed_point(r.whole, 0) if pd.notna(r.whole) else amount_words(r.shortfall),
        )
        for r in lacking.itertuples()
    )  # fmt: skip
    return joined([
        say("{place}：若每校每项都补到单项标准，至少需增加{needs}{tail}。", place=place, needs=needs, tail=tail),
        say("此为各校分别补足之和，人和间按校取整，不考虑校际调配。"),
    ])


def groups_sentence(groups: pd.DataFrame, words: dict[str, str], *, place: str, counter: str) -> str:
    """Where the groups differ most: the indicator with the largest part of its dispersion between groups.

    Parameters
    ----------
    groups : DataFrame
        From ``compare_groups``.
    words : dict
        Group ids to words.
    counter : str
        How rows are counted (所, 个; schools, districts).
    """
    per = groups.drop_duplicates("indicator").assign(total=lambda d: d["between"] + d["within"])
    per = per[per["total"] > 0]
    if groups["group"].nunique() == 1:
        return say("{place}：只有一组，不作组间比较。", place=place)
    if per.empty:
        return say("{place}：没有一项指标可以分解（各项都有缺失，或各校没有差异）。", place=place)
    top = per.loc[(per["between"] / per["total"]).idxmax()]
    means = groups[groups["indicator"] == top["indicator"]].sort_values("mean")
    share = fixed_point(top["between"] / top["total"] * 100, 1) + "%"
    most = {"place": place, "indicator": top["label"], "share": share}
    if len(means) > MOST_NAMED_GROUPS:
        return say("{place}：组间差异占比最大的是{indicator}，差异系数平方的 {share} 来自组间（共 {n} 组）。", n=len(means), **most)
    named = listed(
        say(
            "{group} {mean}（{n} {counter}）", group=words.get(r.group, r.group), mean=fixed_point(r.mean, 2),
            n=r.schools, counter=counter,
        )
        for r in means.itertuples()
    )  # fmt: skip
    few = means["schools"].min() < SMALL_GROUP
    small = say("；不足 {n} {counter}的组，均值仅供参考", n=SMALL_GROUP, counter=counter) if few else ""
    return say(
        "{place}：组间差异占比最大的是{indicator}，差异系数平方的 {share} 来自组间；各组均值（{unit}）：{named}{small}。",
        unit=top["unit"], named=named, small=small, **most,
    )


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
        return say("{place}：只有一个学年的数据，不作历年比较。", place=place)
    change = (wide[last] - wide[first]).dropna()
    top = change.abs().idxmax()
    fell = int((change < 0).sum())
    return say(
        "{place}：{first} 至 {last} 学年，{k} 项差异系数中 {fell} 项下降、{rose} 项上升，变化最大的是{top}（{before} 到 {after}）。",
        place=place, first=first, last=last, k=len(change), fell=fell, rose=int((change > 0).sum()), top=top,
        before=fixed_point(wide.loc[top, first], decimals), after=fixed_point(wide.loc[top, last], decimals),
    )  # fmt: skip


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
        say("{verdict} {n} 个", verdict=word, n=int((counties["verdict"] == code).sum()))
        for code, word in verdict_words().items() if (counties["verdict"] == code).any()
    ]
    parts = [
        say("共 {n} 个县（单元），资源配置{tally}", n=len(counties), tally=listed(tally)) if tally
        else say("共 {n} 个县（单元），该指标集没有标准，不作判定", n=len(counties))
    ]
    if single := int((counties["schools"] == 1).sum()):
        parts.append(say("{n} 个县只有一所学校（一个单位），没有校际差异可言", n=single))
    known = cvs.dropna(subset=["cv"])
    if len(known):
        top = known.loc[known["cv"].idxmax()]
        cv = fixed_point(top["cv"], decimals)
        parts.append(
            say("差异系数最大的是{county}的{indicator}（{cv}）", county=top["county"], indicator=top["short"], cv=cv)
        )
    return say("{place}：{parts}。", place=place, parts=clauses(parts))


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
    units = listed(
        say("{stage} {n} 个", stage=word, n=int(parts["stage"].eq(stage).sum())) for stage, word in stages.items()
    )
    left = say("未纳入评估的学校 {out} 所（{n} 个学校学段），", out=out, n=len(excluded)) if out else ""
    join = say("并入所属学校的校区 {n} 个，", n=merged) if merged else ""
    return say(
        "{place}：读入 {rows} 行，{join}{left}其余按学段计为评估单位 {units}（一贯制学校、完全中学每个学段各计一次）；缺失数据 {missing} 处。",
        place=place, rows=rows, join=join, left=left, units=units, missing=missing,
    )
