"""Arithmetic: units checked, and the bounds of a result from the bounds of what it is made of.

The operands come in elaborated, each with the node that it was written as.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Literal, cast

from finalrule.core import ir
from finalrule.core.scope import (
    BARE_TAKES,
    SCALARS,
    WRONG,
    Scope,
    Typed,
    a,
    fit,
    replace_unit,
    unit_help,
    with_unit,
)
from finalrule.diagnostics import Label
from finalrule.language import syntax as s
from finalrule.values import UNITS, Number, Unit


def numbers(nodes: Sequence[s.Expression], typed: Sequence[Typed], scope: Scope) -> bool:
    """Whether all operands are numbers; one that is not is reported."""
    for node, one in zip(nodes, typed, strict=True):
        if one.type is not None and not isinstance(one.type, Number):
            scope.error(
                "wrong-type",
                f"a number is needed, this is {a(one.type)}",
                node,
                help="only numbers can be added, multiplied or compared by size",
            )
            return False
    return all(one.type is not None for one in typed)


def number(typed: Typed) -> Number:
    """The type of an operand that `numbers` has passed."""
    return cast(Number, typed.type)


def same_unit(
    nodes: Sequence[s.Expression], typed: Sequence[Typed], scope: Scope, doing: str
) -> list[Typed] | None:
    """The operands in one unit, those without a unit adapted; None after an error."""
    stated = [number(one).unit for one in typed if not one.bare]
    any_ratio = "ratio" in (stated or [number(one).unit for one in typed])
    unit: Unit = stated[0] if stated else "count"
    if any_ratio and set(stated) <= {"ratio", "count"}:
        unit = "ratio"
    result = []
    for node, one in zip(nodes, typed, strict=True):
        type_ = number(one)
        if type_.unit == unit:
            result.append(one)
        elif one.bare and unit in BARE_TAKES:
            result.append(with_unit(one, unit))
        elif type_.unit == "count" and unit == "ratio":
            result.append(Typed(ir.Convert(one.expr, "ratio"), replace_unit(type_, "ratio")))
        else:
            other = next(
                n
                for n, t in zip(nodes, typed, strict=True)
                if not t.bare and number(t).unit == unit
            )
            wanted = Number(unit, type_.low, type_.low)
            scope.error(
                "unit-mismatch",
                f"{a(wanted)} and {a(type_)} cannot be {doing}",
                Label(scope.span(other), unit),
                Label(scope.span(node), "no unit" if one.bare else type_.unit),
                help=unit_help(one, type_, wanted),
            )
            return None
    return result


def add(node: s.Binary, typed: Sequence[Typed], scope: Scope) -> Typed:
    """`+` and `-`."""
    doing = "added" if node.op == "+" else "subtracted"
    fitted = same_unit((node.left, node.right), typed, scope, doing)
    if fitted is None:
        return WRONG
    left, right = fitted
    x, y = number(left), number(right)
    if node.op == "+":
        low, high = x.low + y.low, x.high + y.high
    else:
        low, high = x.low - y.high, x.high - y.low
    op = cast(Literal["+", "-"], node.op)
    expr = ir.Arith(op, left.expr, right.expr, x.unit)
    return Typed(expr, Number(x.unit, low, high), left.bare and right.bare)


def multiply(node: s.Binary, left: Typed, right: Typed, scope: Scope) -> Typed:
    """`*`: one side is a ratio, a count or a percentage, and the result has the other's unit."""
    x, y = number(left), number(right)
    scalar = (*SCALARS, "percent")
    unit: Unit
    if x.unit not in scalar and y.unit not in scalar:
        return scope.error(
            "unit-mismatch",
            f"{x.unit} cannot be multiplied by {y.unit}",
            Label(scope.span(node.left), x.unit),
            Label(scope.span(node.right), y.unit),
            help="one side must be a ratio, a count or a percentage",
        )
    if x.unit not in scalar:
        unit = x.unit
    elif y.unit not in scalar:
        unit = y.unit
    elif "percent" in (x.unit, y.unit):
        unit = "percent"
    else:
        unit = "count" if x.unit == y.unit == "count" else "ratio"
    corners = [p * q for p in (x.low, x.high) for q in (y.low, y.high)]
    return Typed(
        ir.Arith("*", left.expr, right.expr, unit),
        Number(unit, min(corners), max(corners)),
        left.bare and right.bare,
    )


