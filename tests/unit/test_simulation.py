"""The simulated prefecture: its truth is recovered from the written workbooks by other means than the generator's."""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from broken_parameters import refused
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qbresearch.errors import CitationError, InputError
from qbresearch.provenance import file_sha256
from qbresearch.rules.citations import CITATION_KEYS, CITED
from qbresearch.simulation import generate as sim
from qbresearch.simulation.design import PLANTED, list_simulations, read_simulation
from qbresearch.simulation.units import fit_values

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "data" / "raw" / "demo-prefecture"
PARAMETERS_FILE = CITED / "simulations" / "demo-prefecture.toml"
STANDARD = tomllib.loads((CITED / "standards" / "national-2017.toml").read_text(encoding="utf-8"))
CONTRACT = tomllib.loads((CITED / "tables" / "school.toml").read_text(encoding="utf-8"))
INDICATORS = ["L1", "L2", "L3", "L4", "L5", "L6", "L7"]
KEYS = ["county_code", "school_year", "school_code"]


@pytest.fixture(scope="module")
def parameters():
    return sim.load_simulation("demo-prefecture")


@pytest.fixture(scope="module")
def simulation(parameters):
    return sim.simulate(parameters, seed=parameters.seed)


@pytest.fixture(scope="module")
def workbooks():
    """The committed workbooks, opened with plain openpyxl."""
    return {p.name: openpyxl.load_workbook(p) for p in sorted(COMMITTED.glob("*.xlsx"))}


@pytest.fixture(scope="module")
def written(workbooks):
    """All schools as the committed workbooks hold them, in contract columns and units."""
    rows = pd.concat([_read_book(book) for book in workbooks.values()], ignore_index=True)
    return rows.sort_values(KEYS, ignore_index=True)


@pytest.fixture(scope="module")
def regenerated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw") / "demo-prefecture"
    sim.main([str(folder)])
    return folder


def _headings() -> dict[str, tuple[str, float]]:
    found = {}
    for column in CONTRACT["column"]:
        found |= {h: (column["name"], 1) for h in column["headings"]}
        for scaled in column.get("scaled", ()):
            found |= {h: (column["name"], scaled["factor"]) for h in scaled["headings"]}
    return found


def _choices(column: str) -> dict[str, str]:
    choices = next(c["choice"] for c in CONTRACT["column"] if c["name"] == column)
    return {label: choice["id"] for choice in choices for label in choice["labels"]}


def _stages() -> dict[str, set[str]]:
    """Stages that each type of school teaches."""
    choices = next(c["choice"] for c in CONTRACT["column"] if c["name"] == "school_type")
    return {choice["id"]: set(choice.get("stages", ())) for choice in choices}


def _read_book(book) -> pd.DataFrame:
    headings, frames = _headings(), []
    for sheet in book.worksheets:
        lines = list(sheet.iter_rows(min_row=3, values_only=True))
        columns = [headings[h] for h in lines[0]]
        body = [line for line in lines[1:] if line[0] != "合计" and not str(line[0]).startswith("注：")]
        frame = pd.DataFrame(body, columns=[name for name, _ in columns], dtype=object)
        for name, factor in columns:
            if factor != 1:
                frame[name] = frame[name].map(lambda v, f=factor: round(v * f, 2))
        frames.append(frame.drop(columns="school_name") if frames else frame)
    merged = frames[0].merge(frames[1], on="school_code").merge(frames[2], on="school_code")
    for name in ("school_type", "location", "sponsor", "counted"):
        merged[name] = merged[name].map(_choices(name))
    return merged


def _entities(written: pd.DataFrame, county: str, year: int) -> pd.DataFrame:
    """In-scope schools with campuses added to their parent, numbers as floats."""
    here = written[(written["county_code"] == county) & (written["school_year"] == year)].copy()
    numbers = [c["name"] for c in CONTRACT["column"] if c["kind"] in {"count", "number"}]
    here[numbers] = here[numbers].astype(float)
    here["whole"] = here["parent_code"].where(here["counted"] == "no", here["school_code"])
    sums = here.groupby("whole")[numbers].agg(lambda v: v.sum(skipna=False))
    wholes = here[here["counted"] == "yes"].set_index("whole")[["school_name", "school_type", "location", "sponsor"]]
    wholes = wholes.join(sums)
    fewest = next(s["min_students"] for s in STANDARD["scope"] if s["case"] == "teaching_point")
    small = (wholes["school_type"] == "teaching_point") & (wholes["students_primary"] < fewest)
    return wholes[(wholes["school_type"] != "special_education") & ~small]


