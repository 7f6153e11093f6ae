"""How long the real notebooks take over 60 county-years, in six ways.

    python benchmarks/batch.py [--rounds N] [--fraction F] [--mixes light,all] [--ways abcdef] [--folder PATH] [--write]

a  ``qbresearch run``, two workers: the whole command, from its start to its end
b  the same with the standard engine: a kernel of its own for every notebook
c  the papermill command, one at a time
d  the papermill command, two at a time
e  papermill's API with its default settings in two processes (ProcessPoolExecutor, spawn)
f  the floor: the cells of each notebook as a plain function in a fork of a process that has loaded what the warm engine
   loads, two at a time. Figures and tables are made and shown; no notebook is written

**County-years.** Those of the demonstration, and of further simulated prefectures made for it: ``county_years.py``.

**Mixes.** ``light``: notebooks 10, 20 (two stages), 25 (two stages) and 30 of every county-year, 360 runs. ``all``: besides
these 35 and 80 of every county-year, and 40 of the demonstration's own counties, the only ones with students' results (one
year, two stages), 492 runs.

**Sample.** Slow ways would take hours, so the ways are compared on one sample of the runs, the same fraction of every
notebook, drawn with a seed; in a round all ways run that sample in shuffled order, and ratios are taken inside a round.
Way A is way a over all the runs: the start of the command counts less there. Everything is made anew every time.

Memory is the highest sum, over the way's whole process tree, of the proportional set size (pages shared by processes
count once), looked at twice a second; where the system does not tell it, of unique memory.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import platform
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from types import FrameType
from typing import Any

from county_years import (
    SEED,
    YEARS,
    Job,
    runs_of,
    sample_of,
    widen_project,
    write_batch,
)

RESULTS = Path(__file__).parent / "results-batch.md"
SECTION = "## Against papermill"
WORKERS = 2
NAMES = {
    "A": "`qbresearch run`, two workers, all the runs",
    "a": "`qbresearch run`, two workers",
    "b": "`qbresearch run --engine standard`, two workers",
    "c": "papermill command, one at a time",
    "d": "papermill command, two at a time",
    "e": "papermill's API, two processes",
    "f": "floor: plain function in a fork, two at a time",
}
RATIOS = ("c", "d", "e")
ENVIRONMENT = {
    **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")},
    "JUPYTER_PREFER_ENV_PATH": "1",  # the kernel of this environment, whatever else the user has
}
DRAWING = re.compile(r"[/\\](matplotlib|seaborn|PIL|exhibits[/\\](figures|canvas|style))")
TICK = 0.004  # processor seconds between two looks at what a notebook is doing
LOOK = 0.5  # seconds between two looks at the memory


# --- the ways, each in a process of its own whose tree is looked at ---------------------------------------------------

COMMAND = [sys.executable, "-m", "qbresearch.cli"]


def command_of(way: str, root: Path, batch: str) -> list[str]:
    """The command of a way for a batch file that :func:`write_batch` has written."""
    if way in ("A", "a", "b"):
        return [*COMMAND, "run", batch, "--workers", str(WORKERS), *(["--engine", "standard"] if way == "b" else [])]
    return [sys.executable, __file__, "--way", way, "--folder", str(root), "--batch", batch]


def run_inside(way: str, root: Path, batch: str) -> None:
    """What the process of a way other than ours does."""
    jobs = json.loads((root / f"{batch}.json").read_text(encoding="utf-8"))
    out = root / "out"
    os.chdir(root / "notebooks")
    if way in "cd":
        with ThreadPoolExecutor(1 if way == "c" else WORKERS) as pool:
            list(pool.map(_papermill_command, jobs, _targets(out, jobs)))
    elif way == "e":
        with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
            list(pool.map(_papermill_api, jobs, _targets(out, jobs)))
    else:
        run_floor(jobs, out, look=way == "look")


def _targets(out: Path, jobs: Sequence[Job]) -> list[str]:
    return [str(out / f"{number}.ipynb") for number in range(len(jobs))]


def _papermill_command(job: Job, target: str) -> None:
    options = []
    for key, value in job["parameters"].items():
        options += ["-p" if isinstance(value, int) else "-r", key, str(value)]  # -p would read a code as a number
    command = [sys.executable, "-m", "papermill", f"{job['notebook']}.ipynb", target, *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _papermill_api(job: Job, target: str) -> None:
    import papermill

    papermill.execute_notebook(f"{job['notebook']}.ipynb", target, parameters=job["parameters"])


# --- the floor --------------------------------------------------------------------------------------------------------


def load_everything() -> None:
    """What the warm engine loads before it forks."""
    from qbresearch.engines.warm.preload import preload

    for _ in preload(YEARS):
        pass


def run_floor(jobs: Sequence[Job], out: Path, *, look: bool) -> None:
    """Run every notebook's cells in a fork, two at a time; with ``look`` note what they spend their time on."""
    load_everything()
    cells = {name: _cells(name) for name in dict.fromkeys(job["notebook"] for job in jobs)}
    alive: set[int] = set()
    for number, job in enumerate(jobs):
        if len(alive) == WORKERS:
            alive.remove(_end_of_one())
        if (child := os.fork()) == 0:
            _in_fork(job, cells[job["notebook"]], out / f"{number}.json", look)
        alive.add(child)
    while alive:
        alive.remove(_end_of_one())


