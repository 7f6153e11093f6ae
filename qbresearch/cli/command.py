"""The ``qbresearch`` command: one function per verb, exit codes as a contract.

0 done; 1 checks found something; 2 the input is wrong; 3 some notebook runs failed; 130 interrupted. A county that
misses a standard is a result: exit code 0. Imports of the heavy stack are made inside the verbs so that ``--help``
answers at once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qbresearch.cli.assessing import add_assess
from qbresearch.cli.files import check_folder, check_new
from qbresearch.cli.listings import SHOWN
from qbresearch.cli.opening import add_open
from qbresearch.cli.parser import (
    EPILOG,
    ChineseFormatter,
    ChineseParser,
    add_help_option,
    add_verb,
)
from qbresearch.cli.publishing import add_publish, add_report, add_run
from qbresearch.cli.terminal import print_frame, progress
from qbresearch.errors import (
    EXIT_DONE,
    EXIT_FINDINGS,
    EXIT_INPUT,
    EXIT_INTERRUPTED,
    InputError,
    QbError,
    check_choice,
    system_refusal,
)
from qbresearch.project import Project, find_project

if TYPE_CHECKING:
    import pandas as pd

SHOWN_PROBLEMS = 30
PROBLEM_HEADINGS = {
    "file": "文件", "sheet": "工作表", "row": "行", "column": "列", "level": "级别", "found": "看到", "expected": "应为",
    "fix": "处理办法", "source": "来源",
}
INTERRUPTED = "已完成的部分都已保存，再次运行同一命令会接着做。"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    _speak_utf8()
    arguments = build_parser().parse_args(argv)
    try:
        return arguments.verb(arguments)
    except QbError as error:
        print(f"qbresearch：{error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"\n已中断。{getattr(arguments, 'interrupted', INTERRUPTED)}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; nothing is wrong and nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
    except OSError as error:
        if (refusal := system_refusal(error)) is None:
            raise
        print(f"qbresearch：{refusal}", file=sys.stderr)
        return refusal.exit_code


def _speak_utf8() -> None:
    """Chinese must reach a terminal or a pipe whatever the machine's own encoding is."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


# --- the parser --------------------------------------------------------------------------------------------------


def build_parser() -> argparse.ArgumentParser:
    """The command line, each verb with a help text a non-programmer can follow."""
    parser = ChineseParser(
        prog="qbresearch",
        description="县域义务教育优质均衡研究工作台：从原始表格到可核查的县域结论与报告。",
        epilog=EPILOG,
        formatter_class=ChineseFormatter,
        add_help=False,
        allow_abbrev=False,
    )
    add_help_option(parser)
    parser.add_argument("--project", type=Path, metavar="文件夹", help="项目文件夹；默认从当前文件夹向上寻找")
    verbs = parser.add_subparsers(dest="name", required=True, metavar="命令", title="命令")
    for add in (
        _add_template, _add_verify, _add_build, add_assess, add_run, add_open, add_publish, add_report, _add_show,
        _add_doctor,
    ):
        add(verbs)
    return parser


def _add_template(verbs: Any) -> None:
    parser = add_verb(
        verbs, "template", _template, "生成一个待填的 Excel 工作簿",
        "生成一个待填的 Excel 工作簿：带下拉选项、单位、填写说明和示例，填好后可直接读入。\n\n"
        "例：qbresearch template 我县2024学年.xlsx",
    )
    parser.add_argument("path", type=Path, metavar="文件.xlsx", help="写到哪里；已有同名文件时不会覆盖")
    parser.add_argument("--table", default="school", metavar="列约定", help="哪一种表，默认 school（义务教育学校表）")
    parser.add_argument("--example", action="store_true", help="在正式工作表里填入三所示例学校，供试用")


def _add_verify(verbs: Any) -> None:
    parser = add_verb(
        verbs, "verify", _verify, "核对原始数据与护照、规则文件是否完好",
        "逐字节核对 data/raw 中每个来源的文件与其护照（source.toml），并检查全部规则文件。\n"
        "不改动任何原始文件。发现问题时退出码为 1。\n\n"
        "例：qbresearch verify            核对全部\n"
        "    qbresearch verify --write 我县2024   为新放入的文件生成护照草稿",
    )
    parser.add_argument("sources", nargs="*", metavar="来源", help="data/raw 下的文件夹名；默认全部")
    parser.add_argument("--write", metavar="来源", help="为这个文件夹生成护照 source.toml，或登记新放入的文件")
    parser.add_argument("--replace", action="store_true", help="与 --write 同用：自己填的表改正以后，重新登记改过的文件")


