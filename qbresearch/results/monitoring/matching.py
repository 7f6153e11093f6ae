"""Which school of the register a monitored school is: by code, otherwise by exact name, never by a guess."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from qbresearch.errors import InputError
from qbresearch.language import clauses, listed, say, series
from qbresearch.statistics.records import plain_records

KEYS = ("county_code", "school_year", "school_code", "school_name")
HOW = ("code", "name", "conflict", "ambiguous", "unmatched")
MATCHED = ("code", "name", "conflict")
TABLE = [
    *KEYS, "students", "how", "register_code", "register_name", "other_name", "candidates", "remark",
]
BRACKETS = str.maketrans("〔【〖[{〈《", "(((((((") | str.maketrans("〕】〗]}〉》", ")))))))")
UNSEEN = re.compile("[\\s\u200b-\u200f\u2060\ufeff]+")
NEAR = 0.6
"""Share of equal characters from which a name is worth a second look."""


def how_words() -> dict[str, str]:
    """Ways of matching in the words of the report's language."""
    return {
        "code": say("按学校标识码对应"), "name": say("按校名对应"), "conflict": say("代码与校名指向不同学校（按代码对应）"),
        "ambiguous": say("有多所同名学校，没有对应"), "unmatched": say("学校表中找不到"),
    }


def plain_name(name: object) -> str:
    """A school's name for comparison: width and brackets unified, white space removed; empty where there is none."""
    if name is None or name is pd.NA or (isinstance(name, float) and np.isnan(name)):
        return ""
    return _plain(str(name))


@lru_cache(maxsize=1 << 16)
def _plain(name: str) -> str:
    return UNSEEN.sub("", unicodedata.normalize("NFKC", name)).translate(BRACKETS)


@dataclass(frozen=True, slots=True)
class MatchResult:
    """Monitored schools beside those of the register.

    table : one row per monitored school (county, school year, code and name as they stand in the results):
        ``county_code, school_year, school_code, school_name``, ``students`` (the given numbers added up; where none
        were given, rows), ``how`` (``code``, ``name``, ``conflict``, ``ambiguous``, ``unmatched``), ``register_code`` and
        ``register_name`` (missing unless matched), ``other_name`` (matched by a code under which the register has
        another name), ``candidates`` (schools of the same name, or the two that code and name point to), ``remark``.
    without_results : schools of the register that no monitored school was matched to: ``county_code, school_year,
        school_code, school_name`` and ``stage`` where both tables have it.
    places : one row per county and school year: ``monitored``, ``matched``, ``register``, ``without_results`` (schools)
        and ``remark`` (why nothing could be matched).
    """

    table: pd.DataFrame
    without_results: pd.DataFrame
    places: pd.DataFrame
    register: pd.DataFrame = field(repr=False)

    def tidy(self) -> pd.DataFrame:
        """A copy of ``table``."""
        return self.table.copy()

    def counts(self) -> pd.DataFrame:
        """One row per way of matching, also of those that did not occur: ``how, label, schools, students``."""
        grouped = self.table.groupby("how")["students"]
        frame = pd.DataFrame({"how": list(HOW), "label": list(how_words().values())})
        schools, students = grouped.size(), grouped.sum()
        return frame.assign(
            schools=frame["how"].map(schools).fillna(0).astype(int),
            students=frame["how"].map(students).fillna(0).astype(students.dtype),
        )

    def summary(self) -> str:
        """How many schools and students were matched and how, in one sentence."""
        counts = self.counts().set_index("how")
        matched = counts.loc[list(MATCHED)].sum(numeric_only=True)
        text = say(
            "{monitored} 所监测学校中 {schools} 所对应到学校表（{students} 人次）", monitored=f"{len(self.table):,}",
            schools=f"{int(matched['schools']):,}", students=f"{matched['students']:,.0f}",
        )
        parts = [
            say("{how} {schools} 所（{students} 人次）", how=r.label, schools=f"{r.schools:,}", students=f"{r.students:,.0f}")
            for r in counts.itertuples() if r.schools
        ]
        text = say("{text}：{parts}", text=text, parts=series(parts))
        places = self.places[(self.places["monitored"] > 0) & (self.places["matched"] == 0)]
        lost = [
            say("{county} {year} 学年{remark}", county=p.county_code, year=p.school_year, remark=p.remark)
            for p in places.itertuples()
        ]
        if len(lost) > 3:
            return clauses([text, say("{places} 等 {n} 个县学年", places=series(lost[:3]), n=len(lost))])
        return clauses([text, *([series(lost)] if lost else [])])

    def suggestions(self, *, limit: int = 20) -> list[str]:
        """Near names in the same county and year for schools that were not found, as sentences to be checked by hand.

        Parameters
        ----------
        limit : int
            Schools to look at, those with the most students first.
        """
        sentences = []
        lost = self.table[self.table["how"].eq("unmatched") & self.table["school_name"].notna()]
        known = {place: rows for place, rows in self.register.groupby(list(KEYS[:2]))} if len(lost) else {}
        for row in lost.sort_values("students", ascending=False, kind="stable").head(limit).itertuples():
            rows = known.get((row.county_code, row.school_year))
            names = {} if rows is None else dict(zip(rows["plain"], rows["school_name"], strict=True))
            near = difflib.get_close_matches(plain_name(row.school_name), [n for n in names if n], n=3, cutoff=NEAR)
            if near:
                sentences.append(
                    say(
                        "“{school}”没有对应；学校表中名称相近的有{near}，请核对后补上学校标识码", school=row.school_name,
                        near=listed(f"“{names[n]}”" for n in near),
                    )
                )
        return sentences

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "summary": self.summary(), "counts": plain_records(self.counts()),
            **{
                name: plain_records(frame.replace({np.nan: None}))
                for name, frame in (
                    ("table", self.table), ("without_results", self.without_results), ("places", self.places))
            },
        }


