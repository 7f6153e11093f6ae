"""Reports in English: every fixed text has its English one, and nothing Chinese is left but names and quotations."""

from __future__ import annotations

import ast
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import nbformat
import numpy as np
import pytest
from matplotlib.text import Text

from qbresearch.errors import InputError
from qbresearch.exhibits import style
from qbresearch.language import (
    CHINESE,
    LANGUAGES,
    catalogue,
    clauses,
    current_language,
    joined,
    label_of,
    listed,
    say,
    speaking,
    use_language,
)
from qbresearch.processed.build import build_source
from qbresearch.rules.citations import read_citation
from qbresearch.rules.columns import list_tables, load_table
from qbresearch.rules.evaluations import has_evaluation, load_evaluation
from qbresearch.rules.standards import list_standards
from qbresearch.studies import study as studies

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
CATALOGUES = ROOT / "qbresearch" / "language"
MODULES = sorted((ROOT / "qbresearch").rglob("*.py"))
TEMPLATES = sorted((ROOT / "qbresearch").rglob("*.j2"))
OTHERS = [language for language in LANGUAGES if language != CHINESE]
HAN = re.compile(r"[\u3400-\u9fff]")
CHINESE_ONLY = {"counter", "gap"}  # places for a counter and for the space between a Latin and a Chinese word
COUNTY = ("10-data-check", "20-resource-balance", "25-resource-attainment", "30-attainment", "90-cross-county")


@pytest.fixture(autouse=True)
def chinese_afterwards() -> Iterator[None]:
    yield
    use_language(CHINESE)


# --- the catalogues -----------------------------------------------------------------------------------------------


def _sources() -> Iterator[tuple[str, str]]:
    for path in MODULES:
        yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                yield f"{path.name} {cell.id}", cell.source


def _said() -> Iterator[tuple[str, ast.expr]]:
    """Where ``say`` is called, and with what."""
    for where, source in _sources():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and "say" in (getattr(node.func, "id", ""), getattr(node.func, "attr", "")):
                yield f"{where}:{node.lineno}", node.args[0]


def _literals() -> dict[str, str]:
    """Every text said, with a place where it stands."""
    found = {arg.value: where for where, arg in _said() if isinstance(arg, ast.Constant)}
    for path in TEMPLATES:
        found |= dict.fromkeys(re.findall(r'\bsay\(\s*"([^"]*)"', path.read_text(encoding="utf-8")), path.name)
    return found


