"""Random cases of a program: every declared entity and fact, with what turns outcomes.

Facts are at, just below and just above the figures that rules compare them with, keys are those of
catalogues, any number of records is there or missing, and facts that may be unknown are. Cases are
for holding readers of a program against each other: they are possible, not likely.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from random import Random

from finalrule.core import ir
from finalrule.core.expressions import constant_value
from finalrule.evaluate.catalogues import TypedCatalogue
from finalrule.evaluate.thresholds import Binding, Thresholds, find_thresholds, smallest_step
from finalrule.facts.case import Case, Given, Record
from finalrule.values import (
    LARGEST_DENOMINATOR,
    MOST_AVERAGED,
    Code,
    Codes,
    Date,
    Enumeration,
    Number,
    Type,
    Value,
    YesNo,
    round_to,
    within,
)

GENERATED = "generated"
# An individual is one clinician: readers of files make exactly one record, so that the rules never
# meet another number.
INDIVIDUAL = ("scoring_unit", "entity_type", "individual")
ITS_ONLY = "clinician"
_MANY = range(5, 10)
# How many cases have several records of an entity without keys, and how many these then are.
_NATIONS, _SEVERAL = 0.1, range(6)
_FEW_CODES = 100
# How often a rate is one at its benchmark; a fact that is moved becomes unknown, or the next one.
_GRADED, _FORGOTTEN, _BESIDE = 0.7, 0.15, 0.2


class Generator:
    """A program made ready to generate cases. `catalogues` are the program's, open."""

    def __init__(
        self,
        program: ir.Program,
        catalogues: Mapping[str, TypedCatalogue],
        thresholds: Thresholds | None = None,
    ) -> None:
        self.program = program
        self.thresholds = thresholds or find_thresholds(program)
        self.entities = {entity.name: entity for entity in program.entities}
        self.children: dict[str, list[str]] = {name: [] for name in self.entities}
        for entity in program.entities:
            if entity.parent:
                self.children[entity.parent].append(entity.name)
        self.roots = {
            name: self._size(name) for name, one in self.entities.items() if not one.parent
        }
        self.facts: dict[str, list[ir.FactDeclaration]] = {name: [] for name in self.entities}
        for fact in program.facts:
            self.facts[fact.entity].append(fact)
        self.catalogues = {name: _Rows(one) for name, one in catalogues.items()}
        self.codes = {
            (entity, key.name): self._codes(entity, key.name)
            for entity, declared in self.entities.items()
            for key in declared.keys
            if isinstance(key.type, Code)
        }
        self.crowds = self._crowds()
        self.proportions: dict[str, list[tuple[str, str]]] = {}
        for owner, part, whole in self.thresholds.proportions:
            self.proportions.setdefault(owner, []).append((part, whole))

    def case(self, seed: str, *, known: bool = False, several: bool = False) -> Case:
        """The case of a seed, always the same; in one that is `known` every fact is, in one of
        `several` there are several records of each entity, also of one without keys. It is of any
        root entity, most often of one that has most entities below it."""
        random = Random(seed)
        root = random.choices(list(self.roots), list(self.roots.values()))[0]
        return Case(_Making(self, random, known, several).case(root), {"case": seed}, "")

    def is_full(self, entity: str, above: Record) -> bool:
        """Whether a record has as many of an entity below it as some reader can have."""
        there = above.children.get(entity, ())
        return entity in self.thresholds.averaged and len(there) >= MOST_AVERAGED

    def facts_of(self, entity: str, random: Random) -> dict[str, Given]:
        """The facts of a single record, all of them known."""
        return _Making(self, random, True, False).facts(entity, {}, {})

    def another(self, fact: ir.FactDeclaration, record: Record, random: Random) -> Value | None:
        """A value that a fact of a record may be moved to: one at which something turns, the one
        next to where it is, or None: unknown."""
        if fact.presence == "may_be_unknown" and random.random() < _FORGOTTEN:
            return None
        now = record.facts.get(fact.name)
        if now is not None and isinstance(now.value, bool):
            return not now.value
        if isinstance(fact.type, Number) and now is not None and random.random() < _BESIDE:
            assert isinstance(now.value, Fraction)
            step = random.choice((-1, 1)) * smallest_step(fact.type)
            beside = _rounded(now.value + step, fact.type)
            if within(beside, fact.type):
                return beside
        making = _Making(self, random, True, False)
        binding = self.thresholds.graded.get((fact.entity, fact.name))
        if binding and random.random() < _GRADED:
            graded = making.graded(
                binding, fact.type, {name: given.value for name, given in record.facts.items()}
            )
            if graded is not None:
                return graded
        return making.value(fact)

    def _size(self, entity: str) -> int:
        return 1 + sum(self._size(child) for child in self.children[entity])

    def _crowds(self) -> dict[str, int]:
        """How often there are to be many records of an entity, and of none (an empty name): most
        often where rules speak of many single records."""
        named = {
            entity: sum(len(self.thresholds.values.get((entity, key.name), ())) for key in one.keys)
            for entity, one in self.entities.items()
        }
        crowds = {entity: 1 + count for entity, count in named.items()}
        return {"": sum(crowds.values()), **crowds}

    def _codes(self, entity: str, key: str) -> tuple[str, ...]:
        """The codes that a key of an entity is worth having: what rules and catalogues name."""
        found = [str(value) for value in self.thresholds.values.get((entity, key), ())]
        for binding in self.thresholds.bindings.get(entity, ()):
            if key in binding.keys:
                rows = self.catalogues[binding.catalogue]
                found += rows.keys_at(binding, binding.keys.index(key))
        return tuple(dict.fromkeys(found))