def match_schools(monitored: pd.DataFrame, register: pd.DataFrame) -> MatchResult:
    """Find the monitored schools in the register of the same county and school year.

    Parameters
    ----------
    monitored : DataFrame
        ``county_code, school_year, school_code, school_name`` (code or name may be missing), optionally ``students``
        and ``stage``; rows of schools, of subjects or of students. Rows with the same four keys are one school.
    register : DataFrame
        The same columns, one or more rows a school; rows with the same code are one school.

    Returns
    -------
    MatchResult
        A school is matched by its code. Where it has none, or the register does not know it, it is matched by its name,
        if exactly one school of that county and year has it (:func:`plain_name`; nothing else is overlooked). Code and
        name that point to two schools are a ``conflict``: matched by code, and listed. A county and year without a
        register, or of which no school was found, says so in ``places``; monitored schools that were matched to one and
        the same school say so in ``remark``.

    Raises
    ------
    InputError
        A table is empty or lacks a column; a row lacks its county or school year.
    """
    monitored = _checked(monitored, "监测学校")
    seen = _schools(monitored)
    known = _checked(register, "学校表")
    staged = "stage" in monitored and "stage" in known
    kept = [*KEYS, *(["stage"] if staged else [])]
    known = known.drop_duplicates(kept).reset_index(drop=True)
    plain = [plain_name(n) for n in known["school_name"]]
    known = known[kept].assign(plain=plain, school=_identity(known, plain))
    index = _Register(known)
    found = [index.find(row) for row in seen[list(KEYS)].itertuples(index=False)]
    table = pd.concat([seen, pd.DataFrame(found, columns=[*TABLE[5:], "school"], index=seen.index)], axis=1)
    table["remark"] = _shared(table)
    without = _without_results(known, table, monitored if staged else None)
    places = _places(table, known, without)
    return MatchResult(table[TABLE], without[kept], places, known)


def _checked(frame: pd.DataFrame, what: str) -> pd.DataFrame:
    if absent := [name for name in KEYS if name not in frame]:
        raise InputError(
            "缺少列，学校对不上", where=what, found="没有 " + "、".join(absent), expected="、".join(KEYS),
            fix="补上这些列；没有代码或校名时该列留空。县内不分校的统计仍可计算",
        )
    if frame.empty:
        raise InputError(
            "没有学校可以对应", where=what, found="0 行", expected="至少一所学校", fix="核对县与学年；没有学校表时监测结果仍可单独报告"
        )
    blank = frame[list(KEYS[:2])].isna().any(axis=1)
    if blank.any():
        raise InputError(
            "有学校没有县或学年", where=what, found=f"{len(frame)} 行中 {int(blank.sum())} 行", expected="每行有县区划代码与学年",
            fix="补上县区划代码与学年；只在同县同学年之内对应",
        )
    kept = [name for name in (*KEYS, "students", "stage") if name in frame]
    return frame[kept].astype({name: object for name in kept if name not in ("school_year", "students")})


def _schools(monitored: pd.DataFrame) -> pd.DataFrame:
    """One row a monitored school, in the order of county, year, code and name."""
    rows = monitored[list(KEYS)].assign(students=monitored["students"] if "students" in monitored else 1)
    for name in KEYS[2:]:
        text = rows[name].astype(object)
        rows[name] = text.where(text.notna() & text.ne(""), np.nan)
    return rows.groupby(list(KEYS), dropna=False, sort=True, observed=True)["students"].sum(min_count=1).reset_index()


def _identity(known: pd.DataFrame, plain: list[str]) -> list[tuple[str, str]]:
    """What makes rows of the register one school: the code, or the name where there is no code."""
    codes = known["school_code"].astype(object).where(known["school_code"].notna(), "")
    return [(str(c), "" if c else p) for c, p in zip(codes, plain, strict=True)]


