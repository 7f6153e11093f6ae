"""Mixed models agree with lme4 and lmerTest on two, three and many groups, with and without random slopes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qbresearch.statistics.multilevel import (
    BY_GROUPS,
    SATTERTHWAITE,
    MultilevelFit,
    fit_multilevel,
)

DATA = Path(__file__).parent / "data"
KNOWN = json.loads((DATA / "r" / "multilevel.json").read_text(encoding="utf-8"))
CASES = KNOWN["cases"]
FOUR = ["1224", "1288", "1296", "1308"]
RESIDUAL_NAME = {"Residual": "residual"}

HSB = {"outcome": "score", "groups": ["school"]}
PLACES = {"outcome": "y", "groups": ["school", "district"], "fixed": ["x", "w"]}
MODELS = {
    "null": HSB | {"fixed": []},
    "means": HSB | {"fixed": ["mean_ses"]},
    "slope": HSB | {"fixed": ["ses", "mean_ses", "catholic"], "slopes": {"school": ["ses"]}},
    "two_slopes": HSB | {"fixed": ["ses", "female", "mean_ses"], "slopes": {"school": ["ses", "female"]}},
    "three": PLACES,
    "three_inner_slope": PLACES | {"slopes": {"school": ["x"]}},
    "three_outer_slope": PLACES | {"slopes": {"district": ["x"]}},
    "three_slopes": PLACES | {"slopes": {"school": ["x"], "district": ["x"]}},
    "level": {"outcome": "y", "groups": ["school"], "fixed": ["x"]},
    "four": HSB | {"fixed": ["ses"]},
    "steep": {"outcome": "y", "groups": ["school"], "fixed": ["x"], "slopes": {"school": ["x"]}},
    "near": {"outcome": "y", "groups": ["school"], "fixed": ["x"], "slopes": {"school": ["x"]}},
    "large": {"outcome": "y", "groups": ["school"], "fixed": ["x", "w"]},
    "large_slope": {"outcome": "y", "groups": ["school"], "fixed": ["x", "w"], "slopes": {"school": ["x"]}},
}
every_case = pytest.mark.parametrize("case", CASES)


def fraction(i: np.ndarray, k: int) -> np.ndarray:
    value = np.sin(i * 12.9898 + k * 78.233) * 43758.5453
    return value - np.floor(value)


def noise(i: np.ndarray, k: int) -> np.ndarray:
    """Noise that R computes alike, see multilevel.R."""
    return sum(fraction(i, 100 * k + j) for j in range(12)) - 6


@cache
def data(name: str) -> pd.DataFrame:
    if name in ("null", "means", "slope", "two", "four"):
        frame = pd.read_csv(DATA / "hsb82.csv", dtype={"school": str})
        return frame[frame["school"].isin(FOUR)] if name == "four" else frame
    if name == "three":
        return pd.read_csv(DATA / "three_levels.csv")
    if name == "large":
        i = np.arange(1, 30_001.0)
        school = np.floor(2400 * fraction(i, 1) ** 1.2)
        x, w = noise(i, 2), noise(school, 3)
        y = 500 + 5 * x + 8 * w + 20 * noise(school, 4) + 70 * noise(i, 5)
        return pd.DataFrame({"school": school, "x": x, "w": w, "y": y})
    if name == "level":
        i = np.arange(1, 601.0)
        school, x, e = i % 30, noise(i, 10), pd.Series(noise(i, 11))
        return pd.DataFrame({"school": school, "x": x, "y": 50 + 2 * x + e - 0.9 * e.groupby(school).transform("mean")})
    i = np.arange(1, 1001.0)
    school, x = i % 40, noise(i, 6)
    u, own = noise(school, 7), {"steep": 0.08, "near": 0.25}[name]
    slope = 1 + 0.6 * u + own * noise(school, 8)
    return pd.DataFrame({"school": school, "x": x, "y": 10 + u + slope * x + noise(i, 9)})


@cache
def fitted(case: str) -> MultilevelFit:
    model, method = case.rsplit("_", 1)
    return fit_multilevel(data(model.split("_")[0]), method=method.upper(), **MODELS[model])


@pytest.mark.parametrize("name", KNOWN["sums"])
def test_the_computed_data_are_those_r_used(name: str) -> None:
    frame, known = data(name), KNOWN["sums"][name]
    for column, total in known.items():
        assert frame[column].sum() == pytest.approx(total, rel=1e-9, abs=1e-6)


def test_every_model_is_fitted_by_both() -> None:
    assert {case.rsplit("_", 1)[0] for case in CASES} == set(MODELS)
    assert len(CASES) == 20


@every_case
def test_likelihoods_agree(case: str) -> None:
    fit, known = fitted(case), CASES[case]
    assert fit.log_likelihood == pytest.approx(known["log_likelihood"], abs=1e-4)
    assert fit.log_likelihood_single == pytest.approx(known["log_likelihood_single"], abs=1e-4)
    assert fit.aic == pytest.approx(known["aic"], abs=1e-3)
    assert fit.bic == pytest.approx(known["bic"], abs=1e-3)
    assert fit.parameters == known["parameters"]
    assert fit.units == known["units"]
    assert fit.groups == known["groups"]
    assert fit.singular == known["singular"]
    assert fit.converged
    assert fit.starts["log_likelihood"].to_numpy() == pytest.approx(known["log_likelihood"], abs=1e-4)


@every_case
def test_fixed_effects_and_their_errors_agree(case: str) -> None:
    fit, known = fitted(case), CASES[case]
    wanted = np.atleast_1d(known["estimate"])
    assert list(fit.terms) == list(np.atleast_1d(known["terms"]))
    assert fit.estimates["estimate"].to_numpy() == pytest.approx(wanted, abs=1e-5)
    assert fit.estimates["se"].to_numpy() == pytest.approx(np.atleast_1d(known["se"]), rel=1e-4)
    size = np.abs(np.array(known["covariance"])).max()
    assert fit.covariance == pytest.approx(np.array(known["covariance"]), rel=2e-4, abs=1e-6 * size)


@every_case
def test_degrees_of_freedom_agree_with_lmertest(case: str) -> None:
    fit, known = fitted(case), CASES[case]
    if fit.singular:  # the approximation has no basis there; lmerTest prints one all the same
        assert fit.df_method == BY_GROUPS
        assert (fit.estimates["df"] == list(fit.groups.values())[-1] - len(fit.terms)).all()
    else:
        assert fit.df_method == SATTERTHWAITE
        assert fit.estimates["df"].to_numpy() == pytest.approx(np.atleast_1d(known["df"]), rel=1e-4)


@every_case
def test_variance_components_agree(case: str) -> None:
    fit, known = fitted(case), CASES[case]
    assert len(fit.components) == len(known["components"])
    for row, r in zip(fit.components.itertuples(), known["components"], strict=True):
        assert row.level == RESIDUAL_NAME.get(r["grp"], r["grp"])
        assert row.term_1 == (r.get("var1") or "")
        assert row.term_2 == (r.get("var2") or r.get("var1") or "")
        assert row.value == pytest.approx(r["vcov"], rel=1e-3, abs=1e-9)
        if fit.groups.keys() & {row.level} and r["vcov"]:
            assert row.correlation_or_sd == pytest.approx(r["sdcor"], rel=1e-3)
    assert fit.residual_variance == pytest.approx(known["sigma2"], rel=1e-3)
    intercepts = {r["grp"]: r["vcov"] for r in known["components"] if r.get("var1") == "(Intercept)" and not r.get("var2")}
    everything = sum(intercepts.values()) + known["sigma2"]
    assert fit.icc == {level: pytest.approx(value / everything, abs=1e-4) for level, value in intercepts.items()}


@every_case
def test_predicted_effects_agree(case: str) -> None:
    fit, known = fitted(case), CASES[case]
    for level, groups in known["effects"].items():
        for k, term in enumerate(fit.random_terms[level]):
            table = fit.effects(level, term)
            table.index = [f"{g:g}" if isinstance(g, float) else g for g in table["group"]]
            assert len(table) == fit.groups[level]
            for group, r in groups.items():
                assert table.loc[group, "effect"] == pytest.approx(np.atleast_1d(r["effect"])[k], rel=1e-4, abs=1e-5)
                assert table.loc[group, "se"] == pytest.approx(np.atleast_1d(r["se"])[k], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("case", [case for case in CASES if "profile" in CASES[case]])
def test_profile_intervals_agree(case: str) -> None:
    known = CASES[case]["profile"]
    table = fitted(case).profile_intervals()
    names = {
        "sd": lambda row: f"sd_{row.term}|{row.level}", "sigma": lambda row: "sigma", "fixed": lambda row: row.term,
    }
    found = {names[row.kind](row): (row.low, row.high) for row in table.itertuples()}
    assert set(found) == {name for name in known if not name.startswith("cor_")}
    for name, interval in found.items():
        assert interval == pytest.approx(tuple(known[name]), rel=1e-3, abs=1e-6), name
    estimates = fitted(case.replace("reml", "ml")) if case.replace("reml", "ml") in CASES else None
    if estimates is not None:
        fixed = table[table["kind"] == "fixed"]["estimate"].to_numpy()
        assert fixed == pytest.approx(estimates.estimates["estimate"].to_numpy(), abs=1e-5)


def test_likelihood_ratios_agree() -> None:
    fixed = ["ses", "mean_ses", "catholic"]
    without = fit_multilevel(data("slope"), fixed=fixed, **HSB)
    test = fitted("slope_reml").likelihood_ratio(without)
    assert test.statistic == pytest.approx(KNOWN["tests"]["slope"]["statistic"], abs=1e-4)
    assert (test.df, test.p_naive) == (2, pytest.approx(KNOWN["tests"]["slope"]["p"], rel=1e-4))
    small, large = (fit_multilevel(data("slope"), fixed=f, method="ML", **HSB) for f in (["ses"], fixed))
    test = small.likelihood_ratio(large)
    assert test.statistic == pytest.approx(KNOWN["tests"]["fixed"]["statistic"], abs=1e-4)
    assert (test.df, test.p) == (2, pytest.approx(KNOWN["tests"]["fixed"]["p"], rel=1e-3))


def test_numbers_far_from_zero_with_little_spread_lose_nothing() -> None:
    """The same model in another unit, mean 500 and standard deviation 0.001: estimates move as the unit does."""
    frame, known = data("slope"), CASES["slope_reml"]
    shift, unit = frame["score"].mean(), 1e-3 / frame["score"].std()
    moved = frame.assign(score=500 + unit * (frame["score"] - shift), ses=frame["ses"] + 2000)
    fit = fit_multilevel(moved, **MODELS["slope"])
    assert fit.estimates["estimate"].to_numpy()[1:] / unit == pytest.approx(known["estimate"][1:], abs=1e-5)
    assert fit.estimates["se"].to_numpy()[1:] / unit == pytest.approx(known["se"][1:], rel=1e-4)
    assert fit.estimates["df"].to_numpy()[1:] == pytest.approx(known["df"][1:], rel=1e-2)
    rows = fit.components.set_index(["term_1", "term_2"])["value"]
    assert rows["ses", "ses"] / unit**2 == pytest.approx(known["components"][1]["vcov"], rel=1e-3)
    assert fit.residual_variance / unit**2 == pytest.approx(known["sigma2"], rel=1e-6)
    likelihood = known["log_likelihood"] - (len(frame) - 4) * np.log(unit)
    assert fit.log_likelihood == pytest.approx(likelihood, abs=1e-3)
