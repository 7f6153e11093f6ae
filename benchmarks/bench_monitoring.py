"""How long it takes from the results of ten million students on disk to a difference rate for every county.

    python benchmarks/bench_monitoring.py [--students N] [--rounds N] [--quick]

The same Parquet file (made anew with a seed, not timed) is brought to school sums in three ways, each in a process of
its own so that its peak memory is its own:

a  pandas: ``read_parquet`` of the columns needed, ``groupby().agg()`` of number, mean and variance
b  DuckDB: one ``GROUP BY`` with the same three, no checks
c  :func:`sum_student_files`: weights, levels, refusals and duplicate students too

From the sums of each, :func:`null_models` gives the difference rate (intraclass correlation: ANOVA and REML, with its
exact interval) of every county. All three must give the same rates.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from qbresearch.processed.student_files import sum_student_files
from qbresearch.statistics.variance import null_models

SEED = 20_170_419
COUNTIES = 2_900
STUDENTS_PER_SCHOOL = 50
CHUNK_COUNTIES = 145
MEMORY_LIMIT = "1GB"
KEYS = ["county_code", "school_year", "cycle", "grade", "subject", "school_code"]
NAMES = {"a": "pandas read_parquet, groupby().agg()", "b": "DuckDB, one GROUP BY", "c": "sum_student_files"}


def make_file(path: Path, students: int) -> None:
    """Students of every county, a chunk of counties at a time; schools differ by 30 points, students within by 80."""
    rng = np.random.default_rng(SEED)
    schools = students // STUDENTS_PER_SCHOOL
    county_of_school = np.sort(rng.integers(0, COUNTIES, schools))
    edges = np.searchsorted(county_of_school, np.arange(0, COUNTIES + CHUNK_COUNTIES, CHUNK_COUNTIES))
    writer = None
    for first, last in zip(edges[:-1], edges[1:], strict=True):
        school = np.repeat(np.arange(first, last), STUDENTS_PER_SCHOOL)
        n = len(school)
        effect = 30 * rng.standard_normal(last - first)
        score = 500 + effect[school - first] + 80 * rng.standard_normal(n)

        def text(values: np.ndarray) -> pa.Array:
            return pa.array(values.astype(str)).dictionary_encode()

        table = pa.table(
            {
                "county_code": text(100_000 + county_of_school[school]), "school_year": np.full(n, 2024),
                "cycle": np.full(n, 2025), "grade": text(np.full(n, 4)), "subject": text(np.full(n, "mathematics")),
                "school_code": text(1_000_000_000 + school),
                "student_id": pa.array((first * STUDENTS_PER_SCHOOL + np.arange(n)).astype(str)), "score": score,
                "weight": rng.uniform(0.5, 2.0, n), "level": text(1 + np.digitize(score, [430, 500, 570])),
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    writer.close()


# --- the three ways ---------------------------------------------------------------------------------------------------


def with_pandas(path: Path) -> pd.DataFrame:
    rows = pd.read_parquet(path, columns=[*KEYS, "score"])
    sums = rows.groupby(KEYS, observed=True)["score"].agg(["count", "mean", "var"]).reset_index()
    return sums.assign(students=sums["count"], plain_mean=sums["mean"], plain_m2=sums["var"] * (sums["count"] - 1))


def with_duckdb(path: Path) -> pd.DataFrame:
    keys = ", ".join(KEYS)
    query = "count(score) AS students, avg(score) AS plain_mean, var_pop(score) * count(score) AS plain_m2"
    with tempfile.TemporaryDirectory() as folder:
        connection = duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "temp_directory": folder})
        source = f"FROM read_parquet('{path}') GROUP BY {keys} ORDER BY {keys}"
        return connection.execute(f"SELECT {keys}, {query} {source}").df()


def with_sum_student_files(path: Path) -> pd.DataFrame:
    return sum_student_files(path, memory_limit=MEMORY_LIMIT).table


WAYS: dict[str, Callable[[Path], pd.DataFrame]] = {"a": with_pandas, "b": with_duckdb, "c": with_sum_student_files}


# --- measuring --------------------------------------------------------------------------------------------------------


def peak_bytes() -> int | None:
    """Largest resident size of this process so far; nothing on Windows."""
    if os.name == "nt":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def run_way(way: str, path: Path) -> dict[str, object]:
    """One way once in this process: seconds of each step, peak memory, and what identifies its result."""
    before = peak_bytes()
    start, used = time.perf_counter(), time.process_time()
    sums = WAYS[way](path)
    summed, cpu, summed_peak = time.perf_counter(), time.process_time() - used, peak_bytes()
    groups, counties = pd.factorize(sums["county_code"], sort=True)
    models = null_models(
        sums["students"].to_numpy(), sums["plain_mean"].to_numpy(), sums["plain_m2"].to_numpy(), groups, len(counties)
    )
    done = time.perf_counter()
    return {
        "sums": summed - start, "cpu": cpu, "models": done - summed, "before": before,
        "peak": summed_peak, "peak_all": peak_bytes(), "schools": len(sums), "counties": len(counties),
        "icc": models.icc[:500].tolist(), "mean_icc": float(np.nanmean(models.icc)),
        "anova": float(np.nanmean(models.anova_icc)), "without": int(np.isnan(models.icc).sum()),
    }


def measure(path: Path, rounds: int) -> dict[str, list[dict]]:
    """Every way in a process of its own, one after the other in every round so that a slow spell hits all.

    Called by a process that stayed small: on Linux a child starts from its parent's peak.
    """
    found: dict[str, list[dict]] = {way: [] for way in WAYS}
    for number in range(rounds):
        for way in WAYS:
            command = [sys.executable, __file__, "--run", way, "--file", str(path)]
            printed = subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8").stdout
            found[way].append(json.loads(printed))
        print(f"round {number + 1}: " + "  ".join(f"{w} {r[-1]['sums']:.2f} s" for w, r in found.items()), flush=True)
    for way in WAYS:
        assert found[way][0]["without"] == found["c"][0]["without"]
        np.testing.assert_allclose(found[way][0]["icc"], found["c"][0]["icc"], rtol=1e-6, atol=1e-9)
    return found


def report(students: int, size: int, found: dict[str, list[dict]]) -> str:
    one = found["c"][0]
    base_memory = f" Everything imported and nothing read: {one['before'] / 1e6:,.0f} MB." if one["before"] else ""
    lines = [
        f"{students:,} students in {one['schools']:,} schools and {one['counties']:,} counties, one Parquet file of "
        f"{size / 1e6:,.0f} MB. Python {platform.python_version()}, NumPy {np.__version__}, pandas {pd.__version__}, "
        f"DuckDB {duckdb.__version__} (memory limit {MEMORY_LIMIT}), {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} processors.",
        "",
        f"Medians of {len(found['a'])} interleaved rounds, each run in a process of its own. Mean difference rate "
        f"{one['mean_icc']:.4f} (REML), {one['anova']:.4f} (ANOVA); {one['without']} counties have a single school and "
        f"none.{base_memory}",
        "",
        "| | from file to school sums | seconds | fastest | times the seconds of a | processor seconds | peak MB "
        "| null models of all counties, seconds | peak MB with models |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    base = statistics.median(r["sums"] for r in found["a"])
    for way, runs in found.items():
        seconds = statistics.median(r["sums"] for r in runs)
        models = statistics.median(r["models"] for r in runs)
        peaks = [f"{max(r[k] for r in runs) / 1e6:,.0f}" if runs[0][k] else "—" for k in ("peak", "peak_all")]
        lines.append(
            f"| {way} | {NAMES[way]} | {seconds:.2f} | {min(r['sums'] for r in runs):.2f} | {seconds / base:.2f} "
            f"| {statistics.median(r['cpu'] for r in runs):.2f} | {peaks[0]} | {models:.2f} | {peaks[1]} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--students", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a million students, once")
    parser.add_argument("--run", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--make", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make_file(options.file, options.students)
        return
    if options.run:
        print(json.dumps(run_way(options.run, options.file)))
        return
    students, rounds = (1_000_000, 1) if options.quick else (options.students, options.rounds)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "students.parquet"
        # Made in another process, so that this one stays small.
        made = [sys.executable, __file__, "--make", "--students", str(students), "--file", str(path)]
        subprocess.run(made, check=True)
        found = measure(path, rounds)
        print("\n" + report(students, path.stat().st_size, found))


if __name__ == "__main__":
    main()
