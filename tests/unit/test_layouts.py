"""Layouts on paper: cited as strictly as standards, and the numbers as the documents print them."""

from __future__ import annotations

from pathlib import Path

import pytest

from qbresearch.errors import CitationError, InputError
from qbresearch.rules.citations import CITED
from qbresearch.rules.layouts import MEASURES, STYLES, list_layouts, load_layout, read_layout

OFFICIAL = load_layout("gongwen")


def changed(folder: Path, old: str, new: str, layout: str = "gongwen") -> Path:
    text = (CITED / "layouts" / f"{layout}.toml").read_text(encoding="utf-8")
    assert old in text
    path = folder / f"{layout}.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_both_layouts_are_there_and_whole():
    assert list_layouts() == ("academic", "gongwen")
    for name in list_layouts():
        layout = load_layout(name)
        assert set(layout.measures) == set(MEASURES) and set(layout.styles) == set(STYLES)
        assert layout.label_zh and layout.label_en
        assert all(style.font in layout.fonts for style in layout.styles.values())


def test_official_paper_has_the_measures_of_its_standard():
    measures = OFFICIAL.measures
    assert (measures["top"], measures["left"]) == (37, 28)
    assert (OFFICIAL.text_width, OFFICIAL.text_height) == (156, 225)
    assert (measures["lines"], measures["characters"]) == (22, 28)
    assert {name: OFFICIAL.citations[name].status for name in ("top", "left", "lines")} == dict.fromkeys(
        ("top", "left", "lines"), "copy"
    )


@pytest.mark.parametrize(
    ("style", "font", "size"),
    [("body", "仿宋", 16), ("title", "方正小标宋简体", 22), ("heading1", "黑体", 16), ("heading2", "楷体", 16),
     ("heading3", "仿宋", 16), ("page_number", "宋体", 14)],
)  # fmt: skip
def test_official_type_is_that_of_its_standard(style, font, size):
    found = OFFICIAL.styles[style]
    assert (found.font, found.size) == (font, size)


def test_no_layout_names_a_font_that_lacks_county_names():
    for name in list_layouts():
        assert not [font for font in load_layout(name).fonts if "GB2312" in font]


def test_an_unknown_layout_is_refused():
    with pytest.raises(InputError, match="版式"):
        load_layout("gongwne")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('id = "gongwen"', 'id = "other"', "文件名不一致"),
        ('name = "top"\nvalue = 37', 'name = "top"\nvalue = 38', "原句里没有这个数"),
        ('name = "top"\nvalue = 37', 'name = "top"\nvalue = "37"', "value 的写法不对"),
        ('name = "top"\n', 'name = "roof"\n', "没有这个尺寸"),
        ('name = "top"\n', 'name = "bottom"\n', "写了两次"),
        ('value = "dashes"', 'value = "stars"', "没有这个取值"),
        ('font = "仿宋"', 'font = "幼圆"', "没有这个字体"),
        ('align = "justify"', 'align = "middle"', "没有这个对齐方式"),
        ('names = ["body"]', 'names = ["flesh"]', "没有这个文字样式"),
        ('names = ["heading4", "heading5"]', 'names = ["heading4"]', "版式不全"),
        ('family = "modern"', 'family = "new"', "没有这个字体类别"),
        ("first = 2\n", "frist = 2\n", "不认识的键"),
        ("bold = true\n", 'bold = "yes"\n', "没有这个取值"),
        ('source = "gb9704"\n', 'source = "gb9999"\n', "没有登记的出处"),
        ('status = "copy"\n', "", "缺少必填的键"),
    ],
)
def test_a_malformed_layout_is_refused_with_its_entry(tmp_path, old, new, problem):
    with pytest.raises(InputError, match=problem) as error:
        read_layout(changed(tmp_path, old, new))
    assert "gongwen.toml" in error.value.where or isinstance(error.value, CitationError)
