"""Files of plans that tests write: a sound plan of a county and a use of it, with one place of either changed."""

from __future__ import annotations

from pathlib import Path

from qbresearch.rules.plans import PlanUse, load_plan

USES = Path(__file__).parents[2] / "notebooks" / "plans"
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
