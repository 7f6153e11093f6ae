"""The monitoring and link reports in English: no Chinese but names, the same numbers, pictures that still have room."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from drawing import check_texts_inside_and_apart, words
from link_data import indicators, prefecture
from test_language import HAN, _run, _texts
from test_link_figures import CASES as LINK_CASES
from test_link_sentences import CURVES, SINGLES, paragraph, variances
from test_monitoring_figures import CASES as MONITORING_CASES
from test_monitoring_study import COUNTY, monitoring, student_rows  # noqa: F401 (a fixture)

import qbresearch
from qbresearch import results, statistics
from qbresearch.errors import InputError
from qbresearch.exhibits import figures, sentences, style
from qbresearch.language import CHINESE, label_of, speaking, use_language
from qbresearch.results.link.challenge import Effort, challenge_link
from qbresearch.results.link.county import compare_counties, within_between
from qbresearch.results.link.describe import describe_link, kind_words, scatter_frames
from qbresearch.results.link.ladder import fit_ladder, moderation_lines
from qbresearch.results.link.match import match_results
from qbresearch.results.monitoring import (
    achievement,
    difference_rate,
    school_effects,
)
from qbresearch.results.reasons import refusal, said, spoken
from qbresearch.rules.designs import list_designs, load_design
from qbresearch.rules.settings import SETTINGS, load_settings, settings_table
from qbresearch.statistics import spread, survey, variance
from qbresearch.statistics.correlation import KINDS

PACKAGE = Path(qbresearch.__file__).parent
NOTEBOOKS = PACKAGE.parent / "notebooks"
REASONS = tomllib.loads((PACKAGE / "language" / "en" / "reasons.toml").read_text(encoding="utf-8"))
WIDE = re.compile(r"[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]")
NAMES = ("测试县", "测试用提供单位", "教督〔2017〕6号")
QUOTED = ("校际差异率低于0.15", "沁县县域义务教育优质均衡发展工作规划（沁政办函〔2021〕22号，2021-11-28）")
SMALL = Effort(bootstrap=20, permutations=5, wild=19, imputations=2, iterations=1)


@pytest.fixture(autouse=True)
def styled_and_chinese_afterwards() -> Iterator[None]:
    style.use_style()
    yield
    use_language(CHINESE)


def left_over(text: str, *names: str) -> str:
    """What is Chinese in a text, or set in Chinese type, once names and quotations are taken out."""
    for name in sorted((*names, *NAMES, *QUOTED), key=len, reverse=True):
        text = text.replace(name, "")
    return "".join(WIDE.findall(text.replace("\n", "")))


# --- reasons --------------------------------------------------------------------------------------------------------


def modules(package) -> list:
    return [importlib.import_module(m.name) for m in pkgutil.walk_packages(package.__path__, package.__name__ + ".") if not m.ispkg]


def test_every_translated_reason_is_one_that_the_package_gives():
    given = {value for m in modules(statistics) + modules(results) for value in vars(m).values() if isinstance(value, str)}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "InputError" and node.args:
                given |= {n.value for n in ast.walk(node.args[0]) if isinstance(n, ast.Constant)}
    assert not set(REASONS) - given
    assert not [text for text in REASONS.values() if WIDE.search(text) or text.endswith(".") and len(text) < 100]


@pytest.mark.parametrize("module", [achievement, difference_rate, school_effects, spread, survey, variance], ids=lambda m: m.__name__)
def test_every_reason_that_a_table_may_show_is_translated(module):
    """Constants of these modules are remarks, or how an interval was made; no table names the interval of a share."""
    constants = {name: text for name, text in vars(module).items() if name.isupper() and isinstance(text, str)}
    silent = ("LOGIT", "KORN_GRAUBARD", "CLUSTERS_ONLY")
    shown = [text for name, text in constants.items() if HAN.search(text) and name not in silent]
    use_language("en")
    assert shown and not [text for text in shown if HAN.search(said(text))]


def test_reasons_keep_their_order_and_what_is_empty_stays_empty():
    assert list(spoken(["", spread.TWO_SCHOOLS])) == ["", "只有两所学校，不给区间"]
    use_language("en")
    assert list(spoken(["", spread.TWO_SCHOOLS])) == ["", "only two schools, no interval"]


def test_a_refusal_says_what_was_found_in_chinese_and_the_problem_alone_elsewhere():
    error = InputError("变量太多，观测太少", where="模型", found="8 个观测，9 个待估系数", expected="更多观测", fix="减少变量")
    assert refusal(error) == "变量太多，观测太少（8 个观测，9 个待估系数）"
    assert refusal(error, fix=True) == "变量太多，观测太少（8 个观测，9 个待估系数）；减少变量"
    use_language("en")
    assert refusal(error, fix=True) == "too many variables for too few observations"
    unknown = InputError("没有人想到的问题", where="模型", found="甲", expected="乙", fix="丙")
    assert refusal(unknown) == "the method cannot be applied to these data"


# --- cited data -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("design_id", list_designs())
def test_a_design_names_everything_in_both_languages(design_id):
    design = load_design(design_id)
    assert label_of(design, "units") == design.unit_counter_zh + design.unit_zh
    assert label_of(design, "group_column") == f"{design.group_zh}（{design.group_counter_zh}）"
    use_language("en")
    forms = ("unit", "unit_plural", "units", "unit_counter", "unit_column", "group", "group_plural", "groups",
             "group_counter", "group_column")  # fmt: skip
    found = [label_of(design, form) for form in forms] + [label_of(v) for v in (*design.outcomes, *design.variables)]
    assert all(found) and not left_over("".join([*found, *(label_of(o, "unit") for o in design.outcomes)]))
    assert label_of(design, "unit_column") == design.units_en.capitalize() != label_of(design, "unit")


def test_settings_are_english_but_for_what_is_quoted():
    chinese = settings_table(SETTINGS)
    use_language("en")
    table = settings_table(SETTINGS)
    assert list(table["value"]) == list(chinese["value"]) and len(set(table["entry"])) == len(SETTINGS)
    assert not left_over(" ".join(table.astype(str).to_numpy().ravel()))
    own = table[table["source"].eq("Analysis conventions of this project")]
    assert len(own) == 8 and own["quote"].eq("Set by this project").all() and own["remark"].ne("").all()
    assert load_settings()["difference_rate_limit"].citation.quote in QUOTED


# --- sentences --------------------------------------------------------------------------------------------------------

ENGLISH_SINGLES = SINGLES.assign(model=["Alone", "With student composition"] * 2, label=["A", "A", "B", "B"])
ENGLISH_CURVES = CURVES.assign(label=["A", "B"])
MEANS = {"mean": 512.3, "low": 498.0, "high": 526.6, "remark": "", "schools": 1, "students": 1234}


def test_the_plain_paragraph_reads_as_english_with_the_same_numbers():
    use_language("en")
    given = {"singles": ENGLISH_SINGLES, "multiverses": ENGLISH_CURVES, "place": "Some county", "group": "school",
             "unit": "points", "sizes": {"A": "about 1.9 persons", "B": "about 3 yuan"}}  # fmt: skip
    text = paragraph(**given)
    assert text.startswith("Some county: of every 100 parts of the differences in scores, about 18 lie between one school and another")
    assert "a link with scores for B taken alone; once" in text and "Tested again in 256 ways" in text
    assert "A (one standard deviation from one school to another, that is about 1.9 persons" in text
    assert "about 12.3 points in the mean score, higher" in text and text.endswith("would raise scores.")
    apart = [
        paragraph(**given, counties=6), paragraph(**given | {"group": "county"}, aggregate="district"),
        paragraph(**given | {"multiverses": ENGLISH_CURVES.assign(stable=False)}),
        paragraph(**given | {"multiverses": ENGLISH_CURVES.assign(stable=[None, False], adjusted=False)}),
        paragraph(**given, variances=variances(icc=np.nan)), paragraph(**given, counties=6, aggregate="district"),
    ]  # fmt: skip
    assert not [left_over(t) for t in [text, *apart] if left_over(t)] and len(set(apart)) == len(apart)


def test_every_turn_of_every_sentence_is_english():
    use_language("en")
    nan, place = float("nan"), "Some county"
    table = variances(label=["null", "plus", "more"], remark=["", "", "Not fitted: too few"], between=[0.2, 0.16, nan],
                      r2_between=[0, -0.1, nan])  # fmt: skip
    effects = pd.DataFrame({"effect": [3.0, -2.0, nan], "differs": ["above", "", ""]})
    rates = pd.DataFrame([("Rate", 0.11, 0.08, 0.16, "undecided"), ("Other", 0.2, 0.17, 0.3, "above")],
                         columns=["label", "estimate", "low", "high", "reading"])  # fmt: skip
    counts = pd.DataFrame({"how": ["code", "name"], "schools": [58, 1], "students": [3000, 40]})
    flow = pd.DataFrame({"step": ["a", "b", "c"], "observations": [100, 90, 80], "groups": [5, 4, 4], "lost": [0, 10, 10],
                         "reason": ["", "absent", "gap"]})  # fmt: skip
    found = [
        sentences.variance_sentence(table, place=place, group="school"),
        sentences.variance_sentence(table.iloc[:2], place=place, group="school", counties=3, what="something"),
        sentences.variance_sentence(table.iloc[1:], place=place, group="school"),
        sentences.flow_sentence(flow, place=place, unit="students", group="schools"),
        sentences.singles_sentence(ENGLISH_SINGLES, place=place, significance=0.05),
        sentences.singles_sentence(ENGLISH_SINGLES.head(0), place=place, significance=0.05),
        *(sentences.multiverse_sentence(ENGLISH_CURVES.assign(**c), place=place) for c in (
            {}, {"adjusted": False}, {"stable": False}, {"stable": [None, False], "adjusted": False})),
        sentences.multiverse_sentence(ENGLISH_CURVES.head(0), place=place),
        sentences.matching_sentence(counts, {"code": "by code", "name": "by name"}, place=place),
        *(sentences.achievement_sentence(pd.Series(MEANS | c), place=place, unit="points") for c in (
            {}, {"low": nan, "remark": "one school"}, {"low": nan}, {"mean": nan, "remark": "none"})),
        *(sentences.difference_rate_sentence(r, place=place, limit=0.15, reported=v) for r, v in (
            (rates, None), (rates, 0.12), (rates.head(0), 0.2))),
        sentences.school_effects_sentence(effects, place=place), sentences.school_effects_sentence(effects.head(2), place=place),
        sentences.school_effects_sentence(effects.head(0), place=place),
    ]  # fmt: skip
    assert not [t for t in found if left_over(t) or not t.startswith(place) or t[-1] not in "." or "  " in t]
    assert len(set(found)) == len(found)
    assert found[0] == (
        "Some county: between-school differences account for 18.0% of the total variance of scores; compared with the null "
        "model, the cumulative reduction of between-school variance as variables are added is −10.0% in M2 (plus) "
        "(negative: the estimate of the component grew); M4 not fitted, for reasons given in the table."
    )


def cells(frames: list[pd.DataFrame]) -> list[str]:
    """Every text in some frames."""
    return [v for frame in frames for name in frame for v in frame[name] if isinstance(v, str)]


# --- the study itself -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study():
    """One county's link study in English; pictures and tables of the tests below are made from it."""
    schools, students, _ = prefecture()
    here = [rows[rows["county_code"].eq("990101")] for rows in (schools, students)]
    with speaking("en"):
        data = match_results(
            indicators("primary", "990101"), here[0], load_design("demo-monitoring"), subject="mathematics", students=here[1]
        )
        ladder = fit_ladder(data)
        return data, ladder, describe_link(data, significance=0.05)


