"""The warm engine: notebooks that end well, end badly, and are ended, each without harm to the others."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_batch import notebook_text

from qbresearch.engines.standard import StandardEngine
from qbresearch.engines.task import Outcome, Task
from qbresearch.traces import READS

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the warm engine forks on Linux only")
MEMORY = 700 * 2**20
FAILURES = {
    "raises": "print('said', flush=True); raise ValueError('算不出来')",
    "exits": "print('said', flush=True); import sys; sys.exit(0)",
    "hangs": "print('said', flush=True)\nwhile True: pass",
    "hangs_hard": "print('said', flush=True)\nwhile True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "dies": "import os, sys\nprint('said', flush=True); print('最后一句', file=sys.__stderr__, flush=True); os._exit(7)",
    "segfaults": "import ctypes\nprint('said', flush=True); ctypes.string_at(0)",
    "quits": "print('said', flush=True); exit()",
    "needs_memory": "print('said', flush=True)\nblocks = [bytearray(2**26) for n in range(64)]",
}
REPORTED = {
    "raises": "ValueError", "exits": "SystemExit", "hangs": "超时", "hangs_hard": "超时", "dies": "内核中断",
    "segfaults": "内核中断", "quits": "内核中断", "needs_memory": "内存超限",
}  # fmt: skip
LEAVE = """\
import os, random, sys, warnings
import matplotlib, numpy, pandas
leak = 1
os.leak = 1
os.environ["LEAK"] = "1"
os.chdir("/")
matplotlib.rcParams["lines.linewidth"] = 99
pandas.set_option("display.max_rows", 3)
warnings.simplefilter("error")
sys.path.append("/leak")
"""
FIND = """\
import os, random, sys, warnings
import matplotlib, numpy, pandas
found = ["leak" in globals(), hasattr(os, "leak"), "LEAK" in os.environ, os.getcwd() == "/", "/leak" in sys.path]
found += [matplotlib.rcParams["lines.linewidth"] == 99, pandas.get_option("display.max_rows") == 3]
found += [warnings.filters[0][0] == "error"]
print(any(found), found)
print(random.random(), numpy.random.rand())
"""


def task(folder: Path, name: str, *cells: str, **options: Any) -> Task:
    folder.mkdir(exist_ok=True)
    text = notebook_text("a: int = 1", *cells)
    return Task(name, text, {"a": 2}, str(folder), str(folder), str(folder), **{"timeout": 60.0, **options})


def warm(everything: bool | None = None) -> Any:
    from qbresearch.engines.warm.pool import WarmEngine

    return WarmEngine(everything=everything)


def run(engine: Any, tasks: list[Task], workers: int = 2) -> dict[str, Outcome]:
    outcomes = {outcome.name: outcome for outcome in engine.run(tasks, workers)}
    assert set(outcomes) == {task.name for task in tasks}
    return outcomes


def code_cells(outcome: Outcome) -> list[dict[str, Any]]:
    assert outcome.part is not None
    notebook = json.loads(Path(outcome.part).read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def said(outcome: Outcome) -> str:
    """All that the notebook has printed."""
    return "".join("".join(o.get("text", "")) for cell in code_cells(outcome) for o in cell["outputs"])


def troubled(folder: Path) -> list[Task]:
    limit = {"needs_memory": {"memory": MEMORY}, "hangs": {"timeout": 1.0}, "hangs_hard": {"timeout": 1.0}}
    cells = FAILURES.items()
    return [task(folder, name, "6 * 7", code, "'end'", **limit.get(name, {})) for name, code in cells]


@pytest.fixture(scope="module")
def failed(tmp_path_factory) -> Iterator[tuple[Path, dict[str, Outcome]]]:
    folder = tmp_path_factory.mktemp("failed")
    yield folder, run(warm(), [*troubled(folder), task(folder, "fine", "'fine'")])


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_told_by_name_and_cell_and_shows_how_far_the_notebook_came(failed, name):
    outcome = failed[1][name]
    quits = name == "quits"  # the cell after it finds nobody
    assert outcome.error["name"] == REPORTED[name]
    assert (outcome.error["cell"], outcome.error["cell_id"]) == ((5, "c3") if quits else (4, "c2"))
    assert (outcome.engine, outcome.tries) == ("warm", 1)
    cells = code_cells(outcome)
    assert cells[2]["outputs"][0]["data"]["text/plain"] == ["42"]
    assert said(outcome).startswith("said\n")
    assert cells[4]["outputs"] == []


def test_a_failure_harms_no_other_and_nothing_hidden_stays_but_the_notebooks(failed):
    folder, outcomes = failed
    assert outcomes["fine"].error is None
    assert outcomes["fine"].cpu > 0 and outcomes["fine"].memory > 2**20
    assert sorted(path.name for path in folder.iterdir()) == sorted(Path(o.part).name for o in outcomes.values())


def test_last_words_of_a_process_that_dies_are_kept(failed):
    assert "最后一句" in failed[1]["dies"].error["traceback"]
    assert "line 2 in <module>" in failed[1]["segfaults"].error["traceback"]


@pytest.mark.slow
def test_the_standard_engine_tells_every_failure_alike(failed, tmp_path):
    # A kernel goes on for a moment after exit(): how many cells it still runs is chance.
    tasks = [task for task in troubled(tmp_path / "out") if task.name != "quits"]
    for name, outcome in run(StandardEngine(), tasks).items():
        told = {key: value for key, value in outcome.error.items() if key != "traceback"}
        expected = {key: value for key, value in failed[1][name].error.items() if key != "traceback"}
        assert told == expected, name


@pytest.mark.slow
def test_nothing_of_one_run_is_seen_by_the_next(tmp_path):
    folder = tmp_path / "out"
    tasks = [task(folder, "a", LEAVE), task(folder, "b", FIND), task(folder, "c", LEAVE), task(folder, "d", FIND)]
    outcomes = run(warm(everything=True), tasks, workers=1)
    assert [outcome.error for outcome in outcomes.values()] == [None] * 4
    found = [said(outcomes[name]).splitlines() for name in ("b", "d")]
    assert [lines[0].split()[0] for lines in found] == ["False", "False"], found
    assert found[0][1] != found[1][1], "two runs drew the same random numbers"


def test_what_a_run_has_read_is_told_also_when_it_dies(tmp_path):
    say = f"import os\nfile = open(os.environ['{READS}'], 'a')\nfile.write('[\"file:x\", \"sha\"]\\n')\nfile.flush()"
    outcomes = run(warm(), [task(tmp_path / "o", "lives", say), task(tmp_path / "o", "dies", say, "os._exit(1)")])
    assert [outcome.reads for outcome in outcomes.values()] == [{"file:x": "sha"}] * 2


KILLER = """\
import os, pathlib, signal
if {always} or not pathlib.Path("killed-once").exists():
    pathlib.Path("killed-once").touch()
    os.kill({whom}, signal.SIGKILL)
    signal.pause()
