"""A Markdown file with named places becomes a section of a report, without a notebook.

The file is a Jinja2 template: ``{{ name }}`` stands for a value, ``{{ block("cv") }}`` on a line of its own for a block.
Every name must be given; what is put in is text and never markup.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from qbresearch.errors import InputError
from qbresearch.exhibits.blocks import OpeningBlock
from qbresearch.language import CHINESE
from qbresearch.publication.bundles import Block
from qbresearch.publication.document import LANGUAGE_TAG, Part

_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|@$~^:])")
_PLACE = re.compile(r"\x1e([^\x1e]*)\x1e")


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
        The template, in UTF-8.
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
    called: list[str] = []

    def block(name: str) -> str:
        called.append(name)
        return f"\n\n\x1e{name}\x1e\n\n"

    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, finalize=_as_text, keep_trailing_newline=True, trim_blocks=True
    )
    environment.globals["block"] = block
    try:
        text = environment.from_string(path.read_text(encoding="utf-8")).render(dict(values))
    except jinja2.UndefinedError as error:
        raise _refusal(path, "模板里的名字没有给出取值", str(error.message), "values 中有的名字：" + "、".join(values)) from error
    except jinja2.TemplateSyntaxError as error:
        raise _refusal(path, f"模板第 {error.lineno} 行写法有误", str(error.message), "Jinja2 的写法") from error
    wrong = {name for name in called if called.count(name) > 1} | set(called) ^ set(blocks)
    if wrong:
        raise _refusal(
            path, "模板与所给的块对不上", "、".join(sorted(wrong)), "每个块在模板中恰好出现一次：" + "、".join(sorted(blocks))
        )
    language = str(parameters.get("language", CHINESE))
    cells = [_shown(opening)]
    for index, piece in enumerate(_PLACE.split(text)):
        if index % 2:
            cells.append(_shown(blocks[piece]))
        elif piece.strip():
            cells.append(new_markdown_cell(piece.strip(), metadata={"tags": [f"{LANGUAGE_TAG}{language}"]}))
    job = {"name": path.stem, "notebook": path.stem, "parameters": dict(parameters), "key": ""}
    return Part(job, opening.title, new_notebook(cells=cells))


def _as_text(value: Any) -> str:
    """A value with Markdown's signs made harmless; the mark of a block stays."""
    text = str(value)
    return text if _PLACE.fullmatch(text.strip()) else _MARKUP.sub(r"\\\1", text)


def _shown(block: Block) -> Any:
    return new_code_cell(outputs=[new_output("display_data", data=block._repr_mimebundle_())])


def _refusal(path: Path, problem: str, found: str, expected: str) -> InputError:
    return InputError(problem, where=str(path), found=found, expected=expected, fix="改正模板，或补上所缺的取值与块")
