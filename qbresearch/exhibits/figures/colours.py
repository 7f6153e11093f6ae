"""Scales of colours, the bar that explains one, and the ink that can be read on a colour."""

from __future__ import annotations

from functools import cache

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize, to_rgb

from qbresearch.exhibits.style import PALETTE

LIGHTNESS = np.array([0.299, 0.587, 0.114])  # of red, green and blue, as the eye weighs them
LIGHT = 0.52  # colours lighter than this have ink on them, darker ones white


def inks_on(colours: np.ndarray) -> np.ndarray:
    """:func:`ink_on` for an array of colours."""
    return np.where(colours[..., :3] @ LIGHTNESS > LIGHT, PALETTE["ink"], "white")


def ink_on(colour: str | tuple[float, ...]) -> str:
    """Ink or white, whichever can be read on a colour."""
    return str(inks_on(np.array(to_rgb(colour))))


@cache
def colour_scale(*colours: str) -> Colormap:
    """Colours that lead from one to the next."""
    return sns.blend_palette(colours, as_cmap=True)


def colour_bar(ax: Axes, cmap: Colormap, norm: Normalize, label: str, *, own: bool, **settings: object) -> None:
    """One colour bar below the axes."""
    shape = {"shrink": 0.55, "aspect": 36}
    place: dict[str, object] = {"ax": ax, "location": "bottom", "pad": 0.02, **shape}
    if own:
        below = ax.figure.add_axes((0.2, 0.1, 0.6, 0.02))
        ax.figure.get_layout_engine().hang(below, share=shape["shrink"], aspect=shape["aspect"])
        place = {"cax": below, "orientation": "horizontal"}
    bar = ax.figure.colorbar(ScalarMappable(norm=norm, cmap=cmap), **place, **settings)
    bar.set_label(label, fontsize=8.5)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8)
