"""The fonts of the package: every place name can be drawn, in every family, by matplotlib and by typst."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typst
from fontTools.ttLib import TTFont
from hypothesis import given
from hypothesis import strategies as st

from qbresearch.errors import InputError
from qbresearch.fonts import (
    FAMILIES,
    FONT_FOLDER,
    KAI,
    LATIN,
    SANS,
    SERIF,
    FontFamily,
    check_drawable,
    missing_glyphs,
    named_characters,
)

PLACES = ("鄠邑", "浉河", "瀍河", "猇亭", "硚口", "湾沚", "埇桥", "㵲水", "塘㙍")
VILLAGES = "溇沇郃鄜骦"  # in no name above a village
SIGNS = "−±×÷≤≥≠≈√∑✓？▲①⑳ⅠⅡⅢⅣⅫ㎡²³℃‰…—“”‘’·《》【】（），。；：、αβσχ●○△★←↑→↓㈠"
UNDRAWABLE = ("\U0001f9ff", "\ue123", "\U00030edd")  # an emoji, a private-use code point, a rare ideograph
CHINESE = (SANS, SERIF, KAI)
FILES = [path for family in FAMILIES for path in family.files.values()]
WEIGHTS = {"Regular": (400, 0b1000000), "Italic": (400, 0b1), "Bold": (700, 0b100000), "Bold Italic": (700, 0b100001)}
LICENCES = {
    SANS: ("OFL-NotoSansSC.txt", "Copyright 2014-2021 Adobe (http://www.adobe.com/), with Reserved Font Name 'Source'"),
    SERIF: ("OFL-NotoSerifSC.txt", "Copyright 2017-2024 Adobe (http://www.adobe.com/)"),
    KAI: ("OFL-LXGWWenKai.txt", "Copyright 2021-2023 LXGW (https://github.com/lxgw/LxgwWenKai)\nCopyright 2020"),
    LATIN: ("OFL-Tinos.txt", "Copyright 2026 The Tinos Project Authors (https://github.com/googlefonts/tinos)"),
}  # fmt: skip
# Embedded in typst, and there whatever the caller says; one of them is the font of formulas.
EMBEDDED = {"DejaVu Sans Mono", "Libertinus Serif", "New Computer Modern", "New Computer Modern Math"}


def _han(characters: frozenset[str]) -> set[str]:
    return {c for c in characters if "\u3400" <= c <= "\u9fff" or c >= "\U00020000"}


def _texts(data: object) -> Iterator[str]:
    if isinstance(data, dict):
        data = [*data.keys(), *data.values()]
    if isinstance(data, list):
        for item in data:
            yield from _texts(item)
    elif isinstance(data, str):
        yield data


def _shipped_texts(path: Path) -> str:
    """All that a file may put into a report: texts of cited data, passports and notebooks, Chinese of the program."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".toml":
        return "".join(_texts(tomllib.loads(source)))
    if path.suffix == ".ipynb":
        return "".join(_texts([cell["source"] for cell in json.loads(source)["cells"]]))
    literals = (str(n.value) for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Constant))
    return "".join(text for text in literals if re.search("[一-龥]", text))


def _typst(source: str, **options: object) -> tuple[bytes, list[str]]:
    pdf, warned = typst.compile_with_warnings(
        source.encode("utf-8"), format="pdf", font_paths=[FONT_FOLDER], ignore_system_fonts=True, **options
    )
    return pdf, [w.message for w in warned]


def _fonts_in(pdf: bytes) -> set[str]:
    return {name.decode("ascii") for name in re.findall(rb"/FontName/[A-Z]{6}\+([\w-]+)", pdf)}


@pytest.mark.parametrize("family", CHINESE, ids=lambda family: family.name)
def test_each_chinese_family_has_rare_place_names_and_signs(family):
    narrow = "“”‘’−" if family is KAI else ""
    assert missing_glyphs("".join(PLACES) + VILLAGES + SIGNS, [family]) == "".join(c for c in SIGNS if c in narrow)
    assert missing_glyphs("".join(PLACES) + VILLAGES + SIGNS, [family, SERIF]) == ""


def test_chinese_families_have_the_same_ideographs_but_for_three():
    assert SANS.covers == SERIF.covers
    assert len(_han(SANS.covers)) > 7_000
    assert _han(SANS.covers) - KAI.covers == set("䃥㟓䩐")
    assert _han(KAI.covers) - SANS.covers == {"𡌶"}


