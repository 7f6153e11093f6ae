"""How the tree of an evaluation prints: values, limits and margins in words, tables of verdicts.

Rounding never hides a verdict: a value that misses its limit by little is written with as many decimals as show it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from qbresearch.errors import InputError
from qbresearch.exhibits.style import verdict_words
from qbresearch.exhibits.tables import (
    ABSENT,
    Column,
    ReportTable,
    fixed_point,
    report_table,
    text,
)
from qbresearch.language import CHINESE, current_language, say

SIGNS = {"at_least": "≥", "at_most": "≤", "below": "<", "not_less": "≥"}
INDENT = "\u3000"  # full width: neither a browser nor Word nor typst takes it away at the start of a cell
MOST_DECIMALS = 9
SHORT_DECIMALS = 4  # limits of rules have fewer decimals than that
LONGEST_LIMIT = 9
LARGE_AMOUNT = 1e7  # yuan
NOISE = 1e-9  # of the larger of two numbers: what binary fractions differ by
TREE = ("code", "depth", "label", "verdict", "decides", "value", "comparison", "limit", "margin", "unit", "percent",
        "reason", "clause", "status")  # fmt: skip
BESIDE = ("label", "value", "unit", "percent", "comparison", "limit", "verdict", "plan_limit", "plan_verdict", "relation")
CLEAR = 0.25  # by how much of itself the distance from a limit may be off in print
_CODE = re.compile(r"(E-[^_:]+|[A-Z]+\d*[a-z]?)(?=$|[_:])")
VETO_CODE = re.compile(r"V[-\d]|veto$")


# --- words ------------------------------------------------------------------------------------------------------


def value_words(
    value: Any, unit: str, percent: bool, *, decimals: int | None = None, limit: float | None = None
) -> str:
    """A value with its unit.

    Parameters
    ----------
    value : float or None
        In ``unit``; a share between 0 and 1 where ``percent``. Nothing gives ``—``; zero is a value.
    unit : str
        In words, may be empty; not written where ``percent``.
    percent : bool
        Whether a share is printed as a percentage.
    decimals : int, optional
        Left out: none for whole numbers, one for percentages, else as many as show three figures, and in every case
        one more than ``limit`` is printed with.
    limit : float, optional
        What the value is compared with; decimals are added until the distance between the two can be read off.
    """
    if _absent(value):
        return ABSENT
    if words := _ranks(unit):
        return words.get(float(value), f"{value:g}")
    scale, unit = _scale(unit, value)
    number, bound = _shown(value, percent, scale), None if _absent(limit) else _shown(limit, percent, scale)
    return _with_unit(fixed_point(number, _decimals(number, percent, bound) if decimals is None else decimals), unit, percent)


def limit_words(limit: Any, comparison: str, unit: str, percent: bool) -> str:
    """A requirement: ``≥ 95%``, ``< 0.15``, ``≤ 45 人``.

    ``not_less`` is a comparison with the year before: ``≥ 12,345 元（上年）``. Nothing gives ``—``.
    """
    if _absent(limit):
        return say("不低于上年") if comparison == "not_less" else ABSENT
    if ranks := _ranks(unit):
        highest = limit == max(ranks)
        return ranks[float(limit)] if highest else f"{SIGNS.get(comparison, '')} {ranks[float(limit)]}".strip()
    words = f"{SIGNS.get(comparison, '')} {_limit_number(limit, unit, percent)}".strip()
    return say("{words}（上年）", words=words) if comparison == "not_less" and not _relative(unit) else words


def limit_phrase(limit: Any, comparison: str, unit: str, percent: bool) -> str:
    """A requirement as a sentence has it: ``不低于 95%``, ``低于 0.15``, ``不超过 45 人``, ``不低于上年的 12,345 元``."""
    if _absent(limit):
        return limit_words(limit, comparison, unit, percent)
    ranks, number = _ranks(unit), _limit_number(limit, unit, percent)
    if ranks and limit == max(ranks):
        return say("为“{word}”", word=number)
    phrases = {
        "at_least": say("不低于 {limit}", limit=number), "at_most": say("不超过 {limit}", limit=number),
        "below": say("低于 {limit}", limit=number),
        "not_less": say("不低于 {limit}", limit=number) if _relative(unit) else say("不低于上年的 {limit}", limit=number),
    }  # fmt: skip
    return phrases.get(comparison, number)


def _limit_number(limit: Any, unit: str, percent: bool) -> str:
    if ranks := _ranks(unit):
        return ranks[float(limit)]
    scale, unit = _scale(unit, limit)
    number = _shown(limit, percent, scale)
    exact = f"{number:,.10g}".replace("-", "−")
    # A limit of a rule is short; last year's amount is a value and may have many decimals.
    digits = exact if len(exact) <= LONGEST_LIMIT else fixed_point(number, _decimals(number, percent, None))
    return _with_unit(digits, unit, percent)


def margin_words(margin: Any, unit: str, percent: bool, *, decimals: int | None = None) -> str:
    """How far a value is on the right side of its limit: ``+1.2 个百分点``, ``−3 人``, ``0``, ``—`` if unknown.

    A margin that is not zero never prints as zero.
    """
    if _absent(margin) or _ranks(unit):
        return ABSENT
    if abs(_shown(margin, percent)) < NOISE:
        return "0"
    return ("−" if margin < 0 else "+") + distance_words(margin, unit, percent, decimals=decimals)


def distance_words(margin: Any, unit: str, percent: bool, *, decimals: int | None = None) -> str:
    """A margin without its sign: ``1.2 个百分点``, ``3 人``."""
    if _absent(margin) or _ranks(unit):
        return ABSENT
    scale, unit = _scale(unit, margin)
    number = abs(_shown(margin, percent, scale))
    least = _decimals(number, percent, 0.0 if number > NOISE else None)
    if decimals is None or fixed_point(number, decimals) == fixed_point(0, decimals):
        decimals = least
    digits = fixed_point(number, decimals)
    return say("{n} 个百分点", n=digits) if percent else _with_unit(digits, "" if _relative(unit) else unit, percent)


def _absent(value: Any) -> bool:
    return value is None or bool(pd.isna(value))


def _ranks(unit: str) -> dict[float, str]:
    """The words of a scale whose unit says what its numbers mean (``1=是，0=否``); empty for any other unit."""
    pairs = [pair.split("=") for pair in re.split("[，,]", unit)]
    if not all(len(pair) == 2 and pair[0].strip().isdigit() for pair in pairs):
        return {}
    return {float(number): word.strip() for number, word in pairs}


def _relative(unit: str) -> bool:
    """Whether numbers of this unit are multiples of last year's."""
    return unit == say("与上年之比")


