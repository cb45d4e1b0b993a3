"""Expressions: names looked up, units checked, lowered to the core, in one walk.

Every expression comes out with its type; a number's type carries the bounds that follow from the
declared bounds of what it reads, so that a divisor that may be zero is found here. A part that has
an error has the type None, which silences what would only follow from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal, cast

from finalrule.core import ir
from finalrule.core.declare import Declarations
from finalrule.diagnostics import Label, Report, suggest
from finalrule.language import syntax as s
from finalrule.source import Source, Span
from finalrule.values import (
    CODE,
    UNITS,
    YES_NO,
    Code,
    Codes,
    Date,
    Enumeration,
    Number,
    Type,
    Unit,
    YesNo,
    one_of,
    parse_number,
    parse_value,
    type_name,
)  # fmt: skip

MAXIMUM_RECORDS = 100_000
_SCALARS: tuple[Unit, ...] = ("ratio", "count")
_BARE_TAKES: tuple[Unit, ...] = ("ratio", "count", "rate", "days")
_LITERAL_UNITS: dict[str, Unit] = {
    "percent": "percent", "money": "usd", "points": "points", "days": "days",
}  # fmt: skip
_NOTHING = ir.Bool(False)


@dataclass(frozen=True, slots=True)
class Typed:
    """A lowered expression and its type. `bare`: only numbers without a unit, which takes the
    other side's."""

    expr: ir.Expr
    type: Type | None
    bare: bool = False


@dataclass(slots=True)
class Scope:
    """Where an expression stands: its file, its entity and the lets that it may read."""

    known: Declarations
    source: Source
    entity: str
    in_force: frozenset[str]
    report: Report
    lets: dict[str, Type | None] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()

    def inside(self, entity: str) -> Scope:
        """The scope of an aggregate's inner expressions."""
        return replace(self, entity=entity, lets={}, hidden=frozenset(self.lets) | self.hidden)

    def span(self, node: s.Syntax) -> Span:
        return self.source.span(*node.at)

    def error(
        self, code: str, message: str, *labels: Label | s.Syntax, help: str = ""
    ) -> Typed:
        """Report and give the expression that silences what follows."""
        made = [at if isinstance(at, Label) else Label(self.span(at)) for at in labels]
        self.report.error(code, message, *made, help=help)
        return Typed(_NOTHING, None)


def elaborate(node: s.Expression, scope: Scope, expected: Type | None = None) -> Typed:
    """Lower an expression. `expected` is the type that its place asks for, where one is known: it
    lets a bare name be an enumeration's member and gives a bare number its unit."""
    typed = _elaborate(node, scope, expected)
    if expected is None or typed.type is None:
        return typed
    return fit(typed, expected, node, scope)


def fit(typed: Typed, expected: Type, node: s.Expression, scope: Scope) -> Typed:
    """The expression as the type that its place asks for, or an error at it."""
    actual = typed.type
    if isinstance(expected, Number) and isinstance(actual, Number):
        if actual.unit == expected.unit:
            return typed
        if typed.bare and expected.unit in _BARE_TAKES:
            return _with_unit(typed, expected.unit)
        if actual.unit == "count" and expected.unit == "ratio":
            return Typed(ir.Convert(typed.expr, "ratio"), replace_unit(actual, "ratio"))
        return scope.error(
            "unit-mismatch",
            f"this is {_a(actual)}, but {_a(expected)} is needed",
            Label(scope.span(node), _a(actual)),
            help=_unit_help(typed, actual, expected),
        )
    if type(expected) is type(actual) and not isinstance(expected, Enumeration):
        return typed
    if isinstance(expected, Enumeration) and isinstance(actual, Enumeration):
        if expected.members == actual.members:
            return typed
    assert actual is not None
    return scope.error(
        "wrong-type",
        f"this is {_a(actual)}, but {_a(expected)} is needed",
        Label(scope.span(node), _a(actual)),
        help=f"write an expression of type {type_name(expected)}",
    )


