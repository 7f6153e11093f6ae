"""Fonts, glyphs and pictures: what a reader would see as boxes must be refused before it is drawn."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import warnings

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import pytest
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.image import imread

from qbresearch.errors import InputError
from qbresearch.exhibits import style

PLACES = ("鄠邑", "浉河", "瀍河", "猇亭", "硚口", "湾沚", "埇桥", "㵲水", "塘㙍")
SYMBOLS = "㎡²³≥≤±−×÷‰％●○▲△✓★←↑→↓"
UNDRAWABLE = ("\U0001f9ff", "\ue123", "\U00030edd")  # an emoji, a private-use code point, a rare ideograph


@pytest.fixture
def figure():
    style.use_style()
    figure, _ = plt.subplots(figsize=(2, 1.5))
    yield figure
    plt.close(figure)


@pytest.mark.parametrize("weight", ["normal", "bold"])
@pytest.mark.parametrize("place", PLACES)
def test_place_name_is_drawn_without_a_warning_about_a_glyph(figure, place, weight):
    figure.axes[0].set_title(f"{place} {SYMBOLS}", fontweight=weight)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        style.figure_png(figure)
    assert [str(w.message) for w in warned if "Glyph" in str(w.message)] == []


def test_what_a_figure_can_draw_is_ours_or_comes_with_matplotlib():
    assert style.missing_glyphs("鄠邑区") == ""
    assert style.missing_glyphs("☑") == ""  # only in DejaVu Sans
    assert style.missing_glyphs("\U0001f9ff𡌶") == "\U0001f9ff𡌶"  # the latter only in a family that no figure uses


@pytest.mark.parametrize("character", UNDRAWABLE)
@pytest.mark.parametrize("place", ["title", "tick", "legend"])
def test_undrawable_character_is_refused_by_name(figure, character, place):
    ax = figure.axes[0]
    text = f"第一小学{character}"
    if place == "title":
        ax.set_title(text)
    elif place == "tick":
        ax.set_yticks([0.5], [text])
    else:
        ax.plot([0, 1], label=text)
        ax.legend()
    with pytest.raises(InputError) as caught:
        style.figure_png(figure, where="学校分布图")
    message = str(caught.value)
    assert f"U+{ord(character):04X}" in message
    assert text in message
    assert "学校分布图" in message
    if character.isprintable():
        assert f"{character}（" in message


def test_hidden_text_is_not_looked_at(figure):
    figure.text(0.5, 0.5, UNDRAWABLE[0]).set_visible(False)
    style.check_glyphs(figure, where="图")


def test_chinese_inside_a_formula_is_refused(figure):
    figure.text(0.5, 0.5, "系数 $均值$")
    with pytest.raises(InputError, match=r"U\+5747.*\n.*公式"):
        style.check_glyphs(figure, where="图")


@pytest.mark.parametrize("text", [r"设备值 $\bar{x}$", "设备值 5 $", "设备值\n（元）"])
def test_formulas_dollar_signs_and_line_breaks_pass(figure, text):
    figure.text(0.1, 0.5, text)
    style.check_glyphs(figure, where="图")


def test_style_survives_a_seaborn_theme_set_before():
    sns.set_theme(style="darkgrid", font="Arial")
    style.use_style()
    figure, ax = plt.subplots()
    ax.set_title("鄠邑区")
    assert ax.title.get_fontfamily()[0] == style.FONT_FAMILY
    style.figure_png(figure)


def test_seaborn_theme_set_after_is_noticed():
    style.use_style()
    sns.set_theme()
    figure, ax = plt.subplots()
    ax.set_title("鄠邑区")
    with pytest.raises(InputError, match="use_style"):
        style.figure_png(figure)
    plt.close(figure)
    style.use_style()


def test_settings_that_files_depend_on():
    style.use_style()
    assert mpl.rcParams["pdf.fonttype"] == mpl.rcParams["ps.fonttype"] == 42
    assert mpl.rcParams["axes.unicode_minus"] is True
    assert mpl.rcParams["svg.hashsalt"]
    assert mpl.rcParams["axes.spines.top"] is mpl.rcParams["axes.spines.right"] is False


def test_fonts_are_registered_once():
    for _ in range(3):
        style.use_style()
    entries = [e for e in mpl.font_manager.fontManager.ttflist if e.name == style.FONT_FAMILY]
    assert sorted(e.weight for e in entries) == [400, 700]


def test_pdf_can_be_written_with_chinese(figure):
    figure.axes[0].set_title("鄠邑区 −0.5 ㎡", fontweight="bold")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="pdf")
    assert buffer.getvalue().startswith(b"%PDF")


def test_picture_has_the_size_it_says_is_repeatable_and_closes_the_figure():
    style.use_style()
    pictures = []
    for _ in range(2):
        figure, ax = plt.subplots(figsize=(2, 1.5))
        ax.set_title("埇桥区")
        pictures.append(style.figure_png(figure, dpi=100))
        assert not plt.fignum_exists(figure.number)
    assert pictures[0] == pictures[1]
    png, width, height = pictures[0]
    assert (width, height) == (200, 150)
    assert imread(io.BytesIO(png)).shape[:2] == (150, 200)
    assert b"Software" not in png


def test_figure_unknown_to_pyplot_is_fine():
    style.use_style()
    figure = Figure(figsize=(1, 1))
    assert style.figure_png(figure, dpi=50)[1:] == (50, 50)


def test_verdicts_differ_in_colour_marker_word_and_grey():
    verdicts = ("met", "not_met", "undecided")
    for look in (style.PALETTE, style.MARKERS, style.verdict_words()):
        assert len({look[v] for v in verdicts}) == 3
    grey = {v: sum(w * c for w, c in zip((0.299, 0.587, 0.114), mpl.colors.to_rgb(style.PALETTE[v]), strict=True))
            for v in verdicts}  # fmt: skip
    assert abs(grey["met"] - grey["not_met"]) > 0.1
    assert len(set(style.GROUP_COLOURS)) == 12


def test_import_changes_nothing():
    code = (
        "import seaborn, matplotlib as m; from matplotlib import font_manager as f;"
        "a = dict(m.rcParams), len(f.fontManager.ttflist);"
        "import qbresearch.exhibits.figures;"
        "assert a == (dict(m.rcParams), len(f.fontManager.ttflist))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"MPLBACKEND": "Agg", **_environment()})


def _environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k != "MPLBACKEND"} | {"PYTHONPATH": os.pathsep.join(sys.path)}
