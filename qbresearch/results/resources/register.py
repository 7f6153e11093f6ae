"""Who is in the data: schools and students by type and place, and cells that are missing."""

from __future__ import annotations

import pandas as pd

from qbresearch.language import label_of, say
from qbresearch.raw.checks import needs
from qbresearch.rules.columns import TableContract


def count_schools(schools: pd.DataFrame, contract: TableContract) -> pd.DataFrame:
    """Schools and students by school type.

    Parameters
    ----------
    schools : DataFrame
        One row a school, one year.
    contract : TableContract

    Returns
    -------
    DataFrame
        One row per school type present (one row ``全部`` where the data have no types) and a last row ``合计``:
        ``type`` (in words), ``schools`` (campuses that do not count as schools left out, their students counted), one column a location choice, and one a column of students (persons).
    """
    students = [c.name for c in contract.columns if c.name == "students" or c.name.startswith("students_")]
    places = [c.id for c in contract.column("location").choices]
    words = contract.choice_labels("school_type") if "school_type" in schools else {}
    everything = say("全部")
    kinds = schools["school_type"] if words else pd.Series(everything, index=schools.index)
    rows = []
    for kind in [k for k in (words or {everything: ""}) if kinds.eq(k).any()]:
        rows.append({"type": words.get(kind, kind)} | _totals(schools[kinds.eq(kind)], students, places))
    if len(rows) > 1:
        rows.append({"type": say("合计")} | _totals(schools, students, places))
    return pd.DataFrame(rows)


def _totals(schools: pd.DataFrame, students: list[str], places: list[str]) -> dict[str, float]:
    counted = schools[~schools["counted"].eq("no").fillna(False).astype(bool)] if "counted" in schools else schools
    located = {place: int(counted["location"].eq(place).sum()) for place in places}
    return {"schools": len(counted), **located, **{name: schools[name].sum(min_count=1) for name in students}}


def list_missing(schools: pd.DataFrame, contract: TableContract) -> pd.DataFrame:
    """Numbers that a school should have and does not.

    Returns
    -------
    DataFrame
        One row per missing cell: ``school_name, label`` (of the column), ``source_file``.
    """
    found = []
    for column in contract.columns:
        if column.is_number and not column.optional and not column.blank_allowed:
            rows = schools[schools[column.name].isna() & needs(schools, column.stage, contract)]
            found.append(rows.assign(label=label_of(column)))
    wanted = ["school_name", "label", "source_file"]
    return pd.concat(found).reindex(columns=wanted).reset_index(drop=True)
