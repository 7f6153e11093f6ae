"""What the evaluation of one county and year reads; a table nobody has supplied is ``None``."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from qbresearch.rules.columns import TableContract


@dataclass(frozen=True, slots=True)
class CountyInputs:
    """Rows of one county and school year in contract columns and units (``finance`` and ``project`` of all years).

    schools : rows of the school table as read, campuses in rows of their own. tables : by table id (``BESIDE``); a
    table that nobody has supplied is missing. contracts : the contracts of the tables present, by table id.
    """

    county_code: str
    county_name: str
    school_year: int
    schools: pd.DataFrame = field(repr=False)
    contract: TableContract = field(repr=False)
    tables: dict[str, pd.DataFrame] = field(repr=False)
    contracts: dict[str, TableContract] = field(repr=False)

    def table(self, table_id: str) -> pd.DataFrame | None:
        """Rows of a table, or ``None`` where it was not supplied."""
        return self.tables.get(table_id)
