"""What tests of items judged school by school share: counties whose classes add up, and verdicts by requirement."""

from __future__ import annotations

from datetime import date

from evaluation_data import county

from qbresearch.results.evaluation.schools import SchoolEvidence
from qbresearch.rules.evaluations import load_evaluation

NATIONAL = load_evaluation("national-2017", on=date(2023, 9, 1))
NAN = float("nan")
STANDARDS = [{"funding_standard_primary_yuan": 700, "funding_standard_junior_yuan": 900}]
ORDER = {"met": 2, "undecided": 1, "not_met": 0}


def listed_county(*schools, tables):
    """A county whose schools have as many students as their classes hold, where they have classes."""
    def told(row):
        sizes = {f"students_{stage}": [c["students"] or 0 for c in tables["class"] if c["school_code"] == row["school_code"] and c["stage"] == stage]
                 for stage in ("primary", "junior")}  # fmt: skip
        return row | {column: sum(found) for column, found in sizes.items() if found}

    return county(*map(told, schools), tables=tables)


def verdicts(found: SchoolEvidence, requirement: str | None = None) -> list[str]:
    rows = found.rows if requirement is None else found.rows[found.rows["requirement"] == requirement]
    return rows["verdict"].tolist()


def only(found: SchoolEvidence, requirement: str) -> dict[str, object]:
    rows = found.rows[found.rows["requirement"] == requirement].to_dict("records")
    assert len(rows) == 1
    return rows[0]
