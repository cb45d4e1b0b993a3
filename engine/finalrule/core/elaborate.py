"""Expressions: names looked up, types and units checked, lowered to the core, in one walk.

Every expression comes out with its type; a number's type carries the bounds that follow from the
declared bounds of what it reads, so that a divisor that may be zero is found here.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal, cast

from finalrule.core import arithmetic, ir
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
_FUNCTIONS = ("min", "max", "round", "days_between", "first_known")


def elaborate(node: s.Expression, scope: Scope, expected: Type | None = None) -> Typed:
    """Lower an expression. `expected` is the type that its place asks for, where one is known: it
    lets a bare name be an enumeration's member and gives a bare number its unit."""
    typed = _elaborate(node, scope, expected)
    return typed if expected is None else fit(typed, expected, node, scope)


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
                return scope.unknown("catalogue", node.catalogue, scope.known.catalogues)
            keys = _keys(node.catalogue, node.keys, found, scope)
            return Typed(ir.Listed(found.name, keys), YES_NO)
        case s.IfInForce():
            if node.path.parts[0] in scope.in_force:
                first = _path(node.path, scope, None)
                elaborate(node.otherwise, scope, first.type)
                return first
            shape = scope.known.shapes.get(node.path.parts[0])
            if shape is None:
                return scope.unknown("rule", node.path, scope.known.shapes)
            output = node.path.parts[1] if len(node.path.parts) > 1 else ""
            return elaborate(node.otherwise, scope, shape.outputs.get(output))


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
        case "first_known":
            items = [elaborate(arguments[0], scope, expected)]
            items += [elaborate(argument, scope, items[0].type) for argument in arguments[1:]]
            type_ = items[0].type
            if isinstance(type_, Number) and all(isinstance(i.type, Number) for i in items):
                type_ = arithmetic.hull([arithmetic.number(i) for i in items])
            return Typed(ir.FirstKnown(tuple(item.expr for item in items)), type_)
    if name in _FUNCTIONS:
        return scope.error(
            "wrong-arguments", f"`{name}` takes two arguments", node, help="see the reference"
        )
    return scope.unknown("function", node.function, _FUNCTIONS)


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
        return scope.unknown("rounding", name, scope.known.roundings)
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
    return Typed(ir.Logic(op, items, node.least), YES_NO)


def _compare(node: s.Binary, scope: Scope) -> Typed:
    op = cast(Literal["<", "<=", ">", ">=", "==", "!="], node.op)
    left, right = elaborate(node.left, scope), elaborate(node.right, scope)
    if left.type is None or right.type is None:
        return Typed(NOTHING, YES_NO)
    if isinstance(left.type, Number) and isinstance(right.type, Number):
        nodes = (node.left, node.right)
        fitted = arithmetic.same_unit(nodes, [left, right], scope, "compared")
        if fitted is None:
            return Typed(NOTHING, YES_NO)
        return Typed(ir.Compare(op, fitted[0].expr, fitted[1].expr), YES_NO)
    ordered = isinstance(left.type, Date)
    if isinstance(left.type, Codes) or (not ordered and op not in ("==", "!=")):
        return scope.error(
            "wrong-type", f"{a(left.type)} cannot be compared with `{op}`", node.left,
            help="use `==`, `!=`, `is` or `in`",
        )  # fmt: skip
    right = fit(right, left.type, node.right, scope)
    return Typed(ir.Compare(op, left.expr, right.expr), YES_NO)


def _is_member(node: s.IsMember, scope: Scope) -> Typed:
    item = elaborate(node.item, scope)
    if item.type is None:
        return Typed(NOTHING, YES_NO)
    if not isinstance(item.type, Enumeration):
        return scope.error(
            "wrong-type", f"`is` and `in {{...}}` are for enumerations, this is {a(item.type)}",
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
        return scope.unknown("entity", node.entity, scope.known.entities)
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
        return scope.unknown("catalogue", node.catalogue, scope.known.catalogues)
    field_ = next((f for f in found.fields if f.name == node.field.text), None)
    if field_ is None:
        return scope.unknown("field", node.field, [f.name for f in found.fields])
    keys = _keys(node.catalogue, node.keys, found, scope)
    none = elaborate(node.none, scope, field_.type)
    return Typed(ir.Lookup(found.name, field_.name, keys, none.expr), field_.type)


def catalogue_keys(
    name: s.Name, keys: tuple[s.Expression, ...], scope: Scope
) -> tuple[ir.Catalogue | None, tuple[ir.Expr, ...]]:
    """A catalogue by name and its key expressions, as the deciles construct has them."""
    found = scope.known.catalogues.get(name.text)
    if found is None:
        scope.unknown("catalogue", name, scope.known.catalogues)
        return None, ()
    return found, _keys(name, keys, found, scope)
