"""A simulated nation: nothing of it is real, it reads without a fault, and it is judged as one table or part by part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from qbresearch.errors import InputError
from qbresearch.processed.build import build_source
from qbresearch.processed.store import load_processed, read_provenance
from qbresearch.project import Project
from qbresearch.results.resources.attainment import assess
from qbresearch.results.resources.indicators import compute_indicators
from qbresearch.results.resources.parts import stage_parts
from qbresearch.rules.standards import load_standard, school_year_start
from qbresearch.simulation import nation as simulation
from qbresearch.simulation.nation import load_nation, simulate_nation, write_nation
from qbresearch.statistics.dispersion import coefficient_of_variation
from qbresearch.studies.national import assess_source

REAL_PROVINCES = {11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52, 53, 54, 61, 62, 63,
                  64, 65, 71, 81, 82}  # GB/T 2260
COUNTIES, SCHOOLS, YEARS = 31, 1240, 2


@pytest.fixture(scope="module")
def design():
    return load_nation()


@pytest.fixture(scope="module")
def nation(tmp_path_factory, design):
    project = Project(tmp_path_factory.mktemp("nation"))
    project.notebooks.mkdir()
    write_nation(design, project.raw / "nation", counties=COUNTIES, schools=SCHOOLS, years=YEARS)
    result = build_source(project, "nation")
    assert result.status == "built", result.problems.to_string()
    return project


def test_no_place_is_real_and_all_say_so(nation, design):
    frame, provenance = load_processed(nation, "nation").frame, read_provenance(nation, "nation")
    assert len(design.provinces) == 31 and not set(design.provinces) & REAL_PROVINCES
    assert set(frame["county_code"].str[:2].astype(int)) == set(design.provinces)
    assert provenance.kind == "simulated" and "模拟" in provenance.title and "simulated" in provenance.english["title"]
    assert frame["county_name"].str.contains("模拟").all() and frame["school_name"].str.contains("模拟").all()
    assert all("模拟" in name for name in provenance.recipe.inputs)


def test_the_written_files_read_back_as_what_was_simulated(nation, design):
    read = load_processed(nation, "nation").frame
    made = pd.concat(simulate_nation(design, counties=COUNTIES, schools=SCHOOLS, years=YEARS))
    made = made.sort_values(["county_code", "school_year", "school_code"]).reset_index(drop=True)
    assert len(read) == SCHOOLS * YEARS and read["county_code"].nunique() == COUNTIES
    for name in made:
        if made[name].dtype.kind == "f":
            np.testing.assert_array_equal(read[name], made[name], err_msg=name)
        elif name != "parent_code":
            assert list(read[name]) == list(made[name]), name
    assert read["multimedia_classrooms"].isna().sum() == made["multimedia_classrooms"].isna().sum() > 0


def test_the_same_seed_gives_the_same_schools_and_another_others(design):
    first, same, other = (
        next(iter(simulate_nation(design, counties=5, schools=60, seed=seed))) for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first, same)
    assert not first["students_primary"].equals(other["students_primary"])


def test_means_and_spreads_follow_the_cited_ones(design):
    """Without differences between counties, the spread of each indicator is the cited one, the mean its level."""
    even = {"county_mean_spread": 0.0, "county_cv_low": 1.0, "county_cv_high": 1.0, "blank_share": 0.0, "clip": 9.0, "year_noise": 0.0}
    settings = tuple(replace(s, value=even.get(s.name, s.value)) for s in design.settings)
    rows = next(iter(simulate_nation(replace(design, settings=settings), counties=10, schools=40_000, seed=3)))
    rows = rows[(rows["school_type"] == "primary") & (rows["students_primary"] > 300)]
    parameters = simulation.load_simulation(design.simulation)
    equipment = rows["equipment_value_yuan"] / rows["students_primary"]
    mean = next(m.value for m in parameters.means if (m.stage, m.indicator) == ("primary", "L6")) * design.setting("level")
    spread = next(s.value for s in parameters.spreads if (s.stage, s.indicator) == ("primary", "L6"))
    assert equipment.mean() == pytest.approx(mean, rel=0.02)
    assert coefficient_of_variation(equipment) == pytest.approx(spread, rel=0.05)


@pytest.mark.parametrize(("counties", "schools"), [(0, 100), (10, 79), (31 * 99 * 9 + 1, 10**7)])
def test_a_nation_that_cannot_be_is_refused(design, counties, schools):
    with pytest.raises(InputError, match="规模不成立"):
        next(iter(simulate_nation(design, counties=counties, schools=schools)))


def test_the_command_writes_a_folder_that_can_be_built(tmp_path, capsys):
    folder = tmp_path / "data" / "raw" / "small"
    simulation.main([str(folder), "--counties", "2", "--schools", "20", "--seed", "7"])
    assert "2 个 CSV 文件" in capsys.readouterr().out
    assert build_source(Project(tmp_path), "small").rows == 20
    with pytest.raises(SystemExit):
        simulation.main([str(folder), "--counties", "2", "--schools", "3"])


# --- the whole nation judged -------------------------------------------------------------------------------------------


def test_part_by_part_gives_what_all_at_once_gives(nation):
    table = load_processed(nation, "nation")
    standard = load_standard("national-2017", on=school_year_start(2024))
    whole = assess(compute_indicators(stage_parts(table.frame, standard, table.contract), standard))
    parts = assess_source(nation, "nation", "national-2017")
    pd.testing.assert_frame_equal(parts.counties, whole.county_table())
    pd.testing.assert_frame_equal(parts.dispersion, whole.dispersion_table())
    assert parts.schools == len(whole.table.students) and set(parts.tidy()["verdict"]) >= {"not_met"}
    assert {"met", "not_met"} <= set(parts.dispersion["verdict"])
    assert f"{COUNTIES * YEARS * 2} 个县域学段" in parts.summary() and parts.to_dict()["schools"] == parts.schools


def test_a_county_of_the_pass_has_the_plain_formula(nation):
    table = load_processed(nation, "nation", years=[2025])
    standard = load_standard("national-2017", on=school_year_start(2025))
    judged = compute_indicators(stage_parts(table.frame, standard, table.contract), standard)
    found = assess_source(nation, "nation", "national-2017", years=[2025]).dispersion
    assert set(found["school_year"]) == {2025}
    code = found["county_code"].iloc[0]
    for at, indicator in enumerate(judged.codes):
        rows = (judged.keys["county_code"].eq(code) & judged.keys["stage"].eq("primary")).to_numpy(dtype=bool)
        row = found[found["county_code"].eq(code) & found["stage"].eq("primary") & found["indicator"].eq(indicator)]
        plain = coefficient_of_variation(judged.values[rows, at], judged.students[rows])
        assert row["cv"].item() == pytest.approx(plain, rel=1e-12)


def test_a_school_year_that_is_not_there_is_refused(nation):
    with pytest.raises(InputError, match="没有可评估的学年"):
        assess_source(nation, "nation", "national-2017", years=[1999])
