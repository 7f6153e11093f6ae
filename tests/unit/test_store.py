"""Processed tables on disk."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from qbresearch.errors import InputError
from qbresearch.processed import store
from qbresearch.processed.build import build_source
from qbresearch.processed.data_index import DataIndex
from qbresearch.processed.published import load_published
from qbresearch.processed.store import (
    list_built,
    load_processed,
    provenance_path,
    read_provenance,
    table_path,
)

PUBLISHED = "province,city,county,stage,framework,indicator,indicator_zh,mean,sd,cv,source_url,note,year\n" + "\n".join(
    f"某省,,某县,primary,{framework},L1,指标,1.0,0.35,35%,http://a,,2022" for framework in ("quality_2017", "basic_2012"))


@pytest.fixture
def built(project, school_source):
    assert build_source(project, "test-county").status == "built"
    return project


def test_schools_come_back_as_they_were_read(built):
    schools = load_processed(built, "test-county")
    assert len(schools.frame) == 12 and schools.contract.id == "school" and not schools.provenance.simulated
    row = schools.frame.iloc[0]
    assert (row["county_code"], row["school_code"], row["students_primary"]) == ("010203", "0102030001", 400.0)
    assert (row["source_file"], row["source_sheet"], row["source_row"]) == ("测试县2024.xlsx", "学校与学生", "4")
    assert pd.isna(row["students_junior"]) and schools.county_names() == {"010203": "测试县"}


def test_a_county_and_years_can_be_chosen(built):
    assert len(load_processed(built, "test-county", county_code="010203").frame) == 12
    assert load_processed(built, "test-county").for_years(2023).frame.empty
    with pytest.raises(InputError, match="是不是想写 010203？"):
        load_processed(built, "test-county", county_code="010204")


def test_the_index_answers_what_a_batch_asks(built):
    index = DataIndex(built)
    assert index.sources() == list_built(built) == ("test-county",)
    assert index.counties("test-county") == ("010203",) and index.years("test-county", "010203") == (2024,)
    assert index.years("test-county", "999999") == ()
    assert len(index.slice_sha256("test-county", "010203")) == len(index.slice_sha256("test-county", None)) == 64
    with pytest.raises(InputError, match="是不是想写 test-county？"):
        index.counties("test-conty")


def test_a_source_that_was_not_built_is_told_the_command(project, school_source):
    with pytest.raises(InputError, match="qbresearch build test-county"):
        load_processed(project, "test-county")
    with pytest.raises(InputError, match="qbresearch build published-cv"):
        load_published(project, standard_id="national-2017")


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes() + b"x")])
def test_a_table_changed_after_it_was_built_is_not_used(built, spoil):
    spoil(table_path(built, "test-county"))
    assert not read_provenance(built, "test-county").is_intact(built)
    with pytest.raises(InputError, match="与生成时不同"):
        load_processed(built, "test-county")
    assert build_source(built, "test-county").status == "built"
    assert len(load_processed(built, "test-county").frame) == 12


@pytest.mark.parametrize("text", ["", "{", "[]", '{"recipe": {}}', '{"source": "test-county"}'])
def test_a_provenance_that_is_cut_off_or_of_another_form_is_as_good_as_none(built, text):
    provenance_path(built, "test-county").write_text(text, encoding="utf-8")
    assert read_provenance(built, "test-county") is None and list_built(built) == ()
    with pytest.raises(InputError, match="数据还没有处理"):
        load_processed(built, "test-county")
    assert build_source(built, "test-county").status == "built"


def test_the_provenance_states_source_licence_and_checksums(built):
    facts = json.loads(provenance_path(built, "test-county").read_text(encoding="utf-8"))
    assert facts["rows"] == 12 and facts["licence"] and facts["kind"] == "real" and facts["problems"] == []
    assert set(facts["recipe"]) == {"table", "passport_sha256", "inputs", "code_sha256"}


def test_published_values_are_chosen_by_standard_and_are_no_schools(project, add_source):
    add_source("published-cv", {"a.csv": PUBLISHED.encode("gbk")}, table="published-cv")
    assert build_source(project, "published-cv").status == "built"
    found = load_published(project, standard_id="national-2017")
    assert list(found["framework"]) == ["quality_2017"] and list(found["cv"]) == [0.35]
    assert load_published(project, standard_id="michigan-2001").empty
    with pytest.raises(InputError, match="没有县与学年"):
        load_processed(project, "published-cv")


def _edit_passport(project, monkeypatch):
    path = project.raw / "test-county" / "source.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("测试用", "改过的"), encoding="utf-8")


def _edit_inputs(project, monkeypatch):
    path = provenance_path(project, "test-county")
    facts = json.loads(path.read_text(encoding="utf-8"))
    facts["recipe"]["inputs"] = {"别的.xlsx": "0" * 64}
    path.write_text(json.dumps(facts), encoding="utf-8")


CHANGES = {
    "护照": _edit_passport,
    "没有 source.toml": lambda project, _: (project.raw / "test-county" / "source.toml").unlink(),
    "原始文件": lambda project, _: (project.raw / "test-county" / "测试县2024.xlsx").write_bytes(b"PK"),
    "与处理时不同": _edit_inputs,
    "程序或规则": lambda _, monkeypatch: monkeypatch.setattr(store, "code_sha256", lambda: "0" * 64),
}


@pytest.mark.parametrize("found", CHANGES)
def test_a_table_older_than_what_it_rests_on_is_not_used(built, monkeypatch, found):
    CHANGES[found](built, monkeypatch)
    index = DataIndex(built)
    for ask in (
        lambda: load_processed(built, "test-county"), lambda: index.counties("test-county"),
        lambda: index.years("test-county", "010203"), lambda: index.slice_sha256("test-county", None),
    ):
        with pytest.raises(InputError, match="已经过期") as caught:
            ask()
        assert found in caught.value.found and caught.value.fix == "运行 qbresearch build test-county"
