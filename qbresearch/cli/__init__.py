"""The ``qbresearch`` command."""

from qbresearch.cli.command import build_parser, main

__all__ = ["build_parser", "main"]
