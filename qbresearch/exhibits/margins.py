"""Room around axes for what is written beside them, from one measuring.

``layout="constrained"`` measures every text twice and solves equations that hold for any nesting of axes. The figures
of a report are a column or a grid of panels, perhaps with a colour bar or a legend below: there sums suffice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.layout_engine import LayoutEngine
from matplotlib.ticker import AutoLocator
from matplotlib.transforms import Bbox, ScaledTranslation

PAD = 3.0  # points around each panel with all that belongs to it


class _Bar(NamedTuple):
    """A colour bar: its axes, its width in parts of the panel's, how many times as wide as high it is."""

    axes: Axes
    share: float
    aspect: float


class Margins(LayoutEngine):
    """Places the panels of a figure so that nothing leaves it: those of a row as high, those of a column as wide.

    Parameters
    ----------
    pad : float
        Points around each panel with its labels.
    """

    _adjust_compatible = False
    _colorbar_gridspec = False

    def __init__(self, pad: float = PAD) -> None:
        super().__init__()
        self._pad = pad
        self._bars: list[_Bar] = []

    def hang(self, bar: Axes, *, share: float, aspect: float) -> None:
        """Keep the axes of a colour bar below a figure's only panel."""
        self._bars.append(_Bar(bar, share, aspect))

    def execute(self, fig: Figure) -> None:
        """Measure what stands beside the panels and place them; once more if an axis then has other numbers."""
        panels = [ax for ax in fig.axes if ax.get_subplotspec() is not None and ax.get_in_layout()]
        if not panels:
            return
        before = _free_ticks(panels)
        self._place(fig, panels)
        if before != _free_ticks(panels):
            self._place(fig, panels)

    def _place(self, fig: Figure, panels: list[Axes]) -> None:
        renderer, pad = fig.canvas.get_renderer(), self._pad * fig.dpi / 72
        grid = panels[0].get_gridspec()
        left, right = np.zeros(grid.ncols), np.zeros(grid.ncols)
        top, bottom = np.zeros(grid.nrows), np.zeros(grid.nrows)
        for ax in panels:
            row, column = _cell(ax)
            for sides, place, size in zip((left, bottom, right, top), (column, row, column, row), _beside(ax, renderer), strict=True):
                sides[place] = max(sides[place], size + pad)
        wide = _shares(grid.get_width_ratios(), fig.bbox.width - left.sum() - right.sum())
        below = sum(legend.get_window_extent(renderer).height + 2 * pad for legend in fig.legends)
        for bar in reversed(self._bars):
            below = self._place_bar(bar, fig, left[0] + wide[0] / 2, wide[0], below + pad, renderer)
        high = _shares(grid.get_height_ratios(), fig.bbox.height - below - top.sum() - bottom.sum())
        lefts = np.cumsum(left) + np.cumsum(right) - right + np.cumsum(wide) - wide
        floors = fig.bbox.height - np.cumsum(top) - np.cumsum(bottom) + bottom - np.cumsum(high)
        for ax in panels:
            row, column = _cell(ax)
            _put(ax, fig, lefts[column], floors[row], wide[column], high[row])

    def _place_bar(self, bar: _Bar, fig: Figure, middle: float, wide: float, floor: float, renderer: RendererBase) -> float:
        """Put a bar above what is below it; returns where it ends."""
        width = bar.share * wide
        _put(bar.axes, fig, middle - width / 2, floor, width, width / bar.aspect)
        under = _beside(bar.axes, renderer)[1]
        _put(bar.axes, fig, middle - width / 2, floor + under, width, width / bar.aspect)
        return floor + under + width / bar.aspect


def _cell(ax: Axes) -> tuple[int, int]:
    spec = ax.get_subplotspec()
    return spec.rowspan.start, spec.colspan.start


def _shares(ratios: list[float], room: float) -> np.ndarray:
    """Room in parts by ratios; a figure too small for its words keeps a pixel for each."""
    parts = np.asarray(ratios, dtype=float)
    return np.maximum(room * parts / parts.sum(), 1.0)


def _put(ax: Axes, fig: Figure, left: float, floor: float, width: float, height: float) -> None:
    ax.set_position([left / fig.bbox.width, floor / fig.bbox.height, width / fig.bbox.width, height / fig.bbox.height])
    ax.set_in_layout(True)  # placed by hand means left alone ever after


def _free_ticks(panels: list[Axes]) -> list[list[float]]:
    """Ticks of the axes that have as many as there is room for."""
    axes = (axis for ax in panels for axis in (ax.xaxis, ax.yaxis))
    return [list(axis.get_majorticklocs()) for axis in axes if isinstance(axis.get_major_locator(), AutoLocator)]


def _beside(ax: Axes, renderer: RendererBase) -> np.ndarray:
    """Pixels that texts reach beyond the axes: left, bottom, right, top.

    A title or label of an axis counts across its direction only: if it is too long no other place of the axes helps.
    """
    frame = ax.get_window_extent(renderer)
    beyond = np.zeros(4)
    for box in _texts(ax, frame, renderer):
        sizes = (frame.x0 - box.x0, frame.y0 - box.y0, box.x1 - frame.x1, box.y1 - frame.y1)
        beyond = np.fmax(beyond, sizes)
    return beyond


def _texts(ax: Axes, frame: Bbox, renderer: RendererBase) -> Iterator[Bbox]:
    """Boxes of the texts around axes."""
    if ax.axison:
        for axis in (ax.xaxis, ax.yaxis):
            yield from _axis_texts(axis, frame, renderer)
    middle = (frame.x0 + frame.x1) / 2
    for title in (ax.title, ax._left_title, ax._right_title):
        if title.get_text():
            box = title.get_window_extent(renderer)
            yield Bbox.from_extents(middle, box.y0, middle, box.y1)
    for text in ax.texts:
        if text.get_visible():
            yield text.get_tightbbox(renderer)


def _axis_texts(axis: Axis, frame: Bbox, renderer: RendererBase) -> Iterator[Bbox]:
    """Box of an axis' numbers, and of its label, which is pinned beside them.

    Left to itself a label asks for all numbers again at every measuring and at every drawing.
    """
    label, ax, lying = axis.label, axis.axes, axis.axis_name == "x"
    label.set_visible(False)
    axis.set_label_coords(0.5, 0.5)
    numbers = axis.get_tightbbox(renderer)
    label.set_visible(True)
    if numbers is not None:
        yield numbers
    if not label.get_text():
        return
    numbers = numbers if numbers is not None else frame
    inch = ax.figure.dpi
    pad = axis.labelpad / 72
    side = axis.get_label_position()
    gap = {
        "bottom": -max(frame.y0 - numbers.y0, 0) / inch - pad, "top": max(numbers.y1 - frame.y1, 0) / inch + pad,
        "left": -max(frame.x0 - numbers.x0, 0) / inch - pad, "right": max(numbers.x1 - frame.x1, 0) / inch + pad,
    }[side]  # fmt: skip
    across = 1.0 if side in ("top", "right") else 0.0
    shift = ScaledTranslation(*((0, gap) if lying else (gap, 0)), ax.figure.dpi_scale_trans)
    axis.set_label_coords(*((0.5, across) if lying else (across, 0.5)), transform=ax.transAxes + shift)
    box = label.get_window_extent(renderer)
    x, y = (frame.x0 + frame.x1) / 2, (frame.y0 + frame.y1) / 2
    yield Bbox.from_extents(x, box.y0, x, box.y1) if lying else Bbox.from_extents(box.x0, y, box.x1, y)
