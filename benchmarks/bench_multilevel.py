"""How long one mixed model of students in schools takes, against lme4 and statsmodels.

    python benchmarks/bench_multilevel.py [--sizes STUDENTS:SCHOOLS ...] [--ways a b c d] [--rounds N] [--limit SECONDS]

The model is that of a link study with everything in it: 5 student columns, 10 school columns, a random intercept of
schools, REML. It is fitted to the same made data (seeded) in four ways:

a  :func:`fit_multilevel` on a table, with its checks, two starts and degrees of freedom
b  lme4's ``lmer`` (only where ``Rscript`` with lme4 is found), defaults, no degrees of freedom
c  statsmodels' ``MixedLM`` on arrays, ``method=["powell"]``
d  the same with its default optimisers, which may stop short of the maximum: see the column of likelihoods

Each fit is a process of its own on one thread, so that its peak memory is its own; seconds are those of the fit alone.
The ways take turns in every round. One that needs more than the limit is stopped and reported so. None may find a
larger likelihood than a.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SEED = 20_260_301
STUDENT, SCHOOL = [f"x{k}" for k in range(1, 6)], [f"w{k}" for k in range(1, 11)]
COLUMNS = ["y", "school", *STUDENT, *SCHOOL]
NAMES = {
    "a": "fit_multilevel", "b": "lme4 lmer (R)", "c": "statsmodels MixedLM, powell",
    "d": "statsmodels MixedLM, defaults",
}
SAME_LIKELIHOOD = 1e-2
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
R_PROGRAM = """
peak <- function() as.numeric(gsub("[^0-9]", "", grep("VmHWM", readLines("/proc/self/status"), value = TRUE))) * 1024
suppressPackageStartupMessages(library(lme4))
arguments <- commandArgs(TRUE)
names <- strsplit(arguments[2], ",")[[1]]
n <- as.integer(arguments[3])
file <- file(arguments[1], "rb")
data <- as.data.frame(setNames(lapply(names, function(k) readBin(file, "double", n)), names))
close(file)
data$school <- factor(data$school)
formula <- as.formula(paste("y ~", paste(names[-(1:2)], collapse = " + "), "+ (1 | school)"))
base <- peak()
time <- system.time(fit <- lmer(formula, data))
cat(sprintf('{"seconds": %.6f, "log_likelihood": %.9f, "peak": %.0f, "base": %.0f}\\n',
            time[["elapsed"]], as.numeric(logLik(fit)), peak(), base))
"""


def make_data(students: int, schools: int) -> pd.DataFrame:
    """Scores with mean about 500, a tenth of the variance between schools of unequal sizes."""
    rng = np.random.default_rng(SEED)
    school = np.sort((schools * rng.random(students) ** 1.3).astype(np.int64))
    data: dict[str, np.ndarray] = {"y": rng.normal(500, 85, students), "school": school.astype(float)}
    for name in STUDENT:
        data[name] = rng.normal(size=students)
        data["y"] += 6 * data[name]
    for name in SCHOOL:
        data[name] = rng.normal(size=schools)[school]
        data["y"] += 2 * data[name]
    data["y"] += rng.normal(0, 30, schools)[school]
    return pd.DataFrame(data, columns=COLUMNS)


# --- one fit, in its own process --------------------------------------------------------------------------------------


def peak_bytes() -> int:
    """Largest resident size of this process so far."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def fit_here(way: str, path: str, students: int) -> dict[str, float]:
    """Read the data, fit, and tell seconds, log likelihood and peak memory."""
    values = np.fromfile(path).reshape(len(COLUMNS), students)
    if way == "a":
        from qbresearch.statistics.multilevel import fit_multilevel

        frame = pd.DataFrame(dict(zip(COLUMNS, values, strict=True)))
        del values
        base, start = peak_bytes(), time.perf_counter()
        fit = fit_multilevel(frame, outcome="y", fixed=[*STUDENT, *SCHOOL], groups=["school"])
        seconds, log_likelihood = time.perf_counter() - start, fit.log_likelihood
    else:
        from statsmodels.regression.mixed_linear_model import MixedLM

        y, school, x = values[0].copy(), values[1].copy(), np.column_stack([np.ones(students), *values[2:]])
        del values
        base, start = peak_bytes(), time.perf_counter()
        log_likelihood = MixedLM(y, x, groups=school).fit(**({"method": ["powell"]} if way == "c" else {})).llf
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "log_likelihood": float(log_likelihood), "peak": peak_bytes(), "base": base}


