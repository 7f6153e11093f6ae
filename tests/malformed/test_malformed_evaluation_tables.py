"""Tables of the evaluation with faults planted: each is named by sheet, row and column, with what was expected."""

from __future__ import annotations

from datetime import date, time
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import openpyxl
import pytest

from qbresearch.raw.checks import check_table
from qbresearch.raw.examples import EXAMPLES
from qbresearch.raw.problems import ERROR, NOTICE
from qbresearch.raw.reading import read_file
from qbresearch.raw.template import PREPARED_ROWS, write_filled_example
from qbresearch.rules.columns import load_table

HEADING_ROW, FIRST_ROW = 3, 4


@cache
def example(table_id):
    """Bytes of the filled example without its explanations and empty rows, which only cost time here."""
    contract = load_table(table_id)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "t.xlsx"
        write_filled_example(contract, path)
        book = openpyxl.load_workbook(path)
        for sheet in book.worksheets[len(contract.sheets):]:
            book.remove(sheet)
        for sheet in book.worksheets:
            sheet.delete_rows(FIRST_ROW + len(EXAMPLES[table_id]), PREPARED_ROWS)
        book.save(path)
        return path.read_bytes()


class Filled:
    """The filled example of a table, to be spoilt and read back."""

    def __init__(self, table_id, folder):
        self.contract = load_table(table_id)
        self.path = folder / f"{table_id}.xlsx"
        self.book = openpyxl.load_workbook(BytesIO(example(table_id)))

    def cell(self, name, row=0):
        """The cell of a column (in its own sheet) and a row of data."""
        column = self.contract.column(name)
        for sheet in self.book.worksheets[: len(self.contract.sheets)]:
            for heading in sheet[HEADING_ROW]:
                if heading.value in column.headings:
                    return sheet.cell(FIRST_ROW + row, heading.column)
        raise AssertionError(name)

    def put(self, **values):
        """Cells of the first row of data."""
        for name, value in values.items():
            self.cell(name).value = value

    def problems(self):
        """Everything wrong, in the order found."""
        self.book.save(self.path)
        result = read_file(self.path, self.contract)
        return [*result.problems.to_dict("records"), *check_table(result.table, self.contract).to_dict("records")]


@pytest.fixture
def filled(tmp_path):
    return lambda table_id: Filled(table_id, tmp_path)


def place(problem):
    return problem["file"], problem["sheet"], problem["row"], problem["column"]


