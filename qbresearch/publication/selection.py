"""Chooses what of a run may be published: reports, their jobs, and why a job may not be used.

A job is used only if manifest and record both say it succeeded, agree with each other and with the notebook file,
and the job is current.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from qbresearch.batches.ledger import JobRecord
from qbresearch.errors import InputError
from qbresearch.language import CHINESE, current_language, say, speaking
from qbresearch.provenance import json_sha256
from qbresearch.publication.document import (
    Part,
    error_cell,
    report_kind,
    report_language,
    speaks,
    stage_labels,
)
from qbresearch.publication.model import section_order

Job = dict[str, Any]

_LONGEST_MESSAGE = 120


@dataclass(frozen=True, slots=True, order=True)
class ReportKey:
    """What makes two jobs belong to the same report; a cross-county report holds all years of its source.

    Verdicts by different standards, or beside different plans, never share a report: its first page states one.
    """

    source_id: str
    county_code: str
    school_year: str
    kind: str
    standard_id: str
    plan_id: str
    language: str

    def slug(self, *, by_standard: bool = False) -> str:
        """The report's file name without its ending; ``by_standard`` where another standard would have the same."""
        kind = "" if self.kind == "resources" or (self.kind == "cross-county" and not self.county_code) else self.kind
        language = "" if self.language == CHINESE else self.language
        pieces = (self.source_id, self.county_code or "cross-county", self.school_year, kind, self.plan_id, self.standard_id if by_standard else "", language)
        return re.sub(r"[^a-z0-9_-]+", "-", "-".join(filter(None, pieces)).lower()).strip("-")


def report_key(job: Job) -> ReportKey:
    """The report a job belongs to."""
    asked, kind = job["parameters"], report_kind(job)
    source, county, year = (str(asked.get(n, "")) for n in ("source_id", "county_code", "school_year"))
    year = "" if kind == "cross-county" else year
    standard, plan = (str(asked.get(name, "")) for name in ("standard_id", "plan_id"))
    return ReportKey(source, county, year, kind, standard, plan, report_language(job))


def reports_of(jobs: Iterable[Job]) -> list[tuple[str, ReportKey, list[Job]]]:
    """Slug, key and jobs of each report, sorted; slugs that would clash get the standard, then a piece of checksum."""
    groups: dict[ReportKey, list[Job]] = {}
    for job in jobs:
        groups.setdefault(report_key(job), []).append(job)
    named = {key: key.slug() for key in groups}
    for by in (lambda key: key.slug(by_standard=True), lambda key: f"{key.slug()}-{json_sha256(repr(key))[:8]}"):
        times = Counter(named.values())
        named = {key: slug if times[slug] == 1 else by(key) for key, slug in named.items()}
    return [(named[key], key, sorted(groups[key], key=section_order)) for key in sorted(groups)]


def read_json(path: Path) -> dict[str, Any]:
    """Contents of a JSON file the package has written; a damaged one is refused with the line."""
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


def load_part(notebooks: Path, folder: Path, job: Job, record: JobRecord | None, stale: str | None) -> Part:
    """The job with its notebook, or with the reason why its notebook may not be used, in the job's language.

    Parameters
    ----------
    notebooks : Path
        Folder of the templates, which say what a section without a notebook is called.
    folder : Path
        Folder of the run.
    job : dict
        The job as the manifest has it.
    record : JobRecord or None
        What the run itself has written down about it.
    stale : str or None
        Why its result is no longer what a run today would give, if so.
    """
    with speaking(report_language(job)):
        heading = _heading(notebooks, job)
        output = folder / f"{job['name']}.ipynb"
        refusal = refusal_by_records(job, record) or ("" if output.is_file() else say("缺少运行后的笔记本"))
        if refusal:
            return Part(job, heading, refusal=refusal)
        data = output.read_bytes()
        if hashlib.sha256(data).hexdigest() != job["output_sha256"]:
            return Part(job, heading, refusal=say("笔记本文件与运行记录的校验和不符，可能在运行之后被改动"))
        if stale is not None:
            return Part(job, heading, refusal=say("结果已经过期") + _in_chinese(stale))
        notebook = nbformat.reads(data.decode("utf-8"), as_version=4)
        failed = error_cell(notebook)
        if failed is not None:
            return Part(job, heading, refusal=say("笔记本第 {cell} 个单元格的输出是错误", cell=failed))
        return Part(job, heading, notebook, finished=record.finished)


def refusal_by_records(job: Job, record: JobRecord | None) -> str:
    """Why manifest and record forbid using a job; empty if they do not."""
    if job["status"] != "succeeded":
        return _status_sentence(job["status"], record)
    if record is None:
        return say("缺少运行记录")
    if record.status != "succeeded":
        return _status_sentence(record.status, record)
    if not job["key"] or record.key != job["key"]:
        return say("运行记录与批次清单的任务标识不一致，两者不是同一次运行")
    if not job["output_sha256"] or record.output_sha256 != job["output_sha256"]:
        return say("运行记录与批次清单的校验和不一致，两者不是同一次运行")
    return ""


def _status_sentence(status: object, record: JobRecord | None) -> str:
    """The status in words, with the first line of what went wrong where it is known."""
    words = {"succeeded": say("成功"), "failed": say("失败"), "pending": say("待运行")}
    lines = str((record.error or {}).get("message") or "").split("\n") if record is not None else [""]
    sentence = say("任务的运行状态为“{status}”", status=words.get(str(status), str(status)))
    return sentence + (_in_chinese(lines[0][:_LONGEST_MESSAGE]) if lines[0] else "")


def _in_chinese(reason: str) -> str:
    """A reason that only exists in Chinese, in brackets; nothing in a report of another language."""
    return f"（{reason}）" if current_language() == CHINESE else ""


def _heading(notebooks: Path, job: Job) -> str:
    """What the template calls itself (its first heading), with the stage; else the template's name."""
    name = Path(str(job["notebook"])).stem
    template = notebooks / f"{name}.ipynb"
    title = _first_heading(template) if template.is_file() else ""
    stage = str(job["parameters"].get("stage", ""))
    if not stage:
        return title or name
    return say("{title}（{stage}）", title=title or name, stage=stage_labels().get(stage, stage))


def _first_heading(template: Path) -> str:
    """The first heading of the text cells in the language in force."""
    cells = (cell for cell in read_json(template).get("cells", []) if cell["cell_type"] == "markdown")
    texts = ["".join(c["source"]) for c in cells if speaks(c["metadata"].get("tags", ()), current_language())]
    found = re.search(r"^# +(.+?)\s*#*$", "\n".join(texts), flags=re.MULTILINE)
    return found[1] if found else ""
