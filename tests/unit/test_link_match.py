"""Results beside resources: nothing is lost without a line that says so, and nothing is matched by a guess."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from link_data import indicators, link_data, prefecture

from qbresearch.errors import InputError
from qbresearch.results.link.match import match_results
from qbresearch.results.resources.indicators import compute_indicators
from qbresearch.results.resources.parts import stage_parts
from qbresearch.rules.columns import load_table
from qbresearch.rules.designs import load_design
from qbresearch.rules.standards import load_standard, school_year_start


def test_every_observation_that_is_read_is_kept_or_counted_as_lost():
    data = link_data()
    flow = data.flow
    assert flow["observations"].iloc[0] == (
        prefecture()[1].query("grade == '4' and subject == 'mathematics'").shape[0]
    )
    assert (flow["observations"].diff().iloc[1:] == -flow["lost"].iloc[1:]).all()
    assert len(data.frame) == flow["observations"].iloc[-2]
    complete = data.frame.dropna(subset=[v.id for v in data.variables])
    assert len(complete) == flow["observations"].iloc[-1] < len(data.frame)


def test_a_school_without_code_is_found_by_its_name_and_a_misspelt_one_is_lost():
    data = link_data("primary")
    how = data.matching.table.set_index("school_name")["how"]
    assert how["安澜区模拟第三小学"] == "name"
    assert how["岚溪县枫糖镇模拟中心小学"] == "unmatched"
    assert "9901040006" not in set(data.frame["group"]) and "9901020003" in set(data.frame["group"])


def test_school_variables_are_the_same_for_all_students_of_a_school_and_means_of_what_its_students_say():
    data = link_data()
    per_school = data.frame.groupby("group")[data.group_level].nunique()
    assert (per_school == 1).all().all()
    one = data.frame[data.frame["group"] == "9901010001"]
    assert one["school_ses"].iloc[0] == pytest.approx(one["ses"].mean(), abs=0.2)  # a student without score still counts
    table = indicators("primary")
    row = table.keys["school_code"].eq("9901010001").to_numpy()
    assert one["L1"].iloc[0] == table.values[row, 0][0]


def test_an_aggregate_design_takes_the_results_from_the_register():
    standard = load_standard("california-1999", on=school_year_start(1998))
    contract = load_table("california")
    rows = pd.DataFrame({
        "county_code": ["A", "A", "B", "B"], "school_year": 1998, "school_code": list("wxyz"), "school_name": list("wxyz"),
        "location": "KK-06", "students": [100, 200, 300, 400], "teachers": [5, 10, 12, 30], "computers": [10, 20, 30, 10],
        "expenditure_per_student_usd": [5000.0, 5500, 6000, 4000], "reading_score": [600.0, 640, np.nan, 650],
        "mathematics_score": [600.0, 640, 620, 650], "lunch_percent": [10.0, 20, 30, 40],
        "english_learner_percent": [1.0, 2, 3, 4], "district_income_usd_thousand": [10.0, 20, 15, 12],
    })
    table = compute_indicators(stage_parts(rows, standard, contract), standard)
    data = match_results(table, rows, load_design("california-scores"), subject="reading")
    assert list(data.frame["outcome"]) == [600, 640, 650] and data.flow["lost"].tolist() == [0, 1, 0, 0]
    assert list(data.frame["group"]) == ["A", "A", "B"] and data.group_level == []


def test_refusals_name_the_step_the_design_and_the_way_out():
    schools, students, _ = prefecture()
    design, table = load_design("demo-monitoring"), indicators("primary")
    with pytest.raises(InputError, match="没有这个学科"):
        match_results(table, schools, design, subject="art", students=students)
    with pytest.raises(InputError, match="没有给出学生成绩表"):
        match_results(table, schools, design, subject="chinese")
    with pytest.raises(InputError, match="没有可用于关联分析的数据(.|\n)*读入数学成绩"):
        match_results(table, schools, design, subject="mathematics", students=students.head(0))
    with pytest.raises(InputError, match="有成绩”之后一行不剩"):
        match_results(table, schools, design, subject="mathematics", students=students.assign(score=np.nan))
    with pytest.raises(InputError, match="关联设计与标准不配套"):
        match_results(table, schools, load_design("california-scores"), subject="mathematics", students=students)
    with pytest.raises(InputError, match="这个学段没有监测年级"):
        match_results(table, schools, replace(design, grades={"junior": "8"}), subject="mathematics", students=students)


def test_the_summary_and_plain_data_name_no_student():
    data = link_data()
    assert "164 所学校" in data.summary() or "163 所学校" in data.summary()
    assert set(data.to_dict()) == {"design", "outcome", "flow", "variables"}
    assert "student_id" not in str(data.to_dict())
