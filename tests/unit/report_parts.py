"""Parts of a report that tests build documents from: executed notebooks with blocks made by hand."""

from __future__ import annotations

from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook, new_output
from sample_document import small_png

from qbresearch.exhibits.blocks import (
    FigureBlock,
    OpeningBlock,
    RecordBlock,
    TableBlock,
)
from qbresearch.publication.document import Part, build_document
from qbresearch.publication.model import Document

PNG = small_png()
COUNTY = {"source_id": "sim", "county_code": "530199", "school_year": 2024}


def shown(block: Any) -> NotebookNode:
    return new_code_cell("secret_code()", outputs=[new_output("execute_result", data=block._repr_mimebundle_())])


def opening(title: str = "资源", **changes: Any) -> OpeningBlock:
    values = {"facts": (("数据", "甲表"),), "cautions": ("数据为模拟。",), "simulated": False} | changes
    return OpeningBlock(title, **values)


def table(name: str = "cv", rows: tuple[tuple[str, ...], ...] = (("甲校", "1"),), **more: Any) -> TableBlock:
    columns = ({"label": "学校", "align": "left"}, {"label": "数", "align": "right"})
    return TableBlock(name, f"{name} 的题目", columns, rows, **more)


def figure(name: str = "cv") -> FigureBlock:
    return FigureBlock(name, f"{name} 的题目", "一张图", PNG, 640, 320)


def county(**values: Any) -> RecordBlock:
    return RecordBlock("county", {"county_name": "云岭县", "stage": "primary", "verdict": "met"} | values)


def part(*cells: Any, notebook: str = "20-resource-balance", title: str = "资源", **parameters: Any) -> Part:
    parameters = COUNTY | parameters
    job = {"name": f"{notebook}--{parameters.get('stage', '')}", "notebook": notebook, "parameters": parameters}
    cells = tuple(cell if isinstance(cell, NotebookNode) else shown(cell) for cell in cells)
    return Part(job | {"key": "k"}, "模板标题", new_notebook(cells=[shown(opening(title)), *cells]))


def build(*parts: Part) -> Document:
    return build_document(parts, run_id="demo", packages={"numpy": "2.4"})


def items(document: Document, kind: type) -> list[Any]:
    return [item for section in document.sections for item in section.items if isinstance(item, kind)]
