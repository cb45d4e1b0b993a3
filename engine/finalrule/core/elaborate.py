"""Expressions: names looked up, types and units checked, lowered to the core, in one walk.

Every expression comes out with its type; a number's type carries the bounds that follow from the
declared bounds of what it reads, so that a divisor that may be zero is found here.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal, cast

from finalrule.core import arithmetic, ir
from finalrule.core.names import reached, read
from finalrule.core.scope import NOTHING, WRONG, Scope, Typed, a, fit
from finalrule.diagnostics import suggest
from finalrule.language import syntax as s
from finalrule.values import (
    CODE,
    YES_NO,
    Codes,
    Date,
    Enumeration,
    Number,
    Type,
    Unit,
    one_of,
    parse_number,
    parse_value,
    type_name,
)

MAXIMUM_RECORDS = 100_000
_LITERAL_UNITS: dict[str, Unit] = {
    "percent": "percent",
    "money": "usd",
    "points": "points",
    "days": "days",
}
_FUNCTIONS = {
    "min": "one argument or more",
    "max": "one argument or more",
    "round": "two arguments: what is rounded, and a rounding rule",
    "days_between": "two arguments: the first day and the last",
    "first_known": "two arguments or more",
}


def elaborate(node: s.Expression, scope: Scope, expected: Type | None = None) -> Typed:
    """Lower an expression. `expected` is the type that its place asks for, where one is known: it
    lets a bare name be an enumeration's member and gives a bare number its unit."""
    typed = _elaborate(node, scope, expected)
    return typed if expected is None else fit(typed, expected, node, scope)


def _elaborate(node: s.Expression, scope: Scope, expected: Type | None) -> Typed:
    if scope.columns_only and isinstance(node, s.Aggregate | s.Lookup | s.Listed | s.IfInForce):
        return scope.error(
            "not-a-column",
            "other records, catalogues and rules cannot be read here",
            node,
            help="only columns and figures can be read here: add a `given` column for it",
        )
    match node:
        case s.Literal():
            return _literal(node, scope)
        case s.Path():
            return read(node, scope, expected)
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
                return scope.unknown("unknown-catalogue", node.catalogue, scope.known.catalogues)
            keys = _keys(node.catalogue, node.keys, found, scope)
            return Typed(ir.Listed(found.name, keys), YES_NO)
        case s.IfInForce():
            return _if_in_force(node, scope)


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
                    "wrong-value",
                    f"`{node.text}` is no date of the calendar",
                    node,
                    help="write year-month-day, for example `2020-01-31`",
                )
            return Typed(ir.Day(day), Date())  # type: ignore[arg-type]
    bare = node.sort == "number"
    unit: Unit = "ratio" if bare else _LITERAL_UNITS[node.sort]
    value = parse_number(" ".join(node.text.split()), unit)
    if value is None:
        return scope.error(
            "wrong-value",
            f"`{node.text}` has more than 38 digits",
            node,
            help="no figure of the program needs so many",
        )
    if bare and value.denominator == 1:
        unit = "count"
    return Typed(ir.Num(value, unit), Number(unit, value, value), bare)


def _if_in_force(node: s.IfInForce, scope: Scope) -> Typed:
    rule, output = node.path.parts[0], ".".join(node.path.parts[1:])
    if rule not in scope.known.shapes:
        return scope.unknown("unknown-rule", node.path, scope.known.shapes)
    type_ = reached(node.path, rule, output, scope)
    otherwise = elaborate(node.otherwise, scope, type_)
    if type_ is None:
        return WRONG
    return Typed(ir.Outcome(rule, output), type_) if rule in scope.in_force else otherwise


# --- arithmetic --------------------------------------------------------------------------------


def _numbers(nodes: Sequence[s.Expression], scope: Scope) -> list[Typed] | None:
    """Elaborated operands, all numbers; None when one has an error (reported)."""
    typed = [elaborate(node, scope) for node in nodes]
    return typed if arithmetic.numbers(nodes, typed, scope) else None


def _arithmetic(node: s.Binary, scope: Scope) -> Typed:
    typed = _numbers((node.left, node.right), scope)
    if typed is None:
        return WRONG
    if node.op in "+-":
        return arithmetic.add(node, typed, scope)
    left, right = typed
    if node.op == "*":
        return arithmetic.multiply(node, left, right, scope)

    def zero() -> Typed:
        return elaborate(node.zero, scope) if node.zero is not None else WRONG

    return arithmetic.divide(node, left, right, zero, scope)


def _negate(item: s.Expression, scope: Scope) -> Typed:
    typed = _numbers([item], scope)
    return arithmetic.negate(typed[0]) if typed else WRONG