def replace_unit(type_: Number, unit: Unit) -> Number:
    return Number(unit, type_.low, type_.high)


def _with_unit(typed: Typed, unit: Unit) -> Typed:
    assert isinstance(typed.type, Number)
    expr = typed.expr
    if isinstance(expr, ir.Num):
        return Typed(ir.Num(expr.value, unit), replace_unit(typed.type, unit))
    return Typed(ir.Convert(expr, unit), replace_unit(typed.type, unit))


def _a(type_: Type) -> str:
    match type_:
        case Number(unit=unit):
            return f"a number of {unit}" if unit != "percent" else "a percentage"
        case YesNo():
            return "yes or no"
        case Code():
            return "a code"
        case Codes():
            return "a set of codes"
        case Date():
            return "a date"
        case Enumeration():
            return f"a member of {type_name(type_)}"


def _unit_help(typed: Typed, actual: Number, expected: Number) -> str:
    if typed.bare:
        shown = {"percent": "45%", "points": "10 points", "usd": "$90,000"}
        return f"write the unit, for example `{shown.get(expected.unit, '1')}`"
    convertible = {actual.unit, expected.unit} == {"percent", "ratio"} or (
        actual.unit in ("ratio", "count", "rate")
        and expected.unit in ("points", "rate", "count", "days")
    )
    if convertible:
        return f"`... as {expected.unit}` says that the quantity is meant in the other unit"
    return f"multiply or divide by a number with a unit that makes it {expected.unit}"


def _elaborate(node: s.Expression, scope: Scope, expected: Type | None) -> Typed:
    match node:
        case s.Literal():
            return _literal(node, scope)
        case s.Path():
            return _path(node, scope, expected)
        case s.Binary(op="and" | "or"):
            return _logic(node, scope)
        case s.Binary(op="+" | "-" | "*" | "/"):
            return _arithmetic(node, scope)
        case s.Binary():
            return _compare(node, scope)
        case s.Unary(op="not", item=item):
            return Typed(ir.Logic("none", (elaborate(item, scope, YES_NO).expr,)), YES_NO)
        case s.Unary(item=item):
            return _negate(item, scope)
        case s.Quantified():
            return _quantified(node, scope)
        case s.IsMember():
            return _is_member(node, scope)
        case s.InCodes():
            return _in_codes(node, scope)
        case s.Call():
            return _call(node, scope, expected)
        case s.Convert():
            return _convert(node, scope)
        case s.Aggregate():
            return _aggregate(node, scope)
        case s.Lookup():
            return _lookup(node, scope)
        case s.Listed():
            found = scope.known.catalogues.get(node.catalogue.text)
            if found is None:
                return _unknown(node.catalogue, "catalogue", scope.known.catalogues, scope)
            keys = _keys(node.catalogue, node.keys, found, scope)
            return Typed(ir.Listed(found.name, keys), YES_NO)
        case s.IfInForce():
            if node.path.parts[0] in scope.in_force:
                first = _path(node.path, scope, None)
                elaborate(node.otherwise, scope, first.type)
                return first
            shape = scope.known.shapes.get(node.path.parts[0])
            if shape is None:
                return _unknown(node.path, "rule", scope.known.shapes, scope)
            output = node.path.parts[1] if len(node.path.parts) > 1 else ""
            return elaborate(node.otherwise, scope, shape.outputs.get(output))


def _unknown(node: s.Name | s.Path, what: str, known: object, scope: Scope) -> Typed:
    text = node.text if isinstance(node, s.Name) else ".".join(node.parts)
    names = [str(name) for name in known] if isinstance(known, dict) else []
    return scope.error(
        f"unknown-{what}", f"unknown {what} `{text}`", node,
        help=suggest(text, names) or f"no {what} has this name",
    )  # fmt: skip


# --- reading -----------------------------------------------------------------------------------


