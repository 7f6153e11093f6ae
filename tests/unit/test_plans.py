"""Plans: what ships is cited and used as its files say, and a file with one fault is refused naming file and entry."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import pytest

from qbresearch.cli import listings
from qbresearch.errors import CitationError, InputError
from qbresearch.language import label_of, speaking
from qbresearch.provenance import file_sha256
from qbresearch.rules.citations import CITED
from qbresearch.rules.evaluations import latest_evaluation
from qbresearch.rules.plan_texts import check_share, parse_month, printed
from qbresearch.rules.plans import (
    Month,
    PlanUse,
    list_plans,
    load_plan,
    plan_sha256,
    read_plan,
)
from qbresearch.rules.rule_index import RuleIndex

USES = Path(__file__).parents[2] / "notebooks" / "plans"
SHIPPED = ("guzhen-2025", "longzihu-2024", "qinxian-2021", "x-county-2026", "xinganmeng-2025")
DEMO = ("demo-guzhen", "demo-longzihu", "demo-qinxian", "demo-template", "demo-xinganmeng")
PLAN = """
id = "own"
label = { zh = "本县规划", en = "Own plan" }
document = "县政发〔2025〕1号"
place = "某县"
level = "county"
evaluation = "national-2017"
due = "2027-12"

[default]
source = "plan"
status = "copy"

[[source]]
id = "plan"
title = "某县规划"
read = "全文"
where = "本县文件"

[[fact]]
id = "due"
value = "2027年底"
clause = "目标"
quote = "到2027年底"

[[blank]]
id = "backbone"
label = { zh = "骨干教师比例", en = "Share of backbone teachers" }
unit = "%"
clause = "一"
quote = "骨干教师占X%以上"

[[blank]]
id = "begin"
kind = "month"
label = { zh = "开始月份", en = "Beginning" }
clause = "一"
quote = "自查阶段(2026年X月—2027年6月)"

[[blank]]
id = "name"
kind = "text"
label = { zh = "县名", en = "Name" }
clause = "一"
quote = "X县"

[[target]]
id = "rotation"
path = "requirement:G11_rotation"
value = 0.15
kind = "goal"
label = { zh = "轮岗", en = "Rotation" }
unit = "%"
due = "2026-12"
clause = "一"
quote = "2026年12月前轮岗比例不低于15%"

[[target]]
id = "backbone"
path = "requirement:G11_backbone"
field = "backbone"
kind = "goal"
label = { zh = "骨干", en = "Backbone" }
clause = "一"
quote = "骨干教师占X%以上"

[[commitment]]
id = "daily"
label = { zh = "活动", en = "Activity" }
value = 2
clause = "一"
quote = "每天活动2小时"

[[phase]]
id = "check"
label = { zh = "自查", en = "Self-check" }
start_field = "begin"
end = "2027-06"
clause = "一"
quote = "自查阶段(2026年X月—2027年6月)"

[[timetable]]
year = 2025
stage = "primary"
names = ["甲小学", "乙小学"]
clause = "附件"
quote = "2025年 甲小学、乙小学 2"

[[stage]]
id = "before"
label = { zh = "前1年", en = "Year before" }
offset = 1
clause = "三"
quote = "规划验收前1年"

  [[stage.condition]]
  id = "rooms"
  label = { zh = "教室", en = "Rooms" }
  codes = ["G3"]
  evidence = ["E-rooms"]
  clause = "三"
  quote = "完成音美教室建设"

[[task]]
id = "build"
label = { zh = "建设", en = "Building" }
codes = ["G3", "L4", "E-rooms"]
departments = ["教育局"]
clause = "四"
quote = "（责任部门：教育局、财政局）"

[[section]]
id = "1"
title = "一、资源"
level = 1
fills = "codes"
part = "resources"
codes = ["L1"]
named = ["L1", "basic-2012:books_per_student", "group:parents"]
clause = "一"
quote = "一、资源"

[[recommendation]]
id = "more"
section = "1"
codes = ["F1"]
text = { zh = "增加投入。", en = "Spend more." }
clause = "五"
quote = "加大投入"

