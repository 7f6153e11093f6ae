"""Files as bureaus send them: what is found in them, and what is said about them."""

from __future__ import annotations

import random
import zipfile

import openpyxl
import pandas as pd
import pytest

from qbresearch.errors import InputError
from qbresearch.raw.checks import check_table
from qbresearch.raw.problems import ERROR, NOTICE, PROBLEM_COLUMNS
from qbresearch.raw.reading import read_file
from qbresearch.raw.sheets import open_sheets
from qbresearch.raw.template import EXAMPLES, write_filled_example
from qbresearch.rules.columns import load_table

STUDENTS, TEACHERS, ASSETS = "学校与学生", "专任教师", "校舍与设备"
CALIFORNIA = {
    "district": "010203", "school": "甲学区，东", "county": "某县", "grades": "KK-08", "students": "1 ", "teachers": "10.9",
    "calworks": "0.5", "lunch": "2.0", "computer": "67", "expenditure": "6384.9", "income": "22.7", "english": "0",
    "read": "691.6", "math": "690",
}


@pytest.fixture
def read(book, contract, tmp_path):
    """Save the workbook and read it."""
    return lambda: read_file(book.save(tmp_path / "学校表.xlsx"), contract)


def rows(problems):
    """Problems without the file and the advice."""
    columns = ["sheet", "row", "column", "level", "found"]
    return [tuple(r) for r in problems[columns].itertuples(index=False)]


# --- what is read ------------------------------------------------------------------------------------------------


def test_a_clean_workbook_gives_every_school_and_no_problem(read, contract):
    result = read()
    assert result.problems.empty and list(result.problems.columns) == PROBLEM_COLUMNS
    assert len(result.table) == 12
    assert list(result.table.columns) == [c.name for c in contract.columns] + ["_file", "_place"]
    first = result.table.iloc[0]
    assert (first["county_code"], first["school_code"], first["school_year"]) == ("010203", "0102030001", 2024)
    assert (first["students_primary"], first["teachers_primary"], first["teaching_area_m2"]) == (400.0, 27.0, 3000.5)
    assert pd.isna(first["students_junior"]) and first["school_type"] == "primary"
    dtypes = result.table.dtypes.astype(str)
    assert (dtypes["students_primary"], dtypes["school_year"]) == ("float64", "Int64")


def test_zero_is_a_value_and_a_blank_is_missing(book, read):
    book.put(0, "indoor_sports_area_m2", 0)
    book.put(1, "indoor_sports_area_m2", None)
    table = read().table
    assert table["indoor_sports_area_m2"].iloc[0] == 0.0 and pd.isna(table["indoor_sports_area_m2"].iloc[1])


def test_headings_are_found_by_text_in_any_order_width_and_wording(book, read):
    for column, heading in {
        "school_code": "学校（机构）标识码", "students_primary": "小学在校\n生数", "location": "城乡分类",
        "school_year": "学年 (起始年)", "county_name": "县(市、区)",
    }.items():
        book.put(-1, column, heading, sheet=STUDENTS)
    book.put(-1, "sports_ground_area_m2", "运动场地面积(㎡)")
    book.put(-1, "multimedia_classrooms", "网络多媒体教室（间）")
    sheet = book.sheet(ASSETS)
    sheet.move_range("C3:C15", cols=10)
    result = read()
    assert result.problems.empty and result.table["sports_ground_area_m2"].eq(4000).all()
    assert result.table["teaching_area_m2"].iloc[1] == 3100.5


def test_the_heading_row_may_stand_lower_and_rows_are_counted_as_in_the_spreadsheet(book, contract, tmp_path):
    book.put(2, "students_primary", "？")
    path = book.save(tmp_path / "a.xlsx")
    workbook = openpyxl.load_workbook(path)
    workbook[STUDENTS].unmerge_cells(str(next(iter(workbook[STUDENTS].merged_cells.ranges))))
    workbook[STUDENTS].insert_rows(1, 5)
    workbook.save(path)
    assert rows(read_file(path, contract).problems) == [(STUDENTS, "11", "K 小学在校学生数", ERROR, "？")]


