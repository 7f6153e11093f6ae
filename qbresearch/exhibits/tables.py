"""Tidy frames in, printable tables out. Rounding, percent signs and thousands separators appear here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pandas as pd

from qbresearch.exhibits.style import verdict_words
from qbresearch.language import say

ABSENT = "—"
FRAGILE_MARK = "▲"
DECIMALS_BELOW = 1000
SMALLEST_SHOWN = 0.1


@dataclass(frozen=True, slots=True)
class Column:
    """One printed column: where its values come from, its heading with unit, how it is written and aligned."""

    name: str
    label: str
    write: Callable[[Any], str]
    align: str = "right"


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table ready to print: headings and alignment, rows of text, and a tone for each row (see ``blocks.TONES``)."""

    columns: tuple[dict[str, str], ...]
    rows: tuple[tuple[str, ...], ...]
    tones: tuple[str, ...] = ()


def report_table(frame: pd.DataFrame, columns: Iterable[Column], *, tone: str | None = None) -> ReportTable:
    """Write a frame's columns as text.

    Parameters
    ----------
    frame : DataFrame
        Rows in printing order.
    columns : iterable of Column
    tone : str, optional
        Column of verdicts whose value becomes the row's tone.

    Returns
    -------
    ReportTable
        An empty frame gives one row that says 无.
    """
    columns = tuple(columns)
    heads = tuple({"label": c.label, "align": c.align} for c in columns)
    if frame.empty:
        # A table that says 无 is read; one without rows looks like a fault.
        return ReportTable(heads, ((say("无"), *[""] * (len(columns) - 1)),))
    cells = [[c.write(v) for v in frame[c.name]] for c in columns]
    tones = tuple(str(v) or "plain" for v in frame[tone]) if tone else ()
    return ReportTable(heads, tuple(zip(*cells, strict=True)), tones)


def text(name: str, label: str, words: dict[Any, str] | None = None) -> Column:
    """A left-aligned column of words, optionally translated."""
    def write(value: Any) -> str:
        if pd.isna(value) or value == "":
            return ABSENT
        return (words or {}).get(value, str(value))

    return Column(name, label, write, "left")


def count(name: str, label: str) -> Column:
    """Whole numbers with thousands separators."""
    return Column(name, label, lambda v: ABSENT if pd.isna(v) else f"{int(round(v)):,}")


def year(name: str, label: str) -> Column:
    """Years, without separators."""
    return Column(name, label, lambda v: ABSENT if pd.isna(v) else str(int(v)), "left")


def fixed(name: str, label: str, decimals: int) -> Column:
    """Numbers with a fixed number of decimals, halves rounded up (四舍五入)."""
    return Column(name, label, lambda v: fixed_point(v, decimals))


def amount(name: str, label: str) -> Column:
    """Quantities of mixed size (teachers, square metres, yuan); see :func:`amount_words`."""
    return Column(name, label, amount_words)


def signed(name: str, label: str, decimals: int) -> Column:
    """Differences, always with their sign."""
    def write(value: Any) -> str:
        digits = fixed_point(value, decimals)
        return digits if digits == ABSENT or digits.startswith("−") else f"+{digits}"

    return Column(name, label, write)


def percent(name: str, label: str, decimals: int = 1) -> Column:
    """Shares between 0 and 1, printed as percentages."""
    return Column(name, label, lambda v: ABSENT if pd.isna(v) else fixed_point(v * 100, decimals) + "%")


def verdict(name: str, label: str) -> Column:
    """Verdicts as words."""
    return Column(name, label, lambda v: ({"": ABSENT} | verdict_words())[v], "center")


def mark(name: str, label: str) -> Column:
    """A sign where a boolean is true."""
    return Column(name, label, lambda v: FRAGILE_MARK if v else "", "center")


def amount_words(value: Any) -> str:
    """A quantity with one decimal below a thousand and none from there on; what would print as 0.0 is ``<0.1``."""
    if not pd.isna(value) and 0 < value < SMALLEST_SHOWN / 2:
        return f"<{SMALLEST_SHOWN}"
    return fixed_point(value, 1 if pd.isna(value) or abs(value) < DECIMALS_BELOW else 0)


def fixed_point(value: Any, decimals: int) -> str:
    """A number with fixed decimals, halves rounded up as its shortest decimal form shows them; ``—`` if missing."""
    if value is None or pd.isna(value):
        return ABSENT
    rounded = Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
    return f"{abs(rounded) if rounded == 0 else rounded:,f}".replace("-", "−")


def suppress_small(
    frame: pd.DataFrame, *, count: str, columns: Iterable[str], fewest: float, within: str | None = None
) -> pd.DataFrame:
    """Empty the cells that speak of fewer than ``fewest`` persons, so that nobody can be recognised.

    Parameters
    ----------
    frame : DataFrame
    count : str
        Column with the number of persons behind each row. A row of zero persons says nothing about anybody and stays.
    columns : iterable of str
        Columns to empty; ``count`` itself is emptied too.
    fewest : float
        Smallest number of persons that may be shown.
    within : str, optional
        Column of the whole that rows add up to. What is emptied could be found by subtraction from the whole as long
        as it is one row, or rows of fewer than ``fewest`` persons together, so the smallest others are emptied as well.

    Returns
    -------
    DataFrame
        A copy with a boolean column ``suppressed``.
    """
    small = frame[count].between(0, fewest, inclusive="neither")
    if within is not None:
        for _, rows in frame.groupby(within, sort=False):
            while (hidden := small[rows.index]).any():
                others = rows.loc[~hidden & rows[count].gt(0), count]
                enough = hidden.sum() > 1 and rows.loc[hidden, count].sum() >= fewest
                if enough or others.empty:
                    break
                small[others.idxmin()] = True
    names = [*columns, count]
    shown = frame.astype({name: "float64" for name in names})
    shown.loc[small, names] = float("nan")
    return shown.assign(suppressed=small)


STARS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))


def stars_note() -> str:
    """What the stars and the numbers in brackets of :func:`side_by_side` mean."""
    return say("括号内为标准误；* p<0.05，** p<0.01，*** p<0.001（双侧 t 检验，未作多重比较校正）。")


def side_by_side(estimates: pd.DataFrame, *, decimals: int = 3) -> ReportTable:
    """Models beside each other as journals print them: a row a term, a column a model, coefficient, stars and error.

    Parameters
    ----------
    estimates : DataFrame
        ``label`` (of the term), ``model``, ``estimate, se, p``; terms and models in printing order of first appearance.
    decimals : int
        Of coefficients and standard errors.

    Returns
    -------
    ReportTable
        A term that a model does not hold has an empty cell; an empty frame gives one row that says 无.
    """
    models = list(dict.fromkeys(estimates["model"]))
    cells = {
        (row.label, row.model): f"{fixed_point(row.estimate, decimals)}{_stars(row.p)} ({fixed_point(row.se, decimals)})"
        for row in estimates.itertuples()
    }
    rows = pd.DataFrame(
        [{"label": label} | {model: cells.get((label, model), "") for model in models}
         for label in dict.fromkeys(estimates["label"])]
    )  # fmt: skip
    return report_table(rows, [text("label", say("变量")), *(Column(m, m, str, "right") for m in models)])


def _stars(p: float) -> str:
    return next((stars for limit, stars in STARS if p < limit), "")


def p_value(name: str, label: str) -> Column:
    """Probabilities with three decimals; what would print as 0.000 is ``<0.001``."""
    def write(value: Any) -> str:
        return "<0.001" if not pd.isna(value) and value < SMALLEST_P else fixed_point(value, 3)

    return Column(name, label, write)


SMALLEST_P = 0.001
