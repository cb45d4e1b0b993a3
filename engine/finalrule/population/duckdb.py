"""The compiled rules on DuckDB: catalogues and passes as temporary tables of one connection."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import duckdb

from finalrule.diagnostics import Diagnostic, Failure, Label, Pointer
from finalrule.population.dimensions import Rows
from finalrule.population.plan import Pass, Plan, failed_column

Connection = duckdb.DuckDBPyConnection


def load_catalogues(connection: Connection, catalogues: Mapping[str, Rows]) -> None:
    """Make the tables of the catalogues."""
    for one in catalogues.values():
        columns = ", ".join(f'"{name}" {kind}' for name, kind in one.columns.items())
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {one.dimension.table} ({columns})")
        if one.rows:
            row = f"({', '.join('?' * len(one.columns))})"
            values = ", ".join([row] * len(one.rows))
            cells = [cell for cells in one.rows for cell in cells]
            connection.execute(f"INSERT INTO {one.dimension.table} VALUES {values}", cells)


def run_passes(
    connection: Connection,
    plan: Plan,
    passes: Sequence[Pass],
    note: Callable[[Pass], None] = lambda one: None,
    keep: Collection[str] | None = None,
    facts: str = "",
    made: Callable[[str], None] = lambda table: None,
) -> None:
    """Run passes, each over the tables that earlier ones left. Those that follow each other are one
    statement, and only the last of them leaves a table. `made` is told of each table that is left,
    when its promises were found to hold. Where `keep` names tables, others are dropped as soon as
    no pass reads them any more. Raises Failure where a rule does not hold what it promises (`facts`
    says then where the entities' tables are), or a sum does not fit."""
    there: set[str] = set()
    first = 0
    for last, one in enumerate(passes, 1):
        note(one)
        if last < len(passes) and passes[last].follows:
            continue
        *before, _ = together = passes[first:last]
        above = ", ".join(f"{each.target} AS MATERIALIZED ({each.duckdb})" for each in before)
        query = f"WITH {above} {one.duckdb}" if above else one.duckdb
        try:
            connection.execute(f"CREATE OR REPLACE TEMP TABLE {one.target} AS {query}")
        except duckdb.OutOfRangeException as error:
            raise _too_many_digits(plan, together) from error
        check_promises(plan, together, lambda asked: connection.execute(asked).fetchall(), facts)
        for each in before:
            if each.failing:
                failed = failed_column(each.target)
                connection.execute(f"ALTER TABLE {one.target} DROP COLUMN {failed}")
        made(one.target)
        there.add(one.target)
        if keep is not None:
            unread = there - plan.reads(passes[last:]) - set(keep)
            for table in sorted(unread):
                connection.execute(f"DROP TABLE {table}")
            there -= unread
        first = last


def _too_many_digits(plan: Plan, passes: Sequence[Pass]) -> Failure:
    """A number of some rule does not fit. DuckDB does not say of which."""
    rules = {rule.name: rule for rule in plan.program.rules}
    numbers = {rule for (rule, _), shape in plan.shapes.items() if shape.is_number}
    names = [name for one in passes for name in one.rules if name in numbers]
    labels = [Label(Pointer(str(rules[name].place), ""), f"rule {name}") for name in names]
    return Failure([Diagnostic(
        "not-for-sql", "a sum that one of these rules makes of the facts has more than 38 digits",
        tuple(labels), "look for facts that are too great; their bounds may be narrower",
    )])  # fmt: skip


def check_promises(
    plan: Plan, passes: Sequence[Pass], ask: Callable[[str], list[Any]], facts: str = ""
) -> None:
    """Raise Failure for every rule of passes that follow each other that does not hold what it
    promises for some record, with the first of them by its id in the entity's table."""
    rules = {rule.name: rule for rule in plan.program.rules}
    table, made = passes[-1].target, []
    for one in passes:
        column = failed_column(one.target)
        found = [] if not one.failing else ask(
            f"SELECT {column}, COUNT(*), MIN(id) FROM {table} WHERE NOT {column} IS NULL "
            f"GROUP BY {column} ORDER BY {column}"
        )  # fmt: skip
        for place, count, first in found:
            failing = one.failing[place - 1]
            rule = rules[failing.rule]
            labels = (
                Label(Pointer(str(rule.place), ""), f"rule {rule.name}"),
                Label(Pointer(f"{facts}{rule.entity}", f"id={first}"),
                      "the only record" if count == 1 else f"the first of {count:,} records"),
            )  # fmt: skip
            made.append(Diagnostic(failing.code, failing.message, labels, failing.help))
    if made:
        raise Failure(made)
