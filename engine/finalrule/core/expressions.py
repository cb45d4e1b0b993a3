"""What an expression means: exact rationals, three-valued logic.

`prepare` turns an expression into a function of a frame (one record and what is reached from it).
Checks use it on constants, the exact evaluator on cases.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol, assert_never

from finalrule.core import ir
from finalrule.values import Mode, Unit, Value, round_to


@dataclass(frozen=True, slots=True)
class Unknown:
    """Not determined: the facts that it needs, as `entity[keys].fact`."""

    needs: frozenset[str]


Known = Value | Unknown
ZERO, ONE = Fraction(0), Fraction(1)


class Frame:
    """One record as expressions read it.

    `facts` holds what is known, `outcomes` what rules gave (by rule and output), `up` the frames of
    the record's own entity, of its ancestors and of what one of them points at (`refers`) with its
    ancestors, `below` those of its descendants by entity, `lets` the lets of the rule that is being
    evaluated. `nowhere` names references that point at nothing (`entity[keys].other`) on the way,
    by the entities that would be read through them; `referred` are those of this record's own, the
    entity that it refers to first.
    """

    __slots__ = (
        "below", "entity", "facts", "lets", "nowhere", "outcomes", "parent", "path", "refers", "up",
    )  # fmt: skip

    def __init__(
        self,
        entity: str,
        path: tuple[str, ...],
        facts: dict[str, Value],
        parent: Frame | None,
        refers: Frame | None = None,
        referred: Sequence[str] = (),
    ) -> None:
        self.entity, self.path, self.facts = entity, path, facts
        self.parent, self.refers = parent, refers
        self.outcomes: dict[tuple[str, str], Known] = {}
        self.lets: dict[str, Known] = {}
        self.below: dict[str, list[Frame]] = {}
        self.up: dict[str, Frame] = {
            **(refers.up if refers else {}), **(parent.up if parent else {}), entity: self
        }  # fmt: skip
        self.nowhere: dict[str, frozenset[str]] = {}
        for other in (parent, refers):
            for name, labels in other.nowhere.items() if other else ():
                self.nowhere[name] = self.nowhere.get(name, frozenset()) | labels
        for name in referred if refers is None else ():
            own = frozenset((self.label(referred[0]),))
            self.nowhere[name] = self.nowhere.get(name, frozenset()) | own
        ancestor = parent
        while ancestor is not None:
            ancestor.below.setdefault(entity, []).append(self)
            ancestor = ancestor.parent

    def label(self, fact: str) -> str:
        """A fact of this record or what it refers to, as messages name it."""
        keys = f"[{','.join(self.path)}]" if self.path else ""
        return f"{self.entity}{keys}.{fact}"


@dataclass(frozen=True, slots=True)
class DecileBounds:
    """The lower bounds of deciles 1 to 10, worst to best (None where there is none); `inverse`:
    lower values are better."""

    lower: Sequence[Fraction | None]
    inverse: bool


class Catalogue(Protocol):
    """A catalogue as rules read it."""

    def record(self, keys: tuple[str, ...]) -> Mapping[str, Value] | None:
        """The record's typed fields (empty cells left out), or None."""

    def bounds(self, keys: tuple[str, ...]) -> DecileBounds | None:
        """The record's decile bounds, or None when there is no such record or it has none."""


@dataclass(frozen=True, slots=True)
class Context:
    """What does not change from record to record: figures, rounding rules, catalogues, and which
    entity each rule is for, where records may refer to none."""

    parameters: Mapping[str, ir.Parameter]
    roundings: Mapping[str, ir.Rounding]
    catalogues: Mapping[str, Catalogue] = field(default_factory=dict)
    entities: Mapping[str, str] = field(default_factory=dict)


Run = Callable[[Frame], Known]


def places_of(places: int, unit: Unit) -> int:
    """Places of the quantity: a percent's are two more than those of its display."""
    return places + 2 if unit == "percent" else places


def constant_value(constant: ir.Constant) -> Value:
    """The value of a constant node."""
    match constant:
        case ir.CodeSet(values=values):
            return frozenset(values)
        case ir.Num(value=number):
            return number
        case ir.Bool(value=flag):
            return flag
        case ir.Text(value=text):
            return text
        case ir.Day(value=day):
            return day


def needs_of(values: Iterable[Known]) -> frozenset[str]:
    """The facts that the undetermined ones among the values need."""
    found: frozenset[str] = frozenset()
    for value in values:
        if isinstance(value, Unknown):
            found |= value.needs
    return found


def prepare(expr: ir.Expr, context: Context, lets: Mapping[str, Run] | None = None) -> Run:
    """The expression as a function of a frame. `lets` are the rule's lets, prepared."""
    return _Prepare(context, lets or {}).expr(expr)