class _Rows:
    """A catalogue's keys, and those of the records that have each value of each field: what few
    records have is chosen as often as what most have."""

    def __init__(self, catalogue: TypedCatalogue) -> None:
        self.catalogue = catalogue
        self.keys = list(catalogue.rows.rows)
        self.fitting: dict[object, list[tuple[str, ...]]] = {}
        self.at_place: dict[object, frozenset[str]] = {}
        self.by_value: dict[str, dict[Value | None, list[tuple[str, ...]]]] = {}
        for key in self.keys:
            record = catalogue.record(key) or {}
            for field in catalogue.declared.fields:
                values = self.by_value.setdefault(field.name, {})
                values.setdefault(record.get(field.name), []).append(key)

    def keys_at(self, binding: Binding, place: int) -> list[str]:
        """The codes at one place of the keys of the records that a binding can read."""
        wanted = binding.wanted({})
        return list(dict.fromkeys(key[place] for key in self.keys if _reads(key, wanted)))

    def choose(
        self, binding: Binding, known: Mapping[str, Value], random: Random
    ) -> tuple[str, ...] | None:
        """The keys of a record that a binding can read, of which some facts are known."""
        if self.by_value and not known and random.random() < 0.7:
            values = random.choice(list(self.by_value.values()))
            found = random.choice(random.choice(list(values.values())))
            if _reads(found, binding.wanted({})):
                return found
        fitting = self.fit(binding.wanted(known))
        return random.choice(fitting) if fitting else None

    def fit(
        self, wanted: tuple[str | None, ...], field: str = "", value: Value | None = None
    ) -> Sequence[tuple[str, ...]]:
        """The keys that have every part that is wanted, of the records whose field has a value."""
        found = self.fitting.get((wanted, field, value))
        if found is None:
            keys = self.by_value[field].get(value, []) if field else self.keys
            found = [key for key in keys if _reads(key, wanted)]
            self.fitting[wanted, field, value] = found
        return found

    def codes(self, wanted: tuple[str | None, ...], place: int) -> frozenset[str]:
        """The codes at one place of the keys that have every part that is wanted."""
        found = self.at_place.get((wanted, place))
        if found is None:
            found = frozenset(key[place] for key in self.fit(wanted))
            self.at_place[wanted, place] = found
        return found


def _reads(key: Sequence[str], wanted: Sequence[str | None]) -> bool:
    """Whether a record's key has every part that is wanted."""
    return all(want is None or want == part for part, want in zip(key, wanted, strict=True))


