"""One small change of an expression at a time: the slips that a writer of rules makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import msgspec

from finalrule.core import ir
from finalrule.core.text import Names, expression_text, names_in
from finalrule.values import decimal_places

Edit = tuple[str, Any]

_NEIGHBOUR = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
_OPPOSITE = {"all": "any", "any": "all", "every": "any", "greatest": "least", "least": "greatest"}

_OTHER_WAY = {"+": "-", "-": "+", "*": "/", "/": "*"}

# Decimal places in which a figure counts even where it is written with fewer: cents, and the
# hundredths to which points are rounded.
_PLACES = {"usd": 2, "points": 2}


@dataclass(frozen=True, slots=True)
class Speaker:
    """Says expressions in the words of the rule that they stand in."""

    names: Names

    def settled(self, expr: ir.Expr) -> bool | None:
        """What a condition is whatever the facts are; None when it depends on them."""
        return settled(expr, self.names.lets)

    @classmethod
    def of(cls, program: ir.Program, rule: ir.AnyRule) -> Speaker:
        return cls(names_in(program, rule))

    def says(self, expr: ir.Expr) -> str:
        return expression_text(expr, names=self.names)

    def inside(self, entity: str) -> Speaker:
        """The same in the scope of an aggregate."""
        return Speaker(replace(self.names, entity=entity, lets={}))


def settled(expr: ir.Expr, lets: Mapping[str, ir.Expr]) -> bool | None:
    """What a condition is whatever the facts are; None when it depends on them. Only constants
    settle it: those that stand for rules that are not in force, in the first place."""
    match expr:
        case ir.Bool(value=value):
            return value
        case ir.Let(name=name) if name in lets:
            return settled(lets[name], lets)
        case ir.Logic(op=op, items=items):
            found = [settled(item, lets) for item in items]
            least = {"all": len(items), "any": 1, "none": 1, "at_least": expr.least}[op]
            if found.count(True) >= least:
                return op != "none"
            if len(found) - found.count(False) < least:
                return op == "none"
    return None


def step(number: ir.Num) -> Fraction:
    """The smallest change of a figure: one unit of its last written digit; a cent of an amount, a
    hundredth of points."""
    display = number.value * (100 if number.unit == "percent" else 1)
    places = max(decimal_places(display) or 0, _PLACES.get(number.unit, 0))
    return Fraction(1, 10**places * (100 if number.unit == "percent" else 1))


def edits(expr: ir.Expr, speaker: Speaker) -> Iterator[tuple[str, ir.Expr]]:
    """Every expression that differs from this one by one change, with what was changed."""
    yield from _own(expr, speaker)
    inner = speaker.inside(expr.entity) if isinstance(expr, ir.Aggregate) else speaker
    for name in expr.__struct_fields__:
        part = getattr(expr, name)
        if isinstance(part, ir.Node):
            at = speaker if name == "empty" else inner
            for said, other in edits(part, at):  # type: ignore[arg-type]
                yield said, msgspec.structs.replace(expr, **{name: other})
        elif isinstance(part, tuple):
            for i, item in enumerate(part):
                for said, other in edits(item, inner) if isinstance(item, ir.Node) else ():  # type: ignore[arg-type]
                    items = (*part[:i], other, *part[i + 1 :])
                    yield said, msgspec.structs.replace(expr, **{name: items})


def _own(expr: ir.Expr, speaker: Speaker) -> Iterator[tuple[str, ir.Expr]]:
    """The changes of the expression's outermost part."""
    text = speaker.says(expr)

    def instead(other: ir.Expr) -> tuple[str, ir.Expr]:
        return f"`{speaker.says(other)}` for `{text}`", other

    match expr:
        case ir.Num(value=value, unit=unit):
            if value != 0:  # no figure of this field is negative unless it is written so
                yield instead(ir.Num(value - step(expr), unit))
            yield instead(ir.Num(value + step(expr), unit))
        case ir.Bool(value=flag):
            yield instead(ir.Bool(not flag))
        case ir.Compare(op=op):
            yield instead(msgspec.structs.replace(expr, op=_NEIGHBOUR[op]))
        case ir.Logic():
            yield from map(instead, _turned(expr))
            for i, item in enumerate(expr.items):
                # What a rule that is not in force would have given has no weight.
                weightless = speaker.settled(item) is (expr.op == "all")
                if not weightless and (rest := _without(expr, i)) is not None:
                    yield f"without `{speaker.says(item)}` in `{text}`", rest
        case ir.In(values=ir.CodeSet(values=values)):
            for gone in values if len(values) > 1 else ():
                left = ir.CodeSet(tuple(value for value in values if value != gone))
                yield f"`{text}` without {gone}", msgspec.structs.replace(expr, values=left)
            if len(values) == 1:
                yield instead(ir.Bool(False))
        case ir.Negate(item=item):
            yield instead(item)
        case ir.Arith(op=op, right=right):
            if isinstance(right, ir.Num) and right.value == 0:
                return  # what stands for a rule that is not in force has no weight
            yield instead(msgspec.structs.replace(expr, op=_OTHER_WAY[op]))
        case ir.Extreme(op=op):
            yield instead(msgspec.structs.replace(expr, op="max" if op == "min" else "min"))
        case ir.FirstKnown(items=items):
            for i, item in enumerate(items):
                others = (*items[:i], *items[i + 1 :])
                said = f"without `{speaker.says(item)}` in `{text}`"
                yield said, others[0] if len(others) == 1 else ir.FirstKnown(others)
        case ir.Aggregate(op=op, where=where):
            if op in _OPPOSITE or (op == "any" and where is not None):
                yield instead(msgspec.structs.replace(expr, op=_opposite(expr)))
            if where is not None and op != "every":
                yield instead(msgspec.structs.replace(expr, where=None))


def _opposite(expr: ir.Aggregate) -> str:
    return "every" if expr.op == "any" else _OPPOSITE[expr.op]


def _turned(expr: ir.Logic) -> Iterator[ir.Expr]:
    """`all` and `any` exchanged, another number of `at least`, a `not` taken away."""
    count = len(expr.items)
    if count == 1:
        yield expr.items[0]
    elif expr.op == "at_least":
        for least in (expr.least - 1, expr.least + 1):
            if 1 <= least <= count:
                yield ir.Logic("at_least", expr.items, least)
    elif expr.op != "none":
        yield msgspec.structs.replace(expr, op=_OPPOSITE[expr.op])


def _without(expr: ir.Logic, index: int) -> ir.Expr | None:
    """The condition without one of its items; None where too few would be left."""
    rest = (*expr.items[:index], *expr.items[index + 1 :])
    if not rest or (expr.op == "at_least" and expr.least > len(rest)):
        return None
    return rest[0] if len(rest) == 1 and expr.op != "none" else ir.Logic(expr.op, rest, expr.least)