def _literal(node: s.Literal, scope: Scope) -> Typed:
    match node.sort:
        case "yes_no":
            return Typed(ir.Bool(node.text == "yes"), YES_NO)
        case "code":
            return Typed(ir.Text(node.text[1:-1]), CODE)
        case "date":
            day = parse_value(node.text, Date())
            if day is None:
                return scope.error(
                    "wrong-value", f"`{node.text}` is no date of the calendar", node,
                    help="write year-month-day, for example `2020-01-31`",
                )  # fmt: skip
            return Typed(ir.Day(day), Date())  # type: ignore[arg-type]
    bare = node.sort == "number"
    unit: Unit = "ratio" if bare else _LITERAL_UNITS[node.sort]
    value = parse_number(" ".join(node.text.split()), unit)
    if value is None:
        return scope.error(
            "wrong-value", f"`{node.text}` has more than 38 digits", node,
            help="no figure of the program needs so many",
        )  # fmt: skip
    if bare and value.denominator == 1:
        unit = "count"
    return Typed(ir.Num(value, unit), Number(unit, value, value), bare)


def _path(node: s.Path, scope: Scope, expected: Type | None) -> Typed:
    first, rest = node.parts[0], node.parts[1:]
    if first == "params" and rest:
        return _parameter(node, ".".join(rest), scope)
    if not rest:
        return _bare_name(node, first, scope, expected)
    known = scope.known
    if first in known.entities and len(rest) == 1:
        return _of_entity(node, first, rest[0], scope)
    if first in known.shapes and len(rest) == 1:
        return _outcome(node, first, rest[0], scope)
    return scope.error(
        "unknown-name", f"unknown name `{'.'.join(node.parts)}`", node,
        help=suggest(first, [*known.entities, *known.shapes, "params"])
        or "a dotted name begins with an entity, a table or `params`",
    )  # fmt: skip


def _parameter(node: s.Path, name: str, scope: Scope) -> Typed:
    parameter = scope.known.parameters.get(name)
    if parameter is None:
        return scope.error(
            "unknown-parameter", f"unknown parameter `{name}`", node,
            help=suggest(name, scope.known.parameters) or "declare it with `parameter`",
        )  # fmt: skip
    return Typed(ir.Param(name), parameter.type)


def _bare_name(node: s.Path, name: str, scope: Scope, expected: Type | None) -> Typed:
    if name in scope.lets:
        return Typed(ir.Let(name), scope.lets[name])
    if fact := scope.known.facts.get((scope.entity, name)):
        return Typed(ir.Fact(scope.entity, name), fact.type)
    if name in scope.known.shapes:
        return _outcome(node, name, "", scope)
    if isinstance(expected, Enumeration):
        if name in expected.members:
            return Typed(ir.Text(name), expected)
        return scope.error(
            "unknown-member", f"`{name}` is no member of {type_name(expected)}", node,
            help=suggest(name, expected.members) or f"the members are {one_of(expected.members)}",
        )  # fmt: skip
    if name in scope.hidden:
        return scope.error(
            "let-inside-aggregate",
            f"`{name}` is a let of the outer record and cannot be read inside an aggregate", node,
            help="make it a rule, or write the expression out",
        )  # fmt: skip
    for ancestor in scope.known.ancestors(scope.entity)[1:]:
        if (ancestor, name) in scope.known.facts:
            return scope.error(
                "unknown-name", f"`{name}` is a fact of {ancestor}, not of {scope.entity}", node,
                help=f"write `{ancestor}.{name}`",
            )  # fmt: skip
    here = [fact for entity, fact in scope.known.facts if entity == scope.entity]
    return scope.error(
        "unknown-name", f"unknown name `{name}`", node,
        help=suggest(name, [*here, *scope.known.shapes, *scope.lets])
        or f"{scope.entity} has no such fact, and no rule or let has this name",
    )  # fmt: skip


