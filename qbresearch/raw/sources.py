"""The registry of raw files: one folder a source, each with a passport, verified byte by byte."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from qbresearch.errors import CitationError, InputError, check_choice
from qbresearch.language import CHINESE, current_language, say
from qbresearch.provenance import file_sha256
from qbresearch.raw.reading import guess_table
from qbresearch.rules.citations import check_keys, entries, read_toml
from qbresearch.rules.columns import list_tables

PASSPORT = "source.toml"
TO_FILL = "待填"
DEFAULT_TABLE = "school"
KINDS = ("real", "simulated")
FORMS = ("as-received", "transcription", "generated")
FACTS = ("id", "title", "producer", "found_at", "accessed", "licence", "kind", "form", "table")
ENGLISH = ("title_en", "producer_en", "licence_en")
IGNORED_PREFIXES = (".", "~$")
IGNORED_NAMES = {"thumbs.db", "desktop.ini"}


def kind_words() -> dict[str, str]:
    """Kinds of data in the words of the report's language."""
    return {"real": say("真实数据"), "simulated": say("模拟数据")}


def form_words() -> dict[str, str]:
    """How the files came to be, in the words of the report's language."""
    return {"as-received": say("原样收到"), "transcription": say("本项目转录"), "generated": say("程序生成")}


@dataclass(frozen=True, slots=True)
class RawFile:
    """One file of a source with the size and checksum its passport states."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Source:
    """The passport of one folder below ``data/raw``.

    ``title_en``, ``producer_en`` and ``licence_en`` are for English reports; a passport need not have them.
    """

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
    title_en: str = ""
    producer_en: str = ""
    licence_en: str = ""

    @property
    def simulated(self) -> bool:
        """Whether the data are invented; every page that shows them must say so."""
        return self.kind == "simulated"

    def describe(self) -> str:
        """One line for the foot of a table or figure."""
        return describe_source(self.said("title"), self.kind, self.form, self.said("producer"))

    def said(self, what: str) -> str:
        """``title``, ``producer`` or ``licence`` in the report's language; in Chinese where there is no other."""
        chinese = str(getattr(self, what))
        return chinese if current_language() == CHINESE else getattr(self, f"{what}_en") or chinese


def describe_source(title: str, kind: str, form: str, producer: str) -> str:
    """One line for the foot of a table or figure, in the report's language; data that are invented have no producer."""
    words = {"title": title, "kind": kind_words()[kind], "form": form_words()[form]}
    if kind == "simulated":
        return say("{title}（{kind}，{form}）", **words)
    return say("{title}（{kind}，{form}；{producer}）", producer=producer, **words)


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
    data = _read_passport(path, where)
    check_keys(data, required=(*FACTS, "file"), optional=("note", *ENGLISH), where=where)
    _check_facts(data, where)
    if data["id"] != source_id:
        raise CitationError(
            "id 与文件夹名不一致", where=where, found=repr(data["id"]), expected=repr(source_id), fix="改成一致"
        )
    for key, allowed in (("kind", KINDS), ("form", FORMS), ("table", list_tables())):
        check_choice(data[key], allowed, name=key, where=where)
    files = tuple(_file(entry, place) for entry, place in entries(data, "file", where))
    names = [f.name for f in files]
    if not files or len(set(names)) < len(names):
        raise CitationError(
            "登记的文件不成立", where=where, found="、".join(sorted({n for n in names if names.count(n) > 1})) or "没有文件",
            expected="至少一条 [[file]]，每个文件一条", fix=f"删去重复的条目，再运行 qbresearch verify --write {source_id}",
        )
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
        files=files,
        note=data.get("note", ""),
        **{key: data[key] for key in ENGLISH if key in data},
    )


def _read_passport(path: Path, where: str) -> dict[str, Any]:
    """The file's contents; an error names the source's folder, since every passport has the same file name."""
    try:
        return read_toml(path)
    except CitationError as error:
        raise CitationError(
            error.problem, where=where, found=error.found, expected=error.expected, fix=error.fix
        ) from None


def _check_facts(data: Mapping[str, Any], where: str) -> None:
    """The facts a passport states are texts, and the day is a day."""
    for key in (*FACTS, "note", *ENGLISH):
        wanted = date if key == "accessed" else str
        if key in data and type(data[key]) is not wanted:
            raise CitationError(
                f"{key} 的写法不对", where=where, found=repr(data[key]),
                expected="日期，如 2026-01-31（不加引号）" if wanted is date else "带引号的文字", fix="按护照的写法改正",
            )


def _file(entry: Mapping[str, Any], where: str) -> RawFile:
    check_keys(entry, required=("name", "bytes", "sha256"), where=where)
    name, size, digest = str(entry["name"]), entry["bytes"], str(entry["sha256"])
    inside = name == Path(name).as_posix() and not Path(name).is_absolute() and ".." not in Path(name).parts
    if not inside or type(size) is not int or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise CitationError(
            "文件的登记不成立", where=where, found=f"name = {name}，bytes = {size!r}，sha256 = {digest[:12]}…",
            expected="本文件夹内的文件名、字节数（整数）、64 位十六进制校验值", fix="删去这一条，再运行 qbresearch verify --write 登记",
        )
    return RawFile(entry["name"], entry["bytes"], entry["sha256"])


