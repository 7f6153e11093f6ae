"""A notebook is freed from what differs between two runs of it."""

from __future__ import annotations

import nbformat

from qbresearch.engines.portable import make_portable

V4 = nbformat.v4


def stream(name: str, text: str):
    return V4.new_output("stream", name=name, text=text)


def made_portable(*cells):
    notebook = V4.new_notebook(cells=list(cells))
    notebook.metadata["papermill"] = {"duration": 1.5, "start_time": "now"}
    make_portable(notebook, {"a": 1}, "/some/root")
    nbformat.validate(notebook)
    return notebook


def test_texts_between_two_outputs_become_one_of_each_kind():
    shown = V4.new_output("display_data", {"text/plain": "figure"})
    outputs = [stream("stderr", "w"), stream("stdout", "a"), stream("stdout", "b"), shown, stream("stdout", "c"), stream("stderr", "e")]
    (cell,) = made_portable(V4.new_code_cell("x", outputs=outputs)).cells
    assert [o.get("text", "figure") for o in cell.outputs] == ["ab", "w", "figure", "c", "e"]
    assert [o.get("name") for o in cell.outputs] == ["stdout", "stderr", None, "stdout", "stderr"]


def test_cells_that_papermill_puts_in_have_the_same_ids_every_time():
    def cells():
        tags = (["papermill-error-cell-tag"], ["injected-parameters"], ["papermill-error-cell-tag"], [])
        return [V4.new_code_cell("x", id=f"drawn-{n}", metadata={"tags": tag}) for n, tag in enumerate(tags)]

    ids = [cell.id for cell in made_portable(*cells()).cells]
    assert ids == ["papermill-error-0", "injected-parameters", "papermill-error-2", "drawn-3"]
