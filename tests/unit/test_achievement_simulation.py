"""Simulated monitoring results: other means than the generator's recover their truth from the committed files."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from broken_parameters import refused
from statsmodels.regression.mixed_linear_model import MixedLM
from statsmodels.tools.sm_exceptions import ConvergenceWarning

from qbresearch.errors import CitationError, InputError
from qbresearch.raw.reading import read_file
from qbresearch.raw.sources import open_source, verify_source
from qbresearch.results.resources.indicators import compute_indicators
from qbresearch.results.resources.parts import stage_parts
from qbresearch.rules.columns import load_table
from qbresearch.rules.standards import load_standard
from qbresearch.simulation import achievement as sim
from qbresearch.simulation.design import load_simulation
from qbresearch.simulation.generate import simulate
from qbresearch.simulation.monitoring_design import (
    FOLDER,
    SUBJECTS,
    TRAITS,
    read_monitoring,
)

RAW = Path(__file__).parents[2] / "data" / "raw"
STUDENTS, REPORTS = RAW / "demo-prefecture-students", RAW / "demo-prefecture-reports"
PARAMETERS_FILE = FOLDER / "demo-monitoring.toml"
INDICATORS = ["L1", "L2", "L3", "L4", "L5", "L6", "L7"]
GRADES = {"四年级": "primary", "八年级": "junior"}
LABELS = {"数学": "mathematics", "语文": "chinese"}
NAMES = {
    "县区划代码": "county", "学校标识码": "code", "学校名称": "name", "班级代码": "class", "学生代码": "student",
    "年级": "stage", "学科": "subject", "分数": "score", "满分": "full", "水平": "level", "权重": "weight", "性别": "sex",
    "家庭社会经济地位": "ses", "随迁子女": "migrant", "留守儿童": "left_behind", "寄宿": "boarding", "独生子女": "only_child",
    "前测分数": "prior", "教师支持": "support", "学校氛围": "climate",
}
cases = pytest.mark.parametrize(
    ("stage", "subject"), [(s, m) for s in GRADES.values() for m in SUBJECTS], ids=lambda v: v
)


@pytest.fixture(scope="module")
def monitoring():
    return sim.load_monitoring("demo-monitoring")


@pytest.fixture(scope="module")
def achievement(monitoring):
    return sim.simulate_achievement(monitoring, seed=monitoring.seed)


@pytest.fixture(scope="module")
def written():
    """The committed student files, read with plain pandas."""
    rows = pd.concat([pd.read_csv(p, dtype=str, encoding="utf-8-sig") for p in sorted(STUDENTS.glob("*.csv"))])
    rows = rows.rename(columns=NAMES).reset_index(drop=True)
    rows["stage"], rows["subject"] = rows["stage"].map(GRADES), rows["subject"].map(LABELS)
    numbers = ["score", "full", "weight", "ses", "prior", "support", "climate"]
    return rows.assign(**{name: pd.to_numeric(rows[name]) for name in numbers})


@pytest.fixture(scope="module")
def register():
    """Schools of the prefecture as the monitoring year has them."""
    parameters = load_simulation("demo-prefecture")
    schools = simulate(parameters, seed=parameters.seed).schools
    return schools[schools["school_year"] == 2024]


@pytest.fixture(scope="module")
def indicators(register):
    """Indicators of every judged school and stage, by the package's own rules."""
    standard = load_standard("national-2017", on=date(2024, 9, 1))
    table = compute_indicators(stage_parts(register, standard, load_table("school")), standard)
    return table.keys[["school_code", "school_name", "stage"]].assign(**dict(zip(table.codes, table.values.T)))


@pytest.fixture(scope="module")
def linked(written, indicators):
    """Students of judged schools, found by code or else by exact name, with the school's standardised resources."""
    code_of = indicators.drop_duplicates("school_name").set_index("school_name")["school_code"]
    rows = written.assign(school=written["code"].fillna(written["name"].map(code_of)))
    rows = rows[rows["score"].notna()].merge(
        indicators.assign(stage=indicators["stage"].astype(str)), left_on=["school", "stage"],
        right_on=["school_code", "stage"],
    )
    for stage in GRADES.values():
        here = rows["stage"] == stage
        schools = rows[here].drop_duplicates("school").set_index("school")[INDICATORS]
        standard = (schools - schools.mean()) / schools.std(ddof=0)
        rows.loc[here, INDICATORS] = standard.loc[rows.loc[here, "school"]].fillna(0).to_numpy()
    means = rows.groupby(["stage", "school"])[["ses", "climate", "support"]].transform("mean")
    rows["school_ses"], rows["own_ses"] = means["ses"], rows["ses"] - means["ses"]
    for name in ("climate", "support"):
        spread = means.groupby(rows["stage"])[name].transform("std")
        rows[f"school_{name}"] = (means[name] - means.groupby(rows["stage"])[name].transform("mean")) / spread
    return rows.assign(y=rows["score"] / 100)


