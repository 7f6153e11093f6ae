"""What a batch asks about the data before it runs anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from qbresearch.errors import InputError, check_choice
from qbresearch.processed.beside import beside_sha256, choose_beside
from qbresearch.processed.partitions import County, county_sha256
from qbresearch.processed.raw_files import (
    files_of,
    files_sha256,
    problems_by_file,
)
from qbresearch.processed.store import (
    TableProvenance,
    list_counties,
    read_problems,
    read_provenances,
    refuse_outdated,
    school_years,
)
from qbresearch.project import Project


@dataclass(frozen=True, slots=True)
class DataIndex:
    """Sources, counties, years and checksums of the processed data of a project, as they are when first asked for.

    A batch asks thousands of times, so everything is read once: after a build, make a new index.
    """

    project: Project
    _read: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def sources(self) -> tuple[str, ...]:
        """Ids of the built sources."""
        return tuple(self._built())

    def counties(self, source_id: str) -> tuple[str, ...]:
        """County codes a source holds."""
        return tuple(self._counties(source_id))

    def years(self, source_id: str, county_code: str) -> tuple[int, ...]:
        """School years a county has rows for."""
        return school_years(self._counties(source_id).get(county_code, {}))

    def answer(self, kind: str, name: str) -> str | None:
        """The checksum that something a run has read has now; ``None`` where it is gone or its table is outdated.

        Parameters
        ----------
        kind : {"rows", "facts", "files", "beside"}
        name : str
            As it was said to :func:`qbresearch.traces.note_read`: ``<source>/<county>`` (no county: all of them),
            ``<source>``, ``<source>/<county>/<school year>``, ``<source>/<county>``.
        """
        asked: dict[str, Callable[..., str | None]] = {
            "rows": self._rows, "facts": self._facts, "files": self._files, "beside": self._beside,
        }
        source_id, _, rest = name.partition("/")
        if kind not in asked or source_id not in self.sources():
            return None
        try:
            return asked[kind](source_id, rest)
        except InputError:
            return None

    def _rows(self, source_id: str, county_code: str) -> str | None:
        if not county_code:
            return self._provenance(source_id).content_sha256
        county = self._counties(source_id).get(county_code)
        return None if county is None else county_sha256(county)

    def _facts(self, source_id: str, _: str) -> str:
        return self._provenance(source_id).facts_sha256()

    def _files(self, source_id: str, place: str) -> str | None:
        county_code, _, year = place.rpartition("/")
        held, provenance = self._counties(source_id), self._provenance(source_id)
        if county_code and county_code not in held:
            return None
        problems = self._once(
            ("problems", source_id), lambda: problems_by_file(read_problems(self.project, source_id))
        )
        counties = [held[county_code]] if county_code else held.values()
        return files_sha256(files_of(provenance, counties, int(year)), problems)

    def _beside(self, source_id: str, county_code: str) -> str:
        def codes(known: TableProvenance) -> set[str]:
            return self._once(("codes", known.source), lambda: set(list_counties(self.project, known)))

        def holds(known: TableProvenance) -> bool:
            return county_code in codes(known) if county_code else not codes(known).isdisjoint(codes(built[source_id]))

        built = self._built()
        return beside_sha256(choose_beside(self.project, built[source_id], built.values(), holds))

    def _built(self) -> dict[str, TableProvenance]:
        return self._once("built", lambda: {known.source: known for known in read_provenances(self.project)})

    def _provenance(self, source_id: str) -> TableProvenance:
        check_choice(source_id, self.sources(), name="数据来源", where="data/processed")
        return self._once(("fresh", source_id), lambda: refuse_outdated(self.project, self._built()[source_id]))

    def _counties(self, source_id: str) -> dict[str, County]:
        provenance = self._provenance(source_id)
        return self._once(("counties", source_id), lambda: list_counties(self.project, provenance))

    def _once(self, what: Any, read: Callable[[], Any]) -> Any:
        if what not in self._read:
            self._read[what] = read()
        return self._read[what]
