"""Strict reading of one plan: every number and date with the words it stands in, every code known to the evaluation."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from qbresearch.errors import CitationError
from qbresearch.provenance import file_sha256
from qbresearch.rules.citations import (
    CITATION_KEYS,
    CITATION_OPTIONAL,
    Citation,
    bilingual,
    check_keys,
    entries,
    in_both,
    read_citation,
    read_toml,
)
from qbresearch.rules.plan_codes import KnownCodes, known_codes
from qbresearch.rules.plan_types import (
    LEVELS,
    Blank,
    Commitment,
    Condition,
    Fact,
    Mention,
    Month,
    Phase,
    Plan,
    PlannedCounty,
    PlannedSchool,
    Recommendation,
    Remark,
    Section,
    Stage,
    Target,
    Task,
)
from qbresearch.rules.standards import Source

KINDS = ("goal", "measure")
BLANK_KINDS = ("number", "text", "month")
FILLS = ("text", "codes", "finance", "recognition", "recommendations")
SCOPES = ("", "starting_grades")
NOT_SEEN = "未见"
"""What a source says under ``read`` where nobody could read it."""
MENTIONS = ("issuer", "basis", "term", "body", "count")
"""Ways of mentioning: who issued a document, on which document the plan rests (``thing`` is a source), what it calls a
rule or item, what it calls a body, how many of something it says there are."""
LAST_MONTH = 12
DATES = ("issued", "due", "period")
ENTRIES = (
    "fact", "target", "commitment", "blank", "phase", "timetable", "county", "stage", "task", "section", "recommendation",
    "mention", "remark",
)  # fmt: skip
CITED_BY_DEFAULT = ("source", "status")
LABELLED = ("id", "label", *CITATION_KEYS)


def parse_month(text: str) -> Month | None:
    """``2026`` or ``2026-12`` as a :class:`Month`, or ``None`` where the text is neither."""
    found = re.fullmatch(r"(\d{4})(?:-(0[1-9]|1[0-2]))?", text)
    return Month(int(found[1]), int(found[2] or 0)) if found else None


def printed(text: str, quote: str) -> bool:
    """Whether a text stands in a quotation; spaces and the kind of quotation marks do not count."""
    return plain(text) in plain(quote)


def plain(text: str) -> str:
    """A text without spaces, with one kind of quotation marks, dashes and commas, for comparing quotations."""
    marks = str.maketrans("“”„\"‘’'—–－，；：（）％", "\"\"\"\"\"\"\"---,;:()%")
    return re.sub(r"-+", "-", re.sub(r"\s", "", text).translate(marks))


def read_plan(path: Path) -> Plan:
    """Read one plan.

    Raises
    ------
    CitationError
        An unknown key, an id twice, an unknown kind of path, a code that neither the evaluation nor the plan knows, a
        number or date that its quotation does not print; the message names file and entry.
    """
    return _Reader(path, read_toml(path)).plan()


class _Reader:
    """Turns one parsed file into a :class:`Plan`, naming file and entry in every refusal."""

    def __init__(self, path: Path, data: dict[str, Any]) -> None:
        self.path, self.data, self.file = path, data, path.name
        check_keys(
            data,
            required=("id", "label", "document", "place", "level", "evaluation", "default", "source"),
            optional=("simulated", "complete", *DATES, *ENTRIES),
            where=self.file,
        )
        self._among(data["id"], [path.stem], "id（应与文件名一致）", self.file)
        self._among(data["level"], LEVELS, "层级", self.file)
        for flag in ("simulated", "complete"):
            self._among(data.get(flag, False), (True, False), flag, self.file)
        self.known: KnownCodes = known_codes(data["evaluation"], where=self.file)
        self.sources = self._unique([(self._source(e, w), w) for e, w in entries(data, "source", self.file)])
        check_keys(data["default"], required=(), optional=CITED_BY_DEFAULT, where=f"{self.file} 的 [default]")

    def plan(self) -> Plan:
        facts = self._unique(self._each("fact", self._fact))
        issued, due = (self._dated(key, facts) for key in ("issued", "due"))
        self.blanks = self._unique(self._each("blank", self._blank))
        stages = tuple(self._unique(self._each("stage", self._stage)).values())
        conditions = [(c, self.file) for stage in stages for c in stage.conditions]
        self._unique(conditions)
        self.evidence = {code for condition, _ in conditions for code in condition.evidence}
        for condition, where in conditions:
            self._check_codes(condition.codes, f"{where} {condition.id}")
        sections = self._unique(self._each("section", self._section))
        self.sections = tuple(sections)
        zh, en = bilingual(self.data, self.file)
        return Plan(
            id=self.data["id"],
            label_zh=zh,
            label_en=en,
            document=self.data["document"],
            place=self.data["place"],
            level=self.data["level"],
            simulated=self.data.get("simulated", False),
            evaluation=self.data["evaluation"],
            complete=self.data.get("complete", False),
            issued=issued,
            target=due,
            period=self._period(facts),
            sha256=file_sha256(self.path),
            sources=self.sources,
            facts=facts,
            targets=tuple(self._unique(self._each("target", self._target)).values()),
            commitments=tuple(self._unique(self._each("commitment", self._commitment)).values()),
            blanks=tuple(self.blanks.values()),
            phases=tuple(self._unique(self._each("phase", self._phase)).values()),
            schools=self._timetable(),
            counties=self._counties(),
            stages=stages,
            tasks=tuple(self._unique(self._each("task", self._task)).values()),
            sections=tuple(sections.values()),
            recommendations=tuple(self._unique(self._each("recommendation", self._recommendation)).values()),
            mentions=tuple(mention for mention, _ in self._each("mention", self._mention)),
            remarks=tuple(remark for remark, _ in self._each("remark", self._remark)),
        )

    # --- what all entries share --------------------------------------------------------------------------------------

    def _each(self, kind: str, read: Callable[[dict[str, Any], str], Any]) -> list[tuple[Any, str]]:
        """Every entry of a kind, with the source and status of the file where it gives none of its own."""
        found = []
        for entry, place in entries(self.data, kind, self.file):
            where = f"{place}（{entry['id']}）" if isinstance(entry.get("id"), str) else place
            found.append((read({**self.data["default"], **entry}, where), where))
        return found

    def _unique(self, found: Iterable[tuple[Any, str]]) -> dict[str, Any]:
        items: dict[str, Any] = {}
        for item, where in found:
            if item.id in items:
                raise CitationError("id 重复", where=where, found=repr(item.id), expected="每个 id 只出现一次", fix="删去或改名")
            items[item.id] = item
        return items

    def _among(self, value: object, allowed: Collection[object], name: str, where: str) -> Any:
        if value not in allowed:
            raise CitationError(
                f"没有这个{name}", where=where, found=repr(value),
                expected="下列之一：" + "、".join(map(str, allowed)), fix="改正拼写，或先登记",
            )
        return value

    def _citation(self, entry: Mapping[str, Any], where: str, numbers: Collection[float] = ()) -> Citation:
        return read_citation(entry, sources=self.sources, where=where, numbers=numbers)

    def _texts(self, entry: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
        value = entry.get(key, [])
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise CitationError(
                f"{key} 的写法不对", where=where, found=repr(value), expected=f'{key} = ["…", "…"]', fix="写成带引号文字的列表"
            )
        return tuple(value)

    def _check_codes(self, codes: Iterable[str], where: str) -> None:
        for code in codes:
            if code not in self.known.codes and code not in self.evidence:
                raise CitationError(
                    "没有这个代码", where=where, found=repr(code),
                    expected=f"评估 {self.data['evaluation']} 的代码（L1、G3、G11_rotation、F1 等），或本规划某个阶段条件 evidence 里的 E-…",
                    fix="改正代码，或在 [[stage.condition]] 的 evidence 里登记",
                )

    def _check_printed(self, texts: Iterable[str], citation: Citation, where: str) -> None:
        for text in texts:
            if not printed(text, citation.quote):
                raise CitationError(
                    "原句里没有这个词", where=where, found=f"{text} 不见于“{citation.quote}”", expected="照原句写", fix="改正名称，或改正原句"
                )

    def _month(self, entry: Mapping[str, Any], key: str, where: str) -> Month | None:
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

    def _unit(self, entry: Mapping[str, Any], where: str) -> tuple[str, str]:
        zh, en = in_both(entry, where, "unit") if "unit" in entry else ("", "")
        return zh, en or zh

    # --- the plan itself ---------------------------------------------------------------------------------------------

    def _source(self, entry: Mapping[str, Any], where: str) -> Source:
        check_keys(entry, required=("id", "title", "read", "where"), where=where)
        chinese, english = in_both(entry, where, "title")
        return Source(entry["id"], chinese, english or chinese, entry["read"], entry["where"])

    def _fact(self, entry: dict[str, Any], where: str) -> Fact:
        check_keys(entry, required=("id", "value", *CITATION_KEYS), optional=CITATION_OPTIONAL, where=where)
        value = entry["value"]
        citation = self._citation(entry, where, () if isinstance(value, str) else (value,))
        if isinstance(value, str) and not citation.reading:
            self._check_printed([value], citation, where)
        return Fact(entry["id"], str(value), citation)

    def _dated(self, key: str, facts: Mapping[str, Fact]) -> Month | None:
        """A date of the plan; the fact of the same name quotes it."""
        if key not in self.data:
            return None
        self._among(key, tuple(facts), "fact（日期要有同名的 [[fact]] 引出原句）", self.file)
        cited = {"quote": facts[key].citation.quote, "reading": facts[key].citation.reading, key: self.data[key]}
        return self._month(cited, key, self.file)

    def _period(self, facts: Mapping[str, Fact]) -> tuple[Month, Month] | None:
        if "period" not in self.data:
            return None
        self._among("period", tuple(facts), "fact（日期要有同名的 [[fact]] 引出原句）", self.file)
        ends = self._texts(self.data, "period", self.file)
        cited = {"quote": facts["period"].citation.quote, "reading": facts["period"].citation.reading}
        months = [self._month({**cited, "period": end}, "period", self.file) for end in ends]
        if len(months) != 2 or months[0].first > months[1].last:
            raise CitationError(
                "期间的写法不对", where=self.file, found=repr(self.data["period"]),
                expected='period = ["2022", "2035"]，先起后止', fix="写两个日期",
            )
        return months[0], months[1]

    def _target(self, entry: dict[str, Any], where: str) -> Target:
        check_keys(
            entry,
            required=(*LABELLED, "path", "kind"),
            optional=("value", "field", "base", "scope", "add", "over_add", "due", *CITATION_OPTIONAL),
            where=where,
        )
        self._among(entry["kind"], KINDS, "类别 kind", where)
        table = self.known.check_path(entry["path"], where)
        is_own = entry["path"].startswith("indicator:")
        if ("value" in entry) + ("field" in entry) != 1 and not (is_own and "field" not in entry):
            raise CitationError(
                "目标的值没有说清", where=where, found="value 与 field 须有且只有一个", expected="value（规划写明的数）或 field（[[blank]] 的 id）",
                fix="保留一个；只有 indicator: 的目标可以两个都没有",
            )
        if "field" in entry:
            self._among(entry["field"], tuple(self.blanks), "空格 [[blank]]", where)
        if "value" in entry and "unit" not in entry:
            raise CitationError("缺少单位", where=where, found="没有 unit", expected='unit = "…"（无单位写 "1"）', fix="补上")
        add, over_add = (self._texts(entry, key, where) for key in ("add", "over_add"))
        for column in (*add, *over_add):
            self._among(column, self.known.columns(table), f"列（{table or '这个目标不能改列'}）", where)
        citation = self._citation(entry, where, (entry["value"],) if "value" in entry else ())
        value = float(entry["value"]) if "value" in entry else None
        return Target(
            entry["id"], entry["path"], value, entry.get("field", ""), entry["kind"], entry.get("base", ""),
            entry.get("scope", ""), add, over_add, self._month(entry, "due", where), *bilingual(entry, where), citation,
        )  # fmt: skip

    def _commitment(self, entry: dict[str, Any], where: str) -> Commitment:
        check_keys(
            entry, required=LABELLED, optional=("value", "field", "indicator", "start", "due", *CITATION_OPTIONAL),
            where=where,
        )
        if "field" in entry:
            self._among(entry["field"], tuple(self.blanks), "空格 [[blank]]", where)
        if entry.get("indicator"):
            self.known.check_indicator(entry["indicator"], where)
        value = str(entry.get("value", ""))
        citation = self._citation(entry, where, [float(n) for n in re.findall(r"\d+(?:\.\d+)?", value)])
        start, due = (self._month(entry, key, where) for key in ("start", "due"))
        return Commitment(
            entry["id"], *bilingual(entry, where), value, *self._unit(entry, where), entry.get("field", ""),
            entry.get("indicator", ""), start, due, citation,
        )  # fmt: skip

    def _blank(self, entry: dict[str, Any], where: str) -> Blank:
        check_keys(entry, required=LABELLED, optional=("kind", *CITATION_OPTIONAL), where=where)
        kind = self._among(entry.get("kind", "number"), BLANK_KINDS, "空格类别 kind", where)
        return Blank(entry["id"], *bilingual(entry, where), *self._unit(entry, where), self._citation(entry, where), kind)

    def _phase(self, entry: dict[str, Any], where: str) -> Phase:
        own = ("start", "end", "start_field", "end_field")
        check_keys(entry, required=LABELLED, optional=(*own, *CITATION_OPTIONAL), where=where)
        for key in ("start_field", "end_field"):
            if key in entry:
                self._among(entry[key], tuple(self.blanks), "空格 [[blank]]", where)
        start, end = (self._month(entry, key, where) for key in ("start", "end"))
        return Phase(
            entry["id"], *bilingual(entry, where), start, end, self._citation(entry, where), entry.get("start_field", ""),
            entry.get("end_field", ""),
        )  # fmt: skip

    def _named(self, kind: str, keys: tuple[str, ...]) -> list[tuple[str, dict[str, Any], Citation]]:
        """Entries that give one citation for several names: each name once, names and year in the quotation."""
        found: dict[str, tuple[str, dict[str, Any], Citation]] = {}

        def read(entry: dict[str, Any], where: str) -> None:
            check_keys(entry, required=("year", "names", *keys, *CITATION_KEYS), optional=CITATION_OPTIONAL, where=where)
            citation, names = self._citation(entry, where, (entry["year"],)), self._texts(entry, "names", where)
            if not citation.reading:
                self._check_printed(names, citation, where)
            for name in names:
                if name in found:
                    raise CitationError("名字重复", where=where, found=repr(name), expected="每个名字只出现一次", fix="删去一处")
                found[name] = (name, entry, citation)

        self._each(kind, read)
        return list(found.values())

    def _timetable(self) -> tuple[PlannedSchool, ...]:
        schools = self._named("timetable", ("stage",))
        for name, entry, _ in schools:
            self._among(entry["stage"], self.known.stages, "学段", f"{self.file} 的 [[timetable]]（{name}）")
        return tuple(PlannedSchool(name, entry["stage"], entry["year"], "", cited) for name, entry, cited in schools)

    def _counties(self) -> tuple[PlannedCounty, ...]:
        return tuple(PlannedCounty(name, entry["year"], "", cited) for name, entry, cited in self._named("county", ()))

    def _stage(self, entry: dict[str, Any], where: str) -> Stage:
        ways = ("offset", "end", "always")
        check_keys(entry, required=LABELLED, optional=(*ways, "condition", *CITATION_OPTIONAL), where=where)
        if sum(way in entry for way in ways) != 1 or entry.get("always") is False:
            raise CitationError(
                "阶段的时间没有说清", where=where, found="、".join(w for w in ways if w in entry) or "一个也没有",
                expected="offset（验收前几年）、end（截止年月）、always = true 之一", fix="保留一个",
            )
        conditions = []
        for condition, place in entries(entry, "condition", where):
            conditions.append(self._condition({**self.data["default"], **condition}, f"{place}（{condition.get('id', '')}）"))
        return Stage(
            entry["id"], *bilingual(entry, where), entry.get("offset"), self._month(entry, "end", where), "always" in entry,
            tuple(conditions), self._citation(entry, where, (entry["offset"],) if entry.get("offset") else ()),
        )  # fmt: skip

    def _condition(self, entry: dict[str, Any], where: str) -> Condition:
        check_keys(
            entry, required=LABELLED, optional=("codes", "evidence", "scope", "due", *CITATION_OPTIONAL), where=where
        )
        evidence = self._texts(entry, "evidence", where)
        for code in evidence:
            if not re.fullmatch(r"E-[a-z0-9-]+", code):
                self._among(code, tuple(sorted(self.known.evidence)), "材料代码（本规划自己的写作 E-…）", where)
        return Condition(
            entry["id"], *bilingual(entry, where), self._texts(entry, "codes", where), evidence,
            self._among(entry.get("scope", ""), SCOPES, "范围 scope", where), self._month(entry, "due", where),
            self._citation(entry, where),
        )  # fmt: skip

    def _task(self, entry: dict[str, Any], where: str) -> Task:
        check_keys(entry, required=LABELLED, optional=("codes", "departments", "due", *CITATION_OPTIONAL), where=where)
        codes, departments = (self._texts(entry, key, where) for key in ("codes", "departments"))
        self._check_codes(codes, where)
        citation = self._citation(entry, where)
        self._check_printed(departments, citation, where)
        return Task(entry["id"], *bilingual(entry, where), codes, departments, self._month(entry, "due", where), citation)

    def _section(self, entry: dict[str, Any], where: str) -> Section:
        check_keys(
            entry, required=("id", "title", "level", "fills", *CITATION_KEYS),
            optional=("part", "codes", "named", *CITATION_OPTIONAL), where=where,
        )
        self._among(entry["level"], (1, 2, 3), "标题级别", where)
        self._among(entry["fills"], FILLS, "填写方式 fills", where)
        self._among(entry.get("part", ""), ("", *self.known.parts), "评估部分 part", where)
        codes, named = (self._texts(entry, key, where) for key in ("codes", "named"))
        self._check_codes(codes, where)
        for name in named:
            self.known.check_named(name, where)
        return Section(
            entry["id"], entry["title"], entry["level"], entry["fills"], entry.get("part", ""), codes, named,
            self._citation(entry, where),
        )  # fmt: skip

    def _recommendation(self, entry: dict[str, Any], where: str) -> Recommendation:
        required = ("id", "section", "codes", "text", *CITATION_KEYS)
        check_keys(entry, required=required, optional=CITATION_OPTIONAL, where=where)
        self._among(entry["section"], self.sections, "节 [[section]]", where)
        codes = self._texts(entry, "codes", where)
        self._check_codes(codes, where)
        zh, en = bilingual(entry, where, "text")
        return Recommendation(entry["id"], entry["section"], codes, zh, en, self._citation(entry, where))

    def _mention(self, entry: dict[str, Any], where: str) -> Mention:
        check_keys(entry, required=("kind", "thing", "said", *CITATION_KEYS), optional=CITATION_OPTIONAL, where=where)
        kind = self._among(entry["kind"], MENTIONS, "提及方式 kind", where)
        if kind == "basis":
            self._among(entry["thing"], tuple(self.sources), "出处 [[source]]", where)
        citation = self._citation(entry, where)
        if not citation.reading:
            self._check_printed([entry["said"]], citation, where)
        return Mention(kind, entry["thing"], entry["said"], citation)

    def _remark(self, entry: dict[str, Any], where: str) -> Remark:
        check_keys(entry, required=("text", *CITATION_KEYS), optional=CITATION_OPTIONAL, where=where)
        return Remark(*bilingual(entry, where, "text"), self._citation(entry, where))
