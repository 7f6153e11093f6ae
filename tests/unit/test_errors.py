"""Errors a user can cause: sentences with a place, and the exit codes that go with them."""

from __future__ import annotations

import errno

import pytest

from qbresearch import errors
from qbresearch.errors import (
    CitationError,
    InputError,
    QbError,
    check_choice,
    system_refusal,
)


def test_an_input_error_says_what_where_found_expected_and_fix_each_on_a_line():
    error = InputError("读不了", where="甲.xlsx 表一 第3行 B列", found="abc", expected="数", fix="填数")
    assert str(error).splitlines() == ["读不了", "  位置：甲.xlsx 表一 第3行 B列", "  看到：abc", "  应为：数", "  办法：填数"]
    assert (error.problem, error.where, error.found) == ("读不了", "甲.xlsx 表一 第3行 B列", "abc")
    assert (error.expected, error.fix) == ("数", "填数")


def test_exit_codes_are_the_contract():
    codes = errors.EXIT_DONE, errors.EXIT_FINDINGS, errors.EXIT_INPUT, errors.EXIT_RUNS_FAILED, errors.EXIT_INTERRUPTED
    assert codes == (0, 1, 2, 3, 130)
    assert (QbError.exit_code, InputError.exit_code, CitationError.exit_code) == (2, 2, 2)


def test_a_known_choice_is_returned_as_it_is():
    assert check_choice(2024, [2023, 2024], name="学年", where="数据") == 2024


def test_an_unknown_choice_lists_all_and_suggests_the_nearest():
    with pytest.raises(InputError) as caught:
        check_choice("primry", ("primary", "junior"), name="学段", where="参数")
    assert caught.value.problem == "没有这个学段" and caught.value.where == "参数"
    assert caught.value.expected == "下列之一：primary、junior" and "primary" in caught.value.fix


def test_nothing_is_suggested_when_nothing_is_near():
    with pytest.raises(InputError, match="请从上面列出的值中选一个"):
        check_choice("xyz", ("primary", "junior"), name="学段", where="参数")


def test_a_number_and_its_text_are_not_the_same_choice():
    with pytest.raises(InputError, match="没有这个学年"):
        check_choice("2024", (2024,), name="学年", where="参数")


def test_only_what_the_user_can_put_right_of_the_system_is_a_sentence():
    assert system_refusal(OSError(errno.ENOSPC, "x", "表.xlsx")).where == "表.xlsx"
    assert system_refusal(OSError(errno.EBADF, "x")) is None and system_refusal(OSError("x")) is None
