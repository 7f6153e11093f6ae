"""Verdicts: met, not met or undecided, for every school, indicator and county, with clause, margin and fragility."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from qbresearch.errors import InputError
from qbresearch.exhibits.figures import plot_attainment_map
from qbresearch.exhibits.style import verdict_words
from qbresearch.language import clauses, label_of, listed, say
from qbresearch.results.resources.dispersion import moments_table, unit_groups
from qbresearch.results.resources.indicators import UNIT, IndicatorTable
from qbresearch.rules.standards import COMPOSITE_CV, CV, Limit, Standard
from qbresearch.statistics.dispersion import Moments, grouped_moments

NOT_MET, MET, UNDECIDED, NO_RULE = 0, 1, 2, 3
VERDICTS = np.array(["not_met", "met", "undecided", ""], dtype=object)
BLOCK = 20_000
"""Schools judged at a time: the temporaries of a block stay in the cache, those of a whole country do not."""
SAME = 1e-12
"""Relative difference below which two numbers count as equal: binary noise, so that 4.2 computed as 21/500 meets 4.2."""


def at_least(value: np.ndarray, threshold: np.ndarray | float) -> np.ndarray:
    """Whether values reach a threshold; equal within binary noise counts as reached. NaN is false."""
    return value >= threshold - SAME * np.abs(threshold)


def at_most(value: np.ndarray, cap: np.ndarray | float) -> np.ndarray:
    """Whether values stay within a cap; equal within binary noise counts as within. NaN is false."""
    return value <= cap + SAME * np.abs(cap)


def round_half_up(value: np.ndarray, decimals: int) -> np.ndarray:
    """Round as taught in school (四舍五入): a half goes away from zero."""
    factor = 10.0**decimals
    return np.sign(value) * np.floor(np.abs(value) * factor * (1 + SAME) + 0.5) / factor


@dataclass(frozen=True, slots=True)
class SchoolVerdicts:
    """Verdicts on school parts as arrays; n rows and k indicators are those of the table judged.

    indicator : int8 (n, k), codes of ``VERDICTS``. rounding_flips, unit_flips : bool (n, k), whether rounding, or one
    person or thing more or less, would flip the verdict. one_unit : float (n, k), what one person or thing is worth in
    the indicator's unit (0 where nothing is counted). margin : float (n, k), value minus threshold
    in the indicator's unit. shortfall : float (n, k), what is missing to the threshold in the counted unit, 0 when
    reached. school : int8 (n,). school_fragile : bool (n,), whether one fragile indicator would turn the school's
    verdict. met_count, missing_count : int (n,). below_floor : bool (n, k).
    """

    indicator: np.ndarray
    rounding_flips: np.ndarray
    unit_flips: np.ndarray
    one_unit: np.ndarray
    margin: np.ndarray
    shortfall: np.ndarray
    school: np.ndarray
    school_fragile: np.ndarray
    met_count: np.ndarray
    missing_count: np.ndarray
    below_floor: np.ndarray

    @property
    def fragile(self) -> np.ndarray:
        """Whether either of the two would flip the verdict; bool (n, k)."""
        return self.rounding_flips | self.unit_flips


@dataclass(frozen=True, slots=True)
class UnitVerdicts:
    """Verdicts on the coefficients of variation of g units as arrays: indicator int8 (g, k), fragile bool (g, k),
    margin float (g, k) (cap minus CV), composite int8 (g,), composite_cv float (g,)."""

    indicator: np.ndarray
    fragile: np.ndarray
    margin: np.ndarray
    composite: np.ndarray
    composite_cv: np.ndarray


@dataclass(frozen=True, slots=True)
class AttainmentResult:
    """Verdicts on schools and counties under one standard.

    table : the indicators judged. schools, units : the verdicts as arrays. moments : means and CVs per unit.
    groups : int array, unit of each row. keys : DataFrame, one row a unit.
    """

    table: IndicatorTable = field(repr=False)
    schools: SchoolVerdicts = field(repr=False)
    units: UnitVerdicts = field(repr=False)
    moments: Moments = field(repr=False)
    groups: np.ndarray = field(repr=False)
    keys: pd.DataFrame

    @property
    def standard(self) -> Standard:
        """The standard judged by."""
        return self.table.standard

    def tidy(self) -> pd.DataFrame:
        """One row per school part and indicator: the indicator table plus ``threshold, ratio, verdict, margin,
        shortfall, whole_shortfall`` (whole people or things that the school must add; NaN for areas and money),
        ``one_unit, counted, fragile, fragile_by, below_floor, clause``."""
        k = len(self.table.codes)
        thresholds, limits = _thresholds(self.table)
        clauses = np.array(
            [[lim.citation.said("clause") if lim else "" for lim in limits[s]] for s in self.table.keys["stage"]],
            dtype=object,
        ).reshape(-1, k)
        counted = [label_of(indicator, "counted") for indicator in self.standard.indicators]
        with np.errstate(invalid="ignore"):
            ratio = self.table.values / thresholds
        return self.table.tidy().assign(
            threshold=thresholds.ravel(),
            ratio=ratio.ravel(),
            verdict=VERDICTS[self.schools.indicator.ravel()],
            margin=self.schools.margin.ravel(),
            shortfall=self.schools.shortfall.ravel(),
            whole_shortfall=self._whole_shortfalls().ravel(),
            one_unit=np.where(self.schools.one_unit > 0, self.schools.one_unit, np.nan).ravel(),
            counted=np.tile(np.array(counted, dtype=object), len(clauses)),
            fragile=self.schools.fragile.ravel(),
            fragile_by=_fragile_words(self.schools.rounding_flips.ravel(), self.schools.unit_flips.ravel()),
            below_floor=self.schools.below_floor.ravel(),
            clause=clauses.ravel(),
        )

    def _whole_shortfalls(self) -> np.ndarray:
        """Shortfalls rounded up to whole people or things; of what a school shares between stages a part counts."""
        indicators = self.standard.indicators
        shared = np.array([i.shared for i in indicators])
        unit = np.where(shared, self.table.shares[:, None], 1.0)
        whole = np.array([i.whole_units for i in indicators])
        return np.where(whole, np.ceil(self.schools.shortfall / unit * (1 - SAME)), np.nan)

    def school_table(self) -> pd.DataFrame:
        """One row per school part: keys, students, ``met`` and ``missing`` (numbers of indicators), ``verdict``,
        ``reason`` (in words: what decided), ``fragile`` (whether one fragile indicator would turn the verdict)."""
        return self.table.keys.assign(
            students=self.table.students,
            met=self.schools.met_count,
            missing=self.schools.missing_count,
            below_floor=self.schools.below_floor.sum(axis=1),
            verdict=VERDICTS[self.schools.school],
            reason=self._school_reasons(),
            fragile=self.schools.school_fragile,
        )

    def _school_reasons(self) -> np.ndarray:
        rules, thresholds = self.standard.rules, _thresholds(self.table)[0]
        if not rules or not self.standard.thresholds:
            return np.full(len(self.table.students), "", dtype=object)
        k, least, floor = len(self.table.codes), rules["school_min_met"].value, rules["school_floor_ratio"].value
        enough = [say("{k} 项中 {m} 项达标", k=k, m=m) for m in range(k + 1)]
        short = [say("{k} 项中 {m} 项达标，少于 {least} 项", k=k, m=m, least=f"{least:g}") for m in range(k + 1)]
        few = self.schools.met_count + self.schools.missing_count < least
        words = [[short[m] if low else enough[m]] for m, low in zip(self.schools.met_count, few, strict=True)]
        for row, column in np.argwhere(self.schools.below_floor):
            ratio = self.table.values[row, column] / thresholds[row, column]
            named = label_of(self.standard.indicators[column], "short")
            words[row].append(
                say("{indicator}为标准的 {ratio}，低于 {floor}", indicator=named, ratio=f"{ratio:.0%}", floor=f"{floor:.0%}")
            )
        for row in np.flatnonzero(self.schools.missing_count):
            words[row].append(say("缺 {n} 项数据", n=self.schools.missing_count[row]))
        return np.array([clauses(parts) for parts in words], dtype=object)

    def dispersion_table(self) -> pd.DataFrame:
        """One row per unit and indicator: the columns of a :class:`DispersionResult` table and ``cap, verdict, margin,
        fragile, clause``."""
        k = len(self.table.codes)
        caps = [self.standard.cap(CV, s) for s in self.keys["stage"]]
        return moments_table(self.table, self.keys, self.moments).assign(
            cap=np.repeat([c.value if c else np.nan for c in caps], k),
            verdict=VERDICTS[self.units.indicator.ravel()],
            margin=self.units.margin.ravel(),
            fragile=self.units.fragile.ravel(),
            clause=np.repeat(np.array([c.citation.said("clause") if c else "" for c in caps], dtype=object), k),
        )

    def county_table(self) -> pd.DataFrame:
        """One row per unit: keys, ``indicators`` (how many), ``schools``, ``schools_met``, ``schools_not_met``, ``schools_undecided``,
        ``schools_verdict``, ``cv_over_cap``, ``cv_undecided``, ``cv_verdict``, ``composite_cv``,
        ``composite_verdict``, ``verdict``, ``largest_cv`` and ``largest_cv_label``."""
        g = len(self.keys)
        counts = {
            name: np.bincount(self.groups[self.schools.school == code], minlength=g)
            for name, code in (("met", MET), ("not_met", NOT_MET), ("undecided", UNDECIDED))
        }
        schools_verdict = _all_of(counts["not_met"] > 0, counts["undecided"] > 0, sum(counts.values()) > 0)
        over = (self.units.indicator == NOT_MET).sum(axis=1)
        open_cv = (self.units.indicator == UNDECIDED).sum(axis=1)
        cv_verdict = _all_of(over > 0, open_cv > 0, (self.units.indicator != NO_RULE).any(axis=1))
        parts = np.column_stack([schools_verdict, cv_verdict, self.units.composite])
        overall = _all_of((parts == NOT_MET).any(axis=1), (parts == UNDECIDED).any(axis=1), (parts != NO_RULE).any(axis=1))
        known = ~np.isnan(self.moments.cv)
        top = np.where(known, self.moments.cv, -1.0).argmax(axis=1)
        largest = np.where(known.any(axis=1), self.moments.cv[np.arange(g), top], np.nan)
        labels = np.array([label_of(i, "short") for i in self.standard.indicators], dtype=object)
        return self.keys.assign(
            indicators=len(self.table.codes),
            schools=self.moments.schools,
            schools_met=counts["met"],
            schools_not_met=counts["not_met"],
            schools_undecided=counts["undecided"],
            schools_verdict=VERDICTS[schools_verdict],
            cv_over_cap=over,
            cv_undecided=open_cv,
            cv_verdict=VERDICTS[cv_verdict],
            composite_cv=self.units.composite_cv,
            composite_verdict=VERDICTS[self.units.composite],
            verdict=VERDICTS[overall],
            largest_cv=largest,
            largest_cv_label=np.where(known.any(axis=1), labels[top], ""),
        )

    def summary(self) -> str:
        """Counts of units and schools by verdict, in one sentence."""
        counties, schools = self.county_table(), VERDICTS[self.schools.school]
        tally = say("，").join(
            say("{verdict} {n} 校", verdict=word, n=int((schools == code).sum()))
            for code, word in (verdict_words() | {"": say("无标准")}).items() if (schools == code).any()
        )
        reached = int((counties["verdict"] == "met").sum())
        return say("{n} 个县域学段中 {met} 个达标；学校：{tally}", n=len(counties), met=reached, tally=tally)

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """School x indicator attainment map of the schools judged: one county, year and stage."""
        return plot_attainment_map(self.attainment_map(), ax=ax)

    def attainment_map(self, *, most: int | None = None) -> pd.DataFrame:
        """What the attainment map draws: ``school`` (with the end of its code where a name stands twice), ``label``,
        ``ratio``, ``verdict``; with ``most`` only the schools that meet fewest indicators."""
        schools = self.school_table()
        first = schools.sort_values(["met", "school_code"], kind="stable")["school_code"].head(most or len(schools))
        twice = schools["school_name"].duplicated(keep=False)
        names = schools["school_name"].astype(str).mask(
            twice, [say("{school}（{code}）", school=name, code=str(code)[-4:])
                    for name, code in zip(schools["school_name"], schools["school_code"], strict=True)]
        )
        shown = dict(zip(schools["school_code"], names, strict=True))
        data = self.tidy()
        data = data[data["school_code"].isin(first)]
        return data.assign(school=data["school_code"].map(shown), label=data["short"])

    def to_dict(self) -> dict[str, Any]:
        """Plain data: counties, coefficients of variation and schools as records."""
        return {
            "standard": self.standard.id,
            "counties": self.county_table().to_dict("records"),
            "dispersion": self.dispersion_table().to_dict("records"),
            "schools": self.school_table().to_dict("records"),
        }


def assess(table: IndicatorTable) -> AttainmentResult:
    """Judge every school part and every county, year and stage of an indicator table.

    Parameters
    ----------
    table : IndicatorTable
        Its standard decides. Where the standard sets no threshold or cap, the verdict is empty.

    Returns
    -------
    AttainmentResult
        Judged at full precision. A verdict is ``undecided`` only where the missing data could turn it (a school with
        two indicators short is not met whatever the third would be), or where every school of a county is at zero and
        the coefficient of variation has no meaning. ``fragile`` marks a verdict that rounding to the
        standard's ``fragile_decimals``, or one person or thing more or less, would flip.

    Raises
    ------
    InputError
        The table has no rows.

    Source
    ------
    Thresholds, caps and the school rule: the entries of the standard, each with its citation.
    """
    if not len(table.keys):
        raise InputError(
            "没有一所学校可以判定", where=f"标准 {table.standard.id}", found="0 所学校", expected="至少一所",
            fix="核对县、学年与学段",
        )
    groups, keys = unit_groups(table.keys, UNIT)
    moments = grouped_moments(table.values, table.students, groups, len(keys))
    return AttainmentResult(
        table, judge_schools(table), judge_units(table, groups, keys, moments), moments, groups, keys
    )


def judge_schools(table: IndicatorTable) -> SchoolVerdicts:
    """Verdicts on every school part; see :func:`assess`. Judged in blocks, so that a country fits the cache."""
    n, found = len(table.students), {}
    for start in range(0, max(n, 1), BLOCK):
        rows = slice(start, start + BLOCK)
        block = _judge_block(replace(
            table, keys=table.keys.iloc[rows], students=table.students[rows], numerators=table.numerators[rows],
            values=table.values[rows], shares=table.shares[rows],
        ))
        for part in fields(block):
            array = getattr(block, part.name)
            if part.name not in found:
                found[part.name] = np.empty((n, *array.shape[1:]), array.dtype)
            found[part.name][rows] = array
    return SchoolVerdicts(**found)


def _judge_block(table: IndicatorTable) -> SchoolVerdicts:
    standard, values = table.standard, table.values
    thresholds, _ = _thresholds(table)
    missing = np.isnan(values)
    verdict = _three_valued(at_least(values, thresholds), missing, np.isnan(thresholds))
    scale = np.array([i.scale for i in standard.indicators])
    with np.errstate(invalid="ignore"):
        shortfall = np.maximum(thresholds * table.students[:, None] / scale - table.numerators, 0.0)
    shortfall[verdict == MET] = 0.0
    floor = (standard.rules["school_floor_ratio"].value if "school_floor_ratio" in standard.rules else 0.0) * thresholds
    below = (verdict == NOT_MET) & ~at_least(values, floor)
    one = _one_unit(table)
    rounding_flips, unit_flips = _fragile_values(table, thresholds, verdict, one)
    school = _school_rule(standard, verdict, below)
    rounded = round_half_up(values, standard.decimals("fragile_decimals"))
    near_floor = np.logical_or.reduce([at_least(v, floor) == below for v in (rounded, values + one, values - one)])
    return SchoolVerdicts(
        indicator=verdict,
        rounding_flips=rounding_flips,
        unit_flips=unit_flips,
        one_unit=one,
        margin=values - thresholds,
        shortfall=shortfall,
        school=school,
        school_fragile=_fragile_schools(
            standard, verdict, below, school, rounding_flips | unit_flips, ~at_least(values - one, floor), near_floor & (verdict == NOT_MET)
        ),
        met_count=(verdict == MET).sum(axis=1),
        missing_count=(verdict == UNDECIDED).sum(axis=1),
        below_floor=below,
    )


def judge_units(table: IndicatorTable, groups: np.ndarray, keys: pd.DataFrame, moments: Moments) -> UnitVerdicts:
    """Verdicts on the coefficients of variation of every unit; see :func:`assess`."""
    standard = table.standard
    caps = _by_stage(keys["stage"], lambda s: _value(standard.cap(CV, s)))[:, None]
    composite_caps = _by_stage(keys["stage"], lambda s: _value(standard.cap(COMPOSITE_CV, s)))
    verdict = _three_valued(at_most(moments.cv, caps), np.isnan(moments.cv), np.isnan(caps) | np.zeros_like(moments.cv, bool))
    composite = moments.cv.mean(axis=1)
    return UnitVerdicts(
        indicator=verdict,
        fragile=_fragile_cvs(table, groups, moments, caps, verdict),
        margin=caps - moments.cv,
        composite=_three_valued(at_most(composite, composite_caps), np.isnan(composite), np.isnan(composite_caps)),
        composite_cv=composite,
    )


def _fragile_words(rounding: np.ndarray, unit: np.ndarray) -> np.ndarray:
    by = (say("取整"), say("增减一个单位"))
    words = np.array(["", *by, listed(by)], dtype=object)
    return words[rounding.astype(int) + 2 * unit.astype(int)]


def _value(limit: Limit | None) -> float:
    return limit.value if limit else np.nan


def _by_stage(stages: pd.Series, find: Any) -> np.ndarray:
    """A number for each row, looked up once a stage."""
    codes, names = pd.factorize(stages)
    return np.array([find(str(name)) for name in names], dtype=float)[codes]


def _thresholds(table: IndicatorTable) -> tuple[np.ndarray, dict[str, list[Limit | None]]]:
    """Threshold of each row and indicator (NaN where the standard sets none), and the limits behind them by stage."""
    codes, names = pd.factorize(table.keys["stage"])
    limits = {str(s): [table.standard.threshold(c, str(s)) for c in table.codes] for s in names}
    rows = np.array([[_value(limit) for limit in limits[str(s)]] for s in names], dtype=float)
    return rows[codes], limits


def _three_valued(reached: np.ndarray, missing: np.ndarray, no_rule: np.ndarray) -> np.ndarray:
    return np.select([no_rule, missing, reached], [NO_RULE, UNDECIDED, MET], default=NOT_MET).astype(np.int8)


def _all_of(any_not_met: np.ndarray, any_undecided: np.ndarray, any_rule: np.ndarray) -> np.ndarray:
    """All parts must be met: one that is not decides, otherwise one that is open leaves the whole open."""
    return np.select([~any_rule, any_not_met, any_undecided], [NO_RULE, NOT_MET, UNDECIDED], default=MET).astype(np.int8)


def _school_rule(standard: Standard, verdict: np.ndarray, below: np.ndarray) -> np.ndarray:
    """The school's verdict: enough indicators met and none of the others below the floor.

    The best and the worst that the missing values allow are judged; where they differ the school is undecided.
    """
    if not standard.rules or (verdict == NO_RULE).all():
        return np.full(len(verdict), NO_RULE, dtype=np.int8)
    least = standard.rules["school_min_met"].value
    met, unknown = (verdict == MET).sum(axis=1), (verdict == UNDECIDED).sum(axis=1)
    low = below.any(axis=1)
    best = (met + unknown >= least) & ~low
    worst = (met >= least) & ~low & (unknown == 0)
    return np.select([worst, best], [MET, UNDECIDED], default=NOT_MET).astype(np.int8)


def _one_unit(table: IndicatorTable) -> np.ndarray:
    """What one person or thing more is worth in each school's indicator; 0 where the numerator is not counted."""
    indicators = table.standard.indicators
    whole, shared = np.array([i.whole_units for i in indicators]), np.array([i.shared for i in indicators])
    scale = np.array([i.scale for i in indicators])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole, np.where(shared, table.shares[:, None], 1.0) * scale / table.students[:, None], 0.0)