class _Register:
    """Schools of the register by place and code, and by place and name."""

    def __init__(self, known: pd.DataFrame) -> None:
        self.names: dict[tuple, dict[tuple[str, str], dict[str, object]]] = {}
        self.named: dict[tuple, list[tuple[str, str]]] = {}
        columns = (known[c] for c in ("county_code", "school_year", "school", "school_name", "plain"))
        for county, year, school, name, plain in zip(*columns, strict=True):
            self.names.setdefault((county, year), {}).setdefault(school, {})[plain] = name
            holders = self.named.setdefault((county, year, plain), [])
            if school not in holders:
                holders.append(school)

    def find(self, row: Any) -> tuple:
        """Columns of ``TABLE`` from ``how`` on, and the school."""
        place = (row.county_code, row.school_year)
        here = self.names.get(place, {})
        code, plain = "" if pd.isna(row.school_code) else str(row.school_code), plain_name(row.school_name)
        by_name = self.named.get((*place, plain), []) if plain else []
        if code and (code, "") in here:
            return self._by_code(place, (code, ""), plain, by_name)
        lost = [say("学校表中没有代码 {code}", code=code)] if code else []
        if len(by_name) == 1:
            remark = clauses([*lost, say("按校名对应")]) if lost else ""
            return self._matched(place, "name", by_name[0], plain, "", remark)
        if by_name:
            remark = clauses([*lost, say("有 {n} 所同名学校，请补上学校标识码", n=len(by_name))])
            return "ambiguous", np.nan, np.nan, False, self._listed(place, by_name), remark, None
        if not here:
            remark = say("学校表中没有这个县的这一学年")
        elif not code and not plain:
            remark = say("没有代码也没有校名")
        else:
            remark = clauses([*lost, say("没有这个校名") if plain else say("没有校名")])
        return "unmatched", np.nan, np.nan, False, "", remark, None

    def _by_code(self, place: tuple, school: tuple[str, str], plain: str, by_name: list[tuple[str, str]]) -> tuple:
        if by_name and school not in by_name:
            both = self._listed(place, [school, *by_name])
            return self._matched(place, "conflict", school, plain, both, say("代码与校名指向不同学校，按代码对应，请核对"))
        names = self.names[place][school]
        differs = bool(plain) and plain not in names
        remark = say("学校表中这个代码的名称是“{name}”", name=next(iter(names.values()))) if differs else ""
        return self._matched(place, "code", school, plain, "", remark)

    def _matched(
        self, place: tuple, how: str, school: tuple[str, str], plain: str, candidates: str, remark: str
    ) -> tuple:
        names = self.names[place][school]
        name = names.get(plain, next(iter(names.values())))
        other = bool(plain) and plain not in names
        return how, school[0] or np.nan, name, other, candidates, remark, (*place, *school)

    def _listed(self, place: tuple, schools: Iterable[tuple[str, str]]) -> str:
        return clauses(f"{s[0]} {next(iter(self.names[place][s].values()))}".strip() for s in schools)


def _shared(table: pd.DataFrame) -> pd.Series:
    """Remarks, with a word where several monitored schools were matched to one school of the register."""
    held = Counter(s for s in table["school"] if s is not None)
    remarks = [
        clauses(filter(None, [remark, say("与另外 {n} 所监测学校对应到同一所学校", n=held[s] - 1)])) if held[s] > 1 else remark
        for s, remark in zip(table["school"], table["remark"], strict=True)
    ]
    return pd.Series(remarks, index=table.index, dtype=object)


def _without_results(known: pd.DataFrame, table: pd.DataFrame, staged: pd.DataFrame | None) -> pd.DataFrame:
    """Schools of the register that nothing was matched to; by stage where the results say their stage."""
    keys = [(*k, *s) for *k, s in zip(known["county_code"], known["school_year"], known["school"], strict=True)]
    if staged is None:
        rows = known.assign(key=keys).drop_duplicates("key")
        return rows[~rows["key"].isin({s for s in table["school"] if s is not None})].reset_index(drop=True)
    place = table.set_index(list(KEYS))["school"]
    pairs = staged[[*KEYS, "stage"]].drop_duplicates().merge(
        place.reset_index(), on=list(KEYS), how="left"
    )
    met = {(s, stage) for s, stage in zip(pairs["school"], pairs["stage"], strict=True) if isinstance(s, tuple)}
    rows = known.assign(key=list(zip(keys, known["stage"], strict=True))).drop_duplicates("key")
    return rows[~rows["key"].isin(met)].reset_index(drop=True)


def _places(table: pd.DataFrame, known: pd.DataFrame, without: pd.DataFrame) -> pd.DataFrame:
    place = list(KEYS[:2])
    counts = {
        "monitored": table.groupby(place).size(),
        "matched": table[table["how"].isin(MATCHED)].groupby(place).size(),
        "register": known.drop_duplicates([*place, "school"]).groupby(place).size(),
        "without_results": without.drop_duplicates([*place, "school"]).groupby(place).size(),
    }
    frame = pd.concat(counts, axis=1).fillna(0).astype(int).sort_index().reset_index()
    remark = np.select(
        [frame["monitored"] == 0, frame["register"] == 0, frame["matched"] == 0],
        [say("没有监测结果"), say("没有学校表，监测学校都没有对应"), say("监测学校与学校表一所也没有对应")], default="",
    )
    return frame.assign(remark=remark.astype(object))
