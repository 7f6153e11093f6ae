"""Figures of the workbench: a tidy frame in, matplotlib axes out."""

from qbresearch.exhibits.figures.balance import (
    MAX_GROUPS,
    MAX_ROWS,
    plot_attainment_map,
    plot_between_within,
    plot_county_cvs,
    plot_cv_caps,
    plot_distributions,
    plot_groups,
    plot_years,
)

__all__ = [
    "MAX_GROUPS",
    "MAX_ROWS",
    "plot_attainment_map",
    "plot_between_within",
    "plot_county_cvs",
    "plot_cv_caps",
    "plot_distributions",
    "plot_groups",
    "plot_years",
]