def _of_entity(node: s.Path, entity: str, name: str, scope: Scope) -> Typed:
    if entity not in scope.known.ancestors(scope.entity):
        return scope.error(
            "out-of-reach", f"{entity} is not {scope.entity} nor above it", node,
            help=f"read records below with an aggregate: sum(... over {entity})",
        )  # fmt: skip
    if fact := scope.known.facts.get((entity, name)):
        return Typed(ir.Fact(entity, name), fact.type)
    shape = scope.known.shapes.get(name)
    if shape and shape.entity == entity:
        return _outcome(node, name, "", scope)
    facts = [fact for owner, fact in scope.known.facts if owner == entity]
    return scope.error(
        "unknown-name", f"{entity} has no fact or rule `{name}`", node,
        help=suggest(name, facts) or "facts are declared with `fact`",
    )  # fmt: skip


def _outcome(node: s.Path, rule: str, output: str, scope: Scope) -> Typed:
    shape = scope.known.shapes[rule]
    if shape.entity not in scope.known.ancestors(scope.entity):
        return scope.error(
            "out-of-reach",
            f"rule `{rule}` is of {shape.entity}, which is not {scope.entity} nor above it", node,
            help=f"read it with an aggregate: sum(... over {shape.entity})",
        )  # fmt: skip
    if output not in shape.outputs:
        listed = ", ".join(f"`{rule}.{name}`" for name in shape.outputs if name)
        return scope.error(
            "unknown-output",
            f"`{rule}` gives several values" if listed else f"`{rule}` has no output `{output}`",
            node, help=f"write one of {listed}" if listed else f"write `{rule}`",
        )  # fmt: skip
    if rule not in scope.in_force:
        return scope.error(
            "not-in-force", f"rule `{rule}` is not in force in this policy", node,
            help=f"write `if_in_force({rule}, else ...)` or put the rule in force",
        )  # fmt: skip
    return Typed(ir.Outcome(rule, output), shape.outputs[output])


# --- arithmetic --------------------------------------------------------------------------------


def _numbers(nodes: Sequence[s.Expression], scope: Scope) -> list[Typed] | None:
    """Elaborated operands, all numbers; None when one has an error (reported)."""
    typed = [elaborate(node, scope) for node in nodes]
    for node, one in zip(nodes, typed, strict=True):
        if one.type is not None and not isinstance(one.type, Number):
            scope.error(
                "wrong-type", f"a number is needed, this is {_a(one.type)}", node,
                help="only numbers can be added, multiplied or compared by size",
            )  # fmt: skip
            return None
    return None if any(one.type is None for one in typed) else typed


def same_unit(
    nodes: Sequence[s.Expression], typed: list[Typed], scope: Scope, doing: str
) -> list[Typed] | None:
    """The operands in one unit, bare numbers adapted; None after an error."""
    units = [cast(Number, one.type).unit for one in typed if not one.bare]
    unit: Unit = units[0] if units else ("ratio" if any(
        cast(Number, one.type).unit == "ratio" for one in typed) else "count")  # fmt: skip
    if set(units) == {"ratio", "count"}:
        unit = "ratio"
    result = []
    for node, one in zip(nodes, typed, strict=True):
        type_ = cast(Number, one.type)
        if type_.unit == unit:
            result.append(Typed(one.expr, type_, one.bare))
        elif one.bare and unit in _BARE_TAKES:
            result.append(_with_unit(one, unit))
        elif type_.unit == "count" and unit == "ratio":
            result.append(Typed(ir.Convert(one.expr, "ratio"), replace_unit(type_, "ratio")))
        else:
            other = next(
                n for n, t in zip(nodes, typed, strict=True)
                if not t.bare and cast(Number, t.type).unit == unit
            )  # fmt: skip
            scope.error(
                "unit-mismatch",
                f"{_a(Number(unit, type_.low, type_.low))} and {_a(type_)} cannot be {doing}",
                Label(scope.span(other), unit),
                Label(scope.span(node), "no unit" if one.bare else type_.unit),
                help=_unit_help(one, type_, Number(unit, type_.low, type_.low)),
            )
            return None
    return result


