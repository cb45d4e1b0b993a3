"""Conditions made to hold: facts are set as a condition asks, from it back through the outcomes
that it reads to facts.

What is set once stays, so that of several ways one is found that goes together with what was asked
before. Where none is, the condition may not hold: whether it does is for the evaluator to say.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Iterable, Sequence
from fractions import Fraction
from random import Random
from typing import TypeVar

from finalrule.core import ir
from finalrule.core.expressions import Unknown, constant_value, prepare
from finalrule.evaluate.generate import (
    GENERATED,
    INDIVIDUAL,
    ITS_ONLY,
    Generator,
    is_individual,
)
from finalrule.evaluate.lets import inline, inlined_lets, is_constant
from finalrule.evaluate.scalar import Evaluator
from finalrule.evaluate.thresholds import NOWHERE, smallest_step
from finalrule.evaluate.types import Types
from finalrule.facts.case import Given, Record
from finalrule.values import Enumeration, Number, Value, YesNo, within

T = TypeVar("T")

_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
# Conditions on the way from an outcome to facts, and those of one question in all.
_DEEP, _CONDITIONS = 60, 2500
# Records that are added for one, and catalogue records that are tried.
_ADDED, _RECORDS = 30, 20
# How often a code is to be one that a certain other catalogue has.
_LISTED = 0.8


class Rules:
    """A program's rules without lets, and what is known of its facts."""

    def __init__(self, evaluator: Evaluator, generator: Generator) -> None:
        program = evaluator.program
        self.context, self.generator = evaluator.context, generator
        self.types = Types(program)
        self.year = program.performance_year
        self.rules: dict[str, ir.AnyRule] = {
            rule.name: inline(rule, inlined_lets(rule)) for rule in program.rules
        }
        self.facts = {(fact.entity, fact.name): fact for fact in program.facts}
        self.parents = {entity.name: entity.parent for entity in program.entities}
        self.keys = {
            entity.name: tuple(key.name for key in entity.keys) for entity in program.entities
        }

    def constant(self, expr: ir.Expr) -> Value | None:
        """The value of an expression that has one whatever the facts are."""
        if not is_constant(expr):
            return None
        value = prepare(expr, self.context)(NOWHERE)
        return None if isinstance(value, Unknown) else value

    def known(self, entity: str, name: str) -> list[Value]:
        """The values of a fact at which something turns."""
        return self.generator.thresholds.values.get((entity, name), [])