def _constants() -> set[str]:
    """Every text that stands in a module."""
    nodes = (node for path in MODULES for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_only_literal_texts_are_said():
    loose = [where for where, arg in _said() if not (isinstance(arg, ast.Constant) and isinstance(arg.value, str))]
    assert not loose


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_that_is_said_stands_in_every_catalogue_and_none_for_nothing(language):
    said = _literals()
    assert len(said) > 100
    assert not {text: where for text, where in said.items() if text not in catalogue(language)}
    reasons = tomllib.loads((CATALOGUES / language / "reasons.toml").read_text(encoding="utf-8"))
    assert not [text for text in catalogue(language) if text not in said and text not in reasons]
    assert not set(reasons) - said.keys() - _constants()  # methods give reasons as constants: see results/reasons.py


@pytest.mark.parametrize("language", OTHERS)
def test_a_text_has_the_same_places_in_every_language(language):
    for chinese, text in catalogue(language).items():
        here, there = _places(chinese), _places(text)
        assert here - CHINESE_ONLY == there - CHINESE_ONLY, chinese
        assert there <= here and "" not in here, chinese
        assert not HAN.search(text), chinese
        assert not re.search("[，。；：（）、？！]", text), chinese


@pytest.mark.parametrize("language", OTHERS)
def test_every_noun_that_agrees_with_a_number_has_two_forms(language):
    for text in catalogue(language).values():
        for _, name, form, _ in Formatter().parse(text):
            assert name is None or form == "" or re.fullmatch(r"[^|]+\|[^|]+", form), text


def test_a_text_translated_twice_in_two_ways_is_refused(tmp_path, monkeypatch):
    (tmp_path / "xx").mkdir()
    for topic, word in (("a", "school"), ("b", "campus")):
        (tmp_path / "xx" / f"{topic}.toml").write_text(f'"学校" = "{word}"\n', encoding="utf-8")
    monkeypatch.setattr("qbresearch.language.__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(ValueError, match="b.toml translates '学校'"):
        catalogue("xx")


# --- speaking -----------------------------------------------------------------------------------------------------


def test_chinese_is_said_as_written_and_english_as_in_the_catalogue():
    assert (say("达标"), current_language()) == ("达标", "zh")
    with speaking("en"):
        assert (say("达标"), current_language()) == ("met", "en")
        assert say("{n} 所学校缺数据", n=1) == "1 school without data"
        assert say("{n} 所学校缺数据", n=np.int64(2)) == "2 schools without data"
        with pytest.raises(LookupError):
            say("没有译文的一句话")
    assert say("{n} 所学校缺数据", n=1) == "1 所学校缺数据"


def test_words_and_sentences_are_joined_as_the_language_does():
    assert (listed("甲乙"), clauses("甲乙"), joined(["甲。", "", "乙。"])) == ("甲、乙", "甲；乙", "甲。乙。")
    use_language("en")
    assert (listed("ab"), clauses("ab"), joined(["A.", "", "B."])) == ("a, b", "a; b", "A. B.")


def test_a_language_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="没有这个语言"):
        use_language("fr")
    assert current_language() == "zh"


def test_what_a_rule_says_is_chinese_where_it_has_no_english():
    entry = {"clause": "第二条", "quote": "达到 4.2 人", "source": "s", "status": "copy", "note": {"zh": "注", "en": "note"}}
    citation = read_citation(entry, sources=("s",), where="示例.toml", numbers=[4.2])
    assert (citation.said("note"), citation.said("quote")) == ("注", "达到 4.2 人")
    use_language("en")
    assert (citation.said("note"), citation.said("quote"), citation.said("unit")) == ("note", "达到 4.2 人", "")


@pytest.mark.parametrize("table_id", list_tables())
def test_columns_and_choices_have_english_labels_of_their_own(table_id):
    contract = load_table(table_id)
    use_language("en")
    for column in (*contract.columns, *contract.constants):
        assert label_of(column) and not HAN.search(label_of(column)), column.name
        for choice in getattr(column, "choices", ()):
            assert label_of(choice) and not HAN.search(label_of(choice)), (column.name, choice.id)
    assert not HAN.search(label_of(contract, "rows") + label_of(contract, "row_column") + label_of(contract, "row"))


# --- reports ------------------------------------------------------------------------------------------------------

# Names of places, documents and forms that our own English sentences about the standards speak of.
NAMES = ("安徽", "吉林", "重庆", "宁国市", "宁国", "鸠江区", "河北省", "教基4155", "艺术", "《评估办法》", "场馆", "生均")
METHOD = "《县域义务教育校际均衡指标计算方法》"


def _run(name, root, monkeypatch, **parameters):
    """The blocks of a notebook run in this process, and all texts of its figures."""
    drawn: list[str] = []

    def picture(figure, **settings):
        made = style.figure_png(figure, **settings)
        drawn.extend(text.get_text() for text in figure.findobj(Text) if text.get_visible())
        return made

    monkeypatch.setattr(studies, "figure_png", picture)
    monkeypatch.chdir(root)
    names, blocks = {}, []
    for cell in nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells:
        if cell.cell_type != "code":
            continue
        *statements, last = ast.parse(cell.source).body
        exec(compile(ast.Module(statements, []), name, "exec"), names)
        if isinstance(last, ast.Expr):
            blocks.append(eval(compile(ast.Expression(last.value), name, "eval"), names))
        else:
            exec(compile(ast.Module([last], []), name, "exec"), names)
        if "parameters" in cell.metadata.get("tags", ()):
            names.update((key, value) for key, value in parameters.items() if key in names)
    return names["study"], blocks, drawn


def _texts(value, path="") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, f"{path}.{key}")
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner, path)


