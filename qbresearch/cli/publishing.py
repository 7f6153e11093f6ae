"""The verbs that run notebooks and make reports of them: ``run``, ``publish`` and ``report``."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qbresearch.cli.files import check_folder, check_new
from qbresearch.cli.parser import add_verb
from qbresearch.cli.terminal import progress
from qbresearch.errors import EXIT_DONE, EXIT_RUNS_FAILED, InputError, check_choice
from qbresearch.project import Project, find_project

if TYPE_CHECKING:
    from qbresearch.batches.batchfile import Batch
    from qbresearch.batches.planning import BatchPlan
    from qbresearch.batches.run_report import RunReport
    from qbresearch.batches.runner import BatchResult
    from qbresearch.publication.publish import Publication, PublishedReport

FORMAT_HELP = "docx（Word）、pdf、html（网页）"
PRESET_HELP = "Word 与 PDF 的版式：academic 学术报告，gongwen 报送（公文版式）；默认 academic"
PROCESSORS = os.cpu_count() or 1
_MEBIBYTE = 1024**2


# --- run ---------------------------------------------------------------------------------------------------------


def add_run(verbs: Any) -> None:
    parser = add_verb(
        verbs, "run", _run, "批量运行笔记本",
        "按 notebooks/batches 中的批次文件，用 papermill 批量运行笔记本。运行前检查全部参数与数据；\n"
        "一个失败不影响其他；中断后再次运行会接着做；没有变化的不重做。\n"
        "做过的各次运行见 qbresearch show runs，失败的笔记本用 qbresearch open 打开。\n\n"
        "例：qbresearch run demo\n    qbresearch run demo --explain",
    )
    parser.add_argument("batch", metavar="批次", help="批次名（notebooks/batches/批次.toml）")
    parser.add_argument("--explain", action="store_true", help="只说明每个任务会不会运行及原因，不运行")
    parser.add_argument("--only", metavar="文字", help="只运行名称含此文字的任务")
    _add_workers(parser, "同时运行几个")
    _add_timeout(parser)
    parser.add_argument("--memory", type=float, metavar="MB", help="一个任务最多占用多少内存，超过的按失败处理；默认不限")
    parser.add_argument(
        "--engine", default="auto", metavar="引擎",
        help="auto 本机能用的最快的一种，warm 从预热好的进程分出，standard 每个笔记本一个内核；默认 auto",
    )
    parser.add_argument(
        "--scheduler", metavar="地址", help="交给 dask 调度器的各台机器运行，如 tcp://192.168.1.5:8786，见 docs/cluster.zh-CN.md"
    )


def _add_workers(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--workers", type=int, default=PROCESSORS, metavar="个数", help=f"{what}，默认为处理器核数")


def _add_timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--timeout", type=float, default=600.0, metavar="秒", help="一个单元格最多运行多久，默认 600 秒")


def _run(arguments: argparse.Namespace) -> int:
    plan = _plan_named(find_project(arguments.project), arguments.batch)
    if arguments.only:
        plan = plan.only(arguments.only)
    print(plan.summary())
    if arguments.explain:
        for planned in plan.jobs:
            print(f"  {'运行' if planned.action == 'run' else '不运行'}  {planned.job.name}：{planned.explanation}")
        return EXIT_DONE
    memory = None if arguments.memory is None else round(arguments.memory * _MEBIBYTE)
    result = _run_plan(plan, arguments, memory=memory, engine=arguments.engine, scheduler=arguments.scheduler)
    print(_report_of(plan, result).summary())
    return EXIT_RUNS_FAILED if result.failed else EXIT_DONE


def _report_of(plan: BatchPlan, result: BatchResult) -> RunReport:
    from qbresearch.batches.ledger import Ledger
    from qbresearch.batches.run_report import report_run

    return report_run(Ledger(plan.folder), result.run)


def _plan_named(project: Project, name: str) -> BatchPlan:
    from qbresearch.batches.batchfile import batch_path, load_batch

    return _plan(project, load_batch(batch_path(project, name)))


def _plan(project: Project, batch: Batch) -> BatchPlan:
    from qbresearch.batches.planning import plan_batch
    from qbresearch.processed.data_index import DataIndex
    from qbresearch.rules.rule_index import RuleIndex

    return plan_batch(batch, project, DataIndex(project), RuleIndex(project.plans))


def _run_plan(plan: BatchPlan, arguments: argparse.Namespace, **options: Any) -> BatchResult:
    from qbresearch.batches.runner import run_batch
    from qbresearch.cli.watching import watch_jobs

    to_run = [planned for planned in plan.jobs if planned.action == "run"]
    earlier = defaultdict(list)
    for planned in plan.jobs:
        if planned.record is not None and planned.record.error is None:
            earlier[planned.job.notebook].append(planned.record.seconds)
    with watch_jobs([planned.job for planned in to_run], title=f"运行 {plan.batch.id}", earlier=earlier) as watch:
        return run_batch(plan, workers=arguments.workers, timeout=arguments.timeout, watch=watch, **options)


# --- publish -----------------------------------------------------------------------------------------------------


def add_publish(verbs: Any) -> None:
    parser = add_verb(
        verbs, "publish", _publish, "把运行结果写成 Word、PDF 与网页报告和目录",
        "把一个批次中成功且仍然有效的运行写成报告（每县每学年一份），并更新 reports/index.html。\n"
        "失败、过期或被改动的运行不会进入报告。不需要 Word、LaTeX、浏览器或 pandoc。\n\n"
        "例：qbresearch publish demo\n    qbresearch publish demo --format docx,pdf --preset gongwen",
    )
    parser.set_defaults(interrupted="没有改动任何文件，上一次发布的报告仍在原处；再次运行同一命令会从头写报告。")
    parser.add_argument("batch", metavar="批次", help="批次名")
    parser.add_argument("--format", metavar="格式", help=f"{FORMAT_HELP}，可用逗号并列；默认三种都写")
    _add_style(parser)
    _add_workers(parser, "同时写几份报告")


def _add_style(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", metavar="版式", help=PRESET_HELP)
    parser.add_argument("--citations", metavar="版本", help="参考文献按 GB/T 7714 的哪一版著录：2025 或 2015；默认 2025")


def _publish(arguments: argparse.Namespace) -> int:
    project = find_project(arguments.project)
    formats, style = _formats(arguments.format), _style(arguments)
    plan = _plan_named(project, arguments.batch)
    _check_was_run(plan)
    publication = _publish_plan(plan, formats, style, arguments.workers)
    print(publication.summary())
    return EXIT_RUNS_FAILED if publication.refused else EXIT_DONE


def _check_was_run(plan: BatchPlan) -> None:
    from qbresearch.batches.grid import MANIFEST

    if not (plan.folder / MANIFEST).is_file():
        raise InputError(
            "批次还没有运行", where=f"批次 {plan.batch.id}", found=f"没有 {plan.folder / MANIFEST}",
            expected="运行过的批次", fix=f"先运行 qbresearch run {plan.batch.id}",
        )


def _publish_plan(plan: BatchPlan, formats: Sequence[str], style: dict[str, str], workers: int) -> Publication:
    from qbresearch.publication.publish import publish_run

    return publish_run(
        plan.project,
        plan.batch.id,
        is_current=lambda job: plan.why_stale(job["name"]),
        title=plan.batch.title,
        cover=plan.batch.cover,
        formats=formats,
        workers=workers,
        progress=lambda reports: progress(reports, "发布", "份报告"),
        **style,
    )


def _formats(given: str | None) -> tuple[str, ...]:
    """The formats asked for, each once; all of them where none is."""
    from qbresearch.publication.writers import FORMATS

    names = [name.lower() for name in re.split(r"[,，、\s]+", given or "") if name]
    for name in names:
        check_choice(name, FORMATS, name="格式", where="--format")
    return tuple(dict.fromkeys(names)) or FORMATS


def _style(arguments: argparse.Namespace) -> dict[str, str]:
    """Layout and edition as asked for; what is not asked for is left to the publication itself."""
    from qbresearch.publication.bibliography import EDITIONS
    from qbresearch.rules.layouts import list_layouts

    style = {}
    for option, name, value, allowed, what in (
        ("--preset", "preset", arguments.preset, list_layouts(), "版式"),
        ("--citations", "edition", arguments.citations, EDITIONS, "著录规则版本"),
    ):
        if value is not None:
            style[name] = str(check_choice(value, allowed, name=what, where=option))
    return style


# --- report ------------------------------------------------------------------------------------------------------


def add_report(verbs: Any) -> None:
    parser = add_verb(
        verbs, "report", _report, "从数据直接写出一个县的一份报告",
        "从处理好的数据到一份 Word：找到这个县最近一个学年的数据（没有处理或已过期的先处理），\n"
        "运行数据核对、资源均衡、达标判定三个笔记本，写成一份报告并给出它的位置。\n"
        "中断后再次运行会接着做；没有变化的不重做。\n\n"
        "例：qbresearch report 990101\n"
        "    qbresearch report 青禾县 --year 2023 --format pdf --output 青禾县2023.pdf",
    )
    parser.add_argument("county", metavar="县", help="县区划代码、县名、拼音，或只有一个县符合的部分县名")
    parser.add_argument("--year", type=int, metavar="学年", help="学年起始年份；默认数据中最近的一年")
    parser.add_argument("--stage", metavar="学段", help="primary 小学，junior 初中；默认有学生的全部学段")
    parser.add_argument("--source", metavar="来源", help="数据来源；默认在全部学校数据中寻找")
    parser.add_argument("--standard", metavar="标准", help="默认 national-2017，或与数据配套的标准")
    parser.add_argument("--language", default="zh", metavar="语言", help="zh 中文，en 英文；默认 zh")
    parser.add_argument("--format", metavar="格式", help=f"{FORMAT_HELP} 之一；默认 docx")
    _add_style(parser)
    parser.add_argument("--output", type=Path, metavar="文件", help="另存为这个文件；已有同名文件时不会覆盖")
    _add_workers(parser, "同时运行几个笔记本")
    _add_timeout(parser)


def _report(arguments: argparse.Namespace) -> int:
    project = find_project(arguments.project)
    format, style = _one_format(arguments), _style(arguments)
    if arguments.output:
        check_folder(arguments.output)
        check_new(arguments.output)
    batch = _county_batch(project, arguments)
    plan = _plan(project, batch)
    print(f"{batch.title}：{len(plan.jobs)} 个笔记本，{sum(p.action == 'run' for p in plan.jobs)} 个需要运行")
    result = _run_plan(plan, arguments)
    if result.failed:
        print(result.summary(), file=sys.stderr)
    publication = _publish_plan(_plan(project, batch), (format,), style, 1)
    for refusal in publication.refused:
        print(f"  未采用 {refusal.job}：{refusal.reason}", file=sys.stderr)
    for report in publication.reports:
        print(f"报告：{_saved(plan.folder, report, format, arguments.output)}")
    return EXIT_RUNS_FAILED if publication.refused else EXIT_DONE


def _county_batch(project: Project, arguments: argparse.Namespace) -> Batch:
    """Find the county, bringing the data up to date on the way, and lay out what has to be run for it."""
    from qbresearch.cli.county import (
        choose_standard,
        counties_of,
        county_batch,
        county_sources,
        find_county,
        stages_with_students,
    )
    from qbresearch.language import LANGUAGES

    check_choice(arguments.language, LANGUAGES, name="语言", where="--language")
    sources = county_sources(project, arguments.source)
    for source in sources:
        _bring_up_to_date(project, source)
    county = find_county(arguments.county, counties_of(project, sources))
    year = county.years[-1] if arguments.year is None else arguments.year
    check_choice(year, county.years, name="学年", where=f"{county}的数据")
    standard = choose_standard(county, year, arguments.standard)
    held = stages_with_students(county, year, standard)
    if not held:
        raise InputError(
            "没有可以报告的学段", where=f"{county} {year} 学年", found="各学段在校学生数都是 0 或没有填",
            expected=f"{standard.label_zh}中至少一个学段有学生", fix="核对在校学生数",
        )
    if arguments.stage:
        check_choice(arguments.stage, held, name="学段", where=f"{county} {year} 学年")
    stages = (arguments.stage,) if arguments.stage else held
    return county_batch(county, year, stages, standard.id, language=arguments.language, whole=stages == held)


def _bring_up_to_date(project: Project, source: str) -> None:
    from qbresearch.processed.build import build_source

    result = build_source(project, source, progress=lambda files: progress(files, source, "个文件"))
    if result.status == "refused":
        raise InputError(
            "数据有错误，没有处理", where=f"data/raw/{source}", found=result.summary(), expected="没有“错误”级的问题",
            fix=f"运行 qbresearch build {source} 查看并改正；或用 --source 指明另一个来源",
        )
    if result.status == "built":
        print(result.summary())


def _one_format(arguments: argparse.Namespace) -> str:
    """The format asked for, or that of the file name, or Word."""
    from qbresearch.publication.writers import FORMATS

    ending = arguments.output.suffix.lower().removeprefix(".") if arguments.output else ""
    format = str(check_choice((arguments.format or ending or "docx").lower(), FORMATS, name="格式", where="--format"))
    if arguments.output and ending != format:
        raise InputError(
            "文件名与格式不一致", where=f"--output {arguments.output}", found=f"格式是 {format}",
            expected=f"以 .{format} 结尾的文件名", fix=f"写作 --output {arguments.output.with_suffix(f'.{format}')}",
        )
    return format


def _saved(folder: Path, report: PublishedReport, format: str, output: Path | None) -> Path:
    from qbresearch.provenance import write_bytes

    written = folder / report.files[format]["file"]
    if output is None:
        return written
    write_bytes(output, written.read_bytes())
    return output
