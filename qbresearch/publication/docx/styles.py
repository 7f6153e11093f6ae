"""The styles of a Word file, out of a layout: everything that has a look has it by its style."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from qbresearch.language import CHINESE, current_language, say
from qbresearch.publication.docx.markup import escaped, root
from qbresearch.rules.layouts import Layout, TextStyle

LATIN = "Times New Roman"
FIXED = "Courier New"
HEADINGS = 5
_INK = {"met": "1F5F93", "not_met": "A33400", "undecided": "595959", "caution": "7A5200", "plain": "3F4A54"}
TONE_STYLES = {
    "met": "ToneMet", "not_met": "ToneNotMet", "undecided": "ToneUndecided", "caution": "ToneCaution",
    "plain": "TonePlain",
}  # fmt: skip
_ALIGN = {"left": "left", "center": "center", "right": "right", "justify": "both"}
_BUILT_IN = frozenset((
    "Body Text", "Title", "Subtitle", "TOC Heading", "toc 1", "toc 2", "Quote", "List Paragraph", "HTML Preformatted",
    "caption", "Bibliography", "footnote text", "header", "footer", "Strong", "Emphasis", "HTML Code", "Hyperlink",
    "footnote reference", *(f"heading {level}" for level in range(1, HEADINGS + 1)),
))  # fmt: skip
_LATENT = (
    '<w:latentStyles w:defLockedState="0" w:defUIPriority="99" w:defSemiHidden="1" w:defUnhideWhenUsed="1" '
    'w:defQFormat="0" w:count="376"/>'
)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A paragraph style: its id, the name Word shows, the layout's style it takes its look from, and what is its own.

    ``before_spacing`` and ``after_indent`` are properties that the schema wants at these places.
    """

    id: str
    name: str
    key: str
    based: str = "Normal"
    following: str = ""
    keep: str = ""
    before_spacing: str = ""
    after_indent: str = ""
    align: str = ""


def styles_part(layout: Layout) -> str:
    """The part ``styles.xml``, with the names of our own styles in the language in force."""
    body = layout.styles["body"]
    defaults = (
        "<w:docDefaults><w:rPrDefault><w:rPr>"
        f"{fonts(body.font)}{_size(body.size)}"
        '<w:lang w:val="en-US" w:eastAsia="zh-CN" w:bidi="ar-SA"/>'
        "</w:rPr></w:rPrDefault><w:pPrDefault/></w:docDefaults>"
    )
    styles = [*_paragraph_styles(layout), *_character_styles(layout), *_table_styles(layout)]
    return root("w:styles", defaults + _LATENT + "".join(styles), "w")


def fonts(chinese: str, latin: str = LATIN) -> str:
    """Fonts by name; a theme is never referred to, because it would win over the names."""
    return f'<w:rFonts w:ascii="{latin}" w:hAnsi="{latin}" w:eastAsia="{escaped(chinese)}" w:cs="{latin}"/>'


def _size(points: float) -> str:
    half = round(points * 2)
    return f'<w:sz w:val="{half}"/><w:szCs w:val="{half}"/>'


def _entries(layout: Layout) -> Iterator[_Entry]:
    keep, together = "<w:keepNext/>", "<w:keepNext/><w:keepLines/>"
    yield _Entry("BodyText", "Body Text", "body")
    yield _Entry("Title", "Title", "title", following="BodyText")
    yield _Entry("Subtitle", "Subtitle", "subtitle", following="BodyText")
    yield _Entry("Author", say("作者"), "author")
    yield _Entry("CoverLine", say("封面项目"), "cover", before_spacing=_cover_tab(layout))
    frame = "".join(f'<w:{side} w:val="single" w:sz="6" w:space="6" w:color="7F7F7F"/>' for side in ("top", "bottom"))
    yield _Entry("Notice", say("模拟数据声明"), "notice", before_spacing=f"<w:pBdr>{frame}</w:pBdr>")
    for level in range(1, HEADINGS + 1):
        outline = f'<w:outlineLvl w:val="{level - 1}"/>'
        yield _Entry(
            f"Heading{level}",
            f"heading {level}",
            f"heading{level}",
            following="BodyText",
            keep=together,
            after_indent=outline,
        )
    yield _Entry("TOCHeading", "TOC Heading", "contents_title", keep=keep)
    edge = f'<w:tabs><w:tab w:val="right" w:leader="dot" w:pos="{points_wide(layout)}"/></w:tabs>'
    yield _Entry("TOC1", "toc 1", "contents1", before_spacing=edge)
    yield _Entry("TOC2", "toc 2", "contents2", before_spacing=edge)
    yield _Entry("Abstract", say("摘要"), "abstract")
    yield _Entry("Quote", "Quote", "quotation")
    yield _Entry("ListParagraph", "List Paragraph", "body")
    yield _Entry("Finding", say("结论句"), "finding", before_spacing=_bar(layout.styles["finding"]))
    yield _Entry("HTMLPreformatted", "HTML Preformatted", "verbatim", keep="<w:keepLines/>")
    yield _Entry("Caption", "caption", "caption", following="BodyText", keep=together)
    yield _Entry("FigureCaption", say("图题"), "caption", based="Caption", keep='<w:keepNext w:val="0"/><w:keepLines/>')
    yield _Entry("Figure", say("图").strip(), "formula", keep=keep)
    yield _Entry("Equation", say("公式"), "formula")
    yield _Entry("TableCell", say("表中文字"), "cell")
    yield _Entry("TableCellSmall", say("表中文字（小）"), "cell_small", based="TableCell")
    yield _Entry("TableNote", say("表注"), "remark", keep="<w:keepLines/>")
    yield _Entry("FigureNote", say("图注"), "remark", based="TableNote", keep="<w:keepLines/>", align="center")
    yield _Entry("Bibliography", "Bibliography", "works")
    yield _Entry("FootnoteText", "footnote text", "footnote")
    yield _Entry("Header", "header", "header")
    yield _Entry("Footer", "footer", "page_number")


