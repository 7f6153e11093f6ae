"""What the evaluation of one county and year reads; a table nobody has supplied is ``None``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from qbresearch.rules.columns import TableContract
from qbresearch.statistics.records import records

Record = Mapping[str, Any]
"""A row: column to cell."""


@dataclass(frozen=True)
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

    @cached_property
    def school_records(self) -> tuple[Record, ...]:
        """Rows of the school table one by one: what is judged site by site reads them many times."""
        return tuple(records(self.schools))

    @cached_property
    def _records(self) -> dict[str, tuple[Record, ...]]:
        return {table: tuple(records(rows)) for table, rows in self.tables.items()}

    def records(self, table_id: str) -> tuple[Record, ...] | None:
        """Rows of a table one by one, or ``None`` where it was not supplied."""
        return self._records.get(table_id)