def _add_build(verbs: Any) -> None:
    parser = add_verb(
        verbs, "build", _build, "读入原始表格，生成处理好的数据",
        "读入 data/raw，核对每一格，写成 data/processed。有“错误”的来源一行也不写入，\n"
        "全部问题一次列出；“提示”只告知，不阻止。没有变化的来源不重做。\n\n"
        "例：qbresearch build\n    qbresearch build 我县2024 --problems 问题清单.xlsx",
    )
    parser.add_argument("sources", nargs="*", metavar="来源", help="data/raw 下的文件夹名；默认全部")
    parser.add_argument("--problems", type=Path, metavar="文件", help="把全部问题另存为 .xlsx 或 .csv")


def _add_show(verbs: Any) -> None:
    parser = add_verb(
        verbs, "show", _show, "列出标准、督导评估条目、规划、列约定、关联设计、设定、数据、笔记本、批次或各次运行",
        "列出可用的内容；给出名称时列出它的细目：每个数的单位、条款、原句、出处和状态。\n\n"
        "例：qbresearch show standards national-2017\n    qbresearch show evaluations national-2017\n"
        "    qbresearch show plans x-county-2026\n    qbresearch show sources\n"
        "    qbresearch show runs demo        各次运行，以及最近一次的用时与失败原因\n"
        "    qbresearch show runs demo/3      第 3 次运行",
    )
    parser.add_argument("what", choices=tuple(SHOWN), metavar="内容", help="、".join(SHOWN))
    parser.add_argument("name", nargs="?", metavar="名称", help="其中一个的名称；笔记本与批次没有细目，只核对有没有；runs 后面写批次或 批次/第几次")


def _add_doctor(verbs: Any) -> None:
    parser = add_verb(
        verbs, "doctor", _doctor, "检查本机缺不缺什么，说明怎样补上",
        "检查 Python 与软件包、项目文件夹、笔记本内核与运行引擎、字体、PDF 与 Word 的生成、文字编码、磁盘与内存，\n"
        "每项试用一次，说明看到什么、怎样补上。缺少必需的东西时退出码为 2。\n\n"
        "例：qbresearch doctor\n    qbresearch doctor --json",
    )
    parser.add_argument("--json", action="store_true", help="输出机器可读的 JSON")


# --- verbs -------------------------------------------------------------------------------------------------------


def _template(arguments: argparse.Namespace) -> int:
    from qbresearch.raw.template import write_filled_example, write_template
    from qbresearch.rules.columns import load_table

    path: Path = arguments.path
    if path.is_dir():
        raise InputError(
            "给出的是文件夹，不是文件名", where=str(path), found="一个文件夹", expected="要生成的文件，如 我县2024学年.xlsx",
            fix="在文件夹后面写上文件名",
        )
    check_folder(path)
    if path.suffix.lower() != ".xlsx":
        path = path.with_name(path.name + ".xlsx")
    check_new(path)
    (write_filled_example if arguments.example else write_template)(load_table(arguments.table), path)
    if arguments.table == "school":
        print(f"已生成 {path}。填好后放入 data/raw/<来源>/，或直接运行 qbresearch assess {path}")
    else:
        print(
            f"已生成 {path}。填好后放入 data/raw/<来源>/，运行 qbresearch verify --write <来源> 登记、"
            "qbresearch build 读入；判定时按县区划代码找到"
        )
    return EXIT_DONE


def _verify(arguments: argparse.Namespace) -> int:
    from qbresearch.raw.sources import list_sources, open_source, verify_source
    from qbresearch.rules.columns import list_tables, load_table
    from qbresearch.rules.designs import list_designs, load_design
    from qbresearch.rules.evaluations import check_evaluations
    from qbresearch.rules.layouts import list_layouts, load_layout
    from qbresearch.rules.plans import list_plans, load_plan
    from qbresearch.rules.settings import load_settings
    from qbresearch.rules.standards import check_standards
    from qbresearch.rules.works import load_works

    project = find_project(arguments.project)
    if arguments.write:
        return _write_passport(project, arguments.write, replace=arguments.replace)
    for table in list_tables():
        load_table(table)
    for design in list_designs():
        load_design(design)
    for layout in list_layouts():
        load_layout(layout)
    standards, evaluations = check_standards(), check_evaluations()
    plans = [load_plan(plan, project.plans) for plan in list_plans(project.plans)]
    print(
        f"规则文件完好：{len(standards)} 个标准或指标集，{len(evaluations)} 套督导评估条目，{len(plans)} 份规划，{len(list_tables())} 个列约定，{len(list_designs())} 个关联设计，"
        f"{len(load_settings())} 个分析设定，{len(list_layouts())} 种版式，{len(load_works())} 条文献。"
    )
    found, faulty = 0, False
    for source_id in arguments.sources or list_sources(project.raw):
        try:
            source = open_source(project.raw, source_id)
            problems = verify_source(source)
        except InputError as error:
            # One faulty passport must not hide what is wrong with the other sources.
            print(f"qbresearch：{error}", file=sys.stderr)
            faulty = True
            continue
        found += len(problems)
        print(f"{source_id}：{len(source.files)} 个文件，" + (f"{len(problems)} 处不符" if len(problems) else "与护照一致"))
        if len(problems):
            print_frame(problems, ["file", "problem", "found", "expected", "fix"])
    if faulty:
        return EXIT_INPUT
    return EXIT_FINDINGS if found else EXIT_DONE


