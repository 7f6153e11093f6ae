"""The command in a project of a test: how it is called, and what a refusal looks like."""

from __future__ import annotations

import pytest

from qbresearch.cli import command as cli
from qbresearch.errors import EXIT_DONE, EXIT_INPUT


@pytest.fixture(name="run")
def command(project, capsys):
    """Run the command in the temporary project; returns exit code, output and messages."""

    def call(*words):
        code = cli.main(["--project", str(project.root), *map(str, words)])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return call


@pytest.fixture(name="built")
def built_source(run, school_source):
    """A source of schools, built in that project."""
    assert run("build")[0] == EXIT_DONE
    return school_source


def refused(result, *words):
    """The command ended with 2 and one message that says what, where, found, expected and fix."""
    code, _, err = result
    assert code == EXIT_INPUT and err.count("qbresearch：") == 1
    for label in ("位置：", "看到：", "应为：", "办法："):
        line = next(line for line in err.splitlines() if line.strip().startswith(label))
        assert line.strip().removeprefix(label), err
    assert all(word in err for word in words), err
