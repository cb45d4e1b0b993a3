"""Where a program's outcomes turn: the values of facts that its rules compare them with."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from finalrule.core import ir
from finalrule.core.expressions import Context, Frame, Unknown, places_of, prepare
from finalrule.core.walk import nodes, parts
from finalrule.evaluate.lets import inline, inlined_lets, is_constant
from finalrule.evaluate.types import Types
from finalrule.values import Date, Number, Type, Value, round_to, within

# A frame for what has one value whatever the facts are.
NOWHERE = Frame("", (), {}, None)
# The step beside a threshold of a number that may have any decimals.
_FINE = 6

FactName = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Binding:
    """A catalogue that is read by an entity's facts: for each of the catalogue's keys the fact that
    gives it, or the constant."""

    catalogue: str
    keys: tuple[str | ir.Text, ...]

    def wanted(self, known: Mapping[str, Value]) -> tuple[str | None, ...]:
        """What a record's key must be, part by part, given facts that are known; None: anything."""
        return tuple(
            key.value if isinstance(key, ir.Text) else str(known[key]) if key in known else None
            for key in self.keys
        )


@dataclass(slots=True)
class Thresholds:
    """What cases should be made of, for a program's rules to decide every way.

    `values`: figures that a fact is compared with, and the values one step below and above.
    `groups`: values of a fact that rules name together. `lengths`: pairs of dates of an entity with
    the days that their distance is compared with. `proportions`: facts of an entity that cannot be
    greater than another, for their quotient is an outcome of at most 1. `bindings`: catalogues by
    the entity whose facts are their keys. `graded`: facts that a catalogue's decile bounds are for.
    `averaged`: entities that rules average, of which a record has no more than `MOST_AVERAGED`.
    """

    values: dict[FactName, list[Value]] = field(default_factory=dict)
    groups: dict[FactName, list[frozenset[str]]] = field(default_factory=dict)
    lengths: dict[str, dict[tuple[str, str], set[int]]] = field(default_factory=dict)
    proportions: set[tuple[str, str, str]] = field(default_factory=set)
    bindings: dict[str, list[Binding]] = field(default_factory=dict)
    graded: dict[FactName, Binding] = field(default_factory=dict)
    averaged: set[str] = field(default_factory=set)


def find_thresholds(program: ir.Program) -> Thresholds:
    """Go through all rules in force."""
    finder = _Finder(program)
    for rule in program.rules:
        finder.rule(inline(rule, inlined_lets(rule)))
    return finder.found


def smallest_step(type_: Number) -> Fraction:
    """The least difference between two values of a type that a fact may have."""
    return Fraction(
        1, 10 ** places_of(type_.scale if type_.scale is not None else _FINE, type_.unit)
    )


