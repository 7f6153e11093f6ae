"""Lines of a report as runs, fields, links and footnotes of a Word file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from lxml import etree

from qbresearch.publication.docx.ledger import Ledger, Relations
from qbresearch.publication.docx.markup import (
    HAN,
    NAMESPACES,
    complex_field,
    paragraph,
    run,
)
from qbresearch.publication.formulas import parse_formula, to_omml
from qbresearch.publication.model import (
    Break,
    Citation,
    FormulaWords,
    Link,
    Note,
    Reference,
    Text,
    Words,
)

_NOTE_MARK = '<w:r><w:rPr><w:rStyle w:val="FootnoteReference"/></w:rPr><w:footnoteRef/></w:r>'


@dataclass(frozen=True, slots=True)
class Typesetter:
    """Turns lines into XML; ``labels`` are the texts that stand inside the bookmarks of captions and equations."""

    ledger: Ledger
    labels: Mapping[str, str]

    def line(self, words: Iterable[Words], *, style: str = "", notes: bool = True) -> str:
        """A line of the document; ``style`` is the character style of words that have no look of their own."""
        return "".join(self._word(word, style, self.ledger.relations, notes) for word in words)

    def formula(self, tex: str, *, display: bool) -> str:
        """A formula that Word can edit."""
        return _formula(tex, display)

    def _word(self, word: Words, style: str, relations: Relations, notes: bool) -> str:
        match word:
            case Text():
                return self._text(word, style)
            case Link():
                shown = run(word.text, "Hyperlink")
                return f'<w:hyperlink r:id="{relations.link(word.address)}" w:history="1">{shown}</w:hyperlink>'
            case Reference():
                return self._reference(word)
            case Citation():
                return self.inward(word.anchor, run(word.label, "CitationMark"))
            case FormulaWords():
                return self.formula(word.tex, display=False)
            case Note():
                return self._note(word) if notes else ""
            case Break():
                return "<w:r><w:br/></w:r>"

    def inward(self, anchor: str, shown: str) -> str:
        """Runs that lead to a place in the report."""
        return f'<w:hyperlink w:anchor="{self.ledger.name(anchor)}" w:history="1">{shown}</w:hyperlink>'

    def _text(self, word: Text, style: str) -> str:
        if word.code:
            return run(word.text, "HTMLCode", bold=word.strong)
        if word.strong:
            return run(word.text, "Strong", italic=word.emphasis and not HAN.search(word.text))
        if word.emphasis:
            # Chinese has no slanted letters: the style sets another face, and only Latin words lean.
            return run(word.text, "Emphasis", italic=not HAN.search(word.text))
        return run(word.text, style)

    def _reference(self, word: Reference) -> str:
        inside = self.labels.get(word.anchor, "")
        if not inside or not word.label.endswith(inside):
            return self.inward(word.anchor, run(word.label))
        before = word.label.removesuffix(inside)
        shown = complex_field(f"REF {self.ledger.name(word.anchor)} \\h", run(inside))
        return (run(before) if before else "") + shown

    def _note(self, note: Note) -> str:
        words = "".join(self._word(word, "", self.ledger.note_relations, False) for word in note.words)
        self.ledger.footnotes.append(paragraph("FootnoteText", f"{_NOTE_MARK}{run(' ')}{words}"))
        number = len(self.ledger.footnotes)
        return f'<w:r><w:rPr><w:rStyle w:val="FootnoteReference"/></w:rPr><w:footnoteReference w:id="{number}"/></w:r>'


@lru_cache(maxsize=1024)
def _formula(tex: str, display: bool) -> str:
    element = to_omml(parse_formula(tex, display=display, where="Word 文件"))
    return etree.tostring(element, encoding="unicode").replace(f' xmlns:m="{NAMESPACES["m"]}"', "", 1)
