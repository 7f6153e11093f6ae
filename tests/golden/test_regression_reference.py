"""Linear models, panels, quantiles and the wild bootstrap agree with R (lm, sandwich, clubSandwich, plm, quantreg)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qbresearch.statistics.clusters import wild_cluster_bootstrap
from qbresearch.statistics.design import INTERCEPT
from qbresearch.statistics.panel import TREND, fit_panel, hausman, mundlak
from qbresearch.statistics.quantile import fit_quantile
from qbresearch.statistics.regression import fit_linear

DATA = Path(__file__).parent / "data"
RAW = Path(__file__).parents[2] / "data" / "raw"
R = json.loads((DATA / "r" / "regression.json").read_text(encoding="utf-8"))
COLUMNS = ["estimate", "se", "df", "p", "low", "high"]
TOLERANCE = 1e-8

CALIFORNIA = pd.read_csv(RAW / "california-1999" / "aer_caschools.csv").assign(
    testscr=lambda d: (d["read"] + d["math"]) / 2, str=lambda d: d["students"] / d["teachers"]
)
MICHIGAN = (
    pd.read_csv(RAW / "michigan-2001" / "wooldridge_meap00_01.csv")
    .query("enroll > 0")
    .dropna(subset=["math4", "lunch", "exppp", "enroll"])
    .assign(whole=lambda d: d["math4"].round())
)
GRUNFELD = pd.read_csv(DATA / "grunfeld.csv")
SHORT = GRUNFELD.query("not (firm in [2, 5, 9] and year < 1941) and not (firm == 7 and year > 1950)")
TWO = pd.DataFrame({"y": [1, 2, 4, 8, 3, 5, 5, 9, 10], "x": [0, 0, 0, 0, 1, 1, 1, 1, 1]})
TABLES = {"california": CALIFORNIA, "michigan": MICHIGAN, "two": TWO}
PANELS = {"balanced": GRUNFELD, "unbalanced": SHORT}

EFFECTS = {"effects": ["grades"], "two_effects": ["county", "grades"], "weighted_effects": ["county", "grades"]}
TERMS = {
    "one": ["str"], "four": ["str", "english", "lunch", "calworks"], "weighted": ["str", "english", "lunch"],
    "text": ["str", "grades"], **dict.fromkeys(EFFECTS, ["str", "english"]),
}
KINDS = [(name, kind) for name, known in R["linear"].items() for kind in known if kind != "fit"]


def linear(name: str, kind: str):
    return fit_linear(
        CALIFORNIA, outcome="testscr", terms=TERMS[name], weights="students" if name.startswith("weighted") else None,
        covariance=kind, cluster="county" if kind.startswith("CR") else None, fixed_effects=EFFECTS.get(name, ()),
    )


def assert_same_table(table: pd.DataFrame, known: list[dict], names: dict[str, str] | None = None) -> None:
    expected = pd.DataFrame(known).sort_values("term")
    table = table.assign(term=table["term"].replace(names or {})).sort_values("term")
    assert table["term"].tolist() == expected["term"].tolist()
    for column in COLUMNS:
        np.testing.assert_allclose(table[column], expected[column], rtol=TOLERANCE, atol=1e-300, err_msg=column)


def assert_same_test(test, known: dict) -> None:
    assert test.df1 == known["df1"]
    assert test.df2 == pytest.approx(known["df2"], rel=TOLERANCE)
    assert test.statistic == pytest.approx(known["statistic"], rel=TOLERANCE)
    assert test.p == pytest.approx(known["p"], rel=1e-7, abs=1e-300)


# --- linear models ---------------------------------------------------------------------------------------------------


def test_r_answers_for_every_covariance_and_model() -> None:
    assert set(R["linear"]) == set(TERMS)
    assert {kind for _, kind in KINDS} == {"classical", "HC0", "HC1", "HC2", "HC3", "CR1", "CR2"}


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_linear_models_agree_with_r(name: str, kind: str) -> None:
    known, fit = R["linear"][name][kind], linear(name, kind)
    table = fit.estimates.assign(term=fit.estimates["term"].str.replace(r"\[(.*)\]", r"\1", regex=True))
    assert_same_table(table, known["estimates"])
    assert_same_test(fit.f_test, known["wald"])


@pytest.mark.parametrize("name", TERMS)
def test_measures_of_fit_agree_with_r(name: str) -> None:
    known, fit = R["linear"][name]["fit"], linear(name, "CR1")
    for measure in ("n", "clusters", "df_residual"):
        assert getattr(fit, measure) == known[measure]
    for measure in ("r_squared", "adjusted_r_squared", "sigma"):
        assert getattr(fit, measure) == pytest.approx(known[measure], rel=1e-10), measure
    np.testing.assert_allclose(fit.residuals[:5], known["residuals_head"], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(fit.fitted + fit.residuals, CALIFORNIA["testscr"], rtol=1e-14)


# --- wild cluster bootstrap ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", R["wild"]["tests"], ids=lambda t: f"null {t['null']}{', weighted' * t['weighted']}")
def test_full_enumeration_agrees_with_refitting_every_pattern_of_signs_in_r(known: dict) -> None:
    rows = CALIFORNIA[CALIFORNIA["county"].isin(R["wild"]["counties"])]
    test = wild_cluster_bootstrap(
        rows, outcome="testscr", terms=R["wild"]["terms"], term=R["wild"]["term"], cluster="county", null=known["null"],
        weights="students" if known["weighted"] else None, seed=1,
    )
    assert (test.n, test.clusters, test.draws, test.enumerated) == (known["n"], known["clusters"], 2**8, True)
    assert test.statistic == pytest.approx(known["statistic"], rel=1e-10)
    assert test.p == pytest.approx(known["p"], abs=1e-10)
    np.testing.assert_allclose(np.sort(test.distribution), known["draws"], rtol=1e-9, atol=1e-10)


# --- panels ----------------------------------------------------------------------------------------------------------

PANEL_MODELS = [(d, m) for d, models in R["panels"].items() for m in models if m != "hausman" and m != "random_year"]


def panel(data: str, model: str, cluster: str | None = None, terms: tuple[str, ...] = ("value", "capital")):
    return fit_panel(
        PANELS[data], outcome="inv", terms=terms, entity="firm", time="year", model=model.removesuffix("_trend"),
        trend=model.endswith("_trend"), cluster=cluster,
    )


@pytest.mark.parametrize(("data", "model"), PANEL_MODELS)
def test_panel_models_agree_with_plm(data: str, model: str) -> None:
    known, fit = R["panels"][data][model], panel(data, model)
    assert_same_table(fit.estimates, known["classical"], {TREND: INTERCEPT})
    assert (fit.n, fit.df_residual) == (known["n"], known["df_residual"])


@pytest.mark.parametrize(("data", "model"), [p for p in PANEL_MODELS if p[1] != "between"])
def test_clustered_panel_models_agree_with_plm(data: str, model: str) -> None:
    assert_same_table(panel(data, model, "firm").estimates, R["panels"][data][model]["clustered"], {TREND: INTERCEPT})


@pytest.mark.parametrize("data", PANELS)
def test_random_effects_variances_and_hausman_agree_with_plm(data: str) -> None:
    known, random = R["panels"][data], panel(data, "random")
    variances, expected = known["random"]["variances"], known["hausman"]
    assert [random.residual_variance, random.entity_variance] == pytest.approx(variances, rel=TOLERANCE)
    test = hausman(panel(data, "fixed"), random)
    for name in ("statistic", "df", "p"):
        assert getattr(test, name) == pytest.approx(expected[name], rel=TOLERANCE), name


def test_random_effects_take_a_column_that_all_entities_share() -> None:
    known = R["panels"]["balanced"]["random_year"]
    fit = panel("balanced", "random", terms=("value", "year"))
    assert_same_table(fit.estimates, known["classical"])
    assert [fit.residual_variance, fit.entity_variance] == pytest.approx(known["variances"], rel=TOLERANCE)


def test_within_and_between_parts_agree_with_r() -> None:
    known = R["mundlak"]
    result = mundlak(CALIFORNIA, outcome="testscr", terms=["str", "english"], group="county")
    table = result.tidy().set_index(["term", "part"])
    for row in known["estimates"][1:]:
        term, part = row["term"].split("_")
        own = table.loc[(term, {"within": "组内", "between": "组间"}[part])]
        for column in COLUMNS:
            assert own[column] == pytest.approx(row[column], rel=TOLERANCE), (row["term"], column)
    assert_same_test(result.equality, known["equality"])


# --- quantiles -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "known", R["quantiles"], ids=lambda q: f"{q['data']}-{q['outcome']}-{q['quantile']}-{q['weights'] or 'plain'}"
)
def test_quantiles_agree_with_quantreg(known: dict) -> None:
    fit = fit_quantile(
        TABLES[known["data"]], outcome=known["outcome"], terms=np.atleast_1d(known["terms"]).tolist(),
        quantile=known["quantile"], weights=known["weights"],
    )
    assert (fit.n, fit.unique) == (known["n"], known["unique"])
    assert fit.loss == pytest.approx(known["loss"], rel=1e-10)
    if known["unique"]:
        np.testing.assert_allclose(fit.coefficients, known["coefficients"], rtol=0, atol=1e-6)
    else:
        assert np.all((fit.lowest - 1e-9 <= known["coefficients"]) & (known["coefficients"] <= fit.highest + 1e-9))
