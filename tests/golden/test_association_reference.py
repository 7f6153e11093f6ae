"""Correlations, p-values, collinearity, importance and decompositions agree with R, relaimpo, domir and ppcor."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qbresearch.statistics.collinearity import block_test, measure_collinearity
from qbresearch.statistics.correlation import correlate
from qbresearch.statistics.decomposition import decompose
from qbresearch.statistics.importance import importance
from qbresearch.statistics.multiplicity import adjust_p
from qbresearch.statistics.regression import fit_linear

DATA = Path(__file__).parent / "data"
R = json.loads((DATA / "r" / "association.json").read_text(encoding="utf-8"))
PRINTED = json.loads((DATA / "association_printed.json").read_text(encoding="utf-8"))
SEVEN = ["str", "english", "lunch", "calworks", "income", "expenditure", "comp_stu"]
THREE_BLOCKS = {
    "pupils": ["english", "lunch", "calworks"], "money": ["income", "expenditure"], "school": ["str", "comp_stu"],
}
SINGLE = {name: [name] for name in SEVEN}


def close(expected, relative: float = 1e-10):
    return pytest.approx(expected, rel=relative, abs=1e-13)


def california_frame() -> pd.DataFrame:
    path = Path(__file__).parents[2] / "data" / "raw" / "california-1999" / "aer_caschools.csv"
    frame = pd.read_csv(path)
    frame["testscr"] = (frame["read"] + frame["math"]) / 2
    frame["str"] = frame["students"] / frame["teachers"]
    frame["comp_stu"] = frame["computer"] / frame["students"]
    frame["level"] = np.select([frame["english"] < 5, frame["english"] < 20], ["a low", "b middle"], "c high")
    for name in ("english", "lunch", "income", "str"):
        frame[f"county_{name}"] = frame.groupby("county")[name].transform("mean")
    return frame


CALIFORNIA = california_frame()


# --- correlations ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pearson", "spearman", "partial", "weighted"])
def test_correlations_agree_with_r(kind: str) -> None:
    known = R["correlation"][kind]
    more = {"partial": {"controls": ["income", "level"]}, "weighted": {"weights": "students"}}.get(kind, {})
    result = correlate(CALIFORNIA, outcome="testscr", variables=list(known), kind=kind, **more)
    rows = result.tidy().set_index("variable")
    for name, expected in known.items():
        row = rows.loc[name]
        assert row["r"] == close(expected["r"])
        assert [row["low"], row["high"]] == close(expected["interval"])
        assert row["p"] == pytest.approx(expected["p"], rel=1e-8)
        if "t" in expected:
            assert (row["statistic"], row["df"]) == (close(expected["t"], 1e-9), expected["df"])
        if "z" in expected:
            assert (row["statistic"], row["df"]) == (close(expected["z"], 1e-9), np.inf)
    if kind == "weighted":
        assert result.effective == close(R["correlation"]["effective"])
    assert (rows["n"] == 420).all() and (rows["family"] == len(known)).all()


@pytest.mark.parametrize("name", ["str", "english", "lunch"])
def test_partial_correlations_agree_with_ppcor(name: str) -> None:
    known, order = PRINTED["ppcor"], PRINTED["ppcor"]["order"]
    at = order.index(name)
    controls = [v for v in order[1:] if v != name]
    row = correlate(CALIFORNIA, outcome="testscr", variables=[name], kind="partial", controls=controls).table.iloc[0]
    assert row["r"] == close(known["estimate"][0][at])
    assert row["statistic"] == close(known["stat"][0][at])
    # ppcor takes its p from the normal distribution; R's lm, above, from Student's t.
    assert 2 * stats.norm.sf(abs(row["statistic"])) == pytest.approx(known["p"][0][at], rel=1e-8)
    assert row["p"] > known["p"][0][at]


def test_weighted_correlations_agree_with_the_matrix_of_r() -> None:
    order, matrix = PRINTED["weighted_pearson_by_students"]["order"], PRINTED["weighted_pearson_by_students"]["matrix"]
    result = correlate(CALIFORNIA, outcome=order[0], variables=order[1:], kind="weighted", weights="students")
    assert result.table["r"].to_list() == close(matrix[0][1:])


@pytest.mark.parametrize("method", ["holm", "bh"])
def test_adjusted_p_values_agree_with_r(method: str) -> None:
    for known in (R["p_adjust"], *PRINTED["p_adjust"].values()):
        assert adjust_p(known["p"], method) == pytest.approx(known[method], rel=1e-12, abs=1e-15)


# --- collinearity ---------------------------------------------------------------------------------------------------


def test_variance_inflation_and_condition_index_agree_with_car_and_svd() -> None:
    result = measure_collinearity(CALIFORNIA, SEVEN)
    assert dict(zip(result.table["variable"], result.table["vif"], strict=True)) == close(R["vif"])
    assert result.condition_index == close(R["condition_index"], 1e-9)


def test_generalised_variance_inflation_of_a_factor_agrees_with_car() -> None:
    table = measure_collinearity(CALIFORNIA, ["str", "lunch", "income", "level"]).table.set_index("variable")
    for known in R["gvif"]:
        row = table.loc[known["_row"]]
        assert (row["vif"], row["columns"]) == (close(known["GVIF"]), known["Df"])


@pytest.mark.parametrize(("cluster", "suffix"), [(None, ""), ("county", "_cluster")])
def test_block_tests_agree_with_linear_hypothesis(cluster: str | None, suffix: str) -> None:
    fit = fit_linear(
        CALIFORNIA, outcome="testscr", terms=SEVEN, covariance="CR1" if cluster else "classical", cluster=cluster
    )
    table = block_test(fit, THREE_BLOCKS).table.set_index("block")
    for name, known in R["block_tests"].items():
        assert table.loc[name, "statistic"] == close(known[f"F{suffix}"], 1e-8)
        assert table.loc[name, "p"] == pytest.approx(known[f"p{suffix}"], rel=1e-6)
        assert table.loc[name, "df1"] == len(THREE_BLOCKS[name])


# --- importance -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", list(PRINTED["relaimpo"]))
def test_shares_of_single_variables_are_those_of_relaimpo(case: str) -> None:
    known = PRINTED["relaimpo"][case]
    frame = pd.DataFrame(PRINTED["frames"][case.split("_")[0]])
    frame["w"] = 1 + np.arange(1, len(frame) + 1) % 3
    result = importance(
        frame, outcome=known["outcome"], blocks={name: [name] for name in known["lmg"]}, draws=0, seed=1,
        weights="w" if known["weights"] else None,
    )
    assert result.total == pytest.approx(known["r_squared"], abs=1e-11)
    assert result.table["share"].to_list() == pytest.approx(list(known["lmg"].values()), abs=1e-12)


@pytest.mark.parametrize("known", PRINTED["domir"], ids=lambda case: ", ".join(case["blocks"]))
def test_dominance_of_blocks_is_what_domir_prints(known) -> None:
    cars = pd.DataFrame(PRINTED["frames"]["mtcars"])
    result = importance(cars, outcome="mpg", blocks=known["blocks"], draws=0, seed=1)
    names, tables = list(known["blocks"]), result.dominance
    conditional = tables.conditional.pivot(index="block", columns="size", values="value").loc[names].to_numpy()
    complete = tables.complete.pivot(index="block", columns="other", values="proportion").loc[names, names].to_numpy()
    assert result.total == pytest.approx(known["overall"], abs=5e-8)
    assert tables.general["value"].to_list() == pytest.approx(known["general"], abs=5e-8)
    assert conditional == pytest.approx(np.array(known["conditional"]), abs=5e-8)
    expected = np.array([[np.nan if v is None else v for v in row] for row in known["complete"]])
    np.testing.assert_allclose(complete, expected, atol=1e-15)
    assert (tables.complete["dominates"] == (tables.complete["proportion"] == 1)).all()


@pytest.mark.parametrize(
    ("case", "arguments"),
    [
        ("single", {"blocks": SINGLE}),
        ("weighted", {"blocks": SINGLE, "weights": "students"}),
        ("controlled", {"blocks": {k: v for k, v in SINGLE.items() if k != "str"}, "controls": ["str"]}),
        ("blocks", {"blocks": THREE_BLOCKS | {"level": ["level"]}}),
    ],
)
def test_shares_are_the_average_gain_over_all_orders_in_r(case: str, arguments) -> None:
    result = importance(CALIFORNIA, outcome="testscr", draws=0, seed=1, **arguments)
    shares = dict(zip(result.table["block"], result.table["share"], strict=True))
    assert shares == close(R["lmg"][case])
    assert result.total == close(sum(R["lmg"][case].values()))


def test_bootstrap_of_counties_agrees_with_r_up_to_its_own_noise() -> None:
    blocks = {name: [name] for name in ("str", "lunch", "income", "comp_stu")}
    result = importance(CALIFORNIA, outcome="testscr", blocks=blocks, cluster="county", draws=4000, seed=2)
    assert result.table["low"].to_numpy() == pytest.approx(np.array(R["bootstrap"]["low"]), abs=0.006)
    assert result.table["high"].to_numpy() == pytest.approx(np.array(R["bootstrap"]["high"]), abs=0.006)
    assert result.table["first"].to_numpy() == pytest.approx(np.array(R["bootstrap"]["first"]), abs=0.02)


def test_shares_of_the_variance_between_counties_agree_with_r() -> None:
    known = R["between"]
    # The formula used for every model is, without columns, the analysis of variance.
    assert known["tau2_null"] == pytest.approx(known["tau2_anova"], rel=1e-12)
    blocks = {"pupils": ["county_english", "county_lunch"], "money": ["county_income"], "staff": ["county_str"]}
    between = {"outcome": "testscr", "measure": "between_variance", "group": "county", "draws": 0, "seed": 1}
    result = importance(CALIFORNIA, blocks=blocks, **between)
    assert dict(zip(result.table["block"], result.table["share"], strict=True)) == close(known["shares"])
    staff = blocks.pop("staff")
    result = importance(CALIFORNIA, blocks=blocks, controls=staff, **between)
    assert dict(zip(result.table["block"], result.table["share"], strict=True)) == close(known["controlled"])


def test_the_explained_variance_between_schools_is_near_that_of_lme4() -> None:
    frame = pd.read_csv(DATA / "hsb82.csv")
    frame["minorities"] = frame.groupby("school")["minority"].transform("mean")
    blocks = {"ses": ["mean_ses"], "sector": ["catholic"], "minorities": ["minorities"]}
    result = importance(
        frame, outcome="score", blocks=blocks, measure="between_variance", group="school", draws=0, seed=1
    )
    assert result.total == pytest.approx(R["between"]["total_reml"], abs=0.015)


# --- decomposition --------------------------------------------------------------------------------------------------

ADDED = {"pupils": ["english", "lunch"], "money": ["income"]}


@pytest.mark.parametrize(
    ("case", "arguments"),
    [("robust", {}), ("cluster", {"cluster": "county"}), ("weighted", {"cluster": "county", "weights": "students"})],
)
def test_decomposition_agrees_with_the_stacked_regressions_of_r(case: str, arguments) -> None:
    table = decompose(CALIFORNIA, outcome="testscr", base=["str", "comp_stu"], added=ADDED, **arguments).table
    for variable, known in R["decomposition"][case].items():
        rows = table[table["variable"] == variable].set_index(["component", "block"])
        assert rows.loc[("short", ""), "estimate"] == close(known["short"], 1e-9)
        assert rows.loc[("long", ""), "estimate"] == close(known["long"], 1e-9)
        for key, expected in [(("difference", ""), known["difference"])] + [
            (("block", name), part) for name, part in known["parts"].items()
        ]:
            assert rows.loc[key, "estimate"] == close(expected["estimate"], 1e-9)
            assert rows.loc[key, "se"] == close(expected["se"], 1e-8)


def test_standard_errors_of_the_parts_are_those_of_a_bootstrap() -> None:
    table = decompose(CALIFORNIA, outcome="testscr", base=["str", "comp_stu"], added=ADDED).table
    rows = table[(table["variable"] == "str") & (table["component"] == "block")].set_index("block")
    for name, expected in zip(ADDED, R["decomposition"]["bootstrap_se_of_str"], strict=True):
        assert rows.loc[name, "se"] == pytest.approx(expected, rel=0.05)


def test_both_models_are_those_of_the_regression() -> None:
    table = decompose(CALIFORNIA, outcome="testscr", base=["str"], added=ADDED, cluster="county").table
    table = table.set_index("component")
    for component, terms in (("short", ["str"]), ("long", ["str", "english", "lunch", "income"])):
        fit = fit_linear(CALIFORNIA, outcome="testscr", terms=terms, covariance="CR1", cluster="county")
        known = fit.estimates.set_index("term").loc["str"]
        for column in ("estimate", "se", "df", "p", "low", "high"):
            assert table.loc[component, column] == close(known[column], 1e-9)
