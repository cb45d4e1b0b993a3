"""Where an expression stands, what it came out as, and whether it is what its place asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from finalrule.core import ir
from finalrule.core.declare import Declarations
from finalrule.diagnostics import Label, Report, suggest
from finalrule.language import syntax as s
from finalrule.source import Source, Span
from finalrule.values import (
    Code,
    Codes,
    Date,
    Enumeration,
    Number,
    Type,
    Unit,
    YesNo,
    type_name,
)

SCALARS: tuple[Unit, ...] = ("ratio", "count")
# The units that a number without one takes from the other side.
BARE_TAKES: tuple[Unit, ...] = ("ratio", "count", "rate", "days", "year")
NOTHING = ir.Bool(False)


@dataclass(frozen=True, slots=True)
class Typed:
    """A lowered expression and its type; None silences what would only follow from an error in it.
    `bare`: only numbers without a unit, which takes the other side's."""

    expr: ir.Expr
    type: Type | None
    bare: bool = False


WRONG = Typed(NOTHING, None)


@dataclass(slots=True)
class Scope:
    """Where an expression stands: its file, its entity and the lets that it may read. `hidden` are
    the lets of the record around an aggregate; with `columns_only` nothing is read but lets (which
    then are a table's columns) and figures."""

    known: Declarations
    source: Source
    entity: str
    in_force: frozenset[str]
    report: Report
    lets: dict[str, Type | None] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    columns_only: bool = False

    def inside(self, entity: str) -> Scope:
        """The scope of an aggregate's inner expressions."""
        return replace(self, entity=entity, lets={}, hidden=frozenset(self.lets) | self.hidden)

    def span(self, node: s.Syntax) -> Span:
        return self.source.span(*node.at)

    def error(self, code: str, message: str, *labels: Label | s.Syntax, help: str = "") -> Typed:
        """Report, and give the expression that silences what follows."""
        made = [at if isinstance(at, Label) else Label(self.span(at)) for at in labels]
        self.report.error(code, message, *made, help=help)
        return WRONG

    def unknown(self, code: str, node: s.Name | s.Path, known: Iterable[str]) -> Typed:
        """Report a name that nothing declares; the code is `unknown-` and what it would be."""
        text = node.text if isinstance(node, s.Name) else ".".join(node.parts)
        what = code.removeprefix("unknown-")
        return self.error(
            code,
            f"unknown {what} `{text}`",
            node,
            help=suggest(text, known) or f"no {what} has this name",
        )


def fit(typed: Typed, expected: Type, node: s.Expression, scope: Scope) -> Typed:
    """The expression as the type that its place asks for, or an error at it."""
    actual = typed.type
    if actual is None:
        return typed
    if isinstance(expected, Number) and isinstance(actual, Number):
        if actual.unit == expected.unit:
            return typed
        if typed.bare and expected.unit in BARE_TAKES:
            return with_unit(typed, expected.unit)
        if actual.unit == "count" and expected.unit == "ratio":
            return Typed(ir.Convert(typed.expr, "ratio"), replace_unit(actual, "ratio"))
        return scope.error(
            "unit-mismatch",
            f"this is {a(actual)}, but {a(expected)} is needed",
            Label(scope.span(node), a(actual)),
            help=unit_help(typed, actual, expected),
        )
    if isinstance(expected, Enumeration) and isinstance(actual, Enumeration):
        if expected.members == actual.members:
            return typed
    elif type(expected) is type(actual):
        return typed
    return scope.error(
        "wrong-type",
        f"this is {a(actual)}, but {a(expected)} is needed",
        Label(scope.span(node), a(actual)),
        help=f"write an expression that gives {a(expected)}",
    )


def replace_unit(type_: Number, unit: Unit) -> Number:
    """The same bounds in another unit."""
    return Number(unit, type_.low, type_.high)


def with_unit(typed: Typed, unit: Unit) -> Typed:
    """A number without a unit, as one of the given unit."""
    assert isinstance(typed.type, Number)
    expr = typed.expr
    if isinstance(expr, ir.Num):
        return Typed(ir.Num(expr.value, unit), replace_unit(typed.type, unit))
    return Typed(ir.Convert(expr, unit), replace_unit(typed.type, unit))


_A_NUMBER: dict[Unit, str] = {
    "percent": "a percentage",
    "points": "a number of points",
    "usd": "an amount in dollars",
    "count": "a count",
    "ratio": "a ratio",
    "rate": "a rate",
    "days": "a number of days",
    "year": "a year",
}


def a(type_: Type) -> str:
    """A value of the type, for messages."""
    match type_:
        case Number(unit=unit):
            return _A_NUMBER[unit]
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


_EXAMPLES: dict[Unit, str] = {
    "percent": "45%",
    "points": "10 points",
    "usd": "$90,000",
    "days": "90 days",
    "year": "2020",
}


def unit_help(typed: Typed, actual: Number, expected: Number) -> str:
    """What makes a number of the other unit."""
    have, want = actual.unit, expected.unit
    if typed.bare:
        return f"write the unit, for example `{_EXAMPLES.get(want, '1')}`"
    if {have, want} == {"percent", "ratio"} or (
        have in ("ratio", "count", "rate") and want in ("points", "rate", "count", "days")
    ):
        return f"`... as {want}` says that the quantity is meant in the other unit"
    if have == "percent" and want in _EXAMPLES:
        return f"a percentage times {want} is {want}, for example `... * {_EXAMPLES[want]}`"
    if want == "percent" and have in _EXAMPLES:
        return f"{have} by {have} is a ratio, for example `(... / {_EXAMPLES[have]}) as percent`"
    return f"{have} and {want} do not go together: see which of the two is meant"
