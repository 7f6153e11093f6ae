"""Tables of the evaluation beside the school table: their columns, and what is typed into a template comes back."""

from __future__ import annotations

import csv
import tomllib
from copy import copy
from datetime import date, datetime, timedelta
from functools import cache

import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbresearch.errors import InputError
from qbresearch.raw.cells import read_cell
from qbresearch.raw.checks import check_table
from qbresearch.raw.codes import item_codes
from qbresearch.raw.examples import EXAMPLES
from qbresearch.raw.problems import ERROR
from qbresearch.raw.reading import HEADING_SEARCH_ROWS, guess_table, read_file
from qbresearch.raw.sheets import Cell, open_sheets
from qbresearch.raw.sources import draft_passport
from qbresearch.raw.template import main_heading, write_filled_example, write_template
from qbresearch.rules.citations import CITED
from qbresearch.rules.columns import list_tables, load_table, read_table

HEADING_ROW, FIRST_ROW = 3, 4
LONGEST_LIST = 255  # of a drop-down, in Excel
EXCEL_EPOCH = date(1899, 12, 30)
TABLES = {
    "county-facts": (
        ("county_code county_name school_year resident_population basic_balance_years funding_standard_primary_yuan "
         "funding_standard_junior_yuan special_ed_students special_ed_funding_yuan teacher_average_pay_yuan "
         "civil_servant_average_pay_yuan teachers_total teachers_trained_360h teachers_certified "
         "teachers_eligible_rotation teachers_rotated backbone_teachers_rotated enrolled_students_primary "
         "zoned_students_primary enrolled_students_junior zoned_students_junior quality_high_school_places "
         "quality_high_school_places_allocated quality_high_school_places_rural migrant_children "
         "migrant_children_public migrant_children_purchased junior_graduates junior_entrants junior_transfers_in "
         "junior_transfers_out junior_deaths disabled_children disabled_children_regular disabled_children_special "
         "disabled_children_home"),
        "county_code school_year",
    ),
    "school-facts": (
        ("county_code school_year school_code school_name small_rural public_funding_yuan public_funding_budget_yuan "
         "training_budget_yuan training_spent_yuan charter informatised moral_grade culture_grade"),
        "county_code school_year school_code",
    ),
    "class": (
        "county_code school_year school_code school_name stage grade class_name students",
        "county_code school_year school_code stage class_name",
    ),
    "room": (
        "county_code school_year school_code school_name room use area_m2", "county_code school_year school_code room",
    ),
    "finance": (
        "county_code county_name fiscal_year public_education_spending_yuan students price_index",
        "county_code fiscal_year",
    ),
    "survey": ("county_code school_year group mode valid satisfied mean_score", "county_code school_year group mode"),
    "evidence": (
        "county_code school_year item title number date confirmed_by finding remark",
        "county_code school_year item title",
    ),
    "project": (
        "county_code project item department start deadline finished investment_yuan", "county_code project",
    ),
}
EVIDENCE = load_table("evidence")


