"""Cases moved to where computed numbers turn outcomes: a score at a threshold, a sum at a limit, a
value half-way between two that rounding gives.

Where a fact itself is compared with a figure, generated facts are at it already. A number that is
computed is moved by one fact that it depends on: how much it moves with the fact is tried out, and
the fact is set to where it comes to the figure, or one step beside that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import gcd, lcm
from random import Random

from finalrule.core import ir
from finalrule.core.expressions import Frame, Run, places_of, prepare
from finalrule.core.walk import nodes
from finalrule.diagnostics import Failure
from finalrule.evaluate.aim import Aim
from finalrule.evaluate.generate import GENERATED, Generator
from finalrule.evaluate.lets import is_constant
from finalrule.evaluate.scalar import Evaluation, Evaluator
from finalrule.evaluate.thresholds import FactName, smallest_step
from finalrule.evaluate.types import Types
from finalrule.facts.case import Case, Given, Record
from finalrule.values import LARGEST_DENOMINATOR, Number, Value, within

_SCORE = "final_score"
# What is tried with a generated case, and how often in a hundred: with one that is alone, and with
# the first one of a family, of which there are fewer, so that most of these are aimed.
_KINDS = {
    "": (32, 10),  # nothing
    "aim": (38, 66),  # a clause wins, and then a comparison of its rule is where it turns
    "sum": (8, 4),  # much is added up
    "score": (12, 10),  # the final score is at a tie of its rounding
    "tie": (4, 4),  # any number that is rounded is
    "turn": (6, 6),  # any comparison is where it turns
}
# Turns, and facts of the record itself and of others that are tried for a case; steps to a turn.
_TRIES, _OWN, _OTHERS, _STEPS = 3, 8, 3, 3
# How often a case of a rule is one in which something is not known, how often that is to make the
# rule unknown, and how often it is of the record for which the rule was aimed at.
_FORGOTTEN, _DOUBTED, _ITS_OWN = 0.45, 0.6, 0.4


@dataclass(frozen=True, slots=True)
class _Turn:
    """A number of an entity's records, which turns a rule's outcome at zero or, where it is to be
    rounded (`rounding`) to multiples of 1/scale, half-way between two. `rules` are those that it
    reads, `facts` the numbers that it depends on; `by` the rule and the clause that must decide for
    it to matter."""

    rule: str
    entity: str
    number: Run
    rules: tuple[str, ...]
    facts: frozenset[FactName]
    rounding: str = ""
    scale: int = 0
    by: tuple[str, str] | None = None


# Sets the fact, and gives the number that follows.
_Tried = Callable[[Fraction], Fraction | None]


@dataclass(slots=True)
class _Evaluated:
    """A turn's rules evaluated for a case of which facts are moved; `stale` are the rules that are
    to be decided again."""

    evaluation: Evaluation
    frame: Frame
    turn: _Turn
    stale: set[str] = field(default_factory=set)


class Cases:
    """The cases of a program: generated, some of them moved to where a number turns something."""

    def __init__(self, evaluator: Evaluator, generator: Generator) -> None:
        self.evaluator, self.generator, self.aim = evaluator, generator, Aim(evaluator, generator)
        self._types = self.aim.rules.types
        # What cannot be greater than another fact is left as it was made.
        proportions = generator.thresholds.proportions
        self._fixed = {(entity, name) for entity, *pair in proportions for name in pair}
        self._may_be_unknown = {
            (fact.entity, fact.name)
            for fact in evaluator.program.facts
            if fact.presence == "may_be_unknown"
        }
        self._behind: dict[tuple[str, bool], frozenset[FactName]] = {}
        self._dependent: dict[tuple[tuple[str, ...], str, str], frozenset[str]] = {}
        turns = list(self._turns())
        self.ties = [turn for turn in turns if turn.rounding]
        self.score_ties = [turn for turn in self.ties if turn.rounding == _SCORE]
        self.comparisons = [turn for turn in turns if not turn.rounding]
        self.by_rule: dict[str, list[_Turn]] = {}
        for turn in self.comparisons:
            self.by_rule.setdefault(turn.rule, []).append(turn)

    def case(self, seed: str, of_family: bool = False) -> Case:
        """The case of a seed, always the same; the first of a family, or one that is alone."""
        random = Random(f"kind {seed}")
        weights = [often[of_family] for often in _KINDS.values()]
        kind = random.choices(list(_KINDS), weights)[0]
        rule, total = random.choice(self.aim.sums) if self.aim.sums else ("", None)
        several = kind == "sum" and bool(rule) and self._has_no_keys(rule)
        case = self.generator.case(seed, known=bool(kind), several=several)
        match kind:
            case "sum" if total is not None:
                self.aim.summed(case, rule, total, random)
            case "aim" if self.aim.goals:
                goal = random.choice(self.aim.goals)
                record = self.aim.aimed(case, goal, random)
                if record is not None:
                    self._move(case, self.by_rule.get(goal[0], ()), record, random)
            case "score":
                self._move(case, self.score_ties, None, random)
            case "tie":
                self._move(case, self.ties, None, random)
            case "turn":
                self._move(case, self.comparisons, None, random)
        return case

    def of_rule(self, seed: str, rule: str) -> Case:
        """A case in which something of a rule is meant to happen: a clause wins, much is added up,
        a number is where it turns or is rounded, or one thing is not known where all else is."""
        random = Random(f"{rule} {seed}")
        sums = [total for name, total in self.aim.sums if name == rule]
        goals = [goal for goal in self.aim.goals if goal[0] == rule]
        several = self._has_no_keys(rule) and random.random() < 0.5
        case = self.generator.case(f"{rule} {seed}", known=random.random() < 0.7, several=several)
        record = None
        if sums and random.random() < 0.5:
            self.aim.summed(case, rule, random.choice(sums), random)
        if goals and random.random() < 0.7:
            record = self.aim.aimed(case, random.choice(goals), random)
        turns = [turn for turn in (*self.comparisons, *self.ties) if turn.rule == rule]
        if random.random() < 0.5:
            self._move(case, turns, record, random)
        if random.random() < _FORGOTTEN:
            self._forget(case, rule, record, random)
        return case

    def _forget(self, case: Case, rule: str, record: Record | None, random: Random) -> None:
        """Take away one or two facts that a rule depends on: so that it is unknown, or any; most
        often of the record that matters."""
        if random.random() < _DOUBTED and self.aim.doubted(case, rule, record, random):
            return
        facts = self._may_be_unknown & self._facts_behind(rule, numbers=False)
        given = [
            (one, name)
            for one in case.root.walk()
            for name in one.facts
            if (one.entity, name) in facts
        ]
        if random.random() < _ITS_OWN:
            given = [(one, name) for one, name in given if one is record] or given
        for one, name in random.sample(given, min(len(given), random.choice((1, 1, 2)))):
            del one.facts[name]

    def _has_no_keys(self, rule: str) -> bool:
        """Whether a rule is for records that no key tells apart."""
        entity = self.evaluator.rules[rule].entity
        return not self.aim.rules.keys[entity]

    def _move(
        self, case: Case, turns: Sequence[_Turn], record: Record | None, random: Random
    ) -> None:
        """Move a number of a record, of any one where none is given, to where it turns."""
        for _ in range(min(_TRIES, len(turns))):
            turn = random.choice(turns)
            records = [one for one in case.root.walk() if one.entity == turn.entity]
            one = record if record in records else random.choice(records) if records else None
            if one is not None and self._moved(case, turn, one, random):
                return

    # --- what turns --------------------------------------------------------------------------

    def _turns(self) -> Iterator[_Turn]:
        for rule in self.aim.rules.rules.values():
            seen = set()
            for turn in _numbers(rule, self.evaluator.context.roundings, self._types):
                if turn not in seen:
                    seen.add(turn)
                    entity, expr, rounding, by = turn
                    facts = self._facts(expr) - self._fixed
                    read = {node.rule: None for node in nodes(expr) if isinstance(node, ir.Outcome)}
                    if facts:
                        run = prepare(expr, self.evaluator.context)
                        scale = 10 ** places_of(rounding.places, rounding.unit) if rounding else 0
                        name = rounding.name if rounding else ""
                        rules = (*read, by[0]) if by else tuple(read)
                        yield _Turn(rule.name, entity, run, rules, facts, name, scale, by)

    def _facts(self, part: object, numbers: bool = True) -> frozenset[FactName]:
        """The facts behind a rule or an expression; those that are `numbers`, or all."""
        found: set[FactName] = set()
        for node in nodes(part):
            if isinstance(node, ir.Fact):
                if not numbers or isinstance(self._types.of(node, {}), Number):
                    found.add((node.entity, node.name))
            elif isinstance(node, ir.Outcome):
                found |= self._facts_behind(node.rule, numbers)
        return frozenset(found)

    def _facts_behind(self, rule: str, numbers: bool = True) -> frozenset[FactName]:
        key = (rule, numbers)
        if key not in self._behind:
            self._behind[key] = self._facts(self.evaluator.rules[rule], numbers)
        return self._behind[key]

    # --- moving ------------------------------------------------------------------------------

    def _moved(self, case: Case, turn: _Turn, record: Record, random: Random) -> bool:
        """Move one fact so that the record's number turns; False, and all as it was, when none of
        some facts does it."""
        try:
            evaluation = self.evaluator.evaluate(case, turn.rules)
        except Failure:
            return False
        frames = {id(one): frame for frame, one in evaluation.records.items()}
        now = _Evaluated(evaluation, frames[id(record)], turn)
        at = self._number(now)
        if at is None:
            return False
        own: list[tuple[Record, str]] = []
        others: list[tuple[Record, str]] = []
        for one in case.root.walk():
            levers = own if one is record else others
            levers += [(one, name) for name in one.facts if (one.entity, name) in turn.facts]
        chosen = random.sample(own, min(_OWN, len(own)))
        chosen += random.sample(others, min(_OTHERS, len(others)))
        for one, name in chosen:
            before = one.facts[name]
            lever = _Lever(one, name, self._types, frames[id(one)])
            if self._pulled(now, at, lever, random):
                return True
            lever.put(before)
            now.stale |= self._depending(now, lever)
        return False

    def _pulled(self, now: _Evaluated, at: Fraction, lever: _Lever, random: Random) -> bool:
        """Whether the fact was moved to where the number turns."""

        def tried(value: Fraction) -> Fraction | None:
            lever.set(value)
            now.stale |= self._depending(now, lever)
            return self._number(now)

        if now.turn.rounding:
            return _to_a_tie(lever, tried, at, now.turn.scale, random)
        return _to_zero(lever, tried, at, random)

    def _depending(self, now: _Evaluated, lever: _Lever) -> frozenset[str]:
        """The turn's rules that depend on a fact."""
        key = (now.turn.rules, lever.record.entity, lever.name)
        if key not in self._dependent:
            self._dependent[key] = frozenset(
                rule
                for rule in self.evaluator.needed(now.turn.rules, {})
                if key[1:] in self._facts_behind(rule)
            )
        return self._dependent[key]

    def _number(self, now: _Evaluated) -> Fraction | None:
        """The record's number; None where it is not determined, or decides nothing."""
        try:
            self.evaluator.again(now.evaluation, now.stale)
        except Failure:
            return None
        now.stale = set()
        if now.turn.by is not None:
            rule, clause = now.turn.by
            if now.evaluation.decision(rule, now.frame).winner != clause:
                return None
        value = now.turn.number(now.frame)
        return value if isinstance(value, Fraction) else None