def _fit(rows: pd.DataFrame, columns: list[str], *, counties: bool = False):
    """Random-intercept model by statsmodels; Powell is its reliable optimiser."""
    x = sm.add_constant(rows[columns].astype(float)) if columns else pd.DataFrame({"const": np.ones(len(rows))})
    if counties:
        x = x.join(pd.get_dummies(rows["county"], drop_first=True, dtype=float))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return MixedLM(rows["y"].to_numpy(), x, groups=rows["school"].to_numpy()).fit(method=["powell"])


def _icc(fit) -> float:
    between = float(fit.cov_re.iloc[0, 0])
    return between / (between + fit.scale)


def _rows(linked: pd.DataFrame, stage: str, subject: str) -> pd.DataFrame:
    return linked[(linked["stage"] == stage) & (linked["subject"] == subject)].reset_index(drop=True)


# --- truth -----------------------------------------------------------------------------------------------------------


def test_resources_are_those_the_package_computes(achievement, indicators):
    for data in achievement.stages:
        expected = indicators[indicators["stage"] == data.stage].set_index("school_code")[INDICATORS]
        judged = data.schools[data.schools["L1"].notna()].set_index("school_code")[INDICATORS]
        assert len(judged) >= len(expected) - 1
        np.testing.assert_allclose(judged, expected.loc[judged.index], rtol=1e-12, equal_nan=True)


@cases
def test_the_share_between_schools_is_recovered(achievement, monitoring, linked, stage, subject):
    rows, tolerance = _rows(linked, stage, subject), monitoring.setting("tolerance_icc")
    designed = monitoring.effect(stage, subject, "icc")
    assert _icc(_fit(rows, [], counties=True)) == pytest.approx(designed, abs=tolerance)
    assert _icc(_fit(rows, [])) == pytest.approx(designed, abs=tolerance)
    assert achievement.truth.fact(stage, subject, "icc").realised == pytest.approx(designed, abs=1e-4)
    assert achievement.truth.fact(stage, subject, "icc_pooled").realised == pytest.approx(designed, abs=tolerance)


@cases
def test_one_resource_works_one_is_confounded_one_does_nothing(achievement, linked, stage, subject):
    rows = _rows(linked, stage, subject).dropna(subset="ses")
    naive, full = (_fit(rows, [*INDICATORS, *more]) for more in (
        [], ["school_ses", "own_ses", "school_climate", "school_support"]))
    for fit, prefix in ((naive, "naive"), (full, "effect")):
        low, high = fit.conf_int().loc["L1"]
        assert low < achievement.truth.fact(stage, subject, "effect_L1").designed < high
        assert fit.pvalues["L1"] < 0.01
        assert fit.pvalues["L7"] > 0.1
        for name in ("L1", "L6", "L7"):
            realised = achievement.truth.fact(stage, subject, f"{prefix}_{name}").realised
            assert fit.params[name] == pytest.approx(realised, abs=0.03)
    assert naive.conf_int().loc["L6", 0] > 0.05
    assert full.pvalues["L6"] > 0.1 and abs(full.params["L6"]) < naive.params["L6"] / 3
    for column, quantity in (("school_ses", "ses_between"), ("school_climate", "climate"), ("own_ses", "ses_slope")):
        low, high = full.conf_int().loc[column]
        assert low < achievement.truth.fact(stage, subject, quantity).designed < high


@cases
def test_the_resource_flattens_the_slope_of_ses(achievement, linked, stage, subject):
    rows = _rows(linked, stage, subject).dropna(subset="ses")
    y = rows["y"] - rows.groupby("school")["y"].transform("mean")
    x = pd.DataFrame({"ses": rows["own_ses"], "moderation": rows["own_ses"] * rows["L1"]})
    fit = sm.OLS(y, x).fit(cov_type="cluster", cov_kwds={"groups": rows["school"].factorize()[0]}, use_t=True)
    low, high = fit.conf_int().loc["moderation"]
    assert low < achievement.truth.fact(stage, subject, "moderation_L1").designed < high
    assert fit.pvalues["moderation"] < 0.05 and fit.params["moderation"] < 0
    assert fit.conf_int().loc["ses", 0] > 0.1


