"""Workbench for research on whether the schools of a county are evenly resourced, and what follows from it.

Notebooks write ``import qbresearch as qb``; everything they need is named here. A name is imported when it is first
used, so that the command line, its worker processes and ``--help`` do not wait for the whole stack.
"""

from importlib import import_module

_HOME = {
    "Effort": "results.link.challenge",
    "InputError": "errors",
    "QbError": "errors",
    "Study": "studies.study",
    "assess": "results.resources.attainment",
    "assess_source": "studies.national",
    "between_within": "statistics.dispersion",
    "challenge_link": "results.link.challenge",
    "check_plan": "results.plans.check",
    "check_table": "raw.checks",
    "clauses": "language",
    "coefficient_of_variation": "statistics.dispersion",
    "compare_counties": "results.link.county",
    "compare_groups": "results.resources.dispersion",
    "composite_coefficient_of_variation": "statistics.dispersion",
    "compute_indicators": "results.resources.indicators",
    "count_schools": "results.resources.register",
    "describe_link": "results.link.describe",
    "detail_tables": "exhibits.detail_tables",
    "ecological_warning": "results.link.county",
    "estimate_school_effects": "results.monitoring.school_effects",
    "evaluate_county": "results.evaluation.county",
    "evaluation_tables": "exhibits.evaluation_tables",
    "figures": "exhibits.figures",
    "find_project": "project",
    "fit_ladder": "results.link.ladder",
    "fit_linear": "statistics.regression",
    "fit_multilevel": "statistics.multilevel",
    "follow_plan": "studies.plans",
    "follow_prefecture": "studies.plans",
    "follow_report": "studies.plans",
    "joined": "language",
    "label_of": "language",
    "list_designs": "rules.designs",
    "list_evaluations": "rules.evaluations",
    "list_missing": "results.resources.register",
    "list_plans": "rules.plans",
    "list_standards": "rules.standards",
    "listed": "language",
    "load_design": "rules.designs",
    "load_evaluation": "rules.evaluations",
    "load_plan": "rules.plans",
    "load_processed": "processed.store",
    "load_published": "processed.published",
    "load_standard": "rules.standards",
    "load_table": "rules.columns",
    "match_results": "results.link.match",
    "match_schools": "results.monitoring.matching",
    "measure_achievement": "results.monitoring.achievement",
    "measure_difference_rates": "results.monitoring.difference_rate",
    "measure_dispersion": "results.resources.dispersion",
    "moderation_lines": "results.link.ladder",
    "open_evaluation": "studies.evaluation",
    "open_monitoring": "studies.monitoring",
    "open_study": "studies.study",
    "plan_tables": "exhibits.plan_tables",
    "query_source": "processed.query",
    "read_file": "raw.reading",
    "recover_from_levels": "results.monitoring.levels",
    "say": "language",
    "scatter_frames": "results.link.describe",
    "sentences": "exhibits.sentences",
    "setting": "rules.settings",
    "settings_table": "rules.settings",
    "stage_parts": "results.resources.parts",
    "sum_shortfalls": "results.resources.needs",
    "sum_student_files": "processed.student_files",
    "sum_students": "processed.sums",
    "sums_from_schools": "processed.sums",
    "tables": "exhibits.tables",
    "weighted_mean": "statistics.dispersion",
    "weighted_standard_deviation": "statistics.dispersion",
    "within_between": "results.link.county",
    "write_filled_example": "raw.template",
    "write_template": "raw.template",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(f"{__name__}.{_HOME[name]}")
    value = home if _HOME[name].endswith(f".{name}") else getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