def _convert(node: s.Convert, scope: Scope) -> Typed:
    typed = _numbers([node.item], scope)
    return arithmetic.convert(node, typed[0], scope) if typed else WRONG


def _call(node: s.Call, scope: Scope, expected: Type | None) -> Typed:
    name, arguments = node.function.text, node.arguments
    match name:
        case "min" | "max":
            typed = _numbers(arguments, scope)
            return arithmetic.extreme(name, arguments, typed, scope) if typed else WRONG
        case "round" if len(arguments) == 2:
            return _round(arguments[0], arguments[1], scope)
        case "days_between" if len(arguments) == 2:
            first, second = (elaborate(argument, scope, Date()) for argument in arguments)
            limit = Fraction(100_000)
            return Typed(ir.DaysBetween(first.expr, second.expr), Number("days", -limit, limit))
        case "first_known" if len(arguments) > 1:
            items = [elaborate(arguments[0], scope, expected)]
            items += [elaborate(argument, scope, items[0].type) for argument in arguments[1:]]
            type_ = items[0].type
            if isinstance(type_, Number) and all(isinstance(i.type, Number) for i in items):
                type_ = arithmetic.hull([arithmetic.number(i) for i in items])
            return Typed(ir.FirstKnown(tuple(item.expr for item in items)), type_)
    if name not in _FUNCTIONS:
        return scope.unknown("unknown-function", node.function, _FUNCTIONS)
    return scope.error(
        "wrong-arguments",
        f"`{name}` has {_FUNCTIONS[name]}",
        node,
        help="separate the arguments with commas",
    )


def _round(item: s.Expression, name: s.Expression, scope: Scope) -> Typed:
    if not isinstance(name, s.Path) or len(name.parts) != 1:
        return scope.error(
            "unknown-rounding",
            "the second argument of `round` names a rounding rule",
            name,
            help="declare one with `rounding`",
        )
    declared = scope.known.roundings.get(name.parts[0])
    if declared is None:
        return scope.unknown("unknown-rounding", name, scope.known.roundings)
    typed = elaborate(item, scope, Number(declared[0], Fraction(0), Fraction(0)))
    return arithmetic.rounded(typed, name.parts[0]) if typed.type is not None else WRONG


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
    if op == "at_least" and not 1 <= node.least <= len(items):
        scope.error(
            "wrong-arguments",
            f"at least {node.least} of {len(items)} conditions decides nothing",
            node,
            help=f"write a number from 1 to {len(items)}",
        )
    return Typed(ir.Logic(op, items, node.least), YES_NO)


def _compare(node: s.Binary, scope: Scope) -> Typed:
    op = cast(Literal["<", "<=", ">", ">=", "==", "!="], node.op)
    left = elaborate(node.left, scope)
    if isinstance(left.type, Enumeration) and _is_bare_member(node.right, left.type, scope):
        return scope.error(
            "wrong-type",
            "an enumeration is not compared with a sign",
            node,
            help=f"write `is {_text(node.right)}` or `is not {_text(node.right)}`",
        )
    right = elaborate(node.right, scope)
    if left.type is None or right.type is None:
        return Typed(NOTHING, YES_NO)
    if isinstance(left.type, Number) and isinstance(right.type, Number):
        nodes = (node.left, node.right)
        fitted = arithmetic.same_unit(nodes, [left, right], scope, "compared")
        if fitted is None:
            return Typed(NOTHING, YES_NO)
        return Typed(ir.Compare(op, fitted[0].expr, fitted[1].expr), YES_NO)
    ordered = isinstance(left.type, Number | Date)
    if isinstance(left.type, Codes) or not (ordered or op in ("==", "!=")):
        return scope.error(
            "wrong-type",
            f"{a(left.type)} cannot be compared with `{op}`",
            node.left,
            help="test a set of codes with `in`"
            if isinstance(left.type, Codes)
            else "only numbers and dates are greater or less: use `==`, `!=` or `is`",
        )
    right = fit(right, left.type, node.right, scope)
    return Typed(ir.Compare(op, left.expr, right.expr), YES_NO)


def _text(node: s.Expression) -> str:
    return ".".join(node.parts) if isinstance(node, s.Path) else ""


def _is_bare_member(node: s.Expression, type_: Enumeration, scope: Scope) -> bool:
    name = _text(node)
    readable = name in scope.lets or (scope.entity, name) in scope.known.facts
    return name in type_.members and not readable and name not in scope.known.shapes


