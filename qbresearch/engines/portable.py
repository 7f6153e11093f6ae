"""Notebooks that have been run, freed from traces of the machine they were run on."""

from __future__ import annotations

import re
import sys
import tempfile
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbformat import NotebookNode


def make_portable(notebook: NotebookNode, parameters: dict[str, Any], root: str) -> None:
    """Take out of a run notebook what belongs to this machine and this moment, in place.

    Papermill's paths and clocks go, except how long the run took. In outputs, the project becomes ``.``, the Python
    installation ``<python>``, the home folder ``~`` and the temporary file of a cell ``<cell>``. What was printed
    between two other outputs becomes one text of ordinary output and one of warnings, for how a kernel cuts and mixes
    them depends on the clock. Two runs of a job then differ in their duration alone.

    Parameters
    ----------
    notebook : NotebookNode
        As papermill leaves it.
    parameters : dict
        Those of the job.
    root : str
        The project's folder.
    """
    duration = notebook.metadata.papermill.get("duration")
    notebook.metadata["papermill"] = {"parameters": parameters, "duration": duration}
    replacements = _machine_paths(root)
    for number, cell in enumerate(notebook.cells):
        cell.metadata.pop("papermill", None)
        if "id" in cell:  # papermill draws new ones every time for the cells it puts in
            tags = cell.metadata.get("tags", [])
            if "injected-parameters" in tags:
                cell["id"] = "injected-parameters"
            elif "papermill-error-cell-tag" in tags:
                cell["id"] = f"papermill-error-{number}"
        if "outputs" in cell:
            cell["outputs"] = _with_whole_texts(cell["outputs"])
        for output in cell.get("outputs", []):
            for key in ("text", "traceback", "evalue", "data"):
                if key in output:
                    output[key] = _replaced(output[key], replacements)


def _with_whole_texts(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Outputs in which each run of neighbouring streams is one stdout and one stderr, in this order."""
    whole: list[NotebookNode] = []
    for are_streams, group in groupby(outputs, key=lambda output: output["output_type"] == "stream"):
        if not are_streams:
            whole.extend(group)
            continue
        texts: dict[str, list[NotebookNode]] = {}
        for output in group:
            texts.setdefault(output["name"], []).append(output)
        for name in sorted(texts, key=lambda name: name != "stdout"):
            first = texts[name][0]
            first["text"] = "".join(output["text"] for output in texts[name])
            whole.append(first)
    return whole


def _machine_paths(root: str) -> list[tuple[re.Pattern[str], str]]:
    """Patterns for folders of this machine, the longest first, each with what stands for it."""
    temporary = re.escape(tempfile.gettempdir())
    names = {root: ".", sys.prefix: "<python>", sys.base_prefix: "<python>", str(Path.home()): "~"}
    patterns = [(re.compile(rf"{temporary}[/\\]ipykernel_\d+[/\\]\d+\.py"), "<cell>")]
    for folder in sorted(names, key=len, reverse=True):
        for spelling in dict.fromkeys((folder, folder.replace("\\", "\\\\"), folder.replace("\\", "/"))):
            # A whole path only, though perhaps behind the m that ends a colour: /app is not part of </app>.
            pattern = rf"(?:(?<=\dm)|(?<![\w.<~/\\-])){re.escape(spelling)}(?![\w.-])"
            patterns.append((re.compile(pattern), names[folder]))
    return patterns


def _replaced(value: Any, replacements: list[tuple[re.Pattern[str], str]]) -> Any:
    if isinstance(value, str):
        for pattern, text in replacements:
            value = pattern.sub(text, value)
        return value
    if isinstance(value, list):
        return [_replaced(item, replacements) for item in value]
    if isinstance(value, dict):
        return {k: v if k.startswith("image/") else _replaced(v, replacements) for k, v in value.items()}
    return value