class _Prepare:
    def __init__(self, context: Context, lets: Mapping[str, Run]) -> None:
        self.context, self.lets = context, lets

    def expr(self, expr: ir.Expr) -> Run:
        match expr:
            case ir.Num() | ir.Bool() | ir.Text() | ir.Day() | ir.CodeSet():
                return _fixed(constant_value(expr))
            case ir.Param(name=name):
                value = self.context.parameters[name].value
                assert value is not None, f"parameter {name} has no value"
                return _fixed(constant_value(value))
            case ir.Fact(entity=entity, name=name):
                return _fact(entity, name)
            case ir.Outcome():
                return _outcome(expr, self.context.entities.get(expr.rule, ""))
            case ir.Let(name=name):
                return self._let(name)
            case ir.Compare():
                return _compare(expr.op, self.expr(expr.left), self.expr(expr.right))
            case ir.Logic():
                return _logic(expr, [self.expr(item) for item in expr.items])
            case ir.In():
                return _in(self.expr(expr.item), self.expr(expr.values))
            case ir.Arith():
                zero = self.expr(expr.zero) if expr.zero is not None else None
                return _arith(expr.op, self.expr(expr.left), self.expr(expr.right), zero)
            case ir.Negate(item=item):
                return _negate(self.expr(item))
            case ir.Extreme(op=op, items=items):
                return _extreme(op, [self.expr(item) for item in items])
            case ir.Round(item=item, rounding=rounding):
                rule = self.context.roundings[rounding]
                return _round(self.expr(item), places_of(rule.places, rule.unit), rule.mode)
            case ir.Convert(item=item):
                return self.expr(item)
            case ir.DaysBetween(first=first, second=second):
                return _days(self.expr(first), self.expr(second))
            case ir.FirstKnown(items=items):
                return _first_known([self.expr(item) for item in items])
            case ir.Lookup():
                return self._lookup(expr)
            case ir.Listed(catalogue=catalogue, keys=keys):
                return _listed(self.context, catalogue, [self.expr(key) for key in keys])
            case ir.Aggregate():
                return self._aggregate(expr)
        assert_never(expr)

    def _let(self, name: str) -> Run:
        run = self.lets.get(name)

        def let(frame: Frame) -> Known:
            found = frame.lets.get(name)
            if found is None:
                if run is None:
                    raise KeyError(name)
                found = frame.lets[name] = run(frame)
            return found

        return let

    def _lookup(self, expr: ir.Lookup) -> Run:
        keys, none = [self.expr(key) for key in expr.keys], self.expr(expr.none)
        context, catalogue, field_ = self.context, expr.catalogue, expr.field

        def lookup(frame: Frame) -> Known:
            values = [key(frame) for key in keys]
            if unknown := needs_of(values):
                return Unknown(unknown)
            record = context.catalogues[catalogue].record(tuple(str(v) for v in values))
            found = None if record is None else record.get(field_)
            return none(frame) if found is None else found

        return lookup

    def _aggregate(self, expr: ir.Aggregate) -> Run:
        # Lets of the outer record are not read inside, so the inner expressions have none.
        inner = _Prepare(self.context, {})
        item = inner.expr(expr.item) if expr.item is not None else None
        where = inner.expr(expr.where) if expr.where is not None else None
        empty = self.expr(expr.empty) if expr.empty is not None else None
        return _aggregate(expr.op, expr.entity, item, where, empty)


def _fixed(value: Value) -> Run:
    return lambda frame: value


def _fact(entity: str, name: str) -> Run:
    def fact(frame: Frame) -> Known:
        owner = frame.up.get(entity)
        if owner is None:
            return Unknown(frame.nowhere[entity])
        found = owner.facts.get(name)
        return Unknown(frozenset((owner.label(name),))) if found is None else found

    return fact


def _outcome(expr: ir.Outcome, entity: str) -> Run:
    wanted = (expr.rule, expr.output)

    def outcome(frame: Frame) -> Known:
        found = frame.outcomes.get(wanted)
        if found is not None:
            return found
        for other in frame.up.values():
            found = other.outcomes.get(wanted)
            if found is not None:
                return found
        if entity in frame.nowhere:
            return Unknown(frame.nowhere[entity])
        raise KeyError(wanted)

    return outcome


def _compare(op: str, left: Run, right: Run) -> Run:
    def compare(frame: Frame) -> Known:
        a, b = left(frame), right(frame)
        if isinstance(a, Unknown) or isinstance(b, Unknown):
            return Unknown(needs_of((a, b)))
        match op:
            case "==":
                return a == b
            case "!=":
                return a != b
            case "<":
                return a < b  # type: ignore[operator]
            case "<=":
                return a <= b  # type: ignore[operator]
            case ">":
                return a > b  # type: ignore[operator]
            case _:
                return a >= b  # type: ignore[operator]

    return compare


def _logic(expr: ir.Logic, items: list[Run]) -> Run:
    """Kleene's logic: settled as soon as no unknown could change it."""
    count = len(items)
    least = {"all": count, "any": 1, "none": 1, "at_least": expr.least}[expr.op]
    negated = expr.op == "none"

    def logic(frame: Frame) -> Known:
        true, left, needs = 0, count, []
        for item in items:
            value = item(frame)
            left -= 1
            if value is True:
                true += 1
                if true >= least:
                    return not negated
            elif value is not False:
                needs.append(value)
            if true + left + len(needs) < least:
                return negated
        return Unknown(needs_of(needs))

    return logic


