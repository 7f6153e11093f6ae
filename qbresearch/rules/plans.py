"""Plans of counties and prefectures as overlays on an evaluation: targets, timetables, phases, tasks, departments.

A plan is one TOML file: those of published documents in ``cited/plans``, a county's own in ``notebooks/plans`` of a
project. A *use* of a plan (``plan = "…"`` in the file) fills in the blanks of a plan and says which schools and
counties of the data stand for those the plan names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from qbresearch.errors import CitationError, InputError, check_choice
from qbresearch.rules.citations import (
    CITED,
    bilingual,
    check_keys,
    entries,
    in_both,
    read_toml,
)
from qbresearch.rules.plan_beside import read_options, with_beside
from qbresearch.rules.plan_reader import DATES, ENTRIES, read_plan
from qbresearch.rules.plan_texts import (
    PERCENT_SIGNS,
    check_belonging,
    check_forms,
    check_order,
    is_number,
    parse_month,
    printed,
)
from qbresearch.rules.plan_types import (
    LEVELS,
    Beside,
    BesideValue,
    Blank,
    Commitment,
    Condition,
    EvidenceName,
    Fact,
    Mention,
    Month,
    Phase,
    Plan,
    PlannedCounty,
    PlannedSchool,
    PlanUse,
    Recommendation,
    Remark,
    Section,
    Stage,
    Target,
    Task,
)

__all__ = [
    "LEVELS", "Beside", "BesideValue", "Blank", "Commitment", "Condition", "EvidenceName", "Fact", "Mention", "Month",
    "Phase", "Plan", "PlanUse", "PlannedCounty", "PlannedSchool", "Recommendation", "Remark", "Section", "Stage", "Target", "Task", "list_plans",
    "load_plan", "read_plan",
]  # fmt: skip
REQUIRED = ("plan", "id", "label", "source_id", "simulated", "note")
OPTIONAL = ("county_code", "signed", "fill", "school", "county", "options", "beside")
OF_PLANS = {*ENTRIES, *DATES, "document", "place", "level", "evaluation", "complete", "default", "source"}
"""Keys that a plan has; those that a use has too belong to both."""


def list_plans(*folders: Path) -> tuple[str, ...]:
    """Ids of the plans that ship with the package and of the plans and uses in further folders, sorted.

    Raises
    ------
    InputError
        Two files have the same id.
    """
    return tuple(sorted(_files(folders)))


def load_plan(plan_id: str, *folders: Path) -> PlanUse:
    """A plan applied to data, by id.

    Parameters
    ----------
    plan_id : str
        Id (file name without ending) of a plan, or of a use of one. A plan as it stands fills no blank and names no
        school of the data.
    *folders : pathlib.Path
        Where to look beside the plans that ship with the package; usually ``notebooks/plans`` of a project.

    Raises
    ------
    InputError
        No such plan, or the use fills a blank or maps a school that its plan does not have.
    CitationError
        The file breaks the form; the message names file and entry. Other files of the folders are not read.
    """
    files = _files(folders)
    path, data = _found(plan_id, files)
    if "plan" in data:
        return _Use(path, data, _plan_of(path, data, files)).use()
    plan = read_plan(path)
    return PlanUse(
        id=plan.id, plan=plan, source_id=plan.source_id, county_code=plan.county_code, simulated=plan.simulated, fills={},
        school_codes={s.name: s.code for s in plan.schools if s.code},
        county_codes={c.name: c.code for c in plan.counties if c.code}, note="", signed=None, label_zh=plan.label_zh,
        label_en=plan.label_en, options=plan.options,
    )  # fmt: skip


def _files(folders: tuple[Path, ...]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for folder in (CITED / "plans", *folders):
        for path in sorted(folder.glob("*.toml")):
            if path.stem in files:
                raise InputError(
                    "两份规划同名", where=str(path), found=repr(path.stem), expected="每份规划的文件名各不相同",
                    fix="给自己的那一份改名，并把文件里的 id 一并改掉",
                )
            files[path.stem] = path
    return files


def _found(plan_id: str, files: Mapping[str, Path]) -> tuple[Path, dict[str, Any]]:
    check_choice(plan_id, sorted(files), name="规划", where="qbresearch/cited/plans 与 notebooks/plans")
    return files[plan_id], read_toml(files[plan_id])


def _plan_of(path: Path, data: Mapping[str, Any], files: Mapping[str, Path]) -> Path:
    """The file of the plan that a use builds on; another use is no plan. Only that file is read where it is one."""
    check_forms({"plan": data["plan"]}, "use", path.name)
    others = {i: file for i, file in sorted(files.items()) if file != path}
    if data["plan"] not in others or "plan" in read_toml(others[data["plan"]]):
        plans = [i for i, file in others.items() if _is_plan(file)]
        check_choice(data["plan"], plans, name="规划", where=f"{path.name} 的 plan")
    return others[data["plan"]]


def _is_plan(path: Path) -> bool:
    """Whether a file is a plan and no use of one; a file that cannot be read is none to choose."""
    try:
        return "plan" not in read_toml(path)
    except CitationError:
        return False


class _Use:
    """Turns one parsed file into a :class:`PlanUse`."""

    def __init__(self, path: Path, data: Mapping[str, Any], plan_path: Path) -> None:
        self.where, self.data = path.name, data
        check_belonging(
            data, (*REQUIRED, *OPTIONAL), OF_PLANS, place=f"规划文件（{plan_path.name}）", where=self.where,
            fix="移到规划文件；学校和县的代码在这里写 [[school]]、[[county]] 的 name 与 code",
        )
        check_keys(data, required=REQUIRED, optional=OPTIONAL, where=self.where)
        check_forms({key: value for key, value in data.items() if key != "simulated"}, "use", self.where)
        check_choice(data["id"], [path.stem], name="id（应与文件名一致）", where=self.where)
        self.plan = read_plan(plan_path)

    def use(self) -> PlanUse:
        data = self.data
        note_zh, note_en = in_both(data, self.where, "note")
        if not isinstance(data["simulated"], bool) or not note_zh.strip():
            raise InputError(
                "没有说清数据是谁的", where=self.where, found=f"simulated = {data['simulated']!r}，note = {data['note']!r}",
                expected="simulated 写 true 或 false，note 用一句话说明数据和填写的数从哪里来", fix="补上这两项",
            )
        signed = data.get("signed")
        if signed is not None and not isinstance(signed, date):
            raise InputError(
                "日期的写法不对", where=f"{self.where} 的 signed", found=repr(signed), expected="日期，如 2026-03-01", fix="去掉引号，按年-月-日写"
            )
        self._check_county()
        schools = self._codes("school", [s.name for s in self.plan.schools], "学校")
        counties = self._codes("county", [c.name for c in self.plan.counties], "县（市、区、旗）")
        fills = self._fills()
        zh, en = bilingual(data, self.where)
        filled = _filled(self.plan, fills, schools, counties)
        for phase in filled.phases:
            check_order(phase.start, phase.end, f"{self.where} 的 [fill]（{phase.label_zh}）")
        plan = with_beside(filled, data, note=note_zh, where=self.where)
        return PlanUse(
            id=data["id"], plan=plan, source_id=data["source_id"],
            county_code=data.get("county_code", ""), simulated=data["simulated"], fills=fills, school_codes=schools,
            county_codes=counties, note=note_zh, signed=signed, label_zh=zh, label_en=en,
            note_en=note_en or note_zh,
            options={**self.plan.options, **read_options(data, self.plan.evaluation, self.where)},
        )  # fmt: skip

    def _check_county(self) -> None:
        """A county's plan is used by one county; a prefecture's names its counties one by one."""
        code, is_county = self.data.get("county_code", ""), self.plan.level == "county"
        if not isinstance(code, str) or bool(code) != is_county:
            raise InputError(
                "county_code 与规划的层级不合", where=self.where, found=repr(self.data.get("county_code", "没有写")),
                expected='县级规划写一个县的代码，如 "990101"（带引号）；市级规划不写，用 [[county]] 逐个对应',
                fix="补上、加引号或删去 county_code",
            )

    def _codes(self, kind: str, names: list[str], what: str) -> dict[str, str]:
        """Codes of the data by the names of the plan: every name once, every code once."""
        codes: dict[str, str] = {}
        for entry, where in entries(self.data, kind, self.where):
            check_belonging(
                entry, ("name", "code"), ("year", "names", "codes", "stage", "clause", "quote", "source", "status"),
                place=f"规划文件（{self.plan.id}.toml）", where=where, fix="移到规划文件；这里每条写 name 与 code",
            )
            check_keys(entry, required=("name", "code"), where=where)
            check_forms(entry, kind, where)
            name, code = entry["name"], entry["code"]
            if name not in names:
                raise InputError(
                    f"规划里没有这个{what}", where=where, found=repr(name),
                    expected=f"规划 {self.plan.id} 点名的{what}：" + ("、".join(names) or "（一个也没有）"), fix="照规划原文写全名，或删去这一条",
                )
            if not isinstance(code, str) or name in codes or code in codes.values():
                raise InputError(
                    f"{what}的对应关系不成立", where=where, found=f"{name} 对应 {code!r}",
                    expected="每个名字只对应一个代码，每个代码只用一次，代码是带引号的文字", fix="删去重复的一条，或改正代码",
                )
            codes[name] = code
        return codes

    def _fills(self) -> dict[str, float | str]:
        fills = self.data.get("fill", {})
        blanks = {blank.id: blank for blank in self.plan.blanks}
        where = f"{self.where} 的 [fill]"
        for name, value in fills.items():
            check_choice(name, blanks, name="空格", where=where)
            _check_fill(blanks[name], value, f"{where} {name}")
        return dict(fills)


def _check_fill(blank: Blank, value: object, where: str) -> None:
    """Refuse what cannot stand in the blank's sentence."""
    if blank.kind == "number":
        if not is_number(value):
            raise InputError(
                "这里要填一个数", where=where, found=repr(value), expected=f"{blank.label_zh}（{blank.unit_zh}），不加引号的数，不小于 0",
                fix="改成数；还没有定的，删去这一行，留作空白",
            )
        if blank.unit_zh in PERCENT_SIGNS and not 0 < value <= 100:
            raise InputError(
                "百分数的写法不对", where=where, found=repr(value),
                expected=f"原句“{blank.citation.quote}”里 X 处的数，大于 0、不超过 100，如百分之二十写 20",
                fix="按百分数写；还没有定的，删去这一行，留作空白",
            )
    elif not isinstance(value, str) or not value.strip():
        raise InputError(
            "这里要填文字", where=where, found=repr(value), expected=f"{blank.label_zh}，带引号的文字", fix="加上引号，或删去这一行，留作空白"
        )
    elif blank.kind == "month":
        month = parse_month(value)
        if month is None or not printed(str(month.year), blank.citation.quote):
            raise InputError(
                "月份的写法不对，或年份不在原句之内", where=where, found=repr(value),
                expected=f'如 "2026-03"，年份见原句“{blank.citation.quote}”', fix="改成年-月，年份与规划一致",
            )


def _filled(plan: Plan, fills: Mapping[str, float | str], schools: Mapping[str, str], counties: Mapping[str, str]) -> Plan:
    """The plan with its blanks filled in and its names mapped; what has no fill stays blank."""
    units = {blank.id: blank.unit_zh for blank in plan.blanks}

    def number(name: str) -> float:
        return float(fills[name]) / 100 if units[name] in PERCENT_SIGNS else float(fills[name])

    def month(name: str, before: Month | None) -> Month | None:
        return parse_month(str(fills[name])) if name in fills else before

    return replace(
        plan,
        targets=tuple(replace(t, value=number(t.field)) if t.field in fills else t for t in plan.targets),
        commitments=tuple(
            replace(c, value=_written(fills[c.field])) if c.field in fills else c for c in plan.commitments
        ),
        phases=tuple(
            replace(p, start=month(p.start_field, p.start), end=month(p.end_field, p.end)) for p in plan.phases
        ),
        schools=tuple(replace(s, code=schools.get(s.name, s.code)) for s in plan.schools),
        counties=tuple(replace(c, code=counties.get(c.name, c.code)) for c in plan.counties),
    )


def _written(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"
