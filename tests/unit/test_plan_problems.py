"""Problems, measures, recommendations, the three lists and targets: what follows from what is not met."""

from __future__ import annotations

import json

import pandas as pd
import plan_data as made
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbresearch.errors import InputError
from qbresearch.exhibits.evaluation_tables import beside_table
from qbresearch.exhibits.plan_tables import problem_words, problems_table, targets_table
from qbresearch.language import speaking
from qbresearch.results.evaluation.tree import MET, NOT_MET, UNDECIDED, Node, parent
from qbresearch.results.plans.lists import roll_up, three_lists
from qbresearch.results.plans.problems import county_deadline, list_problems, recommend
from qbresearch.results.plans.targets import judge_targets
from qbresearch.rules.evaluations import latest_evaluation
from qbresearch.rules.overlays import overlay
from qbresearch.rules.plans import Month, load_plan
from qbresearch.rules.standards import latest_standard

EVALUATION, STANDARD = latest_evaluation("national-2017"), latest_standard("national-2017")
CV = "cap:coefficient_of_variation"


def county(*, rotation: float | None = 0.08, fund: str = MET, veto: str = MET, schools: str = NOT_MET, retention: float = 0.97) -> Node:
    """A county with numbers in three parts and findings in others."""
    def share(code: str, value: float | None, limit: float) -> Node:
        verdict = UNDECIDED if value is None else MET if value >= limit else NOT_MET
        return made.leaf(code, verdict, value, limit, percent=True)

    def spread(code: str, value: float) -> Node:
        verdict = MET if value <= 0.5 else NOT_MET
        return Node(f"{code}:primary", "小学", verdict, value, "at_most", 0.5, 0.5 - value)

    parts = [
        parent("resources", "资源配置", [
            parent("schools", "每所学校达标", [made.leaf("schools:primary", schools, reason="9 所学校中 3 所达标")]),
            parent("L1", "高学历教师", [spread("L1", 0.3)]), parent("L5", "运动场馆", [spread("L5", 0.6)]),
        ]),
        parent("government", "政府保障程度", [
            made.item("G11", share("G11_rotation", rotation, 0.1), share("G11_backbone", 0.25, 0.2)),
            made.item("G10", made.leaf("G10", fund, reason="材料认定未达到")),
        ]),
        parent("quality", "教育质量", [made.item("Q1", share("Q1_retention", retention, 0.95))]),
        parent("veto", "一票否决", [made.leaf("V3", veto, reason="发生重点班")]),
        parent("supplement", "附加核对", [made.item("F1", made.leaf("F1_spending", NOT_MET, 0.9, 1.0))], decides=False),
    ]  # fmt: skip
    return parent("county", "甲县", parts)


TASKS = (
    made.task("teachers", "L1", "G11", due=Month(2026, 6)), made.task("grounds", "L5"),
    made.task("rotation", "G11_rotation", departments=("人社局",)), made.task("government", "government"),
)  # fmt: skip
USE = made.use(made.plan(tasks=TASKS))


# --- problems ---------------------------------------------------------------------------------------------------------


def test_a_problem_leads_to_its_nearest_measure_its_departments_and_date():
    table = list_problems(county(), USE).tidy().set_index("code")
    assert table.loc["G11_rotation", ["task", "departments", "deadline", "deadline_from"]].tolist() == [
        "rotation", "人社局", "2027 年 12 月（规划总目标时间）", "plan"]  # fmt: skip
    assert table.loc["L5:primary", ["task", "item", "part", "departments"]].tolist() == ["grounds", "L5", "resources", "教育局、财政局"]
    assert "G11_backbone" not in table.index and "L1:primary" not in table.index


def test_what_no_task_answers_is_listed_as_such():
    problems = list_problems(county(fund=NOT_MET, retention=0.9), USE)
    assert problems.unanswered()["code"].tolist() == ["F1_spending", "Q1_retention"]
    assert problems.tidy().set_index("code").loc["G10", "task"] == "government"


