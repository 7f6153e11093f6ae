"""References beside those of pandoc's citeproc with the CSL styles, and beside those the standard itself prints."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest

from qbresearch.publication.bibliography import EDITIONS, write_work
from qbresearch.rules.works import KINDS, Person, Work, load_works

GOLDEN = json.loads((Path(__file__).parent / "data" / "bibliography.json").read_text(encoding="utf-8"))
CASES = {case["work"]["key"]: case for case in GOLDEN["cases"]}
PRINTED = GOLDEN["printed"]["entries"]


def _work(key: str) -> Work:
    values = dict(CASES[key]["work"])
    for name in ("date", "accessed"):
        if name in values:
            values[name] = date.fromisoformat(values[name])
    for name in ("persons", "editors", "translators"):
        values[name] = tuple(
            Person(**person | {"pinyin": tuple(person.get("pinyin", ()))}) for person in values.get(name, ())
        )
    if "date" in values:
        values["year"] = values["date"].year
    return Work(**values)


# Where we mean to differ from citeproc. Each difference turns citeproc's text into ours, for the works it concerns.


def et_al_in_the_language_of_the_work(text: str, work: Work, edition: str) -> str:
    """Citeproc has one language, so a Western reference with more than three authors ends in 等."""
    return text if work.language == "zh" else re.sub("([，,] ?)等(?=\\.)", r"\1et al", text)


def edition_in_the_language_of_the_work(text: str, work: Work, edition: str) -> str:
    """``2nd ed`` for an English book; the standard prints ``2版`` without a blank."""
    if work.language == "zh":
        return text.replace(f" {work.edition} 版.", f" {work.edition}版.")
    return text.replace(" 2 版.", " 2nd ed.").replace(" 6 版.", " 6th ed.")


def pinyin_names(text: str, work: Work, edition: str) -> str:
    """2025 does not shorten a given name in pinyin; 2015 takes the first letter of every syllable."""
    for person in work.persons:
        given = "".join(person.pinyin).capitalize()
        if edition == "2025" and given:
            text = text.replace(f"{person.family} {given[0]}", f"{person.family} {given}", 1)
        elif given:
            letters = " ".join(syllable[0].upper() for syllable in person.pinyin)
            text = text.replace(f"{person.family.upper()} {given[0]}", f"{person.family.upper()} {letters}", 1)
    return text


def no_doi_that_the_address_has(text: str, work: Work, edition: str) -> str:
    """A DOI that the address holds already need not be repeated (7.9.1 of 2025)."""
    return text.replace(f" DOI:{work.doi}.", "") if work.doi and work.doi in work.url else text


def institutions_keep_their_writing(text: str, work: Work, edition: str) -> str:
    """2015 sets the family names of persons in capitals, not the names of institutions."""
    for person in (*work.persons, *work.editors):
        text = text.replace(person.name.upper(), person.name) if edition == "2015" and person.name else text
    return text


def translator_of_an_article(text: str, work: Work, edition: str) -> str:
    """The style of 2015 leaves out who translated an article."""
    if work.kind == "journal" and edition == "2015" and work.translators:
        return text.replace("[J]. ", f"[J]. {work.translators[0].name}, 译. ")
    return text


DIFFERENCES = (
    et_al_in_the_language_of_the_work, edition_in_the_language_of_the_work, pinyin_names, no_doi_that_the_address_has,
    institutions_keep_their_writing, translator_of_an_article,
)  # fmt: skip


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("key", CASES)
def test_an_entry_is_citeproc_s_but_for_the_named_differences(key, edition):
    work, expected = _work(key), CASES[key][edition]
    for difference in DIFFERENCES:
        expected = difference(expected, work, edition)
    assert write_work(work, edition=edition) == expected


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda f: f.__name__)
def test_every_named_difference_occurs(difference):
    found = [
        key for key in CASES for edition in EDITIONS
        if difference(CASES[key][edition], _work(key), edition) != CASES[key][edition]
    ]
    assert found


def _marks_only(text: str) -> str:
    """Without blanks and with half-width marks: what the transcription of the standard keeps."""
    return re.sub(r"\s", "", text.translate(str.maketrans("，：（）", ",:()")))


@pytest.mark.parametrize("key", PRINTED)
def test_an_example_of_the_standard_is_written_as_the_standard_prints_it(key):
    assert _marks_only(write_work(_work(key), edition="2025")) == _marks_only(PRINTED[key])


def test_the_golden_works_are_of_all_kinds_and_many_are_ours():
    assert {case["work"]["kind"] for case in CASES.values()} == set(KINDS)
    assert len(CASES.keys() & load_works().keys()) >= 15
