"""What a batch asks about the rules before it runs anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qbresearch.rules.designs import load_design
from qbresearch.rules.plans import load_plan
from qbresearch.rules.standards import latest_standard


@dataclass(frozen=True, slots=True)
class RuleIndex:
    """The standards, link designs and plans there are; ``plans`` is the folder of a project's own plans."""

    plans: Path

    def check_standard(self, standard_id: str) -> None:
        """Raise InputError for an unknown standard, CitationError for a faulty one."""
        latest_standard(standard_id)

    def check_plan(self, plan_id: str) -> None:
        """Raise InputError or CitationError for an unknown or a faulty plan.

        It is loaded whole, so that a batch refuses a wrong use before the first run and not in each of them.
        """
        load_plan(plan_id, self.plans)

    def design_sources(self, design_id: str) -> tuple[str, ...]:
        """Sources that a link design reads beside the schools; raises InputError for an unknown one."""
        return load_design(design_id).sources