def _values(wholes: pd.DataFrame, stage: str) -> tuple[np.ndarray, pd.DataFrame]:
    """Students and the seven values of every school of a stage, from the standard's own definitions."""
    weights = {s["school_type"]: s["weights"] for s in STANDARD["split"]}
    taught = wholes[wholes["school_type"].map(lambda kind: stage in _stages()[kind]) & (wholes[f"students_{stage}"] != 0)]
    students = taught[f"students_{stage}"].to_numpy()
    share = np.ones(len(taught))
    for at, (_, school) in enumerate(taught.iterrows()):
        if split := weights.get(school["school_type"]):
            weighted = {s: w * school[f"students_{s}"] for s, w in split.items()}
            share[at] = weighted[stage] / sum(weighted.values())
    values = {}
    for indicator in STANDARD["indicator"]:
        amount = taught[indicator["add"][stage]].sum(axis=1, skipna=False)
        if "subtract" in indicator:
            amount = amount - taught[indicator["subtract"][stage]].sum(axis=1, skipna=False)
        values[indicator["code"]] = indicator["scale"] * amount * (share if indicator["shared"] else 1) / students
    return students, pd.DataFrame(values, index=taught.index)


def _mean_cv(students: np.ndarray, values: pd.Series) -> tuple[float, float]:
    x, share = values.to_numpy(), students / students.sum()
    mean = share @ x
    return mean, np.sqrt(share @ (x - mean) ** 2) / mean


def _met(values: pd.DataFrame, stage: str) -> pd.Series:
    """The 6-of-7 rule, school by school."""
    limits = pd.Series({t["indicator"]: t["at_least"] for t in STANDARD["threshold"] if t["stage"] == stage})
    rules = {r["name"]: r["value"] for r in STANDARD["rule"]}
    ratio = values / limits
    return ((ratio >= 1).sum(axis=1) >= rules["school_min_met"]) & (ratio.min(axis=1) >= rules["school_floor_ratio"])


def _cap(stage: str) -> float:
    return next(c["at_most"] for c in STANDARD["cap"] if c["stage"] == stage)


def _fact(simulation, fact_id: str):
    return next(f for f in simulation.facts if f.id == fact_id)


# --- truth -----------------------------------------------------------------------------------------------------------


def test_truth_is_recovered_from_the_workbooks(simulation, written):
    truth = simulation.truth.set_index(["county_code", "school_year", "stage", "indicator"])
    assert len(truth) == 6 * 3 * 2 * 7
    for (county, year), _ in written.groupby(["county_code", "school_year"]):
        wholes = _entities(written, county, year)
        for stage in ("primary", "junior"):
            students, values = _values(wholes, stage)
            for code in INDICATORS:
                row = truth.loc[(county, year, stage, code)]
                found = _mean_cv(students, values[code])
                np.testing.assert_allclose((row["mean"], row["cv"]), found, rtol=1e-12, equal_nan=True)
                assert row["schools"] == len(students)
                assert row["missing"] == values[code].isna().sum()


def test_realised_values_are_within_the_stated_tolerance(parameters, simulation):
    known = simulation.truth.dropna(subset=["mean"])
    assert len(simulation.truth) - len(known) == 1 + 7 + 2  # the blank cell; blank students; two blanks in one county
    assert (known["mean"] / known["target_mean"] - 1).abs().max() <= parameters.setting("tolerance_mean")
    assert (known["cv"] - known["target_cv"]).abs().max() <= parameters.setting("tolerance_cv")
    assert (known["cv"] - known["target_cv"]).abs().median() < 0.01