def test_the_school_rule_is_answered_by_the_tasks_on_its_indicators():
    table = list_problems(county(), USE).tidy().set_index("code")
    assert table.loc["schools:primary", ["task", "measure"]].tolist() == ["teachers、grounds", "举措 teachers；举措 grounds"]
    assert table.loc["schools:primary", "departments"] == "教育局、财政局"
    assert table.loc["schools:primary", "deadline"] == "2026 年 6 月、2027 年 12 月（规划总目标时间）"
    named = made.use(made.plan(tasks=(*TASKS, made.task("rule", "schools"))))
    assert "rule" in list_problems(county(), named).tidy().set_index("code").loc["schools:primary", "task"]


def test_the_worst_comes_first_vetoes_before_all_and_findings_last():
    problems = list_problems(county(veto=NOT_MET, fund=NOT_MET), USE).tidy().drop_duplicates("rank")
    assert problems["code"].tolist()[0] == "V3"
    numbers = problems["relative_margin"].dropna()
    assert numbers.is_monotonic_increasing and (numbers < 0).all()
    assert problems["relative_margin"].isna().tolist() == [True, False, False, False, True, True]


def test_what_is_undecided_is_counted_and_no_problem():
    problems = list_problems(county(rotation=None), USE)
    assert "G11_rotation" not in problems.tidy()["code"].tolist()
    assert problems.undecided == 1
    assert "另有 1 项无法判定" in problems.summary()
    aside = parent("county", "甲县", [parent("supplement", "附加核对", [made.leaf("F1", UNDECIDED)], decides=False)])
    assert list_problems(aside, USE).undecided == 0


def test_supplementary_checks_are_problems_that_do_not_decide():
    table = list_problems(county(), USE).tidy().set_index("code")
    assert not table.loc["F1_spending", "decides"] and table.loc["L5:primary", "decides"]


def test_a_county_without_gaps_has_no_problems():
    problems = list_problems(made.met_tree("G1"), USE)
    assert problems.tidy().empty and problems.unanswered().empty
    assert json.loads(json.dumps(problems.to_dict()))["problems"] == []


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 2.0), st.floats(0.1, 2.0)), min_size=1, max_size=6))
def test_problems_are_the_conditions_below_their_limit_by_margin(pairs):
    leaves = [made.leaf(f"X{n}", MET if value >= limit else NOT_MET, value, limit) for n, (value, limit) in enumerate(pairs)]
    table = list_problems(made.tree(*leaves), made.use(made.plan(tasks=()))).tidy()
    expected = sorted((value - limit) / limit for value, limit in pairs if value < limit)
    assert table["relative_margin"].tolist() == pytest.approx(expected)


# --- the task list of 龙子湖: departments as the document has them --------------------------------------------------------

DEPARTMENTS = {
    "L4": ["区发改委", "区自规分局", "区财政局", "区住房城乡建设交通局", "区教育局", "各乡街"],
    "L1": ["区委组织部", "区委编办", "区人社局", "区教育局"],
    "Q9": ["区教育局", "区卫健委", "各乡街"],
    "Q3": ["区教育局", "各乡街"],
    "G15": ["区教育局", "各乡街"],
    "G8": ["区教育局", "区财政局"],
}


@pytest.mark.parametrize("code", DEPARTMENTS)
def test_departments_follow_the_mapping_of_the_document(code):
    problems = list_problems(made.tree(made.leaf(code, NOT_MET)), load_plan("longzihu-2024")).tidy()
    assert problems["departments"].tolist() == ["、".join(DEPARTMENTS[code])]
    assert problems["deadline"].tolist() == ["2025 年（规划总目标时间）"]


# --- recommendations ----------------------------------------------------------------------------------------------------


def advised(*recommendations) -> object:
    return made.use(made.plan(recommendations=recommendations))