def test_all_of_gb2312_is_covered():
    codes = (bytes([row, cell]) for row in range(0xA1, 0xF8) for cell in range(0xA1, 0xFF))
    text = "".join(code.decode("gb2312", errors="ignore") for code in codes)
    assert len(text) == 7_445
    assert missing_glyphs(text, [SANS]) == missing_glyphs(text, [SERIF]) == ""


@pytest.mark.parametrize("files", [
    "qbresearch/cited/**/*.toml", "qbresearch/language/**/*.toml", "data/raw/*/source.toml", "notebooks/*.ipynb",
    "notebooks/batches/*.toml", "qbresearch/**/*.py",
])
def test_whatever_the_repository_itself_says_can_be_drawn(files):
    paths = sorted(FONT_FOLDER.parents[1].glob(files))
    texts = {path: _shipped_texts(path) for path in paths}
    assert len("".join(texts.values())) > 300
    assert {path.name: named_characters(lost) for path, text in texts.items() if (lost := missing_glyphs(text))} == {}
    ideographs = _han(frozenset("".join(texts.values())))
    assert "".join(ideographs - SANS.covers) == "".join(ideographs - SERIF.covers) == ""


def test_frequent_traditional_characters_are_covered_as_documents_of_hong_kong_and_taiwan_are_quoted():
    quoted = "學校綜合差異係數義務教育均衡發展縣域師資專任教師體育館設備教學與輔導實驗圖書閱覽室網絡環境臺灣"
    assert [missing_glyphs(quoted, [family]) for family in CHINESE] == ["", "", ""]


def test_a_mean_with_an_index_can_be_written_in_a_line():
    assert missing_glyphs("√Σpⱼ(x̄ⱼ − x̄)²", [LATIN]) == ""


def test_every_font_file_belongs_to_a_family():
    assert sorted(FONT_FOLDER.glob("*.*tf")) == sorted(FILES)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_files_say_their_own_name_style_and_permission(family):
    for style, path in family.files.items():
        with TTFont(path) as font:
            names = font["name"]
            assert (names.getDebugName(1), names.getDebugName(2)) == (family.name, style)
            assert names.getDebugName(6) == path.stem
            assert not re.search("Source|LXGW|文楷|Noto|Tinos", " ".join(names.getDebugName(n) for n in (1, 3, 4, 6)))
            assert {(n.platformID, n.langID) for n in names.names} == {(3, 0x409)}  # no name in a second language
            os2 = font["OS/2"]
            assert (os2.usWeightClass, os2.fsSelection & 0b1100001) == WEIGHTS[style]
            assert os2.fsType == 0
            assert font["head"].modified == 3_850_070_400  # not the time of the build


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_files_are_static(path):
    """Of a variable font matplotlib draws the default, which is the thinnest weight of the Chinese ones."""
    with TTFont(path) as font:
        assert "glyf" in font
        assert not {"fvar", "gvar", "STAT", "CFF ", "CFF2"} & set(font.keys())


@pytest.mark.parametrize("family", [SANS, SERIF, LATIN], ids=lambda family: family.name)
def test_minus_is_as_wide_as_plus(family):
    for path in family.files.values():
        with TTFont(path) as font:
            widths = {c: font["hmtx"][font.getBestCmap()[ord(c)]][0] for c in "−+"}
            assert widths["−"] == pytest.approx(widths["+"], rel=0.1)
            assert widths["−"] < 0.7 * font["head"].unitsPerEm


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_licence_and_copyright_are_shipped_with_each_family(family):
    name, notice = LICENCES[family]
    text = (FONT_FOLDER / name).read_text(encoding="utf-8")
    assert notice in text
    assert "SIL OPEN FONT LICENSE Version 1.1" in text
    assert "PERMISSION & CONDITIONS" in text
    root = FONT_FOLDER.parents[1]
    assert re.search(rf"{family.name.replace(' ', '')} .*{name}", (root / "NOTICE").read_text(encoding="utf-8"))


