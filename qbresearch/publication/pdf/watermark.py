"""The mark behind every page of a report on simulated data, as a shape.

Set as text it would run through everything a reader copies or a program extracts.
"""

from __future__ import annotations

from functools import cache

from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from qbresearch.fonts import SANS

SIZE = 400  # units of the drawing to an em: fine enough for a pale mark of 64 points, and short
_LETTERS = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C", Path.CLOSEPOLY: "Z"}


@cache
def watermark(text: str, *, tracking: float, colour: str) -> bytes:
    """The outlines of a text as an SVG picture.

    Parameters
    ----------
    text : str
        One line.
    tracking : float
        Blank between characters, in em.
    colour : str
        As SVG writes it.
    """
    font = FontProperties(fname=str(SANS.files["Bold"]))
    parts, x = [], 0.0
    for piece in text if tracking else (text,):
        outline = TextPath((x, 0), piece, size=SIZE, prop=font)
        parts += [_segment(code, points) for points, code in outline.iter_segments(curves=True, simplify=False)]
        x = max(outline.get_extents().x1, x) + tracking * SIZE
    width = round(x - tracking * SIZE)
    view = f'viewBox="0 {-SIZE} {width} {round(1.3 * SIZE)}"'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" {view}><path fill="{colour}" d="{"".join(parts)}"/></svg>'
    return svg.encode("ascii")


def _segment(code: int, points: object) -> str:
    if code == Path.CLOSEPOLY:
        return "Z"
    numbers = [round(float(value)) * (1 if index % 2 == 0 else -1) for index, value in enumerate(points)]
    return _LETTERS[code] + " ".join(map(str, numbers))
