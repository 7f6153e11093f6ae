"""Writing to a terminal: rows as lines, tables, plain values, lengths of time, progress.

A Chinese character takes two columns. So, in the fonts of a Chinese Windows, do characters that Unicode calls ambiguous
(“—”, “…”, “·”, the lines that boxes are drawn with): they are measured as two here, and nothing here draws with them,
lest a line be longer than it was thought to be.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

CUT = ".."


def progress(items: Sequence[Any], what: str, unit: str) -> Iterable[Any]:
    from tqdm import tqdm

    return tqdm(items, desc=what, unit=unit, leave=False, ncols=80, delay=1)


def print_frame(frame: pd.DataFrame, columns: list[str] | None, *, stream: Any = None) -> None:
    """Rows as lines of text; every cell is shown whole."""
    for row in (frame[columns] if columns else frame).itertuples(index=False):
        print("  " + " | ".join(str(v) for v in row if str(v)), file=stream or sys.stdout)


def table_lines(headings: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[int] = ()) -> list[str]:
    """A table with its columns below one another; the columns ``right`` (from 0) stand at their right edge."""
    texts = [list(headings), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(columns_of, column)) for column in zip(*texts, strict=True)]
    right = set(right)
    lines = []
    for row in texts:
        cells = []
        for n, (text, width) in enumerate(zip(row, widths, strict=True)):
            gap = " " * (width - columns_of(text))
            cells.append(gap + text if n in right else text + gap)
        lines.append("  ".join(cells).rstrip())
    return lines


def columns_of(text: str) -> int:
    """How many columns of a terminal a text takes at most."""
    return sum(_width(char) for char in text)


def fit(text: str, columns: int) -> str:
    """A text as one line, cut where it takes more than these columns; what a terminal would act upon is left out."""
    text = "".join(char if char.isprintable() else " " for char in text)
    if columns_of(text) <= columns:
        return text
    room, kept = columns - len(CUT), []
    for char in text:
        room -= _width(char)
        if room < 0:
            break
        kept.append(char)
    return ("".join(kept) + CUT)[: max(columns, 0)]


def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WFA" else 1


def duration(seconds: float) -> str:
    """A length of time in Chinese: ``4 秒``, ``3 分 20 秒``, ``2 小时 5 分``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} 秒"
    if whole < 3600:
        return f"{whole // 60} 分 {whole % 60} 秒"
    return f"{whole // 3600} 小时 {whole % 3600 // 60} 分"


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