def _arithmetic(node: s.Binary, scope: Scope) -> Typed:
    nodes = (node.left, node.right)
    typed = _numbers(nodes, scope)
    if typed is None:
        return Typed(_NOTHING, None)
    if node.op in "+-":
        fitted = same_unit(nodes, typed, scope, "added" if node.op == "+" else "subtracted")
        if fitted is None:
            return Typed(_NOTHING, None)
        left, right = fitted
        a, b = cast(Number, left.type), cast(Number, right.type)
        low, high = (
            (a.low + b.low, a.high + b.high) if node.op == "+" else (a.low - b.high, a.high - b.low)
        )
        op = cast(Literal["+", "-"], node.op)
        expr = ir.Arith(op, left.expr, right.expr, a.unit)
        return Typed(expr, Number(a.unit, low, high), left.bare and right.bare)
    left, right = typed
    if node.op == "*":
        return _multiply(node, left, right, scope)
    return _divide(node, left, right, scope)


def _multiply(node: s.Binary, left: Typed, right: Typed, scope: Scope) -> Typed:
    a, b = cast(Number, left.type), cast(Number, right.type)
    scalar = (*_SCALARS, "percent")
    unit: Unit
    if a.unit not in scalar and b.unit not in scalar:
        return scope.error(
            "unit-mismatch", f"{a.unit} cannot be multiplied by {b.unit}",
            Label(scope.span(node.left), a.unit), Label(scope.span(node.right), b.unit),
            help="one side must be a ratio, a count or a percentage",
        )  # fmt: skip
    if a.unit not in scalar:
        unit = a.unit
    elif b.unit not in scalar:
        unit = b.unit
    elif "percent" in (a.unit, b.unit):
        unit = "percent"
    else:
        unit = "count" if a.unit == b.unit == "count" else "ratio"
    corners = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
    return Typed(
        ir.Arith("*", left.expr, right.expr, unit),
        Number(unit, min(corners), max(corners)),
        left.bare and right.bare,
    )


def _divide(node: s.Binary, left: Typed, right: Typed, scope: Scope) -> Typed:
    a, b = cast(Number, left.type), cast(Number, right.type)
    unit: Unit
    if a.unit == b.unit or (a.unit in _SCALARS and b.unit in _SCALARS):
        unit = "ratio"
    elif b.unit in (*_SCALARS, "percent"):
        unit = a.unit
    else:
        return scope.error(
            "unit-mismatch", f"{a.unit} cannot be divided by {b.unit}",
            Label(scope.span(node.left), a.unit), Label(scope.span(node.right), b.unit),
            help="divide by the same unit, a ratio, a count or a percentage",
        )  # fmt: skip
    may_be_zero = b.low <= 0 <= b.high
    if may_be_zero and node.zero is None:
        return scope.error(
            "division-by-zero", "the divisor may be zero, and nothing says what holds then",
            Label(scope.span(node.right), "may be zero"),
            help="add `zero gives ...` after the divisor",
        )  # fmt: skip
    parts = [b.low, b.high] if not may_be_zero else []
    if may_be_zero:
        # Nothing below one unit of the declared scale is ever a divisor: bounds stay finite.
        small = Fraction(1, 10**9)
        parts = [x for x in (b.low, -small, small, b.high) if x != 0]
    corners = [x / y for x in (a.low, a.high) for y in parts] or [Fraction(0)]
    zero: ir.Expr | None = None
    low, high = min(corners), max(corners)
    if node.zero is not None:
        given = elaborate(node.zero, scope, Number(unit, Fraction(0), Fraction(0)))
        if given.type is None:
            return given
        zero = given.expr if may_be_zero else None
        low, high = min(low, cast(Number, given.type).low), max(high, cast(Number, given.type).high)
    return Typed(ir.Arith("/", left.expr, right.expr, unit, zero), Number(unit, low, high))


