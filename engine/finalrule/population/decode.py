"""Outcomes and what decided them, read back from the columns that passes leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from fractions import Fraction
from typing import Any

from finalrule.core import ir
from finalrule.core.expressions import Known, Unknown, constant_value
from finalrule.evaluate.kinds import Decision
from finalrule.evaluate.outcomes import output_types, winners
from finalrule.population.model import Shape
from finalrule.population.plan import Plan, follows
from finalrule.population.terms import EPOCH
from finalrule.values import Date, Type, Value

Row = Mapping[str, Any]
Read = Callable[[Row], Decision]


class Decoder:
    """Reads the decisions of a plan's rules out of the rows of the table of each rule's results."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.parameters = {one.name: one for one in plan.program.parameters}
        self.rules = {
            rule.name: self._rule(rule) for rule in plan.program.rules if rule.name in plan.packed
        }

    def decision(self, rule: str, row: Row) -> Decision:
        """What decided a rule for a record, and its outcome. Where the plan does not keep needs, an
        outcome that is not determined has none."""
        return self.rules[rule](row)

    def _rule(self, rule: ir.AnyRule) -> Read:
        packed = self.plan.packed[rule.name]
        names = ("", *winners(rule))
        mask = (1 << packed.bits) - 1
        outputs = {
            output: self._output(rule, place, output, type_)
            for place, (output, type_) in enumerate(output_types(rule).items())
        }

        def read(row: Row) -> Decision:
            number = (row[packed.column] >> packed.shift) & mask
            return Decision(
                names[number], {output: value(row, number) for output, value in outputs.items()}
            )

        return read

    def _output(
        self, rule: ir.AnyRule, place: int, output: str, type_: Type
    ) -> Callable[[Row, int], Known]:
        shape = self.plan.shapes[rule.name, output]
        values = values_by_winner(rule, place, self.parameters)
        needs = f"{shape.column}__needs"

        def unknown(row: Row) -> Unknown:
            return Unknown(frozenset(row.get(needs) or ()))

        if values is not None:
            return lambda row, number: values[number - 1] if number else unknown(row)
        if shape.is_number:
            return lambda row, number: _number(shape, row) if number else unknown(row)

        def plain(row: Row, number: int) -> Known:
            found = row[shape.column]
            if not number:
                return unknown(row)
            value: Value = shape.members[found] if shape.members is not None else found
            return EPOCH + timedelta(found) if isinstance(type_, Date) else value

        return plain


def values_by_winner(
    rule: ir.AnyRule, place: int, parameters: Mapping[str, ir.Parameter]
) -> list[Value] | None:
    """The values that go with each winner, where a rule's value is known from it alone."""
    if not follows(rule):
        return None
    match rule:
        case ir.Choice():
            return [_constant(clause.value, parameters) for clause in rule.clauses]
        case ir.Table():
            found = [constant_value(row.values[place]) for row in rule.rows]
            if rule.outside is not None:
                found.append(constant_value(rule.outside[place]))
            return found
    return [True, False, False]


def _constant(expr: ir.Expr, parameters: Mapping[str, ir.Parameter]) -> Value:
    if isinstance(expr, ir.Param):
        value = parameters[expr.name].value
        assert value is not None
        return constant_value(value)
    assert isinstance(expr, ir.Constant)
    return constant_value(expr)


def _number(shape: Shape, row: Row) -> Fraction:
    numerator = int(row[shape.numerator])
    divisor = int(row[shape.divisor]) if shape.divisor else 1
    return Fraction(numerator, shape.unit * divisor)
