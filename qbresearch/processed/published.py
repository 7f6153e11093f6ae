"""County means and coefficients of variation that counties published, as points of comparison."""

from __future__ import annotations

import pandas as pd

from qbresearch.processed.store import load_rows, require_built
from qbresearch.project import Project

FRAMEWORKS = {"quality_2017": "national-2017", "basic_2012": "basic-2012"}


def load_published(project: Project, *, standard_id: str, source_id: str = "published-cv") -> pd.DataFrame:
    """Published coefficients of variation under one standard, as printed.

    Returns
    -------
    DataFrame
        One row per county, stage and indicator: ``province, city, county, year, stage, indicator`` (id of the
        standard's indicators, or ``composite``), ``mean``, ``sd``, ``cv``, ``source_url``, ``note``. Empty for a
        standard that no published table uses.

    Raises
    ------
    InputError
        The source has not been built.
    """
    frame, _ = load_rows(project, require_built(project, source_id))
    return frame[frame["framework"].map(FRAMEWORKS) == standard_id].reset_index(drop=True)