def test_words_in_the_frames_of_a_study_are_english(study):
    data, ladder, description = study
    use_language("en")
    frames = [data.flow, ladder.variances(), ladder.shown_estimates(), description.variables, description.correlations,
              within_between(data), moderation_lines(ladder, ladder.strongest_moderator())]  # fmt: skip
    texts = [*cells(frames), ladder.summary(), description.summary(), data.summary(), ladder.moderated_label(), *description.remarks]
    assert len(texts) > 200 and not [t for t in texts if left_over(t)]
    assert data.summary().startswith("student results: 654 students read, 574 students in 28 schools")
    assert set(kind_words()) == set(KINDS)


def test_pictures_of_a_study_have_english_words_with_room(study):
    data, ladder, description = study
    use_language("en")
    moderator = ladder.strongest_moderator()
    points, lines = scatter_frames(data, {"urban": "urban", "town": "town", "rural": "rural"}, fewest=10)
    drawn = [
        ladder.plot(), ladder.plot_variance(), description.plot(),
        figures.plot_moderation(moderation_lines(ladder, moderator), background=ladder.moderated_label(), outcome="Score"),
        figures.plot_scatters(points, lines),
    ]  # fmt: skip
    for one in drawn:
        check_texts_inside_and_apart(one)
        assert not [t for t in words(one) if left_over(t)]


