"""Laws that mixed models obey whatever the sample is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qbresearch.statistics.multilevel import fit_multilevel
from qbresearch.statistics.nested import NestedSums, nest, sum_groups

few = settings(max_examples=15, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def sample(seed: int, *, schools: int = 12, slope: float = 0.5) -> pd.DataFrame:
    """Classes in schools of unequal sizes with a random intercept and slope."""
    rng = np.random.default_rng(seed)
    classes = np.repeat(np.arange(schools), rng.integers(1, 4, schools))
    row = np.repeat(np.arange(len(classes)), rng.integers(2, 9, len(classes)))
    school = classes[row]
    x = rng.normal(size=len(row))
    y = 3 + 2 * x + rng.normal(size=schools)[school] + rng.normal(scale=0.7, size=len(classes))[row]
    y += slope * rng.normal(size=schools)[school] * x + rng.normal(size=len(row))
    return pd.DataFrame({"class": row, "school": school, "x": x, "w": rng.normal(size=schools)[school], "y": y})


def sums_of(frame: pd.DataFrame, columns: list[list[int]]) -> tuple[NestedSums, np.ndarray, list[np.ndarray]]:
    """Sums, the standardised columns and the membership of each level."""
    groups = ["class", "school"][2 - len(columns) :]
    levels, codes = nest(frame, groups, where="")
    matrix = np.column_stack([np.ones(len(frame)), frame[["x", "w", "y"]].to_numpy()])
    sums = sum_groups(matrix, codes, levels, columns, fixed=3)
    members = [(frame[g].to_numpy()[:, None] == level.labels[None, :]).astype(float) for g, level in zip(groups, levels)]
    return sums, matrix, members


designs = st.sampled_from([[[0]], [[0, 1]], [[0], [0]], [[0, 1], [0]], [[0], [0, 1]], [[0, 1], [0, 1]]])


@few
@given(seeds, designs)
def test_eliminating_levels_is_inverting_the_covariance(seed, columns) -> None:
    rng = np.random.default_rng(seed)
    sums, matrix, members = sums_of(sample(seed), columns)
    factors = [np.tril(rng.normal(size=(len(z), len(z)))) for z in columns]
    random = [np.hstack([member * matrix[:, [c]] for c in z]) for member, z in zip(members, columns)]
    wide = [np.kron(f @ f.T, np.eye(member.shape[1])) for f, member in zip(factors, members)]
    v = np.eye(len(matrix)) + sum(z @ t @ z.T for z, t in zip(random, wide))
    total, log_determinant, _ = sums.reduce(factors)
    assert total == pytest.approx(matrix.T @ np.linalg.solve(v, matrix), rel=1e-8, abs=1e-8)
    assert log_determinant == pytest.approx(np.linalg.slogdet(v)[1], rel=1e-9)
    solution = sums.solve(factors)
    x, y = matrix[:, :3], matrix[:, 3]
    beta = np.linalg.solve(x.T @ np.linalg.solve(v, x), x.T @ np.linalg.solve(v, y))
    assert solution.beta == pytest.approx(beta, abs=1e-8)
    rest = y - x @ beta
    assert solution.residual == pytest.approx(rest @ np.linalg.solve(v, rest), rel=1e-8)
    for (effect, gain), z, t, member in zip(sums.predict_effects(factors, beta), random, wide, members):
        count, q = member.shape[1], z.shape[1] // member.shape[1]
        mean = t @ z.T @ np.linalg.solve(v, rest)
        spread = t - t @ z.T @ np.linalg.solve(v, z @ t)
        assert effect == pytest.approx(mean.reshape(q, count).T, abs=1e-8)
        inside = spread.reshape(q, count, q, count)[:, range(count), :, range(count)]
        assert gain == pytest.approx(inside, abs=1e-8)


@few
@given(seeds, st.integers(3, 12), st.integers(2, 8))
def test_a_balanced_design_gives_the_analysis_of_variance(seed, schools, size) -> None:
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(schools, size)) + rng.normal(scale=2, size=(schools, 1))
    frame = pd.DataFrame({"school": np.repeat(np.arange(schools), size), "y": y.ravel()})
    between = size * y.mean(axis=1).var(ddof=1)
    within = y.var(axis=1, ddof=1).mean()
    assume(abs(between - within) > 0.05 * within)
    fit = fit_multilevel(frame, outcome="y", fixed=[], groups=["school"])
    mean = y.mean()
    assert fit.estimates["estimate"][0] == pytest.approx(mean, rel=1e-8, abs=1e-10)
    if between > within:
        tau = (between - within) / size
        assert fit.residual_variance == pytest.approx(within, rel=1e-6)
        assert fit.components["value"][0] == pytest.approx(tau, rel=1e-5)
        assert fit.icc["school"] == pytest.approx(tau / (tau + within), rel=1e-5)
        assert fit.reliability["reliability"][0] == pytest.approx(1 - within / between, rel=1e-5)
        assert fit.estimates["df"][0] == pytest.approx(schools - 1, rel=1e-4)
        shrunk = (1 - within / between) * (y.mean(axis=1) - mean)
        assert fit.effects("school")["effect"].to_numpy() == pytest.approx(shrunk, rel=1e-4, abs=1e-6)
    else:
        assert fit.singular
        assert fit.icc["school"] == 0
        assert fit.residual_variance == pytest.approx(y.var(ddof=1), rel=1e-8)


@few
@given(seeds, st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_units_and_order_do_not_matter(seed, shift, factor) -> None:
    frame = sample(seed)
    model = {"outcome": "y", "fixed": ["x", "w"], "groups": ["school"], "slopes": {"school": ["x"]}, "method": "ML"}
    here = fit_multilevel(frame, **model)
    moved = frame.assign(y=shift + factor * frame["y"], x=frame["x"] + 10).sample(frac=1, random_state=seed % 2**31)
    there = fit_multilevel(moved, **model)
    assert there.log_likelihood == pytest.approx(here.log_likelihood - len(frame) * np.log(factor), abs=1e-3)
    assert there.residual_variance == pytest.approx(factor**2 * here.residual_variance, rel=1e-3)
    assert there.estimates["estimate"][1] == pytest.approx(factor * here.estimates["estimate"][1], rel=1e-3, abs=1e-5 * factor)
    assert there.estimates["se"].to_numpy()[1:] == pytest.approx(factor * here.estimates["se"].to_numpy()[1:], rel=1e-3)


@few
@given(seeds)
def test_larger_models_are_never_less_likely(seed) -> None:
    frame = sample(seed, schools=9)
    small = fit_multilevel(frame, outcome="y", fixed=["x"], groups=["school"], method="ML")
    for more in (
        {"fixed": ["x", "w"], "groups": ["school"]}, {"fixed": ["x"], "groups": ["class", "school"]},
        {"fixed": ["x"], "groups": ["school"], "slopes": {"school": ["x"]}},
    ):
        large = fit_multilevel(frame, outcome="y", method="ML", **more)
        assert large.log_likelihood >= small.log_likelihood - 1e-5
        test = large.likelihood_ratio(small)
        assert 0 <= test.p <= test.p_naive <= 1
    assert small.log_likelihood >= small.log_likelihood_single - 1e-8
    assert set(small.icc) == {"school"} and 0 <= small.icc["school"] < 1
