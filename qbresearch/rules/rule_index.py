"""What a batch asks about the rules before it runs anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qbresearch.provenance import json_sha256
from qbresearch.rules.designs import load_design
from qbresearch.rules.evaluations import evaluation_sha256, has_evaluation
from qbresearch.rules.plans import load_plan, plan_sha256
from qbresearch.rules.standards import standard_sha256


@dataclass(frozen=True, slots=True)
class RuleIndex:
    """Checksums of standards and plans; ``plans`` is the folder of a project's own plans."""

    plans: Path

    def standard_sha256(self, standard_id: str) -> str:
        """Checksum of a standard and of the evaluation it belongs to; raises InputError for an unknown one."""
        own = standard_sha256(standard_id)
        return json_sha256([own, evaluation_sha256(standard_id)]) if has_evaluation(standard_id) else own

    def design_sources(self, design_id: str) -> tuple[str, ...]:
        """Sources that a link design reads beside the schools; raises InputError for an unknown one."""
        return load_design(design_id).sources

    def plan_sha256(self, plan_id: str) -> str:
        """Checksum of a plan, and of its use; raises InputError for an unknown or a faulty one.

        It is loaded whole, so that a batch refuses a wrong use before the first run and not in each of them.
        """
        load_plan(plan_id, self.plans)
        return plan_sha256(plan_id, self.plans)
