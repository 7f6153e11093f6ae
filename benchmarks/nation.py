"""What the size of a country costs: generate a simulated nation, build it, judge it, read one county, change one school.

    python benchmarks/nation.py [--counties N] [--schools N] [--years N] [--rounds N] [--folder FOLDER] [--write]

Every step is a process of its own, so that its peak memory is its own. Two things are done in two ways and compared in
interleaved rounds: the whole table judged at once and province by province, which must agree to the last bit; the rows
of a county read by themselves and found in the whole table. ``--write`` puts the figures into the section of
``results.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from qbresearch.processed.build import build_source
from qbresearch.processed.partitions import county_sha256
from qbresearch.processed.store import (
    list_counties,
    load_processed,
    read_provenance,
    source_folder,
)
from qbresearch.project import Project
from qbresearch.provenance import file_sha256, json_sha256
from qbresearch.results.resources.attainment import assess
from qbresearch.results.resources.indicators import compute_indicators
from qbresearch.results.resources.parts import stage_parts
from qbresearch.rules.standards import load_standard, school_year_start
from qbresearch.simulation.nation import COUNTIES, SCHOOLS, load_nation, write_nation
from qbresearch.studies.national import assess_source

SOURCE, STANDARD = "nation", "national-2017"
SEED, SAMPLE = 20_261_122, 60
RESULTS = Path(__file__).with_name("results.md")
SECTION = "## A simulated nation"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
Step = Callable[[Project, argparse.Namespace], dict[str, Any]]


def generate(project: Project, options: argparse.Namespace) -> dict[str, Any]:
    folder = project.raw / SOURCE
    paths = write_nation(load_nation(), folder, counties=options.counties, schools=options.schools, years=options.years)
    return {"files": len(paths), "bytes": _bytes(folder)}


def build(project: Project, options: argparse.Namespace) -> dict[str, Any]:
    result, folder = build_source(project, SOURCE), source_folder(project, SOURCE)
    return {"status": result.status, "rows": result.rows, "notices": len(result.problems),
            "bytes": _bytes(folder / "rows"), "read_bytes": _bytes(folder / "read")}


def judge_parts(project: Project, options: argparse.Namespace) -> dict[str, Any]:
    result = assess_source(project, SOURCE, STANDARD)
    return {"parts": result.schools, "verdicts": _verdicts(result.counties, result.dispersion)}


def judge_whole(project: Project, options: argparse.Namespace) -> dict[str, Any]:
    table = load_processed(project, SOURCE)
    standard = load_standard(STANDARD, on=school_year_start(int(table.frame["school_year"].max())))
    result = assess(compute_indicators(stage_parts(table.frame, standard, table.contract), standard))
    return {"parts": len(result.table.students), "verdicts": _verdicts(result.county_table(), result.dispersion_table())}


def read_county(project: Project, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of one county, the middle one of a sample; the first, which also opens what all need, is left out."""
    codes = list(list_counties(project, read_provenance(project, SOURCE)))
    chosen = np.random.default_rng(SEED).permutation(codes)[: SAMPLE + 1]
    load_processed(project, SOURCE, county_code=str(chosen[0]))
    times = []
    for code in chosen[1:]:
        start = time.perf_counter()
        load_processed(project, SOURCE, county_code=str(code))
        times.append(time.perf_counter() - start)
    return {"county_seconds": statistics.median(times)}


def read_whole(project: Project, options: argparse.Namespace) -> dict[str, Any]:
    start = time.perf_counter()
    frame = load_processed(project, SOURCE).frame
    return {"whole_seconds": time.perf_counter() - start, "rows": len(frame)}


