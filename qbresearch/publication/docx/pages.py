"""Sections of pages: size, direction, running heads, page numbers, and the mark of simulated data."""

from __future__ import annotations

from dataclasses import dataclass, field

from qbresearch.language import say
from qbresearch.publication.docx.ledger import Ledger
from qbresearch.publication.docx.markup import (
    HAN,
    complex_field,
    escaped,
    paragraph,
    root,
    run,
    twips,
)
from qbresearch.publication.model import Document
from qbresearch.rules.layouts import Layout

_LANDSCAPE_HEAD = 0.55  # of the head's distance in portrait: a landscape page has a lower margin above
# Named as Word names its own watermarks, so that its command for removing them finds it. The text is fitted between
# two level lines.
_WATERMARK = (
    "<w:r><w:rPr><w:noProof/></w:rPr><w:pict>"
    '<v:shapetype id="_x0000_t136" coordsize="21600,21600" o:spt="136" path="m0,0l21600,0m0,21600l21600,21600e">'
    '<v:path textpathok="t"/><v:textpath on="t" fitshape="t"/></v:shapetype>'
    '<v:shape id="PowerPlusWaterMarkObject{number}" o:spid="_x0000_s{spid}" type="#_x0000_t136" alt="{text}" '
    'style="position:absolute;margin-left:0;margin-top:0;width:{width}pt;height:{height}pt;rotation:315;'
    "z-index:-251658752;mso-position-horizontal:center;mso-position-horizontal-relative:margin;"
    'mso-position-vertical:center;mso-position-vertical-relative:margin" o:allowincell="f" fillcolor="#e3e3e3" '
    'stroked="f"><v:fill opacity=".45"/>'
    '<v:textpath style="font-family:&quot;{font}&quot;;font-size:1pt" string="{text}"/></v:shape></w:pict></w:r>'
)
_WATERMARK_HEIGHT = 90  # points