def points_wide(layout: Layout) -> int:
    """Width of the type area in twentieths of a point."""
    return round(layout.text_width / 25.4 * 1440)


def _cover_tab(layout: Layout) -> str:
    style = layout.styles["cover"]
    return (
        f'<w:tabs><w:tab w:val="left" w:pos="{round((style.left + 7) * style.size * 20)}"/></w:tabs>'
        if style.left
        else ""
    )


def _bar(style: TextStyle) -> str:
    """A line beside paragraphs that are set in from the margin."""
    return '<w:pBdr><w:left w:val="single" w:sz="18" w:space="8" w:color="9FB3C4"/></w:pBdr>' if style.left else ""


def _paragraph_styles(layout: Layout) -> Iterator[str]:
    yield (
        '<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/><w:qFormat/>'
        f"<w:pPr><w:widowControl/></w:pPr><w:rPr>{_size(layout.styles['body'].size)}</w:rPr></w:style>"
    )
    for rank, entry in enumerate(_entries(layout), start=1):
        style = layout.styles[entry.key]
        ruled = bool(layout.measures["lines"])
        first = 0.0 if entry.id == "ListParagraph" else style.first
        yield (
            f'<w:style w:type="paragraph"{_own(entry.name)} w:styleId="{entry.id}">'
            f'<w:name w:val="{escaped(entry.name)}"/>'
            f'<w:basedOn w:val="{entry.based}"/>'
            + (f'<w:next w:val="{entry.following}"/>' if entry.following else "")
            + f'<w:uiPriority w:val="{rank}"/><w:qFormat/><w:pPr>{entry.keep}{entry.before_spacing}'
            + ('<w:snapToGrid w:val="0"/>' if ruled and style.line else "")
            + _spacing(style, entry.key)
            + indents(style.size, first=first, left=style.left, hanging=style.hanging)
            + ("<w:contextualSpacing/>" if entry.key in ("remark", "cover") else "")
            + f'<w:jc w:val="{_ALIGN[entry.align or style.align]}"/>{entry.after_indent}</w:pPr>'
            + f"<w:rPr>{fonts(style.font, FIXED if entry.key == 'verbatim' else LATIN)}"
            + _face(layout, style, entry.key)
            + (_closeness(layout, style) if ruled and not style.line else "")
            + f"{_size(style.size)}</w:rPr></w:style>"
        )


def _closeness(layout: Layout, style: TextStyle) -> str:
    """How much closer characters stand so that a line holds the number the layout asks for.

    Word's own grid of characters would do it too, but other programs set it so wide that lines lose a quarter.
    """
    each = layout.text_width / 25.4 * 72 / layout.measures["characters"]
    return f'<w:spacing w:val="{math.floor((each - style.size) * 20)}"/>'


def _own(name: str) -> str:
    """Tells Word that a style is none of its own."""
    return "" if name in _BUILT_IN else ' w:customStyle="1"'


def _face(layout: Layout, style: TextStyle, key: str) -> str:
    """Weight and slant. Chinese faces stand out by themselves; Latin text in their place needs bold and italics."""
    latin = current_language() != CHINESE
    family = layout.fonts[style.font].family
    bold = style.bold or (latin and family == "swiss")
    slanted = latin and family == "script" and key.startswith("heading")
    return ("<w:b/><w:bCs/>" if bold else "") + ("<w:i/><w:iCs/>" if slanted else "")


def _spacing(style: TextStyle, key: str) -> str:
    # Remarks stand close together (contextual spacing), and away from the text that follows the last of them.
    after = max(style.after, style.size) if key == "remark" else style.after
    rule = f' w:line="{round(style.line * 20)}" w:lineRule="atLeast"' if style.line else ""
    return f'<w:spacing w:before="{round(style.before * 20)}" w:after="{round(after * 20)}"{rule}/>'