def verify_source(source: Source) -> pd.DataFrame:
    """Compare the files of a source with its passport.

    Returns
    -------
    DataFrame
        One row per problem, columns ``source, file, problem, found, expected, fix`` (Chinese); empty when all bytes
        are as received and the passport is filled in.
    """
    listed = {f.name: f for f in source.files}
    present = _present(source.folder)
    # What stands in the passport is printed under every table, so a draft must not get through.
    rows = [
        (PASSPORT, "护照没有填完", f"{key} = {value}", "实际的内容", "在 source.toml 中改掉“待填”")
        for key in ("title", "producer", "found_at", "licence")
        if (value := getattr(source, key)).startswith(TO_FILL)
    ]
    rows += [
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
                 _mend(source.id))
            )
    frame = pd.DataFrame(rows, columns=["file", "problem", "found", "expected", "fix"])
    frame.insert(0, "source", source.id)
    return frame


def _present(folder: Path) -> set[str]:
    return {
        p.relative_to(folder).as_posix()
        for p in folder.rglob("*")
        if p.is_file() and p.name not in {PASSPORT, "README.md"} and p.name.lower() not in IGNORED_NAMES
        and not any(part.startswith(IGNORED_PREFIXES) for part in p.relative_to(folder).parts)
    }


def draft_passport(raw: Path, source_id: str, *, replace: bool = False) -> str:
    """Text of a passport for a folder: files with size and checksum, the rest kept from the present one or left as 待填.

    A new passport names the table that the headings of the first file fit (``school`` where they fit none), and says so.
    ``replace`` registers files anew that have been changed or removed since: their own author has corrected them.

    Raises
    ------
    InputError
        No such folder, or it holds no files; or, without ``replace``, a file that is registered already has been changed
        or removed: registering it anew would hide that.
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
    where = f"data/raw/{source_id}/{PASSPORT}"
    old = _read_passport(path, where) if path.exists() else {}
    _check_facts(old, where)
    if not replace:
        _refuse_changed(old, folder, source_id)
    table, remark = (old["table"], "") if "table" in old else _guessed(folder, names[0])
    lines = [
        f"id = {_quoted(source_id)}",
        *(f"{key} = {_quoted(old.get(key, default))}" for key, default in (
            ("title", f"{TO_FILL}：数据名称"), ("producer", f"{TO_FILL}：提供单位"), ("found_at", f"{TO_FILL}：取得途径"))),
        f"accessed = {old.get('accessed', date.today()):%Y-%m-%d}",
        *(f"{key} = {_quoted(old.get(key, default))}" for key, default in (
            ("licence", f"{TO_FILL}：使用许可"), ("kind", "real"), ("form", "as-received"))),
        *([remark] if remark else []),
        f"table = {_quoted(table)}",
        *(f"{key} = {_quoted(old[key])}" for key in ("note", *ENGLISH) if key in old),
    ]
    for name in names:
        lines += ["", "[[file]]", f"name = {_quoted(name)}", f"bytes = {os.path.getsize(folder / name)}",
                  f'sha256 = "{file_sha256(folder / name)}"']
    return "\n".join(lines) + "\n"


def _guessed(folder: Path, name: str) -> tuple[str, str]:
    """The table of a folder without a passport, and the comment that says where it comes from."""
    contract = guess_table(folder / name)
    if contract is None:
        return DEFAULT_TABLE, f"# {_quoted(name)} 的表头没有对上任何一种表，暂写 {DEFAULT_TABLE}；qbresearch show tables 列出全部，请核对"
    return contract.id, f"# 由 {_quoted(name)} 的表头推断为{contract.label_zh}；不对请改"


def _refuse_changed(passport: Mapping[str, Any], folder: Path, source_id: str) -> None:
    for entry, where in entries(passport, "file", f"data/raw/{source_id}/{PASSPORT}"):
        known = _file(entry, where)
        path = folder / known.name
        if not path.is_file() or file_sha256(path) != known.sha256:
            raise InputError(
                "已登记的文件变了，没有重新登记", where=f"data/raw/{source_id}/{known.name}",
                found="内容与登记时不同" if path.is_file() else "没有这个文件", expected=f"sha256 {known.sha256[:12]}…",
                fix=_mend(source_id),
            )


def _mend(source_id: str) -> str:
    """What to do about a file that is not the one registered."""
    return (
        "别处收到的原件：取回原件，新收到的版本另建一个来源文件夹；"
        f"自己填的表改正了：运行 qbresearch verify --write {source_id} --replace 重新登记，再 build"
    )


def _quoted(text: str) -> str:
    """A basic string of TOML; its escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False)
