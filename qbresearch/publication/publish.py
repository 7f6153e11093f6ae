"""Writes every report of a run that may be written, in the formats asked for, and rebuilds the index of all runs.

Files are prepared in a folder of their own and take their places at the end, all or none: an error leaves the earlier
publication as it was. Only files that an earlier publication has written are ever removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from qbresearch.batches.grid import MANIFEST
from qbresearch.batches.ledger import JobRecord, Ledger
from qbresearch.batches.runner import lock_run, read_manifest
from qbresearch.errors import InputError, check_choice
from qbresearch.project import Project
from qbresearch.provenance import (
    file_sha256,
    json_sha256,
    write_bytes,
    write_json,
    write_text,
)
from qbresearch.publication.bibliography import DEFAULT_EDITION, EDITIONS
from qbresearch.publication.document import VERDICTS, Document, build_document
from qbresearch.publication.index import render_index, render_run_index
from qbresearch.publication.placing import placed
from qbresearch.publication.selection import (
    Job,
    ReportKey,
    load_part,
    read_json,
    refusal_by_records,
    reports_of,
)
from qbresearch.publication.wording import school_year_label
from qbresearch.publication.writers import DEFAULT_PRESET, FORMATS, write_report
from qbresearch.rules.layouts import list_layouts

IsCurrent = Callable[[Job], str | None]
Progress = Callable[[Sequence[Any]], Iterable[Any]]

RECORD_OF_PUBLICATION = "published.json"
PUBLICATION_SCHEMA = 2
_MOST_WORKERS = 61  # more processes than Windows lets one wait for
_PATIENCE = 60.0  # seconds for another publication to end
_PACKAGE = Path(__file__).parents[1]
_LOOKS = ("publication", "language", "fonts", "cited/layouts", "cited/references")
_SHOWN_REFUSALS = 10


@dataclass(frozen=True, slots=True)
class Refusal:
    """A job that was not used: the report it belongs to, the heading of its section, and the reason."""

    report: str
    job: str
    heading: str
    reason: str


@dataclass(frozen=True, slots=True)
class PublishedReport:
    """One report that was written.

    ``files`` are relative to the run's folder, by format; ``verdict`` is the gravest of its stages.
    """

    slug: str
    title: str
    kind: str
    language: str
    files: Mapping[str, Mapping[str, Any]]
    source_id: str
    county_code: str
    county_name: str
    school_year: str
    verdict: str
    simulated: bool
    sections: int
    missing: int


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
            lines.append(f"  ……另有 {len(self.refused) - _SHOWN_REFUSALS} 个，见 {RECORD_OF_PUBLICATION}")
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
    project: Project,
    run_id: str,
    *,
    is_current: IsCurrent,
    formats: Sequence[str] = FORMATS,
    preset: str = DEFAULT_PRESET,
    edition: str = DEFAULT_EDITION,
    workers: int = 1,
    title: str | None = None,
    cover: Mapping[str, Any] | None = None,
    progress: Progress = iter,
) -> Publication:
    """Write every report of a run that can be written, then the index of the run and that of all runs.

    Parameters
    ----------
    project : Project
        Where the folders are.
    run_id : str
        Name of a folder below ``project.reports``.
    is_current : callable
        Takes a job of the manifest; returns ``None`` if its result is still what a run today would give, otherwise
        the reason in Chinese why it is not.
    formats : sequence of {"html", "docx", "pdf"}
        What to write. A format published before and not asked for now stays as long as writing it again would give
        the same file.
    preset : str
        Layout of Word and PDF, see ``cited/layouts``.
    edition : {"2025", "2015"}
        Edition of GB/T 7714 that references are written by.
    workers : int
        Processes that write reports.
    title, cover : str and mapping, optional
        Of the batch file as it is today; without them, as it was when the batch was run.
    progress : callable, optional
        Takes the list of reports to write and returns an iterable over it, for a progress bar.

    Raises
    ------
    InputError
        No such run, format, preset or edition; the run is running just now; or a notebook breaks the form of a report
        (unknown cross reference, malformed block, undrawable character). Then nothing is written and the files of an
        earlier publication stay.
    """
    for format in formats:
        check_choice(format, FORMATS, name="格式", where="--format")
    check_choice(preset, list_layouts(), name="版式", where="--preset")
    check_choice(edition, EDITIONS, name="著录规则版本", where="--citations")
    folder = _run_folder(project, run_id)
    manifest = read_manifest(folder)
    manifest |= {"title": manifest.get("title", "") if title is None else title}
    manifest |= {"cover": manifest.get("cover", {}) if cover is None else dict(cover)}
    style = _Style(tuple(dict.fromkeys(formats)), preset, edition)
    with _alone(project), lock_run(folder, "发布"):
        for left in folder.glob(".publish-*"):  # of a publication that was killed
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".publish-", ignore_cleanup_errors=True) as staging:
            prepared = Path(staging) / "new"
            before = _published_before(folder)
            contents = _write_reports(project, folder, prepared, manifest, before, is_current, style, workers, progress)
            write_json(prepared / RECORD_OF_PUBLICATION, contents)
            write_text(prepared / "index.html", render_run_index(contents))
            with placed(prepared, folder, Path(staging) / "old"):
                index_path = rebuild_index(project)
        _remove_unwanted(folder, before.values(), contents["reports"])
    return _publication(contents, index_path)


@contextlib.contextmanager
def _alone(project: Project) -> Iterator[None]:
    """One publication at a time: all of them write the same index."""
    lock = FileLock(project.reports / ".publish.lock", timeout=_PATIENCE)
    try:
        with lock:
            yield
    except Timeout as error:
        raise InputError(
            "另一个发布正在进行", where=str(project.reports), found=f"等了 {_PATIENCE:.0f} 秒仍未结束",
            expected="同一个项目同一时刻只有一个发布", fix="等它结束后再运行",
        ) from error


def rebuild_index(project: Project) -> Path:
    """Write ``reports/index.html`` from what each run has published, and return its path.

    A report whose files have gone is left out; one whose jobs were run again since is listed as not available.
    """
    runs = [_standing(path) for path in sorted(project.reports.glob(f"*/{RECORD_OF_PUBLICATION}"))]
    path = project.reports / "index.html"
    write_text(path, render_index(runs))
    return path


def _run_folder(project: Project, run_id: str) -> Path:
    runs = sorted(path.parent.name for path in project.reports.glob(f"*/{MANIFEST}"))
    check_choice(run_id, runs, name="批次", where=str(project.reports))
    return project.reports / run_id


# one report, in whatever process


@dataclass(frozen=True, slots=True)
class _Style:
    """How reports are written."""

    formats: tuple[str, ...]
    preset: str
    edition: str


@dataclass(frozen=True, slots=True)
class _Task:
    """One report to write; everything in it travels between processes."""

    notebooks: Path
    folder: Path
    staging: Path
    slug: str
    key: ReportKey
    jobs: tuple[Job, ...]
    records: Mapping[str, JobRecord]
    stale: Mapping[str, str]
    packages: Mapping[str, str]
    code_sha256: str
    cover: Mapping[str, Any]
    title: str

    def look(self, style: _Style, format: str) -> str:
        """Checksum of everything beside its jobs that a file of this report shows."""
        preset = "" if format == "html" else style.preset
        return json_sha256([preset, style.edition, dict(self.cover), self.title, self.code_sha256, dict(self.packages), _looks_sha256()])


@cache
def _looks_sha256() -> str:
    """Checksum of all files of the package that decide what a report looks like."""
    digest = hashlib.sha256()
    for place in _LOOKS:
        for path in sorted((_PACKAGE / place).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _write_one(task: _Task, style: _Style) -> dict[str, Any]:
    """Write one report's files into the staging folder; its entry, or the reasons why there is none."""
    parts = [
        load_part(task.notebooks, task.folder, job, task.records.get(job["name"]), task.stale.get(job["name"]))
        for job in task.jobs
    ]
    reasons = [
        {"job": str(part.job["name"]), "heading": part.heading, "reason": part.refusal} for part in parts if part.refusal
    ]
    if len(reasons) == len(parts):
        return _refused_entry(task.slug, task.key, reasons)
    document = build_document(
        parts,
        run_id=task.folder.name,
        packages=task.packages,
        code_sha256=task.code_sha256,
        edition=style.edition,
        cover=task.cover,
        run_title=task.title,
    )
    files = {}
    for format in style.formats:
        data = write_report(document, format, preset=style.preset)
        file = f"{format}/{task.slug}.{format}"
        (task.staging / format).mkdir(parents=True, exist_ok=True)
        write_bytes(task.staging / file, data)
        files[format] = {"file": file, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data),
                         "look": task.look(style, format)}
    return _report_entry(task.slug, document, reasons, files)


