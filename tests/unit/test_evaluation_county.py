"""The whole evaluation of a county: what decides what, what is shown, and what is refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from itertools import product

import matplotlib as mpl

mpl.use("Agg")

import pandas as pd
import pytest
from whole_county import (
    COUNTY,
    NATIONAL,
    SCHOOL,
    STANDARD,
    SURVEY,
    YEAR,
    attainment,
    changed,
    county_inputs,
    evaluate,
    put,
)

from qbresearch.errors import InputError
from qbresearch.language import speaking
from qbresearch.processed.beside import BESIDE
from qbresearch.results.evaluation.county import evaluate_county
from qbresearch.results.evaluation.resources import evaluate_resources_only
from qbresearch.results.evaluation.tree import (
    MET,
    NO_RULE,
    NOT_MET,
    UNDECIDED,
    Node,
    combine,
    item_node,
    parent,
    telling,
)
from qbresearch.results.resources.attainment import assess
from qbresearch.results.resources.indicators import compute_indicators
from qbresearch.results.resources.parts import stage_parts
from qbresearch.rules.standards import load_standard

DECIDING = [i.code for i in NATIONAL.items if NATIONAL.part(i.part).decides]
VETOES = [i.code for i in NATIONAL.items_of("veto")]
BASIC = load_standard("basic-2012", on=date(YEAR, 9, 1))
HAN = re.compile("[\u3400-\u9fff]")
# Tables and the items that rest on them; without the table they are undecided, and nothing else changes.
RESTS_ON = {
    "county-facts": "P1 G6 G7 G8 G9 G11 G12 G13 G14 G15 Q1 Q2 R", "school-facts": "G6 Q3 Q4 Q6", "class": "G3 G5", "room": "G3",
    "survey": "R", "county-report": "Q9", "finance": "F1 F2", "project": "",
    "evidence": " ".join(i.code for i in NATIONAL.items if i.evidence),
}  # fmt: skip


@pytest.fixture(scope="module")
def whole():
    return evaluate(county_inputs())


def verdicts(result) -> dict[str, str]:
    return {item.code: result.tree.find(item.code).verdict for item in NATIONAL.items}


def find(code: str, row: str) -> object:
    """A function that finds rows of a code in a frame of evidence and gives them a finding."""
    return lambda rows: rows.assign(finding=rows["finding"].mask(rows["item"].eq(code), row))


# --- the logic of the tree ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "both"),
    [(MET, MET, MET), (MET, UNDECIDED, UNDECIDED), (MET, NOT_MET, NOT_MET), (UNDECIDED, UNDECIDED, UNDECIDED),
     (UNDECIDED, NOT_MET, NOT_MET), (NOT_MET, NOT_MET, NOT_MET), (MET, NO_RULE, MET), (UNDECIDED, NO_RULE, UNDECIDED),
     (NOT_MET, NO_RULE, NOT_MET), (NO_RULE, NO_RULE, NO_RULE)],
)  # fmt: skip
def test_all_parts_must_be_met(a, b, both) -> None:
    assert combine([a, b]) == combine([b, a]) == both
    assert parent("x", "x", [Node("a", "a", a), Node("b", "b", b)]).verdict == both
    assert parent("x", "x", [Node("a", "a", a), Node("b", "b", b, decides=False)]).verdict == a


def test_three_parts_follow_from_two() -> None:
    for a, b, c in product((MET, NOT_MET, UNDECIDED), repeat=3):
        assert combine([a, b, c]) == combine([combine([a, b]), c])


def test_an_item_shows_the_number_of_the_one_child_that_decides() -> None:
    deciding = Node("a", "a", MET, 3.0, "at_least", 2.0, 1.0, unit="人", reason="因为")
    beside = Node("b", "b", NOT_MET, 9.0, decides=False)
    item = NATIONAL.item("G7")
    node = item_node(item, [deciding, beside], NATIONAL)
    assert (node.verdict, node.value, node.limit, node.margin, node.reason) == (MET, 3, 2, 1, "因为")
    assert item_node(item, [deciding, deciding], NATIONAL).value is None


def test_a_whole_names_the_parts_that_make_it_what_it_is() -> None:
    parts = [Node("a", "甲", NOT_MET, reason="太少"), Node("b", "乙", NOT_MET), Node("c", "丙", UNDECIDED, reason="缺数据"),
             Node("d", "丁", MET), Node("e", "戊", NOT_MET, decides=False)]  # fmt: skip
    assert telling(parts) == "甲：太少；乙"
    assert telling(parts[2:]) == "丙：缺数据" and telling(parts[3:]) == ""
    assert item_node(NATIONAL.item("G11"), parts, NATIONAL).reason == "甲：太少；乙"


# --- a county in which everything is met ----------------------------------------------------------------------------


def test_the_tree_has_every_part_and_item_in_order(whole) -> None:
    tree = whole.tree
    assert (tree.code, tree.verdict, whole.verdict) == ("county", "met", "met")
    assert [part.code for part in tree.children] == [part.id for part in NATIONAL.parts]
    for part in tree.children:
        own = [node.code for node in part.children if node.code not in ("schools", "V-R")]
        assert own == [item.code for item in NATIONAL.items_of(part.code)]
    assert next(n.code for n in tree.find("resources").children) == "schools"
    assert next(n.code for n in tree.find("veto").children) == "V-R"
    codes = [node.code for _, _, node in tree.walk()]
    assert len(codes) == len(set(codes))
    assert set(verdicts(whole).values()) == {"met"}


def test_there_are_31_indicators(whole) -> None:
    counts = whole.counts().set_index("part")
    assert counts["items"].to_dict() == {
        "prerequisites": 2, "resources": 7, "government": 15, "quality": 9, "recognition": 1, "veto": 7, "supplement": 2}  # fmt: skip
    assert counts["met"].equals(counts["items"]) and counts["verdict"].eq("met").all()
    assert whole.summary().startswith("例县 2023 学年：31 项指标中 31 项达标、0 项未达标、0 项无法判定；")
    assert whole.summary().endswith("一票否决 7 种情形（含社会认可度低于要求）中 0 种发生、0 种待确认；总体达标。")


def test_every_leaf_cites_where_it_comes_from(whole) -> None:
    for node in whole.tree.leaves():
        assert node.clause and node.quote and node.source, node.code
        assert node.status in ("copy", "practice", "unverified"), node.code


def test_every_requirement_is_in_the_tree_with_its_limit(whole) -> None:
    for requirement in NATIONAL.requirements.values():
        node = whole.tree.find(requirement.id)
        assert node.label and (node.limit in (None, requirement.limit)), requirement.id


def test_coefficients_of_variation_stand_below_their_indicators(whole) -> None:
    node = whole.tree.find("L3:junior")
    assert (node.value, node.comparison, node.limit, node.margin, node.verdict) == (0, "at_most", 0.45, 0.45, "met")
    assert node.reason == "仅一所学校" and [e.label for e in node.elements] == ["学校数", "均值", "标准差"]
    assert whole.tree.find("L3:primary").limit == 0.5
    assert whole.tree.find("schools:primary").reason == "2 所学校中 2 所达标"


# --- each part decides ----------------------------------------------------------------------------------------------


FAILING_CELLS = {  # one step beyond the limit, by item: table, column, value, row
    "P1": ("county-facts", "basic_balance_years", 2, 0), "G3": ("room", "area_m2", 89.99, 1), "G5": ("class", "students", 46, 0),
    "G6": ("school-facts", "public_funding_yuan", 79_999, 1), "G7": ("county-facts", "special_ed_funding_yuan", 299_999, 0),
    "G8": ("county-facts", "teacher_average_pay_yuan", 99_999, 0), "G9": ("county-facts", "teachers_trained_360h", 899, 0),
    "G11": ("county-facts", "teachers_rotated", 39, 0), "G12": ("county-facts", "teachers_certified", 899, 0),
    "G13": ("county-facts", "zoned_students_primary", 499, 0),
    "G14": ("county-facts", "quality_high_school_places_allocated", 299, 0),
    "G15": ("county-facts", "migrant_children_public", 62, 0), "Q1": ("county-facts", "junior_graduates", 940, 0),
    "Q2": ("county-facts", "disabled_children_home", 2, 0), "Q3": ("school-facts", "charter", "no", 0),
    "Q4": ("school-facts", "training_budget_yuan", 19_999, 0), "Q6": ("school-facts", "culture_grade", "pass", 0),
    "Q9": ("county-report", "difference_rate", 0.15, 0), "R": ("survey", "satisfied", 120, 0),
}  # fmt: skip
QUALITATIVE = [code for code in DECIDING if NATIONAL.item(code).kind == "evidence"]
FAILURES = {code: (lambda c, cell=cell: put(c, *cell)) for code, cell in FAILING_CELLS.items()} | {
    code: (lambda c, code=code: changed(c, "evidence", find(NATIONAL.item(code).evidence[0], "not_met"))) for code in QUALITATIVE
}


def test_every_item_that_decides_is_tried_alone() -> None:
    resources = [item.code for item in NATIONAL.items_of("resources")]
    assert {*FAILURES, *resources, "G4"} == set(DECIDING)  # these have tests of their own below


@pytest.mark.parametrize("code", FAILURES)
def test_one_item_not_met_fails_its_part_and_the_county_and_no_other_item(code, whole) -> None:
    result = evaluate(FAILURES[code](county_inputs()))
    assert {c: v for c, v in verdicts(result).items() if v != "met"} == {code: "not_met"}
    part = NATIONAL.item(code).part
    assert (result.tree.find(part).verdict, result.verdict) == ("not_met", "not_met")
    counts = result.counts().set_index("part")
    again = code == "R"  # a veto too
    assert counts.loc[part, "not_met"] == 1 and counts["not_met"].sum() == 1 + again


def test_a_school_below_standard_fails_the_resources_although_all_indicators_are_even() -> None:
    inputs = county_inputs()
    schools = inputs.schools.assign(multimedia_classrooms=[4.0, 0.8, 25], equipment_value_yuan=[400_000.0, 80_000, 2_500_000])
    result = evaluate(replace(inputs, schools=schools))
    assert result.tree.find("schools").verdict == "not_met" and result.tree.find("L7").verdict == "met"
    assert "2 所学校未达标" in result.tree.find("schools:primary").reason
    assert (result.tree.find("resources").verdict, result.verdict) == ("not_met", "not_met")


def test_uneven_schools_fail_an_indicator() -> None:
    inputs = county_inputs()
    schools = inputs.schools.assign(equipment_value_yuan=[2_000_000.0, 2_000_000.0, 2_500_000.0])
    node = evaluate(replace(inputs, schools=schools)).tree.find("L6:primary")
    # 5000 yuan for each of 400 students, 25 000 for each of 80: mean 8333.33, standard deviation 7453.56.
    assert (node.verdict, node.value, node.margin) == ("not_met", pytest.approx(0.8**0.5), pytest.approx(0.5 - 0.8**0.5))


def test_recognition_below_its_threshold_is_a_veto() -> None:
    result = evaluate(put(county_inputs(), "survey", "satisfied", 120))
    assert (result.recognition.verdict, result.tree.find("R").verdict, result.tree.find("V-R").verdict) == ("not_met",) * 3
    assert (result.tree.find("veto").verdict, result.verdict) == ("not_met", "not_met")
    assert result.counts().set_index("part").loc["veto", "not_met"] == 1
    assert result.tree.find("V-R").label == "社会认可度低于要求"
    assert "中 1 种发生、0 种待确认" in result.summary()
    assert result.tree.find("V-R").value == pytest.approx((120 + 96 + 78) / 380)


def test_the_veto_by_recognition_cites_that_it_is_a_veto(whole) -> None:
    veto, threshold = whole.tree.find("V-R"), whole.tree.find("R_recognition")
    assert "社会认可度" in veto.quote and veto.source == NATIONAL.sources["veto-2017"].title_zh
    assert whole.tree.find("R").quote == threshold.quote == NATIONAL.requirement("R_recognition").citation.quote


def test_a_school_that_is_too_large_fails_the_county() -> None:
    """Resources by student fall with it, so that it is no failure of its own."""
    schools = county_inputs().schools.copy()
    schools.loc[schools.index[0], "students_primary"] = 2001
    result = evaluate(replace(county_inputs(), schools=schools))
    assert (result.tree.find("G4").verdict, result.verdict) == ("not_met", "not_met")


@pytest.mark.parametrize("code", ["L1", "L2", "L3", "L4", "L5", "L6", "L7"])
def test_every_coefficient_of_variation_alone_fails_the_county(code) -> None:
    columns = {"L1": "teachers_primary_bachelor", "L2": "backbone_teachers_primary", "L3": "pe_teachers_primary",
               "L4": "teaching_area_m2", "L5": "sports_ground_area_m2", "L6": "equipment_value_yuan", "L7": "multimedia_classrooms"}  # fmt: skip
    schools = county_inputs().schools.copy()
    schools.loc[schools.index[1], columns[code]] *= 12
    result = evaluate(replace(county_inputs(), schools=schools))
    assert {c for c, verdict in verdicts(result).items() if verdict == "not_met"} == {code} and result.verdict == "not_met"


@pytest.mark.parametrize("code", ["G8", "G14", "G15"])
@pytest.mark.parametrize("finding", ["not_met", "undecided"])
def test_the_half_that_documents_decide_counts_as_much_as_the_number(code, finding) -> None:
    result = evaluate(changed(county_inputs(), "evidence", find(code, finding)))
    assert [result.tree.find(c).verdict for c in (f"{code}:evidence", code, "county")] == [finding] * 3
    assert result.tree.find(f"{code}:evidence").label == NATIONAL.item(code).evidence_label(code) != NATIONAL.item(code).label_zh


def test_the_cap_of_the_coefficient_of_variation_is_included() -> None:
    """Two junior schools of 300 and 100 students with x and 0 of an indicator: the CV follows by hand."""
    spread = attainment(county_inputs().schools).dispersion_table()
    junior = spread[spread["stage"].eq("junior")]
    assert junior["cap"].eq(0.45).all() and junior["verdict"].eq("met").all()
    cap = STANDARD.cap("coefficient_of_variation", "junior")
    # CV 0.45 exactly: as many students in both schools, values 1.45 and 0.55 about a mean of 1.
    rows = county_inputs().schools
    twin = rows[rows["school_code"].eq("9909010003")]
    pair = pd.concat([twin, twin.assign(school_code="9909010004", school_name="4校")], ignore_index=True)
    pair["equipment_value_yuan"] = [1_450_000.0, 550_000.0]
    found = attainment(pair).dispersion_table()
    row = found[found["stage"].eq("junior") & found["indicator"].eq("L6")].iloc[0]
    assert (row["cv"], row["verdict"]) == (pytest.approx(cap.value), "met")
    pair["equipment_value_yuan"] = [1_450_001.0, 549_999.0]
    assert attainment(pair).dispersion_table().set_index(["stage", "indicator"]).loc[("junior", "L6"), "verdict"] == "not_met"


# --- readings -------------------------------------------------------------------------------------------------------


def test_a_verdict_that_rests_on_the_reading_says_so() -> None:
    result = evaluate(county_inputs())  # 400 of 600 places: above 50 %, below 80 %
    rows = result.readings[result.readings["option"].eq("G14_limit")].set_index("choice")
    assert rows["verdict"].to_dict() == {"0.50": "met", "0.80": "not_met"} and rows["decisive"].all()
    assert result.tree.find("G14").reason == "结论取决于口径：按“80%（沁县）”为未达标"
    assert "结论取决于口径" not in result.tree.find("G7").reason  # 8000 yuan: met under every choice
    assert not result.readings[result.readings["option"].eq("G7_limit")]["decisive"].any()


@pytest.mark.parametrize(("allocated", "verdict"), [(480, "met"), (479, "not_met")])
def test_the_share_of_places_of_eighty_percent_is_included(allocated, verdict) -> None:
    inputs = put(county_inputs(), "county-facts", "quality_high_school_places_allocated", allocated)
    assert evaluate(inputs, NATIONAL.choose({"G14_limit": "0.80"})).tree.find("G14").verdict == verdict


@pytest.mark.parametrize("limit", ["7000", "8000"])
@pytest.mark.parametrize(("short", "verdict"), [(0, "met"), (1, "not_met")])
def test_other_limits_of_special_education_funding_are_included(limit, short, verdict) -> None:
    inputs = put(county_inputs(), "county-facts", "special_ed_funding_yuan", 50 * int(limit) - short)
    assert evaluate(inputs, NATIONAL.choose({"G7_limit": limit})).tree.find("G7").verdict == verdict


@pytest.mark.parametrize(("graduates", "verdict"), [(940, "met"), (939, "not_met"), (941, "met")])
def test_retention_by_formula_b_at_its_limit(graduates, verdict) -> None:
    """(graduates - 30 + 40) / 1000 entrants: 940 graduates are exactly 95 %."""
    inputs = put(county_inputs(), "county-facts", "junior_graduates", graduates)
    assert evaluate(inputs, NATIONAL.choose({"Q1_formula": "B"})).tree.find("Q1").verdict == verdict


@pytest.mark.parametrize(("score", "verdict"), [(0.85, "met"), (0.84, "not_met"), (None, "undecided")])
def test_recognition_by_score(score, verdict) -> None:
    inputs = changed(county_inputs(), "survey", lambda rows: rows.assign(mean_score=float("nan") if score is None else score))
    assert evaluate(inputs, NATIONAL.choose({"R_scoring": "mean_score"})).tree.find("R").verdict == verdict


def test_a_parent_is_as_weak_as_its_weakest_deciding_condition(whole) -> None:
    assert [whole.tree.find(code).status for code in ("G14", "G14_places", "G14:evidence", "G15")] == [
        "unverified", "unverified", "copy", "copy"]  # fmt: skip


def test_the_share_of_rural_schools_stands_beside_the_documents(whole) -> None:
    node = whole.tree.find("G14:evidence")
    assert "其中分配到农村初中的名额数 250，占 62.5%，仅供参考" in node.reason
    assert [e.value for e in node.elements][-2:] == [250, 400]


@pytest.mark.parametrize(("area", "verdict"), [(89.99, "not_met"), (90, "met"), (None, "undecided")])
def test_an_art_room_counts_from_ninety_square_metres(area, verdict) -> None:
    result = evaluate(put(county_inputs(), "room", "area_m2", float("nan") if area is None else area, 1))
    assert (result.tree.find("G3").verdict, result.verdict) == (verdict, verdict)


def test_a_school_without_an_answer_on_information_technology_is_undecided() -> None:
    result = evaluate(put(county_inputs(), "school-facts", "informatised", pd.NA))
    assert [result.tree.find(c).verdict for c in ("Q3_informatised", "Q3_charter", "Q3")] == ["undecided", "met", "undecided"]


def test_falling_spending_is_shown_and_decides_nothing() -> None:
    result = evaluate(put(county_inputs(), "finance", "public_education_spending_yuan", 1, row=1))
    assert (result.tree.find("F1").verdict, result.tree.find("supplement").verdict) == ("not_met", "not_met")
    assert not result.tree.find("supplement").decides and result.verdict == "met"


def test_finance_of_later_years_is_not_looked_at() -> None:
    later = {"fiscal_year": YEAR + 1, "public_education_spending_yuan": 1, "students": 1200}
    inputs = changed(county_inputs(), "finance", lambda rows: pd.concat([rows, pd.DataFrame([later])], ignore_index=True))
    assert evaluate(inputs).tree.find("F1").verdict == "met"


@pytest.mark.parametrize("years", [(YEAR - 3, YEAR - 2), (YEAR - 2, YEAR - 1)])
def test_spending_of_years_gone_by_says_nothing_of_the_year_judged(years) -> None:
    inputs = changed(county_inputs(), "finance", lambda rows: rows.assign(fiscal_year=list(years)))
    node = evaluate(inputs).tree.find("F1")
    assert (node.verdict, node.reason) == ("undecided", f"没有 {YEAR} 年的数据")


# --- what is missing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", BESIDE)
def test_without_a_table_what_rests_on_it_is_undecided_and_nothing_else(table) -> None:
    result = evaluate(changed(county_inputs(), table, lambda rows: None))
    found = {code: verdict for code, verdict in verdicts(result).items() if verdict != "met"}
    assert found == dict.fromkeys(RESTS_ON[table].split(), "undecided")
    assert result.verdict == ("undecided" if set(found) & set(DECIDING) else "met")


def test_empty_tables_are_as_good_as_none() -> None:
    inputs = county_inputs()
    result = evaluate(replace(inputs, tables={name: rows.iloc[:0] for name, rows in inputs.tables.items()}))
    found = {code: verdict for code, verdict in verdicts(result).items() if verdict != "met"}
    assert found == dict.fromkeys((code for codes in RESTS_ON.values() for code in codes.split()), "undecided")


def test_not_met_stands_beside_what_is_missing() -> None:
    inputs = changed(FAILURES["V6"](county_inputs()), "survey", lambda rows: None)
    result = evaluate(inputs)
    assert (result.tree.find("R").verdict, result.tree.find("V-R").verdict, result.verdict) == ("undecided", "undecided", "not_met")


def test_a_stage_without_schools_is_undecided() -> None:
    inputs = county_inputs()
    result = evaluate(replace(inputs, schools=inputs.schools[inputs.schools["school_type"].eq("primary")]))
    for code in ("schools:junior", "L1:junior", "L7:junior"):
        node = result.tree.find(code)
        assert (node.verdict, node.reason) == ("undecided", "没有初中学校的数据")
    assert (result.tree.find("L1").verdict, result.tree.find("resources").verdict) == ("undecided", "undecided")


# --- refusals -------------------------------------------------------------------------------------------------------


def test_resources_of_another_county_year_or_standard_are_refused() -> None:
    inputs = county_inputs()
    found = attainment(inputs.schools)
    for other in (replace(inputs, county_code="990902"), replace(inputs, school_year=YEAR - 1)):
        with pytest.raises(InputError, match="资源配置判定与所评估的县、学年或标准不符"):
            evaluate_county(other, NATIONAL, found)
    with pytest.raises(InputError, match="资源配置判定与所评估的县、学年或标准不符"):
        evaluate_county(inputs, replace(NATIONAL, id="basic-2012"), found)


def test_two_rows_of_facts_are_refused() -> None:
    inputs = changed(county_inputs(), "county-facts", lambda rows: pd.concat([rows, rows], ignore_index=True))
    with pytest.raises(InputError, match="一个县一个学年有两行数据"):
        evaluate(inputs)


def test_a_misspelt_code_of_evidence_is_refused_and_that_of_a_plan_is_not() -> None:
    with pytest.raises(InputError, match="没有这个条目代码") as caught:
        evaluate(put(county_inputs(), "evidence", "item", "G100"))
    assert "G10" in str(caught.value)
    assert evaluate(put(county_inputs(), "evidence", "item", "E-rooms")).tree.find("P2").verdict == "undecided"


@pytest.mark.parametrize("code", ["G2", "G11", "L3", "R"])
def test_a_record_under_an_item_that_no_document_decides_is_not_looked_at(code, whole) -> None:
    another = changed(county_inputs(), "evidence", lambda rows: pd.concat([rows, rows.iloc[:1].assign(item=code, finding="not_met")]))
    assert verdicts(evaluate(another)) == verdicts(whole)


def test_a_code_that_is_not_in_the_tree_is_refused(whole) -> None:
    with pytest.raises(InputError, match="没有这个条目"):
        whole.tree.find("G16")


# --- options --------------------------------------------------------------------------------------------------------


def test_another_choice_gives_another_verdict_and_is_printed() -> None:
    result = evaluate(county_inputs(), NATIONAL.choose({"G14_limit": "0.80"}))
    node = result.tree.find("G14_places")
    assert (node.verdict, node.limit) == ("not_met", 0.8) and "80%" in node.option
    assert "50%" in evaluate(county_inputs()).tree.find("G14_places").option


# --- the resource part alone ----------------------------------------------------------------------------------------


ALSO, ALIKE = ("computers", "books", "titled_teachers_primary", "titled_teachers_junior"), [50.0, 10.0, 50.0]


def resources_of(standard, schools) -> Node:
    return evaluate_resources_only(assess(compute_indicators(stage_parts(schools, standard, SCHOOL), standard)), standard)


def test_a_standard_without_evaluation_has_a_resource_part_alone() -> None:
    schools = county_inputs().schools.assign(**dict.fromkeys(ALSO, ALIKE))
    tree = resources_of(BASIC, schools)
    assert (tree.code, tree.label, [c.code for c in tree.children]) == ("county", BASIC.label_zh, ["resources"])
    composite = tree.find("composite:primary")
    assert (composite.value, composite.limit, composite.verdict, composite.status) == (pytest.approx(0.0, abs=1e-12), 0.65, "met", "copy")
    assert [c.code for c in tree.find("resources").children] == ["composite"]
    assert tree.verdict == "met"
    missing = resources_of(BASIC, schools.assign(books=[float("nan"), 1, 1]))
    assert (missing.find("composite:primary").verdict, missing.verdict) == ("undecided", "undecided")


def test_resources_of_the_national_standard_are_those_of_the_whole_tree(whole) -> None:
    alone = resources_of(STANDARD, county_inputs().schools).find("resources")
    there = {n.code: (n.verdict, n.value, n.limit) for _, _, n in whole.tree.find("resources").walk()}
    assert {n.code: (n.verdict, n.value, n.limit) for _, _, n in alone.walk()} == there


def test_several_counties_at_once_are_refused() -> None:
    schools = county_inputs().schools
    both = pd.concat([schools, schools.assign(county_code="990902", county_name="另县")], ignore_index=True)
    with pytest.raises(InputError, match="一次只能评估一个县一个学年"):
        resources_of(STANDARD, both)


# --- what comes out -------------------------------------------------------------------------------------------------


def test_tidy_names_parents_and_short_labels(whole) -> None:
    tidy = whole.tidy().set_index("code")
    assert tidy.loc["G11_backbone", ["parent", "depth"]].tolist() == ["G11", 3]
    assert tidy.loc["G11", "short"] == NATIONAL.item("G11").short_zh and tidy.loc["G11_backbone", "short"] == ""
    assert tidy.loc["county", "parent"] == ""


def test_plain_data_can_be_written_as_json(whole) -> None:
    plain = json.loads(json.dumps(whole.to_dict(), allow_nan=False, default=int))
    assert (plain["county_code"], plain["verdict"], plain["evaluation"]) == (COUNTY, "met", "national-2017")
    assert plain["tree"]["children"][2]["children"][6]["code"] == "G7"
    assert set(plain["schools"]) == {i.code for i in NATIONAL.items if i.kind == "schools"}


def test_the_figure_has_a_tile_for_every_item(whole) -> None:
    drawn = {text.get_text() for text in whole.plot().texts}
    assert {i.code for i in NATIONAL.items} <= drawn


def test_an_english_evaluation_has_chinese_only_in_names_and_quotations() -> None:
    inputs = changed(put(county_inputs(), "survey", "valid", None), "evidence", lambda rows: rows.iloc[:0])
    with speaking("en"):
        result = evaluate(replace(inputs, county_name="Example"))
        tidy, summary = result.tidy(), result.summary()
        elements = [f"{e.label} {e.unit}" for _, _, n in result.tree.walk() for e in n.elements]
        formulas = [n.formula for _, _, n in result.tree.walk()]
    known = sorted({s.title_en for s in NATIONAL.sources.values()} | {"1校", "2校", "3校"}, key=len, reverse=True)
    shown = [*tidy["label"], *tidy["short"], *tidy["unit"], *tidy["reason"], summary, *elements, *formulas]
    for text in shown:
        for word in known:
            text = text.replace(word, "")
        assert not HAN.search(text), text


def test_the_survey_of_the_county_is_as_large_as_asked_for(whole) -> None:
    assert whole.recognition.valid == sum(valid for valid, _ in SURVEY.values()) >= whole.recognition.needed == 300
