"""Outcomes in the tables of results, as columns again: a value that follows from what decided is
not kept, it is read from the number of what did."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

from sqlglot import exp

from finalrule.core import ir
from finalrule.evaluate.outcomes import output_types
from finalrule.population import sql
from finalrule.population.amounts import Amount, Divisor
from finalrule.population.decode import values_by_winner
from finalrule.population.model import Shape
from finalrule.population.plan import Packed, Plan, follows
from finalrule.population.sql import E
from finalrule.population.terms import EPOCH
from finalrule.values import Value


@dataclass(frozen=True, slots=True)
class StoredColumn:
    """A column that can be had of a table of results."""

    table: str
    name: str
    tree: E


def by_number(packed: Packed) -> E:
    """The number of what decided, 0 where nothing did."""
    shifted = sql.both(exp.IntDiv, sql.column(packed.column), sql.number(2**packed.shift))
    shifted.type = exp.DataType.build("bigint")
    return sql.both(exp.Mod, shifted, sql.number(2**packed.bits))


def stored_columns(plan: Plan, wanted: Set[str] | None = None) -> Iterator[StoredColumn]:
    """Every column of every outcome, under the name that rules read it by, or only those wanted."""
    parameters = {one.name: one for one in plan.program.parameters}
    for rule in plan.program.rules:
        if rule.name not in plan.packed:
            continue
        table = plan.tables[rule.name]
        for place, output in enumerate(output_types(rule)):
            shape = plan.shapes[rule.name, output]
            if wanted is not None and wanted.isdisjoint(shape.columns):
                continue
            if follows(rule):
                tree = _decoded(rule, place, plan.packed[rule.name], shape, parameters)
                yield StoredColumn(table, shape.column, tree)
            else:
                for name in shape.columns:
                    yield StoredColumn(table, name, sql.column(name))


def _decoded(
    rule: ir.AnyRule, place: int, packed: Packed, shape: Shape,
    parameters: Mapping[str, ir.Parameter],
) -> E:  # fmt: skip
    values = values_by_winner(rule, place, parameters)
    assert values is not None
    by = by_number(packed)
    groups: dict[Value, list[E]] = {}
    for number, value in enumerate(values, 1):
        groups.setdefault(value, []).append(sql.number(number))
    branches = [
        (sql.among(by, numbers), _constant(value, shape)) for value, numbers in groups.items()
    ]
    return sql.case(branches, None)


def _constant(value: Value, shape: Shape) -> E:
    if isinstance(value, bool):
        return sql.truth(value)
    if isinstance(value, datetime.date):
        return sql.number((value - EPOCH).days)
    if shape.members is not None:
        return sql.number(shape.members.index(str(value)))
    if shape.is_number:
        scaled = value * shape.unit  # type: ignore[operator]
        return sql.number(int(scaled))
    return sql.text(str(value))


def amount_of(shape: Shape) -> Amount:
    """A stored number."""
    divisors = (Divisor(shape.divisor, shape.divisor_high),) if shape.divisor else ()
    return Amount(
        sql.column(shape.numerator), shape.low, shape.high, shape.unit, shape.least, shape.most,
        divisors, shape.unknown,
    )  # fmt: skip
