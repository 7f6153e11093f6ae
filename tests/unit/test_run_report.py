"""What is said of a run afterwards: where the time went, what failed and why, and how to look at it."""

from __future__ import annotations

import json

import pytest

from qbresearch.batches.ledger import HistoryEntry, JobRecord, Ledger, RunRecord
from qbresearch.batches.run_report import make_report, report_run, seconds_of
from qbresearch.errors import InputError

START = "2026-03-01T08:00:00+00:00"
NAMES = {"990101": "青禾县", "990102": "白水县"}


def entry(name, notebook="30-attainment", seconds=1.0, error=None, **changes):
    values = {"run": 1, "finished": "2026-03-01T08:01:00+00:00", "tries": 1, "memory": None, "cpu": None} | changes
    return HistoryEntry(name=name, notebook=notebook, status="failed" if error else "succeeded", seconds=seconds, error=error, **values)


def record(name, county="990101", year=2024, run=1, status="failed", **changes):
    values = {
        "notebook": "30-attainment", "key": "k", "components": {}, "output_sha256": None, "seconds": 1.0, "started": START,
        "finished": START, "error": None,
    } | changes
    return JobRecord(name=name, status=status, parameters={"county_code": county, "school_year": year}, run=run, **values)


def error(message, name="ValueError", cell=5):
    return {"name": name, "message": message, "cell": cell, "cell_id": None, "traceback": None}


def report(*entries, records=(), names=NAMES, finished="2026-03-01T08:02:00+00:00"):
    failed = sum(one.status == "failed" for one in entries)
    run = RunRecord(1, START, finished, "finished", "warm", 2, len(entries), 3, 0, len(entries) - failed, failed)
    return make_report("demo", run, entries, {one.name: one for one in records}, names)


# --- where the time went


def test_times_are_told_by_notebook_the_dearest_first():
    made = report(
        entry("a", "10-check", 1.0, memory=5), entry("b", "10-check", 9.0, memory=7), entry("c", "10-check", 2.0),
        entry("d", "50-link", 100.0, error("x")),
    )
    link, check = made.notebooks
    assert (link.notebook, link.count, link.failed, link.median, link.total, link.memory) == ("50-link", 1, 1, 100.0, 100.0, None)
    assert (check.count, check.failed, check.median, check.total, check.memory) == (3, 0, 2.0, 12.0, 7)
    assert [one.name for one in made.slowest] == ["d", "b", "c", "a"]


def test_throughput_is_what_ended_in_the_time_of_the_run():
    assert report(*(entry(name) for name in "abcdef")).per_minute == pytest.approx(3.0)
    assert report(entry("a"), finished=START).per_minute == 0.0


def test_a_run_that_was_killed_lasted_until_its_last_job_ended():
    run = RunRecord(1, START, None, "running", "warm", 2, 9, 0, 0, 1, 0)
    assert seconds_of(run, [entry("a"), entry("b", finished="2026-03-01T08:00:30+00:00")]) == 60
    assert seconds_of(run) == 0


def test_what_needed_a_second_try_is_listed():
    assert [one.name for one in report(entry("a"), entry("b", tries=2)).retried] == ["b"]


# --- why it failed


def test_the_same_cause_in_several_counties_is_one_with_its_counties():
    messages = {
        "a": ("990101", "青禾县（990101）2024 学年第 12 行没有人数\n  位置：a.xlsx"),
        "b": ("990102", "白水县（990102）2024 学年第 7 行没有人数\n  位置：b.xlsx"),
    }
    made = report(
        *(entry(name, error=error(text)) for name, (_, text) in messages.items()), entry("c", error=error("磁盘已满")),
        entry("d", error=error("磁盘已满", "OSError")),
        records=[record(name, county) for name, (county, _) in messages.items()] + [record("c", "990102")],
    )
    assert [[job.name for job in cause.jobs] for cause in made.causes] == [["a", "b"], ["c"], ["d"]]
    first = made.causes[0]
    assert first.counties == ("青禾县", "白水县") and first.message == "青禾县（990101）2024 学年第 12 行没有人数"
    assert "2 个任务，30-attainment；2 个县：青禾县、白水县" in first.summary()
    assert made.causes[2].counties == ()  # of this one the ledger holds nothing more


@pytest.mark.parametrize(("one", "other", "same"), [
    ("<object at 0x7f01ab>", "<object at 0x5e22>", True), ("差 3.5 人", "差 12 人", True), ("缺 G11", "缺 teachers", False),
    ("'teachers'", "'rooms'", False), ("", "", True),
])
def test_numbers_and_addresses_make_no_cause_of_their_own(one, other, same):
    made = report(entry("a", error=error(one)), entry("b", error=error(other)))
    assert (len(made.causes) == 1) == same


