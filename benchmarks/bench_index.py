"""How long the index of a country's reports takes to write, and to search in a browser.

    python benchmarks/bench_index.py [--counties N] [--years N] [--rounds N] [--write]

A made country (seeded): each county has a report a year in three formats. Two ways are timed in one run, interleaved,
beside the same with a tenth of the counties, which shows whether the cost of a row grows with their number:

a  the table alone: each row's values put between tags by ``str.format``, without search keys, filters or escaping
b  :func:`render_index`

Where a Chromium is on the PATH, the page is opened from ``file://`` and its own script measures, layout included: how
long until the page is there, a filter, a search and a sort by each kind of column. ``--write`` puts the figures into
the section ``Index`` of ``results-publish.md``.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import hashlib
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from qbresearch.language.pinyin import search_key
from qbresearch.publication.index import TEMPLATES, render_index

SEED = 20_170_419
FIRST_YEAR = 2023
RESULTS = Path(__file__).with_name("results-publish.md")
SECTION = "## Index"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SYLLABLES = "安宁平和清河云山长江海丰永新兴义华光明远文武阳陵城临武东西南北固镇鄠邑浉瀍猇亭硚湾沚埇桥乐浚"
ENDINGS = ("县", "区", "市", "回族自治县")
ACTIONS = {
    "one filter": "#verdict=not_met",
    "a search by initials": "#q=ax",
    "a search and two filters": "#q=an&verdict=not_met&year=2023—2024 学年",
    "sort by name": "#sort=name-asc",
    "sort by coefficient": "#sort=cv-desc",
    "back to prefectures": "#",
}
MEASURE = """
(() => {
  const times = {load: performance.now()};
  const shown = () => document.getElementById('reports').offsetHeight;
  shown();
  times.laid = performance.now();
  for (const [name, state] of Object.entries(ACTIONS)) {
    const before = performance.now();
    history.replaceState(null, '', state);
    dispatchEvent(new Event('hashchange'));
    shown();
    times[name] = performance.now() - before;
  }
  document.documentElement.dataset.times = JSON.stringify(times);
})();
"""


def make_run(counties: int, years: int) -> dict[str, Any]:
    """The record of a publication of one report a county and year."""
    rng = np.random.default_rng(SEED)
    reports = []
    for number in range(counties):
        name = "".join(rng.choice(list(SYLLABLES), 2)) + ENDINGS[number % len(ENDINGS)]
        code = f"{11 + number // 100:02d}{number % 100 // 10 + 1:02d}{number % 10 + 21:02d}"
        for year in range(FIRST_YEAR, FIRST_YEAR + years):
            slug = f"country-{code}-{year}"
            reports.append(
                {
                    "slug": slug, "title": f"{name}{year}—{year + 1} 学年义务教育优质均衡发展研究报告",
                    "topic": "义务教育优质均衡发展研究报告", "kind": "resources", "language": "zh", "source_id": "country",
                    "county_code": code, "county_name": name, "prefecture": f"第{number // 10 + 1}市",
                    "school_year": str(year), "simulated": False, "missing": [],
                    "files": {kind: {"file": f"{kind}/{slug}.{kind}"} for kind in ("html", "docx", "pdf")},
                    "stages": [
                        {
                            "stage": stage, "stage_label": label,
                            "schools": 40, "schools_met": int(rng.integers(10, 41)),
                            "verdict": str(rng.choice(["met", "not_met", "undecided"])), "row": None, "counter": None,
                            "largest_cv": float(rng.uniform(0.2, 0.8)), "largest_cv_label": "生均教学仪器设备值",
                            "cv_over_cap": int(rng.integers(0, 2)), "rule_unverified": True,
                        }
                        for stage, label in (("primary", "小学"), ("junior", "初中"))
                    ],
                }
            )
    return {"run_id": "country", "title": "全国", "reports": reports, "refused": []}


def plain_table(run: dict[str, Any]) -> str:
    """Way a: what the rows cost when nothing is asked of them."""
    cells = "<tr><th>{county_name}</th><td>{prefecture}</td><td>{school_year}</td>{stages}{links}</tr>"
    rows = []
    for report in run["reports"]:
        stages = "".join(f"<td>{s['verdict']}</td><td>{s['largest_cv']:.3f}</td>" for s in report["stages"])
        links = "".join(f'<td><a href="{file["file"]}">{kind}</a></td>' for kind, file in report["files"].items())
        rows.append(cells.format(**{**report, "stages": stages, "links": links}))
    return f"<table>{''.join(rows)}</table>"


def time_ways(run: dict[str, Any], rounds: int) -> dict[str, list[float]]:
    """Seconds of every way in every round; pinyin is looked up anew in each."""
    times: dict[str, list[float]] = {"a": [], "b": []}
    for _ in range(rounds):
        for way, function in (("a", plain_table), ("b", lambda run: render_index([run]))):
            search_key.cache_clear()
            start = time.perf_counter()
            function(run)
            times[way].append(time.perf_counter() - start)
    return times


def in_browser(page: str) -> dict[str, float]:
    """Milliseconds of each action, measured by the page's own script in headless Chromium."""
    script = (TEMPLATES / "index.js").read_text(encoding="utf-8")
    longer = script + MEASURE.replace("ACTIONS", json.dumps(ACTIONS, ensure_ascii=False))
    policy = base64.b64encode(hashlib.sha256(longer.encode()).digest()).decode()
    page = re.sub(r"script-src 'sha256-[^']+'", f"script-src 'sha256-{policy}'", page.replace(script, longer))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.html"
        path.write_text(page, encoding="utf-8")
        command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile"]
        done = subprocess.run([*command, "--dump-dom", path.as_uri()], capture_output=True, timeout=300, check=True)
    found = re.search(r'data-times="([^"]+)"', done.stdout.decode("utf-8"))
    return json.loads(found[1].replace("&quot;", '"')) if found else {}


