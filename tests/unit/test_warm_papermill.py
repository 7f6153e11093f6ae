"""The warm engine in other hands: as an engine of anybody's papermill, and as a kernel."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_batch import notebook_text

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the warm engine forks on Linux only")
NAME = "qbresearch-warm"


@pytest.fixture(scope="module")
def engine():
    """Papermill with our engine, whether the package was installed with its entry points or not."""
    from papermill.engines import papermill_engines

    from qbresearch.engines.warm.papermill_engine import WarmPapermillEngine

    papermill_engines.register(NAME, WarmPapermillEngine)


def execute(folder: Path, *cells: str, **options):
    import papermill

    path = folder / "in.ipynb"
    path.write_text(notebook_text("a: int = 1", *cells), encoding="utf-8")
    options = {"engine_name": NAME, "progress_bar": False, "cwd": str(folder), **options}
    return papermill.execute_notebook(str(path), str(folder / "out.ipynb"), {"a": 5}, **options)


def test_papermill_runs_a_notebook_and_writes_it_as_it_goes(engine, tmp_path):
    peek = "import json, pathlib\nsum(bool(c.get('outputs')) for c in json.loads(pathlib.Path('out.ipynb').read_text())['cells'])"
    notebook = execute(tmp_path, "a * 2", peek, "import os; print(os.getcwd()); os.getppid()")
    assert notebook.cells[2].outputs[0].data["text/plain"] == "10"
    assert notebook.cells[3].outputs[0].data["text/plain"] == "1"  # the first was in the file before the second ran
    assert notebook.cells[4].outputs[0].text == f"{tmp_path}\n"
    assert notebook.cells[4].outputs[1].data["text/plain"] != str(os.getpid())
    assert {cell.metadata.papermill.status for cell in notebook.cells} == {"completed"}
    assert notebook.cells[2].metadata.execution["iopub.status.idle"]
    assert notebook.metadata.language_info.name == "python"


def test_papermill_is_told_of_failures_as_by_a_kernel(engine, tmp_path):
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    with pytest.raises(PapermillExecutionError, match="ZeroDivisionError"):
        execute(tmp_path, "1 / 0")
    with pytest.raises(DeadKernelError):
        execute(tmp_path, "import os; os._exit(3)")
    with pytest.raises(CellTimeoutError):
        execute(tmp_path, "while True: pass", execution_timeout=1)
    assert execute(tmp_path, "a").cells[2].outputs[0].data["text/plain"] == "5"


def test_papermill_asks_for_the_engine_without_loading_what_it_runs(tmp_path):
    code = "import sys, qbresearch.engines.warm.papermill_engine as e; e.WarmPapermillEngine.nb_kernel_name"
    loaded = subprocess.check_output([sys.executable, "-c", code + "; print(*sys.modules)"], text=True).split()
    assert not {"papermill", "matplotlib", "pandas", "numpy", "IPython"} & set(loaded)


@pytest.mark.slow
def test_the_kernel_serves_papermill_and_ends_when_nobody_needs_it(tmp_path, monkeypatch):
    from jupyter_client.provisioning import KernelProvisionerFactory

    from qbresearch.engines.warm import provisioner

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share" / "jupyter"))
    monkeypatch.setattr(provisioner, "IDLE", 1.0)
    factory = KernelProvisionerFactory.instance()
    if NAME not in factory.provisioners:
        from importlib.metadata import EntryPoint

        entry = EntryPoint(NAME, f"{provisioner.__name__}:WarmProvisioner", factory.GROUP_NAME)
        monkeypatch.setitem(factory.provisioners, NAME, entry)
    spec = json.loads((provisioner.install_kernel(tmp_path) / "kernel.json").read_text(encoding="utf-8"))
    assert spec["metadata"]["kernel_provisioner"] == {"provisioner_name": NAME}
    notebook = execute(tmp_path, "import sys; 'statsmodels.api' in sys.modules", engine_name=None, kernel_name=NAME)
    assert notebook.cells[2].outputs[0].data["text/plain"] == "True"
    (path,) = tmp_path.glob("qbresearch-*/*.socket")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    deadline = time.monotonic() + 30
    while provisioner._knock(path) is not None:  # each knock keeps it for another second
        assert time.monotonic() < deadline
        time.sleep(2)
