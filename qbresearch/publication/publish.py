"""Chooses what of a run may be published, writes its reports, and rebuilds the index of all runs.

A job is used only if manifest and record both say it succeeded, agree with each other and with the notebook file,
and the job is current. Whatever is refused is named with its reason in the report it belongs to, or in the index.
Pages are prepared in a folder of their own and moved into place at the end, so an error leaves the old ones standing.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
from filelock import FileLock

from qbresearch.batches.batch import JobRecord, read_records
from qbresearch.batches.grid import MANIFEST
from qbresearch.batches.runner import lock_run, read_manifest
from qbresearch.errors import InputError, check_choice
from qbresearch.project import Project
from qbresearch.provenance import json_sha256, text_sha256, write_json, write_text
from qbresearch.publication.document import (
    STAGE_LABELS,
    VERDICTS,
    Document,
    Part,
    build_document,
    error_cell,
    is_linked,
    section_order,
)
from qbresearch.publication.html import render_report
from qbresearch.publication.index import render_index
from qbresearch.publication.wording import school_year_label

Job = dict[str, Any]
Key = tuple[str, str, str, str]
IsCurrent = Callable[[Job], str | None]
Progress = Callable[[Sequence[Any]], Iterable[Any]]

PAGES = "html"
RECORD_OF_PAGES = "published.json"
STATUS_WORDS = {"succeeded": "成功", "failed": "失败", "pending": "待运行"}
_SHOWN_REFUSALS = 10
_LONGEST_MESSAGE = 120


@dataclass(frozen=True, slots=True)
class Refusal:
    """A job that was not used: the report it belongs to, the heading of its section, and the reason."""

    report: str
    job: str
    heading: str
    reason: str


@dataclass(frozen=True, slots=True)
class PublishedReport:
    """One report that was written; ``file`` is relative to the run's folder, ``verdict`` the gravest of its stages."""

    slug: str
    title: str
    file: str
    source_id: str
    county_code: str
    county_name: str
    school_year: str
    verdict: str
    simulated: bool
    sections: int
    missing: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Publication:
    """What publishing one run has written and what it has refused."""

    run_id: str
    index_path: Path
    reports: tuple[PublishedReport, ...]
    refused: tuple[Refusal, ...]

    def summary(self) -> str:
        """How many reports were written and which jobs were not used, in a few lines."""
        lines = [f"批次 {self.run_id}：写出 {len(self.reports)} 份报告，{len(self.refused)} 个任务未采用。"]
        lines += [f"  未采用 {refusal.job}：{refusal.reason}" for refusal in self.refused[:_SHOWN_REFUSALS]]
        if len(self.refused) > _SHOWN_REFUSALS:
            lines.append(f"  ……另有 {len(self.refused) - _SHOWN_REFUSALS} 个，见 {RECORD_OF_PAGES}")
        return "\n".join([*lines, f"报告目录：{self.index_path}"])

    def __str__(self) -> str:
        return self.summary()

    def tidy(self) -> pd.DataFrame:
        """One row a written report."""
        columns = list(PublishedReport.__dataclass_fields__)
        return pd.DataFrame([asdict(report) for report in self.reports], columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON-able data."""
        return asdict(self) | {"index_path": str(self.index_path)}


def publish_run(
    project: Project, run_id: str, *, is_current: IsCurrent, progress: Progress = iter
) -> Publication:
    """Write every report of a run that can be written, then the index of all runs.

    Parameters
    ----------
    project : Project
        Where the folders are.
    run_id : str
        Name of a folder below ``project.reports``.
    is_current : callable
        Takes a job of the manifest; returns ``None`` if its result is still what a run today would give, otherwise
        the reason in Chinese why it is not.
    progress : callable, optional
        Takes the list of reports to write and returns an iterable over it, for a progress bar.

    Raises
    ------
    InputError
        No such run, it is running just now, or a notebook breaks the form of a report (unknown cross reference,
        malformed block). Then nothing is written and the pages of an earlier publication stay.
    """
    folder = _run_folder(project, run_id)
    with FileLock(project.reports / ".publish.lock"), lock_run(folder, "发布"):
        contents = _write_pages(project, folder, read_manifest(folder), is_current, progress)
        write_json(folder / RECORD_OF_PAGES, contents)
        index_path = rebuild_index(project)
    return _publication(contents, index_path)


def rebuild_index(project: Project) -> Path:
    """Write ``reports/index.html`` from what each run has published, and return its path.

    A page that has gone is left out; a page whose jobs were run again since is listed as not available.
    """
    runs = [_standing(path) for path in sorted(project.reports.glob(f"*/{RECORD_OF_PAGES}"))]
    path = project.reports / "index.html"
    write_text(path, render_index(runs))
    return path


# reading a run


def _run_folder(project: Project, run_id: str) -> Path:
    runs = sorted(path.parent.name for path in project.reports.glob(f"*/{MANIFEST}"))
    check_choice(run_id, runs, name="批次", where=str(project.reports))
    return project.reports / run_id


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InputError(
            "文件不是完整的 JSON",
            where=f"{path} 第 {error.lineno} 行",
            found=error.msg,
            expected="由 qbresearch 写出、未经手工修改的文件",
            fix="重新运行这一批次；若是发布记录，删去后重新发布",
        ) from error


def _load_part(project: Project, folder: Path, job: Job, record: JobRecord | None, is_current: IsCurrent) -> Part:
    """The job with its notebook, or with the reason why its notebook may not be used."""
    heading = _heading(project, job)
    output = folder / f"{job['name']}.ipynb"
    refusal = _refusal_by_records(job, record) or ("" if output.is_file() else "缺少运行后的笔记本")
    if refusal:
        return Part(job, heading, refusal=refusal)
    data = output.read_bytes()
    if hashlib.sha256(data).hexdigest() != job["output_sha256"]:
        return Part(job, heading, refusal="笔记本文件与运行记录的校验和不符，可能在运行之后被改动")
    stale = is_current(job)
    if stale is not None:
        return Part(job, heading, refusal=f"结果已经过期（{stale}）")
    notebook = nbformat.reads(data.decode("utf-8"), as_version=4)
    failed = error_cell(notebook)
    if failed is not None:
        return Part(job, heading, refusal=f"笔记本第 {failed} 个单元格的输出是错误")
    return Part(job, heading, notebook)


def _refusal_by_records(job: Job, record: JobRecord | None) -> str:
    """Why manifest and record forbid using a job; empty if they do not."""
    if job["status"] != "succeeded":
        return _status_sentence(job["status"], record)
    if record is None:
        return "缺少运行记录"
    if record.status != "succeeded":
        return _status_sentence(record.status, record)
    if not job["key"] or record.key != job["key"]:
        return "运行记录与批次清单的任务标识不一致，两者不是同一次运行"
    if not job["output_sha256"] or record.output_sha256 != job["output_sha256"]:
        return "运行记录与批次清单的校验和不一致，两者不是同一次运行"
    return ""


def _status_sentence(status: object, record: JobRecord | None) -> str:
    """The status in words, with the first line of what went wrong where it is known."""
    word = STATUS_WORDS.get(str(status), str(status))
    lines = str((record.error or {}).get("message") or "").split("\n") if record is not None else [""]
    return f"任务的运行状态为“{word}”" + (f"（{lines[0][:_LONGEST_MESSAGE]}）" if lines[0] else "")


def _heading(project: Project, job: Job) -> str:
    """What the template calls itself (its first heading), with the stage; else the template's name."""
    name = Path(str(job["notebook"])).stem
    template = project.notebooks / f"{name}.ipynb"
    title = _first_heading(template) if template.is_file() else ""
    stage = str(job["parameters"].get("stage", ""))
    return (title or name) + (f"（{STAGE_LABELS.get(stage, stage)}）" if stage else "")


def _first_heading(template: Path) -> str:
    cells = _read_json(template).get("cells", [])
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    found = re.search(r"^# +(.+?)\s*#*$", "\n".join(texts), flags=re.MULTILINE)
    return found[1] if found else ""


# writing


def _report_key(job: Job) -> Key:
    """Source, county, year and kind of the report a job belongs to.

    A job about several counties belongs to its source's report; a study of results (one that has a link design) is a
    report of its own, named by its notebook.
    """
    asked = job["parameters"]
    source, county, year = (str(asked.get(n, "")) for n in ("source_id", "county_code", "school_year"))
    kind = Path(str(job["notebook"])).stem if is_linked(job) else ""
    return (source, county, year if county or kind else "", kind)


def _reports_of(jobs: Iterable[Job]) -> list[tuple[str, Key, list[Job]]]:
    """Slug, key and jobs of each report, sorted; slugs that would clash get a piece of checksum."""
    groups: dict[Key, list[Job]] = {}
    for job in jobs:
        groups.setdefault(_report_key(job), []).append(job)
    plain = {key: _slug(key) for key in groups}
    times = Counter(plain.values())
    slugs = {key: slug if times[slug] == 1 else f"{slug}-{json_sha256(key)[:8]}" for key, slug in plain.items()}
    return [(slugs[key], key, sorted(groups[key], key=section_order)) for key in sorted(groups)]


def _slug(key: Key) -> str:
    source, county, year, kind = key
    text = "-".join(part for part in (source, county or "cross-county", year, kind) if part)
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-")


def _write_pages(
    project: Project, folder: Path, manifest: Mapping[str, Any], is_current: IsCurrent, progress: Progress
) -> dict[str, Any]:
    """Write the run's pages, remove those it no longer has, and return the contents of ``published.json``."""
    reports: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    records = read_records(folder)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".pages-") as staging:
        for slug, key, jobs in progress(_reports_of(manifest["jobs"])):
            parts = [_load_part(project, folder, job, records.get(job["name"]), is_current) for job in jobs]
            reasons = [
                {"job": str(part.job["name"]), "heading": part.heading, "reason": part.refusal}
                for part in parts
                if part.refusal
            ]
            if len(reasons) == len(parts):
                refused.append(_refused_entry(slug, key, reasons))
                continue
            document = build_document(
                parts,
                run_id=folder.name,
                packages=manifest.get("packages", {}),
                code_sha256=str(manifest.get("code_sha256", "")),
            )
            page = render_report(document)
            write_text(Path(staging) / f"{slug}.html", page)
            reports.append(_report_entry(slug, document, reasons, text_sha256(page)))
        _move_pages(Path(staging), folder / PAGES)
    _name_refused(refused, reports)
    return {"run_id": folder.name, "title": str(manifest.get("title", "")), "reports": reports, "refused": refused}


