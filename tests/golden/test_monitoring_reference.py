"""Means, shares, variance parts, pooled values and ordered probit agree with R (survey, lme4, mice, ordinal)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qbresearch.results.monitoring.achievement import measure_achievement
from qbresearch.results.monitoring.difference_rate import measure_difference_rates
from qbresearch.results.monitoring.school_effects import estimate_school_effects
from qbresearch.statistics.ordered_probit import fit_ordered_probit
from qbresearch.statistics.plausible_values import pool
from qbresearch.statistics.survey import (
    clustered_ratio,
    clustered_share,
    clustered_total,
    design_effect,
)
from qbresearch.statistics.variance import exact_ratio_interval, null_model, null_models

DATA = Path(__file__).parent / "data"
R = json.loads((DATA / "r" / "monitoring.json").read_text(encoding="utf-8"))
HSB, SURVEY, PROBIT = R["hsb"], R["survey"], R["ordered_probit"]
SCHOOLS = pd.DataFrame(HSB["schools"])
VARIABLES = ["api00", "api99", "enroll", "meals", "full"]
CLUS, STRAT = (pd.read_csv(DATA / f"survey_{name}.csv") for name in ("apiclus1", "apistrat"))


def close(expected, tolerance: float = 1e-9):
    return pytest.approx(expected, rel=tolerance, abs=1e-12)


# --- samples of clusters --------------------------------------------------------------------------------------------


def design(name: str) -> tuple[pd.DataFrame, pd.Series, dict]:
    """Rows, the cluster of each row, and the arguments that describe the design."""
    if name == "strat":
        return STRAT, pd.Series(STRAT.index), {"strata": STRAT["stype"], "population_clusters": STRAT["fpc"]}
    fpc = CLUS.groupby("dnum")["fpc"].first().to_numpy()
    return CLUS, CLUS["dnum"], {} if name == "clus_no_fpc" else {"population_clusters": fpc}


def totals(values: pd.Series, clusters: pd.Series) -> np.ndarray:
    return values.groupby(clusters.to_numpy()).sum().to_numpy()


@pytest.mark.parametrize("name", SURVEY)
@pytest.mark.parametrize("variable", VARIABLES)
def test_means_of_clustered_and_stratified_samples(name: str, variable: str) -> None:
    rows, clusters, how = design(name)
    found = clustered_ratio(totals(rows["pw"] * rows[variable], clusters), totals(rows["pw"], clusters), **how)
    known = SURVEY[name]
    assert found.estimate == close(known["mean"][variable])
    assert found.se == close(known["se"][variable])
    assert found.df == known["df"]
    assert (found.low, found.high) == close(tuple(known["ci"][VARIABLES.index(variable)]))


@pytest.mark.parametrize("name", SURVEY)
def test_totals_and_ratios(name: str) -> None:
    rows, clusters, how = design(name)
    known = SURVEY[name]
    total = clustered_total(totals(rows["pw"] * rows["enroll"], clusters), **how)
    assert (total.estimate, total.se) == close((known["total"], known["total_se"]))
    ratio = clustered_ratio(
        totals(rows["pw"] * rows["api.stu"], clusters), totals(rows["pw"] * rows["enroll"], clusters), **how
    )
    assert (ratio.estimate, ratio.se) == close((known["ratio"], known["ratio_se"]))


@pytest.mark.parametrize("name", SURVEY)
def test_design_effects(name: str) -> None:
    rows, _, _ = design(name)
    known = SURVEY[name]
    w, y = rows["pw"], rows["api00"]
    squares = (w * (y - known["mean"]["api00"]) ** 2).sum()
    assert squares / w.sum() * len(y) / (len(y) - 1) == close(known["variance"])
    arguments = known["se"]["api00"] ** 2, w.sum(), squares, len(y)
    assert design_effect(*arguments, population=w.sum()) == close(known["deff"])
    assert design_effect(*arguments) == close(known["deff_replace"])


@pytest.mark.parametrize("name", SURVEY)
@pytest.mark.parametrize("domain", ["all", "E", "H", "M"])
def test_shares_of_subpopulations(name: str, domain: str) -> None:
    rows, clusters, how = design(name)
    here = rows["stype"].eq(domain) if domain != "all" else pd.Series(True, index=rows.index)
    w = rows["pw"].where(here, 0.0)
    known = SURVEY[name]["shares"][domain]
    yes, everybody = totals(w * (rows["sch.wide"] == "Yes"), clusters), totals(w, clusters)
    found = clustered_share(yes, everybody, **how, persons=int(here.sum()), method="logit")
    assert (found.estimate, found.se, found.df) == close((known["share"], known["se"], known["df"]))
    assert (found.low, found.high) == close(tuple(known["logit"]), 1e-6)
    korn_graubard = clustered_share(yes, everybody, **how, persons=int(here.sum()))
    bounds = korn_graubard.low, korn_graubard.high
    effective = known["share"] * (1 - known["share"]) / known["se"] ** 2
    if effective <= known["n"]:
        assert bounds == close(tuple(known["beta"]), 1e-6)
    else:  # R lets the effective sample exceed the persons there are
        assert bounds[0] < known["beta"][0] and bounds[1] > known["beta"][1]


# --- plausible values -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", R["pool"])
def test_plausible_values_are_pooled_as_by_mice(known: dict) -> None:
    found = pool(known["q"], known["u"], known["df_complete"])
    assert found.se**2 == close(known["total"])
    for name in ("estimate", "within", "between", "df", "fmi"):
        assert getattr(found, name) == close(known[name]), name


# --- variance between schools ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["reml", "ml"])
def test_null_models_agree_with_lme4(method: str) -> None:
    known = HSB[method.upper()]
    found = null_model(SCHOOLS["n"], SCHOOLS["mean"], SCHOOLS["within_ss"], method=method)
    assert found.tau2 == pytest.approx(known["tau2"], abs=1e-5)
    assert found.sigma2 == pytest.approx(known["sigma2"], abs=1e-5)
    assert found.icc == pytest.approx(known["tau2"] / (known["tau2"] + known["sigma2"]), abs=1e-7)
    assert (found.mean, found.mean_se) == pytest.approx((known["mean"], known["mean_se"]), abs=1e-6)


def test_analysis_of_variance_agrees_with_r() -> None:
    found, known = null_model(SCHOOLS["n"], SCHOOLS["mean"], SCHOOLS["within_ss"]), HSB["anova"]
    assert (found.f, found.p) == (close(known["F"]), pytest.approx(known["p"], rel=1e-6))
    n = SCHOOLS["n"]
    n0 = (n.sum() - (n**2).sum() / n.sum()) / (len(n) - 1)
    assert found.anova_tau2 == close((known["MSB"] - known["MSW"]) / n0)
    assert found.anova_icc == close((known["F"] - 1) / (known["F"] - 1 + n0))


@pytest.mark.parametrize(
    ("schools", "low", "high"), [(8, 0.053, 0.457), (12, 0.065, 0.365), (20, 0.079, 0.294), (40, 0.096, 0.239)]
)
def test_exact_intervals_of_an_estimate_of_015_with_30_students_a_school(schools: int, low: float, high: float) -> None:
    """Balanced schools: (F / F_quantile - 1) / 30 in closed form, printed to three digits."""
    f = 1 + 30 * 0.15 / 0.85
    place = np.arange(schools) - (schools - 1) / 2
    mean = place * np.sqrt(f / 30 * (schools - 1) / (place**2).sum())
    found = null_model(np.full(schools, 30), mean, np.full(schools, 29.0))
    assert (found.f, found.icc, found.anova_icc) == close((f, 0.15, 0.15))
    assert found.low == pytest.approx(low, abs=6e-4)
    assert found.high == pytest.approx(high, abs=6e-4)
    ratio = exact_ratio_interval(np.full(schools, 30), mean, np.full(schools, 29.0))
    assert ratio == close((found.low / (1 - found.low), found.high / (1 - found.high)))


def test_eight_schools_alone_and_as_one_county_among_others() -> None:
    few = SCHOOLS["school"].isin(HSB["few"])
    found = null_models(SCHOOLS["n"], SCHOOLS["mean"], SCHOOLS["within_ss"], few.to_numpy().astype(int), 2)
    known = HSB["few_REML"]
    assert (found.tau2[1], found.sigma2[1]) == pytest.approx((known["tau2"], known["sigma2"]), abs=1e-4)
    assert (found.mean[1], found.mean_se[1]) == pytest.approx((known["mean"], known["mean_se"]), abs=1e-5)


# --- results out of school sums -------------------------------------------------------------------------------------


def school_sums() -> pd.DataFrame:
    n = SCHOOLS["n"]
    return pd.DataFrame({
        "county_code": "010101", "school_year": 1982, "cycle": 1982, "grade": "10", "subject": "数学",
        "school_code": SCHOOLS["school"], "students": n, "missing": 0, "weight": n.astype(float),
        "weight2": n.astype(float), "mean": SCHOOLS["mean"], "m2": SCHOOLS["within_ss"],
        "plain_mean": SCHOOLS["mean"], "plain_m2": SCHOOLS["within_ss"], "full_mark": 25.0,
    })


def test_school_effects_are_those_of_lme4() -> None:
    found = estimate_school_effects(school_sums()).table.set_index("school_code")
    known = pd.DataFrame({k: HSB["REML"][k] for k in ("school", "effect", "post_sd")}).set_index("school")
    found = found.loc[known.index]
    assert len(found) == 160
    np.testing.assert_allclose(found["effect"], known["effect"], atol=1e-5)
    np.testing.assert_allclose(found["se_given_mean"], known["post_sd"], atol=1e-6)
    tau2, sigma2 = HSB["REML"]["tau2"], HSB["REML"]["sigma2"]
    n = SCHOOLS.set_index("school")["n"].loc[known.index]
    reliability = n * tau2 / (n * tau2 + sigma2)
    total = tau2 * (1 - reliability) + reliability**2 * HSB["REML"]["mean_se"] ** 2
    np.testing.assert_allclose(found["se"] ** 2, total, rtol=1e-6)


def test_the_variance_share_and_the_spread_of_students_come_out_of_school_sums() -> None:
    rates = measure_difference_rates(school_sums()).table.set_index("definition")
    assert rates.loc["D1", "estimate"] == pytest.approx(0.180351791790532, abs=1e-7)
    table = measure_achievement(school_sums()).table
    assert table["sd"].iloc[0] ** 2 == close(HSB["variance_of_students"])


def test_the_mean_of_a_county_has_the_standard_error_of_the_survey_package() -> None:
    rows = CLUS.assign(w=CLUS["pw"])
    by = rows.groupby("dnum")
    sums = pd.DataFrame({
        "students": by.size(), "missing": 0, "weight": by["w"].sum(), "weight2": by["w"].agg(lambda w: (w**2).sum()),
        "mean": by.apply(lambda r: np.average(r["api00"], weights=r["w"]), include_groups=False),
        "m2": by["api00"].agg(lambda y: ((y - y.mean()) ** 2).sum()) * rows["pw"].iloc[0],
        "n_schools": by["fpc"].first(),
    }).reset_index(names="school_code")
    sums = sums.assign(county_code="010101", school_year=2000, cycle=2000, grade="4", subject="数学", measure="score")
    known = SURVEY["clus"]
    row = measure_achievement(sums, population_schools="n_schools").table.iloc[0]
    assert (row["mean"], row["se"], row["df"]) == close((known["mean"]["api00"], known["se"]["api00"], 14))
    assert row["sd"] ** 2 == close(known["variance"])
    assert row["design_effect"] == close(known["deff_replace"])


# --- ordered probit -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["het", "hom"])
def test_means_and_deviations_recovered_from_levels_agree_with_clm(kind: str) -> None:
    known = PROBIT[kind]
    found = fit_ordered_probit(PROBIT["counts"], heteroskedastic=kind == "het", own_spread_from=0)
    assert found.log_likelihood == pytest.approx(known["logLik"], abs=1e-6)
    np.testing.assert_allclose(found.cuts, known["cuts"], atol=1e-5)
    for name in ("mean", "sd", "mean_se", "sd_se"):
        np.testing.assert_allclose(found.table[name], known[name], atol=1e-5, err_msg=name)
    assert (found.icc, found.icc_se) == pytest.approx((known["icc"], known["icc_se"]), abs=1e-5)


def test_schools_without_a_spread_of_their_own_take_the_mean_of_the_others_as_in_optim() -> None:
    """The ninth school has three students at a level and is small; seven and eight fill two levels only."""
    known = PROBIT["sparse"]
    found = fit_ordered_probit(PROBIT["sparse_counts"], own_spread_from=15)
    assert found.table["spread"].tolist() == ["own"] * 6 + ["pooled"] * 3
    assert found.log_likelihood == pytest.approx(known["logLik"], abs=1e-6)
    np.testing.assert_allclose(found.cuts, known["cuts"], atol=1e-4)
    for name in ("mean", "sd"):
        np.testing.assert_allclose(found.table[name], known[name], atol=1e-4, err_msg=name)
    for name in ("mean_se", "sd_se"):
        np.testing.assert_allclose(found.table[name], known[name], atol=5e-4, err_msg=name)
    assert found.icc == pytest.approx(known["icc"], abs=1e-4)