@cases
def test_the_prior_score_predicts_and_does_not_take_the_effect_away(achievement, monitoring, linked, stage, subject):
    rows = _rows(linked, stage, subject).dropna(subset=["ses", "prior"])
    designed = achievement.truth.fact(stage, subject, "prior_correlation").designed
    found = np.corrcoef(rows["score"], rows["prior"])[0, 1]
    assert found == pytest.approx(designed, abs=monitoring.setting("tolerance_correlation"))
    added = _fit(rows, ["prior", "own_ses", "school_ses", *INDICATORS])
    assert added.pvalues["L1"] < 0.01
    assert _icc(added) < monitoring.effect(stage, subject, "icc")


@cases
def test_a_school_effect_left_over_is_related_to_nothing_at_school_level(achievement, stage, subject):
    data = next(d for d in achievement.stages if d.stage == stage)
    linked = data.schools["linked"].to_numpy()
    schools = data.schools[linked]
    effect = {n: achievement.monitoring.effect(stage, subject, n) for n in ("L1", "climate", "support", "ses_between")}
    own = data.students[list(TRAITS)].to_numpy(dtype=float) @ [
        achievement.monitoring.effect(stage, subject, n) for n in TRAITS]
    traits = pd.Series(own).groupby(data.students["school"]).mean().to_numpy()[linked]
    rest = (
        data.means[subject][linked] - traits - effect["L1"] * schools["z_L1"] - effect["climate"] * schools["z_climate"]
        - effect["support"] * schools["z_support"] - effect["ses_between"] * schools["ses"]
    )
    assert rest.std() > 0.15
    for county, own in (rest - rest.mean()).groupby(schools["county_code"]):
        assert own.mean() == pytest.approx(0, abs=1e-10), county
    for name in (*(f"z_{i}" for i in INDICATORS), "z_climate", "z_support", "ses"):
        assert np.corrcoef(rest, schools[name])[0, 1] == pytest.approx(0, abs=1e-10), name


