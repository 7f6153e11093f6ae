"""How long publishing takes: N county reports in three formats from finished runs.

    python benchmarks/bench_publish.py [--run demo] [--source SOURCE] [--county CODE] [--year YEAR] [--reports N]
                                       [--workers N] [--sample N]

The finished notebooks of all county reports of a run (`qbresearch run demo` first) are copied in turn, N times, under
other county codes into a folder of their own, with manifest and records as a run leaves them, and published in HTML,
Word and PDF. Neighbours differ in text and figures, because typst remembers what it has just set: the same report
again takes a third of the time. Then the seconds of each format alone over a sample of reports, and, apart from all
that, the seconds it takes to draw one report's figures, which is work of the notebooks and not of publishing. Peak
memory is that of the largest process.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import platform
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat

from qbresearch.batches.ledger import Ledger
from qbresearch.batches.runner import read_manifest
from qbresearch.exhibits import style
from qbresearch.project import Project, find_project
from qbresearch.provenance import write_json
from qbresearch.publication.document import build_document
from qbresearch.publication.publish import publish_run
from qbresearch.publication.selection import load_part, reports_of
from qbresearch.publication.writers import FORMATS, write_report

Job = dict[str, Any]


def county_jobs(project: Project, run: str, source: str) -> dict[tuple[str, str], list[Job]]:
    """The jobs of every county's resource report, by county and year."""
    found = reports_of(read_manifest(project.reports / run)["jobs"])
    return {
        (key.county_code, key.school_year): jobs for _, key, jobs in found
        if (key.source_id, key.kind, key.language) == (source, "resources", "zh")
    }  # fmt: skip


def copy_run(project: Project, run: str, reports: list[list[Job]], target: Project, copies: int) -> None:
    """The reports in turn under other county codes, as finished runs."""
    folder = target.reports / "bench"
    folder.mkdir(parents=True)
    manifest, records = read_manifest(project.reports / run), Ledger(project.reports / run).records()
    copied = []
    for number in range(copies):
        code, jobs = f"98{number:04d}", reports[number % len(reports)]
        county = jobs[0]["parameters"]["county_code"]
        for job in jobs:
            text = (project.reports / run / f"{job['name']}.ipynb").read_text(encoding="utf-8").replace(county, code)
            name = job["name"].replace(county, code)
            (folder / f"{name}.ipynb").write_bytes(data := text.encode())
            new = job | {
                "name": name, "output_sha256": hashlib.sha256(data).hexdigest(),
                "parameters": job["parameters"] | {"county_code": code},
            }
            record = records[job["name"]].to_dict() | {key: new[key] for key in ("name", "output_sha256", "parameters")}
            (folder / f"{name}.json").write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
            copied.append(new)
    write_json(folder / "manifest.json", manifest | {"id": "bench", "jobs": copied})


def time_formats(project: Project, sample: int) -> dict[str, list[float]]:
    """Seconds of reading a report's notebooks into a document, and of each format, one report after the other."""
    folder = project.reports / "bench"
    manifest, records = read_manifest(folder), Ledger(folder).records()
    seconds: dict[str, list[float]] = {name: [] for name in ("document", *FORMATS)}
    for _, _, jobs in reports_of(manifest["jobs"])[:sample]:
        start = time.perf_counter()
        parts = [load_part(project.notebooks, folder, job, records[job["name"]], None) for job in jobs]
        document = build_document(parts, run_id="bench", packages=manifest["packages"])
        seconds["document"].append(time.perf_counter() - start)
        for name in FORMATS:
            start = time.perf_counter()
            write_report(document, name)
            seconds[name].append(time.perf_counter() - start)
    return seconds


def time_figures(project: Project, jobs: list[Job]) -> tuple[int, float]:
    """Figures of a report and the seconds from drawing commands to PNG, run in this process."""
    spent: list[float] = []
    original = style.figure_png

    def timed(*arguments: Any, **options: Any) -> Any:
        start = time.perf_counter()
        picture = original(*arguments, **options)
        spent.append(time.perf_counter() - start)
        return picture

    import qbresearch.studies.study as study

    study.figure_png = timed
    for job in jobs:
        names: dict[str, Any] = {}
        notebook = nbformat.read(project.notebooks / f"{job['notebook']}.ipynb", as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                exec(compile(ast.parse(cell.source), job["notebook"], "exec"), names)
            if "parameters" in cell.metadata.get("tags", ()):
                names |= job["parameters"]
    study.figure_png = original
    return len(spent), sum(spent)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="demo")
    parser.add_argument("--source", default="demo-prefecture")
    parser.add_argument("--county", default="990101")
    parser.add_argument("--year", default="2024")
    parser.add_argument("--reports", type=int, default=500)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sample", type=int, default=20)
    asked = parser.parse_args()
    project = find_project()
    reports = county_jobs(project, asked.run, asked.source)
    with tempfile.TemporaryDirectory(prefix="bench-publish-") as folder:
        target = Project(Path(folder))
        (target.root / "notebooks").mkdir()
        copy_run(project, asked.run, list(reports.values()), target, asked.reports)
        start = time.perf_counter()
        done = publish_run(target, "bench", is_current=lambda job: None, workers=asked.workers)
        wall = time.perf_counter() - start
        sizes = {name: [r.files[name]["bytes"] for r in done.reports] for name in FORMATS}
        seconds = time_formats(target, asked.sample)
    figures, drawing = time_figures(project, reports[asked.county, asked.year])
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    print(f"{platform.platform()}, Python {platform.python_version()}, {asked.workers} workers")
    print(f"{len(done.reports)} reports x {len(FORMATS)} formats: {wall:.1f} s wall, {wall / len(done.reports):.2f} s a report")
    print(f"peak memory of the largest process: {peak:.0f} MiB")
    print("| step | median seconds a report | median KiB |")
    print("|---|---|---|")
    for name, spent in seconds.items():
        size = f"{statistics.median(sizes[name]) / 1024:.0f}" if name in sizes else ""
        print(f"| {name} | {statistics.median(spent):.3f} | {size} |")
    print(f"| drawing {figures} figures (in the notebooks, not in publishing) | {drawing:.3f} | |")


if __name__ == "__main__":
    main()