def report(options: argparse.Namespace) -> str:
    """Every figure, as Markdown."""
    run, small = make_run(options.counties, options.years), make_run(options.counties // 10, options.years)
    render_index([small])  # reads the templates and the dictionary of readings
    times, few = time_ways(run, options.rounds), time_ways(small, options.rounds)
    median, median_few = ({w: statistics.median(t) for w, t in one.items()} for one in (times, few))
    page = render_index([run])
    size, zipped = len(page.encode()), len(gzip.compress(page.encode(), mtime=0))
    rows = len(run["reports"])
    lines = [
        SECTION, "",
        "Written by `python benchmarks/bench_index.py --write`.",
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} processors; "
        f"medians of {options.rounds} interleaved rounds. {options.counties:,} counties x {options.years} years = "
        f"{rows:,} rows; page {size / 1e6:.2f} MB ({size / rows:.0f} bytes a row), gzip {zipped / 1e6:.2f} MB.", "",
        "| | way | seconds | times a | rows a second | seconds for a tenth of the counties | ratio to that |",
        "|---|---|---|---|---|---|---|",
    ]
    names = {"a": "rows by str.format, nothing escaped, no search", "b": "render_index"}
    for way, name in names.items():
        lines.append(
            f"| {way} | {name} | {median[way]:.3f} | {median[way] / median['a']:.1f} | {rows / median[way]:,.0f} "
            f"| {median_few[way]:.3f} | {median[way] / median_few[way]:.1f} |"
        )
    if BROWSER:
        many, few_page = ([in_browser(p) for _ in range(options.rounds)] for p in (page, render_index([small])))
        version = subprocess.run([BROWSER, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        lines += [
            "", f"In the browser, from `file://`, layout included ({version}, headless):", "",
            f"| | milliseconds, {rows:,} rows | {len(small['reports']):,} rows |", "|---|---|---|",
        ]
        labels = {"load": "until the script has run", "laid": "until everything is laid out"}
        for name in many[0]:
            both = (statistics.median(one[name] for one in found) for found in (many, few_page))
            lines.append(f"| {labels.get(name, name)} | " + " | ".join(f"{value:,.0f}" for value in both) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counties", type=int, default=3_000)
    parser.add_argument("--years", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put the figures into results-publish.md")
    options = parser.parse_args()
    text = report(options)
    print(text)
    if options.write:
        before = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# Publication\n"
        kept = re.sub(rf"\n*{SECTION}\n.*?(?=\n## |\Z)", "", before, flags=re.DOTALL).rstrip()
        RESULTS.write_text(f"{kept}\n\n{text}", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