def test_equipment_is_read_in_the_unit_of_its_heading(book, read):
    book.put(-1, "equipment_value_yuan", "教学仪器设备资产值（万元）")
    for school in range(12):
        book.put(school, "equipment_value_yuan", 12.34 + school)
    result = read()
    assert result.problems.empty
    assert list(result.table["equipment_value_yuan"]) == [123400.0 + 10000 * school for school in range(12)]


def test_a_heading_without_its_unit_is_refused_once_and_its_cells_are_not_read(book, problems_of, read):
    book.put(-1, "equipment_value_yuan", "教学仪器设备资产值")
    problems = problems_of(book)
    assert rows(problems) == [(ASSETS, "3", "F", ERROR, "教学仪器设备资产值")]
    assert "（元）" in problems["expected"][0] and "（万元）" in problems["expected"][0]
    assert read().table["equipment_value_yuan"].isna().all()


def test_codes_keep_their_zeros_from_text_and_from_formatted_numbers(book, read):
    for school in range(12):
        book.put(school, "county_code", 10203, number_format="000000")
    result = read()
    assert result.problems.empty and set(result.table["county_code"]) == {"010203"}


def test_a_code_that_lost_its_zero_is_reported_and_not_put_back(book, read):
    book.put(0, "county_code", 10203)
    result = read()
    assert rows(result.problems) == [(STUDENTS, "4", "A 县区划代码", ERROR, "10203")]
    assert "前面的 0 丢了" in result.problems["fix"][0] and pd.isna(result.table["county_code"].iloc[0])


def test_what_was_found_is_shown_as_it_stands_and_shortened(book, read):
    book.put(0, "students_primary", "３００人左右")
    book.put(1, "students_primary", "很长" * 40)
    found = list(read().problems["found"])
    assert found[0] == "３００人左右" and len(found[1]) == 41 and found[1].endswith("…")


def test_several_problems_come_back_at_once_with_the_file_they_are_in(book, read):
    for school, value in enumerate(["—", "#N/A", "5%", "abc", -1]):
        book.put(school, "students_primary", value)
    problems = read().problems
    assert list(problems["row"]) == ["4", "5", "6", "7", "8"] and set(problems["file"]) == {"学校表.xlsx"}
    assert problems[["found", "expected", "fix"]].map(bool).all(axis=None)


# --- totals, notes, sheets that are no data ----------------------------------------------------------------------


def test_a_right_total_is_no_school_and_no_problem(book, read):
    book.put(0, "teaching_area_m2", 0.1)
    book.put(1, "teaching_area_m2", 0.2)
    result = read()
    assert result.problems.empty and len(result.table) == 12


def test_a_wrong_total_is_reported_where_it_stands(book, read):
    book.stated["teachers_primary"] = 1
    problems = read().problems
    assert rows(problems) == [(TEACHERS, "16", "C 小学专任教师数", ERROR, "合计 1")]
    assert problems["expected"][0].startswith("各行之和 ")


@pytest.mark.parametrize("word", ["合计", "合　计", "总计", "合计：", "全县合计", "测试县合计", "合计（所）"])
def test_totals_are_known_by_their_word(book, contract, tmp_path, word):
    path = book.save(tmp_path / "a.xlsx")
    workbook = openpyxl.load_workbook(path)
    for sheet in workbook:
        sheet.cell(16, 1, word)
    workbook.save(path)
    result = read_file(path, contract)
    assert result.problems.empty and len(result.table) == 12


def test_a_total_above_the_schools_and_subtotals_are_held_against_their_own_rows(contract, tmp_path):
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    for line in (["学校代码", "校名", "小学在校生数"], [None, "合计", 60], ["0102030001", "甲", 10], ["0102030002", "乙", 20],
                 [None, "小计", 30], ["0102030003", "丙", 30], [None, "小计", 31]):
        sheet.append(line)
    workbook.save(tmp_path / "a.xlsx")
    result = read_file(tmp_path / "a.xlsx", contract)
    totals = result.problems[result.problems["column"] == "C 小学在校学生数"]
    assert rows(totals) == [("Sheet", "7", "C 小学在校学生数", ERROR, "合计 31")]
    assert totals["expected"].iloc[0] == "各行之和 30" and len(result.table) == 3


