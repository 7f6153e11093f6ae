"""What stands in a report where there is nothing to draw: a sentence in the figure's place, so that numbering holds."""

from __future__ import annotations

from matplotlib.axes import Axes

from qbresearch.exhibits.canvas import single_axes
from qbresearch.exhibits.style import PALETTE


def plot_nothing(reason: str, *, ax: Axes | None = None) -> Axes:
    """Write why there is no picture.

    Parameters
    ----------
    reason : str
        A short sentence in the report's language.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
        Without axis lines.
    """
    ax, _ = single_axes(ax, 1.0)
    ax.set_axis_off()
    ax.text(0.5, 0.5, reason, ha="center", va="center", fontsize=10, color=PALETTE["ink"], transform=ax.transAxes)
    return ax
