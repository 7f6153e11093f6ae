"""Questions to a processed table in SQL, for tables that do not fit into memory: DuckDB reads the parts it needs."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from typing import TYPE_CHECKING

from qbresearch.errors import InputError
from qbresearch.processed.partitions import part_path
from qbresearch.processed.store import require_built, source_folder
from qbresearch.processed.student_scan import literal
from qbresearch.project import Project
from qbresearch.provenance import file_sha256
from qbresearch.traces import note_read

if TYPE_CHECKING:
    import pandas as pd

ROWS = "rows"


def query_source(
    project: Project, source_id: str, sql: str, *, years: Collection[int] | None = None, memory: str | None = None
) -> pd.DataFrame:
    """The answer to a question in SQL about the rows of a processed table, which the question calls ``rows``.

    Columns have the names of the table's contract (``qbresearch show tables``), numbers its units. What does not fit
    into memory is kept in a temporary folder; only the answer is held as a table.

    Parameters
    ----------
    project : Project
    source_id : str
        A built source.
    sql : str
        For example ``SELECT county_code, sum(students_primary) AS students FROM rows GROUP BY county_code ORDER BY 1``.
        Rows have no order of their own.
    years : collection of int, optional
        School years to read; by default all.
    memory : str, optional
        What DuckDB may use at most, such as ``"2GB"``; by default four fifths of the computer's memory.

    Raises
    ------
    InputError
        The source has not been built, or not since something changed; a file is not the one that was written; there is
        no row of these school years; or DuckDB does not understand the question.
    """
    import duckdb

    provenance = require_built(project, source_id)
    folder = source_folder(project, source_id)
    wanted = None if years is None else {str(year) for year in years}
    parts = {
        part_path(folder, name, year): part.sha256
        for name, province in sorted(provenance.provinces.items())
        for year, part in sorted(province.parts.items())
        if wanted is None or year in wanted
    }
    if not parts:
        raise InputError(
            "这几个学年没有数据", where=f"数据 {source_id}", found="、".join(sorted(wanted or ())) or "没有给出学年",
            expected="表中有的学年", fix="改 years，或先把这些学年的数据放进 data/raw 再运行 qbresearch build",
        )
    for path, sha256 in parts.items():
        if not path.is_file() or file_sha256(path) != sha256:
            raise InputError(
                "处理好的表与生成时不同", where=f"data/processed/{source_id}", found=path.relative_to(folder).as_posix(),
                expected="由 data/raw 生成、未经改动的表", fix=f"运行 qbresearch build {source_id}",
            )
    note_read("rows", f"{source_id}/", provenance.content_sha256)
    with closing(duckdb.connect()) as connection:
        if memory is not None:
            connection.execute(f"SET memory_limit = {literal(memory)}")
        files = ", ".join(literal(path) for path in parts)
        connection.execute(f"CREATE VIEW {ROWS} AS SELECT * FROM read_parquet([{files}], hive_partitioning = false)")
        try:
            return connection.execute(sql).df()
        except duckdb.Error as error:
            raise InputError(
                "DuckDB 不能回答这个问题", where=f"对数据 {source_id} 的查询", found=str(error).splitlines()[0],
                expected="一条 SQL 查询，表名是 rows，列名见 qbresearch show tables", fix="按提示改写查询",
            ) from error