class _Finder:
    def __init__(self, program: ir.Program) -> None:
        self.found = Thresholds()
        self.types = Types(program)
        self.rules = {rule.name: rule for rule in program.rules}
        self.context = Context(
            {parameter.name: parameter for parameter in program.parameters},
            {rounding.name: rounding for rounding in program.roundings},
        )

    def rule(self, rule: ir.AnyRule) -> None:
        for node in nodes(rule):
            match node:
                case ir.Compare(left=left, right=right):
                    self._compared((left, right))
                    self._lengths(node)
                case ir.In(item=ir.Fact() as fact, values=values):
                    self._add(fact, self._value(values))
                    self._group(fact, self._value(values))
                case (
                    ir.Lookup(catalogue=catalogue, keys=keys)
                    | ir.Listed(catalogue=catalogue, keys=keys)
                ):
                    self._bind(catalogue, keys)
                case ir.Aggregate(op="average", entity=entity):
                    self.found.averaged.add(entity)
        match rule:
            case ir.Table():
                self._columns(rule)
            case ir.Curve():
                self._compared((rule.of, *(end for p in rule.pieces for end in (p.low, p.high))))
            case ir.Deciles():
                self._graded(rule)
            case ir.Choice(type=Number(high=high)) if high == 1:
                self._proportions(rule)

    def _columns(self, rule: ir.Table) -> None:
        lets = {let.name: let.value for let in rule.lets}
        for place, key in enumerate(rule.given):
            for row in rule.rows:
                for end in (row.cells[place].low, row.cells[place].high):
                    if end is not None and isinstance(key.type, Number):
                        self._compared((lets[key.name], ir.Num(end, key.type.unit)))

    def _compared(self, sides: Iterable[ir.Expr]) -> None:
        constants = [found for side in sides for found in self._constants(side)]
        for side in sides:
            for fact in _facts(side):
                type_ = self.types.of(fact, {})
                for constant in constants:
                    for value in _around(self._value(constant), self.types.of(constant, {}), type_):
                        self._add(fact, value)

    def _constants(self, expr: ir.Expr) -> Iterator[ir.Expr]:
        """The largest constant parts, of an outcome those of the values that it may have."""
        if is_constant(expr):
            yield expr
            return
        if isinstance(expr, ir.Outcome):
            rule = self.rules[expr.rule]
            if isinstance(rule, ir.Choice):
                for clause in rule.clauses:
                    if is_constant(clause.value):
                        yield clause.value
            return
        for part in parts(expr):
            yield from self._constants(part)

    def _lengths(self, compare: ir.Compare) -> None:
        days = [node for node in nodes(compare) if isinstance(node, ir.DaysBetween)]
        limits = {
            value.numerator
            for constant in (*self._constants(compare.left), *self._constants(compare.right))
            if isinstance(value := self._value(constant), Fraction)
        }
        for one in days:
            if isinstance(one.first, ir.Fact) and isinstance(one.second, ir.Fact):
                pairs = self.found.lengths.setdefault(one.first.entity, {})
                pairs.setdefault((one.first.name, one.second.name), set()).update(limits)

    def _bind(self, catalogue: str, keys: tuple[ir.Expr, ...]) -> Binding | None:
        facts = [key for key in keys if isinstance(key, ir.Fact)]
        if not facts or not all(isinstance(key, ir.Fact | ir.Text) for key in keys):
            return None
        made = Binding(
            catalogue,
            tuple(key.name if isinstance(key, ir.Fact) else key for key in keys
                  if isinstance(key, ir.Fact | ir.Text)),
        )  # fmt: skip
        known = self.found.bindings.setdefault(facts[0].entity, [])
        if made not in known:
            known.append(made)
        return made

    def _graded(self, rule: ir.Deciles) -> None:
        binding = self._bind(rule.catalogue, rule.keys)
        if binding is None:
            return
        for fact in self._behind(rule.of):
            if fact.entity == rule.entity and isinstance(self.types.of(fact, {}), Number):
                self.found.graded[fact.entity, fact.name] = binding

    def _behind(self, expr: ir.Expr) -> Iterator[ir.Fact]:
        """The facts that an expression, or the value of an outcome in it, is made of."""
        for node in nodes(expr):
            if isinstance(node, ir.Fact):
                yield node
            elif isinstance(node, ir.Outcome):
                rule = self.rules[node.rule]
                if isinstance(rule, ir.Choice):
                    for clause in rule.clauses:
                        yield from self._behind(inline(clause.value, inlined_lets(rule)))

    def _proportions(self, rule: ir.Choice) -> None:
        for node in nodes(tuple(clause.value for clause in rule.clauses)):
            match node:
                case ir.Arith(op="/", left=ir.Fact() as part, right=ir.Fact() as whole):
                    if part.entity == whole.entity:
                        self.found.proportions.add((part.entity, part.name, whole.name))

    def _value(self, constant: ir.Expr) -> Value:
        value = prepare(constant, self.context)(NOWHERE)
        assert not isinstance(value, Unknown)
        return value

    def _group(self, fact: ir.Fact, values: Value) -> None:
        known = self.found.groups.setdefault((fact.entity, fact.name), [])
        if isinstance(values, frozenset) and values not in known:
            known.append(values)

    def _add(self, fact: ir.Fact, value: Value) -> None:
        known = self.found.values.setdefault((fact.entity, fact.name), [])
        for one in sorted(value) if isinstance(value, frozenset) else (value,):
            if one not in known and within(one, self.types.of(fact, {})):
                known.append(one)


def _facts(expr: ir.Expr) -> Iterator[ir.Fact]:
    return (node for node in nodes(expr) if isinstance(node, ir.Fact))


def _around(value: Value, type_: Type, wanted: Type) -> Iterator[Value]:
    """The values of a fact's type at a figure and one step beside it. A share of two counts is met
    by its own numerator and denominator."""
    if isinstance(value, datetime.date) and isinstance(wanted, Date):
        for days in (-1, 0, 1):
            yield value + datetime.timedelta(days)
    if not (isinstance(value, Fraction) and isinstance(type_, Number | Date)):
        return
    if isinstance(wanted, Number) and isinstance(type_, Number):
        step = smallest_step(wanted)
        if wanted.unit == type_.unit:
            places = len(str(step.denominator)) - 1
            value = round_to(value, places, "down") if wanted.scale is not None else value
            yield from (value - step, value, value + step)
        elif type_.unit in ("percent", "ratio") and wanted.unit == "count" and 0 < value < 1:
            for whole in (value.numerator, value.denominator):
                yield from (Fraction(whole - 1), Fraction(whole), Fraction(whole + 1))