"""


def test_a_killed_fork_is_tried_once_more(tmp_path):
    once = task(tmp_path / "a", "once", KILLER.format(always=False, whom="os.getpid()"))
    always = task(tmp_path / "b", "always", "1", KILLER.format(always=True, whom="os.getpid()"))
    outcomes = run(warm(), [once, always])
    assert (outcomes["once"].error, outcomes["once"].tries) == (None, 2)
    assert (outcomes["always"].error["name"], outcomes["always"].tries) == ("内核中断", 2)
    assert code_cells(outcomes["always"])[2]["outputs"][0]["data"]["text/plain"] == ["1"]


def test_whoever_kills_the_warm_process_harms_no_other(tmp_path):
    always = task(tmp_path / "a", "always", KILLER.format(always=True, whom="os.getppid()"))
    # It runs beside the killer, with which it is struck once, and would be again if they were tried again together.
    beside = task(tmp_path / "b", "beside", "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.01)")
    after = [task(tmp_path / "c", f"after{n}", "1") for n in range(2)]
    begun: list[tuple[int, str]] = []

    def begin(slot: int, begun_task: Task) -> None:
        if begun_task.name in {name for _, name in begun}:
            (tmp_path / "b" / "go").touch()
        begun.append((slot, begun_task.name))

    outcomes = {o.name: o for o in warm().run([always, beside, *after], 2, begin)}
    assert {name: outcome.error and outcome.error["name"] for name, outcome in outcomes.items()} == {
        "always": "中断", "beside": None, "after0": None, "after1": None,
    }  # fmt: skip
    assert "-9" in outcomes["always"].error["message"]
    assert (outcomes["always"].tries, outcomes["beside"].tries) == (2, 2)
    assert {slot for slot, _ in begun} == {0, 1}


STRAYS = """\
import os, subprocess, pathlib
for session in (False, True):
    process = subprocess.Popen(["sleep", "1000"], start_new_session=session)
    with open("pids", "a") as file: print(process.pid, os.getpid(), file=file)
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_a_notebook_leaves_running_is_ended(tmp_path):
    run(warm(), [task(tmp_path / "o", "strays", STRAYS)])
    pids = [int(word) for word in (tmp_path / "o" / "pids").read_text().split()]
    assert len(pids) == 4
    assert [pid for pid in pids if alive(pid)] == []