def test_a_recommendation_is_chosen_by_a_gap_and_names_its_numbers():
    use = advised(made.recommendation("rotate", "G11"), made.recommendation("build", "L1"), made.recommendation("all", "resources"))
    found = recommend(county(), use)
    table = found.tidy().set_index("recommendation")
    assert list(table.index) == ["rotate", "all"]
    assert table.loc["rotate", "because"] == "G11 条件 G11_rotation为 8.0%，要求不低于 10%"
    assert table.loc["all", "because"] == "L5 运动场馆（小学）为 0.600，要求不超过 0.5；每所学校达标（条件 schools:primary）：9 所学校中 3 所达标"
    assert table.loc["all", "codes"] == "L5"
    assert found.unanswered == ("F1",)


def test_a_number_behind_a_recommendation_is_rounded_and_still_beyond_its_limit():
    cap = Node("L6:primary", "小学", NOT_MET, 0.450021, "at_most", 0.45, -0.000021)
    spread = parent("L6", "设备值", [cap])
    pay = made.item("G7", Node("G7_pay", "平均工资不低于公务员", NOT_MET, 0.0, "at_least", 1.0, -1.0, "1=是，0=否"))
    root = parent("county", "甲县", [parent("resources", "资源配置", [spread]), parent("government", "政府保障程度", [pay])])
    table = recommend(root, advised(made.recommendation("all", "L6", "G7"))).tidy()
    assert table["because"].item() == "L6 设备值（小学）为 0.45002，要求不超过 0.45；G7 平均工资不低于公务员为 否，要求为“是”"
    assert table["codes"].item() == "L6、G7"


def test_what_is_undecided_chooses_nothing():
    found = recommend(county(rotation=None), advised(made.recommendation("rotate", "G11")))
    assert found.tidy().empty and found.open == ("G11",)
    assert "没有未达标的条目" in found.summary()
    assert json.loads(json.dumps(found.to_dict()))["open"] == ["G11"]


def test_the_recommendations_of_a_document_wait_for_their_codes():
    use = load_plan("guzhen-2025")
    first = use.plan.recommendations[0]
    assert recommend(made.tree(made.leaf(first.codes[0], MET)), use).tidy().empty
    chosen = recommend(made.tree(made.leaf(first.codes[0], NOT_MET, 1.0, 2.0)), use).tidy()
    assert first.id in chosen["recommendation"].tolist() and set(chosen["section"]) <= {"3-1", "3-2", "3-3", "3-4"}


# --- the three lists ----------------------------------------------------------------------------------------------------


def projects(*rows: tuple) -> pd.DataFrame:
    columns = ["project", "item", "department", "start", "deadline", "finished", "investment_yuan"]
    return pd.DataFrame(rows, columns=columns).assign(county_code="990101")


PROJECT_STATES = {
    # start, deadline, finished: state, whether after the statistics of September 2026
    ("2025-01", "2026-03", "2026-02"): ("done", False),
    ("2025-01", "2026-03", "2026-03"): ("done", False),
    ("2025-01", "2026-03", "2026-04"): ("done_late", False),
    ("2025-01", "2026-09", ""): ("running", False),
    ("2025-01", "2026-06", None): ("late", False),
    ("2025-01", "2026-07", None): ("running", False),
    ("2025-01", "2026-06", "2026-06"): ("done", False),
    ("2025-01", "2026-05", ""): ("late", False),
    ("2025-01", "2026-10", ""): ("running", True),
    ("2025-01", "2026-05", "2026-10"): ("late", True),
    ("2026-07", "2026-08", ""): ("ahead", False),
    ("2025-01", "", ""): ("undated", False),
}


@pytest.mark.parametrize("dates", PROJECT_STATES)
def test_a_project_is_late_against_its_deadline_and_the_statistics(dates):
    lists = three_lists(USE, list_problems(county(), USE), projects(("体育馆", "L5", "教育局", *dates, 1e6)), as_of=Month(2026, 6))
    row = lists.projects.iloc[0]
    assert (row["state"], bool(row["after_statistics"])) == PROJECT_STATES[dates]


