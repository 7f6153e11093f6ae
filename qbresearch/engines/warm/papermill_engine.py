"""The warm engine as an engine of papermill: ``papermill --engine qbresearch-warm in.ipynb out.ipynb``.

Papermill imports every engine that is installed in the midst of its own import, so nothing is loaded here until it runs,
not even the class that an engine is derived from.
"""

from __future__ import annotations

from typing import Any

NAME = "qbresearch-warm"


class WarmPapermillEngine:
    """Runs the cells of a notebook in a fork of a warm process; see ``papermill.engines.Engine``."""

    kernel: Any = None  # in a fork: what runs the cells there
    witness: Any = None

    @classmethod
    def execute_notebook(cls, nb: Any, kernel_name: str, **options: Any) -> Any:
        """Run a notebook under papermill's management, which calls :meth:`execute_managed_notebook`."""
        from papermill.engines import Engine

        return Engine.execute_notebook.__func__(cls, nb, kernel_name, **options)

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> str:
        """Name of the kernel, as papermill finds it."""
        from papermill.engines import Engine

        return Engine.nb_kernel_name(nb, name)

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> str:
        """Language of the notebook, as papermill finds it."""
        from papermill.engines import Engine

        return Engine.nb_language(nb, language)

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

        everything = any("qbresearch" in cell.source for cell in nb_man.nb.cells)
        with remote_kernel(start_timeout, everything=everything) as kernel:
            return CellClient(nb_man, kernel=kernel, **settings).execute()
