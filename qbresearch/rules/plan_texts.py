"""How plans write texts, numbers and dates: their forms, reading months, and comparing texts with quotations."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeGuard

from qbresearch.errors import CitationError
from qbresearch.rules.citations import in_both
from qbresearch.rules.plan_types import Fact, Month

KINDS_OF_ENTRIES = {
    "source": "出处", "fact": "事实", "target": "目标", "commitment": "承诺", "blank": "空格", "phase": "推进阶段",
    "timetable": "达标进度", "county": "县", "stage": "阶段", "condition": "条件", "task": "任务", "section": "节",
    "recommendation": "建议", "mention": "提法", "remark": "原文状况", "evidence": "材料", "beside": "并列标准",
    "school": "学校",
}  # fmt: skip
LAST_MONTH = 12
PERCENT_SIGNS = ("%", "％", "百分比")


def named_kind(kind: str) -> str:
    """A kind of entry in words, with its name in the file: ``事实（[[fact]]）``."""
    return f"{KINDS_OF_ENTRIES[kind]}（[[{kind}]]）"


# --- forms of values --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Form:
    """What a key holds: ``fits`` says whether a value does, ``expected`` and ``fix`` are words with ``{key}``."""

    fits: Callable[[object], bool]
    expected: str
    fix: str
    problem: str = "{key} 的写法不对"


def is_number(value: object) -> TypeGuard[float]:
    """A finite number that is not negative; truth values are no numbers."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _is_words(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_both(value: object) -> bool:
    return isinstance(value, dict) and set(value) == {"zh", "en"} and all(map(_is_words, value.values()))


def _is_days(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(day, date) for day in value.values())


def _is_list(value: object, fits: Callable[[object], bool]) -> bool:
    return isinstance(value, list) and all(map(fits, value))


_QUOTED = '{key} = "…"'
_IN_BOTH = '{key} = {{ zh = "…", en = "…" }}'
TEXT = Form(lambda v: isinstance(v, str), _QUOTED, "写成带引号的文字")
WORDS = Form(_is_words, _QUOTED + "，不能是空的", "写成带引号的文字")
BOTH = Form(_is_both, _IN_BOTH, "补上两种文字，都带引号", "{key} 要有中英文")
WORDED = Form(lambda v: isinstance(v, str) or _is_both(v), f"{_QUOTED} 或 {_IN_BOTH}", "写成带引号的文字")
TEXTS = Form(lambda v: _is_list(v, _is_words), '{key} = ["…", "…"]，每项不能是空的', "写成带引号文字的列表")
CODES = Form(lambda v: _is_list(v, lambda t: isinstance(t, str)), '{key} = ["…", "…"]', "写成带引号文字的列表")
NUMBER = Form(is_number, "不加引号的数，不小于 0", "改成数，去掉引号和单位", "{key} 要写一个数")
WHOLE = Form(lambda v: is_number(v) and isinstance(v, int), "不加引号的整数，不小于 0", "改成整数，去掉引号和单位")
SAID = Form(lambda v: is_number(v) or _is_words(v), "不加引号的数（不小于 0），或带引号的文字", "改成数或文字")
FLAG = Form(lambda v: isinstance(v, bool), "{key} = true 或 {key} = false", "改成 true 或 false，不加引号")
TABLE = Form(lambda v: isinstance(v, dict), "[{key}] 一节，每行一项", "另起一行写 [{key}]，各项写在它下面")
DAYS = Form(_is_days, "{key} = {{ from = 2024-01-01, to = 2025-12-31 }}", "日期不加引号，写成年-月-日")

