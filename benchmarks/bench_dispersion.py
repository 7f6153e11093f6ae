"""How long coefficients of variation and verdicts take for a whole country of schools, against two other ways.

    python benchmarks/bench_dispersion.py [--schools N] [--years N] [--rounds N] [--write]

Five ways are timed in one run, interleaved, on the same made arrays (seeded):

a  pandas: ``groupby().apply()`` per county and year with ``np.average`` per indicator, what one would write first
b  NumPy: ``np.bincount``, two passes, nothing else
c  :func:`grouped_moments`
d  :func:`measure_dispersion` on an :class:`IndicatorTable`
e  :func:`assess`: every school and every county judged

All five give the same coefficients of variation, which is checked before anything is timed. Peak memory is that of a
process of its own that makes the data and runs one way once; ``--write`` puts the figures into ``results.md``.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qbresearch.results.resources.attainment import assess, judge_schools, judge_units
from qbresearch.results.resources.dispersion import measure_dispersion, unit_groups
from qbresearch.results.resources.indicators import IndicatorTable
from qbresearch.rules.standards import load_standard
from qbresearch.statistics.dispersion import grouped_moments

SEED = 20_170_419
SCHOOLS_PER_COUNTY = 69  # 200,000 schools in some 2,900 counties
FIRST_YEAR = 2014
STANDARD = load_standard("national-2017", on=date(2023, 9, 1))
CODES = [i.code for i in STANDARD.indicators]
RESULTS = Path(__file__).with_name("results.md")
NAMES = {
    "a": "pandas groupby().apply(), np.average",
    "b": "NumPy bincount, two passes",
    "c": "grouped_moments",
    "d": "measure_dispersion (table with units)",
    "e": "assess (schools and counties judged)",
}


@dataclass(frozen=True)
class Data:
    """Everything the ways start from: ``table`` for d and e, ``groups`` for b and c, ``frame`` for a."""

    table: IndicatorTable
    groups: np.ndarray
    n_groups: int
    frame: pd.DataFrame | None


def make_data(schools: int, years: int, *, with_frame: bool) -> Data:
    """Schools of all counties and years; about three in four values reach their threshold, none is missing."""
    rng = np.random.default_rng(SEED)
    n, k = schools * years, len(CODES)
    counties = max(1, round(schools / SCHOOLS_PER_COUNTY))
    county_of_school = np.sort(rng.integers(0, counties, schools)).astype(np.int32)
    students = rng.integers(60, 2500, n).astype(float)
    numerators, values = np.empty((n, k)), np.empty((n, k))
    for column, indicator in enumerate(STANDARD.indicators):
        threshold = STANDARD.threshold(indicator.code, "primary").value
        for start in range(0, n, schools):  # a year at a time keeps the peak down to the data themselves
            rows = slice(start, start + schools)
            amount = threshold * 1.25 * rng.lognormal(0, 0.3, schools) * students[rows] / indicator.scale
            numerators[rows, column] = np.rint(amount) if indicator.whole_units else amount
            values[rows, column] = indicator.scale * numerators[rows, column] / students[rows]
    keys = pd.DataFrame(
        {
            "county_code": pd.Categorical.from_codes(
                np.tile(county_of_school, years), categories=[f"{100_000 + i}" for i in range(counties)]
            ),
            "school_year": np.repeat(np.arange(FIRST_YEAR, FIRST_YEAR + years), schools),
            "stage": pd.Categorical.from_codes(np.zeros(n, dtype=np.int8), categories=[s.id for s in STANDARD.stages]),
            "school_code": pd.Categorical.from_codes(
                np.tile(np.arange(schools, dtype=np.int32), years), categories=[f"{i:010d}" for i in range(schools)]
            ),
        }
    )
    groups, units = unit_groups(keys)
    frame = None
    if with_frame:
        frame = pd.DataFrame(values, columns=CODES).assign(
            students=students, county_code=keys["county_code"], school_year=keys["school_year"]
        )
    table = IndicatorTable(keys, students, numerators, values, np.ones(n), STANDARD)
    return Data(table, groups, len(units), frame)


# --- the five ways --------------------------------------------------------------------------------------------------


def with_pandas(data: Data) -> np.ndarray:
    def coefficients(rows: pd.DataFrame) -> pd.Series:
        found = {}
        for code in CODES:
            mean = np.average(rows[code], weights=rows["students"])
            variance = np.average((rows[code] - mean) ** 2, weights=rows["students"])
            found[code] = np.sqrt(variance) / mean
        return pd.Series(found)

    return data.frame.groupby(["county_code", "school_year"], observed=True).apply(coefficients).to_numpy()


def with_bincount(data: Data) -> np.ndarray:
    values, students, groups, n_groups = data.table.values, data.table.students, data.groups, data.n_groups
    weight = np.bincount(groups, students, n_groups)
    cv = np.empty((n_groups, values.shape[1]))
    for column in range(values.shape[1]):
        x = values[:, column]
        mean = np.bincount(groups, students * x, n_groups) / weight
        variance = np.bincount(groups, students * (x - mean[groups]) ** 2, n_groups) / weight
        cv[:, column] = np.sqrt(variance) / mean
    return cv


def with_grouped_moments(data: Data) -> np.ndarray:
    return grouped_moments(data.table.values, data.table.students, data.groups, data.n_groups).cv


def with_measure_dispersion(data: Data) -> np.ndarray:
    return measure_dispersion(data.table).table["cv"].to_numpy().reshape(-1, len(CODES))


def with_assess(data: Data) -> np.ndarray:
    return assess(data.table).moments.cv


WAYS: dict[str, Callable[[Data], np.ndarray]] = {
    "a": with_pandas,
    "b": with_bincount,
    "c": with_grouped_moments,
    "d": with_measure_dispersion,
    "e": with_assess,
}


# --- measuring --------------------------------------------------------------------------------------------------------


def seconds(run: Callable[[], Any]) -> float:
    gc.collect()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def time_ways(data: Data, rounds: int) -> dict[str, list[float]]:
    """Seconds of every way, one after the other in every round so that a slow spell of the machine hits all."""
    known = WAYS["b"](data)
    for way, run in WAYS.items():
        if way != "a":
            np.testing.assert_allclose(run(data), known, rtol=1e-12)
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(rounds):
        for way, run in WAYS.items():
            found: list[np.ndarray] = []
            times[way].append(seconds(lambda run=run, found=found: found.append(run(data))))
            if number == 0:
                np.testing.assert_allclose(found[0], known, rtol=1e-9)
        print(f"round {number + 1}: " + "  ".join(f"{way} {times[way][-1]:.3f} s" for way in WAYS), flush=True)
    return times


def time_parts(data: Data, rounds: int) -> dict[str, float]:
    """Where the seconds of d and e go."""
    groups, units = unit_groups(data.table.keys)
    moments = grouped_moments(data.table.values, data.table.students, groups, len(units))
    result = assess(data.table)
    parts = {
        "unit_groups": lambda: unit_groups(data.table.keys),
        "grouped_moments": lambda: grouped_moments(data.table.values, data.table.students, groups, len(units)),
        "judge_schools": lambda: judge_schools(data.table),
        "judge_units": lambda: judge_units(data.table, groups, units, moments),
        "county_table": result.county_table,
        "dispersion_table": result.dispersion_table,
    }
    return {name: statistics.median(seconds(run) for _ in range(rounds)) for name, run in parts.items()}


def peak_bytes() -> int:
    """Largest resident size of this process so far."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def measure_memory(schools: int, years: int) -> dict[str, tuple[float, float]]:
    """Peak of each way and of its data alone, in MB, each in its own process; nothing on Windows.

    Called before this process grows: on Linux a child starts from its parent's peak.
    """
    if os.name == "nt":
        return {}
    found = {}
    for way in WAYS:
        command = [sys.executable, __file__, "--schools", str(schools), "--years", str(years), "--memory-of", way]
        printed = subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8").stdout.split()
        found[way] = float(printed[0]) / 1e6, float(printed[1]) / 1e6
    return found


