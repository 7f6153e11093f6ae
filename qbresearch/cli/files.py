"""Files that a user asks to be written: never over another, and only where there is a folder."""

from __future__ import annotations

from pathlib import Path

from qbresearch.errors import InputError


def check_folder(path: Path) -> None:
    """Refuse a file whose folder is not there."""
    if not path.resolve().parent.is_dir():
        raise InputError(
            "要写入的文件夹不存在", where=str(path), found=f"没有 {path.parent}", expected="已有的文件夹", fix="先建文件夹，或换一个位置"
        )


def check_new(path: Path) -> None:
    """Refuse a file that is there already: somebody may have worked on it."""
    if path.exists():
        raise InputError(
            "文件已经存在，没有覆盖", where=str(path), found="同名文件", expected="一个新文件名", fix="换一个名字，或先移走旧文件"
        )