def _fragile_values(
    table: IndicatorTable, thresholds: np.ndarray, verdict: np.ndarray, one: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Whether rounding, and whether one person or thing more or less, would flip a school's verdict on an indicator."""
    values = table.values
    decided = (verdict == MET) | (verdict == NOT_MET)
    rounded = at_least(round_half_up(values, table.standard.decimals("fragile_decimals")), thresholds)
    with np.errstate(invalid="ignore"):
        more = (verdict == NOT_MET) & at_least(values + one, thresholds)
        # A school that has none cannot have one less.
        less = (verdict == MET) & (values >= one * (1 - SAME)) & ~at_least(values - one, thresholds)
    return (rounded != (verdict == MET)) & decided, (more | less) & decided


def _fragile_schools(
    standard: Standard,
    verdict: np.ndarray,
    below: np.ndarray,
    school: np.ndarray,
    fragile: np.ndarray,
    below_after: np.ndarray,
    near_floor: np.ndarray,
) -> np.ndarray:
    """Whether one fragile indicator would turn the school's verdict, at the threshold or at the floor.

    ``below_after`` says whether an indicator that is met now would, with one unit less, fall below the floor;
    ``near_floor`` marks indicators not met that rounding or one unit would carry over the floor.
    """
    flips = np.zeros(len(school), dtype=bool)
    for column in range(verdict.shape[1]):
        rows = np.flatnonzero(fragile[:, column])
        changed, low = verdict[rows], below[rows]
        was_met = changed[:, column] == MET
        changed[:, column] = np.where(was_met, NOT_MET, MET)
        low[:, column] = was_met & below_after[rows, column]
        flips[rows] |= _school_rule(standard, changed, low) != school[rows]
        rows = np.flatnonzero(near_floor[:, column])
        low = below[rows]
        low[:, column] = ~low[:, column]
        flips[rows] |= _school_rule(standard, verdict[rows], low) != school[rows]
    return flips


def _fragile_cvs(
    table: IndicatorTable, groups: np.ndarray, moments: Moments, caps: np.ndarray, verdict: np.ndarray
) -> np.ndarray:
    """Whether rounding, or one person or thing more or less in any one school, would flip a unit's verdict.

    With school totals :math:`a_i` and students :math:`p_i`, :math:`CV^2 = P \\sum a_i^2 / p_i / (\\sum a_i)^2 - 1`, so
    the effect of a change in one school follows from two sums without computing the statistic again.
    """
    decided = (verdict == MET) | (verdict == NOT_MET)
    rounded = at_most(round_half_up(moments.cv, table.standard.decimals("fragile_decimals")), caps)
    flips = rounded != (verdict == MET)
    n_groups, p = len(moments.schools), table.students
    for column, indicator in enumerate(table.standard.indicators):
        if not indicator.whole_units or not decided[:, column].any():
            continue
        a = table.numerators[:, column]
        unit = table.shares if indicator.shared else np.ones_like(a)
        total = np.bincount(groups, a, n_groups)
        squares = np.bincount(groups, a * a / p, n_groups)
        for step in (unit, -unit):
            with np.errstate(invalid="ignore", divide="ignore"):
                q = squares[groups] + (2 * step * a + step * step) / p
                squared = moments.students[groups] * q / (total[groups] + step) ** 2 - 1
                changed = at_most(np.sqrt(np.maximum(squared, 0.0)), caps[groups, 0]) != (verdict[groups, column] == MET)
            changed &= (a + step >= -SAME) & np.isfinite(squared)
            flips[:, column] |= np.bincount(groups, changed, n_groups) > 0
    return flips & decided
