"""National and further standards side by side: what nobody read judges nothing, and no national number stands in."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import plan_data as made
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbresearch.language import speaking
from qbresearch.results.evaluation.tree import (
    MET,
    NOT_MET,
    UNDECIDED,
    Node,
    compare,
    parent,
)
from qbresearch.results.plans.self_check import SelfCheck, self_check
from qbresearch.rules.citations import Citation
from qbresearch.rules.evaluations import load_evaluation
from qbresearch.rules.plans import Beside, BesideValue, PlanUse, load_plan
from qbresearch.rules.standards import CV, load_standard

ON = date(2024, 9, 1)
EVALUATION, STANDARD = load_evaluation("national-2017", on=ON), load_standard("national-2017", on=ON)
QUOTED = Citation("一", "原句", "province", "copy", unit="1")
CAPS = {"primary": 0.5, "junior": 0.45}


def province(read: bool = True, **values: float) -> Beside:
    """A further standard; ``G11_rotation=0.2`` is a requirement, other paths come in a mapping."""
    return standard({f"requirement:{name}": value for name, value in values.items()}, read=read)


def standard(values: dict[str, float], *, read: bool = True, name: str = "province") -> Beside:
    found = tuple(BesideValue(path, value, QUOTED) for path, value in values.items())
    return Beside(name, "省颁标准", "provincial standard", "省发〔2020〕1号", name, read, found, QUOTED)


def use_of(*beside: Beside) -> PlanUse:
    return made.use(made.plan(beside=beside))


def node(code: str, value: float | None, limit: float, comparison: str = "at_least") -> Node:
    verdict, margin = (UNDECIDED, None) if value is None else compare(value, comparison, limit)
    return Node(code, f"条件 {code}", verdict, value, comparison, limit, margin, reason="" if value is not None else "缺数据")


def rotation(share: float | None = 0.15, backbone: float | None = 0.25) -> Node:
    return made.item("G11", node("G11_rotation", share, 0.1), node("G11_backbone", backbone, 0.2))


def by_school(code: str, verdict: str) -> Node:
    return Node(code, f"条件 {code}", verdict, reason="3 所学校")


def checked(beside: Beside, *items: Node) -> SelfCheck:
    return self_check(use_of(beside), EVALUATION, STANDARD, made.tree(*items))


def found(beside: Beside, item: Node) -> tuple[str, str, str]:
    """Limit, verdict and reason of one item."""
    row = checked(beside, item).tidy().iloc[0]
    return tuple(row[f"{beside.id}:{name}"] for name in ("limit", "verdict", "reason"))  # type: ignore[return-value]


# --- a standard nobody read -----------------------------------------------------------------------------------------


def test_what_nobody_read_stays_undecided_for_every_item() -> None:
    use = load_plan("longzihu-2024")
    tree = parent("county", "县", [parent("government", "政府", [rotation(), made.item("G1", made.leaf("G1", MET))])])
    table = self_check(use, EVALUATION, STANDARD, tree).tidy()
    assert list(table["verdict"]) == [MET, MET]
    assert set(table["anhui-2018:verdict"]) == {UNDECIDED}
    assert set(table["anhui-2018:reason"]) == {"省颁标准未能读到"}
    assert set(table["anhui-2018:limit"]) == {""}


def test_a_plan_without_further_standards_has_the_national_verdicts_alone() -> None:
    result = self_check(made.use(), EVALUATION, STANDARD, made.tree(rotation()))
    assert list(result.tidy().columns) == ["part", "code", "label", "verdict"]
    assert result.standards == () and "达标 1 项" in result.summary()


# --- numbers somebody gave ------------------------------------------------------------------------------------------


def test_a_stricter_number_fails_what_the_nation_meets() -> None:
    row = checked(province(G11_rotation=0.2, G11_backbone=0.2), rotation(0.15)).tidy().iloc[0]
    assert (row["verdict"], row["province:verdict"]) == (MET, NOT_MET)
    assert "≥ 20 %" in row["province:limit"]


def test_all_conditions_with_numbers_decide() -> None:
    assert found(province(G11_rotation=0.15, G11_backbone=0.25), rotation(0.15, 0.25))[1] == MET
    assert found(province(G11_rotation=0.15, G11_backbone=0.25), rotation(0.15, None))[1:] == (UNDECIDED, "缺数据")


def test_a_condition_without_a_number_is_not_judged_by_the_national_one() -> None:
    limit, verdict, reason = found(province(G11_rotation=0.1), rotation(0.15, 0.05))
    assert (verdict, reason) == (UNDECIDED, "没有给出省颁标准对“条件 G11_backbone”的数")
    assert "≥ 10 %" in limit
    assert found(province(G11_rotation=0.2), rotation(0.15, 0.25))[1] == NOT_MET, "one failed condition is enough"


def test_evidence_is_not_taken_over_from_the_nation() -> None:
    item = made.item("G8", node("G8_pay", 1.2, 1.0), by_school("G8:evidence", MET))
    assert found(province(G8_pay=1.0), item)[1] == UNDECIDED
    assert found(province(G8_pay=1.5), item)[1] == NOT_MET


def test_coefficients_are_judged_stage_by_stage() -> None:
    item = made.item("L1", *(node(f"L1:{stage}", 0.4, cap, "at_most") for stage, cap in CAPS.items()))
    caps = {f"cap:{CV}:{stage}": 0.4 for stage in CAPS}
    assert found(standard(caps), item)[1] == MET, "equal to the cap is met"
    assert found(standard(caps | {f"cap:{CV}:junior": 0.35}), item)[:2] == (
        "校际差异系数（小学） ≤ 0.40；校际差异系数（初中） ≤ 0.35", NOT_MET,
    )  # fmt: skip


def test_thresholds_of_schools_are_shown_and_not_judged() -> None:
    item = made.item("schools", by_school("schools:primary", MET))
    limit, verdict, reason = found(standard({"threshold:L1:primary": 5.0}), item)
    assert limit.endswith("≥ 5") and (verdict, reason) == (UNDECIDED, "省颁标准的门槛要逐校重新判定")


@pytest.mark.parametrize(
    ("verdict", "limit", "expected"),
    [
        (MET, 45, MET), (MET, 50, MET), (MET, 40, UNDECIDED),
        (NOT_MET, 45, NOT_MET), (NOT_MET, 40, NOT_MET), (NOT_MET, 50, UNDECIDED), (UNDECIDED, 45, UNDECIDED),
    ],
)  # fmt: skip
def test_school_by_school_only_what_must_follow_is_said(verdict: str, limit: float, expected: str) -> None:
    item = made.item("G5", by_school("G5_class_primary", verdict))
    assert found(province(G5_class_primary=limit), item)[1] == expected


def test_the_area_of_a_room_counts_with_the_number_of_rooms() -> None:
    area = replace(by_school("G3_music_area", MET), decides=False)
    item = made.item("G3", by_school("G3_music_per_classes", MET), area)
    assert found(province(G3_music_per_classes=12), item)[1] == UNDECIDED, "the area is the national one"
    assert found(province(G3_music_per_classes=12, G3_music_area=96), item)[1] == MET
    assert found(province(G3_music_per_classes=12, G3_music_area=100), item)[1] == UNDECIDED


@settings(max_examples=40, deadline=None)
@given(value=st.floats(0, 1), limit=st.floats(0.01, 1))
def test_a_stricter_limit_never_meets_more(value: float, limit: float) -> None:
    def verdict(cap: float) -> str:
        return found(province(G11_rotation=cap, G11_backbone=0.0), rotation(value, 0.3))[1]

    assert not (verdict(limit) == NOT_MET and verdict(min(1.0, limit * 1.5)) == MET)
    assert verdict(limit) == compare(value, "at_least", limit)[0]


# --- tables and words -----------------------------------------------------------------------------------------------


def test_several_standards_stand_in_their_own_columns() -> None:
    city = standard({"requirement:G12_certified": 1.0}, name="city")
    item = made.item("G12", node("G12_certified", 1.0, 1.0))
    result = self_check(use_of(province(read=False), city), EVALUATION, STANDARD, made.tree(item))
    row = result.tidy().iloc[0]
    assert (row["province:verdict"], row["city:verdict"]) == (UNDECIDED, MET)
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert [s["read"] for s in plain["standards"]] == [False, True] and len(plain["items"]) == 1


def test_the_summary_counts_by_standard_in_both_languages() -> None:
    result = checked(province(G11_rotation=0.2, G11_backbone=0.2), rotation())
    assert result.summary().startswith("甲县方案：按县域义务教育优质均衡发展督导评估（2017）达标 1 项、") and "按省颁标准达标 0 项、未达标 1 项、无法判定 0 项" in result.summary()
    with speaking("en"):
        assert "by provincial standard 0 met, 1 not met, 0 undecided" in checked(province(G11_rotation=0.2), rotation()).summary()
