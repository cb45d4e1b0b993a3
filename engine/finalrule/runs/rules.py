"""Which of a program's rules a run computes, and what it states of the program."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import duckdb

from finalrule.core import ir
from finalrule.core.walk import nodes, reads
from finalrule.evaluate.outcomes import output_types
from finalrule.facts.declared import Declared
from finalrule.population.decode import Decoder
from finalrule.population.plan import Plan
from finalrule.tables.internal import PROGRAM
from finalrule.values import Number, show

# What a run says of the figures that decide it most.
_FIGURES = (
    "performance_threshold", "additional_performance_threshold", "applicable_percent",
    "scaling_factor_limit", "additional_factor.at_threshold", "additional_factor.at_100",
    "additional_factor.funds", "additional_factor.scaling_limit",
)  # fmt: skip


def rules_of(program: ir.Program) -> list[str]:
    """The rules that a run computes: those of the trees that its tables have."""
    declared = Declared(program)
    return [rule.name for rule in program.rules if declared.root_of(rule.entity) == PROGRAM]


def program_rules(plan: Plan) -> list[str]:
    """The rules of the program itself that a plan has outcomes of, and that give a number which
    follows from everybody's records."""
    found = dict.fromkeys(
        rule.name for rule in plan.program.rules
        if rule.entity == PROGRAM and any(isinstance(one, ir.Aggregate) for one in nodes(rule))
    )  # fmt: skip
    for rule in plan.program.rules:
        if rule.entity == PROGRAM and not found.keys().isdisjoint(reads(rule)):
            found[rule.name] = None
    return [
        rule.name for rule in plan.program.rules
        if rule.name in found and rule.name in plan.packed
        and isinstance(output_types(rule).get(""), Number)
    ]  # fmt: skip


def figures_of(program: ir.Program) -> dict[str, str]:
    """The figures that a run's results rest on most, as the year file shows them."""
    found = {}
    for one in program.parameters:
        if one.name in _FIGURES and isinstance(one.value, ir.Num):
            found[one.name] = show(one.value.value, one.type)
    return found


def program_outcomes(
    connection: duckdb.DuckDBPyConnection, plan: Plan
) -> dict[str, dict[str, str | None]]:
    """The numbers that rules of the program came to: as printed, exactly, and what decided each."""
    decoder = Decoder(plan)
    rules = {rule.name: rule for rule in plan.program.rules}
    rows: dict[str, dict[str, Any]] = {}
    found: dict[str, dict[str, str | None]] = {}
    for name in program_rules(plan):
        table = plan.tables[name]
        if table not in rows:
            result = connection.execute(f"SELECT * FROM {table}")
            columns = [one[0] for one in result.description]
            (row,) = result.fetchall()
            rows[table] = dict(zip(columns, row, strict=True))
        decision = decoder.decision(name, rows[table])
        value = decision.values[""]
        known = value if isinstance(value, Fraction) else None
        found[name] = {
            "value": None if known is None else show(known, output_types(rules[name])[""]),
            "exact": None if known is None else str(known),
            "winner": decision.winner,
        }
    return found
