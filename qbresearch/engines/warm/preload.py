"""Load what notebooks use, once, in a process of one thread, and leave nothing of it to be seen in a fork.

What a library does when it is first imported or first used is done here: modules, the fonts of figures and their
glyphs, the cited rules. What depends on who asks is put back: settings of matplotlib, random numbers, the language,
modules that look whether there is a notebook. Fonts of the package stay known to matplotlib.
"""

from __future__ import annotations

import builtins
import importlib
import os
import pkgutil
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib import util
from pathlib import Path
from types import ModuleType, SimpleNamespace

from qbresearch.engines.running import ENVIRONMENT, skip_slow_grammars
from qbresearch.errors import InputError

INLINE = "module://matplotlib_inline.backend_inline"
CELLS = (
    "IPython.core.interactiveshell", "IPython.core.completerlib", "IPython.core.logger", "IPython.core.oinspect",
    "IPython.utils.wildcard", "IPython.extensions.storemagic", "stack_data", "pygments.formatters.terminal256", "pygments.styles",
    "ipykernel.debugger", "ipykernel.ipkernel", "ipykernel.kernelapp", "ipykernel.zmqshell", "tornado.platform.asyncio", "pdb",
    "pexpect", "nbclient", "nbformat.v4", "papermill", "psutil", "qbresearch.engines.warm.child",
)  # fmt: skip
STACK = (
    "numpy", "pandas", "scipy.stats", "scipy.optimize", "scipy.linalg", "statsmodels.api", "statsmodels.formula.api",
    "matplotlib.pyplot", "matplotlib.backends.backend_agg", "seaborn", "pyarrow.parquet", "duckdb", "linearmodels",
    "matplotlib_inline.config", "jinja2", "PIL.PngImagePlugin", "multiprocessing.pool", "concurrent.futures",
)  # fmt: skip
ROOMS = ("fonts", "language", "rules", "statistics", "processed", "results", "exhibits", "studies")
HEAVY = ("qbresearch.language.pinyin",)  # a dictionary that few reports open
# They look at what is around them when they are imported, and each notebook must look for itself.
FRONTEND = ("tqdm.auto", "tqdm.autonotebook", "tqdm.notebook", "matplotlib_inline.backend_inline")
CANNED = "县域义务教育优质均衡差异系数达标未达标无法判定小学初中学校教师生均面积设备单位所人平方米元0123456789.%—，。（）"


class NotCleanError(RuntimeError):
    """The process has more threads than one, so that a fork of it would not be whole."""


def preload(school_years: Iterable[int] = (), *, everything: bool = True) -> Iterator[str]:
    """Load everything, in steps; the name of each is yielded before it.

    Parameters
    ----------
    school_years : iterable of int
        Years whose standards and evaluations are read.
    everything : bool
        Load what notebooks use. If not, only what it takes to run a cell is loaded.

    Raises
    ------
    NotCleanError
        A library has started a thread.
    """
    os.environ.update(ENVIRONMENT)
    # Arrow's allocator would otherwise start a thread of its own.
    os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"
    os.environ.pop("MPLBACKEND", None)
    skip_slow_grammars()
    # pandas decides how wide a table may be when it is imported, by whether a kernel is behind it.
    builtins.get_ipython = lambda: SimpleNamespace(kernel=True, config={})  # type: ignore[attr-defined]
    try:
        for name in [*CELLS, *STACK, *_modules_of_rooms()] if everything else CELLS:
            yield name
            if util.find_spec(name.split(".")[0]) is not None:
                importlib.import_module(name)
    finally:
        del builtins.get_ipython  # type: ignore[attr-defined]
    import nbformat

    nbformat.validate(nbformat.v4.new_notebook())  # its checker is made at its first use
    if everything:
        yield "rules"
        _read_rules(school_years)
        yield "figures"
        with warnings.catch_warnings():  # on the way out, what has been warned of is forgotten
            warnings.simplefilter("ignore")
            _draw()
    forget_frontend()
    os.environ.pop("JE_ARROW_MALLOC_CONF")
    if (threads := thread_count()) not in (None, 1):
        raise NotCleanError(f"{threads} threads")


def forget_frontend() -> None:
    """Let the next one to ask find out anew what it runs in."""
    for name in FRONTEND:
        sys.modules.pop(name, None)
    if "matplotlib.pyplot" in sys.modules:
        import matplotlib as mpl
        from matplotlib import pyplot as plt

        dict.__setitem__(mpl.rcParams, "backend", INLINE)
        plt._backend_mod = None  # type: ignore[attr-defined]


def begin_anew() -> None:
    """In a fork: draw other random numbers than any other fork does, and look for garbage less often.

    What figures are made of comes in many small pieces; looking for rings among them all the time takes a fifth of the
    time that drawing takes.
    """
    import gc
    import random

    gc.set_threshold(50_000, *gc.get_threshold()[1:])
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()


def thread_count() -> int | None:
    """Number of threads of this process, where the system tells."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("Threads:"):
                return int(line.split()[1])
    return None


def _modules_of_rooms() -> list[str]:
    import qbresearch

    names = []
    for room in ROOMS:
        package: ModuleType = importlib.import_module(f"{qbresearch.__name__}.{room}")
        names.append(package.__name__)
        names += [found.name for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    return [name for name in names if name not in HEAVY]


def _read_rules(school_years: Iterable[int]) -> None:
    from qbresearch.language import LANGUAGES, catalogue
    from qbresearch.rules import (
        columns,
        designs,
        evaluations,
        settings,
        standards,
        works,
    )

    for language in LANGUAGES[1:]:
        catalogue(language)
    settings.load_settings()
    works.load_works()
    for table in columns.list_tables():
        columns.load_table(table)
    for design in designs.list_designs():
        designs.load_design(design)
    for standard in standards.list_standards():
        for year in school_years:
            day = standards.school_year_start(year)
            with suppress(InputError):  # not in force then; the notebook that asks for it is told
                standards.load_standard(standard, on=day)
                if evaluations.has_evaluation(standard):
                    evaluations.load_evaluation(standard, on=day)


def _draw() -> None:
    """Draw once what every report draws, for the sake of what matplotlib keeps: fonts, glyphs, formulas, colours."""
    import random

    import matplotlib as mpl
    import numpy as np
    import pandas as pd
    from matplotlib import pyplot as plt

    from qbresearch.exhibits.figures import warm_figures
    from qbresearch.exhibits.style import figure_png, use_style
    from qbresearch.language import label_of
    from qbresearch.rules.evaluations import list_evaluations
    from qbresearch.rules.standards import latest_standard

    settings, numbers, randoms = dict.copy(mpl.rcParams), np.random.get_state(), random.getstate()
    plt.switch_backend("agg")
    use_style()
    figure, axes = plt.subplots()
    axes.plot([1, 2], [0.3, 0.6], label=CANNED)
    axes.legend(title=r"$\bar X_g^2$")
    figure_png(figure)
    warm_figures([label_of(indicator) for indicator in latest_standard(list_evaluations()[0]).indicators])
    plt.close("all")
    pd.DataFrame({"a": [1.5], "县": ["甲"]})._repr_html_()
    dict.clear(mpl.rcParams)
    dict.update(mpl.rcParams, settings)
    np.random.set_state(numbers)
    random.setstate(randoms)
