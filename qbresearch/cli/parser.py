"""The parser of the command line: help and refusals in Chinese."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import Any, NoReturn

from qbresearch.errors import EXIT_INPUT

EPILOG = """退出码：0 完成；1 检查发现问题；2 输入有误；3 部分任务失败；130 被中断。
县没有达标是结果，不是错误，退出码仍为 0。"""


class ChineseFormatter(argparse.RawDescriptionHelpFormatter):
    """Help whose usage line begins in Chinese."""

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        super().add_usage(usage, actions, groups, "用法：" if prefix is None else prefix)


class ChineseParser(argparse.ArgumentParser):
    """A parser whose refusals are Chinese sentences."""

    _SENTENCES = (
        (r"the following arguments are required: (.+)", r"缺少：\1"),
        (r"argument (.+?): invalid choice: '?(.*?)'? \(choose from (.+)\)", r"\1 没有“\2”；可选：\3"),
        (r"argument (.+?): invalid \w+ value: '(.*)'", r"\1 应为数字，看到的是“\2”"),
        (r"argument (.+?): expected one argument", r"\1 后面要写一个值"),
        (r"unrecognized arguments: (.+)", r"不认识：\1"),
    )

    def error(self, message: str) -> NoReturn:
        for pattern, sentence in self._SENTENCES:
            message = re.sub(pattern, sentence, message)
        self.exit(EXIT_INPUT, f"{self.prog}：{message}\n运行 {self.prog} --help 看说明。\n")


def add_verb(
    verbs: Any, name: str, run: Callable[[argparse.Namespace], int], summary: str, description: str
) -> argparse.ArgumentParser:
    """The parser of one verb, which runs ``run``; ``description`` ends with an example."""
    parser = verbs.add_parser(
        name, help=summary, description=description, epilog=EPILOG, formatter_class=ChineseFormatter, add_help=False,
        allow_abbrev=False,
    )
    add_help_option(parser)
    parser.set_defaults(verb=run)
    return parser


def add_help_option(parser: argparse.ArgumentParser) -> None:
    """The option ``--help`` and the headings, in Chinese."""
    parser._positionals.title, parser._optionals.title = "位置参数", "选项"
    parser.add_argument("-h", "--help", action="help", help="显示本说明并退出")