def test_a_total_over_an_unreadable_cell_is_not_a_second_problem(book, read):
    book.put(0, "students_primary", "约三百")
    book.stated["students_primary"] = 9999
    assert len(read().problems) == 1


def test_notes_come_back_as_texts_and_are_no_schools(book, contract, tmp_path):
    path = book.save(tmp_path / "a.xlsx")
    workbook = openpyxl.load_workbook(path)
    workbook[STUDENTS].cell(18, 1, "填表人：张某")
    workbook[STUDENTS].cell(18, 5, "审核人：李某")
    workbook.save(path)
    result = read_file(path, contract)
    assert result.problems.empty and len(result.table) == 12
    assert result.notes == ("注：本表由测试生成。", "填表人：张某 审核人：李某", "注：本表由测试生成。", "注：本表由测试生成。")


def test_a_row_with_nothing_but_a_code_is_a_school_and_no_note(book, contract, tmp_path):
    path = book.save(tmp_path / "a.xlsx")
    workbook = openpyxl.load_workbook(path)
    workbook[TEACHERS].cell(18, 1, "0102030099")
    workbook.save(path)
    problems = read_file(path, contract).problems
    assert rows(problems) == [(TEACHERS, "18", "A 学校标识码", ERROR, "0102030099")]


@pytest.mark.parametrize("name", ["示例-学校与学生", "示例", "填写说明"])
def test_sheets_of_the_template_that_explain_are_not_read(book, read, name):
    sheet = book.workbook.create_sheet(name)
    sheet.append(["学校标识码", "学校名称", "小学在校学生数"])
    sheet.append(["x", "y", "z"])
    result = read()
    assert result.problems.empty and len(result.table) == 12


def test_a_cover_sheet_is_noticed_and_a_hidden_table_too(book, read):
    book.workbook.create_sheet("封面", 0)["B2"] = "测试县教育局"
    hidden = book.workbook.create_sheet("旧表")
    hidden.append(["学校标识码", "学校名称"])
    hidden.sheet_state = "hidden"
    problems = read().problems
    assert rows(problems) == [("旧表", "—", "—", NOTICE, "隐藏的工作表"), ("封面", "—", "—", NOTICE, "测试县教育局")]


def test_a_file_without_any_heading_is_an_error(tmp_path, contract):
    workbook = openpyxl.Workbook()
    workbook.active["A1"] = "只有一句话"
    workbook.save(tmp_path / "a.xlsx")
    problems = read_file(tmp_path / "a.xlsx", contract).problems
    assert rows(problems) == [("Sheet", "—", "—", ERROR, "只有一句话")] and "学校标识码" in problems["expected"][0]
    (tmp_path / "b.csv").write_bytes(b"")
    assert list(read_file(tmp_path / "b.csv", contract).problems["found"]) == ["没有内容"]


# --- headings that cannot be used --------------------------------------------------------------------------------


def test_an_unknown_column_is_noticed_and_the_rest_is_read(book, read):
    book.sheet(STUDENTS)["N3"] = "备用栏"
    book.sheet(STUDENTS)["N4"] = "x"
    result = read()
    assert rows(result.problems) == [(STUDENTS, "3", "N", NOTICE, "备用栏")] and len(result.table) == 12


@pytest.mark.parametrize("copies", [1, 2])
def test_columns_of_the_same_meaning_are_reported_and_the_first_is_read(book, read, copies):
    for at in range(copies):
        book.sheet(STUDENTS).cell(3, 14 + at, ["小学在校生", "小学学生数"][at])
        book.sheet(STUDENTS).cell(4, 14 + at, 7)
    result = read()
    assert [r[:3] for r in rows(result.problems)] == [(STUDENTS, "3", "NO"[at]) for at in range(copies)]
    assert "K 列" in result.problems["expected"][0] and result.table["students_primary"].iloc[0] == 400