# Table, column, what is typed, words of the column, what is shown, what was expected, what to do.
CELLS = [
    ("county-facts", "teachers_total", -5, "L 专任教师总数", "-5", "0 至 200000 之间（人）", "核对数值"),
    ("county-facts", "teachers_trained_360h", "98%", "M 完成360学时培训的教师数", "98%", "不是百分比", "去掉百分号"),
    ("county-facts", "teachers_certified", "全部", "N 持有教师资格证的专任教师数", "全部", "数（人）", "填数字"),
    ("county-facts", "teachers_rotated", "131人", "P 交流轮岗教师数", "131人", "数（人）", "单位写在表头"),
    ("county-facts", "resident_population", 38.62, "D 常住人口", "38.62", "1000 至 10000000", "核对数值"),
    ("county-facts", "teacher_average_pay_yuan", 9.86, "J 义务教育学校教师年平均工资收入", "9.86", "10000 至 1000000", "单位"),
    ("county-facts", "teacher_average_pay_yuan", 8220, "J 义务教育学校教师年平均工资收入", "8220", "10000 至 1000000", "单位"),
    ("county-facts", "junior_deaths", "无", "R 初中三年死亡人数", "无", "数（人）或空白", "零请填 0"),
    ("county-facts", "basic_balance_years", 2016, "E 通过基本均衡认定的年数", "2016", "0 至 30", "核对数值"),
    ("county-facts", "county_code", 99019, "A 县区划代码", "99019", "6 位数字的文本", "前面的 0 丢了"),
    ("county-facts", "disabled_children", 262.5, "S 适龄残疾儿童少年数", "262.5", "整数（人）", "不能是小数"),
    ("school-facts", "charter", "已制定", "J 是否制定章程", "已制定", "下列之一：是、否", "下拉列表"),
    ("school-facts", "small_rural", None, "E 是否村小学或教学点", "空白", "村小学和教学点填“是”", "补上"),
    ("school-facts", "moral_grade", "A", "L 德育工作等级", "A", "优秀、良好、合格、不合格", "下拉列表"),
    ("school-facts", "public_funding_yuan", "=SUM(A1:A3)", "F 核定拨付的公用经费", "=SUM(A1:A3)", "公式的结果", "保存"),
    ("school-facts", "school_code", "9.90E+09", "C 学校标识码", "9.90E+09", "10 位数字", "科学计数法"),
    ("class", "stage", "高中", "E 学段", "高中", "小学、初中", "下拉列表"),
    ("class", "stage", None, "E 学段", "空白", "这个班所在的学段", "补上"),
    ("class", "stage", " ", "E 学段", "空白", "这个班所在的学段", "补上"),
    ("class", "grade", "七年级", "F 年级", "七年级", "学段为“小学”时用：一年级、二年级", "核对学段与年级"),
    ("class", "grade", "高一", "F 年级", "高一", "一年级", "下拉列表"),
    ("class", "students", 450, "H 班级学生数", "450", "0 至 200", "核对数值"),
    ("class", "students", -1, "H 班级学生数", "-1", "0 至 200", "核对数值"),
    ("class", "class_name", date(2024, 1, 2), "G 班级名称", "2024-01-02 00:00:00", "文本", "当作了日期"),
    ("class", "class_name", None, "G 班级名称", "空白", "不重复的班名", "补上"),
    ("room", "use", "舞蹈", "F 用途", "舞蹈", "音乐、美术", "下拉列表"),
    ("room", "area_m2", "96平方米", "G 使用面积", "96平方米", "数（平方米）", "单位写在表头"),
    ("room", "area_m2", 0, "G 使用面积", "0", "10 至 2000", "核对数值"),
    ("finance", "fiscal_year", "2023-2024", "C 年度", "2023-2024", "2000 至 2100", "不写起止"),
    ("finance", "price_index", 2.1, "F 居民消费价格指数", "2.1", "50 至 200", "核对数值"),
    ("finance", "price_index", "102%", "F 居民消费价格指数", "102%", "不是百分比", "去掉百分号"),
    ("finance", "students", 0, "E 在校学生人数", "0", "1 至 3000000", "核对数值"),
    ("survey", "group", "网友", "C 调查对象", "网友", "家长、教师、校长、人大代表、政协委员、学生、其他群众", "下拉列表"),
    ("survey", "group", None, "C 调查对象", "空白", "", "补上"),
    ("survey", "mode", None, "D 调查方式", "空白", "", "补上"),
    ("survey", "mode", "电话", "D 调查方式", "电话", "问卷、实地走访", "下拉列表"),
    ("survey", "mean_score", 91.2, "G 平均得分率", "91.2", "0 至 1", "核对数值"),
    ("survey", "valid", "一千份", "E 有效份数", "一千份", "数（份）", "填数字"),
    ("evidence", "date", "2024.6.30", "F 日期", "2024.6.30", "2024-06-30", "之间用"),
    ("evidence", "date", "2024-02-30", "F 日期", "2024-02-30", "只知道月份写 2024-06", "没有这一天"),
    ("evidence", "date", time(9, 30), "F 日期", "09:30:00", "2024-06-30", "文本格式"),
    ("evidence", "finding", "基本达到", "H 结论", "基本达到", "未发生、未达到", "下拉列表"),
    ("evidence", "finding", "未发生", "H 结论", "未发生", "条目代码为“G1”时用：达到、符合、未达到、不符合、未定、待确认", "只用于否决项"),
    ("evidence", "item", "V2", "H 结论", "达到", "条目代码为“V2”时用：未发生、发生、未定、待确认", "说不清有没有发生"),
    ("evidence", "item", None, "C 条目代码", "空白", "督导评估的条目代码", "补上"),
    ("evidence", "item", "G99", "C 条目代码", "G99", "P2、G1、G2a", "是不是想写 G9？"),
    ("evidence", "item", "g2", "C 条目代码", "G2", "G2a、G2b、G2c、G2d", "按分项各填一行"),
    ("evidence", "item", "规划", "C 条目代码", "规划", "方案的证据代码 E-…", "改正代码"),
    ("evidence", "finding", None, "H 结论", "空白", "否决项填", "补上"),
    ("evidence", "confirmed_by", None, "G 确认部门", "空白", "不写个人姓名", "补上"),
    ("evidence", "title", None, "D 材料名称", "空白", "文件或材料的名称", "补上"),
    ("project", "deadline", "2026年底", "F 完成时限", "2026年底", "2024年6月30日", "之间用"),
    ("project", "deadline", "2024-02", "F 完成时限", "2024-02", "不早于开始时间 2024-03", "填反"),
    ("project", "finished", "2023-11", "G 完成时间", "2023-11", "不早于开始时间 2024-03", "写错了年份"),
    ("project", "start", 2024, "E 开始时间", "2024", "2024-06（2000 至 2100 年）", "至少写到月"),
    ("project", "investment_yuan", "约200万", "H 投资额", "约200万", "数（元）", "填数字"),
    ("project", "department", None, "D 责任部门", "空白", "牵头的部门", "补上"),
]


