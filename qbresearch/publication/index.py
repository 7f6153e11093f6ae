"""The published reports become a site: one page of all runs, and one page in each run's own folder.

A page is complete in itself: style and script are inside the file, a content policy forbids every request, and every
text is escaped by the template engine. Without the script it is a list grouped by prefecture. The site is in Chinese;
reports in other languages are rows like the others.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from qbresearch.exhibits.tables import fixed_point
from qbresearch.language import CHINESE, speaking
from qbresearch.language.pinyin import search_key
from qbresearch.publication.document import VERDICTS as GRAVEST_FIRST
from qbresearch.publication.document import kind_labels, stage_labels
from qbresearch.publication.wording import CV_DECIMALS, WHOLE, school_year_label

TEMPLATES = Path(__file__).parent / "templates"
FORMATS = {"html": "网页", "pdf": "PDF", "docx": "Word"}  # in the order in which a name links to one of them
VERDICTS = {"met": ("✓", "达标"), "not_met": ("×", "未达标"), "undecided": ("？", "无法判定")}
LANGUAGES = {CHINESE: "中文", "en": "英文（English）"}
OTHER = "other"
"""Name of the cell for resources of stages that have no column of their own."""

Row = dict[str, Any]


def render_index(runs: Sequence[Mapping[str, Any]]) -> str:
    """The page of all published runs, to stand in the folder that holds the runs' folders.

    Parameters
    ----------
    runs : sequence of mapping
        Contents of each run's ``published.json``: ``run_id``, ``title``, ``reports``, ``refused``. A report's
        ``files`` has an entry for each format it was written in.
    """
    return _render(runs, run=None)


def render_run_index(run: Mapping[str, Any]) -> str:
    """The page of one run, to stand in the run's own folder, one below that of :func:`render_index`."""
    return _render([run], run=run)


def _render(runs: Sequence[Mapping[str, Any]], *, run: Mapping[str, Any] | None) -> str:
    published = {str(one["run_id"]): one for one in runs}
    titles = {run_id: str(one["title"] or run_id) for run_id, one in published.items()}
    folders = {run_id: "" if run else f"{quote(run_id)}/" for run_id in published}
    with speaking(CHINESE):
        kinds, stages = kind_labels(), stage_labels()
        rows = [_row(report, i, folders[i], stages) for i, one in published.items() for report in one["reports"]]
        judged = _columns(rows, stages)
    rows.sort(key=lambda row: (bool(row["code"]), row["code"], row["year"], row["source"], row["run"], row["href"]))
    filters = _filters(rows, titles, kinds)
    for row in rows:
        row["filters"] = " ".join(_position(row[wanted["name"]], wanted["options"]) for wanted in filters)
        row["cells"] = [row["stages"].get(name) for name in judged]
    counties = _county_verdicts(rows)
    script = (TEMPLATES / "index.js").read_text(encoding="utf-8")
    return _environment().get_template("index.html.j2").render(
        rows=rows,
        groups=_groups(rows),
        run=run and {"id": str(run["run_id"]), "title": titles[str(run["run_id"])]},
        runs=[{"href": folders[i], "title": title, "reports": _count(rows, "run", i)} for i, title in titles.items()],
        titles=titles,
        judged=judged,
        refused=[{**report, "run": titles[i]} for i, one in published.items() for report in one["refused"]],
        filters=filters,
        counties=len({row["code"] for row in rows if row["code"]}),
        verdicts=[(verdict, list(counties.values()).count(verdict)) for verdict in VERDICTS],
        simulated=_count(rows, "simulated", True),
        unverified=any(stage["rule_unverified"] for row in rows for stage in row["cells"] if stage),
        whole=WHOLE in judged,
        origins=len({(row["source"], row["run"]) for row in rows}) > 1,
        script=Markup(script),
        script_sha256=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "css": Markup((TEMPLATES / "index.css").read_text(encoding="utf-8")),
        "fixed_point": fixed_point,
        "cv_decimals": CV_DECIMALS,
        "formats": FORMATS,
        "words": {verdict: word for verdict, (_, word) in VERDICTS.items()},
        "marks": {verdict: mark for verdict, (mark, _) in VERDICTS.items()},
    }
    return environment


