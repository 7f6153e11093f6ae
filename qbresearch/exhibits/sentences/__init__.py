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
from qbresearch.exhibits.sentences.link import (
    bureau_paragraph,
    flow_sentence,
    multiverse_sentence,
    singles_sentence,
    variance_sentence,
)
from qbresearch.exhibits.sentences.monitoring import (
    achievement_sentence,
    difference_rate_sentence,
    matching_sentence,
    school_effects_sentence,
)

__all__ = [
    "achievement_sentence",
    "bureau_paragraph",
    "counties_sentence",
    "difference_rate_sentence",
    "dispersion_sentence",
    "flow_sentence",
    "groups_sentence",
    "matching_sentence",
    "multiverse_sentence",
    "school_effects_sentence",
    "schools_sentence",
    "scope_sentence",
    "shortfall_sentence",
    "singles_sentence",
    "variance_sentence",
    "verdict_sentence",
    "years_sentence",
]
