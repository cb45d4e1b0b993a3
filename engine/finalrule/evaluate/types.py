"""The types of a program's facts, outcomes and expressions, for showing values with their units."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from finalrule.core import ir
from finalrule.evaluate.outcomes import output_types
from finalrule.values import CODE, YES_NO, Code, Codes, Date, Number, Type, Unit

_WIDE = Fraction(10**30)


def number_of(unit: Unit) -> Number:
    """A number of a unit without bounds."""
    return Number(unit, -_WIDE, _WIDE)


class Types:
    """Looks types up by name."""

    def __init__(self, program: ir.Program) -> None:
        self.facts = {(fact.entity, fact.name): fact.type for fact in program.facts}
        self.parameters = {parameter.name: parameter.type for parameter in program.parameters}
        self.roundings = {rounding.name: rounding.unit for rounding in program.roundings}
        self.outputs = {rule.name: output_types(rule) for rule in program.rules}
        self.fields = {
            (catalogue.name, field.name): field.type
            for catalogue in program.catalogues
            for field in (*catalogue.keys, *catalogue.fields)
        }

    def of(self, expr: ir.Expr, lets: Mapping[str, ir.Expr]) -> Type:
        """The type of an expression; its bounds may be wider than what the compiler inferred."""
        match expr:
            case ir.Num(unit=unit) | ir.Arith(unit=unit) | ir.Convert(unit=unit):
                return number_of(unit)
            case ir.Fact(entity=entity, name=name):
                return self.facts[entity, name]
            case ir.Param(name=name):
                return self.parameters[name]
            case ir.Outcome(rule=rule, output=output):
                return self.outputs[rule][output]
            case ir.Let(name=name):
                return self.of(lets[name], lets) if name in lets else CODE
            case ir.Lookup(catalogue=catalogue, field=field):
                return self.fields[catalogue, field]
            case ir.Negate(item=item):
                return self.of(item, lets)
            case ir.Extreme(items=items) | ir.FirstKnown(items=items):
                return self.of(items[0], lets)
            case ir.Round(rounding=rounding):
                return number_of(self.roundings[rounding])
            case ir.DaysBetween():
                return number_of("days")
            case ir.Aggregate(op=op, item=item):
                if op in ("any", "every"):
                    return YES_NO
                if item is None:
                    return number_of("count" if op == "count" else "ratio")
                return self.of(item, {})
            case ir.Text():
                return Code()
            case ir.Day():
                return Date()
            case ir.CodeSet():
                return Codes()
            case _:
                return YES_NO
