"""How every figure looks: Chinese fonts out of the package, colours, marks, and the way a figure becomes a picture.

Call :func:`use_style` once at the top of a notebook, and again after any later ``seaborn.set_theme``. The fonts are
files of the package, never of the system, so a figure is the same on every computer.
"""

from __future__ import annotations

import functools
import io
import re
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import matplotlib as mpl
import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

from qbresearch.errors import InputError

FONT_FAMILY = "Workbench Sans SC"
FALLBACK_FAMILY = "DejaVu Sans"  # comes with matplotlib; has the odd symbol ours lacks
FONT_FILES = tuple(
    Path(__file__).with_name("fonts") / name for name in ("WorkbenchSansSC-Regular.ttf", "WorkbenchSansSC-Bold.ttf")
)

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
WORDS: Mapping[str, str] = MappingProxyType({"met": "达标", "not_met": "未达标", "undecided": "无法判定"})
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
        "font.family": [FONT_FAMILY, FALLBACK_FAMILY],  # the list itself: matplotlib then falls back glyph by glyph
        "font.sans-serif": [FONT_FAMILY, FALLBACK_FAMILY],
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


def _register_fonts() -> None:
    """Make the package's fonts known to matplotlib, unless they are."""
    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in FONT_FILES:
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


@functools.cache
def _drawable(family: str) -> frozenset[int]:
    """Code points a family can draw, in regular as well as in bold; empty for a family that is not ours to judge."""
    bundled = Path(mpl.get_data_path()) / "fonts" / "ttf"
    files = {FONT_FAMILY: FONT_FILES, FALLBACK_FAMILY: (bundled / "DejaVuSans.ttf", bundled / "DejaVuSans-Bold.ttf")}
    maps = [frozenset(FT2Font(str(path)).get_charmap()) for path in files.get(family, ())]
    return frozenset.intersection(*maps) if maps else frozenset()


def missing_glyphs(text: str) -> str:
    """Return the characters of ``text`` that cannot be drawn, each once, in order of appearance.

    A character can be drawn if the package's font or DejaVu Sans has it in both weights; a line break is no
    character.
    """
    return _missing(text, (FONT_FAMILY, FALLBACK_FAMILY))


def _missing(text: str, families: Iterable[str]) -> str:
    drawable = frozenset({ord("\n")}).union(*(_drawable(family) for family in families))
    return "".join(dict.fromkeys(c for c in text if ord(c) not in drawable))


def _families(text: Text) -> list[str]:
    """Font families a text asks for, with ``sans-serif`` replaced by what it stands for."""
    named = text.get_fontfamily()
    return [f for n in named for f in (mpl.rcParams["font.sans-serif"] if n == "sans-serif" else [n])]


def _undrawable(text: Text) -> str:
    """Characters of a text that would come out as boxes; formulas between dollar signs are set in DejaVu Sans."""
    pieces = re.split(r"(?<!\\)\$", text.get_text())
    if len(pieces) % 2 == 0 or not text.get_parse_math():  # a lone dollar sign is just a dollar sign
        return _missing(text.get_text(), _families(text))
    plain, formulas = "".join(pieces[::2]), "".join(pieces[1::2])
    return _missing(plain, _families(text)) + _missing(formulas, [FALLBACK_FAMILY])


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
    for text in figure.findobj(Text):
        if not text.get_visible() or not text.get_text():
            continue
        if bad := _undrawable(text):
            _refuse(bad, text.get_text(), where)


def _refuse(bad: str, text: str, where: str) -> None:
    missing = missing_glyphs(bad)
    names = "、".join(f"{c if c.isprintable() else '不可见字符'}（U+{ord(c):04X}）" for c in missing or bad)
    if missing:
        raise InputError(
            "图中有字体画不出的字",
            where=f"{where}，文字“{text}”",
            found=names,
            expected="随软件提供的字体（GB2312 及全国省市县乡地名用字）或 DejaVu Sans 中有的字符",
            fix="请核对是否为错字、表情符号或私用区造字；如确为生僻字，请在原始数据中改用通用写法并注明",
        )
    raise InputError(
        "图中的中文没有用随软件提供的字体，会显示为方框",
        where=f"{where}，文字“{text}”",
        found=names,
        expected=f"正文字体为 {FONT_FAMILY}，且中文不写在 $…$ 公式内",
        fix="请在 seaborn.set_theme 等样式设置之后再调用 use_style()，然后重新画图",
    )


def figure_png(figure: Figure, *, dpi: int = 160, where: str = "图") -> tuple[bytes, int, int]:
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
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    plt.close(figure)
    png = buffer.getvalue()
    width, height = struct.unpack(">II", png[16:24])  # the header chunk of every PNG begins with the two
    return png, width, height
