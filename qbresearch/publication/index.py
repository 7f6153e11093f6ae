"""The published reports of all runs become one index page.

The page is complete in itself: style and script are inside the file, a content policy forbids every request, and every
text is escaped by the template engine. Without the script it is a plain list.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import pypinyin
from markupsafe import Markup

from qbresearch.publication.document import STAGE_KEYS, STAGE_LABELS, VERDICTS
from qbresearch.publication.html import TEMPLATES, page_environment
from qbresearch.publication.wording import school_year_label

_SEARCH_LENGTH = 96
_PLACE_ENDINGS = "省市县区旗盟州"


def render_index(runs: Sequence[Mapping[str, Any]]) -> str:
    """The index page of all published runs.

    Parameters
    ----------
    runs : sequence of mapping
        Contents of each run's ``published.json``: ``run_id``, ``title``, ``reports``, ``refused``.
    """
    rows = [_index_row(report, str(run["run_id"])) for run in runs for report in run["reports"]]
    rows.sort(key=lambda row: (bool(row["code"]), row["code"], row["year"], row["source"], row["run_id"], row["href"]))
    refused = [{**report, "run_id": run["run_id"]} for run in runs for report in run["refused"]]
    script = (TEMPLATES / "index.js").read_text(encoding="utf-8")
    policy = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return page_environment().get_template("index.html.j2").render(
        rows=rows,
        refused=refused,
        counties=len({row["code"] for row in rows if row["code"]}),
        verdicts=[(v, sum(row["verdict"] == v for row in rows)) for v in ("met", "not_met", "undecided")],
        years=sorted({row["year"] for row in rows if row["year"]}),
        sources=sorted({row["source"] for row in rows if row["source"]}),
        run_ids=sorted({row["run_id"] for row in rows}),
        unverified=any(stage and stage["rule_unverified"] for row in rows for stage in row["stages"]),
        more=any(row["stages"][2] and row["stages"][2]["verdict"] for row in rows),
        script=Markup(script),
        script_sha256=policy,
    )


def search_key(name: str) -> str:
    """Pinyin and initials of a place name, every usual reading joined by blanks (``鄠邑区``: ``huyiqu … hyq …``).

    The reading of the word as a whole comes first; readings of single characters follow as far as they fit.
    """
    letters = "".join(char for char in name if unicodedata.category(char).startswith("L"))
    whole = pypinyin.lazy_pinyin(letters)
    options = [
        dict.fromkeys([first, *pypinyin.pinyin(char, style=pypinyin.NORMAL, heteronym=char not in _PLACE_ENDINGS)[0]])
        for char, first in zip(letters, whole, strict=True)
    ] if len(whole) == len(letters) else []
    readings = dict.fromkeys(["".join(whole), *map("".join, itertools.islice(itertools.product(*options), 8))])
    initials = dict.fromkeys(
        ["".join(syllable[:1] for syllable in whole)]
        + ["".join(s[:1] for s in reading) for reading in itertools.islice(itertools.product(*options), 8)]
    )
    key = ""
    for word in filter(None, itertools.chain(*itertools.zip_longest(readings, initials, fillvalue=""))):
        if len(key) + len(word) < _SEARCH_LENGTH:
            key = f"{key} {word.lower()}".strip()
    return key


def _gravity(stage: Mapping[str, Any]) -> int:
    return VERDICTS.index(stage["verdict"]) if stage["verdict"] else len(VERDICTS)


def _index_row(report: Mapping[str, Any], run_id: str) -> dict[str, Any]:
    # Pages published by an earlier version say less about a stage.
    stages = {stage["stage"]: dict.fromkeys(STAGE_KEYS) | stage for stage in report["stages"]}
    other = min((s for n, s in stages.items() if n not in STAGE_LABELS), key=_gravity, default=None)
    verdicts = [stage["verdict"] for stage in stages.values() if stage["verdict"]]
    name = report["county_name"] or (f"县（代码 {report['county_code']}）" if report["county_code"] else "")
    return {
        "href": f"{quote(run_id)}/{quote(report['file'])}",
        "name": name or report["title"],
        "key": search_key(report["county_name"] or report["title"]),
        "code": report["county_code"],
        "prefecture": report["prefecture"],
        # Pages published by an earlier version have no topic.
        "topic": report.get("topic", ""),
        "year": school_year_label(report["school_year"]) if report["school_year"] else "",
        "source": report["source_id"],
        "run_id": run_id,
        "simulated": report["simulated"],
        "missing": len(report["missing"]),
        "stages": [stages.get("primary"), stages.get("junior"), other],
        "verdict": min(verdicts, key=VERDICTS.index) if verdicts else "",
        "largest": max(
            (s for s in stages.values() if s["largest_cv"] is not None), key=lambda s: s["largest_cv"], default=None
        ),
    }
