"""A finished run's tables as views: of each no more than what is read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Set
from dataclasses import dataclass
from pathlib import Path

import duckdb
import msgspec
from sqlglot import exp

from finalrule.population import sql
from finalrule.population.plan import Plan
from finalrule.population.sql import E
from finalrule.population.stored import stored_columns
from finalrule.runs.results import NAMES
from finalrule.runs.shortened import Before
from finalrule.tables.convert import files_at


@dataclass(frozen=True, slots=True)
class _Files:
    """A table as DuckDB reads it, and the types of its columns."""

    source: str
    types: dict[str, str]


class Kept:
    """The tables that a finished run's plan has, in the run's directory. Raises
    msgspec.ValidationError where one of them is not there."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, run: Path, plan: Plan) -> None:
        self.connection, self.plan = connection, plan
        self._folders = {
            table: run / place / table
            for place, tables in (("facts", (*plan.scopes, *NAMES)), ("outcomes", plan.results))
            for table in tables
        }
        for folder in self._folders.values():
            if not any(folder.glob("*.parquet")):
                raise msgspec.ValidationError(f"{folder} is not there")
        self.known = frozenset(self._folders)
        self._files: dict[str, _Files] = {}
        connection.execute("SET parquet_metadata_cache = true")

    def entity(
        self, entity: str, wanted: Set[str], changed: Collection[str] = (),
        before: Iterable[Before] = (), without: Before | None = None,
    ) -> None:  # fmt: skip
        """A view under an entity's name on those of the columns wanted that are facts of it, or
        what rules of it came to that are not changed, or what was `before`; `without` records for
        which something was true."""
        outcomes = self._outcomes(entity, wanted, changed, before)
        tables = list(dict.fromkeys(table for _, table, _ in outcomes))
        if without is not None and without.table not in tables:
            tables.append(without.table)
        facts = {"id", *wanted} & self._of(entity).types.keys()
        if not tables or facts - self._of(tables[0]).types.keys():
            tables = [entity, *tables]
        columns = [self._written(tables[0], sql.column(name), name) for name in sorted(facts)]
        columns += [self._written(table, tree, name) for name, table, tree in outcomes]
        first, *others = (f"{self._of(table).source} AS {_alias(table)}" for table in tables)
        joins = "".join(
            f" JOIN {source} ON {_alias(table)}.id = {_alias(tables[0])}.id"
            for source, table in zip(others, tables[1:], strict=True)
        )
        where = "" if without is None else f" WHERE NOT {self._placed(without.table, without.tree)}"
        self._view(entity, f"SELECT {', '.join(columns)} FROM {first}{joins}{where}")

    def columns(
        self, entity: str, wanted: Set[str], changed: Collection[str], before: Iterable[Before]
    ) -> set[str]:
        """The columns that `entity` gives."""
        outcomes = self._outcomes(entity, wanted, changed, before)
        facts = {"id", *wanted} & self._of(entity).types.keys()
        return facts | {name for name, _, _ in outcomes}

    def _outcomes(
        self, entity: str, wanted: Set[str], changed: Collection[str], before: Iterable[Before]
    ) -> list[tuple[str, str, E]]:
        """Columns of outcomes: name, table, and what they are of its columns."""
        entities = {rule.name: rule.entity for rule in self.plan.program.rules}
        of_table = {table: entities[rule] for rule, table in self.plan.tables.items()}
        known = {
            column for (rule, _), shape in self.plan.shapes.items()
            if entities.get(rule) == entity and rule not in changed for column in shape.columns
        }  # fmt: skip
        outcomes = [
            (one.name, one.table, one.tree) for one in stored_columns(self.plan, known & wanted)
            if of_table[one.table] == entity and one.name in wanted
        ]  # fmt: skip
        outcomes += [
            (one.column, one.table, one.tree) for one in before
            if one.entity == entity and one.column in wanted
        ]  # fmt: skip
        return outcomes

    def tables(self, names: Iterable[str]) -> None:
        """Views on tables as they are."""
        for name in names:
            columns = [
                self._written(name, sql.column(column), column) for column in self._of(name).types
            ]
            listed = ", ".join(columns)
            self._view(name, f"SELECT {listed} FROM {self._of(name).source} AS {_alias(name)}")

    def _of(self, table: str) -> _Files:
        if table not in self._files:
            folder = self._folders[table]
            first = min(folder.glob("*.parquet"))
            columns = self.connection.execute(
                f"DESCRIBE SELECT * FROM read_parquet({files_at(first)})"
            ).fetchall()
            self._files[table] = _Files(
                f"read_parquet({files_at(folder, '*.parquet')})",
                {name: kind for name, kind, *_ in columns},
            )
        return self._files[table]

    def _column(self, table: str, name: str) -> E:
        """A column in the type that rules know it by: wide integers are decimals in Parquet."""
        found = sql.column(name, _alias(table))
        wide = self._of(table).types[name] == "DECIMAL(38,0)"
        return sql.cast(found, sql.WIDE) if wide else found

    def _written(self, table: str, tree: E, name: str) -> str:
        """A tree over the columns of a table, as a column."""
        return f"{self._placed(table, tree)} AS {name}"

    def _placed(self, table: str, tree: E) -> str:
        placed = tree.copy().transform(
            lambda node: self._column(table, node.name) if isinstance(node, exp.Column) else node
        )
        return f"({placed.sql(dialect='duckdb')})"

    def _view(self, name: str, query: str) -> None:
        self.connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {query}")


def _alias(table: str) -> str:
    return f"of_{table}"
