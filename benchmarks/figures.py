"""How long a figure of a report takes: building, drawing and packing, beside matplotlib's own way to save it.

    python benchmarks/figures.py [--rounds N] [--write]

The figures are those a warm process draws, with the labels of the national standard. Ways to save them, at the same
resolution:

a  as a notebook does: constrained layout, ``savefig(bbox_inches="tight")``
b  constrained layout, ``savefig()``
c  ``figure_png``, no word drawn before: the first report of a process
d  ``figure_png``, all words drawn before: the later reports, and forks of a warm process

The ways of a round follow one another in turn, so that all meet the same load; a ratio is taken inside a round, and its
median over the rounds is given. Times are of the processor. ``--write`` puts the table into ``results.md``.
"""

from __future__ import annotations

import argparse
import io
import platform
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from qbresearch.exhibits import picture
from qbresearch.exhibits.figures.warming import canned_figures
from qbresearch.exhibits.style import DOTS_PER_INCH, figure_png, use_style
from qbresearch.language import label_of
from qbresearch.rules.standards import load_standard

RESULTS = Path(__file__).with_name("results.md")
SECTION = "## Figures"
WAYS = {
    "a": 'constrained, savefig(bbox_inches="tight")',
    "b": "constrained, savefig()",
    "c": "figure_png, no word drawn before",
    "d": "figure_png, words drawn before",
}


def built(labels: list[str]) -> list[Figure]:
    return [np.ravel(axes)[0].figure for axes in canned_figures(labels)]


def save(figure: Figure, way: str) -> int:
    """Save a figure in one way; returns the bytes of the picture."""
    if way in "cd":
        return len(figure_png(figure)[0])
    if figure.get_layout_engine() is not None:
        figure.set_layout_engine("constrained")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, bbox_inches="tight" if way == "a" else None)
    plt.close(figure)
    return buffer.tell()


def timed(work: Callable[[], object]) -> tuple[float, object]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def forget_words() -> None:
    for store in (picture._word, picture._measure):
        store.cache_clear()


def measure(labels: list[str]) -> dict[str, float]:
    """One round: seconds a figure of every way and part, and KiB."""
    spent: dict[str, float] = defaultdict(float)
    for way in WAYS:
        seconds, figures = timed(lambda: built(labels))
        spent["building"] += seconds / len(WAYS)
        if way == "c":
            forget_words()
        for figure in figures:
            seconds, size = timed(lambda figure=figure, way=way: save(figure, way))
            spent[way] += seconds
            spent[f"{way} KiB"] += size / 1024
    for figure in (figures := built(labels)):
        seconds, pixels = timed(lambda figure=figure: picture.draw_picture(figure, DOTS_PER_INCH))
        spent["drawing"] += seconds
        spent["packing"] += timed(lambda pixels=pixels: picture.encode_png(pixels, DOTS_PER_INCH))[0]
        plt.close(figure)
    return {name: value / len(figures) for name, value in spent.items()}


def table(rounds: list[dict[str, float]]) -> str:
    middle = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
    lines = [
        (f"Written by `python benchmarks/figures.py --write` on {date.today()}: Python {platform.python_version()}, "
        f"matplotlib {mpl.__version__}, {platform.system()} {platform.machine()}; {len(rounds)} rounds."),
        "",
        "| | way to save a figure | ms a figure | times faster than a | KiB |",
        "|---|---|---|---|---|",
    ]
    for way, words in WAYS.items():
        faster = statistics.median(r["a"] / r[way] for r in rounds)
        lines.append(f"| {way} | {words} | {1000 * middle[way]:.1f} | {faster:.1f} | {middle[f'{way} KiB']:.0f} |")
    lines += ["", "| part of d | ms a figure |", "|---|---|"]
    lines += [f"| {name} | {1000 * middle[name]:.1f} |" for name in ("building", "drawing", "packing")]
    return "\n".join(lines)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--write", action="store_true", help="put the table into results.md")
    options = parser.parse_args()
    use_style()
    labels = [label_of(indicator) for indicator in load_standard("national-2017", on=date(2024, 9, 1)).indicators]
    measure(labels)  # what is loaded at its first use
    text = f"{SECTION}\n\n{table([measure(labels) for _ in range(options.rounds)])}\n"
    print(text)
    if options.write:
        before = RESULTS.read_text(encoding="utf-8")
        kept = re.sub(rf"\n*{SECTION}\n.*?(?=\n## |\Z)", "", before, flags=re.DOTALL).rstrip()
        RESULTS.write_text(f"{kept}\n\n{text}", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