def _in(item: Run, values: Run) -> Run:
    def member(frame: Frame) -> Known:
        a, b = item(frame), values(frame)
        if isinstance(a, Unknown):
            return a
        return a in b  # type: ignore[operator]

    return member


def _arith(op: str, left: Run, right: Run, zero: Run | None) -> Run:
    def arith(frame: Frame) -> Known:
        a, b = left(frame), right(frame)
        if isinstance(a, Unknown) or isinstance(b, Unknown):
            # A product with a known zero is zero, whatever the other side turns out to be.
            if op == "*" and (a == 0 or b == 0):
                return ZERO
            return Unknown(needs_of((a, b)))
        assert isinstance(a, Fraction) and isinstance(b, Fraction)
        match op:
            case "+":
                return a + b
            case "-":
                return a - b
            case "*":
                return a * b
            case _:
                return zero(frame) if b == 0 and zero is not None else a / b

    return arith


def _negate(item: Run) -> Run:
    def negate(frame: Frame) -> Known:
        value = item(frame)
        return -value if isinstance(value, Fraction) else value

    return negate


def _extreme(op: str, items: list[Run]) -> Run:
    pick = min if op == "min" else max

    def extreme(frame: Frame) -> Known:
        values = [item(frame) for item in items]
        if unknown := needs_of(values):
            return Unknown(unknown)
        return pick(value for value in values if isinstance(value, Fraction))

    return extreme


def _round(item: Run, places: int, mode: Mode) -> Run:
    def rounded(frame: Frame) -> Known:
        value = item(frame)
        if isinstance(value, Unknown):
            return value
        assert isinstance(value, Fraction)
        return round_to(value, places, mode)

    return rounded


def _days(first: Run, second: Run) -> Run:
    def days(frame: Frame) -> Known:
        a, b = first(frame), second(frame)
        if isinstance(a, Unknown) or isinstance(b, Unknown):
            return Unknown(needs_of((a, b)))
        assert isinstance(a, datetime.date) and isinstance(b, datetime.date)
        return Fraction((b - a).days)

    return days


def _first_known(items: list[Run]) -> Run:
    def first_known(frame: Frame) -> Known:
        values = [item(frame) for item in items]
        return next((v for v in values if not isinstance(v, Unknown)), Unknown(needs_of(values)))

    return first_known


def _listed(context: Context, catalogue: str, keys: list[Run]) -> Run:
    def listed(frame: Frame) -> Known:
        values = [key(frame) for key in keys]
        if unknown := needs_of(values):
            return Unknown(unknown)
        return context.catalogues[catalogue].record(tuple(str(v) for v in values)) is not None

    return listed


def _aggregate(
    op: ir.AggregateOp, entity: str, item: Run | None, where: Run | None, empty: Run | None
) -> Run:
    def chosen(frame: Frame) -> tuple[list[Frame], list[Frame], list[Known]]:
        """The records that meet the condition, those that may, and the undetermined conditions."""
        records = frame.below.get(entity, [])
        if where is None:
            return records, [], []
        sure: list[Frame] = []
        perhaps: list[Frame] = []
        needs: list[Known] = []
        for record in records:
            met = where(record)
            if met is True:
                sure.append(record)
            elif isinstance(met, Unknown):
                perhaps.append(record)
                needs.append(met)
        return sure, perhaps, needs

    def logical(frame: Frame) -> Known:
        sure, perhaps, needs = chosen(frame)
        if op == "any":
            return True if sure else (Unknown(needs_of(needs)) if perhaps else False)
        every = len(sure) + len(perhaps) == len(frame.below.get(entity, []))
        return False if not every else (Unknown(needs_of(needs)) if perhaps else True)

    def counted(frame: Frame) -> Known:
        sure, perhaps, needs = chosen(frame)
        if perhaps:
            return Unknown(needs_of(needs))
        if op == "count":
            return Fraction(len(sure))
        total = len(frame.below.get(entity, []))
        assert empty is not None
        return Fraction(len(sure), total) if total else empty(frame)

    def folded(frame: Frame) -> Known:
        sure, perhaps, needs = chosen(frame)
        assert item is not None
        values = [item(record) for record in sure]
        numbers = [value for value in values if isinstance(value, Fraction)]
        if perhaps or len(numbers) < len(values):
            return Unknown(needs_of((*needs, *values)))
        if op == "sum":
            return sum(numbers, ZERO)
        if not numbers:
            assert empty is not None
            return empty(frame)
        if op == "average":
            return sum(numbers, ZERO) / len(numbers)
        return max(numbers) if op == "greatest" else min(numbers)

    if op in ("any", "every"):
        return logical
    return counted if op in ("count", "share") else folded