@pytest.mark.parametrize(("plot", "make"), [*MONITORING_CASES.items(), *LINK_CASES], ids=lambda item: item.__name__)
def test_every_figure_has_english_words_with_room(plot, make):
    use_language("en")
    given = make()
    texts = cells(list(given)) + [name for frame in given for name in frame]
    drawn = plot(*given)
    check_texts_inside_and_apart(drawn)
    assert not {text: left_over(text, *texts) for text in words(drawn) if left_over(text, *texts)}


def test_what_was_tried_against_a_small_study_is_said_in_english(study):
    """With few schools and one resource some parts have reasons instead of numbers."""
    data, *_ = study
    use_language("en")
    kept = sorted(data.frame["group"].unique())[:14]
    first = data.ids("tangible")[0]
    small = replace(
        data, frame=data.frame[data.frame["group"].isin(kept)].reset_index(drop=True),
        variables=tuple(v for v in data.variables if v.role != "tangible" or v.id == first),
    )  # fmt: skip
    ladder = fit_ladder(small)
    challenge = challenge_link(small, ladder, seed=1, effort=SMALL)
    frames = [challenge.tidy(), challenge.singles, challenge.imputed, challenge.sensitivity, challenge.places, challenge.quantiles,
              challenge.wild]  # fmt: skip
    found = [challenge.summary(), challenge.missing.summary(), *challenge.remarks, challenge.blocks.summary(),
             challenge.multiverses[first].summary(), challenge.detectable.summary()]  # fmt: skip
    assert not [t for t in [*found, *cells(frames)] if left_over(t)]
    assert "relative importance of resources: fewer than two resources, nothing to compare" in found
    curve = challenge.multiverses[first].plot()
    for drawn in (curve, challenge.missing.plot(), challenge.blocks.plot()):
        check_texts_inside_and_apart(drawn)
        assert not [t for t in words(drawn) if left_over(t)]
    assert "smallest tenth out" in words(curve)


