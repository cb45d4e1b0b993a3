"""Types and constants as rules files write them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from fractions import Fraction

from finalrule.core import ir
from finalrule.diagnostics import Report, suggest
from finalrule.language import syntax as s
from finalrule.source import Source
from finalrule.values import (
    CODE,
    DEFAULT_SCALE,
    MAXIMUM_DIGITS,
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
    parse_decimal,
    parse_value,
    type_name,
    within,
)

BUILT_IN: dict[str, Type] = {"yes_no": YES_NO, "code": CODE, "codes": Codes(), "date": Date()}
_MAXIMUM_SCALE = 12
_NO_SCALE, _EXACT = -1, -2


def type_of(
    written: s.TypeSyntax,
    types: Mapping[str, Type],
    source: Source,
    report: Report,
    codes: bool = False,
) -> Type:
    """The type as written, `types` being the declared ones; errors are reported and give yes_no.
    Only a parameter may be a set of codes."""
    if isinstance(written, s.EnumerationType):
        return _enumeration(written, source, report)
    span = source.span(*written.at)
    for unit in UNITS:
        if written.name == unit:
            return _number(written, unit, source, report)
    known = {**BUILT_IN, **types}
    found = known.get(written.name)
    if found is None:
        report.error(
            "unknown-type",
            f"unknown type `{written.name}`",
            source.span(span.start, span.start + len(written.name)),
            help=suggest(written.name, [*known, *UNITS]) or "declare it with `type`",
        )
        return YES_NO
    if written.high or written.scale != _NO_SCALE:
        report.error(
            "type-bounds",
            f"`{written.name}` has neither bounds nor decimal places of its own here",
            span,
            help=f"write `{written.name}` alone",
        )
    if isinstance(found, Codes) and not codes:
        report.error(
            "misplaced-codes",
            "only a parameter is a set of codes",
            span,
            help="write `code`; a parameter says which codes count",
        )
    return found


def _enumeration(written: s.EnumerationType, source: Source, report: Report) -> Type:
    seen: dict[str, s.Name] = {}
    for member in written.members:
        first = seen.setdefault(member.text, member)
        if first is not member:
            report.error(
                "declared-twice",
                f"the member `{member.text}` stands twice",
                source.span(*member.at),
                source.span(*first.at),
                help="delete one",
            )
    return Enumeration(tuple(seen))


def _number(written: s.NamedType, unit: Unit, source: Source, report: Report) -> Type:
    span = source.span(*written.at)
    if not written.high:
        report.error(
            "missing-bounds",
            f"`{unit}` needs bounds",
            span,
            help=f"write for example `{unit}[0..100]`",
        )
        return Number(unit, Fraction(0), Fraction(0))
    low, high = parse_decimal(written.low), parse_decimal(written.high)
    if low is None or high is None:
        report.error(
            "type-bounds",
            f"a bound has more than {MAXIMUM_DIGITS} digits",
            span,
            help="no figure of the program needs so many",
        )
        return Number(unit, Fraction(0), Fraction(0))
    if low > high:
        report.error(
            "type-bounds",
            "the lower bound is above the upper",
            span,
            help="write the smaller number first",
        )
    if written.scale > _MAXIMUM_SCALE:
        report.error(
            "type-bounds",
            f"a number has at most {_MAXIMUM_SCALE} decimal places",
            span,
            help="write fewer, or `exact` for any fraction",
        )
    divisor = 100 if unit == "percent" else 1
    scale = {_NO_SCALE: DEFAULT_SCALE[unit], _EXACT: None}.get(written.scale, written.scale)
    return Number(unit, low / divisor, high / divisor, scale)


def constant(
    written: s.Expression, type_: Type, source: Source, report: Report
) -> ir.Constant | None:
    """A constant written where a type is known (what absence means, `outside gives`)."""
    span = source.span(*written.at)
    negative = isinstance(written, s.Unary) and written.op == "-"
    literal = written.item if isinstance(written, s.Unary) and negative else written
    text = _constant_text(literal, type_)
    value = parse_value(("-" if negative else "") + text, type_) if text else None
    if value is None or not within(value, type_):
        report.error(
            "wrong-value",
            f"`{span.text}` is no value of {type_name(type_)}",
            span,
            help=f"write {_example(type_)}",
        )
        return None
    return as_constant(value, type_)


def _constant_text(written: s.Expression, type_: Type) -> str:
    """The text of a literal that stands for a value of the type; empty when it does not."""
    match written, type_:
        case s.Literal(sort="code", text=text), Code():
            return text[1:-1]
        case (
            s.Literal(sort="number", text=text),
            Number(unit="ratio" | "count" | "rate" | "days" | "year"),
        ):
            return text
        case s.Literal(sort="percent" | "money" | "points" | "days", text=text), Number():
            return " ".join(text.split())
        case (s.Literal(sort="yes_no", text=text), YesNo()) | (
            s.Literal(sort="date", text=text),
            Date(),
        ):
            return text
        case s.Path(parts=(member,)), Enumeration():
            return member
    return ""


def _example(type_: Type) -> str:
    match type_:
        case Number(unit=unit, low=low, high=high):
            shown = {"percent": "45%", "points": "10 points", "usd": "$90,000", "days": "90 days"}
            return f"a number of {type_name(Number(unit, low, high))}, as `{shown.get(unit, '20')}`"
        case YesNo():
            return "`yes` or `no`"
        case Date():
            return "a day of the calendar, as `2020-01-31`"
        case Enumeration(members=members):
            return f"one of {', '.join(members)}"
        case _:
            return 'a code in quotes, as `"PI_EP_1"`'


def as_constant(value: object, type_: Type) -> ir.Constant:
    """A value as a constant node."""
    if isinstance(value, bool):
        return ir.Bool(value)
    if isinstance(value, Fraction) and isinstance(type_, Number):
        return ir.Num(value, type_.unit)
    if isinstance(value, frozenset):
        return ir.CodeSet(tuple(sorted(value)))
    if isinstance(value, str):
        return ir.Text(value)
    assert isinstance(value, datetime.date)
    return ir.Day(value)