@pytest.mark.parametrize(("table_id", "name", "value", "column", "found", "expected", "fix"), CELLS)
def test_a_faulty_cell_is_refused_where_it_stands(filled, table_id, name, value, column, found, expected, fix):
    table = filled(table_id)
    table.put(**{name: value})
    cell = table.cell(name)
    problems = [p for p in table.problems() if "没有这一列" not in p["found"]]
    # A number that cannot be read is missing; nothing else may be said of it.
    assert len(problems) == 1, problems
    [problem] = problems
    assert place(problem) == (table.path.name, cell.parent.title, str(FIRST_ROW), column)
    assert (problem["level"], problem["found"]) == (ERROR, found)
    assert expected in problem["expected"] and fix in problem["fix"]


# Table, cells of the first row, words of the column reported, what is shown, what was expected, what to do.
PARTS = [
    ("county-facts", {"teachers_certified": 2261}, "N 持有教师资格证的专任教师数", "2261", "不大于专任教师总数 2260", "持证教师"),
    ("county-facts", {"backbone_teachers_rotated": 132}, "Q 交流轮岗的骨干教师数", "132", "不大于交流轮岗教师数 131", "骨干教师"),
    ("county-facts", {"teachers_rotated": 1181}, "P 交流轮岗教师数", "1181", "不大于符合交流条件的教师数 1180", "填反"),
    ("county-facts", {"zoned_students_junior": 6931}, "G 初中就近划片入学人数", "6931", "（就近划片范围） 6930", "填反"),
    ("county-facts", {"migrant_children_public": 1577}, "K 符合条件的随迁子女数", "1640",
     "不小于公办学校就读的随迁子女数＋政府购买服务民办学校就读的随迁子女数 1641", "总数与分项"),
    ("county-facts", {"disabled_children_home": 32}, "S 适龄残疾儿童少年数", "263", "＋送教上门人数 264", "只计一种"),
    ("county-facts", {"disabled_children_regular": None, "disabled_children_home": 180}, "S 适龄残疾儿童少年数", "263",
     "不小于随班就读人数＋特教学校就读人数＋送教上门人数 264", "只计一种"),
    ("county-facts", {"quality_high_school_places_rural": 721}, "J 分配到农村初中的名额数", "721", "优质高中分配名额数 720",
     "分配名额"),
    ("county-facts", {"junior_graduates": 3414}, "N 初中毕业生数", "3414", "不大于三年前初一学生数＋初中三年转入人数 3413", "同一届"),
    ("county-facts", {"resident_population": 21749}, "D 常住人口", "21749", "小学在读人数（就近划片范围）＋初中在读人数（就近划片范围） 21750",
     "以人为单位"),
    ("school-facts", {"training_budget_yuan": 61.93}, "H 教师培训经费预算", "619300", "不大于年度公用经费预算总额 619200", "填反"),
    ("survey", {"satisfied": 306}, "F 满意份数", "306", "不大于有效份数 305", "填反"),
]


@pytest.mark.parametrize(("table_id", "cells", "column", "found", "expected", "fix"), PARTS)
def test_a_part_larger_than_its_whole_is_refused(filled, table_id, cells, column, found, expected, fix):
    table = filled(table_id)
    table.put(**cells)
    [problem] = table.problems()
    assert place(problem)[2:] == (str(FIRST_ROW), column) and problem["level"] == ERROR
    assert problem["found"] == found and expected in problem["expected"] and fix in problem["fix"]


