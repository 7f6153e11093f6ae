"""Evaluations: every number as the documents print it, options that choose among readings, and faults refused by name."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbresearch.errors import CitationError, InputError
from qbresearch.language import speaking
from qbresearch.provenance import file_sha256
from qbresearch.rules.citations import CITED, status_words
from qbresearch.rules.columns import load_table
from qbresearch.rules.evaluations import (
    PARTS,
    Evaluation,
    check_evaluations,
    has_evaluation,
    latest_evaluation,
    list_evaluations,
    load_evaluation,
    read_evaluation,
)
from qbresearch.rules.settings import setting
from qbresearch.rules.standards import latest_standard, list_standards, load_standard

PATH = CITED / "evaluations" / "national-2017.toml"
ON = date(2024, 9, 1)
HAN = re.compile(r"[\u3400-\u9fff]")

PRINTED = {
    # requirement: comparison, limit, how the document of 沁县 (沁政办函〔2021〕22号) prints it
    "G3_music_per_classes": ("at_most", 12, "每 12 个班级配备音乐、美术专用教室 1 间以上"),
    "G3_art_per_classes": ("at_most", 12, "每 12 个班级配备音乐、美术专用教室 1 间以上"),
    "G3_music_area": ("at_least", 96, "音乐专用教室面积不小于 96 平方米"),
    "G3_art_area": ("at_least", 90, "美术专用教室面积不小于 90 平方米"),
    "G4_size_separate": ("at_most", 2000, "小学、初中规模不超过 2000 人"),
    "G4_size_through": ("at_most", 2500, "义务教育阶段规模不超过 2500 人"),
    "G5_class_primary": ("at_most", 45, "所有班级学生数分别不超过 45 人、50 人"),
    "G5_class_junior": ("at_most", 50, "所有班级学生数分别不超过 45 人、50 人"),
    "G6_small_school": ("at_least", 100, "按 100 名学生核定公用经费"),
    "G7_funding": ("at_least", 6000, "生均公用经费不低于 6000 元"),
    "G8_pay": ("at_least", 1, "不低于当地公务员平均工资收入水平"),
    "G9_training": ("at_least", 1, "360 学时培训完成率达到 100%"),
    "G11_rotation": ("at_least", 0.10, "不低于符合交流条件教师总数的 10%"),
    "G11_backbone": ("at_least", 0.20, "不低于交流轮岗教师总数的 20%"),
    "G12_certified": ("at_least", 1, "上岗率达到 100%"),
    "G13_primary": ("at_least", 1, "就近划片入学比例分别达到 100%、95%以上"),
    "G13_junior": ("at_least", 0.95, "就近划片入学比例分别达到 100%、95%以上"),
    "G15_migrant": ("at_least", 0.85, "就读的比例不低于 85%"),
    "Q1_retention": ("at_least", 0.95, "初中三年巩固率达到 95%以上"),
    "Q2_disabled": ("at_least", 0.95, "残疾儿童少年入学率达到 95%以上"),
    "Q4_training": ("at_least", 0.05, "不低于学校年度公用经费预算总额的 5%"),
    "Q9_level": ("at_least", 3, "学业水平达到Ⅲ级以上"),
    "Q9_rate": ("below", 0.15, "校际差异率低于 0.15"),
    "R_recognition": ("at_least", 0.85, "社会认可度达到 85%以上"),
}
ELSEWHERE = {
    "P1_years": ("at_least", 3, "三年以上", "hebei"),
    "G14_places": ("at_least", 0.50, "不低于50%", "public-tools"),
    "Q3_charter": ("at_least", 1, "所有学校制定章程", "qinxian-2021"),
    "Q3_informatised": ("at_least", 1, "实现学校管理与教学信息化", "qinxian-2021"),
    "Q6_moral": ("at_least", 3, "良好以上", "qinxian-2021"),
    "Q6_culture": ("at_least", 3, "良好以上", "qinxian-2021"),
    "R_sample": ("at_least", 0.0015, "常住人口的1.5‰", "changhai-2024"),
    "R_parents": ("at_least", 0.50, "原则上不低于50%", "changhai-2024"),
    "F1_spending": ("not_less", 1, "只增不减", "guzhen-2025"),
    "F2_per_student": ("not_less", 1, "只增不减", "guzhen-2025"),
}


@pytest.fixture(scope="module")
def national() -> Evaluation:
    return load_evaluation("national-2017", on=ON)


# --- what the documents print ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRINTED)
def test_a_limit_is_that_of_the_document_with_its_comparison_and_its_words(national: Evaluation, name: str) -> None:
    comparison, limit, words = PRINTED[name]
    requirement = national.requirement(name)
    assert (requirement.comparison, requirement.limit) == (comparison, limit)
    assert words in requirement.citation.quote
    assert (requirement.citation.source, requirement.citation.status) == ("qinxian-2021", "copy")


@pytest.mark.parametrize("name", ELSEWHERE)
def test_limits_from_other_documents_say_where_they_come_from(national: Evaluation, name: str) -> None:
    comparison, limit, words, source = ELSEWHERE[name]
    requirement = national.requirement(name)
    assert (requirement.comparison, requirement.limit, requirement.citation.source) == (comparison, limit, source)
    assert words in requirement.citation.quote


def test_no_requirement_is_left_unchecked_by_these_tables(national: Evaluation) -> None:
    assert set(national.requirements) == {*PRINTED, *ELSEWHERE}


def test_words_of_inclusion_agree_with_the_comparison(national: Evaluation) -> None:
    """以上、不低于、不超过、达到、不小于 include the limit; 低于 alone does not."""
    for requirement in national.requirements.values():
        quote = requirement.citation.quote
        below = re.search(r"(?<!不)低于", quote) is not None
        assert (requirement.comparison == "below") == below, requirement.id
        assert (requirement.comparison == "at_most") == ("不超过" in quote or "每 12 个班级" in quote), requirement.id


def test_there_are_31_indicators_seven_fifteen_and_nine(national: Evaluation) -> None:
    counts = Counter(item.part for item in national.items)
    assert [counts[part] for part in ("resources", "government", "quality")] == [7, 15, 9]
    assert {part: counts[part] for part in ("prerequisites", "recognition", "veto", "supplement")} == {
        "prerequisites": 2, "recognition": 1, "veto": 6, "supplement": 2,
    }  # fmt: skip
    assert [i.code for i in national.items_of("government")] == [f"G{n}" for n in range(1, 16)]
    assert [i.code for i in national.items_of("quality")] == [f"Q{n}" for n in range(1, 10)]
    assert [i.code for i in national.items_of("resources")] == [i.code for i in latest_standard("national-2017").indicators]


def test_parts_stand_in_order_and_only_the_supplement_decides_nothing(national: Evaluation) -> None:
    assert [part.id for part in national.parts] == list(PARTS)
    assert [part.id for part in national.parts if not part.decides] == ["supplement"]


def test_resource_items_are_named_after_what_they_judge_and_quote_its_clause(national: Evaluation) -> None:
    for indicator in latest_standard("national-2017").indicators:
        item = national.item(indicator.code)
        assert (item.label_zh, item.short_zh, item.kind) == (*[f"{indicator.short_zh}校际差异系数"] * 2, "resources")
        assert "差异系数" in item.citation.quote and item.label_en.startswith("Coefficient of variation")


def test_the_rate_limit_is_the_one_of_the_analyses(national: Evaluation) -> None:
    assert national.requirement("Q9_rate").limit == setting("difference_rate_limit")


def test_relaxations_are_told_and_not_applied(national: Evaluation) -> None:
    rooms, size = national.item("G3").citation, national.item("G4").citation
    assert all(number in rooms.note for number in ("73", "67", "54", "61")) and "不采用" in rooms.note
    assert all(number in size.note for number in ("2400", "3000")) and "不采用" in size.note
    assert {r.limit for r in national.requirements.values()}.isdisjoint({73, 67, 54, 61, 2400, 3000})


def test_who_is_counted_below_the_line(national: Evaluation) -> None:
    expected = {
        "G7_funding": (("special_ed_funding_yuan",), ("special_ed_students",)),
        "G11_rotation": (("teachers_rotated",), ("teachers_eligible_rotation",)),
        "G11_backbone": (("backbone_teachers_rotated",), ("teachers_rotated",)),
        "G15_migrant": (("migrant_children_public", "migrant_children_purchased"), ("migrant_children",)),
        "Q2_disabled": (
            ("disabled_children_regular", "disabled_children_special", "disabled_children_home"), ("disabled_children",),
        ),
        "F2_per_student": (("public_education_spending_yuan",), ("students",)),
    }  # fmt: skip
    assert {name: (national.requirement(name).add, national.requirement(name).over_add) for name in expected} == expected


def test_every_column_is_a_number_of_its_table(national: Evaluation) -> None:
    for requirement in (*national.requirements.values(), *national.alternatives.values()):
        contract = load_table(requirement.table)
        assert all(contract.column(name).is_number for name in requirement.columns)


def test_evidence_needs_are_codes_that_the_item_names(national: Evaluation) -> None:
    assert national.item("G2").evidence == ("G2a", "G2b", "G2c", "G2d")
    assert national.item("G2").evidence_label("G2c") == "生均公用经费基准定额统一"
    assert national.item("V3").evidence_label("V3") == national.item("V3").label_zh
    mixed = {item.code for item in national.items if item.kind == "mixed"}
    assert mixed == {"G8", "G14", "G15"} and all(national.item(code).evidence == (code,) for code in mixed)


# --- options -----------------------------------------------------------------------------------------------------

CHOSEN = {
    "G3_rounding": "up", "G7_limit": "6000", "G14_limit": "0.50", "Q1_formula": "A", "Q4_base": "budget",
    "Q9_subjects": "six", "R_scoring": "satisfied_share",
}  # fmt: skip


def test_the_options_and_their_choices_in_force(national: Evaluation) -> None:
    assert {name: option.chosen for name, option in national.options.items()} == CHOSEN
    assert set(national.option("G7_limit").choices) == {"6000", "7000", "8000"}


def test_a_numeric_choice_is_the_limit_and_its_source_is_cited(national: Evaluation) -> None:
    others = {"7000": "由每生每年6000元提高至7000元", "8000": "不低于8000元"}
    for choice, words in others.items():
        changed = national.choose({"G7_limit": choice})
        assert changed.requirement("G7_funding").limit == float(choice)
        assert words in changed.requirement("G7_funding").citation.quote
    assert national.choose({"G14_limit": "0.80"}).requirement("G14_places").citation.source == "qinxian-2021"


def test_the_share_of_places_stays_unverified_until_another_is_chosen(national: Evaluation) -> None:
    (sentence,) = national.unverified()
    assert "优质高中招生名额分配比例（≥ 50 %）" in sentence and "未能在正式文本中核实" in sentence
    assert national.choose({"G14_limit": "0.80"}).unverified() == ()


@pytest.mark.parametrize("kind", ["evaluations", "standards"])
def test_chinese_titles_of_sources_are_in_chinese(kind: str) -> None:
    sources = tomllib.loads((CITED / kind / "national-2017.toml").read_text(encoding="utf-8"))["source"]
    titles = [title["zh"] if isinstance(title := source["title"], dict) else title for source in sources]
    assert not [title for title in titles if re.search("[A-Za-z]{3,} [A-Za-z]{3,}", title)]


def test_a_word_chooses_the_formula(national: Evaluation) -> None:
    first, second = (national.choose({"Q1_formula": c}).requirement("Q1_retention") for c in "AB")
    assert (first.add, first.subtract) == (("junior_graduates",), ())
    assert (first.over_add, first.over_subtract) == (
        ("junior_entrants", "junior_transfers_in"), ("junior_transfers_out", "junior_deaths"),
    )  # fmt: skip
    assert (second.add, second.subtract) == (("junior_graduates", "junior_transfers_out"), ("junior_transfers_in",))
    assert (second.over_add, second.over_subtract) == (("junior_entrants",), ("junior_deaths",))
    assert first.limit == second.limit
    assert national.choose({"Q4_base": "spent"}).requirement("Q4_training").add == ("training_spent_yuan",)


def test_both_retention_formulas_give_the_worked_values() -> None:
    """980 graduates, 1000 entrants, 30 in, 40 out: A 980/990, B 990/1000 (domain values computed by hand)."""
    facts = {
        "junior_graduates": 980, "junior_entrants": 1000, "junior_transfers_in": 30, "junior_transfers_out": 40,
        "junior_deaths": 0,
    }  # fmt: skip
    values = []
    for choice in "AB":
        r = load_evaluation("national-2017", on=ON).choose({"Q1_formula": choice}).requirement("Q1_retention")
        above = sum(facts[c] for c in r.add) - sum(facts[c] for c in r.subtract)
        values.append(above / (sum(facts[c] for c in r.over_add) - sum(facts[c] for c in r.over_subtract)))
    assert values == [980 / 990, 990 / 1000]


def test_the_six_subjects_are_those_of_the_first_scheme(national: Evaluation) -> None:
    six = str(national.option("Q9_subjects").choices["six"].value).split(",")
    assert set(six) == set(national.scheme_on(date(2016, 5, 1)).subjects)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_choosing_back_gives_the_same_evaluation(data: st.DataObject) -> None:
    national = load_evaluation("national-2017", on=ON)
    choices = {name: data.draw(st.sampled_from(sorted(option.choices))) for name, option in national.options.items()}
    changed = national.choose(choices)
    assert {name: option.chosen for name, option in changed.options.items()} == choices
    assert list(changed.requirements) == list(national.requirements)
    assert changed.choose(CHOSEN) == national


def test_unknown_options_and_choices_are_refused_with_what_there_is(national: Evaluation) -> None:
    with pytest.raises(InputError, match="没有这个选项") as caught:
        national.choose({"G7_limits": "6000"})
    assert "是不是想写 G7_limit" in str(caught.value)
    with pytest.raises(InputError, match="G7_limit") as caught:
        national.choose({"G7_limit": "5000"})
    assert "6000、7000、8000" in str(caught.value)


# --- respondents, schemes, procedure -----------------------------------------------------------------------------


def test_seven_groups_of_respondents(national: Evaluation) -> None:
    assert [g.label_zh for g in national.groups] == ["家长", "教师", "校长", "人大代表", "政协委员", "学生", "其他群众"]
    assert all(g.label_zh in g.citation.quote for g in national.groups)
    survey = {c.id for c in load_table("survey").column("group").choices}
    assert {g.id for g in national.groups} == survey


def test_the_scheme_of_a_day_and_its_cycle(national: Evaluation) -> None:
    assert (national.scheme_on(date(2020, 12, 31)).id, national.scheme_on(date(2021, 1, 1)).id) == ("2015", "2021")
    scheme = national.scheme_on(date(2024, 5, 1))
    assert scheme.cycle == {
        1: ("mathematics", "physical_education", "mental_health"), 2: ("chinese", "arts", "english"),
        3: ("moral_education", "science", "labour"),
    }  # fmt: skip
    with pytest.raises(InputError, match="没有登记监测方案"):
        national.scheme_on(date(2014, 12, 31))


def test_the_steps_of_recognition_by_year(national: Evaluation) -> None:
    steps = {year: [s.label_zh for s in national.steps_in(year)] for year in (2022, 2024, 2025)}
    assert steps[2022] == ["资格审查", "社会认可度调查", "指标（材料）审核", "实地核查", "结果认定"]
    assert steps[2024] == ["资格审查", "质量监测", "社会认可度调查", "指标审核", "核查评估"]
    assert steps[2025] == ["资格审查", "质量监测", "社会认可度调查", "指标审核", "集中汇审"]
    assert [s.label_zh for s in national.steps_in(2023)] == steps[2022] and national.steps_in(2021) == ()
    assert [s.label_zh for s in national.steps_in(2030)] == steps[2025]


# --- the rule table ----------------------------------------------------------------------------------------------


def test_the_table_has_a_row_for_everything_and_every_row_is_cited(national: Evaluation) -> None:
    rows = national.tidy()
    by_evidence = [i for i in national.items if i.evidence or i.kind == "resources"]
    choices = sum(len(o.choices) for o in national.options.values())
    assert len(rows) == (
        len(national.requirements) + len(by_evidence) + choices + len(national.groups) + len(national.schemes) + len(national.steps)
    )
    for column in ("entry", "status", "clause", "quote", "source"):
        assert rows[column].str.strip().ne("").all(), column
    assert set(rows["status"]) <= set(status_words().values()) - {"法规原文"}
    needs_unit = rows["value"].str.match(r"[≥≤<]")
    assert rows.loc[needs_unit, "unit"].ne("").all() and needs_unit.sum() == len(national.requirements)
    assert set(rows["source"]) <= {source.title_zh for source in national.sources.values()}


def test_values_are_printed_with_their_sign(national: Evaluation) -> None:
    values = national.tidy().set_index("entry")["value"]
    assert values["G13 初中就近划片入学比例"] == "≥ 95 %"
    assert values["Q9 校际差异率"] == "< 0.15"
    assert values["G4 小学、初中规模"] == "≤ 2000"
    assert values["V1 以考试方式招生"] == "凭佐证材料判定"
    assert (national.tidy()["value"].str.endswith("（采用）")).sum() == len(national.options)


def test_the_table_in_english_has_chinese_only_where_documents_speak(national: Evaluation) -> None:
    with speaking("en"):
        rows = national.tidy()
        labels = [f"{i.evidence_label(code)}" for i in national.items for code in i.evidence]
    assert not any(HAN.search(text) for column in ("entry", "value", "unit", "status", "remark") for text in rows[column])
    assert not any(HAN.search(label) for label in labels)


def test_every_label_has_both_languages(national: Evaluation) -> None:
    choices = [c for o in national.options.values() for c in o.choices.values()]
    named = (
        *national.parts, *national.items, *national.requirements.values(), *national.alternatives.values(),
        *national.options.values(), *choices, *national.groups, *national.schemes, *national.steps,
    )  # fmt: skip
    for thing in named:
        for attribute in ("label", "short", "counted", "unit"):
            if hasattr(thing, f"{attribute}_en"):
                english = getattr(thing, f"{attribute}_en")
                assert english and not HAN.search(english), (thing, attribute)
                assert getattr(thing, f"{attribute}_zh")


def test_every_source_is_used() -> None:
    data = tomllib.loads(PATH.read_text(encoding="utf-8"))
    entries = [e for kind in ("item", "requirement", "group", "scheme", "step") for e in data[kind]]
    entries += [choice for option in data["option"] for choice in option["choice"]]
    assert {e["source"] for e in entries} == {s["id"] for s in data["source"]}


# --- loading -----------------------------------------------------------------------------------------------------


def test_what_ships_can_be_read_and_belongs_to_a_standard() -> None:
    assert check_evaluations() == list_evaluations() == ("national-2017",)
    assert [has_evaluation(s) for s in list_standards()] == [s in list_evaluations() for s in list_standards()]
    assert latest_evaluation("national-2017").sha256 == file_sha256(PATH)


def test_an_unknown_evaluation_and_a_day_before_it_are_refused() -> None:
    with pytest.raises(InputError, match="没有这个评估") as caught:
        load_evaluation("national-2071", on=ON)
    assert "是不是想写 national-2017" in str(caught.value)
    with pytest.raises(InputError, match="2017-04-19 起"):
        load_evaluation("national-2017", on=date(2017, 4, 18))
    assert load_evaluation("national-2017", on=date(2017, 4, 19)).document == load_standard("national-2017", on=ON).document


def test_unknown_codes_are_refused_with_what_there_is(national: Evaluation) -> None:
    asked: list[tuple[Callable[[str], Any], str]] = [
        (national.item, "G16"), (national.part, "qualities"), (national.requirement, "G11"), (national.option, "G8_limit"),
        (national.items_of, "vetoes"), (national.requirements_of, "X1"),
    ]  # fmt: skip
    for ask, name in asked:
        with pytest.raises(InputError, match=f"'{name}'"):
            ask(name)


def test_requirements_of_an_item_stand_in_order(national: Evaluation) -> None:
    assert [r.id for r in national.requirements_of("R")] == ["R_recognition", "R_sample", "R_parents"]
    assert national.requirements_of("G1") == ()


# --- faults ------------------------------------------------------------------------------------------------------

FAULTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "an unknown key of an item": (
        'code = "G12"\n', 'code = "G12"\nlimit = 1\n', ("有不认识的键", "[[item]]", "limit")),
    "an unknown key of a requirement": (
        'id = "G9_training"\n', 'id = "G9_training"\nwarn = true\n', ("有不认识的键", "[[requirement]]", "warn")),
    "an unknown key of the file": ('document = "教督', 'version = 1\ndocument = "教督', ("有不认识的键", "version")),
    "a number that the quotation lacks": ("limit = 96\n", "limit = 95\n", ("原句里没有这个数", "G3_music_area", "95 不见于")),
    "a choice that its quotation lacks": ("value = 8000", "value = 9000", ("原句里没有这个数", "G7_limit", "9000 不见于")),
    "an unknown column": (
        'over_add = ["teachers_total"]', 'over_add = ["teacher_total"]', ("没有这个数值列", "G9_training", "teachers_total")),
    "a column that is no number": ('add = ["students"]', 'add = ["county_name"]', ("没有这个数值列", "F2_per_student")),
    "an unknown table": ('table = "finance"', 'table = "finances"', ("没有这个表", "finance")),
    "columns without a table": ('table = "finance"\n', "", ("分子、分母没有说清", "F1_spending")),
    "an unknown option": ('option = "Q9_subjects"', 'option = "Q9_subject"', ("没有这个选项", "是不是想写 Q9_subjects")),
    "an option of another item": ('option = "R_scoring"', 'option = "Q9_subjects"', ("选项属于别的条目", "R_recognition")),
    "a choice that does not exist": ('choice = "B"', 'choice = "C"', ("没有这个选法", "Q1_retention", "'C'")),
    "a chosen choice that does not exist": ('chosen = "6000"', 'chosen = "600"', ("没有这个选法", "G7_limit", "'600'")),
    "a formula twice": ('choice = "B"', 'choice = "A"', ("同一天有两条规定", "Q1_retention、A")),
    "a limit beside a numeric option": (
        'option = "G7_limit"\n', 'option = "G7_limit"\nlimit = 6000\n', ("限值没有说清", "G7_funding")),
    "no limit at all": ("limit = 96\n", "", ("限值没有说清", "G3_music_area")),
    "an unknown comparison": ('comparison = "below"', 'comparison = "less"', ("没有这个比较方式", "'less'", "below")),
    "an unknown part": ('part = "veto"\n', 'part = "vetos"\n', ("没有这个部分", "V1", "是不是想写 veto")),
    "an unknown kind": ('kind = "survey"', 'kind = "poll"', ("没有这个类别", "'poll'")),
    "an item twice": ('code = "V2"', 'code = "V1"', ("同一天有两条规定", "V1")),
    "a requirement twice": ('id = "G3_art_area"', 'id = "G3_music_area"', ("同一天有两条规定", "G3_music_area")),
    "evidence missing": ('evidence = ["G10"]\n', "", ("类别与判定依据不符", "G10", "没有 evidence")),
    "a requirement missing": ('item = "G12"\nlabel', 'item = "G9"\nlabel', ("类别与判定依据不符", "G12")),
    "an indicator of the standard missing": ('code = "L7"', 'code = "L8"', ("与标准的指标不一致", "L8", "L7")),
    "an unknown source": ('source = "hebei"', 'source = "henan"', ("没有登记的出处", "henan")),
    "an unknown status": ('status = "practice"', 'status = "official"', ("状态不在约定之内", "official")),
    "no English": ('label = { zh = "弄虚作假行为", en = "Fraud" }', 'label = "弄虚作假行为"', ("要有中英文", "[[item]]")),
    "a part twice": ('id = "veto"\n', 'id = "supplement"\n', ("同一天有两条规定", "[[part]]", "supplement")),
    "a subject that is none": ('"labour"]]', '"labor"]]', ("没有这个学科", "'labor'")),
    "a cycle without a subject": (', "labour"]]', "]]", ("周期安排与学科不符", "labour")),
    "words and numbers in one option": ("value = 7000", 'value = "7000"', ("选项的值有数也有文字", "G7_limit")),
    "a truth that is none": ("decides = false", 'decides = "no"', ("decides 的写法不对", "true 或 false")),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_with_one_fault_is_refused_naming_file_and_entry(fault: str, tmp_path: Path) -> None:
    found, written, words = FAULTS[fault]
    text = PATH.read_text(encoding="utf-8")
    assert found in text
    broken = tmp_path / "national-2017.toml"
    broken.write_text(text.replace(found, written, 1), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_evaluation(broken, on=ON)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "national-2017.toml" in message or "qbresearch/cited/tables" in message


def test_a_file_of_another_name_or_without_standard_is_refused(tmp_path: Path) -> None:
    text = PATH.read_text(encoding="utf-8")
    other = tmp_path / "national-2018.toml"
    other.write_text(text, encoding="utf-8")
    with pytest.raises(CitationError, match="id 与文件名不一致"):
        read_evaluation(other, on=ON)
    other.write_text(text.replace('id = "national-2017"', 'id = "national-2018"', 1), encoding="utf-8")
    with pytest.raises(InputError, match="评估与它的标准同名"):
        read_evaluation(other, on=ON)


def test_parts_in_another_order_are_refused(tmp_path: Path) -> None:
    broken = tmp_path / "national-2017.toml"
    head, *parts = PATH.read_text(encoding="utf-8").split("[[part]]\n")
    broken.write_text("[[part]]\n".join((head, parts[1], parts[0], *parts[2:])), encoding="utf-8")
    with pytest.raises(CitationError, match="各部分的次序不对") as caught:
        read_evaluation(broken, on=ON)
    assert "resources、prerequisites、government" in str(caught.value)


def test_an_option_that_nothing_names_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "national-2017.toml"
    text = PATH.read_text(encoding="utf-8").replace('option = "R_scoring"\n', "")
    broken.write_text(text, encoding="utf-8")
    with pytest.raises(CitationError, match="选项没有用到") as caught:
        read_evaluation(broken, on=ON)
    assert "R_scoring" in str(caught.value)


def test_an_entry_counts_only_while_it_is_valid(tmp_path: Path) -> None:
    changed = tmp_path / "national-2017.toml"
    text = PATH.read_text(encoding="utf-8").replace(
        'id = "G9_training"\n', 'id = "G9_training"\nvalid = { from = 2025-01-01 }\n'
    )
    changed.write_text(text, encoding="utf-8")
    assert "G9_training" in read_evaluation(changed, on=date(2025, 1, 1)).requirements
    with pytest.raises(CitationError, match="类别与判定依据不符"):
        read_evaluation(changed, on=ON)


def test_a_group_of_respondents_counts_only_while_it_is_valid(tmp_path: Path) -> None:
    changed = tmp_path / "national-2017.toml"
    text = PATH.read_text(encoding="utf-8").replace('id = "students"\n', 'id = "students"\nvalid = { to = 2023-12-31 }\n')
    changed.write_text(text, encoding="utf-8")
    assert "students" in {g.id for g in read_evaluation(changed, on=date(2023, 12, 31)).groups}
    assert "students" not in {g.id for g in read_evaluation(changed, on=ON).groups}
