"""Marks and words of tones: what is said by colour is said by a mark and a word as well."""

from __future__ import annotations

from qbresearch.publication.docx.markup import run
from qbresearch.publication.docx.styles import TONE_STYLES
from qbresearch.publication.wording import TONE_MARKS, tone_word


def tone_tag(tone: str) -> str:
    """Mark and word of a tone."""
    return run(f"{TONE_MARKS.get(tone, '')} {tone_word(tone)}".lstrip(), TONE_STYLES[tone])
