"""Power of a school-level predictor: laws, limits and refusals."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbresearch.errors import InputError
from qbresearch.statistics.power import (
    detection_power,
    minimum_detectable_effect,
    schools_needed,
)

DESIGN = {"students_per_school": 25, "icc": 0.2, "alpha": 0.05}


def refusal(function, *arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        function(*arguments, **options)
    return str(caught.value)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(8, 300), st.floats(1, 200), st.floats(0, 1), st.floats(0.5, 0.99), st.floats(0.01, 0.1),
    st.floats(0, 0.9), st.integers(0, 4),
)
def test_the_detectable_effect_is_found_with_exactly_the_wanted_power(J, n, icc, power, alpha, r2, covariates) -> None:
    options = {"alpha": alpha, "r2_between": r2, "r2_predictor": r2 / 2, "covariates": covariates}
    found = minimum_detectable_effect(J, n, icc, power=power, **options)
    assert detection_power(found.effect, J, n, icc, **options) == pytest.approx(power, abs=1e-9)
    assert detection_power(-found.effect, J, n, icc, **options) == pytest.approx(power, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 1.5), st.floats(1, 100), st.floats(0.01, 0.9), st.integers(0, 3))
def test_schools_needed_are_just_enough(effect, n, icc, covariates) -> None:
    needed = schools_needed(effect, n, icc, power=0.8, alpha=0.05, covariates=covariates)
    options = {"alpha": 0.05, "covariates": covariates}
    assert detection_power(effect, needed, n, icc, **options) >= 0.8
    assert needed == covariates + 3 or detection_power(effect, needed - 1, n, icc, **options) < 0.8


def test_nothing_is_found_as_often_as_the_level_says() -> None:
    assert detection_power(0.0, 30, **DESIGN) == 0.05


def test_more_of_anything_finds_smaller_effects() -> None:
    def effect(schools=40, students=25, icc=0.2, **more):
        return minimum_detectable_effect(schools, students, icc, power=0.8, alpha=0.05, **more).effect

    assert effect(schools=80) < effect()
    assert effect(students=50) < effect()
    assert effect(icc=0.1) < effect()
    assert effect(r2_between=0.5) < effect(r2_within=0.5) < effect()
    assert effect(covariates=5) > effect()
    # A predictor half explained by the others must have an effect larger by the root of two.
    assert effect(r2_predictor=0.5) == pytest.approx(effect() * 2**0.5, rel=1e-12)
    # Students cannot go below what schools differ by: (variance between) / schools.
    assert effect(students=1e9) == pytest.approx(effect(students=1, icc=1) * 0.2**0.5, rel=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schools": 2}, "2 所学校"), ({"schools": 6, "covariates": 4}, "至少 7 所学校"),
        ({"students_per_school": 0.5}, "每校学生数"),
        ({"icc": 1.2}, "组内相关"), ({"alpha": 0}, "显著性水平"), ({"power": 0.04}, "检验力"), ({"power": 1}, "检验力"),
        ({"r2_between": 1}, "校间解释比例"), ({"r2_within": -0.1}, "校内解释比例"), ({"r2_predictor": float("nan")}, "自变量被协变量"),
        ({"covariates": -1}, "协变量"),
    ],
)
def test_designs_that_cannot_be_are_refused_in_words(change, words) -> None:
    design = {"schools": 40, "students_per_school": 25, "icc": 0.2, "power": 0.8, "alpha": 0.05} | change
    assert words in refusal(minimum_detectable_effect, **design)


def test_too_few_schools_are_told_what_is_still_possible() -> None:
    message = refusal(minimum_detectable_effect, 3, 25, 0.2, power=0.8, alpha=0.05, covariates=1)
    assert "描述统计仍可报告" in message and "1 个学校层协变量" in message


@pytest.mark.parametrize("effect", [0.0, 1e-7])
def test_no_number_of_schools_finds_nothing(effect) -> None:
    assert "多少所学校都不够" in refusal(schools_needed, effect, 25, 0.2, power=0.8, alpha=0.05)


def test_the_result_says_what_it_is() -> None:
    found = minimum_detectable_effect(40, 25, 0.2, power=0.8, alpha=0.05)
    assert found.summary().startswith("40 所学校、每校约 25.0 名学生") and f"{found.effect:.3f}" in found.summary()
    assert "80%" in found.summary() and "不显著不等于没有联系" in found.summary()
    assert json.loads(json.dumps(found.to_dict()))["df"] == 38
    assert found.tidy()["effect"].tolist() == [found.effect]