def _scale(unit: str, value: Any) -> tuple[float, str]:
    """Large amounts of money are printed in the unit that reports use."""
    if unit != say("元") or abs(value) < LARGE_AMOUNT:
        return 1.0, unit
    return (1e8, say("亿元")) if current_language() == CHINESE else (1e6, say("百万元"))


def _shown(value: Any, percent: bool, scale: float = 1.0) -> float:
    """The number that is printed; a share times a hundred is freed of its binary tail."""
    return round(float(value) * 100, 10) if percent else float(value) / scale


def _with_unit(digits: str, unit: str, percent: bool) -> str:
    if percent:
        return digits + "%"
    if _relative(unit):
        return say("{n}（上年 = 1）", n=digits)
    return digits + (unit.removeprefix("1") if unit in ("", "1", "%", "‰") else f" {unit}")


def _decimals(number: float, percent: bool, bound: float | None) -> int:
    if percent:
        usual = 1
    elif abs(number - round(number)) < NOISE:
        usual = 0
    else:
        usual = 3 if abs(number) < 1 else 2 if abs(number) < 1000 else 0
    if bound is None:
        return usual
    if (percent or usual) and (printed := _printed_decimals(bound)) < SHORT_DECIMALS:
        usual = max(usual, printed + 1)
    distance = number - bound
    if abs(distance) > NOISE * max(abs(number), abs(bound)):
        while usual < MOST_DECIMALS and abs(round(number, usual) - bound - distance) > CLEAR * abs(distance):
            usual += 1
    return usual


def _printed_decimals(number: float) -> int:
    digits = f"{number:.10f}".rstrip("0")
    return len(digits.split(".")[1]) if "." in digits else 0


def printed_code(code: str) -> str:
    """The code of the item that a node belongs to, as documents print it: ``G11`` for ``G11_rotation``; else empty."""
    match = _CODE.match(code)
    return match[1] if match else ""


def verdict_word(verdict: str, code: str = "") -> str:
    """A verdict in words; of a veto it says whether the thing has happened."""
    if VETO_CODE.match(code):
        return {"met": say("未发生"), "not_met": say("发生"), "undecided": say("待确认")}.get(verdict, ABSENT)
    return verdict_words().get(verdict, ABSENT)


def basis_words() -> dict[str, str]:
    """Statuses of citations as the column of bases has them, a word each; :func:`status_legend` says what they mean."""
    return {"law": say("法规"), "copy": say("转引"), "practice": say("实践"), "unverified": say("未核实")}


