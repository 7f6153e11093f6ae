"""The command line: publishing a batch, and the report of a county from raw data to one file."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import pytest
from command_line import built_source, command, refused  # noqa: F401 (two are fixtures)

from qbresearch.batches import runner
from qbresearch.cli import county as counties
from qbresearch.cli import publishing
from qbresearch.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_RUNS_FAILED, InputError
from qbresearch.publication import publish

# --- publish: formats and layout ---------------------------------------------------------------------------------


@pytest.fixture
def published(monkeypatch):
    """What ``publish_run`` is asked for; it writes a file of each format for a report ``slug``."""
    asked = []

    def publish_run(project, run_id, **options):
        asked.append({"run_id": run_id} | options)
        files = {}
        for kind in options["formats"]:
            files[kind] = {"file": f"{kind}/slug.{kind}"}
            path = project.reports / run_id / kind / f"slug.{kind}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(f"a {kind} file".encode())
        reports = (SimpleNamespace(files=files),)
        return SimpleNamespace(summary=lambda: "写好了", refused=(), reports=reports)

    monkeypatch.setattr(publish, "publish_run", publish_run)
    return asked


@pytest.fixture
def planned(monkeypatch, project):
    """A plan of the batch ``demo`` that nobody has to work out."""
    def plan_named(project, name):
        batch = SimpleNamespace(id=name, title="今天的题目", cover={"unit": "今天的单位"})
        folder = project.reports / name
        return SimpleNamespace(project=project, batch=batch, folder=folder, why_stale=lambda job: f"{job} 已变")

    monkeypatch.setattr(publishing, "_plan_named", plan_named)
    (project.reports / "demo").mkdir()
    (project.reports / "demo" / "manifest.json").write_text("{}")


@pytest.mark.parametrize(("words", "formats", "style"), [
    ([], ("html", "docx", "pdf"), {}),
    (["--format", "docx"], ("docx",), {}),
    (["--format", "PDF，docx、pdf"], ("pdf", "docx"), {}),
    (
        ["--format", "pdf", "--preset", "gongwen", "--citations", "2015"], ("pdf",),
        {"preset": "gongwen", "edition": "2015"},
    ),
])
def test_publish_hands_on_what_is_asked_for_and_nothing_else(run, planned, published, words, formats, style):
    code, out, _ = run("publish", "demo", "--workers", "3", *words)
    assert code == EXIT_DONE and "写好了" in out
    (asked,) = published
    assert asked["is_current"]({"name": "甲"}) == "甲 已变"
    assert {k: asked[k] for k in asked if k not in ("is_current", "progress")} == {
        "run_id": "demo", "formats": formats, "workers": 3, "title": "今天的题目", "cover": {"unit": "今天的单位"},
    } | style


@pytest.mark.parametrize(("words", "expected"), [
    (["--format", "doc"], ("没有这个格式", "html、docx、pdf", "是不是想写 docx？")),
    (["--format", "docx,latex"], ("没有这个格式", "latex", "--format")),
    (["--preset", "gongwn"], ("没有这个版式", "academic、gongwen", "是不是想写 gongwen？")),
    (["--citations", "2005"], ("没有这个著录规则版本", "2025、2015")),
])
def test_an_unknown_format_or_layout_lists_the_choices(run, planned, published, words, expected):
    refused(run("publish", "demo", *words), *expected)
    assert not published


def test_a_batch_that_was_never_run_is_to_be_run_first(run, planned, published):
    refused(run("publish", "rest"), "批次还没有运行", "先运行 qbresearch run rest")
    assert not published


def test_an_interrupted_publication_has_changed_nothing_and_does_not_go_on(run, planned, monkeypatch):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(publish, "publish_run", interrupt)
    code, _, err = run("publish", "demo")
    assert code == EXIT_INTERRUPTED and "没有改动" in err and "上一次发布" in err and "接着做" not in err


def test_what_was_not_published_ends_with_3(run, planned, monkeypatch):
    partial = SimpleNamespace(summary=lambda: "一份未采用", refused=("x",))
    monkeypatch.setattr(publish, "publish_run", lambda *args, **options: partial)
    code, out, _ = run("publish", "demo")
    assert code == EXIT_RUNS_FAILED and "一份未采用" in out


# --- report ------------------------------------------------------------------------------------------------------

PARAMETERS = {
    "10-data-check": "source_id county_code school_year standard_id language",
    "20-resource-balance": "source_id county_code school_year stage standard_id language",
    "25-resource-attainment": "source_id county_code school_year stage standard_id language",
    "30-attainment": "source_id county_code school_year standard_id plan_id language",
}
EMPTY = {"plan_id": ' = ""', "language": ' = "zh"'}


@pytest.fixture
def notebooks(project):
    """The notebooks of a county report, with parameters and nothing else."""
    for name, parameters in PARAMETERS.items():
        lines = [f'{p}: {"int" if p == "school_year" else "str"}{EMPTY.get(p, "")}' for p in parameters.split()]
        cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": "\n".join(lines), "outputs": []}
        (project.notebooks / f"{name}.ipynb").write_text(json.dumps({"cells": [cell]}), encoding="utf-8")


@pytest.fixture
def ran(monkeypatch):
    """The plans that were run."""
    plans = []

    def run_batch(plan, **options):
        plans.append(plan)
        return SimpleNamespace(failed=0, summary=lambda: "")

    monkeypatch.setattr(runner, "run_batch", run_batch)
    return plans


@pytest.mark.parametrize("wanted", ["010203", "测试县", "测试"])
def test_report_goes_from_raw_data_to_one_word_file(run, project, school_source, notebooks, ran, published, wanted):
    code, out, err = run("report", wanted)
    assert code == EXIT_DONE, err
    assert "test-county：已重建" in out
    assert f"报告：{project.reports / 'test-county-010203-2024' / 'docx' / 'slug.docx'}\n" in out
    jobs = [(p.job.notebook, p.job.parameters.get("stage"), p.job.parameters["school_year"]) for p in ran[0].jobs]
    assert jobs == [
        ("10-data-check", None, 2024), ("20-resource-balance", "primary", 2024), ("20-resource-balance", "junior", 2024),
        ("25-resource-attainment", "primary", 2024), ("25-resource-attainment", "junior", 2024), ("30-attainment", None, 2024),
    ]
    assert {p.job.parameters["county_code"] for p in ran[0].jobs} == {"010203"}
    assert published[0]["run_id"] == "test-county-010203-2024" and published[0]["formats"] == ("docx",)
    assert not list((project.notebooks / "batches").iterdir())


def test_a_report_of_one_stage_or_in_english_is_a_run_of_its_own(run, built, notebooks, ran, published):
    assert run("report", "测试县", "--stage", "junior", "--language", "en", "--preset", "gongwen")[0] == EXIT_DONE
    assert [p.job.parameters.get("stage", "") for p in ran[0].jobs] == ["", "junior", "junior"]
    assert {p.job.parameters["language"] for p in ran[0].jobs} == {"en"}
    assert published[0]["run_id"] == "test-county-010203-2024-junior-en" and published[0]["preset"] == "gongwen"


@pytest.mark.parametrize(("words", "kind"), [
    (["--output", "我县.docx"], "docx"), (["--output", "我县.PDF"], "pdf"),
    (["--format", "html", "--output", "我县.html"], "html"),
])
def test_the_file_asked_for_has_the_format_of_its_name(
    run, built, notebooks, ran, published, tmp_path, monkeypatch, words, kind
):
    monkeypatch.chdir(tmp_path)
    assert run("report", "测试县", *words)[0] == EXIT_DONE
    assert (tmp_path / words[-1]).read_bytes() == f"a {kind} file".encode()


@pytest.mark.parametrize(("words", "expected"), [
    (["--output", "旧.docx"], ("没有覆盖", "旧.docx")),
    (["--output", "没有/我县.docx"], ("文件夹不存在", "没有")),
    (["--output", "我县.docx", "--format", "pdf"], ("文件名与格式不一致", "我县.pdf")),
    (["--output", "我县.doc"], ("没有这个格式", "是不是想写 docx？")),
    (["--format", "docx,pdf"], ("没有这个格式", "docx,pdf")),
    (["--year", "2023"], ("没有这个学年", "2024")),
    (["--stage", "senior"], ("没有这个学段", "primary、junior")),
    (["--source", "other"], ("没有这个数据来源", "test-county")),
    (["--standard", "national-2018"], ("没有这个配套标准", "是不是想写 national-2017？")),
    (["--standard", "michigan-2001"], ("没有这个配套标准", "national-2017")),
    (["--language", "fr"], ("没有这个语言", "zh、en")),
])
def test_what_report_cannot_do_is_said_before_anything_runs(
    run, built, notebooks, ran, published, tmp_path, monkeypatch, words, expected
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "旧.docx").write_bytes(b"worked on")
    refused(run("report", "测试县", *words), *expected)
    assert not ran and not published and (tmp_path / "旧.docx").read_bytes() == b"worked on"


@pytest.mark.parametrize(("words", "run_id"), [
    ([], "test-county-010203-2024"), (["--standard", "national-2017"], "test-county-010203-2024"),
    (["--standard", "basic-2012", "--language", "en"], "test-county-010203-2024-basic-2012-en"),
])
def test_a_report_by_another_standard_is_a_run_of_its_own(run, built, notebooks, ran, published, words, run_id):
    assert run("report", "测试县", *words)[0] == EXIT_DONE
    assert published[0]["run_id"] == run_id


def test_failed_notebooks_are_told_and_end_with_3(run, built, notebooks, monkeypatch, tmp_path):
    failure = SimpleNamespace(failed=1, summary=lambda: "失败 1 个，见 failed/a.ipynb")
    monkeypatch.setattr(runner, "run_batch", lambda plan, **options: failure)
    nothing = SimpleNamespace(reports=(), refused=(SimpleNamespace(job="a", reason="失败"),))
    monkeypatch.setattr(publish, "publish_run", lambda *args, **options: nothing)
    code, out, err = run("report", "测试县")
    assert code == EXIT_RUNS_FAILED and "失败 1 个" in err and "未采用 a：失败" in err and "\n报告：" not in out


def test_data_with_errors_are_not_reported_on(run, project, add_source, book, notebooks, ran, tmp_path):
    book.put(0, "students_primary", "很多")
    add_source("bad", {"a.xlsx": book.save(tmp_path / "a.xlsx").read_bytes()})
    refused(run("report", "测试县"), "数据有错误", "qbresearch build bad")
    assert not ran


def test_without_school_data_the_way_to_them_is_named(run, project):
    refused(run("report", "测试县"), "没有学校数据", "qbresearch template")


def test_a_county_in_two_sources_is_asked_about(run, built, add_source, book, notebooks, ran, published, tmp_path):
    add_source("another", {"b.xlsx": book.save(tmp_path / "b.xlsx").read_bytes()})
    refused(run("report", "010203"), "不止一个县", "来源 another", "来源 test-county", "--source another")
    assert run("report", "010203", "--source", "another")[0] == EXIT_DONE and ran


def _known(*names):
    return [counties.CountyData("s", f"61{n:04d}", name, (2024,), None) for n, name in enumerate(names)]


@pytest.mark.parametrize(("wanted", "found"), [
    ("610001", "长安县"), ("长安县", "长安县"), ("长安", "长安县"), ("鄠", "鄠邑区（模拟）"), (" 鄠 邑 区 ", "鄠邑区（模拟）"), ("ｆresno", "Fresno"),
    ("FRES", "Fresno"), ("旧城区", "旧城区"), ("新", "新城区"), ("huyi", "鄠邑区（模拟）"), ("chang an", "长安县"),
])
def test_a_county_is_found_by_code_then_whole_name_then_part_of_it(wanted, found):
    known = _known("鄠邑区（模拟）", "长安县", "Fresno", "旧城区", "新城区", "旧城区东")
    assert counties.find_county(wanted, known).name == found


def test_a_name_that_fits_several_counties_lists_them_and_one_that_fits_none_the_nearest():
    known = _known("桥东区", "桥西区", "鄠邑区（模拟）")
    with pytest.raises(InputError) as caught:
        counties.find_county("桥", known)
    assert "桥东区 610000" in caught.value.found and "桥西区 610001" in caught.value.found and "鄠" not in caught.value.found
    assert "如 610000" in caught.value.fix
    for heard in ("户邑区", "胡义"):
        with pytest.raises(InputError) as caught:
            counties.find_county(heard, known)
        assert caught.value.fix == "是不是想写 鄠邑区（模拟）（610002）？"
    with pytest.raises(InputError) as caught:
        counties.find_county("", known)
    assert "桥东区" in caught.value.expected


def test_the_batch_of_a_county_does_not_depend_on_anything_but_what_it_asks():
    county = _county("california", source="ca", code="Los-Angeles")
    one, two = (counties.county_batch(county, 1998, ["all"], "california-1999") for _ in range(2))
    assert one == two and one.id == "ca-Los-Angeles-1998" and not one.problems


def _county(table, *, source, code="010203"):
    return counties.CountyData(source, code, "某县", (2024,), SimpleNamespace(contract=SimpleNamespace(id=table)))


def test_runs_of_different_sources_never_share_a_folder():
    sources = ("甲县数据", "乙县数据", "甲县 数据", "a b", "a-b", "甲a-b")
    ids = [counties.county_batch(_county("school", source=s), 2024, ["primary"], "national-2017").id for s in sources]
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", i) for i in ids)
    assert ids[0].startswith("010203-2024-") and ids[4] == "a-b-010203-2024"