def test_models_that_were_not_fitted_say_so_in_english(study):
    data, *_ = study
    use_language("en")
    for schools, start in ((14, "Not fitted: 14 schools and 11 variables at the school level (counties included) leave only"),
                           (8, "Not fitted: the school level has fewer than 10 schools, so that")):  # fmt: skip
        kept = sorted(data.frame["group"].unique())[:schools]
        ladder = fit_ladder(replace(data, frame=data.frame[data.frame["group"].isin(kept)].reset_index(drop=True)))
        remarks = [m.remark for m in ladder.models]
        assert any(r.startswith(start) for r in remarks), remarks
        assert not [r for r in remarks if left_over(r)]


def test_counties_beside_each_other_are_english():
    use_language("en")
    table = indicators("primary")
    keys = table.keys.drop_duplicates("county_code")["county_code"].to_numpy()
    given = pd.DataFrame({"county_code": keys, "outcome": np.arange(len(keys)) * 3.0, "difference_rate": 0.1, "observations": 50})
    for rows in (given, given.head(3)):
        found = compare_counties(table, rows)
        assert not left_over(found.summary()) and not [r for r in found.remarks if left_over(r)]


# --- whole reports ----------------------------------------------------------------------------------------------------


def reported(name, study, monkeypatch, language):
    """Blocks and texts of figures of a notebook run on a small project."""
    monkeypatch.setattr(qbresearch, "Effort", lambda permutations: SMALL, raising=False)
    monkeypatch.setattr(style, "figure_png", lambda figure, **settings: (b"", 1, 1))  # the texts are enough
    given = {"source_id": "test-county", "county_code": COUNTY, "permutations": SMALL.permutations}
    return _run(name, study.study.project.root, monkeypatch, **given, language=language)[1:]


