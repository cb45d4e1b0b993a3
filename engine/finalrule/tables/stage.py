"""What the steps of reading share: the program, the files, the store, and the shape of a statement
that writes one internal table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import duckdb

from finalrule.core import ir
from finalrule.diagnostics import Failure, Report
from finalrule.tables.convert import Check, Given, checks_of, first_failed, quoted, values_of
from finalrule.tables.internal import Layout, fact_columns, id_of
from finalrule.tables.rejected import reject_failing, reject_rows
from finalrule.tables.schema import TableSchema
from finalrule.tables.sources import Source, unreadable
from finalrule.tables.store import PART_KEY, Store

# Out of memory and a disk that is full are the store's to report; a statement that DuckDB does not
# understand is a fault of this package.
_NOT_OF_A_FILE = (
    duckdb.OutOfMemoryException, duckdb.IOException,
    duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException,
)  # fmt: skip


@dataclass(slots=True)
class Stage:
    """Reading in progress. `sources` are the tables that have rows; `counts` the rows written, by
    internal table."""

    program: ir.Program
    layout: Layout
    store: Store
    sources: Mapping[str, Source]
    report: Report
    counts: dict[str, int] = field(default_factory=dict)

    def write(self, table: str, part: str, select: str) -> int:
        count = self.store.write(table, part, select)
        self.counts[table] = self.counts.get(table, 0) + count
        return count

    def columns(
        self, entity: str, special: Mapping[str, str], source: Source | None, part_key: str
    ) -> str:
        """The select list of an entity's table: ids and derived facts from `special`, by column
        name; the other facts from a source's columns, or as their absence says."""
        expressions = dict(special)
        for fact in self.layout.facts(entity):
            if fact.name in expressions:
                continue
            given = _given(source, fact.name)
            for column, value in zip(fact_columns(fact), values_of(fact, given), strict=True):
                expressions.setdefault(column.name, value)
        listed = [f"CAST({expressions[column.name]} AS {column.sql}) AS {quoted(column.name)}"
                  for column in self.layout.columns(entity)]  # fmt: skip
        return ", ".join([*listed, f"CAST({part_key} AS INTEGER) AS {PART_KEY}"])

    def write_empty(self, entity: str, part: str) -> None:
        """A table without rows, with all its columns."""
        nothing = {column.name: "NULL" for column in self.layout.columns(entity)}
        self.write(entity, part, f"SELECT {self.columns(entity, nothing, None, '0')} WHERE false")

    def write_unique(self, entity: str, part: str, select: str) -> tuple[int, str]:
        """Write records, but none whose key another one has: how many, and SQL for the ids of the
        others; empty where there are none."""
        accepted = self.write(entity, part, select)
        twice = self._duplicates(entity, part)
        if twice:
            self.counts[entity] -= accepted
            accepted = self.store.replace(
                entity, part,
                f"SELECT * FROM {self.store.scan(entity, part)} WHERE id NOT IN ({twice})",
            )  # fmt: skip
            self.counts[entity] += accepted
        return accepted, twice

    def _duplicates(self, entity: str, part: str) -> str:
        """SQL for the ids of the rows whose key another row of the part has; empty where there are
        none. Hashes differ only where keys do, so that as many hashes as rows are proof."""
        declared, store = self.layout.declared, self.store
        keys = [id_of(name) for name in self.layout.ancestors(entity)[:1]]
        keys += [column.name for name in declared.keys(entity)
                 for column in fact_columns(declared.facts[entity][name])]  # fmt: skip
        listed = ", ".join(map(quoted, keys))
        scan = store.scan(entity, part)
        if not store.number(f"SELECT count(*) - count(DISTINCT hash({listed})) FROM {scan}"):
            return ""
        table = f"twice_{entity}"
        store.run(
            f"CREATE TABLE {table} AS SELECT id FROM {scan} WHERE ({listed}) IN "
            f"(SELECT ({listed}) FROM {scan} GROUP BY {listed} HAVING count(*) > 1)"
        )
        count = store.number(f"SELECT count(*) FROM {table}")
        return f"SELECT id FROM {table}" if count else ""

    @contextmanager
    def reading(self, source: Source) -> Iterator[None]:
        """What DuckDB finds wrong with a file in here ends the stage with an error that names it.
        DuckDB's own message may quote the file, and is not shown."""
        try:
            yield
        except _NOT_OF_A_FILE:
            raise
        except duckdb.Error as error:
            unreadable(source, self.report)
            raise Failure(self.report.diagnostics) from error

    def reject(
        self,
        source: Source,
        accepted: int,
        checks: Sequence[Check],
        joins: str,
        duplicates: Sequence[str],
    ) -> None:
        """Add the rows of a source that were not accepted to the rejected ones: those that fail a
        check, and those whose `__row` the queries give."""
        twice = sum(reject_rows(self.store, source, rows, "duplicate_key") for rows in duplicates)
        missing = source.rows - accepted
        failed = reject_failing(self.store, source, checks, joins) if missing - twice else 0
        if failed + twice != missing:
            raise AssertionError(f"{source.name}: {failed} + {twice} rejected, {missing} not taken")


def fact_checks(schema: TableSchema, source: Source) -> list[Check]:
    """The checks of all facts and of those keys that are facts."""
    return [
        check
        for column in schema.columns
        if column.facts or not column.key
        for check in checks_of(column, source.given(column))
    ]


def good(checks: Sequence[Check]) -> str:
    """SQL: whether a row passes all checks."""
    return f"({first_failed(checks)}) IS NULL"


def _given(source: Source | None, name: str) -> Given:
    if source is None:
        return Given()
    found = [column for column in source.schema.columns if column.name == name]
    return source.given(found[0]) if found else Given()
