"""School means from counts per level come close to the means of the scores behind them, and refuse in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from link_data import prefecture

from qbresearch.processed.sums import sum_students
from qbresearch.results.monitoring.difference_rate import measure_difference_rates
from qbresearch.results.monitoring.levels import recover_from_levels


@pytest.fixture(scope="module")
def sums():
    students = prefecture()[1]
    rows = students[students["grade"].eq("4") & students["subject"].eq("mathematics") & students["county_code"].eq("990105")]
    return sum_students(rows)


def test_recovered_means_follow_the_means_of_the_scores(sums):
    found = recover_from_levels(sums)
    scores = sums.table.set_index("school_name")["plain_mean"]
    both = found.schools.dropna(subset=["mean"])
    assert np.corrcoef(both["mean"], scores.loc[both["group"]])[0, 1] > 0.95
    rate = measure_difference_rates(sums).table.query("definition == 'D1'").iloc[0]
    assert found.units["icc_corrected"].iloc[0] == pytest.approx(rate["estimate"], abs=0.06)
    assert rate["low"] < found.units["icc_corrected"].iloc[0] < rate["high"]
    weights = both["students"] / both["students"].sum()
    assert (weights * both["mean"]).sum() == pytest.approx(0, abs=1e-6)


def test_a_unit_without_counts_or_with_one_school_says_why(sums):
    from dataclasses import replace

    none = replace(sums, table=sums.table.assign(**{f"count_{k}": np.nan for k in range(1, 5)}))
    found = recover_from_levels(none)
    assert found.schools.empty and found.units["remark"].iloc[0] and "没有一个单元" in found.summary()
    one = recover_from_levels(replace(sums, table=sums.table.head(1)))
    assert one.units["icc_corrected"].isna().all() and one.units["remark"].iloc[0]
    assert isinstance(found.to_dict()["units"], list) and isinstance(one.tidy(), pd.DataFrame)
