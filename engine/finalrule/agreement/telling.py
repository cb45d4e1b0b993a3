"""A case as the events that would have told it: in any order of arrival, in several steps, some
told twice, some first told otherwise and then corrected, forgotten, or taken back.

All that rules of the Advanced APM track read of a case can be said, but for facts of the program as
a whole. Names are changed: those of subjects so that many cases are one stream, and a participation
is named after the unit that it points at. Where a clinician points at one unit twice, the unit is
told once more under another name; where a participation points at none, at a unit of which nothing
is said.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import msgspec

from finalrule.core.expressions import constant_value
from finalrule.evaluate.generate import Generator
from finalrule.facts.case import Case, Record
from finalrule.facts.declared import unfit
from finalrule.values import (
    Enumeration,
    Number,
    Type,
    Value,
    decimal_places,
    parse_number,
    show,
)
from finalrule.watch.model import KINDS, RETRACTION, Model

# How often: a fact that is what its absence means is said, a fact that is unknown is said to be, a
# value is wrong before it is right, the same event comes twice, an event of a kind of its own says
# what it can, a record was gone, one that never was is told, what never held is told and retracted.
_SAID, _FORGOTTEN, _WRONG, _TWICE, _OWN_KIND = 0.5, 0.2, 0.6, 0.08, 0.5
_GONE, _NEVER_THERE, _TAKEN_BACK, _UNKNOWN_TARGET = 0.08, 0.06, 0.12, 0.01
_STEPS = (1, 1, 1, 2, 2, 3)
# Between which arrivals a subject's events come: of some all come before, or after, what they point
# at is last changed.
_ARRIVALS = ((0.0, 1.0), (0.0, 1.0), (0.0, 0.3), (0.0, 0.3), (0.3, 0.7), (0.7, 1.0))
# Few different times, so that some events are of one moment.
_HOURS = 60
_OFFSETS = (0, 0, -5, 2)

_encode = msgspec.json.Encoder(decimal_format="number").encode

Path = tuple[str, ...]


@dataclass(slots=True)
class Told:
    """A case as events: lines with when they arrive (0 to 1), and every record with the path by
    which the watch names its outcomes, a record that is told twice with both."""

    lines: list[tuple[float, bytes]] = field(default_factory=list)
    records: list[tuple[Record, Path]] = field(default_factory=list)


class Teller:
    """Tells the cases of a program. `generator` is its, for values that are wrong first."""

    def __init__(self, model: Model, generator: Generator) -> None:
        self.model, self.generator = model, generator
        # Of each entity: the kind of event that says all its facts, and those that say a few.
        self.general: dict[str, str] = {}
        self.special: dict[str, list[tuple[str, frozenset[str]]]] = {}
        for kind, entities in KINDS.items():
            for entity, only in entities.items():
                if only:
                    self.special.setdefault(entity, []).append((kind, frozenset(only)))
                else:
                    self.general[entity] = kind
        self.facts = {
            entity: [
                fact
                for fact in model.declared.facts[entity].values()
                if fact.name not in model.keys[entity]
            ]
            for entity in model.kind_of
        }
        self.tops = tuple(kind.entity for kind in model.subjects)

    def tell(self, case: Case, mark: str) -> Told:
        """The events of a case; the names of its subjects begin with `mark`."""
        telling = _Telling(self, case, mark)
        telling.case()
        return telling.told


class _Telling:
    """One case being told: the same case always in the same way."""

    def __init__(self, plan: Teller, case: Case, mark: str) -> None:
        self.plan, self.model, self.mark = plan, plan.model, mark
        self.random = Random(f"events of {sorted(case.subject.items())}")
        self.told = Told()
        self.number = 0
        self.arrival = _ARRIVALS[0]
        self.root = case.root
        # The names under which a subject is told, and those that clinicians' records have taken.
        self.names: dict[Record, list[str]] = {}
        self.units: dict[Record, str] = {}

    def case(self) -> None:
        tops = [one for entity in self.plan.tops for one in self.root.children.get(entity, ())]
        for record in tops:
            (key,) = self.model.keys[record.entity]
            self.names[record] = [f"{self.mark}{record.facts[key].value}"]
        for record in tops:
            self._point(record)
        for record in tops:
            (key,) = self.model.keys[record.entity]
            for name in self.names[record]:
                self.arrival = self.random.choice(_ARRIVALS)
                self._record(record, {key: name}, (name,))

    def _point(self, top: Record) -> None:
        """Name what is named after the record that it points at, each of a parent otherwise."""
        taken: set[str] = set()
        for record in top.walk():
            if record.entity in self.model.named_by:
                names = [] if record.refers is None else self.names[record.refers]
                name = next((one for one in names if one not in taken), "")
                if not name:
                    name = f"{self.mark}{len(taken)} of {len(self.units)}"
                    names.append(name)
                taken.add(name)
                self.units[record] = name

    # --- records ---------------------------------------------------------------------------------

    def _record(self, record: Record, subject: Mapping[str, Any], path: Path) -> None:
        self.told.records.append((record, path))
        facts = dict(self._known(record))
        self._steps(record, subject, facts)
        if facts and self.random.random() < _TAKEN_BACK:
            self._taken_back(record, subject, facts)
        for entity in self.model.declared.children[record.entity]:
            for child in record.children.get(entity, ()):
                own = self._keys(child)
                self._record(child, {**subject, **own}, (*path, *own.values()))
            if self.random.random() < _NEVER_THERE:
                self._never_there(entity, record, subject)

    def _keys(self, record: Record) -> dict[str, str]:
        if record in self.units:
            (key,) = self.model.keys[record.entity]
            return {key: self.units[record]}
        types = self.plan.model.declared.facts[record.entity]
        return {
            key: show(record.facts[key].value, types[key].type)
            for key in self.model.keys[record.entity]
        }

    def _known(self, record: Record) -> Iterator[tuple[str, Any]]:
        """The facts that are said of a record, as they are in the end; null is no longer known."""
        random = self.random
        for fact in self.plan.facts[record.entity]:
            given = record.facts.get(fact.name)
            if given is None:
                if random.random() < _FORGOTTEN:
                    yield fact.name, None
                continue
            if fact.default is not None and given.value == constant_value(fact.default):
                if random.random() < _SAID:
                    said = self._value(given.value, fact.type)
                    yield fact.name, None if random.random() < _FORGOTTEN else said
                continue
            yield fact.name, self._value(given.value, fact.type)
        refers = self.model.refers[record.entity]
        if refers and record.entity not in self.model.named_by:
            if record.refers is not None:
                yield refers, self.names[record.refers][0]
            elif random.random() < _FORGOTTEN:
                yield refers, random.choice((None, f"{self.mark}nobody"))

    def _steps(self, record: Record, subject: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Say facts in one or a few events: each comes to what it is at last."""
        random = self.random
        count = random.choice(_STEPS)
        said: list[dict[str, Any]] = [{} for _ in range(count)]
        for name, value in facts.items():
            last = random.randrange(count)
            said[last][name] = value
            for before in range(last):
                if random.random() < _WRONG:
                    said[before][name] = self._wrong(record, name)
        hours = sorted(random.choices(range(_HOURS), k=count))
        gone = random.randrange(count - 1) if count > 1 and random.random() < _GONE else None
        silent = not facts and any(record.children.values()) and random.random() < _SAID
        for step, (hour, some) in enumerate(zip(hours, said, strict=True)):
            if some or (step == count - 1 and not silent) or gone is not None:
                self._say(record.entity, subject, hour, some)
            if step == gone:
                self._event(self.plan.general[record.entity], hour, subject, there=False)

    def _say(
        self, entity: str, subject: Mapping[str, Any], hour: int, facts: Mapping[str, Any]
    ) -> None:
        """Facts as one event, or more where there are kinds of events for some of them."""
        rest = dict(facts)
        for kind, only in self.plan.special.get(entity, ()):
            own = {name: value for name, value in rest.items() if name in only}
            if own and self.random.random() < _OWN_KIND:
                self._event(kind, hour, subject, facts=own)
                rest = {name: value for name, value in rest.items() if name not in only}
        if rest or not facts:
            self._event(self.plan.general[entity], hour, subject, facts=rest)

    def _taken_back(
        self, record: Record, subject: Mapping[str, Any], facts: Mapping[str, Any]
    ) -> None:
        """What never held is told, at any time, and retracted, at any time."""
        random, kind = self.random, self.plan.general[record.entity]
        if random.random() < _GONE:
            target = self._event(kind, random.randrange(_HOURS), subject, there=False)
        else:
            names = random.sample(sorted(facts), min(len(facts), random.choice((1, 1, 2))))
            wrong = {name: self._wrong(record, name) for name in names}
            target = self._event(kind, random.randrange(_HOURS), subject, facts=wrong)
        self._event(RETRACTION, random.randrange(_HOURS), subject, retracts=target)
        if random.random() < _UNKNOWN_TARGET:
            never = f"{self.mark}never"
            self._event(RETRACTION, random.randrange(_HOURS), subject, retracts=never)

    def _never_there(self, entity: str, parent: Record, subject: Mapping[str, Any]) -> None:
        """A record that is not in the case is told, and later gone, or retracted."""
        random, declared = self.random, self.model.declared.facts[entity]
        own: dict[str, str] = {}
        for key in self.model.keys[entity]:
            type_ = declared[key].type
            free = [f"{self.mark}nobody"]
            if isinstance(type_, Enumeration):
                there = {one.facts[key].value for one in parent.children.get(entity, ())}
                free = [member for member in type_.members if member not in there]
            if not free:
                return
            own[key] = random.choice(free)
        record = Record(entity, self.plan.generator.facts_of(entity, random))
        facts = {
            fact.name: self._value(record.facts[fact.name].value, fact.type)
            for fact in self.plan.facts[entity]
            if fact.name in record.facts and random.random() < _SAID
        }
        before, after = sorted(random.choices(range(_HOURS), k=2))
        kind, named = self.plan.general[entity], {**subject, **own}
        target = self._event(kind, before, named, facts=facts)
        if random.random() < _SAID:
            self._event(kind, after, named, there=False)
        else:
            self._event(RETRACTION, before, named, retracts=target)

    # --- events ----------------------------------------------------------------------------------

    def _event(self, kind: str, hour: int, subject: Mapping[str, Any], **more: Any) -> str:
        """One event, whose id is greater than that of those before; its id."""
        self.number += 1
        id_ = f"{self.mark}{self.number:05d}"
        offset = datetime.timezone(datetime.timedelta(hours=self.random.choice(_OFFSETS)))
        begin = datetime.datetime(self.model.program.performance_year, 1, 1, tzinfo=datetime.UTC)
        at = (begin + datetime.timedelta(hours=hour)).astimezone(offset).isoformat()
        line = _encode({"id": id_, "at": at, "kind": kind, "subject": subject, **more}) + b"\n"
        self.told.lines.append((self.random.uniform(*self.arrival), line))
        if self.random.random() < _TWICE:
            self.told.lines.append((self.random.uniform(*self.arrival), line))
        return id_

    def _wrong(self, record: Record, name: str) -> Any:
        """Another value that a fact of a record may have."""
        if name == self.model.refers[record.entity]:
            others = [names[0] for one, names in self.names.items() if one.entity == name]
            return self.random.choice([*others, f"{self.mark}nobody", None])
        fact = self.model.declared.facts[record.entity][name]
        value = self.plan.generator.another(fact, record, self.random)
        if value is None or unfit(value, fact.type):
            return None
        return self._value(value, fact.type)

    def _value(self, value: Value, type_: Type) -> Any:
        """A value as JSON says it: a number as such, or with its unit."""
        if isinstance(value, Fraction):
            assert isinstance(type_, Number)
            return self._number(value, type_)
        if isinstance(value, datetime.date):
            return value.isoformat()
        return value

    def _number(self, value: Fraction, type_: Number) -> Any:
        if self.random.random() < _SAID:
            text = show(value, type_)
            if parse_number(text, type_.unit) == value:
                return text
        quantity = value * 100 if type_.unit == "percent" else value
        places = decimal_places(quantity)
        assert places is not None, "the reader refuses facts that are no decimals"
        return Decimal(f"{int(quantity * 10**places)}e-{places}")  # calculated it would be rounded