def test_areas_and_money_hit_their_targets_closely(simulation):
    measured = simulation.truth[simulation.truth["indicator"].isin(["L4", "L5", "L6"])].dropna(subset=["mean"])
    changed = [("990105", 2023, "primary"), ("990105", 2022, "junior")]  # more students; a building more
    place = pd.MultiIndex.from_frame(measured[["county_code", "school_year", "stage"]])
    measured = measured[~place.isin(changed)]
    np.testing.assert_allclose(measured["mean"], measured["target_mean"], rtol=1e-4)
    np.testing.assert_allclose(measured["cv"], measured["target_cv"], rtol=1e-3)


def test_resources_improve_year_by_year(simulation):
    means = simulation.truth.groupby("school_year")[["target_mean", "target_cv"]].mean()
    assert means["target_mean"].is_monotonic_increasing
    assert means["target_cv"].is_monotonic_decreasing


# --- planted facts ---------------------------------------------------------------------------------------------------


def test_every_planted_fact_is_returned(simulation):
    assert [f.id for f in simulation.facts] == list(PLANTED)


def test_clean_county_meets_every_cap_and_nearly_all_schools_the_rule(simulation, written):
    fact = _fact(simulation, "clean_county")
    wholes = _entities(written, fact.county_code, fact.school_year)
    met = []
    for stage in ("primary", "junior"):
        students, values = _values(wholes, stage)
        largest = max(_mean_cv(students, values[code])[1] for code in INDICATORS)
        assert largest <= _cap(stage)
        assert largest == pytest.approx(fact.values[f"largest_cv_{stage}"])
        met += list(_met(values, stage))
    assert fact.values["met_share"] <= np.mean(met)


def test_rural_backbone_teachers_are_few_and_the_cv_is_over_the_cap(simulation, written):
    fact = _fact(simulation, "rural_backbone")
    wholes = _entities(written, fact.county_code, fact.school_year)
    students, values = _values(wholes, "primary")
    rural = (wholes.loc[values.index, "location"] == "rural").to_numpy()
    means = [_mean_cv(students[g], values["L2"][g])[0] for g in (rural, ~rural)]
    assert means[0] < fact.values["rural_ratio"] * means[1]
    assert means == pytest.approx([fact.values["rural_mean"], fact.values["other_mean"]])
    assert _mean_cv(students, values["L2"])[1] > _cap("primary")


def test_one_blank_leaves_one_verdict_open_and_all_others_met(simulation, written):
    fact = _fact(simulation, "blank_cell")
    wholes = _entities(written, fact.county_code, fact.school_year)
    assert wholes.index[wholes["multimedia_classrooms"].isna()].tolist() == [fact.school_code]
    assert wholes.loc[fact.school_code, "students_primary"] == fact.values["students"]
    for stage in ("primary", "junior"):
        students, values = _values(wholes, stage)
        cvs = {code: _mean_cv(students, values[code])[1] for code in INDICATORS}
        unknown = [code for code, cv in cvs.items() if np.isnan(cv)]
        assert unknown == (["L7"] if stage == "primary" else [])
        assert all(cv <= _cap(stage) for code, cv in cvs.items() if code not in unknown)


def test_one_teacher_decides_a_school(simulation, written):
    fact = _fact(simulation, "one_teacher_short")
    wholes = _entities(written, fact.county_code, fact.school_year)
    _, values = _values(wholes, "primary")
    school = wholes.loc[fact.school_code]
    limit = next(t["at_least"] for t in STANDARD["threshold"] if (t["indicator"], t["stage"]) == ("L1", "primary"))
    one_more = (fact.values["persons"] + 1) * 100 / school["students_primary"]
    assert values.loc[fact.school_code, "L1"] == pytest.approx(fact.values["value"])
    assert values.loc[fact.school_code, "L1"] < limit <= one_more
    assert round(values.loc[fact.school_code, "L1"], 2) == limit == fact.values["limit"]
    assert not _met(values, "primary")[fact.school_code]
    values.loc[fact.school_code, "L1"] = one_more
    assert _met(values, "primary")[fact.school_code]


