"""What many tests need: a clean workbook of schools that can be spoilt, and a project folder small enough to copy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

from qbresearch.project import Project
from qbresearch.raw.checks import check_table
from qbresearch.raw.reading import read_file
from qbresearch.raw.sources import draft_passport
from qbresearch.rules.columns import TableContract, load_table

COUNTY, COUNTY_NAME, YEAR = "010203", "测试县", 2024
KINDS = ["primary"] * 6 + ["junior"] * 3 + ["nine_year", "complete_secondary", "primary"]
CAMPUS = len(KINDS) - 1
TITLE_ROW, HEADING_ROW, FIRST_ROW = 1, 3, 4
TOTAL_ROW, NOTE_ROW = FIRST_ROW + len(KINDS), FIRST_ROW + len(KINDS) + 1
LEVELS = ("doctor", "master", "bachelor", "associate", "high_school", "below_high_school")
DRAFT = "待填"


def _school(contract: TableContract, number: int) -> dict[str, Any]:
    """Cells of one invented school that agree with one another; columns of stages it does not teach are left out."""
    kind = KINDS[number]
    stages = contract.stages_of(kind)
    row: dict[str, Any] = {
        "county_code": COUNTY, "county_name": COUNTY_NAME, "school_year": YEAR,
        "school_code": f"{COUNTY}{number + 1:04d}", "school_name": f"测试第{number + 1}校", "school_type": contract.choice_labels("school_type")[kind],
        "location": ("城区", "镇区", "乡村")[number % 3], "sponsor": "县（区）管公办", "counted": "是",
        "teaching_area_m2": 3000.5 + 100 * number, "indoor_sports_area_m2": 300 + number, "sports_ground_area_m2": 4000,
        "equipment_value_yuan": 1_200_000 + 1000 * number, "multimedia_classrooms": 12 + number,
        "computers": 60, "books": 9000,
    }
    if number == CAMPUS:
        row |= {"counted": "否", "parent_code": f"{COUNTY}0001"}
    for stage in stages:
        row[f"students_{stage}"] = 400 + 10 * number
        if stage != "senior":
            parts = {"doctor": 0, "master": 2, "bachelor": 20 + number, "associate": 4, "high_school": 1}
            row |= {f"teachers_{stage}_{level}": parts.get(level, 0) for level in LEVELS}
            row |= {
                f"teachers_{stage}": sum(parts.values()), f"pe_teachers_{stage}": 3, f"arts_teachers_{stage}": 4,
                f"backbone_teachers_{stage}": 5, f"titled_teachers_{stage}": 11,
            }
    return row


class SchoolBook:
    """A workbook of twelve schools in three sheets, without a fault until a test puts one in.

    Row 1 is a merged title, row 3 holds the headings, rows 4 to 15 the schools, row 16 the totals, row 17 a note.
    """

    def __init__(self, contract: TableContract) -> None:
        self.contract = contract
        self.workbook = openpyxl.Workbook()
        self.workbook.remove(self.workbook.active)
        self.stated: dict[str, Any] = {}
        self.columns = {
            label: [c for c in contract.columns if c.sheet in (sheet, "every")]
            for sheet, label in contract.sheets.items()
        }
        schools = [_school(contract, number) for number in range(len(KINDS))]
        for label, columns in self.columns.items():
            sheet = self.workbook.create_sheet(label)
            sheet.cell(TITLE_ROW, 1, f"{COUNTY_NAME}{YEAR}学年义务教育学校统计表——{label}")
            sheet.merge_cells(start_row=TITLE_ROW, end_row=TITLE_ROW, start_column=1, end_column=len(columns))
            for at, column in enumerate(columns, 1):
                sheet.cell(HEADING_ROW, at, next(iter(column.headings)))
                for number, school in enumerate(schools):
                    sheet.cell(FIRST_ROW + number, at, school.get(column.name))
            sheet.cell(NOTE_ROW, 1, "注：本表由测试生成。")

    def sheet(self, name: str) -> Any:
        """Sheet by its Chinese name."""
        return self.workbook[name]

    def cell(self, school: int, column: str, sheet: str | None = None) -> Any:
        """The cell of a school (counted from 0) in a contract column; -1 is the heading."""
        for label, columns in self.columns.items():
            names = [c.name for c in columns]
            if column in names and sheet in (None, label):
                row = HEADING_ROW if school < 0 else FIRST_ROW + school
                return self.workbook[label].cell(row, names.index(column) + 1)
        raise KeyError(column)

    def put(self, school: int, column: str, value: Any, *, sheet: str | None = None, number_format: str = "") -> None:
        """Overwrite one cell."""
        cell = self.cell(school, column, sheet)
        cell.value = value
        if number_format:
            cell.number_format = number_format

    def delete_school(self, school: int, sheet: str) -> None:
        """Empty a school's row in one sheet."""
        for cell in self.workbook[sheet][FIRST_ROW + school]:
            cell.value = None

    def save(self, path: Path) -> Path:
        """Write the workbook with totals of the numbers that now stand in it, or with those a test has stated."""
        for label, columns in self.columns.items():
            sheet = self.workbook[label]
            sheet.cell(TOTAL_ROW, 1, "合 计")
            for at, column in enumerate(columns, 1):
                if column.is_number:
                    cells = [sheet.cell(FIRST_ROW + n, at).value for n in range(len(KINDS))]
                    total = round(sum(v for v in cells if isinstance(v, (int, float))), 6)
                    sheet.cell(TOTAL_ROW, at, self.stated.get(column.name, total))
        self.workbook.save(path)
        return path


@pytest.fixture(autouse=True)
def no_figure_stays_open() -> Iterator[None]:
    """A figure that one test leaves open must not be seen by the next."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def contract() -> TableContract:
    """The contract of the school table."""
    return load_table("school")


@pytest.fixture
def book(contract: TableContract) -> SchoolBook:
    """A clean workbook of schools, not yet written."""
    return SchoolBook(contract)


@pytest.fixture
def problems_of(contract: TableContract, tmp_path: Path) -> Callable[[SchoolBook], pd.DataFrame]:
    """Write a workbook and return every problem that reading and checking find."""

    def find(book: SchoolBook) -> pd.DataFrame:
        read = read_file(book.save(tmp_path / "学校表.xlsx"), contract)
        return pd.concat([read.problems, check_table(read.table, contract)], ignore_index=True)

    return find


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty project folder."""
    root = tmp_path / "项目"
    for folder in ("data/raw", "data/processed", "notebooks/batches", "reports"):
        (root / folder).mkdir(parents=True)
    return Project(root)


@pytest.fixture
def add_source(project: Project) -> Callable[..., Path]:
    """Put files into the project as a source with a complete passport; returns the source's folder."""

    def add(source_id: str, files: Mapping[str, bytes], *, table: str = "school", kind: str = "real") -> Path:
        folder = project.raw / source_id
        folder.mkdir()
        for name, data in files.items():
            (folder / name).write_bytes(data)
        text = draft_passport(project.raw, source_id).replace(f"{DRAFT}：", "测试用")
        text = text.replace('table = "school"', f'table = "{table}"').replace('kind = "real"', f'kind = "{kind}"')
        (folder / "source.toml").write_text(text, encoding="utf-8")
        return folder

    return add


@pytest.fixture
def school_source(book: SchoolBook, add_source: Callable[..., Path], tmp_path: Path) -> Path:
    """The clean workbook as source ``test-county`` of the project."""
    path = book.save(tmp_path / "原件.xlsx")
    return add_source("test-county", {"测试县2024.xlsx": path.read_bytes()})
