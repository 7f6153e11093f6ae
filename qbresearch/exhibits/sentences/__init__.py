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
from qbresearch.exhibits.sentences.evaluation import (
    increase_sentence,
    item_sentence,
    part_sentence,
    recognition_sentence,
    school_items_sentence,
    tree_sentence,
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
from qbresearch.exhibits.sentences.plans import (
    check_sentence,
    prefecture_sentence,
    progress_sentence,
    recommendation_sentence,
    slippage_sentence,
    targets_sentence,
    warning_sentence,
)

__all__ = [
    "achievement_sentence",
    "bureau_paragraph",
    "check_sentence",
    "counties_sentence",
    "difference_rate_sentence",
    "dispersion_sentence",
    "flow_sentence",
    "groups_sentence",
    "increase_sentence",
    "item_sentence",
    "matching_sentence",
    "multiverse_sentence",
    "part_sentence",
    "prefecture_sentence",
    "progress_sentence",
    "recognition_sentence",
    "recommendation_sentence",
    "school_effects_sentence",
    "school_items_sentence",
    "schools_sentence",
    "scope_sentence",
    "shortfall_sentence",
    "singles_sentence",
    "slippage_sentence",
    "targets_sentence",
    "tree_sentence",
    "variance_sentence",
    "verdict_sentence",
    "warning_sentence",
    "years_sentence",
]
