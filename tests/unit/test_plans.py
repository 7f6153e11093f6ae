"""Plans: what ships is cited and used as its files say, and a file with one fault is refused naming file and entry."""

from __future__ import annotations

from pathlib import Path

import pytest

from qbresearch.errors import CitationError, InputError
from qbresearch.language import label_of, speaking
from qbresearch.provenance import file_sha256
from qbresearch.rules.citations import CITED
from qbresearch.rules.plan_reader import parse_month, printed
from qbresearch.rules.plans import (
    Month,
    PlanUse,
    list_plans,
    load_plan,
    plan_sha256,
    read_plan,
)

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
    "other id": ('id = "own"', 'id = "other"', ["没有这个id", "own.toml", "'other'"]),
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
    "date of the plan without a fact": ('id = "due"', 'id = "ready"', ["没有这个fact", "own.toml", "'due'"]),
    "date of the plan not in its fact": ('due = "2027-12"', 'due = "2026-12"', ["原句里没有这个日期", "own.toml"]),
    "value and blank": ("value = 0.15", 'value = 0.15\nfield = "backbone"', ["目标的值没有说清", "（rotation）"]),
    "unknown blank": ('field = "backbone"', 'field = "back"', ["没有这个空格", "（backbone）", "'back'"]),
    "unknown blank of a phase": ('start_field = "begin"', 'start_field = "x"', ["没有这个空格", "[[phase]]（check）"]),
    "unknown kind of blank": ('kind = "month"', 'kind = "day"', ["没有这个空格类别", "（begin）"]),
    "unknown column": ('due = "2026-12"', 'add = ["pupils"]', ["没有这个列", "（rotation）", "teachers_rotated"]),
    "unknown source": ("[default]\nsource = \"plan\"", '[default]\nsource = "law"', ["引用了没有登记的出处", "'law'"]),
    "school not in its row": ('"乙小学"]', '"丙小学"]', ["原句里没有这个词", "[[timetable]]", "丙小学"]),
    "school twice": ('"乙小学"]', '"甲小学"]', ["名字重复", "[[timetable]]", "甲小学"]),
    "year not in the row": ("year = 2025", "year = 2024", ["原句里没有这个数", "[[timetable]]"]),
    "unknown school stage": ('stage = "primary"', 'stage = "senior"', ["没有这个学段", "甲小学"]),
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


MISUSES = {
    "unknown blank": ("[fill]\nback = 25", "没有这个空格", "backbone"),
    "text for a number": ('[fill]\nbackbone = "25"', "这里要填一个数", "'25'"),
    "truth for a number": ("[fill]\nbackbone = true", "这里要填一个数", "True"),
    "share for a percentage": ("[fill]\nbackbone = 0.25", "百分数的写法不对", "写 20"),
    "one as a percentage or a share": ("[fill]\nbackbone = 1", "百分数的写法不对", "1"),
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
    "code without quotation marks": ('[[school]]\nname = "甲小学"\ncode = 1', "对应关系不成立", "甲小学"),
}  # fmt: skip


@pytest.mark.parametrize("misuse", MISUSES)
def test_a_wrong_use_is_refused_in_five_fields(misuse: str, tmp_path: Path) -> None:
    more, problem, told = MISUSES[misuse]
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
        ('note = "模拟"', 'note = "模拟"\nplace = "某县"', "有不认识的键"),
    ],
)
def test_a_use_says_what_it_is(old: str, new: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=told):
        used(tmp_path, old=old, new=new)


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
    assert use.plan.simulated == (plan_id == "x-county-2026"), "only the template names no real place"
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
