"""Conventions of the analyses stand in one cited file, read strictly."""

from __future__ import annotations

import re
import tomllib

import pytest

from qbresearch.errors import CitationError, InputError
from qbresearch.rules.citations import CITED
from qbresearch.rules.designs import ROLES, list_designs, load_design, read_design
from qbresearch.rules.settings import (
    SETTINGS,
    load_settings,
    read_settings,
    setting,
    settings_table,
)

TEXT = (CITED / "settings.toml").read_text(encoding="utf-8")


def test_settings_are_those_of_their_quotations():
    assert setting("difference_rate_limit") == 0.15 and "0.15" in load_settings()["difference_rate_limit"].citation.quote
    assert setting("smallest_cell") == 10 and load_settings()["smallest_cell"].citation.status == "practice"
    assert set(load_settings()) == set(SETTINGS) == {s["id"] for s in tomllib.loads(TEXT)["setting"]}


def test_an_unknown_setting_is_refused_with_the_ones_there_are():
    with pytest.raises(InputError, match="没有这个设定(.|\n)*smallest_cell"):
        setting("smalest_cell")


def test_the_table_carries_quotation_status_and_source():
    row = settings_table(("smallest_cell",)).iloc[0]
    assert row["value"] == "10" and row["status"] == "现有工具或地方做法" and "NCES" in row["source"] and row["quote"]


@pytest.mark.parametrize(("old", "new", "match"), [
    ("value = 0.15", "value = 0.16", "原句里没有这个数"),
    ('id = "power"', 'id = "strength"', "没有这个设定"),
    ('id = "power"', 'id = "significance"', "设定的写法不对"),
    ('unit = { zh = "倍", en = "times" }\n', "", "缺少必填的键"),
    ('source = "oster-2019"', 'source = "somewhere"', "没有登记的出处"),
    ("value = 0.8", 'value = "0.8"', "设定的写法不对"),
])
def test_a_file_that_breaks_the_form_is_refused(tmp_path, old, new, match):
    assert old in TEXT
    path = tmp_path / "settings.toml"
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=match):
        read_settings(path)


def test_a_missing_setting_is_named(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text(re.sub(r'\[\[setting\]\]\nid = "power".*?\n\n', "", TEXT, flags=re.S), encoding="utf-8")
    with pytest.raises(CitationError, match="没有 power"):
        read_settings(path)


# --- designs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("design_id", list_designs())
def test_every_design_names_outcomes_and_variables_of_its_tables(design_id):
    design = load_design(design_id)
    assert design.outcomes and {v.role for v in design.variables} <= set(ROLES)
    assert design.aggregate is (design.results == "") and len(design.sources) in (0, 1, 2)


DESIGN = (CITED / "designs" / "demo-monitoring.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(("old", "new", "match"), [
    ('column = "ses"\nmoderated = true', 'column = "sess"', "没有这个列(.|\n)*是不是想写 ses"),
    ('value = "female"', 'value = "woman"', "没有这个选项"),
    ('column = "sex"\nvalue = "female"', 'column = "sex"', "变量不是数"),
    ('role = "prior"', 'role = "before"', "没有这个角色"),
    ('id = "chinese"', 'id = "mathematics"', "关联设计不成立"),
    ('table = "school"', 'table = "schools"', "没有这个表"),
    ('id = "female"', 'id = "female"\ncolour = "red"', "有不认识的键"),
])
def test_a_design_that_breaks_the_form_is_refused(tmp_path, old, new, match):
    assert old in DESIGN
    path = tmp_path / "demo-monitoring.toml"
    path.write_text(DESIGN.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=match):
        read_design(path)
