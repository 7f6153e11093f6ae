"""Simulated results of quality monitoring in the simulated prefecture, with a known truth.

``python -m qbresearch.simulation.achievement data/raw/demo-prefecture-students`` writes the students' scores,
``… data/raw/demo-prefecture-reports`` what the monitoring reports about the counties.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from qbresearch.errors import QbError, check_choice
from qbresearch.provenance import write_bytes
from qbresearch.rules.columns import Column, load_table
from qbresearch.simulation.achievement_model import StageData, deviations, make_stage
from qbresearch.simulation.achievement_truth import (
    AchievementTruth,
    TrueFact,
    stage_facts,
)
from qbresearch.simulation.design import STAGES, load_simulation
from qbresearch.simulation.generate import simulate
from qbresearch.simulation.monitoring_design import (
    SUBJECTS,
    TRAITS,
    Monitoring,
    Output,
    list_monitorings,
    load_monitoring,
)
from qbresearch.simulation.passports import write_simulated_passport

__all__ = [
    "Achievement", "AchievementTruth", "TrueFact", "achievement_truth", "list_monitorings", "load_monitoring",
    "simulate_achievement", "write_results",
]

FORMATS = {
    "score": ".1f", "full_mark": ".0f", "weight": ".2f", "ses": ".2f", "prior_score": ".1f", "teacher_support": ".2f",
    "school_climate": ".2f", "difference_rate": ".3f",
}
YES_NO = {True: "yes", False: "no"}
RATE_DECIMALS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Achievement:
    """Simulated monitoring results and what is true of them.

    students : one row a student and subject, columns and choice ids of the contract ``student``, with blanks and
        planted problems, as the files hold them.
    reports : one row a county, grade and subject, columns of the contract ``county-report``.
    stages : the data of each stage before blanks.
    truth : designed and realised quantities.
    """

    monitoring: Monitoring
    seed: int
    students: pd.DataFrame
    reports: pd.DataFrame
    stages: tuple[StageData, ...]
    truth: AchievementTruth


def simulate_achievement(monitoring: Monitoring, *, seed: int) -> Achievement:
    """Generate the monitoring results of the simulated prefecture.

    Parameters
    ----------
    monitoring : Monitoring
        From :func:`load_monitoring`; the schools are those of its prefecture with the prefecture's own seed.
    seed : int
        The only source of randomness of the results; each school has its own stream.

    Raises
    ------
    InputError
        The designed effects do not fit into the designed variances.
    """
    parameters = load_simulation(monitoring.simulation)
    schools = simulate(parameters, seed=parameters.seed).schools
    stages = tuple(make_stage(monitoring, parameters, schools, stage, seed) for stage in STAGES)
    students = pd.concat([_student_rows(monitoring, data) for data in stages], ignore_index=True)
    truth = AchievementTruth(tuple(fact for data in stages for fact in stage_facts(monitoring, data)))
    return Achievement(monitoring, seed, _coded(students), _reports(monitoring, stages, seed), stages, truth)


def achievement_truth(monitoring: Monitoring, *, seed: int | None = None) -> AchievementTruth:
    """What is true of the results that :func:`simulate_achievement` makes; by default of those in the data folders."""
    return simulate_achievement(monitoring, seed=monitoring.seed if seed is None else seed).truth


def _student_rows(monitoring: Monitoring, data: StageData) -> pd.DataFrame:
    """Rows of a stage, a student's subjects one below the other, with the blanks and planted problems."""
    at = data.students["school"].to_numpy()
    school = data.schools.iloc[at].reset_index(drop=True)
    place = np.concatenate([np.arange(n) for n in data.schools["sampled"]])
    two_classes = (school["enrolled"] > monitoring.setting("class_size")).to_numpy()
    no_prior = (data.students["no_prior"] < monitoring.setting("prior_missing")).to_numpy()
    no_ses = data.students["no_ses"].to_numpy() < _chance_of_no_ses(monitoring, data, no_prior)
    person = pd.DataFrame({
        "county_code": school["county_code"], "county_name": school["county_name"],
        "school_year": monitoring.school_year, "cycle": monitoring.cycle,
        "school_code": school["school_code"].mask(school["school_code"].isin(_without_code(monitoring))),
        "school_name": school["school_name"],
        "class": [f"{data.stage}{s}-{c}" for s, c in zip(at, two_classes & (place % 2 == 1), strict=True)],
        "student": [f"{data.stage}{n}" for n in range(len(at))],
        "grade": monitoring.grade(data.stage).grade,
        "full_mark": monitoring.setting("full_mark"),
        "weight": school["enrolled"] / school["sampled"],
        "sex": data.students["female"].map({True: "female", False: "male"}),
        "ses": data.students["ses"].mask(no_ses),
        **{name: data.students[name].map(YES_NO) for name in TRAITS[1:]},
        "teacher_support": data.students["teacher_support"], "school_climate": data.students["school_climate"],
    })
    for problem in monitoring.problems:
        if problem.written_name:
            person.loc[school["school_code"] == problem.school_code, "school_name"] = problem.written_name
    pieces = []
    for subject in SUBJECTS:
        absent = (data.students[f"absent_{subject}"] < monitoring.setting("absent")).to_numpy()
        score = pd.Series(data.scores[subject])
        level = _levels(monitoring, score, "student_from")
        pieces.append(person.assign(
            subject=subject, score=score.mask(absent), level=level.mask(absent),
            prior_score=pd.Series(data.priors[subject]).mask(no_prior),
        ))
    return pd.concat(pieces).sort_index(kind="stable")


