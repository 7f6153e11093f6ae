"""Pieces of WordprocessingML as text: the only place where a report's characters become XML."""

from __future__ import annotations

import re

from qbresearch.errors import InputError

NAMESPACES = {
    "w": "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "r": "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    "m": "http://schemas.openxmlformats.org/officeDocument/2006/math",
    "wp": "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing",
    "a": "http://schemas.openxmlformats.org/drawingml/2006/main",
    "pic": "http://schemas.openxmlformats.org/drawingml/2006/picture",
    "v": "urn:schemas-microsoft-com:vml",
    "o": "urn:schemas-microsoft-com:office:office",
}
DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPECIAL = re.compile("[&<>\"'\r]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "\r": ""}
# Characters that Chinese and Latin typography share: Word draws them with the Latin font unless told otherwise.
_SHARED = re.compile("[\u00b7\u00b0\u00b1\u00d7\u2014\u2018\u2019\u201c\u201d\u2026]")
HAN = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
_LATIN = re.compile("[A-Za-z]")
_BREAKS = re.compile("([\n\t])")
_BREAK_TAGS = {"\n": "<w:br/>", "\t": "<w:tab/>"}


def escaped(text: str) -> str:
    """A text in which nothing is markup, fit for content and attributes.

    Raises
    ------
    InputError
        The text has a character that no XML file can hold.
    """
    if found := _ILLEGAL.search(text):
        refuse_character(found.group(), "（没有记录位置）", text)
    return _SPECIAL.sub(lambda match: _ENTITIES[match.group()], text) if _SPECIAL.search(text) else text


def check_characters(text: str, where: str) -> None:
    """Refuse a text with a character that no XML file can hold, naming where it stands."""
    if found := _ILLEGAL.search(text):
        refuse_character(found.group(), where, text)


def refuse_character(character: str, where: str, text: str) -> None:
    """Raise the error about a character that cannot be written."""
    shown = "".join(c if c.isprintable() else f"〔U+{ord(c):04X}〕" for c in text[:60])
    raise InputError(
        "文字里有不能写入 Word 文件的字符",
        where=where,
        found=f"U+{ord(character):04X}，见“{shown}”",
        expected="可以显示的文字、空格、制表符与换行",
        fix="在数据或笔记本中删去这个控制字符（多半是从别的程序复制时带进来的）",
    )


def root(tag: str, content: str, *prefixes: str) -> str:
    """A whole part: the declaration and one root element that declares the namespaces."""
    declared = "".join(f' xmlns:{prefix}="{NAMESPACES[prefix]}"' for prefix in prefixes)
    return f"{DECLARATION}<{tag}{declared}>{content}</{tag}>"


def run(text: str, style: str = "", *, bold: bool = False, italic: bool = False) -> str:
    """Characters that look alike; ``style`` is the id of a character style."""
    properties = f'<w:rStyle w:val="{style}"/>' if style else ""
    if _SHARED.search(text) and (HAN.search(text) or not _LATIN.search(text)):
        properties += '<w:rFonts w:hint="eastAsia"/>'
    if bold:
        properties += "<w:b/><w:bCs/>"
    if italic:
        properties += "<w:i/><w:iCs/>"
    opening = f"<w:r><w:rPr>{properties}</w:rPr>" if properties else "<w:r>"
    if "\n" not in text and "\t" not in text:
        return f"{opening}{_characters(text)}</w:r>"
    pieces = (_BREAK_TAGS.get(piece) or _characters(piece) for piece in _BREAKS.split(text))
    return f"{opening}{''.join(pieces)}</w:r>"


def _characters(text: str) -> str:
    if not text:
        return ""
    space = ' xml:space="preserve"' if text != text.strip() or "  " in text else ""
    return f"<w:t{space}>{escaped(text)}</w:t>"


def paragraph(
    style: str,
    content: str = "",
    *,
    keep_next: bool = False,
    page_break: bool = False,
    numbering: str = "",
    indent: str = "",
    align: str = "",
) -> str:
    """A paragraph of a style; the rest is what only this paragraph has.

    Its properties always stand in an element of their own, so that :func:`end_section` finds it.
    """
    return (
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/>'
        + ("<w:keepNext/>" if keep_next else "")
        + ("<w:pageBreakBefore/>" if page_break else "")
        + numbering
        + indent
        + (f'<w:jc w:val="{align}"/>' if align else "")
        + f"</w:pPr>{content}</w:p>"
    )


def end_section(xml: str, section: str) -> str:
    """The paragraph, now also the last one of a section of pages."""
    return xml.replace("</w:pPr>", f"{section}</w:pPr>", 1)


def complex_field(code: str, result: str) -> str:
    """A field with its result already filled in; ``result`` holds runs."""
    return f"{field_start(code)}{result}{FIELD_END}"


def field_start(code: str) -> str:
    """What stands before a field's result."""
    return (
        '<w:r><w:fldChar w:fldCharType="begin"/></w:r>'
        f'<w:r><w:instrText xml:space="preserve"> {code} </w:instrText></w:r>'
        '<w:r><w:fldChar w:fldCharType="separate"/></w:r>'
    )


FIELD_END = '<w:r><w:fldChar w:fldCharType="end"/></w:r>'


def twips(millimetres: float) -> int:
    """Millimetres in twentieths of a point."""
    return round(millimetres / 25.4 * 1440)
