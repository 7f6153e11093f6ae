"""How every figure looks: Chinese fonts out of the package, colours, marks, and the way a figure becomes a picture.

Call :func:`use_style` once at the top of a notebook, and again after any later ``seaborn.set_theme``. The fonts are
files of the package, never of the system, so a figure is the same on every computer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import matplotlib as mpl
import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text

from qbresearch import fonts
from qbresearch.errors import InputError
from qbresearch.exhibits.picture import draw_picture, encode_png
from qbresearch.fonts import FontFamily
from qbresearch.language import say

FONT_FAMILY = fonts.SANS.name
_BUNDLED = Path(mpl.get_data_path()) / "fonts" / "ttf"
# Comes with matplotlib; has the odd symbol ours lacks.
_FALLBACK = FontFamily(
    "DejaVu Sans", MappingProxyType({"Regular": _BUNDLED / "DejaVuSans.ttf", "Bold": _BUNDLED / "DejaVuSans-Bold.ttf"})
)
_DRAWN_WITH = (fonts.SANS, _FALLBACK)

DOTS_PER_INCH = 200  # what journals ask of a picture that is not a photograph at the least

# Blue and vermilion stay apart for every common colour blindness, and the vermilion is the darker one in print
# without colour. Colour never stands alone: each verdict also has a marker and a word.
PALETTE: Mapping[str, str] = MappingProxyType(
    {
        "met": "#3A87C2",
        "not_met": "#B33A00",
        "undecided": "#8C8C8C",
        "plain": "#5F7285",  # no threshold applies
        "ink": "#222222",  # text, thresholds, means
        "faint": "#D9DDE1",  # grid, missing cells
    }
)
MARKERS: Mapping[str, str] = MappingProxyType({"met": "o", "not_met": "X", "undecided": "s", "plain": "o"})
GROUP_COLOURS = (
    "#332288",
    "#2A9D8F",
    "#CC6677",
    "#117733",
    "#AA4499",
    "#8A8A26",
    "#882255",
    "#4E9FCB",
    "#6B6B6B",
    "#C28A1B",
    "#1F6F8B",
    "#8C5A2B",
)

_SETTINGS: Mapping[str, object] = MappingProxyType(
    {
        # The list itself, not the word sans-serif: matplotlib then falls back glyph by glyph.
        "font.family": [family.name for family in _DRAWN_WITH],
        "font.sans-serif": [family.name for family in _DRAWN_WITH],
        "mathtext.fontset": "dejavusans",
        "axes.unicode_minus": True,
        "pdf.fonttype": 42,  # matplotlib 3.11 sizes PDF subsets by ps.fonttype: the two have to be equal
        "ps.fonttype": 42,
        "svg.hashsalt": "qbresearch",  # same figure, same bytes
        "savefig.bbox": None,  # "tight" would draw every figure a second time
        "font.size": 9.0,
        "axes.titlesize": 9.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titley": 1.0,  # left free, a title asks for everything above the axes before every drawing
        "axes.labelsize": 8.5,
        "xtick.labelsize": 8.0,
        "ytick.labelsize": 8.0,
        "legend.fontsize": 8.0,
        "legend.frameon": False,
        "axes.edgecolor": "#8A9199",
        "axes.linewidth": 0.8,
        "axes.labelcolor": PALETTE["ink"],
        "text.color": PALETTE["ink"],
        "xtick.color": PALETTE["ink"],
        "ytick.color": PALETTE["ink"],
        "grid.color": "#E6E9EC",
        "grid.linewidth": 0.6,
        "xtick.major.pad": 2.5,
        "ytick.major.pad": 3.5,
        "lines.linewidth": 1.4,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.dpi": 100.0,
        "hatch.linewidth": 0.6,
    }
)


def verdict_words() -> dict[str, str]:
    """Verdicts in the words of the report's language, in the order in which legends list them."""
    return {"met": say("达标"), "not_met": say("未达标"), "undecided": say("无法判定")}