def _to_zero(lever: _Lever, tried: _Tried, at: Fraction, random: Random) -> bool:
    """To where the number is zero or one step beside: along the line through its last two values,
    again and again where it is no line."""
    was, at_was, now = lever.value, at, lever.another(random)
    at_now = tried(now)
    for _ in range(_STEPS):
        if at_now is None or at_now == at_was:
            return False
        slope = (at_now - at_was) / (now - was)
        there = lever.fitting(now - at_now / slope)
        if there is None or there == now:
            return False
        was, at_was, now, at_now = now, at_now, there, tried(there)
        if at_now is not None and abs(at_now) <= abs(slope) * lever.step:
            beside = lever.fitting(now + random.choice((-1, 0, 0, 1)) * lever.step)
            if beside is None or tried(beside) is None:
                lever.set(now)
            return True
    return False


def _to_a_tie(lever: _Lever, tried: _Tried, at: Fraction, scale: int, random: Random) -> bool:
    """To where the number is half-way between two multiples of 1/scale: from where it is, or from
    another value where that does not move it."""
    now, at_now = lever.value, at
    for other in (lever.another(random), None):
        near = lever.fitting(now + 1000 * lever.step)
        at_near = tried(near) if near is not None else None
        if near is not None and at_near is not None and at_near != at_now:
            there = lever.tie(near, at_near, (at_near - at_now) / (near - now), scale)
            found = tried(there) if there is not None else None
            return found is not None and (found * scale).denominator == 2
        if other is not None:
            moved = tried(other)
            if moved is None:
                return False
            now, at_now = other, moved
    return False


