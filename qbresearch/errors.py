"""Errors a user can cause, written as sentences, and the exit codes that go with them.

Two kinds of exception exist in the package. A :class:`QbError` is something the user can put right: the
command line prints it without a traceback. Everything else is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable
from functools import partial

EXIT_DONE = 0
EXIT_FINDINGS = 1
EXIT_INPUT = 2
EXIT_RUNS_FAILED = 3
EXIT_INTERRUPTED = 130
_CLOSED = ("没有权限，或文件正在别的程序中打开", "关闭 Word、Excel、WPS 中的同名文件，或换一个有权限的位置")
_READ_ONLY = ("磁盘是只读的", "换一个可以写入的位置")
_FULL = ("磁盘已满或超出配额", "腾出空间后再运行")
_NO_FOLDER = ("路径中有一段是文件，不是文件夹", "换一个位置，或移走那个文件")
SYSTEM_REFUSALS = {
    errno.EACCES: _CLOSED,
    errno.EPERM: _CLOSED,
    errno.EROFS: _READ_ONLY,
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: ("文件超过了磁盘允许的大小", "换一个位置"),
    errno.EISDIR: ("同名的是一个文件夹", "换一个文件名，或移走那个文件夹"),
    errno.ENOTDIR: _NO_FOLDER,
    errno.EEXIST: _NO_FOLDER,
    errno.ENAMETOOLONG: ("文件名太长", "换一个短一些的名字"),
    errno.EIO: ("磁盘读写出错", "检查磁盘或网络盘的连接后再运行"),
}


class QbError(Exception):
    """Base of every error the user can put right; ``exit_code`` is what the command returns."""

    exit_code = EXIT_INPUT


class InputError(QbError):
    """What is wrong, where, what was found, what was expected, and how to put it right (all in Chinese).

    Parameters
    ----------
    problem, where, found, expected, fix : str
        One sentence or phrase each. ``where`` names file, sheet, row and column as far as they are known.
    """

    def __init__(self, problem: str, *, where: str, found: str, expected: str, fix: str) -> None:
        self.problem, self.where, self.found, self.expected, self.fix = problem, where, found, expected, fix
        super().__init__(f"{problem}\n  位置：{where}\n  看到：{found}\n  应为：{expected}\n  办法：{fix}")

    def __reduce__(self) -> tuple[object, ...]:
        """Travel between processes with all five fields."""
        return partial(type(self), where=self.where, found=self.found, expected=self.expected, fix=self.fix), (self.problem,)


class CitationError(InputError):
    """A cited file (standard, column contract, passport) breaks its own form."""


def system_refusal(error: OSError) -> InputError | None:
    """A sentence about a file that the system refuses, or ``None`` where the reason is no fault of the user's."""
    if error.errno not in SYSTEM_REFUSALS:
        return None
    found, fix = SYSTEM_REFUSALS[error.errno]
    where = str(error.filename or "（系统没有说是哪个文件）")
    return InputError("文件不能读写", where=where, found=found, expected="可以读写的文件", fix=fix)


def check_choice(value: object, allowed: Iterable[object], *, name: str, where: str) -> object:
    """Return ``value`` if it is one of ``allowed``; otherwise raise :class:`InputError` listing all choices.

    Parameters
    ----------
    value : object
        What the user gave.
    allowed : iterable
        Every accepted value.
    name : str
        What the value is, in Chinese (``"参数"``).
    where : str
        Where it was given.
    """
    allowed = tuple(allowed)
    if value in allowed:
        return value
    near = difflib.get_close_matches(str(value), [str(a) for a in allowed], n=1)
    raise InputError(
        f"没有这个{name}",
        where=where,
        found=repr(value),
        expected="下列之一：" + "、".join(str(a) for a in allowed) if allowed else "（还一个都没有）",
        fix=f"是不是想写 {near[0]}？" if near else "请从上面列出的值中选一个",
    )
