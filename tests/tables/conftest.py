"""Tables written by a test, read by the real program, and looked at as the internal tables are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import duckdb
import pytest

from finalrule.core import ir
from finalrule.diagnostics import Diagnostic, Failure
from finalrule.load import load_program
from finalrule.tables.read import Read, read_tables

# With 80840 before them they sum to 70, 60, 60 and 70 by Luhn's method, so that they check.
NPIS = ("1234567893", "1234567802", "1234567810", "1234567828")


@cache
def program_of(policy: str) -> ir.Program:
    return load_program(policy)


@pytest.fixture(scope="session")
def program() -> ir.Program:
    return program_of("2020-final")


@dataclass
class Tables:
    """A directory of tables and a folder to work in."""

    program: ir.Program
    directory: Path
    work: Path

    def write(self, **tables: str) -> Tables:
        """CSV files. Cells are separated by `|` or lines' ends, so that they align in a test; blank
        lines are left out."""
        for name, text in tables.items():
            lines = [
                ",".join(cell.strip() for cell in line.split("|"))
                for line in text.strip().splitlines()
            ]
            (self.directory / f"{name}.csv").write_text("\n".join(lines) + "\n", "utf-8")
        return self

    def parquet(self, name: str, select: str) -> Tables:
        """A Parquet file with the rows of a query."""
        path = self.directory / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        duckdb.connect().execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
        return self

    def read(self, limit: Fraction = Fraction(1), memory: str = "1GB") -> Read:
        return read_tables(
            self.program, self.directory, self.work, threads=2, memory=memory,
            rejected_limit=limit,
        )  # fmt: skip

    def failure(self, limit: Fraction = Fraction(1)) -> list[Diagnostic]:
        """The errors of a reading that fails. Nothing half-written is left behind."""
        with pytest.raises(Failure) as caught:
            self.read(limit)
        left = [path.name for path in self.work.iterdir()] if self.work.exists() else []
        assert left in ([], ["facts"])
        return [each for each in caught.value.diagnostics if each.severity == "error"]

    def rows(self, table: str, columns: str, order: str = "ALL") -> list[tuple[object, ...]]:
        """Rows of an internal table that was written."""
        path = self.work / "facts" / table / "*.parquet"
        return (
            duckdb.connect().execute(f"SELECT {columns} FROM '{path}' ORDER BY {order}").fetchall()
        )

    def rejected(self, columns: str = '"table", "row", reason, "column", "value"') -> list[object]:
        path = self.work / "facts" / "rejected.parquet"
        return list(duckdb.connect().execute(f"SELECT {columns} FROM '{path}'").fetchall())


@pytest.fixture
def tables(program: ir.Program, tmp_path: Path) -> Tables:
    directory = tmp_path / "given"
    directory.mkdir()
    return Tables(program, directory, tmp_path / "work")


Nation = Callable[[Mapping[str, str]], Tables]


@pytest.fixture
def two_practices(tables: Tables) -> Tables:
    """Two practices, three clinicians: one in the first, two in the second."""
    return tables.write(
        practices="tin\n123456789\n987654321",
        clinicians=f"""
            tin       | npi
            123456789 | {NPIS[0]}
            987654321 | {NPIS[1]}
            987654321 | {NPIS[2]}
        """,
    )