def _cells(notebook: str) -> list[tuple[ast.Module, bool]]:
    raw = json.loads(Path(f"{notebook}.ipynb").read_text(encoding="utf-8"))
    code = [cell for cell in raw["cells"] if cell["cell_type"] == "code"]
    return [
        (ast.parse("".join(cell["source"])), "parameters" in cell["metadata"].get("tags", ())) for cell in code
    ]


def _end_of_one() -> int:
    child, status = os.wait()
    if status:
        raise SystemExit(f"a notebook of the floor failed: {status}")
    return child


def _in_fork(job: Job, cells: Sequence[tuple[ast.Module, bool]], target: Path, look: bool) -> None:
    """Run the cells and end the process: 0, or 1 with the error printed."""
    status = 1
    try:
        seen = _watch() if look else None
        start = time.process_time()
        names: dict[str, Any] = {"__name__": "__main__"}
        for tree, is_parameters in cells:
            _run_cell(tree, names)
            if is_parameters:
                names |= job["parameters"]
        if seen is not None:
            signal.setitimer(signal.ITIMER_PROF, 0)
            share = seen["drawing"] / max(1, seen.total())
            target.write_text(json.dumps({"cpu": time.process_time() - start, "drawing": share}))
        status = 0
    except BaseException as error:  # noqa: BLE001 - a fork must end here, whatever happens
        print(f"{job}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    os._exit(status)


def _run_cell(tree: ast.Module, names: dict[str, Any]) -> None:
    """As IPython would: what the last line of a cell gives is shown."""
    body, last = tree.body, tree.body[-1] if tree.body else None
    is_shown = isinstance(last, ast.Expr)
    exec(compile(ast.Module(body[:-1] if is_shown else body, []), "cell", "exec"), names)  # noqa: S102 - the project's own
    if is_shown:
        value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
        for method in ("_repr_mimebundle_", "_repr_html_"):
            if show := getattr(value, method, None):
                show()
                break


def _watch() -> Counter[str]:
    """Count, every few milliseconds of processor time, whether something is being drawn."""
    seen: Counter[str] = Counter()

    def look(number: int, frame: FrameType | None) -> None:
        while frame is not None and not DRAWING.search(frame.f_code.co_filename):
            frame = frame.f_back
        seen["other" if frame is None else "drawing"] += 1

    signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, TICK, TICK)
    return seen


# --- measuring --------------------------------------------------------------------------------------------------------


def measure(way: str, root: Path, batch: str, jobs: Sequence[Job]) -> dict[str, float]:
    """Wall seconds and peak memory (bytes) of a way that starts with nothing done."""
    shutil.rmtree(root / "out", ignore_errors=True)
    (root / "out").mkdir()
    shutil.rmtree(root / "reports" / batch, ignore_errors=True)
    (root / f"{batch}.json").write_text(json.dumps(list(jobs)), encoding="utf-8")
    environment = {**os.environ, **ENVIRONMENT}
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(command_of(way, root, batch), cwd=root, env=environment, stdout=said, stderr=said)
        peak = _Peak(process.pid)
        status = process.wait()
        wall = time.perf_counter() - start
        memory = peak.end()
        if status:
            said.seek(0)
            raise SystemExit(f"way {way} ended with {status}:\n{said.read().decode('utf-8', 'replace')[-4000:]}")
    folder, pattern = (root / "reports" / batch, "*.ipynb") if way in "Aab" else (root / "out", "*.ipynb")
    made = len(list(folder.glob(pattern)))
    if way not in ("f", "look") and made != len(jobs):
        raise SystemExit(f"way {way} made {made} notebooks instead of {len(jobs)}")
    return {"wall": wall, "memory": memory}


