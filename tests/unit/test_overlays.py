"""A plan over an evaluation: what changes, what is stricter in which direction, and that nothing else changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbresearch.language import speaking
from qbresearch.rules.citations import Citation
from qbresearch.rules.evaluations import load_evaluation
from qbresearch.rules.overlays import COLUMNS, TOLD, Overlay, explain, overlay
from qbresearch.rules.plan_words import COLUMNS as DESCRIBED
from qbresearch.rules.plan_words import describe, limit_words
from qbresearch.rules.plans import Month, Plan, PlanUse, Target, list_plans, load_plan
from qbresearch.rules.standards import CV, load_standard

ON = date(2024, 9, 1)
EVALUATION, STANDARD = load_evaluation("national-2017", on=ON), load_standard("national-2017", on=ON)
USES = Path(__file__).parents[2] / "notebooks" / "plans"
TEMPLATE = load_plan("x-county-2026")
QUOTED = Citation("一", "原句", "plan", "copy", unit="1")


def target(path: str, value: float | None, *, id: str = "t", **more: object) -> Target:
    """A target of a plan made for a test."""
    given = {
        "field": "", "kind": "goal", "base": "same", "scope": "same", "add": (), "over_add": (), "due": None,
        "label_zh": id, "label_en": id, "citation": QUOTED,
    } | more  # fmt: skip
    return Target(id=id, path=path, value=value, **given)  # type: ignore[arg-type]


def use_with(*targets: Target) -> PlanUse:
    return replace(TEMPLATE, plan=replace(TEMPLATE.plan, targets=targets))


def laid(*targets: Target) -> Overlay:
    return overlay(EVALUATION, STANDARD, use_with(*targets))


def relation(path: str, value: float | None, **more: object) -> str:
    return laid(target(path, value, **more)).changes[0].relation


# --- relations ------------------------------------------------------------------------------------------------------

AT_LEAST, AT_MOST, BELOW = "requirement:G11_rotation", f"cap:{CV}:primary", "requirement:Q9_rate"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (AT_LEAST, 0.15, "stricter"), (AT_LEAST, 0.10, "same"), (AT_LEAST, 0.05, "weaker"),
        (AT_MOST, 0.35, "stricter"), (AT_MOST, 0.50, "same"), (AT_MOST, 0.65, "weaker"),
        (BELOW, 0.10, "stricter"), (BELOW, 0.15, "same"), (BELOW, 0.20, "weaker"),
        ("requirement:G5_class_primary", 40, "stricter"), ("requirement:G5_class_primary", 50, "weaker"),
        ("threshold:L1:junior", 6, "stricter"), ("threshold:L1:junior", 5, "weaker"),
        ("rule:school_min_met", 7, "stricter"), ("rule:school_floor_ratio", 0.8, "weaker"),
    ],
)  # fmt: skip
def test_the_direction_of_the_comparison_decides_what_is_stricter(path: str, value: float, expected: str) -> None:
    assert relation(path, value) == expected


def test_binary_noise_is_no_difference() -> None:
    assert relation(AT_LEAST, 0.1 + 1e-17 + 2e-17) == relation(AT_LEAST, 0.3 - 0.2) == "same"


def test_what_only_the_plan_knows_adds() -> None:
    assert relation("indicator:gap", None) == relation("indicator:gap", 0.2) == "adds"
    composite = "cap:composite_coefficient_of_variation:primary"
    assert relation(composite, 0.3) == "adds"
    assert laid(target(composite, 0.3)).standard.caps == STANDARD.caps


def test_a_blank_is_neither_stricter_nor_weaker() -> None:
    change = laid(target("requirement:G11_backbone", None, field="backbone_share")).changes[0]
    assert (change.relation, change.judges, change.number(change.plan_value)) == ("blank", False, "—")


def test_who_is_counted_matters_where_the_numbers_are_the_same() -> None:
    path, limit = "requirement:G15_migrant", 0.85
    public = {"add": ("migrant_children_public",)}
    assert relation(path, limit) == relation(path, limit, base="") == "same", "unsaid is not other"
    assert relation(path, limit, base="公办学校") == relation(path, limit, scope="城区") == "differs"
    assert relation(path, limit, **public) == relation(path, 0.95, **public) == "stricter", "fewer count towards it"
    assert relation(path, 0.80, **public) == "differs", "fewer count, but less is asked"
    assert relation(path, 0.95, add=("junior_graduates",)) == "differs"
    assert relation(path, 0.95, over_add=("enrolled_students_primary",)) == "differs"


@settings(max_examples=30, deadline=None)
@given(value=st.floats(0.001, 1), path=st.sampled_from([AT_LEAST, AT_MOST, BELOW]))
def test_stricter_and_weaker_are_opposites(value: float, path: str) -> None:
    """The plan's value over the national one, and the national one over the plan's, give opposite relations."""
    forward = laid(target(path, value))
    base = forward.changes[0].base_value
    back = overlay(forward.evaluation, forward.standard, use_with(target(path, base))).changes[0].relation
    opposite = {"stricter": "weaker", "weaker": "stricter", "same": "same"}
    assert back == opposite[forward.changes[0].relation]


# --- what judges ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0.95, 0.99), (0.99, 0.95)])
def test_of_several_targets_on_one_path_the_strictest_judges(order: tuple[float, float]) -> None:
    path = "requirement:Q1_retention"
    result = laid(*(target(path, value, id=f"t{n}") for n, value in enumerate(order)))
    assert result.evaluation.requirements["Q1_retention"].limit == 0.99
    assert [(c.plan_value, c.judges) for c in result.changes] == [(v, v == 0.99) for v in order]


ROTATION = "requirement:G11_rotation"
STEPS = ((0.12, Month(2024)), (0.20, Month(2026, 6)), (0.15, Month(2028, 12)))


@pytest.mark.parametrize(
    ("on", "limit", "judging"),
    [
        (Month(2023, 12), 0.10, None), (Month(2024, 11), 0.10, None), (Month(2024, 12), 0.12, 0), (Month(2026, 5), 0.12, 0),
        (Month(2026, 6), 0.20, 1), (Month(2028, 12), 0.15, 2), (Month(2029), 0.15, 2), (None, 0.20, 1),
    ],
)  # fmt: skip
def test_of_dated_targets_the_latest_due_judges(on: Month | None, limit: float, judging: int | None) -> None:
    """A step not yet due does not judge; without a month the strictest does, whatever its date."""
    steps = [target(ROTATION, value, id=f"t{n}", due=due) for n, (value, due) in enumerate(STEPS)]
    for order in (steps, steps[::-1]):
        result = overlay(EVALUATION, STANDARD, use_with(*order), on=on)
        assert result.evaluation.requirements["G11_rotation"].limit == limit
        assert [c.target.id for c in result.changes if c.judges] == ([] if judging is None else [f"t{judging}"])
        assert len(result.changes) == len(STEPS), "every step is shown"


def test_a_target_without_a_date_of_its_own_judges_at_any_time() -> None:
    assert TEMPLATE.plan.target == Month(2027, 12)
    use = use_with(target(ROTATION, 0.15, id="plain"), target(ROTATION, 0.12, id="step", due=Month(2024)))
    for on in (Month(2020), Month(2024, 12), None):
        result = overlay(EVALUATION, STANDARD, use, on=on)
        assert [c.judges for c in result.changes] == [True, False]
        assert result.evaluation.requirements["G11_rotation"].limit == 0.15


def test_a_blank_step_takes_no_ones_place() -> None:
    use = use_with(target(ROTATION, 0.12, id="a", due=Month(2024)), target(ROTATION, None, id="b", field="x", due=Month(2025)))
    assert overlay(EVALUATION, STANDARD, use, on=Month(2026)).evaluation.requirements["G11_rotation"].limit == 0.12


def test_of_several_caps_the_lowest_judges() -> None:
    result = laid(target(AT_MOST, 0.40, id="a"), target(AT_MOST, 0.35, id="b"))
    assert result.standard.caps[CV, "primary"].value == 0.35
    assert [c.judges for c in result.changes] == [False, True]


def test_of_two_equal_targets_one_judges() -> None:
    assert [c.judges for c in laid(target(AT_MOST, 0.4, id="a"), target(AT_MOST, 0.4, id="b")).changes] == [True, False]


def test_a_weaker_plan_is_laid_over_too() -> None:
    assert laid(target(AT_LEAST, 0.05)).evaluation.requirements["G11_rotation"].limit == 0.05


def test_limits_columns_and_citations_are_the_plans() -> None:
    result = overlay(EVALUATION, STANDARD, load_plan("x-county-2026"))
    migrant = result.evaluation.requirements["G15_migrant"]
    national = EVALUATION.requirements["G15_migrant"]
    assert (migrant.limit, migrant.add, migrant.over_add) == (0.95, ("migrant_children_public",), national.over_add)
    assert "公办学校就读比例达到95%" in migrant.citation.quote
    assert result.evaluation.sources[migrant.citation.source].title_zh.startswith("X县")
    assert result.standard.sources[result.standard.caps[CV, "junior"].citation.source].id == "x-county-2026:plan"
    assert {s: result.standard.caps[CV, s].value for s in ("primary", "junior")} == {"primary": 0.35, "junior": 0.32}
    assert result.standard.rules["school_min_met"].value == 7
    floor_area = laid(target("threshold:L4:primary", 5)).standard.thresholds
    assert (floor_area["L4", "primary"].value, floor_area["L4", "junior"].value) == (5, 5.8)


def test_an_option_that_sets_the_limit_gives_way_and_a_formula_stays() -> None:
    result = laid(target("requirement:G14_places", 0.8, id="a"), target("requirement:Q1_retention", 0.99, id="b"))
    assert EVALUATION.requirements["G14_places"].option == "G14_limit"
    assert result.evaluation.requirements["G14_places"].option == ""
    chosen = result.evaluation.choose({"G14_limit": "0.50"})
    assert chosen.requirements["G14_places"].limit == 0.8
    assert result.evaluation.requirements["Q1_retention"].option == EVALUATION.requirements["Q1_retention"].option


def test_everything_else_stays_and_the_base_is_not_touched() -> None:
    limits = {name: r.limit for name, r in EVALUATION.requirements.items()}
    result = laid(target(AT_LEAST, 0.15))
    changed = {name for name, r in result.evaluation.requirements.items() if r != EVALUATION.requirements[name]}
    assert changed == {"G11_rotation"}
    assert (result.standard.caps, result.standard.thresholds, result.standard.rules) == (
        STANDARD.caps, STANDARD.thresholds, STANDARD.rules,
    )  # fmt: skip
    assert {name: r.limit for name, r in EVALUATION.requirements.items()} == limits
    assert "x-county-2026:plan" not in EVALUATION.sources


def test_a_plan_without_targets_changes_nothing() -> None:
    result = laid()
    assert (result.evaluation.requirements, result.standard.caps) == (EVALUATION.requirements, STANDARD.caps)
    assert result.changes == () and result.tidy().empty
    assert result.summary().endswith("没有设定目标值。")


def test_a_number_a_county_filled_in_is_not_the_documents() -> None:
    use = load_plan("demo-template", USES)
    backbone = overlay(EVALUATION, STANDARD, use).evaluation.requirements["G11_backbone"]
    assert (backbone.limit, backbone.citation.status, backbone.citation.note) == (0.25, "practice", use.note)
    assert overlay(EVALUATION, STANDARD, load_plan("x-county-2026")).evaluation.requirements["G11_backbone"].limit == 0.2


# --- words ----------------------------------------------------------------------------------------------------------


def test_tables_have_their_columns_and_plain_data_are_json() -> None:
    result = overlay(EVALUATION, STANDARD, load_plan("demo-template", USES))
    tidy = result.tidy()
    assert list(tidy.columns) == COLUMNS and len(tidy) == len(result.changes)
    assert tidy.loc[tidy["target"].eq("quality_gap"), ["base_value", "plan_value"]].isna().all(axis=None)
    assert len(json.loads(json.dumps(result.to_dict(), allow_nan=False))["changes"]) == len(tidy)


def test_every_value_is_explained_beside_the_national_one() -> None:
    told = explain(load_plan("x-county-2026"), EVALUATION, STANDARD)
    assert list(told.columns) == TOLD
    first = told.iloc[0]
    assert first["sentence"].startswith("0.35 — X县") and "严于 0.50 — 县域义务教育优质均衡" in first["sentence"]
    assert "0.35" in first["quote"] and "0.50" in first["base_quote"] and first["clause"] and first["base_source"]
    assert any(s.startswith("空白未填") for s in told["sentence"])
    assert any("没有这一项" in s for s in told["sentence"])


@pytest.mark.parametrize("plan_id", list_plans(USES))
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_entry_of_a_plan_is_described_with_its_place(plan_id: str, language: str) -> None:
    use = load_plan(plan_id, USES)
    plan = use.plan
    with speaking(language):
        told = describe(use, EVALUATION.choose(use.options), STANDARD)
    assert list(told.columns) == DESCRIBED
    assert told[["group", "entry", "clause", "quote", "status", "source"]].ne("").all(axis=None)
    assert told.loc[told["group"].isin(["目标", "Target"]), "value"].ne("").all()
    assert not told["value"].str.contains(r"E-[a-z]", regex=True).any(), "a code is no name"
    quotes = {c.said("quote") for c in cited(plan)}
    assert quotes <= set(told["quote"])
    groups = told.groupby("group", sort=False).size().tolist()
    stages = len(plan.stages) + sum(len(s.conditions) for s in plan.stages)
    kinds = [
        plan.facts, plan.targets, plan.commitments, plan.blanks, plan.phases, {(s.year, s.stage) for s in plan.schools},
        {c.year for c in plan.counties}, range(stages), plan.tasks, plan.beside, use.options, plan.sections,
        plan.recommendations, plan.mentions, plan.remarks,
    ]  # fmt: skip
    if language == "zh":
        assert groups == [len(kind) for kind in kinds if len(kind)]


def cited(plan: Plan) -> Iterator[Citation]:
    entries = (*plan.facts.values(), *plan.targets, *plan.commitments, *plan.blanks, *plan.phases, *plan.schools, *plan.counties,
               *plan.stages, *plan.tasks, *plan.beside, *plan.sections, *plan.recommendations, *plan.mentions, *plan.remarks)  # fmt: skip
    yield from (entry.citation for entry in entries)
    yield from (condition.citation for stage in plan.stages for condition in stage.conditions)


def values(use: PlanUse) -> dict[str, str]:
    frame = describe(use, EVALUATION.choose(use.options), STANDARD)
    return dict(zip(frame["entry"], frame["value"], strict=True))


def test_blanks_are_described_by_what_fills_them() -> None:
    label = "骨干教师占交流教师总数的比例"
    assert values(load_plan("x-county-2026"))[label] == "未填"
    assert values(load_plan("demo-template", USES))[label] == "填：25 %"


def test_stages_tasks_and_options_are_described_by_names() -> None:
    prefecture, district = values(load_plan("xinganmeng-2025")), values(load_plan("longzihu-2024"))
    assert prefecture["有效推进阶段 · 起始年级全部为标准班额"] == "G5 班额；只看起始年级；期限 2026 年 9 月"
    assert prefecture["全面启动阶段"] == "2025 年 8 月前" and prefecture["实地迎检阶段 · 项目建设全面完成"] == "材料：项目完成材料"
    assert district["办学条件优质均衡"].endswith("责任部门 区发改委、区自规分局、区财政局、区住房城乡建设交通局、区教育局、各乡街")
    assert district["省颁标准（皖教督〔2018〕8号）"] == "未能读到，不作判定"
    assert district["优化方案，对标自查"] == "2023 年至 2024 年", "the document names years and no months"
    assert values(load_plan("demo-template", USES))["特殊教育学校生均公用经费的限值"].startswith("7000 元")
    assert values(load_plan("demo-qinxian", USES))["2026 年；初中"] == "沁县第三中学（9901060026）、沁县第五中学（9901060028）"


def test_limits_are_worded_with_sign_and_unit() -> None:
    worded = {
        "requirement:G11_rotation": (0.12, "≥ 12 %"), "requirement:G7_funding": (8000, "≥ 8000 元/生"),
        f"cap:{CV}:junior": (0.4, "≤ 0.40"), "threshold:L1:primary": (5, "≥ 5"), "rule:school_min_met": (7, "≥ 7"),
    }  # fmt: skip
    for path, (value, words) in worded.items():
        label, limit = limit_words(path, value, EVALUATION, STANDARD)
        assert limit == words and label


def test_english_reports_explain_in_english() -> None:
    with speaking("en"):
        sentence = explain(load_plan("x-county-2026"), EVALUATION, STANDARD)["sentence"].iloc[0]
        summary = overlay(EVALUATION, STANDARD, load_plan("qinxian-2021")).summary()
    assert sentence.startswith("0.35 — X county") and "stricter than 0.50 — " in sentence
    assert "3 stricter than the standard" in summary


def test_numbers_are_printed_as_documents_print_them() -> None:
    values = {AT_MOST: 0.5, "requirement:Q2_disabled": 0.998, "requirement:G7_funding": 7000}
    result = laid(*(target(path, value, id=path) for path, value in values.items()))
    assert [c.number(c.plan_value) for c in result.changes] == ["0.50", "99.8 %", "7000"]
    assert result.changes[0].number(0.345) == "0.345"