def test_a_value_that_is_part_of_another_does_not_split_a_cause():
    made = report(
        entry("a", error=error("青禾数据 读不出")), entry("b", error=error("人口普查 读不出")),
        records=[record("a", "青禾", year="青禾数据"), record("b", "白水", year="人口普查")], names={},
    )
    assert len(made.causes) == 1


def test_many_counties_are_cut_in_the_short_form_only():
    counties = [f"99{number:04}" for number in range(100)]
    made = report(
        *(entry(code, error=error(f"{code} 没有数据")) for code in counties), records=[record(code, code) for code in counties],
    )
    (cause,) = made.causes
    assert len(cause.counties) == 100 and cause.counties[-1] == "990099"
    assert "100 个县：990000、990001、990002、990003、990004、990005 等）" in cause.summary()


def test_a_failure_put_right_by_a_later_run_is_told_as_such():
    failures = [entry(name, error=error("x")) for name in ("a", "b", "c")]
    made = report(*failures, records=[record("a", run=3, status="succeeded"), record("b", run=3), record("c")])
    assert [job.later for job in made.causes[0].jobs] == [3, None, None]


def test_the_short_form_has_a_command_for_every_cause_and_says_where_there_is_more():
    made = report(entry("a--990101", error=error("x")), entry("b", error=error("y")), entry("c"))
    lines = made.summary().splitlines()
    assert lines[0] == "批次 demo 第 1 次运行：成功 1，失败 2，已是最新 3；用时 120 秒"
    assert lines[1:3] == ["  失败 ValueError：x（1 个任务，30-attainment）", "      打开：qbresearch open demo a--990101"]
    assert lines[-1].endswith("qbresearch show runs demo/1")
    assert report(entry("a")).summary().splitlines() == ["批次 demo 第 1 次运行：成功 1，失败 0，已是最新 3；用时 120 秒"]


def test_causes_beyond_the_first_are_counted_in_the_short_form():
    made = report(*(entry(letter, error=error(letter)) for letter in "abcdefgh"))
    assert "另有 3 种原因" in made.summary() and made.summary().count("打开：") == 5


# --- as data


def test_every_job_is_a_row_with_the_number_of_its_cause():
    made = report(
        entry("a", seconds=2.0, cpu=1.5, memory=9), entry("b", error=error("坏了\n详情")), records=[record("a"), record("b", "990102")]
    )
    rows = made.tidy()
    assert rows["cause"].isna().tolist() == [True, False] and rows["cause"][1] == 1
    assert rows.loc[1, ["name", "county_code", "status", "error"]].tolist() == ["b", "990102", "failed", "ValueError：坏了"]
    assert rows.loc[0, ["seconds", "cpu", "memory", "tries"]].tolist() == [2.0, 1.5, 9, 1]


def test_the_report_is_plain_data():
    made = report(entry("a", tries=2), entry("b", error=error("x")), records=[record("b")])
    read = json.loads(json.dumps(made.to_dict()))
    assert read["causes"][0]["jobs"][0]["command"] == "qbresearch open demo b" and read["causes"][0]["counties"] == ["青禾县"]
    assert read["retried"] == [{"name": "a", "tries": 2}] and read["run"]["number"] == 1


# --- from the ledger


@pytest.fixture
def ledger(tmp_path):
    """Two runs: in the first one job fails, in the second it succeeds."""
    made = Ledger(tmp_path / "demo")
    made.path.parent.mkdir()
    made.prepare()
    for run in (1, 2):
        assert made.begin(engine="warm", workers=2, jobs=2 if run == 1 else 1, skipped=0, held=0) == run
        if run == 1:
            made.settle(record("a", status="succeeded", run=run))
        failure = error("没有班级表") if run == 1 else None
        made.settle(record("b", status="failed" if failure else "succeeded", run=run, error=failure))
        made.end(run, "finished")
    return made


def test_a_run_is_reported_from_the_ledger_the_last_one_unless_another_is_asked_for(ledger):
    assert (report_run(ledger).run.number, len(report_run(ledger).entries)) == (2, 1)
    first = report_run(ledger, 1, names=NAMES)
    assert (first.run.succeeded, first.run.failed) == (1, 1)
    (job,) = first.causes[0].jobs
    assert (job.name, job.county, job.year, job.cell, job.later) == ("b", "青禾县", 2024, 5, 2)


@pytest.mark.parametrize("number", [0, 3])
def test_a_run_that_there_was_not_is_refused(ledger, number):
    with pytest.raises(InputError, match="没有这个运行") as refusal:
        report_run(ledger, number)
    assert refusal.value.expected == "下列之一：1、2"


def test_a_batch_that_never_ran_has_no_report(tmp_path):
    with pytest.raises(InputError, match="没有这个运行"):
        report_run(Ledger(tmp_path))