def _proper(study) -> list[str]:
    """What stays Chinese: names in the data, titles and words of documents, the passport of data without English."""
    frame, provenance = study.data.frame, study.data.provenance
    citations = [
        part.citation
        for group in ("thresholds", "caps", "rules", "scope", "splits", "rounding")
        for part in getattr(study.standard, group).values()
    ]
    found = {
        *frame["county_name"], *frame["school_name"], *frame["source_file"], study.standard.document,
        provenance.title, provenance.licence, "测试用提供单位",
        *(s.title_en for s in study.standard.sources.values()), *(c.quote for c in citations), METHOD, *NAMES,
    }  # fmt: skip
    if has_evaluation(study.standard.id):
        evaluation = load_evaluation(study.standard.id, on=study.standard.on)
        cited = [
            *(r.citation for r in evaluation.requirements.values()), *(i.citation for i in evaluation.items),
            *(c.citation for o in evaluation.options.values() for c in o.choices.values()),
            *(x.citation for x in (*evaluation.groups, *evaluation.schemes, *evaluation.steps)),
        ]  # fmt: skip
        found |= {s.title_en for s in evaluation.sources.values()} | {c.quote for c in cited} | {c.clause for c in cited}
    return sorted(map(str, found), key=len, reverse=True)


@pytest.fixture
def built(project, book, add_source, tmp_path):
    """One county with a gap in its data, a school below standard and a year before; simulated, so that it is marked."""
    book.put(1, "multimedia_classrooms", None)
    book.put(2, "backbone_teachers_primary", 0)
    path = book.save(tmp_path / "原件.xlsx")
    add_source("test-county", {"测试县2024.xlsx": path.read_bytes()}, kind="simulated")
    shutil.copytree(ROOT / "data" / "raw" / "published-cv", project.raw / "published-cv")
    assert {build_source(project, source).status for source in ("test-county", "published-cv")} == {"built"}
    return project


def _settings(book, **changes):
    year, code = int(book.cell(0, "school_year").value), str(book.cell(0, "county_code").value)
    return {"source_id": "test-county", "county_code": code, "school_year": year, "stage": "primary"} | changes


@pytest.mark.parametrize("name", COUNTY)
def test_an_english_report_holds_no_chinese_but_names_and_quotations(name, built, book, monkeypatch):
    study, blocks, drawn = _run(name, built.root, monkeypatch, language="en", **_settings(book))
    found = list(_texts([block.to_dict() for block in blocks])) + [("figure", text) for text in drawn]
    assert len(found) > 100 or name != "20-resource-balance"
    proper = _proper(study)
    for path, text in found:
        if name == "10-data-check" and path == ".rows":
            continue  # what was found when reading is quoted as it was noticed; checked cell by cell below
        for word in proper:
            text = text.replace(word, "").replace(word.replace("\n", ""), "")
        assert not HAN.search(text.replace("\n", "")), (path, text)
    assert not drawn or "Simulated data" in drawn


def test_the_english_data_check_quotes_only_what_was_noticed(built, book, monkeypatch):
    study, blocks, _ = _run("10-data-check", built.root, monkeypatch, language="en", **_settings(book))
    tables = {block.id: block for block in blocks if block.kind == "table"}
    assert any(HAN.search(cell) for row in tables.pop("problems").rows for cell in row)
    proper = _proper(study)
    for id, table in tables.items():
        for cell in (cell for row in table.rows for cell in row):
            for word in proper:
                cell = cell.replace(word, "")
            assert not HAN.search(cell), (id, cell)
    assert [row[0] for row in tables["register"].rows][-1] == "total"


def test_a_report_says_the_same_numbers_in_both_languages(built, book, monkeypatch):
    numbers = {}
    for language in LANGUAGES:
        _, blocks, _ = _run("25-resource-attainment", built.root, monkeypatch, language=language, **_settings(book))
        tables = [block for block in blocks if block.kind == "table"]
        cells = [[[c for c in row if re.fullmatch(r"[−+<]?[\d,.]+%?", c)] for row in t.rows] for t in tables]
        numbers[language] = [[b.id for b in blocks if hasattr(b, "id")], cells, [t.tones for t in tables]]
        assert sum(len(row) for table in cells for row in table) > 50
    assert numbers["zh"] == numbers["en"]


@pytest.mark.parametrize("standard_id", [s for s in list_standards() if s in ("national-2017", "basic-2012")])
def test_the_rules_of_a_standard_are_english_but_for_quotations(standard_id, built, book):
    study = studies.open_study(
        standard_id=standard_id, project=built.root, language="en", **_settings(book),
    )  # fmt: skip
    frames = [study.standard.tidy(), *(study.standard.definitions(s.id) for s in study.standard.stages)]
    for frame in frames:
        for column in set(frame) - {"quote", "source", "clause"}:
            for text in frame[column]:
                for word in NAMES:
                    text = text.replace(word, "")
                assert not HAN.search(text), (column, text)
