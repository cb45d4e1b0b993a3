"""Comparisons of numbers made to hold: a number is brought to a figure by one of the facts that it
comes from, what the others are being given; or else it is made as great, or as small, as it can be.
"""

from __future__ import annotations

import datetime
from abc import ABC, abstractmethod
from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor
from random import Random

from finalrule.core import ir
from finalrule.core.expressions import Known, constant_value
from finalrule.evaluate.change import ADDED, Changing, Rules
from finalrule.evaluate.lets import is_constant
from finalrule.evaluate.thresholds import smallest_step
from finalrule.facts.case import Record
from finalrule.values import Date, Number, Value, within

# Conditions on the way from an outcome to facts, and those of one question in all.
DEEP, CONDITIONS = 60, 2500
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
# How often a number is made extreme at once, and one is brought to the figure itself.
_EXTREME, _NEAREST = 0.15, 0.8
_DIVISORS = (Fraction(1), Fraction(100), Fraction(1000))


class Reaching(Changing, ABC):
    """What a question asks of numbers. What it asks of conditions and rules on the way is for a
    subclass: each method says whether what was asked for should hold now."""

    def __init__(self, plan: Rules, root: Record, random: Random) -> None:
        super().__init__(plan, root, random)
        self.conditions = 0

    @abstractmethod
    def make(self, expr: ir.Expr, want: bool, record: Record, deep: int) -> bool: ...

    @abstractmethod
    def clause(self, rule: ir.Choice, clause: ir.Clause, record: Record, deep: int) -> bool: ...

    @abstractmethod
    def row(self, rule: ir.Table, winner: str, record: Record, deep: int) -> bool: ...

    @abstractmethod
    def count(
        self, expr: ir.Aggregate, where: ir.Expr, wanted: int, each: bool, record: Record, deep: int
    ) -> bool: ...

    def numbers(self, left: ir.Expr, op: str, right: ir.Expr, record: Record, deep: int) -> bool:
        """Make a comparison of numbers hold, at least one of which comes from several facts."""
        signs = ("<", ">") if op == "!=" else (op,)
        ways = [
            way for sign in signs for way in ((left, sign, right), (right, MIRRORED[sign], left))
        ]

        def reached(way: tuple[ir.Expr, str, ir.Expr]) -> bool:
            expr, sign, other = way
            figure = self.now.value(other, record)
            if not isinstance(figure, Fraction) or is_constant(expr):
                return False
            return self.reach(expr, sign, figure, record, deep) and holds(
                self.now.value(expr, record), sign, self.now.value(other, record)
            )

        if self.random.random() >= _EXTREME and self.one_of(ways, reached):
            return True
        if op in ("<", "<=", ">", ">="):
            up = op in (">", ">=")
            self.push(left, up, record, deep)
            self.push(right, not up, record, deep)
        return True

    # --- to a figure ---------------------------------------------------------------------------

    def reach(self, expr: ir.Expr, op: str, figure: Fraction, record: Record, deep: int) -> bool:
        """Bring a number to where the comparison with a figure holds, as near to it as it goes."""
        deep, self.conditions = deep + 1, self.conditions + 1
        if deep > DEEP or self.conditions > CONDITIONS:
            return False
        if is_constant(expr):
            return holds(self.plan.constant(expr), op, figure)
        match expr:
            case ir.Fact():
                return self.near(expr, op, figure, record)
            case ir.Convert(item=item) | ir.Round(item=item):
                return self.reach(item, op, figure, record, deep)
            case ir.Negate(item=item):
                return self.reach(item, MIRRORED[op], -figure, record, deep)
            case ir.FirstKnown(items=items):
                known = [one for one in items if isinstance(self.now.value(one, record), Fraction)]
                return self.reach((known or items)[0], op, figure, record, deep)
            case ir.Extreme(op=which, items=items):
                one_does = op in ((">", ">=") if which == "max" else ("<", "<="))

                def brought(item: ir.Expr) -> bool:
                    return self.reach(item, op, figure, record, deep)

                return self.one_of(items, brought) if one_does else all(map(brought, items))
            case ir.Arith():
                return self.one_of((True, False), self._side(expr, op, figure, record, deep))
            case ir.Aggregate(op="sum" | "greatest" | "least" | "average", item=ir.Node() as item):
                return self._over(expr, item, op, figure, record, deep)
            case ir.Aggregate(op="count", where=ir.Node() as where) if figure <= ADDED:
                return self.counted(expr, where, op, figure, record, deep)
            case ir.DaysBetween(second=ir.Fact() as second):
                first = self.now.value(expr.first, record)
                whole = ceil(figure) + (op == ">") if op in (">", ">=", "==") else floor(figure)
                if not isinstance(first, datetime.date) or abs(whole) > 10_000:
                    return False
                day = first + datetime.timedelta(whole - (op == "<" and whole == figure))
                return self.set(second.entity, second.name, day, record)
            case ir.Outcome(rule=name, output=output):
                owner = self.owner(record, self.plan.rules[name].entity)
                if owner is None:
                    return False
                return self._outcome(self.plan.rules[name], output, op, figure, owner, deep)
        return False

    def near(self, fact: ir.Fact, op: str, figure: Fraction, record: Record) -> bool:
        """Set a fact that is a number so that its comparison with a figure holds, most often as
        near to it as the fact's type goes."""
        type_ = self.plan.facts[fact.entity, fact.name].type
        assert isinstance(type_, Number)
        step = smallest_step(type_)
        nearest = (ceil if op in (">", ">=") else floor)(figure / step) * step
        if type_.scale is None and op in ("<=", ">=", "=="):
            nearest = figure
        choices: list[Value] = [nearest, nearest + step, nearest - step, type_.low, type_.high]
        choices += self.plan.known(fact.entity, fact.name)
        fitting = [one for one in choices if holds(one, op, figure) and within(one, type_)]
        first = next(iter(fitting), None) if self.random.random() < _NEAREST else None
        return self.one_of(
            dict.fromkeys(fitting),
            lambda one: self.set(fact.entity, fact.name, one, record),
            lambda one: one == first,
        )

    def counted(
        self, expr: ir.Aggregate, where: ir.Expr, op: str, figure: Fraction, record: Record,
        deep: int,
    ) -> bool:  # fmt: skip
        """Bring the number of records below for which a condition is true to where its comparison
        with a figure holds."""
        fewest = floor(figure) + 1
        wanted = {"<": ceil(figure) - 1, "<=": floor(figure), ">": fewest, "!=": fewest}.get(
            op, ceil(figure)
        )
        if wanted < 0:  # where it is not more than that, it is less than none
            return op in (">", ">=", "!=")
        if not self.count(expr, where, wanted, True, record, deep):
            return False
        others = len(self.below(record, expr)) - wanted
        return op in (">", ">=") or self.count(expr, where, others, False, record, deep)

    def _side(
        self, expr: ir.Arith, op: str, figure: Fraction, record: Record, deep: int
    ) -> Callable[[bool], bool]:
        """Brings one side of an operation to where its result compares with a figure."""

        def brought(left: bool) -> bool:
            side, other = (expr.left, expr.right) if left else (expr.right, expr.left)
            if is_constant(side):
                return False
            value = self.now.value(other, record)
            if expr.op == "/" and not left and (value == 0 or figure <= 0):
                return False  # whatever it is divided by
            if expr.op in "*/" and not (isinstance(value, Fraction) and value > 0):
                if is_constant(other):
                    return False
                self.reach(other, ">=", self.random.choice(_DIVISORS), record, deep)
                value = self.now.value(other, record)
            if not isinstance(value, Fraction) or (expr.op in "*/" and value <= 0):
                return False
            match expr.op:
                case "+":
                    wanted = figure - value
                case "-":
                    wanted = figure + value if left else value - figure
                case "*":
                    wanted = figure / value
                case "/":
                    wanted = figure * value if left else value / figure
            falls = not left and expr.op in "-/"  # where the side grows
            return self.reach(side, MIRRORED[op] if falls else op, wanted, record, deep)

        return brought

    def _over(
        self, expr: ir.Aggregate, item: ir.Expr, op: str, figure: Fraction, record: Record,
        deep: int,
    ) -> bool:  # fmt: skip
        """Bring what is folded over records to a figure: by one of them, or by all where it takes
        all."""
        where = expr.where

        def counts(one: Record) -> bool:
            return where is None or self.now.value(where, one) is True

        if not any(counts(one) for one in self.below(record, expr)):
            if where is not None:
                self.count(expr, where, 1, True, record, deep)
            else:
                self.more(expr.entity, record)
        there = [one for one in self.below(record, expr) if counts(one)]
        if expr.op in ("greatest", "least"):
            if op in ((">", ">=") if expr.op == "greatest" else ("<", "<=")):
                return self.one_of(there, lambda one: self.reach(item, op, figure, one, deep))
            return all(self.reach(item, op, figure, one, deep) for one in there)
        total = figure * len(there) if expr.op == "average" else figure

        def brought(one: Record) -> bool:
            rest = [self.now.value(item, other) for other in there if other is not one]
            numbers = [value for value in rest if isinstance(value, Fraction)]
            if len(numbers) < len(rest):
                return False
            return self.reach(item, op, total - sum(numbers), one, deep)

        return self.one_of(there, brought)

    def _outcome(
        self, rule: ir.AnyRule, output: str, op: str, figure: Fraction, record: Record, deep: int
    ) -> bool:
        """Bring the number that a rule gives to where its comparison with a figure holds."""
        match rule:
            case ir.Choice(clauses=clauses):
                now = self.now.winner(rule.name, record)

                def decided(clause: ir.Clause) -> bool:
                    if is_constant(clause.value):
                        value = self.plan.constant(clause.value)
                        return holds(value, op, figure) and self.clause(rule, clause, record, deep)
                    return (
                        clause.name == now or self.clause(rule, clause, record, deep)
                    ) and self.reach(clause.value, op, figure, record, deep)

                return self.one_of(clauses, decided, lambda one: one.name == now)
            case ir.Table(gives=gives, rows=rows):
                place = next(place for place, key in enumerate(gives) if key.name == output)
                names = [
                    row.name for row in rows if holds(constant_value(row.values[place]), op, figure)
                ]
                return self.one_of(names, lambda name: self.row(rule, name, record, deep))
            case ir.Curve() | ir.Deciles():
                up = op in (">", ">=")
                self.push(rule.of, up, record, deep)
                return True
        return False

    # --- great or small --------------------------------------------------------------------------

    def push(self, expr: ir.Expr, up: bool, record: Record, deep: int) -> None:
        """Make a number great, or small; a date late, or early."""
        deep, self.conditions = deep + 1, self.conditions + 1
        if deep > DEEP or self.conditions > CONDITIONS or is_constant(expr):
            return
        match expr:
            case ir.Fact(entity=entity, name=name):
                self.set(entity, name, self.end(entity, name, up), record)
            case ir.Convert(item=item) | ir.Round(item=item):
                self.push(item, up, record, deep)
            case ir.Negate(item=item):
                self.push(item, not up, record, deep)
            case ir.Extreme(items=items) | ir.FirstKnown(items=items):
                for item in items:
                    self.push(item, up, record, deep)
            case ir.Arith(op=op, left=left, right=right):
                self.push(left, up, record, deep)
                self.push(right, up if op in "+*" else not up, record, deep)
            case ir.Aggregate(op=op, item=item, where=where):
                if up and op in ("sum", "count"):
                    for _ in range(self.random.choice((0, 1, 8))):
                        self.more(expr.entity, record)
                for one in self.below(record, expr):
                    if where is not None and op in ("sum", "count", "share"):
                        self.make(where, up, one, deep)
                    if item is not None:
                        self.push(item, up, one, deep)
            case ir.Outcome(rule=name):
                owner = self.owner(record, self.plan.rules[name].entity)
                if owner is not None:
                    self.push_outcome(self.plan.rules[name], up, owner, deep)
            case ir.DaysBetween(first=first, second=second):
                self.push(first, False, record, deep)
                self.push(second, up, record, deep)

    def push_outcome(self, rule: ir.AnyRule, up: bool, record: Record, deep: int) -> None:
        """Make the number that a rule gives great, or small."""
        match rule:
            case ir.Choice(clauses=clauses):
                ways: list[tuple[Fraction, ir.Clause]] = []
                for clause in clauses:
                    value = self.plan.constant(clause.value)
                    if isinstance(value, Fraction):
                        ways.append((value if up else -value, clause))
                best = max((value for value, _ in ways), default=Fraction(0))
                chosen = [clause for value, clause in ways if value == best]
                chosen += [clause for clause in clauses if not is_constant(clause.value)]

                def pushed(clause: ir.Clause) -> bool:
                    if self.clause(rule, clause, record, deep):
                        self.push(clause.value, up, record, deep)
                        return True
                    return False

                self.one_of(chosen, pushed)
            case ir.Curve() | ir.Deciles():
                self.push(rule.of, up, record, deep)

    def end(self, entity: str, name: str, up: bool) -> Value:
        """One of the greatest values of a fact that rules know of, or of its type; or the least. Of
        a date the end of the performance year, or its beginning."""
        type_ = self.plan.facts[entity, name].type
        if isinstance(type_, Date):
            return datetime.date(self.plan.year, *((12, 31) if up else (1, 1)))
        assert isinstance(type_, Number)
        numbers = [one for one in self.plan.known(entity, name) if isinstance(one, Fraction)]
        choices = [type_.high if up else type_.low]
        if numbers:
            end, step = max(numbers) if up else min(numbers), smallest_step(type_)
            choices += [end, end + step if up else end - step]
        return self.random.choice([one for one in choices if within(one, type_)])


def holds(value: Known | None, op: str, figure: Known) -> bool:
    """Whether two numbers, or two dates, compare so."""
    less, same = False, value == figure
    if isinstance(value, Fraction) and isinstance(figure, Fraction):
        less = value < figure
    elif isinstance(value, datetime.date) and isinstance(figure, datetime.date):
        less = value.toordinal() < figure.toordinal()
    else:
        return False
    return {
        "<": less, "<=": less or same, ">": not (less or same), ">=": not less,
        "==": same, "!=": not same,
    }[op]  # fmt: skip
