"""The parts of a Word file around its text, and the file itself."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC

from qbresearch.language import CHINESE, clauses, listed, say
from qbresearch.publication.docx.ledger import Ledger, Relations
from qbresearch.publication.docx.markup import DECLARATION, escaped, root
from qbresearch.publication.docx.styles import LATIN, fonts
from qbresearch.publication.model import Document
from qbresearch.rules.layouts import Layout

_CONTENT = "application/vnd.openxmlformats-officedocument.wordprocessingml."
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_LEVELS = 9
_BULLETS = "•–▪"


def package(document: Document, main: str, parts: Mapping[str, str], ledger: Ledger, notes: str) -> bytes:
    """The zip file: the same parts give the same bytes.

    Parameters
    ----------
    document : Document
        For the properties of the file.
    main : str
        ``word/document.xml``.
    parts : mapping
        Other parts in ``word`` by file name, already related to the main one.
    ledger : Ledger
        Relationships and pictures.
    notes : str
        ``word/footnotes.xml``.
    """
    files: dict[str, str | bytes] = {
        "[Content_Types].xml": _content_types([*parts, "footnotes.xml"]),
        "_rels/.rels": _package_relations(),
        "docProps/core.xml": _core(document),
        "docProps/app.xml": _app(),
        "word/document.xml": main,
        "word/_rels/document.xml.rels": _relations(ledger.relations),
        **{f"word/{name}": content for name, content in parts.items()},
        "word/footnotes.xml": notes,
    }
    if ledger.note_relations.rows:
        files["word/_rels/footnotes.xml.rels"] = _relations(ledger.note_relations)
    files |= {f"word/{target}": png for png, target in ledger.pictures.items()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.create_system = 0
            entry.compress_type = zipfile.ZIP_STORED if isinstance(content, bytes) else zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return buffer.getvalue()


def _content_types(parts: Iterable[str]) -> str:
    kinds = {
        "styles.xml": "styles", "settings.xml": "settings", "numbering.xml": "numbering", "fontTable.xml": "fontTable",
        "footnotes.xml": "footnotes",
    }  # fmt: skip
    rows = [("/word/document.xml", _CONTENT + "document.main+xml")]
    rows.append(("/word/theme/theme1.xml", "application/vnd.openxmlformats-officedocument.theme+xml"))
    for name in parts:
        if name.startswith("theme/"):
            continue
        kind = kinds.get(name) or ("header" if name.startswith("header") else "footer")
        rows.append((f"/word/{name}", f"{_CONTENT}{kind}+xml"))
    rows += [
        ("/docProps/core.xml", "application/vnd.openxmlformats-package.core-properties+xml"),
        ("/docProps/app.xml", "application/vnd.openxmlformats-officedocument.extended-properties+xml"),
    ]
    overrides = "".join(f'<Override PartName="{name}" ContentType="{kind}"/>' for name, kind in rows)
    return (
        f'{DECLARATION}<Types xmlns="{_PACKAGE}content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/><Default Extension="png" ContentType="image/png"/>'
        f"{overrides}</Types>"
    )


def _package_relations() -> str:
    rows = (
        (_OFFICE + "relationships/officeDocument", "word/document.xml"),
        (_PACKAGE + "relationships/metadata/core-properties", "docProps/core.xml"),
        (_OFFICE + "relationships/extended-properties", "docProps/app.xml"),
    )
    body = "".join(
        f'<Relationship Id="rId{n}" Type="{kind}" Target="{to}"/>' for n, (kind, to) in enumerate(rows, start=1)
    )
    return f'{DECLARATION}<Relationships xmlns="{_PACKAGE}relationships">{body}</Relationships>'


def _relations(relations: Relations) -> str:
    mode = ("", ' TargetMode="External"')
    body = "".join(
        f'<Relationship Id="{identity}" Type="{kind}" Target="{escaped(target)}"{mode[external]}/>'
        for identity, kind, target, external in relations.items()
    )
    return f'{DECLARATION}<Relationships xmlns="{_PACKAGE}relationships">{body}</Relationships>'


def _core(document: Document) -> str:
    title = f"{document.title}{say('（模拟数据）')}" if document.simulated else document.title
    language = "zh-CN" if document.language == CHINESE else "en-US"
    made = document.made.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        f'{DECLARATION}<cp:coreProperties xmlns:cp="{_PACKAGE}metadata/core-properties" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<dc:title>{escaped(title)}</dc:title><dc:subject>{escaped(document.topic)}</dc:subject><dc:creator>{escaped(listed(document.authors))}</dc:creator>"
        f"<cp:keywords>{escaped(clauses(document.keywords))}</cp:keywords><dc:language>{language}</dc:language>"
        f'<dcterms:created xsi:type="dcterms:W3CDTF">{made}</dcterms:created>'
        f'<dcterms:modified xsi:type="dcterms:W3CDTF">{made}</dcterms:modified>'
        "</cp:coreProperties>"
    )


def _app() -> str:
    name = "<Application>qbresearch</Application>"
    return f'{DECLARATION}<Properties xmlns="{_OFFICE}extended-properties">{name}</Properties>'


def settings_part(layout: Layout) -> str:
    """The part ``settings.xml``: the mode of today's Word, and nothing that asks the reader a question on opening."""
    schema = "http://schemas.microsoft.com/office/word"
    modes = {
        "compatibilityMode": 15, "overrideTableStyleFontSizeAndJustification": 1, "enableOpenTypeFeatures": 1,
        "doNotFlipMirrorIndents": 1, "differentiateMultirowTableHeaders": 1,
    }  # fmt: skip
    compat = "".join(f'<w:compatSetting w:name="{n}" w:uri="{schema}" w:val="{v}"/>' for n, v in modes.items())
    math = (
        '<m:mathPr><m:mathFont m:val="Cambria Math"/><m:brkBin m:val="before"/><m:brkBinSub m:val="--"/>'
        '<m:smallFrac m:val="0"/><m:dispDef/><m:lMargin m:val="0"/><m:rMargin m:val="0"/><m:defJc m:val="centerGroup"/>'
        '<m:wrapIndent m:val="1440"/><m:intLim m:val="subSup"/><m:naryLim m:val="undOvr"/></m:mathPr>'
    )
    body = (
        '<w:zoom w:percent="100"/><w:bordersDoNotSurroundHeader/><w:bordersDoNotSurroundFooter/>'
        '<w:defaultTabStop w:val="420"/>'
        + ("<w:evenAndOddHeaders/>" if layout.choices["page_number"] == "dashes" else "")
        + '<w:characterSpacingControl w:val="compressPunctuation"/>'
        + '<w:footnotePr><w:footnote w:id="-1"/><w:footnote w:id="0"/></w:footnotePr>'
        + "<w:compat><w:spaceForUL/><w:balanceSingleByteDoubleByteWidth/><w:ulTrailSpace/><w:doNotExpandShiftReturn/>"
        + f"<w:useFELayout/>{compat}</w:compat>"
        + math
        + '<w:themeFontLang w:val="en-US" w:eastAsia="zh-CN"/>'
        + '<w:decimalSymbol w:val="."/><w:listSeparator w:val=","/>'
    )
    return root("w:settings", body, "w", "m")


