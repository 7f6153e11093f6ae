"""Rows in parts: a county costs the county, a part that has not changed is left alone, a crash leaves nothing in between."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qbresearch.errors import InputError
from qbresearch.processed import build, partitions
from qbresearch.processed.build import build_source
from qbresearch.processed.checksums import RowChecksums
from qbresearch.processed.partitions import (
    ROW_GROUP,
    part_path,
    read_part,
    sweep,
    write_rows,
)
from qbresearch.processed.store import (
    list_built,
    list_counties,
    load_processed,
    provenance_path,
    read_provenance,
    school_years,
    source_folder,
)
from qbresearch.raw.reading import read_file
from qbresearch.raw.sources import draft_passport
from qbresearch.rules.columns import load_table

HEADINGS = {"county_code": "县区划代码", "school_year": "学年", "school_code": "学校标识码", "school_name": "学校名称"}
PLACES = [("110101", 2023), ("110101", 2024), ("110102", 2024), ("320101", 2023), ("320101", 2024)]
"""Counties and years, one raw file each: two provinces."""


def _csv(code: str, year: int, *, students: int = 300) -> bytes:
    """Three primary schools with every column of the contract, in an order that is not that of their codes."""
    contract = load_table("school")
    rows = []
    for number in (3, 1, 2):
        row = {column.name: "" for column in contract.columns}
        row |= {c.name: "0" for c in contract.columns if c.is_number and c.stage in ("primary", "") and c.kind == "count"}
        row |= {c.name: "1" for c in contract.columns if c.kind == "number"}
        row |= {
            "county_code": code, "county_name": f"县{code}", "school_year": str(year), "school_code": f"{code}{number:04d}",
            "school_name": f"校{number}", "school_type": "小学", "location": "城区", "sponsor": "公办", "counted": "是",
            "students_primary": str(students + number),
        }
        rows.append(row)
    frame = pd.DataFrame(rows)
    frame.columns = [next(h for h, f in contract.column(name).headings.items() if f == 1) for name in frame]
    return frame.to_csv(index=False).encode("utf-8")


def _register(project, source_id="nation"):
    text = draft_passport(project.raw, source_id, replace=True).replace("待填：", "测试用")
    (project.raw / source_id / "source.toml").write_text(text, encoding="utf-8")


@pytest.fixture
def nation(project):
    folder = project.raw / "nation"
    folder.mkdir()
    for code, year in PLACES:
        (folder / f"{code}-{year}.csv").write_bytes(_csv(code, year))
    _register(project)
    assert build_source(project, "nation").status == "built"
    return project


def _change(project, code="320101", year=2024):
    (project.raw / "nation" / f"{code}-{year}.csv").write_bytes(_csv(code, year, students=400))
    _register(project)


def _files(project):
    return {p.relative_to(project.processed): p for p in project.processed.rglob("*") if p.is_file()}


def test_rows_lie_by_province_and_year_and_come_back_sorted_by_key(nation):
    parts = {str(p.parent.relative_to(nation.processed)) for p in nation.processed.rglob("part.parquet")}
    assert parts == {f"nation/rows/province={p}/school_year={y}" for p in ("11", "32") for y in (2023, 2024)}
    frame = load_processed(nation, "nation").frame
    keys = list(frame[["county_code", "school_year", "school_code"]].itertuples(index=False, name=None))
    assert keys == [(c, y, f"{c}{n:04d}") for c, y in PLACES for n in (1, 2, 3)]
    assert list(frame.index) == list(range(15))
    held = list_counties(nation, read_provenance(nation, "nation"))
    assert {code: school_years(county) for code, county in held.items()} == {
        "110101": (2023, 2024), "110102": (2024,), "320101": (2023, 2024),
    }
    assert held["320101"]["2024"].files == {"320101-2024.csv": 3}


def test_a_county_and_years_are_the_same_rows_as_in_the_whole(nation):
    whole = load_processed(nation, "nation").frame
    for code, years in (("110101", None), ("320101", [2024]), (None, [2023])):
        found = load_processed(nation, "nation", county_code=code, years=years)
        rows = (whole["county_code"].eq(code) if code else True) & (whole["school_year"].isin(years) if years else True)
        pd.testing.assert_frame_equal(found.frame, whole[rows].reset_index(drop=True))
    sums = {load_processed(nation, "nation", years=y).provenance.content_sha256 for y in (None, [2023], [2024], [2023, 2024])}
    assert len(sums) == 3


def test_a_county_is_read_though_another_province_is_damaged(nation):
    part_path(source_folder(nation, "nation"), "32", "2024").write_bytes(b"damaged")
    assert len(load_processed(nation, "nation", county_code="110101").frame) == 6
    assert len(load_processed(nation, "nation", county_code="320101", years=[2023]).frame) == 3
    for code in ("320101", None):
        with pytest.raises(InputError, match="与生成时不同"):
            load_processed(nation, "nation", county_code=code)


def test_one_file_changed_rewrites_one_part_and_reads_one_file(nation, monkeypatch):
    before = {name: (path.stat().st_mtime_ns, path.read_bytes()) for name, path in _files(nation).items()}
    sums = {c: load_processed(nation, "nation", county_code=c).provenance.content_sha256 for c in ("110101", "320101")}
    read = []
    monkeypatch.setattr(build, "read_file", lambda path, *rest, **kw: read.append(path.name) or read_file(path, *rest, **kw))
    _change(nation)
    assert build_source(nation, "nation").status == "built" and read == ["320101-2024.csv"]
    after = {name: (path.stat().st_mtime_ns, path.read_bytes()) for name, path in _files(nation).items()}
    parts = {str(name) for name in after if name.name == "part.parquet" and after[name] != before[name]}
    assert parts == {"nation/rows/province=32/school_year=2024/part.parquet"}
    assert len([n for n in after if n.parts[1] == "read"]) == len(PLACES), "what was read of the file before is gone"
    now = {c: load_processed(nation, "nation", county_code=c).provenance.content_sha256 for c in sums}
    assert now["110101"] == sums["110101"] and now["320101"] != sums["320101"]
    assert set(load_processed(nation, "nation", county_code="320101", years=[2024]).frame["students_primary"]) == {401, 402, 403}


def test_what_was_kept_of_a_file_and_is_damaged_is_read_again(nation, monkeypatch):
    whole = load_processed(nation, "nation").frame
    kept = sorted((nation.processed / "nation" / "read").iterdir())
    for number, path in enumerate(kept[:3]):
        data = bytearray(path.read_bytes())
        data[40] ^= 1  # in the first page of rows
        path.write_bytes([bytes(data), b"", data[:-20]][number])
    provenance_path(nation, "nation").unlink()
    read = []
    monkeypatch.setattr(build, "read_file", lambda path, *rest, **kw: read.append(path.name) or read_file(path, *rest, **kw))
    assert build_source(nation, "nation").status == "built" and len(read) == 3
    pd.testing.assert_frame_equal(load_processed(nation, "nation").frame, whole)


def test_problems_of_a_file_that_is_not_read_again_are_found_again(nation):
    path = nation.raw / "nation" / "110102-2024.csv"
    path.write_bytes(path.read_bytes().replace("校1".encode(), "校1".encode()).replace(b",303,", b",many,"))
    _register(nation)
    first = build_source(nation, "nation")
    second = build_source(nation, "nation")
    assert first.status == second.status == "refused" and len(first.problems) >= 1
    pd.testing.assert_frame_equal(first.problems, second.problems)


def test_a_file_that_is_gone_takes_its_part_with_it(nation):
    (nation.raw / "nation" / "110101-2023.csv").unlink()
    _register(nation)
    assert build_source(nation, "nation").rows == 12
    names = {str(name) for name in _files(nation)}
    assert not any("province=11/school_year=2023" in name for name in names)
    assert len([name for name in names if "/read/" in name]) == len(PLACES) - 1
    assert not (nation.processed / "nation" / "rows" / "province=11" / "school_year=2023").exists()


@pytest.mark.parametrize(("writes", "old_state"), [(1, True), (2, False), (4, False)])
def test_a_crash_while_writing_is_noticed_or_leaves_the_old_state(nation, monkeypatch, writes, old_state):
    old, code = load_processed(nation, "nation").frame, "320101"
    passport = nation.raw / "nation" / "source.toml"
    facts = passport.read_bytes()
    _change(nation)
    done = []

    def crash(function):
        def write(path, data):
            if "read" not in path.parts:
                if len(done) == writes:
                    raise KeyboardInterrupt
                done.append(path.name)
            return function(path, data)

        return write

    with monkeypatch.context() as patch:
        for module, name in ((partitions, "write_bytes"), (partitions, "write_text"), (build, "write_text"), (build, "write_json")):
            patch.setattr(module, name, crash(getattr(module, name)))
        with pytest.raises(KeyboardInterrupt):
            build_source(nation, "nation")
    known = read_provenance(nation, "nation")
    assert known.recipe.inputs != {} and len(done) == writes
    with pytest.raises(InputError, match="已经过期"):
        load_processed(nation, "nation", county_code=code)
    assert known.is_intact(nation) is old_state
    # Back to the old raw files: what is there passes for the old table only where it is.
    (nation.raw / "nation" / "320101-2024.csv").write_bytes(_csv(code, 2024))
    passport.write_bytes(facts)
    if not old_state:
        with pytest.raises(InputError, match="与生成时不同"):
            load_processed(nation, "nation", county_code=code)
    assert build_source(nation, "nation").status == ("unchanged" if old_state else "built")
    pd.testing.assert_frame_equal(load_processed(nation, "nation").frame, old)


def test_a_first_build_that_crashes_has_built_nothing(nation, monkeypatch):
    provenance_path(nation, "nation").unlink()
    monkeypatch.setattr(build, "write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        build_source(nation, "nation")
    assert list_built(nation) == ()
    with pytest.raises(InputError, match="还没有处理"):
        load_processed(nation, "nation", county_code="110101")


def _rows(counties: int, schools: int) -> pd.DataFrame:
    code = np.repeat([f"11{number:04d}" for number in range(counties)], schools)
    return pd.DataFrame(
        {
            "county_code": pd.Series(code, dtype="string"),
            "school_year": pd.Series(np.full(len(code), 2024), dtype="Int64"),
            "value": np.arange(len(code), dtype=float),
            "source_file": "a.csv",
        }
    )


def test_a_county_of_a_large_part_reads_few_row_groups(tmp_path, monkeypatch):
    rows = _rows(100, 60)
    provinces = write_rows(tmp_path, rows, {})
    path = part_path(tmp_path, "11", "2024")
    assert pq.ParquetFile(path).num_row_groups == -(-len(rows) // ROW_GROUP)
    read = []
    groups = partitions._groups_of
    monkeypatch.setattr(partitions, "_groups_of", lambda *a: read.extend(groups(*a)) or read)
    found = read_part(tmp_path, "11", "2024", county_code="110050").to_pandas()
    pd.testing.assert_frame_equal(found, rows[rows["county_code"] == "110050"].reset_index(drop=True))
    assert len(read) <= 2 and provinces["11"].parts["2024"].rows == 6000


def test_rows_without_county_or_year_have_their_place(tmp_path):
    rows = _rows(2, 3).astype({"county_code": "object"})
    rows.loc[[0], "county_code"], rows.loc[[4], "school_year"] = None, pd.NA
    rows.loc[5, "county_code"] = "Kern"
    provinces = write_rows(tmp_path, rows.sort_values("county_code"), {})
    assert {name: set(p.parts) for name, p in provinces.items()} == {"11": {"2024", "_"}, "_": {"2024"}}
    assert len(read_part(tmp_path, "_", "2024", county_code="Kern")) == 1 and len(read_part(tmp_path, "_", "2024")) == 2
    (tmp_path / "rows" / "left").mkdir()
    (tmp_path / "rows" / "left" / "over.parquet").write_bytes(b"")
    sweep(tmp_path, {"11": provinces["11"]})
    assert {p.name for p in (tmp_path / "rows").iterdir()} == {"province=11"}


# --- checksums of rows -------------------------------------------------------------------------------------------------


def _sum(frame: pd.DataFrame) -> str:
    return RowChecksums(pa.Table.from_pandas(frame, preserve_index=False)).whole()


def test_a_checksum_does_not_depend_on_how_rows_are_stored():
    rows = _rows(3, 4).assign(value=[0.5, np.nan] * 6)
    table = pa.Table.from_pandas(rows, preserve_index=False)
    parts = pa.concat_tables([table.slice(0, 5), table.slice(5)])
    coded = table.set_column(0, "county_code", table.column(0).dictionary_encode())
    small = table.set_column(0, "county_code", table.column(0).cast(pa.string()))
    assert {RowChecksums(t).of(4, 8) for t in (table, parts, coded, small)} == {_sum(rows[4:8])}
    assert RowChecksums(table.slice(0, 0)).whole() == _sum(rows[:0])


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.assign(value=rows["value"] + 1e-9), lambda rows: rows.rename(columns={"value": "values"}),
        lambda rows: rows.assign(value=rows["value"].mask(rows["value"] == 1)), lambda rows: rows[::-1], lambda rows: rows[:-1],
        lambda rows: rows.assign(county_code=rows["county_code"].mask(rows["value"] == 2)),
        lambda rows: rows.assign(county_code=rows["county_code"].mask(rows["value"] == 2, "")),
        lambda rows: rows.assign(school_year=rows["school_year"].mask(rows["value"] == 2)),
        lambda rows: rows.assign(source_file=["a", ".csva.csv", *["a.csv"] * 10]),
    ],
)
def test_a_checksum_changes_with_any_cell(change):
    rows = _rows(3, 4)
    assert _sum(change(rows)) != _sum(rows)
