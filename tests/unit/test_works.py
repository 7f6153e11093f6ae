"""Cited works are read strictly: nothing unknown, nothing missing, no fact in the wrong form."""

from __future__ import annotations

from datetime import date

import pytest

from qbresearch.errors import CitationError, InputError
from qbresearch.rules.works import KINDS, WORK_LANGUAGES, Person, Work, load_works, read_works

ARTICLE = """
[[work]]
key = "holm-1979"
kind = "journal"
language = "en"
persons = [{ family = "Holm", given = "Sture" }]
title = "A simple sequentially rejective multiple test procedure"
container = "Scandinavian Journal of Statistics"
volume = "6"
pages = "65-70"
year = 1979
"""
PAGE = """
[[work]]
key = "page"
kind = "web"
language = "zh"
title = "网页"
url = "https://example.org/a"
accessed = 2026-11-22
"""


def _read(tmp_path, *texts: str):
    paths = []
    for n, text in enumerate(texts):
        path = tmp_path / f"works-{n}.toml"
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return read_works(paths)


def test_a_work_holds_what_its_entry_says(tmp_path):
    works = _read(tmp_path, ARTICLE, PAGE)
    assert list(works) == ["holm-1979", "page"]
    assert works["holm-1979"] == Work(
        key="holm-1979", kind="journal", language="en", title="A simple sequentially rejective multiple test procedure",
        persons=(Person(family="Holm", given="Sture"),), container="Scandinavian Journal of Statistics", volume="6",
        pages="65-70", year=1979,
    )
    assert works["page"].accessed == date(2026, 11, 22) and works["page"].year is None


def test_the_year_follows_from_the_date_and_syllables_stay_apart(tmp_path):
    text = ARTICLE.replace("year = 1979", "date = 1979-07-01").replace('given = "Sture"', 'pinyin = ["nian", "bo"]')
    work = _read(tmp_path, text)["holm-1979"]
    assert (work.year, work.date) == (1979, date(1979, 7, 1))
    assert work.persons == (Person(family="Holm", pinyin=("nian", "bo")),)


@pytest.mark.parametrize(("old", "new", "match"), [
    ('kind = "journal"', 'kind = "jurnal"', "没有这个文献类型(.|\n)*是不是想写 journal"),
    ('kind = "journal"\n', "", "没有这个文献类型"),
    ('volume = "6"', 'volumes = "6"', "不认识的项(.|\n)*volumes"),
    ('volume = "6"', 'publisher = "Wiley"', "不认识的项(.|\n)*publisher"),
    ('container = "Scandinavian Journal of Statistics"\n', "", "缺少必填的项(.|\n)*没有 container"),
    ('title = "A simple', 'name = "A simple', "不认识的项(.|\n)*name"),
    ('language = "en"', 'language = "de"', "没有这个文献语种"),
    ('key = "holm-1979"', 'key = "Holm 1979"', "key 写法不对"),
    ('title = "A simple sequentially rejective multiple test procedure"', "title = 1979", "title 写法不对"),
    ('volume = "6"', "volume = 6", "volume 写法不对"),
    ('volume = "6"', 'volume = ""', "volume 写法不对"),
    ('volume = "6"', 'volume = " 6"', "volume 写法不对"),
    ("65-70", "65–70", "pages 写法不对(.|\n)*半角连字符"),
    ('volume = "6"', 'doi = "https://doi.org/10.2307/1"', "doi 写法不对(.|\n)*不写网址"),
    ("year = 1979\n", "", "没有年份"),
    ("year = 1979", 'year = "1979"', "year 写法不对"),
    ("year = 1979", "year = 79", "year 写法不对"),
    ("year = 1979", "year = true", "year 写法不对"),
    ("year = 1979", "year = 1979\ndate = 1979-07-01", "年份写了两次"),
    ("year = 1979", "date = 1979-07-01T00:00:00", "date 写法不对"),
    ("year = 1979", 'year = 1979\nurl = "https://example.org"', "网址与引用日期要一起写(.|\n)*只有 url"),
    ("year = 1979", "year = 1979\naccessed = 2026-11-22", "网址与引用日期要一起写(.|\n)*只有 accessed"),
    ("year = 1979", 'year = 1979\nurl = "example.org"\naccessed = 2026-11-22', "url 写法不对"),
    ('[{ family = "Holm", given = "Sture" }]', '"Holm"', "persons 写法不对"),
    ('[{ family = "Holm", given = "Sture" }]', "[]", "persons 写法不对(.|\n)*至少一位"),
    ('given = "Sture"', 'givn = "Sture"', "责任者的写法不对(.|\n)*persons 第 1 位"),
    ('{ family = "Holm", given = "Sture" }', '{ name = "Holm", given = "Sture" }', "责任者的写法不对"),
    ('{ family = "Holm", given = "Sture" }', '{ family = "Holm" }', "责任者的写法不对"),
    ('given = "Sture"', 'given = ""', "责任者的写法不对"),
    ('given = "Sture"', 'pinyin = "peng"', "责任者的写法不对"),
    ('given = "Sture"', "pinyin = []", "责任者的写法不对"),
])
def test_an_entry_that_breaks_the_form_is_refused_with_its_place(tmp_path, old, new, match):
    assert old in ARTICLE
    with pytest.raises(InputError, match=match) as caught:
        _read(tmp_path, ARTICLE.replace(old, new, 1))
    assert caught.value.where.startswith("works-0.toml 第 1 个 [[work]]")


