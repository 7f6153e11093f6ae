"""Prepared files take their places, all of them or none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qbresearch.provenance import replace_file


@contextmanager
def placed(prepared: Path, folder: Path, backup: Path) -> Iterator[None]:
    """Move every file below ``prepared`` to the same place below ``folder`` for the length of a ``with`` block.

    The files stay if the block ends well. If it fails, or a file cannot be moved, everything stands as before.

    Parameters
    ----------
    prepared, folder, backup : Path
        On one disk. What stood in the way is kept below ``backup`` until then.
    """
    moved: list[tuple[Path, Path | None]] = []
    try:
        for path in sorted(path for path in prepared.rglob("*") if path.is_file()):
            place = path.relative_to(prepared)
            target, kept = folder / place, None
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                kept = backup / place
                kept.parent.mkdir(parents=True, exist_ok=True)
                replace_file(target, kept)
            moved.append((target, kept))
            replace_file(path, target)
        yield
    except BaseException:
        for target, kept in reversed(moved):
            target.unlink(missing_ok=True)
            if kept is not None:
                replace_file(kept, target)
        raise
