"""The link study finds the truth that was planted, and says in words what it cannot do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from link_data import indicators, link_data, prefecture

from qbresearch.errors import InputError
from qbresearch.results.link.challenge import (
    Effort,
    challenge_link,
    declared_specifications,
)
from qbresearch.results.link.county import (
    ECOLOGICAL_WARNING,
    compare_counties,
    within_between,
)
from qbresearch.results.link.describe import describe_link, scatter_frames
from qbresearch.results.link.ladder import (
    LadderModel,
    fit_ladder,
    moderation_lines,
    single_resources,
    standardise,
)
from qbresearch.results.link.match import LinkData, match_results
from qbresearch.rules.designs import load_design
from qbresearch.statistics.multilevel import MultilevelFit
from qbresearch.statistics.regression import LinearFit

SMALL = Effort(bootstrap=120, permutations=39, wild=99, imputations=3, iterations=2)
STAGES = ("primary", "junior")


def small_county(schools: int, county: str = "990101") -> LinkData:
    """A county with so many schools."""
    data = link_data("primary", county=county)
    kept = sorted(data.frame["group"].unique())[:schools]
    return replace(data, frame=data.frame[data.frame["group"].isin(kept)].reset_index(drop=True))


def estimate(model: LadderModel, term: str) -> pd.Series:
    return model.fit.estimates.set_index("term").loc[term]


# --- the truth -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("subject", ["mathematics", "chinese"])
def test_the_ladder_recovers_every_planted_fact(stage, subject):
    truth = prefecture()[2]

    def fact(quantity: str) -> float:
        return truth.fact(stage, subject, quantity).realised

    ladder = fit_ladder(link_data(stage, subject))
    spread = link_data(stage, subject).frame["outcome"].std() / 100  # truth counts in hundreds of points
    table = ladder.variances().set_index("model")
    assert table.loc["M0", "icc"] == pytest.approx(fact("icc"), abs=0.03)
    for model in ("M2", "M4"):
        true = estimate(ladder.model(model), "L1")
        assert true["low"] < fact("effect_L1") / spread < true["high"] and true["p"] < 0.01
    naive, adjusted = (estimate(ladder.model(m), "L6") for m in ("M2", "M4"))
    assert naive["p"] < 0.05 < adjusted["p"] and adjusted["low"] < 0 < adjusted["high"]
    assert naive["low"] < fact("naive_L6") / spread < naive["high"]
    nothing = estimate(ladder.model("M4"), "L7")
    assert nothing["low"] < 0 < nothing["high"]
    slope = estimate(ladder.model("M1"), "ses")
    assert slope["low"] < fact("ses_slope") / spread < slope["high"]
    moderation = estimate(ladder.model("M5"), "ses:L1")
    assert moderation["low"] < fact("moderation_L1") / spread < moderation["high"]


@pytest.mark.parametrize("stage", ["primary", pytest.param("junior", marks=pytest.mark.slow)])
def test_the_specifications_keep_the_true_effect_and_tell_the_spurious_one(stage):
    data = link_data(stage)
    found = challenge_link(data, fit_ladder(data), seed=1, effort=SMALL)
    table = found.tidy().set_index("term")
    assert table.loc["L1", "same_sign"] == 1 and table.loc["L1", "significant"] > 0.9
    assert table.loc["L1", "p_adjusted"] < 0.05 < table.loc["L6", "p_adjusted"]
    assert table.loc["L7", "significant"] < 0.3
    assert table.loc["L6", "smallest"] < 0.05 < table.loc["L6", "largest"]
    singles = found.singles.set_index(["term", "model"])["p"]
    assert singles["L6", "单项"] < 0.05 < singles["L6", "单项加学生构成"]
    gelbach = found.composition.table.query("variable == '教学仪器设备值' and block == '学生构成'")
    assert gelbach["low"].iloc[0] > 0
    assert "高于规定学历教师" in found.summary() and "教学仪器设备值" not in found.summary()
    assert found.imputed.query("term == 'L1' and model == '多重插补'")["estimate"].iloc[0] == pytest.approx(
        estimate(fit_ladder(data).model("M4"), "L1")["estimate"], abs=0.03
    )


# --- what is not hidden --------------------------------------------------------------------------------------------


def test_every_specification_is_in_the_plain_data_and_one_of_them_is_main():
    data = small_county(12)
    found = challenge_link(data, fit_ladder(data), seed=1, effort=replace(SMALL, permutations=0))
    result = found.to_dict()["multiverses"]["L1"]
    assert len(result["specifications"]) == len(declared_specifications(data, "L1")) == 128
    assert sum(s["main"] for s in result["specifications"]) == 1


def test_rungs_are_nested_on_the_same_observations_and_tested_against_the_one_before():
    ladder = fit_ladder(link_data())
    table = ladder.variances().set_index("model")
    assert table.loc[["M0", "M1", "M2", "M3", "M4", "M5"], "observations"].nunique() == 1
    assert table.loc["M6", "observations"] < table.loc["M4", "observations"]
    assert list(table.loc[["M2", "M3", "M4"], "chi2_df"]) == [7, 2, 2]
    assert np.isnan(table.loc["M5", "chi2"]) and np.isnan(table.loc["M0", "chi2"])
    assert (table["converged"] == "是").all()


def test_standardised_variables_have_unit_spread_between_schools_and_background_no_school_mean():
    data = link_data("junior")
    frame = standardise(data)
    schools = frame.drop_duplicates("group")
    assert schools["L3"].std() == pytest.approx(1) and schools["school_climate"].mean() == pytest.approx(0, abs=1e-12)
    assert frame["outcome"].std() == pytest.approx(1)
    assert frame.groupby("group")["ses"].mean().abs().max() < 1e-12


# --- too little data -----------------------------------------------------------------------------------------------


def test_too_few_schools_for_a_multilevel_model_fall_back_or_say_why():
    ladder = fit_ladder(small_county(9))
    table = ladder.variances().set_index("model")
    assert "方差成分没有可信的估计" in table.loc["M0", "remark"]
    assert "只剩 1 个自由度" in table.loc["M2", "remark"] and isinstance(ladder.model("M1").fit, LinearFit)
    assert "没有拟合多层模型" in ladder.summary() and ladder.fullest() is None
    singles = single_resources(small_county(9))
    assert singles["estimate"].notna().all() and (singles["df"] <= 9).all()


@pytest.mark.parametrize("schools", [1, 2, 4])
def test_one_two_or_four_schools_give_sentences_and_no_empty_numbers(schools):
    data = small_county(schools)
    description = describe_link(data, significance=0.05)
    assert description.correlations["r"].notna().all() and (description.remarks or schools == 4)
    ladder = fit_ladder(data)
    assert all(m.fit is not None or m.remark for m in ladder.models)
    assert ladder.summary() and moderation_lines(ladder, "L1").empty
    found = challenge_link(data, ladder, seed=1, effort=replace(SMALL, permutations=0))
    assert found.blocks is None and found.remarks
    assert found.singles["estimate"].notna().eq(found.singles["remark"].eq("")).all()
    assert isinstance(found.detectable, str) and found.summary()


def test_one_student_and_constant_outcomes_are_refused_in_words():
    data = small_county(12)
    one = replace(data, frame=data.frame.head(1))
    with pytest.raises(InputError, match="变量没有差异"):
        fit_ladder(one)
    with pytest.raises(InputError, match="变量没有差异"):
        fit_ladder(replace(data, frame=data.frame.assign(outcome=500.0)))


def test_collinear_resources_are_named_in_the_rung_and_the_others_are_fitted():
    data = small_county(28)
    frame = data.frame.assign(L2=2 * data.frame["L1"] + 1)
    ladder = fit_ladder(replace(data, frame=frame))
    assert isinstance(ladder.model("M1").fit, MultilevelFit)
    assert ladder.model("M2").fit is None and "共线" in ladder.model("M2").remark
    assert "完全算出" in describe_link(replace(data, frame=frame), significance=0.05).collinearity.summary()


def test_a_student_file_without_an_optional_column_still_makes_a_study():
    schools, students, _ = prefecture()
    data = match_results(indicators("primary"), schools, load_design("demo-monitoring"), subject="mathematics",
                         students=students.drop(columns=["prior_score", "only_child"]))
    assert "前测分数、独生子女没有一个值" in data.flow["reason"].iloc[-1] or "独生子女、前测分数没有一个值" in data.flow["reason"].iloc[-1]
    ladder = fit_ladder(data)
    assert ladder.model("M6") is None and isinstance(ladder.model("M4").fit, MultilevelFit)
    with pytest.raises(InputError, match="没有这一列成绩"):
        match_results(indicators("primary"), schools, load_design("demo-monitoring"), subject="mathematics",
                      students=students.drop(columns="score"))


def test_background_that_differs_between_schools_only_is_left_out_of_the_students_part():
    data = small_county(28)
    frame = data.frame.assign(boarding=data.frame["group"].isin(sorted(data.frame["group"].unique())[:9]).astype(float))
    ladder = fit_ladder(replace(data, frame=frame))
    assert "boarding" not in set(ladder.tidy()["term"]) and ladder.model("M2").fit is not None


def test_a_constant_composition_variable_does_not_turn_into_a_negative_finding():
    data = small_county(28)
    found = challenge_link(replace(data, frame=data.frame.assign(school_migrant=0.0)), fit_ladder(data), seed=1, effort=SMALL)
    table = found.tidy()
    assert table["p_adjusted"].notna().all() and (table["estimated"] == table["specifications"]).sum() >= 5


def test_an_empty_variable_is_left_out_with_a_remark():
    data = small_county(28)
    frame = data.frame.assign(L4=7.0)
    description = describe_link(replace(data, frame=frame), significance=0.05)
    assert any("生均教学及辅助用房面积各校相同" in r for r in description.remarks)
    assert "L4" not in set(fit_ladder(replace(data, frame=frame)).tidy()["term"])


# --- counties ------------------------------------------------------------------------------------------------------


def test_counties_are_compared_with_the_warning_and_not_below_five():
    table = indicators("primary")
    codes = sorted(table.keys["county_code"].unique())
    results = pd.DataFrame({"county_code": codes, "outcome": [500.0, 510, 490, 505, 480, 495], "observations": 600,
                            "difference_rate": [0.1, 0.2, 0.15, 0.18, 0.12, 0.16]})
    found = compare_counties(table, results)
    assert ECOLOGICAL_WARNING in found.summary() and found.correlations["n"].between(5, 6).all()
    assert found.table["mean_L1"].notna().all() and len(found.table) == 6
    few = compare_counties(table, results.head(4))
    assert few.correlations.empty and "少于 5 个" in few.remarks[0]


def test_coefficients_within_counties_are_those_of_county_effects():
    data = link_data()
    table = within_between(data).set_index(["term", "part"])
    assert set(table.index.get_level_values("part")) == {"组内", "组间"} and (table["counties"] == 6).all()
    schools = data.groups()
    z = (schools[["outcome", "L1"]] - schools[["outcome", "L1"]].mean()) / schools[["outcome", "L1"]].std()
    inner = z - z.groupby(schools["county_code"]).transform("mean")
    slope = (inner["L1"] * inner["outcome"]).sum() / (inner["L1"] ** 2).sum()
    assert table.loc[("L1", "组内"), "estimate"] == pytest.approx(slope)
    assert within_between(small_county(12)).empty


# --- descriptions --------------------------------------------------------------------------------------------------


def test_correlations_are_those_of_the_school_means():
    data = link_data()
    found = describe_link(data, significance=0.05)
    schools = data.groups()
    row = found.correlations.query("kind == 'pearson' and variable == 'L1'").iloc[0]
    assert row["r"] == pytest.approx(np.corrcoef(schools["outcome"], schools["L1"])[0, 1])
    assert row["family"] == 11 and row["n"] == len(schools)
    partial = found.correlations.query("kind == 'partial'")
    assert set(partial["role"]) == {"tangible", "intangible"}


def test_scatter_lines_go_through_the_means_and_points_are_schools():
    data = link_data()
    points, lines = scatter_frames(data, {"urban": "城区", "town": "镇区", "rural": "乡村"}, fewest=0)
    drawn = scatter_frames(data, {}, fewest=24)[0]
    assert len(drawn) == 7 * (data.groups()["observations"] >= 24).sum() < len(points)
    assert len(points) == 7 * data.frame["group"].nunique() and set(points["group"]) == {"城区", "镇区", "乡村"}
    one, line = (t[t["label"] == "高于规定学历教师"] for t in (points, lines))
    slope = np.polyfit(one["x"], one["y"], 1)
    assert np.allclose(np.polyval(slope, line["x"]), line["y"]) and (line["low"] < line["y"]).all()
