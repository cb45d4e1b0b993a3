"""The compiled rules on DuckDB: catalogues and passes as temporary tables of one connection."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import duckdb

from finalrule.diagnostics import Diagnostic, Failure, Label, Pointer
from finalrule.population.dimensions import Rows
from finalrule.population.plan import Pass, Plan

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
) -> None:
    """Run passes, each over the tables that earlier ones left. Where `keep` names tables, others
    are dropped as soon as no pass reads them any more. Raises Failure where a rule does not hold
    what it promises; `facts` says then where the entities' tables are."""
    for place, one in enumerate(passes):
        note(one)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {one.target} AS {one.duckdb}")
        check_promises(plan, one, lambda query: connection.execute(query).fetchall(), facts)
        if keep is not None:
            later = plan.reads(passes[place + 1 :]) | set(keep)
            made = {done.target for done in passes[: place + 1]}
            for table in sorted((plan.reads([one]) | {one.target}) & made - later):
                connection.execute(f"DROP TABLE {table}")


def failed_column(table: str) -> str:
    """The column of a pass's table that says which of its promises a record breaks, by number."""
    return f"failed_{table.rpartition('_')[2]}"


def check_promises(plan: Plan, one: Pass, ask: Callable[[str], list[Any]], facts: str = "") -> None:
    """Raise Failure for every rule that does not hold what it promises for some record, with the
    first of them by its id in the entity's table."""
    if not one.failing:
        return
    column = failed_column(one.target)
    found = ask(
        f"SELECT {column}, COUNT(*), MIN(id) FROM {one.target} WHERE NOT {column} IS NULL "
        f"GROUP BY {column} ORDER BY {column}"
    )
    if found:
        rules = {rule.name: rule for rule in plan.program.rules}
        made = []
        for place, count, first in found:
            failing = one.failing[place - 1]
            rule = rules[failing.rule]
            labels = (
                Label(Pointer(str(rule.place), ""), f"rule {rule.name}"),
                Label(Pointer(f"{facts}{rule.entity}", f"id={first}"),
                      "the only record" if count == 1 else f"the first of {count:,} records"),
            )  # fmt: skip
            made.append(Diagnostic(failing.code, failing.message, labels, failing.help))
        raise Failure(made)
