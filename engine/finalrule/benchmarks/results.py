"""A year's results out of users' tables: each with the outcomes that benchmarks are made of, by the
policy's rules compiled to SQL."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import duckdb

from finalrule.benchmarks.derive import rate_places
from finalrule.core import ir
from finalrule.core.walk import reads
from finalrule.evaluate.outcomes import winners
from finalrule.evaluate.scalar import Evaluator
from finalrule.population.dimensions import catalogue_rows
from finalrule.population.duckdb import load_catalogues, run_passes
from finalrule.population.plan import Plan, compile_population
from finalrule.tables.convert import files_at, literal
from finalrule.values import Enumeration

RELATION = "benchmark_results"
_RESULT = "measure_result"
_COUNTS, _RATE = "benchmark_reporter", "assessed_rate"
_KEYS = ("measure_id", "collection_type")


def make_results(
    connection: duckdb.DuckDBPyConnection, evaluator: Evaluator, database: Path
) -> None:
    """Make the table RELATION, which `derive` takes, of the internal tables in a directory
    (`tables.read`). Raises Failure where a rule does not hold what it promises."""
    program, catalogues = evaluator.program, catalogue_rows(evaluator.catalogues)
    for entity in program.entities:
        parts = files_at(database / entity.name, "*.parquet")
        connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {entity.name} AS SELECT * FROM read_parquet({parts})"
        )
    plan = compile_population(
        program,
        {name: one.dimension for name, one in catalogues.items()},
        only=_needed(evaluator, (_COUNTS, _RATE)),
    )
    load_catalogues(connection, catalogues)
    run_passes(connection, plan, plan.passes, keep={plan.tables[_COUNTS], plan.tables[_RATE]})
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {RELATION} AS {_select(plan)}")


def _needed(evaluator: Evaluator, names: Iterable[str]) -> set[str]:
    """The rules named and all that they read."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo.extend(reads(evaluator.rules[name]))
    return found


def _select(plan: Plan) -> str:
    measure_id, collection_type = _KEYS
    members = ", ".join(literal(member) for member in _members(plan.program))
    (counting,) = (rule for rule in plan.program.rules if rule.name == _COUNTS)
    counts = winners(counting).index("counts") + 1
    shape = plan.shapes[_RATE, ""]
    divisor = f"({shape.unit} * r.{shape.divisor})" if shape.divisor else str(shape.unit)
    rate = f"r.{shape.numerator}::HUGEINT * {10 ** rate_places(plan.program)} // {divisor}"
    rated, counted = _winner(plan, _RATE, "r"), _winner(plan, _COUNTS, "c")
    return f"""SELECT m.{measure_id}, ([{members}])[m.{collection_type} + 1] AS {collection_type},
      if({rated} = 0, NULL, ({rate})::BIGINT) AS rate,
      if({counted} = 0, NULL, {counted} = {counts}) AS counts
    FROM {plan.tables[_COUNTS]} c JOIN {plan.tables[_RATE]} r USING (id)
    JOIN {_RESULT} m USING (id)"""


def _winner(plan: Plan, rule: str, alias: str) -> str:
    """SQL of the place of what decided a rule, from 1; 0 where it is not determined."""
    packed = plan.packed[rule]
    return f"(({alias}.{packed.column} >> {packed.shift}) & {(1 << packed.bits) - 1})"


def _members(program: ir.Program) -> tuple[str, ...]:
    (type_,) = (
        fact.type
        for fact in program.facts
        if (fact.entity, fact.name) == (_RESULT, "collection_type")
    )
    assert isinstance(type_, Enumeration)
    return type_.members