def divide(
    node: s.Binary, left: Typed, right: Typed, zero: Callable[[], Typed], scope: Scope
) -> Typed:
    """`/`; `zero` elaborates what holds where the divisor is zero."""
    x, y = number(left), number(right)
    unit: Unit
    if x.unit == y.unit or (x.unit in SCALARS and y.unit in SCALARS):
        unit = "ratio"
    elif y.unit in (*SCALARS, "percent"):
        unit = x.unit
    else:
        return scope.error(
            "unit-mismatch",
            f"{x.unit} cannot be divided by {y.unit}",
            Label(scope.span(node.left), x.unit),
            Label(scope.span(node.right), y.unit),
            help="divide by the same unit, a ratio, a count or a percentage",
        )
    may_be_zero = y.low <= 0 <= y.high
    if may_be_zero and node.zero is None:
        return scope.error(
            "division-by-zero",
            "the divisor may be zero, and nothing says what holds then",
            Label(scope.span(node.right), "may be zero"),
            help="add `zero gives ...` after the divisor",
        )
    # No divisor is nearer to zero than one unit of any declared scale: bounds stay finite.
    small = Fraction(1, 10**9)
    divisors = [y.low, min(y.high, -small)] if y.low < 0 else []
    divisors += [max(y.low, small), y.high] if y.high > 0 else []
    corners = [p / q for p in (x.low, x.high) for q in divisors] or [Fraction(0)]
    low, high = min(corners), max(corners)
    instead: ir.Expr | None = None
    if node.zero is not None:
        given = fit(zero(), Number(unit, Fraction(0), Fraction(0)), node.zero, scope)
        if given.type is None:
            return given
        instead = given.expr if may_be_zero else None
        low, high = min(low, number(given).low), max(high, number(given).high)
    return Typed(ir.Arith("/", left.expr, right.expr, unit, instead), Number(unit, low, high))


def negate(one: Typed) -> Typed:
    """Unary `-`."""
    type_, expr = number(one), one.expr
    negated: ir.Expr = (
        ir.Num(-expr.value, expr.unit) if isinstance(expr, ir.Num) else ir.Negate(expr)
    )
    return Typed(negated, Number(type_.unit, -type_.high, -type_.low), one.bare)


def convert(node: s.Convert, one: Typed, scope: Scope) -> Typed:
    """`as`: the same quantity under another unit."""
    type_ = number(one)
    to = next((unit for unit in UNITS if unit == node.unit.text), None)
    if to is None:
        return scope.unknown("unknown-unit", node.unit, UNITS)
    allowed = {type_.unit, to} <= {"percent", "ratio", "count"} or (
        type_.unit in ("ratio", "count", "rate")
        and to in ("points", "rate", "count", "days", "ratio")
    )
    if not allowed:
        return scope.error(
            "unit-mismatch",
            f"{type_.unit} cannot be taken as {to}",
            node.item,
            help="multiply by a quantity of the wanted unit, for example `* 100 points`",
        )
    return Typed(ir.Convert(one.expr, to), replace_unit(type_, to))


def hull(types: Sequence[Number]) -> Number:
    """The type whose bounds enclose those of the others."""
    return Number(types[0].unit, min(t.low for t in types), max(t.high for t in types))


def extreme(
    op: Literal["min", "max"], nodes: Sequence[s.Expression], typed: Sequence[Typed], scope: Scope
) -> Typed:
    """`min` and `max`."""
    fitted = same_unit(nodes, typed, scope, "compared")
    if fitted is None:
        return WRONG
    types = [number(one) for one in fitted]
    pick = min if op == "min" else max
    type_ = Number(types[0].unit, pick(t.low for t in types), pick(t.high for t in types))
    bare = all(one.bare for one in fitted)
    return Typed(ir.Extreme(op, tuple(one.expr for one in fitted)), type_, bare)


def rounded(one: Typed, rounding: str) -> Typed:
    """`round`, of a number in the rounding rule's unit."""
    type_ = number(one)
    # Rounding moves a number by less than one.
    moved = Number(type_.unit, type_.low - 1, type_.high + 1)
    return Typed(ir.Round(one.expr, rounding), moved)
