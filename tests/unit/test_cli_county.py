"""The whole evaluation of one county on the command line, with its plan and the reasons of every entry."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from qbresearch.cli import main
from qbresearch.errors import EXIT_DONE, EXIT_INPUT
from qbresearch.processed.build import build_source
from qbresearch.project import Project
from qbresearch.studies.evaluation import open_evaluation
from qbresearch.studies.study import open_study

ROOT = Path(__file__).parents[2]
COUNTY = "青禾县（模拟）"
BESIDE = ("county", "schools", "classes", "rooms", "finance", "survey", "evidence", "projects", "reports", "reports-cycle")
ITEMS = [*(f"L{n}" for n in range(1, 8)), *(f"G{n}" for n in range(1, 16)), *(f"Q{n}" for n in range(1, 10)), "R", "P1", "P2",
         *(f"V{n}" for n in range(1, 7)), "F1", "F2"]  # fmt: skip
WITH_NUMBERS = ["G7", "G8_pay", "G11_rotation", "G13_junior", "Q1", "Q2", "P1"]


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """The simulated county with all its tables, built once."""
    project = Project(tmp_path_factory.mktemp("county"))
    for name in BESIDE:
        shutil.copytree(ROOT / "data" / "raw" / f"demo-prefecture-{name}", project.raw / f"demo-prefecture-{name}")
    demo = project.raw / "demo-prefecture"
    demo.mkdir()
    for path in (ROOT / "data" / "raw" / "demo-prefecture").glob(f"{COUNTY}*.xlsx"):
        shutil.copy(path, demo)
    head, *files = (ROOT / "data/raw/demo-prefecture/source.toml").read_text(encoding="utf-8").split("\n[[file]]")
    (demo / "source.toml").write_text(head + "".join("\n[[file]]" + f for f in files if COUNTY in f), encoding="utf-8")
    shutil.copytree(ROOT / "notebooks" / "plans", project.plans)
    for folder in sorted(project.raw.iterdir()):
        assert build_source(project, folder.name).status == "built"
    return project


@pytest.fixture
def run(project, capsys):
    def call(*words: str) -> tuple[int, str, str]:
        code = main(["--project", str(project.root), *words])
        return code, *capsys.readouterr()

    return call


@pytest.fixture(scope="module")
def evaluated(project):
    study = open_study(
        source_id="demo-prefecture", county_code="990101", school_year=2024, standard_id="national-2017", project=project.root
    )
    return open_evaluation(study, plan_id="demo-template")


def test_the_tree_holds_every_item_with_its_verdict_and_says_which_readings_were_used(run):
    code, out, err = run("assess", "--county", "青禾县", "--year", "2024")
    assert (code, err) == (EXIT_DONE, "")
    assert all(f" {item} " in out for item in ITEMS)
    assert "总体达标" in out and "采用的口径" in out and "未能在正式文本中核实" in out


def test_the_record_counts_the_entries_that_decide_and_the_opening_names_the_plan(evaluated):
    values = evaluated.record().values
    counts = evaluated.result().counts().set_index("part")
    assert values["entries"] == counts["items"].sum() - counts.loc["supplement", "items"] == 41
    assert values["entries_met"] == 41 and values["entries_not_met"] == values["entries_undecided"] == 0
    assert dict(evaluated.opening("标题").facts)["所用规划"] == "实施方案模板（2026）· 用于模拟县青禾县"


def test_the_county_is_judged_alike_with_a_plan_and_the_targets_stand_beside(run):
    alone, beside = (run("assess", "--county", "990101", *words)[1] for words in ((), ("--plan", "demo-template")))
    assert "不代替国家判定" in beside and "≥ 15%" in beside and "≥ 10%" in beside
    assert "总体达标" in alone and "总体达标" in beside


def test_json_has_the_tree_and_the_targets(run):
    code, out, _ = run("assess", "--county", "990101", "--plan", "demo-template", "--json")
    found = json.loads(out)
    assert code == EXIT_DONE and found["tree"]["code"] == "county" and found["verdict"] == "met"
    rotation = next(t for t in found["plan"]["targets"] if t["path"] == "requirement:G11_rotation")
    assert (rotation["verdict"], rotation["plan_verdict"], rotation["relation"]) == ("met", "not_met", "stricter")


def test_every_entry_explains_itself_with_its_clause(evaluated):
    tree = evaluated.result().tree
    for _, _, node in tree.walk():
        lines = "\n".join(evaluated.why(node.code))
        assert node.label in lines, node.code
        assert not node.quote or "依据" in lines, node.code


@pytest.mark.parametrize("code", WITH_NUMBERS)
def test_a_number_is_explained_by_formula_elements_and_margin(evaluated, code):
    text = "\n".join(evaluated.why(code))
    assert "算式" in text and "要素" in text and "要求" in text and "青禾县" in text


def test_a_code_is_taken_in_small_letters_and_an_unknown_one_is_answered(run):
    assert run("assess", "--county", "990101", "--why", "g11")[0] == EXIT_DONE
    code, _, err = run("assess", "--county", "990101", "--why", "G99")
    assert code == EXIT_INPUT and "G9" in err and "应为" in err


@pytest.mark.parametrize(("plan", "said"), [
    ("demo-qinxian", "规划用于另一个县"), ("qinxian-2021", "真实地方的规划不能直接用在模拟数据上"), ("demo-templat", "demo-template"),
])
def test_a_plan_of_another_place_is_refused_before_anything_is_printed(run, plan, said):
    code, out, err = run("assess", "--county", "990101", "--plan", plan)
    assert code == EXIT_INPUT and said in err and "├" not in out


def test_every_plan_explains_itself(run, project):
    code, out, _ = run("show", "plans")
    assert code == EXIT_DONE
    for name in ("qinxian-2021", "x-county-2026", "guzhen-2025", "longzihu-2024", "xinganmeng-2025", "demo-template"):
        assert name in out
        code, told, _ = run("show", "plans", name)
        assert code == EXIT_DONE and "“" in told, name
    told = run("show", "plans", "x-county-2026")[1]
    assert "0.35" in told and "严于 0.50" in told and "小学、初中校际差异系数分别控制在0.35、0.32以内" in told