def test_tasks_projects_and_deadlines_of_a_county():
    data = projects(("体育馆", "L5", "教育局", "2025-01", "2026-05", "", 1e6), ("教室", "L4", "发改委", "2025-01", "2026-12", "", 2e6))
    other = data.assign(county_code="990102", project="别县项目")
    lists = three_lists(USE, list_problems(county(), USE), pd.concat([data, other]), as_of=Month(2026, 7), county="甲县")
    assert lists.projects["project"].tolist() == ["体育馆", "教室"]
    tasks = lists.tasks.set_index("task")
    assert tasks["problems"].to_dict() == {"teachers": 1, "grounds": 2, "rotation": 1, "government": 0}
    assert tasks["state"].to_dict() == {
        "teachers": "late", "grounds": "unrecorded", "rotation": "unrecorded", "government": "unrecorded"}
    assert lists.tidy()["what"].tolist() == ["体育馆", "举措 teachers", "教室", "举措 grounds", "举措 rotation"]
    assert lists.summary() == "甲县：针对未达标条目的任务 3 项，项目 2 个，其中逾期 1 个"
    assert json.loads(json.dumps(lists.to_dict()))["supplied"] is True
    assert [label.get_text() for label in lists.plot().get_yticklabels()] == ["体育馆", "教室"]


def test_without_a_project_table_nothing_is_said_about_projects():
    lists = three_lists(USE, list_problems(county(), USE), as_of=Month(2026, 7))
    assert not lists.supplied and "没有项目数据" in lists.summary()
    assert three_lists(USE, list_problems(county(), USE), projects(), as_of=Month(2026, 7)).supplied


def test_a_county_of_a_prefecture_is_measured_by_its_own_year():
    use = made.use(made.prefecture_plan(made.condition("x", "G5")), county_code="")
    row = ("体育馆", "L5", "教育局", "2025-01", "2026-05", "", 1e6)
    first = three_lists(use, list_problems(county(), use), projects(row), as_of=Month(2026, 1), county_code="990101")
    second = three_lists(
        use, list_problems(county(), use), projects(row).assign(county_code="990102"), as_of=Month(2026, 1), county_code="990102")
    assert (first.county, first.projects["after_statistics"].item()) == ("甲县", True)  # inspected in 2026: statistics of 2025
    assert (second.county, second.projects["after_statistics"].item()) == ("乙县", False)


def test_lists_add_up_for_a_prefecture():
    data = projects(("体育馆", "L5", "教育局", "2025-01", "2026-05", "", 1e6), ("教室", "L4", "发改委", "2025-01", "2026-12", "", 2e6))
    problems = list_problems(county(), USE)
    lists = {
        "990101": three_lists(USE, problems, data, as_of=Month(2026, 7), county="甲县"),
        "990102": three_lists(USE, problems, data.assign(county_code="990102", investment_yuan=None), as_of=Month(2026, 7),
                              county_code="990102", county="乙县"),
        "990103": three_lists(USE, problems, as_of=Month(2026, 7), county_code="990103", county="丙县"),
    }  # fmt: skip
    rolled = roll_up(lists)
    table = rolled.tidy().set_index("county")
    assert table["projects_late"].to_dict() == {"甲县": 1, "乙县": 1, "丙县": 0}
    assert table["investment_yuan"].fillna(-1).to_dict() == {"甲县": 3e6, "乙县": -1, "丙县": -1}
    assert len(rolled.projects) == 4 and len(rolled.deadlines) == 5 + 5 + 3
    assert rolled.summary() == "3 个县：项目 4 个，逾期 2 个"
    assert rolled.deadlines.columns[:2].tolist() == ["county_code", "county"]
    json.dumps(rolled.to_dict())


def test_lists_refuse_what_they_cannot_read():
    problems = list_problems(county(), USE)
    with pytest.raises(InputError, match="没有 deadline"):
        three_lists(USE, problems, projects().drop(columns="deadline"), as_of=Month(2026, 7))
    with pytest.raises(InputError, match="月份的写法不对"):
        three_lists(USE, problems, projects(("体育馆", "L5", "局", "2025-01", "明年", "", 1e6)), as_of=Month(2026, 7))
    with pytest.raises(InputError, match="没有一个县的清单"):
        roll_up({})


