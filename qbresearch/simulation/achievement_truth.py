"""What is true of simulated monitoring results: what was designed, and what the students at hand realise.

Plain least squares on school means and on deviations from them; none of the package's statistics is used, because the
truth must be able to disagree with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from qbresearch.errors import check_choice
from qbresearch.simulation.achievement_model import StageData, deviations
from qbresearch.simulation.design import INDICATORS
from qbresearch.simulation.monitoring_design import SUBJECTS, TRAITS, Monitoring

MEANINGS = {
    "icc": "县内校际方差占总方差的比例（组内相关，零模型）",
    "icc_pooled": "六县合并、不分县的组内相关；县间差异只来自资源与生源",
    "naive_L1": "只放七项资源时 L1 的系数：与真效应相同",
    "naive_L6": "只放七项资源时 L6 的系数：被生源混淆，明显为正",
    "naive_L7": "只放七项资源时 L7 的系数：没有关系",
    "effect_L1": "L1（高于规定学历教师）的真效应",
    "effect_L6": "放入生源后 L6（教学仪器设备值）的系数：没有效应",
    "effect_L7": "L7（网络多媒体教室）的系数：没有效应",
    "climate": "学校氛围（学生作答的校均值）的效应",
    "support": "教师支持（学生作答的校均值）的效应",
    "ses_between": "学校平均 ses 的系数（学生 ses 以校均值中心化时）",
    "composition": "生源的情境效应：学校平均 ses 的系数减去校内 ses 的斜率",
    "ses_slope": "校内 ses 的平均斜率",
    "moderation_L1": "L1 对 ses 斜率的调节：资源多的学校斜率小",
    "slope_sd": "ses 斜率在 L1 之外的校际标准差",
    "female": "女生与男生之差",
    "migrant": "随迁子女与其他学生之差",
    "left_behind": "留守儿童与其他学生之差",
    "boarding": "寄宿与走读之差",
    "only_child": "独生子女与其他学生之差",
    "prior_correlation": "前测与成绩的相关（学生层面，不分校）",
}
COMPOSITION = ("ses", "z_climate", "z_support")


@dataclass(frozen=True, slots=True)
class TrueFact:
    """One quantity of one stage and subject; effects are in units of the students' spread (100 points)."""

    stage: str
    subject: str
    quantity: str
    meaning: str
    designed: float
    realised: float


@dataclass(frozen=True, slots=True)
class AchievementTruth:
    """All facts about simulated monitoring results.

    ``designed`` is what the parameters state. ``realised`` is what the sampled students of the linked schools give
    before any cell is made blank: variance shares are exact, coefficients differ from the design by the sampling of
    students only.
    """

    facts: tuple[TrueFact, ...]

    def fact(self, stage: str, subject: str, quantity: str) -> TrueFact:
        """One fact; refuses a stage, subject or quantity that is not there."""
        wanted = (stage, subject, quantity)
        keys = [(f.stage, f.subject, f.quantity) for f in self.facts]
        check_choice(wanted, keys, name="真值", where="模拟监测的真值表")
        return self.facts[keys.index(wanted)]

    def tidy(self) -> pd.DataFrame:
        """One row a fact: stage, subject, quantity, meaning, designed, realised."""
        return pd.DataFrame([asdict(f) for f in self.facts])


def stage_facts(monitoring: Monitoring, data: StageData) -> Iterator[TrueFact]:
    """Facts of one stage, subject by subject, in the order of ``MEANINGS``."""
    for subject in SUBJECTS:
        designed, realised = _designed(monitoring, data.stage, subject), _realised(monitoring, data, subject)
        for quantity, meaning in MEANINGS.items():
            yield TrueFact(data.stage, subject, quantity, meaning, designed[quantity], realised[quantity])


def _designed(monitoring: Monitoring, stage: str, subject: str) -> dict[str, float]:
    names = ("icc", "climate", "support", "ses_between", "moderation_L1", "slope_sd", *TRAITS)
    values = {name: monitoring.effect(stage, subject, name) for name in names}
    slope = monitoring.effect(stage, subject, "ses_within")
    resources = {name: monitoring.effect(stage, subject, name) for name in ("L1", "L6", "L7")}
    confounding = values["ses_between"] * monitoring.setting("ses_L6")
    return values | {f"effect_{name}": value for name, value in resources.items()} | {
        "icc_pooled": values["icc"], "ses_slope": slope, "composition": values["ses_between"] - slope,
        "naive_L1": resources["L1"], "naive_L6": resources["L6"] + confounding, "naive_L7": resources["L7"],
        "prior_correlation": monitoring.setting("prior_correlation"),
    }


def _realised(monitoring: Monitoring, data: StageData, subject: str) -> dict[str, float]:
    schools = data.schools[data.schools["linked"]]
    here = data.schools["linked"].to_numpy()[data.students["school"]]
    students, at = data.students[here], pd.factorize(data.students["school"][here])[0]
    y = (data.scores[subject][here] - monitoring.setting("scale_mean")) / monitoring.setting("scale_sd")

    shares = _shares(y, at, data.means[subject][schools.index], schools["county_code"])
    taught = np.bincount(at)
    means = np.bincount(at, weights=y) / taught
    resources = schools[[f"z_{i}" for i in INDICATORS]].to_numpy()
    naive = _least_squares(means, np.column_stack([np.ones(len(schools)), resources]))[1:]
    traits = np.column_stack([np.bincount(at, weights=students[name]) / taught for name in TRAITS])
    full = _least_squares(
        means, np.column_stack([np.ones(len(schools)), resources, schools[[*COMPOSITION]], traits])
    )[1:]
    ses = deviations(students["ses"], at)
    moderated = ses * schools["z_L1"].to_numpy()[at]
    inside = np.column_stack([ses, moderated, *(deviations(students[name], at) for name in TRAITS)])
    slope, moderation, *own = _least_squares(deviations(y, at), inside)
    numbers = [INDICATORS.index(name) for name in ("L1", "L6", "L7")]
    between, climate, support = full[len(INDICATORS) :][: len(COMPOSITION)]
    return shares | {
        **{f"naive_{INDICATORS[n]}": naive[n] for n in numbers},
        **{f"effect_{INDICATORS[n]}": full[n] for n in numbers},
        "climate": climate, "support": support, "ses_between": between, "composition": between - slope,
        "ses_slope": slope, "moderation_L1": moderation,
        # Slope residuals are standardised among the linked schools.
        "slope_sd": monitoring.effect(data.stage, subject, "slope_sd"),
        **dict(zip(TRAITS, own, strict=True)),
        "prior_correlation": float(np.corrcoef(data.scores[subject][here], data.priors[subject][here])[0, 1]),
    }


def _shares(y: np.ndarray, at: np.ndarray, means: np.ndarray, county: pd.Series) -> dict[str, float]:
    """Shares of variance between schools, of a county and of all counties, from the expected means of the schools."""
    inside = deviations(y, at)
    within = inside @ inside / (len(y) - len(means))
    group = county.factorize()[0]
    around = deviations(means, group)
    between, pooled = around @ around / (len(means) - (group.max() + 1)), means.var(ddof=1)
    return {"icc": between / (between + within), "icc_pooled": pooled / (pooled + within)}


def _least_squares(y: np.ndarray, x: np.ndarray) -> list[float]:
    return [float(b) for b in np.linalg.lstsq(x, y, rcond=None)[0]]