FORMS = {
    **dict.fromkeys(("id", "document", "place", "level", "evaluation", "where", "thing", "said", "name", "plan"), WORDS),
    **dict.fromkeys((
        "source", "status", "path", "field", "kind", "base", "scope", "due", "issued", "start", "end", "start_field",
        "end_field", "stage", "indicator", "fills", "part", "section", "source_id",
    ), TEXT),
    **dict.fromkeys(("label", "text"), BOTH),
    **dict.fromkeys(("clause", "quote", "unit", "reading", "note", "title"), WORDED),
    **dict.fromkeys(("names", "codes", "named", "departments", "add", "over_add", "period"), TEXTS),
    **dict.fromkeys(("year", "offset"), WHOLE),
    **dict.fromkeys(("always", "simulated", "complete"), FLAG),
    **dict.fromkeys(("default", "fill"), TABLE),
    "read": WORDED,
    "valid": DAYS,
}  # fmt: skip
"""Forms of the keys that mean the same wherever they stand."""
FORMS_OF: dict[str, dict[str, Form | None]] = {
    "plan": {"county_code": TEXT, **dict.fromkeys(("source", "stage", "section"))},
    "use": dict.fromkeys(("school", "county")),
    "fact": {"value": SAID},
    "target": {"value": NUMBER},
    "commitment": {"value": SAID},
    "timetable": {"codes": CODES},
    "county": {"codes": CODES},
    "condition": {"evidence": TEXTS},
    "section": {"level": WHOLE, "title": WORDS},
    "beside": {"read": FLAG},
    "value": {"value": NUMBER},
}
"""Forms of the keys that mean something of their own in one kind of entry; no form where they are entries."""


def check_forms(entry: Mapping[str, object], kind: str, where: str) -> None:
    """Refuse an entry that holds a text, a number or a list where another is meant.

    Raises
    ------
    CitationError
        Names file and entry, what stands there and what is expected.
    """
    forms = {**FORMS, **FORMS_OF.get(kind, {})}
    for key, value in entry.items():
        form = forms.get(key)
        if form and not form.fits(value):
            raise CitationError(
                form.problem.format(key=key), where=f"{where} 的 {key}", found=repr(value), expected=form.expected.format(key=key),
                fix=form.fix.format(key=key),
            )  # fmt: skip


def check_share(value: float, quote: str, where: str) -> None:
    """Refuse a percentage that is written as the document prints it (15 for 15%) and not as a share (0.15).

    A share above 1 stands where the document prints it as a percentage (1.2 for 120%).
    """
    shown = {float(n) for n in re.findall(r"(\d+(?:\.\d+)?)%", plain(quote))}
    if round(value * 100, 10) in shown or not (value > 1 or value in shown):
        return
    raise CitationError(
        "比例写成了百分数", where=where, found=f"{value:g}，即 {value * 100:.10g}%", expected=f"比例写成小数：{value:g}% 写 {value / 100:.10g}",
        fix=f"改成 {value / 100:.10g}",
    )


def check_belonging(
    entry: Mapping[str, object], keys: Collection[str], elsewhere: Collection[str], *, place: str, fix: str, where: str
) -> None:
    """Refuse keys that nothing reads here and that another file holds: say which one."""
    if misplaced := [key for key in entry if key in elsewhere and key not in keys]:
        raise CitationError(
            f"{'、'.join(misplaced)} 写在{place}里", where=where, found="、".join(misplaced) + " 写在这里", expected="只用这些键：" + "、".join(sorted(keys)),
            fix=fix,
        )  # fmt: skip


def refuse(faults: Sequence[CitationError], file: str) -> None:
    """Raise what is wrong with a file: one fault as it is, several in one message; nothing where there are none."""
    if not faults:
        return
    if len(faults) == 1:
        raise faults[0]
    told = "".join(
        f"\n    （{n}）{f.problem}\n      位置：{f.where}\n      看到：{f.found}\n      应为：{f.expected}\n      办法：{f.fix}"
        for n, f in enumerate(faults, 1)
    )
    raise CitationError(
        f"{file} 有 {len(faults)} 处不对，第一处：{faults[0].problem}", where=faults[0].where, found=told,
        expected="每一处都照上面所列的写法", fix="逐处改正后再试",
    )  # fmt: skip


# --- months and quotations --------------------------------------------------------------------------------------------


