"""What a text can point to: tables, figures and equations of its notebook, works of the bibliography, notes.

Everything is numbered once, in order of appearance; whatever leads nowhere is refused with the cell it stands in.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from qbresearch.errors import InputError
from qbresearch.language import say
from qbresearch.publication.bibliography import Citations
from qbresearch.publication.model import Citation, Line, Note, Reference, Text, Words

REFERENCE = r"@(?P<reference_kind>tbl|fig|eq)-(?P<reference_id>[A-Za-z0-9_-]*)(?: (?=[\u2e80-\u9fff]))?"
CITATION = r"\[(?P<citation_keys>@[A-Za-z0-9][\w:.-]*(?:\s*[;；]\s*@[A-Za-z0-9][\w:.-]*)*)\]"
_CALL = re.compile(f"{CITATION}|{REFERENCE}")
# A letter or digit before the @ makes it an address; a Chinese character does not.
_UNRESOLVED = re.compile(
    r"\[\^[^\]\s]+\]|\[@[^\]\n]*\]"
    r"|(?<![a-z0-9])@(?:(?P<exhibit>(?:tbl|fig|eq|table|figure|equation|sec)-[\w-]*)|(?P<work>[a-z][\w-]*))",
    re.ASCII | re.IGNORECASE,
)
_DATED = re.compile(r".*-[0-9]{4}[a-z]?", re.IGNORECASE)
KINDS = {"table": "tbl", "figure": "fig", "equation": "eq"}


@dataclass(slots=True)
class Numbering:
    """Numbers given so far in the whole report."""

    citations: Citations
    counts: dict[str, int] = field(default_factory=dict)

    def next(self, kind: str) -> int:
        """The next number of a kind (``tbl``, ``fig``, ``eq``, ``note``)."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return self.counts[kind]


def exhibit_word(kind: str) -> str:
    """What stands before the number of a table or figure in its label."""
    return say("表") if kind == "tbl" else say("图")


def label_of_target(kind: str, number: int) -> str:
    """What a cross reference to a table, figure or equation reads."""
    return say("式（{number}）", number=number) if kind == "eq" else f"{exhibit_word(kind)}{number}"


@dataclass(frozen=True, slots=True)
class Resolver:
    """What the texts of one notebook may point to, by ``tbl-ID``, ``fig-ID`` and ``eq-ID``."""

    targets: Mapping[str, Reference]
    numbering: Numbering

    def reference(self, key: str, place: object) -> Reference:
        """The table, figure or equation a text names."""
        if key in self.targets:
            return self.targets[key]
        raise InputError(
            "正文引用了不存在的图、表或公式",
            where=str(place),
            found=f"@{key}",
            expected="本笔记本中的 " + ("、".join(f"@{k}" for k in self.targets) or "（本笔记本没有图、表和公式）"),
            fix="改正引用的 id，或补上这张图（表、公式）",
        )

    def citation(self, keys: str, place: object) -> Citation:
        """The works a text cites, ``@one; @two``."""
        names = [key.strip().removeprefix("@") for key in re.split("[;；]", keys)]
        label = self.numbering.citations.label(names, where=str(place))
        return Citation(label, work_anchor(self.numbering.citations.number(names[0], where=str(place))))

    def unresolved(self, text: str) -> str:
        """What looks like a reference, citation or note that nothing has resolved; empty if nothing does."""
        return unresolved(text, self.numbering.citations.works)

    def note(self, words: Line) -> Note:
        """A note with the report's next number."""
        return Note(self.numbering.next("note"), words)

    def line(self, text: str, place: object) -> Line:
        """A plain text cut at its cross references and citations; it can have no notes."""
        words: list[Words] = []
        start = 0
        for match in _CALL.finditer(text):
            words.append(Text(text[start : match.start()]))
            if match["citation_keys"]:
                words.append(self.citation(match["citation_keys"], place))
            else:
                words.append(self.reference(f"{match['reference_kind']}-{match['reference_id']}", place))
            start = match.end()
        words.append(Text(text[start:]))
        for word in words:
            if isinstance(word, Text) and (found := self.unresolved(word.text)):
                raise InputError(
                    "文字里的引用没有指向任何东西",
                    where=str(place),
                    found=found,
                    expected="引图、表、公式写 @fig-…、@tbl-…、@eq-…（小写），引文献写 [@key] 或 [@key; @key]；这里不能有脚注",
                    fix="改正写法；页码和“见”等字写在方括号外面",
                )
        return tuple(word for word in words if not isinstance(word, Text) or word.text)


def unresolved(text: str, works: Container[str] = ()) -> str:
    """The first piece of a text that was meant to lead somewhere: a note, an exhibit, a work known or dated; or empty."""
    for match in _UNRESOLVED.finditer(text):
        work = match["work"]
        if work is None or work.rstrip("-") in works or _DATED.fullmatch(work):
            return match[0]
    return ""


def work_anchor(number: int) -> str:
    """Where the entry of a cited work stands."""
    return f"ref-{number}"
