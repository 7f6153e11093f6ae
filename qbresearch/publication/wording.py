"""Numerals, heading numbers and years as reports write them, in the language in force."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from qbresearch.exhibits.tables import ABSENT, fixed_point
from qbresearch.language import CHINESE, current_language, listed, say


def chinese_number(value: int) -> str:
    """Chinese numeral of 1 to 99 (一, 十, 十一, 二十, 九十九); Arabic from 100 on."""
    digits = "零一二三四五六七八九"
    if value < 1:
        raise ValueError(f"no heading number for {value}")
    if value > 99:
        return str(value)
    tens, ones = divmod(value, 10)
    return ("" if tens < 2 else digits[tens]) + ("十" if tens else "") + (digits[ones] if ones else "")


def section_number(index: int) -> str:
    """Number of a section: 一 in Chinese, 1 elsewhere."""
    return chinese_number(index) if current_language() == CHINESE else str(index)


def heading_number(section: int, counts: Sequence[int]) -> str:
    """What stands before a heading below a section: （一） 1. （1） in Chinese, 1.1 1.1.1 elsewhere; none below depth 3.

    Parameters
    ----------
    section : int
        Which section it stands in, from 1.
    counts : sequence of int
        Its number and those of the headings above it, the section's own excluded.
    """
    depth, count = len(counts), counts[-1]
    if depth > 3:
        return ""
    if current_language() != CHINESE:
        return ".".join(map(str, (section, *counts))) + " "
    return {1: f"（{chinese_number(count)}）", 2: f"{count}. ", 3: f"（{count}）"}[depth]


def school_year_label(value: object) -> str:
    """A school year named by its autumn (``2024``) as a reader knows it (``2024—2025 学年``, ``2024–25``)."""
    text = str(value)
    if not re.fullmatch(r"\d{4}", text):
        return text
    following = int(text) + 1
    return f"{text}—{following} 学年" if current_language() == CHINESE else f"{text}–{following % 100:02d}"


CV_DECIMALS = 3
WHOLE = "whole"
"""Stands in the place of a stage in the record of a whole evaluation."""
TONE_MARKS = {"met": "✓", "not_met": "×", "undecided": "？", "caution": "！"}


def tone_word(tone: str) -> str:
    """What a tone is called where colour alone would say it."""
    words = {
        "met": say("达标"), "not_met": say("未达标"), "undecided": say("无法判定"), "caution": say("注意"), "plain": say("发现"),
    }  # fmt: skip
    return words[tone]


def source_line(source: str) -> str:
    """The line under a table or figure that says where its numbers come from, led in where it does not lead in itself."""
    led = "来源" in source[:5] or source.lower().startswith(("source", "data"))
    return source if led else say("资料来源：{source}", source=source)


def note_lead(first: str) -> str:
    """What leads in the notes under a table or figure, given how the first of them begins."""
    return "" if first.startswith(("注", "Note")) else say("注：")


def stage_heading(stage: Mapping[str, Any]) -> str:
    """What a verdict on the first page is about: resources of a stage, or the whole evaluation."""
    label = stage["stage_label"] or stage["stage"] or say("全县")
    return str(label) if stage["stage"] == WHOLE else say("{stage}资源配置", stage=label)


def schools_words(stage: Mapping[str, Any]) -> str:
    """How many schools a stage has and how many of them meet the rule; ``—`` where it is not known."""
    if stage["schools"] is None:
        return ABSENT
    counter, met = stage["counter"] or say("所"), stage["schools_met"]
    if met is None:
        return say("{schools} {counter}", schools=stage["schools"], counter=counter)
    return say("{schools} {counter}，达标 {met} {counter}", schools=stage["schools"], met=met, counter=counter)


def entries_words(stage: Mapping[str, Any]) -> str:
    """How many entries of the whole evaluation there are, and how many have which verdict; ``—`` where it is not known."""
    if not stage["entries"]:
        return ABSENT
    tally = [
        say("达标 {n} 条", n=stage["entries_met"]), say("未达标 {n} 条", n=stage["entries_not_met"]),
        say("无法判定 {n} 条", n=stage["entries_undecided"]),
    ]  # fmt: skip
    return say("{n} 条，{tally}", n=stage["entries"], tally=listed(tally))


def verdict_columns(stages: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """Head and cells of the columns beside the verdicts on the first page; what is said about none of them has no column."""
    counted = [entries_words(stage) if stage["stage"] == WHOLE else schools_words(stage) for stage in stages]
    only_whole = all(stage["stage"] == WHOLE for stage in stages)
    some_whole = any(stage["stage"] == WHOLE for stage in stages)
    head = say("条款") if only_whole else say("学校与条款") if some_whole else say("学校")
    columns = [(head, counted), (say("最大差异系数"), ["\n".join(filter(None, largest_words(stage))) for stage in stages])]
    return [(label, cells) for label, cells in columns if set(cells) != {ABSENT}]


def judged_head(stages: Sequence[Mapping[str, Any]]) -> str:
    """Head of the column that says what each verdict on the first page is about."""
    return say("范围") if any(stage["stage"] == WHOLE for stage in stages) else say("学段")


def largest_words(stage: Mapping[str, Any]) -> tuple[str, str]:
    """A stage's largest coefficient of variation with what is said about it, and the indicator it belongs to."""
    if stage["largest_cv"] is None:
        return ABSENT, ""
    over = say("（超过上限）") if stage["cv_over_cap"] else ""
    return fixed_point(stage["largest_cv"], CV_DECIMALS) + over, stage["largest_cv_label"] or ""
