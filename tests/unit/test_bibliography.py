"""Entries and marks of GB/T 7714 in both editions; the texts beside other software's are in the golden tests."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbresearch.errors import InputError
from qbresearch.publication.bibliography import DEFAULT_EDITION, EDITIONS, Citations, write_work
from qbresearch.rules.works import Person, Work, load_works

WORKS = load_works()
PLACE = "笔记本 link，第 3 个单元格"
ARTICLE = Work(
    key="a", kind="journal", language="en", title="Title", persons=(Person(family="Smith", given="John A."),),
    container="Journal", volume="1", issue="2", pages="3-9", year=2019,
)  # fmt: skip


def _people(count: int, name: str = "") -> tuple[Person, ...]:
    return tuple(Person(name=f"{name}{n}") if name else Person(family=f"Fam{n}", given="Ann") for n in range(count))


# entries


def test_the_default_is_the_edition_in_force():
    assert DEFAULT_EDITION == "2025"
    assert write_work(ARTICLE) == write_work(ARTICLE, edition="2025") == "Smith J A. Title[J]. Journal，2019，1（2）：3-9."
    assert write_work(ARTICLE, edition="2015") == "SMITH J A. Title[J]. Journal, 2019, 1(2): 3-9."


def test_an_unknown_edition_is_refused():
    with pytest.raises(InputError, match="没有这个GB/T 7714 版本(.|\n)*2025"):
        write_work(ARTICLE, edition="2005")
    with pytest.raises(InputError, match="没有这个GB/T 7714 版本"):
        Citations(WORKS, edition="2005")


@pytest.mark.parametrize(("persons", "language", "new", "old"), [
    (_people(3), "en", "Fam0 A，Fam1 A，Fam2 A. ", "FAM0 A, FAM1 A, FAM2 A. "),
    (_people(4), "en", "Fam0 A，Fam1 A，Fam2 A，et al. ", "FAM0 A, FAM1 A, FAM2 A, et al. "),
    (_people(4, "甲"), "zh", "甲0，甲1，甲2，等. ", "甲0, 甲1, 甲2, 等. "),
    (_people(4, "甲"), "en", "甲0，甲1，甲2，et al. ", "甲0, 甲1, 甲2, et al. "),
    ((), "zh", "", ""),
])
def test_more_than_three_persons_end_in_the_language_of_the_work(persons, language, new, old):
    work = replace(ARTICLE, persons=persons, language=language)
    assert write_work(work).startswith(f"{new}Title[J]")
    assert write_work(work, edition="2015").startswith(f"{old}Title[J]")


@pytest.mark.parametrize(("person", "new", "old"), [
    (Person(family="Godard", given="Jean-Luc"), "Godard J-L", "GODARD J L"),
    (Person(family="Godard", given="J.-L."), "Godard J-L", "GODARD J L"),
    (Person(family="van Buuren", given="Stef"), "van Buuren S", "VAN BUUREN S"),
    (Person(family="Särndal", given="Carl-Erik"), "Särndal C-E", "SÄRNDAL C E"),
    (Person(family="Cameron", given="A.Colin"), "Cameron A C", "CAMERON A C"),
    (Person(family="Li", pinyin=("jiang", "ning")), "Li Jiangning", "LI J N"),
    (Person(name="American Chemical Society"), "American Chemical Society", "American Chemical Society"),
])
def test_names_are_turned_and_shortened_as_each_edition_asks(person, new, old):
    work = replace(ARTICLE, persons=(person,))
    assert write_work(work).split(". Title")[0] == new
    assert write_work(work, edition="2015").split(". Title")[0] == old


@pytest.mark.parametrize(("changes", "source"), [
    ({"issue": ""}, "Journal，2019，1：3-9."),
    ({"volume": ""}, "Journal，2019（2）：3-9."),
    ({"pages": ""}, "Journal，2019，1（2）."),
    ({"volume": "", "issue": "", "date": date(2019, 5, 6)}, "Journal，2019-05-06：3-9."),
    ({"container": "Annals: Series B"}, "Annals：Series B，2019，1（2）：3-9."),
])
def test_what_is_not_known_of_an_article_leaves_no_mark_behind(changes, source):
    assert write_work(replace(ARTICLE, **changes)) == f"Smith J A. Title[J]. {source}"


@pytest.mark.parametrize(("edition", "words"), [
    (2, "2nd ed"), (3, "3rd ed"), (4, "4th ed"), (11, "11th ed"), (12, "12th ed"), (21, "21st ed"), (113, "113th ed"),
    ("Rev. ed.", "Rev. ed"),
])
def test_editions_in_english(edition, words):
    book = replace(ARTICLE, kind="book", container="", volume="", issue="", pages="", publisher="Sage", edition=edition)
    assert write_work(book) == f"Smith J A. Title[M]. {words}. Sage，2019."


@pytest.mark.parametrize("edition", EDITIONS)
def test_a_document_is_of_its_own_kind_on_paper_and_a_page_on_line(edition):
    on_paper = write_work(WORKS["qinxian-2021"], edition=edition)
    assert "沁政办函〔2021〕22号[Z]. 2021." in on_paper
    on_line = write_work(WORKS["moe-2012"], edition=edition)
    assert "教督〔2012〕3号[EB/OL]. " in on_line and "2012-01-20" in on_line and "[2026-11-22]. https://" in on_line


def test_since_2025_only_pages_data_and_preprints_say_when_they_were_read():
    stated = {key for key, work in WORKS.items() if work.accessed and f"[{work.accessed}]" in write_work(work)}
    assert {WORKS[key].kind for key in stated} == {"web", "document", "dataset"}
    assert all(f"[{w.accessed}]" in write_work(w, edition="2015") for w in WORKS.values() if w.accessed)


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("key", WORKS)
def test_every_work_we_ship_makes_a_clean_entry(key, edition):
    work, text = WORKS[key], write_work(WORKS[key], edition=edition)
    assert text.endswith(".") and not re.search(r"\.\.|  |None|，，|, ,|：：|\(\)|（）|\[\]", text)
    assert work.title in text and (str(work.year) in text or not work.year)
    for fact in (work.url, work.doi, work.pages):
        assert text.count(fact) == 1 if fact else True
    foreign = "，：" if edition == "2015" else ", "
    names_and_marks = text.replace(work.title, "").replace(work.subtitle, "").replace(work.url, "")
    assert not set(foreign) - {" "} & set(names_and_marks)


# marks in the text


def test_numbers_follow_the_order_of_first_citation():
    citations = Citations(WORKS)
    assert citations.number("oster-2019", where=PLACE) == 1
    assert citations.label(["moe-2017", "holm-1979"], where=PLACE) == "[2-3]"
    assert citations.number("oster-2019", where=PLACE) == 1
    numbers, keys, texts = zip(*citations.entries(), strict=True)
    assert (numbers, keys) == ((1, 2, 3), ("oster-2019", "moe-2017", "holm-1979"))
    assert texts[2] == write_work(WORKS["holm-1979"])
    assert Citations(WORKS).entries() == ()


@pytest.mark.parametrize(("asked", "label"), [
    ([1], "[1]"), ([1, 2], "[1-2]"), ([5, 3, 1, 4], "[1,3-5]"), ([2, 2], "[2]"), ([1, 3, 5], "[1,3,5]"),
    ([4, 6, 7], "[4,6-7]"),
])
@pytest.mark.parametrize("edition", EDITIONS)
def test_a_label_joins_neighbours_and_lists_the_rest(asked, label, edition):
    citations, keys = Citations(WORKS, edition=edition), list(WORKS)
    for key in keys[:8]:
        citations.number(key, where=PLACE)
    assert citations.label([keys[n - 1] for n in asked], where=PLACE) == label


def test_entries_are_written_in_the_chosen_edition():
    citations = Citations(WORKS, edition="2015")
    citations.number("holm-1979", where=PLACE)
    assert citations.entries()[0][2].startswith("HOLM S. ")


def test_an_unknown_key_is_refused_with_its_place_and_the_nearest_keys():
    citations = Citations(WORKS)
    with pytest.raises(InputError) as caught:
        citations.label(["oster-2019", "holm1979"], where=PLACE)
    error = caught.value
    assert error.problem == "引用了没有登记的文献" and error.where == PLACE and error.found == "@holm1979"
    assert "@holm-1979" in error.expected and error.fix == "是不是想写 @holm-1979？"
    with pytest.raises(InputError, match="先在 qbresearch/cited/references 登记"):
        citations.number("zzzzzz", where=PLACE)


def test_a_mark_without_a_work_is_refused():
    with pytest.raises(InputError, match="引用标记里没有文献"):
        Citations(WORKS).label([], where=PLACE)


def _expanded(label: str) -> set[int]:
    numbers: set[int] = set()
    for run in label.strip("[]").split(","):
        first, _, last = run.partition("-")
        numbers |= set(range(int(first), int(last or first) + 1))
    return numbers


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from(sorted(WORKS)), min_size=1, max_size=6), min_size=1, max_size=8))
def test_labels_lose_no_number_and_numbers_never_change(marks):
    citations, first_seen = Citations(WORKS), {}
    for keys in marks:
        for key in keys:
            first_seen.setdefault(key, len(first_seen) + 1)
        label = citations.label(keys, where=PLACE)
        assert _expanded(label) == {first_seen[key] for key in keys}
        runs = [[int(n) for n in run.split("-")] for run in label.strip("[]").split(",")]
        assert all(before[-1] + 1 < after[0] for before, after in zip(runs, runs[1:], strict=False))
    assert {key: number for number, key, _ in citations.entries()} == first_seen
    assert [number for number, _, _ in citations.entries()] == list(range(1, len(first_seen) + 1))