def _register_fonts() -> None:
    """Make the package's fonts known to matplotlib, unless they are."""
    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in fonts.SANS.files.values():
        if str(path) not in known:
            font_manager.fontManager.addfont(str(path))


def use_style() -> None:
    """Set fonts, colours and grid for all figures drawn from now on.

    seaborn's theme names its own fonts, which have no Chinese, so ours are set after it. For the same reason call
    this again after any ``seaborn.set_theme``.
    """
    _register_fonts()
    sns.set_theme(style="whitegrid", context="paper", palette=list(GROUP_COLOURS))
    mpl.rcParams.update(_SETTINGS)


def missing_glyphs(text: str) -> str:
    """Return the characters of ``text`` that no figure can draw, each once, in order of appearance.

    A character can be drawn if the package's font or DejaVu Sans has it in both weights; a line break is no
    character.
    """
    return fonts.missing_glyphs(text, _DRAWN_WITH)


@lru_cache(maxsize=8192)
def _undrawable(text: str, named: tuple[str, ...], sans: tuple[str, ...], *, formulas: bool) -> str:
    """Characters of a text that would come out as boxes.

    ``named`` are the font families it asks for, ``sans`` those that ``sans-serif`` stands for. Formulas between dollar
    signs are set in DejaVu Sans.
    """
    names = {family for name in named for family in (sans if name == "sans-serif" else (name,))}
    families = [family for family in _DRAWN_WITH if family.name in names]
    pieces = re.split(r"(?<!\\)\$", text)
    if len(pieces) % 2 == 0 or not formulas:  # a lone dollar sign is just a dollar sign
        return fonts.missing_glyphs(text, families)
    inside = fonts.missing_glyphs("".join(pieces[1::2]), [_FALLBACK])
    return fonts.missing_glyphs("".join(pieces[::2]), families) + inside


def check_glyphs(figure: Figure, *, where: str) -> None:
    """Refuse a figure with a character that would be drawn as an empty box.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Every visible text in it is looked at.
    where : str
        What the figure is, in Chinese, for the message.

    Raises
    ------
    InputError
        Naming the character, its code point and the text it stands in.
    """
    for axes in figure.axes:  # labels of ticks come into being only when asked for
        axes.get_xticklabels()
        axes.get_yticklabels()
    sans = tuple(mpl.rcParams["font.sans-serif"])
    for text in figure.findobj(Text):
        words = text.get_text()
        if not words or not text.get_visible():
            continue
        if bad := _undrawable(words, tuple(text.get_fontfamily()), sans, formulas=text.get_parse_math()):
            _refuse(bad, words, where)


def _refuse(bad: str, text: str, where: str) -> None:
    fonts.check_drawable(text, where=where, families=_DRAWN_WITH)
    raise InputError(
        "图中的中文没有用随软件提供的字体，会显示为方框",
        where=f"{where}，文字“{text}”",
        found=fonts.named_characters(bad),
        expected=f"正文字体为 {FONT_FAMILY}，且中文不写在 $…$ 公式内",
        fix="请在 seaborn.set_theme 等样式设置之后再调用 use_style()，然后重新画图",
    )


def figure_png(figure: Figure, *, dpi: int = DOTS_PER_INCH, where: str = "图") -> tuple[bytes, int, int]:
    """Turn a figure into a PNG picture and close it, so that a notebook does not show it a second time.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        A figure with all its axes drawn into it.
    dpi : int
        Dots per inch.
    where : str
        What the figure is, in Chinese, for the message about a character that cannot be drawn.

    Returns
    -------
    tuple of (bytes, int, int)
        The picture, its width and its height in pixels. The same figure gives the same bytes.
    """
    check_glyphs(figure, where=where)
    pixels = draw_picture(figure, dpi)
    plt.close(figure)
    height, width = pixels.shape[:2]
    return encode_png(pixels, dpi), width, height
