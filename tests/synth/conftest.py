"""A nation of 5,000 clinicians, made once."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from finalrule.core import ir
from finalrule.load import load_program
from finalrule.synth.make import Made, make_nation

CLINICIANS = 5_000


@pytest.fixture(scope="session")
def program() -> ir.Program:
    return load_program("2020-proposed")


@pytest.fixture(scope="session")
def nation(program: ir.Program, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Made]:
    out = tmp_path_factory.mktemp("synth") / "nation"
    return out, make_nation(program, CLINICIANS, 1, out, threads=2)


@pytest.fixture
def tables(nation: tuple[Path, Made]) -> duckdb.DuckDBPyConnection:
    """A connection with a view for each table."""
    connection = duckdb.connect()
    for table in nation[1].rows:
        files = nation[0] / f"{table}.parquet"
        found = files if files.is_file() else nation[0] / table / "*.parquet"
        connection.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{found}')")
    return connection
