"""What a run shows while it is running: counts that are right, an estimate that learns, lines that fit the terminal."""

from __future__ import annotations

import io
import unicodedata
from dataclasses import dataclass, field
from typing import Any

import pytest

from qbresearch.batches import runner
from qbresearch.cli import terminal
from qbresearch.cli.watching import (
    EVERY,
    FAILURES_TOLD,
    LineWatching,
    LiveWatching,
    Tally,
    cause_words,
    job_words,
    watch_jobs,
)


@dataclass
class Job:
    """A job and its record in one."""

    name: str = "a"
    notebook: str = "30-attainment"
    parameters: dict[str, Any] = field(default_factory=lambda: {"county_code": "990101", "school_year": 2024})
    status: str = "succeeded"
    seconds: float = 10.0
    error: dict[str, Any] | None = None


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


NAMES = {"990101": "青禾县（模拟）"}
ERROR = {"name": "ValueError", "message": "没有班级表\n  位置：第 3 行", "cell": 5}


@pytest.fixture
def clock():
    return Clock()


def tally(clock, earlier=None, **waiting):
    made = Tally(waiting or {"quick": 4, "slow": 2}, earlier or {}, clock)
    made.begun(sum(made.waiting.values()), 2)
    return made


def live(made, width, height=24, **shown):
    view = LiveWatching(made, shown.get("title", "运行 demo"), NAMES, Terminal())
    view._console.size = (width, height)
    return view


def lines_of(view):
    return str(view._view()).split("\n")


# --- words


def test_a_job_is_named_by_notebook_county_and_year():
    assert job_words(Job(), NAMES) == "30-attainment  青禾县（模拟） 2024"
    assert job_words(Job(), {}) == "30-attainment  990101 2024"
    assert job_words(Job(parameters={"source_id": "s", "county_code": ""}), NAMES) == "30-attainment  s"
    assert job_words(Job(parameters={}), NAMES) == "30-attainment"


def test_only_the_first_line_of_an_error_is_told():
    assert cause_words(ERROR) == "ValueError：没有班级表"
    assert cause_words({"name": "KeyError", "message": ""}) == "KeyError："


@pytest.mark.parametrize(("seconds", "text"), [
    (0, "0 秒"), (59.4, "59 秒"), (59.6, "1 分 0 秒"), (3599.6, "1 小时 0 分"), (7505, "2 小时 5 分"),
])
def test_a_length_of_time(seconds, text):
    assert terminal.duration(seconds) == text


# --- widths


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("青禾县", 6), ("“a”", 5), ("…—·", 6), ("e\u0301", 1)])
def test_a_character_that_may_take_two_columns_is_counted_as_two(text, columns):
    assert terminal.columns_of(text) == columns


@pytest.mark.parametrize("columns", range(12))
def test_a_cut_text_never_takes_more_columns_than_it_may(columns):
    cut = terminal.fit("青a禾b县c", columns)
    assert terminal.columns_of(cut) <= columns
    assert (cut == "青a禾b县c") == (columns >= 9)


def test_what_a_terminal_would_act_upon_is_left_out():
    assert terminal.fit("a\x1b[31mb\r\nc\t", 20) == "a [31mb  c "


def test_columns_of_a_table_stand_below_one_another():
    lines = terminal.table_lines(("县", "学校"), [("青禾县", 5), ("x", 1200)], right=(1,))
    assert lines == ["县      学校", "青禾县     5", "x       1200"]


# --- where a run stands


def test_counts_follow_what_is_told(clock):
    made = tally(clock)
    made.started(0, Job("a", "quick"))
    made.started(1, Job("b", "slow"))
    assert "成功 0，运行中 2；已用 0 秒，正在估计余下时间" == made.counts()
    made.ended(Job("a", "quick", error=ERROR), 0)
    assert (made.done, made.failed, set(made.running)) == (1, 1, {1})
    made.ended(Job("b", "slow"), None)  # a job whose worker is not known is found by its name
    assert not made.running and made.counts().startswith("成功 1，失败 1；")