@pytest.fixture(params=TABLES)
def contract(request):
    return load_table(request.param)


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The filled example of a table as it is read."""
    folder = tmp_path_factory.mktemp("examples")

    @cache
    def run(table_id):
        write_filled_example(load_table(table_id), folder / f"{table_id}.xlsx")
        return read_file(folder / f"{table_id}.xlsx", load_table(table_id)).table

    return run


def problems_of(path, contract):
    """The table of a file and everything found wrong with it."""
    result = read_file(path, contract)
    return result.table, [*result.problems.to_dict("records"), *check_table(result.table, contract).to_dict("records")]


def same(table, rows):
    """Whether a table holds the given rows and nothing else."""
    assert len(table) == len(rows)
    for (_, found), stated in zip(table.iterrows(), rows, strict=True):
        for name in table.columns.drop(["_file", "_place"]):
            assert found[name] == stated[name] if name in stated else found.isna()[name], name


# --- contracts ---------------------------------------------------------------------------------------------------


def test_columns_and_keys_are_the_agreed_ones(contract):
    columns, key = TABLES[contract.id]
    assert [c.name for c in contract.columns] == columns.split() and contract.key == tuple(key.split())


def test_every_column_is_explained_in_two_languages_and_has_headings_of_both(contract):
    for thing in (contract, *contract.columns):
        assert thing.label_zh != thing.label_en and thing.label_en.isascii()
    for column in contract.columns:
        assert list(column.headings)[:1] != [column.name] and column.name in column.headings
        assert sum(not heading.isascii() for heading in column.headings) >= 2
        assert all(choice.label_en.isascii() for choice in column.choices)
        if column.is_number:
            assert column.unit and 0 <= column.min < column.max


def test_money_says_its_unit_in_every_heading(contract):
    for column in contract.columns:
        if column.unit == "元":
            assert column.unit_required, column.name
            for heading, factor in column.headings.items():
                assert heading == column.name or ("（万元）" in heading) == (factor == 10000) and "元）" in heading


def test_facts_of_a_county_may_all_be_missing_but_not_its_key():
    county = load_table("county-facts")
    required = [c.name for c in county.columns if not c.blank_allowed]
    assert required == ["county_code", "county_name", "school_year"] and not any(c.optional for c in county.columns)


def test_findings_offer_the_words_for_vetoes_too(tmp_path):
    write_template(EVIDENCE, tmp_path / "t.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "t.xlsx").worksheets[0]
    lists = [v.formula1 for v in sheet.data_validations.dataValidation if v.type == "list"]
    assert lists == ['"达到,符合,未发生,未达到,不符合,发生,未定,待确认"'] and len(lists[0]) <= LONGEST_LIST
    for label, finding in (("未发生", "met"), ("发生", "not_met"), ("待确认", "undecided")):
        assert read_cell(Cell(label), EVIDENCE.column("finding"), 1.0) == (finding, None)


# --- round trips -------------------------------------------------------------------------------------------------


def test_filled_example_reads_back_as_it_was_written(contract, tmp_path):
    write_filled_example(contract, tmp_path / "t.xlsx")
    table, problems = problems_of(tmp_path / "t.xlsx", contract)
    assert problems == []
    same(table, EXAMPLES[contract.id])


def test_empty_template_is_a_table_without_rows(contract, tmp_path):
    write_template(contract, tmp_path / "t.xlsx")
    table, problems = problems_of(tmp_path / "t.xlsx", contract)
    assert problems == [] and table.empty


def typed(column, row, factor):
    """A value as a person types it: the last label that suits the row, numbers with commas or as text, dates in words."""
    value = row[column.name]
    if column.kind == "choice":
        labels, rule = next(c.labels for c in column.choices if c.id == value), column.vocabulary(row)
        return [text for text in labels if rule is None or {text, value} & set(rule.allowed)][-1]
    if column.kind == "date":
        year, month, *day = value.split("-")
        return f"{year}年{int(month)}月" + "".join(f"{int(d)}日" for d in day)
    if column.kind == "year":
        return f"{value}—{value + 1}学年" if column.name == "school_year" else f"{value}年"
    if column.kind == "count":
        return f"{value:,}"
    return value if column.kind != "number" else float(f"{value / factor:.12g}")


def test_a_template_filled_in_by_hand_reads_back(contract, tmp_path):
    path = tmp_path / "t.xlsx"
    write_template(contract, path)
    book = openpyxl.load_workbook(path)
    for sheet in book.worksheets[: len(contract.sheets)]:
        columns = {cell.column: next(c for c in contract.columns if cell.value in c.headings) for cell in sheet[3]}
        for number, row in enumerate(EXAMPLES[contract.id], FIRST_ROW):
            for at, column in columns.items():
                if column.name in row:
                    sheet.cell(number, at).value = typed(column, row, main_heading(column)[1])
    book.save(path)
    table, problems = problems_of(path, contract)
    assert problems == []
    same(table, EXAMPLES[contract.id])


@pytest.mark.parametrize("style", [1, 2])
def test_other_headings_of_bureaus_are_known_in_csv(contract, style, tmp_path):
    headings = [[h for h in c.headings if h != c.name] for c in contract.columns]
    chosen = [names[style % len(names)] for names in headings]
    with open(tmp_path / "t.csv", "w", encoding="gb18030", newline="") as handle:
        write = csv.writer(handle).writerow
        write(chosen)
        for row in EXAMPLES[contract.id]:
            cells = zip(contract.columns, chosen, strict=True)
            write([typed(c, row, c.headings[h]) if c.name in row else None for c, h in cells])
    table, problems = problems_of(tmp_path / "t.csv", contract)
    assert problems == []
    same(table, EXAMPLES[contract.id])


def test_the_two_sheets_of_county_facts_meet_on_county_and_year(tmp_path):
    county, path = load_table("county-facts"), tmp_path / "t.xlsx"
    write_filled_example(county, path)
    book = openpyxl.load_workbook(path)
    # The same county a year later; the second sheet lists the years the other way round.
    staff, pupils = (book[label] for label in county.sheets.values())
    for sheet in (staff, pupils):
        for cell in sheet[FIRST_ROW]:
            sheet.cell(FIRST_ROW + 1, cell.column).value = cell.value
    staff.cell(FIRST_ROW + 1, 3).value, pupils.cell(FIRST_ROW, 3).value = 2025, 2025
    pupils.cell(FIRST_ROW, 4).value = 14900
    book.save(path)
    table, problems = problems_of(path, county)
    assert problems == []
    assert list(table["school_year"]) == [2024, 2025] and list(table["enrolled_students_primary"]) == [14820, 14900]
    assert table["_place"].iloc[1].at("enrolled_students_primary", "") == ("入学与质量", FIRST_ROW, "D")


@pytest.mark.parametrize("check", [
    pytest.param((table_id, check), id=f"{table_id}-{check.kind}-{check.column}")
    for table_id in TABLES for check in load_table(table_id).checks if check.kind in ("at_most", "at_least")
])
def test_a_part_may_be_its_whole_and_not_one_more(check, example):
    table_id, check = check
    contract = load_table(table_id)
    table = example(table_id).head(1)
    limit = table[list(check.of)].sum(axis=1).iloc[0]
    one_more = 1 if check.kind == "at_most" else -1
    mine = [c for c in contract.checks if (c.kind, c.column) == (check.kind, check.column)]
    for value, expected in ((limit, []), (limit + one_more, [c.fix for c in mine])):
        found = check_table(table.assign(**{check.column: value}), contract)
        assert list(found.loc[found["column"].str.endswith(contract.label(check.column)), "fix"]) == expected


# --- codes and the words that suit them --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def read_rows(tmp_path_factory):
    """Read a CSV of rows given by column name; the table and what is wrong with it as level and the words of the fix."""
    folder = tmp_path_factory.mktemp("rows")

    def run(table_id, *rows):
        contract = load_table(table_id)
        names = [c.name for c in contract.columns]
        with open(folder / "t.csv", "w", encoding="utf-8-sig", newline="") as handle:
            write = csv.writer(handle).writerow
            write(names)
            for row in rows:
                write([row.get(name) for name in names])
        return problems_of(folder / "t.csv", contract)

    return run


def record(number, item, finding):
    return {"county_code": "990199", "school_year": 2024, "item": item, "title": f"材料{number}", "confirmed_by": "某部门",
            "finding": finding}


RECORDS = item_codes("national-2017").records
WORDS = {
    True: {"未发生": "met", "发生": "not_met", "未定": "undecided", "待确认": "undecided"},
    False: {"达到": "met", "符合": "met", "未达到": "not_met", "不符合": "not_met", "未定": "undecided", "待确认": "undecided"},
}


@pytest.mark.parametrize("item", [*RECORDS, "E-documents"])
def test_every_item_takes_its_own_words_and_no_other(item, read_rows):
    own, words = WORDS[item.startswith("V")], [*dict.fromkeys([*WORDS[True], *WORDS[False]])]
    table, problems = read_rows("evidence", *(record(n, item, word) for n, word in enumerate([*words, "met", "not_met"])))
    assert [None if pd.isna(f) else f for f in table["finding"]] == [own.get(word) for word in [*words, "met", "not_met"]]
    refused = [(n + 2, word) for n, word in enumerate([*words, "met", "not_met"]) if word not in own]
    assert [(int(p["row"]), p["found"]) for p in problems] == refused
    assert all(p["level"] == ERROR and p["expected"] == f"条目代码为“{item}”时用：{'、'.join(own)}" for p in problems)


def test_the_words_of_an_item_are_those_of_its_usual_code(read_rows):
    table, [problem] = read_rows("evidence", record(1, " ｖ2", "未发生"), record(2, "v２", "符合"))
    assert list(table["item"]) == ["V2", "V2"] and table["finding"].iloc[0] == "met" and table["finding"].isna().iloc[1]
    assert problem["row"] == "3" and "V2" in problem["expected"]


@settings(max_examples=60)
@given(code=st.sampled_from([*RECORDS, "E-documents", "E-2-b"]), lower=st.booleans(), wide=st.booleans(), space=st.booleans())
def test_a_code_is_the_same_however_it_is_typed(code, lower, wide, space):
    text = code.lower() if lower else code.upper()
    text = "".join(chr(ord(c) + 0xFEE0) for c in text) if wide else text
    assert read_cell(Cell(f" {text[0]} {text[1:]}\u3000" if space else text), EVIDENCE.column("item"), 1.0) == (code, None)


@pytest.mark.parametrize("text", ["县规划", "G2a、G2b", "E-", "E-规划", "2024", "G-1"])
def test_what_has_no_form_of_a_code_stays_as_it_is(text):
    assert read_cell(Cell(text), EVIDENCE.column("item"), 1.0) == (text, None)


def test_codes_are_records_items_made_of_records_and_items_of_numbers():
    codes = item_codes("national-2017")
    assert {"P2", "G1", "G2a", "G15", "Q8", "V6"} <= set(codes.records) and not {"R", "L1", "G2"} & set(codes.records)
    assert codes.parts == {"G2": ("G2a", "G2b", "G2c", "G2d")} and {"G11", "L7", "R", "F2", "Q9"} <= set(codes.others)


@pytest.mark.parametrize(("stage", "grade", "taken"), [
    ("小学", "一年级", True), ("小学", "六年级", True), ("小学", "七年级", False), ("小学", "初三", False), ("小学", "9", False),
    ("初中", "五年级", False), ("初中", "六年级", True), ("初中", "7", True), ("初中", "9年级", True), ("junior", "小学一年级", False),
])
def test_a_grade_belongs_to_its_stage(stage, grade, taken, read_rows):
    row = EXAMPLES["class"][0] | {"stage": stage, "grade": grade}
    table, problems = read_rows("class", row)
    assert table["grade"].notna().iloc[0] == taken and len(problems) == (not taken)
    assert taken or (problems[0]["found"], problems[0]["level"]) == (grade, ERROR)


@pytest.mark.parametrize(("dates", "late"), [
    (("2024-03", "2024-03", "2024-03"), ""), (("2024-03-15", "2024-03", "2024-03-15"), ""), (("2024-03", "2024-03-01", None), ""),
    (("2024-03", "2024-02", None), "完成时限"), (("2024-03-15", "2024-03-14", None), "完成时限"),
    (("2024-03", "2025-03", "2024-02-29"), "完成时间"), (("2024-12", "2025-01", "2023-12"), "完成时间"),
    (("2024-03", "2024-12", "2026-01"), ""),
])
def test_a_project_does_not_end_before_it_starts(dates, late, read_rows):
    start, deadline, finished = dates
    _, problems = read_rows("project", EXAMPLES["project"][0] | {"start": start, "deadline": deadline, "finished": finished})
    assert [p["column"].split()[-1] for p in problems] == ([late] if late else [])
    assert not late or (problems[0]["level"], problems[0]["expected"]) == (ERROR, f"不早于开始时间 {start}")


# --- rules of a contract -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("table_id", "old", "new", "words"), [
    ("evidence", 'of = "item"', 'of = "itm"', "没有这个同一张工作表的列"), ("evidence", 'pattern = "V.*"', 'pattern = "V("', "正则"),
    ("evidence", 'allowed = ["未发生"', 'allowed = ["没有发生"', "没有这个选项或标签"), ("class", 'allowed = ["6"', 'allowed = ["10"', "选项或标签"),
    ("project", 'not_before = "start"', 'not_before = "investment_yuan"', "没有这个日期列"),
    ("project", 'name = "investment_yuan"', 'not_before = "start"\nname = "investment_yuan"', "没有这个日期列"),
    ("evidence", 'pattern = "V.*"', 'patern = "V.*"', "patern"),
])
def test_a_rule_that_cannot_be_held_is_refused_with_the_contract(table_id, old, new, words, tmp_path):
    text = (CITED / "tables" / f"{table_id}.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / f"{table_id}.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=words):
        read_table(tmp_path / f"{table_id}.toml")


# --- which table a file is ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("table_id", list_tables())
def test_a_template_is_known_by_its_headings(table_id, project):
    folder = project.raw / "new"
    folder.mkdir()
    write_template(load_table(table_id), folder / "甲.xlsx")
    draft = draft_passport(project.raw, "new")
    assert tomllib.loads(draft)["table"] == table_id
    assert f'# 由 "甲.xlsx" 的表头推断为{load_table(table_id).label_zh}；不对请改\ntable = ' in draft


@pytest.mark.parametrize(("name", "data"), [
    ("a.csv", b""), ("a.csv", b"a,b\n1,2\n"), ("a.csv", "学段,年级\n小学,一年级\n".encode()), ("a.csv", b'"a\n'), ("a.xlsx", b"x"),
    ("a.pdf", b"x"),
])
def test_a_file_that_fits_no_table_is_taken_for_the_school_table_with_a_word(name, data, project):
    (project.raw / "new").mkdir()
    (project.raw / "new" / name).write_bytes(data)
    draft = draft_passport(project.raw, "new")
    assert tomllib.loads(draft)["table"] == "school" and f'# "{name}" 的表头没有对上任何一种表，暂写 school' in draft


def test_of_two_tables_whose_headings_are_all_there_the_fuller_one_is_meant(tmp_path):
    names = [next(iter(c.headings)) for t in ("class", "room") for c in load_table(t).columns]
    for dropped, expected in (("使用面积", "class"), ("班级名称", "room"), ("没有的", "class")):
        heading = dict.fromkeys(name for name in names if not name.startswith(dropped))
        (tmp_path / "t.csv").write_text(",".join(heading) + "\n", encoding="utf-8")
        assert guess_table(tmp_path / "t.csv").id == expected


def test_a_table_that_somebody_has_stated_is_kept(project):
    folder = project.raw / "new"
    folder.mkdir()
    write_template(load_table("class"), folder / "a.xlsx")
    draft = draft_passport(project.raw, "new").replace('"class"', '"room"')
    (folder / "source.toml").write_text(draft, encoding="utf-8")
    again = draft_passport(project.raw, "new")
    assert tomllib.loads(again)["table"] == "room" and "#" not in again


def test_headings_of_a_long_csv_are_seen_without_reading_all_of_it(tmp_path):
    path = tmp_path / "t.csv"
    heading = ",".join(next(iter(c.headings)) for c in load_table("room").columns)
    path.write_bytes(heading.encode("gb18030") + b"\n" * HEADING_SEARCH_ROWS + b'"open quotation mark')
    assert guess_table(path).id == "room"
    with pytest.raises(InputError, match="引号不成对"):
        open_sheets(path)


# --- dates -------------------------------------------------------------------------------------------------------


def read_date(value, number_format="General"):
    return read_cell(Cell(value, number_format), EVIDENCE.column("date"), 1.0)


def excel_forms(day, *, month_only):
    """A day as Excel hands it over, in the formats that show it."""
    formats = ("mmm-yy", 'yyyy"年"m"月"', "yyyy\\-mm", "[Red]yyyy/m") if month_only else (
        "mm-dd-yy", "yyyy/m/d", 'yyyy"年"m"月"d"日"', '[$-804]yyyy"年"m"月"d"日";@', "[$-F800]dddd, mmmm dd, yyyy",
    )
    return [(moment, shown) for moment in (day, datetime(day.year, day.month, day.day)) for shown in formats]


DAYS = st.dates(date(1990, 1, 1), date(2100, 12, 31))


@settings(max_examples=60)
@given(day=DAYS, zeros=st.booleans())
def test_a_day_is_the_same_however_it_is_written(day, zeros):
    month, number = (f"{day:%m}", f"{day:%d}") if zeros else (str(day.month), str(day.day))
    forms = [f"{day.year}-{month}-{number}", f"{day.year}/{month}/{number}", f" {day.year}年{month}月{number}日 "]
    wide = [form.translate(str.maketrans("0123456789-/", "０１２３４５６７８９－／")) for form in forms]
    for value, shown in [*((form, "@") for form in forms + wide), *excel_forms(day, month_only=False)]:
        assert read_date(value, shown) == (day.isoformat(), None)


@settings(max_examples=60)
@given(day=DAYS, zeros=st.booleans())
def test_a_month_stays_a_month_and_gets_no_day(day, zeros):
    month = f"{day:%m}" if zeros else str(day.month)
    forms = [f"{day.year}-{month}", f"{day.year}/{month}", f"{day.year}年{month}月"]
    for value, shown in [*((form, "@") for form in forms), *excel_forms(day, month_only=True)]:
        assert read_date(value, shown) == (f"{day:%Y-%m}", None)


@settings(max_examples=200)
@given(value=st.one_of(
    st.text("0123456789-/年月日. ", max_size=12), st.integers(), st.floats(), st.datetimes(), st.dates(), st.times(),
    st.booleans(),
), shown=st.sampled_from(["General", "@", "yyyy-mm-dd", "mmm-yy", "m/d", "h:mm"]))
def test_whatever_stands_in_a_date_is_a_real_date_or_a_fault(value, shown):
    found, why = read_date(value, shown)
    if found is None:
        assert (why is None) == (isinstance(value, str) and not value.strip())
    else:
        whole = found if found.count("-") == 2 else f"{found}-01"
        assert why is None and date.fromisoformat(whole).isoformat() == whole and 1990 <= int(found[:4]) <= 2100


@pytest.mark.parametrize(("value", "number_format", "words"), [
    ("2024-02-30", "@", "没有这一天"), ("2023-02-29", "@", "没有这一天"), ("2024年13月", "@", "没有这一天"),
    ("2024-06-00", "@", "没有这一天"), ("2024", "@", "至少写到月"), (2024, "General", "至少写到月"),
    ("2024.6.30", "@", "之间用"), ("2024-6/30", "@", "之间用"), ("20240630", "@", "之间用"), ("24-06-30", "@", "之间用"),
    ("2024年6月初", "@", "之间用"), ("二〇二四年六月", "@", "之间用"), ("30/6/2024", "@", "之间用"),
    ("六月底", "@", "之间用"), (45473, "General", "存成了数"), (2024.6, "General", "存成了数"), (True, "General", "存成了数"),
    ("无", "@", "留空"), ("—", "@", "留空"), ("1924-06-30", "@", "年份不在"), ("2124年6月", "@", "年份不在"),
    (datetime(2024, 6, 30, 9, 30), "yyyy-mm-dd", "钟点"), (date(2024, 6, 30), 'm"月"d"日"', "没有显示年和月"),
    (date(2024, 1, 1), "yyyy", "没有显示年和月"), (datetime(1905, 7, 16), "yyyy-mm-dd", "年份不在"),
])
def test_what_is_no_date_is_reported_and_not_completed(value, number_format, words):
    found, why = read_date(value, number_format)
    assert found is None and words in why.fix
    assert "2024-06-30" in why.expected and "2024-06（1990 至 2100 年）" in why.expected


@pytest.mark.parametrize(("built_in", "expected"), [
    (14, "2024-06-30"), (31, "2024-06-30"), (57, "2024-06"), (27, "2024-06"), (58, None), (0, None),
])
def test_dates_in_the_built_in_formats_of_a_chinese_excel(built_in, expected, tmp_path):
    path = tmp_path / "t.xlsx"
    write_filled_example(EVIDENCE, path)
    book = openpyxl.load_workbook(path)
    cell = next(c for c in book.worksheets[0][FIRST_ROW] if book.worksheets[0].cell(HEADING_ROW, c.column).value == "日期")
    cell.value, style = (date(2024, 6, 30) - EXCEL_EPOCH) // timedelta(1), copy(cell._style)
    style.numFmtId = built_in
    cell._style = style
    book.save(path)
    result = read_file(path, EVIDENCE)
    assert len(result.problems) == (expected is None)
    assert result.table["date"].isna().iloc[0] if expected is None else result.table["date"].iloc[0] == expected


def test_a_number_too_large_for_a_date_stays_a_number(tmp_path):
    book = openpyxl.Workbook()
    cell = book.active["A1"]
    cell.value, cell.number_format = 10**12, "0.0"
    style = copy(cell._style)
    style.numFmtId = 31
    cell._style = style
    book.save(tmp_path / "t.xlsx")
    assert open_sheets(tmp_path / "t.xlsx")[0].rows[0][0].value == 10**12


# --- years -------------------------------------------------------------------------------------------------------


def test_a_fiscal_year_is_one_year():
    column = load_table("finance").column("fiscal_year")
    assert read_cell(Cell("2024年度"), column, 1.0) == (2024, None)
    found, why = read_cell(Cell("2023-2024"), column, 1.0)
    assert found is None and "2000 至 2100" in why.expected and "不写起止" in why.fix
