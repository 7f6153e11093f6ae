"""Writing to a terminal: rows as lines, plain values, progress."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def progress(items: Sequence[Any], what: str, unit: str) -> Iterable[Any]:
    from tqdm import tqdm

    return tqdm(items, desc=what, unit=unit, leave=False, ncols=80, delay=1)


def print_frame(frame: pd.DataFrame, columns: list[str] | None, *, stream: Any = None) -> None:
    """Rows as lines of text; every cell is shown whole."""
    for row in (frame[columns] if columns else frame).itertuples(index=False):
        print("  " + " | ".join(str(v) for v in row if str(v)), file=stream or sys.stdout)


def plain(value: Any) -> Any:
    """NumPy scalars, NaN and missing values as plain JSON values."""
    import numpy as np
    import pandas as pd

    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if value is pd.NA or (isinstance(value, float) and not np.isfinite(value)) else value