def status_legend() -> str:
    """What the words for statuses mean, and whose the distance of a condition is that is judged school by school."""
    return say(
        "依据：法规＝法规原文，转引＝其他正式文件转引，实践＝现有工具或一地做法，未核实＝未见于正式文本；条目取其决定条件中最弱的一种。"
        "按校核查的条目，差额是最差一校（班、室）的差额。"
    )


def relation_words() -> dict[str, str]:
    """How a plan's value stands to the national one, in the order in which counts are listed."""
    return {
        "stricter": say("比标准严"), "same": say("与标准相同"), "weaker": say("比标准宽"), "differs": say("口径与标准不同"),
        "adds": say("标准没有"), "open": say("尚未填写"),
    }  # fmt: skip


# --- tables -----------------------------------------------------------------------------------------------------


def tree_table(frame: pd.DataFrame) -> ReportTable:
    """The tree of verdicts, one row a node, indented by depth.

    Parameters
    ----------
    frame : DataFrame
        Rows of ``Node.tidy`` from the top down: ``code``, ``depth`` (whole number; the least one is not indented),
        ``label``, ``verdict`` (``met``, ``not_met``, ``undecided`` or empty), ``decides`` (bool), ``value``, ``limit``
        and ``margin`` (in ``unit``, or shares where ``percent``), ``comparison``, ``reason``, ``status``. Where it is
        there, ``full`` is the label that a row has by itself: it is taken where the row above it is not in the frame.

    Returns
    -------
    ReportTable
        The column of values holds numbers only; the reason stands in the last column. Row tones are the verdicts.
    """
    needed = needed_columns(frame, TREE, "评估结果表")
    top = needed["depth"].min() if len(needed) else 0
    words, labels = basis_words(), _labels(frame, needed)
    rows = pd.DataFrame(
        [
            (printed_code(r.code), INDENT * int(r.depth - top) + label, _number(r),
             limit_words(r.limit, r.comparison, r.unit, r.percent), row_margin(r),
             verdict_word(r.verdict, r.code), words.get(r.status, r.status), r.reason, r.verdict)
            for r, label in zip(needed.itertuples(), labels, strict=True)
        ],
        columns=["code", "label", "actual", "limit", "margin", "word", "basis", "reason", "verdict"],
    )  # fmt: skip
    columns = [
        Column("code", say("编号"), str, "left"), text("label", say("内容")), Column("actual", say("实际"), str, "right"),
        Column("limit", say("要求"), str, "right"), Column("margin", say("差额"), str, "right"),
        Column("word", say("判定"), str, "center"), text("basis", say("依据")), text("reason", say("说明")),
    ]  # fmt: skip
    return report_table(rows, columns, tone="verdict")


def outline_table(frame: pd.DataFrame) -> ReportTable:
    """The tree down to its items in four short columns: code, label, verdict, and the value or else the reason.

    Parameters
    ----------
    frame : DataFrame
        As for :func:`tree_table`; rows below the items are left out.
    """
    needed = needed_columns(frame, TREE, "评估条目表")
    needed = needed[needed["depth"].le(2)]
    rows = pd.DataFrame(
        [
            (printed_code(r.code), INDENT * int(r.depth) + row_label(r), verdict_word(r.verdict, r.code), _short(r), r.verdict)
            for r in needed.itertuples()
        ],
        columns=["code", "label", "word", "actual", "verdict"],
    )  # fmt: skip
    columns = [
        Column("code", say("编号"), str, "left"), text("label", say("内容")), Column("word", say("判定"), str, "center"),
        text("actual", say("实际或理由")),
    ]  # fmt: skip
    return report_table(rows, columns, tone="verdict")