def test_a_missing_column_is_one_error_and_not_one_a_school(book, problems_of):
    book.put(-1, "teaching_area_m2", "面积")
    assert rows(problems_of(book)) == [
        (ASSETS, "3", "C", NOTICE, "面积"), (ASSETS, "3", "教学及辅助用房面积", ERROR, "没有这一列")]


def test_a_missing_sheet_is_one_error(book, problems_of):
    del book.workbook[TEACHERS]
    book.columns.pop(TEACHERS)
    problems = problems_of(book)
    assert rows(problems) == [(TEACHERS, "—", "—", ERROR, "没有这张表")] and "小学专任教师数" in problems["expected"][0]


def test_a_sheet_without_school_codes_is_one_error(book, problems_of):
    book.put(-1, "school_code", None, sheet=TEACHERS)
    assert rows(problems_of(book)) == [(TEACHERS, "3", "学校标识码", ERROR, "没有这一列")]


def test_without_school_codes_anywhere_the_one_missing_column_is_the_error(book, problems_of):
    for sheet in (STUDENTS, TEACHERS, ASSETS):
        book.put(-1, "school_code", None, sheet=sheet)
    assert rows(problems_of(book)) == [(STUDENTS, "3", "学校标识码", ERROR, "没有这一列")]


def test_a_second_table_that_nothing_can_join_is_not_dropped_in_silence(tmp_path):
    workbook = openpyxl.Workbook()
    published = load_table("published-cv")
    for sheet in (workbook.active, workbook.create_sheet("又")):
        sheet.append([c.name for c in published.columns])
        sheet.append(["1"] * len(published.columns))
    workbook.active["B2"], workbook["又"]["B2"] = 2022, 2022
    workbook.save(tmp_path / "a.xlsx")
    result = read_file(tmp_path / "a.xlsx", published)
    assert rows(result.problems) == [("又", "1", "—", ERROR, "又一张数据表")] and len(result.table) == 1


def test_optional_columns_may_be_left_out(book, problems_of):
    for column in ("computers", "books", "titled_teachers_primary", "titled_teachers_junior"):
        book.put(-1, column, None)
        for row in range(12):
            book.put(row, column, None)
    assert problems_of(book).empty


# --- schools that one sheet has and another has not --------------------------------------------------------------


def test_a_school_that_one_sheet_leaves_out_is_missing_there_and_noticed_once(book, problems_of, read):
    book.delete_school(4, TEACHERS)
    problems = problems_of(book)
    assert rows(problems) == [(STUDENTS, "8", "D 学校标识码", NOTICE, "0102030005")]
    assert "不当作 0" in problems["fix"][0] and TEACHERS in problems["expected"][0]
    school = read().table.iloc[4]
    assert pd.isna(school["teachers_primary"]) and pd.isna(school["pe_teachers_primary"])
    assert school["students_primary"] == 440 and school["multimedia_classrooms"] == 16


def test_a_school_that_the_first_sheet_does_not_know_is_one_error(book, problems_of):
    book.delete_school(4, STUDENTS)
    assert rows(problems_of(book)) == [(TEACHERS, "8", "A 学校标识码", ERROR, "0102030005")]


@pytest.mark.parametrize("sheet", [STUDENTS, TEACHERS, ASSETS])
def test_a_mistyped_code_is_one_problem_that_names_both_codes(book, problems_of, sheet):
    book.put(4, "school_code", "0102030077", sheet=sheet)
    problems = problems_of(book)
    assert len(problems) == 1 and problems["level"][0] == ERROR
    assert {"0102030077", "0102030005"} == {problems["found"][0], problems["expected"][0][:10]}
    assert problems["sheet"][0] == (TEACHERS if sheet == STUDENTS else sheet)