def test_fonts_and_licences_are_part_of_the_package():
    project = tomllib.loads((FONT_FOLDER.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["qbresearch"]
    packaged = {path for pattern in patterns for path in FONT_FOLDER.parent.glob(pattern)}
    licences = {FONT_FOLDER / name for name, _ in LICENCES.values()}
    assert set(FILES) | licences <= packaged
    assert licences <= {path for p in project["project"]["license-files"] for path in FONT_FOLDER.parents[1].glob(p)}


def test_missing_glyphs_are_named_once_in_order():
    assert missing_glyphs("鄠\U0001f9ff邑\ue123\U0001f9ff\n区") == "\U0001f9ff\ue123"
    assert missing_glyphs("a鄠", [LATIN]) == "鄠"
    assert missing_glyphs("鄠", []) == "鄠"


@given(st.text())
def test_missing_glyphs_is_part_of_the_text_and_finds_nothing_further(text):
    missing = missing_glyphs(text)
    assert set(missing) <= set(text)
    rest = "".join(c for c in text if c not in missing)
    assert missing_glyphs(rest) == ""
    check_drawable(rest, where="正文")


def test_a_glyph_counts_only_where_every_style_has_it():
    uneven = FontFamily("Uneven", {"Regular": SANS.files["Regular"], "Bold": LATIN.files["Bold"]})
    assert missing_glyphs("a鄠", [uneven]) == "鄠"


@pytest.mark.parametrize("character", UNDRAWABLE)
def test_refusal_names_character_code_point_and_place(character):
    with pytest.raises(InputError) as caught:
        check_drawable(f"固镇县第一小学{character}分校", where="表2，第 3 行")
    assert caught.value.found == named_characters(character)
    assert f"U+{ord(character):04X}" in caught.value.found
    assert (character in caught.value.found) is character.isprintable()
    assert caught.value.where == f"表2，第 3 行，文字“固镇县第一小学{character}分校”"


def test_refusal_shows_only_the_part_of_a_long_text_that_matters():
    with pytest.raises(InputError) as caught:
        check_drawable(f"{'前' * 500}\ue123{'后' * 500}", where="摘要")
    assert caught.value.where == f"摘要，文字“…{'前' * 12}\ue123{'后' * 12}…”"


def test_tab_and_other_control_characters_are_refused_but_not_a_line_break():
    check_drawable("一\n二", where="正文")
    for character in "\t\r\x00":
        with pytest.raises(InputError, match=rf"不可见字符（U\+{ord(character):04X}）"):
            check_drawable(f"一{character}二", where="正文")


def test_typst_finds_exactly_our_families_and_its_own():
    fonts = typst.Fonts(include_system_fonts=False, font_paths=[FONT_FOLDER])
    assert set(fonts.families()) == {family.name for family in FAMILIES} | EMBEDDED
    found = {(f.family, f.weight, f.style) for f in fonts.fonts() if f.path}
    wanted = {
        (family.name, WEIGHTS[style][0], "italic" if "Italic" in style else "normal")
        for family in FAMILIES for style in family.files
    }  # fmt: skip
    assert found == wanted


@pytest.mark.parametrize("family", CHINESE, ids=lambda family: family.name)
def test_typst_sets_the_place_names_in_each_family_alone(family):
    """PDF/A refuses a text that its font cannot draw, so this says more than the absence of a warning."""
    setting = f'#set document(title: "x")\n#set text(font: "{family.name}", fallback: false, lang: "zh")'
    pdf, warned = _typst(f"{setting}\n{' '.join(PLACES)}", pdf_standards="a-2a")
    assert warned == []
    assert _fonts_in(pdf) == {family.files["Regular"].stem}


def test_typst_leaves_out_a_missing_glyph_without_a_word():
    """The reason why every text is checked before it gets there."""
    source = f'#set text(font: "{SANS.name}")\n鄠\U0001f9ff'
    assert _typst(source)[1] == []
    with pytest.raises(typst.TypstError, match="could not be displayed"):
        _typst(f'#set document(title: "x")\n{source}', pdf_standards="a-2a")


def test_typst_sets_latin_letters_bold_italic_and_formulas():
    font = f'((name: "{LATIN.name}", covers: "latin-in-cjk"), "{SERIF.name}")'
    source = f'#set text(font: {font}, lang: "zh")\n表1 “鄠邑” *0.5* _p_ *_t_* *鄠* $ sqrt(x) $'
    pdf, warned = _typst(source)
    assert warned == []
    ours = {path.stem for family in (LATIN, SERIF) for path in family.files.values()}
    assert _fonts_in(pdf) == ours | {"NewCMMath-Book"}