def test_a_record_that_nothing_will_use_is_noticed_and_no_error(filled):
    table = filled("evidence")
    table.put(item="ｇ11")
    [problem] = table.problems()
    assert place(problem) == (table.path.name, "佐证材料", str(FIRST_ROW), "C 条目代码") and problem["level"] == NOTICE
    assert problem["found"] == "G11" and "这个条目不凭材料判定，记录不会用到" in problem["fix"]


@pytest.mark.parametrize("item", ["E-documents", "e-own-record", "g10", "q8 "])
def test_a_code_that_is_asked_for_gives_no_problem(filled, item):
    table = filled("evidence")
    table.put(item=item)
    assert table.problems() == []


@pytest.mark.parametrize(("table_id", "name", "value", "words"), [
    ("county-facts", "special_ed_funding_yuan", 0.5, "I 特殊教育学校公用经费"),
    ("finance", "public_education_spending_yuan", 628.8, "D 一般公共预算教育支出"),
])
def test_a_confusion_of_yuan_and_ten_thousands_is_noticed(filled, table_id, name, value, words):
    table = filled(table_id)
    table.put(**{name: value})
    [problem] = table.problems()
    assert problem["level"] == NOTICE and problem["column"] == words and "万元与元混用" in problem["fix"]


@pytest.mark.parametrize(("table_id", "heading", "left"), [
    ("school-facts", "核定拨付的公用经费（万元）", "核定拨付的公用经费"),
    ("finance", "一般公共预算教育支出（万元）", "一般公共预算教育支出"),
    ("county-facts", "当地公务员年平均工资收入（元）", "公务员平均工资收入水平"),
    ("project", "投资额（万元）", "项目投资"),
])
def test_money_without_a_unit_in_its_heading_is_refused(filled, table_id, heading, left):
    table = filled(table_id)
    sheet = table.book.worksheets[0]
    cell = next(c for c in sheet[HEADING_ROW] if c.value == heading)
    cell.value = left
    [problem] = table.problems()
    assert place(problem)[1:] == (sheet.title, str(HEADING_ROW), cell.column_letter)
    assert problem["found"] == left and "表头写明单位" in problem["expected"] and "避免万元与元混用" in problem["fix"]


@pytest.mark.parametrize(("table_id", "name"), [
    ("county-facts", "migrant_children"), ("school-facts", "culture_grade"), ("class", "grade"), ("room", "area_m2"),
    ("finance", "students"), ("survey", "valid"), ("evidence", "finding"), ("project", "finished"),
])
def test_a_column_that_is_absent_is_named_with_its_heading(filled, table_id, name):
    table = filled(table_id)
    cell = table.cell(name)
    sheet, column = cell.parent, table.contract.column(name)
    sheet.delete_cols(cell.column)
    problems = table.problems()
    assert [place(p)[1:] for p in problems] == [(sheet.title, str(HEADING_ROW), column.label_zh)]
    assert problems[0]["found"] == "没有这一列" and next(iter(column.headings)) in problems[0]["expected"]
    assert problems[0]["level"] == ERROR and "单元格留空" in problems[0]["fix"]


@pytest.mark.parametrize(("table_id", "name"), [("finance", "price_index"), ("survey", "mean_score"), ("evidence", "remark")])
def test_a_column_that_may_be_left_out_is_not_missed(filled, table_id, name):
    table = filled(table_id)
    cell = table.cell(name)
    cell.parent.delete_cols(cell.column)
    assert table.problems() == []


@pytest.mark.parametrize("table_id", ["school-facts", "class", "room", "finance", "survey", "evidence", "project"])
def test_a_row_that_is_there_twice_is_named_with_its_whole_key(filled, table_id):
    table = filled(table_id)
    sheet, contract = table.book.worksheets[0], table.contract
    again = FIRST_ROW + len(EXAMPLES[table_id])
    for cell in sheet[FIRST_ROW]:
        sheet.cell(again, cell.column).value = cell.value
    [problem] = table.problems()
    last = contract.label(contract.key[-1])
    assert place(problem)[:3] == (table.path.name, sheet.title, str(again)) and problem["column"].endswith(f" {last}")
    assert problem["expected"].startswith("只出现一次（县区划代码 990199") and all(
        contract.label(k) in problem["expected"] for k in contract.key
    )
    assert "删去重复的一行" in problem["fix"]