class Asking:
    """One question, of one case. Each step says whether what it was asked for should hold now."""

    def __init__(self, plan: Rules, random: Random) -> None:
        self.plan, self.random = plan, random
        self.held: dict[tuple[Record, str], Given | None] = {}
        self.conditions = self.added = 0

    def one_of(
        self, ways: Iterable[T], done: Callable[[T], bool], first: Callable[[T], bool] | None = None
    ) -> bool:
        """Whether one of several ways goes together with what is held; what those that do not have
        set is undone. Those that are to be tried first are."""
        choices = list(ways)
        self.random.shuffle(choices)
        if first is not None:
            choices.sort(key=first, reverse=True)
        for way in choices:
            before = len(self.held)
            if done(way):
                return True
            while len(self.held) > before:
                (record, name), given = self.held.popitem()
                if given is None:
                    del record.facts[name]
                else:
                    record.facts[name] = given
        return False

    # --- outcomes ------------------------------------------------------------------------------

    def win(self, name: str, winner: str, record: Record, deep: int) -> bool:
        """Make a clause, row or piece decide a rule of a record."""
        rule = self.plan.rules[name]
        match rule:
            case ir.Choice():
                (clause,) = (clause for clause in rule.clauses if clause.name == winner)
                return self.clause(rule, clause, record, deep)
            case ir.Table():
                return self.row(rule, winner, record, deep)
            case ir.Curve():
                (piece,) = (piece for piece in rule.pieces if piece.name == winner)
                low = ">=" if piece.low_included else ">"
                high = "<=" if piece.high_included else "<"
                return self.compare(rule.of, low, piece.low, record, deep) and self.compare(
                    rule.of, high, piece.high, record, deep
                )
            case ir.Select(where=ir.Node() as where):
                each = [record]
                if winner == "passed_over" and record.parent is not None:
                    each = record.parent.children[record.entity]
                want = winner != "not_considered"
                return all(self.make(where, want, one, deep) for one in each)
        return False

    def clause(self, rule: ir.Choice, clause: ir.Clause, record: Record, deep: int) -> bool:
        if clause.when is not None:
            return self.make(clause.when, True, record, deep)
        others = [other.when for other in rule.clauses if other.when is not None]
        return all(self.make(other, False, record, deep) for other in others)

    def row(self, rule: ir.Table, winner: str, record: Record, deep: int) -> bool:
        inside = True
        if rule.where is not None:
            inside = self.make(rule.where, winner != "outside", record, deep)
        lets = inlined_lets(rule)
        return inside and all(
            self.cell(lets[key.name], key, cell, record, deep)
            for row in rule.rows
            if row.name == winner
            for key, cell in zip(rule.given, row.cells, strict=True)
        )

    def cell(self, expr: ir.Expr, key: ir.Key, cell: ir.Cell, record: Record, deep: int) -> bool:
        if cell.equals is not None:
            value = cell.equals == "yes" if isinstance(key.type, YesNo) else cell.equals
            return self.give(expr, value, record, deep)
        done = True
        for op, end in (
            (">=" if cell.low_included else ">", cell.low),
            ("<=" if cell.high_included else "<", cell.high),
        ):
            if end is not None and isinstance(key.type, Number):
                number = ir.Num(end, key.type.unit)
                done = self.compare(expr, op, number, record, deep) and done
        return done

    # --- conditions ----------------------------------------------------------------------------

    def make(self, expr: ir.Expr, want: bool, record: Record, deep: int) -> bool:
        """Make a condition true, or not."""
        deep, self.conditions = deep + 1, self.conditions + 1
        if deep > _DEEP or self.conditions > _CONDITIONS:
            return False
        match expr:
            case ir.Bool(value=value):
                return value is want
            case ir.Logic(op=op, items=items):
                each = want is not (op == "none")
                wanted = {"all": len(items) if want else 1, "at_least": expr.least}.get(
                    op, 1 if each else len(items)
                )
                if op == "at_least" and not want:
                    wanted = len(items) - expr.least + 1
                return self.several(wanted, items, each, record, deep)
            case ir.Compare(left=left, right=right):
                sign = expr.op if want else _OPPOSITE[expr.op]
                return self.compare(left, sign, right, record, deep)
            case ir.In(item=item, values=values):
                listed = self.plan.constant(values)
                assert isinstance(listed, frozenset)
                return self.among(item, sorted(listed), want, record, deep)
            case ir.Fact() | ir.Outcome() | ir.FirstKnown():
                return self.give(expr, want, record, deep)
            case ir.Aggregate(op="any" | "every" as op, where=ir.Node() as where):
                if (op == "any") is want:
                    return self.count(expr, where, 1, want, record, deep)
                return all(self.make(where, want, one, deep) for one in self.below(record, expr))
            case ir.Aggregate(op="any", where=None):
                return bool(self.below(record, expr)) is want
            case ir.Listed(catalogue=catalogue, keys=keys):
                if not want:
                    return self.record(keys, [()], record)
                rows = self.plan.generator.catalogues[catalogue]
                return self.record(keys, rows.fit(self.wanted(keys, record)), record)
        return False

    def below(self, record: Record, expr: ir.Aggregate) -> list[Record]:
        return [one for one in record.walk() if one.entity == expr.entity]

    def count(
        self, expr: ir.Aggregate, where: ir.Expr, wanted: int, each: bool, record: Record, deep: int
    ) -> bool:
        """Make a condition true, or not, for so many records below; more of them where there are
        too few."""
        left = self.below(record, expr)
        for _ in range(wanted):

            def done(one: Record) -> bool:
                made = self.make(where, each, one, deep)
                if made:
                    left.remove(one)
                return made

            if not self.one_of(left, done, lambda one: self.truth(where, one) is each):
                more = self.more(expr.entity, record)
                if more is None or not self.make(where, each, more, deep):
                    return False
        return True

    def more(self, entity: str, above: Record) -> Record | None:
        """Another record; None where there can be none. It stays, whatever becomes of it."""
        parent = self.plan.parents[entity]
        inside = [one for one in above.walk() if one.entity == parent]
        owner = self.random.choice(inside) if inside else self.more(parent, above)
        if owner is None or self.added == _ADDED or not self.plan.keys[entity]:
            return None
        if entity == ITS_ONLY and is_individual(owner):
            return None
        if self.plan.generator.is_full(entity, owner):
            return None
        self.added += 1
        facts = self.plan.generator.facts_of(entity, self.random)
        names = self.plan.keys[entity]
        keys = [facts[name].value for name in names]
        siblings = owner.children.get(entity, [])
        if any([one.facts[name].value for name in names] == keys for one in siblings):
            return None
        return owner.add(entity, facts)

    def wanted(self, keys: Sequence[ir.Expr], record: Record) -> tuple[str | None, ...]:
        """What the keys of a catalogue's record must be: constants, and facts that stay."""
        return tuple(
            key.value if isinstance(key, ir.Text) else
            self.stays(key.entity, key.name, record) if isinstance(key, ir.Fact) else None
            for key in keys
        )  # fmt: skip

    def stays(self, entity: str, name: str, record: Record) -> str | None:
        """A fact that was asked for before."""
        owner = _owner(record, entity)
        if owner is None or (owner, name) not in self.held:
            return None
        return str(owner.facts[name].value)

    def listed_elsewhere(self, key: ir.Expr, record: Record) -> list[Collection[str]]:
        """The codes of a fact with which some of the catalogues that it is a key of have a record,
        given the facts that stay."""
        found: list[Collection[str]] = []
        if isinstance(key, ir.Fact):
            generator = self.plan.generator
            for binding in generator.thresholds.bindings.get(key.entity, ()):
                if key.name in binding.keys and self.random.random() < _LISTED:
                    wanted = tuple(
                        one.value if isinstance(one, ir.Text) else
                        self.stays(key.entity, one, record)
                        for one in binding.keys
                    )  # fmt: skip
                    place = binding.keys.index(key.name)
                    found.append(generator.catalogues[binding.catalogue].codes(wanted, place))
        return found

    def record(
        self, keys: Sequence[ir.Expr], choices: Sequence[Sequence[str]], record: Record
    ) -> bool:
        """Set the facts that are the keys of a catalogue's record to those of one of some, most
        often of one that other catalogues have too; to what is none's where they are empty."""

        def chosen(values: Sequence[str]) -> bool:
            pairs = zip(keys, values or ["OTHER"] * len(keys), strict=True)
            return all(
                self.set(key.entity, key.name, value, record)
                if isinstance(key, ir.Fact)
                else isinstance(key, ir.Text) and key.value == value
                for key, value in pairs
            )

        listed = [self.listed_elsewhere(key, record) for key in keys]
        choices = [
            one for one in choices
            if all(code in codes for code, sets in zip(one, listed, strict=False) for codes in sets)
        ] or choices  # fmt: skip
        few = self.random.sample(list(choices), min(_RECORDS, len(choices)))
        return self.one_of(few, chosen)

    def several(
        self, wanted: int, items: Sequence[ir.Expr], each: bool, record: Record, deep: int
    ) -> bool:
        """Make so many of some conditions true, or not: facts first, they leave no choice."""
        if wanted == len(items):
            ordered = sorted(items, key=lambda item: not isinstance(item, ir.Fact))
            return all(self.make(item, each, record, deep) for item in ordered)
        left = list(items)
        for _ in range(wanted):

            def done(item: ir.Expr) -> bool:
                made = self.make(item, each, record, deep)
                if made:
                    left.remove(item)
                return made

            if not self.one_of(left, done, lambda item: self.truth(item, record) is each):
                return False
        return True

    def truth(self, expr: ir.Expr, record: Record) -> bool | None:
        """What a condition on facts alone is now; None for others."""
        match expr:
            case ir.Logic(op="all" | "any" | "none" as op, items=items):
                truths = [self.truth(item, record) for item in items]
                decisive = op != "all"
                if decisive in truths:
                    return decisive is not (op == "none")
                return None if None in truths else (op in ("all", "none"))
            case ir.Compare(op="==" | "!=" as op, left=left, right=right):
                value, other = self.value(left, record), self.plan.constant(right)
                return None if value is None or other is None else (value == other) is (op == "==")
            case ir.In(item=item, values=values):
                value, listed = self.value(item, record), self.plan.constant(values)
                return value in listed if value and isinstance(listed, frozenset) else None
        found = self.value(expr, record)
        return found if isinstance(found, bool) else None

    def value(self, expr: ir.Expr, record: Record) -> Value | None:
        """The value of a fact now; None for others, and where it is not known."""
        if not isinstance(expr, ir.Fact):
            return None
        owner = _owner(record, expr.entity)
        given = owner.facts.get(expr.name) if owner is not None else None
        return given.value if given is not None else None

    def among(
        self, item: ir.Expr, listed: Sequence[str], want: bool, record: Record, deep: int
    ) -> bool:
        """Make something one of some codes or members, or another one."""
        choices = list(listed)
        if not want:
            type_ = self.plan.types.of(item, {})
            members = type_.members if isinstance(type_, Enumeration) else ("OTHER",)
            choices = [one for one in members if one not in listed]
            now = self.value(item, record)
            if isinstance(now, str) and now not in (*listed, *choices):
                choices.append(now)
        return self.one_of(choices, lambda one: self.give(item, one, record, deep))

    def give(self, expr: ir.Expr, value: Value, record: Record, deep: int) -> bool:
        """Make something that is no number have a value."""
        match expr:
            case ir.Fact(entity=entity, name=name):
                return self.set(entity, name, value, record)
            case ir.FirstKnown(items=(first, *_)):
                return self.give(first, value, record, deep)
            case ir.Lookup(catalogue=catalogue, field=field, keys=keys):
                rows = self.plan.generator.catalogues[catalogue]
                fit = rows.fit(self.wanted(keys, record), field, value)
                return self.record(keys, fit, record)
            case ir.Outcome(rule=name, output=output):
                owner = _owner(record, self.plan.rules[name].entity)
                if owner is None or self.conditions > _CONDITIONS:
                    return False
                return self.outcome(self.plan.rules[name], output, value, owner, deep + 1)
        return isinstance(value, bool) and self.make(expr, value, record, deep)

    def outcome(
        self, rule: ir.AnyRule, output: str, value: Value, record: Record, deep: int
    ) -> bool:
        match rule:
            case ir.Choice(clauses=clauses):
                ways = [
                    clause
                    for clause in clauses
                    if self.plan.constant(clause.value) in (None, value)
                ]

                def decided(clause: ir.Clause) -> bool:
                    return self.clause(rule, clause, record, deep) and (
                        is_constant(clause.value) or self.give(clause.value, value, record, deep)
                    )

                return self.one_of(ways, decided)
            case ir.Table(gives=gives, rows=rows):
                place = next(place for place, key in enumerate(gives) if key.name == output)
                names = [row.name for row in rows if constant_value(row.values[place]) == value]
                return self.one_of(names, lambda name: self.row(rule, name, record, deep))
            case ir.Select():
                winner = "selected" if value else "not_considered"
                return self.win(rule.name, winner, record, deep)
        return False

    # --- numbers -------------------------------------------------------------------------------

    def compare(self, left: ir.Expr, op: str, right: ir.Expr, record: Record, deep: int) -> bool:
        """Make a comparison hold."""
        figure = self.plan.constant(right)
        if figure is None and (mirrored := self.plan.constant(left)) is not None:
            figure, left, right, op = mirrored, right, left, _MIRRORED[op]
        if isinstance(figure, bool):
            return self.give(left, figure is (op == "=="), record, deep)
        if isinstance(figure, str):
            return self.among(left, [figure], op == "==", record, deep)
        if (
            isinstance(left, ir.Aggregate)
            and left.op == "count"
            and left.where is not None
            and isinstance(figure, Fraction)
            and figure <= _ADDED
        ):
            few = {"<": figure - 1, "<=": figure, "!=": figure + 1, ">": figure + 1}
            wanted = int(few.get(op, figure))
            others = len(self.below(record, left)) - wanted
            return self.count(left, left.where, wanted, True, record, deep) and (
                op in (">", ">=")
                or self.count(left, left.where, max(others, 0), False, record, deep)
            )
        if figure is not None:
            met = self.meet(left, op, figure, record)
            if met is not None:
                return met
        if op in ("<", "<=", ">", ">="):
            up = op in (">", ">=")
            self.push(left, up, record, deep)
            self.push(right, not up, record, deep)
        return True

    def meet(self, expr: ir.Expr, op: str, figure: Value, record: Record) -> bool | None:
        """Set the fact that a number or a date is, so that the comparison with a figure holds; None
        where it is no fact."""
        match expr:
            case ir.Convert(item=item) | ir.Round(item=item):
                return self.meet(item, op, figure, record)
            case ir.FirstKnown(items=(first, *_)):
                return self.meet(first, op, figure, record)
            case ir.Fact(entity=entity, name=name):
                type_ = self.plan.facts[entity, name].type
                choices = [*self.plan.known(entity, name), figure]
                if isinstance(type_, Number):
                    choices += [type_.low, type_.high]
                choices = [one for one in choices if _holds(one, op, figure) and within(one, type_)]
                return self.one_of(choices, lambda one: self.set(entity, name, one, record))
        return None

    def push(self, expr: ir.Expr, up: bool, record: Record, deep: int) -> None:
        """Make a number great, or small."""
        deep, self.conditions = deep + 1, self.conditions + 1
        if deep > _DEEP or self.conditions > _CONDITIONS or is_constant(expr):
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
                owner = _owner(record, self.plan.rules[name].entity)
                if owner is not None:
                    self.push_outcome(self.plan.rules[name], up, owner, deep)
            case ir.DaysBetween(first=ir.Fact() as first, second=ir.Fact() as second):
                start = datetime.date(self.plan.year, 1, 1)
                end = datetime.date(self.plan.year, 12, 31) if up else start
                self.set(first.entity, first.name, start, record)
                self.set(second.entity, second.name, end, record)

    def push_outcome(self, rule: ir.AnyRule, up: bool, record: Record, deep: int) -> None:
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
        """One of the greatest values of a fact that rules know of, or of its type; or the least."""
        type_ = self.plan.facts[entity, name].type
        assert isinstance(type_, Number)
        numbers = [one for one in self.plan.known(entity, name) if isinstance(one, Fraction)]
        choices = [type_.high if up else type_.low]
        if numbers:
            end, step = max(numbers) if up else min(numbers), smallest_step(type_)
            choices += [end, end + step if up else end - step]
        return self.random.choice([one for one in choices if within(one, type_)])

    # --- facts ---------------------------------------------------------------------------------

    def set(self, entity: str, name: str, value: Value, record: Record) -> bool:
        """A fact of the record, or of one above it or referred to. What was asked for before stays,
        and so does what a possible case needs."""
        owner = _owner(record, entity)
        if owner is None:
            return False
        before = owner.facts.get(name)
        if before is not None and before.value == value:
            self.held.setdefault((owner, name), before)
            return True
        if (owner, name) in self.held or not self.possible(owner, name, value):
            return False
        self.held[owner, name] = before
        owner.facts[name] = Given(value, GENERATED)
        return True

    def possible(self, record: Record, name: str, value: Value) -> bool:
        """Whether a record may have the fact: it is of its type, keys tell records apart, an
        individual is one clinician, a part is not greater than its whole."""
        entity = record.entity
        if not within(value, self.plan.facts[entity, name].type):
            return False
        if (entity, name, value) == INDIVIDUAL and len(record.children.get(ITS_ONLY, ())) > 1:
            return False
        keys = self.plan.keys[entity]
        if name in keys and record.parent is not None:
            wanted = [value if key == name else record.facts[key].value for key in keys]
            for one in record.parent.children[entity]:
                if one is not record and [one.facts[key].value for key in keys] == wanted:
                    return False
        for part, whole in self.plan.generator.proportions.get(entity, ()):
            if name in (part, whole) and isinstance(value, Fraction):
                other = record.facts.get(whole if name == part else part)
                less, more = (value, other) if name == part else (other, value)
                if other is not None and _number(less) > _number(more):
                    return False
        return True


def _number(value: Value | Given | None) -> Fraction:
    number = value.value if isinstance(value, Given) else value
    assert isinstance(number, Fraction)
    return number


def _owner(record: Record, entity: str) -> Record | None:
    """The record itself, or one of an entity above it or referred to on the way."""
    above: Record | None = record
    while above is not None:
        if above.entity == entity:
            return above
        if above.refers is not None:
            found = _owner(above.refers, entity)
            if found is not None:
                return found
        above = above.parent
    return None


def _holds(value: Value, op: str, figure: Value) -> bool:
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