# --- targets ------------------------------------------------------------------------------------------------------------


def judged(*targets, national: Node | None = None, plan: Node | None = None) -> pd.DataFrame:
    laid = overlay(EVALUATION, STANDARD, made.use(made.plan(targets=targets)))
    return judge_targets(laid, national or county(), plan or county(), label="甲县方案").tidy()


def test_a_target_stands_beside_the_national_verdict():
    stricter = made.tree(made.item("Q1", made.leaf("Q1_retention", NOT_MET, 0.97, 0.99, percent=True)), part="quality")
    row = judged(made.target("requirement:Q1_retention", 0.99), plan=stricter).iloc[0]
    assert row[["value", "limit", "verdict", "plan_limit", "plan_verdict", "relation"]].tolist() == [
        0.97, 0.95, MET, 0.99, NOT_MET, "stricter"]  # fmt: skip
    assert row["quote"] == "达到 0.99" and "95%" in row["base_quote"]


def test_of_two_targets_each_is_judged_by_its_own_limit():
    table = judged(made.target("requirement:Q1_retention", 0.99), made.target("requirement:Q1_retention", 0.96, kind="measure", id="b"),
                   plan=made.tree(made.item("Q1", made.leaf("Q1_retention", NOT_MET, 0.97, 0.99)), part="quality"))  # fmt: skip
    assert table["plan_verdict"].tolist() == [NOT_MET, MET]
    assert table["judges"].tolist() == [True, False]


def test_a_cap_is_judged_by_the_largest_coefficient():
    row = judged(made.target(f"{CV}:primary", 0.35)).iloc[0]
    assert (row["value"], row["verdict"], row["plan_verdict"]) == (0.6, NOT_MET, NOT_MET)
    assert row["reason"] == "2 项中 1 项超过上限，最大的是运动场馆"
    assert judged(made.target(f"{CV}:junior", 0.32)).iloc[0][["verdict", "plan_verdict"]].tolist() == [UNDECIDED, UNDECIDED]


def test_the_school_rule_is_that_of_both_trees():
    row = judged(made.target("rule:school_min_met", 7.0), national=county(schools=MET)).iloc[0]
    assert (row["verdict"], row["plan_verdict"], row["reason"]) == (MET, NOT_MET, "条件 schools:primary：9 所学校中 3 所达标")


def test_what_no_data_can_decide_is_undecided_and_says_why():
    blank = made.target("requirement:G11_backbone", None, field="share")
    table = judged(made.target("indicator:gap", None), blank, made.target("threshold:L1:primary", 4.2), made.target("requirement:G12_certified", 1.0))
    assert table["plan_verdict"].tolist() == [UNDECIDED] * 4
    assert table["verdict"].tolist() == ["", MET, "", UNDECIDED]
    assert "没有可以计算的定义" in table["reason"][0] and "空白" in table["reason"][1]
    assert "学校判定" in table["reason"][2] and "没有评估结果" in table["reason"][3]
    assert table["value"].isna().tolist() == [True, False, True, True]


def test_the_targets_of_every_document_can_be_judged_and_printed():
    for plan_id in ("qinxian-2021", "x-county-2026", "guzhen-2025", "longzihu-2024", "xinganmeng-2025"):
        use = load_plan(plan_id)
        result = judge_targets(overlay(EVALUATION, STANDARD, use), county(), county(), label=use.label_zh)
        assert len(result.tidy()) == len(use.plan.targets)
        assert result.tidy()["plan_verdict"].isin([MET, NOT_MET, UNDECIDED]).all()
        assert len(beside_table(result.beside()).rows) == len(use.plan.targets)
        assert all(len(row) == 8 for row in targets_table(result.beside()).rows)
        assert json.loads(json.dumps(result.to_dict()))["plan"] == use.label_zh