def _write_passport(project: Project, source_id: str, *, replace: bool) -> int:
    from qbresearch.provenance import write_text
    from qbresearch.raw.sources import PASSPORT, TO_FILL, draft_passport

    path = project.raw / source_id / PASSPORT
    text = draft_passport(project.raw, source_id, replace=replace)
    write_text(path, text)
    todo = "请补全标为“待填”的几项：名称、提供单位、取得途径、使用许可；数据若是模拟的，把 kind 改成 simulated。"
    print(f"已写入 {path.relative_to(project.root)}。" + (todo if TO_FILL in text else "各项都已填好，接着运行 qbresearch build。"))
    return EXIT_DONE


def _build(arguments: argparse.Namespace) -> int:
    import pandas as pd

    from qbresearch.processed.build import build_source
    from qbresearch.raw.sources import list_sources

    project = find_project(arguments.project)
    if arguments.problems:
        check_folder(arguments.problems)
        check_choice(arguments.problems.suffix.lower(), (".xlsx", ".csv"), name="文件类型", where="--problems")
    sources = arguments.sources or list_sources(project.raw)
    if not sources:
        print("data/raw 中还没有来源，没有要处理的数据。把收到的文件放进 data/raw/<来源>/，再运行 qbresearch verify --write <来源>")
        return EXIT_DONE
    refused, problems = False, []
    for source_id in sources:
        try:
            result = build_source(project, source_id, progress=lambda files, what=source_id: progress(files, what, "个文件"))
        except InputError as error:
            # One faulty source must not keep the others from being built.
            print(f"qbresearch：{error}", file=sys.stderr)
            refused = True
            problems.append(_refusal_row(error, source_id))
            continue
        refused |= result.status == "refused"
        problems.append(result.tidy())
        print(result.summary())
        if len(result.problems):
            shown = ["file", "sheet", "row", "column", "level", "found", "expected", "fix"]
            print_frame(result.problems.head(SHOWN_PROBLEMS), shown)
            if len(result.problems) > SHOWN_PROBLEMS:
                print(f"  ……另有 {len(result.problems) - SHOWN_PROBLEMS} 处，用 --problems 文件.xlsx 全部保存")
    if arguments.problems:
        _save_problems(pd.concat(problems), arguments.problems)
    return EXIT_INPUT if refused else EXIT_DONE


def _refusal_row(error: InputError, source_id: str) -> pd.DataFrame:
    """A source that was refused as a whole, as a row of the list of problems."""
    from qbresearch.raw.problems import Problems

    problems = Problems(error.where)
    problems.add("—", "—", "—", f"{error.problem}：{error.found}", error.expected, error.fix)
    return problems.frame().assign(source=source_id)


def _save_problems(problems: pd.DataFrame, path: Path) -> None:
    """Save problems so that no text that came from a received file can become a formula."""
    from io import BytesIO

    from openpyxl import Workbook
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    from qbresearch.provenance import write_bytes
    from qbresearch.raw.workbooks import FORMULA_STARTS, put_text

    table = problems.rename(columns=PROBLEM_HEADINGS).astype(str)
    buffer = BytesIO()
    if path.suffix.lower() == ".csv":
        table.map(lambda text: f"'{text}" if text.startswith(FORMULA_STARTS) else text).to_csv(
            buffer, index=False, encoding="utf-8-sig"
        )
    else:
        workbook = Workbook()
        for row, texts in enumerate([list(table.columns), *table.itertuples(index=False)], 1):
            for column, text in enumerate(texts, 1):
                put_text(workbook.active.cell(row, column), ILLEGAL_CHARACTERS_RE.sub("", text))
        workbook.save(buffer)
    write_bytes(path, buffer.getvalue())
    print(f"全部 {len(problems)} 处问题已存入 {path}")


def _show(arguments: argparse.Namespace) -> int:
    SHOWN[arguments.what](arguments)
    return EXIT_DONE


def _doctor(arguments: argparse.Namespace) -> int:
    from qbresearch.cli.doctor import is_ready, run_checks

    checks = run_checks(arguments.project)
    ready = is_ready(checks)
    if arguments.json:
        print(json.dumps({"ready": ready, "checks": [c.to_dict() for c in checks]}, ensure_ascii=False, indent=1))
        return EXIT_DONE if ready else EXIT_INPUT
    for check in checks:
        print(f"{check.mark} {check.name}：{check.found}" + (f"\n    办法：{check.fix}" if check.fix else ""))
    lacking = sum(check.state == "missing" for check in checks)
    print("\n必需的都已具备。" if ready else f"\n有 {lacking} 项必需的东西要先补上（标 ✗ 的各项）。")
    return EXIT_DONE if ready else EXIT_INPUT