def test_private_schools_decide_exactly_one_cv(simulation, written):
    fact = _fact(simulation, "private_decides")
    wholes = _entities(written, fact.county_code, fact.school_year)
    public = wholes[wholes["sponsor"] != "private"]
    assert len(wholes) - len(public) == 2
    for stage in ("primary", "junior"):
        for code in INDICATORS:
            cvs = [_mean_cv(s, v[code])[1] for s, v in (_values(wholes, stage), _values(public, stage))]
            decided = (stage, code) == (fact.stage, fact.indicator)
            assert (cvs[0] > _cap(stage)) == decided
            assert cvs[1] <= _cap(stage)
            if decided:
                assert cvs == pytest.approx([fact.values["cv_with_private"], fact.values["cv_without_private"]])


def test_the_true_zero_is_a_zero_and_not_a_blank(simulation, written):
    fact = _fact(simulation, "true_zero")
    school = written[written["school_code"] == fact.school_code]
    assert len(school) == 3
    for _, row in school.iterrows():
        assert row["location"] == "rural"
        assert (row["pe_teachers_primary"], row["arts_teachers_primary"]) == (0, 0)
        assert row["teachers_primary"] > 0
    assert fact.school_code in _entities(written, fact.county_code, fact.school_year).index
    assert fact.values == {"students": 64, "persons": 0}


# --- changes after everything has been generated ---------------------------------------------------------------------


def test_changes_touch_their_cells_and_nothing_else(parameters, simulation):
    before = sim.simulate(replace(parameters, changes=()), seed=parameters.seed)
    cells = {(c.school_code, c.school_year, name): v for c in parameters.changes for name, v in c.set.items()}
    blanks = {(c.school_code, c.school_year, name) for c in parameters.changes for name in c.blank}
    keys = list(zip(before.schools["school_code"], before.schools["school_year"], strict=True))
    for frame, changed in ((simulation.complete, set(cells)), (simulation.schools, set(cells) | blanks)):
        assert list(zip(frame["school_code"], frame["school_year"], strict=True)) == keys
        differing = {
            (*key, name)
            for name in frame.columns
            for key, old, new in zip(keys, before.schools[name], frame[name], strict=True)
            if not (pd.isna(old) and pd.isna(new)) and (pd.isna(old) or pd.isna(new) or old != new)
        }
        assert differing == changed
        assert all(frame.loc[keys.index((code, year)), name] == value for (code, year, name), value in cells.items())
        assert frame.dtypes.equals(before.schools.dtypes)
    assert {year for _, year, _ in cells.keys() | blanks} == {2022, 2023}  # the last year stays as it is


def test_changes_bring_about_what_they_say(written):
    def size(code: str, year: int) -> int | None:
        return written.query("school_code == @code and school_year == @year")["students_primary"].item()

    assert (size("9901050008", 2023), size("9901050009", 2023)) == (2035, 2000)
    assert size("9901060005", 2022) is None
    others = written[written["school_year"] != 2023]
    assert others[["students_primary", "students_junior"]].astype(float).sum(axis=1).max() < 2000
    weak = _entities(written, "990105", 2022)
    for stage, code in (("primary", "L3"), ("junior", "L4")):
        students, values = _values(weak, stage)
        assert _mean_cv(students, values[code])[1] > _cap(stage)
    open_county = _entities(written, "990101", 2023)
    for stage, code in (("primary", "9901010034"), ("junior", "9901010027")):
        _, values = _values(open_county, stage)
        assert list(values.index[values.isna().any(axis=1)]) == [code]
        assert _met(values.drop(index=code), stage).all()
        rest = values.loc[[code]].fillna(math.inf)
        assert _met(rest, stage).all() and not _met(values.loc[[code]].fillna(0), stage).any()


def test_a_change_of_a_school_that_is_not_there_is_refused(parameters):
    lost = replace(parameters.changes[0], school_code="9901059999")
    with pytest.raises(CitationError, match="改动的学校找不到"):
        sim.simulate(replace(parameters, changes=(lost,)), seed=parameters.seed)


# --- consistency -----------------------------------------------------------------------------------------------------


