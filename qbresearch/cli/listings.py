"""``qbresearch show``: what there is, and the details of one of them."""

from __future__ import annotations

import argparse
from typing import Any

from qbresearch.cli.runs import show_runs
from qbresearch.cli.terminal import print_frame
from qbresearch.errors import InputError, check_choice
from qbresearch.project import find_project

MAIN_SOURCE = "plan"
"""Id under which a plan's file registers the document itself."""


def show_standards(arguments: argparse.Namespace) -> None:
    from qbresearch.rules.standards import latest_standard, list_standards

    if arguments.name:
        standard = latest_standard(arguments.name)
        print(f"{standard.label_zh}（{standard.document}）")
        print_frame(standard.tidy(), ["entry", "value", "unit", "status", "quote", "source"])
        return
    for standard in map(latest_standard, list_standards()):
        print(f"{standard.id:18} {standard.label_zh}；{len(standard.indicators)} 项指标，配套列约定 {standard.table}")


def show_evaluations(arguments: argparse.Namespace) -> None:
    from qbresearch.rules.evaluations import latest_evaluation, list_evaluations

    if arguments.name:
        evaluation = latest_evaluation(arguments.name)
        print(f"{evaluation.label_zh}（{evaluation.document}）")
        print_frame(evaluation.tidy(), ["entry", "value", "unit", "status", "quote", "source", "remark"])
        return
    for evaluation in map(latest_evaluation, list_evaluations()):
        print(f"{evaluation.id:18} {evaluation.label_zh}；{len(evaluation.items)} 个条目，{len(evaluation.options)} 处可选口径")


def show_plans(arguments: argparse.Namespace) -> None:
    from qbresearch.language import label_of
    from qbresearch.rules.evaluations import latest_evaluation
    from qbresearch.rules.plan_words import describe
    from qbresearch.rules.plans import list_plans, load_plan
    from qbresearch.rules.standards import latest_standard

    folder = find_project(arguments.project).plans
    if arguments.name:
        use = load_plan(arguments.name, folder)
        print(f"{use.label_zh}（{use.plan.document}）" + (f"；{use.note}" if use.note else ""))
        evaluation = latest_evaluation(use.plan.evaluation).choose(use.options)
        told = describe(use, evaluation, latest_standard(use.plan.evaluation))
        own = label_of(use.plan.sources[MAIN_SOURCE], "title") if MAIN_SOURCE in use.plan.sources else ""
        if own:
            print(f"出处：{own}（另有出处的逐条注明）")
        for group, rows in told.groupby("group", sort=False):
            print(f"\n{group}")
            for row in rows.itertuples():
                print(f"  {row.entry}：{row.value}" if row.value else f"  {row.entry}")
                named = row.status if row.source == own else f"{row.source}；{row.status}"
                print(f"      {row.clause}“{row.quote}”（{named}）")
                if row.remark:
                    print(f"      {row.remark}")
        return
    for plan_id in list_plans(folder):
        try:
            use = load_plan(plan_id, folder)
        except InputError as fault:
            # One faulty file hides no other; asked for by its name it is refused with everything that is wrong.
            print(f"{plan_id:18} 读不进来：{fault.problem}（{fault.where}）")
            continue
        told = f"套用 {use.plan.id}" if use.id != use.plan.id else f"{use.plan.place}，{len(use.plan.targets)} 个目标" + ("；留空待填的模板" if use.plan.blanks else "")
        print(f"{use.id:18} {use.label_zh}；{told}" + ("；模拟数据" if use.simulated else ""))


def show_tables(arguments: argparse.Namespace) -> None:
    import pandas as pd

    from qbresearch.rules.columns import list_tables, load_table

    if arguments.name:
        contract = load_table(arguments.name)
        rows = [(c.name, c.label_zh, c.unit, next(iter(c.headings)), c.form, c.meaning) for c in contract.columns]
        print_frame(pd.DataFrame(rows, columns=["列", "名称", "单位", "表头", "统计表", "含义"]), None)
        return
    for contract in map(load_table, list_tables()):
        print(f"{contract.id:18} {contract.label_zh}；{len(contract.columns)} 列")


