"""Facts, references and records of a case changed step by step: what was asked for once stays, what
led nowhere is undone, and the case remains a possible one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from random import Random
from typing import TypeVar

from finalrule.core import ir
from finalrule.core.expressions import Unknown, constant_value, prepare
from finalrule.core.walk import nodes
from finalrule.evaluate.generate import (
    GENERATED,
    INDIVIDUAL,
    ITS_ONLY,
    Generator,
    is_individual,
)
from finalrule.evaluate.lets import inline, inlined_lets, is_constant
from finalrule.evaluate.now import Now, Readers
from finalrule.evaluate.scalar import Evaluator
from finalrule.evaluate.thresholds import NOWHERE
from finalrule.evaluate.types import Types
from finalrule.facts.case import Given, Record
from finalrule.values import LARGEST_DENOMINATOR, Number, Value, within

T = TypeVar("T")

# Records that are added for one question, and how often a new one refers to another new one.
ADDED, _NEW = 30, 0.4


class Rules:
    """A program's rules without lets, and what is known of its facts."""

    def __init__(self, evaluator: Evaluator, generator: Generator) -> None:
        program = evaluator.program
        self.context, self.generator = evaluator.context, generator
        self.readers, self.readable = Readers(evaluator), evaluator.readable
        self.types = Types(program)
        self.year = program.performance_year
        self.rules: dict[str, ir.AnyRule] = {
            rule.name: inline(rule, inlined_lets(rule)) for rule in program.rules
        }
        self.lets = {name: inlined_lets(rule) for name, rule in self.rules.items()}
        self.facts = {(fact.entity, fact.name): fact for fact in program.facts}
        self.parents = {entity.name: entity.parent for entity in program.entities}
        self.refers = {entity.name: entity.refers for entity in program.entities}
        self.keys = {
            entity.name: tuple(key.name for key in entity.keys) for entity in program.entities
        }
        self.doubtful = self._doubtful()
        # By the identity of an expression, which stays there.
        self._constants: dict[int, tuple[ir.Expr, Value | None]] = {}
        self._named: dict[int, tuple[ir.Expr, tuple[ir.Fact, ...]]] = {}

    def _doubtful(self) -> frozenset[str]:
        """The rules that a fact which may be unknown stands behind."""
        found: set[str] = set()
        for name, rule in self.rules.items():
            for node in nodes(rule):
                if isinstance(node, ir.Fact):
                    if self.facts[node.entity, node.name].presence == "may_be_unknown":
                        found.add(name)
                elif isinstance(node, ir.Outcome) and node.rule in found:
                    found.add(name)
        return frozenset(found)

    def constant(self, expr: ir.Expr) -> Value | None:
        """The value of an expression that has one whatever the facts are."""
        if isinstance(expr, ir.Num | ir.Bool | ir.Text | ir.Day | ir.CodeSet):
            return constant_value(expr)
        known = self._constants.get(id(expr))
        if known is None:
            value = prepare(expr, self.context)(NOWHERE) if is_constant(expr) else None
            found = None if isinstance(value, Unknown) else value
            known = self._constants[id(expr)] = (expr, found)
        return known[1]

    def named(self, expr: ir.Expr) -> tuple[ir.Fact, ...]:
        """The facts that an expression names itself, outside what it adds up or counts."""
        known = self._named.get(id(expr))
        if known is None:
            inside = {
                id(one)
                for node in nodes(expr)
                if isinstance(node, ir.Aggregate)
                for one in nodes((node.item, node.where))
            }
            facts = [one for one in nodes(expr) if isinstance(one, ir.Fact)]
            found = tuple(one for one in facts if id(one) not in inside)
            known = self._named[id(expr)] = (expr, found)
        return known[1]

    def known(self, entity: str, name: str) -> list[Value]:
        """The values of a fact at which something turns."""
        return self.generator.thresholds.values.get((entity, name), [])

    def possible(self, record: Record, name: str, value: Value) -> bool:
        """Whether a record may have the fact: it is of its type and a table can give it, keys tell
        records apart, an individual is one clinician, a part is not greater than its whole."""
        entity = record.entity
        type_ = self.facts[entity, name].type
        if not within(value, type_):
            return False
        if isinstance(type_, Number) and type_.scale is None:
            assert isinstance(value, Fraction)
            if value.denominator > LARGEST_DENOMINATOR:
                return False
        if (entity, name, value) == INDIVIDUAL and len(record.children.get(ITS_ONLY, ())) > 1:
            return False
        keys = self.keys[entity]
        if name in keys and record.parent is not None:
            wanted = [value if key == name else record.facts[key].value for key in keys]
            for one in record.parent.children[entity]:
                if one is not record and [one.facts[key].value for key in keys] == wanted:
                    return False
        for part, whole in self.generator.proportions.get(entity, ()):
            if name in (part, whole) and isinstance(value, Fraction):
                other = record.facts.get(whole if name == part else part)
                less, more = (value, other) if name == part else (other, value)
                if other is not None and _number(less) > _number(more):
                    return False
        return True


