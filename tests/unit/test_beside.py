"""Tables beside the schools are found by what they hold, and never mixed or counted twice."""

from __future__ import annotations

import shutil

import pytest

from qbresearch.errors import InputError
from qbresearch.processed.beside import load_beside, sources_beside
from qbresearch.processed.build import build_source
from qbresearch.processed.data_index import DataIndex
from qbresearch.processed.store import list_counties, read_provenance
from qbresearch.project import Project
from qbresearch.raw.sources import PASSPORT, TO_FILL, draft_passport
from qbresearch.raw.template import write_filled_example
from qbresearch.rules.columns import load_table
from qbresearch.traces import READS, collected


def add(project: Project, source_id: str, table: str, *, kind: str = "real") -> None:
    """A source with the filled example of a table's template, built."""
    folder = project.raw / source_id
    folder.mkdir(parents=True)
    write_filled_example(load_table(table), folder / f"{source_id}.xlsx")
    passport = draft_passport(project.raw, source_id).replace(TO_FILL, "试验")
    passport = passport.replace('kind = "real"', f'kind = "{kind}"')
    lines = [f'table = "{table}"' if line.startswith("table = ") else line for line in passport.splitlines()]
    (folder / PASSPORT).write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert build_source(project, source_id).status == "built"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("project"))
    project.notebooks.mkdir()
    add(project, "schools", "school")
    add(project, "facts", "county-facts")
    add(project, "classes", "class")
    return project


def county(project: Project) -> str:
    return next(iter(list_counties(project, read_provenance(project, "facts"))))


def test_tables_of_the_same_county_are_found_without_being_named(project):
    found = sources_beside(project, "schools", county(project))
    assert found == {"county-facts": ("facts",), "class": ("classes",)}
    loaded = load_beside(project, "schools", county_code=county(project))
    assert set(loaded) == {"county-facts", "class"}
    assert set(loaded["class"].frame["county_code"]) == {county(project)}
    assert [p.source for p in loaded["class"].provenances] == ["classes"]


def test_a_county_nobody_reports_on_has_nothing_beside_it(project):
    assert sources_beside(project, "schools", "110101") == {}
    assert sources_beside(project, "nowhere", None) == {}


def test_what_stands_beside_is_answered_as_it_was_said(project, tmp_path, monkeypatch):
    monkeypatch.setenv(READS, str(tmp_path / "reads"))
    for code in (county(project), "110101", None):
        sources_beside(project, "schools", code)
    load_beside(project, "schools", county_code=county(project))
    said = {k: sha for k, sha in collected(tmp_path / "reads").items() if k.startswith(("beside:", "rows:"))}
    assert f"rows:facts/{county(project)}" in said and "beside:schools/" in said and len(set(said.values())) == 4
    assert {key: DataIndex(project).answer(*key.split(":", 1)) for key in said} == said


def test_real_tables_are_not_set_beside_simulated_schools(project):
    add(project, "simulated-rooms", "room", kind="simulated")
    assert "room" not in sources_beside(project, "schools", county(project))


def test_what_was_built_from_a_folder_that_is_gone_is_not_found(project):
    add(project, "survey-once", "survey")
    assert sources_beside(project, "schools", county(project))["survey"] == ("survey-once",)
    shutil.rmtree(project.raw / "survey-once")
    assert "survey" not in sources_beside(project, "schools", county(project))


def test_the_same_row_in_two_sources_is_refused_with_both_places(project):
    add(project, "facts-again", "county-facts")
    with pytest.raises(InputError, match="两份县级.*有相同的内容") as refusal:
        load_beside(project, "schools", county_code=county(project))
    assert "data/raw/facts（" in refusal.value.found and "data/raw/facts-again（" in refusal.value.found
