"""What the tests of figures share: the texts and marks of a drawing, and what holds for every figure."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from qbresearch.errors import InputError
from qbresearch.exhibits import style

NAN = float("nan")
Drawn = Axes | np.ndarray
Plot = Callable[..., Drawn]
Make = Callable[[], tuple[pd.DataFrame, ...]]


def figure_of(drawn: Drawn) -> plt.Figure:
    return (drawn.flat[0] if isinstance(drawn, np.ndarray) else drawn).figure


def words(drawn: Drawn) -> list[str]:
    """Every visible text, in order; line breaks taken out."""
    figure = figure_of(drawn)
    figure.canvas.draw()
    return [t.get_text().replace("\n", "") for t in figure.findobj(mpl.text.Text) if t.get_visible() and t.get_text()]


def marks(ax: Axes) -> list[int]:
    """Number of points in each cloud of points."""
    return [len(c.get_offsets()) for c in ax.collections if isinstance(c, mpl.collections.PathCollection)]


def strokes(ax: Axes) -> int:
    """Number of straight lines drawn as intervals or marks."""
    return sum(len(c.get_segments()) for c in ax.collections if isinstance(c, mpl.collections.LineCollection))


def check_drawn_twice_the_same(plot: Plot, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """No warning, no missing glyph, the same bytes, no figure left open."""
    pictures = []
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        for _ in range(2):
            pictures.append(style.figure_png(figure_of(plot(*make())), dpi=60))
    assert pictures[0] == pictures[1]
    assert not [r for r in caplog.records if "glyph" in r.getMessage().lower() or "font" in r.getMessage().lower()]
    assert plt.get_fignums() == []


def check_bad_frames(plot: Plot, make: Make) -> None:
    """A missing column, no rows, a word for a number and an infinite number are refused before anything is drawn."""
    data, *others = make()
    for column in data.columns:
        with pytest.raises(InputError, match=f"缺少列 {column}"):
            plot(data.drop(columns=column), *others)
    with pytest.raises(InputError, match="没有一行数据"):
        plot(data.iloc[:0], *others)
    name = data.select_dtypes("float").columns[0]
    for bad in (float("inf"), "约五"):
        spoilt = data.astype({name: object})
        spoilt.iloc[0, spoilt.columns.get_loc(name)] = bad
        with pytest.raises(InputError, match=name):
            plot(spoilt, *others)
    assert plt.get_fignums() == []


def check_frames_left_alone(plot: Plot, make: Make) -> None:
    frames = make()
    plot(*frames)
    for frame, before in zip(frames, make(), strict=True):
        pd.testing.assert_frame_equal(frame, before)


def check_other_types(plot: Plot, make: Make) -> None:
    """Nullable columns and categories are taken as well."""
    data, *others = make()
    taken = data.convert_dtypes()
    for column in data.select_dtypes(["object", "string"]):
        taken[column] = taken[column].astype("category")
    style.figure_png(figure_of(plot(taken, *others)), dpi=60)


def check_given_axes(plot: Plot, make: Make, *, many: bool) -> None:
    figure, grid = plt.subplots(2, 2, figsize=(14, 12), layout="constrained")
    drawn = plot(*make(), axes=grid) if many else plot(*make(), ax=grid[0, 0])
    assert plt.get_fignums() == [figure.number]
    assert figure_of(drawn) is figure
    assert not grid[1, 1].collections and not grid[1, 1].patches and not grid[1, 1].lines
    style.figure_png(figure, dpi=40)


def _beyond_the_axes(figure: plt.Figure) -> set[mpl.text.Text]:
    """Labels of ticks outside the limits of their axis: they exist and are not drawn."""
    found = set()
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        low, high = sorted(axis.get_view_interval())
        slack = 1e-9 * (high - low)
        for tick in axis.get_major_ticks():
            if not low - slack <= tick.get_loc() <= high + slack:
                found |= {tick.label1, tick.label2}
    return found


def check_texts_inside_and_apart(drawn: Drawn) -> None:
    """No text leaves the picture, and no text lies on another."""
    figure = figure_of(drawn)
    figure.canvas.draw()
    boxes, beyond = [], _beyond_the_axes(figure)
    for text in figure.findobj(mpl.text.Text):
        if text.get_visible() and text.get_text().strip() and text not in beyond:
            box = text.get_window_extent()
            if isinstance(text, mpl.text.Annotation):  # the thread is no text
                box = mpl.text.Text.get_window_extent(text)
            boxes.append((text.get_text(), box))
    for words_, box in boxes:
        assert box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1, words_
        assert box.y0 >= -1 and box.y1 <= figure.bbox.y1 + 1, words_
    for number, (first, one) in enumerate(boxes):
        for second, other in boxes[number + 1 :]:
            wide = min(one.x1, other.x1) - max(one.x0, other.x0)
            high = min(one.y1, other.y1) - max(one.y0, other.y0)
            assert wide < 1.5 or high < 0.35 * min(one.height, other.height), (first, second)
