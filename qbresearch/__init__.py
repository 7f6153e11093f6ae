"""Workbench for research on whether the schools of a county are evenly resourced, and what follows from it.

Notebooks write ``import qbresearch as qb``; everything they need is named here.
"""

from qbresearch.errors import InputError, QbError
from qbresearch.exhibits import figures, sentences, tables
from qbresearch.processed.published import load_published
from qbresearch.processed.store import load_schools
from qbresearch.raw.checks import check_table
from qbresearch.raw.columns import load_table
from qbresearch.raw.reading import read_file
from qbresearch.raw.template import write_filled_example, write_template
from qbresearch.reports.study import Study, open_study
from qbresearch.results.attainment import assess
from qbresearch.results.dispersion import (
    between_within,
    coefficient_of_variation,
    compare_groups,
    composite_coefficient_of_variation,
    measure_dispersion,
    weighted_mean,
    weighted_standard_deviation,
)
from qbresearch.results.indicators import compute_indicators
from qbresearch.results.needs import sum_shortfalls
from qbresearch.results.parts import stage_parts
from qbresearch.results.register import count_schools, list_missing
from qbresearch.rules.standards import list_standards, load_standard

__all__ = [
    "InputError",
    "QbError",
    "Study",
    "assess",
    "between_within",
    "check_table",
    "coefficient_of_variation",
    "compare_groups",
    "composite_coefficient_of_variation",
    "compute_indicators",
    "count_schools",
    "figures",
    "list_missing",
    "list_standards",
    "load_published",
    "load_schools",
    "load_standard",
    "load_table",
    "measure_dispersion",
    "open_study",
    "read_file",
    "sentences",
    "stage_parts",
    "sum_shortfalls",
    "tables",
    "weighted_mean",
    "weighted_standard_deviation",
    "write_filled_example",
    "write_template",
]
