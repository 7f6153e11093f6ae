"""The registry of raw files: one folder a source, each with a passport, verified byte by byte."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from qbresearch.errors import CitationError, InputError, check_choice
from qbresearch.provenance import file_sha256
from qbresearch.raw.columns import list_tables
from qbresearch.rules.citations import check_keys, read_toml

PASSPORT = "source.toml"
KINDS = {"real": "真实数据", "simulated": "模拟数据"}
FORMS = {"as-received": "原样收到", "transcription": "本项目转录", "generated": "程序生成"}
IGNORED_PREFIXES = (".", "~$")


@dataclass(frozen=True, slots=True)
class RawFile:
    """One file of a source with the size and checksum its passport states."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Source:
    """The passport of one folder below ``data/raw``."""

    id: str
    folder: Path
    title: str
    producer: str
    found_at: str
    accessed: date
    licence: str
    kind: str
    form: str
    table: str
    files: tuple[RawFile, ...]
    note: str = ""

    @property
    def simulated(self) -> bool:
        """Whether the data are invented; every page that shows them must say so."""
        return self.kind == "simulated"

    def describe(self) -> str:
        """One line for the foot of a table or figure."""
        if self.simulated:
            return f"{self.title}（{KINDS[self.kind]}，{FORMS[self.form]}）"
        return f"{self.title}（{KINDS[self.kind]}，{FORMS[self.form]}；{self.producer}）"


def list_sources(raw: Path) -> tuple[str, ...]:
    """Ids of all sources: the folders below ``raw``, hidden ones left out."""
    return tuple(sorted(p.name for p in raw.iterdir() if p.is_dir() and not p.name.startswith(IGNORED_PREFIXES)))


def open_source(raw: Path, source_id: str) -> Source:
    """Read one source's passport.

    Raises
    ------
    InputError
        No such folder.
    CitationError
        The passport is missing or breaks its form.
    """
    check_choice(source_id, list_sources(raw), name="数据来源", where="data/raw")
    where = f"data/raw/{source_id}/{PASSPORT}"
    path = raw / source_id / PASSPORT
    if not path.exists():
        raise CitationError(
            "数据文件夹没有护照", where=f"data/raw/{source_id}", found=f"没有 {PASSPORT}",
            expected=f"每个来源一个 {PASSPORT}", fix=f"运行 qbresearch verify --write {source_id} 生成草稿，再补全来源与许可",
        )
    data = read_toml(path)
    check_keys(
        data,
        required=("id", "title", "producer", "found_at", "accessed", "licence", "kind", "form", "table", "file"),
        optional=("note",),
        where=where,
    )
    if data["id"] != source_id:
        raise CitationError(
            "id 与文件夹名不一致", where=where, found=repr(data["id"]), expected=repr(source_id), fix="改成一致"
        )
    for key, allowed in (("kind", KINDS), ("form", FORMS), ("table", list_tables())):
        check_choice(data[key], tuple(allowed), name=key, where=where)
    return Source(
        id=source_id,
        folder=raw / source_id,
        title=data["title"],
        producer=data["producer"],
        found_at=data["found_at"],
        accessed=data["accessed"],
        licence=data["licence"],
        kind=data["kind"],
        form=data["form"],
        table=data["table"],
        files=tuple(_file(entry, f"{where} 第 {n} 个 [[file]]") for n, entry in enumerate(data["file"], 1)),
        note=data.get("note", ""),
    )


def _file(entry: Mapping[str, Any], where: str) -> RawFile:
    check_keys(entry, required=("name", "bytes", "sha256"), where=where)
    return RawFile(entry["name"], entry["bytes"], entry["sha256"])


def verify_source(source: Source) -> pd.DataFrame:
    """Compare the files of a source with its passport.

    Returns
    -------
    DataFrame
        One row per problem, columns ``source, file, problem, found, expected, fix`` (Chinese); empty when all bytes
        are as received.
    """
    listed = {f.name: f for f in source.files}
    present = _present(source.folder)
    rows = [
        (name, "护照里登记的文件不见了", "没有这个文件", f"{f.bytes} 字节", "从备份取回原件，放回此文件夹")
        for name, f in listed.items()
        if name not in present
    ]
    rows += [
        (name, "文件没有登记", "护照里没有它", f"{PASSPORT} 中有一条 [[file]]", f"运行 qbresearch verify --write {source.id} 登记，或移走文件")
        for name in sorted(present - set(listed))
    ]
    for name in sorted(present & set(listed)):
        size, digest = os.path.getsize(source.folder / name), file_sha256(source.folder / name)
        if (size, digest) != (listed[name].bytes, listed[name].sha256):
            rows.append(
                (name, "文件内容与登记时不同", f"{size} 字节，sha256 {digest[:12]}…",
                 f"{listed[name].bytes} 字节，sha256 {listed[name].sha256[:12]}…",
                 "原始文件不得修改：取回原件；若是新收到的版本，另建一个来源文件夹")
            )
    frame = pd.DataFrame(rows, columns=["file", "problem", "found", "expected", "fix"])
    frame.insert(0, "source", source.id)
    return frame


def _present(folder: Path) -> set[str]:
    return {
        p.relative_to(folder).as_posix()
        for p in folder.rglob("*")
        if p.is_file() and p.name not in {PASSPORT, "README.md"} and not p.name.startswith(IGNORED_PREFIXES)
    }


def draft_passport(raw: Path, source_id: str) -> str:
    """Text of a passport for a folder: files with size and checksum, the rest kept from the present one or left as 待填.

    Raises
    ------
    InputError
        No such folder, or it holds no files.
    """
    check_choice(source_id, list_sources(raw), name="数据来源", where="data/raw")
    folder = raw / source_id
    names = sorted(_present(folder))
    if not names:
        raise InputError(
            "文件夹里没有数据文件", where=f"data/raw/{source_id}", found="空文件夹", expected="至少一个 .xlsx 或 .csv",
            fix="先把收到的文件放进来",
        )
    path = folder / PASSPORT
    old = read_toml(path) if path.exists() else {}
    today = date.today()
    lines = [
        f'id = "{source_id}"',
        *(f"{key} = {_quoted(old.get(key, default))}" for key, default in (
            ("title", "待填：数据名称"), ("producer", "待填：提供单位"), ("found_at", "待填：取得途径"))),
        f"accessed = {old.get('accessed', today):%Y-%m-%d}",
        *(f"{key} = {_quoted(old.get(key, default))}" for key, default in (
            ("licence", "待填：使用许可"), ("kind", "real"), ("form", "as-received"), ("table", "school"))),
        *([f"note = {_quoted(old['note'])}"] if "note" in old else []),
    ]
    for name in names:
        lines += ["", "[[file]]", f"name = {_quoted(name)}", f"bytes = {os.path.getsize(folder / name)}",
                  f'sha256 = "{file_sha256(folder / name)}"']
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
