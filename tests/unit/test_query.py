"""Questions in SQL to processed tables."""

from __future__ import annotations

import pytest

from qbresearch.errors import InputError
from qbresearch.processed.build import build_source
from qbresearch.processed.partitions import part_path
from qbresearch.processed.query import query_source
from qbresearch.processed.store import load_processed, source_folder
from qbresearch.traces import READS, collected

SUMS = "SELECT school_type, sum(students_primary) AS students, count(*) AS schools FROM rows GROUP BY ALL ORDER BY 1"


@pytest.fixture
def built(project, school_source):
    assert build_source(project, "test-county").status == "built"
    return project


def test_answer_is_that_of_the_table_in_memory(built):
    frame = load_processed(built, "test-county").frame
    by_type = frame.groupby("school_type", sort=True)
    sums, sizes = by_type["students_primary"].sum(min_count=1), by_type.size()
    answer = query_source(built, "test-county", SUMS)
    assert answer["school_type"].tolist() == list(sums.index)
    assert answer["schools"].tolist() == sizes.tolist()
    assert answer["students"].fillna(-1).tolist() == sums.fillna(-1).tolist()


def test_years_are_chosen_and_those_without_rows_refused(built):
    count = "SELECT count(*) AS n FROM rows"
    assert query_source(built, "test-county", count, years=[2024], memory="200MB")["n"].tolist() == [12]
    with pytest.raises(InputError, match="2019"):
        query_source(built, "test-county", count, years=[2019])


def test_run_says_it_has_read_the_whole_source(built, monkeypatch, tmp_path):
    monkeypatch.setenv(READS, str(tmp_path / "reads"))
    query_source(built, "test-county", "SELECT 1")
    assert set(collected(tmp_path / "reads")) >= {"rows:test-county/"}


def test_part_that_was_altered_is_refused(built):
    path = part_path(source_folder(built, "test-county"), "01", "2024")
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(InputError, match="与生成时不同"):
        query_source(built, "test-county", SUMS)


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT no_such_column FROM rows"])
def test_question_that_is_not_understood_is_refused_in_words(built, sql):
    with pytest.raises(InputError, match="DuckDB 不能回答"):
        query_source(built, "test-county", sql)
