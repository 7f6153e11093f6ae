"""Findings of the whole evaluation in words. Every sentence is made from the frame that the table beside it prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from qbresearch.exhibits.evaluation_tables import (
    distance_words,
    limit_phrase,
    margin_words,
    printed_code,
    printed_decimals,
    value_words,
    verdict_word,
)
from qbresearch.exhibits.style import verdict_words
from qbresearch.exhibits.tables import ABSENT
from qbresearch.language import clauses, joined, listed, say, series

MOST_NAMED = 8
VETO, RESOURCES, SCHOOLS = "veto", "resources", "schools"
BY_RECOGNITION = "V-"  # a veto that repeats the requirement of an item


def tree_sentence(tree: pd.DataFrame, *, place: str) -> str:
    """The verdict on a county, how many items of each part are met, and the items that decide.

    Parameters
    ----------
    tree : DataFrame
        Rows of ``Node.tidy``: ``code, depth, parent, label, verdict, decides`` (``short`` where it is there). Parts have
        depth 1, items depth 2; rows of depth 2 without a code (every school meets the standard) are rules beside the
        items: they are not counted with them, but named where they decide.
    place : str
        County and year in words.

    Returns
    -------
    str
        Items of parts that decide nothing are not among those named; these parts have a sentence of their own.
    """
    top, parts = tree[tree["depth"] == 0].iloc[0], tree[tree["depth"] == 1]
    deciding = parts[parts["decides"].astype(bool)]
    items = _items(tree)
    own = items[items["parent"].isin(deciding["code"]) & ~items["repeats"]]
    counts = [_tally(part, items, tree) for _, part in deciding.iterrows()]
    sentences = [say("{place}总体{verdict}：{parts}。", place=place, verdict=verdict_words().get(top["verdict"], "—"),
                     parts=clauses(filter(None, counts)))]  # fmt: skip
    missed, open_ = (own[own["verdict"] == verdict] for verdict in ("not_met", "undecided"))
    if len(missed):
        sentences.append(say("未达标而决定结论的条目：{named}。", named=named_items(missed["name"])))
    if len(open_):
        named = named_items(open_["name"])
        sentences.append(
            say("{named}因数据不全或材料待确认，尚无法判定，总体结论取决于这些条目。", named=named) if top["verdict"] == "undecided"
            else say("{named}因数据不全或材料待确认，尚无法判定。", named=named)
        )  # fmt: skip
    aside = [_tally(part, items, tree) for _, part in parts[~parts["decides"].astype(bool)].iterrows()]
    if any(aside):
        sentences.append(say("另列而不计入总体判定：{parts}。", parts=clauses(filter(None, aside))))
    return joined(sentences)


def part_sentence(tree: pd.DataFrame, code: str, *, place: str) -> str:
    """The verdict on one part, and for every item that is not met or undecided what decided it.

    Parameters
    ----------
    tree : DataFrame
        Rows of ``Node.tidy`` with all their columns.
    code : str
        Code of the part.
    place : str
        County and year in words.
    """
    part = tree[tree["code"] == code].iloc[0]
    items = _items(tree)
    items = items[items["parent"] == code]
    sentences = [say("{place}{part}。", place=place, part=_tally(part, items, tree))]
    items = items[~items["repeats"]]
    missed, open_ = (items[items["verdict"] == verdict] for verdict in ("not_met", "undecided"))
    if len(missed):
        sentences.append(say("未达标的有：{named}。", named=_explained(missed, tree)))
    if len(open_):
        sentences.append(say("无法判定的有：{named}。", named=_explained(open_, tree)))
    return joined(sentences)


def item_sentence(node: Mapping[str, Any]) -> str:
    """One verdict with its value, requirement, margin, grounds and the reading it rests on.

    Parameters
    ----------
    node : mapping
        ``Node.to_dict`` or a row of the tree: ``code, label, verdict, value, comparison, limit, margin, unit, percent,
        reason, status``; ``option`` (the reading used where documents disagree) where it is there.
    """
    facts = _facts(node)
    if _absent(node["value"]) and (worst := margin_words(node["margin"], node["unit"], bool(node["percent"]))) != ABSENT:
        facts.append(say("最差一处的差额为 {margin}", margin=worst))
    if node["reason"]:
        facts.append(str(node["reason"]))
    name = " ".join(filter(None, (printed_code(node["code"]), node["label"])))
    verdict = verdict_word(node["verdict"], node["code"])
    sentences = [
        say("{name}：{verdict}（{facts}）。", name=name, verdict=verdict, facts=clauses(facts)) if facts
        else say("{name}：{verdict}。", name=name, verdict=verdict)
    ]  # fmt: skip
    if node.get("option"):
        sentences.append(say("所用口径为{option}。", option=node["option"]))
    if node.get("status") == "unverified":
        sentences.append(say("该要求尚未在正式文本中核实。"))
    return joined(sentences)


def _facts(row: Mapping[str, Any]) -> list[str]:
    """Value, requirement and distance in words, as far as there are any."""
    value, limit, unit, percent = row["value"], row["limit"], row["unit"], bool(row["percent"])
    facts = []
    if not _absent(value):
        facts.append(say("实际为 {value}", value=value_words(value, unit, percent, limit=limit)))
    if not _absent(limit):
        facts.append(say("要求{limit}", limit=limit_phrase(limit, row["comparison"], unit, percent)))
    if not _absent(value) and margin_words(row["margin"], unit, percent) != ABSENT:
        facts.append(_distance(row))
    return [series(facts)] if facts else []


def _distance(row: Mapping[str, Any]) -> str:
    margin, unit, percent = row["margin"], row["unit"], bool(row["percent"])
    if margin_words(margin, unit, percent) == "0":
        return say("恰在界限上，而界限本身不算达到") if row["verdict"] == "not_met" else say("恰好达到要求")
    decimals = printed_decimals(row["value"], row["limit"], percent)
    distance = distance_words(margin, unit, percent, decimals=decimals)
    return say("优于要求 {distance}", distance=distance) if margin > 0 else say("距要求差 {distance}", distance=distance)


def _absent(value: Any) -> bool:
    return value is None or bool(pd.isna(value))


def _items(tree: pd.DataFrame) -> pd.DataFrame:
    """Rows below the parts with the name to print; ``repeats`` marks a veto that repeats the requirement of an item."""
    rows = tree[tree["depth"] == 2]
    short = rows["short"].fillna("") if "short" in rows else pd.Series("", rows.index)
    words = short.where(short.ne(""), rows["label"])
    codes = rows["code"].map(printed_code)
    repeats = rows["code"].str.startswith(BY_RECOGNITION)
    return rows.assign(coded=codes.ne(""), repeats=repeats, name=(codes + " " + words).str.strip())


def _tally(part: pd.Series, items: pd.DataFrame, tree: pd.DataFrame) -> str:
    """How many items of a part are met, and the rule beside them where it is not; empty for a part without items."""
    own = items[items["parent"] == part["code"]]
    if part["code"] == VETO:
        return _vetoes(part, own)
    stages = tree[tree["parent"].eq(SCHOOLS) & tree["value"].notna() & tree["limit"].notna()]
    if part["code"] == RESOURCES and len(stages):
        named = part.copy()
        named["label"] = say("{part}校际差异系数", part=part["label"])
        schools = listed(
            say("{stage} {n} 所中 {met} 所", stage=row["label"], n=int(row["limit"]), met=int(row["value"])) for _, row in stages.iterrows()
        )
        return series(filter(None, (_counted(named, own[own["coded"]]), say("学校达标：{schools}", schools=schools))))
    counted = _counted(part, own[own["coded"]])
    beside = own[~own["coded"] & own["verdict"].isin(["not_met", "undecided"])]
    if not counted or beside.empty:
        return counted
    rules = listed(say("{what}：{said}", what=row["name"], said=verdict_word(row["verdict"])) for _, row in beside.iterrows())
    return say("{word}（{detail}）", word=counted, detail=rules)


def _counted(part: pd.Series, rows: pd.DataFrame) -> str:
    """How many of these items of a part are met."""
    n, counts = len(rows), rows["verdict"].value_counts()
    met, missed, open_ = (int(counts.get(verdict, 0)) for verdict in ("met", "not_met", "undecided"))
    if not n:
        return ""
    values = {"part": part["label"], "n": n}
    if n == 1:
        return say("{part}{verdict}", part=part["label"], verdict=verdict_word(rows["verdict"].iloc[0], rows["code"].iloc[0]))
    if met == n:
        return say("{part} {n} 项全部达标", **values)
    found = [say("{n} 项达标", n=met)] if met else []
    found += [say("{n} 项未达标", n=missed)] if missed else []
    found += [say("{n} 项无法判定", n=open_)] if open_ else []
    return say("{part} {n} 项中 {counts}", counts=listed(found), **values)


def _vetoes(part: pd.Series, rows: pd.DataFrame) -> str:
    """How many of the grounds for a veto have happened; recognition below its requirement is one of them."""
    n, counts = len(rows), rows["verdict"].value_counts()
    missed, open_ = (int(counts.get(verdict, 0)) for verdict in ("not_met", "undecided"))
    if not n:
        return ""
    values = {"part": part["label"], "n": n}
    grounds = say("{part} {n} 种情形（含社会认可度低于要求）", **values) if rows["repeats"].any() else say("{part} {n} 种情形", **values)
    found = [say("发生 {n} 种", n=missed)] if missed else []
    found += [say("待确认 {n} 种", n=open_)] if open_ else []
    return say("{grounds}中{counts}", grounds=grounds, counts=listed(found)) if found else say("{grounds}均未发生", grounds=grounds)


def _explained(rows: pd.DataFrame, tree: pd.DataFrame) -> str:
    """Items with their grounds; of many the first and how many more there are."""
    named = [_with_grounds(item, tree) for _, item in rows.head(MOST_NAMED).iterrows()]
    return clauses([*named, say("另有 {n} 项", n=len(rows) - MOST_NAMED)] if len(rows) > MOST_NAMED else named)


def _with_grounds(item: pd.Series, tree: pd.DataFrame) -> str:
    """An item with what decided it: requirements below it with the same verdict, else its own number or reason."""
    below = tree[(tree["parent"] == item["code"]) & (tree["verdict"] == item["verdict"])]
    grounds = [_ground(row, named=True) for _, row in below.iterrows()] or [_ground(item, named=False)]
    grounds = [ground for ground in grounds if ground]
    return say("{word}（{detail}）", word=item["name"], detail=clauses(grounds)) if grounds else str(item["name"])


def _ground(row: pd.Series, *, named: bool) -> str:
    facts = _facts(row) if not _absent(row["value"]) else []
    said = series(facts) if facts else str(row["reason"])
    return say("{what}：{said}", what=row["label"], said=said) if named and said else said


def school_items_sentence(rows: pd.DataFrame, *, place: str) -> str:
    """How many schools miss a condition that is judged school by school, and which items they miss.

    Parameters
    ----------
    rows : DataFrame
        One row a school and condition: ``item, school_code, verdict``.
    place : str
        County and year in words.
    """
    if rows.empty:
        return say("{place}：没有按校核查的数据。", place=place)
    schools = rows["school_code"].nunique()
    missed, open_ = (rows[rows["verdict"] == verdict] for verdict in ("not_met", "undecided"))
    values = {"place": place, "schools": schools}
    parts = []
    for found, words in ((missed, say("有未达到的条目")), (open_, say("有无法判定的条目"))):
        if len(found):
            by_item = found.groupby("item", sort=False)["school_code"].nunique()
            items = listed(say("{item}（{n} 所）", item=item, n=int(n)) for item, n in by_item.items())
            parts.append(say("{n} 所{words}：{items}", n=found["school_code"].nunique(), words=words, items=items))
    if not parts:
        return say("{place}：按校核查的条目，{schools} 所学校全部达到。", **values)
    return say("{place}：按校核查的 {schools} 所学校中，{parts}。", parts=clauses(parts), **values)


# --- recognition, finance, options ------------------------------------------------------------------------------


def recognition_sentence(
    groups: pd.DataFrame, *, place: str, verdict: str, limit: float, needed: int | None = None,
    parents: float | None = None, parents_limit: float | None = None,
) -> str:
    """How many are satisfied, whether the survey can decide, and which group is satisfied least.

    Parameters
    ----------
    groups : DataFrame
        One row a group and one for all: ``group`` (empty for all), ``label``, ``valid``, ``share``, ``low``, ``high``
        (Wilson interval, NaN for none).
    place : str
        County and year in words.
    verdict : {"met", "not_met", "undecided"}
    limit : float
        Share that is required, 0 to 1.
    needed : int, optional
        Questionnaires that the sample has to have.
    parents, parents_limit : float, optional
        Share of parents among the valid questionnaires, and the least it has to be, 0 to 1.
    """
    whole = groups[groups["group"] == ""]
    if whole.empty:
        return say("{place}：没有可用的社会认可度调查数据，无法判定。", place=place)
    row = whole.iloc[0]
    if _absent(row["share"]):
        blank = listed(groups.loc[(groups["group"] != "") & groups["share"].isna(), "label"])
        why = listed([*([say("缺{group}的答卷数", group=blank)] if blank else []), *_why_open(row["valid"], needed, parents, parents_limit)])
        return say("{place}：{sample}；社会认可度{verdict}（{why}）。", place=place, sample=_sample(row["valid"], needed, parents),
                   verdict=verdict_words()[verdict], why=why or say("满意份数不全"))
    values = {
        "place": place, "sample": _sample(row["valid"], needed, parents), "share": value_words(row["share"], "", True, limit=limit),
        "limit": limit_phrase(limit, "at_least", "", True), "verdict": verdict_words()[verdict],
    }  # fmt: skip
    if verdict == "undecided":
        why = listed(_why_open(row["valid"], needed, parents, parents_limit)) or say("满意份数不全")
        values["verdict"] = say("{word}（{detail}）", word=values["verdict"], detail=why)
    if _absent(row["low"]):
        first = say("{place}：{sample}；社会认可度 {share}，要求{limit}，{verdict}。", **values)
    else:
        low, high = (value_words(row[end], "", True, limit=limit) for end in ("low", "high"))
        first = say(
            "{place}：{sample}；社会认可度 {share}（95% 置信区间 {low} 至 {high}），要求{limit}，{verdict}。",
            low=low, high=high, **values,
        )  # fmt: skip
    sentences = [first]
    if not _absent(row["low"]) and row["low"] < limit <= row["high"]:
        sentences.append(say("区间跨越了要求值，换一批受访者结论可能不同。"))
    others = groups[(groups["group"] != "") & groups["share"].notna()]
    if len(others) > 1:
        least = others.loc[others["share"].idxmin()]
        share, valid = value_words(least["share"], "", True, limit=limit), value_words(least["valid"], "", False)
        sentences.append(say("各类受访者中认可度最低的是{group}（{share}，{valid} 份）。", group=least["label"], share=share, valid=valid))
    return joined(sentences)


def _sample(valid: Any, needed: int | None, parents: float | None) -> str:
    """Questionnaires beside those that there have to be, and the share of parents."""
    number = value_words(valid, "", False)
    if needed is None:
        words = say("有效问卷 {valid} 份", valid=number)
    else:
        sign = "≥" if not _absent(valid) and valid >= needed else "<"
        words = say("有效问卷 {valid} 份（{valid}{sign}{needed} 份）", valid=number, sign=sign, needed=value_words(needed, "", False))
    return words if _absent(parents) else series((words, say("家长占 {share}", share=value_words(parents, "", True))))


def _why_open(valid: Any, needed: int | None, parents: float | None, least: float | None) -> list[str]:
    """What keeps a survey from deciding."""
    why = [say("缺常住人口数，不知应有多少份")] if needed is None else []
    if needed is not None and not _absent(valid) and valid < needed:
        why.append(say("样本不足"))
    if not _absent(parents) and not _absent(least) and parents < least:
        why.append(say("家长占 {share}，低于抽样要求的 {limit}", share=value_words(parents, "", True, limit=least),
                       limit=value_words(least, "", True, decimals=0)))
    return why


def increase_sentence(increases: pd.DataFrame, *, place: str) -> str:
    """Whether spending falls nowhere (两个只增不减), and where it does.

    Parameters
    ----------
    increases : DataFrame
        As for ``plot_increases``: ``label, unit, year, value, real, verdict``.
    place : str
        County in words.
    """
    if increases.empty:
        return say("{place}：没有经费数据，无法判定是否只增不减。", place=place)
    parts, fell_really = [], []
    for label, rows in increases.sort_values("year", kind="stable").groupby("label", sort=False):
        parts.append(_series_words(str(label), rows))
        real = rows["real"].dropna()
        consecutive = rows["real"].notna() & rows["real"].shift().notna() & (rows["year"].diff() == 1)
        falls = rows.loc[consecutive & (rows["real"].diff() < 0) & rows["verdict"].ne("not_met"), "year"]
        if len(real) and len(falls):
            fell_really.append(say("{label}在 {years} 年", label=label, years=listed(map(int, falls))))
    sentences = [say("{place}：{parts}。", place=place, parts=clauses(parts))]
    if fell_really:
        sentences.append(say("扣除物价因素后，{where}实际减少（仅供参考，不作判定）。", where=listed(fell_really)))
    return joined(sentences)


def _series_words(label: str, rows: pd.DataFrame) -> str:
    values = {"label": label, "first": int(rows["year"].min()), "last": int(rows["year"].max())}
    fell, gaps = rows[rows["verdict"] == "not_met"], rows[rows["verdict"] == "undecided"]
    if len(rows) < 2:
        return say("{label}只有 {first} 年的数据，不能与上年比较", label=label, first=values["first"])
    if fell.empty and gaps.empty:
        return say("{label}从 {first} 年到 {last} 年逐年不减", **values)
    before = rows["value"].shift()
    said = [
        say("{year} 年比上年减少 {amount}", year=int(row["year"]),
            amount=distance_words(before[index] - row["value"], row["unit"], False))
        for index, row in fell.iterrows()
    ]  # fmt: skip
    if len(gaps):
        said.append(say("{years} 年缺数据，无法与上年比较", years=listed(map(int, gaps["year"]))))
    return say("{label}：{said}", label=label, said=series(said))


def options_sentence(options: pd.DataFrame) -> str:
    """Which reading was used wherever documents disagree, and which others there are.

    Parameters
    ----------
    options : DataFrame
        One row an option and choice: ``option`` (id), ``label`` (of the option), ``choice_label``, ``chosen`` (bool) and
        ``status`` (of the choice's citation).
    """
    if options.empty:
        return say("所用文件之间没有需要选定的口径。")
    parts = []
    for _, rows in options.groupby("option", sort=False):
        chosen, others = rows[rows["chosen"].astype(bool)], rows[~rows["chosen"].astype(bool)]
        values = {"label": rows["label"].iloc[0], "choice": chosen["choice_label"].iloc[0], "others": _quoted(others["choice_label"])}
        unverified = chosen["status"].iloc[0] == "unverified"
        parts.append(
            say("{label}取“{choice}”（未核实；另有{others}）", **values) if unverified
            else say("{label}取“{choice}”（另有{others}）", **values)
        )  # fmt: skip
    return say("各文件说法不一的 {n} 处，本报告按以下口径：{parts}。", n=len(parts), parts=clauses(parts))


def _quoted(words: Iterable[str]) -> str:
    return listed(say("“{word}”", word=word) for word in words)


def named_items(names: Iterable[str]) -> str:
    """Names one after the other; of many the first and how many there are."""
    names = list(names)
    return listed(names) if len(names) <= MOST_NAMED else say("{named}等 {n} 项", named=listed(names[:MOST_NAMED]), n=len(names))
