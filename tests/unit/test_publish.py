"""Which runs may be published: only those that succeeded, agree with their record and file, and are current."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from nbformat import writes
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from sample_document import small_png

from qbresearch.batches.ledger import JobRecord, Ledger
from qbresearch.batches.runner import MANIFEST_SCHEMA
from qbresearch.errors import InputError
from qbresearch.exhibits.blocks import (
    FigureBlock,
    FindingBlock,
    OpeningBlock,
    RecordBlock,
    TableBlock,
)
from qbresearch.project import Project
from qbresearch.publication import placing, publish
from qbresearch.publication.publish import (
    Publication,
    publish_run,
    rebuild_index,
)

Job = dict[str, Any]


def current(job: Job) -> str | None:
    return None


def shown(block: Any) -> Any:
    return new_code_cell("code()", outputs=[new_output("execute_result", data=block._repr_mimebundle_())])


def kill_this_process(task: Any, style: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Run:
    """A run folder made by hand, with what a batch run would have left there."""

    def __init__(self, root: Path, run_id: str = "demo") -> None:
        (root / "notebooks").mkdir(parents=True, exist_ok=True)
        self.project, self.run_id = Project(root), run_id
        self.folder = self.project.reports / run_id
        self.folder.mkdir(parents=True)
        self.jobs: list[Job] = []

    def add(
        self, county: str = "530199", *, notebook: str = "20-resource-balance", text: str = "正文",
        verdict: str = "met", name: str = "云岭县", cells: tuple[Any, ...] = (), **parameters: Any,
    ) -> Job:
        """A job that succeeded."""
        parameters = {"source_id": "sim", "county_code": county, "school_year": 2024} | parameters
        job_name = "--".join([notebook, *map(str, parameters.values())])
        record = RecordBlock("county", {"county_name": name, "stage": parameters.get("stage", ""), "verdict": verdict})
        opening = OpeningBlock(f"{notebook} 的标题", (), (), simulated=True)
        cells = [shown(opening), *cells, shown(FindingBlock("f", text, key=True)), shown(record)]
        for number, cell in enumerate(cells):
            cell["id"] = f"cell-{number}"
        data = writes(new_notebook(cells=cells)).encode()
        (self.folder / f"{job_name}.ipynb").write_bytes(data)
        job = {
            "name": job_name, "notebook": notebook, "parameters": parameters, "status": "succeeded",
            "key": hashlib.sha256(job_name.encode()).hexdigest(), "output_sha256": hashlib.sha256(data).hexdigest(),
            "seconds": 1.0, "inputs": {},
        }
        self.jobs.append(job)
        self.record(job)
        self.save()
        return job

    def record(self, job: Job, **changes: Any) -> None:
        """Enter the job in the ledger."""
        values = {key: value for key, value in job.items() if key != "inputs"}
        values |= {"components": {}, "started": "", "finished": "", "error": None} | changes
        self.ledger.prepare()
        self.ledger.settle(JobRecord(**values))

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.folder)

    def save(self) -> None:
        """Write the manifest."""
        manifest = {
            "schema": MANIFEST_SCHEMA, "id": self.run_id, "title": "示例", "code_sha256": "ab12",
            "packages": {"numpy": "2.4"}, "jobs": self.jobs,
        }
        (self.folder / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False), encoding="utf-8")

    def publish(
        self, is_current: Callable[[Job], str | None] = current, formats: tuple[str, ...] = ("html",), **style: Any
    ) -> Publication:
        return publish_run(self.project, self.run_id, is_current=is_current, formats=formats, **style)

    def page(self, slug: str = "sim-530199-2024") -> str:
        return (self.folder / "html" / f"{slug}.html").read_text(encoding="utf-8")

    @property
    def index(self) -> str:
        return (self.project.reports / "index.html").read_text(encoding="utf-8")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def fail(run: Run, job: Job) -> str:
    job["status"] = "failed"
    run.record(job, error={"name": "InputError", "message": "缺少成绩表\n位置", "cell": 3, "traceback": None})
    return "失败”（缺少成绩表）"


def fail_in_the_manifest_only(run: Run, job: Job) -> str:
    job["status"] = "failed"
    return "失败"


def fail_in_the_record_only(run: Run, job: Job) -> str:
    run.record(job, status="failed")
    return "失败"


def wait(run: Run, job: Job) -> str:
    job["status"], job["output_sha256"] = "pending", None
    return "待运行"


def disagree_on_the_key(run: Run, job: Job) -> str:
    run.record(job, key="0" * 64)
    return "任务标识不一致"


def disagree_on_the_checksum(run: Run, job: Job) -> str:
    run.record(job, output_sha256="0" * 64)
    return "校验和不一致"


def lose_the_record(run: Run, job: Job) -> str:
    run.ledger.forget([job["name"]])
    return "缺少运行记录"


def lose_the_notebook(run: Run, job: Job) -> str:
    (run.folder / f"{job['name']}.ipynb").unlink()
    return "缺少运行后的笔记本"


def tamper(run: Run, job: Job) -> str:
    path = run.folder / f"{job['name']}.ipynb"
    path.write_bytes(path.read_bytes().replace("坏结果".encode(), "坏结果！".encode()))
    return "可能在运行之后被改动"


SPOILERS = [
    fail, fail_in_the_manifest_only, fail_in_the_record_only, wait, disagree_on_the_key, disagree_on_the_checksum,
    lose_the_record, lose_the_notebook, tamper,
]


@pytest.mark.parametrize("spoil", SPOILERS)
def test_a_job_that_failed_or_was_changed_never_appears_and_its_section_says_why(
    run: Run, spoil: Callable[[Run, Job], str]
) -> None:
    run.add(text="好结果", stage="primary")
    bad = run.add(text="坏结果", stage="junior")
    assert "坏结果" in (run.publish(), run.page())[1]
    reason = spoil(run, bad)
    run.save()
    publication = run.publish()
    page = run.page()
    assert "好结果" in page
    assert "坏结果" not in page
    assert f"本节未能生成：</strong>{reason}" in page or reason in page[page.index("本节未能生成：") :]
    assert [(r.job, reason in r.reason) for r in publication.refused] == [(bad["name"], True)]
    assert publication.reports[0].missing == 1
    assert "缺 1 部分" in run.index


def test_a_stale_job_never_appears_and_says_why(run: Run) -> None:
    run.add(text="好结果", stage="primary")
    stale = run.add(text="坏结果", stage="junior")
    publication = run.publish(lambda job: "数据已变" if job["name"] == stale["name"] else None)
    assert "坏结果" not in run.page()
    assert "结果已经过期（数据已变）" in run.page()
    assert publication.refused[0].reason == "结果已经过期（数据已变）"


def test_only_jobs_that_are_otherwise_good_are_asked_whether_they_are_current(run: Run) -> None:
    good, bad = run.add(stage="primary"), run.add(stage="junior")
    bad["status"] = "failed"
    run.save()
    asked: list[str] = []
    run.publish(lambda job: asked.append(job["name"]))
    assert asked == [good["name"]]


def test_a_notebook_with_an_error_output_is_not_used(run: Run) -> None:
    broken = new_code_cell("1/0", outputs=[new_output("error", ename="E", evalue="", traceback=[])])
    run.add(text="好结果", stage="primary")
    run.add(text="坏结果", stage="junior", cells=(broken,))
    publication = run.publish()
    assert "坏结果" not in run.page()
    assert "第 2 个单元格的输出是错误" in publication.refused[0].reason


def test_a_report_of_which_nothing_succeeded_is_not_written_and_the_index_says_so(run: Run) -> None:
    run.add(stage="primary")
    run.add("530200", name="乙县")
    run.publish()
    for job in run.jobs[1:]:
        fail(run, job)
    run.save()
    publication = run.publish()
    assert [report.slug for report in publication.reports] == ["sim-530199-2024"]
    assert [path.name for path in (run.folder / "html").iterdir()] == ["sim-530199-2024.html"]
    assert "乙县" not in run.index
    assert "县（代码 530200）2024—2025 学年" in run.index
    assert "缺少成绩表" in run.index
    assert 'href="demo/html/sim-530200-2024.html"' not in run.index


def test_jobs_are_grouped_by_source_county_year_and_standard(run: Run) -> None:
    run.add(stage="primary", standard_id="a")
    run.add(stage="junior", standard_id="a")
    run.add(stage="primary", standard_id="b")
    run.add(school_year=2023)
    run.add(source_id="other")
    run.add("", notebook="90-cross-county", school_year=2023)
    run.add("", notebook="90-cross-county", school_year=2024)
    found = {report.slug: report.sections for report in run.publish().reports}
    assert found == {
        "sim-530199-2024-a": 2, "sim-530199-2024-b": 1, "sim-530199-2023": 1, "other-530199-2024": 1, "sim-cross-county": 2,
    }


def test_reports_whose_names_would_clash_are_kept_apart(run: Run) -> None:
    run.add(source_id="a b")
    run.add(source_id="A-b")
    slugs = [report.slug for report in run.publish().reports]
    assert len({slug.casefold() for slug in slugs}) == 2
    assert all(slug.startswith("a-b-530199-2024-") for slug in slugs)


def test_a_missing_section_is_called_what_its_template_calls_itself(run: Run) -> None:
    template = new_notebook(cells=[new_markdown_cell("# 学业质量\n\n说明")])
    (run.project.notebooks / "30-attainment.ipynb").write_text(writes(template), encoding="utf-8")
    run.add(stage="primary")
    fail(run, run.add(notebook="30-attainment", stage="junior"))
    run.save()
    assert "二、学业质量（初中）" in (run.publish(), run.page())[1]


def test_publishing_twice_gives_the_same_bytes(run: Run) -> None:
    run.add(stage="primary")
    run.add("530200", name="乙县")

    run.publish(formats=("html", "docx", "pdf"))
    first = everything_published(run)
    assert len(first) == 9
    run.publish(formats=("html", "docx", "pdf"))
    assert everything_published(run) == first


def test_pages_that_no_longer_belong_are_removed_and_nothing_else_is_left(run: Run) -> None:
    run.add()
    run.add("530200", name="乙县")
    run.publish()
    run.jobs.pop()
    run.save()
    (run.folder / "html" / "批注稿.html").write_text("x", encoding="utf-8")
    (run.folder / ".publish-killed").mkdir()
    run.publish()
    assert {path.name for path in (run.folder / "html").iterdir()} == {"sim-530199-2024.html", "批注稿.html"}
    assert not [path for path in run.folder.iterdir() if path.name.startswith(".publish-")]


def everything_published(run: Run) -> dict[str, bytes]:
    """Bytes of all files a publication writes."""
    files = [path for name in ("html", "docx", "pdf") for path in (run.folder / name).iterdir()]
    files += [run.folder / "published.json", run.folder / "index.html", run.project.reports / "index.html"]
    return {str(path): path.read_bytes() for path in files}


FIGURE = FigureBlock("f", "题", "", small_png(), 640, 320)
BROKEN = {
    "unknown reference": (new_markdown_cell("见@tbl-none"), "@tbl-none"),
    "unknown work": (new_markdown_cell("见[@nobody-1900]"), "nobody-1900"),
    "missing alternative text": (shown(FIGURE), "替代文字"),
    "undrawable character": (shown(FindingBlock("g", "县名\U0001f600")), "U+1F600"),
    "formula": (new_markdown_cell("$\\nosuch$"), "nosuch"),
    "malformed table": (shown(TableBlock("t", "题", ({"label": "甲", "align": "left"},), (("1",),), tones=("met", "met"))), "tones"),
    "character that XML forbids": (shown(FindingBlock("g", "校名\x08")), "U+0008"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_block_stops_with_a_sentence_and_leaves_the_old_files_standing(run: Run, fault: str) -> None:
    cell, words = BROKEN[fault]
    run.add(text="旧")
    run.publish(formats=("html", "docx", "pdf"))
    before = everything_published(run)
    run.add("530100", cells=(cell,))
    run.add(text="新")
    run.jobs.pop(0)
    run.save()
    with pytest.raises(InputError) as caught:
        run.publish(formats=("html", "docx", "pdf"))
    assert words in str(caught.value)
    assert caught.value.where and caught.value.fix
    assert everything_published(run) == before
    assert not [path for path in run.folder.iterdir() if path.name.startswith(".publish-")]


def test_published_json_holds_records_and_the_checksum_of_each_file(run: Run) -> None:
    job = run.add(verdict="not_met", stage="primary")
    run.publish(formats=("html", "docx", "pdf"))
    entry = json.loads((run.folder / "published.json").read_text(encoding="utf-8"))["reports"][0]
    assert set(entry["files"]) == {"html", "docx", "pdf"}
    for name, file in entry["files"].items():
        data = (run.folder / file["file"]).read_bytes()
        assert file.pop("look")
        assert file == {
            "file": f"{name}/sim-530199-2024.{name}", "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data),
        }
    assert entry["records"][0]["values"]["verdict"] == "not_met"
    assert entry["jobs"] == [{name: job[name] for name in ("name", "key", "output_sha256")}]
    assert entry["simulated"] is True


def test_two_workers_write_what_one_writes(run: Run) -> None:
    for code in ("530199", "530200", "530300"):
        run.add(code, name=f"县{code}")
    run.publish()
    alone = {path.name: path.read_bytes() for path in (run.folder / "html").iterdir()}
    run.publish(workers=2)
    assert {path.name: path.read_bytes() for path in (run.folder / "html").iterdir()} == alone


def test_a_fault_found_by_a_worker_reaches_the_user_with_all_its_parts(run: Run) -> None:
    run.add()
    run.add("530100", text="见@tbl-none")
    with pytest.raises(InputError, match="@tbl-none") as caught:
        run.publish(workers=2)
    assert caught.value.fix
    assert not (run.folder / "published.json").exists()
    assert not [path for path in run.folder.iterdir() if path.name.startswith(".publish-")]


def test_a_format_published_before_stays_while_its_jobs_are_the_same(run: Run) -> None:
    run.add()
    run.publish(formats=("html",))
    publication = run.publish(formats=("docx",))
    assert list(publication.reports[0].files) == ["html", "docx"]
    assert run.page()
    run.jobs.clear()
    run.add(text="别的正文")
    publication = run.publish(formats=("docx",))
    assert list(publication.reports[0].files) == ["docx"]
    assert not list((run.folder / "html").iterdir())


@pytest.mark.parametrize(
    "change", [{"edition": "2015"}, {"preset": "gongwen"}, {"cover": {"authors": ["甲"]}}, {"title": "春季批次"}],
    ids=["edition", "preset", "cover", "title"],
)
def test_a_format_that_would_look_different_today_does_not_stay(run: Run, change: dict[str, Any]) -> None:
    run.add()
    run.publish(formats=("html", "docx", "pdf"))
    publication = run.publish(formats=("docx",), **change)
    assert list(publication.reports[0].files) == (["html", "docx"] if "preset" in change else ["docx"])


def test_a_file_changed_by_hand_does_not_stay(run: Run) -> None:
    run.add()
    run.publish(formats=("html",))
    (run.folder / "html" / "sim-530199-2024.html").write_text("改过", encoding="utf-8")
    assert list(run.publish(formats=("docx",)).reports[0].files) == ["docx"]


@pytest.mark.parametrize("failing", range(1, 9))
def test_a_file_that_cannot_be_moved_leaves_the_old_publication_standing(
    run: Run, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """Whatever step of the change fails, as when Word holds a file open."""
    run.add(text="旧")
    run.publish(formats=("html", "docx", "pdf"))
    before = everything_published(run)
    run.jobs.clear()
    run.add(text="新")
    calls = 0

    def refuse(part: Any, path: Path) -> None:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise PermissionError(13, "held open", str(path))
        part.replace(path)

    monkeypatch.setattr(placing, "replace_file", refuse)
    with pytest.raises(PermissionError):
        run.publish(formats=("html", "docx", "pdf"))
    monkeypatch.undo()
    assert everything_published(run) == before


def test_another_run_that_cannot_be_read_is_listed_and_stops_nothing(run: Run, tmp_path: Path) -> None:
    run.add()
    other = Run(tmp_path, "second")
    other.add("530200", name="乙县")
    other.publish()
    (other.folder / "manifest.json").write_text("{", encoding="utf-8")
    run.publish()
    assert "批次清单读不出" in run.index
    other.save()
    (other.folder / "published.json").write_text('{"title": "旧批次", "reports": [{"slug": "x"}]}', encoding="utf-8")
    run.publish()
    assert "由另一版本的软件发布" in run.index


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no such signal")
def test_a_worker_the_system_kills_is_a_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.add()
    run.add("530200")
    monkeypatch.setattr(publish, "_write_one", kill_this_process)
    with pytest.raises(InputError, match="--workers 1"):
        run.publish(workers=2)


def test_the_cover_of_today_is_used_and_without_it_that_of_the_run(run: Run) -> None:
    run.add()
    run.publish(cover={"authors": ["李四"]})
    assert '<p class="authors">李四</p>' in run.page()


def test_the_title_of_the_batch_stands_on_the_cover(run: Run) -> None:
    run.add()
    run.publish(title="春季批次")
    assert "批次 春季批次" in run.page()


def test_an_english_report_with_a_missing_part_says_why_in_english(run: Run) -> None:
    run.add(stage="primary", language="en")
    fail(run, run.add(notebook="30-attainment", stage="junior", language="en"))
    run.save()
    run.publish()
    page = run.page("sim-530199-2024-en")
    assert "the status of the job is “failed”" in page
    assert "失败" not in page and "缺少成绩表" not in page
    assert "30-attainment (junior secondary)" in page


@pytest.mark.parametrize("wrong", [{"formats": ("doc",)}, {"preset": "journal"}, {"edition": "2005"}])
def test_unknown_formats_presets_and_editions_are_refused_with_the_choices(run: Run, wrong: dict[str, Any]) -> None:
    run.add()
    with pytest.raises(InputError, match="下列之一"):
        run.publish(**wrong)
    assert not (run.folder / "published.json").exists()


def test_reports_in_two_languages_stand_beside_each_other(run: Run) -> None:
    run.add()
    run.add(language="en")
    assert [(r.slug, r.language) for r in run.publish().reports] == [
        ("sim-530199-2024-en", "en"), ("sim-530199-2024", "zh"),
    ]
    assert '<html lang="en">' in run.page("sim-530199-2024-en")


def test_the_index_lists_every_run_and_skips_pages_that_have_gone(run: Run, tmp_path: Path) -> None:
    run.add()
    run.publish()
    other = Run(tmp_path, "second")
    other.add("530200", name="乙县")
    other.publish()
    assert 'href="demo/html/sim-530199-2024.html"' in run.index
    assert 'href="second/html/sim-530200-2024.html"' in run.index
    (run.folder / "html" / "sim-530199-2024.html").unlink()
    rebuild_index(run.project)
    assert "云岭县" not in run.index
    assert "乙县" in run.index


def test_a_page_whose_jobs_ran_again_since_is_not_offered(run: Run, tmp_path: Path) -> None:
    run.add()
    run.publish()
    run.jobs[0]["key"] = "1" * 64
    run.save()
    other = Run(tmp_path, "second")
    other.add("530200", name="乙县")
    other.publish()
    assert 'href="demo/html/sim-530199-2024.html"' not in run.index
    assert "请重新发布这一批次" in run.index


def test_the_simulated_label_is_on_report_and_index(run: Run) -> None:
    run.add()
    run.publish()
    assert "<strong>模拟数据</strong>" in run.page()
    assert '<span class="sim">模拟数据</span>' in run.index


def test_an_unknown_run_is_refused_with_the_runs_there_are(run: Run) -> None:
    run.add()
    for run_id in ("demmo", "..", "demo/../demo"):
        with pytest.raises(InputError, match="demo"):
            publish_run(run.project, run_id, is_current=current)


def test_a_run_in_progress_is_not_published(run: Run) -> None:
    run.add()
    with FileLock(run.folder / ".lock"), pytest.raises(InputError, match="这一批正在运行，不能发布"):
        run.publish()


def test_a_publication_speaks_for_itself(run: Run) -> None:
    run.add(verdict="met", stage="primary")
    run.add(verdict="undecided", stage="junior")
    fail(run, run.add(notebook="30-attainment"))
    run.save()
    publication = run.publish()
    assert publication.summary() == str(publication)
    assert publication.summary().startswith("批次 demo：写出 1 份报告，1 个任务未采用。")
    assert "缺少成绩表" in publication.summary()
    row = publication.tidy().iloc[0]
    assert (row["county_name"], row["verdict"], row["sections"], row["missing"]) == ("云岭县", "undecided", 3, 1)
    assert json.loads(json.dumps(publication.to_dict()))["reports"][0]["slug"] == "sim-530199-2024"
    with pytest.raises(AttributeError):
        publication.run_id = "x"  # type: ignore[misc]
