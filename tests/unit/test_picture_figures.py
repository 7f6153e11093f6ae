"""A figure becomes a picture in one drawing, and drawn words come out of the store as they went in."""

from __future__ import annotations

import io
import threading

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from PIL import Image

from qbresearch import language
from qbresearch.exhibits import picture, style
from qbresearch.exhibits.figures.warming import warm_figures
from qbresearch.exhibits.margins import Margins
from tests.unit.drawing import check_texts_inside_and_apart

LABELS = ["每百名学生拥有网络多媒体教室数"]


@pytest.fixture(autouse=True)
def _clean():
    style.use_style()
    yield
    plt.close("all")


def panels(rows: int = 2, columns: int = 2) -> Figure:
    figure, grid = plt.subplots(rows, columns, figsize=(6, 4), layout=Margins(), squeeze=False)
    for number, ax in enumerate(grid.flat):
        ax.set_title(f"面板 {number}")
        ax.set_xlabel("数值（㎡）")
        ax.set_yticks([0, 1], ["县城", "一个很长的乡村学校名称"] if number == 0 else ["甲", "乙"])
        ax.text(1, 0.5, "右侧的数", transform=ax.transAxes, ha="left")
    figure.legend(handles=[plt.Line2D([], [], label="图例")], loc="outside lower center")
    return figure


def ink(renderer: RendererAgg, text: str, angle: float, **settings: object) -> np.ndarray:
    """Darkness of a text drawn with a renderer, its beginning on a whole pixel."""
    brush = renderer.new_gc()
    brush.set_foreground(settings.pop("colour", (0, 0, 0, 1)), isRGBA=True)
    renderer.draw_text(brush, 100, 100, text, FontProperties(family=mpl.rcParams["font.family"], **settings), angle,
                       text.startswith("$"))  # fmt: skip
    return np.asarray(renderer.buffer_rgba())[..., 3].astype(int)


@pytest.mark.parametrize("angle", [0, 30, 90, 270])
@pytest.mark.parametrize("text", ["鄠邑区 0.512", "gjpqy", "▲−²", "—", "_", "’", "☑", "$x^2$", " "])
def test_a_word_of_the_store_is_the_word_that_matplotlib_draws(text, angle):
    ours, theirs = (ink(kind(200, 200, 200), text, angle, size=9, weight="bold") for kind in (picture.PictureRenderer, RendererAgg))
    assert (theirs.sum() > 0) == bool(text.strip())
    assert np.abs(ours - theirs).max() <= 40  # where neighbouring letters share a pixel
    assert np.abs(ours - theirs).mean() < 0.02


def test_colours_that_are_seen_through_stay_so():
    full, half = (ink(picture.PictureRenderer(200, 200, 100), "县", 0, colour=(0, 0, 0, a)) for a in (1.0, 0.5))
    np.testing.assert_allclose(half, full / 2, atol=1.5)


def test_a_picture_is_the_same_with_an_empty_and_a_full_store():
    for store in (picture._word, picture._measure, picture._line_metrics):
        store.cache_clear()
    first = style.figure_png(panels(), dpi=80)
    misses = picture._word.cache_info().misses
    assert misses > 0
    assert style.figure_png(panels(), dpi=80) == first
    assert picture._word.cache_info().misses == misses


def test_a_figure_is_drawn_once(monkeypatch):
    drawn, draw = [], Figure.draw
    monkeypatch.setattr(Figure, "draw", lambda self, renderer: (drawn.append(self), draw(self, renderer)))
    style.figure_png(panels(), dpi=50)
    assert len(drawn) == 1


def test_drawing_leaves_canvas_and_resolution():
    figure = panels()
    canvas, dpi = figure.canvas, figure.dpi
    assert picture.draw_picture(figure, 50).shape == (200, 300, 4)
    assert figure.canvas is canvas and figure.dpi == dpi


def test_png_holds_every_pixel_and_its_size_in_inches():
    pixels = picture.draw_picture(panels(), 60)
    read = Image.open(io.BytesIO(picture.encode_png(pixels, 60)))
    assert read.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(read), pixels[..., :3])
    assert read.info["dpi"] == pytest.approx((60, 60), abs=0.02)


def test_a_figure_that_is_seen_through_keeps_that():
    figure = plt.figure(figsize=(1, 1), facecolor="none")
    read = Image.open(io.BytesIO(style.figure_png(figure, dpi=50)[0]))
    assert read.mode == "RGBA" and np.asarray(read)[..., 3].max() == 0


@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (2, 2)])
def test_panels_of_one_size_hold_their_words(shape):
    figure = panels(*shape)
    check_texts_inside_and_apart(np.array(figure.axes))
    boxes = np.array([ax.get_position().bounds for ax in figure.axes])
    np.testing.assert_allclose(boxes[:, 2:], boxes[:1, 2:].repeat(len(boxes), axis=0))
    legend = figure.legends[0].get_window_extent()
    assert legend.y0 >= 0 and all(legend.y1 < ax.get_tightbbox().y0 for ax in figure.axes)


def test_an_axis_with_other_numbers_once_placed_is_measured_again():
    figure, ax = plt.subplots(figsize=(6, 6), layout=Margins())
    ax.plot([0, 1], [0, 0.0001])
    ax.ticklabel_format(axis="y", style="plain")
    ax.set_position([0.1, 0.1, 0.8, 0.02])  # so flat that there is room for few numbers
    ax.set_in_layout(True)
    check_texts_inside_and_apart(ax)
    assert figure.axes[0].get_position().height > 0.8


def test_height_ratios_are_kept():
    figure, axes = plt.subplots(2, 1, figsize=(4, 4), height_ratios=[3, 1], layout=Margins())
    style.check_glyphs(figure, where="图")
    picture.draw_picture(figure, 100)
    upper, lower = (ax.get_position().height for ax in axes)
    assert upper == pytest.approx(3 * lower)


def test_warming_fills_the_store_and_leaves_nothing_else():
    mpl.rcParams["font.size"] = 13.0
    language.use_language("zh")
    kept = plt.figure()
    before = dict(mpl.rcParams), threading.active_count(), np.random.get_state()[1].tolist()
    assert warm_figures(LABELS) == 14
    assert (dict(mpl.rcParams), threading.active_count(), np.random.get_state()[1].tolist()) == before
    assert plt.get_fignums() == [kept.number] and plt.gcf() is kept and language.current_language() == "zh"
    misses = picture._word.cache_info().misses
    warm_figures(LABELS)
    assert picture._word.cache_info().misses == misses