def test_a_county_that_is_there_twice_in_one_sheet(filled):
    table = filled("county-facts")
    sheet = table.book.worksheets[0]
    for cell in sheet[FIRST_ROW]:
        sheet.cell(FIRST_ROW + 1, cell.column).value = cell.value
    [first] = table.problems()
    assert place(first) == (table.path.name, "教师与经费", str(FIRST_ROW + 1), "A 县区划代码、C 学年")
    assert first["found"] == "990199 2024" and "一个县一行（第 4 行已用此县区划代码、学年）" in first["expected"]


def test_sheets_that_state_different_years_for_one_county(filled):
    table = filled("county-facts")
    table.book["入学与质量"].cell(FIRST_ROW, 3).value = 2023
    [problem] = table.problems()
    assert place(problem)[1:] == ("入学与质量", "4", "A 县区划代码、C 学年") and problem["level"] == ERROR
    assert problem["found"] == "990199 2023"
    assert problem["expected"] == "990199 2024（工作表“教师与经费”中“示例县(虚构)”的县区划代码、学年）"


def test_a_county_that_only_one_of_the_two_sheets_has(filled):
    table = filled("county-facts")
    sheet = table.book["入学与质量"]
    sheet.cell(FIRST_ROW, 1).value, sheet.cell(FIRST_ROW, 2).value = "990198", "例示县（虚构）"
    extra, absent = table.problems()
    assert place(extra)[1:] == ("入学与质量", "4", "A 县区划代码、C 学年") and extra["level"] == ERROR
    assert (extra["found"], extra["expected"]) == ("990198 2024", "工作表“教师与经费”中有这个县")
    assert place(absent)[1:3] == ("教师与经费", "4") and absent["level"] == NOTICE
    assert absent["found"] == "990199 2024" and "不当作 0" in absent["fix"]


def test_a_second_sheet_without_a_year_cannot_be_joined(filled):
    table = filled("county-facts")
    table.book["入学与质量"].cell(FIRST_ROW, 3).value = None
    [blank] = table.problems()
    assert place(blank)[1:] == ("入学与质量", "4", "C 学年") and "补上学年" in blank["fix"]


def test_sheets_that_call_one_county_by_two_names(filled):
    table = filled("county-facts")
    table.book["入学与质量"].cell(FIRST_ROW, 2).value = "例示县（虚构）"
    [problem] = table.problems()
    assert place(problem)[1:] == ("入学与质量", "4", "B 县（市、区）")
    assert problem["expected"] == "示例县（虚构）（工作表“教师与经费”，同一县区划代码、学年 990199 2024）"


def test_a_missing_sheet_is_one_problem(filled):
    table = filled("county-facts")
    del table.book["入学与质量"]
    [problem] = table.problems()
    assert problem["found"] == "没有这张表" and "小学在读人数" in problem["expected"]


def test_classes_in_two_sheets_of_one_file_are_not_stacked_in_silence(filled):
    table = filled("class")
    sheet = table.book.copy_worksheet(table.book.worksheets[0])
    sheet.title = "初中班级"
    [problem] = table.problems()
    assert place(problem)[1:3] == ("初中班级", str(HEADING_ROW))
    assert problem["expected"] == "一个文件一张数据表" and "分成几个文件" in problem["fix"]


def test_a_total_below_the_classes_that_does_not_add_up(filled):
    table = filled("class")
    sheet = table.book.worksheets[0]
    row = FIRST_ROW + len(EXAMPLES["class"])
    sheet.cell(row, 1).value, sheet.cell(row, 8).value = "合计", 171
    [problem] = table.problems()
    assert place(problem)[1:] == ("班级", str(row), "H 班级学生数")
    assert (problem["found"], problem["expected"]) == ("合计 171", "各行之和 172")


def test_a_lone_name_of_a_school_without_data_is_noticed(filled):
    table = filled("room")
    sheet = table.book.worksheets[0]
    sheet.cell(FIRST_ROW + len(EXAMPLES["room"]), 4).value = "示例县虚构第四小学"
    [problem] = table.problems()
    assert problem["level"] == NOTICE and problem["expected"].startswith("一行一间专用教室")
    assert "若是专用教室，请补上教室编号与数据" in problem["fix"]


def test_numbers_typed_as_text_and_percentages_of_a_share_are_read(filled):
    table = filled("survey")
    table.put(valid="１，３０５", satisfied="1,279", mean_score="91.2%")
    assert table.problems() == []
    row = read_file(table.path, table.contract).table.iloc[0]
    assert (row["valid"], row["satisfied"], row["mean_score"]) == (1305, 1279, 0.912)
