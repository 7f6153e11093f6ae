"""Tables as plain data that every JSON reader takes."""

from __future__ import annotations

from typing import Any

import pandas as pd


def plain_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dictionaries of Python values; a number that is missing or infinite becomes ``None``."""
    numbers = frame.select_dtypes("number")
    finite = numbers.notna() & ~numbers.isin([float("inf"), float("-inf")])
    plain = frame.astype(object)
    plain[numbers.columns] = plain[numbers.columns].where(finite, None)
    return plain.to_dict("records")