def change_school(project: Project, options: argparse.Namespace) -> dict[str, Any]:
    """One pupil more in the first school of the first file that has primary pupils, and the table built again."""
    known = read_provenance(project, SOURCE)
    sums = {code: county_sha256(county) for code, county in list_counties(project, known).items()}
    parts = {path: path.stat().st_mtime_ns for path in source_folder(project, SOURCE).rglob("part.parquet")}
    path = min(p for p in (project.raw / SOURCE).glob("*.csv"))
    before = file_sha256(path), path.stat().st_size
    data = path.read_text(encoding="utf-8").splitlines(keepends=True)
    at = data[0].count('",', 0, data[0].index("小学在校学生数"))
    row = next(number for number, line in enumerate(data[1:], 1) if line.split(",")[at].isdigit())
    cells = data[row].split(",")
    cells[at] = str(int(cells[at]) + 1)
    data[row] = ",".join(cells)
    path.write_text("".join(data), encoding="utf-8", newline="")
    passport = project.raw / SOURCE / "source.toml"
    text = passport.read_text(encoding="utf-8").replace(before[0], file_sha256(path))
    text = re.sub(rf'(name = "{path.name}"\nbytes = )[0-9]+', rf"\g<1>{path.stat().st_size}", text)
    passport.write_text(text, encoding="utf-8")
    start = time.perf_counter()
    result = build_source(project, SOURCE)
    seconds = time.perf_counter() - start
    now = list_counties(project, read_provenance(project, SOURCE))
    written = [p for p in source_folder(project, SOURCE).rglob("part.parquet") if p.stat().st_mtime_ns != parts.get(p)]
    return {"status": result.status, "build_seconds": seconds, "parts_written": len(written), "parts": len(parts),
            "counties_changed": sum(county_sha256(now[code]) != sha256 for code, sha256 in sums.items())}


STEPS: dict[str, Step] = {
    "generate": generate, "build": build, "unchanged": build, "judge_parts": judge_parts, "judge_whole": judge_whole,
    "read_county": read_county, "read_whole": read_whole, "change": change_school,
}


def _verdicts(counties: pd.DataFrame, dispersion: pd.DataFrame) -> str:
    """One checksum of all verdicts and coefficients."""
    columns = ["county_code", "school_year", "stage", "verdict", "schools_met", "composite_cv"]
    cvs = dispersion[["county_code", "school_year", "stage", "indicator", "cv", "verdict"]]
    return json_sha256([counties[columns].to_csv(index=False), cvs.to_csv(index=False)])


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# --- measuring --------------------------------------------------------------------------------------------------------