def test_a_target_has_a_date_of_its_own_or_that_of_the_plan():
    laid = overlay(EVALUATION, STANDARD, made.use(made.plan(targets=(
        made.target("requirement:Q1_retention", 0.99, due=Month(2024)), made.target("requirement:G11_rotation", 0.2, field="share"),
    ))))  # fmt: skip
    plan = made.tree(made.leaf("Q1_retention", NOT_MET, 0.97, 0.99), made.leaf("G11_rotation", NOT_MET, 0.08, 0.2))
    overall = county_deadline(USE, "")
    table = judge_targets(laid, county(), plan, deadline=overall, as_of=Month(2024, 12), fills=("share",)).tidy()
    assert table["due"].tolist() == ["2024 年", "2027 年 12 月（规划总目标时间）"]
    assert table["timing"].tolist() == ["missed", "not_yet"] and table["filled"].tolist() == [False, True]
    assert set(judge_targets(laid, county(), plan).tidy()["timing"]) == {"not_yet", "no_date"}


def test_a_county_of_a_prefecture_has_its_own_year():
    use = made.use(made.prefecture_plan(made.condition("x", "G5"), tasks=TASKS), county_code="")
    row = list_problems(county(), use, county_code="990101").tidy().set_index("code").loc["L5:primary"]
    assert row[["deadline", "deadline_from", "deadline_quote"]].tolist() == ["2026 年", "county", "2026年甲县"]
    lists = three_lists(use, list_problems(county(), use, county_code="990102"), as_of=Month(2026, 1), county_code="990102")
    assert lists.tasks.set_index("task").loc["grounds", "deadline"] == "2028"
    assert list_problems(county(), use).tidy().set_index("code").loc["L5:primary", "deadline"] == "2027 年 12 月（规划总目标时间）"


def test_a_problem_says_value_requirement_and_the_national_verdict():
    plan = made.tree(made.item("Q1", Node("Q1_retention", "初中三年巩固率", NOT_MET, 0.958, "at_least", 0.99, -0.032, percent=True)), part="quality")
    national = made.tree(made.item("Q1", Node("Q1_retention", "初中三年巩固率", MET, 0.958, "at_least", 0.95, 0.008, percent=True)), part="quality")
    frame = list_problems(plan, USE, national=national).tidy()
    assert problem_words(frame.iloc[0]) == "初中三年巩固率 95.8%，低于规划 99%，国家 95% 已达到"
    assert problems_table(frame).rows[0][3:5] == ("−3.2 个百分点", "−3.2%")
    same = list_problems(plan, USE, national=plan).tidy()
    assert problem_words(same.iloc[0]) == "初中三年巩固率 95.8%，低于要求 99%"
    spread = list_problems(county(), USE).tidy().set_index("code").loc["L5:primary"]
    assert problem_words(spread) == "运动场馆（小学） 0.600，高于要求 0.5"


def test_columns_without_anything_are_left_out():
    bare = made.use(made.plan(tasks=(made.task("x", "G11", departments=()),), target=None))
    heads = [column["label"] for column in problems_table(list_problems(county(), bare).tidy()).columns]
    assert "责任部门" not in heads and "期限" not in heads and "措施" in heads
    none = [column["label"] for column in problems_table(list_problems(county(), bare).tidy(), measures=False).columns]
    assert "措施" not in none


def test_words_are_in_english_too():
    with speaking("en"):
        problems = list_problems(county(), USE)
        assert problems.summary() == "Plan of county A: 4 problems, 1 of them without a measure of the plan; 0 conditions undecided"
        assert three_lists(USE, problems, as_of=Month(2026, 7), county="A").summary() == "A: 3 tasks for what is not met; no data on projects"
        laid = overlay(EVALUATION, STANDARD, made.use(made.plan(targets=(made.target("requirement:Q1_retention", 0.95),))))
        assert judge_targets(laid, county(), county(), label="A").summary().startswith("A: 1 target, of which 1 met")
