"""Executed notebooks become one document: sections, numbered exhibits, resolved references, citations and notes.

Only text cells and outputs that carry a typed block reach a document; code, printed text and raw HTML never do.
Tables, figures, equations, citations and notes are numbered through the whole report, headings below their section.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from os.path import commonprefix
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nbformat import NotebookNode

from qbresearch.errors import InputError, check_choice
from qbresearch.exhibits.blocks import (
    BLOCK_MIME,
    AbsentBlock,
    EquationBlock,
    FigureBlock,
    FindingBlock,
    OpeningBlock,
    RecordBlock,
    TableBlock,
)
from qbresearch.fonts import check_drawable
from qbresearch.language import CHINESE, listed, say, speaking
from qbresearch.publication.appendix import build_appendix
from qbresearch.publication.bibliography import DEFAULT_EDITION, Citations
from qbresearch.publication.bundles import Block, read_block
from qbresearch.publication.formulas import parse_formula
from qbresearch.publication.model import (
    EARLIEST,
    STAGE_ORDER,
    Document,
    Equation,
    Exhibit,
    Finding,
    Heading,
    Item,
    Reference,
    Section,
    Work,
    section_order,
    texts_of,
)
from qbresearch.publication.prose import Place, Token, items_of, read_markdown
from qbresearch.publication.references import (
    KINDS,
    Numbering,
    Resolver,
    exhibit_word,
    label_of_target,
    work_anchor,
)
from qbresearch.publication.wording import (
    heading_number,
    school_year_label,
    section_number,
)
from qbresearch.rules.works import load_works

VERDICTS = ("not_met", "undecided", "met")
STAGE_KEYS = (
    "stage", "stage_label", "county_name", "prefecture", "school_year", "standard_label", "verdict", "schools",
    "schools_met", "largest_cv", "largest_cv_label", "cv_over_cap", "indicators", "rule_unverified", "row", "counter",
    "entries", "entries_met", "entries_not_met", "entries_undecided",
)
RESOURCES, CROSS_COUNTY, FORM = "resources", "cross-county", "county-research-report"
WHOLE_REPORTS = ("plan-progress", FORM, "prefecture")
"""Kinds of which one notebook is the whole report: its highest headings are the report's sections."""
HIDDEN_TAG = "remove-cell"
LANGUAGE_TAG = "lang-"
_SHORTEST_TITLE = 4
LATIN_EDITION = "2015"  # the later one sets full-width marks, which have no place on a page in Latin letters


def stage_labels() -> dict[str, str]:
    """What the two stages of compulsory education are called."""
    return {"primary": say("小学"), "junior": say("初中")}


def topics() -> dict[str, str]:
    """What reports of the usual kinds are about; others go by what their sections have in common."""
    return {
        RESOURCES: say("义务教育优质均衡发展研究报告"),
        CROSS_COUNTY: say("义务教育资源配置县际比较"),
        "quality-monitoring": say("义务教育质量监测结果研究报告"),
        "resource-quality-link": say("学校资源配置与学业成绩关联研究"),
        "attainment": say("义务教育优质均衡达标情况研究"),
        "plan-progress": say("义务教育优质均衡规划进展研究"),
        FORM: say("县域义务教育优质均衡发展研究报告"),
        "prefecture": say("市域义务教育优质均衡推进研究报告"),
    }


def kind_labels() -> dict[str, str]:
    """What the kinds of report are called; other kinds go by the name of their notebook."""
    return {
        RESOURCES: say("资源配置"),
        CROSS_COUNTY: say("县际比较"),
        "quality-monitoring": say("质量监测"),
        "resource-quality-link": say("资源与质量的关联"),
        "attainment": say("达标情况"),
        "plan-progress": say("规划进展"),
        FORM: say("县域研究报告"),
        "prefecture": say("市域推进"),
    }