def test_giving_up_ends_everything(tmp_path):
    folder = tmp_path / "o"
    endless = STRAYS + "while True: pass"
    outcomes = warm().run([task(folder, "endless", endless), task(folder, "fine", "1")], 2)
    assert next(outcomes).name == "fine"
    while len((folder / "pids").read_text().split() if (folder / "pids").exists() else ()) < 4:
        os.sched_yield()
    outcomes.close()
    assert [pid for pid in map(int, (folder / "pids").read_text().split()) if alive(pid)] == []
    assert [path.name for path in folder.glob(".*") if path.suffix == ".part"] == []


def test_a_folder_that_takes_no_file_fails_the_run_in_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    broken = task(tmp_path / "o", "broken", "1")
    broken = Task(broken.name, broken.template, {}, str(tmp_path / "file" / "x"), str(tmp_path), str(tmp_path), 60.0)
    for engine in (warm(), StandardEngine()):
        outcome = run(engine, [broken])["broken"]
        assert (outcome.part, outcome.error["name"]) == (None, "NotADirectoryError")
        assert outcome.error["message"].startswith("结果不能写入：路径中有一段是文件，不是文件夹")


def test_no_task_starts_no_process(monkeypatch):
    monkeypatch.setattr("subprocess.Popen", None)
    assert list(warm().run([], 2)) == []


def test_ctrl_c_does_not_reach_the_notebooks(tmp_path):
    cells = "import os, signal\nos.killpg(os.getppid(), signal.SIGINT)\nsignal.getsignal(signal.SIGINT).__name__"
    outcome = run(warm(), [task(tmp_path / "o", "calm", cells)])["calm"]
    assert outcome.error is None
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


def test_warm_process_that_dies_while_it_loads_is_started_again(tmp_path, monkeypatch):
    from qbresearch.engines.warm import pool

    started = []

    def start(*args, **options):
        zygote = Zygote(*args, **options)
        started.append(zygote)
        if len(started) == 1:
            zygote._process.kill()
        return zygote

    Zygote = pool.Zygote  # noqa: N806 - it is a class
    monkeypatch.setattr(pool, "Zygote", start)
    [outcome] = warm(everything=False).run([task(tmp_path, "fine", "1 + 1")], 1)
    assert (outcome.error, outcome.tries, len(started)) == (None, 1, 2)


def test_warm_process_that_never_comes_up_fails_its_tasks_in_words(tmp_path, monkeypatch):
    from qbresearch.engines.warm import pool

    def start(*args, **options):
        zygote = Zygote(*args, **options)
        zygote._process.kill()
        return zygote

    Zygote = pool.Zygote  # noqa: N806 - it is a class
    monkeypatch.setattr(pool, "Zygote", start)
    [outcome] = warm(everything=False).run([task(tmp_path, "fine", "1 + 1")], 1)
    assert outcome.error["name"] == "中断"
    assert "--engine standard" in outcome.error["message"]
