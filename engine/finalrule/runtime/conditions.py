"""Conditions of the core as boxes over whole numbers.

Each condition is worked out for four questions: is it surely true, surely false, possibly true,
possibly false? Possibly means that it may turn out so once unknown facts are known. All four have
only tests that hold of facts that are there, none that hold of facts that are not.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from typing import Any, assert_never

from finalrule.core import ir
from finalrule.core.expressions import Context, Frame, Unknown, prepare
from finalrule.core.walk import nodes
from finalrule.evaluate.lets import inline, inlined_lets, is_constant
from finalrule.evaluate.types import Types
from finalrule.runtime.boxes import (
    ALWAYS,
    NEVER,
    Alternatives,
    Numbers,
    at_least,
    both,
    either,
    intersection,
    of_codes,
    union,
    within,
)  # fmt: skip
from finalrule.runtime.coding import Coding, OutsideSubset, coding_of
from finalrule.values import YES_NO, Code, Date, Enumeration, Number, Value, YesNo, show


@dataclass(frozen=True, slots=True)
class Input:
    """What rules test of a record: a number named `name`.

    `source` says where it comes from: a fact, another rule's outcome (`concluded`: by the rulesets
    themselves) or an expression that is computed before. `before` holds of what is computed before.
    """

    name: str
    coding: Coding
    source: ir.Expr
    concluded: bool = False
    before: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """One way in which a determination can end: the clause or row, and its values by output."""

    winner: str
    values: Mapping[str, Value]


@dataclass
class Conditions:
    """The conditions of a program's rules, one rule after the other in dependency order.

    `results` holds the determinations so far: a conclusion's number is the place of its result from
    1 on; 0 is undetermined. `tests` counts what is tested: by rule, input and numbers. `unmet` are
    aggregates of which it is known that they are never true.
    """

    program: ir.Program
    results: dict[str, tuple[Result, ...]] = field(default_factory=dict)
    inputs: dict[str, Input] = field(default_factory=dict)
    tests: dict[tuple[str, str, Numbers], bool] = field(default_factory=dict)
    unmet: set[ir.Expr] = field(default_factory=set)
    _computed: dict[tuple[str, ir.Expr], str] = field(default_factory=dict)
    _memo: dict[tuple[int, bool, bool], Alternatives] = field(default_factory=dict)
    _rule: ir.AnyRule | None = None
    _inlined: list[ir.Expr] = field(default_factory=list)
    _lets: dict[str, ir.Expr] = field(default_factory=dict)
    _codes: dict[ir.Node, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.types = Types(self.program)
        self.context = Context(
            {parameter.name: parameter for parameter in self.program.parameters},
            {rounding.name: rounding for rounding in self.program.roundings},
            entities={rule.name: rule.entity for rule in self.program.rules},
        )
        for rule in self.program.rules:
            self._name_codes(rule)

    def begin(self, rule: ir.AnyRule) -> None:
        """The rule whose conditions are asked for next."""
        self._rule, self._memo, self._inlined = rule, {}, []
        self._lets = inlined_lets(rule)

    def used(self, condition: Alternatives) -> dict[str, Input]:
        """The inputs that a condition tests."""
        return {name: self.inputs[name] for box in condition for name in box}

    # --- conditions ----------------------------------------------------------------------------

    def surely(self, expr: ir.Expr) -> Alternatives:
        """When the condition is true, whatever the unknown facts are. Raises OutsideSubset and
        TooManyBoxes, as all that follow."""
        return self._holds(self._plain(expr), True, True)

    def surely_not(self, expr: ir.Expr) -> Alternatives:
        """When the condition is false, whatever the unknown facts are."""
        return self._holds(self._plain(expr), False, True)

    def is_member(self, expr: ir.Expr, member: str) -> Alternatives:
        """When an expression is surely this member of its enumeration."""
        return self.surely(ir.In(expr, ir.CodeSet((member,))))

    def cell(self, column: ir.Key, cell: ir.Cell) -> Alternatives:
        """When a table's column surely meets a cell's test."""
        item: ir.Expr = ir.Let(column.name)
        if cell.equals is not None:
            if isinstance(column.type, YesNo):
                return self.surely(item) if cell.equals == "yes" else self.surely_not(item)
            return self.is_member(item, cell.equals)
        unit = column.type.unit if isinstance(column.type, Number) else "ratio"
        ends: list[ir.Expr] = []
        if cell.low is not None:
            op = ">=" if cell.low_included else ">"
            ends.append(ir.Compare(op, item, ir.Num(cell.low, unit)))  # type: ignore[arg-type]
        if cell.high is not None:
            op = "<=" if cell.high_included else "<"
            ends.append(ir.Compare(op, item, ir.Num(cell.high, unit)))  # type: ignore[arg-type]
        return both(*(self.surely(end) for end in ends))

    def _plain(self, expr: ir.Expr) -> ir.Expr:
        found: ir.Expr = inline(expr, self._lets)
        self._inlined.append(found)  # kept alive: the memo goes by identity
        return found

    def _holds(self, expr: ir.Expr, want: bool, surely: bool) -> Alternatives:
        key = (id(expr), want, surely)
        found = self._memo.get(key)
        if found is None:
            found = self._memo[key] = self._condition(expr, want, surely)
        return found

    def _condition(self, expr: ir.Expr, want: bool, surely: bool) -> Alternatives:
        match expr:
            case ir.Bool(value=value):
                return ALWAYS if value is want else NEVER
            case ir.Logic():
                return self._logic(expr, want, surely)
            case ir.FirstKnown(items=items):
                return self._first_known(items, want, surely)
            case ir.In(item=item, values=values):
                members = self._constant(values)
                assert isinstance(members, frozenset)
                return self._member(expr, item, members, want, surely)
            case ir.Compare():
                return self._compare(expr, want, surely)
            case ir.Param():
                return ALWAYS if self._constant(expr) is want else NEVER
            case ir.Fact() | ir.Outcome():
                return self._test(expr, frozenset((True,)), want, surely)
            case ir.Aggregate() if want and surely and expr in self.unmet:
                return NEVER
            case ir.Lookup() | ir.Listed() | ir.Aggregate():
                return self._before(expr, want, surely)
            case (
                ir.Num() | ir.Text() | ir.Day() | ir.CodeSet() | ir.Let() | ir.Arith()
                | ir.Negate() | ir.Extreme() | ir.Round() | ir.Convert() | ir.DaysBetween()
            ):  # fmt: skip
                raise TypeError(f"no condition: {expr}")
        assert_never(expr)

    def _logic(self, expr: ir.Logic, want: bool, surely: bool) -> Alternatives:
        count = len(expr.items)
        least = {"all": count, "any": 1, "none": 1, "at_least": expr.least}[expr.op]
        if expr.op == "none":
            want = not want
        # Enough items are true, or so many false that enough cannot be true.
        needed = least if want else count - least + 1
        return at_least(needed, [self._holds(item, want, surely) for item in expr.items])

    def _first_known(self, items: tuple[ir.Expr, ...], want: bool, surely: bool) -> Alternatives:
        first, *rest = items
        if not rest:
            return self._holds(first, want, surely)
        unknown = both(self._holds(first, True, False), self._holds(first, False, False))
        later = self._first_known(tuple(rest), want, surely)
        return either(self._holds(first, want, True), both(unknown, later))

    def _member(
        self, expr: ir.In, item: ir.Expr, members: frozenset[str], want: bool, surely: bool
    ) -> Alternatives:
        values = ir.CodeSet(tuple(sorted(members)))
        match item:
            case ir.Text(value=text):
                return ALWAYS if (text in members) is want else NEVER
            case ir.FirstKnown(items=items):
                tests = tuple(ir.In(one, values) for one in items)
                self._inlined.extend(tests)
                return self._first_known(tests, want, surely)
            case ir.Fact() | ir.Outcome():
                return self._test(item, members, want, surely)
            case ir.Lookup() if isinstance(self.types.of(item, {}), Enumeration):
                return self._test(item, members, want, surely)
        return self._before(expr, want, surely)

    def _compare(self, expr: ir.Compare, want: bool, surely: bool) -> Alternatives:
        op, left, right = expr.op, expr.left, expr.right
        if is_constant(left) and not is_constant(right):
            turned = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
            op, left, right = turned[op], right, left  # type: ignore[assignment]
        if is_constant(left):
            return ALWAYS if prepare(expr, self.context)(_NOWHERE) is want else NEVER
        if not is_constant(right) or not isinstance(left, ir.Fact | ir.Outcome):
            return self._before(expr, want, surely)
        constant, type_ = self._constant(right), self.types.of(left, {})
        if isinstance(type_, Number | Date):
            if isinstance(left, ir.Outcome) or (isinstance(type_, Number) and type_.scale is None):
                return self._before(expr, want, surely)
            assert isinstance(left, ir.Fact)
            made = self._fact(left)
            return self._literal(made, _numbers(op, constant, made.coding), want, surely)
        return self._test(left, frozenset((constant,)), want is (op == "=="), surely)

    # --- inputs --------------------------------------------------------------------------------

    def _test(
        self, item: ir.Expr, values: frozenset[Any], want: bool, surely: bool
    ) -> Alternatives:
        """A fact, an outcome or a looked-up field is one of the values."""
        if isinstance(item, ir.Outcome) and item.rule in self.results:
            return self._conclusion(item, values, want, surely)
        match item:
            case ir.Fact():
                made = self._fact(item)
            case ir.Outcome(rule=rule, output=output):
                name = f"{rule}__{output}" if output else rule
                coding = coding_of(self.types.of(item, {}), self._codes.get(item, ()))
                made = self._input(Input(name, coding, item, before=True))
            case _:
                made = self._computed_input(item, coding_of(self.types.of(item, {})))
        if isinstance(made.coding.type, Enumeration):
            values = values.intersection(made.coding.members)
        elif isinstance(made.coding.type, Code):
            assert values.issubset(made.coding.members), "every code that rules name has a number"
        numbers = of_codes(map(made.coding.coder(), values))
        return self._literal(made, numbers, want, surely)

    def _conclusion(
        self, item: ir.Outcome, values: frozenset[Any], want: bool, surely: bool
    ) -> Alternatives:
        results = self.results[item.rule]
        ends = tuple(f"{result.winner}: {_shown(result)}" for result in results)
        coding = Coding(Enumeration(ends), 0, len(ends), members=ends)
        made = self._input(Input(item.rule, coding, ir.Outcome(item.rule), concluded=True))
        numbers = of_codes(
            place for place, result in enumerate(results, 1) if result.values[item.output] in values
        )
        return self._literal(made, numbers, want, surely)

    def _fact(self, item: ir.Fact) -> Input:
        try:
            coding = coding_of(self.types.of(item, {}), self._codes.get(item, ()))
        except OutsideSubset as why:
            raise OutsideSubset(f"fact {item.entity}.{item.name}: {why}") from None
        return self._input(Input(f"{item.entity}__{item.name}", coding, item))

    def _before(self, expr: ir.Expr, want: bool, surely: bool) -> Alternatives:
        """A yes or no that is computed before."""
        made = self._computed_input(expr, coding_of(YES_NO))
        return self._literal(made, ((2, 2),), want, surely)

    def _computed_input(self, expr: ir.Expr, coding: Coding) -> Input:
        assert self._rule is not None
        key = (self._rule.entity, expr)
        name = self._computed.get(key)
        if name is None:
            lets = {value: let for let, value in self._lets.items()}
            name = f"{self._rule.name}__{lets.get(expr, f'condition_{len(self._computed) + 1}')}"
            while name in self.inputs:
                name += "_"
            self._computed[key] = name
        return self._input(Input(name, coding, expr, before=True))

    def _input(self, made: Input) -> Input:
        return self.inputs.setdefault(made.name, made)

    def _literal(self, made: Input, true: Numbers, want: bool, surely: bool) -> Alternatives:
        assert self._rule is not None
        low, high = made.coding.low, made.coding.high
        known: Numbers = ((low + 1, high),)
        true = intersection(true, known)
        self.tests[self._rule.name, made.name, true] = made.before
        numbers = true if want else _without(known, true)
        if not surely:
            numbers = union(numbers, ((low, low),))
        if not numbers:
            return NEVER
        return ALWAYS if within(((low, high),), numbers) else ({made.name: numbers},)

    # --- constants -------------------------------------------------------------------------------

    def _constant(self, expr: ir.Expr) -> Value:
        value = prepare(expr, self.context)(_NOWHERE)
        assert not isinstance(value, Unknown)
        return value

    def _name_codes(self, rule: ir.AnyRule) -> None:
        """Note each code that a rule compares a fact or an outcome with."""
        for node in nodes(inline(rule, inlined_lets(rule))):
            match node:
                case ir.In(item=item, values=values):
                    self._name(item, self._constant(values))
                case ir.Compare(left=left, right=right):
                    for item, other in ((left, right), (right, left)):
                        if is_constant(other):
                            self._name(item, self._constant(other))

    def _name(self, tested: ir.Expr, named: Value) -> None:
        codes = named if isinstance(named, frozenset) else {named}
        for item in nodes(tested):
            known = self._codes.get(item, ())
            new = sorted(code for code in codes if isinstance(code, str) and code not in known)
            self._codes[item] = (*known, *new)


def _shown(result: Result) -> str:
    return ", ".join(show(value, YES_NO) for value in result.values.values())


_NOWHERE = Frame("", (), {}, None)


def _without(numbers: Numbers, taken: Numbers) -> Numbers:
    ((low, high),) = numbers
    left = []
    for start, end in taken:
        if low < start:
            left.append((low, start - 1))
        low = end + 1
    if low <= high:
        left.append((low, high))
    return tuple(left)


def _numbers(op: str, constant: Value, coding: Coding) -> Numbers:
    """The numbers of a coding that stand so to a constant."""
    if isinstance(constant, datetime.date):
        limit = Fraction(constant.toordinal())
    else:
        assert isinstance(constant, Fraction)
        limit = constant * coding.factor
    low, high = coding.low + 1, coding.high
    match op:
        case "<":
            found: Numbers = ((low, ceil(limit) - 1),)
        case "<=":
            found = ((low, floor(limit)),)
        case ">":
            found = ((floor(limit) + 1, high),)
        case ">=":
            found = ((ceil(limit), high),)
        case "==":
            found = ((limit.numerator, limit.numerator),) if limit.denominator == 1 else ()
        case _:
            same: Numbers = ((limit.numerator, limit.numerator),)
            found = _without(((low, high),), intersection(same, ((low, high),)))
            if limit.denominator != 1:
                found = ((low, high),)
    return tuple((start, end) for start, end in found if start <= end)