def run_step(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """One step in a process of its own; what it says, its seconds and its peak."""
    command = [
        sys.executable, __file__, "--step", name, "--folder", str(options.folder), "--counties", str(options.counties),
        "--schools", str(options.schools), "--years", str(options.years),
    ]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, encoding="utf-8", env=os.environ | ONE_THREAD
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{name:12} {found['seconds']:8.2f} s  {found['cpu']:8.2f} s of processor  {found['peak']:8,.0f} MB", flush=True)
    return found


def measured(name: str, options: argparse.Namespace) -> dict[str, Any]:
    project = Project(options.folder)
    project.notebooks.mkdir(parents=True, exist_ok=True)
    start, cpu = time.perf_counter(), time.process_time()
    found = STEPS[name](project, options)
    return found | {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu, "peak": _peak() / 1e6}


def _peak() -> float:
    """Largest resident size of this process so far, in bytes; NaN on Windows."""
    if os.name == "nt":
        return float("nan")
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def measure(options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    found = {name: [run_step(name, options)] for name in ("generate", "build", "unchanged")}
    for _ in range(options.rounds):
        for name in ("judge_parts", "judge_whole", "read_county", "read_whole"):
            found.setdefault(name, []).append(run_step(name, options))
    found["change"] = [run_step("change", options) for _ in range(options.rounds)]
    if options.years == 1 and len({run["verdicts"] for name in ("judge_parts", "judge_whole") for run in found[name]}) != 1:
        raise SystemExit("judged at once and part by part give different verdicts")
    return found


def report(found: dict[str, list[dict[str, Any]]], options: argparse.Namespace) -> str:
    def middle(name: str, what: str) -> float:
        return statistics.median(run[what] for run in found[name])

    first, built, change = found["generate"][0], found["build"][0], found["change"][-1]
    raw, parts, kept = (size / 1e6 for size in (first["bytes"], built["bytes"], built["read_bytes"]))
    written = f"{change['parts_written']} of {change['parts']} parts written, {change['counties_changed']} county changed"
    rows = [
        ("generate", f"{first['files']:,} CSV files, {raw:,.0f} MB"),
        ("build", f"{built['rows']:,} rows, {built['notices']} notices; {parts:,.0f} MB of parts, {kept:,.0f} MB kept of reading"),
        ("unchanged", "the same again: nothing has changed"),
        ("judge_parts", f"assess_source: {found['judge_parts'][0]['parts']:,} school parts, a province at a time"),
        ("judge_whole", "the same rows judged as one table"),
        ("change", f"one school changed and registered, built again: {written}"),
    ]
    county, whole = ([run[what] for run in found[name]] for name, what in (
        ("read_county", "county_seconds"), ("read_whole", "whole_seconds")))  # fmt: skip
    times_whole = statistics.median(w / c for w, c in zip(whole, county, strict=True))
    of_whole = statistics.median(
        p["cpu"] / w["cpu"] for p, w in zip(found["judge_parts"], found["judge_whole"], strict=True)
    )
    comparison = (
        f"One county's rows: {statistics.median(county) * 1e3:.1f} ms; the whole table: {statistics.median(whole) * 1e3:,.0f} "
        f"ms, {times_whole:,.0f} times as long. Building again after one school changed takes "
        f"1/{built['cpu'] / middle('change', 'cpu'):.1f} of the processor time of the first build; judging part by part "
        f"takes {of_whole:.2f} times that of judging at once, in "
        f"{middle('judge_parts', 'peak') / middle('judge_whole', 'peak'):.2f} of the memory, with the same verdicts."
    )
    summary = (
        f"{options.counties:,} counties, {options.schools:,} schools, {options.years} school years. Python "
        f"{platform.python_version()}, pandas {pd.__version__}, pyarrow {pa.__version__}, {platform.system()} "
        f"{platform.machine()}, {os.cpu_count()} processors, one thread; medians of {options.rounds} interleaved rounds "
        "(generate, build, unchanged: once). Seconds on the clock depend on what else the machine does; seconds of "
        "processor less so."
    )
    lines = [
        summary,
        "",
        "| step | seconds | of processor | peak MB | |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {middle(name, 'seconds'):.2f} | {middle(name, 'cpu'):.2f} | {middle(name, 'peak'):,.0f} | {words} |"
            for name, words in rows
        ),
        "",
        comparison,
    ]
    return "\n".join(lines)


def write_section(text: str) -> None:
    known = RESULTS.read_text(encoding="utf-8")
    before, _, rest = known.partition(f"{SECTION}\n")
    after = rest[rest.index("\n## ") + 1 :] if "\n## " in rest else ""
    section = f"{SECTION}\n\nWritten by `python benchmarks/nation.py --write`.\n\n{text}\n"
    RESULTS.write_text(
        "\n\n".join(part.strip("\n") for part in (before, section, after) if part.strip()) + "\n", encoding="utf-8", newline="\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counties", type=int, default=COUNTIES)
    parser.add_argument("--schools", type=int, default=SCHOOLS)
    parser.add_argument("--years", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="an empty folder to work in; by default a temporary one")
    parser.add_argument("--write", action="store_true", help="put the figures into results.md")
    parser.add_argument("--step", choices=list(STEPS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(measured(options.step, options)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        options.folder = options.folder or Path(temporary)
        text = report(measure(options), options)
    print("\n" + text)
    if options.write:
        write_section(text)


if __name__ == "__main__":
    main()
