"""Figures of the workbench: a tidy frame in, matplotlib axes out."""

from qbresearch.exhibits.figures.balance import (
    MAX_GROUPS,
    MAX_ROWS,
    plot_between_within,
    plot_cv_caps,
    plot_distributions,
    plot_groups,
    plot_years,
)
from qbresearch.exhibits.figures.coloured_tables import (
    plot_attainment_map,
    plot_county_cvs,
)
from qbresearch.exhibits.figures.correlations import plot_correlations
from qbresearch.exhibits.figures.empty import plot_nothing
from qbresearch.exhibits.figures.evaluation import (
    plot_increases,
    plot_margins,
    plot_recognition,
    plot_school_evidence,
    plot_verdicts,
)
from qbresearch.exhibits.figures.link import (
    plot_coefficients,
    plot_importance,
    plot_moderation,
    plot_scatters,
    plot_variance,
)
from qbresearch.exhibits.figures.monitoring import (
    plot_caterpillar,
    plot_difference_rates,
    plot_levels,
    plot_missing,
)
from qbresearch.exhibits.figures.plans import (
    plot_calendar,
    plot_phases,
    plot_prefecture_board,
    plot_progress,
    plot_timetable,
)
from qbresearch.exhibits.figures.specifications import plot_specifications
from qbresearch.exhibits.figures.warming import warm_figures

__all__ = [
    "MAX_GROUPS",
    "MAX_ROWS",
    "plot_attainment_map",
    "plot_between_within",
    "plot_calendar",
    "plot_caterpillar",
    "plot_coefficients",
    "plot_correlations",
    "plot_county_cvs",
    "plot_cv_caps",
    "plot_difference_rates",
    "plot_distributions",
    "plot_groups",
    "plot_importance",
    "plot_increases",
    "plot_levels",
    "plot_margins",
    "plot_missing",
    "plot_moderation",
    "plot_nothing",
    "plot_phases",
    "plot_prefecture_board",
    "plot_progress",
    "plot_recognition",
    "plot_scatters",
    "plot_school_evidence",
    "plot_specifications",
    "plot_timetable",
    "plot_variance",
    "plot_verdicts",
    "plot_years",
    "warm_figures",
]
