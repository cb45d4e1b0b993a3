"""What a what-if need not compute, because it is what it was before: which clause decides a rule of
which no more than figures that clauses give are others, and what its other clauses give; and
records that a select did not consider."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import msgspec
from sqlglot import exp

from finalrule.core import ir
from finalrule.core.walk import nodes
from finalrule.evaluate.lets import inline, inlined_lets
from finalrule.evaluate.outcomes import winners
from finalrule.population import sql
from finalrule.population.model import Shape
from finalrule.population.plan import Plan
from finalrule.population.sql import E
from finalrule.population.stored import by_number
from finalrule.runs.changed import Changed
from finalrule.values import Enumeration


@dataclass(frozen=True, slots=True)
class Before:
    """What a rule came to before, or which clause it was, as a column that can be had of a table
    of results."""

    entity: str
    table: str
    column: str
    tree: E


@dataclass(frozen=True, slots=True)
class Shortened:
    """A program with shorter rules, and what they read of what was before."""

    program: ir.Program
    stored: Plan
    columns: tuple[Before, ...]


def shortened(program: ir.Program, stored: Plan, change: Changed) -> Shortened:
    """The program with those of the changed rules shortened that can be."""
    rules: list[ir.AnyRule] = []
    shapes, columns = dict(stored.shapes), list[Before]()
    for rule in program.rules:
        if not isinstance(rule, ir.Choice) or not _can_be(rule, stored, change):
            rules.append(rule)
            continue
        table, shape, names = stored.tables[rule.name], stored.shapes[rule.name, ""], winners(rule)
        value = replace(shape, column=f"{rule.name}__before", unknown=True)
        by = Shape(f"{rule.name}__decided_before", False, True, names)
        place = _place(by_number(stored.packed[rule.name]), len(names))
        shapes |= {(value.column, ""): value, (by.column, ""): by}
        columns += [
            Before(rule.entity, table, value.column, sql.column(shape.column)),
            Before(rule.entity, table, by.column, place),
        ]
        clauses = [_clause(clause, by.column, value.column) for clause in rule.clauses]
        clauses[-1] = msgspec.structs.replace(clauses[-1], when=None, kind="otherwise")
        rules += [
            msgspec.structs.replace(rule, name=value.column),
            msgspec.structs.replace(rule, name=by.column, type=Enumeration(names)),
            msgspec.structs.replace(rule, lets=(), clauses=tuple(clauses)),
        ]
    return Shortened(
        msgspec.structs.replace(program, rules=tuple(rules)), replace(stored, shapes=shapes),
        tuple(columns),
    )  # fmt: skip


def _can_be(rule: ir.Choice, stored: Plan, change: Changed) -> bool:
    """Whether the same clause decides as before, and gives the same or a figure. A figure is never
    undetermined: where nothing decided before, that had another reason, which is still there."""
    if (
        rule.name not in change.rules or rule.name in change.written
        or rule.name not in stored.packed or stored.shapes[rule.name, ""].divisor
    ):  # fmt: skip
        return False
    lets = inlined_lets(rule)
    return not any(
        change.touches(inline(clause.when, lets))
        or (change.touches(inline(clause.value, lets)) and not _is_constant(clause.value))
        for clause in rule.clauses
    )


def not_considered(
    program: ir.Program, stored: Plan, change: Changed, wanted: Collection[str]
) -> dict[str, Before]:
    """By entity, whether a record was not considered by a select that tells which records of it
    count: it is not now either, and where only outcomes `wanted` are to be had, nothing that is
    computed again needs it."""
    found = {}
    rules = {rule.name: rule for rule in program.rules}
    above = {name for one in program.entities for name in (one.parent, one.refers)}
    for rule in program.rules:
        if (
            not isinstance(rule, ir.Select) or rule.name not in change.rules
            or rule.name in change.written or rule.name not in stored.packed
            or rule.entity in above or change.touches(inline(rule.where, inlined_lets(rule)))
        ):  # fmt: skip
            continue
        others = [name for name in wanted if name != rule.name and name in change.rules]
        if all(rules[name].entity != rule.entity for name in others) and all(
            _counts_only(rule.name, node) for name in change.rules for node in nodes(rules[name])
            if isinstance(node, ir.Aggregate) and node.entity == rule.entity
        ):  # fmt: skip
            number = winners(rule).index("not_considered") + 1
            was = sql.both(exp.EQ, by_number(stored.packed[rule.name]), sql.number(number))
            found[rule.entity] = Before(rule.entity, stored.tables[rule.name], "", was)
    return found


def _counts_only(select: str, node: ir.Aggregate) -> bool:
    """Whether an aggregate takes no other records than those selected."""
    if node.op not in ("sum", "count", "any", "average", "greatest", "least"):
        return False
    where = node.where
    parts = where.items if isinstance(where, ir.Logic) and where.op == "all" else (where,)
    return ir.Outcome(select) in parts


def _is_constant(expr: ir.Expr) -> bool:
    return isinstance(expr, ir.Constant | ir.Param)


def _place(number: E, count: int) -> E:
    """A member's place from the number of what decided; NULL where nothing did."""
    return sql.case(
        [
            (sql.both(exp.EQ, number, sql.number(one)), sql.number(one - 1))
            for one in range(1, count + 1)
        ],
        None,
    )


def _clause(clause: ir.Clause, by: str, value: str) -> ir.Clause:
    """The clause, which holds where it did, and gives what it gave."""
    return msgspec.structs.replace(
        clause, when=ir.In(ir.Outcome(by), ir.CodeSet((clause.name,))), kind="when",
        value=clause.value if _is_constant(clause.value) else ir.Outcome(value),
    )  # fmt: skip
