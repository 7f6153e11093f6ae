"""Conventions of the analyses (limits, smallest cells, significance): one cited TOML file, read as strictly as standards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from qbresearch.errors import CitationError, check_choice
from qbresearch.language import label_of
from qbresearch.rules.citations import (
    CITATION_KEYS,
    CITATION_OPTIONAL,
    CITED,
    Citation,
    bilingual,
    check_keys,
    entries,
    read_citation,
    read_toml,
    status_words,
)
from qbresearch.traces import remembered

SETTINGS = (
    "difference_rate_limit", "smallest_cell", "oster_r_max", "fewest_groups_multilevel", "few_clusters", "significance",
    "power", "high_vif", "fewest_group_df", "keeps_sign", "forecast_horizon",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Setting:
    """One number of the analysis with its unit and where it comes from."""

    id: str
    label_zh: str
    label_en: str
    value: float
    citation: Citation
    title_zh: str
    title_en: str


@remembered
def load_settings() -> Mapping[str, Setting]:
    """The settings that ship with the package, by id.

    Raises
    ------
    CitationError
        The file breaks the form, or lacks a setting that the analyses need.
    """
    return read_settings(CITED / "settings.toml")


def setting(name: str) -> float:
    """Value of one setting, in the unit its entry states.

    Raises
    ------
    InputError
        No such setting.
    """
    settings = load_settings()
    check_choice(name, tuple(settings), name="设定", where="qbresearch/cited/settings.toml")
    return settings[name].value


def settings_table(names: tuple[str, ...]) -> pd.DataFrame:
    """Settings as rows of a report's rule table: ``entry, value, unit, status, quote, source, remark``."""
    known = load_settings()
    status = status_words()
    rows = []
    for name in names:
        entry, cited = known[name], known[name].citation
        remark = cited.said("reading") or cited.said("note")
        rows.append(
            (label_of(entry), f"{entry.value:g}", cited.said("unit"), status[cited.status], cited.said("quote"), label_of(entry, "title"), remark)
        )
    return pd.DataFrame(rows, columns=["entry", "value", "unit", "status", "quote", "source", "remark"])


def read_settings(path: Path) -> Mapping[str, Setting]:
    """Read settings from a file; see :func:`load_settings`."""
    data = read_toml(path)
    check_keys(data, required=("source", "setting"), where=path.name)
    titles = {}
    for entry, where in entries(data, "source", path.name):
        check_keys(entry, required=("id", "title", "read", "where"), where=where)
        title = entry["title"]  # titles of documents stand as they are; those in our own words have both languages
        titles[entry["id"]] = (title, title) if isinstance(title, str) else bilingual(entry, where, "title")
    found: dict[str, Setting] = {}
    for entry, where in entries(data, "setting", path.name):
        check_keys(entry, required=("id", "label", "value", "unit", *CITATION_KEYS), optional=CITATION_OPTIONAL, where=where)
        check_choice(entry["id"], SETTINGS, name="设定", where=where)
        if entry["id"] in found or not isinstance(entry["value"], (int, float)):
            raise CitationError(
                "设定的写法不对", where=where, found=f"{entry['id']} = {entry['value']!r}", expected="每个设定一条，值是一个数",
                fix="删去重复的一条，或改正 value",
            )
        citation = read_citation(entry, sources=titles, where=where, numbers=[entry["value"]])
        zh, en = bilingual(entry, where)
        found[entry["id"]] = Setting(entry["id"], zh, en, float(entry["value"]), citation, *titles[entry["source"]])
    if missing := sorted(set(SETTINGS) - set(found)):
        raise CitationError(
            "设定不全", where=path.name, found="没有 " + "、".join(missing), expected="、".join(SETTINGS), fix="补上缺少的条目"
        )
    return found