def _report_entry(
    slug: str, document: Document, missing: Sequence[Mapping[str, str]], files: Mapping[str, Any]
) -> dict[str, Any]:
    used = [section.job for section in document.sections if section.opening is not None]
    return {
        "slug": slug,
        "files": dict(files),
        "title": document.title,
        "topic": document.topic,
        "plan": document.plan,
        "kind": document.kind,
        "language": document.language,
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
    }


def _refused_entry(slug: str, key: ReportKey, reasons: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    county = f"县（代码 {key.county_code}）{school_year_label(key.school_year)}" if key.county_code else "跨县报告"
    return {
        "slug": slug,
        "label": county,
        "kind": key.kind,
        "language": key.language,
        "source_id": key.source_id,
        "county_code": key.county_code,
        "school_year": key.school_year,
        "reasons": list(reasons),
    }


# all reports of a run


def _write_reports(
    project: Project,
    folder: Path,
    prepared: Path,
    manifest: Mapping[str, Any],
    before: Mapping[str, Mapping[str, Any]],
    is_current: IsCurrent,
    style: _Style,
    workers: int,
    progress: Progress,
) -> dict[str, Any]:
    """Prepare the run's reports and return the contents of ``published.json``."""
    records = Ledger(folder).records()
    tasks = [
        _Task(
            notebooks=project.notebooks,
            folder=folder,
            staging=prepared,
            slug=slug,
            key=key,
            jobs=tuple(jobs),
            records={job["name"]: records[job["name"]] for job in jobs if job["name"] in records},
            stale=_stale(jobs, records, is_current),
            packages=manifest.get("packages", {}),
            code_sha256=str(manifest.get("code_sha256", "")),
            cover=manifest["cover"],
            title=str(manifest["title"]),
        )
        for slug, key, jobs in reports_of(manifest["jobs"])
    ]
    found = [entry for _, entry in zip(progress(tasks), _entries(tasks, style, workers), strict=True)]
    reports = [
        _with_standing_formats(entry, before.get(entry["slug"], {}), task, style, folder)
        for task, entry in zip(tasks, found, strict=True)
        if "files" in entry
    ]
    refused = [entry for entry in found if "files" not in entry]
    _name_refused(refused, reports)
    return {
        "schema": PUBLICATION_SCHEMA, "run_id": folder.name, "title": str(manifest["title"]), "reports": reports,
        "refused": refused,
    }  # fmt: skip


def _stale(jobs: Iterable[Job], records: Mapping[str, JobRecord], is_current: IsCurrent) -> dict[str, str]:
    """Why jobs that could be used are no longer current, by name."""
    usable = (job for job in jobs if not refusal_by_records(job, records.get(job["name"])))
    return {job["name"]: reason for job in usable if (reason := is_current(job)) is not None}


def _entries(tasks: Sequence[_Task], style: _Style, workers: int) -> Iterator[dict[str, Any]]:
    """The entries of all reports in order; more than one worker only where there is more than one report."""
    write = partial(_write_one, style=style)
    if min(workers, len(tasks)) <= 1:
        yield from map(write, tasks)
        return
    # Forked children of a process with threads can hang, and Windows has no fork at all.
    context = multiprocessing.get_context("spawn")
    count = min(workers, len(tasks), _MOST_WORKERS)
    with ProcessPoolExecutor(count, mp_context=context, initializer=_leave_interrupts_to_the_parent) as pool:
        try:
            yield from pool.map(write, tasks)
        except BrokenProcessPool as error:
            raise InputError(
                "写报告的一个进程被系统终止了", where=f"同时 {count} 个进程", found="进程没有说明原因，多半是内存不足",
                expected="每个进程约 1 GB 可用内存", fix="用 --workers 1 再发布一次，或先关闭别的程序",
            ) from error


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _published_before(folder: Path) -> dict[str, dict[str, Any]]:
    """Reports of the last publication by slug; none if another version of the package has written them."""
    path = folder / RECORD_OF_PUBLICATION
    contents = read_json(path) if path.is_file() else {}
    return {r["slug"]: r for r in contents["reports"]} if contents.get("schema") == PUBLICATION_SCHEMA else {}


def _with_standing_formats(
    entry: dict[str, Any], old: Mapping[str, Any], task: _Task, style: _Style, folder: Path
) -> dict[str, Any]:
    """The entry with the formats of the last publication that would be written the same today."""
    if old.get("jobs") != entry["jobs"] or old.get("missing") != entry["missing"]:
        return entry
    standing = {
        format: file
        for format, file in old["files"].items()
        if file["look"] == task.look(style, format) and _is_as_written(folder / file["file"], file["sha256"])
    }
    return entry | {"files": {format: file for format in FORMATS if (file := (standing | entry["files"]).get(format))}}


def _is_as_written(path: Path, sha256: str) -> bool:
    return path.is_file() and file_sha256(path) == sha256


def _remove_unwanted(folder: Path, before: Iterable[Mapping[str, Any]], reports: Iterable[Mapping[str, Any]]) -> None:
    """Remove what the last publication has written and this one no longer has."""
    wanted = {file["file"] for report in reports for file in report["files"].values()}
    for name in {file["file"] for report in before for file in report["files"].values()} - wanted:
        # A file open in Word cannot be removed on Windows; no page leads to it any more.
        with contextlib.suppress(PermissionError):
            (folder / name).unlink(missing_ok=True)


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
    folder = path.parent
    try:
        contents, manifest = read_json(path), read_manifest(folder)
    except InputError as error:
        return _nothing_stands(folder.name, folder.name, f"发布记录或批次清单读不出（{error.problem}）")
    if contents.get("schema") != PUBLICATION_SCHEMA:
        return _nothing_stands(folder.name, str(contents.get("title", "")), "由另一版本的软件发布，请重新发布这一批次")
    jobs = {job["name"]: job for job in manifest["jobs"]}
    reports, refused = [], list(contents["refused"])
    for report in contents["reports"]:
        files = {name: file for name, file in report["files"].items() if (folder / file["file"]).is_file()}
        changed = [job["name"] for job in report["jobs"] if not _same_job(job, jobs.get(job["name"]))]
        if changed:
            reason = "发布之后又重新运行过，请重新发布这一批次"
            named = [{"job": name, "heading": name, "reason": reason} for name in changed]
            refused.append({**report, "label": report["title"], "reasons": named})
        elif files:
            reports.append(report | {"files": files})
    return contents | {"run_id": folder.name, "reports": reports, "refused": refused}


def _nothing_stands(run_id: str, title: str, reason: str) -> dict[str, Any]:
    entry = {"slug": run_id, "label": title or run_id, "kind": "", "language": "", "source_id": "", "county_code": "",
             "school_year": "", "reasons": [{"job": run_id, "heading": title or run_id, "reason": reason}]}  # fmt: skip
    return {"run_id": run_id, "title": title, "reports": [], "refused": [entry]}


def _same_job(published: Mapping[str, Any], job: Mapping[str, Any] | None) -> bool:
    return job is not None and job["status"] == "succeeded" and all(
        job.get(name) == published[name] for name in ("key", "output_sha256")
    )