def test_every_county_has_every_kind_of_school(written):
    for (_, _), rows in written.groupby(["county_code", "school_year"]):
        assert 38 <= len(rows) <= 44
        assert set(rows["school_type"]) == {
            "primary", "teaching_point", "junior", "nine_year", "twelve_year", "complete_secondary",
            "special_education",
        }
        points = rows[rows["school_type"] == "teaching_point"]["students_primary"]
        assert (points < 50).any() and (points >= 50).any()
        assert set(rows["location"]) == {"urban", "town", "rural"}
        private = rows[rows["sponsor"] == "private"]["school_type"]
        assert sorted(private) == ["nine_year", "primary"]
        assert (rows["sponsor"] == "not_county_run").sum() == 1
        campus = rows[rows["counted"] == "no"]
        assert len(campus) == 1 and campus["parent_code"].isin(rows["school_code"]).all()
        assert rows[rows["counted"] == "yes"]["parent_code"].isna().all()


def test_the_same_schools_are_there_every_year(written):
    panels = written.groupby("school_code").agg(years=("school_year", "nunique"), names=("school_name", "nunique"))
    assert (panels["years"] == 3).all() and (panels["names"] == 1).all()
    assert written.groupby("school_name")["school_code"].nunique().max() == 1
    assert written["school_name"].str.contains("模拟").all()
    assert written["school_code"].str.fullmatch(r"9901\d{6}").all()
    assert (written["school_code"].str[:6] == written["county_code"]).all()
    sizes = written.pivot(index="school_code", columns="school_year", values="students_primary").dropna().astype(float)
    assert (sizes[2024] / sizes[2022] - 1).abs().max() < 0.25
    assert (sizes[2024] != sizes[2022]).mean() > 0.9


def test_parts_never_exceed_their_whole(written):
    for check in CONTRACT["check"]:
        rows = written[[check["column"], *check["of"]]].dropna().astype(float)
        parts = rows[check["of"]].sum(axis=1)
        if check["kind"] == "sum":
            assert (rows[check["column"]] == parts).all()
        elif check["kind"] == "at_most":
            assert (rows[check["column"]] <= parts).all()
    for stage in ("primary", "junior"):
        taught = written[written[f"teachers_{stage}"].notna()]
        courses = taught[f"pe_teachers_{stage}"] + taught[f"arts_teachers_{stage}"]
        assert (courses <= taught[f"teachers_{stage}"]).all()
        assert (taught[f"titled_teachers_{stage}"] <= taught[f"teachers_{stage}"]).all()


def test_cells_are_filled_exactly_where_the_school_teaches_the_stage(simulation, written):
    stages, blanks = _stages(), []
    for column in CONTRACT["column"]:
        if column["name"] == "parent_code":
            continue
        stage = column.get("stage")
        due = written["school_type"].map(lambda t, s=stage: not s or s in stages[t])
        assert written.loc[~due, column["name"]].isna().all()
        missing = written[due & written[column["name"]].isna()]
        blanks += [(column["name"], row["school_year"], row["school_code"]) for _, row in missing.iterrows()]
    fact = _fact(simulation, "blank_cell")
    changed = [(name, c.school_year, c.school_code) for c in simulation.parameters.changes for name in c.blank]
    assert sorted(blanks) == sorted([*changed, ("multimedia_classrooms", fact.school_year, fact.school_code)])


def test_numbers_are_whole_or_have_two_decimals_and_stay_in_range(written):
    for column in CONTRACT["column"]:
        if column["kind"] in {"count", "number"}:
            values = written[column["name"]].dropna()
            assert values.between(column["min"], column["max"]).all()
            assert all(isinstance(v, int) for v in values) or column["kind"] == "number"
            assert (values.astype(float).round(2) == values.astype(float)).all()


def test_schools_table_equals_the_workbooks(simulation, written):
    expected = simulation.schools.sort_values(KEYS, ignore_index=True)
    for name in expected.columns:
        left, right = written[name], expected[name]
        assert (left.isna() == right.isna()).all(), name
        assert (left[left.notna()].to_numpy() == right[right.notna()].to_numpy()).all(), name


# --- the files -------------------------------------------------------------------------------------------------------