def show_designs(arguments: argparse.Namespace) -> None:
    import pandas as pd

    from qbresearch.rules.designs import list_designs, load_design

    if arguments.name:
        design = load_design(arguments.name)
        print(f"{design.label_zh}；成绩来自{design.results or '登记表本身'}；{design.source}")
        outcomes = [(o.id, "结果", o.label_zh, o.column) for o in design.outcomes]
        rows = [*outcomes, *((v.id, v.role, v.label_zh, v.column + (f" = {v.value}" if v.value else "")) for v in design.variables)]
        print_frame(pd.DataFrame(rows), None)
        return
    for design in map(load_design, list_designs()):
        subjects = "、".join(f"{o.id} {o.label_zh}" for o in design.outcomes)
        print(f"{design.id:18} {design.label_zh}；学科 {subjects}；配套列约定 {design.table}")


def show_settings(arguments: argparse.Namespace) -> None:
    from qbresearch.rules.settings import load_settings, settings_table

    names = tuple(load_settings())
    if arguments.name:
        names = (str(check_choice(arguments.name, names, name="设定", where="qbresearch show")),)
    print_frame(settings_table(names), None)


def show_layouts(arguments: argparse.Namespace) -> None:
    import pandas as pd

    from qbresearch.rules.layouts import list_layouts, load_layout

    if arguments.name:
        layout = load_layout(arguments.name)
        print(layout.label_zh)
        rows = [(name, f"{value:g}", layout.citations[name]) for name, value in layout.measures.items()]
        cited = [(name, value, c.unit, c.quote, c.source) for name, value, c in rows]
        print_frame(pd.DataFrame(cited, columns=["项目", "取值", "单位", "引文", "出处"]), None)
        return
    for layout in map(load_layout, list_layouts()):
        print(f"{layout.id:18} {layout.label_zh}")


def show_works(arguments: argparse.Namespace) -> None:
    from qbresearch.publication.bibliography import write_work
    from qbresearch.rules.works import load_works

    works = load_works()
    if arguments.name:
        works = {arguments.name: works[str(check_choice(arguments.name, works, name="文献", where="qbresearch show"))]}
    for key, work in works.items():
        print(f"{key:24} {write_work(work)}")


def show_sources(arguments: argparse.Namespace) -> None:
    from qbresearch.processed.store import (
        list_counties,
        read_provenance,
        school_years,
        why_outdated,
    )
    from qbresearch.raw.sources import kind_words, list_sources, open_source

    project = find_project(arguments.project)
    for source_id in [arguments.name] if arguments.name else list_sources(project.raw):
        source, built = open_source(project.raw, source_id), read_provenance(project, source_id)
        state = f"已处理 {built.rows} 行" if built else "尚未处理"
        if built and (changed := why_outdated(project, built)):
            state += f"，但已过期（{changed}）"
        print(f"{source_id:18} {kind_words()[source.kind]}；{source.title}；{state}")
        if arguments.name and built:
            for code, county in list_counties(project, built).items():
                print(f"    {code}：{'、'.join(map(str, school_years(county)))}")


def show_files(folder: str, pattern: str, what: str) -> Any:
    def show(arguments: argparse.Namespace) -> None:
        names = sorted(p.stem for p in (find_project(arguments.project).notebooks / folder).glob(pattern))
        if arguments.name:
            names = [check_choice(arguments.name, names, name=what, where="qbresearch show")]
        for name in names:
            print(name)

    return show


SHOWN = {
    "standards": show_standards,
    "evaluations": show_evaluations,
    "plans": show_plans,
    "tables": show_tables,
    "designs": show_designs,
    "settings": show_settings,
    "layouts": show_layouts,
    "works": show_works,
    "sources": show_sources,
    "notebooks": show_files(".", "*.ipynb", "笔记本"),
    "batches": show_files("batches", "*.toml", "批次"),
    "runs": show_runs,
}