@pytest.mark.parametrize("sheet", [STUDENTS, TEACHERS, ASSETS])
@pytest.mark.parametrize(("value", "found"), [(102030005, "102030005"), (None, "空白"), ("0102030001", "0102030001")])
def test_a_lost_blank_or_repeated_code_is_one_problem_in_its_own_sheet(book, problems_of, sheet, value, found):
    book.put(4, "school_code", value, sheet=sheet)
    problems = problems_of(book)
    assert rows(problems) == [(sheet, "8", f"{'D' if sheet == STUDENTS else 'A'} 学校标识码", ERROR, found)]


def test_rows_of_two_sheets_in_different_order_meet_by_code(book, read):
    sheet = book.sheet(ASSETS)
    lines = [[cell.value for cell in sheet[row]] for row in range(4, 16)]
    random.Random(1).shuffle(lines)
    for row, line in enumerate(lines, 4):
        for at, value in enumerate(line, 1):
            sheet.cell(row, at).value = value
    result = read()
    assert result.problems.empty
    assert list(result.table["multimedia_classrooms"]) == [12.0 + n for n in range(12)]


def test_a_name_that_differs_under_one_code_is_reported(book, problems_of):
    book.put(3, "school_name", "另一所学校", sheet=ASSETS)
    problems = problems_of(book)
    assert rows(problems) == [(ASSETS, "7", "B 学校名称", ERROR, "另一所学校")] and "测试第4校" in problems["expected"][0]


def test_a_column_given_in_two_sheets_must_say_the_same(book, problems_of):
    sheet = book.sheet(ASSETS)
    sheet["J3"] = "小学在校学生数"
    for row in range(4, 16):
        sheet.cell(row, 10, book.sheet(STUDENTS).cell(row, 11).value)
    assert problems_of(book).empty
    sheet["J6"] = 1
    assert rows(problems_of(book)) == [(ASSETS, "6", "J 小学在校学生数", ERROR, "1")]


@pytest.mark.parametrize(("sheet", "column", "words"), [
    (STUDENTS, "students_primary", "K 小学在校学生数"), (TEACHERS, "arts_teachers_primary", "K 小学艺术专任教师数"),
    (ASSETS, "sports_ground_area_m2", "E 运动场地面积"),
])
@pytest.mark.parametrize("value", ["—", None])
def test_a_problem_points_to_its_cell_in_every_sheet_of_a_shuffled_workbook(
    book, problems_of, sheet, column, words, value
):
    if sheet != STUDENTS:
        moved = book.sheet(sheet)
        for row in (5, 9):
            for at in range(1, moved.max_column + 1):
                moved.cell(row, at).value, moved.cell(4, at).value = moved.cell(4, at).value, moved.cell(row, at).value
    book.put(5, column, value)
    problems = problems_of(book)
    assert [(r[0], r[1], r[2]) for r in rows(problems)] == [(sheet, "9", words)]


# --- formats -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030"])
def test_csv_is_read_in_every_encoding_excel_writes(tmp_path, encoding):
    (tmp_path / "a.csv").write_bytes("\r\n".join(map(",".join, (CALIFORNIA, CALIFORNIA.values()))).encode(encoding))
    result = read_file(tmp_path / "a.csv", load_table("california"))
    assert result.problems.empty, result.problems.to_string()
    row = result.table.iloc[0]
    assert (row["school_code"], row["school_name"], row["county_code"]) == ("010203", "甲学区，东", "某县")
    assert row["students"] == 1 and row["school_year"] == 1998


def test_a_csv_that_is_not_in_a_chinese_encoding_is_refused(tmp_path, contract):
    (tmp_path / "a.csv").write_bytes("学校标识码,学校名称".encode("utf-16"))
    with pytest.raises(InputError, match="既不是 UTF-8 也不是 GBK") as caught:
        read_file(tmp_path / "a.csv", contract)
    assert caught.value.where == "a.csv" and "CSV UTF-8" in caught.value.fix


def test_an_open_quotation_mark_does_not_swallow_the_rows_after_it(tmp_path, contract):
    (tmp_path / "a.csv").write_text('学校标识码,学校名称\n0102030001,"甲\n0102030002,乙\n', encoding="utf-8")
    with pytest.raises(InputError, match="引号不成对"):
        read_file(tmp_path / "a.csv", contract)