def _negate(item: s.Expression, scope: Scope) -> Typed:
    numbers = _numbers([item], scope)
    if numbers is None:
        return Typed(_NOTHING, None)
    one, type_ = numbers[0], cast(Number, numbers[0].type)
    expr = one.expr
    negated: ir.Expr = (
        ir.Num(-expr.value, expr.unit) if isinstance(expr, ir.Num) else ir.Negate(expr)
    )
    return Typed(negated, Number(type_.unit, -type_.high, -type_.low), one.bare)


def _convert(node: s.Convert, scope: Scope) -> Typed:
    numbers = _numbers([node.item], scope)
    if numbers is None:
        return Typed(_NOTHING, None)
    one, type_ = numbers[0], cast(Number, numbers[0].type)
    to = next((unit for unit in UNITS if unit == node.unit.text), None)
    if to is None:
        return _unknown(node.unit, "unit", dict.fromkeys(UNITS), scope)
    allowed = {type_.unit, to} <= {"percent", "ratio", "count"} or (
        type_.unit in ("ratio", "count", "rate") and to in ("points", "rate", "count", "days", "ratio")
    )
    if not allowed:
        return scope.error(
            "unit-mismatch", f"{type_.unit} cannot be taken as {to}", node.item,
            help="multiply by a quantity of the wanted unit, for example `* 100 points`",
        )  # fmt: skip
    return Typed(ir.Convert(one.expr, to), replace_unit(type_, to))


def _call(node: s.Call, scope: Scope, expected: Type | None) -> Typed:
    name, arguments = node.function.text, node.arguments
    match name:
        case "min" | "max":
            return _extreme(name, node, scope)
        case "round" if len(arguments) == 2:
            return _round(arguments[0], arguments[1], scope)
        case "days_between" if len(arguments) == 2:
            first, second = (elaborate(argument, scope, Date()) for argument in arguments)
            limit = Fraction(100_000)
            return Typed(ir.DaysBetween(first.expr, second.expr), Number("days", -limit, limit))
        case "first_known":
            items = [elaborate(arguments[0], scope, expected)]
            items += [elaborate(argument, scope, items[0].type) for argument in arguments[1:]]
            type_ = items[0].type
            if isinstance(type_, Number) and all(isinstance(i.type, Number) for i in items):
                type_ = _hull([cast(Number, i.type) for i in items])
            return Typed(ir.FirstKnown(tuple(item.expr for item in items)), type_)
    known = ["min", "max", "round", "days_between", "first_known"]
    if name in known:
        return scope.error(
            "wrong-arguments", f"`{name}` takes two arguments", node, help="see the reference"
        )
    return _unknown(node.function, "function", dict.fromkeys(known), scope)


def _hull(types: Sequence[Number]) -> Number:
    return Number(types[0].unit, min(t.low for t in types), max(t.high for t in types))


def _extreme(op: Literal["min", "max"], node: s.Call, scope: Scope) -> Typed:
    typed = _numbers(node.arguments, scope)
    fitted = same_unit(node.arguments, typed, scope, "compared") if typed else None
    if fitted is None:
        return Typed(_NOTHING, None)
    types = [cast(Number, one.type) for one in fitted]
    pick = min if op == "min" else max
    type_ = Number(types[0].unit, pick(t.low for t in types), pick(t.high for t in types))
    bare = all(one.bare for one in fitted)
    return Typed(ir.Extreme(op, tuple(one.expr for one in fitted)), type_, bare)


def _round(item: s.Expression, name: s.Expression, scope: Scope) -> Typed:
    if not isinstance(name, s.Path) or len(name.parts) != 1:
        return scope.error(
            "unknown-rounding", "the second argument of `round` names a rounding rule", name,
            help="declare one with `rounding`",
        )  # fmt: skip
    declared = scope.known.roundings.get(name.parts[0])
    if declared is None:
        return _unknown(name, "rounding", scope.known.roundings, scope)
    unit, one = declared[0], Number(declared[0], Fraction(0), Fraction(0))
    typed = elaborate(item, scope, one)
    if typed.type is None:
        return typed
    type_ = cast(Number, typed.type)
    # Rounding moves a number by less than one.
    return Typed(ir.Round(typed.expr, name.parts[0]), Number(unit, type_.low - 1, type_.high + 1))


