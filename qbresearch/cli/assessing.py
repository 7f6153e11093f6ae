"""``qbresearch assess``: the verdict on a county, whole or in resources only, and why."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qbresearch.cli.parser import add_verb
from qbresearch.cli.terminal import plain, print_frame
from qbresearch.errors import EXIT_DONE, InputError, check_choice
from qbresearch.project import find_project

if TYPE_CHECKING:
    import pandas as pd

    from qbresearch.studies.evaluation import EvaluationStudy


def add_assess(verbs: Any) -> None:
    parser = add_verb(
        verbs, "assess", _assess, "对一个县或一个 Excel 文件作出判定",
        "指明县时列出督导评估全部条目的判定：前置条件、资源配置、政府保障、教育质量、社会认可、一票否决；\n"
        "--why 说明一个条目的要素、算式、条款与差额，--plan 把规划的目标并列在旁。\n"
        "给一个文件、一个学段或整个来源时，只判定资源配置：学校、差异系数、结论、缺口。\n\n"
        "例：qbresearch assess --county 青禾县 --year 2024\n"
        "    qbresearch assess --county 990101 --why G11\n"
        "    qbresearch assess --county 990101 --plan demo-template\n"
        "    qbresearch assess 我县2024学年.xlsx",
    )
    parser.add_argument("file", nargs="?", type=Path, metavar="文件", help="直接判定一个填好的 .xlsx 或 .csv")
    parser.add_argument("--source", metavar="来源", help="处理好的数据来源")
    parser.add_argument("--county", metavar="县", help="县区划代码、县名、拼音，或只有一个县符合的部分县名")
    parser.add_argument("--year", type=int, metavar="学年", help="学年起始年份；默认数据中最近的一年")
    parser.add_argument("--stage", metavar="学段", help="只看资源配置的一个学段：primary 小学，junior 初中")
    parser.add_argument("--standard", default="national-2017", metavar="标准", help="默认 national-2017")
    parser.add_argument("--plan", metavar="规划", help="并列规划的目标，见 qbresearch show plans")
    parser.add_argument("--why", metavar="条目", help="说明一个条目，如 G11、Q9、L2、R；一票否决为 V1 至 V6")
    parser.add_argument("--json", action="store_true", help="输出机器可读的 JSON")


def _assess(arguments: argparse.Namespace) -> int:
    """The whole evaluation of one county; of a file, a stage or a whole source its resource part."""
    from qbresearch.rules.evaluations import has_evaluation

    if arguments.county and not arguments.file and not arguments.stage and has_evaluation(arguments.standard):
        return _assess_county(arguments)
    for option in ("plan", "why"):
        if getattr(arguments, option):
            raise InputError(
                f"--{option} 要与一个县同用", where="qbresearch assess", found="没有 --county，或同时给了文件、--stage",
                expected="--county 与有全部条目的标准", fix=f"例：qbresearch assess --county 990101 --{option} {getattr(arguments, option)}",
            )
    return _assess_resources(arguments)


def _assess_county(arguments: argparse.Namespace) -> int:
    """Print the tree of verdicts of one county and year, or explain one entry of it."""
    from qbresearch.cli.county import counties_of, county_sources, find_county
    from qbresearch.exhibits import sentences
    from qbresearch.exhibits.text_tree import text_tree
    from qbresearch.language import label_of
    from qbresearch.studies.evaluation import open_evaluation
    from qbresearch.studies.plans import follow_plan
    from qbresearch.studies.study import open_study

    project = find_project(arguments.project)
    county = find_county(arguments.county, counties_of(project, county_sources(project, arguments.source)))
    year = county.years[-1] if arguments.year is None else arguments.year
    check_choice(year, county.years, name="学年", where=f"{county}的数据")
    study = open_study(
        source_id=county.source_id, county_code=county.code, school_year=year, standard_id=arguments.standard, project=project.root
    )
    evaluated = open_evaluation(study, plan_id=arguments.plan or "")
    if arguments.plan:
        evaluated.require_plan()  # before anything is computed or printed
    result, why = evaluated.result(), evaluated.why(arguments.why) if arguments.why else ()
    if arguments.json:
        found = result.tree.find(arguments.why).to_dict() if why else result.to_dict()
        if arguments.plan:
            found |= {"plan": {"id": arguments.plan, "targets": follow_plan(evaluated).targets().to_dict("records")}}
        print(json.dumps(plain(found), ensure_ascii=False, indent=1))
        return EXIT_DONE
    print(f"{label_of(evaluated.evaluation)}（{evaluated.evaluation.document}）")
    if why:
        print("\n".join(why))
        return EXIT_DONE
    print(sentences.tree_sentence(result.tidy(), place=study.place) + "\n")
    print(text_tree(evaluated.tree()))
    _print_options(evaluated)
    if arguments.plan:
        _print_targets(evaluated)
    for caution in evaluated.cautions():
        print(f"\n注意：{caution}")
    return EXIT_DONE


def _print_options(evaluated: EvaluationStudy) -> None:
    """The reading used wherever documents disagree, a line each, with what the others would make of the item."""
    from qbresearch.exhibits.style import verdict_words

    print("\n采用的口径：")
    words = verdict_words()
    for (item, label), rows in evaluated.options().groupby(["item", "label"], sort=False):
        used, others = rows[rows["chosen"].ne("")].iloc[0], rows[rows["chosen"].eq("")]
        told = "、".join(f"{r.choice}为{words[r.verdict]}" for r in others.itertuples())
        mark = "结论取决于口径；" if rows["decisive"].any() else ""
        print(f"  {item} {label}：{used['choice']}（{used['status']}），{words[used['verdict']]}；{mark}另有{told}")


def _print_targets(evaluated: EvaluationStudy) -> None:
    """Every target of the plan beside the national requirement, each with its own verdict."""
    from qbresearch.exhibits.evaluation_tables import beside_table
    from qbresearch.studies.plans import follow_plan

    followed = follow_plan(evaluated)
    print(f"\n规划“{followed.plan_label}”的目标，与国家要求并列，不代替国家判定：")
    table = beside_table(followed.targets())
    for row in table.rows:
        print("  " + "；".join(f"{column['label']} {cell}" if n else cell for n, (column, cell) in enumerate(zip(table.columns, row, strict=True))))


def _assess_resources(arguments: argparse.Namespace) -> int:
    from qbresearch.exhibits import sentences
    from qbresearch.results.resources.attainment import assess
    from qbresearch.results.resources.indicators import compute_indicators
    from qbresearch.results.resources.needs import sum_shortfalls
    from qbresearch.results.resources.parts import stage_parts
    from qbresearch.rules.standards import load_standard, school_year_start

    schools, contract, names = _read_for_assessment(arguments)
    years = sorted(int(y) for y in schools["school_year"].dropna().unique())
    if not years:
        raise InputError(
            "表里没有学校", where=str(arguments.file or arguments.source), found="0 行", expected="至少一所学校",
            fix="填好后再判定",
        )
    year = arguments.year if arguments.year is not None else years[-1]
    check_choice(year, years, name="学年", where="数据")
    standard = load_standard(arguments.standard, on=school_year_start(year))
    table = compute_indicators(stage_parts(schools[schools["school_year"] == year], standard, contract), standard)
    if arguments.stage:
        table = table.for_stage(arguments.stage)
    result = assess(table)
    if arguments.json:
        print(json.dumps(plain(result.to_dict()), ensure_ascii=False, indent=1))
        return EXIT_DONE
    cvs, needs = result.dispersion_table(), sum_shortfalls(result)
    print(f"{standard.label_zh}（{standard.document}）")
    unit = ["county_code", "stage"]
    for key, county in result.county_table().set_index(unit, drop=False).iterrows():
        place = f"{names.get(key[0], key[0])}{year}—{year + 1} 学年{standard.stage(key[1]).label_zh}"
        one_cvs, one_needs = (
            frame[frame["county_code"].eq(key[0]) & frame["stage"].eq(key[1])] for frame in (cvs, needs)
        )
        rule = standard.rules.get("school_min_met")
        unverified = rule is not None and rule.citation.status == "unverified"
        print("\n" + sentences.verdict_sentence(county, place=place, rule_unverified=unverified))
        print("  " + sentences.dispersion_sentence(one_cvs, place="差异系数", decimals=standard.decimals("cv_decimals")))
        if len(one_needs):
            print("  " + sentences.shortfall_sentence(one_needs, place="缺口"))
    for caution in standard.unverified():
        print(f"\n注意：{caution}。")
    return EXIT_DONE


def _read_for_assessment(arguments: argparse.Namespace) -> tuple[pd.DataFrame, Any, dict[str, str]]:
    """Schools, contract and county names, from a file or from processed data."""
    from qbresearch.processed.store import load_processed
    from qbresearch.raw.checks import check_table
    from qbresearch.raw.reading import ERROR, read_file
    from qbresearch.rules.columns import load_table

    if arguments.file is None:
        if not arguments.source:
            raise InputError(
                "没有说明判定什么", where="qbresearch assess", found="既没有文件，也没有 --source",
                expected="一个文件，或 --source 来源 --county 代码", fix="例：qbresearch assess 我县2024学年.xlsx",
            )
        data = load_processed(find_project(arguments.project), arguments.source, county_code=arguments.county)
        return data.frame, data.contract, data.county_names()
    given = [f"--{name}" for name in ("source", "county") if getattr(arguments, name)]
    if given:
        raise InputError(
            "同时给了文件和数据来源", where="qbresearch assess", found=f"{arguments.file.name} 与 {'、'.join(given)}",
            expected="一个文件，或 --source 来源 --county 代码", fix=f"去掉 {'、'.join(given)}，或去掉文件",
        )
    if not arguments.file.exists():
        raise InputError("找不到文件", where=str(arguments.file), found="没有这个文件", expected=".xlsx 或 .csv", fix="核对路径")
    contract = load_table("school")
    read = read_file(arguments.file, contract)
    import pandas as pd

    problems = pd.concat([read.problems, check_table(read.table, contract)], ignore_index=True)
    if len(problems):
        print_frame(problems, ["sheet", "row", "column", "level", "found", "expected", "fix"], stream=sys.stderr)
    if (problems["level"] == ERROR).any():
        raise InputError(
            "文件有错误，先改正再判定", where=arguments.file.name, found=f"{int((problems['level'] == ERROR).sum())} 处错误",
            expected="没有“错误”级的问题", fix="按上表逐处改正",
        )
    names = dict(read.table[["county_code", "county_name"]].drop_duplicates().itertuples(index=False))
    return read.table, contract, names