def _locked(path):
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600)


def _cut_off(path):
    openpyxl.Workbook().save(path)
    path.write_bytes(path.read_bytes()[:900])


def _broken_inside(path):
    openpyxl.Workbook().save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/worksheets/sheet1.xml"] = b"<worksheet><sheetData><row"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def _text(path):
    path.write_text("学校标识码", encoding="utf-8")


def _other_archive(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "a")


@pytest.mark.parametrize(("make", "found"), [
    (_locked, "密码保护"), (_cut_off, "损坏"), (_broken_inside, "损坏"), (_text, "损坏"), (_other_archive, "损坏"),
    (lambda path: path.write_bytes(b""), "空文件"), (lambda path: None, "没有这个文件"),
])
def test_a_workbook_that_cannot_be_opened_is_refused_with_a_sentence(tmp_path, contract, make, found):
    path = tmp_path / "学校表.xlsx"
    make(path)
    with pytest.raises(InputError, match="打不开工作簿") as caught:
        read_file(path, contract)
    assert caught.value.where == "学校表.xlsx" and found in caught.value.found and "另存为 .xlsx" in caught.value.fix


@pytest.mark.parametrize(("name", "words"), [
    ("a.xls", "另存为 .xlsx"), ("a.et", "另存为 .xlsx"), ("a.pdf", "只放数据文件"), ("a", "只放数据文件"),
])
def test_other_formats_are_refused_with_what_to_do(tmp_path, contract, name, words):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError, match="不认识的文件类型") as caught:
        read_file(tmp_path / name, contract)
    assert words in caught.value.fix and ".xlsx" in caught.value.expected


def test_a_csv_that_is_not_there_is_refused_with_a_sentence(tmp_path, contract):
    with pytest.raises(InputError, match="没有这个文件"):
        read_file(tmp_path / "无.csv", contract)


def test_a_formula_saved_without_its_result_is_reported_and_not_blank(book, problems_of):
    book.put(0, "students_primary", "=200+200")
    problems = problems_of(book)
    assert rows(problems) == [(STUDENTS, "4", "K 小学在校学生数", ERROR, "=200+200")]


def test_reading_changes_no_byte_of_the_file(book, contract, tmp_path):
    path = book.save(tmp_path / "a.xlsx")
    before = path.read_bytes()
    read_file(path, contract)
    assert path.read_bytes() == before


def test_the_filled_example_is_read_back_whole(contract, tmp_path):
    write_filled_example(contract, tmp_path / "示例.xlsx")
    result = read_file(tmp_path / "示例.xlsx", contract)
    assert result.problems.empty and check_table(result.table, contract).empty
    for given, (_, row) in zip(EXAMPLES["school"], result.table.iterrows(), strict=True):
        for column in contract.columns:
            value = row[column.name]
            assert value == given[column.name] if column.name in given else pd.isna(value), column.name


# --- several sheets, notes, far formats --------------------------------------------------------------------------


def _second_column(book, sheet, column, values):
    """State a column of another sheet in this one too, from the first school on."""
    worksheet = book.sheet(sheet)
    at = worksheet.max_column + 1
    worksheet.cell(3, at, _heading(book, column))
    for row, value in enumerate(values, 4):
        worksheet.cell(row, at, value)


def _heading(book, column):
    return book.cell(-1, column).value


def test_two_later_sheets_that_disagree_are_an_error_and_neither_is_lost_in_silence(book, problems_of):
    _second_column(book, TEACHERS, "books", [9001])
    problems = problems_of(book)
    assert rows(problems) == [(ASSETS, "4", "I 图书册数", ERROR, "9000")]
    assert f"9001（工作表“{TEACHERS}”" in problems["expected"][0]


def test_a_cell_the_earlier_sheet_leaves_out_is_taken_from_the_later_one(book, read):
    _second_column(book, TEACHERS, "books", [9000])
    result = read()
    assert result.problems.empty and (result.table["books"] == 9000).all()
    sheets = [place.columns["books"][0] for place in result.table["_place"]]
    assert sheets == [TEACHERS] + [ASSETS] * 11
    assert list(result.table["school_code"]) == [f"010203{n:04d}" for n in range(1, 13)]


