"""Published county tables as points of comparison for computed coefficients of variation."""

from __future__ import annotations

import pandas as pd

from qbresearch.rules.standards import Standard


def published_ranges(published: pd.DataFrame, standard: Standard, stage: str) -> pd.DataFrame:
    """Smallest, median and largest published coefficient of variation of each indicator of a standard.

    Parameters
    ----------
    published : DataFrame
        From :func:`qbresearch.processed.published.load_published` for the same standard.
    standard : Standard
    stage : str

    Returns
    -------
    DataFrame
        One row per indicator that at least one county published: ``indicator, label, counties, lowest, median,
        highest, places`` (county names). Values are as printed, three to six decimals.
    """
    rows = published[(published["stage"] == stage) & published["cv"].notna()]
    found = []
    for indicator in standard.indicators:
        cvs = rows[rows["indicator"] == indicator.id]
        if len(cvs):
            places = "、".join(dict.fromkeys(cvs["county"]))
            found.append(
                (indicator.code, indicator.label_zh, len(cvs), cvs["cv"].min(), cvs["cv"].median(), cvs["cv"].max(), places)
            )
    return pd.DataFrame(
        found, columns=["indicator", "label", "counties", "lowest", "median", "highest", "places"]
    )
