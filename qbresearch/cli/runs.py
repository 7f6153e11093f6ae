"""``qbresearch show runs``: every run there has been, and the report on one."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from qbresearch.cli.terminal import duration, table_lines
from qbresearch.errors import InputError, check_choice
from qbresearch.project import Project, find_project

if TYPE_CHECKING:
    from qbresearch.batches.ledger import Ledger, RunRecord
    from qbresearch.batches.run_report import Cause, RunReport

KILLED = "已中断（进程被终止）"
_HEADINGS = ("批次", "次", "开始", "引擎", "并行", "成功", "失败", "最新", "未选", "用时", "状态")
_MEBIBYTE = 1024**2


def show_runs(arguments: argparse.Namespace) -> None:
    """All runs of all batches; given a batch, its runs and the report on the last one, or on that after the stroke."""
    from qbresearch.batches.ledger import LEDGER, Ledger

    project = find_project(arguments.project)
    batches = sorted(path.parent.name for path in project.reports.glob(f"*/{LEDGER}"))
    if not batches:
        print("还没有运行过批次。先运行 qbresearch run <批次>；qbresearch show batches 列出有哪些批次")
        return
    if not arguments.name:
        _print_runs(project, batches)
        return
    batch, number = _chosen(arguments.name)
    batch = str(check_choice(batch, batches, name="运行过的批次", where="qbresearch show runs"))
    ledger = Ledger(project.reports / batch)
    if number is None:
        _print_runs(project, [batch])
        print()
    _print_report(ledger, number, project)


def _chosen(name: str) -> tuple[str, int | None]:
    batch, stroke, number = name.partition("/")
    if not stroke:
        return batch, None
    if not number.isdecimal():
        raise InputError(
            "看不懂是第几次运行", where="qbresearch show runs", found=name, expected="批次，或 批次/第几次",
            fix=f"例：qbresearch show runs {batch}/1",
        )
    return batch, int(number)


def _print_runs(project: Project, batches: Iterable[str]) -> None:
    from qbresearch.batches.ledger import Ledger

    rows = []
    for batch in batches:
        ledger = Ledger(project.reports / batch)
        rows += [_row(batch, run, ledger) for run in ledger.runs()]
    print("\n".join(table_lines(_HEADINGS, rows, right=(1, 4, 5, 6, 7, 8, 9))))


def _row(batch: str, run: RunRecord, ledger: Ledger) -> tuple[object, ...]:
    how = (_moment(run.started), run.engine, run.workers)
    counts = (run.succeeded, run.failed, run.skipped, run.held)
    return (batch, run.number, *how, *counts, duration(_seconds(run, ledger)), _state(run, ledger))


def _moment(text: str) -> str:
    """A moment of the ledger by the clock of this computer; the year only where it is another one."""
    moment = datetime.fromisoformat(text).astimezone()
    return moment.strftime("%m-%d %H:%M" if moment.year == datetime.now().astimezone().year else "%Y-%m-%d")


def _state(run: RunRecord, ledger: Ledger) -> str:
    from qbresearch.batches.ledger import FINISHED, INTERRUPTED, RUNNING

    words = {RUNNING: "运行中" if _is_going_on(run, ledger) else KILLED, FINISHED: "已完成", INTERRUPTED: "已中断"}
    return words[run.state]


def _seconds(run: RunRecord, ledger: Ledger) -> float:
    from qbresearch.batches.run_report import seconds_of

    if _is_going_on(run, ledger):
        return (datetime.now(UTC) - datetime.fromisoformat(run.started)).total_seconds()
    return seconds_of(run, () if run.finished else ledger.history(run.number))


def _is_going_on(run: RunRecord, ledger: Ledger) -> bool:
    """Whether a run that says so is really running: one that was killed could not say that it no longer is."""
    from qbresearch.batches.ledger import RUNNING

    return run.state == RUNNING and _is_held(ledger.path.parent)


def _is_held(folder: Path) -> bool:
    """Whether a process works in a batch's folder."""
    from filelock import FileLock, Timeout

    if not (folder / ".lock").exists():
        return False
    try:
        with FileLock(folder / ".lock", timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False  # a folder where nothing can be written, so nothing is being run either


def _print_report(ledger: Ledger, number: int | None, project: Project) -> None:
    from qbresearch.batches.run_report import report_run

    report = report_run(ledger, number)
    run = report.run
    counts = f"成功 {run.succeeded}，失败 {run.failed}，已是最新 {run.skipped}" + (f"，本次未选 {run.held}" if run.held else "")
    print(f"批次 {report.batch} 第 {run.number} 次运行（{_moment(run.started)}，{_state(run, ledger)}）：{counts}")
    if not report.entries:
        print("  没有运行任何任务")
        return
    took = _seconds(run, ledger)
    print(f"  用时 {duration(took)}，{run.workers} 个并行，每分钟 {60 * len(report.entries) / max(took, 1):.0f} 个")
    _print_times(report)
    for place, cause in enumerate(report.causes, 1):
        _print_cause(place, cause, project, report.batch)
    if report.retried:
        print("\n进程意外退出、重试过的：")
        for entry in report.retried:
            print(f"  {entry.name}：{entry.tries} 次，{'最后成功' if entry.error is None else '仍然失败'}")


def _print_times(report: RunReport) -> None:
    print("\n各笔记本用时（按合计）：")
    rows = [
        (t.notebook, t.count, t.failed or "", f"{t.median:.1f} 秒", duration(t.total), _memory(t.memory))
        for t in report.notebooks
    ]
    headings = ("笔记本", "任务", "失败", "中位数", "合计", "内存峰值")
    print("\n".join(f"  {line}" for line in table_lines(headings, rows, right=range(1, 6))))
    print("\n最慢的任务：")
    for entry in report.slowest:
        print(f"  {entry.seconds:7.1f} 秒  {entry.name}")


def _memory(size: int | None) -> str:
    return "" if size is None else f"{size / _MEBIBYTE:.0f} MB"


def _print_cause(number: int, cause: Cause, project: Project, batch: str) -> None:
    """The cause, whom it struck, and for each the command that opens its notebook, or what has become of it since."""
    counties = "、".join(cause.counties)
    said = f"{cause.error}：{cause.message}".rstrip("：")
    print(f"\n失败原因 {number}：{said}（{len(cause.jobs)} 个任务）")
    if counties:
        print(f"  县：{counties}")
    for job in cause.jobs:
        if job.later:
            print(f"  {job.name}：已在第 {job.later} 次运行中成功")
        elif (project.reports / batch / "failed" / f"{job.name}.ipynb").is_file():
            print(f"  {f'In [{job.cell}]' if job.cell else '':8}  {job.command}")
        else:
            print(f"  {job.name}：没有留下笔记本")
