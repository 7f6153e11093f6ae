"""Writing the simulated evaluation data as raw sources.

``python -m qbresearch.simulation.evaluation data/raw`` writes nine folders below ``data/raw``.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pandas as pd

from qbresearch.errors import QbError
from qbresearch.provenance import write_bytes
from qbresearch.rules.columns import Column, load_table
from qbresearch.simulation.design import County, load_simulation
from qbresearch.simulation.evaluation_design import (
    EvaluationDesign,
    Output,
    list_evaluation_designs,
    load_evaluation_design,
)
from qbresearch.simulation.evaluation_tables import EvaluationData, simulate_evaluation
from qbresearch.simulation.evaluation_truth import planted_outcomes
from qbresearch.simulation.passports import write_simulated_passport
from qbresearch.simulation.workbooks import Cover, usable_heading, write_workbook

__all__ = [
    "EvaluationData", "list_evaluation_designs", "load_evaluation_design", "planted_outcomes", "simulate_evaluation",
    "write_evaluation",
]

WITH_TOTALS = ("school-facts",)
VETO = "V"
# A veto is worded by what happened: the last of the labels of a finding.
VETO_LABELS = {"met": "未发生", "not_met": "发生"}
CSV_UNIT = "元"
CSV_NOTE = "注：本表为模拟数据，由程序生成，县名、校名、代码均为虚构，不反映任何地方的实际情况。"


def write_evaluation(data: EvaluationData, raw: Path) -> tuple[Path, ...]:
    """Write files and passports of all outputs, each in its folder below ``raw``; return the folders.

    County facts, school facts and evidence are workbooks of each county (school facts of each county and year), the
    rest CSV files in UTF-8 with a byte order mark. The bytes depend only on the simulation, those of workbooks also on
    the versions of openpyxl and zlib.
    """
    design = data.design
    folders = []
    for output in design.outputs:
        folder = raw / output.id
        paths = sorted(_write_files(data, output, folder))
        facts = {
            "id": output.id, "title": output.title, "producer": output.producer or design.producer,
            "found_at": f"qbresearch.simulation.evaluation 程序，种子 {data.seed}", "licence": design.licence,
            "table": output.table, "title_en": output.title_en, "licence_en": design.licence_en,
        }
        write_simulated_passport(folder, facts, design.written, paths)
        folders.append(folder)
    return tuple(folders)


def _write_files(data: EvaluationData, output: Output, folder: Path) -> Iterator[Path]:
    """Write the files of one output: for the prefecture, each county, or each county and year."""
    parameters, rows = load_simulation(data.design.simulation), data.tables[output.table]
    workbook = output.file.endswith(".xlsx")
    if not workbook and output.table not in ("class", "room"):
        yield _write_csv(folder / output.file.format(place=parameters.prefecture), rows, output.table)
        return
    for county in parameters.counties:
        own = rows[rows["county_code"] == county.code]
        if not workbook:
            yield _write_csv(folder / output.file.format(place=county.name), own, output.table)
        elif "{year}" in output.file:
            for year in data.design.years:
                yield _write_book(data.design, output, folder, county, own[own["school_year"] == year], str(year))
        else:
            yield _write_book(data.design, output, folder, county, own, "")


def _write_book(
    design: EvaluationDesign, output: Output, folder: Path, county: County, rows: pd.DataFrame, year: str
) -> Path:
    path = folder / output.file.format(place=county.name, year=year)
    title = Path(output.file.format(place="", year=year)).stem
    as_of = f"{year or design.years[-1]}年9月1日"
    if "finding" in rows:
        veto = rows["item"].str.startswith(VETO)
        rows = rows.assign(finding=rows["finding"].mask(veto, rows["finding"].replace(VETO_LABELS)))
    cover = Cover(title, as_of, totals=output.table in WITH_TOTALS)
    write_workbook(path, rows, load_table(output.table), county, cover, design.written)
    return path


def _write_csv(path: Path, rows: pd.DataFrame, table: str) -> Path:
    columns = load_table(table).columns
    text = StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([usable_heading(c, 0, CSV_UNIT)[0] for c in columns])
    writer.writerows(zip(*(_cells(rows[c.name], c) for c in columns), strict=True))
    writer.writerow([CSV_NOTE])
    write_bytes(path, text.getvalue().encode("utf-8-sig"))
    return path


def _cells(values: pd.Series, column: Column) -> list[str]:
    """Cells of a column, choices by their shortest label, which keeps files small; missing values are empty."""
    labels = {choice.id: min(choice.labels, key=len) for choice in column.choices}
    return ["" if pd.isna(v) else labels.get(v) or str(v) for v in values]


def main(arguments: list[str] | None = None) -> None:
    """Write all outputs below a folder of raw data."""
    parser = argparse.ArgumentParser(
        prog="python -m qbresearch.simulation.evaluation", description="生成模拟地级市的评估数据：九个来源文件夹"
    )
    parser.add_argument("raw", type=Path, help="写到哪个 data/raw；每个来源一个文件夹")
    parser.add_argument("--design", default=list_evaluation_designs()[0], help="评估模拟参数的 id")
    parser.add_argument("--seed", type=int, help="随机种子；不写则用参数文件中的种子")
    chosen = parser.parse_args(arguments)
    try:
        design = load_evaluation_design(chosen.design)
        seed = design.seed if chosen.seed is None else chosen.seed
        folders = write_evaluation(simulate_evaluation(design, seed=seed), chosen.raw)
    except QbError as error:
        parser.exit(error.exit_code, f"{error}\n")
    print(f"已写出 {len(folders)} 个来源文件夹：{'、'.join(f.name for f in folders)}")


if __name__ == "__main__":
    main()