def _keywords(kind: str) -> tuple[str, ...]:
    known = {
        RESOURCES: (say("义务教育"), say("优质均衡"), say("资源配置"), say("校际差异系数")),
        CROSS_COUNTY: (say("义务教育"), say("优质均衡"), say("县际比较"), say("校际差异系数")),
        "quality-monitoring": (say("义务教育质量监测"), say("校际差异率"), say("组内相关系数"), say("多层模型")),
        "resource-quality-link": (say("资源配置"), say("学业质量"), say("多层模型"), say("稳健性检验")),
        "plan-progress": (say("义务教育"), say("优质均衡"), say("规划"), say("进展监测")),
        FORM: (say("义务教育"), say("优质均衡"), say("督导评估"), say("县域研究")),
        "prefecture": (say("义务教育"), say("优质均衡"), say("市域推进"), say("进展监测")),
    }
    return known.get(kind, ())


@dataclass(frozen=True, slots=True)
class Part:
    """One job of a report: its executed notebook, or why there is none.

    ``heading`` names the section when the notebook cannot (it is what the template calls itself); ``finished`` is when
    the notebook had run, as ISO 8601 has it, or empty.
    """

    job: Mapping[str, Any]
    heading: str
    notebook: NotebookNode | None = None
    refusal: str = ""
    finished: str = ""


def error_cell(notebook: NotebookNode) -> int | None:
    """Number of the first cell whose output is an error, or ``None``."""
    for number, cell in enumerate(notebook.cells, start=1):
        if any(output.output_type == "error" for output in cell.get("outputs", ())):
            return number
    return None


def is_own_study(job: Mapping[str, Any]) -> bool:
    """Whether a job is a report of its own: results beside resources, or a county beside a plan."""
    return "design_id" in job["parameters"] or bool(job["parameters"].get("plan_id"))


def report_kind(job: Mapping[str, Any]) -> str:
    """The kind of the report a job belongs to: resources of a county, cross-county, or its notebook's own study."""
    if is_own_study(job):
        return re.sub(r"^[0-9]+-", "", Path(str(job["notebook"])).stem)
    return RESOURCES if job["parameters"].get("county_code") else CROSS_COUNTY


def report_language(job: Mapping[str, Any]) -> str:
    """The language a job was run in; notebooks without the parameter speak Chinese."""
    return str(job["parameters"].get("language", CHINESE))


def build_document(
    parts: Sequence[Part],
    *,
    run_id: str,
    packages: Mapping[str, str],
    code_sha256: str = "",
    edition: str = DEFAULT_EDITION,
    cover: Mapping[str, Any] = MappingProxyType({}),
    run_title: str = "",
) -> Document:
    """Assemble the parts of one report, in the order of :func:`section_order`, into a document in their language.

    Parameters
    ----------
    parts : sequence of Part
        At least one with a notebook; all in one language.
    run_id : str
        Batch the parts come from.
    packages : mapping
        Versions of the packages the numbers depend on.
    code_sha256 : str
        Checksum of the code the numbers come from.
    edition : str
        Edition of GB/T 7714 that references of a Chinese report are written by; other languages take ``LATIN_EDITION``.
    cover : mapping
        ``authors``, ``institution`` and ``date`` for the title page, as far as they are known.
    run_title : str
        What the batch is called, in Chinese; reports in other languages name it by ``run_id``.

    Raises
    ------
    InputError
        A reference or citation leads nowhere, a block is malformed, a formula cannot be set, a notebook has no opening
        block, or a text holds a character that the fonts cannot draw.
    """
    ordered = sorted(parts, key=lambda part: section_order(part.job))
    language = report_language(ordered[0].job)
    with speaking(language):
        run = (run_id, run_title if run_title and language == CHINESE else run_id)
        document = _document(ordered, run, packages, code_sha256, edition, cover)
    for place, text in texts_of(document):
        check_drawable(text, where=f"报告《{document.title}》{place}")
    return document


