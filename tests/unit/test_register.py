"""Who is counted, what is missing, and what others published."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qbresearch.errors import InputError
from qbresearch.processed.build import build_source
from qbresearch.processed.published import load_published
from qbresearch.project import find_project
from qbresearch.provenance import write_bytes
from qbresearch.raw.reading import read_file
from qbresearch.raw.sources import open_source
from qbresearch.results.resources.references import published_values
from qbresearch.results.resources.register import count_schools, list_missing
from qbresearch.rules.standards import latest_standard


@pytest.fixture
def schools(book, contract, tmp_path):
    return read_file(book.save(tmp_path / "表.xlsx"), contract).table.assign(source_file="表.xlsx")


def test_a_campus_is_not_a_school_but_its_students_count(schools, contract):
    counts = count_schools(schools, contract).set_index("type")
    campuses = int(schools["counted"].eq("no").sum())
    assert campuses == 1
    assert counts.loc["合计", "schools"] == len(schools) - campuses
    assert counts.loc["合计", ["urban", "town", "rural"]].sum() == len(schools) - campuses
    assert counts.loc["合计", "students_primary"] == schools["students_primary"].sum()
    assert counts.drop("合计")["schools"].sum() == counts.loc["合计", "schools"]


def test_only_cells_that_a_school_should_have_are_missing(schools, contract):
    assert list_missing(schools, contract).empty
    gone = schools.copy()
    gone.loc[0, "multimedia_classrooms"] = np.nan
    (row,) = list_missing(gone, contract).to_dict("records")
    assert row == {"school_name": schools.loc[0, "school_name"], "label": "网络多媒体教室数", "source_file": "表.xlsx"}


@pytest.fixture
def project_with_published(project):
    shipped = open_source(find_project().raw, "published-cv")
    for file in (*(f.name for f in shipped.files), "source.toml"):
        write_bytes(project.raw / "published-cv" / file, (shipped.folder / file).read_bytes())
    build_source(project, "published-cv")
    return project


def test_published_values_stand_county_by_county_with_their_address(project_with_published):
    standard = latest_standard("national-2017")
    rows = published_values(load_published(project_with_published, standard_id=standard.id), standard, "primary")
    assert set(rows["county"]) == {"鸠江区", "宁国市"} and len(rows) == 2 * len(standard.indicators)
    jiujiang = rows[(rows["county"] == "鸠江区") & (rows["indicator"] == "L2")].iloc[0]
    assert jiujiang["cv"] == 0.501787 and jiujiang["source_url"].startswith("https://www.jjq.gov.cn")
    assert rows["indicator"].drop_duplicates().tolist() == [i.code for i in standard.indicators]
    junior = published_values(load_published(project_with_published, standard_id=standard.id), standard, "junior")
    assert set(junior["county"]) == {"宁国市"}


def test_published_values_need_their_source_to_be_built(project):
    with pytest.raises(InputError, match="qbresearch build published-cv"):
        load_published(project, standard_id="national-2017")


def test_a_standard_nobody_published_under_gives_an_empty_table(project_with_published):
    standard = latest_standard("michigan-2001")
    rows = published_values(load_published(project_with_published, standard_id=standard.id), standard, "primary")
    assert isinstance(rows, pd.DataFrame) and rows.empty
