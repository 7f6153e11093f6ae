"""One county's report: which county is meant, in which data, and the batch that makes it."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qbresearch.batches.batchfile import Batch, Grid
from qbresearch.errors import InputError, check_choice
from qbresearch.language import CHINESE
from qbresearch.processed.store import (
    ProcessedTable,
    list_counties,
    load_processed,
    school_years,
)
from qbresearch.project import Project
from qbresearch.provenance import json_sha256
from qbresearch.raw.sources import list_sources, open_source
from qbresearch.rules.evaluations import has_evaluation
from qbresearch.rules.standards import (
    Standard,
    latest_standard,
    list_standards,
    load_standard,
    school_year_start,
)

CHECK, BALANCE, RESOURCES, WHOLE = "10-data-check", "20-resource-balance", "25-resource-attainment", "30-attainment"
PREFERRED_STANDARD = "national-2017"
_LISTED = 12
_CHECKSUM = 6  # digits in the name of a folder


@dataclass(frozen=True, slots=True)
class CountyData:
    """A county in one source: its name, its school years, and the whole table it stands in."""

    source_id: str
    code: str
    name: str
    years: tuple[int, ...]
    table: ProcessedTable

    def __str__(self) -> str:
        return f"{self.name} {self.code}（来源 {self.source_id}）"


def county_sources(project: Project, source_id: str | None = None) -> tuple[str, ...]:
    """Sources that hold schools some standard can judge; ``source_id`` asks for one of them.

    Raises
    ------
    InputError
        There is none, or not the one asked for.
    """
    judged = {latest_standard(standard).table for standard in list_standards()}
    if source_id is not None:
        table = open_source(project.raw, source_id).table
        check_choice(table, sorted(judged), name="能作县域报告的列约定", where=f"数据来源 {source_id}")
        return (source_id,)
    found = tuple(source for source in list_sources(project.raw) if open_source(project.raw, source).table in judged)
    if not found:
        raise InputError(
            "没有学校数据", where="data/raw", found="没有一个来源是学校表", expected="至少一个填好的学校表",
            fix="先用 qbresearch template 生成表格，填好后放进 data/raw/<来源>/",
        )
    return found


def counties_of(project: Project, sources: Iterable[str]) -> list[CountyData]:
    """Every county of sources that have been built."""
    found = []
    for source in sources:
        table = load_processed(project, source)
        names, held = table.county_names(), list_counties(project, table.provenance)
        found += [CountyData(source, code, names.get(code, code), school_years(held[code]), table) for code in held]
    return found


def find_county(wanted: str, counties: Sequence[CountyData]) -> CountyData:
    """The county that a code, a name, a part of a name or its pinyin stands for.

    Parameters
    ----------
    wanted : str
        What the user wrote. A code goes before a name, a whole name before a part of one, a name before its pinyin.
    counties : sequence of CountyData
        Where to look.

    Raises
    ------
    InputError
        Several fit: all are listed. None fits: the nearest are.
    """
    text = _folded(wanted)
    # One after the other: the dictionary of pinyin is only loaded where nothing written fits.
    for is_meant in (
        lambda county: county.code == wanted.strip(),
        lambda county: text in (_folded(county.name), _folded(_bare(county.name))),
        lambda county: text and text in _folded(county.name),
        lambda county: text and any(word.startswith(text) for word in _spoken(county.name)),
    ):
        fits = [county for county in counties if is_meant(county)]
        if len(fits) == 1:
            return fits[0]
        if fits:
            same_code = len({county.code for county in fits}) == 1
            raise InputError(
                f"不止一个县符合“{wanted}”", where="县", found=_list(fits), expected="恰好一个县",
                fix=f"加 --source {fits[0].source_id} 指明数据来源" if same_code else f"写县区划代码，如 {fits[0].code}",
            )
    near = _nearest(wanted, counties)
    raise InputError(
        "没有这个县", where="县", found=wanted, expected=f"下列之一：{_list(near or counties)}",
        fix=f"是不是想写 {near[0].name}（{near[0].code}）？" if near else "写县区划代码、县名或县名的一部分",
    )


def _nearest(wanted: str, counties: Sequence[CountyData]) -> list[CountyData]:
    """Counties whose code, name or pinyin looks like what was wanted, the nearest first."""
    forms = {
        form: county
        for county in counties
        for form in (county.code, _folded(_bare(county.name)), *_spoken(county.name))
    }
    asked = (_folded(wanted), *_spoken(wanted)[:1])
    written = [near for form in asked for near in difflib.get_close_matches(form, forms, cutoff=0.5)]
    return list({str(forms[form]): forms[form] for form in written}.values())


def _list(counties: Sequence[CountyData]) -> str:
    rest = len(counties) - _LISTED
    return "、".join(map(str, counties[:_LISTED])) + (f" 等，另有 {rest} 个" if rest > 0 else "") or "（还一个都没有）"


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().replace(" ", "")


def _spoken(name: str) -> list[str]:
    """Pinyin and initials of a name, for a name misheard and for a keyboard without Chinese."""
    from qbresearch.language.pinyin import search_key

    return search_key(_bare(name)).split()


def _bare(name: str) -> str:
    """A name without what is noted in brackets behind it: ``青禾县（模拟）`` is 青禾县."""
    return re.sub(r"[（(][^（）()]*[）)]$", "", name)


def choose_standard(county: CountyData, year: int, standard_id: str | None) -> Standard:
    """The standard asked for; otherwise the preferred one of the county's table."""
    fitting = _fitting_standards(county)
    standard_id = standard_id or _preferred(fitting)
    check_choice(standard_id, fitting, name="配套标准", where=f"数据来源 {county.source_id}")
    return load_standard(standard_id, on=school_year_start(year))