def _rows_put(book, tmp_path, rows_of_cells, sheet=STUDENTS):
    path = book.save(tmp_path / "a.xlsx")
    workbook = openpyxl.load_workbook(path)
    for row, cells in rows_of_cells.items():
        for column, value in cells.items():
            workbook[sheet].cell(row, column, value)
    workbook.save(path)
    return path


def test_a_lone_name_in_the_column_of_names_is_noticed(book, contract, tmp_path):
    path = _rows_put(book, tmp_path, {19: {5: "新建小学"}, 20: {5: "联系村小学"}})
    result = read_file(path, contract)
    assert rows(result.problems) == [
        (STUDENTS, "19", "E 学校名称", NOTICE, "新建小学"), (STUDENTS, "20", "E 学校名称", NOTICE, "联系村小学")]
    assert "若是学校，请补上学校标识码与数据" in result.problems["fix"][0] and len(result.table) == 12


def test_a_lone_text_between_the_schools_is_noticed(book, contract, tmp_path):
    path = book.save(tmp_path / "a.xlsx")
    workbook = openpyxl.load_workbook(path)
    workbook[STUDENTS].insert_rows(8)
    workbook[STUDENTS].cell(8, 1, "二、镇区学校")
    workbook.save(path)
    result = read_file(path, contract)
    assert rows(result.problems) == [(STUDENTS, "8", "A 县区划代码", NOTICE, "二、镇区学校")] and len(result.table) == 12


@pytest.mark.parametrize("cells", [
    {1: "注：数据截至九月。"}, {1: "填表人：张三", 5: "审核：李四"}, {1: "单位：人"}, {5: "制表：王五"},
    {1: "填报日期", 3: 2024}, {1: "联系电话", 11: 123},
])
def test_footnotes_after_the_schools_stay_silent_notes(book, contract, tmp_path, cells):
    result = read_file(_rows_put(book, tmp_path, {18: cells}), contract)
    assert result.problems.empty and len(result.table) == 12 and len(result.notes) == 4


def test_a_school_whose_row_begins_with_a_word_of_notes_is_a_school(book, contract, tmp_path):
    sheet = book.sheet(TEACHERS)
    code, name = (book.cell(-1, column, TEACHERS).column for column in ("school_code", "school_name"))
    for row in range(3, 16):
        one, other = sheet.cell(row, code), sheet.cell(row, name)
        one.value, other.value = other.value, one.value
    for label in book.columns:
        found = [c for c in book.sheet(label)[4] if c.value == "测试第1校"]
        for cell in found:
            cell.value = "联系村小学"
    assert sheet.cell(4, 1).value == "联系村小学"
    result = read_file(book.save(tmp_path / "a.xlsx"), contract)
    assert result.problems.empty and result.table["teachers_primary"][0] == 27


def test_a_file_of_a_subfolder_keeps_the_name_its_passport_gives(book, contract, tmp_path):
    result = read_file(book.save(tmp_path / "a.xlsx"), contract, name="2024/a.xlsx")
    assert set(result.table["_file"]) == {"2024/a.xlsx"}
    book.put(0, "students_primary", "很多")
    assert read_file(book.save(tmp_path / "a.xlsx"), contract, name="2024/a.xlsx").problems["file"][0] == "2024/a.xlsx"


def test_formats_far_below_the_values_make_no_cells(tmp_path):
    workbook = openpyxl.Workbook()
    workbook.active["A1"] = "学校标识码"
    workbook.active["B3"] = "=1+1"
    workbook.active["ZZ1048576"].number_format = "0"
    workbook.create_sheet("空")["C9"].number_format = "0"
    workbook.save(tmp_path / "a.xlsx")
    sheets = open_sheets(tmp_path / "a.xlsx")
    assert [(len(s.rows), {len(row) for row in s.rows}) for s in sheets] == [(3, {2}), (0, set())]
    assert sheets[0].rows[2][1].value == "=1+1"
