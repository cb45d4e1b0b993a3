"""A plan over a population's tables: group by group, units in parts, each part's results written
whole as soon as they are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from finalrule.cache import whole_file
from finalrule.population.dimensions import Rows
from finalrule.population.duckdb import load_catalogues, run_passes
from finalrule.population.plan import Pass, Plan
from finalrule.tables.convert import files_at, literal, quoted
from finalrule.tables.store import PARQUET

Connection = duckdb.DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Part:
    """Practices from one number to another, both included."""

    number: int
    first: int
    last: int


def connect(threads: int, memory: str, scratch: Path) -> Connection:
    """A DuckDB of its own that stays within the memory and keeps what exceeds it on disk."""
    scratch.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(
        config={
            "threads": threads, "memory_limit": memory, "temp_directory": str(scratch),
            "preserve_insertion_order": False,
        }
    )  # fmt: skip
    connection.execute("SET enable_progress_bar = false")
    # Joins are written with the few columns on the side that is hashed; DuckDB's guesses at how
    # many rows the parts have would turn them round.
    connection.execute("SET disabled_optimizers = 'build_side_probe_side,join_order'")
    return connection


def beside(connection: Connection) -> Connection:
    """Another connection to the same DuckDB, within the same memory, for work at the same time."""
    other = connection.cursor()
    other.execute("SET enable_progress_bar = false")
    return other


class Stopped(Exception):
    """An execution was told to stop."""


class Sources:
    """Parquet files as views under the names that queries read: tables of facts, one directory each
    in `facts`, and tables of results in `outcomes`."""

    def __init__(self, connection: Connection, facts: Path, outcomes: Path) -> None:
        self.connection, self.facts, self.outcomes = connection, facts, outcomes

    def views(
        self, tables: Iterable[str], scopes: Mapping[str, str] | None = None,
        part: Part | None = None,
    ) -> None:  # fmt: skip
        """Views on the tables that are kept; of units, on a part of them where one is named."""
        for table in sorted(tables):
            where = ""
            if part is not None and scopes and scopes.get(table):
                where = f" WHERE part_key BETWEEN {part.first} AND {part.last}"
            for folder in (self.facts, self.outcomes):
                if (folder / table).is_dir():
                    written = self.select(folder / table, where)
                    self.connection.execute(f"CREATE OR REPLACE TEMP VIEW {table} AS {written}")

    def select(self, folder: Path, where: str = "") -> str:
        """The query that reads a table, wide integers as such."""
        return (
            with_integers(self.connection, f"read_parquet({files_at(folder, '*.parquet')})") + where
        )


def with_integers(connection: Connection, source: str) -> str:
    """The query that reads from Parquet, wide integers as such."""
    columns = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    wide = [name for name, kind, *_ in columns if kind == "DECIMAL(38,0)"]
    replaced = ", ".join(f"{as_integer(name)} AS {name}" for name in map(quoted, wide))
    return f"SELECT {f'* REPLACE ({replaced})' if wide else '*'} FROM {source}"


def with_decimals(connection: Connection, source: str) -> str:
    """The query of what is written as Parquet: wide integers are decimals there, since it has no
    others that are exact."""
    columns = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    wide = [name for name, kind, *_ in columns if kind == "HUGEINT"]
    replaced = ", ".join(f"CAST({name} AS DECIMAL(38, 0)) AS {name}" for name in map(quoted, wide))
    return f"SELECT {f'* REPLACE ({replaced})' if wide else '*'} FROM {source}"


def as_integer(decimal: str) -> str:
    """A DECIMAL(38, 0) as a HUGEINT. DuckDB's own conversion divides 128 bits: ten times as slow as
    adding the upper ones, as a DOUBLE says them, and what is then left. That DOUBLE is off by less
    than 2**-51 of the number, so that up to 2**100 what is left has less than 53 bits."""
    upper = f"CAST(floor(CAST({decimal} AS DOUBLE) / {2**50}) AS BIGINT) * {2**50}::HUGEINT"
    lower = f"CAST(CAST({decimal} - CAST({upper} AS DECIMAL(38, 0)) AS DOUBLE) AS BIGINT)"
    return (
        f"CASE WHEN {decimal} BETWEEN {-(2**100)} AND {2**100} THEN {upper} + {lower} "
        f"ELSE CAST({decimal} AS HUGEINT) END"
    )


class Execution:
    """Runs a plan over the internal tables in `facts` (a directory of Parquet files for each), and
    writes each table of results to `outcomes/<table>/<part>.parquet`."""

    def __init__(
        self, connection: Connection, plan: Plan, catalogues: Mapping[str, Rows], facts: Path,
        outcomes: Path,
    ) -> None:  # fmt: skip
        self.connection, self.plan, self.facts, self.outcomes = connection, plan, facts, outcomes
        self.sources = Sources(connection, facts, outcomes)
        self._stopped = False
        load_catalogues(connection, catalogues)

    def group(self, passes: Sequence[Pass], part: Part | None) -> None:
        """One group of passes over one part of the units, or over all there is. Raises Stopped
        where `stop` says so."""
        made = {one.target for one in passes}
        self.sources.views(self.plan.reads(passes) - made, self.plan.scopes, part)
        leaves = self.plan.leaves(passes)

        def write(table: str) -> None:
            self._go_on()
            if table in leaves:
                self._write(table, leaves[table], part.number if part else 0)

        run_passes(
            self.connection, self.plan, passes, self._go_on, keep=(), facts=f"{self.facts}/",
            made=write,
        )  # fmt: skip

    def stop(self) -> None:
        """End what another thread has this do, as soon as can be."""
        self._stopped = True
        self.connection.interrupt()

    def _go_on(self, one: Pass | None = None) -> None:
        if self._stopped:
            raise Stopped

    def _write(self, table: str, columns: Sequence[str], part: int) -> None:
        """A table as Parquet, in the order of its records: the same bytes for the same facts."""
        query = with_decimals(
            self.connection, f"(SELECT {', '.join(map(quoted, columns))} FROM {table})"
        )
        target = self.outcomes / table / f"part-{part:05}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(target) as path:
            self.connection.execute(f"COPY ({query} ORDER BY id) TO {literal(str(path))} {PARQUET}")


def parts_of(connection: Connection, facts: Path, size: int) -> list[Part]:
    """Ranges of practices with about so many scoring units each; none without scoring units."""
    if not (facts / "scoring_unit").is_dir():
        return []
    source = f"read_parquet({files_at(facts / 'scoring_unit', '*.parquet')})"
    rows = connection.execute(
        f"SELECT part_key, COUNT(*) FROM {source} GROUP BY part_key ORDER BY part_key"
    ).fetchall()
    parts: list[Part] = []
    first, units = 0, 0
    for key, count in rows:
        if units and units + count > size:
            parts.append(Part(len(parts), first, key - 1))
            first, units = key, 0
        units += count
    last = rows[-1][0] if rows else 0
    return [*parts, Part(len(parts), first, last)]
