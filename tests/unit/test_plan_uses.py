"""Uses of a plan: blanks filled, schools mapped, readings chosen, further standards; a wrong use is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from plan_files import PLAN, USE, USES, own, used

from qbresearch.errors import CitationError, InputError
from qbresearch.rules.evaluations import latest_evaluation
from qbresearch.rules.plans import Month, load_plan, read_plan

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