[[mention]]
kind = "term"
thing = "F1"
said = "两个增长"
clause = "五"
quote = "确保“两个增长”"
"""
USE = """
plan = "own"
id = "use"
label = { zh = "用法", en = "Use" }
source_id = "demo-prefecture"
county_code = "990101"
simulated = true
note = "模拟"
"""


def own(tmp_path: Path, old: str = "", new: str = "", *, text: str = PLAN) -> Path:
    """The plan above in a folder of its own, with one place of it changed."""
    assert old in text
    path = tmp_path / "own.toml"
    path.write_text(text.replace(old, new, 1) if old else text + new, encoding="utf-8")
    return path


def used(tmp_path: Path, more: str = "", old: str = "", new: str = "") -> PlanUse:
    """A use of that plan, with lines added or one place changed."""
    own(tmp_path)
    assert old in USE
    (tmp_path / "use.toml").write_text((USE.replace(old, new, 1) if old else USE) + more, encoding="utf-8")
    return load_plan("use", tmp_path)


# --- months and quotations ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "month"), [("2026", Month(2026)), ("2026-01", Month(2026, 1)), ("2026-12", Month(2026, 12))]
)
def test_months_are_a_year_or_a_month_of_it(text: str, month: Month) -> None:
    assert parse_month(text) == month


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "2026-1", "26-01", "2026年", "2026-01-01", ""])
def test_other_texts_are_no_months(text: str) -> None:
    assert parse_month(text) is None


def test_a_year_begins_in_january_and_ends_in_december() -> None:
    assert (Month(2026).first, Month(2026).last) == ((2026, 1), (2026, 12))
    assert (Month(2026, 5).first, Month(2026, 5).last) == ((2026, 5), (2026, 5))


def test_quotations_are_compared_without_spaces_and_kinds_of_marks() -> None:
    assert printed("达到 85% 以上", "社会认可度达到85％以上")
    assert printed('"两个增长"', "确保“两个增长”")
    assert not printed("达到 86%", "社会认可度达到85%以上")


# --- a whole file ---------------------------------------------------------------------------------------------------


def test_a_plan_holds_what_its_file_says(tmp_path: Path) -> None:
    path = own(tmp_path)
    plan = read_plan(path)
    assert (plan.level, plan.simulated, plan.complete, plan.issued) == ("county", False, False, None)
    assert (plan.target, plan.facts["due"].value) == (Month(2027, 12), "2027年底")
    assert plan.sha256 == file_sha256(path)
    rotation, backbone = plan.targets
    assert (rotation.value, rotation.due, rotation.base) == (0.15, Month(2026, 12), "")
    assert (backbone.value, backbone.field) == (None, "backbone")
    assert [(s.name, s.stage, s.year, s.code) for s in plan.schools] == [
        ("甲小学", "primary", 2025, ""), ("乙小学", "primary", 2025, ""),
    ]  # fmt: skip
    assert all(s.citation.quote.startswith("2025年") for s in plan.schools)
    assert (plan.phases[0].start, plan.phases[0].start_field, plan.phases[0].end) == (None, "begin", Month(2027, 6))
    assert (plan.stages[0].offset, plan.stages[0].always, plan.stages[0].conditions[0].evidence) == (1, False, ("E-rooms",))
    assert {t.citation.source for t in plan.targets} == {"plan"} and {t.citation.status for t in plan.targets} == {"copy"}


FAULTS = {
    "unknown key": ('kind = "goal"', 'kind = "goal"\nbasis = "x"', ["有不认识的键", "第 1 个 [[target]]（rotation）", "basis"]),
    "unknown key at the top": ('level = "county"', 'level = "county"\nversion = 1', ["有不认识的键", "version"]),
    "missing key": ('path = "requirement:G11_rotation"\n', "", ["缺少必填的键", "第 1 个 [[target]]（rotation）", "没有 path"]),
    "no unit": ('unit = "%"\ndue', "due", ["缺少单位", "第 1 个 [[target]]（rotation）"]),
    "other id": ('id = "own"', 'id = "other"', ["没有这个 id", "own.toml", "'other'"]),
    "other level": ('level = "county"', 'level = "province"', ["没有这个层级", "'province'"]),
    "id twice": ('id = "backbone"\npath', 'id = "rotation"\npath', ["id 重复", "第 2 个 [[target]]（rotation）"]),
    "unknown kind of path": ("requirement:G11_rotation", "limit:G11_rotation", ["path 没有指向", "（rotation）", "limit:"]),
    "unknown requirement": ("requirement:G11_rotation", "requirement:G99", ["path 没有指向", "requirement:G99", "G11_backbone"]),
    "unknown stage of a path": ("requirement:G11_rotation", "threshold:L1:senior", ["path 没有指向", "senior"]),
    "path without its stage": ("requirement:G11_rotation", "threshold:L1", ["path 没有指向", "threshold:L1"]),
    "indicator named in Chinese": ("requirement:G11_rotation", "indicator:差异", ["path 没有指向"]),
    "unknown evaluation": ('"national-2017"', '"national-2099"', ["没有这个评估", "own.toml", "national-2017"]),
    "unknown code": ('codes = ["G3", "L4"', 'codes = ["G33", "L4"', ["没有这个代码", "第 1 个 [[task]]（build）", "'G33'"]),
    "evidence nobody registered": ('"L4", "E-rooms"', '"L4", "E-maps"', ["没有这个代码", "'E-maps'", "[[stage.condition]]"]),
    "unknown code of a condition": ('codes = ["G3"]\n  evi', 'codes = ["Z1"]\n  evi', ["没有这个代码", "rooms", "'Z1'"]),
    "unknown evidence": ('["E-rooms"]\n  clause', '["rooms"]\n  clause', ["没有这个材料代码", "（rooms）"]),
    "number not in its quote": ("value = 0.15", "value = 0.16", ["原句里没有这个数", "（rotation）", "0.16"]),
    "commitment not in its quote": ("value = 2\n", "value = 3\n", ["原句里没有这个数", "[[commitment]]（daily）"]),
    "fact not in its quote": ('value = "2027年底"', 'value = "2028年底"', ["原句里没有这个词", "[[fact]]（due）"]),
    "year not in its quote": ('due = "2026-12"', 'due = "2025-12"', ["原句里没有这个日期", "（rotation） 的 due", "2025-12"]),
    "month not in its quote": ('due = "2026-12"', 'due = "2026-11"', ["原句里没有这个日期", "（rotation） 的 due"]),
    "no month": ('due = "2026-12"', 'due = "2026.12"', ["日期的写法不对", "（rotation） 的 due", '"2026-12"']),
    "date of the plan without a fact": ('id = "due"', 'id = "ready"', ["due 没有同名的事实（[[fact]]）", "own.toml", "补上"]),
    "date of the plan not in its fact": ('due = "2027-12"', 'due = "2026-12"', ["原句里没有这个日期", "own.toml"]),
    "value and blank": ("value = 0.15", 'value = 0.15\nfield = "backbone"', ["目标的值没有说清", "（rotation）"]),
    "unknown blank": ('field = "backbone"', 'field = "back"', ["没有这个空格", "（backbone）", "'back'"]),
    "unknown blank of a phase": ('start_field = "begin"', 'start_field = "x"', ["没有这个空格", "[[phase]]（check）"]),
    "unknown kind of blank": ('kind = "month"', 'kind = "day"', ["没有这个空格类别", "（begin）"]),
    "unknown column": ('due = "2026-12"', 'add = ["pupils"]', ["没有这个列", "（rotation）", "teachers_rotated"]),
    "unknown source": ("[default]\nsource = \"plan\"", '[default]\nsource = "law"', ["没有这个出处（[[source]]）", "[default]", "'law'"]),
    "school not in its row": ('"乙小学"]', '"丙小学"]', ["原句里没有这个词", "[[timetable]]", "丙小学"]),
    "school twice": ('"乙小学"]', '"甲小学"]', ["名字重复", "[[timetable]]", "甲小学"]),
    "year not in the row": ("year = 2025", "year = 2024", ["原句里没有这个数", "[[timetable]]"]),
    "unknown school stage": ('stage = "primary"', 'stage = "senior"', ["没有这个学段", "[[timetable]]", "'senior'"]),
    "stage without a time": ("offset = 1\n", "", ["阶段的时间没有说清", "[[stage]]（before）"]),
    "stage with two times": ("offset = 1\n", "offset = 1\nalways = true\n", ["阶段的时间没有说清", "offset、always"]),
    "department not in its quote": ('["教育局"]', '["卫健委"]', ["原句里没有这个词", "（build）", "卫健委"]),
    "departments no list": ('["教育局"]', '"教育局"', ["departments 的写法不对", "（build）"]),
    "unknown way to fill": ('fills = "codes"', 'fills = "table"', ["没有这个填写方式", "[[section]]（1）"]),
    "unknown part": ('part = "resources"', 'part = "money"', ["没有这个评估部分", "[[section]]（1）"]),
    "unknown group": ("group:parents", "group:pets", ["没有这个指标或受访群体", "group:pets", "group:parents"]),
    "unknown other indicator": ("books_per_student", "books", ["没有这个标准的这个指标", "basic-2012:books"]),
    "unknown section": ('section = "1"', 'section = "2"', ["没有这个节", "[[recommendation]]（more）"]),
    "unknown mention": ('kind = "term"', 'kind = "word"', ["没有这个提及方式", "[[mention]]", "issuer"]),
    "basis without a source": ('kind = "term"', 'kind = "basis"', ["没有这个出处", "[[mention]]", "'F1'"]),
    "mention not in its quote": ('said = "两个增长"', 'said = "三个增长"', ["原句里没有这个词", "[[mention]]"]),
    "evidence nobody asks for": (
        "[[task]]", '[[evidence]]\nid = "E-maps"\nlabel = { zh = "图", en = "Maps" }\n[[task]]', ["没有条件用到", "E-maps", "E-rooms"],
    ),
    "codes for other names": ('"乙小学"]', '"乙小学"]\ncodes = ["1"]', ["代码与名字对不上", "2 个名字", "[[timetable]]"]),
    "one code for two names": ('"乙小学"]', '"乙小学"]\ncodes = ["1", "1"]', ["代码与名字对不上", "1、1"]),
    "county code without quotation marks": ('level = "county"', 'level = "county"\ncounty_code = 990101', ["county_code 的写法不对"]),
    "percentage as printed": ("value = 0.15", "value = 15", ["比例写成了百分数", "（rotation） 的 value", "比例写成小数：15% 写 0.15"]),
    "percentage with a reading": ("value = 0.15", 'value = 15\nreading = "见原句"', ["比例写成了百分数", "15% 写 0.15"]),
    "negative target": ("value = 0.15", 'value = -0.15\nreading = "x"', ["value 要写一个数", "-0.15", "不小于 0"]),
    "target that is no number": ("value = 0.15", 'value = nan\nreading = "x"', ["value 要写一个数", "nan"]),
    "phase that ends before it begins": (
        'start_field = "begin"\nend = "2027-06"', 'start = "2027-06"\nend = "2026"', ["起始晚于结束", "[[phase]]（check）", "起 2027-06，止 2026"],
    ),
    "text blank for a target": ('field = "backbone"', 'field = "name"', ["没有这个空格类别", "（backbone）", "'text'"]),
    "number blank for a month": ('start_field = "begin"', 'start_field = "backbone"', ["没有这个空格类别", "（check）", "month"]),
    "blank of another unit": ('unit = "%"\nclause', 'unit = "人"\nclause', ["空格的单位与目标不合", "（backbone）", "人"]),
    "key of a use": ('level = "county"', 'level = "county"\nsigned = 2026-01-01\nnote = "x"', ["signed、note 写在“用法”文件里", "own.toml"]),
    "county of a use": (
        "[[stage]]", '[[county]]\nname = "某旗"\ncode = "1"\n[[stage]]', ["name、code 写在“用法”文件里", "[[county]]"],
    ),
    "label in one language": ('{ zh = "轮岗", en = "Rotation" }', '"轮岗"', ["要有中英文", "（rotation）"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_is_refused_naming_file_and_entry(fault: str, tmp_path: Path) -> None:
    old, new, told = FAULTS[fault]
    with pytest.raises(CitationError) as caught:
        read_plan(own(tmp_path, old, new))
    assert "own.toml" in caught.value.where
    for words in told:
        assert words in str(caught.value)


WRONG = {
    "id": ("source", 'id = "plan"', 'id = ["a"]'), "read": ("source", 'read = "全文"', "read = 5"),
    "said": ("mention", 'said = "两个增长"', "said = 5"), "thing": ("mention", 'thing = "F1"', 'thing = ["a"]'),
    "value": ("target", "value = 0.15", 'value = "x"\nreading = "y"'), "add": ("target", 'unit = "%"\ndue', 'unit = "%"\nadd = 3\ndue'),
    "base": ("target", 'unit = "%"\ndue', 'unit = "%"\nbase = ["a"]\ndue'), "year": ("timetable", "year = 2025", 'year = "2025"'),
    "offset": ("stage", "offset = 1", "offset = true"), "evidence": ("condition", '["E-rooms"]\n  clause', '"E-rooms"\n  clause'),
    "level": ("section", "level = 1", "level = true"), "quote": ("fact", 'quote = "到2027年底"', "quote = 2027"),
    "label": ("commitment", '{ zh = "活动", en = "Activity" }', '{ zh = 5, en = "Activity" }'),
    "names": ("timetable", '["甲小学", "乙小学"]', '["甲小学", 2]'), "default": ("default", '[default]\nsource = "plan"\nstatus = "copy"', "default = []"),
    "valid": ("task", 'codes = ["G3", "L4"', 'valid = { from = "2020" }\ncodes = ["G3", "L4"'),
}  # fmt: skip


@pytest.mark.parametrize("key", WRONG)
def test_a_value_of_another_form_is_refused_naming_its_key(key: str, tmp_path: Path) -> None:
    kind, old, new = WRONG[key]
    with pytest.raises(CitationError) as caught:
        read_plan(own(tmp_path, old, new))
    assert key in caught.value.problem and f"{kind}" in caught.value.where
    assert caught.value.found and caught.value.expected and caught.value.fix


@pytest.mark.parametrize(
    ("text", "value", "sound"),
    [
        ("15%", 0.15, True), ("100%", 1, True), ("120%", 1.2, True), ("0.5%", 0.005, True), ("1％", 0.01, True),
        ("15%", 15, False), ("120%", 120, False), ("1%", 1, False), ("0.5%", 0.5, False), ("原句没有数", 1.5, False),
    ],
)  # fmt: skip
def test_a_share_is_not_written_as_a_percentage(text: str, value: float, sound: bool) -> None:
    if sound:
        check_share(value, text, "own.toml")
        return
    with pytest.raises(CitationError, match="比例写成小数"):
        check_share(value, text, "own.toml")


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    text = PLAN.replace("value = 0.15", "value = 15").replace('["教育局"]', '["卫健委"]').replace('said = "两个', 'said = "三个')
    with pytest.raises(CitationError) as caught:
        read_plan(own(tmp_path, text=text))
    assert caught.value.problem == "own.toml 有 3 处不对，第一处：比例写成了百分数"
    for words in ("（1）比例写成了百分数", "卫健委", "（3）原句里没有这个词", "[[mention]]", "15% 写 0.15"):
        assert words in caught.value.found


def test_a_reading_takes_the_place_of_digits(tmp_path: Path) -> None:
    plan = read_plan(own(tmp_path, "value = 0.15", 'reading = "国家标准加一半"\nvalue = 0.16'))
    assert (plan.targets[0].value, plan.targets[0].citation.reading) == (0.16, "国家标准加一半")


def test_the_end_of_a_year_stands_for_its_last_month_only(tmp_path: Path) -> None:
    text = PLAN.replace("2026年12月前轮岗", "2026年底前轮岗")
    assert read_plan(own(tmp_path, text=text)).targets[0].due == Month(2026, 12)
    with pytest.raises(CitationError, match="原句里没有这个日期"):
        read_plan(own(tmp_path, 'due = "2026-12"', 'due = "2026-11"', text=text))


def test_an_indicator_of_the_plan_needs_no_value(tmp_path: Path) -> None:
    text = PLAN.replace("requirement:G11_rotation", "indicator:gap").replace("value = 0.15\n", "")
    assert read_plan(own(tmp_path, text=text)).targets[0].value is None


# --- uses -----------------------------------------------------------------------------------------------------------


def test_a_plan_as_it_stands_fills_and_maps_nothing(tmp_path: Path) -> None:
    own(tmp_path)
    use = load_plan("own", tmp_path)
    assert (use.id, use.source_id, use.county_code, use.simulated, use.note) == ("own", "", "", False, "")
    assert not use.fills and not use.school_codes and not use.county_codes
    assert use.plan.targets[1].value is None


def test_a_use_fills_blanks_and_maps_schools(tmp_path: Path) -> None:
    use = used(tmp_path, """
        signed = 2026-03-01
        [fill]
        backbone = 25
        begin = "2026-03"
        name = "某县"
        [[school]]
        name = "乙小学"
        code = "9901010002"
    """)
    assert use.fills == {"backbone": 25, "begin": "2026-03", "name": "某县"}
    assert use.plan.targets[1].value == 0.25
    assert use.plan.phases[0].start == Month(2026, 3)
    assert [s.code for s in use.plan.schools] == ["", "9901010002"]
    assert use.school_codes == {"乙小学": "9901010002"}
    assert (use.simulated, use.note, str(use.signed)) == (True, "模拟", "2026-03-01")
    assert load_plan("own", tmp_path).plan.targets[1].value is None, "the plan itself stays blank"


@pytest.mark.parametrize(("filled", "share"), [("0.5", 0.005), ("1", 0.01), ("1.0", 0.01), ("100", 1.0)])
def test_small_percentages_are_percentages(filled: str, share: float, tmp_path: Path) -> None:
    assert used(tmp_path, f"[fill]\nbackbone = {filled}").plan.targets[1].value == pytest.approx(share)


def test_a_phase_cannot_be_filled_in_to_begin_after_its_end(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="起始晚于结束") as caught:
        own(tmp_path, text=PLAN.replace("2027年6月", "2026年6月").replace('end = "2027-06"', 'end = "2026-06"'))
        (tmp_path / "use.toml").write_text(USE + '[fill]\nbegin = "2026-09"', encoding="utf-8")
        load_plan("use", tmp_path)
    assert caught.value.where.startswith("use.toml") and "自查" in caught.value.where


MISUSES = {
    "unknown blank": ("[fill]\nback = 25", "没有这个空格", "backbone"),
    "text for a number": ('[fill]\nbackbone = "25"', "这里要填一个数", "'25'"),
    "truth for a number": ("[fill]\nbackbone = true", "这里要填一个数", "True"),
    "nothing for a percentage": ("[fill]\nbackbone = 0", "百分数的写法不对", "写 20"),
    "no number for a number": ("[fill]\nbackbone = nan", "这里要填一个数", "nan"),
    "endless for a number": ("[fill]\nbackbone = inf", "这里要填一个数", "inf"),
    "negative for a number": ("[fill]\nbackbone = -5", "这里要填一个数", "-5"),
    "number for the table of fills": ("fill = 3", "fill 的写法不对", "[fill] 一节"),
    "date of an entry of the plan": ('[[timetable]]\nyear = 2025\ncodes = ["1"]', "timetable 写在规划文件（own.toml）里", "[[school]]"),
    "timetable among the schools": ('[[school]]\nnames = ["甲小学"]\ncodes = ["1"]', "names、codes 写在规划文件", "name 与 code"),
    "more than all": ("[fill]\nbackbone = 101", "百分数的写法不对", "101"),
    "number for a text": ("[fill]\nname = 5", "这里要填文字", "5"),
    "empty text": ('[fill]\nname = " "', "这里要填文字", "县名"),
    "no month": ('[fill]\nbegin = "三月"', "月份的写法不对", "三月"),
    "year of another phase": ('[fill]\nbegin = "2025-03"', "年份不在原句之内", "2025-03"),
    "school the plan does not name": ('[[school]]\nname = "丙小学"\ncode = "1"', "规划里没有这个学校", "甲小学"),
    "county in a county's plan": ('[[county]]\nname = "某旗"\ncode = "1"', "规划里没有这个县", "一个也没有"),
    "one code for two schools": (
        '[[school]]\nname = "甲小学"\ncode = "1"\n[[school]]\nname = "乙小学"\ncode = "1"', "对应关系不成立", "乙小学",
    ),
    "one school twice": (
        '[[school]]\nname = "甲小学"\ncode = "1"\n[[school]]\nname = "甲小学"\ncode = "2"', "对应关系不成立", "甲小学",
    ),
    "unknown option": ('[options]\nG7_limits = "8000"', "没有这个选项", "是不是想写 G7_limit"),
    "unknown choice": ('[options]\nG7_limit = "9000"', "没有这个选法", "6000、7000、8000"),
    "number for a choice": ("[options]\nG7_limit = 8000", "选法要写成文字", 'G7_limit = "8000"'),
    "options no table": ('[[options]]\nG7_limit = "8000"', "options 的写法不对", "[options]"),
    "code without quotation marks": ('[[school]]\nname = "甲小学"\ncode = 1', "对应关系不成立", "甲小学"),
}  # fmt: skip


@pytest.mark.parametrize("misuse", MISUSES)
def test_a_wrong_use_is_refused_in_five_fields(misuse: str, tmp_path: Path) -> None:
    more, problem, told = MISUSES[misuse]
    assert "计划" not in problem, "the house word is 规划"
    with pytest.raises(InputError) as caught:
        used(tmp_path, more)
    assert problem in caught.value.problem
    assert told in str(caught.value)
    assert "use.toml" in caught.value.where
    assert caught.value.expected and caught.value.fix


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('county_code = "990101"\n', "", "没有写"),
        ('"990101"', "990101", "990101"),
        ("simulated = true", 'simulated = "yes"', "没有说清数据是谁的"),
        ('note = "模拟"', 'note = ""', "没有说清数据是谁的"),
        ('plan = "own"', 'plan = "use"', "没有这个规划"),
        ('plan = "own"', 'plan = "owm"', "是不是想写 own"),
        ('id = "use"', 'id = "other"', "应与文件名一致"),
        ('note = "模拟"', 'note = "模拟"\nsigned = "2026"', "日期的写法不对"),
        ('note = "模拟"', 'note = "模拟"\nplace = "某县"', "place 写在规划文件（own.toml）里"),
        ('note = "模拟"', 'note = "模拟"\nplaces = "某县"', "有不认识的键"),
        ('note = "模拟"', 'note = { zh = 5, en = "x" }', "note 的写法不对"),
        ('"demo-prefecture"', '["demo-prefecture"]', "source_id 的写法不对"),
        ('plan = "own"', 'plan = ["own"]', "plan 的写法不对"),
        ('zh = "用法"', "zh = 3", "label 要有中英文"),
    ],
)
def test_a_use_says_what_it_is(old: str, new: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=told):
        used(tmp_path, old=old, new=new)


# --- choices where documents disagree, and further standards -------------------------------------------------------

BESIDE = """
[[beside]]
id = "province"
label = { zh = "省颁标准", en = "provincial standard" }
document = "省发〔2020〕1号"
read = true
clause = "二"
quote = "按省标准执行"

  [[beside.value]]
  path = "requirement:G11_rotation"
  value = 0.12
  unit = "%"
  clause = "第三条"
  quote = "交流轮岗比例不低于12%"
