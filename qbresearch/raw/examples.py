"""Invented rows that show how a table is filled in; they agree with their contract and with each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]

_COMMON = {
    "county_code": "990199", "county_name": "示例县（虚构）", "school_year": 2024, "sponsor": "county",
    "counted": "yes",
}
_MONITORED = {"county_code": "990199", "county_name": "示例县（虚构）", "school_year": 2024, "cycle": 2025}
# Three invented schools; one teaches two stages. Numbers are in the contract's units and agree with each other.
EXAMPLES: dict[str, tuple[Row, ...]] = {
    "school": (
        _COMMON | {
            "school_code": "9901990001", "school_name": "示例县虚构第一小学", "school_type": "primary",
            "location": "urban", "students_primary": 860, "teachers_primary": 48, "teachers_primary_doctor": 0,
            "teachers_primary_master": 2, "teachers_primary_bachelor": 35, "teachers_primary_associate": 10,
            "teachers_primary_high_school": 1, "teachers_primary_below_high_school": 0, "pe_teachers_primary": 4,
            "arts_teachers_primary": 5, "backbone_teachers_primary": 9, "titled_teachers_primary": 27,
            "teaching_area_m2": 4580.5, "indoor_sports_area_m2": 420, "sports_ground_area_m2": 6350,
            "equipment_value_yuan": 2150600, "multimedia_classrooms": 22, "computers": 118, "books": 21500,
        },
        _COMMON | {
            "school_code": "9901990002", "school_name": "示例县虚构镇初级中学", "school_type": "junior",
            "location": "town", "students_junior": 540, "teachers_junior": 44, "teachers_junior_doctor": 0,
            "teachers_junior_master": 3, "teachers_junior_bachelor": 37, "teachers_junior_associate": 4,
            "teachers_junior_high_school": 0, "teachers_junior_below_high_school": 0, "pe_teachers_junior": 3,
            "arts_teachers_junior": 3, "backbone_teachers_junior": 6, "titled_teachers_junior": 28,
            "teaching_area_m2": 3620, "indoor_sports_area_m2": 0, "sports_ground_area_m2": 5880.25,
            "equipment_value_yuan": 1512000, "multimedia_classrooms": 15, "computers": 80, "books": 15800,
        },
        _COMMON | {
            "school_code": "9901990003", "school_name": "示例县虚构村九年一贯制学校", "school_type": "nine_year",
            "location": "rural", "students_primary": 166, "students_junior": 90, "teachers_primary": 14,
            "teachers_primary_doctor": 0, "teachers_primary_master": 0, "teachers_primary_bachelor": 9,
            "teachers_primary_associate": 5, "teachers_primary_high_school": 0,
            "teachers_primary_below_high_school": 0, "pe_teachers_primary": 1, "arts_teachers_primary": 1,
            "backbone_teachers_primary": 2, "titled_teachers_primary": 8, "teachers_junior": 11,
            "teachers_junior_doctor": 0, "teachers_junior_master": 0, "teachers_junior_bachelor": 10,
            "teachers_junior_associate": 1, "teachers_junior_high_school": 0,
            "teachers_junior_below_high_school": 0, "pe_teachers_junior": 1, "arts_teachers_junior": 0,
            "backbone_teachers_junior": 1, "titled_teachers_junior": 7, "teaching_area_m2": 1620,
            "indoor_sports_area_m2": 0, "sports_ground_area_m2": 3150, "equipment_value_yuan": 768500,
            "multimedia_classrooms": 9, "computers": 42, "books": 6900,
        },
    ),    "student": (
        _MONITORED | {
            "school_code": "9901990001", "school_name": "示例县虚构第一小学", "class_id": "C01", "student_id": "S00001",
            "grade": "4", "subject": "mathematics", "score": 512.4, "full_mark": 1000, "level": "3", "weight": 6.25,
            "sex": "female", "ses": 0.35, "migrant": "no", "left_behind": "no", "boarding": "no", "only_child": "yes",
            "prior_score": 498.1, "teacher_support": 4.25, "school_climate": 3.8,
        },
        _MONITORED | {
            "school_code": "9901990001", "school_name": "示例县虚构第一小学", "class_id": "C02", "student_id": "S00002",
            "grade": "4", "subject": "mathematics", "full_mark": 1000, "weight": 6.25, "sex": "male", "ses": -0.6,
            "migrant": "yes", "left_behind": "no", "boarding": "no", "only_child": "no", "prior_score": 455,
            "teacher_support": 3.5, "school_climate": 3.25,
        },
        _MONITORED | {
            "school_code": "9901990002", "school_name": "示例县虚构镇初级中学", "class_id": "C11", "student_id": "S00003",
            "grade": "8", "subject": "chinese", "score": 530, "full_mark": 1000, "level": "3", "weight": 4, "sex": "male",
            "ses": 0.1, "migrant": "no", "left_behind": "yes", "boarding": "yes", "only_child": "no", "prior_score": 520.5,
            "teacher_support": 4, "school_climate": 4.1,
        },
    ),
    "school-result": (
        _MONITORED | {
            "school_code": "9901990001", "school_name": "示例县虚构第一小学", "grade": "4", "subject": "mathematics",
            "students": 30, "mean": 512.4, "sd": 88.6, "full_mark": 1000, "level_1": 3, "level_2": 9, "level_3": 12,
            "level_4": 6,
        },
        _MONITORED | {
            "school_code": "9901990002", "school_name": "示例县虚构镇初级中学", "grade": "8", "subject": "mathematics",
            "students": 28, "level_1": 5, "level_2": 10, "level_3": 9, "level_4": 4,
        },
    ),
    "county-report": (
        _MONITORED | {"grade": "4", "subject": "mathematics", "level": "3", "difference_rate": 0.128},
        _MONITORED | {"grade": "8", "subject": "mathematics", "level": "2", "difference_rate": 0.171},
    ),
}
