"""Who is judged school by school: counted schools with their campuses, and which rows of other tables are theirs."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from qbresearch.errors import InputError
from qbresearch.results.evaluation.inputs import CountyInputs, Record

COMPULSORY = ("primary", "junior")
TEACHING_POINT = "teaching_point"
THROUGH = ("nine_year", "twelve_year")
SCHOOLS = ("primary", "junior", "complete_secondary", *THROUGH)
"""What the clauses call primary and junior schools; private ones and those not run by the county are among them."""
WITH_TEACHING_POINTS = (*SCHOOLS, TEACHING_POINT)
EVERY_SCHOOL = (*WITH_TEACHING_POINTS, "special_education")
"""All schools of compulsory education that the inspection as a whole covers; vocational schools are not among them."""


@dataclass(frozen=True, slots=True)
class Site:
    """One row of the school table: a school, a teaching point or a campus.

    home : code of the school it belongs to, its own where it counts as one. students : per compulsory stage, NaN where
    the number is missing, 0 where the stage is not taught.
    """

    code: str
    name: str
    kind: str
    home: str
    students: Mapping[str, float]

    @property
    def is_campus(self) -> bool:
        """Whether it is merged into another school."""
        return self.home != self.code


@dataclass(frozen=True, slots=True)
class School:
    """A counted school with its campuses.

    students : per compulsory stage, campuses included; a number missing at any site makes the sum NaN. known : the same
    without what is missing.
    """

    code: str
    name: str
    kind: str
    students: Mapping[str, float]
    known: Mapping[str, float]

    @property
    def has_students(self) -> bool:
        """Whether it has students of compulsory education, or may have."""
        return sum(self.known.values()) > 0 or any(math.isnan(n) for n in self.students.values())


@dataclass(frozen=True, slots=True)
class Roster:
    """All sites of a county and year by code, and its counted schools in the order of their codes."""

    sites: Mapping[str, Site]
    schools: tuple[School, ...]

    def of(self, kinds: Collection[str], *, seen: Collection[str] = ()) -> tuple[School, ...]:
        """Counted schools of these types that have, or may have, students of compulsory education.

        seen : codes of schools that another table shows to have them, whatever the school table says.
        """
        return tuple(s for s in self.schools if s.kind in kinds and (s.has_students or s.code in seen))

    def rows_of(self, rows: Iterable[Record] | None) -> dict[str, list[Record]]:
        """Rows of a table by the school they belong to; those of a campus stand with its school."""
        found: dict[str, list[Record]] = {}
        for row in rows or ():
            site = self.sites.get(str(row["school_code"]))
            if site:
                found.setdefault(site.home, []).append(row)
        return found

    def unmatched(self, *tables: Iterable[Record] | None) -> tuple[str, ...]:
        """School codes in the rows of these tables that the school table does not have."""
        codes = {str(row["school_code"]) for rows in tables for row in rows or ()}
        return tuple(sorted(codes - set(self.sites)))


def school_roster(inputs: CountyInputs) -> Roster:
    """The schools and sites of a county and year.

    A campus (``counted = no``) belongs to its parent, and so do its students; a stage that a site's type does not teach
    has no students.

    Raises
    ------
    InputError
        A school has no type, or a campus belongs to no school of the table.
    """
    rows = inputs.school_records
    if nameless := [str(row["school_name"]) for row in rows if pd.isna(row["school_type"])]:
        raise InputError(
            "有学校没有办学类型",
            where=f"{inputs.county_name} {inputs.school_year} 学年",
            found="、".join(nameless[:5]),
            expected="每所学校一种办学类型",
            fix="补上办学类型；它决定哪些要求适用于这所学校",
        )
    sites = {str(row["school_code"]): _site(row, inputs) for row in rows}
    counted = {code for code, site in sites.items() if not site.is_campus}
    if lost := sorted(code for code, site in sites.items() if site.home not in counted):
        raise InputError(
            "校区找不到所属学校",
            where=f"{inputs.county_name} {inputs.school_year} 学年",
            found="、".join(lost),
            expected="所属学校在同县同学年的学校表中，并计校数",
            fix="核对“所属学校标识码”与“是否计校数”两列",
        )
    return Roster(sites, tuple(_merged(sites[code], sites) for code in sorted(counted)))


def _site(row: Record, inputs: CountyInputs) -> Site:
    code, kind = str(row["school_code"]), str(row["school_type"])
    campus = str(row.get("counted")) == "no"
    taught = inputs.contract.stages_of(kind)
    students = {}
    for stage in COMPULSORY:
        number = row.get(f"students_{stage}")
        missing = math.nan if stage in taught else 0.0
        students[stage] = missing if number is None or pd.isna(number) else float(number)
    return Site(code, str(row["school_name"]), kind, str(row["parent_code"]) if campus else code, students)


def _merged(own: Site, sites: Mapping[str, Site]) -> School:
    parts = [site for site in sites.values() if site.home == own.code]
    students = {stage: sum(site.students[stage] for site in parts) for stage in COMPULSORY}
    known = {stage: sum(n for site in parts if not math.isnan(n := site.students[stage])) for stage in COMPULSORY}
    return School(own.code, own.name, own.kind, students, known)