def chinese_in(blocks, drawn, study):
    """What is Chinese in a report although it should be English."""
    names = [*study.study.data.frame["school_name"], *study.results.frame["school_name"]]
    names += [p.title for p in (study.study.data.provenance, *study.provenances)] + [study.study.data.provenance.licence]
    found = [text for _, text in _texts([block.to_dict() for block in blocks])] + drawn
    assert len(found) > 150
    return {text: left_over(text, *names) for text in found if left_over(text, *names)}


@pytest.mark.parametrize("name", ["40-quality-monitoring", "50-resource-quality-link"])
def test_an_english_report_has_the_numbers_of_the_chinese_one_and_no_chinese_but_names(name, monitoring, monkeypatch):  # noqa: F811
    study, numbers = monitoring(student_rows()), {}
    for language in ("zh", "en"):
        blocks, drawn = reported(name, study, monkeypatch, language)
        rows = [row for b in blocks if b.kind == "table" for row in b.rows]
        numbers[language] = [b.id for b in blocks if hasattr(b, "id")], [
            [c for c in row if re.fullmatch(r"[−+<]?[\d,.]+%?", c)] for row in rows
        ]
    assert not chinese_in(blocks, drawn, study)
    assert numbers["zh"] == numbers["en"] and sum(map(len, numbers["zh"][1])) >= 28


def only_levels(rows):
    level = pd.cut(rows["score"], [-1, 450, 530, 600, 2000], labels=["Ⅰ", "Ⅱ", "Ⅲ", "Ⅳ"]).astype(str)
    return rows.drop(columns="score").assign(level=level)


def an_unknown_school(rows):
    return rows.assign(school_name=rows["school_name"].replace({"测试第6校": "测试第六校"}))


@pytest.mark.parametrize("kind", [only_levels, an_unknown_school])
def test_a_monitoring_report_of_less_than_scores_is_english_too(kind, monitoring, monkeypatch):  # noqa: F811
    study = monitoring(kind(student_rows()))
    assert not chinese_in(*reported("40-quality-monitoring", study, monkeypatch, "en"), study)


@pytest.mark.parametrize("name", ["40-quality-monitoring", "50-resource-quality-link"])
def test_english_texts_hold_the_symbols_of_the_chinese_ones_and_no_chinese(name):
    cells = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells
    pairs = [(one, other) for one, other in pairwise(cells) if "lang-en" in other.metadata.get("tags", ())]
    assert len(pairs) >= 8
    for one, other in pairs:
        symbols = [set(re.findall(r"\$\$.+?\$\$|\$[^$]+\$", c.source)) for c in (one, other)]
        assert symbols[0] == symbols[1] and not WIDE.search(other.source), other.source[:60]