def test_facts_come_as_a_table_and_unknown_ones_are_refused(achievement, monitoring):
    table = achievement.truth.tidy()
    assert list(table) == ["stage", "subject", "quantity", "meaning", "designed", "realised"]
    assert not table.isna().any(axis=None) and not table.duplicated(["stage", "subject", "quantity"]).any()
    assert table.groupby(["stage", "subject"]).size().tolist() == [len(table) // 4] * 4
    confounded = achievement.truth.fact("primary", "mathematics", "naive_L6").designed
    assert confounded == monitoring.effect("primary", "mathematics", "ses_between") * monitoring.setting("ses_L6")
    with pytest.raises(InputError, match="没有这个真值"):
        achievement.truth.fact("primary", "mathematics", "effect_L9")


# --- the students ----------------------------------------------------------------------------------------------------


def test_every_school_takes_part_with_what_it_has(written, register):
    for stage, grades in (("primary", 6), ("junior", 3)):
        rows = written[written["stage"] == stage]
        wholes = register.assign(whole=register["parent_code"].fillna(register["school_code"]))
        enrolled = wholes.groupby("whole")[f"students_{stage}"].sum()
        enrolled = enrolled[enrolled > 0].astype(int)
        assert set(rows["code"].dropna()) < set(enrolled.index)
        assert rows["name"].nunique() == len(enrolled) - (stage == "primary")
        for code, own in rows.groupby("code"):
            grade = max(1, round(enrolled[code] / grades))
            assert own["student"].nunique() == min(24, grade)
            assert own["weight"].unique() == pytest.approx([round(grade / min(24, grade), 2)])
            assert own["class"].nunique() == (2 if grade > 45 else 1)


def test_students_are_pseudonyms_who_sit_both_subjects(written):
    assert written["student"].str.fullmatch(r"9901\d\d-S\d{5}").all()
    assert written["class"].str.fullmatch(r"9901\d\d-C\d{3}").all()
    assert not written.duplicated(["student", "subject"]).any()
    assert (written.groupby("student")["subject"].nunique() == 2).all()
    same = [c for c in written if c not in {"subject", "score", "level", "prior"}]
    assert (written.groupby("student")[same].nunique() <= 1).all(axis=None)
    assert written["county"].eq(written["student"].str[:6]).all() and written["name"].str.contains("模拟").all()


def test_levels_follow_the_scores(written):
    known = written.dropna(subset="score")
    ranges = known.groupby("level")["score"].agg(["min", "max"])
    assert list(ranges.index) == ["Ⅰ", "Ⅱ", "Ⅲ", "Ⅳ"]
    assert (ranges["min"].to_numpy()[1:] >= [400, 500, 600]).all()
    assert (ranges["max"].to_numpy()[:3] < [400, 500, 600]).all()
    assert known["level"].value_counts(normalize=True).min() > 0.1
    assert known["level"].notna().all() and written["level"].isna().equals(written["score"].isna())


def test_cells_are_blank_as_designed(written):
    people = written.drop_duplicates("student").assign(before=written.groupby("student")["prior"].transform("mean"))
    assert people["ses"].isna().mean() == pytest.approx(0.06, abs=0.01)
    assert people["prior"].isna().mean() == pytest.approx(0.03, abs=0.01)
    assert written["score"].isna().mean() == pytest.approx(0.01, abs=0.005)
    known = people.dropna(subset="before")
    slope = sm.Logit(known["ses"].isna().astype(float), sm.add_constant(known[["before"]] / 100)).fit(disp=False)
    assert slope.params["before"] < 0 and slope.pvalues["before"] < 1e-4
    blank = sm.Logit(people["prior"].isna().astype(float), sm.add_constant(people[["climate"]])).fit(disp=False)
    assert blank.pvalues["climate"] > 0.01
    always = ["full", "weight", "sex", "support", "climate", "migrant", "left_behind", "boarding", "only_child"]
    assert written[always].notna().all(axis=None)


def test_planted_problems_are_there_and_nothing_else_is_wrong(written, register, monitoring):
    names = register.set_index("school_code")["school_name"]
    without = written[written["code"].isna()]["name"].unique()
    assert sorted(n for n in without if n in set(names)) == sorted(names[list(monitoring.problem_schools("no_code"))])
    (misspelt,) = (n for n in without if n not in set(names))
    right = names[monitoring.problem_schools("misspelt")[0]]
    assert len(misspelt) == len(right) and sum(a != b for a, b in zip(misspelt, right, strict=True)) == 1
    assert right not in set(written["name"])
    assert not set(names[list(monitoring.problem_schools("absent"))]) & set(written["name"])
    assert len(monitoring.problem_schools("absent")) == 1
    coded = written.dropna(subset="code")
    assert (coded["code"].map(names) == coded["name"]).all()


# --- reports ---------------------------------------------------------------------------------------------------------


def test_reported_rates_are_near_the_truth_and_not_equal_to_it(achievement, linked):
    reports = achievement.reports
    assert len(reports) == 6 * 2 * 2 and reports["level"].isin(["1", "2", "3", "4"]).all()
    for (county, grade, subject), own in reports.groupby(["county_code", "grade", "subject"]):
        rows = _rows(linked, "primary" if grade == "4" else "junior", subject)
        fit = _fit(rows[rows["county"] == county].reset_index(drop=True), [])
        assert own["difference_rate"].item() == pytest.approx(_icc(fit), abs=0.09)
        assert own["difference_rate"].item() != pytest.approx(_icc(fit), abs=1e-6)
    rates = reports["difference_rate"]
    limit = 0.15
    assert 5 <= (rates < limit).sum() <= 19


# --- the files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", [STUDENTS, REPORTS], ids=lambda p: p.name)
def test_committed_files_are_what_the_program_writes(achievement, folder, tmp_path):
    again = tmp_path / folder.name
    if folder == STUDENTS:
        sim.main([str(again)])
    else:
        sim.write_results(achievement, again)
    assert sorted(p.name for p in again.iterdir()) == sorted(p.name for p in folder.iterdir())
    for path in again.iterdir():
        assert path.read_bytes() == (folder / path.name).read_bytes(), path.name


@pytest.mark.parametrize(("folder", "table", "files"), [(STUDENTS, "student", 6), (REPORTS, "county-report", 1)])
def test_files_are_read_without_a_problem_and_the_passport_fits(folder, table, files):
    source = open_source(RAW, folder.name)
    assert source.simulated and source.form == "generated" and "模拟" in source.title and source.table == table
    assert verify_source(source).empty and len(source.files) == files
    for path in sorted(folder.glob("*.csv")):
        assert "（模拟）" in path.name and path.read_bytes().startswith(b"\xef\xbb\xbf")
        result = read_file(path, load_table(table))
        assert result.problems.query("level == '错误'").empty
        assert len(result.table) == path.read_text(encoding="utf-8-sig").count("\n") - 1
    assert sum(p.stat().st_size for p in folder.glob("*.csv")) < 2_500_000


def test_headings_stand_in_the_order_agreed():
    head = next(iter(sorted(STUDENTS.glob("*.csv")))).read_text(encoding="utf-8-sig").splitlines()[0]
    assert head == (
        "县区划代码,县（市、区）,学年,监测年份,学校标识码,学校名称,班级代码,学生代码,年级,学科,分数,满分,水平,权重,性别,"
        "家庭社会经济地位,随迁子女,留守儿童,寄宿,独生子女,前测分数,教师支持,学校氛围"
    )
    head = next(iter(REPORTS.glob("*.csv"))).read_text(encoding="utf-8-sig").splitlines()[0]
    assert head == "县区划代码,县（市、区）,学年,监测年份,年级,学科,水平等级,校际差异率"


def test_another_seed_gives_other_students_and_the_same_design(achievement, monitoring):
    other = sim.simulate_achievement(monitoring, seed=monitoring.seed + 1)
    assert not other.students["score"].equals(achievement.students["score"])
    for fact in other.truth.facts:
        same = achievement.truth.fact(fact.stage, fact.subject, fact.quantity)
        assert fact.designed == same.designed
        if fact.quantity == "icc":
            assert fact.realised == pytest.approx(fact.designed, abs=1e-4)
    assert sim.achievement_truth(monitoring) == achievement.truth


# --- the parameters --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('reading = "男生略多"\n', "", "原句里没有这个数"),
        ("slope_sd = 0.05", "slope = 0.05", "没有这个效应"),
        ("slope_sd = 0.05, ", "", "监测模拟参数不完整"),
        ('stage = "primary"', 'stage = "senior"', "没有这个学段"),
        ('name = "sample_cap"', 'name = "sample"', "没有这个设定"),
        ('simulation = "demo-prefecture"', 'simulation = "demo"', "没有这个模拟参数"),
        ('id = "misspelt"', 'id = "mispelt"', "没有这个埋设的数据问题"),
        ('\nsource = "own-design"', '\nsource = "elsewhere"', "没有登记的出处"),
        ("junior = [0.48, 0.48, 0.47]", "junior = [0.48, 0.48]", "监测模拟参数不完整"),
    ],
)
def test_broken_parameters_are_refused(tmp_path, old, new, message):
    refused(read_monitoring, PARAMETERS_FILE, tmp_path, old, new, message)


