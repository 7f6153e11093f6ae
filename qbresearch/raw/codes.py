"""Codes of the items of an evaluation, as clerks type them and as the evaluation knows them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from qbresearch.rules.evaluations import latest_evaluation

ITEM = re.compile(r"([A-Za-z]+)([0-9]*)([A-Za-z]?)")
PLAN_EVIDENCE = re.compile(r"E-[a-z0-9-]+")
"""Records that only a plan asks for; which there are the plan says, and tables are read without one."""


@dataclass(frozen=True, slots=True)
class ItemCodes:
    """Codes of an evaluation: ``records`` are asked for as evidence, ``parts`` are items with the records they are asked
    for by other codes (G2: G2a to G2d), ``others`` are items that no evidence decides."""

    records: tuple[str, ...]
    parts: dict[str, tuple[str, ...]]
    others: tuple[str, ...]


@cache
def item_codes(evaluation_id: str) -> ItemCodes:
    """Codes of an evaluation as last in force."""
    items = latest_evaluation(evaluation_id).items
    return ItemCodes(
        records=tuple(code for item in items for code in item.evidence),
        parts={item.code: item.evidence for item in items if item.evidence and item.code not in item.evidence},
        others=tuple(item.code for item in items if not item.evidence),
    )


def usual_code(text: str) -> str:
    """A code in the usual form: no white space, letters upper-case and one letter at the end lower-case (G2a), a plan's
    own code lower-case behind its ``E-``; other texts as they are.

    ``text`` is half-width already, see :func:`qbresearch.raw.cells.plain_text`.
    """
    bare = re.sub(r"\s+", "", text)
    if (match := ITEM.fullmatch(bare)) is not None:
        return match[1].upper() + match[2] + match[3].lower()
    plan = "E-" + bare[2:].lower() if bare[:2].upper() == "E-" else ""
    return plan if PLAN_EVIDENCE.fullmatch(plan) else text