def _document(
    parts: Sequence[Part],
    run: tuple[str, str],
    packages: Mapping[str, str],
    code_sha256: str,
    edition: str,
    cover: Mapping[str, Any],
) -> Document:
    numbering = Numbering(Citations(load_works(), edition=edition if report_language(parts[0].job) == CHINESE else LATIN_EDITION))
    whole = len(parts) == 1 and report_kind(parts[0].job) in WHOLE_REPORTS
    sections = tuple(section for index, part in enumerate(parts, start=1) for section in _sections(part, index, numbering, whole))
    shown = [section for section in sections if section.opening is not None]
    if not shown:
        raise ValueError("a report needs at least one part with a notebook")
    asked = {key: str(value) for key, value in shown[0].job["parameters"].items()}
    county_code, kind = asked.get("county_code", ""), report_kind(shown[0].job)
    stages = merge_stages(_county_records(shown)) if county_code else ()
    county_name = _county_name(shown) if county_code else ""
    years = {str(section.job["parameters"].get("school_year", "")) for section in sections}
    school_year = years.pop() if len(years) == 1 else ""
    about = _topic(kind, shown, stages)
    plan = _fact(shown, say("所用规划")) if kind != FORM else ""  # the form of a report is no plan that a county follows
    return Document(
        kind=kind,
        language=report_language(shown[0].job),
        title=_title(kind, county_name, county_code, school_year_label(school_year), about),
        topic=about,
        plan=plan,
        subtitle=_subtitle(stages),
        cover=_cover(county_name, county_code, school_year, shown, plan, run[1], cover),
        authors=tuple(cover.get("authors", ())),
        made=max((datetime.fromisoformat(part.finished) for part in parts if part.finished), default=EARLIEST),
        keywords=_keywords(kind),
        run_id=run[0],
        county_code=county_code,
        county_name=county_name,
        school_year=school_year,
        source_id=asked.get("source_id", ""),
        sections=sections,
        stages=stages,
        works=tuple(Work(number, work_anchor(number), text) for number, _, text in numbering.citations.entries()),
        appendix=build_appendix(sections, _stage_names(shown), packages, code_sha256, run[0]),
    )


# the title page


def _title(kind: str, county_name: str, county_code: str, year: str, about: str) -> str:
    if not county_code:
        return say("{year}{topic}", year=year, topic=about) if year else about
    subject = county_name or say("县（代码 {code}）", code=county_code)
    # A name in Latin letters is set off from the year that follows it; a Chinese one is not.
    gap = " " if subject[-1].isascii() and subject[-1].isalnum() else ""
    if kind == FORM and year:
        return say("{county}{gap}{topic}（{year}）", county=subject, gap=gap, topic=about, year=year)
    return say("{county}{gap}{year}{topic}", county=subject, gap=gap, year=year, topic=about)


def _cover(
    county_name: str,
    county_code: str,
    school_year: str,
    sections: Sequence[Section],
    plan: str,
    batch: str,
    given: Mapping[str, Any],
) -> tuple[tuple[str, str], ...]:
    named = county_name if county_name == county_code else say("{name}（{code}）", name=county_name, code=county_code)
    facts = [dict(reversed(s.opening.facts)) for s in sections if s.opening is not None]  # of two data sets the first
    sources = dict.fromkeys(fact.get(say("数据"), "") for fact in facts)
    standards = dict.fromkeys(fact.get(say("标准"), "").split("（")[0].split(" (")[0] for fact in facts)
    pairs = (
        (say("编制单位"), given.get("institution", "")),
        (say("日期"), given.get("date", "")),
        (say("地区"), named if county_code else ""),
        (say("学年"), school_year_label(school_year)),
        (say("数据来源"), listed(filter(None, sources))),
        (say("标准"), listed(filter(None, standards))),
        (say("所用规划"), plan),
        (say("批次"), batch),
    )
    return tuple((label, value) for label, value in pairs if value)


def _fact(sections: Iterable[Section], label: str) -> str:
    """What the first opening block that states it says about this."""
    return next((value for s in sections if s.opening for name, value in s.opening.facts if name == label), "")


