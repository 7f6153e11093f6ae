"""Notebooks are forms: parameters, sentences and calls, nothing defined and nothing left over."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

from qbresearch.batches.contract import read_template

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
TEMPLATES = sorted(NOTEBOOKS.glob("[1-9]*.ipynb"))
ALL = sorted(NOTEBOOKS.glob("*.ipynb"))
FORBIDDEN = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


IN_LANGUAGE = [(path, "zh") for path in ALL] + [(path, "en") for path in TEMPLATES]


def _cells(path, kind):
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == kind]


def _shown(path, language):
    """Cells of a report in a language: untagged text is Chinese, ``lang-en`` English, ``lang-all`` both."""
    for cell in nbformat.read(path, as_version=4).cells:
        tags = cell.metadata.get("tags", ())
        if cell.cell_type == "code" or "lang-all" in tags or ("lang-en" in tags) == (language == "en"):
            yield cell


def test_the_notebooks_of_the_workbench_are_all_there():
    assert [p.stem for p in ALL] == [
        "00-tutorial", "10-data-check", "20-resource-balance", "25-resource-attainment", "30-attainment", "35-plan-progress",
        "40-quality-monitoring", "50-resource-quality-link", "80-county-research-report", "90-cross-county", "95-prefecture",
    ]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.stem)
def test_a_template_has_one_typed_parameters_cell_and_no_outputs(path):
    parameters = read_template(path).parameters
    assert {"source_id", "school_year", "standard_id"} <= set(parameters)
    for cell in _cells(path, "code"):
        assert not cell.outputs and cell.execution_count is None


@pytest.mark.parametrize("path", ALL, ids=lambda p: p.stem)
def test_a_notebook_defines_nothing(path):
    for cell in _cells(path, "code"):
        tree = ast.parse(cell.source)
        assert not [n for n in ast.walk(tree) if isinstance(n, FORBIDDEN)], cell.source
        assert "warnings.filterwarnings" not in cell.source


@pytest.mark.parametrize(("path", "language"), IN_LANGUAGE, ids=lambda v: getattr(v, "stem", v))
def test_a_notebook_opens_with_one_title(path, language):
    text = [c.source for c in _shown(path, language) if c.cell_type == "markdown"]
    assert len([line for source in text for line in source.splitlines() if line.startswith("# ")]) == 1
    assert text[0].startswith("# ")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.stem)
def test_an_english_text_follows_its_chinese_one_and_says_as_much(path):
    cells = nbformat.read(path, as_version=4).cells
    for before, cell in pairwise(cells):
        if "lang-en" in cell.metadata.get("tags", ()):
            assert before.cell_type == "markdown" and not before.metadata.get("tags"), cell.source
            for marks in (r"@[a-z]+-[\w-]+", r"(?s)\$\$.+?\$\$", r"(?m)^#+ "):
                assert sorted(re.findall(marks, before.source)) == sorted(re.findall(marks, cell.source))
        elif before.cell_type == "markdown" and not before.metadata.get("tags"):
            raise AssertionError(f"no English: {before.source}")


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.stem)
def test_every_exhibit_is_announced_in_a_sentence_before_it_appears(path, language):
    announced = ""
    for cell in _shown(path, language):
        if cell.cell_type == "markdown":
            announced += cell.source
            continue
        tree = ast.parse(cell.source)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"table", "figure"}:
                if isinstance(node.func.value, ast.Name) and node.func.value.id == "study":
                    kind = {"table": "tbl", "figure": "fig"}[node.func.attr]
                    assert f"@{kind}-{node.args[0].value}" in announced


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.stem)
def test_the_abstract_has_verdicts_and_counts_and_not_the_sentence_of_a_part_with_all_its_grounds(path):
    calls = [node for cell in _cells(path, "code") for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)]
    key = [call for call in calls if any(word.arg == "key" for word in call.keywords)]
    assert not [ast.unparse(call) for call in key if "part_sentence" in ast.unparse(call) or "report.sentence" in ast.unparse(call)]


def test_the_tutorial_goes_from_a_file_to_a_verdict_in_ten_cells_and_keeps_its_outputs():
    cells = _cells(NOTEBOOKS / "00-tutorial.ipynb", "code")
    assert len(cells) == 10
    assert all(c.outputs for c in cells)
