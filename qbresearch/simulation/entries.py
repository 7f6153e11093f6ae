"""Small helpers for reading entries of a cited design."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def numbers_in(value: Any) -> list[float]:
    """Every number in a value, however deeply it lies; texts have none."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        return [n for v in value for n in numbers_in(v)]
    return [value] if isinstance(value, (int, float)) else []


def frozen(value: Any) -> Any:
    """Lists as tuples, so that entries cannot be changed."""
    if isinstance(value, Mapping):
        return {key: frozen(v) for key, v in value.items()}
    return tuple(frozen(v) for v in value) if isinstance(value, list) else value
