"""Published county tables as points of comparison for computed coefficients of variation."""

from __future__ import annotations

import pandas as pd

from qbresearch.language import label_of
from qbresearch.rules.standards import Standard


def published_values(published: pd.DataFrame, standard: Standard, stage: str) -> pd.DataFrame:
    """Published coefficients of variation of a standard's indicators, county by county.

    Parameters
    ----------
    published : DataFrame
        From :func:`qbresearch.processed.published.load_published` for the same standard.
    standard : Standard
    stage : str

    Returns
    -------
    DataFrame
        One row per indicator and county: ``indicator, label, county, year`` (missing where the source prints none),
        ``cv`` (as printed), ``source_url``. Single values, not summaries: the counties are too few for a median.
    """
    codes = {i.id: (place, i.code, label_of(i)) for place, i in enumerate(standard.indicators)}
    rows = published[(published["stage"] == stage) & published["cv"].notna() & published["indicator"].isin(list(codes))]
    rows = rows.assign(
        place=[codes[i][0] for i in rows["indicator"]],
        label=[codes[i][2] for i in rows["indicator"]],
        indicator=[codes[i][1] for i in rows["indicator"]],
    )
    ordered = rows.sort_values(["place", "county"], kind="stable")
    return ordered[["indicator", "label", "county", "year", "cv", "source_url"]].reset_index(drop=True)
