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
    STATUSES,
    Citation,
    bilingual,
    check_keys,
    entries,
    in_both,
    read_citation,
    read_toml,
)
from qbresearch.rules.plan_beside import check_evidence, read_beside, read_options
from qbresearch.rules.plan_codes import KnownCodes, known_codes
from qbresearch.rules.plan_texts import (
    PERCENT_SIGNS,
    check_belonging,
    check_forms,
    check_order,
    check_share,
    named_kind,
    printed,
    read_date,
    read_month,
    read_period,
    refuse,
)
from qbresearch.rules.plan_types import (
    LEVELS,
    Blank,
    Commitment,
    Condition,
    EvidenceName,
    Fact,
    Mention,
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
DATES = ("issued", "due", "period")
OF_DATA = ("source_id", "county_code")
ENTRIES = (
    "fact", "target", "commitment", "blank", "phase", "timetable", "county", "stage", "task", "section", "recommendation",
    "mention", "remark", "evidence", "beside",
)  # fmt: skip
CITED_BY_DEFAULT = ("source", "status")
LABELLED = ("id", "label", *CITATION_KEYS)
OF_USES = ("plan", "signed", "note", "fill", "school")
"""Keys that a use of a plan has and a plan has not."""


def read_plan(path: Path) -> Plan:
    """Read one plan.

    Raises
    ------
    CitationError
        An unknown key, an id twice, an unknown kind of path, a code that neither the evaluation nor the plan knows, a
        number or date that its quotation does not print, a value of another form; the message names every entry.
    """
    return _Reader(path, read_toml(path)).plan()


class _Reader:
    """Turns one parsed file into a :class:`Plan`, naming file and entry in every refusal."""

    def __init__(self, path: Path, data: dict[str, Any]) -> None:
        self.path, self.data, self.file = path, data, path.name
        self.faults: list[CitationError] = []
        required = ("id", "label", "document", "place", "level", "evaluation", "default", "source")
        optional = ("simulated", "complete", "options", *OF_DATA, *DATES, *ENTRIES)
        check_belonging(
            data, (*required, *optional), OF_USES, place="“用法”文件", where=self.file,
            fix='另建一个用法文件（第一行 plan = "' + path.stem + '"），把它们移到那里',
        )
        check_keys(data, required=required, optional=optional, where=self.file)
        check_forms(data, "plan", self.file)
        self._among(data["id"], [path.stem], " id（应与文件名一致）", self.file)
        self._among(data["level"], LEVELS, "层级（level）", self.file)
        self.known: KnownCodes = known_codes(data["evaluation"], where=self.file)
        self.sources = self._unique(self._each("source", self._source, {}))
        refuse(self.faults, self.file)
        where = f"{self.file} 的 [default]"
        check_keys(data["default"], required=(), optional=CITED_BY_DEFAULT, where=where)
        check_forms(data["default"], "default", where)
        if "source" in data["default"]:
            self._among(data["default"]["source"], tuple(self.sources), named_kind("source"), where)
        self._among(data["default"].get("status", STATUSES[0]), STATUSES, "状态（status）", where)

    def plan(self) -> Plan:
        facts = self._unique(self._each("fact", self._fact))
        self.blanks = self._unique(self._each("blank", self._blank))
        stages = tuple(self._unique(self._each("stage", self._stage)).values())
        names = self._unique(self._each("evidence", self._evidence_name))
        # What the rest points at has to be sound first: one fault here would be told once more for every entry below.
        refuse(self.faults, self.file)
        conditions = [(c, self.file) for stage in stages for c in stage.conditions]
        self._unique(conditions)
        self.evidence = {code for condition, _ in conditions for code in condition.evidence}
        check_evidence(names, self.evidence, self.file)
        for condition, where in conditions:
            self._check_codes(condition.codes, f"{where} {condition.id}")
        issued, due = (read_date(self.data, key, facts, self.file) for key in ("issued", "due"))
        period = read_period(self.data, facts, self.file)
        sections = self._unique(self._each("section", self._section))
        refuse(self.faults, self.file)
        self.sections = tuple(sections)
        read = {
            "targets": self._listed("target", self._target),
            "commitments": self._listed("commitment", self._commitment),
            "phases": self._listed("phase", self._phase),
            "schools": self._timetable(),
            "counties": self._counties(),
            "tasks": self._listed("task", self._task),
            "recommendations": self._listed("recommendation", self._recommendation),
            "mentions": tuple(mention for mention, _ in self._each("mention", self._mention)),
            "remarks": tuple(remark for remark, _ in self._each("remark", self._remark)),
        }
        refuse(self.faults, self.file)
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
            period=period,
            sha256=file_sha256(self.path),
            sources=self.sources,
            facts=facts,
            blanks=tuple(self.blanks.values()),
            stages=stages,
            sections=tuple(sections.values()),
            options=read_options(self.data, self.data["evaluation"], self.file),
            evidence=names,
            beside=read_beside(self.data, self.sources, self.known, default=self.data["default"], where=self.file),
            **{key: self.data.get(key, "") for key in OF_DATA},
            **read,
        )

    # --- what all entries share --------------------------------------------------------------------------------------

    def _each(
        self, kind: str, read: Callable[[dict[str, Any], str], Any], default: Mapping[str, Any] | None = None
    ) -> list[tuple[Any, str]]:
        """Every sound entry of a kind, with the source and status of the file where it gives none; faults are kept."""
        default = self.data["default"] if default is None else default
        found = []
        for entry, place in entries(self.data, kind, self.file):
            where = f"{place}（{entry['id']}）" if isinstance(entry.get("id"), str) else place
            given = {**default, **entry}
            try:
                check_forms(given, kind, where)
                found.append((read(given, where), where))
            except CitationError as fault:
                self.faults.append(fault)
        return found

    def _unique(self, found: Iterable[tuple[Any, str]]) -> dict[str, Any]:
        items: dict[str, Any] = {}
        for item, where in found:
            if item.id in items:
                self.faults.append(
                    CitationError("id 重复", where=where, found=repr(item.id), expected="每个 id 只出现一次", fix="删去或改名")
                )
            items[item.id] = item
        return items

    def _listed(self, kind: str, read: Callable[[dict[str, Any], str], Any]) -> tuple[Any, ...]:
        return tuple(self._unique(self._each(kind, read)).values())

    def _among(self, value: object, allowed: Collection[object], name: str, where: str) -> Any:
        if value not in allowed:
            raise CitationError(
                f"没有这个{name}", where=where, found=repr(value),
                expected="下列之一：" + "、".join(map(str, allowed)), fix="改正拼写，或先登记",
            )
        return value

    def _citation(self, entry: Mapping[str, Any], where: str, numbers: Collection[float] = ()) -> Citation:
        return read_citation(entry, sources=self.sources, where=where, numbers=numbers)

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

    def _blank_named(self, name: str, kind: str, where: str) -> Blank:
        """The blank that a field names; another kind of blank cannot be filled in there."""
        blank = self.blanks[self._among(name, tuple(self.blanks), named_kind("blank"), where)]
        self._among(blank.kind, (kind,), f"空格类别（空格 {name} 的 kind 与这里不合）", where)
        return blank

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

    def _target(self, entry: dict[str, Any], where: str) -> Target:
        check_keys(
            entry,
            required=(*LABELLED, "path", "kind"),
            optional=("value", "field", "base", "scope", "add", "over_add", "due", *CITATION_OPTIONAL),
            where=where,
        )
        self._among(entry["kind"], KINDS, "目标类别（kind）", where)
        table = self.known.check_path(entry["path"], where)
        is_own = entry["path"].startswith("indicator:")
        if ("value" in entry) + ("field" in entry) != 1 and not (is_own and "field" not in entry):
            raise CitationError(
                "目标的值没有说清", where=where, found="value 与 field 须有且只有一个", expected="value（规划写明的数）或 field（[[blank]] 的 id）",
                fix="保留一个；只有 indicator: 的目标可以两个都没有",
            )
        if "field" in entry:
            blank = self._blank_named(entry["field"], "number", where)
            if self.known.is_share(entry["path"], "") and blank.unit_zh not in PERCENT_SIGNS:
                raise CitationError(
                    "空格的单位与目标不合", where=where, found=f"空格 {blank.id} 的单位 {blank.unit_zh!r}", expected="%（目标是一个比例）", fix="改正空格的 unit"
                )
        if "value" in entry and "unit" not in entry:
            raise CitationError("缺少单位", where=where, found="没有 unit", expected='unit = "…"（无单位写 "1"）', fix="补上")
        add, over_add = (tuple(entry.get(key, ())) for key in ("add", "over_add"))
        for column in (*add, *over_add):
            self._among(column, self.known.columns(table), f"列（{table or '这个目标不能改列'}）", where)
        value = float(entry["value"]) if "value" in entry else None
        if value is not None and self.known.is_share(entry["path"], self._unit(entry, where)[0]):
            check_share(value, in_both(entry, where, "quote")[0], f"{where} 的 value")
        citation = self._citation(entry, where, () if value is None else (value,))
        return Target(
            entry["id"], entry["path"], value, entry.get("field", ""), entry["kind"], entry.get("base", ""),
            entry.get("scope", ""), add, over_add, read_month(entry, "due", where), *bilingual(entry, where), citation,
        )  # fmt: skip

    def _commitment(self, entry: dict[str, Any], where: str) -> Commitment:
        check_keys(
            entry, required=LABELLED, optional=("value", "field", "indicator", "start", "due", *CITATION_OPTIONAL),
            where=where,
        )
        if "field" in entry:
            self._among(entry["field"], tuple(self.blanks), named_kind("blank"), where)
        if entry.get("indicator"):
            self.known.check_indicator(entry["indicator"], where)
        value = str(entry.get("value", ""))
        citation = self._citation(entry, where, [float(n) for n in re.findall(r"\d+(?:\.\d+)?", value)])
        start, due = (read_month(entry, key, where) for key in ("start", "due"))
        return Commitment(
            entry["id"], *bilingual(entry, where), value, *self._unit(entry, where), entry.get("field", ""),
            entry.get("indicator", ""), start, due, citation,
        )  # fmt: skip

    def _blank(self, entry: dict[str, Any], where: str) -> Blank:
        check_keys(entry, required=LABELLED, optional=("kind", *CITATION_OPTIONAL), where=where)
        kind = self._among(entry.get("kind", "number"), BLANK_KINDS, "空格类别（kind）", where)
        return Blank(entry["id"], *bilingual(entry, where), *self._unit(entry, where), self._citation(entry, where), kind)

    def _phase(self, entry: dict[str, Any], where: str) -> Phase:
        own = ("start", "end", "start_field", "end_field")
        check_keys(entry, required=LABELLED, optional=(*own, *CITATION_OPTIONAL), where=where)
        for key in ("start_field", "end_field"):
            if key in entry:
                self._blank_named(entry[key], "month", where)
        start, end = (read_month(entry, key, where) for key in ("start", "end"))
        check_order(start, end, where)
        return Phase(
            entry["id"], *bilingual(entry, where), start, end, self._citation(entry, where), entry.get("start_field", ""),
            entry.get("end_field", ""),
        )  # fmt: skip

    def _evidence_name(self, entry: dict[str, Any], where: str) -> EvidenceName:
        check_keys(entry, required=("id", "label"), optional=CITED_BY_DEFAULT, where=where)
        return EvidenceName(entry["id"], *bilingual(entry, where))

    def _named(self, kind: str, keys: tuple[str, ...]) -> list[tuple[str, str, dict[str, Any], Citation]]:
        """Entries that give one citation for several names: each name once, names and year in the quotation.

        Name, code in the data (a county's own plan may give them in the order of the names), entry and citation.
        """
        found: dict[str, tuple[str, str, dict[str, Any], Citation]] = {}

        def read(entry: dict[str, Any], where: str) -> None:
            required, optional = ("year", "names", *keys, *CITATION_KEYS), ("codes", *CITATION_OPTIONAL)
            fix = "移到用法文件；这里写 names 和 codes"
            check_belonging(entry, (*required, *optional), ("name", "code"), place="“用法”文件", where=where, fix=fix)
            check_keys(entry, required=required, optional=optional, where=where)
            if "stage" in keys:
                self._among(entry["stage"], self.known.stages, "学段（stage）", where)
            citation, names = self._citation(entry, where, (entry["year"],)), tuple(entry.get("names", ()))
            codes = tuple(entry.get("codes", ())) or ("",) * len(names)
            given = [code for _, code, _, _ in found.values()] + list(codes)
            if len(codes) != len(names) or any(code and given.count(code) > 1 for code in given):
                raise CitationError(
                    "代码与名字对不上", where=where, found=f"{len(names)} 个名字，代码 {'、'.join(codes)}",
                    expected="codes 与 names 一一对应、次序相同，每个代码只用一次；还没有代码的写空文字", fix="补上、删去或改正代码",
                )
            if not citation.reading:
                self._check_printed(names, citation, where)
            for name, code in zip(names, codes, strict=True):
                if name in found:
                    raise CitationError("名字重复", where=where, found=repr(name), expected="每个名字只出现一次", fix="删去一处")
                found[name] = (name, code, entry, citation)

        self._each(kind, read)
        return list(found.values())

    def _timetable(self) -> tuple[PlannedSchool, ...]:
        schools = self._named("timetable", ("stage",))
        return tuple(PlannedSchool(name, entry["stage"], entry["year"], code, cited) for name, code, entry, cited in schools)

    def _counties(self) -> tuple[PlannedCounty, ...]:
        return tuple(PlannedCounty(name, entry["year"], code, cited) for name, code, entry, cited in self._named("county", ()))

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
            entry["id"], *bilingual(entry, where), entry.get("offset"), read_month(entry, "end", where), "always" in entry,
            tuple(conditions), self._citation(entry, where, (entry["offset"],) if entry.get("offset") else ()),
        )  # fmt: skip

    def _condition(self, entry: dict[str, Any], where: str) -> Condition:
        check_forms(entry, "condition", where)
        check_keys(
            entry, required=LABELLED, optional=("codes", "evidence", "scope", "due", *CITATION_OPTIONAL), where=where
        )
        evidence = tuple(entry.get("evidence", ()))
        for code in evidence:
            if not re.fullmatch(r"E-[a-z0-9-]+", code):
                self._among(code, tuple(sorted(self.known.evidence)), "材料代码（本规划自己的写作 E-…）", where)
        return Condition(
            entry["id"], *bilingual(entry, where), tuple(entry.get("codes", ())), evidence,
            self._among(entry.get("scope", ""), SCOPES, "范围（scope）", where), read_month(entry, "due", where),
            self._citation(entry, where),
        )  # fmt: skip

    def _task(self, entry: dict[str, Any], where: str) -> Task:
        check_keys(entry, required=LABELLED, optional=("codes", "departments", "due", *CITATION_OPTIONAL), where=where)
        codes, departments = (tuple(entry.get(key, ())) for key in ("codes", "departments"))
        self._check_codes(codes, where)
        citation = self._citation(entry, where)
        self._check_printed(departments, citation, where)
        return Task(entry["id"], *bilingual(entry, where), codes, departments, read_month(entry, "due", where), citation)

    def _section(self, entry: dict[str, Any], where: str) -> Section:
        check_keys(
            entry, required=("id", "title", "level", "fills", *CITATION_KEYS),
            optional=("part", "codes", "named", *CITATION_OPTIONAL), where=where,
        )
        self._among(entry["level"], (1, 2, 3), "标题级别（level）", where)
        self._among(entry["fills"], FILLS, "填写方式（fills）", where)
        self._among(entry.get("part", ""), ("", *self.known.parts), "评估部分（part）", where)
        codes, named = (tuple(entry.get(key, ())) for key in ("codes", "named"))
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
        self._among(entry["section"], self.sections, named_kind("section"), where)
        codes = tuple(entry.get("codes", ()))
        self._check_codes(codes, where)
        zh, en = bilingual(entry, where, "text")
        return Recommendation(entry["id"], entry["section"], codes, zh, en, self._citation(entry, where))

    def _mention(self, entry: dict[str, Any], where: str) -> Mention:
        check_keys(entry, required=("kind", "thing", "said", *CITATION_KEYS), optional=CITATION_OPTIONAL, where=where)
        kind = self._among(entry["kind"], MENTIONS, "提及方式（kind）", where)
        if kind == "basis":
            self._among(entry["thing"], tuple(self.sources), named_kind("source"), where)
        citation = self._citation(entry, where)
        if not citation.reading:
            self._check_printed([entry["said"]], citation, where)
        return Mention(kind, entry["thing"], entry["said"], citation)

    def _remark(self, entry: dict[str, Any], where: str) -> Remark:
        check_keys(entry, required=("text", *CITATION_KEYS), optional=CITATION_OPTIONAL, where=where)
        return Remark(*bilingual(entry, where, "text"), self._citation(entry, where))
