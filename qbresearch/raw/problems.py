"""What is wrong with a file, one row a cell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from qbresearch.raw.cells import shown_text

ERROR, NOTICE = "错误", "提示"
PROBLEM_COLUMNS = ["file", "sheet", "row", "column", "level", "found", "expected", "fix"]
LONGEST_SHOWN = 40


@dataclass(slots=True)
class Problems:
    """Collects what is wrong with a file, one row a cell, in the order found."""

    file: str
    rows: list[tuple[Any, ...]] = field(default_factory=list)

    def add(
        self, sheet: str, row: int | str, column: str, found: object, expected: str, fix: str, level: str = ERROR
    ) -> None:
        """Note one problem; ``row`` is the row as the spreadsheet numbers it, ``found`` is shown as it stands there."""
        shown = shown_text(found).strip()
        shown = shown if len(shown) <= LONGEST_SHOWN else shown[:LONGEST_SHOWN] + "…"
        self.rows.append((self.file, sheet, str(row), column, level, shown or "空白", expected, fix))

    def frame(self) -> pd.DataFrame:
        """All problems as a table with columns ``PROBLEM_COLUMNS``."""
        return pd.DataFrame(self.rows, columns=PROBLEM_COLUMNS)