class _Making:
    """One case being made. Each has its own inclinations: how often a yes_no is yes, a fact that
    may be unknown is known, a default stands; so that whole families of facts go together."""

    def __init__(self, plan: Generator, random: Random, known: bool, several: bool) -> None:
        self.plan, self.random = plan, random
        self.yes = random.choice((0.1, 0.5, 0.5, 0.9))
        self.unknown = random.choice((0.0, 0.0, 0.05, 0.3, 0.8))
        self.default = random.choice((0.3, 0.6, 0.9))
        self.crowded = random.choices(list(plan.crowds), list(plan.crowds.values()))[0]
        self.crowd = random.choice((0.2, 0.5, 0.8))
        self.alike = random.choice((0.0, 0.9))
        self.alike_members = random.random() < 0.5
        # A nation: several of what no key tells apart, of each not much below it, and nearly all of
        # it known, so that what is added up over all of it is determined.
        self.several = random.random() < _NATIONS or several
        if self.several:
            self.unknown, self.crowded = random.choice((0.0, 0.0, 0.0, 0.02)), ""
        if known:
            self.unknown = 0.0

    def case(self, entity: str) -> Record:
        root = Record(entity, self.facts(entity, {}, {}))
        self.below(root)
        self.refer(root)
        return root

    def refer(self, root: Record) -> None:
        """References, to any record of the entity or to none."""
        pointing = 0.98 if self.several else 0.8
        for entity, declared in self.plan.entities.items():
            if declared.refers:
                records = list(root.walk())
                targets = [record for record in records if record.entity == declared.refers]
                for record in records:
                    if record.entity == entity and targets and self.random.random() < pointing:
                        record.refers = self.random.choice(targets)

    def below(self, record: Record) -> None:
        for entity in self.plan.children[record.entity]:
            seen = set()
            model: Mapping[str, Given] = {}
            for number, keys in enumerate(self.keys(entity, self.count(entity, record)), 1):
                facts = self.facts(entity, keys, model)
                model = model or (facts if entity == self.crowded else {})
                name = tuple(facts[key.name].value for key in self.plan.entities[entity].keys)
                if self.plan.is_full(entity, record):
                    break
                if not name or name not in seen:
                    seen.add(name)
                    made = record.add(entity, facts)
                    if self.several and not name:  # outcomes of one are not another's
                        made.name = (f"#{number}",)
                    self.below(made)

    def count(self, entity: str, parent: Record) -> int:
        """How many records: one where nothing tells records apart, but in a nation."""
        if not self.plan.entities[entity].keys:
            return self.random.choice(_SEVERAL) if self.several else 1
        if entity == ITS_ONLY and is_individual(parent):
            return self.random.choice((0, 1, 1, 1))
        if entity == self.crowded:
            return self.random.choice(_MANY)
        weights = (40, 50, 10, 0) if self.several else (20, 50, 20, 10)
        return self.random.choices((0, 1, 2, 3), weights)[0]

    def keys(self, entity: str, count: int) -> Iterator[dict[str, Value]]:
        """The keys that records are to have. Members of an enumeration are not drawn twice; where
        there are many records, codes that mean something are there, now and then none of those
        that mean the same."""
        keys = self.plan.entities[entity].keys
        drawn: dict[str, list[Value]] = {}
        for key in keys:
            if isinstance(key.type, Enumeration) and len(keys) == 1:
                drawn[key.name] = list(self.random.sample(key.type.members, len(key.type.members)))
                count = min(count, len(key.type.members))
            codes = self.plan.codes.get((entity, key.name), ())
            if count in _MANY and codes and len(codes) < _FEW_CODES:
                groups = self.plan.thresholds.groups.get((entity, key.name), [])
                missing = {code for one in groups if self.random.random() < 0.3 for code in one}
                drawn[key.name] = [
                    code
                    for code in codes
                    if code not in missing and self.random.random() < self.crowd
                ]
                count = len(drawn[key.name])
        for place in range(count):
            yield {name: values[place] for name, values in drawn.items()}

    def facts(
        self, entity: str, keys: Mapping[str, Value], model: Mapping[str, Given]
    ) -> dict[str, Given]:
        """A record's facts. Where there is a model, most of them are as it has them."""
        values: dict[str, Value] = dict(keys)
        for key in self.plan.entities[entity].keys:
            alike = isinstance(key.type, Enumeration) == self.alike_members
            if model and alike and self.random.random() < self.alike:
                values.setdefault(key.name, model[key.name].value)
        self.bind(entity, values)
        for fact in self.plan.facts[entity]:
            if fact.name in values:
                continue
            if model and self.random.random() < self.alike:
                if fact.name in model:
                    values[fact.name] = model[fact.name].value
                continue
            if fact.presence == "may_be_unknown" and self.random.random() < self.unknown:
                continue
            if fact.default is not None and self.random.random() < self.default:
                values[fact.name] = constant_value(fact.default)
            else:
                values[fact.name] = self.value(fact)
        self.together(entity, values)
        return {name: Given(value, GENERATED) for name, value in values.items()}

    def bind(self, entity: str, values: dict[str, Value]) -> None:
        """Keys of a record of a catalogue, and a value near one of its decile bounds."""
        bindings = self.plan.thresholds.bindings.get(entity)
        if not bindings:
            return
        for key in self.plan.entities[entity].keys:
            codes = self.plan.thresholds.values.get((entity, key.name))
            if codes and key.name not in values and self.random.random() < 0.3:
                values[key.name] = self.random.choice(codes)
        if self.random.random() < 0.1:
            return
        binding = self.random.choice(bindings)
        found = self.plan.catalogues[binding.catalogue].choose(binding, values, self.random)
        if found is not None:
            for fact, part in zip(binding.keys, found, strict=True):
                if isinstance(fact, str):
                    values[fact] = part

    def together(self, entity: str, values: dict[str, Value]) -> None:
        """Facts that belong together: periods, a part and its whole, a rate and its benchmark."""
        thresholds, random = self.plan.thresholds, self.random
        for (first, second), limits in thresholds.lengths.get(entity, {}).items():
            start = values.get(first)
            if isinstance(start, datetime.date) and second in values and random.random() < 0.8:
                days = random.choice((*sorted(limits), max(limits))) + random.randint(-3, 3)
                values[second] = start + datetime.timedelta(max(days, 0))
        for part, whole in self.plan.proportions.get(entity, ()):
            a, b = values.get(part), values.get(whole)
            if isinstance(a, Fraction) and isinstance(b, Fraction):
                values[part], values[whole] = min(a, b), max(a, b)
        for fact in self.plan.facts[entity]:
            binding = thresholds.graded.get((entity, fact.name))
            if binding and fact.name in values and random.random() < _GRADED:
                graded = self.graded(binding, fact.type, values)
                if graded is not None:
                    values[fact.name] = graded

    def graded(self, binding: Binding, type_: Type, values: Mapping[str, Value]) -> Value | None:
        """A value at, beside or between the bounds of the record's benchmark; None where there is
        no such benchmark, or it is not known which it is."""
        key = tuple(part for part in binding.wanted(values) if part is not None)
        known = len(key) == len(binding.keys)
        bounds = self.plan.catalogues[binding.catalogue].catalogue.bounds(key) if known else None
        lower = [bound for bound in bounds.lower if bound is not None] if bounds else []
        if not lower:
            return None
        assert isinstance(type_, Number)
        beside = self.random.choice((Fraction(0), Fraction(1, 100), Fraction(-1, 100), None))
        value = self.random.choice(lower)
        value = (value + self.random.choice(lower)) / 2 if beside is None else value + beside
        return min(max(_rounded(value, type_), type_.low), type_.high)

    def value(self, fact: ir.FactDeclaration) -> Value:
        """A value of a fact's type, most often one that rules compare it with."""
        random = self.random
        known = self.plan.thresholds.values.get((fact.entity, fact.name))
        match fact.type:
            case YesNo():
                return random.random() < self.yes
            case Enumeration(members=members):
                return random.choice(members)
            case Code():
                codes = self.plan.codes.get((fact.entity, fact.name)) or known
                if codes and random.random() < 0.8:
                    return random.choice(codes)
                return f"X{random.randrange(1000)}"
            case Date():
                if known and random.random() < 0.6:
                    return random.choice(known)
                day = datetime.date(self.plan.program.performance_year, 1, 1)
                return day + datetime.timedelta(random.randrange(-366, 731))
            case Number():
                if known and random.random() < 0.6:
                    return random.choice(known)
                return self.number(fact.type)
            case Codes():
                raise TypeError(f"a fact cannot be a set of codes: {fact.name}")

    def number(self, type_: Number) -> Fraction:
        """A small number, one of any size, or an end of the domain."""
        random, low, high = self.random, type_.low, type_.high
        kind = random.randrange(10)
        if kind == 0:
            return random.choice((low, high))
        if kind < 6:
            part = 100 if type_.unit == "percent" else 1
            return min(_rounded(low + Fraction(random.randrange(0, 31), part), type_), high)
        share = Fraction(random.randrange(1, 10**6), 10 ** random.randrange(6, 13))
        return min(_rounded(low + (high - low) * share, type_), high)


def is_individual(record: Record) -> bool:
    """Whether a record is a scoring unit that is one clinician."""
    unit, fact, individual = INDIVIDUAL
    stated = record.facts.get(fact)
    return record.entity == unit and stated is not None and stated.value == individual


def _rounded(value: Fraction, type_: Number) -> Fraction:
    """A value that a fact of the type may have."""
    if type_.scale is None:
        return value.limit_denominator(LARGEST_DENOMINATOR)
    return round_to(value, len(str(smallest_step(type_).denominator)) - 1, "down")
