"""Plans: what ships is cited and used as its files say, and a file with one fault is refused naming file and entry."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import pytest
from plan_files import PLAN, USE, USES, own, used

from qbresearch.cli import listings
from qbresearch.errors import CitationError, InputError
from qbresearch.language import label_of, speaking
from qbresearch.provenance import file_sha256
from qbresearch.rules.citations import CITED
from qbresearch.rules.plan_texts import check_share, parse_month, printed
from qbresearch.rules.plans import Month, list_plans, load_plan, read_plan
from qbresearch.rules.rule_index import RuleIndex
from qbresearch.traces import READS, collected

SHIPPED = ("guzhen-2025", "longzihu-2024", "qinxian-2021", "x-county-2026", "xinganmeng-2025")
DEMO = ("demo-guzhen", "demo-longzihu", "demo-qinxian", "demo-template", "demo-xinganmeng")

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
    with pytest.raises(InputError, match="是不是想写 own"):
        used(tmp_path, old='"own"', new='"owm"')
    used(tmp_path)
    monkeypatch.setattr(listings, "find_project", lambda _: SimpleNamespace(plans=tmp_path))
    listings.show_plans(Namespace(name=None, project=None))
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert set(lines) == {*SHIPPED, "own", "use", "broken"}
    assert lines["broken"].endswith("读不进来：文件不是合格的 TOML（broken.toml）") and "套用 own" in lines["use"]


def test_a_batch_refuses_a_use_that_is_not_sound(tmp_path: Path) -> None:
    used(tmp_path)
    RuleIndex(tmp_path).check_plan("use")
    (tmp_path / "use.toml").write_text(USE + "[fill]\nback = 25", encoding="utf-8")
    with pytest.raises(InputError, match="没有这个空格"):
        RuleIndex(tmp_path).check_plan("use")


def test_a_use_of_a_use_is_refused(tmp_path: Path) -> None:
    used(tmp_path)
    (tmp_path / "again.toml").write_text(USE.replace('"use"', '"again"').replace('"own"', '"use"'), encoding="utf-8")
    with pytest.raises(InputError, match="没有这个规划"):
        load_plan("again", tmp_path)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "qinxian-2021.toml").write_text(PLAN, encoding="utf-8")
    with pytest.raises(InputError, match="两份规划同名"):
        list_plans(tmp_path)


def test_a_run_with_a_use_has_read_the_use_and_its_plan_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("data/raw", "notebooks/plans"):
        (tmp_path / folder).mkdir(parents=True)
    plans = tmp_path / "notebooks" / "plans"
    used(plans)
    (plans / "other.toml").write_text(PLAN.replace('"own"', '"other"'), encoding="utf-8")
    monkeypatch.setenv(READS, str(tmp_path / "reads"))
    load_plan("use", plans)
    own_files = {key for key in collected(tmp_path / "reads") if key.startswith("file:notebooks/")}
    assert own_files == {"file:notebooks/plans/use.toml", "file:notebooks/plans/own.toml"}


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
