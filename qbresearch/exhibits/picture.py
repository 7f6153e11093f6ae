"""How a figure becomes a picture: drawn once, words taken from a store of drawn words, packed as RGB.

matplotlib draws a figure with a layout engine twice to save it, and sets and draws each word anew every time it meets
it. Reports have the same words over and over (verdicts, indicators, years, numbers on axes), so here a word is drawn
once in a process and then copied. A process that is forked has the words of the one it came from.
"""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font
from PIL import Image

MAX_WORDS = 4096  # drawn words kept; at 200 dots per inch some 5 KB each
_COMPRESSION = 3  # of zlib: without filters as small as PIL's 6 with them, at a third of the time
_RIM = 2  # pixels around a word, for what reaches beyond its measured box
_INCH = 0.0254


class _Word(NamedTuple):
    """What a drawn word looks like: coverage of its pixels, and where its beginning on the base line is in them."""

    cover: np.ndarray
    left: int
    below: int


@lru_cache(maxsize=MAX_WORDS)
def _measure(text: str, font: FontProperties, ismath: bool, dpi: float, settings: tuple) -> tuple[float, float, float]:
    """Width, height and descent of a text in pixels."""
    return RendererAgg(1, 1, dpi).get_text_width_height_descent(text, font, ismath)


@lru_cache(maxsize=MAX_WORDS)
def _word(text: str, font: FontProperties, ismath: bool, angle: float, dpi: float, settings: tuple) -> _Word:
    """Draw a text, turned by an angle, on a sheet of its own."""
    width, height, descent = _measure(text, font, ismath, dpi, settings)
    # What is measured is the ink, which for a dash is all above the base line: then the descent is negative.
    room = int(font.get_size_in_points() * dpi / 72) + _RIM
    above, below = int(max(height - descent, 0)) + room, int(max(descent, 0)) + room
    left, right = room, int(width) + room
    if angle % 360:
        left = right = above = below = left + right + above + below
    sheet = RendererAgg(left + right, above + below, dpi)
    brush = sheet.new_gc()
    brush.set_foreground((0.0, 0.0, 0.0, 1.0), isRGBA=True)
    sheet.draw_text(brush, left, sheet.height - below, text, font, angle, ismath)
    cover = np.asarray(sheet.buffer_rgba())[..., 3]
    rows, columns = np.flatnonzero(cover.any(axis=1)), np.flatnonzero(cover.any(axis=0))
    if not rows.size:
        return _Word(np.zeros((0, 0), np.uint8), 0, 0)
    inked = cover[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
    return _Word(inked, int(left - columns[0]), int(below - (sheet.height - 1 - rows[-1])))


@lru_cache(maxsize=256)
def _line_metrics(font: FontProperties, settings: tuple) -> tuple[float, float, float] | None:
    """Ascent, descent and gap of a font's lines for a size of one pixel, as matplotlib reads them from the file."""
    file = FT2Font(findfont(font))
    unit = file.get_sfnt_table("head")["unitsPerEm"]
    for name, *keys in (("OS/2", "sTypoAscender", "sTypoDescender", "sTypoLineGap"), ("hhea", "ascent", "descent", "lineGap")):
        if table := file.get_sfnt_table(name):
            ascent, descent, gap = (table[key] / unit for key in keys)
            return ascent, -descent, gap
    return None


class PictureRenderer(RendererAgg):
    """Draws words from the store.

    A word begins at a whole pixel, so that it has the same pixels wherever it stands.
    """

    def __init__(self, width: float, height: float, dpi: float) -> None:
        super().__init__(width, height, dpi)
        # What a word looks like depends on these beside its font.
        self._settings = (tuple(mpl.rcParams["font.sans-serif"]), mpl.rcParams["text.hinting"])

    def draw_text(self, gc, x, y, s, prop, angle, ismath=False, mtext=None) -> None:
        special = ismath == "TeX" or not gc.get_antialiased()
        if special or (mtext is not None and _has_features(mtext)):
            super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)
            return
        word = _word(s, prop.copy(), bool(ismath), float(angle), self.dpi, self._settings)
        if not word.cover.size:
            return
        *colour, seen = (*gc.get_rgb(), 1.0)[:4]
        image = np.empty((*word.cover.shape, 4), np.uint8)
        image[..., :3] = [round(255 * part) for part in colour]
        image[..., 3] = word.cover if seen == 1 or gc.get_forced_alpha() else seen * word.cover
        self.draw_image(gc, round(x) - word.left, round(self.height - y) - word.below, image[::-1])

    def get_text_width_height_descent(self, s, prop, ismath):
        if ismath == "TeX":
            return super().get_text_width_height_descent(s, prop, ismath)
        return _measure(s, prop.copy(), bool(ismath), self.dpi, self._settings)

    def _get_font_height_metrics(self, prop):
        """Asked for by matplotlib since 3.11, which otherwise searches and reads the font file for every text."""
        found = _line_metrics(prop.copy(), self._settings)
        if found is None:
            return None, None, None
        pixels = prop.get_size_in_points() * self.dpi / 72
        return tuple(part * pixels for part in found)


def _has_features(text) -> bool:
    asked = getattr(text, "get_fontfeatures", None), getattr(text, "get_language", None)
    return any(get is not None and get() is not None for get in asked)


class PictureCanvas(FigureCanvasAgg):
    """A sheet for one figure."""

    def get_renderer(self) -> PictureRenderer:
        width, height = self.get_width_height()
        renderer = getattr(self, "renderer", None)
        if renderer is None or (renderer.width, renderer.height, renderer.dpi) != (width, height, self.figure.dpi):
            self.renderer = PictureRenderer(width, height, self.figure.dpi)
        return self.renderer


def draw_picture(figure: Figure, dpi: float) -> np.ndarray:
    """Draw a figure once; rows, columns and colours of its pixels."""
    before, resolution = figure.canvas, figure.dpi
    canvas = PictureCanvas(figure)
    try:
        figure.dpi = dpi
        canvas.draw()
    finally:
        figure.dpi = resolution
        figure.set_canvas(before)
    return np.asarray(canvas.buffer_rgba())


def encode_png(pixels: np.ndarray, dpi: float) -> bytes:
    """Pack pixels (rows, columns, RGBA) as PNG: without an alpha channel where nothing is seen through."""
    height, width = pixels.shape[:2]
    opaque = bool((pixels[..., 3] == 255).all())
    plain = np.asarray(Image.frombuffer("RGBA", (width, height), pixels, "raw", "RGBA", 0, 1).convert("RGB")) if opaque else pixels
    lines = np.zeros((height, 1 + plain[0].size), np.uint8)  # a line begins with the number of its filter: none
    lines[:, 1:] = plain.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if opaque else 6, 0, 0, 0)
    metre = round(dpi / _INCH)
    chunks = (
        (b"IHDR", header),
        (b"pHYs", struct.pack(">IIB", metre, metre, 1)),
        (b"IDAT", zlib.compress(lines, _COMPRESSION)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, *zip(*chunks, strict=True)))


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(name)))