def _is_member(node: s.IsMember, scope: Scope) -> Typed:
    item = elaborate(node.item, scope)
    if item.type is None:
        return Typed(NOTHING, YES_NO)
    if not isinstance(item.type, Enumeration):
        return scope.error(
            "wrong-type",
            f"`is` and `in {{...}}` are for enumerations, this is {a(item.type)}",
            node.item,
            help="use `==` for codes, numbers and dates",
        )
    for member in node.members:
        if member.text not in item.type.members:
            scope.error(
                "unknown-member",
                f"`{member.text}` is no member of {type_name(item.type)}",
                member,
                help=suggest(member.text, item.type.members)
                or f"the members are {one_of(item.type.members)}",
            )
    values = ir.CodeSet(tuple(member.text for member in node.members))
    test: ir.Expr = ir.In(item.expr, values)
    return Typed(ir.Logic("none", (test,)) if node.negated else test, YES_NO)


def _in_codes(node: s.InCodes, scope: Scope) -> Typed:
    item = elaborate(node.item, scope)
    if isinstance(item.type, Enumeration) and node.path is None:
        return scope.error(
            "wrong-type",
            f"{a(item.type)} is not a code",
            node.item,
            help="write members without quotes",
        )
    item = fit(item, CODE, node.item, scope)
    if node.path is None:
        values: ir.Expr = ir.CodeSet(tuple(code.text for code in node.codes))
    else:
        values = elaborate(node.path, scope, Codes()).expr
    return Typed(ir.In(item.expr, values), YES_NO)


# --- records and catalogues --------------------------------------------------------------------


def _aggregate(node: s.Aggregate, scope: Scope) -> Typed:
    entity = node.entity.text
    if entity not in scope.known.entities:
        return scope.unknown("unknown-entity", node.entity, scope.known.entities)
    if scope.entity not in scope.known.ancestors(entity)[1:]:
        return scope.error(
            "out-of-reach",
            f"{entity} is not below {scope.entity}",
            node.entity,
            help="an aggregate runs over the records of an entity below",
        )
    inner = scope.inside(entity)
    where = elaborate(node.where, inner, YES_NO).expr if node.where else None
    op = cast(ir.AggregateOp, node.op)
    if op in ("count", "any", "every", "share"):
        empty: ir.Expr | None = None
        if where is None and op == "every":
            return scope.error(
                "missing-condition", f"`{op}` needs a condition", node, help="add `where ...`"
            )
        if op == "share":
            zero = Number("ratio", Fraction(0), Fraction(1))
            if node.empty is None:
                return _no_empty(node, scope)
            empty = elaborate(node.empty, scope, zero).expr
            return Typed(ir.Aggregate(op, entity, None, where, empty), zero)
        if op == "count":
            records = Number("count", Fraction(0), Fraction(MAXIMUM_RECORDS))
            return Typed(ir.Aggregate(op, entity, None, where), records)
        return Typed(ir.Aggregate(op, entity, None, where), YES_NO)
    assert node.item is not None
    numbers = _numbers([node.item], inner)
    if numbers is None:
        return WRONG
    item, type_ = numbers[0], arithmetic.number(numbers[0])
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
        arithmetic.hull([type_, arithmetic.number(given)]),
    )


def _no_empty(node: s.Aggregate, scope: Scope) -> Typed:
    return scope.error(
        "missing-empty",
        f"`{node.op}` over no record has no value",
        node,
        help="add `, empty gives ...`",
    )


def _keys(
    name: s.Name, keys: tuple[s.Expression, ...], found: ir.Catalogue, scope: Scope
) -> tuple[ir.Expr, ...]:
    if len(keys) != len(found.keys):
        scope.error(
            "wrong-keys",
            f"catalogue `{found.name}` has {len(found.keys)} keys, not {len(keys)}",
            name,
            help="its keys are " + ", ".join(key.name for key in found.keys),
        )
        return ()
    return tuple(
        elaborate(key, scope, declared.type).expr
        for key, declared in zip(keys, found.keys, strict=True)
    )


def _lookup(node: s.Lookup, scope: Scope) -> Typed:
    found = scope.known.catalogues.get(node.catalogue.text)
    if found is None:
        return scope.unknown("unknown-catalogue", node.catalogue, scope.known.catalogues)
    field_ = next((f for f in found.fields if f.name == node.field.text), None)
    if field_ is None:
        return scope.unknown("unknown-field", node.field, [f.name for f in found.fields])
    keys = _keys(node.catalogue, node.keys, found, scope)
    none = elaborate(node.none, scope, field_.type)
    return Typed(ir.Lookup(found.name, field_.name, keys, none.expr), field_.type)


def catalogue_keys(
    name: s.Name, keys: tuple[s.Expression, ...], scope: Scope
) -> tuple[ir.Catalogue | None, tuple[ir.Expr, ...]]:
    """A catalogue by name and its key expressions, as the deciles construct has them."""
    found = scope.known.catalogues.get(name.text)
    if found is None:
        scope.unknown("unknown-catalogue", name, scope.known.catalogues)
        return None, ()
    return found, _keys(name, keys, found, scope)