def test_the_estimate_uses_what_each_notebook_took(clock):
    made = tally(clock)
    assert made.remaining() is None
    for name, seconds in (("a", 2), ("b", 4), ("c", 90)):
        made.ended(Job(name, "quick", seconds=seconds), 0)
    assert made.remaining() == pytest.approx((1 * 4 + 2 * 4) / 2)  # nothing is known of the slow ones yet
    made.ended(Job("d", "slow", seconds=60), 1)
    assert made.remaining() == pytest.approx((1 * 4 + 1 * 60) / 2)


def test_a_notebook_not_seen_yet_is_estimated_by_an_earlier_run_at_the_pace_of_this_one(clock):
    made = tally(clock, {"quick": 10.0, "slow": 100.0})
    assert made.remaining() == pytest.approx((4 * 10 + 2 * 100) / 2)
    made.ended(Job("a", "quick", seconds=2), 0)
    assert made.remaining() == pytest.approx((3 * 2 + 2 * 20) / 2)


def test_what_runs_is_counted_for_what_is_left_of_it_and_the_last_one_alone_decides_the_end(clock):
    made = tally(clock, slow=2)
    made.ended(Job("a", "slow", seconds=60), 0)
    made.started(0, Job("b", "slow"))
    clock.now += 20
    assert made.remaining() == pytest.approx(40)
    clock.now += 100
    assert made.remaining() == 0
    made.ended(Job("b", "slow", seconds=120), 0)
    assert made.remaining() == 0 and made.counts().endswith("全部结束")


def test_a_narrow_line_keeps_failures_and_the_time_left(clock):
    made = tally(clock, slow=3)
    made.ended(Job("a", "slow", seconds=60, error=ERROR), 0)
    assert made.counts(30) == "成功 0，失败 1，约余 1 分 0 秒"
    assert made.counts(25) == "失败 1，约余 1 分 0 秒"
    assert made.counts(3) == "约余 1 分 0 秒"


# --- the view in a terminal


@pytest.mark.parametrize(("width", "height"), [(120, 40), (80, 24), (60, 10), (40, 8), (24, 6), (9, 5)])
@pytest.mark.parametrize("workers", [1, 2, 30])
def test_no_line_is_wider_and_all_together_are_not_higher_than_the_terminal(clock, width, height, workers):
    made = tally(clock, **{"50-resource-quality-link": 60})
    for number in range(3):
        made.ended(Job(str(number), "50-resource-quality-link", error={**ERROR, "message": "“太长”——" * 30}), None)
    for worker in range(workers):
        made.started(worker, Job(f"j{worker}", "50-resource-quality-link"))
    clock.now += 3000
    lines = lines_of(live(made, width, height))
    assert max(map(terminal.columns_of, lines)) < width
    assert len(lines) < height and lines[2].strip()
    assert lines[-1] == ""  # where the terminal writes ^C


def test_what_the_view_draws_itself_has_no_character_of_uncertain_width(clock):
    made = tally(clock)
    made.started(0, Job("a", "quick"))
    made.ended(Job("b", "quick", error=ERROR), 1)
    text = str(live(made, 100)._view())
    assert not [char for char in text if unicodedata.east_asian_width(char) == "A"]


def test_the_view_tells_workers_and_the_last_failures(clock):
    made = tally(clock, n=9)
    view = live(made, 80)
    for number in range(4):
        view.ended(Job(f"f{number}", "n", error={**ERROR, "name": f"E{number}"}), None)
    view.started(0, Job("a", "n"))
    clock.now += 65
    view.started(1, Job("b", "n", parameters={"county_code": "990102", "school_year": 2023}))
    bar, counts, first, second, *failures, _ = lines_of(view)
    assert bar == f"运行 demo  [{'x' * 18}{'-' * 22}]  4/9"
    assert counts.startswith("成功 0，失败 4，运行中 2；已用 1 分 5 秒，约余 ")
    assert first == "   1     1 分 5 秒  n  青禾县（模拟） 2024"
    assert second == "   2          0 秒  n  990102 2023"
    assert [line.split("：")[1] for line in failures] == ["E1", "E2", "E3"]