class Changing:
    """The changes of one question to one case."""

    def __init__(self, plan: Rules, root: Record, random: Random) -> None:
        self.plan, self.root, self.random = plan, root, random
        self.now = Now(plan.readers, root)
        # What stays, with what was there before: facts by name, a record's reference by none.
        self.held: dict[tuple[Record, str], Given | Record | None] = {}
        self.added = 0

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
                (record, name), was = self.held.popitem()
                self._put(record, name, was)
        return False

    def _put(self, record: Record, name: str, value: Given | Record | None) -> None:
        if isinstance(value, Given):
            if record.facts.get(name) is not value:
                record.facts[name] = value
                self.now.changed(record, name)
        elif name:
            if record.facts.pop(name, None) is not None:
                self.now.changed(record, name)
        elif record.refers is not value:
            record.refers = value
            self.now.rebuilt()

    def set(self, entity: str, name: str, value: Value, record: Record) -> bool:
        """A fact of the record, or of one above it or referred to. What was asked for before stays,
        and so does what a possible case needs."""
        owner = self.owner(record, entity)
        if owner is None:
            return False
        before = owner.facts.get(name)
        if before is not None and before.value == value:
            self.held.setdefault((owner, name), before)
            return True
        if (owner, name) in self.held or not self.plan.possible(owner, name, value):
            return False
        self.held[owner, name] = before
        self._put(owner, name, Given(value, GENERATED))
        return True

    def hold(self, fact: ir.Fact, record: Record) -> None:
        """Let a fact stay as it is."""
        owner, pointing = _way(record, fact.entity)
        if owner is not None:
            self.held.setdefault((owner, fact.name), owner.facts.get(fact.name))
        for one in pointing:
            self.held.setdefault((one, ""), one.refers)

    def value(self, expr: ir.Expr, record: Record) -> Value | None:
        """The value of a fact now; None for others, and where it is not known."""
        if not isinstance(expr, ir.Fact):
            return None
        owner, _ = _way(record, expr.entity)
        given = owner.facts.get(expr.name) if owner is not None else None
        return given.value if given is not None else None

    def stays(self, entity: str, name: str, record: Record) -> str | None:
        """The value of a fact that was asked for before; None for others, and where it is not known
        and stays so."""
        owner, _ = _way(record, entity)
        given = owner.facts.get(name) if owner is not None else None
        return str(given.value) if given is not None and (owner, name) in self.held else None

    # --- records -------------------------------------------------------------------------------

    def below(self, record: Record, expr: ir.Aggregate) -> list[Record]:
        """The records that an aggregate is over."""
        return [one for one in record.walk() if one.entity == expr.entity]

    def owner(self, record: Record, entity: str) -> Record | None:
        """The record itself, or one of an entity above it or referred to on the way; a reference on
        the way stays, and one that points at none is made to point at a record."""
        owner, pointing = _way(record, entity)
        if owner is None:
            above: Record | None = record
            while above is not None and owner is None:
                target = self.plan.refers[above.entity]
                if target and above.refers is None and entity in self.plan.readable(target):
                    self.point(above, self.target(above))
                    owner, pointing = _way(record, entity)
                above = above.parent
        for one in pointing:
            self.held.setdefault((one, ""), one.refers)
        return owner

    def point(self, record: Record, target: Record | None) -> bool:
        """Make a record refer to another one."""
        if record.refers is not target:
            if target is None or (record, "") in self.held:
                return False
            self.held[record, ""] = record.refers
            self._put(record, "", target)
        return True

    def targets(self, record: Record) -> list[Record | None]:
        """What a record may refer to: what it refers to now and, where that need not stay, another
        record that is there."""
        found = [record.refers]
        if self.plan.refers[record.entity] and (record, "") not in self.held:
            others = [
                one for one in self.root.walk() if one.entity == self.plan.refers[record.entity]
            ]
            found += self.random.sample(others, min(2, len(others)))
        return list(dict.fromkeys(found))

    def target(self, record: Record) -> Record | None:
        """A record that another one may refer to: one that is there, or a new one."""
        entity = self.plan.refers[record.entity]
        there = [one for one in self.root.walk() if one.entity == entity]
        if there and self.random.random() >= _NEW:
            return self.random.choice(there)
        return self.more(entity, self.root) or (self.random.choice(there) if there else None)

    def more(self, entity: str, above: Record) -> Record | None:
        """Another record; None where there can be none. It stays, whatever becomes of it."""
        parent = self.plan.parents[entity]
        inside = [one for one in above.walk() if one.entity == parent]
        if not parent or self.added == ADDED or not self.plan.keys[entity]:
            return None
        owner = self.random.choice(inside) if inside else self.more(parent, above)
        if owner is None:
            return None
        if entity == ITS_ONLY and is_individual(owner):
            return None
        if self.plan.generator.is_full(entity, owner):
            return None
        self.added += 1
        names = self.plan.keys[entity]
        facts = self.plan.generator.facts_of(entity, self.random)
        keys = [facts[name].value for name in names]
        siblings = owner.children.get(entity, [])
        if any([one.facts[name].value for name in names] == keys for one in siblings):
            return None
        made = owner.add(entity, facts)
        if self.plan.refers[entity]:
            made.refers = self.target(made)
        self.now.rebuilt()
        return made


def _way(record: Record, entity: str) -> tuple[Record | None, list[Record]]:
    """The record itself, or one of an entity above it or referred to on the way, and the records
    whose references lead to it."""
    above: Record | None = record
    while above is not None:
        if above.entity == entity:
            return above, []
        if above.refers is not None:
            found, pointing = _way(above.refers, entity)
            if found is not None:
                return found, [above, *pointing]
        above = above.parent
    return None, []


def _number(value: Value | Given | None) -> Fraction:
    number = value.value if isinstance(value, Given) else value
    assert isinstance(number, Fraction)
    return number
