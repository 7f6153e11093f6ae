"""What a batch asks about the data before it runs anything."""

from __future__ import annotations

from dataclasses import dataclass

from qbresearch.errors import check_choice
from qbresearch.processed.beside import sources_beside
from qbresearch.processed.store import (
    TableProvenance,
    list_built,
    read_provenance,
    refuse_outdated,
)
from qbresearch.project import Project


@dataclass(frozen=True, slots=True)
class DataIndex:
    """Sources, counties, years and checksums of the processed data of a project."""

    project: Project

    def sources(self) -> tuple[str, ...]:
        """Ids of the built sources."""
        return list_built(self.project)

    def counties(self, source_id: str) -> tuple[str, ...]:
        """County codes a source holds."""
        return tuple(self._provenance(source_id).counties)

    def years(self, source_id: str, county_code: str) -> tuple[int, ...]:
        """School years a county has rows for."""
        return tuple(self._provenance(source_id).years.get(county_code, ()))

    def slice_sha256(self, source_id: str, county_code: str | None) -> str:
        """Checksum of the rows a job reads: one county's (empty if it has none), or (``None``) the whole table's."""
        provenance = self._provenance(source_id)
        return provenance.content_sha256 if county_code is None else provenance.counties.get(county_code, "")

    def beside(self, source_id: str, county_code: str | None) -> tuple[str, ...]:
        """Sources with the tables that belong beside a county's schools (``None``: beside the whole source)."""
        return tuple(s for found in sources_beside(self.project, source_id, county_code).values() for s in found)

    def _provenance(self, source_id: str) -> TableProvenance:
        check_choice(source_id, self.sources(), name="数据来源", where="data/processed")
        return refuse_outdated(self.project, read_provenance(self.project, source_id))