def test_a_single_failure_among_thousands_is_seen_in_the_bar(clock):
    made = tally(clock, n=5000)
    for number in range(2500):
        made.ended(Job(str(number), "n", error=ERROR if number == 7 else None), None)
    assert lines_of(live(made, 80))[0].count("x") == 1


def test_workers_that_find_no_room_are_counted(clock):
    made = tally(clock, n=9)
    for worker in range(9):
        made.started(worker, Job(str(worker), "n"))
    assert lines_of(live(made, 80, 10))[-2] == "      另有 4 个在运行"


def test_the_view_is_gone_and_the_cursor_back_when_the_run_is_interrupted(monkeypatch):
    screen = Terminal()
    monkeypatch.delenv("TERM", raising=False)
    with pytest.raises(KeyboardInterrupt), watch_jobs([Job()], title="运行 demo", stream=screen) as view:
        view.begun(1, 1)
        view.started(0, Job())
        view._live.refresh()
        raise KeyboardInterrupt
    text = screen.getvalue()
    shown = text.rindex("运行中 1")
    assert "\x1b[?25l" in text[:shown] and "\x1b[?25h" in text[shown:]
    assert text[shown:].count("\x1b[1A\x1b[2K") >= 4  # the lines above the cursor are erased: bar, counts, worker, its own


def test_nothing_is_drawn_when_nothing_is_to_run(monkeypatch):
    screen = Terminal()
    monkeypatch.delenv("TERM", raising=False)
    with watch_jobs([], title="运行 demo", stream=screen) as view:
        view.begun(0, 2)
    assert screen.getvalue() == ""


# --- elsewhere


@pytest.mark.parametrize(("stream", "term", "kind"), [
    (Terminal(), "xterm", LiveWatching), (Terminal(), "dumb", LineWatching), (io.StringIO(), "xterm", LineWatching),
])
def test_a_view_that_moves_is_for_terminals_that_can_move(monkeypatch, stream, term, kind):
    monkeypatch.setenv("TERM", term)
    assert type(watch_jobs([Job()], title="运行 demo", stream=stream)) is kind


def test_plain_lines_come_at_intervals_and_failures_at_once(clock):
    made, stream = tally(clock, n=10), io.StringIO()
    view = LineWatching(made, "运行 demo", NAMES, stream)

    def told(step, **changes):
        clock.now += step
        stream.truncate(stream.seek(0))
        view.ended(Job("a", "n", **changes), None)
        return stream.getvalue().splitlines()

    assert told(1) == []
    assert told(1, error=ERROR) == ["失败  n  青禾县（模拟） 2024：ValueError：没有班级表"]
    (line,) = told(EVERY)
    assert line.startswith("运行 demo  3/10  成功 2，失败 1；已用 17 秒，约余 ")
    assert told(1) == []
    for _ in range(5):
        told(1)
    assert told(1) == ["运行 demo  10/10  成功 9，失败 1；已用 24 秒，全部结束"]


def test_a_flood_of_failures_is_counted_instead_of_told(clock):
    made, stream = tally(clock, n=1000), io.StringIO()
    view = LineWatching(made, "运行 demo", NAMES, stream)
    for number in range(500):
        view.ended(Job(str(number), "n", error=ERROR), None)
    lines = stream.getvalue().splitlines()
    assert len(lines) == FAILURES_TOLD + 1 and "只计数" in lines[-1]


def test_both_views_are_what_a_run_tells_its_progress_to():
    told = {name for name in vars(runner.Watcher) if not name.startswith("_")}
    assert told == {"begun", "started", "ended", "finished"} and all(hasattr(LiveWatching, name) for name in told)