"""


def test_the_choices_of_a_use_lie_on_top_of_those_of_its_plan(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(PLAN + '[options]\nG7_limit = "8000"\nQ1_formula = "B"\n', encoding="utf-8")
    (tmp_path / "use.toml").write_text(USE + '[options]\nG7_limit = "7000"\n', encoding="utf-8")
    assert load_plan("own", tmp_path).options == {"G7_limit": "8000", "Q1_formula": "B"}
    assert load_plan("use", tmp_path).options == {"G7_limit": "7000", "Q1_formula": "B"}


def test_a_choice_that_ships_as_an_example_is_one_of_the_evaluation() -> None:
    use = load_plan("demo-template", USES)
    assert use.options == {"G7_limit": "7000"}
    assert latest_evaluation(use.plan.evaluation).choose(use.options).requirements["G7_funding"].limit == 7000


def test_a_standard_nobody_read_has_no_numbers() -> None:
    (province,) = load_plan("longzihu-2024").plan.beside
    assert (province.label_zh, province.document, province.read, province.values) == ("省颁标准", "皖教督〔2018〕8号", False, ())
    assert "皖教督〔2018〕8号" in province.citation.quote
    assert load_plan("demo-longzihu", USES).plan.beside == (province,)


def test_a_use_gives_the_numbers_of_a_standard_its_plan_names(tmp_path: Path) -> None:
    text = (USES / "demo-longzihu.toml").read_text(encoding="utf-8").replace("demo-longzihu", "ours")
    example = "".join(line.removeprefix("#").removeprefix(" ") + "\n" for line in text[text.index("# [[beside]]"):].splitlines())
    (tmp_path / "ours.toml").write_text(text + example, encoding="utf-8")
    (province,) = load_plan("ours", tmp_path).plan.beside
    assert (province.read, province.label_zh) == (True, "省颁标准")
    assert [(v.path, v.value, v.citation.source) for v in province.values] == [("requirement:G11_rotation", 0.1, "anhui-2018")]


def test_a_use_names_a_standard_of_its_own(tmp_path: Path) -> None:
    use = used(tmp_path, BESIDE)
    (province,) = use.plan.beside
    assert (province.values[0].value, province.values[0].citation.status) == (0.12, "copy")
    assert use.plan.sources["province"].title_zh == "省颁标准（省发〔2020〕1号）"
    assert load_plan("own", tmp_path).plan.beside == ()


def test_a_plan_may_hold_the_numbers_itself(tmp_path: Path) -> None:
    source = '[[source]]\nid = "province"\ntitle = "省标准"\nread = "全文"\nwhere = "本省"\n'
    plan = read_plan(own(tmp_path, text=PLAN + source + BESIDE))
    assert [v.citation.quote for v in plan.beside[0].values] == ["交流轮岗比例不低于12%"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("value = 0.12", "value = 0.13", "原句里没有这个数"), ("value = 0.12", 'value = "12%"', "要写一个数"),
        ("read = true", "read = false", "read 与所给的数不合"), ("read = true", 'read = "yes"', "read 的写法不对"), ("value = 0.12", "value = 12", "比例写成了百分数"),
        ("requirement:G11_rotation", "requirement:G99", "path 没有指向"), ("requirement:G11_rotation", "indicator:gap", "不能并列判定"),
        ('  quote = "交', '  page = 3\n  quote = "交', "有不认识的键"), ('document = "省发〔2020〕1号"\n', "", "缺少必填的键"),
        ('  unit = "%"\n', "", "缺少必填的键"),
    ],
)  # fmt: skip
def test_a_faulty_further_standard_is_refused(old: str, new: str, told: str, tmp_path: Path) -> None:
    assert old in BESIDE
    with pytest.raises(InputError, match=told) as caught:
        used(tmp_path, BESIDE.replace(old, new, 1))
    assert "use.toml" in caught.value.where


def test_a_further_standard_of_a_plan_is_one_of_its_sources(tmp_path: Path) -> None:
    with pytest.raises(CitationError, match="并列标准的 id 不成立"):
        read_plan(own(tmp_path, text=PLAN + BESIDE))
    with pytest.raises(CitationError, match="id 重复"):
        used(tmp_path, BESIDE + BESIDE)


# --- names of evidence ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_record_a_plan_asks_for_has_a_name(language: str) -> None:
    plan = load_plan("xinganmeng-2025").plan
    asked = {code for stage in plan.stages for c in stage.conditions for code in c.evidence}
    with speaking(language):
        assert asked == set(plan.evidence) and all(plan.evidence_label(code) for code in asked)
        assert plan.evidence_label("E-funds") == ""


def test_a_record_without_a_name_of_its_own_has_that_of_its_condition(tmp_path: Path) -> None:
    assert read_plan(own(tmp_path)).evidence_label("E-rooms") == "教室"


# --- a county's own plan --------------------------------------------------------------------------------------------


def test_a_plan_of_ones_own_needs_no_use(tmp_path: Path) -> None:
    """Data, codes of schools and names of counties in the plan itself."""
    text = PLAN.replace('level = "county"', 'level = "county"\nsource_id = "ours"\ncounty_code = "990101"')
    text = text.replace('"乙小学"]', '"乙小学"]\ncodes = ["9901010001", ""]')
    use = load_plan(own(tmp_path, text=text).stem, tmp_path)
    assert (use.source_id, use.county_code, use.school_codes) == ("ours", "990101", {"甲小学": "9901010001"})
    assert [s.code for s in use.plan.schools] == ["9901010001", ""]


def test_a_prefectures_own_plan_names_its_counties(tmp_path: Path) -> None:
    county = '[[county]]\nyear = 2026\nnames = ["甲县", "乙市"]\ncodes = ["990101", "990102"]\nclause = "一"\nquote = "2026年甲县、乙市达标"\n'
    use = load_plan(own(tmp_path, text=PLAN.replace('"county"', '"prefecture"') + county).stem, tmp_path)
    assert use.county_codes == {"甲县": "990101", "乙市": "990102"}


def test_a_file_that_is_no_toml_is_named_with_its_line(tmp_path: Path) -> None:
    path = own(tmp_path, 'place = "某县"', 'place = 某县')
    with pytest.raises(InputError) as caught:
        load_plan("own", tmp_path)
    line = path.read_text(encoding="utf-8").splitlines().index("place = 某县") + 1
    assert caught.value.where == "own.toml" and f"line {line}" in caught.value.found


def test_a_faulty_file_disables_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    used(tmp_path)
    (tmp_path / "broken.toml").write_text("plan = own\n", encoding="utf-8")
    assert load_plan("use", tmp_path).id == "use" and load_plan("own", tmp_path).id == "own"
    assert plan_sha256("use", tmp_path)
    with pytest.raises(InputError, match="是不是想写 own"):
        used(tmp_path, old='"own"', new='"owm"')
    used(tmp_path)
    monkeypatch.setattr(listings, "find_project", lambda _: SimpleNamespace(plans=tmp_path))
    listings.show_plans(Namespace(name=None, project=None))
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert set(lines) == {*SHIPPED, "own", "use", "broken"}
    assert lines["broken"].endswith("读不进来：文件不是合格的 TOML（broken.toml）") and "套用 own" in lines["use"]


def test_a_checksum_for_a_batch_is_that_of_a_sound_use(tmp_path: Path) -> None:
    used(tmp_path)
    assert RuleIndex(tmp_path).plan_sha256("use") == plan_sha256("use", tmp_path)
    (tmp_path / "use.toml").write_text(USE + "[fill]\nback = 25", encoding="utf-8")
    with pytest.raises(InputError, match="没有这个空格"):
        RuleIndex(tmp_path).plan_sha256("use")


def test_a_use_of_a_use_is_refused(tmp_path: Path) -> None:
    used(tmp_path)
    (tmp_path / "again.toml").write_text(USE.replace('"use"', '"again"').replace('"own"', '"use"'), encoding="utf-8")
    with pytest.raises(InputError, match="没有这个规划"):
        load_plan("again", tmp_path)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "qinxian-2021.toml").write_text(PLAN, encoding="utf-8")
    with pytest.raises(InputError, match="两份规划同名"):
        list_plans(tmp_path)


def test_the_checksum_of_a_use_follows_its_plan(tmp_path: Path) -> None:
    used(tmp_path)
    before = plan_sha256("use", tmp_path), plan_sha256("own", tmp_path)
    assert before[1] == file_sha256(tmp_path / "own.toml")
    own(tmp_path, "Own plan", "Our plan")
    after = plan_sha256("use", tmp_path), plan_sha256("own", tmp_path)
    assert before[0] != after[0] and before[1] != after[1]


# --- what ships -----------------------------------------------------------------------------------------------------


def test_all_plans_and_uses_can_be_loaded() -> None:
    assert list_plans() == SHIPPED
    assert list_plans(USES) == tuple(sorted((*SHIPPED, *DEMO)))
    for plan_id in list_plans(USES):
        assert load_plan(plan_id, USES).id == plan_id


@pytest.mark.parametrize("plan_id", SHIPPED)
def test_a_real_place_comes_without_data(plan_id: str) -> None:
    use = load_plan(plan_id)
    assert not use.fills and not use.school_codes and not use.county_codes and not use.source_id
    assert not use.simulated, "a published document is no simulated data, and neither is a published template"
    assert use.plan.sources["plan"].read
    assert (CITED / "plans" / f"{plan_id}.toml").is_file()


@pytest.mark.parametrize("use_id", DEMO)
def test_uses_on_simulated_data_say_so_in_both_languages(use_id: str) -> None:
    use = load_plan(use_id, USES)
    assert use.simulated and "模拟" in use.note and "模拟" in use.label_zh
    with speaking("en"):
        assert "simulated" in label_of(use, "note") and "simulated" in label_of(use)


def test_the_template_leaves_nothing_blank_in_its_use() -> None:
    use = load_plan("demo-template", USES)
    assert set(use.fills) == {blank.id for blank in use.plan.blanks}
    assert all(phase.start and phase.end for phase in use.plan.phases)
    blanks = {b.id for b in use.plan.blanks if b.kind != "text"}
    used_fields = {t.field for t in use.plan.targets} | {c.field for c in use.plan.commitments}
    used_fields |= {f for p in use.plan.phases for f in (p.start_field, p.end_field)}
    assert blanks == used_fields - {""}


def test_every_planned_school_and_county_has_a_simulated_one() -> None:
    qinxian, prefecture = load_plan("demo-qinxian", USES), load_plan("demo-xinganmeng", USES)
    assert len(set(qinxian.school_codes.values())) == 26
    assert all(s.code.startswith("990106") for s in qinxian.plan.schools)
    assert {c.code for c in prefecture.plan.counties} == {f"99010{n}" for n in range(1, 7)}
    assert prefecture.county_codes["阿尔山市"] == "990105"