def _filters(rows: Sequence[Row], titles: Mapping[str, str], kinds: Mapping[str, str]) -> list[dict[str, Any]]:
    """The filters that can tell rows apart, each with its values and what a reader calls them."""
    wanted: dict[str, tuple[str, Mapping[str, str]]] = {
        "year": ("学年", {}),
        "kind": ("报告种类", kinds),
        "verdict": ("结论", {verdict: word for verdict, (_, word) in VERDICTS.items()}),
        "source": ("数据来源", {}),
        "run": ("批次", titles),
        "language": ("语言", LANGUAGES),
    }
    filters = []
    for name, (label, words) in wanted.items():
        found = {row[name] for row in rows}
        values = [*(value for value in words if value in found), *sorted(found.difference(words, [""]))]
        if values and len(found) > 1:
            filters.append({"name": name, "label": label, "options": {v: words.get(v, v) for v in values}})
    return filters


def _position(value: str, options: Iterable[str]) -> str:
    """Where a row stands among a filter's values; ``-`` if nowhere."""
    values = list(options)
    return str(values.index(value)) if value in values else "-"


# rows


def _count(rows: Iterable[Row], name: str, value: object) -> int:
    return sum(row[name] == value for row in rows)


def _columns(rows: Sequence[Row], stages: Mapping[str, str]) -> dict[str, str]:
    """What is judged, each in a column of its own, by the name of its cell in a row; beyond the two stages only what there is."""
    columns = {stage: f"{label}资源配置" for stage, label in stages.items()}
    more = {OTHER: "其他学段资源配置", WHOLE: "全部条款"}
    return columns | {name: label for name, label in more.items() if any(_verdict(row["stages"].get(name)) for row in rows)}


def _county_verdicts(rows: Sequence[Row]) -> dict[tuple[str, str], str]:
    """The verdict on each county: the gravest of the reports on the latest school year in which it was judged."""
    latest: dict[tuple[str, str], Row] = {}
    for row in rows:
        if not row["code"] or not row["verdict"]:
            continue
        county = (row["source"], row["code"])
        held = latest.setdefault(county, row)
        if (row["year"], -_gravity(row)) > (held["year"], -_gravity(held)):
            latest[county] = row
    return {county: row["verdict"] for county, row in latest.items()}


def _groups(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows by prefecture, or by source where the data name none, in order of first appearance."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        place = row["prefecture"] or f"来源 {row['source']}" if row["code"] else "跨县报告"
        groups.setdefault(place, []).append(row)
    return [
        {"label": label, "key": search_key(found[0]["prefecture"]), "rows": found} for label, found in groups.items()
    ]


def _row(report: Mapping[str, Any], run_id: str, folder: str, labels: Mapping[str, str]) -> Row:
    stages = {stage["stage"]: stage for stage in report["stages"]}
    other = min((s for n, s in stages.items() if n not in (*labels, WHOLE)), key=_gravity, default=None)
    verdicts = [stage["verdict"] for stage in stages.values() if stage["verdict"]]
    largest = max((s for s in stages.values() if s["largest_cv"] is not None), key=_largest, default=None)
    code, known = report["county_code"], report["county_name"]
    name = known or (f"县（代码 {code}）" if code else report["topic"] or report["title"])
    links = [(kind, f"{folder}{quote(report['files'][kind]['file'])}") for kind in FORMATS if kind in report["files"]]
    return {
        "href": links[0][1],
        "links": links,
        "name": name,
        "key": search_key(known or name),
        "code": code,
        "prefecture": report["prefecture"] if code else "",
        "topic": report["topic"] if report["topic"] != name else "",
        "plan": report.get("plan", ""),
        "kind": report["kind"],
        "language": report["language"],
        "year": school_year_label(report["school_year"]) if report["school_year"] else "",
        "source": report["source_id"],
        "run": run_id,
        "simulated": bool(report["simulated"]),
        "missing": len(report["missing"]),
        "stages": stages | {OTHER: other},
        "verdict": min(verdicts, key=GRAVEST_FIRST.index) if verdicts else "",
        "largest": largest,
        "largest_stage": largest and (labels.get(largest["stage"]) or largest["stage_label"] or largest["stage"]),
    }


def _verdict(stage: Mapping[str, Any] | None) -> str:
    return stage["verdict"] or "" if stage else ""


def _gravity(judged: Mapping[str, Any]) -> int:
    """Of a stage or a row, the gravest least."""
    return GRAVEST_FIRST.index(judged["verdict"]) if judged["verdict"] else len(GRAVEST_FIRST)


def _largest(stage: Mapping[str, Any]) -> float:
    return float(stage["largest_cv"])
