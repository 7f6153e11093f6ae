"""The appendix of a report: data, rules, parameters, runs and versions, so that a referee can make it again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from qbresearch.exhibits.blocks import TableBlock
from qbresearch.exhibits.tables import ABSENT
from qbresearch.language import clauses, listed, say
from qbresearch.publication.model import Appendix, Exhibit, Paragraph, Section, Text


def build_appendix(
    sections: Sequence[Section], stages: Mapping[str, str], packages: Mapping[str, str], code_sha256: str, run_id: str
) -> Appendix:
    """What every report ends with.

    Parameters
    ----------
    sections : sequence of Section
    stages : mapping
        What each stage id is called.
    packages : mapping
        Versions of the packages the numbers depend on.
    code_sha256 : str
        Checksum of the code and rules; empty where it is not known.
    run_id : str
        The batch that was run.
    """
    tables = (
        _table("facts", say("数据来源与规则"), [say("项目"), say("内容"), say("适用部分")], _facts(sections)),
        _table("parameters", say("运行参数"), [say("参数"), say("取值"), say("适用部分")], _parameters(sections, stages)),
        _table(
            "runs", say("各部分的运行记录"), [say("部分"), say("笔记本"), say("采用情况"), say("任务标识")], _runs(sections)
        ),
        _table("versions", say("软件版本"), [say("软件包"), say("版本")], sorted(packages.items())),
    )
    items = [
        Paragraph((Text(say("“适用部分”指正文的部分序号；同一输入与同一版本的软件重新运行，得到同一份报告。")),)),
        *(
            Exhibit(say("附表"), str(number), f"app-{number}", block)
            for number, block in enumerate(filter(None, tables), start=1)
        ),
    ]
    commands = f"qbresearch build; qbresearch run {run_id}; qbresearch publish {run_id}"
    items.append(Paragraph((Text(say("重新得到本报告的命令：")), Text(commands, code=True))))
    if code_sha256:
        items.append(
            Paragraph((Text(say("程序与规则文件的校验和（SHA-256）：")), Text(code_sha256, code=True)))
        )
    return Appendix(say("附录：参数、数据来源、规则与软件版本"), tuple(items))


def _table(id: str, caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> TableBlock | None:
    cells = tuple(tuple(map(str, row)) for row in rows)
    columns = tuple({"label": head, "align": "left"} for head in heads)
    return TableBlock(id=id, caption=caption, columns=columns, rows=cells) if cells else None


def _facts(sections: Sequence[Section]) -> list[tuple[str, str, str]]:
    return _gathered((s, _with_checksums(s.opening.facts) if s.opening else ()) for s in sections)


def _with_checksums(facts: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The facts with each checksum in the row of the data it belongs to, which stand before it."""
    said: list[tuple[str, str]] = []
    data = None
    for label, value in facts:
        if label == say("数据校验") and data is not None:
            said[data] = (said[data][0], clauses((said[data][1], value)))
            data = None
            continue
        if label == say("数据"):
            data = len(said)
        said.append((label, value))
    return said


def _parameters(sections: Sequence[Section], stages: Mapping[str, str]) -> list[tuple[str, str, str]]:
    return _gathered((s, list(_parameter_pairs(s, stages))) for s in sections if s.begins)


def _parameter_pairs(section: Section, stages: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    labels = parameter_labels()
    for name, value in section.job["parameters"].items():
        shown = stages.get(str(value), str(value)) if name == "stage" else str(value)
        shown = shown or ABSENT
        yield labels.get(name, name), shown


def parameter_labels() -> dict[str, str]:
    """What the usual parameters of a notebook are called."""
    return {
        "source_id": say("数据来源"),
        "county_code": say("县区划代码"),
        "school_year": say("学年"),
        "stage": say("学段"),
        "standard_id": say("标准"),
        "group_by": say("分组变量"),
        "design_id": say("关联设计"),
        "plan_id": say("规划"),
        "subject": say("学科"),
        "grade": say("年级"),
        "permutations": say("置换次数"),
        "focus": say("重点变量"),
        "seed": say("随机种子"),
        "language": say("报告语言"),
    }


def _runs(sections: Sequence[Section]) -> Iterator[tuple[Any, ...]]:
    for section in filter(lambda s: s.begins, sections):
        used = say("未采用") if section.refusal else say("已采用")
        yield section.number, section.job["notebook"], used, section.job.get("key") or ABSENT


def _gathered(pairs: Iterable[tuple[Section, Sequence[tuple[str, str]]]]) -> list[tuple[str, str, str]]:
    """Label, value and the sections it holds for (全部 if all that have any), in order of first appearance."""
    where: dict[tuple[str, str], list[str]] = {}
    numbers = []
    for section, found in pairs:
        numbers += [section.number] if found else []
        for label, value in dict.fromkeys((str(label), str(value)) for label, value in found):
            where.setdefault((label, value), []).append(section.number)
    labels = dict.fromkeys(label for label, _ in where)
    return [
        (label, value, say("全部") if found == numbers else listed(found))
        for wanted in labels
        for (label, value), found in where.items()
        if label == wanted
    ]