# --- logic -------------------------------------------------------------------------------------


def _logic(node: s.Binary, scope: Scope) -> Typed:
    op: Literal["all", "any"] = "all" if node.op == "and" else "any"
    items: list[ir.Expr] = []
    for side in (node.left, node.right):
        one = elaborate(side, scope, YES_NO).expr
        same = isinstance(side, s.Binary) and side.op == node.op
        if same and isinstance(one, ir.Logic) and one.op == op:
            items.extend(one.items)
        else:
            items.append(one)
    return Typed(ir.Logic(op, tuple(items)), YES_NO)


def _quantified(node: s.Quantified, scope: Scope) -> Typed:
    items = tuple(elaborate(item, scope, YES_NO).expr for item in node.items)
    op = cast(Literal["all", "any", "none", "at_least"], node.op)
    return Typed(ir.Logic(op, items, node.least), YES_NO)


def _compare(node: s.Binary, scope: Scope) -> Typed:
    op = cast(Literal["<", "<=", ">", ">=", "==", "!="], node.op)
    left, right = elaborate(node.left, scope), elaborate(node.right, scope)
    if left.type is None or right.type is None:
        return Typed(_NOTHING, YES_NO)
    if isinstance(left.type, Number) and isinstance(right.type, Number):
        fitted = same_unit((node.left, node.right), [left, right], scope, "compared")
        if fitted is None:
            return Typed(_NOTHING, YES_NO)
        return Typed(ir.Compare(op, fitted[0].expr, fitted[1].expr), YES_NO)
    ordered = isinstance(left.type, Date)
    if isinstance(left.type, Codes) or (not ordered and op not in ("==", "!=")):
        return scope.error(
            "wrong-type", f"{_a(left.type)} cannot be compared with `{op}`", node.left,
            help="use `==`, `!=`, `is` or `in`",
        )  # fmt: skip
    right = fit(right, left.type, node.right, scope)
    return Typed(ir.Compare(op, left.expr, right.expr), YES_NO)


def _is_member(node: s.IsMember, scope: Scope) -> Typed:
    item = elaborate(node.item, scope)
    if item.type is None:
        return Typed(_NOTHING, YES_NO)
    if not isinstance(item.type, Enumeration):
        return scope.error(
            "wrong-type", f"`is` and `in {{...}}` are for enumerations, this is {_a(item.type)}",
            node.item, help="use `==` for codes, numbers and dates",
        )  # fmt: skip
    for member in node.members:
        if member.text not in item.type.members:
            scope.error(
                "unknown-member", f"`{member.text}` is no member of {type_name(item.type)}", member,
                help=suggest(member.text, item.type.members)
                or f"the members are {one_of(item.type.members)}",
            )  # fmt: skip
    values = ir.CodeSet(tuple(member.text for member in node.members))
    test: ir.Expr = ir.In(item.expr, values)
    return Typed(ir.Logic("none", (test,)) if node.negated else test, YES_NO)


def _in_codes(node: s.InCodes, scope: Scope) -> Typed:
    item = elaborate(node.item, scope, CODE)
    if node.path is None:
        values: ir.Expr = ir.CodeSet(tuple(code.text for code in node.codes))
    else:
        values = elaborate(node.path, scope, Codes()).expr
    return Typed(ir.In(item.expr, values), YES_NO)


# --- records and catalogues --------------------------------------------------------------------


