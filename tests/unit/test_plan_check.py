"""Checking plans: every flag of the five documents is computed, each kind appears with its cause and goes with it."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import plan_data as made
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbresearch.language import speaking
from qbresearch.results.plans.check import check_plan
from qbresearch.results.plans.findings import (
    KINDS,
    PlanCheck,
    kind_words,
    severity_words,
)
from qbresearch.rules.evaluations import latest_evaluation
from qbresearch.rules.plans import Blank, Month, PlanUse, Remark, load_plan
from qbresearch.rules.standards import Source, latest_standard

EVALUATION, STANDARD, BASIC = latest_evaluation("national-2017"), latest_standard("national-2017"), latest_standard("basic-2012")


def check(use: PlanUse) -> PlanCheck:
    return check_plan(use, EVALUATION, STANDARD, others=(BASIC,))


def kinds(use: PlanUse) -> set[str]:
    return {finding.kind for finding in check(use).findings}


# --- the five documents -------------------------------------------------------------------------------------------
# What a careful reader of the five documents noted; each entry: kind, and words that the finding has to contain.

DOCUMENTS = {
    "x-county-2026": [
        ("ends_after_target", ("新建改扩建", "2028", "2027 年 12 月")),
        ("stricter", ("7", "严于标准的 6")),
        ("stricter", ("0.35", "0.50")),
        ("stricter", ("0.32", "0.45")),
        ("scope_unsaid", ("校际差异系数（小学）", "所有指标")),
        ("scope_unsaid", ("校际差异系数（初中）", "所有指标")),
        ("base_unsaid", ("交流轮岗", "符合交流条件教师总数")),
        ("undefined_indicator", ("城乡教育质量差异系数",)),
        ("base_differs", ("公用经费总额", "公用经费预算总额")),
        ("tight_deadline", ("2026 年 12 月", "2026 年 9 月", "未核实")),
        ("stricter", ("群众满意度", "90 %", "85 %")),
        ("stricter", ("轮岗", "15 %", "10 %")),
        ("stricter", ("随迁子女", "95 %", "85 %")),
        ("base_differs", ("随迁子女", "公办学校", "购买服务")),
        ("stricter", ("残疾", "99.8 %", "95 %")),
        ("base_differs", ("三类残疾",)),
        ("blank_left", ("骨干教师占交流教师总数", "%")),
        ("blank_left", ("26 处", "投资", "亿元", "动员部署阶段开始月份")),
        ("other_term", ("群众满意度", "社会认可度")),
    ],
    "guzhen-2025": [
        ("other_part", ("经费投入", "F1", "F2", "资源配置")),
        ("other_standard", ("生均图书册数", "基本均衡")),
        ("not_named", ("L4", "L5", "L7")),
        ("group_missing", ("学生",)),
        ("no_resource_numbers", ("L1", "L7")),
    ],
    "qinxian-2021": [
        ("two_values", ("巩固率", "95 %", "99 %")),
        ("two_values", ("残疾儿童", "95 %", "99 %")),
        ("two_names", ("教育部", "国务院")),
        ("stricter", ("优质高中", "80 %", "50 %")),
        ("period_longer", ("年份栏", "2035", "2030")),
        ("rule_left_out", ("项数", "6")),
        ("rule_left_out", ("下限", "0.85")),
        ("other_term", ("两个增长", "只增不减")),
        ("other_term", ("硬件设施无差异", "差异系数")),
        ("unread", ("晋政教督函〔2021〕3号",)),
    ],
    "longzihu-2024": [
        ("begins_before_issue", ("对标自查", "2023", "2024 年 9 月")),
        ("begins_before_issue", ("3 年内", "2025", "2023")),
        ("phases_share_year", ("2024", "对标自查", "整改达标", "没有写明月份")),
        ("two_names", ("教育部", "教督厅函〔2024〕10号")),
        ("two_names", ("领导小组", "工作专班")),
        ("other_standard", ("中高级职称", "基本均衡")),
        ("other_term", ("生均事业费", "只增不减")),
        ("no_resource_numbers", ("L1", "L7")),
        ("unread", ("皖教督〔2018〕8号",)),
        ("remark", ("区长",)),
    ],
    "xinganmeng-2025": [
        ("begins_before_issue", ("阿尔山市", "2026", "2024", "2025 年 6 月")),
        ("weaker_condition", ("阿尔山市", "起始年级", "所有班级")),
        ("stricter", ("校校达标、项项达标", "7", "6")),
        ("tight_deadline", ("差异系数", "阿尔山市", "2025 年 9 月", "科右中旗", "2027 年 9 月", "未核实")),
        ("unit_wording", ("7项生均指标", "3 项", "4 项", "L1、L2、L3、L7")),
        ("remark", ("2025年620",)),
    ],
}


@pytest.mark.parametrize("plan_id", DOCUMENTS)
def test_every_flag_of_a_document_is_found(plan_id):
    found = check(load_plan(plan_id)).findings
    for kind, words in DOCUMENTS[plan_id]:
        assert [f for f in found if f.kind == kind and all(w in f.sentence for w in words)], (kind, words)


@pytest.mark.parametrize("plan_id", DOCUMENTS)
def test_a_finding_quotes_what_it_rests_on(plan_id):
    check_result = check(load_plan(plan_id))
    for finding in check_result.findings:
        assert finding.citation or finding.against, finding
        if finding.kind in ("two_values", "stricter", "weaker", "two_names", "other_term"):
            assert finding.citation and finding.against, finding
    assert list(check_result.tidy()["kind"]) == sorted(check_result.tidy()["kind"], key=list(KINDS).index)


def test_what_a_document_does_not_do_is_not_found():
    qinxian = {f.kind for f in check(load_plan("qinxian-2021")).findings}
    assert not qinxian & {"weaker", "counts_differ", "phases_overlap", "phases_gap", "begins_before_issue", "ends_after_target"}
    first_year = {f.about for f in check(load_plan("xinganmeng-2025")).of("begins_before_issue")}
    assert first_year == {("progress", "阿尔山市")}  # 2026 is the first year of the two that the others prepare in


# --- one cause, one kind ------------------------------------------------------------------------------------------


def test_a_plan_without_fault_gives_no_finding():
    result = check(made.use())
    assert result.findings == ()
    assert "没有发现矛盾" in result.summary()


def with_targets(*targets):
    return made.use(made.plan(targets=(*made.plan().targets, *targets)))


def with_mentions(*mentions, **changes):
    return made.use(made.plan(mentions=mentions, **changes))


def with_sections(*sections):
    return made.use(made.plan(sections=sections))


def with_conditions(*conditions):
    return made.use(made.prefecture_plan(*conditions))


UNSEEN = Source("other", "某文件", "Some document", "未见", "只见引用")
BLANK = Blank("money", "投资", "Investment", "万元", "10,000 yuan", made.cite("投资X万元"))
GROUPS = tuple(f"group:{group.id}" for group in EVALUATION.groups)
RESOURCES = tuple(item.code for item in EVALUATION.items if item.part == "resources")

# What makes the flag appear, and the same with the cause taken away.
CAUSES = {
    "two_values": (with_targets(made.target("requirement:G11_rotation", 0.2, kind="measure")),
                   with_targets(made.target("requirement:G11_rotation", 0.1, kind="measure"))),
    "stricter": (with_targets(made.target("cap:coefficient_of_variation:junior", 0.449)),
                 with_targets(made.target("cap:coefficient_of_variation:junior", 0.45))),
    "weaker": (with_targets(made.target("threshold:L1:primary", 4.1)), with_targets(made.target("threshold:L1:primary", 4.2))),
    "base_differs": (with_targets(made.target("requirement:Q1_retention", 0.95, base="城区")),
                     with_targets(made.target("requirement:Q1_retention", 0.95))),
    "base_unsaid": (with_targets(made.target("requirement:Q1_retention", 0.95, base="")),
                    with_targets(made.target("requirement:Q1_retention", 0.95))),
    "scope_differs": (with_targets(made.target("requirement:Q1_retention", 0.95, scope="城区学校")),
                      with_targets(made.target("requirement:Q1_retention", 0.95))),
    "scope_unsaid": (with_targets(made.target("requirement:Q1_retention", 0.95, scope="")),
                     with_targets(made.target("requirement:Q1_retention", 0.95))),
    "undefined_indicator": (with_targets(made.target("indicator:gap", None)), made.use()),
    "other_standard": (made.use(made.plan(commitments=(made.commitment("books", indicator="basic-2012:books_per_student"),))),
                       made.use(made.plan(commitments=(made.commitment("books"),)))),
    "blank_left": (made.use(made.plan(blanks=(BLANK,))), made.use(made.plan(blanks=(BLANK,)), fills={"money": 5.0})),
    "ends_after_target": (made.use(made.plan(commitments=(made.commitment("build", due=Month(2028, 1)),))),
                          made.use(made.plan(commitments=(made.commitment("build", due=Month(2026, 8)),)))),
    "tight_deadline": (made.use(made.plan(commitments=(made.commitment("招聘教师", due=Month(2026, 10)),))),
                       made.use(made.plan(commitments=(made.commitment("招聘教师", due=Month(2026, 9)),)))),
    "begins_before_issue": (made.use(made.plan(issued=Month(2022, 2))), made.use(made.plan(issued=Month(2022, 1)))),
    "phases_share_year": (made.use(made.plan(phases=(made.phase("1", Month(2022), Month(2024)), made.phase("2", Month(2024), Month(2027))))),
                          made.use(made.plan(phases=(made.phase("1", Month(2022), Month(2024)), made.phase("2", Month(2025), Month(2027)))))),
    "phases_overlap": (made.use(made.plan(phases=(made.phase("1", Month(2022), Month(2024, 9)), made.phase("2", Month(2024, 9), Month(2027))))),
                       made.use(made.plan(phases=(made.phase("1", Month(2022), Month(2024)), made.phase("2", Month(2025), Month(2027)))))),
    "phases_gap": (made.use(made.plan(phases=(made.phase("1", Month(2022), Month(2024)), made.phase("2", Month(2025, 2), Month(2027))))),
                   made.use(made.plan(phases=(made.phase("1", Month(2022), Month(2024)), made.phase("2", None, Month(2027)))))),
    "period_longer": (made.use(made.plan(period=(Month(2022), Month(2030)))), made.use(made.plan(period=None))),
    "counts_differ": (made.use(made.plan(facts=made.plan().facts | made.facts(schools_primary="2"))), made.use()),
    "rule_left_out": (made.use(made.plan(complete=True, targets=made.plan().targets[:2])), made.use(made.plan(complete=True))),
    "no_resource_numbers": (made.use(made.plan(targets=made.plan().targets[1:])), made.use()),
    "weaker_condition": (with_conditions(made.condition("classes", "G5", scope="starting_grades", due=Month(2026, 9))),
                         with_conditions(made.condition("classes", "G5", scope="starting_grades", due=Month(2024, 9)))),
    "unit_wording": (with_mentions(made.mention("count", "resources", "7项生均指标")), with_mentions(made.mention("count", "resources", "7项指标"))),
    "two_names": (with_mentions(made.mention("body", "机构", "领导小组"), made.mention("body", "机构", "专班")),
                  with_mentions(made.mention("body", "机构", "领导小组"), made.mention("body", "机构", "领导小组"))),
    "other_term": (with_mentions(made.mention("term", "F1", "两个增长")), with_mentions(made.mention("term", "F1", "只增不减"))),
    "unread": (with_mentions(made.mention("basis", "other", "某文件"), sources={"other": UNSEEN}),
               with_mentions(made.mention("basis", "other", "某文件"), sources={"other": replace(UNSEEN, read="全文")})),
    "other_part": (with_sections(made.section("1", part="resources", codes=("F1",))), with_sections(made.section("1", part="supplement", codes=("F1",)))),
    "not_named": (with_sections(made.section("1", part="resources", named=RESOURCES[:3])), with_sections(made.section("1", part="resources", named=RESOURCES))),
    "group_missing": (with_sections(made.section("1", named=GROUPS[1:])), with_sections(made.section("1", named=GROUPS))),
    "remark": (made.use(made.plan(remarks=(Remark("缺字。", "A character is missing.", made.cite()),))), made.use()),
}  # fmt: skip


def test_every_kind_has_a_cause():
    assert set(CAUSES) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_flag_appears_with_its_cause_and_goes_with_it(kind):
    faulty, sound = CAUSES[kind]
    assert kind in kinds(faulty)
    assert kind not in kinds(sound)


@pytest.mark.parametrize("kind", ["two_values", "stricter", "base_unsaid", "blank_left", "phases_gap", "counts_differ", "other_term"])
def test_one_cause_makes_no_second_finding(kind):
    assert kinds(CAUSES[kind][0]) - {kind} <= {"stricter"}  # the second of two values is also stricter


def test_two_goals_with_different_dates_are_steps():
    steps = [made.target("requirement:Q1_retention", v, due=Month(y)) for v, y in ((0.96, 2024), (0.98, 2026))]
    assert "two_values" not in kinds(with_targets(*steps))
    assert "two_values" in kinds(with_targets(steps[0], replace(steps[1], due=None)))


def test_a_count_that_differs_from_the_standard_is_found():
    assert "counts_differ" in kinds(with_mentions(made.mention("count", "government", "16项")))
    assert "counts_differ" not in kinds(with_mentions(made.mention("count", "government", "15项")))


def test_a_horizon_in_years_is_counted_back_from_the_target():
    facts = made.plan().facts | made.facts(horizon="7")
    assert [f.about for f in check(made.use(made.plan(facts=facts))).of("begins_before_issue")] == [("horizon",)]
    assert "begins_before_issue" not in kinds(made.use(made.plan(facts=facts | made.facts(horizon="6"))))


def test_entries_of_one_sentence_make_one_finding():
    promises = [replace(made.commitment(name, due=Month(2028)), citation=made.cite("建校X所，学位X个")) for name in ("schools", "places")]
    found = check(made.use(made.plan(commitments=tuple(promises)))).of("ends_after_target")
    assert [f.about for f in found] == [("schools", "places")]


def test_a_school_planned_after_the_target_is_found():
    own = made.plan(schools=(made.school("甲小学", 2028),), facts={}, period=None)
    assert [f.about for f in check(made.use(own)).of("ends_after_target")] == [("甲小学",)]


def test_what_holds_always_is_never_due_too_late():
    own = made.plan(stages=(made.stage("keep", made.condition("even", "resources")),))
    assert "tight_deadline" not in kinds(made.use(own))


def test_only_a_plan_that_restates_the_standard_leaves_rules_out():
    assert "rule_left_out" not in kinds(made.use(made.plan(complete=False, targets=made.plan().targets[:1])))


def test_a_start_in_the_year_of_the_issue_is_not_early():
    phases = (made.phase("1", Month(2022), Month(2024)), made.phase("2", Month(2025), Month(2027)))
    assert "begins_before_issue" not in kinds(made.use(made.plan(issued=Month(2022, 2), phases=phases)))


def test_a_condition_without_counties_rests_on_the_target_of_the_plan():
    own = made.plan(stages=(made.stage("end", made.condition("even", "resources"), offset=0),))
    assert [f.about for f in check(made.use(own)).of("tight_deadline")] == [("even", "")]


@pytest.mark.parametrize(("entry", "found"), [
    (made.commitment("新增学位", due=Month(2026, 10)), True), (made.commitment("校园文化", due=Month(2026, 10)), False),
    (made.task("rooms", "L4", due=Month(2026, 10)), True), (made.task("courses", "Q7", due=Month(2026, 10)), False),
])  # fmt: skip
def test_only_what_school_statistics_count_can_come_too_late_for_them(entry, found):
    own = made.plan(commitments=(entry,), tasks=()) if hasattr(entry, "value") else made.plan(commitments=(), tasks=(entry,))
    assert ("tight_deadline" in kinds(made.use(own))) == found


def test_conditions_of_several_counties_make_one_finding():
    found = check(with_conditions(made.condition("even", "L1", due=Month(2028, 1)))).of("tight_deadline")
    assert [f.about for f in found] == [("even", "甲县", "乙县")]
    assert "甲县（2026 年验收，统计为 2025 年 9 月）、乙县（2028 年验收，统计为 2027 年 9 月）" in found[0].sentence


def test_the_blanks_of_a_plan_are_one_finding_whatever_a_use_fills_in():
    two = made.plan(blanks=(BLANK, replace(BLANK, id="places", label_zh="学位", unit_zh="")))
    assert [f.about for f in check(made.use(two)).of("blank_left")] == [("money", "places")]
    assert [f.about for f in check(made.use(two, fills={"money": 5.0})).of("blank_left")] == [("places",)]


def test_what_is_inferred_is_no_contradiction():
    assert KINDS["tight_deadline"] == "gap" and KINDS["two_names"] == KINDS["phases_share_year"] == "remark"


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"remark"}))
def test_findings_speak_english(kind):
    chinese = [f.sentence for f in check(CAUSES[kind][0]).of(kind)]
    with speaking("en"):
        english = [f.sentence for f in check(CAUSES[kind][0]).of(kind)]
        assert set(kind_words()) == set(KINDS)
        assert set(severity_words()) == set(KINDS.values())
    for sentence in english:
        assert not re.search("[，。；：（）、]", re.sub("“[^”]*”", "", sentence)), sentence
    assert len(english) == len(chinese) and not set(english) & set(chinese)


def test_results_are_plain_data():
    result = check(load_plan("xinganmeng-2025"))
    assert json.loads(json.dumps(result.to_dict()))["counts"]["contradiction"] == result.counts()["contradiction"] > 0
    assert result.counts().keys() == {"contradiction", "weaker", "stricter", "gap", "remark"}
    assert sum(result.counts().values()) == len(result.findings) == len(result.tidy())


# --- properties ---------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.floats(0.0, 1.0))
def test_stricter_follows_the_direction_of_the_comparison(value):
    floor = {f.kind for f in check(with_targets(made.target("requirement:Q1_retention", value))).findings}
    cap = {f.kind for f in check(with_targets(made.target("cap:coefficient_of_variation:junior", value))).findings}
    assert ("stricter" in floor, "weaker" in floor) == (value > 0.95, value < 0.95)
    assert ("stricter" in cap, "weaker" in cap) == (value < 0.45, value > 0.45)


def _moved(month: Month | None, years: int) -> Month | None:
    return month and replace(month, year=month.year + years)


@settings(max_examples=10, deadline=None)
@given(st.integers(-3, 10), st.sampled_from(["begins_before_issue", "phases_overlap", "phases_gap", "ends_after_target", "tight_deadline"]))
def test_moving_all_dates_of_a_plan_changes_no_finding(years, kind):
    use = CAUSES[kind][0]
    own = use.plan
    moved = replace(
        own, issued=_moved(own.issued, years), target=_moved(own.target, years), period=None,
        commitments=tuple(replace(c, due=_moved(c.due, years)) for c in own.commitments),
        tasks=tuple(replace(t, due=_moved(t.due, years)) for t in own.tasks),
        phases=tuple(replace(p, start=_moved(p.start, years), end=_moved(p.end, years)) for p in own.phases),
        schools=tuple(replace(s, year=s.year + years) for s in own.schools),
    )  # fmt: skip
    assert kinds(replace(use, plan=moved)) == kinds(replace(use, plan=replace(own, period=None)))
