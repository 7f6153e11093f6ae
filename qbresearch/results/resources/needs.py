"""What schools lack to reach each threshold, added up: the first answer to "what would it take"."""

from __future__ import annotations

import pandas as pd

from qbresearch.results.resources.attainment import AttainmentResult


def sum_shortfalls(result: AttainmentResult) -> pd.DataFrame:
    """Shortfalls of all schools below a threshold, by indicator.

    .. math:: need_k = \\sum_i \\max(0, \\; t_k P_i / s_k - X_{ik})

    with threshold :math:`t`, students :math:`P`, scale :math:`s` and numerator :math:`X` of school i.

    Returns
    -------
    DataFrame
        One row per county, year, stage and indicator: keys, ``indicator, label, short, counted``, ``schools`` (below
        the threshold), ``shortfall`` (in the counted unit), ``whole`` (the same rounded up school by school to whole people
        or things; NaN for areas and money), ``undecided`` (schools
        without data, which add nothing). Indicators without a threshold are left out.
    """
    tidy = result.tidy()
    tidy = tidy[tidy["threshold"].notna()]
    by = ["county_code", "school_year", "stage", "indicator", "label", "short", "counted"]
    return (
        tidy.assign(below=tidy["verdict"].eq("not_met"), open=tidy["verdict"].eq("undecided"))
        .groupby(by, sort=False, observed=True)
        .agg(
            schools=("below", "sum"),
            shortfall=("shortfall", "sum"),
            whole=("whole_shortfall", lambda column: column.sum(min_count=1)),
            undecided=("open", "sum"),
        )
        .reset_index()
    )