def _county_name(sections: Iterable[Section]) -> str:
    """The county's name as the first record that has one states it."""
    names = (record.values.get("county_name") for section in sections for record in section.records)
    return next((str(name) for name in names if name), "")


def merge_stages(records: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """One record a stage, primary first, each with all of ``STAGE_KEYS`` (``None`` where nothing is said).

    Where several notebooks speak about one stage the first value of a key stands, except that the verdict is the
    gravest (not met, then undecided, then met), and that one unverified rule makes the stage's rule unverified.
    """
    merged: dict[str, dict[str, Any]] = {}
    for record in records:
        stage = merged.setdefault(str(record.get("stage") or ""), dict.fromkeys(STAGE_KEYS))
        verdicts = [value["verdict"] for value in (stage, record) if value.get("verdict")]
        doubts = [value["rule_unverified"] for value in (stage, record) if value.get("rule_unverified") is not None]
        stage.update({key: value for key, value in record.items() if stage.get(key) is None})
        stage["rule_unverified"] = any(doubts) if doubts else None
        stage["verdict"] = min(verdicts, key=VERDICTS.index, default=None)
    return tuple(merged[name] for name in sorted(merged, key=lambda n: (STAGE_ORDER.get(n, len(STAGE_ORDER)), n)))


def _county_records(sections: Iterable[Section]) -> list[dict[str, Any]]:
    records = [record.values for section in sections for record in section.records if record.id == "county"]
    for values in records:
        if values.get("verdict"):
            check_choice(values["verdict"], VERDICTS, name="结论", where="county 记录块的 verdict")
    return records


def _subtitle(stages: Sequence[Mapping[str, Any]]) -> str:
    standards = dict.fromkeys(str(s["standard_label"]) for s in stages if s["standard_label"])
    return say("依据{standards}", standards=listed(standards)) if standards else ""


def _topic(kind: str, sections: Sequence[Section], stages: Sequence[Mapping[str, Any]]) -> str:
    """The topic of the kind; records that speak about a county and do not judge it make no report of that name."""
    unjudged = kind == RESOURCES and not any(stage["verdict"] for stage in stages)
    return _common_title(sections) if unjudged else topics().get(kind) or _common_title(sections)


def _common_title(sections: Sequence[Section]) -> str:
    """What the sections' titles have in common at their end (``小学县际比较``, ``初中县际比较``: ``县际比较``)."""
    titles = [section.opening.title if section.opening else section.title for section in sections]
    common = commonprefix([title[::-1] for title in titles])[::-1]
    return common if len(common) >= _SHORTEST_TITLE else titles[0]


def _stage_names(sections: Iterable[Section]) -> dict[str, str]:
    """What the records call each stage: only they know what a set of indicators understands by ``all``."""
    records = (record.values for section in sections for record in section.records)
    return stage_labels() | {str(r["stage"]): str(r["stage_label"]) for r in records if r.get("stage") and r.get("stage_label")}


# one notebook, one section, unless it is the whole report


def _sections(part: Part, index: int, numbering: Numbering, whole: bool) -> Iterator[Section]:
    """The sections a notebook makes; ``opening`` and ``records`` go with the first."""
    number, anchor = section_number(index), f"sec-{index}"
    if part.notebook is None:
        yield Section(number, anchor, part.heading, part.job, refusal=part.refusal)
        return
    name = str(part.job["name"])
    raw = list(_present(_raw_items(part.notebook, name, report_language(part.job))))
    openings = [content for _, content in raw if isinstance(content, OpeningBlock)]
    if len(openings) != 1:
        raise InputError(
            "笔记本应有且只有一个开篇块",
            where=f"笔记本 {name}",
            found=f"{len(openings)} 个 OpeningBlock",
            expected="1 个",
            fix="在参数单元格之后，用一个单元格输出开篇块",
        )
    places = _number_exhibits(raw, numbering)
    resolver = Resolver({key: reference for key, (reference, _) in places.items()}, numbering)
    items = list(_items(raw, places, resolver))
    records = tuple(content for _, content in raw if isinstance(content, RecordBlock))
    if not whole:
        numbered = tuple(_numbered_headings(items, index, anchor))
        yield Section(number, anchor, openings[0].title, part.job, numbered, openings[0], records)
        return
    for at, (title, below) in enumerate(_chapters(items, openings[0].title), start=1):
        numbered, first = tuple(_numbered_headings(below, at, f"sec-{at}")), at == 1
        yield Section(
            section_number(at), f"sec-{at}", title, part.job, numbered, openings[0] if first else None, records if first else ()
        )


def _chapters(items: Sequence[Item], title: str) -> list[tuple[str, list[Item]]]:
    """Items by the highest heading above them; what stands before the first heading goes below it."""
    top = min((item.depth for item in items if isinstance(item, Heading)), default=0)
    chapters: list[tuple[str, list[Item]]] = []
    before: list[Item] = []
    for item in items:
        if isinstance(item, Heading) and item.depth == top:
            chapters.append((item.text, before))
            before = []
        elif chapters:
            chapters[-1][1].append(item)
        else:
            before.append(item)
    return chapters or [(title, before)]


def _raw_items(notebook: NotebookNode, name: str, language: str) -> Iterator[tuple[Place, Block | list[Token]]]:
    """Blocks and Markdown tokens of the cells, in order, without the heading that only names the notebook."""
    _check_language(notebook, name, language)
    titled = False
    for number, cell in enumerate(notebook.cells, start=1):
        place = Place(name, number)
        tags = cell.metadata.get("tags", ())
        if HIDDEN_TAG in tags:
            continue
        if cell.cell_type == "markdown" and speaks(tags, language):
            tokens = read_markdown(cell.source)
            if tokens and not titled and tokens[0]["type"] == "heading" and tokens[0]["attrs"]["level"] == 1:
                titled, tokens = True, tokens[1:]
            yield place, tokens
        for output in cell.get("outputs", ()):
            bundle = output.get("data", {})
            if BLOCK_MIME in bundle:
                titled = True
                yield place, read_block(bundle, place)


def _present(raw: Iterable[tuple[Place, Any]]) -> Iterator[tuple[Place, Any]]:
    """What is left when text cells go that only announce what is absent, and then headings with nothing below them."""
    groups: list[list[tuple[Place, Any]]] = [[]]
    for place, content in raw:
        if isinstance(content, list):
            groups.append([])
        groups[-1].append((place, content))
    # From the bottom up: whether a heading stays depends on what is left below it.
    kept: list[tuple[Place, Any]] = []
    lost = False
    for group in reversed(groups):
        records = [pair for pair in group if isinstance(pair[1], RecordBlock)]
        blocks = [content for _, content in group if not isinstance(content, list | RecordBlock)]
        if blocks and all(isinstance(block, AbsentBlock) for block in blocks):
            place, tokens = group[0]
            group = [(place, tokens[:1])] if isinstance(tokens, list) and _begins_with_heading(tokens) else []
            kept, lost = records + kept, True
        rest = [pair for pair in group if not isinstance(pair[1], AbsentBlock)]
        is_bare = len(rest) == 1 and isinstance(rest[0][1], list) and _is_bare_heading(rest[0][1])
        if not rest or (lost and is_bare and _dangles(rest[0][1], kept)):
            continue
        kept, lost = rest + kept, False
    yield from kept


def _begins_with_heading(tokens: Sequence[Token]) -> bool:
    return bool(tokens) and tokens[0]["type"] == "heading"


def _is_bare_heading(tokens: Sequence[Token]) -> bool:
    return _begins_with_heading(tokens) and all(token["type"] in ("heading", "blank_line") for token in tokens)


def _dangles(heading: Sequence[Token], below: Sequence[tuple[Place, Any]]) -> bool:
    """Whether a heading would stand right above one of its own or a higher level, or at the end."""
    if not below:
        return True
    tokens = below[0][1]
    if not isinstance(tokens, list) or not _begins_with_heading(tokens):
        return isinstance(tokens, RecordBlock) and _dangles(heading, below[1:])
    return tokens[0]["attrs"]["level"] <= heading[0]["attrs"]["level"]


def _check_language(notebook: NotebookNode, name: str, language: str) -> None:
    """Refuse a notebook whose words would all be missing from the report."""
    texts = [cell.metadata.get("tags", ()) for cell in notebook.cells if cell.cell_type == "markdown"]
    shown = [tags for tags in texts if HIDDEN_TAG not in tags]
    if shown and not any(speaks(tags, language) for tags in shown):
        raise InputError(
            "笔记本没有这种语言的文字",
            where=f"笔记本 {name}",
            found=f"{len(shown)} 个文字单元格，没有一个带 {LANGUAGE_TAG}{language} 标签",
            expected=f"参数 language 为 {language} 时，正文写在带 {LANGUAGE_TAG}{language} 标签的文字单元格里",
            fix="给每个文字单元格配一个译文单元格并加上标签，或去掉参数 language",
        )


def speaks(tags: Sequence[str], language: str) -> bool:
    """Whether a text cell belongs into a report of this language; cells without a tag are Chinese."""
    named = [tag for tag in tags if tag.startswith(LANGUAGE_TAG)] or [f"{LANGUAGE_TAG}{CHINESE}"]
    return f"{LANGUAGE_TAG}{language}" in named


def _number_exhibits(
    raw: Iterable[tuple[Place, Any]], numbering: Numbering
) -> dict[str, tuple[Reference, int]]:
    """Reference and number of each table, figure and equation by ``tbl-ID``, ``fig-ID``, ``eq-ID``."""
    found: dict[str, tuple[Reference, int]] = {}
    for place, block in raw:
        if not isinstance(block, TableBlock | FigureBlock | EquationBlock):
            continue
        kind = KINDS[block.kind]
        key = f"{kind}-{block.id}"
        if key in found:
            raise InputError(
                "同一笔记本里有两个相同的图表编号",
                where=str(place),
                found=f"@{key} 出现两次",
                expected="同一笔记本内图、表、公式的 id 各不相同",
                fix="给其中一个换一个 id",
            )
        number = numbering.next(kind)
        found[key] = Reference(label_of_target(kind, number), f"{kind}-{number}"), number
    return found


def _items(
    raw: Iterable[tuple[Place, Any]], places: Mapping[str, tuple[Reference, int]], resolver: Resolver
) -> Iterator[Item]:
    for place, content in raw:
        match content:
            case list():
                yield from items_of(content, resolver, place)
            case FindingBlock():
                yield Finding(resolver.line(content.text, place), content.tone, content.key)
            case EquationBlock():
                parse_formula(content.tex, display=True, where=str(place))
                reference, number = places[f"eq-{content.id}"]
                yield Equation(str(number), reference.anchor, content.tex, content.alt)
            case TableBlock() | FigureBlock():
                kind = KINDS[content.kind]
                reference, number = places[f"{kind}-{content.id}"]
                notes = tuple(resolver.line(note, place) for note in content.notes if note)
                yield Exhibit(exhibit_word(kind), str(number), reference.anchor, content, notes)


def _numbered_headings(items: Iterable[Item], section: int, anchor: str) -> Iterator[Item]:
    """Headings get number, depth and anchor, the highest level found standing right below the section."""
    items = list(items)
    top = min((item.depth for item in items if isinstance(item, Heading)), default=1)
    counts: list[int] = []
    total = 0
    for item in items:
        if not isinstance(item, Heading):
            yield item
            continue
        depth = min(item.depth - top + 1, len(counts) + 1, 4)
        counts = [*counts[:depth], 0][:depth]
        counts[-1] += 1
        total += 1
        yield replace(item, number=heading_number(section, counts), depth=depth, anchor=f"{anchor}-{total}")
