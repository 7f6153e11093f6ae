"""Sums straight from files are those of the table in memory, and files that are not in order are refused by name."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from qbresearch.errors import InputError
from qbresearch.processed.student_files import sum_student_files
from qbresearch.processed.sums import merge_sums, sum_students

MEASURES = ("score", "pv1", "pv2")


def made_students(rows: int, seed: int = 1) -> pd.DataFrame:
    """Students of invented counties, with gaps in every column that may have them."""
    rng = np.random.default_rng(seed)

    def some(values, blank=0.1):
        return np.where(rng.random(rows) < blank, None, rng.choice(values, rows))

    county = rng.choice(["010203", "110101", "990001"], rows)
    score = 500 + 80 * rng.standard_normal(rows)
    return pd.DataFrame(
        {
            "county_code": county, "county_name": county, "school_year": rng.choice([2023, 2024], rows), "cycle": 2025,
            "grade": some(["4", "8"], 0.02), "subject": rng.choice(["chinese", "mathematics"], rows),
            "school_code": some([f"{i:010d}" for i in range(5)]), "school_name": some(["甲校", "乙校", "丙校 "]),
            "student_id": [f"S{i}" for i in range(rows)], "score": np.where(rng.random(rows) < 0.1, np.nan, score),
            "pv1": score + rng.standard_normal(rows), "pv2": 500 + 1e-3 * rng.standard_normal(rows),
            "weight": rng.uniform(0.5, 20, rows), "level": some(["1", "2", "3", "4"]), "full_mark": 800.0,
        }
    )


@pytest.fixture
def made() -> pd.DataFrame:
    return made_students(3000)


def assert_same(found, known) -> None:
    pd.testing.assert_frame_equal(found.table, known.table, rtol=1e-12, atol=0)
    pd.testing.assert_frame_equal(found.unplaced, known.unplaced)
    same = ("rows", "unplaced", "measures", "weighted", "duplicates_checked")
    assert {k: found.provenance[k] for k in same} == {k: known.provenance[k] for k in same}


def refusal(*arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        sum_student_files(*arguments, **options)
    return str(caught.value)


# --- the same as in memory --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_files_give_the_table_in_memory(tmp_path, made, ending):
    path = tmp_path / f"成'绩 [2024]*.{ending}"
    (tmp_path / f"成'绩 2也像.{ending}").write_bytes(b"")  # read as a pattern, the name would take this file in
    made.to_parquet(path) if ending == "parquet" else made.to_csv(path, index=False)
    known = sum_students(made, measures=MEASURES)
    assert known.provenance["unplaced"] > 0 and len(known.table) > 50
    assert_same(sum_student_files(path, measures=MEASURES), known)


def test_without_optional_columns(tmp_path, made):
    bare = made.drop(columns=["weight", "level", "full_mark", "student_id", "county_name", "school_name"])
    bare.to_parquet(tmp_path / "a.parquet")
    found = sum_student_files(tmp_path / "a.parquet")
    assert_same(found, sum_students(bare))
    assert found.table["count_1"].isna().all() and not found.provenance["duplicates_checked"]


def test_many_files_of_both_kinds_with_columns_in_another_order_are_one_table(tmp_path, made):
    folder = tmp_path / "分县"
    folder.mkdir()
    made.iloc[:900].to_parquet(folder / "a.parquet")
    made.iloc[900:1500][list(made.columns)[::-1]].to_parquet(folder / "b.parquet")
    made.iloc[1500:2000].to_csv(folder / "c.csv", index=False, encoding="utf-8-sig")
    made.iloc[2000:][list(made.columns)[::-1]].to_csv(folder / "d.csv", index=False, encoding="gb18030")
    found = sum_student_files([folder / "*.parquet", folder / "a.parquet", str(folder / "?.csv")], measures=MEASURES)
    assert_same(found, sum_students(made, measures=MEASURES))
    assert [f["name"] for f in found.provenance["files"]] == ["a.parquet", "b.parquet", "c.csv", "d.csv"]


def test_files_one_by_one_and_merged(tmp_path, made):
    parts = []
    for number in range(3):
        made.iloc[number::3].to_parquet(tmp_path / f"{number}.parquet")
        parts.append(sum_student_files(tmp_path / f"{number}.parquet"))
    pd.testing.assert_frame_equal(merge_sums(*parts).table, sum_students(made).table, rtol=1e-12, atol=0)


def test_types_of_parquet_do_not_matter(tmp_path, made):
    whole = made.dropna(subset=["grade"]).assign(level=lambda f: f["level"].astype(float))
    typed = whole.astype(
        {"grade": int, "county_code": "category", "subject": "category", "cycle": float, "pv1": "float32"}
    )
    typed["school_code"] = typed["school_code"].astype(float)
    typed.to_parquet(tmp_path / "a.parquet")
    assert_same(sum_student_files(tmp_path / "a.parquet", measures=("pv1",)), sum_students(typed, measures=("pv1",)))
    as_text = whole.assign(score=whole["score"].map(lambda v: None if np.isnan(v) else f" {v!r} "))
    as_text.to_parquet(tmp_path / "b.parquet")
    assert_same(sum_student_files(tmp_path / "b.parquet"), sum_students(whole))


def test_outer_space_makes_no_second_school(tmp_path, made):
    names = [f"{' ' * (i % 2)}{'' if pd.isna(n) else n}\u3000" for i, n in enumerate(made["school_name"])]
    frame = made.assign(school_name=names, level=[None if pd.isna(v) else f"{v} " for v in made["level"]])
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_csv(tmp_path / "a.csv", index=False)
    known = sum_students(made)
    for name in ("a.parquet", "a.csv"):
        pd.testing.assert_frame_equal(sum_student_files(tmp_path / name).table, known.table, rtol=1e-12, atol=0)


def test_other_groups_and_other_headings(tmp_path, made):
    frame = made.rename(columns={"score": "数学\"成绩'", "county_code": "县"})
    frame.to_csv(tmp_path / "a.csv", index=False)
    by = ("county_code", "school_year", "level")
    found = sum_student_files(tmp_path / "a.csv", by=by, columns={"score": "数学\"成绩'", "county_code": "县"})
    assert_same(found, sum_students(made, by=by))


def test_little_memory_gives_the_same(tmp_path):
    made = made_students(60_000)
    made.to_parquet(tmp_path / "a.parquet")
    found = sum_student_files(tmp_path / "a.parquet", memory_limit="60MB", threads=1, temporary=tmp_path)
    assert_same(found, sum_students(made))
    assert (found.provenance["memory_limit"], found.provenance["threads"]) == ("60MB", 1)
    assert found.provenance["peak_bytes"] is None or found.provenance["peak_bytes"] > 10_000_000
    assert [p.name for p in tmp_path.iterdir()] == ["a.parquet"]


def test_the_engine_is_loaded_only_where_it_is_used():
    code = "import sys, qbresearch.processed.student_files; assert 'duckdb' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["parquet", "csv"])
@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("score", "缺考", ["不是数", "缺考"]),
        ("score", "nan分", ["不是数"]),
        ("weight", "0", ["权重", "大于 0"]),
        ("weight", None, ["权重", "1 个"]),
        ("level", "5", ["没有这个水平", "5"]),
        ("county_code", "10203", ["六位", "10203"]),
        ("school_year", "2024.5", ["不是整数", "2024.5"]),
    ],
)
def test_a_bad_cell_is_named_by_file_column_and_row(tmp_path, made, ending, column, cell, words):
    bad = made.head(50).astype({column: object})
    bad.loc[7, column] = cell
    if ending == "parquet" and column != "weight":
        bad[column] = bad[column].map(lambda v: None if v is None or v != v else str(v))
    if column == "weight" and cell is not None:
        bad[column] = bad[column].astype(float)
    write = (lambda f, p: f.to_parquet(p)) if ending == "parquet" else (lambda f, p: f.to_csv(p, index=False))
    write(made.iloc[50:90], tmp_path / f"好.{ending}")
    write(bad, tmp_path / f"坏.{ending}")
    if ending == "parquet" and column != "weight":
        message = refusal([tmp_path / "坏.parquet"])
    else:
        message = refusal([tmp_path / f"好.{ending}", tmp_path / f"坏.{ending}"])
    for word in [*words, f"坏.{ending}", column, "第 8 行数据"]:
        assert word in message, message


def test_an_infinite_score_is_refused(tmp_path, made):
    made.assign(score=np.where(made.index == 3, np.inf, made["score"])).to_parquet(tmp_path / "a.parquet")
    message = refusal(tmp_path / "a.parquet")
    assert "inf" in message and "第 4 行数据" in message and "score" in message


def test_a_student_in_two_files_is_refused_with_both_names(tmp_path, made):
    twice = made.dropna(subset=["grade"])
    twice.head(100).to_parquet(tmp_path / "甲县.parquet")
    twice.iloc[99:200].to_parquet(tmp_path / "乙县.parquet")
    twice.iloc[200:300].to_parquet(tmp_path / "丙县.parquet")
    message = refusal(tmp_path / "*.parquet")
    assert "1 个学生" in message and twice["student_id"].iloc[99] in message
    assert "甲县.parquet" in message and "乙县.parquet" in message and "丙县" not in message


def test_absent_columns_name_file_and_column(tmp_path, made):
    made.to_parquet(tmp_path / "a.parquet")
    made.drop(columns=["score", "cycle"]).to_csv(tmp_path / "b.csv", index=False)
    message = refusal([tmp_path / "a.parquet", tmp_path / "b.csv"])
    assert "b.csv" in message and "没有 cycle、score" in message
    made.drop(columns="weight").to_parquet(tmp_path / "c.parquet")
    message = refusal([tmp_path / "a.parquet", tmp_path / "c.parquet"])
    assert "列不一致" in message and "c.parquet" in message and "weight" in message


def test_files_that_are_not_there_or_of_another_kind(tmp_path):
    assert "没有这个文件" in refusal(tmp_path / "没有.csv")
    assert "没有.csv" in refusal(str(tmp_path / "没有.csv*"))
    assert "文件夹" in refusal(tmp_path)
    (tmp_path / "表.xlsx").write_bytes(b"PK")
    assert ".xlsx" in refusal(tmp_path / "表.xlsx")
    assert "至少一个文件" in refusal([])


def test_damaged_files_are_named(tmp_path, made):
    whole = tmp_path / "好.parquet"
    made.to_parquet(whole)
    data = whole.read_bytes()
    (tmp_path / "断.parquet").write_bytes(data[:200])
    assert "断.parquet" in refusal([whole, tmp_path / "断.parquet"])
    (tmp_path / "烂.parquet").write_bytes(data[:60] + b"\xff" * 2000 + data[2060:])
    message = refusal(tmp_path / "烂.parquet")
    assert "烂.parquet" in message and "损坏" in message
    text = made.head(20).to_csv(index=False).splitlines()
    (tmp_path / "列.csv").write_text("\n".join([*text[:5], text[5] + ",多出,的", *text[6:]]), encoding="utf-8")
    message = refusal(tmp_path / "列.csv")
    assert "列.csv" in message and "第 6 行" in message
    (tmp_path / "码.csv").write_bytes(made.head(3).to_csv(index=False).encode() + b"\x81\xff\xff,")
    assert "编码" in refusal(tmp_path / "码.csv")
    (tmp_path / "同.csv").write_text("score,score\n1,2\n", encoding="utf-8")
    assert "同名" in refusal(tmp_path / "同.csv")


def test_empty_files_and_rows_without_school_are_refused(tmp_path, made):
    made.head(0).to_csv(tmp_path / "空.csv", index=False)
    message = refusal(tmp_path / "空.csv")
    assert "0 行" in message and "空.csv" in message
    (tmp_path / "无.csv").write_bytes(b"")
    assert "缺少列" in refusal(tmp_path / "无.csv")
    made.assign(school_code=None, school_name=None).to_csv(tmp_path / "校.csv", index=False)
    assert "没有一行能归入学校" in refusal(tmp_path / "校.csv")


def test_two_full_marks_in_a_school_are_refused(tmp_path, made):
    made.assign(full_mark=[600.0, 800.0] * 1500).to_parquet(tmp_path / "a.parquet")
    message = refusal(tmp_path / "a.parquet")
    assert "满分不一致" in message and "600 与 800" in message and "a.parquet" in message


@pytest.mark.parametrize("limits", [{"memory_limit": "很多"}, {"memory_limit": "1"}, {"threads": 0}])
def test_limits_that_make_no_sense_are_refused(tmp_path, made, limits):
    made.to_parquet(tmp_path / "a.parquet")
    assert "1GB" in refusal(tmp_path / "a.parquet", **limits)


def test_too_little_memory_says_what_to_do(tmp_path):
    made_students(60_000).to_parquet(tmp_path / "a.parquet")
    message = refusal(tmp_path / "a.parquet", memory_limit="2MB")
    assert "memory_limit" in message and "merge_sums" in message