def indents(size: float, *, first: float = 0, left: float = 0, hanging: float = 0) -> str:
    """Indents in characters of a size; a hanging one sets the other lines in by as much."""
    pairs = {"left": left + hanging, "firstLine": first, "hanging": hanging}
    stated = "".join(
        f' w:{name}Chars="{round(value * 100)}" w:{name}="{round(value * size * 20)}"'
        for name, value in pairs.items()
        if value
    )
    return f"<w:ind{stated}/>" if stated else ""


def _character_styles(layout: Layout) -> Iterator[str]:
    yield (
        '<w:style w:type="character" w:default="1" w:styleId="DefaultParagraphFont">'
        '<w:name w:val="Default Paragraph Font"/><w:uiPriority w:val="1"/><w:semiHidden/></w:style>'
    )
    face = '<w:rFonts w:eastAsia="{}"/>'
    black = layout.choices["colour"] == "black"
    link = '<w:color w:val="1F4E79"/><w:u w:val="single"/>' if not black else '<w:u w:val="single"/>'
    known = (
        ("Strong", "Strong", "<w:b/><w:bCs/>"),
        ("Emphasis", "Emphasis", face.format("楷体")),
        ("HTMLCode", "HTML Code", f'<w:rFonts w:ascii="{FIXED}" w:hAnsi="{FIXED}" w:cs="{FIXED}"/>'),
        ("Hyperlink", "Hyperlink", link),
        ("FootnoteReference", "footnote reference", '<w:vertAlign w:val="superscript"/>'),
        ("CitationMark", say("引文标注"), '<w:vertAlign w:val="superscript"/>'),
        ("Lead", say("引导词"), face.format("黑体") + "<w:b/><w:bCs/>"),
        (
            "SimulatedMark",
            say("模拟数据标记"),
            face.format("黑体") + "<w:b/><w:bCs/>" + ("" if black else '<w:color w:val="9B1C1C"/>'),
        ),
    )
    names = {
        "met": say("标记：达标"), "not_met": say("标记：未达标"), "undecided": say("标记：无法判定"),
        "caution": say("标记：注意"), "plain": say("标记：发现"),
    }  # fmt: skip
    tones = (
        (
            TONE_STYLES[tone],
            name,
            face.format("黑体") + "<w:b/><w:bCs/>" + ("" if black else f'<w:color w:val="{_INK[tone]}"/>'),
        )
        for tone, name in names.items()
    )
    for identity, name, look in (*known, *tones):
        yield (
            f'<w:style w:type="character"{_own(name)} w:styleId="{identity}"><w:name w:val="{escaped(name)}"/>'
            f'<w:basedOn w:val="DefaultParagraphFont"/><w:uiPriority w:val="40"/><w:qFormat/>'
            f"<w:rPr>{look}</w:rPr></w:style>"
        )


def border(side: str, points: float) -> str:
    """A rule on one side of a table, row or cell."""
    return f'<w:{side} w:val="single" w:sz="{round(points * 8)}" w:space="0" w:color="000000"/>'


def _table_styles(layout: Layout) -> Iterator[str]:
    thick, thin = layout.measures["rule_thick"], layout.measures["rule_thin"]
    margins = (
        '<w:tblCellMar><w:top w:w="0" w:type="dxa"/><w:left w:w="{0}" w:type="dxa"/>'
        '<w:bottom w:w="0" w:type="dxa"/><w:right w:w="{0}" w:type="dxa"/></w:tblCellMar>'
    )
    yield (
        '<w:style w:type="table" w:default="1" w:styleId="TableNormal"><w:name w:val="Normal Table"/>'
        '<w:uiPriority w:val="99"/><w:semiHidden/><w:unhideWhenUsed/>'
        f'<w:tblPr><w:tblInd w:w="0" w:type="dxa"/>{margins.format(108)}</w:tblPr></w:style>'
    )
    yield (
        '<w:style w:type="table" w:customStyle="1" w:styleId="ThreeLineTable">'
        f'<w:name w:val="{escaped(say("三线表"))}"/><w:basedOn w:val="TableNormal"/>'
        '<w:uiPriority w:val="30"/><w:qFormat/>'
        f'<w:tblPr><w:jc w:val="center"/><w:tblBorders>{border("top", thick)}{border("bottom", thick)}</w:tblBorders>'
        f"{margins.format(CELL_MARGIN)}</w:tblPr>"
        '<w:tblStylePr w:type="firstRow"><w:tcPr>'
        f"<w:tcBorders>{border('bottom', thin)}</w:tcBorders></w:tcPr></w:tblStylePr>"
        "</w:style>"
    )
    yield (
        '<w:style w:type="table" w:customStyle="1" w:styleId="EquationLayout">'
        f'<w:name w:val="{escaped(say("公式排版"))}"/><w:basedOn w:val="TableNormal"/><w:uiPriority w:val="31"/>'
        f"<w:tblPr>{margins.format(0)}</w:tblPr></w:style>"
    )


CELL_MARGIN = 70
