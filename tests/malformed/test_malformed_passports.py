"""Passports broken one way each: the message names the source's folder and what to put right."""

from __future__ import annotations

from pathlib import Path

import pytest

from qbresearch.cli import main
from qbresearch.errors import EXIT_INPUT, InputError
from qbresearch.raw.sources import open_source

FOLDER = Path(__file__).parent / "passports"
FILE = "第 1 个 [[file]]"
WORDS = {
    "not-toml": ("不是合格的 TOML", "line 5"),
    "unknown-key": ("不认识的键", "license"),
    "no-licence": ("缺少必填的键", "licence"),
    "id-is-not-folder": ("id 与文件夹名不一致", "'other'", "'sample'"),
    "unknown-kind": ("没有这个kind", "是不是想写 real？"),
    "unknown-form": ("没有这个form", "是不是想写 as-received？"),
    "unknown-table": ("没有这个table", "是不是想写 school？"),
    "day-as-text": ("accessed 的写法不对", "不加引号"),
    "title-as-number": ("title 的写法不对", "2024", "带引号"),
    "no-files": ("登记的文件不成立", "没有文件"),
    "file-not-a-list": ("file 的写法不对", "[[file]]"),
    "file-twice": ("登记的文件不成立", "a.csv"),
    "file-outside": (FILE, "本文件夹内", "../a.csv"),
    "file-absolute": (FILE, "本文件夹内", "/etc/hosts"),
    "bytes-as-text": (FILE, "字节数（整数）", "bytes = '1'"),
    "checksum-cut-off": (FILE, "64 位", "ca978112"),
    "file-without-checksum": (FILE, "缺少必填的键", "sha256"),
}


@pytest.fixture
def sample(project):
    """A folder whose one file is what the passports say."""
    folder = project.raw / "sample"
    folder.mkdir()
    (folder / "a.csv").write_bytes(b"a")
    return folder


def test_every_file_has_its_words_and_every_word_its_file():
    assert {p.stem for p in FOLDER.glob("*.toml")} == set(WORDS)


@pytest.mark.parametrize("name", WORDS)
def test_a_broken_passport_is_refused_with_the_place_and_the_reason(project, sample, name, capsys):
    (sample / "source.toml").write_bytes((FOLDER / f"{name}.toml").read_bytes())
    with pytest.raises(InputError) as caught:
        open_source(project.raw, "sample")
    error = caught.value
    assert error.where.startswith("data/raw/sample/source.toml")
    assert all((error.problem, error.found, error.expected, error.fix))
    missing = [word for word in WORDS[name] if word not in str(error)]
    assert not missing, f"{missing} not in\n{error}"
    for verb in ("verify", "build"):
        assert main(["--project", str(project.root), verb, "sample"]) == EXIT_INPUT
        out, err = capsys.readouterr()
        assert str(error) in err and "Traceback" not in out + err
    assert (sample / "a.csv").read_bytes() == b"a" and not list(project.processed.iterdir())


def test_the_passports_are_broken_in_nothing_but_one_way(project, sample):
    text = (FOLDER / "unknown-key.toml").read_text(encoding="utf-8").replace('license = "MIT"\n', "")
    (sample / "source.toml").write_text(text, encoding="utf-8")
    assert open_source(project.raw, "sample").files[0].name == "a.csv"


@pytest.mark.parametrize("name", ["day-as-text", "title-as-number", "checksum-cut-off", "file-not-a-list", "not-toml"])
def test_a_broken_passport_is_not_silently_replaced(project, sample, name, capsys):
    broken = (FOLDER / f"{name}.toml").read_bytes()
    (sample / "source.toml").write_bytes(broken)
    assert main(["--project", str(project.root), "verify", "--write", "sample"]) == EXIT_INPUT
    assert (sample / "source.toml").read_bytes() == broken and "Traceback" not in capsys.readouterr().err
