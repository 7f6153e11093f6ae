"""``qbresearch open``: a job's notebook in JupyterLab, a failed one at the cell that failed."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from qbresearch.cli.parser import add_verb
from qbresearch.errors import EXIT_DONE, InputError, check_choice
from qbresearch.project import Project, find_project

EXTENSIONS = Path(__file__).parent / "labextensions"
"""JupyterLab itself starts at the top of a notebook; the extension here makes it follow ``#cell-id=`` of the address."""

_LISTED = 12


def add_open(verbs: Any) -> None:
    parser = add_verb(
        verbs, "open", _open, "在 JupyterLab 中打开一个任务的笔记本，失败的停在出错的单元格",
        "启动 JupyterLab，打开一个批次中某个任务的笔记本；失败的任务打开它停下时的样子，\n"
        "并停在出错的单元格。没有写任务而只有一个失败时，打开那一个。按 Ctrl-C 结束 JupyterLab。\n\n"
        "例：qbresearch open demo\n    qbresearch open demo 30-attainment--demo-prefecture--990101--2024\n"
        "    qbresearch open demo 990101 -- --no-browser --port 8890",
    )
    parser.add_argument("batch", metavar="批次", help="运行过的批次")
    parser.add_argument("job", nargs="?", metavar="任务", help="任务名，或只有一个任务含有的文字；先在失败的任务中找")
    parser.add_argument("options", nargs="*", metavar="JupyterLab 选项", help="写在 -- 之后，原样交给 JupyterLab")


def _open(arguments: argparse.Namespace) -> int:
    from qbresearch.batches.ledger import LEDGER

    project = find_project(arguments.project)
    run = [path.parent.name for path in project.reports.glob(f"*/{LEDGER}")]
    batch = str(check_choice(arguments.batch, sorted(run), name="运行过的批次", where="qbresearch open"))
    path = find_notebook(project.reports / batch, arguments.job)
    cell = failing_cell(json.loads(path.read_text(encoding="utf-8")), _error_of(path))
    place = path.relative_to(project.root).as_posix()
    print(f"打开 {place}" + ("，停在出错的单元格" if cell else "") + "；按 Ctrl-C 结束 JupyterLab")
    start_lab([*lab_options(project, place, cell), *arguments.options])
    return EXIT_DONE


def find_notebook(folder: Path, wanted: str | None) -> Path:
    """The notebook of the job that a name, or a part of one, stands for; those that failed go before the others.

    Parameters
    ----------
    folder : Path
        ``reports/<id>``.
    wanted : str, optional
        What the user wrote; without it the only job that failed is meant.

    Raises
    ------
    InputError
        None fits, or several do: the nearest are listed.
    """
    failed, finished = sorted((folder / "failed").glob("*.ipynb")), sorted(folder.glob("[!.]*.ipynb"))
    where = f"qbresearch open {folder.name}"
    if not wanted:
        if len(failed) == 1:
            return failed[0]
        raise InputError(
            "没有写明打开哪个任务", where=where, found=_list(failed) or "没有失败的任务", expected="一个任务名",
            fix="在批次后面写上任务名，或其中一段文字" if failed else f"qbresearch run {folder.name} --explain 列出全部任务名",
        )
    everything = [*failed, *finished]
    exact = [path for path in everything if path.stem == wanted]
    for fits in (exact, *([path for path in paths if wanted in path.stem] for paths in (failed, finished))):
        if len(fits) == 1:
            return fits[0]
        if fits:
            raise InputError(
                f"不止一个任务的名称含有“{wanted}”", where=where, found=_list(fits), expected="恰好一个任务", fix="多写一些，或写全"
            )
    raise InputError(
        "没有这个任务的笔记本", where=where, found=wanted, expected=_list(everything) or "（还一个都没有）",
        fix=f"qbresearch run {folder.name} --explain 列出全部任务名",
    )


def _list(paths: Sequence[Path]) -> str:
    return "、".join(path.stem for path in paths[:_LISTED]) + (f" 等 {len(paths)} 个" if paths[_LISTED:] else "")


def _error_of(path: Path) -> Mapping[str, Any]:
    """What the ledger says went wrong with a notebook kept under ``failed``; empty for one that is finished."""
    from qbresearch.batches.ledger import Ledger

    if path.parent.name != "failed":
        return {}
    record = Ledger(path.parent.parent).records().get(path.stem)
    return (record.error if record else None) or {}


def failing_cell(notebook: Mapping[str, Any], error: Mapping[str, Any]) -> str | None:
    """The id of the cell that failed, or None where there is none or it has no id.

    Parameters
    ----------
    notebook : mapping
        The notebook as it stands in its file.
    error : mapping
        The ``error`` of its record: ``cell_id`` and ``cell`` say where, as far as the engine knows.
    """
    cells = [cell for cell in notebook.get("cells", ()) if cell.get("cell_type") == "code"]
    number = error.get("cell")
    for is_it in (
        lambda cell: error.get("cell_id") and cell.get("id") == error["cell_id"],
        lambda cell: any(output.get("output_type") == "error" for output in cell.get("outputs", ())),
        lambda cell: cell.get("metadata", {}).get("papermill", {}).get("exception"),
        lambda cell: number and cell.get("execution_count") == number,
    ):
        # An expected error (tag raises-exception) stands above the one that stopped the notebook.
        if (found := [cell for cell in cells if is_it(cell)]):
            return found[-1].get("id")
    return None


def lab_options(project: Project, place: str, cell: str | None) -> list[str]:
    """Options of ``jupyter lab`` that open a file of the project, given from its root, at a cell."""
    address = f"/lab/tree/{quote(place)}" + (f"#cell-id={quote(cell)}" if cell else "")
    return [
        f"--ServerApp.root_dir={project.root}",
        f"--LabApp.default_url={address}",
        f"--LabApp.extra_labextensions_path={EXTENSIONS}",
    ]


def start_lab(options: list[str]) -> None:
    """Start JupyterLab and stay until it ends."""
    from jupyterlab.labapp import LabApp

    LabApp.launch_instance(options)
