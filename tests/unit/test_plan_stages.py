"""Stages of a prefecture's plan on the calendar, their conditions judged in time, and the prefecture at a glance."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import plan_data as made
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbresearch.errors import InputError
from qbresearch.language import speaking
from qbresearch.results.evaluation.tree import MET, NOT_MET, UNDECIDED, Node, parent
from qbresearch.results.plans.prefecture import summarize_prefecture
from qbresearch.results.plans.stages import (
    judge_stages,
    judge_starting_grades,
    phase_on,
    place_stages,
)
from qbresearch.rules.evaluations import latest_evaluation
from qbresearch.rules.plans import Month, load_plan

A, B = "990101", "990102"
G5 = made.condition("classes", "G5")


def evidence(*records: tuple[str, int, str, str]) -> pd.DataFrame:
    return pd.DataFrame(records, columns=["county_code", "school_year", "item", "finding"])


def judged(condition, trees, *, as_of=2025, records=None, starting=None) -> pd.DataFrame:
    calendar = place_stages(made.use(made.prefecture_plan(condition)), as_of=as_of)
    table = judge_stages(calendar, trees, records, starting_grades=starting).tidy()
    return table[table["condition"] == condition.id].set_index("county")


# --- the calendar of 兴安盟: years counted back from the target years of the document ----------------------------------

YEARS = {"阿尔山市": (2024, 2025, 2026), **dict.fromkeys(("乌兰浩特市", "扎赉特旗", "科右前旗", "突泉县", "科右中旗"), (2026, 2027, 2028))}


def test_the_stages_of_a_document_fall_where_it_counts_them():
    table = place_stages(load_plan("xinganmeng-2025"), as_of=2026).tidy()
    for county, years in YEARS.items():
        own = table[table["county"] == county].set_index("label")
        assert tuple(own.loc[["有效推进阶段", "全力攻坚阶段", "实地迎检阶段"], "year"]) == years
        assert own.loc["全面启动阶段", "when"] == "2025 年 8 月前"
        assert own.loc["成果巩固提高阶段", "state"] == "always"
    early = table[table["before_issue"]]
    assert early[["county", "label"]].to_numpy().tolist() == [["阿尔山市", "有效推进阶段"]]


@pytest.mark.parametrize(("as_of", "county", "stage"), [
    (2026, "阿尔山市", "实地迎检阶段"), (2026, "突泉县", "有效推进阶段"), (2025, "突泉县", "全面启动阶段"), (2030, "突泉县", "实地迎检阶段"),
])  # fmt: skip
def test_every_county_is_in_a_stage(as_of, county, stage):
    calendar = place_stages(load_plan("xinganmeng-2025"), as_of=as_of)
    assert calendar.now(county) == stage
    assert f"{county}处于{stage}" in calendar.summary()


def test_before_its_first_stage_a_county_waits_for_it():
    calendar = place_stages(made.use(made.prefecture_plan(G5)), as_of=2020)
    assert calendar.now("甲县") == "阶段 start"


@settings(max_examples=15, deadline=None)
@given(st.integers(2015, 2035))
def test_states_follow_the_year(as_of):
    table = place_stages(load_plan("xinganmeng-2025"), as_of=as_of).tidy()
    dated = table[table["state"] != "always"]
    assert (dated["state"].eq("now") == dated["year"].eq(as_of)).all()
    assert (dated["state"].eq("past") == dated["year"].lt(as_of)).all()


# --- conditions -------------------------------------------------------------------------------------------------------

# The condition is due in 2025 for county A (inspected in 2026) and in 2027 for county B.
TIMES = {
    # verdict, as of: state and warning of county A, of county B
    (MET, 2025): (("met", ""), ("met", "")),
    (NOT_MET, 2025): (("not_met", "overdue"), ("not_due", "")),
    (NOT_MET, 2024): (("not_due", "soon"), ("not_due", "")),
    (NOT_MET, 2026): (("not_met", "overdue"), ("not_due", "soon")),
    (NOT_MET, 2023): (("not_due", ""), ("not_due", "")),
    (UNDECIDED, 2025): (("undecided", "unknown"), ("not_due", "")),
    (UNDECIDED, 2024): (("not_due", ""), ("not_due", "")),
}


@pytest.mark.parametrize(("verdict", "as_of"), TIMES)
def test_a_condition_is_judged_when_it_is_due_and_warned_of_before(verdict, as_of):
    trees = {code: made.tree(made.leaf("G5", verdict)) for code in (A, B)}
    table = judged(G5, trees, as_of=as_of)
    found = tuple(tuple(table.loc[county, ["state", "warning"]]) for county in ("甲县", "乙县"))
    assert found == TIMES[verdict, as_of]
    assert tuple(table["due"]) == (2025, 2027)


def test_a_date_of_its_own_comes_before_that_of_the_stage():
    table = judged(made.condition("classes", "G5", due=Month(2024, 9)), {A: made.tree(made.leaf("G5", NOT_MET))})
    assert table.loc["甲县", ["due", "due_when", "warning"]].tolist() == [2024, "2024 年 9 月", "overdue"]


def test_all_codes_and_records_must_be_met():
    both = made.condition("both", "G5", "G3", evidence=("E-x",))
    tree = made.tree(made.leaf("G5", MET), made.leaf("G3", MET))
    records = evidence((A, 2024, "E-x", "met"), (A, 2024, "E-x", "met"), (A, 2022, "E-x", "not_met"))
    assert judged(both, {A: tree}, records=records).loc["甲县", "verdict"] == MET
    worse = evidence((A, 2024, "E-x", "met"), (A, 2024, "E-x", "not_met"))
    table = judged(both, {A: tree}, records=worse)
    assert table.loc["甲县", ["verdict", "reason"]].tolist() == [NOT_MET, "未达标：佐证材料"]
    open_tree = made.tree(made.leaf("G5", MET), made.leaf("G3", UNDECIDED))
    table = judged(both, {A: open_tree}, records=records)
    assert table.loc["甲县", ["verdict", "reason"]].tolist() == [UNDECIDED, "无法判定：G3 条件 G3"]
    assert judged(both, {A: open_tree}, records=worse).loc["甲县", "verdict"] == NOT_MET


def test_without_tree_or_record_nothing_is_said():
    table = judged(made.condition("both", "G5", evidence=("E-x",)), {})
    assert set(table["verdict"]) == {UNDECIDED}
    assert table.loc["甲县", "reason"] == "无法判定：G5、佐证材料"
    assert judged(made.condition("nothing"), {}).loc["甲县", "reason"] == "这一条没有可以判定的指标或材料"
    gap = evidence((A, 2024, "E-x", None), (B, 2024, "E-x", "met"))
    assert judged(made.condition("x", evidence=("E-x",)), {}, records=gap)["verdict"].tolist() == [UNDECIDED, MET]


def test_real_counties_without_codes_stay_undecided():
    calendar = place_stages(load_plan("xinganmeng-2025"), as_of=2028)
    table = judge_stages(calendar, {"": made.met_tree("G1", "G3", "G5")}, evidence(("", 2024, "E-survey", "met"))).tidy()
    assert set(table["county_code"]) == {""}
    assert set(table.loc[table["condition"] == "survey", "verdict"]) == {UNDECIDED}


STARTING = made.condition("classes", "G5", scope="starting_grades")


@pytest.mark.parametrize(("all_classes", "starting", "verdict"), [
    (MET, "", MET), (NOT_MET, "", UNDECIDED), (NOT_MET, MET, MET), (NOT_MET, NOT_MET, NOT_MET), (UNDECIDED, MET, MET),
    (MET, UNDECIDED, UNDECIDED),
])  # fmt: skip
def test_a_condition_on_starting_grades_needs_their_own_verdict(all_classes, starting, verdict):
    trees = {A: made.tree(made.leaf("G5", all_classes))}
    assert judged(STARTING, trees, starting={A: starting}).loc["甲县", "verdict"] == verdict


def classes(*rows: tuple[str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["stage", "grade", "students"])


@pytest.mark.parametrize(("rows", "verdict"), [
    ([("primary", "1", 45), ("junior", "7", 50), ("primary", "2", 60)], MET),
    ([("primary", "1", 46), ("junior", "7", 50)], NOT_MET),
    ([("primary", "1", 45), ("junior", "7", 51)], NOT_MET),
    ([("primary", "1", float("nan")), ("junior", "7", 50)], UNDECIDED),
    ([("primary", "1", float("nan")), ("primary", "1", 50), ("junior", "7", 50)], NOT_MET),
    ([("primary", "1", 45), ("junior", "8", 50)], UNDECIDED),
])  # fmt: skip
def test_starting_grades_are_the_first_of_each_stage(rows, verdict):
    assert judge_starting_grades(classes(*rows), latest_evaluation("national-2017")) == verdict


def test_without_classes_starting_grades_are_undecided():
    assert judge_starting_grades(None, latest_evaluation("national-2017")) == UNDECIDED


def test_what_holds_always_has_no_year_and_gives_no_warning():
    trees = {code: parent("county", "甲县", [made.leaf("G5", NOT_MET)]) for code in (A, B)}
    table = judge_stages(place_stages(made.use(made.prefecture_plan(G5)), as_of=2026), trees).tidy()
    keep = table[table["condition"] == "all"].set_index("county")
    assert set(keep["warning"]) == {""} and keep["due"].isna().all() and set(keep["due_when"]) == {"长期"}
    assert keep["state"].to_dict() == {"甲县": "not_met", "乙县": "not_due"}


def test_what_was_due_before_the_plan_was_issued_gives_no_warning():
    own = made.prefecture_plan(G5, issued=Month(2025, 6))
    first = place_stages(made.use(made.plan(
        level="prefecture", issued=Month(2025, 6), counties=(made.county("甲县", 2026, A),), schools=(),
        stages=(made.stage("early", G5, made.condition("rooms", "G5", due=Month(2025, 9)), offset=2),),
    )), as_of=2025)  # fmt: skip
    table = judge_stages(first, {A: made.tree(made.leaf("G5", NOT_MET))}).tidy().set_index("condition")
    assert table["warning"].to_dict() == {"classes": "exempt", "rooms": "overdue"}
    met = judge_stages(first, {A: made.tree(made.leaf("G5", MET))}).tidy()
    assert set(met["warning"]) == {""}
    later = judge_stages(place_stages(made.use(own), as_of=2025), {A: made.tree(made.leaf("G5", NOT_MET))})
    assert "exempt" not in later.tidy().loc[lambda d: d["condition"].eq("classes"), "warning"].tolist()


def test_every_item_means_all_that_decides():
    whole = replace(made.condition("all_met", "schools"), citation=made.cite("全面做到“项项达标、校校达标”"))
    tree = parent("county", "甲县", [
        parent("resources", "资源配置", [made.leaf("schools", MET), made.leaf("L1", MET)]), parent("quality", "教育质量", [made.leaf("Q1", NOT_MET)]),
        parent("supplement", "附加核对", [made.leaf("F1", NOT_MET)], decides=False),
    ])  # fmt: skip
    row = judged(whole, {A: tree}).loc["甲县"]
    assert row[["verdict", "reason"]].tolist() == [NOT_MET, "未达标：Q1 条件 Q1"]
    assert judged(made.condition("schools", "schools"), {A: tree}).loc["甲县", "verdict"] == MET


def test_a_county_stands_under_its_name_in_the_data():
    calendar = place_stages(made.use(made.prefecture_plan(G5)), as_of=2026, names={A: "模拟县"})
    assert calendar.tidy()[["county", "planned_county"]].drop_duplicates().to_numpy().tolist() == [["模拟县", "甲县"], ["乙县", "乙县"]]
    trees = {A: county_tree(MET, MET)}
    table = summarize_prefecture(calendar.use, judge_stages(calendar, trees), trees, trees).tidy()
    assert table[["county", "planned_county"]].to_numpy().tolist() == [["模拟县", "甲县"], ["乙县", "乙县"]]


def test_codes_of_nodes_and_records_are_never_printed():
    records = evidence((A, 2024, "E-x", "not_met")).assign(title="核查表")
    both = made.condition("both", "schools", evidence=("E-x", "E-y"))
    reason = judged(both, {A: made.tree(Node("schools", "每所学校达标", NOT_MET))}, records=records).loc["甲县", "reason"]
    assert reason == "未达标：每所学校达标、核查表"
    assert judged(made.condition("s", "schools"), {}).loc["甲县", "reason"] == "无法判定：评估条目"


def test_warnings_say_what_is_late():
    calendar = place_stages(made.use(made.prefecture_plan(G5)), as_of=2026)
    result = judge_stages(calendar, {code: made.tree(made.leaf("G5", NOT_MET)) for code in (A, B)})
    assert result.sentences() == (
        "甲县：阶段 build的条件“条件 classes”2025 年已到期，未达标：G5 条件 G5",
        "乙县：阶段 build的条件“条件 classes”2027 年到期，目前未达标：G5 条件 G5",
    )
    assert "到期未达的条件 1 条，明年到期而未达的 1 条，到期而无法判定的 2 条，期限早于规划印发而不作预警的 0 条" in result.summary()
    assert len(json.loads(json.dumps(result.to_dict()))["warnings"]) == 2
    with speaking("en"):
        assert judge_stages(calendar, {}).summary().endswith("4 are due and undecided") or "due" in result.summary()
    assert result.plot().get_yticklabels()[0].get_text() == "甲县"


def test_plans_without_counties_and_records_without_columns_are_refused():
    with pytest.raises(InputError, match="没有分县的阶段"):
        place_stages(load_plan("qinxian-2021"), as_of=2024)
    calendar = place_stages(made.use(made.prefecture_plan(G5)), as_of=2026)
    with pytest.raises(InputError, match="没有 finding"):
        judge_stages(calendar, {}, evidence().drop(columns="finding"))
    with pytest.raises(InputError, match="没有这个条目"):
        judge_stages(calendar, {A: made.met_tree("G1")})


# --- phases of a county's plan ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("month", "found"), [
    (Month(2022, 1), ["phase1"]), (Month(2023, 12), ["phase1"]), (Month(2024, 1), ["phase2"]), (Month(2030, 6), ["phase3"]),
    (Month(2021, 12), []), (Month(2031), []),
])  # fmt: skip
def test_the_phase_of_a_month(month, found):
    assert [phase.id for phase in phase_on(load_plan("qinxian-2021"), month)] == found


def test_phases_that_overlap_run_both_and_blank_ones_never():
    assert [p.id for p in phase_on(load_plan("longzihu-2024"), Month(2024, 5))] == ["stage1", "stage2"]
    assert phase_on(load_plan("x-county-2026"), Month(2026, 5)) == ()


# --- the prefecture ---------------------------------------------------------------------------------------------------


def county_tree(schools: str, quality: str) -> Node:
    parts = [
        parent("resources", "资源配置", [made.leaf("schools", schools), made.leaf("L1", MET)]),
        parent("quality", "教育质量", [made.leaf("Q1", quality), made.leaf("Q2", UNDECIDED)]),
        parent("government", "政府保障程度", [made.leaf("G5", NOT_MET)]),
        parent("veto", "一票否决", [made.leaf("V1", MET)]),
    ]
    return parent("county", "甲县", parts)


def test_a_prefecture_has_one_row_a_county():
    use = made.use(made.prefecture_plan(G5))
    trees, own = {A: county_tree(MET, MET)}, {A: county_tree(NOT_MET, NOT_MET)}
    stages = judge_stages(place_stages(use, as_of=2026), trees)
    result = summarize_prefecture(use, stages, trees, own)
    first, second = result.tidy().to_dict("records")
    assert {k: first[k] for k in ("indicators", "met", "not_met", "undecided")} == {"indicators": 4, "met": 2, "not_met": 1, "undecided": 1}
    assert (first["verdict"], first["plan_verdict"], first["target_year"]) == (NOT_MET, NOT_MET, 2026)
    assert (first["schools_verdict"], first["plan_schools_verdict"]) == (MET, NOT_MET)
    assert (first["overdue"], first["stage"], second["stage"]) == (1, "阶段 build", "阶段 start")
    assert second["verdict"] == second["plan_verdict"] == second["schools_verdict"] == UNDECIDED
    assert pd.isna(second["met"])
    assert "2 个县，按国家标准达标 0 个，按规划要求达标 0 个，无法判定 1 个" in result.summary()
    plain = json.loads(json.dumps(result.to_dict()))
    assert plain["table"][1]["met"] is None and len(plain["items"]) == 4
    assert result.plot(part="government").get_yticklabels()[0].get_text() == "甲县"


def test_real_counties_without_codes_have_no_verdict():
    use = load_plan("xinganmeng-2025")
    stages = judge_stages(place_stages(use, as_of=2026), {})
    table = summarize_prefecture(use, stages, {"": county_tree(MET, MET)}, {"": county_tree(MET, MET)}).tidy()
    assert set(table["verdict"]) == {UNDECIDED} and table["met"].isna().all()