def _fitting_standards(county: CountyData) -> list[str]:
    return [s for s in list_standards() if latest_standard(s).table == county.table.contract.id]


def _preferred(fitting: Sequence[str]) -> str:
    """The national standard, or the first one where that does not fit."""
    return PREFERRED_STANDARD if PREFERRED_STANDARD in fitting else fitting[0]


def stages_with_students(county: CountyData, year: int, standard: Standard) -> tuple[str, ...]:
    """Stages of a standard that the county has students at in a year."""
    frame = county.table.frame
    rows = frame[frame["county_code"].eq(county.code) & frame["school_year"].eq(year)]
    return tuple(s.id for s in standard.stages if s.students in rows and rows[s.students].fillna(0).gt(0).any())


def county_batch(
    county: CountyData, year: int, stages: Sequence[str], standard_id: str, *, language: str = CHINESE,
    whole: bool = True,
) -> Batch:
    """The batch of one county's report, held in memory only.

    Parameters
    ----------
    county : CountyData
    year : int
        School year, named by its autumn.
    stages : sequence of str
        What the report covers; ``whole`` says that these are all the county has.
    standard_id : str
        The standard judged by.
    language : {"zh", "en"}
        What the report is written in.
    """
    identifier = _run_id(
        county, str(year), *(() if whole else stages), *_unless(standard_id, _preferred(_fitting_standards(county))),
        *_unless(language, CHINESE),
    )
    asked: dict[str, Any] = {
        "source_id": county.source_id, "county_code": county.code, "school_year": year, "standard_id": standard_id,
    }
    if language != CHINESE:
        asked["language"] = language
    # A set of indicators without thresholds judges no school, so there is no attainment to report.
    staged = (BALANCE, RESOURCES) if latest_standard(standard_id).kind == "evaluation" else (BALANCE,)
    runs = [(CHECK, asked), *((name, {**asked, "stage": list(stages)}) for name in staged)]
    if whole and has_evaluation(standard_id):
        runs.append((WHOLE, asked))
    grids = [Grid(index, name, dict(parameters)) for index, (name, parameters) in enumerate(runs)]
    content = [[grid.notebook, grid.parameters] for grid in grids]
    return Batch(
        id=identifier,
        title=f"{county.name}{year}—{year + 1} 学年县域报告",
        path=Path("qbresearch report"),
        text="",
        sha256=json_sha256(content),
        cover={},
        common={},
        grids=tuple(grids),
        problems=(),
    )


def _run_id(county: CountyData, *parts: str) -> str:
    """A folder name any system takes; where letters were lost a checksum keeps 甲县 and 乙县 apart."""
    whole = "-".join((county.source_id, county.code, *parts))
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", whole).strip("-")
    return name if name == whole else f"{name}-{json_sha256([county.source_id, county.code])[:_CHECKSUM]}"


def _unless(value: str, usual: str) -> tuple[str, ...]:
    return () if value == usual else (value,)
