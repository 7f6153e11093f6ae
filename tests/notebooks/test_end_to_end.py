"""From raw files to published pages with the real notebooks: simulated county, Californian county, the state of Michigan."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qbresearch.batches.ledger import Ledger
from qbresearch.cli import main
from qbresearch.code_used import modules_of_notebook
from qbresearch.provenance import file_sha256

ROOT = Path(__file__).parents[2]
COUNTY = "青禾县（模拟）"
BESIDE = ("county", "schools", "classes", "rooms", "finance", "survey", "evidence", "projects", "reports", "reports-cycle")
BATCH = """
id = "small"
title = "全程试验"
[[grid]]
notebook = "10-data-check"
[grid.parameters]
county_code = "990101"
[[grid]]
notebook = "25-resource-attainment"
[grid.parameters]
county_code = "990101"
stage = "junior"
[[grid]]
notebook = "30-attainment"
[grid.parameters]
county_code = "990101"
[[grid]]
notebook = "35-plan-progress"
[grid.parameters]
county_code = "990101"
plan_id = "demo-template"
[[grid]]
notebook = "80-county-research-report"
[grid.parameters]
county_code = "990101"
[[grid]]
notebook = "95-prefecture"
[[grid]]
notebook = "20-resource-balance"
[grid.parameters]
source_id = "california-1999"
county_code = ["Fresno", "Alameda"]
school_year = 1998
stage = "all"
standard_id = "california-1999"
[[grid]]
notebook = "20-resource-balance"
[grid.parameters]
source_id = "michigan-2001"
county_code = "MI"
school_year = 2000
stage = "primary"
standard_id = "michigan-2001"
"""


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    """A project run and published once through the command line; only one county of the simulated data."""
    root = tmp_path_factory.mktemp("project")
    beside = [f"demo-prefecture-{name}" for name in BESIDE]
    for source in ("california-1999", "michigan-2001", *beside):
        shutil.copytree(ROOT / "data" / "raw" / source, root / "data" / "raw" / source)
    demo = root / "data" / "raw" / "demo-prefecture"
    demo.mkdir()
    for path in (ROOT / "data" / "raw" / "demo-prefecture").glob(f"{COUNTY}*.xlsx"):
        shutil.copy(path, demo)
    # The passport of the whole prefecture, cut down to the county's files.
    head, *files = (ROOT / "data/raw/demo-prefecture/source.toml").read_text(encoding="utf-8").split("\n[[file]]")
    kept = "".join("\n[[file]]" + f for f in files if COUNTY in f)
    (demo / "source.toml").write_text(head + kept, encoding="utf-8")
    (root / "notebooks" / "batches").mkdir(parents=True)
    shutil.copytree(ROOT / "notebooks" / "plans", root / "notebooks" / "plans")
    for path in (ROOT / "notebooks").glob("[1-9]*.ipynb"):
        shutil.copy(path, root / "notebooks")
    (root / "notebooks" / "batches" / "small.toml").write_text(BATCH, encoding="utf-8")
    (root / "reports").mkdir()
    for words in (["verify"], ["build"], ["run", "small"], ["publish", "small"]):
        assert main(["--project", str(root), *words]) == 0, words
    return root


def _text(page: Path) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.read_text(encoding="utf-8")))


def test_the_pages_of_all_three_sources_are_there_and_listed(published):
    names = {p.name for p in (published / "reports" / "small" / "html").glob("*.html")}
    assert names == {
        "demo-prefecture-990101-2024.html", "demo-prefecture-990101-2024-plan-progress-demo-template.html",
        "demo-prefecture-990101-2024-county-research-report-guzhen-2025.html",
        "demo-prefecture-cross-county-2024-prefecture-demo-xinganmeng.html", "california-1999-fresno-1998.html", "california-1999-alameda-1998.html",
        "michigan-2001-mi-2000.html",
    }
    index = (published / "reports" / "index.html").read_text(encoding="utf-8")
    assert all(f"small/html/{name}" in index for name in names)
    assert 'data-s="whole">全部条款</th>' in index and "用于模拟县青禾县" in index


def test_the_report_of_a_county_holds_every_item_and_its_verdict(published):
    page = _text(published / "reports/small/html/demo-prefecture-990101-2024.html")
    codes = [*(f"L{n}" for n in range(1, 8)), *(f"G{n}" for n in range(1, 16)), *(f"Q{n}" for n in range(1, 10)), "R", "V6", "P2"]
    assert all(f" {code} " in page for code in codes)
    assert "31 项" in page or "三十一项" in page


def test_the_research_report_keeps_the_parts_and_sections_of_its_form(published):
    page = _text(published / "reports/small/html/demo-prefecture-990101-2024-county-research-report-guzhen-2025.html")
    for heading in (
        "一、关于县域义务教育优质均衡发展的初步考虑", "（一）明确内涵标准", "（二）坚持原则方法", "（三）主要工作措施",
        "二、关于县域义务教育优质均衡发展督导评估的重点内容", "（一）资源配置评估", "（二）政府保障程度评估", "（三）教育质量评估",
        "（四）社会认可度评估", "三、关于推进县域义务教育优质均衡发展的工作建议", "（一）强化政府责任", "（二）加大经费投入",
        "（三）加强教师队伍建设", "（四）加强监测评估",
    ):
        assert heading in page, heading
    assert "（一）强化政府责任 这一方面没有未达标的条目，不提建议。 （二）加大经费投入" in page  # a sentence in the place of an empty table
    assert "工作建议：强化政府责任" not in page and "标准 0." not in page
    assert "青禾县（模拟） 县域义务教育优质均衡发展研究报告 （2024—2025 学年）" in page and "批次 全程试验" in page


def test_a_plan_stands_beside_the_national_verdict_and_its_fills_are_told_as_such(published):
    page = _text(published / "reports/small/html/demo-prefecture-990101-2024-plan-progress-demo-template.html")
    assert "不代替国家标准的判定" in page and "≥ 15%" in page and "≥ 10%" in page and "模拟" in page


def test_the_unchanged_notebook_gives_the_coefficients_that_r_gives(published):
    michigan = _text(published / "reports/small/html/michigan-2001-mi-2000.html")
    assert "0.193" in michigan and "56.8%" in michigan  # cv_w and the between-district share computed in R
    assert "没有上限" in michigan
    assert "模拟数据" not in michigan


def test_a_unit_with_a_single_school_is_reported_as_such(published):
    assert "仅有一所学校" in _text(published / "reports/small/html/california-1999-alameda-1998.html")


def test_simulated_data_say_so_and_unverified_rules_too(published):
    page = _text(published / "reports/small/html/demo-prefecture-990101-2024.html")
    assert "模拟数据" in page
    assert "未能在正式文本中核实" in page
    assert "是否计入，条文没有说清" in page
    assert "达标" in page


def test_nothing_is_run_twice_and_raw_files_are_as_they_came(published, capsys):
    before = {p.name: p.stat().st_mtime_ns for p in (published / "reports" / "small").glob("*.ipynb")}
    assert main(["--project", str(published), "run", "small"]) == 0
    assert "需运行 0 个" in capsys.readouterr().out
    assert {p.name: p.stat().st_mtime_ns for p in (published / "reports" / "small").glob("*.ipynb")} == before
    for source in ("california-1999", "michigan-2001"):
        for path in (ROOT / "data" / "raw" / source).iterdir():
            assert file_sha256(published / "data" / "raw" / source / path.name) == file_sha256(path)


def test_publishing_twice_gives_the_same_bytes(published):
    pages = sorted((published / "reports").rglob("*.html"))
    before = [file_sha256(p) for p in pages]
    assert main(["--project", str(published), "publish", "small"]) == 0
    assert [file_sha256(p) for p in pages] == before


def test_every_number_of_the_manifest_can_be_followed_to_its_inputs(published):
    manifest = json.loads((published / "reports" / "small" / "manifest.json").read_text(encoding="utf-8"))
    assert len(manifest["jobs"]) == 9
    for job in manifest["jobs"]:
        assert job["status"] == "succeeded"
        assert all(re.fullmatch(r"[0-9a-f]{64}", value) for value in job["inputs"].values())
        output = published / "reports" / "small" / f"{job['name']}.ipynb"
        assert file_sha256(output) == job["output_sha256"]
        assert str(published) not in output.read_text(encoding="utf-8")


WATCH = """
import importlib, json, pkgutil, sys
import qbresearch
for module in pkgutil.walk_packages(qbresearch.__path__, "qbresearch."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
cells = ["".join(c["source"]) for c in json.load(open(sys.argv[1], encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
files, space = set(), {}
sys.setprofile(lambda frame, event, arg: files.add(frame.f_code.co_filename) if event == "call" else None)
for cell in cells:
    exec(cell, space)
sys.setprofile(None)
print("\\n".join(f for f in files if "qbresearch" in f))
"""


@pytest.mark.parametrize("notebook", ["20-resource-balance", "25-resource-attainment", "30-attainment", "95-prefecture"])
def test_all_code_that_runs_is_code_the_notebook_is_known_to_use(published, notebook):
    """Otherwise a change in it would leave an outdated result standing."""
    job = next((published / "reports" / "small").glob(f"{notebook}*.ipynb"))
    ran = subprocess.run(
        [sys.executable, "-c", WATCH, str(job)], cwd=published / "notebooks", capture_output=True, text=True, check=True
    ).stdout.splitlines()
    code = [c["source"] for c in json.loads(job.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
    known = {ROOT.joinpath(*m.split(".")) for m in modules_of_notebook("".join(source) for source in code)}
    known = {p.with_suffix(".py") for p in known} | {p / "__init__.py" for p in known}
    mechanics = {ROOT / "qbresearch" / name for name in ("__init__.py",)}
    missed = {Path(path) for path in ran} - known - mechanics
    assert len(ran) > 10
    assert not missed


def test_runs_say_all_they_have_read(published):
    records = Ledger(published / "reports" / "small").records()
    county = next(r for name, r in records.items() if name.startswith("30-attainment"))
    assert {
        "rows:demo-prefecture/990101",
        "file:qbresearch/cited/standards/national-2017.toml",
        "file:qbresearch/cited/evaluations/national-2017.toml",
        "beside:demo-prefecture/990101",
        "rows:demo-prefecture-survey/990101",
    } <= set(county.reads)
    planned = next(r for name, r in records.items() if name.startswith("35-plan-progress"))
    assert "file:notebooks/plans/demo-template.toml" in planned.reads
    assert not any(key.startswith("file:qbresearch/language/en") for key in planned.reads)
