"""The warm engine as an engine of papermill: ``papermill --engine qbresearch-warm in.ipynb out.ipynb``.

Papermill imports every engine that is installed whenever it is imported, so nothing is loaded here until it runs.
"""

from __future__ import annotations

from typing import Any

from papermill.engines import Engine

NAME = "qbresearch-warm"


class WarmPapermillEngine(Engine):
    """Runs the cells of a notebook in a fork of a warm process."""

    kernel: Any = None  # in a fork: what runs the cells there
    witness: Any = None

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        log_output: bool = False,
        stdout_file: Any = None,
        stderr_file: Any = None,
        start_timeout: float = 60,
        execution_timeout: float | None = None,
        **options: Any,
    ) -> Any:
        """Run the cells, as papermill's own engine does with a kernel."""
        from papermill.log import logger
        from papermill.utils import merge_kwargs, remove_args

        from qbresearch.engines.warm.cells import CellClient

        timeout = execution_timeout or options.get("timeout")
        settings = merge_kwargs(
            remove_args(["input_path", "timeout", "startup_timeout"], **options),
            timeout=timeout,
            kernel_name=kernel_name,
            log=logger,
            log_output=log_output,
            stdout_file=stdout_file,
            stderr_file=stderr_file,
            witness=cls.witness,
        )
        if cls.kernel is not None:
            return CellClient(nb_man, kernel=cls.kernel, **settings).execute()
        from qbresearch.engines.warm.remote import remote_kernel

        with remote_kernel(start_timeout) as kernel:
            return CellClient(nb_man, kernel=kernel, **settings).execute()
