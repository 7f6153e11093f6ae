"""What a batch file may hold, what is refused, and when a job must run again; nothing here starts a notebook."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_batch import (
    BATCH,
    COUNTY,
    FakeData,
    make_project,
    notebook_text,
    plan_of,
)

from qbresearch import code_used
from qbresearch.batches import planning as batch_module
from qbresearch.batches.batchfile import Grid, batch_path, load_batch
from qbresearch.batches.contract import Template, read_template
from qbresearch.batches.grid import Draft, job_names
from qbresearch.batches.ledger import LEDGER, JobRecord, Ledger
from qbresearch.batches.planning import PlannedJob
from qbresearch.errors import InputError
from qbresearch.provenance import file_sha256, package_versions


def refusal(project) -> str:
    with pytest.raises(InputError) as caught:
        plan_of(project)
    return str(caught.value)


# ---------------------------------------------------------------------------------------------- what is expanded


def test_lists_are_crossed_and_scalars_fixed(tmp_path):
    text = BATCH.replace("school_year = 2022", "school_year = [2022]\nstage = ['primary', 'junior']")
    jobs = [planned.job for planned in plan_of(make_project(tmp_path / "p", text)).jobs]
    assert [job.name for job in jobs] == [
        "county--demo--990101--2022--primary",
        "county--demo--990101--2022--junior",
        "county--demo--990102--2022--primary",
        "county--demo--990102--2022--junior",
    ]
    assert jobs[0].parameters == {
        "source_id": "demo",
        "county_code": "990101",
        "school_year": 2022,
        "stage": "primary",
        "seed": 20240901,
    }


def test_all_counties_and_all_years_come_from_the_data(tmp_path):
    text = BATCH.replace('["990101", "990102"]', '"all"').replace("school_year = 2022", 'school_year = "all"')
    jobs = [planned.job for planned in plan_of(make_project(tmp_path / "p", text)).jobs]
    held = [(job.parameters["county_code"], job.parameters["school_year"]) for job in jobs]
    assert held == [("990101", 2022), ("990101", 2023), ("990102", 2022)]


def test_all_years_of_a_whole_source(tmp_path):
    contract = "source_id: str\nschool_year: int"
    text = BATCH.replace('county_code = ["990101", "990102"]\n', "").replace("= 2022", '= "all"')
    text = text.replace("[common]\nseed = 20240901\n", "")
    jobs = [p.job for p in plan_of(make_project(tmp_path / "p", text, county=notebook_text(contract))).jobs]
    assert [job.parameters["school_year"] for job in jobs] == [2022, 2023]
    assert jobs[0].reads == {"rows:demo/": FakeData().answer("rows", "demo/")}


def test_common_applies_only_where_it_is_declared(tmp_path):
    text = BATCH + '[[grid]]\nnotebook = "plain"\n'
    notebooks = {"county": notebook_text(COUNTY), "plain": notebook_text("top: int = 5")}
    jobs = [planned.job for planned in plan_of(make_project(tmp_path / "p", text, **notebooks)).jobs]
    assert jobs[-1].name == "plain"
    assert jobs[-1].parameters == {"top": 5}
    assert jobs[-1].reads == {}


def test_grid_value_wins_over_common_and_default(tmp_path):
    text = BATCH + "seed = 7\n"
    jobs = [planned.job for planned in plan_of(make_project(tmp_path / "p", text)).jobs]
    assert {job.parameters["seed"] for job in jobs} == {7}


def test_whole_number_for_a_float_becomes_a_float(tmp_path):
    text = 'id = "demo"\ntitle = "试"\n[[grid]]\nnotebook = "plain"\n[grid.parameters]\nshare = [1, 0.5]\n'
    project = make_project(tmp_path / "p", text, plain=notebook_text("share: float = 0.1"))
    values = [planned.job.parameters["share"] for planned in plan_of(project).jobs]
    assert [repr(value) for value in values] == ["1.0", "0.5"]


# ---------------------------------------------------------------------------------------------- what is refused

BAD_FILES = {
    "unknown entry": ("title =", "titel =", 2, "不认识条目 titel；是不是想写 title？"),
    "unknown cover entry": ("[common]", "[cover]\nauthor = \"甲\"\n[common]", 4, "cover 不认识条目 author；是不是想写 authors？"),
    "one author as text": ("[common]", "[cover]\nauthors = \"甲\"\n[common]", 4, "cover 中的 authors 应为文本列表"),
    "unknown grid entry": ("notebook =", "notebok =", 6, "不认识条目 notebok；是不是想写 notebook？"),
    "missing title": ('title = "试验批次"\n', "", None, "缺少 title"),
    "id is not the file name": ('id = "demo"\ntitle', 'id = "dmeo"\ntitle', 1, 'id = "demo"；看到 "dmeo"'),
    "grid of one bracket": ("[[grid]]\nnotebook", "[grid]\nnotebook", 5, "至少要有一段 [[grid]]"),
    "list in common": ("seed = 20240901", "seed = [1, 2]", 4, "common 中的 seed 只能是一个值"),
    "common nobody declares": ("seed = 20240901", "sed = 1", 4, "sed 没有一个笔记本声明；是不是想写 seed？"),
    "common of a wrong type": ("seed = 20240901", 'seed = "1"', 4, "seed 应为整数（int），看到 \"1\""),
    "empty list": ('["990101", "990102"]', "[]", 9, "county_code 是空列表"),
    "table as a value": ('["990101", "990102"]', "{a = 1}", 9, "county_code 应为一个值或一个列表"),
    "unknown parameter": ("school_year =", "shool_year =", 10, "没有声明参数 shool_year；是不是想写 school_year？"),
    "code as a number": ('"990101"', "990101", 9, '应为文本（str），看到 990101；代码是文本，请加引号写成 "990101"'),
    "true as a number": ("school_year = 2022", "school_year = true", 10, "school_year 应为整数（int），看到 true"),
    "nested list": ('"990101"', '["990101"]', 9, "county_code 应为文本（str）"),
    "value twice in a list": ('"990102"', '"990101"', 9, 'county_code 的列表里 "990101" 重复'),
    "no such notebook": ('notebook = "county"', 'notebook = "conty"', 6, "没有笔记本 conty；是不是想写 county？"),
    "ending in the name": ('notebook = "county"', 'notebook = "county.ipynb"', 6, "是不是想写 county？"),
    "required parameter": ('county_code = ["990101", "990102"]\n', "", 6, "county_code 没有默认值"),
    "source not built": ('source_id = "demo"', 'source_id = "demmo"', 8, "数据源 demmo 还没有构建；是不是想写 demo？"),
    "no such county": ('"990102"', '"990109"', 9, "数据源 demo 没有县 990109；是不是想写 9901"),
    "no such year": ("school_year = 2022", "school_year = 2023", 10, "没有 2023 学年的县：990102，共 1 个"),
    "all sources": ('source_id = "demo"', 'source_id = "all"', 8, "数据源 all 还没有构建"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FILES)
def test_refuses_a_bad_file_and_names_the_line(tmp_path, name):
    old, new, line, words = BAD_FILES[name]
    assert BATCH.count(old) == 1
    message = refusal(make_project(tmp_path / "p", BATCH.replace(old, new)))
    found = [row for row in message.splitlines() if words in row]
    assert found, message
    assert f"第 {line} 行：" in found[0] if line else "行：" not in found[0]
    assert "demo.toml" in message


def test_value_on_a_line_of_its_own_is_found_there(tmp_path):
    text = BATCH.replace('["990101", "990102"]', '[\n  "990101",\n  "990109",  # 没有这个县\n]')
    assert "第 11 行：数据源 demo 没有县 990109" in refusal(make_project(tmp_path / "p", text))


def test_line_is_that_of_the_right_grid(tmp_path):
    second = '[[grid]]\nnotebook = "county"\n[grid.parameters]\ncounty_code = "990109"\n'
    message = refusal(make_project(tmp_path / "p", BATCH + second))
    assert "第 14 行：数据源 demo 没有县 990109" in message


def test_missing_years_are_counted_not_listed_one_by_one(tmp_path):
    held = {"demo": {f"9901{n:02d}": (2022,) for n in range(30)}}
    text = BATCH.replace('["990101", "990102"]', '"all"').replace("= 2022", "= [2022, 2031]")
    with pytest.raises(InputError) as caught:
        plan_of(make_project(tmp_path / "p", text), FakeData(held))
    assert "有 1 处要改" in str(caught.value)
    assert "第 10 行：数据源 demo 中没有 2031 学年的县：990100、990101" in str(caught.value)
    assert "共 30 个" in str(caught.value)


def test_default_that_the_data_do_not_hold_is_refused_too(tmp_path):
    text = BATCH.replace("school_year = 2022\n", "")
    notebook = notebook_text(COUNTY.replace("2022", "1999"))
    message = refusal(make_project(tmp_path / "p", text, county=notebook))
    assert "第 6 行：数据源 demo 中没有 1999 学年的县：990101、990102" in message


def test_source_without_counties_gives_no_empty_batch(tmp_path):
    text = BATCH.replace('["990101", "990102"]', '"all"')
    with pytest.raises(InputError, match="数据源 demo 一个县也没有"):
        plan_of(make_project(tmp_path / "p", text), FakeData({"demo": {}}))


def test_unknown_standard_is_refused_with_the_rest(tmp_path):
    text = BATCH + 'standard_id = ["gb", "bg"]\nstaeg = "primary"\n'
    message = refusal(make_project(tmp_path / "p", text, county=notebook_text(COUNTY + 'standard_id: str = "gb"')))
    assert "第 11 行：标准 bg：没有这个标准；是不是想写 gb？" in message
    assert "第 12 行：county 没有声明参数 staeg；是不是想写 stage？" in message


def test_duplicate_jobs_of_two_grids(tmp_path):
    second = BATCH[BATCH.index("[[grid]]") :].replace('["990101", "990102"]', '"990102"')
    message = refusal(make_project(tmp_path / "p", BATCH + second))
    assert "第 12 行：第 2 段 [[grid]] 有 1 个任务与第 1 段重复" in message


@pytest.mark.parametrize(
    ("notebook", "words"),
    [
        (notebook_text(None, "1"), "没有带 parameters 标签的单元格"),
        (notebook_text(COUNTY, "1").replace('"tags": []', '"tags": ["parameters"]'), "2 个带 parameters 标签的单元格"),
        (notebook_text("a = 1"), "第 1 行：参数单元格有一行看不懂，看到 a = 1"),
        (notebook_text("a: int = 1\nprint(a)"), "第 2 行：参数单元格有一行看不懂，看到 print(a)"),
        (notebook_text("a: list = []"), "看到 a: list = []"),
        (notebook_text("a: int = '1'"), "看到 a: int = '1'"),
        (notebook_text("a: int = True"), "看到 a: int = True"),
        (notebook_text("a: int = 1 + 1"), "看到 a: int = 1 + 1"),
        (notebook_text("a: int = 1\na: int = 2"), "参数单元格第 2 行"),
        (notebook_text("a: int ="), "参数单元格第 1 行"),
        ("{}", "不是有效的笔记本文件"),
        ("not json", "不是有效的笔记本文件"),
        ("[]", "不是有效的笔记本文件"),
    ],
)
def test_refuses_a_notebook_without_a_proper_contract(tmp_path, notebook, words):
    message = refusal(make_project(tmp_path / "p", county=notebook))
    assert words in message
    assert "第 6 行：county.ipynb" in message


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('county_code = ["990101", "990102"]\n', "", 6),
        ('["990101", "990102"]', '""', 9),
        ('["990101", "990102"]', '["990101", ""]', 9),
        ('county_code = ["990101", "990102"]\n', "", 4),
    ],
    ids=["default", "grid", "one of a list", "common"],
)
def test_parameter_marked_as_to_be_filled_may_not_be_empty(tmp_path, old, new, line):
    contract = COUNTY.replace("county_code: str  # 县代码", 'county_code: str = ""  # 县代码（必填）')
    text = BATCH.replace(old, new)
    if line == 4:
        text = text.replace("seed = 20240901", 'county_code = ""')
    message = refusal(make_project(tmp_path / "p", text, county=notebook_text(contract)))
    assert f"第 {line} 行：county 的参数 county_code 不能为空" in message
    assert plan_of(make_project(tmp_path / "filled", county=notebook_text(contract))).jobs


def test_parameter_without_the_mark_may_be_empty(tmp_path):
    contract = COUNTY.replace("county_code: str  # 县代码", 'county_code: str = ""  # 县代码')
    text = BATCH.replace('["990101", "990102"]', '""')
    assert len(plan_of(make_project(tmp_path / "p", text, county=notebook_text(contract))).jobs) == 1


def test_contract_is_read_with_defaults_and_help(tmp_path):
    source = '# 说明\n\nname: str = "甲#乙"  # 名称\nlow: float = -1  # 下限\nn: int\nstrict: bool = False\n'
    (tmp_path / "x.ipynb").write_text(notebook_text(source), encoding="utf-8")
    contract = read_template(tmp_path / "x.ipynb").parameters
    seen = [(p.name, p.type, p.default, p.help, p.required) for p in contract.values()]
    assert seen == [
        ("name", "str", "甲#乙", "名称", False),
        ("low", "float", -1.0, "下限", False),
        ("n", "int", None, "", True),
        ("strict", "bool", False, "", False),
    ]


def test_all_problems_are_reported_at_once_in_the_order_of_the_file(tmp_path):
    text = (
        BATCH.replace("title =", "titel =")
        .replace("seed = 20240901", 'seed = "x"')
        .replace('"990102"', '"990109"')
        .replace("school_year = 2022", "school_year = [2022, 2040]\nstgae = 'primary'")
        + '[[grid]]\nnotebook = "nowhere"\n[[grid]]\nnotebook = "county"\n[grid.parameters]\ncounty_code = 990101\n'
    )
    message = refusal(make_project(tmp_path / "p", text))
    rows = [row.strip() for row in message.splitlines() if row.strip()[:1].isdigit()]
    lines = [row.split("第 ")[1].split(" 行")[0] for row in rows if "第 " in row]
    assert lines == ["2", "4", "9", "10", "11", "13", "17"]
    assert f"有 {len(rows)} 处要改" in message
    assert any("缺少 title" in row for row in rows)


def test_very_long_list_of_problems_is_cut_with_a_count(tmp_path):
    codes = ", ".join(f'"77{n:04d}"' for n in range(100))
    message = refusal(make_project(tmp_path / "p", BATCH.replace('"990101", "990102"', codes)))
    assert "有 100 处要改" in message
    assert "另有 40 处" in message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (BATCH.replace('"990101"', "010101").encode(), ["demo.toml 第 9 行", "以 0 开头的代码要加引号"]),
        (BATCH.replace('id = "demo"', "id = “demo”").encode(), ["demo.toml 第 1 行", "半角"]),
        (BATCH.encode("gbk"), ["不是 UTF-8", "另存为 UTF-8"]),
    ],
)
def test_refuses_what_is_not_toml(tmp_path, data, words):
    project = make_project(tmp_path / "p")
    path = project.notebooks / "batches" / "demo.toml"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        load_batch(path)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_file_of_a_windows_editor_is_read(tmp_path):
    project = make_project(tmp_path / "p")
    path = project.notebooks / "batches" / "demo.toml"
    path.write_bytes(b"\xef\xbb\xbf" + BATCH.replace("\n", "\r\n").encode())
    assert len(plan_of(project).jobs) == 2


def test_unknown_batch_names_those_there_are(tmp_path):
    with pytest.raises(InputError, match="是不是想写 demo？"):
        batch_path(make_project(tmp_path / "p"), "dmo")


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="没有这个文件"):
        load_batch(tmp_path / "none.toml")


# ---------------------------------------------------------------------------------------------- names

values = st.one_of(st.text(max_size=200), st.integers(), st.booleans(), st.sampled_from(["a", "A", "a b", "..", "县"]))


@given(st.lists(st.tuples(values, values), max_size=12, unique_by=repr), st.sampled_from(["manifest", "20-x", "资源"]))
def test_names_are_unique_safe_and_stable(pairs, notebook):
    template = Template(notebook, "", "", {}, ())
    drafts = [Draft(Grid(0, notebook, {"a": 0, "b": 0}), template, {"a": a, "b": b}) for a, b in pairs]
    drafts.append(Draft(Grid(1, notebook, {}), template, {}))
    names = job_names(drafts)
    assert len({name.casefold() for name in [*names, "manifest"]}) == len(drafts) + 1
    assert all(name.isascii() and len(name) < 140 and name[0] not in ".-" for name in names)
    assert not any(set('/\\:*?"<>| ') & set(name) for name in names)
    assert names == job_names(drafts)


def test_name_is_changed_only_where_it_must(tmp_path):
    text = BATCH + 'stage = ["primary", "小学", "a/b"]\n'
    names = [planned.job.name for planned in plan_of(make_project(tmp_path / "p", text)).jobs]
    assert names[0] == "county--demo--990101--2022--primary"
    assert names[1].startswith("county--demo--990101--2022--_-")
    assert names[2].startswith("county--demo--990101--2022--a_b-")


# ---------------------------------------------------------------------------------------------- what must run


READ = "file:notebooks/rules.toml"


def pretend_to_run(project) -> None:
    """Leave behind what a successful run of every job would leave; each has read a file of rules."""
    plan = plan_of(project)
    plan.folder.mkdir(parents=True, exist_ok=True)
    rules = project.notebooks / "rules.toml"
    if not rules.exists():
        rules.write_text("limit = 1", encoding="utf-8")
    ledger = Ledger(plan.folder)
    ledger.prepare()
    for sha256, modules in plan.modules.items():
        ledger.keep_code(modules, sha256)
    for planned in plan.jobs:
        ledger.settle(succeeded(planned, plan.folder, {**planned.job.reads, READ: file_sha256(rules)}))


def succeeded(planned: PlannedJob, folder: Path, reads: dict[str, str]) -> JobRecord:
    job, output = planned.job, folder / f"{planned.job.name}.ipynb"
    output.write_text(job.name, encoding="utf-8")
    return JobRecord(
        name=job.name,
        notebook=job.notebook,
        status="succeeded",
        key=job.key(reads),
        components=job.components,
        parameters=job.parameters,
        output_sha256=file_sha256(output),
        seconds=1.0,
        started="",
        finished="",
        error=None,
        reads=reads,
    )


@pytest.fixture
def done(tmp_path):
    project = make_project(
        tmp_path / "p",
        BATCH + 'standard_id = "gb"\n',
        county=notebook_text(COUNTY + 'standard_id: str = "gb"', "from qbresearch import figures\nprint(figures)"),
    )
    pretend_to_run(project)
    return project


def reasons(plan) -> list[str]:
    return [planned.reason for planned in plan.jobs]


def explanations(plan) -> list[str]:
    return [planned.explanation for planned in plan.jobs]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_new_jobs_run(tmp_path):
    plan = plan_of(make_project(tmp_path / "p"))
    assert reasons(plan) == ["新任务", "新任务"]
    assert "需运行 2 个" in plan.summary()
    assert plan.why_stale(plan.jobs[0].job.name) == "新任务"


def test_nothing_runs_when_nothing_changed(done):
    plan = plan_of(done)
    assert [planned.action for planned in plan.jobs] == ["current", "current"]
    assert "需运行 0 个" in plan.summary()
    assert plan.why_stale(plan.jobs[0].job.name) is None
    assert plan.why_stale("gone") == "不再属于本批"


def test_changed_data_of_one_county_rerun_that_county(done):
    assert explanations(plan_of(done, FakeData(changed=("990102",)))) == ["已是最新", "数据已变（demo 990102）"]


def test_changed_parameter_reruns(done):
    edit(done.notebooks / "batches" / "demo.toml", "seed = 20240901", "seed = 2")
    assert explanations(plan_of(done)) == ["参数已变（seed）", "参数已变（seed）"]


def test_changed_template_reruns_only_its_own_jobs(done):
    batch = done.notebooks / "batches" / "demo.toml"
    edit(batch, "[[grid]]", '[[grid]]\nnotebook = "plain"\n[[grid]]')
    (done.notebooks / "plain.ipynb").write_text(notebook_text("a: int = 1"), encoding="utf-8")
    pretend_to_run(done)
    edit(done.notebooks / "county.ipynb", '\\"primary\\"', '\\"junior\\"')
    assert reasons(plan_of(done)) == ["已是最新", "模板已变、参数已变", "模板已变、参数已变"]


def test_notebook_that_was_only_run_by_hand_is_the_same_notebook(done):
    path = done.notebooks / "county.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"][0] |= {"execution_count": 7, "outputs": [{"output_type": "stream", "name": "stdout", "text": "1"}]}
    path.write_text(json.dumps(notebook), encoding="utf-8")
    assert reasons(plan_of(done)) == ["已是最新", "已是最新"]
    notebook["cells"][0]["metadata"]["tags"].append("remove-input")
    path.write_text(json.dumps(notebook), encoding="utf-8")
    assert reasons(plan_of(done)) == ["模板已变", "模板已变"]


def test_what_a_run_has_read_is_watched(done):
    rules = done.notebooks / "rules.toml"
    rules.write_text("limit = 2", encoding="utf-8")
    assert explanations(plan_of(done)) == ["规则已变（notebooks/rules.toml）"] * 2
    rules.unlink()
    assert reasons(plan_of(done)) == ["规则已变", "规则已变"]
    rules.write_text("limit = 1", encoding="utf-8")
    assert reasons(plan_of(done)) == ["已是最新", "已是最新"]


def test_only_code_that_the_notebook_uses_reruns_it(done, monkeypatch):
    def pretend(changed: str) -> None:
        real = code_used.module_checksums
        altered = lambda modules: {m: s + "!" * (m == changed) for m, s in real(modules).items()}
        monkeypatch.setattr(batch_module, "module_checksums", altered)

    pretend("qbresearch.publication.html")
    assert reasons(plan_of(done)) == ["已是最新", "已是最新"]
    monkeypatch.undo()
    # The whole package of figures is imported and none of them named.
    pretend("qbresearch.exhibits.style")
    assert explanations(plan_of(done)) == ["程序已变（exhibits/style.py）"] * 2


def test_changed_package_reruns(done, monkeypatch):
    versions = package_versions()
    monkeypatch.setattr(batch_module, "package_versions", lambda: versions | {"pandas": "0"})
    assert explanations(plan_of(done)) == [f"软件包已变（pandas {versions['pandas']}→0）"] * 2


def test_job_depends_on_the_packages(tmp_path):
    assert plan_of(make_project(tmp_path / "p")).jobs[0].job.components["packages"] == package_versions()


LINKED = notebook_text('source_id: str\ncounty_code: str\ndesign_id: str', "county_code")
LINKED_BATCH = """id = "demo"
title = "t"
[[grid]]
notebook = "link"
[grid.parameters]
source_id = "demo"
county_code = "990101"
design_id = "{}"
"""


PLANNED = LINKED_BATCH.replace("link", "planned").replace("design_id", "plan_id")


def planned(tmp_path, plan: str):
    text = notebook_text('source_id: str\ncounty_code: str\nplan_id: str', "county_code")
    return make_project(tmp_path / plan, PLANNED.format(plan), planned=text)


def test_an_unknown_plan_is_named_with_its_line(tmp_path):
    with pytest.raises(InputError, match="规划 nothing：没有这个规划"):
        plan_of(planned(tmp_path, "nothing"))


def linked(tmp_path, design: str):
    return make_project(tmp_path / design, LINKED_BATCH.format(design), link=LINKED)


def test_an_unknown_design_and_one_whose_source_is_not_built_are_refused(tmp_path):
    with pytest.raises(InputError, match="关联设计 nothing：没有这个关联设计"):
        plan_of(linked(tmp_path, "nothing"))
    with pytest.raises(InputError, match="关联设计 unbuilt 用到的数据源 nowhere 还没有构建"):
        plan_of(linked(tmp_path, "unbuilt"))


def test_several_changes_are_all_named(done):
    edit(done.notebooks / "batches" / "demo.toml", "seed = 20240901", "seed = 2")
    assert reasons(plan_of(done, FakeData(changed=("990101",)))) == ["参数已变、数据已变", "参数已变"]


def test_failed_job_runs_again(done):
    plan = plan_of(done)
    Ledger(plan.folder).settle(replace(plan.jobs[0].record, status="failed"))
    assert reasons(plan_of(done)) == ["上次失败", "已是最新"]


def test_lost_or_altered_output_runs_again(done):
    first, second = (plan_of(done).folder / f"{p.job.name}.ipynb" for p in plan_of(done).jobs)
    first.unlink()
    edit(second, "county", "County")
    assert reasons(plan_of(done)) == ["输出缺失或被改动", "输出缺失或被改动"]


def test_record_of_another_form_is_passed_over(done):
    folder = plan_of(done).folder
    with closing(sqlite3.connect(folder / LEDGER)) as database, database:
        database.execute("UPDATE jobs SET record = json_set(record, '$.unknown', 1)")
    assert Ledger(folder).records() == {}
    assert reasons(plan_of(done)) == ["新任务", "新任务"]


def test_results_no_longer_in_the_grid_are_orphans(done):
    edit(done.notebooks / "batches" / "demo.toml", '"990101", ', "")
    plan = plan_of(done)
    assert plan.orphans == ("county--demo--990101--2022--gb",)
    assert "不再属于本批、运行时清除：1 个" in plan.summary()


def test_order_of_grids_does_not_change_keys(tmp_path):
    first, second = (
        f'[[grid]]\nnotebook = "county"\n[grid.parameters]\ncounty_code = "{c}"\n' for c in (990101, 990102)
    )
    head = 'id = "demo"\ntitle = "试"\n'
    keys = [
        {p.job.name: p.job.key(p.job.reads) for p in plan_of(make_project(tmp_path / name, head + body)).jobs}
        for name, body in (("a", first + second), ("b", second + first))
    ]
    assert keys[0] == keys[1]


def test_only_holds_the_others_back(done):
    edit(done.notebooks / "batches" / "demo.toml", "seed = 20240901", "seed = 2")
    plan = plan_of(done).only("990102")
    assert [(p.action, p.reason) for p in plan.jobs] == [("held", "本次未选"), ("run", "参数已变")]
    with pytest.raises(InputError, match="没有名称含此文字的任务"):
        plan_of(done).only("nowhere")


def test_plan_as_table_and_as_data(done):
    plan = plan_of(done)
    assert list(plan.tidy().columns) == ["name", "notebook", "action", "reason", "details"]
    assert len(plan.tidy()) == 2
    assert json.loads(json.dumps(plan.to_dict()))["jobs"][0]["action"] == "current"


def test_checksum_of_a_slice_is_asked_for_once(tmp_path):
    asked = []

    class Counting(FakeData):
        def answer(self, kind, name):
            asked.append(name)
            return super().answer(kind, name)

    plan_of(make_project(tmp_path / "p", BATCH + 'stage = ["primary", "junior"]\n'), Counting())
    assert sorted(asked) == ["demo/990101", "demo/990102"]