@dataclass(slots=True)
class Pages:
    """Makes the sections of one document; ``parts`` are its heads and feet by file name."""

    document: Document
    layout: Layout
    ledger: Ledger
    parts: dict[str, str] = field(default_factory=dict)
    _restart: bool = False
    _heads: dict[str, str] = field(default_factory=dict)

    def text_width(self, *, landscape: bool) -> int:
        """Width of the type area in twentieths of a point."""
        return twips(self.layout.text_height if landscape else self.layout.text_width)

    def cover(self) -> str:
        """A page for the title alone: neither head nor number, but the mark of simulated data."""
        heads = self._reference("header", "default", self._head(landscape=False, bare=True))
        feet = self._reference(
            "footer", "default", self._part("footer", "none", root("w:ftr", paragraph("Footer"), "w"))
        )
        return self._section(heads + feet, landscape=False)

    def front(self) -> str:
        """Pages before the text, with numbers of their own; the pages that follow begin with one."""
        self._restart = True
        return self._section(self._running(landscape=False), landscape=False, numbers='w:fmt="upperRoman" w:start="1"')

    def text(self, *, landscape: bool) -> str:
        """Pages of the text, upright or landscape."""
        numbers, self._restart = ('w:fmt="decimal" w:start="1"' if self._restart else ""), False
        return self._section(self._running(landscape=landscape), landscape=landscape, numbers=numbers)

    def _section(self, references: str, *, landscape: bool, numbers: str = "") -> str:
        measures = {name: twips(value) for name, value in self.layout.measures.items()}
        width, height = measures["page_width"], measures["page_height"]
        top, right, bottom, left = (measures[side] for side in ("top", "right", "bottom", "left"))
        head, foot = measures["header"], measures["footer"]
        if landscape:  # the sheet turned by a quarter, its binding edge on top
            width, height = height, width
            top, right, bottom, left = left, top, right, bottom
            head, foot = round(head * _LANDSCAPE_HEAD), round(foot * _LANDSCAPE_HEAD)
        turned = ' w:orient="landscape"' if landscape else ""
        return (
            f'<w:sectPr>{references}<w:type w:val="nextPage"/><w:pgSz w:w="{width}" w:h="{height}"{turned}/>'
            f'<w:pgMar w:top="{top}" w:right="{right}" w:bottom="{bottom}" w:left="{left}" '
            f'w:header="{head}" w:footer="{foot}" w:gutter="0"/>'
            + (f"<w:pgNumType {numbers}/>" if numbers else "")
            + f'<w:cols w:space="425"/>{self._grid()}</w:sectPr>'
        )

    def _grid(self) -> str:
        """Lines of the page, if their number is fixed; characters are set closer by their style, see ``styles``."""
        if not self.layout.measures["lines"]:
            return '<w:docGrid w:linePitch="312"/>'
        pitch = int(twips(self.layout.text_height) / self.layout.measures["lines"])
        return f'<w:docGrid w:type="lines" w:linePitch="{pitch}"/>'

    # heads and feet

    def _running(self, *, landscape: bool) -> str:
        head = self._head(landscape=landscape, bare=False)
        if self.layout.choices["page_number"] == "plain":
            foot = self._foot("center", complex_field("PAGE", run("1")), "")
            return self._reference("header", "default", head) + self._reference("footer", "default", foot)
        number = run("— ") + complex_field("PAGE", run("1")) + run(" —")
        odd = self._foot("right", number, '<w:ind w:rightChars="100" w:right="280"/>')
        even = self._foot("left", number, '<w:ind w:leftChars="100" w:left="280"/>')
        heads = self._reference("header", "even", head) + self._reference("header", "default", head)
        return heads + self._reference("footer", "even", even) + self._reference("footer", "default", odd)

    @staticmethod
    def _reference(kind: str, pages: str, identity: str) -> str:
        return f'<w:{kind}Reference w:type="{pages}" r:id="{identity}"/>'

    def _foot(self, align: str, number: str, indent: str) -> str:
        return self._part("footer", align, root("w:ftr", paragraph("Footer", number, indent=indent, align=align), "w"))

    def _head(self, *, landscape: bool, bare: bool) -> str:
        """A head: the title on the left, the mark of simulated data on the right; a bare one has only the mark."""
        width = self.text_width(landscape=landscape)
        formal = self.layout.choices["cover"] == "head"  # official papers have no head but the mark
        title = "" if bare or formal else run(self.document.title)
        mark = run(say("模拟数据"), "SimulatedMark") + self._watermark() if self.document.simulated else ""
        tab = "<w:r><w:tab/></w:r>" if mark else ""
        rule = '<w:pBdr><w:bottom w:val="single" w:sz="4" w:space="3" w:color="7F7F7F"/></w:pBdr>' if title else ""
        stops = f'<w:tabs><w:tab w:val="right" w:pos="{width}"/></w:tabs>'
        content = paragraph("Header", f"{title}{tab}{mark}", numbering=rule + stops)
        name = f"{'bare' if bare else 'title'}{'-landscape' if landscape else ''}"
        return self._part("header", name, root("w:hdr", content, "w", "r", "v", "o"))

    def _watermark(self) -> str:
        said = say("模拟数据")
        number = len(self.parts) + 1
        broad = sum(1.0 if HAN.match(char) else 0.45 for char in said)
        return _WATERMARK.format(
            number=number,
            spid=2048 + number,
            text=escaped(said),
            font=self.layout.styles["heading1"].font,
            width=round(_WATERMARK_HEIGHT * broad),
            height=_WATERMARK_HEIGHT,
        )

    def _part(self, kind: str, name: str, content: str) -> str:
        """Id of a head or foot, stored once."""
        key = f"{kind}-{name}"
        if key not in self._heads:
            file = f"{kind}{sum(part.startswith(kind) for part in self.parts) + 1}.xml"
            self.parts[file] = content
            self._heads[key] = self.ledger.relations.add(kind, file)
        return self._heads[key]
