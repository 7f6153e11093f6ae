"""A citation is read only if it supports its numbers, and a key that nothing reads is refused."""

from __future__ import annotations

from datetime import date

import pytest

from qbresearch.errors import CitationError
from qbresearch.rules.citations import (
    STATUSES,
    Citation,
    check_keys,
    read_citation,
    read_toml,
    status_words,
)

ENTRY = {"clause": "第二条", "quote": "小学达到 4.2 人以上，余项不低于85%", "source": "sample", "status": "copy"}


def read(*numbers: float, **changes: object) -> Citation:
    where = "示例.toml 第 3 个 [[rule]]"
    return read_citation({**ENTRY, **changes}, sources=("sample", "other"), where=where, numbers=numbers)


def refusal(*numbers: float, **changes: object) -> str:
    with pytest.raises(CitationError) as caught:
        read(*numbers, **changes)
    assert "示例.toml 第 3 个 [[rule]]" in str(caught.value)
    return str(caught.value)


def test_a_citation_keeps_what_was_read() -> None:
    citation = read(4.2, unit="人", note="说明", valid={"from": date(2020, 1, 1)})
    assert (citation.clause, citation.source, citation.status, citation.unit) == ("第二条", "sample", "copy", "人")
    assert citation.quote == ENTRY["quote"] and citation.note == "说明" and citation.reading == ""
    assert (citation.valid_from, citation.valid_to) == (date(2020, 1, 1), None)


@pytest.mark.parametrize(
    ("number", "quote"),
    [(4.2, "达到 4.2 人"), (0.85, "不低于85%"), (0.85, "不低于 85 ％"), (0.5, "小于或等于 0.50"), (2000, "2000 元"),
     (6, "至少6项"), (1, "均达到 1 人"), (0.045, "4.5%"), (1.32, "A/(A+1.1B+1.32C)"), (10.2, "10.2平方米")],
)
def test_a_number_printed_in_the_quotation_is_supported(number: float, quote: str) -> None:
    assert read(number, quote=quote).quote == quote


@pytest.mark.parametrize(
    ("number", "quote"),
    [(4.2, "达到 14.2 人"), (2, "达到 2.3 间"), (3, "达到 2.3 间"), (0.85, "不低于 85 项"), (85, "不低于 0.85"),
     (0.5, "没有数字"), (5, "五项"), (200, "2000 元")],
)
def test_a_number_that_is_only_part_of_another_is_not_supported(number: float, quote: str) -> None:
    message = refusal(number, quote=quote)
    assert "原句里没有这个数" in message and f"{number} 不见于“{quote}”" in message and "reading" in message


def test_a_number_worked_out_from_the_quotation_needs_a_reading() -> None:
    assert read(7, reading="四加三").reading == "四加三"
    assert "原句里没有这个数" in refusal(7, reading="")


def test_every_number_of_an_entry_must_be_supported() -> None:
    assert read(4.2, 0.85)
    assert "9 不见于" in refusal(4.2, 9)


@pytest.mark.parametrize("field", ["clause", "quote"])
@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_an_empty_clause_or_quotation_is_refused(field: str, text: str) -> None:
    assert "条款或原句是空的" in refusal(**{field: text})


def test_a_source_that_is_not_declared_is_refused_with_those_that_are() -> None:
    message = refusal(source="smaple")
    assert "'smaple'" in message and "other、sample" in message


def test_only_four_statuses_exist() -> None:
    assert STATUSES == ("law", "copy", "practice", "unverified") and set(status_words()) == set(STATUSES)
    for status in STATUSES:
        assert read(status=status).status == status
    assert "'Law'" in refusal(status="Law")


def test_a_validity_with_another_key_is_refused() -> None:
    message = refusal(valid={"since": date(2020, 1, 1)})
    assert "since" in message and "的 valid" in message


@pytest.mark.parametrize(
    ("start", "end", "day", "in_force"),
    [
        (None, None, date(1900, 1, 1), True),
        (date(2020, 1, 1), None, date(2019, 12, 31), False),
        (date(2020, 1, 1), None, date(2020, 1, 1), True),
        (None, date(2020, 1, 1), date(2020, 1, 1), True),
        (None, date(2020, 1, 1), date(2020, 1, 2), False),
        (date(2020, 1, 1), date(2020, 12, 31), date(2020, 6, 1), True),
    ],
)
def test_both_ends_of_a_validity_belong_to_it(start, end, day, in_force) -> None:
    citation = Citation("条", "句", "sample", "copy", valid_from=start, valid_to=end)
    assert citation.in_force(day) is in_force


def test_unknown_and_missing_keys_are_all_named() -> None:
    with pytest.raises(CitationError) as caught:
        check_keys({"a": 1, "y": 2, "x": 3}, required=("a",), optional=("b",), where="某文件")
    assert "x、y" in str(caught.value) and "只用这些键：a、b" in str(caught.value) and "某文件" in str(caught.value)
    with pytest.raises(CitationError) as caught:
        check_keys({"b": 1}, required=("a", "c"), optional=("b",), where="某文件")
    assert "没有 a、c" in str(caught.value)
    check_keys({"a": 1}, required=("a",), where="某文件")


def test_a_file_that_cannot_be_read_is_named(tmp_path) -> None:
    with pytest.raises(CitationError, match="找不到文件") as caught:
        read_toml(tmp_path / "没有.toml")
    assert "没有.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"a = 1\nb = 010203\n", "line 2"), (b"a = \n", "line 1"), ("甲 = 1\n".encode(), "TOML"),
     ("a = '县'".encode("gbk"), "UTF-8")],
    ids=["leading zero", "no value", "bare Chinese key", "GBK"],
)
def test_a_file_that_is_not_toml_is_refused_with_the_line(tmp_path, content: bytes, words: str) -> None:
    path = tmp_path / "坏.toml"
    path.write_bytes(content)
    with pytest.raises(CitationError, match="不是合格的 TOML") as caught:
        read_toml(path)
    assert words in str(caught.value) and "坏.toml" in str(caught.value)


def test_a_byte_order_mark_is_no_fault(tmp_path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("a = '县'\n", encoding="utf-8-sig")
    assert read_toml(path) == {"a": "县"}
