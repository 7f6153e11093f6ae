"""Processed tables on disk."""

from __future__ import annotations

import json

import pandas as pd
import pyarrow.parquet as pq
import pytest

from qbresearch.errors import InputError
from qbresearch.processed import store
from qbresearch.processed.beside import sources_beside
from qbresearch.processed.build import build_source
from qbresearch.processed.data_index import DataIndex
from qbresearch.processed.partitions import counties_path, part_path
from qbresearch.processed.published import load_published
from qbresearch.processed.raw_files import files_behind
from qbresearch.processed.store import (
    list_built,
    load_processed,
    provenance_path,
    read_provenance,
    source_folder,
)
from qbresearch.traces import READS, collected

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
    one, whole = (load_processed(built, "test-county", county_code=code).provenance for code in ("010203", None))
    assert index.answer("rows", "test-county/010203") == one.content_sha256 != whole.content_sha256
    assert index.answer("rows", "test-county/") == whole.content_sha256
    assert index.answer("rows", "test-county/999999") is index.answer("rows", "no-such/") is None
    with pytest.raises(InputError, match="是不是想写 test-county？"):
        index.counties("test-conty")


def test_a_source_that_was_not_built_is_told_the_command(project, school_source):
    with pytest.raises(InputError, match="qbresearch build test-county"):
        load_processed(project, "test-county")
    with pytest.raises(InputError, match="qbresearch build published-cv"):
        load_published(project, standard_id="national-2017")


def _exchange_rows(path):
    """The same file with two schools in each other's place: a Parquet file as good as the first."""
    pq.write_table(pq.read_table(path).take([1, 0, *range(2, 12)]), path)


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b"PAR1"), _exchange_rows])
def test_a_table_changed_after_it_was_built_is_not_used(built, spoil):
    spoil(part_path(source_folder(built, "test-county"), "01", "2024"))
    assert not read_provenance(built, "test-county").is_intact(built)
    for county in (None, "010203"):
        with pytest.raises(InputError, match="与生成时不同"):
            load_processed(built, "test-county", county_code=county)
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
    assert facts["rows"] == 12 and facts["licence"] and facts["kind"] == "real"
    assert facts["provinces"]["01"]["parts"]["2024"]["rows"] == 12
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


CHANGES = {
    "护照": _edit_passport,
    "没有 source.toml": lambda project, _: (project.raw / "test-county" / "source.toml").unlink(),
    "原始文件": lambda project, _: (project.raw / "test-county" / "测试县2024.xlsx").write_bytes(b"PK"),
    "与处理时不同": lambda project, _: (project.raw / "test-county" / "测试县2024.xlsx").unlink(),
    "程序或规则": lambda _, monkeypatch: monkeypatch.setattr(store, "build_sha256", lambda table: "0" * 64),
}


@pytest.mark.parametrize("found", CHANGES)
def test_a_table_older_than_what_it_rests_on_is_not_used(built, monkeypatch, found):
    CHANGES[found](built, monkeypatch)
    index = DataIndex(built)
    for ask in (
        lambda: load_processed(built, "test-county"), lambda: index.counties("test-county"),
        lambda: index.years("test-county", "010203"),
    ):
        with pytest.raises(InputError, match="已经过期") as caught:
            ask()
        assert found in caught.value.found and caught.value.fix == "运行 qbresearch build test-county"
    assert index.answer("rows", "test-county/") is index.answer("facts", "test-county") is None


def test_a_list_of_counties_that_was_changed_is_not_used(built):
    path = counties_path(source_folder(built, "test-county"), "01")
    path.write_text(path.read_text(encoding="utf-8").replace("010203", "010204"), encoding="utf-8")
    assert not read_provenance(built, "test-county").is_intact(built)
    for ask in (lambda: load_processed(built, "test-county", county_code="010204"), lambda: DataIndex(built).counties("test-county")):
        with pytest.raises(InputError, match="与生成时不同"):
            ask()
    assert DataIndex(built).answer("rows", "test-county/010204") is None


def test_what_is_loaded_is_said_with_the_checksum_that_the_index_answers(built, tmp_path, monkeypatch):
    monkeypatch.setenv(READS, str(tmp_path / "reads"))
    provenance = load_processed(built, "test-county", county_code="010203").provenance
    files_behind(built, provenance, "010203", 2024)
    files_behind(built, provenance, "", 2024)
    sources_beside(built, "test-county", "010203")
    reads = {key: sha for key, sha in collected(tmp_path / "reads").items() if not key.startswith(("file:", "listing:"))}
    assert set(reads) == {
        "rows:test-county/010203", "facts:test-county", "files:test-county/010203/2024", "files:test-county//2024",
        "beside:test-county/010203",
    }
    index = DataIndex(built)
    assert {key: index.answer(*key.split(":", 1)) for key in reads} == reads
    assert index.answer("files", "test-county/999999/2024") is index.answer("files", "no-such/010203/2024") is None
    assert index.answer("weather", "test-county") is None


def test_no_year_of_a_county_is_an_empty_table_with_all_columns(built):
    full, none = (load_processed(built, "test-county", county_code="010203", years=y).frame for y in (None, [2023]))
    assert none.empty and list(none.dtypes.items()) == list(full.dtypes.items())
