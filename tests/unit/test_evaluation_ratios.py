"""Indicators that are quotients: met, not met, exactly at the limit, undecided; formulas, elements and their places."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from qbresearch.language import speaking
from qbresearch.results.evaluation.ratios import judge_ratio_item, measure
from qbresearch.results.evaluation.tree import combine, compare, place_of
from qbresearch.rules.columns import load_table
from qbresearch.rules.evaluations import load_evaluation

NATIONAL = load_evaluation("national-2017", on=date(2023, 9, 1))
CONTRACT = load_table("county-facts")
# Cells exactly at the limit of each requirement, and the one cell that a single unit takes below it.
AT_LIMIT = {
    "P1_years": ({"basic_balance_years": 3}, "basic_balance_years"),
    "G7_funding": ({"special_ed_funding_yuan": 720_000, "special_ed_students": 120}, "special_ed_funding_yuan"),
    "G8_pay": ({"teacher_average_pay_yuan": 98_765, "civil_servant_average_pay_yuan": 98_765}, "teacher_average_pay_yuan"),
    "G9_training": ({"teachers_trained_360h": 1234, "teachers_total": 1234}, "teachers_trained_360h"),
    "G11_rotation": ({"teachers_rotated": 70, "teachers_eligible_rotation": 700}, "teachers_rotated"),
    "G11_backbone": ({"backbone_teachers_rotated": 14, "teachers_rotated": 70}, "backbone_teachers_rotated"),
    "G12_certified": ({"teachers_certified": 1234, "teachers_total": 1234}, "teachers_certified"),
    "G13_primary": ({"zoned_students_primary": 3000, "enrolled_students_primary": 3000}, "zoned_students_primary"),
    "G13_junior": ({"zoned_students_junior": 1900, "enrolled_students_junior": 2000}, "zoned_students_junior"),
    "G14_places": ({"quality_high_school_places_allocated": 450, "quality_high_school_places": 900},
                   "quality_high_school_places_allocated"),
    "G15_migrant": ({"migrant_children_public": 160, "migrant_children_purchased": 10, "migrant_children": 200},
                    "migrant_children_purchased"),
    "Q1_retention": ({"junior_graduates": 950, "junior_entrants": 1010, "junior_transfers_in": 30, "junior_transfers_out": 38,
                      "junior_deaths": 2}, "junior_graduates"),
    "Q2_disabled": ({"disabled_children_regular": 60, "disabled_children_special": 30, "disabled_children_home": 5,
                     "disabled_children": 100}, "disabled_children_home"),
}  # fmt: skip
RATIOS = [r.id for i in NATIONAL.items if i.kind in ("ratio", "mixed") for r in NATIONAL.requirements_of(i.code)]
each = pytest.mark.parametrize("requirement_id", AT_LIMIT)
NOBODY = ("G7_funding", "G13_primary", "G13_junior", "G15_migrant", "Q2_disabled")  # a county may have none of them


def judge(requirement_id: str, evaluation=NATIONAL, **facts: object):
    return measure(evaluation.requirement(requirement_id), facts, CONTRACT, evaluation)


def cells(requirement_id: str, change: float = 0) -> dict[str, float]:
    at_limit, tipping = AT_LIMIT[requirement_id]
    return at_limit | {tipping: at_limit[tipping] + change}


def test_every_quotient_of_the_evaluation_is_tried() -> None:
    assert sorted(RATIOS) == sorted(AT_LIMIT)


@each
def test_a_value_exactly_at_the_limit_is_met(requirement_id) -> None:
    node = judge(requirement_id, **cells(requirement_id))
    requirement = NATIONAL.requirement(requirement_id)
    assert (node.verdict, node.limit, node.reason) == ("met", requirement.limit, "")
    assert node.value == pytest.approx(requirement.limit, rel=1e-12) and node.margin == pytest.approx(0, abs=1e-9)


@each
def test_one_more_is_met_and_one_less_is_not(requirement_id) -> None:
    more, less = (judge(requirement_id, **cells(requirement_id, change)) for change in (1, -1))
    assert (more.verdict, less.verdict) == ("met", "not_met")
    assert more.margin > 0 > less.margin
    assert less.value + -less.margin == pytest.approx(less.limit)


@each
@pytest.mark.parametrize("blank", [None, np.nan, pd.NA])
def test_a_blank_leaves_it_undecided_and_the_reason_names_the_column(requirement_id, blank) -> None:
    known, tipping = AT_LIMIT[requirement_id]
    node = judge(requirement_id, **known | {tipping: blank})
    assert (node.verdict, node.value, node.margin) == ("undecided", None, None)
    assert node.reason == f"缺{CONTRACT.label(tipping)}"
    assert judge(requirement_id).verdict == "undecided"  # columns that the file did not have


@each
def test_zero_is_a_value_and_no_blank(requirement_id) -> None:
    known, tipping = AT_LIMIT[requirement_id]
    node = judge(requirement_id, **known | {tipping: 0})
    assert node.verdict == "not_met" and node.value is not None


@each
def test_a_denominator_of_zero_decides_nothing(requirement_id) -> None:
    requirement = NATIONAL.requirement(requirement_id)
    if not requirement.over_add:
        return
    nothing = dict.fromkeys(requirement.columns, 0)
    some = nothing | {requirement.add[0]: 1}
    for cells_ in (some,) if requirement_id in NOBODY else (some, nothing):
        node = judge(requirement_id, **cells_)
        assert (node.verdict, node.value) == ("undecided", None)
        assert "为 0，不能相除" in node.reason


@pytest.mark.parametrize("requirement_id", NOBODY)
def test_where_there_may_be_nobody_zero_of_zero_is_met(requirement_id) -> None:
    columns = NATIONAL.requirement(requirement_id).columns
    node = judge(requirement_id, **dict.fromkeys(columns, 0))
    assert (node.verdict, node.value, node.margin, node.reason) == ("met", None, None, "没有需要核对的对象")
    for name in columns:  # any of them unknown: there may be somebody
        assert judge(requirement_id, **dict.fromkeys(columns, 0) | {name: None}).verdict == "undecided"


def test_backbone_teachers_of_nobody_who_rotated_decide_nothing_and_rotation_fails() -> None:
    facts = {"teachers_rotated": 0, "backbone_teachers_rotated": 0, "teachers_eligible_rotation": 500}
    assert [judge(r, **facts).verdict for r in ("G11_backbone", "G11_rotation")] == ["undecided", "not_met"]


@each
def test_without_the_table_it_is_undecided(requirement_id) -> None:
    node = measure(NATIONAL.requirement(requirement_id), None, CONTRACT, NATIONAL)
    assert (node.verdict, node.reason) == ("undecided", f"没有本县本学年的“{CONTRACT.label_zh}”")


# --- what is shown --------------------------------------------------------------------------------------------------


def test_elements_and_formula_explain_a_value() -> None:
    place = {"source_file": "县级数据.xlsx", "source_sheet": "入学与质量", "source_row": "5"}
    node = judge("G15_migrant", **cells("G15_migrant"), **place)
    assert [(e.label, e.value, e.unit) for e in node.elements] == [
        (CONTRACT.label("migrant_children_public"), 160, "人"), (CONTRACT.label("migrant_children_purchased"), 10, "人"),
        (CONTRACT.label("migrant_children"), 200, "人"),
    ]  # fmt: skip
    assert {e.place for e in node.elements} == {"县级数据.xlsx（入学与质量）第 5 行"}
    public, purchased, children = (e.label for e in node.elements)
    assert node.formula == f"（{public}＋{purchased}）÷{children}"
    assert judge("P1_years", basic_balance_years=4).formula == CONTRACT.label("basic_balance_years")


def test_an_element_names_the_sheet_of_its_column_and_a_row_of_the_sheet_read_first_only() -> None:
    """A row joined from two sheets says where it stands in one; in the other it may stand elsewhere."""
    first, second = CONTRACT.sheets.values()
    place = {"source_file": "县级数据.xlsx", "source_sheet": first, "source_row": "5"}
    assert {e.place for e in judge("G7_funding", **cells("G7_funding"), **place).elements} == {f"县级数据.xlsx（{first}）第 5 行"}
    assert {e.place for e in judge("Q2_disabled", **cells("Q2_disabled"), **place).elements} == {f"县级数据.xlsx（{second}）"}
    one = place | {"source_file": "县级数据.csv", "source_sheet": "县级数据"}  # everything stands in one sheet
    assert {e.place for e in judge("Q2_disabled", **cells("Q2_disabled"), **one).elements} == {"县级数据.csv（县级数据）第 5 行"}
    assert place_of(place) == place_of(place, CONTRACT, "county_code") == f"县级数据.xlsx（{first}）第 5 行"


def test_the_citation_stands_at_the_node() -> None:
    node = judge("Q2_disabled", **cells("Q2_disabled"))
    citation = NATIONAL.requirement("Q2_disabled").citation
    assert (node.clause, node.quote, node.status) == (citation.clause, citation.quote, "copy")
    assert node.source == "沁县优质均衡工作规划（沁政办函〔2021〕22号）"
    assert measure(NATIONAL.requirement("Q2_disabled"), None).source == "qinxian-2021"


def test_the_option_in_force_stands_at_the_node() -> None:
    other = NATIONAL.choose({"G7_limit": "8000"})
    funding = {"special_ed_funding_yuan": 700 * 1000, "special_ed_students": 100}
    here, there = (judge("G7_funding", evaluation, **funding) for evaluation in (NATIONAL, other))
    assert (here.verdict, here.limit, there.verdict, there.limit) == ("met", 6000, "not_met", 8000)
    assert "取6000 元（" in here.option and "取8000 元（" in there.option


def test_a_row_without_a_place_has_none() -> None:
    assert place_of({}) == place_of({"source_file": None}) == place_of({"source_file": np.nan}) == ""


def test_in_english_nothing_is_chinese_but_the_quotation() -> None:
    with speaking("en"):
        node = judge("Q1_retention", junior_graduates=1, source_file="a.csv", source_sheet="b", source_row="3")
        full = judge("Q1_retention", **cells("Q1_retention"))
    shown = " ".join((node.label, node.unit, node.reason, node.formula, node.option, *(
        f"{e.label} {e.unit} {e.place}" for e in (*node.elements, *full.elements))))
    assert not [c for c in shown if "\u3400" <= c <= "\u9fff"]
    assert "row 3" in shown and "graduates" in shown.lower()


# --- retention ------------------------------------------------------------------------------------------------------


def test_both_formulas_of_the_retention_rate_as_the_documents_work_them_out() -> None:
    """980 graduates of 1000 entrants, 30 came, 40 left, none died: 980/990 and (980 − 30 + 40)/1000."""
    facts = {"junior_graduates": 980, "junior_entrants": 1000, "junior_transfers_in": 30, "junior_transfers_out": 40, "junior_deaths": 0}
    a, b = (judge("Q1_retention", NATIONAL.choose({"Q1_formula": choice}), **facts) for choice in "AB")
    assert (f"{a.value:.4f}", f"{b.value:.4f}") == ("0.9899", "0.9900")
    assert (a.value, b.value) == (pytest.approx(980 / 990), pytest.approx(990 / 1000))
    graduates, entrants, came, left, died = (CONTRACT.label(name) for name in (
        "junior_graduates", "junior_entrants", "junior_transfers_in", "junior_transfers_out", "junior_deaths"))
    assert a.formula == f"{graduates}÷（{entrants}＋{came}－{left}－{died}）"
    assert b.formula == f"（{graduates}＋{left}－{came}）÷（{entrants}－{died}）"
    assert "算法 A" in a.option and "算法 B" in b.option


# --- what is missing may not matter ---------------------------------------------------------------------------------


def test_a_missing_part_that_could_only_add_does_not_open_a_verdict_already_reached() -> None:
    node = judge("G15_migrant", migrant_children_public=170, migrant_children=200)
    assert (node.verdict, node.value) == ("met", None)
    assert node.reason == f"缺{CONTRACT.label('migrant_children_purchased')}；无论缺的是多少，判定都不变"
    assert judge("G15_migrant", migrant_children_public=169, migrant_children=200).verdict == "undecided"


def test_a_missing_number_below_the_line_can_only_lower_a_quotient() -> None:
    facts = {"junior_graduates": 900, "junior_entrants": 1000, "junior_transfers_out": 0, "junior_deaths": 0}
    assert judge("Q1_retention", **facts).verdict == "not_met"
    assert judge("Q1_retention", **facts | {"junior_graduates": 950}).verdict == "undecided"
    without_leavers = {"junior_graduates": 950, "junior_entrants": 1000, "junior_transfers_in": 0, "junior_deaths": 0}
    # 950 of 1000 less whoever left: 95 % at the least, whatever number leaves anybody below the line.
    assert (judge("Q1_retention", **without_leavers).verdict, judge("Q1_retention", **without_leavers).value) == ("met", None)
    assert judge("Q1_retention", **without_leavers | {"junior_graduates": 949}).verdict == "undecided"
    b = NATIONAL.choose({"Q1_formula": "B"})
    came_back = {"junior_graduates": 900, "junior_entrants": 1000, "junior_transfers_in": 901, "junior_transfers_out": 0}
    assert judge("Q1_retention", b, **came_back).verdict == "not_met"  # below zero over anything above zero
    assert judge("Q1_retention", b, **came_back | {"junior_transfers_in": 0}).verdict == "undecided"


def test_a_missing_whole_proves_nothing() -> None:
    assert judge("G12_certified", teachers_certified=0).verdict == "undecided"
    assert judge("G11_backbone", backbone_teachers_rotated=10).verdict == "undecided"


# --- comparisons and mixed items ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "comparison", "verdict"),
    [(0.15, "at_least", "met"), (0.15, "at_most", "met"), (0.15, "below", "not_met"), (0.15, "not_less", "met"),
     (0.1 + 0.05, "below", "not_met"), (0.1499, "below", "met"), (0.1499, "at_least", "not_met"), (0.1501, "at_most", "not_met"),
     (0.1499, "not_less", "not_met"), (0.1501, "below", "not_met")],
)  # fmt: skip
def test_words_that_include_their_limit_and_words_that_do_not(value, comparison, verdict) -> None:
    found, margin = compare(value, comparison, 0.15)
    assert found == verdict
    assert abs(margin) < 1e-12 or (margin > 0) == (verdict == "met")


@pytest.mark.parametrize("finding", ["met", "not_met", "undecided"])
@pytest.mark.parametrize("places", [800, 100, None])
def test_a_mixed_item_needs_its_number_and_its_documents(finding, places) -> None:
    item = NATIONAL.item("G14")
    evidence = pd.DataFrame({"item": ["G14"], "title": ["分配办法"], "number": [None], "date": [None],
                             "confirmed_by": ["教育局"], "finding": [finding]})  # fmt: skip
    facts = {"quality_high_school_places_allocated": places, "quality_high_school_places": 1000}
    node = judge_ratio_item(item, facts, evidence.to_dict("records"), NATIONAL)
    assert [child.code for child in node.children] == ["G14_places", "G14:evidence"]
    assert node.children[0].verdict == {800: "met", 100: "not_met", None: "undecided"}[places]
    assert node.children[1].verdict == finding
    assert node.verdict == combine(child.verdict for child in node.children)


def test_an_item_with_one_requirement_shows_its_number() -> None:
    node = judge_ratio_item(NATIONAL.item("G7"), cells("G7_funding"), None, NATIONAL)
    child = node.children[0]
    assert (node.code, node.value, node.limit, node.verdict) == ("G7", child.value, child.limit, child.verdict)
    both = judge_ratio_item(NATIONAL.item("G11"), cells("G11_rotation") | cells("G11_backbone"), None, NATIONAL)
    assert both.value is None and [c.code for c in both.children] == ["G11_rotation", "G11_backbone"]


def test_an_item_cites_what_its_number_is_compared_with() -> None:
    """A plan, or another choice, gives the requirement another source: the item does not quote the old one beside it."""
    other = NATIONAL.choose({"G7_limit": "8000"})
    node = judge_ratio_item(other.item("G7"), cells("G7_funding"), None, other)
    cited = ("limit", "clause", "quote", "status", "source")
    assert [getattr(node, name) for name in cited] == [getattr(node.children[0], name) for name in cited]
    assert "8000" in node.quote
    share = NATIONAL.item("G14").citation.quote
    assert "80" not in share and "50" not in share  # which of them is the limit is for the requirement to say


def test_a_plan_may_count_others_than_the_standard() -> None:
    stricter = replace(NATIONAL.requirement("G15_migrant"), add=("migrant_children_public",), limit=0.95)
    node = measure(stricter, cells("G15_migrant"), CONTRACT, NATIONAL)
    assert (node.value, node.verdict, len(node.elements)) == (0.8, "not_met", 2)
