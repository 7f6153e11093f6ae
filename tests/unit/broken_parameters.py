"""Parameters of a simulation with one place of their file changed, which must be refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qbresearch.errors import InputError


def refused(read: Callable[[Path], Any], sound: Path, folder: Path, old: str, new: str, message: str) -> None:
    """Reading the file with ``new`` in the first place of ``old`` is refused with ``message``."""
    text = sound.read_text(encoding="utf-8")
    assert old in text
    path = folder / "broken.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read(path)