def parse_month(text: str) -> Month | None:
    """``2026`` or ``2026-12`` as a :class:`Month`, or ``None`` where the text is neither."""
    found = re.fullmatch(r"(\d{4})(?:-(0[1-9]|1[0-2]))?", text)
    return Month(int(found[1]), int(found[2] or 0)) if found else None


def read_month(entry: Mapping[str, Any], key: str, where: str) -> Month | None:
    """A date of an entry; its year and month must stand in the quotation (the last month as 底 too)."""
    if key not in entry:
        return None
    month = parse_month(entry[key]) if isinstance(entry[key], str) else None
    if month is None:
        raise CitationError(
            "日期的写法不对", where=f"{where} 的 {key}", found=repr(entry[key]), expected='"2026" 或 "2026-12"', fix="写成带引号的年或年-月"
        )
    quote = plain(in_both(entry, where, "quote")[0])
    has_year = re.search(rf"(?<!\d){month.year}(?!\d)", quote)
    is_end = month.month == LAST_MONTH and "底" in quote
    has_month = not month.month or is_end or re.search(rf"(?<!\d)0?{month.month}(?!\d)", quote)
    if not (has_year and has_month) and not entry.get("reading"):
        raise CitationError(
            "原句里没有这个日期", where=f"{where} 的 {key}", found=f"{entry[key]} 不见于“{quote}”",
            expected="原句含有该年月，或用 reading 说明怎样得出", fix="改正日期或原句，或补写 reading",
        )
    return month


def read_date(data: Mapping[str, Any], key: str, facts: Mapping[str, Fact], file: str) -> Month | None:
    """A date of the plan itself (``issued``, ``due``); the fact of the same name quotes it."""
    if key not in data:
        return None
    cited = _quoted(data, key, facts, file)
    return read_month({**cited, key: data[key]}, key, file)


def read_period(data: Mapping[str, Any], facts: Mapping[str, Fact], file: str) -> tuple[Month, Month] | None:
    """Beginning and end of the plan; the fact ``period`` quotes both."""
    if "period" not in data:
        return None
    cited = _quoted(data, "period", facts, file)
    months = [read_month({**cited, "period": end}, "period", file) for end in data["period"]]
    match months:
        case [Month() as start, Month() as end] if start.first <= end.last:
            return start, end
    raise CitationError(
        "期间的写法不对", where=file, found=repr(data["period"]), expected='period = ["2022", "2035"]，先起后止', fix="写两个日期"
    )


def _quoted(data: Mapping[str, Any], key: str, facts: Mapping[str, Fact], file: str) -> dict[str, str]:
    if key not in facts:
        raise CitationError(
            f"{key} 没有同名的{named_kind('fact')}", where=file, found=f"{key} = {data[key]!r}，没有 id = \"{key}\" 的 [[fact]]",
            expected=f'一条 [[fact]]，id = "{key}"，quote 是写明这个日期的原句', fix="补上这条 [[fact]]",
        )
    return {"quote": facts[key].citation.quote, "reading": facts[key].citation.reading}


def check_order(start: Month | None, end: Month | None, where: str) -> None:
    """Refuse a phase that begins after its end; a phase with one date alone has no order."""
    if start and end and start.first > end.last:
        raise CitationError(
            "阶段的起始晚于结束", where=where, found=f"起 {_written(start)}，止 {_written(end)}", expected="先起后止", fix="改正起止月份"
        )


def _written(month: Month) -> str:
    return f"{month.year}-{month.month:02d}" if month.month else f"{month.year}"


def printed(text: str, quote: str) -> bool:
    """Whether a text stands in a quotation; spaces and the kind of quotation marks do not count."""
    return plain(text) in plain(quote)


def plain(text: str) -> str:
    """A text without spaces, with one kind of quotation marks, dashes and commas, for comparing quotations."""
    marks = str.maketrans("“”„\"‘’'—–－，；：（）％", "\"\"\"\"\"\"\"---,;:()%")
    return re.sub(r"-+", "-", re.sub(r"\s", "", text).translate(marks))
