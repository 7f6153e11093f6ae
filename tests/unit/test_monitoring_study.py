"""A monitoring study opens results beside a register: scores, plausible values or levels, and says what is not there."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from qbresearch.errors import InputError
from qbresearch.processed.build import build_source
from qbresearch.studies.monitoring import open_monitoring
from qbresearch.studies.study import open_study
from qbresearch.results.monitoring.achievement import measure_achievement
from qbresearch.results.monitoring.levels import recover_from_levels
from qbresearch.rules.columns import load_table

COUNTY, SCHOOLS, STUDENTS = "010203", 6, 12


def student_rows(**columns) -> pd.DataFrame:
    """Twelve fourth-graders in each of six schools of the test county; the last school has no code."""
    rng = np.random.default_rng(7)
    n = SCHOOLS * STUDENTS
    school = np.repeat(np.arange(SCHOOLS), STUDENTS)
    rows = pd.DataFrame({
        "county_code": COUNTY, "county_name": "测试县", "school_year": 2024, "cycle": 2025,
        "school_code": [f"{COUNTY}{s + 1:04d}" if s < SCHOOLS - 1 else "" for s in school],
        "school_name": [f"测试第{s + 1}校" for s in school], "student_id": [f"S{i:03d}" for i in range(n)],
        "grade": "四年级", "subject": "数学", "weight": 2,
    })
    values = {"score": (500 + 20 * school + rng.normal(0, 80, n)).round(1)} | columns
    return rows.assign(**values)


@pytest.fixture
def monitoring(project, school_source, add_source):
    """Build register and students, and open the study of one county's primary mathematics."""
    build_source(project, "test-county")

    def make(rows: pd.DataFrame, subject: str = "mathematics", table: str = "student"):
        heads = {c.name: next(iter(c.headings)) for c in load_table(table).columns}
        text = rows.rename(columns=heads).to_csv(index=False).encode("utf-8-sig")
        add_source("demo-prefecture-students", {"成绩.csv": text}, table=table)
        report = pd.DataFrame({
            "县区划代码": [COUNTY], "县（市、区）": ["测试县"], "学年": [2024], "监测年份": [2025], "年级": ["四年级"], "学科": ["数学"],
            "水平等级": ["Ⅲ"], "校际差异率": [0.118],
        })
        buffer = io.StringIO()
        report.to_csv(buffer, index=False)
        add_source("demo-prefecture-reports", {"报告.csv": buffer.getvalue().encode("utf-8-sig")}, table="county-report")
        for source in ("demo-prefecture-students", "demo-prefecture-reports"):
            assert build_source(project, source).status == "built"
        study = open_study(source_id="test-county", county_code=COUNTY, school_year=2024, stage="primary",
                           standard_id="national-2017", project=project.root)
        return open_monitoring(study, design_id="demo-monitoring", subject=subject)

    return make


def test_scores_are_summed_under_the_codes_of_the_register(monitoring):
    study = monitoring(student_rows())
    sums = study.sums.table
    assert list(sums["school_code"]) == [f"{COUNTY}{s + 1:04d}" for s in range(SCHOOLS)]
    assert study.matching.counts().set_index("how")["schools"].to_dict() | {"code": 5, "name": 1} == (
        study.matching.counts().set_index("how")["schools"].to_dict())
    assert study.reported_rate() == 0.118 and len(study.link.frame) == SCHOOLS * STUDENTS
    opening = study.opening("标题")
    assert opening.parameters["subject"] == "mathematics" and any("不支持因果" in c for c in opening.cautions)
    assert not any("资源配置达标" in c for c in opening.cautions) and not opening.simulated


def test_plausible_values_are_pooled_where_there_is_no_score(monitoring):
    rng = np.random.default_rng(1)
    base = student_rows()
    values = {f"pv{k}": (base["score"] + rng.normal(0, 10, len(base))).round(1) for k in (1, 2, 3)}
    study = monitoring(base.drop(columns="score").assign(**values))
    assert set(study.sums.table["measure"]) == {"pv1", "pv2", "pv3"}
    row = measure_achievement(study.sums).table.iloc[0]
    mean = np.mean([values[f"pv{k}"].mean() for k in (1, 2, 3)])
    assert row["measure"] == "pv" and row["mean"] == pytest.approx(mean) and row["values"] == 3
    with pytest.raises(InputError, match="有成绩”之后一行不剩"):
        _ = study.link


def test_levels_alone_are_enough_for_shares_and_recovered_means(monitoring):
    base = student_rows()
    level = pd.cut(base["score"], [-1, 450, 530, 600, 2000], labels=["Ⅰ", "Ⅱ", "Ⅲ", "Ⅳ"]).astype(str)
    study = monitoring(base.drop(columns="score").assign(level=level))
    assert study.sums.table["count_1"].sum() == (level == "Ⅰ").sum()
    assert recover_from_levels(study.sums).units["icc_corrected"].notna().all()


def test_school_results_are_enough_for_monitoring_and_refused_for_the_link(monitoring):
    students = student_rows()
    keys = ["county_code", "county_name", "school_year", "cycle", "school_code", "school_name", "grade", "subject"]
    schools = students.groupby(keys)["score"].agg(students="size", mean="mean", sd="std").reset_index()
    study = monitoring(schools, table="school-result")
    assert list(study.sums.table["students"]) == [STUDENTS] * SCHOOLS
    row = measure_achievement(study.sums).table.iloc[0]
    assert row["mean"] == pytest.approx(students["score"].mean()) and row["sd"] > 0
    assert len(study.school_effects()[0]) == SCHOOLS
    with pytest.raises(InputError, match="没有这一列成绩(.|\n)*监测部分仍可报告"):
        _ = study.link


def test_a_table_of_another_kind_is_refused(project, monitoring):
    reports = pd.DataFrame({"county_code": [COUNTY], "county_name": ["测试县"], "school_year": [2024], "cycle": [2025],
                            "grade": ["四年级"], "subject": ["数学"], "level": ["Ⅲ"], "difference_rate": [0.1]})
    with pytest.raises(InputError, match="没有这个成绩表(.|\n)*school-result"):
        monitoring(reports, table="county-report")


def test_what_is_not_there_is_refused_in_words(monitoring):
    study = monitoring(student_rows(), subject="chinese")
    with pytest.raises(InputError, match="没有这一学段、学科的成绩"):
        _ = study.students
    with pytest.raises(InputError, match="没有这个关联设计"):
        open_monitoring(study.study, design_id="nothing", subject="mathematics")
    with pytest.raises(InputError, match="没有这个学科"):
        open_monitoring(study.study, design_id="demo-monitoring", subject="physics")
    with pytest.raises(InputError, match="关联设计与数据不配套"):
        open_monitoring(study.study, design_id="california-scores", subject="mathematics")