def _without_code(monitoring: Monitoring) -> tuple[str, ...]:
    return (*monitoring.problem_schools("no_code"), *monitoring.problem_schools("misspelt"))


def _chance_of_no_ses(monitoring: Monitoring, data: StageData, no_prior: np.ndarray) -> np.ndarray:
    """Chance that SES is not given: higher where the prior score is low, average where that is not known either."""
    prior = np.mean(list(data.priors.values()), axis=0)
    position = np.where(no_prior, 0, (prior - prior.mean()) / prior.std())
    odds = np.exp(-monitoring.setting("ses_missing_prior") * position)
    return monitoring.setting("ses_missing") * odds / odds.mean()


def _levels(monitoring: Monitoring, scores: pd.Series, start: str) -> pd.Series:
    """Level of every score; a level begins at its own score."""
    starts = [getattr(level, start) for level in monitoring.levels]
    at = np.searchsorted(starts, scores, side="right") - 1
    return pd.Series([monitoring.levels[n].level for n in at], index=scores.index, dtype=object)


def _coded(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows in order of counties with running codes for classes and students, in the order of the contract."""
    rows = rows.sort_values("county_code", kind="stable", ignore_index=True)
    for column, name, width in (("class", "class_id", 3), ("student", "student_id", 5)):
        for county, own in rows.groupby("county_code"):
            numbers = own[column].factorize()[0] + 1
            letter = column[0].upper()
            rows.loc[own.index, name] = [f"{county}-{letter}{n:0{width}d}" for n in numbers]
    return rows[[c.name for c in load_table("student").columns if c.name in rows]]


def _reports(monitoring: Monitoring, stages: tuple[StageData, ...], seed: int) -> pd.DataFrame:
    """What the monitoring reports: the county's own share of variance between schools, measured with a little error."""
    rows = []
    for data in stages:
        for county, own in data.schools.groupby("county_code"):
            noise = np.random.Generator(np.random.PCG64([seed, int(county), STAGES.index(data.stage)]))
            here = data.students["school"].isin(own.index).to_numpy()
            weight = (own["enrolled"] / own["sampled"])[data.students["school"][here]].to_numpy()
            for subject in SUBJECTS:
                mean = pd.Series([np.average(data.scores[subject][here], weights=weight)])
                rows.append({
                    "county_code": county, "county_name": own["county_name"].iloc[0],
                    "school_year": monitoring.school_year, "cycle": monitoring.cycle,
                    "grade": monitoring.grade(data.stage).grade, "subject": subject,
                    "level": _levels(monitoring, mean, "county_from")[0],
                    "difference_rate": _reported_rate(monitoring, data, own, subject, noise.standard_normal()),
                })
    return pd.DataFrame(rows).sort_values("county_code", kind="stable", ignore_index=True)


def _reported_rate(
    monitoring: Monitoring, data: StageData, own: pd.DataFrame, subject: str, noise: float
) -> float:
    linked = own.index[own["linked"]]
    here = data.students["school"].isin(linked).to_numpy()
    at = pd.factorize(data.students["school"][here])[0]
    inside = deviations(data.scores[subject][here], at) / monitoring.setting("scale_sd")
    within = inside @ inside / (len(at) - len(linked))
    between = data.means[subject][linked].var(ddof=1)
    rate = between / (between + within) + monitoring.setting("report_noise") * noise
    return float(np.round(max(rate, monitoring.setting("report_floor")), RATE_DECIMALS))


def write_results(achievement: Achievement, folder: Path) -> tuple[Path, ...]:
    """Write the CSV files and the passport of one output into a folder named after it; return the CSV paths.

    Students come in one file a county, reports in one for the prefecture; UTF-8 with a byte order mark, as
    spreadsheet programs write it. The bytes depend only on the simulation.

    Raises
    ------
    InputError
        The folder is not named after an output.
    """
    monitoring = achievement.monitoring
    name = folder.resolve().name
    check_choice(name, [o.id for o in monitoring.outputs], name="监测模拟的文件夹", where=str(folder))
    output = next(o for o in monitoring.outputs if o.id == name)
    prefecture = load_simulation(monitoring.simulation).prefecture
    if output.table == "student":
        tables = {str(place): rows for place, rows in achievement.students.groupby("county_name")}
    else:
        tables = {prefecture: achievement.reports}
    paths = tuple(sorted(_write_table(folder / output.file.format(place=p), t, output) for p, t in tables.items()))
    write_simulated_passport(folder, _passport_facts(achievement, output), monitoring.written, paths)
    return paths


def _write_table(path: Path, rows: pd.DataFrame, output: Output) -> Path:
    columns = [c for c in load_table(output.table).columns if c.name in rows]
    text = StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([next(iter(c.headings)) for c in columns])
    writer.writerows(zip(*(_cells(rows[c.name], c) for c in columns), strict=True))
    write_bytes(path, text.getvalue().encode("utf-8-sig"))
    return path


def _cells(values: pd.Series, column: Column) -> list[str]:
    """Cells of a column as the bureau writes them; missing values are empty."""
    labels = {choice.id: choice.labels[0] for choice in column.choices}
    form = FORMATS.get(column.name, "")
    return ["" if pd.isna(v) else labels.get(v) or format(v, form) for v in values]


def _passport_facts(achievement: Achievement, output: Output) -> dict[str, str]:
    monitoring = achievement.monitoring
    return {
        "id": output.id, "title": output.title, "producer": monitoring.producer,
        "found_at": f"qbresearch.simulation.achievement 程序，种子 {achievement.seed}",
        "licence": monitoring.licence, "table": output.table,
        "title_en": output.title_en, "licence_en": monitoring.licence_en,
    }


def main(arguments: list[str] | None = None) -> None:
    """Write one of the outputs into a folder named after it."""
    parser = argparse.ArgumentParser(
        prog="python -m qbresearch.simulation.achievement", description="生成模拟地级市的质量监测结果"
    )
    parser.add_argument("folder", type=Path, help="写到哪个文件夹；文件夹名就是参数文件中 [[output]] 的 id")
    parser.add_argument("--monitoring", default=list_monitorings()[0], help="监测模拟参数的 id")
    parser.add_argument("--seed", type=int, help="随机种子；不写则用参数文件中的种子")
    chosen = parser.parse_args(arguments)
    try:
        monitoring = load_monitoring(chosen.monitoring)
        seed = monitoring.seed if chosen.seed is None else chosen.seed
        written = write_results(simulate_achievement(monitoring, seed=seed), chosen.folder)
    except QbError as error:
        parser.exit(error.exit_code, f"{error}\n")
    print(f"已写出 {len(written)} 个 CSV 文件和 source.toml：{chosen.folder}")


if __name__ == "__main__":
    main()