def fonts_part(layout: Layout) -> str:
    """The part ``fontTable.xml``: what to take where a font is missing."""
    rows = [
        f'<w:font w:name="{escaped(font.name)}"><w:altName w:val="{escaped(font.alias)}"/><w:charset w:val="86"/>'
        f'<w:family w:val="{font.family}"/><w:pitch w:val="variable"/></w:font>'
        for font in layout.fonts.values()
    ]
    rows.append(
        f'<w:font w:name="{LATIN}"><w:charset w:val="00"/><w:family w:val="roman"/><w:pitch w:val="variable"/></w:font>'
    )
    return root("w:fonts", "".join(rows), "w")


def theme_part(layout: Layout) -> str:
    """The part ``theme1.xml``: plain black on white; styles name their fonts themselves and never ask it."""
    colours = {
        "dk1": "000000", "lt1": "FFFFFF", "dk2": "3F4A54", "lt2": "EEF1F4", "accent1": "1F5F93", "accent2": "A33400",
        "accent3": "7A5200", "accent4": "117733", "accent5": "882255", "accent6": "595959", "hlink": "1F4E79",
        "folHlink": "5B3A79",
    }  # fmt: skip
    scheme = "".join(f'<a:{name}><a:srgbClr val="{value}"/></a:{name}>' for name, value in colours.items())
    faces = {"major": layout.styles["heading1"].font, "minor": layout.styles["body"].font}
    fonts_of = "".join(
        f'<a:{kind}Font><a:latin typeface="{LATIN}"/><a:ea typeface="{escaped(face)}"/>'
        f'<a:cs typeface=""/></a:{kind}Font>'
        for kind, face in faces.items()
    )
    fill = '<a:solidFill><a:schemeClr val="phClr"/></a:solidFill>'
    line = f'<a:ln w="9525">{fill}<a:prstDash val="solid"/></a:ln>'
    plain = "<a:effectStyle><a:effectLst/></a:effectStyle>"
    formats = (
        f"<a:fillStyleLst>{fill * 3}</a:fillStyleLst><a:lnStyleLst>{line * 3}</a:lnStyleLst>"
        f"<a:effectStyleLst>{plain * 3}</a:effectStyleLst><a:bgFillStyleLst>{fill * 3}</a:bgFillStyleLst>"
    )
    content = (
        f'<a:themeElements><a:clrScheme name="qbresearch">{scheme}</a:clrScheme>'
        f'<a:fontScheme name="qbresearch">{fonts_of}</a:fontScheme>'
        f'<a:fmtScheme name="qbresearch">{formats}</a:fmtScheme>'
        "</a:themeElements>"
    )
    return root("a:theme", content, "a").replace("<a:theme ", '<a:theme name="qbresearch" ', 1)


