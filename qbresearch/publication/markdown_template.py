"""A Markdown file with named places becomes a section of a report, without a notebook.

The file is a Jinja2 template: ``{{ name }}`` stands for a value, ``{{ block("cv") }}`` on a line of its own for a block.
Every name must be given a value (``None`` is none); what is put in is text and never markup.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import SandboxedEnvironment
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from qbresearch.errors import InputError
from qbresearch.exhibits.blocks import OpeningBlock
from qbresearch.language import CHINESE
from qbresearch.publication.bundles import Block
from qbresearch.publication.document import LANGUAGE_TAG, Part

_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|@$~^:&])")
_PLACE = re.compile(r"\x1e([^\x1e]*)\x1e")
# What filling a template can raise beside Jinja2's own errors: wrong arguments, arithmetic, missing keys.
_TEMPLATE_FAULTS = (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError)


def part_from_template(
    path: Path,
    *,
    opening: OpeningBlock,
    blocks: Mapping[str, Block],
    values: Mapping[str, Any],
    parameters: Mapping[str, Any],
) -> Part:
    """Fill a Markdown template; the part goes to :func:`qbresearch.publication.document.build_document`.

    Parameters
    ----------
    path : Path
        The template, in UTF-8 with or without byte order mark.
    opening : OpeningBlock
        Title, data and cautions of the section.
    blocks : mapping
        Blocks by the name that the template calls them; each must be called exactly once.
    values : mapping
        What stands in the other places, ready to be printed.
    parameters : mapping
        What the report was asked for (``source_id``, ``county_code``, ``school_year``, ``language`` ...).

    Raises
    ------
    InputError
        A name is not given, a block is missing, unknown or called twice, or the template cannot be read.
    """
    pieces = _PLACE.split(_filled(path, values))
    called = pieces[1::2]
    wrong = {name for name in called if called.count(name) > 1} | set(called) ^ set(blocks)
    if wrong:
        raise _refusal(
            path, "模板与所给的块对不上", "、".join(sorted(name or "block() 里没有写块名" for name in wrong)), "每个块在模板中恰好出现一次：" + "、".join(sorted(blocks))
        )
    language = str(parameters.get("language", CHINESE))
    cells = [_shown(opening)]
    for index, piece in enumerate(pieces):
        if index % 2:
            cells.append(_shown(blocks[piece]))
        elif piece.strip():
            cells.append(new_markdown_cell(piece.strip(), metadata={"tags": [f"{LANGUAGE_TAG}{language}"]}))
    job = {"name": path.stem, "notebook": path.stem, "parameters": dict(parameters), "key": ""}
    return Part(job, opening.title, new_notebook(cells=cells))


def _filled(path: Path, values: Mapping[str, Any]) -> str:
    """The template's text with values in their places and marks where blocks go."""
    given = {name: value for name, value in values.items() if value is not None}
    environment = SandboxedEnvironment(
        undefined=jinja2.StrictUndefined, finalize=_as_text, keep_trailing_newline=True, trim_blocks=True
    )
    environment.globals["block"] = _mark
    try:
        return environment.from_string(path.read_text(encoding="utf-8-sig")).render(given)
    except UnicodeDecodeError as error:
        raise InputError(
            "模板不是 UTF-8 编码", where=str(path), found=f"第 {error.start + 1} 个字节起不能按 UTF-8 读出",
            expected="UTF-8 编码的文本文件", fix="在编辑器中另存为 UTF-8（记事本：另存为，编码选 UTF-8）",
        ) from error
    except jinja2.UndefinedError as error:
        empty = "；取值为空（None）的名字：" + "、".join(n for n in values if n not in given) if len(given) < len(values) else ""
        raise _refusal(
            path, "模板里的名字没有给出取值", f"{error.message}{empty}", "values 中有取值的名字：" + "、".join(given)
        ) from error
    except jinja2.TemplateSyntaxError as error:
        raise _refusal(path, f"模板第 {error.lineno} 行写法有误", str(error.message), "Jinja2 的写法") from error
    except _TEMPLATE_FAULTS as error:
        raise _refusal(
            path, f"模板{_line_of(error)}不能填写", f"{type(error).__name__}: {error}",
            '只用 {{ 名字 }}、{{ block("块名") }}、{% if %} 和 {% for %}；模板自成一体，不能引入别的文件',
        ) from error


def _line_of(error: BaseException) -> str:
    """The line of the template an error comes from, as far as it is known."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((f"第 {frame.lineno} 行" for frame in reversed(frames) if frame.filename == "<template>"), "")


def _mark(name: str = "") -> str:
    """What stands for a block until the text is cut into cells."""
    return f"\n\n\x1e{name}\x1e\n\n"


def _as_text(value: Any) -> str:
    """A value with Markdown's signs made harmless; the mark of a block stays."""
    if value is None:
        raise ValueError("取值为空（None）")
    text = str(value)
    return text if _PLACE.fullmatch(text.strip()) else _MARKUP.sub(r"\\\1", text)


def _shown(block: Block) -> Any:
    return new_code_cell(outputs=[new_output("display_data", data=block._repr_mimebundle_())])


def _refusal(path: Path, problem: str, found: str, expected: str) -> InputError:
    return InputError(problem, where=str(path), found=found, expected=expected, fix="改正模板，或补上所缺的取值与块")
