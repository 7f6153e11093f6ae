"""Findings about plans in words. Every sentence is made from the frame that the table beside it prints."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from qbresearch.exhibits.evaluation_tables import relation_words
from qbresearch.exhibits.plan_tables import finding_words
from qbresearch.exhibits.sentences.evaluation import named_items
from qbresearch.exhibits.style import verdict_words
from qbresearch.language import clauses, joined, listed, say, series

MOST_QUOTED = 3


def progress_sentence(schools: pd.DataFrame, *, place: str, as_of: int) -> str:
    """How many schools should have met the standard by a year, and how many have.

    Parameters
    ----------
    schools : DataFrame
        One row a planned school: ``planned`` (year), ``state`` (``early, on_time, late, overdue, not_due, undecided``)
        and ``verdict`` (as of the year).
    place : str
        County in words, with the plan if that is needed.
    as_of : int
        Year up to which is looked.
    """
    due = schools[schools["planned"] <= as_of]
    values = {"place": place, "year": as_of, "total": len(schools), "due": len(due)}
    if due.empty:
        first = say("{place}：规划列出 {total} 所学校，到 {year} 年尚无一所到期。", **values)
    else:
        counts = due["verdict"].value_counts()
        found = [say("已达标 {n} 所", n=int(counts.get("met", 0)))]
        found += [say("到期未达标 {n} 所", n=int(counts["not_met"]))] if "not_met" in counts else []
        open_ = len(due) - int(counts.get("met", 0)) - int(counts.get("not_met", 0))
        found += [say("无法判定 {n} 所", n=open_)] if open_ else []
        first = say("{place}：规划列出 {total} 所学校，到 {year} 年应有 {due} 所达标，其中{found}。", found=listed(found), **values)
    ahead = int((schools["planned"].gt(as_of) & schools["verdict"].eq("met")).sum())
    return joined([first, say("尚未到期而已提前达标的有 {n} 所。", n=ahead) if ahead else ""])


def slippage_sentence(schools: pd.DataFrame, *, place: str) -> str:
    """Which schools are behind the plan, by how much, and when the trend would get them there.

    Parameters
    ----------
    schools : DataFrame
        One row a planned school: ``school``, ``planned``, ``state``, ``slipped`` (years behind, so far), ``reached`` and
        ``forecast`` (years, NaN for none) and ``forecast_state`` (``forecast``, ``not_in_sight``, ``no_forecast`` or
        empty).
    place : str
        County in words.
    """
    behind = schools[schools["state"] == "overdue"].sort_values(["slipped", "planned"], ascending=[False, True], kind="stable")
    late = schools[schools["state"] == "late"]
    open_ = int(schools["state"].eq("undecided").sum())
    tail = say("另有 {n} 所无法判定，未计在内。", n=open_) if open_ else ""
    if behind.empty and late.empty:
        return joined([say("{place}：能够判定的学校没有一所落后于规划。", place=place), tail])
    parts = []
    if len(behind):
        named = named_items(_overdue_words(row) for row in behind.to_dict("records"))
        parts.append(say("到期未达标的 {n} 所为{named}", n=len(behind), named=named))
    if len(late):
        named = named_items(
            say("{school}（规划 {planned} 年，{reached} 年达标）", school=row["school"], planned=int(row["planned"]),
                reached=int(row["reached"]))
            for row in late.to_dict("records")
        )  # fmt: skip
        parts.append(say("推迟后达标的 {n} 所为{named}", n=len(late), named=named))
    return joined([say("{place}：{parts}。", place=place, parts=clauses(parts)), tail])


def _overdue_words(row: Mapping[str, Any]) -> str:
    said = [say("规划 {planned} 年", planned=int(row["planned"]))]
    if row["slipped"] > 0:
        said.append(say("已晚 {n} 年", n=int(row["slipped"])))
    if row["forecast_state"] == "forecast" and not math.isnan(row["forecast"]):
        said.append(say("按近年变化推算 {year} 年达标", year=int(row["forecast"])))
    elif row["forecast_state"] == "not_in_sight":
        said.append(say("按近年变化看不到达标时间"))
    return say("{word}（{detail}）", word=row["school"], detail=series(said))


def trend_sentence(schools: pd.DataFrame, *, place: str) -> str:
    """How many schools that do not meet the standard yet would miss the year of the plan if the trend went on.

    Parameters
    ----------
    schools : DataFrame
        One row a planned school: ``verdict``, ``forecast_state`` (``forecast``, ``not_in_sight``, ``no_forecast`` or empty)
        and ``expected_late`` (years; NaN without a forecast).
    place : str
        County in words.
    """
    rows = schools[schools["verdict"].eq("not_met")]
    if rows.empty:
        return ""
    states = rows["forecast_state"].value_counts()
    late, never = int(rows["expected_late"].gt(0).sum()), int(states.get("not_in_sight", 0))
    found = [say("{n} 所推算的年份晚于规划年份", n=late), say("{n} 所在推算年限内看不到达标", n=never)]
    if in_time := int(rows["expected_late"].eq(0).sum()):
        found.append(say("{n} 所按推算能赶上规划年份", n=in_time))
    if open_ := int(states.get("no_forecast", 0)):
        found.append(say("{n} 所年数不足、不作推算", n=open_))
    return say("{place}：照近年的变化推算，尚未达标的 {total} 所学校中，{found}。", place=place, total=len(rows), found=listed(found))


def warning_sentence(warnings: pd.DataFrame, *, place: str, as_of: int) -> str:
    """Conditions of stages that are due and not met, nearly due, or due and cannot be judged; apart from them those whose
    date lies before the plan was issued.

    Parameters
    ----------
    warnings : DataFrame
        One row a condition: ``county``, ``condition_label``, ``due_when`` (in words) and ``warning`` (``overdue``, ``soon``,
        ``unknown``, ``exempt``; empty rows are no warnings).
    place : str
        Prefecture in words.
    as_of : int
        Year from which is looked.
    """
    rows = {kind: warnings[warnings["warning"] == kind] for kind in ("overdue", "soon", "unknown")}
    exempt = int(warnings["warning"].eq("exempt").sum())
    aside = say("另有 {n} 条期限早于规划印发，不作预警。", n=exempt) if exempt else ""
    if not any(map(len, rows.values())):
        return joined([say("{place}：{year} 年没有需要预警的阶段条件。", place=place, year=as_of), aside])
    sentences = []
    if n := len(rows["overdue"]):
        named = _conditions(rows["overdue"])
        sentences.append(say("{place}：到 {year} 年，到期而未达标的条件 {n} 条：{named}。", place=place, year=as_of, n=n, named=named))
    else:
        sentences.append(say("{place}：到 {year} 年，没有到期而未达标的条件。", place=place, year=as_of))
    if n := len(rows["soon"]):
        sentences.append(say("{year} 年到期而尚未达标的 {n} 条：{named}。", year=as_of + 1, n=n, named=_conditions(rows["soon"])))
    if n := len(rows["unknown"]):
        sentences.append(say("到期而因缺数据无法判定的 {n} 条。", n=n))
    return joined([*sentences, aside])


def _conditions(rows: pd.DataFrame) -> str:
    """Conditions with county and date; of many the first."""
    named = [
        say("{county}“{condition}”（{when}）", county=row.county, condition=row.condition_label, when=row.due_when)
        for row in rows.head(MOST_QUOTED).itertuples()
    ]
    return listed(named) if len(rows) <= MOST_QUOTED else say("{names}等", names=listed(named))


def targets_sentence(targets: pd.DataFrame, *, place: str) -> str:
    """How a plan's targets stand to the national requirements, and where meeting one does not mean meeting the other.

    Parameters
    ----------
    targets : DataFrame
        As for ``beside_table``: ``label``, ``verdict`` (national; empty where the national rule does not judge this by itself),
        ``plan_verdict``, ``timing`` (of those not met: ``missed``, ``not_yet`` or ``no_date``) and ``relation``.
    place : str
        County in words.
    """
    if targets.empty:
        return say("{place}：规划没有可以与国家要求对照的目标。", place=place)
    counts = targets["relation"].value_counts()
    tally = listed(
        say("{relation} {n} 项", relation=word, n=int(counts[kind])) for kind, word in relation_words().items() if kind in counts
    )
    sentences = [
        say("{place}：规划目标 {n} 项，其中{tally}。", place=place, n=len(targets), tally=tally) if tally
        else say("{place}：规划目标 {n} 项。", place=place, n=len(targets))
    ]  # fmt: skip
    judged = listed(_timed_counts(targets))
    if judged:
        sentences.append(say("按规划要求：{judged}。", judged=judged))
    only = targets[(targets["verdict"] == "met") & (targets["plan_verdict"] == "not_met")]
    if len(only):
        sentences.append(say("达到国家要求而未达到规划要求的有：{named}。", named=named_items(only["label"])))
    short = targets[(targets["verdict"] == "not_met") & (targets["plan_verdict"] == "met")]
    if len(short):
        sentences.append(
            say("达到规划要求而未达到国家要求的有：{named}；是否通过国家评估以国家要求为准。", named=named_items(short["label"]))
        )
    return joined(sentences)


def _timed_counts(targets: pd.DataFrame) -> Iterator[str]:
    """How many targets are met, missed, not met before their date, and undecided."""
    states = targets["timing"].where(targets["plan_verdict"].eq("not_met"), targets["plan_verdict"])
    n = {state: int(count) for state, count in states.value_counts().items()}
    if "met" in n:
        yield say("达标 {n} 项", n=n["met"])
    if "missed" in n:
        yield say("到期未达标 {n} 项", n=n["missed"])
    if "not_yet" in n:
        yield say("未到期而现在未达到 {n} 项", n=n["not_yet"])
    if "no_date" in n:
        yield say("没有期限而现在未达到 {n} 项", n=n["no_date"])
    if "undecided" in n:
        yield say("无法判定 {n} 项", n=n["undecided"])


def check_sentence(findings: pd.DataFrame, *, place: str) -> str:
    """What stands in a plan against itself and against the standard, contradictions quoted first.

    Parameters
    ----------
    findings : DataFrame
        One row a finding: ``kind``, ``severity`` (``contradiction``, ``weaker``, ``stricter``, ``gap``, ``remark``) and
        ``sentence`` (without a full stop).
    place : str
        The plan in words.
    """
    if findings.empty:
        return say("{place}：规划文本没有前后矛盾，也没有与标准不一致之处。", place=place)
    words = finding_words(findings)
    tally = listed(say("{what} {n} 处", what=word, n=words.count(word)) for word in dict.fromkeys(words))
    sentences = [say("{place}：核对规划文本，需要说明的有 {n} 处：{tally}。", place=place, n=len(findings), tally=tally)]
    grave = findings[findings["severity"].isin(["contradiction", "weaker"])]
    if len(grave):
        quoted = clauses(str(s).rstrip("。.") for s in grave["sentence"].head(MOST_QUOTED))
        sentences.append(
            say("须先处理的是：{quoted}。", quoted=quoted) if len(grave) <= MOST_QUOTED
            else say("其中须先处理的 {n} 处，如：{quoted}。", n=len(grave), quoted=quoted)
        )  # fmt: skip
    return joined(sentences)


def prefecture_sentence(counties: pd.DataFrame, *, place: str, as_of: int) -> str:
    """How many counties meet the national standard and the plan, and which are due and have not.

    Parameters
    ----------
    counties : DataFrame
        One row a county: ``county``, ``target_year``, ``verdict`` (national), ``plan_verdict``, ``overdue``
        (conditions of its stages that are due and not met).
    place : str
        Prefecture in words.
    as_of : int
        Year from which is looked.
    """
    sentences = [
        say("{place}：规划列出 {n} 个县（市、区），按国家标准{national}；按规划要求{own}。", place=place, n=len(counties),
            national=_county_tally(counties["verdict"]), own=_county_tally(counties["plan_verdict"]))
    ]  # fmt: skip
    due = counties[counties["target_year"] <= as_of]
    missed = due[due["verdict"] == "not_met"]
    if len(missed):
        named = named_items(
            say("{county}（{year} 年）", county=row.county, year=int(row.target_year)) for row in missed.itertuples()
        )
        sentences.append(say("到 {year} 年已到规划年份而未达标的有：{named}。", year=as_of, named=named))
    elif len(due) and due["verdict"].eq("met").all():
        sentences.append(say("到 {year} 年已到规划年份的 {n} 个县均已达标。", year=as_of, n=len(due)))
    if counties["overdue"].gt(0).any():
        top = counties.loc[counties["overdue"].idxmax()]
        sentences.append(
            say("到期未达标的阶段条件共 {n} 条，最多的是{county}（{most} 条）。", n=int(counties["overdue"].sum()), county=top["county"],
                most=int(top["overdue"]))
        )  # fmt: skip
    return joined(sentences)


def _county_tally(verdicts: pd.Series) -> str:
    counts = verdicts.value_counts()
    return listed(
        say("{verdict} {n} 个", verdict=word, n=int(counts[code])) for code, word in verdict_words().items() if code in counts
    )


def recommendation_sentence(recommendation: Mapping[str, Any]) -> str:
    """A recommendation with the numbers behind it; ``recommendation`` has ``text`` and ``because`` (in words)."""
    text, because = (str(recommendation[name]).rstrip("。.") for name in ("text", "because"))
    return say("{text}（依据：{because}）。", text=text, because=because) if because else say("{text}。", text=text)