def test_workbooks_look_like_a_bureau_s_and_say_simulated(workbooks):
    assert len(workbooks) == 18
    for name, book in workbooks.items():
        assert re.fullmatch(r"..[县区]（模拟）20\d\d学年义务教育学校统计表\.xlsx", name)
        assert [s.title for s in book.worksheets] == ["学校与学生", "专任教师", "校舍与设备"]
        assert book.properties.created == book.properties.modified == datetime(2026, 11, 21)
        for sheet in book.worksheets:
            assert "模拟数据" in sheet["A1"].value and "单位" in sheet["A2"].value
            assert sheet.cell(sheet.max_row, 1).value.startswith("注：") and "模拟" in sheet.cell(sheet.max_row, 1).value
            assert sheet.freeze_panes and {r.min_row for r in sheet.merged_cells.ranges} >= {1, 2}
            for row in sheet.iter_rows(min_row=4, max_row=sheet.max_row - 2):
                for heading, cell in zip(sheet[3], row, strict=True):
                    assert cell.data_type != "f"
                    if _headings()[heading.value][0].endswith("code") and cell.value is not None:
                        assert isinstance(cell.value, str) and cell.number_format == "@"


def test_totals_are_the_sums_of_the_columns(workbooks):
    numbers = {c["name"] for c in CONTRACT["column"] if c["kind"] in {"count", "number"}}
    for book in workbooks.values():
        for sheet in book.worksheets:
            total = sheet.max_row - 1
            assert sheet.cell(total, 1).value == "合计"
            for at, heading in enumerate(sheet[3], 1):
                if _headings()[heading.value][0] in numbers:
                    values = [sheet.cell(r, at).value or 0 for r in range(4, total)]
                    assert sheet.cell(total, at).value == pytest.approx(sum(values), abs=0.005)


def test_counties_use_different_headings_and_units(workbooks):
    books = [book for name, book in workbooks.items() if "2024" in name]
    assert len({tuple(c.value for c in book["校舍与设备"][3]) for book in books}) >= 4
    units = [re.search("（(.+)）", c.value)[1] for b in books for c in b["校舍与设备"][3] if "设备" in c.value]
    assert sorted(units) == ["万元", "万元", "万元", "元", "元", "元"]


def test_committed_files_are_what_the_program_writes(regenerated, workbooks):
    assert sorted(p.name for p in regenerated.iterdir()) == sorted([*workbooks, "source.toml"])
    for name, book in workbooks.items():
        if file_sha256(regenerated / name) == file_sha256(COMMITTED / name):
            continue  # other versions of openpyxl or zlib may pack the same cells differently
        again = openpyxl.load_workbook(regenerated / name)
        for sheet in book.worksheets:
            assert list(sheet.values) == list(again[sheet.title].values)


def test_the_passport_fits_the_files(simulation):
    passport = tomllib.loads((COMMITTED / "source.toml").read_text(encoding="utf-8"))
    assert list(passport) == [
        "id", "title", "producer", "found_at", "accessed", "licence", "kind", "form", "table", "title_en",
        "licence_en", "file",
    ]
    assert (passport["id"], passport["kind"], passport["form"]) == ("demo-prefecture", "simulated", "generated")
    assert str(simulation.seed) in passport["found_at"]
    assert sorted(f["name"] for f in passport["file"]) == sorted(p.name for p in COMMITTED.glob("*.xlsx"))
    for entry in passport["file"]:
        path = COMMITTED / entry["name"]
        assert (path.stat().st_size, file_sha256(path)) == (entry["bytes"], entry["sha256"])


def test_same_seed_same_bytes_other_seed_other_schools(parameters, simulation, regenerated, tmp_path):
    again = sim.simulate(parameters, seed=parameters.seed)
    pd.testing.assert_frame_equal(again.schools, simulation.schools)
    assert again.facts == simulation.facts
    other = sim.simulate(parameters, seed=parameters.seed + 1)
    assert not other.schools["students_primary"].equals(simulation.schools["students_primary"])
    one_county = replace(again, parameters=replace(parameters, counties=parameters.counties[:1]))
    for path in sim.write_workbooks(one_county, tmp_path):
        assert path.read_bytes() == (regenerated / path.name).read_bytes()