@pytest.mark.parametrize(("icc", "message"), [(0.05, "校际方差"), (0.97, "校内方差")])
def test_effects_that_do_not_fit_into_the_variance_are_refused(monitoring, icc, message):
    effects = tuple(replace(e, values={**e.values, "icc": icc}) for e in monitoring.effects)
    with pytest.raises(InputError, match=message):
        sim.simulate_achievement(replace(monitoring, effects=effects), seed=monitoring.seed)


def test_every_entry_says_how_its_numbers_came_about(monitoring):
    for name in ("grades", "effects", "intakes", "traits", "levels", "settings", "problems"):
        for entry in getattr(monitoring, name):
            assert entry.citation.source == "own-design" and entry.citation.reading.strip(), entry
    assert re.search("不是任何地方的实际情况", PARAMETERS_FILE.read_text(encoding="utf-8"))


def test_what_is_not_there_is_refused_in_words(achievement, tmp_path, capsys):
    with pytest.raises(InputError, match="demo-monitoring"):
        sim.load_monitoring("demo-monitor")
    with pytest.raises(CitationError, match="找不到文件"):
        read_monitoring(Path("no-such.toml"))
    with pytest.raises(InputError, match="demo-prefecture-students"):
        sim.write_results(achievement, tmp_path / "elsewhere")
    with pytest.raises(SystemExit) as stop:
        sim.main([str(tmp_path / "elsewhere")])
    assert stop.value.code == 2 and "没有这个监测模拟的文件夹" in capsys.readouterr().err