class _Lever:
    """A fact of a record that is a number, to be moved within its type."""

    def __init__(self, record: Record, name: str, types: Types, frame: Frame) -> None:
        self.record, self.name, self.frame = record, name, frame
        type_ = types.facts[record.entity, name]
        assert isinstance(type_, Number)
        self.type = type_
        self.step = smallest_step(type_)

    @property
    def value(self) -> Fraction:
        value = self.record.facts[self.name].value
        assert isinstance(value, Fraction)
        return value

    def set(self, value: Value) -> None:
        self.put(Given(value, GENERATED))

    def put(self, given: Given) -> None:
        self.record.facts[self.name] = given
        self.frame.facts[self.name] = given.value

    def another(self, random: Random) -> Fraction:
        """Another value: near, far, or a small one."""
        low, high = self.type.low, self.type.high
        small = low + (high - low) * Fraction(
            random.randrange(1, 100), 10 ** random.randrange(2, 6)
        )
        tried = [small, self.value + (high - low) / 1000, self.value + self.step]
        random.shuffle(tried)
        for one in (*tried, self.value - self.step):
            found = self.fitting(one)
            if found is not None and found != self.value:
                return found
        return self.value

    def fitting(self, value: Fraction) -> Fraction | None:
        """The value of the type next to a number; None where it is outside."""
        if self.type.scale is None:
            value = value.limit_denominator(LARGEST_DENOMINATOR)
        else:
            value = round(value / self.step) * self.step
        return value if within(value, self.type) else None

    def tie(self, value: Fraction, at: Fraction, slope: Fraction, scale: int) -> Fraction | None:
        """A value with which a number, which is `at` at another one and moves with it by `slope`,
        is half-way between two multiples of 1/scale; None where there is none near."""
        if self.type.scale is None:
            half = Fraction(2 * int(at * scale) + 1, 2 * scale)
            return self.fitting(value + (half - at) / slope)
        # at * scale - 1/2 + n * slope * step * scale is to be a whole number.
        first, each = at * scale - Fraction(1, 2), slope * self.step * scale
        below = lcm(first.denominator, each.denominator)
        a, b = int(first * below), int(each * below)
        shared = gcd(b, below)
        if a % shared:
            return None
        period = below // shared
        n = -(a // shared) * pow(b // shared, -1, period) % period if period > 1 else 0
        found = (value + one * self.step for one in (n, n - period))
        return next((one for one in found if within(one, self.type)), None)


_Number = tuple[str, ir.Expr, ir.Rounding | None, tuple[str, str] | None]


def _numbers(
    rule: ir.AnyRule, roundings: Mapping[str, ir.Rounding], types: Types
) -> Iterator[_Number]:
    """What turns in a rule without lets: the entity that has it, the number, how it is rounded if
    it is, and what then must decide."""
    inside: dict[int, str] = {}
    for node in nodes(rule):
        if isinstance(node, ir.Aggregate):
            inside.update((id(one), node.entity) for one in nodes((node.item, node.where)))
    for node in nodes(rule):
        entity = inside.get(id(node), rule.entity)
        match node:
            case ir.Compare(left=left, right=right):
                yield from _between(entity, left, right, types)
            case ir.Extreme(items=(first, *rest)):
                for one in rest:
                    yield from _between(entity, first, one, types)
    if isinstance(rule, ir.Choice):
        for clause in rule.clauses:
            for node in nodes(clause.value):
                if isinstance(node, ir.Round) and not is_constant(node.item):
                    decides = (rule.name, clause.name)
                    yield rule.entity, node.item, roundings[node.rounding], decides
    if isinstance(rule, ir.Curve):
        for piece in rule.pieces:
            yield from _between(rule.entity, rule.of, piece.low, types)


def _between(entity: str, left: ir.Expr, right: ir.Expr, types: Types) -> Iterator[_Number]:
    """The difference of two sides, at least one of which is computed."""
    sides = (left, right)
    if all(isinstance(side, ir.Fact) or is_constant(side) for side in sides):
        return
    if any(isinstance(side, ir.Text) for side in sides):
        return
    if all(isinstance(types.of(side, {}), Number) for side in sides):
        yield entity, ir.Arith("-", left, right, "count"), None, None