def run(way: str, path: Path, students: int, limit: float) -> dict[str, float] | None:
    """One fit in a process of its own; ``None`` where it takes longer than the limit."""
    if way == "b":
        program = path.with_name("fit.R")
        program.write_text(R_PROGRAM, encoding="utf-8")
        command = ["Rscript", "--vanilla", str(program), str(path), ",".join(COLUMNS), str(students)]
    else:
        command = [sys.executable, __file__, "--fit", way, str(path), str(students)]
    try:
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, encoding="utf-8", timeout=limit,
            env={**os.environ, **ONE_THREAD},
        )
    except subprocess.TimeoutExpired:
        return None
    return json.loads(done.stdout.splitlines()[-1])


def has_lme4() -> bool:
    """Whether R with lme4 is there, on a system that tells a process its own peak memory as R reads it."""
    if shutil.which("Rscript") is None or sys.platform != "linux":
        return False
    return subprocess.run(["Rscript", "-e", "library(lme4)"], capture_output=True, check=False).returncode == 0


# --- all of them ------------------------------------------------------------------------------------------------------


def measure(
    students: int, schools: int, ways: list[str], rounds: int, limit: float
) -> dict[str, list[dict[str, Any]]]:
    """All fits of one size; a way that once took too long is not tried again."""
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    late: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.bin"
        make_data(students, schools).to_numpy().T.astype(float).copy().tofile(path)
        for _ in range(rounds):
            for way in ways:
                if way in late:
                    continue
                fit = run(way, path, students, limit)
                if fit is None:
                    late.add(way)
                else:
                    found[way].append(fit)
                print(f"{students:,} / {schools:,}  {way}  {'too long' if fit is None else fit}", flush=True)
    return found


def report(students: int, schools: int, found: dict[str, list[dict[str, Any]]], limit: float) -> str:
    """A table of one size, after a check that the log likelihoods are the same."""
    known = found["a"][0]["log_likelihood"]
    lines = [
        f"{students:,} students in {schools:,} schools, {len(STUDENT)} + {len(SCHOOL)} columns:", "",
        "| | way | seconds | fastest | times the seconds of a | log likelihood less that of a | peak MB "
        "| of which its data |",
        "|---|---|---|---|---|---|---|---|",
    ]
    ours = statistics.median(fit["seconds"] for fit in found["a"])
    for way, fits in found.items():
        if not fits:
            lines.append(f"| {way} | {NAMES[way]} | over {limit:,.0f} | — | over {limit / ours:.0f} | — | — | — |")
            continue
        seconds = [fit["seconds"] for fit in fits]
        gap = fits[0]["log_likelihood"] - known
        if gap > SAME_LIKELIHOOD:
            raise SystemExit(f"{NAMES[way]} finds a larger likelihood than fit_multilevel, by {gap:g}")
        lines.append(
            f"| {way} | {NAMES[way]} | {statistics.median(seconds):.2f} | {min(seconds):.2f} "
            f"| {statistics.median(seconds) / ours:.1f} | {gap:.1e} "
            f"| {fits[0]['peak'] / 1e6:,.0f} | {fits[0]['base'] / 1e6:,.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["100000:2000", "1000000:20000"], help="STUDENTS:SCHOOLS")
    parser.add_argument("--ways", nargs="+", choices=list(NAMES), default=["a", "b", "c"], help="d takes half an hour")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=900, help="seconds after which a fit is stopped")
    parser.add_argument("--fit", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fit:
        way, path, students = options.fit
        print(json.dumps(fit_here(way, path, int(students))))
        return
    ways = [way for way in NAMES if way == "a" or way in options.ways and (way != "b" or has_lme4())]
    texts = [
        f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.system()} {platform.machine()}, "
        f"one thread, medians of {options.rounds} interleaved rounds."
    ]
    for size in options.sizes:
        students, schools = (int(part) for part in size.split(":"))
        found = measure(students, schools, ways, options.rounds, options.limit)
        texts.append(report(students, schools, found, options.limit))
    print("\n" + "\n\n".join(texts))


if __name__ == "__main__":
    main()