def notes_part(notes: Sequence[str]) -> str:
    """The part ``footnotes.xml``, with the rules that Word draws above notes."""
    space = '<w:pPr><w:spacing w:before="0" w:after="0" w:line="240" w:lineRule="auto"/></w:pPr>'
    body = (
        f'<w:footnote w:type="separator" w:id="-1"><w:p>{space}<w:r><w:separator/></w:r></w:p></w:footnote>'
        f'<w:footnote w:type="continuationSeparator" w:id="0"><w:p>{space}<w:r><w:continuationSeparator/></w:r></w:p>'
        "</w:footnote>"
    )
    body += "".join(f'<w:footnote w:id="{number}">{note}</w:footnote>' for number, note in enumerate(notes, start=1))
    return root("w:footnotes", body, "w", "r", "m")


def numbering_part(layout: Layout, lists: Sequence[tuple[int | None, int]], language: str) -> str:
    """The part ``numbering.xml``: marks, numbers, and one list for each list of the report."""
    size = layout.styles["body"].size
    marks = [(_BULLETS[level % len(_BULLETS)], "bullet") for level in range(_LEVELS)]
    if language == CHINESE:
        forms = (("%{}.", "decimal"), ("（%{}）", "decimal"), ("%{}", "decimalEnclosedCircleChinese"))
    else:
        forms = (("%{}.", "decimal"), ("(%{})", "lowerLetter"), ("%{}.", "lowerRoman"))
    numbers = [(form.format(level + 1), kind) for level in range(_LEVELS) for form, kind in [forms[level % len(forms)]]]
    body = "".join(
        f'<w:abstractNum w:abstractNumId="{n}"><w:multiLevelType w:val="multilevel"/>'
        + "".join(_level(level, text, kind, size, layout) for level, (text, kind) in enumerate(levels))
        + "</w:abstractNum>"
        for n, levels in enumerate((marks, numbers))
    )
    for number, (start, level) in enumerate(lists, start=1):
        # Lists of one kind share their counters in Word unless each says where its own begins.
        override = f'<w:lvlOverride w:ilvl="{level}"><w:startOverride w:val="{start}"/></w:lvlOverride>'
        body += (
            f'<w:num w:numId="{number}"><w:abstractNumId w:val="{int(start is not None)}"/>'
            f"{'' if start is None else override}</w:num>"
        )
    return root("w:numbering", body, "w")


def list_indent(level: int) -> tuple[float, float]:
    """Where the text of a level begins, and how far its mark hangs out, in characters."""
    hanging = 1.75
    return 2 + hanging + 2 * level, hanging


def _level(level: int, text: str, kind: str, size: float, layout: Layout) -> str:
    left, hanging = (round(value * size * 20) for value in list_indent(level))
    face = fonts(layout.styles["body"].font)
    return (
        f'<w:lvl w:ilvl="{level}"><w:start w:val="1"/><w:numFmt w:val="{kind}"/><w:lvlText w:val="{text}"/>'
        f'<w:lvlJc w:val="left"/><w:pPr><w:tabs><w:tab w:val="num" w:pos="{left}"/></w:tabs>'
        f'<w:ind w:left="{left}" w:hanging="{hanging}"/></w:pPr>'
        f"<w:rPr>{face}</w:rPr></w:lvl>"
    )