class _Peak:
    """Looks at the memory of a process and all its descendants until told to end."""

    def __init__(self, pid: int) -> None:
        self._peak, self._ended = 0, threading.Event()
        self._thread = threading.Thread(target=self._look, args=(pid,), daemon=True)
        self._thread.start()

    def end(self) -> int:
        """The highest sum seen."""
        self._ended.set()
        self._thread.join()
        return self._peak

    def _look(self, pid: int) -> None:
        import psutil

        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(pid)
            while not self._ended.wait(LOOK):
                self._peak = max(self._peak, sum(map(_memory, [parent, *parent.children(recursive=True)])))


def _memory(process: Any) -> int:
    import psutil

    try:
        memory = process.memory_full_info()
    except psutil.Error:  # it has ended meanwhile
        return 0
    return getattr(memory, "pss", memory.uss)


def rounds_of(root: Path, mix: str, options: argparse.Namespace) -> tuple[int, int, dict[str, list[dict[str, float]]]]:
    """Runs of the mix and of its sample, and what every round found."""
    jobs = runs_of(mix)
    sample = sample_of(jobs, options.fraction)
    write_batch(root, "bench", sample)
    write_batch(root, "bench-all", jobs)
    ways = [*options.ways, *([] if options.no_full else ["A"])]
    found: dict[str, list[dict[str, float]]] = {way: [] for way in NAMES if way in ways}
    order = random.Random(SEED)
    for number in range(options.rounds):
        order.shuffle(ways)
        for way in ways:
            one = measure(way, root, *(("bench-all", jobs) if way == "A" else ("bench", sample)))
            found[way].append(one | {"each": one["wall"] / (len(jobs) if way == "A" else len(sample))})
            print(f"{mix} round {number + 1} {way}: {found[way][-1]['each']:.3f} s a notebook", flush=True)
    return len(jobs), len(sample), found


# --- what our seconds are spent on ------------------------------------------------------------------------------------


def spending(root: Path, sample: Sequence[Job], each: float, runs: int) -> list[tuple[str, float]]:
    """Milliseconds of a worker a notebook, by what they are spent on; ``each`` is way A's, or way a's, wall seconds.

    Start: the command for a single run, less that run. Computing and drawing: processor seconds of the cells in a plain
    fork, divided by looking every few milliseconds. Writing: this process writes the same notebooks once more. Fork: an
    empty one of a process of that size. IPython: what is left of the processor seconds that the ledger has of a run.
    """
    from qbresearch.batches.ledger import Ledger

    measure("a", root, "bench", sample)
    folder = root / "reports" / "bench"
    records = list(Ledger(folder).records().values())
    own = statistics.fmean(record.cpu or 0.0 for record in records)
    writing = statistics.fmean(_writing_seconds(folder / f"{record.name}.ipynb") for record in records)
    measure("look", root, "bench", sample)
    looks = [json.loads(path.read_text()) for path in (root / "out").glob("*.json")]
    drawing = statistics.fmean(look["cpu"] * look["drawing"] for look in looks)
    computing = statistics.fmean(look["cpu"] for look in looks) - drawing
    write_batch(root, "bench-one", sample[:1])
    start = measure("a", root, "bench-one", sample[:1])["wall"]
    start -= next(iter(Ledger(root / "reports" / "bench-one").records().values())).seconds
    fork = float(subprocess.check_output([sys.executable, __file__, "--way", "fork"], env=os.environ | ENVIRONMENT))
    parts = {
        f"start of the command ({start:.1f} s), its share in {runs:,} runs": start * WORKERS / runs,
        "fork and end of the child": fork,
        "computing": computing,
        "drawing": drawing,
        "writing the notebook": writing,
        "IPython, showing and collecting": own - computing - drawing - writing,
        "beside the runs: parent, ledger, waiting": each * WORKERS - own - fork - start * WORKERS / runs,
        "together": each * WORKERS,
    }
    return [(name, seconds * 1000) for name, seconds in parts.items()]