def report(
    schools: int, years: int, data: Data, times: dict[str, list[float]], parts: dict[str, float],
    memory: dict[str, tuple[float, float]],
) -> str:
    median = {way: statistics.median(t) for way, t in times.items()}
    lines = [
        f"{schools:,} schools x {years} years x {len(CODES)} indicators = {schools * years * len(CODES):,} values, "
        f"{data.n_groups:,} units (county, year, stage). Python {platform.python_version()}, NumPy {np.__version__}, "
        f"pandas {pd.__version__}, {platform.system()} {platform.machine()}, {os.cpu_count()} processors.",
        "",
        f"Medians of {len(times['a'])} interleaved rounds; `fastest` is the quickest of them.",
        "",
        "| | way | seconds | fastest | times faster than a | times the seconds of b | peak MB | of which its data |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for way, name in NAMES.items():
        peak, base = memory.get(way, (float("nan"), float("nan")))
        cells = f"{peak:,.0f} | {base:,.0f}" if way in memory else "— | —"
        lines.append(
            f"| {way} | {name} | {median[way]:.3f} | {min(times[way]):.3f} | {median['a'] / median[way]:.1f} "
            f"| {median[way] / median['b']:.2f} "
            f"| {cells} |"
        )
    lines += ["", "Parts of d and e:", "", "| part | seconds |", "|---|---|"]
    lines += [f"| {name} | {value:.3f} |" for name, value in parts.items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--schools", type=int, default=200_000)
    parser.add_argument("--years", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put the figures into results.md")
    parser.add_argument("--memory-of", choices=list(WAYS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        data = make_data(options.schools, options.years, with_frame=options.memory_of == "a")
        gc.collect()
        base = peak_bytes()
        WAYS[options.memory_of](data)
        print(peak_bytes(), base)
        return
    memory = measure_memory(options.schools, options.years)
    data = make_data(options.schools, options.years, with_frame=True)
    times = time_ways(data, options.rounds)
    text = report(options.schools, options.years, data, times, time_parts(data, options.rounds), memory)
    print("\n" + text)
    if options.write:
        known = RESULTS.read_text(encoding="utf-8") if RESULTS.is_file() else ""
        others = known[known.index("\n## ") :] if "\n## " in known else ""
        RESULTS.write_text(
            "# Coefficients of variation and verdicts for a whole country\n\n"
            "Written by `python benchmarks/bench_dispersion.py --write`.\n\n" + text + "\n" + others,
            encoding="utf-8", newline="\n",
        )


if __name__ == "__main__":
    main()
