"""What the parts of one Word file share: bookmarks, relationships, footnotes, lists, numbers of captions."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from qbresearch.publication.docx.markup import complex_field, run

_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
_LONGEST_BOOKMARK = 40
_DEFAULT_DENSITY = 160 / 0.0254  # dots a metre of our figures, for pictures that do not say theirs


@dataclass(slots=True)
class Relations:
    """Relationships of one part, numbered in order of first use."""

    rows: dict[tuple[str, str, bool], str] = field(default_factory=dict)

    def add(self, kind: str, target: str, *, external: bool = False) -> str:
        """Id of the relationship to a target; the same target keeps its id."""
        return self.rows.setdefault((kind, target, external), f"rId{len(self.rows) + 1}")

    def link(self, address: str) -> str:
        """Id of the relationship to an address outside; characters that no address may have are encoded."""
        return self.add("hyperlink", quote(address, safe="%/:=&?~#+!$,;@()*[]-._"), external=True)

    def items(self) -> Iterator[tuple[str, str, str, bool]]:
        """Id, kind (a full URI), target and whether it is outside."""
        for (kind, target, external), identity in self.rows.items():
            yield identity, _RELATIONS + kind, target, external


@dataclass(slots=True)
class Ledger:
    """Everything that is numbered or named once in a file."""

    relations: Relations = field(default_factory=Relations)
    note_relations: Relations = field(default_factory=Relations)
    pictures: dict[bytes, str] = field(default_factory=dict)
    footnotes: list[str] = field(default_factory=list)
    lists: list[tuple[int | None, int]] = field(default_factory=list)
    _names: dict[str, str] = field(default_factory=dict)
    _placed: set[str] = field(default_factory=set)
    _counts: dict[str, int] = field(default_factory=dict)
    _drawings: int = 0

    def name(self, anchor: str) -> str:
        """The bookmark's name of an anchor: letters, digits and underscores, at most forty, hidden in Word's lists."""
        if anchor not in self._names:
            name = "_" + re.sub(r"[^A-Za-z0-9_]", "_", anchor)
            if len(name) > _LONGEST_BOOKMARK or name in self._names.values():
                name = f"{name[: _LONGEST_BOOKMARK - 6]}_{len(self._names) + 1:05d}"
            self._names[anchor] = name
        return self._names[anchor]

    def bookmark(self, anchor: str, content: str) -> str:
        """Content that references to the anchor lead to; without an anchor, or if it is placed already, the content."""
        if not anchor or anchor in self._placed:
            return content
        self._placed.add(anchor)
        number = len(self._placed)
        return (
            f'<w:bookmarkStart w:id="{number}" w:name="{self.name(anchor)}"/>{content}<w:bookmarkEnd w:id="{number}"/>'
        )

    def check(self) -> None:
        """Every anchor that something leads to stands somewhere."""
        if lost := sorted(set(self._names) - self._placed):
            raise ValueError(f"references lead to anchors that are nowhere: {lost}")

    def picture(self, png: bytes) -> str:
        """Relationship id of a picture; equal pictures are stored once."""
        target = self.pictures.setdefault(png, f"media/image{len(self.pictures) + 1}.png")
        return self.relations.add("image", target)

    def next_drawing(self) -> int:
        """The next id of a drawing."""
        self._drawings += 1
        return self._drawings

    def list_number(self, start: int | None, level: int) -> int:
        """Number of a new list at a level: ``None`` for marks, else where its numbers begin."""
        self.lists.append((start, level))
        return len(self.lists)

    def sequence(self, word: str, number: str) -> str:
        """A caption's number as a field that Word counts on; as text where it is not a number."""
        if not (number.isascii() and number.isdecimal()):
            return run(number)
        name = re.sub(r"\W+", "_", word.strip())
        code = f"SEQ {name} \\* ARABIC"
        if int(number) != self._counts.get(name, 0) + 1:
            code += f" \\r {int(number)}"
        self._counts[name] = int(number)
        return complex_field(code, run(number))


def picture_size(png: bytes) -> tuple[float, float]:
    """Width and height of a PNG picture in millimetres, by the density it states."""
    width, height = struct.unpack(">II", png[16:24])
    across = down = _DEFAULT_DENSITY
    place = 8
    while place + 8 <= len(png):
        length, kind = struct.unpack(">I4s", png[place : place + 8])
        if kind == b"pHYs":
            stated_across, stated_down, unit = struct.unpack(">IIB", png[place + 8 : place + 17])
            across, down = (
                (stated_across, stated_down) if unit == 1 and stated_across and stated_down else (across, down)
            )
        if kind in (b"pHYs", b"IDAT"):
            break
        place += 12 + length
    return width / across * 1000, height / down * 1000
