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
_EVALUATED = {"county_code": "990199", "school_year": 2024}
_FIRST = _EVALUATED | {"school_code": "9901990001", "school_name": "示例县虚构第一小学"}
_SECOND = _EVALUATED | {"school_code": "9901990002", "school_name": "示例县虚构镇初级中学"}
_THIRD = _EVALUATED | {"school_code": "9901990003", "school_name": "示例县虚构村九年一贯制学校"}
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
    ),
    "student": (
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
    "county-facts": (
        _EVALUATED | {
            "county_name": "示例县（虚构）", "resident_population": 386200, "basic_balance_years": 8,
            "funding_standard_primary_yuan": 720, "funding_standard_junior_yuan": 940, "special_ed_students": 84,
            "special_ed_funding_yuan": 537600, "teacher_average_pay_yuan": 98650.5,
            "civil_servant_average_pay_yuan": 97820, "teachers_total": 2260, "teachers_trained_360h": 2260,
            "teachers_certified": 2260, "teachers_eligible_rotation": 1180, "teachers_rotated": 131,
            "backbone_teachers_rotated": 29, "enrolled_students_primary": 14820, "zoned_students_primary": 14820,
            "enrolled_students_junior": 6930, "zoned_students_junior": 6742, "quality_high_school_places": 1200,
            "quality_high_school_places_allocated": 720, "quality_high_school_places_rural": 310,
            "migrant_children": 1640, "migrant_children_public": 1502, "migrant_children_purchased": 64,
            "junior_graduates": 3290, "junior_entrants": 3352, "junior_transfers_in": 61, "junior_transfers_out": 70,
            "junior_deaths": 0, "disabled_children": 263, "disabled_children_regular": 148,
            "disabled_children_special": 84, "disabled_children_home": 25,
        },
    ),
    "school-facts": (
        _FIRST | {
            "small_rural": "no", "public_funding_yuan": 619200, "public_funding_budget_yuan": 619200,
            "training_budget_yuan": 31500, "training_spent_yuan": 30960, "charter": "yes", "informatised": "yes",
            "moral_grade": "good", "culture_grade": "excellent",
        },
        _SECOND | {
            "small_rural": "no", "public_funding_yuan": 507600, "public_funding_budget_yuan": 507600,
            "training_budget_yuan": 25400, "charter": "yes", "informatised": "yes", "moral_grade": "good",
        },
        _THIRD | {
            "small_rural": "no", "public_funding_yuan": 204120, "public_funding_budget_yuan": 204120,
            "training_budget_yuan": 9800, "training_spent_yuan": 10250.5, "charter": "yes", "informatised": "no",
            "moral_grade": "pass", "culture_grade": "good",
        },
    ),
    "class": (
        _FIRST | {"stage": "primary", "grade": "1", "class_name": "一（1）班", "students": 44},
        _FIRST | {"stage": "primary", "grade": "1", "class_name": "一（2）班", "students": 45},
        _SECOND | {"stage": "junior", "grade": "7", "class_name": "七（1）班", "students": 51},
        _THIRD | {"stage": "junior", "grade": "9", "class_name": "九年级", "students": 32},
    ),
    "room": (
        _FIRST | {"room": "艺术楼 101", "use": "music", "area_m2": 98.5},
        _FIRST | {"room": "艺术楼 201", "use": "art", "area_m2": 92},
        _SECOND | {"room": "综合楼 305", "use": "music", "area_m2": 88},
    ),
    "finance": (
        {"county_code": "990199", "county_name": "示例县（虚构）", "fiscal_year": 2023,
         "public_education_spending_yuan": 612345600, "students": 41260, "price_index": 100.2},
        {"county_code": "990199", "county_name": "示例县（虚构）", "fiscal_year": 2024,
         "public_education_spending_yuan": 628800000, "students": 40985},
    ),
    "survey": (
        _EVALUATED | {"group": "parents", "mode": "questionnaire", "valid": 305, "satisfied": 279, "mean_score": 0.912},
        _EVALUATED | {"group": "deputies", "mode": "questionnaire", "valid": 48, "satisfied": 44},
        _EVALUATED | {"group": "public", "mode": "visit", "valid": 30, "satisfied": 26},
    ),
    "evidence": (
        _EVALUATED | {
            "item": "G1", "title": "示例县学校布局规划", "number": "示例县规〔2023〕5号", "date": "2023-05-18",
            "confirmed_by": "县教育局规划股", "finding": "met",
        },
        _EVALUATED | {
            "item": "V3", "title": "重点学校与重点班排查记录", "date": "2024-09", "confirmed_by": "县教育局基础教育股",
            "finding": "met", "remark": "全县各校均已排查",
        },
        _EVALUATED | {
            "item": "Q8", "title": "课业负担抽查记录", "confirmed_by": "县教育督导室", "finding": "undecided",
            "remark": "抽查尚未结束",
        },
    ),
    "project": (
        {"county_code": "990199", "project": "虚构镇初级中学运动场改造", "item": "L5", "department": "县教育局",
         "start": "2024-03", "deadline": "2024-12", "finished": "2024-11", "investment_yuan": 1860000},
        {"county_code": "990199", "project": "音乐美术专用教室建设", "item": "G3、L4", "department": "县教育局、县财政局",
         "start": "2024-09-01", "deadline": "2026-08"},
    ),
}