def beside_table(frame: pd.DataFrame) -> ReportTable:
    """Targets of a plan beside the national requirements, each with its own verdict.

    Parameters
    ----------
    frame : DataFrame
        One row a target: ``label``, ``value``, ``limit`` (national), ``plan_limit`` (all in ``unit``, or shares where
        ``percent``; NaN for none), ``comparison``, ``verdict`` (national), ``plan_verdict``, and ``relation``: ``same``,
        ``stricter``, ``weaker``, ``differs`` (counts something else), ``adds`` (nothing national to compare with),
        ``open`` (a blank nobody has filled in) or empty. Where they are there, ``plan_value`` (the value counted as the
        plan does) stands beside another ``value``, and ``plan_reason`` in the place of a plan's limit that is missing.

    Returns
    -------
    ReportTable
        Without tones: a row has two verdicts, and neither stands for the other.
    """
    needed = needed_columns(frame, BESIDE, "规划与国家要求对照表")
    reasons = frame["plan_reason"].fillna("") if "plan_reason" in frame else pd.Series("", frame.index)
    own = frame["plan_value"] if "plan_value" in frame else frame["value"]
    relations, verdicts = relation_words() | {"": ABSENT}, verdict_words() | {"": ABSENT}
    rows = pd.DataFrame(
        [
            (r.label, _beside_value(r, counted), limit_words(r.limit, r.comparison, r.unit, r.percent), verdicts[r.verdict],
             _plan_words(r, reason), verdicts[r.plan_verdict], relations.get(r.relation, r.relation))
            for r, counted, reason in zip(needed.itertuples(), own, reasons, strict=True)
        ],
        columns=["label", "actual", "limit", "verdict", "plan", "plan_verdict", "relation"],
    )  # fmt: skip
    columns = [
        text("label", say("内容")), text("actual", say("实际")), Column("limit", say("国家要求"), str, "right"),
        Column("verdict", say("国家判定"), str, "center"), Column("plan", say("规划要求"), str, "right"),
        Column("plan_verdict", say("规划判定"), str, "center"), text("relation", say("两者关系")),
    ]  # fmt: skip
    return report_table(rows, columns)


def _plan_words(row: Any, reason: str) -> str:
    if not _absent(row.plan_limit):
        return limit_words(row.plan_limit, row.comparison, row.unit, row.percent)
    return reason or (say("尚未填写") if row.relation == "open" else ABSENT)


def _beside_value(row: Any, counted: Any) -> str:
    """The value with enough decimals for either limit; beside it the value as the plan counts, where that is another."""
    written = [value_words(row.value, row.unit, row.percent, limit=bound) for bound in (row.limit, row.plan_limit)]
    words = max(written, key=len)
    own = value_words(counted, row.unit, row.percent, limit=row.plan_limit)
    if own == ABSENT or (not _absent(row.value) and abs(counted - row.value) <= NOISE * max(abs(counted), 1.0)):
        return words
    return say("{value}（按规划口径）", value=own) if words == ABSENT else say("{value}（按规划口径 {own}）", value=words, own=own)


def needed_columns(frame: pd.DataFrame, names: Sequence[str], where: str) -> pd.DataFrame:
    absent = [name for name in names if name not in frame.columns]
    if absent:
        raise InputError(
            f"表缺少列 {'、'.join(absent)}", where=where, found="列 " + "、".join(map(str, frame.columns)),
            expected="列 " + "、".join(names), fix="请补上缺少的列，或把已有的列改成这些名称",
        )  # fmt: skip
    texts = [n for n in names if n in ("code", "label", "verdict", "plan_verdict", "comparison", "unit", "reason", "clause",
                                       "status", "relation")]  # fmt: skip
    return frame[list(names)].assign(**{name: frame[name].astype(object).fillna("").astype(str) for name in texts})


def row_label(row: Any) -> str:
    """The label; of a part that decides nothing it says so."""
    aside = not row.decides and not printed_code(row.code)
    return say("{label}（不计入总体判定）", label=row.label) if aside and row.depth == 1 else row.label


def _labels(frame: pd.DataFrame, needed: pd.DataFrame) -> list[str]:
    """Labels of rows: that of a row by itself where the one it stands below is not there."""
    labels = [row_label(row) for row in needed.itertuples()]
    if not {"full", "parent"} <= set(frame.columns):
        return labels
    alone = ~frame["parent"].isin(frame["code"]) & frame["full"].fillna("").ne("")
    return [full if by_itself else label for label, full, by_itself in zip(labels, frame["full"], alone, strict=True)]


def _number(row: Any) -> str:
    return ABSENT if _absent(row.value) else value_words(row.value, row.unit, row.percent, limit=row.limit)


def _short(row: Any) -> str:
    """The value beside its requirement, else the reason."""
    if _absent(row.value):
        return row.reason
    limit = limit_words(row.limit, row.comparison, row.unit, row.percent)
    return _number(row) if limit == ABSENT else say("{value}（要求 {limit}）", value=_number(row), limit=limit)


def printed_decimals(value: Any, limit: Any, percent: bool) -> int | None:
    """Decimals that :func:`value_words` prints a value with beside its limit, so that the margin can have as many."""
    digits = "" if _absent(value) else re.sub(r"[^\d.]", "", value_words(value, "", percent, limit=limit))
    return len(digits.partition(".")[2]) if digits else None


def row_margin(row: Any) -> str:
    return margin_words(row.margin, row.unit, row.percent, decimals=printed_decimals(row.value, row.limit, row.percent))