# --- the parameters --------------------------------------------------------------------------------------------------


def test_every_entry_of_the_parameters_is_cited():
    data = tomllib.loads(PARAMETERS_FILE.read_text(encoding="utf-8"))
    sources = {s["id"] for s in data["source"]}
    lists = {k: v for k, v in data.items() if isinstance(v, list) and k != "source"}
    assert set(lists) == {
        "mean", "spread", "year", "county", "adjustment", "roster", "campus", "split", "qualification", "basic",
        "setting", "planted", "change",
    }
    for key, entries in lists.items():
        for entry in entries:
            assert all(entry[k].strip() for k in CITATION_KEYS), key
            assert entry["source"] in sources
            assert entry["status"] in {"practice", "copy"}
            if key in {"mean", "spread"}:
                assert entry["source"] != "own-design"
                assert re.fullmatch(r"\d+(\.\d+)?", entry["quote"])
                assert float(entry["quote"]) == entry["value"] or "乘以 100" in entry["reading"]
            elif entry["source"] == "own-design":
                assert entry["reading"].strip()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("value = 5.515273", "value = 5.6", "原句里没有这个数"),
        ("value = 5.515273", "valeu = 5.515273", "不认识的键"),
        ('source = "jiujiang-2023"', 'source = "somewhere"', "没有登记的出处"),
        ('stage = "primary"', 'stage = "kindergarten"', "没有这个stage"),
        ('name = "persistence"', 'name = "persistance"', "没有这个设定"),
        ('id = "true_zero"', 'id = "true_zeros"', "没有这个埋设事实"),
        ('blank = ["sports_ground_area_m2"]', 'blank = ["sports_ground"]', "没有这个列"),
        ('blank = ["students_primary"]', 'empty = ["students_primary"]', "不认识的键"),
        ('cv_profile = "ningguo"', 'cv_profile = "unknown"', "模拟参数不完整"),
        ('county = "990104"', 'county = "990109"', "没有这个县代码"),
    ],
)
def test_broken_parameters_are_refused(tmp_path, old, new, message):
    refused(read_simulation, PARAMETERS_FILE, tmp_path, old, new, message)


def test_unknown_simulation_lists_the_known_ones():
    assert list_simulations() == ("demo-prefecture",)
    with pytest.raises(InputError, match="demo-prefecture"):
        sim.load_simulation("demo-prefectur")
    with pytest.raises(CitationError, match="找不到文件"):
        read_simulation(Path("no-such.toml"))


def test_main_says_what_is_wrong_without_a_traceback(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        sim.main([str(tmp_path / "nowhere")])
    assert stop.value.code == 2 and "没有这个模拟参数" in capsys.readouterr().err


# --- fitting ---------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    schools=st.lists(st.tuples(st.integers(50, 2000), st.floats(-2.2, 2.2)), min_size=8, max_size=30),
    fixed=st.lists(st.tuples(st.integers(50, 300), st.floats(0.8, 1.3)), max_size=2),
    mean=st.floats(0.5, 5000),
    cv=st.floats(0.15, 0.5),
)
def test_fitted_values_have_the_asked_for_mean_and_cv(schools, fixed, mean, cv):
    counts, places = np.array([s[0] for s in schools], dtype=float), np.array([s[1] for s in schools])
    assume(places.std() > 0.5)
    given_values = np.array([(p, x * mean) for p, x in fixed], dtype=float).reshape(-1, 2)
    try:
        values = fit_values(counts, places, given_values, mean, cv, "test")
    except InputError:
        assume(False)
    students = np.concatenate([counts, given_values[:, 0]])
    found = _mean_cv(students, pd.Series(np.concatenate([values, given_values[:, 1]])))
    assert found == pytest.approx((mean, cv), rel=1e-6)
    assert (values > 0).all()


def test_a_target_that_cannot_be_reached_is_refused():
    counts, places = np.array([100.0, 100.0]), np.array([0.0, 0.0])
    with pytest.raises(InputError, match="配不出来"):
        fit_values(counts, places, np.empty((0, 2)), 1.0, 0.3, "两所同样的学校")
