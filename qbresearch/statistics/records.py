"""Tables as plain data that every JSON reader takes."""

from __future__ import annotations

from typing import Any

import pandas as pd


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dictionaries of Python values, for code that goes through a table row by row; ``NA`` becomes ``None``."""
    names = list(frame.columns)
    return [
        {name: None if cell is pd.NA else cell for name, cell in zip(names, row, strict=True)}
        for row in frame.astype(object).to_numpy().tolist()
    ]


def plain_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dictionaries of Python values; a number that is missing or infinite becomes ``None``."""
    numbers = frame.select_dtypes("number")
    finite = numbers.notna() & ~numbers.isin([float("inf"), float("-inf")])
    plain = frame.astype(object)
    plain[numbers.columns] = plain[numbers.columns].where(finite, None)
    return plain.to_dict("records")
