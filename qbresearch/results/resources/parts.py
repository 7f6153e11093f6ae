"""From schools to stage parts: campuses merged, scope applied, combined schools divided among their stages."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qbresearch.errors import InputError
from qbresearch.language import say
from qbresearch.rules.columns import TableContract
from qbresearch.rules.standards import ScopeRule, Stage, Standard

KEYS = ("county_code", "county_name", "school_year", "school_code", "school_name", "school_type", "location", "sponsor")
EXCLUDED_COLUMNS = [*KEYS[:5], "stage", "students", "case", "reason", "clause"]


@dataclass(frozen=True, slots=True)
class StageParts:
    """One row per school and stage that the standard judges.

    frame : the key columns that the data have, ``stage``, ``students`` (persons at the stage), ``share`` (part of the
        school's shared assets that belongs to the stage, 0 to 1) and the raw columns of the indicators, undivided.
    excluded : schools left out, columns ``EXCLUDED_COLUMNS``: which rule, in words, and its clause.
    merged : campuses added to their school, columns ``county_code, school_year, school_code, school_name,
        parent_code``.
    """

    frame: pd.DataFrame
    excluded: pd.DataFrame
    merged: pd.DataFrame


def stage_parts(
    schools: pd.DataFrame, standard: Standard, contract: TableContract, *, exclude: Collection[str] = ()
) -> StageParts:
    """Turn a table of schools into the stage parts that a standard judges.

    Parameters
    ----------
    schools : DataFrame, one row a school and year
        In the columns and units of ``contract``.
    standard : Standard
        Its scope and split weights decide.
    contract : TableContract
        Says which stages a school type teaches. A table without school types has one part a row.
    exclude : collection of str
        Scope cases (``private``, ``not_county_run``) to leave out although the standard's default takes them in: the
        other reading.

    Raises
    ------
    InputError
        The table was made for another contract than the standard's, a school has no type, a campus has no school, or
        no school is left.
    """
    if contract.id != standard.table:
        raise InputError(
            "数据与标准不配套", where=f"标准 {standard.id}", found=f"数据是“{contract.label_zh}”（{contract.id}）",
            expected=f"列约定为 {standard.table} 的数据", fix="换用与数据配套的标准（standard_id）",
        )
    if "school_type" in schools and schools["school_type"].isna().any():
        nameless = schools[schools["school_type"].isna()]
        raise InputError(
            "有学校没有办学类型", where="办学类型", found=f"{len(nameless)} 所：" + "、".join(nameless["school_name"].astype(str).head(5)),
            expected="每所学校一种办学类型", fix="补上办学类型；它决定学段、拆分与是否纳入评估",
        )
    schools, merged = _merge_campuses(_zero_untaught(schools, contract), contract)
    stages = [_stage_rows(schools, stage, standard, contract, exclude) for stage in standard.stages]
    # All stages are taken out of the table at once: to copy a country's rows costs more than all the rest.
    at, students, share = (np.concatenate([getattr(s, name) for s in stages]) for name in ("at", "students", "share"))
    names = np.repeat(np.array([s.id for s in standard.stages], dtype=object), [len(s.at) for s in stages])
    frame = schools.take(at).reset_index(drop=True).assign(
        stage=pd.Series(names, dtype="str"), students=students, share=share
    )
    if frame.empty:
        raise InputError(
            "没有一所学校纳入评估", where=f"标准 {standard.id}", found=f"{len(schools)} 所学校全部不在范围内",
            expected="至少一所", fix="核对办学类型、举办与管理两列，或标准中的 [[scope]]",
        )
    return StageParts(frame, _excluded(schools, [left for s in stages for left in s.left_out]), merged)


@dataclass(frozen=True, slots=True)
class _LeftOut:
    """Positions of schools that one rule leaves out at a stage, with their students."""

    at: np.ndarray
    students: np.ndarray
    stage: str
    case: str
    reason: str
    clause: str


@dataclass(frozen=True, slots=True)
class _StageRows:
    """Positions of the schools that a stage judges, with students and shares, and those that it leaves out."""

    at: np.ndarray
    students: np.ndarray
    share: np.ndarray
    left_out: list[_LeftOut]


def _stage_rows(
    schools: pd.DataFrame, stage: Stage, standard: Standard, contract: TableContract, exclude: Collection[str]
) -> _StageRows:
    at = np.flatnonzero(_teaches(schools, stage.id, contract).to_numpy(dtype=bool))
    used = {stage.students, *(s.students for s in standard.stages), "students_senior", "school_type", "sponsor"}
    rows = schools[[name for name in schools if name in used]].take(at)
    students = rows[stage.students].to_numpy(dtype=float)
    share = _share(rows, stage.id, standard)
    out, left_out = np.zeros(len(rows), dtype=bool), []
    for rule in standard.scope.values():
        hit, reason = _scope_hits(rows, students, rule, exclude)
        hit = hit & ~out
        left_out.append(_LeftOut(at[hit], students[hit], stage.id, rule.case, reason, rule.citation.said("clause")))
        out |= hit
    empty = (students == 0) & ~out
    words = say("本学年该学段没有学生"), say("指标以学生数为分母")
    left_out.append(_LeftOut(at[empty], students[empty], stage.id, "no_students", *words))
    judged = ~(out | empty)
    return _StageRows(at[judged], students[judged], share[judged], left_out)


def _excluded(schools: pd.DataFrame, left_out: list[_LeftOut]) -> pd.DataFrame:
    """Schools left out, stage by stage and rule by rule."""
    numbers = [len(left.at) for left in left_out]
    kept = schools.take(np.concatenate([left.at for left in left_out])).reset_index(drop=True)
    words = {
        name: pd.Series(np.repeat(np.array([getattr(left, name) for left in left_out], dtype=object), numbers), dtype="str")
        for name in ("stage", "case", "reason", "clause")
    }
    students = np.concatenate([left.students for left in left_out])
    return kept.reindex(columns=KEYS[:5]).assign(students=students, **words)[EXCLUDED_COLUMNS]


def _zero_untaught(schools: pd.DataFrame, contract: TableContract) -> pd.DataFrame:
    """Columns of a stage that a school type does not teach are zero by definition, not missing."""
    if "school_type" not in schools:
        return schools
    not_taught = {stage: ~_teaches(schools, stage, contract) for stage in {c.stage for c in contract.columns if c.stage}}
    filled = {}
    for column in contract.columns:
        if column.stage and column.name in schools:
            values = schools[column.name]
            filled[column.name] = values.mask(not_taught[column.stage] & values.isna(), 0.0)
    return schools.assign(**filled)


def _teaches(schools: pd.DataFrame, stage: str, contract: TableContract) -> pd.Series:
    if "school_type" not in schools:
        return pd.Series(True, index=schools.index)
    teaching = [c.id for c in contract.column("school_type").choices if stage in c.stages]
    return schools["school_type"].isin(teaching)


def _merge_campuses(schools: pd.DataFrame, contract: TableContract) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Add students, teachers and assets of campuses that do not count as schools to their parent.

    A missing value at either place makes the sum missing.
    """
    columns = ["county_code", "school_year", "school_code", "school_name", "parent_code"]
    if "counted" not in schools or not schools["counted"].eq("no").any():
        return schools, pd.DataFrame(columns=columns)
    campus = schools["counted"].eq("no").fillna(False).to_numpy(dtype=bool)
    _check_campuses(schools, campus, contract)
    numbers = [c.name for c in contract.columns if c.is_number and c.name in schools]
    target = schools["school_code"].where(~campus, schools["parent_code"])
    keys = [schools["county_code"], schools["school_year"], target.rename("school_code")]
    values = schools[numbers]
    sums = values.fillna(0.0).groupby(keys).sum().where(~values.isna().groupby(keys).any())
    parents = schools[~campus].set_index(["county_code", "school_year", "school_code"])
    parents[numbers] = sums.reindex(parents.index)[numbers]
    return parents.reset_index()[list(schools.columns)], schools.loc[campus, columns].reset_index(drop=True)


def _check_campuses(schools: pd.DataFrame, campus: np.ndarray, contract: TableContract) -> None:
    """Refuse campuses whose school is not there, or does not teach what they teach: their students would be lost."""
    place = ["county_code", "school_year"]
    parents = schools.loc[~campus, [*place, "school_code", "school_type"]]
    found = schools[campus].merge(
        parents, how="left", left_on=[*place, "parent_code"], right_on=[*place, "school_code"], suffixes=("", "_parent")
    )
    lost = found["school_code_parent"].isna()
    for column in contract.columns:
        if column.name.startswith("students_") and column.name in found:
            taught = found["school_type_parent"].isin(
                [c.id for c in contract.column("school_type").choices if column.stage in c.stages]
            )
            lost |= (found[column.name] > 0) & ~taught
    if lost.any():
        raise InputError(
            "校区并不到所属学校", where=f"{int(lost.sum())} 个校区", found="、".join(found.loc[lost, "school_code"].astype(str)),
            expected="所属学校在同县同学年表中、计校数，并开设校区的学段", fix="核对“所属学校标识码”与“是否计校数”两列",
        )


def _share(rows: pd.DataFrame, stage: str, standard: Standard) -> np.ndarray:
    """Part of a school's shared assets that belongs to a stage: weighted students over all weighted students."""
    share = np.ones(len(rows))
    if "school_type" not in rows:
        return share
    students = {s.id: s.students for s in standard.stages} | {"senior": "students_senior"}
    for school_type, split in standard.splits.items():
        here = rows["school_type"].eq(school_type).fillna(False).to_numpy(dtype=bool)
        if stage not in split.weights or not here.any():
            continue
        weighted = {s: w * rows.loc[here, students[s]].to_numpy(dtype=float) for s, w in split.weights.items()}
        total = sum(weighted.values())
        share[here] = np.divide(weighted[stage], total, out=np.full(len(total), np.nan), where=total > 0)
    return share


def _scope_hits(
    rows: pd.DataFrame, students: np.ndarray, rule: ScopeRule, exclude: Collection[str]
) -> tuple[np.ndarray, str]:
    """Which rows a scope rule leaves out, and in which words."""
    column, value = {
        "special_education": ("school_type", "special_education"),
        "vocational": ("school_type", "vocational"),
        "teaching_point": ("school_type", "teaching_point"),
        "private": ("sponsor", "private"),
        "not_county_run": ("sponsor", "not_county_run"),
    }[rule.case]
    if column not in rows:
        return np.zeros(len(rows), dtype=bool), ""
    kind = rows[column].eq(value).fillna(False).to_numpy(dtype=bool)
    if not rule.include:
        return kind, say("{kind}不计入", kind=rule.label)
    if rule.case in exclude:
        return kind, say("另一种口径：不计{kind}", kind=rule.label)
    if rule.min_students is not None:
        few = say("{kind}不足 {n} 人", kind=rule.label, n=rule.min_students)
        return kind & (students < rule.min_students), few
    return np.zeros(len(rows), dtype=bool), ""
