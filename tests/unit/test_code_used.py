"""Which code a notebook is found to use, and that what it does not use does not count."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qbresearch.code_used import (
    module_checksums,
    modules_behind,
    modules_of_notebook,
    modules_sha256,
)
from qbresearch.provenance import file_sha256

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
EVERYTHING = set(modules_of_notebook(["this is no Python"]))


def used(*cells: str) -> set[str]:
    return {module.removeprefix("qbresearch.") for module in modules_of_notebook(cells)}


def test_name_of_the_package_leads_to_its_home_and_what_that_needs():
    found = used("import qbresearch as qb\nqb.weighted_mean")
    assert {"statistics.dispersion", "errors"} <= found
    assert "studies.study" not in found


def test_figures_are_followed_one_by_one():
    found = used("from qbresearch import figures", "figures.plot_correlations(frame)")
    assert "exhibits.figures.correlations" in found
    assert "exhibits.style" in found
    assert "exhibits.figures.plans" not in found


@pytest.mark.parametrize("cell", ["show(figures)", "getattr(figures, name)()", "plot = figures\nplot.plot_verdicts()"])
def test_package_passed_on_as_a_value_counts_whole(cell):
    assert "exhibits.figures.plans" in used("from qbresearch import figures", cell)


def test_import_of_a_name_under_another_is_followed():
    assert used("from qbresearch import load_standard as rules, figures as f\nf.plot_groups") >= {
        "rules.standards",
        "exhibits.figures.balance",
    }


@pytest.mark.parametrize("cell", ["%matplotlib inline\nimport qbresearch as qb\nqb.weighted_mean", "!ls\n%%time\nimport qbresearch as qb; qb.weighted_mean"])
def test_magics_and_shell_commands_are_passed_over(cell):
    assert "statistics.dispersion" in used(cell)
    assert len(used(cell)) < len(EVERYTHING) / 2


def test_what_cannot_be_read_uses_everything():
    assert len(EVERYTHING) > 200


def test_types_that_never_run_do_not_count():
    assert "qbresearch.batches.planning" not in modules_behind("publication.html")


def test_cited_rules_and_command_line_are_never_code_of_a_notebook():
    for path in NOTEBOOKS:
        cells = ["".join(c["source"]) for c in json.loads(path.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
        rooms = {module.split(".")[0] for module in used(*cells)}
        assert not rooms & {"cli", "batches", "publication", "engines", "simulation"}, path.name


def test_checksums_are_those_of_the_files():
    module = "qbresearch.statistics.dispersion"
    assert module_checksums([module]) == {
        module: file_sha256(Path(__file__).parents[2] / "qbresearch" / "statistics" / "dispersion.py")
    }


def test_fonts_count_with_their_files(monkeypatch, tmp_path):
    from qbresearch import code_used

    before = module_checksums(["qbresearch.fonts"])
    monkeypatch.setattr(code_used, "_BESIDE", {})
    code_used._checksum.cache_clear()
    try:
        assert module_checksums(["qbresearch.fonts"]) != before
    finally:
        code_used._checksum.cache_clear()


def test_one_checksum_for_a_part_of_the_program():
    assert modules_sha256("processed.build") == modules_sha256("processed.build") != modules_sha256("raw.cells")