def _aggregate(node: s.Aggregate, scope: Scope) -> Typed:
    entity = node.entity.text
    if entity not in scope.known.entities:
        return _unknown(node.entity, "entity", scope.known.entities, scope)
    if scope.entity not in scope.known.ancestors(entity)[1:]:
        return scope.error(
            "out-of-reach", f"{entity} is not below {scope.entity}", node.entity,
            help="an aggregate runs over records of an entity below the rule's own",
        )  # fmt: skip
    inner = scope.inside(entity)
    where = elaborate(node.where, inner, YES_NO).expr if node.where else None
    op = cast(ir.AggregateOp, node.op)
    if op in ("count", "any", "every", "share"):
        empty: ir.Expr | None = None
        if op == "share":
            zero = Number("ratio", Fraction(0), Fraction(1))
            if node.empty is None:
                return _no_empty(node, scope)
            empty = elaborate(node.empty, scope, zero).expr
            return Typed(ir.Aggregate(op, entity, None, where, empty), zero)
        if op == "count":
            records = Number("count", Fraction(0), Fraction(MAXIMUM_RECORDS))
            return Typed(ir.Aggregate(op, entity, None, where), records)
        if where is None and op == "every":
            return scope.error(
                "missing-condition", f"`{op}` needs a condition", node, help="add `where ...`"
            )
        return Typed(ir.Aggregate(op, entity, None, where), YES_NO)
    assert node.item is not None
    numbers = _numbers([node.item], inner)
    if numbers is None:
        return Typed(_NOTHING, None)
    item, type_ = numbers[0], cast(Number, numbers[0].type)
    if op == "sum":
        low = min(type_.low, Fraction(0)) * MAXIMUM_RECORDS
        high = max(type_.high, Fraction(0)) * MAXIMUM_RECORDS
        return Typed(ir.Aggregate(op, entity, item.expr, where), Number(type_.unit, low, high))
    if node.empty is None:
        return _no_empty(node, scope)
    given = elaborate(node.empty, scope, type_)
    if given.type is None:
        return given
    return Typed(
        ir.Aggregate(op, entity, item.expr, where, given.expr),
        _hull([type_, cast(Number, given.type)]),
    )


def _no_empty(node: s.Aggregate, scope: Scope) -> Typed:
    return scope.error(
        "missing-empty", f"`{node.op}` over no record has no value", node,
        help="add `, empty gives ...`",
    )  # fmt: skip


def _keys(
    name: s.Name, keys: tuple[s.Expression, ...], found: ir.Catalogue, scope: Scope
) -> tuple[ir.Expr, ...]:
    if len(keys) != len(found.keys):
        scope.error(
            "wrong-keys",
            f"catalogue `{found.name}` has {len(found.keys)} keys, not {len(keys)}", name,
            help="its keys are " + ", ".join(key.name for key in found.keys),
        )  # fmt: skip
        return ()
    return tuple(
        elaborate(key, scope, declared.type).expr
        for key, declared in zip(keys, found.keys, strict=True)
    )


def _lookup(node: s.Lookup, scope: Scope) -> Typed:
    found = scope.known.catalogues.get(node.catalogue.text)
    if found is None:
        return _unknown(node.catalogue, "catalogue", scope.known.catalogues, scope)
    field_ = next((f for f in found.fields if f.name == node.field.text), None)
    if field_ is None:
        return _unknown(node.field, "field", {f.name: f for f in found.fields}, scope)
    keys = _keys(node.catalogue, node.keys, found, scope)
    none = elaborate(node.none, scope, field_.type)
    return Typed(ir.Lookup(found.name, field_.name, keys, none.expr), field_.type)


def catalogue_keys(
    name: s.Name, keys: tuple[s.Expression, ...], scope: Scope
) -> tuple[ir.Catalogue | None, tuple[ir.Expr, ...]]:
    """A catalogue by name and its key expressions, as the deciles construct has them."""
    found = scope.known.catalogues.get(name.text)
    if found is None:
        _unknown(name, "catalogue", scope.known.catalogues, scope)
        return None, ()
    return found, _keys(name, keys, found, scope)
