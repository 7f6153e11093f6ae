"""Findings in words. Every sentence is made from the frame that the table beside it prints."""

from qbresearch.exhibits.sentences.balance import (
    counties_sentence,
    dispersion_sentence,
    groups_sentence,
    schools_sentence,
    scope_sentence,
    shortfall_sentence,
    verdict_sentence,
    years_sentence,
)

__all__ = [
    "counties_sentence",
    "dispersion_sentence",
    "groups_sentence",
    "schools_sentence",
    "scope_sentence",
    "shortfall_sentence",
    "verdict_sentence",
    "years_sentence",
]