def _move_pages(staging: Path, pages: Path) -> None:
    pages.mkdir(exist_ok=True)
    wanted = {page.name for page in staging.glob("*.html")}
    for name in sorted(wanted):
        os.replace(staging / name, pages / name)
    for old in pages.glob("*.html"):
        if old.name not in wanted:
            old.unlink()


def _report_entry(slug: str, document: Document, missing: Sequence[Mapping[str, str]], sha256: str) -> dict[str, Any]:
    used = [section.job for section in document.sections if not section.refusal]
    return {
        "slug": slug,
        "file": f"{PAGES}/{slug}.html",
        "title": document.title,
        "topic": document.topic,
        "source_id": document.source_id,
        "county_code": document.county_code,
        "county_name": document.county_name,
        "prefecture": next((str(s["prefecture"]) for s in document.stages if s["prefecture"]), ""),
        "school_year": document.school_year,
        "simulated": document.simulated,
        "sections": len(document.sections),
        "stages": list(document.stages),
        "records": [record.to_dict() for section in document.sections for record in section.records],
        "jobs": [{name: job[name] for name in ("name", "key", "output_sha256")} for job in used],
        "missing": list(missing),
        "sha256": sha256,
    }


def _refused_entry(slug: str, key: Key, reasons: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    source, county, year, _ = key
    return {
        "slug": slug,
        "label": f"县（代码 {county}）{school_year_label(year)}" if county else "跨县报告",
        "source_id": source,
        "county_code": county,
        "school_year": year,
        "reasons": list(reasons),
    }


def _name_refused(refused: Iterable[dict[str, Any]], reports: Iterable[Mapping[str, Any]]) -> None:
    """Give refused reports the county's name where another report of the run knows it."""
    names = {report["county_code"]: report["county_name"] for report in reports if report["county_name"]}
    for entry in refused:
        if entry["county_code"] in names:
            code = entry["county_code"]
            entry["label"] = f"{names[code]}（代码 {code}）{school_year_label(entry['school_year'])}"


def _publication(contents: Mapping[str, Any], index_path: Path) -> Publication:
    reports = []
    for entry in contents["reports"]:
        verdicts = [stage["verdict"] for stage in entry["stages"] if stage["verdict"]]
        values = {name: entry[name] for name in PublishedReport.__dataclass_fields__ if name in entry}
        verdict = min(verdicts, key=VERDICTS.index) if verdicts else ""
        reports.append(PublishedReport(**values | {"missing": len(entry["missing"]), "verdict": verdict}))
    refused = [
        Refusal(entry["slug"], reason["job"], reason["heading"], reason["reason"])
        for entry in (*contents["reports"], *contents["refused"])
        for reason in (*entry.get("missing", ()), *entry.get("reasons", ()))
    ]
    return Publication(str(contents["run_id"]), index_path, tuple(reports), tuple(refused))


# the index


def _standing(path: Path) -> dict[str, Any]:
    """What a run has published and still stands for."""
    contents = _read_json(path)
    folder = path.parent
    manifest = folder / MANIFEST
    jobs = {job["name"]: job for job in read_manifest(folder)["jobs"]} if manifest.is_file() else {}
    reports, refused = [], list(contents["refused"])
    for report in contents["reports"]:
        if not (folder / report["file"]).is_file():
            continue
        changed = [job["name"] for job in report["jobs"] if not _same_job(job, jobs.get(job["name"]))]
        if not changed:
            reports.append(report)
            continue
        key = (report["source_id"], report["county_code"], report["school_year"], "")
        reason = "发布之后又重新运行过，请重新发布这一批次"
        refused.append(
            _refused_entry(report["slug"], key, [{"job": n, "heading": n, "reason": reason} for n in changed])
            | {"label": report["title"]}
        )
    return contents | {"run_id": folder.name, "reports": reports, "refused": refused}


def _same_job(published: Mapping[str, Any], job: Mapping[str, Any] | None) -> bool:
    return job is not None and job["status"] == "succeeded" and all(
        job.get(name) == published[name] for name in ("key", "output_sha256")
    )