@pytest.mark.parametrize(("edition", "match"), [("1", "第 1 版不写"), ('""', "edition 写法不对"), ("2.0", "edition 写法不对")])
def test_an_edition_is_a_number_from_two_on_or_words(tmp_path, edition, match):
    def book(words: str) -> str:
        text = ARTICLE.replace("journal", "book", 1).replace("container", "publisher")
        return text.replace('volume = "6"', f"edition = {words}")

    assert _read(tmp_path, book("3"))["holm-1979"].edition == 3
    assert _read(tmp_path, book('"修订本"'))["holm-1979"].edition == "修订本"
    with pytest.raises(CitationError, match=match):
        _read(tmp_path, book(edition))


def test_a_key_is_used_once_over_all_files(tmp_path):
    with pytest.raises(CitationError, match="key 重复(.|\n)*works-1.toml"):
        _read(tmp_path, ARTICLE, PAGE + ARTICLE)


def test_what_stands_outside_an_entry_is_refused(tmp_path):
    with pytest.raises(CitationError, match="有不认识的键"):
        _read(tmp_path, 'note = "x"\n' + ARTICLE)
    with pytest.raises(CitationError, match="work 的写法不对"):
        _read(tmp_path, ARTICLE.replace("[[work]]", "[work]"))


def test_the_works_that_ship_are_read_once_and_cannot_be_changed():
    works = load_works()
    assert works is load_works() and len(works) >= 25
    assert all(key == work.key for key, work in works.items())
    assert all(work.kind in KINDS and work.language in WORK_LANGUAGES for work in works.values())
    with pytest.raises(TypeError):
        works["new"] = works["moe-2017"]  # type: ignore[index]


def test_no_fact_is_registered_twice():
    works = load_works().values()
    for fact in ("doi", "url"):
        given = [value for work in works if (value := getattr(work, fact).lower())]
        assert len(given) == len(set(given)), fact
    titles = [work.title + work.subtitle for work in works]
    assert len(titles) == len(set(titles))


def test_titles_in_english_are_in_sentence_case_and_names_in_chinese_are_whole():
    for work in load_works().values():
        words = [word for word in f"{work.title} {work.subtitle}".split() if word[0].isalpha()]
        if work.language == "en":
            capital = [word for word in words[1:] if word[0].isupper()]
            assert len(capital) <= max(3, len(words) / 3), work.key
        else:
            assert all(person.name for person in work.persons), work.key
