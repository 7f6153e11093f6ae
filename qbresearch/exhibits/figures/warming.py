"""Draw the figures of a county once, for the sake of what stays in the process: fonts, words already drawn."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from qbresearch.exhibits.figures.balance import (
    plot_cv_caps,
    plot_distributions,
    plot_years,
)
from qbresearch.exhibits.figures.coloured_tables import plot_attainment_map
from qbresearch.exhibits.figures.evaluation import (
    plot_increases,
    plot_recognition,
    plot_verdicts,
)
from qbresearch.exhibits.style import figure_png, use_style
from qbresearch.language import LANGUAGES, say, speaking

VERDICTS = ("met", "not_met", "undecided")
SCHOOLS = 6


def warm_figures(labels: Sequence[str] = ("A", "B")) -> int:
    """Draw one canned set of figures in every language and throw the pictures away.

    Settings of matplotlib, the language and the open figures are afterwards what they were; fonts of the package stay
    known to matplotlib, and drawn words stay in the store of :mod:`qbresearch.exhibits.picture`.

    Parameters
    ----------
    labels : sequence of str
        Labels of the indicators that reports will draw, at most eight: their words are then drawn already.

    Returns
    -------
    int
        Number of figures drawn.
    """
    drawn, others = 0, plt.get_fignums()
    front = plt.gcf() if others else None
    for language in LANGUAGES:
        with mpl.rc_context(), speaking(language):
            use_style()
            for axes in canned_figures(labels):
                figure_png(np.ravel(axes)[0].figure)
                drawn += 1
    if front is not None:
        plt.figure(front)
    return drawn


def canned_figures(labels: Sequence[str]) -> list[Axes | np.ndarray]:
    """Figures of a county's reports with made-up numbers, in the language in force."""
    marks = dict(zip(labels, np.resize(VERDICTS, len(labels)), strict=True))
    one = pd.DataFrame({"label": list(labels), "cap": 0.5, "fragile": False, "verdict": list(marks.values())})
    one = one.assign(cv=np.linspace(0.1, 0.6, len(labels)))
    each = pd.DataFrame(product(labels, range(SCHOOLS)), columns=["label", "number"])
    each = each.assign(
        school=each["number"].astype(str), unit=say("人"), value=1.0 + each["number"], students=100.0, threshold=3.0,
        mean=3.0, ratio=0.5 + each["number"] / SCHOOLS, verdict=each["label"].map(marks),
    )  # fmt: skip
    years = pd.DataFrame(product(labels, range(2022, 2025)), columns=["label", "school_year"]).assign(cv=0.4, cap=0.5)
    tree = pd.DataFrame({"code": ["L", "L1", "G", "G1"], "parent": ["", "L", "", "G"], "depth": [1, 2, 1, 2], "decides": True})
    tree = tree.assign(label=say("资源配置"), verdict="met")
    answers = pd.DataFrame({"label": [say("合计")], "share": 0.9, "low": 0.85, "high": 0.95, "threshold": 0.85, "valid": 100.0})
    spent = pd.DataFrame({"label": say("合计"), "unit": say("元"), "year": [2022, 2023], "value": [1.0, 2.0], "real": [1.0, 1.9]})
    return [
        plot_distributions(each), plot_cv_caps(one), plot_years(years), plot_attainment_map(each), plot_verdicts(tree),
        plot_recognition(answers.assign(verdict="met")), plot_increases(spent.assign(verdict="met")),
    ]  # fmt: skip