def _writing_seconds(path: Path) -> float:
    import nbformat

    notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    start = time.perf_counter()
    with tempfile.NamedTemporaryFile(dir=path.parent.parent) as file:
        file.write(nbformat.writes(notebook).encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())
    return time.perf_counter() - start


def print_fork_seconds() -> None:
    """Seconds of an empty fork of a process that has the libraries of the notebooks loaded."""
    load_everything()
    times = []
    for _ in range(20):
        start = time.perf_counter()
        if (child := os.fork()) == 0:
            os._exit(0)
        os.waitpid(child, 0)
        times.append(time.perf_counter() - start)
    print(statistics.median(times))


# --- the report -------------------------------------------------------------------------------------------------------


def table(found: dict[str, list[dict[str, float]]], runs: int, sample: int) -> Iterator[str]:
    """One row a way: seconds a notebook, ratios inside a round, memory."""
    yield "| | way | runs | seconds a notebook | lowest–highest | times as fast as c | as d | as e | peak MB |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for way, rounds in found.items():
        each = [one["each"] for one in rounds]
        ratios = [
            f"{statistics.median(b['each'] / o for b, o in zip(found[base], each, strict=True)):.1f}"
            if base in found else "—" for base in RATIOS
        ]  # fmt: skip
        memory = statistics.median(one["memory"] for one in rounds) / 1e6
        yield (
            f"| {way} | {NAMES[way]} | {runs if way == 'A' else sample} | {statistics.median(each):.3f} "
            f"| {min(each):.3f}–{max(each):.3f} | {' | '.join(ratios)} | {memory:,.0f} |"
        )


def report(root: Path, options: argparse.Namespace) -> str:
    """Every figure, as Markdown."""
    lines = [
        SECTION, "",
        "Written by `python benchmarks/batch.py --write`; what the ways, mixes and samples are stands at its head.",
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} processors.",
        f"Medians of {options.rounds} interleaved rounds over 60 county-years.",
    ]
    for mix in options.mixes:
        runs, sample, found = rounds_of(root, mix, options)
        lines += ["", f"Notebooks of the mix `{mix}`, {runs:,} runs, of which {sample} are the sample:", ""]
        lines += table(found, runs, sample)
        if ours := found.get("A") or found.get("a"):
            count = runs if "A" in found else sample
            each = statistics.median(one["each"] for one in ours)
            spent = spending(root, sample_of(runs_of(mix), options.fraction), each, count)
            lines += ["", f"What a worker of way {'A' if 'A' in found else 'a'} spends on a notebook:", ""]
            lines += ["| on | milliseconds | share |", "|---|---|---|"]
            lines += [f"| {name} | {ms:,.0f} | {ms / spent[-1][1]:.0%} |" for name, ms in spent]
    return "\n".join(lines) + "\n"


def write_section(path: Path, section: str, text: str) -> None:
    """Put a section in place of the one of the same heading."""
    before = path.read_text(encoding="utf-8") if path.exists() else "# Batches\n"
    kept = re.sub(rf"\n*{section}\n.*?(?=\n## |\Z)", "", before, flags=re.DOTALL).rstrip()
    path.write_text(f"{kept}\n\n{text}", encoding="utf-8", newline="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--fraction", type=float, default=0.1, help="of every notebook's runs, for the sample")
    parser.add_argument("--mixes", type=lambda text: text.split(","), default=["light", "all"])
    parser.add_argument("--ways", type=list, default=list("abcdef"))
    parser.add_argument("--no-full", action="store_true", help="leave out way A, all the runs")
    parser.add_argument("--folder", type=Path, help="keep the widened project here and use it again")
    parser.add_argument("--write", action="store_true", help="put the figures into results-batch.md")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--batch", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way == "fork":
        return print_fork_seconds()
    if options.way:
        return run_inside(options.way, options.folder, options.batch)
    with tempfile.TemporaryDirectory(prefix="bench-batch-") as folder:
        root = (options.folder or Path(folder) / "project").resolve()
        widen_project(root)
        text = report(root, options)
    print("\n" + text)
    if options.write:
        write_section(RESULTS, SECTION, text)


if __name__ == "__main__":
    main()
