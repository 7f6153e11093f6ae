"""A study opens what was built, refuses what is not there, and labels what it shows."""

from __future__ import annotations

from io import BytesIO

import matplotlib.pyplot as plt
import openpyxl
import pytest

from qbresearch.errors import InputError
from qbresearch.exhibits.tables import ReportTable
from qbresearch.processed.build import build_source
from qbresearch.studies.study import open_study


@pytest.fixture
def built(project, school_source):
    build_source(project, "test-county")
    return project


def study_of(project, **changes):
    parameters = {"source_id": "test-county", "county_code": "990101", "school_year": 2024, "stage": "primary",
                  "standard_id": "national-2017"} | changes
    return open_study(**parameters, project=project.root)


@pytest.fixture
def code(book):
    return str(book.cell(0, "county_code").value)


@pytest.fixture
def year(book):
    return int(book.cell(0, "school_year").value)


def test_the_opening_names_data_standard_and_cautions(built, code, year):
    opening = study_of(built, county_code=code, school_year=year).opening("标题")
    facts = dict(opening.facts)
    assert code in facts["地区"] and "national-2017" in facts["标准"] and "sha256" in facts["数据校验"]
    assert any(c.startswith("资源配置各部分只看") and "仅指资源配置达标" in c for c in opening.cautions)
    assert not any(c.startswith("本报告") for c in opening.cautions)  # merged by report: another part may judge every item
    assert any("未能在正式文本中核实" in c for c in opening.cautions)
    assert sum("是否计入，条文没有说清" in c for c in opening.cautions) == 2
    assert not opening.simulated


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"source_id": "no-such"}, ["还没有处理", "qbresearch build"]), ({"county_code": "1"}, ["没有这个县"]),
     ({"school_year": 1999}, ["没有这个学年"]), ({"stage": "senior"}, ["没有这个学段", "primary"]),
     ({"standard_id": "national-2071"}, ["没有这个标准", "national-2017"])],
)
def test_what_is_not_there_is_refused_with_the_choices(built, code, year, changes, words):
    with pytest.raises(InputError) as error:
        study_of(built, **({"county_code": code, "school_year": year} | changes))
    assert all(word in str(error.value) for word in words)


def test_a_verdict_needs_one_county_and_one_stage(built, code, year):
    study = study_of(built, county_code=code, school_year=year, stage="")
    with pytest.raises(InputError, match="一个县的一个学段"):
        study.record()


def test_the_record_says_what_the_county_table_says(built, code, year):
    study = study_of(built, county_code=code, school_year=year)
    values, county = study.record().values, study.attainment.county_table().iloc[0]
    assert (values["verdict"], values["schools"], values["schools_met"]) == (
        county["verdict"], county["schools"], county["schools_met"])
    assert values["row"] == "学校" and values["rule_unverified"] is True
    rules = study.rules()
    assert len(rules) == 1 + values["indicators"]
    assert rules["source"].ne("").all()


def test_every_exhibit_carries_its_source_and_a_figure_of_simulated_data_its_label(project, add_source, book, tmp_path):
    path = book.save(tmp_path / "原件.xlsx")
    add_source("sim", {"测试县2024.xlsx": path.read_bytes()}, kind="simulated")
    build_source(project, "sim")
    workbook = openpyxl.load_workbook(BytesIO(path.read_bytes()))
    county, year = str(workbook.worksheets[0]["A4"].value), int(workbook.worksheets[0]["C4"].value)
    study = study_of(project, source_id="sim", county_code=county, school_year=year)
    assert "模拟数据" in study.source and study.opening("x").simulated
    figure, ax = plt.subplots()
    block = study.figure("f", ax, "题", alt="说明")
    assert block.source == study.source
    assert "模拟数据" in [text.get_text() for text in figure.texts]
    assert study.table("t", ReportTable(({"label": "a", "align": "left"},), (("b",),)), "题").source == study.source


def test_a_character_no_font_has_stops_the_figure(built, code, year):
    study = study_of(built, county_code=code, school_year=year)
    _, ax = plt.subplots()
    ax.set_title("缺字\U0001F9FF")
    with pytest.raises(InputError, match="U\\+1F9FF"):
        study.figure("f", ax, "题", alt="说明")


def test_the_sentence_on_scope_adds_up(built, code, year):
    study = study_of(built, county_code=code, school_year=year)
    parts = study.parts.frame
    text = study.scope_sentence()
    assert f"读入 {len(study.schools)} 行" in text
    assert f"小学 {int(parts['stage'].eq('primary').sum())} 个" in text
    assert f"校区 {len(study.merged)} 个" in text
